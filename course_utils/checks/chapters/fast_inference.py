"""The questions of chapter 15: fast inference.

Nothing here looks at a clock: places, tokens, graphs, bytes and the sizes of tensors are counted, and
results are compared with those of the plain way. Models have a few hundred weights and are made where the
learner's code runs, from numbers that are drawn.
"""

from __future__ import annotations

import json
import math
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
    export_to: Any = None
    write_bench: Any = None

LESSONS = "lessons/15_fast_inference/"
BATCHES, CACHE, COMPILE, EXPORT = (
    LESSONS + name + ".ipynb"
    for name in (
        "01_a_batch_without_waste",
        "02_the_cache_and_attention",
        "03_compile_and_quantise",
        "04_export_and_a_bench",
    )
)

exercise = Exercise(
    "15_fast_inference",
    title="Fast inference",
    minutes=120,
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
    """", that comes of ..." for the first mistake that gives what was found; else nothing."""
    name = next((name for name in mistakes if made(name) == found), None)
    return f": that comes of {words[name]}" if name else ""


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
    lesson=BATCHES,
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
                f"{len(batch)} rows, the longest of {max(lengths[row] for row in batch)} tokens: {cost} places",
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
        order = draw.sample(range(len(some)), len(some))
        given = [order[:3], order[3:4], order[4:]]
        found, right = answer.call("padding", some, given), _padding(some, given)
        expect.number(found, "padding(lengths, batches)")
        near = lambda mistake: abs(_padding(some, given, mistake) - found) < 1e-9  # noqa: E731
        guess = next((words for mistake, words in PADDED.items() if near(mistake)), "")
        expect.true(
            abs(found - right) < 1e-6,
            f"padding({some}, {given}) to be {right:.6g}",
            f"{found:.6g}" + (f": that comes of {guess}" if guess else ""),
        )
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
    made = answer.given(scored).call("scored", table, rows, budget)
    found = expect.tensor(made["scores"], "scores(model, rows, budget)", (len(rows),))
    places = torch.arange(1, 21)

    def plain(padded: bool = False, unpadded: bool = False) -> Any:
        """The scores; or those where padding counts, or where id 0 never does."""
        sums = []
        for row in rows:
            ids = [token for token in row if token or not unpadded]
            ids = ids + [0] * (max(map(len, rows)) - len(row)) if padded else ids
            sums.append((table[ids] * places[: len(ids)]).sum() if ids else table.new_zeros(()))
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
        {"a mask that is 0 wherever the id is 0, though some tokens have this id": partial(plain, unpadded=True)},
    )  # fmt: skip
    batches = _by_length([len(row) for row in rows], budget)
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
    lesson=BATCHES,
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
            _scheduled(found, arrivals, lengths, slots, "static", ("own", "joins", "full"))
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
                ("static", "late", "start", "number", "early", "shortest", "after"),
            )  # fmt: skip


SCHEDULED = {
    "own": "giving each request the time of its own last token: a static batch is back when all of it is done",
    "joins": "letting requests join a batch that runs",
    "full": "waiting until there are as many requests as slots",
    "static": "a static batch: a free slot has to go to the next request at once",
    "late": "a slot that stays empty for a step after its request is finished",
    "start": "telling the time before the last step, not after it",
    "number": "taking the requests by their number, not by their arrival",
    "early": "running requests that have not arrived yet",
    "shortest": "taking the shortest of those that wait, not the first to arrive",
    "after": "taking a request a step after its arrival",
}


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
            if name != "joins" and not (at_once and name in ("number", "early", "after", "full"))
        }
        if len({tuple(each) for each in times.values()}) == len(times):
            return arrivals, lengths, slots
    raise LookupError("no requests tell the mistakes apart")


def _finished(arrivals: Sequence[int], lengths: Sequence[int], slots: int, way: str) -> list[int]:
    """When each request is finished, in a right way or in a wrong one.

    way: "static", "continuous" or a name of `SCHEDULED`.
    """
    batched = way in ("static", "own", "full")
    waiting = sorted(range(len(arrivals)), key=lambda n: (0 if way == "number" else arrivals[n], n))
    left: dict[int, int] = {}
    finished, now, resting = [0] * len(arrivals), 0, list[int]()
    while waiting or left:
        there = [n for n in waiting if way == "early" or arrivals[n] + (way == "after") <= now]
        if way == "number" and there and there[0] != waiting[0]:
            there = []  # whoever has the lowest number is waited for
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


def _scheduled(
    found: Any, arrivals: list[int], lengths: list[int], slots: int, way: str, mistakes: Iterable[str]
) -> None:
    """The learner's times are right; else the message names the mistake that gives them."""
    what = f"{way}({arrivals}, {lengths}, {slots})"
    times = expect.tensor(found, what, (len(arrivals),)).tolist()
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
    lesson=CACHE,
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
    with part("attend: a whole text, and token by token", points=1):
        for pieces in ([9], [1] * 9):
            found = mine.call("attended", hidden, weights, heads, pieces)
            what = f"the outputs of attend, {'the whole text at once' if len(pieces) == 1 else 'token by token'}"
            _close_to(found["output"], right, what, _inattentive(hidden, weights, heads, pieces))
            for name in "kv":
                whole = (hidden @ weights[name]).view(2, 9, heads, width // heads).transpose(1, 2)
                _close_to(
                    found[name], whole, f"the {'keys' if name == 'k' else 'values'} in the cache, {pieces}"
                )
    with part("attend: several new tokens after a cache", points=1):
        pieces = draw.random.choice(([3, 4, 2], [2, 3, 4], [4, 2, 3]))
        found = mine.call("attended", hidden, weights, heads, pieces)
        what = f"the outputs of attend, in pieces of {', '.join(map(str, pieces))} tokens"
        _close_to(found["output"], right, what, _inattentive(hidden, weights, heads, pieces))
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

    cache, outputs, start = None, [], 0
    for piece in pieces:
        output, cache = attend(hidden[:, start : start + piece].clone(), dict(weights), heads, cache)
        outputs.append(output.detach())
        start += piece
    keys, values = cache
    return {"output": torch.cat(outputs, 1), "k": keys.detach(), "v": values.detach()}


def _attention(
    hidden: Any, weights: Mapping[str, Any], heads: int, seen: Any = None, scaled: bool = True
) -> Any:
    """Attention over a whole text; seen: which keys each token may look at, if not itself and those before."""
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
    corner, ahead, apart = (torch.zeros(tokens, tokens, dtype=torch.bool) for _ in range(3))
    start = 0
    for piece in pieces:
        new = slice(start, start + piece)
        corner[new, : start + piece] = torch.ones(piece, start + piece, dtype=torch.bool).tril()
        ahead[new, : start + piece] = True
        apart[new, new] = torch.ones(piece, piece, dtype=torch.bool).tril()
        start += piece
    masked = partial(_attention, hidden, weights, heads)
    return {
        "a triangle in the upper left corner, as is_causal=True has it: a new token sees the first keys only": lambda: masked(corner),
        "new tokens that see those after them": lambda: masked(ahead),
        "leaving the cache out": lambda: masked(apart),
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
    model, widths = tiny_llama(seed), []

    def counted(module: Any, given: tuple, named: dict) -> None:
        ids = named["input_ids"] if "input_ids" in named else given[0]
        if len(ids) != rows:
            raise ValueError(f"the model got {len(ids)} rows, not {rows}")
        widths.append(ids.shape[1])

    rows = len(ids)
    model.register_forward_pre_hook(counted, with_kwargs=True)
    found = greedy(model, ids.clone(), count, end)
    return {"ids": found, "widths": widths}


def _greedy_case(draw: Draw) -> dict[str, Any]:
    """A model and rows that say many things, and a token at which the rows end one after the other.

    The logits of the best token and of the next are far enough apart on any machine.
    """
    import torch

    for number in range(2_000):
        seed, count = (draw.seed + number) % 2**31, 8
        ids = torch.randint(39, (2, 5), generator=torch.Generator().manual_seed(seed))
        said, margin = _greedily(seed, ids, count)
        first, second = said[:, 5:].tolist()
        both = [token for token in first if token in second]
        ends = [
            token for token in both if {first.index(token), second.index(token)} in ({1, 4}, {2, 5}, {1, 5})
        ]
        if margin > 0.05 and ends and len({*first}) > 4 and len({*second}) > 4 and 39 not in first + second:
            return {"seed": seed, "ids": ids, "count": count, "said": said, "end": ends[0]}
    raise LookupError("no model says what is needed")


def _greedily(seed: int, ids: Any, count: int) -> tuple[Any, float]:
    """All ids after `count` full passes, and the smallest distance from a best logit to the next."""
    import torch

    model, margin = tiny_llama(seed), math.inf
    with torch.no_grad():
        for _ in range(count):
            logits = model(input_ids=ids, use_cache=False).logits[:, -1]
            top = logits.topk(2).values
            margin = min(margin, (top[:, 0] - top[:, 1]).min().item())
            ids = torch.cat([ids, logits.argmax(-1, keepdim=True)], 1)
    return ids, margin


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
    expect.equal([row[:5] for row in rows], given, f"the first five ids of each row of {what}, which were given")
    said = [row[5:] for row in rows]
    steps, total = len(right[0]), len(said[0])
    expect.true(
        total >= steps and all(row[:steps] == ones for row, ones in zip(said, right, strict=True)),
        f"the new ids of {what} to be {right}",
        f"{said}"
        + (
            ": a row that has said `end` has to say it from then on"
            if said == [row[:total] for row in case["said"][:, 5:].tolist()] and end != 39
            else ""
        ),
    )
    expect.true(
        total == steps,
        f"{what} to stop when all rows have said {end}, after {steps} new tokens",
        f"{total} new tokens",
    )


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
    lesson=CACHE,
    hints=(
        "How many numbers does one layer keep for one token, and of how many tokens does each layer keep them?",
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
        given = (config, batch, tokens, source) if source else (config, batch, tokens)
        found = answer.call("cache_bytes", *given)
        right = _cache_bytes(*given)
        expect.number(found, "cache_bytes(config, …)")
        guess = _guess(
            found, (name for name in WEIGHED if _cache_bytes(*given, mistake=name) != right),
            lambda name: _cache_bytes(*given, mistake=name), WEIGHED,
        )  # fmt: skip
        what = f"cache_bytes({config}, {batch}, {tokens}" + (f", {source})" if source else ")")
        expect.true(found == right, f"{what} to be {right}", f"{found}{guess}")

    with part("as many heads of keys as of queries, and fewer", points=1):
        weighed(plain)
        weighed(grouped)
    with part("windows, and a source", points=1):
        weighed(windows)
        weighed(both_sides, draw.random.randrange(1000, 1200))
    with part("the longest that fits", points=1):
        for config in (plain, grouped, windows):
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
                        else ": too many" if _cache_bytes(config, batch, int(found)) > free else ""
                    ),
                )


WEIGHED = {
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
    layers, heads = draw.random.choice((6, 12)), draw.random.choice((12, 16))
    plain = {
        "num_hidden_layers": layers, "hidden_size": heads * 64, "num_attention_heads": heads,
        "dtype": "float32",
    }  # fmt: skip
    grouped = {
        **plain, "num_key_value_heads": draw.random.choice((2, 4)), "head_dim": 128,
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
    each = {"four": 4, "bits": 8 * each}.get(mistake, each)
    window = config.get("sliding_window", math.inf)
    sources = source if config.get("is_encoder_decoder") and mistake != "none" else 0
    kept = 0
    for kind in config.get("layer_types", ["full_attention"] * layers):
        narrow = kind == "sliding_attention" and mistake != "all"
        kept += min(tokens, int(window)) if narrow else tokens
        kept += min(sources, int(window)) if narrow and mistake == "inside" else sources
    kept -= (layers - 1) * sources if mistake == "twice" else 0
    return (
        (1 if mistake == "once" else 2) * (1 if mistake == "row" else batch) * kept * heads * size * each
    )


# q5: attention in blocks


@exercise.question(
    "q5",
    title="Attention in blocks",
    points=4,
    difficulty=3,
    needs=("blockwise",),
    lesson=CACHE,
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
    mine = answer.given(in_pieces)

    def compared(q: Any, keep: Any, what: str, tolerance: float = CLOSE) -> None:
        made = mine.call("in_pieces", q, k, v, block, keep)
        _close_to(
            made["out"], _softmaxed(q, k, v, keep), what,
            {words: partial(_softmaxed, q, k, v, keep, block, name) for name, words in UNBLOCKED.items()},
            tolerance,
        )  # fmt: skip

    with part("all keys count", points=1):
        compared(q, everything, f"blockwise(q, k, v, {block}, keep) with {n} keys that all count")
    with part("some keys count, and blocks of which none does", points=1):
        for keep, which in ((hidden, "no"), (middle, "a middle"), (last, "the last"), (first, "the first")):
            compared(q, keep, f"blockwise where {which} block is without a key that counts")
    with part("scores in the hundreds", points=1):
        compared(300 * q, everything, "blockwise with scores in the hundreds", 1e-3)
    with part("never scores of more than a block", points=1):
        made = mine.call("in_pieces", q, k, v, block, hidden)
        _close_to(made["out"], _softmaxed(q, k, v, hidden), "what blockwise gives")
        _narrow(made, heads, m, n, size, block)


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
    """What the learner's function gives, and the operations that made large or wide tensors."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    n, given = k.shape[1], {tensor.untyped_storage().data_ptr() for tensor in (q, k, v, keep)}
    largest, wide, whole = [0, ""], "", ""

    class Looking(TorchDispatchMode):
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal largest, wide, whole
            made, name = function(*args, **(kwargs or {})), str(function)
            for tensor in tree_leaves(made):
                if not torch.is_tensor(tensor) or tensor.untyped_storage().data_ptr() in given:
                    continue
                if tensor.numel() > largest[0]:
                    largest = [tensor.numel(), name]
                if any(word in name for word in ("mm", "exp", "softmax")) and n in tensor.shape:
                    wide = wide or name
            if "scaled_dot_product" in name:
                whole = whole or name
            return made

    with Looking(), torch.no_grad():
        out = blockwise(q, k, v, block, keep)
    return {"out": out, "largest": largest[0], "by": str(largest[1]), "wide": wide, "whole": whole}


def _narrow(made: Mapping[str, Any], heads: int, m: int, n: int, size: int, block: int) -> None:
    """No operation has made scores of more than a block of keys."""
    expect.true(
        not made["whole"],
        "blocks of your own",
        f"{made['whole']}, which is PyTorch's own attention",
    )
    expect.true(
        not made["wide"], f"no scores of all {n} keys at once, in no operation", f"some from {made['wide']}"
    )
    most = 2 * heads * max(m, block) * max(size, m)
    most = max(most, n)
    expect.at_most(
        made["largest"], most, f"the numbers in the largest tensor that was made (here by {made['by']})"
    )


# q6: one graph


@exercise.question(
    "q6",
    title="One graph",
    points=3,
    difficulty=2,
    needs=("Scorer",),
    lesson=COMPILE,
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
    for place, rows in enumerate(sizes):
        batch = torch.randn(rows, features, generator=generator)
        batches.append(40 * batch if place % 2 else batch)
    made = answer.given(compiled).call("compiled", weight, batches)
    right = [_scorer(weight, batch) for batch in batches]
    with part("the same scores", points=1):
        for place, (batch, scores) in enumerate(zip(batches, right, strict=True)):
            what = f"the scores of a batch of {len(batch)} rows of {'large' if place % 2 else 'small'} numbers"
            _close_to(
                made["scores"][place], scores, what,
                {
                    "dividing small numbers as well": partial(_scorer, weight, batch, "always"),
                    "dividing no numbers": partial(_scorer, weight, batch, "never"),
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
                else "where Python has to know a number of a tensor (.item(), tolist(), if, print), a graph ends"
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
