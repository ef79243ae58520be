"""Trains a classifier of notices: here, on SageMaker, on Vertex AI and on Azure ML, the same file.

    python train.py --data rows --base distilbert --model out/model --steps 20

In a cloud some of these come as environment variables: see places.py. Leaves the model, its tokenizer and
metrics.json in the model's place. Where there is a place for checkpoints, begins from the newest one.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from places import Places, find_places, options_of

PLACES = ("data", "base", "model", "checkpoints")


@dataclass
class Settings:
    """One run. A name that is not here is a typing error. every: steps from checkpoint to checkpoint.

    die_at: for a rehearsal; the process ends hard behind this step, as when a spot machine is taken away.
    """

    steps: int = 30
    batch: int = 16
    rate: float = 2e-3
    every: int = 10
    seed: int = 0
    die_at: int = 0


def settings_of(options: Mapping[str, str]) -> Settings:
    """The settings among the options. Raises ValueError for an unknown name, or a value that is no number."""
    kinds = {field.name: float if field.type == "float" else int for field in fields(Settings)}
    if unknown := options.keys() - kinds.keys() - set(PLACES):
        raise ValueError(
            f"{', '.join(sorted(unknown))}: unknown. The names are {', '.join([*PLACES, *kinds])}"
        )
    return Settings(**{name: kinds[name](value) for name, value in options.items() if name in kinds})


def main(words: list[str]) -> None:
    try:  # before anything that takes time
        options = options_of(os.environ, words)
        places = find_places(os.environ, options, Path(os.environ.get("GCS_MOUNT", "/gcs")))
        settings = settings_of(options)
    except ValueError as error:
        sys.exit(f"train.py: {error}")
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    learn, measure = (_rows(places.data / f"{name}.jsonl") for name in ("train", "test"))
    tokenizer = AutoTokenizer.from_pretrained(places.base)
    torch.manual_seed(settings.seed)
    model = AutoModelForSequenceClassification.from_pretrained(
        places.base, num_labels=1 + max(row["label"] for row in learn)
    )
    began = run(model, tokenizer, learn, settings, places)
    metrics = {"accuracy": accuracy(model, tokenizer, measure), "n": len(measure)}
    model.save_pretrained(places.model)
    tokenizer.save_pretrained(places.model)
    told = {"cloud": places.cloud, "metrics": metrics, "began_at": began, "settings": asdict(settings)}
    (places.model / "metrics.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(told["metrics"] | {"began_at": began}))


def run(model: Any, tokenizer: Any, rows: list[dict[str, Any]], settings: Settings, places: Places) -> int:
    """Train to the last step, from the newest checkpoint if there is one. Returns the step it began at."""
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.rate)
    began = load(places.checkpoints, model, optimizer)
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(settings.seed)).tolist()
    model.train()
    for step in range(began, settings.steps):
        chosen = [rows[order[(step * settings.batch + i) % len(rows)]] for i in range(settings.batch)]
        batch = _tokens(tokenizer, chosen)
        model(**batch, labels=torch.tensor([row["label"] for row in chosen])).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if places.checkpoints and (step + 1) % settings.every == 0:
            save(places.checkpoints, step + 1, model, optimizer)
        if step + 1 == settings.die_at:
            os._exit(137)  # what the shell says of a process that was killed
    return began


def save(folder: Path, step: int, model: Any, optimizer: Any) -> None:
    """All that the next step depends on. Written beside and then renamed: a half file is never the newest."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    state = {"step": step, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(state | {"random": torch.get_rng_state()}, folder / "part")
    (folder / "part").replace(folder / "newest.pt")


def load(folder: Path | None, model: Any, optimizer: Any) -> int:
    """Take up the newest checkpoint. Returns its step, or 0 where there is none."""
    import torch

    if not folder or not (folder / "newest.pt").exists():
        return 0
    state = torch.load(folder / "newest.pt", weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["random"])
    return int(state["step"])


def accuracy(model: Any, tokenizer: Any, rows: list[dict[str, Any]]) -> float:
    """The share of the rows whose label the model says."""
    import torch

    model.eval()
    right = 0
    for start in range(0, len(rows), 50):
        part = rows[start : start + 50]
        with torch.no_grad():
            said = model(**_tokens(tokenizer, part)).logits.argmax(dim=-1).tolist()
        right += sum(label == row["label"] for label, row in zip(said, part, strict=True))
    return right / len(rows)


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _tokens(tokenizer: Any, rows: list[dict[str, Any]]) -> Any:
    texts = [row["text"] for row in rows]
    return tokenizer(texts, truncation=True, max_length=48, padding=True, return_tensors="pt")


if __name__ == "__main__":
    main(sys.argv[1:])
