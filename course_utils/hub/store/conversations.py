"""Discussions and pull requests of a repository. A pull request is a discussion with a reference, refs/pr/N.

Kept as plain data in conversations.json, one row each:
{"num", "title", "author", "status", "pull_request", "created", "base": branch or None, "merged": commit or None,
 "events": [{"id", "type", "author", "time", …}]}.
"""

from __future__ import annotations

import difflib
import secrets

from course_utils.hub.store import disk
from course_utils.hub.store.errors import HubError, bad_request, conflict, not_allowed
from course_utils.hub.store.refs import BRANCHES, PULL_REQUESTS, Ref

STATUSES = ("open", "closed")
MOST, MOST_EVENTS, TEXT_CHARACTERS = 5000, 5000, 65_536
DIFF_BYTES = 2**20


class Conversations:
    """The conversations of one `Repository`, to read and, holding its lock, to change."""

    def __init__(self, repository):
        self.repository = repository
        self.rows = repository.conversations()

    def get(self, number):
        for row in self.rows:
            if row["num"] == number:
                return row
        raise HubError(404, f"{self.repository.id} has no discussion {number}.")

    def open(self, person, title, description, pull_request, status="open", base="main"):
        """A new row. A pull request begins with its reference at the head of `base`."""
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
            "base": f"refs/heads/{base}" if pull_request else None,
            "merged": None,
            "events": [],
        }
        if pull_request:
            row["from"] = self.repository.head(base)
        self.add(row, person, "comment", text=checked_text(description))
        self.rows.append(row)
        return row

    def add(self, row, person, kind, **fields):
        """Add an event to a row; returns it."""
        if len(row["events"]) >= MOST_EVENTS:
            raise conflict(f"A discussion has at most {MOST_EVENTS:,} events.")
        now = self.repository.clock.now()
        event = {"id": secrets.token_hex(12), "type": kind, "author": person.name, "time": now, **fields}
        row["events"].append(event)
        return event

    def may_change(self, row, person):
        if person.name != row["author"] and not self.repository.may_write(person):
            raise not_allowed("Only its author and those who may write to the repository can change this.")

    def comment(self, row, identifier):
        for event in row["events"]:
            if event["id"] == identifier and event["type"] == "comment":
                return event
        raise HubError(404, f"Discussion {row['num']} has no comment {identifier}.")

    def save(self):
        path = self.repository.folder / "conversations.json"
        disk.replace_json(path, self.rows, self.repository.scratch)

    # Pull requests

    def head(self, row):
        return self.repository.refs.read()[reference(row)].commit

    def conflicts(self, row):
        """The files that both the pull request and its target have changed since they parted."""
        if row["status"] == "merged":
            return []
        theirs, ours = self._sides(row)
        return [path for path in theirs if path in ours and theirs[path][1] != ours[path][1]]

    def _sides(self, row):
        """What the pull request has changed since it was opened, and what its target has since."""
        history, refs = self.repository.history, self.repository.refs.read()
        theirs = history.changed(row["from"], refs[reference(row)].commit)
        target = refs.get(row["base"])
        return theirs, history.changed(row["from"], target.commit) if target else {}

    def merge(self, row, person, large_files, comment=None):
        """Bring the pull request into its branch by a commit with two parents; 409 if both changed a file."""
        if not row["pull_request"] or row["status"] in ("merged", "closed"):
            raise bad_request(f"Discussion {row['num']} can't be merged: it is {row['status']}.")
        if clashes := self.conflicts(row):
            raise conflict(f"Both sides changed {', '.join(clashes[:5])}; upload a version that settles it.")
        theirs, ours = self._sides(row)
        repository = self.repository
        with repository.change(large_files) as change:
            for path, (_, after) in theirs.items():
                before = ours.get(path)
                if before is not None and before[1] == after:
                    continue  # both sides did the same
                if after is None:
                    change.delete(path)
                elif after.large:
                    change.put_large(path, after.sha256)
                else:
                    change.put(path, repository.read(after))
            text = f"{row['title']} (#{row['num']})" + (f"\n\n{comment}" if comment else "")
            commit = change.commit(row["base"], person.name, text, also=(self.head(row),))
        row["status"], row["merged"] = "merged", commit
        self.add(row, person, "status-change", status="merged")
        return commit

    def diff(self, row):
        """The pull request as a unified diff of its text files, up to a bound."""
        history, lines, size = self.repository.history, [], 0
        for path, (before, after) in history.changed(row["from"], self.head(row)).items():
            lines.append(f"diff --git a/{path} b/{path}\n")
            if before is None or after is None:
                lines.append(f"{'new' if before is None else 'deleted'} file mode 100644\n")
            if any(side is not None and (side.large or side.size > DIFF_BYTES) for side in (before, after)):
                lines.append("Binary files differ\n")
                continue
            old, new = self._lines(before), self._lines(after)
            changed = difflib.unified_diff(
                old, new, f"a/{path}" if before else "/dev/null", f"b/{path}" if after else "/dev/null"
            )
            for line in changed:
                lines.append(line if line.endswith("\n") else line + "\n")
                size += len(line)
            if size > DIFF_BYTES:
                lines.append("The rest is not shown.\n")
                break
        return "".join(lines)

    def _lines(self, file):
        return [] if file is None else self.repository.read(file).decode("utf-8", "replace").splitlines(True)


def begin_reference(repository, row):
    """Let refs/pr/N stand where the pull request begins."""
    repository.refs.move(reference(row), None, Ref(row["from"]))


def reference(row):
    return f"{PULL_REQUESTS}{row['num']}"


def branch_of(revision):
    return revision.removeprefix(BRANCHES)


def checked_text(text):
    if text is None:
        return ""
    if not isinstance(text, str) or len(text) > TEXT_CHARACTERS:
        raise bad_request(f"A comment is a text of at most {TEXT_CHARACTERS:,} characters.")
    return text
