"""The questions of chapter 23: feeding the model.

Nothing here looks at a clock, and no worker process is started: times are drawn, a worker is played by what
`get_worker_info` says, and the far-away file system counts what is read of it. What comes of a case is worked
out here as well, once rightly and once for each likely mistake, so that a message can name it.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
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
    Noisy: Any = None
    Shards: Any = None
    ByLength: Any = None
    times: Any = None
    races: Any = None
    Cache: Any = None
    read_ranges: Any = None

LESSONS = "lessons/23_feeding_the_model/"
WAITS = LESSONS + "01_who_waits_for_whom.ipynb"
WORKERS = LESSONS + "02_workers.ipynb"
STREAMS = LESSONS + "03_overlap_on_streams.ipynb"
REMOTE = LESSONS + "04_far_away_files.ipynb"
PIPELINE = LESSONS + "05_a_pipeline_measured.ipynb"

exercise = Exercise(
    "23_feeding_the_model",
    title="Feeding the model",
    minutes=150,
    difficulty="hard",
    cost="some seconds on two cores",
)


def _rows(got: Any, answers: Mapping[str, Sequence[Sequence]], what: str) -> None:
    """A list of rows of plain values is the right one, whatever kinds of lists; else the mistake is named."""
    got = got.tolist() if hasattr(got, "tolist") else got
    expect.type_of(got, (list, tuple), what)
    found = [one.tolist() if hasattr(one, "tolist") else one for one in got]
    right = answers[""]
    why = mistakes.guess(found, answers)
    if len(found) != len(right):
        raise Failed(
            Rung.WRONG_SHAPE, f"{what} to hold {len(right)} items", f"{len(found)}: {expect.show(found)}{why}"
        )
    for number, (one, other) in enumerate(zip(found, right, strict=True)):
        if not mistakes.is_near(one, other):
            wanted = f"item {number} of {what} to be {expect.show(other)}"
            raise Failed(Rung.WRONG_VALUE, wanted, f"{expect.show(one)}{why}")


def _sixty_fourths(draw: Draw, least: int, most: int) -> float:
    """A drawn time in seconds whose sums and differences are exact."""
    return draw.random.randrange(least, most) / 64


# q1: who waits


@exercise.question(
    "q1",
    title="Who waits, and what overlap can gain",
    points=3,
    difficulty=1,
    needs=("three_times", "overlapped", "best_gain"),
    lesson=WAITS + "#Two clocks in one loop",
    hints=(
        "When is the loop neither waiting for a batch nor training? And when may the worker begin with batch "
        "5, if it may be two ahead?",
        "Go through the batches once, and keep three times: when the worker is done with the last batch, "
        "when the loop is done with it, and when each batch was taken. Batch i is begun at the later of "
        "`loaded` and `taken[i - ahead]`, and taken at the later of `loaded` and `free`.",
        "A cook and a waiter with room for two plates: the cook begins a plate when the one two before it "
        "was taken away.\n"
        "begun = max(cook_free, taken[number - 2])\n"
        "taken.append(max(begun + cooking, waiter_free))",
    ),
)
def who_waits(answer: Answer, draw: Draw) -> None:
    with part("the three times of a loop", points=1):
        for warm_up in (0, 2, 3):
            case = mistakes.telling(partial(_stamps, draw), partial(_three_times, warm_up=warm_up))
            found = answer.call("three_times", case, warm_up)
            what = f"three_times(stamps of {len(case)} steps, {warm_up})"
            mistakes.table(found, _three_times(case, warm_up), what)
    with part("a worker that runs ahead", points=1):
        for ahead in (2, 1, 3):
            loads, trains = mistakes.telling(partial(_for_ahead, draw, ahead), partial(_ahead, ahead=ahead))
            found = answer.call("overlapped", loads, trains, ahead)
            what = f"overlapped({loads}, {trains}, {ahead})"
            mistakes.numbers(found, _ahead((loads, trains), ahead), what)
    with part("the best gain", points=1):
        for workers, slow in ((1, 3), (1, 0.5), (3, 5), (4, 2)):
            loads, trains = _durations(draw)
            loads = [slow * each for each in loads]
            loading, training = sum(loads), sum(trains)
            whole, right = loading + training, max(loading / workers, training)
            answers = {
                "one worker alone": whole / max(loading, training),
                "loading without its training, divided by the workers": whole / (loading / workers),
                "the loop that waits divided by training alone": whole / training,
                "the sum of both times, with faster loading": whole / (loading / workers + training),
                "the longer time of each batch, not of all together": whole
                / sum(max(load / workers, train) for load, train in zip(loads, trains, strict=True)),
                "its inverse": right / whole,
            }
            answers = {words: value for words, value in answers.items() if value != whole / right}
            found = answer.call("best_gain", loads, trains, workers)
            what = f"best_gain for {loading:g} s of loading, {training:g} s of training and {workers} workers"
            mistakes.near(found, {"": whole / right} | answers, what)


Stamps = list[tuple[float, float, float]]


def _stamps(draw: Draw) -> Stamps:
    now, made = _sixty_fourths(draw, 100, 900), []
    for _ in range(draw.random.randrange(6, 10)):
        asked = now + _sixty_fourths(draw, 3, 20)
        got = asked + _sixty_fourths(draw, 10, 90)
        now = got + _sixty_fourths(draw, 30, 70)
        made.append((asked, got, now))
    return made


def _three_times(stamps: Stamps, warm_up: int) -> dict[str, dict[str, float]]:
    def summed(some: Stamps) -> dict[str, float]:
        waiting = sum(got - asked for asked, got, _ in some)
        training = sum(done - got for _, got, done in some)
        whole = some[-1][2] - some[0][0]
        return {"waiting": waiting, "training": training, "other": whole - waiting - training}

    kept = stamps[warm_up:]
    right = summed(kept)
    count = len(kept)
    from_begin = right | {"other": right["other"] + kept[0][0] - (stamps[warm_up - 1][2] if warm_up else 0)}
    found = {
        "": right,
        "waiting from the end of the step before, so that nothing is other": {
            "waiting": right["waiting"] + right["other"], "training": right["training"], "other": 0.0
        },
        "times for a step, not for all": {name: value / count for name, value in right.items()},
        "a time that begins before the first of these steps asks": from_begin,
        "waiting and training exchanged": right
        | {"waiting": right["training"], "training": right["waiting"]},
    }  # fmt: skip
    if warm_up:
        found["the steps of the warm-up, too"] = summed(stamps)
        found["leaving out the last steps, not the first"] = summed(stamps[:-warm_up])
    return found


def _durations(draw: Draw) -> tuple[list[float], list[float]]:
    count = draw.random.randrange(7, 10)
    loads = [_sixty_fourths(draw, 5, 40) for _ in range(count)]
    for number in draw.sample(range(1, count - 1), 2):
        loads[number] += _sixty_fourths(draw, 60, 120)
    return loads, [_sixty_fourths(draw, 15, 50) for _ in range(count)]


def _for_ahead(draw: Draw, ahead: int) -> tuple[list[float], list[float]]:
    """Times for which one batch more ahead is not yet as good as no end of them."""
    while True:
        case = _durations(draw)
        found = _ahead(case, ahead)
        if found["one batch more ahead"] != found["a worker that runs ahead without end"]:
            return case


def _ahead(case: tuple[list[float], list[float]], ahead: int) -> dict[str, list[float]]:
    loads, trains = case

    def run(most: int, first: bool = True, begun: bool = False) -> list[float]:
        taken, ended, loaded, free, waited = list[float](), list[float](), 0.0, 0.0, 0.0
        for number, (load, train) in enumerate(zip(loads, trains, strict=True)):
            room = (ended if begun else taken)[number - most] if number >= most else 0.0
            loaded = max(loaded, room) + load
            taken.append(max(loaded, free))
            waited += taken[-1] - free if number or first else 0.0
            free = taken[-1] + train
            ended.append(free)
        return [free, waited]

    loading, training = sum(loads), sum(trains)
    found = {
        "": run(ahead),
        "no overlap at all": [loading + training, loading],
        "a worker that runs ahead without end": run(len(loads)),
        "one batch more ahead": run(ahead + 1),
        "the longer of the two sums": [max(loading, training), max(loading - training, 0.0)],
        "leaving out the wait for the first batch": run(ahead, first=False),
        "a place that is free when a batch was trained on: it is free when it was taken": run(
            ahead, begun=True
        ),
    }
    if ahead > 1:
        found["one batch less ahead"] = run(ahead - 1)
    return found


# q2: what workers are sent


@exercise.question(
    "q2",
    title="Which worker, which batch?",
    points=3,
    difficulty=1,
    needs=("load_plan", "held"),
    lesson=WORKERS + "#Requests that run ahead",
    hints=(
        "Are items dealt to workers, or batches? And what is sent to a worker at the moment in which the "
        "loop gets a batch?",
        "Batch i goes to worker `i % workers`. After `taken` batches, `workers * factor + taken` requests "
        "were sent, but never more than there are batches; take away those that the loop has got.",
        "Three drivers take turns, and each may have two orders in the car:\n"
        "driver = order % 3\n"
        "on_the_road = min(orders, 3 * 2 + delivered) - delivered",
    ),
)
def worker_plan(answer: Answer, draw: Draw) -> None:
    for title, drop in (("who loads what", False), ("the last batch", True)):
        with part(title, points=1):
            for workers in (3, 2, 1):
                batch = draw.random.randrange(4, 9)
                whole = draw.random.randrange(2, 4) * workers + draw.random.randrange(1, 3)
                for rest in (draw.random.randrange(1, batch), 0):
                    items = batch * whole + rest
                    what = f"load_plan({items}, {batch}, {workers}, {drop})"
                    found = answer.call("load_plan", items, batch, workers, drop)
                    _rows(found, _plans(items, batch, workers, drop), what)
    with part("what is under way", points=1):
        for ends in (False, True):
            for factor in (2, 3):
                workers, size = draw.random.randrange(2, 6), draw.random.randrange(3000, 9000)
                full = workers * factor
                batches = full * draw.random.randrange(3, 6)
                left = draw.random.randrange(1, full - 1)
                for taken in (batches - left,) if ends else (draw.random.randrange(1, full), 0):
                    right = (min(batches, full + taken) - taken) * size
                    others = {
                        "no end of the epoch: there are no more batches to ask for": full * size,
                        "prefetch_factor for all workers together: it is for each": factor * size,
                        "one request less: as the loop gets a batch, another is asked for": right - size,
                        "counting the batch that the loop has got": right + size,
                        "batches, not bytes": right // size,
                        "all batches that are still to come": (batches - taken) * size,
                        "requests without those that the loop has got": min(batches, full + taken) * size,
                    }
                    others = {words: value for words, value in others.items() if value != right}
                    found = answer.call("held", batches, size, workers, factor, taken)
                    what = f"held({batches}, {size}, {workers}, {factor}, {taken})"
                    mistakes.near(found, {"": right} | others, what)


def _plans(items: int, batch: int, workers: int, drop: bool) -> dict[str, list[list[int]]]:
    """{mistake: for each batch its worker, its first item and how many it has}."""

    def made(short: bool, blocks: bool = False) -> list[list[int]]:
        found = [[start, min(batch, items - start)] for start in range(0, items, batch)]
        found = [each for each in found if short or each[1] == batch]
        share = math.ceil(len(found) / workers)
        return [[n // share if blocks else n % workers, *each] for n, each in enumerate(found)]

    right = made(not drop)
    others = {
        "leaving out the last batch where it is shorter": made(False),
        "a last batch that is shorter: it is dropped": made(True),
        "a block of batches for each worker: they take turns": made(not drop, blocks=True),
        "workers that count from 1": [[worker + 1, *each] for worker, *each in right],
        "a last batch that is filled": [[worker, start, batch] for worker, start, _ in made(True)],
        "the batch's number in the place of its first item": [
            [worker, number, count] for number, (worker, _, count) in enumerate(right)
        ],
    }
    found = {words: plan for words, plan in others.items() if plan != right}
    return {"": _tuples(right)} | {words: _tuples(plan) for words, plan in found.items()}


def _tuples(plan: list[list[int]]) -> list[Any]:
    return [tuple(each) for each in plan]


# q3: the same noise


@exercise.question(
    "q3",
    title="The same noise, whoever draws it",
    points=3,
    difficulty=2,
    needs=("Noisy",),
    lesson=WORKERS + "#The seed of a worker",
    hints=(
        "What is the same about item 7 in epoch 2, whoever loads it and whatever was loaded before?",
        "Make a generator for each item, from the seed, the epoch and the index. "
        "`np.random.default_rng((seed, epoch, index))` takes all three; a sum of them would be the same for "
        "epoch 1, item 2 and for epoch 2, item 1.",
        "Each house's number plate gets its own colour, whoever paints it:\n"
        "colour = np.random.default_rng((town, street, house)).choice(colours)",
    ),
)
def same_noise(answer: Answer, draw: Draw) -> None:
    import torch

    rows = [torch.from_numpy(draw.numpy().standard_normal(40)).float() for _ in range(6)]
    seed, epoch = draw.random.randrange(100, 900), draw.random.randrange(1, 5)
    order = list(range(len(rows)))
    jobs: list[tuple[int, int, list[int], int]] = [
        (seed, epoch, order, 1), (seed, epoch, order[::-1], 2), (seed, epoch, order[1::2], 3),
        (seed, epoch, [*order[::2], 0], 4),
    ]  # fmt: skip
    others = [(seed + more, epoch + later, order, 5) for more in range(3) for later in range(3)]
    made = answer.given(noises).call("noises", rows, [*jobs, *others])
    expect.equal(made["count"], len(rows), "len(Noisy(rows, seed))")
    found = [_noise_of(rows, job, some) for job, some in zip([*jobs, *others], made["made"], strict=True)]
    every = torch.stack([noise for some in found for _, noise in some])

    def is_noise() -> None:
        expect.equal(made["kept"], True, "the rows, unchanged,")
        what = "the standard deviation of what Noisy adds to a row"
        for spread, least, most in ((every.std(), 0.8, 1.2), *((one.std(), 0.4, 1.7) for one in every)):
            expect.true(least < spread < most, f"{what} to be near 1", f"{spread:.4g}")
        expect.true(abs(every.mean().item()) < 0.2, "the mean of it to be near 0", f"{every.mean():.4g}")

    with part("the same, whoever loads it and in whatever order", points=1):
        is_noise()
        first = dict(found[0])
        for some, (_, _, _, state) in zip(found[1:4], jobs[1:], strict=True):
            for index, noise in some:
                same = bool((noise - first[index]).abs().max() < 1e-6)
                got = "other noise, from another worker" if state != 4 else "other noise, in another order"
                expect.true(same, f"the noise of item {index} in epoch {epoch} to be the same again", got)
    with part("another one for each item, epoch and seed", points=1):
        is_noise()
        seen: list[tuple[tuple[int, int, int], Any]] = []
        for job, some in zip(others, found[4:], strict=True):
            for index, noise in some:
                name = (job[0], job[1], index)
                for other, known in seen:
                    alike = bool((noise - known).abs().max() < 1e-6)
                    what = f"other noise for item {index} of epoch {job[1]}, seed {job[0]}"
                    got = f"that of item {other[2]} of epoch {other[1]}, seed {other[0]}"
                    expect.true(not alike, what, got)
                seen.append((name, noise))
    with part("nothing else is changed", points=1):
        is_noise()
        for library in ("torch", "numpy", "random"):
            expect.equal(made["states"][library], True, f"the global random state of {library}, as before,")


def _noise_of(rows: Sequence, job: tuple, some: Any) -> list[tuple[int, Any]]:
    """What was added to each item of a job."""
    expect.length(some, len(job[2]), "the items of Noisy")
    made = []
    for index, row in zip(job[2], some, strict=True):
        found = expect.tensor(row, f"item {index} of Noisy", tuple(rows[index].shape))
        made.append((index, found.double() - rows[index].double()))
    return made


def noises(rows: list, jobs: list) -> dict:
    """The learner's items for each (seed, epoch, indices, state), as a worker with that state loads them."""
    import copy
    import random

    import numpy as np
    import torch

    def states() -> dict:
        numpy_state: Any = np.random.get_state()
        return {
            "torch": torch.get_rng_state().tolist(), "random": random.getstate(),
            "numpy": (numpy_state[1].tolist(), numpy_state[2]),
        }  # fmt: skip

    before = torch.get_rng_state(), np.random.get_state(), random.getstate()
    given, made, count = [row.clone() for row in rows], [], -1
    same = dict.fromkeys(("torch", "numpy", "random"), True)
    try:
        for seed, epoch, indices, state in jobs:
            dataset = Noisy(rows, seed)
            dataset.set_epoch(epoch)
            copied = copy.copy(dataset)  # a worker has a copy of the dataset
            torch.manual_seed(state), np.random.seed(state), random.seed(state)
            begun = states()
            made.append([copied[index] for index in indices])
            ended = states()
            same = {name: same[name] and begun[name] == ended[name] for name in same}
            count = len(dataset)
    finally:
        torch.set_rng_state(before[0]), np.random.set_state(before[1]), random.setstate(before[2])
    kept = all(bool((one == other).all()) for one, other in zip(rows, given))
    return {"made": made, "states": same, "kept": kept, "count": count}


# q4: files split among workers


@exercise.question(
    "q4",
    title="Each file to one worker",
    points=4,
    difficulty=2,
    needs=("Shards",),
    lesson=REMOTE + "#Shards, read in sequence",
    hints=(
        "There are `ranks` processes with so many workers each. Number all these workers through: which "
        "number has this one, and how many are there?",
        "`info = get_worker_info()` is None without workers. The part is `rank * workers + worker` of "
        "`ranks * workers`. Shuffle a copy of the names with a generator of its own, the same one for every "
        "part: `random.Random(f'{seed} {epoch}')`. Then take `order[part::parts]`, and `yield from "
        "read(name)`.",
        "Readers in three towns, four in each, share a library's books, and all use the same list:\n"
        "reader = town * 4 + seat\n"
        "mine = books[reader::3 * 4]",
    ),
)
def shards(answer: Answer, draw: Draw) -> None:
    def read(files: Mapping[str, list[int]], jobs: list[dict[str, int]]) -> list[dict[str, Any]]:
        made = answer.given(shards_read).call("shards_read", dict(files), jobs)
        expect.equal(made["iterable"], True, "Shards, a subclass of torch.utils.data.IterableDataset,")
        found: list[dict[str, Any]] = made["jobs"]
        for one in found:
            expect.each_of(one["rows"], int, "the rows of Shards")
        return found

    seed = draw.random.randrange(10, 90)
    files = _files(draw, 7)
    alone = {"seed": seed, "epoch": 0, "rank": 0, "ranks": 1, "worker": 0, "workers": 0}
    with part("without workers", points=1):
        once, again, peek = read(files, [alone, alone, alone | {"peek": 2}])
        _all_rows(files, [once], "Shards without workers")
        _in_files(files, once["rows"])
        expect.equal(once["again"], once["rows"], "the rows of Shards, when it is gone through again,")
        expect.equal(again["rows"], once["rows"], "the rows of another Shards with the same seed and epoch")
        expect.equal(len(peek["opened"]), 1, "the number of files that are opened for the first two rows")
        expect.at_most(peek["taken"], 3, "the number of rows that are read for the first two")
    with part("with workers", points=1):
        for workers in (2, 3, 9):
            jobs = [alone | {"worker": worker, "workers": workers} for worker in range(workers)]
            found = read(files, jobs)
            _all_rows(files, found, f"{workers} workers")
            _opened_once(files, found, f"{workers} workers")
    with part("with workers on several ranks", points=1):
        for ranks, workers in ((2, 2), (3, 0), (2, 3)):
            found = read(files, _every_worker(alone, ranks, workers))
            what = f"{ranks} ranks with {workers or 'no'} workers each"
            _all_rows(files, found, what)
            _opened_once(files, found, what)
    with part("another order in each epoch", points=1):
        many = _files(draw, 12)
        orders = {}
        for epoch in range(4):
            found = read(many, [alone | {"epoch": epoch}, *_every_worker(alone | {"epoch": epoch}, 2, 2)])
            what = f"2 ranks with 2 workers each in epoch {epoch}"
            _all_rows(many, found[1:], what)
            _opened_once(many, found[1:], what)
            orders[epoch] = tuple(found[0]["opened"])
        expect.true(
            len(set(orders.values())) > 2, "the files in another order in each epoch", f"{orders[1]} twice"
        )
        other = read(many, [alone | {"seed": seed + 1}])[0]["opened"]
        expect.true(
            tuple(other) != orders[0], "the files in another order with another seed", f"{orders[0]} for both"
        )


def _files(draw: Draw, count: int) -> dict[str, list[int]]:
    numbers = iter(draw.sample(range(1000, 9999), 12 * count))
    names = draw.sample([f"part-{letter}{n}" for letter in "abcdef" for n in range(9)], count)
    return {name: [next(numbers) for _ in range(draw.random.randrange(5, 9))] for name in names}


def _every_worker(base: dict[str, int], ranks: int, workers: int) -> list[dict[str, int]]:
    return [
        base | {"rank": rank, "ranks": ranks, "worker": worker, "workers": workers}
        for rank in range(ranks)
        for worker in range(max(workers, 1))
    ]


def _all_rows(files: Mapping[str, list[int]], found: Sequence[Mapping[str, Any]], what: str) -> None:
    """Every row came once."""
    came = Counter(row for one in found for row in one["rows"])
    every = [row for rows in files.values() for row in rows]
    twice = [row for row in every if came[row] > 1]
    missing = [row for row in every if not came[row]]
    wanted = f"each of {len(every)} rows once, from {what}"
    expect.true(not twice, wanted, f"{len(twice)} of them more than once")
    expect.true(not missing, wanted, f"{len(missing)} of them never")
    expect.equal(sum(came.values()), len(every), f"the number of rows from {what}")


def _opened_once(files: Mapping[str, list[int]], found: Sequence[Mapping[str, Any]], what: str) -> None:
    opened = Counter(name for one in found for name in one["opened"])
    most = max(opened.values(), default=0)
    expect.equal(most, 1, f"how often a file is opened, at most, by {what}")


def _in_files(files: Mapping[str, list[int]], rows: list[int]) -> None:
    """The rows of a file come together, in the file's order."""
    home = {row: name for name, some in files.items() for row in some}
    order = [home[row] for row in rows]
    groups = [name for name, _ in itertools.groupby(order)]
    expect.equal(len(groups), len(files), "the number of files one after another, each read to its end,")
    expect.equal(rows, [row for name in groups for row in files[name]], "the rows in the order of their file")


def shards_read(files: dict, jobs: list) -> dict:
    """The learner's rows for each job, as the worker of its number gets them, and which files it opened."""
    import copy
    import random

    import torch
    from torch.utils.data import IterableDataset
    from torch.utils.data._utils import worker as played

    opened: list[str] = []
    taken = [0]

    def read(name: str) -> Any:
        opened.append(name)
        for row in files[name]:
            taken[0] += 1
            yield row

    made, iterable = [], True
    state, python_state, info = torch.get_rng_state(), random.getstate(), played._worker_info
    try:
        for number, job in enumerate(jobs):
            torch.manual_seed(977 * number + 5), random.seed(977 * number + 5)
            dataset = Shards(list(files), read, job["seed"], job["rank"], job["ranks"])
            dataset.set_epoch(job["epoch"])
            iterable = iterable and isinstance(dataset, IterableDataset)
            dataset = copy.copy(dataset)
            if job["workers"]:
                played._worker_info = played.WorkerInfo(
                    id=job["worker"], num_workers=job["workers"], seed=77 + job["worker"], dataset=dataset
                )
            opened.clear()
            taken[0] = 0
            rows = list(__import__("itertools").islice(iter(dataset), job.get("peek")))
            one = {"rows": rows, "opened": list(opened), "taken": taken[0]}
            made.append(one | {"again": [] if "peek" in job else list(dataset)})
            played._worker_info = None
    finally:
        played._worker_info = info
        torch.set_rng_state(state), random.setstate(python_state)
    return {"jobs": made, "iterable": iterable}


# q5: a batch of its own width


@exercise.question(
    "q5",
    title="As wide as the batch needs",
    points=3,
    difficulty=1,
    needs=("collate",),
    lesson=PIPELINE + "#Padded to the limit",
    hints=(
        "How do you tell padding from a token that happens to have the same number?",
        "Cut each list first (`ids[:limit]`), then take the longest of the batch, and round up: "
        "`math.ceil(longest / multiple) * multiple`. Make the mask of the lengths: ones and zeros.",
        "Names in a column, wide enough for the longest of this page, in steps of 4 letters:\n"
        "width = math.ceil(max(map(len, names)) / 4) * 4\n"
        "page = [name + ' ' * (width - len(name)) for name in names]",
    ),
)
def one_width(answer: Answer, draw: Draw) -> None:
    def batch(longest: int, count: int = 4) -> list[dict[str, list[int]]]:
        made = []
        for number in range(count):
            sizes = [longest if number == 1 else draw.random.randrange(2, longest - 1)]
            sizes.append(max(2, longest // 2 - number))
            ids, labels = ([draw.random.randrange(3, 99) for _ in range(size)] for size in sizes)
            ids[draw.random.randrange(len(ids))] = labels[0] = pad
            made.append({"input_ids": ids, "labels": labels})
        return draw.sample(made, count)

    pad = draw.random.randrange(1, 90)
    with part("inputs and their mask", points=1):
        for longest in (draw.random.randrange(7, 12), draw.random.randrange(17, 23)):
            rows = batch(longest)
            made = _collated(answer, rows, pad, 1, 64)
            for name in ("input_ids", "attention_mask"):
                _padded(made, rows, pad, 1, 64, name)
    with part("labels", points=1):
        rows = batch(draw.random.randrange(13, 23))
        _padded(_collated(answer, rows, pad, 1, 64), rows, pad, 1, 64, "labels")
    with part("a limit, and multiples", points=1):
        for longest, multiple, limit in ((draw.random.randrange(41, 60), 1, 9), (21, 8, 64), (40, 8, 24)):
            rows = batch(longest)
            made = _collated(answer, rows, pad, multiple, limit)
            for name in ("input_ids", "attention_mask", "labels"):
                _padded(made, rows, pad, multiple, limit, name)


def _collated(answer: Answer, rows: list, pad: int, multiple: int, limit: int) -> dict[str, Any]:
    made: dict[str, Any] = answer.call("collate", rows, pad, multiple, limit)
    what = f"collate(rows, {pad}, {multiple}, {limit})"
    expect.keys(made, ("input_ids", "attention_mask", "labels"), what)
    return made


def _padded(made: dict[str, Any], rows: list, pad: int, multiple: int, limit: int, name: str) -> None:
    import torch

    what = f"{name!r} of collate(rows, {pad}, {multiple}, {limit})"
    column = "labels" if name == "labels" else "input_ids"
    fill = {"input_ids": pad, "attention_mask": 0, "labels": -100}[name]
    lists = [row[column][:limit] for row in rows]
    width = math.ceil(max(map(len, lists)) / multiple) * multiple
    found = expect.tensor(made[name], what)
    expect.true(isinstance(made[name], torch.Tensor), f"{what} to be a tensor", type(made[name]).__name__)
    expect.true(
        not found.is_floating_point(), f"{what} to be a tensor of whole numbers", str(made[name].dtype)
    )
    words = ""
    if tuple(found.shape) != (len(rows), width):
        uncut, rounded = max(len(row[column]) for row in rows), max(map(len, lists))
        widths = {limit: "padding to the limit", uncut: "rows that are not cut at `limit`"}
        widths[rounded] = "leaving out `multiple`"
        widths[math.ceil(max(len(row["input_ids"]) for row in rows) / multiple) * multiple] = (
            "the width of the inputs" if name == "labels" else "rows that are not cut at `limit`"
        )
        known = widths.get(found.shape[-1] if found.dim() else -1, "")
        words = f": that comes of {known}" if known else ""
        raise Failed(
            Rung.WRONG_SHAPE, f"{what} to have the shape {(len(rows), width)}", f"{tuple(found.shape)}{words}"
        )
    for number, ids in enumerate(lists):
        real = [1] * len(ids) if name == "attention_mask" else ids
        right = real + [fill] * (width - len(ids))
        others = {
            "the last tokens in the place of the first": rows[number][column][-limit:],
            "padding on the left": [fill] * (width - len(ids)) + real,
        }
        if name == "attention_mask":
            by_value = [int(token != pad) for token in ids] + [0] * (width - len(ids))
            others["a mask that is made of the numbers: here a token has that of the padding"] = by_value
            others["zeros and ones exchanged"] = [1 - one for one in right]
        else:
            others["padding with 0"] = real + [0] * (width - len(ids))
            others["padding with the inputs' pad token"] = real + [pad] * (width - len(ids))
            others["padding with -100"] = real + [-100] * (width - len(ids))
        others = {words: value for words, value in others.items() if value != right}
        row = found[number].long().tolist()
        if row != right:
            why = mistakes.guess(row, others)
            raise Failed(Rung.WRONG_VALUE, f"row {number} of {what} to be {right}", f"{row}{why}")


# q6: batches by length


@exercise.question(
    "q6",
    title="Batches by length, in random order",
    points=4,
    difficulty=2,
    needs=("ByLength",),
    lesson=PIPELINE + "#Batches by length",
    hints=(
        "Sorted rows make batches with little padding, and the same batches in each epoch. Random rows make "
        "new batches, and much padding. What lies between?",
        "Shuffle all indices with a generator made of seed and epoch, cut them into four pools, say, and "
        "sort each pool by length, the longest first. Fill a batch while `(len(batch) + 1) * longest <= "
        "tokens`. Shuffle the batches at the end.",
        "Parcels of like size on a shelf, other ones each day:\n"
        "today = random.Random(f'{seed} {day}')\n"
        "parcels = today.sample(parcels, len(parcels))\n"
        "piles = [sorted(parcels[start : start + 50]) for start in range(0, len(parcels), 50)]\n"
        "today.shuffle(piles)",
    ),
)
def by_length(answer: Answer, draw: Draw) -> None:
    lengths = draw.sample(range(10, 900), 420)
    tokens, seed = draw.random.randrange(3600, 4400), draw.random.randrange(1000)
    made = answer.given(epochs_of).call("epochs_of", lengths, tokens, seed, [0, 1, 2, 1])
    found = made["epochs"]
    for one in found:
        expect.each_of(one["batches"], list, "the batches of ByLength")
        for batch in one["batches"]:
            expect.each_of(batch, int, "a batch of ByLength")

    def whole(one: dict[str, Any]) -> None:
        came = Counter(itertools.chain.from_iterable(one["batches"]))
        missing = [index for index in range(len(lengths)) if not came[index]]
        expect.true(not missing, "every row in an epoch", f"{len(missing)} rows that are in no batch")
        twice = [index for index, count in came.items() if count > 1]
        expect.true(not twice, "no row twice in an epoch", f"{len(twice)} rows that come more often")
        expect.equal(len(came), len(lengths), "the number of different indices in an epoch")

    with part("every row once, within the tokens", points=1):
        for one in found:
            whole(one)
            for batch in one["batches"]:
                longest = max(lengths[index] for index in batch)
                size = len(batch) * longest
                what = f"the tokens of a batch of {len(batch)} rows, padding included,"
                expect.at_most(size, tokens, what)
    with part("little padding, in few batches", points=1):
        for one in found:
            whole(one)
            padded = sum(len(batch) * max(lengths[index] for index in batch) for batch in one["batches"])
            what = "all tokens of an epoch, padding included, divided by the tokens of the rows,"
            expect.at_most(padded / sum(lengths), 1.25, what)
            fewest = math.ceil(sum(lengths) / tokens)
            expect.at_most(
                len(one["batches"]), 1.6 * fewest, f"the number of batches (no less than {fewest} can do)"
            )
    with part("the same epoch again, and its length", points=1):
        for one in found:
            whole(one)
            expect.equal(one["length"], len(one["batches"]), "len(ByLength(…)), the number of batches,")
        same = found[3]["batches"] == found[1]["batches"]
        expect.true(same, "the same batches for the same seed and epoch", "others, with other random states")
        expect.equal(made["kept"], True, "the global random states, as before,")
        again = answer.given(epochs_of).call("epochs_of", lengths, tokens, seed + 1, [1])["epochs"][0]
        expect.true(
            again["batches"] != found[1]["batches"], "other batches for another seed", "the same ones"
        )
    with part("new batches, short and long ones mixed", points=1):
        for one, other in itertools.pairwise(found[:3]):
            whole(one)
            before = {frozenset(batch) for batch in one["batches"]}
            known = sum(frozenset(batch) in before for batch in other["batches"])
            what = f"the batches of an epoch, {len(other['batches'])}, that were there in the epoch before,"
            expect.at_most(known, len(other["batches"]) // 2, what)
        for one in found[:3]:
            sizes = [max(lengths[index] for index in batch) for batch in one["batches"]]
            turns = sum((b - a) * (c - b) < 0 for a, b, c in zip(sizes, sizes[1:], sizes[2:], strict=False))
            what = "how often, of 100 batches, the longest row goes up and then down, or down and then up,"
            expect.at_least(100 * turns / (len(sizes) - 2), 30, what)


def epochs_of(lengths: list, tokens: int, seed: int, epochs: list) -> dict:
    """The learner's batches for each epoch, each with a random state of its own."""
    import random

    import numpy as np
    import torch

    before = torch.get_rng_state(), np.random.get_state(), random.getstate()
    made, kept = [], True
    try:
        sampler = ByLength(list(lengths), tokens, seed)
        for number, epoch in enumerate(epochs):
            torch.manual_seed(number), np.random.seed(number), random.seed(number)
            numpy_state: Any = np.random.get_state()
            state = torch.get_rng_state(), random.getstate(), numpy_state[1].tolist()
            sampler.set_epoch(epoch)
            batches = [[int(index) for index in batch] for batch in sampler]
            made.append({"batches": batches, "length": len(sampler)})
            kept = kept and bool((torch.get_rng_state() == state[0]).all())
            numpy_state = np.random.get_state()
            kept = kept and random.getstate() == state[1] and numpy_state[1].tolist() == state[2]
    finally:
        torch.set_rng_state(before[0]), np.random.set_state(before[1]), random.setstate(before[2])
    return {"epochs": made, "kept": kept}


# q7: two queues

Task = tuple[str, int, list[str]]  # its engine, its seconds, and what has to be done before
Tasks = dict[str, Task]
Queues = dict[str, list[str]]
ENGINES = ("copy", "compute")


@exercise.question(
    "q7",
    title="Two engines, one schedule",
    points=4,
    difficulty=3,
    needs=("times", "best_queues"),
    lesson=STREAMS + "#The best schedule there is",
    hints=(
        "Of each engine's queue only the first task that is left may begin. When? And what if none may?",
        "Look again and again for a queue whose first task has all that it needs; take it out, and let it "
        "begin at the largest of the engine's free time and the ends of what it needs. If there is no such "
        "queue but a task is left, raise ValueError. For the best: try all `itertools.permutations` of both "
        "queues.",
        "Two machines in a kitchen; each dish waits for its machine and for what goes into it:\n"
        "begin = max(free[machine], *[end[part] for part in parts])\n"
        "best = min(itertools.permutations(dishes), key=time_of)",
    ),
)
def schedule(answer: Answer, draw: Draw) -> None:
    def case() -> tuple[Tasks, Queues]:
        tasks = _pipeline(draw, results=True)
        return tasks, _natural(tasks)

    with part("when each task runs", points=1):
        for _ in range(3):
            tasks, queues = mistakes.telling(case, lambda one: _schedules(*one))
            found = answer.call("times", tasks, queues)
            what = f"times({expect.show(tasks)}, {expect.show(queues)})"
            expect.type_of(found, dict, what)
            right = _schedules(tasks, queues)
            came = {name: list(pair) if isinstance(pair, tuple) else pair for name, pair in found.items()}
            if came.keys() != right[""].keys():
                raise Failed(
                    Rung.WRONG_SHAPE, f"{what} to have the keys {list(right[''])}", expect.show(list(came))
                )
            for name, pair in right[""].items():
                if not mistakes.is_near(came[name], pair):
                    wanted = f"{name!r} in {what} to begin and end at {pair[0]} and {pair[1]}"
                    why = mistakes.guess(came, right)
                    raise Failed(Rung.WRONG_VALUE, wanted, f"{expect.show(came[name])}{why}")
    with part("queues that wait for each other", points=1):
        for _ in range(2):
            tasks, queues = case()
            first, second = draw.sample([name for name in queues["copy"] if name.startswith("load")], 2)
            crossed = [second, first]  # second begins, but waits for what needs first
            stuck = tasks | {second: ("copy", 3, [f"train {first.split()[1]}"])}
            order = crossed + [name for name in queues["copy"] if name not in crossed]
            came = answer.given(scheduled).call("scheduled", stuck, queues | {"copy": order})
            wanted = f"ValueError: {second!r} waits for what needs {first!r}, which stands behind it"
            expect.true(came == "refused", wanted, expect.show(came))
            tasks, queues = case()  # and not where all is well
            came = answer.given(scheduled).call("scheduled", tasks, queues)
            expect.true(
                came != "refused", "times without an error, where no queue waits for ever", "ValueError"
            )
    for title, results in (("the best order of copies and kernels", False), ("the best of all orders", True)):
        with part(title, points=1):
            for _ in range(2):
                tasks = mistakes.telling(partial(_pipeline, draw, results), _makespans)
                _best(answer, tasks)


def _pipeline(draw: Draw, results: bool) -> Tasks:
    """Batches that are loaded and trained on; with `results`, one is copied back, and one waits for it."""
    count = 3 if results else 4
    letters = draw.sample("abcdefgh", count)
    tasks: Tasks = {}
    for letter in letters:
        tasks[f"load {letter}"] = ("copy", draw.random.randrange(1, 10), [])
    for letter in letters:
        tasks[f"train {letter}"] = ("compute", draw.random.randrange(1, 10), [f"load {letter}"])
    if results:
        back, other = letters[:2]
        tasks[f"save {back}"] = ("copy", draw.random.randrange(1, 10), [f"train {back}"])
        needs = [f"train {other}", f"save {back}"]
        tasks[f"check {other}"] = ("compute", draw.random.randrange(1, 10), needs)
    return dict(draw.sample(tasks.items(), len(tasks)))


def _natural(tasks: Tasks) -> Queues:
    """Queues in which nothing waits for ever: loads, then saves; by letter, and checks at the end."""
    rank = {"load": 0, "train": 1, "save": 2, "check": 3}
    order = sorted(tasks, key=lambda name: rank[name.split()[0]])
    return {engine: [name for name in order if tasks[name][0] == engine] for engine in ENGINES}


def _run(tasks: Tasks, queues: Queues, needs: bool = True, alone: bool = False) -> dict[str, list] | None:
    """{name: [begin, end]}, or None where the queues wait for each other."""
    found: dict[str, list] = {}
    free, left = dict.fromkeys(queues, 0), {engine: list(names) for engine, names in queues.items()}
    while any(left.values()):
        ready = [
            engine
            for engine, names in left.items()
            if names and (not needs or all(need in found for need in tasks[names[0]][2]))
        ]
        if not ready:
            return None
        name = left[ready[0]].pop(0)
        _, seconds, before = tasks[name]
        ends = [found[need][1] for need in before] if needs else []
        begin = max([0 if alone else free[ready[0]], *ends])
        found[name] = [begin, begin + seconds]
        free[ready[0]] = max(free[ready[0]], begin + seconds)
    return found


def _schedules(tasks: Tasks, queues: Queues) -> dict[str, Any]:
    right = _run(tasks, queues)
    assert right is not None
    one_by_one, now = {}, 0
    for name in right:
        one_by_one[name] = [now, now + tasks[name][1]]
        now += tasks[name][1]
    begun = {name: [begin, tasks[name][1]] for name, (begin, _) in right.items()}
    return {
        "": right,
        "leaving out what a task needs": _run(tasks, queues, needs=False),
        "an engine that does several tasks at a time": _run(tasks, queues, alone=True),
        "one task at a time, whatever its engine": one_by_one,
        "the seconds of a task in the place of its end": begun,
    }


def _makespan(tasks: Tasks, queues: Queues) -> float:
    found = _run(tasks, queues)
    return math.inf if found is None else max(end for _, end in found.values())


def _optimum(tasks: Tasks) -> float:
    names = [[name for name, task in tasks.items() if task[0] == engine] for engine in ENGINES]
    return min(
        _makespan(tasks, {"copy": list(copies), "compute": list(kernels)})
        for copies in itertools.permutations(names[0])
        for kernels in itertools.permutations(names[1])
    )


def _rules(tasks: Tasks) -> dict[str, Queues]:
    """Queues by rules that do not look for the best."""

    def split(order: Sequence[str]) -> Queues:
        return {engine: [name for name in order if tasks[name][0] == engine] for engine in ENGINES}

    by_seconds = sorted(tasks, key=lambda name: tasks[name][1])
    by_more = sorted(tasks, key=lambda name: -tasks[name][1])
    return {
        "the order of the dict": split(list(tasks)),
        "all loads before other copies, in the order of the dict": _natural(tasks),
        "the shortest task of each engine first": split(by_seconds),
        "the longest task of each engine first": split(by_more),
    }


def _makespans(tasks: Tasks) -> dict[str, float]:
    found = {words: _makespan(tasks, queues) for words, queues in _rules(tasks).items()}
    return {"": _optimum(tasks)} | {words: value for words, value in found.items() if value < math.inf}


def _best(answer: Answer, tasks: Tasks) -> None:
    what = f"best_queues({expect.show(tasks)})"
    found = answer.call("best_queues", tasks)
    expect.keys(found, ENGINES, what)
    queues = {engine: found[engine] for engine in ENGINES}
    for engine, names in queues.items():
        expect.each_of(names, str, f"{engine!r} of {what}")
        own = sorted(name for name, task in tasks.items() if task[0] == engine)
        expect.equal(sorted(names), own, f"the tasks in {engine!r} of {what}")
    whole = _makespan(tasks, {engine: list(names) for engine, names in queues.items()})
    expect.true(
        whole < math.inf, f"queues that come to an end, of {what}", f"{expect.show(queues)}: it waits"
    )
    best = _optimum(tasks)
    words = next((words for words, some in _rules(tasks).items() if mistakes.is_near(queues, some)), "")
    why = f": that comes of {words}" if words else ""
    wanted = f"the time of the queues {expect.show(queues)} of {what} to be {best:g}"
    expect.true(whole == best, wanted, f"{whole:g}{why}")


def scheduled(tasks: dict, queues: dict) -> Any:
    """What the learner's function makes of these queues."""
    try:
        return times(tasks, queues)
    except ValueError:
        return "refused"


# q8: races

Entry = dict[str, Any]
Pair = tuple[str, str]


@exercise.question(
    "q8",
    title="A wait that is missing",
    points=3,
    difficulty=3,
    needs=("races",),
    lesson=STREAMS + "#A wait that is missing",
    hints=(
        "For each queue: which kernels has a kernel that is sent there now certainly behind it? What does "
        "each kind of entry do to this set?",
        "Keep a set of names for each queue. A kernel joins its queue's set. `record` stores a copy of the "
        "set under the event's name, `wait` adds what is stored to its queue's set (nothing if nothing is), "
        "and `synchronize` adds the queue's set to one that counts for all kernels from then on.",
        "Who surely knows the news? Everybody keeps a set; a letter carries a copy of the writer's set as it "
        "was when it was written:\n"
        "letters[number] = set(knows[writer])\n"
        "knows[reader] |= letters.get(number, set())",
    ),
)
def race(answer: Answer, draw: Draw) -> None:
    for title, kinds, wrong in (
        ("which kernels may meet", ("kernel",), RACING[:3]),
        ("events", ("kernel", "record", "wait"), RACING[3:9]),
        ("the host that waits", ("kernel", "synchronize"), RACING[9:]),
    ):
        with part(title, points=1):
            failed = []
            # a log in each part that no mistake of the first part gets through: it always costs as much
            logs = [mistakes.telling(partial(_log, draw, kinds), _meetings)]
            for mistake in draw.sample(wrong, len(wrong)):
                logs.append(mistakes.telling(partial(_log, draw, kinds), partial(_aimed, mistake=mistake)))
            for log in logs:
                try:
                    _same_races(answer, log)
                except Failed as error:
                    failed.append(error)
            named = [each for each in failed if "that comes of" in each.got]
            for first in [*named, *failed][:1]:
                raise first


RACING = (
    "two kernels that only read: these may meet",
    "leaving out a write after a read",
    "leaving out two writes",
    "a wait for an event that is recorded only later: it waits for nothing",
    "the first record of an event, where it was recorded again",
    "a wait that holds for the next kernel alone",
    "an event that stands for the last kernel before it alone: it has all before it behind it",
    "an event that knows nothing of what its own queue waited for",
    "an event that goes on growing: it stands for what was there when it was recorded",
    "leaving out `synchronize`",
    "a host that waits for one queue as if for all",
)


def _log(draw: Draw, kinds: Sequence[str]) -> list[Entry]:
    """What a host sent, in the order in which it did."""
    queues, buffers = ("load", "train", "save"), "wxyz"[: 2 + (len(kinds) > 1)]
    log: list[Entry] = []
    count = 5 if len(kinds) == 1 else 7
    names = iter(draw.sample("abcdefghijklm", count))
    while count:
        kind = draw.random.choice(kinds if log else ("kernel",))
        queue = draw.random.choice(queues)
        if kind == "kernel":
            reads = draw.sample(buffers, draw.random.randrange(0, 2))
            writes = draw.sample(buffers, draw.random.randrange(0 if reads else 1, 2))
            log.append({"do": kind, "name": next(names), "queue": queue, "reads": reads, "writes": writes})
            count -= 1
        elif kind == "synchronize":
            log.append({"do": kind, "queue": queue})
        else:
            log.append({"do": kind, "event": draw.random.choice(("e1", "e2")), "queue": queue})
    return log


def _races(log: Sequence[Entry], mistake: str = "") -> list[Pair]:
    """The pairs of kernels that may meet, in the log's order."""
    behind: dict[str, set[str]] = {}
    alone: dict[str, set[str]] = {}  # what is known by a wait, not by the queue's own order
    last: dict[str, str] = {}
    events: dict[str, set[str]] = {}
    recorded: dict[str, str] = {}  # the queue in which an event was recorded last
    host: set[str] = set()
    kernels: list[Entry] = []
    found: list[Pair] = []
    for place, entry in enumerate(log):
        queue, kind = entry["queue"], entry["do"]
        own = behind.setdefault(queue, set())
        waited = alone.setdefault(queue, set())
        if kind == "kernel":
            known = own | waited | host
            found += [
                (other["name"], entry["name"])
                for other in kernels
                if other["name"] not in known and _meet(other, entry, mistake)
            ]
            kernels.append(entry)
            behind[queue] = (own if mistake == RACING[5] else known) | {entry["name"]}
            last[queue] = entry["name"]
            alone[queue] = set() if mistake == RACING[5] else waited
        elif kind == "record":
            full = own if mistake == RACING[7] else own | waited
            if mistake == RACING[7]:
                full = {each["name"] for each in kernels if each["queue"] == queue}
            if mistake == RACING[6]:
                full = {last[queue]} if queue in last else set()
            recorded[entry["event"]] = queue
            if not (mistake == RACING[4] and entry["event"] in events):
                events[entry["event"]] = set(full)
        elif kind == "wait":
            made = events.get(entry["event"])
            if made is None and mistake == RACING[3]:
                later = [
                    one for one in log[place:] if one["do"] == "record" and one["event"] == entry["event"]
                ]
                before = {each["name"] for each in kernels if later and each["queue"] == later[0]["queue"]}
                made = before
            if mistake == RACING[8] and entry["event"] in recorded:
                made = behind[recorded[entry["event"]]] | alone[recorded[entry["event"]]]
            alone[queue] = waited | (made or set())
        elif mistake == RACING[10]:
            host |= {each["name"] for each in kernels}
        elif mistake != RACING[9]:
            host |= own | waited
    return found


def _meet(one: Entry, other: Entry, mistake: str) -> bool:
    """Whether two kernels touch the same buffer in a way that depends on their order."""
    reads, writes = set(one["reads"]), set(one["writes"])
    after = writes & set(other["reads"])
    before = set() if mistake == RACING[1] else reads & set(other["writes"])
    both = set() if mistake == RACING[2] else writes & set(other["writes"])
    shared = reads & set(other["reads"]) if mistake == RACING[0] else set()
    return bool(after | before | both | shared)


def _aimed(log: list[Entry], mistake: str) -> dict[str, list]:
    """What this mistake gives, to be told from the right answer and from what all others give."""
    others = {words: sorted(_races(log, words)) for words in RACING if words != mistake}
    return {"": sorted(_races(log, mistake)), "the right answer": sorted(_races(log))} | others


def _meetings(log: list[Entry]) -> dict[str, list]:
    """What comes of a log, and of the mistakes about which kernels may meet."""
    return {words: sorted(_races(log, words)) for words in ("", *RACING[:3])}


def _told(log: Sequence[Entry]) -> str:
    """A log in few words."""
    words = []
    for entry in log:
        if entry.get("do") == "kernel":
            touched = f"reads {entry['reads']}, writes {entry['writes']}"
            words.append(f"{entry['queue']}: {entry['name']} {touched}")
        else:
            words.append(f"{entry.get('queue')}: {entry.get('do')} {entry.get('event', '')}".strip())
    return "; ".join(words).replace("'", "")


def _same_races(answer: Answer, log: list[Entry]) -> None:
    what = f"races(log) for: {_told(log)}"
    found = answer.given(listed_races).call("listed_races", log)
    expect.type_of(found, (list, tuple), what)
    pairs = [tuple(pair) if isinstance(pair, (list, tuple)) else pair for pair in found]
    right = _races(log)
    backwards = [
        pair for pair in pairs if pair not in right and isinstance(pair, tuple) and pair[::-1] in right
    ]
    if backwards:
        raise Failed(
            Rung.WRONG_VALUE, f"pairs with the earlier kernel first, in {what}", expect.show(backwards[0])
        )
    if sorted(pairs, key=str) != sorted(right):
        fitting = [words for words in RACING if sorted(_races(log, words)) == sorted(pairs, key=str)]
        why = f": that comes of {fitting[0]}" if len(fitting) == 1 else ""
        raise Failed(Rung.WRONG_VALUE, f"{what} to be {right}", f"{expect.show(pairs)}{why}")


def listed_races(log: list) -> Any:
    """The learner's pairs; a set of them cannot be handed over as it is."""
    found = races(log)
    return list(found) if isinstance(found, (set, frozenset)) else found


# q9 and q10: far-away files


def store_of(contents: dict, log: dict) -> Any:
    """A far-away file system with fsspec's interface, which counts.

    log: "calls" lists (what, path), "read" the (path, begin, end) of all bytes that were handed out, "fails"
    says for which path, and after how many bytes, the next reads fail; "look" is called in the middle of
    each read; "enter" and "leave" around each read of a range.
    """
    import io

    from fsspec.spec import AbstractFileSystem

    class Reading(io.BytesIO):
        def __init__(self, path: str) -> None:
            super().__init__(contents[path])
            self.path, self.size = path, len(contents[path])

        def read(self, size: Any = -1) -> bytes:
            begin = self.tell()
            left = self.size - begin
            end = begin + (left if size is None or size < 0 else min(size, left))
            if log.get("look") and begin <= self.size // 2 < max(end, 1):
                log["look"](self.path)
            fails = log["fails"].get(self.path, [])
            if fails and end > fails[0]:
                fails.pop(0)
                raise OSError(f"the connection was lost while {self.path} was read")
            if end > begin:
                log["read"].append((self.path, begin, end))
            return super().read(end - begin)

    class CountingStore(AbstractFileSystem):
        cachable = False
        blocksize = 64
        protocol = "far"

        def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
            log["calls"].append(("open", path))
            if mode != "rb" or path not in contents:
                raise FileNotFoundError(path)
            return Reading(path)

        def cat_file(self, path: str, start: Any = None, end: Any = None, **more: Any) -> bytes:
            if log.get("enter"):
                log["enter"]()
            try:
                return super().cat_file(path, start, end, **more)
            finally:
                if log.get("leave"):
                    log["leave"]()

        def info(self, path: str, **_: Any) -> dict:
            log["calls"].append(("info", path))
            if path not in contents:
                raise FileNotFoundError(path)
            return {"name": path, "size": len(contents[path]), "type": "file"}

        def ls(self, path: str, detail: bool = True, **_: Any) -> list:
            log["calls"].append(("ls", path))
            return [self.info(name) if detail else name for name in contents]

    return CountingStore()


@exercise.question(
    "q9",
    title="A cache that can be trusted",
    points=4,
    difficulty=3,
    needs=("Cache",),
    lesson=REMOTE + "#A cache on disk",
    hints=(
        "What lies in the folder if the process is killed in the middle of a read, and what does the next "
        "process think of it?",
        "Read the whole file first, write it under another name (`.part`, say), then `os.replace` it to its "
        "own name. For names use `hashlib.sha256(path.encode()).hexdigest()`. Keep an `OrderedDict` of names "
        "and sizes; `move_to_end` at each use, and `popitem(last=False)` until the new file has room.",
        "A notice board for 20 notices, the one that nobody looked at for longest goes:\n"
        "board.move_to_end(title)                 # looked at\n"
        "while len(board) >= 20:\n"
        "    oldest, _ = board.popitem(last=False)",
    ),
)
def cached(answer: Answer, draw: Draw) -> None:
    def played(jobs: list, limit: int, fails: Mapping[str, list[int]] = {}) -> list[dict[str, Any]]:
        given = [{"do": "read", "path": job} if isinstance(job, str) else job for job in jobs]
        made: list[dict[str, Any]] = answer.given(store_of, cache_played).call(
            "cache_played", contents, given, limit, {path: list(some) for path, some in fails.items()}
        )
        return made

    def right(one: Mapping[str, Any], path: str, what: str) -> None:
        if one["error"]:
            raise Failed(Rung.WRONG_VALUE, f"{what} to be read", one["error"])
        expect.type_of(one["content"], list, f"the bytes of {what}")
        wanted = list(contents[path].encode())
        got = f"{len(one['content'])} bytes, not those of the file"
        expect.true(one["content"] == wanted, f"the {len(wanted)} bytes of {what}", got)

    def remote(one: Mapping[str, Any], calls: bool, what: str) -> None:
        if calls:
            expect.at_least(one["read"], 1, f"the bytes that are read of the far-away file for {what}")
        else:
            expect.equal(one["calls"], 0, f"the number of calls of the file system for {what}")

    contents = _contents(draw)
    names = list(contents)
    whole = sum(map(len, contents.values()))
    with part("a second epoch without a call", points=1):
        order = draw.sample(names, len(names))
        made = played([*order, *order[::-1], {"do": "new"}, *order], whole)
        for number, path in enumerate([*order, *order[::-1], None, *order]):
            if path is not None:
                epoch = ("the first epoch", "the second epoch", "an epoch of another process", "")[
                    min(number // len(order), 2)
                ]
                right(made[number], path, f"{path!r} in {epoch}")
                remote(made[number], number < len(order), f"{path!r} in {epoch}")
    with part("a read that fails, and a process that is killed", points=1):
        one, other = draw.sample([name for name in names if name.endswith("/1.txt")], 2)
        fails = {one: [len(contents[one]) // 2] * 2}
        made = played([other, one, one, one, one, {"do": "new"}, one, other], 9 * whole, fails)
        for again in made[1:3]:
            expect.true(
                again["error"].startswith("OSError"), f"the error of a read of {one!r} that fails, passed on",
                again["error"] or "no error",
            )  # fmt: skip
        right(made[3], one, f"{one!r}, read after a read that failed half way")
        for again, path in ((made[4], one), (made[6], one), (made[7], other)):
            right(again, path, f"{path!r}, from the cache")
            remote(again, False, f"{path!r}, from the cache")
        for kind, where in (("killed", "a read"), ("killed writing", "writing to the folder")):
            made = played([other, {"do": kind, "path": one}, one, other], 9 * whole)
            right(
                made[2],
                one,
                f"{one!r} by a process that follows one that was killed in the middle of {where}",
            )
            right(made[3], other, f"{other!r} after that")
            remote(made[3], False, f"{other!r}, which was in the cache before that")
    with part("a limit", points=1):
        limit = whole // 2
        order = [draw.random.choice(names) for _ in range(30)]
        for path, one in zip(order, played(order, limit), strict=True):
            right(one, path, f"{path!r} with a limit of {limit} bytes")
            expect.at_most(one["folder"], limit, f"the bytes in the folder, after {path!r} was read,")
        large, *small = sorted(names, key=lambda name: -len(contents[name]))
        limit = len(contents[large]) - 1
        made = played([small[-1], large, small[-1], large], limit)
        for path, one in zip((small[-1], large, small[-1], large), made, strict=True):
            right(one, path, f"{path!r} with a limit of {limit} bytes")
            expect.at_most(one["folder"], limit, f"the bytes in the folder, after {path!r} was read,")
        remote(made[2], False, f"{small[-1]!r}: a file that is larger than the limit takes nobody's place")
    with part("the one that was not used for longest goes", points=1):
        for _ in range(2):
            sizes = {name: len(content) for name, content in contents.items()}
            limit = sorted(sizes.values())[-1] + sorted(sizes.values())[-2] + 20
            order = mistakes.telling(
                lambda: [draw.random.choice(names) for _ in range(25)],
                partial(_kept, sizes=sizes, limit=limit),
            )
            found = [one["read"] > 0 for one in played(order, limit)]
            wrongs = _kept(order, sizes, limit)
            for number, (one, path) in enumerate(zip(found, order, strict=True)):
                if one != wrongs[""][number]:
                    said = "a read of the far-away file", "a read of the cache"
                    wanted = (
                        f"{said[not wrongs[''][number]]} for {path!r}, after {order[:number]} with sizes "
                    )
                    wanted += f"{sizes} and the limit {limit}"
                    raise Failed(Rung.WRONG_VALUE, wanted, said[not one] + mistakes.guess(found, wrongs))


KEPT = (
    "",
    "the file that came first goes: a use must count as well",
    "the largest file goes",
    "everything goes when there is no room",
    "more files go than must",
)


def _contents(draw: Draw) -> dict[str, str]:
    """Texts by path; two of the paths differ in a slash alone, two in their folders."""
    names = ["data/a/1.txt", "data/a_1.txt", "data/b/1.txt", "more/b/1.txt", "data/c.txt", "data/d.txt"]
    sizes = draw.sample(range(120, 700, 7), len(names))
    return {
        name: "".join(draw.random.choice("etaoin shrdlu\n") for _ in range(size))
        for name, size in zip(names, sizes, strict=True)
    }


def _misses(order: Sequence[str], sizes: Mapping[str, int], limit: int, mistake: str) -> list[bool]:
    """For each read whether it has to be a read of the far-away file."""
    held: dict[str, int] = {}
    found = []
    for path in order:
        found.append(path not in held)
        if path in held:
            if mistake != KEPT[1]:
                held[path] = held.pop(path)
            continue
        spare = sizes[path] // 2 if mistake == KEPT[4] else 0
        while held and sum(held.values()) + sizes[path] + spare > limit:
            goes = max(held, key=lambda name: held[name]) if mistake == KEPT[2] else next(iter(held))
            del held[goes]
            if mistake == KEPT[3]:
                held.clear()
        held[path] = sizes[path]
    return found


def _kept(order: Sequence[str], sizes: Mapping[str, int], limit: int) -> dict[str, list[bool]]:
    return {words: _misses(order, sizes, limit, words) for words in KEPT}


def cache_played(contents: dict, jobs: list, limit: int, fails: dict) -> list:
    """What the learner's cache gives for each job, and what it asked of the far-away file system."""
    import builtins
    import io
    import shutil
    import tempfile
    from pathlib import Path

    contents = {path: text.encode() for path, text in contents.items()}
    log: dict = {"calls": [], "read": [], "fails": fails}
    store, made = store_of(contents, log), []
    with tempfile.TemporaryDirectory() as home:
        folder, number = Path(home, "cache 0"), 0
        cache = Cache(store, str(folder), limit)

        def size() -> int:
            return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())

        left: list = []

        def look(path: str) -> None:  # in the middle of a read: the folder as it is now
            if not left and folder.is_dir():
                left.append(Path(home, f"cache {number + 1}"))
                shutil.copytree(folder, left[0])

        opened = io.open

        def halfway(file: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
            """A file as it is; what is written to it comes in two halves, with a look between them."""
            made: Any = opened(file, mode, *more, **named)
            if set(mode) & set("wxa+") and Path(str(file)).is_relative_to(folder):
                write = made.write

                def in_halves(data: Any) -> int:
                    write(data[: len(data) // 2])
                    made.flush()
                    look("")
                    write(data[len(data) // 2 :])
                    return len(data)

                made.write = in_halves
            return made

        for job in jobs:
            log["calls"].clear(), log["read"].clear()
            one: dict = {"content": None, "error": ""}
            if job["do"] == "new":
                cache = Cache(store, str(folder), limit)
            else:
                left.clear()
                log["look"] = look if job["do"] == "killed" else None
                builtins.open = io.open = halfway if job["do"] == "killed writing" else opened
                try:
                    content = cache.read(job["path"])
                    one["content"] = list(content) if isinstance(content, (bytes, bytearray)) else content
                except OSError as error:
                    one["error"] = f"OSError: {error}"
                finally:
                    builtins.open = io.open = opened
                log["look"] = None
                if left:  # the process was killed there: the next one finds the folder as it was
                    number += 1
                    folder = left[0]
                    cache = Cache(store, str(folder), limit)
            read = sum(end - begin for _, begin, end in log["read"])
            made.append({**one, "calls": len(log["calls"]), "read": read, "folder": size()})
    return made


@exercise.question(
    "q10",
    title="A range each, several at a time",
    points=3,
    difficulty=2,
    needs=("read_ranges",),
    lesson=REMOTE + "#Several reads at a time",
    hints=(
        "In which order do the pieces come back, and in which do they belong?",
        "`ThreadPoolExecutor(workers)` has `map(read, starts)`, which gives the results in the order of the "
        "starts, whatever order they are done in. Let `read(start)` try again in a loop, with `except "
        "OSError`, and raise in the last try.",
        "Letters of a long word, each fetched by its own messenger, four at a time:\n"
        "with ThreadPoolExecutor(4) as messengers:\n"
        "    word = ''.join(messengers.map(fetch, range(length)))",
    ),
)
def ranges(answer: Answer, draw: Draw) -> None:
    def played(size: int, chunk: int, workers: int, tries: int, fails: Sequence[int] = ()) -> dict[str, Any]:
        text = "".join(draw.random.choice("etaoin shrdlu") for _ in range(size))
        made: dict[str, Any] = answer.given(store_of, ranges_played).call(
            "ranges_played", text, chunk, workers, tries, list(fails)
        )
        return made | {"text": text}

    def same(made: Mapping[str, Any], what: str) -> None:
        if made["error"]:
            raise Failed(Rung.WRONG_VALUE, f"{what} to be read", made["error"])
        right = list(made["text"].encode())
        expect.type_of(made["content"], list, f"the bytes of {what}")
        mixed = ": the right bytes in another order" if sorted(made["content"]) == sorted(right) else ""
        got = f"{len(made['content'])} bytes, not those of the file{mixed}"
        expect.true(made["content"] == right, f"the {len(right)} bytes of {what}", got)

    def cases() -> list[tuple[int, int, int]]:
        chunk = draw.random.randrange(20, 60)
        return [
            (chunk * 9 + draw.random.randrange(1, 20), chunk, 3),
            (chunk * 8, chunk, 4),
            (chunk - 3, chunk, 2),
        ]

    with part("the same bytes, each read once", points=1):
        for size, chunk, workers in cases():
            made = played(size, chunk, workers, 1)
            what = f"a file of {size} bytes in ranges of {chunk}"
            same(made, what)
            read = sorted(made["read"])
            expect.equal(sum(end - begin for begin, end in read), size, f"the bytes that are read of {what}")
            expect.equal(len(read), math.ceil(size / chunk), f"the number of reads of {what}")
            expect.at_most(max(end - begin for begin, end in read), chunk, f"the largest read of {what}")
    with part("several at a time, and no more", points=1):
        for size, chunk, workers in cases()[:2]:
            made = played(size, chunk, workers, 1)
            what = f"a file of {size} bytes in ranges of {chunk}, {workers} at a time"
            same(made, what)
            expect.equal(made["most"], workers, f"the number of reads at a time, at most, of {what}")
    with part("a read that fails is tried again, that one alone", points=1):
        size, chunk, workers = cases()[0]
        begins = draw.sample(range(0, size - chunk, chunk), 2)
        what = f"a file of {size} bytes in ranges of {chunk}, where two reads fail twice"
        made = played(size, chunk, workers, 3, [*begins, *begins])
        same(made, what)
        read = [begin for begin, _ in made["read"]]
        expect.equal(len(read), len(set(read)), f"the number of reads that give bytes, of {what}")
        expect.equal(made["tried"], len(read) + 4, f"the number of tries of {what}")
        made = played(size, chunk, workers, 3, [begins[0]] * 9)
        expect.true(
            made["error"].startswith("OSError"),
            "OSError where a range fails in all of 3 tries", made["error"] or "no error",
        )  # fmt: skip
        failed = 9 - made["left"]
        expect.equal(failed, 3, "the number of tries of a range that fails each time, with tries=3,")


def ranges_played(text: str, chunk: int, workers: int, tries: int, fails: list) -> dict:
    """What the learner's function reads of a file, and how many reads there were at a time."""
    import threading

    door = threading.Condition()
    seen = {"now": 0, "most": 0, "begun": 0}
    failing = list(fails)
    content = text.encode()
    wanted = min(workers, -(-len(content) // chunk)) if not fails else 1
    log: dict = {"calls": [], "read": [], "fails": {}}

    def enter() -> None:
        """The first reads wait until as many have begun as should, and for a moment whether more will."""
        with door:
            seen["begun"] += 1
            seen["now"] += 1
            seen["most"] = max(seen["most"], seen["now"])
            door.notify_all()
            if seen["begun"] <= wanted and wanted > 1:
                door.wait_for(lambda: seen["begun"] >= wanted, timeout=5)
                door.wait_for(lambda: seen["begun"] > wanted, timeout=0.05)

    def leave() -> None:
        with door:
            seen["now"] -= 1
            door.notify_all()

    log |= {"enter": enter, "leave": leave}
    store = store_of({"far/file": content}, log)
    plain, tried = store.cat_file, [0]

    def cat_file(path: str, start: Any = None, end: Any = None, **more: Any) -> bytes:
        with door:
            tried[0] += 1
            fail = (start or 0) in failing
            if fail:
                failing.remove(start or 0)
        if fail:
            raise OSError("the connection was lost")
        got: bytes = plain(path, start, end, **more)
        return got

    store.cat_file = cat_file
    made: dict = {"content": None, "error": ""}
    try:
        found = read_ranges(store, "far/file", chunk, workers, tries)
        made["content"] = list(found) if isinstance(found, (bytes, bytearray)) else found
    except OSError as error:
        made["error"] = f"OSError: {error}"
    read = [(begin, end) for _, begin, end in log["read"]]
    return {**made, "read": read, "most": seen["most"], "tried": tried[0], "left": len(failing)}


# q11: rows packed


@exercise.question(
    "q11",
    title="Rows packed, and kept apart",
    points=4,
    difficulty=2,
    needs=("packed", "row_losses"),
    lesson=PIPELINE + "#Packed rows",
    hints=(
        "Which of the four tensors would look the same if the block held one single row? What of it then "
        "goes from one row to the next?",
        "Write down for each place the number of its row, `of`; each empty place is a row of its own. "
        "`of[:, None] == of` says which places belong together, and `.tril()` keeps what came before. A row "
        "begins where its position is 0. The logits of place i are judged by the label of place i + 1.",
        "Verses of several poems on one roll, numbered anew in each poem, three lines and two:\n"
        "poem = torch.tensor([0, 0, 0, 1, 1])\n"
        "first = torch.tensor([0, 0, 0, 3, 3])      # where the poem of this line begins\n"
        "line = torch.arange(5) - first             # 0 1 2 0 1",
    ),
)
def packed_rows(answer: Answer, draw: Draw) -> None:
    import torch

    cases = [_packable(draw, count, spare) for count, spare in ((3, 4), (4, 3), (3, 0), (1, 2))]
    made: list[dict[str, Any]] = []
    for rows, room in cases:
        got = answer.call("packed", rows, room)
        expect.keys(got, ("input_ids", "position_ids", "labels", "mask"), _packing(rows, room))
        made.append(got)
    with part("token ids and positions", points=1):
        for (rows, room), got in zip(cases, made, strict=True):
            for name in ("input_ids", "position_ids"):
                mistakes.numbers(
                    got[name], _in_places(rows, room, name), f"{name!r} of {_packing(rows, room)}"
                )
    with part("labels", points=1):
        for (rows, room), got in zip(cases, made, strict=True):
            what = f"'labels' of {_packing(rows, room)}"
            mistakes.numbers(got["labels"], _in_places(rows, room, "labels"), what)
    with part("a mask: a model gives each row the loss it has alone", points=1):
        weights = _small_weights(draw)
        for (rows, room), got in zip(cases, made, strict=True):
            what = f"'mask' of {_packing(rows, room)}"
            mask = expect.tensor(got["mask"], what, (room, room))
            boolean = mask.dtype is torch.bool or set(mask.unique().tolist()) <= {0, 1}
            expect.true(
                boolean, f"{what} to hold True and False", f"{mask.dtype}: {expect.show(mask[0].tolist())}"
            )
            said = f"the losses of the rows that a model gives with {what}"
            mistakes.numbers(
                _masked_losses(weights, rows, room, mask.bool()), _loss_answers(weights, rows, room), said
            )
    with part("a loss for each row", points=1):
        noise = torch.Generator().manual_seed(draw.seed)
        for rows, room in cases:
            logits = torch.randn(room, TOKENS, generator=noise, dtype=torch.float64)
            block = _block(rows, room)
            answers = {words: _row_losses(logits, block, words) for words in ("", *ROW_LOSSES)}
            got = answer.call("row_losses", logits, block)
            mistakes.numbers(got, answers, f"row_losses of a block with {len(rows)} rows, room {room},")


TOKENS = 50  # token ids are below this


def _packing(rows: Sequence[Sequence], room: int) -> str:
    return f"packed(rows, {room}) with rows of {', '.join(str(len(row)) for row in rows)} tokens"


def _packable(draw: Draw, count: int, spare: int) -> tuple[list[list[int]], int]:
    """Rows of different lengths, and a room with so many places to spare; a token id comes twice."""
    sizes = draw.sample(range(3, 9), count)
    rows = [[draw.random.randrange(1, TOKENS) for _ in range(size)] for size in sizes]
    rows[-1][-1] = rows[0][0]
    return rows, sum(sizes) + spare


def _block(rows: Sequence[Sequence], room: int) -> dict[str, Any]:
    """The tensors of a block, rightly."""
    import torch

    of = torch.tensor([number for number, row in enumerate(rows) for _ in row])
    of = torch.cat([of, len(rows) + torch.arange(room - len(of))])
    right = {name: _in_places(rows, room, name)[""] for name in ("input_ids", "position_ids", "labels")}
    tensors = {name: torch.tensor(value) for name, value in right.items()}
    return {**tensors, "mask": (of[:, None] == of).tril()}


def _in_places(rows: Sequence[Sequence], room: int, name: str) -> dict[str, list[int]]:
    """What stands in the places of a block, rightly and with each mistake."""
    ids = [token for row in rows for token in row]
    spare = room - len(ids)
    if name == "input_ids":
        return {
            "": [*ids, *[0] * spare],
            "rows of the same width": [
                token for row in rows for token in [*row, *[0] * (max(map(len, rows)) - len(row))]
            ],
            "empty places that lie in front": [*[0] * spare, *ids],
            "leaving out the empty places": ids,
        }
    if name == "position_ids":
        restarted = [place for row in rows for place in range(len(row))]
        return {
            "": [*restarted, *[0] * spare],
            "positions that do not begin anew in each row": list(range(room)),
            "positions that run on from row to row": [*range(len(ids)), *[0] * spare],
            "counting from 1": [*[place + 1 for place in restarted], *[0] * spare],
            "counting on in the empty places": [*restarted, *range(spare)],
            "the last row, which goes on into the empty places": [
                *restarted, *range(len(rows[-1]), len(rows[-1]) + spare)
            ],
        }  # fmt: skip
    labels = [token for row in rows for token in [-100, *row[1:]]]
    shifted = [token for row in rows for token in [*row[1:], -100]]
    return {
        "": [*labels, *[-100] * spare],
        "a first token that is a label: the row before would be asked for it": [*ids, *[-100] * spare],
        "a first token that is a label, of all rows but the first: the row before would be asked for it": [
            -100, *ids[1:], *[-100] * spare
        ],
        "empty places that are labels": [*labels, *[0] * spare],
        "labels that are moved already: the model does that": [*shifted, *[-100] * spare],
    }  # fmt: skip


def _small_weights(draw: Draw) -> dict[str, Any]:
    """A causal model of two layers, drawn; float64, so that equal results are equal."""
    import torch

    noise = torch.Generator().manual_seed(draw.seed)
    shapes = {"tokens": (TOKENS, 8), "places": (64, 8), "head": (8, TOKENS)}
    shapes |= {f"{name}{layer}": (8, 8) for layer in range(2) for name in ("query", "key", "value")}
    return {name: torch.randn(shape, generator=noise, dtype=torch.float64) for name, shape in shapes.items()}


def _small_model(weights: Mapping[str, Any], ids: Any, positions: Any, mask: Any) -> Any:
    """Logits, (places, tokens)."""
    hidden = weights["tokens"][ids] + weights["places"][positions]
    for layer in range(2):
        query, key, value = (hidden @ weights[f"{name}{layer}"] for name in ("query", "key", "value"))
        scores = (query @ key.T / 64).masked_fill(~mask, -math.inf)
        hidden = (hidden + scores.softmax(-1) @ value / 2).tanh()
    return hidden @ weights["head"]


def _masked_losses(weights: Mapping[str, Any], rows: Sequence[Sequence], room: int, mask: Any) -> list[float]:
    """Each row's loss in a block with this mask, everything else being right."""
    block = _block(rows, room)
    logits = _small_model(weights, block["input_ids"], block["position_ids"], mask)
    return _row_losses(logits, block)


def _loss_answers(weights: Mapping[str, Any], rows: Sequence[Sequence], room: int) -> dict[str, list[float]]:
    """Each row's loss alone, and what the block gives with mistaken masks."""
    import torch

    right = _block(rows, room)["mask"]
    same = right | right.T
    masks = {
        "a mask across rows: a row sees those before it": torch.ones_like(right).tril(),
        "a mask that lets a token see those after it": same,
        "a mask that hides nothing": torch.ones_like(right),
        "True where a place may not look": ~right | torch.eye(room, dtype=torch.bool),
        "rows and columns exchanged": right.T,
        "a mask that hides empty places alone": (torch.arange(room) < sum(map(len, rows))).expand(room, room),
    }
    alone = [_masked_losses(weights, [row], len(row), _block([row], len(row))["mask"])[0] for row in rows]
    return {"": alone} | {words: _masked_losses(weights, rows, room, mask) for words, mask in masks.items()}


ROW_LOSSES = (
    "logits that are judged by the label of their own place, not of the next",
    "the sum over the tokens of a row",
    "the mean over all tokens of the block",
    "dividing by all tokens of a row: the first is no label",
    "the rows before it, which are in the sum",
)


def _row_losses(logits: Any, block: Mapping[str, Any], mistake: str = "") -> list[float]:
    """The mean loss of each row over its labels."""
    import torch.nn.functional as F

    wrong = ROW_LOSSES.index(mistake) if mistake else -1
    labels = block["labels"] if wrong == 0 else block["labels"][1:]
    each = F.cross_entropy(logits[: len(labels)], labels, reduction="none", ignore_index=-100)
    row = (block["position_ids"] == 0).cumsum(0)[-len(labels) :]
    counted = labels != -100
    sums = [each[counted & (row == number)].sum().item() for number in row[counted].unique()]
    counts = [int((counted & (row == number)).sum()) for number in row[counted].unique()]
    if wrong == 1:
        return sums
    if wrong == 2:
        return [sum(sums) / sum(counts)] * len(sums)
    if wrong == 4:
        sums = list(itertools.accumulate(sums))
        counts = list(itertools.accumulate(counts))
    return [total / (count + (wrong == 3)) for total, count in zip(sums, counts, strict=True)]


# q12 and q13


FOUND = {
    "prefetch": True, "pinned": False, "epochs": False, "drawn": True, "columns": False, "shuffled": True
}  # fmt: skip


@exercise.question(
    "q12",
    title="Predict, then measure",
    points=2,
    difficulty=1,
    needs=("predictions",),
    lesson=WORKERS + "#What raises, and what only warns",
    hints=(
        "Which settings make no sense without workers, and which only gain nothing? What does a loader need "
        "a random number for, even if it shuffles nothing?",
        "A generator goes on from where it is. `default_collate` goes through the columns of the rows. A "
        "loader draws the base of its workers' seeds at the begin of each epoch, also when it has none.",
        "Whoever asks for a seat by the window on a bus without windows is told so, and may ride along; "
        "whoever asks for the third floor of it is not let in.",
    ),
)
def predicted(answer: Answer, draw: Draw) -> None:
    six_predictions(answer, FOUND)


exercise.manual(
    "q13",
    title="Eight workers, and still waiting",
    points=3,
    lesson=WAITS + "#Three ways to mend it",
    hints=(
        "Which times does the colleague measure with workers, and which without? What does a batch cost one "
        "worker, and how many cores are there?",
        "Work out the bound: the longer of training and of loading divided by what really loads side by "
        "side. Then look at memory, at the order, and at the noise of the workers.",
        "Four painters with two brushes paint as fast as two; and a wall that two paint in an hour was not "
        "made quicker by a faster lift.",
    ),
)
