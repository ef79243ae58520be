"""The one loop that follows the recipes of the models' files, so that their twins ship with the course.

`course build models` trains what is missing, on CPU or GPU. Every batch is a function of the step, and the
state is saved as the run goes, so a run that was cut off goes on where it was and ends with the same weights.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import torch

from course_utils import world
from course_utils.models.model import ASSETS, Recipe
from course_utils.models.registry import MODELS

_SAVE_EVERY = 250
_REPORT_EVERY = 50


def _recipes() -> dict[str, Recipe]:
    """Every recipe by name, each after those that it begins with or learns from."""
    recipes: dict[str, Recipe] = {}
    before: TopologicalSorter[str] = TopologicalSorter()
    for model in MODELS.values():
        before.add(model.recipe.name, *filter(None, [model.recipe.teacher]))
        recipe: Recipe | None = model.recipe
        while recipe:
            recipes[recipe.name] = recipe
            if recipe.begins_with:
                before.add(recipe.name, recipe.begins_with.name)
            recipe = recipe.begins_with
    return {name: recipes[name] for name in before.static_order()}


RECIPES = _recipes()


def _scale(recipe: Recipe, step: int) -> float:
    """The share of the peak learning rate at a step: up, flat, down."""
    if recipe.schedule:
        return recipe.schedule(step)
    descent = recipe.steps * recipe.decay_share
    return min(1.0, (step + 1) / recipe.warmup_steps, max(0.0, (recipe.steps - step) / descent))


def _optimizer(recipe: Recipe, model: Any) -> torch.optim.Optimizer:
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


def train(
    recipe: Recipe, device: str, workspace: Path, report: Callable[[str], None] = print
) -> tuple[Any, Any, dict[str, Any]]:
    """Follow a recipe, from the last saved state if there is one.

    Returns:
        `(model, tokenizer, record)`; the record says how it was made: steps,
        seconds, device, losses, versions.
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
        model.load_state_dict(_finished_weights(recipe.begins_with, device, workspace, report))
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
                f"{recipe.name}: step {done} of {recipe.steps}, loss {total:.3f}, {spent:.0f} s, about "
                f"{left:.0f} s left"
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


def save(recipe: Recipe, model: Any, tokenizer: Any, record: dict, folder: Path) -> None:
    """Weights as float32 safetensors, the tokenizer, and the record of how they were made."""
    for field, value in recipe.finetuning_dropout:
        setattr(model.config, field, value)
    model.float().cpu().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "training.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def build(names: list[str], device: str, workspace: Path, again: bool = False) -> None:
    """Train and save each named checkpoint that is not there yet (all of them with `again`)."""
    for name in names:
        if (ASSETS / name / "training.json").exists() and not again:
            print(f"{name}: there already; --again trains it anew")
            continue
        recipe = RECIPES[name]
        model, tokenizer, record = train(recipe, device, workspace)
        save(recipe, model, tokenizer, record, ASSETS / name)
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
        options.names or [name for name in RECIPES if name in MODELS],
        options.device,
        options.workspace,
        options.again,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
