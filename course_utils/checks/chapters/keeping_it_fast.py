"""The questions of chapter 29: keeping it fast.

Events, logs, prices, noise and tables are drawn, and what comes of them is worked out here as well; a likely
mistake is worked out too, so that a message can name it. A rate of false alarms is judged over many drawn
series. Nothing here looks at a clock: a slow training is judged by what it does, not by how long it takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from course_utils.checks import expect
from course_utils.checks.draw import Draw
from course_utils.checks.framework import Exercise, part
from course_utils.checks.mistakes import TRIES, is_near, listed, near, telling
from course_utils.checks.report import Failed, Rung
from course_utils.wire.answer import Answer

if TYPE_CHECKING:
    import numpy as np

    # what the learner writes: the functions below that are sent along call it by its name
    Sketch: Any = None
    slower: Any = None
    drifted: Any = None
    fast_training: Any = None

LESSONS = "lessons/29_keeping_it_fast/"
EVENTS = LESSONS + "01_the_middle_and_the_tail.ipynb"
SLOWER = LESSONS + "02_has_it_become_slower.ipynb"
PROMISE = LESSONS + "03_a_promise_and_drift.ipynb"
LARGER = LESSONS + "04_larger_by_how_much.ipynb"
PICTURES = LESSONS + "05_pictures_in_tokens.ipynb"
WHOLE = LESSONS + "06_the_whole_gain.ipynb"

exercise = Exercise(
    "29_keeping_it_fast",
    title="Keeping it fast",
    minutes=150,
    difficulty="hard",
    cost="some seconds on two cores",
)


def _telling_each(
    make: Callable[[], Any],
    answers: Callable[[Any], Mapping[str, Mapping]],
    affected: Mapping[str, tuple[str, ...]],
) -> Any:
    """A case in which each mistake gives another value for each name that is said of it."""
    for _ in range(TRIES):
        case = make()
        found = answers(case)
        same = (
            is_near(found[words][name], found[""][name])
            for words, names in affected.items()
            for name in names
        )
        if not any(same):
            return case
    raise AssertionError("no draw tells each mistake from the right answer")


# q1: raw events


@exercise.question(
    "q1",
    title="From raw events",
    points=4,
    difficulty=2,
    needs=("summary",),
    lesson=EVENTS + "#Throughput",
    hints=(
        "Which events count for which number: those that were answered, those that ended, or all? And how "
        "much time went by on the wall while requests overlapped?",
        "Leave out the first `warm_up` events in the order of their starts. The time on the wall is from the "
        "earliest start to the latest end of the rest, `None` left out. For a percentile sort the "
        "durations of "
        'the events that are "ok", and take number `math.ceil(p * n)`, counted from 1.',
        "Of 200 letters, which took the postman from 8:00 to 10:30:\n"
        "hours = 2.5                              # not the sum of the minutes at each door\n"
        "delivered = [letter for letter in letters if letter['delivered']]\n"
        "print(len(delivered) / hours, 1 - len(delivered) / len(letters))",
    ),
)
def raw_events(answer: Answer, draw: Draw) -> None:
    events, warm_up = _telling_each(lambda: _traffic(draw), lambda case: _summary(*case), SPOILT_SUMMARIES)
    got = answer.call("summary", events, warm_up)
    expect.keys(got, ("throughput", "p50", "p99", "failed"), "summary(events, warm_up)")
    answers = _summary(events, warm_up)
    for title, name in (
        ("the throughput", "throughput"),
        ("the middle", "p50"),
        ("the tail", "p99"),
        ("what failed", "failed"),
    ):
        with part(title, points=1):
            near(got[name], {words: each[name] for words, each in answers.items()}, f"summary()[{name!r}]")


def _traffic(draw: Draw) -> tuple[list[dict], int]:
    """Events that overlap, in no order; some failed at once, some were lost, some failed late."""
    random = draw.random
    events, now = [], 100.0
    for number in range(random.randrange(222, 236)):
        now += random.expovariate(12)
        took = random.lognormvariate(-2, 0.6) * (8 if number < 5 else 1)
        status = random.choices(("ok", "failed", "lost"), (0.88, 0.08, 0.04))[0]
        end = None if status == "lost" else now + (0.002 if status == "failed" else took)
        events.append({"start": now, "end": end, "tokens": random.randrange(5, 60), "status": status})
    random.shuffle(events)
    return events, random.randrange(5, 12)


SUMMARIES = (
    "the first events as they lie in the list, not by their starts",
    "the warm-up, which is still in",
    "the sum of all durations in the place of the time on the wall",
    "the mean of each request's own rate",
    "tokens of requests that failed",
    "durations of requests that failed, which are short",
    "percentiles that are interpolated",
    "requests without an end that are left out",
)


NAMES = ("throughput", "p50", "p99", "failed")
SPOILT_SUMMARIES = dict(
    zip(SUMMARIES, (NAMES, NAMES, NAMES[:1], NAMES[:1], NAMES[:1], NAMES[1:3], NAMES[1:3], NAMES[3:]))
)


def _summary(events: list[dict], warm_up: int) -> dict[str, dict[str, float]]:
    """Rightly and with each mistake; of each mistake all four numbers."""
    return {words: _numbers(events, warm_up, words) for words in ("", *SUMMARIES)}


def _numbers(events: list[dict], warm_up: int, mistake: str) -> dict[str, float]:
    import numpy as np

    wrong = SUMMARIES.index(mistake) if mistake else -1
    ordered = events if wrong == 0 else sorted(events, key=lambda event: event["start"])
    rest = ordered if wrong == 1 else ordered[warm_up:]
    ended = [event for event in rest if event["end"] is not None]
    right = [event for event in ended if event["status"] == "ok"]
    wall = max(event["end"] for event in ended) - min(event["start"] for event in rest)
    times = sorted(event["end"] - event["start"] for event in (ended if wrong == 5 else right))
    tokens = sum(event["tokens"] for event in (rest if wrong == 4 else right))
    rates = [event["tokens"] / (event["end"] - event["start"]) for event in right]
    counted = ended if wrong == 7 else rest
    percentiles = {
        name: float(np.quantile(times, p)) if wrong == 6 else times[math.ceil(p * len(times)) - 1]
        for name, p in (("p50", 0.5), ("p99", 0.99))
    }
    return {
        "throughput": sum(rates) / len(rates)
        if wrong == 3
        else tokens / (sum(times) if wrong == 2 else wall),
        **percentiles,
        "failed": 1 - len(right) / len(counted),
    }


# q2: a sketch


@exercise.question(
    "q2",
    title="A sketch with a bound",
    points=3,
    difficulty=2,
    needs=("Sketch",),
    lesson=EVENTS + "#A sketch with a bound",
    hints=(
        "What has to be true of the bounds of a bucket if any value in it may be off by a *share* of itself?",
        "Bucket i holds values above γ^(i−1) and up to γ^i: `math.ceil(math.log(value, gamma))`. Keep a "
        "`Counter` of buckets. For a percentile go through the buckets in order, and subtract their counts "
        "from the rank until nothing is left.",
        "Shoe sizes in the place of feet: count how many of each size, and answer for the 90th foot of 100 "
        "with the middle of its size:\n"
        "for size in sorted(counts):\n"
        "    rank -= counts[size]\n"
        "    if rank <= 0:\n"
        "        return middle[size]",
    ),
)
def sketches(answer: Answer, draw: Draw) -> None:
    alpha = draw.random.choice((0.02, 0.03, 0.05))
    values = _wide(draw)
    shares = [number / 50 for number in range(1, 51)]
    case = {"alpha": alpha, "values": values, "shares": shares}
    found = answer.given(sketched).call("sketched", case)
    with part("within the bound", points=1):
        for p, got in zip(shares, found["percentiles"], strict=True):
            right = sorted(values)[math.ceil(p * len(values)) - 1]
            expect.number(got, f"percentile({p})")
            if abs(got - right) > alpha * right * (1 + 1e-9):
                wanted = f"percentile({p}) of {len(values)} values to be within {alpha:.0%} of {right:.6g}"
                raise Failed(Rung.WRONG_VALUE, wanted, f"{got:.6g}, which is {abs(got / right - 1):.1%} off")
    with part("few counts", points=1):
        least, most = min(values), max(values)
        buckets = math.log(most / least) / math.log((1 + alpha) / (1 - alpha)) + 3
        wanted = f"at most {buckets:.0f} counts for values from {least:.2g} to {most:.2g}"
        expect.true(found["size"] <= buckets, wanted, f"len(sketch) is {found['size']}")
        expect.true(found["larger"] <= buckets, "no more counts when all values come twice", "there are more")
    with part("two sketches added up", points=1):
        expect.all_close(
            found["merged"],
            found["percentiles"],
            "the percentiles after merge, of the same values in two parts,",
        )
        expect.true(found["kept"], "merge(other) to leave the other sketch as it is", "it changed")


def _wide(draw: Draw) -> list[float]:
    """Values of several kinds, over some powers of ten."""
    random = draw.random
    values = [random.lognormvariate(-3, 0.8) for _ in range(700)]
    values += [random.uniform(0.5, 40) for _ in range(60)] + [10 ** random.uniform(-5, 2) for _ in range(40)]
    random.shuffle(values)
    return values


def sketched(case: dict) -> dict:
    """What the learner's sketch makes of values: all in one, twice, and in two that are merged."""

    def made(values: list) -> Any:
        sketch = Sketch(case["alpha"])
        for value in values:
            sketch.add(value)
        return sketch

    def percentiles(sketch: Any) -> list:
        return [float(sketch.percentile(p)) for p in case["shares"]]

    values = case["values"]
    whole, twice = made(values), made(values + values)
    one, other = made(values[::3]), made([value for number, value in enumerate(values) if number % 3])
    before = percentiles(other)
    one.merge(other)
    return {
        "percentiles": percentiles(whole), "size": len(whole), "larger": len(twice),
        "merged": percentiles(one), "kept": percentiles(other) == before,
    }  # fmt: skip


# q3: an alarm


SERIES = 200  # so many are judged for a rate
MOST_FALSE = {0.05: 22, 0.001: 3}  # of 200; a test that keeps its level has more once in ten thousand times


@exercise.question(
    "q3",
    title="An alarm with a known rate",
    points=4,
    difficulty=3,
    needs=("slower", "calls"),
    lesson=SLOWER + "#A test with a known rate",
    hints=(
        "How large a difference does chance make on this machine today? Which of the two machines in the "
        "question would need a larger threshold, and can one number be right for both?",
        "`scipy.stats.wilcoxon(after, before, alternative='greater').pvalue` looks at the pairs, "
        "`mannwhitneyu` at the ranks of all; either may be compared with `level`. For `calls` go through the "
        "p-values from the smallest on, compare the k-th (from 0) with `level / (n - k)`, and stop at the "
        "first that is larger.",
        "Twelve of fourteen guests liked the new soup better. By chance alone it would be as many in\n"
        "from scipy.stats import binomtest\n"
        "binomtest(12, 14, alternative='greater').pvalue   # of all evenings",
    ),
)
def alarms(answer: Answer, draw: Draw) -> None:
    ask = answer.given(alarms_of)
    with part("quiet where nothing changed", points=1):
        for noise in (0.15, 0.01):
            for level, most in MOST_FALSE.items():
                false = ask.call("alarms_of", _pairs(draw, noise, 1.0), level)
                wanted = (
                    f"slower(before, after, {level}) to call in about {level:.1%} of {SERIES} series in "
                    f"which nothing changed, noise {noise:.0%}, at most in {most}"
                )
                expect.true(false <= most, wanted, f"it calls in {false}")
    with part("10 % slower is heard", points=1):
        _hears(ask.call("alarms_of", _pairs(draw, 0.05, 1.10), 0.05), 165, "10 %", "5 %")
    with part("3 % slower is heard, where the machine is quiet", points=1):
        _hears(ask.call("alarms_of", _pairs(draw, 0.01, 1.03), 0.05), 165, "3 %", "1 %")
        faster = ask.call("alarms_of", _pairs(draw, 0.01, 0.9), 0.05)
        expect.true(faster <= 4, "no alarm where it became 10 % faster", f"{faster} alarms of {SERIES}")
    with part("many benchmarks", points=1):
        for _ in range(3):
            values, level = telling(lambda: _many(draw), _holm_answers)
            answers = _holm_answers((values, level))
            found = [
                int(each) for each in listed(answer.call("calls", values, level), "calls(p_values, level)")
            ]
            _same_numbers(sorted(found), answers, f"calls(p_values, {level})")


def _hears(found: int, least: int, much: str, noise: str) -> None:
    wanted = (
        f"slower to hear a slowdown of {much} with a noise of {noise} in {least} of {SERIES} series at least"
    )
    expect.true(found >= least, wanted, f"it hears {found}")


def _pairs(draw: Draw, noise: float, factor: float) -> list:
    """Series of (before, after), 20 pairs each: noise of each run, drift that a pair shares, and stalls."""
    import numpy as np

    random = np.random.default_rng(draw.random.randrange(2**32))
    shape = (SERIES, 20)
    drift = 10 * np.exp(np.cumsum(random.normal(0, noise / 6, shape), axis=1))
    made = []
    for slow in (1.0, factor):
        stalls = np.where(random.random(shape) < 0.05, random.uniform(1.5, 4, shape), 1.0)
        made.append(drift * slow * np.exp(random.normal(0, noise, shape)) * stalls)
    return np.round(np.stack(made, 1), 6).tolist()


def alarms_of(series: list, level: float) -> int:
    """In how many of the series the learner's rule calls."""
    return sum(bool(slower(before, after, level)) for before, after in series)


def _many(draw: Draw) -> tuple[list[float], float]:
    random, level = draw.random, draw.random.choice((0.05, 0.01, 0.1))
    count = random.randrange(8, 15)
    values = [random.uniform(0, 1) ** 3 for _ in range(count)]
    for number in range(4):
        values[number] = level * random.uniform(0.3, 1.2) / (count - random.randrange(count))
    return draw.sample(values, count), level


HOLM: dict[str, Callable[[list[float], float], list[int]]] = {
    "each test at the whole level": lambda ordered, level: [k for k, p in enumerate(ordered) if p <= level],
    "dividing by the number of all tests each time (Bonferroni)": lambda ordered, level: [
        k for k, p in enumerate(ordered) if p <= level / len(ordered)
    ],
    "Benjamini and Hochberg's rule, which limits another rate": lambda ordered, level: list(
        range(max((k + 1 for k, p in enumerate(ordered) if p <= level * (k + 1) / len(ordered)), default=0))
    ),
    "going on after the first that does not call": lambda ordered, level: [
        k for k, p in enumerate(ordered) if p <= level / (len(ordered) - k)
    ],
}


def _holm_answers(case: tuple[list[float], float]) -> dict[str, list[int]]:
    values, level = case
    order = sorted(range(len(values)), key=values.__getitem__)
    ordered = [values[number] for number in order]
    below = [value <= level / (len(values) - k) for k, value in enumerate(ordered)]
    stop = below.index(False) if False in below else len(below)
    wrong = {words: sorted(order[k] for k in rule(ordered, level)) for words, rule in HOLM.items()}
    return {"": sorted(order[:stop])} | wrong


def _same_numbers(got: list[int], answers: Mapping[str, list[int]], what: str) -> None:
    if got != answers[""]:
        guess = next(
            (f": that comes of {words}" for words, each in answers.items() if words and each == got), ""
        )
        raise Failed(Rung.WRONG_VALUE, f"{what} to be {answers['']}", f"{got}{guess}")


# q4: a report


@exercise.question(
    "q4",
    title="A promise, and what is left of it",
    points=3,
    difficulty=2,
    needs=("report",),
    lesson=PROMISE + "#A report from a log",
    hints=(
        "Is an answer that never came late or not there? Does a refusal in four milliseconds keep the "
        "promise?",
        "A request is good if its status is 200 and its seconds are there and at most `limit`. The budget is "
        "`(1 - target)` of all requests of the log. Add up the bad ones day by day, and return the first day "
        "after which there are more of them than the budget.",
        "A baker promises that 95 of 100 rolls are right. 400 rolls: the budget is 20.\n"
        "wrong = 0\n"
        "for day in sorted(days):\n"
        "    wrong += days[day]\n"
        "    if wrong > 20:\n"
        "        break",
    ),
)
def reports(answer: Answer, draw: Draw) -> None:
    spent = _telling_each(
        lambda: _log(draw, over=True), lambda case: _reports(*case), dict.fromkeys(REPORTS, ("used", "over"))
    )
    cases = [spent, telling(lambda: _log(draw, over=False), lambda case: _reports(*case))]
    found = [answer.call("report", *case) for case in cases]
    for got, (_, target, limit) in zip(found, cases, strict=True):
        expect.keys(got, ("kept", "used", "over"), f"report(log, {target}, {limit})")
    for title, name in (("the share that is kept", "kept"), ("the budget that is used", "used")):
        with part(title, points=1):
            for got, case in zip(found, cases, strict=True):
                answers = {words: each[name] for words, each in _reports(*case).items()}
                near(got[name], answers, f"report(log, {case[1]}, {case[2]})[{name!r}]")
    with part("the day on which nothing is left", points=1):
        for got, case in zip(found, cases, strict=True):
            right = _reports(*case)[""]["over"]
            expect.equal(got["over"], right, f"report(log, {case[1]}, {case[2]})['over']")


def _log(draw: Draw, over: bool) -> tuple[list, float, float]:
    random, limit = draw.random, draw.random.choice((0.2, 0.3, 0.5))
    log: list[tuple] = []
    for day in range(15):
        for _ in range(random.randrange(60, 90)):
            bad = random.random() < 0.06
            kind = random.choice(("refused", "lost", "late", "failed late")) if bad else "good"
            log.append((day, *_logged(draw, kind, limit)))
    random.shuffle(log)
    return log, 0.965 if over else 0.85, limit


def _logged(draw: Draw, kind: str, limit: float) -> tuple[int, float | None]:
    late = limit * draw.random.uniform(1.01, 4)
    quick = limit * draw.random.choice((1.0, draw.random.uniform(0.05, 0.99)))
    return {"refused": (503, 0.004), "lost": (0, None), "late": (200, late), "failed late": (500, late)}.get(
        kind, (200, quick)
    )


REPORTS = (
    "counting refusals as quick answers",
    "leaving out requests that never got an answer",
    "counting only what failed, and nothing that was late",
    "a limit that itself counts as late",
    "the budget as a share of the requests that were good",
)


def _reports(log: list, target: float, limit: float) -> dict[str, dict]:
    return {words: _reported(log, target, limit, words) for words in ("", *REPORTS)}


def _reported(log: list, target: float, limit: float, mistake: str) -> dict:
    wrong = REPORTS.index(mistake) if mistake else -1
    counted = [each for each in log if wrong != 1 or each[2] is not None]

    def good(status: int, seconds: float | None) -> bool:
        if wrong == 2:
            return status == 200
        in_time = seconds is not None and (seconds < limit if wrong == 3 else seconds <= limit)
        return in_time and (status == 200 or wrong == 0)

    bad = sorted(day for day, status, seconds in counted if not good(status, seconds))
    budget = (1 - target) * (len(counted) - (len(bad) if wrong == 4 else 0))
    over = bad[math.floor(budget + 1e-9)] if len(bad) > budget + 1e-9 else None
    return {"kept": 1 - len(bad) / len(counted), "used": len(bad) / budget, "over": over}


# q5: drift


@exercise.question(
    "q5",
    title="Has the input changed?",
    points=3,
    difficulty=3,
    needs=("psi", "drifted"),
    lesson=PROMISE + "#An alarm with a known rate",
    hints=(
        "How large is your measure if nothing changed, with forty values and with four hundred? And would "
        "it see values that spread more, around the same middle?",
        "`np.quantile(old, np.linspace(0, 1, bins + 1)[1:-1])` are the edges, `np.searchsorted(edges, "
        "values)` the parts (a value on an edge goes to the lower one), `np.bincount(..., minlength=bins) "
        "+ 0.5` the counts. For `drifted` compare a p-value with the level, such as that of "
        "`scipy.stats.ks_2samp`; or deal old and new values anew many times with a seed.",
        "Is a die loaded? Not 'if six comes in more than 20 %', but\n"
        "from scipy.stats import binomtest\n"
        "binomtest(sixes, throws, 1 / 6).pvalue <= level   # the same rate for 40 throws and for 400",
    ),
)
def drift(answer: Answer, draw: Draw) -> None:
    import numpy as np

    random = np.random.default_rng(draw.seed)
    with part("the index", points=1):
        for bins in (10, draw.random.randrange(4, 9)):
            old, new = random.normal(0, 1, 203), random.normal(0.4, 1.5, 157)
            old[:40] = np.round(old[:40], 1)  # some values lie on an edge
            answers = {words: _psi(old, new, bins, words) for words in ("", *INDICES)}
            near(answer.call("psi", old.tolist(), new.tolist(), bins), answers, f"psi(old, new, {bins})")
    ask = answer.given(drifts)
    with part("quiet where nothing changed", points=1):
        for size in (40, 400):
            days = [(random.gumbel(size=300).tolist(), random.gumbel(size=size).tolist()) for _ in range(200)]
            false = ask.call("drifts", days, 0.05)
            wanted = f"at most 22 of 200 days to alarm, {size} new values each, nothing changed, level 0.05"
            expect.true(false <= 22, wanted, f"{false} alarms")
    with part("a shift is heard", points=1):
        for name, change in SHIFTS.items():
            days = [
                (random.normal(size=300).tolist(), change(random, random.normal(size=400)).tolist())
                for _ in range(100)
            ]
            heard = ask.call("drifts", days, 0.05)
            expect.true(heard >= 85, f"at least 85 of 100 days to alarm, where {name}", f"{heard} alarms")


SHIFTS: dict[str, Callable[[np.random.Generator, np.ndarray], np.ndarray]] = {
    "values are higher by most of their spread": lambda random, values: values + 0.8,
    "values spread twice as wide around the same middle": lambda random, values: 2 * values,
}

INDICES = (
    "bins of equal width",
    "edges that are made from the new values",
    "no half a count added",
    "the logarithm the other way round",
    "the divergence of one side alone",
    "values on an edge that go to the upper part",
)


def _psi(old: np.ndarray, new: np.ndarray, bins: int, mistake: str = "") -> float:
    import numpy as np

    wrong = INDICES.index(mistake) if mistake else -1
    edges = np.quantile(new if wrong == 1 else old, np.linspace(0, 1, bins + 1)[1:-1])
    if wrong == 0:
        edges = np.linspace(old.min(), old.max(), bins + 1)[1:-1]
    shares = []
    for values in (old, new):
        places = np.searchsorted(edges, values, side="right" if wrong == 5 else "left")
        counts = np.bincount(places, minlength=bins) + (1e-6 if wrong == 2 else 0.5)
        shares.append(counts / counts.sum())
    one, other = shares
    terms = other * np.log(other / one) if wrong == 4 else (other - one) * np.log(other / one)
    return float(-terms.sum() if wrong == 3 else terms.sum())


def drifts(days: list, level: float) -> int:
    """On how many days the learner's alarm calls."""
    return sum(bool(drifted(old, new, level)) for old, new in days)


# q6: what it costs


@exercise.question(
    "q6",
    title="The cheapest that is enough",
    points=3,
    difficulty=2,
    needs=("costs", "cheapest"),
    lesson=PROMISE + "#What a thousand requests cost",
    hints=(
        "How many requests does a machine do if it is to be busy for a share of its time only? And can one "
        "rent two thirds of a machine?",
        "`number = math.ceil(per_second / (speed * utilisation))`. All of them are paid by the hour, and "
        "they answer `3600 * per_second` requests in it, whatever they could do.",
        "Buses of 50 seats, to be filled to 80 %, for 130 people: `math.ceil(130 / (50 * 0.8))` buses, and "
        "the price of a seat is that of four buses by 130 people.",
    ),
)
def prices(answer: Answer, draw: Draw) -> None:
    cases = _three_markets(draw)
    with part("one kind of machine", points=2):
        for machines, per_second, utilisation in cases:
            for name, machine in machines.items():
                right = _costs(machine, per_second, utilisation)
                got = answer.call("costs", machine, per_second, utilisation)
                what = f"costs({machine}, {per_second}, {utilisation})"
                expect.keys(got, ("number", "per_thousand"), what)
                wrong = {words: _costs(machine, per_second, utilisation, words) for words in PRICES}
                for key in ("number", "per_thousand"):
                    answers = {"": right[key]} | {words: each[key] for words, each in wrong.items()}
                    near(got[key], answers, f"{what}[{key!r}] of {name}")
    with part("the cheapest", points=1):
        for machines, per_second, utilisation in cases:
            cheapest = _price_answers((machines, per_second, utilisation))
            got = answer.call("cheapest", machines, per_second, utilisation)
            expect.type_of(got, str, "cheapest(machines, per_second, utilisation)")
            if got != cheapest[""]:
                guesses = (f": that is {words}" for words, each in cheapest.items() if words and each == got)
                wanted = f"cheapest({machines}, {per_second}, {utilisation}) to be {cheapest['']!r}"
                raise Failed(Rung.WRONG_VALUE, wanted, f"{got!r}{next(guesses, '')}")


PRICES = (
    "a number of machines that is not rounded up",
    "a number that is rounded to the nearest",
    "leaving out the utilisation",
    "dividing by what the machines could answer, not by what they are asked",
)


def _costs(machine: Mapping, per_second: float, utilisation: float, mistake: str = "") -> dict[str, float]:
    wrong = PRICES.index(mistake) if mistake else -1
    needed = per_second / (machine["requests_per_second"] * (1 if wrong == 2 else utilisation))
    number = {0: needed, 1: max(1, round(needed))}.get(wrong, math.ceil(needed - 1e-9))
    answered = number * machine["requests_per_second"] if wrong == 3 else per_second
    return {"number": number, "per_thousand": number * machine["dollars_per_hour"] / (3.6 * answered)}


def _three_markets(draw: Draw) -> list[tuple[dict, float, float]]:
    """Three cases, in at least one of which each mistake makes another kind the cheapest."""
    for _ in range(TRIES):
        cases = [telling(lambda: _machines(draw), _price_answers) for _ in range(3)]
        if all(any(_least(case, words) != _least(case) for case in cases) for words in PRICES):
            return cases
    raise AssertionError("no draw tells the cheapest from that of each mistake")


def _least(case: tuple[dict, float, float], mistake: str = "") -> str:
    machines, per_second, utilisation = case
    return min(
        machines,
        key=lambda name: _costs(machines[name], per_second, utilisation, mistake)["per_thousand"],
    )


def _machines(draw: Draw) -> tuple[dict, float, float]:
    random = draw.random
    machines = {
        name: {
            "dollars_per_hour": round(price * random.uniform(0.8, 1.2), 2),
            "requests_per_second": random.randrange(*speed),
        }
        for name, price, speed in (
            ("small", 0.4, (30, 60)),
            ("middle", 1.1, (90, 180)),
            ("large", 3.2, (300, 500)),
        )
    }
    return machines, float(random.randrange(20, 900)), random.choice((0.5, 0.6, 0.7, 0.8))


def _price_answers(case: tuple[dict, float, float]) -> dict[str, str]:
    machines = case[0]
    by_the_hour = min(machines, key=lambda name: machines[name]["dollars_per_hour"])
    return {"": _least(case), "the cheapest by the hour": by_the_hour}


# q7: a scaling law


@exercise.question(
    "q7",
    title="A law, and how far it reaches",
    points=4,
    difficulty=3,
    needs=("predicted", "best"),
    lesson=LARGER + "#A curve through them",
    hints=(
        "What does the loss of an endlessly large model look like in your form? And which of the three "
        "numbers are easy to find, once the exponent is known?",
        "`scipy.optimize.least_squares` on the differences of the logarithms, with bounds, from several "
        "starts; count N in a unit that makes its values near 1. Or try many exponents: for each, E and A "
        "are a straight line's. For `best`, use the formula of the lesson.",
        "A cup of tea that cools to the room's warmth, which is not known:\n"
        "def off(guess):\n"
        "    room, gap, rate = guess\n"
        "    return room + gap * np.exp(-rate * minutes) - degrees\n"
        "least_squares(off, (20, 60, 0.1), bounds=([0, 0, 0], [40, 100, 2])).x",
    ),
)
def scaling(answer: Answer, draw: Draw) -> None:
    with part("a law without noise", points=1):
        for _ in range(3):
            _foresees(answer, _law(draw), 0.0, 0.01)
    with part("a law with noise", points=1):
        for _ in range(2):
            _foresees(answer, _law(draw), 0.001, 0.02)
    law, flops = telling(lambda: (_whole_law(draw), 10 ** draw.random.uniform(18, 25)), _best_answers)
    got = expect.tensor(answer.call("best", flops, law), "best(flops, law)", (2,)).double().tolist()
    for number, title in enumerate(("the best size", "the tokens for it")):
        with part(title, points=1):
            answers = {words: each[number] for words, each in _best_answers((law, flops)).items()}
            close = next(
                (words for words, each in answers.items() if abs(got[number] / each - 1) < 1e-3), None
            )
            if close != "":
                guess = f": that comes of {close}" if close else ""
                what = ("N", "D")[number]
                wanted = f"{what} of best({flops:.3g}, {law}) to be {answers['']:.6g}"
                raise Failed(Rung.WRONG_VALUE, wanted, f"{got[number]:.6g}{guess}")


Law = tuple[float, float, float]  # E, A, alpha


def _law(draw: Draw) -> Law:
    random = draw.random
    alpha = random.uniform(0.25, 0.5)
    return random.uniform(1.0, 2.0), random.uniform(1.0, 2.5) * 1e5**alpha, alpha


def _loss(law: Law, size: float) -> float:
    rest, factor, power = law
    return rest + factor / size**power


def _foresees(answer: Answer, law: Law, noise: float, tolerance: float) -> None:
    import numpy as np

    random = np.random.default_rng(round(1e6 * law[0]))
    sizes = [round(1e5 * 2.5**step) for step in range(8)]
    losses = [_loss(law, size) * float(np.exp(random.normal(0, noise))) for size in sizes]
    large = 30 * sizes[-1]
    got, right = answer.call("predicted", sizes, losses, large), _loss(law, large)
    expect.number(got, "predicted(sizes, losses, size)")
    if abs(got / right - 1) > tolerance:
        slope, start = np.polyfit(np.log(sizes), np.log(losses), 1)
        plain = float(np.exp(start + slope * np.log(large)))
        guess = ": that comes of a plain power, without E" if abs(got / plain - 1) < 1e-3 else ""
        wanted = f"the loss predicted for {large:,} weights to be {right:.4f} within {tolerance:.0%}"
        raise Failed(Rung.WRONG_VALUE, wanted, f"{got:.4f}{guess}")


def _whole_law(draw: Draw) -> dict[str, float]:
    random = draw.random
    return {
        "E": round(random.uniform(1.5, 2), 3), "A": round(random.uniform(300, 600), 1),
        "B": round(random.uniform(300, 2500), 1), "alpha": round(random.uniform(0.3, 0.4), 3),
        "beta": round(random.uniform(0.25, 0.4), 3),
    }  # fmt: skip


def _best_answers(case: tuple[dict[str, float], float]) -> dict[str, list[float]]:
    law, flops = case
    a, b = law["alpha"], law["beta"]

    def pair(size: float, product: float = flops / 6) -> list[float]:
        return [size, product / size]

    factor = (a * law["A"] / (b * law["B"])) ** (1 / (a + b))
    return {
        "": pair(factor * (flops / 6) ** (b / (a + b))),
        "the exponents the wrong way round": pair(factor * (flops / 6) ** (a / (a + b))),
        "leaving out the 6": pair(factor * flops ** (b / (a + b)), flops),
        "leaving out G": pair((flops / 6) ** (b / (a + b))),
        "twenty tokens a weight, whatever the law": pair((flops / 120) ** 0.5),
    }


# q8: a table


@exercise.question(
    "q8",
    title="A table, read",
    points=3,
    difficulty=1,
    needs=("read",),
    lesson=LARGER + "#A table of MLPerf, read",
    hints=(
        "Which lines may be compared at all? And what would all chips have done if they were as fast "
        "together as those of the smallest line are?",
        "First the lines of the task and of the closed division whose quality reaches the target. The "
        "efficiency of the fastest: chips × minutes of the line with the fewest chips, divided by its own.",
        "One cook peels the potatoes in 40 minutes, five cooks in 10: 40 / (5 * 10) = 80 %.",
    ),
)
def tables(answer: Answer, draw: Draw) -> None:
    lines, task, target = _telling_each(lambda: _table(draw), lambda case: _readings(*case), SPOILT_READINGS)
    answers = _readings(lines, task, target)
    got = answer.call("read", lines, task, target)
    expect.keys(got, KEYS, "read(lines, task, target)")
    with part("the fastest", points=1):
        _named(got["fastest"], {words: each["fastest"] for words, each in answers.items()}, "fastest")
    with part("the least chips times minutes", points=1):
        name = "least_chip_minutes"
        _named(got[name], {words: each[name] for words, each in answers.items()}, name)
    with part("the efficiency of the fastest", points=1):
        near(
            got["efficiency"], {words: each["efficiency"] for words, each in answers.items()}, "'efficiency'"
        )


def _named(got: Any, answers: Mapping[str, str], name: str) -> None:
    expect.type_of(got, str, f"{name!r}")
    if got != answers[""]:
        guess = next(
            (f": that comes of {words}" for words, each in answers.items() if words and each == got), ""
        )
        raise Failed(Rung.WRONG_VALUE, f"{name!r} to be {answers['']!r}", f"{expect.show(got)}{guess}")


#: (chips, chips × minutes, division, quality - target) of a task's lines.
LINES = (
    (8, 100, "closed", 0.005),  # the fewest chips
    (8, 108, "closed", 0.005),  # as few, and slower
    (32, 80, "closed", 0.0),  # the least work; it just reaches the target
    (128, 192, "closed", 0.0),  # the fastest
    (64, 896, "closed", 0.002),  # the slowest
    (16, 20, "open", 0.005),  # would be better than all, in the open division
    (16, 18, "closed", -0.001),  # or if it reached the quality
)


def _table(draw: Draw) -> tuple[list[dict], str, float]:
    random, lines, target = draw.random, [], round(draw.random.uniform(0.8, 0.95), 3)
    tasks = draw.sample(("pre-training", "fine-tuning", "pictures"), 3)
    scale, factor = random.uniform(0.5, 20), 2 ** random.randrange(3)
    for task, speed in zip(tasks, (1.0, 0.1, 7.0), strict=True):
        for chips, work, division, above in LINES:
            minutes = scale * speed * work / chips * random.uniform(0.98, 1.02)
            quality = round(target + above, 4)
            line = {"task": task, "division": division, "chips": chips * factor, "minutes": round(minutes, 4)}
            lines.append({"system": f"system {random.randrange(10**6)}", **line, "quality": quality})
    return draw.sample(lines, len(lines)), tasks[0], target


KEYS = ("fastest", "least_chip_minutes", "efficiency")
READINGS = (
    "lines of the open division",
    "lines that do not reach the quality",
    "lines of other tasks",
    "efficiency against the slowest line, not that with the fewest chips",
    "efficiency the wrong way round",
    "the least minutes for each chip",
    "leaving out lines whose quality is just the target",
    "efficiency against the line with the least chips × minutes",
)


SPOILT_READINGS = {
    words: ("efficiency",) if number in (3, 4, 7) else ("least_chip_minutes",) if number == 5 else tuple(KEYS)
    for number, words in enumerate(READINGS)
}


def _readings(lines: list[dict], task: str, target: float) -> dict[str, dict]:
    return {words: _reading(lines, task, target, words) for words in ("", *READINGS)}


def _reading(lines: list[dict], task: str, target: float, mistake: str) -> dict:
    wrong = READINGS.index(mistake) if mistake else -1
    counted = [
        line
        for line in lines
        if (line["division"] == "closed" or wrong == 0)
        and (line["quality"] > target or wrong == 1 or (line["quality"] == target and wrong != 6))
        and (line["task"] == task or wrong == 2)
    ]

    def work(line: Mapping) -> float:
        return float(line["chips"] * line["minutes"])

    fastest = min(counted, key=lambda line: line["minutes"])
    smallest = (max if wrong == 3 else min)(
        counted, key=lambda line: line["minutes" if wrong == 3 else "chips"]
    )
    smallest = min(
        (line for line in counted if line["chips"] == smallest["chips"]) if wrong != 3 else [smallest],
        key=work,
    )
    ratio = work(min(counted, key=work) if wrong == 7 else smallest) / work(fastest)
    least = min(counted, key=(lambda line: line["minutes"] / line["chips"]) if wrong == 5 else work)
    return {
        "fastest": fastest["system"],
        "least_chip_minutes": least["system"],
        "efficiency": 1 / ratio if wrong == 4 else ratio,
    }


# q9: pictures


@exercise.question(
    "q9",
    title="A picture's tokens, and what they cost",
    points=4,
    difficulty=2,
    needs=("tokens", "forward_flops", "backward_flops"),
    lesson=PICTURES + "#FLOPs, by formula and counted",
    hints=(
        "What is left over at the edge of a picture whose side is no multiple of the patch? Which part of "
        "the FLOPs grows with the square of the tokens? And what has to pass through a frozen part?",
        "Height and width are cut each by itself, with `//`. The layers: `2 * layers * (T * (4 * width**2 "
        "+ 2 * width * hidden) + 2 * T**2 * width)`. In `backward_flops` go from the bottom up and "
        "remember whether anything below learns.",
        "Tiles of 30 cm for a floor of 100 × 200 cm: (100 // 30) * (200 // 30) whole ones.",
    ),
)
def picture_tokens(answer: Answer, draw: Draw) -> None:
    random = draw.random
    with part("tokens", points=1):
        for _ in range(3):
            case = telling(
                lambda: (
                    random.randrange(64, 500),
                    random.randrange(64, 500),
                    random.choice((8, 14, 16, 32)),
                ),
                lambda sides: _token_answers(*sides),
            )
            near(answer.call("tokens", *case), _token_answers(*case), f"tokens{case}")
    with part("forward", points=2):
        for _ in range(3):
            sizes = telling(lambda: _sizes(draw), _flop_answers)
            near(answer.call("forward_flops", sizes), _flop_answers(sizes), f"forward_flops({sizes})")
    with part("backward, with parts that are frozen", points=1):
        for _ in range(3):
            parts, frozen = telling(lambda: _stack(draw), _backward_answers)
            got = answer.call("backward_flops", parts, frozen)
            near(got, _backward_answers((parts, frozen)), f"backward_flops({parts}, {frozen})")


def _token_answers(height: int, width: int, patch: int) -> dict[str, int]:
    return {
        "": (height // patch) * (width // patch) + 1,
        "leaving out the token for the whole picture": (height // patch) * (width // patch),
        "dividing the area, not each side": height * width // patch**2 + 1,
        "patches that begin at the edge and are filled up": -(-height // patch) * -(-width // patch) + 1,
        "a square picture": (height // patch) ** 2 + 1,
    }


def _sizes(draw: Draw) -> dict[str, int]:
    random, patch = draw.random, draw.random.choice((8, 16))
    return {
        "height": patch * random.randrange(3, 9), "width_of_picture": patch * random.randrange(3, 9),
        "patch": patch, "width": 16 * random.randrange(2, 9), "hidden": 32 * random.randrange(2, 9),
        "layers": random.randrange(2, 7), "labels": random.randrange(5, 40),
    }  # fmt: skip


def vision_flops(sizes: Mapping[str, int], mistake: str = "") -> int:
    """Forward, of one picture: the products of a ViT as `torch.utils.flop_counter` counts them."""
    wrong = FLOPS.index(mistake) if mistake else -1
    patches = (sizes["height"] // sizes["patch"]) * (sizes["width_of_picture"] // sizes["patch"])
    count, width = patches + (wrong != 0), sizes["width"]
    each = count * ((3 if wrong == 1 else 4) * width**2 + 2 * width * sizes["hidden"])
    pairs = 0 if wrong == 2 else (1 if wrong == 3 else 2) * count**2 * width
    cut = 0 if wrong == 4 else patches * (1 if wrong == 5 else 3) * sizes["patch"] ** 2 * width
    head = 0 if wrong == 6 else width * sizes["labels"]
    return (1 if wrong == 7 else 2) * (cut + sizes["layers"] * (each + pairs) + head)


FLOPS = (
    "leaving out the token for the whole picture",
    "three matrices in the attention: the output has one, too",
    "leaving out the pairs",
    "only one of the two products of the pairs",
    "leaving out the layer that makes tokens of patches",
    "patches of one colour, not of three",
    "leaving out the head",
    "a multiplication and an addition counted as one FLOP",
)


def _flop_answers(sizes: Mapping[str, int]) -> dict[str, int]:
    return {words: vision_flops(sizes, words) for words in ("", *FLOPS)}


Stack = tuple[list[list], list[str]]  # [[name, forward FLOPs], ...] from the bottom up; names of the frozen


def _stack(draw: Draw) -> Stack:
    random = draw.random
    names = ["eye", "projector", "reader", "writer", "head"]
    parts = [[name, random.randrange(100, 900)] for name in names]
    return parts, sorted(random.sample(names, random.randrange(2, 4)))


def _backward_answers(case: Stack) -> dict[str, int]:
    parts, frozen = case
    learns = [name not in frozen for name, _ in parts]
    costs = [flops for _, flops in parts]
    lowest = learns.index(True)
    return {
        "": sum(cost * (learn + (place > lowest)) for place, (cost, learn) in enumerate(zip(costs, learns))),
        "the weights' gradients alone": sum(cost for cost, learn in zip(costs, learns) if learn),
        "frozen parts that let nothing through": sum(2 * cost for cost, learn in zip(costs, learns) if learn)
        - costs[lowest],
        "a gradient for the inputs of the lowest part that learns": sum(
            cost * (learn + (place >= lowest)) for place, (cost, learn) in enumerate(zip(costs, learns))
        ),
        "twice the forward pass, whatever is frozen": 2 * sum(costs),
        "parts that lie above the highest that learns and are passed over": sum(
            cost * (learn + (place > lowest))
            for place, (cost, learn) in enumerate(zip(costs, learns))
            if any(learns[place:])
        ),
    }


# q10: the last script


@exercise.question(
    "q10",
    title="The same training, and a tenth of the work",
    points=5,
    difficulty=3,
    needs=("fast_training",),
    lesson=WHOLE + "#What no clock is needed for",
    hints=(
        "What of all this is the same in each step, and what of a step is the same for each row?",
        "Read the file once and make two tensors of it, `x` (rows × features) and `y`. A step is then `x @ "
        "weight.T`, `cross_entropy`, one product for the gradient, `(chances - one_hot).T @ x / rows`, and "
        "one update. Keep the losses as tensors, and fetch them together at the end; `one_hot` fetches "
        "numbers, too, to look at its labels, so make that table once.",
        "The mean height of each class, pupil by pupil, becomes\n"
        "sums = torch.zeros(classes).index_add_(0, its_class, height)\n"
        "print((sums / counts).tolist())   # fetched once",
    ),
)
def last_script(answer: Answer, draw: Draw) -> None:
    case = _training(draw)
    ask = answer.given(watched, watched_training)
    found, right = ask.call("watched_training", case), watched(slow_training, case)
    with part("equal losses and weights", points=1):
        expect.all_close(found["losses"], right["losses"], "the losses of fast_training", tolerance=1e-4)
        expect.all_close(
            found["weight"], right["weight"], "the weight that fast_training returns", tolerance=1e-4
        )
        expect.true(found["kept"], "the weight that was handed over to stay as it is", "it changed")
    more = {**case, "steps": 3 * case["steps"]}
    longer, slow = ask.call("watched_training", more), watched(slow_training, more)
    equal = _equal_results(longer, slow)
    with part("the file is read once", points=1):
        expect.at_most(longer["opened"], 1, f"how often the file is opened in {more['steps']} steps")
    with part("a tenth of the operations", points=1):
        few = f"the steps to be done by tensors: at least {more['steps']} tensor operations"
        expect.true(longer["operations"] >= more["steps"], few, f"{longer['operations']}")
        expect.true(
            equal and longer["operations"] <= slow["operations"] / 10,
            f"equal losses, and at most {slow['operations'] // 10} operations, a tenth, in {more['steps']} "
            f"steps",
            f"{longer['operations']}",
        )
    with part("nothing is fetched on the way", points=1):
        expect.true(
            equal and longer["fetched"] <= 4,
            f"equal losses, and at most four numbers fetched one by one in {more['steps']} steps",
            f"{longer['fetched']}",
        )
    with part("a third of the bytes", points=1):
        expect.true(
            equal and longer["made"] <= slow["made"] / 3,
            f"equal losses, and at most {slow['made'] // 3:,} bytes made, a third, in {more['steps']} steps",
            f"{longer['made']:,}",
        )


def _equal_results(found: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    pairs = zip(found["losses"], right["losses"], strict=False)
    same = len(found["losses"]) == len(right["losses"])
    return same and all(abs(one - other) < 1e-3 for one, other in pairs)


def _training(draw: Draw) -> dict:
    import torch

    noise = torch.Generator().manual_seed(draw.seed)
    rows, features, classes = 24 + draw.random.randrange(8), 6, 4
    x, y = torch.randn(rows, features, generator=noise), torch.randint(classes, (rows,), generator=noise)
    return {
        "rows": [{"x": each.tolist(), "y": int(label)} for each, label in zip(x, y)],
        "weight": torch.randn(classes, features, generator=noise),
        "steps": 5,
        "rate": round(draw.random.uniform(0.2, 0.8), 2),
    }


def watched_training(case: dict) -> dict:
    """What the learner's training gives, and what it does on the way."""
    found: dict = watched(fast_training, case)
    return found


def watched(training: Any, case: dict) -> dict:
    """What a training gives, and the operations, bytes, fetched numbers and opened files on the way."""
    import json
    import os
    import sys
    import tempfile

    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    seen = {"operations": 0, "fetched": 0, "made": 0, "opened": 0}

    class Noted(TorchDispatchMode):
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            made = function(*args, **(kwargs or {}))
            seen["operations"] += 1
            seen["fetched"] += function.overloadpacket.__name__ == "_local_scalar_dense"
            if not function.is_view:
                seen["made"] += sum(each.nbytes for each in tree_leaves(made) if hasattr(each, "nbytes"))
            return made

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "rows.jsonl")
        with open(path, "w") as file:
            file.write("\n".join(json.dumps(row) for row in case["rows"]))

        def heard(event: str, arguments: tuple) -> None:
            if event == "open" and str(arguments[0]) == path:
                seen["opened"] += 1

        sys.addaudithook(heard)
        weight = case["weight"].clone()
        with Noted():
            losses, trained = training(path, weight, case["steps"], case["rate"])
        counts = dict(seen)
    kept = bool((weight == case["weight"]).all())
    return {**counts, "losses": [float(loss) for loss in losses], "weight": trained.detach(), "kept": kept}


def slow_training(path: str, weight: Any, steps: int, rate: float) -> tuple[list[float], Any]:
    """Softmax regression by gradient descent; right, and slow."""
    import json

    import torch
    import torch.nn.functional as F

    weight, losses = weight.clone(), []
    for _ in range(steps):
        with open(path) as file:
            rows = [json.loads(line) for line in file]
        gradient, total = torch.zeros_like(weight), 0.0
        for row in rows:
            x, label = torch.tensor(row["x"]), torch.tensor(row["y"])
            logits = (weight.double() @ x.double()).float()
            table = F.one_hot(label, len(weight)).float()
            total += -(table * logits.log_softmax(0)).sum().item()
            gradient += torch.outer(logits.softmax(0) - table, x)
        for number in range(len(weight)):
            weight[number] -= rate * gradient[number] / len(rows)
        losses.append(total / len(rows))
    return losses, weight


exercise.manual(
    "q11",
    title="“Three times as fast”",
    points=4,
    lesson=WHOLE + "#A catalogue of bottlenecks",
    hints=(
        "Go through the report sentence by sentence: what was compared with what, how often, and was the "
        "result the same?",
        "A first step, one run each, several changes at once, a p99 of few requests, a mean of percentiles, "
        "a price at full use. Which of them could turn the conclusion round?",
        "A runner who reports his best lap with the wind in his back has told the truth. What would you want "
        "to know besides?",
    ),
)
