"""The questions of chapter 12: preferences, rewards, a counterfactual test, the ELBO,
the map of ideas, and a check-list.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from course_utils.checks import expect
from course_utils.checks.draw import Draw
from course_utils.checks.framework import Exercise, part
from course_utils.wire.answer import Answer

if TYPE_CHECKING:
    import numpy as np
    import torch

LESSONS = "lessons/12_where_next/"
PREFERENCES = LESSONS + "01_learning_from_preferences.ipynb"
REWARDS = LESSONS + "02_a_reward_to_climb.ipynb"
HARMED = LESSONS + "03_who_is_harmed.ipynb"
IDEAS = LESSONS + "04_from_autoencoders_to_today.ipynb"
SHIP = LESSONS + "05_before_you_ship.ipynb"

exercise = Exercise(
    "12_where_next",
    title="Where next",
    minutes=80,
    difficulty="medium",
    cost="half a minute on two cores",
)


# Independent implementations that answers are held against


def dpo_loss(
    chosen: Any, rejected: Any, reference_chosen: Any, reference_rejected: Any, beta: float
) -> float:
    """The mean of log(1 + exp(-beta × margin)), in float64 NumPy (Rafailov et al. 2023, equation 7).

    Each of the four holds log probabilities in nats, one a pair: (pairs,).
    """
    import numpy as np

    chosen, rejected, reference_chosen, reference_rejected = (
        np.asarray(values, dtype="float64")
        for values in (chosen, rejected, reference_chosen, reference_rejected)
    )
    margin = (chosen - reference_chosen) - (rejected - reference_rejected)
    return float(np.logaddexp(0, -beta * margin).mean())


def elbo(
    pixels: torch.Tensor, rebuilt: torch.Tensor, mean: torch.Tensor, log_variance: torch.Tensor, spread: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """(log p(x|z), KL(q, standard normal)) for each picture, (pictures,) in nats, by torch.distributions.

    pixels, rebuilt: (pictures, pixels). mean, log_variance: (pictures, numbers of a code).
    """
    import torch
    from torch.distributions import Normal, kl_divergence

    cloud = Normal(mean, (log_variance / 2).exp())
    likelihood = Normal(rebuilt, spread).log_prob(pixels).sum(-1)
    return likelihood, kl_divergence(cloud, Normal(torch.zeros_like(mean), 1.0)).sum(-1)


# q1: predict


def _base() -> dict[str, float]:
    return {
        "chosen": -9.0,
        "rejected": -11.0,
        "reference_chosen": -10.0,
        "reference_rejected": -10.5,
        "beta": 0.2,
    }


CHANGES = {
    "both replies gain 2": {"chosen": -7.0, "rejected": -9.0},
    "both replies lose, the rejected one more": {"chosen": -12.0, "rejected": -20.0},
    "the reference likes the chosen reply better": {"reference_chosen": -8.0},
    "beta doubles": {"beta": 0.4},
}


@exercise.question(
    "q1",
    title="Predict which way the loss goes",
    points=4,
    difficulty=1,
    needs=("forecast",),
    lesson=PREFERENCES + "#The loss, by hand",
    hints=(
        "Only one number enters the loss: beta times the margin. Write the margin of the start down first.",
        (
            "The margin is (chosen - reference_chosen) - (rejected - reference_rejected). A larger beta × "
            "margin, a lower loss."
        ),
        "Of two runners only the lead counts: if both are 2 seconds faster, the lead is the same.",
    ),
)
def predict(answer: Answer, draw: Draw) -> None:
    found = answer.call("forecast")
    expect.keys(found, CHANGES, "forecast()")
    before = dpo_loss(**_base())
    for change, values in CHANGES.items():
        with part(change, points=1):
            expect.one_of(found[change], ["lower", "same", "higher"], f"forecast()[{change!r}]")
            after = dpo_loss(**(_base() | values))
            truth = "same" if abs(after - before) < 1e-9 else "lower" if after < before else "higher"
            expect.true(
                found[change] == truth,
                (
                    f"forecast()[{change!r}] to agree with the measurement, loss {before:.3f} before and "
                    f"{after:.3f} after"
                ),
                expect.show(found[change]),
            )


# q2: the loss


@exercise.question(
    "q2",
    title="The DPO loss and where it pushes",
    points=4,
    difficulty=2,
    needs=("dpo_loss", "dpo_gradients"),
    lesson=PREFERENCES + "#The loss, by hand",
    hints=(
        "First make the margin, with one number per pair. What should the loss be if it is 0?",
        "torch.nn.functional.logsigmoid stays finite where log(sigmoid(x)) does not. For the gradients, "
        "make copies that require them: chosen.clone().requires_grad_().",
        "The slope of a mean of squares:\nx = x.clone().requires_grad_()\n(x ** 2).mean().backward()\nx.grad",
    ),
)
def loss_and_gradient(answer: Answer, draw: Draw) -> None:
    import torch

    values = torch.tensor(draw.numpy().normal(-12, 4, size=(4, 7)))
    beta = draw.random.uniform(0.1, 0.6)
    given = [*values, beta]
    what = "dpo_loss(chosen, rejected, reference_chosen, reference_rejected, beta)"
    with part("the loss of seven pairs", points=2):
        expect.close(
            _number(answer.call("dpo_loss", *given), what),
            dpo_loss(*given),
            what,
            tolerance=1e-5,
        )
    with part("margins of thousands stay finite", points=1):
        large = torch.tensor([[-4000.0, -10.0], [-10.0, -4000.0], [-10.0, -10.0], [-10.0, -10.0]])
        given = [*large, beta]
        what = f"{what} with margins of -3990 and 3990"
        expect.close(_number(answer.call("dpo_loss", *given), what), dpo_loss(*given), what, tolerance=1e-3)
    with part("the gradients", points=1):
        found = answer.call("dpo_gradients", *values, beta)
        expect.type_of(found, (tuple, list), "dpo_gradients(…)")
        expect.length(found, 2, "dpo_gradients(…): for chosen and for rejected")
        margin = (values[0] - values[2]) - (values[1] - values[3])
        slope = -beta * torch.sigmoid(-beta * margin) / 7
        expect.all_close(found[0], slope, "the gradient for the chosen replies", tolerance=1e-5)
        expect.all_close(found[1], -slope, "the gradient for the rejected replies", tolerance=1e-5)


def _number(found: Any, what: str) -> float:
    """A number, or the number in a tensor without sides."""
    import torch

    if isinstance(found, torch.Tensor) and found.ndim == 0:
        found = found.item()
    expect.number(found, what)
    return found


# q3: find the bug


@exercise.question(
    "q3",
    title="Find the bug: a reply that is paid for its prompt",
    points=3,
    difficulty=2,
    needs=("reply_log_probability",),
    lesson=PREFERENCES + "#The loss, by hand",
    hints=(
        "Which token do the logits at position 3 predict?",
        "The logits at place i are about the token at place i + 1. And only the reply's tokens count: the "
        "first of them is predicted at the last position of the prompt.",
        "A forecast for tomorrow is held against tomorrow's weather:\nright = forecasts[:-1] == weather[1:]",
    ),
)
def reply_only(answer: Answer, draw: Draw) -> None:
    import torch

    generator = draw.numpy()
    length, begin = 9, draw.random.randrange(3, 6)
    logits = torch.tensor(
        generator.normal(6, 2, size=(length, 12))
    )  # no log probabilities: nearly all above 0
    tokens = torch.tensor(generator.integers(0, 12, size=length))
    what = f"reply_log_probability(logits, tokens, {begin})"
    logs = logits.log_softmax(-1)
    truth = math.fsum(logs[place - 1, tokens[place]].item() for place in range(begin, length))
    found = _number(answer.call("reply_log_probability", logits, tokens, begin), what)
    with part("the sum over the reply's tokens", points=2):
        same_places = math.fsum(logs[place, tokens[place]].item() for place in range(begin, length))
        expect.true(
            abs(found - same_places) > 1e-5,
            f"{what} to take each token's forecast from the place before it: logits are about the next token",
            f"{found:.6g}, the sum of the reply's tokens under the logits at their own places",
        )
        one_short = truth - logs[begin - 1, tokens[begin]].item()
        expect.true(
            abs(found - one_short) > 1e-5,
            f"{what} to count the reply's first token too, which the prompt's last place forecasts",
            f"{found:.6g}, the sum without it",
        )
        expect.close(found, truth, what, tolerance=1e-5)
    with part("the prompt does not count", points=1):
        other, words = logits.clone(), tokens.clone()
        other[: begin - 1] = torch.tensor(generator.normal(6, 2, size=(begin - 1, 12)))
        words[:begin] = (words[:begin] + 1) % 12
        again = answer.call("reply_log_probability", other, words, begin)
        expect.close(
            _number(again, what),
            found,
            f"{what} with another prompt and the same forecasts for the reply",
            tolerance=1e-5,
        )
        expect.true(found < 0, f"{what} to be a log probability, below 0", expect.show(found))


# q4: counterfactual pairs


@exercise.question(
    "q4",
    title="The other side of a text",
    points=3,
    difficulty=2,
    needs=("counterfactual",),
    lesson=HARMED + "#The counterfactual test",
    hints=(
        "What becomes of a text that holds both names of a pair, if you replace one after the other?",
        (
            "All names must be replaced in one pass. re.sub takes a function that is given each match; \\b "
            "keeps to whole words."
        ),
        "Left and right change places:\n"
        're.sub(r"\\b(left|right)\\b", lambda found: {"left": "right", "right": "left"}[found[0]], text)',
    ),
)
def other_side(answer: Answer, draw: Draw) -> None:
    names = ["May", *draw.sample(["Ada", "Ivy", "Rosa", "Vera", "Nora"], 2)]
    draw.random.shuffle(names)
    others = draw.sample(["Otto", "Ned", "Hugh", "Karl", "Amos", "Felix"], 3)
    pairs = dict(zip(names, others, strict=True))
    reviews = [row["text"] for row in draw.rows("reviews", 4)]
    one = [f"{name} writes: {text}" for name, text in zip([*names, names[0]], reviews, strict=True)]
    back = [f"{name} writes: {text}" for name, text in zip([*others, others[0]], reviews, strict=True)]
    _same_texts(answer, "each name becomes its partner", one, pairs)
    _same_texts(
        answer,
        "both ways, in one pass",
        [*back, f"{names[0]} met {others[0]}, and {others[1]} met {names[1]}."],
        pairs,
    )
    longer = [
        f"{names[0]}ford is near {others[0]}well, says {names[2]}.",
        f"{names[1]}'s boat; {others[1]}, {names[1]}!",
        f"{others[2]} may write to May, and you may go.",  # the verb is no name
    ]
    _same_texts(answer, "whole words only, as they are written", longer, pairs)


def _same_texts(answer: Answer, name: str, texts: Iterable[str], pairs: dict[str, str]) -> None:
    both = pairs | {other: one for one, other in pairs.items()}
    with part(name, points=1):
        for text in texts:
            truth = re.sub("|".join(rf"\b{word}\b" for word in both), lambda found: both[found[0]], text)
            expect.equal(
                answer.call("counterfactual", text, pairs), truth, f"counterfactual({text!r}, {pairs})"
            )


# q5: the gap


@exercise.question(
    "q5",
    title="How large is the gap?",
    points=3,
    difficulty=2,
    needs=("counterfactual_gap",),
    lesson=HARMED + "#The counterfactual test",
    hints=(
        "One number per text: what changed when only the name did?",
        "Subtract text by text, then the bootstrap of chapter 04 over the differences. A verdict flips if "
        "one of the two scores is above 0.5 and the other is not.",
        "The mean change of twelve weights and its interval:\n"
        "places = generator.integers(0, 12, size=(1000, 12))\n"
        "np.quantile(changes[places].mean(axis=1), [0.025, 0.975])",
    ),
)
def gap(answer: Answer, draw: Draw) -> None:
    first, second = _scored_twice(draw)
    found = _gap(answer, first, second, 1)
    changes = first - second
    with part("the gap", points=1):
        expect.close(found["gap"], float(changes.mean()), "the mean of first - second", tolerance=1e-6)
    with part("the interval, pair by pair", points=1):
        expect.true(
            found["low"] < found["gap"] < found["high"],
            '"low" below your gap and "high" above it',
            expect.show(found),
        )
        # chance moves the ends of one bootstrap; the mean over twelve tells 95 % from 90 % and from 99 %
        # sizes without their sign are the first part's fault: they have an interval of their own
        sizes = abs(found["gap"] - float(abs(changes).mean())) < 1e-6
        ratios = [_relative_width(answer, *_scored_twice(draw), seed, sizes) for seed in range(12)]
        expect.close(
            sum(ratios) / len(ratios),
            1.0,
            "the width of the interval of the differences, pair by pair, as a share of a 95 % interval's,",
            tolerance=WIDTH_TOLERANCE,
        )
        again, other = (_gap(answer, first, second, seed) for seed in (1, 2))
        expect.close(again["low"], found["low"], '"low" with the same seed, asked again,', tolerance=1e-9)
        expect.true(
            (other["low"], other["high"]) != (found["low"], found["high"]),
            "a bootstrap interval, drawn with `seed`: with another seed it ends a little elsewhere",
            f"{found['low']:.6g} to {found['high']:.6g} with seed 1 and with seed 2",
        )
    with part("the verdicts that flip", points=1):
        flips = float(((first > 0.5) != (second > 0.5)).mean())
        expect.close(found["flips"], flips, "the share of verdicts that flip, either way,", tolerance=1e-6)


#: The mean width of twelve intervals: a 90 % interval has 0.84, a 99 % one 1.31
WIDTH_TOLERANCE = 0.08


def _scored_twice(draw: Draw) -> tuple[np.ndarray, np.ndarray]:
    """Two scores of 200 texts, 0 to 1; most verdicts that flip become negative, and three become positive."""
    generator = draw.numpy()
    first = generator.uniform(0.02, 0.98, size=200)
    second = (first - 0.08 + generator.normal(0, 0.05, size=200)).clip(0, 1)
    first[:3], second[:3] = 0.46, (0.53, 0.55, 0.58)
    first[3:8], second[3:8] = (0.5, 0.5, 0.5, 0.55, 0.58), (0.46, 0.42, 0.4, 0.5, 0.5)  # 0.5 is not above 0.5
    return first, second


def _gap(answer: Answer, first: np.ndarray, second: np.ndarray, seed: int) -> dict[str, float]:
    names = ("gap", "low", "high", "flips")
    found = answer.call("counterfactual_gap", first.tolist(), second.tolist(), seed)
    expect.keys(found, names, "counterfactual_gap(first, second, seed)")
    for name in names:
        expect.number(found[name], f'"{name}" of the result')
    return found


def _relative_width(
    answer: Answer, first: np.ndarray, second: np.ndarray, seed: int, sizes: bool = False
) -> float:
    """The width in widths of the normal law's 95 % interval, of the changes or of their sizes."""
    found, changes = _gap(answer, first, second, seed), first - second
    changes = abs(changes) if sizes else changes
    return (found["high"] - found["low"]) / (2 * 1.96 * changes.std(ddof=1) / len(changes) ** 0.5)


# q6: the ELBO


@exercise.question(
    "q6",
    title="The two halves of the ELBO",
    points=3,
    difficulty=2,
    needs=("elbo_parts",),
    lesson=IDEAS + "#The variational autoencoder (Kingma and Welling, 2014)",
    hints=(
        "Each half is one number per picture: a sum over pixels, and a sum over the numbers of the code.",
        "The log density of a normal distribution has three terms, one of them depends on the pixel. The "
        "divergence is half the sum of mean² + variance - 1 - log variance, and the variance is "
        "exp(log_variance).",
        "The log density of one weight of 70 kg, if weights are 60 kg with a spread of 8 kg:\n"
        "-0.5 * ((70 - 60) / 8) ** 2 - math.log(8) - 0.5 * math.log(2 * math.pi)",
    ),
)
def elbo_parts(answer: Answer, draw: Draw) -> None:
    import torch

    generator = draw.numpy()
    pixels, rebuilt = (torch.tensor(generator.uniform(0, 1, size=(5, 30))) for _ in range(2))
    mean, log_variance = (torch.tensor(generator.normal(0, 0.8, size=(5, 3))) for _ in range(2))
    spread = draw.random.uniform(0.2, 0.6)
    found = answer.call("elbo_parts", pixels, rebuilt, mean, log_variance, spread)
    expect.type_of(found, (tuple, list), "elbo_parts(…)")
    expect.length(found, 2, "elbo_parts(…): rebuilt and divergence")
    likelihood, divergence = elbo(pixels, rebuilt, mean, log_variance, spread)
    for half, name in zip(found, ("the first half", "the second half"), strict=True):
        expect.shape(half, (5,), name)
    with part("how well the picture is rebuilt", points=1):
        expect.all_close(found[0], likelihood, "log p(picture | code) of each picture", tolerance=1e-4)
    with part("the divergence", points=2):
        expect.all_close(found[1], divergence, "the divergence of each code", tolerance=1e-5)


# q7: the map

CLAIMS = {
    "VAE": "maximises a lower bound of log p(x); an encoder and a decoder",
    "GAN": "plays a game: at its best, the critic says p ÷ (p + g)",
    "diffusion": "adds noise in many fixed steps and learns to undo one",
    "Transformer": "is no loss at all, but a way to let every place look at every other",
    "language model": "writes log p(text) as an exact sum over next tokens",
    "autoencoding text": "predicts hidden tokens from both sides",
    "preference tuning": "needs pairs of answers and a frozen reference",
    "text to image": "undoes noise in a compressed space while it reads a wish",
}
GROUPS = {
    "pictures": ("VAE", "GAN", "diffusion"),
    "text": ("Transformer", "language model", "autoencoding text"),
    "people's wishes": ("preference tuning", "text to image"),
}


@exercise.question(
    "q7",
    title="The map of ideas",
    points=3,
    difficulty=1,
    needs=("map_of_ideas",),
    lesson=IDEAS + "#The map",
    hints=(
        "Begin with the three whose formula the lesson computed.",
        "Look at the third line in each box of the lesson's map: what is optimised.",
        "A bicycle is turned by feet, a windmill by wind: ask of each family what drives it.",
    ),
)
def ideas(answer: Answer, draw: Draw) -> None:
    found = answer.call("map_of_ideas")
    expect.keys(found, CLAIMS, "map_of_ideas()")
    for group, families in GROUPS.items():
        with part(group, points=1):
            for family in families:
                expect.one_of(found[family], list("ABCDEFGH"), f"map_of_ideas()[{family!r}]")
                expect.true(
                    found[family] == LETTERS[family],
                    f"map_of_ideas()[{family!r}] to be the statement that describes it",
                    f"{found[family]}: it {CLAIMS[_FAMILY_OF[found[family]]]}",
                )


#: The statements' letters in the notebook, which lists them in another order than the map.
LETTERS = dict(
    zip(
        (
            "language model",
            "diffusion",
            "preference tuning",
            "VAE",
            "autoencoding text",
            "Transformer",
            "text to image",
            "GAN",
        ),
        "ABCDEFGH",
        strict=True,
    )
)
_FAMILY_OF = {letter: family for family, letter in LETTERS.items()}


# q8: the check-list


@exercise.question(
    "q8",
    title="Hold the list against the files",
    points=4,
    difficulty=2,
    needs=("faults",),
    lesson=SHIP + "#The check-list",
    hints=(
        "Which lines of the list can be settled by a file, and which only by reading them?",
        'json.loads(files["results.json"]) holds the numbers. A number on the list may be rounded to two '
        "digits, so compare "
        "with abs(a - b) <= 0.005. A text of blanks is empty too: strip().",
        "Which of the shopping list is missing or too little:\n"
        "faults = [name for name, count in wanted.items() if bag.get(name, 0) < count]",
    ),
)
def checklist_faults(answer: Answer, draw: Draw) -> None:
    honest, files = _shipped(draw)
    hundredths = draw.random.randrange(60, 90)
    with part("an honest list has no faults", points=1):
        _found(answer, honest, files, [], "an honest list, rounded to two digits")
        _found(answer, honest | {"n": honest["n"] + 1}, files, ["n"], "a list with another n")
        exact = {"results.json": f'{{"accuracy": 0.{hundredths}62, "n": {honest["n"]}}}'}
        near = honest | {"accuracy": float(f"0.{hundredths}37")}
        _found(answer, near, files | exact, [], "a list of four digits, 0.0025 from the results")
    with part("files that are not there", points=1):
        name = draw.random.choice(honest["files"])
        rest = {file: text for file, text in files.items() if file != name}
        _found(answer, honest, rest, ["files"], f"a list that names {name}, which is not there")
    with part("numbers that do not match", points=1):
        for change in (0.02, -0.02):
            wrong = honest | {"accuracy": round(honest["accuracy"] + change, 2)}
            _found(
                answer, wrong, files, ["accuracy"], f"a list whose accuracy is {change:+} from the results"
            )
    with part("lines that nobody filled in", points=1):
        _found(
            answer,
            honest | {"licence": "", "limitations": "  "},
            files,
            ["licence", "limitations"],
            "a list with two empty lines",
        )


def _shipped(draw: Draw) -> tuple[dict[str, Any], dict[str, str]]:
    """A true check-list and {file name: text} of what is shipped."""
    score, count = round(draw.random.uniform(0.6, 0.9), 4), draw.random.randrange(100, 900)
    names = ["config.json", "tokenizer.json", "README.md"]
    files = dict.fromkeys(names, "…") | {"results.json": f'{{"accuracy": {score}, "n": {count}}}'}
    honest = {
        "files": names,
        "accuracy": round(score, 2),
        "n": count,
        "licence": "apache-2.0",
        "limitations": "One town only.",
    }
    return honest, files


def _found(
    answer: Answer, checklist: dict[str, Any], files: dict[str, str], truth: list[str], what: str
) -> None:
    found = answer.call("faults", checklist, files)
    expect.type_of(found, (list, tuple, set), f"faults(checklist, files) of {what}")
    expect.equal(sorted(map(str, found)), truth, f"the faults of {what}")


exercise.manual(
    "q9",
    title="Would you let it answer?",
    points=3,
    difficulty=2,
    lesson=PREFERENCES + "#Alignment, in a few sentences",
    hints=(
        "Which of the numbers is about what people would read?",
        "Ask of each number: who chose, on which prompts, and what was never asked?",
        "A waiter who always smiles and never brings the soup wins every comparison of smiles.",
    ),
)


# q10: rewards


@exercise.question(
    "q10",
    title="A judge, and a group to climb in",
    points=4,
    difficulty=2,
    needs=("reward_loss", "advantages"),
    lesson=REWARDS + "#A reward model",
    hints=(
        "Both are one line each. What should the loss be when the judge cannot tell the two replies apart?",
        "The loss is q2's, with no reference and no beta. For the advantages, mean(1, keepdim=True)"
        " and std(1, keepdim=True) are one number for each prompt; a group without any difference has a "
        "deviation of 0.",
        "How far each runner is before their own race's mean, in seconds:\n"
        "ahead = times.mean(1, keepdim=True) - times  # times: (races, runners)",
    ),
)
def rewards(answer: Answer, draw: Draw) -> None:
    import numpy as np
    import torch

    generator = draw.numpy()
    chosen, rejected = torch.tensor(generator.normal(0, 3, size=(2, 7)))
    what = "reward_loss(chosen, rejected)"
    with part("the reward model's loss", points=1):
        truth = float(np.logaddexp(0, (rejected - chosen).numpy()).mean())
        expect.close(_number(answer.call("reward_loss", chosen, rejected), what), truth, what, tolerance=1e-5)
    with part("rewards that lie thousands apart stay finite", points=1):
        far = torch.tensor([[-3000.0, 2000.0], [3000.0, -2000.0]])
        truth = 3000.0  # a loss of 6000 and one of 0
        found = answer.call("reward_loss", *far)
        expect.close(
            _number(found, what), truth, f"{what} with differences of -6000 and 4000", tolerance=1e-2
        )
    prompts, replies = draw.random.choice(((3, 5), (4, 6), (5, 4)))
    # each prompt has a level and a spread of its own
    levels, spreads = (
        generator.uniform(-4, 4, size=(prompts, 1)),
        generator.uniform(0.5, 3, size=(prompts, 1)),
    )
    scores = torch.tensor(generator.normal(levels, spreads, size=(prompts, replies)))
    what = f"advantages(rewards) of {prompts} prompts with {replies} replies each"
    with part("each reward against its own group", points=1):
        found = expect.tensor(answer.call("advantages", scores), what, (prompts, replies))
        truth = (scores - scores.mean(1, keepdim=True)) / scores.std(1, keepdim=True)
        over_all = (scores - scores.mean()) / scores.std()
        expect.true(
            not torch.allclose(found.double(), over_all, atol=1e-2),
            f"{what} to compare each reply with the replies to the same prompt",
            "what comes of the mean and deviation over all prompts together",
        )
        expect.all_close(found, truth, what, tolerance=2e-3)
    with part("a group without a difference", points=1):
        scores[0] = draw.random.choice((0.0, 1.0))
        what = "advantages(rewards) with a first prompt whose replies all have the same reward"
        found = expect.tensor(answer.call("advantages", scores), what, (prompts, replies))
        expect.true(
            bool(torch.isfinite(found).all()),
            f"{what} to hold numbers only",
            "a value that is no number (0 / 0)",
        )
        expect.all_close(found[0], torch.zeros(replies), f"{what}: its row", tolerance=1e-6)


# q11: in service


@exercise.question(
    "q11",
    title="Keep it, or go back?",
    points=3,
    difficulty=2,
    needs=("verdict",),
    lesson=SHIP + "#In production",
    hints=(
        "Three heaps come out of the log: the lines of the right version, the marks among them, and their "
        "times. What does each rule look at?",
        'A line that nobody has marked holds None, which is not False: line["right"] is not None. The place '
        "of the percentile in the sorted times is math.ceil(0.95 * n) - 1, counted from 0. "
        "proportion(marks).high is the upper end of the interval. Ask for *go back* before *mark more*.",
        "The weight that nine in ten of forty parcels do not exceed:\n"
        "sorted(weights)[math.ceil(0.9 * len(weights)) - 1]    # the 36th",
    ),
)
def in_service(answer: Answer, draw: Draw) -> None:
    version, other = draw.sample(("v1", "v2", "2026-10-a", "2026-11-b"), 2)
    promise = {
        "version": version,
        "accuracy": draw.random.randrange(84, 92) / 100,
        "milliseconds": draw.random.randrange(150, 400),
        "marks": draw.random.randrange(60, 100),
    }
    sound, good, poor = (promise["accuracy"] + more for more in (0.06, -0.02, -0.3))

    def lines(count: int, share: float, unmarked: int = 0, late: int = 0, name: str = version) -> list[dict]:
        """Lines of a log: `count` are marked, this share right; `late` of all are slower than promised."""
        marks = [place < round(share * count) for place in range(count)] + [None] * unmarked
        times = [draw.random.uniform(0.2, 0.9) for _ in marks]
        for place in draw.sample(range(len(marks)), late):
            times[place] = draw.random.uniform(1.1, 3)
        found = [
            {"version": name, "milliseconds": round(time * promise["milliseconds"], 1), "right": mark}
            for time, mark in zip(times, marks, strict=True)
        ]
        return draw.sample(found, len(found))

    def judge(log: list[dict], truth: str, what: str) -> None:
        found = answer.call("verdict", log, promise)
        expect.type_of(found, str, f"verdict(log, {promise}) of {what}")
        expect.equal(found, truth, f"verdict(log, {promise}) of {what}")

    many, few = 3 * promise["marks"], promise["marks"] - 20
    with part("a sample against the promise, with its interval", points=1):
        judge(lines(many, good), "keep", f"{many} marks, a little below the promise but not for sure")
        judge(lines(many, poor), "go back", f"{many} marks, 30 points below the promise")
        judge(lines(promise["marks"], good), "keep", f"just as many marks as it takes, {promise['marks']}")
        judge(lines(many, good, unmarked=2 * many), "keep", "lines of which two in three are not marked")
        judge(lines(few, poor), "mark more", f"{few} marks, where it takes {promise['marks']}")
    with part("the 95th percentile of the times", points=1):
        judge(lines(200, sound, late=10), "keep", "200 lines, of which 10 came later than promised")
        judge(lines(200, sound, late=11), "go back", "200 lines, of which 11 came later than promised")
        unmarked = lines(many, sound) + [line | {"right": None} for line in lines(60, 1, late=40)]
        judge(unmarked, "go back", "a log whose late lines are those that nobody marked")
        judge(lines(few, sound, late=few // 2), "go back", f"{few} marks, and half of the lines late")
    with part("this version's lines only", points=1):
        ours, theirs = lines(many, sound), lines(many, poor, late=many // 3, name=other)
        judge(
            draw.sample(ours + theirs, 2 * many),
            "keep",
            f"a log with as many poor and late lines of {other!r}",
        )
        fine = lines(4 * many, 1.0, name=other)
        judge(lines(many, poor) + fine, "go back", f"a log with four times as many good lines of {other!r}")
        judge(lines(few, sound) + fine, "mark more", f"{few} marks, and many of {other!r}")
        judge(fine, "nothing", f"a log that holds lines of {other!r} alone")
        judge([], "nothing", "an empty log")
