"""What the released model says of a text. All targets have this file, and model.json beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

RELEASE = json.loads((Path(__file__).parent / "model.json").read_text(encoding="utf-8"))
tokenizer = AutoTokenizer.from_pretrained(RELEASE["repo"], revision=RELEASE["revision"])
model = AutoModelForSeq2SeqLM.from_pretrained(RELEASE["repo"], revision=RELEASE["revision"]).eval()


def predict(text: str) -> dict[str, Any]:
    """What the model writes, and how probable its first token was. Raises ValueError for an empty text."""
    if not text.strip():
        raise ValueError("There is no text yet.")
    inputs = tokenizer(RELEASE["prompt"].format(text.strip()), return_tensors="pt", truncation=True)
    with torch.no_grad():
        made = model.generate(
            **inputs, do_sample=False, max_new_tokens=8, output_scores=True, return_dict_in_generate=True
        )
    probability = made.scores[0][0].softmax(dim=-1).max().item()
    label = tokenizer.decode(made.sequences[0], skip_special_tokens=True)
    return {"label": label, "probability": probability, "revision": RELEASE["revision"][:7]}
