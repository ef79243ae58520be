"""GPT-2 (Radford et al. 2019), and the twin that read general text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from course_utils.models.model import Advice, CardFacts, Model, Recipe

if TYPE_CHECKING:
    import torch


def _tokenizer() -> Any:
    from course_utils.models import tokenizers

    return tokenizers.byte_level_bpe(2560)


def _untrained(tokenizer: Any) -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer),
            n_embd=128,
            n_layer=4,
            n_head=4,
            n_inner=384,
            n_positions=256,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=tokenizer.eos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def _batches(step: int, tokenizer: Any) -> list[dict[str, torch.Tensor]]:
    from course_utils.models import mixture

    return [mixture.causal_batch(step, tokenizer, 24)]


MODEL = Model(
    name="gpt2",
    hub_id="openai-community/gpt2",
    revision="607a30d783dfa663caf39e06633721c8d4cfcd7e",
    files=(
        "config.json",
        "generation_config.json",
        "merges.txt",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.json",
    ),
    architecture="AutoModelForCausalLM",
    parameters=124_439_808,
    megabytes=551,
    licence="mit",
    recipe=Recipe(
        name="gpt2",
        summary="GPT-2, next-token model",
        make_tokenizer=_tokenizer,
        make_model=_untrained,
        batches=_batches,
        steps=2000,
        learning_rate=1e-3,
        finetuning_dropout=(("resid_pdrop", 0.1), ("embd_pdrop", 0.1), ("attn_pdrop", 0.1)),
    ),
    card=CardFacts(
        pipeline="text-generation",
        reads="general text, one token after the other",
        measured=("gpt2 twin",),
    ),
    advice=Advice(
        learning_rate=5e-5,
        lora_learning_rate=2e-4,
        batch_size=8,
        precision="bf16",
        longest_input=512,
        source={
            "learning_rate": "transformers, examples/pytorch/language-modeling/README.md: run_clm.py",
            "lora_learning_rate": "microsoft/LoRA, examples/NLG/README.md, gpt2-medium",
            "batch_size": "transformers, examples/pytorch/language-modeling/README.md",
            "precision": "transformers, examples/pytorch/text-classification/README.md: BERT in 16 bits",
            "longest_input": "microsoft/LoRA, examples/NLG/README.md, gpt2-medium",
        },
    ),
    twin_advice=Advice(
        learning_rate=1e-3,
        lora_learning_rate=1e-2,
        batch_size=16,
        precision="bf16",
        longest_input=256,
        source={
            "learning_rate": "the recipe that it was made by; no other was tried",
            "lora_learning_rate": "lesson 10.6; no other was tried",
            "batch_size": "lesson 10.6",
            "precision": "as for the Hub's model; not measured",
            "longest_input": "its tokenizer",
        },
    ),
)
