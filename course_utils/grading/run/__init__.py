"""Running learners' code behind its walls, and judging what it answers."""
