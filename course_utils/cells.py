"""A notebook's cells as Python: what a magic says becomes the call that IPython makes of it."""

from __future__ import annotations


def as_python(source: str) -> str:
    """A cell's source as `ast` and `compile` take it; plain Python stays what it says."""
    from IPython.core.inputtransformer2 import TransformerManager

    return TransformerManager().transform_cell(source)
