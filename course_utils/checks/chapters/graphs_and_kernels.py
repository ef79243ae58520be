"""The questions of chapter 26: graphs and kernels.

Graphs, layers, operators and sizes are drawn; what comes of a pass is judged by the graph that is left and by
its outputs, an operator by PyTorch's own tests. No compiler is needed, and nothing here looks at a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from course_utils.checks import expect
from course_utils.checks.draw import Draw
from course_utils.checks.framework import Exercise, part
from course_utils.checks.mistakes import near, telling
from course_utils.checks.predictions import six_predictions
from course_utils.checks.report import Failed, Rung
from course_utils.wire.answer import Answer

if TYPE_CHECKING:
    import torch

    # what the learner writes: the functions below that are sent along call it by its name
    without_dead: Any = None
    folded: Any = None
    fused: Any = None
    Bounded: Any = None
    squash_operator: Any = None
    loss_and_gradient: Any = None
    exported: Any = None

LESSONS = "lessons/26_graphs_and_kernels/"
GRAPHS = LESSONS + "01_a_graph_rewritten.ipynb"
OPERATOR = LESSONS + "02_an_operator_of_ones_own.ipynb"
KERNEL = LESSONS + "03_a_kernel.ipynb"
EXPORTED = LESSONS + "04_exported.ipynb"
AHEAD = LESSONS + "05_run_without_the_class.ipynb"

exercise = Exercise(
    "26_graphs_and_kernels",
    title="Graphs and kernels",
    minutes=140,
    difficulty="hard",
    cost="about half a minute on two cores",
)


def _same(got: Any, right: torch.Tensor, what: str, tolerance: float = 1e-5) -> None:
    """A tensor is the right one up to rounding."""
    found = expect.tensor(got, what, tuple(right.shape))
    off = (found.double() - right.double()).abs().max().item() if right.numel() else 0.0
    if not off <= tolerance * (1 + right.abs().max().item()):
        raise Failed(Rung.WRONG_VALUE, f"{what} to be right up to rounding", f"it is off by {off:.3g}")


def _left(got: list[str], right: list[str], what: str) -> None:
    """The nodes that are left, in whatever order."""
    if sorted(got) != sorted(right):
        lacks = [name for name in right if name not in got]
        more = [name for name in got if name not in right]
        said = f"without {', '.join(lacks)}" if lacks else f"also {', '.join(more)}"
        raise Failed(Rung.WRONG_VALUE, f"{what}: {len(right)} nodes, {', '.join(right)}", said)


# q1: dead code


FUNCTIONS = [
    "exp", "sin", "cos", "tanh", "sigmoid", "neg", "abs", "atan", "erf", "square", "relu", "sinh", "expm1",
]  # fmt: skip


@exercise.question(
    "q1",
    title="Dead code",
    points=4,
    difficulty=2,
    needs=("without_dead",),
    lesson=GRAPHS + "#Dead code",
    hints=(
        "When a node goes away, which other node may have lost its last user? And what would be lost with a "
        "node whose result nobody reads, but which changed a tensor?",
        "Go through `reversed(list(module.graph.nodes))`. Keep placeholders, the output, and whatever "
        "works in place: a method or function whose name ends with one `_`. `graph.erase_node(node)` for "
        "the others without `node.users`; at the end `module.recompile()`.",
        "Clearing a kitchen, the last thing first: a bowl that only held the sauce which is thrown away goes "
        "too. The oven that is on is not thrown away, though nobody holds it.",
    ),
)
def dead_code(answer: Answer, draw: Draw) -> None:
    names = draw.random.sample(
        FUNCTIONS, draw.random.randrange(3, 6)
    )  # the last lives, and is dead elsewhere
    case = {"seed": draw.seed, "names": names, "width": draw.random.randrange(3, 7)}
    ask = answer.given(rewritten, sample)
    for title, kind, right in (
        ("one that nobody uses", "one", ["x", names[-1], "output"]),
        ("a whole chain", "chain", ["x", names[-1], "mul", "output"]),
        ("what works in place stays", "in place", ["x", "clone", "mul_", "getitem", "output"]),
        ("an input that nobody uses stays", "input", ["x", "y", names[-1], "output"]),
    ):
        with part(title, points=1):
            found = ask.call("rewritten", "without_dead", case | {"kind": kind})
            _same(found["made"], found["before"], "the output of without_dead(module)")
            _left(found["left"], right, "what is left")
            expect.true(found["sound"], "a graph that passes lint() and is compiled anew", "it does not")


def sample(case: dict) -> object:
    """A module with something dead in it, or constant; a second input where the kind says so."""
    import torch
    from torch import nn

    torch.manual_seed(case["seed"] % 2**31)
    width, kind = case["width"], case["kind"]
    functions = [getattr(torch, name) for name in case["names"]]

    class Sample(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain, self.shift = nn.Parameter(torch.rand(width) + 0.5), nn.Parameter(torch.randn(width))

        def forward(self, x: Any) -> Any:
            if kind == "one":
                functions[-1](x)
                return functions[-1](x)
            if kind == "chain":
                dead = x
                for function in functions:
                    dead = function(dead) + 1
                return functions[-1](x) * 2
            if kind == "in place":
                z = x.clone()
                z[0].mul_(3.0)
                functions[0](x)
                return z
            if kind == "folded":
                return x * (self.gain * 2.0 + self.shift.exp())
            if kind == "methods":
                return x + self.shift.abs().clamp(min=0.3) * 3.0
            return x * self.gain + (x + self.shift) * 2.0

    class TwoInputs(nn.Module):
        def forward(self, x: Any, y: Any) -> Any:
            functions[0](y)
            return functions[-1](x)

    return (TwoInputs() if kind == "input" else Sample()).eval()


def rewritten(name: str, case: dict) -> dict:
    """What the learner's pass leaves of a graph, and what the graph then gives."""
    import re

    import torch
    from torch import fx

    module: Any = sample(case)
    graph: Any = fx.symbolic_trace(module)
    x = torch.randn(4, case["width"])
    inputs = [x, torch.ones(2)] if case["kind"] == "input" else [x]
    before = module(*[each.clone() for each in inputs]).detach()
    made = globals()[name](graph)
    graph = graph if made is None else made
    code = graph.code
    graph.recompile()
    sound = code == graph.code
    try:
        graph.graph.lint()
    except (RuntimeError, ValueError):
        sound = False
    return {
        "made": graph(*[each.clone() for each in inputs]).detach(),
        "before": before,
        "left": [re.sub(r"_\d+$", "", node.name) for node in graph.graph.nodes],
        "kinds": [node.op for node in graph.graph.nodes],
        "sound": sound,
    }


# q2: constants


@exercise.question(
    "q2",
    title="What is always the same",
    points=3,
    difficulty=2,
    needs=("folded",),
    lesson=GRAPHS + "#What is always the same",
    hints=(
        "Of which nodes can the value be computed without any input? And what takes their place in the "
        "graph?",
        "Keep a dict from nodes to values: of a `get_attr` node its tensor, of a function or method whose "
        "input nodes are all in the dict what it gives for them (`fx.node.map_arg`). Where a node that is "
        "*not* in the dict uses one that is computed, register the value as a buffer, and insert a "
        "`get_attr` for it.",
        "A recipe that says 'take half of the 500 g, and 50 g more' for each guest: one writes 300 g into "
        "it once.",
    ),
)
def constants(answer: Answer, draw: Draw) -> None:
    case = {"seed": draw.seed, "names": ["exp"], "width": draw.random.randrange(3, 7)}
    ask = answer.given(rewritten, sample)
    for title, kind, operations in (
        ("of weights", "folded", ["mul"]),
        ("by methods, with keywords", "methods", ["add"]),
        ("what depends on an input stays", "neither", ["add", "add", "mul", "mul"]),
    ):
        with part(title, points=1):
            found = ask.call("rewritten", "folded", case | {"kind": kind})
            _same(found["made"], found["before"], "the output of folded(module)")
            left = [
                name
                for name, each in zip(found["left"], found["kinds"], strict=True)
                if each.startswith("call_")
            ]
            wanted = f"{len(operations)} operations to be left in the graph: {', '.join(operations)}"
            expect.true(sorted(left) == operations, wanted, f"{len(left)}: {', '.join(left)}")
            expect.true(found["sound"], "a graph that passes lint() and is compiled anew", "it does not")


# q3: two layers in one


@exercise.question(
    "q3",
    title="Two layers in one",
    points=4,
    difficulty=3,
    needs=("fused",),
    lesson=GRAPHS + "#Two layers in one",
    hints=(
        "A batch norm in eval mode is a multiplication and an addition for each feature: with which "
        "numbers? And who else may read what the linear layer gives?",
        "`s = norm.weight / (norm.running_var + norm.eps).sqrt()`, the new weight `s[:, None] * W`, the "
        "new bias `s * (b - running_mean) + norm.bias`. Only if `len(before.users) == 1` and the norm does "
        "not train; make a *new* layer, or whoever else calls the old one gets the new numbers, too.",
        "Two price lists, first 'times 1.2, plus 3', then 'times 0.5, less 1', are one: times 0.6, plus 0.5.",
    ),
)
def two_in_one(answer: Answer, draw: Draw) -> None:
    case = {"seed": draw.seed, "width": draw.random.randrange(3, 7)}
    ask = answer.given(merged, layers)
    for title, kind, norms, most in (
        ("a layer and its norm", "plain", 0, 2),
        ("a layer without a bias, and two pairs", "two", 0, 3),
        ("somebody else reads it", "shared", 1, 4),
        ("a norm that trains, and one without a layer", "training", 2, 4),
    ):
        with part(title, points=1):
            found = ask.call("merged", case | {"kind": kind})
            wanted = f"{norms} batch norms to be left in the graph" if norms else "no batch norm to be left"
            expect.true(found["norms"] == norms, wanted, f"{found['norms']}")
            expect.true(
                found["calls"] <= most, f"at most {most} calls left in the graph", f"{found['calls']}"
            )
            _same(found["made"], found["before"], "the output of fused(module)", 1e-4)
            _same(found["kept"], found["before"], "the output of the module that was handed over", 1e-6)


def layers(case: dict) -> object:
    """Linear layers and batch norms that have seen something."""
    import torch
    from torch import nn

    torch.manual_seed(case["seed"] % 2**31)
    width, kind = case["width"], case["kind"]

    class Layers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.norm = (
                nn.Linear(width, width + 1, bias=kind != "two"),
                nn.BatchNorm1d(width + 1, eps=0.1),
            )
            self.two, self.last = nn.Linear(width + 1, 3), nn.BatchNorm1d(3, eps=0.1)

        def forward(self, x: Any) -> Any:
            if kind == "training":
                return self.norm(self.two_norms(x))
            h = self.one(x)
            made = torch.relu(self.norm(h))
            if kind == "two":
                return self.last(self.two(made))
            return made + h if kind == "shared" else made

        def two_norms(self, x: Any) -> Any:
            return torch.relu(self.norm_first(self.one(x)))

    made = Layers()
    made.norm_first = nn.BatchNorm1d(width + 1)
    for norm in (made.norm, made.last, made.norm_first):
        nn.init.uniform_(norm.weight, 0.5, 2)
        nn.init.normal_(norm.bias)
        norm.running_mean.normal_()  # type: ignore[union-attr]
        norm.running_var.uniform_(0.2, 3)  # type: ignore[union-attr]
    made.eval()
    if kind == "training":
        made.norm_first.train()
        made.norm_first.momentum = 0.0
    return made


def merged(case: dict) -> dict:
    """What the learner's pass makes of layers and norms."""
    import torch
    from torch import fx, nn

    module: Any = layers(case)
    x = torch.randn(6, case["width"])
    before = module(x).detach()
    graph: Any = fx.symbolic_trace(module)
    made = fused(graph)
    graph = graph if made is None else made
    parts = dict(graph.named_modules())
    calls = [node for node in graph.graph.nodes if node.op.startswith("call_")]
    norms = sum(
        any(isinstance(each, nn.BatchNorm1d) for each in parts[node.target].modules())  # also a wrapped one
        for node in calls
        if node.op == "call_module"
    )
    norms += sum("batch_norm" in str(node.target) for node in calls if node.op == "call_function")
    return {
        "made": graph(x).detach(), "before": before, "norms": norms, "kept": module(x).detach(),
        "calls": len(calls),
    }  # fmt: skip


# q4: predictions


FOUND = {
    "traced": True,
    "scripted": False,
    "proxies": True,
    "loop": True,
    "fixed": True,
    "guarded": False,
}


@exercise.question(
    "q4",
    title="Predict, then measure",
    points=2,
    difficulty=1,
    needs=("predictions",),
    lesson=GRAPHS + "#Five ways to take a graph",
    hints=(
        "Which of the ways sees values, which sees the source, and which sees neither? A loop over a Python "
        "range needs no value.",
        "FX runs the function once with proxies: `len` of a list and a loop over it are ordinary Python, "
        "an `if` on a proxy is not. What is not named as dynamic is fixed when one exports.",
        "Somebody who writes down which way you went knows the way of that day; somebody who copies the map "
        "knows the crossings.",
    ),
)
def predictions(answer: Answer, draw: Draw) -> None:
    six_predictions(answer, FOUND)


# q5: a decision in the graph


@exercise.question(
    "q5",
    title="A decision that can be exported",
    points=3,
    difficulty=2,
    needs=("Bounded",),
    lesson=GRAPHS + "#Five ways to take a graph",
    hints=(
        "Which operation has two functions, of which one is run, and is itself a node of the graph?",
        "`torch.cond(length > self.most, long, short, (x,))`: both functions take the same tensors and "
        "give one of the same shape and dtype, and neither may give back its input itself, so `x.clone()`.",
        "A recipe in one text: 'if it is sour, add sugar; if not, stir once more' has both branches in it:\n"
        "torch.cond(sour, lambda soup: soup + 1, lambda soup: soup * 1, (soup,))",
    ),
)
def decision(answer: Answer, draw: Draw) -> None:
    most = round(draw.random.uniform(0.5, 3), 2)
    found = answer.given(bounded, by_itself_and_exported).call("bounded", most, draw.seed)
    with part("right for short and long vectors", points=1):
        for name in ("short", "long", "zero", "just"):
            _same(found[name], found[f"{name} right"], f"Bounded({most}) of a vector that is {name}", 1e-5)
    with part("it can be exported", points=1):
        expect.true(not found["error"], "torch.export.export(Bounded(most), (x,)) to work", found["error"])
        for name in ("short", "long", "zero"):
            _same(found[f"{name} exported"], found[f"{name} right"], f"the exported module, {name}", 1e-5)
    with part("with the decision in the graph", points=1):
        wanted = "one node cond in the exported graph, whose result the output is made of"
        expect.true(found["cond"] == 1, wanted, f"{found['cond']}")


def bounded(most: float, seed: int) -> dict:
    """What the learner's module gives, by itself and exported from a short vector."""
    import sys
    import types

    # Dynamo, which torch.cond asks too, looks up the names of a branch in the module that it says it is of
    there, seen = sys.modules["__main__"], types.ModuleType("__main__")
    seen.__dict__.update(globals())
    if there.__dict__ is not globals():
        sys.modules["__main__"] = seen
    try:
        return by_itself_and_exported(Bounded(most), most, seed)
    finally:
        sys.modules["__main__"] = there


def by_itself_and_exported(module: Any, most: float, seed: int) -> dict:
    """What a module gives for four vectors, what is right, and what it gives when it is exported."""
    import torch

    torch.manual_seed(seed % 2**31)
    x = torch.randn(5)
    x = x / x.norm()
    inputs = {"short": x * most * 0.6, "long": x * most * 4, "zero": x * 0, "just": x * most * 0.999}
    found: dict = {"error": "", "cond": 0}
    for name, value in inputs.items():
        with torch.no_grad():
            found[name] = module(value.clone())
        found[f"{name} right"] = value * min(1.0, most / max(value.norm().item(), 1e-12))
    try:
        program = torch.export.export(module, (inputs["short"],))
    except Exception as error:
        return {**found, "error": f"{type(error).__name__}: {str(error)[:200]}"}
    for name, value in inputs.items():
        found[f"{name} exported"] = program.module()(value.clone()).detach()
    used, waiting = set(), [node for node in program.graph.nodes if node.op == "output"]
    while waiting:  # from the output backwards: a cond that nothing reads decides nothing
        node = waiting.pop()
        if node not in used:
            used.add(node)
            waiting += node.all_input_nodes
    found["cond"] = sum(node.op == "call_function" and "cond" in str(node.target) for node in used)
    return found


# q6: an operator


@exercise.question(
    "q6",
    title="An operator like any other",
    points=5,
    difficulty=3,
    needs=("squash_operator",),
    lesson=OPERATOR + "#Its gradient",
    hints=(
        "What has to be known of the result without a number, and what must the gradient be for each number? "
        "Does the operator change an input?",
        '`@torch.library.custom_op("answer::squash", mutates_args=())` over a function with type hints; '
        "`@squash.register_fake` returns `torch.empty_like(x)`; the derivative of x / sqrt(1 + a·x²) is "
        "1 / (1 + a·x²)^1.5. `register_autograd(backward, setup_context=keep)`, where `keep(ctx, inputs, "
        "output)` saves x and notes a, and `backward` returns a pair: nothing for a.",
        "@torch.library.custom_op('shop::tax', mutates_args=())\n"
        "def tax(price: torch.Tensor, rate: float) -> torch.Tensor:\n"
        "    return price * rate\n"
        "tax.register_fake(lambda price, rate: torch.empty_like(price))",
    ),
)
def operator(answer: Answer, draw: Draw) -> None:
    found = answer.given(tried).call("tried", draw.seed, round(draw.random.uniform(0.3, 2), 2))
    expect.true(found["operator"], "squash to be a custom operator of torch.library", "it is none")
    with part("what it gives", points=1):
        expect.true(found["kept"], "squash to leave x as it is", "it changed")
        _same(found["made"], found["right"], "squash(x, a)", 1e-6)
    with part("what it would give", points=1):
        expect.equal(found["fake"], found["fake right"], "shape, strides and dtype for fake tensors")
    with part("its gradient", points=1):
        expect.true(not found["gradcheck"], "gradcheck to be content", found["gradcheck"])
        _same(found["gradient"], found["gradient right"], "the gradient for x", 1e-5)
    with part("opcheck", points=1):
        failed = [name for name, said in found["opcheck"].items() if said != "SUCCESS"]
        expect.true(not failed, "every test of opcheck to be a success", ", ".join(failed))
    with part("one node of one graph", points=1):
        expect.true(not found["error"], "torch.compile(..., fullgraph=True) to take it", found["error"])
        expect.true(found["nodes"] == 1, "one node answer.squash in the graph", f"{found['nodes']}")


def tried(seed: int, a: float) -> dict:
    """The learner's operator by itself, with fakes, with gradients, under opcheck and in a graph."""
    import torch
    from torch._subclasses import FakeTensorMode

    squash: Any = squash_operator()
    torch.manual_seed(seed % 2**31)
    x = torch.randn(4, 3)
    before = x.clone()
    is_operator = isinstance(squash, torch._library.custom_ops.CustomOpDef)
    made = squash(x, a)
    found: dict = {"made": made.detach(), "right": before / (1 + a * before**2).sqrt()}
    found["kept"] = torch.equal(x, before)
    x = before
    found["operator"] = is_operator
    said = []
    for shape in ((4, 3), (0, 2), (5,)):
        try:
            with FakeTensorMode():
                for dtype in (torch.float32, torch.float64):
                    fake = squash(torch.empty(shape, dtype=dtype), a)
                    said.append([list(fake.shape), list(fake.stride()), str(fake.dtype)])
        except Exception as error:
            said.append([type(error).__name__])
    found["fake"] = said
    empties = [torch.empty(shape) for shape in ((4, 3), (0, 2), (5,))]
    found["fake right"] = [
        [list(each.shape), list(each.stride()), name]
        for each in empties
        for name in ("torch.float32", "torch.float64")
    ]
    samples = [torch.randn(3, 2, dtype=torch.float64), torch.randn(2, 4, dtype=torch.float64).T]
    found["gradcheck"] = ""
    found["gradient right"] = (1 + a * x**2) ** -1.5
    try:
        wanted = x.clone().requires_grad_()
        squash(wanted, a).sum().backward()
        found["gradient"] = wanted.grad
        for each in samples:
            torch.autograd.gradcheck(lambda x: squash(x, a), (each.clone().requires_grad_(),))
    except Exception as error:
        found["gradient"] = found.get("gradient", torch.zeros_like(x))
        found["gradcheck"] = f"{type(error).__name__}: {str(error)[:150]}"
    found["opcheck"] = {"opcheck": "not an operator"}
    if is_operator:
        checks = [
            torch.library.opcheck(squash, (each.clone().requires_grad_(), a), raise_exception=False)
            for each in samples
        ]
        found["opcheck"] = {
            f"{name} ({number})": str(said)
            for number, each in enumerate(checks)
            for name, said in each.items()
        }
    graphs: list = []

    def backend(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    found["error"], found["nodes"] = "", 0
    torch._dynamo.reset()
    try:
        torch.compile(lambda x: squash(x * 2, a) + 1, backend=backend, fullgraph=True)(x)
        found["nodes"] = sum("squash" in str(node.target) for node in graphs[0].graph.nodes)
    except Exception as error:
        found["error"] = f"{type(error).__name__}: {str(error)[:150]}"
    return found


# q7: bytes


@exercise.question(
    "q7",
    title="Bytes that need not move",
    points=4,
    difficulty=2,
    needs=("apart", "together"),
    lesson=KERNEL + "#What a loss moves",
    hints=(
        "If each operation is a kernel of its own, what does each read and write? If all are one kernel, "
        "which of these tensors does memory never see?",
        "`apart`: for each operation the sizes of all it reads and of what it writes. `together`: what is "
        "read and was not made by an operation of the list, each once, and what is made and is needed "
        "afterwards.",
        "Four cooks in four houses send each bowl by post, there and back. Four cooks in one kitchen have "
        "only the shopping carried in and the dinner carried out.",
    ),
)
def bytes_moved(answer: Answer, draw: Draw) -> None:
    for name, answers_of, points in (("apart", _apart, 2), ("together", _together, 2)):
        with part({"apart": "each by itself", "together": "all in one"}[name], points=points):
            for _ in range(3):
                case = telling(lambda: _operations(draw), answers_of)
                near(answer.call(name, *case), answers_of(case), f"{name}{_shown(case)}")


Case = tuple[list[dict], dict[str, int], list[str]]


def _shown(case: Case) -> str:
    operations = "; ".join(f"{each['writes']} of {', '.join(each['reads'])}" for each in case[0])
    return f"(operations, sizes, needed) with {operations}; sizes {case[1]}; needed {case[2]}"


def _operations(draw: Draw) -> Case:
    random = draw.random
    inputs = ["x", "w", "labels"]
    sizes = {name: 4 * random.randrange(10, 400) for name in inputs}
    operations: list[dict] = []
    made: list[str] = []
    for number in range(random.randrange(4, 7)):
        reads = random.sample([*inputs, *made], random.randrange(1, 3))
        if made and made[-1] not in reads:
            reads.append(made[-1])
        name = f"t{number}"
        made.append(name)
        sizes[name] = 4 * random.randrange(10, 400)
        operations.append({"reads": reads, "writes": name})
    return operations, sizes, sorted({made[-1], random.choice(made[:-1])})


def _apart(case: Case) -> dict[str, int]:
    operations, sizes, needed = case
    read = sum(sizes[name] for each in operations for name in each["reads"])
    written = sum(sizes[each["writes"]] for each in operations)
    once = sum(sizes[name] for name in {name for each in operations for name in each["reads"]})
    return {
        "": read + written,
        "leaving out what is written": read,
        "leaving out what is read": written,
        "each tensor read once, though every kernel reads it anew": once + written,
        "writing only what is needed afterwards": read + sum(sizes[name] for name in needed),
    }


def _together(case: Case) -> dict[str, int]:
    operations, sizes, needed = case
    made = {each["writes"] for each in operations}
    reads = [name for each in operations for name in each["reads"] if name not in made]
    inputs, out = sum(sizes[name] for name in set(reads)), sum(sizes[name] for name in needed)
    last = sizes[operations[-1]["writes"]]
    return {
        "": inputs + out,
        "inputs read anew by each operation": sum(sizes[name] for name in reads) + out,
        "only the last result written": inputs + last,
        "all results written": inputs + sum(sizes[name] for name in made),
        "leaving out what is read": out,
    }


# q8: a loss without its table


@exercise.question(
    "q8",
    title="A loss without its table",
    points=4,
    difficulty=3,
    needs=("loss_and_gradient",),
    lesson=KERNEL + "#Forty lines of C++",
    hints=(
        "Which tensors of the size of the logits does one need at the least? And which operations change a "
        "tensor in place of making a new one?",
        "Begin with `gradient = logits - logits.amax(1, keepdim=True)`, take the label's numbers out of it "
        "with `gather`, then `gradient.exp_()`, its sums, `gradient.div_(sums)`; subtract 1 at each "
        "label's place (`gradient[rows, labels] -= 1`), set the rows that don't count to 0, and divide by "
        "their number.",
        "A mean of squares without a second tensor of that size: `off = x - mean; off.mul_(off); off.sum()`.",
    ),
)
def no_table(answer: Answer, draw: Draw) -> None:
    case = _scored(draw)
    found = answer.given(weighed).call("weighed", case)
    right = _loss_and_gradient(case)
    with part("the loss", points=1):
        expect.close(found["loss"], right[0], "the loss", tolerance=1e-4)
    with part("the gradient", points=1):
        _same(found["gradient"], right[1], "the gradient for the logits", 1e-5)
        expect.true(found["kept"], "the logits to stay as they are", "they changed")
    with part("large logits, and rows that don't count", points=1):
        hard = case | {"logits": case["logits"] * 40 + 200}
        again, wanted = answer.given(weighed).call("weighed", hard), _loss_and_gradient(hard)
        expect.true(
            again["finite"],
            "a loss and a gradient that are finite for logits of some hundreds",
            "they are not",
        )
        expect.close(again["loss"], wanted[0], "the loss of large logits", tolerance=1e-3)
        _same(again["gradient"], wanted[1], "the gradient of large logits", 1e-5)
    with part("few bytes", points=1):
        size = case["logits"].numel() * 4
        expect.true(
            found["seen"], "tensors, made in the function itself", "NumPy's memory, or another thread's"
        )
        is_right = abs(found["loss"] - right[0]) < 1e-3
        wanted_bytes = (
            f"a right loss, and new tensors of at most {1.3 * size:.0f} bytes, 1.3 times the logits"
        )
        expect.true(is_right and found["made"] <= 1.3 * size, wanted_bytes, f"{found['made']}")


def _scored(draw: Draw) -> dict:
    import torch

    noise = torch.Generator().manual_seed(draw.seed)
    rows, classes = 40 + draw.random.randrange(20), 150
    labels = torch.randint(classes, (rows,), generator=noise)
    labels[torch.randperm(rows, generator=noise)[: rows // 4]] = -100
    return {"logits": torch.randn(rows, classes, generator=noise), "labels": labels}


def _loss_and_gradient(case: Mapping[str, Any]) -> tuple[float, torch.Tensor]:
    import torch

    logits = case["logits"].double().requires_grad_()
    loss = torch.nn.functional.cross_entropy(logits, case["labels"], ignore_index=-100)
    (gradient,) = torch.autograd.grad(loss, logits)
    return loss.item(), gradient.float()


def weighed(case: dict) -> dict:
    """The learner's loss and gradient, and the bytes of all tensors that are new."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    logits, labels = case["logits"].clone(), case["labels"].clone()

    class NewBytes(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.total, self.known = 0, {logits.untyped_storage()._cdata}
            self.alive: list = []

        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            made = function(*args, **(kwargs or {}))
            for each in tree_leaves(made):
                if isinstance(each, torch.Tensor):
                    storage = each.untyped_storage()
                    if storage._cdata not in self.known:
                        self.known.add(storage._cdata)
                        self.alive.append(storage)  # so that its number is not given away again
                        self.total += storage.nbytes()
            return made

    by_numpy: list = []
    converted = torch.Tensor.numpy

    def noted(self: Any, *args: Any, **kwargs: Any) -> Any:
        by_numpy.extend([self.numel()] if self.dtype.is_floating_point else [])
        return converted(self, *args, **kwargs)

    torch.Tensor.numpy = noted  # type: ignore[method-assign, assignment]
    try:
        with NewBytes() as new:
            loss, gradient = loss_and_gradient(logits, labels)
    finally:
        torch.Tensor.numpy = converted  # type: ignore[method-assign]
    loss = float(loss)
    seen = gradient.untyped_storage()._cdata in new.known and max(by_numpy, default=0) <= len(labels)
    finite = loss == loss and abs(loss) < 1e30 and bool(gradient.isfinite().all())
    kept = torch.equal(logits, case["logits"])
    gradient = gradient.detach().nan_to_num(0.0, 0.0, 0.0)
    return {
        "loss": loss if finite else 1e30, "gradient": gradient, "kept": kept, "finite": finite,
        "made": new.total, "seen": seen,
    }  # fmt: skip


# q9: exported


@exercise.question(
    "q9",
    title="A program for other sizes",
    points=4,
    difficulty=2,
    needs=("exported",),
    lesson=EXPORTED + "#Sizes that may change",
    hints=(
        "What does export take for fixed, if nothing is said? Which sizes of the example would be taken for "
        "special ones?",
        '`Dim("rows", min=1, max=most_rows)` and one for the length; `dynamic_shapes={"ids": {0: rows, 1: '
        "length}}`, by the name of forward's argument. An example of one row is an example of a special "
        "size: make one of two rows, with `torch.export.export(module.eval(), (example,), "
        "dynamic_shapes=...)`.",
        "width = torch.export.Dim('width', min=2, max=512)\n"
        "torch.export.export(blur, (picture,), dynamic_shapes={'picture': {1: width}})",
    ),
)
def other_sizes(answer: Answer, draw: Draw) -> None:
    case = {"seed": draw.seed, "rows": draw.random.randrange(6, 12), "length": draw.random.randrange(9, 15)}
    found = answer.given(played, reader).call("played", case)
    expect.true(found["program"], "exported(...) to be an ExportedProgram", "it is none")
    for title, names in (
        ("other numbers of rows", ("1 x 5", "2 x 5", "most x 5")),
        ("other lengths", ("3 x 2", "3 x most", "most x most")),
    ):
        with part(title, points=1):
            for name in names:
                expect.true(
                    name not in found["errors"], f"the program to take {name}", found["errors"].get(name, "")
                )
                _same(found[name], found[f"{name} right"], f"its scores for {name}", 1e-5)
    with part("and no more than was promised", points=1):
        for name in ("too many rows", "too long"):
            expect.true(name in found["errors"], f"the program to refuse {name}", "it gives something")
    with part("as it will be used", points=1):
        expect.true(found["same"], "the same scores when it is run twice: dropout is off", "they differ")
        expect.true(found["saved"], "a program that can be saved and loaded", "it can't")


def reader(case: dict) -> object:
    """A small model with dropout, in training mode, as a learner may find it."""
    import torch
    from torch import nn

    torch.manual_seed(case["seed"] % 2**31)

    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.drop, self.out = nn.Embedding(20, 8), nn.Dropout(0.3), nn.Linear(8, 3)

        def forward(self, ids: Any) -> Any:
            return self.out(self.drop(self.words(ids).mean(1)).tanh())

    return Reader()


def played(case: dict) -> dict:
    """The learner's program on batches of many sizes."""
    import io

    import torch

    model: Any = reader(case)
    program = exported(model, case["rows"], case["length"])
    is_program = isinstance(program, torch.export.ExportedProgram)
    found: dict = {"program": is_program, "errors": {}, "same": False, "saved": False}
    if not is_program:
        return found
    right: Any = reader(case)
    right.eval()
    sizes = {"1 x 5": (1, 5), "2 x 5": (2, 5), "most x 5": (case["rows"], 5), "3 x 2": (3, 2)}
    sizes |= {"3 x most": (3, case["length"]), "most x most": (case["rows"], case["length"])}
    sizes |= {"too many rows": (case["rows"] + 1, 5), "too long": (3, case["length"] + 1)}
    run = program.module()
    for name, shape in sizes.items():
        ids = torch.randint(20, shape)
        try:
            found[name] = run(ids).detach()
            found[f"{name} right"] = right(ids).detach()
        except Exception as error:
            found["errors"][name] = f"{type(error).__name__}: {str(error)[:150]}"
    ids = torch.randint(20, (3, 5))
    try:
        found["same"] = torch.equal(run(ids), run(ids))
        file = io.BytesIO()
        torch.export.save(program, file)
        file.seek(0)
        found["saved"] = torch.equal(torch.export.load(file).module()(ids), run(ids))
    except Exception as error:
        found["errors"]["saved"] = type(error).__name__
    return found


exercise.manual(
    "q10",
    title="“Our own kernel”",
    points=4,
    lesson=AHEAD + "#What is gone",
    hints=(
        "What was compared with what, in which mode, and who else had already written that loop?",
        "Look at what opcheck can't see, at what `-ffast-math` and `-march=native` change, at sizes "
        "outside the range, and at the largest part of the time.",
        "Somebody built his own screwdriver, and it turns screws twice as fast as his fingers. What would "
        "you have compared it with?",
    ),
)
