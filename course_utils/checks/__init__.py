"""The checks: one module an exercise, and what they are written with.

``framework`` has exercises, questions, parts and reports; ``expect`` the
expectations; ``notebook`` runs a question in the learner's notebook; ``shell`` is
``course check``; ``testing`` is for the tests of the checks themselves.
README.md tells how to write a question.
"""

from course_utils.checks.learner.notebook import run_in_notebook, show_hint

__all__ = ["run_in_notebook", "show_hint"]
