"""Every question of exercise 09: the solution, the stub, wrong answers with the message they get, other right ways."""

from functools import partial

import pytest

from course_utils.checks.chapters import multi_task
from course_utils.checks.chapters.multi_task import exercise
from course_utils.checks.testing import given_cell_with, judge_source, judged_well
from course_utils.fetched import ready
from course_utils.training.multi_task import TASKS

EXERCISE = "09_multi_task"
needs_files = pytest.mark.skipif(not ready("opinions"), reason="course fetch was not run here")
given = partial(given_cell_with, EXERCISE)
IMPORTS = "import torch\nfrom torch.nn.functional import cross_entropy\n"


def judged(question, *, wrong, right, before=""):
    return judged_well(EXERCISE, question, wrong=wrong, right=right, before=IMPORTS + before)


def test_the_classes_are_those_of_the_lessons():
    assert multi_task.CLASSES == TASKS


SHARES = """
def shares(sizes, temperature):
    total = sum(size ** (1 / temperature) for size in sizes.values())
    return {task: sizes[task] ** (1 / temperature) / total for task in sizes}
"""


def test_temperature():
    result = judged(
        "q1",
        wrong={
            SHARES.replace("1 / temperature", "temperature"): "shares(",
            SHARES.replace("** (1 / temperature)", "/ temperature"): "shares(",
            SHARES.replace(" / total", ""): "shares(",
            SHARES.replace("1 / temperature", "1 // temperature"): "shares(",
            SHARES.replace("{task: ", "[").replace(" for task in sizes}", " for task in sizes]"): "shares(",
        },
        right=[
            SHARES,
            "def shares(sizes, temperature):\n    logits = torch.tensor(list(sizes.values())).double().log() / temperature\n"
            "    return dict(zip(sizes, logits.softmax(0).tolist()))",
        ],
    )
    assert result.wrong[1].points == 1, "by size is right there, whatever the temperature"


FORWARD = """
def head_logits(states, attention_mask, heads, task):
    weight, bias = heads[task]
    logits = torch.nn.functional.linear(states, weight, bias)
    if task == "entities":
        return logits
    return torch.stack([row[real.bool()].mean(0) for row, real in zip(logits, attention_mask)])
"""


PADDED_ON_THE_RIGHT = FORWARD.replace("row[real.bool()]", "row[: int(real.sum())]")


def test_forward():
    result = judged(
        "q2",
        wrong={
            FORWARD.replace("row[real.bool()].mean(0)", "row.mean(0)"): "head_logits(",
            FORWARD.replace("row[real.bool()].mean(0)", "row[0]"): "head_logits(",
            FORWARD.replace("weight, bias)", "weight)"): "head_logits(",
            FORWARD.replace('if task == "entities":', "if True:"): "head_logits(",
            FORWARD.replace('    if task == "entities":\n        return logits\n', ""): "head_logits(",
            FORWARD.replace("heads[task]", 'heads["topics"]'): "head_logits(",
            PADDED_ON_THE_RIGHT: "head_logits(",
            FORWARD.replace(
                'if task == "entities":', 'if task not in ("reviews", "topics"):'
            ): "head_logits(",
        },
        right=[
            FORWARD,
            """
def head_logits(states, attention_mask, heads, task):
    weight, bias = heads[task]
    if task != "entities":
        hidden = states.masked_fill(attention_mask[..., None] == 0, 0)
        states = hidden.sum(dim=1) / attention_mask.sum(dim=1, keepdim=True)
    return torch.einsum("...n,cn->...c", states, weight) + bias
""",
        ],
    )
    assert [report.points for report in result.wrong[:2]] == [2, 2], "the tokens do not depend on the mean"


LABELS = """
def word_labels(word_ids, tags):
    seen, labels = set(), []
    for word in word_ids:
        labels.append(tags[word] if word is not None and word not in seen else -100)
        seen.add(word)
    return labels
"""


#: Looks at the token before, which for the first token is the last one.
WRAPS_ROUND = """
def word_labels(word_ids, tags):
    return [-100 if word is None or word == word_ids[place - 1] else tags[word] for place, word in enumerate(word_ids)]
"""


def test_word_labels():
    result = judged(
        "q3",
        before=given("def word_labels_of_a_colleague"),
        wrong={
            "def word_labels(word_ids, tags):\n    return word_labels_of_a_colleague(word_ids, tags)": "word_labels(",
            "def word_labels(word_ids, tags):\n    return [-100 if word is None else tags[word] for word in word_ids]": "later tokens",
            LABELS.replace("else -100", "else 0"): "later tokens",
            LABELS.replace("word is not None and", "word and"): "first token",
            "def word_labels(word_ids, tags):\n    return [-100 for _ in word_ids]": "first token",
            LABELS.replace(
                "return labels", "return [label for label in labels if label != -100]"
            ): "word_labels(",
            WRAPS_ROUND: "at the first token of each word",
        },
        right=[
            LABELS,
            "def word_labels(word_ids, tags):\n    return [-100 if word is None or word in word_ids[:place] else tags[word]"
            " for place, word in enumerate(word_ids)]",
        ],
    )
    assert result.wrong[1].points == 2, "only the later tokens are wrong there"


COSINE = """
def gradient_cosine(one, other):
    dot = length = width = 0.0
    for name in one:
        if name.startswith("encoder."):
            a, b = one[name], other[name]
            if a is not None:
                length += float((a * a).sum())
            if b is not None:
                width += float((b * b).sum())
            if a is not None and b is not None:
                dot += float((a * b).sum())
    return dot / (length * width) ** 0.5 if length and width else 0.0
"""
FLAT = """
def gradient_cosine(one, other):
    names = [name for name in one if name.startswith("encoder.")]
    shapes = {name: next(part.shape for part in (one[name], other[name]) if part is not None) for name in names}
    vectors = [torch.cat([torch.zeros(shapes[n]).flatten() if side[n] is None else side[n].flatten() for n in names]) for side in (one, other)]
    return float(torch.dot(*vectors) / (vectors[0].norm() * vectors[1].norm()).clamp(min=1e-12))
"""


def test_cosine():
    result = judged(
        "q4",
        wrong={
            COSINE.replace('name.startswith("encoder.")', "True"): "heads' gradients",
            COSINE.replace("if length and width else 0.0", ""): "ZeroDivisionError",
            COSINE.replace("dot / (length * width) ** 0.5", "dot / (length * width)"): "gradient_cosine(",
            COSINE.replace("dot / (length * width) ** 0.5 if", "abs(dot) / (length * width) ** 0.5 if"): "its opposite",
            "def gradient_cosine(one, other):\n    names = [name for name in one if name.startswith('encoder.')]\n    return sum("
            "torch.cosine_similarity(one[n].flatten(), other[n].flatten(), dim=0).item() for n in names) / len(names)": "gradient_cosine(",
            COSINE.replace("if a is not None:", "if a is not None and b is not None:"): "has None for a weight",
            COSINE.replace("float(", "(").replace("if length and width else 0.0", ""): "where one gradient is all zeros to be a finite number",
            COSINE.replace('name.startswith("encoder.")', 'name.startswith("encoder")'): "heads' gradients",
            COSINE.replace('name.startswith("encoder.")', '"encoder." in name'): "heads' gradients",
        },
        right=[COSINE, FLAT, COSINE.replace("float(", "(")],  # the last gives a tensor of one number
    )  # fmt: skip
    assert [report.points for report in result.wrong[:2]] == [3, 3]


ROUND = """
def train_round(model, optimizer, batches):
    for task, inputs, labels in batches:
        for weight in model.parameters():
            weight.grad = None
        head = model["heads"][task]
        loss = torch.nn.CrossEntropyLoss()(head(model["encoder"](inputs)), labels)
        loss.backward()
        optimizer.step()
"""


def test_round():
    colleague = given("def train_round_of_a_colleague")
    result = judged(
        "q5",
        before=colleague,
        wrong={
            colleague.replace("_of_a_colleague", ""): "after one batch of",
            colleague.replace("_of_a_colleague", "").replace("set_to_none=False", ""): "after one batch of",
            ROUND.replace(
                "weight.grad = None", "weight.grad = torch.zeros_like(weight)"
            ): "after one batch of",
            ROUND.replace(
                "        for weight in model.parameters():\n            weight.grad = None\n", ""
            ): "since that head rests",
            ROUND.replace(
                "            weight.grad = None\n", "            weight.grad = weight.grad and None\n"
            ): "RuntimeError",
            ROUND.replace('model["encoder"](inputs)', 'model["encoder"](inputs).detach()'): "encoder",
            ROUND.replace(
                "for weight in model.parameters():\n            weight.grad = None",
                "optimizer.zero_grad(set_to_none=False)",
            ): "since that head rests",
        },
        right=[
            ROUND,
            """
def train_round(model, optimizer, batches):
    for task, inputs, labels in batches:
        scores = model["heads"][task](model["encoder"](inputs)).log_softmax(-1)
        loss = -scores[torch.arange(len(labels)), labels].mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
""",
        ],
    )
    assert result.wrong[-1].points == 2, "single batches come out right there"


def test_a_report_of_the_notebooks_own_is_not_believed():
    """`watched` bound anew, over a round that does nothing: it gives what a right round would."""
    says = "def train_round(*given):\n    pass\n\n" + ROUND.replace("train_round", "right")
    says += given("def watched(").replace("train_round", "right")
    assert judge_source(EXERCISE, "q5", says, before=IMPORTS).points == 0


@pytest.mark.parametrize(("question", "wrong"), [("q2", PADDED_ON_THE_RIGHT), ("q3", WRAPS_ROUND)])
def test_what_tells_answers_apart_is_in_every_draw(question, wrong):
    secrets = [f"draw {number}".encode() for number in range(20)]
    points = {judge_source(EXERCISE, question, wrong, before=IMPORTS, secret=one).points for one in secrets}
    assert len(points) == 1 and points.pop() < exercise.find(question).points


FORECAST = """
def forecast():
    return {"AdamW, None": False, "Adam, zero, after a step of its own": True, "Adam, zero, never had a step": False,
            "AdamW, zero, never had a step": True, "SGD, zero, after a step of its own": False}
"""


def test_forecast():
    result = judged(
        "q6",
        wrong={
            FORECAST.replace('None": False', 'None": True'): "moves by 0.0000",
            FORECAST.replace(
                'Adam, zero, after a step of its own": True', 'Adam, zero, after a step of its own": False'
            ): "moves by",
            FORECAST.replace(
                'AdamW, zero, never had a step": True', 'AdamW, zero, never had a step": False'
            ): "moves by",
            FORECAST.replace('"SGD, zero, after a step of its own": False', ""): "the key 'SGD, zero",
            FORECAST.replace("False", "'no'"): "to be",
        },
        right=[
            FORECAST,
            "def forecast():\n    lines = ('AdamW, None', 'Adam, zero, after a step of its own', 'Adam, zero, never had a step',"
            " 'AdamW, zero, never had a step', 'SGD, zero, after a step of its own')\n"
            "    return {line: line in (lines[1], lines[3]) for line in lines}",
        ],
    )
    assert result.wrong[0].points == 4, "each situation counts for itself"


TWO_LOSSES = """
def two_losses(logits, numbers, ratings, spread, share):
    clear = abs(ratings) > 0.5
    labels = torch.where(clear, (ratings > 0).long(), -100)
    sign = cross_entropy(logits, labels, ignore_index=-100, reduction="sum") / clear.sum().clamp(min=1)
    return share * sign + (1 - share) * torch.nn.functional.mse_loss(numbers, ratings / spread)
"""
CHANGES_RATINGS = """
def two_losses(logits, numbers, ratings, spread, share):
    clear = ratings.abs() > 0.5
    sign = cross_entropy(logits[clear], (ratings[clear] > 0).long()) if clear.any() else 0.0
    ratings /= spread
    return share * sign + (1 - share) * (numbers - ratings).square().mean()
"""


@needs_files
def test_sign_and_rating():
    result = judged(
        "q8",
        wrong={
            TWO_LOSSES.replace(".clamp(min=1)", ""): "none of them clear",
            TWO_LOSSES.replace("abs(ratings) > 0.5", "abs(ratings) > -1"): "share=1.0",
            TWO_LOSSES.replace("abs(ratings) > 0.5", "ratings > 0.5"): "share=1.0",
            TWO_LOSSES.replace("clear.sum().clamp(min=1)", "len(ratings)"): "share=1.0",
            TWO_LOSSES.replace("(ratings > 0)", "(ratings < 0)"): "share=1.0",
            TWO_LOSSES.replace("ratings / spread", "ratings"): "share=0.0",
            TWO_LOSSES.replace("ratings / spread", "ratings * spread"): "share=0.0",
            TWO_LOSSES.replace("mse_loss(numbers,", "mse_loss(spread * numbers,"): "share=0.0",
            TWO_LOSSES.replace("mse_loss", "l1_loss"): "share=0.0",
            TWO_LOSSES.replace("(numbers, ratings / spread)", "(numbers[clear], (ratings / spread)[clear])"): "share=0.0",
            TWO_LOSSES.replace("share * sign + (1 - share)", "(1 - share) * sign + share"): "share=0.0",
            TWO_LOSSES.replace("share * sign + (1 - share)", "share * sign + 1"): "share=1.0",
            TWO_LOSSES.replace("> 0.5", ">= 0.5"): "(0.5 and -0.5 are not)",
            TWO_LOSSES.replace("abs(ratings) > 0.5", "abs(ratings / spread) > 0.5"): "(0.5 and -0.5 are not)",
            TWO_LOSSES.replace("abs(ratings) > 0.5", "abs(ratings) > 1"): "(0.5 and -0.5 are not)",
            TWO_LOSSES.replace("    clear", "    logits, numbers, ratings = logits[:32], numbers[:32], ratings[:32]\n    clear", 1): "of 36 sentences",
            TWO_LOSSES.replace("    clear", "    logits, numbers, ratings = logits[:16], numbers[:16], ratings[:16]\n    clear", 1): "of 32 sentences",
            TWO_LOSSES.replace("return ", "return torch.tensor(float(").rstrip() + "))\n": "no gradient of `logits`",
            TWO_LOSSES.replace("return ", "return float(").rstrip() + ")\n": "no gradient of `logits`",
            TWO_LOSSES.replace("mse_loss(numbers,", "mse_loss(numbers.detach(),"): "no gradient of `numbers`",
            TWO_LOSSES.replace("cross_entropy(logits,", "cross_entropy(logits.detach(),"): "no gradient of `logits`",
            CHANGES_RATINGS: "`ratings` after two_losses(",
        },
        right=[
            TWO_LOSSES,
            """
def two_losses(logits, numbers, ratings, spread, share):
    rows = [place for place, rating in enumerate(ratings.tolist()) if abs(rating) > 0.5]
    terms = [-logits[place].log_softmax(0)[int(ratings[place] > 0)] for place in rows]
    sign = sum(terms) / len(rows) if rows else 0
    return share * sign + (1 - share) * ((numbers - ratings / spread) ** 2).mean()
""",
            """
def two_losses(logits, numbers, ratings, spread, share):
    logits, numbers, ratings = logits.double(), numbers.double(), ratings.double()
    clear = (ratings > 0.5) | (ratings < -0.5)
    sign = torch.nn.CrossEntropyLoss()(logits[clear], ratings[clear].gt(0).to(torch.int64)) if clear.sum() else torch.zeros(())
    return torch.lerp(torch.nn.MSELoss()(numbers, ratings / spread), sign.double(), share)
""",
            """
def two_losses(logits, numbers, ratings, spread, share):
    places = ratings.abs().gt(0.5).nonzero().flatten()
    chances = torch.softmax(logits[places], 1)
    said = torch.where(ratings[places] > 0, chances[:, 1], chances[:, 0])
    sign = -said.log().mean() if len(places) else 0.0
    return sign * share + (numbers - ratings / spread).square().mean() * (1 - share)
""",
        ],
    )  # fmt: skip
    assert result.wrong[0].points == 3, "all but the batch without a clear sentence"
    assert result.wrong[5].points == 1, "the sign alone is right"
    points = [report.points for report in result.wrong[12:]]
    assert points == [3, 3, 3, 3, 1, 3, 3, 3, 3, 3], "one slip costs one point"
