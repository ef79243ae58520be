"""One repository: a bare git repository with its settings beside, who may do what, and how a commit is made.

models/me/my-model.git/
    HEAD  config  objects/  packed-refs  refs/       git's own: `git clone` works on the folder
    lfs/objects/…                                    its large files, where Git LFS looks for them
    hub.json                                         visibility, gate, Space settings
    conversations.json                               discussions and pull requests
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import fnmatch
import functools
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from course_utils.hub.store import cards, disk
from course_utils.hub.store.changes import Draft
from course_utils.hub.store.errors import (
    HubError,
    StoreError,
    bad_request,
    conflict,
    repository_not_found,
    unusable,
)
from course_utils.hub.store.history import History, parse_pointer, pointer
from course_utils.hub.store.large import check_sha256, place_in
from course_utils.hub.store.names import check_path, check_ref
from course_utils.hub.store.objects import LARGEST, LooseObjects, commit_data, inflate, tag_data
from course_utils.hub.store.refs import BRANCHES, PULL_REQUESTS, TAGS, Ref, Refs, render

if TYPE_CHECKING:
    from course_utils.hub.store.accounts import Person
    from course_utils.hub.store.cards import Card
    from course_utils.hub.store.clock import Clock
    from course_utils.hub.store.history import RepoFile
    from course_utils.hub.store.large import LargeFiles
    from course_utils.hub.store.limits import Limits
    from course_utils.hub.store.objects import Commit

MAIN = BRANCHES + "main"
GATES = (False, "auto", "manual")
ATTRIBUTES_LINE = 2048  # git takes no longer line in .gitattributes
# What the Hub writes into .gitattributes of a new repository, shortened to what the course's libraries save
LARGE_PATTERNS = (
    "*.7z *.arrow *.bin *.bz2 *.ckpt *.ftz *.gz *.h5 *.joblib *.lz4 *.mlmodel *.model *.msgpack *.npy *.npz "
    "*.onnx *.ot *.parquet *.pb *.pickle *.pkl *.pt *.pth *.rar *.safetensors *.tar *.tar.* *.tflite *.tgz "
    "*.wasm *.xz *.zip *.zst *tfevents*"
).split()
GIT_ATTRIBUTES = "".join(f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in LARGE_PATTERNS)
_CONFIG = "[core]\n\trepositoryformatversion = 0\n\tfilemode = false\n\tbare = true\n"


@dataclass
class Settings:
    """What belongs to a repository and is no commit. Times are seconds since 1970.

    access: {user: {"status": "pending" | "accepted" | "rejected", "time": …}}, the gate's book.
    space: of a Space, its variables, secrets (never their values), hardware and state.
    formerly: the ids it had before it was moved. likes: the users who like it.
    """

    kind: str
    id: str
    created: int
    private: bool = False
    gated: bool | str = False
    access: dict = field(default_factory=dict)
    space: dict = field(default_factory=dict)
    formerly: list = field(default_factory=list)
    likes: list = field(default_factory=list)
    seeded: bool = False

    @classmethod
    def read(cls, value: object) -> Settings:
        """From plain data of unknown origin; StoreError for what doesn't fit."""
        names = {each.name for each in dataclasses.fields(cls)}
        if not isinstance(value, dict) or not {"kind", "id", "created"} <= value.keys() <= names:
            raise StoreError("a repository's settings have the wrong fields")
        settings = cls(**value)
        kinds = [
            (settings.private, bool),
            (settings.seeded, bool),
            (settings.created, int),
            (settings.id, str),
        ]
        kinds += [
            (settings.access, dict),
            (settings.space, dict),
            (settings.formerly, list),
            (settings.likes, list),
        ]
        if any(type(item) is not kind for item, kind in kinds) or settings.gated not in GATES:
            raise StoreError("a repository's settings have a value of the wrong type")
        return settings

    def as_file(self) -> bytes:
        return disk.as_json(dataclasses.asdict(self))


class Repository:
    """A repository on disk. Whoever changes it holds `lock`; reading needs none.

    Files are only ever added or replaced in one step, and a commit counts from the
    moment its name is moved, last.
    """

    def __init__(
        self, folder: Path, scratch: Path, limits: Limits, clock: Clock, verify: bool = False
    ) -> None:
        self.folder = folder
        self.scratch = scratch
        self.limits = limits
        self.clock = clock
        self.lock = threading.RLock()
        self.objects = LooseObjects(folder / "objects", scratch, verify)
        self.refs = Refs(folder, scratch)
        self.history = History(self.objects, self.refs, limits)
        self.settings = Settings.read(disk.read_json(folder / "hub.json", None))
        self.downloads = 0  # since the server began
        # the last card read, by its file's id, as lists ask for the same ones again and again
        self._card: tuple[str | None, Card] | None = None

    @classmethod
    def make(
        cls, folder: Path, settings: Settings, scratch: Path, limits: Limits, clock: Clock
    ) -> Repository:
        """Write an empty repository into `folder`, which doesn't exist yet."""
        (folder / "objects").mkdir(parents=True)
        (folder / "refs").mkdir()
        (folder / "HEAD").write_text(f"ref: {MAIN}\n")
        (folder / "config").write_text(_CONFIG)
        (folder / "packed-refs").write_text(render({}))
        disk.replace(folder / "hub.json", settings.as_file(), scratch)
        return cls(folder, scratch, limits, clock)

    # What it is

    @property
    def id(self) -> str:
        return self.settings.id

    @property
    def kind(self) -> str:
        return self.settings.kind

    @property
    def owner(self) -> str:
        return self.settings.id.partition("/")[0]

    @contextlib.contextmanager
    def amended(self) -> Iterator[Settings]:
        """A copy of the settings, to change in the block.

        At its end they are written; what is on disk is what counts.
        """
        with self.lock:
            settings = copy.deepcopy(self.settings)
            yield settings
            disk.replace(self.folder / "hub.json", settings.as_file(), self.scratch)
            self.settings = settings

    def head(self, revision: str = "main") -> str:
        return self.history.resolve(revision)

    def changed_at(self) -> int:
        """The time of the newest commit of main."""
        refs = self.refs.read()
        return self.history.commit(refs[MAIN].commit).time if MAIN in refs else self.settings.created

    def read(self, file: RepoFile) -> bytes:
        """The bytes of a `RepoFile`, a large one too."""
        if not file.large:
            return self.objects.read(file.oid)[1]
        return self.large_path(file).read_bytes()

    def large_path(self, file: RepoFile) -> Path:
        assert file.sha256 is not None  # which every large file has
        place = place_in(self.folder, file.sha256)
        if not place.is_file() or place.stat().st_size != file.size:
            raise StoreError(f"the bytes of the large file {file.path} are missing")
        return place

    def sound_id(self, commit: str, path: str) -> str | None:
        """What names the bytes of a file for the client: SHA-256 or git's id.

        None where they are missing or damaged.
        """
        try:
            file = self.history.file(commit, path)
            if file is None or not self.objects.sound(file.oid):
                return None
            if file.large:
                self.large_path(file)
            return file.sha256 or file.oid
        except StoreError:
            return None

    def card(self, commit: str) -> Card:
        """The `Card` of a commit; an empty one without README.md."""
        file = self.history.file(commit, "README.md")
        oid = None if file is None else file.oid
        known = self._card
        if known is None or known[0] != oid:
            text = "" if file is None else self.read(file).decode("utf-8", "replace")
            known = self._card = oid, cards.read(text, self.kind)
        return known[1]

    # Who may

    def may_read(self, person: Person | None) -> bool:
        """See that it exists: its page, its card's fields, its list of files."""
        return not self.settings.private or (person is not None and person.owns(self.owner))

    def may_read_files(self, person: Person | None) -> bool:
        if not self.may_read(person):
            return False
        if not self.settings.gated or (person is not None and person.owns(self.owner)):
            return True
        return person is not None and self.settings.access.get(person.name, {}).get("status") == "accepted"

    def may_write(self, person: Person | None) -> bool:
        return person is not None and person.role == "write" and person.owns(self.owner)

    # Changing it

    def conversations(self) -> list[dict]:
        """Discussions and pull requests as plain data: see `conversations`."""
        return disk.read_json(self.folder / "conversations.json", [])

    def change(self, large_files: LargeFiles, may_have: Callable | None = None) -> Change:
        """A `Change` to fill and commit, as a context."""
        return Change(self, large_files, may_have)

    def set_ref(self, name: str, commit: str, message: str | None = None, author: str = "hub") -> None:
        """Make a branch or tag; 409 if it exists. With a message a tag is git's annotated kind."""
        prefix = BRANCHES if name.startswith(BRANCHES) else TAGS
        check_ref(name.removeprefix(prefix))
        with self.lock:
            if name in self.refs.read():
                raise conflict(f"Reference {name} already exists")
            tag = None
            if message:
                now = self.clock.now(self.history.commit(commit).time)
                with self.objects.batch() as batch:
                    text = clean_message(message)
                    tag = batch.add("tag", tag_data(commit, name.removeprefix(prefix), author, now, text))
                    batch.keep()
            self.refs.move(name, None, Ref(commit, tag))

    def delete_ref(self, name: str) -> str:
        """Take a branch or tag away; returns the commit that it stood for."""
        with self.lock:
            old = self.refs.read().get(name)
            if old is None:
                raise HubError(404, f"Invalid rev id: {name.rpartition('/')[2]}", "RevisionNotFound")
            self.refs.move(name, old, None)
            return old.commit

    def squash(self, branch: str, author: str, text: str) -> tuple[str, str, str]:
        """Let a branch, or a pull request ("refs/pr/1"), begin anew with one commit of what it holds now.

        Returns (its full name, the commit it stood for, the new one).
        """
        name = branch if branch.startswith(PULL_REQUESTS) else BRANCHES + branch
        with self.lock:
            old = self.refs.read().get(name)
            if old is None:
                raise HubError(404, f"Invalid rev id: {branch}", "RevisionNotFound")
            before = self.history.commit(old.commit)
            with self.objects.batch() as batch:
                data = commit_data(before.tree, (), author, self.clock.now(before.time), clean_message(text))
                new = batch.add("commit", data)
                batch.keep()
            self.refs.move(name, old, Ref(new))
            return name, old.commit, new

    def large_patterns(self, commit: str) -> tuple[str, ...]:
        """The file patterns that .gitattributes of a commit sends the way of large files."""
        file = self.history.file(commit, ".gitattributes")
        lines = self.read(file).decode("utf-8", "replace").splitlines() if file and not file.large else []
        return tuple(line.split()[0] for line in lines if "filter=lfs" in line.split()[1:])


class Change:
    """One commit in the making. Fill it with `put`, `put_large` and `delete`, then `commit`.

    large_files: the Hub's `LargeFiles`. may_have(sha256): whether the author may
    use those bytes; None allows all.
    """

    def __init__(
        self, repository: Repository, large_files: LargeFiles, may_have: Callable | None = None
    ) -> None:
        self.repository = repository
        self._large_files = large_files
        self._may_have = may_have or (lambda sha256: True)
        self._batch = repository.objects.batch()
        self._steps: list[tuple[str, str | None]] = []  # (path, blob id), or (path, None) to delete
        self._claimed: set[str] = set()

    def __enter__(self) -> Change:
        return self

    def __exit__(self, *error: object) -> None:
        self._batch.__exit__(*error)

    def put(self, path: str, data: bytes) -> None:
        limit = self.repository.limits.regular_file
        if len(data) > limit:
            raise HubError(
                413, f"{path} has {len(data):,} bytes; above {limit:,} a file is uploaded as a large file."
            )
        if large := parse_pointer(data):  # a pointer is a claim, in whatever way it comes
            return self.put_large(path, *large)
        longest = max(map(len, data.split(b"\n"))) if path.endswith(".gitattributes") else 0
        if longest >= ATTRIBUTES_LINE:
            raise unusable(f"{path} has a line of {ATTRIBUTES_LINE} bytes or more, which git refuses.")
        blob = self._batch.add("blob", data)
        self.repository.history.learn(blob, len(data))
        self._step(path, blob)

    def put_large(self, path: str, sha256: str, size: int | None = None) -> None:
        actual = self._large_files.size(check_sha256(sha256))
        if actual is None or not self._may_have(sha256):
            raise unusable(f"The bytes of the large file {path} ({sha256[:12]}…) were never uploaded here.")
        if size is not None and size != actual:
            raise unusable(f"The large file {path} has {actual:,} bytes, not {size:,}.")
        self._claimed.add(sha256)
        self._step(path, self._batch.add("blob", pointer(sha256, actual)))

    def put_known(self, path: str, file: RepoFile) -> None:
        """A `RepoFile` that the repository has at some commit, small or large."""
        self._step(path, file.oid)

    def delete(self, path: str) -> None:
        self._step(path, None)

    def _step(self, path: str, blob: str | None) -> None:
        self._steps.append((check_path(path), blob))
        limit = self.repository.limits.commit_entries
        if len(self._steps) > limit:
            raise HubError(413, f"A commit has at most {limit:,} changes; make several.")

    def commit(
        self,
        name: str,
        author: str,
        text: str,
        parent: str | None = None,
        onto: str | None = None,
        also: tuple[str, ...] = (),
        record: Callable | None = None,
    ) -> str:
        """Write the commit and let the reference `name` stand for it; returns its id.

        parent: the id that `name` must stand for now, else 412. onto: start from
        this commit where `name` is new.
        also: further parents, for a merge. record(id): (path, bytes) of the files that change along with the
        name. 412 and all other errors change nothing.
        """
        repository = self.repository
        text = clean_message(text)
        with repository.lock:
            if not repository.folder.exists():  # deleted or moved while this commit was on its way
                raise repository_not_found(signed_in=True)
            old = repository.refs.read().get(name)
            head = onto if old is None else old.commit
            if parent is not None and parent != head:
                raise HubError(
                    412, f"A commit has happened since. Please refresh and try again. {name} is at {head}."
                )
            before = repository.history.commit(head) if head else None
            tree = self._tree(before)
            self._check(tree)
            parents = tuple(dict.fromkeys(filter(None, (head, *also))))
            time = repository.clock.now(before.time if before else None)
            new = self._batch.add("commit", commit_data(tree, parents, author, time, text))
            given = self._large_files.give_all(self._claimed, repository.folder)
            try:
                self._batch.keep()
                repository.refs.move(name, old, Ref(new), record(new) if record else ())
            except BaseException:
                for place in given:  # having them is the right to read them
                    place.unlink(missing_ok=True)
                raise
            return new

    def _tree(self, before: Commit | None) -> str:
        draft = Draft(self.repository.history, before.tree if before else None, before.id if before else "")
        for path, blob in self._steps:
            if blob is None:
                draft.delete(path)
            else:
                draft.put(path, blob)
        return draft.write(self._batch)

    def _check(self, tree: str) -> None:
        """A card that can't be read is refused, as the Hub does."""
        blobs = [blob for path, blob in self._steps if path == "README.md" and blob]
        if blobs:
            data = self._read_new(blobs[-1])
            errors, _ = cards.problems(data.decode("utf-8", "replace"), self.repository.kind)
            if errors:
                raise bad_request("Invalid metadata in README.md. " + "; ".join(errors))

    def _read_new(self, oid: str) -> bytes:
        aside = self._batch.folder / oid
        if aside.exists():
            return inflate(aside.read_bytes(), LARGEST, oid)[2]
        return self.repository.objects.read(oid)[1]


def clean_message(text: object) -> str:
    """A commit's message as git takes it."""
    if not isinstance(text, str) or not text.strip():
        raise bad_request("A commit needs a message: say in a few words what it changes.")
    if len(text) > 100_000:
        raise bad_request("The commit's message is longer than 100,000 characters.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise bad_request("The commit's message is not Unicode text.") from None
    return text.replace("\0", "").replace("\r\n", "\n").strip()


@functools.lru_cache(16)
def _any_of(patterns: tuple[str, ...]) -> Callable:
    """Whether a text fits one of some file patterns, as a function."""
    return re.compile("|".join(map(fnmatch.translate, patterns)) or r"(?!)").match


def goes_large(path: str, size: int, sample: bytes, patterns: tuple[str, ...], limit: int) -> bool:
    """Whether a file is uploaded as a large one: by its name, by its size, or because it isn't text."""
    matches = _any_of(patterns)
    if matches(path.rpartition("/")[2]) or matches(path):
        return True
    return size > limit or not is_text(sample)


def is_text(sample: bytes) -> bool:
    """Whether the first bytes of a file look like text: no zero byte, and
    UTF-8 up to a cut last character.
    """
    if b"\0" in sample:
        return False
    try:
        sample.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(sample) - 3 and error.reason == "unexpected end of data"
    return True


def folder_size(folder: Path) -> int:
    """The bytes of all files below a folder, each counted once however many names it has."""
    seen, total = set(), 0
    for top, _, names in os.walk(folder):
        for name in names:
            status = os.lstat(os.path.join(top, name))
            if status.st_ino not in seen:
                seen.add(status.st_ino)
                total += status.st_size
    return total
