"""How long a real model's training will take on a CPU: said once, early, and never offline."""

import pytest

from course_utils.training import forecast
from course_utils.training.forecast import Forecast
from course_utils.training.short_training import train_briefly
from course_utils.training.with_forecast import with_forecast
from tests.training.test_short_training import Line, collate


@pytest.fixture
def clock(monkeypatch):
    """A clock that each look moves on by the seconds in it, with the Hub switched on."""
    found = {"now": 0.0, "a step": 60.0}

    def monotonic():
        found["now"] += found["a step"]
        return found["now"]

    monkeypatch.setattr("huggingface_hub.is_offline_mode", lambda: False)
    monkeypatch.setattr(forecast.time, "monotonic", monotonic)
    return found


def said(steps, device, capsys):
    told = Forecast(steps, device)
    for _ in range(steps):
        told.step()
    return capsys.readouterr().out.splitlines()


def test_it_is_said_once_after_two_steps(clock, capsys):
    clock["a step"] = 4.0  # the two steps together
    assert said(50, "cpu", capsys) == [
        "50 steps will take about 1 min 40 s on this CPU (measured on the first 2, without evaluations)."
    ]


def test_over_ten_minutes_the_offline_profile_is_offered(clock, capsys):
    lines = said(50, "cpu", capsys)
    assert lines[0].startswith("50 steps will take about 25 min 00 s")
    assert "%env COURSE_PROFILE=offline" in lines[1] and len(lines) == 2


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_gpu_says_nothing(clock, capsys, device):
    assert said(50, device, capsys) == []


@pytest.mark.parametrize("steps", [1, 10])
def test_what_is_quick_says_nothing(clock, capsys, steps):
    clock["a step"] = 3.0
    assert said(steps, "cpu", capsys) == []


def test_offline_nothing_is_said(clock, capsys, monkeypatch):
    monkeypatch.setattr("huggingface_hub.is_offline_mode", lambda: True)
    assert said(50, "cpu", capsys) == []


def test_the_short_training_says_it(clock, capsys):
    train_briefly(Line(), [-2, -1, 1, 2], collate, steps=5, batch_size=2)
    assert capsys.readouterr().out.startswith("5 steps will take about ")


def test_the_trainer_says_it_before_its_first_log(clock, capsys, tmp_path):
    from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments

    from course_utils.training.trainer import show_progress
    from tests import tiny

    rows = [{"input_ids": [5, 6, 1], "attention_mask": [1, 1, 1], "labels": [7, 8, 1]}] * 4
    args = Seq2SeqTrainingArguments(
        str(tmp_path),
        use_cpu=True,
        max_steps=4,
        per_device_train_batch_size=2,
        logging_steps=3,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    show_progress(Seq2SeqTrainer(tiny.t5(), args, train_dataset=rows)).train()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("4 steps will take about ") and lines[-1].startswith("step 3/4")


def test_a_loop_by_hand_says_it(clock, capsys):
    clock["a step"] = 4.0
    assert list(with_forecast(range(50), "cpu")) == [*range(50)]
    assert capsys.readouterr().out.startswith("50 steps will take about 1 min 40 s")
