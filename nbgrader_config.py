"""nbgrader's settings: solutions/ is its source, exercises/ its release.

`nbgrader autograde` and formgrader's button judge as `course grade` does: a submission's code runs in a
process of its own, the checks outside it. A class is graded by `course grade`, into a folder of its own with
such a file. For nbgrader's commands in this one, tell its gradebook of the exercises first: `nbgrader
generate_assignment`.
"""

from pathlib import Path

from course_utils.grading.gradebook.nbgrader_steps import configure

configure(get_config(), Path(__file__).parent, source="solutions", release="exercises")  # noqa: F821
