"""A Hub cache made on this machine, in the layout that huggingface_hub writes, for the client to find."""

import json
from pathlib import Path

from course_utils.standins.models import BUILDS

# The configurations at the pinned revisions.
FLAN_T5_SMALL = BUILDS["flan-t5"].config
DISTILBERT_BASE_UNCASED = BUILDS["distilbert"].config
TEXT = [
    "the",
    "ferry",
    "to",
    "the",
    "island",
    "leaves",
    "at",
    "nine",
    "and",
    "comes",
    "back",
    "before",
    "the",
    "shop",
    "in",
    "the",
    "harbour",
    "shuts",
]


def snapshot(hub, entry):
    """The (new) folder of a model's pinned revision in the cache folder `hub`."""
    folder = Path(hub, f"models--{entry.hub_id.replace('/', '--')}", "snapshots", entry.revision)
    folder.mkdir(parents=True)
    return folder


def put_flan_t5(hub, entry):
    """google/flan-t5-small at full size with random weights and its separate head, and a small Unigram tokenizer."""
    import torch
    from safetensors.torch import save_file
    from transformers import AutoConfig, AutoModelForSeq2SeqLM, T5Tokenizer

    folder = snapshot(hub, entry)
    config = AutoConfig.for_model(**FLAN_T5_SMALL)
    weights = AutoModelForSeq2SeqLM.from_config(config).state_dict()
    weights["lm_head.weight"] = torch.randn_like(weights["shared.weight"]) * 0.05
    kept = {
        name: weight.clone() for name, weight in weights.items() if not name.endswith("embed_tokens.weight")
    }
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(FLAN_T5_SMALL))
    (folder / "generation_config.json").write_text(
        '{"decoder_start_token_id": 0, "eos_token_id": 1, "pad_token_id": 0}'
    )
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(f"▁{word}", -3.0) for word in dict.fromkeys(TEXT)] + [
        (letter, -6.0) for letter in "abcdefghijklmnopqrstuvwxyz"
    ]
    T5Tokenizer(vocab=pieces, extra_ids=100).save_pretrained(folder)


def put_distilbert(hub, entry):
    """distilbert-base-uncased at full size with random weights, and a small WordPiece tokenizer."""
    from transformers import AutoConfig, AutoModelForMaskedLM, DistilBertTokenizer

    folder = snapshot(hub, entry)
    AutoModelForMaskedLM.from_config(AutoConfig.for_model(**DISTILBERT_BASE_UNCASED)).save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(DISTILBERT_BASE_UNCASED))
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(TEXT)]
    DistilBertTokenizer(vocab={word: number for number, word in enumerate(words)}).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(words))
