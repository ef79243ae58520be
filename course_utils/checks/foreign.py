"""Which questions call something outside their own answer cells: read from the source of the checks.

What the notebook gives lives in the learner's process and can be bound anew there, to say what the check
wants to hear. So a check calls what the question's answer cell defines and what it brings itself
(`Answer.given`); what it brings may use the answer's names and no others of the notebook.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeGuard

from course_utils.checks.framework import Exercise, Question
from course_utils.checks.testing import notebook_cells, solution_path

CALLS = ("call", "built")


def calls_outside(exercise: Exercise) -> dict[str, list[str]]:
    """{question: the names that its check calls and its answer cells do not define}, where there are any.

    A name that only the running check knows is named by its expression and line.
    """
    found = {question.name: _outside(question) for question in exercise.questions.values()}
    return {name: names for name, names in found.items() if names}


def defined_in(source: str) -> set[str]:
    """The names that a cell binds at its top level."""
    names = set()
    for statement in ast.parse(source).body:
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            names.add(statement.name)
        elif isinstance(statement, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in statement.names}
        else:
            names |= {node.id for node in ast.walk(statement) if _is_bound(node)}
    return names


def _outside(question: Question) -> list[str]:
    if question.check is None:
        return []
    own = set().union(
        *(
            defined_in(source)
            for role, name, source in notebook_cells(solution_path(question.exercise))
            if role == "answer" and name == question.name
        )
    )
    check = _Check(_functions(question.check), question.check.__name__)
    brought = check.brought()
    held = inspect.getmodule(question.check)
    free = [_free_names(_parsed(getattr(held, name))) for name in brought]
    asked = check.called() | check.variables() | set().union(*free)
    return sorted(asked - own - brought)


def _parsed(brought: Callable) -> ast.FunctionDef | ast.ClassDef:
    (found,) = ast.parse(textwrap.dedent(inspect.getsource(brought))).body
    assert isinstance(found, ast.FunctionDef | ast.ClassDef)
    return found


def _functions(check: object) -> dict[str, ast.FunctionDef]:
    """The functions of a check's module by name."""
    tree = ast.parse(inspect.getsource(inspect.getmodule(check)))  # type: ignore[arg-type]
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


@dataclass(frozen=True)
class _Check:
    """A check and the functions of its module that it reaches, without those that it brings."""

    module: dict[str, ast.FunctionDef]
    name: str

    def reached(self) -> dict[str, ast.FunctionDef]:
        brought = self.brought()
        return {name: function for name, function in self._closure().items() if name not in brought}

    def brought(self) -> set[str]:
        """The names that stand in `answer.given(…)`, in the check or what it reaches."""
        return {
            argument.id
            for function in self._closure().values()
            for node in ast.walk(function)
            if _is_method(node, ("given",))
            for argument in node.args
            if isinstance(argument, ast.Name)
        }

    def _closure(self) -> dict[str, ast.FunctionDef]:
        """The check and every function of its module that it names, and what these name, and so on."""
        found: dict[str, ast.FunctionDef] = {}
        left = {self.name}
        while left:
            name = left.pop()
            found[name] = self.module[name]
            left |= (_free_names(found[name]) & set(self.module)) - set(found)
        return found

    def called(self) -> set[str]:
        """The first names of the paths that are called."""
        found = set()
        for function in self.reached().values():
            for node in ast.walk(function):
                if _is_method(node, CALLS) and node.args:
                    found |= {path.partition(".")[0] for path in self._texts(node.args[0], function)}
        return found

    def variables(self) -> set[str]:
        """The first names of the notebook's own things that travel as arguments."""
        found = set()
        for function in self.reached().values():
            for node in ast.walk(function):
                if _is_call_of(node, "Variable"):
                    found |= {path.partition(".")[0] for path in self._texts(node.args[0], function)}
        return found

    def _texts(self, node: ast.expr, function: ast.FunctionDef) -> set[str]:
        """What an expression in a function may hold: a literal, a parameter, or the name in a loop."""
        if isinstance(node, ast.Constant):
            return {str(node.value)}
        if isinstance(node, ast.Name):
            places = [number for number, one in enumerate(function.args.args) if one.arg == node.id]
            found = set(self._from_loops(node.id, function))
            for caller in self.reached().values():
                for call in ast.walk(caller):
                    if places and _is_call_of(call, function.name) and len(call.args) > places[0]:
                        found |= self._texts(call.args[places[0]], caller)
            if found:
                return found
        return {f"{ast.unparse(node)} (line {node.lineno})"}

    def _from_loops(self, name: str, function: ast.FunctionDef) -> Iterator[str]:
        for node in ast.walk(function):
            if not isinstance(node, (ast.For, ast.comprehension)):
                continue
            place = _place(name, node.target)
            if place is None or not isinstance(node.iter, (ast.Tuple, ast.List)):
                continue
            for item in node.iter.elts:
                text = item.elts[place] if place >= 0 and isinstance(item, ast.Tuple) else item
                yield from self._texts(text, function)


def _place(name: str, target: ast.expr) -> int | None:
    """Where a name stands in a loop's target; -1 where it is the target."""
    if isinstance(target, ast.Name):
        return -1 if target.id == name else None
    names = [getattr(item, "id", "") for item in getattr(target, "elts", [])]
    return names.index(name) if name in names else None


def _is_method(node: ast.AST, names: tuple[str, ...]) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names


def _is_call_of(node: ast.AST, name: str) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _is_bound(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _free_names(function: ast.FunctionDef | ast.ClassDef) -> set[str]:
    """What a function reads and does not bind: the notebook's names, when it runs beside them."""
    annotations = {id(node) for one in ast.walk(function) for node in _annotations(one)}
    read: set[str] = set()
    bound: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            bound.add(node.name)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
        elif isinstance(node, ast.Name) and id(node) not in annotations:
            (bound if isinstance(node.ctx, ast.Store) else read).add(node.id)
    return read - bound - set(dir(builtins))


def _annotations(node: ast.AST) -> Iterator[ast.AST]:
    """Everything in the types that a node states: they are not looked up on the learner's side."""
    for field in ("annotation", "returns"):
        stated = getattr(node, field, None)
        if stated is not None:
            yield from ast.walk(stated)
