"""Who there is: people, organisations, and the tokens that prove who asks."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from course_utils.hub.store import disk
from course_utils.hub.store.errors import HubError, StoreError
from course_utils.hub.store.names import check_owner

ROLES = ("read", "write")


@dataclass(frozen=True)
class Person:
    """Who asks, as a token proves it. role: "read" or "write", the token's."""

    name: str
    role: str
    organisations: tuple = ()

    def owns(self, owner: str) -> bool:
        """Whether the owner of a repository is this person, or an organisation of theirs."""
        return owner.lower() in {self.name.lower(), *(each.lower() for each in self.organisations)}


class Accounts:
    """The accounts of one Hub. Tokens are random, and lie in a file that only its owner can read.

    troubles: sentences about files that could not be read. Such a file is set aside, and what the
    other one knows of the accounts goes on.
    """

    def __init__(self, folder: Path, scratch: Path) -> None:
        self._people = folder / "accounts.json"
        self._tokens = folder / "tokens.json"
        self._scratch = scratch
        self._lock = threading.Lock()
        self.troubles: list[str] = []
        self._by_token = self._read(self._tokens, _tokens_fit) or {}
        known = self._read(self._people, _accounts_fit)
        self._lost = known is None
        owners = sorted({owner["name"] for owner in self._by_token.values()})
        found: dict = {"people": {name: [] for name in owners}, "organisations": []}
        self._known = found if known is None else known

    def _read(self, path: Path, fits: Callable) -> dict | None:
        """What the file holds if that `fits`; None where there is no such file or a
        damaged one, which is set aside.
        """
        try:
            value = disk.read_json(path, None)
            if value is None or fits(value):
                return value
            why = f"{path.name} has the wrong fields"
        except StoreError as error:
            why = str(error)
        aside = path.with_name(f"{path.name}.damaged")
        os.replace(path, aside)
        self.troubles.append(f"{why}; it lies in {aside} now, and what could be found out otherwise is used.")
        return None

    def complete(self, owners: Iterable[str]) -> None:
        """Where the list of accounts was lost: let the owners of repositories that
        are no people be organisations.
        """
        if self._lost and owners:
            with self._lock:
                missing = sorted(name for name in owners if not self.exists(name))
                known = self._known | {"organisations": [*self._known["organisations"], *missing]}
                self._keep(known, self._by_token)

    def add(self, name: str, role: str = "write", organisations: tuple[str, ...] = ()) -> str:
        """Make or change an account, and give it a new token, which is returned."""
        if role not in ROLES:
            raise ValueError(f"A token's role is 'read' or 'write', not {role!r}.")
        for each in (name, *organisations):
            check_owner(each)
        token = "hf_local" + secrets.token_hex(16)
        with self._lock:
            mine = sorted(set(self._known["people"].get(name, [])) | set(organisations))
            known = {
                "people": self._known["people"] | {name: mine},
                "organisations": sorted({*self._known["organisations"], *organisations}),
            }
            self._keep(known, self._by_token | {token: {"name": name, "role": role}})
        return token

    def add_organisation(self, name: str) -> None:
        with self._lock:
            if not self.exists(name):
                organisations = [*self._known["organisations"], check_owner(name)]
                self._keep(self._known | {"organisations": organisations}, self._by_token)

    def _keep(self, known: dict, by_token: dict) -> None:
        """Write both, and go by them from then on."""
        files = [(self._people, disk.as_json(known)), (self._tokens, disk.as_json(by_token))]
        with disk.replacing(files, self._scratch, mode=0o600):
            pass
        self._known, self._by_token, self._lost = known, by_token, False

    def exists(self, name: str) -> bool:
        return name.lower() in {
            each.lower() for each in (*self._known["people"], *self._known["organisations"])
        }

    def is_person(self, name: str) -> bool:
        return name in self._known["people"]

    def has_token(self, name: str) -> bool:
        return any(owner["name"] == name for owner in self._by_token.values())

    def person(self, name: str, role: str = "write") -> Person:
        """The `Person` of that name, as the server itself acts for them."""
        return Person(name, role, tuple(self._known["people"].get(name, ())))

    def people(self) -> dict:
        """{name: [organisation, …]}."""
        return dict(self._known["people"])

    def members(self, organisation: str) -> list[str]:
        """The names of those who belong to it, sorted. 404 if there is no such organisation."""
        if organisation not in self._known["organisations"]:
            raise HubError(404, f"There is no organisation {organisation!r} here.")
        return sorted(name for name, theirs in self._known["people"].items() if organisation in theirs)

    def token_of(self, name: str, role: str | None = None) -> str:
        """The newest token of an account; KeyError if it has none."""
        for token, owner in reversed(self._by_token.items()):
            if owner["name"] == name and role in (None, owner["role"]):
                return token
        raise KeyError(f"There is no account {name!r}: hub.add_user({name!r}) makes one.")

    def who(self, token: str) -> Person:
        """The `Person` with that token. 401, in the words that the client knows, for an unknown one."""
        found = self._by_token.get(token)
        if found is None:
            raise HubError(401, "Invalid credentials in Authorization header")
        return self.person(found["name"], found["role"])


def _accounts_fit(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("people"), dict)
        and all(isinstance(mine, list) for mine in value["people"].values())
        and isinstance(value.get("organisations"), list)
    )


def _tokens_fit(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(owner, dict) and isinstance(owner.get("name"), str) and owner.get("role") in ROLES
        for owner in value.values()
    )
