"""Who there is: people, organisations, and the tokens that prove who asks."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass

from course_utils.hub.store import disk
from course_utils.hub.store.errors import HubError
from course_utils.hub.store.names import check_owner

ROLES = ("read", "write")


@dataclass(frozen=True)
class Person:
    """Who asks, as a token proves it. role: "read" or "write", the token's."""

    name: str
    role: str
    organisations: tuple = ()

    def owns(self, owner):
        """Whether the owner of a repository is this person, or an organisation of theirs."""
        return owner.lower() in {self.name.lower(), *(each.lower() for each in self.organisations)}


class Accounts:
    """The accounts of one Hub. Tokens are random, and lie in a file that only its owner can read."""

    def __init__(self, folder, scratch):
        self._people = folder / "accounts.json"
        self._tokens = folder / "tokens.json"
        self._scratch = scratch
        self._lock = threading.Lock()
        self._known = disk.read_json(self._people, {"people": {}, "organisations": []})
        self._by_token = disk.read_json(self._tokens, {})

    def add(self, name, role="write", organisations=()):
        """Make or change an account, and give it a new token, which is returned."""
        if role not in ROLES:
            raise ValueError(f"A token's role is 'read' or 'write', not {role!r}.")
        for each in (name, *organisations):
            check_owner(each)
        token = "hf_local" + secrets.token_hex(16)
        with self._lock:
            mine = set(self._known["people"].get(name, [])) | set(organisations)
            self._known["people"][name] = sorted(mine)
            self._known["organisations"] = sorted({*self._known["organisations"], *organisations})
            self._by_token[token] = {"name": name, "role": role}
            self._save()
        return token

    def add_organisation(self, name):
        with self._lock:
            if not self.exists(name):
                self._known["organisations"].append(check_owner(name))
                self._save()

    def _save(self):
        disk.replace_json(self._people, self._known, self._scratch)
        disk.replace_json(self._tokens, self._by_token, self._scratch, mode=0o600)

    def exists(self, name):
        return name.lower() in {
            each.lower() for each in (*self._known["people"], *self._known["organisations"])
        }

    def is_person(self, name):
        return name in self._known["people"]

    def person(self, name, role="write"):
        """The `Person` of that name, as the server itself acts for them."""
        return Person(name, role, tuple(self._known["people"].get(name, ())))

    def people(self):
        """{name: [organisation, …]}."""
        return dict(self._known["people"])

    def token_of(self, name, role=None):
        """The newest token of an account; KeyError if it has none."""
        for token, owner in reversed(self._by_token.items()):
            if owner["name"] == name and role in (None, owner["role"]):
                return token
        raise KeyError(f"There is no account {name!r}: hub.add_user({name!r}) makes one.")

    def who(self, token):
        """The `Person` with that token. 401, in the words that the client knows, for an unknown one."""
        found = self._by_token.get(token)
        if found is None:
            raise HubError(401, "Invalid credentials in Authorization header")
        return self.person(found["name"], found["role"])
