"""`course collect INBOX --out SUBMITTED`: take packages in, and lay them where `course grade` looks.

Who handed something in, and when, is said by the channel it came through and never by
anything inside a package. Three channels are known:

`folders`   INBOX/<student>/<package>; the time is the file's own (when it arrived)
`manifest`  a CSV with the columns file, student, time and, if wanted, exercise (`--manifest`)
`canvas`    "Download submissions": <name>[_LATE]_<user id>_<submission id>_<file>
`moodle`    "Download all submissions": <full name>_<participant id>_assignsubmission_file/<file>

Canvas and Moodle name their own numbers; `--roster` (a CSV with the columns id, student)
turns them into the class's names. A package is the zip of `course submit` or a bare
notebook. It is bounded in size and number of files; of a zip one notebook is taken, by
reading it, so that no path, link or mode in it means anything.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import re
import sys
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nbgrader.utils import parse_utc

from course_utils.files import write_whole
from course_utils.grading.gradebook.release import exercise_names
from course_utils.grading.gradebook.reports import spreadsheet_text
from course_utils.grading.run.reading import SUBMISSION_BYTES
from course_utils.install import ROOT

PACKAGE_BYTES = SUBMISSION_BYTES + 2**20
MOST_MEMBERS = 50
STUDENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,99}\Z")
RECORD_COLUMNS = ("student", "exercise", "status", "reason", "handed_in", "sha256", "bytes", "file")
_CANVAS = re.compile(r"[^_/]+(?:_LATE)?_(?P<id>\d+)_\d+_(?P<name>.+)\Z")
_MOODLE = re.compile(r"(?P<who>.+)_(?P<id>\d+)_assignsubmission_file_?\Z")
_ENCRYPTED, _LINK = 0x1, 0o120000


class Refused(Exception):
    """A package that is not taken in; the message says why."""


@dataclass(frozen=True)
class Delivery:
    """A package as it came: what the channel says of it."""

    path: Path
    student: str
    time: datetime
    exercise: str | None = None
    refused: str = ""


@dataclass(frozen=True)
class Collected:
    """What became of a delivery: "taken", "refused", or "superseded" by a later one."""

    student: str
    exercise: str
    status: str
    reason: str
    handed_in: str
    sha256: str
    bytes: int
    file: str


# --- channels ------------------------------------------------------------------------------------------


def from_folders(inbox: Path) -> Iterator[Delivery]:
    """A folder a student; the name of the folder and the time of the file count."""
    for folder in _plain(inbox, folders=True):
        for path in _plain(folder, folders=False):
            yield _delivery(path, folder.name)


def from_canvas(inbox: Path) -> Iterator[Delivery]:
    """Canvas's "Download submissions", unpacked."""
    for path in _plain(inbox, folders=False):
        match = _CANVAS.match(path.name)
        why = "" if match else "its name is not one that Canvas gives"
        yield _delivery(path, match["id"] if match else "", refused=why)


def from_moodle(inbox: Path) -> Iterator[Delivery]:
    """Moodle's "Download all submissions", unpacked (with folders)."""
    for folder in _plain(inbox, folders=True):
        match = _MOODLE.match(folder.name)
        for path in _plain(folder, folders=False):
            why = "" if match else "its folder's name is not one that Moodle gives"
            yield _delivery(path, match["id"] if match else "", refused=why)


def from_manifest(inbox: Path, manifest: Path) -> Iterator[Delivery]:
    """What a CSV says: file (inside the inbox), student, time, and perhaps exercise."""
    with open(manifest, newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        missing = {"file", "student", "time"} - set(rows.fieldnames or ())
        if missing:
            raise Refused(f"{manifest} has no column {sorted(missing)[0]!r}; it needs file, student and time")
        for row in rows:
            path = inbox / (row["file"] or "")
            try:
                time, why = parse_utc(row["time"]).replace(tzinfo=UTC), ""
            except (ValueError, OverflowError, TypeError):
                time, why = (
                    datetime.fromtimestamp(0, UTC),
                    f"its time {str(row['time'])[:40]!r} cannot be read",
                )
            if not path.resolve().is_relative_to(inbox.resolve()):
                why = "it lies outside the inbox"
            yield Delivery(path, row["student"] or "", time, row.get("exercise") or None, why)


def _plain(folder: Path, *, folders: bool) -> list[Path]:
    """The sub-folders or the files of a folder, in order; hidden ones and receipts are none."""
    found = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    wanted = [path for path in found if path.is_dir() == folders or path.is_symlink()]
    return [path for path in wanted if not path.name.endswith(".receipt.json")]


def _delivery(path: Path, student: str, refused: str = "") -> Delivery:
    time = datetime.fromtimestamp(int(path.lstat().st_mtime), UTC)
    return Delivery(path, student, time, None, refused)


def read_roster(path: Path) -> dict[str, str]:
    """A CSV with the columns id and student, as a dict."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        if not {"id", "student"} <= set(rows.fieldnames or ()):
            raise Refused(f"{path} needs the columns id and student")
        return {row["id"].strip(): row["student"].strip() for row in rows}


# --- packages ------------------------------------------------------------------------------------------


def read_package(path: Path, known: list[str], wanted: str | None) -> tuple[str, bytes, str]:
    """`(exercise, notebook, sha256 of the package)`; raises `Refused` with the reason.

    `wanted` is the exercise the channel names; without it, the notebook's file name says
    which of the `known` ones it is, which harms nobody but its own sender.
    """
    data = _read_bounded(path)
    if zipfile.is_zipfile(io.BytesIO(data)):
        exercise, notebook = _from_zip(data, known, wanted)
    elif path.suffix == ".ipynb":
        exercise, notebook = wanted or _bare_name(path, known), data
    else:
        raise Refused("it is neither a zip nor a notebook")
    if len(notebook) > SUBMISSION_BYTES:
        raise Refused(f"the notebook is larger than {SUBMISSION_BYTES // 2**20} MB; clear its outputs")
    return exercise, notebook, hashlib.sha256(data).hexdigest()


def _read_bounded(path: Path) -> bytes:
    try:
        if path.is_symlink() or not path.is_file():
            raise Refused("it is not a plain file")
        with open(path, "rb") as file:
            data = file.read(PACKAGE_BYTES + 1)
    except OSError as error:
        raise Refused(f"it cannot be read ({error.strerror})") from None
    if len(data) > PACKAGE_BYTES:
        raise Refused(f"it is larger than {PACKAGE_BYTES // 2**20} MB")
    return data


def _bare_name(path: Path, known: list[str]) -> str:
    """The exercise that a bare notebook's file name ends with (a channel puts its own words before it)."""
    found = [name for name in known if path.stem.endswith(name)]
    if not found:
        raise Refused("its name is not an exercise's; say --exercise")
    return found[0]


def _from_zip(data: bytes, known: list[str], wanted: str | None) -> tuple[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            member = _notebook_in(package, known, wanted)
            with package.open(member) as file:
                notebook = file.read(SUBMISSION_BYTES + 1)  # what its header claims does not count
    except (
        zipfile.BadZipFile,
        zlib.error,
        RuntimeError,
        NotImplementedError,
        OSError,
        ValueError,
        EOFError,
    ) as error:
        raise Refused(f"the zip is damaged ({type(error).__name__})") from None
    return Path(member.filename).stem, notebook


def _notebook_in(package: zipfile.ZipFile, known: list[str], wanted: str | None) -> zipfile.ZipInfo:
    """The one member that is taken: a plain file at the top or in a folder, named for an exercise."""
    members = package.infolist()
    if len(members) > MOST_MEMBERS:
        raise Refused(f"it holds more than {MOST_MEMBERS} files")
    names = [wanted] if wanted else known
    found = [one for one in members if one.filename.rpartition("/")[2] in {f"{name}.ipynb" for name in names}]
    if len(found) != 1:
        looked_for = f"{wanted}.ipynb" if wanted else "a notebook named for an exercise"
        raise Refused(f"it holds {'no' if not found else 'more than one'} {looked_for}")
    member = found[0]
    if member.flag_bits & _ENCRYPTED:
        raise Refused("it is encrypted")
    if member.external_attr >> 16 & 0o170000 == _LINK:
        raise Refused("the notebook in it is a link")
    return member


# --- the whole -----------------------------------------------------------------------------------------


def collect(
    deliveries: list[Delivery],
    out: Path,
    known: list[str],
    exercise: str | None,
    roster: dict[str, str] | None,
) -> list[Collected]:
    """Take in every delivery, the latest of a student's last; what is wrong with one never stops the rest."""
    records: list[Collected] = []
    latest: dict[tuple[str, str], int] = {}
    for delivery in sorted(deliveries, key=lambda one: (one.time, str(one.path))):
        record = _take(delivery, out, known, exercise, roster)
        if record.status == "taken":
            before = latest.get((record.student, record.exercise))
            if before is not None:
                records[before] = Collected(
                    **(vars(records[before]) | {"status": "superseded", "reason": "a later one came"})
                )
            latest[record.student, record.exercise] = len(records)
        records.append(record)
    return records


def _take(
    delivery: Delivery, out: Path, known: list[str], exercise: str | None, roster: dict[str, str] | None
) -> Collected:
    stamp = delivery.time.strftime("%Y-%m-%d %H:%M:%S UTC")
    student, name, digest, size = delivery.student, exercise or delivery.exercise or "", "", 0
    try:
        student = _student(delivery, roster)
        if name and name not in known:
            raise Refused(f"there is no exercise {name[:60]!r}")
        name, notebook, digest = read_package(delivery.path, known, name or None)
        size = delivery.path.stat().st_size
        if _is_older(delivery.time, out / student / name / "timestamp.txt"):
            return Collected(
                student,
                name,
                "superseded",
                "a later one was taken in before",
                stamp,
                digest,
                size,
                delivery.path.name,
            )
        _lay_down(out / student / name, name, notebook, stamp)
        return Collected(student, name, "taken", "", stamp, digest, size, delivery.path.name)
    except Refused as error:
        reason = str(error)
    except Exception as error:  # whatever a package brings about, the next one is taken in
        reason = f"it could not be taken in ({type(error).__name__}: {str(error)[:100]})"
    return Collected(student, name, "refused", reason, stamp, digest, size, delivery.path.name)


def _student(delivery: Delivery, roster: dict[str, str] | None) -> str:
    if delivery.refused:
        raise Refused(delivery.refused)
    if roster is not None and delivery.student not in roster:
        raise Refused(f"the roster has no {delivery.student[:60]!r}")
    student = roster[delivery.student] if roster is not None else delivery.student
    if not STUDENT.match(student):
        raise Refused(f"{student[:60]!r} is not a student's name; letters, digits and _ . @ - are")
    return student


def _is_older(time: datetime, stamp: Path) -> bool:
    try:
        return time < parse_utc(stamp.read_text(encoding="utf-8").strip()).replace(tzinfo=UTC)
    except (OSError, ValueError, OverflowError):
        return False


def _lay_down(place: Path, name: str, notebook: bytes, stamp: str) -> None:
    write_whole(place / f"{name}.ipynb", notebook)
    write_whole(place / "timestamp.txt", stamp)


def write_record(path: Path, records: list[Collected]) -> None:
    """Add what became of each delivery to a CSV."""
    is_new = not path.exists()
    with open(path, "a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, RECORD_COLUMNS, lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerows(
            {key: spreadsheet_text(value) for key, value in vars(one).items()} for one in records
        )


CHANNELS = {"folders": from_folders, "canvas": from_canvas, "moodle": from_moodle}


def main(argv: list[str] | None = None) -> int:
    """The `course collect` command; exit code 0 when every delivery was
    looked at, refused ones included.
    """
    parser = argparse.ArgumentParser(
        prog="course collect",
        description="Take handed-in packages to where `course grade` looks.",
        epilog=_epilog(),
    )
    parser.add_argument("inbox", type=Path, help="where the packages lie")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="SUBMITTED", help="what `course grade` is given"
    )
    parser.add_argument(
        "--from", dest="channel", choices=CHANNELS, default="folders", help="how they came (folders)"
    )
    parser.add_argument(
        "--manifest", type=Path, metavar="CSV", help="file, student, time[, exercise]; in place of --from"
    )
    parser.add_argument(
        "--roster", type=Path, metavar="CSV", help="id, student: the class's name for each of the channel's"
    )
    parser.add_argument("--exercise", metavar="NAME", help="which exercise all of them are")
    parser.add_argument("--solutions", type=Path, default=ROOT / "solutions", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    try:
        if not options.inbox.is_dir():
            raise Refused(f"there is no folder {options.inbox}")
        if options.manifest:
            deliveries = list(from_manifest(options.inbox, options.manifest))
        else:
            deliveries = list(CHANNELS[options.channel](options.inbox))
        roster = read_roster(options.roster) if options.roster else None
        records = collect(
            deliveries, options.out, exercise_names(options.solutions), options.exercise, roster
        )
        options.out.mkdir(parents=True, exist_ok=True)
        record = options.out.with_name(f"{options.out.name}-collected.csv")
        write_record(record, records)
    except (Refused, OSError, UnicodeDecodeError, csv.Error) as error:
        print(f"course collect: {error}", file=sys.stderr)
        return 1
    for one in records:
        if one.status != "taken":
            print(f"{one.status} {one.file!r} of {one.student!r}: {one.reason}", file=sys.stderr)
    counted = {
        status: sum(one.status == status for one in records) for status in ("taken", "superseded", "refused")
    }
    print(
        ", ".join(f"{count} {status}" for status, count in counted.items())
        + f"; see {options.out / 'collected.csv'}"
    )
    return 0


def _epilog() -> str:
    return (
        "Who and when is said by the channel, never by a package: see course_utils/grading/desk/collect.py."
    )


if __name__ == "__main__":
    sys.exit(main())
