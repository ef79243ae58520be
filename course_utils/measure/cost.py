"""What a training run takes: parameters, bytes, floating-point operations, hours and money, by arithmetic.

The counts hold for two families as transformers 5.23 builds them: "t5" (an encoder and a
decoder with gated feed-forward layers) and "llama" (a decoder with gated feed-forward layers
and grouped keys and values). The tests
hold them against models built from a config: parameters and operations exactly, activations within 2 %.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

HERE = Path(__file__).parent
BACKWARD = (
    2  # the backward pass multiplies twice as much as the forward pass: for the inputs and for the weights
)
RELATIVE_BUCKETS = 32  # T5's table of relative positions, one for the encoder and one for the decoder

Line = TypeVar("Line", "Dimensions", "Accelerator")


@dataclass(frozen=True)
class Dimensions:
    """The sizes of a transformer, as its config names them.

    width: of the hidden states. head_width × heads: of the queries; head_width ×
    key_value_heads: of keys and values. layers: of the encoder ("t5") or of the whole model
    ("llama"). tied: the head shares the embedding.
    """

    name: str
    family: str
    width: int
    head_width: int
    heads: int
    key_value_heads: int
    feed_forward: int
    layers: int
    decoder_layers: int
    vocabulary: int
    tied: bool
    source: str = ""

    @property
    def inner(self) -> int:
        return self.heads * self.head_width

    @property
    def key_value(self) -> int:
        return self.key_value_heads * self.head_width


@dataclass(frozen=True)
class Tokens:
    """One batch: so many examples of `source` tokens, and for T5 of `target` tokens on the decoder's side."""

    batch: int
    source: int
    target: int = 0

    @property
    def read(self) -> int:
        return self.batch * self.source

    @property
    def written(self) -> int:
        return self.batch * self.target


@dataclass(frozen=True)
class BytesPerParameter:
    """Bytes per parameter for weights, gradients and AdamW's two averages, and per activation value.

    trained: the share of the parameters that has gradients and averages.
    """

    weights: float
    gradients: float
    optimizer: float
    activations: float
    trained: float = 1.0


# In bfloat16 every value has 2 bytes, but norms and softmax save some in float32: on small
# models of the two families 2.3 (Llama) and 2.9 (T5) bytes per value were measured. A LoRA
# still runs the whole model backwards.
RECIPES = {
    "all weights, float32": BytesPerParameter(4, 4, 8, 4),
    "all weights, bfloat16": BytesPerParameter(2, 2, 4, 2.6),
    "LoRA on 1 %, bfloat16": BytesPerParameter(2, 2, 4, 2.6, trained=0.01),
}


@dataclass(frozen=True)
class Memory:
    """Bytes of one training step."""

    weights: float
    gradients: float
    optimizer: float
    activations: float

    @property
    def total(self) -> float:
        return self.weights + self.gradients + self.optimizer + self.activations

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {getattr(self, name) / 1e9:.1f}" for name in self.__dataclass_fields__)
        return f"{self.total / 1e9:.1f} GB: {parts}"


@dataclass(frozen=True)
class Accelerator:
    """memory_gb: 10**9 bytes. peak_tflops: 10**12 operations a second that the data sheet promises."""

    name: str
    memory_gb: float
    peak_tflops: float
    dollars_per_hour: float
    source: str = ""


@dataclass(frozen=True)
class Bill:
    """What a run costs on devices of one kind. hours: of the run, however many devices work on it."""

    accelerator: str
    devices: int
    hours: float
    dollars: float

    def __str__(self) -> str:
        return f"{self.devices} × {self.accelerator}: {self.hours:,.2f} hours, {self.dollars:,.2f} dollars"


# From a config or a table


def dimensions_of(config: Any, name: str = "model") -> Dimensions:
    """The `Dimensions` in a T5Config or LlamaConfig; ValueError for other families."""
    if config.model_type == "t5" and config.is_gated_act:
        return Dimensions(
            name, "t5", config.d_model, config.d_kv, config.num_heads, config.num_heads, config.d_ff,
            config.num_layers, config.num_decoder_layers, config.vocab_size, config.tie_word_embeddings,
        )  # fmt: skip
    if config.model_type == "llama":
        return Dimensions(
            name, "llama", config.hidden_size, config.head_dim, config.num_attention_heads,
            config.num_key_value_heads, config.intermediate_size, config.num_hidden_layers, 0,
            config.vocab_size, config.tie_word_embeddings,
        )  # fmt: skip
    raise ValueError(f"The arithmetic covers gated T5 and Llama models, and not {config.model_type!r}.")


def models(path: Path | str = HERE / "models.csv") -> dict[str, Dimensions]:
    """{name: `Dimensions`} of real models, from a table that says where each line comes from."""
    return {row["name"]: _typed(Dimensions, row) for row in _rows(path)}


def accelerators(path: Path | str = HERE / "accelerators.csv") -> dict[str, Accelerator]:
    """{name: `Accelerator`} from a table: edit a copy of it, or the file itself, when prices change."""
    return {row["name"]: _typed(Accelerator, row) for row in _rows(path)}


def _rows(path: Path | str) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _typed(kind: type[Line], row: Mapping[str, str]) -> Line:
    """A row of texts as an instance of a dataclass; a message names the column that can't be read."""
    values: dict[str, Any] = {}
    for field in fields(kind):
        column: Any = field.type  # a class, as this file does not put off its annotations
        try:
            text = row[field.name]
            values[field.name] = text == "yes" if column is bool else column(text)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"Column {field.name!r} of {row.get('name')!r} should hold {column.__name__}."
            ) from error
    return kind(**values)


# Counts


def parameters(size: Dimensions) -> int:
    """How many parameters a model of these `Dimensions` has: the sum of its matrices, exactly."""
    head = 0 if size.tied else size.vocabulary * size.width
    attention = 2 * size.width * size.inner + 2 * size.width * size.key_value
    feed_forward = 3 * size.width * size.feed_forward
    if size.family == "llama":
        layer = attention + feed_forward + 2 * size.width
        return size.vocabulary * size.width + size.layers * layer + size.width + head
    encoder = size.layers * (attention + feed_forward + 2 * size.width)
    decoder = size.decoder_layers * (2 * attention + feed_forward + 3 * size.width)
    ends = 2 * size.width + 2 * RELATIVE_BUCKETS * size.heads
    return size.vocabulary * size.width + encoder + decoder + ends + head


def training_flops(size: Dimensions, tokens: Tokens) -> int:
    """Floating-point operations of one training step: forward and backward, matrix products only.

    A product of an (a × b) and a (b × c) matrix counts 2abc, as PyTorch's FlopCounterMode counts.
    """
    read, written = tokens.read, tokens.written
    attention = 2 * size.width * size.inner + 2 * size.width * size.key_value
    feed_forward = 3 * size.width * size.feed_forward
    pairs = 2 * tokens.batch * size.inner  # scores, and the mean of the values, for each pair of places
    if size.family == "llama":
        layer = read * (attention + feed_forward) + pairs * tokens.source**2
        return (1 + BACKWARD) * 2 * (size.layers * layer + read * size.width * size.vocabulary)
    encoder = read * (attention + feed_forward) + pairs * tokens.source**2
    crossed = written * (attention // 2) + read * (attention // 2) + pairs * tokens.target * tokens.source
    decoder = written * (attention + feed_forward) + pairs * tokens.target**2 + crossed
    products = size.layers * encoder + size.decoder_layers * decoder + written * size.width * size.vocabulary
    return (1 + BACKWARD) * 2 * products


def activation_values(size: Dimensions, tokens: Tokens) -> int:
    """How many values the forward pass keeps for the backward pass, without the weights.

    Counted tensor by tensor with saved_tensors_hooks on small models on a CPU, in training mode (T5 with
    dropout, whose masks have 4 bytes a value there and 1 on a GPU); a few small parts are left out. A T5
    layer keeps the attention's scores, a Llama layer does not: its fused attention computes them again.
    """
    read, written = tokens.read, tokens.written
    if size.family == "llama":
        layer = read * (8 * size.width + 2 * size.key_value + 4 * size.feed_forward + size.heads)
        return size.layers * layer + read * (3 * size.width + size.vocabulary)
    pairs = 3 * tokens.batch * size.heads
    encoder = read * (8 * size.width + 4 * size.inner + 8 * size.feed_forward + 2) + pairs * tokens.source**2
    decoder = written * (12 * size.width + 6 * size.inner + 8 * size.feed_forward + 3) + 2 * read * size.inner
    decoder += pairs * (tokens.target**2 + tokens.target * tokens.source)
    ends = 5 * (read + written) * size.width + written * size.vocabulary
    ends += 2 * (tokens.source**2 + tokens.target**2)  # who is how far from whom, as whole numbers of 8 bytes
    return size.layers * encoder + size.decoder_layers * decoder + ends


def training_memory(size: Dimensions, tokens: Tokens, recipe: BytesPerParameter) -> Memory:
    """The `Memory` of a training step under a `BytesPerParameter`, in bytes."""
    count = parameters(size)
    trained = recipe.trained * count
    return Memory(
        weights=recipe.weights * count,
        gradients=recipe.gradients * trained,
        optimizer=recipe.optimizer * trained,
        activations=recipe.activations * activation_values(size, tokens),
    )


# Money


def bill(flops: float, bytes_needed: float, accelerator: Accelerator, utilisation: float = 0.35) -> Bill:
    """The `Bill` of a run of so many operations that needs so many bytes at once.

    Devices are added until the bytes fit. utilisation: the share of the data
    sheet's speed that is reached; 0.3 to
    0.5 is usual for large models, and small ones reach far less.
    """
    if not 0 < utilisation <= 1:
        raise ValueError(f"The utilisation is {utilisation}; give a share above 0 and up to 1.")
    devices = max(1, -(-int(bytes_needed) // int(accelerator.memory_gb * 1e9)))
    hours = flops / (accelerator.peak_tflops * 1e12 * utilisation) / 3600 / devices
    return Bill(accelerator.name, devices, hours, hours * devices * accelerator.dollars_per_hour)
