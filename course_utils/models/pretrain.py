"""The recipes of the checkpoints that ship with the course, and the one loop that follows them.

``course build models`` trains what is missing, on CPU or GPU. Every batch is a function of the step, and the state is saved as the
run goes, so a run that was cut off goes on where it was and ends with the same weights.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from course_utils import world
from course_utils.models import mixture, tokenizers

ASSETS = Path(__file__).parent / "assets"
_SAVE_EVERY = 250
_REPORT_EVERY = 50

Batches = Callable[[int, object], list[dict[str, torch.Tensor]]]


@dataclass(frozen=True)
class Recipe:
    """How one checkpoint is made.

    Attributes:
        make_tokenizer: trains the tokenizer, or takes the one of the teacher.
        make_model: the untrained model for a tokenizer.
        batches: ``(step, tokenizer)`` -> the batches of one step, each weighing the same.
        loss: ``(model, batch)`` -> scalar; takes the place of the model's own loss, for distillation.
        steps, learning_rate, warmup_steps, decay_share: a linear warm-up, a plateau, and a linear descent over the last share.
    """

    name: str
    summary: str
    make_tokenizer: Callable[[], object]
    make_model: Callable[[object], torch.nn.Module]
    batches: Batches
    steps: int
    learning_rate: float
    warmup_steps: int = 200
    decay_share: float = 0.3
    weight_decay: float = 0.01
    #: Dropout that the finished checkpoint asks for when it is fine-tuned; pre-training never sees a record twice and needs none.
    finetuning_dropout: tuple[tuple[str, float], ...] = ()
    make_loss: Callable[[str], Callable] | None = None
    #: "adamw", or "adafactor" with steps in proportion to each tensor's size, as T5 was trained (Raffel et al. 2020, section 3.1.2).
    #: On words in no order, to be repeated, it copied 73 % after 300 steps; AdamW at 1.5e-3 copied 58 % after 600.
    optimizer: str = "adamw"
    #: step -> share of the learning rate; takes the place of warm-up, plateau and descent.
    schedule: Callable[[int], float] | None = None
    #: Another recipe, whose finished weights this one starts from.
    begins_with: str | None = None
    #: Whether the result is a checkpoint of the course, or only a beginning for another.
    shipped: bool = True


def _flan_t5(tokenizer):
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
    """Part of a T5 run: the records of each task in a step, short texts and long ones apart, and the share of the learning rate."""

    until: int
    groups: tuple[dict[str, int], ...]
    denoised: int
    first_rate: float
    last_rate: float


# Copying comes first, at full speed; names, answers and French follow from it. Sentiment is learned last: beside the other tasks it
# stayed at chance until it had a batch of its own.
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
_FLAN_STAGES = (
    Stage(1000, _COPYING, 4, 1.0, 1.0),
    Stage(1750, _WORKING, 4, 1.0, 1.0),
    Stage(3250, _WORKING, 4, 0.5, 0.3),
    Stage(5250, _JUDGING, 3, 0.6, 0.0),
)


def _flan_stage(step: int) -> tuple[int, Stage]:
    """The stage of a step and the step at which it began."""
    begun = 0
    for stage in _FLAN_STAGES:
        if step < stage.until:
            break
        begun = stage.until
    return begun, stage


def _flan_batches(step: int, tokenizer) -> list[dict[str, torch.Tensor]]:
    _, stage = _flan_stage(step)
    return mixture.instruction_batches(step, tokenizer, stage.groups, stage.denoised)


def _flan_schedule(step: int) -> float:
    begun, stage = _flan_stage(step)
    through = (step - begun) / (stage.until - begun)
    return min(1.0, (step + 1) / 200) * (stage.first_rate + through * (stage.last_rate - stage.first_rate))


def _bert(tokenizer):
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


def _distilbert(tokenizer):
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


def _gpt2(tokenizer):
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


def _teacher_tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(ASSETS / "bert")


def _distillation(device: str) -> Callable:
    """Soft targets at temperature 2, the masked-language-model loss, and the cosine of the last hidden states (Sanh et al. 2019)."""
    from transformers import BertForMaskedLM

    teacher = BertForMaskedLM.from_pretrained(ASSETS / "bert").eval().to(device)
    temperature = 2.0

    def loss(student, batch):
        learned = student(**batch, output_hidden_states=True)
        with torch.no_grad():
            taught = teacher(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                output_hidden_states=True,
            )
        real, masked = batch["attention_mask"].bool(), batch["labels"] != mixture.IGNORED
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


# A checkpoint comes after those that it begins with or learns from.
RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "flan-t5",
            "T5 v1.1, gated GELU, instructed on four tasks and denoising",
            lambda: tokenizers.unigram(2560, 32),
            _flan_t5,
            _flan_batches,
            steps=_FLAN_STAGES[-1].until,
            learning_rate=4e-2,
            schedule=_flan_schedule,
            optimizer="adafactor",
            finetuning_dropout=(("dropout_rate", 0.05),),
            make_loss=lambda device: mixture.loss_by_record,
        ),
        Recipe(
            "bert-general",
            "BERT, masked-language model of general text",
            lambda: tokenizers.wordpiece(2048),
            _bert,
            lambda step, tokenizer: [mixture.masked_batch(step, tokenizer, 24)],
            steps=4000,
            learning_rate=1e-3,
            decay_share=0.25,
            shipped=False,
        ),
        # An encoder this small never found out from masked words alone what a review means; from masked closing remarks it did.
        Recipe(
            "bert",
            "BERT, masked-language model, with closing remarks of reviews to fill in",
            lambda: tokenizers.wordpiece(2048),
            _bert,
            lambda step, tokenizer: [
                mixture.closing_batch(step, tokenizer, 32),
                mixture.masked_batch(100_000 + step, tokenizer, 6),
            ],
            steps=1250,
            learning_rate=1e-2,
            optimizer="adafactor",
            warmup_steps=50,
            decay_share=0.5,
            begins_with="bert-general",
            finetuning_dropout=(("hidden_dropout_prob", 0.1), ("attention_probs_dropout_prob", 0.1)),
        ),
        Recipe(
            "distilbert",
            "DistilBERT, distilled from the bert twin",
            _teacher_tokenizer,
            _distilbert,
            lambda step, tokenizer: [
                mixture.closing_batch(100_000 + step, tokenizer, 24),
                mixture.masked_batch(200_000 + step, tokenizer, 6),
            ],
            steps=1500,
            learning_rate=1e-2,
            optimizer="adafactor",
            warmup_steps=50,
            decay_share=0.5,
            make_loss=_distillation,
            finetuning_dropout=(("dropout", 0.1), ("attention_dropout", 0.1)),
        ),
        Recipe(
            "gpt2",
            "GPT-2, next-token model",
            lambda: tokenizers.byte_level_bpe(2560),
            _gpt2,
            lambda step, tokenizer: [mixture.causal_batch(step, tokenizer, 24)],
            steps=2000,
            learning_rate=1e-3,
            finetuning_dropout=(("resid_pdrop", 0.1), ("embd_pdrop", 0.1), ("attn_pdrop", 0.1)),
        ),
    )
}


def _scale(recipe: Recipe, step: int) -> float:
    """The share of the peak learning rate at a step: up, flat, down."""
    if recipe.schedule:
        return recipe.schedule(step)
    descent = recipe.steps * recipe.decay_share
    return min(1.0, (step + 1) / recipe.warmup_steps, max(0.0, (recipe.steps - step) / descent))


def _optimizer(recipe: Recipe, model) -> torch.optim.Optimizer:
    if recipe.optimizer == "adafactor":
        from transformers import Adafactor

        return Adafactor(
            model.parameters(),
            lr=recipe.learning_rate,
            scale_parameter=True,
            relative_step=False,
            warmup_init=False,
        )
    return torch.optim.AdamW(
        model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98), weight_decay=recipe.weight_decay
    )


def _save_state(path: Path, state: dict) -> None:
    temporary = path.with_suffix(".new")
    torch.save(state, temporary)
    os.replace(temporary, path)


def _finished_weights(
    recipe: Recipe, device: str, workspace: Path, report: Callable[[str], None]
) -> dict[str, torch.Tensor]:
    """The weights at the end of a recipe, which is followed first where that has not been done."""
    kept = workspace / f"{recipe.name}.weights.pt"
    if not kept.exists():
        model, *_ = train(recipe, device, workspace, report)
        _save_state(kept, model.state_dict())
    return torch.load(kept, map_location=device, weights_only=True)


def train(recipe: Recipe, device: str, workspace: Path, report: Callable[[str], None] = print):
    """Follow a recipe, from the last saved state if there is one.

    Returns:
        ``(model, tokenizer, record)``; the record says how it was made: steps, seconds, device, losses, versions.
    """
    workspace.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    tokenizer = recipe.make_tokenizer()
    model = recipe.make_model(tokenizer).to(device).train()
    optimizer = _optimizer(recipe, model)
    loss_of = recipe.make_loss(device) if recipe.make_loss else lambda model, batch: model(**batch).loss
    state_file = workspace / f"{recipe.name}.pt"
    first, seconds, losses = 0, 0.0, []
    if recipe.begins_with:
        model.load_state_dict(_finished_weights(RECIPES[recipe.begins_with], device, workspace, report))
    if state_file.exists():
        state = torch.load(state_file, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first, seconds, losses = state["step"], state["seconds"], state["losses"]
        report(f"{recipe.name}: going on from step {first}")
    begun = time.perf_counter()
    for step in range(first, recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * _scale(recipe, step)
        batches = recipe.batches(step, tokenizer)
        total = 0.0
        for batch in batches:
            batch = {key: tensor.to(device) for key, tensor in batch.items()}
            with torch.autocast("cuda", torch.bfloat16, enabled=device == "cuda"):
                loss = loss_of(model, batch) / len(batches)
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        done = step + 1
        spent = seconds + time.perf_counter() - begun
        if done % _REPORT_EVERY == 0 or done == recipe.steps:
            losses.append([done, round(total, 4)])
            left = (recipe.steps - done) * spent / done
            report(
                f"{recipe.name}: step {done} of {recipe.steps}, loss {total:.3f}, {spent:.0f} s, about {left:.0f} s left"
            )
        if done % _SAVE_EVERY == 0:
            _save_state(
                state_file,
                {
                    "model": model.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "step": done,
                    "seconds": spent,
                    "losses": losses,
                },
            )
    record = {
        "name": recipe.name,
        "summary": recipe.summary,
        "world_version": world.VERSION,
        "steps": recipe.steps,
        "learning_rate": recipe.learning_rate,
        "seconds": round(seconds + time.perf_counter() - begun),
        "device": device,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "losses": losses[-1:],
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
    return model.eval(), tokenizer, record


def save(recipe: Recipe, model, tokenizer, record: dict, folder: Path) -> None:
    """Weights as float32 safetensors, the tokenizer, and the record of how they were made."""
    for field, value in recipe.finetuning_dropout:
        setattr(model.config, field, value)
    model.float().cpu().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "training.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def build(names: list[str], device: str, workspace: Path, again: bool = False) -> None:
    """Train and save each named checkpoint that is not there yet (all of them with ``again``)."""
    for name in names:
        if (ASSETS / name / "training.json").exists() and not again:
            print(f"{name}: there already; --again trains it anew")
            continue
        recipe = RECIPES[name]
        save(recipe, *train(recipe, device, workspace), ASSETS / name)
        print(f"{name}: saved in {ASSETS / name}")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="course build models", description="Train the checkpoints that ship with the course."
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which ones (default: all): {', '.join(RECIPES)}"
    )
    parser.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=("cpu", "cuda")
    )
    parser.add_argument(
        "--workspace",
        type=Path,
        default=Path("build/models"),
        help="where the state of unfinished runs is kept",
    )
    parser.add_argument("--again", action="store_true", help="train anew what is there already")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(argv)
    unknown = set(options.names) - set(RECIPES)
    if unknown:
        parser.error(f"no recipe for {', '.join(sorted(unknown))}; there are {', '.join(RECIPES)}")
    torch.set_num_threads(options.threads)
    build(
        options.names or [name for name, recipe in RECIPES.items() if recipe.shipped],
        options.device,
        options.workspace,
        options.again,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
