"""The Hub that lessons read from: names become ids, here and there."""

import huggingface_hub
import pytest
from huggingface_hub import constants

from course_utils import catalog
from course_utils.hub.reading import REAL, HubToRead


@pytest.fixture
def real(monkeypatch):
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    return HubToRead("hub")


def test_offline_it_is_a_hub_of_our_own():
    before = constants.ENDPOINT
    with HubToRead("offline") as hub:
        assert hub.url == constants.ENDPOINT
        info = huggingface_hub.model_info(hub.model_id("bert"), revision=hub.revision("bert"))
        assert info.id == "course/mini-bert"
        assert huggingface_hub.dataset_info(hub.dataset_id("reviews")).id == "course/reviews"
        assert "this machine" in repr(hub)
    assert before == constants.ENDPOINT


def test_in_the_hub_profile_it_is_the_real_one_and_nothing_is_changed(real):
    before = constants.ENDPOINT
    with real as hub:
        assert before == constants.ENDPOINT
        assert hub.url == REAL
        assert hub.model_id("bert") == catalog.MODELS["bert"].hub_id
        assert hub.revision("bert") == catalog.MODELS["bert"].revision
        assert hub.dataset_id("reviews") == catalog.DATASETS["reviews"].hub_id
        assert "real" in repr(hub)


def test_another_address_of_the_real_hub_is_respected(real, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example")
    assert real.url == "https://hub.example"


@pytest.mark.parametrize("profile", ["offline", "hub"])
def test_an_unknown_name_is_told_with_the_known_ones(profile):
    with pytest.raises(ValueError, match="bert"):
        HubToRead(profile).model_id("berd")
