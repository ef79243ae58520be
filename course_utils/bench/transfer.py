"""`course bench transfer`: what a start is worth in labels; one result file a run.

Every run fine-tunes the distilbert twin, or the same network from another start, to judge reviews, with the
same number of steps and the same test rows. What differs is the start, the number of labels, and how much of
the network is frozen. The lessons of chapter 08 read these files and repeat some of the runs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from course_utils import world
from course_utils.bench import run_files
from course_utils.bench.run_files import pooled
from course_utils.measure.memory import count_parameters
from course_utils.measure.scores import Score
from course_utils.models.model import ASSETS
from course_utils.training import fine_tuning
from course_utils.training.fine_tuning import FRESH_SEED, TRAINING_SEED
from course_utils.training.masking import mask_remarks
from course_utils.training.short_training import train_briefly

RESULTS = Path(__file__).parent / "results" / "transfer"
STARTS = ("pre-trained", "random", "further words", "further remarks")
LABELS = (50, 100, 200, 500, 1000, 2000)
STEPS, BATCH_SIZE, RATE, HEAD_RATE, ROWS = 300, 16, 5e-4, 5e-3, 500
FURTHER_STEPS, FURTHER_BATCH_SIZE, FURTHER_TEXTS = 300, 32, 4000
DEPTHS = {0: "nothing", 1: "embeddings", 2: "and layer 1", 3: "and layer 2", 4: "and layer 3"}


@dataclass(frozen=True)
class Experiment:
    """One training.

    Attributes:
        start: "pre-trained", "random", or pre-trained and then a further masked-language-model training on
            reviews without labels, in which random "words" or whole closing "remarks" are hidden.
        labels: reviews with a label to learn from.
        frozen: how many of embeddings and layers, from below, keep their weights; see `DEPTHS`.
        seed: of the rows, the new head, their order and dropout.
    """

    start: str = "pre-trained"
    labels: int = 200
    frozen: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.start not in STARTS:
            raise ValueError(f"There is no start {self.start!r}; there are {', '.join(STARTS)}.")
        if self.frozen not in DEPTHS:
            raise ValueError(
                f"frozen has to be a whole number from 0 to {max(DEPTHS)}, and is {self.frozen!r}."
            )
        if self.labels < BATCH_SIZE:
            raise ValueError(
                f"A run needs at least {BATCH_SIZE} labels, a batch; this one has {self.labels}."
            )

    @property
    def rate(self) -> float:
        """A new head alone needs larger steps than a network that is good already."""
        return HEAD_RATE if self.frozen == max(DEPTHS) else RATE

    @property
    def file(self) -> str:
        """The name of its file, "random-50-frozen0-seed1.json"."""
        return f"{self.start.replace(' ', '-')}-{self.labels}-frozen{self.frozen}-seed{self.seed}.json"


def grid(seeds: Iterable[int] = (0, 1)) -> list[Experiment]:
    """Every run that the lessons show, those that are shown first at the front."""
    seeds = list(seeds)
    curve = [
        Experiment(start, labels, seed=seed)
        for seed in seeds
        for labels in LABELS
        for start in ("pre-trained", "random")
    ]
    depths = [Experiment(labels=1000, frozen=depth, seed=seed) for seed in seeds for depth in DEPTHS]
    further = [
        Experiment(start, 200, seed=seed) for seed in seeds for start in ("further words", "further remarks")
    ]
    return list(dict.fromkeys(curve + depths + further))


@dataclass(frozen=True)
class ExperimentResult:
    """What came of a run: parameters, accuracy on fresh reviews, and seconds of processor time."""

    run: Experiment
    trainable: int
    total: int
    steps: int
    learning_rate: float
    accuracy: Score
    seconds: float
    versions: dict


def tokenizer() -> Any:
    """The twin's tokenizer."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(ASSETS / "distilbert")


def classifier(run: Experiment) -> Any:
    """The network at its start, with a new head; the lower parts are frozen as the run says."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    torch.manual_seed(run.seed)
    folder = ASSETS / "distilbert"
    if run.start == "random":
        model = AutoModelForSequenceClassification.from_config(
            AutoConfig.from_pretrained(folder, num_labels=2)
        )
    else:
        model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2, dtype=torch.float32)
    if run.start.startswith("further"):
        model.distilbert.load_state_dict(_further(run.start, run.seed))
    freeze(model, run.frozen)
    return model


def freeze(model: Any, depth: int) -> None:
    """Freeze a DistilBERT classifier from below: 1 the embeddings, 2 and the first layer, and so on."""
    for part in [model.distilbert.embeddings, *model.distilbert.transformer.layer][:depth]:
        part.requires_grad_(False)


def _further(start: str, seed: int) -> dict[str, torch.Tensor]:
    """The encoder after more masked-language-model training on reviews without labels."""
    from transformers import AutoModelForMaskedLM, DataCollatorForLanguageModeling

    words = tokenizer()
    model = AutoModelForMaskedLM.from_pretrained(ASSETS / "distilbert", dtype=torch.float32)
    pairs = list(world.reviews_with_closings(TRAINING_SEED + seed, FURTHER_TEXTS))
    if start == "further remarks":
        examples, collate = pairs, lambda chosen: mask_remarks(chosen, words)
    else:
        examples = [words(f"{text} {remark}") for text, remark in pairs]
        collate = DataCollatorForLanguageModeling(words, mlm_probability=0.15, seed=seed)
    train_briefly(
        model,
        examples,
        collate,
        steps=FURTHER_STEPS,
        batch_size=FURTHER_BATCH_SIZE,
        learning_rate=RATE,
        seed=seed,
    )
    return model.distilbert.state_dict()


def rows(run: Experiment) -> list[dict]:
    """The reviews that a run learns from; a smaller run reads the first of a larger one."""
    return list(world.records("reviews", TRAINING_SEED + run.seed, run.labels))


def fresh_rows(count: int = ROWS) -> list[dict]:
    """Fresh reviews, the same for all runs."""
    return list(world.records("reviews", FRESH_SEED, count, "test"))


def collate(words: Any) -> Callable[[list[dict]], dict[str, torch.Tensor]]:
    """For `train_briefly`: a batch of rows with text and label."""
    return partial(fine_tuning.labelled_batch, words)


def trained(run: Experiment, steps: int = STEPS) -> Any:
    """The classifier of a run after its training, in eval mode."""
    model = classifier(run)
    train_briefly(
        model,
        rows(run),
        collate(tokenizer()),
        steps=steps,
        batch_size=BATCH_SIZE,
        learning_rate=run.rate,
        seed=run.seed,
    )
    return model


def measured(run: Experiment, steps: int = STEPS, count: int = ROWS) -> ExperimentResult:
    """Follow a run and score it on `count` fresh reviews."""
    begun = time.process_time()
    model = trained(run, steps)
    seconds = time.process_time() - begun
    counts = count_parameters(model)
    accuracy = fine_tuning.accuracy(model, tokenizer(), fresh_rows(count))
    return ExperimentResult(
        run,
        counts.trainable,
        counts.total,
        steps,
        run.rate,
        accuracy,
        round(seconds, 1),
        run_files.versions(),
    )


# --- result files -----------------------------------------------------------------------------------------


def save(result: ExperimentResult, folder: Path = RESULTS) -> Path:
    """Write one result as JSON; whether each row was right is kept as a text of 0 and 1, so
    that runs can be compared in pairs.
    """
    data = asdict(result)
    data["accuracy"]["values"] = "".join(str(int(value)) for value in result.accuracy.values)
    return run_files.write(data, folder / result.run.file)


def load(path: Path) -> ExperimentResult:
    """A result from its file."""
    data = run_files.read(path)
    score = data["accuracy"]
    score["values"] = tuple(float(value) for value in score["values"])
    return ExperimentResult(**data | {"run": Experiment(**data["run"]), "accuracy": Score(**score)})


def results(folder: Path = RESULTS) -> dict[Experiment, ExperimentResult]:
    """All saved results by their run."""
    found = [load(path) for path in sorted(folder.glob("*.json"))]
    return {result.run: result for result in found}


def by_labels(found: dict[Experiment, ExperimentResult], start: str) -> list[tuple[int, Score]]:
    """The label curve of a start: (labels, accuracy over its seeds), nothing frozen."""
    wanted = [run for run in found if run.start == start and not run.frozen]
    return [
        (labels, pooled(found[run].accuracy for run in wanted if run.labels == labels))
        for labels in sorted({run.labels for run in wanted})
    ]


def by_depth(
    found: dict[Experiment, ExperimentResult], labels: int = 1000
) -> dict[int, list[ExperimentResult]]:
    """The results of each depth of freezing, a list of its seeds."""
    wanted = [run for run in found if run.start == "pre-trained" and run.labels == labels]
    return {depth: [found[run] for run in wanted if run.frozen == depth] for depth in DEPTHS}


# --- the command ------------------------------------------------------------------------------------------


def line(result: ExperimentResult) -> str:
    """A result in one line of text."""
    run = result.run
    return (
        f"{run.start:15} {run.labels:5} labels  {DEPTHS[run.frozen]:11} frozen  seed {run.seed}  "
        f"trained {result.trainable:7,}  accuracy {result.accuracy}  {result.seconds:5.1f} s"
    )


def main(argv: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="course bench transfer", description="What a start is worth in labels, on reviews."
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="one run a seed (default 0 1)")
    parser.add_argument("--only", default="", help="runs whose file name holds this text, such as random-50")
    parser.add_argument(
        "--steps", type=int, default=STEPS, help=f"fewer steps than {STEPS}, for a try; can't be saved"
    )
    parser.add_argument("--threads", type=int, default=1, help="torch threads (default 1)")
    parser.add_argument("--saved", action="store_true", help="train nothing; print the runs that are kept")
    parser.add_argument(
        "--save", action="store_true", help="keep each run in course_utils/bench/results/transfer"
    )
    parser.add_argument("--missing", action="store_true", help="only runs that are not kept yet")
    options = parser.parse_args(argv)
    if options.save and options.steps != STEPS:
        parser.error("--save is for whole runs: leave out --steps")
    torch.set_num_threads(options.threads)
    kept = results()
    wanted = [run for run in grid(options.seeds) if options.only in run.file]
    if options.saved:
        print("\n".join(line(kept[run]) for run in wanted if run in kept))
        return 0
    for run in wanted:
        if options.missing and run in kept:
            continue
        result = measured(run, options.steps)
        print(line(result), flush=True)
        if options.save:
            save(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
