"""The helper that judges checks is itself judged: a check that is too kind or too strict is found out."""

import pytest

from course_utils.checks import expect
from course_utils.checks.framework import Exercise
from course_utils.checks.testing import (
    answer_source,
    bench,
    changed_answer,
    given_cell_with,
    given_cells,
    judge_source,
    replaced,
    stub_source,
)

SOLUTION = "def double(n):\n    ### BEGIN SOLUTION\n    return 2 * n\n    ### END SOLUTION"
RIGHT = ["double = lambda n: n + n", "import operator\ndef double(n):\n    return operator.mul(n, 2)"]
WRONG = [
    "def double(n): return n",
    "def double(n): return 4",
    "def double(n): return 'x'",
    "double = 3",
    "1 / 0",
    "syntax error here",
]


def exercise(check):
    made = Exercise("95_bench", title="Bench", minutes=1, difficulty="easy", cost="nothing")
    made.question("q1", title="Double", points=2, needs=("double",))(check)
    return made


def good(answer, draw):
    for _ in range(3):
        number = draw.random.randrange(3, 1000)
        expect.equal(answer.call("double", number), 2 * number, f"double({number})")


def run(check):
    return bench(
        exercise(check), "q1", solution=SOLUTION, stub=stub_source(SOLUTION), wrong=WRONG, right=RIGHT
    )


def test_a_good_check_passes():
    run(good).assert_good()


def test_a_check_that_takes_everything_is_found_out():
    faults = run(lambda answer, draw: None).faults()
    assert sum("is not caught" in fault for fault in faults) >= 3
    assert any("stub" in fault for fault in faults)


def test_a_check_that_looks_at_the_name_is_found_out():
    def strict(answer, draw):
        expect.equal(answer.state("double"), "function", "double")
        expect.equal(answer.value("double.__name__"), "double", "its name")

    assert any("right answer 0" in fault for fault in run(strict).faults())


def test_a_check_that_trips_is_found_out():
    def careless(answer, draw):
        good(answer, draw)
        answer.call("double", 3) / 1

    def trips(answer, draw):
        expect.equal(answer.call("double", 4) / 2, 4, "half of it")

    run(careless).assert_good()
    assert any("wrong answer 2 is not caught" in fault for fault in run(trips).faults())


def test_a_check_with_public_data_only_is_found_out():
    from course_utils.checks.framework import PUBLIC_SECRET, seed_key

    public = seed_key(PUBLIC_SECRET, "", "95_bench", "q1")

    def only_public(answer, draw):
        expect.true(draw._key == public, "public data", "other data")

    assert any("the solution does not get full points" in fault for fault in run(only_public).faults())


def test_the_stub_of_a_cell():
    assert stub_source(SOLUTION) == "def double(n):\n    # YOUR CODE HERE\n    raise NotImplementedError()"


def test_what_ran_before_is_there():
    assert judge_source(exercise(good), "q1", "double = lambda n: two * n", before="two = 2").points == 2


def test_assert_good_tells_all_faults():
    with pytest.raises(AssertionError, match="is not caught"):
        run(lambda answer, draw: None).assert_good()


def test_a_mistake_is_planted_or_said_to_be_out_of_date():
    assert replaced("a + b + a", ("a", "c"), ("c + b", "d")) == "d + c"
    with pytest.raises(AssertionError, match="there is no 'x'"):
        replaced("a + b", ("x", "y"))
    assert changed_answer(
        "06_full_fine_tuning", "q1", ("truncation=True", "truncation=False")
    ) != answer_source("06_full_fine_tuning", "q1")


def test_cells_are_found_by_their_ids_and_by_their_words():
    setup = given_cells("06_full_fine_tuning", "setup")
    assert "06_full_fine_tuning" in setup
    assert given_cell_with("06_full_fine_tuning", 'setup(exercise="06_full_fine_tuning"') == setup
    with pytest.raises(KeyError):
        given_cells("06_full_fine_tuning", "no such cell")
