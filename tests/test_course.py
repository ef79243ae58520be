"""setup() and the Course it returns."""

import dataclasses

import pytest

import course_utils
from course_utils import session
from course_utils.course import Course


@pytest.fixture
def course():
    return Course("offline", "cpu", 0, session.budget("offline", "cpu"))


def test_setup_prints_its_choice_and_returns_the_course(monkeypatch, capsys):
    monkeypatch.setenv("COURSE_PROFILE", "offline")
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    course = course_utils.setup("06_full_fine_tuning", seed=4)
    assert (course.profile, course.device, course.seed) == ("offline", "cpu", 4)
    assert course.exercise == "06_full_fine_tuning"
    assert course.budget == session.budget("offline", "cpu")
    said = capsys.readouterr().out
    assert "profile offline, because the variable COURSE_PROFILE says so" in said
    assert "device cpu, because the variable COURSE_DEVICE says so" in said


def test_a_wrong_profile_stops_before_anything_is_changed(monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "cloud")
    with pytest.raises(ValueError, match="'cloud' is no profile"):
        course_utils.setup()


def test_a_course_cannot_be_changed_by_accident(course):
    with pytest.raises(dataclasses.FrozenInstanceError):
        course.profile = "hub"


def test_names_become_paths_of_this_profile(course, monkeypatch):
    monkeypatch.setattr("course_utils.catalog.model_path", lambda name, profile: f"{profile}/{name}")
    monkeypatch.setattr(
        "course_utils.catalog.dataset_path", lambda name, profile, seed: f"{profile}/{name}/{seed}"
    )
    assert course.model("bert") == "offline/bert"
    assert course.dataset("reviews") == "offline/reviews/None"
    assert course.dataset("reviews", seed=3) == "offline/reviews/3"
    assert dataclasses.replace(course, profile="hub").model("bert") == "hub/bert"
    assert course.metric("f1").endswith("f1")


def test_the_hub_to_read_is_that_of_the_profile(course):
    assert course.hub().model_id("bert") == "course/mini-bert"
    assert (
        dataclasses.replace(course, profile="hub").hub().model_id("bert") == "google-bert/bert-base-uncased"
    )


def test_a_seed_must_be_a_whole_number(course):
    with pytest.raises(ValueError, match="whole number"):
        course.dataset("reviews", seed="fresh")


@pytest.fixture
def exercise():
    from course_utils.checks import expect
    from course_utils.checks.framework import Exercise, register

    made = Exercise("90_sums", title="Sums", minutes=5, difficulty="easy", cost="nothing")

    @made.question("q1", title="Add", points=2, needs=("add",), hints=("Nudge.", "Pointer.", "Example."))
    def add(answer, draw):
        expect.equal(answer.call("add", 2, 3), 5, "add(2, 3)")

    register(made)
    return made


def test_check_judges_what_the_notebook_holds(course, exercise, monkeypatch, capsys):
    import __main__

    course = dataclasses.replace(course, exercise="90_sums")
    monkeypatch.setattr(__main__, "add", lambda a, b: a * b, raising=False)
    course.check("q1")
    assert "0/2" in capsys.readouterr().out.replace(" of ", "/").replace(" / ", "/")
    monkeypatch.setattr(__main__, "add", lambda a, b: a + b)
    course.check()
    assert "2/2" in capsys.readouterr().out.replace(" of ", "/").replace(" / ", "/")


def test_hints_come_in_levels(course, exercise, capsys):
    course = dataclasses.replace(course, exercise="90_sums")
    course.hint("q1")
    assert "Nudge." in capsys.readouterr().out
    course.hint("q1", level=3)
    assert "Example." in capsys.readouterr().out
    course.card()
    assert "Sums" in capsys.readouterr().out


def test_a_lesson_has_nothing_to_check(course):
    with pytest.raises(LookupError, match="has no exercise"):
        course.check("q1")


def test_a_check_is_remembered_and_progress_shows_it(course, exercise, monkeypatch, capsys, tmp_path):
    import __main__
    from course_utils.checks.learner import progress

    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    monkeypatch.setattr(progress, "exercises", lambda: [exercise])
    monkeypatch.setattr(__main__, "add", lambda a, b: a + b, raising=False)
    dataclasses.replace(course, exercise="90_sums").check("q1")
    capsys.readouterr()
    course.progress()
    assert "90_sums  ############  2 of 2 points" in capsys.readouterr().out
