"""The questions of chapter 28: models in pieces.

Nothing here starts a process, opens a socket or looks at a clock. Ranks are threads whose collectives are
counted, a disk is a dict that dies after so many operations, and stages run on a clock that is worked out.
What comes of a case is worked out here as well, once rightly and once for each likely mistake, so that a
message can name it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

from course_utils.checks import expect, mistakes
from course_utils.checks.draw import Draw
from course_utils.checks.framework import Exercise, part
from course_utils.checks.report import Failed, Rung
from course_utils.wire.answer import Answer

if TYPE_CHECKING:
    import torch

    # what the learner writes: the functions below that are sent along call it by its name
    step: Any = None
    cut: Any = None
    mlp: Any = None
    attention: Any = None
    save: Any = None
    newest: Any = None

LESSONS = "lessons/28_models_in_pieces/"
SHARDED = LESSONS + "01_sharded.ipynb"
SAVED = LESSONS + "02_saved_in_pieces.ipynb"
CONFIG = LESSONS + "03_zero_by_config.ipynb"
SPLIT = LESSONS + "04_split_and_staged.ipynb"
LATE = LESSONS + "05_who_is_late.ipynb"
DIES = LESSONS + "06_a_rank_that_dies.ipynb"

exercise = Exercise(
    "28_models_in_pieces",
    title="Models in pieces",
    minutes=150,
    difficulty="hard",
    cost="some seconds on two cores",
)


def _same(got: Any, answers: Mapping[str, Any], what: str) -> None:
    """Lists, dicts and numbers are the right ones ("" among `answers`), or the message names the mistake."""
    try:
        _alike(got, answers[""], what)
    except Failed as failed:
        words = mistakes.guess(_plain(got), {name: _plain(value) for name, value in answers.items()})
        raise Failed(failed.rung, failed.expected, failed.got + words) from None


def _alike(got: Any, right: Any, what: str) -> None:
    """Like `expect.equal`, but for rounding where the right number is not whole."""
    if isinstance(right, float):
        expect.number(got, what)
        if not mistakes.is_near(got, right):
            raise Failed(Rung.WRONG_VALUE, f"{what} to be {right:.10g}", f"{got:.10g}")
    elif isinstance(right, dict):
        expect.type_of(got, dict, what)
        expect.equal(sorted(map(str, got)), sorted(right), f"the keys of {what}")
        for name, value in right.items():
            _alike(got[name], value, f"{what}[{name!r}]")
    elif isinstance(right, (list, tuple)) and any(isinstance(each, (list, tuple, float)) for each in right):
        found = _items(got, what)
        expect.length(found, len(right), what)
        for number, (one, other) in enumerate(zip(found, right, strict=True)):
            _alike(one, other, f"item {number} of {what}")
    else:
        expect.equal(got, right, what)


def _items(got: Any, what: str) -> list[Any]:
    """The items of a list, a tuple, an array or a tensor."""
    found = got.tolist() if hasattr(got, "tolist") else got
    expect.type_of(found, (list, tuple), what)
    return list(found)


def _plain(value: Any) -> Any:
    """Lists and numbers, whatever holds them."""
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


# ranks that are threads


def grouped(function: str, calls: Sequence[Sequence[Any]], names: Sequence[str]) -> dict[str, Any]:
    """What each rank's call of a function gives, and which collectives each one called.

    calls: the arguments of each rank. names: of "all_reduce", "reduce_scatter" and "all_gather" those that
    the function gets after them. The ranks are threads. A rank that waits for what nobody brings any more
    gets an error that says so.
    """
    import threading

    import torch

    world, turn = len(calls), threading.Condition()
    rounds: list[dict[int, Any]] = []
    said: list[list[tuple[str, int]]] = [[] for _ in calls]
    found: list[Any] = [None] * world
    ended: set[int] = set()
    errors: list[tuple[bool, BaseException]] = []

    def brought(rank: int, name: str, tensor: Any) -> list[Any]:
        """All ranks' tensors in this call of a collective, once they are there."""
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(f"{name} takes a tensor, not {type(tensor).__name__}")
        if name != "all_reduce" and (tensor.dim() != 1 or (name == "reduce_scatter" and len(tensor) % world)):
            wanted = (
                "a vector whose length the ranks divide"
                if name == "reduce_scatter"
                else "a vector on each rank"
            )
            raise ValueError(f"{name} of {world} ranks takes {wanted}, not the shape {tuple(tensor.shape)}")
        with turn:
            number = len(said[rank])
            said[rank].append((name, tensor.numel()))
            if number == len(rounds):
                rounds.append({})
            rounds[number][rank] = (name, tensor.detach().clone())
            turn.notify_all()
            while len(rounds[number]) < world:
                if ended - set(rounds[number]):
                    gone = min(ended - set(rounds[number]))
                    words = (
                        f"rank {rank} waits in {name}, its call {number + 1}, and rank {gone} does not come"
                    )
                    errors.append((True, RuntimeError(words)))
                    raise errors[-1][1]
                turn.wait()
            here = [rounds[number][each] for each in range(world)]
        if len({(one, each.shape, each.dtype) for one, each in here}) > 1:
            shown = ", ".join(f"{one} of {tuple(each.shape)}" for one, each in here)
            raise ValueError(f"call {number + 1} is not the same on all ranks: {shown}")
        return [each for _, each in here]

    def collective(name: str, rank: int) -> Any:
        def all_reduce(tensor: Any) -> Any:
            return torch.stack(brought(rank, name, tensor)).sum(0)

        def reduce_scatter(vector: Any) -> Any:
            return torch.stack(brought(rank, name, vector)).sum(0).chunk(world)[rank].clone()

        def all_gather(piece: Any) -> Any:
            return torch.cat(brought(rank, name, piece))

        return {"all_reduce": all_reduce, "reduce_scatter": reduce_scatter, "all_gather": all_gather}[name]

    def run(rank: int) -> None:
        try:
            found[rank] = globals()[function](*calls[rank], *(collective(name, rank) for name in names))
        except BaseException as raised:
            if not any(raised is other for _, other in errors):
                errors.append((False, raised))
        with turn:
            ended.add(rank)
            turn.notify_all()

    threads = [threading.Thread(target=run, args=(rank,), daemon=True) for rank in range(world)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _, error in sorted(errors, key=lambda each: each[0]):
        raise error
    return {"found": found, "said": said}


def _noise(draw: Draw, *shape: int) -> torch.Tensor:
    """Normal numbers of a shape, in float32."""
    import torch

    return torch.from_numpy(draw.numpy().standard_normal(shape)).float()


def _tensor(got: Any, answers: Mapping[str, torch.Tensor], what: str, tolerance: float = 1e-4) -> None:
    """A tensor is the right one ("" among `answers`) up to rounding; else the message names the mistake."""
    right = answers[""].double()
    found = expect.tensor(got, what, tuple(right.shape)).double()
    if _apart(found, right) <= tolerance:
        return
    words = [name for name, made in answers.items() if name and _apart(found, made.double()) <= tolerance]
    said = (
        f"that comes of {words[0]}" if words else f"it is up to {_apart(found, right):.1e} of the largest off"
    )
    raise Failed(Rung.WRONG_VALUE, f"{what} to be right up to rounding", said)


def _apart(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference, as a share of the largest number."""
    if not bool(one.isfinite().all()):
        return math.inf
    return ((one - other).abs().max() / other.abs().max().clamp(min=1e-12)).item()


# q1: shares


@exercise.question(
    "q1",
    title="Shares, and shares again",
    points=3,
    difficulty=2,
    needs=("shares", "reads"),
    lesson=SAVED + "#Another number of ranks",
    hints=(
        "Write the numbers of 10 rows on paper, cut them for 4 ranks, then below it for 3. Which cuts lie "
        "between which?",
        "A piece is `-(-rows // ranks)` rows, except the last that is not empty and those behind it. For the "
        "reads go through the files with the first row of each: what a rank wants from a file is from "
        "`max(both firsts)` to `min(both ends)`, and its place inside the file is that less the file's "
        "first.",
        "Two guests share what three cooks brought, in order; guest B wants slices 4 to 7, cook 2 has 3 to "
        "5:\nbegin, end = max(4, 3), min(8, 6)\n"
        "if begin < end:\n"
        "    print('from cook 2:', end - begin, 'slices, from his number', begin - 3)",
    ),
)
def shares_again(answer: Answer, draw: Draw) -> None:
    with part("each rank's rows", points=1):
        for rows, ranks in ((12, 4), (10, 4), (5, 4), (3, 8), (draw.random.randrange(100, 400), 7)):
            _same(answer.call("shares", rows, ranks), _shares(rows, ranks), f"shares({rows}, {ranks})")
    for title, more, empty in (
        ("read by fewer ranks", False, (5, 8, 4)),
        ("read by more ranks", True, (5, 2, 4)),
    ):
        with part(title, points=1):
            drawn = [
                mistakes.telling(partial(_ranks_changed, draw, more), lambda case: _reads(*case))
                for _ in range(3)
            ]
            for rows, old, new in (*drawn, empty):
                got = answer.call("reads", rows, old, new)
                _same(got, _reads(rows, old, new), f"reads({rows}, {old}, {new})")


def _ranks_changed(draw: Draw, more: bool) -> tuple[int, int, int]:
    few, many = sorted(draw.random.sample((2, 3, 4, 5, 6, 7, 8), 2))
    rows = draw.random.randrange(9, 60)
    return (rows, few, many) if more else (rows, many, few)


def _shares(rows: int, ranks: int) -> dict[str, list]:
    even = [rows // ranks + (rank < rows % ranks) for rank in range(ranks)]
    firsts = [0, *itertools.accumulate(even)]
    right = _cut(rows, ranks)
    found = {
        "pieces as equal as can be (tensor_split); torch.chunk's are equal but for the last": list(
            zip(firsts, even)
        ),
        "first and last row in the place of first and number": [(a, a + n) for a, n in right],
        "empty pieces that begin behind the last row: theirs begin at its end": [
            (rank * right[0][1], count) for rank, (_, count) in enumerate(right)
        ],
        "no entry for ranks that have nothing": [each for each in right if each[1]],
    }
    return {"": right} | {words: value for words, value in found.items() if value != right}


def _cut(rows: int, ranks: int) -> list[tuple[int, int]]:
    size = -(-rows // ranks)
    firsts = [min(rank * size, rows) for rank in range(ranks)]
    return [(first, min(size, rows - first)) for first in firsts]


def _ends(rows: int, ranks: int) -> list[tuple[int, int]]:
    return [(first, first + count) for first, count in _cut(rows, ranks)]


def _reads(rows: int, old: int, new: int) -> dict[str, list]:
    """For each new rank (file, first, count), rightly and with each mistake."""

    def found(inside: bool = True, empty: bool = False) -> list:
        return [
            [
                (file, max(first, start) - inside * start, max(0, min(end, stop) - max(first, start)))
                for file, (start, stop) in enumerate(_ends(rows, old))
                if empty or max(first, start) < min(end, stop)
            ]
            for first, end in _ends(rows, new)
        ]  # fmt: skip

    return {
        "": found(),
        "a row's number in the whole tensor, not in the file": found(inside=False),
        "reads of no row": found(empty=True),
    }


# q2: stage by stage


@exercise.question(
    "q2",
    title="Sent and held, stage by stage",
    points=3,
    difficulty=2,
    needs=("sent", "most"),
    lesson=SHARDED + "#Block by block or all at once",
    hints=(
        "An all-reduce round a ring is a reduce-scatter and an all-gather, one after the other. How much "
        "does one rank send in each?",
        "Let one pass be `(ranks - 1) / ranks * numbers`. Stage 0 has two of them in an all-reduce, once "
        "in a step. From stage 2 on there is a reduce-scatter for each micro-batch, in stage 3 also two "
        "all-gathers for each. For `most` add up whole blocks and `block / ranks` for all others.",
        "A club of 5 prints a list with 100 names once a month and letters every week of four:\n"
        "lists, letters = 100, 4 * 5\n"
        "print({'lists': lists, 'letters': letters})",
    ),
)
def stage_by_stage(answer: Answer, draw: Draw) -> None:
    for title, micro in (("one micro-batch", 1), ("several micro-batches", draw.random.randrange(3, 9))):
        with part(title, points=1):
            for stage in draw.sample(range(4), 4):
                ranks = draw.random.choice((2, 4, 8, 16))
                numbers = ranks * draw.random.randrange(10_000, 90_000)
                got = answer.call("sent", numbers, ranks, stage, micro)
                _same(got, _sent(numbers, ranks, stage, micro), f"sent({numbers}, {ranks}, {stage}, {micro})")
    with part("the most that is held", points=1):
        for policy in draw.sample(("each block", "kept", "all in one"), 3):
            ranks = draw.random.choice((2, 4, 8))
            blocks = [ranks * draw.random.randrange(100, 900) for _ in range(draw.random.randrange(4, 8))]
            got = answer.call("most", blocks, ranks, policy)
            _same(got, _most(blocks, ranks, policy), f"most({blocks}, {ranks}, {policy!r})")


def _sent(numbers: int, ranks: int, stage: int, micro: int) -> dict[str, dict]:
    def made(once: float, stages: Sequence[tuple[int, int, int]]) -> dict[str, float]:
        return dict(
            zip(("all_reduce", "reduce_scatter", "all_gather"), (once * each for each in stages[stage]))
        )

    right = [(2, 0, 0), (0, 1, 1), (0, micro, 1), (0, micro, 2 * micro)]
    once = numbers * (ranks - 1) / ranks
    found = {
        "whole tensors: a rank does not send itself its own piece": made(float(numbers), right),
        "one pass for an all-reduce: the sums have to come back": made(once, [(1, 0, 0), *right[1:]]),
        "gradients kept whole until the last micro-batch: from stage 2 on nobody has room for that": made(
            once, [*right[:2], (0, 1, 1), (0, 1, 2 * micro)]
        ),
        "weights that are gathered once in a step: they are let go after each use": made(
            once, [*right[:3], (0, micro, 2)]
        ),
        "weights that are gathered forward only": made(once, [*right[:3], (0, micro, micro)]),
        "each micro-batch sending its gradients: in stages 0 and 1 they are added up at home first": made(
            once, [(2 * micro, 0, 0), (0, micro, 1), *right[2:]]
        ),
        "weights that are sent after the step as well: stage 3 gathers them when they are used": made(
            once, [*right[:3], (0, micro, 2 * micro + 1)]
        ),
    }  # fmt: skip
    answers = {"": made(once, right)}
    return answers | {words: each for words, each in found.items() if not mistakes.is_near(each, answers[""])}


def _most(blocks: Sequence[int], ranks: int, policy: str) -> dict[str, float]:
    total, largest = sum(blocks), max(blocks)
    right = largest + (total - largest) / ranks if policy == "each block" else float(total)
    found = {
        "the largest block alone: the other blocks' pieces are here as well": float(largest),
        "a whole block besides its own piece": largest + total / ranks,
        "the mean block: the largest decides": total / len(blocks) * (1 - 1 / ranks) + total / ranks,
        "pieces only": total / ranks,
        "blocks that are let go after forward": largest + (total - largest) / ranks,
    }
    return {"": right} | {
        words: value for words, value in found.items() if not mistakes.is_near(value, right)
    }


# q3: Adam in pieces


@exercise.question(
    "q3",
    title="Adam in pieces",
    points=4,
    difficulty=3,
    needs=("step",),
    lesson=SHARDED + "#Equal to DDP",
    hints=(
        "Adam computes each weight's step from that weight's own numbers. So who needs to know the means of "
        "the weights that another rank looks after?",
        "Pad the gradient with zeros to a multiple of `world`, hand it to `reduce_scatter` and divide by "
        "`world`. Keep both means in `state` for this piece only. Step the same piece of the padded weights, "
        "`all_gather` it, and cut the padding off.",
        "Seven letters to three clerks, who each stamp theirs and put them on one pile again:\n"
        "padded = F.pad(letters, (0, 2))               # 9\n"
        "mine = padded[rank * 3 : (rank + 1) * 3]\n"
        "pile = all_gather(stamp(mine))[:7]",
    ),
)
def adam_in_pieces(answer: Answer, draw: Draw) -> None:
    ranks = answer.given(grouped, stepped)
    even = [_trained(ranks, draw, world, world * draw.random.randrange(3, 6)) for world in (2, 4)]
    odd = [_trained(ranks, draw, world, size) for world, size in ((2, 7), (3, 10), (4, 5), (1, 6))]
    with part("as many weights for each", points=1):
        for case, made in even:
            _weights_well(case, made)
    with part("any number of weights", points=1):
        for case, made in odd:
            _weights_well(case, made)
    with part("the means of its own piece only", points=1):
        for case, made in (*even, *odd):
            _weights_well(case, made)
            most = 2 * math.ceil(case["size"] / case["world"]) + 2
            for rank, each in enumerate(made["found"]):
                words = f"the numbers in state on rank {rank} of {case['world']}, for {case['size']} weights,"
                expect.at_least(each["held"], 2, words)
                expect.at_most(each["held"], most, words)
    with part("two collectives a step", points=1):
        for case, made in (*even, *odd):
            _weights_well(case, made)
            for rank, calls in enumerate(made["said"]):
                _calls_well(case, rank, calls)


STEPS = 4


def stepped(weight: Any, gradients: Any, rank: int, world: int, *collectives: Any) -> dict[str, Any]:
    """The weights after each step, and how many numbers the state holds."""
    import torch

    state: dict = {}
    found = []
    for gradient in gradients:
        found.append(step(weight.clone(), gradient.clone(), state, rank, world, *collectives))
        if getattr(found[-1], "shape", None) != weight.shape:
            break  # the next step could not even begin
        weight = found[-1]
    held = sum(each.numel() for each in state.values() if isinstance(each, torch.Tensor))
    return {"weights": found, "held": held}


def _trained(ranks: Answer, draw: Draw, world: int, size: int) -> tuple[dict, dict]:
    weight = _noise(draw, size)
    gradients = [_noise(draw, STEPS, size) * 0.05 for _ in range(world)]
    calls = [(weight, each, rank, world) for rank, each in enumerate(gradients)]
    made: dict = ranks.call("grouped", "stepped", calls, ["reduce_scatter", "all_gather"])
    return {"world": world, "size": size, "weight": weight, "gradients": gradients}, made


def _weights_well(case: Mapping[str, Any], made: Mapping[str, Any]) -> None:
    for rank, each in enumerate(made["found"]):
        answers = _adam(case, rank)
        for number, got in enumerate(each["weights"]):
            what = (
                f"step(…) number {number + 1} on rank {rank} of {case['world']}, for {case['size']} weights,"
            )
            _tensor(got, {words: tensors[number] for words, tensors in answers.items()}, what)


def _adam(case: Mapping[str, Any], rank: int) -> dict[str, list[torch.Tensor]]:
    """The weights after each step, rightly and with each mistake."""
    import torch

    own, total = case["gradients"][rank].double(), torch.stack(case["gradients"]).double().sum(0)

    def made(gradients: torch.Tensor, corrected: bool = True, kept: bool = True) -> list[torch.Tensor]:
        weight, found = case["weight"].double(), []
        first = second = torch.zeros_like(weight)
        for number, gradient in enumerate(gradients, 1):
            first = 0.9 * (first if kept else 0 * first) + 0.1 * gradient
            second = 0.999 * (second if kept else 0 * second) + 0.001 * gradient**2
            by = (1 - 0.9**number, 1 - 0.999**number) if corrected else (1.0, 1.0)
            weight = weight - 0.01 * (first / by[0]) / ((second / by[1]).sqrt() + 0.01)
            found.append(weight)
        return found

    found = {
        "": made(total / case["world"]),
        "the sum of the gradients, not their mean": made(total),
        "this rank's own gradient": made(own),
        "means that are not corrected for their beginning": made(total / case["world"], corrected=False),
        "means that are not kept from step to step": made(total / case["world"], kept=False),
    }
    same = [words for words in found if words and all(map(_near, found[words], found[""]))]
    return {words: each for words, each in found.items() if words not in same}


def _near(one: torch.Tensor, other: torch.Tensor) -> bool:
    return _apart(one, other) <= 1e-4


def _calls_well(case: Mapping[str, Any], rank: int, calls: Sequence[Sequence[Any]]) -> None:
    piece = math.ceil(case["size"] / case["world"])
    what = f"rank {rank} of {case['world']}, for {case['size']} weights,"
    names = [name for name, _ in calls]
    expect.equal(
        names, ["reduce_scatter", "all_gather"] * STEPS, f"the collectives that {what} calls in {STEPS} steps"
    )
    for name, count in calls:
        whole = piece * case["world"] if name == "reduce_scatter" else piece
        expect.at_most(count, whole, f"the numbers that {what} brings to {name}")


# q4: through a layer


@exercise.question(
    "q4",
    title="Through a layer",
    points=4,
    difficulty=3,
    needs=("cut", "mlp", "attention"),
    lesson=SPLIT + "#A layer cut by columns, the next by rows",
    hints=(
        "Which numbers does one hidden number need, and which numbers need it? Cut so that a hidden number "
        "never has to leave its rank; and one head's scores never theirs.",
        "Rows `slice(rank * n, (rank + 1) * n)` of `gate` and `up`, the same columns of `down`; add up with "
        "`all_reduce`, then add the bias. In attention the rows of whole heads of `query`, `key` and "
        "`value`, the same columns of `out`: `weight.reshape(heads, -1, width)` shows the heads. "
        "`F.scaled_dot_product_attention(q, k, v, is_causal=True)` takes [heads, tokens, size].",
        "Two bakers, each with half of the recipes, and the oven's fee once:\n"
        "mine = (prices[rank::2] * counts[rank::2]).sum()\n"
        "bill = all_reduce(mine) + fee                 # not all_reduce(mine + fee)",
    ),
)
def through_a_layer(answer: Answer, draw: Draw) -> None:
    ranks = answer.given(grouped, mlp_on_a_rank, attention_on_a_rank, numbers_in)
    mlps = [_split_case(ranks, draw, _mlp_case, "mlp_on_a_rank", world) for world in (2, 4, 3, 1)]
    heads = [_split_case(ranks, draw, _heads_case, "attention_on_a_rank", world) for world in (2, 4, 3, 1)]
    with part("the MLP is the whole one", points=1):
        for case, made in mlps:
            _output_well(case, made, _mlp_answers, "mlp(…)")
    with part("the attention is the whole one", points=1):
        for case, made in heads:
            _output_well(case, made, _attention_answers, "attention(…)")
    with part("each rank has its part only", points=1):
        for case, made, answers, name in _both(mlps, heads):
            _output_well(case, made, answers, f"{name}(…)")
            whole = sum(each.numel() for each in case["weights"].values())
            most = whole / case["world"] + case["weights"].get("bias", case["x"][0]).numel() + 4
            for rank, each in enumerate(made["found"]):
                words = (
                    f"the numbers that cut(…) gives rank {rank} of {case['world']}, of {whole} in the {name},"
                )
                expect.at_most(each["held"], most, words)
    with part("one sum, as large as the output", points=1):
        for case, made, answers, name in _both(mlps, heads):
            _output_well(case, made, answers, f"{name}(…)")
            for rank, calls in enumerate(made["said"]):
                words = f"the calls of all_reduce by rank {rank} of {case['world']} in {name}(…)"
                expect.equal(len(calls), 1, words)
                expect.at_most(calls[0][1], case["x"].numel(), f"the numbers in {words}")


Case = dict[str, Any]
Pairs = list[tuple[Case, dict[str, Any]]]


def mlp_on_a_rank(x: Any, weights: Any, rank: int, world: int, all_reduce: Any) -> dict[str, Any]:
    """What the learner's part of an MLP gives, and how many numbers it holds."""
    mine = cut(weights, rank, world)
    return {"output": mlp(x, mine, all_reduce), "held": numbers_in(mine)}


def attention_on_a_rank(
    x: Any, weights: Any, size: int, rank: int, world: int, all_reduce: Any
) -> dict[str, Any]:
    """What the learner's part of an attention gives, and how many numbers it holds."""
    mine = cut(weights, rank, world)
    return {"output": attention(x, mine, size, all_reduce), "held": numbers_in(mine)}


def numbers_in(mine: Mapping[str, Any]) -> int:
    """The numbers in memory: a view holds the whole tensor that it looks at."""
    return sum(each.untyped_storage().nbytes() // each.element_size() for each in mine.values())


def _split_case(
    ranks: Answer, draw: Draw, make: Callable, function: str, world: int
) -> tuple[Case, dict[str, Any]]:
    case = make(draw, world)
    more = (case["size"],) if "size" in case else ()
    calls = [(case["x"], case["weights"], *more, rank, world) for rank in range(world)]
    made: dict = ranks.call("grouped", function, calls, ["all_reduce"])
    return case, made


def _mlp_case(draw: Draw, world: int) -> Case:
    width, hidden = draw.random.choice((5, 6, 7)), 12 * draw.random.choice((1, 2))
    sides = {"gate": (hidden, width), "up": (hidden, width), "down": (width, hidden), "bias": (width,)}
    weights = {name: _noise(draw, *shape) for name, shape in sides.items()}
    return {"world": world, "x": _noise(draw, 3, width), "weights": weights}


def _heads_case(draw: Draw, world: int) -> Case:
    size = draw.random.choice((2, 3))
    width = 12 * size
    weights = {name: _noise(draw, width, width) / 3 for name in ("query", "key", "value", "out")}
    return {"world": world, "size": size, "x": _noise(draw, 5, width), "weights": weights}


def _both(mlps: Pairs, heads: Pairs) -> Iterator[tuple[Case, dict[str, Any], Callable, str]]:
    yield from ((case, made, _mlp_answers, "mlp") for case, made in mlps)
    yield from ((case, made, _attention_answers, "attention") for case, made in heads)


def _output_well(case: Case, made: Mapping[str, Any], answers: Callable, what: str) -> None:
    for rank, each in enumerate(made["found"]):
        _tensor(each["output"], answers(case, rank), f"{what} on rank {rank} of {case['world']}")


def _mlp_answers(case: Case, rank: int) -> dict[str, torch.Tensor]:
    import torch.nn.functional as F

    weights, x, world = case["weights"], case["x"], case["world"]

    def parts(gate: Callable = F.silu) -> list[torch.Tensor]:
        hidden = gate(x @ weights["gate"].T) * (x @ weights["up"].T)
        return [
            one @ other.T
            for one, other in zip(hidden.chunk(world, 1), weights["down"].chunk(world, 1), strict=True)
        ]

    right = sum(parts()) + weights["bias"]
    found = {
        "the bias, which was added on each rank": right + (world - 1) * weights["bias"],
        "the bias, which is missing": right - weights["bias"],
        "this rank's part alone": parts()[rank],
        "this rank's part and the bias, without the other ranks": parts()[rank] + weights["bias"],
        "the mean over the ranks, not the sum": (right - weights["bias"]) / world + weights["bias"],
    }
    return {"": right} | {words: each for words, each in found.items() if not _near(each, right)}


def _attention_answers(case: Case, rank: int) -> dict[str, torch.Tensor]:
    import torch
    import torch.nn.functional as F

    weights, x, world = case["weights"], case["x"], case["world"]

    def attended(causal: bool = True, size: float | None = None) -> torch.Tensor:
        q, k, v = (
            (x @ weights[name].T).unflatten(1, (-1, case["size"])).transpose(0, 1)
            for name in ("query", "key", "value")
        )
        scale = size and size**-0.5
        return (
            F.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=scale).transpose(0, 1).flatten(1)
        )

    def out(hidden: torch.Tensor) -> list[torch.Tensor]:
        return [
            one @ other.T
            for one, other in zip(hidden.chunk(world, 1), weights["out"].chunk(world, 1), strict=True)
        ]

    right = torch.stack(out(attended())).sum(0)
    width = x.shape[1]
    found = {
        "attention without its causal mask": torch.stack(out(attended(causal=False))).sum(0),
        "this rank's heads alone": out(attended())[rank],
        "scores by the root of the width, not of a head's size": torch.stack(out(attended(size=width))).sum(
            0
        ),
        "the mean over the ranks, not the sum": right / world,
    }
    return {"": right} | {words: each for words, each in found.items() if not _near(each, right)}


# q5: in stages


@exercise.question(
    "q5",
    title="In stages",
    points=4,
    difficulty=3,
    needs=("order", "least", "split"),
    lesson=SPLIT + "#One forward, one backward",
    hints=(
        "Play it with four people and paper cups. When the last one has the first cup, how many have those "
        "before it sent off? From then on, what does everybody do in turns?",
        "A stage makes as many forward passes ahead as there are stages behind it (at most `micro`), then "
        "one forward and one backward in turns, then the backward passes that are left. For `least` solve "
        "`(p - 1) / (m + p - 1) <= share` for m, and round up. For `split` try every limit: fill stages up "
        "to it, and take the least limit for which the stages suffice.",
        "Five boxes of books on two shelves, in order; the fuller one as light as can be:\n"
        "weights = [4, 1, 3, 6, 2]\n"
        "print(min(range(1, 5), key=lambda cut: max(sum(weights[:cut]), sum(weights[cut:]))))",
    ),
)
def in_stages(answer: Answer, draw: Draw) -> None:
    sides = [(1, 3), (2, 1), (3, 2), (4, 4), draw.random.choice(((4, 9), (5, 7), (6, 8), (3, 11)))]
    found = {side: [_order(answer, stage, *side) for stage in range(side[0])] for side in sides}
    with part("each micro-batch once, and few held", points=1):
        for side, orders in found.items():
            _held_well(side, orders)
    with part("no longer than it has to be", points=1):
        for side, orders in found.items():
            _held_well(side, orders)
            _clock_well(side, orders)
    with part("micro-batches enough", points=1):
        for stages, share in ((4, 0.25), (2, 0.5), (1, 0.1), (draw.random.randrange(5, 12), 0.07)):
            _same(answer.call("least", stages, share), _least(stages, share), f"least({stages}, {share})")
    with part("layers cut into stages", points=1):
        for _ in range(3):
            costs = [draw.random.choice((1, 2, 3, 5, 9)) for _ in range(draw.random.randrange(9, 14))]
            _split_well(answer, costs, draw.random.randrange(3, 6))
        _split_well(answer, [1, 1, 1, 9], 4)


Order = list[tuple[str, int]]


def _order(answer: Answer, stage: int, stages: int, micro: int) -> Order:
    what = f"order({stage}, {stages}, {micro})"
    found = []
    for number, each in enumerate(_items(answer.call("order", stage, stages, micro), what)):
        inside = f"item {number} of {what}"
        expect.type_of(each, (list, tuple), inside)
        expect.length(each, 2, inside)
        expect.type_of(each[0], str, f"the first of {inside}")
        expect.one_of(each[0], ("F", "B"), f"the first of {inside}")
        expect.type_of(each[1], int, f"the second of {inside}")
        found.append((each[0], each[1]))
    return found


def _held_well(side: tuple[int, int], orders: Sequence[Order]) -> None:
    stages, micro = side
    for stage, order in enumerate(orders):
        what = f"order({stage}, {stages}, {micro})"
        for kind, words in (("F", "forward"), ("B", "backward")):
            numbers = [number for name, number in order if name == kind]
            expect.equal(
                numbers, list(range(micro)), f"the micro-batches that go {words} in {what}, in order,"
            )
        held = most = 0
        for place, (kind, number) in enumerate(order):
            before = number not in [other for name, other in order[:place] if name == "F"]
            expect.true(
                kind == "F" or not before, f"B {number} of {what} to come after F {number}", "it comes before"
            )
            held += 1 if kind == "F" else -1
            most = max(most, held)
        expect.at_most(most, stages - stage, f"the most micro-batches that wait for their backward in {what}")


def _clock_well(side: tuple[int, int], orders: Sequence[Order]) -> None:
    stages, micro = side
    for forward, backward in ((1, 2), (1, 1), (2, 5)):
        ended = _ended(orders, forward, backward)
        least = (micro + stages - 1) * (forward + backward)
        wanted = (
            f"the orders of {stages} stages with {micro} micro-batches to end after {least} "
            f"(forward {forward}, backward {backward})"
        )
        said = "the stages wait for each other for ever" if ended is None else f"they end after {ended}"
        expect.true(ended is not None and ended <= least, wanted, said)


def _ended(orders: Sequence[Order], forward: int, backward: int) -> int | None:
    """When the last stage is through, where sending takes no time; None if they wait for each other."""
    done: dict[tuple[str, int, int], int] = {}
    left, free = [list(order) for order in orders], [0] * len(orders)
    while any(left):
        before = len(done)
        for stage, order in enumerate(left):
            while order:
                kind, number = order[0]
                first = stage == (0 if kind == "F" else len(orders) - 1)
                need = (kind, number, stage + (-1 if kind == "F" else 1))
                if not first and need not in done:
                    break
                begin = max(free[stage], 0 if first else done[need])
                free[stage] = done[kind, number, stage] = begin + (forward if kind == "F" else backward)
                order.pop(0)
        if len(done) == before:
            return None
    return max(free)


def _least(stages: int, share: float) -> dict[str, int]:
    def smallest(idle: Callable[[int], float]) -> int:
        return next(micro for micro in itertools.count(1) if idle(micro) <= share)

    right = smallest(lambda micro: (stages - 1) / (micro + stages - 1))
    found = {
        "what waits as a share of the work, not of all the time": smallest(
            lambda micro: (stages - 1) / micro
        ),
        "rounding down": right - 1,
        "one more than are needed": right + 1,
    }
    return {"": right} | {words: each for words, each in found.items() if each != right}


def _split_well(answer: Answer, costs: list[int], stages: int) -> None:
    what = f"split({costs}, {stages})"
    found = [int(each) for each in mistakes.listed(answer.call("split", costs, stages), what)]
    expect.length(found, stages, what)
    expect.equal(sum(found), len(costs), f"the layers of {what}, added up,")
    expect.at_least(min(found), 1, f"the fewest layers of a stage in {what}")
    slowest = max(_loads(costs, found))
    best = min(
        max(_loads(costs, [b - a for a, b in itertools.pairwise((0, *cuts, len(costs)))]))
        for cuts in itertools.combinations(range(1, len(costs)), stages - 1)
    )
    if slowest > best:
        raise Failed(
            Rung.WRONG_VALUE,
            f"the slowest stage of {what} to cost {best}",
            f"{found}, whose slowest costs {slowest}",
        )


def _loads(costs: Sequence[int], counts: Sequence[int]) -> list[int]:
    ends = list(itertools.accumulate(counts))
    return [sum(costs[end - count : end]) for count, end in zip(counts, ends, strict=True)]


# q6: where the bytes go


@exercise.question(
    "q6",
    title="On the card or beside it",
    points=3,
    difficulty=2,
    needs=("bytes_on", "plan"),
    lesson=CONFIG + "#On the card or beside it",
    hints=(
        "Write down for each of the three kinds (weights, gradients, what Adam keeps) how many bytes a "
        "weight needs, by how many ranks they are divided, and on which side they lie.",
        "Stage 1 divides the 12, stage 2 also the 2 of the gradients, stage 3 also the 2 of the weights. "
        "With `\"state\"` the 12 and the gradients' 2 lie in the machine's memory, which `per_machine` ranks "
        "share. Then go through the table of the question in its order.",
        "Six bakers share a cellar of 100 kg; each needs 4 kg of flour on his table and 20 in the cellar:\n"
        "table, cellar = 4, 6 * 20\n"
        "print(table <= 5 and cellar <= 100)",
    ),
)
def on_the_card(answer: Answer, draw: Draw) -> None:
    cases = [_machines(draw, few=number == 0) for number in range(3)]
    for title, place in (("bytes on the card", 0), ("bytes beside it", 1)):
        with part(title, points=1):
            for (weights, ranks, per_machine), (stage, offload) in itertools.product(cases, PLANS):
                what = f"bytes_on({weights}, {ranks}, {per_machine}, {stage}, {offload!r})"
                got = _items(answer.call("bytes_on", weights, ranks, per_machine, stage, offload), what)
                expect.length(got, 2, what)
                answers = _bytes_on(weights, ranks, per_machine, stage, offload)
                _same(got[place], {words: each[place] for words, each in answers.items()}, f"{what}[{place}]")
    with part("the first plan that fits", points=1):
        for weights, ranks, per_machine in cases:
            for number in (*range(len(PLANS)), None):
                card, beside = _room_for(draw, weights, ranks, per_machine, number)
                what = f"plan({weights}, {ranks}, {per_machine}, {card}, {beside})"
                right = _first_plan(weights, ranks, per_machine, card, beside)
                got = answer.call("plan", weights, ranks, per_machine, card, beside)
                expect.type_of(got, (type(right), list) if right else type(None), what)
                _same(got, {"": right}, what)


PLANS = (
    (0, "nothing"), (1, "nothing"), (2, "nothing"), (3, "nothing"),
    (2, "state"), (3, "state"), (3, "state and weights"),
)  # fmt: skip


def _machines(draw: Draw, few: bool) -> tuple[int, int, int]:
    """Weights, ranks, ranks of a machine; with few ranks stage 3 alone does not win against offload."""
    per_machine = 2 if few else draw.random.choice((4, 8))
    ranks = per_machine * draw.random.choice((2, 3) if few else (2, 3, 4))
    return ranks * 1000 * draw.random.randrange(100, 900), ranks, per_machine


def _bytes_on(
    weights: int, ranks: int, per_machine: int, stage: int, offload: str
) -> dict[str, tuple[float, float]]:
    def made(
        state: float = 12.0, gradients_go: bool = True, sharers: int = per_machine
    ) -> tuple[float, float]:
        each = {
            "weights": 2 * weights / (ranks if stage == 3 else 1),
            "gradients": 2 * weights / (ranks if stage >= 2 else 1),
            "state": state * weights / (ranks if stage >= 1 else 1),
        }
        gone = {"nothing": (), "state": ("state",), "state and weights": ("state", "weights")}[offload]
        if gone and gradients_go:
            gone = (*gone, "gradients")
        beside = sum(value for name, value in each.items() if name in gone)
        return float(sum(each.values()) - beside), float(sharers * beside)

    right = made()
    found = {
        "8 bytes for the state: in mixed precision Adam also keeps a 32-bit copy of the weights": made(
            state=8.0
        ),
        "gradients that stay on the card: the step is made beside it": made(gradients_go=False),
        "what one rank needs: the ranks of a machine share its memory": made(sharers=1),
        "all ranks: only those of one machine share its memory": made(sharers=ranks),
    }
    return {"": right} | {words: each for words, each in found.items() if not mistakes.is_near(each, right)}


def _first_plan(
    weights: int, ranks: int, per_machine: int, card: float, beside: float
) -> tuple[int, str] | None:
    for stage, offload in PLANS:
        on, off = _bytes_on(weights, ranks, per_machine, stage, offload)[""]
        if on <= card and off <= beside:
            return stage, offload
    return None


def _room_for(draw: Draw, weights: int, ranks: int, per_machine: int, number: int | None) -> tuple[int, int]:
    """So much room that a plan fits, just or with some to spare; or that none does."""
    if number is None:
        on, off = _bytes_on(weights, ranks, per_machine, 3, "state and weights")[""]
        return math.ceil(on), math.floor(off * 0.9)
    on, off = _bytes_on(weights, ranks, per_machine, *PLANS[number])[""]
    spare = draw.random.choice((1.0, 1.01))
    return math.ceil(on * spare), math.ceil(off * spare)


# q7: a config


@exercise.question(
    "q7",
    title="A config that agrees with itself",
    points=4,
    difficulty=2,
    needs=("filled", "contradictions"),
    lesson=CONFIG + "#Contradictions",
    hints=(
        "Make one dict first, that says for each place in the config what the arguments want there. Both "
        "functions then only compare with it.",
        'Name places by their path, such as `"optimizer.params.lr"`, and walk through the config with a '
        "function that calls itself for dicts inside. `copy.deepcopy` keeps the given config as it is. The "
        "whole batch is micro-batch × accumulation × ranks, where what the config itself says of the first "
        "two comes before the arguments.",
        "A form in which the clerk left some lines open:\n"
        "wanted = {'name': 'Ada', 'year': 1815}\n"
        "print({line: wanted[line] if text == 'open' else text for line, text in form.items()})\n"
        "print([line for line, text in form.items() if text not in ('open', wanted[line])])",
    ),
)
def config_that_agrees(answer: Answer, draw: Draw) -> None:
    with part("what is auto", points=1):
        for _ in range(3):
            config, arguments, ranks = _form(draw)
            _filled_well(answer, config, arguments, ranks)
    with part("the batch, and what has no argument", points=1):
        for change in ({"train_micro_batch_size_per_gpu": 3}, {"gradient_accumulation_steps": 5}, {}):
            config, arguments, ranks = _form(draw)
            config |= {"train_batch_size": "auto", **change}
            config["zero_optimization"] = {"stage": 3, "reduce_bucket_size": "auto"}
            _filled_well(answer, config, arguments, ranks)
    with part("other values than the arguments'", points=1):
        for _ in range(3):
            config, arguments, ranks = _form(draw)
            names = _spoil(draw, config, arguments, ranks)
            _named_well(answer, config, arguments, ranks, names)
            _named_well(
                answer, _fill(config, arguments, ranks, [*names, "train_batch_size"]), arguments, ranks, []
            )
    with part("values that exclude each other", points=1):
        for stage, offload, wrong in (
            (0, "offload_optimizer", True),
            (2, "offload_optimizer", False),
            (2, "offload_param", True),
            (3, "offload_param", False),
        ):
            config, arguments, ranks = _form(draw)
            config["zero_optimization"] = {"stage": stage, offload: {"device": "cpu"}}
            _named_well(answer, config, arguments, ranks, [f"zero_optimization.{offload}"] if wrong else [])
        config, arguments, ranks = _form(draw)
        config |= {"bf16": {"enabled": True}, "fp16": {"enabled": True}}
        _named_well(answer, config, arguments | {"bf16": True, "fp16": True}, ranks, ["fp16.enabled"])


PLACES = {
    "train_micro_batch_size_per_gpu": "per_device_train_batch_size",
    "gradient_accumulation_steps": "gradient_accumulation_steps",
    "gradient_clipping": "max_grad_norm",
    "optimizer.params.lr": "learning_rate",
    "optimizer.params.weight_decay": "weight_decay",
    "scheduler.params.warmup_max_lr": "learning_rate",
    "scheduler.params.warmup_num_steps": "warmup_steps",
    "bf16.enabled": "bf16",
    "fp16.enabled": "fp16",
}


def _form(draw: Draw) -> tuple[dict, dict, int]:
    """A config in which all is auto or as the arguments say, the arguments, and the number of ranks."""
    random = draw.random
    arguments: dict[str, Any] = {
        "per_device_train_batch_size": random.randrange(6, 12),
        "gradient_accumulation_steps": random.randrange(2, 5),
        "max_grad_norm": round(random.uniform(0.3, 0.9), 2),
        "learning_rate": random.randrange(11, 99) / 1e6,
        "weight_decay": random.randrange(1, 9) / 100,
        "warmup_steps": random.randrange(100, 900),
        "bf16": True,
        "fp16": False,
    }
    config: dict[str, Any] = {}
    for path, name in PLACES.items():
        _put(config, path, "auto" if random.random() < 0.7 else arguments[name])
    config["optimizer"]["type"] = "AdamW"
    return config, arguments, random.choice((2, 4, 8))


def _put(config: dict, path: str, value: Any) -> None:
    *above, last = path.split(".")
    for name in above:
        config = config.setdefault(name, {})
    config[last] = value


def _get(config: Mapping[str, Any], path: str) -> Any:
    found: Any = config
    for name in path.split("."):
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    return found


def _fill(
    config: Mapping[str, Any], arguments: Mapping[str, Any], ranks: int, also: Sequence[str] = ()
) -> dict:
    """Every auto that has an argument gets it, and so does what is named besides."""
    import copy

    made = copy.deepcopy(dict(config))
    for path, name in PLACES.items():
        if _get(made, path) == "auto" or path in also:
            _put(made, path, arguments[name])
    if made.get("train_batch_size") == "auto" or "train_batch_size" in also:
        made["train_batch_size"] = _whole_batch(made, arguments, ranks)
    return made


def _whole_batch(config: Mapping[str, Any], arguments: Mapping[str, Any], ranks: int) -> int:
    def one(path: str) -> int:
        value = config.get(path, "auto")
        return int(arguments[PLACES[path]] if value == "auto" else value)

    return ranks * one("train_micro_batch_size_per_gpu") * one("gradient_accumulation_steps")


def _filled_well(answer: Answer, config: dict, arguments: dict, ranks: int) -> None:
    what = "filled(config, arguments, ranks)"
    right = _fill(config, arguments, ranks)
    before, _, _ = answer.left("filled", config, arguments, ranks)
    expect.equal(before, config, f"the config that {what} is given, afterwards,")
    got = answer.call("filled", config, arguments, ranks)
    expect.type_of(got, dict, what)
    for path in (
        *PLACES,
        "train_batch_size",
        "zero_optimization.reduce_bucket_size",
        "zero_optimization.stage",
    ):
        said, wanted = _get(config, path), _get(right, path)
        here = f"{path} of {what}, where it is {said!r},"
        if path == "train_batch_size" and wanted is not None:
            once = {**config, **dict.fromkeys(list(PLACES)[:2], "auto")}
            answers = {
                "": wanted,
                "a batch without the number of ranks": wanted // ranks,
                "a batch without the accumulation": ranks * right["train_micro_batch_size_per_gpu"],
                "the arguments alone, where the config says otherwise": _whole_batch(once, arguments, ranks),
            }
            _same(
                _get(got, path),
                {words: each for words, each in answers.items() if not words or each != wanted},
                here,
            )
        else:
            expect.equal(_get(got, path), wanted, here)
    expect.equal(got, right, what)


def _spoil(draw: Draw, config: dict, arguments: Mapping[str, Any], ranks: int) -> list[str]:
    """Give some places another value; their paths, sorted."""
    of_the_batch, others = list(PLACES)[:2], list(PLACES)[2:-2]
    names = [*draw.sample(of_the_batch, 1), *draw.sample(others, 2)]
    for path in names:
        _put(config, path, arguments[PLACES[path]] * 2)
    # the whole batch is that of the config's own numbers, or another
    wrong = draw.random.random() < 0.5
    config["train_batch_size"] = _whole_batch(config, arguments, ranks) + (1 if wrong else 0)
    return sorted([*names, *(["train_batch_size"] if wrong else [])])


def _named_well(answer: Answer, config: dict, arguments: dict, ranks: int, right: list[str]) -> None:
    got = answer.call("contradictions", config, arguments, ranks)
    case = f"the config {expect.show(config)} with {expect.show(arguments)}"
    what = f"contradictions(config, arguments, {ranks}), for {case},"
    expect.each_of(got, str, what)
    expect.equal(sorted(got), right, f"the names in {what}")


# q8: who is late


@exercise.question(
    "q8",
    title="Who is late",
    points=4,
    difficulty=2,
    needs=("late", "serial_share", "deal"),
    lesson=LATE + "#Whose fault",
    hints=(
        "Each rank has its own clock, so what can be compared between ranks, a moment or a duration? And "
        "what should one stall do to a verdict about a hundred steps?",
        "Work is `arrived - begun`; take each rank's median over its steps, and compare it with the median "
        "of these medians. The fit is a line: T(N) = a + b / N, with `np.linalg.lstsq` on the columns 1 and "
        "1/N; the share is a / (a + b). Deal the longest row first, to the rank that has least and still "
        "has room.",
        "Four children's watches all go differently. Who takes longest for a lap?\n"
        "laps = {child: median(end - begin for begin, end in each) for child, each in watches.items()}\n"
        "print(max(laps, key=laps.get))",
    ),
)
def who_is_late(answer: Answer, draw: Draw) -> None:
    with part("by each rank's own clock", points=1):
        for slow in (1, 2):
            events, right = _watched(draw, slow, stalls=False)
            _late_well(answer, events, right)
    with part("a stall blames nobody", points=1):
        for slow in (0, 1):
            events, right = _watched(draw, slow, stalls=True)
            _late_well(answer, events, right)
    with part("the share that is not divided", points=1):
        for noise in (0.0, 0.003):
            times, right_share = _scaled(draw, noise)
            got = answer.call("serial_share", times)
            words = f"serial_share({expect.show(times)})"
            expect.close(got, right_share, words, tolerance=1e-6 if noise == 0 else 0.02)
    with part("rows dealt by length", points=1):
        for ranks, giant in ((4, False), (8, False), (4, True)):
            _dealt_well(answer, draw, ranks, giant)


def _watched(draw: Draw, slow: int, stalls: bool) -> tuple[list[dict], list[int]]:
    """Events of all ranks in no order: each rank has a clock of its own, and some ranks take longer."""
    random = draw.random
    ranks, steps = random.randrange(5, 9), random.randrange(21, 40)
    named = sorted(random.sample(range(ranks), slow))
    ahead = [random.uniform(-50, 50) for _ in range(ranks)]
    events, now = [], 0.0
    for number in range(steps):
        work = [random.uniform(0.95, 1.05) * (1.6 if rank in named else 1.0) for rank in range(ranks)]
        if stalls and number % 3 == 0:
            work[random.choice([rank for rank in range(ranks) if rank not in named])] += 40
        end = now + max(work) + 0.05
        for rank, took in enumerate(work):
            moments = {"begun": now, "arrived": now + took, "left": end}
            events.append(
                {"rank": rank, "step": number}
                | {name: moment + ahead[rank] for name, moment in moments.items()}
            )
        now = end
    random.shuffle(events)
    return events, named


def _late_well(answer: Answer, events: list[dict], right: list[int]) -> None:
    ranks = max(event["rank"] for event in events) + 1
    found = answer.call("late", events)
    what = f"late(events), for {len(events)} events of {ranks} ranks,"
    got = sorted(int(each) for each in mistakes.listed(found, what))
    each = [
        {
            name: [event[name] for event in events if event["rank"] == rank]
            for name in ("begun", "arrived", "left")
        }
        for rank in range(ranks)
    ]

    def above(values: Sequence[float], share: float = 1.25) -> list[int]:
        return [rank for rank, value in enumerate(values) if value > share * median(values)]

    work = [[b - a for a, b in zip(own["begun"], own["arrived"], strict=True)] for own in each]
    waits = [[b - a for a, b in zip(own["arrived"], own["left"], strict=True)] for own in each]
    answers = {
        "": right,
        "the mean of a rank's steps: a few stalls move it": above([sum(own) / len(own) for own in work]),
        "the longest step of a rank": above([max(own) for own in work]),
        "who waits longest: the late one is the one that does not wait": above(
            [median(own) for own in waits]
        ),
        "moments of different clocks": above([median(own["arrived"]) for own in each]),
    }
    _same(got, {words: value for words, value in answers.items() if not words or value != right}, what)


def _scaled(draw: Draw, noise: float) -> tuple[dict[int, float], float]:
    """Seconds of a step by the number of ranks, and the share of one rank's time that is not divided."""
    random = draw.random
    share, seconds = random.uniform(0.05, 0.2), random.uniform(2, 9)
    counts = (2, 4, 8, 16, 32)
    return {n: seconds * (share + (1 - share) / n) * random.gauss(1, noise) for n in counts}, share


def _dealt_well(answer: Answer, draw: Draw, ranks: int, giant: bool) -> None:
    lengths = [int(draw.random.lognormvariate(5, 0.7)) + 1 for _ in range(8 * ranks)]
    if giant:  # as long as all that another rank has: whoever looks at sums alone gives its rank nothing more
        lengths[draw.random.randrange(len(lengths))] = sum(lengths) // (ranks - 1)
    what = f"deal(lengths, {ranks}), for {len(lengths)} lengths,"
    found = _items(answer.call("deal", lengths, ranks), what)
    expect.length(found, ranks, what)
    rows = [[int(each) for each in mistakes.listed(own, f"a rank's rows of {what}")] for own in found]
    expect.equal(sorted(itertools.chain(*rows)), list(range(len(lengths))), f"all rows in {what} together")
    expect.equal([len(own) for own in rows], [8] * ranks, f"the numbers of rows in {what}")
    most = max(sum(lengths[row] for row in own) for own in rows)
    limit = 1.02 * max(_greedy(lengths, ranks))
    words = f"the longest rank's sum in {what} of {sum(lengths) / ranks:.0f} in the mean,"
    expect.at_most(most, limit, words)


def _greedy(lengths: Sequence[int], ranks: int) -> list[int]:
    """The ranks' sums if the longest row goes first, to the rank that has least and still has room."""
    loads, room = [0] * ranks, [len(lengths) // ranks] * ranks
    for length in sorted(lengths, reverse=True):
        rank = min((rank for rank in range(ranks) if room[rank]), key=loads.__getitem__)
        loads[rank] += length
        room[rank] -= 1
    return loads


# q9: whole or not there


@exercise.question(
    "q9",
    title="Whole or not there",
    points=3,
    difficulty=3,
    needs=("save", "newest"),
    lesson=SAVED + "#A save that dies half-way",
    hints=(
        "Imagine the plug pulled between any two lines of yours, and in the middle of a write. What does the "
        "next start find, and how does it tell whether that is whole?",
        "First throw away all but the newest whole checkpoint of another step, and of each the name first "
        "that says *whole*. Then write the pieces; last of all write their number to some other name, and "
        "`rename` it to the one that says *whole*.",
        "A parcel counts as sent when its slip hangs on the board:\n"
        "for number, thing in enumerate(things):\n"
        "    box.write(f'{parcel}/{number}', thing)\n"
        "box.write('slip.new', str(len(things)).encode())\n"
        "box.rename('slip.new', f'board/{parcel}')     # all or nothing",
    ),
)
def whole_or_not(answer: Answer, draw: Draw) -> None:
    random = draw.random
    case: dict[str, Any] = {
        "steps": sorted(random.sample((7, 8, 9, 20, 31, 100, 250), 4)),
        "saves": [
            [random.randbytes(random.randrange(2, 30)) for _ in range(ranks)] for ranks in (3, 2, 4, 2)
        ],
    }
    case["steps"][0] = 2  # as a text it would come behind 10
    killed = answer.given(Dead, Disk, newest_or_error, killed_everywhere).call
    quiet = answer.given(Dead, Disk, saved_quietly).call("saved_quietly", case)
    with part("saved and found", points=1):
        _quiet_well(quiet, case)
    with part("killed at any moment", points=1):
        _quiet_well(quiet, case)
        _killed_well(killed("killed_everywhere", case), case)
    with part("nothing is left lying about", points=1):
        _quiet_well(quiet, case)
        found = killed("killed_everywhere", case)
        _killed_well(found, case)
        most = max(len(one) + len(other) for one, other in itertools.pairwise(case["saves"])) + 2 * MARKS
        for each in (quiet, *found):
            died = f"after a save that died at operation {each.get('life', 0) + 1}, and the next ones"
            where = died if "life" in each else "after four saves"
            expect.at_most(each["files"], most, f"the files on the disk {where}, of two checkpoints,")


MARKS = 2  # files of a checkpoint besides its pieces


class Dead(BaseException):
    """The machine is off; nothing that comes after is done."""


class Disk:
    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}
        self.life: int | None = None

    def files(self) -> dict[str, bytes]:
        return dict(self._files)

    def _operation(self) -> None:
        self.life = None if self.life is None else self.life - 1
        if self.life is not None and self.life < 0:
            raise Dead

    def write(self, name: str, data: bytes) -> None:
        if self.life == 0:
            self._files[name] = data[: len(data) // 2]
        self._operation()
        self._files[name] = data

    def rename(self, old: str, new: str) -> None:
        self._operation()
        self._files[new] = self._files.pop(old)

    def delete(self, name: str) -> None:
        self._operation()
        del self._files[name]


def saved_quietly(case: dict) -> dict:
    """Four saves on a disk that lives: the newest after each, and how many files there are at the end."""
    disk = Disk()
    found = [newest(disk)]
    for at, pieces in zip(case["steps"], case["saves"]):
        save(disk, at, list(pieces))
        found.append(newest(disk))
    return {"found": found, "files": len(disk.files())}


def killed_everywhere(case: dict) -> list[dict]:
    """A third save dies at its first operation, then at its second, and so on, until it lives: one of a new
    step, and one of the step before it once more.

    Of each: what is the newest then and after saving that step with other pieces, and how many files there
    are after one save more.
    """
    found, (one, two, three, four) = [], case["saves"]
    for at in (case["steps"][2], case["steps"][1]):
        for life in range(200):
            disk, died = Disk(), False
            save(disk, case["steps"][0], list(one))
            save(disk, case["steps"][1], list(two))
            disk.life = life
            try:
                save(disk, at, list(three))
            except Dead:
                died = True
            died = died or disk.life is None or disk.life < 0
            disk.life = None
            left = newest_or_error(disk)
            save(disk, at, list(four))
            again = newest_or_error(disk)
            save(disk, case["steps"][3], list(one))
            files = len(disk.files())
            found.append({"at": at, "life": life, "died": died, "left": left, "again": again, "files": files})
            if not died:
                break
    return found


def newest_or_error(disk: Any) -> Any:
    try:
        return newest(disk)
    except Exception as error:
        return f"an error, {type(error).__name__}: {error}"


def _quiet_well(quiet: Mapping[str, Any], case: Mapping[str, Any]) -> None:
    first = quiet["found"][0]
    expect.true(first is None, "newest(disk) of an empty disk to be None", expect.show(first))
    for got, at, pieces in zip(quiet["found"][1:], case["steps"], case["saves"], strict=True):
        _found_well(got, [(at, pieces)], f"newest(disk) after the save of step {at}")


def _found_well(got: Any, allowed: Sequence[tuple[int, list[bytes]]], what: str) -> None:
    expect.type_of(got, (tuple, list), what)
    expect.length(got, 2, what)
    expect.type_of(got[0], int, f"the step of {what}")
    steps = sorted({at for at, _ in allowed})
    wanted = f"the step of {what} to be {' or '.join(map(str, steps))}"
    expect.true(got[0] in steps, wanted, expect.show(got[0]))
    pieces = [each for at, each in allowed if at == got[0]]
    if len(pieces) == 1 or list(got[1]) not in pieces:
        expect.equal(got[1], pieces[0], f"the pieces of step {got[0]}, of {what}")


def _killed_well(found: Sequence[Mapping[str, Any]], case: Mapping[str, Any]) -> None:
    (first, second, _, _), (one, two, three, four) = case["steps"], case["saves"]
    for each in found:
        at = each["at"]
        ending = f"dies at operation {each['life'] + 1}" if each["died"] else "lives"
        where = f"newest(disk) after saves of steps {first} and {second}, and one of step {at} that {ending}"
        allowed = [(at, three)]
        if each["died"]:
            # saving a step again may cost that step, and never the one before it
            allowed += [(second, two)] if at != second else [(second, two), (first, one)]
        _found_well(each["left"], allowed, where)
        _found_well(each["again"], [(at, four)], f"{where}, and is made again with other pieces,")


# q10: a plan for many GPUs


@exercise.question(
    "q10",
    title="A plan for 56 GPUs",
    points=4,
    difficulty=2,
    needs=("layouts", "chosen", "interval"),
    lesson=DIES + "#A plan for 64 GPUs",
    hints=(
        "Count all ways to write the number of GPUs as a product of three, and let each rule throw out what "
        "it forbids. 56 has other divisors than 64.",
        "`itertools.product(range(1, gpus + 1), repeat=2)` gives tensor and pipeline; data is what is left, "
        "if it is a whole number. For `chosen` take the `min` with the key `(t * p, bubble)`. The interval "
        "is Young's √(2 · δ · M), with M for *all* machines together, divided by the seconds of a step.",
        "All boxes of 12 eggs that are at most 3 high:\n"
        "boxes = [(a, b, 12 // a // b) for a in range(1, 13) for b in range(1, 13) if 12 % (a * b) == 0]\n"
        "print([box for box in boxes if box[2] <= 3])",
    ),
)
def plan_for_many(answer: Answer, draw: Draw) -> None:
    with part("what can be divided", points=1):
        for machines in (7, draw.random.choice((6, 9)), 12):
            _layouts_well(answer, mistakes.telling(partial(_divided, draw, machines), _layouts))
    with part("what fits, and waits little", points=1):
        for _ in range(3):
            _layouts_well(answer, mistakes.telling(partial(_tight, draw), _layouts))
    with part("which one to try first", points=1):
        for _ in range(3):
            case = mistakes.telling(partial(_some_layouts, draw), _chosen)
            got, what = answer.call("chosen", *case), f"chosen(case, {case[1]})"
            _same(_items(got, what), {words: list(each) for words, each in _chosen(case).items()}, what)
        expect.type_of(answer.call("chosen", case[0], []), type(None), "chosen(case, [])")
    with part("how often to save", points=1):
        for _ in range(4):
            save_seconds, between, machines, step_seconds = _often(draw)
            got = answer.call("interval", save_seconds, between, machines, step_seconds)
            what = f"interval({save_seconds}, {between}, {machines}, {step_seconds})"
            _same(got, _interval(save_seconds, between, machines, step_seconds), what)


Layout = tuple[int, int, int]
DIVIDED = ("tensor in a machine", "tensor in the heads", "pipeline in the layers", "data in the batch")
TIGHT = ("the memory", "the bubble")


def _divided(draw: Draw, machines: int) -> dict[str, Any]:
    """A site in which all fits, and each rule of what is divided throws something out."""
    random = draw.random
    return {
        "machines": machines,
        "per_machine": 8,
        "memory": 1e15,
        "weights": random.randrange(50, 140) / 10 * 1e9,
        "layers": random.choice((28, 36, 40, 42, 48, 56, 84)),
        "heads": random.choice((28, 32, 36, 40, 42, 56)),
        "width": random.choice((4096, 5120)),
        "tokens": 4096,
        "batch": random.choice((252, 336, 448, 512, 504)),
        "bubble": 1.0,
    }


def _tight(draw: Draw) -> dict[str, Any]:
    """A site in which everything can be divided, and not all fits."""
    random = draw.random
    return _divided(draw, 8) | {
        "memory": random.randrange(30, 90) * 1e9,
        "weights": random.randrange(50, 300) / 10 * 1e9,
        "layers": 64,
        "heads": 64,
        "batch": random.choice((512, 1024)),
        "bubble": random.randrange(3, 16) / 100,
    }


def needs(case: dict, layout: tuple) -> tuple[float, float]:
    """Bytes on a GPU of the first stage, and the bubble's share of the time."""
    tensor, pipeline, data = layout
    micro = case["batch"] // data  # micro-batches of one row
    state = case["weights"] * (4 + 12 / data)  # weights, gradients, and stage 1's state
    row = 34 * case["tokens"] * case["width"] * case["layers"]  # the activations of one row
    held = min(pipeline, micro) * row
    return (state + held) / (tensor * pipeline), (pipeline - 1) / (micro + pipeline - 1)


def _every_layout(gpus: int) -> list[Layout]:
    sizes = [size for size in range(1, gpus + 1) if gpus % size == 0]
    pairs = itertools.product(sizes, repeat=2)
    return [
        (tensor, pipeline, gpus // (tensor * pipeline))
        for tensor, pipeline in pairs
        if gpus % (tensor * pipeline) == 0
    ]


def _layouts(case: Mapping[str, Any]) -> dict[str, list[Layout]]:
    """All that keep the rules, in order; and those that keep all but one."""
    every = _every_layout(case["machines"] * case["per_machine"])

    def broken(layout: Layout) -> set[str]:
        t, p, d = layout
        rests = (case["per_machine"] % t, case["heads"] % t, case["layers"] % p, case["batch"] % d)
        found = {name for name, rest in zip(DIVIDED, rests, strict=True) if rest}
        memory, bubble = needs(dict(case), layout)
        too_much = (memory > 0.9 * case["memory"], bubble > case["bubble"])
        return found | {name for name, much in zip(TIGHT, too_much, strict=True) if much}

    rules = {each: broken(each) for each in every}
    answers = {
        f"a rule that was left out: {name}": [each for each in every if not rules[each] - {name}]
        for name in (TIGHT if case["memory"] < 1e15 else DIVIDED)
    }
    if not any(rules[each] == set() for each in every):
        answers["no layout at all"] = []  # such a case tells nothing, and is drawn again
    return {"": [each for each in every if not rules[each]]} | answers


def _layouts_well(answer: Answer, case: dict) -> None:
    what = f"layouts({expect.show(case)})"
    found = []
    for number, each in enumerate(_items(answer.call("layouts", case), what)):
        three = mistakes.listed(each, f"item {number} of {what}")
        expect.length(three, 3, f"item {number} of {what}")
        found.append(tuple(int(one) for one in three))
    _same(sorted(found), _layouts(case), what)


def _some_layouts(draw: Draw) -> tuple[dict[str, Any], list[Layout]]:
    case = _tight(draw)
    return case, draw.sample(_every_layout(64), 7)


def _chosen(given: tuple[dict[str, Any], Sequence[Layout]]) -> dict[str, Layout]:
    case, allowed = given
    return {
        "": min(allowed, key=lambda each: (each[0] * each[1], needs(case, each)[1])),
        "the least bubble, whatever is cut": min(allowed, key=lambda each: needs(case, each)[1]),
        "the least memory": min(allowed, key=lambda each: needs(case, each)[0]),
        "the least tensor, then the least pipeline": min(allowed),
    }


def _often(draw: Draw) -> tuple[int, int, int, float]:
    random = draw.random
    between = 3600 * random.randrange(200, 2000)
    return random.randrange(5, 90), between, random.choice((8, 64, 500)), random.randrange(3, 40) / 10


def _interval(save_seconds: int, between: int, machines: int, step_seconds: float) -> dict[str, int]:
    def steps(between: float, factor: float = 2) -> int:
        return max(1, round(math.sqrt(factor * save_seconds * between) / step_seconds))

    right = steps(between / machines)
    found = {
        "one machine's failures: of many, one fails sooner": steps(between),
        "the formula without its 2": steps(between / machines, 1),
        "seconds in the place of steps": round(math.sqrt(2 * save_seconds * between / machines)),
    }
    return {"": right} | {words: each for words, each in found.items() if each != right}


exercise.manual(
    "q11",
    title="“Stage 3 on everything”",
    points=4,
    lesson=SPLIT + "#A mesh",
    hints=(
        "Go through the plan sentence by sentence: what does each choice save, what does it send, and over "
        "which wires?",
        "Count what stage 3 sends against what stage 2 does; ask which direction of the mesh crosses the "
        "machines, what eight stages with eight micro-batches wait, and what is lost if the one save a day "
        "is written over the last.",
        "Somebody who packs for a journey puts everything into one trunk, and the trunk on another train. "
        "What would you ask first?",
    ),
)
