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
    assert "refused 'work.zip' of 'bob': " in capsys.readouterr().err


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
    assert inbox.collect() == 0
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
    assert inbox.records()[-1]["status"] == "superseded"


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


def test_what_the_channel_cannot_give(inbox, tmp_path, capsys):
    bad = tmp_path / "bad.csv"
    bad.write_text("who,when\n")
    assert inbox.collect("--manifest", str(bad)) == 1
    assert "no column 'file'" in capsys.readouterr().err
    assert inbox.collect("--roster", str(bad)) == 1
    assert "needs the columns id and student" in capsys.readouterr().err
    assert collect.main([str(tmp_path / "none"), "--out", str(inbox.out)]) == 1
    assert "there is no folder" in capsys.readouterr().err


def test_cells_of_the_record_are_no_formulas(inbox):
    inbox.put("=cmd()/work.zip")
    inbox.collect()
    assert inbox.records()[0]["student"] == "'=cmd()"
