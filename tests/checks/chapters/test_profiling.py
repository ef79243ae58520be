"""Every question of exercise 20: the solution, the stub, wrong answers with the message they get, other right ways."""

from functools import partial

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from course_utils.checks.chapters import profiling
from course_utils.checks.draw import Draw
from course_utils.checks.framework import load_exercise
from course_utils.checks.testing import changed_answer, given_cells, judged_well, namespace

EXERCISE = "20_profiling"
given = partial(given_cells, EXERCISE)
changed = partial(changed_answer, EXERCISE)


def test_the_card():
    exercise = load_exercise(EXERCISE)
    assert len(exercise.questions) == 11
    assert exercise.points == 39
    assert [question.name for question in exercise.questions.values() if question.manual] == ["q11"]


TIMES = """
import numpy as np


def times_of(prepare, work, calls, warm_up, clock, finish):
    for _ in range(warm_up):
        work(prepare())
    found = np.zeros(calls)
    for number in range(calls):
        batch = prepare()
        finish()
        began = clock()
        work(batch)
        finish()
        found[number] = clock() - began
    return found
"""


def test_times():
    swap = partial(changed, "q1")
    result = judged_well(
        EXERCISE,
        "q1",
        before=given("imports"),
        wrong={
            swap(("        work(batch)\n        finish()\n", "        work(batch)\n")): "when the work is sent",
            swap(("        finish()\n        began", "        began")): "that on the batch",
            swap(("        batch = prepare()\n        finish()\n        began = clock()\n", "        finish()\n        began = clock()\n        batch = prepare()\n")): "counting the making of the batch",
            swap(("        batch = prepare()\n", ""), ("    times = []\n", "    times, batch = [], prepare()\n")): "the batches that work gets",
            swap(("times[warm_up:]", "times")): "the number of times",
            swap(("range(warm_up + calls)", "range(calls)")): "the number of calls of work",
            swap(("return times[warm_up:]", "return [statistics.fmean(times[warm_up:])] * calls")): "the mean of all calls",
            swap(("return times[warm_up:]", "return [1000 * each for each in times[warm_up:]]")): "times in milliseconds",
            TIMES.replace("        finish()\n", ""): "when the work is sent",
            swap(("return times[warm_up:]", "return statistics.median(times)")): "to have the shape",
            swap(("return times[warm_up:]", "print(times)")): "to hold numbers only",
        },
        right=[
            TIMES,
            TIMES.replace("return found", "return tuple(torch.tensor(found))"),
            TIMES.replace("return found", "return [torch.tensor(each) for each in found]"),
            TIMES.replace("return found", "return list(found)"),
        ],
    )  # fmt: skip
    assert [report.points for report in result.wrong[:4]] == [1, 2, 2, 2]


INTERVALS = """
import numpy as np


def median_interval(times, confidence):
    times, n = np.sort(np.asarray(times, dtype=float)), len(times)
    chances = np.cumsum([math.comb(n, heads) / 2**n for heads in range(n + 1)])  # up to so many heads
    k = int((chances <= (1 - confidence) / 2).sum())
    if k < 1:
        raise ValueError("too few")
    return np.array([np.median(times), times[k - 1], times[-k]])


def compare(before, after, confidence):
    quotients = np.array(before) / np.array(after)
    ratio, low, high = median_interval(quotients, confidence)
    verdict = "not known" if low <= 1 <= high else "faster" if low > 1 else "slower"
    return dict(ratio=ratio, low=low, high=high, verdict=verdict)
"""
HOUSE = """
import scipy.stats


def median_interval(times, confidence):
    ordered, n, k = sorted(times), len(times), 0
    while scipy.stats.binom.cdf(k, n, 0.5) <= (1 - confidence) / 2:
        k += 1
    if k == 0:
        raise ValueError(f"{n} are too few")
    return [torch.tensor(statistics.median(ordered), dtype=torch.float64), ordered[k - 1], ordered[n - k]]


def compare(before, after, confidence):
    ratio, low, high = median_interval([b / a for b, a in zip(before, after)], confidence)
    return {"ratio": float(ratio), "low": low, "high": high, "verdict": ["not known", "faster", "slower"][(low > 1) + 2 * (high < 1)]}
"""


def test_intervals():
    swap = partial(changed, "q2")
    ratios = "[slow / fast for slow, fast in zip(before, after)]"
    result = judged_well(
        EXERCISE,
        "q2",
        before=given("imports"),
        wrong={
            swap(("statistics.median(ordered)", "statistics.fmean(ordered)")): "the mean, not the median",
            swap(("statistics.median(ordered)", "ordered[n // 2]")): "the higher of the two middle times",
            swap(("statistics.median(ordered)", "statistics.median_low(ordered)")): "the lower of the two",
            swap(("statistics.median(ordered)", "times[n // 2]")): "sort it first",
            swap(("range(k + 1)", "range(k)")): "one too large",
            swap(("ordered[k - 1], ordered[n - k]", "ordered[k], ordered[n - k - 1]")): "one too large",
            swap(("(1 - confidence) / 2", "1 - confidence")): "one too large",
            swap(("(1 - confidence) / 2", "0.025")): "to raise ValueError",
            swap(("ordered[k - 1], ordered[n - k]", "ordered[0], ordered[-1]")): "the smallest and the largest",
            swap(("ordered[k - 1], ordered[n - k]", "times[k - 1], times[n - k]")): "of the list as it came",
            swap(("statistics.median(ordered), ordered[k - 1], ordered[n - k]", "statistics.median(ordered), *statistics.quantiles(times, n=4)[::2]")): "the quartiles",
            swap(('    if k == 0:\n        raise ValueError(f"{n} times say too little")\n', "")): "to raise ValueError",
            swap(("if k == 0", "if n < 6")): "to raise ValueError",
            swap(("ordered[k - 1], ordered[n - k]\n", "ordered[n - k], ordered[k - 1]\n")): "low and high",
            swap((ratios, "[fast / slow for slow, fast in zip(before, after)]")): "after divided by before",
            swap((f"median_interval({ratios}, confidence)", f"median_interval({ratios}, confidence)\n    ratio = statistics.median(before) / statistics.median(after)")): "the ratio of each pair first",
            swap(("zip(before, after)]", "zip(sorted(before), sorted(after))]")): "tears the pairs apart",
            swap((f"median_interval({ratios}, confidence)", f"median_interval({ratios}, confidence)\n    ratio = statistics.fmean({ratios})")): "the mean of the ratios",
            swap(('"faster" if low > 1 else "slower" if high < 1 else "not known"', '"faster" if ratio > 1 else "slower"')): "the verdict",
            swap(("low > 1 else", "low >= 1 else")): "the verdict",
            swap(('"slower" if high < 1', '"slower" if ratio < 1')): "the verdict",
        },
        right=[INTERVALS, HOUSE],
    )  # fmt: skip
    assert {report.points for report in result.wrong[11:13]} == {3}


FLOPS = """
import numpy as np


def forward_flops(config, batch, tokens):
    shapes, width = [], config["width"]
    narrow = config["kv_heads"] * (width // config["heads"])
    for _ in range(config["layers"]):
        shapes += [(width, width)] * 2 + [(width, narrow)] * 2 + [(width, config["inner"])] * 2
        shapes += [(width, config["inner"])] if config["gated"] else []
    shapes.append((width, config["vocabulary"]))
    products = sum(batch * tokens * a * b for a, b in shapes)
    return np.int64(2 * (products + config["layers"] * 2 * batch * tokens * tokens * width))


def mfu(config, batch, tokens, seconds, peak, devices):
    return torch.tensor(3.0 * float(forward_flops(config, batch, tokens)) / seconds / peak / devices, dtype=torch.float64)


def padded(config, multiple, tokens):
    size = -(-config["vocabulary"] // multiple) * multiple
    grown = {**config, "vocabulary": size}
    share = forward_flops(grown, 1, tokens) / forward_flops(config, 1, tokens) - 1
    matrices = 2 - config["tied"]
    return {"vocabulary": np.int64(size), "parameters": matrices * (size - config["vocabulary"]) * config["width"], "flops": share}
"""
COUNTED = (
    given("q3-given")
    + """

def forward_flops(config, batch, tokens):
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        WrittenOut(config)(torch.zeros(batch, tokens, dtype=torch.long))
    return counter.get_total_flops()
"""
)


def test_flops():
    swap = partial(changed, "q3")
    judged_well(
        EXERCISE,
        "q3",
        before=given("imports"),
        wrong={
            swap(("return 2 * rows", "return rows")): "they are 2",
            swap((' + config["vocabulary"])', ")")): "leaving out the logits",
            swap(("(weights + 2 * tokens)", "weights")): "leaving out the scores and the weighted sums",
            swap(("(weights + 2 * tokens)", "(weights + tokens)")): "leaving out the weighted sums",
            swap(("(weights + 2 * tokens)", '(weights + 2 * tokens * config["kv_heads"] / config["heads"])')): "for the heads of keys and values only",
            swap((' + config["vocabulary"])', ' + 2 * config["vocabulary"])')): "the embedding",
            swap(("2 * width + 2 * narrow", "width + 2 * narrow")): "the fourth matrix",
            swap(('(3 if config["gated"] else 2)', "2")): "the second matrix of a gated layer",
            swap(('width // config["heads"] * config["kv_heads"]', "width")): "as wide as the queries",
            swap(('config["layers"] * (weights', "(weights")): "one layer alone",
            swap(("(weights + 2 * tokens)", "(weights + 2 * rows)")): "between all tokens of the batch",
            swap(("return 2 * rows", "return 6 * rows")): "a training step",
            swap(("return 3 * forward", "return forward")): "the forward pass alone",
            swap(("return 3 * forward", "return 2 * forward")): "as much as a forward pass",
            swap(("peak * devices)", "peak)")): "how many devices",
            swap(("return 3 * forward", "return 300 * forward")): "percent",
            swap(('math.ceil(config["vocabulary"] / multiple)', '(config["vocabulary"] // multiple + 1)')): "where it is one already",
            swap(('math.ceil(config["vocabulary"] / multiple)', 'round(config["vocabulary"] / multiple)')): "rounding down",
            swap(("1 if config[\"tied\"] else 2", "2 if config[\"tied\"] else 1")): "they are tied",
            swap(("1 if config[\"tied\"] else 2", "1")): "they are not tied",
            swap(('{"vocabulary": config["vocabulary"] + more', '{"vocabulary": more')): "how many are added",
            swap(('matrices * more * config["width"], "flops"', 'more * matrices, "flops"')): "the parameters of",
            swap(("share = 2 * tokens", "share = 4 * tokens")): "an embedding that counts",
            swap(("share = 2 * tokens", "share = 2")): "one token",
            swap(("share = 2 * tokens * config[\"width\"] * more / forward_flops(config, 1, tokens)", "share = more / config['vocabulary']")): "of the vocabulary",
            swap(("/ forward_flops(config, 1, tokens)\n    return {", "\n    return {")): "the FLOPs, not the share",
            swap(("forward_flops(config, 1, tokens)\n    return {", 'forward_flops(config | {"vocabulary": config["vocabulary"] + more}, 1, tokens)\n    return {')): "a share of the padded pass",
            swap(('"flops": share}', '"flops": 100 * share}')): "percent",
            swap((', "flops": share}', "}")): "to have the key 'flops'",
        },
        right=[FLOPS, swap(("def mfu", "def unused")) + "\n" + COUNTED + "\nmfu = unused", swap((" * tokens * config[\"width\"] * more / forward_flops(config, 1, tokens)", " * 3 * tokens * config[\"width\"] * more / forward_flops(config, 3, tokens)"))],
    )  # fmt: skip


@pytest.mark.parametrize("number", range(2))
def test_flops_are_those_that_pytorch_counts(number):
    draw, made = Draw(b"draw %d" % number), namespace(given("imports"), given("q3-given"))
    for other in (True, False):
        config = profiling._decoder(draw, other)
        with torch.device("meta"), FlopCounterMode(display=False) as counter:
            made["WrittenOut"](config)(torch.zeros(2, 30, dtype=torch.long)).sum().backward()
        assert counter.get_total_flops() == 3 * profiling._forward(config, 2, 30)


QUADRATIC = """
def self_times(events, region):
    operations = [event for event in events if event.get("cat") == "cpu_op"]
    spans = [event for event in events if event.get("cat") == "user_annotation" and event["name"] == region]
    operations = [event for event in operations if any(lies_in(event, span) for span in spans)]
    found = Counter()
    for event in operations:
        above = [other for other in operations if other is not event and lies_in(event, other)]
        found[event["name"]] += event["dur"]
        if above:
            found[min(above, key=lambda other: other["dur"])["name"]] -= event["dur"]
    return found


def slowest(events):
    regions = [event["name"] for event in events if event.get("cat") == "user_annotation" and "#" not in event["name"]]
    return {region: self_times(events, region).most_common(1)[0][0] for region in regions}
"""


def test_self_times():
    swap = partial(changed, "q4")
    taken = '            if stack:\n                found[stack[-1]["name"]] -= event["dur"]\n'
    across = "span['ts'] <= event['ts'] and event['ts'] + event['dur'] <= span['ts'] + span['dur']"
    result = judged_well(
        EXERCISE,
        "q4",
        before=given("imports", "q4-given"),
        wrong={
            swap((taken, "")): "total times",
            swap((taken, taken.replace("if stack", "for each in stack").replace("stack[-1]", "each"))): "from all that lie above it",
            swap(('event["cat"] == "cpu_op" and lies_in(event, span)', 'event["cat"] == "cpu_op"')): "self_times(events",
            swap(("lies_in(event, span)]", f"{across}]")): "of other threads",
            swap(('event["cat"] == "cpu_op" and', 'event["cat"] in ("cpu_op", "user_annotation") and')): "to have the keys",
            swap(("    return dict(found)", "        break\n    return dict(found)"), ("for span in (event for event in timed", "for span in sorted((event for event in timed"), ('["name"] == region):', '["name"] == region), key=lambda span: span["ts"]):')): "the first time that the region occurs",
            swap(('(event["ts"], -event["dur"])', '(event["ts"], event["dur"])')): "the shorter one first",
            swap(('found[event["name"]] += event["dur"]', 'found[event["name"]] = event["dur"]')): "self_times",
            swap(("max(own, key=own.get)", "max(own.values())")): "slowest(events)",
            swap((' if not name.startswith("ProfilerStep#")', "")): "slowest(events)",
            swap(("self_times(events, name) for name", "Counter({e['name']: e['dur'] for e in events if e.get('cat') == 'cpu_op'}) for name")): "slowest(events)",
            swap(("return dict(found)", "return sorted(found)")): "to be a dict",
        },
        right=[QUADRATIC, swap(("return dict(found)", "return {name: torch.tensor(value) for name, value in found.items()}"))],
    )  # fmt: skip
    assert [report.points for report in result.wrong[8:11]] == [2] * 3


UNION = """
import numpy as np


def idle(events):
    shares = {}
    for step in events:
        if not step["name"].startswith("ProfilerStep#"):
            continue
        begin, end = step["ts"], step["ts"] + step["dur"]
        spans = [(max(begin, e["ts"]), min(end, e["ts"] + e["dur"])) for e in events if e.get("cat") == "cpu_op"]
        marks = sorted([(a, 1) for a, b in spans if a < b] + [(b, -1) for a, b in spans if a < b])
        running, free, before = 0, 0.0, begin
        for at, change in [*marks, (end, 0)]:
            free += 0 if running else at - before
            running, before = running + change, at
        shares[step["name"]] = np.float64(free / step["dur"])
    return shares
"""
TICKS = """
def idle(events):
    shares = {}
    for step in [event for event in events if "ProfilerStep#" in event["name"]]:
        busy = torch.zeros(round(step["dur"] * 4), dtype=torch.bool)
        for event in events:
            if event.get("cat") == "cpu_op":
                first, last = (round((at - step["ts"]) * 4) for at in (event["ts"], event["ts"] + event["dur"]))
                busy[max(0, first) : max(0, last)] = True
        shares[step["name"]] = (~busy).double().mean()
    return shares
"""


def test_idle_time():
    swap = partial(changed, "q5")
    loop = """            free += max(0, min(begin, end) - done)
            done = max(done, min(stop, end))
"""
    result = judged_well(
        EXERCISE,
        "q5",
        before=given("imports"),
        wrong={
            swap((loop, "            free += max(0, min(stop, end) - max(begin, step['ts']))\n"), ("(free + end - done)", "(step['dur'] - free)")): "once more",
            swap(('["cat"] == "cpu_op")', '["cat"] == "cpu_op" and event["tid"] == 1)')): "one thread alone",
            swap(("(free + end - done) / step[\"dur\"]", "1 - (free + end - done) / step['dur']")): "in which something runs",
            swap((loop, "            if step['ts'] <= begin and stop <= end:\n                free, done = free + max(0, begin - done), max(done, stop)\n")): "leaving out operations that reach out",
            swap(('["cat"] == "cpu_op")', '["cat"] in ("cpu_op", "user_annotation") and "#" not in event["name"])')): "regions that count",
            swap(("(free + end - done)", "free"), ("for begin, stop in spans:", "for begin, stop in [span for span in spans if span[0] < end]:")): "after the last operation",
            swap(("done = max(done, min(stop, end))", "done = min(stop, end)")): "idle(events)",
            swap(("spans = sorted(", "spans = list(")): "idle(events)",
            swap(("(free + end - done) / step[\"dur\"]", "free + end - done")): "idle(events)",
            swap(('shares[step["name"]]', 'shares[step["name"].partition("#")[2]]')): "to have the keys",
            swap(("    return shares", "    return sum(shares.values()) / len(shares)")): "to be a dict",
        },
        right=[UNION, TICKS],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (1, 3)] == [1, 2]


TRACED = """
def profiled(model, batches, optimizer, path, wait, warm_up, active):
    def save(prof):
        prof.export_chrome_trace(path)

    batches = iter(batches)
    plan = torch.profiler.schedule(wait=wait, warmup=warm_up, active=active, repeat=1)
    prof = profile(activities=[ProfilerActivity.CPU], schedule=plan, on_trace_ready=save, record_shapes=True, with_flops=True)
    prof.start()
    try:
        while True:
            with record_function("data"):
                inputs, targets = next(batches)
            with record_function("forward"):
                outputs = model(inputs)
                loss = F.mse_loss(outputs, targets)
            with record_function("backward"):
                model.zero_grad()
                loss.backward()
            with record_function("optimizer"):
                optimizer.step()
            prof.step()
    except StopIteration:
        pass
    prof.stop()
"""


def test_own_trace():
    swap = partial(changed, "q6")
    fetch = '            with record_function("data"):\n                batch = next(source, nothing)\n            if batch is nothing:\n                break\n'
    result = judged_well(
        EXERCISE,
        "q6",
        before=given("imports"),
        wrong={
            swap((", repeat=1)", ")")): "repeat=1",
            swap(("wait=wait, warmup=warm_up", "wait=0, warmup=wait")): "the steps",
            swap(("wait=wait, warmup=warm_up, active=active", "wait=wait, warmup=0, active=warm_up + active")): "the warm-up's steps",
            swap((", schedule=rounds", "")): "they come of a schedule",
            swap(("            prof.step()\n", "")): "Profiler must be initialized",
            swap(("        while True:\n" + fetch, '        for batch in source:\n            with record_function("data"):\n                pass\n')): "the making of the batch",
            swap(('            with record_function("data"):\n                batch = next(source, nothing)\n', "            batch = next(source, nothing)\n")): "the number of regions 'data'",
            swap(('record_function("backward")', 'record_function("back")')): "the number of regions 'backward'",
            swap(('            with record_function("backward"):\n                loss.backward()\n', "                loss.backward()\n"), ('            with record_function("optimizer")', '            with record_function("backward"):\n                pass\n            with record_function("optimizer")')): "the backward pass of the layers",
            swap(("                loss = F.mse_loss(model(batch[0]), batch[1])\n", "                made = model(batch[0])\n            loss = F.mse_loss(made, batch[1])\n")): "the loss in the region",
            swap(('            with record_function("optimizer"):\n                optimizer.step()\n', '            optimizer.step()\n            with record_function("optimizer"):\n')): "the optimizer's step",
            swap(("                optimizer.zero_grad()\n", "")): "never cleared",
            swap(("            if batch is nothing:\n                break\n", "            if batch is nothing or prof.step_num >= wait + warm_up + active:\n                break\n")): "the weights that come of",
            swap(("    prof.export_chrome_trace(str(path))\n", "")): "there is no file",
            swap(("prof.export_chrome_trace(str(path))", "Path(path).write_text(prof.key_averages().table())")): "a file that is none",
        },
        right=[TRACED, swap(("                optimizer.step()\n                optimizer.zero_grad()\n", "                optimizer.step()\n                for weight in model.parameters():\n                    weight.grad = None\n"))],
    )  # fmt: skip
    assert [report.points for report in result.wrong] == [3, 3, 3, 1, 0, 3, 2, 2, 3, 3, 3, 3, 3, 0, 0]


PLACED = """
import numpy as np


def place(operation, machine):
    size = torch.empty(0, dtype=getattr(torch, operation["dtype"])).element_size()
    if operation["kind"] == "matmul":
        m, k, n = operation["m"], operation["k"], operation["n"]
        flops, nbytes = 2.0 * m * n * k, size * (m * (k + n) + k * n)
    else:
        flops, nbytes = operation["numbers"] * operation["flops"], size * operation["numbers"] * (1 + operation["inputs"])
    ridge, intensity = machine["peak"][operation["dtype"]] / machine["bandwidth"], flops / nbytes
    attainable = min(machine["peak"][operation["dtype"]], intensity * machine["bandwidth"])
    seconds, bound = flops / attainable, "compute" if intensity >= ridge else "memory"
    if seconds < machine["start"]:
        seconds, bound = machine["start"], "overhead"
    return {"intensity": np.float64(intensity), "seconds": torch.tensor(seconds, dtype=torch.float64), "bound": bound}


def fused(operations, machine):
    first, *others = operations
    one = dict(first)
    for other in others:
        one["inputs"] += other["inputs"] - 1
        one["flops"] += other["flops"]
    return float(sum(place(each, machine)["seconds"] for each in operations) / place(one, machine)["seconds"])
"""


def test_roofline():
    swap = partial(changed, "q7")
    result = judged_well(
        EXERCISE,
        "q7",
        before=given("imports", "q7-given"),
        wrong={
            swap(("2 * m * k * n", "m * k * n")): "is 2 FLOPs",
            swap(('SIZES[operation["dtype"]]', "4")): "has 2 bytes",
            swap(("m * k + k * n + m * n", "m * k + k * n")): "leaving out the result",
            swap(("m * k + k * n + m * n", "k * n")): "the weights alone",
            swap(('(operation["inputs"] + 1)', 'operation["inputs"]')): "leaving out the result",
            swap(('operation["flops"] * operation["numbers"]', 'operation["flops"]')): "of one number",
            swap(('    moved *= SIZES[operation["dtype"]]\n', "")): "for each number, not for each byte",
            swap(('"intensity": flops / moved', '"intensity": moved / flops')): "bytes for each FLOP",
            swap(('"seconds": times[bound]', '"seconds": sum(times.values())')): "they pass at the same time",
            swap(('"seconds": times[bound]', '"seconds": max(times["compute"], times["memory"])')): "leaving out the start",
            swap(('"seconds": times[bound]', '"seconds": max(times["compute"], times["memory"]) + machine["start"]')): "adding the start",
            swap(('machine["peak"][operation["dtype"]]', 'machine["peak"]["float32"]')): "the peak of float32",
            swap(("max(times, key=times.get)", "min(times, key=times.get)")): "the smallest of the three",
            swap(('"bound": bound}', '"bound": max(("compute", "memory"), key=times.get)}')): "the bound of",
            swap(('    whole["inputs"] -= len(operations) - 1\n', "")): "the chain itself makes",
            swap(("-= len(operations) - 1", "-= len(operations)")): "one input too few",
            swap(('for name in ("inputs", "flops")}\n    whole["inputs"] -= len(operations) - 1\n', 'for name in ("flops",)}\n')): "the inputs of the first operation",
            swap(('for name in ("inputs", "flops")', 'for name in ("inputs",)')): "the FLOPs of the first operation",
            swap(('["seconds"] for each in operations) / place(whole, machine)["seconds"]', '["seconds"] for each in operations) * 0 + len(operations)')): "the number of operations",
            swap(('return sum(place(each, machine)["seconds"] for each in operations) / place(whole, machine)["seconds"]', 'return place(whole, machine)["seconds"] / sum(place(each, machine)["seconds"] for each in operations)')): "the time fused divided by",
        },
        right=[PLACED],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (7, 8, 13, 14, 15)] == [3, 2, 3, 3, 3]


FRAMES = """
import io

import numpy as np
import pandas as pd


def means(text):
    rows = []
    for line in text.split("\\n"):
        if line.startswith("#Entity"):
            names = line.split()[1:]
        elif line.startswith("GPU"):
            _, gpu, *values = line.split()
            rows.append({"gpu": int(gpu), **{name: np.nan if v == "N/A" else float(v) for name, v in zip(names, values)}})
    return {int(gpu): dict(row) for gpu, row in pd.DataFrame(rows).groupby("gpu").mean().iterrows()}


def diagnose(text, waits):
    def name(gpu, row):
        if waits[gpu] >= 0.2:
            return "loader"
        if row["GRACT"] < 0.8:
            return "launch"
        if row["TENSO"] >= 0.5:
            return "compute"
        return "memory" if row["DRAMA"] >= 0.6 else "unclear"

    return {np.int64(gpu).item(): name(gpu, row) for gpu, row in means(text).items()}
"""


def test_utilisation():
    swap = partial(changed, "q8")
    rules = (
        'rule = {"loader": waits[gpu] >= 0.2, "launch": mean["GRACT"] < 0.8, "compute": mean["TENSO"] >= 0.5}'
    )
    result = judged_well(
        EXERCISE,
        "q8",
        before=given("imports"),
        wrong={
            swap(('                if value != "N/A":\n                    samples[int(words[1])][column].append(float(value))', '                samples[int(words[1])][column].append(0.0 if value == "N/A" else float(value))')): "counted as 0",
            swap(('zip(columns, words[2:])', 'zip(("GRACT", "SMACT", "TENSO", "DRAMA"), words[2:])')): "to have the keys",
            swap(("statistics.fmean(some)", "statistics.median(some)")): "the median",
            swap(("statistics.fmean(some)", "some[-1]")): "the last value",
            swap(("statistics.fmean(some)", "max(some)")): "the largest value",
            swap(("statistics.fmean(some)", "100 * statistics.fmean(some)")): "percent",
            swap(('elif words[:1] == ["GPU"]:', 'elif words[:1] == ["GPU"] and "N/A" not in words:')): "left out as a whole",
            swap(("return {gpu: {name: statistics", "return {f'GPU {gpu}': {name: statistics")): "the GPUs in means",
            swap(("waits[gpu] >= 0.2", "waits[gpu] >= 0.35")): "'loader'",
            swap(("waits[gpu] >= 0.2", "False")): "'loader'",
            swap(('mean["TENSO"] >= 0.5}', 'mean["GRACT"] >= 0.9}')): "the name for a GPU",
            swap(('"unclear": True', '"compute": True')): "'unclear'",
            swap((rules, 'rule = {"compute": mean["TENSO"] >= 0.5, "loader": waits[gpu] >= 0.2, "launch": mean["GRACT"] < 0.8}')): "the name for a GPU",
            swap((rules + '\n        rule |= {"memory": mean["DRAMA"] >= 0.6, "unclear": True}', rules[:-1] + "}\n        rule = {'memory': mean['DRAMA'] >= 0.6} | rule | {'unclear': True}")): "the name for a GPU",
            swap((rules, 'rule = {"launch": mean["GRACT"] < 0.8, "loader": waits[gpu] >= 0.2, "compute": mean["TENSO"] >= 0.5}')): "'loader'",
            swap(('mean["TENSO"] >= 0.5}', 'mean["TENSO"] > 0.5}')): "the name for a GPU",
            swap(('mean["GRACT"] < 0.8', 'mean["SMACT"] < 0.8')): "the name for a GPU",
            swap(("next(name for", "max(name for")): "the name for a GPU",
        },
        right=[FRAMES],
    )  # fmt: skip
    assert result.wrong[15].points == 2


BY_HAND = """
def fast_train(weight, texts, labels, prepare, steps, rate):
    inputs, losses, weight = prepare(texts), torch.zeros(steps), weight.clone()
    rows = torch.arange(len(inputs))
    for step in range(steps):
        shares = torch.softmax(inputs.mm(weight), -1)
        losses[step] = -shares[rows, labels].log().mean()
        shares[rows, labels] -= 1.0
        weight -= rate / len(inputs) * (inputs.t() @ shares)
    return weight, losses.tolist()
"""
AUTOGRAD = """
def fast_train(weight, texts, labels, prepare, steps, rate):
    inputs, losses = prepare(texts), []
    weight = weight.clone().requires_grad_()
    for _ in range(steps):
        loss = F.cross_entropy(inputs @ weight, labels)
        gradient, = torch.autograd.grad(loss, weight)
        with torch.no_grad():
            weight -= rate * gradient
        losses.append(loss.detach())
    return weight.detach(), torch.stack(losses).tolist()
"""
OPTIMIZED = """
def fast_train(weight, texts, labels, prepare, steps, rate):
    inputs, weight, losses = prepare(texts), torch.nn.Parameter(weight.clone()), []
    optimizer = torch.optim.SGD([weight], lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(torch.matmul(inputs, weight), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss)
    return weight, torch.stack(losses).detach().cpu().numpy().tolist()
"""
NUMPY = """
def fast_train(weight, texts, labels, prepare, steps, rate):
    inputs, weight, right, losses = prepare(texts).numpy(), weight.numpy(), labels.numpy(), []
    for _ in range(steps):
        made = inputs @ weight
        logs = made - made.max(1, keepdims=True)
        logs = logs - np.log(np.exp(logs).sum(1, keepdims=True))
        shares = np.exp(logs)
        losses.append(float(-logs[range(len(logs)), right].mean()))
        shares[range(len(logs)), right] -= 1
        weight = weight - rate * inputs.T @ shares / len(logs)
    return torch.from_numpy(weight), losses
"""


def test_slow_lines():
    swap = partial(changed, "q9")
    slow = given("q9-given").replace("def slow_train", "def fast_train")
    loop = """        weight = weight - rate * inputs.T @ (logs.exp() - right) / len(inputs)
"""
    by_rows = """        weight = weight - rate * sum(torch.outer(one, two) for one, two in zip(inputs, logs.exp() - right)) / len(inputs)
"""
    by_classes = """        weight = weight - rate * torch.stack([(inputs * error[:, None]).mean(0) for error in (logs.exp() - right).unbind(1)], 1)
"""
    result = judged_well(
        EXERCISE,
        "q9",
        before=given("imports"),
        wrong={
            slow: "as many operators for 15 rows",
            slow.replace("        inputs = prepare(texts)  # rows × width\n", "").replace("    losses = []\n", "    losses, inputs = [], prepare(texts)\n", 1): "as many operators for",
            swap((loop, by_rows)): "15 rows instead of 7",
            swap((loop, by_classes)): "6 classes instead of 3",
            swap(("losses.append(-(logs * right).sum(1).mean())", "losses.append(-(logs * right).sum(1).mean().item())"), ("torch.stack(losses).tolist()", "losses")): "item",
            swap(("torch.stack(losses).tolist()", "[float(loss) for loss in losses]")): "__float__",
            swap(("torch.stack(losses).tolist()", "torch.stack(losses)")): "a list of floats",
            swap(("        logs = torch.log_softmax(inputs @ weight, dim=1)\n", "        inputs = prepare(texts)\n        logs = torch.log_softmax(inputs @ weight, dim=1)\n")): "the number of calls of prepare",
            swap(("        weight = weight - rate", "        weight -= rate")): "change it in place",
            swap((" / len(inputs)", "")): "the weight of fast_train",
            swap((".sum(1).mean()", ".sum()")): "the losses of fast_train",
            swap(("losses.append(-(logs", "losses.append((logs")): "the losses of fast_train",
            swap(("logs.exp() - right", "right - logs.exp()")): "the weight of fast_train",
            "import numpy as np\n" + NUMPY: "numpy",
            swap(("for _ in range(steps)", "for _ in range(3)")): "the losses",
        },
        right=[BY_HAND, AUTOGRAD, OPTIMIZED],
    )  # fmt: skip
    assert [report.points for report in result.wrong[:8]] == [0, 1, 3, 3, 3, 3, 3, 3]


PREDICTIONS = "def predictions(): return {name: name in ('half', 'frozen', 'loop') for name in NAMES}"


def test_predict():
    judged_well(
        EXERCISE,
        "q10",
        before=f"NAMES = {list(profiling.FOUND)}",
        wrong={
            "def predictions(): return {'rows': True}": "to have the key",
            "def predictions(): return dict.fromkeys(NAMES, True)": "right predictions",
            "def predictions(): return dict.fromkeys(NAMES, False)": "right predictions",
            "def predictions(): return [True] * 6": "to be a dict",
            "def predictions(): return dict.fromkeys(NAMES, 1)": "True or False",
        },
        right=[PREDICTIONS],
    )


def test_what_is_predicted_is_measured():
    measured = namespace(given("imports"), given("q10-parts", "q10-measure"))["measure"]()
    assert {name: bool(found) for name, found in measured.items()} == profiling.FOUND
