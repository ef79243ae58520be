"""Which names of users, repositories, branches and files are taken.

Paths on disk come only from names that passed here.
"""

from __future__ import annotations

import re
import unicodedata

from course_utils.hub.store.errors import unusable

KINDS = ("model", "dataset", "space")
# First parts of addresses that are no one's
RESERVED = frozenset({"api", "models", "datasets", "spaces", "upload", "oauth", "settings", "login"})
PATH_CHARACTERS = 1000
SEGMENT_BYTES = 255
PATH_DEPTH = 40
_OWNER = re.compile(r"[A-Za-z0-9](-?[A-Za-z0-9])*", re.ASCII)
_REPOSITORY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*", re.ASCII)
_REF = re.compile(r"[^\x00-\x20\x7f ~^:?*\[\\]+")
_HEX = re.compile(r"[0-9a-f]{40}")


def check_owner(name: object) -> str:
    """The name of a user or organisation."""
    if not isinstance(name, str) or len(name) > 42 or not _OWNER.fullmatch(name) or name.lower() in RESERVED:
        raise unusable(
            f"{name!r} can't be a user's name: use letters, digits and single hyphens, at most 42, "
            "and none of the Hub's own words."
        )
    return name


def check_repository(name: object) -> str:
    """The name of a repository, without its owner."""
    good = isinstance(name, str) and len(name) <= 96 and _REPOSITORY.fullmatch(name)
    if (
        not isinstance(name, str)
        or not good
        or "--" in name
        or ".." in name
        or name.endswith((".", "-", ".git", ".ipynb"))
    ):
        raise unusable(
            f"{name!r} can't be a repository's name: use letters, digits, '-', '_' and '.', at most 96, "
            "without '--' or '..', and neither '.git' nor '-' nor '.' at the end."
        )
    return name


def split_id(identifier: str) -> tuple[str, str]:
    """("me", "x") of "me/x"."""
    owner, slash, name = str(identifier).partition("/")
    if not slash:
        raise unusable(f"{identifier!r} is no repository id: write owner/name.")
    return check_owner(owner), check_repository(name)


def check_path(path: object) -> str:
    """A file's path in a repository; returns it."""
    if not isinstance(path, str) or not path or len(path) > PATH_CHARACTERS:
        raise unusable(f"A path has 1 to {PATH_CHARACTERS} characters.")
    segments = path.split("/")
    if len(segments) > PATH_DEPTH:
        raise unusable(f"The path {path[:60]!r}… is more than {PATH_DEPTH} folders deep.")
    for segment in segments:
        if problem := segment_problem(segment):
            raise unusable(f"The path {path!r} can't be used: {problem}.")
    return path


def segment_problem(segment: str) -> str | None:
    """Why a name can't stand in a tree of git, or None.

    Names that some file system would take for ".git" are out, as `git fsck --strict` has it.
    """
    if segment in {"", ".", ".."}:
        return "it has an empty part, '.' or '..'"
    if any(character < " " or character == "\x7f" for character in segment) or "\\" in segment:
        return "it has a control character or a backslash"
    try:
        if len(segment.encode()) > SEGMENT_BYTES:
            return f"a part is longer than {SEGMENT_BYTES} bytes"
    except UnicodeEncodeError:
        return "it is not Unicode text"
    seen = "".join(each for each in segment if unicodedata.category(each) != "Cf").lower().rstrip(". ")
    stem = seen.partition(":")[0].rstrip(". ")
    if seen in {".git", "git~1"} or stem in {".git", "git~1"}:
        return "'.git' belongs to git"
    if stem.startswith((".gitmodules", "gitmod~", "gi7eba~")):
        return "the local Hub has no submodules"
    return None


def check_ref(name: object) -> str:
    """The short name of a branch or tag, by the rules of `git check-ref-format`."""
    parts = name.split("/") if isinstance(name, str) else [""]
    good = isinstance(name, str) and (
        len("/".join(parts)) <= 200
        and all(_REF.fullmatch(part) for part in parts)
        and not any(part.startswith(".") or part.endswith((".lock", ".")) for part in parts)
        and not any(bad in name for bad in ("..", "@{"))
        and name not in {"@", "HEAD"}
        and not name.startswith(("refs/", "-"))
        and not _HEX.fullmatch(name)
    )
    if not isinstance(name, str) or not good:
        raise unusable(f"{name!r} can't be the name of a branch or tag.")
    return name
