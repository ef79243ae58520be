"""Records the curves that lesson 3 reads: `python record_curves.py` writes curves.json beside it.

Twelve short runs of the distilbert twin on the notices, two of each kind. What makes the kind is in KINDS;
everything else is the same. About two minutes on two free cores. Losses are mean cross-entropies in nats.
"""

from __future__ import annotations

import json
import math
import random
import tempfile
from pathlib import Path
from typing import Any

from course_utils import setup

STEPS, EVERY = 120, 10
WRONG = 0.3  # the share of rows whose label is drawn anew, except in "sound" and "under"

#: kind -> what is different from a run that goes well
KINDS: dict[str, dict[str, Any]] = {
    "sound": {},
    "under": {"rate": 1e-4},
    "over": {"rows": 160, "wrong": WRONG},
    "leak": {"rows": 160, "wrong": WRONG, "validate_on": "train"},
    "bug: labels moved": {"moved": True},
    "bug: rate too large": {"rate": 3e-2},
}


def main() -> None:
    course = setup(profile="offline", device="cpu")
    curves = [recorded(course, kind, seed) for kind in KINDS for seed in range(2)]
    text = json.dumps({"steps": STEPS, "every": EVERY, "curves": curves}, indent=1)
    (Path(__file__).parent / "curves.json").write_text(text + "\n", encoding="utf-8")


def recorded(course: Any, kind: str, seed: int) -> dict[str, Any]:
    """One run: its kind and seed, the losses after each tenth step, and the loss on rows that came later."""
    from datasets import load_dataset
    from transformers import AutoTokenizer

    plan = {"rate": 1e-3, "rows": 1280, "wrong": 0.0, "validate_on": "validation", "moved": False} | KINDS[
        kind
    ]
    tokenizer = AutoTokenizer.from_pretrained(course.model("distilbert"))
    notices = load_dataset(course.dataset("topics"))
    classes = len(notices["train"].features["label"].names)
    dice = random.Random(seed)
    chosen = notices["train"].shuffle(seed=seed).select(range(plan["rows"]))
    labels = [
        dice.randrange(classes) if dice.random() < plan["wrong"] else label for label in chosen["label"][:]
    ]
    if plan["moved"]:  # each row has the label of the row before it
        labels = labels[-1:] + labels[:-1]
    train = chosen.remove_columns("label").add_column("label", labels)
    if plan["validate_on"] == "train":
        validation = train
    else:
        validation = notices["validation"].select(range(200))
    later = notices["test"].select(range(500))
    splits = [
        split.map(lambda rows: tokenizer(rows["text"], truncation=True, max_length=64), batched=True)
        for split in (train, validation, later)
    ]
    log, later_loss = trained(course, tokenizer, splits, classes, plan["rate"], seed)
    print(
        f"{kind:20} seed {seed}  validation {log['validation'][-1]:.2f}  later {later_loss:.2f}", flush=True
    )
    return {"kind": kind, "seed": seed, **log, "later": round(later_loss, 4), "guessing": math.log(classes)}


def trained(
    course: Any, tokenizer: Any, splits: list[Any], classes: int, rate: float, seed: int
) -> tuple[dict[str, list[float]], float]:
    """({"train": …, "validation": …}, the loss on later rows) of one run of the twin."""
    import torch
    from transformers import (
        AutoModelForSequenceClassification,
        PrinterCallback,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    set_seed(seed)
    model = AutoModelForSequenceClassification.from_pretrained(
        course.model("distilbert"), num_labels=classes, dtype=torch.float32
    )
    arguments = TrainingArguments(
        tempfile.mkdtemp(),
        max_steps=STEPS,
        learning_rate=rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=8,
        per_device_train_batch_size=16,
        per_device_eval_batch_size=100,
        logging_steps=EVERY,
        eval_strategy="steps",
        eval_steps=EVERY,
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
        seed=seed,
    )
    train, validation, later = splits
    trainer = Trainer(
        model, arguments, train_dataset=train, eval_dataset=validation, processing_class=tokenizer
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    log = {
        name: [round(entry[key], 4) for entry in trainer.state.log_history if key in entry]
        for name, key in (("train", "loss"), ("validation", "eval_loss"))
    }
    return log, trainer.evaluate(later)["eval_loss"]


if __name__ == "__main__":
    main()
