"""Every question of exercise 28: the solution, the stub, wrong answers with the message they get, other right ways."""

import ast
import inspect
import textwrap
from functools import partial

import pytest
import torch

from course_utils.checks.chapters import models_in_pieces
from course_utils.checks.draw import Draw
from course_utils.checks.testing import changed_answer, given_cells, judged_well

EXERCISE = "28_models_in_pieces"
given = partial(given_cells, EXERCISE)
changed = partial(changed_answer, EXERCISE)


WITH_CHUNK = """
def shares(rows, ranks):
    pieces = [len(piece) for piece in torch.arange(rows).chunk(ranks)]
    pieces = np.array(pieces + [0] * (ranks - len(pieces)))
    return np.stack([np.cumsum(pieces) - pieces, pieces], 1)


def reads(rows, old, new):
    owner = [(file, int(row - first)) for file, (first, count) in enumerate(shares(rows, old)) for row in range(first, first + count)]
    found = []
    for first, count in shares(rows, new):
        mine = owner[first : first + count]
        found.append(tuple([file, min(r for f, r in mine if f == file), sum(f == file for f, _ in mine)] for file in sorted({f for f, _ in mine})))
    return found
"""


def test_shares():
    swap = partial(changed, "q1")
    result = judged_well(
        EXERCISE,
        "q1",
        before=given("imports"),
        wrong={
            swap(("    each = math.ceil(rows / ranks)\n    ends = [min(each * rank, rows) for rank in range(ranks + 1)]\n", "    ends = [0, *itertools.accumulate(rows // ranks + (rank < rows % ranks) for rank in range(ranks))]\n")): "tensor_split",
            swap(("(begin, end - begin)", "(begin, end)"), ("begin + wanted", "wanted"), ("start + there", "there")): "first and last row",
            swap(("[min(each * rank, rows) for rank in range(ranks + 1)]", "[each * rank for rank in range(ranks + 1)]"), ("(begin, end - begin)", "(begin, max(0, min(end, rows) - begin))")): "begin behind the last row",
            swap(("itertools.pairwise(ends)]", "itertools.pairwise(ends) if end > begin]")): "to hold",
            swap(("first - start, end - first", "first, end - first")): "in the whole tensor",
            swap(("            if first < end:\n                own.append((file, first - start, end - first))", "            own.append((file, first - start, max(0, end - first)))")): "reads of no row",
            swap(("end - first))", "end - start))")): "reads(",
            "def shares(rows, ranks): return None\n\n\ndef reads(rows, old, new): return 3": "to be a list",
        },
        right=[WITH_CHUNK],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (4, 5)] == [1, 1]


AS_TENSORS = """
def sent(numbers, ranks, stage, micro):
    piece = np.float64(numbers / ranks)
    rounds = ranks - 1
    calls = [(2, 0, 0), (0, 1, 1), (0, micro, 1), (0, micro, 2 * micro)][stage]
    return {name: sum([piece] * rounds) * count for name, count in zip(("all_reduce", "reduce_scatter", "all_gather"), calls)}


def most(blocks, ranks, policy):
    held = [torch.tensor(block / ranks, dtype=torch.float64) for block in blocks]
    moments = []
    for number, block in enumerate(blocks):
        if policy == "all in one":
            held = [torch.tensor(float(each)) for each in blocks]
        before, held[number] = held[number], torch.tensor(float(block), dtype=torch.float64)
        moments.append(sum(held))
        if policy == "each block":
            held[number] = before
    return max(moments)
"""


def test_sent_and_held():
    swap = partial(changed, "q2")
    result = judged_well(
        EXERCISE,
        "q2",
        before=given("imports"),
        wrong={
            swap(("numbers * (ranks - 1) / ranks", "float(numbers)")): "does not send itself",
            swap(("2 * one_way if", "one_way if")): "have to come back",
            swap(("{0: 0, 1: 1}.get(stage, micro)", "int(stage > 0)")): "nobody has room",
            swap(("3: 2 * micro}", "3: 2}")): "let go after each use",
            swap(("3: 2 * micro}", "3: micro}")): "gathered forward only",
            swap(("3: 2 * micro}", "3: 2 * micro + 1}")): "sent after the step as well",
            swap(("{0: 0, 1: 1}.get(stage, micro)", "micro * (stage > 0)"), ("2 * one_way if", "2 * micro * one_way if")): "added up at home first",
            swap(("return largest + (sum(blocks) - largest) / ranks", "return largest")): "the largest block alone",
            swap(("(sum(blocks) - largest) / ranks", "sum(blocks) / ranks")): "besides its own piece",
            swap(('policy != "each block"', 'policy == "all in one"')): "let go after forward",
            "def sent(numbers, ranks, stage, micro): return {'all_reduce': 1}\n\n\ndef most(blocks, ranks, policy): return None": "the keys of",
        },
        right=[AS_TENSORS],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (2, 7, 9)] == [2, 2, 2]


BY_THE_LIBRARY = """
def step(weight, gradient, state, rank, world, reduce_scatter, all_gather):
    size = -(-len(weight) // world)
    grown = torch.zeros(2, size * world)
    grown[0, : len(weight)], grown[1, : len(weight)] = weight, gradient
    mine = torch.nn.Parameter(grown[0].view(world, size)[rank].clone())
    mine.grad = reduce_scatter(grown[1]) / world
    optimizer = torch.optim.Adam([mine], lr=0.01, eps=0.01)
    if state:
        optimizer.load_state_dict(state["optimizer"])
    optimizer.step()
    state["optimizer"] = optimizer.state_dict()
    state["first"] = optimizer.state[mine]["exp_avg"]
    return all_gather(mine.detach())[: len(weight)]
"""
ALL_ON_ALL = """
def step(weight, gradient, state, rank, world, reduce_scatter, all_gather):
    size = math.ceil(len(weight) / world)
    mean = all_gather(reduce_scatter(F.pad(gradient, (0, size * world - len(weight)))))[: len(weight)] / world
    t = state["steps"] = state.get("steps", 0) + 1
    state["first"] = 0.9 * state.get("first", 0) + 0.1 * mean
    state["second"] = 0.999 * state.get("second", 0) + 0.001 * mean**2
    return weight - 0.01 * state["first"] / (1 - 0.9**t) / ((state["second"] / (1 - 0.999**t)).sqrt() + 0.01)
"""


def test_adam():
    swap = partial(changed, "q3")
    result = judged_well(
        EXERCISE,
        "q3",
        before=given("imports"),
        wrong={
            swap((") / world\n", ")\n")): "the sum of the gradients",
            swap(("mean = reduce_scatter(F.pad(gradient, padding)) / world", "reduce_scatter(F.pad(gradient, padding))\n    mean = F.pad(gradient, padding)[rank * size : (rank + 1) * size]")): "step(…) number 1",
            swap((' / (1 - 0.9 ** state["steps"])', ""), (' / (1 - 0.999 ** state["steps"])', "")): "not corrected for their beginning",
            swap(('state["steps"] = state.get("steps", 0) + 1', 'state.clear()\n    state["steps"] = 1')): "step(…) number 2",
            swap(("math.ceil(len(weight) / world)", "len(weight) // world")): "",
            swap(("[: len(weight)]\n", "\n")): "to have the shape",
            swap(("[rank * size : (rank + 1) * size]", "[:size]")): "step(…) number 1",
            ALL_ON_ALL: "the numbers in state on rank",
            swap(("    piece = ", "    all_gather(mean)\n    piece = ")): "the collectives that rank 0",
            swap(("size * world - len(weight))", "size * world - len(weight) + world)"), ("F.pad(weight, padding)", "F.pad(weight, padding)"), ("* size : (rank + 1) * size]", "* (size + 1) : (rank + 1) * (size + 1)]")): "brings to reduce_scatter",
            swap(("    padding =", "    if rank == world - 1 and world > 1:\n        return weight\n    padding =")): "does not come",
            "def step(weight, gradient, state, rank, world, reduce_scatter, all_gather): return weight": "step(…) number 1",
        },
        right=[BY_THE_LIBRARY],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (4, 7, 8)] == [1, 3, 3]


IN_HEADS = """
def cut(weights, rank, world):
    found = {}
    for name, each in weights.items():
        n = max(each.shape) if name in ("down", "gate", "up") else each.shape[0]
        mine = slice(rank * n // world, (rank + 1) * n // world)
        if name == "bias":
            found[name] = each / world
        else:
            found[name] = each[:, mine].clone() if name in ("down", "out") else each[mine].clone()
    return found


def mlp(x, mine, all_reduce):
    return all_reduce(F.linear(F.silu(F.linear(x, mine["gate"])) * F.linear(x, mine["up"]), mine["down"], mine["bias"]))


def attention(x, mine, size, all_reduce):
    heads = []
    for at in range(0, len(mine["query"]), size):
        q, k, v = (x @ mine[name][at : at + size].T for name in ("query", "key", "value"))
        scores = (q @ k.T / math.sqrt(size)).masked_fill(torch.ones(len(x), len(x)).triu(1).bool(), -math.inf)
        heads.append(scores.softmax(-1) @ v)
    return all_reduce(torch.cat(heads, 1) @ mine["out"].T)
"""


def test_through_a_layer():
    swap = partial(changed, "q4")
    result = judged_well(
        EXERCISE,
        "q4",
        before=given("imports"),
        wrong={
            swap(('all_reduce(hidden @ mine["down"].T) + mine["bias"]', 'all_reduce(hidden @ mine["down"].T + mine["bias"])')): "added on each rank",
            swap((' + mine["bias"]', "")): "which is missing",
            swap(('all_reduce(hidden @ mine["down"].T)', 'hidden @ mine["down"].T')): "without the other ranks",
            swap(("is_causal=True", "is_causal=False")): "without its causal mask",
            swap(("is_causal=True", "is_causal=True, scale=x.shape[1] ** -0.5")): "the root of the width",
            swap(("return all_reduce(attended.transpose(0, 1).flatten(1) @", "return (attended.transpose(0, 1).flatten(1) @")): "this rank's heads alone",
            swap(("[rank].clone()", "[rank]")): "the numbers that cut(…) gives",
            swap(("    columns =", "    return weights\n    columns ="), ("return all_reduce(hidden @", "return (hidden @"), ("return all_reduce(attended", "return (attended")): "the numbers that cut(…) gives",
            swap(('hidden = F.silu(x @ mine["gate"].T)', 'hidden = F.silu(all_reduce(x @ mine["gate"].T) - all_reduce(x @ mine["gate"].T) + x @ mine["gate"].T)')): "the calls of all_reduce",
            "def cut(weights, rank, world): return {}\n\n\ndef mlp(x, mine, all_reduce): return x\n\n\ndef attention(x, mine, size, all_reduce): return x": "mlp(…) on rank 0",
        },
        right=[IN_HEADS],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 3, 6, 8)] == [1, 1, 3, 3]


IN_WORDS = """
def order(stage, stages, micro):
    made, forward, backward = [], 0, 0
    while backward < micro:
        if forward < micro and forward - backward < stages - stage:
            made.append(["F", np.int64(forward)])
            forward += 1
        else:
            made.append(["B", backward])
            backward += 1
    return made


def least(stages, share):
    return max(1, math.ceil((stages - 1) * (1 - share) / share - 1e-9))


def split(costs, stages):
    for limit in range(max(costs), sum(costs) + 1):
        cuts, load = [0], 0
        for number, cost in enumerate(costs):
            if load + cost > limit or len(costs) - number < stages - len(cuts) + 1:
                cuts.append(number)
                load = 0
            load += cost
        if len(cuts) <= stages and len(cuts) == stages:
            return np.diff([*cuts, len(costs)])
"""
GPIPE = """    return [("F", number) for number in range(micro)] + [("B", number) for number in range(micro)]
"""


def test_in_stages():
    swap = partial(changed, "q5")
    answer = changed("q5")
    first = answer[answer.index("    ahead =") : answer.index("    ### END SOLUTION")]
    result = judged_well(
        EXERCISE,
        "q5",
        before=given("imports"),
        wrong={
            swap((first, GPIPE)): "wait for their backward",
            swap(("min(stages - 1 - stage, micro)", "0")): "to end after",
            swap(("min(stages - 1 - stage, micro)", "min(stages - stage, micro)")): "wait for their backward",
            swap(("number in range(micro) for kind", "number in reversed(range(micro)) for kind")): "in order",
            swap(("(stages - 1) / (stages - 1 + micro) <= share", "(stages - 1) / micro <= share")): "a share of the work",
            swap(("<= share)", "< share)")): "least(4, 0.25)",
            swap(("    tries = itertools.combinations", "    return [len(costs) // stages + (n < len(costs) % stages) for n in range(stages)]\n    tries = itertools.combinations")): "the slowest stage of",
            swap(("[end - begin for begin, end in itertools.pairwise(best)]", "[0, *(end - begin for begin, end in itertools.pairwise(best))]")): "to hold",
            "def order(stage, stages, micro): return 3\n\n\ndef least(stages, share): return None\n\n\ndef split(costs, stages): return [1]": "to be a list",
        },
        right=[IN_WORDS],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 1, 4, 6)] == [2, 3, 3, 3]


def test_the_rule_on_paper_holds_for_the_textbooks_orders():
    """All forward first is as long and holds more; the wrong order of two stages never ends."""
    gpipe = [[("F", n) for n in range(4)] + [("B", n) for n in range(4)]] * 3
    assert models_in_pieces._ended(gpipe, 1, 2) == (4 + 2) * 3
    assert (
        models_in_pieces._ended(
            [[("F", 0), ("B", 0), ("F", 1), ("B", 1)], [("F", 1), ("B", 1), ("F", 0), ("B", 0)]], 1, 1
        )
        is None
    )


IN_CASES = """
def bytes_on(weights, ranks, per_machine, stage, offload):
    state = 12 * weights if stage == 0 else 12 * weights / ranks
    gradients = 2 * weights if stage < 2 else 2 * weights / ranks
    own = 2 * weights if stage < 3 else 2 * weights / ranks
    if offload == "nothing":
        return np.array([state + gradients + own, 0])
    if offload == "state":
        return np.array([own, per_machine * (state + gradients)])
    return torch.tensor([0, per_machine * (state + gradients + own)], dtype=torch.float64)


def plan(weights, ranks, per_machine, card, beside):
    for each in [[0, "nothing"], [1, "nothing"], [2, "nothing"], [3, "nothing"], [2, "state"], [3, "state"], [3, "state and weights"]]:
        if (bytes_on(weights, ranks, per_machine, *each) <= (torch if each[1] == "state and weights" else np).asarray([card, beside])).all():
            return each
"""


def test_on_the_card():
    swap = partial(changed, "q6")
    result = judged_well(
        EXERCISE,
        "q6",
        before=given("imports"),
        wrong={
            swap(('"state": (12, 1)', '"state": (8, 1)')): "a 32-bit copy",
            swap(('"state": ["state", "gradients"]', '"state": ["state"]')): "gradients that stay on the card",
            swap(("per_machine * beside", "beside")): "the ranks of a machine share",
            swap(("per_machine * beside", "ranks * beside")): "only those of one machine",
            swap(('[(2, "state"), (3, "state")', '[(3, "state"), (2, "state")')): "plan(",
            swap((" and off <= beside", "")): "plan(",
            swap(("on <= card", "on < card"), ("off <= beside", "off < beside")): "plan(",
            "def bytes_on(weights, ranks, per_machine, stage, offload): return 1\n\n\ndef plan(weights, ranks, per_machine, card, beside): return 1": "to be a list",
        },
        right=[IN_CASES],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (2, 4, 5)] == [1, 2, 2]


BY_HAND = """
def walk(config, path=()):
    for name, value in config.items():
        if isinstance(value, dict):
            yield from walk(value, (*path, name))
        else:
            yield ".".join((*path, name)), value, config, name


def value_of(path, config, arguments, ranks):
    if path == "train_batch_size":
        one, two = (config.get(name, "auto") for name in ("train_micro_batch_size_per_gpu", "gradient_accumulation_steps"))
        one = arguments["per_device_train_batch_size"] if one == "auto" else one
        return ranks * one * (arguments["gradient_accumulation_steps"] if two == "auto" else two)
    return arguments.get(PLACES.get(path))


def filled(config, arguments, ranks):
    made = copy.deepcopy(config)
    for path, value, inner, name in list(walk(made)):
        found = value_of(path, config, arguments, ranks)
        if value == "auto" and found is not None:
            inner[name] = found
    return made


def contradictions(config, arguments, ranks):
    whole = filled(config, arguments, ranks)
    found = tuple(path for path, value, _, _ in walk(whole) if value != value_of(path, config, arguments, ranks) and (path in PLACES or path == "train_batch_size"))
    zero = config.get("zero_optimization", {})
    if whole.get("fp16", {}).get("enabled") and whole.get("bf16", {}).get("enabled"):
        found += ("fp16.enabled",)
    if "offload_param" in zero and zero["stage"] != 3:
        found += ("zero_optimization.offload_param",)
    if "offload_optimizer" in zero and zero["stage"] == 0:
        found += ("zero_optimization.offload_optimizer",)
    return found
"""


def test_config():
    swap = partial(changed, "q7")
    result = judged_well(
        EXERCISE,
        "q7",
        before=given("imports") + "\n\n" + given("q7-given"),
        wrong={
            swap(("copy.deepcopy(config)", "config")): "the config that filled(config, arguments, ranks) is given",
            swap(("copy.deepcopy(config)", "dict(config)")): "the config that filled(config, arguments, ranks) is given",
            swap(('        if get(made, path) == "auto":\n            put(made, path, value)', '        if get(made, path) is not None:\n            put(made, path, value)')): "of filled(config, arguments, ranks)",
            swap(("ranks * batch", "batch")): "without the number of ranks",
            swap(("list(PLACES)[:2]", "list(PLACES)[:1]")): "without the accumulation",
            swap(("value if isinstance(said, (str, type(None))) else said", "value")): "the arguments alone",
            swap(('    found |= {"fp16.enabled"} if get(now, "bf16.enabled") and get(now, "fp16.enabled") else set()\n', "")): "the names in",
            swap(('"zero_optimization.offload_param": 3', '"zero_optimization.offload_param": 2')): "the names in",
            swap(("get(now, path) not in (None, value)", 'get(now, path) not in (None, value) and "." not in path')): "the names in",
            swap(("        if get(made, path)", '        if "." not in path and get(made, path)')): "of filled(config, arguments, ranks)",
            "def filled(config, arguments, ranks): return None\n\n\ndef contradictions(config, arguments, ranks): return 'none'": "to be a dict",
        },
        right=[BY_HAND],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (6, 7)] == [3, 3]


WITH_FRAMES = """
def late(events):
    import pandas as pd

    table = pd.DataFrame(events)
    usual = (table["arrived"] - table["begun"]).groupby(table["rank"]).median()
    return usual.index[usual > 1.25 * usual.median()].to_numpy()


def serial_share(times):
    columns = torch.tensor([[1.0, 1 / n] for n in times], dtype=torch.float64)
    a, b = torch.linalg.lstsq(columns, torch.tensor(list(times.values()), dtype=torch.float64)[:, None]).solution[:, 0]
    return a / (a + b)


def deal(lengths, ranks):
    order = np.argsort(-np.array(lengths), kind="stable")
    rows, loads = [[] for _ in range(ranks)], np.zeros(ranks)
    for row in order:
        full = [len(own) == len(lengths) // ranks for own in rows]
        rank = int(np.argmin(np.where(full, np.inf, loads)))
        rows[rank].append(int(row))
        loads[rank] += lengths[row]
    return torch.tensor(rows)
"""


def test_late():
    swap = partial(changed, "q8")
    result = judged_well(
        EXERCISE,
        "q8",
        before=given("imports"),
        wrong={
            swap(("median(each) for", "sum(each) / len(each) for")): "a few stalls move it",
            swap(("median(each) for", "max(each) for")): "the longest step",
            swap(('event["arrived"] - event["begun"]', 'event["left"] - event["arrived"]')): "who waits longest",
            swap(('event["arrived"] - event["begun"]', 'event["arrived"]')): "late(events)",
            swap(('event["arrived"] - event["begun"]', 'event["left"] - event["begun"]')): "late(events)",
            swap(("return fixed / (fixed + divided)", "return fixed / divided")): "serial_share(",
            swap(("1 / np.array(list(times))", "np.array(list(times))")): "serial_share(",
            swap(("sorted(range(len(lengths)), key=lambda row: -lengths[row])", "range(len(lengths))")): "the longest rank's sum",
            swap(("        open_ones = [own for own in rows if len(own) < len(lengths) // ranks]\n", "        open_ones = rows\n")): "the numbers of rows",
            "def late(events): return None\n\n\ndef serial_share(times): return 'half'\n\n\ndef deal(lengths, ranks): return [[]]": "late(events)",
        },
        right=[WITH_FRAMES],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 5, 7)] == [3, 3, 3]


IN_ONE_TABLE = """
def save(disk, step, pieces):
    import json

    table = json.loads(disk.files().get("table", b"[]"))
    tidy(disk, table)
    generation = 1 + max([int(name.split("-")[0]) for name in disk.files() if "-" in name], default=0)
    names = [f"{generation}-{number}" for number in range(len(pieces))]
    for name, piece in zip(names, pieces):
        disk.write(name, piece)
    table = [*[each for each in table if each[0] != step][-1:], [step, names]]
    disk.write("new table", json.dumps(table).encode())
    disk.rename("new table", "table")
    tidy(disk, table)


def tidy(disk, table):
    used = {name for _, each in table for name in each}
    for name in disk.files():
        if name not in used and name != "table":
            disk.delete(name)


def newest(disk):
    import json

    table = json.loads(disk.files().get("table", b"[]"))
    return [table[-1][0], tuple(disk.files()[name] for name in table[-1][1])] if table else None
"""


def test_whole():
    swap = partial(changed, "q9")
    begin = given("imports") + "\n\n" + given("q9-dead", "q9-given")
    cleaning = (
        '    for name in sorted(disk.files(), key=lambda name: not name.endswith("/whole")):\n'
        '        if not name.startswith(f"{kept}/"):\n'
        "            disk.delete(name)\n"
    )
    result = judged_well(
        EXERCISE,
        "q9",
        before=begin,
        wrong={
            swap(("    kept = max((each for each in _whole(disk) if each != step), default=None)\n", "    kept = None\n")): "that dies at operation",
            swap(('    disk.write(f"{step}/part", str(len(pieces)).encode())\n    disk.rename(f"{step}/part", f"{step}/whole")\n', '    disk.write(f"{step}/whole", str(len(pieces)).encode())\n')): "",
            swap(('    for number, piece in enumerate(pieces):\n        disk.write(f"{step}/{number}", piece)\n    disk.write(f"{step}/part", str(len(pieces)).encode())\n    disk.rename(f"{step}/part", f"{step}/whole")\n', '    disk.write(f"{step}/part", str(len(pieces)).encode())\n    disk.rename(f"{step}/part", f"{step}/whole")\n    for number, piece in enumerate(pieces):\n        disk.write(f"{step}/{number}", piece)\n')): "",
            swap((cleaning, "")): "the pieces of step",
            swap(('key=lambda name: not name.endswith("/whole")', "key=len")): "an error, KeyError",
            swap(('int(name.split("/")[0]) for name', 'name.split("/")[0] for name'), ("return step, [", "return int(step), [")): "the step of newest(disk)",
            swap(("        return None\n", "        return 0, []\n")): "of an empty disk",
            "def save(disk, step, pieces): disk.write('one', b''.join(pieces))\n\n\ndef newest(disk): return None": "newest(disk) after the save",
        },
        right=[IN_ONE_TABLE],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 3, 5)] == [1, 1, 0]


BY_DIVISORS = """
def layouts(case):
    gpus = case["machines"] * case["per_machine"]
    found = set()
    for tensor in range(1, case["per_machine"] + 1):
        for data in range(1, case["batch"] + 1):
            pipeline = gpus / tensor / data
            even = [case["per_machine"] / tensor, case["heads"] / tensor, case["batch"] / data, pipeline, case["layers"] / max(pipeline, 1)]
            if all(each == int(each) for each in even) and pipeline >= 1:
                memory, bubble = needs(case, (tensor, int(pipeline), data))
                if memory <= 0.9 * case["memory"] and bubble <= case["bubble"]:
                    found.add((tensor, int(pipeline), data))
    return torch.tensor(sorted(found)) if found else []


def chosen(case, allowed):
    found = sorted(([np.int64(n) for n in each] for each in allowed), key=lambda each: (each[0] * each[1], needs(case, each)[1]))
    return found[0] if found else None


def interval(save_seconds, between_failures, machines, step_seconds):
    return max(np.int64(1), np.round(np.sqrt(2 * save_seconds * between_failures / machines) / step_seconds).astype(int))
"""


def test_plan():
    swap = partial(changed, "q10")
    result = judged_well(
        EXERCISE,
        "q10",
        before=given("imports") + "\n\n" + given("q10-given"),
        wrong={
            swap((' or case["per_machine"] % tensor', "")): "tensor in a machine",
            swap((' or case["heads"] % tensor', "")): "tensor in the heads",
            swap((' or case["layers"] % pipeline', "")): "pipeline in the layers",
            swap(('case["batch"] % data == 0 and ', "")): "data in the batch",
            swap(('memory <= 0.9 * case["memory"] and ', "")): "the memory",
            swap((' and bubble <= case["bubble"]', "")): "the bubble",
            swap(("(each[0] * each[1], needs(case, each)[1])", "needs(case, each)[1]")): "the least bubble",
            swap(("(each[0] * each[1], needs(case, each)[1])", "each")): "the least tensor",
            swap((", default=None)", ")")): "",
            swap(("between_failures / machines", "between_failures")): "of many, one fails sooner",
            swap(("2 * save_seconds", "save_seconds")): "without its 2",
            swap((" / step_seconds", "")): "seconds in the place of steps",
            "def layouts(case): return 3\n\n\ndef chosen(case, allowed): return 1\n\n\ndef interval(save_seconds, between_failures, machines, step_seconds): return None": "to be a list",
        },
        right=[BY_DIVISORS],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (6, 9, 10)] == [3, 3, 3]
    assert [result.wrong[number].points for number in (0, 1, 3, 4)] == [2, 3, 3, 3]


def plain(tree):
    """A class or function without types, as a notebook shows it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
    return {
        node.name: [each.name for each in node.body if isinstance(each, ast.FunctionDef)] or ast.unparse(node)
        for node in tree.body
        if isinstance(node, (ast.ClassDef, ast.FunctionDef))
    }


@pytest.mark.parametrize(
    ("cell", "thing"), [("q9-dead", "Dead"), ("q9-given", "Disk"), ("q10-given", "needs")]
)
def test_what_is_given_is_what_is_judged_with(cell, thing):
    source = textwrap.dedent(inspect.getsource(getattr(models_in_pieces, thing)))
    assert plain(ast.parse(source)) == plain(ast.parse(given(cell)))


def test_the_disk_that_is_given_dies_as_the_one_that_is_judged_with():
    held = {}
    exec(given("q9-dead", "q9-given"), held)
    for disk, dead in ((held["Disk"](), held["Dead"]), (models_in_pieces.Disk(), models_in_pieces.Dead)):
        disk.write("a", b"1234")
        disk.life = 1
        disk.rename("a", "b")
        with pytest.raises(dead):
            disk.write("c", b"5678")
        with pytest.raises(dead):
            disk.write("d", b"5678")
        assert disk.files() == {"b": b"1234", "c": b"56"}


@pytest.mark.parametrize("seed", range(4))
def test_ranks_that_are_threads_add_up_and_say_who_is_missing(seed):
    def played(rank, world, all_reduce, all_gather):
        total = all_reduce(torch.tensor([float(rank)]))
        return all_gather(total) if seed < 3 or rank else None

    models_in_pieces.played_here = played
    try:
        calls = [(rank, 3) for rank in range(3)]
        if seed < 3:
            found = models_in_pieces.grouped("played_here", calls, ["all_reduce", "all_gather"])
            assert [each.tolist() for each in found["found"]] == [[3.0, 3.0, 3.0]] * 3
        else:
            with pytest.raises(RuntimeError, match="and rank 0 does not come"):
                models_in_pieces.grouped("played_here", calls, ["all_reduce", "all_gather"])
    finally:
        del models_in_pieces.played_here


@pytest.mark.parametrize("tight", [True, False])
def test_a_case_of_each_kind_has_layouts_and_loses_some_to_each_rule(tight):
    draw = Draw(b"a key")
    make = partial(models_in_pieces._tight, draw) if tight else partial(models_in_pieces._divided, draw, 7)
    found = models_in_pieces._layouts(models_in_pieces.mistakes.telling(make, models_in_pieces._layouts))
    right = found.pop("")
    assert right and all(len(each) > len(right) for each in found.values())
