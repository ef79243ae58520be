"""What lesson 7 does, and the runs that it shows: `python record_real.py` writes real_runs.json beside it.

The real encoder and film sentences, with LoRA and with every weight. First some rates of each method, judged
by validation sentences; then the best rate of each with a seed that chose nothing, on the test sentences.
Each run also keeps what became of the similarity of sentences. Needs `course fetch`; takes about ten minutes
on a core, and goes on where it was stopped.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from course_utils import setup
from course_utils.training import loop
from course_utils.training.sentence_classifier import SentenceClassifier, vectors
from course_utils.training.sentences import batch_of, begin_head, clear

RATES = {"LoRA": (1e-3, 3e-3, 1e-2), "full": (1e-4, 3e-4)}
STEPS, BATCH, TUNING_SEED, SEEDS = 60, 16, 10, (0, 1)
RECORD = Path(__file__).parent / "real_runs.json"
Rows = list[dict[str, Any]]


def main() -> None:
    course = setup(profile="offline", device="cpu")
    rows, tokenizer, encoder = sentences(course), tokenizer_of(course), encoder_of(course)
    before = vectors(encoder, tokenizer, texts_of(rows["similar"]))
    found = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {"tuned": [], "runs": []}
    if "head" not in found:
        found["head"] = fitted_head(encoder, tokenizer, rows["train"])
        frozen = classifier(encoder, found["head"])
        found["frozen"] = {
            split: as_text(right(frozen, tokenizer, rows[split])) for split in ("validation", "test")
        }
        found["untouched"] = as_text(same_article(before, rows["similar"]))
        save(found)

    def run(kind: str, split: str, method: str, rate: float, seed: int) -> None:
        name = {"method": method, "rate": rate, "seed": seed}
        if any(name.items() <= each.items() for each in found[kind]):
            return
        model = classifier(with_method(encoder_of(course), method, seed), found["head"])
        began = time.process_time()
        trained(model, tokenizer, rows["train"], rate, seed)
        seconds = time.process_time() - began
        after = vectors(model.encoder, tokenizer, texts_of(rows["similar"]))
        result = {
            "seconds": round(seconds, 1),
            "right": as_text(right(model, tokenizer, rows[split])),
            "same": as_text(same_article(after, rows["similar"])),
            "order": [round(value, 3) for value in rank_correlations(before, after)],
        }
        found[kind].append({**name, **result})
        save(found)
        print(name, seconds, *(sum(map(int, result[key])) for key in ("right", "same")), flush=True)

    for method, rates in RATES.items():
        for rate in rates:
            run("tuned", "validation", method, rate, TUNING_SEED)
    for seed in SEEDS:
        for method, rate in best_rates(found["tuned"]).items():
            run("runs", "test", method, rate, seed)


def save(found: dict[str, Any]) -> None:
    found = {"steps": STEPS, "batch": BATCH, **found}
    RECORD.write_text(json.dumps(found) + "\n", encoding="utf-8")


def best_rates(tuned: Rows) -> dict[str, float]:
    """The rate of each method with the most validation sentences right; of equals the lower one."""
    best: dict[str, Any] = {}
    for run in sorted(tuned, key=lambda run: (-run["right"].count("1"), run["rate"])):
        best.setdefault(run["method"], run["rate"])
    return best


def as_text(hits: Sequence[bool]) -> str:
    """A "1" for each hit and a "0" for each miss, in their order."""
    return "".join(str(int(hit)) for hit in hits)


# What is read


def sentences(course: Any) -> dict[str, Rows]:
    """Clear film sentences to train, validate and test on, and sentences of whole editorials."""
    from datasets import load_dataset

    rows = {split: found.to_list() for split, found in load_dataset(course.dataset("opinions")).items()}
    films = {
        split: clear([row for row in found if row["domain"] == "films"]) for split, found in rows.items()
    }
    for side in films.values():
        random.Random(0).shuffle(side)
    return {
        "train": films["train"][: STEPS * BATCH],
        "validation": films["validation"][:300],
        "test": films["test"][:600],
        "similar": [row for row in rows["test"] if row["domain"] == "editorials"][:400],
    }


def texts_of(rows: Rows) -> list[str]:
    return [row["text"] for row in rows]


def tokenizer_of(course: Any) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(course.model("minilm"))


def encoder_of(course: Any) -> Any:
    from transformers import AutoModel

    return AutoModel.from_pretrained(course.model("minilm"), dtype=torch.float32).eval()


# What is trained


def with_method(encoder: Any, method: str, seed: int) -> Any:
    """The encoder itself for "full"; for "LoRA" with adapters in the queries and values of all layers."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    if method == "full":
        return encoder
    return get_peft_model(encoder, LoraConfig(r=8, lora_alpha=16, target_modules=["query", "value"]))


def fitted_head(encoder: Any, tokenizer: Any, rows: Rows) -> dict[str, Any]:
    """The weights of a head: the logistic regression on the encoder's vectors of these rows."""
    head = torch.nn.Linear(encoder.config.hidden_size, 2)
    begin_head(head, vectors(encoder, tokenizer, texts_of(rows)), [row["label"] for row in rows])
    numbers = {name: weight.detach().double() for name, weight in head.state_dict().items()}
    return {name: (weight * 1e5).round().div(1e5).tolist() for name, weight in numbers.items()}


def classifier(encoder: Any, head: dict[str, Any]) -> SentenceClassifier:
    """The encoder with a head of these weights."""
    model = SentenceClassifier(encoder).eval()
    model.head.load_state_dict({name: torch.tensor(numbers) for name, numbers in head.items()})
    return model


def trained(
    model: SentenceClassifier, tokenizer: Any, rows: Rows, rate: float, seed: int, steps: int = STEPS
) -> list[float]:
    """Train on each row once, or on the first `steps` batches of that; the losses.

    Rows of like length share a batch, which saves padding; the batches come in an order of the seed.
    """
    dice = random.Random(seed)
    order = sorted(dice.sample(rows, len(rows)), key=lambda row: len(row["text"]))
    batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    dice.shuffle(batches)
    torch.manual_seed(seed)  # dropout
    return loop.train(
        model,
        batches[:steps],
        lambda batch: torch.nn.functional.cross_entropy(
            model(**batch_of(tokenizer, texts_of(batch))), torch.tensor([row["label"] for row in batch])
        ),
        lambda optimizer: torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, total_iters=STEPS),
        learning_rate=rate,
    )


# What is measured


def right(model: SentenceClassifier, tokenizer: Any, rows: Rows) -> list[bool]:
    """For each row: is its label what the model says?"""
    found = vectors(model.encoder, tokenizer, texts_of(rows))
    with torch.no_grad():
        said = model.head(found).argmax(-1).tolist()
    return [one == row["label"] for one, row in zip(said, rows, strict=True)]


def same_article(found: torch.Tensor, rows: Rows) -> list[bool]:
    """For each sentence: does the nearest other one, by cosine, stand in the same editorial?"""
    unit = torch.nn.functional.normalize(found)
    nearest = (unit @ unit.T).fill_diagonal_(-2).argmax(1).tolist()
    return [rows[place]["source"] == row["source"] for row, place in zip(rows, nearest, strict=True)]


def rank_correlations(before: torch.Tensor, after: torch.Tensor) -> list[float]:
    """For each sentence: Spearman's correlation of its similarities to all others, before and after."""

    def ranks(found: torch.Tensor) -> torch.Tensor:
        unit = torch.nn.functional.normalize(found)
        others = ~torch.eye(len(found), dtype=torch.bool)
        return (unit @ unit.T)[others].view(len(found), -1).argsort(1).argsort(1).double()

    one, two = (side - side.mean(1, keepdim=True) for side in (ranks(before), ranks(after)))
    return torch.cosine_similarity(one, two).tolist()


if __name__ == "__main__":
    main()
