"""The real models' configurations, and small builds of them with random weights, as files of a repository."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from course_utils.catalog import MODELS
from course_utils.standins import tokenizers

SEED = 0


@dataclass(frozen=True)
class Build:
    """How the stand-in of one model is built.

    Attributes:
        config: the fields of the real repository's config.json.
        small: those of them that are smaller in the stand-in, so that a lesson that trains takes seconds.
        head: what its card names as its task.
        more: further files, as texts.
        apart: weights that the real model keeps apart though the library would tie them: name -> the one
            that it would be tied to.
    """

    config: dict[str, Any]
    small: dict[str, int]
    tokenizer: Callable[[], Any]
    head: str
    more: dict[str, str] = field(default_factory=dict)
    apart: dict[str, str] = field(default_factory=dict)


def _generation(**tokens: int) -> str:
    """A generation_config.json for answers. Random weights would never end one: from the fourth token on the
    end gets likelier with each. (Not for GPT-2, whose lessons write texts of a length that they choose.)
    """
    return json.dumps({**tokens, "exponential_decay_length_penalty": [4, 2.0]})


_BERT = {
    "architectures": ["BertForMaskedLM"],
    "attention_probs_dropout_prob": 0.1,
    "gradient_checkpointing": False,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 768,
    "initializer_range": 0.02,
    "intermediate_size": 3072,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512,
    "model_type": "bert",
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "pad_token_id": 0,
    "position_embedding_type": "absolute",
    "type_vocab_size": 2,
    "use_cache": True,
    "vocab_size": 30522,
}
_DISTILBERT = {
    "activation": "gelu",
    "architectures": ["DistilBertForMaskedLM"],
    "attention_dropout": 0.1,
    "dim": 768,
    "dropout": 0.1,
    "hidden_dim": 3072,
    "initializer_range": 0.02,
    "max_position_embeddings": 512,
    "model_type": "distilbert",
    "n_heads": 12,
    "n_layers": 6,
    "pad_token_id": 0,
    "qa_dropout": 0.1,
    "seq_classif_dropout": 0.2,
    "sinusoidal_pos_embds": False,
    "tie_weights_": True,
    "vocab_size": 30522,
}
_FLAN_T5 = {
    "architectures": ["T5ForConditionalGeneration"],
    "d_ff": 1024,
    "d_kv": 64,
    "d_model": 512,
    "decoder_start_token_id": 0,
    "dropout_rate": 0.1,
    "eos_token_id": 1,
    "feed_forward_proj": "gated-gelu",
    "initializer_factor": 1.0,
    "is_encoder_decoder": True,
    "layer_norm_epsilon": 1e-06,
    "model_type": "t5",
    "n_positions": 512,
    "num_decoder_layers": 8,
    "num_heads": 6,
    "num_layers": 8,
    "output_past": True,
    "pad_token_id": 0,
    "relative_attention_max_distance": 128,
    "relative_attention_num_buckets": 32,
    "tie_word_embeddings": False,
    "use_cache": True,
    "vocab_size": 32128,
}
_GPT2 = {
    "activation_function": "gelu_new",
    "architectures": ["GPT2LMHeadModel"],
    "attn_pdrop": 0.1,
    "bos_token_id": 50256,
    "embd_pdrop": 0.1,
    "eos_token_id": 50256,
    "initializer_range": 0.02,
    "layer_norm_epsilon": 1e-05,
    "model_type": "gpt2",
    "n_ctx": 1024,
    "n_embd": 768,
    "n_head": 12,
    "n_layer": 12,
    "n_positions": 1024,
    "resid_pdrop": 0.1,
    "summary_activation": None,
    "summary_first_dropout": 0.1,
    "summary_proj_to_labels": True,
    "summary_type": "cls_index",
    "summary_use_proj": True,
    "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}},
    "vocab_size": 50257,
}
# two layers of two heads, as in the smallest published BERT (google/bert_uncased_L-2_H-128_A-2)
BUILDS = {
    "bert": Build(
        _BERT,
        {
            "hidden_size": 128,
            "intermediate_size": 512,
            "num_attention_heads": 2,
            "num_hidden_layers": 2,
        },
        tokenizers.wordpiece,
        "fill-mask",
    ),
    "distilbert": Build(
        _DISTILBERT,
        {"dim": 128, "hidden_dim": 512, "n_heads": 2, "n_layers": 2},
        tokenizers.wordpiece,
        "fill-mask",
    ),
    "flan-t5": Build(
        _FLAN_T5,
        {"d_ff": 256, "d_model": 128, "num_decoder_layers": 2, "num_heads": 2, "num_layers": 2},
        tokenizers.unigram,
        "text2text-generation",
        more={
            "generation_config.json": _generation(decoder_start_token_id=0, eos_token_id=1, pad_token_id=0),
            "special_tokens_map.json": '{"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}',
        },
        apart={"lm_head.weight": "shared.weight"},
    ),
    "gpt2": Build(
        _GPT2,
        {"n_embd": 128, "n_head": 2, "n_layer": 2},
        tokenizers.byte_level_bpe,
        "text-generation",
        more={"generation_config.json": json.dumps({"bos_token_id": 50256, "eos_token_id": 50256})},
    ),
}


def write(name: str, folder: Path) -> None:
    """Write the repository of a model into `folder`."""
    build = BUILDS[name]
    build.tokenizer().save_pretrained(folder)
    _write_vocabulary(folder)
    _write_weights(name, build, folder)
    small = json.dumps(build.config | build.small, indent=2)
    (folder / "config.json").write_text(small, encoding="utf-8")
    for path, text in build.more.items():
        (folder / path).write_text(text, encoding="utf-8")
    (folder / "README.md").write_text(card(name), encoding="utf-8")


def _write_weights(name: str, build: Build, folder: Path) -> None:
    import torch
    import transformers
    from safetensors.torch import save_file

    config = transformers.AutoConfig.for_model(**build.config | build.small)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = getattr(transformers, MODELS[name].architecture).from_config(config)
        model.save_pretrained(folder)
        if build.apart:
            weights = {key: value.clone() for key, value in model.state_dict().items()}
            for key, like in build.apart.items():
                weights[key] = torch.randn_like(weights[like]) * 0.05
            kept = {key: value for key, value in weights.items() if not key.endswith("embed_tokens.weight")}
            save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def _write_vocabulary(folder: Path) -> None:
    """The files of a tokenizer that older libraries read, which `save_pretrained` no longer writes."""
    model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    kind = model["type"]
    if kind == "WordPiece":
        (folder / "vocab.txt").write_text("\n".join(model["vocab"]) + "\n", encoding="utf-8")
    elif kind == "BPE":
        (folder / "vocab.json").write_text(json.dumps(model["vocab"]), encoding="utf-8")
        merges = (merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"])
        (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8")
    else:  # a binary file that nothing reads beside tokenizer.json
        (folder / "spiece.model").write_bytes(b"\0 a stand-in: see tokenizer.json")


def card(name: str) -> str:
    """The README.md of a stand-in."""
    entry, build = MODELS[name], BUILDS[name]
    return (
        f"---\nlicense: {entry.licence}\nlanguage: en\nlibrary_name: transformers\n"
        f"pipeline_tag: {build.head}\n---\n# {entry.hub_id.partition('/')[2]}\n\n"
        "A stand-in with random weights: it shows nothing of what the real model knows.\n"
    )
