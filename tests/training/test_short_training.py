"""A short training trains what may learn, repeats itself, and refuses what it cannot do."""

import pytest
import torch

from course_utils.training.short_training import train_briefly


class Line(torch.nn.Module):
    """Learns y = 2x; its first weight may be frozen. The loss is that of the batch it was given."""

    device = torch.device("cpu")

    def __init__(self):
        super().__init__()
        self.slope, self.drop = torch.nn.Linear(1, 1), torch.nn.Dropout(0.5)
        torch.nn.init.zeros_(self.slope.weight)

    def forward(self, x, labels):
        found = self.drop(self.slope(x))
        return type("Output", (), {"loss": ((found - labels) ** 2).mean()})


def collate(numbers):
    x = torch.tensor(numbers, dtype=torch.float32)[:, None]
    return {"x": x, "labels": 2 * x}


def trained(seed=0, **options):
    model = Line()
    torch.nn.init.zeros_(model.slope.bias)
    losses = train_briefly(
        model, [-2, -1, 1, 2], collate, steps=60, batch_size=2, learning_rate=0.05, seed=seed, **options
    )
    return model, losses


def test_the_loss_falls_and_every_step_is_told():
    _, losses = trained()
    assert [step for step, _ in losses] == list(range(1, 61))
    assert sum(loss for _, loss in losses[-10:]) < 0.7 * sum(loss for _, loss in losses[:10])


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    weights = [trained(seed)[0].slope.weight.item() for seed in (3, 3, 4)]
    assert weights[0] == weights[1] != weights[2]


def test_it_leaves_the_model_in_eval_mode():
    assert not any(module.training for module in trained()[0].modules())


def test_frozen_weights_stay():
    model = Line()
    model.slope.bias.requires_grad_(False)
    before = model.slope.bias.clone()
    train_briefly(model, [-2, -1, 1, 2], collate, steps=5, batch_size=2)
    assert model.slope.bias.equal(before)
    assert model.slope.weight.item() != 0


def test_it_says_what_is_wrong():
    with pytest.raises(ValueError, match="from 4 examples"):
        train_briefly(Line(), [-2, -1, 1, 2], collate, steps=5, batch_size=5)
    with pytest.raises(ValueError, match="Every weight of this model is frozen"):
        train_briefly(Line().requires_grad_(False), [-2, -1], collate, steps=5, batch_size=2)
