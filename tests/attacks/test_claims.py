"""Answers that do not do the work earn no points for it, end no grader and hang none, in every chapter."""

import pytest

from course_utils.grading.gradebook.release import exercise_names
from course_utils.install import ROOT
from tests.attacks import claims, outsiders, unearned
from tests.attacks.claims import Claim

FAMILIES = {"given code", "not trained here", "counted wrongly", "ends the grader"}


def graded(some):
    verdicts = claims.grade(some)
    faults = [claims.line_of(verdict) for verdict in verdicts if verdict.faults]
    assert not faults, "\n".join([*faults, claims.families(verdicts)])


@pytest.mark.slow
def test_the_claims_that_say_most():
    graded([unearned.BY_NAME[name] for name in unearned.REPRESENTATIVE])


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize("exercise", sorted({claim.exercise for claim in unearned.CLAIMS}))
def test_all_claims(exercise):
    graded([claim for claim in unearned.CLAIMS if claim.exercise == exercise])


def test_there_are_as_many_as_wanted_in_every_chapter():
    assert {claim.family for claim in unearned.CLAIMS} == FAMILIES
    assert len(unearned.CLAIMS) >= 60
    assert len({claim.exercise for claim in unearned.CLAIMS}) == len(exercise_names(ROOT / "solutions"))


def test_a_fifth_is_by_those_who_had_not_seen_the_checks():
    theirs = outsiders.written()
    assert len(theirs) >= len(unearned.CLAIMS) / 5
    assert outsiders.EARNED.keys() <= {path.stem for path in outsiders.HERE.glob("*.json")}


@pytest.mark.slow
def test_a_claim_that_gets_through_is_seen():
    """The table can fail: points that were not earned, a mark that is missing and a grader that breaks are faults."""
    right = "def trainable(shapes, r):\n    return r * sum(map(sum, shapes))\n"
    earned = Claim(
        "counted wrongly",
        "10_lora_and_peft",
        "q2",
        "half of it is right",
        right + "largest_rank = lambda *_: 1",
    )
    (verdict,) = claims.grade([earned])
    assert verdict.unearned > 0 and "earned" in verdict.faults[0]


def test_the_families_are_added_up():
    verdicts = [
        claims.Verdict("a", "given code", unearned=2, faults=["2 points, 0 of them earned"]),
        claims.Verdict("b", "given code", hung=True, faults=["took 500 s"]),
        claims.Verdict("c", "counted wrongly"),
    ]
    rows = [line.split() for line in claims.families(verdicts).splitlines()[1:]]
    assert rows == [["counted", "wrongly", "1", "0", "0", "0"], ["given", "code", "2", "2", "1", "2"]]
