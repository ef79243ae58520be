"""Bytes of tensors that are held at once."""

import torch

from course_utils.measure.tensor_memory import TensorMemory, tensor_memory


def test_what_is_let_go_is_not_held():
    given = torch.ones(1000)

    def work():
        total = given + 1  # 4,000 bytes
        for _ in range(5):
            total = total + 1  # the old one lives until the new one is there
        return total

    result, memory = tensor_memory(work)
    assert result[0].item() == 7 and memory == TensorMemory(peak=8000, largest=4000)


def test_views_and_work_in_place_make_nothing():
    def work():
        made = torch.zeros(10, 100)
        made[2:5].add_(1)
        return made.t().reshape(100, 10)[:, 0]

    _, memory = tensor_memory(work)
    assert memory.largest == 4000 and memory.peak == 4000


def test_what_was_there_before_is_not_counted():
    given = torch.ones(1000)
    _, memory = tensor_memory(lambda: given.view(10, 100)[3].add_(1))
    assert memory == TensorMemory(0, 0)
