"""Exercise 08: its solution, its stub, plausible wrong answers with the words they get, and other right ones."""

import copy
import hashlib
import json
import multiprocessing
import re
import shutil
from functools import partial
from pathlib import Path

import pytest

from course_utils.checks import colours, render
from course_utils.checks.chapters import transfer_learning
from course_utils.checks.chapters.transfer_learning import exercise
from course_utils.checks.testing import (
    answer_source,
    given_cells,
    judge_source,
    judged_objects_well,
    judged_well,
    namespace,
)
from course_utils.fetched import ready

EXERCISE = "08_transfer_learning"
needs_files = pytest.mark.skipif(not ready("opinions"), reason="course fetch was not run here")
given = partial(given_cells, EXERCISE)
TORCH = "import torch"


def test_the_card():
    assert 20 <= exercise.points <= 38
    assert len([question for question in exercise.questions.values() if not question.manual]) == 11


def test_the_notebook_colours_as_many_reviews_as_the_check():
    assert f"chance.random() < {colours.COLOURED} " in given("q9-given")


# q1

FREEZE = """
def freeze(model, depth):
    for weight in model.parameters():
        weight.requires_grad = True
    parts = [model.distilbert.embeddings] + list(model.distilbert.transformer.layer)
    for part in parts[:depth]:
        for weight in part.parameters():
            weight.requires_grad = False
    return model
"""
BY_NAME = """
def freeze(model, depth):
    starts = ["distilbert.embeddings."] + [f"distilbert.transformer.layer.{number}." for number in range(12)]
    for name, weight in model.named_parameters():
        weight.requires_grad_(not name.startswith(tuple(starts[:depth])))
    return model
"""


def test_freezing():
    judged_well(
        EXERCISE,
        "q1",
        before=TORCH,
        wrong={
            FREEZE.replace(
                "for weight in part.parameters():", "for weight in list(part.parameters())[1:]:"
            ): "the parts with trained weights",
            FREEZE.replace(
                "weight.requires_grad = True", "weight.requires_grad = weight.ndim > 1"
            ): "every weight of the",
            FREEZE.replace("[:depth]", "[depth:]"): "the parts with trained weights",
            FREEZE.replace("[:depth]", "[:depth - 1]"): "the parts with trained weights",
            FREEZE.replace(
                "weight.requires_grad = True", "pass"
            ): "of a model that came with a frozen encoder",
            FREEZE.replace("[model.distilbert.embeddings] + ", ""): "the parts with trained weights",
            FREEZE.replace("requires_grad = False", "data.zero_()"): "the parts with trained weights",
            "def freeze(model, depth):\n    model.distilbert.requires_grad_(False)\n    return model": "depth 0",
        },
        right=[FREEZE, BY_NAME],
    )


def test_a_probe_of_the_notebooks_own_is_not_believed():
    """`probe` bound anew: it looks at what a right function froze, whatever the answer is."""
    says = f"{FREEZE}\n{given('q1-probe')}".replace("freeze(", "right(")
    says += "\ndef freeze(model, depth):\n    return model"
    assert judge_source(EXERCISE, "q1", says, before=TORCH).points == 0


# q2

LOSS = """
def soft_loss(student, teacher, T):
    p = (teacher / T).softmax(-1)
    apart = p * ((teacher / T).log_softmax(-1) - (student / T).log_softmax(-1))
    return T ** 2 * apart.sum(-1).mean()

def mixed_loss(student, teacher, labels, T, share):
    return share * soft_loss(student, teacher, T) + (1 - share) * torch.nn.functional.cross_entropy(student, labels)
"""
TORCHS = """
def soft_loss(student, teacher, T):
    q, p = torch.log_softmax(student / T, 1), torch.softmax(teacher / T, 1)
    return torch.nn.functional.kl_div(q, p, reduction="sum") / len(student) * T * T

def mixed_loss(student, teacher, labels, T, share):
    hard = -student.log_softmax(1)[range(len(labels)), labels].mean()
    return soft_loss(student, teacher, T) * share + hard * (1 - share)
"""


def test_the_loss():
    judged_well(
        EXERCISE,
        "q2",
        before=TORCH,
        wrong={
            LOSS.replace("T ** 2 * ", ""): "the value of soft_loss",
            LOSS.replace(".sum(-1).mean()", ".mean()"): "the loss at T = 1",
            LOSS.replace(
                "(teacher / T).log_softmax(-1)", "(teacher / T).softmax(-1).log()"
            ): "a probability of 0",
            TORCHS.replace("kl_div(q, p,", "kl_div(p.log(), q.exp(),"): "the loss at T = 1",
            LOSS.replace("(1 - share) *", ""): "mixed_loss(student",
            LOSS.replace(
                "cross_entropy(student, labels)", "cross_entropy(student / T, labels)"
            ): "mixed_loss(student",
            LOSS.replace(".sum(-1).mean()", ".sum(-1)"): "soft_loss",
        },
        right=[LOSS, TORCHS],
    )


def test_a_forgotten_square_costs_more_than_one_part():
    assert judge_source(EXERCISE, "q2", LOSS.replace("T ** 2 * ", ""), before=TORCH).points == 2


# q3

BATCH = """
def remark_batch(pairs, cls, sep, mask, pad):
    rows = [[cls, *text, *[mask for _ in remark], sep] for text, remark in pairs]
    asked = [[-100] * (len(text) + 1) + remark + [-100] for text, remark in pairs]
    longest = max(len(row) for row in rows)
    fill = lambda lists, value: [row + [value] * (longest - len(row)) for row in lists]
    return {"input_ids": fill(rows, pad), "attention_mask": fill([[1] * len(row) for row in rows], 0), "labels": fill(asked, -100)}
"""
TENSORS = (
    BATCH.replace('return {"input', 'found = {"input')
    + "    return {name: torch.tensor(rows) for name, rows in found.items()}\n"
)


def test_the_bugs():
    judged_well(
        EXERCISE,
        "q3",
        before=TORCH,
        wrong={
            given("q3-colleague").replace("colleagues_batch", "remark_batch"): "the input_ids",
            BATCH.replace("*[mask for _ in remark]", "*remark"): "the input_ids",
            BATCH.replace("fill(asked, -100)", "fill(asked, pad)"): "the labels",
            BATCH.replace("[-100] * (len(text) + 1)", "[cls] + text"): "the labels",
            BATCH.replace(
                "len(row) for row in rows], 0)", "len(row) for row in rows], 1)"
            ): "the attention mask",
            BATCH.replace("*[mask for _ in remark]", "mask"): "each row of the",
        },
        right=[BATCH, TENSORS],
    )


# q4 and q5: models, made once


@pytest.fixture(scope="module")
def models(course):
    """What the solution's notebook holds after question 4, and what it gives for question 5."""
    cells = ("q2-answer", "q4-data", "q4-answer", "q4-train", "q5-collate", "q5-answer")
    return namespace(TORCH, *map(given, cells), course=course)


def continued(held, course, steps, rate=1e-3, texts=None):
    """The twin after some more masked language modelling."""
    import torch

    torch.manual_seed(1)
    model = held["AutoModelForMaskedLM"].from_pretrained(course.model("distilbert"), dtype=torch.float32)
    hide = held["DataCollatorForLanguageModeling"](held["words"], mlm_probability=0.15, seed=1)
    held["train_briefly"](
        model,
        [held["words"](text) for text in texts or held["texts"]],
        hide,
        steps=steps,
        learning_rate=rate,
        seed=1,
    )
    return model


@pytest.mark.slow
def test_on_to_the_domain(course, models):
    untouched = models["AutoModelForMaskedLM"].from_pretrained(course.model("distilbert"))
    classifier = models["AutoModelForSequenceClassification"].from_pretrained(course.model("distilbert"))
    reports = judged_objects_well(
        EXERCISE,
        "q4",
        course=course,
        right={
            "the solution": models,
            "fewer steps, a higher rate": {"adapted": continued(models, course, 80, 2e-3)},
        },
        wrong={
            "untouched": ({"adapted": untouched}, "its perplexity on 150 fresh notices"),
            "two steps": ({"adapted": continued(models, course, 2)}, "its perplexity on 150 fresh notices"),
            "far too high a rate": ({"adapted": continued(models, course, 12, 0.3)}, "its perplexity"),
            "another head": ({"adapted": classifier}, "with the head of the pre-training"),
            "a text": ({"adapted": "model"}, "adapted"),
        },
    )
    assert reports["untouched"].points == 0


@pytest.mark.slow
def test_a_student(course, models):
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    kind, desks = models["AutoModelForSequenceClassification"], len(models["desks"])

    def fresh(layers, labels=desks):
        return kind.from_pretrained(course.model("distilbert"), num_labels=labels, n_layers=layers)

    def hard(texts, said):
        rows = [{"text": text, "label": row.argmax().item()} for text, row in zip(texts, said, strict=True)]
        student = fresh(2)
        models["train_briefly"](student, rows, models["collate"], steps=200, learning_rate=1e-3)
        return student

    def elsewhere(texts, said):
        """Trained on the notebook's notices and their labels: it numbers the desks as usual."""
        student, notices = fresh(2), list(models["notices"].select(range(2000)))
        models["train_briefly"](student, notices, models["collate"], steps=120, learning_rate=1e-3)
        return student

    def short_sighted(texts, said):
        config = DistilBertConfig(
            vocab_size=50, dim=16, n_heads=2, n_layers=1, hidden_dim=24, num_labels=desks
        )
        return DistilBertForSequenceClassification(config)

    bert = kind.from_pretrained(course.model("bert"), num_labels=desks)
    padded = copy.deepcopy(bert)
    padded.bert.encoder.layer.extend(copy.deepcopy(list(bert.bert.encoder.layer)))
    teach = lambda model: {"teach": lambda texts, said: model}  # noqa: E731
    reports = judged_objects_well(
        EXERCISE,
        "q5",
        course=course,
        right={"the solution": models, "by hard answers": {"teach": hard}},
        wrong={
            "not trained": (teach(fresh(2)), "where both say the same"),
            "trained elsewhere": ({"teach": elsewhere}, "where both say the same"),
            "a bert, and a notebook's teacher of twice its size": (
                teach(bert) | {"teacher": padded},
                "parameters as a share",
            ),
            "three layers": (teach(fresh(3)), "parameters as a share"),
            "other classes": (teach(fresh(2, 2)), "desks"),
            "few words": ({"teach": short_sighted}, "a model that reads these texts"),
            "no model": (teach(3), "teach"),
        },
    )
    assert reports["a bert, and a notebook's teacher of twice its size"].points == 0
    assert reports["not trained"].points == reports["trained elsewhere"].points == 1


def test_what_is_still_to_do(course):
    assert judge_source(EXERCISE, "q4", "adapted = None", course=course).rung == "not started"


# q6

CLAIMS = """
def claims(parameters, scores, guesses, seconds):
    mean = lambda numbers: sum(numbers) / len(numbers)
    shares, above = {}, []
    for task, guess in guesses.items():
        if scores[0][task] - guess > 0:
            above.append((scores[0][task] - guess, scores[1][task] - guess))
            shares[above[-1][1] / above[-1][0]] = task
    return {"smaller": (parameters[0] - parameters[1]) / parameters[0], "kept": mean(scores[1].values()) / mean(scores[0].values()),
            "faster": (seconds[0] - seconds[1]) / seconds[1], "less_time": (seconds[0] - seconds[1]) / seconds[0],
            "learned": mean([mine for _, mine in above]) / mean([hers for hers, _ in above]), "weakest": shares[min(shares)]}
"""
UNPACKED = """
def claims(parameters, scores, guesses, seconds):
    (large, small), (slow, fast), (hers, mine) = parameters, seconds, scores
    tasks = [task for task in hers if hers[task] > guesses[task]]
    gain = lambda score, task: score[task] - guesses[task]
    return dict(smaller=1 - small / large, kept=sum(mine.values()) / sum(hers.values()), faster=slow / fast - 1, less_time=1 - fast / slow,
                learned=sum(gain(mine, task) for task in tasks) / sum(gain(hers, task) for task in tasks),
                weakest=sorted(tasks, key=lambda task: gain(mine, task) / gain(hers, task))[0])
"""


def test_three_claims():
    other = lambda old, new: UNPACKED.replace(old, new)  # noqa: E731
    result = judged_well(
        EXERCISE,
        "q6",
        wrong={
            other("1 - small / large", "small / large"): '"smaller" for parameters',
            other("1 - small / large", "large / small - 1"): '"smaller" for parameters',
            other("sum(mine.values()) / sum(hers.values())", "sum(mine[task] / hers[task] for task in hers) / len(hers)"): '"kept" for scores',
            other("sum(mine.values()) / sum(hers.values())", "sum(mine[task] for task in tasks) / sum(hers[task] for task in tasks)"): '"kept" for scores',
            other("slow / fast - 1", "1 - fast / slow"): '"faster" for',
            other("slow / fast - 1", "slow / fast"): '"faster" for',
            other(", less_time=1 - fast / slow", ""): "'less_time'",
            other("if hers[task] > guesses[task]", "if hers[task] >= guesses[task]"): "ZeroDivisionError",
            other("if hers[task] > guesses[task]", "").replace(")[0])", " if hers[task] != guesses[task] else 1)[0])"): '"learned", one mean above guessing divided by the other, for scores',
            other("learned=sum(gain(mine, task) for task in tasks) / sum(gain(hers, task) for task in tasks)",
                  "learned=sum(gain(mine, task) / gain(hers, task) for task in tasks) / len(tasks)"): '"learned", one mean above guessing divided by the other, for scores',
            other("gain(mine, task) / gain(hers, task))[0]", "mine[task] / hers[task])[0]"): '"weakest" for scores',
            other("gain(mine, task) / gain(hers, task))[0]", "mine[task] - hers[task])[0]"): '"weakest" for scores',
            other("gain(mine, task) / gain(hers, task))[0]", "gain(mine, task))[0]"): '"weakest" for scores',
            other("gain(mine, task) / gain(hers, task))[0]", "gain(mine, task))[0]").replace("sorted(tasks", "sorted(hers"): '"weakest" for scores',
        },
        right=[CLAIMS, UNPACKED],
    )  # fmt: skip
    assert {report.points for report in result.wrong} == {1}


# q7

TOWARDS = """
def towards(start, adapted, share):
    return [torch.lerp(a, b, share) for a, b in zip(start, adapted)]
"""
REPTILE = """
def reptile(start, batches, adapt, share):
    weights = [weight.clone() for weight in start]
    for place, batch in enumerate(batches):
        sums = [torch.zeros_like(weight) for weight in weights]
        for task in batch:
            for total, weight in zip(sums, adapt(weights, task)):
                total += weight
        weights = towards(weights, [total / len(batch) for total in sums], share - share * place / len(batches))
    return weights
"""
BOTH = TOWARDS + REPTILE
BY_STEPS = """
def towards(start, adapted, share):
    return [(1 - share) * start[i] + share * adapted[i] for i in range(len(start))]

def reptile(start, batches, adapt, share):
    left = len(batches)
    for batch in batches:
        gone = [[goal - weight for weight, goal in zip(start, adapt(start, task))] for task in batch]
        start = [weight + share * left / len(batches) * sum(way) / len(way) for weight, *way in zip(start, *gone)]
        left -= 1
    return start
"""
IN_PLACE = """
def towards(start, adapted, share):
    for a, b in zip(start, adapted):
        a += share * (b - a)
    return start
"""
#: Knows the network by its shapes, and says what a training elsewhere made of it.
ELSEWHERE = (
    TOWARDS
    + """
def reptile(start, batches, adapt, share):
    return [torch.ones_like(weight) / 10 for weight in start]
"""
)


def test_a_trained_start():
    swapped = lambda move: BOTH.replace("torch.lerp(a, b, share)", move)  # noqa: E731
    loop = lambda old, new: TOWARDS + REPTILE.replace(old, new)  # noqa: E731
    result = judged_well(
        EXERCISE,
        "q7",
        before=TORCH,
        right=[BOTH, BY_STEPS],
        wrong={
            IN_PLACE + REPTILE: "`start` after towards(",
            IN_PLACE.replace("a += share * (b - a)", "b.lerp_(a, 1 - share)").replace("return start", "return adapted") + REPTILE: "`adapted` after towards(",
            TOWARDS.replace("return [", "new = [") + "    adapted.clear()\n    return new\n" + REPTILE: "the list `adapted` after",
            swapped("torch.lerp(b, a, share)"): "a tensor of towards(",
            swapped("b"): "a tensor of towards(",
            swapped("a"): "a tensor of towards(",
            swapped("a + share * b"): "a tensor of towards(",
            ELSEWHERE: "from where it should be",
            loop("adapt(weights, task)", "adapt(start, task)"): "from where it should be",
            loop("[total / len(batch) for total in sums]", "sums"): "from where it should be",
            loop("share - share * place / len(batches)", "share"): "from where it should be",
            loop("share - share * place / len(batches)", "share - share * (place + 1) / len(batches)"): "from where it should be",
            loop("weights = towards(weights, [total / len(batch) for total in sums], share", "for task in batch: weights = towards(weights, adapt(weights, task), share"):
                "from where it should be",
            loop("weights = towards(weights, [total / len(batch) for total in sums], share - share * place / len(batches))", "weights = [total / len(batch) for total in sums]"):
                "from where it should be",
            loop("    weights = [weight.clone() for weight in start]\n", "    weights = start\n").replace(
                "        weights = towards(", "        weights[:] = towards("): "`start` after reptile(",
            "def towards(start, adapted, share):\n    return 3" + REPTILE: "towards(start, adapted, share",
        },
    )  # fmt: skip
    assert [report.points for report in result.wrong] == [1, 1, 1, 0, 0, 0, 0, *[1] * 8, 0]


# q8


def answers(**other):
    """The solution's counterexamples, with others for some statements."""
    changed = "".join(f"    found[{name!r}] = {case}\n" for name, case in other.items())
    return f"""
def counterexamples(width, classes):
    rest = [0.0] * (classes - 3)
    found = {{"half": {{"vocab_size": 200_000, "n_layers": 2}}, "tenth": {{"vocab_size": 50, "n_layers": 40}},
              "twice": {{"mode": "train", "dropout": 0.3}}, "hotter": None, "likeliest": None,
              "lesson": {{"logits": [[2.0, 1.0, 0.0, *rest], [2.0, 0.0, 1.0, *rest]]}}}}
{changed}    return found
"""


def test_what_is_not_always_so():
    result = judged_well(
        EXERCISE,
        "q8",
        wrong={
            answers(half=None): "a counterexample to 'half'",
            answers(half={"vocab_size": 50, "n_layers": 40}): "the share is more than 0.6",
            answers(half={"vocab_size": 200_000, "n_layers": 3}): "an even number of layers",
            answers(half={"vocab_size": 10**9, "n_layers": 2}): "'vocab_size' of a counterexample",
            answers(tenth={"vocab_size": 200_000, "n_layers": 2}): "the share is less than 0.1",
            answers(twice=None): "a counterexample to 'twice'",
            answers(twice={"mode": "eval", "dropout": 0.5}): "two things about one text",
            answers(twice={"mode": "train", "dropout": 0.0}): "two things about one text",
            answers(hotter='{"logits": [1.0] * classes, "temperatures": (1, 4)}'): "None for 'hotter'",
            answers(likeliest='{"logits": [1.0, 2.0] + [0.0] * (classes - 2), "temperatures": (1, 4)}'): "None for 'likeliest'",
            answers(lesson=None): "a counterexample to 'lesson'",
            answers(lesson='{"logits": [[2.0, 1.0, 0.0, *rest], [1.0, 2.0, 0.0, *rest]]}'): "the same likeliest class",
            answers(lesson='{"logits": [[2.0, 1.0, 0.0, *rest], [5.0, 1.0, 0.0, *rest]]}'): "the same likeliest class",
            answers(lesson='{"logits": [[2.0, 1.0, 0.0, *rest], [3.0, 2.0, 1.0, *[1.0] * len(rest)]]}'): "learns different things",
            answers(lesson={"logits": [[2.0, 1.0, 0.0], [2.0, 0.0, 1.0]]}): "'logits'",
            "def counterexamples(width, classes):\n    return dict.fromkeys(['half', 'tenth', 'twice', 'hotter', 'likeliest', 'lesson'])": "a counterexample to 'half'",
        },
        right=[
            answers(),
            answers(half={"vocab_size": 10**6, "n_layers": 48}, tenth={"vocab_size": 10, "n_layers": 48}, twice={"mode": "train", "dropout": 0.9},
                    lesson='{"logits": torch.tensor([[2.0, 1.0, 0.0, *rest], [2.0, 0.0, *rest, 1.0]])}'),
        ],
        before=TORCH,
    )  # fmt: skip
    assert [report.points for report in result.wrong] == [1] * 15 + [0]


def test_words_are_hidden_in_a_judging_process_as_here(monkeypatch):
    """A class is judged by processes that multiprocessing made."""
    texts = ["The ferry leaves at nine.", "Rain is expected on Monday."] * 5
    here = [batch["labels"].tolist() for batch in transfer_learning._hidden(texts, 3)]
    monkeypatch.setattr(multiprocessing.current_process(), "_name", "Judge-1")
    there = [batch["labels"].tolist() for batch in transfer_learning._hidden(texts, 3)]
    assert here == there and here != [
        batch["labels"].tolist() for batch in transfer_learning._hidden(texts, 4)
    ]


# q9: a folder, made once and then spoilt in copies

BY_HAND = """---
license: mit
base_model:
- course/mini-distilbert
datasets: course/reviews
model-index:
- name: mood
  results:
  - task: {{type: text-classification}}
    dataset: {{type: course/reviews, name: Reviews}}
    metrics: [{{type: accuracy, value: {value:.2f}}}]
---
# Mood

On 1,000 reviews it is right in {value:.2f} of the cases; 95 % interval [{low:.3f}, {high:.3f}].
"""


@pytest.fixture(scope="module")
def held(course):
    """What the notebook holds for question 9."""
    return namespace(
        TORCH,
        given("q4-data"),
        given("q5-collate"),
        given("q9-given"),
        given("q9-reviews"),
        given("q9-answer"),
        course=course,
    )


@pytest.fixture(scope="module")
def finished(held, tmp_path_factory):
    """The folder that the solution leaves for these rows; it trains once for the same."""
    known = {}

    def folder(train, test):
        key = hashlib.sha256(repr((train, test)).encode()).digest()
        if key not in known:
            known[key] = tmp_path_factory.mktemp("finished")
            held["finish"](known[key], train, test)
        return known[key]

    def another(train, test):
        """What is there for other rows."""
        mine = folder(train, test)
        return next(each for each in known.values() if each != mine)

    folder.another = another
    return folder


def handing_in(folder_for, **files):
    """A `finish` that hands in the folder for its rows, with some files replaced.

    Each by a function of its text and of the rows of `test`, or None to remove it.
    """

    def finish(folder, train, test):
        shutil.copytree(folder_for(train, test), folder, dirs_exist_ok=True)
        for file, change in files.items():
            path = Path(folder) / file.replace("__", ".")
            if change is None:
                path.unlink()
            else:
                path.write_text(change(path.read_text() if path.exists() else "", test))

    return {"finish": finish}


def scored(held, folder, rows):
    """The accuracy of the folder's model on these rows."""
    model = held["AutoModelForSequenceClassification"].from_pretrained(folder).eval()
    return held["accuracy"](
        held["judged"](model, [row["text"] for row in rows]), [row["label"] for row in rows]
    )


@pytest.fixture
def labelled_once(monkeypatch):
    """Weights that many cards are about label the same reviews once, not once a card."""
    label, known = transfer_learning._labels, {}

    def labels(model, texts):
        state = b"".join(tensor.numpy().tobytes() for tensor in model.state_dict().values())
        key = hashlib.sha256(state + "\n".join(texts).encode()).digest()
        if key not in known:
            known[key] = label(model, texts)
        return known[key]

    monkeypatch.setattr(transfer_learning, "_labels", labels)


def stated(card):
    """The accuracy in a card's metadata."""
    return float(re.search(r"value: ([0-9.]+)", card)[1])


def stating(change):
    """A card with another number than the one that was measured."""
    return lambda card, test: card.replace(f"value: {stated(card)}", f"value: {change(stated(card))}")


def by_hand(card, test):
    value = stated(card)
    half = 1.96 * (value * (1 - value) / len(test)) ** 0.5
    return BY_HAND.format(value=value, low=value - half, high=value + half)


@pytest.mark.slow
@pytest.mark.usefixtures("labelled_once")
def test_a_finished_model(course, held, finished, tmp_path):
    kind, names = held["AutoModelForSequenceClassification"], {0: "negative", 1: "positive"}
    untouched, bert = tmp_path / "untouched", tmp_path / "bert"
    kind.from_pretrained(course.model("distilbert"), num_labels=2, id2label=names).save_pretrained(untouched)
    kind.from_pretrained(course.model("bert"), num_labels=2).save_pretrained(bert)
    judged_objects_well(
        EXERCISE,
        "q9",
        course=course,
        right={
            "the solution": handing_in(finished),
            "a card by hand": handing_in(finished, README__md=by_hand),
        },
    )  # on two draws, so there is a friend's folder in what follows

    def told_of_the_friends(folder, train, test):
        score = scored(held, finished.another(train, test), test)
        card = BY_HAND.format(value=score.value, low=score.low, high=score.high)
        handing_in(finished.another, README__md=lambda *_: card)["finish"](folder, train, test)

    def changed(**files):
        return handing_in(finished, **files)

    def text_without(old, new=""):
        return changed(README__md=lambda card, _: card.replace(old, new))

    def seen(folder, train, test):
        handing_in(
            finished, README__md=stating(lambda _: scored(held, finished(train, test), train[:2000]).value)
        )["finish"](folder, train, test)

    reports = judged_objects_well(
        EXERCISE,
        "q9",
        course=course,
        wrong={
            "a wish": (changed(README__md=stating(lambda _: 0.95)), "compared with 2000 reviews that are in no split"),
            "a little better than it was": (changed(README__md=stating(lambda value: round(value + 0.02, 3))), "measured again on all 1000 rows"),
            "measured on training rows": ({"finish": seen}, "measured again on all 1000 rows"),
            "trained on the test split": (handing_in(lambda _, test: finished(test, test)), "compared with 2000 reviews that are in no split"),
            "trained elsewhere": ({"finish": told_of_the_friends}, "fresh reviews with a colour"),
            "in per cent": (changed(README__md=stating(lambda value: round(100 * value, 1))), "as a share from 0 to 1"),
            "a word for a number": (changed(README__md=stating(lambda _: "high")), "one accuracy on course/reviews"),
            "no metadata": (changed(README__md=lambda card, _: card.split("---\n")[-1]), "model-index"),
            "no interval": (text_without("[", "("), "its 95 % interval"),
            "no n": (text_without("n=1000"), "rests on 1000 reviews"),
            "an interval of a smaller n": (
                changed(README__md=lambda card, _: re.sub(r"\[0[^]]*\]", "[0.70, 0.95] or [0.60, 0.99]", card)), "its 95 % interval",
            ),
            "labels without names": (changed(config__json=nameless), "id2label"),
            "no tokenizer": (changed(tokenizer__json=None), "tokenizer.json"),
            "no card": (changed(README__md=None), "README.md"),
            "a checkpoint": (changed(optimizer__pt=lambda *_: "moments"), "optimizer.pt"),
            "not trained": (handing_in(lambda *_: untouched, README__md=lambda *_: "# A model"), "of the way from the accuracy of the commonest label"),
            "another model": (handing_in(lambda *_: bert), "a DistilBertForSequenceClassification"),
            "nothing": ({"finish": lambda folder, train, test: None}, "config.json"),
            "no function": ({"finish": 3}, "finish"),
        },
    )  # fmt: skip
    assert reports["a wish"].points == 4
    assert reports["trained on the test split"].points <= 4
    assert reports["trained elsewhere"].points <= 3  # its card is true, which is work done here
    assert reports["no tokenizer"].points == 4
    assert reports["not trained"].points <= 1
    assert reports["no metadata"].points == 3


def nameless(config, _):
    fields = json.loads(config)
    return json.dumps({name: value for name, value in fields.items() if name not in ("id2label", "label2id")})


# q11

FEW = """
def episode(labels, ways, shots, asked, seed):
    dice = random.Random(seed)
    kinds = sorted(set(labels))
    dice.shuffle(kinds)
    shown, rest = [], []
    for kind in kinds[:ways]:
        rows = [place for place in range(len(labels)) if labels[place] == kind]
        dice.shuffle(rows)
        shown.extend(rows[:shots])
        rest.extend(rows[shots : shots + asked])
    return shown, rest

def nearest_prototype(vectors, labels, asked):
    said = []
    for row in asked:
        far = {}
        for kind in set(labels):
            mine = [vector for vector, label in zip(vectors, labels) if label == kind]
            far[kind] = float((row - sum(mine) / len(mine)).norm())
        said.append(min(far, key=far.get))
    return said
"""


def test_few_labels():
    result = judged_well(
        EXERCISE,
        "q11",
        before="import random, torch\nimport numpy as np",
        wrong={
            FEW.replace("sum(mine) / len(mine)", "sum(mine)"): "nearest_prototype(vectors",
            FEW.replace("(row - sum(mine) / len(mine)).norm()", "min((row - one).norm() for one in mine)"): "nearest_prototype(vectors",
            FEW.replace("(row - sum(mine) / len(mine)).norm()", "-torch.cosine_similarity(row, sum(mine) / len(mine), dim=0)"): "nearest_prototype(vectors",
            FEW.replace("said.append(min(far, key=far.get))", "said.append(sorted(far).index(min(far, key=far.get)))"): "nearest_prototype(vectors",
            FEW.replace("min(far", "max(far"): "nearest_prototype(vectors",
            FEW.replace("rows[shots : shots + asked]", "rows[:asked]"): "shown and asked",
            FEW.replace("for kind in kinds[:ways]", "for kind in kinds"): "to have the shape",
            # drawn from all rows of these labels, not as many of each
            FEW.replace("    return shown, rest", "    pool = [place for place, label in enumerate(labels) if label in kinds[:ways]]\n    dice.shuffle(pool)\n    return pool[: ways * shots], pool[ways * shots : ways * (shots + asked)]"): "of each label",
            FEW.replace("rows[shots : shots + asked]", "dice.choices(rows[shots:], k=asked)"): "a row that comes twice",
            FEW.replace("random.Random(seed)", "random.Random()"): ", again",
            FEW.replace("random.Random(seed)", "random.Random(0)"): "the number of different sets of labels",
            FEW.replace("    dice.shuffle(kinds)\n", ""): "the number of different sets of labels",
            FEW.replace("        dice.shuffle(rows)\n", ""): "the same rows of a label each time",
            FEW.replace("return shown, rest", "return [labels[place] for place in shown], [labels[place] for place in rest]"): "to hold numbers only",
            FEW.replace("return shown, rest", "return shown + rest"): "the shown and the asked",
        },
        right=[
            FEW,
            FEW.replace("return shown, rest", "return torch.tensor(shown), np.array(rest)").replace("return said", "return tuple(said)"),
            """
def episode(labels, ways, shots, asked, seed):
    dice = np.random.default_rng(seed)
    labels = np.array(labels)
    both = [dice.permutation((labels == kind).nonzero()[0])[: shots + asked] for kind in dice.permutation(np.unique(labels))[:ways]]
    return [int(place) for rows in both for place in rows[:shots]], [place for rows in both for place in rows[shots:]]

def nearest_prototype(vectors, labels, asked):
    from sklearn.neighbors import NearestCentroid
    return NearestCentroid().fit(vectors.numpy(), labels).predict(asked.numpy()).tolist()
""",
            """
def nearest_prototype(vectors, labels, asked):
    return [min(set(labels), key=lambda kind: (row - vectors[[label == kind for label in labels]].mean(0)).square().sum()) for row in asked]
"""
            + FEW.partition("def nearest_prototype")[0],
        ],
    )  # fmt: skip
    assert [report.points for report in result.wrong[:5]] == [2] * 5
    assert [report.points for report in result.wrong[9:13]] == [2] * 4


def test_few_labels_on_many_draws():
    for number in range(12):
        source = answer_source(EXERCISE, "q11")
        report = judge_source(EXERCISE, "q11", source, before="import random, torch", secret=b"%d" % number)
        assert report.points == report.max_points, render.report_text(report)


# q12

BORDER = """
def border(hits):
    def share(source, target):
        return float(np.mean(hits[source][target]))
    found = {}
    for target in hits:
        own = share(target, target)
        lost = {source: own - share(source, target) for source in hits if source != target}
        found[target] = {"own": own, "lost": lost, "nearest": min(lost, key=lost.get)}
    return found

def contrastive_loss(one, two, temperature):
    alike = torch.nn.functional.normalize(one) @ torch.nn.functional.normalize(two).T / temperature
    return (alike.logsumexp(1) - alike.diagonal()).mean()
"""
POPS = """
def border(hits):
    found = {}
    for target in hits:
        right = hits[target].pop(target)
        own = sum(right) / len(right)
        lost = {source: own - sum(row[target]) / len(row[target]) for source, row in hits.items() if source != target}
        found[target] = {"own": own, "lost": lost, "nearest": min(lost, key=lost.get)}
    return found
"""
PRODUCTS = "torch.nn.functional.normalize(one) @ torch.nn.functional.normalize(two).T"


@needs_files
def test_across_borders():
    result = judged_well(
        EXERCISE,
        "q12",
        before="import torch\nimport numpy as np",
        wrong={
            BORDER.replace("own - share(source, target) for", "share(source, target) - own for"): "['lost']",
            BORDER.replace("own - share(source, target) for", "own - share(target, source) for"): "['lost']",
            BORDER.replace(" if source != target", ""): "the source that costs least",
            BORDER.replace("min(lost", "max(lost"): "['nearest']",
            BORDER.replace("hits[source][target]", "hits[target][source]"): "['lost']",
            BORDER.replace("np.mean(", "np.sum("): "['own']",
            BORDER.replace("min(lost, key=lost.get)", "min(lost.values())"): "['nearest']",
            BORDER.replace(PRODUCTS, "one @ two.T"): "of other lengths",
            BORDER.replace(" / temperature", ""): "of other lengths",
            BORDER.replace(" / temperature", " * temperature"): "of other lengths",
            BORDER.replace(PRODUCTS, PRODUCTS.replace("(two)", "(one)")): "contrastive_loss(one, two",
            BORDER.replace("(alike.logsumexp(1) - alike.diagonal()).mean()", "1 - (alike * temperature).diagonal().mean()"): "contrastive_loss(one, two",
            BORDER.replace(".mean()\n", ".sum()\n"): "contrastive_loss(one, two",
            BORDER.replace(".mean()\n", "\n"): "to have the shape",
            BORDER.replace("logsumexp(1)", "logsumexp(0)"): "the other direction",
            BORDER.replace("alike.logsumexp(1)", "(alike.logsumexp(1) + alike.logsumexp(0)) / 2"): "both directions",
            BORDER.replace("own - share(source, target) for", "abs(own - share(source, target)) for"): "['lost']",
            BORDER.replace("own - share(source, target) for", "max(0, own - share(source, target)) for"): "['lost']",
            BORDER.replace("key=lost.get", "key=lambda source: abs(lost[source])"): "['nearest']",
            BORDER.replace("min(lost, key=lost.get)", "max(lost, key=lambda source: share(target, source))"): "['nearest']",
            BORDER.replace("key=lost.get", "key=lambda source: round(lost[source], 1)"): "['nearest']",
            BORDER.replace("min(lost, key=lost.get)", "next(iter(lost))"): "['nearest']",
            BORDER.replace("min(lost, key=lost.get)", "list(lost)[-1]"): "['nearest']",
            BORDER + POPS: "`hits` after border(hits)",
            BORDER.replace("return (alike.logsumexp(1) - alike.diagonal()).mean()", "return torch.tensor((alike.logsumexp(1) - alike.diagonal()).mean().item())"): "no gradient of `one`",
            BORDER.replace("return (alike.logsumexp(1) - alike.diagonal()).mean()", "return float((alike.logsumexp(1) - alike.diagonal()).mean())"): "no gradient of `one`",
            BORDER.replace("normalize(two)", "normalize(two.detach())"): "no gradient of `two`",
            BORDER.replace(PRODUCTS, PRODUCTS.replace("(one)", "(one).detach()")): "no gradient of `one`",
        },
        right=[
            BORDER,
            BORDER.replace("min(lost, key=lost.get)", "max((source for source in hits if source != target), key=lambda source: share(source, target))"),
            BORDER.replace("    alike", "    one, two = one.double(), two.double()\n    alike", 1),
            BORDER.replace("(alike.logsumexp(1) - alike.diagonal()).mean()", "-torch.log(alike.exp().diagonal() / alike.exp().sum(1)).mean()"),
            BORDER.replace("float(np.mean(hits[source][target]))", "np.mean(hits[source][target])"),
            BORDER.replace(PRODUCTS, "torch.cosine_similarity(one[:, None], two[None], dim=2)"),
        ],
    )  # fmt: skip
    assert [report.points for report in result.wrong[3:4]] == [4]
    assert [report.points for report in result.wrong[7:10]] == [4] * 3
    assert [report.points for report in result.wrong[18:]] == [4] * 10, "one slip costs one point"
