"""Which names are taken: every rule from both sides."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as some

from course_utils.hub.store import names
from course_utils.hub.store.errors import HubError


@pytest.mark.parametrize("name", ["me", "Ada-Lovelace", "a1", "evaluate-metric"])
def test_good_owners(name):
    assert names.check_owner(name) == name


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", "a--b", "a_b", "a.b", "a/b", "..", "é", "x" * 43, "api", "Models", None, 3]
)
def test_bad_owners(name):
    with pytest.raises(HubError) as error:
        names.check_owner(name)
    assert error.value.status == 422


@pytest.mark.parametrize("name", ["x", "my-model", "a_b.c", "T5-small.v1", "_x"])
def test_good_repositories(name):
    assert names.check_repository(name) == name


@pytest.mark.parametrize(
    "name", ["", ".x", "a--b", "a..b", "x.git", "x.", "x-", "a b", "a/b", "é", "x" * 97, None]
)
def test_bad_repositories(name):
    with pytest.raises(HubError):
        names.check_repository(name)


@pytest.mark.parametrize(
    "path", ["a.txt", "a/b/c", "ünï code.txt", ".gitattributes", ".github/x", "a:b", "x.git"]
)
def test_good_paths(path):
    assert names.check_path(path) == path


@pytest.mark.parametrize(
    "path",
    ["", "/a", "a/", "a//b", ".", "..", "a/../b", ".git", ".GIT/x", ".git.", ".git ", ".git:x", "git~1", ".g\u200dit",
     "a\\b", "a\0b", "a\nb", "\x7f", ".gitmodules", "x" * 256, "\ud800", "é" * 150, "a/" * 500 + "b", None, 3],
)  # fmt: skip
def test_bad_paths(path):
    with pytest.raises(HubError) as error:
        names.check_path(path)
    assert error.value.status == 422


@pytest.mark.parametrize(
    ("name", "good"),
    [(name, True) for name in ("main", "feat/x", "v1.0", "ünï", "a-b_c.d")]
    + [(name, False) for name in ("", "a..b", "a b", "a~b", "a^", "a:b", "a?", "*", "[", "a\\b", "/a", "a/", "a//b",
                                  ".a", "a/.b", "a.lock", "a.lock/b", "a.", "@", "a@{b", "-a", "a\x7f", "a\nb")],
)  # fmt: skip
def test_references_as_git_has_them(name, good):
    """git itself is asked, as well."""
    asked = subprocess.run(["git", "check-ref-format", f"refs/heads/{name}"], check=False).returncode == 0
    assert asked == good or name in {"@", "-a"}  # which git takes below refs/heads/ only
    if good:
        assert names.check_ref(name) == name
    else:
        with pytest.raises(HubError):
            names.check_ref(name)


@given(some.text(max_size=30))
def test_no_path_that_passes_climbs(path):
    try:
        names.check_path(path)
    except HubError:
        return
    parts = path.split("/")
    assert not {"", ".", ".."} & set(parts) and not any(part.lower() == ".git" for part in parts)
