"""Every question of exercise 21: the solution, the stub, wrong answers with the message they get, other right ways."""

from functools import partial

import pytest
import torch

from course_utils.checks.chapters import numbers
from course_utils.checks.draw import Draw
from course_utils.checks.testing import changed_answer, given_cells, judged_well

EXERCISE = "21_numbers"
given = partial(given_cells, EXERCISE)
changed = partial(changed_answer, EXERCISE)


# a table of all codes, and the nearest of it
BY_TABLE = """
import bisect
import numpy as np


def decode(code, exponent, fraction):
    text = f"{code:0{1 + exponent + fraction}b}"
    sign, power, part = int(text[0]), int(text[1 : 1 + exponent], 2), int(text[1 + exponent :], 2)
    bias = 2 ** (exponent - 1) - 1
    if "0" not in text[1 : 1 + exponent]:
        size = np.float64("nan") if part else np.inf
    elif power:
        size = math.ldexp(2**fraction + part, power - bias - fraction)
    else:
        size = math.ldexp(part, 1 - bias - fraction)
    return -size if sign else size


def encode(value, exponent, fraction):
    top = (2**exponent - 1) << fraction
    numbers = [decode(code, exponent, fraction) for code in range(top)]
    numbers.append(numbers[-1] + (numbers[-1] - numbers[-2]))  # as if it went on
    above = min(bisect.bisect_left(numbers, abs(value)), top)
    code = above
    if above and abs(value) < numbers[-1]:
        low, high = abs(value) - numbers[above - 1], numbers[above] - abs(value)
        code = above - 1 if low < high or (low == high and above % 2) else above
    negative = str(value).startswith("-")
    return code | negative << exponent + fraction
"""
BY_TENSORS = """
def decode(code, exponent, fraction):
    sign, power, part = code >> (exponent + fraction), (code >> fraction) % 2**exponent, code % 2**fraction
    bias = 2 ** (exponent - 1) - 1
    size = torch.tensor(part / 2**fraction, dtype=torch.float64)
    if power == 2**exponent - 1:
        size = torch.tensor(math.nan if part else math.inf)
    else:
        size = (size + (power > 0)) * 2.0 ** (max(power, 1) - bias)
    return torch.where(torch.tensor(bool(sign)), -size, size)


def encode(value, exponent, fraction):
    bias, negative = 2 ** (exponent - 1) - 1, math.copysign(1.0, value) == -1.0
    power, size = 1 - bias, abs(value)
    while size >= 2.0 ** (power + 1) and power < bias + 1:
        power += 1
    steps = size / 2.0 ** (power - fraction)
    whole = int(steps)
    if steps - whole > 0.5 or (steps - whole == 0.5 and whole % 2 == 1):
        whole += 1
    if whole == 2 ** (fraction + 1):
        whole, power = 2**fraction, power + 1
    if power > bias:
        exponent_bits, part = 2**exponent - 1, 0
    elif whole < 2**fraction:
        exponent_bits, part = 0, whole
    else:
        exponent_bits, part = power + bias, whole - 2**fraction
    return int(f"{negative:b}{exponent_bits:0{exponent}b}{part:0{fraction}b}", 2)
"""


def test_bits():
    swap = partial(changed, "q1")
    result = judged_well(
        EXERCISE,
        "q1",
        before=given("imports"),
        wrong={
            swap(("    bias = 2 ** (exponent - 1) - 1\n", "    bias = 2 ** (exponent - 1)\n")): "a bias that is one too large",
            swap(("(1 + part / 2**fraction)", "(part / 2**fraction)")): "without the leading 1",
            swap(("sign * part / 2**fraction * 2.0 ** (1 - bias)", "sign * part / 2**fraction * 2.0 ** -bias")): "not 1 - bias",
            swap(("    if power == 0:\n        return sign * part / 2**fraction * 2.0 ** (1 - bias)\n", "")): "decode(0b",
            swap(("    if power == 2**exponent - 1:\n        return sign * (math.nan if part else math.inf)\n", "")): "read as numbers",
            swap(("(math.nan if part else math.inf)", "math.inf")): "where the fraction is not 0",
            swap(("-1.0 if code >> exponent + fraction else 1.0", "1.0")): "leaving out the sign",
            swap(("round(size /", "int(size /")): "cutting off",
            swap(("round(size / 2.0 ** (power - fraction))", "math.floor(size / 2.0 ** (power - fraction) + 0.5)")): "halves away from zero",
            swap(("round(size /", "math.ceil(size /")): "rounding up",
            swap(("min(code, 2**exponent - 1 << fraction)", "min(code, (2**exponent - 1 << fraction) - 1)")): "the largest number in the place of infinity",
            swap(("min(code, 2**exponent - 1 << fraction)", "code")): "encode(",
            swap(("    return min(", "    code = code if code >= 2**fraction else 0\n    return min(")): "zero in the place of subnormal",
            swap(("int(math.copysign(1, value) < 0)", "int(value < 0)")): "encode(-0.0",
            swap(("int(math.copysign(1, value) < 0)", "0")): "leaving out the sign",
            swap(("    return min(", "    if size > decode((2**exponent - 1 << fraction) - 1, exponent, fraction):\n        code = 2**exponent << fraction\n    return min(")): "infinity for all that lies beyond",
            swap(("+ (sign << exponent + fraction)\n", "- (sign << exponent + fraction)\n")): "more bits",
        },
        right=[BY_TABLE, BY_TENSORS, swap(("min(code, 2**exponent - 1 << fraction) +", "torch.tensor(min(code, 2**exponent - 1 << fraction)) +"))],
    )  # fmt: skip
    assert "".join(str(int(report.points)) for report in result.wrong) == "23333322223333232"


ALL_CODES = """
def facts(exponent, fraction, infinite):
    bias = 2 ** (exponent - 1) - 1
    numbers = []
    for power in range(2**exponent - infinite):
        for part in range(2**fraction):
            size = (part / 2**fraction + (power > 0)) * 2.0 ** (max(power, 1) - bias)
            numbers.append(size)
    if not infinite:
        numbers.pop()
    normal = numbers[2**fraction]
    above = next(number for number in numbers if number > 1)
    return dict(largest=torch.tensor(numbers[-1]).item(), normal=normal, smallest=numbers[1], gap=above - 1)


def fate(value, exponent, fraction, infinite):
    bias = 2 ** (exponent - 1) - 1
    size, step = abs(value), 2.0 ** (1 - bias - fraction)
    while size >= 2 ** (fraction + 1) * step:
        step *= 2
    low = int(size / step) * step
    if low == size and low <= facts(exponent, fraction, infinite)["largest"]:
        return "exact"
    rest = (size - low) / step
    up = rest > 0.5 or (rest == 0.5 and low / step % 2 == 1)
    near = low + step if up else low
    if near == 0:
        return "underflow"
    return "overflow" if near > facts(exponent, fraction, infinite)["largest"] else "rounded"
"""
BY_NUMPY = """
import numpy as np


def facts(exponent, fraction, infinite):
    highest = 2**exponent - (2 if infinite else 1) - (2 ** (exponent - 1) - 1)
    steps = 2 ** (fraction + 1) - (1 if infinite else 2)
    known = np.ldexp(np.array([steps, 2.0, 2.0, 1.0]), [highest - fraction, 1 - 2 ** (exponent - 1), 1 - 2 ** (exponent - 1) - fraction, -fraction])
    return dict(zip(("largest", "normal", "smallest", "gap"), known))


def fate(value, exponent, fraction, infinite):
    known = facts(exponent, fraction, infinite)
    if value == 0:
        return "exact"
    power = max(np.frexp(abs(value))[1] - 1, 2 - 2 ** (exponent - 1))
    near = np.rint(np.ldexp(value, fraction - power)) * np.ldexp(1.0, power - fraction)
    if abs(near) > known["largest"]:
        return "overflow"
    return {True: "exact", False: "rounded"}[bool(near == value)] if near else "underflow"
"""
HALF_STEP = """
def fate(value, exponent, fraction, infinite):
    known = facts(exponent, fraction, infinite)
    size, power = abs(value), math.frexp(known["largest"])[1] - 1
    beyond = known["largest"] + 2.0 ** (power - fraction) / 2
    if size > beyond or (infinite and size == beyond):
        return "overflow"
    if 0 < size <= known["smallest"] / 2:
        return "underflow"
    step = max(known["smallest"], 2.0 ** (math.frexp(size)[1] - 1 - fraction))
    return "rounded" if size % step or size > known["largest"] else "exact"
"""


def test_fates():
    swap = partial(changed, "q2")
    result = judged_well(
        EXERCISE,
        "q2",
        before=given("imports"),
        wrong={
            swap(("if infinite else (2 - 2 * gap) * 2.0 ** (bias + 1)", "")): "the other kind of format",
            swap(("(2 - 2 * gap) * 2.0 ** (bias + 1)", "(2 - gap) * 2.0 ** (bias + 1)")): "taking the NaN for a number",
            swap(("largest = (2 - gap) * 2.0**bias", "largest = 2 * 2.0**bias")): "a fraction of 2 in full",
            swap(("bias, gap = 2 ** (exponent - 1) - 1", "bias, gap = 2 ** (exponent - 1)")): "a bias that is one too",
            swap(('"smallest": gap * 2.0 ** (1 - bias)', '"smallest": 2.0 ** (1 - bias)')): "['smallest'] to be",
            swap(('"gap": gap}', '"gap": gap / 2}')): "['gap'] to be",
            swap(("    if became >", "    if size >")): "a quarter of a step beyond",
            swap(("round(size / step)", "math.floor(size / step + 0.5)")): "half of",
            swap(('if became else "underflow"', 'if became >= known["normal"] else "underflow"')): "subnormal",
            swap(('"exact" if became == size else ', "")): "to be 'exact'",
            swap(('math.frexp(max(size, known["normal"]))[1]', "math.frexp(size or 1.0)[1]")): "too small",
            swap(("size = facts(exponent, fraction, infinite), abs(value)", "size = facts(exponent, fraction, infinite), value"), ("max(size,", "max(abs(size),")): "to be 'overflow'",
            swap(("became > known", "became >= known")): "the largest number",
            swap(('return "overflow"', 'return "inf"')): "to be 'overflow'",
        },
        right=[ALL_CODES, BY_NUMPY, swap(("def fate", "def unused")) + HALF_STEP],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (4, 5, 6, 7)] == [2, 2, 2, 2]


NUMPY_MASK = """
import numpy as np


def rounded(x, kept):
    bits = x.numpy().copy().view(np.uint32).astype(np.uint64)
    drop = np.uint64(23 - kept)
    rest, bits = bits & ((1 << drop) - np.uint64(1)), bits >> drop
    half = np.uint64(1) << (drop - np.uint64(1))
    bits += ((rest > half) | ((rest == half) & (bits % 2 == 1))).astype(np.uint64)
    made = torch.from_numpy((bits << drop).astype(np.uint32).view(np.float32))
    return torch.where(torch.isfinite(x), made, x)


def stochastic(x, kept, noise):
    bits = x.numpy().view(np.int32).astype(np.int64) & 0xFFFFFFFF
    bits = (bits + noise.numpy()) >> (23 - kept) << (23 - kept)
    made = torch.from_numpy((bits & 0xFFFFFFFF).astype(np.uint32).view(np.float32))
    made[~x.isfinite()] = x[~x.isfinite()]
    return made
"""
ARITHMETIC = """
def rounded(x, kept):
    step = torch.exp2((torch.frexp(x.double())[1] - 1 - kept).double())
    return torch.where(x.isfinite(), torch.round(x.double() / step) * step, x.double()).float()


def stochastic(x, kept, noise):
    step = torch.exp2((torch.frexp(x.double())[1] - 1 - kept).double())
    size = torch.floor(x.double().abs() / step + noise.double() / 2 ** (23 - kept)) * step
    return torch.where(x.isfinite(), torch.copysign(size, x.double()), x.double()).float()
"""
LOOP = """
import struct


def one(value, kept, more):
    bits = struct.unpack("<I", struct.pack("<f", value))[0]
    if bits >> 23 & 255 == 255:
        return value
    drop = 23 - kept
    if more is None:
        more = (1 << drop - 1) - 1 + (bits >> drop & 1)
    return struct.unpack("<f", struct.pack("<I", bits + more >> drop << drop))[0]


def rounded(x, kept):
    return torch.tensor([one(value, kept, None) for value in x.tolist()])


def stochastic(x, kept, noise):
    return torch.tensor([one(*each) for each in zip(x.tolist(), [kept] * len(x), noise.tolist())])
"""


def test_masks():
    swap = partial(changed, "q3")
    result = judged_well(
        EXERCISE,
        "q3",
        before=given("imports"),
        wrong={
            swap(("(bits + 2 ** (dropped - 1) - 1 + last) &", "bits &")): "cutting off",
            swap((" - 1 + last)", ")")): "halves away from zero",
            swap((" - 1 + last)", " - 1)")): "halves towards zero",
            swap(("(bits + 2 ** (dropped - 1) - 1 + last)", "(bits + 2**dropped - 1)")): "away from zero",
            swap(("dropped, bits = 23 - kept", "dropped, bits = 22 - kept")): "keeping one bit more",
            swap(("dropped, bits = 23 - kept", "dropped, bits = 24 - kept")): "keeping one bit less",
            swap(("return torch.where(x.isfinite(), bits.view(torch.float32), x)\n    ### END SOLUTION\n\n\n", "return bits.view(torch.float32)\n    ### END SOLUTION\n\n\n")): "rounded(x, 7)",
            swap(("    bits = (x.view(torch.int32) + noise) &", "    bits = x.view(torch.int32) &")): "cutting off",
            swap(("(x.view(torch.int32) + noise)", "(x.view(torch.int32) + 2 ** (22 - kept))")): "rounding to the nearest",
            swap(("(x.view(torch.int32) + noise)", "(x.view(torch.int32) - noise)")): "stochastic(x",
            swap(("(x.view(torch.int32) + noise)", "(x.view(torch.int32) + 2 ** (23 - kept) - noise)")): "turning the noise round",
            swap(("    bits = (bits + 2 ** (dropped - 1) - 1 + last) & -(2**dropped)", "    bits += 2 ** (dropped - 1) - 1 + last\n    bits &= -(2**dropped)")): "rounded(x",
            swap(("bits.view(torch.float32), x)", "bits.view(torch.float32).double(), x.double())")): "to be a float32 tensor",
            "def rounded(x, kept): return x.bfloat16().float()\n" + swap(("def rounded", "def unused")): "rounded(x, 10)",
        },
        right=[NUMPY_MASK, ARITHMETIC, LOOP],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 1, 2, 6, 7)] == [1, 3, 3, 3, 2]


@pytest.mark.parametrize("number", range(3))
def test_rounding_here_is_that_of_a_cast(number):
    draw = Draw(b"draw %d" % number)
    for x in (numbers._between(draw, 7), numbers._halves(draw, 7)):
        assert torch.equal(numbers._nearest(x, 7), x.bfloat16().float())


IN_FLOAT32 = """
def smallest_update(weight):
    code = int(torch.tensor(weight, dtype=torch.bfloat16).view(torch.int16))
    step = torch.tensor(code + 1, dtype=torch.int16).view(torch.bfloat16).item() - weight
    return torch.tensor(step / 2 if code % 2 else step / 2 * (1 + 2**-7))


def add(weight, rest, update):
    exact = weight.float() + (rest.float() + update.float())
    new = exact.bfloat16()
    return [new, (exact - new.float()).bfloat16()]
"""
BY_SEARCH = """
def smallest_update(weight):
    weight = torch.tensor(weight, dtype=torch.bfloat16)
    numbers = torch.arange(1, 2**15 - 128, dtype=torch.int32).to(torch.int16).view(torch.bfloat16)
    return float(numbers[(weight + numbers > weight).nonzero()[0, 0]])


def add(weight, rest, update):
    corrected = torch.add(rest, update)
    moved = torch.add(weight, corrected)
    arrived = torch.sub(moved, weight)
    return moved, torch.sub(corrected, arrived)
"""


def test_updates():
    swap = partial(changed, "q4")
    judged_well(
        EXERCISE,
        "q4",
        before=given("imports"),
        wrong={
            swap(("- weight) / 2", "- weight)")): "one whole step",
            swap(("    if weight + half > weight:", "    if True:")): "half a step",
            swap(("    if weight + half > weight:", "    if False:")): "the even number",
            swap(("torch.tensor([weight, math.inf]", "torch.tensor([1.0, math.inf]")): "smallest_update",
            swap(("    wanted = update + rest\n", "    wanted = update\n")): "the weight from the true sum",
            swap(("wanted - (new - weight)", "rest")): "the weight from the true sum",
            swap(("wanted - (new - weight)", "(new - weight) - wanted")): "the weight from the true sum",
            swap(("    wanted = update + rest\n", "    weight, rest, update = weight.float(), rest.float(), update.float()\n    wanted = update + rest\n")): "the dtypes of what add returns",
            swap(("    new = weight + wanted\n    return new, wanted - (new - weight)", "    return weight, wanted")): "the weight from the true sum",
            swap(("    wanted = update + rest\n", "    wanted = update.add_(rest)\n")): "to stay as it is",
        },
        right=[IN_FLOAT32, BY_SEARCH, swap(("update + rest", "(update.double() + rest.double()).to(torch.bfloat16)"))],
    )  # fmt: skip


MODE = """
from torch.utils._pytree import tree_leaves


class Table(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.table = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if torch.is_tensor(leaf) and leaf.dtype.is_floating_point:
                name = function._schema.name.replace("::", ".")
                self.table[name] = sorted({*self.table.get(name, []), str(leaf.dtype)[6:]})
        return made


def ran_in(work):
    mode = Table()
    with mode:
        work()
    return mode.table
"""


def test_formats():
    swap = partial(changed, "q5")
    judged_well(
        EXERCISE,
        "q5",
        before=given("imports"),
        wrong={
            swap(("result if isinstance(result, (tuple, list)) else [result]", "[result]")): "ran_in(work)",
            swap(("result if isinstance(result, (tuple, list)) else [result]", "result[:1] if isinstance(result, (tuple, list)) else [result]")): "layer_norm",
            swap((" and tensor.is_floating_point()", "")): "the names in ran_in",
            swap(("function.overloadpacket", "function")): "the names in ran_in",
            swap(('.removeprefix("torch.")', "")): "'torch.float32'",
            swap(("sorted(found)", "len(found)")): "to be a list",
            swap((".add(str(tensor.dtype).removeprefix(\"torch.\"))", " = {str(tensor.dtype).removeprefix(\"torch.\")}")): "ran_in(work)['aten",
            swap(("        work()\n", "        work()\n        work()\n")): "2 times, not once",
            swap(("        for tensor in result if isinstance(result, (tuple, list)) else [result]:", "        for tensor in args:")): "the names in ran_in",
        },
        right=[MODE, swap(("sorted(found)", "tuple(sorted(found))")), swap(("isinstance(tensor, torch.Tensor) and tensor.is_floating_point()", "getattr(tensor, 'dtype', torch.int64).is_floating_point"))],
    )  # fmt: skip


HEAD = given("q6-answer").partition("    def step")[0].replace("### BEGIN SOLUTION\n", "")
SCALER_BY_NORM = (
    HEAD
    + """
    def step(self, optimizer):
        parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        total = 0.0
        for parameter in parameters:
            parameter.grad.mul_(1 / self.scale)
            total += float(parameter.grad.abs().sum())
        self.skipped = not math.isfinite(total)
        if self.skipped:
            return
        optimizer.step()

    def update(self):
        if self.skipped:
            self.scale, self.good = self.scale * self.backoff, 0
            return
        self.good += 1
        if self.good % self.interval == 0:
            self.scale *= self.growth
"""
)
SCALER_COUNTS_DOWN = (
    HEAD
    + """
    def step(self, optimizer):
        self.skipped = False
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                parameter.grad /= self.scale
                self.skipped |= bool((parameter.grad.isinf() | parameter.grad.isnan()).any())
        return None if self.skipped else optimizer.step()

    def update(self):
        left = self.interval if self.skipped else getattr(self, "left", self.interval) - 1
        self.scale = torch.tensor(float(self.scale) * (self.backoff if self.skipped else self.growth if left == 0 else 1))
        self.left = left or self.interval
"""
)


def test_loss_scaler():
    swap = partial(changed, "q6")
    result = judged_well(
        EXERCISE,
        "q6",
        before=given("imports"),
        wrong={
            swap(("not all(grad.div_(self.scale).isfinite().all() for grad in grads)", "not all([grad.isfinite().all() for grad in grads])")): "the gradients after each step",
            swap(("grad.div_(self.scale)", "grad.div(self.scale)")): "the gradients after each step",
            swap(("        if not self.skipped:\n            optimizer.step()", "        optimizer.step()")): "the weights after each step",
            swap((".isfinite().all()", ".isnan().logical_not().all()")): "the weights after each step",
            swap((".isfinite().all()", ".isinf().logical_not().all()")): "the weights after each step",
            swap(("        if not self.skipped:\n", "        if self.skipped:\n            for grad in grads:\n                grad.zero_()\n        if True:\n")): "the weights after each step",
            swap(("for group in optimizer.param_groups for p", "for group in optimizer.param_groups[:1] for p")): "the gradients after each step",
            swap((" if p.grad is not None", "")): "NoneType",
            swap(("self.good = 0 if self.skipped else self.good + 1", "self.good = self.good + (not self.skipped)")): "the scale after each update",
            swap(("self.scale * self.growth, 0", "self.scale * self.growth, self.good - 1")): "the scale after each update",
            swap(("self.good == self.interval", "self.good > self.interval")): "the scale after each update",
            swap(("self.scale *= self.backoff", "self.scale /= self.growth")) if False else swap(("self.scale *= self.backoff", "pass")): "the scale after each update",
            swap(("            self.scale *= self.backoff\n", "            self.scale *= self.backoff / 2\n")): "the scale after each update",
        },
        right=[SCALER_BY_NORM, SCALER_COUNTS_DOWN, swap(("grad.div_(self.scale)", "grad.mul_(1.0 / self.scale)"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (3, 4, 8, 9)] == [2, 2, 3, 2]


WEIGHTED = """
def train_step(model, micro_batches, optimizer, scaler, precision, most):
    model.zero_grad()
    counts = [len(labels) for inputs, labels in micro_batches]
    for count, (inputs, labels) in zip(counts, micro_batches):
        with precision():
            loss = F.cross_entropy(model(inputs), labels) * (count / sum(counts))
        scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    norm = torch.nn.utils.get_total_norm([p.grad for p in model.parameters()])
    torch.nn.utils.clip_grads_with_norm_(model.parameters(), most, norm)
    scaler.step(optimizer)
    scaler.update()
    return norm
"""
ONE_BACKWARD = """
def train_step(model, micro_batches, optimizer, scaler, precision, most):
    optimizer.zero_grad(set_to_none=True)
    with precision():
        losses = [F.cross_entropy(model(inputs), labels, reduction="none") for inputs, labels in micro_batches]
        loss = torch.cat(losses).mean()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    norm = float(torch.nn.utils.clip_grad_norm_(list(model.parameters()), max_norm=most))
    scaler.step(optimizer)
    scaler.update()
    return norm
"""
ZEROED_LATER = """
def train_step(model, micro_batches, optimizer, scaler, precision, most):
    for parameter in model.parameters():
        parameter.grad = None
    inputs, labels = (torch.cat(each) for each in zip(*micro_batches))
    with precision():
        loss = F.cross_entropy(model(inputs), labels)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), most)
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad()
    return norm.item()
"""


def test_order():
    swap = partial(changed, "q7")
    result = judged_well(
        EXERCISE,
        "q7",
        before=given("imports"),
        wrong={
            swap(('labels, reduction="sum") / rows', "labels) / len(micro_batches)")): "of different sizes",
            swap(('labels, reduction="sum") / rows', "labels)")): "the sum of the micro-batches' means",
            swap((" / rows", "")): "the sum over all rows",
            swap(("    optimizer.zero_grad()\n", "")): "that were there before",
            swap(("    for inputs, labels in micro_batches:\n", "    for inputs, labels in micro_batches:\n        optimizer.zero_grad()\n")): "the weights after train_step",
            swap(("    scaler.unscale_(optimizer)\n", "")): "clipping the scaled gradients",
            swap(("    scaler.unscale_(optimizer)\n    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), most)\n", "    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), most)\n    scaler.unscale_(optimizer)\n")): "clipping the scaled gradients",
            swap(("    scaler.step(optimizer)", "    optimizer.step()")): "after a step with an overflow",
            swap(("    scaler.update()\n", "")): "train_step",
            swap(("        scaler.scale(loss).backward()", "            scaler.scale(loss).backward()")): "the backward pass outside precision()",
            swap(("        with precision():\n            loss", "        if True:\n            loss")): "each forward pass inside",
            swap(("            loss = F.cross_entropy(model(inputs), ", "            made = model(inputs)\n        loss = F.cross_entropy(made, ")): "the loss inside precision()",
            swap(("        scaler.scale(loss).backward()\n", "        scaler.scale(loss).backward()\n        torch.nn.utils.clip_grad_norm_(model.parameters(), most * scaler.get_scale())\n")): "train_step",
            swap(("    return norm.item()", "    return most")): "the norm that train_step returns",
        },
        right=[WEIGHTED, ONE_BACKWARD, ZEROED_LATER],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (9, 10, 11)] == [3, 3, 3]


KEPT_AS_COLUMNS = """
def quantized(x):
    scales = x.abs().max(dim=1, keepdim=True).values / 448.0
    scales[scales == 0] = 1.0
    return (x / scales).to(torch.float8_e4m3fn), scales


def product(x, w):
    (a, s), (b, t) = quantized(x), quantized(w)
    return (a.float() * s) @ (b.float() * t).T


def bound(x, w):
    s, t = quantized(x)[1], quantized(w)[1]
    e_x, e_w = (x.abs() / 16).clamp(min=s / 1024), (w.abs() / 16).clamp(min=t / 1024)
    return (x.abs() + e_x) @ (w.abs() + e_w).T - x.abs() @ w.abs().T
"""
ROW_BY_ROW = """
def quantized(x):
    codes, scales = [], []
    for row in x:
        scale = row.abs().max().item() / 448 or 1.0
        scales.append(scale)
        codes.append((row / scale).clamp(-448, 448).to(torch.float8_e4m3fn).float())
    return torch.stack(codes).to(torch.float8_e4m3fn), torch.tensor(scales)


def product(x, w):
    (a, s), (b, t) = quantized(x), quantized(w)
    return torch.einsum("ik,jk,i,j->ij", a.float(), b.float(), s, t)


def bound(x, w):
    s, t = quantized(x)[1], quantized(w)[1]
    made = torch.zeros(len(x), len(w))
    for i, a in enumerate(x.abs()):
        for j, b in enumerate(w.abs()):
            e_a, e_b = torch.clamp(a / 16, min=s[i].item() / 1024), torch.clamp(b / 16, min=t[j].item() / 1024)
            made[i, j] = (a * e_b + b * e_a + e_a * e_b).sum()
    return made
"""


def test_eight_bits():
    swap = partial(changed, "q8")
    result = judged_well(
        EXERCISE,
        "q8",
        before=given("imports"),
        wrong={
            swap(("x.abs().amax(1)", "x.abs().max().expand(len(x))")): "one scale for all rows",
            swap(("x.abs().amax(1)", "x.amax(1)")): "the scales of quantized(x)",
            swap(("largest / 448, 1.0", "448 / largest, 1.0"), ("x / scales", "x * scales")): "448 divided by the largest size",
            swap(("largest / 448, 1.0", "largest, 1.0")): "not divided by 448",
            swap(("torch.where(largest > 0, largest / 448, 1.0)", "largest / 448")): "the scales of quantized(x)",
            swap(("torch.float8_e4m3fn", "torch.float8_e5m2")): "the dtype of the codes",
            swap((" * rows[:, None] * outputs", "")): "without their scales",
            swap((" * rows[:, None] * outputs", " * rows[:, None]")): "leaving out the scales of w",
            swap((" * rows[:, None] * outputs", " * outputs")): "leaving out the scales of x",
            swap(("return a.float() @ b.float().T * rows[:, None] * outputs", "return x @ w.T")): "nothing was quantized",
            swap((" + off_x @ off_w.T", "")): "both are off at once",
            swap(("x.abs() @ off_w.T + ", "")): "the errors of w",
            swap(("torch.maximum(m.abs() / 16, quantized(m)[1][:, None] / 1024)", "m.abs() / 16")): "normal numbers only",
            swap(("return x.abs() @ off_w.T + off_x @ w.abs().T + off_x @ off_w.T", "return (product(x, w) - x @ w.T).abs()")): "the error that was made",
        },
        right=[KEPT_AS_COLUMNS, ROW_BY_ROW, swap(("largest / 448, 1.0", "largest * (1 / 448), 1.0"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (4, 6, 10, 12)] == [3, 2, 3, 3]


# the sizes in a plain list, the codes without clamp where nothing has to be clamped
KEPT_IN_A_LIST = """
class DelayedScaling:
    def __init__(self, length, margin):
        self.length, self.factor = length, 2.0**margin / 448
        self.sizes, self.misfits = [], torch.tensor(0)

    def cast(self, x):
        known = self.sizes[-self.length :]
        scale = torch.tensor(max(known) * self.factor if known and max(known) > 0 else 1.0, dtype=torch.float64)
        beyond = (x.double() / scale).abs() > 448
        self.misfits = self.misfits + beyond.any()
        codes = torch.where(beyond, 448.0 * x.sign(), x / scale.float()).to(torch.float8_e4m3fn)
        size = max(x.max().item(), -x.min().item())
        if size == size and size != float("inf"):
            self.sizes.append(size)
        return codes, scale
"""


def test_delayed_scaling():
    swap = partial(changed, "q9")
    noted = "        if math.isfinite(largest):\n            self.past.append(largest)"
    early = ("        scale = max", "        self.past.append(x.abs().max().item())\n        scale = max")
    result = judged_well(
        EXERCISE,
        "q9",
        before=given("imports"),
        wrong={
            swap(early, (noted, "        pass")): "which is known too late",
            swap(("max(self.past, default=0.0)", "(self.past[-1] if self.past else 0.0)")): "the last size alone",
            swap(("deque(maxlen=length)", "deque()")): "none forgotten",
            swap(("* 2**self.margin", "/ 2**self.margin")): "a margin on the wrong side",
            swap((" * 2**self.margin", "")): "leaving out the margin",
            swap(("self.past.append(largest)", "self.past.append(min(largest, 448 * scale))")): "left after the clamp",
            swap(("if math.isfinite(largest):", "if True:")): "noting what is infinite or NaN",
            swap(("if math.isfinite(largest):", "if math.isfinite(largest) and largest:")): "leaving out tensors of zeros",
            swap((" or 1.0", "")): "",
            swap((".clamp(-448, 448)", ".clamp(-240, 240)")): "the codes of tensor",
            swap(("torch.float8_e4m3fn", "torch.float8_e5m2")): "the dtype of the codes",
            swap(("bool((scaled.abs() > 448).any())", "int((scaled.abs() > 448).sum())")): "misfits after tensor",
            swap(("> 448", ">= 448 * 2**-self.margin")): "misfits after tensor",
            swap(("scaled = x / scale", "scaled = x.div_(scale)")): "changed the tensor x",
        },
        right=[KEPT_IN_A_LIST, swap(("(scaled.abs() > 448).any()", "largest_of(x) > 448 * scale"), ("class DelayedScaling", "largest_of = lambda x: x.abs().max().item()\n\n\nclass DelayedScaling"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (0, 5, 7, 11)] == [0, 2, 2, 2]


BY_STATE = """
import copy


def alone(model, inputs):
    model_copy = copy.deepcopy(model).eval()
    state = {name: weight.clone() for name, weight in model_copy.state_dict().items()}
    with torch.inference_mode():
        true, errors = model_copy(inputs).double(), {}
    for name, module in model.named_modules():
        own = [".".join(filter(None, (name, each))) for each, _ in module.named_parameters(recurse=False)]
        if not own:
            continue
        model_copy.load_state_dict(state | {each: state[each].to(torch.bfloat16) for each in own})
        with torch.no_grad():
            errors[name] = torch.linalg.vector_norm(model_copy(inputs).double() - true) / torch.linalg.vector_norm(true)
    return errors


def chosen(errors, counts, bound):
    left, names = bound * bound, []
    rest = dict(errors)
    while rest:
        name = min(rest, key=lambda each: rest[each] ** 2 / (2 * counts[each]))
        square = rest.pop(name) ** 2
        if square <= left:
            left -= square
            names.append(name)
    return frozenset(names)
"""


IN_PLACE = """
def alone(model, inputs):
    found, modes = {}, {module: module.training for module in model.modules()}
    model.eval()
    with torch.no_grad():
        true = model(inputs)
        for name, module in model.named_modules():
            kept = [(weight, weight.clone()) for weight in module.parameters(recurse=False)]
            for weight, _ in kept:
                weight.copy_(weight.bfloat16().float())
            if kept:
                found[name] = ((model(inputs) - true).norm() / true.norm()).item()
            for weight, before in kept:
                weight.copy_(before)
    for module, mode in modes.items():
        module.training = mode
    return found
"""


def test_module_by_module():
    swap = partial(changed, "q10")
    chosen = "\n\n" + BY_STATE[BY_STATE.index("def chosen") :]

    def in_place(*pairs):
        source = IN_PLACE
        for one, other in pairs:
            assert one in source
            source = source.replace(one, other)
        return source + chosen

    back = "            for weight, before in kept:\n                weight.copy_(before)\n"
    modes = "    for module, mode in modes.items():\n        module.training = mode\n"
    result = judged_well(
        EXERCISE,
        "q10",
        before=given("imports"),
        wrong={
            in_place((back, "")): "not put back",
            swap(("recurse=False", "recurse=True")): "recurse=False leaves them out",
            in_place(("module.parameters(recurse=False)]", "module.parameters(recurse=False) if weight.ndim > 1]")): "to have the keys",
            in_place(("weight.bfloat16().float()", "weight.bfloat16().float() if weight.ndim > 1 else weight")): "biases and other vectors",
            in_place(("(model(inputs) - true).norm() / true.norm()", "(model(inputs) - true).abs().max() / true.abs().max()")): "the largest difference",
            in_place((" / true.norm()", "")): "not divided by that of the output",
            in_place(("weight.bfloat16()", "weight.half()")): "the error of module",
            in_place(("    model.eval()\n", "")): "the error of module",
            in_place((modes, "")): "training of each module",
            in_place((modes, "    model.train()\n")): "training of each module",
            in_place(("    model.eval()\n", "    model.eval().requires_grad_(False)\n")): "requires_grad",
            in_place(("    model.eval()\n", "    model.eval().zero_grad()\n")): "NoneType",
            swap(("total + errors[name] ** 2 <= bound**2", "total + errors[name] <= bound"), (", total + errors[name] ** 2\n", ", total + errors[name]\n")): "not their squares",
            swap(("errors[name] ** 2 / counts[name])", "errors[name])")): "the least error first",
            swap(("errors[name] ** 2 / counts[name])", "-counts[name])")): "the largest module first",
            swap(("errors[name] ** 2 / counts[name])", "errors[name] / counts[name])")): "not error², for each byte",
            swap((", total + errors[name] ** 2\n", ", total + errors[name] ** 2\n        else:\n            break\n")): "stopping at the first",
        },
        right=[BY_STATE, in_place(), swap(("= set(), 0.0", "= [], 0.0"), ("names | {name}", "[*names, name]"))],
    )  # fmt: skip
    assert [result.wrong[number].points for number in (8, 12)] == [2, 2]


PREDICTIONS = "def predictions(): return {name: name in ('loop', 'largest', 'scaled') for name in NAMES}"


def test_predict():
    judged_well(
        EXERCISE,
        "q11",
        before=f"NAMES = {list(numbers.FOUND)}",
        wrong={
            "def predictions(): return {'loop': True}": "to have the key",
            "def predictions(): return dict.fromkeys(NAMES, True)": "right predictions",
            "def predictions(): return dict.fromkeys(NAMES, False)": "right predictions",
            "def predictions(): return [True] * 6": "to be a dict",
            "def predictions(): return dict.fromkeys(NAMES, 1)": "True or False",
            PREDICTIONS.replace("'loop', ", ""): "all six",
        },
        right=[
            PREDICTIONS,
            "import numpy as np\ndef predictions(): return {name: np.bool_(name in ('loop', 'largest', 'scaled')) for name in NAMES}",
            "predictions = lambda: dict(zip(NAMES, (True, False, True, False, True, False)))",
        ],
    )  # fmt: skip


def test_what_is_predicted_is_measured():
    held: dict = {"predictions": dict}
    exec(given("imports", "q11-measure"), held)
    assert held["measured"] == numbers.FOUND
