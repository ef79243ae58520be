"""NF4 by hand: the published levels, the error bound, the scales."""

import pytest
import torch

from course_utils.training import four_bits

# Dettmers et al. 2023, appendix E: the exact values of NF4.
PUBLISHED = [
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
]  # fmt: skip


@pytest.fixture
def weight():
    return torch.randn(37, 50, generator=torch.Generator().manual_seed(3))


def test_the_levels_are_those_of_the_paper():
    assert four_bits.nf4_levels().tolist() == pytest.approx(PUBLISHED, abs=1e-6)


def test_there_and_back_is_off_by_at_most_half_a_gap(weight):
    stored = four_bits.quantise(weight)
    back = four_bits.dequantise(stored)
    assert back.shape == weight.shape and stored.codes.dtype == torch.uint8 and stored.codes.max() <= 15
    widest = four_bits.nf4_levels().diff().max() / 2
    scales = stored.scales.repeat_interleave(64)[: weight.numel()].view_as(weight)
    assert ((back - weight).abs() <= widest * scales + 1e-6).all()


def test_what_is_a_level_comes_back_exactly():
    exact = four_bits.nf4_levels().repeat(8) * 3
    assert torch.allclose(four_bits.dequantise(four_bits.quantise(exact)), exact, atol=1e-6)


def test_zeros_stay_zero():
    assert four_bits.squeeze(torch.zeros(5, 70)).abs().max() == 0


def test_an_outlier_spoils_its_own_block_only(weight):
    calm = four_bits.dequantise(four_bits.quantise(weight))
    weight[0, 0] = 1000
    spoilt = four_bits.dequantise(four_bits.quantise(weight)).flatten()
    assert torch.equal(spoilt[64:], calm.flatten()[64:]) and not torch.equal(
        spoilt[1:64], calm.flatten()[1:64]
    )


def test_double_quantisation_moves_a_scale_by_at_most_half_a_unit():
    scales = torch.rand(1000, generator=torch.Generator().manual_seed(1)) + 0.5
    moved = (four_bits.round_scales(scales) - scales).abs().max()
    assert 0 < moved <= (scales - scales.mean()).abs().max() / 127 / 2 + 1e-6


def test_bits_and_bytes():
    assert four_bits.bits_per_weight(scale_block=None) == 4.5
    assert four_bits.bits_per_weight() == pytest.approx(4.127, abs=1e-3)  # as the paper says, section 3
    assert four_bits.quantise(torch.ones(128)).bytes == 64 + 2 * 4
