"""Every question of exercise 14: the solution, the stub, wrong answers with the message they get, other right ways."""

import json
import math
import subprocess
import sys
from functools import partial

import pytest

from course_utils.checks.chapters import training_of_your_own
from course_utils.checks.framework import load_exercise
from course_utils.checks.testing import changed_answer, given_cells, judged_well, namespace, replaced

EXERCISE = "14_training_of_your_own"
given = partial(given_cells, EXERCISE)
changed = partial(changed_answer, EXERCISE)


def test_the_card():
    exercise = load_exercise(EXERCISE)
    assert len(exercise.questions) == 11
    assert exercise.points == 39
    assert [question.name for question in exercise.questions.values() if question.manual] == ["q11"]


PATIENCE = """
class Patience(TrainerCallback):
    def __init__(self, metric, patience, threshold, greater_is_better):
        self.name, self.most, self.margin, self.greater = metric, patience, threshold, greater_is_better

    def on_train_begin(self, args, state, control, **kwargs):
        self.values = []

    def on_evaluate(self, args, state, control, **kwargs):
        value = kwargs["metrics"].get(self.name)
        if value is None:
            return control
        self.values.append(value if self.greater else -value)
        since, best = 0, -math.inf
        for one in self.values:
            since = 0 if one - best > self.margin else since + 1
            best = one if one > best else best
        if since >= self.most:
            control.should_training_stop = True
        return control
"""


@pytest.mark.slow
def test_early_stopping():
    swap = partial(changed, "q1")
    judged_well(
        EXERCISE,
        "q1",
        before=given("imports"),
        wrong={
            swap(("1 if greater_is_better else -1", "1")): "taking greater_is_better the other way",
            swap(("self.best + self.threshold", "self.best")): "not looking at the threshold",
            swap(("self.best = max(self.best, value)", "self.best = value")): "comparing with the last evaluation",
            swap(("self.waited >= self.patience", "self.waited > self.patience")): "one evaluation too many",
            swap(("self.waited >= self.patience", "self.waited >= self.patience - 1")): "one evaluation too few",
            swap(("value > self.best + self.threshold", "value >= self.best + self.threshold")): "an equal value",
            swap(("self.waited = 0 if", "self.waited = self.waited if")): "also those before the last progress",
            swap(("max(self.best, value)", "max(value, self.best)")): "a best value that has become NaN",
            swap(("if self.metric in metrics:", "if True:"), ("metrics[self.metric]", "metrics.get(self.metric, math.nan)")): "does not have the metric",
            swap(("if self.metric in metrics:", "if not math.isnan(metrics.get(self.metric, math.nan)):")): "passing over NaN",
            swap(
                ("self.best, self.waited = -math.inf, 0", "self.best, self.waited = None, 0"),
                ("self.waited = 0 if value > self.best + self.threshold else self.waited + 1", "progress = self.best is None or value > self.best + self.threshold\n            self.waited = 0 if progress else self.waited + 1"),
                ("max(self.best, value)", "value if self.best is None or value > self.best else self.best"),
            ): "because it came first",
            swap(("metrics[self.metric]", "metrics['eval_loss']")): "KeyError",
            swap(("def on_train_begin", "def on_init_end")): "AttributeError",
            swap(("            self.best = max(self.best, value)\n", "            if self.waited == 0:\n                self.best = value\n")): "that counted as progress",
            swap(("control.should_training_stop = True", "control.should_epoch_stop = True")): "no stop at all",
            replaced(
                swap(("1 if greater_is_better else -1", "1 if greater_is_better else -1\n        self.best, self.waited = -math.inf, 0")),
                ("def on_train_begin", "def on_nothing"),
            ): "a second run that begins with",
            "class Patience(EarlyStoppingCallback):\n    def __init__(self, metric, patience, threshold, greater_is_better):\n        super().__init__(patience, threshold)": "metric_for_best_model",
        },
        right=[
            PATIENCE,
            PATIENCE.replace("return control", "return None"),
        ],
    )  # fmt: skip


JOURNAL = """
class Journal(TrainerCallback):
    def __init__(self, path):
        self.path = Path(path)

    def on_train_begin(self, args, state, control, **kwargs):
        self.file = self.path.open("a", encoding="utf-8", buffering=1)
        self.put(state, event="begin")

    def put(self, state, **entries):
        entries = {name: entry for name, entry in entries.items()}
        for name, entry in entries.items():
            if isinstance(entry, float) and (entry != entry or abs(entry) == math.inf):
                entries[name] = None
        print(json.dumps(entries | {"step": int(state.global_step), "pid": 1}, allow_nan=False), file=self.file, flush=True)

    def on_step_end(self, args, state, control, **kwargs):
        self.put(state, event="step", loss=None)

    def on_log(self, args, state, control, logs, **kwargs):
        self.put(state, event="log", **logs)

    def on_train_end(self, args, state, control, **kwargs):
        self.put(state, event="end")
        self.file.close()
"""


@pytest.mark.slow
def test_a_journal():
    swap = partial(changed, "q2")
    result = judged_well(
        EXERCISE,
        "q2",
        before=given("imports"),
        wrong={
            swap(("value if math.isfinite(value) else None", "value")): "null where a number is not finite",
            swap(("math.isfinite(value)", "not math.isnan(value)")): "Infinity, which is no JSON",
            swap(("math.isfinite(value)", "not math.isinf(value)")): "NaN, which is no JSON",
            swap(('open(self.path, "a")', 'open(self.path, "w")')): "lines",
            JOURNAL.replace("buffering=1", "buffering=10**6").replace(", flush=True", ""): "when the run was killed",
            swap(("on_step_end", "on_epoch_end")): "the steps in the lines of event 'step'",
            swap(('self.write("log", state, logs)', 'self.write("log", state, {"loss": logs.get("loss", 0.0)})')): "to have the key",
            swap(("def on_log", "def on_evaluate"), ("logs=None", "metrics=None"), ("state, logs", "state, metrics")): "the lines of event 'log'",
            swap(('+ "\\n"', '+ ", "')): "to be JSON by itself",
            swap(("def on_train_begin", "def on_epoch_begin"), ('"begin"', '"epoch"')): "a run's first line",
            swap(("on_train_end", "on_epoch_end")): "a run's last line",
            swap(('self.write("step", state, {})', 'control.should_log and self.write("step", state, {})')): "the steps in the lines of event 'step'",
        },
        right=[JOURNAL],
    )  # fmt: skip
    assert result.wrong[0].points == 3, "all but the JSON is right there"


FOCAL = """
def class_weights(labels, classes):
    kept = [label for label in labels.flatten().tolist() if label >= 0]
    counts = [kept.count(name) for name in range(classes)]
    return [len(kept) / (classes * count) if count else 0.0 for count in counts]


def focal_loss(logits, labels, gamma, weights=None):
    logits, labels = logits.reshape(-1, logits.shape[-1]), labels.reshape(-1)
    entropy = F.cross_entropy(logits, labels, ignore_index=-100, reduction="none")
    if weights is None:
        weights = torch.ones(logits.shape[-1])
    shares = torch.where(labels == -100, 0.0, weights[labels.clamp(min=0)])
    total = (shares * (1 - torch.exp(-entropy)).pow(gamma) * entropy).sum()
    return total / shares.sum() if shares.sum() > 0 else total * 0
"""


def test_rare_classes():
    swap = partial(changed, "q3")
    judged_well(
        EXERCISE,
        "q3",
        before=given("imports"),
        wrong={
            FOCAL.replace("if label >= 0]", "]"): "counting -100 among the labels",
            swap(("counts.sum() / (classes", "1 / (classes")): "not multiplied by all labels",
            FOCAL.replace("len(kept) / (classes", "len(kept) / (len(set(kept))"): "by the classes that are there",
            swap(("share.sum().clamp(min=1e-9)", "counted.sum().clamp(min=1)")): "by the number of labels",
            swap(("share.sum().clamp(min=1e-9)", "labels.numel()")): "also those at -100",
            swap((" / share.sum().clamp(min=1e-9)", "")): "a sum that is not divided",
            swap(("weights[labels[counted]]", "torch.ones_like(log_p)")): "leaving the class weights out",
            swap((" * (1 - log_p.exp()) ** gamma", "")): "leaving (1 - p)**gamma out",
            swap(("(1 - log_p.exp()) ** gamma", "log_p.exp() ** gamma")): "p**gamma in place",
            swap((".clamp(min=1e-9)", "")): "every label is -100",
            swap(("    terms = -share", "    if not counted.any():\n        return torch.tensor(0.0)\n    terms = -share")): "a tensor without a graph",
            swap(("F.log_softmax(logits[counted], dim=-1)", "torch.log(torch.softmax(logits[counted], dim=-1))")): "hundreds apart",
            swap(("log_p.exp()) ** gamma", "log_p.detach().exp()) ** gamma")): "the gradient of focal_loss",
            swap(("torch.where(counts > 0, counts.sum() / (classes * counts.clamp(min=1)), 0.0)", "counts.sum() / (classes * counts)")): "class_weights(labels",
            swap(("    return terms.sum()", "    terms = terms.detach()\n    return terms.sum()")): "gradient",
            swap(("return terms.sum() / share.sum().clamp(min=1e-9)", "return (terms.sum() / share.sum().clamp(min=1e-9)).item()")): "has to return a tensor",
        },
        right=[FOCAL, FOCAL.replace("return [len(kept)", "import numpy as np\n    return np.array([len(kept)").replace("for count in counts]\n\n", "for count in counts])\n\n")],
    )  # fmt: skip


TOKENS = """
class WeightedTrainer(Trainer):
    loss_is_scaled_for_ga = True

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None, **kwargs):
        weights = inputs.pop("weights")
        outputs = model(input_ids=inputs["input_ids"])
        labels = inputs["labels"]
        log_p = outputs["logits"].log_softmax(-1).gather(-1, labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)
        counted = (labels != -100).float()
        total = -(log_p * counted * weights).sum()
        if num_items_in_batch is None:
            num_items_in_batch = counted.sum()
        if return_outputs:
            return total / num_items_in_batch, outputs
        return total / num_items_in_batch
"""


#: a loss as lesson 2 has it for GPT-2
SHIFTED = (
    ('outputs["logits"].flatten(0, 1), labels.flatten()', 'outputs["logits"][:, :-1].flatten(0, 1), labels[:, 1:].flatten()'),
    ("weights.flatten()", "weights[:, 1:].flatten()"),
)  # fmt: skip


@pytest.mark.slow
def test_weighted_tokens():
    swap = partial(changed, "q4")
    count = "count = (labels != -100).sum() if num_items_in_batch is None else num_items_in_batch"
    result = judged_well(
        EXERCISE,
        "q4",
        before=given("imports"),
        wrong={
            swap((count, "count = (labels != -100).sum()")): "num_items_in_batch was ignored",
            replaced(
                swap((count, "count = (labels != -100).sum()")),
                ("    def compute_loss", "    loss_is_scaled_for_ga = False\n\n    def compute_loss"),
            ): "a mean of the pieces' means",
            swap((" * weights.flatten()", "")): "weights that are left out",
            swap((count, "count = labels.numel()")): "counted among the labels",
            swap((count, "count = (weights * (labels != -100)).sum()")): "the sum of the weights",
            swap(("        count =", "        scale = self.args.gradient_accumulation_steps\n        count ="), ("sum() / count", "sum() / count / scale")): "as well",
            swap(("return (loss, outputs) if return_outputs else loss", "return loss")): "return_outputs asks for a pair",
            swap((count, "count = num_items_in_batch")): "TypeError",
            swap((count, "count = num_items_in_batch or labels.numel()")): "gives on eight rows without a count",
            swap(*SHIFTED): "that comes of shifting by one, which this model does not need",
            swap(*SHIFTED, (count, "count = (labels[:, 1:] != -100).sum()")): "shifting by one, which this model does not need, and counting",
            swap((", num_items_in_batch=None", ""), (count, "count = (labels != -100).sum()")): "num_items_in_batch",
            "WeightedTrainer = Trainer": "the weights after a step",
            "def WeightedTrainer(*given, **named):\n    return Trainer(*given, **named)": "a class that inherits from Trainer",
        },
        right=[TOKENS],
    )  # fmt: skip
    assert result.wrong[0].points == 2, "one batch and an evaluation are right there"


DIAGNOSE = """
def diagnose(curve):
    train, validation = ([loss / curve["guessing"] for loss in curve[name]] for name in ("train", "validation"))
    later = curve["later"] / curve["guessing"]
    rules = {
        "bug": all(loss > 0.95 for loss in validation), "leak": later - validation[-1] > 0.5,
        "over": validation[-1] - min(validation) > 0.2, "under": min(train) > 0.7, "sound": True,
    }
    return next(name for name, holds in rules.items() if holds)
"""


def test_diagnose():
    swap = partial(changed, "q5")
    result = judged_well(
        EXERCISE,
        "q5",
        before=given("imports"),
        wrong={
            "def diagnose(curve): return 'over'": "diagnose to say 'under'",
            swap((' if train > 0.72 * curve["guessing"] else "sound"', ' if validation > train else "sound"')): "diagnose to say 'sound'",
            swap(('curve["later"] > 1.6 * validation', "False")): "diagnose to say 'leak'",
            swap(('lowest > 0.955 * curve["guessing"]', "False")): "diagnose to say 'bug'",
            swap(("validation > 1.25 * lowest", "validation > train")): "diagnose to say",
            swap(('return "over"', 'return "overfitting"')): "to be one of",
            "def diagnose(curve): print('bug')": "to be one of",
            "def diagnose(curve): return curve.name": "AttributeError",
        },
        right=[DIAGNOSE],
    )  # fmt: skip
    assert result.wrong[2].points == 3


UNTIL_BEST = """
def train_until_best(model, one_epoch, validate, patience, most):
    losses, states = [], []
    while len(losses) < most and len(losses) - (losses.index(min(losses)) + 1 if losses else 0) < patience:
        one_epoch(model)
        losses.append(float(validate(model)))
        states.append({name: weight.clone() for name, weight in model.state_dict().items()})
    best = losses.index(min(losses))
    model.load_state_dict(states[best])
    return torch.tensor(best + 1)
"""


#: counts losses above the one before, not above the lowest
RISES = """
def train_until_best(model, one_epoch, validate, patience, most):
    lowest, before, rises = math.inf, math.inf, 0
    for epoch in range(1, most + 1):
        one_epoch(model)
        loss = validate(model)
        rises = rises + 1 if loss > before else 0
        before = loss
        if loss < lowest:
            lowest, best, kept = loss, epoch, copy.deepcopy(model.state_dict())
        if rises >= patience:
            break
    model.load_state_dict(kept)
    return best
"""


def test_the_best_epoch():
    swap = partial(changed, "q6")
    result = judged_well(
        EXERCISE,
        "q6",
        before=given("imports"),
        wrong={
            swap(("copy.deepcopy(model.state_dict())", "model.state_dict()")): "so copy it",
            swap(("    model.load_state_dict(kept)\n", "")): "so copy it",
            swap(("epoch - best >= patience", "epoch - best >= 1")): "fewer than patience",
            swap(("            break", "            pass")): "the epochs that were trained",
            swap(("range(1, most + 1)", "range(1, 100)")): "the epochs with most=",
            swap(("return best", "return lowest")): "the best epoch",
            swap(("return best", "return epoch")): "the best epoch",
            swap(("return best", "return None")): "to be a whole number or a number",
            swap(("loss < lowest", "loss > lowest"), ("math.inf", "-math.inf")): "the best epoch",
            UNTIL_BEST.replace("best + 1", "best"): "the first epoch is epoch 1",
            UNTIL_BEST.replace("states[best]", "states[best - 1]"): "its weights are there after it",
            swap(("loss < lowest", "not loss >= lowest")): "a comparison with NaN is always False",
            RISES: "patience counts from the lowest loss of all",
        },
        right=[
            UNTIL_BEST,
            UNTIL_BEST.replace("torch.tensor(best + 1)", "best + 1"),
            replaced(answer_without_marks("q6"), ("copy.deepcopy(model.state_dict())", "copy.deepcopy(model)"), ("load_state_dict(kept)", "load_state_dict(kept.state_dict())")),
        ],
    )  # fmt: skip
    assert result.wrong[0].points == 2


def answer_without_marks(question):
    """The solution as a learner might have written it."""
    return changed(question, ("    ### BEGIN SOLUTION\n", ""))


BATCHES = """
from torch.nn.utils.rnn import pad_sequence


def batches_of(rows, size, seed):
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed)).tolist()
    made = []
    while order:
        piece, order = [rows[place] for place in order[:size]], order[size:]
        ids, labels = ([torch.tensor(row[name]) for row in piece] for name in ("input_ids", "labels"))
        made.append(dict(
            input_ids=pad_sequence(ids, batch_first=True),
            attention_mask=pad_sequence([torch.ones_like(row) for row in ids], batch_first=True).bool(),
            labels=pad_sequence(labels, batch_first=True, padding_value=-100),
        ))
    return tuple(made)


def fine_tune(model, batches, rate, classes):
    model.head = torch.nn.Linear(10, classes)
    optimizer = torch.optim.AdamW([*model.body.parameters(), *model.head.parameters()], lr=rate)
    losses = []
    for inputs, labels in batches:
        if not (labels >= 0).any():
            continue
        loss = F.cross_entropy(model(inputs), labels)
        model.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return losses
"""


#: one of two functions is still the stub
HALF_MENDED = (
    "def batches_of(rows, size, seed):\n    raise NotImplementedError()\n"
    + BATCHES[BATCHES.index("\n\ndef fine_tune") :]
)


def test_mended():
    swap = partial(changed, "q7")
    result = judged_well(
        EXERCISE,
        "q7",
        before=given("imports"),
        wrong={
            replaced(given("q7-batches") + "\n\n" + given("q7-fine-tune"), ("colleagues_", "")): "the labels that stand with",
            swap(('"labels": -100}', '"labels": 0}')): "labels at the padding",
            swap(('"attention_mask": 0', '"attention_mask": 1')): "the mask of a row",
            swap(("for row in piece)", "for row in rows)")): "the width of batch",
            swap(("random.Random(seed)", "random.Random(1)")): "another order for another seed",
            swap(("random.Random(seed)", "random.Random()")): "the same order for the same seed",
            swap(("range(0, len(rows), size)", "range(0, len(rows) - size, size)")): "to hold 3 items",
            swap(("model(inputs), labels", "model(inputs).softmax(-1), labels")): "wants logits",
            swap(
                ("        if (labels == -100).all():\n            continue\n", "")
            ): "every label of this batch is -100, and a mean of nothing is no number",
            swap(
                ("        if (labels == -100).all():\n            continue\n", ""),
                ("F.cross_entropy(model(inputs), labels)", "F.cross_entropy(model(inputs), labels, reduction='sum') / (labels != -100).sum().clamp(min=1)"),
            ): "so pass over the step",
            swap((".all():", ".any():")): "of a batch with some labels at -100 the others count",
            swap(("            continue", "            losses.append(1.0)\n            continue")): "the loss in the list where every label is -100",
            swap(("        optimizer.zero_grad()\n", "")): "where is zero_grad?",
            BATCHES.replace("torch.ones_like(row) for row in ids", "(row != 0).long() for row in ids"): "the mask of a row of",
            BATCHES.replace("labels=pad_sequence(labels, batch_first=True, padding_value=-100),", "labels=pad_sequence(labels, batch_first=True).where(pad_sequence(ids, batch_first=True) != 0, -100),"): "the labels that stand with",
            swap(
                ("    model.head = torch.nn.Linear(model.head.in_features, classes)\n    optimizer, losses = torch.optim.AdamW(model.parameters(), lr=rate), []\n",
                 "    optimizer, losses = torch.optim.AdamW(model.parameters(), lr=rate), []\n    model.head = torch.nn.Linear(model.head.in_features, classes)\n"),
            ): "the new head to be trained",
            swap(("AdamW(model.parameters()", "AdamW(model.head.parameters()")): "the body to be trained",
            swap(("losses.append(loss.item())", "losses.append(str(loss.item()))")): "to be a whole number or a number",
            swap(("    return losses\n", "")): "to be a list",
            HALF_MENDED: "not started",
        },
        right=[
            BATCHES,
            swap(("            continue", "            losses.append(0)\n            continue")),
            BATCHES.replace("return tuple(made)", "return [{k: v.numpy() for k, v in b.items()} for b in made]").replace("return losses", "return torch.tensor(losses)"),
        ],
    )  # fmt: skip
    assert result.wrong[1].points == 3
    assert result.wrong[-1].points == 2, "fine_tune alone is half of it"


CONFIG = """
def read_config(path, overrides):
    with open(path) as file:
        config = yaml.load(file, Loader=yaml.SafeLoader)
    new = {}
    for change in overrides:
        at = change.index("=")
        new.update(yaml.safe_load(f"{change[:at]}: {change[at + 1:]}"))
    unknown = set(new) - set(config)
    if unknown:
        raise KeyError(f"unknown: {sorted(unknown)}")
    return {**config, **new}
"""


def test_a_configuration():
    swap = partial(changed, "q8")
    check = "        if name not in config:\n            raise SystemExit(f\"there is no setting {name!r}; there are {', '.join(config)}\")\n"
    judged_well(
        EXERCISE,
        "q8",
        before=given("imports"),
        wrong={
            swap(("yaml.safe_load(value)", "value")): "read_config(path, ['steps=",
            swap(("yaml.safe_load(value)", "type(config[name])(value)")): "read_config(path, [",
            swap(
                ('name, _, value = change.partition("=")', 'name, value = change.split("=")')
            ): "to return a dict",
            swap((check, "")): "to end the program",
            swap((check, "        if name not in config:\n            continue\n")): "to end the program",
            swap(
                (check, '        if name not in config:\n            sys.exit("what is that?")\n')
            ): "in the message",
            swap(("    return config", "    return list(config.items())")): "to be a dict",
            swap(("yaml.safe_load(Path(path).read_text())", "{}")): "to have the keys",
            swap(("yaml.safe_load(value)", "json.loads(value)")): "to return a dict",
            swap(('change.partition("=")', 'change.rpartition("=")')): "to return a dict",
        },
        right=[
            CONFIG,
            swap(
                (
                    check,
                    "        if name not in config:\n            print(name, file=sys.stderr)\n            sys.exit(2)\n",
                )
            ),
            swap((check, '        assert name in config, f"{name} is unknown"\n')),
        ],
    )


RUN = """
def run(config):
    output = Path(config["output"])
    torch.manual_seed(config["seed"])
    model = Desk()
    optimizer = torch.optim.AdamW(model.parameters(), lr=config["rate"], fused=True)
    inputs, topics, urgent = load(config["train"])
    model.train()
    for _ in range(config["steps"]):
        topic, flag = model(inputs)
        known = urgent >= 0
        loss = F.nll_loss(topic.log_softmax(-1), topics) + config["urgent_weight"] * F.cross_entropy(flag[known], urgent[known])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    output.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), output / "model.pt")
    saved = Desk().eval()
    saved.load_state_dict(torch.load(output / "model.pt"))
    inputs, topics, urgent = load(config["validation"])
    with torch.no_grad():
        topic, flag = saved(inputs)
    known = urgent >= 0
    loss = F.cross_entropy(topic, topics) + config["urgent_weight"] * F.cross_entropy(flag[known], urgent[known])
    metrics = {
        "steps": config["steps"], "loss": float(loss), "seconds": 0.1,
        "topic_accuracy": (topic.argmax(-1) == topics).sum().item() / len(topics),
        "urgent_accuracy": float((flag.argmax(-1) == urgent)[known].numpy().mean()),
    }
    for name, what in (("metrics.json", metrics), ("config.json", config)):
        with open(output / name, "w") as file:
            json.dump(what, file, indent=2)
    return model
"""


@pytest.mark.slow
def test_a_run():
    swap = partial(changed, "q9")
    judged_well(
        EXERCISE,
        "q9",
        before=given("imports", "q9-parts"),
        wrong={
            swap(("    model.eval()\n", "")): "is the model in evaluation mode",
            swap(('measured(*load(config["validation"])', 'measured(*load(config["train"])')): "that of the training rows",
            swap(("right[known].float()", "right.float()")): "rows counted whose label is -100",
            swap(('config["urgent_weight"] * F', "F")): "urgent_weight",
            swap(('    torch.manual_seed(config["seed"])\n', "")): "is the seed set",
            swap(('    torch.manual_seed(config["seed"])\n    model,', "    model,"), ('    optimizer = torch', '    torch.manual_seed(config["seed"])\n    optimizer = torch')): "is the seed set",
            swap(("output.mkdir(parents=True, exist_ok=True)", "output.mkdir()")): "FileNotFoundError",
            swap(('"config.json"', '"settings.json"')): "config.json in the output folder",
            swap(('range(config["steps"])', "range(0)")): "the topic accuracy of model.pt",
            swap(('range(config["steps"])', "range(60)")): "to learn in nine steps",
            swap(("torch.save(model.state_dict()", "torch.save(Desk().state_dict()")): "to be what model.pt reaches",
            swap((".item() for name, score", " for name, score")): "TypeError",
            swap(('lr=config["rate"]', "lr=0.03")): "the furthest that a weight moves",
            swap(('("loss", "topic_accuracy"', '("loss", "accuracy"')): "to have the key 'topic_accuracy'",
        },
        right=[RUN, RUN.replace("torch.manual_seed", "set_seed"), RUN.replace("json.dump(what", "import numpy\n            json.dump(what")],
    )  # fmt: skip


PREDICTIONS = "def predictions(): return {name: name in ('ignored', 'declared', 'recall') for name in NAMES}"


def test_predict():
    judged_well(
        EXERCISE,
        "q10",
        before=f"NAMES = {list(training_of_your_own.FOUND)}",
        wrong={
            "def predictions(): return {'nan': True}": "to have the key",
            "def predictions(): return dict.fromkeys(NAMES, True)": "right predictions",
            "def predictions(): return dict.fromkeys(NAMES, False)": "right predictions",
            "def predictions(): return [True] * 6": "to be a dict",
            "def predictions(): return dict.fromkeys(NAMES, 1)": "True or False",
        },
        right=[
            PREDICTIONS,
            "def predictions(): return dict(ignored=True, declared=True, recall=1 > 0, accuracy=False, stopped=False, nan=False)",
        ],
    )


@pytest.mark.slow
def test_what_is_predicted_is_measured(course):
    cells = given("q10-answer", "q10-pieces", "q10-classes", "q10-toy", "q10-measure")
    assert namespace(given("imports"), cells, course=course)["measure"]() == training_of_your_own.FOUND


@pytest.mark.slow
def test_the_script_runs_in_a_process_of_its_own(tmp_path):
    """The notebook's own way of making train.py needs a kernel; this is the same file from the same text."""
    made = namespace(given("imports", "q9-parts", "q8-answer", "q9-answer"))
    cell = (
        given("q9-files")
        .replace("import inspect\n", "")
        .replace('"\\n\\n".join(map(inspect.getsource, (read_config, run)))', "functions")
    )
    made["functions"] = given("q8-answer", "q9-answer").replace("torch.manual_seed", "set_seed")
    exec(cell, made)
    folder = made["folder"]

    def started(*changes):
        command = [sys.executable, "train.py", "--config", "config.yaml", *changes]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True)

    assert started("steps=5", "output=runs/second").returncode == 0
    found = json.loads((folder / "runs/second/metrics.json").read_text())
    assert found["steps"] == 5
    assert math.isfinite(found["loss"])
    wrong = started("stpes=5")
    assert wrong.returncode != 0
    assert "stpes" in wrong.stderr
