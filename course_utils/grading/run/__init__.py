"""Running learners' code in a sandbox, and judging what it answers."""
