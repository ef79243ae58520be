"""Trains a Flan-T5 to summarise dialogues: correctly, and slow in ten ways.

    python train_slow.py --base flan-t5 --rows rows.json --out out --steps 20 --mend metric_by_token

Prints each step's loss, and at the end how many dialogues a second it went through. Each way is a field of
`Slow`; True is how scripts are found, False how they should be. The losses are equal but for rounding.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy, one_hot
from torch.profiler import record_function
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

LIMITS = {"dialogue": 256, "summary": 96}  # tokens that we allow
PAD, IGNORED = 0, -100  # of T5's inputs, and of labels that the loss passes over


@dataclass(frozen=True)
class Slow:
    """Which of the ten ways are in, and the chapter that mends each."""

    metric_by_token: bool = True  # 20: a Python loop over the tokens, which sorts the vocabulary for each
    loss_in_float64: bool = True  # 21: "to be on the safe side"
    activations_twice: bool = True  # 22: activation checkpointing from a guide for larger models
    rows_read_again: bool = True  # 23: the file parsed and the text tokenized for each row, in each epoch
    padded_to_limit: bool = True  # 23: every row as long as the longest that is allowed
    tensor_by_tensor: bool = True  # 24: an optimizer that loops over the tensors, gradients filled with zeros
    log_each_step: bool = True  # 24: every tensor's norm fetched and written, step by step
    small_operations: bool = True  # 25: an activation function of eight operations
    loss_by_table: bool = True  # 26: labels as a table of zeros and ones, as large as the logits
    save_often: bool = True  # 28: model and optimizer written every second step, and waited for


@dataclass(frozen=True)
class Plan:
    """One run. rows: a file with a JSON list of {"dialogue", "summary"}. used: so many make an epoch."""

    base: str
    rows: Path
    out: Path
    steps: int = 20
    batch: int = 4
    used: int = 32
    rate: float = 1e-3
    seed: int = 0


@dataclass(frozen=True)
class Result:
    """losses: of each step, in nats a token. in_five: the share of tokens among the five likeliest."""

    losses: list[float]
    in_five: float
    rows_a_second: float


def train(plan: Plan, slow: Slow = Slow(), device: str = "cpu") -> Result:
    torch.manual_seed(plan.seed)
    model = load_model(plan.base, slow).to(device)
    rows = Rows(plan.rows, AutoTokenizer.from_pretrained(plan.base), slow)
    loop_over_tensors = {"foreach": False} if slow.tensor_by_tensor else {"fused": True}
    optimizer = torch.optim.AdamW(model.parameters(), lr=plan.rate, **loop_over_tensors)
    order = torch.randperm(plan.used, generator=torch.Generator().manual_seed(plan.seed)).tolist()
    plan.out.mkdir(parents=True, exist_ok=True)
    losses, right, total = [], 0, 0
    begun = time.perf_counter()
    for step in range(plan.steps):
        with record_function("read"):
            chosen = [rows[order[(step * plan.batch + i) % plan.used]] for i in range(plan.batch)]
        with record_function("pad"):
            batch = {name: tensor.to(device) for name, tensor in pad(chosen, slow).items()}
        with record_function("forward"):
            logits = model(**batch).logits
        with record_function("loss"):
            losses.append(loss_of(logits, batch["labels"], slow))
        with record_function("metric"):
            right, total = add_up(right, total, logits.detach(), batch["labels"], slow)
        with record_function("backward"):
            losses[-1].backward()
            losses[-1] = losses[-1].detach()
        with record_function("log"):
            log(plan.out, step, losses[-1], model, slow)
        with record_function("optimizer"):
            optimizer.step()
            optimizer.zero_grad(set_to_none=not slow.tensor_by_tensor)
        with record_function("save"):
            if (step + 1) % (2 if slow.save_often else plan.steps) == 0:
                save(plan.out, model, optimizer)
    values = torch.stack(losses).tolist()  # waits for a GPU to be done
    return Result(values, int(right) / int(total), plan.steps * plan.batch / (time.perf_counter() - begun))


def load_model(base: str, slow: Slow) -> Any:
    """The model in training mode, without dropout, so that two runs can be compared."""
    activation = "gelu_new" if slow.small_operations else "gelu_pytorch_tanh"  # the same function
    model = AutoModelForSeq2SeqLM.from_pretrained(
        base, dtype=torch.float32, dense_act_fn=activation, dropout_rate=0.0
    )
    if slow.activations_twice:
        model.activation_checkpointing_enable()
    return model.train()


class Rows:
    """Tokenized rows by their numbers."""

    def __init__(self, path: Path, tokenizer: Any, slow: Slow) -> None:
        self.path, self.tokenizer, self.slow = path, tokenizer, slow
        self.texts: list[dict[str, str]] = []
        self.seen: dict[int, dict[str, list[int]]] = {}

    def __getitem__(self, number: int) -> dict[str, list[int]]:
        if self.slow.rows_read_again:
            return self.encode(json.loads(self.path.read_text(encoding="utf-8"))[number])
        self.texts = self.texts or json.loads(self.path.read_text(encoding="utf-8"))
        if number not in self.seen:
            self.seen[number] = self.encode(self.texts[number])
        return self.seen[number]

    def encode(self, row: dict[str, str]) -> dict[str, list[int]]:
        ids = {
            name: self.tokenizer(row[name], truncation=True, max_length=limit)["input_ids"]
            for name, limit in LIMITS.items()
        }
        return {"input_ids": ids["dialogue"], "labels": ids["summary"]}


def pad(rows: list[dict[str, list[int]]], slow: Slow) -> dict[str, torch.Tensor]:
    def rectangle(name: str, fill: int, limit: int) -> torch.Tensor:
        longest = limit if slow.padded_to_limit else max(len(row[name]) for row in rows)
        return torch.tensor([row[name] + [fill] * (longest - len(row[name])) for row in rows])

    ids = rectangle("input_ids", PAD, LIMITS["dialogue"])
    labels = rectangle("labels", IGNORED, LIMITS["summary"])
    return {"input_ids": ids, "attention_mask": (ids != PAD).long(), "labels": labels}


def loss_of(logits: torch.Tensor, labels: torch.Tensor, slow: Slow) -> torch.Tensor:
    """The mean over the tokens that count, in nats."""
    if slow.loss_in_float64:
        logits = logits.double()
    if not slow.loss_by_table:
        return cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
    counted = labels != IGNORED
    table = one_hot(labels.clamp(min=0), logits.shape[-1])
    return -((table * logits.log_softmax(-1)).sum(-1) * counted).sum() / counted.sum()


def add_up(right: Any, total: Any, logits: torch.Tensor, labels: torch.Tensor, slow: Slow) -> tuple[Any, Any]:
    """How many tokens were among the five that the model thought likeliest, so far, and of how many."""
    if not slow.metric_by_token:
        counted = labels != IGNORED
        own = logits.gather(-1, labels.clamp(min=0).unsqueeze(-1))
        return right + (((logits > own).sum(-1) < 5) & counted).sum(), total + counted.sum()
    for row in range(len(labels)):
        for place in range(labels.shape[1]):
            scores = logits[row, place].tolist()
            five = sorted(range(len(scores)), key=scores.__getitem__, reverse=True)[:5]
            label = labels[row, place].item()
            if label != IGNORED:
                right, total = right + (label in five), total + 1
    return right, total


def log(out: Path, step: int, loss: torch.Tensor, model: Any, slow: Slow) -> None:
    if not slow.log_each_step and step % 10:
        return
    if slow.log_each_step:
        norm = sum(weight.grad.norm().item() ** 2 for weight in model.parameters()) ** 0.5
    else:
        norm = torch.nn.utils.get_total_norm([weight.grad for weight in model.parameters()]).item()
    line = json.dumps({"step": step, "loss": loss.item(), "gradient": norm})
    with open(out / "log.jsonl", "a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def save(out: Path, model: Any, optimizer: Any) -> None:
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, out / "newest.pt")


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name in ("base", "rows", "out"):
        parser.add_argument(f"--{name}", required=True, type=str if name == "base" else Path)
    parser.add_argument("--steps", type=int, default=Plan.steps)
    parser.add_argument("--mend", nargs="*", default=[], choices=[field.name for field in fields(Slow)])
    asked = parser.parse_args(words)
    slow = replace(Slow(), **dict.fromkeys(asked.mend, False))
    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    result = train(Plan(asked.base, asked.rows, asked.out, asked.steps), slow, device.type)
    for step, loss in enumerate(result.losses):
        print(f"step {step}: loss {loss:.4f}")
    print(f"among the five likeliest: {result.in_five:.1%}; {result.rows_a_second:.1f} dialogues a second")


if __name__ == "__main__":
    main(sys.argv[1:])
