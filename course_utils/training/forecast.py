"""How long a training of a real model will take on a CPU, said when two of its steps are done.

The twins' trainings are short everywhere and are not forecast, so what a notebook stores from the offline
profile holds no word of it.
"""

from __future__ import annotations

import time

from course_utils.measure.progress import duration

MEASURED_STEPS = 2
QUICK_SECONDS, LONG_SECONDS = 20.0, 600.0

ANOTHER_WAY = (
    "That is long. To go on with the small offline models, stop this cell, write %env COURSE_PROFILE=offline "
    "above setup() and run the notebook from the top; or go on here, on a GPU it is a matter of minutes."
)


class Forecast:
    """Call `step()` after each of `steps` steps on a device such as "cpu"; it prints once, after the second.

    Nothing is printed on a GPU, where the Hub is switched off (the offline profile), or for what takes less
    than 20 seconds. Evaluations and checkpoints are not counted.
    """

    def __init__(self, steps: int, device: str) -> None:
        import huggingface_hub

        self.speaks = device == "cpu" and not huggingface_hub.is_offline_mode()
        self.steps, self.done = steps, 0
        self.begun = time.monotonic()

    def step(self) -> None:
        self.done += 1
        if self.speaks and self.done == MEASURED_STEPS:
            self._say((time.monotonic() - self.begun) / MEASURED_STEPS * self.steps)

    def _say(self, seconds: float) -> None:
        if seconds > QUICK_SECONDS:
            print(
                f"{self.steps} steps will take about {duration(seconds)} on this CPU (measured on the first "
                f"{MEASURED_STEPS}, without evaluations)."
            )
        if seconds > LONG_SECONDS:
            print(ANOTHER_WAY)
