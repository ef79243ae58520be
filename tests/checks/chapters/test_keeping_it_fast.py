"""Every question of exercise 29: the solution, the stub, wrong answers with the message they get, other right ways."""

import ast
import inspect
from functools import partial

import pytest
import torch

from course_utils.checks.chapters import keeping_it_fast
from course_utils.checks.testing import changed_answer, given_cells, judged_well

EXERCISE = "29_keeping_it_fast"
given = partial(given_cells, EXERCISE)
changed = partial(changed_answer, EXERCISE)


WITH_NUMPY = """
def summary(events, warm_up):
    order = np.argsort([event["start"] for event in events])
    rest = [events[number] for number in order[warm_up:]]
    begin = np.array([event["start"] for event in rest])
    end = np.array([np.nan if event["end"] is None else event["end"] for event in rest])
    right = np.array([event["status"] == "ok" for event in rest])
    tokens = np.array([event["tokens"] for event in rest])
    times = (end - begin)[right]
    return {
        "failed": np.mean(~right),
        "throughput": tokens[right].sum() / (np.nanmax(end) - begin.min()),
        "p50": np.quantile(times, 0.5, method="inverted_cdf"),
        "p99": torch.tensor(np.quantile(times, 0.99, method="inverted_cdf")),
    }
"""


def test_raw_events():
    swap = partial(changed, "q1")
    result = judged_well(
        EXERCISE,
        "q1",
        before=given("imports"),
        wrong={
            swap(('sorted(events, key=lambda event: event["start"])[warm_up:]', "events[warm_up:]"), ('- rest[0]["start"]', '- min(event["start"] for event in rest)')): "as they lie in the list",
            swap(("[warm_up:]", "")): "the warm-up, which is still in",
            swap(("tokens / wall", "tokens / sum(times)")): "the sum of all durations",
            swap(("tokens / wall", 'sum(event["tokens"] / (event["end"] - event["start"]) for event in right) / len(right)')): "each request's own rate",
            swap(('sum(event["tokens"] for event in right)', 'sum(event["tokens"] for event in rest)')): "tokens of requests that failed",
            swap(("for event in right)\n    found", 'for event in rest if event["end"] is not None)\n    found')): "durations of requests that failed",
            swap(("times[math.ceil(p * len(times)) - 1]", "float(np.quantile(times, p))")): "percentiles that are interpolated",
            swap(("len(right) / len(rest)", 'len(right) / sum(event["end"] is not None for event in rest)')): "requests without an end",
            "def summary(events, warm_up): return {}": "'throughput'",
            "def summary(events, warm_up): return 3": "to be a dict",
        },
        right=[WITH_NUMPY],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (2, 6, 7)] == [3, 2, 3]


BY_LOGARITHM = """
class Sketch:
    def __init__(self, alpha):
        self.alpha, self.width, self.kept = alpha, np.log1p(alpha) - np.log1p(-alpha), {}

    def add(self, value):
        place = int(np.floor(np.log(value) / self.width))
        self.kept[place] = self.kept.get(place, 0) + 1

    def __len__(self):
        return len(self.kept)

    def merge(self, other):
        for place, count in other.kept.items():
            self.kept[place] = self.kept.get(place, 0) + count

    def percentile(self, p):
        places = sorted(self.kept)
        reached = np.cumsum([self.kept[place] for place in places])
        place = places[int(np.searchsorted(reached, np.ceil(p * reached[-1])))]
        low, high = np.exp(place * self.width), np.exp((place + 1) * self.width)
        return 2 * low * high / (low + high)
"""
ALL_VALUES = """
class Sketch:
    def __init__(self, alpha):
        self.values = []
    def __len__(self):
        return len(self.values)
    def add(self, value):
        self.values.append(value)
    def merge(self, other):
        self.values += other.values
    def percentile(self, p):
        return sorted(self.values)[math.ceil(p * len(self.values)) - 1]
"""


def test_sketch():
    swap = partial(changed, "q2")
    judged_well(
        EXERCISE,
        "q2",
        before=given("imports"),
        wrong={
            ALL_VALUES: "counts for values from",
            swap(("2 * self.gamma**bucket / (self.gamma + 1)", "self.gamma**bucket")): "to be within",
            swap(("(1 + alpha) / (1 - alpha)", "1 + 10 * alpha")): "to be within",
            swap(("math.ceil(math.log(value, self.gamma))", "math.ceil(value / 0.05)")): "to be within",
            swap(("self.counts += other.counts", "self.counts |= other.counts")): "after merge",
            swap(("self.counts += other.counts", "self.counts += other.counts; other.counts.update([1] * 2000)")): "leave the other sketch",
        },
        right=[BY_LOGARITHM, swap(("(1 + alpha) / (1 - alpha)", "1 + 2 * alpha"))],
    )  # fmt: skip


def test_alarm():
    swap = partial(changed, "q3")
    test = ('wilcoxon(ratios, alternative="greater").pvalue <= level', "{}")

    def rule(text):
        return swap((test[0], text))

    result = judged_well(
        EXERCISE,
        "q3",
        before=given("imports"),
        wrong={
            rule("np.median(after) > 1.05 * np.median(before)"): "in about 5.0% of 200 series",
            rule("np.median(after) > 1.2 * np.median(before)"): "to hear a slowdown of 10 %",
            rule("np.mean(after) > 1.05 * np.mean(before)"): "in about 5.0% of 200 series",
            rule("wilcoxon(ratios).pvalue <= level"): "where it became 10 % faster",
            rule("False"): "to hear a slowdown",
            rule("True"): "it calls in 200",
            rule("wilcoxon(ratios, alternative='greater').pvalue <= 0.05"): "in about 0.1% of 200 series",
            swap(("    return found", "    return None")): "calls(p_values, level)",
            swap(("level / (len(p_values) - place)", "level")): "each test at the whole level",
            swap(("level / (len(p_values) - place)", "level / len(p_values)")): "(Bonferroni)",
            swap(("level / (len(p_values) - place)", "level * (place + 1) / len(p_values)"), ("            break\n        found.append(number)", "            continue\n        found.append(number)")): "calls(p_values",
            swap(("            break\n        found.append(number)", "            continue\n        found.append(number)")): "going on after the first",
        },
        right=[
            rule("np.bool_(mannwhitneyu(after, before, alternative='greater').pvalue <= level)"),
            rule("__import__('scipy.stats').stats.binomtest(int((ratios > 0).sum()), 20, alternative='greater').pvalue <= level"),
            swap(("    return found", "    return np.array(found, dtype=int)")),
        ],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (3, 4, 7)] == [3, 2, 3]


def test_report():
    swap = partial(changed, "q4")
    bad = "status != 200 or seconds is None or seconds > limit"
    judged_well(
        EXERCISE,
        "q4",
        before=given("imports"),
        wrong={
            swap((bad, "seconds is None or seconds > limit")): "counting refusals as quick answers",
            swap((bad, "seconds is not None and (status != 200 or seconds > limit)"), ("len(log)", "sum(each[2] is not None for each in log)")): "that never got an answer",
            swap((bad, "status != 200")): "nothing that was late",
            swap(("seconds > limit", "seconds >= limit")): "a limit that itself counts as late",
            swap(("budget = (1 - target) * len(log)", "budget = (1 - target) * (len(log) - len(bad))")): "of the requests that were good",
            swap(("number > budget", "number > 2 * budget")): "['over']",
            swap(("number > budget), None)", "number > budget), -1)")): "['over']",
            "def report(log, target, limit): return {'kept': 1.0}": "'used'",
        },
        right=[
            swap(("bad = sorted(", "bad = np.sort(np.array("), ("seconds > limit)", "seconds > limit], dtype=int))"), ("np.array(day for", "np.array([day for"), ("next((day for", "next((int(day) for")),
        ],
    )  # fmt: skip


PERMUTED = """
def psi(old, new, bins):
    edges = sorted(old)
    edges = [float(np.quantile(old, k / bins)) for k in range(1, bins)]
    def share(values):
        counts = [0.5] * bins
        for value in values:
            counts[sum(value > edge for edge in edges)] += 1
        return [count / (len(values) + bins / 2) for count in counts]
    return sum((b - a) * math.log(b / a) for a, b in zip(share(old), share(new)))


def drifted(old, new, level):
    deal = np.random.default_rng(0)
    mixed, count = np.array(old + new), len(old)
    def apart(values):
        one, other = values[:count], values[count:]
        ends = np.quantile(one, np.linspace(0, 1, 9)[1:-1])
        return np.abs(np.bincount(np.searchsorted(ends, other), minlength=8) / len(other) - 1 / 8).sum()
    by_chance = [apart(deal.permutation(mixed)) for _ in range(39)]
    return (1 + sum(each >= apart(mixed) for each in by_chance)) / 40 <= level
"""


def test_drift():
    swap = partial(changed, "q5")
    rule = "ks_2samp(old, new).pvalue <= level"
    result = judged_well(
        EXERCISE,
        "q5",
        before=given("imports"),
        wrong={
            swap(("np.quantile(old, np.linspace(0, 1, bins + 1)[1:-1])", "np.linspace(min(old), max(old), bins + 1)[1:-1]")): "bins of equal width",
            swap(("np.quantile(old,", "np.quantile(new,")): "made from the new values",
            swap((" + 0.5", " + 1e-6")): "no half a count added",
            swap(("np.log(other / one)", "np.log(one / other)")): "the other way round",
            swap(("(other - one) * np", "other * np")): "of one side alone",
            swap(("np.searchsorted(edges, values)", 'np.searchsorted(edges, values, side="right")')): "go to the upper part",
            swap((rule, "psi(old, new, 10) > 0.2")): "days to alarm",
            swap((rule, "psi(old, new, 10) > 0.05")): "days to alarm",
            swap((rule, "mannwhitneyu(old, new).pvalue <= level")): "around the same middle",
            swap((rule, "False")): "at least 85 of 100 days",
            swap((rule, "True")): "200 alarms",
        },
        right=[PERMUTED],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 8)] == [2, 2]


def test_prices():
    swap = partial(changed, "q6")
    number = 'math.ceil(per_second / (machine["requests_per_second"] * utilisation))'
    judged_well(
        EXERCISE,
        "q6",
        before=given("imports"),
        wrong={
            swap((number, number.removeprefix("math.ceil"))): "not rounded up",
            swap((number, "max(1, " + number.replace("math.ceil", "round") + ")")): "rounded to the nearest",
            swap((" * utilisation))", "))")): "leaving out the utilisation",
            swap(("(3600 * per_second)", '(3600 * number * machine["requests_per_second"])')): "not by what they are asked",
            swap(('costs(machines[name], per_second, utilisation)["per_thousand"]', 'machines[name]["dollars_per_hour"]')): "the cheapest by the hour",
        },
        right=[swap(("1000 * number", "np.float64(1000) * number"), ('"number": number', '"number": torch.tensor(number)'))],
    )  # fmt: skip


BY_GRID = """
def predicted(sizes, losses, size):
    sizes, losses = np.array(sizes) / sizes[0], np.array(losses)
    found = []
    for power in np.linspace(0.02, 1.2, 2400):
        table = np.stack([np.ones(len(sizes)), sizes**-power], 1)
        both = np.linalg.lstsq(table / losses[:, None], np.ones(len(sizes)), rcond=None)[0]
        found.append((((table @ both) / losses - 1) ** 2, both, power))
    _, (rest, factor), power = min(found, key=lambda each: each[0].sum())
    return np.float64(rest + factor * (size / 1e5 * 1.0) ** -power) if size < 0 else rest + factor * (size / FIRST[0]) ** -power


def best(flops, law):
    sizes = np.geomspace(1e3, 1e16, 400_000)
    tokens = flops / 6 / sizes
    losses = law["A"] / sizes ** law["alpha"] + law["B"] / tokens ** law["beta"]
    return [sizes[losses.argmin()], tokens[losses.argmin()]]
""".replace("sizes, losses = np.array", "FIRST[0] = sizes[0]\n    sizes, losses = np.array")


def test_scaling():
    swap = partial(changed, "q7")
    plain = "    slope, start = np.polyfit(np.log(sizes), np.log(losses), 1)\n    return float(np.exp(start + slope * np.log(size)))\n    scaled ="
    exponent = "(flops / 6) ** (beta / (alpha + beta))"
    result = judged_well(
        EXERCISE,
        "q7",
        before=given("imports") + "\nFIRST = [1]",
        wrong={
            swap(("    scaled =", plain)): "a plain power, without E",
            swap(("    scaled =", "    return losses[-1]\n    scaled =")): "the loss predicted for",
            swap((exponent, "(flops / 6) ** (alpha / (alpha + beta))")): "the wrong way round",
            swap((exponent, exponent.replace(" / 6", "")), ("flops / 6 / size", "flops / size")): "leaving out the 6",
            swap(("size = factor * ", "size = ")): "leaving out G",
            swap((f"size = factor * {exponent}", "size = (flops / 120) ** 0.5")): "twenty tokens a weight",
            swap(("return size, flops / 6 / size", "return size, 20 * size")): "D of best",
        },
        right=[BY_GRID, swap(("return size, flops / 6 / size", "return torch.tensor([size, flops / 6 / size], dtype=torch.float64)"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 2)] == [2, 2]


def test_table():
    swap = partial(changed, "q8")
    judged_well(
        EXERCISE,
        "q8",
        before=given("imports"),
        wrong={
            swap((' and line["division"] == "closed"', "")): "",
            swap((' and line["quality"] >= target', "")): "",
            swap(('line["quality"] >= target', 'line["quality"] > target')): "",
            swap(('line["task"] == task and ', "")): "",
            swap(('key=lambda line: (line["chips"], work(line))', "key=work")): "'efficiency'",
            swap(("work(smallest) / work(fastest)", "work(fastest) / work(smallest)")): "the wrong way round",
            swap(('"fastest": fastest["system"]', '"fastest": np.ones((2, 2))')): "'fastest'",
            swap(("least = min(its, key=work)", 'least = min(its, key=lambda line: line["minutes"] / line["chips"])')): "'least_chip_minutes'",
            swap(("work(smallest) / work(fastest)", 'smallest["minutes"] / fastest["minutes"]')): "'efficiency'",
        },
        right=[swap(("work(smallest) / work(fastest)", "np.float64(work(smallest)) / work(fastest)"))],
    )  # fmt: skip


def test_picture_tokens():
    swap = partial(changed, "q9")
    judged_well(
        EXERCISE,
        "q9",
        before=given("imports"),
        wrong={
            swap(("(width // patch) + 1", "(width // patch)")): "the token for the whole picture",
            swap(("(height // patch) * (width // patch) + 1", "height * width // patch**2 + 1")): "dividing the area",
            swap(("(height // patch) * (width // patch) + 1", "math.ceil(height / patch) * math.ceil(width / patch) + 1")): "filled up",
            swap(("(height // patch) * (width // patch)", "(height // patch) ** 2")): "a square picture",
            swap(("4 * width**2", "3 * width**2")): "three matrices",
            swap((" + 2 * count**2 * width", "")): "leaving out the pairs",
            swap((" + 2 * count**2 * width", " + count**2 * width")): "one of the two products",
            swap(("2 * (cut + sizes", "2 * (sizes")): "makes tokens of patches",
            swap(("(count - 1) * 3", "(count - 1) * 1")): "of one colour",
            swap((' + width * sizes["labels"]', "")): "leaving out the head",
            swap(("return 2 * (cut", "return (cut")): "counted as one FLOP",
            swap(("(learns[place] + any(learns[:place]))", "learns[place]")): "weights' gradients alone",
            swap(("(learns[place] + any(learns[:place]))", "learns[place] * (1 + any(learns[:place]))")): "let nothing through",
            swap(("(learns[place] + any(learns[:place]))", "2")): "whatever is frozen",
            swap(("any(learns[:place])", "any(learns[: place + 1])")): "of the lowest part that learns",
        },
        right=[swap(("return sum(flops", "return np.int64(0) + sum(flops"), ("(width // patch) + 1", "(width // patch) + 1.0"))],
    )  # fmt: skip


def test_the_formula_is_what_the_counter_counts():
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import ViTConfig, ViTForImageClassification

    sizes = {
        "height": 32,
        "width_of_picture": 32,
        "patch": 8,
        "width": 32,
        "hidden": 64,
        "layers": 3,
        "labels": 7,
    }
    config = ViTConfig(
        image_size=32, patch_size=8, hidden_size=32, num_hidden_layers=3, num_attention_heads=2,
        intermediate_size=64, num_labels=7, attn_implementation="eager",
    )  # fmt: skip
    model = ViTForImageClassification(config).eval()
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, 32, 32))
    assert counter.get_total_flops() == keeping_it_fast.vision_flops(sizes)


BY_AUTOGRAD = """
def fast_training(path, weight, steps, rate):
    rows = [json.loads(line) for line in open(path).read().splitlines()]
    inputs, labels = torch.tensor([row["x"] for row in rows]), torch.tensor([row["y"] for row in rows])
    trained = torch.nn.Parameter(weight.clone())
    optimizer, losses = torch.optim.SGD([trained], lr=rate), []
    for _ in range(steps):
        loss = F.cross_entropy(inputs @ trained.T, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return losses, trained
"""


ROW_BY_ROW_IN_NUMPY = """
def fast_training(path, weight, steps, rate):
    rows = [json.loads(line) for line in open(path)]
    trained, losses = weight.numpy().astype(float), []
    for _ in range(steps):
        gradient, total = np.zeros_like(trained), 0.0
        for row in rows:
            x = np.array(row["x"])
            chances = np.exp(trained @ x)
            chances /= chances.sum()
            total -= np.log(chances[row["y"]])
            chances[row["y"]] -= 1
            gradient += np.outer(chances, x)
        trained -= rate * gradient / len(rows)
        losses.append(total / len(rows))
    return losses, torch.tensor(trained, dtype=torch.float32)
"""
WITH_PYARROW = """
def fast_training(path, weight, steps, rate):
    import pyarrow.json

    table = pyarrow.json.read_json(path)
    x, labels = torch.tensor(table["x"].to_pylist()), torch.tensor(table["y"].to_pylist())
    own, losses = F.one_hot(labels, len(weight)).float(), []
    for _ in range(steps):
        logits = x @ weight.T
        losses.append(F.cross_entropy(logits, labels))
        weight = weight - rate * (logits.softmax(1) - own).T @ x / len(x)
    return losses, weight
"""


def test_last_script():
    swap = partial(changed, "q10")
    again = swap(
        (
            "    for _ in range(steps):\n",
            "    for _ in range(steps):\n        json.loads(open(path).readline())\n",
        )
    )
    result = judged_well(
        EXERCISE,
        "q10",
        before=given("imports") + "\n\n" + given("q10-given"),
        wrong={
            "fast_training = slow_training": "how often the file is opened in",
            again: "how often the file is opened in",
            swap(("weight = weight - rate", "weight -= rate")): "to stay as it is",
            swap(("@ x / len(rows)", "@ x")): "the losses of fast_training",
            swap(("losses.append(F.cross_entropy(logits, labels))", "losses.append(F.cross_entropy(logits, labels).item())"), ("torch.stack(losses).tolist()", "losses")): "fetched one by one",
            swap(("        logits = x @ weight.T\n", "        logits = torch.stack([weight @ row for row in x])\n        logits = torch.stack([weight @ row for row in x])\n        logits = torch.stack([weight @ row for row in x])\n")): "operations, a tenth",
            swap(("        logits = x @ weight.T\n", "        logits = (x[:, None].repeat(1, 64, 1).double() @ weight.double().T).mean(1).float()\n")): "bytes made, a third",
            ROW_BY_ROW_IN_NUMPY: "to be done by tensors",
            "def fast_training(path, weight, steps, rate): return [], weight": "the losses of fast_training",
        },
        right=[BY_AUTOGRAD, WITH_PYARROW],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 1, 4)] == [1, 4, 4]


def test_the_slow_training_is_the_one_that_is_shown():
    """But for types and imports."""
    tree = ast.parse(inspect.getsource(keeping_it_fast.slow_training))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            node.body = [each for each in node.body if not isinstance(each, ast.Import)]
        if isinstance(node, ast.arg):
            node.annotation = None
    assert ast.unparse(tree) == ast.unparse(ast.parse(given("q10-given")))


@pytest.mark.parametrize("seed", range(3))
def test_a_test_that_keeps_its_level_passes_the_quiet_parts(seed):
    """The bounds leave room for chance: signed ranks, ten times as many series."""
    from scipy.stats import wilcoxon

    from course_utils.checks.draw import Draw

    series = keeping_it_fast._pairs(Draw(bytes([seed])), 0.15, 1.0)
    called = sum(wilcoxon(after, before, alternative="greater").pvalue <= 0.05 for before, after in series)
    assert called <= keeping_it_fast.MOST_FALSE[0.05] * 0.9
