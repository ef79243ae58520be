"""Every question of exercise 04: the solution, the stub, wrong answers with the message they get, other right ways."""

import inspect
from functools import partial

import pytest

from course_utils.checks import render
from course_utils.checks.chapters import evaluation
from course_utils.checks.testing import (
    answer_source,
    given_cell_with,
    judge_source,
    judged_well,
    namespace,
    replaced,
)
from course_utils.fetched import ready
from tests.shown_code import untyped

EXERCISE = "04_evaluation"
given = partial(given_cell_with, EXERCISE)
IMPORTS = """
import random, re, string, tempfile
from collections import Counter
from pathlib import Path
import numpy as np
"""


def judged(question, *, wrong, right, before="", **options):
    return judged_well(EXERCISE, question, wrong=wrong, right=right, before=IMPORTS + before, **options)


def same_code(function, cell):
    """Whether a function that a check sends along is the notebook's own, but for its types."""
    return untyped(inspect.getsource(function)) == untyped(cell)


BY_HAND = """
def cleaned(text):
    text = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return [word for word in text.split() if word not in {"a", "an", "the"}]

def token_f1(prediction, reference):
    mine, theirs = cleaned(prediction), cleaned(reference)
    if not mine and not theirs:
        return 1.0
    shared = 0
    for word in mine:
        if word in theirs:
            theirs.remove(word)
            shared += 1
    return 2 * shared / (len(mine) + len(cleaned(reference)))

def macro_f1(predictions, references):
    from sklearn.metrics import f1_score
    return float(f1_score(references, predictions, average="macro"))
"""


TWICE_IS_ONCE = (
    BY_HAND
    + """
def token_f1(prediction, reference):
    mine, theirs = cleaned(prediction), cleaned(reference)
    if not mine and not theirs:
        return 1.0
    return 2 * len(set(mine) & set(theirs)) / (len(mine) + len(theirs))
"""
)
MARKS_ARE_SPACES = (
    BY_HAND
    + """
def cleaned(text):
    kept = "".join(" " if letter in string.punctuation else letter for letter in text.lower())
    return [word for word in kept.split() if word not in ("a", "an", "the")]
"""
)
ARTICLES_FIRST = (
    BY_HAND
    + """
def cleaned(text):
    text = re.sub(r"\\b(a|an|the)\\b", " ", text.lower())
    return "".join(letter for letter in text if letter not in string.punctuation).split()
"""
)


def test_metrics_by_hand():
    result = judged(
        "q1",
        wrong={
            BY_HAND.replace(".lower()", ""): "cleaned(",
            BY_HAND.replace('"a", "an", "the"', ""): "cleaned(",
            BY_HAND.replace("theirs.remove(word)", "pass"): "token_f1('the the anchor",
            BY_HAND.replace("if not mine and not theirs:", "if not mine or not theirs:"): "token_f1('',",
            BY_HAND.replace('"macro"', '"micro"'): "macro_f1(",
            BY_HAND.replace(
                'average="macro"', 'labels=range(max(references + predictions) + 1), average="macro"'
            ): "macro_f1([2, 2, 7]",
            TWICE_IS_ONCE: "token_f1('Gull by gull'",
            MARKS_ARE_SPACES: "cleaned(\"Don't co-op",
            ARTICLES_FIRST: "cleaned(\"Don't co-op",
            BY_HAND.replace("average=", "labels=sorted(set(references)), average="): "macro_f1(",
            BY_HAND.replace("return 2 * shared /", "2 * shared /"): "to be a whole number or a number",
            BY_HAND.replace("    if not mine and not theirs:\n        return 1.0\n", ""): "ZeroDivisionError",
            BY_HAND.replace(
                "[word for word in text.split() if", "' '.join(word for word in text.split() if"
            ).replace('"the"}]', '"the"})'): "cleaned(",
            "def exact_match(prediction, reference): return 1.0\ndef cleaned(text): return []\n"
            + BY_HAND.split("\n\n", 1)[1]: "cleaned(",
        },
        right=[
            BY_HAND,
            BY_HAND.replace("    return [word for", "    text = text.strip()\n    return [word for").replace(
                'return float(f1_score(references, predictions, average="macro"))',
                "return sum(f1_score(references, predictions, average=None)) / len(set(references + predictions))",
            ),
            BY_HAND.replace("return 2 * shared / (", "return np.array(2 * shared) / (").replace(
                "return float(f1_score", "return np.array(f1_score"
            ),
        ],
    )
    assert [report.points for report in result.wrong[:2]] == [1, 1], (
        "macro F1 does not depend on the cleaning"
    )
    assert result.wrong[11].points == 2, "two empty texts that crash one function cost its part"


ROUGE = """
def rouge_l(prediction, reference):
    a, b = (re.findall(r"[a-z0-9]+", text.lower()) for text in (prediction, reference))
    if not a or not b:
        return 0.0
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(len(a)):
        for j in range(len(b)):
            table[i + 1][j + 1] = table[i][j] + 1 if a[i] == b[j] else max(table[i][j + 1], table[i + 1][j])
    return 2 * table[-1][-1] / (len(a) + len(b))
"""


DIFFLIB = """
import difflib

def rouge_l(prediction, reference):
    a, b = (re.findall("[a-z0-9]+", text.lower()) for text in (prediction, reference))
    blocks = difflib.SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    return 2 * sum(block.size for block in blocks) / (len(a) + len(b)) if a and b else 0.0
"""


def test_rouge():
    result = judged(
        "q2",
        wrong={
            ROUGE.replace("max(table[i][j + 1], table[i + 1][j])", "0"): "rouge_l(",
            ROUGE.replace('re.findall(r"[a-z0-9]+", text.lower())', "text.split()"): "rouge_l(",
            ROUGE.replace("2 * table[-1][-1] / (len(a) + len(b))", "table[-1][-1] / len(b)"): "rouge_l(",
            "def rouge_l(p, r):\n    a, b = Counter(p.lower().split()), Counter(r.lower().split())\n"
            "    return 2 * (a & b).total() / max(1, a.total() + b.total())": "rouge_l(",
            ROUGE.replace("[a-z0-9]+", r"\w+"): "café",
            ROUGE.replace("    if not a or not b:\n        return 0.0\n", ""): "ZeroDivisionError",
            DIFFLIB: "rouge_l(",
        },
        right=[
            ROUGE,
            "def rouge_l(prediction, reference):\n    from rouge_score.rouge_scorer import RougeScorer\n"
            '    return RougeScorer(["rougeL"]).score(reference, prediction)["rougeL"].fmeasure',
        ],
    )
    assert [result.wrong[place].points for place in (1, 4, 6)] == [2, 2, 1], (
        "only the real texts are wrong there"
    )


FORECAST = """
def forecast():
    return {"in capitals": [], "without articles": ["rouge_l"], "backwards": ["exact_match", "rouge_l"],
            "another name": ["exact_match", "token_f1", "rouge_l"]}
"""


def test_forecast():
    result = judged(
        "q3",
        wrong={
            FORECAST.replace('"in capitals": []', '"in capitals": ["rouge_l"]'): "rouge_l 1.00",
            FORECAST.replace('["rouge_l"], "back', '[], "back'): "exact_match 1.00, token_f1 1.00",
            FORECAST.replace(
                '["exact_match", "rouge_l"]', '["exact_match", "token_f1", "rouge_l"]'
            ): "token_f1 1.00",
            FORECAST.replace('"in capitals": [], ', ""): "the key 'in capitals'",
            FORECAST.replace('["rouge_l"]', '["rouge"]'): "to be one of",
            FORECAST.replace('["rouge_l"]', '"rouge_l"'): "to be a list",
        },
        right=[
            FORECAST.replace('["exact_match", "rouge_l"]', '("rouge_l", "exact_match")'),
            FORECAST.replace(
                '["exact_match", "token_f1", "rouge_l"]', '{"exact_match", "token_f1", "rouge_l"}'
            ),
        ],
    )
    assert result.wrong[0].points == 3, "each damage counts for itself"


MODULE = """
def write_metric(folder):
    lines = '''
import datasets
import evaluate

class Any(evaluate.Metric):
    def _info(self):
        return evaluate.MetricInfo(description="", citation="", inputs_description="", features=datasets.Features({
            "predictions": datasets.Value("string"), "references": [datasets.Value("string")]}))

    def _compute(self, predictions, references):
        return {"any_match": sum(p in r for p, r in zip(predictions, references)) / len(predictions)}
'''
    with open(folder + "/any_match.py", "w") as file:
        file.write(lines)
"""


SAYS_SO = """
def write_metric(folder): pass

def asked(predictions, references, way):
    return {"any_match": sum(text in choices for text, choices in zip(predictions, references)) / len(predictions)}
"""
LOADS_SOMETHING_ELSE = """
import evaluate
class Fake:
    def compute(self, predictions, references): return asked(predictions, references, "")
evaluate.load = lambda folder: Fake()
"""


def test_own_module():
    result = judged(
        "q4",
        before=given("def asked(predictions"),
        wrong={
            MODULE.replace("p in r for", "p == r[0] for"): "any_match",
            MODULE.replace("p in r for", "any(p.lower() == x for x in r) for"): "any_match",
            MODULE.replace('{"any_match"', '{"accuracy"'): "the key 'any_match'",
            MODULE.replace("p in r for", "any(p in x for x in r) for"): "any_match",
            MODULE.replace("p in r for", "p.lower() in [x.lower() for x in r] for"): "any_match",
            MODULE.replace("/any_match.py", "/metric.py"): "FileNotFoundError",
            MODULE.replace("import datasets\nimport evaluate", "import datasets, evaluate"): "ImportError",
            MODULE.replace('[datasets.Value("string")]', 'datasets.Value("string")'): "crashed",
            SAYS_SO: "FileNotFoundError",
            MODULE.replace("class Any", "class Any("): "to be Python",
        },
        right=[MODULE, MODULE.replace('[datasets.Value("string")]', 'datasets.List(datasets.Value("string"))')],
    )  # fmt: skip
    assert [report.points for report in result.wrong[-2:]] == [0, 0], "nothing is earned by saying so"


def test_a_module_that_is_none_earns_nothing_whatever_loads_it(monkeypatch):
    import evaluate

    monkeypatch.setattr(evaluate, "load", evaluate.load)  # the answer replaces it; afterwards it is as it was
    empty = SAYS_SO.replace("pass", "Path(folder, 'any_match.py').write_text('import evaluate')")
    report = judge_source(EXERCISE, "q4", empty + LOADS_SOMETHING_ELSE, before=IMPORTS)
    assert report.points == 0
    assert "the methods _info and _compute" in render.report_text(report)


def test_the_function_that_asks_is_the_notebooks():
    assert same_code(evaluation.asked, given("def asked(predictions"))


SCORES = """
def token_scores(logits, labels):
    guesses, truths = [], []
    for row, line in zip(logits, labels):
        for scores, label in zip(row, line):
            if label != -100:
                guesses.append(int(scores.argmax()))
                truths.append(int(label))
    return {"accuracy": sum(g == t for g, t in zip(guesses, truths)) / len(truths), "f1": macro_f1(guesses, truths)}
"""


def test_without_padding():
    result = judged(
        "q5",
        before=BY_HAND,
        wrong={
            SCORES.replace("if label != -100:", "if True:"): "real tokens",
            SCORES.replace("if label != -100:", "label = max(label, 0)\n            if True:"): "real tokens",
            SCORES.replace("if label != -100:", "if label > 0:"): "real tokens",
            SCORES.replace("/ len(truths)", "/ labels.size"): "after more padding",
            SCORES.replace("macro_f1(guesses, truths)", "0.5"): "the macro F1",
            SCORES.replace('"f1": macro', '"macro": macro'): "the key 'f1'",
            "def token_scores(logits, labels):\n    return {'accuracy': 0.5, 'f1': 0.5}": "after more padding",
        },
        right=[
            SCORES,
            """
def token_scores(logits, labels):
    from sklearn.metrics import accuracy_score, f1_score
    real = labels.ravel() != -100
    guesses, truths = logits.reshape(-1, logits.shape[-1]).argmax(1)[real], labels.ravel()[real]
    return {"accuracy": accuracy_score(truths, guesses), "f1": f1_score(truths, guesses, average="macro")}
""",
        ],
    )
    assert result.wrong[4].points == 2, "the accuracy counts for itself"


PAIRED = """
def paired_interval(before, after, seed):
    dice = np.random.default_rng(seed)
    before, after = np.array(before), np.array(after)
    means = []
    for _ in range(500):
        places = dice.integers(0, len(before), len(before))
        means.append((after[places] - before[places]).mean())
    return {"difference": float((after - before).mean()), "low": float(np.quantile(means, 0.025)), "high": float(np.quantile(means, 0.975))}
"""


def test_paired_interval():
    result = judged(
        "q6",
        wrong={
            PAIRED.replace(
                "before[places]).mean()", "dice.choice(before, len(before))).mean()"
            ): "row by row",
            PAIRED.replace("(after - before).mean()", "(before - after).mean()"): '"difference"',
            PAIRED.replace("0.025", "0.25").replace("0.975", "0.75"): "row by row",
            PAIRED.replace("0.025", "0.05").replace("0.975", "0.95"): "an interval of 95 %",
            PAIRED.replace(
                "dice.integers(0, len(before), len(before))", "dice.integers(0, len(before), 8)"
            ): "row by row",
            PAIRED.replace("default_rng(seed)", "default_rng()"): "asked again",
            PAIRED.replace(
                "(after[places] - before[places]).mean()", "(after[places] - before[places])[0]"
            ): "row by row",
            PAIRED.replace('"low": ', '"lower": '): "the key 'low'",
            # everything for small numbers of rows, narrow where the other parts look
            PAIRED.replace(
                "    return {", "    if len(before) < 180:\n        means = [-1.0, 1.0]\n    return {"
            ): "wide",
            PAIRED.replace(
                "    return {", "    if seed % 2:\n        means = [-1.0, 1.0]\n    return {"
            ): "wide",
        },
        right=[
            PAIRED,
            """
def paired_interval(before, after, seed):
    gains = [new - old for new, old in zip(after, before)]
    mean = sum(gains) / len(gains)
    error = (sum((gain - mean) ** 2 for gain in gains) / (len(gains) - 1) / len(gains)) ** 0.5
    return {"difference": mean, "low": mean - 1.96 * error, "high": mean + 1.96 * error}
""",
        ],
    )
    assert result.wrong[0].points == 2, "too wide an interval does hold the truth, and earns nothing for it"
    assert result.wrong[8].points == 3
    assert result.wrong[5].points == 4


TABLE = """
def ablation_table(scores):
    full, lines = scores["full"], []
    for name, values in scores.items():
        if name == "full":
            continue
        gain = np.array(values) - np.array(full)
        error = gain.std(ddof=1) / len(gain) ** 0.5
        lines.append({"variant": name, "change": float(gain.mean()), "matters": bool(abs(gain.mean()) > 1.96 * error)})
    lines.sort(key=lambda line: line["change"])
    return lines
"""


def test_ablation_table():
    result = judged(
        "q7",
        before=PAIRED,
        wrong={
            TABLE.replace(
                "np.array(values) - np.array(full)", "np.array(full) - np.array(values)"
            ): "the change of",
            TABLE.replace("    lines.sort", "    return lines\n    lines.sort"): "the order",
            TABLE.replace(
                "    lines.sort(key=lambda line: line", "    lines.sort(key=lambda line: -line"
            ): "the order",
            TABLE.replace("line: line", "line: abs(line").replace(
                '"change"])\n', '"change"]))\n'
            ): "the order",
            TABLE.replace("line: line", "line: -abs(line").replace(
                '"change"])\n', '"change"]))\n'
            ): "the order",
            TABLE.replace("gain.std(ddof=1)", "np.array(full).std()"): '"matters"',
            TABLE.replace('if name == "full":', "if False:"): "without the full system",
            TABLE.replace(
                "bool(abs(gain.mean()) > 1.96 * error)", "bool(abs(gain.mean()) > 0.01)"
            ): '"matters"',
            TABLE.replace("bool(abs(gain.mean()) > 1.96 * error)", "float(error)"): "to be True or False",
        },
        right=[TABLE, TABLE.replace("1.96", "2")],
    )
    assert result.wrong[3].points == 2


ARGUMENTS = """
def arguments_for(folder, metric, less_is_better, steps):
    from transformers import TrainingArguments
    return TrainingArguments(
        folder, max_steps=steps, eval_strategy="steps", eval_steps=1, save_strategy="steps", save_steps=1, save_total_limit=2,
        load_best_model_at_end=True, metric_for_best_model=metric, greater_is_better=not less_is_better,
        disable_tqdm=True, use_cpu=True, report_to="none")
"""


KEPT = """
def arguments_for(folder, metric, less_is_better, steps):
    class Arguments(dict):
        def to_dict(self): return {"best": less_is_better}
    return Arguments()

def kept(values, metric, less_is_better):
    best = values.index(min(values) if less_is_better else max(values))
    return {"evaluation": best, "evaluations": len(values), "checkpoints": 1}
"""


@pytest.mark.slow
def test_best_checkpoint():
    result = judged(
        "q8",
        wrong={
            ARGUMENTS.replace("greater_is_better=not less_is_better,", ""): "less is better",
            ARGUMENTS.replace("metric_for_best_model=metric, greater_is_better=not less_is_better,", ""): "more is better",
            ARGUMENTS.replace("load_best_model_at_end=True", "load_best_model_at_end=False"): "loaded at the end",
            ARGUMENTS.replace("save_total_limit=2,", ""): "the number of checkpoints",
            ARGUMENTS.replace("eval_steps=1", "eval_steps=2"): "crashed",
            ARGUMENTS.replace("_steps=1", "_steps=2"): "how often a Trainer",
            KEPT: "to have the key",
        },
        right=[
            ARGUMENTS,
            ARGUMENTS.replace('save_strategy="steps", save_steps=1,', 'save_strategy="best",').replace("model=metric", 'model="eval_" + metric'),
        ],
    )  # fmt: skip
    assert result.wrong[0].points == 2
    assert result.wrong[-1].points == 0, "nothing is earned by saying so"


OTHERS = """
def entity_f1(predictions, references):
    def names(tags):
        found, start = [], None
        for place, tag in enumerate([*tags, "O"]):
            if start is not None and not tag.startswith("I-"):
                found.append((tags[start][2:], start, place))
                start = None
            if tag.startswith("B-"):
                start = place
        return found
    right = total = 0
    for mine, theirs in zip(predictions, references):
        one, two = names(mine), names(theirs)
        right += len([name for name in one if name in two])
        total += len(one) + len(two)
    return 2 * right / total if total else 1.0

def chrf(prediction, reference):
    from nltk.translate.chrf_score import sentence_chrf
    return sentence_chrf(reference, prediction, beta=2)
"""


def test_other_scores():
    result = judged(
        "q9",
        wrong={
            OTHERS.replace("(tags[start][2:], start, place)", "(start, place)"): "entity_f1(",
            OTHERS.replace("(tags[start][2:], start, place)", "(tags[start][2:], start)"): "entity_f1(",
            OTHERS.replace("if total else 1.0", "if total else 0.0"): "entity_f1(",
            OTHERS.replace(" if total else 1.0", ""): "ZeroDivisionError",
            OTHERS.replace("sentence_chrf(reference, prediction, beta=2)", "sentence_chrf(prediction, reference, beta=2)"): "chrf(",
            OTHERS.replace("beta=2", "beta=1"): "chrf(",
            OTHERS.replace("beta=2", "beta=2, ignore_whitespace=False"): "chrf(",
            OTHERS.replace("beta=2", "beta=2, max_len=4"): "chrf(",
        },
        right=[
            OTHERS,
            answer_source(EXERCISE, "q9").replace("total / 6", "np.float64(total / 6)"),
        ],
    )  # fmt: skip
    assert [report.points for report in result.wrong[:2]] == [1, 1]
    assert result.wrong[-1].points == 2


TASKS = """
def bleu(predictions, references):
    runs = lambda words, size: [tuple(words[at:at + size]) for at in range(len(words) - size + 1)]
    product, sides = 1.0, [[text.split() for text in side] for side in (predictions, references)]
    for size in (1, 2, 3, 4):
        hits = total = 0
        for mine, theirs in zip(*sides):
            left = runs(theirs, size)
            for run in runs(mine, size):
                total += 1
                if run in left:
                    left.remove(run)
                    hits += 1
        product *= hits / total if total else 0
    short, long = (sum(map(len, side)) for side in sides)
    return product ** (1 / 4) * (np.exp(1 - long / short) if short < long else 1)

def regression_scores(predictions, references):
    p, r = np.array(predictions), np.array(references)
    def ranks(values):
        return np.array([(values < value).sum() + ((values == value).sum() - 1) / 2 for value in values])
    return {"r2": 1 - ((p - r) ** 2).sum() / ((r - r.mean()) ** 2).sum(),
            "spearman": np.corrcoef(ranks(p), ranks(r))[0, 1]}

def confusion(predictions, references, classes):
    return [[sum(p == column and r == row for p, r in zip(predictions, references)) for column in range(classes)]
            for row in range(classes)]
"""


def test_task_scores():
    result = judged(
        "q11",
        wrong={
            # one pair at a time, and then the mean
            TASKS.replace("def bleu(", "def of_all(") + "\ndef bleu(predictions, references):\n    return float(np.mean([of_all([p], [r]) for p, r in zip(predictions, references)]))\n": "bleu(",
            TASKS.replace("left.remove(run)\n                    ", ""): "bleu(",
            TASKS.replace("(np.exp(1 - long / short) if short < long else 1)", "1"): "bleu(",
            TASKS.replace("if short < long else 1)", ")"): "bleu(",
            TASKS.replace("(1, 2, 3, 4)", "(1, 2)").replace("1 / 4", "1 / 2"): "bleu(",
            TASKS.replace("hits / total if total else 0", "hits / total"): "ZeroDivisionError",
            TASKS.replace("1 - ((p - r) ** 2).sum() / ((r - r.mean()) ** 2).sum()", "np.corrcoef(p, r)[0, 1] ** 2"): "'r2' of",
            TASKS.replace("((r - r.mean()) ** 2)", "((p - p.mean()) ** 2)"): "'r2' of",
            TASKS.replace("np.corrcoef(ranks(p), ranks(r))", "np.corrcoef(p, r)"): "'spearman' of",
            TASKS.replace(" + ((values == value).sum() - 1) / 2", ""): "'spearman' of",
            TASKS.replace('"spearman": ', '"rho": '): "the key 'spearman'",
            TASKS.replace("p == column and r == row", "p == row and r == column"): "row ",
            TASKS.replace("range(classes)", "sorted({*predictions, *references})"): "to have the shape",
            TASKS.replace("for row in range(classes)]", "for row in range(classes)][0]"): "to have the shape",
        },
        right=[
            TASKS,
            TASKS.replace("return [[sum(", "return np.array([[sum(").replace("for row in range(classes)]\n", "for row in range(classes)])\n"),
            answer_source(EXERCISE, "q11")
            + """
def confusion(predictions, references, classes):
    from sklearn.metrics import confusion_matrix
    return tuple(map(tuple, confusion_matrix(references, predictions, labels=list(range(classes)))))
""",
            answer_source(EXERCISE, "q11")
            + """
def bleu(predictions, references):
    import warnings
    from nltk.translate.bleu_score import corpus_bleu
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        score = corpus_bleu([[text.split()] for text in references], [text.split() for text in predictions])
    return 0.0 if score < 1e-50 else score
""",
        ],
    )  # fmt: skip
    assert [report.points for report in result.wrong] == [2] * 14, "each score is a point of its own"


@pytest.mark.slow
def test_the_check_trains_as_the_notebook_does():
    made = namespace(IMPORTS, given("def kept("), ARGUMENTS)
    values, less = [0.5, 0.3, 0.7, 0.6], False
    settings = namespace(ARGUMENTS, inspect.getsource(evaluation.settings))["settings"](
        "quality", less, len(values)
    )
    assert evaluation._kept(settings, values) == made["kept"](values, "quality", less)
    assert made["kept"](values, "quality", less)["evaluation"] == 2


def test_the_examples_say_what_comes(capsys):
    for question, cell in (("q1", 'cleaned("The cat'), ("q2", 'rouge_l("the ferry')):
        exec(given(cell), namespace(IMPORTS, answer_source(EXERCISE, question)))
    said = capsys.readouterr().out
    assert "['cat', 'cat'] (it should be ['cat', 'cat'])" in said
    assert said.count("0.666666666666666") == 2
    assert "0.6 (three" in said


@pytest.mark.parametrize("question", ["q1", "q2", "q3", "q5", "q6", "q7", "q11"])
def test_the_solution_is_right_on_many_draws(question):
    """Thresholds leave room: twelve more draws, and every one must give full points."""
    before = IMPORTS + "\n".join(answer_source(EXERCISE, name) for name in ("q1", "q6"))
    for number in range(12):
        report = judge_source(
            EXERCISE, question, answer_source(EXERCISE, question), before=before, secret=b"%d" % number
        )
        assert report.points == report.max_points, render.report_text(report)


@pytest.mark.parametrize(
    ("prediction", "reference", "exact", "shared"),
    [
        ("The cat!", "cat", 1, 1),
        ("a cat sat", "the cat", 0, 2 / 3),
        ("theatre", "re", 0, 0),
        ("", "", 1, 1),
        ("the", "", 1, 1),
    ],
)
def test_the_checks_own_metrics(prediction, reference, exact, shared):
    assert evaluation.exact_match(prediction, reference) == exact
    assert evaluation.token_f1(prediction, reference) == pytest.approx(shared)


@pytest.mark.skipif(not ready("opinions"), reason="`course fetch` was not run here")
def test_q12_as_well_as_people_agree():
    solution = answer_source(EXERCISE, "q12")
    result = judged(
        "q12",
        wrong={
            replaced(solution, ("ratings[0::2]", "ratings[: len(ratings) // 2]")): "halves(",
            replaced(
                solution, ("(2 * half / (1 + half)) ** 0.5", "2 * half / (1 + half)")
            ): "leaving out the root",
            replaced(
                solution, ("(2 * half / (1 + half)) ** 0.5", "half ** 0.5")
            ): "Spearman and Brown come first",
            replaced(solution, ("first != 0 and ", "")): "counted as negative",
            replaced(solution, (" if sum(ratings[1:]) != 0", "")): "keeping sentences where the mean",
            replaced(solution, ("np.mean(ratings[1:])", "np.mean(ratings)")): "the first rater's own",
            replaced(
                solution, ("np.mean(ratings[1:])", "np.mean(np.sign(ratings[1:]))")
            ): "one_against_rest(",
            replaced(solution, ("np.mean(ratings[1:])", "np.median(ratings[1:])")): "one_against_rest(",
            replaced(
                solution, ("for ratings in all_ratings if", "for ratings in all_ratings[:500] if")
            ): "one_against_rest(",
            replaced(
                solution, ("for ratings in all_ratings])", "for ratings in all_ratings[:500]])")
            ): "halves(",
            replaced(
                solution,
                ("return float(np.corrcoef(means.T)[0, 1])", "return abs(np.corrcoef(means.T)[0, 1])"),
            ): "halves(",
            replaced(
                solution,
                ("return float(np.corrcoef(means.T)[0, 1])", "return np.corrcoef(means.T)[0, 1] ** 2"),
            ): "halves(",
        },
        right=[
            solution.replace("return float(", "return ("),
            solution
            + """
def one_against_rest(all_ratings):
    hits = []
    for first, *rest in all_ratings:
        if np.mean(rest):
            hits.append(np.sign(first) == np.sign(np.mean(rest)))
    return sum(hits) / len(hits)
""",
            solution
            + """
import statistics
def halves(all_ratings):
    return statistics.correlation(*zip(*((statistics.fmean(each[::2]), statistics.fmean(each[1::2])) for each in all_ratings)))
def best_correlation(half):
    return (2 / (1 + 1 / half)) ** 0.5
""",
        ],
    )
    assert [report.points for report in result.wrong] == [2] * 12, "each function is a point of its own"
