"""The learner's side of the checks: the notebook, its hints, the record of points."""
