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
    forward: Any = None
    largest_batch: Any = None
    careful_step: Any = None
    train: Any = None

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
        found["4 bytes for each number, whatever the dtype"] = {
            "weights": 4 * every,
            "gradients": 4 * trained,
        }
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
        "states or copies in the dtype of the weights, not in float32": right
        + each * trained * (size - 4) // 4
        if each >= 4
        else right,
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
    three = {
        name: _two_owners((shapes, frozen), recipe["dtype"])[""][name] for name in ("weights", "gradients")
    }
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
        *draw.sample(ALONE, 1), *draw.sample(("tanh", "sigmoid"), 1), *draw.sample(ALONE, 2),
        "tanh", "softplus",
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
    made, places, seen = torch.rand(rows, WIDTH, requires_grad=True), list[Any](), list[tuple]()

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


# q3: forget, and compute again


@exercise.question(
    "q3",
    title="Forget, and compute again",
    points=4,
    difficulty=2,
    needs=("forward",),
    lesson=AGAIN + "#Block by block",
    hints=(
        "`checkpoint` takes a function and its arguments. What is that function for a segment of several "
        "blocks, and what must it not read from outside?",
        "Write an inner function that takes the blocks of one segment, `hidden` and `mask`, and runs them "
        "one after another. Call `checkpoint(run, segment, hidden, mask, use_reentrant=False)` for each "
        "segment; by default the random state is kept for the second time.",
        "Pages copied three at a time, by a machine that may have to do a batch again:\n"
        "def copied(pages, ink): ...\n"
        "for start in range(0, len(book), 3):\n"
        "    ink = machine(copied, book[start : start + 3], ink)",
    ),
)
def computed_again(answer: Answer, draw: Draw) -> None:
    cases = [(draw.random.choice((5, 7, 8)), size, draw.seed + size, size == 2) for size in (2, 3, 1, 50)]
    made = [answer.given(stacked, segmented).call("segmented", *case) for case in cases]
    with part("result and gradients", points=1):
        for case, found in zip(cases, made, strict=True):
            right = _stacked(*case, dropout=0.0)
            _same_step(found["plain"], right, f"{case[0]} blocks in segments of {case[1]}")
    with part("the same with dropout", points=1):
        for case, found in zip(cases, made, strict=True):
            right = _stacked(*case, dropout=0.3)
            words = f"{case[0]} blocks with dropout in segments of {case[1]}"
            _same_step(found["dropout"], right, words, cause=DRAWN)
            expect.true(found["noise"], "PyTorch's random state as without segments", "another one")
    with part("the calls of the blocks", points=1):
        for (blocks, size, *_), found in zip(cases, made, strict=True):
            what = f"the calls of each of {blocks} blocks in segments of {size}"
            expect.equal(found["calls"], [2] * blocks, f"{what}, in a step of training")
            expect.equal(found["without"], [1] * blocks, f"{what}, under torch.no_grad()")
    with part("the bytes that are kept", points=1):
        for (blocks, size, *_), found in zip(cases, made, strict=True):
            expect.true(
                found["plain"]["gradients"] is not None, "a step of training", "one without gradients"
            )
            most = math.ceil(blocks / size) * found["hidden"] + found["mask"]
            words = f"the bytes that the forward pass keeps of {blocks} blocks in segments of {size}"
            expect.at_most(found["kept"], most, words)


def stacked(blocks: int, seed: int, dropout: float, needed: bool) -> tuple:
    """Blocks that count their calls, and what goes into them."""
    import torch
    from torch import nn

    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.dropout, self.calls = nn.Linear(6, 6), nn.Dropout(dropout), 0

        def forward(self, hidden: Any, mask: Any) -> Any:
            self.calls += 1
            return hidden + self.dropout(torch.tanh(self.linear(hidden))) * mask

    torch.manual_seed(seed)
    made = nn.ModuleList(Counting() for _ in range(blocks))
    hidden = torch.randn(5, 6, requires_grad=needed)
    return made, hidden, torch.rand(5, 1)


def segmented(blocks: int, size: int, seed: int, needed: bool) -> dict:
    """What comes of the learner's forward pass, and what it kept."""
    import torch
    from torch.utils.checkpoint import CheckpointError

    found: dict[str, Any] = {}
    for name, dropout in (("plain", 0.0), ("dropout", 0.3)):
        made, hidden, mask = stacked(blocks, seed, dropout, needed)
        kept: dict[int, int] = {}
        held = {weight.untyped_storage().data_ptr() for weight in made.parameters()}

        def pack(tensor: Any, kept: dict = kept, held: set = held) -> Any:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in held:
                kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        torch.manual_seed(seed + 1)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            result = forward(made, hidden, mask, size)
        noise = torch.rand(3)
        if not result.requires_grad:
            found[name] = {"result": result, "gradients": None, "failed": ""}
        else:
            failed = ""
            try:
                result.square().sum().backward()
            except CheckpointError:
                failed = "CheckpointError"
            weights = [*made.parameters(), *([hidden] if needed else [])]
            gradients = [None if each.grad is None else each.grad.clone() for each in weights]
            found[name] = {"result": result.detach(), "gradients": gradients, "failed": failed}
            found[name]["calls"] = [block.calls for block in made]
        if name == "plain":
            found["kept"], found["calls"] = sum(kept.values()), [block.calls for block in made]
            found["hidden"], found["mask"] = hidden.nbytes, mask.nbytes
            for block in made:
                block.calls = 0
            with torch.no_grad():
                forward(made, hidden, mask, size)
            found["without"] = [block.calls for block in made]
        else:
            made, hidden, mask = stacked(blocks, seed, dropout, needed)
            torch.manual_seed(seed + 1)
            for block in made:
                hidden = block(hidden, mask)
            found["noise"] = bool((torch.rand(3) == noise).all())
    return found


def _stacked(blocks: int, size: int, seed: int, needed: bool, dropout: float) -> dict[str, Any]:
    """The step without segments."""
    import torch

    with torch.random.fork_rng(devices=[]):
        made, given, mask = stacked(blocks, seed, dropout, needed)
        torch.manual_seed(seed + 1)
        hidden = given
        for block in made:
            hidden = block(hidden, mask)
        hidden.square().sum().backward()
    weights = [*made.parameters(), *([given] if needed else [])]
    return {"result": hidden.detach(), "gradients": [weight.grad for weight in weights]}


def _same_step(found: Mapping[str, Any], right: Mapping[str, Any], words: str, cause: str = "") -> None:
    expect.all_close(found["result"], right["result"], f"the result of {words}", tolerance=1e-5)
    without = "one without: a checkpoint with use_reentrant=True gives none where its inputs need no gradient"
    expect.true(found["gradients"] is not None, f"a result of {words} that has a graph", without)
    expect.true(not found["failed"], f"a backward pass of {words}", f"a {found['failed']}: {CHANGED}")
    why = CHANGED if max(found["calls"]) > 2 else cause  # one segment was run in the place of others
    for one, other in zip(found["gradients"], right["gradients"], strict=True):
        expect.true(one is not None, f"a gradient of each weight, of {words}", "None")
        if why and not _alike(one, other):
            raise Failed(Rung.WRONG_VALUE, f"a gradient of {words} as without segments", f"another: {why}")
        expect.all_close(one, other, f"a gradient of {words}", tolerance=1e-4)


CHANGED = "does your function read a variable that has changed by the time of the backward pass?"
DRAWN = "is there drawn again what was drawn before (preserve_rng_state)?"


def _alike(one: Any, other: Any) -> bool:
    return bool(one.shape == other.shape and (one - other).abs().max() <= 1e-4)


# q4: where to cut


@exercise.question(
    "q4",
    title="Where to cut",
    points=3,
    difficulty=2,
    needs=("segment_peak", "best_size", "keep"),
    lesson=AGAIN + "#Segments, and a square root",
    hints=(
        "Which segments' inputs are still there when the first segment is computed again, and which when "
        "the last one is?",
        "For a segment that begins at `start`, `inputs[: start + 1 : size]` are the inputs of the segments "
        "up to it, and `inside[start : start + size]` is what its blocks save. For `keep`, "
        "`itertools.combinations(operators, n)` gives all sets of n names; there are 1024 of ten.",
        "The best bag of at most 20 kilograms:\n"
        "bags = [bag for n in range(5) for bag in itertools.combinations(things, n) if weight(bag) <= 20]\n"
        "best = max(bags, key=worth)",
    ),
)
def where_to_cut(answer: Answer, draw: Draw) -> None:
    with part("the peak", points=1):
        for _ in range(3):
            case = mistakes.telling(partial(_stack, draw), _peaks)
            found = answer.call("segment_peak", *case)
            mistakes.near(found, _peaks(case), f"segment_peak({', '.join(map(expect.show, case))})")
    with part("the best size", points=1):
        _best_well(answer, draw)
    with part("what is kept", points=1):
        for _ in range(2):
            operators, room = mistakes.telling(partial(_operators, draw), _keeps)
            found = answer.call("keep", operators, room)
            what = f"keep({expect.show(operators)}, {room})"
            expect.type_of(found, (set, list, tuple), what)
            names, keeps = sorted(found, key=str), _keeps((operators, room))
            wrong = f"{expect.show(names)}{mistakes.guess(names, keeps)}"
            expect.true(names == keeps[""], f"{what} to be {expect.show(keeps[''])}", wrong)


Stack = tuple[list[int], list[int], int]


def _stack(draw: Draw, equal: bool = False) -> Stack:
    count = draw.random.randrange(11, 17)
    if equal:  # all blocks alike, so that several sizes have the smallest peak
        return [size := draw.random.randrange(30, 40)] * count, [size] * count, 1
    inputs = [draw.random.randrange(20, 60) for _ in range(count)]
    return inputs, [draw.random.randrange(60, 200) for _ in inputs], draw.random.randrange(2, 5)


def _peak(inputs: list[int], inside: list[int], size: int, every: bool = False) -> int:
    sums = [
        sum(inputs[: None if every else start + 1 : size]) + sum(inside[start : start + size])
        for start in range(0, len(inputs), size)
    ]
    return max(sums)


def _peaks(case: Stack) -> dict[str, int]:
    inputs, inside, size = case
    starts = range(0, len(inputs), size)
    return {
        "": _peak(inputs, inside, size),
        "the inputs of all segments, also of those done with": _peak(inputs, inside, size, every=True),
        "the input of the segment alone, without those before it": max(
            inputs[start] + sum(inside[start : start + size]) for start in starts
        ),
        "the inputs of all blocks": max(
            sum(inputs[: start + size]) + sum(inside[start : start + size]) for start in starts
        ),
        "leaving out the inputs": max(sum(inside[start : start + size]) for start in starts),
        "leaving out the segment's own input": max(
            sum(inputs[:start:size]) + sum(inside[start : start + size]) for start in starts
        ),
        "leaving out the last segment where it is shorter": max(
            sum(inputs[: start + 1 : size]) + sum(inside[start : start + size])
            for start in range(0, len(inputs) - size + 1, size)
        ) - (len(inputs) % size == 0),
        "the sum of what all blocks save": sum(inputs[::size]) + sum(inside),
    }  # fmt: skip


def _best_well(answer: Answer, draw: Draw) -> None:
    """The size, and a mistake where it explains every answer: small numbers agree by chance."""
    cases = [mistakes.telling(partial(_stack, draw, equal), _bests) for equal in (False, False, False, True)]
    found = [answer.call("best_size", *case[:2]) for case in cases]
    tables = [_bests(case) for case in cases]
    pairs = list(zip(found, tables, strict=True))

    def fits(words: str) -> bool:  # what is a mistake with blocks alike alone is none elsewhere
        return all(
            mistakes.is_near(one, table.get(words, one if words in tables[0] else table[""]))
            for one, table in pairs
        )

    causes = {words for words in {**tables[0], **tables[-1]} if fits(words)}
    for case, (one, table) in zip(cases, pairs, strict=True):
        named = {words: value for words, value in table.items() if not words or words in causes}
        mistakes.near(one, named, f"best_size({expect.show(case[0])}, {expect.show(case[1])})")


def _bests(case: Stack) -> dict[str, int]:
    inputs, inside, _ = case
    peaks = {size: _peak(inputs, inside, size) for size in range(1, len(inputs) + 1)}
    right = max(size for size, found in peaks.items() if found == min(peaks.values()))
    others = {
        "the number of segments, not of blocks in one": math.ceil(len(inputs) / right),
        "the peak, not the size": peaks[right],
        "the size with the largest peak": max(reversed(peaks), key=lambda size: peaks[size]),
        "sizes that divide the number of blocks alone": min(
            (size for size in reversed(peaks) if len(inputs) % size == 0), key=lambda size: peaks[size]
        ),
    }
    root = round(math.sqrt(len(inputs)))
    if len(set(inputs)) > 1:
        others["the square root of the number of blocks, which is for equal blocks"] = root
        sizes = range(len(inputs), 0, -1)
        tables = {size: _peaks((inputs, inside, size)) for size in sizes}
        for words in list(tables[1])[1:6]:
            others[f"a peak with {words}"] = min(sizes, key=lambda size: tables[size][words])
    else:
        others["the smallest of several sizes with the smallest peak: it is the largest"] = min(
            size for size, found in peaks.items() if found == peaks[right]
        )
    return {"": right} | others


def _operators(draw: Draw) -> tuple[dict[str, tuple[int, int]], int]:
    names = draw.sample(("mm", "gelu", "softmax", "norm", "bmm", "add", "exp"), 6)
    made = {name: (draw.random.randrange(20, 900), draw.random.randrange(20, 90)) for name in names}
    return made, sum(size for _, size in made.values()) // 2


def _keeps(case: tuple[dict[str, tuple[int, int]], int]) -> dict[str, list[str]]:
    operators, room = case

    def greedy(value: Callable[[str], float]) -> list[str]:
        left, chosen = room, []
        for name in sorted(operators, key=value, reverse=True):
            if operators[name][1] <= left:
                left -= operators[name][1]
                chosen.append(name)
        return sorted(chosen)

    sets = [names for n in range(7) for names in itertools.combinations(sorted(operators), n)]
    worth = {
        names: sum(operators[name][0] for name in names)
        for names in sets
        if sum(operators[name][1] for name in names) <= room
    }
    best = max(worth, key=lambda names: worth[names])
    single = sum(found == worth[best] for found in worth.values()) == 1
    return {
        "": list(best),
        "taking the most FLOPs first": greedy(lambda name: operators[name][0]),
        "taking the most FLOPs for each byte first": greedy(
            lambda name: operators[name][0] / operators[name][1]
        ),
        "taking the fewest bytes first": greedy(lambda name: -operators[name][1]),
        "what is computed again, not what is kept": sorted(set(operators) - set(best)),
        "a draw with two best sets": [] if single else list(best),
    }


# q5: the largest batch


@exercise.question(
    "q5",
    title="The largest batch",
    points=4,
    difficulty=3,
    needs=("largest_batch",),
    lesson=BATCH + "#Double, then halve",
    hints=(
        "What did a failed step already change? And what do you know about 13 rows when 16 did not fit "
        "and 12 did?",
        "Keep deep copies of `model.state_dict()` and `optimizer.state_dict()` (they hold the tensors "
        "themselves) and `torch.get_rng_state()`, and load them in a `finally` after each try. Double "
        "`high` while it fits, then halve the gap between the largest that fits and the smallest that does "
        "not; `most + 1` counts as one that does not.",
        "How many books does the shelf carry? Try 1, 2, 4, 8: it bends at 8. Between 4 and 8: try 6, it "
        "holds; try 7, it bends: 6. And put the books back each time.",
    ),
)
def largest(answer: Answer, draw: Draw) -> None:
    most = draw.random.randrange(100, 200)
    rows = [draw.random.randrange(33, 60), 0, 1, most, draw.random.randrange(67, 97), 5]
    cases = [(fit, most, None, draw.seed) for fit in rows]
    cases.append((3, 3, None, draw.seed))
    made = [answer.given(searched).call("searched", *case) for case in cases]
    with part("the largest that fits", points=1):
        for (fit, limit, *_), found in zip(cases, made, strict=True):
            what = f"largest_batch(model, optimizer, step, {limit}) where {fit} rows fit"
            expect.equal(found["made"], fit, what)
    with part("few tries, and none that is far too large", points=1):
        for (fit, limit, *_), found in zip(cases, made, strict=True):
            tries = found["tried"]
            expect.true(bool(tries), "step to be tried", "no try")
            words = f"the number of tries where {fit} of {limit} rows fit ({expect.show(tries)})"
            expect.at_most(len(tries), max(1, 2 * fit.bit_length()), words)
            done = 0
            for each in tries:
                largest = max(1, min(2 * done, limit))
                why = " (that is `most`)" if largest == limit else ""
                what = f"a try of at most {largest} rows{why} when {done} have fitted"
                expect.true(1 <= each <= largest, what, f"{each} rows")
                done = max(done, each) if each <= fit else done
    with part("other exceptions are passed on", points=1):
        for kind in ("RuntimeError", "ValueError"):
            found = answer.given(searched).call("searched", 100, most, kind, draw.seed)
            came = f"a {found['raised']}" if found["raised"] else "none: it was swallowed"
            what = f"the {kind} that step raises at 4 rows to be passed on"
            expect.true(found["raised"] == kind, what, came)
            made.append(found)
    with part("all is as it was", points=1):
        for found in made:
            when = f"after a {found['raised']}" if found["raised"] else "after the search"
            for name, words in KEPT.items():
                expect.true(found["kept"][name], f"{words} as before, {when}", ANOTHER.get(name, "another"))


KEPT = {
    "weights": "the weights", "buffers": "the buffers", "state": "the optimizer's state",
    "gradients": "the gradients (none)", "noise": "PyTorch's random state",
}  # fmt: skip


ANOTHER = {
    "weights": "others: state_dict() does not copy the tensors",
    "buffers": "others: state_dict() does not copy the tensors",
    "state": "another: state_dict() and load_state_dict() of an optimizer do not copy the tensors, so each "
    "loading needs a copy of its own",
}


def searched(fit: int, most: int, kind: Any, seed: int) -> dict:
    """The learner's search with a played budget; `kind` is another exception, from 4 rows on."""
    import builtins
    import copy

    import torch

    def trained(rows: int) -> None:
        hidden = torch.nn.functional.dropout(net[1](net[0](torch.randn(rows, 3))), 0.5)
        net[2](hidden).square().mean().backward()

    torch.manual_seed(seed)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    if fit % 2:  # one has trained before, the other has not
        trained(4)
        optimizer.step()
        optimizer.zero_grad()
    tried = []

    def step(rows: int) -> None:
        tried.append(int(rows))
        trained(max(2, min(int(rows), 8)))
        if kind and rows >= 4:
            raise getattr(builtins, kind)("played: no matter of memory")
        if rows > fit:
            raise torch.OutOfMemoryError("played: out of memory")
        optimizer.step()

    before = copy.deepcopy((net.state_dict(), optimizer.state_dict()["state"]))
    noise, made, raised = torch.get_rng_state(), None, None
    try:
        made = largest_batch(net, optimizer, step, most)
    except NotImplementedError:
        raise
    except Exception as error:
        raised = type(error).__name__
    same = {name: bool(torch.equal(each, before[0][name])) for name, each in net.state_dict().items()}
    state, old = optimizer.state_dict()["state"], before[1]
    flat = [
        [float(number) for values in some.values() for each in values.values() for number in each.flatten()]
        for some in (state, old)
    ]
    kept = {
        "weights": all(value for name, value in same.items() if ".running" not in name and "num" not in name),
        "buffers": all(value for name, value in same.items() if ".running" in name or "num" in name),
        "state": state.keys() == old.keys() and flat[0] == flat[1],
        "gradients": all(weight.grad is None for weight in net.parameters()),
        "noise": bool(torch.equal(noise, torch.get_rng_state())),
    }
    return {"made": made, "tried": tried, "raised": raised, "kept": kept}


# q6: in pieces


@exercise.question(
    "q6",
    title="The same step in pieces",
    points=4,
    difficulty=2,
    needs=("careful_step",),
    lesson=BATCH + "#The same step from small batches",
    hints=(
        "A piece of 2 rows and one of 8: how much does each count in the mean over 10 rows? And what is in "
        "`.grad` when the third piece fails?",
        "Inside `while True`: clear the gradients, go through `rows.split(size)`, and call backward on each "
        "piece's loss times its share of the rows. On `torch.OutOfMemoryError` clear again and halve; on "
        "anything else clear and raise. `optimizer.step()` comes after the last piece.",
        "The mean age of two classes, 20 pupils of 7.5 years and 5 of 9: 7.5 · 20/25 + 9 · 5/25 = 7.8, "
        "and not 8.25.",
    ),
)
def in_pieces(answer: Answer, draw: Draw) -> None:
    count = draw.random.choice((13, 15, 17))

    def stepped(size: int, fit: int, place: str, kind: str = "", stale: bool = False) -> dict:
        made = answer.given(pieced).call("pieced", count, size, fit, place, kind, stale, draw.seed)
        found: dict = made
        return found

    with part("a step in uneven pieces", points=1):
        for size, stale in ((4, False), (6, True), (50, True), (1, False)):
            _one_step(stepped(size, 99, "forward", stale=stale), size, size, count, draw.seed)
    with part("a try that failed does not count", points=1):
        for size, fit, place in ((12, 3, "backward"), (11, 3, "forward"), (9, 4, "later")):
            _one_step(stepped(size, fit, place), None, _halved(size, fit), count, draw.seed)
    with part("the size that went through, with its loss", points=1):
        # one size is larger than the number of rows, and half of it counts, not half of that number
        larger = next(size for size in (100, 20) if _halved(size, 3) != _halved(count, 3))
        for size, fit in ((12, 3), (11, 3), (9, 4), (7, 2), (3, 3), (larger, 3)):
            found, right = stepped(size, fit, "backward"), _halved(size, fit)
            what = f"careful_step(optimizer, loss_of, rows, {size}) where {fit} rows fit"
            expect.each_of(found["made"], (int, float), what)
            expect.length(found["made"], 2, what)
            wrong = f"the size in {what} and {count} rows are given"
            expect.equal(found["made"][1], right, wrong)
            loss = _piecewise(count, draw.seed)["loss"]
            expect.close(found["made"][0], loss, f"the loss in {what}", tolerance=1e-5)
    with part("what can't be helped is passed on, and leaves nothing behind", points=1):
        for fit, kind in ((0, "OutOfMemoryError"), (99, "ValueError"), (99, "RuntimeError")):
            found = stepped(5, fit, "backward", kind if fit else "")
            one = _one(kind)
            came = _one(found["raised"]) if found["raised"] else "none: it was swallowed"
            what = f"the exception where {fit} rows fit and {one} comes to be passed on"
            expect.true(found["raised"] == kind, what, came)
            expect.true(found["same"], f"unchanged weights after {one}", "others")
            expect.true(found["cleared"], f"no gradient after {one}", "gradients")


def _one(kind: str) -> str:
    return f"an {kind}" if kind[0] in "AEIOU" else f"a {kind}"


def _halved(size: int, fit: int) -> int:
    """The size that goes through where so many rows fit."""
    while size > fit:
        size //= 2
    return size


def pieced(count: int, size: int, fit: int, place: str, kind: str, stale: bool, seed: int) -> dict:
    """One step by the learner's function; what doesn't fit fails forward, backward or in a later piece."""
    import builtins

    import torch

    torch.manual_seed(seed)
    first, second = torch.nn.Linear(4, 5), torch.nn.Linear(5, 2)
    weights = [*first.parameters(), *second.parameters()]
    rows, seen = torch.randn(count, 4), []
    before = [weight.detach().clone() for weight in weights]
    if stale:
        for weight in weights:
            weight.grad = torch.ones_like(weight)

    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, hidden: Any) -> Any:
            return hidden.clone()

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> Any:
            raise (getattr(builtins, kind) if kind else torch.OutOfMemoryError)("played")

    def loss_of(piece: Any) -> Any:
        seen.append(len(piece))
        fails = len(piece) > fit or bool(kind and len(seen) == 2)
        if fails and place == "forward":
            raise torch.OutOfMemoryError("played: out of memory")
        hidden = torch.tanh(first(piece))
        if fails and (place == "backward" or len(seen) > 1):
            hidden = Fails.apply(hidden)
        return second(hidden).square().sum(1).mean()

    class CountingSGD(torch.optim.SGD):
        steps = 0

        def step(self, *given: Any) -> Any:
            self.steps += 1
            return super().step(*given)

    optimizer, made, raised = CountingSGD(weights, lr=0.1), None, None
    try:
        made = careful_step(optimizer, loss_of, rows, size)
    except NotImplementedError:
        raise
    except Exception as error:
        raised = type(error).__name__
    return {
        "made": made, "raised": raised, "steps": optimizer.steps, "pieces": seen,
        "weights": [weight.detach() for weight in weights],
        "same": all(bool((one == two).all()) for one, two in zip(weights, before, strict=True)),
        "cleared": all(weight.grad is None for weight in weights),
    }  # fmt: skip


def _piecewise(count: int, seed: int, mistake: str = "", size: int = 0) -> dict[str, Any]:
    """The step on all rows at once, or a mistake with pieces of this size."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        first, second = torch.nn.Linear(4, 5), torch.nn.Linear(5, 2)
        rows = torch.randn(count, 4)
    weights = [*first.parameters(), *second.parameters()]
    losses = second(torch.tanh(first(rows))).square().sum(1)
    pieces = losses.split(size or count)
    loss = {
        "": losses.mean(),
        PIECES[0]: torch.stack([piece.mean() for piece in pieces]).mean(),
        PIECES[1]: torch.stack([piece.mean() for piece in pieces]).sum(),
        PIECES[2]: losses.sum(),
        PIECES[3]: pieces[-1].mean(),
    }[mistake]
    loss.backward()
    return {"loss": loss.item(), "weights": [weight.detach() - 0.1 * weight.grad for weight in weights]}


PIECES = (
    "the mean of the pieces' means: a row of a small piece counts for more",
    "the sum of the pieces' means",
    "the sum over the rows",
    "the last piece alone",
)


def _one_step(found: Mapping[str, Any], size: int | None, through: int, count: int, seed: int) -> None:
    """`size`: of the pieces, where all of them fit; `through`: the size that goes through."""
    expect.true(found["raised"] is None, "a step without an exception", _one(f"{found['raised']}"))
    expect.equal(found["steps"], 1, "the number of steps of the optimizer")
    if size is not None:
        sizes = [min(size, count - start) for start in range(0, count, size)]
        expect.equal(found["pieces"], sizes, f"the sizes of the pieces of {count} rows")
    right = _piecewise(count, seed)["weights"]
    if _all_alike(found["weights"], right):
        return
    words = f"the weights after a step on the mean loss of all {count} rows, in pieces of {through}"
    for mistake in PIECES:
        if _all_alike(found["weights"], _piecewise(count, seed, mistake, through)["weights"]):
            raise Failed(Rung.WRONG_VALUE, words, f"others: that comes of {mistake}")
    raise Failed(Rung.WRONG_VALUE, words, "others")


def _all_alike(some: Sequence[Any], others: Sequence[Any]) -> bool:
    return all(bool((a - b).abs().max() <= 1e-5) for a, b in zip(some, others, strict=True))


# q7: a history of allocations


@exercise.question(
    "q7",
    title="A history of allocations",
    points=4,
    difficulty=2,
    needs=("peak", "leaks"),
    lesson=LEAK + "#A history of allocations",
    hints=(
        "A `free_completed` names an address and no place. What must you have written down when the address "
        "was given?",
        "Keep a dict from address to (place, size), and a Counter of the bytes of each place; look at their "
        "sum after each event, and copy the Counter at the end of each step. Then compare each step's end "
        "with the next one's, for each place.",
        "Who has books out of the library? A return slip has the book's number alone:\n"
        "out[number] = reader\n"
        "...\n"
        "count[out.pop(number)] -= 1",
    ),
)
def history(answer: Answer, draw: Draw) -> None:
    steps, warm_up = mistakes.telling(partial(_history, draw), _telling_both)
    found = answer.call("peak", steps)
    expect.type_of(found, (tuple, list), "peak(steps)")
    expect.length(found, 2, "peak(steps)")
    grown = answer.call("leaks", steps, warm_up)
    what = f"leaks(steps, {warm_up})"
    expect.type_of(grown, dict, what)
    with part("the bytes at the peak", points=1):
        answers = {words: made[0] for words, made in _peaks_of(steps).items()}
        mistakes.near(found[0], answers, "the bytes in peak(steps)")
    with part("who holds them", points=1):
        places = {words: made[1] for words, made in _peaks_of(steps).items()}
        expect.type_of(found[1], dict, "the places in peak(steps)")
        held = {name: size for name, size in found[1].items() if size != 0}
        mistakes.table(held, places, "the places in peak(steps)")
    growing = _leaks_of(steps, warm_up)
    with part("who leaks", points=1):
        names = {words: sorted(made) for words, made in growing.items()}
        wrong = f"{expect.show(sorted(grown, key=str))}{mistakes.guess(sorted(grown, key=str), names)}"
        expect.true(sorted(grown, key=str) == names[""], f"the places in {what} to be {names['']}", wrong)
    with part("how much a step", points=1):
        mistakes.table(grown, growing, what)


Events = list[list[dict[str, Any]]]


def _history(draw: Draw) -> tuple[Events, int]:
    """Steps of a loop: what is given back in the step, what is replaced, what grows or only seems to."""
    count, warm_up = draw.random.randrange(8, 11), 2
    lines = iter(draw.sample(range(3, 90), 9))
    places = {
        name: (draw.random.choice(("train.py", "model.py")), next(lines))
        for name in ("work", "leak", "slow leak", "cache", "pause", "waves", "kept", "swapped")
    }
    size = {name: draw.random.randrange(2000, 4000) for name in places}
    free_places, steps, held = list(range(4096, 4096 + 64 * 400, 64)), [], defaultdict(list)
    events: list[dict[str, Any]] = []

    def give(name: str, size: int) -> None:
        address = free_places.pop(0)
        own = {"filename": places[name][0], "line": places[name][1]}
        inner = {
            "filename": "/venv/site-packages/torch/nn/functional.py",
            "line": draw.random.randrange(2000),
        }
        outer = {"filename": "main.py", "line": 5}
        frames = draw.random.choice(([inner, own, outer], [own, outer], [inner, inner, own, inner, outer]))
        events.append({"action": "alloc", "addr": address, "size": size, "frames": frames})
        held[name].append((address, size))

    def take(name: str, ask: bool = True) -> None:
        address, size = held[name].pop(0)
        gone = {"addr": address, "size": size, "frames": []}
        events.append({"action": "free_requested", **gone})
        if draw.random.random() < 0.5:  # asked for, and given back only after the next one was allocated
            give("work", size // 2)
        events.append({"action": "free_completed", **gone})
        free_places.insert(0, address)

    peak_at = draw.random.randrange(3, count - 2)
    for number in range(count):
        events = []
        if number == 0:
            old = {"addr": 64, "size": 9000, "frames": []}
            events.append({"action": "free_completed", **old})
            give("kept", size["kept"])
        if number in (1, 4):
            frames = [{"filename": "main.py", "line": 5}]
            events.append({"action": "segment_alloc", "addr": 64 * number, "size": 50_000, "frames": frames})
        give("leak", size["leak"] + draw.random.randrange(300))
        give("swapped", size["swapped"])
        for _ in range(3):
            give("work", size["work"] * (3 if number == peak_at else 1))
        give("slow leak", draw.random.randrange(60, 90))
        if number < warm_up or (number == warm_up):
            give("cache", size["cache"])
        if number != count - 3:
            give("pause", size["pause"])
        if number % 3:
            give("waves", size["waves"])
        elif held["waves"]:
            take("waves")
        while held["work"]:
            take("work")
            if len(held["work"]) and draw.random.random() < 0.05:
                break
        while held["work"]:
            address, some = held["work"].pop(0)
            events.append({"action": "free_completed", "addr": address, "size": some, "frames": []})
            free_places.insert(0, address)
        if number:
            address, some = held["swapped"].pop(0)
            events.append({"action": "free_completed", "addr": address, "size": some, "frames": []})
            free_places.append(address)
        steps.append(events)
    steps.insert(draw.random.randrange(1, warm_up + 1), [])  # a step without events, within the warm-up
    return steps, warm_up + 1


PLACES = (
    "the innermost frame, also where it is the library's",
    "the outermost frame",
    "the file without its line",
)
FREES = (
    "giving back at free_requested: until it is completed, the bytes are in use",
    "giving back at free_requested already: until it is completed, the bytes are in use",
)
MORE = ("counting segments as well", "never giving back")


def _walked(steps: Events, mistake: str = "") -> list[tuple[int, dict[str, int]]]:
    """(step, bytes of each place) after each event."""
    held: dict[int, tuple[str, int]] = {}
    totals: Counter[str] = Counter()
    found: list[tuple[int, dict[str, int]]] = []
    gone = {FREES[0]: ("free_requested",), FREES[1]: ("free_requested", "free_completed")}
    for number, events in enumerate(steps):
        found.append((number, dict(found[-1][1]) if found else {}))  # as the step before left it
        for event in events:
            frames, address = event["frames"], event["addr"]
            if event["action"] == "alloc" or (event["action"] == "segment_alloc" and mistake == MORE[0]):
                own = [each for each in frames if "site-packages" not in each["filename"]]
                frame = frames[0] if mistake == PLACES[0] else frames[-1] if mistake == PLACES[1] else own[0]
                name = frame["filename"] if mistake == PLACES[2] else f"{frame['filename']}:{frame['line']}"
                held[address] = (name, event["size"])
                totals[name] += event["size"]
            elif event["action"] in gone.get(mistake, ("free_completed",)) and address in held:
                if mistake == MORE[1]:
                    continue
                name, size = held.pop(address)
                totals[name] -= size
            found.append((number, {name: size for name, size in totals.items() if size}))
    return found


def _peaks_of(steps: Events) -> dict[str, tuple[int, dict[str, int]]]:
    def largest(states: list[dict[str, int]]) -> tuple[int, dict[str, int]]:
        places = max(states, key=lambda places: sum(places.values()))
        return sum(places.values()), places

    found = {
        mistake: largest([places for _, places in _walked(steps, mistake)])
        for mistake in ("", *PLACES, *FREES, *MORE)
    }
    ends = list(dict(_walked(steps)).values())
    found["looking at the ends of steps alone"] = largest(ends)
    names = sorted({name for _, places in _walked(steps) for name in places})
    most = {name: max(places.get(name, 0) for _, places in _walked(steps)) for name in names}
    found["the largest of each place, whenever it was"] = (found[""][0], most)
    return found


def _leaks_of(steps: Events, warm_up: int) -> dict[str, dict[str, float]]:
    def grown(
        mistake: str = "", begin: int = warm_up, always: bool = True, more: int = 0
    ) -> dict[str, float]:
        ends = list(dict(_walked(steps, mistake)).values())[begin:]
        found = {}
        for place in ends[-1]:
            sizes = [end.get(place, 0) for end in ends]
            pairs = list(itertools.pairwise(sizes))
            if all(later > earlier for earlier, later in pairs) if always else sizes[-1] > sizes[0]:
                found[place] = (sizes[-1] - sizes[0]) / (len(pairs) + more)
        return found

    found = {
        "": grown(),
        "the last step compared with the first alone": grown(always=False),
        "dividing by the number of steps, not by the steps between": grown(more=1),
        "dividing by all steps, those of the warm-up as well": grown(more=1 + warm_up),
        "leaving out one step too few": grown(begin=warm_up - 1),
        "leaving out no step": grown(begin=0),
        "leaving out one step too many, or not counting a step without events": grown(begin=warm_up + 1),
        "the whole growth, not that of a step": {
            name: each * (len(steps) - warm_up - 1) for name, each in grown().items()
        },
    }
    return found | {mistake: grown(mistake) for mistake in (*PLACES, MORE[1])}


def _telling_both(case: tuple[Events, int]) -> dict[str, Any]:
    """What each mistake changes: the peak, its places or the leaks."""
    steps, warm_up = case
    peaks, leaking = _peaks_of(steps), _leaks_of(steps, warm_up)
    found: dict[str, Any] = {words: [*made] for words, made in peaks.items()}
    right = found.pop("")
    found |= {f"leaks, {words}": [*right, made] for words, made in leaking.items() if words}
    for words in FREES:
        found[f"the peak in bytes, {words}"] = [
            *(right if peaks[words][0] == peaks[""][0] else []), leaking[""]
        ]  # fmt: skip
    return {"": [*right, leaking[""]], **{words: [*made, leaking[""]][:3] for words, made in found.items()}}


# q8: what keeps too much


@exercise.question(
    "q8",
    title="Mend what keeps too much",
    points=4,
    difficulty=2,
    needs=("train",),
    lesson=LEAK + "#Three leaks",
    hints=(
        "What hangs on a tensor that has a graph? And how many hooks does the layer have after ten steps?",
        "Put numbers into the lists at once, by `.item()`. Register one hook before the loop, let it take "
        "the mean in training alone, and remove it at the end. Evaluate under `torch.no_grad()`.",
        "A guest book, not a guest room: write down the name, and let the guest go.\n"
        "names.append(guest.name)          # not: guests.append(guest)",
    ),
)
def too_much(answer: Answer, draw: Draw) -> None:
    cases = {"plain": (False, False), "watch": (False, True), "tests": (True, False), "both": (True, True)}
    made = {
        name: answer.given(net_of, kept_alive).call("kept_alive", draw.seed, *case)
        for name, case in cases.items()
    }
    with part("the same results", points=1):
        for name, case in cases.items():
            _same_training(made[name], draw.seed, *case)
            words = "the model in the mode in which it was, after train"
            expect.true(made[name]["training"], words, "the other one")
    with part("losses without their graphs", points=1):
        _same_training(made["plain"], draw.seed, *cases["plain"])
        _no_more(made["plain"]["graphs"])
    with part("a layer that is watched", points=1):
        _same_training(made["watch"], draw.seed, *cases["watch"])
        _no_more(made["watch"]["graphs"], made["plain"]["graphs"], " while a layer is watched")
        sizes = made["watch"]["bytes"]
        words = "the growth of the bytes of living tensors while a layer is watched, for each step,"
        expect.at_most(_grown(sizes) / (len(sizes) - 2), 512, words)
        expect.equal(
            made["watch"]["hooks"], 1, "the number of hooks of the layer after train (it had 1 before)"
        )
    with part("an evaluation that keeps nothing", points=1):
        _same_training(made["tests"], draw.seed, *cases["tests"])
        saved_there = made["tests"]["saved"]
        came = f"one that saves {saved_there} tensors for a backward pass"
        expect.true(saved_there == 0, "an evaluation without a graph", came)
        _no_more(made["tests"]["graphs"], made["plain"]["graphs"], " while one evaluates")


def _grown(counts: Sequence[int]) -> int:
    return counts[-1] - counts[1]


def _no_more(counts: Sequence[int], without: Sequence[int] = (0, 0), when: str = "") -> None:
    """No more than without it are alive when the last step begins than when the second did."""
    more = _grown(counts) - max(0, _grown(without))
    what = f"as many living tensors with a graph{when} when the last step begins as when the second did"
    expect.true(more <= 0, what, f"{more} more; when each step begins: {[*counts]}")


def net_of(seed: int) -> tuple:
    """A net, batches and tests."""
    import torch

    torch.manual_seed(seed)
    net = torch.nn.Sequential(
        torch.nn.Linear(5, 24), torch.nn.Tanh(), torch.nn.Dropout(0.25), torch.nn.Linear(24, 1)
    )
    rows = [(torch.randn(16, 5), torch.randn(16, 1)) for _ in range(7)]
    return net, rows[:6], rows[6]


def kept_alive(seed: int, evaluates: bool, watches: bool) -> dict:
    """The learner's training, and what was alive at the beginning of each step."""
    import gc

    import torch

    net, rows, tests = net_of(seed)
    graphs, sizes, saved_there = [], [], []

    def look() -> None:
        tensors = [each for each in gc.get_objects() if issubclass(type(each), torch.Tensor)]
        graphs.append(sum(each.grad_fn is not None for each in tensors))
        shown = [each for each in tensors if each.layout is torch.strided and each.device.type == "cpu"]
        storages = [each.untyped_storage() for each in shown]
        sizes.append(sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values()))

    def batches() -> Any:
        for inputs, targets in rows:
            look()
            yield inputs, targets

    def pack(tensor: Any) -> Any:
        if not net.training:
            saved_there.append(1)
        return tensor.detach()  # a node that holds its own result would keep its graph alive

    net[1].register_forward_hook(lambda *given: None)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    more = ({"tests": tests} if evaluates else {}) | ({"watch": 1} if watches else {})
    gc.freeze()  # what there was before needs no look at each step
    try:
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            made = train(net, optimizer, batches(), **more)
    finally:
        gc.unfreeze()
    return {
        "made": made, "graphs": graphs, "bytes": sizes, "saved": len(saved_there), "training": net.training,
        "hooks": len(net[1]._forward_hooks), "weights": [weight.detach() for weight in net.parameters()],
    }  # fmt: skip


def _same_training(found: Mapping[str, Any], seed: int, evaluates: bool, watches: bool) -> None:
    """Lists and weights are those that the colleague's function gives."""
    import torch

    right: dict[str, list[float]] = {"losses": [], "scores": [], "means": []}
    with torch.random.fork_rng(devices=[]):
        net, rows, tests = net_of(seed)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for inputs, targets in rows:
            watched = net[1](net[0](inputs))
            loss = torch.nn.functional.mse_loss(net[3](net[2](watched)), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            right["losses"].append(loss.item())
            if watches:
                right["means"].append(watched.mean().item())
            if evaluates:
                with torch.no_grad():
                    made = net[3](net[1](net[0](tests[0])))
                right["scores"].append(torch.nn.functional.l1_loss(made, tests[1]).item())
    expect.keys(found["made"], right, "what train returns")
    for name, some in right.items():
        expect.each_of(found["made"][name], (int, float), f"train(…)[{name!r}]")
        expect.all_close(list(found["made"][name]), some, f"train(…)[{name!r}]", tolerance=1e-5)
    for one, other in zip(found["weights"], net.parameters(), strict=True):
        expect.all_close(one, other.detach(), "a weight after train", tolerance=1e-5)


# q9: what each rank holds


@exercise.question(
    "q9",
    title="What each rank holds",
    points=3,
    difficulty=2,
    needs=("rank_bytes", "whole", "row_shares"),
    lesson=SHARDED + "#Three stages",
    hints=(
        "Which of 2, 2 and 12 is divided at stage 1, which at stage 2? And what does the last of four ranks "
        "get of five rows, if the others take two each?",
        "`whole`: sort by size, largest first, and add each to `held[held.index(min(held))]`. `row_shares`: "
        "rank k takes `min(each, first - k * each)` rows, and nothing if that is below 0; a row has the "
        "product of the other sides.",
        "Eleven apples for four children, as many each as would do if there were enough: 3, 3, 3 and 2. Nine "
        "apples: 3, 3, 3 and none.",
    ),
)
def ranks(answer: Answer, draw: Draw) -> None:
    with part("the stages", points=1):
        weights, count = draw.random.randrange(10**6, 10**9), draw.random.choice((3, 6, 8, 12))
        for stage in draw.sample(range(4), 4):
            found = answer.call("rank_bytes", weights, count, stage)
            what = f"rank_bytes({weights}, {count}, {stage})"
            mistakes.near(found, _stages(weights, count, stage), what)
    with part("weights given away as a whole", points=1):
        for count in (2, 3, 5):
            sizes = mistakes.telling(partial(_sizes, draw), partial(_wholes, count=count))
            found = answer.call("whole", sizes, count)
            mistakes.numbers(found, _wholes(sizes, count), f"whole({sizes}, {count})")
    with part("weights cut into rows", points=1):
        for count in (4, 3, 7):
            shapes = mistakes.telling(partial(_shapes, draw, count), partial(_rows, count=count))
            found = answer.call("row_shares", shapes, count)
            mistakes.numbers(found, _rows(shapes, count), f"row_shares({shapes}, {count})")


def _stage(weights: int, count: int, stage: int) -> float:
    each = (2, 2, 12)
    return sum(
        size * weights / (count if stage >= first else 1) for size, first in zip(each, (3, 2, 1), strict=True)
    )


def _stages(weights: int, count: int, stage: int) -> dict[str, float]:
    right = _stage(weights, count, stage)
    others = {
        "everything shared at each stage": 16 * weights / count if stage else 16 * weights,
        "sharing weights first and the optimizer last": weights
        * sum(
            size / (count if stage >= first else 1) for size, first in zip((2, 2, 12), (1, 2, 3), strict=True)
        ),
        "leaving out the sharing": 16 * weights,
        "one stage less": _stage(weights, count, max(0, stage - 1)),
        "one stage more": _stage(weights, count, stage + 1),
        "8 bytes in the optimizer: the copy in float32 is there as well": right
        - 4 * weights / (count if stage else 1),
        "the bytes of all ranks together": right * count,
    }
    return {"": right} | {
        words: value for words, value in others.items() if not mistakes.is_near(value, right)
    }


def _sizes(draw: Draw) -> list[int]:
    return [draw.random.randrange(20, 400) for _ in range(9)] + [draw.random.randrange(500, 700)]


def _given(sizes: Sequence[int], count: int, last: bool = False, turns: bool = False) -> list[int]:
    held = [0] * count
    for number, size in enumerate(sizes):
        least = [rank for rank in range(count) if held[rank] == min(held)]
        held[number % count if turns else least[-1 if last else 0]] += size
    return held


def _wholes(sizes: Sequence[int], count: int) -> dict[str, list[float]]:
    ordered = sorted(sizes, reverse=True)
    even = [sum(sizes) / count] * count
    found: dict[str, list[float]] = {"": [*_given(ordered, count)]}
    found["giving them away in the order in which they came"] = [*_given(sizes, count)]
    found["giving the smallest away first"] = [*_given(ordered[::-1], count)]
    found["one after the other to each rank in turn"] = [*_given(ordered, count, turns=True)]
    found["the rank with the highest number, where several have the fewest"] = [
        *_given(ordered, count, last=True)
    ]
    found["equal shares, for which weights would have to be cut"] = even
    return found


def _shapes(draw: Draw, count: int) -> list[tuple[int, ...]]:
    narrow = (count + 1, draw.random.randrange(3, 9))  # two rows each, and none for the last ones
    some = [(draw.random.randrange(2 * count, 9 * count), draw.random.randrange(3, 30)) for _ in range(2)]
    return [
        *some,
        narrow,
        (draw.random.randrange(1, count),),
        (3 * count + 1, 2, draw.random.randrange(2, 5)),
    ]


def _rows(shapes: Sequence[tuple[int, ...]], count: int) -> dict[str, list[float]]:
    def cut(shares: Callable[[int], list[int]], row: Callable[[tuple[int, ...]], int]) -> list[float]:
        found = [0.0] * count
        for shape in shapes:
            for rank, some in enumerate(shares(shape[0])):
                found[rank] += some * row(shape)
        return found

    def right(first: int) -> list[int]:
        each = math.ceil(first / count)
        return [max(0, min(each, first - rank * each)) for rank in range(count)]

    def even(first: int) -> list[int]:
        return [first // count + (rank < first % count) for rank in range(count)]

    def row(shape: tuple[int, ...]) -> int:
        return math.prod(shape[1:])

    total = sum(map(math.prod, shapes))
    flat = math.ceil(total / count)
    return {
        "": cut(right, row),
        "shares that differ by one row at most": cut(even, row),
        "the same number of rows for each rank, as if weights were padded": cut(
            lambda first: [math.ceil(first / count)] * count, row
        ),
        "giving the rest to the last rank": cut(
            lambda first: [first // count] * (count - 1) + [first - first // count * (count - 1)], row
        ),
        "rounding down": cut(lambda first: [first // count] * count, row),
        "rows, not the numbers in them": cut(right, lambda shape: 1),
        "equal shares of all numbers": [total / count] * count,
        "one long row of all numbers": [max(0, min(flat, total - rank * flat)) for rank in range(count)],
        "counting what a rank lacks as less than nothing": cut(
            lambda first: [
                min(math.ceil(first / count), first - rank * math.ceil(first / count))
                for rank in range(count)
            ],
            row,
        ),
    }


# q10 and q11


FOUND = {"length": True, "relu": True, "first": False, "state": False, "segments": False, "losses": False}


@exercise.question(
    "q10",
    title="Predict, then measure",
    points=2,
    difficulty=1,
    needs=("predictions",),
    lesson=OWNERS + "#Batch and length",
    hints=(
        "For each: which gradient needs which number? What nobody needs any more is not kept.",
        "A linear layer's weight gradient needs the layer's input; the gradient that it passes on needs its "
        "weight. A checkpointed block is called once forward and once more in the backward pass.",
        "A shopping list is thrown away when the shopping is done; the bill stays, and takes no room.",
    ),
)
def predicted(answer: Answer, draw: Draw) -> None:
    lessons = "lessons 22.1 (length, relu, first, state), 22.2 (segments) and 22.4 (losses)"
    six_predictions(answer, FOUND, f"the number of right predictions, about {lessons},")


exercise.manual(
    "q11",
    title="It does not fit",
    points=4,
    lesson=BATCH + "#In which order",
    hints=(
        "What stays the same whatever the batch is? What is left of 80 GB, and how many rows is that?",
        "Work out the three: batches of 32 in pieces, with checkpoints, with both. Then look at each "
        "argument: does it work against what is too large here, and what does it cost?",
        "A suitcase that does not close: first look what takes the room. Two trips cost a walk, folding "
        "costs a minute, a bigger suitcase costs money; shaking it costs nothing, and gives nothing.",
    ),
)
