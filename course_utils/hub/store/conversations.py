"""Discussions and pull requests of a repository. A pull request is a discussion with a reference, refs/pr/N.

Kept as plain data in conversations.json, one row each: {"num", "title", "author", "status", "pull_request",
"created", "base": branch or None, "merged": commit or None,
 "from": of a pull request, the commit of its branch that it began at, "events": [{"id",
 "type", "author", "time", …}]}.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_utils.hub.store import disk
from course_utils.hub.store.errors import (
    HubError,
    StoreError,
    bad_request,
    conflict,
    not_allowed,
    revision_not_found,
)
from course_utils.hub.store.lines import Effort, hunks
from course_utils.hub.store.merge import Merge, ancestors, bases, three_way
from course_utils.hub.store.refs import BRANCHES, PULL_REQUESTS, Ref

if TYPE_CHECKING:
    from course_utils.hub.store.accounts import Person
    from course_utils.hub.store.history import RepoFile
    from course_utils.hub.store.large import LargeFiles
    from course_utils.hub.store.repository import Change, Repository

STATUSES = ("open", "closed")
MOST, MOST_EVENTS, TEXT_CHARACTERS = 5000, 5000, 65_536
DIFF_BYTES, READ_BYTES = 2**20, 2**24


class Conversations:
    """The conversations of one `Repository`, to read and, holding its lock, to change."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.rows = repository.conversations()
        self._kept = disk.as_json(self.rows)

    def get(self, number: int) -> dict:
        for row in self.rows:
            if row["num"] == number:
                return row
        raise HubError(404, f"{self.repository.id} has no discussion {number}.")

    def open(
        self,
        person: Person,
        title: Any,
        description: Any,
        pull_request: bool,
        status: str = "open",
        revision: str = "main",
        start: str | None = None,
    ) -> dict:
        """A new row. A pull request is for the branch `revision`, and begins at its
        head or at its commit `start`.

        Its reference is not made here: it comes with the first commit, or by `begin`.
        """
        if not isinstance(title, str) or not 3 <= len(title.strip()) <= 200:
            raise bad_request("A title has 3 to 200 characters.")
        if len(self.rows) >= MOST:
            raise conflict(f"A repository has at most {MOST:,} discussions.")
        now = self.repository.clock.now()
        row = {
            "num": 1 + max((each["num"] for each in self.rows), default=0),
            "title": title.strip(),
            "author": person.name,
            "status": status,
            "pull_request": bool(pull_request),
            "created": now,
            "base": None,
            "merged": None,
            "events": [],
        }
        if pull_request:
            row["base"], row["from"] = self._target(revision, start)
            self._drop_stray(reference(row))
        self.add(row, person, "comment", text=checked_text(description))
        self.rows.append(row)
        return row

    def add(self, row: dict, person: Person, kind: str, **fields: object) -> dict:
        """Add an event to a row; returns it."""
        if len(row["events"]) >= MOST_EVENTS:
            raise conflict(f"A discussion has at most {MOST_EVENTS:,} events.")
        now = self.repository.clock.now()
        event = {"id": secrets.token_hex(12), "type": kind, "author": person.name, "time": now, **fields}
        row["events"].append(event)
        return event

    def may_change(self, row: dict, person: Person) -> None:
        if person.name != row["author"] and not self.repository.may_write(person):
            raise not_allowed("Only its author and those who may write to the repository can change this.")

    def comment(self, row: dict, identifier: str) -> dict:
        for event in row["events"]:
            if event["id"] == identifier and event["type"] == "comment":
                return event
        raise HubError(404, f"Discussion {row['num']} has no comment {identifier}.")

    def save(self) -> None:
        """Write the rows, unless they have been written already along with a name."""
        if disk.as_json(self.rows) != self._kept:
            path, data = self.file()
            disk.replace(path, data, self.repository.scratch)
            self._kept = data

    def file(self) -> tuple[Path, bytes]:
        """(path, bytes) of the rows as they are, to be written along with a name. Counts as `save`."""
        self._kept = disk.as_json(self.rows)
        return self.repository.folder / "conversations.json", self._kept

    # Pull requests

    def head(self, row: dict) -> str:
        found = self.repository.refs.read().get(reference(row))
        if found is None:
            raise StoreError(f"{reference(row)} is missing")
        return found.commit

    def _target(self, revision: str, start: str | None) -> tuple[str, str]:
        """(the branch's full name, the commit to begin at); 404 for what is no branch,
        412 for a start that it hasn't.
        """
        name = BRANCHES + branch_of(revision)
        refs = self.repository.refs.read()
        if name not in refs:
            raise revision_not_found(revision)
        head = refs[name].commit
        if start is not None and start not in ancestors(self.repository.history, head):
            raise HubError(
                412, f"The commit {start[:12]} is not one of {branch_of(revision)}: it is at {head}."
            )
        return name, start or head

    def _drop_stray(self, name: str) -> None:
        """A server that was killed may have left the reference of a pull request that nobody was told of."""
        if (stray := self.repository.refs.read().get(name)) is not None:
            self.repository.refs.move(name, stray, None)

    def begin(self, row: dict) -> None:
        """Let refs/pr/N stand where the pull request begins, and keep the rows with it."""
        self.repository.refs.move(reference(row), None, Ref(row["from"]), [self.file()])

    def propose(self, row: dict, person: Person, change: Change, text: str) -> str:
        """Make the filled `Change` the first commit of a new pull request; returns its id."""

        def record(new: str) -> list[tuple[Path, bytes]]:
            self.add(row, person, "commit", subject=text.partition("\n")[0], oid=new)
            return [self.file()]

        return change.commit(reference(row), person.name, text, onto=row["from"], record=record)

    def conflicts(self, row: dict) -> list[str]:
        """The files that both the pull request and its target have changed since
        they parted, each in another way.
        """
        target = self._ours(row)
        if row["status"] == "merged" or target is None:
            return []
        return self._merge(row, target).conflicts

    def _ours(self, row: dict) -> str | None:
        """The target's commit: of now, or of just before the merge; None where the branch is gone."""
        if row["merged"]:
            return self.repository.history.commit(row["merged"]).parents[0]
        target = self.repository.refs.read().get(row["base"])
        return target.commit if target else None

    def _merge(self, row: dict, target: str) -> Merge:
        return three_way(self.repository.history, target, self.head(row), row["from"])

    def merge(self, row: dict, person: Person, large_files: LargeFiles, comment: str | None = None) -> str:
        """Bring the pull request into its branch by a commit with two parents; 409 if both changed a file."""
        if not row["pull_request"] or row["status"] in ("merged", "closed"):
            raise bad_request(f"Discussion {row['num']} can't be merged: it is {row['status']}.")
        target, head = self._ours(row), self.head(row)
        if target is None:
            raise conflict(f"The branch {branch_of(row['base'])} is not there any more.")
        if done := self._merge_commit(target, head):  # by a server that was killed before it could tell
            return self._merged(row, person, done)
        plan = self._merge(row, target)
        if plan.conflicts:
            raise conflict(
                f"Both sides changed {', '.join(plan.conflicts[:5])}; upload a version that settles it."
            )

        def record(new: str) -> list[tuple[Path, bytes]]:
            self._merged(row, person, new)
            return [self.file()]

        text = f"{row['title']} (#{row['num']})" + (f"\n\n{comment}" if comment else "")
        with self.repository.change(large_files) as change:
            for path in (path for path, file in plan.changes.items() if file is None):
                change.delete(path)
            for path, file in plan.changes.items():
                if file is not None:
                    change.put_known(path, file)
            return change.commit(row["base"], person.name, text, target, also=(head,), record=record)

    def _merge_commit(self, target: str, head: str) -> str | None:
        """The commit of a branch that has merged `head`, or None."""
        found = (each.id for each in self.repository.history.commits(target) if head in each.parents[1:])
        return next(found, None)

    def _merged(self, row: dict, person: Person, commit: str) -> str:
        row["status"], row["merged"] = "merged", commit
        self.add(row, person, "status-change", status="merged")
        return commit

    def _parted(self, row: dict) -> str:
        """The commit that the pull request's changes are counted from."""
        target = self._ours(row)
        found = bases(self.repository.history, target, self.head(row)) if target else []
        return found[0] if found else row["from"]

    def diff(self, row: dict) -> str:
        """The pull request as a unified diff of its text files, up to bounds on its size, on what is read
        for it and on the work of comparing. Past the last one a file's lines are all taken out and put in.
        """
        history, effort = self.repository.history, Effort()
        lines, size, read = [], 0, 0
        for path, (before, after) in history.changed(self._parted(row), self.head(row)).items():
            if size > DIFF_BYTES or read > READ_BYTES:
                lines.append("The rest is not shown.\n")
                break
            lines.append(f"diff --git a/{path} b/{path}\n")
            if before is None or after is None:
                lines.append(f"{'new' if before is None else 'deleted'} file mode 100644\n")
            sides = [side for side in (before, after) if side is not None]
            if any(side.large or side.size > DIFF_BYTES for side in sides):
                lines.append("Binary files differ\n")
                continue
            read += sum(side.size for side in sides)
            changed = list(hunks(self._lines(before), self._lines(after), effort))
            if changed:
                lines.append(f"--- {f'a/{path}' if before else '/dev/null'}\n")
                lines.append(f"+++ {f'b/{path}' if after else '/dev/null'}\n")
            lines += (line if line.endswith("\n") else line + "\n" for line in changed)
            size += sum(map(len, changed))
        return "".join(lines)

    def _lines(self, file: RepoFile | None) -> list[str]:
        return [] if file is None else self.repository.read(file).decode("utf-8", "replace").splitlines(True)


def reference(row: dict) -> str:
    return f"{PULL_REQUESTS}{row['num']}"


def branch_of(revision: str) -> str:
    """The short name of a branch; HEAD is main."""
    return "main" if revision == "HEAD" else revision.removeprefix(BRANCHES)


def checked_text(text: object) -> str:
    if text is None:
        return ""
    if not isinstance(text, str) or len(text) > TEXT_CHARACTERS:
        raise bad_request(f"A comment is a text of at most {TEXT_CHARACTERS:,} characters.")
    return text
