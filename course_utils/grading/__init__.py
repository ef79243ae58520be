"""Marks that do not depend on what a learner's code does to its own process.

`worker` runs the learner's cells in a child process; `executor` (trusted) feeds
it and runs the checks outside; `release` builds the exercises, `autograde`
grades a class into nbgrader's gradebook, `reports` writes what people read.

Nothing is imported here: the child imports this package too and must not meet the checks.
"""
