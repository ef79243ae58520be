"""A model crosses as files and is rebuilt equal; files that lie are refused."""

import copy
import json

import pytest
import torch
from peft import (
    IA3Config,
    LNTuningConfig,
    LoraConfig,
    PrefixTuningConfig,
    PromptTuningConfig,
    VeraConfig,
    get_peft_model,
)
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
from course_utils.wire.answer import Answer, LocalTransport, NotPlainData, Uncomputable
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


def adapted(model, config):
    """An adapter of any method whose own numbers are random."""
    model = get_peft_model(copy.deepcopy(model), config)
    for weight in model.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight)
    return model


def gpt2():
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=32, n_embd=16, n_layer=1, n_head=2, n_positions=16, bos_token_id=0, eos_token_id=1
        )
    )


class Subclass(T5ForConditionalGeneration):
    pass


KINDS = {
    "t5": lambda t5: t5,
    "untied": untied,
    "subclass": lambda t5: Subclass(t5.config),
    "bert": lambda t5: bert(),
    "gpt2": lambda t5: gpt2(),
    "t5 lora": lambda t5: lora(t5, target_modules=["q", "v"], task_type="SEQ_2_SEQ_LM"),
    "bert lora and head": lambda t5: lora(
        bert(), target_modules=["query"], modules_to_save=["classifier"], task_type="SEQ_CLS"
    ),
    "t5 ia3": lambda t5: adapted(
        t5,
        IA3Config(task_type="SEQ_2_SEQ_LM", target_modules=["k", "v", "wo"], feedforward_modules=r".*\.wo"),
    ),
    "bert ia3 and head": lambda t5: adapted(bert(), IA3Config(task_type="SEQ_CLS")),
    "gpt2 ia3": lambda t5: adapted(gpt2(), IA3Config(task_type="CAUSAL_LM", fan_in_fan_out=True)),
    "t5 prompt": lambda t5: adapted(
        t5,
        PromptTuningConfig(task_type="SEQ_2_SEQ_LM", num_virtual_tokens=3, prompt_tuning_init="SAMPLE_VOCAB"),
    ),
    "t5 prompt, encoder only": lambda t5: adapted(
        t5,
        PromptTuningConfig(task_type="SEQ_2_SEQ_LM", num_virtual_tokens=3, num_transformer_submodules=1),
    ),
    "bert prompt and head": lambda t5: adapted(
        bert(), PromptTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=3)
    ),
    "t5 prefix": lambda t5: adapted(t5, PrefixTuningConfig(task_type="SEQ_2_SEQ_LM", num_virtual_tokens=3)),
}


def named(t5):
    """Two adapters, of which the second is active, and has a name of its own."""
    model = lora(t5, target_modules=["q"], task_type="SEQ_2_SEQ_LM")
    model.add_adapter("desks", LoraConfig(r=2, target_modules=["q", "v"], task_type="SEQ_2_SEQ_LM"))
    model.set_adapter("desks")
    for name, weight in model.named_parameters():
        if "lora_B.desks" in name:
            torch.nn.init.normal_(weight)
    return model


KINDS |= {
    "t5 with two adapters": named,
    "t5 with patterns": lambda t5: lora(
        t5,
        target_modules=["q", "v"],
        task_type="SEQ_2_SEQ_LM",
        rank_pattern={r".*decoder.*\.q": 3},
        alpha_pattern={r"^encoder\.block\.0\..*": 5},
    ),
    "bert pissa": lambda t5: lora(
        bert(), target_modules=["query"], task_type="SEQ_CLS", init_lora_weights="pissa"
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


@pytest.mark.parametrize("kind", ["t5", "t5 lora", "bert prompt and head"])
def test_rebuilding_draws_no_random_numbers(t5, kind):
    folder = models.pack(KINDS[kind](t5))
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    models.rebuild(folder)
    assert torch.rand(1) == expected


def test_a_hand_written_module_gives_its_weights_only():
    answer = Answer(LocalTransport({"net": torch.nn.Linear(2, 3)}, None))
    with pytest.raises(NotPlainData, match="Transformers or PEFT model, and is a Linear"):
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


@pytest.mark.parametrize("lie", ["a header that lies", "noise"])
def test_damaged_weights_are_said_to_be(t5, lie):
    files = dict(models.pack(t5).files)
    LIES[lie](files)
    with pytest.raises(
        CodecError, match="^model.safetensors is damaged or no safetensors file; save the model once more"
    ):
        models.rebuild(Folder(files))


def test_remote_code_is_never_asked_for(t5):
    files = dict(models.pack(t5).files)
    config(
        auto_map={"AutoModelForSeq2SeqLM": "evil--x.Model"}, _attn_implementation="kernels-community/evil"
    )(files)
    assert torch.equal(logits(models.rebuild(Folder(files))), logits(t5))


def adapter_config(**changes):
    def change(files):
        files["adapter_config.json"] = json.dumps(json.loads(files["adapter_config.json"]) | changes).encode()

    return change


def adapter_weights(edit):
    def change(files):
        tensors = load(files["adapter_model.safetensors"])
        edit(tensors)
        files["adapter_model.safetensors"] = save(tensors)

    return change


def first_of_another_shape(tensors):
    name = min(tensors)
    tensors[name] = torch.zeros(2, *tensors[name].shape)


def turn_the_last_layers_scale(tensors):
    name = max(name for name in tensors if ".wo." in name)
    tensors[name] = tensors[name].T.contiguous()


ADAPTERS_THAT_LIE = {
    "t5 lora": {
        "no method": adapter_config(peft_type=None),
        "a method that is a list": adapter_config(peft_type=["LORA"]),
        "a method that is not rebuilt": adapter_config(peft_type="LN_TUNING"),
        "a prompt's config": adapter_config(peft_type="PROMPT_TUNING", num_virtual_tokens=3),
        "an enormous rank": adapter_config(r=10**9),
        "another rank": adapter_config(r=3),
        "a rank in words": adapter_config(r="2"),
        "an enormous rank of one layer": adapter_config(rank_pattern={"q": 10**9}),
        "a head that is not there": adapter_config(modules_to_save=["lm_head"]),
    },
    "t5 ia3": {
        "a prompt's config": adapter_config(peft_type="PREFIX_TUNING", num_virtual_tokens=3),
        "names with spaces": adapter_config(modules_to_save=["a b"]),
        "no tensors": adapter_weights(dict.clear),
        "a layer that is not there": adapter_weights(
            lambda tensors: tensors.update({"base_model.model.nowhere.ia3_l": torch.ones(1, 16)})
        ),
        "an input's scale at an output": adapter_weights(turn_the_last_layers_scale),
    },
    "bert prompt and head": {
        "no count": adapter_config(num_virtual_tokens=None),
        "an enormous count": adapter_config(num_virtual_tokens=10**9),
        "another count": adapter_config(num_virtual_tokens=4),
        "a count that is a truth": adapter_config(num_virtual_tokens=True),
        "more stacks": adapter_config(num_transformer_submodules=10**6),
        "a stack too many": adapter_config(num_transformer_submodules=2),
        "no head": adapter_weights(lambda tensors: tensors.pop("base_model.classifier.weight")),
        "no tensors": adapter_weights(dict.clear),
    },
    "t5 prefix": {
        "an enormous count": adapter_config(num_virtual_tokens=10**9),
        "no tensors": adapter_weights(dict.clear),
    },
}
EVERY_ADAPTERS_LIES = {
    "a tensor too many": adapter_weights(lambda tensors: tensors.update(extra=torch.zeros(1))),
    "a tensor of another shape": adapter_weights(first_of_another_shape),
    "a task that is none": adapter_config(task_type="os.system"),
    "no weights": lambda files: files.pop("adapter_model.safetensors"),
    "a config that is a list": lambda files: files.update({"adapter_config.json": b"[]"}),
    "noise": lambda files: files.update({"adapter_model.safetensors": b"noise"}),
}


@pytest.mark.parametrize(
    ("kind", "lie"),
    [(kind, lie) for kind, lies in ADAPTERS_THAT_LIE.items() for lie in {**lies, **EVERY_ADAPTERS_LIES}],
)
def test_adapters_that_lie_are_refused(t5, kind, lie):
    files = dict(models.pack(KINDS[kind](t5)).files)
    (ADAPTERS_THAT_LIE[kind] | EVERY_ADAPTERS_LIES)[lie](files)
    with pytest.raises(CodecError):
        models.rebuild(Folder(files))


def test_an_adapter_is_measured_before_it_is_made(t5, monkeypatch):
    """A count that its tensors do not bear out takes no memory: it is refused on the meta device."""
    made = []
    monkeypatch.setattr("peft.PeftModel.from_pretrained", lambda *given, **options: made.append(given))
    files = dict(models.pack(KINDS["t5 prefix"](t5)).files)
    adapter_config(num_virtual_tokens=1024)(files)
    with pytest.raises(CodecError, match="do not fit the config: prompt_embeddings"):
        models.rebuild(Folder(files))
    assert not made


def test_a_method_that_cannot_be_rebuilt_is_named(t5):
    other = adapted(t5, LNTuningConfig(task_type="SEQ_2_SEQ_LM", target_modules=["layer_norm"]))
    with pytest.raises(CodecError, match="only LORA, IA3, PROMPT_TUNING, PREFIX_TUNING .* not 'LN_TUNING'"):
        models.rebuild(models.pack(other))


def test_an_adapter_of_no_known_method_is_refused_before_it_is_trained(t5):
    other = get_peft_model(copy.deepcopy(t5), VeraConfig(task_type="SEQ_2_SEQ_LM", target_modules=["q"], r=2))
    with pytest.raises(CodecError, match="not 'VERA'"):
        models.expect_known_adapter(other)
    models.expect_known_adapter(KINDS["t5 ia3"](t5))


def test_of_two_active_adapters_one_has_to_be_chosen(t5):
    both = named(t5)
    both.base_model.set_adapter(["default", "desks"])
    with pytest.raises(CodecError, match="2 are active"):
        models.pack(both)


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


LEFT_OUT = [
    ("t5 lora", {"target_modules": "((.*)*)*x"}),
    ("t5 lora", {"megatron_config": {"a": 1}, "megatron_core": "antigravity"}),
    ("t5 lora", {"auto_mapping": {"base_model_class": "x", "parent_library": "os"}}),
    ("t5 lora", {"layers_pattern": "(a+)+$", "layers_to_transform": [0]}),
    ("t5 lora", {"init_lora_weights": "pissa"}),
    ("t5 lora", {"exclude_modules": ".*"}),
    ("t5 ia3", {"target_modules": "((.*)*)*x", "feedforward_modules": "((.*)*)*x"}),
    ("t5 ia3", {"init_ia3_weights": False, "exclude_modules": ".*"}),
    ("t5 prompt", {"prompt_tuning_init": "TEXT", "tokenizer_name_or_path": "evil/tokenizer"}),
    ("t5 prompt", {"prompt_tuning_init_text": "x", "tokenizer_kwargs": {"trust_remote_code": True}}),
    ("t5 prompt", {"token_dim": 10**9, "num_layers": 10**9, "num_attention_heads": 10**9}),
    ("t5 prefix", {"prefix_projection": True, "encoder_hidden_size": 10**9}),
]


@pytest.mark.parametrize(("kind", "changes"), LEFT_OUT, ids=str)
def test_an_adapters_patterns_and_imports_are_left_out(t5, kind, changes):
    """PEFT would match them against every module's name, import or load what they name, or make what they count."""
    model = KINDS[kind](t5)
    files = dict(models.pack(model).files)
    adapter_config(**changes)(files)
    assert torch.equal(logits(models.rebuild(Folder(files))), logits(model))


@pytest.mark.parametrize("changes", [{"rank_pattern": {"(a+)+$": 3}}, {"modules_to_save": ["a b"]}], ids=str)
def test_an_adapters_names_are_plain(t5, changes):
    files = dict(models.pack(KINDS["t5 lora"](t5)).files)
    adapter_config(**changes)(files)
    with pytest.raises(CodecError, match="plain names"):
        models.rebuild(Folder(files))


def test_half_of_an_adapters_tensors_are_refused(t5):
    files = dict(models.pack(KINDS["t5 lora"](t5)).files)
    adapter_weights(lambda tensors: [tensors.pop(name) for name in list(tensors) if "lora_B" in name])(files)
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


def test_a_prefix_through_a_projection_is_rebuilt_without_it(t5):
    """PEFT saves what comes out of the projection."""
    projected = PrefixTuningConfig(
        task_type="SEQ_2_SEQ_LM", num_virtual_tokens=3, prefix_projection=True, encoder_hidden_size=5
    )
    model = adapted(t5, projected)
    assert torch.allclose(logits(models.rebuild(models.pack(model))), logits(model), atol=1e-5)


def test_load_gives_the_saved_class_in_eval_mode(t5, tmp_path):
    t5.save_pretrained(tmp_path)
    loaded = models.load(str(tmp_path))
    assert type(loaded) is T5ForConditionalGeneration
    assert not loaded.training


def test_a_model_that_cannot_read_two_tokens_is_refused():
    short = GPT2LMHeadModel(GPT2Config(vocab_size=12, n_positions=1, n_embd=8, n_layer=1, n_head=2))
    with pytest.raises(CodecError, match="cannot read two tokens: IndexError"):
        models.rebuild(models.pack(short))


def test_what_a_learners_model_cannot_compute_is_no_fault_of_a_checks():
    few_words = Answer(LocalTransport({"net": bert()}, None)).model("net")
    assert few_words(input_ids=IDS).logits.shape == (2, 3)
    for model in (few_words, copy.deepcopy(few_words)):
        with pytest.raises(Uncomputable, match="index out of range"):
            model(input_ids=IDS + 40)


def test_a_copy_of_a_learners_model_computes_with_its_own_weights():
    model = Answer(LocalTransport({"net": bert()}, None)).model("net")
    other = copy.deepcopy(model)
    other.classifier.bias.data += 1
    assert torch.allclose(other(input_ids=IDS).logits, model(input_ids=IDS).logits + 1)


def test_a_learners_model_generates(t5):
    model = Answer(LocalTransport({"net": t5}, None)).model("net")
    assert torch.equal(model.generate(IDS, max_new_tokens=3), t5.eval().generate(IDS, max_new_tokens=3))
    with pytest.raises(Uncomputable):
        model.generate(IDS + 40, max_new_tokens=3)
