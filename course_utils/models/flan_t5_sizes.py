"""The five sizes of Flan-T5 as empty shells: every layer and every count is there, and not one weight."""

from __future__ import annotations

from typing import Any

# The fields of config.json of google/flan-t5-{small, base, large, xl, xxl} on the Hub in which they differ.
SIZES = {
    "small": {"d_model": 512, "d_ff": 1024, "num_layers": 8, "num_heads": 6},
    "base": {"d_model": 768, "d_ff": 2048, "num_layers": 12, "num_heads": 12},
    "large": {"d_model": 1024, "d_ff": 2816, "num_layers": 24, "num_heads": 16},
    "xl": {"d_model": 2048, "d_ff": 5120, "num_layers": 24, "num_heads": 32},
    "xxl": {"d_model": 4096, "d_ff": 10240, "num_layers": 24, "num_heads": 64},
}


def flan_t5_shell(size: str) -> Any:
    """A Flan-T5 of that size on the meta device, which keeps shapes and types and no numbers.

    Raises ValueError for a size that there is not.
    """
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    if size not in SIZES:
        raise ValueError(f"There is no Flan-T5 {size!r}; the sizes are {', '.join(SIZES)}.")
    config = T5Config(vocab_size=32128, d_kv=64, feed_forward_proj="gated-gelu", **SIZES[size])
    with torch.device("meta"):
        model = T5ForConditionalGeneration(config)
    # The head of Flan-T5 is a matrix of its own; transformers 5 has just tied it to the embedding.
    model.lm_head.weight = torch.nn.Parameter(torch.empty_like(model.shared.weight))
    return model
