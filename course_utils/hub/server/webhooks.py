"""Calls the addresses of webhooks when something has happened: on this machine only, from its own thread.

What is sent is what huggingface.co documents (https://huggingface.co/docs/hub/webhooks, version 3). A request
that causes an event neither waits for the calls nor fails with them; each call is made once, and not again.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import queue
import socket
import threading
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from course_utils.hub.server.routing import PREFIX
from course_utils.hub.store.errors import HubError, StoreError
from course_utils.hub.store.hub import HubStore
from course_utils.hub.store.repository import MAIN, Repository

VERSION = 3
SECONDS = 5  # for a whole call
MOST_WAITING, MOST_CALLS = 1000, 1000
ELSEWHERE = (
    "The local Hub has no network: it calls only addresses on this machine, such as http://127.0.0.1:8000/."
)


@dataclass(frozen=True)
class Call:
    """An event that a webhook was told of, or was to be told of.

    status: of the answer, None where there was none; trouble: why, as a sentence, else "".
    """

    webhook: str
    url: str
    scope: str
    action: str
    status: int | None
    trouble: str = ""


@dataclass(frozen=True)
class _Event:
    repository: Repository
    scope: str
    action: str
    facts: dict

    @property
    def domain(self) -> str:
        return self.scope.partition(".")[0]


class Webhooks:
    """Tells the webhooks of one Hub what happens.

    address(): the Hub's own. crashes: where tracebacks of faults of ours go.
    """

    def __init__(self, store: HubStore, address: Callable[[], str], crashes: list[str]) -> None:
        self.calls: deque[Call] = deque(maxlen=MOST_CALLS)
        self._store, self._address, self._crashes = store, address, crashes
        self._waiting: queue.Queue[_Event | None] = queue.Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def stop(self) -> None:
        """What waits is not told any more."""
        with suppress(queue.Empty):
            while True:
                self._waiting.get_nowait()
        with suppress(queue.Full):
            self._waiting.put_nowait(None)

    # What happens

    def repository(self, repository: Repository, action: str, moved: Repository | None = None) -> None:
        """action: "create", "delete", or "move" with the repository as it is called now."""
        facts = {"movedTo": {"name": moved.id, "owner": {"id": moved.owner}}} if moved else {}
        self._tell(repository, "repo", action, lambda: facts)

    def settings(self, repository: Repository, **changed: bool) -> None:
        """changed: of the settings those that a webhook is told, which is `private` alone."""
        self._tell(repository, "repo.config", "update", lambda: {"updatedConfig": changed})

    def reference(self, repository: Repository, name: str, old: str | None, new: str | None) -> None:
        """A branch, tag or pull request stands for the commit `new` now; None: for nothing."""
        ref = {"ref": name, "oldSha": old, "newSha": new}
        self._tell(repository, "repo.content", "update", lambda: {"updatedRefs": [ref]})

    def commit(self, repository: Repository, name: str, new: str) -> None:
        """A commit onto the branch or pull request `name`."""

        def facts() -> dict:
            before = repository.history.commit(new).parents
            return {"updatedRefs": [{"ref": name, "oldSha": before[0] if before else None, "newSha": new}]}

        self._tell(repository, "repo.content", "update", facts)

    def discussion(self, repository: Repository, row: dict, action: str, comment: dict | None = None) -> None:
        """action: "create", with the first comment, or "update"."""
        self._tell(repository, "discussion", action, lambda: self._about(repository, row, comment))

    def comment(self, repository: Repository, row: dict, comment: dict, action: str) -> None:
        """action: "create" or "update", which hiding is too."""
        self._tell(repository, "discussion.comment", action, lambda: self._about(repository, row, comment))

    # What is sent

    def _tell(self, repository: Repository, scope: str, action: str, facts: Callable[[], dict]) -> None:
        """Let the thread know; whatever goes wrong here is written down and does not reach the request."""
        if not self._store.webhooks.exists:
            return
        try:
            event = _Event(repository, scope, action, self._repo(repository, scope) | facts())
            self._waiting.put_nowait(event)
            self._start()
        except queue.Full:
            self._note(scope, action, f"{MOST_WAITING:,} events are waiting, and this one was left out.")
        except (StoreError, HubError, OSError) as error:
            self._note(scope, action, f"The event could not be told: {error}")
        except Exception:
            self._crashes.append(traceback.format_exc())

    def _note(self, scope: str, action: str, trouble: str) -> None:
        self.calls.append(Call("", "", scope, action, None, trouble))

    def _urls(self, repository: Repository, rest: str = "") -> dict:
        hub = self._address()
        return {
            "web": f"{hub}/{PREFIX[repository.kind]}{repository.id}{rest}",
            "api": f"{hub}/api/{repository.kind}s/{repository.id}{rest}",
        }

    def _repo(self, repository: Repository, scope: str) -> dict:
        row = {
            "type": repository.kind,
            "name": repository.id,
            "id": repository.id,
            "private": repository.settings.private,
            "url": self._urls(repository),
            "owner": {"id": repository.owner},
        }
        main = repository.refs.read().get(MAIN) if scope.startswith("repo") else None
        return {"repo": row | ({"headSha": main.commit} if main else {})}

    def _about(self, repository: Repository, row: dict, comment: dict | None) -> dict:
        place = f"/discussions/{row['num']}"
        about = {
            "id": row["events"][0]["id"],
            "num": row["num"],
            "title": row["title"],
            "status": row["status"],
            "author": {"id": row["author"]},
            "isPullRequest": row["pull_request"],
            "url": self._urls(repository, place),
        }
        if row["pull_request"]:
            about["changes"] = {"base": row["base"]}
            if row["merged"]:
                about["changes"]["mergeCommitId"] = row["merged"]
        return {"discussion": about} | (self._said(repository, place, comment) if comment else {})

    def _said(self, repository: Repository, place: str, comment: dict) -> dict:
        hidden = comment.get("hidden", False)
        row = {
            "id": comment["id"],
            "author": {"id": comment["author"]},
            "hidden": hidden,
            "url": {"web": self._urls(repository, f"{place}#{comment['id']}")["web"]},
        }
        return {"comment": row if hidden else row | {"content": comment["text"]}}

    # The thread

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="webhooks", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while (event := self._waiting.get()) is not None:
            try:
                self._deliver(event)
            except (StoreError, OSError) as error:
                self._note(event.scope, event.action, f"The list of webhooks can't be read: {error}")
            except Exception:
                self._crashes.append(traceback.format_exc())

    def _deliver(self, event: _Event) -> None:
        for row in self._store.webhooks.rows:
            owner = self._store.accounts.person(row["owner"])
            if not row["disabled"] and wants(row, event) and event.repository.may_read(owner):
                body = {"event": {"action": event.action, "scope": event.scope}, **event.facts}
                body["webhook"] = {"id": row["id"], "version": VERSION}
                status, trouble = post(row["url"], body, row.get("secret"))
                self.calls.append(Call(row["id"], row["url"], event.scope, event.action, status, trouble))


def wants(row: dict, event: _Event) -> bool:
    """Whether a webhook watches the repository, or its owner, and the event's domain."""
    names = {(each["type"], each["name"].lower()) for each in row["watched"]}
    repository, owner = event.repository, event.repository.owner.lower()
    places = {(repository.kind, repository.id.lower()), ("user", owner), ("org", owner)}
    return event.domain in row["domains"] and bool(names & places)


def is_local(url: str) -> bool:
    """Whether an address lies on this machine. No name is looked up, so none can lead elsewhere later."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def post(url: str, body: dict, secret: str | None = None) -> tuple[int | None, str]:
    """(status of the answer or None, what went wrong or "") of one call. Follows no redirection."""
    if not is_local(url):
        return None, ELSEWHERE
    headers = {"Content-Type": "application/json"} | ({"X-Webhook-Secret": secret} if secret else {})
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        line = kind(parts.hostname or "", parts.port, timeout=SECONDS)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        watch = threading.Timer(SECONDS, _cut, [line])  # the time-out above is for each piece alone
        watch.daemon = True
        watch.start()
        try:
            line.request("POST", path, json.dumps(body).encode(), headers)
            return line.getresponse().status, ""
        finally:
            watch.cancel()
            line.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        return None, f"{url} could not be called: {error or type(error).__name__}."


def _cut(line: http.client.HTTPConnection) -> None:
    with suppress(OSError, AttributeError):
        line.sock.shutdown(socket.SHUT_RDWR)
