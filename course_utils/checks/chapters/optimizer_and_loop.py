"""The questions of chapter 24: optimizer and loop.

Nothing here looks at a clock. Tensors, batches and events are drawn, and what comes of them is worked out
here as well, in float64, once rightly and once for each likely mistake, so that a message can name it.
Operators are counted where the learner's code runs, so a part that counts them judges values as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from course_utils.checks import expect
from course_utils.checks.draw import Draw
from course_utils.checks.framework import Exercise, part
from course_utils.checks.predictions import six_predictions
from course_utils.checks.report import Failed, Rung
from course_utils.wire.answer import Answer

if TYPE_CHECKING:
    import torch

    # what the learner writes: the functions below that are sent along call it by its name
    adamw: Any = None
    lars: Any = None
    noise_scale: Any = None
    waits: Any = None
    fast_loop: Any = None
    evaluate: Any = None
    Breakdown: Any = None

LESSONS = "lessons/24_optimizer_and_loop/"
UPDATE = LESSONS + "01_one_update_many_ways.ipynb"
STATE = LESSONS + "02_a_smaller_state.ipynb"
BATCH = LESSONS + "03_larger_batches.ipynb"
WAITING = LESSONS + "04_no_hidden_waiting.ipynb"
ITERATION = LESSONS + "05_where_an_iteration_goes.ipynb"

exercise = Exercise(
    "24_optimizer_and_loop",
    title="Optimizer and loop",
    minutes=150,
    difficulty="hard",
    cost="some seconds on two cores",
)

Tensors = list["torch.Tensor"]


def _number(got: Any, answers: Mapping[str, float], what: str) -> None:
    """A number is the right one, up to rounding ("" among `answers`); else the message names the mistake."""
    expect.number(got, what)
    if not _near(got, answers[""]):
        words = next((words for words, value in answers.items() if words and _near(got, value)), "")
        came = f"{got:.8g}" + (f": that comes of {words}" if words else "")
        raise Failed(Rung.WRONG_VALUE, f"{what} to be {answers['']:.8g}", came)


def _near(one: float, other: float) -> bool:
    return abs(one - other) <= 2e-5 * max(abs(one), abs(other))


def _tensor(got: Any, answers: Mapping[str, Any], what: str) -> None:
    """A tensor is the right one, up to the rounding of float32; else the message names the mistake."""
    import torch

    right = torch.as_tensor(answers[""], dtype=torch.float64)
    found = expect.tensor(got, what.replace("{place} of ", ""), tuple(right.shape)).double()
    wrong = (~_alike(found, right)).nonzero().tolist()
    if wrong:
        place = tuple(wrong[0])
        words = _mistake(found, answers)
        item = f"item {place[0] if len(place) == 1 else place}"
        inside = what.replace("{place}", item) if "{place}" in what else f"{item} of {what}"
        raise Failed(
            Rung.WRONG_VALUE, f"{inside} to be {right[place].item():.6g}", f"{found[place].item():.6g}{words}"
        )


def _mistake(found: torch.Tensor, answers: Mapping[str, Any]) -> str:
    import torch

    for words, made in answers.items():
        other = torch.as_tensor(made, dtype=torch.float64)
        if words and other.shape == found.shape and bool(_alike(found, other).all()):
            return f": that comes of {words}"
    return ""


def _alike(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Where two tensors hold the same, up to a small share of the largest number."""
    most = other.abs().max().item() if other.numel() else 0.0
    return (one - other).abs() <= 2e-5 * most + 1e-9


def _tensors(got: Any, answers: Mapping[str, Sequence[Any]], what: str) -> None:
    """Each tensor of a list is the right one; `what` has {place} and {number} where these are named."""
    right = answers[""]
    whole = what.replace("{place} of ", "").replace("[{number}]", "")
    if not isinstance(got, (list, tuple)):
        raise Failed(Rung.WRONG_TYPE, f"{whole} to be a list of {len(right)} tensors", expect.show(got))
    expect.length(got, len(right), whole)
    for number, one in enumerate(got):
        named = {words: made[number] for words, made in answers.items()}
        _tensor(one, named, what.replace("{number}", f"{number}"))


def _noise(draw: Draw, *shape: int) -> torch.Tensor:
    """Normal numbers of a shape, in float32."""
    import torch

    return torch.from_numpy(draw.numpy().standard_normal(shape)).float()


# q1: one update of AdamW


@exercise.question(
    "q1",
    title="One update for all tensors",
    points=4,
    difficulty=2,
    needs=("adamw",),
    lesson=UPDATE + "#AdamW, written out",
    hints=(
        "Write it for one tensor first, in place. Which line of that is which function on a list?",
        "`lerp_(other, share)` moves a tensor by that share towards the other: m + (1 − beta1) · (g − m). "
        "Divide the roots by √(1 − beta2^step) and add eps; "
        "`_foreach_addcdiv_(weights, means, roots, -amount)` takes amount · means / roots away, with "
        "amount = rate / (1 − beta1^step).",
        "A discount on all prices, and a fee that is spread by weight, in two calls for a whole shop:\n"
        "torch._foreach_mul_(prices, 0.9)\n"
        "torch._foreach_addcdiv_(prices, heavy, total, 2.5)   # each price + 2.5 · heavy / total",
    ),
)
def one_update(answer: Answer, draw: Draw) -> None:
    cases = {name: _updates(draw, decay) for name, decay in (("none", 0.0), ("some", 0.4), ("again", 0.7))}
    made = {}
    for name, case in cases.items():
        made[name] = answer.given(watched_updates).call("watched_updates", *case)
    with part("the update without decay", points=1):
        _updated(made["none"], cases["none"], WITHOUT)
    with part("the decay", points=1):
        for name in ("some", "again"):
            decay = cases[name][2]["decay"]
            what = f"{{place}} of weights[{{number}}] after three updates with a decay of {decay:g}"
            _updated(made[name], cases[name], what)
    with part("in place, and the gradients as they were", points=1):
        for name, case in cases.items():
            _, means, squares = _adamw(case)
            for held, right in (("means", means), ("squares", squares)):
                what = f"{{place}} of {held}[{{number}}], as it was given, after three updates"
                _tensors(made[name][held], {"": right}, what)
            expect.equal(made[name]["kept"], True, "the gradients, unchanged, after adamw(…)")
            expect.equal(made[name]["same"], True, "the lists, with the same tensors in them after adamw(…)")
    with part("no loop over the tensors", points=1):
        _done(made["none"], cases["none"])
        more = answer.given(watched_updates).call("watched_updates", *_updates(draw, 0.3, 9))
        few = made["none"]["operators"]
        came = f"{few} for 4 tensors and {more['operators']} for 9"
        wanted = "the same number of operators in an update, at most 20, for 4 tensors and for 9"
        expect.true(more["operators"] == few <= 20, wanted, came)


def _updates(draw: Draw, decay: float, count: int = 4) -> tuple[Tensors, list[Tensors], dict[str, float]]:
    shapes = [(2, 3), (4,), (1,), (3, 2, 2)] * 3
    weights = [_noise(draw, *shape) for shape in shapes[:count]]
    gradients = [[_noise(draw, *shape) for shape in shapes[:count]] for _ in range(3)]
    settings = {
        "rate": draw.random.uniform(0.05, 0.2), "beta1": draw.random.uniform(0.8, 0.9),
        "beta2": draw.random.uniform(0.93, 0.97), "eps": draw.random.uniform(0.1, 0.2), "decay": decay,
    }  # fmt: skip
    return weights, gradients, settings


ADAMW = (
    "decay · w added to the gradient: here it acts on the weight alone",
    "a decay that is not multiplied by the rate",
    "means and squares as they are, not divided by 1 − beta^step",
    "eps under the root",
    "beta1 for the squares as well",
    "beta1 and 1 − beta1 exchanged",
    "the update added, not taken away",
    "a weight that does not decay",
)


def _adamw(case: tuple, mistake: str = "") -> tuple[Tensors, Tensors, Tensors]:
    """Weights, means and squares after the updates, in float64."""
    import torch

    weights, gradients, settings = case
    rate, beta1, beta2, eps, decay = (settings[name] for name in ("rate", "beta1", "beta2", "eps", "decay"))
    if mistake == ADAMW[4]:
        beta2 = beta1
    if mistake == ADAMW[5]:
        beta1, beta2 = 1 - beta1, 1 - beta2
    made = []
    for number, weight in enumerate(weights):
        w = weight.double()
        m, s = torch.zeros_like(w), torch.zeros_like(w)
        for step, some in enumerate(gradients, 1):
            g = some[number].double() + (decay * w if mistake == ADAMW[0] else 0)
            if mistake not in (ADAMW[0], ADAMW[7]):
                w = w * (1 - (1 if mistake == ADAMW[1] else rate) * decay)
            m, s = beta1 * m + (1 - beta1) * g, beta2 * s + (1 - beta2) * g * g
            first, second = (m, s) if mistake == ADAMW[2] else (m / (1 - beta1**step), s / (1 - beta2**step))
            root = (second + eps).sqrt() if mistake == ADAMW[3] else second.sqrt() + eps
            w = w + (rate if mistake == ADAMW[6] else -rate) * first / root
        made.append((w, m, s))
    return tuple(list(some) for some in zip(*made, strict=True))  # type: ignore[return-value]


WITHOUT = "{place} of weights[{number}] after three updates without decay"


def _updated(made: Mapping[str, Any], case: tuple, what: str) -> None:
    _tensors(made["weights"], {mistake: _adamw(case, mistake)[0] for mistake in ("", *ADAMW)}, what)


def _done(made: Mapping[str, Any], case: tuple) -> None:
    """Every weight has moved; whether to the right place is the other parts' question."""
    still = [
        number for number, weight in enumerate(case[0]) if bool((made["weights"][number] == weight).all())
    ]
    expect.equal(still, [], "the numbers of the weights that adamw(…) leaves where they were")


def watched_updates(weights: list, gradients: list, settings: dict) -> dict:
    """What the learner's updates make of these tensors, and how many operators the last one asked for."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class UpdateOperators(TorchDispatchMode):
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen.append(str(function))
            return function(*args, **(kwargs or {}))

    means = [torch.zeros_like(weight) for weight in weights]
    squares = [torch.zeros_like(weight) for weight in weights]
    given = [list(weights), list(means), list(squares)]
    kept = True
    for step, some in enumerate(gradients, 1):
        seen: list[str] = []
        slopes = [each.clone() for each in some]
        with UpdateOperators():
            adamw(weights, slopes, means, squares, step, dict(settings))
        kept = kept and all(bool((one == other).all()) for one, other in zip(slopes, some))
    now = [weights, means, squares]
    same = all(one is other for held, had in zip(now, given) for one, other in zip(held, had))
    return {
        "weights": [each.detach() for each in given[0]], "means": [each.detach() for each in given[1]],
        "squares": [each.detach() for each in given[2]], "kept": kept, "same": same, "operators": len(seen),
    }  # fmt: skip


# q2: eight bits


@exercise.question(
    "q2",
    title="A state in eight bits",
    points=4,
    difficulty=2,
    needs=("quantise", "dequantise", "error_bound"),
    lesson=STATE + "#Eight bits, block by block",
    hints=(
        "What becomes of the largest value of a block, and how far apart are two neighbouring codes?",
        "Pad the flat tensor with zeros up to whole blocks (`F.pad(flat, (0, -len(flat) % block))`) and view "
        "it as rows; the scales are `rows.abs().amax(1) / 127` (or 255). Divide by 1 where a scale is 0. For "
        "the way back, `scales.repeat_interleave(block)` gives each number its scale. A rounded number is "
        "off by half a "
        "step at most.",
        "Prices in a catalogue whose pages have a unit each, in whole units up to 20:\n"
        "unit = max(prices) / 20\n"
        "codes = [round(price / unit) for price in prices]\n"
        "A price is off by at most half of the unit of its page.",
    ),
)
def eight_bits(answer: Answer, draw: Draw) -> None:
    block = draw.random.randrange(5, 9)
    cases = [
        (_blocks(draw, block, sign, sides), sign) for sign in (True, False) for sides in ((3, 2), (2, 2, 2))
    ]
    with part("signed: codes and scales", points=1):
        for values, sign in cases[:2]:
            _quantised(answer, values, block, sign)
    with part("unsigned: codes and scales", points=1):
        for values, sign in cases[2:]:
            _quantised(answer, values, block, sign)
    with part("back to values", points=1):
        for values, sign in cases:
            codes, scales = _codes(values, block, sign)
            found = answer.call("dequantise", codes, scales, block)
            each = scales.double().repeat_interleave(block)[: codes.numel()].view(codes.shape)
            answers = {
                "": codes.double() * each,
                "scales that are taken in turn, not block by block": codes.double()
                * scales.double().repeat(block)[: codes.numel()].view(codes.shape),
                "codes without their scales": codes.double(),
                "one scale for all": codes.double() * scales.max().item(),
            }
            _tensor(found, answers, f"dequantise(codes, scales, {block})")
    with part("the bound of the error", points=1):
        for values, sign in cases:
            scales = _codes(values, block, sign)[1]
            most = scales.double().max().item()
            bounds = {
                "": most / 2,
                "a whole step: a rounded number is off by half of one": most,
                "the mean of the scales: each value, in whatever block, must keep it": scales.double()
                .mean()
                .item()
                / 2,
                "the smallest scale": scales[scales > 0].double().min().item() / 2,
                "the largest value": 127 * most / 2,
                "the lesson's formula, for scales that are largest values: these are divided already": most
                / 254,
                "the lesson's formula for 255 codes: these scales are divided already": most / 510,
            }
            _number(answer.call("error_bound", scales), bounds, "error_bound(scales)")


def _blocks(draw: Draw, block: int, sign: bool, sides: tuple[int, ...]) -> torch.Tensor:
    """Values in blocks of different size, one of them zero, the last one short; no code is in doubt."""
    import torch

    count = math.prod(sides)
    while count < 3 * block + 1 or count % block == 0:
        sides = (*sides[:-1], sides[-1] + 1)
        count = math.prod(sides)
    most, parts = (127 if sign else 255), []
    for number in range(math.ceil(count / block)):
        codes = [draw.random.randrange(1, most) + draw.random.uniform(-0.4, 0.4) for _ in range(block)]
        codes[draw.random.randrange(min(block, count - number * block))] = most
        scale = 0.0 if number == 1 else 2.0 ** draw.random.randrange(-9, 3) * draw.random.uniform(1, 1.5)
        parts += [code * scale * (draw.random.choice((-1, 1)) if sign else 1) for code in codes]
    return torch.tensor(parts[:count]).view(sides)


def _codes(values: torch.Tensor, block: int, sign: bool) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    most, dtype = (127, torch.int8) if sign else (255, torch.uint8)
    flat = values.flatten()
    parts = flat.split(block)
    scales = torch.stack([one.abs().max() / most for one in parts])
    codes = torch.cat(
        [
            (one / scale).round() if scale > 0 else torch.zeros_like(one)
            for one, scale in zip(parts, scales, strict=True)
        ]
    )
    return codes.view(values.shape).to(dtype), scales


def _quantised(answer: Answer, values: torch.Tensor, block: int, sign: bool) -> None:
    what = f"quantise(values of the shape {tuple(values.shape)}, {block}, {sign})"
    made = answer.call("quantise", values, block, sign)
    expect.type_of(made, (tuple, list), what)
    expect.length(made, 2, what)
    codes, scales = _codes(values, block, sign)
    size = values.double().flatten().split(block)
    most = 127 if sign else 255
    _tensor(
        made[1],
        {
            "": scales,
            "a scale for all values together": [values.abs().max().item() / most] * len(scales),
            "the largest value, not the largest absolute one": [one.max().item() / most for one in size],
            "the largest absolute values themselves": scales.double() * most,
            "255 codes where they are signed, or 127 where they are not": scales.double()
            * most
            / (382 - most),
            "128 in the place of 127": scales.double() * most / 128,
            "256 in the place of 255": scales.double() * most / 256,
        },
        f"the scales of {what}",
    )
    kind = str(getattr(made[0], "dtype", type(made[0]).__name__)).removeprefix("torch.")
    wanted = str(codes.dtype).removeprefix("torch.")
    if kind != wanted:
        raise Failed(Rung.WRONG_TYPE, f"the codes of {what} to have the dtype {wanted}", kind)
    down = values.double().div(
        scales.double().repeat_interleave(block)[: values.numel()].view(values.shape).clamp(min=1e-30)
    )
    _tensor(
        made[0],
        {"": codes, "cutting off what stands after the point: round to the nearest": down.trunc()},
        f"the codes of {what}",
    )


# q3: rows and columns


@exercise.question(
    "q3",
    title="Rows and columns",
    points=4,
    difficulty=2,
    needs=("factored", "state_bytes"),
    lesson=STATE + "#Rows and columns",
    hints=(
        "Which dimension disappears when you take the mean of each row? And how many numbers has a row, and "
        "a column, of a tensor of the shape (2, 3, 4)?",
        "`squares.mean(-1)` are the rows, `squares.mean(-2)` the columns, also of a pile. "
        "`rows[..., :, None] * columns[..., None, :]` has all products; divide by "
        "`rows.mean(-1)[..., None, None]`, and by 1 where that is 0. For the bytes: `math.prod(shape[:-2])` "
        "is the number of matrices, and 1 for a single one.",
        "Sales by shop and by day, from the two sums alone, where shop and day do not depend on each other:\n"
        "guess = by_shop[:, None] * by_day[None, :] / by_shop.mean()\n"
        "12 shops and 30 days need 42 numbers, not 360.",
    ),
)
def rows_and_columns(answer: Answer, draw: Draw) -> None:
    beta = draw.random.uniform(0.6, 0.8)
    plain, pile = ((_noise(draw, *sides), beta) for sides in ((3, 5), (2, 2, 3, 4)))
    for gradient in (plain[0], pile[0]):
        gradient += gradient.sign()  # no row or column is near zero
    with part("rows and columns", points=1):
        for gradient, share in (plain, pile):
            rows, columns, made = _factor_case(answer, draw, gradient, share)
            answers = {mistake: _factored(rows, columns, gradient, share, mistake) for mistake in FACTORED}
            for number, name in enumerate(("rows", "columns")):
                some = {mistake: found[number] for mistake, found in answers.items()}
                _tensor(made[number], some, f"{name} of factored(…) for the shape {tuple(gradient.shape)}")
    with part("the estimate", points=1):
        zeros = _noise(draw, 3, 2, 4)
        zeros[draw.random.randrange(3)] = 0
        for gradient, share in (plain, pile, (zeros, 0.0)):
            rows, columns, made = _factor_case(answer, draw, gradient, share)
            answers = {mistake: _factored(rows, columns, gradient, share, mistake) for mistake in FACTORED}
            estimates = {mistake: found[2] for mistake, found in answers.items()}
            _tensor(made[2], estimates, f"the estimate of factored(…) for the shape {tuple(gradient.shape)}")
    vectors = [(draw.random.randrange(20, 99),), (draw.random.randrange(4500, 6000),), (3,)]
    matrices = [(draw.random.randrange(70, 99), draw.random.randrange(61, 69)), (40, 30), (64, 64)]
    piles = [(3, 5, 8, 16), (2, 4, draw.random.randrange(30, 50)), (7, 1, 5)]
    block = draw.random.choice((100, 256, 999))
    with part("bytes: sgd, momentum, adamw and adamw8bit", points=1):
        for shapes in (vectors, [*matrices, *vectors], piles):
            for kind in ("sgd", "momentum", "adamw", "adamw8bit"):
                _bytes(answer, draw.sample(shapes, len(shapes)), kind, block)
    with part("bytes: adafactor", points=1):
        for shapes in (vectors, [*matrices, *vectors], [*piles, (), *vectors]):
            _bytes(answer, draw.sample(shapes, len(shapes)), "adafactor", block)


def _factor_case(
    answer: Answer, draw: Draw, gradient: torch.Tensor, beta: float
) -> tuple[torch.Tensor, torch.Tensor, Sequence[Any]]:
    rows = _noise(draw, *gradient.shape[:-1]).square() + 1
    columns = _noise(draw, *gradient.shape[:-2], gradient.shape[-1]).square() + 1
    made = answer.call("factored", rows, columns, gradient, beta)
    what = f"factored(rows, columns, a gradient of the shape {tuple(gradient.shape)}, {beta:.3g})"
    expect.type_of(made, (tuple, list), what)
    expect.length(made, 3, what)
    return rows, columns, made


FACTORED = (
    "",
    "sums, not means",
    "the gradients, not their squares",
    "beta and 1 − beta exchanged",
    "the rows and columns from before",
    "leaving out the division by the mean of the rows",
    "the mean over all matrices of the pile",
)


def _factored(
    rows: torch.Tensor, columns: torch.Tensor, gradient: torch.Tensor, beta: float, mistake: str
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    import torch

    squares, old = gradient.double() ** (1 if mistake == FACTORED[2] else 2), beta
    if mistake == FACTORED[3]:
        old = 1 - beta
    sides = (squares.shape[-1], squares.shape[-2]) if mistake == FACTORED[1] else (1, 1)
    new_rows = old * rows.double() + (1 - old) * squares.mean(-1) * sides[0]
    new_columns = old * columns.double() + (1 - old) * squares.mean(-2) * sides[1]
    used = (rows.double(), columns.double()) if mistake == FACTORED[4] else (new_rows, new_columns)
    product = used[0][..., :, None] * used[1][..., None, :]
    mean = used[0].mean() if mistake == FACTORED[6] else used[0].mean(-1)[..., None, None]
    divisor = torch.where(mean != 0, mean, 1.0)
    return new_rows, new_columns, product if mistake == FACTORED[5] else product / divisor


BYTES = (
    "bits, or numbers, not bytes",
    "8 bits for small tensors, too",
    "leaving out the scales",
    "one scale for each block, where each of the two states has its own",
    "blocks that go on from one tensor to the next",
    "leaving out the block that is shorter",
    "the whole tensor as one matrix",
    "factors for a vector as well",
    "a state for each weight",
)


def _bytes(answer: Answer, shapes: list[tuple], kind: str, block: int) -> None:
    answers: dict[str, float] = {"": _kept(shapes, kind, block)}
    sizes = [math.prod(shape) for shape in shapes]
    large = [size for size in sizes if size >= 4096]
    if kind == "adamw8bit":
        answers |= {
            BYTES[1]: sum(2 * (size + 4 * math.ceil(size / block)) for size in sizes),
            BYTES[2]: sum(2 * size if size >= 4096 else 8 * size for size in sizes),
            BYTES[3]: answers[""] - sum(4 * math.ceil(size / block) for size in large),
            BYTES[5]: answers[""] - sum(8 for size in large if size % block),
        }
    if kind == "adafactor":
        answers[BYTES[8]] = 4 * sum(sizes)
        answers[BYTES[6]] = sum(
            4 * (sum(shape[-2:]) if len(shape) > 1 else math.prod(shape)) for shape in shapes
        )
    answers[BYTES[0]] = answers[""] / 4
    numbers = {words: float(value) for words, value in answers.items() if words == "" or value != answers[""]}
    found = answer.call("state_bytes", shapes, kind, block)
    _number(found, numbers, f"state_bytes({expect.show(shapes)}, {kind!r}, {block})")


def _kept(shapes: Sequence[tuple], kind: str, block: int) -> int:
    total = 0
    for shape in shapes:
        size = math.prod(shape)
        if kind == "adafactor" and len(shape) > 1:
            total += 4 * (size // shape[-1] + size // shape[-2])
        elif kind == "adamw8bit" and size >= 4096:
            total += 2 * (size + 4 * (-(-size // block)))
        else:
            total += {"sgd": 0, "momentum": 4, "adafactor": 4, "adamw": 8, "adamw8bit": 8}[kind] * size
    return total


# q4: a ratio for each layer


@exercise.question(
    "q4",
    title="A ratio for each layer",
    points=4,
    difficulty=2,
    needs=("lars", "lamb_ratios"),
    lesson=BATCH + "#A ratio for each layer",
    hints=(
        "What does a layer's step weigh beside the layer itself, if its gradient becomes ten times as large?",
        "`tensor.norm()` is ‖tensor‖ over all its numbers. Work out the ratio of each tensor first, and "
        "replace it by 1 where one of the norms is 0 (`torch.where`, or an `if`). The velocity has the rate "
        "in it, so the weight loses the velocity itself. Make new tensors: `velocity * momentum + …`, not "
        "`velocity *= …`.",
        "Each household saves a fixed share of what it owns, however large its income is:\n"
        "ratio = 0.1 * owns / income if owns and income else 1.0\n"
        "saved = ratio * income",
    ),
)
def ratios(answer: Answer, draw: Draw) -> None:
    still, moving = _layers(draw, still=True), _layers(draw, still=False)
    with part("LARS: the ratio and the update", points=1):
        _lars_well(answer, still)
    with part("LARS: momentum, and the given tensors as they were", points=1):
        _lars_well(answer, moving)
    updates = [_noise(draw, *weight.shape) for weight in moving[0]]
    decay = draw.random.uniform(0.2, 0.6)
    with part("LAMB: the ratios", points=1):
        _lamb_well(answer, moving[0], updates, decay)
    with part("norms of zero", points=1):
        for place in (0, 1):
            zero = [[each.clone() for each in some] for some in moving[:3]]
            for number in (0, 2) if place else (1,):
                zero[place][number].zero_()
            _lars_well(answer, (zero[0], zero[1], zero[2], moving[3]))
        weights, none = [each.clone() for each in moving[0]], [each.clone() for each in updates]
        weights[1].zero_()
        none[2].copy_(-weights[2] * 0.5)  # with a decay of 0.5, nothing is left
        _lamb_well(answer, weights, none, 0.5)


Layers = tuple[Tensors, Tensors, Tensors, dict[str, float]]


def _layers(draw: Draw, still: bool) -> Layers:
    shapes = [(2, 3), (4,), (2, 2, 2)]
    sizes = draw.sample((0.25, 1, 5), 3)
    weights = [_noise(draw, *shape) * size for shape, size in zip(shapes, sizes, strict=True)]
    gradients, velocities = ([_noise(draw, *shape) for shape in shapes] for _ in range(2))
    if still:
        velocities = [each * 0 for each in velocities]
    settings = {
        "rate": draw.random.uniform(0.5, 3), "momentum": draw.random.uniform(0.7, 0.9),
        "decay": draw.random.uniform(0.2, 0.5), "trust": draw.random.uniform(0.05, 0.2),
    }  # fmt: skip
    return weights, gradients, velocities, settings


LARS = (
    "one ratio for all layers",
    "leaving out the trust coefficient",
    "leaving out decay · ‖w‖ under the ratio",
    "the norm of g + decay · w under the ratio: that is LAMB's",
    "a gradient without its decay",
    "the rate once more: it is in the velocity already",
    "the velocity from before",
    "a velocity without its momentum",
    "a ratio of trust, or of 0, where a norm is 0",
    "the largest number in the place of the norm",
    "the rate outside the velocity, as in torch.optim.SGD: here it is in it",
)


def _lars(layers: Layers, mistake: str = "") -> tuple[Tensors, Tensors]:
    import torch

    settings, made = layers[3], []
    whole = [torch.cat([each.double().flatten() for each in some]) for some in layers[:2]]
    for w, g, v in zip(*([each.double() for each in some] for some in layers[:3]), strict=True):
        size, slope = (each.norm().item() for each in (whole if mistake == LARS[0] else (w, g)))
        if mistake == LARS[9]:
            size, slope = w.abs().max().item(), g.abs().max().item()
        under = slope + (0 if mistake == LARS[2] else settings["decay"] * size)
        if mistake == LARS[3]:
            under = (g + settings["decay"] * w).norm().item()
        trust = 1.0 if mistake == LARS[1] else settings["trust"]
        ratio = trust * size / under if size > 0 and slope > 0 else 1.0
        if mistake == LARS[8] and not (size > 0 and slope > 0):
            ratio = trust
        change = settings["rate"] * ratio * (g + (0 if mistake == LARS[4] else settings["decay"]) * w)
        if mistake == LARS[10]:
            change = change / settings["rate"]
        new = (0 if mistake == LARS[7] else settings["momentum"]) * v + change
        once_more = mistake in (LARS[5], LARS[10])
        taken = v if mistake == LARS[6] else settings["rate"] * new if once_more else new
        made.append((w - taken, new))
    return [each[0] for each in made], [each[1] for each in made]


def _lars_well(answer: Answer, layers: Layers) -> None:
    made = answer.given(watched_lars).call("watched_lars", *layers)
    expect.type_of(made["made"], (tuple, list), "lars(…)")
    expect.length(made["made"], 2, "lars(…)")
    answers = {mistake: _lars(layers, mistake) for mistake in ("", *LARS)}
    for number, name in ((1, "velocities"), (0, "weights")):
        some = {words: found[number] for words, found in answers.items()}
        if number == 1:
            some.pop(LARS[5])
        _tensors(made["made"][number], some, f"{{place}} of {name}[{{number}}] that lars(…) returns")
    expect.equal(made["kept"], True, "the tensors that lars(…) is given, unchanged,")


def watched_lars(weights: list, gradients: list, velocities: list, settings: dict) -> dict:
    """What the learner's update makes, and whether it left alone what it was given."""
    given = [[each.clone() for each in some] for some in (weights, gradients, velocities)]
    made = lars(*given, dict(settings))
    pairs = zip(given, (weights, gradients, velocities))
    kept = all(bool((a == b).all()) for some, others in pairs for a, b in zip(some, others))
    return {"made": made, "kept": kept}


def _lamb_well(answer: Answer, weights: Tensors, updates: Tensors, decay: float) -> None:
    sizes = [each.double().norm().item() for each in weights]
    changes = [
        (update.double() + decay * weight.double()) for update, weight in zip(updates, weights, strict=True)
    ]
    alone = [each.double().norm().item() for each in updates]

    def divided(under: Sequence[float]) -> list[float]:
        return [
            size / other if size > 0 and other > 1e-6 else 1.0
            for size, other in zip(sizes, under, strict=True)
        ]

    added = [one + decay * size for one, size in zip(alone, sizes, strict=True)]
    norms = [each.norm().item() for each in changes]
    answers = {
        "": divided(norms),
        "leaving out the decay": divided(alone),
        "the sum of the norms, ‖u‖ + decay · ‖w‖: here it is the norm of the sum": divided(added),
        "its inverse": [1 / ratio for ratio in divided(norms)],
        "0 where ‖w‖ is 0: the ratio is 1": [
            ratio if size > 0 else 0.0 for ratio, size in zip(divided(norms), sizes, strict=True)
        ],
    }
    found = answer.call("lamb_ratios", weights, updates, decay)
    _tensor(found, answers, "lamb_ratios(weights, updates, decay)")


# q5: how large a batch


@exercise.question(
    "q5",
    title="How large a batch?",
    points=4,
    difficulty=2,
    needs=("schedule", "noise_scale"),
    lesson=BATCH + "#From two batch sizes",
    hints=(
        "How many steps has a run of 1,000 examples with batches of 300? And what do you know of |G|² and S "
        "if the squared norm is 6 for batches of 10, and 2.5 for batches of 50?",
        "`math.ceil(examples / batch)` steps. For the noise: subtract the two equations, and |G|² is gone: "
        "S = (small − large) / (1 / b − 1 / B). Multiply the first by b and the second by B before you "
        "subtract, and S is gone: |G|² = (B · large − b · small) / (B − b).",
        "A taxi costs a fixed sum and so much for each kilometre: 3 km cost 11, 8 km cost 21.\n"
        "for_each = (21 - 11) / (8 - 3)\n"
        "fixed = (8 * 11 - 3 * 21) / (8 - 3)",
    ),
)
def larger_batches(answer: Answer, draw: Draw) -> None:
    plans = {rule: _plan(draw, rule) for rule in ("linear", "root")}
    with part("the peak and the steps", points=1):
        for batch, plan in plans.values():
            _scheduled(answer, batch, plan | {"warm_up": 0})
    with part("the warm-up", points=1):
        for batch, plan in plans.values():
            _scheduled(answer, batch, plan)
            _scheduled(answer, batch, plan | {"warm_up": 3 * batch})
    with part("the noise scale", points=1):
        for few, many in ((1, 1), (5, 5), (7, 3)):
            small, large, batches = _norms(draw, few, many)
            found = answer.call("noise_scale", small, large, batches)
            what = f"noise_scale of {few} and {many} squared norms, {batches}"
            _number(found, _scales(small, large, batches), what)
    with part("measurements that say too little", points=1):
        b, large_batch = draw.random.randrange(4, 9), draw.random.randrange(40, 90)
        base = draw.random.uniform(1, 3)
        for small, large, name in (
            ([base * large_batch], [base * b * 0.9], "|G|² is below 0"),
            ([base, base * 1.1], [base * 1.5, base * 1.4], "S is below 0"),
        ):
            came = answer.given(refusing).call("refusing", small, large, (b, large_batch))
            what = f"noise_scale to raise ValueError where {name}"
            expect.true(came == "refused", what, came)


def _plan(draw: Draw, rule: str) -> tuple[int, dict[str, Any]]:
    """A batch size and a plan whose examples do not fill the last step, nor the warm-up's."""
    base = draw.random.choice((8, 16, 32))
    batch = base * draw.random.choice((3, 5, 6))
    examples = batch * draw.random.randrange(11, 18) + draw.random.randrange(1, batch // 3)
    warm_up = batch * draw.random.randrange(2, 5) + draw.random.randrange(1, batch // 3)
    rate = draw.random.uniform(0.05, 0.2)
    return batch, {"rate": rate, "batch": base, "rule": rule, "examples": examples, "warm_up": warm_up}


def _scheduled(answer: Answer, batch: int, plan: dict[str, Any]) -> None:
    n, w = math.ceil(plan["examples"] / batch), math.ceil(plan["warm_up"] / batch)
    ratio = batch / plan["batch"]
    linear, root = plan["rate"] * ratio, plan["rate"] * math.sqrt(ratio)
    peak, other = (linear, root) if plan["rule"] == "linear" else (root, linear)
    right = [peak * (t / w if t <= w else (n + 1 - t) / (n - w)) for t in range(1, n + 1)]
    answers = {
        "": right,
        "the other rule": [rate / peak * other for rate in right],
        "a peak that does not grow": [rate / peak * plan["rate"] for rate in right],
        "the old batch size divided by the new one": [rate / ratio**2 for rate in right]
        if plan["rule"] == "linear"
        else [rate / ratio for rate in right],
        "a rate that stays at the peak after the warm-up": [
            peak * min(1, t / w) if w else peak for t in range(1, n + 1)
        ],
        "a fall that does not begin with the peak": [
            peak * (t / w if t <= w else (n - t) / (n - w)) for t in range(1, n + 1)
        ],
        "a fall over all steps, the warm-up's among them": [
            peak * (t / w if t <= w else (n + 1 - t) / n) for t in range(1, n + 1)
        ],
        "a warm-up that begins at 0": [
            peak * ((t - 1) / w if t <= w else (n + 1 - t) / (n - w)) for t in range(1, n + 1)
        ],
    }  # fmt: skip
    found = answer.call("schedule", batch, plan)
    what = f"schedule({batch}, {expect.show(plan)})"
    if not isinstance(found, (list, tuple)) and not hasattr(found, "shape"):
        raise Failed(Rung.WRONG_TYPE, f"{what} to be a list of rates", expect.show(found))
    expect.length(found, n, what)
    _tensor(found, answers, what)


def _norms(draw: Draw, few: int, many: int) -> tuple[list[float], list[float], tuple[int, int]]:
    """Squared norms that vary, with a clear gradient and clear noise on average."""
    b = draw.random.randrange(4, 16)
    large = b * draw.random.randrange(4, 9) + 1
    gradient, noise = draw.random.uniform(1, 3), draw.random.uniform(30, 60)

    def some(batch: int, count: int) -> list[float]:
        mean = gradient + noise / batch
        around = [draw.random.uniform(0.8, 1.25) for _ in range(count)]
        return [mean * each * count / sum(around) for each in around]

    return some(b, few), some(large, many), (b, large)


def _scales(small: Sequence[float], large: Sequence[float], batches: tuple[int, int]) -> dict[str, float]:
    b, many = batches
    one, other = math.fsum(small) / len(small), math.fsum(large) / len(large)

    def estimates(one: float, other: float) -> tuple[float, float]:
        return (many * other - b * one) / (many - b), (one - other) / (1 / b - 1 / many)

    gradient, noise = estimates(one, other)
    found = {
        "": noise / gradient,
        "its inverse, |G|² / S": gradient / noise,
        "S alone": noise,
        "|G|² alone": gradient,
        "the squared norm of the large batch in the place of |G|²": noise / other,
        "the quotient of norms, not of squared norms": math.sqrt(noise / gradient),
    }
    if len(small) > 1:
        pairs = [estimates(*pair) for pair in zip(small, large)]
        found["the mean of the quotients: take the means first"] = math.fsum(
            noise / gradient for gradient, noise in pairs
        ) / len(pairs)
        first = estimates(small[0], large[0])
        found["the first of each list, not the means"] = first[1] / first[0]
    return found


def refusing(small: list, large: list, batches: tuple) -> str:
    """What the learner's function makes of measurements that say too little."""
    try:
        found = noise_scale(small, large, batches)
    except ValueError:
        return "refused"
    except NotImplementedError:
        raise
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return f"no exception, and {found} returned"


# q6: waits by line

#: statements that wait once, and others that do not; x are numbers, m is a mask, i are whole numbers
ONCE = {
    "reads": ("total = x[0].item()", "total = float(x.sum())", "total = int(i[1])", "total = f'{x.mean()}'"),
    "conditions": ("if m.any(): total = 1", "total = 2 if x.max() > 0 else 3", "total = not x[0]"),
    "shapes": ("y = m.nonzero()", "y = x.masked_select(m)", "y = torch.where(m)"),
}
MASKS = ("y = x[m]", "y = x.clone(); y[m] = 0.0", "y = w[:, m]")
NEVER = ("y = x[i]", "y = torch.where(m, x, 0.0)", "y = x.sum() + x.mean()", "y = x.clone(); y[i] = 1.0")
OTHER = ("y = x[2] * len(x)", "y = w[:, i]", "y = (x * m).sum()", "y = x.argmax()", "y = x.reshape(-1, 1)")


@exercise.question(
    "q6",
    title="Who waits, and on which line?",
    points=3,
    difficulty=3,
    needs=("waits",),
    lesson=WAITING + "#Counted, by line",
    hints=(
        "Print `operator._schema.name` for each operator of the trial's function first. Which of the names "
        "are in the table?",
        "Write a `TorchDispatchMode` whose `__torch_dispatch__` looks at the name, and for `index` and "
        "`index_put_` at the dtypes of `args[1]`. To find the line, begin with `frame = sys._getframe()` and "
        "go to `frame.f_back` until `frame.f_code is function.__code__`; the line is "
        "`frame.f_lineno - code.co_firstlineno + 1`. Then let the operator run, and return what it gives.",
        "Which line of a recipe makes someone open the oven, also where a helper does it?\n"
        "frame = sys._getframe()\n"
        "while frame.f_code is not recipe.__code__:\n"
        "    frame = frame.f_back          # the one who called\n"
        "opened[frame.f_lineno - recipe.__code__.co_firstlineno + 1] += 1",
    ),
)
def waiting(answer: Answer, draw: Draw) -> None:
    with part("values that are read, and conditions", points=1):
        _counted(answer, draw, ("reads", "conditions"))
        _counted(answer, draw, ("conditions", "reads"))
    with part("masks", points=1):
        _counted(answer, draw, ("masks",))
        _counted(answer, draw, ("reads", "masks"))
    with part("calls of other functions", points=1):
        _counted(answer, draw, ("reads", "masks"), helper=True)


def _counted(answer: Answer, draw: Draw, kinds: Sequence[str], helper: bool = False) -> None:
    """A function of a drawn text: the lines on which it waits, and how often."""
    body, right = [], {}
    statements = [(text, 0) for text in (*NEVER, draw.random.choice(OTHER))]
    for kind in kinds:
        some = [*MASKS, draw.random.choice(ONCE["shapes"])] if kind == "masks" else draw.sample(ONCE[kind], 3)
        statements += [(text, 1) for text in some]
    if helper:
        statements += [("y = helper(x, m)", 3), ("y = [helper(x, m) for _ in range(2)]", 6)]
    for text, times in draw.sample(statements, len(statements)):
        loop = draw.random.choice((0, 0, 2, 3)) if not helper else 0
        if loop:
            body.append(f"    for _ in range({loop}):")
        body.append(("    " if loop else "") + "    " + text)
        if times:
            right[1 + len(body)] = times * max(loop, 1)
    lines = ["def helper(x, m):", "    part = x[m]", "    return part.sum().item() + x[0].item()", ""]
    lines += [""] * draw.random.randrange(1, 9) + ["def watched(x, m, i, w):", *body, "    return y"]
    first = len(lines) - len(body) - 1
    found = answer.given(counted_waits).call("counted_waits", "\n".join(lines))
    shown = "; ".join(f"{number + 1}: {line.strip()}" for number, line in enumerate(lines[first - 1 :]))
    what = f"waits(function, …) for a function with the lines {shown!r}"
    expect.type_of(found, dict, what)
    if found == {line + first - 1: times for line, times in right.items()}:
        raise Failed(
            Rung.WRONG_VALUE,
            f"{what} to be {right}",
            f"{found}: lines of the file, not of the function, whose def is line 1",
        )
    lines_found = {line for line in found if isinstance(line, int)}
    cause = ""
    if lines_found and not helper and max(lines_found) > len(body) + 2:
        cause = ": that comes of lines of the file; line 1 is the one with def"
    for off in (-1, 1):
        if found == {line + off: times for line, times in right.items()}:
            cause = ": that comes of lines that are off by one; line 1 is the one with def"
    for line in sorted({*right, *lines_found}):
        came = found.get(line, 0)
        if came != right.get(line, 0):
            text = lines[first + line - 2].strip() if 0 < line <= len(body) + 2 else "no line of the function"
            times = right.get(line, 0)
            raise Failed(
                Rung.WRONG_VALUE,
                f"{times} {'wait' if times == 1 else 'waits'} on line {line} of a function, `{text}`,",
                f"{came} in {found}{cause}",
            )
    expect.equal(dict(found), right, what)


def counted_waits(text: str) -> dict:
    """What the learner's counting says of a function with this text."""
    import torch

    held: dict[str, Any] = {"torch": torch}
    exec(compile(text, "a file", "exec"), held)
    x, m = torch.tensor([0.5, -1.0, 2.0]), torch.tensor([True, False, True])
    i, w = torch.tensor([0, 2, 1]), torch.arange(6.0).view(2, 3)
    found: dict = waits(held["watched"], x, m, i, w)
    return found


# q7: read once in n steps


@exercise.question(
    "q7",
    title="Read once in n steps",
    points=4,
    difficulty=2,
    needs=("fast_loop",),
    lesson=WAITING + "#Read once in n steps",
    hints=(
        "Which lines of `slow_loop` need a number in Python, and for whom: for the next step, or for a "
        "person "
        "who reads the log?",
        "Use all rows: the loss passes over −100 itself, and `(hits & counts).sum()` counts the others. "
        "Clipping is a factor, `(limit / norm).clamp(max=1.0)`. Keep sums as tensors, and read loss, "
        "accuracy "
        "and norm with one `torch.stack([...]).tolist()` for each line of the log.",
        "A speed limit without a condition, and three numbers in one reading:\n"
        "speed = speed * (limit / speed).clamp(max=1.0)\n"
        "fastest, mean, last = torch.stack([speeds.max(), speeds.mean(), speeds[-1]]).tolist()",
    ),
)
def read_once(answer: Answer, draw: Draw) -> None:
    made, cases = {}, {}
    for name, (steps, every) in {"few": (7, 3), "many": (10, 2), "none": (6, 50)}.items():
        cases[name] = _loop_case(draw, steps, every)
        made[name] = answer.given(watched_loop).call("watched_loop", *cases[name])
        expect.equal(made[name]["kept"], True, "the given tensors, unchanged, after fast_loop")
    with part("the same results", points=1):
        for name, case in cases.items():
            _same_loop(made[name], case)
    with part("no boolean mask as an index", points=1):
        for name, case in cases.items():
            _same_loop(made[name], case)
            masks = [each for each in made[name]["waits"] if each in MASKED]
            by = ", ".join(sorted(set(masks))) or "none"
            expect.equal(len(masks), 0, f"the number of masks that wait in fast_loop ({by})")
    with part("at most one wait for each line of the log", points=1):
        for name in ("few", "many"):
            _same_loop(made[name], cases[name])
            steps, every = len(cases[name][1]), cases[name][4]
            found = made[name]["waits"]
            by = ", ".join(sorted(set(found))) or "none"
            what = f"the number of waits in {steps} steps, with a line of the log every {every} ({by}),"
            expect.at_most(len(found), steps // every, what)
    with part("no wait without a line of the log", points=1):
        _same_loop(made["none"], cases["none"])
        found = made["none"]["waits"]
        by = ", ".join(sorted(set(found))) or "none"
        expect.equal(len(found), 0, f"the number of waits where nothing is logged ({by})")


MASKED = ("index", "index_put_", "nonzero", "masked_select")


def _loop_case(draw: Draw, steps: int, every: int) -> tuple:
    import torch

    batches = []
    for number in range(steps):
        rows = draw.random.randrange(5, 8)
        labels = [draw.random.choice((0, 1, 2)) for _ in range(rows)]
        for place in draw.sample(range(rows), 1 + number % 3):
            labels[place] = -100
        size = 3.0 if number % 2 else 0.3
        batches.append((_noise(draw, rows, 4) * size, torch.tensor(labels)))
    return _noise(draw, 4, 3) * 0.3, batches, draw.random.uniform(0.3, 0.8), 0.5, every


LOOPED = (
    "gradients that are not clipped",
    "the loss of the last step, not the mean",
    "an accuracy that counts labels of −100",
    "the norm after clipping",
    "a loss or an accuracy of all steps so far",
    "gradients that are always scaled to the limit",
    "the mean of the accuracies of the steps",
)


def _looped(case: tuple, mistake: str = "") -> tuple[Any, list[dict[str, float]]]:
    """Weight and log, in float64."""
    import torch

    weight, batches, rate, limit, every = case
    weight, log, losses, shares = weight.double(), [], [], []
    right, seen = 0, 0
    for step, (inputs, labels) in enumerate(batches, 1):
        counts = labels != -100
        rows, wanted = inputs.double()[counts], labels[counts]
        logs = torch.log_softmax(rows @ weight, dim=1)
        losses.append(-logs.gather(1, wanted[:, None]).mean().item())
        gradient = rows.T @ (logs.exp() - torch.nn.functional.one_hot(wanted, 3)) / len(rows)
        norm = gradient.norm().item()
        hits = int((logs.argmax(1) == wanted).sum())
        right, seen = right + hits, seen + (len(labels) if mistake == LOOPED[2] else len(rows))
        shares.append(hits / len(rows))
        scale = limit / norm
        factor = 1.0 if mistake == LOOPED[0] else scale if mistake == LOOPED[5] else min(1.0, scale)
        weight = weight - rate * gradient * factor
        if step % every == 0:
            loss = losses[-1] if mistake == LOOPED[1] else math.fsum(losses) / len(losses)
            accuracy = math.fsum(shares) / len(shares) if mistake == LOOPED[6] else right / seen
            shown = min(norm, limit) if mistake == LOOPED[3] else norm
            log.append({"step": step, "loss": loss, "accuracy": accuracy, "norm": shown})
            if mistake != LOOPED[4]:
                losses, shares, right, seen = [], [], 0, 0
    return weight, log


def _same_loop(made: Mapping[str, Any], case: tuple) -> None:
    answers = {mistake: _looped(case, mistake) for mistake in ("", *LOOPED)}
    logs = {words: [list(line.values()) for line in log] for words, (_, log) in answers.items()}
    expect.each_of(made["log"], dict, "the log of fast_loop")
    expect.length(made["log"], len(logs[""]), "the log of fast_loop")
    for number, line in enumerate(made["log"]):
        expect.keys(line, ("step", "loss", "accuracy", "norm"), f"line {number} of the log")
        expect.equal(line["step"], logs[""][number][0], f"'step' of line {number} of the log")
        for place, name in enumerate(("loss", "accuracy", "norm"), 1):
            values = {words: log[number][place] for words, log in logs.items()}
            right = values[""]
            few = {words: each for words, each in values.items() if not words or not _near(each, right)}
            expect.number(line[name], f"{name!r} of line {number} of the log")
            if abs(line[name] - right) > 1e-4:
                _number(line[name], few, f"{name!r} of line {number} of the log")
    expect.true(not made["kinds"], "plain Python numbers (float, int) in the log", f"{made['kinds']}")
    weights = {words: weight for words, (weight, _) in answers.items()}
    found = expect.tensor(made["weight"], "the weight of fast_loop", tuple(case[0].shape)).double()
    if (found - weights[""]).abs().max() > 1e-4:
        _tensor(found, weights, "the weight of fast_loop")


def watched_loop(weight: Any, batches: list, rate: float, limit: float, every: int) -> dict:
    """The learner's loop, with the operators and calls for which a program would wait for its device."""
    import torch
    from torch.overrides import TorchFunctionMode
    from torch.utils._python_dispatch import TorchDispatchMode

    found: list[str] = []
    always = (
        "_local_scalar_dense",
        "nonzero",
        "masked_select",
        "equal",
        "allclose",
        "_unique2",
        "is_nonzero",
    )

    class WaitingOperators(TorchDispatchMode):
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            name = function._schema.name.removeprefix("aten::")
            indices = args[1] if name in ("index", "index_put_", "index_put") else ()
            masks = [one for one in indices if one is not None and one.dtype in (torch.bool, torch.uint8)]
            if name in always or masks:
                found.append(name)
            return function(*args, **(kwargs or {}))

    class WaitingCalls(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            before, name = len(found), getattr(function, "__name__", "")
            made = function(*args, **(kwargs or {}))
            if name in ("tolist", "numpy", "__array__", "__repr__") and len(found) == before:
                found.append(name)
            return made

    given = [(weight.clone(), [(inputs.clone(), labels.clone()) for inputs, labels in batches])]
    (held, some), *_ = given
    with WaitingOperators(), WaitingCalls():
        made, log = fast_loop(held, some, rate, limit, every)
    seen = list(found)
    kept = bool((held == weight).all()) and all(
        bool((a == b).all()) for pair, other in zip(some, batches) for a, b in zip(pair, other)
    )
    values = [value for line in log for value in line.values()]
    others = {type(value) for value in values if not isinstance(value, (int, float))}
    kinds = {f"{kind.__module__}.{kind.__name__}" for kind in others}
    return {
        "weight": made.detach(), "log": log, "waits": seen, "kept": kept, "kinds": ", ".join(sorted(kinds)),
    }  # fmt: skip


# q8: evaluation


@exercise.question(
    "q8",
    title="Evaluation that leaves no trace",
    points=4,
    difficulty=2,
    needs=("evaluate",),
    lesson=ITERATION + "#Evaluation that leaves no trace",
    hints=(
        "What does `model.eval()` change that `model.train()` afterwards does not bring back? And what is "
        "the mean "
        "of all rows, if one batch has 4 rows and another 1?",
        "Remember `(module, module.training)` of every module in `model.modules()` first, and set `training` "
        "back in a `finally`. `torch.random.fork_rng(devices=[])` gives the CPU's random state back; "
        "multiply "
        "each batch's loss by its number of rows, and divide once at the end.",
        "A guest who leaves the lamps as they were, whatever happens:\n"
        "before = [(lamp, lamp.on) for lamp in lamps]\n"
        "try:\n"
        "    stay()\n"
        "finally:\n"
        "    for lamp, on in before:\n"
        "        lamp.on = on",
    ),
)
def no_trace(answer: Answer, draw: Draw) -> None:
    cases = [_evaluation(draw, frozen) for frozen in (False, True)]
    made = [answer.given(watched_evaluation).call("watched_evaluation", case) for case in cases]
    with part("the mean over all rows, of a model that evaluates", points=1):
        for one, case in zip(made, cases, strict=True):
            expect.equal(one["evaluating"], True, "every module evaluating while the model runs")
            _number(one["loss"], _losses(case), "evaluate(model, batches, loss_of)")
    with part("the modes", points=1):
        for one in made:
            expect.equal(one["modes"], one["before"], "training or not, of each module, after evaluate(…)")
        for case in cases:
            one = answer.given(watched_evaluation).call("watched_evaluation", case | {"fails": True})
            expect.equal(one["raised"], "ArithmeticError", "the error of the model, after evaluate(…)")
            what = "training or not, of each module, after an error in evaluate(…)"
            expect.equal(one["modes"], one["before"], what)
    with part("no graph, and the gradients as they were", points=1):
        for one, case in zip(made, cases, strict=True):
            _all_rows(one, case)
            expect.equal(one["recording"], False, "torch.is_grad_enabled() while the model runs")
            expect.equal(one["kept"], True, "the gradients of the weights, unchanged,")
            expect.equal(
                one["after"], case["recorded"], "torch.is_grad_enabled() after evaluate(…), as before"
            )
    with part("the random state", points=1):
        for one, case in zip(made, cases, strict=True):
            _all_rows(one, case)
            expect.equal(one["evaluating"], True, "every module evaluating while the model runs")
            expect.equal(one["state"], True, "torch.get_rng_state(), unchanged,")


def _all_rows(one: Mapping[str, Any], case: Mapping[str, Any]) -> None:
    rows = sum(len(labels) for _, labels in case["batches"])
    expect.at_least(one["rows"], rows, "the number of rows that the model runs on")


def _evaluation(draw: Draw, frozen: bool) -> dict[str, Any]:
    rows = draw.sample((2, 3, 5, 7), 3)
    return {
        "weight": _noise(draw, 3, 2), "mean": _noise(draw, 3), "variance": _noise(draw, 3).square() + 0.5,
        "batches": [(_noise(draw, count, 2), _noise(draw, count, 3)) for count in rows],
        "frozen": frozen, "recorded": not frozen, "fails": False,
    }  # fmt: skip


def _losses(case: Mapping[str, Any]) -> dict[str, float]:
    means, rows = [], []
    for inputs, labels in case["batches"]:
        made = inputs.double() @ case["weight"].double().T
        made = (made - case["mean"].double()) / (case["variance"].double() + 1e-5).sqrt()
        means.append((made - labels.double()).square().mean().item())
        rows.append(len(labels))
    whole = math.fsum(mean * count for mean, count in zip(means, rows, strict=True))
    return {
        "": whole / sum(rows),
        "the mean of the batches' means: a row of a small batch counts for more": math.fsum(means) / 3,
        "the sum of the batches' means": math.fsum(means),
        "the sum over the rows": whole,
        "the loss of the last batch": means[-1],
    }


def watched_evaluation(case: dict) -> dict:
    """The learner's evaluation of a small model, and what it changed."""
    import torch
    from torch import nn

    seen: dict[str, Any] = {"recording": False, "evaluating": True, "rows": 0}

    class EvaluatedModel(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(2, 3, bias=False), nn.Dropout(0.5))
            self.norm = nn.BatchNorm1d(3, affine=False)

        def forward(self, inputs: Any) -> Any:
            seen["recording"] = seen["recording"] or torch.is_grad_enabled()
            seen["evaluating"] = seen["evaluating"] and not any(each.training for each in self.modules())
            seen["rows"] += len(inputs)
            if case["fails"]:
                raise ArithmeticError("the model fails")
            return self.norm(self.body(inputs + 0 * torch.rand(1)))

    model = EvaluatedModel()
    with torch.no_grad():
        model.body[0].weight.copy_(case["weight"])
        model.norm.running_mean.copy_(case["mean"])
        model.norm.running_var.copy_(case["variance"])
    model.body[0].weight.grad = torch.full((3, 2), 0.25)
    (model.norm if case["frozen"] else model.body[1]).eval()
    if case["frozen"]:
        model.body.training = False  # and what lies in it trains
    before, state, loss, raised = [each.training for each in model.modules()], torch.get_rng_state(), 0.0, ""
    recorded = torch.is_grad_enabled()
    torch.set_grad_enabled(case["recorded"])
    try:
        loss = evaluate(model, case["batches"], nn.functional.mse_loss)
    except ArithmeticError as error:
        raised = type(error).__name__
    finally:
        after = torch.is_grad_enabled()
        torch.set_grad_enabled(recorded)
    now, grad = torch.get_rng_state(), model.body[0].weight.grad
    torch.set_rng_state(state)
    kept = grad is not None and bool((grad == 0.25).all())
    return {
        **seen, "loss": loss.detach() if hasattr(loss, "detach") else loss, "raised": raised, "after": after,
        "kept": kept, "before": before, "modes": [each.training for each in model.modules()],
        "state": bool((state == now).all()),
    }  # fmt: skip


# q9: a breakdown


@exercise.question(
    "q9",
    title="Times that add up",
    points=3,
    difficulty=2,
    needs=("Breakdown",),
    lesson=ITERATION + "#Regions that add up",
    hints=(
        "Between two borders (a region begins or ends) some time passes. Whose is it?",
        "Keep a list of the names of the open regions, with `other` at the bottom, and the time of the "
        "last border. "
        "At each border call `finish()`, read the clock, and add the difference to the name at the end of "
        "the list; "
        "then append the new name, or take the last one off. With `try: yield` and `finally:` a region "
        "ends after an error, too.",
        "Who pays for the telephone? At each change, the minutes since the last change go to whoever held "
        "it:\n"
        "minutes[holders[-1]] += now - changed\n"
        "changed = now\n"
        "holders.append('Ada')      # or holders.pop()",
    ),
)
def adding_up(answer: Answer, draw: Draw) -> None:
    row = [_work(draw), _region("data", _work(draw)), _region("forward", _work(draw)), _work(draw)]
    inner = _region("loss", _work(draw), _region("data", _work(draw)))
    nested = [
        _region("forward", _work(draw), inner, _work(draw)),
        _work(draw),
        _region("forward", _region("forward", _work(draw)), _work(draw)),
    ]  # fmt: skip
    broken = ["try", _region("forward", _work(draw), _region("loss", _work(draw), ["error"])), _work(draw)]
    with part("regions one after another, and the rest", points=1):
        _broken_down(answer, [row])
    with part("regions within regions, and names that come again", points=1):
        _broken_down(answer, [nested])
        _broken_down(answer, [[*row, *nested]])
    with part("errors, and the next iteration", points=1):
        _broken_down(answer, [[_work(draw), broken, _region("data", _work(draw)), _work(draw)]])
        _broken_down(answer, [row, [_work(draw), _region("loss", _work(draw))], row])


Piece = list  # ["work", here, on the device] | ["region", name, pieces] | ["try", *pieces] | ["error"]


def _work(draw: Draw) -> Piece:
    return ["work", draw.random.randrange(1, 50) / 64, draw.random.randrange(51, 200) / 64]


def _region(name: str, *pieces: Piece) -> Piece:
    return ["region", name, list(pieces)]


PLAYED = (
    "time of regions within a region that counts for it as well",
    "reading the clock while the device still works: call finish() first",
    "the last time of a name, not the sum",
    "leaving out the time in no region",
    "times that are booked twice: with the region within and with the one around it, and taken from other",
)


def _played(iterations: list[list[Piece]], mistake: str = "") -> list[dict[str, float]]:
    """The seconds of each iteration by name; what a region sent is done when it ends."""
    found = []
    for pieces in iterations:
        spent: dict[str, float] = {"other": 0.0}

        def play(some: list[Piece], name: str, spent: dict[str, float] = spent) -> float:
            own = within = 0.0
            for piece in some:
                if piece[0] == "work":
                    own += piece[1] + (0 if mistake == PLAYED[1] else piece[2])
                elif piece[0] == "region":
                    within += play(piece[2], piece[1])
                elif piece[0] == "try":
                    within += play(piece[1:], "")
            if name:
                twice = mistake in (PLAYED[0], PLAYED[4]) and name != "other"
                mine = own + (within if twice else 0.0)
                spent[name] = mine + (0.0 if mistake == PLAYED[2] else spent.get(name, 0.0))
            else:
                spent["other"] += own
            return own + within

        whole = play(pieces, "other")
        if mistake == PLAYED[4]:
            spent["other"] += whole - sum(spent.values())
        if mistake == PLAYED[3]:
            del spent["other"]
        found.append(spent)
    return found


def _broken_down(answer: Answer, iterations: list[list[Piece]]) -> None:
    made = answer.given(played_breakdown).call("played_breakdown", iterations)
    right = _played(iterations)
    others = {mistake: _played(iterations, mistake) for mistake in PLAYED}
    for number, (one, wanted) in enumerate(zip(made["tables"], right, strict=True)):
        what = f"what close() gives after iteration {number + 1}"
        expect.type_of(one, dict, what)
        words = next((words for words, some in others.items() if _same_table(one, some[number])), "")
        why = f": that comes of {words}" if words else ""
        if set(one) != set(wanted):
            raise Failed(
                Rung.WRONG_SHAPE, f"{what} to have the keys {sorted(wanted)}", f"{sorted(one, key=str)}{why}"
            )
        for name, value in wanted.items():
            expect.number(one[name], f"{name!r} of {what}")
            if not abs(one[name] - value) < 1e-6:
                raise Failed(
                    Rung.WRONG_VALUE, f"{name!r} of {what} to be {value:.6g}", f"{one[name]:.6g}{why}"
                )
    errors = sum(piece[0] == "try" for pieces in iterations for piece in pieces)
    expect.equal(made["caught"], errors, "the number of errors that leave their regions")


def _same_table(one: Mapping[str, Any], other: Mapping[str, float]) -> bool:
    return set(one) == set(other) and all(
        isinstance(one[name], (int, float)) and abs(one[name] - value) < 1e-6 for name, value in other.items()
    )


def played_breakdown(iterations: list) -> dict:
    """The learner's tables of iterations that are played."""
    state = {"now": 3.0, "idle": 0.0, "caught": 0.0}

    class BrokenRegion(Exception):
        pass

    def finish() -> None:
        state["now"] = max(state["now"], state["idle"])

    def play(pieces: list) -> None:
        for piece in pieces:
            if piece[0] == "work":
                state["now"] += piece[1]
                state["idle"] = max(state["idle"], state["now"]) + piece[2]
            elif piece[0] == "region":
                with breakdown.region(piece[1]):
                    play(piece[2])
            elif piece[0] == "error":
                raise BrokenRegion
            else:
                try:
                    play(piece[1:])
                except BrokenRegion:
                    state["caught"] += 1
                    play(piece[2:])  # the error took away what stood behind the region

    breakdown = Breakdown(lambda: state["now"], finish)
    tables = []
    for pieces in iterations:
        play(pieces)
        table = breakdown.close()
        tables.append(dict(table) if isinstance(table, dict) else table)  # it may go on to change
    return {"tables": tables, "caught": int(state["caught"])}


# q10 and q11


FOUND = {"fused": True, "zeros": False, "eight": False, "factored": True, "clip": False, "stored": True}


@exercise.question(
    "q10",
    title="Predict, then measure",
    points=2,
    difficulty=1,
    needs=("predictions",),
    lesson=STATE + "#What each keeps",
    hints=(
        "What is left in the means of AdamW when a gradient is zero? What do the scales of an 8-bit state "
        "weigh?",
        "Count bytes with the table of question 3; for the operators, think of what question 1 asked for, "
        "and of what "
        "question 7 did in the place of an `if`.",
        "A bus that saves three quarters of its seats for luggage, and has a driver's seat, too, keeps more "
        "than a quarter of its seats.",
    ),
)
def predictions(answer: Answer, draw: Draw) -> None:
    lessons = "lessons 24.1 (fused, zeros), 24.2 (eight, factored), 24.4 (clip) and 24.5 (stored)"
    six_predictions(answer, FOUND, f"the number of right predictions, about {lessons},")


exercise.manual(
    "q11",
    title="Eight times the batch",
    points=4,
    lesson=BATCH + "#The noise of a gradient",
    hints=(
        "Which of the colleague's figures were held equal in the comparison: steps, epochs, or the loss "
        "that was "
        "reached? Do the four times make 420 ms?",
        "Compare 256 with the noise scale. Ask for each figure how often it was measured. Then add up the "
        "regions, and "
        "ask for whom `loss.item()` waits.",
        "A shop that orders eight times as much pays less for each box, and may throw half away: what "
        "counts is "
        "what a sold box costs.",
    ),
)
