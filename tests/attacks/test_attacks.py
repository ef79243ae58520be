"""Hostile and broken submissions get nothing they did not earn, and harm nobody: a representative part, and all of it."""

import pytest

from tests.attacks import arena
from tests.attacks.attack import Attack
from tests.attacks.catalogue import ATTACKS, BY_NAME, REPRESENTATIVE

BATCH = 60


def fight(attacks, follow):
    """One batch; it fails with every fault of it, and the table."""
    battle = arena.fight(attacks, follow=follow)
    assert not battle.all_faults, "\n".join([*battle.all_faults, arena.table(battle)])
    assert battle.sandbox.startswith(("bwrap", "container")), battle.sandbox
    return battle


@pytest.mark.slow
def test_the_attacks_that_say_most():
    fight([BY_NAME[name] for name in REPRESENTATIVE], follow=6)


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize("start", range(0, len(ATTACKS), BATCH))
def test_all_attacks(start):
    fight(ATTACKS[start : start + BATCH], follow=2)


def test_there_are_as_many_as_wanted():
    assert len(ATTACKS) >= 120
    assert len({attack.family for attack in ATTACKS}) >= 15
    assert all(attack.aim and attack.family for attack in ATTACKS)


@pytest.mark.slow
def test_an_attack_that_gets_through_is_seen():
    """The arena can fail: an answer that is right, a lost answer, a hostile word and a written file are all faults."""
    right = Attack(
        "right-after-all",
        "an honest answer that the table calls an attack",
        {"q1": "def double(n):\n    return 2 * n\n#"},
    )
    loses = Attack(
        "loses-its-own",
        "an honest answer that does not keep its points",
        {"q1": "x = 1\nget_ipython().user_ns.clear()\n", "q2": "x = 1"},
    )
    silent = Attack(
        "says-nothing", "a report that does not say what it should", {"q1": "x = 1"}, says="no such words"
    )
    reads = Attack("left-behind", "words that only a leak would bring", {"q1": "print('PLAN' + 'TED')"})
    battle = arena.fight([right, loses, silent, reads], follow=4)
    found = {one.attack: " ".join(one.faults) for one in battle.outcomes}
    assert "gained 4 points" in found["right-after-all"]
    assert "lost the honest q2" in found["loses-its-own"]
    assert "does not say 'no such words'" in found["says-nothing"]
    assert "read ['PLANTED']" in found["left-behind"]


def test_what_is_changed_outside_is_seen(tmp_path):
    made = arena.Arena(tmp_path)
    made.hand_in([BY_NAME["exit"]])
    before = made._snapshot()
    (tmp_path / "drop/s001-exit/dropped").write_text("x")
    (tmp_path / "home/.netrc").write_text("changed")
    (tmp_path / "out/grading.seed").chmod(0o777)
    assert {"drop/s001-exit/dropped", "home/.netrc", "out/grading.seed"} <= set(made._changed(before))
