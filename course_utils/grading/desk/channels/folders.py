"""A folder a student: what somebody who has files of learners makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from course_utils.grading.desk.channels.base import Channel, Delivery, files_below

ASK = (
    "it lies in no student's folder. If a platform wrote its name, say which with --from; otherwise whose "
    "it is stands in a --manifest"
)


class StudentFolders(Channel):
    """`INBOX/<student>/<package>`; the time is the file's own."""

    name = "folders"
    title = "<student>/<file>; the file's own time"
    files_have_times = True

    def deliveries(self, inbox: Path, known: list[str]) -> Iterator[Delivery]:
        for path in files_below(inbox):
            student, *below = path.relative_to(inbox).parts
            yield Delivery(path, student if below else "", self.time(path), refused="" if below else ASK)


CHANNEL = StudentFolders()
