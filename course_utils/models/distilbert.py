"""DistilBERT (Sanh et al. 2019), and the twin that was distilled from the bert twin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from course_utils.batches import IGNORED
from course_utils.models.model import ASSETS, WORDPIECE_FILES, Advice, CardFacts, Model, Recipe

if TYPE_CHECKING:
    import torch


def _teacher_tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(ASSETS / "bert")


def _untrained(tokenizer: Any) -> Any:
    """Half of the teacher's layers, each second one, as in Sanh et al. 2019, section 3."""
    from transformers import BertForMaskedLM, DistilBertConfig, DistilBertForMaskedLM

    teacher = BertForMaskedLM.from_pretrained(ASSETS / "bert")
    shape = teacher.config
    student = DistilBertForMaskedLM(
        DistilBertConfig(
            vocab_size=shape.vocab_size,
            dim=shape.hidden_size,
            n_layers=shape.num_hidden_layers // 2,
            n_heads=shape.num_attention_heads,
            hidden_dim=shape.intermediate_size,
            max_position_embeddings=shape.max_position_embeddings,
            dropout=0.0,
            attention_dropout=0.0,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    student.load_state_dict(_student_state(teacher.state_dict(), shape.num_hidden_layers // 2), strict=False)
    return student


_LAYER_NAMES = {
    "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1",
    "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
}
_SHARED_NAMES = {
    "bert.embeddings.word_embeddings": "distilbert.embeddings.word_embeddings",
    "bert.embeddings.position_embeddings": "distilbert.embeddings.position_embeddings",
    "bert.embeddings.LayerNorm": "distilbert.embeddings.LayerNorm",
    "cls.predictions.transform.dense": "vocab_transform",
    "cls.predictions.transform.LayerNorm": "vocab_layer_norm",
    "cls.predictions.decoder": "vocab_projector",
}


def _student_state(teacher: dict[str, torch.Tensor], layers: int) -> dict[str, torch.Tensor]:
    names = dict(_SHARED_NAMES)
    for layer in range(layers):
        names |= {
            f"bert.encoder.layer.{2 * layer}.{old}": f"distilbert.transformer.layer.{layer}.{new}"
            for old, new in _LAYER_NAMES.items()
        }
    return {
        f"{new}.{part}": teacher[f"{old}.{part}"]
        for old, new in names.items()
        for part in ("weight", "bias")
        if f"{old}.{part}" in teacher
    }


def _distillation(device: str) -> Callable:
    """Soft targets at temperature 2, the masked-language-model loss, and the cosine of the
    last hidden states (Sanh et al. 2019).
    """
    import torch
    from transformers import BertForMaskedLM

    teacher = BertForMaskedLM.from_pretrained(ASSETS / "bert").eval().to(device)
    temperature = 2.0

    def loss(student: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        learned = student(**batch, output_hidden_states=True)
        with torch.no_grad():
            taught = teacher(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                output_hidden_states=True,
            )
        real, masked = batch["attention_mask"].bool(), batch["labels"] != IGNORED
        soft = (
            torch.nn.functional.kl_div(
                (learned.logits[masked] / temperature).log_softmax(-1),
                (taught.logits[masked] / temperature).softmax(-1),
                reduction="batchmean",
            )
            * temperature**2
        )
        direction = (
            1
            - torch.cosine_similarity(
                learned.hidden_states[-1][real], taught.hidden_states[-1][real], dim=-1
            ).mean()
        )
        return 5 * soft + 2 * learned.loss + direction

    return loss


def _batches(step: int, tokenizer: Any) -> list[dict[str, torch.Tensor]]:
    from course_utils.models import mixture

    return [
        mixture.closing_batch(100_000 + step, tokenizer, 24),
        mixture.masked_batch(200_000 + step, tokenizer, 6),
    ]


MODEL = Model(
    name="distilbert",
    hub_id="distilbert/distilbert-base-uncased",
    revision="12040accade4e8a0f71eabdb258fecc2e7e948be",
    files=WORDPIECE_FILES,
    architecture="AutoModelForMaskedLM",
    parameters=66_985_530,
    megabytes=269,
    licence="apache-2.0",
    recipe=Recipe(
        name="distilbert",
        summary="DistilBERT, distilled from the bert twin",
        make_tokenizer=_teacher_tokenizer,
        make_model=_untrained,
        batches=_batches,
        steps=1500,
        learning_rate=1e-2,
        optimizer="adafactor",
        warmup_steps=50,
        decay_share=0.5,
        make_loss=_distillation,
        teacher="bert",
        finetuning_dropout=(("dropout", 0.1), ("attention_dropout", 0.1)),
    ),
    card=CardFacts(
        pipeline="fill-mask",
        reads="reviews with masked closing remarks and general text, like its teacher, which gives soft "
        "targets at temperature 2 and its last "
        "hidden states",
        measured=("distilbert", "200 labels", "6000 labels"),
    ),
    advice=Advice(
        learning_rate=2e-5,
        lora_learning_rate=3e-4,
        batch_size=16,
        precision="bf16",
        longest_input=128,
        source={
            "learning_rate": "transformers documentation, text classification, which trains this model",
            "lora_learning_rate": "peft, examples/sequence_classification/LoRA.ipynb, roberta-large",
            "batch_size": "transformers documentation, text classification",
            "precision": "transformers, examples/pytorch/text-classification/README.md: BERT in 16 bits",
            "longest_input": "card of distilbert-base-uncased-finetuned-sst-2-english",
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
