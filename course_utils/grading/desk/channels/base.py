"""What a channel says of the files that came through it: whose each is, when it came, or why nobody knows."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from course_utils.grading.gradebook.lists import Refused, read_list
from course_utils.grading.gradebook.times import read_time

# What systems and tools leave in a folder, and nobody handed in
_LITTER = re.compile(
    r"\..*|__MACOSX|Thumbs\.db|desktop\.ini|.*\.receipt\.json|submission_secret\.txt|timestamp\.txt",
    re.IGNORECASE,
)
# What platforms and browsers add to a name that is there already: x-1, x (1), x_2
_NUMBERED = re.compile(r"(-\d{1,3}|[ _]?\(\d{1,3}\))\Z")


@dataclass(frozen=True)
class Delivery:
    """A file as it came: what its channel says of it.

    time: when it came; None where the channel does not tell. late: the channel's own word. order: among
    those of one learner without a time, the higher is the later. refused: why it cannot be taken.
    """

    path: Path
    student: str
    time: datetime | None
    exercise: str | None = None
    refused: str = ""
    late: bool = False
    order: int = 0


class Channel(ABC):
    """Reads what one platform's download looks like."""

    name: str
    title: str
    #: Whether a file's own time is when it was handed in. A platform's archive has the download's.
    files_have_times = False

    @abstractmethod
    def deliveries(self, inbox: Path, known: list[str]) -> Iterator[Delivery]:
        """What was handed in, with a reason where nobody knows whose it is; `known` names the exercises."""

    def time(self, path: Path) -> datetime | None:
        """When a file came, as far as the file tells."""
        return datetime.fromtimestamp(int(path.lstat().st_mtime), UTC) if self.files_have_times else None


def files_below(folder: Path) -> list[Path]:
    """Every file and link below a folder, in order, without what nobody handed in."""
    return [path for path in everything_below(folder) if not why_ignored(path, folder)]


def everything_below(folder: Path) -> list[Path]:
    """Every file and link below a folder, in order; a link to a folder is not followed."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            found += everything_below(path)
        else:
            found.append(path)
    return found


def why_ignored(path: Path, folder: Path) -> str:
    """Why a file below a folder counts for nothing; "" for one that may have been handed in."""
    parts = path.relative_to(folder).parts
    return "systems and tools leave such files" if any(_LITTER.fullmatch(part) for part in parts) else ""


def plain_stem(name: str) -> str:
    """A file's name without its ending and the number of a copy: 04_evaluation of 04_Evaluation (1).IPYNB."""
    return _NUMBERED.sub("", Path(name).stem).casefold()


def exercise_in(name: str, known: list[str]) -> str | None:
    """The exercise whose name a file's name ends with; a channel puts its own words before it."""
    return next((each for each in known if plain_stem(name).endswith(each.casefold())), None)


def by_id(path: Path, column: str) -> Iterator[tuple[int, str, str]]:
    """(line, id, cell) of a CSV with the columns id and another. Raises `Refused` where an id stands there
    twice, or a cell is empty: whose it is, nobody could tell.
    """
    seen: set[str] = set()
    for line, row in read_list(path, "id", column):
        if not row["id"] or not row[column] or row["id"] in seen:
            what = (
                "has no id" if not row["id"] else f"has no {column}" if not row[column] else "is there twice"
            )
            raise Refused(f"{path}, line {line}: {row['id'] or 'it'} {what}")
        seen.add(row["id"])
        yield line, row["id"], row[column]


def read_times(path: Path) -> dict[str, datetime]:
    """A CSV with the columns id and time (ISO 8601 with its zone) -> when each handed in. Or `Refused`."""
    found = {}
    for line, one, text in by_id(path, "time"):
        try:
            found[one] = read_time(text)
        except ValueError as error:
            raise Refused(f"{path}, line {line}: {error}") from None
    return found


def with_times(deliveries: list[Delivery], times: dict[str, datetime]) -> list[Delivery]:
    """The same with the times of a list, by the id that the channel knows a learner by."""
    return [replace(each, time=times.get(each.student, each.time)) for each in deliveries]
