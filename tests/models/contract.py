"""What holds for every model and its twin. A model's own tests begin with a subclass that states what is its own."""

import json
import re

import pytest
import torch
import transformers
from transformers import AutoTokenizer

from course_utils.catalog import MODELS, model_path
from course_utils.chapters import model_cards
from course_utils.datasets.registry import instruction_of
from course_utils.models.pretrain import RECIPES


class ModelContract:
    """A subclass sets these; its tests of its own stand beside it.

    name: in the catalog.
    hub_config: () -> the configuration at the pinned revision.
    untied: parameters of the Hub's weights that a model built from the configuration shares with others.
    buffers: megabytes of the weights' file that are no parameters.
    """

    name: str
    hub_config: staticmethod
    untied = 0
    buffers = 0.0

    @pytest.fixture
    def model(self):
        return MODELS[self.name]

    @pytest.fixture
    def record(self, model):
        return json.loads((model.assets / "training.json").read_text())

    def test_it_is_pinned_and_has_a_licence(self, model):
        assert re.fullmatch(r"[0-9a-f]{40}", model.revision)
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", model.hub_id)
        assert model.licence

    def test_weights_are_downloaded_as_safetensors_only(self, model):
        assert "model.safetensors" in model.files
        assert not [name for name in model.files if name.endswith((".bin", ".h5", ".msgpack", ".ot"))]

    def test_the_parameter_count_is_that_of_the_architecture(self, model):
        with torch.device("meta"):
            built = getattr(transformers, model.architecture).from_config(self.hub_config())
        assert sum(parameter.numel() for parameter in built.parameters()) + self.untied == model.parameters

    def test_megabytes_are_at_least_the_float32_weights(self, model):
        assert 0 <= model.megabytes - 4 * model.parameters / 1e6 - self.buffers < 5

    def test_the_twin_is_what_its_recipe_makes(self, model, record):
        """Same tokenizer, same shapes, same number of steps: the weights are those of this recipe, to its end."""
        recipe = model.recipe
        assert RECIPES[self.name] is recipe
        assert record["steps"] == recipe.steps == record["losses"][-1][0]
        assert record["summary"] == recipe.summary and record["learning_rate"] == recipe.learning_rate
        made = recipe.make_model(AutoTokenizer.from_pretrained(model.assets))
        assert sum(parameter.numel() for parameter in made.parameters()) == record["parameters"]
        twin = getattr(transformers, model.architecture).from_pretrained(model_path(self.name, "offline"))
        assert twin.state_dict().keys() == made.state_dict().keys()
        assert all(getattr(twin.config, field) == value for field, value in recipe.finetuning_dropout)

    def test_the_card_says_what_was_recorded_and_measured(self, model):
        written = (model.assets / "README.md").read_text(encoding="utf-8")
        assert written == model_cards.card(self.name)
        assert "This is not" in written and "| " in written

    def test_the_tasks_that_it_knows_exist(self, model):
        assert all(instruction_of(task) for task in model.instructed_on)

    @pytest.mark.parametrize("profile", ["offline", "hub"])
    def test_advice_is_within_reach(self, model, profile):
        """Rates of a plausible size, LoRA's above the other, and an input that model and tokenizer can take."""
        advice = model.advice_for(profile)
        assert 1e-6 < advice.learning_rate < advice.lora_learning_rate < 0.1
        assert 1 <= advice.batch_size <= 128
        assert (
            advice.longest_input <= AutoTokenizer.from_pretrained(model.assets).model_max_length
            or profile == "hub"
        )
        assert advice.on("cpu").precision == "float32"

    def test_the_twin_wants_higher_rates_than_the_real_model(self, model):
        twin, real = model.advice_for("offline"), model.advice_for("hub")
        assert twin.learning_rate > real.learning_rate and twin.lora_learning_rate > real.lora_learning_rate
