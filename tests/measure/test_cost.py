"""The arithmetic against models that are built: parameters and operations exactly, saved bytes within 2 %."""

import csv

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM, T5Config, T5ForConditionalGeneration

from course_utils.measure import cost, memory
from course_utils.measure.cost import Tokens

T5 = {
    "deep": ({"d_model": 64, "d_kv": 12, "num_heads": 4, "d_ff": 150, "num_layers": 3, "num_decoder_layers": 2, "vocab_size": 300}, Tokens(4, 40, 20)),
    "wide": ({"d_model": 128, "d_kv": 16, "num_heads": 6, "d_ff": 90, "num_layers": 1, "num_decoder_layers": 3, "vocab_size": 700}, Tokens(3, 17, 33)),
    "long": ({"d_model": 48, "d_kv": 16, "num_heads": 3, "d_ff": 100, "num_layers": 2, "num_decoder_layers": 1, "vocab_size": 90}, Tokens(2, 150, 60)),
}  # fmt: skip
LLAMA = {
    "grouped": ({"hidden_size": 96, "intermediate_size": 200, "num_hidden_layers": 3, "num_attention_heads": 6, "num_key_value_heads": 2, "vocab_size": 300}, Tokens(4, 40)),
    "plain": ({"hidden_size": 64, "intermediate_size": 170, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 800}, Tokens(3, 25)),
}  # fmt: skip


def t5(sizes):
    config = T5Config(**sizes, feed_forward_proj="gated-gelu", decoder_start_token_id=0, dropout_rate=0.1)
    return T5ForConditionalGeneration(config).train()


def llama(sizes, attention="sdpa"):
    return LlamaForCausalLM(
        LlamaConfig(**sizes, tie_word_embeddings=False, attn_implementation=attention)
    ).train()


def step(model, tokens):
    """A function that runs one batch forward; the labels are what a training step would have."""
    sides = (tokens.source, tokens.target or tokens.source)
    inputs, labels = (torch.randint(5, model.config.vocab_size, (tokens.batch, side)) for side in sides)
    return lambda: model(input_ids=inputs, attention_mask=torch.ones_like(inputs), labels=labels).loss


def counted(model, tokens):
    with FlopCounterMode(display=False) as counter:
        step(model, tokens)().backward()
    return counter.get_total_flops()


@pytest.mark.parametrize("name", T5)
def test_a_t5_is_as_calculated(name):
    sizes, tokens = T5[name]
    model = t5(sizes)
    size = cost.dimensions_of(model.config)
    assert cost.parameters(size) == memory.count_parameters(model).total
    assert cost.training_flops(size, tokens) == counted(model, tokens)
    assert 4 * cost.activation_values(size, tokens) == pytest.approx(
        memory.saved_bytes(step(model, tokens), model), rel=0.02
    )


@pytest.mark.parametrize("name", LLAMA)
def test_a_llama_is_as_calculated(name):
    sizes, tokens = LLAMA[name]
    model = llama(sizes)
    size = cost.dimensions_of(model.config)
    assert cost.parameters(size) == memory.count_parameters(model).total
    # PyTorch counts no operations inside the fused attention of a CPU, so they are counted unfused
    assert cost.training_flops(size, tokens) == counted(llama(sizes, "eager"), tokens)
    assert 4 * cost.activation_values(size, tokens) == pytest.approx(
        memory.saved_bytes(step(model, tokens), model), rel=0.02
    )


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("flan-t5-small", 76_961_152), ("flan-t5-base", 247_577_856), ("flan-t5-large", 783_150_080),
        ("flan-t5-xl", 2_849_757_184), ("flan-t5-xxl", 11_135_332_352),
        ("llama-2-7b", 6_738_415_616), ("llama-2-70b", 68_976_648_192),
    ],
)  # fmt: skip
def test_the_table_gives_the_published_counts(name, published):
    """The numbers that the Hub shows for the checkpoints' safetensors."""
    assert cost.parameters(cost.models()[name]) == published


def test_the_bytes_per_value_in_bfloat16_lie_between_the_two_families():
    found = {}
    for name, model in (
        (
            "t5",
            t5({"d_model": 128, "d_kv": 32, "num_heads": 4, "d_ff": 256, "num_layers": 3, "vocab_size": 300}),
        ),
        (
            "llama",
            llama(
                {
                    "hidden_size": 128,
                    "intermediate_size": 320,
                    "num_hidden_layers": 3,
                    "num_attention_heads": 4,
                    "num_key_value_heads": 4,
                    "vocab_size": 300,
                }
            ),
        ),
    ):
        whole = memory.saved_bytes(step(model, Tokens(4, 64, 64)), model)
        model.to(torch.bfloat16)
        found[name] = 4 * memory.saved_bytes(step(model, Tokens(4, 64, 64)), model) / whole
    assert found == {"llama": pytest.approx(2.3, abs=0.05), "t5": pytest.approx(2.9, abs=0.05)}
    assert found["llama"] < cost.RECIPES["all weights, bfloat16"].activations < found["t5"]


def test_memory_under_a_recipe():
    size, tokens = cost.models()["flan-t5-small"], Tokens(8, 128, 32)
    whole = cost.training_memory(size, tokens, cost.RECIPES["all weights, float32"])
    count = cost.parameters(size)
    assert (whole.weights, whole.gradients, whole.optimizer) == (4 * count, 4 * count, 8 * count)
    assert whole.total == 16 * count + 4 * cost.activation_values(size, tokens)
    small = cost.training_memory(size, tokens, cost.RECIPES["LoRA on 1 %, bfloat16"])
    assert small.gradients + small.optimizer == pytest.approx(0.06 * count)


def test_the_bill():
    device = cost.Accelerator("card", memory_gb=10, peak_tflops=100, dollars_per_hour=2)
    one = cost.bill(100e12 * 3600, 9e9, device, utilisation=0.5)
    assert (one.devices, one.hours, one.dollars) == (1, 2, 4)
    three = cost.bill(100e12 * 3600, 21e9, device, utilisation=0.5)
    assert (three.devices, three.hours, three.dollars) == (3, pytest.approx(2 / 3), pytest.approx(4))
    with pytest.raises(ValueError, match="share above 0"):
        cost.bill(1, 1, device, utilisation=40)


def test_a_table_can_be_edited(tmp_path):
    rows = [
        ["name", "memory_gb", "peak_tflops", "dollars_per_hour", "source"],
        ["mine", "12", "30", "0", "my desk"],
    ]
    with open(tmp_path / "mine.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    assert cost.accelerators(tmp_path / "mine.csv")["mine"].memory_gb == 12
    rows[1][3] = "free"
    with open(tmp_path / "broken.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    with pytest.raises(ValueError, match="Column 'dollars_per_hour' of 'mine' should hold float"):
        cost.accelerators(tmp_path / "broken.csv")


def test_every_line_of_the_tables_states_its_source():
    assert all(entry.source for table in (cost.models(), cost.accelerators()) for entry in table.values())


def test_other_families_are_refused():
    with pytest.raises(ValueError, match="not 'gpt2'"):
        cost.dimensions_of(type("Config", (), {"model_type": "gpt2"})())
