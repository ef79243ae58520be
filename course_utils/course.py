"""The `Course` that a notebook holds: names in, paths out, and the way to the checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from course_utils import catalog, requirements, session

if TYPE_CHECKING:
    from course_utils.hub.reading import HubToRead
    from course_utils.models.model import Advice


def start(
    exercise: str | None = None, *, profile: str | None = None, device: str | None = None, seed: int = 0
) -> Course:
    """Begin a session, say what was chosen and why, and return its `Course`. See `course_utils.setup`."""
    if said := requirements.complaint():
        print(said)
    begun = session.begin(profile, device, seed)
    print(begun)
    return Course(begun.profile.value, begun.device.value, seed, begun.budget, exercise)


@dataclass(frozen=True)
class Course:
    """One notebook's view of the course.

    profile: "offline" or "hub". device: a name that PyTorch takes. seed: a whole number. budget: a
    `session.Budget`.
    exercise: the name of the exercise's folder, or None in a lesson.
    """

    profile: str
    device: str
    seed: int
    budget: session.Budget
    exercise: str | None = None

    def model(self, name: str) -> str:
        """The path of a model for `from_pretrained`: one of `course_utils.catalog.MODELS`, such as "bert"."""
        return catalog.model_path(name, self.profile)

    def advice(self, name: str) -> Advice:
        """How to train a model here: `advice = course.advice("flan-t5")`, then `advice.learning_rate`,
        `lora_learning_rate`, `batch_size`, `precision` ("bf16" or "float32"), `longest_input` (tokens);
        `print(advice)` shows each with its source.

        Offline it is the twin's, in the hub profile the real model's. The precision is that of this
        course's device. Raises ValueError for a model that is not in the catalog.
        """
        return catalog.model(name).advice_for(self.profile).on(self.device)

    def dataset(self, name: str, seed: int | None = None) -> str:
        """The path of a dataset for `load_dataset`; a `seed` draws a fresh set, in the offline profile
        only.
        """
        if seed is not None:
            session.check_seed(seed)
        return catalog.dataset_path(name, self.profile, seed)

    def metric(self, name: str) -> str:
        """The path of a metric for `evaluate.load`: one of
        `course_utils.catalog.METRICS`, such as "rouge".
        """
        return catalog.metric_path(name)

    def hub(self) -> HubToRead:
        """The Hub to read from: `hub = course.hub().open()`, then
        `hub.model_id("bert")`; see `hub.reading.HubToRead`.
        """
        from course_utils.hub.reading import HubToRead

        return HubToRead(self.profile)

    def check(self, question: str | None = None) -> None:
        """Judge a question ("q1") on what the notebook holds now, or all of them; shows points and advice."""
        from course_utils.checks.learner.notebook import run_in_notebook

        run_in_notebook(self, self.exercise, question)

    def hint(self, question: str, level: int = 1) -> None:
        """Show a hint: 1 is a nudge, 2 points to the place, 3 works out something similar."""
        from course_utils.checks.learner.notebook import show_hint

        show_hint(self, self.exercise, question, level)

    def card(self) -> None:
        """Show what the exercise asks: minutes, difficulty, points, and what it costs to run."""
        from course_utils.checks.learner.notebook import show_card

        show_card(self, self.exercise)

    def progress(self) -> None:
        """Show the points of every chapter and what is next; the record stays on this machine."""
        from course_utils.checks.learner.notebook import show_progress

        show_progress()
