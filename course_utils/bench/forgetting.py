"""`course bench forgetting`: what a method has kept by the time it has learned,
each at the best of several rates.

Full fine-tuning, LoRA and full fine-tuning with replay teach the flan-t5 twin to summarise. First every
learning rate is tried with a seed of its own and scored on validation rows of the new task; the best one is
then run with other seeds, and on the way the model is examined on fresh rows of the new task and of the old
ones, until it has learned enough. So methods are compared where they have learned equally much, and not
where they happen to stand after equally many steps. One file a run; the lessons read them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from course_utils import instructions
from course_utils.bench import run_files
from course_utils.bench.peft_methods import LINEAR
from course_utils.datasets import corpora
from course_utils.measure.evaluation import exact_match, generate, rouge_l, task_score
from course_utils.measure.scores import Score, mean_of
from course_utils.training import fine_tuning
from course_utils.training.fine_tuning import FineTuning, fine_tune, flan

if TYPE_CHECKING:
    import pandas

RESULTS = Path(__file__).parent / "results" / "forgetting"
STEPS, STOPS = 300, (0, 50, 75, 100, 125, 150, 200, 250, 300)
QUALITY = 0.6  # ROUGE-L on the new task; a run ends at the stop that reaches it
SEEDS, TRIAL_SEED = (0, 1, 2), 100
ROWS = 100  # of the new task at each stop, and half as many of each old one


@dataclass(frozen=True)
class TuningMethod:
    """A way to fine-tune. rates: the learning rates that are tried; replay_every: every so many
    batches is one of old tasks (0: never). A single rate needs no trial.
    """

    lora: bool
    rates: tuple[float, ...]
    replay_every: int = 0


METHODS = {
    "full": TuningMethod(False, (1e-3, 3e-3, 5e-3, 1e-2)),
    "LoRA": TuningMethod(True, (3e-3, 1e-2, 2e-2, 4e-2)),
    # not tuned: it has the rate of "full", so that the two differ in one thing
    "replay": TuningMethod(False, (1e-2,), replay_every=5),
}


@dataclass(frozen=True)
class Stop:
    """What the model can do after so many steps: scores on fresh rows. known: the mean over the old tasks."""

    step: int
    rouge_l: Score
    exact_match: Score
    known: Score


@dataclass(frozen=True)
class Trial:
    """One rate, tried. rouge_l: of the new task on validation rows, at the end of the training."""

    method: str
    learning_rate: float
    seed: int
    rouge_l: Score
    versions: dict


@dataclass(frozen=True)
class Training:
    """One run at the best rate: its stops, from the untouched model to the one that has learned."""

    method: str
    learning_rate: float
    seed: int
    stops: list[Stop]
    versions: dict

    @property
    def path(self) -> list[tuple[float, float]]:
        """(known tasks, ROUGE-L of the new one) at each stop."""
        return [(stop.known.value, stop.rouge_l.value) for stop in self.stops]


def fresh(method: TuningMethod, seed: int) -> tuple[Any, Any]:
    """The model with what the method trains, and its tokenizer."""
    model, tokenizer = flan()
    torch.manual_seed(seed)
    if method.lora:
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(
            task_type="SEQ_2_SEQ_LM", r=2, lora_alpha=8, lora_dropout=0.0, target_modules=LINEAR
        )
        model = get_peft_model(model, config)
    return model, tokenizer


def tried(name: str, learning_rate: float, steps: int = STEPS, rows: int = ROWS) -> Trial:
    """Train once at a rate and score the new task on validation rows."""
    model, tokenizer = fresh(METHODS[name], TRIAL_SEED)
    fine_tune(model, tokenizer, _plan(name, learning_rate, TRIAL_SEED, steps))
    dialogues = corpora.records("dialogues", fine_tuning.FRESH_SEED, rows, "validation")
    score = task_score(model.eval(), tokenizer, "summary", dialogues, batch_size=64)
    return Trial(name, learning_rate, TRIAL_SEED, score, run_files.versions("peft"))


def best_rate(name: str, trials: Iterable[Trial]) -> float:
    """The rate whose trial scored best.

    Raises:
        ValueError: where a rate of the method has not been tried.
    """
    if len(METHODS[name].rates) == 1:
        return METHODS[name].rates[0]
    found = {trial.learning_rate: trial.rouge_l.value for trial in trials if trial.method == name}
    if missing := set(METHODS[name].rates) - found.keys():
        raise ValueError(f"{name}: try the rates {sorted(missing)} first, with course bench forgetting --try")
    return max(found, key=lambda rate: found[rate])


def trained(
    name: str,
    learning_rate: float,
    seed: int,
    stops: tuple[int, ...] = STOPS,
    rows: int = ROWS,
    quality: float = QUALITY,
) -> Training:
    """Train once, in a plan of as many steps as the last stop, and examine the model at the stops,
    up to the first one that reaches the quality.
    """
    model, tokenizer = fresh(METHODS[name], seed)
    questions = {
        task: _questions(task, rows if task == "summary" else rows // 2) for task in instructions.TASKS
    }
    found: list[Stop] = []

    def watched(batches: Iterator[dict]) -> Iterator[dict]:
        for step, batch in enumerate(batches):
            if step in stops:
                found.append(_examined(step, model, tokenizer, questions))
                if found[-1].rouge_l.value >= quality:
                    return
            yield batch
        found.append(_examined(stops[-1], model, tokenizer, questions))

    fine_tune(model, tokenizer, _plan(name, learning_rate, seed, stops[-1]), watched)
    return Training(name, learning_rate, seed, found, run_files.versions("peft"))


def _questions(task: str, count: int) -> list[dict]:
    return list(corpora.records(instructions.dataset_of(task), fine_tuning.FRESH_SEED, count, "test"))


def _plan(name: str, learning_rate: float, seed: int, steps: int) -> FineTuning:
    return FineTuning(steps, learning_rate=learning_rate, replay_every=METHODS[name].replay_every, seed=seed)


def _examined(step: int, model: Any, tokenizer: Any, questions: dict[str, list[dict]]) -> Stop:
    """The `Stop` at a step. The model comes back in the mode in which it came."""
    rows = questions["summary"]
    prompts = [instructions.prompt("summary", row) for row in rows]
    wanted = [instructions.target("summary", row) for row in rows]
    written = generate(model, tokenizer, prompts, batch_size=64)
    known = [
        task_score(model, tokenizer, task, questions[task], batch_size=64)
        for task in instructions.KNOWN_TASKS
    ]
    return Stop(step, rouge_l(written, wanted), exact_match(written, wanted), mean_of(known, name="known"))


# --- result files -----------------------------------------------------------------------------------------


def save(run: Trial | Training, folder: Path | None = None) -> Path:
    """Write a run as JSON; scores keep their interval and n, without the value of each row."""
    kind = "trial" if isinstance(run, Trial) else "training"
    path = (folder or RESULTS) / file_name(kind, run.method, run.learning_rate, run.seed)
    return run_files.write(run_files.without_values(asdict(run)), path)


def file_name(kind: str, method: str, learning_rate: float, seed: int) -> str:
    """Where a run is kept in its folder. kind: "trial" or "training"."""
    return f"{kind}-{method.lower()}-{learning_rate:g}-seed{seed}.json"


def trials(folder: Path | None = None) -> list[Trial]:
    """The saved trials, in the order of `METHODS` and of the rates."""
    found = [run_files.read(path) for path in (folder or RESULTS).glob("trial-*.json")]
    runs = [Trial(**{**each, "rouge_l": Score(**each["rouge_l"])}) for each in found]
    return sorted(runs, key=lambda run: (list(METHODS).index(run.method), run.learning_rate))


def trainings(folder: Path | None = None) -> list[Training]:
    """The saved trainings, in the order of `METHODS` and of the seeds."""
    found = [run_files.read(path) for path in (folder or RESULTS).glob("training-*.json")]
    runs = [Training(**{**each, "stops": [_stop(stop) for stop in each["stops"]]}) for each in found]
    return sorted(runs, key=lambda run: (list(METHODS).index(run.method), run.seed))


def _stop(data: dict) -> Stop:
    return Stop(data["step"], *(Score(**data[name]) for name in ("rouge_l", "exact_match", "known")))


def table(runs: Iterable[Training]) -> pandas.DataFrame:
    """A row a run: where it ended, with what it had learned there and what it had kept."""
    import pandas

    return pandas.DataFrame(
        [
            {
                "method": run.method,
                "rate": f"{run.learning_rate:g}",
                "seed": run.seed,
                "steps": run.stops[-1].step,
                "summaries, ROUGE-L": str(run.stops[-1].rouge_l),
                "summaries, exact match": str(run.stops[-1].exact_match),
                "known tasks": str(run.stops[-1].known),
            }
            for run in runs
        ]
    ).set_index("method")


# --- the command ------------------------------------------------------------------------------------------


def line(run: Trial | Training) -> str:
    """A run in one line of text."""
    head = f"{run.method:14} rate {run.learning_rate:<6g} seed {run.seed}"
    if isinstance(run, Trial):
        return f"{head}  tried: ROUGE-L {run.rouge_l}"
    end = run.stops[-1]
    return f"{head}  ROUGE-L {end.rouge_l}  exact match {end.exact_match}  known {end.known}"


def main(argv: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="course bench forgetting",
        description="What full fine-tuning, LoRA and replay keep by the time they have learned.",
    )
    parser.add_argument(
        "methods", nargs="*", metavar="METHOD", help=f"of {', '.join(METHODS)} (default: all)"
    )
    parser.add_argument("--try", dest="trying", action="store_true", help="only try the learning rates")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS), help="one training a seed")
    parser.add_argument("--threads", type=int, default=1, help="torch threads (default 1)")
    parser.add_argument("--saved", action="store_true", help="train nothing; print the runs that are kept")
    parser.add_argument(
        "--save",
        action="store_true",
        help=f"keep each run in course_utils/bench/results/{RESULTS.name}, and leave out what is kept there",
    )
    options = parser.parse_args(argv)
    if unknown := set(options.methods) - set(METHODS):
        parser.error(f"no method {', '.join(sorted(unknown))}; there are {', '.join(METHODS)}")
    chosen = options.methods or list(METHODS)
    if options.saved:
        kept: list[Trial | Training] = [*trials(), *trainings()]
        print("\n".join(line(run) for run in kept if run.method in chosen))
        return 0
    torch.set_num_threads(options.threads)
    for run in _runs(chosen, options.trying, options.seeds, anew=not options.save):
        print(line(run), flush=True)
        if options.save:
            save(run)
    return 0


def _runs(names: Iterable[str], trying: bool, seeds: Iterable[int], anew: bool) -> Iterator[Trial | Training]:
    """The runs that are asked for, one after the other. anew: also those that are kept already."""
    wanted = lambda *run: anew or not (RESULTS / file_name(*run)).is_file()  # noqa: E731
    for name in names:
        if trying:
            for rate in METHODS[name].rates:
                if wanted("trial", name, rate, TRIAL_SEED):
                    yield tried(name, rate)
        else:
            rate = best_rate(name, trials())
            for seed in seeds:
                if wanted("training", name, rate, seed):
                    yield trained(name, rate, seed)


if __name__ == "__main__":
    sys.exit(main())
