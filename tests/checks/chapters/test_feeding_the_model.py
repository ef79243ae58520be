"""Every question of exercise 23: the solution, the stub, wrong answers with the message they get, other right ways."""

import io
from functools import partial

import pytest

from course_utils.checks.chapters import feeding_the_model
from course_utils.checks.framework import load_exercise
from course_utils.checks.testing import changed_answer, given_cells, judged_well, namespace

EXERCISE = "23_feeding_the_model"
given = partial(given_cells, EXERCISE)
changed = partial(changed_answer, EXERCISE)


def test_the_card():
    exercise = load_exercise(EXERCISE)
    assert len(exercise.questions) == 13
    assert exercise.points == 43
    assert [question.name for question in exercise.questions.values() if question.manual] == ["q13"]


BY_ARRAY = """
def three_times(stamps, warm_up):
    asked, got, done = np.array(stamps[warm_up:]).T
    found = {"training": (done - got).sum(), "waiting": (got - asked).sum(), "other": (asked[1:] - done[:-1]).sum()}
    return found


def overlapped(loads, trains, ahead):
    begun, taken, done, waited = 0.0, [], 0.0, torch.tensor(0.0, dtype=torch.float64)
    for number in range(len(loads)):
        if len(taken) >= ahead:
            begun = max(begun, taken[-ahead])
        begun += loads[number]
        waited += max(0.0, begun - done)
        taken.append(max(begun, done))
        done = taken[-1] + trains[number]
    return [done, waited]


def best_gain(loads, trains, workers):
    loading, training = np.sum(loads), np.sum(trains)
    return min((loading + training) / training, workers * (loading + training) / loading)
"""


def test_who_waits():
    swap = partial(changed, "q1")
    result = judged_well(
        EXERCISE,
        "q1",
        before=given("imports"),
        wrong={
            swap(("kept = stamps[warm_up:]", "kept = stamps")): "the steps of the warm-up, too",
            swap(("kept = stamps[warm_up:]", "kept = stamps[: len(stamps) - warm_up]")): "leaving out the last steps",
            swap(("waiting, training = (", "training, waiting = (")): "exchanged",
            swap(("- kept[0][0] - waiting", "- (stamps[warm_up - 1][2] if warm_up else kept[0][0]) - waiting")): "begins before the first",
            swap(('"other": kept[-1][2] - kept[0][0] - waiting - training', '"other": 0.0')): "'other'",
            swap((', "other": kept[-1][2] - kept[0][0] - waiting - training', "")): "'other'",
            swap(("    return free, waited", "    return sum(loads) + sum(trains), sum(loads)")): "no overlap at all",
            swap(("    return free, waited", "    return max(sum(loads), sum(trains)), max(sum(loads) - sum(trains), 0.0)")): "the longer of the two sums",
            swap(("[0.0] * ahead", "[0.0] * (ahead + 99)")): "runs ahead without end",
            swap(("[0.0] * ahead", "[0.0] * (ahead + 1)")): "one batch more ahead",
            swap(("        waited += taken[-1] - free\n", "        waited += taken[-1] - free if number else 0.0\n")): "leaving out the wait for the first batch",
            swap(("    return free, waited", "    return free")): "overlapped",
            swap(("sum(loads) / workers", "sum(loads)")): "one worker alone",
            swap(("max(sum(loads) / workers, sum(trains))", "sum(trains)")): "divided by training alone",
            swap(("max(sum(loads) / workers, sum(trains))", "(sum(loads) / workers + sum(trains))")): "the sum of both times",
            swap(("max(sum(loads) / workers, sum(trains))", "sum(max(a / workers, b) for a, b in zip(loads, trains))")): "the longer time of each batch",
        },
        right=[BY_ARRAY, swap(("    return free, waited", "    return torch.tensor([free, waited], dtype=torch.float64)"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 4, 8, 12)] == [2, 2, 2, 2]


ONE_BY_ONE = """
def load_plan(items, batch, workers, drop_last):
    found, turn = [], itertools.cycle(range(workers))
    for indices in torch.arange(items).split(batch):
        if len(indices) == batch or not drop_last:
            found.append([next(turn), indices[0], np.int64(len(indices))])
    return tuple(found)


def held(batches, size, workers, factor, taken):
    asked = 0
    for _ in range(workers * factor):
        asked += asked < batches
    for _ in range(taken):
        asked += asked < batches
    return np.int64(size) * (asked - taken)
"""


def test_worker_plan():
    swap = partial(changed, "q2")
    result = judged_well(
        EXERCISE,
        "q2",
        before=given("imports"),
        wrong={
            swap(("    return [each for each in plan if each[2] == batch or not drop_last]", "    return [each for each in plan if each[2] == batch]")): "leaving out the last batch",
            swap(("    return [each for each in plan if each[2] == batch or not drop_last]", "    return plan")): "it is dropped",
            swap(("(n % workers,", "(n // math.ceil(items / batch / workers),")): "they take turns",
            swap(("(n % workers,", "(n % workers + 1,")): "count from 1",
            swap(("min(batch, items - start)", "batch")): "a last batch that is filled",
            swap(("start, min(", "n, min(")): "in the place of its first item",
            swap(("    return [each for", "    return [each[0] for")): "item 0 of load_plan",
            swap(("(min(batches, workers * factor + taken) - taken)", "workers * factor")): "no end of the epoch",
            swap(("workers * factor + taken", "factor + taken")): "it is for each",
            swap(("workers * factor + taken", "workers * factor + taken - 1")): "one request less",
            swap(("+ taken) - taken)", "+ taken) - taken + 1)")): "counting the batch that the loop has got",
            swap(("size * (min", "(min")): "batches, not bytes",
            swap(("(min(batches, workers * factor + taken) - taken)", "(batches - taken)")): "still to come",
            swap((" - taken)", ")")): "those that the loop has got",
        },
        right=[ONE_BY_ONE, swap(("    return size * (min(batches, workers * factor + taken) - taken)", "    return min(batches - taken, workers * factor) * size"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 1, 2, 7)] == [2, 2, 1, 2]


OF_TORCH = """
class Noisy(torch.utils.data.Dataset):
    epoch = 0

    def __init__(self, rows, seed):
        self.rows = rows
        self.seed = seed

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        number = int.from_bytes(hashlib.sha256(f"{self.seed}/{self.epoch}/{index}".encode()).digest()[:7], "big")
        generator = torch.Generator().manual_seed(number)
        return self.rows[index] + torch.randn(self.rows[index].shape, generator=generator)
"""
FORKED = OF_TORCH.replace(
    """        generator = torch.Generator().manual_seed(number)
        return self.rows[index] + torch.randn(self.rows[index].shape, generator=generator)
""",
    """        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(number)
            return torch.normal(self.rows[index], 1.0)
""",
)


def test_same_noise():
    swap = partial(changed, "q3")
    result = judged_well(
        EXERCISE,
        "q3",
        before=given("imports"),
        wrong={
            swap(("np.random.default_rng((self.seed, self.epoch, index))", "np.random.default_rng(self.seed + self.epoch + index)")): "that of item",
            swap(("(self.seed, self.epoch, index)", "(self.seed, index)")): "other noise for item",
            swap(("(self.seed, self.epoch, index)", "(self.seed, self.epoch)")): "other noise for item 1",
            swap(("(self.seed, self.epoch, index)", "(self.epoch, index)")): "other noise for item",
            swap(("(self.seed, self.epoch, index)", "")): "to be the same again",
            swap(("self.rows, self.seed, self.epoch = rows, seed, 0", "self.rows, self.seed, self.epoch = rows, seed, 0\n        self.generator = np.random.default_rng(seed)"), ("        generator = np.random.default_rng((self.seed, self.epoch, index))\n", "        generator = self.generator\n")): "to be the same again",
            OF_TORCH.replace(", generator=generator", ""): "to be the same again",
            OF_TORCH.replace("generator = torch.Generator()", "generator = torch.default_generator").replace(".manual_seed(number)", "\n        generator.manual_seed(number)"): "the global random state of torch",
            swap(("        generator = np.random.default_rng((self.seed, self.epoch, index))\n", "        np.random.seed([self.seed, self.epoch, index])\n"), ("generator.standard_normal(self.rows[index].shape, dtype=np.float32)", "np.random.standard_normal(self.rows[index].shape).astype(np.float32)")): "the global random state of numpy",
            swap(("        return self.rows[index] + torch.from_numpy(noise)\n", "        return self.rows[index].add_(torch.from_numpy(noise))\n")): "the rows, unchanged",
            swap((" + torch.from_numpy(noise)", "")): "the standard deviation",
            swap(("torch.from_numpy(noise)", "0.1 * torch.from_numpy(noise)")): "the standard deviation",
            swap(("generator.standard_normal(self.rows[index].shape, dtype=np.float32)", "np.float32([generator.standard_normal()])")): "near",
            swap(("        return len(self.rows)\n", "        return self.rows\n")): "TypeError",
        },
        right=[OF_TORCH, FORKED, swap(("torch.from_numpy(noise)", "torch.tensor(noise)"), ("generator.standard_normal(self.rows[index].shape, dtype=np.float32)", "generator.normal(size=self.rows[index].shape)"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 1, 4, 7, 10)] == [2, 2, 2, 2, 0]


BY_POSITION = """
class Shards(torch.utils.data.IterableDataset):
    def __init__(self, names, read, seed, rank=0, ranks=1):
        super().__init__()
        self.given = (names, read, seed, rank, ranks)
        self.set_epoch(0)

    def set_epoch(self, epoch):
        self.generator = lambda: torch.Generator().manual_seed(1000 * self.given[2] + epoch)

    def __iter__(self):
        names, read, seed, rank, ranks = self.given
        info = torch.utils.data.get_worker_info()
        part = 0 if info is None else info.id
        parts = 1 if info is None else info.num_workers
        order = torch.randperm(len(names), generator=self.generator()).tolist()
        mine = [names[place] for number, place in enumerate(order) if number % (parts * ranks) == part * ranks + rank]
        return itertools.chain.from_iterable(map(read, mine))
"""


def test_shards():
    swap = partial(changed, "q4")
    shuffled = '        random.Random(f"{self.seed} {self.epoch}").shuffle(names)\n'
    mine = "names[self.rank * workers + worker :: self.ranks * workers]"
    result = judged_well(
        EXERCISE,
        "q4",
        before=given("imports"),
        wrong={
            swap((mine, "names")): "more than once",
            swap((mine, "names[self.rank :: self.ranks]")): "more than once",
            swap((mine, "names[worker::workers]")): "more than once",
            swap((mine, "names[self.rank + worker :: self.ranks * workers]")): "more than once",
            swap((mine, "names[(self.rank * workers + worker) * len(names) // 9 : (self.rank * workers + worker + 1) * len(names) // 9]")): "never",
            swap((shuffled, "        random.shuffle(names)\n")): "from 2 workers",
            swap((shuffled, "")): "in another order in each epoch",
            swap(("{self.seed} {self.epoch}", "{self.seed}")): "in another order in each epoch",
            swap(("{self.seed} {self.epoch}", "{self.epoch}")): "with another seed",
            swap((shuffled, '        random.Random(f"{self.seed} {self.epoch} {worker}").shuffle(names)\n')): "from 2 workers",
            swap(("            yield from self.read(name)\n", "            yield from list(self.read(name))\n")): "the number of rows that are read",
            swap(("        for name in ", "        opened = {name: list(self.read(name)) for name in names}\n        for name in ")): "the number of files that are opened",
            swap(("        for name in " + mine + ":\n            yield from self.read(name)\n", "        for number, row in enumerate(row for name in names for row in self.read(name)):\n            if number % (self.ranks * workers) == self.rank * workers + worker:\n                yield row\n")): "how often a file is opened",
            swap(("class Shards(IterableDataset)", "class Shards")): "a subclass of",
            swap(("self.names, self.read, self.seed, self.epoch = list(names)", "self.names, self.read, self.seed, self.epoch = names"), ("names = list(self.names)", "names = self.names")): "the rows of Shards, when it is gone through again",
            swap(("            yield from self.read(name)\n", "            yield from reversed(list(self.read(name)))\n")): "in the order of their file",
            swap(("(info.id, info.num_workers) if info else (0, 1)", "(info.id, info.num_workers)")): "AttributeError",
        },
        right=[BY_POSITION, swap((shuffled, "        names = np.random.default_rng([self.seed, self.epoch]).permutation(names).tolist()\n"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 1, 2, 5, 6, 12, 16)] == [1, 1, 2, 0, 3, 1, 1]


FILLED = """
def collate(rows, pad, multiple, limit):
    found = {}
    for name, fill in (("input_ids", pad), ("labels", -100)):
        sizes = [min(limit, len(row[name])) for row in rows]
        width = max(sizes) + -max(sizes) % multiple
        found[name] = torch.full((len(rows), width), fill)
        for row, size, line in zip(rows, sizes, found[name]):
            line[:size] = torch.tensor(row[name][:size])
        found.setdefault("attention_mask", torch.arange(width) < torch.tensor(sizes)[:, None])
    return found
"""
SEQUENCES = """
def collate(rows, pad, multiple, limit):
    from torch.nn.utils.rnn import pad_sequence

    def rectangle(lists, fill):
        made = pad_sequence([torch.tensor(one[:limit]) for one in lists], batch_first=True, padding_value=fill)
        return torch.nn.functional.pad(made, (0, -made.shape[1] % multiple), value=fill)

    ids = [row["input_ids"] for row in rows]
    return {
        "input_ids": rectangle(ids, pad),
        "attention_mask": rectangle([[1] * len(one) for one in ids], 0),
        "labels": rectangle([row["labels"] for row in rows], -100),
    }
"""


def test_one_width():
    swap = partial(changed, "q5")
    result = judged_well(
        EXERCISE,
        "q5",
        before=given("imports"),
        wrong={
            swap(("    mask = rectangle([[1] * len(each) for each in ids], 0)\n", "    mask = (rectangle(ids, pad) != pad).long()\n")): "made of the numbers",
            swap(("    mask = rectangle([[1] * len(each) for each in ids], 0)\n", "    mask = (rectangle(ids, -1) == -1).long()\n")): "exchanged",
            swap(("        width = math.ceil(max(map(len, cut)) / multiple) * multiple\n", "        width = limit\n")): "padding to the limit",
            swap(("math.ceil(max(map(len, cut)) / multiple) * multiple", "max(map(len, cut))")): "leaving out `multiple`",
            swap(("each[:limit]", "each")): "not cut at `limit`",
            swap(("each[:limit]", "each[-limit:]")): "the last tokens",
            swap(("each + [fill] * (width - len(each))", "[fill] * (width - len(each)) + each")): "padding on the left",
            swap(('rectangle([row["labels"] for row in rows], -100)', 'rectangle([row["labels"] for row in rows], pad)')): "the inputs' pad token",
            swap(('rectangle([row["labels"] for row in rows], -100)', 'rectangle([row["labels"] for row in rows], 0)')): "padding with 0",
            swap(('rectangle(ids, pad)', 'rectangle(ids, 0)')): "padding with 0",
            swap(('rectangle([row["labels"] for row in rows], -100)', 'F.pad(rectangle([row["labels"] for row in rows], -100), (0, 1))')): "'labels' of collate",
            swap(("torch.tensor([each", "torch.tensor([1.0 * np.array(each")  , ("(width - len(each)) for each in cut])", "(width - len(each))) for each in cut])")): "whole numbers",
            swap((', "labels": labels', "")): "'labels'",
            swap(("return torch.tensor([each + [fill] * (width - len(each)) for each in cut])", "return [each + [fill] * (width - len(each)) for each in cut]")): "to be a tensor",
        },
        right=[FILLED, SEQUENCES],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 3, 4, 7)] == [1, 2, 2, 1]


NOISY_SORT = """
class ByLength:
    def __init__(self, lengths, tokens, seed):
        self.lengths, self.tokens, self.seed = np.array(lengths), tokens, seed
        self.set_epoch(0)

    def set_epoch(self, epoch):
        generator = np.random.default_rng([self.seed, epoch])
        keys = self.lengths * generator.uniform(0.93, 1.07, len(self.lengths))
        made, longest = [[]], 0
        for row in np.argsort(keys):
            longest = max(longest, self.lengths[row])
            if (len(made[-1]) + 1) * longest > self.tokens:
                made.append([])
                longest = self.lengths[row]
            made[-1].append(row)
        self.made = [made[number] for number in generator.permutation(len(made))]

    def __iter__(self):
        yield from map(tuple, self.made)

    def __len__(self):
        return len(self.made)
"""


def test_by_length():
    swap = partial(changed, "q6")
    full = "if not batch or (len(batch) + 1) * self.lengths[batch[0]] > self.tokens:"
    result = judged_well(
        EXERCISE,
        "q6",
        before=given("imports"),
        wrong={
            swap(("math.ceil(len(order) / 4)", "len(order)")): "that were there in the epoch before",
            swap(("        generator.shuffle(self.batches)\n", "")): "goes up and then down",
            swap(("math.ceil(len(order) / 4)", "10")): "all tokens of an epoch",
            swap(("sorted(order[start : start + pool], key=lambda row: -self.lengths[row])", "order[start : start + pool]"), (full, "if not batch or (len(batch) + 1) * max(self.lengths[each] for each in [*batch, row]) > self.tokens:")): "all tokens of an epoch",
            swap((full, "if not batch or sum(self.lengths[each] for each in [*batch, row]) > self.tokens:")): "the tokens of a batch",
            swap((full, "if len(batch) in (0, 8):")): "the tokens of a batch",
            swap((full, "if True:")): "the number of batches",
            swap(("{self.seed} {epoch}", "{epoch}")): "other batches for another seed",
            swap(("{self.seed} {epoch}", "{self.seed}")): "that were there in the epoch before",
            swap(("generator, self.batches = random.Random(f\"{self.seed} {epoch}\"), []", "generator, self.batches = random, []")): "the same batches for the same seed and epoch",
            swap(("generator, self.batches = random.Random(f\"{self.seed} {epoch}\"), []", "generator, self.batches = random, []\n        random.seed(f\"{self.seed} {epoch}\")")): "the global random states",
            swap(("return len(self.batches)", "return len(self.lengths)")): "the number of batches,",
            swap(("        generator.shuffle(self.batches)\n", "        generator.shuffle(self.batches)\n        self.batches.pop()\n")): "that are in no batch",
            swap(("        generator.shuffle(self.batches)\n", "        generator.shuffle(self.batches)\n        self.batches[0].append(self.batches[1][0])\n")): "that come more often",
            swap(("return iter(self.batches)", "return itertools.chain(*self.batches)")): "TypeError",
        },
        right=[NOISY_SORT, swap(("len(order) / 4", "len(order) / 3")), swap(("return iter(self.batches)", "return iter([np.array(batch) for batch in self.batches])"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 1, 2, 6, 7, 11)] == [3, 3, 3, 2, 3, 3]


ROUNDS = """
def times(tasks, queues):
    free, end, found, todo = {}, {}, {}, [list(names) for names in queues.values()]
    moved = True
    while moved:
        moved = False
        for names in todo:
            while names and set(tasks[names[0]][2]) <= set(end):
                name = names.pop(0)
                engine, seconds, needs = tasks[name]
                begin = np.max([free.get(engine, 0), *[end[need] for need in needs]])
                free[engine] = end[name] = begin + seconds
                found[name] = [begin, end[name]]
                moved = True
    if any(todo):
        raise ValueError
    return found


def best_queues(tasks):
    best = [math.inf, None]

    def grow(order, time, free):
        if len(order) == len(tasks):
            if time < best[0]:
                best[:] = time, list(order)
            return
        for name, (engine, seconds, needs) in tasks.items():
            if name not in order and all(need in order for need in needs):
                end = max([free.get(engine, 0), *[order[need] for need in needs]]) + seconds
                grow({**order, name: end}, max(time, end), {**free, engine: end})

    grow({}, 0, {})
    return {engine: tuple(name for name in best[1] if tasks[name][0] == engine) for engine in ("copy", "compute", "other")}
"""


def test_schedule():
    swap = partial(changed, "q7")
    search = "    def last_end(queues):\n"
    result = judged_well(
        EXERCISE,
        "q7",
        before=given("imports"),
        wrong={
            swap(("names and found.keys() >= set(tasks[names[0]][2])", "names"), ("other in tasks[name][2] or ", "")): "leaving out what a task needs",
            swap((" or tasks[other][0] == ready[0]", "")): "several tasks at a time",
            swap((" if other in tasks[name][2] or tasks[other][0] == ready[0]", "")): "one task at a time",
            swap(("    return found\n", "    return {name: (begin, end - begin) for name, (begin, end) in found.items()}\n")): "in the place of its end",
            swap(('raise ValueError(f"these wait for each other: {left}")', "break")): "ValueError: 'load",
            swap(('raise ValueError(f"these wait for each other: {left}")', "return {}")): "ValueError: 'load",
            swap(('raise ValueError(f"these wait for each other: {left}")', "raise RuntimeError")): "RuntimeError",
            swap((search, "    return {engine: [name for name in tasks if tasks[name][0] == engine] for engine in ('copy', 'compute')}\n" + search)): "the order of the dict",
            swap((search, "    return {engine: sorted((name for name in tasks if tasks[name][0] == engine), key=lambda name: tasks[name][1]) for engine in ('copy', 'compute')}\n" + search)): "the shortest task of each engine first",
            swap((search, "    return {engine: sorted((name for name in tasks if tasks[name][0] == engine), key=lambda name: -tasks[name][1]) for engine in ('copy', 'compute')}\n" + search)): "the longest task of each engine first",
            swap((search, "    return {'copy': list(tasks), 'compute': list(tasks)}\n" + search)): "the tasks in 'copy'",
            swap(("return min(", "return max("), ("return math.inf", "return -1")): "the time of the queues",
            swap(("key=last_end)", "key=last_end)['copy']")): "to be a dict",
        },
        right=[ROUNDS, swap(("found[name] = begin, begin + tasks[name][1]", "found[name] = [torch.tensor(begin), float(begin + tasks[name][1])]"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (1, 4, 7, 8)] == [1, 2, 2, 2]


ANCESTORS = """
def graph(log):
    events, last, host, after, kernels = {}, {}, [], {}, {}
    for number, entry in enumerate(log):
        queue = entry["queue"]
        after[number] = {last[queue]} if queue in last else set()
        if entry["do"] == "wait" and entry["event"] in events:
            after[number].add(events[entry["event"]])
        if entry["do"] in ("kernel", "record"):
            after[number] |= set(host)
        if entry["do"] == "synchronize":
            host.append(number)
        if entry["do"] == "record":
            events[entry["event"]] = number
        last[queue] = number
    return after


def races(log):
    after = graph(log)

    def comes(late, early):
        return late == early or any(comes(each, early) for each in after[late])

    made = set()
    for late, entry in enumerate(log):
        for early, other in enumerate(log[:late]):
            if entry["do"] == other["do"] == "kernel":
                bad = set(entry["writes"]) & set(other["writes"] + other["reads"]) or set(entry["reads"]).intersection(other["writes"])
                if bad and not comes(late, early):
                    made.add((other["name"], entry["name"]))
    return made

"""


def test_race():
    swap = partial(changed, "q8")
    touched = 'writes & {*other["reads"], *other["writes"]} or reads & {*other["writes"]}'
    event = '            events[entry["event"]] = set(known)\n'
    result = judged_well(
        EXERCISE,
        "q8",
        before=given("imports"),
        wrong={
            swap((touched, '(reads | writes) & {*other["reads"], *other["writes"]}')): "these may meet",
            swap((touched, '(reads | writes) & {*other["writes"]}')): "leaving out a write after a read",
            swap((touched, 'writes & {*other["reads"]} or reads & {*other["writes"]}')): "leaving out two writes",
            swap(('and other["name"] not in known', 'and other["queue"] != entry["queue"]')): "races(log) for",
            swap(('found.append((other["name"], entry["name"]))', 'found.append((entry["name"], other["name"]))')): "with the earlier kernel first",
            swap((event, '            events.setdefault(entry["event"], set(known))\n')): "the first record of an event",
            swap((event, '            events[entry["event"]] = {each["name"] for each in kernels if each["queue"] == entry["queue"]}\n')): "what its own queue waited for",
            swap((event, '            events[entry["event"]] = {[each["name"] for each in kernels if each["queue"] == entry["queue"]][-1]} if any(each["queue"] == entry["queue"] for each in kernels) else set()\n')): "the last kernel before it alone",
            swap((event, '            events[entry["event"]] = known\n')): "that goes on growing",
            swap(("            host |= known\n", "            pass\n")): "leaving out `synchronize`",
            swap(("            host |= known\n", '            host |= {each["name"] for each in kernels}\n')): "one queue as if for all",
            swap(("    return found\n", "    return [name for pair in found for name in pair]\n")): "races(log) for",
        },
        right=[ANCESTORS, swap(("    return found\n", "    return [list(pair) for pair in reversed(found)]\n"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 5, 9)] == [0, 2, 2]


GET_FILE = """
class Cache:
    def __init__(self, files, folder, limit):
        self.files, self.folder, self.limit = files, folder, limit
        os.makedirs(folder, exist_ok=True)
        self.used = [name for name in os.listdir(folder) if not name.startswith("~")]

    def read(self, path):
        name = path.encode().hex()
        place, half = os.path.join(self.folder, name), os.path.join(self.folder, "~" + name)
        if name in self.used:
            self.used.remove(name)
            self.used.append(name)
            with open(place, "rb") as file:
                return bytearray(file.read())
        self.files.get_file(path, half)
        size = os.path.getsize(half)
        if size > self.limit:
            content = open(half, "rb").read()
            os.remove(half)
            return content
        held = lambda: sum(os.path.getsize(os.path.join(self.folder, each)) for each in self.used)
        while held() + size > self.limit:
            os.remove(os.path.join(self.folder, self.used.pop(0)))
        os.rename(half, place)
        self.used.append(name)
        return open(place, "rb").read()
"""
STREAMED = """
class Cache:
    def __init__(self, files, folder, limit):
        self.files, self.folder, self.limit, self.clock = files, Path(folder), limit, itertools.count()
        self.folder.mkdir(exist_ok=True)
        self.when = {}

    def read(self, path):
        place = self.folder / "whole" / path
        self.when[place] = next(self.clock)
        if place.is_file():
            return place.read_bytes()
        with self.files.open(path, "rb") as far:
            pieces = iter(lambda: far.read(100), b"")
            content = b"".join(pieces)
        if len(content) > self.limit:
            return content
        place.parent.mkdir(parents=True, exist_ok=True)
        held = sorted((each for each in (self.folder / "whole").rglob("*") if each.is_file()), key=lambda each: self.when.get(each, -1))
        while sum(each.stat().st_size for each in held) + len(content) > self.limit:
            held.pop(0).unlink()
        with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as file:
            file.write(content)
        os.replace(file.name, place)
        return content
"""


def test_cached():
    swap = partial(changed, "q9")
    name = "hashlib.sha256(path.encode()).hexdigest()"
    replace = '            (self.folder / ".part").write_bytes(content)\n            os.replace(self.folder / ".part", self.folder / name)  # at once: there is no half of it\n'
    direct = "            (self.folder / name).write_bytes(content)\n"
    result = judged_well(
        EXERCISE,
        "q9",
        before=given("imports"),
        wrong={
            swap((name, 'path.replace("/", "_")')): "not those of the file",
            swap((name, 'path.rsplit("/")[-1]')): "not those of the file",
            swap((name, "str(hash(path))"), ("OrderedDict((each.name, each.stat().st_size) for each in oldest_first)", "OrderedDict()")): "in an epoch of another process",
            GET_FILE.replace('place, half = os.path.join(self.folder, name), os.path.join(self.folder, "~" + name)', 'place = half = os.path.join(self.folder, name)').replace('if name in self.used:', 'if os.path.exists(place):').replace("self.used.remove(name)", "self.used = [each for each in self.used if each != name]"): "the error of a read",
            GET_FILE.replace('place, half = os.path.join(self.folder, name), os.path.join(self.folder, "~" + name)', 'place = half = os.path.join(self.folder, name)'): "by a process that follows one that was killed",
            swap((replace, direct)): "in the middle of writing to the folder",
            swap(("        content = self.files.cat_file(path)\n", "        try:\n            content = self.files.cat_file(path)\n        except OSError:\n            return b''\n")): "passed on",
            swap(("        content = self.files.cat_file(path)\n", "        try:\n            content = self.files.cat_file(path)\n        except OSError:\n            content = self.files.cat_file(path)\n")): "the error of a read",
            swap(("        if name in self.sizes:\n", "        if name in self.sizes and self.files.info(path)['size'] == self.sizes[name]:\n")): "the number of calls of the file system",
            swap(("                (self.folder / self.sizes.popitem(last=False)[0]).unlink()\n", "                self.sizes.popitem(last=False)\n")): "the bytes in the folder",
            swap(("        if len(content) <= self.limit:\n            while sum(self.sizes.values()) + len(content) > self.limit:\n", "        if True:\n            while self.sizes and sum(self.sizes.values()) + len(content) > self.limit:\n")): "the bytes in the folder",
            swap(("        if len(content) <= self.limit:\n            while sum(self.sizes.values()) + len(content) > self.limit:\n                (self.folder / self.sizes.popitem(last=False)[0]).unlink()\n", "        while self.sizes and sum(self.sizes.values()) + len(content) > self.limit:\n            (self.folder / self.sizes.popitem(last=False)[0]).unlink()\n        if len(content) <= self.limit:\n")): "takes nobody's place",
            swap(("            self.sizes.move_to_end(name)\n", "")): "the file that came first goes",
            swap(("popitem(last=False)", "popitem(last=True)")): "for 'data/",
            swap(("self.sizes.popitem(last=False)[0]", "(big := max(self.sizes, key=self.sizes.get), self.sizes.pop(big))[0]")): "the largest file goes",
            swap(("                (self.folder / self.sizes.popitem(last=False)[0]).unlink()\n", "                while self.sizes:\n                    (self.folder / self.sizes.popitem(last=False)[0]).unlink()\n")): "everything goes",
            swap(("        if name in self.sizes:\n", "        if False:\n")): "the second epoch",
            swap(("return (self.folder / name).read_bytes()", "return (self.folder / name).read_text()")): "to be a list",
        },
        right=[GET_FILE, STREAMED, swap(("        content = self.files.cat_file(path)\n", "        content = b''.join(self.files.cat_file(path, begin, begin + 50) for begin in range(0, self.files.info(path)['size'], 50))\n"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (4, 8, 9, 12)] == [3, 1, 3, 3]


BY_FUTURES = """
def read_ranges(files, path, chunk, workers, tries):
    import asyncio

    async def one(door, begin, end):
        async with door:
            for number in range(1, tries + 1):
                try:
                    return await asyncio.get_running_loop().run_in_executor(pool, files.cat_file, path, begin, end)
                except OSError:
                    if number == tries:
                        raise

    async def every():
        door, size = asyncio.Semaphore(workers), files.info(path)["size"]
        return await asyncio.gather(*[one(door, begin, min(size, begin + chunk)) for begin in range(0, size, chunk)])

    pool, made = ThreadPoolExecutor(20), []
    import threading
    thread = threading.Thread(target=lambda: made.append(run(every())))
    def run(work):
        try:
            return asyncio.run(work)
        except OSError as error:
            return error
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return bytearray().join(made[0])
"""


def test_ranges():
    swap = partial(changed, "q10")
    read = "            try:\n                return files.cat_file(path, begin, min(begin + chunk, size))\n            except OSError:\n                if not left:\n                    raise\n"
    pooled = '    with ThreadPoolExecutor(workers) as pool:\n        return b"".join(pool.map(read, range(0, size, chunk)))\n'
    result = judged_well(
        EXERCISE,
        "q10",
        before=given("imports"),
        wrong={
            swap((pooled, '    return b"".join(map(read, range(0, size, chunk)))\n')): "the number of reads at a time",
            swap(("ThreadPoolExecutor(workers)", "ThreadPoolExecutor(workers + 3)")): "the number of reads at a time",
            swap(("ThreadPoolExecutor(workers)", "ThreadPoolExecutor(1)")): "the number of reads at a time",
            swap((pooled, "    pieces = []\n    with ThreadPoolExecutor(workers) as pool:\n        for begin in reversed(range(0, size, chunk)):\n            pieces.append(pool.submit(read, begin))\n    return b''.join(each.result() for each in pieces)\n")): "the right bytes in another order",
            swap(("range(0, size, chunk)", "range(0, size - chunk + 1, chunk)")): "not those of the file",
            swap(("min(begin + chunk, size)", "min(begin + chunk, size) - 1")): "not those of the file",
            swap(("files.cat_file(path, begin, min(begin + chunk, size))", "files.cat_file(path)[begin : begin + chunk]")): "the bytes that are read",
            swap((pooled, "    return files.cat_file(path)\n")): "the number of reads",
            swap((read, "            return files.cat_file(path, begin, min(begin + chunk, size))\n")): "to be read",
            swap(("                if not left:\n                    raise\n", "                if not left:\n                    return b''\n")): "OSError where a range fails",
            swap(("range(tries)", "range(tries + 1)")): "the number of tries of a range",
            swap((read, "            return files.cat_file(path, begin, min(begin + chunk, size))\n"), (pooled, "    while True:\n        try:\n            with ThreadPoolExecutor(workers) as pool:\n                return b''.join(pool.map(read, range(0, size, chunk)))\n        except OSError:\n            tries -= 1\n            if not tries:\n                raise\n")): "where two reads fail twice",
            swap((pooled, pooled.replace('b"".join(', "list("))): "not those of the file",
        },
        right=[BY_FUTURES, swap(("range(0, size, chunk)))", "range(0, size, chunk), timeout=60))")), swap(("min(begin + chunk, size)", "begin + chunk"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 1, 8, 9)] == [2, 2, 2, 2]


PLACE_BY_PLACE = """
def packed(rows, room):
    ids, places, labels, mask = [], [], [], np.zeros((room, room), dtype=bool)
    for row in rows:
        begin = len(ids)
        ids += row
        for place in range(len(row)):
            places.append(np.int64(place))
            labels.append(row[place] if place else -100)
            mask[begin + place, begin : begin + place + 1] = True
    spare = room - len(ids)
    mask[range(room), range(room)] = True
    return {"input_ids": np.array(ids + [0] * spare), "position_ids": places + [0] * spare, "labels": tuple(labels + [-100] * spare), "mask": mask}


def row_losses(logits, block):
    chances, sums, counts = logits.log_softmax(-1), [], []
    for place, (position, label) in enumerate(zip(block["position_ids"].tolist(), block["labels"].tolist())):
        if label == -100:
            sums.append(0.0), counts.append(0)
        else:
            sums[-1] -= chances[place - 1, label].item()
            counts[-1] += 1
    return np.array([total / count for total, count in zip(sums, counts) if count])
"""


def test_packed_rows():
    swap = partial(changed, "q11")
    mask = '"mask": (of[:, None] == of).tril()'
    result = judged_well(
        EXERCISE,
        "q11",
        before=given("imports"),
        wrong={
            swap(("    position_ids = torch.arange(room) - (lengths", "    starts = torch.arange(room) - (lengths"), ("position_ids == 0, -100", "starts == 0, -100"), ('"position_ids": position_ids', '"position_ids": torch.arange(room)')): "do not begin anew in each row",
            swap(('"position_ids": position_ids', '"position_ids": position_ids + (of < len(rows))')): "counting from 1",
            swap((" + [1] * (room - sum(lengths))", " + [room - sum(lengths)]")): "counting on in the empty places",
            swap(("    ids[: sum", "    ids[room - sum"), ("rows))] = torch", "rows)) :] = torch")): "lie in front",
            swap(("position_ids == 0, -100", "of >= len(rows), -100")): "the row before would be asked for it",
            swap(("position_ids == 0, -100", "torch.arange(room) == 0, -100")): "'labels' of packed",
            swap(("ids.masked_fill(position_ids == 0, -100)", "ids.masked_fill((position_ids == 0) & (of < len(rows)), -100)")): "empty places that are labels",
            swap(("ids.masked_fill(position_ids == 0, -100)", "ids.masked_fill(position_ids == 0, -100).roll(-1)")): "moved already",
            swap((mask, '"mask": torch.ones(room, room, dtype=torch.bool).tril()')): "a mask across rows",
            swap((mask, '"mask": of[:, None] == of')): "lets a token see those after it",
            swap((mask, '"mask": torch.ones(room, room, dtype=torch.bool)')): "hides nothing",
            swap((mask, '"mask": (of[:, None] == of).tril().T')): "rows and columns exchanged",
            swap((mask, '"mask": (of[:, None] == of).tril() & (of < len(rows))')): "finite number",
            swap((mask, '"mask": (of < len(rows))')): "to have the shape",
            swap((mask, '"mask": torch.where((of[:, None] == of).tril(), 0.0, -1e9)')): "to hold True and False",
            swap((", " + mask, "")): "to have the key 'mask'",
            swap(("logits[:-1], labels", "logits[1:], labels")): "the label of their own place",
            swap(("].mean() for", "].sum() for")): "the sum over the tokens",
            swap(("    return [losses[(its_row == number) & (labels != -100)].mean() for", "    return [losses[labels != -100].mean() for")): "the mean over all tokens",
            swap(("losses[(its_row == number) & (labels != -100)].mean()", "losses[(its_row == number) & (labels != -100)].sum() / (its_row == number).sum()")): "row_losses",
            swap(("its_row[labels != -100].unique()", "its_row.unique()")): "row_losses",
        },
        right=[PLACE_BY_PLACE, swap((mask, '"mask": (of[:, None] == of).tril().long()'))],
    )  # fmt: skip
    points = [report.points for report in result.wrong]
    assert points == [3, 3, 2, 2, *[3] * 11, 0, *[3] * 5]


PREDICTIONS = "def predictions(): return {name: name in ('prefetch', 'drawn', 'shuffled') for name in NAMES}"


def test_predict():
    judged_well(
        EXERCISE,
        "q12",
        before=f"NAMES = {list(feeding_the_model.FOUND)}",
        wrong={
            "def predictions(): return {'pinned': True}": "to have the key",
            "def predictions(): return dict.fromkeys(NAMES, True)": "right predictions",
            "def predictions(): return dict.fromkeys(NAMES, False)": "right predictions",
            "def predictions(): return [True] * 6": "to be a dict",
            "def predictions(): return dict.fromkeys(NAMES, 1)": "True or False",
            PREDICTIONS.replace("'drawn', ", ""): "all six",
        },
        right=[
            PREDICTIONS,
            "import numpy as np\ndef predictions(): return {name: np.bool_(name in ('prefetch', 'drawn', 'shuffled')) for name in NAMES}",
            "predictions = lambda: dict(zip(NAMES, (True, False, False, True, False, True)))",
        ],
    )  # fmt: skip


def test_what_is_predicted_is_measured():
    cells = given("imports"), given("q12-measure"), given("q12-compare")
    measured = namespace("def predictions(): return {}", *cells)["measured"]
    assert measured == feeding_the_model.FOUND


def test_the_plan_of_workers_is_the_loaders():
    """What question 2 says of order, turns and requests under way, beside the loader itself."""
    from torch.utils.data import DataLoader

    class Asking(list):  # notes when it is asked for indices, in this process
        def __iter__(self):
            for number, indices in enumerate(list.__iter__(self)):
                asked.append(number)
                yield indices

    for batches, workers, factor in ((20, 2, 3), (5, 3, 2)):
        asked: list[int] = []
        sampler = Asking([number] for number in range(batches))
        loader = DataLoader(
            range(batches),
            batch_sampler=sampler,
            num_workers=workers,
            prefetch_factor=factor,
            collate_fn=whose,
        )
        found = []
        for taken, one in enumerate(loader, 1):
            found.append(one)
            assert len(asked) == min(batches, workers * factor + taken)
        plan = feeding_the_model._plans(batches, 1, workers, False)[""]
        assert found == [(worker, item) for worker, item, _ in plan]


def whose(items):
    from torch.utils.data import get_worker_info

    return get_worker_info().id, items[0]


def test_the_store_counts_and_fails():
    log = {"calls": [], "read": [], "fails": {"a": [3]}}
    store = feeding_the_model.store_of({"a": b"0123456789", "b": b"xy"}, log)
    with pytest.raises(OSError, match="lost"):
        store.cat_file("a")
    assert store.cat_file("a", 2, 5) == b"234" and log["read"] == [("a", 2, 5)]
    target = io.BytesIO()
    store.get_file("b", target)
    assert target.getvalue() == b"xy" and store.info("b")["size"] == store.size("b") == 2
    with pytest.raises(FileNotFoundError):
        store.open("c")
