"""Moodle's "Download all submissions", unpacked: with a folder a learner, or without folders.

Both begin with `<full name>_<participant's number>_assignsubmission_file_`; a learner may have handed in
folders. What was written online is `…_assignsubmission_onlinetext_…`, and no package. The files have the
download's time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from course_utils.grading.desk.channels.base import Channel, Delivery, files_below

_OWNER = re.compile(r"(?P<who>.+)_(?P<id>\d+)_assignsubmission_(?P<kind>file|onlinetext)(_|\Z)")


class MoodleDownload(Channel):
    """`<full name>_<participant id>_assignsubmission_file/<file>`, or the same joined by an underscore."""

    name = "moodle"
    title = "<full name>_<participant id>_assignsubmission_file_[/]<file>; when only with --times"

    def deliveries(self, inbox: Path, known: list[str]) -> Iterator[Delivery]:
        for path in files_below(inbox):
            parts = path.relative_to(inbox).parts
            owner = next((match for part in parts if (match := _OWNER.match(part))), None)
            if owner is None:
                unpack = "; unpack it first" if path.suffix.casefold() == ".zip" else ""
                why = f"neither its name nor its folder's is one that Moodle gives{unpack}"
            else:
                why = "it was written online, and is no file" if owner["kind"] == "onlinetext" else ""
            yield Delivery(path, owner["id"] if owner else "", None, refused=why)


CHANNEL = MoodleDownload()
