"""`course bench peft`: what each way of fine-tuning costs, what it learns and what it
forgets; one result file a run.

All runs teach the flan-t5 twin to summarise, with the same rows in the same order and the same number of
steps. What differs is which weights are trained and, as each method needs its own, the learning rate. The
lessons read these files and repeat some runs.
"""

from __future__ import annotations

import argparse
import copy
import sys
import tempfile
import time
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from course_utils import instructions
from course_utils.bench import run_files
from course_utils.bench.run_files import pooled
from course_utils.datasets import corpora
from course_utils.measure import memory
from course_utils.measure.activations import activation_bytes
from course_utils.measure.evaluation import heldout_loss, task_score
from course_utils.measure.scores import Score, difference, mean_of
from course_utils.training import adapters, fine_tuning, four_bits
from course_utils.training.fine_tuning import FineTuning, fine_tune

if TYPE_CHECKING:
    import pandas

RESULTS = Path(__file__).parent / "results" / "peft"
LINEAR = ["q", "k", "v", "o", "wi_0", "wi_1", "wo"]  # the linear layers of a T5 block
STEPS, BATCH_SIZE, ROWS = 150, 8, 100


@dataclass(frozen=True)
class Method:
    """A way to fine-tune.

    Attributes:
        kind: a configuration class of peft, "Bottleneck" for the adapter of
            training/adapters.py, "" for all weights.
        settings: what it is made with.
        learning_rate: the better of those tried with another seed on validation rows.
        four_bits: the frozen linear layers are held in NF4.
        replay_every: every so many batches is one of old tasks; 0: never.
        steps: 0 leaves the model untouched.
    """

    kind: str
    settings: dict = field(default_factory=dict)
    learning_rate: float = 0.0
    four_bits: bool = False
    replay_every: int = 0
    steps: int = STEPS


_LORA = {"r": 3, "lora_alpha": 12, "target_modules": LINEAR}
METHODS = {
    "untouched": Method("", steps=0),
    "full": Method("", learning_rate=5e-3),
    "full + replay": Method("", learning_rate=5e-3, replay_every=5),
    "LoRA": Method("LoraConfig", _LORA, 1.5e-2),
    "LoRA + replay": Method("LoraConfig", _LORA, 1.5e-2, replay_every=5),
    "LoRA, gentle": Method("LoraConfig", _LORA, 3e-3),
    "LoRA, q and v": Method("LoraConfig", {"r": 8, "lora_alpha": 32, "target_modules": ["q", "v"]}, 1.5e-2),
    "LoRA, decoder": Method(
        "LoraConfig",
        {"r": 6, "lora_alpha": 24, "target_modules": r".*decoder.*\.(q|k|v|o|wi_0|wi_1|wo)"},
        1.5e-2,
    ),
    "DoRA": Method("LoraConfig", _LORA | {"use_dora": True}, 1.5e-2),
    "QLoRA": Method("LoraConfig", _LORA, 1.5e-2, four_bits=True),
    "bottleneck": Method("Bottleneck", {"width": 16}, 4e-2),
    "prefix tuning": Method("PrefixTuningConfig", {"num_virtual_tokens": 20}, 3e-1),
    "prompt tuning": Method("PromptTuningConfig", {"num_virtual_tokens": 20}, 1.0),
    "IA3": Method("IA3Config", {"target_modules": ["k", "v", "wo"], "feedforward_modules": ["wo"]}, 1e-1),
    "layer norms": Method("LNTuningConfig", {"target_modules": ["layer_norm", "final_layer_norm"]}, 1e-1),
}


def applied(method: Method, model: Any) -> Any:
    """The model with the method's trainable parts in it; the model that came is
    changed, so hand over a copy.
    """
    if method.four_bits:
        _squeeze(model)
    if not method.kind:
        return model
    if method.kind == "Bottleneck":
        return adapters.add_bottlenecks(model, **method.settings)
    import peft

    with (
        warnings.catch_warnings()
    ):  # peft says that it does not know T5's own kind of layer norm; its weight is a vector like any other's
        warnings.filterwarnings("ignore", message="Unsupported layer type")
        return peft.get_peft_model(
            model, getattr(peft, method.kind)(task_type="SEQ_2_SEQ_LM", **method.settings)
        )


@torch.no_grad()
def _squeeze(model: Any) -> None:
    """Round the linear layers of the blocks to what NF4 can say.

    The arithmetic stays float32, as in QLoRA, which unpacks first.
    """
    for layer in _linear_layers(model):
        layer.weight.copy_(four_bits.squeeze(layer.weight))


def _linear_layers(model: Any) -> list[torch.nn.Linear]:
    return [
        layer
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Linear) and name.split(".")[-1] in LINEAR
    ]


@dataclass(frozen=True)
class MethodResult:
    """One run, as its file has it.

    Attributes:
        memory: bytes of weights, gradients, optimizer values and, for one batch of the plan, activations.
        file_bytes: what has to be kept of the fine-tuned model, as safetensors.
        seconds, processor_seconds: of the training alone, by the clock on the wall and of this process.
        scores: by task, on fresh rows; heldout_loss: nats a token on fresh general text.
        forgotten: how far the mean score of the known tasks fell, row by row;
            learned: how far the summaries rose.
    """

    method: str
    seed: int
    config: dict
    plan: dict
    trainable: int
    total: int
    memory: dict[str, int]
    file_bytes: int
    seconds: float
    processor_seconds: float
    scores: dict[str, Score]
    heldout_loss: Score
    learned: Score
    forgotten: Score
    versions: dict

    @property
    def share(self) -> float:
        """Trained parameters as a share of all."""
        return self.trainable / self.total

    @property
    def memory_bytes(self) -> int:
        return sum(self.memory.values())

    @property
    def file(self) -> str:
        """The name of its file, "lora-q-and-v-seed0.json"."""
        words = "".join(letter if letter.isalnum() else " " for letter in self.method.lower()).split()
        return f"{'-'.join(words)}-seed{self.seed}.json"


@dataclass(frozen=True)
class Trained:
    """A model fresh from its training, and what that took."""

    method: str
    plan: FineTuning
    model: torch.nn.Module
    tokenizer: object
    memory: dict[str, int]
    seconds: float
    processor_seconds: float


def trained(name: str, seed: int = 0, steps: int | None = None) -> Trained:
    """Train a fresh flan-t5 twin by one method; it comes back in eval mode.

    Args:
        name: one of `METHODS`.
        seed: of the training rows, their order, dropout and new weights.
        steps: fewer steps than the method's, for a try.

    Raises:
        ValueError: for an unknown method.
    """
    if name not in METHODS:
        raise ValueError(f"There is no method {name!r}; there are {', '.join(METHODS)}.")
    method = METHODS[name]
    plan = FineTuning(
        method.steps if steps is None else steps, BATCH_SIZE, method.learning_rate, method.replay_every, seed
    )
    original, tokenizer = _original()
    torch.manual_seed(seed)
    model = applied(method, copy.deepcopy(original))
    held = _memory(method, model, tokenizer, plan)
    begun = time.process_time()
    seconds = fine_tune(model, tokenizer, plan) if plan.steps else 0.0
    return Trained(name, plan, model.eval(), tokenizer, held, seconds, time.process_time() - begun)


def measured(run: Trained, rows: int = ROWS) -> MethodResult:
    """What a trained model costs, learned and forgot, against the untouched twin.

    Args:
        rows: fresh rows behind the score of each task; the summaries get twice as many.
    """
    before, _ = _before(rows)
    scores, loss = _scored(run.model, run.tokenizer, rows)
    counts = memory.count_parameters(run.model)
    falls = [difference(before[task], scores[task]) for task in instructions.KNOWN_TASKS]
    return MethodResult(
        method=run.method,
        seed=run.plan.seed,
        config=asdict(METHODS[run.method]),
        plan=asdict(run.plan),
        trainable=counts.trainable if run.plan.steps else 0,
        total=counts.total,
        memory=run.memory,
        file_bytes=_file_bytes(run.model),
        seconds=round(run.seconds, 1),
        processor_seconds=round(run.processor_seconds, 1),
        scores=scores,
        heldout_loss=loss,
        learned=difference(scores["summary"], before["summary"]),
        forgotten=mean_of(falls, name="forgotten"),
        versions=run_files.versions("peft"),
    )


@cache
def _original() -> tuple[Any, Any]:
    return fine_tuning.flan()


def _scored(model: Any, tokenizer: Any, rows: int) -> tuple[dict[str, Score], Score]:
    """The score of every task, and the loss on general text."""
    fresh = lambda kind, count: list(corpora.records(kind, fine_tuning.FRESH_SEED, count, "test"))  # noqa: E731
    count = {task: rows * (2 if task == "summary" else 1) for task in instructions.TASKS}
    scores = {
        task: task_score(
            model, tokenizer, task, fresh(instructions.dataset_of(task), count[task]), batch_size=64
        )
        for task in instructions.TASKS
    }
    return scores, heldout_loss(model, tokenizer, [row["text"] for row in fresh("general-text", rows)])


@cache
def _before(rows: int) -> tuple[dict[str, Score], Score]:
    return _scored(*_original(), rows)


def _memory(method: Method, model: Any, tokenizer: Any, plan: FineTuning) -> dict[str, int]:
    if not plan.steps:
        return {"weights": memory.training_memory(model).weights}
    held = memory.training_memory(model)
    weights = held.weights
    if method.four_bits:
        frozen = sum(layer.weight.numel() for layer in _linear_layers(copy.deepcopy(_original()[0])))
        weights -= round(frozen * (32 - four_bits.bits_per_weight()) / 8)
    batch = next(iter(fine_tuning.summary_batches(tokenizer, replace(plan, steps=1, replay_every=0))))
    return {
        "weights": weights,
        "gradients": held.gradients,
        "optimizer": held.optimizer,
        "activations": activation_bytes(model, batch),
    }


def _file_bytes(model: Any) -> int:
    """Bytes of the safetensors file that `save_pretrained` writes; for bottlenecks, of the adapters alone."""
    from safetensors.torch import save

    if adapter := adapters.adapter_state(model):
        return len(save(adapter))
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return sum(path.stat().st_size for path in Path(folder).glob("*.safetensors"))


# --- result files -----------------------------------------------------------------------------------------


def save(result: MethodResult, folder: Path = RESULTS) -> Path:
    """Write one result as JSON; scores keep their interval and n, without the value of each row."""
    return run_files.write(run_files.without_values(asdict(result)), folder / result.file)


def load(path: Path) -> MethodResult:
    """A result from its file."""
    data = run_files.read(path)
    data["scores"] = {task: Score(**score) for task, score in data["scores"].items()}
    for name in ("heldout_loss", "learned", "forgotten"):
        data[name] = Score(**data[name])
    return MethodResult(**data)


def results(folder: Path = RESULTS) -> list[MethodResult]:
    """All saved results, in the order of `METHODS` and then of the seeds."""
    found = [load(path) for path in folder.glob("*.json")]
    order = list(METHODS)
    return sorted(found, key=lambda result: (order.index(result.method), result.seed))


def by_method(found: Iterable[MethodResult]) -> dict[str, list[MethodResult]]:
    """The results of each method, a list of its seeds."""
    groups: dict[str, list[MethodResult]] = {}
    for result in found:
        groups.setdefault(result.method, []).append(result)
    return groups


def table(found: Iterable[MethodResult]) -> pandas.DataFrame:
    """A pandas DataFrame of texts, one row a method: what it trains, holds, takes and
    keeps on disk, learned and forgot.
    """
    import pandas

    rows = {}
    for name, runs in by_method(found).items():
        first = runs[0]
        rows[name] = {
            "trained": f"{first.share:.2%}",
            "memory (MB)": f"{first.memory_bytes / 1e6:.1f}",
            "time (s)": f"{sum(run.processor_seconds for run in runs) / len(runs):.0f}",
            "file (kB)": f"{first.file_bytes / 1e3:.0f}",
            "learned": str(pooled(run.learned for run in runs)),
            "forgotten": str(pooled(run.forgotten for run in runs)),
            "general text (nats)": str(pooled(run.heldout_loss for run in runs)),
            "seeds": len(runs),
        }
    return pandas.DataFrame(rows).T


# --- the command ------------------------------------------------------------------------------------------


def line(result: MethodResult) -> str:
    """A result in one line of text."""
    return (
        f"{result.method:14} seed {result.seed}  trained {result.share:7.3%}  memory "
        f"{result.memory_bytes / 1e6:6.1f} MB  file {result.file_bytes / 1e3:7.1f} kB  "
        f"{result.processor_seconds:5.1f} s  learned {result.learned}  forgotten {result.forgotten}"
    )


def main(argv: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="course bench peft", description="Fine-tune the flan-t5 twin by each method and measure it."
    )
    parser.add_argument(
        "methods", nargs="*", metavar="METHOD", help=f"which ones (default: all): {', '.join(METHODS)}"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="one run a seed (default 0)")
    parser.add_argument(
        "--rows", type=int, default=ROWS, help=f"fresh rows behind each score (default {ROWS})"
    )
    parser.add_argument(
        "--steps", type=int, help=f"fewer steps than the {STEPS} of the lesson, for a try; can't be saved"
    )
    parser.add_argument("--threads", type=int, default=1, help="torch threads (default 1)")
    parser.add_argument("--saved", action="store_true", help="train nothing; print the runs that are kept")
    parser.add_argument(
        "--save",
        action="store_true",
        help="keep each run in course_utils/bench/results/peft, which the lesson reads",
    )
    options = parser.parse_args(argv)
    if unknown := set(options.methods) - set(METHODS):
        parser.error(f"no method {', '.join(sorted(unknown))}; there are {', '.join(METHODS)}")
    if options.save and options.steps is not None:
        parser.error("--save is for whole runs: leave out --steps")
    if options.saved:
        print(
            "\n".join(line(result) for result in results() if result.method in (options.methods or METHODS))
        )
        return 0
    torch.set_num_threads(options.threads)
    for seed in options.seeds:
        for name in options.methods or METHODS:
            result = measured(trained(name, seed, options.steps), options.rows)
            print(line(result), flush=True)
            if options.save:
                save(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
