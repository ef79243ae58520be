"""Marks on disk: nbgrader's gradebook, its release and its copies, the tables and the learners' pages."""
