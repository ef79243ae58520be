from transformers import BertConfig

from tests.models.contract import ModelContract


class TestBert(ModelContract):
    name = "bert"
    hub_config = BertConfig  # the library's defaults are bert-base-uncased

    def test_it_begins_with_general_text(self, model):
        assert model.recipe.begins_with.name == "bert-general"
