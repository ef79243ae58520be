"""One module a chapter: its exercise's questions, as plain functions.

Hidden from learners' code like all of `checks`.
"""
