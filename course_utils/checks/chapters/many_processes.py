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
    clocks = [0] * world  # rounds: one message a round, and none before what it is made of has come
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
            clocks[rank] += 1
            boxes.setdefault((int(to), rank), []).append((kept(tensor, rank, int(to)), clocks[rank]))
            turn.notify_all()

    def receive(rank: int, source: int) -> Any:
        with turn:
            if source == rank or source not in range(world):
                raise ValueError(f"rank {rank} of {world} waits for rank {source}")
            words = f"rank {rank} waits for a tensor from rank {source}, and it comes no more"
            wait(rank, ("letter", rank, int(source)), words)
            tensor, moment = boxes[rank, int(source)].pop(0)
            clocks[rank] = max(clocks[rank], moment)
            return tensor

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
    return {"found": found, "sent": sent, "rounds": max(clocks), "given": [list(call) for call in calls]}


def _played(
    ranks: Answer, function: str, calls: Sequence[Sequence[Any]], kind: str = "ring"
) -> dict[str, Any]:
    """What `played_ranks` makes of the calls; `ranks` is the answer to which it is given."""
    made: dict[str, Any] = ranks.call("played_ranks", function, calls, kind)
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
        "r. In `all_reduce` the finished pieces go round once more: in round s it sends piece (r − s) % "
        "world and replaces piece (r − s − 1) % world. `tensor.flatten().tensor_split(world)` also cuts what "
        "does not divide. Add with `+`, not `+=`: a piece is a view of the tensor.",
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
    ranks = answer.given(played_ranks)
    pieces = [_played(ranks, "reduce_scatter", calls) for calls in scattered]
    sums = [_played(ranks, "all_reduce", calls) for calls in reduced]
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
        made = _played(ranks, "all_reduce", calls)
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
            words = (
                f"the numbers in a message of rank {rank}, in {what} of {numbers} numbers on {world} ranks,"
            )
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
        "Set the formulas of ring and tree equal and solve for the bytes; with 2 or 3 ranks both have as "
        "many messages, and 0 comes out by itself. For the fit divide each row by its seconds: the columns "
        "are 2(n − 1) / t and 2(n − 1) / n · bytes / t, the right side is 1, and "
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
    return {"": right} | {
        words: value for words, value in found.items() if not mistakes.is_near(value, right)
    }


def _alone(way: str, n: int, alpha: float) -> float:
    """What the messages of a way cost without their bytes."""
    return alpha * {"everyone": n - 1, "tree": 2 * math.ceil(math.log2(n)), "ring": 2 * (n - 1)}[way]


def _crossing(world: int, alpha: float, beta: float) -> dict[str, float]:
    n, depth = world, math.ceil(math.log2(world))
    less, more = n - 1 - depth, depth - (n - 1) / n
    right = alpha * less / (beta * more)  # never below 0: n - 1 is at least the depth
    found = {
        "log2 as it is": alpha * (n - 1 - math.log2(n)) / (beta * (math.log2(n) - (n - 1) / n)),
        "the inverse: alpha and beta exchanged": beta * less / (alpha * more),
        "bytes of a piece, not of the tensor": right / n,
    }  # fmt: skip
    return {"": right} | {
        words: value for words, value in found.items() if not mistakes.is_near(value, right)
    }


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
        "everywhere and asks nobody's random state. Cut off the first `seen`, then cut or repeat what is "
        "left to a whole multiple of `world`, then `[rank::world]`. Repeating may have to go round more than "
        "once: `left * world` is long enough.",
        "Cards for 3 players from a pack of 11, where everybody gets as many:\n"
        "pack = shuffled(range(11), seed=today)\n"
        "pack = pack[: len(pack) // 3 * 3]        # two cards stay on the table\n"
        "mine = pack[me::3]",
    ),
)
def who_sees_what(answer: Answer, draw: Draw) -> None:
    answer = answer.given(sharded_rows)
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
        halves = _shards(answer, length, 2, seed, epoch, False, 0)
        if _dealt(halves) != known:
            blocks = [row for rows in halves for row in rows] == [row for rows in first for row in rows]
            words = "blocks of the order: rank r takes the places r, r + world, … of it"
            said = "another order" + (f": that comes of {words}" if blocks else "")
            expect.true(False, "2 ranks to take the rows in the same order as 4 ranks, dealt in turn", said)
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
    made = answer.call("sharded_rows", length, world, seed, epoch, drop, seen)
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


# q4: one big batch


@exercise.question(
    "q4",
    title="Equal to one big batch",
    points=4,
    difficulty=3,
    needs=("rank_step", "trained_loss"),
    lesson=BIG + "#A mean of means",
    hints=(
        "Rank 0 has 2 labels with a mean loss of 1, rank 1 has 8 with a mean of 2. What is the mean of all "
        "ten? And what is the mean of the two means?",
        "Take `reduction='sum'` and add up over the micro-batches; begin with zeros, so that a rank without "
        "rows has something to bring. The mean over ranks of a sum is the whole sum divided by `world`, and "
        "so is the mean of the counts: divide one by the other. One call holds everything: "
        "`torch.cat([gradient.flatten(), torch.stack([loss, count])])`.",
        "The mean wage of three firms, where a calculator knows only the mean of three numbers:\n"
        "wages, heads = mean_of_three(sum(my_wages)), mean_of_three(len(my_wages))\n"
        "print(wages / heads)     # the threes cancel out; a firm without people brings 0 and 0",
    ),
)
def one_big_batch(answer: Answer, draw: Draw) -> None:
    played = answer.given(played_ranks)
    with part("one batch on each rank, with other numbers of labels", points=1):
        for counts in ([[3], [9]], [[7], [2], [4]]):
            _stepped(played, _micro_batches(draw, counts))
    with part("micro-batches, and as few messages", points=1):
        for counts in ([[3, 6, 1], [8, 2, 5]], [[2, 7, 3, 1, 5], [4, 1, 2, 6, 8], [1, 1, 9, 2, 2]]):
            made = _stepped(played, _micro_batches(draw, counts))
            for rank, calls in enumerate(made["sent"]):
                what = f"the calls of mean(…) on rank {rank}, for {len(counts[rank])} micro-batches,"
                expect.at_most(len(calls), 3, what)
    with part("ranks that have nothing", points=1):
        for counts in ([[3, 2], []], [[0, 5], [0], [0, 0]], [[], [4, 0, 3], [0]]):
            _stepped(played, _micro_batches(draw, counts))
    with part("three losses for one batch", points=1):
        for way in draw.sample(WAYS, 3):
            for ranks, micro in ((2, 4), (3, 2), (4, 1)):
                sums, counts = mistakes.telling(partial(_summed, draw, ranks, micro), partial(_ways, way=way))
                what = f"trained_loss({expect.show(sums)}, {expect.show(counts)}, {way!r})"
                mistakes.near(
                    answer.call("trained_loss", sums, counts, way), _ways((sums, counts), way), what
                )


WAYS = ("big batch", "mean of means", "stock")
Batches = list[list[tuple["torch.Tensor", "torch.Tensor"]]]


def _micro_batches(draw: Draw, counts: Sequence[Sequence[int]]) -> tuple[torch.Tensor, Batches]:
    """A weight, and each rank's micro-batches with so many labels that count."""
    import torch

    found: Batches = []
    for rank in counts:
        batches = []
        for count in rank:
            labels = [draw.random.randrange(3) for _ in range(count)]
            labels += [-100] * draw.random.randrange(0 if count else 1, 3)
            labels = draw.sample(labels, len(labels))
            batches.append((_noise(draw, len(labels), 4) * 2, torch.tensor(labels)))
        found.append(batches)
    return _noise(draw, 4, 3), found


def _gradient(weight: torch.Tensor, batches: Sequence[tuple]) -> tuple[torch.Tensor, float, int]:
    """Of the sum of the losses: its gradient, itself, and how many labels count; in float64."""
    import torch
    from torch.nn.functional import cross_entropy

    leaf = weight.double().requires_grad_()
    with torch.enable_grad():
        loss = (leaf * 0).sum()
        for inputs, labels in batches:
            loss = loss + cross_entropy(inputs.double() @ leaf, labels, reduction="sum")
    loss.backward()
    assert leaf.grad is not None
    return leaf.grad, loss.item(), sum(int((labels >= 0).sum()) for _, labels in batches)


def _stepped(played: Answer, case: tuple[torch.Tensor, Batches]) -> dict[str, Any]:
    weight, batches = case
    world = len(batches)
    made = _played(played, "rank_step", [(weight, mine) for mine in batches], "mean")
    each = [_gradient(weight, mine) for mine in batches]
    micro = [[_gradient(weight, [batch]) for batch in mine] for mine in batches]
    count = sum(one[2] for one in each)
    whole = [_total([one[0] for one in each]), sum(one[1] for one in each)]
    rows = sum(len(labels) for mine in batches for _, labels in mine)
    for rank, found in enumerate(made["found"]):
        what = f"rank_step(…) on rank {rank} of {world}"
        expect.type_of(found, (tuple, list), what)
        expect.length(found, 2, what)
        for number, name in enumerate(("the gradient", "the loss")):
            right = whole[number] / count
            answers = {
                "": right,
                "a factor 1 / world that is left: the mean over ranks divided by it": right / world,
                "a factor world too much": right * world,
                "the sum over the labels, not their mean": whole[number],
                "the mean over the ranks of a sum over the labels": whole[number] / world,
                "counting the labels of −100 as well": whole[number] / rows,
            }
            if all(one[2] for one in each):
                means = [one[number] / one[2] for one in each]
                answers["a mean of the ranks' means: a label on a rank with few counts for more"] = (
                    sum(means) / world
                )
                answers["this rank's labels alone"] = means[rank]
            if all(one[2] for mine in micro for one in mine) and all(micro):
                inner = [sum(one[number] / one[2] for one in mine) / len(mine) for mine in micro]
                answers["a mean of the micro-batches' means"] = sum(inner) / world
            _tensor(found[number], answers, f"{name} of {what}")
    return made


def _summed(draw: Draw, ranks: int, micro: int) -> tuple[list[list[float]], list[list[int]]]:
    counts = [[draw.random.randrange(2, 30) for _ in range(micro)] for _ in range(ranks)]
    sums = [[round(count * draw.random.uniform(0.5, 3), 3) for count in mine] for mine in counts]
    return sums, counts


def _ways(case: tuple[list[list[float]], list[list[int]]], way: str) -> dict[str, float]:
    sums, counts = case
    ranks, micro = len(sums), len(sums[0])
    means = [
        one / count
        for mine, numbers in zip(sums, counts, strict=True)
        for one, count in zip(mine, numbers, strict=True)
    ]
    big = sum(map(sum, sums)) / sum(map(sum, counts))
    flat = math.fsum(means)
    by_rank = math.fsum(sum(mine) / sum(numbers) for mine, numbers in zip(sums, counts, strict=True)) / ranks
    named = {
        "the big batch": big,
        "the mean of all means": flat / (ranks * micro),
        "the sum of all means": flat,
        "the mean over the ranks of the sum of their means: the factor of the ranks is missing": flat / ranks,
        "the sum over the ranks of the mean of their means: the factor of the micro-batches is missing": flat
        / micro,
        "each rank's own mean over its labels": by_rank,
        "the big batch, times the micro-batches": big * micro,
        "the big batch, times ranks and micro-batches": big * micro * ranks,
    }
    right = {"big batch": big, "mean of means": flat / (ranks * micro), "stock": flat}[way]
    same = {words for words, value in named.items() if mistakes.is_near(value, right)}
    return {"": right} | {words: value for words, value in named.items() if words not in same}


# q5: buckets


@exercise.question(
    "q5",
    title="Buckets",
    points=3,
    difficulty=2,
    needs=("buckets", "all_reduces"),
    lesson=LESS + "#Buckets",
    hints=(
        "Which gradient is ready first: that of the first layer, or that of the last one? And when does a "
        "bucket that is filled drop by drop count as full?",
        "Go through `reversed(sizes)`, add each name to the open bucket, and close it as soon as its bytes "
        "are at least its limit. The limit is `first` while no bucket has been closed, then `cap`. What is "
        "open at the end is a bucket, too. For the count: `math.ceil(micro_batches / accumulate)` updates.",
        "Crates for a removal, closed as soon as they weigh 20 kg or more:\n"
        "crates, weight = [[]], 0\n"
        "for thing in things:\n"
        "    crates[-1].append(thing)\n"
        "    weight += kilograms[thing]\n"
        "    if weight >= 20:\n"
        "        crates, weight = [*crates, []], 0",
    ),
)
def filled_buckets(answer: Answer, draw: Draw) -> None:
    with part("order and cuts", points=1):
        for _ in range(3):
            _bucketed(answer, mistakes.telling(partial(_gradients, draw), _buckets))
    with part("limits that are met exactly, large tensors, and what is left", points=1):
        for case in _edges(draw):
            _bucketed(answer, case)
    with part("how many all-reduces", points=1):
        for micro, accumulate in ((12, 1), (12, 4), (14, 4), (3, 8)):
            case = _gradients(draw)
            _bucketed(answer, case)  # another cut may have as many buckets by chance
            answers = _reduces(case, micro, accumulate)
            found = answer.call("all_reduces", *case, micro, accumulate)
            count = len(_filled(*case))
            what = f"all_reduces(sizes, first, cap, {micro}, {accumulate}), with {count} buckets,"
            mistakes.near(found, answers, what)


Gradients = tuple[dict[str, int], int, int]


def _gradients(draw: Draw) -> Gradients:
    """Bytes of each gradient in the order of the model, and the two limits, neither met exactly."""
    sizes: dict[str, int] = {"embed.weight": draw.random.randrange(2000, 4000)}
    for layer in range(draw.random.randrange(5, 8)):
        sizes |= {f"{layer}.weight": draw.random.randrange(300, 900), f"{layer}.bias": 4 * (layer + 3)}
    while True:
        first, cap = draw.random.randrange(350, 600), draw.random.randrange(1000, 1600)
        if _filled(sizes, first, cap) == _filled(sizes, first, cap, BUCKETS[4]):
            return sizes, first, cap


def _edges(draw: Draw) -> list[Gradients]:
    cap = draw.random.randrange(200, 300) * 4
    half = {f"{layer}.weight": cap // 2 for layer in range(draw.random.randrange(3, 6) * 2 + 1)}
    large = {"a": 12, "b": 5 * cap, "c": 20, "d": 3 * cap, "e": 8, "f": cap - 1, "g": 1, "h": 16}
    return [(half, cap // 2, cap), (large, cap, cap), ({"one": 4}, 4, 8), (large, 8, 100 * cap)]


def _filled(sizes: Mapping[str, int], first: int, cap: int, mistake: str = "") -> list[list[str]]:
    if mistake == BUCKETS[2]:
        first = cap
    if mistake == BUCKETS[3]:
        cap = first
    found: list[list[str]] = []
    opened: list[str] = []
    for name in list(sizes) if mistake == BUCKETS[0] else reversed(list(sizes)):
        held = sum(sizes[each] for each in opened)
        limit = cap if found else first
        if mistake == BUCKETS[1] and opened and held + sizes[name] > limit:
            found.append(opened)
            opened = []
        opened = [*opened, name]
        held = sum(sizes[each] for each in opened)
        if mistake != BUCKETS[1] and (held > limit if mistake == BUCKETS[4] else held >= limit):
            found.append(opened)
            opened = []
    return [*found, opened] if opened and mistake != BUCKETS[5] else found


BUCKETS = (
    "the order of the model: the last gradient is ready first",
    "closing a bucket before it goes beyond its limit: it is closed when it has reached it",
    "the limit `cap` for the first bucket, too",
    "the limit `first` for all buckets",
    "a bucket that has reached its limit exactly and is still open",
    "leaving out the last bucket, which is not full",
)


def _buckets(case: Gradients) -> dict[str, list[list[str]]]:
    found = {mistake: _filled(*case, mistake) for mistake in ("", *BUCKETS)}
    found.pop(BUCKETS[4])  # only exact limits tell it
    if sum(case[0][name] for name in found[""][-1]) >= case[2]:
        found.pop(BUCKETS[5])
    return found


def _bucketed(answer: Answer, case: Gradients) -> None:
    sizes, first, cap = case
    right = _filled(*case)
    what = f"buckets({expect.show(sizes)}, {first}, {cap})"
    found = answer.call("buckets", *case)
    expect.each_of(found, (list, tuple), what)
    made = [list(each) for each in found]
    if made != right:
        answers = {mistake: _filled(*case, mistake) for mistake in BUCKETS}
        words = next((mistake for mistake, value in answers.items() if value == made), "")
        said = expect.show(made) + (f": that comes of {words}" if words else "")
        raise Failed(Rung.WRONG_VALUE, f"{what} to be {expect.show(right)}", said)


def _reduces(case: Gradients, micro: int, accumulate: int) -> dict[str, int]:
    count = len(_filled(*case))
    right = count * math.ceil(micro / accumulate)
    found = {
        "sending in every micro-batch": count * micro,
        "leaving out the last update, which has fewer micro-batches": count * (micro // accumulate),
        "one message for each update: each of its buckets is one": math.ceil(micro / accumulate),
        "one message for each tensor": len(case[0]) * math.ceil(micro / accumulate),
    }
    return {"": right} | {words: value for words, value in found.items() if value != right}


# q6: send while computing


@exercise.question(
    "q6",
    title="Send while computing",
    points=4,
    difficulty=3,
    needs=("timeline", "best_cuts"),
    lesson=LESS + "#Send while computing",
    hints=(
        "Two things have to be over before a bucket can be sent. Which? And which buckets does the length of "
        "the last one concern?",
        "A bucket starts at `max(ready, free)`: when its last gradient is there, and when the bucket before "
        "it has been sent. For the best cut: let `over[i]` be the earliest end of sending the first i "
        "gradients; it is the least, over all j < i, of max(over[j], ready[i]) + alpha + beta · the bytes "
        "from j to i. Remember the best j for each i, and go back from the end.",
        "Coins for the amount 63, as few as can be, from the few for each smaller amount:\n"
        "fewest, last = [0], [0]\n"
        "for amount in range(1, 64):\n"
        "    coins = [coin for coin in (1, 20, 21, 50) if coin <= amount]\n"
        "    best = min(coins, key=lambda coin: fewest[amount - coin])\n"
        "    fewest.append(fewest[amount - best] + 1)\n"
        "    last.append(best)          # go back: 63, 63 - last[63], …",
    ),
)
def while_computing(answer: Answer, draw: Draw) -> None:
    with part("when each bucket is sent", points=1):
        for _ in range(3):
            case = mistakes.telling(partial(_backward, draw), partial(_sent, name="starts"))
            what = f"'starts' of {_timeline_words(case)}"
            mistakes.numbers(_timeline(answer, case)["starts"], _sent(case, "starts"), what)
    with part("the end, and what is not hidden", points=1):
        for _ in range(3):
            case = mistakes.telling(partial(_backward, draw), _last_ends)
            found = _timeline(answer, case)
            for name in ("end", "exposed"):
                mistakes.near(found[name], _sent(case, name), f"{name!r} of {_timeline_words(case)}")
    with part("the best cut of a few", points=1):
        for _ in range(3):
            _cut_well(answer, mistakes.telling(partial(_uncut, draw, draw.random.randrange(8, 11)), _ends))
    with part("the best cut of many", points=1):
        _cut_well(answer, mistakes.telling(partial(_uncut, draw, draw.random.randrange(70, 80)), _ends))


Sending = tuple[list[int], list[int], list[int], int, float]  # seconds, bytes, cuts, alpha, beta


def _backward(draw: Draw) -> Sending:
    seconds, sizes, _, alpha, beta = _uncut(draw, draw.random.randrange(7, 10))
    cuts: list[int] = []
    while sum(cuts) < len(sizes):
        cuts.append(min(draw.random.randrange(1, 4), len(sizes) - sum(cuts)))
    return seconds, sizes, cuts, alpha, beta


def _uncut(draw: Draw, count: int) -> Sending:
    seconds = [draw.random.randrange(2, 12) for _ in range(count)]
    sizes = [draw.random.randrange(2, 40) for _ in range(count)]
    return seconds, sizes, [count], draw.random.randrange(5, 11), 0.125


SENDING = (
    "buckets that are sent at the same time: each waits for the one before it",
    "sending that waits for the end of the backward pass",
    "a bucket that is sent when its first gradient is ready, not its last",
    "alpha for each gradient: a bucket is one message",
    "leaving out alpha",
)


def _starts(case: Sending, mistake: str = "") -> tuple[list[float], float]:
    """When each bucket's sending begins, and when the last one is over."""
    seconds, sizes, cuts, alpha, beta = case
    ready = list(itertools.accumulate(seconds))
    free, starts, ends, first = 0.0, [], [], 0
    for cut in cuts:
        last = first + cut
        there = ready[first] if mistake == SENDING[2] else ready[last - 1]
        if mistake == SENDING[1]:
            there = ready[-1]
        starts.append(there if mistake == SENDING[0] else max(there, free))
        fee = {SENDING[3]: alpha * cut, SENDING[4]: 0}.get(mistake, alpha)
        free = starts[-1] + fee + beta * sum(sizes[first:last])
        ends.append(free)
        first = last
    return starts, max(ends)


def _last_ends(case: Sending) -> dict[str, float]:
    """When the last bucket is through, rightly and with each mistake."""
    return {mistake: _starts(case, mistake)[1] for mistake in ("", *SENDING)}


def _sent(case: Sending, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for mistake in ("", *SENDING):
        starts, end = _starts(case, mistake)
        found[mistake] = {"starts": starts, "end": end, "exposed": end - sum(case[0])}[name]
    if name == "exposed":
        whole = sum(case[3] + case[4] * size for size in _bucket_sizes(case))
        del found[SENDING[1]]
        found["all that is sent, also what is hidden behind the computing"] = whole
    if name == "end":
        found["the backward pass alone"] = float(sum(case[0]))
    return {"": found[""]} | {
        words: value for words, value in found.items() if not mistakes.is_near(value, found[""])
    }


def _bucket_sizes(case: Sending) -> list[int]:
    rest = iter(case[1])
    return [sum(itertools.islice(rest, cut)) for cut in case[2]]


def _timeline_words(case: Sending) -> str:
    return f"timeline({', '.join(map(expect.show, case))})"


def _timeline(answer: Answer, case: Sending) -> dict[str, Any]:
    found: dict[str, Any] = answer.call("timeline", *case)
    expect.keys(found, ("starts", "end", "exposed"), _timeline_words(case))
    return found


def _best(case: Sending) -> float:
    """The earliest end over all cuts."""
    seconds, sizes, _, alpha, beta = case
    ready, held = [0, *itertools.accumulate(seconds)], [0, *itertools.accumulate(sizes)]
    over = [0.0]
    for last in range(1, len(ready)):
        begun = (
            max(over[first], ready[last]) + alpha + beta * (held[last] - held[first]) for first in range(last)
        )
        over.append(min(begun))
    return over[-1]


def _ends(case: Sending) -> dict[str, float]:
    """{a way to cut: when it ends}; the best one under ""."""
    seconds, sizes, _, alpha, beta = case
    count = len(sizes)
    equal, capped = [], []
    for each in range(2, count):
        cuts = [each] * (count // each) + ([count % each] if count % each else [])
        equal.append(_starts((seconds, sizes, cuts, alpha, beta))[1])
    for cap in range(min(sizes), sum(sizes), 1 if count < 20 else 7):
        numbers = {str(number): size for number, size in reversed(list(enumerate(sizes)))}
        cuts = [len(bucket) for bucket in _filled(numbers, cap, cap)]
        capped.append(_starts((seconds, sizes, cuts, alpha, beta))[1])
    return {
        "": _best(case),
        "one bucket for all": _starts((seconds, sizes, [count], alpha, beta))[1],
        "a bucket for each gradient": _starts((seconds, sizes, [1] * count, alpha, beta))[1],
        "buckets of as many gradients each": min(equal),
        "buckets of a limit in bytes": min(capped),
    }


def _cut_well(answer: Answer, case: Sending) -> None:
    seconds, sizes, _, alpha, beta = case
    arguments = f"{expect.show(seconds)}, {expect.show(sizes)}, {alpha}, {beta}"
    what = f"best_cuts({arguments})"
    found = answer.call("best_cuts", seconds, sizes, alpha, beta)
    cuts = mistakes.listed(found, what)
    whole = all(cut == int(cut) and cut > 0 for cut in cuts) and sum(cuts) == len(sizes)
    expected = f"{what} to be whole numbers above 0 that add up to {len(sizes)}"
    expect.true(whole, expected, expect.show(found))
    end, best = _starts((seconds, sizes, [int(cut) for cut in cuts], alpha, beta))[1], _ends(case)
    if end > best[""] + 1e-9:
        words = next((words for words, value in best.items() if words and mistakes.is_near(end, value)), "")
        said = f"{expect.show(found)}, which ends at {end:g}" + (f" as {words} do" if words else "")
        raise Failed(Rung.WRONG_VALUE, f"{what} to be a cut that ends at {best['']:g}", said)


# q7: the largest few


@exercise.question(
    "q7",
    title="The largest few, and what is left",
    points=4,
    difficulty=2,
    needs=("TopK", "mean_of", "largest_k"),
    lesson=LESS + "#What was left out comes later",
    hints=(
        "A gradient of 0.1 is never among the largest. How large has it become after ten steps, if nobody "
        "forgets it?",
        "Keep `self.rest`, None at first. Each time: `whole = gradient if self.rest is None else gradient + "
        "self.rest`, then `whole.flatten().abs().topk(k).indices`, and the rest is a copy of `whole` with "
        "zeros there. For the mean, `index_add_` adds also where an index comes from two ranks. For k, write "
        "down both numbers of bytes and solve.",
        "A bank that pays out whole coins only and remembers the cents:\n"
        "owed = self.cents + amount\n"
        "paid = owed // 100 * 100\n"
        "self.cents = owed - paid        # nothing is lost, it only comes later",
    ),
)
def largest_few(answer: Answer, draw: Draw) -> None:
    cases = [_steps(draw, shape) for shape in ((11,), (3, 6), (2, 2, 5))]
    made = [answer.given(watched_topk).call("watched_topk", *case) for case in cases]
    with part("what is sent", points=1):
        for case, found in zip(cases, made, strict=True):
            _sends(case, found, 1)
        lone = (0.01, [_noise(draw, 9)])
        _sends(lone, answer.given(watched_topk).call("watched_topk", *lone), 1)
    with part("what is left comes later", points=1):
        for case, found in zip(cases, made, strict=True):
            _sends(case, found, len(case[1]))
            expect.true(found["kept"], "the gradients, unchanged, after compress(…)", "others")
    with part("the mean over the ranks", points=1):
        for shape, world in (((7,), 2), ((3, 4), 4)):
            pairs = _pairs(draw, math.prod(shape), world)
            found = answer.call("mean_of", pairs, shape)
            _tensor(found, _means(pairs, shape), f"mean_of(pairs of {world} ranks, {shape})")
    with part("how many are worth sending", points=1):
        numbers = draw.random.randrange(1000, 9000) * 12
        for world in (2, 5, 8, 64):
            for count in (numbers, numbers + 1, numbers - 1):
                found = answer.call("largest_k", count, world)
                mistakes.near(found, _largest(count, world), f"largest_k({count}, {world})")


def _steps(draw: Draw, shape: tuple[int, ...]) -> tuple[float, Tensors]:
    """A share, and gradients, the last of them small, so that what was left decides."""
    share = draw.random.choice((0.15, 0.25, 0.35))
    first = _noise(draw, *shape)
    first = first + first.sign() * 0.5
    first.view(-1)[int(first.abs().argmax())] = -4.0  # the largest is negative
    return share, [first, _noise(draw, *shape) * 0.2, _noise(draw, *shape) * 0.2, _noise(draw, *shape) * 0.1]


TOP_K = (
    "the largest values, not the largest absolute ones",
    "values without their sign",
    "one number fewer: round up",
    "forgetting what was left",
    "a rest in which what was sent is still there",
    "the rest of the last step alone, without what was left before",
    "the gradient alone, where its rest counts as well",
)


def _compressed(case: tuple[float, Tensors], mistake: str = "") -> list[dict[int, float]]:
    """{index: value} of each step."""
    import torch

    share, gradients = case
    rest = torch.zeros(gradients[0].numel(), dtype=torch.float64)
    found = []
    for gradient in gradients:
        flat = gradient.double().flatten()
        whole = flat + rest
        k = max(1, math.ceil(share * len(flat)))
        if mistake == TOP_K[2]:
            k = max(1, math.floor(share * len(flat)))
        ranked = whole if mistake == TOP_K[0] else whole.abs()
        places = ranked.topk(k).indices
        values = whole[places]
        if mistake == TOP_K[1]:
            values = values.abs()
        if mistake == TOP_K[6]:
            values = flat[places]
        found.append(dict(zip(places.tolist(), values.tolist(), strict=True)))
        rest = (flat if mistake == TOP_K[5] else whole).clone()
        if mistake != TOP_K[4]:
            rest[places] = 0
        if mistake == TOP_K[3]:
            rest = torch.zeros_like(rest)
    return found


def _sends(case: tuple[float, Tensors], made: Mapping[str, Any], steps: int) -> None:
    right = _compressed(case)
    others = {mistake: _compressed(case, mistake) for mistake in TOP_K}
    sent = []
    for step in range(steps):
        what = f"compress(gradient) of TopK({case[0]}) in step {step + 1}"
        one = made["steps"][step]
        expect.type_of(one, (tuple, list), what)
        expect.length(one, 2, what)
        places = mistakes.listed(one[0], f"the indices of {what}")
        values = mistakes.listed(one[1], f"the values of {what}")
        expect.length(values, len(places), f"the values of {what}")
        sent.append({int(place): value for place, value in zip(places, values, strict=True)})
        words = next((words for words, some in others.items() if _same_sent(sent, some)), "")
        why = f": that comes of {words}" if words else ""
        if len(places) != len(right[step]):
            expected = f"{what} to send {len(right[step])} of {case[1][0].numel()} numbers"
            raise Failed(Rung.WRONG_SHAPE, expected, f"{len(places)}{why}")
        if set(sent[step]) != set(right[step]):
            expected = f"the indices of {what} to be {sorted(right[step])} in any order"
            raise Failed(Rung.WRONG_VALUE, expected, f"{sorted(sent[step])}{why}")
        for place, value in right[step].items():
            if not abs(sent[step][place] - value) < 1e-5:
                expected = f"the value for index {place} of {what} to be {value:.6g}"
                raise Failed(Rung.WRONG_VALUE, expected, f"{sent[step][place]:.6g}{why}")


def _same_sent(one: Sequence[Mapping[int, float]], other: Sequence[Mapping[int, float]]) -> bool:
    return all(
        a.keys() == b.keys() and all(abs(a[place] - b[place]) < 1e-5 for place in a)
        for a, b in zip(one, other)
    )


def watched_topk(share: float, gradients: list) -> dict:
    """What the learner's compressor sends in each step; another one works beside it."""
    compressor, another = TopK(share), TopK(share)
    steps, kept = [], True
    for gradient in gradients:
        given = gradient.clone()
        sent = compressor.compress(given)
        if isinstance(sent, (tuple, list)):
            sent = tuple(each.clone() if hasattr(each, "clone") else each for each in sent)
        steps.append(sent)
        kept = kept and bool((given == gradient).all())
        another.compress(gradient * -3 + 1)
    return {"steps": steps, "kept": kept}


def _pairs(draw: Draw, numbers: int, world: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Indices and values of each rank; one index comes from all of them."""
    import torch

    common = draw.random.randrange(numbers)
    found = []
    for _ in range(world):
        places = [common, *draw.sample([each for each in range(numbers) if each != common], 2)]
        places = draw.sample(places, 3)
        found.append((torch.tensor(places), _noise(draw, 3) + 3))
    return found


def _means(pairs: Sequence[tuple], shape: tuple[int, ...]) -> dict[str, torch.Tensor]:
    import torch

    added, assigned, counts = (torch.zeros(math.prod(shape), dtype=torch.float64) for _ in range(3))
    for places, values in pairs:
        added.index_add_(0, places, values.double())
        assigned[places] = values.double()
        counts[places] += 1
    world = len(pairs)
    found = {
        "": added / world,
        "the sum, not the mean": added,
        "the last rank's value where several send one index: they add up": assigned / world,
        "the values of the last rank, not divided": assigned,
        "a mean over those that sent: a rank that sent nothing counts with 0": added / counts.clamp(min=1),
    }
    return {words: value.view(shape) for words, value in found.items()}


def _largest(numbers: int, world: int) -> dict[str, int]:
    """The most pairs of 12 bytes, gathered, that are fewer bytes than the dense ring's."""

    def most(limit: float) -> int:
        return max(0, math.ceil(limit) - 1)

    right = (2 * numbers - 1) // (3 * world)  # 12 k (n - 1) < 8 numbers (n - 1) / n
    found = {
        "as many bytes: they have to be fewer": (2 * numbers) // (3 * world),
        "leaving out the indices": most(2 * numbers / world),
        "indices of 4 bytes: int64 has 8": most(numbers / world),
        "one round of the ring only: an all-reduce has two": most(numbers / (3 * world)),
        "the share of one rank: in a gather, the pairs of all ranks pass each of them": most(2 * numbers / 3),
        "a third of all numbers, whatever the number of ranks": numbers // 3,
    }
    return {"": right} | {words: value for words, value in found.items() if value != right}


# q8: half the bytes, and low rank


@exercise.question(
    "q8",
    title="Half the bytes, and low rank",
    points=4,
    difficulty=3,
    needs=("half_mean", "low_rank", "low_rank_bytes"),
    lesson=LESS + "#Low rank",
    hints=(
        "The largest float16 is 65,504. What is the sum of four gradients of 30,000, and what is the sum of "
        "four quarters of them? And what is left of a mean of matrices, if every rank only ever sends thin "
        "ones?",
        "Divide by `world` before `total(…)`. For the low rank: the mean of the ranks' `matrix @ guess` is "
        "the mean matrix times `guess`, as the guess is the same everywhere; `torch.linalg.qr(…)[0]` makes "
        "its columns orthonormal; then the mean of `matrix.T @ columns`, and the estimate is `columns @ "
        "that.T`. For the bytes, `math.prod(shape[1:])` is the other side of the matrix.",
        "The shadow of a cloud of points on a line, from a few numbers that everybody adds up:\n"
        "direction = mean(points.T @ ones)\n"
        "direction = direction / direction.norm()\n"
        "along = mean(points @ direction)      # one number for each point, not all coordinates",
    ),
)
def half_and_low(answer: Answer, draw: Draw) -> None:
    played = answer.given(played_ranks)
    with part("half_mean: what is sent", points=1):
        for world, shape in ((2, (7,)), (4, (2, 3))):
            tensors = [_noise(draw, *shape) for _ in range(world)]
            _halved(played, tensors)
    with part("half_mean: gradients of 30,000", points=1):
        for world in (4, 8):
            whole = _whole(draw, 6) * 50
            _halved(played, [whole + (-1) ** number * 3 + 35_000 for number in range(world)])
    with part("low_rank: the estimate", points=1):
        for world, shape, rank, exact in ((3, (7, 4), 2, False), (2, (6, 5), 2, True), (4, (3, 8), 1, False)):
            _low_ranked(played, draw, world, shape, rank, exact)
    with part("low_rank: the bytes", points=1):
        for rank, least in ((1, 2.0), (4, 2.0), (16, 0.5), (2, draw.random.choice((3.0, 5.0, 20.0)))):
            case = mistakes.telling(
                partial(_shapes, draw), partial(_low_bytes, rank=rank, least=least, some=True)
            )
            answers = _low_bytes(case, rank, least)
            found = answer.call("low_rank_bytes", case, rank, least)
            mistakes.near(found, answers, f"low_rank_bytes({expect.show(case)}, {rank}, {least})")


def _halved(played: Answer, tensors: Tensors) -> None:
    made = _played(played, "half_mean", [(tensor,) for tensor in tensors], "sum")
    world, whole = len(tensors), _total(tensors)
    for rank, one in enumerate(made["found"]):
        what = f"half_mean(…) on rank {rank} of {world}"
        answers = {
            "": whole / world,
            "the sum, not the mean": whole,
            "dividing twice": whole / world**2,
            "this rank's own numbers alone": tensors[rank].double(),
        }
        found = expect.tensor(one, what, tuple(whole.shape))
        finite = bool(found.isfinite().all())
        words = "inf: a sum in float16 goes no further than 65,504; divide before it, not after"
        expect.true(finite, f"{what} to hold finite numbers", words)
        _tensor(found, answers, what, tolerance=2e-3)
        kind = str(getattr(one, "dtype", type(one).__name__)).removeprefix("torch.")
        expect.equal(kind, "float32", f"the dtype of what {what} returns")
        calls = made["sent"][rank]
        expect.length(calls, 1, f"the calls of total(…) in {what}")
        expect.equal(calls[0]["dtype"].removeprefix("torch."), "float16", f"the dtype of what {what} sends")
        expect.equal(calls[0]["numbers"], tensors[0].numel(), f"the numbers that {what} sends")


def _low_ranked(
    played: Answer, draw: Draw, world: int, shape: tuple[int, int], rank: int, exact: bool
) -> None:
    import torch

    def thin(side: int) -> torch.Tensor:
        return torch.linalg.qr(_noise(draw, side, rank).double())[0].float()

    guess = thin(shape[1])
    if exact:  # all matrices have the same few columns, and so has their mean
        left, right = thin(shape[0]), [_noise(draw, rank, shape[1]) + guess.T * 3 for _ in range(world)]
        matrices = [left @ each for each in right]
    else:
        matrices = [_noise(draw, *shape) for _ in range(world)]
    made = _played(played, "low_rank", [(matrix, guess.clone()) for matrix in matrices], "mean")
    whole = _total(matrices) / world
    plain = whole @ guess.double()
    columns, unit = torch.linalg.qr(plain)[0], plain / plain.norm(dim=0)
    for number, one in enumerate(made["found"]):
        own = matrices[number].double()
        answers = {
            "": columns @ columns.T @ whole,
            "columns that are not orthonormal": plain @ plain.T @ whole,
            "columns of the length 1 that are not at right angles": unit @ unit.T @ whole,
            "the whole mean, which nobody should have to send": whole,
            "this rank's matrix in the second half": columns @ columns.T @ own,
            "a sum in the place of a mean": columns @ columns.T @ whole * world,
            "the guess itself, made orthonormal: the columns are those of matrix · guess": whole
            @ guess.double()
            @ guess.double().T,
        }
        others = {
            words: value
            for words, value in answers.items()
            if not words or not bool(_alike(value, answers[""], 1e-4).all())
        }
        what = f"low_rank(…) on rank {number} of {world}, for matrices of the shape {shape} and rank {rank},"
        _tensor(one, others, what, tolerance=1e-4)
        most = rank * sum(shape)
        sent = sum(call["numbers"] for call in made["sent"][number])
        expect.at_most(sent, most, f"the numbers that {what} sends in all")


Shapes = list[tuple[int, ...]]


def _shapes(draw: Draw) -> Shapes:
    some = [(draw.random.randrange(30, 90), draw.random.randrange(20, 60)) for _ in range(2)]
    return [
        *some, (draw.random.randrange(30, 90),), (5, 4), (draw.random.randrange(8, 20), 3, 3, 2),
        (2, draw.random.randrange(10, 40)), (3, 90), (draw.random.randrange(100, 200), 64),
    ]  # fmt: skip


def _low_bytes(case: Shapes, rank: int, least: float, some: bool = False) -> dict[str, float]:
    def total(mistake: str = "") -> float:
        found = 0.0
        for shape in case:
            n, m = shape[0], math.prod(shape[1:])
            if mistake == LOW[5]:
                n, m = math.prod(shape[:-1]) if len(shape) > 1 else 1, shape[-1]
            r = rank if mistake == LOW[2] else min(n, m, rank)
            thin = (n + m) * r
            if mistake == LOW[3]:
                thin = n * r
            worth = thin * (1 if mistake == LOW[1] else least) < n * m or mistake == LOW[0]
            found += thin if worth else n * m
        return found * (1 if mistake == LOW[4] else 4)

    right = total()
    found = {mistake: total(mistake) for mistake in LOW}
    found["2 bytes for each number: it is float32"] = right / 2
    if some:  # a draw need not tell all of them
        found = {mistake: found[mistake] for mistake in ((LOW[0],) if least >= 1 else ()) + (LOW[3], LOW[4])}
    else:
        found = {words: value for words, value in found.items() if value != right}
    return {"": right} | found


LOW = (
    "low rank for all tensors, also where it saves too little",
    "leaving out `least`",
    "a rank that is larger than a side of the matrix",
    "one of the two thin matrices alone",
    "numbers, not bytes",
    "the last dimension as one side, where the first one is it",
)


# q9: launched


@exercise.question(
    "q9",
    title="What a rank must know",
    points=3,
    difficulty=1,
    needs=("environments", "place"),
    lesson=LAUNCHED + "#What a rank must know",
    hints=(
        "Two machines of four. The sixth process of them all: which card does it take, of which machine?",
        "Count `RANK` through all machines, and begin `LOCAL_RANK` anew on each; all values are texts. In "
        "`place`, first ask which of the three names are there: none, all, or some. Check the numbers before "
        "you use them.",
        "Seats in a train of three carriages, with a number in the train and one in the carriage:\n"
        "for carriage, seats in enumerate(train):\n"
        "    for seat in range(seats):\n"
        "        tickets.append({'number': len(tickets), 'carriage': carriage, 'seat': seat})",
    ),
)
def launched(answer: Answer, draw: Draw) -> None:
    port = draw.random.randrange(20_000, 40_000)
    with part("the environments that a launcher makes", points=1):
        for counts in ([4, 4], [2, 3, 1], [1], [draw.random.randrange(2, 6) for _ in range(3)]):
            hosts = [f"{draw.random.choice(('red', 'blue', 'green'))}-{n}" for n in range(len(counts))]
            _environments(answer, hosts, counts, port)
    with part("the place of a rank", points=1):
        for counts, cards in (([4, 4], 4), ([2, 3, 1], 3), ([3, 3], 0), ([1], 1)):
            every = _environment(["red-0", "blue-1", "green-2"][: len(counts)], counts, port)
            for one in every:
                _placed(answer, one | {"HOME": "/home/ann"}, cards)
    with part("no launcher, and launchers that are wrong", points=1):
        for cards in (0, 1, 4):
            _placed(answer, {"HOME": "/home/ann", "MASTER_PORT": str(port)}, cards)
        for words, environment, cards in _broken(port):
            found = answer.given(placed_or_refused).call("placed_or_refused", environment, cards)
            what = f"place({expect.show(environment)}, {cards}): {words}"
            expect.true(found[0] == "ValueError", f"{what}, so ValueError", expect.show(found[1]))


Environment = dict[str, str]


def _environment(hosts: Sequence[str], counts: Sequence[int], port: int) -> list[Environment]:
    places = [(host, local) for host, count in enumerate(counts) for local in range(count)]
    return [
        {
            "RANK": str(rank), "LOCAL_RANK": str(local), "GROUP_RANK": str(host),
            "WORLD_SIZE": str(len(places)), "LOCAL_WORLD_SIZE": str(counts[host]),
            "MASTER_ADDR": hosts[0], "MASTER_PORT": str(port),
        }
        for rank, (host, local) in enumerate(places)
    ]  # fmt: skip


def _environments(answer: Answer, hosts: list[str], counts: list[int], port: int) -> None:
    what = f"environments({expect.show(hosts)}, {expect.show(counts)}, {port})"
    found = answer.call("environments", hosts, counts, port)
    right = _environment(hosts, counts, port)
    expect.each_of(found, dict, what)
    expect.length(found, len(right), what)
    for rank, (one, other) in enumerate(zip(found, right, strict=True)):
        expect.keys(one, other, f"item {rank} of {what}")
        for name, value in other.items():
            expect.type_of(one[name], str, f"{name} of item {rank} of {what}")
            expect.equal(one[name], value, f"{name} of item {rank} of {what}")


def _placed(answer: Answer, environment: Environment, cards: int) -> None:
    found = answer.call("place", environment, cards)
    what = f"place({expect.show(environment)}, {cards})"
    rank, local = int(environment.get("RANK", 0)), int(environment.get("LOCAL_RANK", 0))
    right = {
        "rank": rank, "world": int(environment.get("WORLD_SIZE", 1)),
        "device": f"cuda:{local}" if cards else "cpu", "writes": rank == 0,
    }  # fmt: skip
    expect.keys(found, right, what)
    for name, value in right.items():
        if name == "device" and found[name] == f"cuda:{rank}" != value:
            words = f"{found[name]!r}: that is RANK, and this machine has {cards} cards"
            raise Failed(Rung.WRONG_VALUE, f"'device' of {what} to be {value!r}", words)
        if name == "writes":
            expect.type_of(found[name], bool, f"'writes' of {what}")
        expect.equal(found[name], value, f"{name!r} of {what}")


def _broken(port: int) -> list[tuple[str, Environment, int]]:
    one = {"RANK": "2", "LOCAL_RANK": "2", "WORLD_SIZE": "4", "MASTER_PORT": str(port)}

    def without(*names: str) -> Environment:
        return {name: value for name, value in one.items() if name not in names}

    return [
        ("there is no WORLD_SIZE", without("WORLD_SIZE"), 4),
        ("there is no RANK", without("RANK"), 4),
        ("there is no LOCAL_RANK", without("LOCAL_RANK"), 0),
        ("there is WORLD_SIZE alone", without("RANK", "LOCAL_RANK"), 0),
        ("no rank 4 is among 4 ranks", one | {"RANK": "4"}, 4),
        ("a rank is not below 0", one | {"RANK": "-1"}, 4),
        ("there is no third card", one, 2),
    ]


def placed_or_refused(environment: dict, cards: int) -> list:
    """The name of the error that the learner's function raises, or what it returns."""
    try:
        return ["", place(environment, cards)]  # type: ignore[name-defined]  # noqa: F821
    except Exception as error:
        return [type(error).__name__, f"{type(error).__name__}: {error}"]


# q10 and q11


FOUND = {"order": True, "epoch": False, "padded": True, "buckets": False, "inside": False, "launch": True}


@exercise.question(
    "q10",
    title="Predict, then measure",
    points=2,
    difficulty=1,
    needs=("predictions",),
    lesson=LESS + "#Predicted, then counted",
    hints=(
        "Who tells a sampler that a new epoch has begun? And at which moment does DDP decide whether it will "
        "send: in the forward pass, or in the backward pass?",
        "Three hold and three do not. DDP puts its buckets together anew after the first backward pass, when "
        "it has seen in which order gradients become ready.",
        "A guest who is asked at the door whether he will stay for dinner has answered before the cook asks.",
    ),
)
def predictions(answer: Answer, draw: Draw) -> None:
    six_predictions(answer, FOUND)


# q11: a tree


@exercise.question(
    "q11",
    title="Up a tree and down again",
    points=3,
    difficulty=3,
    needs=("tree_all_reduce",),
    lesson=COSTS + "#Ring, tree, everyone to everyone",
    hints=(
        "In a knock-out tournament of 8 there are 3 rounds, and in each round half of those who are left go "
        "home. To whom does each lose, and what does a winner without an opponent do?",
        "With `step` 1, 2, 4, … a rank that `2 * step` divides adds what comes from `rank + step`, if that "
        "rank is there; one that only `step` divides sends its sum to `rank - step` and is through. On the "
        "way down it goes by the same steps, backwards: take the sum from where yours went, then send it to "
        "`rank + step` for every smaller step, the largest first.",
        "Who tells whom, of 8 people (the binary digits do it: take the last 1 away):\n"
        "for person in range(1, 8):\n"
        "    print(person, 'hears it from', person & (person - 1))",
    ),
)
def up_a_tree(answer: Answer, draw: Draw) -> None:
    sides = [(2, (5,)), (4, (2, 3)), (8, (4,)), (3, (7,)), (6, (3,)), (13, (2,)), (1, (4,)), (5, ())]
    cases = [_given_to_ranks(draw, world, shape) for world, shape in sides]
    ranks = answer.given(played_ranks)
    found = [_played(ranks, "tree_all_reduce", calls) for calls in cases]
    pairs = list(zip(cases, found, strict=True))
    with part("the sum, on every rank", points=1):
        for calls, made in pairs:
            _tree_well(calls, made)
    with part("as few rounds as a tree has", points=1):
        for calls, made in pairs:
            _tree_well(calls, made)
            rounds = 2 * math.ceil(math.log2(len(calls)))
            words = f"the rounds of {TREE} on {len(calls)} ranks, one message of a rank in each,"
            expect.at_most(made["rounds"], rounds, words)
    with part("as few messages as a tree has", points=1):
        for calls, made in pairs:
            _tree_well(calls, made)
            count = sum(map(len, made["sent"]))
            words = f"the messages of all {len(calls)} ranks in {TREE}"
            expect.at_most(count, 2 * (len(calls) - 1), words)


TREE = "tree_all_reduce(…)"


def _tree_well(calls: Calls, made: Mapping[str, Any]) -> None:
    world = len(calls)
    tensors = [call[0] for call in calls]
    whole = _total(tensors)
    for rank, one in enumerate(made["found"]):
        known = [number for number in range(world) if number >= rank and number - rank <= (rank & -rank) - 1]
        answers = {
            "": whole,
            "the mean, not the sum": whole / world,
            "this rank's own numbers alone": tensors[rank],
            "the sum of those below this rank: the whole one has to come down again": _total(
                [tensors[number] for number in known] or [tensors[rank]]
            ),
        }
        _tensor(
            one, answers, f"{TREE} on rank {rank} of {world}, for tensors of the shape {tuple(whole.shape)},"
        )
    _as_given(calls, made, TREE)


exercise.manual(
    "q12",
    title="Eight cards, and no faster",
    points=4,
    lesson=BIG + "#A factor in the Trainer",
    hints=(
        "How many bytes does each rank send in a step, and how long would that take at the speed that was "
        "measured? Which of the figures were taken with equal work for each rank?",
        "Count updates and rows for each update first. Then divide the loss at the beginning by ln 2, the "
        "loss of a coin: a whole number says more than noise could.",
        "A kitchen with eight cooks and one oven bakes no faster; whether more ovens or larger trays would "
        "help is a question of counting trays.",
    ),
)
