"""The questions of chapter 05: prompts, the arithmetic of memory and money,
learning curves, and the decision.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from course_utils.checks import expect
from course_utils.checks.draw import Draw
from course_utils.checks.framework import Exercise, part
from course_utils.wire.answer import Answer

if TYPE_CHECKING:
    from random import Random

    import torch

if TYPE_CHECKING:  # what a learner's notebook holds, for the function that is sent there
    template: Any = None

LESSONS = "lessons/05_train_or_not/"
ASK = LESSONS + "01_ask_before_you_train.ipynb"
COST = LESSONS + "02_what_a_run_costs.ipynb"
PEOPLE = LESSONS + "04_labels_that_people_gave.ipynb"
DATA = LESSONS + "03_how_much_data_is_enough.ipynb"

exercise = Exercise(
    "05_train_or_not",
    title="Should you train at all?",
    minutes=95,
    difficulty="medium",
    cost="half a minute on two cores; nothing is trained",
)


# q1: a few-shot prompt


@exercise.question(
    "q1",
    title="Build a few-shot prompt",
    points=4,
    difficulty=2,
    needs=("few_shot",),
    lesson=ASK + "#Few-shot: show some examples",
    hints=(
        "Three things can go wrong: one label is shown more often, the question's own text is among the "
        "examples, and the prompt is too long. Which lines of yours see to each?",
        "Go through the labels round by round, one example of each, in random order; leave out an example "
        "whose text is the question's. Then drop whole examples from the end until the count of words is "
        "at most `longest`.",
        "Choosing two apples and two pears from a basket at random:\n"
        'kinds = {"apple": [...], "pear": [...]}\n'
        "dice = random.Random(seed)\n"
        "picked = [fruit for kind in kinds for fruit in dice.sample(kinds[kind], 2)]\n"
        "dice.shuffle(picked)",
    ),
)
def few_shot(answer: Answer, draw: Draw) -> None:
    pool, question, labels = _notices(draw)
    seeds = draw.sample(range(1000), 6)
    prompts = [answer.call("few_shot", pool, question, 2 * len(labels), 10_000, seed) for seed in seeds]
    for prompt in prompts:
        expect.type_of(prompt, str, "few_shot(…)")
    known = {f"Text: {row['text']}\nLabel: {row['label']}": row for row in pool}
    shown = [_shown(prompt, known, question) for prompt in prompts]
    with part("each label is shown equally often, and no answer is given away", points=1):
        for rows in shown:
            counts = Counter(row["label"] for row in rows)
            expect.equal(
                dict(sorted(counts.items())),
                dict.fromkeys(sorted(labels), 2),
                "how often each label is shown",
            )
            expect.true(
                question not in [row["text"] for row in rows],
                "examples that are not the question itself",
                "the question's own text, with its label, among the examples",
            )
    with part("the examples and the order of their labels are random", points=1):
        orders = {tuple(row["label"] for row in rows) for rows in shown}
        expect.at_least(len(orders), 4, "the number of different orders of labels, for 6 seeds")
        drawn = {row["text"] for rows in shown for row in rows if row["label"] == labels[0]}
        expect.at_least(
            len(drawn),
            5,
            f"the number of different examples of {labels[0]!r}, which the pool has many of, for 6 seeds",
        )
        again = answer.call("few_shot", pool, question, 2 * len(labels), 10_000, seeds[0])
        expect.equal(again, prompts[0], "few_shot(…) with the same seed, asked again")
    with part("it fits", points=2):
        whole = shown[1]
        exactly = _words(whole[:3], question)  # three examples fit, and not a word more
        for longest in (60, 90, 12, exactly):
            what = f"few_shot(…) with longest={longest}"
            prompt = answer.call("few_shot", pool, question, 2 * len(labels), longest, seeds[1])
            expect.type_of(prompt, str, what)
            rows = _shown(prompt, known, question)
            expect.at_most(len(prompt.split()), max(longest, _words([], question)), f"the words of {what}")
            expect.true(
                rows == whole[: len(rows)],
                (
                    f"{what} to begin like the whole prompt with this seed, and to leave out examples "
                    "from the end"
                ),
                "other examples, or another order",
            )
            fit = max((n for n in range(len(whole) + 1) if _words(whole[:n], question) <= longest), default=0)
            expect.true(
                len(rows) == fit,
                f"{what} to leave out no more examples than it must: {fit} of them fit",
                f"{len(rows)} examples",
            )


def _words(rows: Iterable[Mapping[str, str]], question: str) -> int:
    return len(_prompt(rows, question).split())


def _prompt(rows: Iterable[Mapping[str, str]], question: str) -> str:
    """The format of the question, written out."""
    examples = "".join(f"Text: {row['text']}\nLabel: {row['label']}\n\n" for row in rows)
    return f"{examples}Text: {question}\nLabel:"


def _shown(prompt: str, known: Mapping[str, dict[str, str]], question: str) -> list[dict[str, str]]:
    """The examples in a prompt; outside a part, so that a prompt of another form ends the question."""
    end = _prompt([], question)
    expect.equal(prompt[-len(end) :], end, "the end of the prompt")
    *examples, last = prompt.split("\n\n")
    expect.true(
        last == end,
        "an empty line between an example and what comes after it",
        f"none before the end: {prompt[-len(end) - 60 :]!r}",
    )
    for example in examples:
        expect.true(
            example in known,
            'examples of the form "Text: …\\nLabel: …", as they are in the pool',
            expect.show(example),
        )
    expect.equal(len(set(examples)), len(examples), "the number of different examples")
    return [known[example] for example in examples]


def _notices(draw: Draw) -> tuple[list[dict[str, str]], str, list[str]]:
    """A pool in which one label is far more common, a question that is in the pool too, and the labels."""
    from course_utils.world import TOPIC_LABELS

    labels = draw.sample(TOPIC_LABELS, 4)
    rows = [{"text": row["text"], "label": TOPIC_LABELS[row["label"]]} for row in draw.rows("topics", 160)]
    rows = list({row["text"]: row for row in rows if row["label"] in labels}.values())
    counts: Counter[str] = Counter()
    pool = []
    for row in rows:  # three of each label, and all there are of the first
        counts[row["label"]] += 1
        if row["label"] == labels[0] or counts[row["label"]] <= 3:
            pool.append(row)
    rare = next(row for row in pool if row["label"] == labels[1])
    return draw.sample(pool, len(pool)), rare["text"], labels


# q2: parameters and bytes


@exercise.question(
    "q2",
    title="Count a GPT-2 without loading it",
    points=4,
    difficulty=2,
    needs=("gpt2_parameters", "training_bytes"),
    lesson=COST + "#Parameters, from the config alone",
    hints=(
        "Build a tiny GPT2LMHeadModel from a GPT2Config and print the names and shapes of its parameters. "
        "What belongs to every layer, and what is there once?",
        "A layer has: two norms (weight and bias), the attention in one matrix of width × 3·width and one "
        "of width × width, the feed-forward part of width × 4·width and back; each matrix with a bias. "
        "Once: tokens, places, a last norm. The head shares its matrix with the tokens.",
        "A bookcase: 5 shelves of 3 boards each, 2 sides, 1 top:\n"
        "5 * 3 + 2 + 1\n"
        "The shelves grow with their number, sides and top do not.",
    ),
)
def count_gpt2(answer: Answer, draw: Draw) -> None:
    pick = draw.random
    shapes = [
        (
            pick.randrange(100, 3000),
            pick.randrange(32, 300),
            heads * pick.randrange(4, 20),
            pick.randrange(1, 7),
        )
        for heads in (2, 2, 2)
    ]
    with part("the parameters, exactly", points=2):
        # the last one's tokens alone take 4 petabytes: whoever builds the model gets an error at once
        for shape in [*shapes, (50257, 1024, 768, 12), (10**8, 1024, 10**7, 1)]:
            expect.equal(answer.call("gpt2_parameters", *shape), _gpt2(*shape), f"gpt2_parameters{shape}")
    with part("the bytes of a training step without activations", points=2):
        for precision, size in (("float32", 4), ("bfloat16", 2)):
            for trained in (1.0, 0.01):
                count = pick.randrange(1, 9) * 10**9
                what = f"training_bytes({count}, {precision!r}, {trained})"
                expected = size * count * (1 + 3 * trained)
                expect.close(
                    answer.call("training_bytes", count, precision, trained),
                    expected,
                    what,
                    tolerance=1e-6 * expected,
                )


def _gpt2(vocabulary: int, places: int, width: int, layers: int) -> int:
    """Counted on a model without memory, built from its config."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=vocabulary, n_positions=places, n_embd=width, n_layer=layers, n_head=2)
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in GPT2LMHeadModel(config).parameters())


# q3: a forecast

GROWTH = {  # what is changed in the network of the question: (rows, width, layers) before and after
    "twice the rows": ((16, 64, 4), (32, 64, 4)),
    "twice the width": ((16, 64, 4), (16, 128, 4)),
    "twice the layers": ((16, 64, 4), (16, 64, 8)),
}
QUANTITIES = ("weights", "saved", "operations")


@exercise.question(
    "q3",
    title="Predict what grows",
    points=3,
    difficulty=1,
    needs=("forecast",),
    lesson=COST + "#Activations: look at what is kept",
    hints=(
        "Take a single layer: how many numbers are in its matrix, how many go in, and how many "
        "products are there?",
        "A layer of width w has about w·w weights; for r rows about r·w numbers are kept, and r·w·w "
        "products are computed. Double one of them at a time.",
        "A field of length l and breadth b, fenced and sown: the fence grows with l + b, the seed with l "
        "· b. Double both: twice the fence, four times the seed.",
    ),
)
def predict(answer: Answer, draw: Draw) -> None:
    found = answer.call("forecast")
    expect.keys(found, GROWTH, "forecast()")
    for change, (before, after) in GROWTH.items():
        with part(change, points=1):
            expect.keys(found[change], QUANTITIES, f"forecast()[{change!r}]")
            measured = [new / old for new, old in zip(_measured(*after), _measured(*before), strict=True)]
            shown = ", ".join(
                f"{name} × {factor:.2f}" for name, factor in zip(QUANTITIES, measured, strict=True)
            )
            for name, factor in zip(QUANTITIES, measured, strict=True):
                guess = found[change][name]
                expect.number(guess, f"forecast()[{change!r}][{name!r}]")
                expect.true(
                    abs(guess - factor) <= 0.15 * factor,
                    f"{change} to agree with the measurement, roughly: {shown}",
                    f"{name} × {guess:g}",
                )


def _network(width: int, layers: int) -> torch.nn.Sequential:
    """Linear layers without bias, each with a tanh behind it: the network of questions 3 and 4."""
    import torch

    return torch.nn.Sequential(
        *(
            part
            for _ in range(layers)
            for part in (torch.nn.Linear(width, width, bias=False), torch.nn.Tanh())
        )
    )


def _measured(rows: int, width: int, layers: int) -> tuple[int, int, int]:
    """(weights, bytes saved for the backward pass, operations of forward and backward)."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from course_utils.measure.memory import count_parameters, saved_bytes

    network = _network(width, layers)
    inputs = torch.zeros(rows, width, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        network(inputs).sum().backward()
    return (
        count_parameters(network).total,
        saved_bytes(lambda: network(inputs), network),
        counter.get_total_flops(),
    )


# q4: saved bytes and operations


@exercise.question(
    "q4",
    title="Activations and operations of a network",
    points=4,
    difficulty=2,
    needs=("saved_by_network", "operations_of_network"),
    lesson=COST + "#Activations: look at what is kept",
    hints=(
        "Hang the hook of the lesson into the network with 3 rows and width 5, and print the shapes it sees.",
        "A linear layer keeps what goes in, a tanh keeps what comes out, and that is what goes into the "
        "next layer: one tensor, counted once. Operations: 2abc for a product, three products per layer "
        "(forward, towards the inputs, towards the weights).",
        "A chain of five people who pass a note and each keep a copy of what they got, the last one also "
        "of what they gave away: six copies, not ten.",
    ),
)
def network_costs(answer: Answer, draw: Draw) -> None:
    pick = draw.random
    shapes = [(pick.randrange(2, 60), pick.randrange(8, 90), pick.randrange(1, 7)) for _ in range(5)]
    measured = {shape: _measured(*shape) for shape in shapes}
    with part("saved bytes, within 2 %", points=2):
        for shape, (_, saved, _) in measured.items():
            expect.close(
                answer.call("saved_by_network", *shape),
                saved,
                f"saved_by_network{shape}",
                tolerance=0.02 * saved,
            )
    with part("operations, exactly", points=2):
        for shape, (_, _, operations) in measured.items():
            expect.equal(
                answer.call("operations_of_network", *shape), operations, f"operations_of_network{shape}"
            )


# q5: find the bug in an offer


@exercise.question(
    "q5",
    title="Find the bug: an offer that is too cheap",
    points=4,
    difficulty=2,
    needs=("offer",),
    lesson=COST + "#Hours and money",
    hints=(
        "Take one card, one row, one epoch, and calculate by hand. Which factors are missing?",
        "Three are wrong: a step is more than its forward pass; a card reaches only a part of the data "
        "sheet's speed; and a run that does not fit into one card needs several, which share the hours "
        "and all cost money.",
        "Painting a house: 60 square metres, two coats, 10 square metres an hour by the brochure, of "
        "which a painter reaches half: 60 * 2 / (10 * 0.5) hours. Two painters need half the hours and "
        "send two bills.",
    ),
)
def honest_offer(answer: Answer, draw: Draw) -> None:
    pick = draw.random
    cases = []
    for number in range(6):
        cards = [_card(pick, name) for name in draw.sample(("Amber", "Basalt", "Chalk", "Dune", "Ember"), 3)]
        gigabytes = (5, 15, 240)[number] if number < 3 else pick.randrange(60, 400)  # 240: full to the brim
        cases.append(
            (
                pick.randrange(10**9, 10**12),
                pick.randrange(1000, 90_000),
                pick.randrange(1, 5),
                gigabytes,
                cards,
                pick.choice([0.3, 0.4, 0.5]),
            )
        )
    for number in (0, 1):  # per operation the small cards are the cheaper ones, though it takes five of them
        cases[number] = (*cases[number][:3], 72, _small_and_large(pick), cases[number][5])
    # one card at a time first, so that a wrong choice among three does not cost the other points too
    alone = [(*case[:4], case[4][:1], case[5]) for case in cases]
    for name, title, asked in (
        ("count", "how many cards", alone),
        ("hours", "the hours", alone),
        ("dollars", "the dollars", alone),
        ("card", "the cheapest of three cards", cases),
    ):
        with part(title, points=1):
            for case in asked:
                mine, wanted = answer.call("offer", *case), _offer(*case)
                expect.keys(mine, ("card", "count", "hours", "dollars"), f"offer{case}")
                what = f"offer{case}[{name!r}]"
                if isinstance(wanted[name], float):
                    expect.close(mine[name], wanted[name], what, tolerance=1e-6 * wanted[name])
                else:
                    expect.equal(mine[name], wanted[name], what)


def _card(pick: Random, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "memory_gb": pick.choice([16, 24, 40, 80]),
        "peak_tflops": pick.randrange(50, 900),
        "dollars_per_hour": pick.randrange(30, 400) / 100,
    }


def _small_and_large(pick: Random) -> list[dict[str, Any]]:
    small, large = (_card(pick, name) for name in ("Flint", "Gneiss"))
    small["memory_gb"], large["memory_gb"] = 16, 80
    price = small["dollars_per_hour"] / small["peak_tflops"]
    large["dollars_per_hour"] = 1.3 * price * large["peak_tflops"]
    return [large, small] if pick.random() < 0.5 else [small, large]


def _offer(
    forward_flops: float,
    rows: int,
    epochs: int,
    gigabytes: float,
    cards: Sequence[Mapping[str, Any]],
    utilisation: float,
) -> dict[str, Any]:
    """The cheapest offer, by the rules of the question."""
    offers = []
    for card in cards:
        count = math.ceil(gigabytes / card["memory_gb"])
        hours = 3 * forward_flops * rows * epochs / (card["peak_tflops"] * 1e12 * utilisation * count) / 3600
        offers.append(
            {
                "card": card["name"],
                "count": count,
                "hours": hours,
                "dollars": hours * count * card["dollars_per_hour"],
            }
        )
    return min(offers, key=lambda offer: offer["dollars"])


# q6: learning curves

REAL_SIZES, REAL_TARGET, REAL_TOLERANCE = (500, 1000, 2000, 4000), 8000, 0.05


@exercise.question(
    "q6",
    title="Continue a learning curve",
    points=4,
    difficulty=2,
    needs=("error_at",),
    lesson=DATA + "#A straight line, on the right axes",
    hints=(
        "Draw the points on logarithmic axes. What is a straight line there?",
        "numpy.polyfit(log(rows), log(errors), 1) gives slope and intercept; points whose error is above "
        "`useless` have not begun to learn and are left out first.",
        "A phone's battery, halved every so many hours, continued to hour 12:\n"
        "slope, start = np.polyfit(hours, np.log(charge), 1)\n"
        "np.exp(start + slope * 12)",
    ),
)
def learning_curve(answer: Answer, draw: Draw) -> None:
    pick = draw.random
    with part("a curve that follows the law", points=1):
        for _ in range(3):
            a, b = pick.uniform(0.8, 2), pick.uniform(0.2, 0.5)
            sizes = [100, 200, 400, 800]
            errors = [a * size**-b for size in sizes]
            found = answer.call("error_at", sizes, errors, 3200, 0.99)
            expect.close(
                found,
                a * 3200**-b,
                f"error_at({sizes}, {[round(error, 4) for error in errors]}, 3200, 0.99)",
                tolerance=1e-4,
            )
    with part("a curve with noise", points=1):
        sizes, residuals = [100, 200, 400, 800, 1600, 3200], (0, 0, -1, 1, 1, -1)
        _continued_alike(answer, sizes, _noisy(pick, sizes, residuals), 12_800, 0.99)
    with part("points that have not begun to learn are left out", points=1):
        sizes = [10, 20, 200, 400, 800, 1600]
        errors = [0.5, 0.49, *_noisy(pick, sizes[2:], (1, -1, -0.5, 1))]
        _continued_alike(answer, sizes, errors, 3200, 0.45)
        # an error of exactly `useless` is not above it
        _continued_alike(answer, sizes, errors, 3200, errors[2])
    with part("a real curve, measured now", points=1):
        measured = _real_curve(draw)
        errors = [measured[size] for size in REAL_SIZES]
        found = _continued_alike(answer, list(REAL_SIZES), errors, REAL_TARGET, 0.45)
        what = (
            f"the error after {REAL_TARGET} rows, continued from "
            f"{[(size, round(measured[size], 3)) for size in REAL_SIZES]}"
        )
        expect.close(found, measured[REAL_TARGET], what, tolerance=REAL_TOLERANCE)


def _noisy(pick: Random, sizes: Sequence[int], residuals: Sequence[float]) -> list[float]:
    """Errors about a · rows^(−b): these residuals, in hundredths and a bit, in their logarithms."""
    a, b = pick.uniform(1.2, 1.5), pick.uniform(0.28, 0.35)
    noise = pick.choice((-1, 1)) * pick.uniform(0.04, 0.06)
    return [a * size**-b * math.exp(noise * part) for size, part in zip(sizes, residuals, strict=True)]


def _continued_alike(
    answer: Answer, sizes: list[int], errors: list[float], target: int, useless: float
) -> float:
    """What `error_at` says, which is what a straight line by least squares says of these logarithms."""
    import numpy as np

    points = [pair for pair in zip(sizes, errors, strict=True) if pair[1] <= useless]
    rows, heights = np.log(np.array(points)).T
    slope, start = np.polyfit(rows, heights, 1)
    wanted = float(np.exp(start + slope * np.log(target)))
    found = answer.call("error_at", sizes, errors, target, useless)
    shown, count = [round(error, 4) for error in errors], len(points)
    what = f"error_at({sizes}, {shown}, {target}, {useless:.4g}), by a straight line through {count} points,"
    expect.close(found, wanted, what, tolerance=1e-3 * wanted)
    return found


def _real_curve(draw: Draw) -> dict[int, float]:
    """The errors of a logistic regression on words, pairs and triples of fresh reviews, by number of rows."""
    import numpy as np
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    train, test = draw.rows("reviews", REAL_TARGET, split="train"), draw.rows("reviews", 1500)
    errors = {}
    for size in (*REAL_SIZES, REAL_TARGET):
        words = CountVectorizer(ngram_range=(1, 3), token_pattern=r"\w+|[.,;]")
        seen = words.fit_transform([row["text"] for row in train[:size]])
        fitted = LogisticRegression(max_iter=300).fit(seen, [row["label"] for row in train[:size]])
        guesses = fitted.predict(words.transform([row["text"] for row in test]))
        errors[size] = float(np.mean(guesses != np.array([row["label"] for row in test])))
    return errors


# q7: the decision


@exercise.question(
    "q7",
    title="Decide by what was measured",
    points=4,
    difficulty=2,
    needs=("decide",),
    lesson=DATA + "#Deciding",
    hints=(
        "The prompt's score was measured on some texts only. Which true scores would not be surprising, and "
        "are they all on the same side of what is needed?",
        "`evaluation.proportion([True] * right + [False] * wrong)` has `.low` and `.high`. Name three things "
        "before the first `if`: whether the prompt works, whether it fails, and whether training works. A "
        "bill is requests a month, times months, times the price of one request, plus what is paid once.",
        "An umbrella, when rain is measured and not known: with chances from 0.6 to 0.9 take it, from 0 to "
        "0.1 leave it, from 0.2 to 0.7 ask again in an hour. Renting a boat for 40 dollars a day costs less "
        "than buying one for 900 up to the 22nd day.",
    ),
)
def decide(answer: Answer, draw: Draw) -> None:
    for title, points in (
        ("what the interval says", 2),
        ("what either way costs", 1),
        ("if neither works", 1),
    ):
        with part(title, points=points):
            for choice, facts in REASONS[title]:
                case = _case_of(draw.random, **facts)
                expect.equal(answer.call("decide", case), choice, f"decide({case})")


MANY, FEW = 2000, 80  # texts that the prompt was tried on: the interval reaches 0.02 and 0.1 to either side
#: Every way to each choice: the facts of a case in which it is right. `above` is how far the prompt's score
#: is above the needed one, `trained` and `doubled` how far the forecasts are, and `saved` what training saves
#: for every dollar that it costs at once.
REASONS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "what the interval says": [
        ("prompt", {"above": 0.05}),
        ("measure", {"above": 0.02, "asked": FEW}),
        ("measure", {"above": -0.02, "asked": FEW}),
        ("measure", {"above": -0.02, "asked": FEW, "doubled": 0.05}),
        ("collect", {"above": -0.05, "doubled": 0.05}),
        ("stop", {"above": 0.05, "may_leave": False}),
        ("stop", {"above": 0.02, "asked": FEW, "may_leave": False}),
        ("train", {"above": 0.02, "asked": FEW, "trained": 0.05, "saved": 0.7}),
        ("train", {"above": 0.05, "may_leave": False, "trained": 0.05, "saved": 0.7}),
    ],
    "what either way costs": [
        ("prompt", {"above": 0.05, "trained": 0.05, "saved": 0.7}),
        ("prompt", {"above": 0.05, "trained": 0.05, "saved": 0.7, "months": 2}),
        ("train", {"above": 0.05, "trained": 0.05, "saved": 1.5}),
        ("train", {"above": -0.05, "trained": 0.05, "saved": 0.7}),
    ],
    "if neither works": [
        ("collect", {"above": -0.05, "doubled": 0.04}),
        ("collect", {"above": -0.05, "doubled": 0.0}),
        ("stop", {"above": -0.05, "doubled": -0.02}),
        ("train", {"above": -0.05, "trained": 0.0}),
    ],
}


def _case_of(
    pick: Random,
    *,
    above: float,
    asked: int = MANY,
    may_leave: bool = True,
    trained: float = -0.06,
    doubled: float = -0.03,
    saved: float = 1.5,
    months: int = 24,
) -> dict[str, Any]:
    """A case of these facts (see `REASONS`)."""
    needed, requests = pick.randrange(78, 89) / 100, pick.randrange(2, 30) * 1000
    prompt_price = pick.randrange(20, 60, 2) / 10
    trained_price = prompt_price / 2  # who forgets it has training save twice as much
    at_stake = requests * months * (prompt_price - trained_price) / 1000
    return {
        "asked": asked,
        "right": round((needed + above) * asked),
        "needed_score": needed,
        "expected_score": round(needed + trained, 2),
        "doubled_score": round(needed + max(trained, doubled), 2),
        "may_leave": may_leave,
        "requests": requests,
        "months": months,
        "prompt_price": prompt_price,
        "trained_price": trained_price,
        "training_dollars": round(at_stake / saved),
    }


exercise.manual(
    "q8",
    title="Advise somebody",
    points=3,
    difficulty=2,
    lesson=DATA + "#Deciding",
    hints=(
        "Which number do you not have, and who could give it to you in a day?",
        "Work out both bills first, then ask what would have to change for the other decision to win.",
        "Rent or buy a bicycle: it depends on how often you ride, and the honest answer names the number "
        "of rides at which it turns.",
    ),
)


# q9: messages, and the template that makes a text of them


@exercise.question(
    "q9",
    title="The same prompt for a chat model",
    points=3,
    difficulty=2,
    needs=("as_messages", "template"),
    lesson=ASK + "#Few-shot: show some examples",
    hints=(
        "Write down by hand what two messages should become, and compare it with what the template of the "
        "lesson makes of them. In what do they differ?",
        "Before the loop: if messages[0] is the system's, keep its content and '\\n\\n' in a name that was "
        "set to '' above the if, and set messages to messages[1:]. In the loop: "
        "{{ system if loop.first else '' }}. After it: {% if add_generation_prompt %}.",
        "Jinja for a list of guests, the first with a crown, and a free chair if one is wanted:\n"
        "{% for guest in guests %}{{ '*' if loop.first else '' }}{{ guest['name'] }}\n"
        "{% endfor %}{% if one_more %}___{% endif %}",
    ),
)
def chat(answer: Answer, draw: Draw) -> None:
    texts = [row["text"] for row in draw.rows("topics", 8)]
    labels = draw.sample(("sport", "business", "weather", "food"), 3)
    examples = [{"text": text, "label": label} for text, label in zip(texts, labels, strict=False)]
    instruction = f"Answer with one of: {', '.join(labels)}."
    with part("the messages", points=1):
        for count in (3, 0):
            call = f"as_messages(instruction, examples, text) with {count} examples"
            found = answer.call("as_messages", instruction, examples[:count], texts[4])
            truth = _messages(instruction, examples[:count], texts[4])
            expect.each_of(found, dict, call)
            expect.equal(
                [one.get("role") for one in found], [one["role"] for one in truth], f"the roles of {call}"
            )
            expect.equal(list(found), truth, call)
    talk = [
        {"role": "user", "content": texts[5]},
        {"role": "assistant", "content": labels[0]},
        {"role": "user", "content": texts[6]},
    ]
    with_system = _messages(instruction, examples, texts[4])
    render = answer.given(rendered)
    with part("the template: marks, roles, and where the instruction stands", points=1):
        for messages, what in ((talk, "without a system message"), (with_system, "with a system message")):
            _as_wanted(render.call("rendered", messages, False), messages, False, f"a conversation {what}")
    with part("the model's turn is opened where that is asked for", points=1):
        for messages, opened in ((talk[:1], True), (talk, False), (with_system, True)):
            what = f"a conversation with add_generation_prompt={opened}"
            _as_wanted(render.call("rendered", messages, opened), messages, opened, what)


def _messages(instruction: str, examples: Sequence[Mapping[str, str]], text: str) -> list[dict[str, str]]:
    turns = [("system", instruction)]
    for example in examples:
        turns += [("user", example["text"]), ("assistant", example["label"])]
    return [{"role": role, "content": content} for role, content in [*turns, ("user", text)]]


def _as_wanted(found: Any, messages: Sequence[Mapping[str, str]], opened: bool, what: str) -> None:
    """The text is the family's; where it is not, the first line that differs is shown."""
    expect.type_of(found, str, f"what template() makes of {what}")
    system = "".join(f"{one['content']}\n\n" for one in messages if one["role"] == "system")
    truth = ""
    for place, one in enumerate([one for one in messages if one["role"] != "system"]):
        role = "model" if one["role"] == "assistant" else "user"
        truth += f"<turn>{role}\n{system if place == 0 else ''}{one['content']}<end>\n"
    truth += "<turn>model\n" if opened else ""
    lines, wanted = found.splitlines(keepends=True), truth.splitlines(keepends=True)
    for number, line in enumerate(wanted):
        came = repr(lines[number]) if number < len(lines) else "the end of the text"
        expect.true(came == repr(line), f"line {number + 1} of {what} to be {line!r}", came)
    more = "".join(lines[len(wanted) :])
    expect.true(not more, f"the text of {what} to end after line {len(wanted)}", repr(more))


def rendered(messages: list, opened: bool) -> str:
    """The text that the learner's template makes of messages, in an environment like that of Transformers."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    return environment.from_string(template()).render(messages=messages, add_generation_prompt=opened)


# q10: the same job at several providers


@exercise.question(
    "q10",
    title="The same job at several providers",
    points=3,
    difficulty=2,
    needs=("offers", "clear_winner"),
    lesson=COST + "#The same card, other providers",
    hints=(
        "What is compared: an hour, or the whole job? And what do two prices tell you whose ranges overlap?",
        "csv.DictReader(io.StringIO(table)) gives a dict of texts for each line: float() makes numbers of "
        "them. A month is 12 * year + month, and the difference of two is their distance. For the winner "
        "compare the first offer's high with the lows of all others, not of the second alone.",
        "Which baker is surely the cheapest, from what twelve rolls may cost at each:\n"
        "first, *others = sorted(bakers, key=lambda baker: baker.most)\n"
        "surely = all(first.most < other.least for other in others)",
    ),
)
def sellers(answer: Answer, draw: Draw) -> None:
    lines, hours, today, oldest = _prices(draw)
    table = "\n".join([",".join(lines[0]), *(",".join(map(str, line.values())) for line in lines)]) + "\n"
    truth = _offers(lines, hours, today, oldest)
    call = f"offers(table, {hours}, {today!r}, {oldest})"
    found = answer.call("offers", table, hours, today, oldest)
    expect.each_of(found, dict, call)
    for offer in found:
        expect.keys(offer, ("card", "provider", "low", "high"), f"each offer of {call}")
    mine = {(offer["card"], offer["provider"]): offer for offer in found}
    with part("dollars for the job", points=1):
        for offer in truth:
            key = (offer["card"], offer["provider"])
            expect.true(key in mine, f"an offer for {key} in {call}", f"offers for {expect.show(list(mine))}")
            for name in ("low", "high"):
                what = f"the {name!r} of {key} in {call}"
                expect.close(mine[key][name], offer[name], what, tolerance=1e-6)
    with part("what is too old or too small is left out, the rest is in order", points=1):
        expect.equal(
            [(offer["card"], offer["provider"]) for offer in found],
            [(offer["card"], offer["provider"]) for offer in truth],
            f"the offers of {call}, the lowest 'high' first",
        )
    with part("a winner only where no range overlaps", points=1):
        for ranges, wins in _rivals(draw):
            listed = [
                {"card": "H200", "provider": name, "low": low, "high": high}
                for name, (low, high) in zip(draw.sample(SELLERS, len(ranges)), ranges, strict=True)
            ]
            shown = ", ".join(f"{one['provider']} {one['low']} to {one['high']}" for one in listed)
            winner = listed[0]["provider"] if wins else None
            came = answer.call("clear_winner", listed)
            expect.true(
                type(came) is type(winner) and came == winner,
                f"clear_winner(offers) of [{shown}] to be {winner!r}",
                expect.show(came),
            )


SELLERS = ("hyperscaler", "specialised cloud", "marketplace", "Northcloud", "Rent-a-rack", "Tin Shed")


def _offers(
    lines: Sequence[Mapping[str, Any]], hours: Mapping[str, float], today: str, oldest: int
) -> list[dict]:
    found = [
        {name: line[name] for name in ("card", "provider")}
        | {name: line[name] * hours[line["card"]] for name in ("low", "high")}
        for line in lines
        if line["card"] in hours and _months(line["seen"], today) <= oldest
    ]
    return sorted(found, key=lambda offer: offer["high"])


def _months(seen: str, today: str) -> int:
    (year, month), (other_year, other_month) = (map(int, text.split("-")) for text in (seen, today))
    return 12 * (other_year - year) + other_month - month


def _prices(draw: Draw) -> tuple[list[dict[str, Any]], dict[str, float], str, int]:
    """(lines of a price table, hours of each card, today, how many months a line may be old).

    The cheapest line is too old, a smaller card is cheaper still, and the cheapest hour is no cheapest job;
    the orders by low, by high, by the hour's price and by name are all different.
    """
    oldest = draw.random.randrange(3, 6)
    while True:
        slow, fast, small = draw.sample(("Amber", "Basalt", "Coral", "Dune", "Ember"), 3)
        hours = {slow: draw.random.randrange(60, 90) / 10, fast: draw.random.randrange(15, 30) / 10}
        lines = []
        for card, price in ((slow, 1.2), (fast, 3.0), (small, 0.2)):
            for name in draw.sample(SELLERS, 3):
                low = round(price * draw.random.uniform(0.7, 1.3), 2)
                high = round(low * draw.random.uniform(1.05, 1.8), 2)
                line = {"card": card, "provider": name, "low": low, "high": high, "seen": "2026-01"}
                lines.append(line | {"source": "example.org"})
        edge = f"2025-{13 - oldest + 1:02}"  # as old as a line may be, on the other side of New Year
        lines[0]["seen"] = edge
        lines[4] |= {"seen": f"2025-{13 - oldest:02}", "low": 0.5, "high": 0.6}
        draw.random.shuffle(lines)
        kept = _offers(lines, hours, "2026-02", oldest)
        orders = [
            kept,
            sorted(kept, key=lambda offer: offer["low"]),
            sorted(kept, key=lambda offer: offer["high"] / hours[offer["card"]]),
            sorted(kept, key=lambda offer: (offer["card"], offer["provider"])),
            [
                one
                for line in lines
                for one in kept
                if (one["card"], one["provider"]) == (line["card"], line["provider"])
            ],
        ]
        names = {tuple((offer["card"], offer["provider"]) for offer in order) for order in orders}
        if len(names) == len(orders) and all(a["high"] < b["high"] - 1e-3 for a, b in pairwise(kept)):
            return lines, hours, "2026-02", oldest


def _rivals(draw: Draw) -> list[tuple[list[tuple[float, float]], bool]]:
    """Ranges in the order of their high ends, and whether the first is a clear winner."""
    low = draw.random.randrange(20, 60) / 10
    return [
        ([(low, low + 1), (low + 1.5, low + 2), (low + 1.2, low + 4)], True),
        ([(low, low + 1), (low + 0.5, low + 2)], False),
        ([(low, low + 1), (low + 1.5, low + 2), (low + 0.9, low + 4)], False),  # the third may be cheaper
        ([(low, low + 1), (low + 1, low + 2)], False),  # as cheap is not cheaper
        ([(low, low + 1)], True),
        ([], False),
    ]


@exercise.question(
    "q11",
    title="A sentence as a vector",
    points=3,
    difficulty=2,
    needs=("embed", "nearest"),
    lesson=PEOPLE + "#Two: the encoder, frozen",
    fetched=("minilm", "opinions"),
    hints=(
        "Which of the token vectors belong to words, and which only fill the row up?",
        "attention_mask is 1 for a real token; with .unsqueeze(-1) it can be multiplied with the vectors. "
        "Divide the sum by the number of real tokens, not by the length of the row, and bring the result to "
        "length 1.",
        "The mean temperature of the days that were measured:\n"
        "(temperatures * measured).sum(dim=1) / measured.sum(dim=1)",
    ),
)
def sentence_vectors(answer: Answer, draw: Draw) -> None:
    from course_utils.fetched import opinions

    words = {row["text"]: len(row["text"].split()) for row in opinions.rows("products")}
    texts = draw.sample([text for text, count in words.items() if count <= SHORT], MANY)
    longer = draw.sample([text for text, count in words.items() if count >= LONG], 2)
    with part("one sentence", points=1):
        for text in (texts[0], *longer):
            what = f"embed([{text!r}]), of {words[text]} words and none of them cut off"
            found = expect.tensor(answer.call("embed", [text]), what, (1, 384))
            expect.all_close(found, vectors_of([text]), what, tolerance=1e-3)
    with part("short and long together", points=1):
        what = f"embed(texts), with {MANY} short and long texts in one call"
        found = expect.tensor(answer.call("embed", texts), what, (MANY, 384))
        expect.all_close(found, vectors_of(texts), what, tolerance=1e-3)
    with part("the nearest", points=1):
        alike = draw.random.choice(_of_one_length())  # no padding there: who counts it loses the part above
        asked, *others = draw.sample(alike, 9)
        misled = [_misled(draw, alike, vectors(alike)) for vectors in (means_of, first_vectors_of)]
        for one, among in ((asked, others), *misled, (asked, [*others[1:], asked])):
            likeness = (vectors_of(among) @ vectors_of([one])[0]).tolist()
            said = answer.call("nearest", one, among)
            expect.equal(said, likeness.index(max(likeness)), f"nearest({one!r}, {among})")


SHORT, LONG = 15, 45  # words: of a short sentence (32 tokens at most), and of a long one (more than 48)
MANY = 36  # texts in one call, more than the 32 that lessons put into a batch
CLEARLY = 0.01  # by how much one likeness is greater than another, whatever the rounding


@cache
def _of_one_length() -> list[list[str]]:
    """Groups of short sentences that have as many tokens as the others of their group."""
    from course_utils.fetched import opinions

    tokenizer, _ = _encoder()
    groups: dict[int, list[str]] = {}
    for text in sorted({row["text"] for row in opinions.rows("products")}):
        if len(text.split()) <= SHORT:
            groups.setdefault(len(tokenizer(text)["input_ids"]), []).append(text)
    return [group for group in groups.values() if len(group) >= 30]


def _misled(draw: Draw, texts: list[str], wrong: torch.Tensor) -> tuple[str, list[str]]:
    """A sentence and eight others, of which another is nearest by `wrong`, other vectors of these texts."""
    right = vectors_of(texts)
    for asked, text in enumerate(texts):
        alike, said = (right @ right[asked]).tolist(), (wrong @ wrong[asked]).tolist()
        places = [place for place in range(len(texts)) if place != asked]
        for best in places:
            worse = [place for place in places if alike[place] < alike[best] - CLEARLY]
            if len(worse) >= 7 and max(said[place] for place in worse) > said[best] + CLEARLY:
                likeliest = max(worse, key=said.__getitem__)
                others = [best, likeliest, *[place for place in worse if place != likeliest][:6]]
                return text, [texts[place] for place in draw.sample(others, 8)]
    raise LookupError("no sentence of these is misled by those vectors")


def vectors_of(texts: Sequence[str]) -> torch.Tensor:
    """The unit vectors of sentences (texts, 384)."""
    import torch

    return torch.nn.functional.normalize(means_of(texts), dim=-1)


def means_of(texts: Sequence[str]) -> torch.Tensor:
    """The mean token vectors of sentences (texts, 384), each read alone, so that there is no padding."""
    import torch

    return torch.stack([_states_of(text).mean(0) for text in texts])


def first_vectors_of(texts: Sequence[str]) -> torch.Tensor:
    """The vectors of the sentences' first tokens (texts, 384), of length 1: a plausible mistake."""
    import torch

    return torch.nn.functional.normalize(torch.stack([_states_of(text)[0] for text in texts]), dim=-1)


@cache
def _states_of(text: str) -> torch.Tensor:
    """The vectors of a sentence's tokens (tokens, 384)."""
    import torch

    tokenizer, encoder = _encoder()
    with torch.inference_mode():
        return encoder(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]


@cache
def _encoder() -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer

    from course_utils.fetched.registry import FETCHED

    place = FETCHED["minilm"].path("model")
    return AutoTokenizer.from_pretrained(place), AutoModel.from_pretrained(place).eval()
