"""What the Trainer is taught to do differently: say less, and on a CPU how long it will take."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from course_utils.measure.progress import duration
from course_utils.training.forecast import Forecast

if TYPE_CHECKING:
    from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments


def show_progress(trainer: Trainer) -> Trainer:
    """Let a Trainer print one line per log, "step 50/300  loss 2.413  about 41 s left", and nothing else.

    The stock Trainer draws a bar or prints dictionaries of texts. How often it logs is `logging_steps`, as
    always; the numbers stay in `trainer.state.log_history`. A long training of a real model on a CPU
    begins with a `Forecast`. Returns the trainer.
    """
    from transformers import PrinterCallback, ProgressCallback
    from transformers.utils.notebook import NotebookProgressCallback

    for noisy in (PrinterCallback, ProgressCallback, NotebookProgressCallback):
        trainer.remove_callback(noisy)
    trainer.add_callback(_progress_line())
    return trainer


def _progress_line() -> TrainerCallback:
    """The callback, made here so that this module can be imported without transformers."""
    from transformers import TrainerCallback

    class ProgressLine(TrainerCallback):
        def on_train_begin(
            self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
        ) -> None:
            self.begun, self.first_step = time.monotonic(), state.global_step
            self.forecast = Forecast(state.max_steps - state.global_step, args.device.type)

        def on_step_end(
            self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
        ) -> None:
            self.forecast.step()

        def on_log(
            self,
            args: TrainingArguments,
            state: TrainerState,
            control: TrainerControl,
            logs: Mapping[str, float] | None = None,
            **kwargs: Any,
        ) -> None:
            shown = {name: value for name, value in (logs or {}).items() if _is_worth_showing(name)}
            if shown and state.is_world_process_zero:
                print(f"step {state.global_step}/{state.max_steps}  {_line(shown)}{self._time_left(state)}")

        def _time_left(self, state: TrainerState) -> str:
            done, left = state.global_step - self.first_step, state.max_steps - state.global_step
            if not done or not left:
                return ""
            return f"  about {duration((time.monotonic() - self.begun) / done * left)} left"

    return ProgressLine()


def _is_worth_showing(name: str) -> bool:
    """The loss and the metrics of an evaluation, without their timings."""
    timed = name.endswith(("_runtime", "_per_second", "_time"))
    return name == "loss" or (name.startswith("eval_") and not timed)


def _line(numbers: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in numbers.items())
