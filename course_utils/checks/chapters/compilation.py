"""The questions of chapter 25: compilation.

Nothing here looks at a clock, and nothing is compiled to machine code: graphs are given to back ends that
count them. The text of each function is drawn, so what becomes of it is known by construction. Dynamo
forgets what it made before each case, and after it.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from course_utils.checks import expect
from course_utils.checks.draw import Draw
from course_utils.checks.framework import Exercise, part
from course_utils.checks.mistakes import guess, near, numbers, telling
from course_utils.checks.predictions import six_predictions
from course_utils.checks.report import Failed, Rung
from course_utils.wire.answer import Answer

if TYPE_CHECKING:
    import torch

    # what the learner writes: the functions below that are sent along call it by its name
    GraphLog: Any = None
    breaks: Any = None
    Smoothed: Any = None
    in_buckets: Any = None
    for_any_length: Any = None
    problems: Any = None
    make_step: Any = None
    plain_state: Any = None

LESSONS = "lessons/25_compilation/"
GRAPH = LESSONS + "01_a_graph_is_taken.ipynb"
BREAKS = LESSONS + "02_graph_breaks.ipynb"
SHAPES = LESSONS + "03_other_shapes.ipynb"
MODES = LESSONS + "04_modes_and_fusion.ipynb"
PAYS = LESSONS + "05_when_it_pays.ipynb"

exercise = Exercise(
    "25_compilation",
    title="Compilation",
    minutes=150,
    difficulty="hard",
    cost="about a minute on two cores",
)


def _noise(draw: Draw, *shape: int) -> torch.Tensor:
    """Normal numbers of a shape, in float32."""
    import torch

    return torch.from_numpy(draw.numpy().standard_normal(shape)).float()


def _tensor(got: Any, right: torch.Tensor, what: str, hint: str = "") -> None:
    """A tensor is the right one, up to the rounding of float32."""
    import torch

    found = expect.tensor(got, what, tuple(right.shape)).double()
    wrong = (~torch.isclose(found, right.double(), rtol=1e-4, atol=1e-5)).nonzero().tolist()
    if wrong:
        place = tuple(wrong[0])
        inside = f"item {place[0] if len(place) == 1 else place} of {what}" if place else what
        raise Failed(
            Rung.WRONG_VALUE,
            f"{inside} to be {right[place].item():.6g}",
            f"{found[place].item():.6g}{hint}",
        )


# q1: a back end that counts

#: a statement, the operators that it asks for, and what it reads besides y
STATEMENTS = (
    ("y = torch.relu(y)", ("relu",), ""),
    ("y = y.tanh()", ("tanh",), ""),
    ("y = y + c", ("add",), "c"),
    ("y = c - y", ("sub",), "c"),
    ("y = y * 0.5", ("mul",), ""),
    ("y = torch.sigmoid(y) * y", ("sigmoid", "mul"), ""),
    ("y = y - y.mean()", ("mean", "sub"), ""),
    ("y = torch.maximum(y, c)", ("maximum",), "c"),
    ("y = y.abs().sqrt()", ("abs", "sqrt"), ""),
)


@exercise.question(
    "q1",
    title="A back end that counts",
    points=4,
    difficulty=2,
    needs=("GraphLog",),
    lesson=GRAPH + "#A back end of our own",
    hints=(
        "When is the back end called, and when the function that it returns? Which of the two happens at "
        "every call of the compiled function?",
        "`graph.graph.nodes` has them all: inputs (`placeholder`), calls and the `output`. The name of a "
        "`call_method` is `node.target` itself, of a `call_function` `node.target.__name__`. Return a "
        "function of your own that adds 1 to `runs` and then returns `graph(*inputs)`.",
        "A printer of recipes who notes what each recipe needs, and how often it was cooked:\n"
        "def printer(recipe):\n"
        "    entry = {'steps': Counter(step.name for step in recipe.steps), 'cooked': 0}\n"
        "    book.append(entry)\n"
        "    def cook(*things):\n"
        "        entry['cooked'] += 1\n"
        "        return recipe(*things)\n"
        "    return cook",
    ),
)
def counting(answer: Answer, draw: Draw) -> None:
    cases = [_segments(draw, 1), _segments(draw, 3)]
    made = []
    for case in cases:
        one = answer.given(logged_graphs).call("logged_graphs", case["text"], case["calls"])
        expect.each_of(one["graphs"], dict, "log.graphs")
        made.append(one)
    with part("one entry for each graph, and the same results", points=1):
        for one, case in zip(made, cases, strict=True):
            _logged(one, case)
    with part("the operators", points=1):
        for one, case in zip(made, cases, strict=True):
            _logged(one, case)
            for number, (found, right) in enumerate(zip(one["graphs"], case["graphs"], strict=True)):
                what = f"graphs[{number}] for {case['shown']}"
                expect.keys(found, ("operators",), what)
                _operators(found["operators"], right["operators"], f"'operators' of {what}")
    with part("the shapes", points=1):
        for one, case in zip(made, cases, strict=True):
            _logged(one, case)
            for number, (found, right) in enumerate(zip(one["graphs"], case["graphs"], strict=True)):
                what = f"graphs[{number}] for {case['shown']}"
                expect.keys(found, ("shapes",), what)
                expect.each_of(found["shapes"], (list, tuple), f"'shapes' of {what}")
                shapes = sorted(tuple(each) for each in found["shapes"])
                expect.equal(shapes, sorted(right["shapes"]), f"'shapes' of {what}, sorted,")
    with part("the runs", points=1):
        for one, case in zip(made, cases, strict=True):
            _logged(one, case)
            for found in one["graphs"]:
                expect.keys(found, ("runs",), "an entry of log.graphs")
            runs = [found["runs"] for found in one["graphs"]]
            right = [entry["runs"] for entry in case["graphs"]]
            what = f"'runs' of all graphs, after {len(case['calls'])} calls of {case['shown']},"
            if all(each == 1 for each in runs) and runs != right:
                said = f"{runs}: the back end is called once for each graph, what it returns at each call"
                raise Failed(Rung.WRONG_VALUE, f"{what} to be {right}", said)
            expect.equal(runs, right, what)


def _segments(draw: Draw, count: int) -> dict[str, Any]:
    """A function of so many pieces between graph breaks, calls of it, and the graphs that come of them."""
    pieces: list[list[tuple[str, tuple[str, ...], str]]] = []
    for _ in range(count):
        some = draw.sample(STATEMENTS, draw.random.choice((3, 4)))
        pieces.append([*some, draw.random.choice(some)])
    pieces[0].insert(0, ("y = a @ b", ("matmul",), "ab"))
    lines = ["def drawn(a, b, c):"]
    for number, piece in enumerate(pieces):
        lines += ["    torch._dynamo.graph_break()"] * bool(number) + [f"    {text}" for text, *_ in piece]
    rows = draw.sample(range(2, 9), 3)
    inner, columns = draw.sample((10, 11, 12, 13), 2)
    used = [rows[0], rows[0], rows[1], rows[2]] if count > 1 else [rows[0], rows[0]]
    calls = [[_noise(draw, n, inner), _noise(draw, inner, columns), _noise(draw, columns)] for n in used]
    graphs = []
    for n, runs in ((rows[0], 2), (rows[1], 2))[: 1 + (count > 1)]:
        sizes = {"a": (n, inner), "b": (inner, columns), "c": (columns,), "y": (n, columns)}
        for number, piece in enumerate(pieces):
            reads = set("".join(reads for _, _, reads in piece)) | ({"y"} if number else set())
            operators = Counter(name for _, names, _ in piece for name in names)
            shapes = [sizes[name] for name in sorted(reads)]
            graphs.append({"operators": dict(operators), "shapes": shapes, "runs": runs})
    text = "\n".join([*lines, "    return y", ""])
    return {"text": text, "calls": calls, "graphs": graphs, "shown": _inline(text)}


def _inline(text: str) -> str:
    """The text of a function in one line, as a message shows it."""
    lines = [line.strip() for line in text.strip().splitlines()]
    return "`" + lines[0] + " " + "; ".join(lines[1:]) + "`"


def _ran(text: str, name: str) -> Any:
    """The function of that name in a text of ours."""
    import torch

    held: dict[str, Any] = {"torch": torch}
    exec(compile(text, "a file", "exec"), held)
    return held[name]


def _logged(made: Mapping[str, Any], case: Mapping[str, Any]) -> None:
    function = _ran(case["text"].replace("    torch._dynamo.graph_break()\n", ""), "drawn")
    for number, (found, call) in enumerate(zip(made["made"], case["calls"], strict=True)):
        _tensor(found, function(*call), f"the result of call {number + 1} of {case['shown']}")
    count = len(case["graphs"])
    expect.length(made["graphs"], count, f"log.graphs, after {len(case['calls'])} calls of {case['shown']},")


def _operators(found: Any, right: Mapping[str, int], what: str) -> None:
    expect.type_of(found, dict, what)
    names = [name for name in found if isinstance(name, str)]
    if any(name in ("a", "b", "c", "y", "output", "placeholder") or name.startswith("l_") for name in names):
        raise Failed(
            Rung.WRONG_VALUE,
            f"{what} to be {dict(right)}",
            f"{expect.show(found)}: inputs and the output are nodes, too, but no operators",
        )
    if any("<" in name or "." in name for name in names):
        raise Failed(
            Rung.WRONG_VALUE,
            f"{what} to be {dict(right)}",
            f"{expect.show(found)}: of a function, its `__name__` is asked for",
        )
    expect.equal(dict(found), dict(right), what)


def logged_graphs(text: str, calls: list) -> dict:
    """What the learner's back end noted of a function with this text, called so often."""
    import torch

    held: dict = {"torch": torch}
    exec(compile(text, "a file", "exec"), held)
    torch._dynamo.reset()
    log = GraphLog()
    compiled = torch.compile(held["drawn"], backend=log)
    made = [compiled(*[each.clone() for each in call]) for call in calls]
    torch._dynamo.reset()
    graphs = []
    for entry in log.graphs:
        entry = dict(entry) if isinstance(entry, dict) else entry
        if isinstance(entry, dict) and isinstance(entry.get("shapes"), (list, tuple)):
            entry["shapes"] = [tuple(each) if hasattr(each, "__len__") else each for each in entry["shapes"]]
        if isinstance(entry, dict) and isinstance(entry.get("operators"), dict):
            entry["operators"] = dict(entry["operators"])
        graphs.append(entry)
    return {"made": [each.detach() for each in made], "graphs": graphs}


# q2: where it breaks

#: statements that end a graph, by the kind of their reason; x are three numbers, m is a mask
BREAKING = {
    "value": (
        "n = y.sum().item()",
        "n = float(y.mean())",
        "n = y.tolist()",
        "n = int(x[0])",
        "n = bool(x[0] > 1)",
    ),
    "branch": (
        "if y.sum() > 0: y = y + 1",
        "y = y * 2 if x.mean() > 0.5 else y - 1",
        "n = 1 if x.max() > 9 else 2",
    ),
    "shape": ("z = y[m]", "z = y.nonzero()", "z = x.masked_select(m)"),
    "builtin": ('print("", end="")', 'n = open("/dev/null").close()', "n = dir(y)"),
    "other": ("torch._dynamo.graph_break()",),
}
GOING_ON = (
    "y = y * 2",
    "y = torch.where(m, y, 0.5)",
    "y = y + x.shape[0]",
    "y = y.relu() - x",
    "y = y / len(x)",
)


@exercise.question(
    "q2",
    title="Where it breaks, and why",
    points=3,
    difficulty=2,
    needs=("breaks",),
    lesson=BREAKS + "#Explained",
    hints=(
        "Print `torch._dynamo.explain(watched)(x, m).break_reasons[0]` for the trial's function. Which of "
        "its attributes is a list of places?",
        "`reason.user_stack[0]` is the outermost place, with `.name` and `.lineno`. What follows a break is "
        "compiled as a function of its own, whose name begins with `torch_dynamo_resume_in_`; its lines are "
        "those of the file all the same. The first line of the function is "
        "`function.__code__.co_firstlineno`. For the kind, `reason.reason.startswith(...)`.",
        "Which lines of a letter had to be asked about, and why?\n"
        "first = letter.first_line\n"
        "asked = [(note.line - first + 1, 'name' if note.text.startswith('Who is') else 'other')\n"
        "         for note in notes if note.letter in (letter.title, 'rest of ' + letter.title)]",
    ),
)
def broken(answer: Answer, draw: Draw) -> None:
    first = draw.sample(["value", "branch", "shape", "builtin", "other"], 5)
    cases = [_breaking(draw, first[:3]), _breaking(draw, [*first[3:], first[0]])]
    found = [_explained(answer, case) for case in cases]
    with part("the lines", points=1):
        for one, case in zip(found, cases, strict=True):
            _lines(one, case)
    with part("the kinds", points=1):
        for one, case in zip(found, cases, strict=True):
            _kinds(one, case)
    with part("breaks in a function that is called", points=1):
        helped = _breaking(draw, draw.sample(["value", "shape", "builtin"], 2), helper=True)
        _kinds(_explained(answer, helped), helped)


def _breaking(draw: Draw, kinds: Sequence[str], helper: bool = False) -> dict[str, Any]:
    """A function that breaks as often, with the lines and kinds."""
    lines = [""] * draw.random.randrange(1, 9)
    body, right = [], []
    texts = [draw.random.choice(BREAKING[kind]) for kind in kinds]
    if helper:
        lines += ["def helper(x, y, m):", "    y = y + 1", f"    {texts[0]}", "    return y * 3", "", ""]
        texts[0] = "y = helper(x, y, m)"
    order = draw.sample(range(len(kinds)), len(kinds))
    if kinds[order[0]] == "branch":  # one that follows a break is in a function of another name
        order.append(order.pop(0))
    for number in order:
        body += draw.sample(GOING_ON, draw.random.choice((1, 2)))
        body.append(texts[number])
        right.append((2 + len(body), kinds[number]))
    body = ["y = x * 2", *body, draw.random.choice(GOING_ON)]
    lines += ["def watched(x, m):", *(f"    {line}" for line in body), "    return y + 1", ""]
    shown = "; ".join(f"{number}: {line}" for number, line in enumerate(body, 2))
    return {"text": "\n".join(lines), "body": body, "right": right, "shown": shown}


def _explained(answer: Answer, case: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    found = answer.given(explained_breaks).call("explained_breaks", case["text"])
    what = f"breaks(function, x, m) for a function with the lines {case['shown']!r}"
    expect.each_of(found, (list, tuple), what)
    for number, one in enumerate(found):
        expect.length(one, 2, f"item {number} of {what}")
    return [(line, kind) for line, kind in found]


def _lines(found: Sequence[tuple[Any, Any]], case: Mapping[str, Any]) -> None:
    lines, right = [line for line, _ in found], [line for line, _ in case["right"]]
    what = f"the lines of breaks(…) for a function with the lines {case['shown']!r}"
    before = case["text"].splitlines().index("def watched(x, m):")
    wrong = {
        "": right,
        "lines of the file, not of the function, whose def is line 1": [line + before for line in right],
        "a def that is line 0: it is line 1": [line - 1 for line in right],
    }
    if lines == right:
        return
    if len(lines) > len(right) and set(right) <= set(lines):
        said = f"{lines}: also places that are not lines of the function itself"
        raise Failed(Rung.WRONG_SHAPE, f"{what} to be {right}", said)
    raise Failed(Rung.WRONG_VALUE, f"{what} to be {right}", f"{expect.show(lines)}{guess(lines, wrong)}")


def _kinds(found: Sequence[tuple[Any, Any]], case: Mapping[str, Any]) -> None:
    _lines(found, case)
    for (line, kind), (_, right) in zip(found, case["right"], strict=True):
        text = case["body"][line - 2]
        expect.equal(kind, right, f"the kind of the break on line {line}, `{text}`,")


def explained_breaks(text: str) -> list:
    """What the learner's function finds in a function with this text."""
    import logging

    import torch

    held: dict = {"torch": torch}
    exec(compile(text, "a file", "exec"), held)
    x, m = torch.tensor([0.5, -1.0, 2.0]), torch.tensor([True, False, True])
    default = {"capture_scalar_outputs": False, "capture_dynamic_output_shape_ops": False}
    said = logging.getLogger("torch._dynamo")
    level = said.level
    said.setLevel(logging.ERROR)  # it says of each break in a warning how it could be avoided
    try:
        with torch._dynamo.config.patch(default):
            found = breaks(held["watched"], x, m)
    finally:
        said.setLevel(level)
    torch._dynamo.reset()
    return [tuple(one) if isinstance(one, (list, tuple)) else one for one in found]


# q3: one graph


@exercise.question(
    "q3",
    title="One graph",
    points=4,
    difficulty=2,
    needs=("scaled", "ranks", "masked_mean", "Smoothed"),
    lesson=BREAKS + "#Mended, one by one",
    hints=(
        "For each of the four: which number leaves the tensor, and for whom? For a decision, for a loop, for "
        "a size, or for the next call?",
        "A decision becomes `torch.where(condition, one, other)`. A loop over all pairs becomes a comparison "
        "of `x[:, None]` with `x[None, :]`. A choice of rows becomes zeros in the others and a division by "
        "the mask's sum, at least 1; zero times NaN is NaN, so choose with `torch.where`. What the module "
        'keeps becomes a tensor: `self.register_buffer("mean", torch.zeros(()))`, also for the count.',
        "Whoever arrived before whom, and a fee only above 100, without asking for a number:\n"
        "before = (times[None, :] < times[:, None]).sum(1)\n"
        "fee = torch.where(total > 100, 0.1 * total, 0.0)",
    ),
)
def one_graph(answer: Answer, draw: Draw) -> None:
    big, small = _noise(draw, 6) * 4, _noise(draw, 6).clamp(-0.9, 0.9)
    big[draw.random.randrange(6)] = draw.random.choice((-1, 1)) * 9.5
    with part("scaled", points=1):
        right = [2 * big / big.abs().max(), 2 * small]
        _whole(answer, "scaled", [[big], [small]], right, "scaled(x)")
    with part("ranks", points=1):
        values = [_noise(draw, 7), _noise(draw, 7)]
        values[1][4] = values[1][draw.random.randrange(4)]
        right = [(one[None, :] < one[:, None]).sum(1) for one in values]
        _whole(answer, "ranks", [[one] for one in values], right, "ranks(x)")
    with part("masked_mean", points=1):
        _masked(answer, draw)
    with part("Smoothed", points=1):
        batches = [_noise(draw, 5) + 3 * number for number in range(4)]
        mean, means = 0.0, []
        for count, batch in enumerate(batches, 1):
            mean = 0.9 * mean + 0.1 * batch.mean().item()
            means.append(batch - mean / (1 - 0.9**count))
        _whole(answer, "Smoothed", [[batch] for batch in batches], means, "Smoothed()(x)")


def _masked(answer: Answer, draw: Draw) -> None:
    import torch

    rows = [_noise(draw, 5, 3) for _ in range(3)]
    masks = [torch.tensor(draw.sample([True, True, True, False, False], 5)) for _ in range(2)]
    masks.append(torch.zeros(5, dtype=torch.bool))
    right = [one[mask].mean(0) for one, mask in zip(rows[:2], masks)] + [torch.zeros(3)]
    rows[1][~masks[1]] = draw.random.choice((math.nan, math.inf))
    calls = [[one, mask] for one, mask in zip(rows, masks, strict=True)]
    _whole(answer, "masked_mean", calls, right, "masked_mean(x, mask)")


def _whole(answer: Answer, name: str, calls: list[list], right: Sequence[torch.Tensor], what: str) -> None:
    """The same results as the colleague's, in eager mode and compiled, and all calls in one graph."""
    made = answer.given(whole_graph).call("whole_graph", name, calls)
    for kind in ("eager", "compiled"):
        expect.length(made[kind], len(right), f"the results of {what}") if not made["error"] else None
        for number, (found, one) in enumerate(zip(made[kind], right)):
            said = f"{what}, call {number + 1}" + (", compiled" if kind == "compiled" else "")
            _tensor(found, one, said)
    if made["error"]:
        raise Failed(Rung.WRONG_VALUE, f"{what} to be compiled with fullgraph=True", made["error"])
    if made["graphs"] != 1:
        said = (
            "0: nothing of it was compiled"
            if not made["graphs"]
            else f"{made['graphs']}: what a call leaves behind in Python (a number, a list) is another thing "
            "for the next one"
        )
        raise Failed(Rung.WRONG_VALUE, f"one graph for {len(calls)} calls of {what}", said)


def whole_graph(name: str, calls: list) -> dict:
    """What the learner's function or module gives, as it is and compiled, and how many graphs that took."""
    import torch

    graphs: list = []

    def backend(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    def copies(call: list) -> list:
        return [each.clone() for each in call]

    plain = Smoothed() if name == "Smoothed" else globals()[name]
    eager = [plain(*copies(call)) for call in calls]
    again = Smoothed() if name == "Smoothed" else globals()[name]
    made: list = []
    error = ""
    torch._dynamo.reset()
    default = {"capture_scalar_outputs": False, "capture_dynamic_output_shape_ops": False}
    default |= {"suppress_errors": False, "error_on_recompile": False}
    with torch._dynamo.config.patch(default):
        compiled = torch.compile(again, backend=backend, fullgraph=True)
        try:
            for call in calls:
                made.append(compiled(*copies(call)))
        except Exception as raised:
            error = f"{type(raised).__name__}: {str(raised).splitlines()[0]}"
            at = [line for line in str(raised).splitlines() if line.strip().startswith("File")]
            error += f" ({at[-1].strip()})" if at else ""
    torch._dynamo.reset()
    return {
        "eager": [each.detach() for each in eager], "compiled": [each.detach() for each in made],
        "error": error, "graphs": len(graphs),
    }  # fmt: skip


# q4: graphs for other shapes

Shape = tuple[int, ...]


@exercise.question(
    "q4",
    title="How many graphs?",
    points=4,
    difficulty=3,
    needs=("graphs_so_far",),
    lesson=SHAPES + "#A graph for each length",
    hints=(
        "Take the shapes (4, 8), (4, 6), (4, 7), (1, 9) with dynamic=None, on paper. What does each graph "
        "hold: a number, or *any*?",
        "Keep a list of graphs, each a tuple with a number or None (*any*) for each dimension, and for each "
        "dimension the set of sizes among the calls for which a graph was made. A call is served if some "
        "graph has in each dimension its number, or None where the size is at least 2. With dynamic=True "
        "the first graph asks one thing more, if its two sizes were equal and both are None.",
        "A shop that cuts keys: it keeps what it has cut, and from the second length on it takes a blank "
        "that fits any length:\n"
        "for key in wanted:\n"
        "    if not any(fits(one, key) for one in cut) and len(cut) < limit:\n"
        "        seen.add(key.length)\n"
        "        cut.append(None if len(seen) > 1 else key.length)",
    ),
)
def other_shapes(answer: Answer, draw: Draw) -> None:
    with part("dynamic=False", points=1):
        _graph_counts(answer, draw, False, (2, 5, 7))
    with part("dynamic=None", points=1):
        _graph_counts(answer, draw, None, (2, 3, 5, 7, 8))
    with part("sizes of 1, and the limit", points=1):
        _graph_counts(answer, draw, None, (1, 1, 2, 3, 5))
        _graph_counts(answer, draw, False, (2, 3, 4, 5, 7, 8), limited=True)
    with part("dynamic=True", points=1):
        _graph_counts(answer, draw, True, (1, 2, 3, 5))


FITTING = (
    "a graph for each new shape",
    "any size in a dimension of size 1 as well",
    "any size in all dimensions as soon as one of them differs",
    "graphs beyond the limit",
    "sizes that were equal in the first graph and may now differ",
    "a size of 1 in a dimension of any size",
    "counting calls, not graphs",
    "only the newest graph is tried",
)


def _graph_counts(
    answer: Answer, draw: Draw, dynamic: bool | None, sizes: Sequence[int], limited: bool = False
) -> None:
    relevant: tuple[int, ...] = (3, 6, 7) if limited else (6, 7)
    if dynamic is None:
        relevant = (0, 1, 5, 6, 7) if 1 in sizes else (0, 2, 6)
    elif dynamic:
        relevant = (0, 1, 4, 5, 6)

    def make() -> tuple[list[Shape], int]:
        shapes = [tuple(draw.random.choice(sizes) for _ in range(2)) for _ in range(9)]
        if dynamic:
            shapes[0] = shapes[0][:1] * 2
        return shapes, draw.random.randrange(3, 5) if limited else 8

    def answers(case: tuple[list[Shape], int]) -> dict[str, list[int]]:
        shapes, limit = case
        found = {"": _so_far(shapes, dynamic, limit)}
        return found | {FITTING[one]: _so_far(shapes, dynamic, limit, FITTING[one]) for one in relevant}

    case = telling(make, answers)
    found = answer.call("graphs_so_far", case[0], dynamic, case[1])
    what = f"graphs_so_far({case[0]}, {dynamic}, {case[1]})"
    numbers(found, answers(case), what)


def _so_far(shapes: Sequence[Shape], dynamic: bool | None, limit: int, mistake: str = "") -> list[int]:
    """The number of graphs after each call."""
    graphs: list[tuple[list[int | None], Shape]] = []
    seen: list[set[int]] = [set() for _ in shapes[0]]
    least = 1 if mistake in (FITTING[1], FITTING[5]) else 2
    found = []
    for number, shape in enumerate(shapes, 1):

        def fits(graph: tuple[list[int | None], Shape], shape: Shape = shape) -> bool:
            sizes, first = graph
            if any(size < least if one is None else one != size for one, size in zip(sizes, shape)):
                return False
            free = [place for place, one in enumerate(sizes) if one is None]
            strict = dynamic is True and mistake != FITTING[4] and graph is graphs[0]
            pairs = itertools.combinations(free, 2) if strict else ()
            return all(first[a] != first[b] or shape[a] == shape[b] for a, b in pairs)

        tried = graphs[-1:] if mistake == FITTING[7] else graphs
        room = len(graphs) < limit or mistake == FITTING[3]
        if not any(map(fits, tried)) and room:
            seen = [one | {size} for one, size in zip(seen, shape, strict=True)]
            anything = [dynamic is True or (dynamic is None and len(one) > 1) for one in seen]
            if mistake == FITTING[2]:
                anything = [any(anything)] * len(shape)
            if mistake == FITTING[0]:
                anything = [False] * len(shape)
            bound = 1 if mistake == FITTING[1] else 2
            graphs.append(
                (
                    [
                        None if any_size and size >= bound else size
                        for any_size, size in zip(anything, shape, strict=True)
                    ],
                    shape,
                )
            )
        found.append(number if mistake == FITTING[6] else len(graphs))
    return found


# q5: lengths without recompiling


@exercise.question(
    "q5",
    title="A graph for each length?",
    points=4,
    difficulty=3,
    needs=("for_any_length", "choose_buckets", "in_buckets"),
    lesson=SHAPES + "#Buckets",
    hints=(
        "What does Dynamo do at the second length, and how can you tell it before the first? And why must "
        "the largest bucket be the largest length?",
        "`torch._dynamo.mark_dynamic(x, 1)` before the call. In buckets, `torch.compile(..., "
        "dynamic=False)`, `F.pad(x, (0, 0, 0, extra))` and `torch.arange(bucket) < length`. For the best "
        "choice: a bucket is always one of the lengths. Let best[k] be the fewest places for the k shortest "
        "lengths; the last bucket takes the lengths from some j to k, and the others are the best for the "
        "first j.",
        "The cheapest way to cut a row of shelves into at most 3 groups, where each group is as high as its "
        "highest book:\n"
        "best = [(0, [])] + [(inf, [])] * n\n"
        "for _ in range(3):\n"
        "    best = [min([best[k]] + [(best[j][0] + (k - j) * heights[k - 1], best[j][1] + [k - 1])\n"
        "                             for j in range(k)]) for k in range(n + 1)]",
    ),
)
def lengths(answer: Answer, draw: Draw) -> None:
    with part("one graph for any length", points=1):
        _any_length(answer, draw)
    cases = [_many_lengths(draw, count) for count in (1, 2, 3, 5)]
    cases.append(([4, 9, 4, 9, 9], 4))
    chosen = [(answer.call("choose_buckets", some, count), some, count) for some, count in cases]
    with part("buckets that hold every length", points=1):
        for found, some, count in chosen:
            _holding(found, some, count)
    with part("as little padding as possible", points=1):
        for found, some, count in chosen:
            _best(found, some, count)
    with part("one graph for each bucket", points=1):
        _padded(answer, draw)


def _many_lengths(draw: Draw, count: int) -> tuple[list[int], int]:
    """Lengths for which neither even steps nor even shares are best."""

    def make() -> tuple[list[int], int]:
        short = [draw.random.randrange(3, 20) for _ in range(14)]
        long = [draw.random.randrange(40, 120) for _ in range(draw.random.randrange(3, 6))]
        return draw.sample([*short, *long], len(short) + len(long)), count

    def answers(case: tuple[list[int], int]) -> dict[str, int]:
        some, most = case
        others = _ways(some, most) if most > 1 else {}
        ways = {"": _fewest(some, most)} | others
        return {words: _places(some, one) for words, one in ways.items()}

    return telling(make, answers)


def _places(some: Sequence[int], buckets: Sequence[int]) -> int:
    return sum(min(one for one in buckets if one >= length) for length in some)


def _ways(some: Sequence[int], count: int) -> dict[str, list[int]]:
    """Buckets by simpler rules."""
    ordered, longest = sorted(some), max(some)
    return {
        "even steps": [math.ceil(longest * number / count) for number in range(1, count + 1)],
        "as many rows in each bucket": [
            ordered[math.ceil(len(ordered) * number / count) - 1] for number in range(1, count + 1)
        ],
        "the longest lengths": sorted(set(some))[-count:],
    }


def _fewest(some: Sequence[int], count: int) -> list[int]:
    """The best buckets: at most `count` of the lengths, the longest among them."""
    ordered = sorted(some)
    best: list[tuple[float, list[int]]] = [(0, []), *[(math.inf, [])] * len(ordered)]
    for _ in range(count):
        best = [
            min(
                [best[end]]
                + [
                    (best[start][0] + (end - start) * ordered[end - 1], [*best[start][1], ordered[end - 1]])
                    for start in range(end)
                ]
            )
            for end in range(len(ordered) + 1)
        ]
    return best[-1][1]


def _holding(found: Any, some: Sequence[int], count: int) -> None:
    what = f"choose_buckets({some}, {count})"
    buckets = _whole_numbers(found, what)
    expect.at_least(len(buckets), 1, f"the number of buckets of {what}")
    expect.at_most(len(buckets), count, f"the number of buckets of {what}")
    expect.equal(buckets, sorted(set(buckets)), f"{what}, sorted and each once,")
    expect.at_least(buckets[-1], max(some), f"the largest bucket of {what}")


def _whole_numbers(found: Any, what: str) -> list[int]:
    if hasattr(found, "tolist"):
        found = found.tolist()
    expect.each_of(found, int, what)
    return list(found)


def _best(found: Any, some: Sequence[int], count: int) -> None:
    _holding(found, some, count)
    what = f"choose_buckets({some}, {count})"
    right, came = _places(some, _fewest(some, count)), _places(some, _whole_numbers(found, what))
    if came != right:
        rules = {words: one for words, one in _ways(some, count).items() if _places(some, one) == came}
        why = f": that comes of {next(iter(rules))}" if rules and count > 1 else ""
        raise Failed(
            Rung.WRONG_VALUE,
            f"the places of all lengths, padded by {what}, to be {right}",
            f"{came} with {expect.show(found)}{why}",
        )


def _any_length(answer: Answer, draw: Draw) -> None:
    rows, width = draw.sample((4, 6, 9), 2)
    batches = [_noise(draw, rows, length, width) for length in draw.sample((3, 5, 7, 8, 11), 4)]
    made = answer.given(any_length).call("any_length", batches)
    seen = [one.shape[1] for one in batches]
    for found, batch in zip(made["made"], batches, strict=True):
        right = (batch - batch.mean(1, keepdim=True)).relu().sum(2)
        _tensor(found, right, f"for_any_length(function, backend)(x) for a length of {batch.shape[1]}")
    count = len(made["symbols"])
    said = {0: "0: nothing of it was compiled", 2: "2: the first graph was for the first length alone"}
    if count != 1:
        raise Failed(Rung.WRONG_VALUE, f"one graph for the lengths {seen}", said.get(count, f"{count}"))
    if made["symbols"][0] != 1:
        raise Failed(
            Rung.WRONG_VALUE,
            "the length alone to be any size, and the number of rows and the width to stay numbers",
            f"a graph with {made['symbols'][0]} sizes that may change",
        )


def any_length(batches: list) -> dict:
    """What the learner's way of compiling makes of a function, and the open sizes of each graph."""
    import torch

    symbols: list = []

    def backend(graph: Any, inputs: Any) -> Any:
        symbols.append(sum(isinstance(each, torch.SymInt) for each in inputs))
        return graph.forward

    def function(x: Any) -> Any:
        return (x - x.mean(1, keepdim=True)).relu().sum(2)

    torch._dynamo.reset()
    compiled = for_any_length(function, backend)
    made = [compiled(batch.clone()) for batch in batches]
    torch._dynamo.reset()
    return {"made": made, "symbols": symbols}


def _padded(answer: Answer, draw: Draw) -> None:
    buckets = sorted(draw.sample(range(5, 20), 3))
    rows, width = draw.sample((3, 4), 2)
    used = [buckets[0], buckets[0] - 2, buckets[1], buckets[1] - 1, buckets[0] - 1, buckets[2]]
    batches = [_noise(draw, rows, length, width) + 1 for length in draw.sample(used, len(used))]
    made = answer.given(bucketed).call("bucketed", buckets, batches, buckets[2] + 1)
    for found, batch in zip(made["made"], batches, strict=True):
        what = f"in_buckets(function, {buckets}, backend)(x) for a length of {batch.shape[1]}"
        _tensor(found, batch - batch.mean(1, keepdim=True), what)
    expect.equal(
        made["refused"], True, f"a length of {buckets[2] + 1}, with the buckets {buckets}, to be refused"
    )
    expect.equal(
        sorted(set(made["lengths"])), buckets, f"the lengths that the function gets, with {buckets},"
    )
    what = f"the number of graphs for the buckets {buckets}"
    expect.at_least(len(made["symbols"]), 1, what)
    expect.at_most(len(made["symbols"]), 3, what)
    open_sizes = sum(made["symbols"])
    expect.equal(open_sizes, 0, "the number of sizes that may change, in all graphs (dynamic=False),")


def bucketed(buckets: list, batches: list, longer: int) -> dict:
    """What the learner's buckets make of these batches."""
    import torch

    symbols: list = []
    lengths: list = []

    def backend(graph: Any, inputs: Any) -> Any:
        symbols.append(sum(isinstance(each, torch.SymInt) for each in inputs))

        def run(*given: Any) -> Any:
            lengths.extend(
                each.shape[1] for each in given if isinstance(each, torch.Tensor) and each.dim() == 3
            )
            return graph(*given)

        return run

    def function(x: Any, mask: Any) -> Any:
        kept = torch.where(mask[:, :, None], x, 0.0)
        return x - kept.sum(1, keepdim=True) / mask.sum(1)[:, None, None]

    torch._dynamo.reset()
    compiled = in_buckets(function, list(buckets), backend)
    made = [compiled(batch.clone()) for batch in batches]
    try:
        compiled(torch.ones(batches[0].shape[0], longer, batches[0].shape[2]))
        refused = False
    except ValueError:
        refused = True
    torch._dynamo.reset()
    return {"made": made, "refused": refused, "symbols": symbols, "lengths": lengths}


# q6: what a recording would not notice

WORDS = ("memory", "operators", "reads", "shapes")
READS = {
    "value": (
        "n = y.sum().item()",
        "if y.sum() > -1e9: y = y + 1",
        "n = float(y.mean())",
        "n = f'{y[0, 0]}'",
    ),
    "mask": ("y = y + y[y > 0].mean()", "y = y * (1 + len(y[y > 9]))"),
    "nonzero": ("y = y * len(y.nonzero())",),
    "select": ("n = y.masked_select(y > 0)",),
}
OPERATORS = {
    "more": (
        'state["step"] += 1; y = y * 2 if state["step"] == 2 else y',
        'state["step"] += 1; y = sum([y] * state["step"])',
    ),
    "others": (
        'state["step"] += 1; y = y.relu() if state["step"] % 2 else y.abs()',
        'state["step"] += 1; y = y.tanh().abs() if state["step"] < 3 else y.abs().tanh()',
    ),
}
SAFE = (
    "y = y * 0.5",
    "y = torch.where(y > 0, y, 0.1)",
    "y = y + torch.ones(3)",
    "y = torch.softmax(y, 1)",
    'state["w"].mul_(0.9)',
    "y = y / len(y)",
    "y = y.clamp(max=5.0)",
)


@exercise.question(
    "q6",
    title="What a recording would not notice",
    points=4,
    difficulty=3,
    needs=("problems",),
    lesson=MODES + "#Safe to record?",
    hints=(
        "A recording plays the same operators on the same memory. What must hold between two calls, and "
        "within one, so that this gives what the function gives?",
        "Write a `TorchDispatchMode` that keeps a list of names, whether something is read, and a list of "
        "the shapes and addresses of tensors that come from outside: those in `tree_leaves((args, kwargs))` "
        "whose `id` is not among the tensors seen so far in this call. Keep the tensors themselves, too, as "
        "long as the call lasts: the id of one that is gone may come again.",
        "A pianola plays what was played once. Whoever came from outside, and where they sat:\n"
        "for guest in song.players:\n"
        "    if id(guest) not in known:\n"
        "        known[id(guest)] = guest\n"
        "        from_outside.append((guest.size, guest.seat))",
    ),
)
def recorded(answer: Answer, draw: Draw) -> None:
    cases = [_recording(draw, ()), _recording(draw, ("shapes",))]
    cases += [_recording(draw, ("reads",), reads=kind) for kind in READS]
    cases += [_recording(draw, ("operators",), others=kind) for kind in OPERATORS]
    cases += [_recording(draw, ("memory",), rebound=rebound) for rebound in (True, False)]
    cases.append(_recording(draw, WORDS, rebound=True))
    found = []
    for text, _ in cases:
        one = answer.given(found_problems).call("found_problems", text)
        expect.each_of(one, str, "problems(function, calls)")
        for word in one:
            expect.true(
                word in WORDS, f"only the words {WORDS} in problems(function, calls)", expect.show(word)
            )
        found.append(one)
    for title, word in (
        ("values that are read", "reads"),
        ("other operators", "operators"),
        ("other shapes", "shapes"),
        ("other memory", "memory"),
    ):
        with part(title, points=1):
            for one, (text, right) in zip(found, cases, strict=True):
                lines = text.partition("def watched(x):\n")[2].replace("\n\n", "\n").strip().splitlines()
                shown = "; ".join(line.strip() for line in lines)
                what = f"{word!r} {'' if word in right else 'not '}in problems(function, calls) for `{shown}`"
                expect.true((word in one) == (word in right), what, expect.show(one))


def _recording(
    draw: Draw, wanted: Sequence[str], reads: str = "value", others: str = "more", rebound: bool = False
) -> tuple[str, list[str]]:
    """The text of a function and of three calls of it, with just these problems."""
    moved, by_state = "memory" in wanted, rebound
    steps = draw.sample(SAFE, 3)
    if by_state:
        steps = [step for step in steps if "state" not in step] + ['state["w"] = state["w"] * 0.9']
    if "reads" in wanted:
        steps.append(draw.random.choice(READS[reads]))
    if "operators" in wanted:
        steps.append(draw.random.choice(OPERATORS[others]))
    steps = draw.sample(steps, len(steps))
    rows = [3, draw.random.choice((4, 5)), 3] if "shapes" in wanted else [3, 3, 3]
    copy = ".clone()" if moved and not by_state else ""
    calls = ", ".join(f"(big[:{count}]{copy},)" for count in rows)
    lines = [
        "big = torch.arange(40.0).view(10, 4) / 20",
        'state = {"step": 0, "w": torch.ones(4, 3)}',
        "",
        "def watched(x):",
        '    y = x @ state["w"] - 0.5',
        *(f"    {step}" for step in steps),
        "    return y.sum()",
        "",
        f"calls = [{calls}]",
    ]
    if not copy and "shapes" not in wanted:
        lines[-1] = "calls = [(big[:3],)] * 3"
    return "\n".join(lines), sorted(wanted)


def found_problems(text: str) -> list:
    """What the learner's checker says of a function with this text."""
    import torch

    held: dict = {"torch": torch}
    exec(compile(text, "a file", "exec"), held)
    found = problems(held["watched"], held["calls"])
    return sorted(found) if isinstance(found, (set, frozenset, list, tuple)) else found


# q7: what fusion saves

Operation = tuple[str, tuple[str, ...], str]


@exercise.question(
    "q7",
    title="What fusion saves",
    points=4,
    difficulty=2,
    needs=("moved", "kernels_of", "greatest_gain"),
    lesson=MODES + "#Eight operations, one loop",
    hints=(
        "y = relu(x · x + b) as three operations: which tensors are read and written by each? Which of these "
        "accesses can go if one loop does it all?",
        "A set of names for what a kernel reads, each once. Take away what it "
        "makes itself; it writes a tensor that another kernel reads, or that is among the results. For the "
        "gain: of a step of length 1, `share` becomes share · after / before, and the rest stays.",
        "A kitchen with one trip to the cellar for each dish, or one for each menu:\n"
        "for menu in menus:\n"
        "    fetched += sum(weights[thing] for thing in set(needs(menu)) - set(makes(menu)))\n"
        "If a cook spends 30 % of a day on stairs and half of that goes, a day gives 1 / 0.85 of the work.",
    ),
)
def fusion(answer: Answer, draw: Draw) -> None:
    cases = [telling(lambda: _program(draw), _moved_ways) for _ in range(2)]
    with part("one operation after another", points=1):
        for operations, sizes, results in cases:
            kernels = [[number] for number in range(len(operations))]
            found = answer.call("moved", operations, kernels, sizes, results)
            told = f"{_told(operations)}, [[0], [1], …], {sizes}, {results}"
            near(found, _singly(operations, sizes), f"moved({told})")
    with part("the kernels", points=1):
        for operations, _, _ in cases:
            _grouped(answer, operations)
    with part("one kernel after another", points=1):
        for operations, sizes, results in cases:
            kernels = _kernels(operations)
            found = answer.call("moved", operations, kernels, sizes, results)
            told = f"{_told(operations)}, {kernels}, {sizes}, {results}"
            near(found, _fused(operations, sizes, results), f"moved({told})")
    with part("the greatest gain", points=1):
        for _ in range(3):
            share, before = draw.random.uniform(0.2, 0.7), draw.random.randrange(200, 900)
            after = draw.random.randrange(20, 150)
            gain = 1 / (1 - share + share * after / before)
            answers = {
                "": gain,
                "the gain of the fused part alone": before / after,
                "a fused part that costs nothing any more": 1 / (1 - share),
                "the share of the time that is saved": share * (1 - after / before),
                "the share and the rest exchanged": 1 / (share + (1 - share) * after / before),
                "its inverse": 1 / gain,
            }
            found = answer.call("greatest_gain", share, before, after)
            near(found, answers, f"greatest_gain({share:.4g}, {before}, {after})")


def _program(draw: Draw) -> tuple[list[Operation], dict[str, int], list[str]]:
    """Operations, the bytes of each tensor, and which are needed afterwards."""
    names = (f"t{number}" for number in itertools.count(1))
    operations: list[Operation] = [("matmul", ("x", "w"), next(names))]

    def chain(count: int) -> None:
        for number in range(count):
            last = operations[-1][2]
            made = [writes for _, _, writes in operations[:-1]]
            extra = draw.random.choice(("", last, "b", "s", *made[-2:]))
            reads = (last, extra) if extra else (last,)
            if number == 1:
                reads = (last, last)
            if number == 2:
                reads = (last, "b")
            operations.append(("pointwise", reads, next(names)))

    chain(draw.random.randrange(3, 5))
    operations.append(("reduce", (operations[-1][2],), next(names)))
    chain(draw.random.randrange(2, 4))
    operations.append(("matmul", (operations[-1][2], "v"), next(names)))
    chain(3)
    tensors = sorted({name for _, reads, writes in operations for name in (*reads, writes)})
    sizes = {name: 4 * draw.random.randrange(10, 400) for name in tensors}
    return operations, sizes, [operations[-1][2], operations[2][2]]


def _told(operations: Sequence[Operation]) -> str:
    lines = [f"{writes} = {kind}({', '.join(reads)})" for kind, reads, writes in operations]
    return "[" + ", ".join(lines) + "]"


def _kernels(operations: Sequence[Operation], mistake: str = "") -> list[list[int]]:
    """The numbers of the operations in each kernel."""
    kernels: list[list[int]] = []
    open_now = False
    for number, (kind, _, _) in enumerate(operations):
        joins = open_now and (kind != "matmul" or mistake == GROUPS[1])
        if mistake == GROUPS[2] and kind == "reduce":
            joins = False
        if joins:
            kernels[-1].append(number)
        else:
            kernels.append([number])
        open_now = kind == "pointwise" or (mistake == GROUPS[3] and kind == "reduce")
        open_now = open_now or (mistake == GROUPS[4] and kind == "matmul")
    return [[number] for number in range(len(operations))] if mistake == GROUPS[0] else kernels


GROUPS = (
    "a kernel for each operation",
    "a matmul that joins the kernel before it",
    "a reduction that begins a kernel of its own",
    "a kernel that goes on after a reduction",
    "a kernel that goes on after a matmul",
)


def _grouped(answer: Answer, operations: Sequence[Operation]) -> None:
    found = answer.call("kernels_of", operations)
    what = f"kernels_of({_told(operations)})"
    expect.each_of(found, (list, tuple), what)
    came = [list(one) for one in found]
    ways = {"": _kernels(operations)} | {words: _kernels(operations, words) for words in GROUPS}
    if came != ways[""]:
        said = f"{expect.show(came)}{guess(came, ways)}"
        raise Failed(Rung.WRONG_VALUE, f"{what} to be {ways['']}", said)


SINGLY = (
    "",
    "reading a tensor twice that one operation uses twice",
    "leaving out what is written",
    "leaving out what is read",
    "each tensor once, however often it is read",
)
FUSED = (
    "",
    "writing all that a kernel makes",
    "reading again what the kernel made itself",
    "reading a tensor again for each operation of a kernel",
    "not writing the results that nobody reads",
    "not writing what a later kernel reads",
)


def _singly(operations: Sequence[Operation], sizes: Mapping[str, int]) -> dict[str, int]:
    """The bytes that are moved without fusion, rightly and wrongly."""
    tensors = {name for _, reads, writes in operations for name in (*reads, writes)}
    once = sum(sizes[name] for _, reads, _ in operations for name in set(reads))
    twice = sum(sizes[name] for _, reads, _ in operations for name in reads)
    written = sum(sizes[writes] for _, _, writes in operations)
    each = sum(sizes[name] for name in tensors)
    return dict(zip(SINGLY, (once + written, twice + written, once, written, each), strict=True))


def _fused(
    operations: Sequence[Operation], sizes: Mapping[str, int], results: Sequence[str]
) -> dict[str, int]:
    """The bytes that the kernels move, rightly and wrongly."""
    found = {}
    for mistake in FUSED:
        total = 0
        for kernel in _kernels(operations):
            made = {operations[number][2] for number in kernel}
            reads = [name for number in kernel for name in set(operations[number][1])]
            outside = [name for name in reads if name not in made or mistake == FUSED[2]]
            others = {
                name for number, one in enumerate(operations) if number not in kernel for name in one[1]
            }
            needed = set() if mistake == FUSED[5] else others
            needed |= set() if mistake == FUSED[4] else set(results)
            writes = made if mistake == FUSED[1] else made & needed
            total += sum(sizes[name] for name in (outside if mistake == FUSED[3] else set(outside)))
            total += sum(sizes[name] for name in writes)
        found[mistake] = total
    return found


def _moved_ways(case: tuple[list[Operation], dict[str, int], list[str]]) -> dict[str, list[int]]:
    """Both numbers of bytes, with at most one of them wrong."""
    operations, sizes, results = case
    singly, fused = _singly(operations, sizes), _fused(operations, sizes, results)
    found = {words: [value, fused[""]] for words, value in singly.items()}
    return found | {words: [singly[""], value] for words, value in fused.items()}


# q8: when it pays


@exercise.question(
    "q8",
    title="From which step on?",
    points=3,
    difficulty=2,
    needs=("pays_from", "pays_between", "cheapest"),
    lesson=PAYS + "#How many steps until it pays",
    hints=(
        "How many seconds are n steps, the first call among them, and n eager ones? And what if the saving "
        "is negative?",
        "first + (n − 1) · c ≤ n · e means n ≥ (first − c) / (e − c): round up with `math.ceil`, and at "
        "least 1. For the interval, `statistics.mean` and `statistics.stdev` of the differences e − c, each "
        "with its own pair; the larger saving belongs to the earlier step.",
        "A bicycle for 400 saves 1.7 a day, give or take 0.4:\n"
        "days = math.ceil(400 / 1.7)\n"
        "earliest, latest = math.ceil(400 / 2.1), math.ceil(400 / 1.3)   # never, if it is 400 / 0",
    ),
)
def paying(answer: Answer, draw: Draw) -> None:
    clear, unclear, never = (_times(draw, kind) for kind in ("clear", "unclear", "never"))
    with part("the step", points=1):
        for case in (clear, unclear):
            near(answer.call("pays_from", *case), _from_ways(case), f"pays_from({_shown(case)})")
        expect.equal(answer.call("pays_from", *never), None, f"pays_from({_shown(never)})")
        cheap = (round(min(clear[2]) / 2, 4), clear[1], clear[2])
        expect.equal(answer.call("pays_from", *cheap), 1, f"pays_from({_shown(cheap)})")
    with part("its interval", points=1):
        for case in (clear, unclear, never):
            _between(answer, case)
    with part("the cheapest way", points=1):
        for shapes, device in ((1, "cpu"), (1, "cuda"), (7, "cuda"), (1, "few")):
            _cheapest(answer, draw, shapes, device)


Times = tuple[float, list[float], list[float]]


def _times(draw: Draw, kind: str) -> Times:
    """A first call and paired times whose bounds are no whole numbers of steps."""

    def make() -> Times:
        saved = {"clear": 0.02, "unclear": 0.002, "never": -0.02}[kind]
        noise = {"clear": 0.012, "unclear": 0.03, "never": 0.004}[kind]
        eager = [draw.random.uniform(0.08, 0.16) for _ in range(9)]
        moves = [draw.random.uniform(-noise, noise) for _ in eager]
        mean = math.fsum(moves) / 9
        compiled = [one - saved + move - mean for one, move in zip(eager, moves, strict=True)]
        first = draw.random.uniform(1, 4)
        return round(first, 4), [round(one, 5) for one in eager], [round(one, 5) for one in compiled]

    def answers(case: Times) -> dict[str, Any]:
        mean, low, high = _saving(case)
        right = {"clear": low > 0.004, "unclear": low < -0.001 < 0.0005 < mean, "never": high < 0}[kind]
        first, later = case[0], math.fsum(case[2]) / 9
        steps = [(first - later) / each for each in (mean, low, high)]
        whole = any(abs(each - round(each)) < 0.05 for each in steps)
        if not right or whole:
            return {"": 0, "a draw that says too little": 0}
        return _from_ways(case) if kind != "never" else {"": 0}

    return telling(make, answers)


def _saving(case: Times) -> tuple[float, float, float]:
    saved = [one - other for one, other in zip(case[1], case[2], strict=True)]
    mean = math.fsum(saved) / len(saved)
    spread = math.sqrt(math.fsum((one - mean) ** 2 for one in saved) / (len(saved) - 1))
    return mean, mean - 2 * spread / math.sqrt(len(saved)), mean + 2 * spread / math.sqrt(len(saved))


def _shown(case: Times) -> str:
    return ", ".join(str(one) for one in case)


def _steps(case: Times, saving: float) -> int | None:
    later = math.fsum(case[2]) / len(case[2])
    return None if saving <= 0 else max(1, math.ceil((case[0] - later) / saving))


def _from_ways(case: Times) -> dict[str, Any]:
    first, mean = case[0], _saving(case)[0]
    eager = math.fsum(case[1]) / len(case[1])
    return {
        "": _steps(case, mean),
        "rounding down": math.floor((first - eager + mean) / mean),
        "the seconds of the first call divided by an eager step": math.ceil(first / eager),
        "a number that is no whole step": (first - eager + mean) / mean,
    }


def _between(answer: Answer, case: Times) -> None:
    what = f"pays_between({_shown(case)})"
    found = answer.call("pays_between", *case)
    expect.type_of(found, (tuple, list), what)
    expect.length(found, 2, what)
    mean, low, high = _saving(case)
    right = (_steps(case, high), _steps(case, low))
    wide = (high - mean) * math.sqrt(len(case[1]))
    apart = [sum((one - math.fsum(some) / 9) ** 2 for one in some) / 8 / 9 for some in (case[1], case[2])]
    loose = 2 * math.sqrt(math.fsum(apart))
    ways = {
        "": right,
        "the two in the other order": right[::-1],
        "the spread of the differences, not of their mean: divide by √n": (
            _steps(case, mean + wide), _steps(case, mean - wide)
        ),
        "spreads of each list for itself: the times are pairs": (
            _steps(case, mean + loose), _steps(case, mean - loose)
        ),
        "one spread, where two are asked for": (
            _steps(case, (mean + high) / 2), _steps(case, (mean + low) / 2)
        ),
    }  # fmt: skip
    for place, name in enumerate(("the earliest", "the latest")):
        one, other = found[place], right[place]
        if one is None or other is None:
            if one is not other:
                came = f"{expect.show(one)}{_pair_guess(found, ways)}"
                raise Failed(Rung.WRONG_VALUE, f"{name} step of {what} to be {other}", came)
            continue
        expect.number(one, f"{name} step of {what}")
        if one != other:
            came = f"{one:.12g}{_pair_guess(found, ways)}"
            raise Failed(Rung.WRONG_VALUE, f"{name} step of {what} to be {other}", came)


def _pair_guess(found: Sequence[Any], ways: Mapping[str, tuple]) -> str:
    words = (words for words, value in ways.items() if words and tuple(found) == value)
    return next((f": that comes of {each}" for each in words), "")


def _cheapest(answer: Answer, draw: Draw, shapes: int, device: str) -> None:
    def make() -> tuple[dict[str, dict[str, Any]], int]:
        eager = draw.random.uniform(0.1, 0.2)
        first = draw.random.uniform(10, 30)
        ways: dict[str, dict[str, Any]] = {
            "eager": {"first": eager, "step": eager, "for_each_shape": False, "device": None},
            "compiled": {"first": first, "step": eager * 0.7, "for_each_shape": False, "device": None},
            "recorded": {"first": first * 1.3, "step": eager * 0.5, "for_each_shape": True, "device": "cuda"},
            "tuned": {"first": first * 9, "step": eager * 0.45, "for_each_shape": True, "device": "cuda"},
        }
        steps = 60 if device == "few" else draw.random.randrange(900, 1400)
        return {name: ways[name] for name in draw.sample(list(ways), 4)}, steps

    where = "cuda" if device == "cuda" else "cpu"

    def answers(case: tuple[dict[str, dict[str, Any]], int]) -> dict[str, str]:
        right = _way(case[0], case[1], shapes, where)
        wanted = {"cpu": "compiled", "few": "eager"}.get(device, "recorded" if shapes == 1 else "compiled")
        return {"": right} if right == wanted else {"": right, "no": right}

    case = telling(make, answers)
    told = f"cheapest({case[0]}, {case[1]}, {shapes}, {where!r})"
    right = _way(case[0], case[1], shapes, where)
    mistakes = {
        _way(case[0], case[1], shapes, "cuda"): "it needs another device",
        _way(case[0], case[1], 1, where): f"it has a first call for each of the {shapes} shapes",
        min(case[0], key=lambda name: case[0][name]["step"]): "its steps are short, and its first call long",
    }
    found = answer.call("cheapest", *case, shapes, where)
    expect.type_of(found, str, told)
    if found != right:
        why = f": {mistakes[found]}" if found in mistakes else ""
        raise Failed(Rung.WRONG_VALUE, f"{told} to be {right!r}", f"{found!r}{why}")


def _way(ways: Mapping[str, Mapping[str, Any]], steps: int, shapes: int, device: str) -> str:
    def seconds(name: str) -> float:
        firsts = shapes if ways[name]["for_each_shape"] else 1
        return firsts * ways[name]["first"] + (steps - firsts) * ways[name]["step"]

    return min((name for name in ways if ways[name]["device"] in (None, device)), key=seconds)


# q9: a compiled step


@exercise.question(
    "q9",
    title="A compiled training step",
    points=4,
    difficulty=2,
    needs=("make_step", "plain_state"),
    lesson=PAYS + "#A whole step",
    hints=(
        "Which part of a step is the same for each part of a batch, and can be one graph? What is known only "
        "when all parts are there?",
        "Compile a function `(inputs, labels) -> sum of the losses` once, outside `step`, with "
        "`fullgraph=True`. In the step: `zero_grad()`, then for each part `(sum / rows).backward()` with the "
        "number of rows of *all* parts, divided outside of the compiled function, then `optimizer.step()`. "
        '`name.replace("_orig_mod.", "")` gives the plain name.',
        "The mean price of all baskets, basket by basket, with a fast adder:\n"
        "add = fast(sum)                       # made once\n"
        "things = sum(len(basket) for basket in baskets)\n"
        "mean = sum(add(basket) / things for basket in baskets)",
    ),
)
def compiled_step(answer: Answer, draw: Draw) -> None:
    sizes = draw.random.randrange(5, 8)
    rest = draw.random.randrange(2, sizes - 1)
    cases = [
        _step_case(draw, [[sizes] * 3, [sizes] * 3]),
        _step_case(draw, [[sizes] * 3, [sizes, rest], [sizes] * 3]),
    ]
    made = [answer.given(stepped).call("stepped", *case) for case in cases]
    with part("the weights", points=1):
        for one, case in zip(made, cases, strict=True):
            _same_weights(one, case)
    with part("the losses", points=1):
        for one, case in zip(made, cases, strict=True):
            _, losses = _eager_steps(case)
            means = _eager_steps(case, "means")[1]
            for number, (found, right) in enumerate(zip(one["losses"], losses, strict=True)):
                ways = {
                    "": right,
                    "the mean of the parts' means: a row of a small part counts for more": means[number],
                }
                what = f"the loss of step {number + 1}"
                expect.number(found, what)
                if abs(found - right) > 2e-5:
                    others = (words for words, value in ways.items() if words and abs(found - value) < 2e-5)
                    why = next((f": that comes of {words}" for words in others), "")
                    raise Failed(Rung.WRONG_VALUE, f"{what} to be {right:.6g}", f"{found:.6g}{why}")
            expect.equal(one["free"], True, "the losses to hold no graph of gradients: detach them")
    with part("the graphs", points=1):
        for one, case, most in zip(made, cases, (1, 2), strict=True):
            _same_weights(one, case)
            parts = [[len(labels) for _, labels in step] for step in case[1]]
            what = f"the number of graphs for steps with parts of {parts} rows"
            expect.at_least(one["graphs"], 1, what)
            expect.at_most(one["graphs"], most, what)
    with part("names without a prefix", points=1):
        _plain_names(answer, draw)


StepCase = tuple[dict[str, Any], list[list[tuple[Any, Any]]]]


def _step_case(draw: Draw, rows: Sequence[Sequence[int]]) -> StepCase:
    import torch

    weights = {
        "0.weight": _noise(draw, 6, 4), "0.bias": _noise(draw, 6),
        "2.weight": _noise(draw, 3, 6), "2.bias": _noise(draw, 3),
    }  # fmt: skip
    steps = []
    for sizes in rows:
        labels = [torch.tensor([draw.random.randrange(3) for _ in range(size)]) for size in sizes]
        steps.append([(_noise(draw, len(one), 4), one) for one in labels])
    return weights, steps


def _eager_steps(case: StepCase, mistake: str = "") -> tuple[dict[str, Any], list[float]]:
    """Weights and losses in float64, without a compiler."""
    import torch
    from torch.nn.functional import cross_entropy

    weights = {name: one.double().requires_grad_() for name, one in case[0].items()}
    moves = {name: torch.zeros_like(one) for name, one in weights.items()}
    losses = []
    for parts in case[1]:
        total = sum(len(labels) for _, labels in parts)
        each = []
        for inputs, labels in parts:
            hidden = torch.tanh(inputs.double() @ weights["0.weight"].T + weights["0.bias"])
            logits = hidden @ weights["2.weight"].T + weights["2.bias"]
            share = len(parts) if mistake == "means" else total / len(labels)
            each.append(cross_entropy(logits, labels) / (1.0 if mistake == "sums" else share))
        loss = torch.stack(each).sum()
        gradients = torch.autograd.grad(loss, list(weights.values()))
        for (name, one), gradient in zip(weights.items(), gradients, strict=True):
            moves[name] = 0.9 * moves[name] + gradient
            weights[name] = (one - 0.2 * moves[name]).detach().requires_grad_()
        losses.append(loss.item())
    return {name: one.detach() for name, one in weights.items()}, losses


def _same_weights(made: Mapping[str, Any], case: StepCase) -> None:
    right = _eager_steps(case)[0]
    others = {
        "the mean of the parts' means: a row of a small part counts for more": _eager_steps(case, "means")[0],
        "the sum of the parts' means": _eager_steps(case, "sums")[0],
    }
    hint = ""
    for words, weights in others.items():
        alike = all((made["weights"][name] - one).abs().max() < 1e-4 for name, one in weights.items())
        hint = hint or (f": that comes of {words}" if alike else "")
    for name, one in right.items():
        _tensor(made["weights"][name], one, f"{name} after {len(case[1])} steps", hint)


def stepped(weights: dict, steps: list) -> dict:
    """What the learner's step makes of a model, and how many graphs that took."""
    import torch
    from torch import nn

    graphs: list = []

    def backend(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    model.load_state_dict(weights)
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight)  # left over from something else
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
    torch._dynamo.reset()
    step = make_step(model, optimizer, backend)
    made = [step([(inputs.clone(), labels.clone()) for inputs, labels in parts]) for parts in steps]
    torch._dynamo.reset()
    free = all(not getattr(loss, "requires_grad", False) for loss in made)
    state = {name: weight.detach().clone() for name, weight in model.state_dict().items()}
    return {"weights": state, "losses": [float(loss) for loss in made], "graphs": len(graphs), "free": free}


def _plain_names(answer: Answer, draw: Draw) -> None:
    weights = {"0.weight": _noise(draw, 2, 3), "0.bias": _noise(draw, 2), "1.weight": _noise(draw, 2, 2)}
    for kind in ("plain", "whole", "within"):
        what = {
            "plain": "plain_state(model)",
            "whole": "plain_state(torch.compile(model))",
            "within": "plain_state(a model with a compiled layer)",
        }[kind]
        found = answer.given(plain_names).call("plain_names", weights, kind)
        expect.type_of(found, dict, what)
        expect.equal(sorted(found), sorted(weights), f"the names of {what}")
        for name, weight in weights.items():
            _tensor(found[name], weight, f"{name!r} of {what}")


def plain_names(weights: dict, kind: str) -> dict:
    """The learner's state of a model that is compiled as a whole, within, or not at all."""
    import torch
    from torch import nn

    layers = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2, bias=False))
    layers.load_state_dict(weights)
    if kind == "within":
        layers = nn.Sequential(torch.compile(layers[0], backend="eager"), layers[1])
    found = plain_state(torch.compile(layers, backend="eager") if kind == "whole" else layers)
    if not isinstance(found, dict):
        return found
    return {name: weight.detach() for name, weight in found.items()}


# q10 and q11


FOUND = {
    "numpy": True,
    "loop": False,
    "asserted": False,
    "floats": False,
    "evaluated": True,
    "modes": True,
}


@exercise.question(
    "q10",
    title="Predict, then measure",
    points=2,
    difficulty=1,
    needs=("predictions",),
    lesson=BREAKS + "#Five ways to break it",
    hints=(
        "Where could Dynamo go on after a break in the middle of a loop? And what does a guard look at: a "
        "value, or only a type?",
        "A resumed function begins after a statement, with what is on Python's stack; a loop that is half "
        "done is another matter. For the mode, ask `torch._inductor.list_mode_options`.",
        "Somebody who reads a recipe aloud and is interrupted in the middle of 'stir ten times' begins the "
        "whole dish again, by hand.",
    ),
)
def predictions(answer: Answer, draw: Draw) -> None:
    six_predictions(answer, FOUND)


exercise.manual(
    "q11",
    title="“Compiled, so it is faster”",
    points=4,
    lesson=PAYS + "#When not",
    hints=(
        "Add up three epochs for both. What does the log say of most of the shapes?",
        "Find the epoch from which it pays. Then ask what fusing can gain at most if it concerns 20 % of the "
        "time, and what else one of the words in `max-autotune` switches on.",
        "Who buys a machine that saves an hour a day, and needs three days to set up, asks first for how "
        "many days there is work.",
    ),
)
