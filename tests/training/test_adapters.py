"""Bottleneck adapters, the activations they keep, and the shells of Flan-T5."""

import pytest
import torch

from course_utils.measure import activations
from course_utils.measure.memory import count_parameters
from course_utils.models import flan_t5_sizes
from course_utils.training import adapters


@pytest.fixture
def tiny():
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    config = T5Config(
        vocab_size=60, d_model=16, d_kv=4, d_ff=32, num_layers=3, num_decoder_layers=2, num_heads=2, dropout_rate=0.0,
        decoder_start_token_id=0, feed_forward_proj="gated-gelu",
    )  # fmt: skip
    return T5ForConditionalGeneration(config).eval()


BATCH = {"input_ids": torch.arange(2, 34).view(2, 16), "labels": torch.arange(5, 15).view(2, 5)}


def test_a_bottleneck_changes_nothing_at_first_and_trains_alone(tiny):
    with torch.no_grad():
        before = tiny(**BATCH).logits
    adapted = adapters.add_bottlenecks(tiny, width=3)
    assert torch.equal(adapted(**BATCH).logits, before)
    assert count_parameters(adapted).trainable == 5 * (16 * 3 + 3 + 3 * 16 + 16)
    adapted(**BATCH).loss.backward()
    learning = {
        name
        for name, value in adapted.named_parameters()
        if value.grad is not None and value.grad.abs().max() > 0
    }
    assert learning and all(
        ".adapters." in name and ".up." in name for name in learning
    )  # `down` waits for `up`


def test_the_state_of_adapters_is_all_that_is_trained(tiny):
    adapted = adapters.add_bottlenecks(tiny, width=3)
    assert (
        sum(value.numel() for value in adapters.adapter_state(adapted).values())
        == count_parameters(adapted).trainable
    )


def test_activations_of_a_known_graph():
    class Square(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(100))

        def forward(self, x):
            return type("Output", (), {"loss": (x * self.weight).square().sum()})

    # the product keeps x (the weight is a parameter and left out), the square keeps the product: 100 floats each
    assert activations.activation_bytes(Square(), {"x": torch.ones(100)}) == 2 * 100 * 4


def test_what_is_frozen_below_the_first_adapter_keeps_nothing(tiny):
    full = activations.activation_bytes(tiny, BATCH)
    tiny.encoder.requires_grad_(False)
    tiny.shared.requires_grad_(False)
    part = activations.activation_bytes(tiny, BATCH)
    tiny.requires_grad_(False)
    assert 0 < part < full and activations.activation_bytes(tiny, BATCH) == 0
    assert not tiny.training  # the mode is as it was


# Numbers of parameters of the checkpoints google/flan-t5-* on the Hub.
@pytest.mark.parametrize(
    ("size", "count"),
    [
        ("small", 76_961_152),
        ("base", 247_577_856),
        ("large", 783_150_080),
        ("xl", 2_849_757_184),
        ("xxl", 11_135_332_352),
    ],
)
def test_a_shell_counts_what_the_checkpoint_holds(size, count):
    shell = flan_t5_sizes.flan_t5_shell(size)
    assert count_parameters(shell).total == count
    assert all(value.device.type == "meta" for value in shell.parameters())


def test_an_unknown_size():
    with pytest.raises(ValueError, match="small, base"):
        flan_t5_sizes.flan_t5_shell("huge")
