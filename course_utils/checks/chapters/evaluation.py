"""The questions of chapter 04: metrics, intervals, comparisons, and the best checkpoint."""

from __future__ import annotations

import ast
import math
import re
import statistics
import string
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_utils.batches import IGNORED
from course_utils.checks import expect
from course_utils.checks.draw import Draw
from course_utils.checks.framework import Exercise, part
from course_utils.checks.report import Failed, Rung
from course_utils.wire.answer import Answer

if TYPE_CHECKING:
    import numpy as np
    import torch

if TYPE_CHECKING:  # what a learner's notebook holds, for the functions that are sent there
    arguments_for: Any = None
    write_metric: Any = None

LESSONS = "lessons/04_evaluation/"
METRICS = LESSONS + "01_what_a_metric_sees.ipynb"
SURE = LESSONS + "02_how_sure_can_we_be.ipynb"
BEST = LESSONS + "03_the_best_checkpoint.ipynb"
AGREE = LESSONS + "04_how_well_people_agree.ipynb"

exercise = Exercise(
    "04_evaluation",
    title="Evaluation",
    minutes=105,
    difficulty="medium",
    cost="half a minute on two cores",
)


# Independent implementations that answers are held against


def normalised(text: str) -> list[str]:
    """The words of a text as SQuAD's script compares them (Rajpurkar et al. 2016)."""
    text = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def exact_match(prediction: str, reference: str) -> float:
    return float(normalised(prediction) == normalised(reference))


def token_f1(prediction: str, reference: str) -> float:
    """2 × shared ÷ (written + wanted) on normalised words; two empty answers agree."""
    words, wanted = normalised(prediction), normalised(reference)
    if not words and not wanted:
        return 1.0
    return 2 * (Counter(words) & Counter(wanted)).total() / (len(words) + len(wanted))


def rouge_l(prediction: str, reference: str) -> float:
    """Google's rouge_score, without stemming: the F1 of the longest common
    subsequence of words (Lin 2004).
    """
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], use_stemmer=False).score(reference, prediction)["rougeL"].fmeasure


def macro_f1(predictions: Sequence[int], references: Sequence[int]) -> float:
    """The F1 of every class that is predicted or present, averaged with equal weight, by scikit-learn."""
    from sklearn.metrics import f1_score

    return float(f1_score(references, predictions, average="macro"))


# q1: metrics by hand


@exercise.question(
    "q1",
    title="Three metrics in your own words",
    points=3,
    difficulty=1,
    needs=("cleaned", "token_f1", "macro_f1"),
    lesson=METRICS + "#Half right",
    hints=(
        'Begin with cleaned: two of the metrics stand on it. Try it on "The cat, the CAT!" and on "theatre".',
        "Lower case first, then punctuation away, then the articles as whole words, then split(). A "
        "Counter counts words, and & of two Counters keeps what both have. For macro F1 make the F1 of "
        "each label on its own.",
        "Shopping lists, shared items whatever the order:\n"
        'mine, yours = Counter(["egg", "egg", "milk"]), Counter(["egg", "bread"])\n'
        "(mine & yours).total()          # 1: one egg is on both\n"
        "2 * 1 / (3 + 2)                 # the F1 of the two lists",
    ),
)
def metrics_by_hand(answer: Answer, draw: Draw) -> None:
    pairs = _answer_pairs(draw)
    with part("the cleaned words, on which exact match stands", points=1):
        for text in dict.fromkeys(text for pair in pairs for text in pair):
            expect.equal(answer.call("cleaned", text), normalised(text), f"cleaned({text!r})")
    with part("token F1", points=1):
        for pair in pairs:
            shared = answer.call("token_f1", *pair)
            expect.close(shared, token_f1(*pair), f"token_f1{pair}", tolerance=1e-6)
    with part("macro F1", points=1):
        for predictions, references in _labels(draw):
            what = f"macro_f1({predictions}, {references})"
            expect.close(
                answer.call("macro_f1", predictions, references),
                macro_f1(predictions, references),
                what,
                tolerance=1e-6,
            )


def _answer_pairs(draw: Draw) -> list[tuple[str, str]]:
    """(prediction, reference): right, nearly right in different ways, wrong, empty."""
    texts = [row["answers"]["text"][0] for row in draw.rows("questions", 8)]
    other = draw.sample(texts, len(texts))
    pairs = [(f"The {text.upper()}.", text) for text in texts[:2]]
    pairs += [(" ".join(reversed(text.split())) + " again", text) for text in texts[2:4]]
    pairs += list(zip(texts, other, strict=True))
    pairs += [
        ("the the anchor, the anchor", "an anchor near a theatre"),
        ("Gull by gull", "the gull, a gull"),  # twice in both
        ("Don't co-op at 5 a.m.!", "dont coop at 5 am"),  # marks inside a word; an article once they are gone
        ("", texts[0]),
        ("the", "a"),
        ("", ""),
    ]
    return pairs


def _labels(draw: Draw) -> Iterator[tuple[list[int], list[int]]]:
    """Small sets of labels: ordinary ones, and one with a class that is only
    predicted and one only present.
    """
    for classes in (2, 4):
        references = [draw.random.randrange(classes) for _ in range(12)]
        predictions = [
            label if draw.random.random() < 0.6 else draw.random.randrange(classes) for label in references
        ]
        yield predictions, references
    yield [0, 0, 0, 2, 1], [0, 0, 1, 1, 3]
    yield [2, 2, 7], [2, 7, 7]  # no class between and none before


# q2: ROUGE-L


@exercise.question(
    "q2",
    title="ROUGE-L from scratch",
    points=3,
    difficulty=2,
    needs=("rouge_l",),
    lesson=METRICS + "#Half right",
    hints=(
        "First count by hand: which is the longest list of words that both texts hold in the same order, "
        "with others in between if need be?",
        "A table of (words of one) × (words of the other): if the two words agree, the entry is one more "
        "than its neighbour above left; if not, the larger of the neighbours above and left. The last "
        "entry is the length.",
        "The longest common subsequence of two words' letters, one row of the table at a time:\n"
        "row = [0] * (len(b) + 1)\n"
        "for x in a:\n"
        "    old, row = row, [0]\n"
        "    for place, y in enumerate(b):\n"
        "        row.append(old[place] + 1 if x == y else max(row[-1], old[place + 1]))",
    ),
)
def rouge_by_hand(answer: Answer, draw: Draw) -> None:
    words = draw.sample("ferry harbour late nobody minded lamp kettle pier green boat".split(), 8)
    plain = [
        (" ".join(words), " ".join(words)),
        (" ".join(words[:5]), " ".join(words)),
        (" ".join(words), " ".join(draw.sample(words, 6))),
        ("none of this", " ".join(words)),
        _scattered(words),
    ]
    with part("the longest common subsequence of words", points=2):
        for pair in plain:
            expect.close(answer.call("rouge_l", *pair), rouge_l(*pair), f"rouge_l{pair}", tolerance=1e-6)
    rows = draw.rows("dialogues", 6)
    real = [(row["dialogue"].split("\n")[-1], row["summary"]) for row in rows]
    real += [(row["summary"].upper(), row["summary"]) for row in rows[:2]] + [
        ("", words[0]),
        ("", "…!"),
        ("It's 5 o'clock!", "it s 5 O clock"),
        (f"the {words[0]}_{words[1]} café", f"the {words[0]} {words[1]} caf"),
        (f"{words[0].title()}, {words[1]} again!", f"the old {words[0]} {words[1]}"),
    ]
    with part("on real text: case, punctuation, nothing at all", points=1):
        for pair in real:
            expect.close(answer.call("rouge_l", *pair), rouge_l(*pair), f"rouge_l{pair}", tolerance=1e-6)


def _scattered(words: list[str]) -> tuple[str, str]:
    """A pair whose longest common block of words (3) is no part of its longest common subsequence (4)."""
    one, two, three, four, *block, other = words
    return " ".join([one, two, three, four, *block]), " ".join(
        [*block, one, other, two, other, three, other, four]
    )


# q3: a forecast

DAMAGES = {
    "in capitals": str.upper,
    "without articles": lambda text: " ".join(
        word for word in text.split() if word.lower() not in ("a", "an", "the")
    ),
    "backwards": lambda text: " ".join(reversed(text.split())),
    "another name": lambda text: re.sub(r"[A-Z]\w+ [A-Z]\w+", "Jane Stranger", text),
}
MEASURES = {"exact_match": exact_match, "token_f1": token_f1, "rouge_l": rouge_l}
NOTICED = 0.99  # a mean below this is a damage noticed


@exercise.question(
    "q3",
    title="Predict what each metric notices",
    points=4,
    difficulty=1,
    needs=("forecast",),
    lesson=METRICS + "#What each of them misses",
    hints=(
        "Take one damage at a time and ask each metric: what do you do to a text before you compare?",
        "Exact match and token F1 of question 1 drop case, punctuation and articles. ROUGE-L drops case and "
        "punctuation only. And which of the three looks at the order of words?",
        "A scale notices that an apple is missing from the bag, not that the apples lie in another order; a "
        "photograph notices both.",
    ),
)
def predict(answer: Answer, draw: Draw) -> None:
    found = answer.call("forecast")
    expect.keys(found, DAMAGES, "forecast()")
    texts = [row["summary"] for row in draw.rows("dialogues", 60)]
    for damage, spoil in DAMAGES.items():
        with part(damage, points=1):
            what = f"forecast()[{damage!r}]"
            expect.type_of(found[damage], (list, tuple, set), what)
            for name in found[damage]:
                expect.one_of(name, list(MEASURES), f"each name in {what}")
            means = {
                name: math.fsum(measure(spoil(text), text) for text in texts) / len(texts)
                for name, measure in MEASURES.items()
            }
            noticed = {name for name, mean in means.items() if mean < NOTICED}
            measured = ", ".join(f"{name} {mean:.2f}" for name, mean in means.items())
            expect.true(
                set(found[damage]) == noticed,
                (
                    f"{what} to agree with the measurement on {len(texts)} damaged texts (below {NOTICED} is "
                    f"noticed): {measured}"
                ),
                expect.show(sorted(found[damage])),
            )


# q4: an evaluate module


@exercise.question(
    "q4",
    title="A metric that evaluate can load",
    points=3,
    difficulty=2,
    needs=("write_metric",),
    lesson=METRICS + "#A metric of your own",
    hints=(
        "Begin with the module of the lesson and change its name, its columns and its _compute.",
        "The file is called any_match.py and lies in the folder you are given. The references are "
        "lists of texts: "
        'datasets.Sequence(datasets.Value("string")). One import per line, and return {"any_match": share}.',
        "A column that holds a list of numbers for each row:\n"
        'features=datasets.Features({"marks": datasets.Sequence(datasets.Value("float64"))})',
    ),
)
def own_module(answer: Answer, draw: Draw) -> None:
    predictions, references, share = _answers_with_choices(draw)
    mine = answer.given(asked, written)
    _expect_module(mine.call("written"))
    whole = mine.call("asked", predictions, references, "compute")
    expect.keys(whole, ("any_match",), "metric.compute(…)")
    with part("compute gives the share of answers that are among their references", points=2):
        expect.close(whole["any_match"], share, 'metric.compute(…)["any_match"]')
    with part("add and add_batch give the same", points=1):
        for way in ("add", "add_batch"):
            found = mine.call("asked", predictions, references, way)
            expect.keys(found, ("any_match",), f"compute() after {way}")
            expect.close(found["any_match"], share, f'"any_match" after {way}')


def asked(predictions: list, references: list, way: str) -> dict:
    """What the metric says: fed by "compute", "add" or "add_batch"."""
    import tempfile
    from pathlib import Path

    import evaluate  # takes some seconds, so only when it is needed

    folder = Path(tempfile.mkdtemp()) / "any_match"
    folder.mkdir()
    write_metric(str(folder))
    metric = evaluate.load(str(folder))
    if way == "compute":
        return metric.compute(predictions=predictions, references=references)
    for start in range(0, len(predictions), 7 if way == "add_batch" else 1):
        if way == "add":
            metric.add(prediction=predictions[start], reference=references[start])
        else:
            end = start + 7
            metric.add_batch(predictions=predictions[start:end], references=references[start:end])
    return metric.compute()


def written() -> str:
    """The source of the module that `write_metric` writes."""
    import tempfile
    from pathlib import Path

    folder = tempfile.mkdtemp()
    write_metric(folder)
    return Path(folder, "any_match.py").read_text(encoding="utf-8")


MOST_SOURCE = 20_000  # characters of a module; the lesson's has about 800


def _expect_module(source: Any) -> None:
    """The source has a class with the two methods of an `evaluate` module; it is parsed here, and not run."""
    what = "any_match.py"
    expect.type_of(source, str, what)
    expect.at_most(len(source), MOST_SOURCE, f"the number of characters of {what}")
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Failed(Rung.WRONG_TYPE, f"{what} to be Python", str(error)) from None
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    methods = {node.name for each in classes for node in each.body if isinstance(node, ast.FunctionDef)}
    expect.true(
        {"_info", "_compute"} <= methods,
        f"a class with the methods _info and _compute in {what}",
        f"{len(classes)} classes, with the methods {expect.show(sorted(methods))}",
    )


def _answers_with_choices(draw: Draw) -> tuple[list[str], list[list[str]], float]:
    """Predictions, lists of acceptable references of different lengths, and the share that agrees."""
    texts = [row["answers"]["text"][0] for row in draw.rows("questions", 40)]
    references, predictions = [], []
    for text in texts:
        choices = [text, *draw.sample(texts, draw.random.randrange(3))]
        references.append(draw.sample(choices, len(choices)))
        predictions.append(draw.random.choice([*choices, draw.random.choice(texts), text.lower() + "!"]))
    # a part of a reference, and one that differs in its capitals, are no matches
    references += [["the old harbour", "a ferry"], ["the ferry"]]
    predictions += ["harbour", "The Ferry"]
    hits = [text in choices for text, choices in zip(predictions, references, strict=True)]
    return predictions, references, sum(hits) / len(hits)


# q5: find the bug, padding that counts as right


@exercise.question(
    "q5",
    title="Find the bug: an accuracy that grows with the padding",
    points=3,
    difficulty=2,
    needs=("token_scores",),
    lesson=BEST + "#compute_metrics: what the Trainer asks of you",
    hints=(
        "Print the accuracy for padding of 0, 20 and 200 places. What is the model rewarded for?",
        "A label of -100 means: there is no token here. Such places must not be scored at all, neither as "
        "right nor as wrong. A mask of the real places selects from guesses and labels alike.",
        "The mean of the temperatures that were really measured, where -999 says that the thermometer was "
        "broken:\n"
        "measured = readings != -999\n"
        "readings[measured].mean()",
    ),
)
def without_padding(answer: Answer, draw: Draw) -> None:
    generator = draw.numpy()
    labels = generator.integers(0, 4, size=(12, 9))
    labels[labels == 3] = 0  # class 3 is guessed now and then and never right
    for row, length in enumerate(generator.integers(3, 9, size=12)):
        labels[row, length:] = IGNORED
    logits = generator.normal(size=(12, 9, 4)).astype("float32")
    sure = generator.random((12, 9)) < 0.6
    for row, place in zip(*((labels != IGNORED) & sure).nonzero(), strict=True):
        logits[row, place, labels[row, place]] += 4
    logits[labels == IGNORED, 0] += 9  # at the padding the model says class 0
    real = labels != IGNORED
    guesses, truths = logits.argmax(-1)[real].tolist(), labels[real].tolist()
    right = sum(guess == truth for guess, truth in zip(guesses, truths, strict=True)) / len(truths)
    found = answer.call("token_scores", logits, labels)
    expect.keys(found, ("accuracy", "f1"), "token_scores(logits, labels)")
    with part("accuracy over the real tokens", points=1):
        expect.close(
            found["accuracy"], right, f"the accuracy over the {len(truths)} real tokens", tolerance=1e-5
        )
    with part("macro F1 over the real tokens", points=1):
        expect.close(
            found["f1"], macro_f1(guesses, truths), "the macro F1 over the real tokens", tolerance=1e-5
        )
    with part("more padding changes nothing", points=1):
        wider = _padded(logits, labels, draw.random.randrange(20, 40))
        again = answer.call("token_scores", *wider)
        expect.keys(again, ("accuracy", "f1"), "token_scores(logits, labels), padded further")
        for name in ("accuracy", "f1"):
            expect.close(again[name], found[name], f"the {name} after more padding", tolerance=1e-6)
        # a constant does not change either
        expect.close(again["accuracy"], right, "the accuracy after more padding", tolerance=1e-5)


def _padded(logits: np.ndarray, labels: np.ndarray, places: int) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    nothing = np.zeros((len(logits), places, logits.shape[-1]), dtype=logits.dtype)
    nothing[..., 0] = 9
    hidden = np.full((len(labels), places), IGNORED)
    return np.concatenate([logits, nothing], axis=1), np.concatenate([labels, hidden], axis=1)


# q6: the paired bootstrap

SIMULATIONS, LEAST_COVERAGE = 120, 0.86
#: Each simulation's width in widths by the normal law; a right bootstrap of 200
#: draws or more stays well within
NARROWEST, WIDEST = 0.7, 1.4
#: The mean of all widths in the same unit. Over 12 rounds of 120 simulations a bootstrap of 100, 200 and
#: 1,000 draws had 0.94 to 0.97, 0.97 to 0.98 and 0.98 to 0.99;
#: one of 92 % had up to 0.89, of 97 % at least 1.09
NARROWEST_MEAN, WIDEST_MEAN = 0.91, 1.08


@exercise.question(
    "q6",
    title="Is the new system better?",
    points=5,
    difficulty=3,
    needs=("paired_interval",),
    lesson=SURE + "#Two systems: compare row by row",
    hints=(
        "What is the one number per row whose mean is the difference of the two systems?",
        "Subtract row by row first, then draw whole rows with replacement, many times, and take the "
        "means. The 2.5 % and 97.5 % points of the means are the interval. numpy.random.default_rng(seed) "
        "draws the same each time.",
        "The mean of twelve weights and its interval:\n"
        "places = generator.integers(0, 12, size=(1000, 12))\n"
        "means = weights[places].mean(axis=1)\n"
        "np.quantile(means, [0.025, 0.975])",
    ),
)
def paired(answer: Answer, draw: Draw) -> None:
    generator = draw.numpy()
    before, after = _systems(generator, draw.random.randrange(180, 320), 0.04)
    what = "paired_interval(before, after, 1)"
    found = _interval(answer, before, after, 1)
    gains = [new - old for new, old in zip(after, before, strict=True)]
    mean, error = _mean_and_error(gains)
    with part("the difference", points=1):
        expect.close(found["difference"], mean, f'{what}["difference"]', tolerance=1e-6)
    with part("its interval, row by row", points=1):
        for name, end in (("low", mean - 1.96 * error), ("high", mean + 1.96 * error)):
            # the ends of two bootstraps differ by chance; a fifth of the width is ten times that
            expect.close(
                found[name], end, f'{what}["{name}"], from the differences row by row', tolerance=0.8 * error
            )
    with part("the same seed gives the same interval", points=1):
        expect.equal(_interval(answer, before, after, 1), found, f"{what}, asked again")
    with part("the interval keeps its promise, and is as narrow as the rows allow", points=2):
        _keeps_its_promise(answer, draw)


def _keeps_its_promise(answer: Answer, draw: Draw) -> None:
    """Coverage and width together, at several numbers of rows that nobody can
    know: one alone is easily had.
    """
    held, widths = 0, []
    sizes = [draw.random.randrange(50, 90), draw.random.randrange(100, 160), draw.random.randrange(170, 240)]
    for seed in range(SIMULATIONS):
        shift, count = draw.random.uniform(-0.1, 0.1), sizes[seed % len(sizes)]
        before, after = _systems(draw.numpy(), count, shift)
        interval = _interval(answer, before, after, seed)
        held += interval["low"] <= shift <= interval["high"]
        _, error = _mean_and_error([new - old for new, old in zip(after, before, strict=True)])
        width, usual = interval["high"] - interval["low"], 2 * 1.96 * error
        expect.true(
            NARROWEST * usual <= width <= WIDEST * usual,
            f"an interval about {usual:.3g} wide (row by row) for {count} rows",
            f"one that is {width:.3g} wide",
        )
        widths.append(width / usual)
    mean = math.fsum(widths) / SIMULATIONS
    expect.true(
        NARROWEST_MEAN <= mean <= WIDEST_MEAN,
        f"an interval of 95 %: over {SIMULATIONS} simulations as wide as 2 × 1.96 standard errors",
        f"{mean:.2f} times as wide; one of 90 % has about 0.84, one of 99 % about 1.3",
    )
    expect.at_least(
        held / SIMULATIONS,
        LEAST_COVERAGE,
        f"the share of {SIMULATIONS} simulations whose interval holds the truth",
    )


def _systems(generator: np.random.Generator, count: int, shift: float) -> tuple[list[float], list[float]]:
    """Scores of two systems on the same rows, hard and easy ones; their true difference is `shift`."""
    ease = generator.uniform(0, 1, size=count)
    before = ease + generator.normal(0, 0.1, size=count)
    return before.tolist(), (ease + shift + generator.normal(0, 0.1, size=count)).tolist()


def _interval(answer: Answer, before: list[float], after: list[float], seed: int) -> dict[str, float]:
    found = answer.call("paired_interval", before, after, seed)
    expect.keys(found, ("difference", "low", "high"), "paired_interval(before, after, seed)")
    for name in ("difference", "low", "high"):
        expect.number(found[name], f'paired_interval(before, after, seed)["{name}"]')
    return found


def _mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean and its standard error."""
    mean = math.fsum(values) / len(values)
    return mean, math.sqrt(
        math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values)
    )


# q7: an ablation table


@exercise.question(
    "q7",
    title="An ablation table that can be recomputed",
    points=3,
    difficulty=2,
    needs=("ablation_table",),
    lesson=SURE + "#Two systems: compare row by row",
    hints=(
        "Each line compares one variant with the full system on the same rows. What did question 6 give you?",
        'Leave out "full" itself, make one dict per variant with paired_interval(full, variant, 0), and '
        "sort by the "
        "change. A change matters if its interval does not contain 0.",
        "Shops by how much their rent rose, the smallest first:\n"
        'sorted(shops, key=lambda shop: shop["rise"])',
    ),
)
def ablation(answer: Answer, draw: Draw) -> None:
    scores, truth = _variants(draw)
    table = answer.call("ablation_table", scores)
    expect.each_of(table, dict, "ablation_table(scores)")
    expect.length(table, len(truth), "ablation_table(scores): one line a variant, without the full system")
    for line in table:
        expect.keys(line, ("variant", "change", "matters"), "a line of the table")
        expect.one_of(line["variant"], list(truth), 'the "variant" of a line')
        expect.number(line["change"], 'the "change" of a line')
    with part("the changes", points=1):
        for line in table:
            what = f"the change of {line['variant']!r} from the full system"
            expect.close(line["change"], truth[line["variant"]][0], what, tolerance=1e-6)
    with part("the worst change comes first", points=1):
        expect.equal(
            [line["variant"] for line in table],
            sorted(truth, key=lambda name: truth[name][0]),
            "the order of the lines",
        )
    with part("which changes matter", points=1):
        for line in table:
            expect.type_of(line["matters"], bool, 'the "matters" of a line')
            expect.equal(line["matters"], truth[line["variant"]][1], f'"matters" of {line["variant"]!r}')


def _variants(draw: Draw) -> tuple[dict[str, list[float]], dict[str, tuple[float, bool]]]:
    """{name: scores of 200 rows} and {name: (change, whether it is more than chance)}.

    Changes that matter are at least six standard errors away from 0, the others below one; one variant
    gains by more than another loses, so the order by size is another one. One that is all noise changes by
    more than two that matter: no bound on the size tells. The scores' own spread is so wide that unpaired
    intervals would see nothing.
    """
    generator, scores, truth = draw.numpy(), {}, {}
    full = generator.uniform(0, 1, size=200)
    scores["full"] = full.tolist()
    names = draw.sample(("no examples", "no instruction", "no title", "lower case", "half the text"), 5)
    # (change in standard errors, spread of a row's change)
    changes = draw.sample(((-12.0, 0.04), (-6.5, 0.04), (9.0, 0.04), (0.4, 0.04), (-0.8, 0.5)), 5)
    if changes == sorted(changes, key=math.prod):  # a table that nobody sorted must not be right by chance
        changes.reverse()
    for name, (errors, spread) in zip(names, changes, strict=True):
        noise = generator.normal(0, spread, size=200)
        noise -= noise.mean()
        error = noise.std(ddof=1) / 200**0.5
        scores[name] = (full + noise + errors * error).tolist()
        truth[name] = (_mean_and_error(scores[name])[0] - _mean_and_error(scores["full"])[0], abs(errors) > 1)
    return scores, truth


# q8: the best checkpoint


@exercise.question(
    "q8",
    title="Let the Trainer keep the best",
    points=3,
    difficulty=2,
    needs=("arguments_for",),
    lesson=BEST + "#Keep the best",
    hints=(
        "Which five settings belong together? The lesson names them in one sentence.",
        "eval_strategy and save_strategy with the same number of steps, load_best_model_at_end, "
        "metric_for_best_model=metric, and greater_is_better, which must follow less_is_better. "
        "save_total_limit keeps the folder small. use_cpu=True spares you a warning.",
        'For a runner, keep the best of three races: metric "seconds", less is better; for a jumper, '
        '"metres", more is better. Only the judge who is told which can pick the right one.',
    ),
    seconds=120,
)
def best_checkpoint(answer: Answer, draw: Draw) -> None:
    values = [round(value, 3) for value in draw.numpy().uniform(0.2, 0.8, size=6).tolist()]
    while values.index(max(values)) in (0, 5) or values.index(min(values)) in (0, 5):
        draw.random.shuffle(values)
    mine = answer.given(settings)
    found = {
        less: _kept(mine.call("settings", "quality", less, len(values)), values) for less in (False, True)
    }
    for result in found.values():
        expect.equal(
            result["evaluations"],
            len(values),
            "how often a Trainer with these arguments evaluates in 6 steps",
        )
    with part("the highest is kept", points=1):
        what = (
            f"the evaluation whose weights are loaded at the end, when the values are {values} and "
            "more is better"
        )
        expect.equal(found[False]["evaluation"], values.index(max(values)), what)
    with part("the lowest is kept when less is better", points=1):
        what = (
            f"the evaluation whose weights are loaded at the end, when the values are {values} and "
            "less is better"
        )
        expect.equal(found[True]["evaluation"], values.index(min(values)), what)
    with part("the folder stays small", points=1):
        for result in found.values():
            expect.at_most(result["checkpoints"], 2, "the number of checkpoints in the folder at the end")
            expect.at_least(result["checkpoints"], 1, "the number of checkpoints in the folder at the end")


#: What a check takes over from the learner's arguments, and what it may be
FOLLOWED: dict[str, type | tuple[type, ...]] = {
    "max_steps": int,
    "num_train_epochs": (int, float),
    "eval_strategy": str,
    "eval_steps": (int, float, type(None)),
    "eval_delay": (int, float),
    "save_strategy": str,
    "save_steps": (int, float),
    "save_total_limit": (int, type(None)),
    "load_best_model_at_end": bool,
    "metric_for_best_model": (str, type(None)),
    "greater_is_better": (bool, type(None)),
}


def settings(metric: str, less_is_better: bool, steps: int) -> dict:
    """The arguments that `arguments_for` makes, as plain data."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        found = arguments_for(folder, metric, less_is_better, steps)
        return {
            name: value
            for name, value in found.to_dict().items()
            if isinstance(value, (str, int, float, type(None)))
        }


def _kept(found: Any, values: Sequence[float]) -> dict[str, int | None]:
    """What a Trainer of the check's own does with these arguments.

    The model has one weight, which every step moves; the metric "quality" takes the values, one per
    evaluation. Returns which evaluation's weight is there at the end (or None), how many evaluations
    there were, and how many checkpoints.
    """
    import torch
    from transformers import PrinterCallback, Trainer, TrainingArguments

    expect.keys(found, FOLLOWED, "the arguments, as to_dict() gives them")
    for name, kinds in FOLLOWED.items():
        expect.type_of(found[name], kinds, f"{name} of arguments_for(…)")
    expect.at_most(found["max_steps"], 10 * len(values), "max_steps of arguments_for(…)")
    expect.at_most(found["num_train_epochs"], 10 * len(values), "num_train_epochs of arguments_for(…)")

    class OneWeight(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x: torch.Tensor, labels: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
            return {"loss": (self.weight - x).pow(2).mean(), "logits": self.weight * x}

    def scripted(_: object) -> dict[str, float]:
        weights.append(model.weight.item())
        return {"quality": values[min(len(weights), len(values)) - 1]}

    weights: list[float] = []
    model = OneWeight()
    rows = [{"x": torch.ones(1), "labels": torch.ones(1)}] * 4
    with tempfile.TemporaryDirectory() as folder:
        try:
            followed = {name: found[name] for name in FOLLOWED}
            arguments = TrainingArguments(
                folder, **followed, use_cpu=True, disable_tqdm=True, report_to="none"
            )
            trainer = Trainer(
                model, arguments, train_dataset=rows, eval_dataset=rows, compute_metrics=scripted
            )
            trainer.remove_callback(PrinterCallback)
            trainer.train()
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise Failed(
                Rung.WRONG_VALUE, "arguments that a Trainer can follow", f"{type(error).__name__}: {error}"
            ) from None
        checkpoints = len(list(Path(folder).glob("checkpoint-*")))
    loaded = weights.index(model.weight.item()) if model.weight.item() in weights else None
    return {"evaluation": loaded, "evaluations": len(weights), "checkpoints": checkpoints}


# q9: names and letters

CHARACTERS = "#Translations: BLEU and chrF"
KINDS = ("PER", "LOC", "ORG")


@exercise.question(
    "q9",
    title="Names, and letters",
    points=3,
    difficulty=2,
    needs=("entity_f1", "chrf"),
    lesson=METRICS + CHARACTERS,
    hints=(
        "For the names, first write a function that turns the tags of one sentence into a set of names. What "
        "must a name hold so that two of them are equal only if kind, beginning and end are?",
        "A set of (sentence, kind, start, end): & of two sets keeps what both have. For chrF, a Counter of "
        "text[start : start + size] for every start.",
        "Bookings of rooms, each (room, first night, last night); those in both books:\n"
        "mine, yours = {(7, 1, 3), (8, 2, 2)}, {(7, 1, 3), (8, 2, 4)}\n"
        "2 * len(mine & yours) / (len(mine) + len(yours))          # 0.5",
    ),
)
def other_scores(answer: Answer, draw: Draw) -> None:
    with part("entity F1", points=2):
        for predictions, references in _tagged(draw):
            what = f"entity_f1({predictions}, {references})"
            found = answer.call("entity_f1", predictions, references)
            expect.close(found, entity_f1(predictions, references), what, tolerance=1e-6)
    with part("chrF", points=1):
        for pair in _spelt(draw):
            expect.close(answer.call("chrf", *pair), chrf(*pair), f"chrf{pair}", tolerance=1e-6)


def entity_f1(predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> float:
    """The micro F1 of names (Tjong Kim Sang and De Meulder 2003); 1 where there is none."""
    written, wanted = _names(predictions), _names(references)
    total = written.total() + wanted.total()
    return 2 * (written & wanted).total() / total if total else 1.0


def _names(sentences: Sequence[Sequence[str]]) -> Counter:
    found: Counter = Counter()
    for number, tags in enumerate(sentences):
        # a letter a tag: B begins, I goes on, anything else is outside
        for name in re.finditer("BI*", "".join(tag[0] for tag in tags)):
            found[number, tags[name.start()], name.start(), name.end()] += 1
    return found


def chrf(prediction: str, reference: str) -> float:
    """chrF2 of one pair (Popović 2015), as NLTK and sacrebleu have it for texts of six letters or more."""
    import numpy as np

    one, other = prediction.replace(" ", ""), reference.replace(" ", "")
    scores = []
    for size in range(1, 7):
        runs = [[text[at:][:size] for at in range(len(text) + 1 - size)] for text in (one, other)]
        shared = sum(min(runs[0].count(run), runs[1].count(run)) for run in set(runs[0]))
        precision, recall = shared / len(runs[0]), shared / len(runs[1])
        scores.append(5 * precision * recall / (4 * precision + recall) if shared else 0.0)
    return float(np.mean(scores))


def _tagged(draw: Draw) -> Iterator[tuple[list[list[str]], list[list[str]]]]:
    """Sentences of tags: right, another kind, too long, too short, missed, invented, side by side, none."""
    kind, other = draw.sample(KINDS, 2)
    name, longer = [f"B-{kind}", f"I-{kind}"], [f"B-{kind}", f"I-{kind}", f"I-{kind}"]
    yield [[*name, "O", f"B-{other}"]], [[*name, "O", f"B-{other}"]]
    yield [[f"B-{other}", f"I-{other}", "O"]], [[*name, "O"]]
    yield [longer, [*name, "O"]], [[*name, "O"], longer]
    yield [["O", f"B-{kind}", f"B-{kind}"], ["O"]], [["O", *name], [f"B-{other}"]]
    yield [[f"B-{kind}", "O", f"B-{kind}", "O"], ["O", "O"], name], [[*name, *name], ["O", "O"], name]
    yield [["O", "O"], ["O"]], [["O", "O"], ["O"]]
    sentences = []
    for _ in range(2):
        drawn = [draw.random.choice((["O"], name, [f"B-{other}"], ["O", "O"])) for _ in range(12)]
        sentences.append(
            [[tag for piece in drawn[start : start + 4] for tag in piece] for start in (0, 4, 8)]
        )
    widths = [max(map(len, pair)) for pair in zip(*sentences, strict=True)]
    first, second = (
        [[*tags, *["O"] * (width - len(tags))] for tags, width in zip(side, widths, strict=True)]
        for side in sentences
    )
    yield first, second


def _spelt(draw: Draw) -> list[tuple[str, str]]:
    """Pairs of texts of six letters or more: near, far, longer, shorter, with runs that come twice."""
    texts = [row["summary"] for row in draw.rows("dialogues", 4)]
    pairs = [(text[: len(text) // 2], text) for text in texts[:1]] + [(texts[0], texts[0].upper())]
    pairs += [(texts[1], texts[2]), (texts[3] + " " + texts[3], texts[3])]
    return [*pairs, ("banana banana", "bananas"), ("xyxyxyxy", "mmmmmmmm"), ("the ferries", "the ferry")]


exercise.manual(
    "q10",
    title="Which one do you ship?",
    points=3,
    difficulty=2,
    lesson=SURE + "#Read the mistakes",
    hints=(
        "Read the mistakes of both before you look at the scores again.",
        "What does a mistake of each kind cost the person who reads the answer?",
        "Of two clocks, one is always two minutes late and one is right except once a day, when it is "
        "five hours late. Which one you want depends on what it wakes you for.",
    ),
)


# q11: runs of words, numbers, and where the mistakes are


@exercise.question(
    "q11",
    title="Translations, minutes and desks",
    points=3,
    difficulty=2,
    needs=("bleu", "regression_scores", "confusion"),
    lesson=METRICS + CHARACTERS,
    hints=(
        "Each of the three is worth a point of its own. BLEU is one number for the whole set: what has to be "
        "added up before anything is divided?",
        "zip(words, words[1:], words[2:]) gives the runs of three words, a Counter counts them, and & keeps "
        "what both have. scikit-learn has r2_score(references, predictions) (the truth comes first) and "
        "confusion_matrix with labels=; SciPy has spearmanr(…).statistic.",
        "A share over several bags is that of all their apples together, not the mean of the bags' shares:\n"
        "good, all_of_them = sum(bag.good for bag in bags), sum(bag.size for bag in bags)\n"
        "good / all_of_them",
    ),
)
def task_scores(answer: Answer, draw: Draw) -> None:
    with part("BLEU", points=1):
        for texts, wanted_texts in _translations(draw):
            what = f"bleu({texts}, {wanted_texts})"
            found = answer.call("bleu", texts, wanted_texts)
            expect.close(found, corpus_bleu(texts, wanted_texts), what, tolerance=1e-6)
    with part("R² and Spearman", points=1):
        for numbers, truths in _quantities(draw):
            what = f"regression_scores({numbers}, {truths})"
            found = answer.call("regression_scores", numbers, truths)
            expect.keys(found, ("r2", "spearman"), what)
            for name, truth in regression_scores_of(numbers, truths).items():
                expect.close(found[name], truth, f"{name!r} of {what}", tolerance=1e-6)
    with part("the confusion matrix", points=1):
        for predictions, references, classes in _named_classes(draw):
            what = f"confusion({predictions}, {references}, {classes})"
            found = answer.call("confusion", predictions, references, classes)
            table = expect.tensor(found, what, (classes, classes)).tolist()
            wanted = [
                [
                    sum(pair == (said, true) for pair in zip(predictions, references))
                    for said in range(classes)
                ]
                for true in range(classes)
            ]
            for true, (row, right) in enumerate(zip(table, wanted, strict=True)):
                expect.equal(row, right, f"row {true} (rows of class {true}) of {what}")


def corpus_bleu(predictions: Sequence[str], references: Sequence[str]) -> float:
    """BLEU of a test set with one reference each (Papineni et al. 2002), words as `split` gives them."""
    texts = [(one.split(), other.split()) for one, other in zip(predictions, references, strict=True)]
    product = 1.0
    for size in range(1, 5):
        shared = written = 0
        for pair in texts:
            mine, theirs = (
                [tuple(words[at : at + size]) for at in range(len(words) + 1 - size)] for words in pair
            )
            written += len(mine)
            shared += sum(min(mine.count(run), theirs.count(run)) for run in set(mine))
        product *= shared / written if shared else 0.0
    words, wanted = (sum(len(pair[side]) for pair in texts) for side in (0, 1))
    return product**0.25 * min(1.0, math.exp(1 - wanted / words)) if words else 0.0


def regression_scores_of(predictions: Sequence[float], references: Sequence[float]) -> dict[str, float]:
    """R², and Spearman's correlation with the mean rank for equal values."""
    middle = math.fsum(references) / len(references)
    errors = math.fsum((one - other) ** 2 for one, other in zip(predictions, references, strict=True))
    r2 = 1 - errors / math.fsum((value - middle) ** 2 for value in references)
    one, other = (
        [2 * sum(each < value for each in side) + sum(each == value for each in side) for value in side]
        for side in (predictions, references)
    )
    first, second = ([rank - sum(ranks) / len(ranks) for rank in ranks] for ranks in (one, other))
    spread = math.sqrt(math.fsum(rank**2 for rank in first) * math.fsum(rank**2 for rank in second))
    return {"r2": r2, "spearman": math.fsum(a * b for a, b in zip(first, second, strict=True)) / spread}


def _translations(draw: Draw) -> Iterator[tuple[list[str], list[str]]]:
    """Sets of texts: changed here and there, cut short, too long, a run twice, and none that shares four."""
    texts = [row["summary"] for row in draw.rows("dialogues", 4)]
    words = [text.split() for text in texts]
    place = draw.random.randrange(2, 4)
    spoilt = [" ".join([*each[:place], "indeed", *each[place:]]) for each in words]
    yield spoilt, texts
    yield [" ".join(words[0][:-2]), texts[1]], texts[:2]
    yield [f"{texts[0]} {texts[0]}", " ".join(words[1][:-1])], texts[:2]
    # in the second pair alone no run of four is shared: over both together there is one
    yield [texts[2], "the ferry was late"], [texts[2], "the boat was late"]
    yield ["so so so so so it is", "well"], ["so it is said here", "well then"]
    yield ["a boat left"], ["a boat left"]  # no run of four words at all


def _quantities(draw: Draw) -> Iterator[tuple[list[float], list[float]]]:
    """Predictions and truths: near, in the right order but far too high, with equal values, turned round."""
    truth = [float(value) for value in draw.sample(range(5, 90), 7)]
    noise = draw.numpy().normal(0, 8, size=7).tolist()
    yield [round(value + error, 2) for value, error in zip(truth, noise, strict=True)], truth
    yield [round(value**2 / 20 + 30, 2) for value in truth], truth
    tied = [float(draw.random.choice((10, 20))) for _ in range(5)] + [10.0, 20.0, 35.0]
    yield tied, draw.sample([10.0, 10.0, 25.0, 25.0, 25.0, 40.0, 41.0, 60.0], 8)
    yield [100 - value for value in truth], truth


def _named_classes(draw: Draw) -> Iterator[tuple[list[int], list[int], int]]:
    """Labels with a class that is never said, one that never is, and one that is neither."""
    classes = draw.random.choice((5, 6))
    silent, absent, neither = draw.sample(range(classes), 3)
    common = [label for label in range(classes) if label not in (silent, absent, neither)]
    pairs = [
        (draw.random.choice([*common, absent]), draw.random.choice([*common, silent])) for _ in range(12)
    ]
    pairs += [(absent, common[0])] * 2 + [(common[1], silent)] * 3
    yield [said for said, _ in pairs], [true for _, true in pairs], classes
    yield [1, 1, 0], [0, 1, 0], 2


@exercise.question(
    "q12",
    title="As well as people agree",
    points=3,
    difficulty=2,
    needs=("halves", "best_correlation", "one_against_rest"),
    lesson=AGREE + "#Split the people in half",
    fetched=("opinions",),
    hints=(
        "Each of the three is worth a point. For `halves`: which two numbers does each sentence give, and "
        "what do you do with the two columns at the end?",
        "ratings[0::2] and ratings[1::2] are the two halves; numpy.corrcoef(one, other)[0, 1] is a "
        "correlation. The label is the mean of both halves, so it is more reliable than either; the bound is "
        "the root of that.",
        "If half of the people have r = 0.6, all of them have 1.2 / 1.6 = 0.75, and the bound is the root of "
        "0.75. For the sides: sum(rest) has the sign of the mean of rest.",
    ),
)
def ceilings(answer: Answer, draw: Draw) -> None:
    given, apart = _ratings(draw), _halves_that_differ(draw)
    with part("two halves", points=1):
        for ratings in [*given, apart]:
            what = f"halves({expect.show(ratings)})"
            expect.close(answer.call("halves", ratings), halves_of(ratings), what, tolerance=1e-6)
    with part("the best correlation", points=1):
        for half in [draw.random.randrange(200, 990) / 1000 for _ in range(3)]:
            wanted = (2 * half / (1 + half)) ** 0.5
            found = answer.call("best_correlation", half)
            _expect_share(found, wanted, BOUNDS, half, f"best_correlation({half})")
    with part("one against the rest", points=1):
        odd = [[0, 1, 2], [2, 1, -1], [1, -2, -1], [-1, -2, 0], [-3, 2, 2], [4, -1, -1]]
        few = [[1, 4, -1, -1], [-2, -4, 1, 1, 1], [2, 1, 0, 0, 0]]  # most do not say what the mean says
        for ratings in [[*odd, *draw.sample(few, 3)], *given, apart]:  # first the one to work out by hand
            what = f"one_against_rest({expect.show(ratings)})"
            found = answer.call("one_against_rest", ratings)
            _expect_share(found, one_against_rest_of(ratings), SIDES, ratings, what)


def _expect_share(
    found: Any, wanted: float, mistakes: Mapping[str, Callable[[Any], float]], given: Any, what: str
) -> None:
    """The right number; where a mistake gives what came, the message names it."""
    expect.number(found, what)
    for words, mistaken in mistakes.items():
        apart = abs(mistaken(given) - wanted) > 1e-6 and abs(found - mistaken(given)) <= 1e-6
        expect.true(not apart, f"{what} to be {wanted:.6g}", f"{found:.6g}: that comes of {words}")
    expect.close(found, wanted, what, tolerance=1e-6)


BOUNDS: dict[str, Callable[[float], float]] = {
    "half ** 0.5: Spearman and Brown come first, then the root": lambda half: half**0.5,
    "leaving out the root": lambda half: 2 * half / (1 + half),
}


def _agreeing(ratings: Sequence[Sequence[int]], side: Callable[[Sequence[int]], float]) -> float:
    """How often the first is on the side that `side` finds in the others, where it finds one."""
    sides = [(first, side(rest)) for first, *rest in ratings]
    hits = [first * found > 0 for first, found in sides if found]
    return sum(hits) / max(len(hits), 1)


SIDES: dict[str, Callable[[Sequence[Sequence[int]]], float]] = {
    "most of the others instead of their mean": lambda all_of: _agreeing(
        all_of, lambda rest: sum((each > 0) - (each < 0) for each in rest)
    ),
    "most of the others, not their mean": lambda all_of: (
        sum(
            first != 0 and (first > 0) == (sum((each > 0) - (each < 0) for each in rest) > 0)
            for first, *rest in all_of
            if sum(rest)
        )
        / sum(bool(sum(rest)) for _, *rest in all_of)
    ),
    "the median of the others instead of their mean": lambda all_of: _agreeing(all_of, statistics.median),
    "keeping sentences where the mean of the others is 0": lambda all_of: (
        sum(first * sum(rest) > 0 for first, *rest in all_of) / len(all_of)
    ),
    "keeping sentences where the mean of the others is 0, as if it were negative": lambda all_of: (
        sum(first != 0 and (first > 0) == (sum(rest) > 0) for first, *rest in all_of) / len(all_of)
    ),
    "the mean of all ratings, with the first rater's own": lambda all_of: (
        sum(each[0] * sum(each) > 0 for each in all_of if sum(each[1:]))
        / sum(bool(sum(each[1:])) for each in all_of)
    ),
    "a first rater who says 0 counted as negative": lambda all_of: (
        sum((first > 0) == (sum(rest) > 0) for first, *rest in all_of if sum(rest))
        / sum(bool(sum(rest)) for _, *rest in all_of)
    ),
}


def _ratings(draw: Draw) -> list[list[list[int]]]:
    """What people gave to some films and to some editorials, each sentence's in another order."""
    from course_utils.fetched import opinions

    drawn = [draw.sample(opinions.rows(domain), 25) for domain in ("films", "editorials")]
    return [[draw.sample(row["ratings"], len(row["ratings"])) for row in rows] for rows in drawn]


def _halves_that_differ(draw: Draw) -> list[list[int]]:
    """Ratings of 600 sentences. On most, the people at even places say the opposite of those at odd places;
    on the last hundred all say the same.
    """
    sides = [draw.random.choice((-4, -3, -2, -1, 1, 2, 3, 4)) for _ in range(600)]
    return [
        [side, side if place >= 500 else -side] * draw.random.choice((2, 3))
        for place, side in enumerate(sides)
    ]


def halves_of(ratings: Sequence[Sequence[int]]) -> float:
    """The correlation of the means at even places with those at odd places."""
    import numpy as np

    means = np.array([(np.mean(each[0::2]), np.mean(each[1::2])) for each in ratings])
    return float(np.corrcoef(means.T)[0, 1])


def one_against_rest_of(ratings: Sequence[Sequence[int]]) -> float:
    """How often the first is on the side of the others' mean, of the sentences where that takes a side."""
    hits = [(sum(rest) > 0) == (first > 0) and first != 0 for first, *rest in ratings if sum(rest) != 0]
    return sum(hits) / len(hits)
