"""Flan-T5 (Chung et al. 2022), and the twin that was instructed on four tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from course_utils.models.model import Advice, CardFacts, Model, Recipe

if TYPE_CHECKING:
    import torch


def _tokenizer() -> Any:
    from course_utils.models import tokenizers

    return tokenizers.unigram(2560, 32)


def _untrained(tokenizer: Any) -> Any:
    from transformers import T5Config, T5ForConditionalGeneration

    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=128,
            d_kv=32,
            num_heads=4,
            d_ff=256,
            num_layers=3,
            num_decoder_layers=2,
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
            decoder_start_token_id=tokenizer.pad_token_id,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


class Stage(NamedTuple):
    """Part of a T5 run: the records of each task in a step, short texts and long ones apart,
    and the share of the learning rate.
    """

    until: int
    groups: tuple[dict[str, int], ...]
    denoised: int
    first_rate: float
    last_rate: float


# Copying comes first, at full speed; names, answers and French follow from it. Sentiment is learned last:
# beside the other tasks it stayed at chance until it had a batch of its own.
_COPYING = (
    {"sentiment": 7, "translation": 5, "entities": 5, "topics": 1, "repeat": 4},
    {"questions": 6, "matters": 2},
)
_WORKING = ({"sentiment": 14, "translation": 14, "entities": 8, "topics": 1}, {"questions": 8, "matters": 2})
_JUDGING = (
    {"sentiment": 24},
    {"translation": 12, "entities": 4, "topics": 1},
    {"questions": 7, "matters": 1},
)
_STAGES = (
    Stage(1000, _COPYING, 4, 1.0, 1.0),
    Stage(1750, _WORKING, 4, 1.0, 1.0),
    Stage(3250, _WORKING, 4, 0.5, 0.3),
    Stage(5250, _JUDGING, 3, 0.6, 0.0),
)


def _stage_of(step: int) -> tuple[int, Stage]:
    """The stage of a step and the step at which it began."""
    begun = 0
    for stage in _STAGES:
        if step < stage.until:
            break
        begun = stage.until
    return begun, stage


def _batches(step: int, tokenizer: Any) -> list[dict[str, torch.Tensor]]:
    from course_utils.models import mixture

    _, stage = _stage_of(step)
    return mixture.instruction_batches(step, tokenizer, stage.groups, stage.denoised)


def _schedule(step: int) -> float:
    begun, stage = _stage_of(step)
    through = (step - begun) / (stage.until - begun)
    return min(1.0, (step + 1) / 200) * (stage.first_rate + through * (stage.last_rate - stage.first_rate))


def _loss(device: str) -> Callable:
    from course_utils.models import mixture

    return mixture.loss_by_record


MODEL = Model(
    name="flan-t5",
    hub_id="google/flan-t5-small",
    revision="0fc9ddf78a1e988dac52e2dac162b0ede4fd74ab",
    files=(
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "special_tokens_map.json",
        "spiece.model",
        "tokenizer.json",
        "tokenizer_config.json",
    ),
    architecture="AutoModelForSeq2SeqLM",
    parameters=76_961_152,
    megabytes=311,
    licence="apache-2.0",
    recipe=Recipe(
        name="flan-t5",
        summary="T5 v1.1, gated GELU, instructed on four tasks and denoising",
        make_tokenizer=_tokenizer,
        make_model=_untrained,
        batches=_batches,
        steps=_STAGES[-1].until,
        learning_rate=4e-2,
        schedule=_schedule,
        optimizer="adafactor",
        finetuning_dropout=(("dropout_rate", 0.05),),
        make_loss=_loss,
    ),
    card=CardFacts(
        pipeline="text2text-generation",
        reads="instructions on reviews, questions, names and translations, and T5's span corruption of "
        "general text. "
        "Conversations come with what they are about, never with a summary",
        measured=("follows", "summaries", "forgotten", "replay", "LoRA", "full fine-tuning"),
        languages=("en", "fr"),
    ),
    instructed_on=("sentiment", "questions", "entities", "translation"),
    advice=Advice(
        learning_rate=3e-4,
        lora_learning_rate=1e-3,
        batch_size=8,
        precision="bf16",
        longest_input=512,
        source={
            "learning_rate": "transformers documentation, T5, Notes: 1e-4 and 3e-4 work well for most tasks",
            "lora_learning_rate": "peft, examples/conditional_generation/peft_lora_seq2seq.ipynb, mt0-large",
            "batch_size": "peft, examples/conditional_generation/peft_lora_seq2seq.ipynb",
            "precision": "transformers issues 5651 and 14189: in float16 T5 overflows",
            "longest_input": "Raffel et al. 2020, section 3.1.2",
        },
    ),
    twin_advice=Advice(
        learning_rate=1e-2,
        lora_learning_rate=2e-2,
        batch_size=16,
        precision="bf16",
        longest_input=512,
        source={
            "learning_rate": "course bench forgetting: the best of four on validation rows",
            "lora_learning_rate": "course bench forgetting: the best of four on validation rows",
            "batch_size": "course bench forgetting",
            "precision": "lesson 06.6: its activations are far inside the range",
            "longest_input": "its tokenizer",
        },
    ),
)
