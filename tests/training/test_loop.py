"""The one training loop: what a step does to the weights, what it leaves alone, and that only one file holds it."""

import ast
import math
from pathlib import Path

import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR

from course_utils.training import loop

TRAINING = Path(loop.__file__).parent


class Two(torch.nn.Module):
    """Two weights; a batch is the name of the one that its loss depends on, and a factor."""

    def __init__(self):
        super().__init__()
        self.near, self.far = (torch.nn.Parameter(torch.tensor(1.0)) for _ in range(2))

    def loss(self, batch):
        name, factor = batch
        return factor * getattr(self, name)


def trained(batches, rate=lambda step: 1.0, model=None, **options):
    model = model or Two()
    options = {"learning_rate": 0.1, "weight_decay": 0.0} | options
    losses = loop.train(model, batches, model.loss, lambda optimizer: LambdaLR(optimizer, rate), **options)
    return model, losses


def test_each_step_follows_its_own_rate_and_tells_its_loss():
    model, losses = trained([("near", 2.0)] * 3, rate=lambda step: (1.0, 0.5, 0.0)[min(step, 2)])
    assert model.near.item() == pytest.approx(
        1 - 0.1 - 0.05, abs=1e-6
    )  # Adam's first steps are as long as the rate
    assert losses == pytest.approx([2.0, 1.8, 1.7], abs=1e-6)


def test_a_weight_without_a_gradient_is_left_alone_after_a_step_of_its_own():
    model, _ = trained([("far", 1.0), ("near", 1.0), ("near", 1.0)], weight_decay=0.5)
    assert model.far.item() == pytest.approx(1 - 0.1 * 0.5 - 0.1, abs=1e-6)  # one step, one decay


def test_gradients_from_before_count_for_nothing_and_none_is_left():
    model = Two()
    model.loss(("near", -100.0)).backward()
    trained([("near", 1.0)], model=model)
    assert model.near.item() == pytest.approx(0.9, abs=1e-6) and model.near.grad is None


def test_a_long_gradient_is_cut_and_a_short_one_is_not():
    uncut, cut = (
        trained([("near", 10.0), ("near", 0.1)], longest=longest)[0].near.item()
        for longest in (math.inf, 1.0)
    )
    short = trained([("near", 1.0), ("near", 0.1)])[0].near.item()
    assert cut == pytest.approx(short, abs=1e-6) and abs(cut - uncut) > 1e-3


def test_a_batch_is_drawn_when_its_step_begins_and_each_step_is_told():
    model, seen, told = Two(), [], []

    def batches():
        for _ in range(3):
            seen.append((model.near.item(), model.training))
            yield "near", 1.0

    trained(batches(), model=model, after_step=lambda: told.append(len(seen)))
    assert [weight for weight, _ in seen] == pytest.approx([1.0, 0.9, 0.8], abs=1e-5)
    assert all(training for _, training in seen) and told == [1, 2, 3] and not model.training


def test_a_frozen_model_cannot_be_trained():
    with pytest.raises(ValueError, match="Every weight of this model is frozen"):
        trained([("near", 1.0)], model=Two().requires_grad_(False))


def test_no_other_file_of_the_package_steps_an_adamw_but_the_resumable_one_and_the_checks():
    package = TRAINING.parent
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "checks" not in path.parts
        and any(
            isinstance(node, ast.Call) and ast.unparse(node.func).endswith("AdamW")
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        )
    }
    # lesson 12.1 writes the last one out for its reader; lesson 12.2 begins from the same model
    assert found == {"training/loop.py", "models/pretrain.py", "training/preferences.py"}
