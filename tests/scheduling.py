"""Which tests one worker of pytest-xdist takes: those that would disturb each other, and those that share a dear fixture."""

from xdist.scheduler import LoadScopeScheduling

# The beginning of a test's name, and the group it belongs to
GROUPS = {
    # one JupyterLab serves them; and one arena of attacks waits until the other is over
    "tests/browser/": "browser",
    "tests/attacks/": "browser",
    "tests/grading/test_fair_marks.py": "fair marks",  # one class is graded for them
    "tests/grading/run/test_ray_engine.py": "cluster",  # one for all of them, and never two at once
    "tests/test_rehearsals.py": "rehearsals",  # one Hub serves them
    "tests/hub/test_libraries.py": "libraries",  # they import the whole stack
}


class Scheduling(LoadScopeScheduling):
    """Gives a group to one worker, and every other test to the worker that is free.

    pytest-xdist's marks for that (3.8's xdist_group) do nothing from pytest 9.2 on, and say nothing about it:
    https://github.com/pytest-dev/pytest-xdist/issues/1386
    """

    def _split_scope(self, nodeid):
        return next((group for start, group in GROUPS.items() if nodeid.startswith(start)), nodeid)
