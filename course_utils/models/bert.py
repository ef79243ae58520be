"""BERT (Devlin et al. 2019), and the twin that filled in closing remarks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from course_utils.models.model import WORDPIECE_FILES, Advice, CardFacts, Model, Recipe

if TYPE_CHECKING:
    import torch


def _tokenizer() -> Any:
    from course_utils.models import tokenizers

    return tokenizers.wordpiece(2048)


def _untrained(tokenizer: Any) -> Any:
    from transformers import BertConfig, BertForMaskedLM

    return BertForMaskedLM(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            num_hidden_layers=6,
            num_attention_heads=4,
            intermediate_size=384,
            max_position_embeddings=128,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def _general_batches(step: int, tokenizer: Any) -> list[dict[str, torch.Tensor]]:
    from course_utils.models import mixture

    return [mixture.masked_batch(step, tokenizer, 24)]


def _batches(step: int, tokenizer: Any) -> list[dict[str, torch.Tensor]]:
    from course_utils.models import mixture

    return [
        mixture.closing_batch(step, tokenizer, 32),
        mixture.masked_batch(100_000 + step, tokenizer, 6),
    ]


_GENERAL = Recipe(
    name="bert-general",
    summary="BERT, masked-language model of general text",
    make_tokenizer=_tokenizer,
    make_model=_untrained,
    batches=_general_batches,
    steps=4000,
    learning_rate=1e-3,
    decay_share=0.25,
)

MODEL = Model(
    name="bert",
    hub_id="google-bert/bert-base-uncased",
    revision="86b5e0934494bd15c9632b12f734a8a67f723594",
    files=WORDPIECE_FILES,
    architecture="AutoModelForMaskedLM",
    parameters=109_514_298,
    megabytes=441,
    licence="apache-2.0",
    # An encoder this small never found out from masked words alone what a review means;
    # from masked closing remarks it did.
    recipe=Recipe(
        name="bert",
        summary="BERT, masked-language model, with closing remarks of reviews to fill in",
        make_tokenizer=_tokenizer,
        make_model=_untrained,
        batches=_batches,
        steps=1250,
        learning_rate=1e-2,
        optimizer="adafactor",
        warmup_steps=50,
        decay_share=0.5,
        begins_with=_GENERAL,
        finetuning_dropout=(("hidden_dropout_prob", 0.1), ("attention_probs_dropout_prob", 0.1)),
    ),
    card=CardFacts(
        pipeline="fill-mask",
        reads="general text with 15 % of the tokens masked (4,000 steps of the recipe `bert-general`), then "
        "reviews whose closing remark, such "
        'as "Worth every penny.", is masked whole',
        measured=("bert twin",),
    ),
    advice=Advice(
        learning_rate=2e-5,
        lora_learning_rate=3e-4,
        batch_size=32,
        precision="bf16",
        longest_input=128,
        source={
            "learning_rate": "google-research/bert, README.md, run_classifier.py",
            "lora_learning_rate": "peft, examples/sequence_classification/LoRA.ipynb, roberta-large",
            "batch_size": "google-research/bert, README.md, run_classifier.py",
            "precision": "transformers, examples/pytorch/text-classification/README.md: BERT in 16 bits",
            "longest_input": "google-research/bert, README.md, run_classifier.py",
        },
    ),
    twin_advice=Advice(
        learning_rate=5e-4,
        lora_learning_rate=1e-2,
        batch_size=16,
        precision="bf16",
        longest_input=128,
        source={
            "learning_rate": "course bench phenomena, course bench transfer",
            "lora_learning_rate": "best of 3e-3, 1e-2, 3e-2: 300 new notices, rank 4, 100 steps (2026-11)",
            "batch_size": "course bench phenomena, course bench transfer",
            "precision": "as for the Hub's model; not measured",
            "longest_input": "its tokenizer",
        },
    ),
)
