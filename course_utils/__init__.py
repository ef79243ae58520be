"""The workbook's own helpers. `from course_utils import setup; course = setup()` is how every notebook
starts.

Importing this package is cheap on purpose: nothing heavy (PyTorch, transformers, gradio) is loaded until
`setup` or a helper that needs it is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from course_utils.course import Course

__all__ = ["setup"]
__version__ = "0.2.0"


def setup(
    exercise: str | None = None, *, profile: str | None = None, device: str | None = None, seed: int = 0
) -> Course:
    """Start a notebook: choose profile and device, set seeds and threads, quiet the libraries.

    exercise: the name of the exercise's folder, such as "06_full_fine_tuning"; lessons leave it out.
    profile: "offline" or "hub"; device: "cpu", "cuda", "cuda:1" or "mps"; None lets the course choose. The
    variables COURSE_PROFILE and COURSE_DEVICE override both. Prints what was chosen and why. Returns a
    `course_utils.course.Course`. Raises ValueError, saying what to do, for a choice that can't be had.
    """
    from course_utils.course import start

    return start(exercise, profile=profile, device=device, seed=seed)
