"""Each branch of the decision, the money, and the refusals."""

from dataclasses import replace

import pytest

from course_utils.measure.decision import Case, Thresholds, break_even, costs, decide

PLAIN = Case(
    prompt_score=0.90, needed_score=0.85, trained_score=0.92, labelled_rows=2000, data_may_leave=True,
    monthly_requests=10_000, prompt_price=5.0, trained_price=0.5, training_price=3000.0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "choice", "said"),
    [
        ({}, "prompt", "600 dollars"),
        ({"monthly_requests": 10_000_000}, "train", "saves a factor of 2"),
        ({"monthly_requests": 10_000_000, "trained_score": 0.5}, "prompt", "0.90"),
        ({"monthly_requests": 10_000_000, "labelled_rows": 20}, "prompt", "0.90"),
        ({"data_may_leave": False}, "train", "may not leave"),
        ({"prompt_score": 0.7}, "train", "expected to reach 0.92"),
        ({"prompt_score": 0.7, "labelled_rows": 99}, "collect data", "99 labelled rows"),
        ({"prompt_score": 0.7, "trained_score": 0.76}, "collect data", "fall short by 0.09"),
        ({"prompt_score": 0.7, "trained_score": 0.6}, "leave it", "change the task"),
    ],
)
def test_each_branch(changes, choice, said):
    found = decide(replace(PLAIN, **changes))
    assert found.choice == choice
    assert said in str(found)


def test_thresholds_can_be_ones_own():
    case = replace(PLAIN, prompt_score=0.7, labelled_rows=60)
    assert decide(case).choice == "collect data"
    assert decide(case, Thresholds(least_rows=50)).choice == "train"


def test_the_money():
    assert costs(PLAIN) == (600.0, 3060.0)
    even = break_even(PLAIN)
    prompting, training = costs(replace(PLAIN, monthly_requests=even))
    assert prompting == pytest.approx(training)
    assert break_even(replace(PLAIN, trained_price=6)) == float("inf")


@pytest.mark.parametrize(
    ("changes", "said"), [({"prompt_score": 87}, "from 0 to 1"), ({"months": -1}, "below 0")]
)
def test_nonsense_is_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        replace(PLAIN, **changes)
