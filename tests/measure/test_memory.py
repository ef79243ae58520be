"""Counts and bytes, against what PyTorch really allocates."""

import pytest
import torch

from course_utils.measure.memory import count_parameters, megabytes, saved_bytes, training_memory
from tests import tiny


def layers():
    model = torch.nn.Sequential(torch.nn.Linear(10, 20), torch.nn.Linear(20, 5))  # 220 and 105 parameters
    model[0].requires_grad_(False)
    return model


def test_parameters_are_counted_with_what_is_trained():
    counted = count_parameters(layers())
    assert (counted.total, counted.trainable) == (325, 105)
    assert counted.share == pytest.approx(105 / 325)
    assert str(counted) == "325 parameters, 105 of them trained (32.31%)"


def test_a_tied_head_counts_once():
    model = tiny.t5()
    assert model.lm_head.weight is model.shared.weight
    assert count_parameters(model).total == sum(p.numel() for p in set(model.parameters()))
    assert count_parameters(torch.nn.Identity()).share == 0


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("adamw", lambda p: torch.optim.AdamW(p)),
        ("sgd-momentum", lambda p: torch.optim.SGD(p, momentum=0.9)),
        ("sgd", lambda p: torch.optim.SGD(p)),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_bytes_are_those_that_training_holds(name, make, dtype):
    model = layers().to(dtype)
    optimizer = make(model.parameters())
    model(torch.ones(1, 10, dtype=dtype)).sum().backward()
    optimizer.step()
    state = [
        value for values in optimizer.state.values() for value in values.values() if torch.is_tensor(value)
    ]
    memory = training_memory(model, name)
    assert memory.weights == sum(p.nbytes for p in model.parameters())
    assert memory.gradients == sum(p.grad.nbytes for p in model.parameters() if p.grad is not None)
    assert memory.optimizer == sum(
        value.nbytes for value in state if value.ndim
    )  # step counters have no dimension
    assert memory.total == memory.weights + memory.gradients + memory.optimizer


def test_bytes_are_readable():
    assert str(training_memory(torch.nn.Linear(1000, 1000, bias=False))) == (
        "16.0 MB: weights 4.0 MB, gradients 4.0 MB, optimizer 8.0 MB"
    )
    assert megabytes(1_234_567_890) == "1,234.6 MB"


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(ValueError, match="Use one of: adamw, sgd-momentum, sgd"):
        training_memory(layers(), "adam")


def test_saved_bytes_counts_each_piece_of_memory_once():
    model = torch.nn.Sequential(torch.nn.Linear(6, 10), torch.nn.Tanh(), torch.nn.Linear(10, 2))
    rows = torch.zeros(4, 6)
    # what the three layers keep: the rows, and the tanh's result once, though two layers want it
    assert saved_bytes(lambda: model(rows), model) == 4 * (4 * 6 + 4 * 10)
    with torch.no_grad():
        assert saved_bytes(lambda: model(rows), model) == 0
