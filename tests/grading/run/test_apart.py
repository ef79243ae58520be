"""A question is graded in a process of its own: the marks are the same, and what ends it costs that question alone."""

import contextlib
import os
import signal

import pytest

from course_utils.checks import expect
from course_utils.checks.framework import Exercise, part
from course_utils.grading.run.apart import Killed, _import_ahead, run_apart
from course_utils.wire.answer import LocalTransport

exercise = Exercise("apart", title="Apart", minutes=1, difficulty="easy", cost="nothing")
DEEP = 50_000


def killed():
    os.kill(os.getpid(), signal.SIGSEGV)  # as a C parser does whose stack is full


def computing():
    while True:
        pass


def descending(depth=0):
    return descending(depth + 1)


#: What happens when a check reads what was made, by the word that the answer gives.
READING = {
    "segfault": killed,
    "endless": computing,
    "memory": lambda: bytearray(2**33),
    "deep": descending,
    "exit": lambda: os._exit(3),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
}


@exercise.question("q1", title="A word", points=3, needs=("word",))
def word(answer, draw):
    with part("there", points=1):
        found = answer.value("word")
        expect.type_of(found, str, "word")
    with part("read", points=2):
        READING.get(found, lambda: None)()
        expect.equal(found, "right", "word")


def graded(held, **limits):
    return run_apart(exercise.find("q1"), LocalTransport(held, None), None, **limits)


@pytest.mark.parametrize("held", [{"word": "right"}, {"word": "wrong"}, {"word": 3}, {"word": None}, {}])
def test_it_reports_what_is_reported_here(held):
    assert graded(held) == exercise.find("q1").run(LocalTransport(held, None))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("segfault", "SIGSEGV"),
        ("endless", "too long"),
        ("memory", "more memory"),
        ("deep", "nested too deep"),
        ("exit", "ended the process"),
    ],
)
def test_what_ends_it_costs_its_part_and_says_so(said, words):
    report = graded({"word": said}, memory=2**31, seconds=4)  # of processor; one is little on a busy machine
    assert (report.points, report.rung) == (1, "wrong value")
    assert words in report.parts[-1].got and "nested thousands deep" in report.parts[-1].expected
    assert graded({"word": "right"}).points == 3, "the next one is graded as ever"


def test_a_process_that_was_killed_from_outside_is_nobodys_mistake():
    with pytest.raises(Killed, match="memory enough"):
        graded({"word": "killed"})


class Broken:
    """A transport that raises."""

    def __init__(self, error):
        self.error = error

    def ask(self, request, seconds, bounds):
        raise self.error


@pytest.mark.parametrize(
    ("error", "rung"), [(TimeoutError(), "too slow"), (ConnectionError("gone"), "crashed")]
)
def test_what_the_learners_side_does_not_answer_is_told_there(error, rung):
    assert run_apart(exercise.find("q1"), Broken(error), None).rung == rung


def test_what_goes_wrong_on_the_way_is_raised_here_and_nothing_is_left_running():
    from multiprocessing import active_children

    with contextlib.suppress(LookupError):
        run_apart(exercise.find("q1"), Broken(LookupError("no child can be started")), None)
        pytest.fail("it should have been raised")
    assert not active_children()


def test_what_depends_on_no_learner_is_made_once_before_the_forks(monkeypatch):
    made = []
    monkeypatch.setitem(globals(), "made_ahead", lambda: made.append(os.getpid()))
    _import_ahead.cache_clear()
    graded({"word": "right"})
    graded({"word": "wrong"})
    assert made == [os.getpid()]


def test_what_cannot_be_made_ahead_costs_nobody_a_mark(monkeypatch):
    monkeypatch.setitem(globals(), "made_ahead", descending)
    _import_ahead.cache_clear()
    assert graded({"word": "right"}).points == 3
