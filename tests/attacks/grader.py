"""`course grade` with the attacked assignment known to it: python -m tests.attacks.grader SUBMITTED --out DIR ..."""

import sys

from course_utils.grading.desk.autograde import main
from tests.attacks import assignment  # registers the exercise

assert assignment.exercise
if __name__ == "__main__":
    sys.exit(main())
