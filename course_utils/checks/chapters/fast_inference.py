"""The questions of chapter 15: fast inference.

Nothing here looks at a clock: places, tokens, graphs, bytes and the sizes of tensors are counted, and
results are compared with those of the plain way. Models have a few hundred weights and are made where the
learner's code runs, from numbers that are drawn.
"""

from __future__ import annotations

import heapq
import itertools
import json
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from course_utils.checks import expect
from course_utils.checks.draw import Draw
from course_utils.checks.framework import Exercise, part
from course_utils.checks.predictions import six_predictions
from course_utils.checks.report import Failed, Rung
from course_utils.wire.answer import Answer

if TYPE_CHECKING:
    # what the learner writes: the functions below that are sent along call it by its name
    scores: Any = None
    attend: Any = None
    greedy: Any = None
    blockwise: Any = None
    Scorer: Any = None
    int8_linear: Any = None
    export_to: Any = None
    write_bench: Any = None

LESSONS = "lessons/15_fast_inference/"
BATCHES, CACHE, COMPILE, EXPORT = (
    LESSONS + name + ".ipynb"
    for name in (
        "01_a_batch_without_waste",
        "02_the_cache_of_keys_and_values",
        "03_compiled_code_smaller_numbers",
        "04_out_of_python_with_proof",
    )
)

exercise = Exercise(
    "15_fast_inference",
    title="Fast inference",
    minutes=215,
    difficulty="hard",
    cost="about half a minute on two cores",
)

CLOSE = 1e-4  # the furthest that two results may be apart which come of the same arithmetic


def _close_to(
    got: Any,
    right: Any,
    what: str,
    mistakes: Mapping[str, Callable[[], Any]] | None = None,
    tolerance: float = CLOSE,
) -> None:
    """A tensor is the right one; else the message names the mistake that gives it.

    mistakes: {what was done: makes the tensor that comes of it}.
    """
    found = expect.tensor(got, what, tuple(right.shape))
    if _apart(found, right) <= tolerance:
        return
    guess = next(
        (words for words, made in (mistakes or {}).items() if _apart(found, made()) <= tolerance), None
    )
    away = _apart(found, right)
    came = "NaN" if math.isinf(away) else f"up to {away:.2g} away"
    raise Failed(
        Rung.WRONG_VALUE,
        f"{what} to be within {tolerance:g} of the right numbers",
        f"{came}: that comes of {guess}" if guess else came,
    )


def _apart(one: Any, other: Any) -> float:
    """The largest difference; NaN counts as infinite, and so does another shape."""
    if one.shape != other.shape:
        return math.inf
    largest = (one.double() - other.double()).abs().max().item() if one.numel() else 0.0
    return math.inf if math.isnan(largest) else largest


def _guess(found: Any, mistakes: Iterable[str], made: Callable[[str], Any], words: Mapping[str, str]) -> str:
    """ ", that comes of ..." for the first mistake that gives what was found; else nothing."""
    name = next((name for name in mistakes if made(name) == found), None)
    return f": that comes of {words[name]}" if name else ""


def _measured(found: Any, what: str, words: Mapping[str, str], made: Callable[..., float]) -> None:
    """A number is the right one; else the message names the mistake that gives it."""
    expect.number(found, what)
    right = made()
    if abs(found - right) <= 1e-3 * max(1.0, abs(right)):
        return
    guess = next((said for name, said in words.items() if abs(found - made(name)) <= 1e-3), "")
    came = f"{found:.6g}" + (f": that comes of {guess}" if guess else "")
    raise Failed(Rung.WRONG_VALUE, f"{what} to be {right:.6g}", came)


def _generator(draw: Draw, number: int = 0) -> Any:
    import torch

    return torch.Generator().manual_seed(draw.seed + number)


# q1: batches by length


@exercise.question(
    "q1",
    title="Batches by length",
    points=4,
    difficulty=2,
    needs=("by_length", "padding", "scores"),
    lesson=BATCHES + "#A batch of so many tokens",
    hints=(
        "Which row decides what a batch costs, if the rows come from the longest to the shortest? And how "
        "do you find the way back to the order in which the rows came?",
        "Sort the numbers of the rows by length, not the rows. The first row of a batch is its longest, so "
        "one more row fits if (rows + 1) * longest <= budget. Make a list of results with a place for each "
        "row, and write each score into the place of its row's number.",
        "Parcels from the tallest to the smallest, and each weight back in its parcel's place:\n"
        "order = sorted(range(len(parcels)), key=lambda number: -parcels[number].height)\n"
        "weights = [0.0] * len(parcels)\n"
        "for number, weight in zip(order, weigh([parcels[number] for number in order])):\n"
        "    weights[number] = weight",
    ),
)
def batches_by_length(answer: Answer, draw: Draw) -> None:
    lengths = [draw.random.randrange(2, 40) for _ in range(30)]
    lengths[draw.random.randrange(10)] = 90  # longer than the budget
    budget = draw.random.randrange(70, 85)
    what = f"by_length(lengths, {budget})"
    with part("each row once, and no batch over the budget", points=1):
        batches = _batches(answer.call("by_length", lengths, budget), len(lengths), what)
        for batch in batches:
            cost = len(batch) * max(lengths[row] for row in batch)
            expect.true(
                cost <= budget or len(batch) == 1,
                f"no batch of two or more rows to cost more than {budget} places",
                f"{len(batch)} rows with {cost // len(batch)} places each: {cost} places",
            )
    with part("from the longest to the shortest, each batch full", points=1):
        # an exact fit: 4 rows of 20 cost 80
        for given, most in ((lengths, budget), ([20, 3, 20, 20, 20, 3, 3], 80)):
            found = _batches(answer.call("by_length", given, most), len(given), "by_length(lengths, budget)")
            told = [[given[row] for row in batch] for batch in found]
            right = _by_length(given, most)
            if [sorted(batch) for batch in told] != [sorted(batch) for batch in right]:
                expect.equal(
                    told, right, f"the lengths in the batches of by_length({expect.show(given)}, {most})"
                )
    with part("the share of padding", points=1):
        some = [5, 2, 9, 4, 4, 1, 7, *lengths[:4]]
        order: list[int] = draw.sample(range(len(some)), len(some))
        pieces = [order[:3], order[3:4], order[4:]]
        what = f"padding({some}, {pieces})"
        _measured(answer.call("padding", some, pieces), what, PADDED, partial(_padding, some, pieces))
    with part("the scores in the order of the rows, from full batches", points=1):
        _scored(answer, draw, budget)


PADDED = {
    "tokens": "the share of tokens, not that of padding",
    "ratio": "padding divided by tokens, not by all places",
    "longest": "padding all batches to the longest row of all",
    "means": "the mean of the batches' shares, though batches differ in size",
}


def _batches(batches: Any, count: int, what: str) -> list[list[int]]:
    """The learner's batches, if each row is in one of them."""
    expect.type_of(batches, (list, tuple), what)
    plain = []
    for batch in batches:
        row_numbers = expect.tensor(batch, f"a batch of {what}", (None,)).long().tolist()
        expect.true(bool(row_numbers), f"no empty batch in {what}", "one without a row")
        plain.append(row_numbers)
    expect.equal(
        sorted(row for batch in plain for row in batch), list(range(count)), f"the rows in {what}, sorted"
    )
    return plain


def _by_length(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """The lengths in each batch, as they should be."""
    batches: list[list[int]] = []
    for length in sorted(lengths, reverse=True):
        if batches and (len(batches[-1]) + 1) * batches[-1][0] <= budget:
            batches[-1].append(length)
        else:
            batches.append([length])
    return batches


def _padding(lengths: Sequence[int], batches: Sequence[Sequence[int]], mistake: str = "") -> float:
    sizes = [(len(batch), [lengths[row] for row in batch]) for batch in batches]
    widest = max(lengths) if mistake == "longest" else 0
    costs = [count * max(widest, *there) for count, there in sizes]
    tokens, places = sum(lengths), sum(costs)
    if mistake == "means":
        return sum(1 - sum(there) / cost for (_, there), cost in zip(sizes, costs, strict=True)) / len(sizes)
    return {"tokens": tokens / places, "ratio": places / tokens - 1}.get(mistake, 1 - tokens / places)


def _scored(answer: Answer, draw: Draw, budget: int) -> None:
    import torch

    table = torch.randn(30, generator=_generator(draw, 10))
    rows = [[draw.random.randrange(30) for _ in range(draw.random.randrange(1, 20))] for _ in range(24)]
    for row in rows[::4]:
        row[-1] = 0  # the id that one pads with is that of a token, too
    counts = [len(row) for row in rows]
    while _by_length(counts, budget) != _by_length(counts, budget - 1):  # an exact fit is asked for above
        budget += 1
    made = answer.given(scored).call("scored", table, rows, budget)
    found = expect.tensor(made["scores"], "scores(model, rows, budget)", (len(rows),))
    places = torch.arange(1, 21)

    def plain(unpadded: bool = False) -> Any:
        """The scores; or those where id 0 never counts."""
        sums = []
        for row in rows:
            ids = torch.tensor(row)
            sums.append((table[ids] * places[: len(ids)] * ((ids != 0) if unpadded else 1)).sum())
        return torch.stack(sums)

    right = plain()
    sorted_scores = right[sorted(range(len(rows)), key=lambda row: -len(rows[row]))]
    if _apart(found, right) > CLOSE and _apart(found.sort()[0], sorted_scores.sort()[0]) <= CLOSE:
        raise Failed(
            Rung.WRONG_VALUE,
            "the score of each row in the place of its row",
            "the right scores in another order: put them back where their rows were",
        )
    _close_to(
        found, right, "scores(model, rows, budget)",
        {"a mask that is 0 wherever the id is 0, which some tokens have": partial(plain, unpadded=True)},
    )  # fmt: skip
    batches = _by_length(counts, budget)
    expect.equal(
        sorted(map(tuple, made["shapes"])),
        sorted((len(batch), batch[0]) for batch in batches),
        f"the shapes of input_ids, one for each batch of by_length(…, {budget}), sorted",
    )


def scored(table: Any, rows: list, budget: int) -> dict:
    """The learner's scores, and the shapes that the model has seen."""
    import torch

    shapes = []

    def model(input_ids: Any, attention_mask: Any) -> Any:
        if input_ids.shape != attention_mask.shape:
            raise ValueError(
                f"input_ids {tuple(input_ids.shape)} and attention_mask {tuple(attention_mask.shape)} "
                "are of different shapes"
            )
        shapes.append(list(input_ids.shape))
        places = torch.arange(1, input_ids.shape[1] + 1)
        return (table[input_ids.long()] * places * attention_mask.float()).sum(1)

    found = scores(model, rows, budget)
    found = [one.item() if torch.is_tensor(one) else one for one in found]
    return {"scores": found, "shapes": shapes}


# q2: two schedules


@exercise.question(
    "q2",
    title="Two schedules",
    points=3,
    difficulty=2,
    needs=("static", "continuous"),
    lesson=BATCHES + "#A batch that never waits",
    hints=(
        "Play it by hand with two slots and three requests: what happens at the end of a step, and what "
        "before the next one begins?",
        "Sort the numbers of the requests by (arrival, number). In static, jump to the first arrival if "
        "nobody is there, take those that have arrived, at most `slots`, and add the longest length to the "
        "clock. In continuous, each turn of a loop is a step: fill the free slots, add 1 to the clock, take "
        "a token off each running request, and let go of those that have none left.",
        "A barber with chairs, by the minute:\n"
        "while waiting or seated:\n"
        "    while waiting and len(seated) < chairs and arrives[waiting[0]] <= minute:\n"
        "        seated[waiting.pop(0)] = CUT\n"
        "    minute += 1",
    ),
)
def schedules(answer: Answer, draw: Draw) -> None:
    with part("static", points=1):
        for arrivals, lengths, slots in (_requests(draw, at_once=False), _requests(draw, at_once=True)):
            found = answer.call("static", arrivals, lengths, slots)
            _scheduled(found, arrivals, lengths, slots, "static", ("own", "joins", "full", "before"))
    with part("continuous, all requests there at once", points=1):
        arrivals, lengths, slots = _requests(draw, at_once=True)
        found = answer.call("continuous", arrivals, lengths, slots)
        _scheduled(found, arrivals, lengths, slots, "continuous", ("static", "late", "start", "shortest"))
    with part("continuous, requests that come later", points=1):
        for _ in range(2):
            arrivals, lengths, slots = _requests(draw, at_once=False)
            found = answer.call("continuous", arrivals, lengths, slots)
            _scheduled(
                found, arrivals, lengths, slots, "continuous",
                ("static", "late", "start", "number", "reserved", "early", "shortest", "after"),
            )  # fmt: skip


SCHEDULED = {
    "own": "giving each request the time of its own last token: a static batch comes back as a whole",
    "joins": "letting requests join a batch that runs",
    "full": "waiting until there are as many requests as slots",
    "static": "a static batch: a free slot has to go to the next request at once",
    "late": "a slot that stays empty for a step after its request is finished",
    "start": "telling the time before the last step, not after it",
    "number": "taking the requests by their number, not by their arrival",
    "reserved": "taking the requests by their number, and keeping a slot for one that is not there yet",
    "early": "running requests that have not arrived yet",
    "shortest": "taking the shortest of those that wait, not the first to arrive",
    "before": "leaving out a request that arrives just as a batch ends",
    "after": "taking a request a step after its arrival",
}


#: mistakes that cannot be seen where all requests are there at once
LATER = ("number", "reserved", "early", "after", "full", "before")


def _requests(draw: Draw, at_once: bool) -> tuple[list[int], list[int], int]:
    """Requests for which each mistake gives other times."""
    for _ in range(10_000):
        count, slots = 9, draw.random.choice((2, 3))
        lengths = [draw.random.choice((1, 2, 3, 5, 8)) for _ in range(count)]
        arrivals = [0] * count
        if not at_once:
            arrivals = [draw.random.randrange(0, 9) for _ in range(count - 3)]
            arrivals += [arrivals[0], *(draw.random.randrange(60, 64) for _ in range(2))]
            draw.random.shuffle(arrivals)
        times = {
            name: _finished(arrivals, lengths, slots, name)
            for name in ("static", "continuous", *SCHEDULED)
            if name != "joins" and not (at_once and name in LATER)
        }
        if len({tuple(each) for each in times.values()}) == len(times):
            return arrivals, lengths, slots
    raise LookupError("no requests tell the mistakes apart")


def _finished(arrivals: Sequence[int], lengths: Sequence[int], slots: int, way: str) -> list[int]:
    """When each request is finished, in a right way or in a wrong one.

    way: "static", "continuous" or a name of `SCHEDULED`.
    """
    if way == "reserved":
        free, times = [0] * slots, []
        for arrival, length in zip(arrivals, lengths, strict=True):
            times.append(max(heapq.heappop(free), arrival) + length)
            heapq.heappush(free, times[-1])
        return times
    if way == "before":
        return _before(arrivals, lengths, slots)
    batched = way in ("static", "own", "full")
    waiting = sorted(range(len(arrivals)), key=lambda n: (0 if way == "number" else arrivals[n], n))
    left: dict[int, int] = {}
    finished, now, resting = [0] * len(arrivals), 0, list[int]()
    while waiting or left:
        there = [n for n in waiting if way == "early" or arrivals[n] + (way == "after") <= now]
        if way == "number":  # whoever has the lowest number is waited for
            late = (place for place, n in enumerate(waiting) if arrivals[n] > now)
            there = waiting[: next(late, None)]
        if way == "shortest":
            there.sort(key=lambda n: (lengths[n], arrivals[n], n))
        if way == "full" and len(there) < min(slots, len(waiting)):
            there = []
        if not (batched and left):
            for request in there[: slots - len(left) - len(resting)]:
                waiting.remove(request)
                left[request] = lengths[request]
        resting = []
        now += 1
        left = {request: tokens - 1 for request, tokens in left.items()}
        done = [request for request, tokens in left.items() if tokens <= 0]
        for request in done:
            if finished[request] == 0 or way in ("static", "full"):
                finished[request] = now - (way == "start")
        if not batched:
            left = {request: tokens for request, tokens in left.items() if tokens > 0}
            resting = done if way == "late" else []
        elif len(done) == len(left):
            left = {}
    return finished


def _before(arrivals: Sequence[int], lengths: Sequence[int], slots: int) -> list[int]:
    """Times of static batches where those who arrive just as a batch ends are left for the next one."""
    waiting = sorted(range(len(arrivals)), key=lambda n: (arrivals[n], n))
    finished, now = [0] * len(arrivals), 0
    while waiting:
        now = max(now, arrivals[waiting[0]])
        there = [n for n in waiting if arrivals[n] < now] or [n for n in waiting if arrivals[n] == now]
        now += max(lengths[n] for n in there[:slots])
        for request in there[:slots]:
            waiting.remove(request)
            finished[request] = now
    return finished


def _scheduled(
    found: Any, arrivals: list[int], lengths: list[int], slots: int, way: str, mistakes: Iterable[str]
) -> None:
    """The learner's times are right; else the message names the mistake that gives them."""
    what = f"{way}({arrivals}, {lengths}, {slots})"
    times = [round(time) for time in expect.tensor(found, what, (len(arrivals),)).tolist()]
    right = _finished(arrivals, lengths, slots, way)
    guess = _guess(times, mistakes, partial(_finished, arrivals, lengths, slots), SCHEDULED)
    expect.true(times == right, f"{what} to be {right}", f"{[*times]}{guess}")


# q3: a cache of keys and values


@exercise.question(
    "q3",
    title="A cache of keys and values",
    points=4,
    difficulty=3,
    needs=("attend", "greedy"),
    lesson=CACHE + "#The cache by hand",
    hints=(
        "What of an old token does a new one need, and what of it is never needed again? If four tokens come "
        "after a cache of three, which keys may each of the four see?",
        "Split queries, keys and values of the new tokens into heads (view, then transpose), and put the "
        "cache in front of keys and values. The mask has a row for each new token and a column for each key: "
        "ones(new, total).tril(total - new). In greedy, give the model all ids at first, then only the last "
        "one, with the past_key_values that it returned.",
        "A diary: what was written stays, and each evening is read with all before it:\n"
        "diary = evening if diary is None else torch.cat([diary, evening])\n"
        "may_read = torch.ones(len(evening), len(diary), dtype=torch.bool).tril(len(diary) - len(evening))",
    ),
)
def cached(answer: Answer, draw: Draw) -> None:
    import torch

    generator, heads, width = _generator(draw, 20), draw.random.choice((2, 4)), 8
    weights = {name: torch.randn(width, width, generator=generator) / 3 for name in "qkvo"}
    hidden = torch.randn(2, 9, width, generator=generator)
    mine = answer.given(attended)
    right = _attention(hidden, weights, heads)

    def in_pieces_of(pieces: list[int]) -> None:
        found = mine.call("attended", hidden, weights, heads, pieces)
        what = f"attend, of a text in pieces of {', '.join(map(str, pieces))} tokens"
        _close_to(
            found["output"], right, f"the outputs of {what}", _inattentive(hidden, weights, heads, pieces)
        )
        for name, kept in (("k", "keys"), ("v", "values")):
            whole = (hidden @ weights[name]).view(2, 9, heads, width // heads).transpose(1, 2)
            _close_to(found[name], whole, f"the {kept} in the last cache of {what}")

    with part("attend: a whole text at once, and what its cache holds", points=1):
        in_pieces_of([9])
    with part("attend: new tokens after a cache, one or several", points=1):
        in_pieces_of([1] * 9)
        in_pieces_of(draw.random.choice(([3, 4, 2], [2, 3, 4], [4, 2, 3])))
    case = _greedy_case(draw)
    asked = answer.given(tiny_llama, decoded)
    with part("greedy: the tokens", points=1):
        for end in (39, case["end"]):
            made = asked.call("decoded", case["seed"], case["ids"], case["count"], end)
            _said_greedily(made["ids"], case, end)
    with part("greedy: each token passes through the model once", points=1):
        for end in (39, case["end"]):
            made = asked.call("decoded", case["seed"], case["ids"], case["count"], end)
            _passed_once(made, case, end)


def attended(hidden: Any, weights: dict, heads: int, pieces: list) -> dict:
    """The outputs of the learner's attention for a text in pieces, and the last cache."""
    import torch

    cache: Any = None
    outputs, start = [], 0
    for piece in pieces:
        output, cache = attend(hidden[:, start : start + piece].clone(), dict(weights), heads, cache)
        outputs.append(output.detach())
        start += piece
    keys, values = cache
    return {"output": torch.cat(outputs, 1), "k": keys.detach(), "v": values.detach()}


def _attention(
    hidden: Any, weights: Mapping[str, Any], heads: int, seen: Any = None, scaled: bool = True
) -> Any:
    """Attention over a whole text; seen: which keys each token looks at, if not itself and those before."""
    import torch

    batch, tokens, width = hidden.shape
    size = width // heads
    q, k, v = (
        (hidden @ weights[name]).view(batch, tokens, heads, size).transpose(1, 2).double() for name in "qkv"
    )
    rows = q @ k.transpose(2, 3) / (math.sqrt(size) if scaled else 1)
    seen = torch.ones(tokens, tokens, dtype=torch.bool).tril() if seen is None else seen
    mixed = torch.softmax(rows.masked_fill(~seen, -torch.inf), -1) @ v
    return mixed.transpose(1, 2).reshape(batch, tokens, width) @ weights["o"].double()


def _inattentive(
    hidden: Any, weights: Mapping[str, Any], heads: int, pieces: Sequence[int]
) -> dict[str, Callable[[], Any]]:
    """What comes of mistakes with a text in these pieces."""
    import torch

    tokens = hidden.shape[1]
    corner, ahead, apart, last, late = (torch.zeros(tokens, tokens, dtype=torch.bool) for _ in range(5))
    start = before = 0
    for piece in pieces:
        new = slice(start, start + piece)
        corner[new, : start + piece] = torch.ones(piece, start + piece, dtype=torch.bool).tril()
        ahead[new, : start + piece] = True
        apart[new, new] = torch.ones(piece, piece, dtype=torch.bool).tril()
        late[new, : start + piece] = True if start else torch.ones(piece, piece, dtype=torch.bool).tril()
        last[new, before:start], last[new, new] = True, apart[new, new]
        before, start = start, start + piece
    width = hidden.shape[-1]
    columns = torch.arange(width).view(-1, heads).T.flatten()  # head 0 has 0, heads, 2 * heads and so on
    other = {name: weights[name][:, columns] for name in "qkv"} | {"o": weights["o"]}
    masked = partial(_attention, hidden, weights, heads)
    return {
        "a triangle in the upper left corner, as is_causal=True has it": lambda: masked(corner),
        "new tokens that see those after them": lambda: masked(ahead),
        "leaving the cache out": lambda: masked(apart),
        "a cache with the new tokens only: it has to hold the old ones, too": lambda: masked(last),
        "a mask only where there is no cache: several new tokens need one, too": lambda: masked(late),
        "heads that take every so many columns, not columns side by side": lambda: _attention(
            hidden, other, heads
        ),
        "heads that take every so many columns, not columns side by side,": lambda: _attention(
            hidden, {**other, "o": weights["o"][columns]}, heads
        ),
        "scores that were not divided by the root of a head's size": lambda: masked(None, False),
        "dividing by the root of the width, not of a head's size": lambda: _attention(
            hidden, {**weights, "q": weights["q"] / math.sqrt(heads)}, heads
        ),
        "leaving the matrix o out": lambda: _attention(
            hidden, {**weights, "o": torch.eye(hidden.shape[-1])}, heads
        ),
    }  # fmt: skip


def tiny_llama(seed: int) -> Any:
    """A small decoder whose weights come from a seed and are far apart."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2:
                weight.copy_(0.6 * torch.randn(weight.shape, generator=generator))
    return model


def decoded(seed: int, ids: Any, count: int, end: int) -> dict:
    """What the learner's greedy gives, and how many tokens a row each call of the model got."""
    model, widths = tiny_llama(seed), list[int]()

    def counted(module: Any, given: tuple, named: dict) -> None:
        ids = named["input_ids"] if "input_ids" in named else given[0]
        if len(ids) != rows:
            raise ValueError(f"the model got {len(ids)} rows, not {rows}")
        widths.append(ids.shape[1])

    rows = len(ids)
    model.register_forward_pre_hook(counted, with_kwargs=True)

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("greedy is to do without model.generate: call the model itself")

    model.generate = refuse
    found = greedy(model, ids.clone(), count, end)
    return {"ids": found, "widths": widths}


def _greedy_case(draw: Draw) -> dict[str, Any]:
    """A model and rows that say many things, and a token at which the rows end one after the other.

    The logits of the best token and of the next are far enough apart on any machine.
    """
    import torch

    for number in range(50):
        seed, count = (draw.seed + number) % 2**31, 8
        ids = torch.randint(39, (64, 5), generator=torch.Generator().manual_seed(seed))
        said, margins = _greedily(seed, ids, count)
        rows = said[:, 5:].tolist()
        clear = [row for row in range(64) if margins[row] > 0.05 and 39 not in rows[row]]
        clear = [row for row in clear if len({*rows[row]}) >= 5]
        for one, other in itertools.permutations(clear, 2):
            ends = [end for end in rows[one][:3] if end in rows[other][:6]]
            apart = [end for end in ends if rows[other].index(end) - rows[one].index(end) >= 2]
            # the given ids of one row hold it, too, which ends nothing
            apart = [end for end in apart if rows[one].index(end) >= 1 and end in ids[one].tolist()]
            apart = [end for end in apart if end not in ids[other].tolist()]
            if apart:
                pair = [one, other]
                return {"seed": seed, "ids": ids[pair], "count": count, "said": said[pair], "end": apart[0]}
    raise LookupError("no model says what is needed")


def _greedily(seed: int, ids: Any, count: int) -> tuple[Any, list[float]]:
    """All ids after `count` full passes; and by row the least distance from a best logit to the next."""
    import torch

    model, margins = tiny_llama(seed), torch.full((len(ids),), math.inf)
    with torch.no_grad():
        for _ in range(count):
            logits = model(input_ids=ids, use_cache=False).logits[:, -1]
            top = logits.topk(2).values
            margins = torch.minimum(margins, top[:, 0] - top[:, 1])
            ids = torch.cat([ids, logits.argmax(-1, keepdim=True)], 1)
    return ids, margins.tolist()


def _ended(case: Mapping[str, Any], end: int) -> list[list[int]]:
    """What each row should say, up to the step in which the last one ends."""
    rows = []
    for row in case["said"][:, 5:].tolist():
        at = row.index(end) if end in row else len(row)
        rows.append(row[:at] + [end] * (len(row) - at))
    steps = max(row.index(end) + 1 if end in row else len(row) for row in rows)
    return [row[:steps] for row in rows]


def _said_greedily(found: Any, case: Mapping[str, Any], end: int) -> None:
    what = f"greedy(model, ids, {case['count']}, {end})"
    rows = expect.tensor(found, what, (2, None)).long().tolist()
    given, right = case["ids"].tolist(), _ended(case, end)
    expect.equal(
        [row[:5] for row in rows], given, f"the first five ids of each row of {what}, which were given"
    )
    said = [row[5:] for row in rows]
    steps, total = len(right[0]), len(said[0])
    expect.true(
        total >= steps and all(row[:steps] == ones for row, ones in zip(said, right, strict=True)),
        f"the new ids of {what} to be {right}",
        f"{said}{_why_said(said, case, end)}",
    )
    expect.true(
        total == steps,
        f"{what} to stop when all rows have said {end}, after {steps} new tokens",
        f"{total} new tokens",
    )


def _why_said(said: list[list[int]], case: Mapping[str, Any], end: int) -> str:
    """The mistake that gives these new ids, if one does."""
    right, total = _ended(case, end), len(said[0])
    if end == 39:  # which nobody says
        return ""
    if total < len(right[0]) and said == [row[:total] for row in right]:
        return ": stopped when one row had said `end`; go on until all of them have"
    if any(set(row) == {end} for row in said):
        return ": an `end` among the given ids is none that the row has said"
    if said == [row[:total] for row in case["said"][:, 5:].tolist()]:
        return ": a row that has said `end` has to say it from then on"
    return ""


def _passed_once(made: Mapping[str, Any], case: Mapping[str, Any], end: int) -> None:
    steps, widths = len(_ended(case, end)[0]), made["widths"]
    right = [[5, *[1] * (steps - 1)], [5, *[1] * steps]]
    why = ""
    if widths[1:] and widths[1:] == list(range(6, 5 + len(widths))):
        why = ": all ids each time; the cache holds those that have passed, so give the last one only"
    elif len(widths) > steps + 1:
        why = ": stop when all rows have said `end`"
    expect.true(
        widths in right,
        f"the tokens a row in each call of the model to be {right[0]} ({steps} new tokens, end={end})",
        f"{widths}{why}",
    )


# q4: bytes of a cache


@exercise.question(
    "q4",
    title="What does the cache weigh?",
    points=3,
    difficulty=2,
    needs=("cache_bytes", "longest"),
    lesson=CACHE + "#How many bytes",
    hints=(
        "How many numbers does one layer keep for one token, and for how many tokens does it keep them?",
        "Keys and values: 2 × heads of keys and values × numbers in a head, for each token that a layer "
        "keeps. Add up the kept tokens over the layers: min(tokens, window) where there is a window, and the "
        "source where there is one. config.get(name, otherwise) helps with what may be missing. For longest, "
        "double a number until it no longer fits, then halve the gap.",
        "A warehouse with full shelves and small ones, and how many boxes fit:\n"
        "kept = sum(boxes if kind == 'full' else min(boxes, small) for kind in shelves)\n"
        "while weight(high) <= limit:\n"
        "    low, high = high, 2 * high",
    ),
)
def cache_weight(answer: Answer, draw: Draw) -> None:
    plain, grouped, windows, both_sides = _configs(draw)
    batch, tokens = draw.random.choice((3, 5, 6)), draw.random.randrange(700, 900)

    def weighed(config: dict[str, Any], source: int = 0) -> None:
        given = (config, batch, tokens, source)[: 4 if source else 3]
        found = answer.call("cache_bytes", *given)
        made = partial(_cache_bytes, config, batch, tokens, source)
        right = made()
        expect.number(found, "cache_bytes(config, …)")
        guess = _guess(
            found, (name for name in WEIGHED if made(name) != right), made, WEIGHED,
        )  # fmt: skip
        what = f"cache_bytes({config}, {batch}, {tokens}" + (f", {source})" if source else ")")
        expect.true(found == right, f"{what} to be {right}", f"{found}{guess}")

    with part("as many heads of keys as of queries, and fewer", points=1):
        weighed(grouped)
        weighed(plain)
    with part("windows, and a source", points=1):
        weighed(windows)
        for encoded in (windows, {**windows, "is_encoder_decoder": False}):
            weighed(encoded, draw.random.randrange(1000, 1200))
        weighed(both_sides, draw.random.randrange(1000, 1200))
    with part("the longest that fits", points=1):
        for config in (plain, grouped, windows):
            _grows(answer, config, batch)
            most = draw.random.randrange(300, 3000)
            for spare in (0, _cache_bytes(config, 1, 1) - 1):
                free = _cache_bytes(config, batch, most) + spare
                found = answer.call("longest", config, batch, free)
                expect.number(found, "longest(config, batch, free)")
                expect.true(
                    found == most,
                    f"longest({config}, {batch}, {free}) to be {most}",
                    f"{found}, whose cache takes {_cache_bytes(config, batch, int(found))} bytes"
                    + (
                        ""
                        if found < most
                        else ": too many"
                        if _cache_bytes(config, batch, int(found)) > free
                        else ""
                    ),
                )
        for config in (plain, windows):
            free = _cache_bytes(config, batch, 1) - 1
            found = answer.call("longest", config, batch, free)
            expect.number(found, "longest(config, batch, free)")
            what = f"longest({config}, {batch}, {free}), where one token takes {free + 1} bytes"
            expect.true(found == 0, f"{what}, to be 0", f"{found}")


def _grows(answer: Answer, config: dict[str, Any], batch: int) -> None:
    """The learner's bytes grow with the tokens; else a search for the longest never ends."""
    few, many = (answer.call("cache_bytes", config, batch, tokens) for tokens in (10**6, 10**7))
    for found in (few, many):
        expect.number(found, "cache_bytes(config, …)")
    expect.true(
        few < many,
        f"cache_bytes({config}, …) to grow with the tokens: some layers have full attention",
        f"{few} for a million tokens and {many} for ten million, so longest would search without end",
    )


WEIGHED = {
    "two": "two bytes for every number, whatever the dtype",
    "always": "counting a source where is_encoder_decoder is False or missing",
    "once": "keys without values, or values without keys",
    "queries": "counting the heads of the queries",
    "width": "dividing the width by the number of heads, though there is a head_dim",
    "bits": "counting bits",
    "four": "four bytes for every number, whatever the dtype",
    "row": "one row",
    "all": "windows that keep all tokens",
    "none": "leaving the source out",
    "inside": "a window that also holds for the source",
    "twice": "one layer of the source, not one in each",
}


def _configs(draw: Draw) -> tuple[dict[str, Any], ...]:
    """Plain; grouped heads with a size of their own; windows; a decoder with windows beside an encoder."""
    layers, heads = draw.random.choice((6, 12)), draw.random.choice((12, 20))
    plain = {
        "num_hidden_layers": layers, "hidden_size": heads * 64, "num_attention_heads": heads,
        "dtype": "float32",
    }  # fmt: skip
    grouped = {
        **plain, "num_key_value_heads": draw.random.choice((2, 4)), "head_dim": 96,
        "dtype": draw.random.choice(("bfloat16", "float16")),
    }  # fmt: skip
    kinds = ["full_attention" if layer % 3 == 0 else "sliding_attention" for layer in range(layers)]
    windows = {
        **grouped, "layer_types": kinds, "sliding_window": draw.random.choice((128, 256)), "dtype": "int8"
    }  # fmt: skip
    return plain, grouped, windows, {**windows, "is_encoder_decoder": True, "dtype": "bfloat16"}


def _cache_bytes(
    config: Mapping[str, Any], batch: int, tokens: int, source: int = 0, mistake: str = ""
) -> int:
    queries, layers = config["num_attention_heads"], config["num_hidden_layers"]
    heads = queries if mistake == "queries" else config.get("num_key_value_heads", queries)
    size = config["hidden_size"] // queries
    size = size if mistake == "width" else config.get("head_dim", size)
    each = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}[config["dtype"]]
    each = {"two": 2, "four": 4, "bits": 8 * each}.get(mistake, each)
    window = config.get("sliding_window", math.inf)
    encoder = config.get("is_encoder_decoder") or mistake == "always"
    sources = source if encoder and mistake != "none" else 0
    kept = 0
    for kind in config.get("layer_types", ["full_attention"] * layers):
        narrow = kind == "sliding_attention" and mistake != "all"
        kept += min(tokens, int(window)) if narrow else tokens
        kept += min(sources, int(window)) if narrow and mistake == "inside" else sources
    kept -= (layers - 1) * sources if mistake == "twice" else 0
    return (1 if mistake == "once" else 2) * (1 if mistake == "row" else batch) * kept * heads * size * each


# q5: attention in blocks


@exercise.question(
    "q5",
    title="Attention in blocks",
    points=4,
    difficulty=3,
    needs=("blockwise",),
    lesson=CACHE + "#Attention in blocks",
    hints=(
        "Softmax divides by a sum, and a sum can be made block by block. What has to be done with the sum so "
        "far when a later block has a larger score?",
        "For each query keep three things: the largest score so far, the sum of exp(score - largest) and the "
        "sum of exp(score - largest) * value. When a block brings a larger one, both sums are multiplied by "
        "exp(old largest - new largest). A block without a key that counts can be left out; exp(-inf - "
        "(-inf)) is NaN.",
        "A mean of weights that are powers of ten, read in pieces:\n"
        "higher = max(largest, piece.max())\n"
        "total = total * 10 ** (largest - higher) + (10 ** (piece - higher)).sum()\n"
        "largest = higher",
    ),
)
def in_blocks(answer: Answer, draw: Draw) -> None:
    import torch

    heads, m, n, size = 3, draw.random.choice((5, 6)), draw.random.randrange(901, 960, 2), 8
    block, generator = draw.random.choice((32, 48)), _generator(draw, 30)
    q, k, v = (torch.randn(heads, count, size, generator=generator) for count in (m, n, n))
    everything = torch.ones(n, dtype=torch.bool)
    hidden = torch.rand(n, generator=generator) < 0.6
    first, middle, last = hidden.clone(), hidden.clone(), hidden.clone()
    first[: block + 3] = False
    middle[2 * block : 4 * block], middle[0] = False, True
    last[-2 * block :] = False

    def compared(q: Any, keep: Any, what: str, tolerance: float = CLOSE) -> None:
        found = answer.call("blockwise", q, k, v, block, keep)
        _close_to(
            found, _softmaxed(q, k, v, keep), what,
            {words: partial(_softmaxed, q, k, v, keep, block, name) for name, words in UNBLOCKED.items()},
            tolerance,
        )  # fmt: skip

    with part("all keys count", points=1):
        compared(q, everything, f"blockwise(q, k, v, {block}, keep) with {n} keys that all count")
    with part("some keys count, and blocks of which none does", points=1):
        for keep, which in ((hidden, "no"), (middle, "a middle"), (last, "the last"), (first, "the first")):
            compared(q, keep, f"blockwise where {which} block is without a key that counts")
    with part("scores in the hundreds", points=1):
        _far_below_zero(answer, q, k, v, block, everything)
        compared(300 * q, everything, "blockwise with scores in the hundreds", 1e-3)
    with part("never scores of more than a block", points=1):
        made = answer.given(in_pieces).call("in_pieces", q, k, v, block, everything)
        _close_to(made["out"], _softmaxed(q, k, v, everything), "what blockwise gives")
        _narrow(made, heads, m, n, size, block)


def _far_below_zero(answer: Answer, q: Any, k: Any, v: Any, block: int, keep: Any) -> None:
    """One query has scores near -300 only; exp of them is 0, if nothing is taken away from them before."""
    q, k = q.clone(), k.clone()
    k[..., 0] = 3 + k[..., 0].abs() / 10
    q[:, 1] = 0.0
    q[:, 1, 0] = -100.0 * math.sqrt(q.shape[-1])
    found = answer.call("blockwise", q, k, v, block, keep)
    right = _softmaxed(q, k, v, keep)
    what = "blockwise where one query has scores near -300 only"
    away = _apart(expect.tensor(found, what, tuple(right.shape)), right)
    expect.true(
        away <= 1e-3,
        f"{what} to be within 0.001 of the right numbers",
        ("NaN" if math.isinf(away) else f"up to {away:.2g} away")
        + ": the largest score so far is one for each query, and begins below every score, not at 0",
    )


UNBLOCKED = {
    "unscaled": "scores that were not divided by the root of the size",
    "keep": "keys that do not count, and are looked at",
    "rest": "leaving out the keys that do not fill a block",
    "stale": "sums that were not scaled when the largest score grew",
    "means": "a mean of the blocks' results",
}


def _softmaxed(q: Any, k: Any, v: Any, keep: Any, block: int = 0, mistake: str = "") -> Any:
    """Attention in double precision, right or as a mistake makes it."""
    import torch

    n = k.shape[1]
    if mistake == "rest":
        n -= n % block
        k, v, keep = k[:, :n], v[:, :n], keep[:n]
    rows = q.double() @ k.double().transpose(1, 2)
    rows = rows if mistake == "unscaled" else rows / math.sqrt(q.shape[-1])
    rows = rows if mistake == "keep" else rows.masked_fill(~keep, -torch.inf)
    if mistake not in ("stale", "means"):
        return torch.softmax(rows, -1) @ v.double()
    pieces = [
        (part_rows, values)
        for part_rows, values, there in zip(
            rows.split(block, -1), v.double().split(block, 1), keep.split(block), strict=True
        )
        if there.any()
    ]
    if mistake == "means":
        return torch.stack([torch.softmax(row, -1) @ values for row, values in pieces]).mean(0)
    largest = torch.full_like(rows[..., :1], -torch.inf)
    above, below = torch.zeros_like(q.double()), torch.zeros_like(largest)
    for row, values in pieces:
        largest = torch.maximum(largest, row.amax(-1, keepdim=True))
        shares = torch.exp(row - largest)
        above, below = above + shares @ values, below + shares.sum(-1, keepdim=True)
    return above / below


def in_pieces(q: Any, k: Any, v: Any, block: int, keep: Any) -> dict:
    """What the learner's function gives, and what its operations made of q and k together: scores.

    A storage has marks: "q" and "k" where its numbers come from these; both of them mean scores.
    """
    import torch
    from torch.multiprocessing.reductions import StorageWeakRef
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    seen: dict[int, Any] = {}
    shapes: dict[tuple, str] = {}
    marks, sizes = {q.untyped_storage()._cdata: {"q"}, k.untyped_storage()._cdata: {"k"}}, dict[int, int]()
    most: list[Any] = [0, ""]
    whole = ""

    def marks_of(tensor: Any) -> set:
        return marks.get(tensor.untyped_storage()._cdata, set())

    class Looking(TorchDispatchMode):
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal most, whole
            given = [leaf for leaf in tree_leaves((args, kwargs or {})) if torch.is_tensor(leaf)]
            made, name = function(*args, **(kwargs or {})), str(function)
            blank = name.split(".")[1].startswith("new_") or name.split(".")[1].endswith("_like")
            come = set() if blank else set().union(*map(marks_of, given))
            for tensor in (leaf for leaf in tree_leaves(made) if torch.is_tensor(leaf)):
                storage = tensor.untyped_storage()
                # a weak reference keeps the number of a storage from being given to another one
                seen.setdefault(storage._cdata, StorageWeakRef(storage))
                marks[storage._cdata] = come | marks_of(tensor)
                if marks_of(tensor) >= {"q", "k"}:
                    sizes[storage._cdata] = storage.nbytes() // tensor.element_size()
                    shapes.setdefault(tuple(tensor.shape), name)
            for gone in [number for number in sizes if seen[number].expired()]:
                del sizes[gone]
            if sum(sizes.values()) > most[0]:
                most = [sum(sizes.values()), name]
            if "scaled_dot_product" in name:
                whole = whole or name
            return made

    with Looking(), torch.no_grad():
        out = blockwise(q, k, v, block, keep)
    told = [[list(shape), name] for shape, name in shapes.items()]
    inside = torch.is_tensor(out) and marks_of(out) >= {"q", "k"}
    return {"out": out, "shapes": told, "most": most[0], "by": most[1], "whole": whole, "torch": inside}


def _narrow(made: Mapping[str, Any], heads: int, m: int, n: int, size: int, block: int) -> None:
    """No operation has made scores of more than a block of keys, and they were not all kept."""
    expect.true(
        not made["whole"],
        "blocks of your own",
        f"{made['whole']}, which is PyTorch's own attention",
    )
    expect.true(
        made["torch"],
        "a result that operations of PyTorch have made of q and k",
        "one that they have not: this point is for what PyTorch does (not NumPy, not lists)",
    )
    counts = (heads, m, size, block, math.ceil(n / block))
    plain = {math.prod(some) for many in range(1, 6) for some in itertools.combinations(counts, many)} - {n}
    for shape, name in made["shapes"]:
        wide = [width for width in shape if width > block and width not in plain]
        expect.true(
            not wide,
            f"no scores of more than {block} keys at once, in no operation",
            f"{name} gave a tensor of {' x '.join(map(str, shape))} that was made of q and k",
        )
    expect.true(
        made["most"] < heads * m * n,
        f"fewer numbers in memory at once that were made of q and k than the {heads * m * n} of all scores",
        f"{made['most']} (at {made['by']}): scores of all keys at once, or those of each block kept",
    )


# q6: one graph


@exercise.question(
    "q6",
    title="One graph",
    points=3,
    difficulty=2,
    needs=("Scorer",),
    lesson=COMPILE + "#One graph",
    hints=(
        "While the graph is made, no number is known, only shapes. Which lines of the module ask for a "
        "number, and which ones do something else for each size?",
        "A choice that depends on a value belongs into the graph: torch.where(condition, one, other) takes a "
        "tensor as its condition. A matrix product handles all rows at once, so no loop is needed. An "
        "attribute that changes with each call makes the graph of the last call invalid.",
        "Prices, some of them in cents, without a look at any of them:\n"
        "prices = torch.where(prices.max() > 1000, prices / 100, prices)\n"
        "totals = prices @ amounts",
    ),
    seconds=120,
)
def one_graph(answer: Answer, draw: Draw) -> None:
    import torch

    generator, features, classes = _generator(draw, 40), 12, draw.random.choice((5, 7))
    weight = torch.randn(features, classes, generator=generator)
    sizes, batches = draw.sample((3, 4, 6, 8, 9, 10), 4), []
    for rows in sizes:
        batches.append(torch.randn(rows, features, generator=generator).clamp(-5, 5))
    batches[0][-1, 3] = 9.0
    batches[1][1:] *= 40  # one row is small in a batch of large numbers
    batches[2] = -40 * batches[2].abs()
    batches[3][1, 2] = draw.random.choice((12.0, -12.0))
    made = answer.given(compiled).call("compiled", weight, batches)
    right = [_scorer(weight, batch) for batch in batches]
    with part("the same scores", points=1):
        for place, (batch, scores) in enumerate(zip(batches, right, strict=True)):
            kind, why = SCORED_BATCHES[place]
            what = f"the scores of a batch of {len(batch)} rows of {kind}"
            _close_to(
                made["scores"][place], scores, what,
                {
                    "dividing small numbers as well": partial(_scorer, weight, batch, "always"),
                    f"dividing no numbers{why}": partial(_scorer, weight, batch, "never"),
                    "deciding for each number, not for the batch": partial(_scorer, weight, batch, "each"),
                    "deciding for each row, not for the batch": partial(_scorer, weight, batch, "row"),
                    "leaving relu out": partial(_scorer, weight, batch, "linear"),
                },
                1e-3,
            )  # fmt: skip
    with part("one graph for the first batch", points=1):
        first = made["graphs"][0]
        expect.true(
            first == 1,
            f"one graph after the first call, with {sizes[0]} rows",
            f"{first}: "
            + (
                "nothing of it was compiled"
                if first == 0
                else "where Python has to know a number of a tensor (.item(), tolist(), if), a graph ends"
            ),
        )
    with part("the same one for every batch", points=1):
        told = ", ".join(
            f"{count} after {rows} rows" for rows, count in zip(sizes, made["graphs"], strict=True)
        )
        expect.true(
            made["graphs"][-1] == 1,
            "one graph after all four calls",
            f"graphs: {told}"
            + (
                ": nothing of it was compiled"
                if not made["graphs"][-1]
                else ": something is another thing for each size (a loop over rows, len() of a list) or for "
                "each call (an attribute that changes), or a graph ends early"
            ),
        )


#: what each batch is like, and what it means if its numbers are not divided
SCORED_BATCHES = (
    ("small numbers, of which the largest is 9", ""),
    ("large numbers", ""),
    ("large negative numbers only", ": the largest magnitude counts, not the largest number"),
    ("small numbers and a single one of the size 12", ": the largest magnitude counts, and the bound is 10"),
)


def compiled(weight: Any, batches: list) -> dict:
    """The scores of the learner's module, compiled, and how many graphs there are after each call."""
    import torch

    graphs = []

    def backend(graph: Any, inputs: list) -> Any:
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    module = torch.compile(Scorer(weight.clone()), backend=backend, dynamic=True)
    scores, counts = [], []
    with torch.no_grad():
        for batch in batches:
            scores.append(module(batch.clone()))
            counts.append(len(graphs))
    torch._dynamo.reset()
    return {"scores": scores, "graphs": counts}


def _scorer(weight: Any, batch: Any, mistake: str = "") -> Any:
    """The colleague's scores, or those of a mistake."""
    import torch

    large = {
        "always": torch.tensor(True),
        "never": torch.tensor(False),
        "each": batch.abs() > 10,
        "row": batch.abs().amax(1, keepdim=True) > 10,
    }.get(mistake, batch.abs().max() > 10)
    scores = torch.where(large, batch / 10, batch).double() @ weight.double()
    return scores if mistake == "linear" else scores.relu()


# q7: whole numbers of eight bits


@exercise.question(
    "q7",
    title="Whole numbers of eight bits",
    points=4,
    difficulty=2,
    needs=("quantise", "int8_linear"),
    lesson=COMPILE + "#Eight bits by hand",
    hints=(
        "How large can the sum of a thousand products of two int8 numbers get, and which type holds it?",
        "amax(dim=1) of the magnitudes gives one number a row; scales[:, None] makes a column of them. "
        ".to(torch.int8) cuts off what is behind the point, so call round() before it. Turn both matrices of "
        "whole numbers into int32 before you multiply them; the scale of a row of inputs belongs to a row of "
        "the result, that of a row of the weight to a column.",
        "Prices in tens of cents, by shop, and back:\n"
        "steps = prices.amax(dim=1) / 100\n"
        "tens = (prices / steps[:, None]).round().to(torch.int16)\n"
        "again = tens * steps[:, None]",
    ),
)
def eight_bits(answer: Answer, draw: Draw) -> None:
    import torch

    generator, wide = _generator(draw, 50), draw.random.choice((24, 30))
    sizes = torch.tensor([0.02, 1.0, 30.0, 0.3, 5.0])
    weight = sizes[:, None] * torch.randn(5, wide, generator=generator)
    weight[1:, 0] = -1.2 * weight[1:].abs().amax(1)  # the largest magnitude is that of a negative number
    with part("whole numbers and scales", points=1):
        _quantised(answer, weight, "quantise(rows)")
    with part("a row of zeros", points=1):
        silent = weight.clone()
        silent[draw.random.randrange(1, 5)] = 0
        _quantised(answer, silent, "quantise(rows), one of whose rows is zeros")
    whole, scales = _int8(weight)
    bias = torch.randn(5, generator=generator)
    mine = answer.given(linear_made)
    inputs = torch.stack([2 * weight[1], weight[4] / 7, torch.randn(wide, generator=generator)])
    with part("int8_linear", points=1):
        _linear(mine, inputs, whole, scales, bias, "int8_linear(inputs, whole, scales, bias)")
    with part("large sums, and inputs of zeros", points=1):
        big = torch.ones(2, 900) + 0.1 * torch.rand(2, 900, generator=generator)
        long, long_scales = _int8(torch.ones(5, 900) + 0.1 * torch.rand(5, 900, generator=generator))
        _linear(mine, big, long, long_scales, bias, "int8_linear where the sums are large")
        _cancelling(mine, generator)
        inputs[draw.random.randrange(3)] = 0
        _linear(mine, inputs, whole, scales, bias, "int8_linear where one row of the inputs is zeros")


def _cancelling(mine: Answer, generator: Any) -> None:
    """Sums that grow far beyond 2**24 and come back: float32 has lost their last digits by then."""
    import torch

    half = 10_000
    one, other = (torch.randint(60, 127, (rows, half), generator=generator) for rows in (3, 5))
    one[:, 0] = 127  # so the scale is 1, and no number needs rounding
    back = torch.randperm(half, generator=generator)
    inputs = torch.cat([one, one[:, back]], 1).float()
    whole = torch.cat([other, -other[:, back]], 1).to(torch.int8)
    scales, bias = torch.ones(5), torch.zeros(5)
    found = mine.call("linear_made", inputs, whole, scales, bias)["result"]
    what = "int8_linear where the sums grow beyond 2**24 and come back to 0"
    away = expect.tensor(found, what, (3, 5)).abs().max().item()
    expect.true(
        away < 0.5,
        f"{what} to be 0",
        f"up to {away:.6g}: float32 holds whole numbers up to 2**24 only, so add up in int32",
    )


ROUNDED = {
    "cut": "cutting off what is behind the point, not rounding",
    "whole": "one scale for the whole matrix",
    "columns": "a scale for each column",
    "128": "dividing by 128",
    "255": "dividing by 255",
    "signed": "the largest number, not the largest magnitude",
}
LINEAR = {
    "float": "inputs that were not quantised",
    "int8": "sums in int8, which run over: turn the numbers into int32 before you multiply",
    "int16": "sums in int16, which run over: turn the numbers into int32 before you multiply",
    "inputs": "leaving out the scales of the inputs",
    "weight": "leaving out the scales of the weight",
    "bias": "leaving out the bias",
    "tensor": "one scale for all inputs",
    "cut": "inputs that were cut off, not rounded",
}


def linear_made(inputs: Any, whole: Any, scales: Any, bias: Any) -> dict:
    """The learner's layer, and the type of its result."""
    import torch

    found = int8_linear(inputs, whole, scales, bias)
    return {"result": found, "type": str(found.dtype) if torch.is_tensor(found) else "no tensor"}


def _int8(rows: Any, mistake: str = "") -> tuple[Any, Any]:
    """Whole numbers and scales, right or as a mistake makes them."""
    import torch

    size = rows if mistake == "signed" else rows.abs()
    largest = size.amax(dim=1)
    if mistake in ("whole", "tensor"):
        largest = size.max().expand(len(rows))
    if mistake == "columns":
        largest = size.amax(dim=0)
    scales = largest / {"128": 128, "255": 255}.get(mistake, 127)
    scales = torch.where(scales == 0, 1.0, scales)
    numbers = rows / (scales if mistake == "columns" else scales[:, None])
    numbers = numbers.trunc() if mistake == "cut" else numbers.round()
    return numbers.to(torch.int8), scales


def _quantised(answer: Answer, rows: Any, what: str) -> None:
    """The learner's whole numbers and scales are right, but for ties of rounding."""
    import torch

    pair = answer.call("quantise", rows)
    expect.type_of(pair, (list, tuple), what)
    expect.length(pair, 2, what)
    expect.true(
        getattr(pair[0], "dtype", None) == torch.int8,
        f"the first of {what} to be a tensor of torch.int8",
        str(getattr(pair[0], "dtype", type(pair[0]).__name__)),
    )
    whole = expect.tensor(pair[0], f"the whole numbers of {what}", tuple(rows.shape))
    scales = expect.tensor(pair[1], f"the scales of {what}")
    scales = scales[:, 0] if tuple(scales.shape) == (len(rows), 1) else scales
    right, right_scales = _int8(rows)

    def same(numbers: Any, steps: Any) -> bool:
        return _apart(scales, steps) <= 1e-6 * steps.abs().max().item() and _apart(whole, numbers) <= 1

    def exact(numbers: Any) -> bool:
        return (whole != numbers).double().mean().item() < 0.02

    if same(right, right_scales) and exact(right):
        return
    near = ((name, _int8(rows, name)) for name in ROUNDED)
    guess = next((ROUNDED[name] for name, made in near if same(*made) and exact(made[0])), "")
    why = f": that comes of {guess}" if guess else ""
    expect.equal([*scales.shape], [*right_scales.shape], f"the shape of the scales of {what}{why}")
    place = int((scales - right_scales).abs().nan_to_num(math.inf).argmax())
    if _apart(scales, right_scales) > 1e-6 * right_scales.max().item():
        raise Failed(
            Rung.WRONG_VALUE,
            f"the scale of row {place} of {what} to be {right_scales[place]:.6g}",
            f"{scales[place]:.6g}{why}",
        )
    row = int((whole - right).abs().amax(1).argmax())
    raise Failed(
        Rung.WRONG_VALUE,
        f"the first whole numbers of row {row} of {what} to be {right[row, :6].tolist()}",
        f"{whole[row, :6].tolist()}{why}",
    )


def _linear(mine: Answer, inputs: Any, whole: Any, scales: Any, bias: Any, what: str) -> None:
    import torch

    made = mine.call("linear_made", inputs, whole, scales, bias)
    expect.true(
        made["type"] == "torch.float32", f"{what} to give a tensor of torch.float32", f"{made['type']}"
    )
    exact = _int8_linear(inputs, whole, scales, bias)
    rough = 1e-5 * (1 + exact.abs().max().item())
    found = expect.tensor(made["result"], what, tuple(exact.shape))
    if _apart(found, exact) <= rough:
        return
    # a number that lies between two whole ones may be rounded either way
    ties = torch.stack([_int8_linear(inputs * (1 + sign * 1e-6), whole, scales, bias) for sign in (1, -1)])
    if _apart(found.clamp(ties.amin(0) - rough, ties.amax(0) + rough), found) == 0:
        return
    wrong = {
        words: partial(_int8_linear, inputs, whole, scales, bias, name) for name, words in LINEAR.items()
    }
    _close_to(found, exact, what, wrong, rough)


def _int8_linear(inputs: Any, whole: Any, scales: Any, bias: Any, mistake: str = "") -> Any:
    import torch

    numbers, steps = _int8(inputs, mistake if mistake in ("tensor", "cut") else "")
    sums = numbers.double() @ whole.double().T
    if mistake in ("int8", "int16"):
        sums = sums.long().to(torch.int8 if mistake == "int8" else torch.int16).double()
    if mistake == "float":
        return inputs.double() @ whole.double().T * scales + bias
    sums = sums if mistake == "inputs" else sums * steps[:, None]
    sums = sums if mistake == "weight" else sums * scales
    return sums if mistake == "bias" else sums + bias


# q8: a program for other batches


@exercise.question(
    "q8",
    title="A program for other batches",
    points=3,
    difficulty=2,
    needs=("export_to",),
    lesson=EXPORT + "#A graph without Python",
    hints=(
        "What does torch.export know of your inputs: their sizes, or that these may be others? And what does "
        "it write down of dropout?",
        "dynamic_shapes takes, for each argument, a dict from dimension to torch.export.Dim(name, min=…, "
        "max=…) or Dim.DYNAMIC; two arguments with the same Dim have the same size. Take an example with two "
        "rows and more than one token: a size of 1 becomes a constant. Call model.eval() before you export.",
        "A module of pictures of any number and width:\n"
        "width = torch.export.Dim('width', min=1, max=640)\n"
        "sizes = {'pictures': {2: width}}\n"
        "program = torch.export.export(net.eval(), (torch.ones(2, 3, 32),), dynamic_shapes=sizes)\n"
        "torch.export.save(program, 'net.pt2')",
    ),
    seconds=180,
)
def exported(answer: Answer, draw: Draw) -> None:
    weights, texts = _notices(draw)
    shapes = [
        (1, draw.random.randrange(2, 9)),
        (5, 1),
        (draw.random.choice((7, 9)), 64),
        (1, 1),
        (300, 3),
        (3, 20),
    ]
    mine = answer.given(served)
    made = mine.call("served", weights, texts, 0.0, shapes)
    with part("a program that answers as the model does", points=1):
        _answers(made, weights, texts, "")
    with part("any number of rows and of tokens", points=1):
        for one in made:
            rows, tokens = one["shape"]
            expect.true(not one["error"], f"the program to take {rows} rows of {tokens} tokens", one["error"])
    with part("without dropout", points=1):
        dropping = mine.call("served", weights, texts, 0.5, shapes[-1:])
        why = ": the model was exported in training mode, and the program drops what it dropped"
        _answers(dropping, weights, texts, why)


def _notices(draw: Draw) -> tuple[dict[str, Any], dict[str, Any]]:
    """Weights of a model, and more texts than one batch has."""
    import torch

    generator = _generator(draw, 60)
    shapes = {
        "words.weight": (50, 16), "inner.weight": (16, 16), "inner.bias": (16,), "head.weight": (3, 16),
        "head.bias": (3,),
    }  # fmt: skip
    weights = {name: torch.randn(*shape, generator=generator) / 2 for name, shape in shapes.items()}
    lengths = torch.randint(1, 65, (16,), generator=generator)
    mask = (torch.arange(64) < lengths[:, None]).long()
    return weights, {"ids": torch.randint(50, (16, 64), generator=generator), "mask": mask}


def served(weights: dict, texts: dict, dropout: float, shapes: list) -> list:
    """What the learner's program says of texts of these shapes, first of all of its own example's."""
    import os
    import tempfile

    import torch

    class Notices(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.dropout = torch.nn.Embedding(50, 16), torch.nn.Dropout(dropout)
            self.inner, self.head = torch.nn.Linear(16, 16), torch.nn.Linear(16, 3)

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            mask = attention_mask.unsqueeze(-1).float()
            hidden = self.dropout(torch.relu(self.inner(self.words(input_ids))))
            return self.head((hidden * mask).sum(1) / mask.sum(1).clamp(min=1.0))

    model = Notices().train()
    model.load_state_dict(weights)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "notices.pt2")
        export_to(path, model)
        if not os.path.isfile(path):
            raise FileNotFoundError("export_to has written no file at the path it was given")
        program = torch.export.load(path)
    given, named = program.example_inputs or ((0, 0), {})
    example = [tuple(tensor.shape) for tensor in [*given, *named.values()][:1] if torch.is_tensor(tensor)]
    run, made = program.module(), []
    for rows, tokens in [*example, *shapes]:
        said, error = None, ""
        try:
            with torch.no_grad():
                inputs = [("input_ids", texts["ids"]), ("attention_mask", texts["mask"])]
                inputs = [(name, table.repeat(20, 1)[:rows, :tokens]) for name, table in inputs]
                by_name = dict(inputs[len(given) :])
                said = run(*(table for _, table in inputs[: len(given)]), **by_name)
        except Exception as problem:
            error = f"{type(problem).__name__}: {str(problem).strip().splitlines()[0][:150]}"
        made.append({"shape": [rows, tokens], "said": said, "error": error})
    return made


def _answers(made: Sequence[Mapping[str, Any]], weights: Mapping[str, Any], texts: Any, why: str) -> None:
    """Wherever the program ran, it said what the model says without dropout."""
    import torch

    ran = [one for one in made if not one["error"]]
    expect.true(bool(ran), "a program that runs", made[0]["error"])
    for one in ran:
        rows, tokens = one["shape"]
        ids, mask = (texts[name].repeat(20, 1)[:rows, :tokens] for name in ("ids", "mask"))
        mask = mask.unsqueeze(-1).double()
        words = weights["words.weight"][ids].double()
        hidden = torch.relu(words @ weights["inner.weight"].double().T + weights["inner.bias"])
        mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1.0)
        right = mean @ weights["head.weight"].double().T + weights["head.bias"]
        what = f"what the program says of {rows} rows of {tokens} tokens"
        found = expect.tensor(one["said"], what, tuple(right.shape))
        away = _apart(found, right)
        expect.true(away <= CLOSE, f"{what} to be what the model says", f"numbers up to {away:.2g} away{why}")


# q9: judge a bench


@exercise.question(
    "q9",
    title="Judge a bench",
    points=4,
    difficulty=2,
    needs=("write_bench",),
    lesson=EXPORT + "#The bench file",
    hints=(
        "If somebody measured the baseline again tomorrow, would its median be the same? What does that mean "
        "for the interval of a ratio?",
        "random.Random(0).choices(times, k=len(times)) draws with replacement. Draw from the baseline and "
        "from the variant, divide the two medians, and do it 2,000 times; sorted, places 50 and 1,949 are "
        "the ends of the interval. Take the warm-up away first, from all variants alike.",
        "How much taller is one class than the other?\n"
        "def drawn(sizes):\n"
        "    return statistics.median(draw.choices(sizes, k=len(sizes)))\n"
        "gaps = sorted(drawn(ours) - drawn(theirs) for _ in range(2000))\n"
        "low, high = gaps[50], gaps[1949]",
    ),
)
def bench(answer: Answer, draw: Draw) -> None:
    runs, warmup, least = _runs(draw)
    made = answer.given(bench_written).call("bench_written", runs, warmup, least)
    report = _read(made)
    baseline, *others = runs
    expect.keys(report, ("baseline", "median_ms", "variants"), "the file")
    expect.keys(report["variants"], others, "'variants' in the file")
    expect.true(
        baseline not in report["variants"],
        "'variants' in the file to have an entry for each of the others only",
        f"one for {baseline!r} too, which is the baseline",
    )
    with part("medians and speedups, without the warm-up", points=1):
        expect.equal(report["baseline"], baseline, "'baseline' in the file")
        expect.keys(report["median_ms"], runs, "'median_ms' in the file")
        for name in runs:
            _measured(
                report["median_ms"][name],
                f"the median of {name!r}",
                MEDIANS,
                partial(_median, runs, name, warmup),
            )
        for name in others:
            found = _entry(report, name, "speedup")
            _measured(found, f"the speedup of {name!r}", SPEEDUPS, partial(_speedup, runs, name, warmup))
    with part("an interval of 95 %", points=1):
        ends = {name: [_entry(report, name, end) for end in ("low", "high")] for name in others}
        _intervals(ends, runs, warmup, draw)
    with part("agreement with the baseline", points=1):
        for name in others:
            found = _entry(report, name, "agreement")
            _measured(found, f"the agreement of {name!r}", AGREED, partial(_agreement, runs, name))
    with part("what may be called faster", points=1):
        for name in others:
            low, agreement = (_entry(report, name, key) for key in ("low", "agreement"))
            found = report["variants"][name].get("faster")
            right = name in ("compiled", "exported")
            expect.type_of(found, bool, f"'faster' of {name!r}")
            expect.true(
                found == right,
                f"'faster' of {name!r} to be {str(right).lower()} (at least {least} have to agree)",
                f"{str(found).lower()}, with low {low:.3f} and an agreement of {agreement:.3f}",
            )


MEDIANS = {
    "mean": "a mean, not a median",
    "all": "counting the warm-up",
    "best": "taking the best time",
}
SPEEDUPS = {
    "inverse": "the variant's median divided by the baseline's",
    "mean": "means, not medians",
    "all": "counting the warm-up",
    "only": "leaving the warm-up out on one side only",
    "best": "taking the best times",
}
AGREED = {
    "disagree": "the share that is different",
    "count": "a count, not a share",
    "percent": "per cent, not a share",
}


def _runs(draw: Draw) -> tuple[dict[str, Any], int, float]:
    """Times with a tail; two variants are faster, one not surely so, and one says other things."""
    import numpy as np

    numbers, warmup, rows = draw.numpy(), draw.random.choice((4, 5)), 256
    labels = [draw.random.randrange(3) for _ in range(rows)]
    runs: dict[str, Any] = {}
    # name: the middle, the noise, how many times, how many other labels; no two intervals are equally wide
    plan = {
        "eager": (10, 0.05, 61, 0), "compiled": (6, 0.05, 61, 4), "int8": (4, 0.02, 61, 30),
        "padded": (9.78, 0.12, 61, 1), "exported": (6, 0.4, 181, 2),
    }  # fmt: skip
    even = statistics.NormalDist().quantiles  # times that lie evenly make a bootstrap of any seed alike
    for name, (centre, width, count, others) in plan.items():
        noise = np.exp(width * np.array(even(count + 1)) + width / 30 * numbers.standard_normal(count))
        noise[-6:] *= numbers.uniform(3, 6, 6)  # what else the machine did
        times = [*(centre * numbers.uniform(5, 9, warmup)), *(centre * numbers.permutation(noise))]
        said = list(labels)
        for place in draw.sample(range(rows), others):
            said[place] = (said[place] + 1) % 3
        runs[name] = {"ms": [round(float(time), 3) for time in times], "labels": said}
    return runs, warmup, 252 / 256  # "compiled" agrees in exactly so many


def bench_written(runs: dict, warmup: int, least: float) -> str:
    """The text of the learner's file."""
    import os
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "bench.json")
        write_bench(path, runs, warmup, least)
        if not os.path.isfile(path):
            raise FileNotFoundError("write_bench has written no file at the path it was given")
        with open(path, encoding="utf-8") as file:
            return file.read()


def _read(text: Any) -> dict[str, Any]:
    expect.type_of(text, str, "the text of the file")

    def refuse(name: str) -> None:
        raise Failed(Rung.WRONG_VALUE, "numbers in the file", f"{name}, which is no JSON")

    try:
        found = json.loads(text, parse_constant=refuse)
    except (json.JSONDecodeError, RecursionError):
        raise Failed(Rung.WRONG_VALUE, "a file of JSON", expect.show(text)) from None
    expect.type_of(found, dict, "the file")
    return found


def _entry(report: Mapping[str, Any], name: str, key: str) -> float:
    """A number that the file has of a variant."""
    entry = report["variants"][name]
    expect.keys(entry, (key,), f"the entry of {name!r}")
    expect.number(entry[key], f"{key!r} of {name!r}")
    return entry[key]


def _times(runs: Mapping[str, Any], name: str, warmup: int) -> list[float]:
    return runs[name]["ms"][warmup:]


def _median(runs: Mapping[str, Any], name: str, warmup: int, mistake: str = "") -> float:
    times = _times(runs, name, 0 if mistake == "all" else warmup)
    if mistake == "best":
        return min(times)
    return statistics.fmean(times) if mistake == "mean" else statistics.median(times)


def _speedup(runs: Mapping[str, Any], name: str, warmup: int, mistake: str = "") -> float:
    one = _median(runs, next(iter(runs)), warmup, "all" if mistake == "only" else mistake)
    other = _median(runs, name, warmup, mistake)
    return other / one if mistake == "inverse" else one / other


def _agreement(runs: Mapping[str, Any], name: str, mistake: str = "") -> float:
    labels = [runs[each]["labels"] for each in (next(iter(runs)), name)]
    same, count = sum(one == other for one, other in zip(*labels, strict=True)), len(labels[0])
    return {"disagree": 1 - same / count, "count": same, "percent": 100 * same / count}.get(
        mistake, same / count
    )


DRAWS = 10_000  # of the check's own bootstrap
ENDS = {
    "fixed": "drawing from the variant's times only: the baseline was measured as well",
    "variant": "drawing from the baseline's times only",
    "means": "dividing means, not medians",
    "90": "an interval of 90 %",
    "as baseline": "drawing as many of the variant's times as the baseline has",
    "as variant": "drawing as many of the baseline's times as the variant has",
    "inverse": "the variant's median divided by the baseline's",
}


def _intervals(ends: Mapping[str, Sequence[float]], runs: Mapping[str, Any], warmup: int, draw: Draw) -> None:
    """The ends are near those of many draws, and as far apart; else the message names the mistake."""
    for name, (low, high) in ends.items():
        expect.true(low <= high, f"'low' of {name!r} to be at most 'high'", f"{low:.4g} and {high:.4g}")
    right = {name: _ends(runs, name, warmup, draw) for name in ends}
    if _near(ends, right):
        return
    # whoever counts the warm-up has lost the medians' point for it, and loses no other
    if _near(ends, {name: _ends(runs, name, warmup, draw, "all") for name in ends}):
        return
    made = (
        (words, {name: _ends(runs, name, warmup, draw, mistake) for name in ends})
        for mistake, words in ENDS.items()
    )
    guess = next((words for words, other in made if _near(ends, other)), "")
    shares = [[end / _speedup(runs, name, warmup) for end in pair] for name, pair in ends.items()]
    if (
        max(abs(share - first) for pair in shares for share, first in zip(pair, shares[0], strict=True))
        < 1e-4
    ):
        guess = "the same share of the speedup for each variant, though some times are noisier than others"
    name = max(ends, key=lambda name: _off(ends[name], right[name]))
    raise Failed(
        Rung.WRONG_VALUE,
        f"the interval of {name!r} to go from about {right[name][0]:.4g} to {right[name][1]:.4g}",
        f"{ends[name][0]:.4g} to {ends[name][1]:.4g}"
        + (
            f": that comes of {guess}" if guess else " (with far fewer than 2,000 draws, ends move by chance)"
        ),
    )


def _off(ends: Sequence[float], right: Sequence[float]) -> float:
    """How far the ends are from the right ones, as a share of the right interval."""
    return max(abs(one - two) for one, two in zip(ends, right, strict=True)) / (right[1] - right[0])


def _near(ends: Mapping[str, Sequence[float]], right: Mapping[str, Sequence[float]]) -> bool:
    """2,000 draws move an end by less than an eighth, and the mean width by far less."""
    widths = [
        (ends[name][1] - ends[name][0]) / (low_high[1] - low_high[0]) for name, low_high in right.items()
    ]
    apart = max(_off(ends[name], right[name]) for name in ends)
    return apart < 1 / 8 and abs(statistics.fmean(widths) - 1) < 0.08


def _ends(runs: Mapping[str, Any], name: str, warmup: int, draw: Draw, mistake: str = "") -> list[float]:
    """The ends of the interval by a bootstrap of many draws."""
    import numpy as np

    generator = np.random.Generator(np.random.PCG64(draw.seed))
    middles = []
    for which, fixed in ((next(iter(runs)), "fixed"), (name, "variant")):
        times = np.array(_times(runs, which, 0 if mistake == "all" else warmup))
        size = {
            "as baseline": len(_times(runs, next(iter(runs)), warmup)),
            "as variant": len(_times(runs, name, warmup)),
        }
        places = generator.integers(len(times), size=(DRAWS, size.get(mistake, len(times))))
        middle = (np.mean if mistake == "means" else np.median)(times[places], axis=1)
        middles.append(np.full(DRAWS, np.median(times)) if mistake == fixed else middle)
    ratios = middles[1] / middles[0] if mistake == "inverse" else middles[0] / middles[1]
    return np.quantile(ratios, (0.05, 0.95) if mistake == "90" else (0.025, 0.975)).tolist()


# q10: predictions

#: what the notebook's own cells measure; tests/checks/chapters/test_fast_inference.py runs them
FOUND = {"sorted": True, "causal": False, "sizes": False, "eight": False, "rows": False, "outlier": True}


@exercise.question(
    "q10",
    title="Predict, then measure",
    points=2,
    difficulty=2,
    needs=("predictions",),
    lesson=COMPILE + "#When it compiles again",
    hints=(
        "Which of these follow from what you wrote in questions 1 to 8, and which are about a default of the "
        "library?",
        "For `sizes`, think of what PyTorch does when a size changes for the first time. For `causal`, "
        "think of where the triangle lies when there is one query and there are five keys. For `eight`, "
        "how many numbers can eight bits tell apart?",
        "The answer is a function that returns a dict:\n"
        "def guesses():\n"
        "    return {'rain': True, 'wind': False}",
    ),
)
def predict(answer: Answer, draw: Draw) -> None:
    six_predictions(answer, FOUND)


exercise.manual(
    "q11",
    title="Would you believe this bench?",
    points=4,
    difficulty=2,
    lesson=EXPORT + "#From eager to fast",
    hints=(
        "Go through the report and write down, for each of the two sides, how it was measured. Where do the "
        "two columns differ, other than in the model?",
        "Look at the size of the batch, at the first call, at mean and best, at how many things changed at "
        "once, at how many rows agreement was measured on, and at what one waits for in a batch of 32.",
        "Two runners: one in boots, uphill, the mean of twenty runs; the other in spikes, the best of two "
        "hundred. What does the quotient of their times say of the spikes?",
    ),
)
