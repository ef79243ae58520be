"""Models for the two pages, made in a moment: nothing here is trained."""

import copy

import pytest

from course_utils.apps import page


@pytest.fixture(scope="module", autouse=True)
def prepared():
    """What both commands begin with; it says offline to the whole process, so it ends with the module."""
    page.prepare()


@pytest.fixture(scope="module")
def handed_in(prepared, tmp_path_factory):
    """A folder of submissions: a copy of the base, a spoilt one, an adapter, and two that can't be used."""
    import torch
    from peft import LoraConfig, get_peft_model

    from course_utils.apps import contestants

    folder = tmp_path_factory.mktemp("class")
    model = contestants.base().model
    model.save_pretrained(folder / "ada")
    spoilt = copy.deepcopy(model)
    with torch.no_grad():
        spoilt.lm_head.weight.zero_()
    spoilt.save_pretrained(folder / "ben")
    get_peft_model(
        copy.deepcopy(model), LoraConfig(task_type="SEQ_2_SEQ_LM", r=2, target_modules=["q"])
    ).save_pretrained(folder / "cy <b>")
    (folder / "dan").mkdir()
    (folder / "eve").mkdir()
    (folder / "eve" / "config.json").write_text(
        '{"architectures": ["T5ForConditionalGeneration"], "auto_map": {"AutoModel": "evil.py"}}'
    )
    return folder
