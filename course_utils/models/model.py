"""What a model's file declares: where it is on the Hub, and how its offline twin is made and described."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from course_utils.pinned import Pinned

if TYPE_CHECKING:
    import torch

#: Where the offline twins are, a folder each.
ASSETS = Path(__file__).parent / "assets"

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
    """A setting to train this model with, and who found it good.

    Attributes:
        setting: such as "learning rate, full fine-tuning".
        value: in words, with its unit.
        source: a paper and its section, or the command that measured it.
    """

    setting: str
    value: str
    source: str


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
        advice: how to train it.
    """

    kind: ClassVar[str] = "model"

    files: tuple[str, ...]
    architecture: str
    parameters: int
    recipe: Recipe
    card: CardFacts
    instructed_on: tuple[str, ...] = ()
    advice: tuple[Advice, ...] = ()

    @property
    def assets(self) -> Path:
        """The folder of the twin's weights, tokenizer and card."""
        return ASSETS / self.name

    def download(self) -> Path:
        """The local folder of the Hub's files, downloaded if they are not in its cache yet."""
        return self.snapshot(self.files)
