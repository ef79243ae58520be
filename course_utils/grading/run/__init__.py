"""Running learners' code in a sandbox, and grading what it answers."""
