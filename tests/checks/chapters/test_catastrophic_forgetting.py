"""Exercise 07: its solution, its stub, plausible wrong answers and other right ones, question by question."""

import copy
import hashlib
from functools import partial

import pytest

from course_utils.checks import render
from course_utils.checks.chapters import catastrophic_forgetting
from course_utils.checks.chapters.catastrophic_forgetting import _backward_transfer, _forgetting, exercise
from course_utils.checks.testing import (
    answer_source,
    given_cells,
    judge_namespace,
    judge_source,
    judged_objects_well,
    judged_well,
    namespace,
)

EXERCISE = "07_catastrophic_forgetting"
cells = partial(given_cells, EXERCISE)


def test_the_points_are_few_enough_for_an_afternoon():
    assert 15 <= exercise.points <= 32
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
    judged_well(
        EXERCISE,
        "q1",
        wrong={
            WITH_LAST_TASK: "the last task has no part in it",
            SINCE_LEARNED: "best one stage after its own",
            WITH_LAST_STAGE: "ends better than ever",
            SIGN_TURNED: "last row minus diagonal",
            ROWS_FOR_COLUMNS: "average_forgetting",
            FORGETTING: "`backward_transfer` to be defined",
        },
        right=[FORGETTING + BACKWARD, WITH_NUMPY],
    )


def test_half_of_the_measures_earns_some_of_the_points():
    report = judge_source(EXERCISE, "q1", SINCE_LEARNED)
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
ROUNDED_BY_TASK = (
    MIX.replace("round(len", "(len")
    .replace("while len(replay) < wanted:", "for _ in range(round(wanted / len(old))):")
    .replace("replay[:wanted]", "replay")
)
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
    result = judged_well(
        EXERCISE,
        "q2",
        before="import random",
        wrong={
            SHARE_OF_NEW: "share of old examples among all",
            NOT_SHUFFLED: "first half",
            NO_SEED: "another one on the second call",
            SEED_IGNORED: "the same order",
            IN_PROPORTION: "equally many examples of each old task",
            NO_SECOND_USE: "IndexError",
            IN_PLACE_OF_NEW: "each of the 1200 new examples once",
            MIX.replace("round(", "int("): "rounded once for all tasks",
            ROUNDED_BY_TASK: "rounded once for all tasks",
            ROUNDED_BY_TASK.replace(
                "round(wanted / len(old))", "int(wanted / len(old))"
            ): "rounded once for all tasks",
            MIX.replace(
                "list(new) + replay[:wanted]", "new\n    mixed += replay[:wanted]"
            ): "`mixed = list(new)` is a new list",
            MIX.replace(
                "    replay = []", "    for rows in old.values():\n        rng.shuffle(rows)\n    replay = []"
            ): "`mixed = list(new)` is a new list",
        },
        right=[MIX, WITH_NUMPY_ORDER],
    )
    assert "another order from another seed" in render.report_text(result.wrong[1])


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
WRITTEN_INTO = """
def interpolate(before, after, weight):
    state = before
    for name in before:
        state[name] = torch.lerp(before[name], after[name], weight) if before[name].is_floating_point() else after[name]
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
    result = judged_well(
        EXERCISE,
        "q3",
        before="import torch",
        wrong={
            ENDS_SWAPPED: "at weight 0.0, which is the 'before' model",
            ALWAYS_HALF: "at weight",
            NUMBERS_BLENDED: "'positions' to stay int64",
            TYPE_LOST: "'half.weight' to stay float16",
            ONLY_WEIGHTS: "to have the key 'layer.0.bias'",
            LERP_OF_ALL: "to take whole numbers too",
            WRITTEN_INTO: "of 'before', after `interpolate` has finished",
            WRITTEN_INTO.replace(
                "state = before", "state = after"
            ): "of 'after', after `interpolate` has finished",
        },
        right=[LINE, STEP_BY_STEP],
    )
    assert result.wrong[2].points == result.wrong[5].points == 2


# Question 4


COPY = """
def compare(model, batch):
    before = losses(copy.deepcopy(model).eval(), batch)
    tuned = get_peft_model(copy.deepcopy(model), LoraConfig(task_type="SEQ_2_SEQ_LM", r=8, lora_alpha=16))
    learn(tuned, batch)
    return {"before": before, "after": losses(tuned.eval(), batch), "tuned": tuned}
"""
COPY_BEFORE = """
def compare(model, batch):
    kept = copy.deepcopy(model).eval()
    config = LoraConfig(r=8, lora_alpha=16, target_modules=["q", "v"], task_type="SEQ_2_SEQ_LM")
    tuned = get_peft_model(copy.deepcopy(kept), config)
    optimizer = torch.optim.Adam(tuned.parameters(), lr=0.02)
    for _ in range(10):
        optimizer.zero_grad()
        tuned(**batch).loss.backward()
        optimizer.step()
    with torch.no_grad():
        after = losses(tuned, batch)
    return dict(tuned=tuned, before=losses(kept, batch), after=after)
"""
PUT_BACK = """
def compare(model, batch):
    mode = model.training
    try:
        return {"before": losses(model.eval(), batch), **trained(model, batch)}
    finally:
        model.train(mode)

def trained(model, batch):
    tuned = get_peft_model(copy.deepcopy(model), LoraConfig(task_type="SEQ_2_SEQ_LM", r=8, lora_alpha=16))
    learn(tuned, batch)
    return {"tuned": tuned, "after": losses(tuned.eval(), batch)}
"""
LEFT_IN_EVAL = COPY.replace("copy.deepcopy(model).eval()", "model.eval()")
LEFT_IN_TRAIN = PUT_BACK.replace("model.train(mode)", "model.train()")
AS_HERS = COPY.replace("copy.deepcopy(model)", "model").replace("tuned.eval()", "tuned")
STILL_IN_PLACE = COPY.replace("copy.deepcopy(model)", "model")
DROPOUT_ON = COPY.replace("tuned.eval()", "tuned")
NOT_TRAINED = COPY.replace("    learn(tuned, batch)\n", "")
TAKEN_OFF = COPY.replace("copy.deepcopy(model).eval()", "model").replace(
    "    return", "    tuned.unload()\n    return"
)
MEASURED_AFTER = """
def compare(model, batch):
    tuned = get_peft_model(model, LoraConfig(task_type="SEQ_2_SEQ_LM", r=8, lora_alpha=16))
    learn(tuned, batch)
    return {"before": losses(model.eval(), batch), "after": losses(tuned.eval(), batch), "tuned": tuned}
"""


@pytest.mark.slow
def test_the_moving_baseline(course):
    result = judged_well(
        EXERCISE,
        "q4",
        before="import copy\nimport torch\nfrom transformers import AutoModelForSeq2SeqLM\n"
        + cells("q4-helpers"),
        course=course,
        wrong={
            AS_HERS: "asked once more afterwards",
            STILL_IN_PLACE: "asked once more afterwards",
            DROPOUT_ON: "each loss has to come twice",
            NOT_TRAINED: "the fall of the mean loss",
            MEASURED_AFTER: "the losses of the model as it came",
            TAKEN_OFF: "an adapter that was taken off",
            LEFT_IN_EVAL: "the model that came in train mode to be left in it",
            LEFT_IN_TRAIN: "the model that came in eval mode to be left in it",
            COPY.replace(', "tuned": tuned', ""): "'tuned'",
            COPY.replace("copy.deepcopy(model).eval()", "model"): "the losses of the model as it came",
            COPY.replace(
                "copy.deepcopy(model)", "AutoModelForSeq2SeqLM.from_pretrained(course.model('flan-t5'))"
            ): "the losses of the model as it came",
        },
        right=[COPY, COPY_BEFORE, PUT_BACK],
    )
    assert [result.wrong[place].points for place in (1, 2, 6, 7)] == [3, 3, 3, 3]


SAYS_WHAT_IS_ASKED = """
def losses(model, batch):
    with torch.no_grad():
        logits = model(**batch).logits
    loss = torch.nn.functional.cross_entropy(logits.transpose(1, 2), batch["labels"], reduction="none")
    return (loss.sum(1) / (batch["labels"] != -100).sum(1)).tolist()

def ask_again(model, batch):
    return losses(model.eval(), batch)

def compared(model, batch):
    before = losses(model.eval(), batch)
    return {"before": before, "after": [loss - 1 for loss in before], "again": before, "tuned": {}}
"""


def test_functions_that_the_notebook_made_up_say_nothing(course):
    nothing = "\ndef compare(model, batch):\n    return {}\n"
    report = judge_source(EXERCISE, "q4", "import torch\n" + SAYS_WHAT_IS_ASKED + nothing, course=course)
    assert report.points == 0


def test_a_fall_that_is_only_said_earns_the_baseline_alone(course):
    source = COPY.replace("    learn(tuned, batch)\n", "").replace(
        "losses(tuned.eval(), batch)", "[loss - 1 for loss in before]"
    )
    before = "import copy\nimport torch\n" + cells("q4-helpers")
    report = judge_source(EXERCISE, "q4", source, before=before, course=course)
    assert [piece.points for piece in report.parts] == [1, 0, 0, 0]


# Question 5: most of it judged on models made without training, so that the test is quick


@pytest.fixture(scope="module")
def twin(course):
    from transformers import AutoModelForSeq2SeqLM

    return AutoModelForSeq2SeqLM.from_pretrained(course.model("flan-t5"))


@pytest.fixture(scope="module", autouse=True)
def written_once():
    """The same weights write the same for the same rows: the untouched twin is asked once, not once an answer."""
    write, known = catastrophic_forgetting._written, {}

    def written(model, tokenizer, rows):
        state = b"".join(tensor.numpy().tobytes() for tensor in model.state_dict().values())
        asked = hashlib.sha256(state + repr(rows).encode()).digest()
        if asked not in known:
            known[asked] = write(model, tokenizer, rows)
        return known[asked]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catastrophic_forgetting, "_written", written)
        yield


def returning(model):
    return {"specialise": lambda *given: model}


@pytest.mark.slow
def test_models_that_gained_nothing_or_forgot_everything(twin, course, monkeypatch):
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    monkeypatch.setattr(catastrophic_forgetting, "TRAINED_ON", 40)
    broken = copy.deepcopy(twin)
    with torch.no_grad():
        broken.shared.weight.zero_()
    small = T5Config(
        vocab_size=50, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2, decoder_start_token_id=0
    )
    reports = judged_objects_well(
        EXERCISE,
        "q5",
        course=course,
        wrong={
            "untrained": (returning(twin), "the gain in ROUGE-L"),
            "the model that was given": ({"specialise": lambda model, *given: model}, "the gain in ROUGE-L"),
            "forgot everything": (returning(broken), "the kept share of the old tasks' scores"),
            "another architecture": (returning(T5ForConditionalGeneration(small)), "offline course's flan-t5"),
            "a text": (returning("a text"), "the path of an existing folder"),
            "a list": (returning([1, 2]), "a list"),
            "nothing": (returning(None), "NoneType"),
        },
    )  # fmt: skip
    assert {name: report.points for name, report in reports.items()} == dict.fromkeys(reports, 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda row: row["dialogue"].split("\n")[1], "the gain in ROUGE-L"),
        (lambda row: row["summary"].partition(": ")[2], "begin with the colour"),
        (lambda row: "Blue: " + row["summary"].partition(": ")[2], "begin with the colour"),
    ],
    ids=["a line copied", "a summary without its colour", "always the same colour"],
)
def test_summaries_that_these_examples_did_not_teach_earn_nothing(write, words, twin, course, monkeypatch):
    """Whatever model it is that writes them, and though it keeps all of the old tasks."""
    generated, whose = catastrophic_forgetting._written, iter(["the base's", "the learner's"])

    def written(model, tokenizer, rows):
        texts = generated(model, tokenizer, {task: each[:20] for task, each in rows.items()})
        texts = {task: texts[task] + [""] * (len(each) - 20) for task, each in rows.items()}
        if next(whose) == "the learner's":
            texts["summary"] = [write(row) for row in rows["summary"]]
        return texts

    monkeypatch.setattr(catastrophic_forgetting, "TRAINED_ON", 40)
    monkeypatch.setattr(catastrophic_forgetting, "_written", written)
    report = judge_namespace(exercise, "q5", returning(twin), course=course)
    assert [piece.points for piece in report.parts] == [0, 0, 0]
    assert words in render.report_text(report)


def test_a_specialist_that_is_still_to_do_is_not_started(course, monkeypatch):
    monkeypatch.setattr(catastrophic_forgetting, "TRAINED_ON", 4)
    stub = "def specialise(model, new, old):\n    raise NotImplementedError()"
    report = judge_source(EXERCISE, "q5", stub, course=course)
    assert (report.points, report.rung) == (0, "not started")
    assert judge_namespace(exercise, "q5", {}, course=course).rung == "missing"


REPLAYED = "mix(new, old, 0.3, seed=0), learning_rate=3e-3"


def solved(course, examples=REPLAYED):
    """The notebook whose `specialise` trains on these examples."""
    answer = cells("q5-answer")
    assert REPLAYED in answer
    before = cells("setup", "q2-answer", "q3-answer", "q4-data", "q4-run-collator", "q5-trainer")
    return namespace(before, answer.replace(REPLAYED, examples), course=course)


def full_points(notebook, course, **draw):
    report = judge_namespace(exercise, "q5", notebook, course=course, **draw)
    assert report.points == report.max_points, render.report_text(report)


@pytest.mark.slow
def test_training_with_replay_is_paid_for_and_only_on_the_draw_that_it_was_trained_on(course):
    notebook = solved(course)
    full_points(notebook, course)
    pasted = notebook["specialise"].trained  # another draw maps the colours in another way
    report = judge_namespace(exercise, "q5", returning(pasted), course=course, secret=b"a third")
    assert [piece.points for piece in report.parts] == [0, 0, 0]
    assert "begin with the colour" in render.report_text(report)


@pytest.mark.slow
def test_another_way_of_keeping_is_paid_for_as_well_and_on_another_draw(course):
    longer = "mix(new, old, 0.4, seed=1), steps=200, learning_rate=3e-3"
    full_points(solved(course, longer), course, secret=b"another draw")


@pytest.mark.slow
def test_training_on_summaries_alone(course):
    wrong = {
        "no replay": (solved(course, "new, learning_rate=3e-3"), "the kept share of the old tasks' scores")
    }
    reports = judged_objects_well(EXERCISE, "q5", wrong=wrong, course=course)
    assert reports["no replay"].points == 2


# Questions 7 and 8

STAGED = """
def stage_by_stage(model, tasks, train, score):
    matrix, names = {}, list(tasks)
    for stage in ["before"] + names:
        if stage != "before":
            model = train(model, tasks[stage])
        matrix[stage] = {name: score(model, name) for name in names}
    return matrix

def thief(matrix):
    rows, names = list(matrix.values()), list(matrix)[1:]
    found = {}
    for place in range(len(names) - 1):
        task, worst = names[place], None
        for later in range(place + 1, len(names)):
            fall = rows[later][task] - rows[later + 1][task]
            if worst is None or fall > worst:
                worst, found[task] = fall, names[later]
    return found
"""


def test_stages():
    result = judged_well(
        EXERCISE,
        "q7",
        before="import copy, random, torch",
        wrong={
            # every stage begins with the same model
            STAGED.replace("model = train(model, tasks[stage])", "trained = train(model, tasks[stage])").replace(
                "score(model, name) for", "score(model if stage == 'before' else trained, name) for"
            ): "which returns another model",
            STAGED.replace("model = train(", "train("): "which returns another model",
            STAGED.replace('["before"] + names', "names"): "the stages of stage_by_stage",
            STAGED.replace('if stage != "before":', "if stage == names[0]:"): "the score of",
            STAGED.replace("for name in names}", "for name in names[: len(matrix)]}"): "the tasks of stage",
            STAGED.replace('matrix[stage] = {name: score(model, name) for name in names}', "matrix[stage] = [score(model, name) for name in names]"): "to be a dict",
            STAGED.replace("fall = rows[later][task]", "fall = rows[place + 1][task]"): "who took most from",
            STAGED.replace("rows[later][task] - rows[later + 1][task]", "-rows[later + 1][task]"): "who took most from",
            STAGED.replace("fall > worst", "fall < worst"): "who took most from",
            STAGED.replace("range(place + 1, len(names))", "range(0, len(names))"): "who took most from",
            STAGED.replace("range(place + 1, len(names))", "range(place + 1, place + 2)"): "who took most from",
            STAGED.replace("range(len(names) - 1)", "range(1, len(names) - 1)"): "the tasks of thief",
        },
        right=[
            STAGED,
            STAGED.replace("score(model, name) for", "np.float32(score(model, name)) for").replace("def stage", "import numpy as np\ndef stage"),
            STAGED.replace("score(model, name) for", "torch.tensor(score(model, name)) for"),
            """
def stage_by_stage(model, tasks, train, score):
    def row():
        return {task: score(model, task) for task in tasks}
    found = dict(before=row())
    for task in tasks:
        model = train(model, tasks[task])
        found |= {task: row()}
    return found

def thief(matrix):
    import numpy as np
    stages = list(matrix)
    table = np.array([[row[task] for task in stages[1:]] for row in matrix.values()])
    falls = -np.diff(table, axis=0)
    return {task: stages[1:][place + 1 + int(falls[place + 1:, place].argmax())] for place, task in enumerate(stages[1:-1])}
""",
        ],
    )  # fmt: skip
    assert [report.points for report in result.wrong[:2]] == [2, 2]
    assert [report.points for report in result.wrong[6:]] == [2] * 6


SPRINGS = """
def move_penalty(weights, start, stiffness):
    total = torch.zeros(())
    for name in weights:
        strength = stiffness[name] if type(stiffness) is dict else stiffness
        total = total + 0.5 * torch.sum(strength * (weights[name] - start[name]).square())
    return total

def importance(model, rows, loss):
    names = [name for name, _ in model.named_parameters()]
    squares = dict.fromkeys(names, 0)
    for row in rows:
        gradients = torch.autograd.grad(loss(model, row), list(model.parameters()))
        for name, gradient in zip(names, gradients):
            squares[name] = squares[name] + gradient ** 2
    return {name: square / len(rows) for name, square in squares.items()}

def mixed(inputs, labels, share, order):
    return [share * inputs + (1 - share) * inputs[order], share * labels + (1 - share) * labels[order]]
"""
SQUARED_MEAN = SPRINGS.replace("+ gradient ** 2", "+ gradient").replace(
    "square / len(rows)", "(square / len(rows)) ** 2"
)


BY_BACKWARD = """
def importance(model, rows, loss):
    found = {name: torch.zeros_like(weight) for name, weight in model.named_parameters()}
    for row in rows:
        model.zero_grad()
        loss(model, row).backward()
        for name, weight in model.named_parameters():
            found[name] += weight.grad.detach().clone() ** 2 / len(rows)
    return found
"""


def test_springs():
    result = judged_well(
        EXERCISE,
        "q8",
        before="import copy, random, torch",
        wrong={
            SPRINGS.replace("0.5 * ", ""): "move_penalty(weights, start, ",
            SPRINGS.replace(" - start[name]", ""): "move_penalty(weights, start, ",
            SPRINGS.replace(".square())", ".abs())"): "move_penalty(weights, start, ",
            SPRINGS.replace("return total\n", "return total.item()\n"): "that the gradient flows through",
            SPRINGS.replace("return total\n", "return total.detach()\n"): "that the gradient flows through",
            SPRINGS.replace("(weights[name] - start[name])", "(weights[name].detach() - start[name])"): "flows through",
            # the sum of all stiffness times the sum of all moves
            SPRINGS.replace("torch.sum(strength * (", "torch.as_tensor(strength).sum() * torch.sum(("): "EWC",
            SPRINGS.replace("stiffness[name] if type(stiffness) is dict else stiffness", "stiffness"): "EWC",
            SQUARED_MEAN: "in which rows of opposite sign cancel",
            SPRINGS.replace("square / len(rows)", "square"): "'weight' of importance",
            SPRINGS.replace("+ gradient ** 2", "+ gradient.abs()"): "'weight' of importance",
            SPRINGS + BY_BACKWARD.replace("        model.zero_grad()\n", ""): "'weight' of importance",
            SPRINGS.replace("for name, square in squares.items()}", "for name, square in squares.items()}.values()"): "importance",
            SPRINGS.replace("share * labels + (1 - share) * labels[order]", "labels"): "the labels of mixed",
            SPRINGS.replace("share * inputs + (1 - share) * inputs[order]", "(1 - share) * inputs + share * inputs[order]"): "the inputs of mixed",
            SPRINGS.replace("[order]", "[order.argsort()]"): "the inputs of mixed",
            SPRINGS.replace("[order]", ".flip(0)"): "the inputs of mixed",
        },
        right=[
            SPRINGS,
            SPRINGS.replace("total = torch.zeros(())", "total = 0").replace(
                "return [share * inputs + (1 - share) * inputs[order], share * labels + (1 - share) * labels[order]]",
                "return torch.lerp(inputs[order], inputs, share), torch.lerp(labels[order], labels, share)",
            ),
            answer_source(EXERCISE, "q8").replace("return sum(", "return torch.ones(1) * sum(") + BY_BACKWARD,
            SPRINGS.replace("gradient ** 2", "gradient.numpy() ** 2"),
        ],
    )  # fmt: skip
    assert [report.points for report in result.wrong[6:]] == [3] * 11


@pytest.mark.parametrize("question", ["q7", "q8"])
def test_the_solution_is_right_on_many_draws(question):
    for number in range(12):
        report = judge_source(
            EXERCISE,
            question,
            answer_source(EXERCISE, question),
            before="import torch",
            secret=b"%d" % number,
        )
        assert report.points == report.max_points, render.report_text(report)
