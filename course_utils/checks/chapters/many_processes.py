"""The questions of chapter 27: many processes.

Nothing here starts a process, opens a socket or looks at a clock. Ranks are threads that pass tensors to each
other, what each of them sends is counted, and a rank that waits for what nobody can send any more is told so.
What comes of a case is worked out here as well, once rightly and once for each likely mistake, so that a
message can name it.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Mapping, Sequence
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

from course_utils.checks import expect, mistakes
from course_utils.checks.draw import Draw
from course_utils.checks.framework import Exercise, part
from course_utils.checks.predictions import six_predictions
from course_utils.checks.report import Failed, Rung
from course_utils.wire.answer import Answer

if TYPE_CHECKING:
    import torch

    # what the learner writes: the functions below that are sent along call it by its name
    shard: Any = None
    TopK: Any = None

LESSONS = "lessons/27_many_processes/"
RING = LESSONS + "01_ring.ipynb"
COSTS = LESSONS + "02_what_it_costs.ipynb"
BIG = LESSONS + "03_one_big_batch.ipynb"
LESS = LESSONS + "04_less_to_send.ipynb"
LAUNCHED = LESSONS + "05_launched.ipynb"

exercise = Exercise(
    "27_many_processes",
    title="Many processes",
    minutes=150,
    difficulty="hard",
    cost="some seconds on two cores",
)

Tensors = list["torch.Tensor"]


# ranks that are threads


def played_ranks(function: str, calls: Sequence[Sequence[Any]], kind: str) -> dict[str, Any]:
    """What each rank's call of the learner's function gives, and what each one sent.

    calls: the arguments of each rank. kind: "ring", and each rank gets its number, the number of ranks,
    `send` and `receive`; or "sum" or "mean", and it gets the number of ranks and a function that gives
    the sum or the mean over the ranks. The ranks are threads. A rank that waits for what nobody can give
    any more gets an error that says so.
    """
    import threading

    import torch

    world, turn = len(calls), threading.Condition()
    boxes: dict[tuple[int, int], list] = {}
    rounds: list[dict[int, Any]] = []
    sent: list[list[dict]] = [[] for _ in calls]
    found: list[Any] = [None] * world
    needs: dict[int, tuple] = {}  # what each waiting rank waits for
    ended: dict[int, BaseException | None] = {}
    others: list[BaseException] = []

    def is_there(need: tuple) -> bool:
        return bool(boxes.get(need[1:])) if need[0] == "letter" else len(rounds[need[1]]) == world

    def wait(rank: int, need: tuple, words: str) -> None:
        needs[rank] = need
        turn.notify_all()
        while not is_there(need):
            stuck = len(needs) + len(ended) == world and not any(map(is_there, needs.values()))
            if stuck or others:
                others.append(RuntimeError(words))
                turn.notify_all()
                raise others[0]
            turn.wait()
        del needs[rank]

    def kept(tensor: Any, rank: int, to: Any) -> Any:
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(f"what a rank sends has to be a tensor, not {type(tensor).__name__}")
        sent[rank].append({"to": to, "numbers": tensor.numel(), "dtype": str(tensor.dtype)})
        return tensor.detach().clone()

    def send(rank: int, tensor: Any, to: int) -> None:
        with turn:
            if to == rank or to not in range(world):
                raise ValueError(f"rank {rank} of {world} sends to rank {to}")
            boxes.setdefault((int(to), rank), []).append(kept(tensor, rank, int(to)))
            turn.notify_all()

    def receive(rank: int, source: int) -> Any:
        with turn:
            if source == rank or source not in range(world):
                raise ValueError(f"rank {rank} of {world} waits for rank {source}")
            words = f"rank {rank} waits for a tensor from rank {source}, and it comes no more"
            wait(rank, ("letter", rank, int(source)), words)
            return boxes[rank, int(source)].pop(0)

    def combine(rank: int, tensor: Any) -> Any:
        with turn:
            number = len(sent[rank])
            if number == len(rounds):
                rounds.append({})
            rounds[number][rank] = kept(tensor, rank, None)
            words = f"rank {rank} waits in call {number + 1} of the collective, which not all ranks come to"
            wait(rank, ("round", number), words)
            parts = [rounds[number][each] for each in range(world)]
        if len({(each.shape, each.dtype) for each in parts}) > 1:
            raise ValueError(f"in call {number + 1} the ranks bring tensors of different shape or dtype")
        total = parts[0].clone()
        for each in parts[1:]:
            total = total + each
        return total / world if kind == "mean" else total

    def run(rank: int) -> None:
        error = None
        try:
            tools: tuple = (world, lambda tensor: combine(rank, tensor))
            if kind == "ring":
                tools = (rank, world, lambda tensor, to: send(rank, tensor, to))
                tools = (*tools, lambda source: receive(rank, source))
            found[rank] = globals()[function](*calls[rank], *tools)
        except BaseException as raised:
            error = raised
        with turn:
            needs.pop(rank, None)
            ended[rank] = error
            turn.notify_all()

    threads = [threading.Thread(target=run, args=(rank,), daemon=True) for rank in range(world)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    errors = [error for error in ended.values() if error is not None]
    for error in sorted(errors, key=lambda error: any(error is other for other in others)):
        raise error
    return {"found": found, "sent": sent, "given": [list(call) for call in calls]}


def _played(
    answer: Answer, function: str, calls: Sequence[Sequence[Any]], kind: str = "ring"
) -> dict[str, Any]:
    made: dict[str, Any] = answer.given(played_ranks).call("played_ranks", function, calls, kind)
    return made


def _tensor(got: Any, answers: Mapping[str, Any], what: str, tolerance: float = 1e-5) -> None:
    """A tensor is the right one ("" among `answers`), up to rounding; else the message names the mistake."""
    import torch

    right = torch.as_tensor(answers[""]).double()
    found = expect.tensor(got, what, tuple(right.shape)).double()
    wrong = (~_alike(found, right, tolerance)).nonzero().tolist()
    if wrong:
        place = tuple(wrong[0])
        inside = f"item {place[0] if len(place) == 1 else place} of {what}" if place else what
        said = f"{found[place].item():.6g}{_mistake(found, answers, tolerance)}"
        raise Failed(Rung.WRONG_VALUE, f"{inside} to be {right[place].item():.6g}", said)


def _mistake(found: torch.Tensor, answers: Mapping[str, Any], tolerance: float) -> str:
    import torch

    for words, made in answers.items():
        other = torch.as_tensor(made).double()
        if words and other.shape == found.shape and bool(_alike(found, other, tolerance).all()):
            return f": that comes of {words}"
    return ""


def _alike(one: torch.Tensor, other: torch.Tensor, tolerance: float) -> torch.Tensor:
    """Where two tensors hold the same, up to a small share of the largest number."""
    most = other.abs().max().item() if other.numel() else 0.0
    return (one - other).abs() <= tolerance * most + 1e-12


def _noise(draw: Draw, *shape: int) -> torch.Tensor:
    """Normal numbers of a shape, in float32."""
    import torch

    return torch.from_numpy(draw.numpy().standard_normal(shape)).float()


def _whole(draw: Draw, *shape: int) -> torch.Tensor:
    """Whole numbers in float32, whose sums are exact in any order."""
    import torch

    return torch.from_numpy(draw.numpy().integers(-99, 99, shape)).float()


def _total(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    made: torch.Tensor = reduce(operator.add, [tensor.double() for tensor in tensors])
    return made


# q1: round a ring


@exercise.question(
    "q1",
    title="Round a ring",
    points=4,
    difficulty=3,
    needs=("reduce_scatter", "all_reduce"),
    lesson=RING + "#Round a ring",
    hints=(
        "Let four people stand in a circle, each with a list of four numbers. In each round everybody hands "
        "one number to the right. Which one must each hand over first, so that after three rounds everybody "
        "holds one whole sum?",
        "In round s = 0, 1, … of `reduce_scatter`, rank r sends its piece (r − 1 − s) % world and adds what "
        "comes from the left to its own piece (r − 2 − s) % world; so the last one that it adds to is piece "
        "r. In `all_reduce` the finished pieces go round once more: in round s it sends piece (r − s) % world "
        "and replaces piece (r − s − 1) % world. `tensor.flatten().tensor_split(world)` also cuts what does "
        "not divide. Add with `+`, not `+=`: a piece is a view of the tensor.",
        "A chain letter round a table of 3, one line each (here every guest adds one line to every letter):\n"
        "for turn in range(2):\n"
        "    pass_on(letters[(me - turn) % 3], to=(me + 1) % 3)\n"
        "    letters[(me - turn - 1) % 3] = take(from_=(me - 1) % 3) + my_line",
    ),
)
def round_a_ring(answer: Answer, draw: Draw) -> None:
    scattered = [_given_to_ranks(draw, world, (size,)) for world, size in ((2, 4), (4, 12), (3, 8), (5, 3))]
    sides = [(2, (6,)), (4, (2, 6)), (3, (7,)), (5, (2, 3, 3)), (4, (3,)), (1, (4,)), (3, ())]
    reduced = [_given_to_ranks(draw, world, shape) for world, shape in sides]
    pieces = [_played(answer, "reduce_scatter", calls) for calls in scattered]
    sums = [_played(answer, "all_reduce", calls) for calls in reduced]
    with part("reduce_scatter: each rank its piece of the sum", points=1):
        for calls, made in zip(scattered, pieces, strict=True):
            _pieces_well(calls, made)
    with part("all_reduce: the sum, on every rank", points=1):
        for calls, made in zip(reduced, sums, strict=True):
            _sums_well(calls, made)
    with part("round the ring, and as few messages as can be", points=1):
        for calls, made in zip(scattered, pieces, strict=True):
            _pieces_well(calls, made)
            _messages_well(made, len(calls), len(calls) - 1, "reduce_scatter(…)")
        for calls, made in zip(reduced, sums, strict=True):
            _sums_well(calls, made)
            _messages_well(made, len(calls), 2 * (len(calls) - 1), "all_reduce(…)")
    with part("no more than a piece in each message, and the same bits everywhere", points=1):
        for name, cases, found in (("reduce_scatter", scattered, pieces), ("all_reduce", reduced, sums)):
            for calls, made in zip(cases, found, strict=True):
                (_pieces_well if name == "reduce_scatter" else _sums_well)(calls, made)
                _sizes_well(calls, made, f"{name}(…)")
        calls = [(_noise(draw, 11) * 10.0 ** draw.random.randrange(-3, 4),) for _ in range(5)]
        made = _played(answer, "all_reduce", calls)
        _sums_well(calls, made)
        for rank, one in enumerate(made["found"][1:], 1):
            same = bool((one == made["found"][0]).all())
            expect.true(same, f"rank {rank} to hold the same bits as rank 0", "others in the last places")


Calls = list[tuple[Any, ...]]


def _given_to_ranks(draw: Draw, world: int, shape: tuple[int, ...]) -> Calls:
    return [(_whole(draw, *shape),) for _ in range(world)]


def _pieces_well(calls: Calls, made: Mapping[str, Any]) -> None:
    world = len(calls)
    tensors = [call[0] for call in calls]
    whole = _total(tensors)
    for rank, piece in enumerate(whole.tensor_split(world)):
        left = tensors[rank - 1].double().tensor_split(world)[rank]
        mine = tensors[rank].double().tensor_split(world)[rank]
        answers = {
            "": piece,
            "the mean, not the sum": piece / world,
            "this rank's own numbers alone": mine,
            "this rank and its left neighbour alone": mine + left,
            "another piece: that of the right neighbour": whole.tensor_split(world)[(rank + 1) % world],
            "another piece: that of the left neighbour": whole.tensor_split(world)[(rank - 1) % world],
        }
        _tensor(made["found"][rank], answers, f"reduce_scatter(…) on rank {rank} of {world}")
    _as_given(calls, made, "reduce_scatter(…)")


def _sums_well(calls: Calls, made: Mapping[str, Any]) -> None:
    world = len(calls)
    tensors = [call[0] for call in calls]
    whole = _total(tensors)
    for rank, one in enumerate(made["found"]):
        answers = {
            "": whole,
            "the mean, not the sum": whole / world,
            "this rank's own numbers alone": tensors[rank],
            "this rank and its left neighbour alone": tensors[rank].double() + tensors[rank - 1].double(),
        }
        what = f"all_reduce(…) on rank {rank} of {world}, for tensors of the shape {tuple(whole.shape)},"
        _tensor(one, answers, what)
    _as_given(calls, made, "all_reduce(…)")


def _as_given(calls: Calls, made: Mapping[str, Any], what: str) -> None:
    for call, given in zip(calls, made["given"], strict=True):
        kept = bool((call[0] == given[0]).all())
        expect.true(kept, f"the tensor that {what} is given to be unchanged", "one that was changed in place")


def _messages_well(made: Mapping[str, Any], world: int, count: int, what: str) -> None:
    for rank, letters in enumerate(made["sent"]):
        whom = sorted({letter["to"] for letter in letters} - {(rank + 1) % world})
        expected = f"rank {rank} of {world} to send to rank {(rank + 1) % world} only, in {what}"
        expect.true(not whom, expected, f"also to {', '.join(map(str, whom))}")
        expect.equal(len(letters), count, f"the messages that rank {rank} of {world} sends in {what}")


def _sizes_well(calls: Calls, made: Mapping[str, Any], what: str) -> None:
    world, numbers = len(calls), calls[0][0].numel()
    most = math.ceil(numbers / world)
    for rank, letters in enumerate(made["sent"]):
        for letter in letters:
            words = f"the numbers in a message of rank {rank}, in {what} of {numbers} numbers on {world} ranks,"
            expect.at_most(letter["numbers"], most, words)


# q2: two numbers


@exercise.question(
    "q2",
    title="Two numbers that say what it costs",
    points=4,
    difficulty=2,
    needs=("seconds", "crossing", "fit"),
    lesson=COSTS + "#Ring, tree, everyone to everyone",
    hints=(
        "How many messages does a rank send one after another, and how many bytes are in each? Which of the "
        "two numbers counts when the tensor is tiny, and which when it is huge?",
        "Set the formulas of ring and tree equal and solve for the bytes; where the ring has no more messages "
        "than the tree it is never slower. For the fit divide each row by its seconds: the columns are "
        "2(n − 1) / t and 2(n − 1) / n · bytes / t, the right side is 1, and "
        "`np.linalg.lstsq(columns, ones)` or `torch.linalg.lstsq` gives both numbers.",
        "A courier takes a fee and so much for each kilogram; bills range from 5 to 5,000, and each should "
        "be met to the same share:\n"
        "rows = np.array([[1 / bill, weight / bill] for weight, bill in bills])\n"
        "fee, each = np.linalg.lstsq(rows, np.ones(len(bills)))[0]",
    ),
)
def two_numbers(answer: Answer, draw: Draw) -> None:
    with part("seconds of each way", points=1):
        for way in draw.sample(("everyone", "tree", "ring"), 3):
            for world in (draw.random.choice((5, 6, 7, 9, 11)), 8, 1):
                size, alpha, beta = _wire(draw)
                answers = _seconds(way, world, size, alpha, beta)
                what = f"seconds({way!r}, {world}, {size}, {alpha}, {beta})"
                mistakes.near(answer.call("seconds", way, world, size, alpha, beta), answers, what)
    with part("where ring and tree cross", points=1):
        for world in (2, 3, 4, draw.random.choice((6, 7, 12)), 64):
            _, alpha, beta = _wire(draw)
            found = answer.call("crossing", world, alpha, beta)
            mistakes.near(found, _crossing(world, alpha, beta), f"crossing({world}, {alpha}, {beta})")
    with part("a fit of exact times", points=1):
        for world in (2, draw.random.randrange(3, 9)):
            _fitted(answer, *_timed(draw, world, noise=0.0))
    with part("a fit of noisy times: each counts by its share", points=1):
        for world in (4, draw.random.randrange(3, 9)):
            _fitted(answer, *_timed(draw, world, noise=0.15))


def _wire(draw: Draw) -> tuple[int, float, float]:
    """Bytes, seconds for a message, seconds for a byte."""
    size = draw.random.randrange(10_000, 10_000_000)
    return size, draw.random.randrange(11, 99) * 1e-6, draw.random.randrange(11, 99) * 1e-11


def _seconds(way: str, world: int, size: int, alpha: float, beta: float) -> dict[str, float]:
    depth, n = math.ceil(math.log2(world)), world
    whole = alpha + beta * size
    if way == "everyone":
        right = (n - 1) * whole
        found = {
            "n · (n − 1) messages: those of different ranks go at the same time": n * (n - 1) * whole,
            "n messages: a rank sends nothing to itself": n * whole,
            "the messages as if they all went at once": whole,
        }
    elif way == "tree":
        right = 2 * depth * whole
        found = {
            "one way only: the sum has to come down again": depth * whole,
            "log2 as it is: a tree of 5 ranks has 3 rounds": 2 * math.log2(n) * whole,
            "log2 rounded down": 2 * math.floor(math.log2(n)) * whole,
            "pieces in the place of whole tensors": 2 * depth * (alpha + beta * size / n),
        }
    else:
        right = 2 * (n - 1) * (alpha + beta * size / n)
        found = {
            "one round of the ring only": (n - 1) * (alpha + beta * size / n),
            "whole tensors in the place of pieces": 2 * (n - 1) * whole,
            "one message, not 2(n − 1)": alpha + 2 * (n - 1) * beta * size / n,
            "n rounds, not n − 1": 2 * n * (alpha + beta * size / n),
        }
    found["bits: beta is for a byte"] = right + 7 * (right - _alone(way, n, alpha))
    return {"": right} | {words: value for words, value in found.items() if not mistakes.is_near(value, right)}


def _alone(way: str, n: int, alpha: float) -> float:
    """What the messages of a way cost without their bytes."""
    return alpha * {"everyone": n - 1, "tree": 2 * math.ceil(math.log2(n)), "ring": 2 * (n - 1)}[way]


def _crossing(world: int, alpha: float, beta: float) -> dict[str, float]:
    n, depth = world, math.ceil(math.log2(world))
    less, more = n - 1 - depth, depth - (n - 1) / n
    right = max(0.0, alpha * less / (beta * more))
    found = {
        "log2 as it is": alpha * (n - 1 - math.log2(n)) / (beta * (math.log2(n) - (n - 1) / n)),
        "the inverse: alpha and beta exchanged": beta * less / (alpha * more),
        "a tree that only goes up, or down": max(0.0, alpha * (2 * (n - 1) - depth) / (beta * abs(depth - 2 * (n - 1) / n) or 1)),
        "bytes of a piece, not of the tensor": right / n,
    }  # fmt: skip
    return {"": right} | {words: value for words, value in found.items() if not mistakes.is_near(value, right)}


def _timed(draw: Draw, world: int, noise: float) -> tuple[int, list[tuple[int, float]]]:
    """(bytes, seconds) of rings, from a few bytes to many, so that the two fits differ."""
    alpha, beta = draw.random.uniform(2e-5, 9e-5), draw.random.uniform(2e-10, 9e-10)
    sizes = [int(10 ** (power + draw.random.uniform(0, 0.5))) for power in (2, 3, 4, 5, 6, 7, 8)]
    sizes = draw.sample(sizes, len(sizes))
    rows = []
    for number, size in enumerate(sizes):
        exact = 2 * (world - 1) * (alpha + beta * size / world)
        rows.append((size, exact * (1 + noise * (1 if number % 2 else -1) * draw.random.uniform(0.5, 1))))
    return world, rows


def _fitted(answer: Answer, world: int, rows: list[tuple[int, float]]) -> None:
    answers = {words: list(pair) for words, pair in _fits(world, rows).items()}
    what = f"fit({world}, measured)"
    found = mistakes.listed(answer.call("fit", world, rows), what)
    expect.length(found, 2, what)
    names = ("alpha", "beta")
    for name, one, right in zip(names, found, answers[""], strict=True):
        if not abs(one - right) <= 1e-4 * abs(right):
            words = next((words for words, made in answers.items() if words and _near_pair(found, made)), "")
            said = f"{one:.6g}" + (f": that comes of {words}" if words else "")
            raise Failed(Rung.WRONG_VALUE, f"{name} of {what} to be {right:.6g}", said)


def _near_pair(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(abs(a - b) <= 1e-4 * abs(b) for a, b in zip(one, other, strict=True))


def _fits(world: int, rows: list[tuple[int, float]]) -> dict[str, tuple[float, float]]:
    """{mistake: (alpha, beta)}."""
    import numpy as np

    size, seconds = np.array([row[0] for row in rows], dtype=float), np.array([row[1] for row in rows])
    messages, share = 2.0 * (world - 1), 2.0 * (world - 1) / world

    def solved(weights: Any) -> tuple[float, float]:
        columns = np.stack([weights, weights * size / 1e6], axis=1)
        base, slope = np.linalg.lstsq(columns, weights * seconds, rcond=None)[0]
        return float(base), float(slope) / 1e6

    base, slope = solved(1 / seconds)
    plain = solved(np.ones_like(seconds))
    right = (base / messages, slope / share)
    found = {
        "squared seconds, not squared shares: the longest times then decide alone": (
            plain[0] / messages, plain[1] / share,
        ),
        "the line as it is: divide by the 2(n − 1) messages, and by the share of the bytes": (base, slope),
        "whole tensors in each message: it is a piece of bytes / n": (base / messages, slope / messages),
        "alpha and beta exchanged": (right[1], right[0]),
    }  # fmt: skip
    return {"": right} | {words: pair for words, pair in found.items() if not _near_pair(pair, right)}


# q3: who sees which rows


@exercise.question(
    "q3",
    title="Who sees which rows?",
    points=4,
    difficulty=2,
    needs=("shard",),
    lesson=BIG + "#Which rank sees which rows",
    hints=(
        "What has to be the same on every rank, so that no row is seen twice? And where does a rank start in "
        "it, and how far is it to its next row?",
        "`torch.randperm(length, generator=torch.Generator().manual_seed(seed + epoch))` is the same "
        "everywhere and asks nobody's random state. Cut off the first `seen`, then cut or repeat what is left "
        "to a whole multiple of `world`, then `[rank::world]`. Repeating may have to go round more than once: "
        "`left * world` is long enough.",
        "Cards for 3 players from a pack of 11, where everybody gets as many:\n"
        "pack = shuffled(range(11), seed=today)\n"
        "pack = pack[: len(pack) // 3 * 3]        # two cards stay on the table\n"
        "mine = pack[me::3]",
    ),
)
def who_sees_what(answer: Answer, draw: Draw) -> None:
    seed, epoch = draw.random.randrange(10_000), draw.random.randrange(1, 20)
    with part("every row once", points=1):
        for world in (1, 2, 4):
            length = world * draw.random.randrange(9, 15)
            _shared_out(_shards(answer, length, world, seed, epoch, False, 0), length, world, length)
    with part("numbers that do not divide", points=1):
        for length, world in ((draw.random.choice((21, 22, 23)), 4), (31, 3), (2, 7)):
            for drop in (False, True):
                many = length // world if drop else math.ceil(length / world)
                made = _shards(answer, length, world, seed, epoch, drop, 0)
                _shared_out(made, length, world, many * world)
    with part("another order in each epoch, for each seed", points=1):
        length, world = draw.random.randrange(15, 20) * 4, 4
        orders = {}
        for words, of_seed, of_epoch in (
            ("", seed, epoch), ("another epoch", seed, epoch + 1), ("another seed", seed + 50, epoch),
        ):  # fmt: skip
            orders[words] = _shards(answer, length, world, of_seed, of_epoch, False, 0)
            _shared_out(orders[words], length, world, length)
            again = _shards(answer, length, world, of_seed, of_epoch, False, 0)
            expect.equal(again, orders[words], "the same call, a second time,")
        for words in ("another epoch", "another seed"):
            expect.true(orders[words] != orders[""], f"another order for {words}", "the same one")
        dealt = _dealt(orders[""])
        expect.true(dealt != sorted(dealt), "the rows in an order that is drawn", "0, 1, 2, …")
    with part("a run that goes on, with another number of ranks", points=1):
        length, steps = draw.random.randrange(14, 17) * 12, draw.random.randrange(3, 8)
        first = _shards(answer, length, 4, seed, epoch, False, 0)
        _shared_out(first, length, 4, length)
        known = _dealt(first)
        for world, seen in ((3, 4 * steps), (2, 4 * steps), (5, 4 * steps + 2), (2, length - 1)):
            left = length - seen
            made = _shards(answer, length, world, seed, epoch, True, seen)
            what = f"after {seen} rows of {length}, the rows of {world} ranks"
            for rank, rows in enumerate(made):
                expect.length(rows, left // world, f"{what}, rank {rank},")
            twice = set(_dealt(made)) & set(known[:seen])
            expect.true(
                not twice, f"{what} to be rows not yet seen", f"{len(twice)} that were seen in this epoch"
            )
            order = known[seen : seen + left // world * world]
            expect.equal(_dealt(made), order, f"{what}, dealt in turn from rank 0 on,")


def _dealt(shards: Sequence[Sequence[int]]) -> list[int]:
    """The rows in the order in which ranks take them, rank 0 first."""
    return [row for turn in zip(*shards, strict=True) for row in turn]


def _shards(
    answer: Answer, length: int, world: int, seed: int, epoch: int, drop: bool, seen: int
) -> list[list[int]]:
    made = answer.given(sharded_rows).call("sharded_rows", length, world, seed, epoch, drop, seen)
    shards = []
    for rank, one in enumerate(made):
        what = f"shard({length}, {rank}, {world}, {seed}, {epoch}, {drop}, {seen})"
        rows = expect.tensor(one, what, (None,)).tolist()
        for row in rows:
            inside = row == int(row) and 0 <= row < length
            expect.true(inside, f"{what} to hold rows from 0 to {length - 1}", f"{row}")
        shards.append([int(row) for row in rows])
    return shards


def _shared_out(shards: Sequence[Sequence[int]], length: int, world: int, total: int) -> None:
    """Each rank has as many rows; together they are all of them, and as few as can be twice."""
    what = f"of {length} rows and {world} ranks"
    for rank, rows in enumerate(shards):
        expect.equal(len(rows), total // world, f"the number of rows of rank {rank}, {what},")
    every = [row for rows in shards for row in rows]
    counts = [every.count(row) for row in range(length)]
    missing = counts.count(0) - max(0, length - total)
    expect.true(missing <= 0, f"every row to be seen, {what}", f"{missing} that no rank sees")
    most = max(1, math.ceil(total / length))
    expect.true(max(counts) <= most, f"no row more than {most} times, {what}", f"one {max(counts)} times")
    expect.true(
        total <= length or min(counts) >= total // length,
        f"each row {total // length} times at least, {what}",
        f"one {min(counts)} times",
    )


def sharded_rows(length: int, world: int, seed: int, epoch: int, drop: bool, seen: int) -> list:
    """Each rank's rows; every rank has a random state of its own, as processes have."""
    import random

    import numpy
    import torch

    states = torch.get_rng_state(), random.getstate(), numpy.random.get_state()
    found = []
    for rank in range(world):
        torch.manual_seed(1000 + rank)
        random.seed(1000 + rank)
        numpy.random.seed(1000 + rank)
        found.append(shard(length, rank, world, seed, epoch, drop, seen))
    torch.set_rng_state(states[0])
    random.setstate(states[1])
    numpy.random.set_state(states[2])
    return found
