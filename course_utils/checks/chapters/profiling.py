"""The questions of chapter 20: profiling.

Nothing here looks at a clock. Clocks and devices are played, traces and tables are drawn, and what comes of
them is worked out here as well, once rightly and once for each likely mistake, so that a message can name
it. Where a draw would not tell a mistake from the right answer, it is drawn again. Of the one real trace,
that of question 6, the order of its events counts and no duration.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter, defaultdict
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
    times_of: Any = None
    median_interval: Any = None
    profiled: Any = None
    fast_train: Any = None

LESSONS = "lessons/20_profiling/"
TIME = LESSONS + "01_time_correctly.ipynb"
PROFILE = LESSONS + "02_a_profile_read_as_data.ipynb"
MACHINE = LESSONS + "03_what_a_machine_can_do.ipynb"
SCRIPT = LESSONS + "04_a_script_slow_in_ten_ways.ipynb"

exercise = Exercise(
    "20_profiling",
    title="Profiling",
    minutes=140,
    difficulty="hard",
    cost="some seconds on two cores",
)

TRIES = 2000  # draws at most, until one tells each mistake from the right answer


def _telling(
    make: Callable[[], Any], answers: Callable[[Any], Mapping[str, Any]], pairwise: bool = False
) -> Any:
    """A case whose right answer ("") no mistake gives; `answers` works all of them out for a case.

    `pairwise`: nor do two mistakes give the same.
    """
    for _ in range(TRIES):
        case = make()
        found = dict(answers(case))
        right = found.pop("")
        others = list(found.values())
        wrong = any(_is_near(mistaken, right) for mistaken in others)
        alike = pairwise and any(map(_is_near, *zip(*itertools.combinations(others, 2), strict=True)))
        if not wrong and not alike:
            return case
    raise AssertionError(f"no draw tells {', '.join(found)} from the right answer")


def _is_near(one: Any, other: Any) -> bool:
    """Whether two plain values are the same up to rounding; of dicts and lists, each item."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_is_near(one[name], other[name]) for name in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_is_near, one, other))
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return abs(one - other) <= 1e-6 * max(abs(one), abs(other))
    return type(one) is type(other) and one == other


def _near(got: Any, answers: Mapping[str, Any], what: str) -> None:
    """A number is the right one, up to rounding ("" among `answers`); else the message names the mistake."""
    expect.number(got, what)
    right = answers[""]
    if not _is_near(got, right):
        raise Failed(Rung.WRONG_VALUE, f"{what} to be {right:.8g}", f"{got:.8g}{_guess(got, answers)}")


def _numbers(got: Any, answers: Mapping[str, Any], what: str) -> None:
    """A list of numbers is the right one; else the message names the mistake that gives it."""
    found = _listed(got, what)
    right = answers[""]
    if len(found) != len(right):
        raise Failed(
            Rung.WRONG_SHAPE, f"{what} to hold {len(right)} numbers", f"{len(found)}{_guess(found, answers)}"
        )
    for number, (one, other) in enumerate(zip(found, right, strict=True)):
        if not _is_near(one, other):
            came = f"{one:.8g}{_guess(found, answers)}"
            raise Failed(Rung.WRONG_VALUE, f"item {number} of {what} to be {other:.8g}", came)


def _listed(got: Any, what: str) -> list[float]:
    """The learner's numbers, whether they came in a list, a tuple, an array or a tensor."""
    made: list[float] = expect.tensor(got, what, (None,)).tolist()
    for number in made:
        expect.number(number, f"a number of {what}")
    return made


def _table(got: Any, answers: Mapping[str, Mapping], what: str) -> None:
    """A dict of numbers is the right one; else the message names the mistake that gives it."""
    expect.type_of(got, dict, what)
    right = answers[""]
    if got.keys() != right.keys():
        lacks = [name for name in right if name not in got]
        more = [name for name in got if name not in right]
        said = f"without {expect.show(lacks[0])}" if lacks else f"also {expect.show(more[0])}"
        raise Failed(
            Rung.WRONG_SHAPE,
            f"{what} to have the keys {expect.show(list(right))}",
            f"{said}{_guess(got, answers)}",
        )
    for name, value in right.items():
        expect.number(got[name], f"{what}[{name!r}]")
        if not _is_near(got[name], value):
            came = f"{got[name]:.8g}{_guess(got, answers)}"
            raise Failed(Rung.WRONG_VALUE, f"{what}[{name!r}] to be {value:.8g}", came)


def _named(got: Any, answers: Mapping[str, Any], what: str) -> None:
    """A name, or a dict of names, is the right one; else the message names the mistake that gives it."""
    try:
        expect.equal(got, answers[""], what)
    except Failed as failed:
        raise Failed(failed.rung, failed.expected, failed.got + _guess(got, answers)) from None


def _guess(got: Any, answers: Mapping[str, Any]) -> str:
    found = (words for words, value in answers.items() if words and _is_near(got, value))
    words = next(found, "")
    return f": that comes of {words}" if words else ""


# q1: times


@exercise.question(
    "q1",
    title="Times that mean something",
    points=3,
    difficulty=1,
    needs=("times_of",),
    lesson=TIME + "#A clock that is read too early",
    hints=(
        "`prepare()` and `work(batch)` come back at once. What is the device still doing when you read the "
        "clock, before each call and after it?",
        "One loop of `warm_up + calls` rounds: make a batch, wait for the device, read the clock, work, wait "
        "again, read the clock. Leave the first `warm_up` differences out at the end.",
        "A printer that takes pages faster than it prints them:\n"
        "wait_until_printed()\n"
        "began = now()\n"
        "send(page)\n"
        "wait_until_printed()\n"
        "minutes = now() - began",
    ),
)
def times(answer: Answer, draw: Draw) -> None:
    calls, warm_up = draw.random.randrange(4, 9), draw.random.randrange(2, 5)
    case = {
        "work": [draw.random.randrange(30, 60) / 1024 for _ in range(warm_up)]
        + [draw.random.randrange(8, 20) / 1024 for _ in range(calls)],
        "batches": [draw.random.randrange(3, 7) / 1024 for _ in range(warm_up + calls)],
        "send": 1 / 1024,  # powers of two: sums of them are exact
        "calls": calls,
        "warm_up": warm_up,
    }
    made = answer.given(timed).call("timed", case)
    what = f"times_of(prepare, work, {calls}, {warm_up}, clock, finish)"
    found = _listed(made["times"], what)
    with part("so many calls, each with a new batch, and a time for each that is no warm-up", points=1):
        expect.equal(len(made["used"]), calls + warm_up, f"the number of calls of work(batch) in {what}")
        expect.equal(made["used"], list(range(calls + warm_up)), "the batches that work gets, by number")
        expect.equal(len(found), calls, f"the number of times that {what} gives")
    found = found[-calls:]  # a list that begins with the warm-up has cost its part
    answers = {mistake: _timed(case, mistake) for mistake in ("", *TIMED)}
    with part("each time ends when the device has done its work", points=1):
        expect.equal(len(found), calls, f"the number of times that {what} gives")
        least = _timed(case, "")
        for number, (one, right) in enumerate(zip(found, least, strict=False)):
            if one < right - 1e-9:
                came = f"{one:.8g}{_guess(found, answers)}"
                raise Failed(Rung.WRONG_VALUE, f"item {number} of {what} to be {right:.8g}", came)
    with part("each time begins when nothing is left undone", points=1):
        _numbers(found, answers, what)


TIMED = (
    "reading the clock when the work is sent, and not done",
    "work that was not done yet when the clock was read first: that on the batch",
    "counting the making of the batch",
    "the mean of all calls in the place of each",
    "times in milliseconds",
)


def _timed(case: Mapping[str, Any], mistake: str) -> list[float]:
    """What times_of gives."""
    send, warm_up = case["send"], case["warm_up"]
    batches, right = case["batches"][warm_up:], [send + seconds for seconds in case["work"][warm_up:]]
    if mistake == TIMED[0]:
        return [send] * len(right)
    if (
        mistake in TIMED[1:3]
    ):  # the work on the batch begins as it is sent, together with the sending of the call
        more = 0.0 if mistake == TIMED[1] else send
        return [one - send + seconds + more for one, seconds in zip(right, batches, strict=True)]
    if mistake == TIMED[3]:
        return [statistics.fmean(right)] * len(right)
    return [seconds * (1000 if mistake else 1) for seconds in right]


def timed(case: dict) -> dict:
    """The learner's times of a device that is played: sending takes `send`, each piece of work its time."""
    state: dict[str, Any] = {"now": 0.0, "idle": 0.0, "made": 0, "worked": 0}
    used = []

    def take(seconds: float) -> None:
        state["now"] += case["send"]
        state["idle"] = max(state["idle"], state["now"]) + seconds

    def prepare() -> int:
        number = state["made"]
        take(case["batches"][min(number, len(case["batches"]) - 1)])
        state["made"] += 1
        return number

    def work(batch: int) -> None:
        take(case["work"][min(state["worked"], len(case["work"]) - 1)])
        state["worked"] += 1
        used.append(batch)

    def finish() -> None:
        state["now"] = max(state["now"], state["idle"])

    found = times_of(prepare, work, case["calls"], case["warm_up"], lambda: state["now"], finish)
    return {"times": found, "used": used}


# q2: an interval, and a verdict


@exercise.question(
    "q2",
    title="Faster, or not known?",
    points=4,
    difficulty=2,
    needs=("median_interval", "compare"),
    lesson=TIME + "#Two, side by side",
    hints=(
        "Each time lies above the true median or below it, like heads and tails. How likely is it that "
        "fewer than k of n lie below? And what is the same for both sides of one pair?",
        "`math.comb(n, heads) / 2**n` is the probability of so many heads. Begin with k = 0 and go on as "
        "long as the sum for 0 to k heads is small enough; k = 0 in the end means too few times. "
        "For `compare`, make the list of ratios first, "
        "and give it to `median_interval`.",
        "The largest number of tables for which fewer than k guests are unlikely:\n"
        "k = 0\n"
        "while sum(chance(guests) for guests in range(k + 1)) <= 0.1:\n"
        "    k += 1",
    ),
)
def intervals(answer: Answer, draw: Draw) -> None:
    wide, narrow = draw.sample((0.9, 0.99, 0.8), 2)
    cases = [(_some(draw, n, level), level) for n, level in ((12, 0.95), (14, wide), (25, narrow), (8, 0.99))]
    with part("the median; too few times are refused", points=1):
        for some, level in cases:
            median = _three(answer.call("median_interval", some, level), len(some))[0]
            _near(median, _medians(some), f"the median of {len(some)} times")
        for few, level in ((5, 0.95), (7, 0.99), (1, 0.8)):
            came = answer.given(refusing).call("refusing", cases[0][0][:few], level)
            what = f"median_interval of {few} times with a confidence of {level} to raise ValueError"
            expect.true(came == "refused", what, expect.show(came))
    with part("the interval", points=1):
        for some, level in cases:
            found = _three(answer.call("median_interval", some, level), len(some))[1:]
            what = f"low and high of median_interval of {len(some)} times with a confidence of {level}"
            _numbers(found, _intervals(some, level), what)
    with part("the ratio of pairs, with its interval", points=1):
        for kind, level in (("faster", 0.95), ("slower", wide)):
            before, after = _telling(partial(_pairs, draw, kind), partial(_compared, level=level))
            made = answer.call("compare", before, after, level)
            expect.keys(made, ("ratio", "low", "high"), "compare(before, after, confidence)")
            got = {name: made[name] for name in ("ratio", "low", "high")}
            _table(got, _compared((before, after), level), f"compare(before, after, {level})")
    with part("the verdict", points=1):
        for kind in draw.sample(("faster", "slower", "not known", "hardly", "just"), 5):
            before, after = _pairs(draw, kind, drift=1)
            made = answer.call("compare", before, after, 0.95)
            expect.keys(made, ("verdict",), "compare(before, after, 0.95)")
            right = "not known" if kind in ("hardly", "just") else kind
            ratio = _compared((before, after))[""]
            span = f"{ratio['low']:.3g} to {ratio['high']:.3g}"
            expect.equal(made["verdict"], right, f"the verdict for an interval from {span}")


def _some(draw: Draw, count: int, level: float) -> list[float]:
    """Times whose median and interval no mistake gives."""
    make = partial(_telling, partial(_times, draw, count), _medians, count % 2 == 0)
    some: list[float] = _telling(make, partial(_intervals, level=level))
    return some


def _three(got: Any, count: int) -> list[float]:
    return _listed(expect.tensor(got, f"median_interval of {count} times", (3,)), "median_interval(times)")


def _medians(some: Sequence[float]) -> dict[str, float]:
    found = {
        "": statistics.median(some),
        "the mean, not the median": statistics.fmean(some),
        "the middle of the list as it came: sort it first": some[len(some) // 2],
    }
    if len(some) % 2 == 0:
        low, high = statistics.median_low(some), statistics.median_high(some)
        found["the lower of the two middle times: their mean is the median"] = low
        found["the higher of the two middle times: their mean is the median"] = high
    return found


def _times(draw: Draw, count: int) -> list[float]:
    """Times with a few that are far too long, in no order."""
    some = [draw.random.randrange(1000, 2000) / 128 for _ in range(count - count // 6)]
    return draw.sample([*some, *(draw.random.randrange(9000, 20000) / 128 for _ in range(count // 6))], count)


def _kept(count: int, level: float = 0.95) -> int:
    """The k of the k-th smallest and the k-th largest."""
    k = 0
    while sum(math.comb(count, heads) for heads in range(k + 1)) / 2**count <= (1 - level) / 2:
        k += 1
    return k


def _intervals(some: Sequence[float], level: float) -> dict[str, list[float]]:
    ordered, n = sorted(some), len(some)
    k = _kept(n, level)
    mean, deviation = statistics.fmean(some), statistics.stdev(some) if n > 1 else 0.0
    quarter = statistics.quantiles(some, n=4)
    found = {
        "": [ordered[k - 1], ordered[n - k]],
        "a k that is one too large: fewer than k heads are k - 1 at most, and half of what is left out lies "
        "on each side": [ordered[k], ordered[n - k - 1]],
        "the quartiles, which hold half of the times and say nothing of the median": [quarter[0], quarter[2]],
        "the mean and its standard error": [
            mean - 1.96 * deviation / math.sqrt(n),
            mean + 1.96 * deviation / math.sqrt(n),
        ],
        "the k-th smallest and the k-th largest of the list as it came": [some[k - 1], some[n - k]],
    }
    always = _kept(n)
    if always not in (k, k - 1, k + 1):
        found["0.025 on each side, whatever the confidence is"] = [ordered[always - 1], ordered[n - always]]
    if k > 1:
        found |= {
            "a k that is one too small": [ordered[k - 2], ordered[n - k + 1]],
            "the smallest and the largest time": [ordered[0], ordered[-1]],
        }
    return found


def refusing(some: list, level: float) -> str:
    """What the learner's function makes of too few times."""
    try:
        median_interval(some, level)
    except ValueError:
        return "refused"
    except NotImplementedError:
        raise
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "an answer"


def _pairs(draw: Draw, kind: str, drift: float = 4) -> tuple[list[float], list[float]]:
    """Times of pairs on a machine whose speed drifts: the pairs' ratios agree much better than the times.

    drift: up to how many times as slow it becomes.
    """
    around = {"faster": 1.25, "slower": 0.8, "not known": 1.0, "hardly": 1.05, "just": 1.05}[kind]
    ratios = [around * draw.random.uniform(0.97, 1.03) for _ in range(13)]
    if kind == "not known":
        ratios = [ratio * (1.1 if number % 2 else 0.9) for number, ratio in enumerate(ratios)]
    if kind == "hardly":  # a median above 1, and an interval that begins below
        ratios[:4] = [0.9 * draw.random.uniform(0.97, 1.03) for _ in range(4)]
    if kind == "just":  # the interval begins at 1, which is not above it
        ratios[:4] = [1.0, 1.0, 1.0, 0.95]
    ratios = draw.sample(ratios, 13)
    after = [5 * draw.random.uniform(1, drift) for _ in ratios]
    return [ratio * seconds for ratio, seconds in zip(ratios, after, strict=True)], after


def _compared(case: tuple[list[float], list[float]], level: float = 0.95) -> dict[str, dict[str, float]]:
    before, after = case
    ratios = [one / other for one, other in zip(before, after, strict=True)]
    k, ordered = _kept(len(ratios), level), sorted(ratios)
    right = {"ratio": statistics.median(ratios), "low": ordered[k - 1], "high": ordered[len(ratios) - k]}
    medians = statistics.median(before) / statistics.median(after)
    sides = [sorted(before), sorted(after)]
    alone = [one / other for one, other in zip(*sides, strict=True)]
    turned = {"ratio": 1 / right["ratio"], "low": 1 / right["high"], "high": 1 / right["low"]}
    apart = sorted(alone)
    lows, highs = ([side[place] for side in sides] for place in (k - 1, len(ratios) - k))
    return {
        "": right,
        "after divided by before": turned,
        "the ratio of the two medians: take the ratio of each pair first": right | {"ratio": medians},
        "the mean of the ratios": right | {"ratio": statistics.fmean(ratios)},
        "sorting both lists, which tears the pairs apart": {
            "ratio": statistics.median(apart), "low": apart[k - 1], "high": apart[len(apart) - k],
        },
        "the intervals of both sides divided by each other: take the ratio of each pair first": {
            "ratio": medians, "low": lows[0] / highs[1], "high": highs[0] / lows[1],
        },
        "the smallest and the largest ratio": right | {"low": ordered[0], "high": ordered[-1]},
    }  # fmt: skip


# q3: FLOPs


@exercise.question(
    "q3",
    title="What does a step compute?",
    points=5,
    difficulty=2,
    needs=("forward_flops", "mfu", "padded"),
    lesson=PROFILE + "#FLOPs against a formula",
    hints=(
        "Write down the two shapes of each matrix product of one layer. Which of them grow with the square "
        "of the tokens?",
        "A product of rows × a with a × b has 2 · rows · a · b FLOPs, and rows is batch · tokens for all but "
        "two of them. Scores: each of the tokens with each, over all heads, `width` numbers for each pair; "
        "the weighted sums cost as much. Keys and values are `width / heads * kv_heads` wide. A step is a "
        "forward and a backward pass.",
        "A bakery's oven minutes: those that are needed are loaves × minutes a loaf, summed over the kinds "
        "of bread; those that there are, hours × 60 × ovens. Used is the first divided by the second.",
    ),
)
def flops(answer: Answer, draw: Draw) -> None:
    batch, tokens = draw.random.randrange(2, 9), draw.random.randrange(20, 90)
    plain, other = (
        _telling(partial(_decoder, draw, kind), _forward_of(batch, tokens)) for kind in (False, True)
    )
    with part("a forward pass", points=1):
        found = answer.call("forward_flops", plain, batch, tokens)
        _near(found, _forward_of(batch, tokens)(plain), _what("forward_flops", plain))
    with part("a gated layer, and fewer heads of keys and values", points=1):
        for config in (other, plain | {"gated": True}, plain | {"kv_heads": 1}):
            found = answer.call("forward_flops", config, batch, tokens)
            _near(found, _forward_of(batch, tokens)(config), _what("forward_flops", config))
    with part("the model FLOPs utilisation", points=1):
        seconds, devices = draw.random.randrange(200, 900) / 512, draw.random.choice((3, 4, 8))
        peak = _forward(other, batch, tokens) * draw.random.randrange(20, 40) / 8 / seconds / devices
        found = answer.call("mfu", other, batch, tokens, seconds, peak, devices)
        done = _forward(other, batch, tokens) / (seconds * peak)
        utilised = {
            "": 3 * done / devices,
            "the forward pass alone: a step has a backward pass, too": done / devices,
            "a backward pass that costs as much as a forward pass": 2 * done / devices,
            "leaving out how many devices there are, or a batch for each of them: it is that of all": 3
            * done,
            "percent, not a share": 300 * done / devices,
            "its inverse": devices / (3 * done),
        }
        _near(found, utilised, _what("mfu", other))
    _padding(answer, draw, tokens)


def _what(name: str, config: Mapping[str, Any]) -> str:
    return f"{name}({expect.show(config)}, …)"


def _decoder(draw: Draw, other: bool) -> dict[str, Any]:
    heads, size = draw.random.choice((4, 6, 8)), draw.random.choice((8, 16, 24))
    return {
        "layers": draw.random.randrange(2, 6), "width": heads * size, "heads": heads,
        "kv_heads": max(1, heads // 4) if other else heads,  # half of them hides mistake 12
        "inner": heads * size * draw.random.choice((2, 3, 5)) + 8, "gated": other,
        "vocabulary": draw.random.randrange(300, 2000), "tied": draw.random.random() < 0.5,
    }  # fmt: skip


def _forward_of(batch: int, tokens: int) -> Callable[[dict], dict[str, float]]:
    """{mistake: the FLOPs that come of it} of a config."""

    def answers(config: dict) -> dict[str, float]:
        return {
            mistake: _forward(config, batch, tokens, mistake)
            for mistake in ("", *FORWARD)
            if (mistake != GATE or config["gated"])
            and (mistake not in (GROUPS, NARROW) or config["kv_heads"] < config["heads"])
        }

    return answers


GATE = "leaving out the second matrix of a gated layer"
GROUPS = "keys and values as wide as the queries"
NARROW = (
    "counting scores and weighted sums for the heads of keys and values only: "
    "each head of the queries has its own"
)
FORWARD = (
    "1 FLOP for a multiplication with its addition: they are 2",
    "leaving out the logits",
    "leaving out the scores and the weighted sums",
    "leaving out the weighted sums, or the scores",
    "half of the scores: hidden ones are computed, too",
    "counting the embedding as a product",
    "leaving out what comes of attention (the fourth matrix)",
    GATE,
    GROUPS,
    "one layer alone",
    "scores between all tokens of the batch, and not of each row",
    "a training step, not a forward pass",
    NARROW,
)


def _forward(config: Mapping[str, Any], batch: int, tokens: int, mistake: str = "") -> float:
    width, rows = config["width"], batch * tokens
    narrow = width if mistake == GROUPS else width // config["heads"] * config["kv_heads"]
    matrices = 3 if config["gated"] and mistake != GATE else 2
    shares = {FORWARD[2]: 0, FORWARD[3]: 1, FORWARD[4]: 1, NARROW: 2 * config["kv_heads"] / config["heads"]}
    mixing = shares.get(mistake, 2) * tokens
    if mistake == FORWARD[10]:
        mixing *= batch
    projections = (1 if mistake == FORWARD[6] else 2) * width + 2 * narrow
    layer = projections + mixing + matrices * config["inner"]
    logits = {FORWARD[1]: 0, FORWARD[5]: 2}.get(mistake, 1) * config["vocabulary"]
    whole = rows * width * ((1 if mistake == FORWARD[9] else config["layers"]) * layer + logits)
    return whole * {FORWARD[0]: 1, FORWARD[11]: 6}.get(mistake, 2)


def _padding(answer: Answer, draw: Draw, tokens: int) -> None:
    multiple = draw.random.choice((8, 64, 128))
    rest = draw.random.randrange(1, multiple // 2)  # the nearest multiple is not the next one
    config = _decoder(draw, other=True) | {"vocabulary": multiple * draw.random.randrange(5, 20) + rest}
    whole = config | {"vocabulary": config["vocabulary"] - rest}
    with part("a padded vocabulary, and its parameters", points=1):
        for case in (config | {"tied": True}, config | {"tied": False}, whole):
            got = answer.call("padded", case, multiple, tokens)
            what = f"padded({expect.show(case)}, {multiple}, {tokens})"
            expect.keys(got, ("vocabulary", "parameters", "flops"), what)
            _near(got["vocabulary"], _vocabularies(case, multiple), f"the vocabulary of {what}")
            _near(got["parameters"], _added(case, multiple), f"the parameters of {what}")
    with part("what it costs in FLOPs", points=1):
        for case in (config, _decoder(draw, other=False) | {"vocabulary": 8 * multiple + 1}):
            got = answer.call("padded", case, multiple, tokens)
            what = f"padded({expect.show(case)}, {multiple}, {tokens})"
            expect.keys(got, ("flops",), what)
            _near(got["flops"], _share(case, multiple, tokens), f"the share of FLOPs of {what}")


def _more(config: Mapping[str, Any], multiple: int) -> int:
    return -config["vocabulary"] % multiple


def _vocabularies(config: Mapping[str, Any], multiple: int) -> dict[str, float]:
    had = config["vocabulary"]
    return {
        "": had + _more(config, multiple),
        "adding a whole multiple where it is one already": had // multiple * multiple + multiple,
        "rounding down": had // multiple * multiple,
        "the nearest multiple, not the next one": round(had / multiple) * multiple,
        "how many are added": _more(config, multiple),
        "the multiple added to it": had + multiple,
    }


def _added(config: Mapping[str, Any], multiple: int) -> dict[str, float]:
    more, width = _more(config, multiple), config["width"]
    return {
        "": more * width * (1 if config["tied"] else 2),
        "one matrix where there are two: they are not tied": more * width,
        "two matrices where there is one: they are tied": 2 * more * width,
        "all parameters of the matrix, not those that are added": (config["vocabulary"] + more) * width,
        "tokens, not parameters": more,
    }


def _share(config: Mapping[str, Any], multiple: int, tokens: int) -> dict[str, float]:
    more, whole = _more(config, multiple), _forward(config, 1, tokens)
    added = 2 * tokens * config["width"] * more
    return {
        "": added / whole,
        "the FLOPs, not the share": added,
        "the share of the vocabulary, not of the whole pass": more / config["vocabulary"],
        "an embedding that counts as a product": 2 * added / whole,
        "percent, not a share": 100 * added / whole,
        "the whole pass, and not by how much it grows": 1 + added / whole,
        "a share of the padded pass: it grows from the other one": added / (whole + added),
        "1 FLOP for a multiplication with its addition, on one side alone": added / 2 / whole,
        "one token, compared with a pass of all": added / tokens / whole,
    }


# q4 and q5: a trace

NAMES = [f"aten::{name}" for name in "linear addmm copy_ mul add softmax relu bmm sum cat div exp".split()]
REGIONS = ("data", "forward", "backward", "optimizer")
TICK = 0.25  # of a microsecond: times are multiples of it, so sums of them are exact


@exercise.question(
    "q4",
    title="Self times from a trace",
    points=3,
    difficulty=3,
    needs=("self_times", "slowest"),
    lesson=PROFILE + "#Total and self",
    hints=(
        "Draw the bars of one thread on paper, callers above those that they call. From which bar has the "
        "duration of a call to be taken away: from all that lie above it, or from one?",
        "Choose the operations of the region first, then sort them by begin, and the longer one first where "
        "two begin together. Keep a stack: take off what has ended, then the top of the stack is the caller. "
        "Take the duration from the caller's name and add it to the operation's own.",
        "Chapters within parts of a book, and the pages of a part that belong to no chapter:\n"
        "for piece in sorted(pieces, key=lambda piece: (piece.first, -piece.pages)):\n"
        "    while open_ones and open_ones[-1].last < piece.first:\n"
        "        open_ones.pop()\n"
        "    if open_ones:\n"
        "        own[open_ones[-1].title] -= piece.pages",
    ),
)
def self_time(answer: Answer, draw: Draw) -> None:
    region = draw.random.choice(REGIONS)
    single = _telling(partial(_trace, draw, threads=1), partial(_selves, region=region))
    several = _telling(partial(_trace, draw, threads=2), partial(_selves, region=region))
    what = f"self_times(events, {region!r})"
    with part("one thread", points=1):
        _table(answer.call("self_times", single, region), _selves(single, region), what)
    with part("threads side by side", points=1):
        _table(answer.call("self_times", several, region), _selves(several, region), f"{what} of two threads")
    with part("the slowest of each region", points=1):
        events = _telling(partial(_clear, draw), _slowests)
        found = answer.call("slowest", events)
        expect.type_of(found, dict, "slowest(events)")
        _named(found, _slowests(events), "slowest(events)")


def _event(name: str, cat: str, ts: float, dur: float, tid: int) -> dict[str, Any]:
    return {"ph": "X", "name": name, "cat": cat, "pid": 7, "tid": tid, "ts": ts * TICK, "dur": dur * TICK}


def _trace(draw: Draw, threads: int, steps: int = 3) -> list[dict]:
    """Events of a few steps, in no order: regions with operations on one thread, operations on another."""
    events: list[dict] = [
        {"ph": "M", "name": "process_name", "pid": 7, "tid": 0, "args": {"name": "python"}},
        {"ph": "i", "name": "Record Window End", "pid": "", "tid": "", "ts": 1.0, "s": "g"},
    ]
    now, first = 4 * draw.random.randrange(1000), draw.random.randrange(2, 20)
    beginning = now
    for number in range(first, first + steps):
        began = now
        for region in REGIONS:
            length = draw.random.randrange(200, 400)
            events.append(_event(region, "user_annotation", now, length, tid=1))
            events += _operations(draw, now + 10, now + length - 10, 1)
            events.append(
                {"ph": "s", "cat": "fwdbwd", "name": "fwdbwd", "id": now, "pid": 7, "tid": 1, "ts": 2.0}
            )
            now += length + draw.random.randrange(5, 40)
        events += _operations(draw, now, now + 60, 1)  # in the step, and in no region
        now += 70
        events.append(_event(f"ProfilerStep#{number}", "user_annotation", began, now - began, tid=1))
        now += draw.random.choice((0, 4))
    for tid in range(2, threads + 1):
        events += _operations(draw, beginning - 30, now + 30, tid)
    events.append(_event("PyTorch Profiler (0)", "Trace", beginning - 100, now - beginning + 200, tid=0))
    return draw.sample(events, len(events))


def _operations(draw: Draw, begin: int, end: int, tid: int) -> list[dict]:
    """Operations one after another from begin to end, with gaps between them, and what they call."""
    events, now = [], begin
    while end - now > 30:
        length = draw.random.randrange(20, min(120, end - now))
        events += _called(draw, now, now + length, tid, 2)
        now += length + draw.random.choice((0, 3, 10))
    return events


def _called(draw: Draw, begin: int, end: int, tid: int, depth: int) -> list[dict]:
    events, now = [_event(draw.random.choice(NAMES), "cpu_op", begin, end - begin, tid)], begin
    for _ in range(draw.random.randrange(0, 3) if depth else 0):
        now += draw.random.choice((0, 4))  # some begin with their caller
        room = end - now
        if room < 8:
            break
        length = draw.random.randrange(4, max(5, min(room - 2, room * 2 // 3)))
        events += _called(draw, now, now + length, tid, depth - 1)
        now += length
    return events


def _own(events: Iterable[dict], mistake: str = "") -> dict[str, float]:
    """The self times of operations, or what a mistake makes of them."""
    found: Counter[str] = Counter()
    stacks: dict[Any, list[dict]] = defaultdict(list)
    kinds = ("cpu_op", "user_annotation") if mistake == SELF[1] else ("cpu_op",)
    chosen = [event for event in events if event["ph"] == "X" and event["cat"] in kinds]
    sign = 1 if mistake == SELF[3] else -1
    for event in sorted(chosen, key=lambda event: (event["ts"], sign * event["dur"])):
        stack = stacks[0 if mistake == SHARED else event["tid"]]
        while stack and not _lies_in(event, stack[-1], across=mistake == SHARED):
            stack.pop()
        callers = {SELF[0]: [], SELF[2]: stack}.get(mistake, stack[-1:])
        for caller in callers:
            found[caller["name"]] -= event["dur"]
        found[event["name"]] += event["dur"]
        stack.append(event)
    return dict(found)


SELF = (
    "total times: take away what an operation called",
    "regions that count as operations",
    "taking a call's duration from all that lie above it, and not from its caller alone",
    "the shorter one first where two begin together",
)


def _clear(draw: Draw) -> list[dict]:
    """A trace in each of whose regions one operation is clearly the slowest, also beside the region."""
    while True:
        events = _trace(draw, threads=2)
        for region in REGIONS:
            found = _selves(events, region)
            *_, second, first = sorted(found[""].values())
            if first - second < 2 * TICK or first <= found[SELF[1]][region]:
                break
        else:
            return events


def _selves(events: list[dict], region: str) -> dict[str, dict[str, float]]:
    """{mistake: the self times in a region that come of it}."""
    spans = [event for event in events if event.get("cat") == "user_annotation" and event["name"] == region]
    spans.sort(key=lambda span: span["ts"])
    here = [event for event in events if any(_lies_in(event, span) for span in spans)]
    across = [event for event in events if any(_lies_in(event, span, across=True) for span in spans)]
    found = {mistake: _own([*here, *spans], mistake) for mistake in ("", *SELF)}
    found[FIRST] = _own([event for event in events if _lies_in(event, spans[0])])
    found[EVERYWHERE] = _own(events)
    if len(across) > len(here):
        found[ACROSS], found[SHARED] = _own(across), _own(across, SHARED)
    return found


FIRST, EVERYWHERE = "the first time that the region occurs", "all operations, and not those of the region"
ACROSS = "operations of other threads, which lie in the region's time"
SHARED = "operations of other threads, and one stack for all threads"


def _slowests(events: list[dict]) -> dict[str, dict[str, str]]:
    """{mistake: the slowest operation of each region that comes of it}."""
    chosen = (SELF[0], SELF[2], SELF[3], FIRST, EVERYWHERE, ACROSS)
    tables = {region: _selves(events, region) for region in REGIONS}
    return {
        ("the largest total time, not self time" if mistake == SELF[0] else mistake): {
            region: max(some[mistake], key=lambda name: (some[mistake][name], name))
            for region, some in tables.items()
        }
        for mistake in ("", *chosen)
    }


def _lies_in(event: dict, span: dict, across: bool = False) -> bool:
    if event["ph"] != "X" or event["cat"] != "cpu_op" or not (across or event["tid"] == span["tid"]):
        return False
    inside: bool = span["ts"] <= event["ts"] and event["ts"] + event["dur"] <= span["ts"] + span["dur"]
    return inside


@exercise.question(
    "q5",
    title="Idle time from a trace",
    points=3,
    difficulty=2,
    needs=("idle",),
    lesson=PROFILE + "#The file is JSON",
    hints=(
        "Two operations run at the same time for 10 microseconds. For how long is something running?",
        "Sort the spans of all operations by begin, and go through them with one number: up to when "
        "something has run so far. A gap opens where the next one begins later. Nothing before the step's "
        "begin or after its end counts, and the last gap may reach to the end.",
        "When is the shop without a clerk?\n"
        "covered, alone = OPENS, 0\n"
        "for comes, goes in sorted(shifts):\n"
        "    alone += max(0, comes - covered)\n"
        "    covered = max(covered, goes)\n"
        "alone += max(0, CLOSES - covered)",
    ),
)
def idle_time(answer: Answer, draw: Draw) -> None:
    with part("one thread", points=1):
        events = _telling(partial(_trace, draw, threads=1), _idles)
        _table(answer.call("idle", events), _idles(events), "idle(events)")
    with part("operations of two threads at the same time", points=1):
        events = _telling(partial(_two_threads, draw, inside=True), _idles)
        _table(answer.call("idle", events), _idles(events), "idle(events) of two threads")
    with part("operations that reach out of a step", points=1):
        for steps in (1, draw.random.randrange(4, 7)):
            events = _telling(partial(_two_threads, draw, inside=False, steps=steps), _idles)
            _table(
                answer.call("idle", events), _idles(events), "idle(events), where some reach out of a step"
            )


def _two_threads(draw: Draw, inside: bool, steps: int = 3) -> list[dict]:
    """A trace whose second thread has few operations: all within a step, or one across each step's end."""
    events = _trace(draw, threads=1, steps=steps)
    for step in _steps(events):
        begin, end = int(step["ts"] / TICK), int((step["ts"] + step["dur"]) / TICK)
        for _ in range(2):
            start = draw.random.randrange(begin + 20, end - 300)
            events.append(_event("aten::copy_", "cpu_op", start, draw.random.randrange(80, 200), tid=2))
        if not inside:
            for place in (begin, end):
                back, on = draw.random.randrange(10, 60), draw.random.randrange(20, 60)
                events.append(_event("aten::cat", "cpu_op", place - back, back + on, tid=3))
    return draw.sample(events, len(events))


def _steps(events: Iterable[dict]) -> list[dict]:
    return [event for event in events if event["name"].startswith("ProfilerStep#")]


IDLE = (
    "a sum of durations, in which what runs side by side counts twice",
    "one thread alone",
    "the share in which something runs",
    "leaving out operations that reach out of the step",
    "counting operations that reach out of the step as a whole",
    "regions that count as operations",
    "leaving out the time before the first operation",
    "leaving out the time after the last operation",
)


def _idles(events: list[dict]) -> dict[str, dict[str, float]]:
    """{mistake: the shares that come of it}; what comes out the same where it must is left out."""
    operations = [event for event in events if event.get("cat") == "cpu_op"]
    steps = _steps(events)
    threads = {event["tid"] for event in operations}
    out = any(_reaches_out(event, step) for event in operations for step in steps)
    found = {
        mistake: {step["name"]: _idle(events, step, mistake) for step in steps} for mistake in ("", *IDLE)
    }
    if len(threads) == 1:
        del found[IDLE[0]], found[IDLE[1]]
    if not out:
        del found[IDLE[3]], found[IDLE[4]]
    if out:
        del found[IDLE[6]], found[IDLE[7]]
    if len(threads) == 1:  # a sum of all durations counts calls twice as well
        found["a sum of durations, in which a call counts for its caller once more"] = {
            step["name"]: _idle(events, step, IDLE[0]) for step in steps
        }
    return found


def _reaches_out(event: dict, step: dict) -> bool:
    begin, end = step["ts"], step["ts"] + step["dur"]
    first, last = event["ts"], event["ts"] + event["dur"]
    return first < end and last > begin and not (begin <= first and last <= end)


def _idle(events: Iterable[dict], step: dict, mistake: str) -> float:
    """The share of a step in which nothing runs."""
    begin, end = step["ts"], step["ts"] + step["dur"]
    kinds = ("cpu_op", "user_annotation") if mistake == IDLE[5] else ("cpu_op",)
    chosen = [
        event for event in events
        if event.get("cat") in kinds and not event["name"].startswith("ProfilerStep#")
        and (mistake != IDLE[1] or event["tid"] == 1)
        and (mistake != IDLE[3] or not _reaches_out(event, step))
    ]  # fmt: skip
    whole = sorted((event["ts"], event["ts"] + event["dur"]) for event in chosen)
    spans = [(max(first, begin), min(last, end)) for first, last in whole if first < end and last > begin]
    if mistake == IDLE[4]:
        spans = [(first, last) for first, last in whole if first < end and last > begin]
    if mistake == IDLE[0]:
        return 1 - sum(last - first for first, last in spans) / step["dur"]
    if mistake == IDLE[6]:
        begin = min(first for first, _ in spans)
    if mistake == IDLE[7]:
        end = max(last for _, last in spans)
    busy, done = 0.0, -math.inf
    for first, last in spans:
        busy += max(0.0, last - max(first, done))
        done = max(done, last)
    if mistake == IDLE[2]:
        return busy / step["dur"]
    return (step["dur"] - busy if mistake == IDLE[4] else end - begin - busy) / step["dur"]


# q6: a trace of one's own


@exercise.question(
    "q6",
    title="A trace of your own",
    points=4,
    difficulty=2,
    needs=("profiled",),
    lesson=PROFILE + "#A schedule",
    hints=(
        "Which line of a `for` loop over the batches makes the next batch? And who tells the profiler that "
        "a step is over?",
        'Make an iterator first, and call `next` on it inside `record_function("data")`; with a second '
        "argument it says so when nothing is left. Call `prof.step()` at the end of each step. The schedule "
        "has `wait`, `warmup`, `active`, and `repeat=1`. And the gradients of the step before have to go "
        "first (`zero_grad`).",
        "A meal, each course with its own label:\n"
        "dishes = iter(menu)\n"
        "while True:\n"
        '    with label("kitchen"):\n'
        "        dish = next(dishes, None)\n"
        "    if dish is None:\n"
        "        break\n"
        '    with label("table"):\n'
        "        eat(dish)\n"
        "    diary.new_page()",
    ),
)
def own_trace(answer: Answer, draw: Draw) -> None:
    import torch

    layers, wait = draw.random.randrange(2, 5), draw.random.randrange(2, 4)
    warm_up, active = draw.random.randrange(1, 3), draw.random.randrange(2, 4)
    count = 2 * (wait + warm_up + active) + 1  # enough for two cycles
    noise = torch.Generator().manual_seed(draw.seed)
    weights = [torch.randn(6, 6, generator=noise) / 3 for _ in range(layers)]
    rows = [(torch.randn(5, 6, generator=noise), torch.randn(5, 6, generator=noise)) for _ in range(count)]
    made = answer.given(traced).call("traced", weights, rows, wait, warm_up, active)
    if made["events"] is None:
        raise Failed(Rung.WRONG_VALUE, "a trace at `path`, as export_chrome_trace writes it", made["why"])
    events = [dict(zip(("cat", "name", "tid", "ts", "dur"), event, strict=True)) for event in made["events"]]
    steps = sorted(_steps(events), key=lambda step: step["ts"])
    with part("the steps of the schedule", points=1):
        _scheduled(steps, wait, warm_up, active)
    with part("each step has its four regions", points=1):
        expect.true(bool(steps), "a trace with steps", "none; a schedule and prof.step() make them")
        for step in steps:
            for region in REGIONS:
                there = [span for span in _spans(events, region) if _within(span, step)]
                what = f"the number of regions {region!r} in {step['name']}"
                expect.equal(len(there), 1, what)
    with part("each region holds its own operations", points=1):
        _held(events, steps, layers)
    with part("the model learnt from all batches", points=1):
        _learnt(made, weights, rows)


def traced(weights: list, rows: list, wait: int, warm_up: int, active: int) -> dict:
    """What the learner's function wrote while it trained a net of these weights."""
    import json
    import tempfile
    from pathlib import Path

    import torch

    net = torch.nn.Sequential(*[torch.nn.Linear(*weight.shape) for weight in weights])
    for layer, weight in zip(net, weights, strict=True):
        layer.weight.data, layer.bias.data = weight.clone(), torch.zeros(len(weight))

    def batches() -> Any:
        for inputs, targets in rows:
            yield torch.roll(inputs, 1, 0).roll(-1, 0), targets

    optimizer, source = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9), batches()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiled(net, source, optimizer, str(path), wait, warm_up, active)
        events, why = None, "there is no file"
        if path.exists():
            try:
                read = json.loads(path.read_text())
                events = [
                    [event["cat"], event["name"], event["tid"], event["ts"], event["dur"]]
                    for event in read["traceEvents"]
                    if event["ph"] == "X" and event["cat"] in ("cpu_op", "user_annotation")
                ]
            except Exception as error:
                why = f"a file that is none: {type(error).__name__}: {error}"
    return {"events": events, "why": why, "weights": [layer.weight.detach() for layer in net]}


def _scheduled(steps: Sequence[Mapping], wait: int, warm_up: int, active: int) -> None:
    """The steps in the trace are those that the schedule names."""
    names = [step["name"] for step in steps]
    first = wait + warm_up
    right = [f"ProfilerStep#{number}" for number in range(first, first + active)]
    if names == right:
        return
    numbers = [int(name.rpartition("#")[2]) for name in names if name.rpartition("#")[2].isdecimal()]
    if not numbers:
        why = "no step: they come of a schedule, and of prof.step() at the end of each step"
    elif numbers[0] >= 2 * first + active:
        why = f"{expect.show(names)}: a cycle after the first one; repeat=1 makes one cycle and no more"
    elif numbers[0] == wait:
        why = f"{expect.show(names)}: the warm-up's steps are in the trace"
    else:
        why = expect.show(names)
    raise Failed(Rung.WRONG_VALUE, f"the steps {expect.show(right)} in the trace", why)


def _spans(events: Iterable[dict], name: str) -> list[dict]:
    return [event for event in events if event["cat"] == "user_annotation" and event["name"] == name]


def _within(event: Mapping, span: Mapping) -> bool:
    return bool(
        event["tid"] == span["tid"]
        and span["ts"] <= event["ts"]
        and event["ts"] + event["dur"] <= span["ts"] + span["dur"]
    )


def _held(events: list[dict], steps: Sequence[dict], layers: int) -> None:
    """In each step, what makes the batch, computes, goes back and learns lies in its region."""
    expect.true(bool(steps), "a trace with steps", "none; a schedule and prof.step() make them")
    signs = {
        "data": ("aten::roll", None, "the making of the batch (aten::roll here)"),
        "forward": ("aten::addmm", layers, "the model's layers (aten::addmm here)"),
        "backward": ("AddmmBackward0", layers, "the backward pass of the layers (AddmmBackward0)"),
        "optimizer": ("Optimizer.step#SGD.step", 1, "the optimizer's step"),
    }
    for step in steps:
        for region, (name, count, words) in signs.items():
            there = [event for event in events if event["name"] == name and _within(event, step)]
            spans = [span for span in _spans(events, region) if _within(span, step)]
            inside = [event for event in there if any(_within(event, span) for span in spans)]
            if len(inside) < len(there) or not there or (count and len(inside) != count):
                raise Failed(
                    Rung.WRONG_VALUE,
                    f"{words} in the region {region!r} of {step['name']}, and nowhere else in the step",
                    f"{len(inside)} of {len(there)} such events there",
                )
    loss = [event for event in events if event["name"] == "aten::mse_loss"]
    spans = _spans(events, "forward")
    if any(not any(_within(event, span) for span in spans) for event in loss):
        raise Failed(
            Rung.WRONG_VALUE, "the loss in the region 'forward'", "F.mse_loss is called outside of it"
        )


def _learnt(made: Mapping[str, Any], weights: Sequence[Any], rows: Sequence[tuple]) -> None:
    """The weights are those of plain training on all rows."""
    active = "training on all batches, one step each, each with the gradients of its batch alone"
    found = [
        expect.tensor(weight, "a weight of the model", tuple(weights[0].shape)) for weight in made["weights"]
    ]
    answers = {
        "": _plainly(weights, rows),
        "stopping before the last batch": _plainly(weights, rows[:-1]),
        "leaving out the first batch": _plainly(weights, rows[1:]),
        "gradients that are never cleared": _plainly(weights, rows, cleared=False),
        "no training": [weight.double() for weight in weights],
    }
    if _apart(found, answers[""]) <= 1e-4:
        return
    guess = next((words for words, right in answers.items() if words and _apart(found, right) <= 1e-4), "")
    came = f"others: that comes of {guess}" if guess else "others"
    raise Failed(Rung.WRONG_VALUE, f"the weights that come of {active}", came)


def _apart(found: Sequence[Any], right: Sequence[Any]) -> float:
    largest = max((one - other).abs().max().item() for one, other in zip(found, right, strict=True))
    return math.inf if math.isnan(largest) else largest


def _plainly(weights: Sequence[Any], rows: Sequence[tuple], cleared: bool = True) -> list[Any]:
    """The weights after plain training, in float64."""
    import torch

    net = torch.nn.Sequential(*[torch.nn.Linear(*weight.shape) for weight in weights]).double()
    for layer, weight in zip(net, weights, strict=True):
        layer.weight.data, layer.bias.data = weight.double(), torch.zeros(len(weight)).double()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    for inputs, targets in rows:
        torch.nn.functional.mse_loss(net(inputs.double()), targets.double()).backward()
        optimizer.step()
        if cleared:
            optimizer.zero_grad()
    return [layer.weight.detach() for layer in net]


# q7: the roofline

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@exercise.question(
    "q7",
    title="Under the roofline",
    points=4,
    difficulty=2,
    needs=("place", "fused"),
    lesson=MACHINE + "#The roofline",
    hints=(
        "Which three times does an operation need, and can they pass at the same time? What of them goes "
        "away when two operations become one?",
        "Count FLOPs and bytes, divide the one by the peak of the dtype and the other by the bandwidth, and "
        "take the largest of these two and the start. A fused chain is one pointwise operation: its FLOPs "
        "are all of them together, and it reads what none of its parts has made.",
        "A fleet of lorries: loading takes tons / rate, driving km / speed, both at the same time:\n"
        'hours = {"loading": tons / rate, "driving": km / speed}\n'
        "slowest = max(hours, key=hours.get)",
    ),
)
def roofline(answer: Answer, draw: Draw) -> None:
    kinds = ("compute", "memory", "overhead")
    cases = {
        (kind, bound): _operation(draw, kind, bound) for kind in ("matmul", "pointwise") for bound in kinds
    }
    placed = {}
    for key, (operation, machine) in cases.items():
        made = answer.call("place", operation, machine)
        what = f"place({expect.show(operation)}, …)"
        expect.keys(made, ("intensity", "seconds", "bound"), what)
        placed[key] = (operation, machine, made, what)
    with part("the intensity", points=1):
        for operation, _, made, what in placed.values():
            _near(made["intensity"], _intensity(operation), f"the intensity of {what}")
    with part("the seconds", points=1):
        for operation, machine, made, what in placed.values():
            _near(made["seconds"], _least(operation, machine), f"the seconds of {what}")
    with part("what it is bound by", points=1):
        for (_, bound), (operation, machine, made, what) in placed.items():
            times = {name: f"{value:.3g}" for name, value in _three_times(operation, machine).items()}
            expect.equal(made["bound"], bound, f"the bound of {what} (seconds: {times})")
    with part("a fused chain", points=1):
        for bound in ("memory", "overhead", "compute"):
            operations, machine = _telling(partial(_chain, draw, bound), _gains, pairwise=True)
            found = answer.call("fused", operations, machine)
            _near(found, _gains((operations, machine)), f"fused of {len(operations)} operations")


def _counts(operation: Mapping[str, Any], mistake: str = "") -> tuple[float, float]:
    """FLOPs and bytes of an operation."""
    if operation["kind"] == "matmul":
        m, k, n = operation["m"], operation["k"], operation["n"]
        numbers = {INTENSE[2]: m * k + k * n, INTENSE[3]: k * n}.get(mistake, m * k + k * n + m * n)
        flops = (1 if mistake == INTENSE[0] else 2) * m * k * n
    else:
        numbers = (operation["inputs"] + (mistake not in (INTENSE[2], INTENSE[3]))) * operation["numbers"]
        flops = operation["flops"] * (1 if mistake == INTENSE[5] else operation["numbers"])
    size = {INTENSE[1]: 4, INTENSE[4]: 1}.get(mistake, BYTES[operation["dtype"]])
    return flops, numbers * size


INTENSE = (
    "half of the FLOPs, or twice the bytes: one product and sum is 2 FLOPs, a number in bfloat16 has 2 bytes",
    "4 bytes for each number, which has 2 bytes in bfloat16",
    "leaving out the result, which is written",
    "counting the weights alone",
    "FLOPs for each number, not for each byte",
    "the FLOPs of one number, not of all",
    "bytes for each FLOP",
)


def _intensity(operation: Mapping[str, Any]) -> dict[str, float]:
    found = {}
    for mistake in ("", *INTENSE[:6]):
        flops, moved = _counts(operation, mistake)
        found[mistake] = flops / moved if moved else 0.0
    return found | {INTENSE[6]: 1 / found[""]}


def _three_times(
    operation: Mapping[str, Any], machine: Mapping[str, Any], dtype: str = ""
) -> dict[str, float]:
    flops, moved = _counts(operation)
    return {
        "compute": flops / machine["peak"][dtype or operation["dtype"]],
        "memory": moved / machine["bandwidth"],
        "overhead": machine["start"],
    }


def _least(operation: Mapping[str, Any], machine: Mapping[str, Any]) -> dict[str, float]:
    three = _three_times(operation, machine)
    compute, memory, start = three.values()
    return {
        "": max(three.values()),
        "the sum of the three times: they pass at the same time": sum(three.values()),
        "the sum of FLOPs' and bytes' time": compute + memory,
        "leaving out the start": max(compute, memory),
        "adding the start to the others": max(compute, memory) + start,
        "FLOPs alone": compute,
        "bytes alone": memory,
        "the peak of float32": max(memory, start, _three_times(operation, machine, "float32")["compute"]),
        "the smallest of the three": min(three.values()),
    }


def _operation(draw: Draw, kind: str, bound: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """An operation in bfloat16 and a machine, so that it is bound by that."""
    if kind == "matmul":
        sides = {"m": (100, 200), "k": (4, 12), "n": (100, 200)}  # most of the bytes are the result's
        operation = {"kind": kind} | {side: 8 * draw.random.randrange(*span) for side, span in sides.items()}
    else:
        operation = {"kind": kind, "numbers": 1000 * draw.random.randrange(200, 900), "inputs": 1}
        operation["flops"] = draw.random.randrange(2, 12)
    operation["dtype"] = "bfloat16"
    return operation, _machine(draw, operation, bound)


def _machine(draw: Draw, operation: Mapping[str, Any], bound: str) -> dict[str, Any]:
    """A machine on which that is what an operation is bound by, and half of it would not be."""
    flops, moved = _counts(operation)
    seconds = {name: draw.random.uniform(1.4, 1.6) * 1e-4 for name in ("compute", "memory", "overhead")}
    seconds[bound] = draw.random.uniform(2.0, 2.6) * 1e-4
    peak = flops / seconds["compute"]
    return {
        "peak": {"float32": peak / 8, "bfloat16": peak},
        "bandwidth": moved / seconds["memory"],
        "start": seconds["overhead"],
    }


def _chain(draw: Draw, bound: str) -> tuple[list[dict], dict[str, Any]]:
    """Pointwise operations of different numbers of inputs, and a machine that they are bound by so."""
    numbers, count = 1000 * draw.random.randrange(200, 900), draw.random.randrange(3, 6)
    inputs = draw.sample([1, 2, 1, 3, 2], count)
    operations = [
        {"kind": "pointwise", "numbers": numbers, "inputs": more, "dtype": "float32"}
        | {"flops": draw.random.randrange(1, 4)}
        for more in inputs
    ]
    flops, moved = (statistics.fmean(_counts(each)[side] for each in operations) for side in (0, 1))
    seconds = {"compute": 1e-6, "memory": 1e-5, "overhead": 1e-7} | {bound: 1e-4}
    return operations, {
        "peak": {"float32": flops / seconds["compute"], "bfloat16": 2 * flops / seconds["compute"]},
        "bandwidth": moved / seconds["memory"],
        "start": seconds["overhead"],
    }


def _gains(case: tuple[list[dict], dict[str, Any]]) -> dict[str, float]:
    """{mistake: the gain of fusing that comes of it}; a mistake that changes nothing here is left out."""
    operations, machine = case
    inputs, work = (sum(each[name] for each in operations) for name in ("inputs", "flops"))
    one_by_one = sum(_least(each, machine)[""] for each in operations)

    def gain(reads: int, made: int = work) -> float:
        return one_by_one / _least(operations[0] | {"inputs": reads, "flops": made}, machine)[""]

    right = gain(inputs - len(operations) + 1)
    found = {
        "reading all inputs, also those that the chain itself makes": gain(inputs),
        "one input too few or too many: each operation but the first reads one result": gain(
            inputs - len(operations)
        ),
        "the inputs of the first operation alone": gain(operations[0]["inputs"]),
        "the FLOPs of the first operation alone": gain(inputs - len(operations) + 1, operations[0]["flops"]),
        "the number of operations": float(len(operations)),
        "the seconds of the fused chain, not how many times as fast": one_by_one / right,
        "the time fused divided by the time one by one": 1 / right,
    }
    return {"": right} | {words: value for words, value in found.items() if not _is_near(value, right)}


# q8: a table of utilisation

COLUMNS = ("GRACT", "SMACT", "TENSO", "DRAMA")
#: what holds a GPU up -> waits, GRACT, TENSO and DRAMA of such a one
CLEAR = {
    "loader": (0.4, 0.5, 0.1, 0.2), "launch": (0.05, 0.5, 0.2, 0.2), "compute": (0.02, 0.97, 0.65, 0.35),
    "memory": (0.02, 0.96, 0.12, 0.8), "unclear": (0.04, 0.93, 0.2, 0.3),
}  # fmt: skip
#: more than one line holds
MIXED = {
    "loader": [(0.3, 0.95, 0.6, 0.7), (0.3, 0.6, 0.3, 0.7)],
    "launch": [(0.1, 0.7, 0.6, 0.3), (0.1, 0.7, 0.2, 0.7)],
    "compute": [(0.1, 0.94, 0.6, 0.7)],
}  # fmt: skip


@exercise.question(
    "q8",
    title="A table of utilisation",
    points=3,
    difficulty=1,
    needs=("means", "diagnose"),
    lesson=MACHINE + "#On a GPU",
    hints=(
        "What does the word `N/A` say about the GPU: that it was idle? And which line of the table says "
        "what a column means?",
        "Go through the lines: `#Entity` gives the names of the columns, `GPU` a number and the values in "
        "that order. Keep a list for each GPU and column, and put only numbers into it. In `diagnose`, ask "
        "the conditions from the top, and stop at the first one that holds.",
        "Marks by subject, from lines like `7b maths 2.0`:\n"
        "found = defaultdict(list)\n"
        "for pupil, subject, mark in map(str.split, lines):\n"
        '    if mark != "absent":\n'
        "        found[pupil, subject].append(float(mark))",
    ),
)
def utilisation(answer: Answer, draw: Draw) -> None:
    with part("the means", points=1):
        samples = _samples(draw, list(CLEAR.values()))
        for columns in (COLUMNS, (*draw.sample(COLUMNS, 4), "PCITX")):
            lines = _telling(partial(_lines, draw, samples, columns), _means)
            found = answer.call("means", _text(lines))
            _mean_table(found, _means(lines))
    with part("what holds each one up", points=1):
        _diagnosed(answer, draw, list(CLEAR.items()))
    with part("the first line that holds", points=1):
        _diagnosed(answer, draw, [(name, values) for name, some in MIXED.items() for values in some])
        ends = [
            ("loader", (0.25, 0.97, 0.7, 0.1)),
            ("launch", (0.125, 0.5, 0.5, 0.7)),
            ("compute", (0.0, 1.0, 0.5, 0.2)),
        ]
        _diagnosed(answer, draw, ends, exact=True)


Lines = list[list[str]]


def _samples(draw: Draw, kinds: Sequence[tuple], exact: bool = False) -> dict[int, list[dict[str, str]]]:
    """For each GPU the values of its columns, a few times: around those of its kind, or just those."""
    samples: dict[int, list[dict[str, str]]] = {}
    for gpu, (_, busy, tensor, memory) in enumerate(kinds):
        around = {"GRACT": busy, "SMACT": busy * 0.7, "TENSO": tensor, "DRAMA": memory, "PCITX": 0.123}
        samples[gpu] = []
        for _ in range(5):
            spread = 0.0 if exact else 0.03
            values = {name: value + draw.random.uniform(-spread, spread) for name, value in around.items()}
            samples[gpu].append({name: f"{value:.3f}" for name, value in values.items()})
    return samples


def _lines(
    draw: Draw,
    samples: Mapping[int, list[dict[str, str]]],
    columns: Sequence[str],
    unread: Sequence[str] = COLUMNS,
) -> Lines:
    """The table's lines as words, in rounds over all GPUs, the header now and then, some values missing."""
    missing = {(gpu, draw.random.randrange(5), draw.random.choice(unread)) for gpu in samples}
    lines: Lines = []
    for number in range(5):
        if number in (0, 3):
            lines += [["#Entity", *columns], ["ID"]]
        for gpu, rounds in samples.items():
            values = ["N/A" if (gpu, number, name) in missing else rounds[number][name] for name in columns]
            lines.append(["GPU", str(gpu), *values])
    return lines


def _text(lines: Lines) -> str:
    made = []
    for words in lines:
        first, rest = (" ".join(words[:2]), words[2:]) if words[0] == "GPU" else (words[0], words[1:])
        made.append(first.ljust(10) + "".join(word.ljust(13) for word in rest).rstrip())
    return "\n".join(made) + "\n"


def _means(lines: Lines) -> dict[str, dict[int, dict[str, float]]]:
    """{mistake: the means that come of it}."""
    columns, samples = lines[0][1:], defaultdict[int, list](list)
    for words in lines:
        if words[0] == "GPU":
            samples[int(words[1])].append(words[2:])

    def table(mean: Callable[[Sequence[str]], float]) -> dict[int, dict[str, float]]:
        return {
            gpu: {name: mean([row[place] for row in rows]) for place, name in enumerate(columns)}
            for gpu, rows in samples.items()
        }

    def plain(values: Sequence[str]) -> list[float]:
        return [float(value) for value in values if value != "N/A"]

    found = {
        "": table(lambda values: statistics.fmean(plain(values))),
        "a value that could not be read counted as 0": table(lambda values: sum(plain(values)) / len(values)),
        "the last value, not the mean": table(lambda values: plain(values)[-1]),
        "the median, not the mean": table(lambda values: statistics.median(plain(values))),
        "the largest value, not the mean": table(lambda values: max(plain(values))),
        "percent, not a share": table(lambda values: 100 * statistics.fmean(plain(values))),
        "rows with a missing value left out as a whole": {
            gpu: {
                name: statistics.fmean([float(row[place]) for row in rows if "N/A" not in row])
                for place, name in enumerate(columns)
            }
            for gpu, rows in samples.items()
        },
    }
    if tuple(columns) != COLUMNS:
        right = found[""]
        found["columns in the order of the question, not of the table"] = {
            gpu: dict(zip(COLUMNS, values.values(), strict=False)) for gpu, values in right.items()
        }
    return found


def _mean_table(found: Any, answers: Mapping[str, dict[int, dict[str, float]]]) -> None:
    expect.type_of(found, dict, "means(text)")
    right = answers[""]
    expect.equal(sorted(found, key=str), sorted(right), "the GPUs in means(text)")
    for gpu, columns in right.items():
        one = {mistake: table[gpu] for mistake, table in answers.items()}
        _table(found[gpu], {"": columns} | one, f"means(text)[{gpu}]")


def _diagnosed(answer: Answer, draw: Draw, kinds: list[tuple], exact: bool = False) -> None:
    """Each of these GPUs gets its name, in a table of its own order."""
    chosen = draw.sample(kinds, len(kinds))
    samples = _samples(draw, [values for _, values in chosen], exact)
    text = _text(_lines(draw, samples, COLUMNS, ("SMACT",)))
    waits = {gpu: values[0] for gpu, (_, values) in enumerate(chosen)}
    found = answer.call("diagnose", text, waits)
    expect.type_of(found, dict, "diagnose(text, waits)")
    expect.equal(sorted(found, key=str), list(waits), "the GPUs in diagnose(text, waits)")
    for gpu, (name, values) in enumerate(chosen):
        shown = ", ".join(
            f"{word} {value:g}" for word, value in zip(("waits", "GRACT", "TENSO", "DRAMA"), values)
        )
        expect.equal(found[gpu], name, f"the name for a GPU with, about, {shown}")


# q9: the slow lines


@exercise.question(
    "q9",
    title="Mend the slow lines",
    points=4,
    difficulty=2,
    needs=("fast_train",),
    lesson=SCRIPT + "#Mended, and equal",
    hints=(
        "Which lines does each step repeat that give the same every time? Which loops could be one product "
        "of two matrices?",
        "The gradient is `inputs.T @ (shares - right) / rows`, where `right` has a 1 in each row at the "
        "row's label. Keep the losses as tensors in a list; `torch.stack(losses).tolist()` reads them all at "
        "once.",
        "Distances of all points from a centre, and their mean, without a loop over points:\n"
        "away = (points - centre).square().sum(1)\n"
        "means.append(away.mean())         # still a tensor\n"
        "...\n"
        "return torch.stack(means).tolist()",
    ),
)
def slow_lines(answer: Answer, draw: Draw) -> None:
    sizes = {"few": (7, 3, 4), "rows": (15, 3, 4), "classes": (7, 6, 4), "steps": (7, 3, 6)}
    made, cases = {}, {}
    for name, (rows, classes, steps) in sizes.items():
        cases[name] = _training(draw, rows, classes, steps)
        made[name] = answer.given(watched_training).call("watched_training", *cases[name])
        expect.true(
            made[name]["kept"] is True,
            "the given weight to be unchanged after fast_train",
            "another: `-=` and functions that end in _ change it in place",
        )
    a_step = (made["steps"]["operators"] - made["few"]["operators"]) / 2
    with part("no loop over the rows", points=1):
        _same_weights(made, cases)
        _no_more(made, "rows", "15 rows instead of 7")
        expect.at_most(a_step, 40, "the number of operators in a step")
    with part("no loop over the classes", points=1):
        _same_weights(made, cases)
        _no_more(made, "classes", "6 classes instead of 3")
        expect.at_most(a_step, 40, "the number of operators in a step")
    with part("the losses, read once", points=1):
        for name in sizes:
            losses = _trained(*cases[name])[1]
            found = _listed(made[name]["losses"], "the losses")
            expect.all_close(found, losses, "the losses of fast_train", tolerance=1e-4)
        for name, (_, _, steps) in sizes.items():
            reads = made[name]["reads"]
            by = ", ".join(sorted(set(reads))) or "none"
            what = f"the number of reads from tensors in {steps} steps ({by})"
            expect.at_most(len(reads), 1, what)
        expect.equal(made["few"]["floats"], True, "the losses to be a list of floats")
    with part("the texts prepared once", points=1):
        _same_weights(made, cases)
        for name in sizes:
            expect.equal(made[name]["prepared"], 1, "the number of calls of prepare(texts)")


def _training(draw: Draw, rows: int, classes: int, steps: int) -> tuple:
    import torch

    noise = torch.Generator().manual_seed(draw.seed + rows + classes + steps)
    inputs, weight = torch.randn(rows, 5, generator=noise), torch.randn(5, classes, generator=noise)
    labels = torch.randint(classes, (rows,), generator=noise)
    return inputs, weight, labels, steps, draw.random.randrange(20, 60) / 64


def _trained(inputs: Any, weight: Any, labels: Any, steps: int, rate: float) -> tuple[Any, list[float]]:
    """Weights and losses, in float64."""
    import torch

    inputs, weight, losses = inputs.double(), weight.double(), []
    right = torch.nn.functional.one_hot(labels, weight.shape[1]).double()
    for _ in range(steps):
        logs = torch.log_softmax(inputs @ weight, dim=1)
        losses.append(-(logs * right).sum(1).mean().item())
        weight = weight - rate * inputs.T @ (logs.exp() - right) / len(inputs)
    return weight, losses


def watched_training(inputs: Any, weight: Any, labels: Any, steps: int, rate: float) -> dict:
    """The learner's training, with what it asked of PyTorch, of its tensors and of prepare."""
    from torch.overrides import TorchFunctionMode
    from torch.utils._python_dispatch import TorchDispatchMode

    reading = ("item", "tolist", "numpy", "is_nonzero", "equal", "allclose")
    special = ("__float__", "__int__", "__bool__", "__array__", "__format__", "__index__", "__contains__")
    operators, reads, prepared = [], [], []

    class Dispatched(TorchDispatchMode):
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            operators.append(str(function))
            return function(*args, **(kwargs or {}))

    class NumbersRead(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            name = getattr(function, "__name__", "")
            if name in (*reading, *special):
                reads.append(name)
            return function(*args, **(kwargs or {}))

    texts = [f"text {number}" for number in range(len(inputs))]

    def prepare(some: Any) -> Any:
        prepared.append(list(some) == texts)
        return inputs.clone()

    given = weight.clone()
    with Dispatched(), NumbersRead():
        made, losses = fast_train(given, list(texts), labels.clone(), prepare, steps, rate)
    floats = isinstance(losses, (list, tuple)) and all(isinstance(loss, float) for loss in losses)
    return {
        "weight": made.detach(), "losses": losses, "floats": floats, "operators": len(operators),
        "reads": reads, "prepared": len(prepared), "kept": bool((given == weight).all()),
    }  # fmt: skip


def _same_weights(made: Mapping[str, Mapping], cases: Mapping[str, tuple]) -> None:
    for name, case in cases.items():
        right = _trained(*case)[0]
        found = expect.tensor(made[name]["weight"], "the weight of fast_train", tuple(right.shape))
        expect.all_close(found, right, "the weight of fast_train", tolerance=1e-4)


def _no_more(made: Mapping[str, Mapping], name: str, words: str) -> None:
    more = made[name]["operators"] - made["few"]["operators"]
    expect.true(
        more <= 0,
        f"as many operators for {words}",
        f"{more} more: {made[name]['operators']} instead of {made['few']['operators']}",
    )


# q10 and q11


FOUND = {"frozen": True, "masked": False, "half": True, "rows": False, "amdahl": False, "loop": True}


@exercise.question(
    "q10",
    title="Predict, then measure",
    points=2,
    difficulty=1,
    needs=("predictions",),
    lesson=MACHINE + "#Operations and bytes",
    hints=(
        "Which products does a backward pass need, and for whom? What does a layer read that does not "
        "depend on the number of rows?",
        "Count FLOPs and bytes of each case on paper, as in questions 3 and 7; for the step, add what "
        "stays and what becomes shorter.",
        "If half of a journey of 100 minutes takes no time any more, 50 minutes are left: twice as fast "
        "at most, however fast that half is.",
    ),
)
def predictions(answer: Answer, draw: Draw) -> None:
    six_predictions(answer, FOUND)


exercise.manual(
    "q11",
    title="Which one first?",
    points=4,
    lesson=SCRIPT + "#What is left",
    hints=(
        "What would the step take if one part took no time at all? Which of the four has the most to give, "
        "and what does it cost?",
        "Put each proposal into the formula by itself, then all together: add up what is left of each part. "
        "Then look at each argument: was it measured, and does it say what the colleague reads from it?",
        "A week's housework: washing up takes 20 %, and a machine does it in a tenth of the time: "
        "1 / (0.8 + 0.02) = 1.22. It can't become more than 1.25 times as fast, whatever machine one buys.",
    ),
)
