"""Expectations, from the lowest rung to the highest.

Each takes what came, what was expected, and what the thing is called (`what`:
"`mask_padding(rows, 0)`", "the labels at the padding"). It returns nothing when
the expectation is met and raises `course_utils.checks.report.Failed`
when not, with a message in the form "expected ...; got ...".
"""

from __future__ import annotations

import itertools
import math
import numbers
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

from course_utils.checks.framework import note
from course_utils.checks.report import Failed, Rung
from course_utils.wire.answer import UNCOMPUTABLE, Uncomputable
from course_utils.wire.references import Record

if TYPE_CHECKING:
    import torch

SHOWN_CHARACTERS = 160
_NAMES = {
    "NoneType": "None",
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "True or False",
    "dict": "a dict",
    "list": "a list",
    "tuple": "a tuple",
    "set": "a set",
    "ndarray": "a numpy array",
    "Tensor": "a torch tensor",
    "Table": "a table (a dataset or a data frame)",
}


def show(value: object) -> str:
    """A value as a message shows it: its repr, cut to one line of bearable length."""
    text = " ".join(repr(_beginning(value)).split())
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


def _beginning(value: Any) -> Any:
    """As much of a long value as can be shown: the repr of 60 MB would take a second and half a gigabyte."""
    if isinstance(value, (str, bytes, list, tuple)) and len(value) > 2 * SHOWN_CHARACTERS:
        return value[: 2 * SHOWN_CHARACTERS]
    if type(value) in (dict, set) and len(value) > 2 * SHOWN_CHARACTERS:
        items = value.items() if type(value) is dict else value
        return type(value)(itertools.islice(items, 2 * SHOWN_CHARACTERS))
    return value


def _came(got: Any) -> str:
    """What came, with its type; a function that printed in place of returning is told so."""
    if got is None:
        return "None; a function without `return`, or one that prints its result, gives None"
    return f"{_named(type(got))}: {show(got)}"


def _named(kind: type) -> str:
    return _NAMES.get(kind.__name__, f"a {kind.__name__}")


def type_of(got: Any, kinds: type | tuple[type, ...], what: str) -> None:
    """`got` is an instance of one of `kinds`; `True` does not pass for a number."""
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    boolean_as_number = isinstance(got, bool) and bool not in kinds
    if boolean_as_number or not isinstance(got, kinds):
        wanted = " or ".join(_named(kind) for kind in kinds)
        raise Failed(Rung.WRONG_TYPE, f"{what} to be {wanted}", _came(got))


def number(got: Any, what: str) -> None:
    """`got` is a finite number (an int or a float, not a truth value)."""
    type_of(got, (int, float), what)
    if not math.isfinite(got):
        raise Failed(Rung.WRONG_VALUE, f"{what} to be a finite number", show(got))


def each_of(got: Any, kinds: type | tuple[type, ...], what: str) -> None:
    """`got` is a list (or tuple) whose items are all of `kinds`."""
    type_of(got, (list, tuple), what)
    for index, item in enumerate(got):
        type_of(item, kinds, f"item {index} of {what}")


def length(got: Any, count: int, what: str) -> None:
    """`got` has `count` items."""
    if not hasattr(got, "__len__"):
        raise Failed(Rung.WRONG_TYPE, f"{what} to hold {count} items", _came(got))
    if len(got) != count:
        raise Failed(Rung.WRONG_SHAPE, f"{what} to hold {count} items", f"{len(got)}")


def shape(got: Any, sides: tuple[int | None, ...], what: str) -> None:
    """`got` is an array or tensor of that shape (a number has the shape
    `()`); `None` stands for any size.
    """
    if not (hasattr(got, "shape") or _is_number(got)):
        raise Failed(Rung.WRONG_TYPE, f"{what} to be an array or a tensor", _came(got))
    found = tuple(getattr(got, "shape", ()))
    if len(found) != len(sides) or any(side not in (None, size) for side, size in zip(sides, found)):
        wanted = "(" + ", ".join("any" if side is None else str(side) for side in sides) + ")"
        raise Failed(Rung.WRONG_SHAPE, f"{what} to have the shape {wanted}", str(found))


def keys(got: Any, names: Iterable[str], what: str) -> None:
    """`got` is a dict with at least these keys."""
    type_of(got, dict, what)
    missing = [name for name in names if name not in got]
    if missing:
        raise Failed(Rung.WRONG_SHAPE, f"{what} to have the key {missing[0]!r}", f"only {show(list(got))}")


def equal(got: Any, expected: Any, what: str) -> None:
    """`got` equals `expected`: `1` is not `True`, but a list, a tuple and an array hold the same."""
    difference = _difference(got, expected, what)
    if difference is not None:
        raise difference


def _difference(got: Any, expected: Any, what: str) -> Failed | None:
    """The first place where two values differ."""
    if hasattr(expected, "shape") and hasattr(expected, "tolist"):
        return _array_difference(got, expected, what)
    got = _in_the_form_of(expected, got)
    numeric = _is_number(got) and _is_number(expected)
    if type(got) is not type(expected) and not numeric:
        return Failed(Rung.WRONG_TYPE, f"{what} to be {_named(type(expected))}: {show(expected)}", _came(got))
    if isinstance(expected, (list, tuple)):
        if len(got) != len(expected):
            return Failed(
                Rung.WRONG_SHAPE,
                f"{what} to hold {len(expected)} items",
                f"{len(got)}: {_other_items(got, expected)}",
            )
        pairs = ((index, got[index], item) for index, item in enumerate(expected))
        found = (_difference(one, other, f"item {index} of {what}") for index, one, other in pairs)
        first = next((difference for difference in found if difference), None)
        if first is not None and all(isinstance(item, str) for item in (*got, *expected)):
            return Failed(first.rung, first.expected, f"{first.got} in {_other_items(got, expected)}")
        return first
    if isinstance(expected, dict):
        if set(got) != set(expected):
            return Failed(
                Rung.WRONG_SHAPE, f"{what} to have the keys {show(list(expected))}", show(list(got))
            )
        found = (_difference(got[key], item, f"{key!r} of {what}") for key, item in expected.items())
        return next((difference for difference in found if difference), None)
    if got != expected:
        return Failed(Rung.WRONG_VALUE, f"{what} to be {show(expected)}", show(got))
    return None


def _in_the_form_of(expected: Any, got: Any) -> Any:
    """`got` as a list, a tuple or a dict, where it is another container of the same things."""
    if isinstance(expected, (list, tuple)):
        if hasattr(got, "shape") and hasattr(got, "tolist"):
            got = got.tolist()
        return type(expected)(got) if isinstance(got, (list, tuple)) else got
    if isinstance(expected, dict) and isinstance(got, Record):
        return got.fields
    return got


NAMED_ITEMS = 3  # of those that are missing, and of those that came too much


def _other_items(got: Collection, expected: Collection) -> str:
    """What came, which expected items are missing and which came too much; or the order, if it is that."""
    mine, theirs = Counter(map(show, got)), Counter(map(show, expected))
    if mine == theirs:
        return f"{show(got)}: the right items in another order than {show(expected)}"
    text = show(got)
    if missing := _some_of(theirs - mine):
        text = f"{text}; missing: {missing}"
    if unexpected := _some_of(mine - theirs):
        text = f"{text}; not expected: {unexpected}"
    return text


def _some_of(items: Counter[str]) -> str:
    """The first few of some items, and how many more there are."""
    found = list(items.elements())
    named = ", ".join(found[:NAMED_ITEMS])
    return named if len(found) <= NAMED_ITEMS else f"{named} and {len(found) - NAMED_ITEMS} more"


def _array_difference(got: Any, expected: Any, what: str) -> Failed | None:
    if not (hasattr(got, "shape") and hasattr(got, "tolist")):
        return Failed(Rung.WRONG_TYPE, f"{what} to be {_named(type(expected))}", _came(got))
    if tuple(got.shape) != tuple(expected.shape):
        return Failed(
            Rung.WRONG_SHAPE, f"{what} to have the shape {tuple(expected.shape)}", str(tuple(got.shape))
        )
    if got.tolist() != expected.tolist():
        return Failed(Rung.WRONG_VALUE, f"{what} to be {show(expected.tolist())}", show(got.tolist()))
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def close(got: Any, expected: float, what: str, *, tolerance: float = 1e-6) -> None:
    """`got` is a number within `tolerance` (absolute) of `expected`."""
    number(got, what)
    if not abs(got - expected) <= tolerance:
        raise Failed(Rung.WRONG_VALUE, f"{what} to be {expected:.6g} (within {tolerance:g})", f"{got:.6g}")


def all_close(got: Any, expected: Any, what: str, *, tolerance: float = 1e-5) -> None:
    """Arrays, tensors or lists of numbers agree everywhere, within `tolerance` (absolute)."""
    import numpy as np

    try:
        mine, theirs = np.asarray(_doubles(expected), dtype=float), np.asarray(_doubles(got), dtype=float)
    except (TypeError, ValueError):
        raise Failed(Rung.WRONG_TYPE, f"{what} to hold numbers only", show(got)) from None
    if mine.shape != theirs.shape:
        raise Failed(Rung.WRONG_SHAPE, f"{what} to have the shape {mine.shape}", str(theirs.shape))
    with np.errstate(invalid="ignore"):
        wrong = ~(
            (mine == theirs) | (np.abs(mine - theirs) <= tolerance)
        )  # NaN is wrong, equal infinities are right
    if wrong.any():
        place = tuple(int(index) for index in np.argwhere(wrong)[0])
        raise Failed(Rung.WRONG_VALUE, f"{what} to be {mine[place]:.6g} at {place}", f"{theirs[place]:.6g}")


def _doubles(value: Any) -> Any:
    """A tensor in float64, as NumPy has no bfloat16; also those within lists."""
    if isinstance(value, (list, tuple)):
        return [_doubles(item) for item in value]
    return value.double().numpy() if hasattr(value, "double") else value


def tensor(got: Any, what: str, sides: tuple[int | None, ...] | None = None) -> torch.Tensor:
    """`got` as a tensor, whether it came as a tensor, an array or lists of numbers: float64, int64 or bool.

    `sides` is the shape it has to have, if given; `None` in it stands for any size.
    """
    import numpy as np
    import torch

    if isinstance(got, torch.Tensor):
        found = got
    else:
        try:
            found = torch.from_numpy(np.array(_doubles(got)))
        except (TypeError, ValueError):
            raise Failed(Rung.WRONG_TYPE, f"{what} to hold numbers only", _came(got)) from None
    if sides is not None:
        shape(found, sides, what)
    if found.is_floating_point():
        return found.double()
    return found if found.dtype is torch.bool else found.long()


def computed(ask: Callable[[], Any], what: str) -> Any:
    """What `ask` computes with something that a learner made, such as a model that is asked for logits.

    What cannot be computed (positions that do not exist, a vocabulary that is too small) is the learner's
    mistake and no fault of the check's. A model that was rebuilt says so itself (`Uncomputable`); here it
    gets a name, and what is made of its outputs is looked after too.
    """
    try:
        return ask()
    except (Uncomputable, *UNCOMPUTABLE) as error:
        why = error.message if isinstance(error, Uncomputable) else f"{type(error).__name__}: {error}"
        raise Failed(Rung.WRONG_VALUE, f"{what} to be computable", why[:SHOWN_CHARACTERS]) from None


def one_of(got: Any, choices: Collection, what: str) -> None:
    """`got` is one of a few values."""
    if not any(type(got) is type(choice) and got == choice for choice in choices):
        raise Failed(Rung.WRONG_VALUE, f"{what} to be one of {show(list(choices))}", show(got))


def at_least(got: Any, least: float, what: str) -> None:
    """`got` is a number of at least `least`."""
    number(got, what)
    if not got >= least:
        raise Failed(Rung.WRONG_VALUE, f"{what} to be at least {least:.4g}", f"{got:.4g}")


def at_most(got: Any, most: float, what: str) -> None:
    """`got` is a number of at most `most`."""
    number(got, what)
    if not got <= most:
        raise Failed(Rung.WRONG_VALUE, f"{what} to be at most {most:.4g}", f"{got:.4g}")


def true(condition: bool, expected: str, got: str) -> None:
    """`condition` holds; the two texts say what was expected and what came, when it does not."""
    if not condition:
        raise Failed(Rung.WRONG_VALUE, expected, got)


def advise(condition: bool, advice: str) -> None:
    """Where `condition` does not hold, add "right, but ..." to a right answer. Costs nothing."""
    if not condition:
        note(advice)
