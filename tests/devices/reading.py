"""What goes wrong on an accelerator, as far as a notebook's code shows it without being run.

Each rule finds one fault of which a machine without a GPU says nothing: the code runs there. The rules read one
cell at a time, some of them each function in it by itself. What they can't know (on which device a model lies
that was made elsewhere) is left to the guard, which runs the code: see `guarded.py`.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from course_utils.cells import as_python

CLOCKS = {"perf_counter", "time", "monotonic"}  # process_time counts the CPU's work: a GPU has none of it
WAITS = {"item", "tolist", "cpu", "synchronize", "stopwatch", "seconds_a_pass"}
MOVES = {"to", "device", "prepare", "cuda"}

Nodes = list[ast.AST]  # of a cell or of a function


def faults(path: Path) -> dict[str, list[str]]:
    """Cell -> what is wrong in it on an accelerator; only cells with a fault."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return faults_of({cell["id"]: "".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"})


def faults_of(sources: dict[str, str]) -> dict[str, list[str]]:
    """The same for the code of a notebook: {cell: source}."""
    trees = {name: parsed(source) for name, source in sources.items()}
    cells = {name: list(ast.walk(tree)) for name, tree in trees.items()}
    moved = any(puts_a_model_there(nodes) for nodes in cells.values())
    packed = {model for nodes in cells.values() for model in packed_models(nodes)}
    stays = not any(names_the_device(tree) for tree in trees.values()) and any(map(loads, cells.values()))
    found = {}
    for name, tree in trees.items():
        said = [words for words, is_wrong in RULES.items() if is_wrong(cells[name])]
        for part in parts(tree):
            said += [words for words, is_wrong in RULES_OF_PARTS.items() if moved and is_wrong(part)]
            if packed and goes_into(part, packed):
                said.append(PACKED)
        if stays and trains(cells[name]):
            said.append(STAYS)
        if said:
            found[name] = said
    return found


def parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError:  # a magic
        return ast.parse(as_python(source))


# The words of a cell


def parts(tree: ast.AST) -> Iterator[Nodes]:
    """The nodes of each function, without those of functions in it, and of what stands outside of all."""
    waiting = [tree]
    while waiting:
        nodes, left = [], list(ast.iter_child_nodes(waiting.pop()))
        while left:
            node = left.pop()
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                waiting.append(node)
            else:
                nodes.append(node)
                left += ast.iter_child_nodes(node)
        yield nodes


def calls(nodes: Iterable[ast.AST]) -> Iterator[ast.Call]:
    return (node for node in nodes if isinstance(node, ast.Call))


def called(call: ast.Call) -> str:
    """`to` of x.to(…), `pipeline` of pipeline(…)."""
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((each.value for each in call.keywords if each.arg == name), None)


def unpacks(call: ast.Call) -> bool:
    """Whether it is f(**something)."""
    return any(each.arg is None for each in call.keywords)


def is_constant(node: ast.expr | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value == value


def has(nodes: Iterable[ast.AST], attributes: set[str]) -> bool:
    """Whether one of these stands behind a point."""
    return any(isinstance(node, ast.Attribute) and node.attr in attributes for node in nodes)


def names_the_device(node: ast.AST) -> bool:
    """Whether `course.device` stands in it."""
    return any(
        isinstance(each, ast.Attribute)
        and each.attr == "device"
        and getattr(each.value, "id", "") == "course"
        for each in ast.walk(node)
    )


def is_arguments(call: ast.Call) -> bool:
    """A Trainer's arguments, of Transformers or of trl."""
    name = called(call)
    return name.endswith("TrainingArguments") or (
        name.endswith("Config") and bool(keyword(call, "max_steps"))
    )


def puts_a_model_there(nodes: Nodes) -> bool:
    """Whether the cell moves something to the course's device or lets a Trainer do it."""
    return any(
        (called(call) == "to" and any(names_the_device(each) for each in call.args))
        or (is_arguments(call) and not is_constant(keyword(call, "use_cpu"), True))
        for call in calls(nodes)
    )


def loads(nodes: Nodes) -> bool:
    """Whether the cell asks for a model of the course, and not for its config alone."""
    of_a_config = {
        part
        for call in calls(nodes)
        if called(call) == "from_pretrained" and getattr(call.func.value, "id", "").endswith("Config")
        for part in ast.walk(call)
    }
    return any(
        called(call) == "model" and getattr(call.func.value, "id", "") == "course" and call not in of_a_config
        for call in calls(nodes)
        if isinstance(call.func, ast.Attribute)
    )


def trains(nodes: Nodes) -> bool:
    """Whether the cell trains by a loop of its own or the course's; for a Trainer there are rules of its own."""
    return any(called(call) in {"backward", "train_briefly"} for call in calls(nodes))


def packed_models(nodes: Nodes) -> Iterator[str]:
    """Names of models that are loaded in 4 or 8 bits: bitsandbytes puts them on the first CUDA card by itself."""
    for node in nodes:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Call)
            and keyword(node.value, "quantization_config")
        ):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


# The rules


def no_device_for_a_pipeline(nodes: Nodes) -> bool:
    return any(
        isinstance(call.func, ast.Name) and called(call) == "pipeline" and not keyword(call, "device")
        for call in calls(nodes)
    )


def arguments_without_use_cpu(nodes: Nodes) -> bool:
    return any(
        is_arguments(call) and not keyword(call, "use_cpu") and not unpacks(call) for call in calls(nodes)
    )


def a_trainer_that_stays(nodes: Nodes) -> bool:
    return any(is_arguments(call) and is_constant(keyword(call, "use_cpu"), True) for call in calls(nodes))


def half_precision_for_every_card(nodes: Nodes) -> bool:
    return any(is_constant(keyword(call, name), True) for call in calls(nodes) for name in ("bf16", "fp16"))


def a_clock_that_does_not_wait(nodes: Nodes) -> bool:
    named = {called(call) for call in calls(nodes)}
    return bool(named & CLOCKS) and not named & WAITS and has(nodes, {"device"})


def a_generator_of_the_cpu(nodes: Nodes) -> bool:
    for call in calls(nodes):
        given = keyword(call, "generator")
        if keyword(call, "device") and isinstance(given, ast.Call) and called(given) == "Generator":
            return not (given.args or given.keywords)
    return False


def numbers_that_apple_has_not(nodes: Nodes) -> bool:
    wide = {"float64", "double"}
    return has(nodes, wide) and any(
        names_the_device(call) and has(ast.walk(call), wide) for call in calls(nodes)
    )


def inputs_that_stay(part: Nodes) -> bool:
    """What a tokenizer or processor made goes into a model; `generate` moves it by itself, in Transformers 5."""
    tensors = any(is_constant(keyword(call, "return_tensors"), "pt") for call in calls(part))
    given = any(unpacks(call) and called(call) != "generate" for call in calls(part))
    return tensors and given and not has(part, MOVES)


def goes_into(part: Nodes, models: set[str]) -> bool:
    given = any(getattr(call.func, "id", "") in models and unpacks(call) for call in calls(part))
    return given and not has(part, MOVES)


def numpy_without_cpu(part: Nodes) -> bool:
    return any(called(call) == "numpy" and not has(ast.walk(call), {"cpu"}) for call in calls(part))


PACKED = "a model in 4 bits lies on the first CUDA card, its inputs do not: .to(model.device)"
STAYS = "the notebook trains a model and never names course.device: it trains on the CPU whatever there is"
RULES: dict[str, Callable[[Nodes], bool]] = {
    "a pipeline takes the first accelerator: tell it device=course.device": no_device_for_a_pipeline,
    "a Trainer takes the first accelerator: use_cpu=course.device == 'cpu'": arguments_without_use_cpu,
    "a Trainer stays on the CPU: use_cpu=course.device == 'cpu'": a_trainer_that_stays,
    "16 bits for every card: ask course.advice for the precision": half_precision_for_every_card,
    "the clock is read before an accelerator has finished": a_clock_that_does_not_wait,
    "a generator of the CPU for numbers of another device": a_generator_of_the_cpu,
    "float64 on the course's device: an Apple GPU has none": numbers_that_apple_has_not,
}
#: In notebooks that put a model on the course's device, for each function and for what stands outside
RULES_OF_PARTS: dict[str, Callable[[Nodes], bool]] = {
    "inputs stay on the CPU: .to(model.device)": inputs_that_stay,
    "a tensor is read as NumPy without .cpu()": numpy_without_cpu,
}
