"""Git's objects as git itself makes them, and everything else refused."""

import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from course_utils.hub.store import objects
from course_utils.hub.store.errors import StoreError
from course_utils.hub.store.objects import LooseObjects, TreeEntry
from tests.hub.conftest import git


@pytest.fixture
def store(tmp_path):
    git(tmp_path, "init", "-q", "--bare", "-b", "main", ".")
    return LooseObjects(tmp_path / "objects", tmp_path, verify=True)


def test_our_objects_are_gits(store, tmp_path):
    with store.batch() as batch:
        blob = batch.add("blob", b"hello\n")
        inner = batch.add("tree", objects.tree_data([TreeEntry("b", blob, False)]))
        # a folder sorts as if its name ended with a slash: "a.txt" < "a/" < "a0"
        entries = [TreeEntry("a0", blob, False), TreeEntry("a", inner, True), TreeEntry("a.txt", blob, False)]
        tree = batch.add("tree", objects.tree_data(entries))
        commit = batch.add("commit", objects.commit_data(tree, (), "me", 1_700_000_000, "Title\n\nMore"))
        assert not store.has(blob)
        batch.keep()
    assert git(tmp_path, "cat-file", "-p", blob) == "hello\n"
    listed = git(tmp_path, "ls-tree", "-r", "--name-only", tree).split()
    assert listed == ["a.txt", "a/b", "a0"]
    assert git(tmp_path, "log", "-1", "--format=%an|%ae|%ct|%s|%b", commit).strip() == (
        "me|me@hub.local|1700000000|Title|More"
    )
    assert git(tmp_path, "mktree", "--missing", "-z").strip() == objects.name_of("tree", b"")
    parsed = objects.parse_commit(commit, store.read(commit)[1])
    assert (parsed.title, parsed.message, parsed.author) == ("Title", "More", "me")


def test_a_batch_that_is_not_kept_leaves_nothing(store, tmp_path):
    before = set(tmp_path.rglob("*"))
    with store.batch() as batch:
        oid = batch.add("blob", b"x")
    assert not store.has(oid) and set(tmp_path.rglob("*")) == before


@given(
    some.sets(
        some.text("ab.0/é", min_size=1, max_size=4).filter(
            lambda name: "/" not in name and set(name) != {"."}
        )
    )
)
def test_trees_come_back_as_they_went(names):
    oid = objects.name_of("blob", b"")
    entries = [TreeEntry(name, oid, len(name) % 2 == 0) for name in names]
    assert set(objects.parse_tree(objects.tree_data(entries))) == set(entries)


@given(some.binary(max_size=60))
def test_any_bytes_are_a_tree_or_a_store_error(data):
    try:
        assert objects.tree_data(objects.parse_tree(data)) == data
    except StoreError:
        pass


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nonsense",
        zlib.compress(b"blob 5"),
        zlib.compress(b"blob x\0hello"),
        zlib.compress(b"tree 5\0hello"),
        zlib.compress(b"blob 4\0hello"),
        zlib.compress(b"link 5\0hello"),
        zlib.compress(b"blob 5\0other"),
        zlib.compress(b"blob 999999999\0hello"),
        zlib.compress(b"blob 200000000\0" + b"\0" * 200_000_000, 9),
    ],
)
def test_a_broken_object_is_refused(store, raw):
    oid = objects.name_of("blob", b"hello")
    place = Path(store.path(oid))
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(raw)
    with pytest.raises(StoreError):
        store.read(oid)


def test_what_is_no_name_of_an_object(store):
    for oid in ("../../x", "a" * 39, "A" * 40, ""):
        with pytest.raises(StoreError):
            store.read(oid)
