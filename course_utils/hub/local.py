"""`LocalHub`: a Hub with its server, its people and the libraries that point at it."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import fnmatch
import http.client
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_utils.hub import seeding
from course_utils.hub.activation import Activation
from course_utils.hub.server import application, pages
from course_utils.hub.server.http import Server
from course_utils.hub.server.service import Failure
from course_utils.hub.store import disk, snapshot
from course_utils.hub.store.clock import Clock
from course_utils.hub.store.hub import HubStore
from course_utils.hub.store.limits import Limits
from course_utils.hub.store.names import split_id
from course_utils.hub.store.refs import TAGS
from course_utils.hub.store.view import StoreView

if TYPE_CHECKING:
    from course_utils.hub.server.service import Event
    from course_utils.hub.server.webhooks import Call
    from course_utils.hub.store.accounts import Accounts, Person
    from course_utils.hub.store.repository import Repository
    from course_utils.hub.store.view import RepositoryView

SOCKET = "socket"
NOBODY = ".nobody"  # the HF_HOME of who has no token
ANSWER_SECONDS = 30
ADDRESS = "address"  # a file that tells where the server can be reached, while there is one


def home_of(root: Path, user: str | None, token: str | None) -> Path:
    """The HF_HOME of a user of the Hub in `root`: their cache, and their token
    where the client looks for it.
    """
    home = root / "homes" / (user or NOBODY)
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = home / "token"
    path.unlink(missing_ok=True)
    if user is not None:
        path.touch(mode=0o600)
        path.write_text(token or "")
    return home


def answers(url: str, token: str) -> bool:
    """Whether a Hub that knows the token answers there."""
    line = http.client.HTTPConnection(url.removeprefix("http://"), timeout=ANSWER_SECONDS)
    try:
        line.request("GET", "/api/whoami-v2", headers={"Authorization": f"Bearer {token}"})
        return line.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        line.close()


class Connection:
    """The libraries pointing at a Hub that another process runs (`course hub`). README.md tells more.

    root: that Hub's folder. user: one of its accounts. Raises RuntimeError where none is running.
    """

    def __init__(self, root: str | Path, user: str = "me") -> None:
        self.root, self.user = Path(root).expanduser().resolve(), user
        try:
            self.url = (self.root / ADDRESS).read_text()
            tokens = json.loads((self.root / "tokens.json").read_bytes())
        except FileNotFoundError:
            raise self._none_running() from None
        mine = [token for token, owner in tokens.items() if owner["name"] == user]
        if not mine:
            raise KeyError(f"The Hub in {self.root} has no account {user!r}.")
        self.token = mine[-1]
        if not answers(self.url, self.token):  # it was killed, and its address is still there
            raise self._none_running()
        self._activation = Activation(self.url, home_of(self.root, user, self.token))

    def _none_running(self) -> RuntimeError:
        return RuntimeError(f"No Hub is running in {self.root}. `course hub --root …` starts one.")

    def repo(self, identifier: str, kind: str = "model") -> RepositoryView:
        """The read-only view of a repository, as `LocalHub.repo` gives it, verified anew at each call."""
        return snapshot.open_store(self.root).repo(identifier, kind)

    def close(self) -> None:
        """Let the libraries point where they did before; the Hub runs on."""
        self._activation.undo()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def connect(root: str | Path, user: str = "me") -> Connection:
    """Point the libraries at the Hub that runs in that folder: see `Connection`."""
    return Connection(root, user)


class LocalHub:
    """A Hugging Face Hub on this machine. README.md has the whole interface.

    root: the folder it lives in; None for a temporary one, which goes when the Hub closes. user: the account
    that the libraries use at first. seeded: whether the course's own models, datasets and metrics are there.
    clock: None for the real time, or a text such as "2026-01-01T00:00:00Z" for one that stands still. limits:
    how much is taken.
    port: 0 for any free one.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        *,
        user: str = "me",
        seeded: bool = True,
        clock: str | None = None,
        limits: Limits | None = None,
        port: int = 0,
    ) -> None:
        self._temporary = root is None
        self.root = Path(tempfile.mkdtemp(prefix="course-hub-") if root is None else root).resolve()
        self._first = user
        self.user: str | None = user
        self._seeded, self._port = seeded, port
        self._store = HubStore(self.root, limits or Limits(), Clock(clock))
        self._service: Any = None  # a `Service` once it has started, and still when it has stopped
        self._server: Server | None = None
        self._activation: Activation | None = None
        self._process = os.getpid()

    # Life

    def start(self) -> LocalHub:
        """Run the server; the libraries stay where they are."""
        if self._server is not None:
            return self
        self._store.open()
        try:
            if not self._store.accounts.has_token(self._first):
                self._store.accounts.add(self._first)
            if self._seeded:
                seeding.announce(self._store)
            self._service = application.service(self._store)
            server = self._server = self._listening()
        except BaseException:
            self._store.close()
            raise
        self._service.address = f"http://127.0.0.1:{server.port}"
        server.start()
        disk.replace(self.root / ADDRESS, self._service.address.encode(), self._store.scratch)
        atexit.register(self.close)
        return self

    def _listening(self) -> Server:
        most = self._store.limits.connections
        try:
            return Server(self._service.answer, self._port, connections=most)
        except PermissionError:
            # In the grader's sandbox nobody has a port; a socket in the Hub's own folder does as well.
            path = self.root / SOCKET
            path.unlink(missing_ok=True)
            return Server(self._service.answer, connections=most, path=path)

    def stop(self) -> None:
        """Stop the server. What was acknowledged is in the folder."""
        if self._server is not None:
            (self.root / ADDRESS).unlink(missing_ok=True)
            self._server.stop()
            self._service.webhooks.stop()
            self._server = None
            self._store.close()

    def activate(self, user: str | None = None) -> LocalHub:
        """Point the libraries at this Hub, as that user ("" for nobody); undone by `deactivate`."""
        self.deactivate()
        self.user = self._first if user is None else user or None
        self._activation = Activation(self.url, self._home(), self._running().path)
        return self

    def deactivate(self) -> None:
        """Let the libraries point where they did before."""
        if self._activation is not None:
            self._activation.undo()
            self._activation = None

    def open(self) -> LocalHub:
        """`start` and `activate`."""
        return self.start().activate()

    def close(self) -> None:
        """`deactivate` and `stop`; a temporary folder is deleted. May be called twice."""
        if os.getpid() != self._process:
            return  # a forked child's copy: the Hub is its parent's
        atexit.unregister(self.close)
        self.deactivate()
        self.stop()
        if self._temporary:
            shutil.rmtree(self.root, ignore_errors=True)

    def __enter__(self) -> LocalHub:
        return self.open()

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<LocalHub {self.url if self._server else 'stopped'} in {self.root}>"

    def _running(self) -> Server:
        if self._server is None:
            raise RuntimeError("This Hub is not running; hub.open() starts it.")
        return self._server

    @property
    def url(self) -> str:
        self._running()
        return self._service.address

    @property
    def page(self) -> str:
        """The address of the web page, signed in as the present user: whoever
        has it sees what they may see.
        """
        key = "" if self.user is None else f"?key={pages.sign_in_key(self._service, self.user)}"
        return f"{self.url}/{key}"

    # People

    @property
    def token(self) -> str | None:
        """The token of the present user; None for nobody."""
        return None if self.user is None else self._store.accounts.token_of(self.user)

    def add_user(self, name: str, role: str = "write", organisations: Sequence[str] = ()) -> str:
        """Make an account, or give one a new token; returns the token. role: "read" or "write"."""
        return self._store.accounts.add(name, role, tuple(organisations))

    @contextlib.contextmanager
    def as_user(self, name: str | None) -> Iterator[LocalHub]:
        """The libraries are that user (None: nobody) within the block, with a cache of their own."""
        before, activated = self.user, self._activation is not None
        if name is not None:
            self._store.accounts.token_of(name)  # says so if there is no such account
        self.activate(name or "")
        try:
            yield self
        finally:
            if activated:
                self.activate(before or "")
            else:
                self.deactivate()
                self.user = before

    def _home(self) -> Path:
        """The HF_HOME of the present user: their cache, and their token in the
        file where the client keeps it.
        """
        return home_of(self.root, self.user, self.token)

    @property
    def home(self) -> Path:
        """The HF_HOME of the present user, for a process that is to be them."""
        return self._home()

    # What is there

    def repo(self, identifier: str, kind: str = "model") -> RepositoryView:
        """The read-only view of a repository: see README.md."""
        return self._view().repo(identifier, kind)

    def repos(self, kind: str | None = None, owner: str | None = None) -> tuple[RepositoryView, ...]:
        """The views of all repositories that somebody has made or looked into."""
        return self._view().repos(kind, owner)

    def _view(self) -> StoreView:
        accounts = self._store.accounts

        def seen(repository: Repository | None) -> _Source | None:
            return None if repository is None else _Source(repository, accounts)

        return StoreView(
            lambda kind, identifier: seen(self._store.find(kind, identifier)),
            lambda: [seen(each) for each in self._store.repositories()],
        )

    def seed(
        self,
        identifier: str,
        files: str | Path | Mapping[str, str | bytes],
        kind: str = "model",
        private: bool | None = None,
        gated: bool | str | None = None,
        message: str = "Add the files",
        tag: str | None = None,
    ) -> RepositoryView:
        """Commit files without a client, into a new repository or one that is there; returns the view of it.

        files: a folder, or {path: text or bytes}. private, gated: None leaves them as they are, and a new
        repository public. Its owner becomes an account if there is none of that name.
        """
        owner, _ = split_id(identifier)
        if not self._store.accounts.exists(owner):
            self._store.accounts.add(owner)
        content = seeding.files_of(files)
        repository = self._store.find(kind, identifier)
        if repository is None:
            repository = self._store.create(kind, identifier, private=bool(private), sdk="gradio")
        commit = seeding.put(self._store, repository, content, owner, message)
        with repository.amended() as settings:
            settings.private = settings.private if private is None else private
            settings.gated = settings.gated if gated is None else gated
        if tag:
            repository.set_ref(TAGS + tag, commit)
        return self.repo(identifier, kind)

    def snapshot(self, repositories: Iterable[str] | None = None) -> dict:
        """The state as plain data, for `open_store`: what people made, or the repositories of these ids."""
        if repositories is None:
            chosen = [each for each in self._store.repositories() if not each.settings.seeded]
        else:
            wanted = {identifier.lower() for identifier in repositories}
            chosen = [each for each in self._store.repositories() if each.id.lower() in wanted]
        return snapshot.take(chosen, self._store.accounts.people())

    # What happens

    @property
    def events(self) -> tuple[Event, ...]:
        """The requests so far, oldest first: see `server.service.Event`."""
        return tuple(self._service.events)

    def events_of(self, method: str = "*", path: str = "*") -> tuple[Event, ...]:
        """The requests of a method whose path fits a pattern such as "*/resolve/*"."""
        return tuple(
            each
            for each in self.events
            if fnmatch.fnmatchcase(each.path, path) and method in ("*", each.method)
        )

    @property
    def webhook_calls(self) -> tuple[Call, ...]:
        """What webhooks were told so far, oldest first: see `server.webhooks.Call`."""
        return tuple(self._service.webhooks.calls)

    def fail(
        self,
        status: int | str = 503,
        times: int = 1,
        path: str = "*",
        method: str = "*",
        retry_after: int | None = None,
        after_bytes: int | None = None,
    ) -> None:
        """Let the next `times` requests of that kind fail. status: an HTTP status, or "drop" to cut the
        connection; with `after_bytes` in the middle of the answer's body.
        """
        if status != "drop" and not (isinstance(status, int) and 400 <= status <= 599):
            raise ValueError(f"status is 400 to 599 or 'drop', not {status!r}.")
        if after_bytes is not None and status != "drop":
            raise ValueError("after_bytes goes with status='drop': the answer is cut there.")
        self._service.failures.append(Failure(status, times, path, method, retry_after, after_bytes))

    def heal(self) -> None:
        """Nothing fails on purpose any more."""
        self._service.failures.clear()

    @property
    def troubles(self) -> tuple[str, ...]:
        """What was found damaged at the start, as sentences; the rest is served."""
        return tuple(self._store.troubles())

    @property
    def limits(self) -> Limits:
        return dataclasses.replace(self._store.limits)


class _Source:
    """A repository as its view sees it: with the people who may."""

    def __init__(self, repository: Repository, accounts: Accounts) -> None:
        self._repository, self._accounts = repository, accounts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._repository, name)

    def person(self, name: str | None) -> Person | None:
        return None if name is None else self._accounts.person(name)
