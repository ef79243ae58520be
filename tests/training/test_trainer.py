"""A Trainer that says one line per log."""

import pytest
import torch

from course_utils.training.trainer import show_progress
from tests import tiny


@pytest.fixture(scope="module")
def said_and_trainer(tmp_path_factory):
    """What two trainings of three steps print, and their trainers: the notebooks' own call."""
    import contextlib
    import io

    from transformers import Seq2SeqTrainer, Seq2SeqTrainingArguments

    rows = [{"input_ids": [5, 6, 1], "attention_mask": [1, 1, 1], "labels": [7, 8, 1]}] * 12
    found = {}
    for quiet in (True, False):
        args = Seq2SeqTrainingArguments(
            str(tmp_path_factory.mktemp("run")),
            use_cpu=True,
            max_steps=3,
            per_device_train_batch_size=2,
            logging_steps=1,
            eval_strategy="steps",
            eval_steps=3,
            save_strategy="no",
            report_to="none",
            disable_tqdm=quiet,
        )
        torch.manual_seed(0)
        trainer = Seq2SeqTrainer(tiny.t5(), args, train_dataset=rows, eval_dataset=rows[:2])
        assert show_progress(trainer) is trainer
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            trainer.train()
        found[quiet] = (out.getvalue().splitlines(), err.getvalue(), trainer)
    return found


@pytest.mark.parametrize("quiet", [True, False])
def test_one_line_per_log_and_nothing_else(said_and_trainer, quiet):
    lines, errors, trainer = said_and_trainer[quiet]
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(losses) == 3
    assert [line.split("  about")[0] for line in lines] == [
        f"step 1/3  loss {losses[0]:.3f}",
        f"step 2/3  loss {losses[1]:.3f}",
        f"step 3/3  loss {losses[2]:.3f}",
        f"step 3/3  eval_loss {trainer.state.log_history[-2]['eval_loss']:.3f}",
    ]
    assert errors == ""


def test_the_time_left_is_told_until_the_last_step(said_and_trainer):
    lines = said_and_trainer[True][0]
    assert lines[0].endswith(" s left")
    assert not lines[-1].endswith("left")
