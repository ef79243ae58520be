"""Packages are taken in by what their channel says; what is wrong with one never stops the rest."""

import csv
import io
import os
import stat
import zipfile
from datetime import UTC, datetime

import pytest

from course_utils.grading.desk import collect, submit
from tests.grading import toy

NOTEBOOK = b'{"cells": []}'
GOOD = submit.pack(toy.NAME, NOTEBOOK)
NAME = f"{toy.NAME}.ipynb"


class Inbox:
    def __init__(self, folder, solutions):
        self.folder, self.out, self.solutions = folder / "inbox", folder / "submitted", solutions
        self.folder.mkdir()

    def put(self, name, data=GOOD, hour=10):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        time = datetime(2026, 11, 20, hour, tzinfo=UTC).timestamp()
        os.utime(path, (time, time))
        return path

    def collect(self, *arguments):
        return collect.main(
            [str(self.folder), "--out", str(self.out), "--solutions", str(self.solutions), *arguments]
        )

    def records(self):
        with open(self.out.with_name("submitted-collected.csv"), newline="") as file:
            return list(csv.DictReader(file))

    def statuses(self):
        return {row["student"]: row["status"] for row in self.records()}

    def taken(self):
        return {path.parent.parent.name: path.read_bytes() for path in self.out.glob(f"*/{toy.NAME}/{NAME}")}


@pytest.fixture
def inbox(tmp_path, solutions):
    return Inbox(tmp_path, solutions)


def zipped(*members, **options):
    """A zip of (name or ZipInfo, bytes) pairs."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as package:
        for name, data in members:
            package.writestr(name, data)
    return whole.getvalue()


def link(name, target):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, target


def encrypted():
    data = bytearray(GOOD)
    data[6] |= 1  # the local header's flags, and the central directory's
    place = data.rindex(b"PK\x01\x02")
    data[place + 8] |= 1
    return bytes(data)


def damaged():
    data = bytearray(GOOD)
    data[len(NAME) + 32] ^= 0xFF
    return bytes(data)


def test_a_folder_a_student(inbox):
    inbox.put("ann/work.zip")
    inbox.put(f"bob/{NAME}", NOTEBOOK)
    inbox.put("ann/work.receipt.json", b"{}")
    assert inbox.collect() == 0
    assert inbox.taken() == {"ann": NOTEBOOK, "bob": NOTEBOOK}
    assert (inbox.out / "ann" / toy.NAME / "timestamp.txt").read_text() == "2026-11-20 10:00:00 UTC"
    assert not list(inbox.out.rglob(".*"))


BAD = {
    "no zip": b"PK but no zip",
    "half a zip": GOOD[:-30],
    "damaged": damaged(),
    "encrypted": encrypted(),
    "empty": b"",
    "no notebook": zipped(("readme.txt", b"x")),
    "another exercise": zipped(("44_none.ipynb", NOTEBOOK)),
    "two notebooks": zipped((NAME, NOTEBOOK), (f"copy/{NAME}", NOTEBOOK)),
    "a link": zipped(link(NAME, "/etc/passwd")),
    "many files": zipped((NAME, NOTEBOOK), *((f"{number}.txt", b"") for number in range(60))),
    "a bomb": zipped((NAME, bytes(40 * 2**20))),
    "too large": os.urandom(22 * 2**20),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_package_is_refused_with_a_reason_and_the_rest_goes_on(inbox, name, capsys):
    inbox.put("ann/work.zip")
    inbox.put("bob/work.zip", BAD[name])
    inbox.put("cy/work.zip")
    assert inbox.collect() == 0
    assert inbox.statuses() == {"ann": "taken", "bob": "refused", "cy": "taken"}
    assert set(inbox.taken()) == {"ann", "cy"}
    assert "refused 'bob/work.zip' of 'bob': " in capsys.readouterr().err


@pytest.mark.parametrize(
    "member", [f"../../ann/{toy.NAME}/{NAME}", f"ann/{NAME}", f"/etc/{NAME}", f"submitted/ann/{NAME}"]
)
def test_names_inside_an_archive_name_nobody(inbox, member):
    """Whatever path a member has, its notebook goes to whoever sent it."""
    inbox.put("bob/work.zip", zipped((member, NOTEBOOK)))
    inbox.collect()
    assert inbox.taken() == {"bob": NOTEBOOK}
    assert sorted(path.name for path in inbox.out.iterdir()) == ["bob"]


def test_names_that_are_no_students(inbox):
    inbox.put("a b/work.zip")
    inbox.put("-x/work.zip")
    (inbox.folder / "eve").symlink_to(inbox.folder)
    inbox.put("ann/work.zip")
    inbox.collect()
    assert set(inbox.taken()) == {"ann"}


def test_links_and_pipes_are_refused(inbox, tmp_path):
    (inbox.folder / "ann").mkdir()
    (inbox.folder / "ann" / "work.zip").symlink_to("/etc/passwd")
    (inbox.folder / "bob").mkdir()
    os.mkfifo(inbox.folder / "bob" / "work.zip")
    assert inbox.collect() == 1, "nothing was taken"
    assert set(inbox.statuses().values()) == {"refused"}


def test_the_latest_counts_and_an_older_one_does_not_come_back(inbox):
    newer, older = submit.pack(toy.NAME, b'{"cells": [1]}'), submit.pack(toy.NAME, b'{"cells": [2]}')
    inbox.put("ann/b.zip", newer, hour=12)
    inbox.put("ann/c.zip", older, hour=11)
    inbox.collect()
    assert inbox.taken() == {"ann": b'{"cells": [1]}'}
    assert [row["status"] for row in inbox.records()] == ["superseded", "taken"]
    (inbox.folder / "ann" / "b.zip").unlink()
    inbox.collect()
    assert inbox.taken() == {"ann": b'{"cells": [1]}'}
    assert [row["status"] for row in inbox.records()] == ["superseded", "taken"]


def test_what_came_before_is_kept_as_an_attempt(inbox):
    """With its time, whatever order they are taken in; the same once more is none."""
    kept = inbox.out / "ann" / toy.NAME / "attempts"
    for name, text, hour in (("a", b"1", 11), ("b", b"2", 9), ("c", b"1", 12)):
        inbox.put(f"ann/{name}.zip", submit.pack(toy.NAME, b'{"cells": [%s]}' % text), hour)
    for _ in range(2):
        inbox.collect()
        found = {
            (place / NAME).read_bytes(): (place / "timestamp.txt").read_text() for place in kept.iterdir()
        }
        assert found[b'{"cells": [2]}'] == "2026-11-20 09:00:00 UTC"
    assert inbox.taken() == {"ann": b'{"cells": [1]}'}
    assert {row["status"] for row in inbox.records()} == {"taken", "superseded"}


def test_the_same_file_sent_again_keeps_its_first_time(inbox, capsys):
    stamp = inbox.out / "ann" / toy.NAME / "timestamp.txt"
    inbox.put("ann/a.zip", hour=10)
    inbox.collect()
    inbox.put("ann/b.ipynb", NOTEBOOK, hour=12).rename(inbox.folder / "ann" / NAME)
    for _ in range(2):
        inbox.collect()
        assert stamp.read_text() == "2026-11-20 10:00:00 UTC"
    assert "the same came before, and that time counts (2026-11-20 10:00:00 UTC)" in capsys.readouterr().err
    inbox.put("ann/c.zip", submit.pack(toy.NAME, b'{"cells": [2]}'), hour=13)
    inbox.collect()
    assert stamp.read_text() == "2026-11-20 13:00:00 UTC"


def test_a_time_that_is_found_later_is_taken(inbox, tmp_path):
    inbox.put(f"smithann_123_20_{NAME}", NOTEBOOK)
    inbox.collect("--from", "canvas")
    (tmp_path / "times.csv").write_text("id,time\n123,2026-11-20T10:00:00+00:00\n")
    inbox.collect("--from", "canvas", "--times", str(tmp_path / "times.csv"))
    assert (inbox.out / "123" / toy.NAME / "timestamp.txt").read_text() == "2026-11-20 10:00:00 UTC"


def test_the_record_names_each_file_once_with_its_folder(inbox):
    inbox.put(f"Ann Lee_12_assignsubmission_file_/{NAME}", NOTEBOOK)
    inbox.put("Ann Lee_12_assignsubmission_file_/notes.txt", b"x")
    inbox.put("stray.txt", b"x")
    for _ in range(2):
        inbox.collect("--from", "moodle")
    named = [row["file"] for row in inbox.records()]
    assert len(named) == len(set(named)) == 3
    assert f"Ann Lee_12_assignsubmission_file_/{NAME}" in named


def test_a_refused_one_leaves_the_one_before(inbox):
    inbox.put("ann/a.zip", GOOD, hour=10)
    inbox.put("ann/b.zip", b"junk", hour=11)
    inbox.collect()
    assert inbox.taken() == {"ann": NOTEBOOK}


def test_a_manifest(inbox, tmp_path):
    inbox.put("1.zip")
    inbox.put("2.zip")
    outside = tmp_path / "outside.zip"
    outside.write_bytes(GOOD)
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(
        "file,student,time,exercise\n"
        f"1.zip,ann,2026-11-19 09:30:00 UTC,{toy.NAME}\n"
        "2.zip,bob,yesterday,\n"
        "../outside.zip,cy,2026-11-19 09:30:00 UTC,\n"
        "3.zip,dan,2026-11-19 09:30:00 UTC,\n"
        "1.zip,eve,2026-11-19 09:30:00 UTC,44_none\n"
        "1.zip,../fay,2026-11-19 09:30:00 UTC,\n"
    )
    assert inbox.collect("--manifest", str(manifest)) == 0
    assert set(inbox.taken()) == {"ann"}
    assert (inbox.out / "ann" / toy.NAME / "timestamp.txt").read_text() == "2026-11-19 09:30:00 UTC"
    reasons = {row["student"]: row["reason"] for row in inbox.records()}
    assert "cannot be read" in reasons["bob"]
    assert "outside the inbox" in reasons["cy"]
    assert "not a plain file" in reasons["dan"]
    assert "no exercise '44_none'" in reasons["eve"]
    assert "is not a student's name" in reasons["../fay"]


def test_canvas_and_moodle_names(inbox, tmp_path):
    roster = tmp_path / "roster.csv"
    roster.write_text("id,student\n123,ann\n456,bob\n")
    inbox.put(f"smithann_LATE_123_9876_{NAME}", NOTEBOOK)
    inbox.put("jonesbob_456_9877_work.zip")
    inbox.put("whoever_789_9878_work.zip")
    inbox.put("no-such-name.zip")
    assert inbox.collect("--from", "canvas", "--roster", str(roster)) == 0
    assert inbox.statuses() == {"ann": "taken", "bob": "taken", "789": "refused", "": "refused"}

    moodle = Inbox(tmp_path / "moodle", inbox.solutions) if (tmp_path / "moodle").mkdir() is None else None
    moodle.put("Ann B. Smith_123_assignsubmission_file_/work.zip")
    moodle.put("Nobody/work.zip")
    assert moodle.collect("--from", "moodle", "--roster", str(roster)) == 0
    assert moodle.statuses() == {"ann": "taken", "": "refused"}


CANVAS = {  # names as lib/content_zipper.rb of canvas-lms makes them -> (student, what becomes of it)
    f"smithann_LATE_123_9876_{NAME}": ("123", "taken"),
    f"team_3_1008_5008_{NAME}": ("1008", "taken"),
    "team_3_1009_5009_work.zip": ("1009", "taken"),
    f"anon_Xy12Z_77_{NAME}": ("anon_Xy12Z", "taken"),
    f"LATE_anon_Q3_78_{toy.NAME}-2.IPYNB": ("anon_Q3", "taken"),
    f"vonderheideeva_55_80_{toy.NAME} (1).ipynb": ("55", "taken"),
    f"{NAME}": ("", "refused"),
    "smithann_123_9876_link.html": ("123", "refused"),
    "smithann_LATE_123_text.html": ("123", "refused"),
    "submissions.zip": ("", "refused"),
    ".DS_Store": ("", "ignored"),
    "__MACOSX/x_1_2_y.ipynb": ("", "ignored"),
}


@pytest.mark.parametrize("name", CANVAS)
def test_a_name_of_canvas_tells_whose_it_is(inbox, name):
    inbox.put(name, GOOD if name.endswith(".zip") else NOTEBOOK)
    inbox.collect("--from", "canvas")
    (record,) = inbox.records()
    assert (record["student"], record["status"]) == CANVAS[name]
    assert bool(record["late"]) == ("LATE" in name)
    assert record["handed_in"] == "", "the file has the download's time"


def test_of_two_files_of_one_submission_the_later_counts_and_lateness_is_said_once(inbox, capsys):
    inbox.put(f"smithann_LATE_123_20_{NAME}", b'{"cells": [2]}')
    inbox.put(f"smithann_LATE_123_9_{NAME}", b'{"cells": [1]}')
    assert inbox.collect("--from", "canvas") == 0
    assert inbox.taken() == {"123": b'{"cells": [2]}'}
    said = capsys.readouterr().out
    assert "late by the platform's word, and how late nobody says: 123\n" in said
    assert "1 of them without a time" in said and "--times CSV" in said
    assert f"see {inbox.out.with_name('submitted-collected.csv')}" in said
    assert not (inbox.out / "123" / toy.NAME / "timestamp.txt").exists()


def test_a_list_of_times_says_when(inbox, tmp_path, capsys):
    times = tmp_path / "times.csv"
    times.write_text("id,time\n123,2026-11-20T10:00:00+01:00\n")
    inbox.put(f"smithann_123_9876_{NAME}", NOTEBOOK)
    inbox.put(f"jonesbob_124_9877_{NAME}", NOTEBOOK)
    assert inbox.collect("--from", "canvas", "--times", str(times)) == 0
    assert (inbox.out / "123" / toy.NAME / "timestamp.txt").read_text() == "2026-11-20 09:00:00 UTC"
    assert "1 of them without a time" in capsys.readouterr().out
    times.write_text("id,time\n123,20.11.2026\n")
    assert inbox.collect("--from", "canvas", "--times", str(times)) == 1
    said = capsys.readouterr().err
    assert "times.csv, line 2" in said and "does not end with a time zone; write 2026-11-20T10" in said


MOODLE = {  # with folders, with the learner's own folders in them, and without folders
    f"Ann B. Smith_123_assignsubmission_file_/{NAME}": ("123", "taken"),
    f"Ann B. Smith_123_assignsubmission_file_/mine/v2/{NAME}": ("123", "taken"),
    f"Ann B. Smith_123_assignsubmission_file_{NAME}": ("123", "taken"),
    "Ann_Lee_7_assignsubmission_file_work.zip": ("7", "taken"),
    "Ann Smith_123_assignsubmission_onlinetext_/onlinetext.html": ("123", "refused"),
    f"Ann Smith/{NAME}": ("", "refused"),
    "Thumbs.db": ("", "ignored"),
}


@pytest.mark.parametrize("name", MOODLE)
def test_a_name_of_moodle_tells_whose_it_is(inbox, name):
    inbox.put(name, GOOD if name.endswith(".zip") else NOTEBOOK)
    inbox.collect("--from", "moodle")
    (record,) = inbox.records()
    assert (record["student"], record["status"]) == MOODLE[name]


def test_a_platforms_folder_taken_for_folders_of_students_says_so(inbox, capsys):
    """As from Google Classroom's Drive, or a flat download of any platform: no name says whose each is."""
    inbox.put(NAME, NOTEBOOK)
    inbox.put("Ann - work.zip")
    assert inbox.collect() == 1
    said = capsys.readouterr()
    assert "0 taken, 0 superseded, 2 refused, 0 ignored" in said.out
    assert "say which with --from; otherwise whose it is stands in a --manifest" in said.err


def test_every_file_ends_in_exactly_one_way(inbox):
    inbox.put("ann/work.zip", hour=9)
    inbox.put("ann/deeper/again.zip", hour=11)
    inbox.put("bob/readme.txt", b"x")
    inbox.put("bob/.ipynb_checkpoints/x.ipynb", b"x")
    inbox.put("cy/work.receipt.json", b"{}")
    inbox.put("loose.zip")
    inbox.collect()
    found = {row["file"]: row["status"] for row in inbox.records()}
    assert found == {
        "ann/work.zip": "superseded",
        "ann/deeper/again.zip": "taken",
        "bob/readme.txt": "refused",
        "bob/.ipynb_checkpoints/x.ipynb": "ignored",
        "cy/work.receipt.json": "ignored",
        "loose.zip": "refused",
    }
    assert all(row["reason"] for row in inbox.records() if row["status"] != "taken")


def test_what_a_manifest_leaves_out_is_named(inbox, tmp_path):
    inbox.put("1.zip")
    inbox.put("2.zip")
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("file,student,time\n1.zip,ann,2026-11-19T09:30Z\n")
    assert inbox.collect("--manifest", str(manifest)) == 0
    assert {row["file"]: row["status"] for row in inbox.records()} == {"1.zip": "taken", "2.zip": "ignored"}


def test_who_on_the_roster_handed_in_nothing(inbox, tmp_path, capsys):
    roster = tmp_path / "roster.csv"
    roster.write_text("id,student\n1,ann\n2,bob\n3,cy\n")
    inbox.put("2/work.zip")
    inbox.collect("--roster", str(roster))
    assert f"{toy.NAME}: 2 on the roster handed in nothing: ann, cy\n" in capsys.readouterr().out


def test_whose_work_was_refused_is_not_taken_for_somebody_who_sent_nothing(inbox, tmp_path, capsys):
    roster = tmp_path / "roster.csv"
    roster.write_text("id,student\n1,ann\n2,bob\n3,jürgen\n4,dee\n", encoding="utf-8")
    inbox.put("1/work.zip")
    inbox.put("2/work.zip", b"PK\3\4 cut off")
    inbox.put("3/work.zip")
    inbox.collect("--roster", str(roster))
    said = capsys.readouterr()
    assert f"{toy.NAME}: 3 on the roster handed in nothing: bob, dee, jürgen\n" in said.out
    assert f"{toy.NAME}: of these, what came of 2 was refused: bob, jürgen\n" in said.out
    assert "'jürgen' is not a student's name; the letters a to z, digits" in said.err


@pytest.mark.parametrize(
    "member", [f"work\\{NAME}", f"work/{toy.NAME.upper()}.IPYNB", f"{toy.NAME} (2).ipynb"]
)
def test_an_archive_that_windows_or_a_browser_named(inbox, member):
    inbox.put("ann/work.zip", zipped((f"__MACOSX/._{NAME}", b"x"), (member, NOTEBOOK)))
    assert inbox.collect() == 0
    assert inbox.taken() == {"ann": NOTEBOOK}


def test_an_archive_that_was_not_unpacked_is_named(inbox, tmp_path, capsys):
    archive = tmp_path / "submissions.zip"
    archive.write_bytes(GOOD)
    assert collect.main([str(archive), "--out", str(inbox.out)]) == 1
    assert "is a file: unpack it" in capsys.readouterr().err


def test_what_the_channel_cannot_give(inbox, tmp_path, capsys):
    bad = tmp_path / "bad.csv"
    bad.write_text("who,when\n")
    assert inbox.collect("--manifest", str(bad)) == 1
    assert "no column 'file'; it needs the columns file and student and time" in capsys.readouterr().err
    assert inbox.collect("--roster", str(bad)) == 1
    assert "no column 'id'; it needs the columns id and student" in capsys.readouterr().err
    assert collect.main([str(tmp_path / "none"), "--out", str(inbox.out)]) == 1
    assert "is no folder" in capsys.readouterr().err


def test_cells_of_the_record_are_no_formulas(inbox):
    inbox.put("=cmd()/work.zip")
    inbox.collect()
    assert inbox.records()[0]["student"] == "'=cmd()"


def test_a_name_in_another_systems_encoding_is_taken_and_recorded(inbox):
    inbox.put(os.fsdecode(b"M\xfcllerann_123_9876_" + NAME.encode()), NOTEBOOK)
    assert inbox.collect("--from", "canvas") == 0
    assert inbox.records()[0]["file"] == f"M\\xfcllerann_123_9876_{NAME}"
    assert inbox.taken() == {"123": NOTEBOOK}


@pytest.mark.parametrize(
    "text",
    ["\ufeffID;Student\r\n123;ann\r\n\r\n", "name\tid\t student \nx\t123\tann\n", "id,student\n\n123, ann\n"],
)
def test_a_list_as_a_spreadsheet_writes_it(inbox, tmp_path, text):
    roster = tmp_path / "roster.csv"
    roster.write_text(text, encoding="utf-8")
    inbox.put(f"x_123_9876_{NAME}", NOTEBOOK)
    assert inbox.collect("--from", "canvas", "--roster", str(roster)) == 0
    assert set(inbox.taken()) == {"ann"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"id,student\n123,ann\n123,bob\n", "line 3: 123 is there twice"),
        (b"id,student\n123\n", "line 2: 123 has no student"),
        (b"id,student\n,ann\n", "line 2: it has no id"),
        ("id,student,name\n123,ann,M\xfcller\n".encode("latin-1"), "roster.csv is not in UTF-8"),
    ],
)
def test_a_list_that_nobody_can_go_by_is_refused(inbox, tmp_path, capsys, text, said):
    roster = tmp_path / "roster.csv"
    roster.write_bytes(text)
    inbox.put(f"x_123_9876_{NAME}", NOTEBOOK)
    assert inbox.collect("--from", "canvas", "--roster", str(roster)) == 1
    assert said in capsys.readouterr().err
    assert not inbox.out.exists()


def test_times_of_somebody_from_whom_nothing_came_are_said(inbox, tmp_path, capsys):
    times = tmp_path / "times.csv"
    times.write_text("id;time\n123;2026-11-20T10:00Z\n124;2026-11-20T10:00Z\n")
    inbox.put(f"x_123_9876_{NAME}", NOTEBOOK)
    assert inbox.collect("--from", "canvas", "--times", str(times)) == 0
    assert "has times of 124, from whom nothing came" in capsys.readouterr().out


def test_who_is_missing_is_said_where_nothing_came_at_all(inbox, tmp_path, capsys):
    roster = tmp_path / "roster.csv"
    roster.write_text("id,student\n1,ann\n")
    assert inbox.collect("--roster", str(roster), "--exercise", toy.NAME) == 1
    assert f"{toy.NAME}: 1 on the roster handed in nothing: ann\n" in capsys.readouterr().out
