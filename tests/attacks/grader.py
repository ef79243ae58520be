"""`course grade` with the attacked exercise known to it: python -m tests.attacks.grader SUBMITTED --out DIR ..."""

import sys

from course_utils.grading.desk.autograde import main
from tests.attacks import attacked  # registers the exercise

assert attacked.exercise
if __name__ == "__main__":
    sys.exit(main())
