"""setup() and the Course it returns."""

import contextlib
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


def test_advice_is_that_of_the_profile(course):
    twin, real = (dataclasses.replace(course, profile=each).advice("flan-t5") for each in ("offline", "hub"))
    assert (twin.learning_rate, twin.lora_learning_rate, twin.longest_input) == (1e-2, 2e-2, 512)
    assert (real.learning_rate, real.lora_learning_rate, real.batch_size) == (3e-4, 1e-3, 8)
    assert "forgetting" in twin.source["learning_rate"] and "documentation" in real.source["learning_rate"]
    with pytest.raises(ValueError, match="Did you mean 'flan-t5'"):
        course.advice("flan-t4")


def test_advice_keeps_to_what_the_device_has(course, monkeypatch):
    """A T4 emulates bfloat16 and says so only when it is asked not to count that."""
    import torch

    asked = []
    monkeypatch.setattr("torch.cuda.device", lambda device: contextlib.nullcontext(asked.append(device)))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    assert dataclasses.replace(course, device="cuda:1").advice("bert").precision == "bf16"
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    old = dataclasses.replace(course, device="cuda").advice("bert")
    assert old.precision == "float32" and "cuda is no GPU with bfloat16" in old.source["precision"]
    assert asked == ["cuda:1", "cuda"]
    for device in ("cpu", "mps"):
        assert dataclasses.replace(course, device=device).advice("flan-t5").precision == "float32"


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
