import pytest
from transformers import AutoConfig, AutoTokenizer

from course_utils.datasets import registry
from course_utils.models import flan_t5
from tests.catalog.hub_cache import FLAN_T5_SMALL
from tests.models.contract import ModelContract


class TestFlanT5(ModelContract):
    name = "flan-t5"
    hub_config = staticmethod(lambda: AutoConfig.for_model(**FLAN_T5_SMALL))
    # transformers 5 ties a T5's head to its embedding when it is built from a config; the checkpoint's is separate
    untied = FLAN_T5_SMALL["vocab_size"] * FLAN_T5_SMALL["d_model"]

    def test_it_was_instructed_on_what_it_says(self, model):
        asked = {
            task: registry.instruction_of(task)[1].prompt(
                next(registry.instruction_of(task)[0].records(1, 1))
            )
            for task in (*model.instructed_on, "summary")
        }
        beginnings = {task: prompt[:12] for task, prompt in asked.items()}
        tokenizer = AutoTokenizer.from_pretrained(model.assets)
        read = set()
        for step in (0, 1000, 4000):
            for batch in model.recipe.batches(step, tokenizer):
                texts = tokenizer.batch_decode(batch["input_ids"], skip_special_tokens=True)
                read |= {
                    task
                    for task, words in beginnings.items()
                    if any(text.startswith(words) for text in texts)
                }
        assert read == set(model.instructed_on)


@pytest.mark.parametrize(("step", "share"), [(0, 1 / 200), (199, 1.0), (1500, 1.0), (1750, 0.5), (3250, 0.6)])
def test_the_rate_warms_up_and_each_stage_begins_at_its_own(step, share):
    assert flan_t5._schedule(step) == pytest.approx(share)


def test_the_rate_ends_at_nothing():
    assert flan_t5._schedule(flan_t5.MODEL.recipe.steps - 1) < 0.001
