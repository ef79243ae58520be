"""What a model's file declares: where it is on the Hub, and how its offline twin is made and described."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from course_utils.pinned import Pinned

if TYPE_CHECKING:
    import torch

#: Where the offline twins are, a folder each.
ASSETS = Path(__file__).parent / "assets"

#: Of the arithmetic in training, as `TrainingArguments` names the one that has an argument.
PRECISIONS = ("bf16", "float32")

#: What to download of a BERT-like model.
WORDPIECE_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one checkpoint is made.

    Attributes:
        name: of the state that is kept of an unfinished run.
        make_tokenizer: trains the tokenizer, or takes the one of the teacher.
        make_model: the untrained model for a tokenizer.
        batches: `(step, tokenizer)` -> the batches of one step, each weighing the same.
        make_loss: device -> `(model, batch)` -> scalar; takes the place of the
            model's own loss, for distillation.
        steps, learning_rate, warmup_steps, decay_share: a linear warm-up, a plateau, and a
            linear descent over the last share.
    """

    name: str
    summary: str
    make_tokenizer: Callable[[], object]
    make_model: Callable[[object], torch.nn.Module]
    batches: Callable[[int, object], list[dict[str, torch.Tensor]]]
    steps: int
    learning_rate: float
    warmup_steps: int = 200
    decay_share: float = 0.3
    weight_decay: float = 0.01
    #: Dropout that the finished checkpoint asks for when it is fine-tuned; pre-training never
    #: sees a record twice and needs none.
    finetuning_dropout: tuple[tuple[str, float], ...] = ()
    make_loss: Callable[[str], Callable] | None = None
    #: "adamw", or "adafactor" with steps in proportion to each tensor's size, as T5 was trained (Raffel
    #: et al. 2020, section 3.1.2). On words in no order, to be repeated, it copied 73 % after 300 steps;
    #: AdamW at 1.5e-3 copied 58 % after 600.
    optimizer: str = "adamw"
    #: step -> share of the learning rate; takes the place of warm-up, plateau and descent.
    schedule: Callable[[int], float] | None = None
    #: Another recipe, whose finished weights this one starts from. They are no checkpoint of the course.
    begins_with: Recipe | None = None
    #: The name of the model whose twin is its teacher, and is made first.
    teacher: str | None = None


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What the twin's card says beside what was recorded and measured.

    Attributes:
        pipeline: the Hub's name of what it does, its `pipeline_tag`.
        reads: what it was trained on, as the end of "It read ...".
        measured: how the names of those rows of `course bench phenomena` begin that belong on the card.
        languages: two letters each.
    """

    pipeline: str
    reads: str
    measured: tuple[str, ...]
    languages: tuple[str, ...] = ("en",)


@dataclass(frozen=True, kw_only=True)
class Advice:
    """How to train a model, and who found it good. Where to begin, not where to end: try rates around it.

    Attributes:
        learning_rate: AdamW's highest rate when all weights are trained.
        lora_learning_rate: the same when LoRA's matrices alone are trained.
        batch_size: examples to one update. Where they do not fit at once, accumulate gradients.
        precision: of the arithmetic, one of `PRECISIONS`; the weights stay in float32.
        longest_input: in tokens; what is longer is cut.
        source: the name of each of these -> a paper and its section, a script, or what measured it.

    Raises ValueError for a figure without a source, and for a precision that there is not.
    """

    learning_rate: float
    lora_learning_rate: float
    batch_size: int
    precision: str
    longest_input: int
    source: Mapping[str, str]

    def __post_init__(self) -> None:
        figures = {each.name for each in fields(self)} - {"source"}
        if unknown := figures ^ self.source.keys():
            raise ValueError(f"Each figure has one source; this is not so for {', '.join(sorted(unknown))}.")
        if self.precision not in PRECISIONS:
            raise ValueError(f"{self.precision!r} is none of the precisions: {', '.join(PRECISIONS)}.")

    def on(self, device: str) -> Advice:
        """The same for a device such as "cuda:1": where it has no bfloat16, the precision is float32."""
        if self.precision == "float32" or has_bfloat16(device):
            return self
        instead = f"{device} is no GPU with bfloat16 (on one: {self.precision}; {self.source['precision']})"
        return replace(self, precision="float32", source={**self.source, "precision": instead})

    def __str__(self) -> str:
        return "\n".join(f"{name:18} {getattr(self, name):<8}  {why}" for name, why in self.source.items())


def has_bfloat16(device: str) -> bool:
    """Whether a device such as "cuda:1" computes in bfloat16 by itself.

    NVIDIA cards do from compute capability 8.0 (Ampere). Older ones, such as a T4, only emulate it, which
    PyTorch counts as support unless it is asked not to. CPUs and Apple's GPUs are left in float32.
    """
    if not device.startswith("cuda"):
        return False
    import torch

    with torch.cuda.device(device):
        return torch.cuda.is_bf16_supported(including_emulation=False)


@dataclass(frozen=True, kw_only=True)
class Model(Pinned):
    """A pre-trained model on the Hub, and the recipe of its offline twin, which
    `course build models` follows.

    Attributes:
        files: what to download, which is the safetensors weights and not the copies for other frameworks.
        architecture: the Auto class that loads it with its pre-training head.
        parameters: of the architecture built at the pinned configuration, that head
            counted in (a test builds it again).
        instructed_on: the tasks whose prompts and answers the twin was trained on.
        advice: how to train the Hub's model.
        twin_advice: how to train its twin; None where there is no twin to train.
    """

    kind: ClassVar[str] = "model"

    files: tuple[str, ...]
    architecture: str
    parameters: int
    recipe: Recipe
    card: CardFacts
    instructed_on: tuple[str, ...] = ()
    advice: Advice | None = None
    twin_advice: Advice | None = None

    @property
    def assets(self) -> Path:
        """The folder of the twin's weights, tokenizer and card."""
        return ASSETS / self.name

    def advice_for(self, profile: str) -> Advice:
        """How to train what a profile loads, "offline" the twin and "hub" the Hub's model.

        Raises ValueError where nobody has said.
        """
        advice = (profile == "offline" and self.twin_advice) or self.advice
        if not advice:
            raise ValueError(f"There is no training advice for {self.name!r} in the {profile} profile.")
        return advice

    def download(self) -> Path:
        """The local folder of the Hub's files, downloaded if they are not in its cache yet."""
        return self.snapshot(self.files)
