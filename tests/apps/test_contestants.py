"""Models out of folders: what is taken, what is refused, and the words for it."""

import json
import tempfile

import pytest

from course_utils.apps import contestants
from course_utils.apps.contestants import Unusable
from course_utils.wire.codec import CodecError


def test_a_saved_model_and_an_adapter_are_read(handed_in):
    import torch

    base = contestants.base().model
    for name in ("ada", "cy <b>"):
        found = contestants.read(handed_in / name, name)
        assert not found.model.training and found.kept_bytes > 0
        ids = torch.tensor([[5, 6, 7]])
        same = found.model(input_ids=ids, decoder_input_ids=ids).logits
        assert torch.allclose(same, base(input_ids=ids, decoder_input_ids=ids).logits, atol=1e-5)
    assert (
        contestants.read(handed_in / "cy <b>", "c").kept_bytes
        < contestants.read(handed_in / "ada", "a").kept_bytes / 10
    )


def test_what_is_no_model_is_refused_with_a_reason(handed_in, tmp_path):
    with pytest.raises(Unusable, match="There is no folder"):
        contestants.read(tmp_path / "nowhere", "x")
    with pytest.raises(Unusable, match="neither config.json nor adapter_config.json"):
        contestants.read(handed_in / "dan", "dan")
    with pytest.raises(Unusable, match="model.safetensors is missing"):
        contestants.read(handed_in / "eve", "eve")


def test_a_model_of_another_kind_is_refused(tmp_path):
    from transformers import T5Config, T5ForConditionalGeneration

    small = T5Config(
        vocab_size=50, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2, decoder_start_token_id=0
    )
    T5ForConditionalGeneration(small).save_pretrained(tmp_path)
    with pytest.raises(Unusable, match="does not fit"):
        contestants.read(tmp_path, "small")


def test_links_and_large_folders_are_refused(tmp_path, handed_in, monkeypatch):
    (tmp_path / "config.json").symlink_to(handed_in / "ada" / "config.json")
    with pytest.raises(Unusable, match="no ordinary file"):
        contestants.read(tmp_path, "linked")
    monkeypatch.setattr(contestants, "MOST_BYTES", 1000)
    with pytest.raises(Unusable, match="more than 0 MB"):
        contestants.read(handed_in / "ada", "ada")


def test_messages_name_the_folder_as_it_is_called_and_no_scratch_of_ours(handed_in, monkeypatch):
    with pytest.raises(Unusable, match="^The folder dan holds neither"):
        contestants.read(handed_in / "dan", "dan", called="dan")

    def fails(folder):
        raise CodecError(f"could not read {tempfile.gettempdir()}/tmp1234/base/config.json: it is empty")

    monkeypatch.setattr(contestants, "rebuild", fails)
    with pytest.raises(Unusable) as found:
        contestants.read(handed_in / "ada", "ada", called="ada")
    assert str(found.value) == "The model in ada can't be used: could not read config.json: it is empty."


def test_code_that_lies_beside_a_model_never_runs(handed_in, tmp_path):
    import shutil

    folder = shutil.copytree(handed_in / "ada", tmp_path / "model")
    (folder / "modeling.py").write_text("raise SystemExit('owned')")
    config = json.loads((folder / "config.json").read_text()) | {
        "auto_map": {"AutoModelForSeq2SeqLM": "modeling.X"}
    }
    (folder / "config.json").write_text(json.dumps(config))
    assert type(contestants.read(folder, "x").model).__module__.startswith("transformers.models.t5")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no text yet"),
        (" \n", "no text yet"),
        (None, "no text yet"),
        ("x" * 4001, "4,001 characters"),
        ("q z " * 900, "tokens"),
    ],
)
def test_texts_that_cannot_be_used(text, said):
    with pytest.raises(Unusable, match=said):
        contestants.checked(text)


def test_an_answer_has_its_time():
    found = contestants.answer(
        contestants.base(),
        "Is this review positive or negative? " + contestants.checked("  The soup was lovely.\n"),
    )
    assert found.text in ("positive", "negative") and found.seconds > 0 and found.tokens >= 2
