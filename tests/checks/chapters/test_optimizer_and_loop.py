"""Every question of exercise 24: the solution, the stub, wrong answers with the message they get, other right ways."""

from functools import partial

from course_utils.checks.chapters import optimizer_and_loop
from course_utils.checks.framework import load_exercise
from course_utils.checks.testing import changed_answer, given_cells, judged_well, namespace

EXERCISE = "24_optimizer_and_loop"
given = partial(given_cells, EXERCISE)
changed = partial(changed_answer, EXERCISE)


def test_the_card():
    exercise = load_exercise(EXERCISE)
    assert len(exercise.questions) == 11
    assert exercise.points == 40
    assert [question.name for question in exercise.questions.values() if question.manual] == ["q11"]


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
            LOOP: "for 4 tensors and 72 for 9",
            swap((decay, "    gradients = torch._foreach_add(gradients, weights, alpha=decay)\n")): "added to the gradient",
            swap((decay, "    torch._foreach_add_(gradients, weights, alpha=decay)\n")): "added to the gradient",
            swap(("1 - rate * decay", "1 - decay")): "not multiplied by the rate",
            swap((decay, "")): "does not decay",
            swap(("-rate / (1 - beta1**step)", "-rate"), ("    torch._foreach_div_(roots, math.sqrt(1 - beta2**step))\n", "")): "not divided by 1 − beta^step",
            swap(("    torch._foreach_div_(roots, math.sqrt(1 - beta2**step))\n", "")): "after three updates without decay",
            swap(("    roots = torch._foreach_sqrt(squares)\n    torch._foreach_div_(roots, math.sqrt(1 - beta2**step))\n    torch._foreach_add_(roots, settings[\"eps\"])\n", "    roots = torch._foreach_sqrt(torch._foreach_add(torch._foreach_div(squares, 1 - beta2**step), settings['eps']))\n")): "eps under the root",
            swap(('("rate", "decay", "beta1", "beta2")', '("rate", "decay", "beta1", "beta1")')): "beta1 for the squares",
            swap(("gradients, 1 - beta1)", "gradients, beta1)")): "after three updates without decay",
            swap(("-rate / (1", "rate / (1")): "added, not taken away",
            swap(("    torch._foreach_lerp_(means, gradients, 1 - beta1)\n", "    means = torch._foreach_lerp(means, gradients, 1 - beta1)\n")): "after three updates without decay",
            LISTS.replace("torch._foreach_mul_(weights, 1", "weights = torch._foreach_mul(weights, 1"): "after three updates without decay",
        },
        right=[FUSED, LISTS, swap((decay, ""), ("    torch._foreach_addcdiv_", decay + "    torch._foreach_addcdiv_"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 1, 3, 7, 12)] == [3, 2, 3, 2, 1]


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
    other = swap(
        (".round()", ".add(0.5).floor()"),
        ("scales.max().item() / 2", "max(float(scale) for scale in scales) * 0.5"),
    )
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
            swap(("/ 2\n", "/ 254\n")): "the lesson's formula, for scales",
            swap(("/ 2\n", "/ 510\n")): "the lesson's formula for 255 codes",
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
            swap(("settings[\"rate\"] * ratio", "ratio"), ("weight - made[-1]", 'weight - settings["rate"] * made[-1]')): "as in torch.optim.SGD",
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
    assert [result.wrong[number].points for number in (8, 9, 12, 14, 17)] == [2, 3, 1, 2, 3]


BY_ARRAY = """
import numpy as np


def schedule(batch, plan):
    steps, warm = -(-plan["examples"] // batch), -(-plan["warm_up"] // batch)
    peak = plan["rate"] * (batch / plan["batch"]) ** {"linear": 1.0, "root": 0.5}[plan["rule"]]
    rising = np.arange(1, warm + 1) / max(warm, 1)
    falling = np.linspace(1, 0, steps - warm + 1)[:-1]
    return peak * np.concatenate([rising, falling])


def noise_scale(small, large, batches):
    left = np.array([[1.0, 1 / batches[0]], [1.0, 1 / batches[1]]])
    gradient, noise = np.linalg.solve(left, [np.mean(small), np.mean(large)])
    if not (gradient > 0 and noise > 0):
        raise ValueError(f"{gradient}, {noise}")
    return torch.tensor(noise / gradient)
"""


def test_larger_batches():
    swap = partial(changed, "q5")
    rates = "peak * (t / w if t <= w else (n + 1 - t) / (n - w)) for t in range(1, n + 1)"
    result = judged_well(
        EXERCISE,
        "q5",
        before=given("imports"),
        wrong={
            swap(('ratio if plan["rule"] == "linear" else math.sqrt(ratio)', "ratio")): "the other rule",
            swap(('* (ratio if plan["rule"] == "linear" else math.sqrt(ratio))', "")): "a peak that does not grow",
            swap(('batch / plan["batch"]', 'plan["batch"] / batch')): "divided by the new one",
            swap(('math.ceil(plan["examples"] / batch)', 'plan["examples"] // batch')): "items",
            swap(('math.ceil(plan["warm_up"] / batch)', 'plan["warm_up"] // batch')): "item",
            swap((rates, "peak * (t / w if t <= w else 1) for t in range(1, n + 1)")): "stays at the peak",
            swap((rates, rates.replace("n + 1 - t", "n - t"))): "does not begin with the peak",
            swap((rates, rates.replace("(n - w)", "n"))): "a fall over all steps",
            swap((rates, rates.replace("t / w if", "(t - 1) / w if"))): "begins at 0",
            swap((rates, rates.replace("t / w if t <= w else ", ""))): "item",
            swap((rates, "peak * min(t / w, (n + 1 - t) / (n - w)) for t in range(1, n + 1)")): "ZeroDivisionError",
            swap(("return noise / gradient", "return gradient / noise")): "its inverse",
            swap(("return noise / gradient", "return noise / other")): "in the place of |G|²",
            swap(("few, many = batches", "many, few = batches")): "more measurements are needed",
            swap(("return noise / gradient", "return math.sqrt(noise / gradient)")): "not of squared norms",
            swap(("statistics.fmean(small), statistics.fmean(large)", "small[0], large[0]")): "the first of each list",
            swap(("    one, other = statistics.fmean(small), statistics.fmean(large)\n", "    if len(small) > 1 and len(large) > 1:\n        return statistics.fmean(noise_scale([a], [b], batches) for a, b in zip(small, large))\n    one, other = small[0], large[0]\n")): "noise_scale of",
            swap(('    if gradient <= 0 or noise <= 0:\n        raise ValueError("more measurements are needed")\n', "")): "no exception, and -",
            swap(("gradient <= 0 or noise <= 0", "gradient <= 0")): "S is below 0",
            swap(("raise ValueError(", "print(")): "to raise ValueError",
        },
        right=[
            BY_ARRAY,
            BY_ARRAY.replace("return peak *", "return tuple(peak *").replace("falling])", "falling]))"),
            swap(("return noise / gradient", "return (one - other) / (other / few - one / many)")),
        ],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 4, 10, 11, 17, 18)] == [2, 3, 3, 3, 3, 3]


TRACED = """
import traceback
from collections import defaultdict


class Lines(TorchDispatchMode):
    def __init__(self, function):
        super().__init__()
        self.function, self.lines = function, defaultdict(int)

    def waits(self, name, args):
        if name in {"aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select"}:
            return True
        return name in {"aten::index", "aten::index_put_"} and any(i is not None and i.dtype == torch.bool for i in args[1])

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        if self.waits(operator._schema.name, args):
            code = self.function.__code__
            lines = [line for frame, line in traceback.walk_stack(None) if frame.f_code is code]
            self.lines[lines[0] - code.co_firstlineno + 1] += 1
        return operator(*args, **(kwargs or {}))


def waits(function, *arguments):
    with Lines(function) as mode:
        function(*arguments)
    return mode.lines
"""


def test_waiting():
    swap = partial(changed, "q6")
    climb = "                while frame.f_code is not code:\n                    frame = frame.f_back\n"
    result = judged_well(
        EXERCISE,
        "q6",
        before=given("imports"),
        wrong={
            swap((" - code.co_firstlineno + 1", "")): "lines of the file",
            swap((" - code.co_firstlineno + 1", " - code.co_firstlineno")): "lines that are off by one",
            swap(("+= 1\n", "= 1\n")): " on line",
            swap((' and one.dtype is torch.bool', "")): "0 waits on line",
            swap(('"_local_scalar_dense", "nonzero", "masked_select"', '"_local_scalar_dense",')): "1 wait on line",
            swap(("if name in always or masks", "if name in always")): " on line",
            swap(('("index", "index_put_")', '("index",)')): " on line",
            swap(('("_local_scalar_dense", "nonzero", "masked_select")', '("_local_scalar_dense", "nonzero", "masked_select", "where", "sum")')): "0 waits on line",
            swap((climb, "                while 'watched' not in frame.f_code.co_name and 'helper' not in frame.f_code.co_name:\n                    frame = frame.f_back\n")): " on line",
            swap((climb, "                frame = frame.f_back\n")): " on line",
            swap(("            return operator(*args, **(kwargs or {}))\n", "            operator(*args, **(kwargs or {}))\n")): "waits` to run",
            swap(("return dict(found)", "return found.total()")): "to be a dict",
            swap(("return dict(found)", "return {str(line): count for line, count in found.items()}")): " on line",
        },
        right=[
            TRACED,
            swap(("return dict(found)", "return found")),
            swap((climb, "                while frame.f_code != code:\n                    frame = frame.f_back\n"), ("return dict(found)", "return {line: torch.tensor(count) for line, count in sorted(found.items())}")),
        ],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (4, 8)] == [1, 2]


AT_THE_END = """
def fast_loop(weight, batches, rate, limit, every):
    weight = torch.nn.Parameter(weight.clone())
    optimizer = torch.optim.SGD([weight], lr=rate, foreach=False)
    sums, lines = torch.zeros(3), []
    for step, (inputs, labels) in enumerate(batches, 1):
        optimizer.zero_grad()
        logits = inputs.matmul(weight)
        loss = F.cross_entropy(logits, labels, ignore_index=-100)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_([weight], limit)
        optimizer.step()
        hits = logits.detach().argmax(-1).eq(labels)
        sums = sums + torch.stack([loss.detach(), hits.sum(), labels.ne(-100).sum()])
        if step % every == 0:
            lines.append(torch.stack([sums[0] / every, sums[1] / sums[2], norm]))
            sums = torch.zeros(3)
    values = torch.stack(lines).numpy() if lines else []
    return weight.detach(), [
        {"step": every * number, "loss": float(loss), "accuracy": float(share), "norm": float(norm)}
        for number, (loss, share, norm) in enumerate(values, 1)
    ]
"""


def test_read_once():
    swap = partial(changed, "q7")
    slow = given("q7-given").replace("def slow_loop", "def fast_loop")
    result = judged_well(
        EXERCISE,
        "q7",
        before=given("imports", "q7-given"),
        wrong={
            slow: "index",
            swap(("losses.append(loss.detach())", "losses.append(loss.item())"), ("torch.stack(losses).mean()", "torch.tensor(statistics.fmean(losses))")): "_local_scalar_dense",
            swap(("gradient * (limit / norm).clamp(max=1.0)", "(gradient * (limit / norm) if norm > limit else gradient)")): "_local_scalar_dense",
            swap(("torch.stack([torch.stack(losses).mean(), right / seen, norm]).tolist()", "[torch.stack(losses).mean().item(), (right / seen).item(), norm.item()]")): "the number of waits in",
            swap(("logits = inputs @ leaf", "logits = inputs[counts] @ leaf"), ("F.cross_entropy(logits, labels)", "F.cross_entropy(logits, labels[counts])"), ("(logits.argmax(1) == labels) & counts", "logits.argmax(1) == labels[counts]")): "the number of masks",
            swap((" * (limit / norm).clamp(max=1.0)", "")): "the weight of fast_loop",
            swap((".clamp(max=1.0)", "")): "the weight of fast_loop",
            swap(("torch.stack(losses).mean()", "losses[-1]")): "the loss of the last step",
            swap(("counts.sum()", "len(labels)")): "counts labels of −100",
            swap(("right / seen, norm]", "right / seen, norm.clamp(max=limit)]")): "after clipping",
            swap(("            losses, right, seen = [], 0, 0\n", "")): "of all steps so far",
            swap(("values = torch.stack([torch.stack(losses).mean(), right / seen, norm]).tolist()", "values = torch.stack([torch.stack(losses).mean(), right / seen, norm])")): "plain Python numbers",
            swap((", norm]).tolist()", ", norm]).numpy()")): "got      numpy.float32",
            swap(("        weight = weight - rate *", "        weight -= rate *")): "unchanged",
            swap(("    return weight, log", "    print(torch.stack([each for each in [weight.sum()]]).tolist())\n    return weight, log")): "where nothing is logged",
            swap(('{"step": step, **', '{"step": step - 1, **')): "'step' of line",
            swap(("        if step % every == 0", "        if step % every == 0 or step == len(batches)")): "the log of fast_loop",
        },
        right=[
            AT_THE_END,
            swap(("(limit / norm).clamp(max=1.0)", "torch.where(norm > limit, limit / norm, 1.0)"), (".tolist()", ".cpu().numpy().tolist()")),
            swap(("torch.stack(losses).mean()", "sum(losses) / len(losses)"), ("weight.detach().requires_grad_()", "weight.clone().requires_grad_()")),
        ],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 1, 2, 3, 4, 14)] == [1, 2, 2, 3, 1, 2]


BY_HAND = """
def evaluate(model, batches, loss_of):
    training = {name: module.training for name, module in model.named_modules()}
    state, recording = torch.get_rng_state(), torch.is_grad_enabled()
    losses, rows = [], []
    try:
        torch.set_grad_enabled(False)
        for module in model.modules():
            module.training = False
        for inputs, labels in batches:
            losses.append(loss_of(model(inputs), labels).item())
            rows.append(inputs.shape[0])
    finally:
        torch.set_grad_enabled(recording)
        torch.set_rng_state(state)
        for name, module in model.named_modules():
            module.training = training[name]
    return sum(a * b for a, b in zip(losses, rows)) / sum(rows)
"""
OF_ROWS = """
@torch.inference_mode()
def evaluate(model, batches, loss_of):
    modules = list(model.modules())
    modes = [module.training for module in modules]
    try:
        with torch.random.fork_rng():
            model.train(False)
            made = [loss_of(model(inputs), labels).expand(len(labels)) for inputs, labels in batches]
    finally:
        for module, mode in reversed(list(zip(modules, modes))):
            module.training = mode
    return torch.cat(made).mean()
"""

TOGETHER = """
def evaluate(model, batches, loss_of):
    flags = [module.training for module in model.modules()]
    state = torch.random.get_rng_state()
    try:
        with torch.no_grad():
            inputs, labels = map(torch.cat, zip(*batches))
            return loss_of(model.eval()(inputs), labels).item()
    finally:
        torch.random.set_rng_state(state)
        for module, flag in zip(model.modules(), flags):
            module.training = flag
"""


def test_no_trace():
    swap = partial(changed, "q8")
    back = "        for module, mode in modes:\n            module.training = mode\n"
    weighted = "loss_of(model(inputs), labels) * len(labels)\n                rows += len(labels)"
    result = judged_well(
        EXERCISE,
        "q8",
        before=given("imports"),
        wrong={
            swap((weighted, "loss_of(model(inputs), labels)\n                rows += 1")): "counts for more",
            "def evaluate(model, batches, loss_of): return 1.0": "the number of rows that the model runs on",
            swap((weighted, "loss_of(model(inputs), labels)\n                rows = 1")): "the sum of the batches",
            swap((weighted, "loss_of(model(inputs), labels) * len(labels)\n                rows = 1")): "the sum over the rows",
            swap(("        model.eval()\n", "        pass\n")): "every module evaluating",
            swap((back, "        model.train()\n")): "training or not, of each module, after evaluate",
            swap((back, "        model.train(modes[0][1])\n")): "training or not",
            swap((back, "        pass\n")): "training or not",
            swap((back, "        for module, mode in reversed(modes):\n            module.train(mode)\n")): "training or not",
            swap(("    finally:\n" + back, "    except ZeroDivisionError:\n        pass\n    for module, mode in modes:\n        module.training = mode\n")): "after an error",
            swap(("    return float(total / rows)", "        return float(total / max(rows, 1))")): "the error of the model",
            swap(("torch.no_grad(), ", "")): "torch.is_grad_enabled() while",
            swap(("        with torch.no_grad(), torch", "        torch.set_grad_enabled(False)\n        with torch")): "torch.is_grad_enabled() after",
            swap(("    return float", "    torch.set_grad_enabled(True)\n    return float")): "torch.is_grad_enabled() after",
            swap(("        model.eval()\n", "        model.eval()\n        model.zero_grad()\n")): "the gradients of the weights",
            swap((", torch.random.fork_rng(devices=[])", "")): "torch.get_rng_state()",
            swap(("        model.eval()\n", "        model.eval()\n        torch.manual_seed(0)\n")): "torch.get_rng_state()",
            swap(("total + loss_of(model(inputs), labels) * len(labels)", "loss_of(model(inputs), labels) * len(labels)")): "evaluate(model, batches, loss_of)",
        },
        right=[BY_HAND, OF_ROWS, TOGETHER, swap(("torch.no_grad(), ", "torch.inference_mode(), "), ("float(total / rows)", "torch.true_divide(total, rows).numpy()"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 1, 4, 5, 9, 11, 12, 15)] == [3, 0, 2, 3, 3, 3, 3, 3]


OF_CLASSES = """
class Region:
    def __init__(self, breakdown, name):
        self.breakdown, self.name = breakdown, name

    def __enter__(self):
        self.began, self.within = self.breakdown.now(), self.breakdown.within
        self.breakdown.within = 0.0

    def __exit__(self, *error):
        whole = self.breakdown.now() - self.began
        self.breakdown.add(self.name, whole - self.breakdown.within)
        self.breakdown.within = self.within + whole
        return False


class Breakdown:
    def __init__(self, clock, finish):
        self.clock, self.finish = clock, finish
        self.begin(self.now())

    def now(self):
        self.finish()
        return self.clock()

    def begin(self, now):
        self.began, self.within, self.table = now, 0.0, {}

    def add(self, name, seconds):
        self.table[name] = self.table.get(name, 0.0) + seconds

    def region(self, name):
        return Region(self, name)

    def close(self):
        now = self.now()
        self.add("other", now - self.began - self.within)
        table = self.table
        self.begin(now)
        return table
"""


def test_adding_up():
    swap = partial(changed, "q9")
    other = OF_CLASSES.replace(
        "        table = self.table\n",
        "        table = {name: torch.tensor(seconds, dtype=torch.float64) for name, seconds in self.table.items()}\n",
    )
    result = judged_well(
        EXERCISE,
        "q9",
        before=given("imports"),
        wrong={
            swap(("lambda: (finish(), clock())[1]", "clock")): "call finish() first",
            OF_CLASSES.replace("whole - self.breakdown.within)", "whole)"): "counts for it as well",
            OF_CLASSES.replace("self.within + whole", "self.within + whole - self.breakdown.within"): "'other' of what close() gives",
            OF_CLASSES.replace("self.table.get(name, 0.0) + seconds", "seconds"): "the last time of a name",
            OF_CLASSES.replace('        self.add("other", now - self.began - self.within)\n', ""): "leaving out the time in no region",
            OF_CLASSES.replace('"other", now - self.began - self.within', '"other", now - self.began'): "'other' of what close() gives",
            OF_CLASSES.replace("whole - self.breakdown.within)", "whole)").replace("now - self.began - self.within", "now - self.began - sum(self.table.values())"): "booked twice",
            OF_CLASSES.replace("return False", "return True"): "the number of errors",
            OF_CLASSES.replace("        self.begin(now)\n", ""): "after iteration 2",
            OF_CLASSES.replace("    def __exit__(self, *error):\n", "    def __exit__(self, *error):\n        if error[0]:\n            return False\n"): "close() gives after iteration 1",
            swap(("        try:\n            yield\n        finally:\n            self.border(outer)\n", "        yield\n        self.border(outer)\n")): "close() gives after iteration 1",
            swap(("        try:\n            yield\n        finally:\n", "        try:\n            yield\n        except Exception:\n            pass\n        finally:\n")): "the number of errors",
            swap(("return dict(spent)", "return sum(spent.values())")): "to be a dict",
            swap(("spent, self.spent = self.spent, Counter()", "spent = self.spent")): "close() gives",
        },
        right=[OF_CLASSES, other, swap(("return dict(spent)", "return spent"), ("[*outer, name]", "outer + [name]"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (1, 3, 8, 9, 10)] == [1, 2, 2, 2, 2]


PREDICTIONS = "def predictions(): return {name: name in ('fused', 'factored', 'stored') for name in NAMES}"


def test_predict():
    judged_well(
        EXERCISE,
        "q10",
        before=f"NAMES = {list(optimizer_and_loop.FOUND)}",
        wrong={
            "def predictions(): return {'clip': True}": "to have the key",
            "def predictions(): return dict.fromkeys(NAMES, True)": "right predictions",
            "def predictions(): return dict.fromkeys(NAMES, False)": "right predictions",
            "def predictions(): return [True] * 6": "to be a dict",
            "def predictions(): return dict.fromkeys(NAMES, 1)": "True or False",
            PREDICTIONS.replace("'fused', ", ""): "all six",
        },
        right=[
            PREDICTIONS,
            "import numpy as np\ndef predictions(): return {name: np.bool_(name in ('fused', 'factored', 'stored')) for name in NAMES}",
            "predictions = lambda: dict(zip(NAMES, (True, False, False, True, False, True)))",
        ],
    )  # fmt: skip


def test_what_is_predicted_is_measured():
    cells = given("imports"), given("q10-measure"), given("q10-compare")
    measured = namespace("def predictions(): return {}", *cells)["measured"]
    assert measured == optimizer_and_loop.FOUND
