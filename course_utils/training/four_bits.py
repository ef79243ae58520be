"""NF4 by hand: 16 levels, one scale a block, and the scales quantised in their turn.

The format is that of QLoRA (Dettmers et al. 2023, "QLoRA: Efficient Finetuning
of Quantized LLMs", section 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch

BLOCK = 64  # weights that share a scale (section 3, "Double Quantization")
SCALE_BLOCK = 256  # scales that share a scale of their own (the same)
OFFSET = 0.9677083  # where the outermost quantile lies, 1 - (1/32 + 1/30)/2, as the authors' code has it


@cache
def nf4_levels() -> torch.Tensor:
    """The 16 levels, float32, ascending from -1 to 1 with an exact 0.

    They are quantiles of the normal distribution, 8 from the upper half, 7 from the lower and 0, divided by
    the largest: weights are roughly normal, so each level is used about equally often.
    """
    upper = torch.special.ndtri(torch.linspace(OFFSET, 0.5, 9, dtype=torch.float64)[:-1])
    lower = -torch.special.ndtri(torch.linspace(OFFSET, 0.5, 8, dtype=torch.float64)[:-1])
    levels = torch.cat([lower, torch.zeros(1, dtype=torch.float64), upper]).sort().values
    return (levels / levels.max()).float()


@dataclass(frozen=True)
class FourBits:
    """A weight as 4-bit codes.

    codes: uint8 from 0 to 15, one a weight, the last block filled up with the code of 0; a real library packs
    two into a byte, which `bytes` counts. scales: float32, the largest magnitude of each block.
    """

    codes: torch.Tensor
    scales: torch.Tensor
    shape: torch.Size

    @property
    def bytes(self) -> int:
        return self.codes.numel() // 2 + 4 * self.scales.numel()


def quantise(weight: torch.Tensor, block: int = BLOCK) -> FourBits:
    """Each weight as the code of the level nearest to weight / scale, the scale
    being its block's largest magnitude.

    weight: of any shape, which `dequantise` gives back.
    """
    blocks = _blocks(weight, block)
    scales = blocks.abs().amax(1)
    relative = blocks / scales.clamp_min(torch.finfo(torch.float32).tiny)[:, None]
    middles = (nf4_levels()[1:] + nf4_levels()[:-1]) / 2
    return FourBits(torch.bucketize(relative, middles).to(torch.uint8), scales, weight.shape)


def dequantise(stored: FourBits) -> torch.Tensor:
    """The weights that the codes stand for: float32, in the shape that was quantised."""
    values = nf4_levels()[stored.codes.long()] * stored.scales[:, None]
    return values.flatten()[: stored.shape.numel()].reshape(stored.shape)


def round_scales(scales: torch.Tensor, block: int = SCALE_BLOCK) -> torch.Tensor:
    """The scales after double quantisation: less their mean, as whole numbers from
    -127 to 127, one scale a block.

    scales: (blocks,) float32, and so is what comes back.

    The paper keeps them as 8-bit floats; whole numbers show the same idea and take the same room.
    """
    mean = scales.mean()
    blocks = _blocks(scales - mean, block)
    unit = blocks.abs().amax(1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny) / 127
    return (torch.round(blocks / unit) * unit).flatten()[: scales.numel()] + mean


def bits_per_weight(block: int = BLOCK, scale_block: int | None = SCALE_BLOCK) -> float:
    """4 bits, and each weight's part of the scales; `scale_block=None` is without double quantisation."""
    return 4 + (32 / block if scale_block is None else 8 / block + 32 / (block * scale_block))


def squeeze(weight: torch.Tensor) -> torch.Tensor:
    """What a weight becomes by NF4 with double quantisation and back."""
    stored = quantise(weight)
    return dequantise(FourBits(stored.codes, round_scales(stored.scales), stored.shape))


def _blocks(values: torch.Tensor, block: int) -> torch.Tensor:
    """(blocks, block) float32, filled up with zeros."""
    flat = values.detach().float().flatten()
    return torch.nn.functional.pad(flat, (0, -len(flat) % block)).view(-1, block)
