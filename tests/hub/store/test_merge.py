"""Merging: any order of commits, pull requests and merges, against a model of what each side has changed, and against git."""

import dataclasses
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from course_utils.hub.store.accounts import Person
from course_utils.hub.store.conversations import Conversations
from course_utils.hub.store.errors import HubError
from course_utils.hub.store.hub import HubStore
from course_utils.hub.store.merge import bases, three_way
from course_utils.hub.store.refs import BRANCHES
from course_utils.hub.store.repository import MAIN

ME = Person("me", "write")
PATHS = ("a", "b", "c", "d", "d/e", "d/f/g")  # "d" is a file or a folder
TEXTS = some.sampled_from(["1", "2", "3"])
CHANGE = some.dictionaries(some.sampled_from(PATHS), TEXTS | some.none(), min_size=1, max_size=2)
STEPS = some.one_of(
    some.tuples(some.just("commit"), CHANGE),
    some.tuples(some.just("open"), CHANGE),
    some.tuples(some.just("go on"), some.integers(0, 3), CHANGE),
    some.tuples(some.just("merge"), some.integers(0, 3)),
    some.tuples(some.just("squash")),
)


@pytest.fixture
def store(tmp_path):
    opened = HubStore(tmp_path / "hub").open()
    yield opened
    opened.close()


def files_of(repository, revision="main"):
    found = repository.history.files(repository.head(revision))
    return {path: repository.read(file).decode() for path, file in found.items() if path != ".gitattributes"}


def changed(files, change):
    """The files after a change, or None for one that the Hub refuses."""
    after = dict(files)
    for path, text in change.items():
        if text is None:
            left = {each: kept for each, kept in after.items() if not f"{each}/".startswith(f"{path}/")}
            if left == after:
                return None
            after = left
        elif together({*after, path}):
            after[path] = text
        else:
            return None
    return after


def together(paths):
    """Whether no path is a file and a folder at once."""
    return not any(one.startswith(f"{other}/") for one in paths for other in paths)


@dataclasses.dataclass
class Proposal:
    row: dict
    start: dict  # main's files when it began
    files: dict


class Model:
    """A repository, and beside it what its files must be."""

    def __init__(self, store):
        self.store = store
        self.repository = store.create("model", "me/thing")
        self.main, self.proposals, self.squashed = {}, [], False

    def fill(self, change, what):
        for path, text in what.items():
            if text is None:
                change.delete(path)
            else:
                change.put(path, text.encode())

    def commit(self, what):
        self.on_branch(MAIN, self.main, what, lambda after: setattr(self, "main", after))

    def go_on(self, number, what):
        if number < len(self.proposals):
            each = self.proposals[number]
            name = f"refs/pr/{each.row['num']}"
            self.on_branch(name, each.files, what, lambda after: setattr(each, "files", after))

    def on_branch(self, name, files, what, keep):
        after = changed(files, what)
        with self.repository.change(self.store.large) as change:
            self.fill(change, what)
            if after is None:
                with pytest.raises(HubError):
                    change.commit(name, "me", "a change")
            else:
                change.commit(name, "me", "a change")
                keep(after)

    def open(self, what):
        after = changed(self.main, what)
        with self.repository.change(self.store.large) as change:
            self.fill(change, what)
            table = Conversations(self.repository)
            row = table.open(ME, "A proposal", "", True)
            if after is None:
                with pytest.raises(HubError):
                    table.propose(row, ME, change, "a change")
            else:
                table.propose(row, ME, change, "a change")
                self.proposals.append(Proposal(row, self.main, after))

    def merge(self, number):
        if number >= len(self.proposals):
            return
        each = self.proposals.pop(number)
        ours, theirs = difference(each.start, self.main), difference(each.start, each.files)
        clashes = {path for path in ours.keys() & theirs.keys() if ours[path] != theirs[path]}
        merged = {path: text for path, text in (self.main | theirs).items() if text is not None}
        table = Conversations(self.repository)
        row = table.get(each.row["num"])
        self.ask_git(row, clashes or not together(merged), merged)
        if clashes or not together(merged):
            assert clashes <= set(table.conflicts(row)) and table.conflicts(row)
            with pytest.raises(HubError, match="Both sides changed"):
                table.merge(row, ME, self.store.large)
        else:
            assert table.conflicts(row) == []
            table.merge(row, ME, self.store.large)
            self.main = merged
            assert Conversations(self.repository).get(row["num"])["status"] == "merged"

    def ask_git(self, row, clash, merged):
        """git itself, where it can be asked: it merges no histories that a squash has parted."""
        if self.squashed:
            return
        done = subprocess.run(
            [
                *("git", "-c", "safe.directory=*", "-c", "merge.renames=false", "-C", self.repository.folder),
                *("merge-tree", "--write-tree", "--name-only", "main", f"refs/pr/{row['num']}"),
            ],
            capture_output=True,
            text=True,
        )
        assert done.returncode == (1 if clash else 0), done.stderr
        if not clash:
            plan = three_way(self.repository.history, self.repository.head(), self.head(row))
            kept = {path for path in files_of(self.repository) if plan.changes.get(path, True)}
            assert kept | {path for path, file in plan.changes.items() if file} == merged.keys()

    def head(self, row):
        return self.repository.head(f"refs/pr/{row['num']}")

    def squash(self):
        self.repository.squash("main", "me", "all in one")
        self.squashed = True

    def check(self):
        assert files_of(self.repository) == self.main
        for each in self.proposals:
            assert files_of(self.repository, f"refs/pr/{each.row['num']}") == each.files


def difference(before, after):
    """{path: text, or None if it is gone} of what has changed."""
    paths = before.keys() | after.keys()
    return {path: after.get(path) for path in paths if before.get(path) != after.get(path)}


@settings(max_examples=40, deadline=None)
@given(some.lists(STEPS, max_size=12))
def test_no_merge_undoes_what_main_has_or_loses_what_was_proposed(steps):
    with tempfile.TemporaryDirectory() as folder:
        store = HubStore(Path(folder)).open()
        try:
            model = Model(store)
            for name, *values in steps:
                getattr(model, name.replace(" ", "_"))(*values)
                model.check()
        finally:
            store.close()


def commit(store, repository, name, parents_also=(), **files):
    with repository.change(store.large) as change:
        for path, text in files.items():
            change.put(path, text.encode())
        return change.commit(name, "me", "a change", also=parents_also)


def test_bases_are_those_of_git(store):
    """Criss-cross: two branches that have each merged the other have two bases, and git names the same."""
    repository = store.create("model", "me/thing")
    root = repository.head()
    repository.set_ref(BRANCHES + "other", root)
    one, two = commit(store, repository, MAIN, a="1"), commit(store, repository, BRANCHES + "other", b="1")
    left = commit(store, repository, MAIN, (two,), b="1")
    right = commit(store, repository, BRANCHES + "other", (one,), a="1")
    said = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", repository.folder, "merge-base", "--all", left, right],
        capture_output=True,
        text=True,
    ).stdout.split()
    assert sorted(bases(repository.history, left, right)) == sorted(said) == sorted([one, two])
    assert bases(repository.history, left, one) == [one] and bases(repository.history, root, left) == [root]


def test_a_base_that_is_disputed_gives_a_conflict_and_no_loss(store):
    repository = store.create("model", "me/thing")
    commit(store, repository, MAIN, a="0")
    repository.set_ref(BRANCHES + "other", repository.head())
    one, two = commit(store, repository, MAIN, a="1"), commit(store, repository, BRANCHES + "other", a="2")
    left = commit(store, repository, MAIN, (two,), a="1")
    right = commit(store, repository, BRANCHES + "other", (one,), a="2")
    assert three_way(repository.history, left, right).conflicts == ["a"]


def test_a_merge_that_was_killed_before_it_could_tell_is_found_done(store):
    repository = store.create("model", "me/thing")
    commit(store, repository, MAIN, a="0")
    with repository.change(store.large) as change:
        change.put("b", b"1")
        table = Conversations(repository)
        table.propose(table.open(ME, "A proposal", "", True), ME, change, "Add b")
    before = (repository.folder / "conversations.json").read_bytes()
    table = Conversations(repository)
    merged = table.merge(table.get(1), ME, store.large)
    (repository.folder / "conversations.json").write_bytes(before)  # as if it had died between the two files
    table = Conversations(repository)
    assert table.get(1)["status"] == "open"
    assert table.merge(table.get(1), ME, store.large) == merged == repository.head()


def test_the_name_that_a_killed_proposal_left_is_no_part_of_the_next(store):
    repository = store.create("model", "me/thing")
    commit(store, repository, MAIN, a="0")

    def propose(**files):
        with repository.change(store.large) as change:
            for path, text in files.items():
                change.put(path, text.encode())
            table = Conversations(repository)
            table.propose(table.open(ME, "A proposal", "", True), ME, change, "Propose")

    propose(stray="1")
    (repository.folder / "conversations.json").unlink()
    propose(b="1")
    assert files_of(repository, "refs/pr/1") == {"a": "0", "b": "1"}


def test_a_start_that_the_branch_never_had_is_refused(store):
    repository = store.create("model", "me/thing")
    repository.set_ref(BRANCHES + "other", repository.head())
    elsewhere = commit(store, repository, BRANCHES + "other", a="1")
    with pytest.raises(HubError) as error:
        Conversations(repository).open(ME, "A proposal", "", True, start=elsewhere)
    assert error.value.status == 412
    for revision in (elsewhere, "nothing", "refs/pr/1"):
        with pytest.raises(HubError) as error:
            Conversations(repository).open(ME, "A proposal", "", True, revision=revision)
        assert (error.value.status, error.value.code) == (404, "RevisionNotFound")
