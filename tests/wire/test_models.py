"""A model crosses as files and is rebuilt equal; files that lie are refused."""

import copy
import json

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load, save
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    T5Config,
    T5ForConditionalGeneration,
)

from course_utils.wire import models
from course_utils.wire.answer import Answer, LocalTransport, Refused
from course_utils.wire.codec import CodecError
from course_utils.wire.references import Folder

IDS = torch.tensor([[5, 9, 3, 1], [7, 2, 8, 1]])


@pytest.fixture(scope="module")
def t5():
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=32, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, decoder_start_token_id=0
    )
    return T5ForConditionalGeneration(config)


def bert():
    torch.manual_seed(1)
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=32,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            num_labels=3,
        )
    )


def untied(t5):
    model = copy.deepcopy(t5)
    model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight))
    model.config.tie_word_embeddings = False
    return model


def lora(model, **options):
    adapted = get_peft_model(copy.deepcopy(model), LoraConfig(r=2, **options))
    for name, weight in adapted.named_parameters():
        if "lora_B" in name or "modules_to_save" in name:
            torch.nn.init.normal_(weight)
    return adapted


class Subclass(T5ForConditionalGeneration):
    pass


KINDS = {
    "t5": lambda t5: t5,
    "untied": untied,
    "subclass": lambda t5: Subclass(t5.config),
    "bert": lambda t5: bert(),
    "gpt2": lambda t5: GPT2LMHeadModel(
        GPT2Config(
            vocab_size=32, n_embd=16, n_layer=1, n_head=2, n_positions=16, bos_token_id=0, eos_token_id=1
        )
    ),
    "t5 lora": lambda t5: lora(t5, target_modules=["q", "v"], task_type="SEQ_2_SEQ_LM"),
    "bert lora and head": lambda t5: lora(
        bert(), target_modules=["query"], modules_to_save=["classifier"], task_type="SEQ_CLS"
    ),
}


def logits(model):
    options = {"labels": IDS} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        return copy.deepcopy(model).eval()(input_ids=IDS, **options).logits


@pytest.mark.parametrize("kind", KINDS)
def test_a_rebuilt_model_computes_the_same(t5, kind):
    model = KINDS[kind](t5).train()
    rebuilt = Answer(LocalTransport({"model": model}, None)).model("model")
    assert torch.equal(logits(rebuilt), logits(model))
    assert not rebuilt.training
    assert model.training, "asking for a model must not change it"


def test_half_precision_is_rebuilt_in_float32(t5):
    rebuilt = models.rebuild(models.pack(copy.deepcopy(t5).bfloat16()))
    assert {weight.dtype for weight in rebuilt.parameters()} == {torch.float32}


def test_a_returned_model_and_a_saved_folder(t5, tmp_path):
    t5.save_pretrained(tmp_path)
    answer = Answer(LocalTransport({"make": lambda: t5, "saved": str(tmp_path)}, None))
    for rebuilt in (answer.built("make"), answer.model("saved")):
        assert torch.equal(logits(rebuilt), logits(t5))


def test_rebuilding_draws_no_random_numbers(t5):
    folder = models.pack(t5)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    models.rebuild(folder)
    assert torch.rand(1) == expected


def test_a_hand_written_module_gives_its_weights_only():
    answer = Answer(LocalTransport({"net": torch.nn.Linear(2, 3)}, None))
    with pytest.raises(Refused, match="Transformers or PEFT model, and is a Linear"):
        answer.model("net")
    assert {name: tuple(value.shape) for name, value in answer.weights("net").items()} == {
        "weight": (3, 2),
        "bias": (3,),
    }


def config(**changes):
    def change(files):
        files["config.json"] = json.dumps(json.loads(files["config.json"]) | changes).encode()

    return change


def weights(edit):
    def change(files):
        tensors = load(files["model.safetensors"])
        edit(tensors)
        files["model.safetensors"] = save(tensors, metadata={"format": "pt"})

    return change


def lying_header(files):
    files["model.safetensors"] = (2**62).to_bytes(8, "little") + files["model.safetensors"][8:]


LIES = {
    "no config": lambda files: files.pop("config.json"),
    "no weights": lambda files: files.pop("model.safetensors"),
    "a pickle": lambda files: files.update({"pytorch_model.bin": b"\x80\x04."}),
    "python": lambda files: files.update({"modeling_evil.py": b"print(1)"}),
    "config is a list": lambda files: files.update({"config.json": b"[]"}),
    "config is broken": lambda files: files.update({"config.json": b"{"}),
    "no class": config(architectures=None),
    "a class of ours": config(architectures=["Subclass"]),
    "not a model": config(architectures=["pipeline"]),
    "another model": config(architectures=["GPT2LMHeadModel"]),
    "too wide": config(d_model=2**40),
    "too many layers": config(num_layers=10**6),
    "other shapes": config(d_ff=64),
    "a tensor too few": weights(lambda tensors: tensors.pop("shared.weight")),
    "a tensor too many": weights(lambda tensors: tensors.update(extra=torch.zeros(1))),
    "a tensor of another shape": weights(
        lambda tensors: tensors.update({"shared.weight": torch.zeros(4, 4)})
    ),
    "too many heads": config(num_heads=10**6),
    "another family": config(architectures=["DPTForDepthEstimation"], model_type="dpt", backbone="/tmp"),
    "deep": lambda files: files.update({"config.json": b'{"a":' * 100_000 + b"1" + b"}" * 100_000}),
    "generation config is a list": lambda files: files.update({"generation_config.json": b"[]"}),
    "a header that lies": lying_header,
    "noise": lambda files: files.update({"model.safetensors": b"noise"}),
}


@pytest.mark.parametrize("lie", LIES)
def test_folders_that_lie_are_refused(t5, lie):
    files = dict(models.pack(t5).files)
    LIES[lie](files)
    with pytest.raises(CodecError):
        models.rebuild(Folder(files))


def test_remote_code_is_never_asked_for(t5):
    files = dict(models.pack(t5).files)
    config(
        auto_map={"AutoModelForSeq2SeqLM": "evil--x.Model"}, _attn_implementation="kernels-community/evil"
    )(files)
    assert torch.equal(logits(models.rebuild(Folder(files))), logits(t5))


@pytest.mark.parametrize(
    "changes", [{"peft_type": "PROMPT_TUNING"}, {"peft_type": None}, {"r": 10**9}, {"r": "2"}], ids=str
)
def test_adapters_that_lie_are_refused(t5, changes):
    files = dict(models.pack(KINDS["t5 lora"](t5)).files)
    files["adapter_config.json"] = json.dumps(json.loads(files["adapter_config.json"]) | changes).encode()
    with pytest.raises(CodecError):
        models.rebuild(Folder(files))


def test_what_a_model_holds_besides_its_weights_is_bounded(monkeypatch):
    monkeypatch.setattr(models, "MOST_BUFFERED", 100)
    with pytest.raises(CodecError, match="larger masks"):
        models.rebuild(models.pack(bert()))


def test_of_a_generation_config_only_the_token_ids_are_kept(t5):
    files = dict(models.pack(t5).files)
    wanted = {
        "num_beams": 10**6,
        "do_sample": True,
        "max_length": 10**9,
        "custom_generate": "/tmp",
        "eos_token_id": [3, 4],
    }
    files["generation_config.json"] = json.dumps(wanted | {"pad_token_id": "0", "bos_token_id": -1}).encode()
    found = models.rebuild(Folder(files)).generation_config
    assert found.eos_token_id == [3, 4]
    assert (found.num_beams, found.do_sample, found.pad_token_id, found.bos_token_id) == (
        None,
        None,
        None,
        None,
    )


def test_what_a_config_may_not_choose_is_left_out(t5):
    files = dict(models.pack(t5).files)
    config(return_dict=False, transformers_weights="other.bin", output_hidden_states=True, use_kernels=True)(
        files
    )
    rebuilt = models.rebuild(Folder(files))
    assert torch.equal(logits(rebuilt), logits(t5))
    assert rebuilt.config.return_dict is True


@pytest.mark.parametrize(
    "changes",
    [
        {"target_modules": "((.*)*)*x"},
        {"megatron_config": {"a": 1}, "megatron_core": "antigravity"},
        {"auto_mapping": {"base_model_class": "x", "parent_library": "os"}},
        {"layers_pattern": "(a+)+$", "layers_to_transform": [0]},
        {"init_lora_weights": "pissa"},
        {"exclude_modules": ".*"},
    ],
    ids=str,
)
def test_an_adapters_patterns_and_imports_are_left_out(t5, changes):
    """PEFT would match them against every module's name, or import what they name."""
    adapted = KINDS["t5 lora"](t5)
    files = dict(models.pack(adapted).files)
    files["adapter_config.json"] = json.dumps(json.loads(files["adapter_config.json"]) | changes).encode()
    assert torch.equal(logits(models.rebuild(Folder(files))), logits(adapted))


@pytest.mark.parametrize("changes", [{"rank_pattern": {"(a+)+$": 3}}, {"modules_to_save": ["a b"]}], ids=str)
def test_an_adapters_names_are_plain(t5, changes):
    files = dict(models.pack(KINDS["t5 lora"](t5)).files)
    files["adapter_config.json"] = json.dumps(json.loads(files["adapter_config.json"]) | changes).encode()
    with pytest.raises(CodecError, match="plain names"):
        models.rebuild(Folder(files))


def test_half_of_an_adapters_tensors_are_refused(t5):
    files = dict(models.pack(KINDS["t5 lora"](t5)).files)
    tensors = load(files["adapter_model.safetensors"])
    files["adapter_model.safetensors"] = save(
        {name: value for name, value in tensors.items() if "lora_A" in name}
    )
    with pytest.raises(CodecError, match="pairs"):
        models.rebuild(Folder(files))


ADAPTERS = {
    "dora": {"target_modules": ["q", "v"], "use_dora": True},
    "rslora, every linear layer": {"target_modules": "all-linear", "use_rslora": True},
    "embeddings": {"target_modules": ["shared", "q"]},
    "ranks of their own": {"target_modules": ["q", "v"], "rank_pattern": {"v": 3}, "alpha_pattern": {"v": 5}},
    "a pattern": {"target_modules": r".*SelfAttention\.[qk]"},
}


@pytest.mark.parametrize("kind", ADAPTERS)
def test_adapters_of_other_kinds_are_rebuilt(t5, kind):
    adapted = lora(untied(t5), task_type="SEQ_2_SEQ_LM", **ADAPTERS[kind])
    assert torch.allclose(logits(models.rebuild(models.pack(adapted))), logits(adapted), atol=1e-5)


def test_load_gives_the_saved_class_in_eval_mode(t5, tmp_path):
    t5.save_pretrained(tmp_path)
    loaded = models.load(str(tmp_path))
    assert type(loaded) is T5ForConditionalGeneration
    assert not loaded.training
