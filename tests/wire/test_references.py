import pytest

from course_utils.wire.references import Asset


def test_an_asset_has_a_known_kind():
    with pytest.raises(ValueError, match="choose one of model, tokenizer"):
        Asset("flan-t5", "weights")
