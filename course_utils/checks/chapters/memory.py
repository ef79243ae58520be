"""The questions of chapter 22: memory.

Nothing here looks at a clock, needs a GPU or a second process. Budgets are played, histories of allocations
are drawn, and what comes of them is worked out here as well, once rightly and once for each likely mistake,
so that a message can name it. What a forward pass saves is counted here on a copy of the same layers.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from course_utils.checks import expect, mistakes
from course_utils.checks.draw import Draw
from course_utils.checks.framework import Exercise, part
from course_utils.checks.predictions import six_predictions
from course_utils.checks.report import Failed, Rung
from course_utils.wire.answer import Answer

if TYPE_CHECKING:
    # what the learner writes: the functions below that are sent along call it by its name
    saved: Any = None

LESSONS = "lessons/22_memory/"
OWNERS = LESSONS + "01_where_the_bytes_go.ipynb"
AGAIN = LESSONS + "02_forget_and_compute_again.ipynb"
BATCH = LESSONS + "03_the_largest_batch.ipynb"
LEAK = LESSONS + "04_a_leak.ipynb"
SHARDED = LESSONS + "05_sharded.ipynb"

exercise = Exercise(
    "22_memory",
    title="Memory",
    minutes=140,
    difficulty="hard",
    cost="some seconds on two cores",
)

SIZES = {"float32": 4, "bfloat16": 2, "float16": 2}


# q1: owners


@exercise.question(
    "q1",
    title="Owners, by formula",
    points=3,
    difficulty=1,
    needs=("owners", "most_rows"),
    lesson=OWNERS + "#Weights, gradients, optimizer",
    hints=(
        "Which of the three owners know nothing of frozen weights? And where does the number of blocks "
        "come from: from all weights together, or from each one?",
        "Count the numbers of each weight with `math.prod(shape)`. Weights: all of them. Gradients: the "
        "trained ones, in the same dtype. The optimizer: bytes for each trained number, 4 more with a "
        "master copy, and for `adamw8` two scales of 4 bytes for each block; `math.ceil` of each weight.",
        "Boxes for books: each shelf is packed by itself, 30 books a box, and the last box of a shelf may be "
        "half empty:\n"
        "boxes = sum(math.ceil(books / 30) for books in shelves)",
    ),
)
def memory_owners(answer: Answer, draw: Draw) -> None:
    with part("weights and gradients", points=1):
        for dtype, master in (("bfloat16", True), ("float32", False), ("float16", False)):
            shapes, frozen = mistakes.telling(partial(_weights, draw), partial(_two_owners, dtype=dtype))
            recipe = {"dtype": dtype, "master": master, "optimizer": "adamw"}
            found = answer.call("owners", shapes, frozen, recipe)
            expect.keys(found, ("weights", "gradients"), f"owners(shapes, frozen, {expect.show(recipe)})")
            got = {name: found[name] for name in ("weights", "gradients")}
            what = f"owners(shapes, frozen, {expect.show(recipe)})"
            mistakes.table(got, _two_owners((shapes, frozen), dtype), what)
    with part("the optimizer", points=1):
        for kind, master, dtype in draw.sample(RECIPES, len(RECIPES)):
            recipe = {"dtype": dtype, "master": master, "optimizer": kind}
            if kind == "adamw8":
                recipe["block"] = draw.random.choice((64, 128, 256))
            shapes, frozen = mistakes.telling(partial(_weights, draw), partial(_states, recipe=recipe))
            what = f"owners(shapes, frozen, {expect.show(recipe)})"
            found = answer.call("owners", shapes, frozen, recipe)
            expect.keys(found, ("optimizer",), what)
            mistakes.near(found["optimizer"], _states((shapes, frozen), recipe), f"{what}['optimizer']")
    with part("the rows that fit", points=1):
        for kind, master, dtype in RECIPES[:3]:
            _fitting(answer, draw, {"dtype": dtype, "master": master, "optimizer": kind})


RECIPES = [
    ("adamw", False, "float32"), ("adamw", True, "bfloat16"), ("momentum", True, "float16"),
    ("sgd", True, "bfloat16"), ("sgd", False, "float32"), ("adamw8", False, "bfloat16"),
    ("adamw8", True, "bfloat16"), ("momentum", False, "float32"),
]  # fmt: skip

Weights = tuple[dict[str, tuple[int, ...]], list[str]]


def _weights(draw: Draw) -> Weights:
    """Shapes of a small model, and the names of two that are frozen."""
    width = draw.random.randrange(30, 90)
    shapes: dict[str, tuple[int, ...]] = {"embed.weight": (draw.random.randrange(200, 500), width)}
    for layer in range(draw.random.randrange(2, 4)):
        inner = draw.random.randrange(60, 200)
        shapes |= {f"{layer}.up.weight": (inner, width), f"{layer}.up.bias": (inner,)}
        shapes |= {f"{layer}.conv.weight": (width, 3, draw.random.randrange(2, 6))}
    return shapes, draw.sample(shapes, 2)


def _counts(weights: Weights) -> tuple[list[int], list[int]]:
    """The numbers of all weights, and of those that are trained."""
    shapes, frozen = weights
    numbers = {name: math.prod(shape) for name, shape in shapes.items()}
    return list(numbers.values()), [count for name, count in numbers.items() if name not in frozen]


def _two_owners(weights: Weights, dtype: str) -> dict[str, dict[str, int]]:
    counts, kept = _counts(weights)
    every, trained, size = sum(counts), sum(kept), SIZES[dtype]
    found = {
        "": {"weights": size * every, "gradients": size * trained},
        "gradients of frozen weights, too": {"weights": size * every, "gradients": size * every},
        "leaving out the frozen weights, which are there all the same": {
            "weights": size * trained, "gradients": size * trained,
        },
        "numbers, not bytes": {"weights": every, "gradients": trained},
    }  # fmt: skip
    if size != 4:
        found["4 bytes for each number, whatever the dtype"] = {"weights": 4 * every, "gradients": 4 * trained}
        found["gradients in float32"] = {"weights": size * every, "gradients": 4 * trained}
    return found


def _states(weights: Weights, recipe: Mapping[str, Any]) -> dict[str, int]:
    """{mistake: the bytes that the optimizer keeps}."""
    counts, kept = _counts(weights)
    every, trained, block = sum(counts), sum(kept), recipe.get("block", 1)
    size, copied = SIZES[recipe["dtype"]], 4 if recipe["master"] else 0
    kind = recipe["optimizer"]
    each = {"sgd": 0, "momentum": 4, "adamw": 8, "adamw8": 2}[kind]
    blocks = sum(math.ceil(count / block) for count in kept) if kind == "adamw8" else 0
    right = (each + copied) * trained + 8 * blocks
    found = {
        "states and copies of frozen weights, too": (each + copied) * every + 8 * blocks,
        "leaving out the copy in float32": right - copied * trained,
        "copies in the dtype of the weights, not in float32": right + (size - 4) * trained * bool(copied),
        "copies of frozen weights, too": right + copied * (every - trained),
        "a copy where the recipe asks for none": right + (4 - copied) * trained,
        "leaving out the states": right - each * trained,
        "one number for each weight, not two": right - each * trained // 2 if each == 8 else right,
        "states or copies in the dtype of the weights, not in float32": right + each * trained * (size - 4) // 4 if each >= 4 else right,
        "counting the gradients as well": right + size * trained,
    }
    if kind == "adamw8":
        found |= {
            "leaving out the scales": right - 8 * blocks,
            "one scale for each block: each of the two states has its own": right - 4 * blocks,
            "blocks over all weights together: each weight is cut by itself": right
            - 8 * (blocks - math.ceil(trained / block)),
            "leaving out the last block of a weight where it is shorter": right
            - 8 * (blocks - sum(count // block for count in kept)),
            "a shorter block for each weight, also where there is none": right
            + 8 * sum(count % block == 0 for count in kept),
        }
    return {"": right} | {words: value for words, value in found.items() if value != right}


def _fitting(answer: Answer, draw: Draw, recipe: Mapping[str, Any]) -> None:
    shapes, frozen = _weights(draw)
    three = {name: _two_owners((shapes, frozen), recipe["dtype"])[""][name] for name in ("weights", "gradients")}
    taken = sum(three.values()) + _states((shapes, frozen), recipe)[""]
    row, rows = draw.random.randrange(900, 2000), draw.random.randrange(20, 60)
    for more, fit in ((rows * row + row // 2, rows), (rows * row, rows), (row - 1, 0), (-5 * row, 0)):
        what = f"most_rows(shapes, frozen, recipe, {row}, {taken + more}), where the other three take {taken}"
        found = answer.call("most_rows", shapes, frozen, recipe, row, taken + more)
        others: dict[str, float] = {
            "less than nothing: it is 0 then": more // row,
            "more rows than fit: round down": math.ceil(more / row),
            "not rounding": more / row,
            "leaving out the other three": (taken + more) // row,
        }
        others = {words: value for words, value in others.items() if value != fit}
        mistakes.near(found, {"": fit} | others, what)


# q2: what forward saves


@exercise.question(
    "q2",
    title="What forward saves",
    points=4,
    difficulty=2,
    needs=("saved",),
    lesson=OWNERS + "#What forward saves",
    hints=(
        "The hook sees a tensor each time that one is saved. How do you know whether you have seen its "
        "storage before, and whether it is that of a weight?",
        "Go through the layers one by one, inside `with saved_tensors_hooks(pack, unpack):`, and let `pack` "
        "add to the count of the current layer. Keep a set of `tensor.untyped_storage().data_ptr()`, which "
        "begins with those of parameters and buffers. `pack` returns the tensor.",
        "Who brought which book first? Books of the library don't count:\n"
        "seen = set(library)\n"
        "for guest in guests:\n"
        "    brought.append(0)\n"
        "    for book in guest.books:\n"
        "        if book.number not in seen:\n"
        "            seen.add(book.number)\n"
        "            brought[-1] += book.pages",
    ),
)
def saved_by_forward(answer: Answer, draw: Draw) -> None:
    for title, make in SAVING.items():
        with part(title, points=1):
            for _ in range(2):
                rows = draw.random.randrange(5, 30)
                names = make(draw)
                found = answer.given(layers_of, kept_by).call("kept_by", names, rows, WIDTH)
                expect.true(found["calls"] == 1, "one call of each layer", f"{found['calls']}")
                what = f"saved(layers, inputs) of {', '.join(names)} for {rows} rows of {WIDTH} numbers"
                mistakes.numbers(found["made"], _saved(names, rows), what)


WIDTH = 12
ALONE = ("gelu", "silu", "softplus", "mish")  # each saves what it got
SAVING: dict[str, Callable[[Draw], list[str]]] = {
    "each layer its own": lambda draw: draw.sample(ALONE, 3),
    "a storage that two layers save": lambda draw: [
        *draw.sample(ALONE, 1), *draw.sample(("tanh", "sigmoid"), 1), *draw.sample(ALONE, 2), "tanh", "softplus"
    ],
    "the whole storage of a view": lambda draw: [
        *draw.sample(ALONE, 1), "shift", draw.random.choice(("half", "last")), *draw.sample(ALONE, 2)
    ],
    "weights and buffers left out": lambda draw: [
        "linear", *draw.sample(ALONE, 1), "norm", "tanh", "linear", "running", "mlp", "frozen"
    ],
}  # fmt: skip


def layers_of(names: list, width: int) -> Any:
    """The layers of these names, with random weights."""
    from torch import nn

    class View(nn.Module):
        def __init__(self, size: int) -> None:
            super().__init__()
            self.size = size

        def forward(self, inputs: Any) -> Any:
            return inputs[:, : self.size]

    class Shift(nn.Module):  # saves nothing, so that the view alone holds the storage of what it made
        def forward(self, inputs: Any) -> Any:
            return inputs + 1

    made = {
        "gelu": nn.GELU, "silu": nn.SiLU, "softplus": nn.Softplus, "mish": nn.Mish, "tanh": nn.Tanh,
        "sigmoid": nn.Sigmoid, "shift": Shift, "half": lambda: View(width // 2), "last": lambda: View(1),
        "linear": lambda: nn.Linear(width, width), "norm": lambda: nn.LayerNorm(width),
        "running": lambda: nn.BatchNorm1d(width).eval(),
        "frozen": lambda: nn.Linear(width, width).requires_grad_(False),
        "mlp": lambda: nn.Sequential(nn.Linear(width, 3 * width), nn.ReLU(), nn.Linear(3 * width, width)),
    }  # fmt: skip
    return nn.Sequential(*[made[name]() for name in names])


def kept_by(names: list, rows: int, width: int) -> dict:
    """What the learner's function says that these layers save, and how often it called the last one."""
    import torch

    layers, calls = layers_of(names, width), []
    layers[-1].register_forward_hook(lambda *given: calls.append(1))
    return {"made": saved(layers, torch.rand(rows, width, requires_grad=True)), "calls": len(calls)}


def _saved(names: Sequence[str], rows: int) -> dict[str, list[int]]:
    """{mistake: the bytes of each layer}, counted on a copy of the layers."""
    import torch

    layers = layers_of(list(names), WIDTH)
    made, places, seen = torch.rand(rows, WIDTH, requires_grad=True), [], []

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        seen.append((len(places) - 1, storage.data_ptr(), storage.nbytes(), tensor.nbytes, tensor))
        return tensor

    first = made.untyped_storage().data_ptr()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        for layer in layers:
            places.append(layer)
            made = layer(made)
    parameters = {weight.untyped_storage().data_ptr() for weight in layers.parameters()}
    buffers = {buffer.untyped_storage().data_ptr() for buffer in layers.buffers()}

    def summed(out: set[int], once: bool = True, view: bool = False, last: bool = False) -> list[int]:
        counts, had = [0] * len(names), set(out)
        for place, address, whole, shown, _ in reversed(seen) if last else seen:
            if address not in had:
                counts[place] += shown if view else whole
                if once:
                    had.add(address)
        return counts

    def by_layer() -> list[int]:
        counts, had = [0] * len(names), set()
        for place, address, whole, _, _ in seen:
            if address not in parameters | buffers and (place, address) not in had:
                had.add((place, address))
                counts[place] += whole
        return counts

    held = parameters | buffers
    right = summed(held)
    others = {
        "counting a storage each time that it is saved": summed(held, once=False),
        "counting a storage once for each layer that saves it": by_layer(),
        "counting a storage for the last layer that saves it, not for the first": summed(held, last=True),
        "the bytes of a view, where its whole storage is kept": summed(held, view=True),
        "the bytes of views, each time that one is saved": summed(held, once=False, view=True),
        "counting weights": summed(buffers),
        "counting buffers": summed(parameters),
        "counting weights and buffers": summed(set()),
        "counting weights, and a storage each time that it is saved": summed(set(), once=False),
        "leaving out the inputs": summed(held | {first}),
        "numbers, not bytes": [count // 4 for count in right],
    }
    return {"": right} | {words: value for words, value in others.items() if value != right}
