"""The entries: complete, pinned, honest about their size, and in agreement with the offline world."""

import re

import pytest

from course_utils.catalog import DATASETS, METRICS, MODELS, entries
from course_utils.catalog.hub import MAPPINGS, _feature

SPLITS = {"train", "validation", "test"}


@pytest.mark.parametrize("entry", [*MODELS.values(), *DATASETS.values()], ids=lambda entry: entry.name)
def test_every_entry_is_pinned_to_a_full_commit_and_has_a_licence(entry):
    assert re.fullmatch(r"[0-9a-f]{40}", entry.revision)
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", entry.hub_id)
    assert entry.licence
    assert entry.megabytes > 0


def test_the_catalog_has_the_names_that_lessons_use():
    assert list(MODELS) == ["flan-t5", "bert", "distilbert", "gpt2"]
    assert set(DATASETS) == {
        "dialogues", "reviews", "topics", "entities", "questions", "translations", "general-text"
    }  # fmt: skip
    assert list(METRICS) == ["accuracy", "f1", "exact_match", "rouge", "token_f1", "mae"]


@pytest.mark.parametrize("entry", DATASETS.values(), ids=lambda entry: entry.name)
def test_every_dataset_gets_each_split_once_and_has_a_mapping(entry):
    assert set(entry.hub_files) | set(entry.carved) == SPLITS
    assert not set(entry.hub_files) & set(entry.carved)
    assert entry.apart is None or entry.apart in entry.columns
    assert entry.name in MAPPINGS


def test_weights_are_downloaded_as_safetensors_only():
    for entry in MODELS.values():
        assert "model.safetensors" in entry.files
        assert not [name for name in entry.files if name.endswith((".bin", ".h5", ".msgpack", ".ot"))]


@pytest.mark.parametrize(
    ("find", "name", "message"),
    [
        (entries.model, "flan_t5", "no model 'flan_t5'. Did you mean 'flan-t5'"),
        (entries.dataset, "review", "Did you mean 'reviews'"),
        (entries.metric, "bleu", "no metric 'bleu'. Its metrics are: accuracy, f1, exact_match, rouge"),
        (entries.model, 5, "no model 5"),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones(find, name, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        find(name)


def test_parameter_counts_are_those_of_the_architectures():
    import torch
    import transformers

    from tests.catalog.hub_cache import DISTILBERT_BASE_UNCASED, FLAN_T5_SMALL

    configs = {
        "flan-t5": transformers.AutoConfig.for_model(**FLAN_T5_SMALL),
        "bert": transformers.BertConfig(),  # the library's defaults are bert-base-uncased and gpt2
        "distilbert": transformers.AutoConfig.for_model(**DISTILBERT_BASE_UNCASED),
        "gpt2": transformers.GPT2Config(),
    }
    # transformers 5 ties a T5's head to its embedding when it is built from a config; the checkpoint's is separate
    separate_head = {"flan-t5": FLAN_T5_SMALL["vocab_size"] * FLAN_T5_SMALL["d_model"]}
    for name, config in configs.items():
        with torch.device("meta"):
            model = getattr(transformers, MODELS[name].architecture).from_config(config)
        counted = sum(parameter.numel() for parameter in model.parameters()) + separate_head.get(name, 0)
        assert counted == MODELS[name].parameters, name


def test_megabytes_are_at_least_the_float32_weights():
    attention_masks = {
        "gpt2": 12 * 1024 * 1024 * 4 / 1e6
    }  # GPT-2's file stores one per layer, 4 bytes a place
    for entry in MODELS.values():
        weights = 4 * entry.parameters / 1e6 + attention_masks.get(entry.name, 0)
        assert 0 <= entry.megabytes - weights < 5, entry.name


@pytest.mark.parametrize("name", DATASETS)
def test_columns_and_types_equal_those_of_the_offline_world(name):
    from course_utils.datasets import corpora

    offline = corpora.features(name)
    hub = {column: _feature(feature) for column, feature in DATASETS[name].hub_columns.items()}
    if name == "topics":  # a town paper has other desks than a news agency
        offline, hub = ({**features, "label": type(features["label"])} for features in (offline, hub))
    assert dict(offline) == hub
    assert tuple(offline) == DATASETS[name].columns
