"""Canvas's "Download Submissions", unpacked.

How its names are made: `add_upload_submission` and `get_filename` in lib/content_zipper.rb of the repository
instructure/canvas-lms. Joined by underscores are the learner's name without punctuation (none where the
assignment is anonymous), LATE, the user's number or anon_ and some letters, the attachment's number, and the
file's name. A group's name may have underscores and numbers of its own. The files have the download's time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from course_utils.grading.desk.channels.base import Channel, Delivery, files_below, plain_stem

_NUMBERS = re.compile(r"_(?P<id>\d+|anon_[^\W_]+)_(?P<attachment>\d+)_(?=[^_])")

_TYPED = re.compile(r"_(?P<id>\d+|anon_[^\W_]+)_(text|link)\.html\Z")


class CanvasDownload(Channel):
    """`<name>[_LATE]_<user id>_<attachment id>_<file>`."""

    name = "canvas"
    title = (
        "<name>[_LATE]_<user id>_<attachment id>_<file>; when only with --times, as files have the download's"
    )

    def deliveries(self, inbox: Path, known: list[str]) -> Iterator[Delivery]:
        for path in files_below(inbox):
            read = _read(path.name, known)
            if read is None:
                yield _no_file(path)
                continue
            student, attachment, late = read
            yield Delivery(path, student, None, late=late, order=attachment)


def _no_file(path: Path) -> Delivery:
    """What is no file of a learner's: a text or an address that was typed in, or another thing."""
    if typed := _TYPED.search(f"_{path.name}"):
        late = f"_{path.name}"[: typed.start()].endswith("_LATE")
        return Delivery(path, typed["id"], None, refused="it was written online, and is no file", late=late)
    unpack = "; unpack it first" if path.suffix.casefold() == ".zip" else ""
    return Delivery(path, "", None, refused=f"its name is not one that Canvas gives{unpack}")


def _read(name: str, known: list[str]) -> tuple[str, int, bool] | None:
    """(id, attachment's number, whether late) of a name of Canvas's."""
    text = f"_{name}"  # an anonymous one begins with its number
    found = [
        match
        for start in range(len(text))
        if (match := _NUMBERS.match(text, start)) and (start == 0 or text[start] == "_")
    ]
    if not found:
        return None
    # of several numbers in a row, those before a file that is called as an exercise, or else the last
    exercises = [
        match
        for match in found
        if any(plain_stem(text[match.end() :]).startswith(each.casefold()) for each in known)
    ]
    match = exercises[0] if exercises else found[-1]
    return match["id"], int(match["attachment"]), text[: match.start()].endswith("_LATE")


CHANNEL = CanvasDownload()
