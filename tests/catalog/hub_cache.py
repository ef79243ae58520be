"""A Hub cache made on this machine, in the layout that huggingface_hub writes, for the client to find."""

import json
from pathlib import Path

import pyarrow
import pyarrow.parquet

# The configuration of google/flan-t5-small at the pinned revision.
FLAN_T5_SMALL = {
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
# The configuration of distilbert/distilbert-base-uncased at the pinned revision.
DISTILBERT_BASE_UNCASED = {
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


def snapshot(hub, entry, repo_type="model"):
    """The (new) folder of an entry's pinned revision in the cache folder `hub`."""
    folder = Path(hub, f"{repo_type}s--{entry.hub_id.replace('/', '--')}", "snapshots", entry.revision)
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


# A few rows of every dataset, in the files and columns of the real repository


def csv(rows):
    import csv
    import io

    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def dialogue(number):
    return {
        "id": f"train_{number}",
        "dialogue": f'#Person1#: It is {number}, "null" they say.\n#Person2#: So, we go.',
        "summary": "null" if number == 0 else f"They leave at {number}.",
        "topic": "leaving",
    }


TAGGED = {
    "id": "0",
    "tokens": ["Ann", "Lee", "of", "Tide", "Bank", "saw", "Hull", "and", "Danes"],
    "pos_tags": [1] * 9,
    "chunk_tags": [1] * 9,
    "ner_tags": [1, 2, 0, 3, 4, 0, 5, 0, 7],  # CoNLL's numbers: PER 1 2, ORG 3 4, LOC 5 6, MISC 7 8
}


def question(number):
    return {
        "id": f"q{number}",
        "title": f"Article {number // 100}",
        "context": "The ferry leaves at nine.",
        "question": "When does it leave?",
        "answers": {"text": ["at nine"], "answer_start": [17]},
    }


DATA = {
    "dialogues": {
        "train.csv": csv([dialogue(number) for number in range(20)]),
        "validation.csv": csv([dialogue(number) for number in range(20, 24)]),
        "test.csv": csv([dialogue(number) for number in range(24, 30)]),
        "holdout.csv": "this file is not asked for",
    },
    "reviews": {
        f"{split}.parquet": [{"text": f"a fine film {number}", "label": number % 2} for number in range(10)]
        for split in ("train", "validation", "test")
    },
    "topics": {
        "data/train-00000-of-00001.parquet": [{"text": f"news {n}", "label": n % 4} for n in range(5200)],
        "data/test-00000-of-00001.parquet": [{"text": f"late news {n}", "label": n % 4} for n in range(8)],
    },
    "entities": {
        f"conll2003/{split}/0000.parquet": [TAGGED] * 3 for split in ("train", "validation", "test")
    },
    "questions": {
        "plain_text/train-00000-of-00001.parquet": [question(number) for number in range(6000)],
        "plain_text/validation-00000-of-00001.parquet": [question(number) for number in range(6000, 6010)],
    },
    "translations": {
        "en-fr/train-00000-of-00001.parquet": [
            {"id": str(n), "translation": {"en": f"boat {n}", "fr": f"bateau {n}"}} for n in range(4100)
        ],
        "en-de/train-00000-of-00001.parquet": [{"id": "0", "translation": {"de": "Boot", "en": "boat"}}],
    },
    "general-text": {
        f"wikitext-2-raw-v1/{split}-00000-of-00001.parquet": [
            {"text": text} for text in ("", " = Ferry = \n", " A ferry is a boat . \n", "  \n")
        ]
        for split in ("train", "validation", "test")
    },
}


def put_dataset(hub, entry):
    """A few rows of a dataset under the real repository's file names."""
    folder = snapshot(hub, entry, "dataset")
    for name, content in DATA[entry.name].items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            file.write_text(content)
        else:
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(content), file)
