"""A recipe that was cut off goes on where it was, and ends with the same weights."""

import json
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertForMaskedLM, BertTokenizer

from course_utils.models import mixture, pretrain
from course_utils.models.model import ASSETS, Recipe
from course_utils.models.registry import MODELS


def tiny_tokenizer():
    letters = [chr(code) for code in range(97, 123)]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    return BertTokenizer(vocab={word: index for index, word in enumerate(words)}, model_max_length=128)


def tiny_model(tokenizer):
    return BertForMaskedLM(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=8,
            max_position_embeddings=128,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
    )


@pytest.fixture
def recipe(monkeypatch):
    monkeypatch.setattr(pretrain, "_SAVE_EVERY", 2)
    monkeypatch.setattr(pretrain, "_REPORT_EVERY", 2)
    return Recipe(
        name="tiny",
        summary="a test",
        make_tokenizer=tiny_tokenizer,
        make_model=tiny_model,
        batches=lambda step, tokenizer: [mixture.masked_batch(step, tokenizer, 2)],
        steps=6,
        learning_rate=1e-2,
        warmup_steps=2,
        finetuning_dropout=(("hidden_dropout_prob", 0.1),),
    )


def weights(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_an_interrupted_run_ends_with_the_same_weights(recipe, tmp_path):
    straight, *_ = pretrain.train(recipe, "cpu", tmp_path / "straight", report=lambda line: None)

    class PulledPlug(Exception):
        pass

    def batches(step, tokenizer):
        if step == 5:
            raise PulledPlug
        return recipe.batches(step, tokenizer)

    with pytest.raises(PulledPlug):
        pretrain.train(replace(recipe, batches=batches), "cpu", tmp_path / "cut", report=lambda line: None)
    said = []
    resumed, _, record = pretrain.train(recipe, "cpu", tmp_path / "cut", report=said.append)
    assert said[0] == "tiny: going on from step 4"
    assert record["steps"] == 6
    for name, tensor in weights(straight).items():
        assert torch.equal(tensor, weights(resumed)[name]), name


def test_progress_tells_the_time_left(recipe, tmp_path):
    said = []
    pretrain.train(recipe, "cpu", tmp_path, report=said.append)
    assert len(said) == 3 and all("left" in line and "loss" in line for line in said)


def test_a_saved_checkpoint_is_loaded_by_the_auto_classes(recipe, tmp_path):
    model, tokenizer, record = pretrain.train(recipe, "cpu", tmp_path / "work", report=lambda line: None)
    pretrain.save(recipe, model, tokenizer, record, tmp_path / "asset")
    assert (tmp_path / "asset" / "model.safetensors").exists()
    loaded, again = (
        AutoModelForMaskedLM.from_pretrained(tmp_path / "asset"),
        AutoTokenizer.from_pretrained(tmp_path / "asset"),
    )
    assert loaded.config.hidden_dropout_prob == 0.1
    assert torch.equal(loaded.get_input_embeddings().weight, model.get_input_embeddings().weight)
    assert again("the sea")["input_ids"] == tokenizer("the sea")["input_ids"]
    assert json.loads((tmp_path / "asset" / "training.json").read_text())["name"] == "tiny"


def test_the_learning_rate_goes_up_stays_and_goes_down():
    recipe = replace(pretrain.RECIPES["bert"], steps=100, warmup_steps=10, decay_share=0.3)
    scales = [pretrain._scale(recipe, step) for step in range(100)]
    assert scales[0] == 0.1 and scales[9:70] == [1.0] * 61
    assert scales[70:] == sorted(scales[70:], reverse=True) and 0 < scales[99] < 0.05


def test_a_recipe_may_begin_with_the_end_of_another(recipe, tmp_path):
    first = replace(recipe, name="first")
    beginning, *_ = pretrain.train(first, "cpu", tmp_path, report=lambda line: None)
    second = replace(recipe, name="second", begins_with=first, steps=0)
    began, *_ = pretrain.train(second, "cpu", tmp_path, report=lambda line: None)
    for name, tensor in weights(beginning).items():
        assert torch.equal(tensor, weights(began)[name]), name


def test_an_unknown_name_is_refused_with_the_choices(capsys):
    with pytest.raises(SystemExit):
        pretrain.main(["gpt5"])
    assert "flan-t5" in capsys.readouterr().err


def test_recipes_come_after_those_that_they_need():
    order = list(pretrain.RECIPES)
    assert order.index("bert-general") < order.index("bert") < order.index("distilbert")
    assert set(order) == {*MODELS, "bert-general"}


def test_without_names_all_twins_are_built_and_no_beginning_alone(monkeypatch):
    asked = []
    monkeypatch.setattr(pretrain, "build", lambda names, *rest: asked.extend(names))
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    assert pretrain.main([]) == 0
    assert set(asked) == set(MODELS)
    assert asked.index("bert") < asked.index("distilbert")


def test_all_twins_together_stay_small():
    size = sum(path.stat().st_size for path in ASSETS.rglob("*.safetensors"))
    assert size < 60e6
