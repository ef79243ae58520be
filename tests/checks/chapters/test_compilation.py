"""Every question of exercise 25: the solution, the stub, wrong answers with the message they get, other right ways."""

import itertools
import random
from functools import partial

import pytest

from course_utils.checks.chapters import compilation
from course_utils.checks.framework import load_exercise
from course_utils.checks.testing import changed_answer, given_cells, judged_well, namespace

EXERCISE = "25_compilation"
given = partial(given_cells, EXERCISE)
changed = partial(changed_answer, EXERCISE)


def test_the_card():
    exercise = load_exercise(EXERCISE)
    assert len(exercise.questions) == 11
    assert exercise.points == 40
    assert [question.name for question in exercise.questions.values() if question.manual] == ["q11"]


IN_TURN = """
class Run:
    def __init__(self, graph, entry):
        self.graph, self.entry = graph, entry

    def __call__(self, *inputs):
        self.entry["runs"] = self.entry["runs"] + 1
        return self.graph.forward(*inputs)


class GraphLog:
    def __init__(self):
        self.graphs = []

    def __call__(self, graph, example_inputs):
        operators = Counter()
        for node in graph.graph.nodes:
            if node.op.startswith("call_"):
                operators[node.target if isinstance(node.target, str) else node.target.__name__] += 1
        shapes = tuple(each.size() for each in example_inputs if hasattr(each, "dtype"))
        self.graphs.append({"operators": operators, "shapes": shapes, "runs": 0})
        return Run(graph, self.graphs[-1])
"""


def test_counting():
    swap = partial(changed, "q1")
    run = '        def run(*inputs):\n            entry["runs"] += 1\n            return graph(*inputs)\n\n        return run\n'
    nodes = '[node for node in graph.graph.nodes if node.op in ("call_function", "call_method")]'
    result = judged_well(
        EXERCISE,
        "q1",
        before=given("imports"),
        wrong={
            swap((run, '        entry["runs"] += 1\n        return graph.forward\n')): "at each call",
            swap((nodes, "[node for node in graph.graph.nodes]"), ("node.target if node.op == \"call_method\" else node.target.__name__", 'getattr(node.target, "__name__", node.target)')): "but no operators",
            swap((" else node.target.__name__", " else str(node.target)")): "of a function, its `__name__`",
            swap(('("call_function", "call_method")', '("call_function",)')): "'operators' of graphs[0]",
            swap((" if isinstance(each, torch.Tensor)", "")): "SymInt",
            swap(("[tuple(each.shape) for each in example_inputs if isinstance(each, torch.Tensor)]", "[each.numel() for each in example_inputs if isinstance(each, torch.Tensor)]")): "'shapes'",
            swap(("        self.graphs.append(entry)\n", "        self.graphs = [entry]\n")): "hold 6 items",
            swap(("        self.graphs.append(entry)\n", "        self.graphs.append(names)\n")): "to have the key 'operators'",
            swap(("return graph(*inputs)", "return tuple(each * 2 for each in graph(*inputs))")): "the result of call 1",
            swap(("dict(names)", "dict.fromkeys(names, 1)")): "'operators' of graphs",
        },
        right=[IN_TURN, swap(("return graph(*inputs)", "return torch.fx.Interpreter(graph).run(*inputs)"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 1, 2, 3, 6, 8)] == [3, 3, 3, 3, 0, 0]


BY_FILE = """
def breaks(function, *args):
    first = function.__code__.co_firstlineno
    names = {function.__name__}
    found = []
    for reason in torch._dynamo.explain(function)(*args).break_reasons:
        where, text = reason.user_stack[0], reason.reason
        if where.name != function.__name__ and f"resume_in_{function.__name__}_at" not in where.name:
            continue
        kind = "other"
        if "Tensor.item()" in text or "tolist" in text:
            kind = "value"
        elif "generic_jump" in text or "branching" in text:
            kind = "branch"
        elif "Dynamic shape" in text:
            kind = "shape"
        elif "builtin operator" in text:
            kind = "builtin"
        found += [[where.lineno - (first - 1), kind]]
    return tuple(found)
"""


def test_broken():
    swap = partial(changed, "q2")
    named = (
        'place.name == code.co_name or place.name.startswith(f"torch_dynamo_resume_in_{code.co_name}_at_")'
    )
    result = judged_well(
        EXERCISE,
        "q2",
        before=given("imports"),
        wrong={
            swap((" - code.co_firstlineno + 1", "")): "lines of the file",
            swap((" - code.co_firstlineno + 1", " - code.co_firstlineno")): "a def that is line 0",
            swap((named, "True")): "also places that are not lines of the function",
            swap((named, "place.name == code.co_name")): "the lines of breaks",
            swap(("user_stack[0]", "user_stack[-1]"), (named, "True")): "the lines of breaks",
            swap(("(kinds + [\"other\"])[0]", "(kinds + [\"branch\"])[0]")): "the kind of the break on line",
            swap(('KINDS |= {"Data-dependent branching": "branch", ', 'KINDS |= {'), (', "generic_jump": "branch"', "")): "the kind of the break on line",
            swap(("found.append((place.lineno - code.co_firstlineno + 1, (kinds + [\"other\"])[0]))", "found.append(place.lineno)")): "to be a list or a tuple",
        },
        right=[BY_FILE],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 2, 5)] == [0, 2, 2]


SORTED = """
def scaled(x):
    largest = x.abs().amax()
    return torch.where(largest > 1, x / largest, x) * 2


def ranks(x):
    return torch.searchsorted(torch.sort(x).values, x)


def masked_mean(x, mask):
    kept = x.masked_fill(~mask.unsqueeze(1), 0.0)
    return kept.sum(dim=0) / torch.maximum(mask.sum(), torch.ones(()))


class Smoothed(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.mean = torch.zeros(1)
        self.calls = torch.zeros(1)

    def forward(self, x):
        self.calls = self.calls + 1
        self.mean = 0.9 * self.mean + 0.1 * x.mean()
        return x - self.mean / (1 - 0.9**self.calls)
"""


def test_one_graph():
    swap = partial(changed, "q3")
    slow = given("q3-given").replace("_slow", "").replace("Slow", "")
    buffers = (
        "        self.mean, self.kept = torch.nn.Buffer(torch.zeros(())), torch.nn.Buffer(torch.ones(()))\n"
    )
    result = judged_well(
        EXERCISE,
        "q3",
        before=given("imports", "q3-given"),
        wrong={
            slow: "Unsupported",
            swap((buffers, "        self.mean, self.calls = torch.nn.Buffer(torch.zeros(())), 0\n"), ("        return x - self.mean", "        self.calls += 1\n        return x - self.mean"), ("(1 - self.kept.mul_(0.9))", "(1 - 0.9**self.calls)")): "what a call leaves behind in Python",
            swap(("torch.where(mask[:, None], x, 0.0).sum(0)", "(x * mask[:, None]).sum(0)")): "item 0 of masked_mean(x, mask), call 2",
            swap(("mask.sum().clamp(min=1)", "mask.sum()")): "masked_mean(x, mask), call 3",
            swap(("x.abs().max().clamp(min=1)", "x.abs().max()")): "scaled(x), call 2",
            swap(("x * 2 / x.abs().max().clamp(min=1)", "torch.where(x > 1, x / x.abs().max(), x) * 2")): "scaled(x), call 1",
            swap(("x[None, :] < x[:, None]", "x[None, :] <= x[:, None]")): "ranks(x)",
            swap(("(x[None, :] < x[:, None]).sum(1)", "x.argsort().argsort()")): "ranks(x), call 2",
            swap(("    return x * 2", "    print(end='')\n    return x * 2")): "scaled(x) to be compiled",
            swap((" / (1 - self.kept.mul_(0.9))", "")): "Smoothed()(x), call 1",
        },
        right=[SORTED],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 1, 2, 3, 4, 6, 7)] == [0, 3, 3, 3, 3, 3, 3]


BY_TYPE = """
def graphs_so_far(shapes, dynamic, limit):
    graphs, counts, sizes_of = [], [], {}
    for shape in shapes:
        served = False
        for fixed, groups in graphs:
            good = all(shape[place] == size for place, size in fixed.items())
            good = good and all(len({shape[place] for place in group}) == 1 and shape[group[0]] > 1 for group in groups)
            served = served or good
        if not served and len(graphs) != limit:
            fixed, groups = {}, {}
            for place, size in enumerate(shape):
                sizes_of.setdefault(place, set()).add(size)
                free = size > 1 and {False: False, True: True, None: len(sizes_of[place]) != 1}[dynamic]
                if free:
                    groups.setdefault(size if dynamic and not graphs else -place, []).append(place)
                else:
                    fixed[place] = size
            graphs.append((fixed, list(groups.values())))
        counts.append(len(graphs))
    return torch.tensor(counts)
"""


def test_how_many_graphs():
    swap = partial(changed, "q4")
    seen = "            for sizes, size in zip(seen, shape):\n                sizes.add(size)\n"
    any_size = "None if any_size and size >= 2 else size"
    result = judged_well(
        EXERCISE,
        "q4",
        before=given("imports"),
        wrong={
            swap(("dynamic is True or (dynamic is None and len(sizes) > 1)", "dynamic is True")): "a graph for each new shape",
            swap((any_size, "None if any_size else size"), ("size >= 2 if one is None", "True if one is None")): "any size in a dimension of size 1",
            swap(("size >= 2 if one is None", "True if one is None")): "a size of 1 in a dimension of any size",
            swap(("len(graphs) < limit and ", "")): "graphs beyond the limit",
            swap(("            not square or shape[0] == shape[1]\n", "            True\n")): "sizes that were equal in the first graph",
            swap((" and number == 0", "")): "graphs_so_far",
            swap(("dynamic is True or (dynamic is None and len(sizes) > 1) for sizes in seen", "dynamic is True or (dynamic is None and any(len(each) > 1 for each in seen)) for sizes in seen")): "any size in all dimensions",
            swap(("        counts.append(len(graphs))", "        counts.append(len(counts) + 1)")): "counting calls",
            swap(("for number in range(len(graphs))):", "for number in range(len(graphs))[-1:]):")): "only the newest graph",
            swap(("    return counts", "    return counts[-1]")): "graphs_so_far",
            swap((seen, ""), ("len(sizes) > 1", "bool(graphs)")): "graphs_so_far",
        },
        right=[BY_TYPE, swap(("    return counts", "    return tuple(counts)"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 1, 3, 4)] == [2, 2, 3, 3]


def test_the_rules_are_those_of_dynamo():
    """The rules of question 4, against PyTorch itself on random shapes."""
    import torch

    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    random.seed(7)
    for dynamic, sides in itertools.product((None, True, False), (1, 2, 2)):
        shapes = [tuple(random.choice((1, 2, 3, 5)) for _ in range(sides)) for _ in range(7)]
        torch._dynamo.reset()
        graphs.clear()
        compiled = torch.compile(lambda x: x * 2 + 1, backend=backend, dynamic=dynamic)
        counted = []
        for shape in shapes:
            compiled(torch.ones(shape))
            counted.append(len(graphs))
        assert compilation._so_far(shapes, dynamic, 8) == counted, (shapes, dynamic)
    torch._dynamo.reset()


ALL_CHOICES = """
import itertools


def choose_buckets(lengths, count):
    ordered = np.array(sorted(lengths))
    values = sorted(set(lengths))
    def places(ends):
        return sum(min(end for end in ends if end >= length) for length in lengths)
    ends = [values[-1:]]
    for more in range(1, min(count, len(values))):
        ends += [[*some, values[-1]] for some in itertools.combinations(values[:-1], more)]
    return np.array(min(ends, key=places))


def for_any_length(function, backend):
    kept = torch.compile(function, backend=backend, fullgraph=True)
    def call(x):
        torch._dynamo.maybe_mark_dynamic(x, 1)
        return kept(x)
    return call


class in_buckets:
    def __init__(self, function, buckets, backend):
        self.kept = {bucket: torch.compile(function, backend=backend, dynamic=False) for bucket in buckets}

    def __call__(self, x):
        rows, length, width = x.shape
        large = [bucket for bucket in sorted(self.kept) if length <= bucket]
        if not large:
            raise ValueError(length)
        padded, mask = torch.zeros(rows, large[0], width), torch.zeros(rows, large[0], dtype=torch.bool)
        padded[:, :length], mask[:, :length] = x, True
        return self.kept[large[0]](padded, mask)[:, :length]
"""


def test_lengths():
    swap = partial(changed, "q5")
    mark = "torch._dynamo.mark_dynamic(x, 1)"
    fewest = "    return sorted(set(best[-1][1]))"
    result = judged_well(
        EXERCISE,
        "q5",
        before=given("imports") + "\nimport numpy as np",
        wrong={
            swap((mark, "None")): "the first graph was for the first length alone",
            swap((mark, "None"), ("torch.compile(function, backend=backend)", "torch.compile(function, backend=backend, dynamic=True)")): "sizes that may change",
            swap((mark, "torch._dynamo.mark_dynamic(x, 0)")): "one graph for the lengths",
            swap(("torch.compile(function, backend=backend)", "function")): "nothing of it was compiled",
            swap((fewest, "    return sorted({math.ceil(max(lengths) * number / count) for number in range(1, count + 1)})")): "even steps",
            swap((fewest, "    return sorted({ordered[math.ceil(len(ordered) * number / count) - 1] for number in range(1, count + 1)})")): "as many rows in each bucket",
            swap((fewest, "    return sorted(set(lengths))[-count:]")): "the longest lengths",
            swap((fewest, "    return sorted(set(lengths))")): "the number of buckets",
            swap((fewest, "    return sorted(set(lengths))[:count]")): "the largest bucket",
            swap((fewest, "    return best[-1][1][::-1]")): "sorted and each once",
            swap((", dynamic=False", "")): "the number of sizes that may change",
            swap(("        bucket = min(", "        if length > max(buckets):\n            return compiled(x, torch.ones(x.shape[:2], dtype=torch.bool))\n        bucket = min(")): "to be refused",
            swap((", mask)[:, :length]", ", mask)")): "to have the shape",
            swap(("torch.arange(bucket) < length", "torch.arange(bucket) < bucket")): "item",
            swap(("bucket = min(", "bucket = max(")): "the lengths that the function gets",
            swap(("(0, 0, 0, bucket - length)", "(0, 0, bucket - length, 0)")): "item",
        },
        right=[ALL_CHOICES],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 1, 4, 7, 10, 11)] == [3, 3, 3, 2, 3, 3]


BY_POINTER = """
class Recording(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.log, self.external, self.alive, self.read = [], [], [], False

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = function._schema.name.removeprefix("aten::")
        inputs = [each for each in tree_leaves([args, kwargs]) if torch.is_tensor(each)]
        if name in {"_local_scalar_dense", "nonzero", "masked_select"}:
            self.read = True
        if name.startswith("index") and any(each.dtype == torch.bool for each in inputs):
            self.read = True
        self.log += [name]
        for each in inputs:
            if not any(each is one for one in self.alive):
                self.external.append(each)
                self.alive.append(each)
        made = function(*args, **kwargs)
        self.alive += [each for each in tree_leaves(made) if torch.is_tensor(each)]
        return made


def problems(function, calls):
    records, words = [], set()
    for call in calls:
        record = Recording()
        before = None
        with record:
            function(*call)
        record.places = [(each.shape, each.data_ptr()) for each in record.external]
        records.append(record)
    first = records[0]
    for record in records:
        if record.read:
            words.add("reads")
        if record.log != first.log:
            words.add("operators")
        for (shape, place), (other, elsewhere) in zip(record.places, first.places):
            if shape != other:
                words.add("shapes")
            if place != elsewhere:
                words.add("memory")
    return words
"""


def test_recorded():
    swap = partial(changed, "q6")
    result = judged_well(
        EXERCISE,
        "q6",
        before=given("imports", "q6-given"),
        wrong={
            "def problems(function, calls): return []": "in problems(function, calls)",
            "def problems(function, calls): return ['memory', 'operators', 'reads', 'shapes']": "not in problems(function, calls)",
            swap(("asks_for_a_value(operator, tensors.values())", "operator.overloadpacket.__name__ in ('_local_scalar_dense', 'nonzero', 'masked_select')")): "'reads' in",
            swap(("asks_for_a_value(operator, tensors.values())", "operator.overloadpacket.__name__ in ('nonzero', 'masked_select', 'index')")): "'reads' in",
            swap(("a[0] != b[0] for a, b in pairs", "False for _ in pairs")): "'shapes' in",
            swap(("one.names != runs[0].names", "set(one.names) != set(runs[0].names)")): "'operators' in",
            swap(("one.names != runs[0].names", "len(one.names) != len(runs[0].names)")): "'operators' in",
            swap(("    return [word for word, applies in found.items() if applies]", "    return {'reads': 'reads' in found}")): "to be a list or a tuple",
            swap(("    return [word for word, applies in found.items() if applies]", "    return ['read' if word == 'reads' else word for word in found]")): "only the words",
            swap(("recorded(function, calls)", "recorded(function, calls[:1] * 3)")): "'shapes' in",
        },
        right=[BY_POINTER, swap(("    return [word for word, applies in found.items() if applies]", "    return tuple(word for word in found if found[word])"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 1, 2, 3, 4, 5, 6, 9)] == [0, 0, 3, 3, 3, 3, 3, 2]


COUNTED_BYTES = """
def kernels_of(operations):
    made, last = [], "closed"
    for number, operation in enumerate(operations):
        if operation[0] == "matmul" or last != "pointwise":
            made.append((number,))
        else:
            made[-1] = made[-1] + (number,)
        last = operation[0]
    return tuple(made)


def moved(operations, kernels, sizes, results):
    of = {number: place for place, kernel in enumerate(kernels) for number in kernel}
    maker = {writes: of[number] for number, (_, _, writes) in enumerate(operations)}
    loads, stores = set(), {name for name in results if name in maker}
    for number, (_, reads, _) in enumerate(operations):
        for name in reads:
            if maker.get(name) != of[number]:
                loads.add((of[number], name))
                if name in maker:
                    stores.add(name)
    return np.int64(sum(sizes[name] for _, name in loads)) + sum(sizes[name] for name in stores)


def greatest_gain(share, before, after):
    return torch.tensor(1 / (1 - share * (1 - after / before)), dtype=torch.float64)
"""


def test_fusion():
    swap = partial(changed, "q7")
    result = judged_well(
        EXERCISE,
        "q7",
        before=given("imports") + "\nimport numpy as np",
        wrong={
            swap(("{name for number in kernel for name in operations[number][1]} - made", "[name for number in kernel for name in operations[number][1] if name not in made]")): "reading a tensor",
            swap(("[*needed, *(made & (others | set(results)))]", "needed")): "leaving out what is written",
            swap(("[*needed, *(made & (others | set(results)))]", "made & (others | set(results))")): "leaving out what is read",
            swap((' or kind == "matmul"', "")): "a matmul that joins",
            swap(('operations[number - 1][0] != "pointwise"', 'operations[number - 1][0] == "matmul"')): "goes on after a reduction",
            swap(('operations[number - 1][0] != "pointwise"', 'operations[number - 1][0] == "reduce"')): "goes on after a matmul",
            swap(('kind == "matmul"', 'kind != "pointwise"')): "a reduction that begins",
            swap(("number == 0", "True")): "a kernel for each operation",
            swap((" for name in operations[number][1]} - made", " for name in operations[number][1]}")): "reading again",
            swap(("(made & (others | set(results)))", "made")): "writing all",
            swap(("(made & (others | set(results)))", "(made & others)")): "not writing the results",
            swap(("(made & (others | set(results)))", "(made & set(results))")): "not writing what a later",
            swap(("return 1 / (1 - share + share * after / before)", "return before / after")): "the gain of the fused part alone",
            swap(("return 1 / (1 - share + share * after / before)", "return 1 / (1 - share)")): "costs nothing any more",
            swap(("return 1 / (1 - share + share * after / before)", "return 1 / (share + (1 - share) * after / before)")): "exchanged",
        },
        right=[COUNTED_BYTES],
    )  # fmt: skip
    assert [report.points for report in result.wrong] == [2, 2, 2, *[3] * 7, 2, 2, *[3] * 3]


COUNTED_STEPS = """
def pays_from(first, eager, compiled):
    e, c = np.mean(eager), np.mean(compiled)
    if not e > c:
        return None
    return np.ceil((first - c) / (e - c)).clip(1)


def pays_between(first, eager, compiled):
    saved = np.array(eager) - np.array(compiled)
    half = 2 * saved.std(ddof=1) / len(saved) ** 0.5
    found = []
    for saving in (saved.mean() + half, saved.mean() - half):
        found.append(None if saving <= 0 else int(max(1, -((np.mean(compiled) - first) // saving))))
    return found


def cheapest(ways, steps, shapes, device):
    best = None
    for name, way in ways.items():
        if way["device"] is not None and way["device"] != device:
            continue
        firsts = [1, shapes][way["for_each_shape"]]
        seconds = way["first"] * firsts + way["step"] * (steps - firsts)
        if best is None or seconds < best[0]:
            best = seconds, name
    return best[1]
"""


def test_paying():
    swap = partial(changed, "q8")
    result = judged_well(
        EXERCISE,
        "q8",
        before=given("imports") + "\nimport numpy as np",
        wrong={
            swap(("max(1, math.ceil((first - later) / saving)) if saving", "max(1, math.floor((first - later) / saving)) if saving")): "rounding down",
            swap(("math.ceil((first - later) / saving)) if", "math.ceil(first / statistics.fmean(eager))) if")): "divided by an eager step",
            swap((" if saving > 0 else None\n", "\n")): "to be None",
            swap(("max(1, math.ceil((first - later) / saving))", "math.ceil((first - later) / saving)")): "to be 1",
            swap(("(mean + half, mean - half)", "(mean - half, mean + half)")): "in the other order",
            swap((" / math.sqrt(len(saved))", "")): "divide by √n",
            swap(("2 * statistics.stdev(saved) / math.sqrt(len(saved))", "2 * math.sqrt((statistics.variance(eager) + statistics.variance(compiled)) / len(saved))")): "the times are pairs",
            swap(("2 * statistics.stdev(saved)", "statistics.stdev(saved)")): "one spread, where two",
            swap((" if end > 0 else None", "")): "to be None",
            swap(('way["device"] in (None, device)', "True")): "it needs another device",
            swap(('shapes if way["for_each_shape"] else 1', "1")): "a first call for each of the 7 shapes",
            swap(("firsts * way[\"first\"] + (steps - firsts) * way[\"step\"]", 'way["step"]')): "its first call long",
        },
        right=[COUNTED_STEPS],
    )  # fmt: skip
    assert all(report.points == 2 for report in result.wrong)


MODEL_ALONE = """
def make_step(model, optimizer, backend):
    forward = torch.compile(model, backend=backend)

    def step(parts):
        for weight in model.parameters():
            weight.grad = None
        count = sum(inputs.shape[0] for inputs, _ in parts)
        losses = []
        for inputs, labels in parts:
            loss = F.cross_entropy(forward(inputs), labels) * (len(labels) / count)
            loss.backward()
            losses.append(loss.item())
        optimizer.step()
        return sum(losses)

    return step


def plain_state(module):
    found = {}
    for name, value in module.state_dict().items():
        found[".".join(word for word in name.split(".") if word != "_orig_mod")] = value
    return found
"""


def test_compiled_step():
    swap = partial(changed, "q9")
    loss, rows = (
        'return F.cross_entropy(model(inputs), labels, reduction="sum")',
        "rows, total = sum(len(labels) for _, labels in parts), 0.0",
    )
    result = judged_well(
        EXERCISE,
        "q9",
        before=given("imports"),
        wrong={
            swap((', reduction="sum"', ""), (rows, "rows, total = len(parts), 0.0")): "the mean of the parts",
            swap((', reduction="sum"', ""), (rows, "rows, total = 1, 0.0")): "the sum of the parts",
            swap(("        optimizer.zero_grad()\n", ""), ("        optimizer.step()\n", "        optimizer.step()\n        optimizer.zero_grad()\n")): "0.weight after",
            swap(("        optimizer.zero_grad()\n", ""), ("            loss = sum", "            optimizer.zero_grad()\n            loss = sum")): "0.weight after",
            swap(("    @torch.compile(backend=backend, fullgraph=True)\n", "")): "the number of graphs",
            swap(("sum_of_losses(inputs, labels):", "sum_of_losses(inputs, labels, rows):"), ('reduction="sum")', 'reduction="sum") / rows'), ("sum_of_losses(inputs, labels) / rows", "sum_of_losses(inputs, labels, rows)")): "the number of graphs",
            swap(("    @torch.compile(backend=backend, fullgraph=True)\n", "    @torch.compile(backend=backend, dynamic=False)\n"), (loss, "logits = model(inputs)\n        torch._dynamo.graph_break()\n        return F.cross_entropy(logits, labels, reduction=\"sum\")")): "the number of graphs",
            swap(("loss.detach()", "loss")): "the losses to hold no graph",
            swap(("return total\n", "return total / len(parts)\n")): "the loss of step 1",
            swap(('name.replace("_orig_mod.", "")', "name")): "the names of plain_state(torch.compile(model))",
            swap(('name.replace("_orig_mod.", "")', 'name.removeprefix("_orig_mod.")')): "the names of plain_state(a model with a compiled layer)",
        },
        right=[MODEL_ALONE],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (2, 4, 5, 6, 7, 8, 9, 10)] == [1, 3, 3, 3, 3, 3, 3, 3]


PREDICTIONS = "def predictions(): return {name: name in ('numpy', 'evaluated', 'modes') for name in NAMES}"


def test_predict():
    judged_well(
        EXERCISE,
        "q10",
        before=f"NAMES = {list(compilation.FOUND)}",
        wrong={
            "def predictions(): return {'loop': True}": "to have the key",
            "def predictions(): return dict.fromkeys(NAMES, True)": "right predictions",
            "def predictions(): return dict.fromkeys(NAMES, False)": "right predictions",
            "def predictions(): return [True] * 6": "to be a dict",
            "def predictions(): return dict.fromkeys(NAMES, 1)": "True or False",
            PREDICTIONS.replace("'numpy', ", ""): "all six",
        },
        right=[
            PREDICTIONS,
            "import numpy as np\ndef predictions(): return {name: np.bool_(name in ('numpy', 'evaluated', 'modes')) for name in NAMES}",
            "predictions = lambda: dict(zip(NAMES, (True, False, False, False, True, True)))",
        ],
    )  # fmt: skip


def test_what_is_predicted_is_measured():
    cells = given("imports"), given("q10-measure"), given("q10-compare")
    measured = namespace("def predictions(): return {}", *cells)["measured"]
    assert measured == compilation.FOUND


@pytest.mark.parametrize("kind", ["value", "branch", "shape", "builtin", "other"])
def test_each_breaking_statement_breaks_for_its_reason(kind):
    """What question 2 plants, one statement at a time, in a function and in one that it calls."""
    held = namespace(given("imports"), given("q2-answer"))
    for text in compilation.BREAKING[kind]:
        lines = [
            "def helper(x, y, m):",
            "    y = y + 1",
            f"    {text}",
            "    return y * 3",
            "",
            "def watched(x, m):",
        ]
        lines += [
            "    y = x * 2",
            f"    {text}",
            "    y = y - 1",
            "    y = helper(x, y, m)",
            "    return y + 1",
            "",
        ]
        found = _explained(held, "\n".join(lines))
        assert found == [(3, kind), (5, kind)], text


def _explained(held, text):
    import torch

    functions = {"torch": torch}
    exec(compile(text, "a file", "exec"), functions)
    found = held["breaks"](
        functions["watched"], torch.tensor([0.5, -1.0, 2.0]), torch.tensor([True, False, True])
    )
    torch._dynamo.reset()
    return found
