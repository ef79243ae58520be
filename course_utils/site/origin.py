"""Where the workbook's sources can be read and its notebooks opened: made from the address of its repository.

Only GitHub is known, since Colab and Kaggle open notebooks from there by their address alone.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

GITHUB = re.compile(
    r"(?:(?:https?|ssh|git)://(?:[^@/]+@)?|git@)?github\.com[:/](?P<owner>[\w.-]+)/(?P<name>[\w.-]+?)(?:\.git)?/?"
)


@dataclass(frozen=True)
class Origin:
    """A repository on GitHub. name: "owner/name"."""

    name: str
    branch: str = "main"

    def source(self, path: str, kind: str = "blob") -> str:
        """The address of a file, or of a folder (kind "tree")."""
        return f"https://github.com/{self.name}/{kind}/{quote(self.branch)}/{quote(path)}"

    def colab(self, path: str) -> str:
        """The address that opens a notebook in Colab."""
        return f"https://colab.research.google.com/github/{self.name}/blob/{quote(self.branch)}/{quote(path)}"

    def kaggle(self, path: str) -> str:
        """The address that opens a copy of a notebook on Kaggle."""
        return f"https://www.kaggle.com/kernels/welcome?src={self.source(path)}"


def parse(address: str, branch: str = "main") -> Origin | None:
    """The repository of an address such as `git@github.com:owner/name.git`; None if that is not on GitHub."""
    found = GITHUB.fullmatch(address.strip())
    return Origin(f"{found['owner']}/{found['name']}", branch) if found else None


def find(root: Path) -> Origin | None:
    """The repository that a clone came from, at the branch that is read there; None where there is none."""
    if not (root / ".git").exists():  # an unpacked copy may lie inside somebody else's clone
        return None
    branch = _git(root, "symbolic-ref", "--short", "refs/remotes/origin/HEAD").removeprefix("origin/")
    branch = branch or _git(root, "symbolic-ref", "--short", "HEAD") or "main"
    return parse(_git(root, "remote", "get-url", "origin"), branch)


def _git(root: Path, *arguments: str) -> str:
    """What git answers; "" where it knows nothing, or is not installed."""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
