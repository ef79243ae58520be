"""Code that a notebook shows, held against the package's: the same, but for its layout and its types."""

import ast


def untyped(source):
    """A source as Python lays it out, docstrings on one line, without the types of functions' arguments and results."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and ast.get_docstring(
            node
        ):
            node.body[0].value.value = " ".join(ast.get_docstring(node).split())
    return ast.unparse(tree)
