"""The questions of chapter 13: the Trainer, and the loop inside it.

Models here are a few hundred numbers, made where the learner's code runs from weights that are drawn; the
same arithmetic is done here, once rightly and once for each likely mistake, so that a message can name it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from course_utils.checks import expect
from course_utils.checks.draw import Draw
from course_utils.checks.framework import Exercise, part
from course_utils.checks.predictions import six_predictions
from course_utils.wire.answer import Answer

if TYPE_CHECKING:
    # what the learner writes: the functions below that are sent along call it by its name
    train: Any = None
    groups: Any = None
    one_step: Any = None
    arguments_for: Any = None
    find_rate: Any = None
    save_checkpoint: Any = None
    load_checkpoint: Any = None

LESSONS = "lessons/13_the_trainer/"
LOOP, STEP = LESSONS + "01_the_loop_and_the_trainer.ipynb", LESSONS + "02_one_step.ipynb"
RATE, RESUME = LESSONS + "03_the_learning_rate.ipynb", LESSONS + "04_stop_and_resume.ipynb"

exercise = Exercise(
    "13_the_trainer",
    title="The Trainer",
    minutes=110,
    difficulty="hard",
    cost="about a quarter of a minute on two cores",
)

CLOSE = 1e-5  # the furthest that two weights may be apart which come of the same arithmetic
NO_CUT = 1e9  # a length that no gradient reaches


def _distance(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> float:
    """The largest difference between two weights of the same name; NaN counts as infinite."""
    largest = max((found[name] - weight).abs().max().item() for name, weight in wanted.items())
    return math.inf if math.isnan(largest) else largest


def _same_weights(
    found: Any, wanted: Mapping[str, Any], what: str, mistakes: Mapping[str, Callable[[], Mapping[str, Any]]]
) -> None:
    """The weights are those of the right arithmetic; else the message names the mistake that gives them.

    mistakes: {what was done: makes the weights that come of it}.
    """
    expect.keys(found, wanted, what)
    mine = {name: expect.tensor(found[name], f"{what}, {name}", tuple(w.shape)) for name, w in wanted.items()}
    off = _distance(mine, wanted)
    if off <= CLOSE:
        return
    guess = next((name for name, made in mistakes.items() if _distance(mine, made()) <= CLOSE), None)
    why = f": these are the weights that come of {guess}" if guess else ""
    expect.true(False, f"{what} to be within {CLOSE:g} of the right ones", f"up to {off:.2g} away{why}")


def _listed(found: Any) -> Any:
    """A list of numbers, where they came as an array or a tensor."""
    return found.tolist() if hasattr(found, "shape") and hasattr(found, "tolist") else found


def _generator(draw: Draw) -> Any:
    import torch

    return torch.Generator().manual_seed(draw.seed)


# q1: the loop


@exercise.question(
    "q1",
    title="The loop by hand",
    points=4,
    difficulty=2,
    needs=("train",),
    lesson=LOOP + "#The loop by hand",
    hints=(
        "Say the seven things that happen with a batch, in their order, before you write them. "
        "What has to be "
        "made once, before the first batch?",
        "AdamW takes a list of two dicts, each with its own weight_decay. A LambdaLR with the share of the "
        "rate as its function is moved after the optimizer's step. The gradient is clipped between "
        "backward() and "
        "step(), and emptied before the next batch; the model has to be in training mode.",
        "A loop that fits a straight line, with plain gradient descent and without any of the extras:\n"
        "for x, y in pairs:\n"
        "    error = ((slope * x - y) ** 2).mean()\n"
        "    error.backward()\n"
        "    descent.step()\n"
        "    descent.zero_grad()",
    ),
)
def loop(answer: Answer, draw: Draw) -> None:
    mine = answer.given(small_net, loss_of, trained_by)
    cases = {
        "optimizer and schedule": {"rate": 0.02, "decay": 0.0, "longest": NO_CUT, "warmup": 3},
        "the gradient is clipped": {"rate": 0.02, "decay": 0.0, "longest": 0.05, "warmup": 2},
        "the decay": {"rate": 0.02, "decay": draw.random.uniform(1.0, 2.0), "longest": NO_CUT, "warmup": 0},
    }
    for number, (name, settings) in enumerate(cases.items()):
        state, batches = _drawn_net(draw, number), _drawn_batches(draw, number)
        made = mine.call("trained_by", state, batches, settings)
        losses, weights = _by_hand(state, batches, settings)
        what = f"train(…, {', '.join(f'{key}={value:.3g}' for key, value in settings.items())})"
        if number == 0:
            with part("a loss for each batch", points=1):
                found = _listed(made["losses"])
                expect.each_of(found, float, f"what {what} returns")
                expect.length(found, len(batches), f"what {what} returns")
                for place, (loss, right) in enumerate(zip(found, losses, strict=True)):
                    expect.close(loss, right, f"the loss of batch {place}", tolerance=1e-3)
        with part(name, points=1):
            mistakes = {
                words: partial(_weights_by_hand, state, batches, settings, mistake)
                for mistake, words in MISTAKES.items()
            }
            _same_weights(made["weights"], weights, f"the weights after {what}", mistakes)


#: mistake -> what a message says of it
MISTAKES = {
    "whole": "a gradient that is not clipped",
    "tensors": "clipping each tensor's gradient by itself",
    "all": "decaying biases and norms as well",
    "none": "no decay at all",
    "level": "a rate without the warm-up",
    "constant": "a rate that stays as it is",
    "early": "moving the schedule before the optimizer's step",
    "kept": "a gradient that is not emptied",
    "eval": "a model that is not in training mode",
}


def small_net(state: dict) -> Any:
    """A net of a few weights, with one layer that does something else in training."""
    import torch

    class Louder(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return 3 * x if self.training else x

    net = torch.nn.Sequential(
        torch.nn.Linear(5, 8), torch.nn.LayerNorm(8), torch.nn.Tanh(), Louder(), torch.nn.Linear(8, 3)
    )
    net.load_state_dict(state)
    return net.eval()


def loss_of(model: Any, batch: Any) -> Any:
    import torch

    inputs, labels = batch
    return torch.nn.functional.cross_entropy(model(inputs), labels)


def trained_by(state: dict, batches: list, settings: dict) -> dict:
    """What the learner's loop makes of a net with these weights."""
    model = small_net(state)
    losses = train(model, batches, loss_of, **settings)
    return {"losses": losses, "weights": model.state_dict()}


def _drawn_net(draw: Draw, number: int) -> dict[str, Any]:
    import torch

    generator = torch.Generator().manual_seed(draw.seed + number)
    shapes = {"0.weight": (8, 5), "0.bias": (8,), "4.weight": (3, 8), "4.bias": (3,)}
    state = {name: torch.randn(shape, generator=generator) / 2 for name, shape in shapes.items()}
    return {
        "0.weight": state["0.weight"],
        "0.bias": state["0.bias"],
        "1.weight": 1 + torch.randn(8, generator=generator) / 4,
        "1.bias": torch.randn(8, generator=generator) / 4,
        "4.weight": state["4.weight"],
        "4.bias": state["4.bias"],
    }


def _drawn_batches(draw: Draw, number: int, count: int = 12) -> list[tuple[Any, Any]]:
    """Batches whose gradients are of very unequal length, so that it matters which of them are clipped."""
    import torch

    generator = torch.Generator().manual_seed(draw.seed + 100 + number)
    batches = []
    for place in range(count):
        inputs = torch.randn(6, 5, generator=generator)
        labels = torch.randint(3, (6,), generator=generator)
        if place % 3:  # labels that the inputs give away: soon a short gradient
            labels = (inputs[:, 0] > 0).long()
        batches.append((inputs, labels))
    return batches


def _by_hand(
    state: dict, batches: Sequence, settings: Mapping[str, Any], mistake: str = ""
) -> tuple[list[float], dict[str, Any]]:
    """Losses and weights of the right loop, or of one with a mistake."""
    import torch

    model, rate, decay = small_net(state), settings["rate"], settings["decay"]
    model.train(mistake != "eval")
    weights = list(model.parameters())
    decay = 0.0 if mistake == "none" else decay
    spared = decay if mistake == "all" else 0.0
    optimizer = torch.optim.AdamW(
        [
            {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": decay},
            {"params": [weight for weight in weights if weight.ndim == 1], "weight_decay": spared},
        ],
        lr=rate,
    )
    losses = []
    for step, batch in enumerate(batches):
        share = _linear(step + (mistake == "early"), len(batches), settings["warmup"])
        if mistake == "level":
            share = _linear(step, len(batches), 0)
        share = 1.0 if mistake == "constant" else share
        for group in optimizer.param_groups:
            group["lr"] = rate * share
        loss = loss_of(model, batch)
        loss.backward()
        for cut in [[weight] for weight in weights] if mistake == "tensors" else [weights]:
            torch.nn.utils.clip_grad_norm_(cut, NO_CUT if mistake == "whole" else settings["longest"])
        optimizer.step()
        if mistake != "kept":
            optimizer.zero_grad()
        losses.append(loss.item())
    return losses, {name: weight.detach() for name, weight in model.state_dict().items()}


def _weights_by_hand(
    state: dict, batches: Sequence, settings: Mapping[str, Any], mistake: str
) -> dict[str, Any]:
    return _by_hand(state, batches, settings, mistake)[1]


def _linear(step: int, steps: int, warmup: int) -> float:
    return step / warmup if step < warmup else (steps - step) / max(1, steps - warmup)


# q2: parameter groups


@exercise.question(
    "q2",
    title="Who is decayed",
    points=3,
    difficulty=2,
    needs=("groups",),
    lesson=STEP + "#Which weights are decayed",
    hints=(
        "Names tell you nothing here. What can you ask of a weight, and of the layer that it belongs to?",
        "Go through model.modules() and collect the weights of the norms (isinstance); of the "
        "others, those of "
        "two dimensions or more are decayed. A weight that two layers share comes once, and one with "
        "requires_grad=False not at all: model.named_parameters() already gives shared ones once.",
        "Sorting tools by the box that they lie in, each tool once:\n"
        "sharp = {id(tool) for box in boxes if isinstance(box, KnifeBox) for tool in box.tools}\n"
        "first = [tool for tool in all_tools if id(tool) not in sharp]",
    ),
)
def decay_groups(answer: Answer, draw: Draw) -> None:
    names = draw.sample(("scale", "gain", "north", "mixing", "ball", "steady", "b", "normal_vector"), 6)
    decay = round(draw.random.uniform(0.01, 0.2), 3)
    found = answer.given(odd_model, grouped).call("grouped", names, decay)
    expect.each_of(found, dict, "groups(model, decay)")
    expect.length(found, 2, "groups(model, decay)")
    for group in found:
        expect.number(group["decay"], "a group's weight_decay")
    sizes = sorted(((group["decay"], sorted(group["names"])) for group in found), key=lambda pair: -pair[0])
    (most, decayed), (least, spared) = sizes
    expect.equal([most, least], [decay, 0.0], "the weight_decay of the two groups")
    table, outer, flat, wide, closing, still = names
    with part("matrices are decayed, biases and norms are not", points=1):
        for name in (f"{outer}.weight", f"{table}.weight"):
            expect.true(name in decayed, f"{name}, a matrix, to be decayed", "it is not in that group")
        for name in (f"{outer}.bias", f"{flat}.weight", f"{flat}.bias", f"{closing}.weight", "offset"):
            expect.true(
                name in spared,
                f"{name}, of one dimension, to be spared",
                "decayed" if name in decayed else "in no group",
            )
    with part("each weight once, and none that is not trained", points=1):
        every = decayed + spared
        expect.true(
            f"{still}.weight" not in every and f"{still}.bias" not in every,
            "weights with requires_grad=False to be in no group",
            "they are in one",
        )
        expect.true(len(set(every)) == len(every), "each weight in one group, once", "one that comes twice")
        expect.length(every, 10, "both groups together")
    with part("a norm is spared, whatever its shape", points=1):
        expect.true(
            f"{wide}.weight" in spared,
            f"the weight of {wide}, a LayerNorm over two dimensions, to be spared",
            "it is decayed: its shape says nothing, its layer does",
        )


def odd_model(names: list) -> Any:
    """A model whose names say nothing: an embedding that the head shares, norms of one and of two dimensions,
    a bias by another name, and a layer that is not trained."""
    import torch

    table, outer, flat, wide, closing, still = names
    model = torch.nn.Module()
    model.add_module(table, torch.nn.Embedding(7, 4))
    model.add_module(outer, torch.nn.Linear(4, 4))
    model.add_module(flat, torch.nn.LayerNorm(4))
    model.add_module(wide, torch.nn.LayerNorm((3, 4)))
    model.add_module(closing, torch.nn.RMSNorm(4))
    model.add_module(still, torch.nn.Linear(4, 4).requires_grad_(False))
    head = torch.nn.Linear(4, 7)
    head.weight = model.get_submodule(table).weight
    model.add_module("head", head)
    model.register_parameter("offset", torch.nn.Parameter(torch.zeros(4)))
    return model


def grouped(names: list, decay: float) -> Any:
    """The learner's groups, with the names of the weights in them."""
    import torch

    model = odd_model(names)
    made = groups(model, decay)
    if not isinstance(made, (list, tuple)) or not all(isinstance(group, dict) for group in made):
        return made  # the check says what it should be
    name_of = {id(weight): name for name, weight in model.named_parameters()}
    torch.optim.AdamW(made, lr=0.1)  # an optimizer has to take them
    for group in made:
        group["params"] = [group["params"]] if torch.is_tensor(group["params"]) else list(group["params"])
    return [
        {"decay": group["weight_decay"], "names": [name_of[id(weight)] for weight in group["params"]]}
        for group in made
    ]


# q3: a step from pieces, repaired


@exercise.question(
    "q3",
    title="Find the bugs: a step from pieces",
    points=4,
    difficulty=3,
    needs=("one_step",),
    lesson=STEP + "#A gradient made of pieces",
    hints=(
        "There are at least three. Most of them change the gradient of one step, one spoils all steps but "
        "the first.",
        "Count the labels of all pieces first. Each piece's loss is a sum (reduction='sum'), divided by that "
        "count; then the pieces add up, and one without a label adds 0. Clip once, after the last piece.",
        "The mean age of people in several rooms, some of them empty:\n"
        "people = sum(len(room) for room in rooms)\n"
        "mean = sum(sum(room) / people for room in rooms)",
    ),
)
def pieces_into_a_step(answer: Answer, draw: Draw) -> None:
    import torch

    generator = _generator(draw)
    state = {"weight": torch.randn(4, 5, generator=generator), "bias": torch.randn(4, generator=generator)}
    mine = answer.given(stepped)

    def judged(pieces: list, longest: float, what: str) -> tuple[Any, Any]:
        made = mine.call("stepped", state, pieces, longest)
        expect.keys(made, ("losses", "weights"), "your step")
        wrong = {
            words: partial(_weights_stepped, state, pieces, longest, mistake)
            for mistake, words in WRONG_STEPS.items()
        }
        losses, weights = _stepped(state, pieces, longest)
        _same_weights(made["weights"], weights, f"the weights {what}", wrong)
        return made["losses"], losses

    with part("four pieces are one batch, each label weighing the same", points=1):
        found, right = judged([_pieces(draw, 0, (1, 2, 5, 9))], NO_CUT, "after a step of four pieces")
        expect.number(found[0], "what one_step returns")
        expect.close(found[0], right[0], "what one_step returns, the loss per label", tolerance=1e-4)
    with part("a piece without a label adds nothing", points=1):
        found, right = judged([_pieces(draw, 1, (3, 0, 4))], NO_CUT, "where one piece has no label")
        expect.number(found[0], "what one_step returns where one piece has no label")
    with part("clip once a step, all weights as one", points=1):
        judged([_pieces(draw, 2, (2, 6, 3))], 0.1, "after a step that is clipped to 0.1")
    with part("steps one after the other", points=1):
        steps = [_pieces(draw, 3, (2, 6)), _pieces(draw, 4, (5, 1, 3)), _pieces(draw, 5, (4,))]
        judged(steps, NO_CUT, "after three steps of 2, 3 and 1 pieces")


WRONG_STEPS = {
    "means": "adding up means: divide by what all pieces hold",
    "mean of means": "a mean of means: a label in a small piece counts for more",
    "cut": "clipping after each piece",
    "tensors": "clipping each tensor's gradient by itself",
    "whole": "no clipping",
    "kept": "a gradient that is not emptied between steps",
}


def stepped(state: dict, steps: list, longest: float) -> dict:
    """Weights and losses after steps of plain gradient descent, each from its pieces."""
    import torch

    model = torch.nn.Linear(5, 4)
    model.load_state_dict(state)
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    losses = [one_step(model, pieces, optimizer, longest) for pieces in steps]
    return {
        "losses": [loss.item() if torch.is_tensor(loss) else loss for loss in losses],
        "weights": {name: weight.detach() for name, weight in model.state_dict().items()},
    }


def _stepped(
    state: dict, steps: Sequence[Sequence], longest: float, mistake: str = ""
) -> tuple[list[float], dict[str, Any]]:
    import torch

    model = torch.nn.Linear(5, 4)
    model.load_state_dict(state)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    weights, losses = list(model.parameters()), []
    for pieces in steps:
        total, count = 0.0, sum((labels != -100).sum() for _, labels in pieces)
        for inputs, labels in pieces:
            logits, flat = model(inputs).flatten(0, 1), labels.flatten()
            loss = torch.nn.functional.cross_entropy(logits, flat, reduction="sum") / count
            if mistake in ("means", "mean of means", "cut"):
                loss = torch.nn.functional.cross_entropy(logits, flat)
            if mistake == "mean of means":
                loss = loss / len(pieces)
            loss.backward()
            total += loss.item()
            if mistake == "cut":
                torch.nn.utils.clip_grad_norm_(weights, longest)
        for cut in [[weight] for weight in weights] if mistake == "tensors" else [weights]:
            torch.nn.utils.clip_grad_norm_(cut, NO_CUT if mistake == "whole" else longest)
        optimizer.step()
        if mistake != "kept":
            optimizer.zero_grad()
        losses.append(total)
    return losses, {name: weight.detach() for name, weight in model.state_dict().items()}


def _weights_stepped(state: dict, steps: Sequence[Sequence], longest: float, mistake: str) -> dict[str, Any]:
    return _stepped(state, steps, longest, mistake)[1]


def _pieces(draw: Draw, number: int, labelled: Sequence[int]) -> list[tuple[Any, Any]]:
    """Pieces of two rows of six places, with that many labels each; the others are -100."""
    import torch

    generator = torch.Generator().manual_seed(draw.seed + 200 + number)
    pieces = []
    for count in labelled:
        labels = torch.full((12,), -100)
        places = torch.randperm(12, generator=generator)[:count]
        labels[places] = torch.randint(4, (count,), generator=generator)
        pieces.append((torch.randn(2, 6, 5, generator=generator), labels.reshape(2, 6)))
    return pieces


# q4: schedules


@exercise.question(
    "q4",
    title="Schedules from their formulas",
    points=3,
    difficulty=2,
    needs=("rates",),
    lesson=RATE + "#Three schedules as formulas",
    hints=(
        "For each: where does it begin, where is its top, where does it end? Write these three down first.",
        "Linear and cosine climb in a straight line and then use p, the share of the rest that is done. "
        "OneCycle is two cosines end to end; PyTorch counts its top from step 0, so it is at climb "
        "× steps − 1, "
        "and the last step is steps − 1.",
        "A cosine from one height to another, for done from 0 to 1:\n"
        "height = end + (start - end) * (1 + math.cos(math.pi * done)) / 2",
    ),
)
def schedules(answer: Answer, draw: Draw) -> None:
    steps = draw.random.choice((40, 50, 60, 80, 100))  # three tenths of it are a whole number
    peak, warmup = draw.random.choice((3e-4, 2e-3, 0.05)), draw.random.randrange(3, 9)
    for name in ("linear", "cosine", "one_cycle"):
        with part(name, points=1):
            for climb in (warmup, 0) if name != "one_cycle" else (warmup,):
                what = f"rates({name!r}, {peak}, {steps}, {climb})"
                found = _listed(answer.call("rates", name, peak, steps, climb))
                expect.each_of(found, (int, float), what)
                expect.length(found, steps, what)
                wanted = _rates(name, peak, steps, climb)
                for step, (mine, right) in enumerate(zip(found, wanted, strict=True)):
                    expect.close(mine, right, f"item {step} of {what}", tolerance=peak / 1e6)


def _rates(name: str, peak: float, steps: int, warmup: int) -> list[float]:
    """tests/checks/chapters/test_the_trainer.py holds these against the libraries' own."""
    if name == "linear":
        return [peak * _linear(step, steps, warmup) for step in range(steps)]
    if name == "cosine":
        return [
            peak * (step / warmup if step < warmup else _wave(1, 0, (step - warmup) / (steps - warmup)))
            for step in range(steps)
        ]
    top, last = 0.3 * steps - 1, steps - 1
    return [
        peak
        * (
            _wave(1 / 25, 1, step / top)
            if step <= top
            else _wave(1, 1 / 25 / 1e4, (step - top) / (last - top))
        )
        for step in range(steps)
    ]


def _wave(start: float, end: float, done: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2


# q5: a loop as arguments


@exercise.question(
    "q5",
    title="A loop as arguments",
    points=4,
    difficulty=2,
    needs=("arguments_for",),
    lesson=LOOP + "#The same as arguments",
    hints=(
        "Go through the loop line by line, and look at the default of each argument that you would not "
        "have written.",
        "Three defaults bite here: max_grad_norm is 1.0 (and 0 means: do not clip), the rows are "
        "shuffled, and "
        "lr_scheduler_type='constant' knows no warm-up, while 'constant_with_warmup' does.",
        "The loop of another library and its settings, with a default that has to be switched off:\n"
        "Oven(temperature=180, minutes=loop['minutes'], fan=False)  # the fan is on unless you say so",
    ),
    seconds=120,
)
def as_arguments(answer: Answer, draw: Draw) -> None:
    base: dict[str, Any] = {
        "batch_size": 4, "accumulation": 1, "steps": 10, "rate": 0.02, "betas": (0.9, 0.999), "eps": 1e-8,
        "decay": 0.0, "longest": None, "schedule": "linear", "warmup": 0,
        "seed": draw.random.randrange(100, 200),  # not the default, 42
    }  # fmt: skip
    cases: dict[str, dict[str, Any]] = {
        "the rate, without clipping": {"schedule": "cosine", "warmup": draw.random.randrange(2, 5)},
        "decay and clipping": {"decay": draw.random.uniform(0.5, 1.5), "longest": 0.05},
        "accumulation, betas, eps, seed": {
            "batch_size": 2, "accumulation": draw.random.choice((2, 4)), "steps": 8,
            "betas": (0.8, 0.95), "eps": 1e-2,
        },
        "a constant rate with a warm-up": {"schedule": "constant", "warmup": draw.random.randrange(2, 5)},
    }  # fmt: skip
    mine = answer.given(regression, with_trainer)
    for number, (name, changed) in enumerate(cases.items()):
        settings = base | changed
        state, rows = _regression_data(draw, number)
        dropout = DROPPED if "seed" in name else 0.0
        with part(name, points=1):
            made = mine.call("with_trainer", state, rows, settings, dropout)
            expect.keys(made, ("steps", "read", "weights"), "a run with your arguments")
            expect.equal(made["steps"], settings["steps"], "the number of steps of your run")
            read = made["read"]
            expect.each_of(read, int, "the places of the rows that were read")
            expect.true(
                read == list(range(len(read))),
                "the rows to be read in their order",
                f"{expect.show(read[:4])} as the first of them: the Trainer shuffles the rows "
                "unless it is told otherwise",
            )
            wrong = {
                words: partial(_as_loop, state, rows, settings | other, dropout)
                for words, other in OTHER_ARGUMENTS.items()
            }
            shown = {key: value for key, value in settings.items() if base[key] != value}
            what = f"the weights of a run with your arguments ({expect.show(shown)})"
            _same_weights(made["weights"], _as_loop(state, rows, settings, dropout), what, wrong)


#: what was done instead -> the settings that come to the same
OTHER_ARGUMENTS: dict[str, dict[str, Any]] = {
    "clipping at 1.0, the default": {"longest": 1.0},
    "no warm-up": {"warmup": 0},
    "no decay": {"decay": 0.0},
    "no clipping": {"longest": None},
    "the default betas and eps": {"betas": (0.9, 0.999), "eps": 1e-8},
    "the default eps": {"eps": 1e-8},
    "the default betas": {"betas": (0.9, 0.999)},
    "no accumulation": {"accumulation": 1},
    "a linear schedule, the default": {"schedule": "linear"},
    "the default seed, 42": {"seed": 42},
}
DROPPED = 0.3  # of the numbers in a layer, where the seed is tested


def regression(state: dict, dropout: float = 0.0) -> Any:
    """A net as the Trainer takes it: it gives its loss itself."""
    import torch

    class Regression(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Linear(3, 4)
            self.norm = torch.nn.LayerNorm(4)
            self.outer = torch.nn.Linear(4, 1)

        def forward(self, x: Any, labels: Any = None) -> dict:
            inner = torch.nn.functional.dropout(self.norm(self.inner(x)), dropout, self.training)
            said = self.outer(torch.tanh(inner)).squeeze(-1)
            return {"loss": ((said - labels) ** 2).mean(), "logits": said}

    model = Regression()
    model.load_state_dict(state)
    return model


def with_trainer(state: dict, rows: list, settings: dict, dropout: float) -> dict:
    """The weights after a run of the Trainer with the learner's arguments."""
    import tempfile

    from transformers import PrinterCallback, ProgressCallback, Trainer, TrainingArguments

    class WatchedRows(list):
        """The rows, which write down in which order they are read."""

        def __getitem__(self, place: Any) -> Any:
            read.append(place)
            return super().__getitem__(place)

    read: list = []
    model = regression(state, dropout)
    with tempfile.TemporaryDirectory() as folder:
        arguments = arguments_for(settings, folder)
        if not isinstance(arguments, TrainingArguments):
            raise TypeError(
                f"`arguments_for` has to return TrainingArguments, not {type(arguments).__name__}"
            )
        arguments.disable_tqdm, arguments.save_strategy = True, type(arguments.save_strategy)("no")
        examples = WatchedRows({"x": x, "labels": y} for x, y in rows)
        try:
            trainer = Trainer(model, arguments, train_dataset=examples)
            for noisy in (PrinterCallback, ProgressCallback):
                trainer.remove_callback(noisy)
            read.clear()
            trainer.train()
        except Exception as error:
            none = " (max_grad_norm is None there; what is no clipping to the Trainer?)"
            why = none if arguments.max_grad_norm is None else ""
            raise RuntimeError(f"with your arguments the Trainer itself raised {error!r}{why}") from error
    weights = {name: weight.detach().cpu() for name, weight in model.state_dict().items()}
    return {"steps": trainer.state.global_step, "read": read, "weights": weights}


def _regression_data(draw: Draw, number: int) -> tuple[dict[str, Any], list[tuple[list[float], float]]]:
    """Weights, and rows whose errors are large, so that clipping at 1.0 would bite."""
    import torch

    generator = torch.Generator().manual_seed(draw.seed + 300 + number)
    shapes = {"inner.weight": (4, 3), "inner.bias": (4,), "norm.weight": (4,), "norm.bias": (4,)}
    shapes |= {"outer.weight": (1, 4), "outer.bias": (1,)}
    state = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    inputs = torch.randn(80, 3, generator=generator)
    targets = 4 * inputs[:, 0] - 3 * inputs[:, 1] + torch.randn(80, generator=generator)
    return state, list(zip(inputs.tolist(), targets.tolist(), strict=True))


def _as_loop(
    state: dict, rows: Sequence, settings: Mapping[str, Any], dropout: float = 0.0
) -> dict[str, Any]:
    """The weights after the loop that the question shows."""
    import torch

    with torch.random.fork_rng(devices=[]):
        model = regression(state, dropout).train()
        torch.manual_seed(settings["seed"])
        iter(torch.utils.data.DataLoader(list(rows)))  # draws a number, in the loop as in the Trainer
        return _weights_as_loop(model, rows, settings)


def _weights_as_loop(model: Any, rows: Sequence, settings: Mapping[str, Any]) -> dict[str, Any]:
    import torch

    weights = list(model.parameters())
    optimizer = torch.optim.AdamW(
        [
            {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": settings["decay"]},
            {"params": [weight for weight in weights if weight.ndim == 1], "weight_decay": 0.0},
        ],
        lr=settings["rate"],
        betas=settings["betas"],
        eps=settings["eps"],
    )
    size, place = settings["batch_size"], 0
    for step in range(settings["steps"]):
        for group in optimizer.param_groups:
            group["lr"] = settings["rate"] * _share(step, settings)
        for _ in range(settings["accumulation"]):
            batch = rows[place : place + size]
            place += size
            x = torch.tensor([row for row, _ in batch])
            loss = model(x, torch.tensor([target for _, target in batch]))["loss"]
            (loss / settings["accumulation"]).backward()
        if settings["longest"] is not None:
            torch.nn.utils.clip_grad_norm_(weights, settings["longest"])
        optimizer.step()
        optimizer.zero_grad()
    return {name: weight.detach() for name, weight in model.state_dict().items()}


def _share(step: int, settings: Mapping[str, Any]) -> float:
    steps, warmup = settings["steps"], settings["warmup"]
    if step < warmup:
        return step / warmup
    if settings["schedule"] == "constant":
        return 1.0
    done = (step - warmup) / (steps - warmup)
    return 1 - done if settings["schedule"] == "linear" else _wave(1, 0, done)


# q6: find a rate

BUDGET = 250  # losses that may be computed
LEFT = 0.25  # of the way from the start to the best rate's loss that may be missing
LOWEST, HIGHEST = 1e-5, 10.0


@exercise.question(
    "q6",
    title="Find a rate on a budget",
    points=4,
    difficulty=3,
    needs=("find_rate",),
    lesson=RATE + "#Its height: the range test",
    hints=(
        "No fixed rate can do: the largest rate that a task tolerates differs by factors of a hundred from "
        "task to task. What does the loss do when the rate is too large, and how early do you see it?",
        "A range test costs one pass: the rate grows by a constant factor with each batch, from low to high, "
        "and you stop when the loss is a few times its lowest or no longer finite. Then stay below the turn, "
        "by a factor of three or so. Or give each of a dozen rates a few batches, and the better half more.",
        "How loud may the music be? Turn it up step by step until the neighbour knocks:\n"
        "while not knocked(volume): volume *= 1.3\n"
        "volume /= 3",
    ),
    seconds=60,
)
def rate_search(answer: Answer, draw: Draw) -> None:
    mine = answer.given(searched)
    tasks = [_linear_task(draw, number, scale) for number, scale in enumerate((0.2, 1.0, 5.0))]
    made = []
    for task in tasks:
        found = mine.call("searched", task["start"], task["batches"], LOWEST, HIGHEST)
        expect.keys(found, ("rate", "losses"), "your search")
        expect.number(found["rate"], "what find_rate returns")
        made.append(found)
    with part("within the budget", points=1):
        most = max(found["losses"] for found in made)
        expect.at_most(most, BUDGET, "the number of losses that find_rate computes")
        expect.at_least(min(found["losses"] for found in made), 1, "the number of losses that it computes")
    for name, task, found in zip(("small", "middling", "large"), tasks, made, strict=True):
        with part(f"a rate that trains, inputs of {name} size", points=1):
            rate = found["rate"]
            expect.true(LOWEST <= rate <= HIGHEST, f"a rate from {LOWEST:g} to {HIGHEST:g}", f"{rate:.3g}")
            start, best, reached = task["before"], task["best"], _after(task, rate)
            missing = (reached - best) / (start - best) if math.isfinite(reached) else math.inf
            side = "too large" if missing > 1 or rate > task["best_rate"] else "too small"
            expect.true(
                missing <= LEFT,
                f"training with your rate to come at least {1 - LEFT:.0%} of the way from the loss at the "
                "start to what the best rate reaches, on fresh rows",
                f"{max(0.0, 1 - missing):.0%} of it with a rate of {rate:.2g}, which is {side}",
            )


def searched(start: list, batches: list, low: float, high: float) -> dict:
    """The learner's rate for a task, and how many losses were computed to find it."""
    import torch

    counted = [0]

    def new_model() -> Any:
        model = torch.nn.Linear(len(start), 1, bias=False)
        with torch.no_grad():
            model.weight.copy_(torch.tensor([start]))
        return model

    def loss_of(model: Any, batch: Any) -> Any:
        counted[0] += 1
        inputs, targets = batch
        return ((model(inputs).squeeze(-1) - targets) ** 2).mean()

    rate = find_rate(new_model, batches, loss_of, low, high)
    return {"rate": rate.item() if torch.is_tensor(rate) else rate, "losses": counted[0]}


def _linear_task(draw: Draw, number: int, scale: float) -> dict[str, Any]:
    """Rows of a linear law whose inputs have a size that is drawn, and what the best of many "
    "rates reaches."""
    import torch

    generator = torch.Generator().manual_seed(draw.seed + 400 + number)
    scale *= draw.random.uniform(0.8, 1.25)
    law = torch.randn(6, generator=generator) / scale
    batches = []
    for _ in range(61):
        inputs = scale * torch.randn(16, 6, generator=generator)
        noise = 0.1 * torch.randn(16, generator=generator)
        batches.append((inputs, inputs @ law + noise))
    task: dict[str, Any] = {"start": [0.0] * 6, "batches": batches[:60], "fresh": batches[60]}
    task["before"] = _after(task, 0.0)
    grid = [LOWEST * (HIGHEST / LOWEST) ** (place / 40) for place in range(41)]
    reached = {rate: _after(task, rate) for rate in grid}
    task["best_rate"] = min(
        grid, key=lambda rate: reached[rate] if math.isfinite(reached[rate]) else math.inf
    )
    task["best"] = reached[task["best_rate"]]
    return task


def _after(task: Mapping[str, Any], rate: float) -> float:
    """The loss on fresh rows after one pass of gradient descent with a constant rate."""
    import torch

    weight = torch.tensor(task["start"])
    for inputs, targets in task["batches"]:
        error = inputs @ weight - targets
        weight = weight - rate * 2 * (error @ inputs) / len(targets)
    inputs, targets = task["fresh"]
    return ((inputs @ weight - targets) ** 2).mean().item()


# q7: a prediction before the measurement

#: What the notebook's `measure` finds; tests/checks/chapters/test_the_trainer.py measures every one of them.
FOUND = {
    "loss": True, "sgd": True, "adamw": False, "clipped": True, "gpt2": False, "declared": False,
}  # fmt: skip


@exercise.question(
    "q7",
    title="Predict, then measure",
    points=2,
    difficulty=3,
    needs=("predictions",),
    lesson=STEP + "#Who divides?",
    hints=(
        "For each statement: is the factor of four in the gradient at all, and what does the "
        "optimizer do with "
        "a gradient that is four times as long?",
        "Plain gradient descent steps in proportion to the gradient. AdamW's first step is the "
        "gradient divided "
        "by its own size. Clipping makes all long gradients equally long. And which model uses the count?",
        "Twice as much salt in a soup is twice as salty; but in a sea, or where the cook takes out all above "
        "one spoon, nobody notices.",
    ),
)
def predict(answer: Answer, draw: Draw) -> None:
    six_predictions(answer, FOUND)


# q8: a checkpoint by hand


@exercise.question(
    "q8",
    title="Stop and resume by hand",
    points=5,
    difficulty=3,
    needs=("save_checkpoint", "load_checkpoint"),
    lesson=RESUME + "#By hand",
    hints=(
        "List everything that changes while a loop runs. Whatever is not in your file begins anew.",
        "Four objects have a state_dict (or, for the step, a number), and there are three sources of random "
        "numbers: torch.get_rng_state(), random.getstate(), numpy.random.get_state(). Put the "
        "states back *last*, "
        "since loading may draw numbers itself. torch.load with weights_only=False reads your own file.",
        "Leaving a game of cards for the night: write down the hands, the pack *in its order*, "
        "whose turn it is.",
    ),
    seconds=60,
)
def resumable(answer: Answer, draw: Draw) -> None:
    import torch

    stop, total = draw.random.randrange(3, 6), 9
    state = _drawn_net(draw, 7)
    data = torch.randn(40, 5, generator=_generator(draw))
    mine = answer.given(small_net, loss_of, interrupted)
    plain = mine.call("interrupted", state, data, stop, total, False)
    expect.keys(plain, ("file",), "a run that was stopped and resumed")
    expect.equal(plain["file"], "a file", "what save_checkpoint leaves at `path`")
    expect.keys(plain, ("whole", "resumed", "step"), "a run that was stopped and resumed")
    with part("the step comes back", points=1):
        later = (
            "the step of a checkpoint that was saved later, to another file: read it from the file at `path`"
        )
        expect.true(
            plain["step"] != stop + 1, f"load_checkpoint to return {stop}", f"{plain['step']}, {later}"
        )
        expect.equal(plain["step"], stop, "what load_checkpoint returns")
    with part("weights, optimizer and schedule come back", points=2):
        wrong = {
            words: partial(_resumed_without, state, data, stop, total, missing)
            for missing, words in {
                "optimizer": "an optimizer that begins anew",
                "schedule": "a schedule that begins anew",
                "both": "an optimizer and a schedule that begin anew",
                "model": "a model that begins anew",
                "later": "a checkpoint that was saved later, to another file",
            }.items()
        }
        wanted = _resumed_without(state, data, stop, total, "")
        _same_weights(plain["whole"], wanted, "the weights of the undisturbed run", {})
        _same_weights(plain["resumed"], wanted, "the weights of the resumed run", wrong)
    with part("bit for bit, with dropout and random batches", points=2):
        drawn = mine.call("interrupted", state, data, stop, total, True)
        off = _distance(
            {
                name: expect.tensor(weight, f"{name} of the resumed run")
                for name, weight in drawn["resumed"].items()
            },
            {
                name: expect.tensor(weight, f"{name} of the whole run")
                for name, weight in drawn["whole"].items()
            },
        )
        expect.true(
            off == 0,
            "the resumed run to end at the weights of the undisturbed one, to the last bit",
            f"a difference of {off:.2g}: are the random states of PyTorch, Python and NumPy all back, and is "
            "nothing drawn after they are?",
        )


def interrupted(state: dict, data: Any, stop: int, total: int, drawn: bool) -> dict:
    """The weights of a whole run, and of one that is stopped, saved, disturbed and resumed."""
    import os
    import pickle
    import random
    import tempfile

    import numpy
    import torch

    def begun(weights: dict) -> tuple[Any, Any, Any]:
        model = small_net(weights)
        model.train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / (total + 1))
        return model, optimizer, schedule

    def run(model: Any, optimizer: Any, schedule: Any, first: int, last: int) -> None:
        for step in range(first, last):
            rows = data[4 * step : 4 * step + 4]
            if drawn:  # one draw of each kind
                rows = data[torch.tensor(random.sample(range(len(data)), 4))]
                rows = rows * float(numpy.random.uniform(0.5, 1.5))
                rows = torch.nn.functional.dropout(rows, 0.3)
            optimizer.zero_grad()
            loss_of(model, (rows, (rows[:, 0] > 0).long())).backward()
            optimizer.step()
            schedule.step()

    def seeded(seed: int) -> None:
        random.seed(seed)
        numpy.random.seed(seed)
        torch.manual_seed(seed)

    before = random.getstate(), numpy.random.get_state(), torch.get_rng_state()
    try:
        seeded(1)
        whole = begun(state)
        run(*whole, 0, total)
        seeded(1)
        first = begun(state)
        run(*first, 0, stop)
        with tempfile.TemporaryDirectory() as folder:
            path, moved = os.path.join(folder, "checkpoint.pt"), os.path.join(folder, "moved.pt")
            save_checkpoint(path, *first, stop)
            if not os.path.isfile(path) or not os.path.getsize(path):
                return {"file": "an empty file" if os.path.isfile(path) else "no file"}
            os.rename(path, moved)  # whatever is not in the file is not there any more
            run(*first, stop, stop + 1)
            save_checkpoint(os.path.join(folder, "later.pt"), *first, stop + 1)
            seeded(2)
            again = begun({name: torch.zeros_like(weight) + 0.1 for name, weight in state.items()})
            try:
                step = load_checkpoint(moved, *again)
            except pickle.UnpicklingError as error:
                if "Weights only load failed" in str(error):  # a page of text, with a terminal's colours
                    error.args = (
                        "Weights only load failed: with weights_only=True, the default, torch.load refuses "
                        "NumPy's state. The file is your own, so weights_only=False may read it.",
                    )
                raise
        run(*again, stop, total)
    finally:
        random.setstate(before[0])
        numpy.random.set_state(before[1])
        torch.set_rng_state(before[2])
    ends = {"whole": whole[0], "resumed": again[0]}
    return {
        "file": "a file",
        "step": step,
        **{name: {key: w.detach() for key, w in model.state_dict().items()} for name, model in ends.items()},
    }


def _resumed_without(state: dict, data: Any, stop: int, total: int, missing: str) -> dict[str, Any]:
    """The weights of the run without random numbers, where a part of the checkpoint was missing."""
    import torch

    model = small_net(state).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
    steps = [*range(total)]
    if missing == "later":  # a checkpoint of one step more
        steps = [*range(stop + 1), *range(stop, total)]
    for taken, step in enumerate(steps):
        counted = step - stop if missing in ("schedule", "both") and step > stop else taken
        if step == stop:
            if missing in ("optimizer", "both"):
                optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
                counted = 0  # until the schedule moves it, a new optimizer has its own rate
            if missing == "model":
                with torch.no_grad():
                    for weight in model.parameters():
                        weight.fill_(0.1)
        for group in optimizer.param_groups:
            group["lr"] = 0.05 * (1 - counted / (total + 1))
        rows = data[4 * step : 4 * step + 4]
        optimizer.zero_grad()
        loss_of(model, (rows, (rows[:, 0] > 0).long())).backward()
        optimizer.step()
    return {name: weight.detach() for name, weight in model.state_dict().items()}


exercise.manual(
    "q9",
    title="Would you believe this report?",
    points=4,
    difficulty=2,
    lesson=RATE + "#Was it worth it?",
    hints=(
        "For each sentence of the report ask: could the same sentence be written if the schedules "
        "were equal?",
        "How many seeds, whose learning rate, which rows chose, and what is the interval of the "
        "difference? Then "
        "count what twelve runs can pay for.",
        "Two running shoes, one runner, one race each, the second on a day without wind: what would you ask "
        "for before you buy?",
    ),
)
