"""`course collect INBOX --out SUBMITTED`: take packages in, and lay them where `course grade` looks.

Who handed something in, and when, is said by the channel it came through and never by
anything inside a package. The channels are in `channels`; a CSV that says it of each file
(`--manifest`: file, student, time and, if wanted, exercise) stands for any other. Canvas's and
Moodle's archives do not tell when something came: `--times` (a CSV with the columns id, time) does.

Canvas and Moodle name their own numbers; `--roster` (a CSV with the columns id, student)
turns them into the class's names. A package is the zip of `course submit` or a bare
notebook. It is bounded in size and number of files; of a zip one notebook is taken, by
reading it, so that no path, link or mode in it means anything.

Whatever lies in the inbox ends as one line of the record, taken, superseded, refused or ignored, with the
reason.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from course_utils.files import write_whole
from course_utils.grading.desk.channels import channels
from course_utils.grading.desk.channels.base import (
    Channel,
    Delivery,
    Refused,
    by_id,
    everything_below,
    exercise_in,
    plain_stem,
    read_list,
    read_times,
    why_ignored,
    with_times,
)
from course_utils.grading.gradebook.release import exercise_names
from course_utils.grading.gradebook.reports import spreadsheet_text
from course_utils.grading.gradebook.students import STUDENT
from course_utils.grading.gradebook.times import read_time, written
from course_utils.grading.run.reading import EARLIER, SUBMISSION_BYTES
from course_utils.install import ROOT

PACKAGE_BYTES = SUBMISSION_BYTES + 2**20
MOST_MEMBERS = 50
MOST_NAMES = 40  # of learners in one line
RECORD_COLUMNS = ("student", "exercise", "status", "reason", "handed_in", "late", "sha256", "bytes", "file")
_SAME_FILE = ("student", "exercise", "handed_in", "sha256", "file")
STATUSES = ("taken", "superseded", "refused", "ignored")
_LONG_AGO = datetime.fromtimestamp(0, UTC)
SAME_AGAIN = "the same came before, and that time counts"
_ENCRYPTED, _LINK = 0x1, 0o120000


@dataclass(frozen=True)
class Collected:
    """What became of a file: one of STATUSES. `handed_in` is "" where nobody knows when; `late` is what the
    channel says.
    """

    student: str
    exercise: str
    status: str
    reason: str
    handed_in: str
    sha256: str
    bytes: int
    file: str
    late: str = ""


# --- lists that come beside the packages ---------------------------------------------------------------


def from_manifest(inbox: Path, manifest: Path) -> Iterator[Delivery]:
    """What a CSV says: file (inside the inbox), student, time, and perhaps exercise."""
    for _, row in read_list(manifest, "file", "student", "time"):
        path, time, why = inbox / row["file"], None, ""
        try:
            time = read_time(row["time"])
        except ValueError as error:
            why = f"its time cannot be read: {error}"
        if not path.resolve().is_relative_to(inbox.resolve()):
            why = "it lies outside the inbox"
        yield Delivery(path, row["student"], time, row.get("exercise") or None, why)


def read_roster(path: Path) -> dict[str, str]:
    """A CSV with the columns id and student, as a dict. Raises `Refused` where an id stands for two."""
    return {one: student for _, one, student in by_id(path, "student")}


# --- packages ------------------------------------------------------------------------------------------


def read_package(path: Path, known: list[str], wanted: str | None) -> tuple[str, bytes, str]:
    """`(exercise, notebook, sha256 of the package)`; raises `Refused` with the reason.

    `wanted` is the exercise the channel names; without it, the notebook's file name says
    which of the `known` ones it is, which harms nobody but its own sender.
    """
    data = _read_bounded(path)
    if zipfile.is_zipfile(io.BytesIO(data)):
        exercise, notebook = _from_zip(data, known, wanted)
    elif path.suffix.casefold() == ".ipynb":
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
    found = exercise_in(path.name, known)
    if found is None:
        raise Refused("its name is not an exercise's; say --exercise")
    return found


def _from_zip(data: bytes, known: list[str], wanted: str | None) -> tuple[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            exercise, member = _notebook_in(package, known, wanted)
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
    return exercise, notebook


def _notebook_in(
    package: zipfile.ZipFile, known: list[str], wanted: str | None
) -> tuple[str, zipfile.ZipInfo]:
    """(exercise, the one member that is taken): a plain file in any folder, named for an exercise."""
    members = package.infolist()
    if len(members) > MOST_MEMBERS:
        raise Refused(f"it holds more than {MOST_MEMBERS} files")
    names = {name.casefold(): name for name in ([wanted] if wanted else known)}
    found = [(names[stem], one) for one in members if (stem := _notebook_stem(one)) in names]
    if len(found) != 1:
        looked_for = f"{wanted}.ipynb" if wanted else "a notebook named for an exercise"
        raise Refused(f"it holds {'no' if not found else 'more than one'} {looked_for}")
    exercise, member = found[0]
    if member.flag_bits & _ENCRYPTED:
        raise Refused("it is encrypted")
    if member.external_attr >> 16 & 0o170000 == _LINK:
        raise Refused("the notebook in it is a link")
    return exercise, member


def _notebook_stem(member: zipfile.ZipInfo) -> str | None:
    """What a notebook in an archive is called; None for anything else. Windows may write backslashes."""
    name = member.filename.replace("\\", "/").rpartition("/")[2]
    litter = name.startswith(".") or "__MACOSX" in member.filename
    return plain_stem(name) if name.casefold().endswith(".ipynb") and not litter else None


# --- the whole -----------------------------------------------------------------------------------------


def collect(
    deliveries: list[Delivery],
    out: Path,
    known: list[str],
    exercise: str | None,
    roster: dict[str, str] | None,
    inbox: Path | None = None,
) -> list[Collected]:
    """Take in every delivery, the latest of a student's last; what is wrong with one never stops the rest.
    A file is named as it lies in `inbox`.
    """
    records: list[Collected] = []
    latest: dict[tuple[str, str], int] = {}
    for delivery in sorted(deliveries, key=lambda one: (one.time or _LONG_AGO, one.order, str(one.path))):
        record = _take(delivery, out, known, exercise, roster)
        record = replace(record, file=_named(delivery.path, inbox))
        if record.status == "taken":
            before = latest.get((record.student, record.exercise))
            if before is not None:
                records[before] = replace(records[before], status="superseded", reason="a later one came")
            latest[record.student, record.exercise] = len(records)
        records.append(record)
    return records


def _take(
    delivery: Delivery, out: Path, known: list[str], exercise: str | None, roster: dict[str, str] | None
) -> Collected:
    stamp = written(delivery.time) if delivery.time else ""
    blank = Collected(
        student=delivery.student,
        exercise=exercise or delivery.exercise or "",
        status="refused",
        reason="",
        handed_in=stamp,
        sha256="",
        bytes=0,
        file=_named(delivery.path),
        late="late" if delivery.late else "",
    )
    try:
        student = _student(delivery, roster)
        blank = replace(blank, student=student)
        if blank.exercise and blank.exercise not in known:
            raise Refused(f"there is no exercise {blank.exercise[:60]!r}")
        name, notebook, digest = read_package(delivery.path, known, blank.exercise or None)
        read = replace(blank, exercise=name, sha256=digest, bytes=delivery.path.stat().st_size)
        if delivery.time and _is_older(delivery.time, out / student / name / "timestamp.txt"):
            _keep(out / student / name, name, notebook, stamp)
            return replace(read, status="superseded", reason="a later one was taken in before")
        first = _first_time(out / student / name, name, notebook)
        _keep_last(out / student / name, name, notebook)
        _lay_down(out / student / name, name, notebook, first or stamp)
        return replace(
            read, status="taken", reason=f"{SAME_AGAIN} ({first})" if first not in ("", stamp) else ""
        )
    except Refused as error:
        reason = str(error)
    except Exception as error:  # whatever a package brings about, the next one is taken in
        reason = f"it could not be taken in ({type(error).__name__}: {str(error)[:100]})"
    return replace(blank, reason=reason)


def ignored(inbox: Path, deliveries: Sequence[Delivery]) -> list[Collected]:
    """What lies in the inbox and is no delivery, each with the reason: nothing goes unmentioned."""
    seen = {delivery.path for delivery in deliveries}
    left = [path for path in everything_below(inbox) if path not in seen]
    return [
        Collected(
            "", "", "ignored", why_ignored(path, inbox) or "no list names it", "", "", 0, _named(path, inbox)
        )
        for path in left
    ]


def nothing_from(
    records: Sequence[Collected], out: Path, roster: dict[str, str], exercise: str | None = None
) -> dict[str, list[str]]:
    """exercise -> who on the roster has handed in nothing, for each that somebody handed in now, or that all
    of it is said to be.
    """
    names = sorted(
        {one.exercise for one in records if one.status in ("taken", "superseded")} | {exercise or ""} - {""}
    )
    return {
        name: sorted({student for student in roster.values() if not (out / student / name).is_dir()})
        for name in names
    }


def refused_of(records: Sequence[Collected], name: str, roster: dict[str, str]) -> set[str]:
    """Of whom something was refused that is this exercise's, or may be."""
    refused = [one for one in records if one.status == "refused" and one.exercise in ("", name)]
    return {roster.get(one.student, one.student) for one in refused}


def _named(path: Path, inbox: Path | None = None) -> str:
    """A file's name, with the folders below the inbox, also where another system wrote it in an encoding that
    nobody can tell.
    """
    inside = inbox is not None and path.is_relative_to(inbox)
    name = path.relative_to(inbox).as_posix() if inside and inbox else path.name
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _student(delivery: Delivery, roster: dict[str, str] | None) -> str:
    if delivery.refused:
        raise Refused(delivery.refused)
    if roster is not None and delivery.student not in roster:
        raise Refused(f"the roster has no {delivery.student[:60]!r}")
    student = roster[delivery.student] if roster is not None else delivery.student
    if not STUDENT.match(student):
        raise Refused(f"{student[:60]!r} is not a student's name; the letters a to z, digits and _ . @ - are")
    return student


def _is_older(time: datetime, stamp: Path) -> bool:
    try:
        return time < read_time(stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


def _lay_down(place: Path, name: str, notebook: bytes, stamp: str) -> None:
    write_whole(place / f"{name}.ipynb", notebook)
    if stamp:
        write_whole(place / "timestamp.txt", stamp)
    else:
        (place / "timestamp.txt").unlink(missing_ok=True)


def _first_time(place: Path, name: str, notebook: bytes) -> str:
    """When the very same bytes came before, if they lie there with a time: sent again, they are no later."""
    try:
        same = (place / f"{name}.ipynb").read_bytes() == notebook
        return (place / "timestamp.txt").read_text(encoding="utf-8").strip() if same else ""
    except OSError:
        return ""


def _keep(place: Path, name: str, notebook: bytes, stamp: str) -> None:
    """Keep an attempt that another one comes after, for a class in which the best of them counts."""
    attempt = place / EARLIER / hashlib.sha256(notebook).hexdigest()[:16]
    if stamp or not attempt.is_dir():
        _lay_down(attempt, name, notebook, stamp)


def _keep_last(place: Path, name: str, by: bytes) -> None:
    """Keep what lies there, unless the same comes once more."""
    try:
        notebook = (place / f"{name}.ipynb").read_bytes()
    except OSError:
        return
    if notebook != by:
        stamp = place / "timestamp.txt"
        _keep(place, name, notebook, stamp.read_text(encoding="utf-8") if stamp.is_file() else "")


def write_record(path: Path, records: list[Collected]) -> None:
    """Put what became of each delivery into a CSV, each file once and as it stands now."""
    rows = [{key: str(spreadsheet_text(value)) for key, value in vars(one).items()} for one in records]
    if path.exists():
        with open(path, newline="", encoding="utf-8") as file:
            rows = [*csv.DictReader(file), *rows]
    known: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows:
        known[tuple(row.get(name) or "" for name in _SAME_FILE)] = row
    text = io.StringIO()
    writer = csv.DictWriter(text, RECORD_COLUMNS, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(known.values())
    write_whole(path, text.getvalue())


def main(argv: list[str] | None = None) -> int:
    """The `course collect` command; exit code 0 when every file was looked at, refused ones included; 1 when
    none was taken.
    """
    ways = channels()
    options = _parser(ways).parse_args(argv)
    try:
        if not options.inbox.is_dir():
            found = "is a file: unpack it, and give the folder" if options.inbox.is_file() else "is no folder"
            raise Refused(f"{options.inbox} {found}")
        known = exercise_names(options.solutions)
        if options.manifest:
            deliveries = list(from_manifest(options.inbox, options.manifest))
        else:
            deliveries = list(ways[options.channel].deliveries(options.inbox, known))
        times = read_times(options.times) if options.times else {}
        deliveries = with_times(deliveries, times)
        roster = read_roster(options.roster) if options.roster else None
        records = collect(deliveries, options.out, known, options.exercise, roster, options.inbox)
        records += ignored(options.inbox, deliveries)
        options.out.mkdir(parents=True, exist_ok=True)
        record = options.out.with_name(f"{options.out.name}-collected.csv")
        write_record(record, records)
    except (Refused, OSError, UnicodeDecodeError, csv.Error) as error:
        print(f"course collect: {error}", file=sys.stderr)
        return 1
    for one in records:
        if one.status != "taken" or one.reason:
            owner = f" of {one.student!r}" if one.student else ""
            print(f"{one.status} {one.file!r}{owner}: {one.reason}", file=sys.stderr)
    if nobodys := sorted(times.keys() - {delivery.student for delivery in deliveries}):
        print(f"{options.times} has times of {_some(nobodys)}, from whom nothing came")
    for line in _notes(records, options.out, roster, options.exercise):
        print(line)
    counted = Counter(one.status for one in records)
    print(", ".join(f"{counted[status]} {status}" for status in STATUSES) + f"; see {record}")
    return 0 if counted["taken"] or counted["superseded"] else 1


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _notes(
    records: Sequence[Collected], out: Path, roster: dict[str, str] | None, exercise: str | None
) -> Iterator[str]:
    """What a teacher should know of the whole: who is late by a platform's word, how many came without a
    time, who handed in nothing.
    """
    taken = [one for one in records if one.status == "taken"]
    if late := sorted({one.student for one in taken if one.late and not one.handed_in}):
        yield f"late by the platform's word, and how late nobody says: {', '.join(late)}"
    if untimed := sum(not one.handed_in for one in taken):
        yield (
            f"{untimed} of them without a time, as the archive has only the download's: nobody is penalised "
            "for being late. --times CSV (id, time) says when each came"
        )
    for name, missing in (nothing_from(records, out, roster, exercise) if roster else {}).items():
        colon = ": " if missing else ""
        yield f"{name}: {len(missing)} on the roster handed in nothing{colon}{_some(missing)}"
        if sent := sorted(refused_of(records, name, roster or {}) & set(missing)):
            yield f"{name}: of these, what came of {len(sent)} was refused: {_some(sent)}"


def _parser(ways: Mapping[str, Channel]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="course collect",
        description="Take handed-in packages to where `course grade` looks.",
        epilog="Who and when is said by the channel, never by a package. "
        + " ".join(f"{each.name}: {each.title}." for each in ways.values()),
    )
    parser.add_argument("inbox", type=Path, help="where the packages lie")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="SUBMITTED", help="what `course grade` is given"
    )
    parser.add_argument(
        "--from", dest="channel", choices=ways, default="folders", help="how they came (folders)"
    )
    parser.add_argument(
        "--manifest", type=Path, metavar="CSV", help="file, student, time[, exercise]; in place of --from"
    )
    parser.add_argument("--times", type=Path, metavar="CSV", help="id, time: when each came, with its zone")
    parser.add_argument(
        "--roster", type=Path, metavar="CSV", help="id, student: the class's name for each of the channel's"
    )
    parser.add_argument("--exercise", metavar="NAME", help="which exercise all of them are")
    parser.add_argument("--solutions", type=Path, default=ROOT / "solutions", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
