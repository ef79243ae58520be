"""Which sandboxes there are, which do for what was asked, and what is kept with a mark."""

import pytest

from course_utils.grading.sandbox.kinds import SANDBOXES, acceptable


def test_auto_takes_the_strongest_and_never_none():
    assert [sandbox.name for sandbox in acceptable("auto")] == ["bwrap", "container"]
    assert acceptable("none") == (SANDBOXES["none"],)
    with pytest.raises(ValueError, match="no sandbox 'jail'; choose one of auto, bwrap, container, none"):
        acceptable("jail")


def test_a_level_says_how_many_canaries_were_held():
    assert SANDBOXES["bwrap"].level(9, 9) == "bwrap 9/9"
    assert SANDBOXES["none"].level(0, 0) == "none"


def test_only_a_sandbox_without_namespaces_shares_the_machines_folders():
    assert [sandbox.name for sandbox in SANDBOXES.values() if sandbox.shares_folders] == ["container"]
