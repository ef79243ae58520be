import torch
from transformers import AutoConfig

from course_utils.models import distilbert
from tests.catalog.hub_cache import DISTILBERT_BASE_UNCASED
from tests.models.contract import ModelContract


class TestDistilbert(ModelContract):
    name = "distilbert"
    hub_config = staticmethod(lambda: AutoConfig.for_model(**DISTILBERT_BASE_UNCASED))


def test_half_of_the_teacher_becomes_the_student():
    teacher = {
        f"bert.encoder.layer.{layer}.attention.self.query.{part}": torch.tensor(float(layer))
        for layer in range(6)
        for part in ("weight", "bias")
    }
    student = distilbert._student_state(teacher, 3)
    assert [
        student[f"distilbert.transformer.layer.{layer}.attention.q_lin.weight"].item() for layer in range(3)
    ] == [0.0, 2.0, 4.0]
