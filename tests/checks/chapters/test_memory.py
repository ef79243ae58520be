"""Every question of exercise 22: the solution, the stub, wrong answers with the message they get, other right ways."""

from functools import partial

import pytest

from course_utils.checks.chapters import memory
from course_utils.checks.framework import load_exercise
from course_utils.checks.testing import changed_answer, given_cells, judged_well, namespace

EXERCISE = "22_memory"
given = partial(given_cells, EXERCISE)
changed = partial(changed_answer, EXERCISE)


BY_TENSOR = """
import numpy as np


def owners(shapes, frozen, recipe):
    dtype = getattr(torch, recipe["dtype"])
    found = {"weights": 0, "gradients": 0, "optimizer": 0}
    for name, shape in shapes.items():
        numbers = torch.empty(shape, device="meta", dtype=dtype).numel()
        found["weights"] += numbers * dtype.itemsize
        if name in frozen:
            continue
        found["gradients"] += numbers * dtype.itemsize
        found["optimizer"] += 4 * numbers if recipe["master"] else 0
        if recipe["optimizer"] == "adamw8":
            found["optimizer"] += 2 * (numbers + 4 * -(-numbers // recipe["block"]))
        elif recipe["optimizer"] != "sgd":
            found["optimizer"] += numbers * (8 if recipe["optimizer"] == "adamw" else 4)
    return {name: np.int64(count) for name, count in found.items()}


def most_rows(shapes, frozen, recipe, row, memory):
    rows = 0
    while sum(owners(shapes, frozen, recipe).values()) + (rows + 1) * row <= memory:
        rows += 1
    return torch.tensor(rows)
"""


def test_owners():
    swap = partial(changed, "q1")
    blocks = 'sum(math.ceil(count / recipe["block"]) for count in trained)'
    result = judged_well(
        EXERCISE,
        "q1",
        before=given("imports", "q1-given"),
        wrong={
            swap(('"gradients": size * sum(trained)', '"gradients": size * sum(numbers.values())')): "gradients of frozen weights",
            swap(('"weights": size * sum(numbers.values())', '"weights": size * sum(trained)')): "there all the same",
            swap(('SIZES[recipe["dtype"]]', "4")): "whatever the dtype",
            swap(('"gradients": size *', '"gradients": 4 *')): "gradients in float32",
            swap(('SIZES[recipe["dtype"]]', "1")): "numbers, not bytes",
            swap(('    if recipe["master"]:\n        kept += 4 * sum(trained)\n', "")): "leaving out the copy",
            swap(('    if recipe["master"]:\n        kept', "    if True:\n        kept")): "where the recipe asks for none",
            swap(("kept += 4 * sum(trained)", "kept += size * sum(trained)")): "in the dtype of the weights",
            swap(("kept += 4 * sum(trained)", "kept += 4 * sum(numbers.values())")): "copies of frozen weights",
            swap(('[recipe["optimizer"]] * sum(trained)', '[recipe["optimizer"]] * sum(numbers.values())')): "owners(shapes",
            swap(('"adamw": 8', '"adamw": 4')): "one number for each weight",
            swap(('"momentum": 4, "adamw": 8', '"momentum": size, "adamw": 2 * size')): "states in the dtype of the weights",
            swap(("kept += 2 * 4 * sum", "kept += 4 * sum")): "each of the two states has its own",
            swap((blocks, 'math.ceil(sum(trained) / recipe["block"])')): "each weight is cut by itself",
            swap((blocks, 'sum(count // recipe["block"] for count in trained)')): "where it is shorter",
            swap(('    if recipe["optimizer"] == "adamw8":\n        kept += 2 * 4 * ' + blocks + "\n", "")): "leaving out the scales",
            swap(("max(0, free // row)", "free // row")): "it is 0 then",
            swap(("max(0, free // row)", "max(0, -(-free // row))")): "round down",
            swap(("max(0, free // row)", "max(0, free / row)")): "not rounding",
            swap(("free = memory - sum(owners(shapes, frozen, recipe).values())", "free = memory")): "leaving out the other three",
            swap(("max(0, free // row)", "print(free // row)")): "a function without `return`",
        },
        right=[
            BY_TENSOR,
            BY_TENSOR.replace("return torch.tensor(rows)", "return float(rows)"),
            swap(("max(0, free // row)", "max(0, math.floor(free / row))"), ('    return {"weights"', '    return {"bytes": 0, "weights"')),
        ],
    )  # fmt: skip
    assert {report.points for report in result.wrong[16:20]} == {2}


WALKED = """
import numpy as np


def saved(layers, inputs):
    kept, current = {}, [0]
    ours = {t.untyped_storage()._cdata for t in [*layers.parameters(), *layers.buffers()]}

    def pack(tensor):
        kept.setdefault(tensor.untyped_storage()._cdata, (current[0], tensor))
        return tensor

    handles = [layer.register_forward_pre_hook(lambda *a, n=n: current.__setitem__(0, n)) for n, layer in enumerate(layers)]
    with saved_tensors_hooks(pack, lambda t: t):
        made = layers(inputs)
    for handle in handles:
        handle.remove()
    found = np.zeros(len(layers), dtype=int)
    for storage, (number, tensor) in kept.items():
        if storage not in ours:
            found[number] += tensor.untyped_storage().nbytes()
    return found
"""


def test_saved():
    swap = partial(changed, "q2")
    result = judged_well(
        EXERCISE,
        "q2",
        before=given("imports"),
        wrong={
            swap(("            seen.add(storage.data_ptr())\n", "")): "each time that it is saved",
            swap(("            counts.append(0)\n", "            counts.append(0)\n            seen = {tensor.untyped_storage().data_ptr() for tensor in held}\n"), ("    def pack", "    def pack_"), ("with saved_tensors_hooks(pack,", "with saved_tensors_hooks(lambda tensor: pack_in(seen, tensor),"), ("def pack_(tensor):", "def pack_in(seen, tensor):")): "once for each layer",
            swap(("counts[-1] += storage.nbytes()", "counts[-1] += tensor.nbytes")): "the bytes of a view",
            swap(("held = [*layers.parameters(), *layers.buffers()]", "held = []")): "counting weights",
            swap(("[*layers.parameters(), *layers.buffers()]", "list(layers.parameters())")): "counting buffers",
            swap(("[*layers.parameters(), *layers.buffers()]", "list(layers.buffers())")): "counting weights",
            swap(("[*layers.parameters(), *layers.buffers()]", "[*layers.parameters(), *layers.buffers(), inputs]")): "leaving out the inputs",
            swap(("return counts", "return sum(counts)")): "to have the shape",
            swap(("storage.nbytes()", "storage.nbytes() // 4")): "numbers, not bytes",
            swap(("return counts", "layers(inputs)\n    return counts")): "one call of each layer",
            swap(("return counts", "return counts[::-1]")): "item 0 of saved",
            swap(("return counts", "return [count for count in counts if count]")): "numbers",
        },
        right=[
            WALKED,
            WALKED.replace("return found", "return torch.from_numpy(found)"),
            swap(("return counts", "return tuple(torch.tensor(count) for count in counts)")),
        ],
    )  # fmt: skip
    assert [report.points for report in result.wrong[:6]] == [2, 2, 3, 3, 3, 3]
