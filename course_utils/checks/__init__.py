"""The checks: what questions are written with, the chapters' questions, and the learner's side.

`framework` has exercises, questions and parts; `report` what comes out of them, `render` draws it;
`expect` has the expectations and `draw` the fresh data; `testing` is for the tests of the checks.
`chapters` has one module a chapter, `learner` the notebook's side. README.md tells how to write a
question.
"""
