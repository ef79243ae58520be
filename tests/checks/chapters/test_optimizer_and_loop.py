"""Every question of exercise 24: the solution, the stub, wrong answers with the message they get, other right ways."""

from functools import partial

from course_utils.checks.chapters import optimizer_and_loop
from course_utils.checks.framework import load_exercise
from course_utils.checks.testing import changed_answer, given_cells, judged_well, namespace

EXERCISE = "24_optimizer_and_loop"
given = partial(given_cells, EXERCISE)
changed = partial(changed_answer, EXERCISE)


FUSED = """
def adamw(weights, gradients, means, squares, step, settings):
    steps = [torch.tensor(float(step))] * len(weights)
    torch._fused_adamw_(
        weights, gradients, means, squares, [], steps, lr=settings["rate"], beta1=settings["beta1"], beta2=settings["beta2"],
        weight_decay=settings["decay"], eps=settings["eps"], amsgrad=False, maximize=False,
    )
"""
LISTS = """
def adamw(weights, gradients, means, squares, step, settings):
    b1, b2 = settings["beta1"], settings["beta2"]
    torch._foreach_mul_(means, b1)
    torch._foreach_add_(means, gradients, alpha=1 - b1)
    torch._foreach_mul_(squares, b2)
    torch._foreach_add_(squares, torch._foreach_mul(torch._foreach_mul(gradients, gradients), 1 - b2))
    first = torch._foreach_div(means, 1 - b1**step)
    second = torch._foreach_add(torch._foreach_sqrt(torch._foreach_div(squares, 1 - b2**step)), settings["eps"])
    torch._foreach_mul_(weights, 1 - settings["decay"] * settings["rate"])
    torch._foreach_sub_(weights, torch._foreach_div(first, second), alpha=settings["rate"])
    return weights
"""
LOOP = """
def adamw(weights, gradients, means, squares, step, settings):
    for w, g, m, s in zip(weights, gradients, means, squares):
        w.mul_(1 - settings["rate"] * settings["decay"])
        m.lerp_(g, 1 - settings["beta1"])
        s.mul_(settings["beta2"]).addcmul_(g, g, value=1 - settings["beta2"])
        root = s.sqrt().div_(math.sqrt(1 - settings["beta2"] ** step)).add_(settings["eps"])
        w.addcdiv_(m, root, value=-settings["rate"] / (1 - settings["beta1"] ** step))
"""


def test_one_update():
    swap = partial(changed, "q1")
    decay = "    torch._foreach_mul_(weights, 1 - rate * decay)\n"
    result = judged_well(
        EXERCISE,
        "q1",
        before=given("imports"),
        wrong={
            LOOP: "the number of operators for 9 tensors",
            swap((decay, "    gradients = torch._foreach_add(gradients, weights, alpha=decay)\n")): "added to the gradient",
            swap((decay, "    torch._foreach_add_(gradients, weights, alpha=decay)\n")): "added to the gradient",
            swap(("1 - rate * decay", "1 - decay")): "not multiplied by the rate",
            swap((decay, "")): "does not decay",
            swap(("-rate / (1 - beta1**step)", "-rate"), ("    torch._foreach_div_(roots, math.sqrt(1 - beta2**step))\n", "")): "not divided by 1 − beta^step",
            swap(("    torch._foreach_div_(roots, math.sqrt(1 - beta2**step))\n", "")): "the weights after three updates",
            swap(("    roots = torch._foreach_sqrt(squares)\n    torch._foreach_div_(roots, math.sqrt(1 - beta2**step))\n    torch._foreach_add_(roots, settings[\"eps\"])\n", "    roots = torch._foreach_sqrt(torch._foreach_add(torch._foreach_div(squares, 1 - beta2**step), settings['eps']))\n")): "eps under the root",
            swap(('("rate", "decay", "beta1", "beta2")', '("rate", "decay", "beta1", "beta1")')): "beta1 for the squares",
            swap(("gradients, 1 - beta1)", "gradients, beta1)")): "the weights after three updates",
            swap(("-rate / (1", "rate / (1")): "added, not taken away",
            swap(("    torch._foreach_lerp_(means, gradients, 1 - beta1)\n", "    means = torch._foreach_lerp(means, gradients, 1 - beta1)\n")): "the weights after three updates",
            LISTS.replace("torch._foreach_mul_(weights, 1", "weights = torch._foreach_mul(weights, 1"): "the weights after three updates",
        },
        right=[FUSED, LISTS, swap((decay, ""), ("    torch._foreach_addcdiv_", decay + "    torch._foreach_addcdiv_"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 1, 3, 12)] == [3, 2, 3, 1]


NUMPY_BITS = """
import numpy as np


def quantise(values, block, signed):
    values = values.numpy()
    flat, most = values.reshape(-1), 127 if signed else 255
    codes, scales = np.zeros(len(flat), np.int8 if signed else np.uint8), []
    for first in range(0, len(flat), block):
        part = flat[first : first + block]
        scale = np.abs(part).max() / np.float32(most)
        if scale > 0:
            codes[first : first + block] = np.rint(part / scale).astype(codes.dtype)
        scales.append(scale)
    return [codes.reshape(values.shape), np.array(scales, dtype=np.float32)]


def dequantise(codes, scales, block):
    places = torch.arange(codes.numel()) // block
    return (codes.flatten() * scales[places]).reshape(codes.shape)


def error_bound(scales):
    return 0.5 * torch.max(scales)
"""


def test_eight_bits():
    swap = partial(changed, "q2")
    other = swap((".round()", ".add(0.5).floor()"), ("scales.max().item() / 2", "max(float(scale) for scale in scales) * 0.5"))
    result = judged_well(
        EXERCISE,
        "q2",
        before=given("imports"),
        wrong={
            swap(("rows.abs().amax(1) / most", "(rows.abs().max() / most).expand(len(rows))")): "for all values together",
            swap(("rows.abs().amax(1)", "rows.amax(1)")): "not the largest absolute one",
            swap(("scales = rows.abs().amax(1) / most", "scales = rows.abs().amax(1)"), ("[:, None]).round()", "[:, None] * most).round()")): "the largest absolute values themselves",
            swap(("(127, torch.int8)", "(128, torch.int8)")): "128 in the place of 127",
            swap(("(255, torch.uint8)", "(256, torch.uint8)")): "256 in the place of 255",
            swap(("(255, torch.uint8)", "(127, torch.int8)")): "or 127 where they are not",
            swap((".round()", "")): "round to the nearest",
            swap((".round().to(dtype)", ".round()")): "to have the dtype int8",
            swap(("(rows / torch.where(scales > 0, scales, 1.0)[:, None])", "(rows / (scales + 1e-3)[:, None])")): "the codes of",
            swap((".view(values.shape), scales", ", scales")): "to have the shape",
            swap(("codes.flatten()[: len(flat)].view(values.shape)", "codes")): "to have the shape",
            swap(("F.pad(flat, (0, -len(flat) % block)).view(-1, block)", "flat[: len(flat) // block * block].view(-1, block)"), ("codes.flatten()[: len(flat)].view(values.shape)", "codes")): "to have the shape",
            swap(("scales.repeat_interleave(block)", "scales.repeat(block)")): "taken in turn",
            swap(("codes.float() * each", "codes * each.round()")): "item",
            swap(("/ 2\n", "\n")): "a whole step",
            swap(("scales.max().item() / 2", "scales.mean().item() / 2")): "the mean of the scales",
            swap(("scales.max().item() / 2", "scales[scales > 0].min().item() / 2")): "the smallest scale",
        },
        right=[NUMPY_BITS, other, swap(("return codes.flatten()[: len(flat)].view(values.shape), scales", "return codes.reshape(-1)[: values.numel()].reshape_as(values), tuple(scales)"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (3, 4, 7, 12, 14)] == [3, 3, 2, 3, 3]


LOOPED_ROWS = """
def factored(rows, columns, gradient, beta):
    rows = torch.lerp((gradient * gradient).mean(dim=-1), rows, beta)
    columns = torch.lerp((gradient * gradient).mean(dim=-2), columns, beta)
    product = torch.einsum("...n,...k->...nk", rows, columns)
    return [rows, columns, torch.nan_to_num(product / rows.mean(-1, keepdim=True).unsqueeze(-1))]


def state_bytes(shapes, kind, block):
    import numpy as np

    def kept(shape):
        count = int(np.prod(shape, dtype=int))
        if kind == "adafactor" and len(shape) >= 2:
            *pile, n, k = shape
            return int(np.prod(pile, dtype=int)) * (n + k)
        if kind == "adamw8bit" and count >= 4096:
            return count / 2 + 2 * ((count + block - 1) // block)
        return {"sgd": 0, "momentum": 1, "adafactor": 1, "adamw": 2, "adamw8bit": 2}[kind] * count

    return np.int64(4 * sum(map(kept, shapes)))
"""


def test_rows_and_columns():
    swap = partial(changed, "q3")
    result = judged_well(
        EXERCISE,
        "q3",
        before=given("imports"),
        wrong={
            swap(("squares.mean(-1)", "squares.sum(-1)"), ("squares.mean(-2)", "squares.sum(-2)")): "sums, not means",
            swap(("gradient.square()", "gradient")): "not their squares",
            swap(("beta * rows + (1 - beta)", "(1 - beta) * rows + beta"), ("beta * columns + (1 - beta)", "(1 - beta) * columns + beta")): "exchanged",
            swap((" / torch.where(whole > 0, whole, 1.0)", "")): "leaving out the division",
            swap(("rows.mean(-1)[..., None, None]", "rows.mean()")): "over all matrices",
            swap(("torch.where(whole > 0, whole, 1.0)", "whole")): "the estimate",
            swap(("    return rows, columns, rows", "    return rows, columns, squares + 0 * rows")): "the estimate",
            swap(("squares.mean(-1)", "squares.mean(1)"), ("squares.mean(-2)", "squares.mean(0)")): "RuntimeError",
            swap(("    return rows, columns,", "    return rows,")): "hold 3 items",
            swap((" and weights >= 4096", "")): "8 bits for small tensors",
            swap(("2 * (weights + 4 * math.ceil(weights / block))", "2 * weights")): "leaving out the scales",
            swap(("2 * (weights + 4 * math.ceil(weights / block))", "2 * weights + 4 * math.ceil(weights / block)")): "each of the two states has its own",
            swap(("math.ceil(weights / block)", "(weights // block)")): "the block that is shorter",
            swap(("4 * math.prod(shape[:-2]) *", "4 *")): "the whole tensor as one matrix",
            swap(("len(shape) > 1", "len(shape) == 2")): "state_bytes",
            swap((' and len(shape) > 1', "")): "IndexError",
            swap(("weights >= 4096", "weights > 4096")): "state_bytes",
            swap((".get(kind, 8)", ".get(kind, 4)")): "state_bytes",
        },
        right=[
            LOOPED_ROWS,
            swap(("    return total", "    return torch.tensor(total)")),
            swap(("rows[..., None] * columns[..., None, :]", "(rows.unsqueeze(-1) @ columns.unsqueeze(-2))")),
        ],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (3, 4, 5, 9, 13, 16)] == [3, 3, 3, 3, 3, 3]


IFS = """
def lars(weights, gradients, velocities, settings):
    made = []
    for w, g, v in zip(weights, gradients, velocities):
        a, b = float(torch.linalg.vector_norm(w)), float(torch.linalg.vector_norm(g))
        local = settings["trust"] * a / (b + settings["decay"] * a) if a * b else 1.0
        made.append(v * settings["momentum"] + settings["rate"] * local * (g + settings["decay"] * w))
    return tuple(w - v for w, v in zip(weights, made)), tuple(made)


def lamb_ratios(weights, updates, decay):
    found = torch.ones(len(weights))
    for number, (w, u) in enumerate(zip(weights, updates)):
        under = torch.sqrt(((u + decay * w) ** 2).sum())
        if w.any() and under > 0:
            found[number] = torch.sqrt((w**2).sum()) / under
    return found
"""


def test_ratios():
    swap = partial(changed, "q4")
    result = judged_well(
        EXERCISE,
        "q4",
        before=given("imports"),
        wrong={
            swap(("    moved, made = [], []\n", "    moved, made = [], []\n    whole, slopes = (torch.cat([each.flatten() for each in some]).norm() for some in (weights, gradients))\n"), ("size, slope = weight.norm(), gradient.norm()", "size, slope = whole, slopes")): "one ratio for all layers",
            swap(('settings["trust"] * size', "size")): "leaving out the trust",
            swap(('(slope + settings["decay"] * size)', "slope")): "leaving out decay",
            swap(('(slope + settings["decay"] * size)', '(gradient + settings["decay"] * weight).norm()')): "that is LAMB's",
            swap(('(gradient + settings["decay"] * weight)', "gradient")): "a gradient without its decay",
            swap(("weight - made[-1]", 'weight - settings["rate"] * made[-1]')): "the rate once more",
            swap(("weight - made[-1]", "weight - velocity")): "the velocity from before",
            swap(('settings["momentum"] * velocity + change', "change")): "without its momentum",
            swap(("torch.where((size > 0) & (slope > 0), ratio, 1.0)", "torch.where((size > 0) & (slope > 0), ratio, settings['trust'])")): "a ratio of trust",
            swap(("        ratio = torch.where((size > 0) & (slope > 0), ratio, 1.0)\n", "")): "item",
            swap(("weight.norm(), gradient.norm()", "weight.abs().max(), gradient.abs().max()")): "the largest number",
            swap(('settings["momentum"] * velocity + change', 'velocity.mul_(settings["momentum"]).add_(change)')): "unchanged",
            swap(("return moved, made", "return moved")): "hold 2 items",
            swap(("(update + decay * weight).norm()", "update.norm()")): "leaving out the decay",
            swap(("(update + decay * weight).norm().item()", "update.norm().item() + decay * weight.norm().item()")): "the norm of the sum",
            swap(("ratios.append(size / change", "ratios.append(change / size")): "its inverse",
            swap((" if size > 0 and change > 0 else 1.0", " if change > 0 else 1.0")): "0 where",
            swap((" if size > 0 and change > 0 else 1.0", "")): "ZeroDivisionError",
        },
        right=[IFS, swap(("weight.norm(), gradient.norm()", "weight.square().sum().sqrt(), gradient.square().sum().sqrt()")), swap(("ratios.append(size / change if size > 0 and change > 0 else 1.0)", "ratios.append(torch.tensor(size / change if size > 0 and change > 0 else 1.0))"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (7, 8, 11, 13, 16)] == [2, 3, 1, 2, 3]
