import pytest
import torch

from course_utils.measure.allocations import allocations

ROW = 4 * 1000  # bytes of a thousand numbers in float32


def test_what_is_left_is_what_the_result_holds():
    result, found = allocations(lambda: torch.zeros(3, 1000))
    assert found.left == found.peak == 3 * ROW == result.nbytes


def test_a_peak_that_is_over_is_seen():
    _, found = allocations(lambda: torch.zeros(8, 1000).sum())
    assert 8 * ROW < found.peak < 8 * ROW + 100
    assert 0 < found.left < 100


def test_views_are_no_allocations():
    start = torch.zeros(1000)
    _, found = allocations(lambda: [start.view(10, 100), start[:5], start[None]])
    assert found.events == ()
    assert (found.peak, found.left) == (0, 0)


def test_what_was_there_before_is_not_counted_when_it_is_freed():
    there = [torch.zeros(1000)]
    made, found = allocations(lambda: (there.clear(), torch.zeros(2, 1000)))
    assert found.left == 2 * ROW
    assert found.held == [2 * ROW]
    del made


def test_what_a_forward_pass_saves_is_left_with_its_loss():
    x = torch.ones(1000, requires_grad=True)
    loss, found = allocations(lambda: x.exp().sum())
    assert ROW <= found.left < ROW + 100
    del loss


def test_a_device_that_tells_nothing_is_named():
    with pytest.raises(ValueError, match="'mps'.*cpu, cuda"):
        allocations(lambda: None, "mps")
