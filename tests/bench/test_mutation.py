"""The table of wrong and right answers is a sum of what the tests wrote down, and finds what is missing."""

import json

import pytest

from course_utils.bench import mutation
from course_utils.checks import expect, testing
from course_utils.checks.framework import Exercise, register
from course_utils.checks.testing import LEDGER, SECONDS, SEEDS, judged_objects_well, judged_well, namespace

SOLUTION = "def double(n):\n    ### BEGIN SOLUTION\n    return 2 * n\n    ### END SOLUTION"


@pytest.fixture
def exercise(monkeypatch):
    made = Exercise("94_mutation", title="Mutation", minutes=1, difficulty="easy", cost="nothing")

    @made.question("q1", title="Double", points=2, needs=("double",), lesson="lessons/double.ipynb")
    def double(answer, draw):
        number = draw.random.randrange(3, 1000)
        expect.equal(answer.call("double", number), 2 * number, "the double")

    made.manual("q2", title="Why", points=1)
    register(made)
    monkeypatch.setattr(testing, "answer_source", lambda exercise, question: SOLUTION)
    return made


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    path = tmp_path / "ledger.jsonl"
    monkeypatch.setenv(LEDGER, str(path))
    return path


def test_both_helpers_write_down_what_they_found(exercise, ledger):
    judged_well(
        "94_mutation", "q1", wrong={"def double(n): return n": "the double", "double = 3": "double"}, right=[]
    )
    judged_objects_well(
        "94_mutation",
        "q1",
        wrong={"a text": ({"double": "x"}, "double")},
        right={"made": namespace("def double(n): return n + n")},
    )
    found = mutation.verdicts([exercise], ledger)
    assert [verdict.good for verdict in found] == [True, True]
    assert (found[0].caught, found[0].wrong, found[0].accepted, found[0].right) == (3, 3, 2, 2)
    assert "1 questions: 3 of 3 wrong answers caught, 2 of 2 right ones accepted, 0 questions" in (
        mutation.table(found)
    )


@pytest.mark.parametrize(
    ("wrong", "right", "words"),
    [
        ({"def double(n): return n + n": "the double"}, [], "wrong answer 0 is not caught"),
        ({"def double(n): return n": "something else"}, [], "does not say 'something else'"),
        ({"double = 3": "double"}, ["def double(n): return n"], "right answer 0 does not get full points"),
    ],
)
def test_a_fault_fails_the_test_and_stands_in_the_table(exercise, ledger, wrong, right, words):
    with pytest.raises(AssertionError, match=words):
        judged_well("94_mutation", "q1", wrong=wrong, right=right)
    verdict = mutation.verdicts([exercise], ledger)[0]
    assert not verdict.good
    assert (verdict.caught, verdict.accepted) != (verdict.wrong, verdict.right)
    assert "FAULT" in mutation.table([verdict])


def test_faults_of_objects_fail_too(exercise, ledger):
    right = namespace("def double(n): return n + n")
    with pytest.raises(AssertionError, match="really right is not caught"):
        judged_objects_well("94_mutation", "q1", wrong={"really right": (right, "")})
    with pytest.raises(AssertionError, match="really wrong does not get full points"):
        judged_objects_well("94_mutation", "q1", right={"really wrong": {"double": max}})


#: right on the draws whose number is even, and half of them are
BY_LUCK = "def double(n): return 2 * n if n % 2 == 0 else n"
TRIED = {
    "wrong": {"a text": ({"double": "x"}, "double")},
    "right": {"made": namespace("def double(n): return n + n")},
}


def test_an_answer_whose_points_vary_between_draws_is_a_fault(exercise, ledger, monkeypatch):
    monkeypatch.setenv(SEEDS, "20")
    with pytest.raises(AssertionError, match="the points of wrong answer 0 vary between draws: "):
        judged_well("94_mutation", "q1", wrong={BY_LUCK: "the double"}, right=[])
    judged_objects_well("94_mutation", "q1", **TRIED)
    verdict = mutation.verdicts([exercise], ledger)[0]
    assert (verdict.varying, verdict.draws) == (1, [20, 20, 20, 20])
    assert not verdict.good
    assert "on 20 draws each; the points of 1 of 4 answers (25.0%) vary between them" in mutation.table(
        [verdict]
    )


def test_objects_whose_points_vary_are_found_too(exercise, ledger, monkeypatch):
    monkeypatch.setenv(SEEDS, "20")
    with pytest.raises(AssertionError, match="the points of luck vary between draws: "):
        judged_objects_well("94_mutation", "q1", right={"luck": namespace(BY_LUCK)})


def test_an_answer_that_takes_its_time_is_judged_on_fewer_draws(exercise, ledger, monkeypatch):
    monkeypatch.setenv(SEEDS, "20")
    monkeypatch.setenv(SECONDS, "0")
    judged_objects_well("94_mutation", "q1", **TRIED)
    verdict = mutation.verdicts([exercise], ledger)[0]
    assert verdict.draws == [1, 2], "a wrong one, and a right one"
    assert "on 1 to 2 draws each" in mutation.table([verdict])


def test_a_question_that_nobody_tried_is_a_fault(exercise, ledger):
    verdict = mutation.verdicts([exercise], ledger)[0]
    where = "tests/checks/chapters"
    assert verdict.faults == [f"no {kind} answer is tried in {where}" for kind in ("wrong", "right")]


def test_every_exercise_has_its_tests_where_the_command_looks():
    assert [each.name for each in mutation.exercises_of([]) if not mutation.tests_of(each).is_file()] == []


def test_nothing_is_written_where_nobody_asked(exercise, tmp_path, monkeypatch):
    monkeypatch.delenv(LEDGER, raising=False)
    monkeypatch.chdir(tmp_path)
    judged_objects_well("94_mutation", "q1", wrong={"a text": ({"double": "x"}, "double")})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("failed", "code"), [(0, 0), (1, 1)])
def test_the_command(exercise, monkeypatch, capsys, failed, code):
    def run_tests(exercises, ledger, seeds, seconds):
        assert (seeds, seconds) == (7, 10)
        line = {"exercise": "94_mutation", "question": "q1", "wrong": [2, 2], "right": [1, 1], "faults": []}
        ledger.write_text(json.dumps(line | {"draws": [7, 7, 7], "varying": 0}) + "\n")
        return failed

    monkeypatch.setattr(mutation, "run_tests", run_tests)
    assert mutation.main(["94_mutation", "--json", "--seeds", "7"]) == code
    out = json.loads(capsys.readouterr().out)
    assert out["good"] is (code == 0)
    assert out["questions"][0]["caught"] == 2


def test_an_exercise_that_is_not_there(capsys):
    assert mutation.main(["93_none"]) == 2
    assert "there is no exercise" in capsys.readouterr().err
