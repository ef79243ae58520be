"""The questions of chapter 09: one encoder with several heads, who gets the next
batch, and what the gradients say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from course_utils.batches import IGNORED
from course_utils.checks import expect
from course_utils.checks.draw import Draw
from course_utils.checks.framework import Exercise, part
from course_utils.checks.gradients import expect_gradients
from course_utils.checks.report import Failed, Rung
from course_utils.wire.answer import Answer, NotPlainData

if TYPE_CHECKING:  # what a learner's notebook holds, for the functions that are sent there
    train_round: Any = None
    two_losses: Any = None

LESSONS = "lessons/09_multi_task/"
HEADS = LESSONS + "01_one_encoder_many_heads.ipynb"
BATCHES = LESSONS + "02_who_gets_the_next_batch.ipynb"
SHARED = LESSONS + "03_help_or_hinder.ipynb"
REAL = LESSONS + "04_four_domains_two_tasks.ipynb"
CLASSES = {"reviews": 2, "topics": 6, "entities": 9}
INPUT, SIZE = (
    5,
    8,
)  # the small model of questions 5 and 6: numbers a row, and numbers that its encoder makes of them
RATE = 0.05

exercise = Exercise(
    "09_multi_task",
    title="Multi-task learning",
    minutes=85,
    difficulty="medium",
    cost="a few seconds on one core",
)


# q1: temperature


@exercise.question(
    "q1",
    title="Who gets the next batch?",
    points=3,
    difficulty=1,
    needs=("shares",),
    lesson=BATCHES + "#Size and temperature",
    hints=(
        "Begin with temperature 1: what is the chance of a task if all rows lie in one heap?",
        "Raise each size to the power 1 / temperature, then divide by the sum. At a temperature of a "
        "million the power is almost 0, and anything to the power 0 is 1.",
        "Votes in proportion to the square root of the inhabitants:\n"
        "roots = {village: count ** (1 / 2) for village, count in villages.items()}\n"
        "{village: root / sum(roots.values()) for village, root in roots.items()}",
    ),
)
def temperature(answer: Answer, draw: Draw) -> None:
    sizes = {
        task: draw.random.randrange(low, 9 * low) for task, low in zip(CLASSES, (2000, 200, 20), strict=True)
    }

    def compare(degrees: float) -> None:
        what = f"shares({sizes}, {degrees})"
        found = answer.call("shares", sizes, degrees)
        expect.keys(found, sizes, what)
        weights = {task: size ** (1 / degrees) for task, size in sizes.items()}
        for task, weight in weights.items():
            expect.close(found[task], weight / sum(weights.values()), f"{what}[{task!r}]")

    with part("temperature 1 is by size", points=1):
        compare(1)
    with part("other temperatures", points=1):
        for degrees in (2, round(draw.random.uniform(3, 6), 1), 0.5):
            compare(degrees)
    with part("a very high temperature is equal turns", points=1):
        # so high that what is left of the sizes is far inside the tolerance; a whole number would let
        # size ** temperature count for hours
        compare(1e9)


# q2: several heads


@exercise.question(
    "q2",
    title="A forward pass with several heads",
    points=4,
    difficulty=2,
    needs=("head_logits",),
    lesson=HEADS + "#The model",
    hints=(
        "Which of the states belong to real tokens, and which only fill the row up?",
        "For a text: set the padded states to 0 by multiplying with the mask (unsqueeze(-1) gives it a "
        "last side), sum over the tokens, divide by the number of real tokens of that row. A head is "
        "states @ weight.T + bias.",
        "The mean weight of the fish in each basket, where 0 in `is_fish` marks stones:\n"
        "(weights * is_fish).sum(1) / is_fish.sum(1)",
    ),
)
def forward(answer: Answer, draw: Draw) -> None:
    import torch

    generator = torch.Generator().manual_seed(draw.seed)
    mask = torch.tensor(_padded(draw))
    states = torch.randn(*mask.shape, SIZE, generator=generator)
    heads = {
        task: (torch.randn(count, SIZE, generator=generator), torch.randn(count, generator=generator))
        for task, count in (CLASSES | {"languages": 3}).items()
    }
    with part("one answer for each text, padding left out", points=2):
        for task in ("reviews", "topics", "languages"):  # whatever is not entities
            means = torch.stack([line[real.bool()].mean(0) for line, real in zip(states, mask, strict=True)])
            _same_logits(answer, states, mask, heads, task, means @ heads[task][0].T + heads[task][1])
    with part("one answer for each token", points=2):
        weight, bias = heads["entities"]
        _same_logits(answer, states, mask, heads, "entities", states @ weight.T + bias, real=mask.bool())


def _padded(draw: Draw) -> list[list[int]]:
    """Attention masks of four rows: full, padded on the right, on the left (as decoders are), and on both."""
    tokens, (few, some, most) = 7, sorted(draw.sample(range(2, 6), 3))
    rows = [
        [1] * tokens,
        [1] * some + [0] * (tokens - some),
        [0] * (tokens - few) + [1] * few,
        [0] + [1] * most + [0] * (tokens - most - 1),
    ]
    return draw.sample(rows, len(rows))


def _same_logits(
    answer: Answer, states: Any, mask: Any, heads: dict, task: str, wanted: Any, real: Any = None
) -> None:
    what = f"head_logits(states, attention_mask, heads, {task!r})"
    found = answer.call("head_logits", states, mask, heads, task)
    expect.shape(found, tuple(wanted.shape), what)
    if real is None:
        expect.all_close(found, wanted, what, tolerance=1e-4)
    else:  # what stands at the padding is nobody's business
        expect.all_close(found[real], wanted[real], f"{what} at the real tokens", tolerance=1e-4)


# q3: find the bug, labels at the padding


@exercise.question(
    "q3",
    title="Find the bug: everybody is nobody",
    points=3,
    difficulty=1,
    needs=("word_labels",),
    lesson=HEADS + "#Three tasks, two shapes",
    hints=(
        "Print the colleague's labels beside the tokens. How many of them does a person with a pencil know?",
        "None is no word: -100. The second and later tokens of a word: -100 as well. So remember the word "
        "of the token before, and compare.",
        "Write each day's date only at its first event:\n"
        "for place, day in enumerate(days):\n"
        "    print(day if place == 0 or day != days[place - 1] else '')",
    ),
)
def labels_of_words(answer: Answer, draw: Draw) -> None:
    sentence, lone = (_labelled(answer, *case) for case in (_sentence(draw), _lone_word(draw)))
    for number, title in enumerate(sentence[1]):
        with part(title, points=1):
            for found, places, what in (sentence, lone)[: 2 if number == 0 else 1]:
                first, wanted = places["the first token of each word"]
                expect.equal(
                    [found[place] for place in first],
                    wanted,
                    f"the labels of {what} at the first token of each word",
                )
                there, wanted = places[title]
                expect.equal([found[place] for place in there], wanted, f"the labels of {what} at {title}")


def _labelled(answer: Answer, ids: list, tags: list[int]) -> tuple[list, dict[str, tuple[list, list]], str]:
    """(what word_labels gives, {kind of token: (its places, their labels)}, the call in words)"""
    what = f"word_labels({ids}, {tags})"
    found = answer.call("word_labels", ids, tags)
    expect.each_of(found, int, what)
    expect.length(found, len(ids), what)
    first = [place for place, word in enumerate(ids) if word is not None and word not in ids[:place]]
    later = [place for place, word in enumerate(ids) if word is not None and word in ids[:place]]
    nowhere = [place for place, word in enumerate(ids) if word is None]
    places = {
        "the first token of each word": (first, [tags[ids[place]] for place in first]),
        "the later tokens of a word": (later, [IGNORED] * len(later)),
        "special tokens and padding": (nowhere, [IGNORED] * len(nowhere)),
    }
    return found, places, what


def _sentence(draw: Draw) -> tuple[list, list[int]]:
    """(word ids, a tag a word): words of one to three tokens, neighbours with the
    same tag, special tokens, padding.
    """
    tags = [0, *draw.sample(range(1, 9), 4)]
    tags += [tags[-1], 0]  # neighbours that agree are two words
    ids = [word for word in range(len(tags)) for _ in range(draw.random.randrange(1, 4) if word != 2 else 3)]
    return [None, *ids, None, *[None] * draw.random.randrange(2, 6)], tags


def _lone_word(draw: Draw) -> tuple[list, list[int]]:
    """One word without special tokens: the token "before" the first is none, and not the last one."""
    return [0] * draw.random.randrange(2, 5), [draw.random.randrange(1, 9)]


# q4: the cosine of two gradients


@exercise.question(
    "q4",
    title="Do two tasks pull the same way?",
    points=4,
    difficulty=2,
    needs=("gradient_cosine",),
    lesson=SHARED + "#What the gradients say",
    hints=(
        "Which weights do both tasks move? Make one long vector of those for each task.",
        'Keep the names that begin with "encoder."; where a gradient is None put zeros of the other\'s '
        "shape (both None: "
        "leave it out). Then the dot product divided by the two lengths, and 0.0 if a length is 0.",
        "The angle between two walks of several legs: put all legs into one vector each, not the mean of "
        "the legs' angles:\n"
        "torch.cosine_similarity(torch.cat(mine), torch.cat(yours), dim=0).item()",
    ),
)
def cosine_of_gradients(answer: Answer, draw: Draw) -> None:
    import torch

    generator = torch.Generator().manual_seed(draw.seed)

    def drawn(scale: float) -> dict[str, Any]:
        return {
            "encoder.first.weight": torch.randn(6, 4, generator=generator) * scale,
            "encoder.first.bias": torch.randn(6, generator=generator),
            "encoder.last.weight": torch.randn(2, 6, generator=generator) * 3,
        }

    def agree(one: dict, other: dict, what: str) -> None:
        try:
            found = answer.call("gradient_cosine", one, other)
        except NotPlainData as error:  # 0 / 0, say
            raise Failed(
                Rung.WRONG_VALUE, f"gradient_cosine(one, other) {what} to be a number", error.message
            ) from None
        found = found.item() if isinstance(found, torch.Tensor) and found.numel() == 1 else found
        expect.number(found, f"gradient_cosine(one, other) {what}")
        expect.close(found, _cosine(one, other), f"gradient_cosine(one, other) {what}", tolerance=1e-4)

    one, other = drawn(2), drawn(0.5)
    mixed = {name: 0.6 * one[name] + other[name] for name in one}
    with part("one cosine of all shared weights", points=2):
        agree(one, other, "of two drawn gradients")
        agree(one, mixed, "of two gradients that partly agree")
        agree(one, {name: -part for name, part in one.items()}, "of a gradient and its opposite")
    with part("heads stay out", points=1):
        heads = (
            {
                "heads.reviews.weight": torch.full((2, 6), 5.0),
                "heads.topics.encoder.weight": torch.ones(6, 6),
                "encoder_norm.weight": torch.full((4,), 5.0),  # not "encoder."
            }
            for _ in range(2)
        )
        task, another = ({**task, **head} for task, head in zip((one, mixed), heads, strict=True))
        agree(task, another, "with the heads' gradients in the dicts")
    with part("nothing counts as zero", points=1):
        agree({**one, "encoder.first.bias": None}, mixed, "where one task has None for a weight")
        agree(mixed, {**one, "encoder.last.weight": None}, "where the other task has None for a weight")
        still = {name: torch.zeros_like(part) for name, part in one.items()}
        agree(one, still, "where one gradient is all zeros")


def _cosine(one: dict, other: dict) -> float:
    pairs = [(one[name], other[name]) for name in one if name.startswith("encoder.")]
    dot = sum(float((a.double() * b.double()).sum()) for a, b in pairs if a is not None and b is not None)
    lengths = [
        sum(float((part.double() ** 2).sum()) for part in side if part is not None)
        for side in zip(*pairs, strict=True)
    ]
    return dot / (lengths[0] * lengths[1]) ** 0.5 if all(lengths) else 0.0


# q5: find the bug, heads that move when it isn't their turn


@exercise.question(
    "q5",
    title="Find the bug: heads that never rest",
    points=4,
    difficulty=3,
    needs=("train_round",),
    lesson=HEADS + "#Who learns from a batch?",
    hints=(
        "There are two bugs. Which heads have a gradient after backward()? And what does AdamW do with a "
        "gradient that is zero?",
        "Only the batch's own head may enter the loss; labels of another task mean nothing to it. And "
        "zero_grad() without an argument sets gradients to None, which AdamW skips.",
        "A postman with three bags opens the one that the address names, and no other:\n"
        "bags[letter.street].append(letter)",
    ),
)
def round_of_training(answer: Answer, draw: Draw) -> None:
    import torch

    generator = torch.Generator().manual_seed(draw.seed)
    start = {name: weight.detach() for name, weight in _small_model().state_dict().items()}
    start = {name: torch.randn(weight.shape, generator=generator) / 2 for name, weight in start.items()}

    def batch(task: str) -> tuple:
        return (
            task,
            torch.randn(12, INPUT, generator=generator),
            torch.randint(0, CLASSES[task], (12,), generator=generator),
        )

    with part("a batch teaches the encoder and its own head", points=2):
        for task in CLASSES:
            _same_weights(answer, start, [batch(task)], f"after one batch of {task}")
    with part("a head rests while others learn", points=2):
        _rests(answer, start, batch("reviews"), batch("topics"))
        turns = ["reviews", *draw.sample(("topics", "entities", "topics", "reviews"), 4)]
        _same_weights(answer, start, [batch(task) for task in turns], f"after batches of {', '.join(turns)}")


def _rests(answer: Answer, start: dict, mine: tuple, others: tuple) -> None:
    """What a head has learned from its batch is still there after the batch of another task."""
    mine_too = answer.given(watched)
    one = mine_too.call("watched", start, [mine], CLASSES, RATE)
    two = mine_too.call("watched", start, [mine, others], CLASSES, RATE)
    name = f"heads.{mine[0]}.weight"
    for weights in (one, two):
        expect.keys(weights, (name,), "the weights after a round")
    expect.all_close(
        two[name],
        one[name],
        f"{name} after a batch of {others[0]}, as the batch of {mine[0]} left it, since that head rests,",
        tolerance=1e-6,
    )


def watched(start: dict, batches: list, classes: dict, rate: float) -> dict:
    """The weights of a small model after the learner's round; `start` is what it begins with."""
    import torch

    (size, numbers) = start["encoder.weight"].shape
    heads = {task: torch.nn.Linear(size, count) for task, count in classes.items()}
    model = torch.nn.ModuleDict(
        {"encoder": torch.nn.Linear(numbers, size), "heads": torch.nn.ModuleDict(heads)}
    )
    model.load_state_dict(start)
    train_round(model, torch.optim.AdamW(model.parameters(), lr=rate), batches)
    return {name: weight.detach() for name, weight in model.state_dict().items()}


def _same_weights(answer: Answer, start: dict, batches: list, what: str) -> None:
    import torch

    model = _small_model()
    model.load_state_dict(start)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    for task, inputs, labels in batches:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model["heads"][task](model["encoder"](inputs)), labels).backward()
        optimizer.step()
    found = answer.given(watched).call("watched", start, batches, CLASSES, RATE)
    expect.keys(found, start, "the weights after a round")
    for name, weight in model.state_dict().items():
        expect.all_close(found[name], weight, f"{name} {what}", tolerance=1e-4)


def _small_model() -> Any:
    import torch

    heads = {task: torch.nn.Linear(SIZE, count) for task, count in CLASSES.items()}
    return torch.nn.ModuleDict({"encoder": torch.nn.Linear(INPUT, SIZE), "heads": torch.nn.ModuleDict(heads)})


# q6: a forecast

SITUATIONS = {  # optimizer, its settings, what it finds as a gradient, whether the head has learnt before
    "AdamW, None": ("AdamW", {"weight_decay": 0.01}, None, True),
    "Adam, zero, after a step of its own": ("Adam", {}, 0.0, True),
    "Adam, zero, never had a step": ("Adam", {}, 0.0, False),
    "AdamW, zero, never had a step": ("AdamW", {"weight_decay": 0.01}, 0.0, False),
    "SGD, zero, after a step of its own": ("SGD", {}, 0.0, True),
}


@exercise.question(
    "q6",
    title="Predict whether the idle head moves",
    points=5,
    difficulty=2,
    needs=("forecast",),
    lesson=HEADS + "#Who learns from a batch?",
    hints=(
        "Take one line at a time. What does the optimizer remember, and what does it do without looking at "
        "the gradient?",
        "Adam keeps a running mean of past gradients and steps along it. AdamW also shrinks every weight "
        "that it handles. Plain SGD keeps nothing. And None means: not handled.",
        (
            "A ship whose engine stops drifts on by its way through the water; one that was never under "
            "way doesn't."
        ),
    ),
)
def predict(answer: Answer, draw: Draw) -> None:
    found = answer.call("forecast")
    expect.keys(found, SITUATIONS, "forecast()")
    for name, situation in SITUATIONS.items():
        with part(name, points=1):
            what = f"forecast()[{name!r}]"
            expect.type_of(found[name], bool, what)
            moved = _moved(*situation, seed=draw.seed)
            expect.true(
                found[name] == (moved > 0),
                f"{what} to agree with the measurement: the head moves by {moved:.4f}",
                str(found[name]),
            )


def _moved(name: str, settings: dict, gradient: float | None, learnt: bool, seed: int) -> float:
    """How far a head moves in a step of another task."""
    import torch

    generator = torch.Generator().manual_seed(seed % 2**31)
    head = torch.nn.Parameter(torch.randn(6, SIZE, generator=generator))
    optimizer = getattr(torch.optim, name)([head], lr=RATE, **settings)
    if learnt:
        head.grad = torch.randn(head.shape, generator=generator)
        optimizer.step()
    before = head.detach().clone()
    head.grad = None if gradient is None else torch.full_like(head, gradient)
    optimizer.step()
    return float((head.detach() - before).norm())


exercise.manual(
    "q7",
    title="One model or three?",
    points=4,
    difficulty=2,
    lesson=SHARED + "#When to prefer which",
    hints=(
        "Read the column of gains in lesson 3 with its intervals, line by line, before you decide.",
        (
            "Which interval lies on one side of 0? What does one model save, and who would pay for "
            "what it loses?"
        ),
        (
            "One bus for school, market and harbour is cheaper than three. Whether that is good depends "
            "on who arrives late."
        ),
    ),
)


# q8: the sign and the rating of one sentence

UNCLEAR = 0.5


@exercise.question(
    "q8",
    title="Two losses for one sentence",
    points=4,
    difficulty=2,
    needs=("two_losses",),
    lesson=REAL + "#The shared part",
    fetched=("opinions",),
    hints=(
        "Every sentence has a rating. Which of them have a sign that one could be sure of, and what is the "
        "mean of a loss over no sentence at all?",
        "clear = ratings.abs() > 0.5 picks the rows for the cross entropy, on logits[clear] and "
        "(ratings[clear] > 0).long(). If none is clear, the loss of the sign is 0 and not a mean over "
        "nothing. The rating's loss is the mean square of numbers - ratings / spread, over all rows.",
        "The mean price of the ripe pears, of a basket that may hold none:\n"
        "ripe = colour > 3\nprice[ripe].mean() if ripe.any() else price.sum() * 0",
    ),
)
def sign_and_rating(answer: Answer, draw: Draw) -> None:
    import torch

    ratings, border = _ratings(draw)
    both = torch.cat([ratings, border])
    generator = torch.Generator().manual_seed(draw.seed)
    spread = round(draw.random.uniform(1.2, 2.4), 2)

    def drawn(chosen: Any) -> tuple[Any, Any]:
        logits = 2 * torch.randn(len(chosen), 2, generator=generator)
        return logits, torch.randn(len(chosen), generator=generator)

    def compare(logits: Any, numbers: Any, chosen: Any, share: float, said: str) -> str:
        what = f"two_losses(logits, numbers, ratings, spread={spread}, share={share}) of {said}"
        found = expect.tensor(answer.call("two_losses", logits, numbers, chosen, spread, share), what, ())
        wanted = _two_losses(logits, numbers, chosen, spread, share).item()
        expect.close(float(found), wanted, what, tolerance=1e-4)
        return what

    clear = ratings.abs() > UNCLEAR
    counted = f"{len(ratings)} sentences, {int(clear.sum())} of them clear"
    with part("the rating alone, of all sentences", points=1):
        compare(*drawn(ratings), ratings, 0.0, f"{len(ratings)} sentences")
    with part("the sign alone, of the clear ones", points=1):
        said = f"{len(both)} sentences, {int((both.abs() > UNCLEAR).sum())} of them clear"
        compare(*drawn(both), both, 1.0, f"{said} (0.5 and -0.5 are not)")
    with part("a mixture of both, to train with", points=1):
        share = round(draw.random.uniform(0.2, 0.4), 2)
        logits, numbers = drawn(ratings)
        what = compare(logits, numbers, ratings, share, counted)
        _judge_training(answer, (logits, numbers, ratings, spread, share), what)
    with part("a batch without a clear sentence", points=1):
        unclear = ratings[~clear]
        compare(*drawn(unclear), unclear, 0.5, f"{len(unclear)} sentences, none of them clear")


def _two_losses(logits: Any, numbers: Any, ratings: Any, spread: float, share: float) -> Any:
    """What is asked for; ()"""
    import torch

    clear = ratings.abs() > UNCLEAR
    sign = torch.tensor(0.0)
    if clear.any():
        sign = torch.nn.functional.cross_entropy(logits[clear], (ratings[clear] > 0).long())
    return share * sign + (1 - share) * (numbers - ratings / spread).square().mean()


def _judge_training(answer: Answer, arguments: tuple[Any, Any, Any, float, float], what: str) -> None:
    """Whether the loss pulls at what both heads say, and leaves the ratings to the next epoch."""
    logits, numbers, ratings, spread, share = arguments
    *found, left = answer.given(pulled).call("pulled", *arguments)
    expect.all_close(left, ratings, f"`ratings` after {what}, as they were before,")
    heads = [side.clone().requires_grad_() for side in (logits, numbers)]
    _two_losses(heads[0], heads[1], ratings, spread, share).backward()
    right = {"logits": heads[0].grad, "numbers": heads[1].grad}
    expect_gradients(found, right, what, tolerance=1e-4)


def pulled(logits: Any, numbers: Any, ratings: Any, spread: float, share: float) -> list[Any]:
    """The gradients of what both heads say, None where there is none, and the ratings after the call."""
    heads = [side.clone().requires_grad_() for side in (logits, numbers)]
    loss = two_losses(*heads, ratings, spread, share)
    if getattr(loss, "requires_grad", False):
        loss.backward()
    return [*(side.grad for side in heads), ratings]


def _ratings(draw: Draw) -> tuple[Any, Any]:
    """The ratings that people gave to 32 sentences, far from the border of the clear ones, and to four at it:
    two of 0.5 and -0.5, which are not clear, and two a little further from zero, which are.
    """
    import torch

    from course_utils.fetched import opinions

    rows = opinions.rows(draw.random.choice(("products", "tweets", "editorials")), "test")
    ratings = [row["rating"] for row in rows]
    far, near = 2.5 * UNCLEAR, 1.2 * UNCLEAR
    chosen = [
        *draw.sample([value for value in ratings if value > far], 8),
        *draw.sample([value for value in ratings if value < -far], 8),
        *draw.sample([value for value in ratings if 0 < abs(value) < UNCLEAR], 16),
    ]
    border = draw.sample([value for value in ratings if UNCLEAR < abs(value) < near], 2)
    shuffled = draw.sample(chosen, len(chosen))
    return tuple(torch.tensor(each) for each in (shuffled, draw.sample([UNCLEAR, -UNCLEAR, *border], 4)))
