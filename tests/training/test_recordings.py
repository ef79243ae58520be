"""Recorded runs show the kind that they are, and are the same again for the same seed."""

import pytest

from course_utils.training.recordings import KINDS, clear, recorded, run


@pytest.mark.parametrize("kind", KINDS)
def test_a_recording_is_a_run_that_shows_its_kind(kind):
    curve = recorded(kind, 3)
    assert clear(curve, kind)
    assert len(curve["train"]) == len(curve["validation"]) == 24
    assert not any(clear(curve, other) for other in KINDS if other != kind)
    assert recorded(kind, 3) == curve


def test_what_leaked_is_learned_by_heart_and_nothing_else():
    leak, over = run("leak", 5), run("over", 5)
    assert leak["train"] == over["train"], "the same run; only the validation rows are others"
    assert leak["validation"] != over["validation"]


def test_an_unknown_kind_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="sound, under, over, leak, bug"):
        recorded("lucky", 1)
