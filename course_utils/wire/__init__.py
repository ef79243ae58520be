"""The wire between a learner's code and the checks that judge it.

What crosses is plain data and nothing else: exact Python scalars and
containers, numpy arrays, torch tensors, Arrow tables, small folders of files.
There is no pickle and no code on this wire. `learner` answers requests on the
learner's side, `answer` asks them on the trusted side, `codec` writes and
reads the bytes, `references` names what each side makes for itself.
"""

from course_utils.wire.references import Asset, Folder, Record, Rows, Variable

__all__ = ["Asset", "Folder", "Record", "Rows", "Variable"]
