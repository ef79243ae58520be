"""Exercise 07: its solution, its stub, plausible wrong answers and other right ones, question by question."""

import copy

import pytest

from course_utils.checks.catastrophic_forgetting import (
    _backward_transfer,
    _forgetting,
    exercise,
)
from course_utils.checks.testing import answer_source, bench, judge_namespace, judge_source, stub_source

NAME = "07_catastrophic_forgetting"


@pytest.fixture(scope="module")
def course():
    from course_utils import setup

    return setup(profile="offline", device="cpu")


def judged(question, wrong, right, before="", course=None):
    solution = answer_source(NAME, question)
    return bench(
        NAME, question, solution=solution, stub=stub_source(solution), wrong=wrong, right=right, before=before, course=course
    )  # fmt: skip


def what_it_says(report):
    return " ".join(f"{piece.expected} {piece.got}" for piece in report.parts)


def test_the_points_are_few_enough_for_an_afternoon():
    assert 15 <= exercise.points <= 25
    assert len([question for question in exercise.questions.values() if not question.manual]) >= 4


def test_the_measures_of_the_check_are_those_of_the_papers():
    scores = [
        [0.9, 0.1, 0.0],
        [0.7, 0.8, 0.1],
        [0.5, 0.6, 0.9],
    ]  # worked out by hand: falls 0.4, 0.2; changes -0.4, -0.2
    assert _forgetting(scores) == pytest.approx(0.3)
    assert _backward_transfer(scores) == pytest.approx(-0.3)


# Question 1

FORGETTING = """
def average_forgetting(scores):
    return sum(max(row[task] for row in scores[:-1]) - scores[-1][task] for task in range(len(scores) - 1)) / (len(scores) - 1)
"""
BACKWARD = """
def backward_transfer(scores):
    return sum(scores[-1][task] - scores[task][task] for task in range(len(scores) - 1)) / (len(scores) - 1)
"""
WITH_LAST_TASK = FORGETTING.replace("range(len(scores) - 1)", "range(len(scores))") + BACKWARD
SINCE_LEARNED = "def average_forgetting(scores):\n    return -backward_transfer(scores)\n" + BACKWARD
WITH_LAST_STAGE = FORGETTING.replace("scores[:-1]", "scores") + BACKWARD
SIGN_TURNED = FORGETTING + BACKWARD.replace(
    "scores[-1][task] - scores[task][task]", "scores[task][task] - scores[-1][task]"
)
ROWS_FOR_COLUMNS = FORGETTING.replace("row[task] for row in scores[:-1]", "scores[task]") + BACKWARD
WITH_NUMPY = """
import numpy as np

def average_forgetting(scores):
    scores = np.array(scores)
    return float((scores[:-1, :-1].max(axis=0) - scores[-1, :-1]).mean())

def backward_transfer(scores):
    scores = np.array(scores)
    return float((scores[-1] - scores.diagonal())[:-1].mean())
"""


def test_measures():
    wrong = [WITH_LAST_TASK, SINCE_LEARNED, WITH_LAST_STAGE, SIGN_TURNED, ROWS_FOR_COLUMNS, FORGETTING]
    found = judged("q1", wrong, [FORGETTING + BACKWARD, WITH_NUMPY])
    found.assert_good()
    assert "the last task has no part in it" in what_it_says(found.wrong[0])
    assert "best one stage after its own" in what_it_says(found.wrong[1])
    assert "ends better than ever" in what_it_says(found.wrong[2])
    assert "last row minus diagonal" in what_it_says(found.wrong[3])
    assert found.wrong[5].rung == "missing"


def test_half_of_the_measures_earns_some_of_the_points():
    report = judge_source(NAME, "q1", SINCE_LEARNED)
    assert 0 < report.points < report.max_points


# Question 2

MIX = """
import random

def mix(new, old, share, seed):
    rng = random.Random(seed)
    wanted = round(len(new) * share / (1 - share))
    replay = []
    while len(replay) < wanted:
        for task in old:
            used = len(replay) // len(old)
            replay.append(old[task][used % len(old[task])])
    mixed = list(new) + replay[:wanted]
    rng.shuffle(mixed)
    return mixed
"""
WITH_NUMPY_ORDER = """
import numpy as np

def mix(new, old, share, seed):
    rng = np.random.default_rng(seed)
    wanted = int(round(len(new) / (1 - share) * share))
    counts = [len(part) for part in np.array_split(range(wanted), len(old))]
    replay = [rows[i % len(rows)] for rows, count in zip(old.values(), counts) for i in range(count)]
    examples = new + replay
    return [examples[i] for i in rng.permutation(len(examples))]
"""
SHARE_OF_NEW = MIX.replace("round(len(new) * share / (1 - share))", "round(len(new) * share)")
NOT_SHUFFLED = MIX.replace("    rng.shuffle(mixed)\n", "")
NO_SEED = MIX.replace("random.Random(seed)", "random.Random()")
SEED_IGNORED = MIX.replace("random.Random(seed)", "random.Random(0)")
IN_PROPORTION = """
import random

def mix(new, old, share, seed):
    rng = random.Random(seed)
    pool = [row for rows in old.values() for row in rows]
    mixed = list(new) + rng.sample(pool, min(len(pool), round(len(new) * share / (1 - share))))
    rng.shuffle(mixed)
    return mixed
"""
NO_SECOND_USE = MIX.replace("old[task][used % len(old[task])]", "old[task][used]")
IN_PLACE_OF_NEW = MIX.replace("list(new) + replay[:wanted]", "list(new)[wanted:] + replay[:wanted]")


def test_mixing():
    wrong = [SHARE_OF_NEW, NOT_SHUFFLED, NO_SEED, SEED_IGNORED, IN_PROPORTION, NO_SECOND_USE, IN_PLACE_OF_NEW]
    found = judged("q2", wrong, [MIX, WITH_NUMPY_ORDER], before="import random")
    found.assert_good()
    says = [what_it_says(report) for report in found.wrong]
    assert "share of old examples among all" in says[0]
    assert "first half" in says[1]
    assert "another order from another seed" in says[1]
    assert "another one on the second call" in says[2]
    assert "the same order" in says[3]
    assert "as many examples of each old task" in says[4]
    assert "IndexError" in says[5]
    assert "each of the 1200 new examples once" in says[6]


# Question 3

LINE = """
def interpolate(before, after, weight):
    return {name: torch.lerp(before[name], after[name], weight) if after[name].is_floating_point() else after[name] for name in after}
"""
STEP_BY_STEP = """
def interpolate(before, after, weight):
    state = {}
    for name in before:
        if before[name].dtype in (torch.int64, torch.int32, torch.bool):
            state[name] = after[name]
        else:
            state[name] = (before[name] + weight * (after[name] - before[name])).to(before[name].dtype)
    return state
"""
ENDS_SWAPPED = LINE.replace(
    "torch.lerp(before[name], after[name], weight)", "torch.lerp(after[name], before[name], weight)"
)
ALWAYS_HALF = LINE.replace("weight) if", "0.5) if")
NUMBERS_BLENDED = "def interpolate(before, after, weight):\n    return {n: (1 - weight) * before[n] + weight * after[n] for n in after}\n"
TYPE_LOST = "def interpolate(before, after, weight):\n    return {n: before[n].double() + weight * (after[n].double() - before[n].double()) if after[n].is_floating_point() else after[n] for n in after}\n"
LERP_OF_ALL = "def interpolate(before, after, weight):\n    return {n: torch.lerp(before[n], after[n], weight) for n in after}\n"
ONLY_WEIGHTS = LINE.replace("for name in after}", "for name in after if name.endswith('weight')}")


def test_interpolation():
    wrong = [ENDS_SWAPPED, ALWAYS_HALF, NUMBERS_BLENDED, TYPE_LOST, ONLY_WEIGHTS, LERP_OF_ALL]
    found = judged("q3", wrong, [LINE, STEP_BY_STEP], before="import torch")
    found.assert_good()
    says = [what_it_says(report) for report in found.wrong]
    assert "at weight 0.0, which is the 'before' model" in says[0]
    assert "'positions' to stay int64" in says[2]
    assert "'half.weight' to stay float16" in says[3]
    assert "to have the key 'layer.0.bias'" in says[4]
    assert found.wrong[2].points == 2
    assert "to take whole numbers too" in says[5]
    assert found.wrong[5].points == 2


# Question 4


def cells(*names):
    """The source of given cells of the solution notebook, by cell id."""
    import nbformat

    from course_utils.checks.testing import solution_path

    sources = {cell.id: cell.source for cell in nbformat.read(solution_path(NAME), as_version=4).cells}
    return "\n\n".join(sources[name] for name in names)


COPY = """
def compare(model, batch):
    before = losses(model.eval(), batch)
    tuned = get_peft_model(copy.deepcopy(model), LoraConfig(task_type="SEQ_2_SEQ_LM", r=8, lora_alpha=16))
    learn(tuned, batch)
    return {"before": before, "after": losses(tuned.eval(), batch)}
"""
UNLOADED = """
def compare(model, batch):
    model.eval()
    before = losses(model, batch)
    tuned = get_peft_model(model, LoraConfig(task_type="SEQ_2_SEQ_LM", r=8, lora_alpha=16))
    learn(tuned, batch)
    tuned.eval()
    after = losses(tuned, batch)
    tuned.unload()
    return {"before": before, "after": after}
"""
AS_HERS = COPY.replace("copy.deepcopy(model)", "model").replace("tuned.eval()", "tuned")
STILL_IN_PLACE = COPY.replace("copy.deepcopy(model)", "model")
DROPOUT_ON = COPY.replace("tuned.eval()", "tuned")
NOT_TRAINED = COPY.replace("    learn(tuned, batch)\n", "")
MEASURED_AFTER = """
def compare(model, batch):
    tuned = get_peft_model(model, LoraConfig(task_type="SEQ_2_SEQ_LM", r=8, lora_alpha=16))
    learn(tuned, batch)
    return {"before": losses(model.eval(), batch), "after": losses(tuned.eval(), batch)}
"""


@pytest.mark.slow
def test_the_moving_baseline(course):
    before = "import copy\nimport torch\n" + cells("q4-helpers", "q4-ask-again")
    wrong = [AS_HERS, STILL_IN_PLACE, DROPOUT_ON, NOT_TRAINED, MEASURED_AFTER]
    found = judged("q4", wrong, [COPY, UNLOADED], before=before, course=course)
    found.assert_good()
    says = [what_it_says(report) for report in found.wrong]
    assert "asked once more afterwards" in says[1]
    assert "each loss should come twice" in says[2]
    assert "the fall of the mean loss" in says[3]
    assert "the losses of the model as it came" in says[4]
    assert found.wrong[1].points == found.wrong[2].points == 3


# Question 5: judged on models made without training, so that the test is quick


@pytest.fixture(scope="module")
def twin(course):
    from transformers import AutoModelForSeq2SeqLM

    return AutoModelForSeq2SeqLM.from_pretrained(course.model("flan-t5"))


def specialist_report(model, course):
    return judge_namespace(exercise, "q5", {"specialist": model}, course=course)


@pytest.mark.slow
def test_an_untrained_model_keeps_everything_and_gains_nothing(twin, course):
    report = specialist_report(twin, course)
    assert report.points == 3
    assert "the gain in ROUGE-L" in what_it_says(report)


@pytest.mark.slow
def test_a_model_that_forgot_everything_earns_nothing(twin, course):
    import torch

    broken = copy.deepcopy(twin)
    with torch.no_grad():
        broken.shared.weight.zero_()
    assert specialist_report(broken, course).points == 0


def test_another_architecture_is_refused(twin, course):
    from transformers import T5Config, T5ForConditionalGeneration

    small = T5ForConditionalGeneration(
        T5Config(
            vocab_size=50, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2, decoder_start_token_id=0
        )
    )
    report = specialist_report(small, course)
    assert report.points == 0
    assert "offline course's flan-t5" in what_it_says(report)


def test_a_missing_specialist_is_not_started(course):
    report = specialist_report(None, course)
    assert report.points == 0
    assert report.rung == "not started"


def test_no_model_at_all_is_a_wrong_type(course):
    assert specialist_report("a text", course).points == 0
    assert specialist_report([1, 2], course).rung == "wrong type"


REPLAYED = "mix(new, old, 0.2, seed=0)"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("examples", "points"),
    [(REPLAYED, 5), ("mix(new, old, 0.3, seed=1)", 5), ("new", 2)],
    ids=["replay", "more replay", "summaries only"],
)
def test_training(examples, points, course):
    assert REPLAYED in cells("q5-answer")
    before = cells("setup", "q2-answer", "q4-data", "q4-run-collator", "q5-data", "q5-trainer")
    training = cells("q5-answer", "q5-train").replace(REPLAYED, examples)
    report = judge_source(NAME, "q5", training, before=before, course=course)
    assert report.points == points, report.text()
