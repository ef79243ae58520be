"""The questions of chapter 21: numbers.

Formats, tensors, overflows and errors are drawn, and what comes of them is worked out here as well, where it
can be in another way than the learner's: by arithmetic in float64 for what a mask does to bits, by PyTorch's
own scaler for one that is written by hand. A likely mistake is worked out too, so that a message can name it.
Nothing here looks at a clock or asks for a device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from course_utils.checks import expect
from course_utils.checks.draw import Draw
from course_utils.checks.framework import Exercise, part
from course_utils.checks.mistakes import TRIES, guess
from course_utils.checks.predictions import six_predictions
from course_utils.checks.report import Failed, Rung
from course_utils.wire.answer import Answer

if TYPE_CHECKING:
    import torch

    # what the learner writes: the functions below that are sent along call it by its name
    decode: Any = None
    encode: Any = None
    fate: Any = None
    rounded: Any = None
    stochastic: Any = None
    add: Any = None
    ran_in: Any = None
    LossScaler: Any = None
    train_step: Any = None
    quantized: Any = None
    DelayedScaling: Any = None
    alone: Any = None

LESSONS = "lessons/21_numbers/"
BITS = LESSONS + "01_numbers_in_bits.ipynb"
AUTOCAST = LESSONS + "02_autocast.ipynb"
SCALER = LESSONS + "03_a_loss_scaler.ipynb"
EIGHT = LESSONS + "04_eight_bits.ipynb"
CHOICE = LESSONS + "05_choose_a_precision.ipynb"

exercise = Exercise(
    "21_numbers",
    title="Numbers",
    minutes=140,
    difficulty="hard",
    cost="some seconds on two cores",
)

Format = tuple[int, int, bool]  # bits of exponent and of fraction; whether there is an infinity


def _values(
    got: Any,
    answers: Mapping[str, Any],
    what: str,
    labels: Sequence[str] = (),
    near: float = 0.0,
    unit: torch.Tensor | None = None,
) -> None:
    """Numbers are the right ones ("" among `answers`); else the message names the mistake that gives them.

    `labels` calls each number by its name; `near` is how far off they may be, as a share of the
    largest, or of each one's `unit`.
    """
    import torch

    right = torch.as_tensor(answers[""], dtype=torch.float64)
    found = expect.tensor(got, what, tuple(right.shape)).double()
    wrong = (~_alike(found, right, near, unit)).nonzero().tolist()
    if wrong:
        place = tuple(wrong[0])
        inside = f"item {place[0] if len(place) == 1 else place} of {what}" if place else what
        label = labels[place[0]] if labels else inside
        came = f"{found[place].item():.8g}{_guess(found, answers, near, unit)}"
        raise Failed(Rung.WRONG_VALUE, f"{label} to be {right[place].item():.8g}", came)


def _alike(
    one: torch.Tensor, other: torch.Tensor, near: float = 0.0, unit: torch.Tensor | None = None
) -> torch.Tensor:
    """Where two tensors hold the same, NaN included; a zero has its sign where nothing may be off."""
    import torch

    finite = other[other.isfinite()].abs()
    largest = finite.max() if len(finite) else torch.tensor(0.0)
    most = near * (largest if unit is None else unit).double()
    same = (one == other) | ((one - other).abs() <= most) | (one.isnan() & other.isnan())
    return same if near else same & ((torch.signbit(one) == torch.signbit(other)) | other.isnan())


def _guess(found: torch.Tensor, answers: Mapping[str, Any], near: float, unit: torch.Tensor | None) -> str:
    """The mistake that gives just these numbers, as the end of a message."""
    import torch

    for words, made in answers.items():
        other = torch.as_tensor(made, dtype=torch.float64)
        if words and other.shape == found.shape and bool(_alike(found, other, near, unit).all()):
            return f": that comes of {words}"
    return ""


def _words(got: Any, right: Sequence[str], labels: Sequence[str], what: str) -> None:
    """Each word is the right one."""
    expect.each_of(got, str, what)
    expect.length(got, len(right), what)
    for word, other, label in zip(got, right, labels, strict=True):
        expect.equal(word, other, label)


# q1: bits


@exercise.question(
    "q1",
    title="From bits to a number, and back",
    points=4,
    difficulty=2,
    needs=("decode", "encode"),
    lesson=BITS + "#Three fields",
    hints=(
        "What does the exponent's field say about the size of one step of the fraction? For subnormal "
        "numbers and for the smallest normal ones that step is the same.",
        "`code >> fraction & 2**exponent - 1` is E. For the other way: find the power of two below the "
        "value with `math.frexp`, not below that of the smallest normal number. Divide the value by the "
        "step there, `2.0 ** (power - fraction)`, and let `round` decide: Python rounds halves to even. A "
        "carry into the exponent needs no special case. `math.copysign(1, value)` tells the zeros apart.",
        "Lengths in a table with three digits after the leading one, as in 4.567e3:\n"
        "power = math.floor(math.log10(length))\n"
        "steps = round(length / 10.0 ** (power - 3))   # 4567, or 10000 after a carry\n"
        "A size of 9.9996e3 gives 10000 steps of 1, which is 1.000e4.",
    ),
)
def bits(answer: Answer, draw: Draw) -> None:
    forms = [(5, 10), *((draw.random.randrange(3, 8), draw.random.randrange(2, 10)) for _ in range(2))]
    with part("decode: normal numbers", points=1):
        for form in forms:
            _decodes(answer, form, _normal_codes(draw, *form))
    with part("decode: zero, subnormal numbers, infinity and NaN", points=1):
        for form in forms:
            _decodes(answer, form, _special_codes(draw, *form))
    with part("encode: normal numbers", points=1):
        for form in forms:
            _encodes(answer, form, _normal_values(draw, *form))
    with part("encode: zero, subnormal numbers and overflow", points=1):
        for form in forms:
            _encodes(answer, form, _special_values(draw, *form))


def _decodes(answer: Answer, form: tuple[int, int], codes: list[int]) -> None:
    made = answer.given(decoded).call("decoded", codes, *form)
    labels = [f"decode({_binary(code, *form)}, {form[0]}, {form[1]})" for code in codes]
    answers = {words: [_decoded(code, *form, words) for code in codes] for words in ("", *DECODED)}
    _values(made, answers, "the numbers of decode", labels)


def _encodes(answer: Answer, form: tuple[int, int], values: list[float]) -> None:
    made = answer.given(encoded).call("encoded", values, *form)
    expect.length(made, len(values), "the codes of encode")
    answers = {words: [_encoded(value, *form, words) for value in values] for words in ("", *ENCODED)}
    guess = next((words for words, codes in answers.items() if words and codes == list(made)), "")
    for code, right, value in zip(made, answers[""], values, strict=True):
        what = f"encode({value!r}, {form[0]}, {form[1]})"
        expect.type_of(code, int, what)
        if code != right:
            fits = 0 <= code < 2 ** (1 + sum(form))
            shown = _binary(code, *form) if fits else f"{code}, which has more bits"
            raise Failed(
                Rung.WRONG_VALUE,
                f"{what} to be {_binary(right, *form)}",
                shown + (f": that comes of {guess}" if guess else ""),
            )


def decoded(codes: list, exponent: int, fraction: int) -> object:
    """The learner's numbers of some codes; infinity and NaN travel in a tensor."""
    import torch

    return torch.tensor([float(decode(code, exponent, fraction)) for code in codes], dtype=torch.float64)


def encoded(values: list, exponent: int, fraction: int) -> list:
    """The learner's codes of some values."""
    return [encode(value, exponent, fraction) for value in values]


def _binary(code: int, exponent: int, fraction: int) -> str:
    digits = f"{code:0{1 + exponent + fraction}b}"
    return f"0b{digits[0]}_{digits[1 : exponent + 1]}_{digits[exponent + 1 :]}"


DECODED = (
    "an exponent of -bias for subnormal numbers, not 1 - bias",
    "a fraction without the leading 1",
    "subnormal numbers with a leading 1",
    "a bias that is one too large",
    "infinity and NaN read as numbers",
    "infinity where the fraction is not 0",
    "leaving out the sign",
)


def _decoded(code: int, exponent: int, fraction: int, mistake: str = "") -> float:
    wrong = DECODED.index(mistake) if mistake else -1
    power, steps = code >> fraction & 2**exponent - 1, code & 2**fraction - 1
    sign = -1.0 if code >> exponent + fraction and wrong != 6 else 1.0
    bias = 2 ** (exponent - 1) - (0 if wrong == 3 else 1)
    leading = 0 if wrong == 1 else 1
    if power == 2**exponent - 1 and wrong != 4:
        return sign * (math.nan if steps and wrong != 5 else math.inf)
    if power == 0:
        leading, power = (1 if wrong == 2 else 0), (0 if wrong == 0 else 1)
    return sign * (leading + steps / 2**fraction) * 2.0 ** (power - bias)


ENCODED = (
    "cutting off what does not fit",
    "rounding halves away from zero",
    "rounding up",
    "the largest number in the place of infinity",
    "infinity for all that lies beyond the largest number",
    "zero in the place of subnormal numbers",
    "leaving out the sign",
    "leaving out the sign of zero",
)


def _encoded(value: float, exponent: int, fraction: int, mistake: str = "") -> int:
    wrong = ENCODED.index(mistake) if mistake else -1
    lowest, size = 2 - 2 ** (exponent - 1), abs(value)
    power = max(math.frexp(size)[1] - 1, lowest) if size else lowest
    exact = size / 2.0 ** (power - fraction)
    rules: dict[int, Callable] = {0: math.floor, 1: lambda exact: math.floor(exact + 0.5), 2: math.ceil}
    code = ((power - lowest) << fraction) + rules.get(wrong, round)(exact)
    infinity = (2**exponent - 1) << fraction
    if wrong == 5 and code < 2**fraction:
        code = 0
    beyond = code >= infinity or (wrong == 4 and size > _decoded(infinity - 1, exponent, fraction))
    code = (infinity - (wrong == 3)) if beyond else code
    unsigned = wrong == 6 or (wrong == 7 and code == 0)
    negative = math.copysign(1, value) < 0 and not unsigned
    return code + (negative << (exponent + fraction))


def _normal_codes(draw: Draw, exponent: int, fraction: int) -> list[int]:
    powers = [1, 2**exponent - 2, *(draw.random.randrange(1, 2**exponent - 1) for _ in range(6))]
    parts = [0, 2**fraction - 1, 1, *(draw.random.randrange(2**fraction) for _ in range(5))]
    codes = [(power << fraction) + steps for power, steps in zip(powers, parts, strict=True)]
    signs = draw.sample([0, 1] * 4, 8)
    return [code + (sign << exponent + fraction) for code, sign in zip(codes, signs, strict=True)]


def _special_codes(draw: Draw, exponent: int, fraction: int) -> list[int]:
    top = (2**exponent - 1) << fraction
    codes = [0, 1, 2**fraction - 1, draw.random.randrange(1, 2**fraction), top]
    codes += [top + 1, top + 2 ** (fraction - 1)]
    return draw.sample([code + (sign << exponent + fraction) for code in codes for sign in (0, 1)], 14)


def _normal_values(draw: Draw, exponent: int, fraction: int) -> list[float]:
    """Values that are held, lie between two numbers, lie in the middle, and carry into the next power."""
    random, most = draw.random, 2 ** (exponent - 1) - 1
    values: list[float] = []
    for offset in (0.0, 0.3, 0.7, 0.5, 0.5, 0.5, 0.5):
        even = 2 * random.randrange(2 ** (fraction - 1)) + len(values) % 2  # 0.5 after even and odd ones
        step = 2.0 ** (random.randrange(1 - most, most) - fraction)
        values.append((2**fraction + even + offset) * step * random.choice((1, -1)))
    carry = (2 ** (fraction + 1) - 0.25) * 2.0 ** (random.randrange(1 - most, most) - fraction)
    return draw.sample([*values, carry, -carry], 9)


def _special_values(draw: Draw, exponent: int, fraction: int) -> list[float]:
    most = 2 ** (exponent - 1) - 1
    smallest, step = 2.0 ** (1 - most - fraction), 2.0 ** (most - fraction)
    largest = (2 ** (fraction + 1) - 1) * step
    some = draw.random.randrange(1, 2**fraction - 1) + 0.25
    few = [0.0, 0.3, 0.5, 0.75, 1.0, 1.5, some, 2**fraction - 1, 2**fraction - 0.25]
    values = [each * smallest for each in few]
    values += [largest, largest + step / 4, largest + step / 2, largest * 4]
    return draw.sample([value * sign for value in values for sign in (1, -1)], 2 * len(values))


# q2: what becomes of a value


@exercise.question(
    "q2",
    title="What becomes of a value?",
    points=3,
    difficulty=2,
    needs=("facts", "fate"),
    lesson=BITS + "#Too large, too small: predicted, then seen",
    hints=(
        "What is the largest exponent, and what is the largest fraction that goes with it? And how far apart "
        "are two numbers around the value: is it one of them?",
        "Round as in question 1: the power of two below the size, but not below that of the smallest normal "
        "number; the step there; `round(size / step) * step`. Compare what comes with the largest number, "
        "with the size, and with 0, in this order.",
        "A scale that shows 0 to 5 kg in steps of 0.2 kg:\n"
        "shown = round(weight / 0.2) * 0.2\n"
        'if shown > 5: "too heavy"\n'
        'elif shown == 0 and weight > 0: "nothing to see"',
    ),
)
def fates(answer: Answer, draw: Draw) -> None:
    forms: list[Format] = [(5, 10, True), (4, 3, False)]
    forms += [
        (draw.random.randrange(3, 8), draw.random.randrange(2, 11), infinite) for infinite in (True, False)
    ]
    with part("the facts", points=1):
        for form in forms:
            _known(answer.call("facts", *form), form)
    with part("clear cases", points=1):
        for form in forms:
            _fated(answer, form, _clear_cases(draw, form))
    with part("at the ends of the range", points=1):
        for form in forms:
            _fated(answer, form, _cases_at_the_ends(form))


def _facts(form: Format) -> dict[str, float]:
    """From the codes, by question 1: the largest code is that below infinity, or below the one NaN."""
    exponent, fraction, infinite = form
    top = ((2**exponent - 1) << fraction) - 1 if infinite else 2 ** (exponent + fraction) - 2
    power, steps = top >> fraction, top & 2**fraction - 1
    bias = 2 ** (exponent - 1) - 1
    return {
        "largest": (1 + steps / 2**fraction) * 2.0 ** (power - bias),
        "normal": 2.0 ** (1 - bias),
        "smallest": 2.0 ** (1 - bias - fraction),
        "gap": 2.0**-fraction,
    }


def _known(got: Any, form: Format) -> None:
    right, what = _facts(form), f"facts({form[0]}, {form[1]}, {form[2]})"
    other = _facts((form[0], form[1], not form[2]))
    guesses = {
        other["largest"]: "reading the highest exponent as in the other kind of format",
        2 * right["largest"]: "a bias that is one too small",
        right["largest"] / 2: "a bias that is one too large",
        2.0 ** math.floor(math.log2(right["largest"]) + 1): "a fraction of 2 in full",
    }
    if not form[2]:
        guesses[(2 - right["gap"]) / (2 - 2 * right["gap"]) * right["largest"]] = (
            "taking the NaN for a number"
        )
    expect.keys(got, right, what)
    for name, value in right.items():
        expect.number(got[name], f"{what}[{name!r}]")
        if got[name] != value:
            guess = guesses.get(float(got[name]), "") if name == "largest" else ""
            came = f"{got[name]:.8g}" + (f": that comes of {guess}" if guess else "")
            raise Failed(Rung.WRONG_VALUE, f"{what}[{name!r}] to be {value:.8g}", came)


Case = tuple[str, float, str]  # what it is, the value, its fate


def _fated(answer: Answer, form: Format, cases: list[Case]) -> None:
    values = [value for _, value, _ in cases]
    shown = ", ".join(map(str, form))
    labels = [f"fate({value!r}, {shown}), {name}," for name, value, _ in cases]
    found = answer.given(fated).call("fated", values, list(form))
    _words(found, [word for _, _, word in cases], labels, "what fate returns")


def fated(values: list, form: list) -> list:
    """The learner's words."""
    return [fate(value, *form) for value in values]


def _clear_cases(draw: Draw, form: Format) -> list[Case]:
    exponent, fraction, _ = form
    known, most = _facts(form), 2 ** (exponent - 1) - 1
    step = 2.0 ** (draw.random.randrange(1 - most, most) - fraction)
    steps = 2**fraction + draw.random.randrange(2**fraction)
    few = draw.random.randrange(1, 2**fraction)
    cases = [
        ("zero", 0.0, "exact"),
        ("a number of the format", steps * step, "exact"),
        ("between two numbers", (steps + 0.25) * step, "rounded"),
        ("in the middle between two numbers", (steps + 0.5) * step, "rounded"),
        ("a subnormal number", few * known["smallest"], "exact"),
        ("between two subnormal numbers", (few + 0.3) * known["smallest"], "rounded"),
        ("a size that is far too large", known["largest"] * draw.random.uniform(3, 9), "overflow"),
        ("a size that is far too small", known["smallest"] / draw.random.uniform(5, 9), "underflow"),
    ]
    signs = draw.sample([1, -1] * 4, 8)
    return [(name, value * sign, word) for (name, value, word), sign in zip(cases, signs, strict=True)]


def _cases_at_the_ends(form: Format) -> list[Case]:
    known = _facts(form)
    power = math.frexp(known["largest"])[1] - 1
    step = 2.0 ** (power - form[1])
    middle = "overflow" if form[2] else "rounded"
    cases = [
        ("the largest number", known["largest"], "exact"),
        ("a quarter of a step beyond the largest number", known["largest"] + step / 4, "rounded"),
        ("half a step beyond the largest number", known["largest"] + step / 2, middle),
        ("three quarters of a step beyond the largest number", known["largest"] + 0.75 * step, "overflow"),
        ("the smallest number", known["smallest"], "exact"),
        ("half of the smallest number", known["smallest"] / 2, "underflow"),
        ("a little more than half of the smallest number", known["smallest"] * 0.53, "rounded"),
        ("a little less than the smallest normal number", known["normal"] - known["smallest"], "exact"),
    ]
    return cases + [(name, -value, word) for name, value, word in cases]


# q3: a mask


@exercise.question(
    "q3",
    title="Round with a mask",
    points=4,
    difficulty=2,
    needs=("rounded", "stochastic"),
    lesson=BITS + "#Rounding to the nearest",
    hints=(
        "Which number, added to the bits, makes a carry into the last kept bit just where the dropped bits "
        "are more than a half? What has to change for exactly a half?",
        "With `dropped = 23 - kept`, add `2**(dropped - 1) - 1` plus the last kept bit, `bits >> dropped & "
        "1`. Then set the dropped bits to 0 with `& -(2**dropped)`. The sign's bit is of no concern: the "
        "rest is a size. `torch.where(x.isfinite(), …, x)` leaves infinity and NaN alone.",
        "Prices in cents, rounded to tens, halves to even tens:\n"
        "odd = cents // 10 % 2\n"
        "rounded = (cents + 4 + odd) // 10 * 10    # 125 -> 120, 135 -> 140, 126 -> 130",
    ),
)
def masks(answer: Answer, draw: Draw) -> None:
    depths = [7, 10, draw.random.choice((3, 4, 5, 12, 14, 16))]
    with part("to the nearest", points=1):
        for kept in depths:
            _rounds(answer, _between(draw, kept), kept)
    with part("halves", points=1):
        for kept in depths:
            _rounds(answer, _halves(draw, kept), kept)
    with part("by chance", points=1):
        for kept in depths:
            x = _between(draw, kept)
            noise = _noise(draw, kept, len(x))
            made = answer.given(masked_by_chance).call("masked_by_chance", x, kept, noise)
            what = f"stochastic(x, {kept}, noise)"
            _is_float32(made["made"], what)
            answers = {words: _by_chance(x, kept, noise, words) for words in ("", *BY_CHANCE)}
            _values(made["made"], answers, what, _shown(what, x))
    with part("infinity, NaN, and x itself", points=1):
        for kept in depths:
            _ends(answer, draw, kept)


def masked(x: Any, kept: int) -> dict:
    """What the learner's rounding gives, and what it leaves of x."""
    made = rounded(x, kept)
    return {"made": made, "x": x}


def masked_by_chance(x: Any, kept: int, noise: Any) -> dict:
    """The same, by chance."""
    made = stochastic(x, kept, noise)
    return {"made": made, "x": x}


def _is_float32(made: Any, what: str) -> None:
    kind = str(getattr(made, "dtype", type(made).__name__)).removeprefix("torch.")
    expect.true(kind == "float32", f"{what} to be a float32 tensor", kind)


def _shown(what: str, x: torch.Tensor) -> list[str]:
    return [f"{what} for {value!r}" for value in x.tolist()]


def _rounds(answer: Answer, x: torch.Tensor, kept: int) -> None:
    what = f"rounded(x, {kept})"
    made = answer.given(masked).call("masked", x, kept)["made"]
    _is_float32(made, what)
    _values(made, {words: _nearest(x, kept, words) for words in ("", *NEAREST)}, what, _shown(what, x))


NEAREST = (
    "rounding halves away from zero",
    "rounding halves towards zero",
    "cutting off what does not fit",
    "always rounding away from zero",
    "keeping one bit more",
    "keeping one bit less",
)


def _nearest(x: torch.Tensor, kept: int, mistake: str = "") -> torch.Tensor:
    """By arithmetic in float64."""
    import torch

    wrong = NEAREST.index(mistake) if mistake else -1
    kept += {4: 1, 5: -1}.get(wrong, 0)
    _, powers = torch.frexp(x.double())
    step = torch.pow(2.0, (powers - 1 - kept).double())
    steps = x.double().abs() / step
    rules: dict[int, Callable] = {
        0: lambda exact: torch.floor(exact + 0.5),
        1: lambda exact: torch.ceil(exact - 0.5),
        2: torch.floor,
        3: torch.ceil,
    }
    return (rules.get(wrong, torch.round)(steps) * step * x.double().sign()).float()


BY_CHANCE = ("cutting off what does not fit", "rounding to the nearest", "turning the noise round")


def _by_chance(x: torch.Tensor, kept: int, noise: torch.Tensor, mistake: str = "") -> torch.Tensor:
    import torch

    if mistake == BY_CHANCE[1]:
        return _nearest(x, kept)
    _, powers = torch.frexp(x.double())
    step = torch.pow(2.0, (powers - 1 - kept).double())
    steps = x.double().abs() / step
    more = noise.double() / 2 ** (23 - kept)
    more = more * 0 if mistake == BY_CHANCE[0] else 1 - more if mistake else more
    return (torch.floor(steps + more) * step * x.double().sign()).float()


def _between(draw: Draw, kept: int) -> torch.Tensor:
    """Numbers whose dropped bits are neither 0 nor a half; some carry into the exponent."""
    import torch

    noise = torch.Generator().manual_seed(draw.seed + kept)
    x = torch.randn(60, generator=noise) * torch.pow(2.0, torch.randint(-30, 30, (60,), generator=noise))
    carry = torch.tensor([1.9999998, -3.9999995, 0.99999994])
    x = torch.cat([x, carry])
    rest = x.view(torch.int32) & 2 ** (23 - kept) - 1
    return x[(rest != 0) & (rest != 2 ** (22 - kept))]


def _halves(draw: Draw, kept: int) -> torch.Tensor:
    """Numbers whose dropped bits are a half, after a 0 and after a 1."""
    import torch

    noise = torch.Generator().manual_seed(draw.seed - kept)
    kept_bits = torch.randint(2**kept, (20,), generator=noise) | torch.arange(20) % 2
    kept_bits = torch.where(torch.arange(20) % 2 == 0, kept_bits & ~1, kept_bits)
    steps = 2**kept + kept_bits.double() + 0.5
    powers = torch.randint(-20, 20, (20,), generator=noise).double()
    signs = 1 - 2 * torch.randint(2, (20,), generator=noise).double()
    return (steps * torch.pow(2.0, powers - kept) * signs).float()


def _noise(draw: Draw, kept: int, count: int) -> torch.Tensor:
    import torch

    noise = torch.Generator().manual_seed(draw.seed + 100 + kept)
    return torch.randint(2 ** (23 - kept), (count,), dtype=torch.int32, generator=noise)


def _ends(answer: Answer, draw: Draw, kept: int) -> None:
    import torch

    largest = torch.finfo(torch.float32).max
    x = torch.tensor([1.5, math.inf, -math.inf, math.nan, 0.0, largest, -largest, 1.2345678])
    # the NaN with all bits set: whatever is added to it runs over
    x = torch.cat([x, torch.tensor([-1, 2**31 - 1], dtype=torch.int32).view(torch.float32)])
    noise = torch.full((len(x),), 2 ** (23 - kept) - 1, dtype=torch.int32)
    right = torch.tensor([1.5, math.inf, -math.inf, math.nan, 0.0, math.inf, -math.inf])
    found = {
        f"rounded(x, {kept})": answer.given(masked).call("masked", x, kept),
        f"stochastic(x, {kept}, noise)": answer.given(masked_by_chance).call(
            "masked_by_chance", x, kept, noise
        ),
    }
    for what, made in found.items():
        _values(expect.tensor(made["made"], what, (len(x),))[:7], {"": right}, what, _shown(what, x))
        last = expect.tensor(made["made"], what)[8:]
        expect.true(bool(last.isnan().all()), f"{what} to leave each NaN one", expect.show(last.tolist()))
        same = (made["x"].view(torch.int32) == x.view(torch.int32)).all()
        expect.true(bool(same), f"x after {what} as it was", "other numbers: a view shares its memory")


# q4: a weight that keeps moving


@exercise.question(
    "q4",
    title="A weight that keeps moving",
    points=3,
    difficulty=2,
    needs=("smallest_update", "add"),
    lesson=AUTOCAST + "#Updates that are lost",
    hints=(
        "How far is it from the weight to the next number of the format, and which way does a half go? "
        "And which part of an update can you still compute after the weight has been rounded?",
        "`torch.nextafter(weight, infinity)` is the next number. Try half of the distance; if the sum is "
        "still the weight, the number after that half is it. In `add`, `new - weight` is what arrived.",
        "Paying in notes of 10, the rest is written down:\n"
        "wanted = bill + owed\n"
        "paid = round(wanted / 10) * 10\n"
        "owed = wanted - paid",
    ),
)
def updates(answer: Answer, draw: Draw) -> None:
    import torch

    with part("the smallest update", points=1):
        for last in (0, 1, 0, 1):
            steps = 128 + 2 * draw.random.randrange(64) + last
            weight = steps / 128 * 2.0 ** draw.random.randrange(-9, 9)
            _smallest(answer.call("smallest_update", weight), weight, last)
    noise = torch.Generator().manual_seed(draw.seed)
    weight = ((1 + torch.rand(8, generator=noise)) * torch.tensor([1.0, -1.0] * 4)).bfloat16()
    rows = (torch.rand(300, 8, generator=noise) + 0.2) * 2.0**-10 * torch.tensor([1.0, -1.0, -1.0, 1.0] * 2)
    rows = rows.bfloat16()
    with part("the weight follows the sum", points=1):
        found = answer.given(updated).call("updated", weight, rows)
        right = weight.double() + rows.double().sum(0)
        made = expect.tensor(found["weight"], "the weight after 300 calls of add", (8,))
        off = ((made - right).abs() / right.abs().clamp(min=0.5)).max().item()
        said = "the distance of the weight from the true sum after 300 calls of add, as a share of it"
        expect.at_most(off, 2**-7, said)
    with part("both in bfloat16, and the rest is what the weight lacks", points=1):
        found = answer.given(added).call("added", weight, rows[0] / 4, rows[1])
        kinds = [str(getattr(found[name], "dtype", "")).removeprefix("torch.") for name in ("weight", "rest")]
        expect.equal(kinds, ["bfloat16"] * 2, "the dtypes of what add returns")
        expect.true(bool(found["kept"]), "what add is given to stay as it is", "other numbers")
        given = [weight.double(), (rows[0] / 4).double(), rows[1].double()]
        lacks = sum(given) - expect.tensor(found["weight"], "the new weight", (8,))
        _values(
            found["rest"], {"": lacks}, "the new rest of add, against what the new weight lacks", near=0.01
        )


def updated(weight: Any, rows: Any) -> dict:
    """The learner's weight and rest after many updates."""
    rest = weight * 0
    for row in rows:
        weight, rest = add(weight, rest, row.clone())
    return {"weight": weight, "rest": rest}


def added(weight: Any, rest: Any, update: Any) -> dict:
    """One call, and whether it left what it was given alone."""
    given, before = (weight, rest, update), [each.clone() for each in (weight, rest, update)]
    new, lacks = add(*given)
    kept = all(bool((one == other).all()) for one, other in zip(given, before))
    return {"weight": new, "rest": lacks, "kept": kept}


def _smallest(got: Any, weight: float, last: int) -> None:
    step = 2.0 ** (math.frexp(weight)[1] - 8)
    half = step / 2
    answers = {
        "": half if last else half * (1 + 2**-7),
        "a distance of one whole step": step,
        "a distance of half a step: is it enough for this weight?": half,
        "a half that goes to the even number, which is the next one here": half * (1 + 2**-7),
        "the step of another format, or of another weight": 2.0**-8,
        "a distance that is added to 1, not to this weight": 2.0**-7,
    }
    what = f"smallest_update({weight!r})"
    expect.number(got, what)
    _values(got, answers, what)


# q5: in which format it ran


@exercise.question(
    "q5",
    title="In which format did it run?",
    points=2,
    difficulty=2,
    needs=("ran_in",),
    lesson=AUTOCAST + "#Seen as it runs",
    hints=(
        "Where do you get to see each operation with what it gives, after autocast has made its casts?",
        "A class with `__torch_dispatch__(self, function, types, args=(), kwargs=None)` calls the function, "
        "looks at the result and returns it. Make a tuple of a single tensor first, then there is one case "
        "only; keep a set of names for each operation, and sort at the end.",
        "Which countries letters come from, for each postman; a bag holds one letter or many, and leaflets:\n"
        "for postman, bag in rounds:\n"
        "    for letter in bag if isinstance(bag, list) else [bag]:\n"
        '        if letter.kind == "letter":\n'
        "            seen[postman].add(letter.country)",
    ),
)
def formats(answer: Answer, draw: Draw) -> None:
    made = {}
    for kind in WORKS:
        sizes = [draw.random.randrange(3, 9) for _ in range(3)]
        found = answer.given(watched, workload).call("watched", kind, sizes)
        expect.type_of(found, dict, "ran_in(work)")
        made[kind] = found, _ran_in(kind, sizes)
    with part("the operations", points=1):
        for kind, (found, right) in made.items():
            expect.equal(
                sorted(found, key=str),
                sorted(right),
                f"the names in ran_in(work), where work is {WORKS[kind]},",
            )
    with part("the dtypes of each", points=1):
        for kind, (found, right) in made.items():
            for name, dtypes in right.items():
                what = f"ran_in(work)[{name!r}], where work is {WORKS[kind]},"
                expect.keys(found, (name,), f"ran_in(work), where work is {WORKS[kind]},")
                expect.equal(found[name], dtypes, what)


WORKS = {
    "plain": "a small network in float32",
    "autocast": "a step of training under autocast",
    "several": "a few operations in several formats, some with several results",
}


def workload(kind: str, sizes: list) -> object:
    """A piece of work without arguments."""
    import torch

    rows, width, classes = sizes
    first, norm, last = torch.nn.Linear(width, 8), torch.nn.LayerNorm(8), torch.nn.Linear(8, classes)
    inputs, labels = torch.randn(rows, width), torch.zeros(rows, dtype=torch.long)

    def plain() -> None:
        (last(first(inputs).relu()).argmax(-1) == labels).sum()

    def autocast() -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = torch.nn.functional.cross_entropy(last(norm(first(inputs))), labels)
        loss.backward()

    def several() -> None:
        for dtype in (torch.float64, torch.bfloat16, torch.float32):
            some = inputs.to(dtype)
            some.max(0)
            (some * some).split(2)
        labels + labels
        inputs.half().abs()

    return {"plain": plain, "autocast": autocast, "several": several}[kind]


def watched(kind: str, sizes: list) -> dict:
    """The learner's table for a piece of work, which has to run once."""
    runs, work = [], workload(kind, sizes)

    def counted() -> None:
        runs.append(kind)
        work()  # type: ignore[operator]

    found = ran_in(counted)
    if len(runs) != 1:
        raise ValueError(f"ran_in(work) called work() {len(runs)} times, not once")
    return found


def _ran_in(kind: str, sizes: list) -> dict[str, list[str]]:
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    seen: dict[str, set[str]] = {}

    class Results(TorchDispatchMode):
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            made = function(*args, **(kwargs or {}))
            some = made if isinstance(made, (tuple, list)) else [made]
            for each in some:
                if isinstance(each, torch.Tensor) and each.is_floating_point():
                    name = str(function.overloadpacket)
                    seen.setdefault(name, set()).add(str(each.dtype).removeprefix("torch."))
            return made

    work: Any = workload(kind, sizes)
    with Results():
        work()
    return {name: sorted(found) for name, found in seen.items()}


# q6: a loss scaler


@exercise.question(
    "q6",
    title="A loss scaler",
    points=4,
    difficulty=2,
    needs=("LossScaler",),
    lesson=SCALER + "#A factor that finds itself",
    hints=(
        "What has to be true of all gradients before the optimizer may see any of them? And what do a "
        "skipped step and a growth have in common for the count?",
        "In `step`, go through `optimizer.param_groups`, collect the gradients that are there, divide each "
        "with `div_`, remember whether all are finite (`isfinite().all()`), and step only then. `update` "
        "looks at what `step` remembered.",
        "A speed that finds itself, by laps without a fall:\n"
        "if fell:\n"
        "    speed, laps = speed * 0.5, 0\n"
        "else:\n"
        "    laps += 1\n"
        "    if laps == 5:\n"
        "        speed, laps = speed * 2, 0",
    ),
)
def loss_scaler(answer: Answer, draw: Draw) -> None:
    interval = draw.random.randrange(3, 6)
    rule = {"scale": 2.0 ** draw.random.randrange(6, 12), "growth": draw.random.choice((2.0, 4.0))}
    rule |= {"backoff": draw.random.choice((0.5, 0.25)), "interval": interval}
    calm = [""] * (interval - 1)
    with part("the gradients, and a step with them", points=1):
        case = _scaling(draw, rule, calm)
        _same_run(answer, case, ("grads", "weights"))
    with part("a step that is skipped", points=1):
        for kinds in (["", "inf", ""], ["", "nan", "-inf"]):
            _same_run(answer, _scaling(draw, rule, kinds), ("weights",))
    with part("the scale falls, and the count begins anew", points=1):
        for kinds in ([*calm, "inf", *calm, "", ""], ["nan", "nan", *calm, ""]):
            _same_run(answer, _scaling(draw, rule, kinds), ("scales",))
    with part("the scale grows, and the count begins anew", points=1):
        _same_run(answer, _scaling(draw, rule, [""] * (2 * interval + 1)), ("scales",))


def _scaling(draw: Draw, rule: Mapping[str, float], kinds: Sequence[str]) -> dict:
    import torch

    noise = torch.Generator().manual_seed(draw.seed + len(kinds))
    steps = torch.randn(len(kinds), 2, 3, generator=noise)
    return {**rule, "kinds": list(kinds), "steps": steps}


def scaled_run(case: dict) -> dict:
    """What becomes of weights, gradients and scale with the learner's scaler."""
    import torch

    scaler = LossScaler(case["scale"], case["growth"], case["backoff"], case["interval"])
    one, two, idle = (torch.nn.Parameter(torch.ones(3)) for _ in range(3))
    groups = [{"params": [one, idle]}, {"params": [two], "lr": 0.05}]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    scales, grads, weights = [], [], []
    for kind, step in zip(case["kinds"], case["steps"]):
        optimizer.zero_grad()
        scaler.scaled((one * step[0]).sum() + (two * step[1]).sum()).backward()
        if kind:
            two.grad[1] = float(kind)
        scaler.step(optimizer)
        grads.append(torch.stack([one.grad, two.grad]))
        scaler.update()
        scales.append(float(scaler.scale))
        weights.append(torch.stack([one.detach(), two.detach(), idle.detach()]))
    return {"scales": scales, "grads": torch.stack(grads), "weights": torch.stack(weights)}


def _library_run(case: Mapping[str, Any]) -> dict[str, Any]:
    """The same with PyTorch's own scaler."""
    import torch

    scaler = torch.amp.GradScaler(
        "cpu",
        init_scale=case["scale"],
        growth_factor=case["growth"],
        backoff_factor=case["backoff"],
        growth_interval=case["interval"],
    )
    one, two, idle = (torch.nn.Parameter(torch.ones(3)) for _ in range(3))
    groups = [{"params": [one, idle]}, {"params": [two], "lr": 0.05}]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    made: dict[str, list] = {"scales": [], "weights": [], "grads": []}
    for kind, step in zip(case["kinds"], case["steps"], strict=True):
        optimizer.zero_grad()
        scaler.scale((one * step[0]).sum() + (two * step[1]).sum()).backward()
        if kind:
            two.grad[1] = float(kind)  # type: ignore[index]
        scaler.step(optimizer)
        made["grads"].append(torch.stack([one.grad, two.grad]))  # type: ignore[list-item]
        scaler.update()
        made["scales"].append(scaler.get_scale())
        made["weights"].append(torch.stack([one.detach(), two.detach(), idle.detach()]))
    return {"scales": made["scales"]} | {name: torch.stack(made[name]) for name in ("grads", "weights")}


SCALED = {
    "scales": "the scale after each update",
    "grads": "the gradients after each step",
    "weights": "the weights after each step",
}


def _same_run(answer: Answer, case: dict, names: Sequence[str]) -> None:
    found, right = answer.given(scaled_run).call("scaled_run", case), _library_run(case)
    said = ", ".join(kind or "finite" for kind in case["kinds"])
    for name in names:
        what = f"{SCALED[name]} (an interval of {case['interval']}; gradients: {said})"
        _values(found[name], {"": right[name]}, what, near=1e-6)


# q7: the right order


@exercise.question(
    "q7",
    title="One step, in the right order",
    points=4,
    difficulty=3,
    needs=("train_step",),
    lesson=SCALER + "#With clipping",
    hints=(
        "Which of these have to happen once for each micro-batch, and which once for the step? And in which "
        "size are the gradients when you measure their norm?",
        'Clear the gradients. For each micro-batch: inside `precision()` the loss with `reduction="sum"`, '
        "divided by the rows of all; outside, `scaler.scale(loss).backward()`. Then, once each: "
        "`scaler.unscale_(optimizer)`, `clip_grad_norm_`, `scaler.step(optimizer)`, `scaler.update()`.",
        "The mean height of a school, class by class:\n"
        "pupils = sum(len(each) for each in classes)\n"
        "mean = sum(sum(each) / pupils for each in classes)   # not the mean of the classes' means",
    ),
)
def order(answer: Answer, draw: Draw) -> None:
    case = _stepping(draw)
    true = _step(case)
    length = true["norm"]
    with part("the mean over all rows", points=1):
        found = answer.given(stepped, recording).call("stepped", case | {"most": 1e6 * length})
        what = "the weights after train_step, where nothing is clipped,"
        answers = {words: _step(case, words)["weights"] for words in ("", *STEPPED)}
        _values(found["weights"], answers, what, near=1e-5)
        expect.close(found["scale"], 2 * case["scale"], "the scale after one step that may double it")
    with part("clipped in their true size", points=1):
        most = length / draw.random.uniform(2, 4)
        found = answer.given(stepped, recording).call("stepped", case | {"most": most})
        answers = {
            "": true["start"] + (true["weights"] - true["start"]) * most / length,
            "clipping the scaled gradients": true["start"]
            + (true["weights"] - true["start"]) * most / length / case["scale"],
            "no clipping": true["weights"],
        }
        _values(
            found["weights"], answers, "the weights after train_step, where the norm is clipped,", near=1e-5
        )
        norms = {"": length, "the norm of the scaled gradients": length * case["scale"]}
        norms["the norm after clipping"] = most
        _values(found["norm"], norms, "the norm that train_step returns", near=1e-4)
    with part("an overflow, and a good step after it", points=1):
        over = case | {"most": 1e6 * length, "scale": 2.0**127, "backoff": 2.0**-117, "calls": 2}
        found = answer.given(stepped, recording).call("stepped", over)
        _values(
            found["after"][0], {"": true["start"]}, "the weights after a step with an overflow", near=1e-6
        )
        _values(
            found["weights"], {"": true["weights"]}, "the weights after the step that follows it", near=1e-4
        )
    with part("what runs in lower precision", points=1):
        found = answer.given(stepped, recording).call("stepped", case | {"most": 1e6 * length})
        expect.true(
            bool(found["forward"]) and all(found["forward"]),
            "each forward pass inside precision()",
            "one outside",
        )
        expect.true(not any(found["backward"]), "the backward pass outside precision()", "one inside")
        expect.true(
            "cross_entropy" not in found["outside"], "the loss inside precision()", "it is computed outside"
        )


def _stepping(draw: Draw) -> dict:
    import torch

    noise = torch.Generator().manual_seed(draw.seed)
    sizes = draw.sample((2, 3, 5, 8), 3)
    count = sum(sizes)
    inputs, weight = torch.randn(count, 4, generator=noise), torch.randn(3, 4, generator=noise)
    labels = torch.randint(3, (count,), generator=noise)
    return {
        "inputs": inputs, "labels": labels, "weight": weight, "sizes": sizes, "calls": 1,
        "scale": 2.0 ** draw.random.randrange(5, 10), "backoff": 0.5,
    }  # fmt: skip


STEPPED = (
    "the mean of the micro-batches' means: they are of different sizes",
    "the sum of the micro-batches' means",
    "the sum over all rows, not the mean",
    "the last micro-batch alone",
    "gradients that were there before",
)


def _step(case: Mapping[str, Any], mistake: str = "") -> dict[str, Any]:
    """One step with all rows in one batch, in float64."""
    import torch

    weight = case["weight"].double().requires_grad_()
    losses = torch.nn.functional.cross_entropy(
        case["inputs"].double() @ weight.T, case["labels"], reduction="none"
    )
    means = torch.stack([each.mean() for each in losses.split(case["sizes"])])
    wrong = dict(zip(STEPPED, (means.mean(), means.sum(), losses.sum(), means[-1]), strict=False))
    (gradient,) = torch.autograd.grad(wrong.get(mistake, losses.mean()), weight)
    start = weight.detach()
    more = 7.0 / case["scale"] if mistake == STEPPED[4] else 0.0
    return {"start": start, "weights": start - 0.5 * (gradient + more), "norm": gradient.norm().item()}


def recording(state: dict) -> object:
    """Something to call for a context that notes whether it is entered."""
    from contextlib import contextmanager

    @contextmanager
    def precision() -> Any:
        before, state["inside"] = state["inside"], True
        try:
            yield
        finally:
            state["inside"] = before

    return precision


def stepped(case: dict) -> dict:
    """What the learner's step makes of a small model, and what ran inside the context."""
    import torch
    from torch.overrides import TorchFunctionMode

    state: dict[str, Any] = {"inside": False, "forward": [], "backward": [], "outside": []}

    class Losses(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            name = getattr(function, "__name__", "")
            if "cross_entropy" in name and not state["inside"]:
                state["outside"].append("cross_entropy")
            return function(*args, **(kwargs or {}))

    def seen(module: Any, given: Any, made: Any) -> None:
        state["forward"].append(state["inside"])
        if made.requires_grad:
            made.register_hook(lambda gradient: state["backward"].append(state["inside"]))

    model = torch.nn.Linear(4, 3, bias=False)
    model.weight.data.copy_(case["weight"])
    model.register_forward_hook(seen)
    model.weight.grad = torch.full((3, 4), 7.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    scaler = torch.amp.GradScaler(
        "cpu", init_scale=case["scale"], growth_interval=1, backoff_factor=case["backoff"]
    )
    given = list(zip(case["inputs"].split(case["sizes"]), case["labels"].split(case["sizes"])))
    after = []
    with Losses():
        for call in range(case["calls"]):
            huge = 1e20 if call + 1 < case["calls"] else 1.0  # all but the last one overflow
            pairs = [(inputs * huge, labels) for inputs, labels in given]
            norm = train_step(model, pairs, optimizer, scaler, recording(state), case["most"])
            after.append(model.weight.detach().clone())
    return {
        "weights": after[-1], "after": after, "norm": torch.tensor(float(norm)), "scale": scaler.get_scale(),
        "forward": state["forward"], "backward": state["backward"], "outside": state["outside"],
    }  # fmt: skip


# q8: eight bits


@exercise.question(
    "q8",
    title="Eight bits, with a scale for each row",
    points=4,
    difficulty=2,
    needs=("quantized", "product", "bound"),
    lesson=EIGHT + "#A scale for each row",
    hints=(
        "Which number of a row should land on 448? And with which two scales does a sum over codes become "
        "a sum over numbers again?",
        "`x.abs().amax(1)` has a number for each row, and `[:, None]` makes a column of it. Rows of `x` are "
        "the rows of the product, rows of `w` its columns. For the bound, three products of matrices of "
        "sizes add up: `x.abs() @ e_w.T`, `e_x @ w.abs().T`, `e_x @ e_w.T`.",
        "Prices in whole cents of another currency for each shop:\n"
        "rates = prices.amax(1) / 100\n"
        "cents = (prices / rates[:, None]).round()\n"
        "back = cents * rates[:, None]",
    ),
)
def eight_bits(answer: Answer, draw: Draw) -> None:
    import torch

    noise = torch.Generator().manual_seed(draw.seed)
    x, w = torch.randn(6, 20, generator=noise), torch.randn(4, 20, generator=noise)
    x *= torch.pow(2.0, torch.tensor([-9.0, 6, 0, 3, -3, 1]))[:, None]
    w *= torch.pow(2.0, torch.tensor([0.0, 5, -4, 2]))[:, None]
    x[:, 3:] /= 60000  # below the smallest normal number of the format
    empty = x.clone()
    empty[draw.random.randrange(6)] = 0
    with part("codes and scales", points=1):
        _quantizes(answer, x)
        _quantizes(answer, w)
    with part("a row of zeros", points=1):
        _quantizes(answer, empty)
        found = answer.call("product", empty, w)
        _values(
            found,
            {"": _product(empty, w)},
            "product(x, w), where x has a row of zeros,",
            near=1e-5,
            unit=_bound(empty, w),
        )
    with part("the product", points=1):
        answers = {words: _product(x, w, words) for words in ("", *PRODUCTS)}
        _values(answer.call("product", x, w), answers, "product(x, w)", near=1e-5, unit=_bound(x, w))
    with part("the bound", points=1):
        answers = {words: _bound(x, w, words) for words in ("", *BOUNDS)}
        _values(answer.call("bound", x, w), answers, "bound(x, w)", near=1e-5, unit=_bound(x, w))


def eight(x: Any) -> dict:
    """The learner's codes, as float32, and scales."""
    codes, scales = quantized(x)
    return {"codes": codes.float(), "dtype": str(codes.dtype), "scales": scales}


def _quantizes(answer: Answer, x: torch.Tensor) -> None:
    found, right = answer.given(eight).call("eight", x), _quantized(x)
    expect.equal(found["dtype"], "torch.float8_e4m3fn", "the dtype of the codes")
    answers = {
        "": right[1],
        "one scale for all rows": (x.abs().max() / 448).expand(len(x)),
        "448 divided by the largest size": 1 / right[1],
        "the largest number, not the largest size": x.amax(1) / 448,
        "the largest size, not divided by 448": 448 * right[1],
    }
    scales = expect.tensor(found["scales"], "the scales of quantized(x)")
    if tuple(scales.shape) == (len(x), 1):
        scales = scales[:, 0]  # a column says the same
    _values(scales, answers, "the scales of quantized(x)", near=1e-6)
    codes = expect.tensor(found["codes"], "the codes of quantized(x)", tuple(x.shape))
    for row, (code, other) in enumerate(zip(codes, right[0], strict=True)):
        # a scale that is off by a last bit may decide a half: one step of the format, and few of them
        off = ((code - other).abs() > 0.13 * other.abs() + 2**-8).sum().item()
        expect.true(
            off == 0, f"row {row} of the codes to be the row divided by its scale", expect.show(code.tolist())
        )


def _quantized(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    largest = x.abs().amax(1)
    scales = torch.where(largest > 0, largest / 448, 1.0)
    return (x / scales[:, None]).to(torch.float8_e4m3fn).float(), scales


PRODUCTS = (
    "the product of the codes, without their scales",
    "leaving out the scales of w",
    "leaving out the scales of x",
    "the product in float32, which nothing was quantized for",
    "one scale for the whole matrix",
)


def _product(x: torch.Tensor, w: torch.Tensor, mistake: str = "") -> torch.Tensor:
    if mistake == PRODUCTS[3]:
        return x @ w.T
    if mistake == PRODUCTS[4]:
        one, two = _quantized(x.reshape(1, -1)), _quantized(w.reshape(1, -1))
        return (one[0].reshape(x.shape) @ two[0].reshape(w.shape).T) * one[1] * two[1]
    (a, rows), (b, outputs) = _quantized(x), _quantized(w)
    made = a @ b.T
    made = made if mistake in (PRODUCTS[0], PRODUCTS[2]) else made * rows[:, None]
    return made if mistake in PRODUCTS[:2] else made * outputs


BOUNDS = (
    "leaving out the errors of w",
    "leaving out the errors of x",
    "leaving out that both are off at once",
    "errors as those of normal numbers only",
    "the error that was made, not the largest one that there can be",
)


def _bound(x: torch.Tensor, w: torch.Tensor, mistake: str = "") -> torch.Tensor:
    import torch

    if mistake == BOUNDS[4]:
        return (_product(x, w) - x @ w.T).abs()
    least = 0.0 if mistake == BOUNDS[3] else 1 / 1024
    off_x, off_w = (torch.maximum(m.abs() / 16, _quantized(m)[1][:, None] * least) for m in (x, w))
    terms = {"w": x.abs() @ off_w.T, "x": off_x @ w.abs().T, "both": off_x @ off_w.T}
    left_out = dict(zip(BOUNDS[:3], terms, strict=True)).get(mistake)
    return sum((each for name, each in terms.items() if name != left_out), torch.zeros(()))


# q9: a scale from the past


@exercise.question(
    "q9",
    title="A scale from the past",
    points=3,
    difficulty=2,
    needs=("DelayedScaling",),
    lesson=EIGHT + "#A scale from the past",
    hints=(
        "What is known when `cast` is called, and what only afterwards? In which order come the scale, the "
        "cast and the note?",
        "`self.past` forgets by itself what is older than `length`. First the scale, from `max(self.past, "
        "default=0.0)`, or 1.0 where that is 0; then `x / scale`, whose size is compared with 448; `clamp` "
        "before `.to(...)`; at the end `x.abs().max().item()` is appended if `math.isfinite` says so.",
        "Bread is baked before the customers come, for the largest number of the last seven days:\n"
        "loaves = max(self.days, default=0) or 20\n"
        "self.sold_out += customers > loaves\n"
        "self.days.append(customers)   # all who came, not only those who got one",
    ),
)
def delayed_scaling(answer: Answer, draw: Draw) -> None:
    length, margin = draw.random.randrange(2, 5), draw.random.randrange(1, 3)
    rule = {"length": length, "margin": margin}
    with part("the scale, from what was before", points=1):
        case = rule | {"tensors": _sized(draw, _falling_and_rising(draw, length, margin))}
        _delays(answer, case, ("scales", "codes"))
    with part("what does not fit", points=1):
        sizes = [3.0, 3.0 * 2 ** (margin + 2), 2.0, *[1.0] * length, 700.0, 900.0, 2.0**margin * 1000]
        scale = draw.random.uniform(0.2, 5)
        case = rule | {"tensors": _sized(draw, [size * scale for size in sizes])}
        _delays(answer, case, ("scales", "codes", "misfits"))
    with part("nothing noted, zeros, infinity and NaN", points=1):
        some = draw.random.uniform(2, 9)
        sizes = [math.nan, 0.0, 0.0, 9 * some, math.inf, *[some] * length, math.nan, *[0.0] * length, 5.0]
        case = rule | {"tensors": _sized(draw, sizes)}
        _delays(answer, case, ("scales", "codes", "misfits"))


def _falling_and_rising(draw: Draw, length: int, margin: int) -> list[float]:
    """Sizes that all fit, of which a longer, a shorter and no history make other scales."""
    sizes = [draw.random.uniform(40, 60) * 2**margin]
    for _ in range(length):
        sizes.append(draw.random.uniform(0.5, 0.8) * sizes[-1])
    for _ in range(length):
        sizes.append(draw.random.uniform(0.8, 0.95) * 2**margin * max(sizes[-length:]))
    return sizes


def _sized(draw: Draw, sizes: Sequence[float]) -> list[torch.Tensor]:
    """Tensors whose largest number has these sizes, of either sign; what is not finite stands alone."""
    import torch

    noise, made = torch.Generator().manual_seed(draw.seed), []
    for number, size in enumerate(sizes):
        x = torch.rand(2, 3 + number % 3, generator=noise) - 0.5
        x = x / x.abs().max() * (size if math.isfinite(size) else 1.0)
        if not math.isfinite(size):
            x[1, 1] = size * draw.random.choice((1, -1))
        made.append(x)
    return made


def delayed_run(case: dict) -> dict:
    """What the learner's class makes of tensors that come one after the other."""
    import torch

    delayed = DelayedScaling(case["length"], case["margin"])
    made: dict[str, list] = {"scales": [], "codes": [], "dtypes": [], "misfits": []}
    for x in case["tensors"]:
        before = x.clone()
        codes, scale = delayed.cast(x)
        if not torch.equal(x.nan_to_num(1.5), before.nan_to_num(1.5)):
            raise ValueError("cast(x) changed the tensor x")
        made["scales"].append(float(scale))
        made["codes"].append(codes.float())
        made["dtypes"].append(str(codes.dtype))
        made["misfits"].append(int(delayed.misfits))
    scales = torch.tensor(made["scales"], dtype=torch.float64)
    return {**made, "scales": scales}  # NaN and infinity travel in a tensor


DELAYED = (
    "the size of x itself, which is known too late",
    "the last size alone",
    "the largest size of all that came, none forgotten",
    "a margin on the wrong side",
    "leaving out the margin",
    "noting the size that is left after the clamp",
    "noting what is infinite or NaN",
    "448 divided by the largest size",
    "leaving out tensors of zeros when sizes are noted",
)


def _delayed(case: Mapping[str, Any], mistake: str = "") -> list[float]:
    """The scales, from the sizes alone."""
    wrong, noted, scales = DELAYED.index(mistake) if mistake else -1, [], []
    margin = {3: -case["margin"], 4: 0}.get(wrong, case["margin"])
    for x in case["tensors"]:
        size = x.abs().max().item()
        if wrong == 0 and math.isfinite(size):
            noted.append(size)
        counted = {1: noted[-1:], 2: noted}.get(wrong, noted[-case["length"] :])
        scale = max(counted, default=0.0) * 2**margin / 448 or 1.0
        scales.append(1 / scale if wrong == 7 and scale != 1 else scale)
        left_out = wrong == 0 or (wrong != 6 and not math.isfinite(size)) or (wrong == 8 and size == 0)
        if not left_out:
            noted.append(min(size, 448 * scale) if wrong == 5 else size)
    return scales


def _delays(answer: Answer, case: dict, names: Sequence[str]) -> None:
    import torch

    found, right = answer.given(delayed_run).call("delayed_run", case), _delayed(case)
    sizes = ", ".join(f"{x.abs().max().item():.4g}" for x in case["tensors"])
    said = f"with a history of {case['length']}, a margin of {case['margin']} and sizes of {sizes}"
    answers = {words: _delayed(case, words) for words in DELAYED} | {"": right}
    labels = [f"the scale of tensor {number + 1}, {said}," for number in range(len(right))]
    _values(found["scales"], answers, "the scales", labels, near=1e-6)
    misfits = 0
    for number, (x, scale) in enumerate(zip(case["tensors"], right, strict=True)):
        what = f"the codes of tensor {number + 1}, {said},"
        expect.equal(found["dtypes"][number], "torch.float8_e4m3fn", f"the dtype of {what}")
        wanted = (x / scale).clamp(-448, 448).to(torch.float8_e4m3fn).float()
        codes = expect.tensor(found["codes"][number], what, tuple(x.shape))
        # a scale that is off by a last bit may decide a half: one step of the format
        near = codes.isnan() & wanted.isnan() | ((codes - wanted).abs() <= 0.13 * wanted.abs() + 2**-8)
        if not bool(near.all()):
            raise Failed(Rung.WRONG_VALUE, f"{what} to be {wanted.tolist()}", expect.show(codes.tolist()))
        misfits += bool(((x / scale).abs() > 448).any())
        if "misfits" in names:
            expect.equal(found["misfits"][number], misfits, f"misfits after tensor {number + 1}, {said},")


# q10: module by module


@exercise.question(
    "q10",
    title="Module by module",
    points=3,
    difficulty=2,
    needs=("alone", "chosen"),
    lesson=CHOICE + "#Module by module",
    hints=(
        "What must be true of all other modules while one is measured, and of the model when you are done? "
        "And when is a step worth more than another one: if it costs less, or if it saves more?",
        "`module.parameters(recurse=False)` gives a module's own weights; keep clones, and copy them back "
        "with `copy_` under `torch.no_grad()`. Note `training` of every module before `eval()`. For the "
        "choice, sort by error² divided by the count, and go on after one that does not fit.",
        "The best for a suitcase of 20 kg, by use for each kilogram:\n"
        "for thing in sorted(things, key=lambda thing: -use[thing] / weight[thing]):\n"
        "    if packed + weight[thing] <= 20:   # the next one may be lighter: no break\n"
        "        packed += weight[thing]",
    ),
)
def by_module(answer: Answer, draw: Draw) -> None:
    case = _network(draw)
    with part("each module by itself", points=1):
        found = answer.given(measured_alone, network).call("measured_alone", case)["errors"]
        _errors(found, {words: _alone(case, words) for words in ("", *ALONE)})
    with part("the model as it was", points=1):
        _untouched(answer.given(measured_alone, network).call("measured_alone", case))
    with part("the choice", points=1):
        for _ in range(3):
            offers = _offers(draw)
            _chooses(answer.call("chosen", *offers), _choices(offers))


def _network(draw: Draw) -> dict:
    import torch

    noise = torch.Generator().manual_seed(draw.seed)
    width = draw.random.randrange(5, 9)
    return {"width": width, "inputs": torch.randn(7, width, generator=noise), "seed": draw.seed}


def network(case: dict) -> object:
    """A model with weights of its own at the top, dropout, a frozen layer, and a module without weights."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.inner = nn.Linear(width, width)
            self.gain = nn.Parameter(torch.ones(width))
            self.drop = nn.Dropout(0.4)

        def forward(self, x: Any) -> Any:
            return x + self.drop(self.inner(x).tanh()) * self.gain

    width = case["width"]
    model = nn.Sequential(Block(width), nn.LayerNorm(width), nn.GELU(), nn.Linear(width, 3))
    noise = torch.Generator().manual_seed(case["seed"] + 1)
    for number, weight in enumerate(model.parameters()):
        weight.data.copy_(torch.randn(weight.shape, generator=noise) * 0.7 + 0.1)
        weight.grad = torch.full_like(weight, float(number))
    model[1].bias.requires_grad_(False)
    model[1].eval()
    return model


def measured_alone(case: dict) -> dict:
    """The learner's errors, and what became of the model."""
    import torch

    def state() -> list:
        flags = [(weight.requires_grad, weight.grad.clone()) for weight in model.parameters()]
        return [[weight.detach().clone() for weight in model.parameters()], flags, modes()]

    def modes() -> list:
        return [module.training for module in model.modules()]

    model: Any = network(case)
    before = state()
    errors = alone(model, case["inputs"].clone())
    after = state()
    return {
        "errors": errors,
        "weights": all(torch.equal(one, other) for one, other in zip(before[0], after[0])),
        "frozen": [one[0] for one in before[1]] == [one[0] for one in after[1]],
        "gradients": all(torch.equal(one[1], other[1]) for one, other in zip(before[1], after[1])),
        "training": before[2] == after[2],
    }


ALONE = (
    "weights that are not put back before the next module",
    "the weights of the children, too: recurse=False leaves them out",
    "biases and other vectors that are left out",
    "the largest difference, not the length of all",
    "the length of the difference, not divided by that of the output",
)


def _alone(case: dict, mistake: str = "") -> dict[str, float]:
    """In float64 but for the rounding, each module in a fresh copy of the model."""
    import torch

    def made(names: Sequence[str]) -> torch.Tensor:
        model: Any = network(case)
        for name in names:
            weights = model.get_submodule(name).parameters(recurse=mistake == ALONE[1])
            for weight in weights:
                if not (mistake == ALONE[2] and weight.ndim == 1):
                    weight.data = weight.data.bfloat16().float()
        with torch.no_grad():
            output: torch.Tensor = model.double().eval()(case["inputs"].double())
        return output

    model: Any = network(case)
    true, found, done = made(()), {}, []
    for name, module in model.named_modules():
        if next(module.parameters(recurse=mistake == ALONE[1]), None) is None:
            continue
        done.append(name)
        off = made(done if mistake == ALONE[0] else [name]) - true
        size = off.abs().max() / true.abs().max() if mistake == ALONE[3] else off.norm() / true.norm()
        found[name] = (off.norm() if mistake == ALONE[4] else size).item()
    return found


def _errors(got: Any, answers: Mapping[str, Mapping[str, float]]) -> None:
    """Each module's error within what float32 is off in an output; else the message names the mistake."""
    expect.type_of(got, dict, "alone(model, inputs)")
    right = answers[""]
    same = {words: _near_errors(got, made) for words, made in answers.items()}
    guess = next((f": that comes of {words}" for words, fits in same.items() if words and fits), "")
    if set(got) != set(right):
        wanted = f"alone(model, inputs) to have the keys {sorted(right)}"
        raise Failed(Rung.WRONG_SHAPE, wanted, f"{expect.show(list(got))}{guess}")
    for name, error in right.items():
        expect.number(got[name], f"the error of module {name!r}")
        if not _near_errors({name: got[name]}, {name: error}):
            wanted = f"the error of module {name!r} to be {error:.6g}"
            raise Failed(Rung.WRONG_VALUE, wanted, f"{got[name]:.6g}{guess}")


def _near_errors(got: Mapping[str, Any], right: Mapping[str, float]) -> bool:
    """Errors are some thousandths; float32 is off by less than a thousandth of them."""
    return set(got) == set(right) and all(
        isinstance(got[name], (int, float)) and abs(got[name] - error) <= 2e-6 + 1e-3 * error
        for name, error in right.items()
    )


def _untouched(found: Mapping[str, Any]) -> None:
    expect.true(found["weights"], "the model's weights to be as before, bit by bit", "some differ")
    expect.true(found["frozen"], "requires_grad of each weight to be as before", "of some it differs")
    expect.true(found["gradients"], "the gradients to be as before", "some differ")
    expect.true(
        found["training"],
        "training of each module to be as before (one was in eval() mode, the others were not)",
        "of some it differs",
    )


Offers = tuple[dict[str, float], dict[str, int], float]


def _offers(draw: Draw) -> Offers:
    """Errors, counts and a bound of which each mistake makes another choice."""
    for _ in range(TRIES):
        offers = _some_offers(draw)
        if len(set(map(tuple, _choices(offers).values()))) == 1 + len(CHOSEN):
            return offers
    raise AssertionError("no draw tells the mistakes apart")


def _some_offers(draw: Draw) -> Offers:
    names = [f"block.{number}" for number in range(7)]
    errors = {name: draw.random.uniform(0.001, 0.004) for name in names}
    counts = {name: draw.random.randrange(20, 400) for name in names}
    return errors, counts, draw.random.uniform(0.45, 0.75) * sum(e**2 for e in errors.values()) ** 0.5


CHOSEN = {
    "errors that are added up, not their squares": "sum",
    "the least error first, whatever it saves": "error",
    "the largest module first, whatever it costs": "count",
    "the least error, not error², for each byte": "plain",
    "stopping at the first that does not fit": "stop",
}


def _choices(case: Offers) -> dict[str, list[str]]:
    """What is chosen, rightly and with each mistake, as sorted lists."""
    errors, counts, bound = case
    made = {"": sorted(_greedy(errors, counts, bound))}
    return made | {words: sorted(_greedy(errors, counts, bound, kind)) for words, kind in CHOSEN.items()}


def _greedy(
    errors: Mapping[str, float], counts: Mapping[str, int], bound: float, mistake: str = ""
) -> list[str]:
    orders: dict[str, Callable[[str], float]] = {
        "error": lambda name: errors[name],
        "count": lambda name: -counts[name],
        "plain": lambda name: errors[name] / counts[name],
    }
    power = 1 if mistake == "sum" else 2
    taken: list[str] = []
    for name in sorted(errors, key=orders.get(mistake, lambda name: errors[name] ** 2 / counts[name])):
        if sum(errors[each] ** power for each in [*taken, name]) <= bound**power:
            taken.append(name)
        elif mistake == "stop":
            break
    return taken


def _chooses(got: Any, answers: Mapping[str, list[str]]) -> None:
    names = list(got) if isinstance(got, (set, frozenset)) else got
    expect.each_of(names, str, "chosen(errors, counts, bound)")
    found = sorted(names)
    if found != answers[""]:
        wanted = f"chosen(errors, counts, bound) to hold {answers['']}"
        raise Failed(Rung.WRONG_VALUE, wanted, f"{found}{guess(found, answers)}")


# q11: predictions


FOUND = {
    "loop": True,
    "summed": False,
    "largest": True,
    "through": False,
    "scaled": True,
    "gradients": False,
}


@exercise.question(
    "q11",
    title="Predict, then measure",
    points=2,
    difficulty=1,
    needs=("predictions",),
    lesson=BITS + "#Too large, too small: predicted, then seen",
    hints=(
        "How far apart are two numbers of bfloat16 at 256? And where is a sum kept while it is being made?",
        "A power of two changes the exponent and no bit of the fraction. Between which two numbers would "
        "65519 lie if float16's exponents went on? How many bits of fraction does each of the formats have?",
        "A cash desk that rounds each price to 5 cents and one that rounds the bill.",
    ),
)
def predictions(answer: Answer, draw: Draw) -> None:
    six_predictions(answer, FOUND)


exercise.manual(
    "q12",
    title="Which precision?",
    points=4,
    lesson=CHOICE + "#Under a bound",
    hints=(
        "How large is an update with that learning rate, and how far apart are two numbers near the weight?",
        "Go through the five claims one by one: was it measured, and often enough; and in which order do "
        "scaling, `unscale_` and clipping come?",
        "Two runners, one race each, 41.2 and 40.9 seconds: the next race may turn it round. Ten races each "
        "give a difference with an interval.",
    ),
)
