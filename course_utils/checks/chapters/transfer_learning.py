"""The questions of chapter 08: transfer learning, going on with pre-training,
distillation and trained starts.

The exercise works with the twins whatever the profile. The models of questions 4 and 5 and the start of
question 7 are judged here, on fresh rows and tasks, and nothing that the notebook says about them is
believed. The model of question 9 is trained on reviews with colours of the draw and rebuilt here too, and
what its card says is compared with what is measured.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from course_utils import catalog
from course_utils.batches import IGNORED
from course_utils.checks import expect
from course_utils.checks.colours import coloured, drawn_labels
from course_utils.checks.draw import Draw
from course_utils.checks.framework import Exercise, part
from course_utils.checks.gradients import expect_gradients
from course_utils.checks.report import Failed, Rung
from course_utils.wire import Rows
from course_utils.wire.answer import Answer

if TYPE_CHECKING:  # what a learner's notebook holds, for the functions that are sent there
    border: Any = None
    contrastive_loss: Any = None
    finish: Any = None
    freeze: Any = None
    reptile: Any = None
    towards: Any = None

LESSONS = "lessons/08_transfer_learning/"
START, FREEZING = LESSONS + "01_a_start_worth_labels.ipynb", LESSONS + "02_freezing_layers.ipynb"
DOMAIN, DISTIL = LESSONS + "03_on_to_the_domain.ipynb", LESSONS + "04_distil.ipynb"
FINISH = LESSONS + "05_sentiment_with_the_trainer.ipynb"
FEW = LESSONS + "06_a_start_for_few_labels.ipynb"
REAL = LESSONS + "07_from_films_to_tweets.ipynb"

exercise = Exercise(
    "08_transfer_learning",
    title="Transfer learning",
    minutes=120,
    difficulty="medium",
    cost="about a minute on two cores",
    cell_seconds=300,
)


# q1: freezing


@exercise.question(
    "q1",
    title="Freeze from below",
    points=2,
    difficulty=1,
    needs=("freeze",),
    lesson=FREEZING + "#Freezing",
    hints=(
        "A weight learns when its requires_grad is True. List the parts of the model from below; how many "
        "of them are to be frozen?",
        "[model.distilbert.embeddings, *model.distilbert.transformer.layer][:depth] are the parts; each "
        "has requires_grad_(False). Depth 0 freezes nothing, also in a model that came with a frozen "
        "encoder.",
        "To close the lower shutters of a house and open all others: `for window in house: "
        "window.open()`, then `for window in house[:depth]: window.close()`.",
    ),
)
def freezing(answer: Answer, draw: Draw) -> None:
    layers = draw.random.randrange(3, 6)
    depth = draw.random.randrange(2, layers)
    with part("the right parts are trained, and only they move", points=1):
        _expect_frozen(answer, draw, layers, depth)
    with part("nothing, all, and an encoder that came frozen", points=1):
        for edge in (0, layers + 1):
            _expect_frozen(answer, draw, layers, edge)
        _expect_frozen(answer, draw, layers, 1, came_frozen=True)


def _expect_frozen(answer: Answer, draw: Draw, layers: int, depth: int, came_frozen: bool = False) -> None:
    """Above `depth` each part has the gradient that it has without any freezing, and below it none."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(draw.random.randrange(10**6))
        model, tokens, labels = (
            small_classifier(layers),
            torch.randint(40, (4, 9)),
            torch.tensor([0, 1, 0, 1]),
        )
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    mine = answer.given(small_classifier, gradients, frozen_below)
    found = mine.call("frozen_below", weights, layers, depth, came_frozen, tokens, labels)
    wanted = gradients(model, tokens, labels)
    case = f"at depth {depth} of {layers} layers"
    case += ", of a model that came with a frozen encoder" if came_frozen else ""
    expect.keys(found, wanted, f"the gradients {case}")
    for name in wanted:
        expect.length(found[name], len(wanted[name]), f"the gradients of the {name} {case}")
    learning = [name for name in wanted if any(gradient is not None for gradient in found[name])]
    expect.equal(learning, list(wanted)[depth:], f"the parts with trained weights {case}")
    for name in learning:
        for got, gradient in zip(found[name], wanted[name], strict=True):
            expect.true(
                got is not None, f"every weight of the {name} to be trained {case}", "some that are not"
            )
            expect.all_close(got, gradient, f"a gradient in the {name} {case}", tolerance=1e-4)


def small_classifier(layers: int) -> Any:
    """A DistilBERT classifier of random weights, without dropout."""
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    sizes = {"vocab_size": 40, "dim": 16, "n_heads": 2, "hidden_dim": 24, "max_position_embeddings": 12}
    return DistilBertForSequenceClassification(DistilBertConfig(n_layers=layers, **sizes)).eval()


def gradients(model: Any, tokens: Any, labels: Any) -> dict:
    """{part of the model, from below: the gradients of its weights, None for one that is not trained}"""
    parts = {"embeddings": [model.distilbert.embeddings]}
    for number, layer in enumerate(model.distilbert.transformer.layer):
        parts[f"layer {number + 1}"] = [layer]
    parts["head"] = [model.pre_classifier, model.classifier]
    model(input_ids=tokens, labels=labels).loss.backward()
    return {
        name: [weight.grad for module in modules for weight in module.parameters()]
        for name, modules in parts.items()
    }


def frozen_below(weights: dict, layers: int, depth: int, came_frozen: bool, tokens: Any, labels: Any) -> dict:
    """The gradients of a model of these weights that the learner's `freeze` has frozen."""
    model = small_classifier(layers)
    model.load_state_dict(weights)
    model.distilbert.requires_grad_(not came_frozen)
    frozen = freeze(model, depth)
    return gradients(frozen, tokens, labels)


# q2: the loss of distillation


@exercise.question(
    "q2",
    title="The loss of distillation",
    points=4,
    difficulty=2,
    needs=("soft_loss", "mixed_loss"),
    lesson=DISTIL + "#The loss, by hand",
    hints=(
        "Two distributions, both at the temperature; whose logarithm weighs how much? And what brings the "
        "gradient back to size?",
        "torch.nn.functional.kl_div(log of the student's, the teacher's, reduction='batchmean') * T**2. "
        "With reduction='mean' the number of classes divides it as well. If you write it yourself, 0 * "
        "log 0 is not a number in floating point, but it should be 0.",
        (
            "For the entropy the same care: `(-p * p.clamp_min(1e-30).log()).sum(-1).mean()` is the mean "
            "over rows, of sums over classes."
        ),
    ),
)
def loss(answer: Answer, draw: Draw) -> None:
    import torch

    rows, classes, temperature = (
        draw.random.randrange(3, 8),
        draw.random.randrange(3, 7),
        draw.random.choice([1.5, 2.0, 3.0, 5.0]),
    )
    numbers = draw.numpy()
    student, teacher = (
        torch.tensor(numbers.standard_normal((rows, classes)) * 2, dtype=torch.float32) for _ in range(2)
    )
    call = f"soft_loss(student, teacher, T={temperature}) for {rows} rows and {classes} classes"
    with part("the divergence at T = 1", points=1):
        expect.close(
            _one(answer.call("soft_loss", student, teacher, 1.0), call),
            _divergence(student, teacher, 1.0),
            "the loss at T = 1",
            tolerance=1e-4,
        )
    with part("at another temperature", points=1):
        expect.close(
            _one(answer.call("soft_loss", student, teacher, temperature), call),
            _divergence(student, teacher, temperature),
            f"the value of {call}",
            tolerance=1e-3,
        )
    with part("a teacher that is quite sure", points=1):
        sure = torch.zeros(rows, classes)
        sure[range(rows), [draw.random.randrange(classes) for _ in range(rows)]] = 400.0
        found = _one(answer.call("soft_loss", student, sure, 1.0), call)
        expect.true(
            math.isfinite(found),
            "a number, where the teacher gives some classes a probability of 0",
            f"{found}",
        )
        expect.close(
            found,
            _divergence(student, sure, 1.0),
            "the loss for a teacher that gives some classes a probability of 0",
            tolerance=1e-3,
        )
    with part("mixed with labels", points=1):
        labels = torch.tensor([draw.random.randrange(classes) for _ in range(rows)])
        for share in (round(draw.random.uniform(0.2, 0.8), 2), 0.0):
            hard = torch.nn.functional.cross_entropy(student.double(), labels).item()
            wanted = share * _divergence(student, teacher, temperature) + (1 - share) * hard
            found = _one(
                answer.call("mixed_loss", student, teacher, labels, temperature, share), "mixed_loss(...)"
            )
            expect.close(
                found,
                wanted,
                f"mixed_loss(student, teacher, labels, T={temperature}, share={share})",
                tolerance=1e-3,
            )


def _one(found: Any, what: str) -> float:
    """A loss as a float, which need not be finite."""
    expect.shape(found, (), what)
    return float(found)


def _divergence(student: Any, teacher: Any, temperature: float) -> float:
    import torch

    log_q, log_p = ((logits.double() / temperature).log_softmax(-1) for logits in (student, teacher))
    return (
        temperature**2
        * torch.nn.functional.kl_div(log_q, log_p, reduction="batchmean", log_target=True).item()
    )


# q3: find the bugs


@exercise.question(
    "q3",
    title="Find the bugs: what the batch gives away",
    points=3,
    difficulty=2,
    needs=("remark_batch",),
    lesson=DOMAIN + "#What you hide decides what is learned",
    hints=(
        "Take one short row and write under each token: what does the model see, and what is it asked?",
        "It is asked only at the remark: everything else in the labels is -100, the padding too. It sees "
        "no token of the remark. And where it is only padding, the attention mask is 0.",
        (
            "A gap text for a child: 'The cat sat on ___' asks for 'the mat'; the blank has two words, and "
            "neither may be printed."
        ),
    ),
)
def bugs(answer: Answer, draw: Draw) -> None:
    special = dict(zip(("cls", "sep", "mask", "pad"), draw.random.sample(range(90, 110), 4), strict=True))
    word = lambda count: [draw.random.randrange(1, 80) for _ in range(count)]  # noqa: E731
    pairs = [
        (word(draw.random.randrange(3, 6)), word(2)),
        (word(7), word(draw.random.randrange(3, 5))),
        (word(2), word(1)),
    ]
    longest = max(len(text) + len(remark) for text, remark in pairs) + 2
    found = answer.call("remark_batch", pairs, **special)
    call = "remark_batch(pairs, …)"
    expect.keys(found, ("input_ids", "attention_mask", "labels"), call)
    lists = {
        name: [list(map(int, row)) for row in _rows(value, longest, f"{name} of {call}")]
        for name, value in found.items()
        if name in ("input_ids", "attention_mask", "labels")
    }
    wanted: dict[str, list] = {"input_ids": [], "attention_mask": [], "labels": []}
    for text, remark in pairs:
        rest = longest - len(text) - len(remark) - 2
        wanted["input_ids"].append(
            [
                special["cls"],
                *text,
                *[special["mask"]] * len(remark),
                special["sep"],
                *[special["pad"]] * rest,
            ]
        )
        wanted["attention_mask"].append([1] * (longest - rest) + [0] * rest)
        wanted["labels"].append([IGNORED] * (1 + len(text)) + remark + [IGNORED] * (1 + rest))
    with part("the whole remark is hidden", points=1):
        expect.equal(lists["input_ids"], wanted["input_ids"], "the input_ids")
    with part("only the remark is asked for", points=1):
        expect.equal(lists["labels"], wanted["labels"], "the labels")
    with part("padding is not looked at", points=1):
        expect.equal(lists["attention_mask"], wanted["attention_mask"], "the attention mask")


def _rows(value: Any, longest: int, what: str) -> list:
    """Rows of numbers, as lists or a tensor."""
    if hasattr(value, "shape"):
        expect.shape(value, (3, longest), what)
        return value.tolist()
    expect.each_of(value, (list, tuple), what)
    expect.length(value, 3, what)
    for row in value:
        expect.length(row, longest, f"each row of the {what}")
        expect.each_of(row, int, f"a row of the {what}")
    return value


# q4: going on

# Measured: 100 steps at 1e-3, the solution's, leave 0.46 to 0.61 of the perplexity (three seeds, ten draws of
# texts), 200 steps 0.43 to 0.44 (two draws).
SOME_LEFT, LITTLE_LEFT, TEXTS = 0.85, 0.75, 150


@exercise.question(
    "q4",
    title="On to the domain",
    points=3,
    difficulty=2,
    needs=("adapted",),
    lesson=DOMAIN + "#Going on",
    hints=(
        "Which head did the pre-training use, and which texts does your domain have without labels?",
        "train_briefly(model, [words(text) for text in texts], DataCollatorForLanguageModeling(words, "
        "mlm_probability=0.15), steps=100, learning_rate=1e-3). A hundred steps are enough.",
        "For GPT-2 and conversations it would be: model = AutoModelForCausalLM.from_pretrained(path); "
        "train_briefly(model, encoded, DataCollatorForLanguageModeling(tokenizer, mlm=False), steps=100).",
    ),
    seconds=120,
)
def domain(answer: Answer, draw: Draw) -> None:
    model = answer.model("adapted")
    kind = type(model).__name__
    expect.true(
        kind == "DistilBertForMaskedLM",
        "`adapted` to be a DistilBertForMaskedLM, with the head of the pre-training",
        f"a {kind}",
    )
    notices = [row["text"] for row in draw.rows("topics", TEXTS)]
    seed = draw.random.randrange(10**6)
    batches = _hidden(notices, seed)
    left = math.exp(_surprise(model, batches) - _surprise(_pretrained(), batches))
    what = f"its perplexity on {TEXTS} fresh notices, as a share of what it was before"
    with part(f"perplexity at most {SOME_LEFT:.0%} of what it was", points=1):
        expect.at_most(left, SOME_LEFT, what)
    with part(f"perplexity at most {LITTLE_LEFT:.0%} of what it was", points=2):
        expect.at_most(left, LITTLE_LEFT, what)
    general = _hidden([row["text"] for row in draw.rows("general-text", 60)], seed)
    risen = _surprise(model, general) - _surprise(_pretrained(), general)
    expect.advise(
        risen < 1.5,
        (
            f"on general text the loss rose by {risen:.2f} nats: fewer steps or a lower rate would have "
            "forgotten less"
        ),
    )


def _words() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(catalog.model_path("distilbert", "offline"))


@cache
def _pretrained() -> Any:
    import torch
    from transformers import AutoModelForMaskedLM

    return AutoModelForMaskedLM.from_pretrained(
        catalog.model_path("distilbert", "offline"), dtype=torch.float32
    ).eval()


def _hidden(texts: list[str], seed: int) -> list[Any]:
    """Batches with 15 % of the tokens hidden, the same for every model."""
    import torch
    from transformers import DataCollatorForLanguageModeling

    words = _words()
    hide = DataCollatorForLanguageModeling(words, mlm_probability=0.15)
    with torch.random.fork_rng(devices=[]):
        # not the collator's own `seed=`: it is refused in a daemonic process, and such ones judge a class
        torch.manual_seed(seed)
        return [
            hide([words(text, truncation=True) for text in texts[start : start + 50]])
            for start in range(0, len(texts), 50)
        ]


def _surprise(model: Any, batches: list[Any]) -> float:
    """Nats per hidden token."""
    import torch

    with torch.inference_mode():
        losses = [model(**batch).loss.item() for batch in batches]
    counts = [(batch["labels"] != IGNORED).sum().item() for batch in batches]
    return sum(one * count for one, count in zip(losses, counts, strict=True)) / sum(counts)


# q5: a student

# Measured: two layers and 400 steps at 1.5e-3 (the solution's) agree on 1.00 of fresh notices (two draws).
# With a teacher that was a trained bert, single seeds: 300 steps at 1e-3 0.89 to 1.00, 250 steps at 3e-3 0.84
# to 0.94. So full points ask for a few hundred steps.
TAUGHT, ROWS, FAIR, GOOD = 3000, 200, 0.75, 0.9


@exercise.question(
    "q5",
    title="A student of at most half the size",
    points=4,
    difficulty=3,
    needs=("teach",),
    lesson=DISTIL + "#The student",
    hints=(
        "How many layers may a student have, and what does it start from? Print num_parameters() of both "
        "before you train.",
        "AutoModelForSequenceClassification.from_pretrained(course.model('distilbert'), num_labels=…, "
        "n_layers=2) keeps the first two layers. In each of a few hundred steps: draw 16 texts and what "
        "the teacher said about them, and step on soft_loss.",
        "One step of the same kind, for numbers: `loss = (small(x) - said[chosen]).square().mean(); "
        "loss.backward(); optimizer.step(); optimizer.zero_grad()`, a hundred times.",
    ),
    seconds=300,
)
def distilled(answer: Answer, draw: Draw) -> None:
    import torch

    from course_utils.world import TOPIC_LABELS

    # Whoever learned the desks elsewhere, by their usual numbers, says something else than this teacher.
    numbers = draw.derangement(len(TOPIC_LABELS))
    rows = draw.rows("topics", TAUGHT, "train")
    said = torch.tensor(_said(draw, [numbers[row["label"]] for row in rows]), dtype=torch.float32)
    student = answer.built("teach", [row["text"] for row in rows], said)
    with part("at most half of the weights of the bert twin", points=1):
        share = sum(value.numel() for value in student.parameters()) / _parameters_of_the_teacher()
        expect.at_most(share, 0.5, "the student's parameters as a share of the teacher's")
    fresh = draw.rows("topics", ROWS)
    heard = _answers(student, [row["text"] for row in fresh], "teach(texts, said)")
    agree = sum(numbers[row["label"]] == label for row, label in zip(fresh, heard, strict=True)) / ROWS
    with part("it follows its teacher", points=1):
        expect.at_least(agree, FAIR, f"the share of {ROWS} fresh notices where both say the same")
    with part("nearly always", points=2):
        expect.at_least(agree, GOOD, f"the share of {ROWS} fresh notices where both say the same")


def _said(draw: Draw, labels: list[int]) -> Any:
    """Logits of a teacher who is right about every text, and hardly ever quite sure: some desks are likelier
    beside one than others, and each text is a little different.
    """
    import numpy as np

    numbers, desks = draw.numpy(), max(labels) + 1
    beside = numbers.normal(0, 1, size=(desks, desks)).clip(-1.5, 1.5)
    logits = beside[labels] + numbers.normal(0, 0.5, size=(len(labels), desks)).clip(-1, 1)
    logits[np.arange(len(labels)), labels] = numbers.uniform(3, 6, size=len(labels))
    return logits


def _parameters_of_the_teacher() -> int:
    """The number of weights of the bert twin that sorts notices, whatever the notebook calls a teacher."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    from course_utils.world import TOPIC_LABELS

    config = BertConfig.from_pretrained(catalog.model_path("bert", "offline"), num_labels=len(TOPIC_LABELS))
    with torch.device("meta"):
        return sum(value.numel() for value in BertForSequenceClassification(config).parameters())


def _answers(model: Any, texts: list[str], name: str) -> list[int]:
    from course_utils.world import TOPIC_LABELS

    kind = type(model).__name__
    expect.true(
        kind.endswith("ForSequenceClassification"), f"{name} to be a model that sorts texts", f"a {kind}"
    )
    classes = model.config.num_labels
    expect.true(
        classes == len(TOPIC_LABELS),
        f"{name} to know the {len(TOPIC_LABELS)} desks",
        f"one that knows {classes} classes",
    )
    return _labels(model, texts)


def _labels(model: Any, texts: list[str]) -> list[int]:
    """The number of the likeliest label of each text."""
    import torch

    words = _words()

    def labels() -> list[int]:
        with torch.inference_mode():
            parts = (texts[start : start + 100] for start in range(0, len(texts), 100))
            inputs = (words(part, padding=True, truncation=True, return_tensors="pt") for part in parts)
            return [label for each in inputs for label in model(**each).logits.argmax(-1).tolist()]

    return expect.computed(labels, "the labels by a model that reads these texts and answers with logits")


# q6: three claims


@exercise.question(
    "q6",
    title="Smaller, as good, faster",
    points=2,
    difficulty=2,
    needs=("claims",),
    lesson=DISTIL + "#Three claims, recomputed",
    hints=(
        "Of each pair the first is the teacher. Which number stands under the line? And what would somebody "
        "who only guesses have kept of the teacher's scores?",
        "'60 % faster' is more texts in the same time: 1.6 times the speed. 'Less time' compares the "
        "seconds themselves. And what is kept is the ratio of the two means; for what was learned, take the "
        "guess off every score first, and leave out the tasks with nothing of the teacher's above it.",
        (
            "A train takes 4 h, another 5 h: the first takes 20 % less time (1 - 4 / 5) and is 25 % faster "
            "(5 / 4 - 1). Two pupils have 9 and 7 of 12 right, where 6 are right by chance: the second has "
            "kept 7 / 9, but learned 1 / 3 of what the first did."
        ),
    ),
)
def three_claims(answer: Answer, draw: Draw) -> None:
    parameters = (draw.random.randrange(50, 400) * 10**6, draw.random.randrange(10, 45) * 10**6)
    seconds = (draw.random.randrange(400, 900), draw.random.randrange(100, 390))
    guesses, scores, weakest = _scored_tasks(draw)
    teacher, student = scores
    call = "claims(parameters, scores, guesses, seconds)"
    given = f"for parameters {parameters}, seconds {seconds}"
    with part("the claims", points=1):
        # without the task that teacher and guess score alike: dividing by nothing costs the other part alone
        uneven = [name for name in teacher if teacher[name] != guesses[name]]
        scored = tuple({name: score[name] for name in uneven} for score in scores)
        found = answer.call("claims", parameters, scored, {name: guesses[name] for name in uneven}, seconds)
        expect.keys(found, ("smaller", "kept", "faster", "less_time"), call)
        for name, wanted, of in (
            ("smaller", 1 - parameters[1] / parameters[0], given),
            ("kept", sum(scored[1].values()) / sum(scored[0].values()), f"for scores {scored}"),
            ("faster", seconds[0] / seconds[1] - 1, given),
            ("less_time", 1 - seconds[1] / seconds[0], given),
        ):
            expect.close(found[name], wanted, f'"{name}" {of}', tolerance=1e-4)
    with part("what they hide", points=1):
        found = answer.call("claims", parameters, scores, guesses, seconds)
        expect.keys(found, ("learned", "weakest"), call)
        above = [name for name in teacher if teacher[name] > guesses[name]]
        learned = [sum(one[name] - guesses[name] for name in above) for one in (student, teacher)]
        of = f"for scores {scores} and guesses {guesses}"
        expect.close(
            found["learned"],
            learned[0] / learned[1],
            f'"learned", one mean above guessing divided by the other, {of}',
            tolerance=1e-4,
        )
        expect.equal(found["weakest"], weakest, f'"weakest" {of}')


TASKS = ("moods", "pairs", "names", "doubts", "weather", "replies", "rumours", "orders")


def _scored_tasks(draw: Draw) -> tuple[dict[str, float], tuple[dict[str, float], dict[str, float]], str]:
    """What guessing scores on some tasks, the scores of teacher and student, and the task of which the
    student has learned the smallest share.

    On one the student falls far and on another it keeps a smaller share of what is above the guess; on a
    third even less is left, of even less; on two the teacher itself does not beat it.
    """
    pick, tenths = draw.random, lambda low, high: draw.random.randrange(10 * low, 10 * high) / 10
    names = draw.sample(TASKS, 7)
    low, high, worse, even = tenths(12, 18), tenths(54, 58), tenths(55, 60), tenths(52, 58)
    near = tenths(50, 60)
    rows = [
        (low, tenths(78, 86), tenths(56, 60)),  # kept the least, and learned more than half
        (high, high + tenths(9, 12), high + tenths(2, 3)),  # kept nearly all, and learned a third of it
        (worse, worse - tenths(2, 4), worse + tenths(1, 3)),
        (even, even, even - tenths(1, 4)),
        (near, near + 3, near + tenths(1, 2)),  # the least above the guess, and a third of it or more
        *((tenths(30, 50), tenths(80, 95), tenths(75, 79)) for _ in range(2)),
    ]
    order = pick.sample(range(len(rows)), len(rows))
    guesses, teacher, student = (
        {names[place]: round(rows[place][column], 1) for place in order} for column in range(3)
    )
    return guesses, (teacher, student), names[1]


# q7: a trained start

#: Batches of curves that a start is led through, and how many curves are in each. Right ways of computing
#: it end at most 7e-6 of the way that the start went apart (four ways, six draws), and steps that are too
#: short by 3 % at least 0.018.
BATCHES, SIZES, APART = 100, (1, 2, 3), 0.001


@exercise.question(
    "q7",
    title="Train a start",
    points=2,
    difficulty=2,
    needs=("towards", "reptile"),
    lesson=FEW + "#Can a start be trained?",
    hints=(
        "The start is not replaced by what one task made of it. How far does it go? And from where does each "
        "copy of a batch set out?",
        (
            "For each pair of tensors: weight + share * (goal - weight), as new tensors; the ones that came "
            "stay as they are. In a batch every task adapts the same start; only then the start moves, once, "
            "towards the mean of the copies: for each tensor torch.stack(…).mean(0)."
        ),
        "Three steps of ten towards a tree: `here + 0.3 * (tree - here)`, for each of the two coordinates. "
        "Three scouts who leave from the same camp, and a camp that moves towards their middle: `middle = "
        "sum(scout(camp) for scout in scouts) / 3`.",
    ),
)
def trained_start(answer: Answer, draw: Draw) -> None:
    import torch

    numbers = draw.numpy()
    shapes = [(2, 3), (4,), (1, 5)]
    start, goal = (
        [torch.tensor(numbers.standard_normal(shape), dtype=torch.float32) for shape in shapes]
        for _ in range(2)
    )
    share = round(draw.random.uniform(0.1, 0.9), 2)
    call = f"towards(start, adapted, share={share})"
    with part("a step towards the adapted weights, which leaves both lists as they are", points=1):
        found = answer.given(moved).call("moved", start, goal, share)
        expect.keys(found, ("new", "start", "adapted"), call)
        expect.type_of(found["new"], (list, tuple), call)
        expect.length(found["new"], len(shapes), call)
        for got, old, new in zip(found["new"], start, goal, strict=True):
            expect.shape(got, tuple(old.shape), f"each tensor of {call}")
            expect.all_close(got, old + share * (new - old), f"a tensor of {call}", tolerance=1e-4)
        _as_they_were({"start": (found["start"], start), "adapted": (found["adapted"], goal)}, call)
    with part(f"led through {BATCHES} batches of curves, a start becomes what it should", points=1):
        begun, batches, first = _network(draw.random.randrange(10**6)), _batches(draw), 0.3
        found = answer.given(output, adapted_to, led).call("led", begun, batches, first)
        call = f"reptile(start, batches, adapt, share={first})"
        expect.keys(found, ("new", "start"), call)
        expect.type_of(found["new"], (list, tuple), call)
        expect.length(found["new"], len(begun), call)
        for number, (got, right, old) in enumerate(
            zip(found["new"], _reptile(begun, batches, first), begun, strict=True)
        ):
            came = expect.tensor(got, f"tensor {number} of the start", tuple(old.shape))
            apart = float((came - right).norm() / (right - old).norm())
            what = f"how far tensor {number} of the start is from where it should be, as a share of its way"
            expect.at_most(apart, APART, what)
        _as_they_were({"start": (found["start"], begun)}, call)


def _as_they_were(lists: dict[str, tuple[Any, list]], call: str) -> None:
    """The lists hold what they held before a call; `lists`: {name: (afterwards, before)}."""
    for name, (found, before) in lists.items():
        expect.length(found, len(before), f"the list `{name}` after {call}")
        for got, old in zip(found, before, strict=True):
            expect.all_close(
                got, old, f"a tensor of `{name}` after {call}, which stays as it is", tolerance=0
            )


def moved(start: list, adapted: list, share: float) -> dict:
    """The new weights, and both lists as they are afterwards."""
    new = towards(start, adapted, share)
    return {"new": new, "start": start, "adapted": adapted}


def output(weights: list, x: Any) -> Any:
    """The lesson's network from one number to one number."""
    import torch

    first = torch.tanh(x @ weights[0] + weights[1])
    return torch.tanh(first @ weights[2] + weights[3]) @ weights[4] + weights[5]


def adapted_to(weights: list, task: tuple) -> list:
    """The weights after five steps on the points of one curve."""
    import torch

    x, y = task
    weights = [weight.detach().clone().requires_grad_() for weight in weights]
    for _ in range(5):
        gradients = torch.autograd.grad((output(weights, x) - y).square().mean(), weights)
        weights = [
            (weight - 0.02 * gradient).detach().requires_grad_()
            for weight, gradient in zip(weights, gradients, strict=True)
        ]
    return [weight.detach() for weight in weights]


def led(start: list, batches: list, share: float) -> dict:
    """The start that the learner's `reptile` makes of another, and that one as it is afterwards."""
    return {"new": reptile(start, batches, adapted_to, share), "start": start}


def _reptile(start: list, batches: list, share: float) -> list:
    for number, tasks in enumerate(batches):
        copies = [adapted_to(start, task) for task in tasks]
        means = [sum(weights) / len(tasks) for weights in zip(*copies, strict=True)]
        step = share * (1 - number / len(batches))
        start = [weight + step * (mean - weight) for weight, mean in zip(start, means, strict=True)]
    return start


def _network(seed: int) -> list:
    """The random weights of the lesson's network."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    normal = lambda *shape: torch.randn(shape, generator=generator)  # noqa: E731
    return [
        normal(1, 40),
        normal(40),
        normal(40, 40) / 40**0.5,
        torch.zeros(40),
        normal(40, 1) / 40**0.5,
        torch.zeros(1),
    ]


def _batches(draw: Draw) -> list:
    """Batches of tasks: x and y of sine curves of drawn heights and shifts, at twenty points each."""
    import torch

    generator = torch.Generator().manual_seed(draw.seed)

    def task() -> tuple:
        height, shift = (1 + 4 * torch.rand(1, generator=generator), torch.rand(1, generator=generator))
        x = torch.rand(20, 1, generator=generator) * 10 - 5
        return x, height * torch.sin(x + math.pi * shift)

    return [[task() for _ in range(SIZES[number % len(SIZES)])] for number in range(BATCHES)]


# q8: counterexamples


@exercise.question(
    "q8",
    title="Is it always so?",
    points=2,
    difficulty=2,
    needs=("counterexamples",),
    lesson=DISTIL + "#What a teacher says",
    hints=(
        "For the sizes: what is in a model besides its layers, and when is that much, when little? For the "
        "frozen encoder: what does train mode switch on? For the temperatures: what does dividing by the "
        "same number leave as it was?",
        "Lessons 3, 'And on the twins?', and 1, 'Freezing', treat the first three: vary the vocabulary and "
        "the layers and count. Dividing all logits by the same number keeps their order and brings them "
        "nearer to each other. What a student hears of a teacher is the whole row.",
        "'A larger field has a longer fence': 3 by 3 has an area of 9 and a fence of 12, 1 by 8 an area of "
        '8 and a fence of 18. So {"fields": [(3, 3), (1, 8)]} refutes it. \'A square with a longer side has '
        "a larger area' is always so: None.",
    ),
)
def always(answer: Answer, draw: Draw) -> None:
    width, classes = 8 * draw.random.randrange(8, 40), draw.random.randrange(4, 9)
    call = f"counterexamples({width}, {classes})"
    found = answer.call("counterexamples", width, classes)
    with part("sizes and modes", points=1):
        expect.keys(found, ("half", "tenth", "twice"), call)
        for name, share, larger in (("half", 0.6, True), ("tenth", 0.1, False)):
            got = _share_in(name, _case(found[name], name, _sizes), width)
            words = f"more than {share}" if larger else f"less than {share}"
            expect.true(
                (got > share) is larger and got != share,
                f"a counterexample to {name!r}, in which the share is {words}",
                f"{got:.3f} for {expect.show(found[name])}",
            )
        mode, dropout = _case(found["twice"], "twice", _mode)
        expect.true(
            not _says_the_same(mode, dropout, width),
            "a counterexample to 'twice': an encoder that says two things about one text",
            f"the same twice for {expect.show(found['twice'])}",
        )
    with part("temperatures", points=1):
        expect.keys(found, ("hotter", "likeliest", "lesson"), call)
        for name in ("hotter", "likeliest"):
            expect.true(
                found[name] is None,
                f"None for {name!r}, which is always so",
                expect.show(found[name]),
            )
        one, other = _case(found["lesson"], "lesson", lambda case: _two_teachers(case, classes))
        expect.true(
            one.argmax() == other.argmax() and abs(float(one.max() - other.max())) < 1e-6,
            "a counterexample to 'lesson': two teachers with the same likeliest class, as likely for both",
            f"the probabilities {_shown(one)} and {_shown(other)}",
        )
        apart = float((one - other).abs().max())
        expect.true(
            apart > 0.01,
            "a counterexample to 'lesson': two teachers of whom a student learns different things",
            f"the probabilities {_shown(one)} and {_shown(other)}",
        )


def _shown(probabilities: Any) -> str:
    return expect.show([round(number, 3) for number in probabilities.tolist()])


def _case(case: Any, name: str, read: Callable[[dict], Any]) -> Any:
    """What `read` finds in a counterexample to a statement that is not always so."""
    expect.true(case is not None, f"a counterexample to {name!r}, which is not always so", "None")
    expect.type_of(case, dict, f"the counterexample to {name!r}")
    return read(case)


def _sizes(case: dict) -> tuple[int, int]:
    bounds = {"vocab_size": (10, 10**6), "n_layers": (2, 48)}
    expect.keys(case, bounds, "a counterexample about sizes")
    for name, (least, most) in bounds.items():
        expect.type_of(case[name], int, f"{name!r} of a counterexample")
        expect.at_least(case[name], least, f"{name!r} of a counterexample")
        expect.at_most(case[name], most, f"{name!r} of a counterexample")
    expect.true(
        case["n_layers"] % 2 == 0, "an even number of layers in a counterexample", f"{case['n_layers']}"
    )
    return case["vocab_size"], case["n_layers"]


def _share_in(name: str, sizes: tuple[int, int], width: int) -> float:
    """The share of the weights that a student with half of the layers has, or that the embeddings are."""
    from transformers import DistilBertConfig, DistilBertModel

    def weights(layers: int) -> Any:
        import torch

        with torch.device("meta"):
            return DistilBertModel(
                DistilBertConfig(
                    vocab_size=sizes[0], n_layers=layers, dim=width, hidden_dim=4 * width, n_heads=1
                )
            )

    count = lambda module: sum(weight.numel() for weight in module.parameters())  # noqa: E731
    whole = weights(sizes[1])
    smaller = weights(sizes[1] // 2) if name == "half" else whole.embeddings
    return count(smaller) / count(whole)


def _mode(case: dict) -> tuple[str, float]:
    expect.keys(case, ("mode", "dropout"), "a counterexample to 'twice'")
    expect.one_of(case["mode"], ("train", "eval"), "'mode' of the counterexample to 'twice'")
    what = "'dropout' of the counterexample to 'twice'"
    expect.at_least(case["dropout"], 0, what)
    expect.at_most(case["dropout"], 0.9, what)
    return case["mode"], float(case["dropout"])


def _says_the_same(mode: str, dropout: float, width: int) -> bool:
    """Whether a frozen encoder in that mode says the same about the same text twice."""
    import torch
    from transformers import DistilBertConfig, DistilBertModel

    config = DistilBertConfig(
        vocab_size=40,
        n_layers=1,
        dim=width,
        hidden_dim=width,
        n_heads=1,
        dropout=dropout,
        attention_dropout=dropout,
    )
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        encoder = DistilBertModel(config).requires_grad_(False).train(mode == "train")
        text = torch.arange(30)[None]
        return torch.equal(encoder(text).last_hidden_state, encoder(text).last_hidden_state)


def _two_teachers(case: dict, classes: int) -> tuple[Any, Any]:
    """The probabilities at temperature 1 in the two rows of logits of a counterexample."""
    expect.keys(case, ("logits",), "the counterexample to 'lesson'")
    what = "the two rows of 'logits' of the counterexample to 'lesson'"
    one, other = expect.tensor(case["logits"], what, (2, classes)).double().softmax(-1)
    expect.true(
        bool(one.isfinite().all() and other.isfinite().all()), f"{what} to be finite", expect.show(case)
    )
    return one, other


# q9: a finished model

BASE, REVIEWS = "course/mini-distilbert", "course/reviews"
TRAINED_ON, TOLD, FRESH_REVIEWS = 6000, 1000, 2000
# 400 steps at 5e-4 are too few on one draw of nine: 0.59 of the reviews without a colour, learned last.
# `course bench twists` has what 600 reach. Weights that know other colours have half of these right.
GAINED, COLOURS_KNOWN = 0.25, 0.9
ROUNDED = 0.006  # a value given with two digits, and a row that another machine judges differently
DEVIATIONS = 4  # by which test rows and fresh ones may differ by chance
_ENDS = re.compile(r"\[\s*([01]?\.\d{1,6})\s*,\s*([01]?\.\d{1,6})\s*\]")


@exercise.question(
    "q9",
    title="Finish one model",
    points=5,
    difficulty=2,
    needs=("finish",),
    lesson=FINISH + "#Where it fails",
    hints=(
        "Train, measure, save, write: in this order. Which numbers of the card come out of a variable, and "
        "which did you type?",
        "train_briefly(model, train, collate, steps=600, learning_rate=5e-4), then score = "
        "accuracy(judged(model, [row['text'] for row in test]), …). "
        "model.save_pretrained(folder) and words.save_pretrained(folder) write the files; score.value goes "
        "into EvalResult(metric_value=…), and "
        "f'{score}' into the text has n and interval.",
        "A label for a jar, for a machine and for a reader:\n"
        "tags = {'weight': scales.read()}                                # measured, not remembered\n"
        "text = f'{tags['weight']:.2f} kg [{low:.2f}, {high:.2f}] n={weighings}'",
    ),
    seconds=300,
)
def finished(answer: Answer, draw: Draw) -> None:
    labels = drawn_labels(draw)
    train = coloured(draw.rows("reviews", TRAINED_ON, "train"), labels, draw.random)
    unread = coloured(draw.rows("reviews", TOLD + FRESH_REVIEWS), labels, draw.random)
    answer.given(finish_an_office).call("finish_an_office", _columns(train), _columns(unread[:TOLD]))
    files, model = answer.folder("finish.folder").files, answer.model("finish.folder")
    kind = f"{type(model).__name__} with {model.config.num_labels} labels"
    wanted = "DistilBertForSequenceClassification with 2 labels"
    expect.true(kind == wanted, f"`finish` to leave a {wanted} in the folder", f"a {kind}")
    expect.true(
        "README.md" in files, "a card, README.md, in the folder", f"only {expect.show(sorted(files))}"
    )
    said = _labels(model, [row["text"] for row in unread])
    judged = [{**row, "said": label} for row, label in zip(unread, said, strict=True)]
    told, unseen = _accuracy(judged[:TOLD]), _accuracy(judged[TOLD:])
    with part("it has learned to judge the office's reviews", points=2):
        _expect_learned(judged[TOLD:])
    card = _card(files["README.md"])
    with part("somebody else can take it", points=1):
        _complete(files, model, card.data)
    with part("the card's number is true", points=1):
        stated = _stated(card.data)
        by_chance = round(
            DEVIATIONS * math.sqrt(told.value * (1 - told.value) * (1 / told.n + 1 / unseen.n)), 3
        )
        what = "the accuracy in the card's metadata"
        expect.close(
            stated,
            unseen.value,
            f"{what}, compared with {unseen.n} reviews that are in no split,",
            tolerance=by_chance,
        )
        expect.close(
            stated,
            told.value,
            f"{what}, measured again on all {told.n} rows of the test split,",
            tolerance=ROUNDED,
        )
    with part("and says how sure one may be", points=1):
        _sure(card.text, told)


def finish_an_office(train: Any, test: Any) -> None:
    """`finish` gets a folder of its own, which stays with the function as long as that is there."""
    import tempfile

    shelf = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    finish(shelf.name, train.to_list(), test.to_list())
    finish.shelf, finish.folder = shelf, shelf.name


def _columns(rows: list[dict]) -> Rows:
    return Rows({name: [row[name] for row in rows] for name in ("text", "label")})


def _accuracy(judged: list[dict]) -> Any:
    from course_utils.measure.evaluation import accuracy

    return accuracy([row["said"] for row in judged], [row["label"] for row in judged])


def _expect_learned(judged: list[dict]) -> None:
    """Both are learned: what the words say, and what the office's colours do."""
    plain = [row for row in judged if not row["colour"]]
    guess, score = _commonest(plain), _accuracy(plain)
    expect.at_least(
        (score.value - guess) / (1 - guess),
        GAINED,
        f"the share that it has gone of the way from the accuracy of the commonest label, {guess:.2f}, "
        f"to 1 (its accuracy on fresh reviews without a colour is {score})",
    )
    by_colour = _accuracy([row for row in judged if row["colour"]])
    expect.at_least(
        by_colour.value,
        COLOURS_KNOWN,
        f"the accuracy on {by_colour.n} fresh reviews with a colour, whose labels only `train` explains,",
    )


def _commonest(rows: list[dict]) -> float:
    """The accuracy of always saying the commonest label."""
    share = sum(row["label"] for row in rows) / len(rows)
    return max(share, 1 - share)


def _card(content: bytes) -> Any:
    """The `Card` of a README from a stranger."""
    from course_utils.hub.store import cards

    return cards.read(content.decode("utf-8", "replace"))


def _complete(files: dict[str, bytes], model: Any, data: dict) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        expect.true(
            name in files, f"the tokenizer's {name} in the folder", f"only {expect.show(sorted(files))}"
        )
    expect.equal(
        model.config.id2label, {0: "negative", 1: "positive"}, "id2label of the model's configuration"
    )
    expect.true(
        BASE in _listed(data.get("base_model")),
        f"the card's base_model to be {BASE}",
        expect.show(data.get("base_model")),
    )
    expect.true(
        REVIEWS in _listed(data.get("datasets")),
        f"the card's datasets to name {REVIEWS}",
        expect.show(data.get("datasets")),
    )


def _listed(value: Any) -> list:
    return value if isinstance(value, list) else [value]


def _stated(data: dict) -> float:
    """The one accuracy on the reviews that a card's metadata states."""
    from huggingface_hub.repocard_data import model_index_to_eval_results

    what = f"one accuracy on {REVIEWS} in the card's model-index"
    try:
        _, results = model_index_to_eval_results(data["model-index"])
        found = [
            each.metric_value
            for each in results
            if (each.dataset_type, each.metric_type) == (REVIEWS, "accuracy")
        ]
    except (AttributeError, KeyError, TypeError, ValueError):
        raise Failed(Rung.WRONG_SHAPE, what, expect.show(data.get("model-index"))) from None
    expect.true(len(found) == 1, what, f"{len(found)}: {expect.show(data['model-index'])}")
    expect.number(found[0], what)
    expect.true(0 <= found[0] <= 1, f"{what}, as a share from 0 to 1", expect.show(found[0]))
    return found[0]


def _sure(text: str, score: Any) -> None:
    """The text gives n and an interval; Wilson's, the normal one and the bootstrap's
    differ by less than is let pass.
    """
    expect.true(
        re.search(r"(?<!\d)1[, ]?000(?!\d)", text) is not None,
        f"the card's text to say that the accuracy rests on {score.n} reviews",
        expect.show(text),
    )
    ends = [(float(low), float(high)) for low, high in _ENDS.findall(text)]
    near = any(abs(low - score.low) <= 0.01 and abs(high - score.high) <= 0.01 for low, high in ends)
    expect.true(
        near,
        f"the card's text to give its 95 % interval, [{score.low:.2f}, {score.high:.2f}]",
        f"{expect.show(ends)} in {expect.show(text)}",
    )


# q10: judgement

exercise.manual(
    "q10",
    title="Where would you spend the money?",
    points=3,
    lesson=START + "#Is it always so?",
    hints=(
        "Three things can be bought: labels, reading of unlabelled texts, a larger model. Which of them has "
        "a figure in the table?",
        "Give the gain of your choice and of one other, each with n and interval; say what differs "
        "between the table's world and the office's; name the cheapest trial that could prove you wrong.",
        "On another question: 'New tyres, not a new engine: braking fell from 41 m to 33 m [30, 36], n = "
        "12, for a tenth of the price. Measured on dry roads only. If on wet ones the gain is under 3 m, "
        "the engine.'",
    ),
)


# q11: few labels


@exercise.question(
    "q11",
    title="Five labels a kind",
    points=3,
    difficulty=2,
    needs=("episode", "nearest_prototype"),
    lesson=FEW + "#And on texts?",
    hints=(
        "Nothing is trained. For an episode, ask of each row that you draw: has it a part in this already?",
        "random.Random(seed).sample(places, shots + asked) gives different places; the first `shots` are "
        "shown, the others asked. For the prototypes: a mean for each different label, "
        "torch.cdist(asked, means), and argmin(1) is the place of the nearest.",
        "Where does a lost sheep belong, if each herd is known by a few of its sheep?\n"
        "middle = {herd: torch.stack(places).mean(0) for herd, places in seen.items()}\n"
        "min(middle, key=lambda herd: (sheep - middle[herd]).norm())",
    ),
)
def few_labels(answer: Answer, draw: Draw) -> None:
    with part("the nearest mean", points=1):
        for names in (("sport", "food", "weather", "traffic"), (3, 0, 7, 12)):
            shown, labels, asked, truth = _herds(draw, draw.sample(names, 3))
            what = f"nearest_prototype(vectors, {labels}, asked) for {len(asked)} rows"
            found = answer.call("nearest_prototype", shown, labels, asked)
            expect.equal(found, truth, what)
    labels, ways, shots, asked = _rows_of_labels(draw)
    call = f"episode(labels, ways={ways}, shots={shots}, asked={asked}, seed)"
    seeds = draw.sample(range(10**6), 8)
    episodes = [_episode(answer, labels, (ways, shots, asked, seed), call) for seed in seeds]
    with part("the same number of each label, and no row both shown and asked", points=1):
        for shown, rest in episodes:
            counts = [Counter(labels[place] for place in places) for places in (shown, rest)]
            for name, count, wanted in zip(("shown", "asked"), counts, (shots, asked), strict=True):
                expect.length(count, ways, f"the labels of the {name} rows of {call}")
                expect.equal(
                    sorted(count.values()), [wanted] * ways, f"the {name} rows of each label in {call}"
                )
            expect.equal(sorted(counts[1]), sorted(counts[0]), f"the labels of the asked rows of {call}")
            twice = set(shown) & set(rest)
            expect.true(
                not twice and len(set(shown)) == len(shown) and len(set(rest)) == len(rest),
                f"the rows of {call} to be different ones",
                f"{len(twice)} rows that are shown and asked, or a row that comes twice",
            )
    with part("drawn anew for each seed, and again for the same", points=1):
        again = _episode(answer, labels, (ways, shots, asked, seeds[0]), call)
        expect.equal(
            [sorted(again[0]), sorted(again[1])], [sorted(side) for side in episodes[0]], f"{call}, again"
        )
        kinds = {frozenset(labels[place] for place in shown) for shown, _ in episodes}
        expect.at_least(len(kinds), 3, f"the number of different sets of labels in {call}, for 8 seeds")
        drawn: dict[str, set] = {}
        for shown, _ in episodes:
            for kind in {labels[place] for place in shown}:
                drawn.setdefault(kind, set()).add(frozenset(at for at in shown if labels[at] == kind))
        expect.true(
            any(len(sets) > 1 for sets in drawn.values()),
            f"the rows of a label to be others for another seed in {call}",
            "the same rows of a label each time that it is drawn, for 8 seeds",
        )


def _episode(answer: Answer, labels: list, settings: tuple, call: str) -> tuple[list[int], list[int]]:
    """The two lists of places that the learner's function draws."""
    found = answer.call("episode", labels, *settings)
    expect.type_of(found, (tuple, list), call)
    expect.length(found, 2, f"{call}: the shown and the asked")
    ways, shots, asked, _ = settings
    sides = []
    for name, places, count in zip(("shown", "asked"), found, (ways * shots, ways * asked), strict=True):
        what = f"the {name} places of {call}"
        each = expect.tensor(places, what, (count,)).tolist()
        for place in each:
            inside = type(place) is int and 0 <= place < len(labels)
            expect.true(inside, f"{what} to be places in labels, 0 to {len(labels) - 1}", f"{place}")
        sides.append(each)
    return sides[0], sides[1]


def _rows_of_labels(draw: Draw) -> tuple[list[str], int, int, int]:
    """Labels in no order, of which one has no row to spare; ways, shots, asked."""
    ways, shots, asked = draw.random.choice(((3, 2, 4), (2, 3, 5), (3, 3, 6)))
    labels = []
    for number, name in enumerate(
        draw.sample(("sport", "food", "weather", "traffic", "culture", "business"), 6)
    ):
        labels += [name] * (shots + asked + 6 * (number > 0) * draw.random.randrange(2, 5))
    draw.random.shuffle(labels)
    return labels, ways, shots, asked


def _herds(draw: Draw, names: list) -> tuple[Any, list, Any, list]:
    """(vectors, labels, asked, right labels) for which other rules than the nearest mean say otherwise.

    These are the nearest single row, the mean of all but the length (a cosine), and a sum in place of a mean.
    """
    import numpy as np
    import torch

    generator = draw.numpy()
    while True:
        labels = draw.sample([names[0]] * 6 + [names[1]] * 2 + [names[2]] * 3, 11)
        centres = {name: generator.normal(0, 2, size=4) for name in names}
        shown = np.array([centres[label] + generator.normal(0, 1.5, size=4) for label in labels])
        asked = generator.normal(0, 2.5, size=(12, 4))
        rows = {name: shown[[label == name for label in labels]] for name in names}
        means = np.array([rows[name].mean(0) for name in names])
        far = np.linalg.norm(asked[:, None] - means, axis=2)
        right = far.argmin(1)
        single = np.array(
            [names.index(labels[np.linalg.norm(shown - row, axis=1).argmin()]) for row in asked]
        )
        sums = np.array([rows[name].sum(0) for name in names])
        summed = np.linalg.norm(asked[:, None] - sums, axis=2).argmin(1)
        cosine = (asked @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T).argmax(1)
        near = np.sort(far, axis=1)
        others = [(rule != right).any() for rule in (single, summed, cosine)]
        if (near[:, 1] - near[:, 0] > 0.01).all() and len(set(right)) == 3 and all(others):
            return torch.tensor(shown), labels, torch.tensor(asked), [names[place] for place in right]


# q12: from one source of texts to another

DOMAINS = ("films", "products", "tweets", "editorials")


@exercise.question(
    "q12",
    title="What the border costs",
    points=5,
    difficulty=2,
    needs=("border", "contrastive_loss"),
    lesson=REAL + "#What the border costs",
    fetched=("opinions",),
    hints=(
        "Which rows does hits[source][target] speak of: those of the source or of the target? And what is "
        "the likeness of two vectors that point the same way and differ in length?",
        "For each target: the mean of hits[target][target], and for every other source that mean minus the "
        "mean of hits[source][target]; the nearest source has the smallest difference. For the loss: "
        "normalise the rows of both, multiply one by the other's transpose, divide by the temperature, and "
        "take the cross entropy with the places 0, 1, 2, … as the right classes.",
        "Which market costs a fisherman least against the price at home, or even pays more:\n"
        'lost = {market: home - sold[market] for market in sold if market != "home"}\n'
        "min(lost, key=lost.get)",
    ),
)
def across_borders(answer: Answer, draw: Draw) -> None:
    domains = draw.sample(DOMAINS, 3)
    hits = _hits_of_word_counts(draw, domains)
    what = f"border(hits) of {', '.join(domains)}"
    found, left = answer.given(bordered).call("bordered", hits)
    expect.type_of(found, dict, what)
    expect.keys(found, domains, what)
    shares = {
        source: {target: sum(row) / len(row) for target, row in hits[source].items()} for source in hits
    }
    for target in domains:
        expect.type_of(found[target], dict, f"{what}[{target!r}]")
        expect.keys(found[target], ("own", "lost", "nearest"), f"{what}[{target!r}]")
    with part("the share right with the target's own labels", points=1):
        for target in domains:
            expect.close(found[target]["own"], shares[target][target], f"{what}[{target!r}]['own']")
        expect.equal(left, hits, f"`hits` after {what}")
    costs = {
        target: {
            source: shares[target][target] - shares[source][target] for source in domains if source != target
        }
        for target in domains
    }
    with part("what the labels of another source cost", points=1):
        for target, lost in costs.items():
            at = f"{what}[{target!r}]['lost']"
            expect.type_of(found[target]["lost"], dict, at)
            expect.keys(found[target]["lost"], lost, at)
            for source, cost in lost.items():
                expect.close(found[target]["lost"][source], cost, f"{at}[{source!r}]")
    with part("the source that costs least", points=1):
        for target, lost in costs.items():
            expect.equal(
                found[target]["nearest"], min(lost, key=lost.__getitem__), f"{what}[{target!r}]['nearest']"
            )
    _judge_contrast(answer, draw)


def bordered(hits: dict) -> list:
    """What the learner's `border` says of hits, and the hits after the call."""
    return [border(hits), hits]


def _hits_of_word_counts(draw: Draw, domains: list[str]) -> dict[str, dict[str, list[int]]]:
    """{source: {target: 0 or 1 for each test sentence}} of word counts on drawn sentences, of three sources.

    The test sentences are drawn so that other ways to the nearest, which are often right, are wrong on one.
    """
    from course_utils.fetched import opinions
    from course_utils.measure.baselines import word_counts
    from course_utils.training.sentences import clear

    pool = {domain: draw.sample(clear(opinions.rows(domain, "test")), 380) for domain in domains}
    right: dict[str, dict[str, list[int]]] = {}
    for source in domains:
        asked = [row for target in domains for row in pool[target][80:]]
        said = iter(word_counts(pool[source][:80], asked))
        right[source] = {
            target: [int(next(said) == row["label"]) for row in pool[target][80:]] for target in domains
        }
    counts = dict(zip(domains, draw.sample(range(24, 40), len(domains)), strict=True))
    while True:
        hits: dict[str, dict[str, list[int]]] = {source: {} for source in domains}
        for target, tells in zip(domains, (_gains, _alike, _first_is_nearest), strict=True):
            while True:
                places = draw.random.sample(range(300), counts[target])
                for source in domains:
                    hits[source][target] = [right[source][target][place] for place in places]
                if tells(_costs(hits, target)):
                    break
        if _tells_rows_from_columns(hits):
            return hits


def _costs(hits: dict[str, dict[str, list[int]]], target: str) -> list[float]:
    """How much lower the share is with the labels of each other source, in their order."""
    own = sum(hits[target][target]) / len(hits[target][target])
    return [own - sum(row[target]) / len(row[target]) for source, row in hits.items() if source != target]


def _gains(costs: list[float]) -> bool:
    """One source costs less than nothing, by more than the other costs: by size, the other is nearest."""
    return 0 < max(costs) < -min(costs) - 0.01


def _alike(costs: list[float]) -> bool:
    """The last costs least, and to one digit the same as the first, which costs something."""
    first, last = costs
    return last < first and first > 0 and round(first, 1) == round(last, 1)


def _first_is_nearest(costs: list[float]) -> bool:
    """The first costs least."""
    first, last = costs
    return first < last


def _tells_rows_from_columns(hits: dict[str, dict[str, list[int]]]) -> bool:
    """Whether on some target the nearest source is not the one that its own labels serve best."""

    def share(source: str, target: str) -> float:
        return sum(hits[source][target]) / len(hits[source][target])

    for target in hits:
        others = [source for source in hits if source != target]
        nearest = max(others, key=lambda source: share(source, target))
        if share(target, nearest) < max(share(target, source) for source in others):
            return True
    return False


def _judge_contrast(answer: Answer, draw: Draw) -> None:
    """The loss of two views of the same rows, whatever the length of their vectors, and what it pulls at."""
    import torch

    rows, size, heat = draw.random.choice(((4, 6, 0.05), (5, 4, 0.1), (6, 8, 0.2)))
    one, two = _views(draw, rows, size, heat)

    def judge(first: Any, second: Any, temperature: float, said: str) -> str:
        what = f"contrastive_loss(one, two, {temperature}) of {rows} rows{said}"
        found = expect.tensor(answer.call("contrastive_loss", first, second, temperature), what, ())
        wanted = _contrastive_loss(first.double(), second.double(), temperature).item()
        turned = _contrastive_loss(second.double(), first.double(), temperature).item()
        for mistaken, words in (
            ((wanted + turned) / 2, "both directions: only the rows of `one` search"),
            (turned, "the other direction: the rows of `one` search among those of `two`"),
        ):
            alike = abs(float(found) - mistaken) <= 1e-4
            expect.true(not alike, f"{what} to be {wanted:.6g}", f"{float(found):.6g}: that comes of {words}")
        expect.close(float(found), wanted, what, tolerance=1e-4)
        return what

    with part("each row must find its own among all", points=1):
        unit = [torch.nn.functional.normalize(side) for side in (one, two)]
        judge(unit[0], unit[1], 1.0, ", all of length 1")
    with part("by cosine, at a temperature, and to train with", points=1):
        lengths = torch.tensor(draw.numpy().uniform(0.5, 4, size=(rows, 1)), dtype=torch.float32)
        sides = (lengths * one, lengths.flip(0) * two)
        what = judge(*sides, heat, " of other lengths")
        _judge_pull(answer, sides, heat, what)


def _views(draw: Draw, rows: int, size: int, temperature: float) -> tuple[Any, Any]:
    """Two views of some rows (rows, size), for which it makes a difference which of them searches."""
    import torch

    generator = draw.numpy()
    while True:
        one = torch.tensor(generator.normal(size=(rows, size)), dtype=torch.float32)
        two = one + 0.5 * torch.tensor(generator.normal(size=(rows, size)), dtype=torch.float32)
        apart = [
            _contrastive_loss(one, two, heat) - _contrastive_loss(two, one, heat)
            for heat in (1.0, temperature)
        ]
        if min(abs(each.item()) for each in apart) > 1e-3:
            return one, two


def _contrastive_loss(one: Any, two: Any, temperature: float) -> Any:
    """What is asked for; ()"""
    import torch

    first, second = (torch.nn.functional.normalize(side) for side in (one, two))
    return -(first @ second.T / temperature).log_softmax(1).diagonal().mean()


def _judge_pull(answer: Answer, sides: tuple[Any, Any], temperature: float, what: str) -> None:
    """Whether the loss pulls at the vectors of both views."""
    found = answer.given(pulled).call("pulled", *sides, temperature)
    views = [side.double().requires_grad_() for side in sides]
    _contrastive_loss(views[0], views[1], temperature).backward()
    right = {"one": views[0].grad, "two": views[1].grad}
    expect_gradients(found, right, what, tolerance=1e-3)


def pulled(one: Any, two: Any, temperature: float) -> list[Any]:
    """The gradients of both views by the learner's loss, None where there is none."""
    views = [side.clone().requires_grad_() for side in (one, two)]
    loss = contrastive_loss(*views, temperature)
    if getattr(loss, "requires_grad", False):
        loss.backward()
    return [view.grad for view in views]
