"""The server's desk: who asks, what for, what goes wrong on purpose, and what is written down about it."""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import hmac
import secrets
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from course_utils.hub.server.http import Drop, as_json, error_response
from course_utils.hub.server.routing import KINDS, PREFIX, Routes
from course_utils.hub.server.webhooks import Webhooks
from course_utils.hub.store.errors import REPAIR, HubError, StoreError, not_allowed, repository_not_found
from course_utils.hub.store.hub import key

if TYPE_CHECKING:
    from course_utils.hub.server.http import Request, Response
    from course_utils.hub.store.accounts import Person
    from course_utils.hub.store.hub import HubStore
    from course_utils.hub.store.repository import Repository

EVENTS = 20_000


@dataclass(frozen=True)
class Event:
    """A request that was answered. range: the Range header, or None. seconds: how long the answer took."""

    method: str
    path: str
    user: str | None
    status: int
    range: str | None
    seconds: float


@dataclass
class Failure:
    """What is to go wrong. status: an HTTP status, or "drop". after_bytes: how
    much of the body still arrives.
    """

    status: int | str
    times: int
    path: str
    method: str
    retry_after: int | None
    after_bytes: int | None


class Service:
    """Answers requests about one `HubStore`.

    routes: the tables of `Routes`, in the order in which they are asked. address:
    where the server can be reached.
    """

    def __init__(self, store: HubStore, routes: list[Routes]) -> None:
        self.store = store
        self.limits = store.limits
        self.routes = routes
        self.address = ""
        self._asked = threading.local()  # at: the address by which the client of this thread's request came
        self.events: deque[Event] = deque(maxlen=EVENTS)
        self.failures: list[Failure] = []
        self.crashes: list[str] = []  # tracebacks of faults of ours
        self.webhooks = Webhooks(store, lambda: self.address, self.crashes)
        self.page_keys: dict[str, str] = {}  # secret -> whose eyes the web page has
        self._secret = secrets.token_bytes(32)
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """How answers name this Hub: as who asks does. A client that came to "localhost" takes no address
        at "127.0.0.1" for one of its Hub's.
        """
        return getattr(self._asked, "at", "") or self.address

    # A request

    def answer(self, request: Request) -> Response:
        started = time.perf_counter()
        host = request.headers.get("Host")  # the server has let none but its own names through
        self._asked.at = f"http://{host}" if host else ""
        response, dropped = None, False
        try:
            response = self._answered(request)
        except Drop:
            dropped = True
            raise
        finally:
            status = 0 if dropped or response is None else response.status
            name = request.person.name if request.person else None
            asked = request.headers.get("Range")
            took = time.perf_counter() - started
            self._asked.at = ""
            self.events.append(Event(request.method, request.path, name, status, asked, took))
        return response

    def _answered(self, request: Request) -> Response:
        try:
            request.person = self._person(request)
            failure = self._failure(request)
            if failure and failure.after_bytes is None:
                return self._fail(failure)
            response = self._handled(request)
            if failure and failure.after_bytes is not None and response.length > failure.after_bytes:
                response.cut = failure.after_bytes
            return response
        except HubError as error:
            return error_response(error)
        except StoreError as error:
            return error_response(HubError(500, f"This repository is damaged: {error}. {REPAIR}"))
        except OSError as error:
            if isinstance(error, ConnectionError | TimeoutError):
                raise Drop from error
            return error_response(disk_trouble(error))
        except Drop:
            raise
        except Exception:
            self.crashes.append(traceback.format_exc())
            return error_response(HubError(500, "The local Hub has a fault; nothing was changed."))

    def _handled(self, request: Request) -> Response:
        for table in self.routes:
            found = table.find(request.method, request.segments)
            if isinstance(found, tuple):
                function, values = found
                return function(self, request, **values)
            if found:
                raise HubError(
                    405,
                    f"{request.path} can't be asked by {request.method}.",
                    "",
                    {"Allow": ", ".join(sorted(found))},
                )
        raise self._unknown(request)

    def _unknown(self, request: Request) -> HubError:
        if names_no_owner(request.segments):
            return repository_not_found(request.person is not None)
        return HubError(404, f"The local Hub knows no {request.method} {request.path}.")

    def _person(self, request: Request) -> Person | None:
        head = request.headers.get("Authorization")
        if head is None:
            return None
        scheme, _, token = head.partition(" ")
        if scheme.lower() != "bearer":
            raise HubError(401, "Invalid credentials in Authorization header")
        return self.store.accounts.who(token.strip())

    # What goes wrong on purpose

    def _failure(self, request: Request) -> Failure | None:
        with self._lock:
            for failure in self.failures:
                if fnmatch.fnmatchcase(request.path, failure.path) and failure.method in (
                    "*",
                    request.method,
                ):
                    failure.times -= 1
                    if failure.times <= 0:
                        self.failures.remove(failure)
                    return failure
        return None

    def _fail(self, failure: Failure) -> Response:
        if not isinstance(failure.status, int):
            raise Drop
        headers = {} if failure.retry_after is None else {"Retry-After": str(failure.retry_after)}
        sentence = (
            "Too many requests; wait a little." if failure.status == 429 else "The Hub fails on request."
        )
        return error_response(HubError(failure.status, sentence, "", headers))

    # Repositories and rights

    def repository(self, request: Any, kind: str, owner: str, name: str, right: str = "read") -> Repository:
        """The repository asked for, if the person has the right: "read", "files" or
        "write"; else the error for it.
        """
        repository = self.store.find(kind, f"{owner}/{name}")
        self._check_sound(request.person, kind, owner, name)
        moved = self.store.moved(kind, f"{owner}/{name}") if repository is None else None
        if moved is not None and moved.may_read(request.person):
            old, new = f"/{quote(owner)}/{quote(name)}", f"/{moved.id}"
            place = request.raw_path.replace(old, new, 1)
            raise HubError(307, f"Moved to {moved.id}", "", {"Location": place})
        if repository is None or not repository.may_read(request.person):
            raise repository_not_found(request.person is not None)
        if right == "files" and not repository.may_read_files(request.person):
            raise self._gate(repository, request.person)
        if right == "write" and not repository.may_write(request.person):
            raise self._no_right(repository, request.person)
        return repository

    def _check_sound(self, person: Person | None, kind: str, owner: str, name: str) -> None:
        """The owner of a repository that can't be read is told; for everybody else it isn't there."""
        damaged = self.store.damaged.get(key(kind, f"{owner}/{name}"))
        if damaged is not None and person is not None and person.owns(owner):
            raise StoreError(damaged.why)

    def _gate(self, repository: Repository, person: Person | None) -> HubError:
        where = f"Visit {self.url}/{PREFIX[repository.kind]}{repository.id} to ask for access."
        if person is None:
            sentence = (
                f"Access to {repository.kind} {repository.id} is restricted. You must have access to "
                "it and be authenticated to access it. Please log in."
            )
            return HubError(401, sentence, "GatedRepo")
        sentence = (
            f"Access to {repository.kind} {repository.id} is restricted and you are not in the "
            f"authorized list. {where}"
        )
        return HubError(403, sentence, "GatedRepo")

    def _no_right(self, repository: Repository, person: Person | None) -> HubError:
        if person is None:
            return HubError(401, "Invalid username or password.")
        if person.role != "write" and person.owns(repository.owner):
            return not_allowed("This token may only read. Use one with the role 'write'.")
        return not_allowed(
            f"You don't have the rights to change {repository.id}: it belongs to {repository.owner}."
        )

    def must_be_signed_in(self, request: Request) -> Person:
        if request.person is None:
            raise HubError(401, "Invalid username or password.")
        return request.person

    def must_write(self, request: Request) -> Person:
        """The person who asks, by a token that may write."""
        person = self.must_be_signed_in(request)
        if person.role != "write":
            raise not_allowed("This token may only read. Use one with the role 'write'.")
        return person

    def may_create_for(self, request: Request, owner: str) -> Person:
        person = self.must_be_signed_in(request)
        if not person.owns(owner):
            raise not_allowed(
                f"You don't have the rights to create a repository under the namespace {owner!r}."
            )
        return self.must_write(request)

    def web_url(self, repository: Repository) -> str:
        return f"{self.url}/{PREFIX[repository.kind]}{repository.id}"

    def discussion_url(self, repository: Repository, row: dict) -> str:
        return f"{self.web_url(repository)}/discussions/{row['num']}"

    # Upload links: whoever holds one may upload these bytes, until it expires

    def signed(self, **claims: object) -> str:
        """A query string that carries the claims and their seal."""
        claims["expires"] = int(time.time()) + self.limits.link_seconds
        return "&".join(f"{name}={quote(str(value))}" for name, value in sorted(claims.items())) + (
            f"&seal={self._seal(claims)}"
        )

    def claims(self, request: Request) -> dict[str, str]:
        """The claims of a link as texts; 403 for a forged or expired one."""
        claims = {name: values[0] for name, values in request.query.items() if name != "seal"}
        if not hmac.compare_digest(request.first("seal", "").encode(), self._seal(claims).encode()):
            raise not_allowed("This upload link is not one of ours; ask for a new one.")
        if int(claims["expires"]) < time.time():
            raise not_allowed("This upload link has expired; ask for a new one.")
        return claims

    def _seal(self, claims: dict) -> str:
        text = "&".join(f"{name}={value}" for name, value in sorted(claims.items()))
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


def names_no_owner(segments: list[str]) -> bool:
    """Whether an address is that of a repository but for the owner's name:
    "/api/models/gpt2", "/gpt2/resolve/main/…".
    """
    if segments[:1] == ["api"]:
        return len(segments) >= 3 and segments[1] in KINDS
    names = segments[1:] if segments[0] in KINDS else segments
    return len(names) >= 2 and names[1] in (
        "resolve",
        "raw",
        "tree",
        "blob",
        "commit",
        "commits",
        "discussions",
    )


def disk_trouble(error: OSError) -> HubError:
    """507 for a disk that takes nothing, which no client tries again; 500 for
    whatever else an operating system says.
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return HubError(507, "The disk is full. Nothing was changed.")
    status = 507 if error.errno in (errno.EIO, errno.EROFS, errno.EFBIG) else 500
    return HubError(status, f"The Hub's disk gave an error ({error.strerror}). Nothing was changed.")


def page_of(items: Sequence, request: Request, service: Service, size: int, row: Callable) -> Response:
    """One page of a list as an answer, with a link to the next; `cursor` says where it begins.

    row(item): the item as JSON, made only for those that are shown.
    """
    start, wanted = request.number("cursor", 0, 10**9), request.number("limit", size, size)
    wanted = min(max(wanted, 1), size)
    headers = {}
    if start + wanted < len(items):
        rest = {name: values for name, values in request.query.items() if name != "cursor"}
        pairs = [f"{quote(name)}={quote(value)}" for name, values in rest.items() for value in values]
        query = "&".join([*pairs, f"cursor={start + wanted}"])
        headers["Link"] = f'<{service.url}{request.raw_path}?{query}>; rel="next"'
    return as_json([row(item) for item in items[start : start + wanted]], headers=headers)
