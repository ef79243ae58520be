"""Trains one encoder with two heads, and says what came of it.

    python train.py --config config.yaml
    python train.py --config config.yaml steps=20 output=runs/short

Leaves in the output folder: config.yaml as it was used, log.jsonl, metrics.json, and in model/ the model with
its tokenizer.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import yaml


@dataclass
class Settings:
    """One run. A name that is not here is a typing error, and no setting."""

    model: str
    topics: str
    reviews: str
    output: str
    steps: int
    batch: int
    rate: float
    warmup: float
    rows: int
    eval_rows: int
    mood_weight: float
    seed: int
    cpu: bool


def read_settings(words: list[str]) -> Settings:
    """The settings of a command line: a file, and changes to it."""
    parser = argparse.ArgumentParser(description="Trains one encoder with two heads.")
    parser.add_argument("--config", required=True, type=Path)
    parser.add_argument("changes", nargs="*", metavar="name=value")
    options = parser.parse_args(words)
    found = yaml.safe_load(options.config.read_text(encoding="utf-8"))
    changes = [change.partition("=") for change in options.changes]
    found |= {name: yaml.safe_load(value) for name, _, value in changes}
    kinds = {field.name: field.type for field in fields(Settings)}
    if wrong := found.keys() ^ kinds.keys():
        parser.error(f"{', '.join(sorted(wrong))}: unknown, or missing. The names are {', '.join(kinds)}")
    return Settings(**{name: _as(kinds[name], name, value, parser) for name, value in found.items()})


def _as(kind: Any, name: str, value: Any, parser: argparse.ArgumentParser) -> Any:
    """A value of the right type: an int may be a float, and so may a text that reads as one."""
    if kind == "float" and not isinstance(value, bool):
        try:
            return float(value)
        except (TypeError, ValueError):
            parser.error(f"{name} has to be a number, and is {value!r}")
    if type(value).__name__ != kind:
        parser.error(f"{name} has to be of type {kind}, and is {value!r}")
    return value


def rows_of(settings: Settings, tokenizer: Any, split: str, count: int) -> Any:
    """So many notices and so many reviews, each with two labels of which one is -100."""
    from datasets import concatenate_datasets, load_dataset

    parts = []
    for place, path in enumerate((settings.topics, settings.reviews)):
        part = load_dataset(path)[split].select(range(count))
        labels = [[label, -100] if place == 0 else [-100, label] for label in part["label"]]
        tokens = tokenizer(part["text"][:], truncation=True, max_length=64)
        kept = {"input_ids": tokens["input_ids"], "attention_mask": tokens["attention_mask"]}
        parts.append(part.from_dict(kept | {"labels": labels}))
    return concatenate_datasets(parts)


def main(words: list[str]) -> None:
    settings = read_settings(words)  # before anything that takes time
    import transformers
    from datasets import load_dataset
    from two_heads import accuracies, from_encoder, loss_of_both

    transformers.set_seed(settings.seed)
    tokenizer = transformers.AutoTokenizer.from_pretrained(settings.model)
    sizes = [
        len(load_dataset(path)["train"].features["label"].names)
        for path in (settings.topics, settings.reviews)
    ]
    output = Path(settings.output)
    arguments = transformers.TrainingArguments(
        str(output),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.batch,
        per_device_eval_batch_size=100,
        learning_rate=settings.rate,
        warmup_steps=settings.warmup,
        label_names=["labels"],
        logging_steps=10,
        logging_nan_inf_filter=False,
        save_strategy="no",
        seed=settings.seed,
        use_cpu=settings.cpu,
        disable_tqdm=True,
    )
    trainer = transformers.Trainer(
        from_encoder(settings.model, sizes),
        arguments,
        train_dataset=rows_of(settings, tokenizer, "train", settings.rows),
        eval_dataset=rows_of(settings, tokenizer, "test", settings.eval_rows),
        processing_class=tokenizer,
        compute_loss_func=loss_of_both(settings.mood_weight),
        compute_metrics=accuracies,
    )
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    finish(trainer, settings, output)


def finish(trainer: Any, settings: Settings, output: Path) -> None:
    """Measure the model that is saved, and write everything down."""
    import torch
    import transformers

    measured = trainer.evaluate()
    metrics = {
        "metrics": {
            name: value for name, value in measured.items() if name.endswith(("_loss", "_accuracy", "_n"))
        },
        "steps": trainer.state.global_step,
        "processes": trainer.args.world_size,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "settings": asdict(settings),
    }
    if not trainer.is_world_process_zero():
        return
    trainer.save_model(str(output / "model"))
    (output / "config.yaml").write_text(yaml.safe_dump(asdict(settings)), encoding="utf-8")
    log = [json.dumps(entry) for entry in trainer.state.log_history if "loss" in entry]
    (output / "log.jsonl").write_text("\n".join(log) + "\n", encoding="utf-8")
    (output / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(metrics["metrics"]))


if __name__ == "__main__":
    main(sys.argv[1:])
