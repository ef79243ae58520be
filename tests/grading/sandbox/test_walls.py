"""Which walls there are, which do for what was asked, and what is kept with a mark."""

import pytest

from course_utils.grading.sandbox.walls import WALLS, acceptable


def test_auto_takes_the_strongest_and_never_none():
    assert [wall.name for wall in acceptable("auto")] == ["bwrap", "container"]
    assert acceptable("none") == (WALLS["none"],)
    with pytest.raises(ValueError, match="no sandbox 'jail'; choose one of auto, bwrap, container, none"):
        acceptable("jail")


def test_a_level_says_how_many_canaries_were_held():
    assert WALLS["bwrap"].level(9, 9) == "bwrap 9/9"
    assert WALLS["none"].level(0, 0) == "none"


def test_only_a_wall_without_namespaces_shares_the_machines_folders():
    assert [wall.name for wall in WALLS.values() if wall.shares_folders] == ["container"]
