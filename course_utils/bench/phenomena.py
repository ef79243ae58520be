"""`course bench phenomena`: every claim that the lessons build on, measured on fresh
records, with its n and interval.

Each experiment is a short function that yields `Row`. Models are trained here and now, on the CPU in
float32; nothing is read from an earlier run. The rows are what the README shows.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from course_utils import instructions, world
from course_utils.bench.peft_methods import LINEAR
from course_utils.datasets import corpora
from course_utils.measure.evaluation import task_score
from course_utils.measure.scores import Score, difference, proportion
from course_utils.measure.timing import seconds_a_pass
from course_utils.models.model import ASSETS
from course_utils.training.fine_tuning import (
    FRESH_SEED,
    TRAINING_SEED,
    FineTuning,
    accuracy,
    classifier,
    fine_tune,
    flan,
    sentences_right,
    tagger,
    train_classifier,
    train_tagger,
)

RESULTS = Path(__file__).parent / "results" / "phenomena.json"


@dataclass(frozen=True)
class Row:
    """One measured figure.

    Attributes:
        value, low, high: the figure and its 95 % interval; a count or a time has none and repeats the value.
        n: fresh records behind it.
        target: what it should reach, as text, or empty where it is reported whatever it is.
        reached: whether it did, or None without a target.
    """

    name: str
    value: float
    low: float
    high: float
    n: int
    target: str = ""
    reached: bool | None = None


def _row(name: str, score: Score | float, target: str = "", n: int = 1) -> Row:
    if not isinstance(score, Score):
        score = Score(float(score), float(score), float(score), n)
    return Row(name, score.value, score.low, score.high, score.n, target, _reached(score.value, target))


def _reached(value: float, target: str) -> bool | None:
    if not target:
        return None
    bound, limit = target.split()
    return value >= float(limit) if bound == ">=" else value <= float(limit)


# --- the flan-t5 twin: following, learning, forgetting ----------------------------------------------------


@cache
def _fresh(name: str, count: int) -> list[dict]:
    return list(corpora.records(name, FRESH_SEED, count, "test"))


def _scores(model: Any, tokenizer: Any, count: int) -> dict[str, Score]:
    return {
        task: task_score(model, tokenizer, task, _fresh(instructions.dataset_of(task), count), batch_size=64)
        for task in instructions.TASKS
    }


def lora(model: Any) -> Any:
    """The twin with LoRA on every linear layer of its blocks, at most 3 % of the parameters trainable."""
    from peft import LoraConfig, get_peft_model

    return get_peft_model(
        model,
        LoraConfig(
            task_type="SEQ_2_SEQ_LM",
            r=3,
            lora_alpha=12,
            lora_dropout=0.0,
            target_modules=LINEAR,
        ),
    )


FULL, REPLAY, LORA = FineTuning(), FineTuning(replay_every=5), FineTuning(steps=480, learning_rate=1.5e-2)


def flan_rows(count: int) -> Iterator[Row]:
    """Following instructions, learning to summarise, forgetting, replay, LoRA.

    Nothing is dropped out: every batch is drawn fresh, so there is nothing to learn by heart.
    """
    original, tokenizer = flan(dropout_rate=0.0)
    before = _scores(original, tokenizer, count)
    for task in instructions.KNOWN_TASKS:
        yield _row(f"follows: {task}, exact match", before[task], ">= 0.85")
    yield _row("summaries before, ROUGE-L", before["summary"], "<= 0.45")

    full = copy.deepcopy(original)
    seconds = fine_tune(full, tokenizer, FULL)
    after = _scores(full, tokenizer, count)
    yield _row("summaries after full fine-tuning, ROUGE-L", after["summary"], ">= 0.75")
    yield _row("full fine-tuning, seconds", seconds, "<= 90")
    falls = {task: difference(before[task], after[task]) for task in instructions.KNOWN_TASKS}
    worst = max(falls, key=lambda task: falls[task].value)
    for task, fall in falls.items():
        yield _row(f"forgotten by full fine-tuning: {task}", fall, ">= 0.20" if task == worst else "")

    replayed = copy.deepcopy(original)
    fine_tune(replayed, tokenizer, REPLAY)
    kept = _scores(replayed, tokenizer, count)
    yield _row("replay, share of batches", 1 / REPLAY.replay_every, "<= 0.2")
    yield _row(
        "replay wins back, share of the fall over the old tasks", _recovered(before, after, kept), ">= 0.60"
    )
    yield _row("replay costs, ROUGE-L", difference(after["summary"], kept["summary"]), "<= 0.03")

    adapted = lora(copy.deepcopy(original))
    trainable, total = adapted.get_nb_trainable_parameters()
    seconds = fine_tune(adapted, tokenizer, LORA)
    light = _scores(adapted, tokenizer, count)
    yield _row("LoRA, share of trainable parameters", trainable / total, "<= 0.03", n=total)
    yield _row("LoRA, seconds", seconds, "<= 90")
    yield _row("summaries after LoRA, ROUGE-L", light["summary"])
    yield _row(
        "LoRA, share of the full gain",
        _gain_share(before["summary"], after["summary"], light["summary"]),
        ">= 0.90",
    )
    for task in instructions.KNOWN_TASKS:
        yield _row(f"forgotten by LoRA: {task}", difference(before[task], light[task]))


def _ratio(numerator: list[float], denominator: list[float]) -> Score:
    """A ratio of two means over the same records, with a percentile-bootstrap interval."""
    above, below = np.asarray(numerator), np.asarray(denominator)
    draws = np.random.default_rng(0).integers(0, len(above), size=(1000, len(above)))
    ratios = above[draws].mean(1) / below[draws].mean(1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return Score(float(above.mean() / below.mean()), float(low), float(high), len(above))


def _recovered(before: dict[str, Score], after: dict[str, Score], kept: dict[str, Score]) -> Score:
    tasks = instructions.KNOWN_TASKS
    values = lambda scores: np.concatenate([scores[task].values for task in tasks])  # noqa: E731
    return _ratio(values(kept) - values(after), values(before) - values(after))


def _gain_share(before: Score, full: Score, light: Score) -> Score:
    start = np.asarray(before.values)
    return _ratio(np.asarray(light.values) - start, np.asarray(full.values) - start)


# --- the encoders: distillation, and what pre-training is worth -------------------------------------------


def _understanding(name: str, count: int) -> dict[str, Score]:
    """An encoder fine-tuned on each of three tasks and scored on fresh records."""
    scores = {}
    for kind, labels in (("reviews", 2), ("topics", len(world.TOPIC_LABELS))):
        model, tokenizer = classifier(name, labels)
        rows = list(world.records(kind, TRAINING_SEED, 2000))
        train_classifier(model, tokenizer, rows, steps=300 if kind == "reviews" else 150, learning_rate=5e-4)
        scores[kind] = accuracy(model, tokenizer, _fresh(kind, count))
    model, tokenizer = tagger(name)
    train_tagger(
        model, tokenizer, list(world.records("entities", TRAINING_SEED, 2000)), steps=200, learning_rate=1e-3
    )
    scores["entities"] = sentences_right(model, tokenizer, _fresh("entities", count))
    return scores


def _seconds(name: str, rows: list[dict]) -> float:
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = (
        AutoModel.from_pretrained(ASSETS / name, dtype=torch.float32).eval(),
        AutoTokenizer.from_pretrained(ASSETS / name),
    )
    return seconds_a_pass(
        model, tokenizer([row["text"] for row in rows], padding=True, truncation=True, return_tensors="pt")
    )


def _parameters(name: str) -> int:
    from transformers import AutoModel

    return AutoModel.from_pretrained(ASSETS / name).num_parameters()


def distillation_rows(count: int) -> Iterator[Row]:
    """What the distilled encoder keeps of its teacher."""
    teacher, student = _understanding("bert", count), _understanding("distilbert", count)
    for kind in teacher:
        yield _row(f"bert twin fine-tuned: {kind}", teacher[kind])
        yield _row(f"distilbert twin fine-tuned: {kind}", student[kind])
    flat = lambda scores: [value for kind in teacher for value in scores[kind].values]  # noqa: E731
    yield _row(
        "distilbert, share of the teacher's mean score", _ratio(flat(student), flat(teacher)), ">= 0.96"
    )
    yield _row(
        "distilbert, share of the teacher's parameters",
        _parameters("distilbert") / _parameters("bert"),
        "<= 0.62",
        n=_parameters("bert"),
    )
    rows = _fresh("reviews", 64)
    yield _row(
        "distilbert, times as fast as its teacher",
        _seconds("bert", rows) / _seconds("distilbert", rows),
        ">= 1.4",
        n=10,
    )


def _word_counts(training: list[dict], rows: list[dict]) -> Score:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    counter = CountVectorizer()
    model = LogisticRegression(max_iter=1000).fit(
        counter.fit_transform(row["text"] for row in training), [row["label"] for row in training]
    )
    predicted = model.predict(counter.transform(row["text"] for row in rows))
    return proportion([row["label"] == label for row, label in zip(rows, predicted, strict=True)])


#: Steps, rate, dropout and what is frozen were chosen on other draws of 200 and of fresh
#: reviews than those that are reported.
FEW_LABELS, FEW_STEPS, FEW_RATE = 200, 300, 1e-3
NO_DROPOUT = {"dropout": 0.0, "attention_dropout": 0.0, "seq_classif_dropout": 0.0}
FEW_DRAWS = 3  # sets of 200: one alone says as much about its 200 as about the start


def _few_labels(draw: int, fresh: list[dict]) -> tuple[dict[str, Score], float]:
    """Three learners on one draw of 200 reviews, scored on `fresh` ones; and the
    seconds that fine-tuning took.

    The twin keeps its embeddings and its first layer as they are. Random ones are not worth keeping: that
    net trains whole, which suits it better.
    """
    few, scores, seconds = list(world.records("reviews", TRAINING_SEED + draw, FEW_LABELS)), {}, 0.0
    for start, pretrained in (("distilbert twin", True), ("same net from random weights", False)):
        model, tokenizer = classifier("distilbert", 2, pretrained, **NO_DROPOUT)
        if pretrained:
            model.distilbert.embeddings.requires_grad_(False)
            model.distilbert.transformer.layer[0].requires_grad_(False)
        seconds = max(seconds, train_classifier(model, tokenizer, few, FEW_STEPS, FEW_RATE))
        scores[start] = accuracy(model, tokenizer, fresh)
    return scores | {"word counts": _word_counts(few, fresh)}, seconds


def few_labels_rows(count: int) -> Iterator[Row]:
    """What pre-training is worth with 200 labelled reviews, and what word counts can and cannot do."""
    fresh = _fresh("reviews", FEW_DRAWS * count)
    runs = [_few_labels(draw, fresh[draw * count : (draw + 1) * count]) for draw in range(FEW_DRAWS)]
    pooled = {
        name: proportion([hit for scores, _ in runs for hit in scores[name].values]) for name in runs[0][0]
    }
    for name, score in pooled.items():
        yield _row(f"200 labels: {name}, accuracy", score)
    tuned, random, counts = pooled.values()
    yield _row("200 labels: over random weights", difference(tuned, random), ">= 0.15")
    yield _row("200 labels: over word counts", difference(tuned, counts), ">= 0.05")
    yield _row("200 labels: fine-tuning, seconds", max(seconds for _, seconds in runs), "<= 30", n=FEW_DRAWS)
    many, fresh = list(world.records("reviews", TRAINING_SEED, 6000)), fresh[:count]
    model, tokenizer = classifier("distilbert", 2)
    train_classifier(model, tokenizer, many, 600, 5e-4)
    best, counted = accuracy(model, tokenizer, fresh), _word_counts(many, fresh)
    yield _row("6000 labels: distilbert twin, accuracy", best)
    yield _row("6000 labels: word counts, accuracy", counted)
    yield _row("6000 labels: over word counts", difference(best, counted), ">= 0.10")


# --- the other twin and the command -----------------------------------------------------------------------


def language_model_rows(count: int) -> Iterator[Row]:
    """How surprised the gpt2 twin is by fresh text, against knowing only how often each token occurs."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from course_utils.measure.evaluation import heldout_loss

    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(ASSETS / "gpt2", dtype=torch.float32),
        AutoTokenizer.from_pretrained(ASSETS / "gpt2"),
    )
    loss = heldout_loss(model, tokenizer, [row["text"] for row in _fresh("general-text", count)])
    yield _row("gpt2 twin, loss on fresh text, nats a token", loss, f"<= {math.log(len(tokenizer)) / 3:.2f}")


EXPERIMENTS = {
    "flan-t5": flan_rows,
    "distillation": distillation_rows,
    "few-labels": few_labels_rows,
    "gpt2": language_model_rows,
}


def as_markdown(rows: list[Row]) -> str:
    """The table that the README shows."""
    lines = [
        "| phenomenon | measured | 95 % interval | n | to reach | reached |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        digits = 1 if abs(row.value) >= 10 else 3
        interval = f"{row.low:.{digits}f} to {row.high:.{digits}f}" if row.low != row.high else ""
        reached = {True: "yes", False: "**no**", None: ""}[row.reached]
        lines.append(
            f"| {row.name} | {row.value:.{digits}f} | {interval} | {row.n} | {row.target} | {reached} |"
        )
    return "\n".join(lines)


def saved_rows() -> list[Row]:
    """The rows of the last `course bench phenomena --save`."""
    return [Row(**row) for row in json.loads(RESULTS.read_text(encoding="utf-8"))["rows"]]


def merged(saved: list[Row], rows: list[Row]) -> list[Row]:
    """The saved rows with those that were measured again in their places; new ones come last."""
    anew = {row.name: row for row in rows}
    return [anew.pop(row.name, row) for row in saved] + list(anew.values())


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="course bench phenomena", description="Measure what the lessons claim, on fresh records."
    )
    parser.add_argument(
        "experiments",
        nargs="*",
        metavar="EXPERIMENT",
        help=f"which ones (default: all): {', '.join(EXPERIMENTS)}",
    )
    parser.add_argument("--rows", type=int, default=500, help="fresh records behind each score (default 500)")
    parser.add_argument(
        "--json", action="store_true", help="print rows of name, value, low, high, n, target, reached"
    )
    parser.add_argument("--threads", type=int, default=2, help="torch threads (default 2)")
    parser.add_argument(
        "--save", action="store_true", help=f"keep the rows in {RESULTS.name}, which the README shows"
    )
    options = parser.parse_args(argv)
    unknown = set(options.experiments) - set(EXPERIMENTS)
    if unknown:
        parser.error(f"no experiment {', '.join(sorted(unknown))}; there are {', '.join(EXPERIMENTS)}")
    torch.set_num_threads(options.threads)
    rows: list[Row] = []
    for name in options.experiments or EXPERIMENTS:
        for row in EXPERIMENTS[name](options.rows):
            rows.append(row)
            if not options.json:
                print(
                    f"{row.name:60} {row.value:8.3f} [{row.low:.3f}, {row.high:.3f}] n={row.n} {row.target} "
                    f"{'' if row.reached is None else 'yes' if row.reached else 'NO'}",
                    flush=True,
                )
    as_data = [asdict(row) for row in rows]
    if options.json:
        print(json.dumps(as_data, indent=1))
    if options.save:
        as_data = as_data if not options.experiments else [asdict(row) for row in merged(saved_rows(), rows)]
        made = {
            "torch": torch.__version__,
            "machine": platform.machine(),
            "threads": options.threads,
            "world": world.VERSION,
        }
        RESULTS.write_text(json.dumps({"made": made, "rows": as_data}, indent=1) + "\n", encoding="utf-8")
    return 0 if all(row.reached is not False for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
