""" "Use it": the lines that load a repository, with the class that fits it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from course_utils.hub.store.errors import StoreError

if TYPE_CHECKING:
    from course_utils.hub.server.pages.frame import Shown
    from course_utils.hub.store.cards import Card
    from course_utils.hub.store.repository import Repository

CONFIG_BYTES = 2**20
AUTO_CLASSES = {
    "audio-classification": "AutoModelForAudioClassification",
    "automatic-speech-recognition": "AutoModelForSpeechSeq2Seq",
    "feature-extraction": "AutoModel",
    "fill-mask": "AutoModelForMaskedLM",
    "image-classification": "AutoModelForImageClassification",
    "image-segmentation": "AutoModelForImageSegmentation",
    "image-text-to-text": "AutoModelForImageTextToText",
    "multiple-choice": "AutoModelForMultipleChoice",
    "object-detection": "AutoModelForObjectDetection",
    "question-answering": "AutoModelForQuestionAnswering",
    "sentence-similarity": "AutoModel",
    "summarization": "AutoModelForSeq2SeqLM",
    "text2text-generation": "AutoModelForSeq2SeqLM",
    "text-classification": "AutoModelForSequenceClassification",
    "text-generation": "AutoModelForCausalLM",
    "token-classification": "AutoModelForTokenClassification",
    "translation": "AutoModelForSeq2SeqLM",
    "zero-shot-classification": "AutoModelForSequenceClassification",
}
# How the name of an architecture in config.json ends; it knows better than the card what the weights are
ARCHITECTURES = {
    "ForCausalLM": "AutoModelForCausalLM",
    "ForConditionalGeneration": "AutoModelForSeq2SeqLM",
    "ForMaskedLM": "AutoModelForMaskedLM",
    "ForMultipleChoice": "AutoModelForMultipleChoice",
    "ForQuestionAnswering": "AutoModelForQuestionAnswering",
    "ForSequenceClassification": "AutoModelForSequenceClassification",
    "ForTokenClassification": "AutoModelForTokenClassification",
    "LMHeadModel": "AutoModelForCausalLM",
}
ADAPTER_CLASSES = {
    "CAUSAL_LM": "AutoPeftModelForCausalLM",
    "FEATURE_EXTRACTION": "AutoPeftModelForFeatureExtraction",
    "QUESTION_ANS": "AutoPeftModelForQuestionAnswering",
    "SEQ_2_SEQ_LM": "AutoPeftModelForSeq2SeqLM",
    "SEQ_CLS": "AutoPeftModelForSequenceClassification",
    "TOKEN_CLS": "AutoPeftModelForTokenClassification",
}
METRICS = "evaluate-metric"  # the organisation whose Spaces evaluate.load finds by their short names


def how_to_use(repository: Repository, here: Shown, card: Card) -> str:
    """Python that loads the repository. What lies in its files is asked only if the visitor may read them."""
    if repository.kind == "dataset":
        return _dataset(repository.id, card.data)
    if repository.kind == "space":
        return _space(repository)
    return _model(repository, here, card.data)


def _dataset(identifier: str, data: dict) -> str:
    configs = data.get("configs")
    listed = configs if isinstance(configs, list) else []
    found = [each.get("config_name") for each in listed if isinstance(each, dict)]
    names = [each for each in found if isinstance(each, str) and each != "default"]
    chosen = f', "{names[0]}"' if names and names[0].isprintable() and '"' not in names[0] else ""
    return f'from datasets import load_dataset\n\ndata = load_dataset("{identifier}"{chosen})'


def _space(repository: Repository) -> str:
    if repository.owner == METRICS:
        return f'import evaluate\n\nmetric = evaluate.load("{repository.id.partition("/")[2]}")'
    return _download(repository.id, ', repo_type="space"')


def _download(identifier: str, kind: str = "") -> str:
    return (
        f'from huggingface_hub import snapshot_download\n\nfolder = snapshot_download("{identifier}"{kind})'
    )


def _model(repository: Repository, here: Shown, data: dict) -> str:
    config = _json(repository, here, "config.json")
    adapter = _json(repository, here, "adapter_config.json")
    if adapter is not None or data.get("library_name") == "peft":
        chosen = ADAPTER_CLASSES.get(_text((adapter or {}).get("task_type")), "AutoPeftModel")
        return _load("peft", chosen, repository.id)
    auto = _auto_class(config or {}, data)
    if auto is None or data.get("library_name", "transformers") != "transformers":
        return _download(repository.id)
    return _load("transformers", auto, repository.id)


def _auto_class(config: dict, data: dict) -> str | None:
    """By the weights' architecture, then by the card's tag; None where neither says
    that transformers can load it.
    """
    architectures = config.get("architectures")
    for name in architectures if isinstance(architectures, list) else ():
        for ending, chosen in ARCHITECTURES.items():
            if _text(name).endswith(ending):
                return chosen
    return AUTO_CLASSES.get(_text(data.get("pipeline_tag")), "AutoModel" if "model_type" in config else None)


def _text(value: list[str] | str | None) -> str:
    return value if isinstance(value, str) else ""


def _load(library: str, chosen: str, identifier: str) -> str:
    model = f"model = {chosen}.from_pretrained(name)"
    if library == "peft":
        return f'from peft import {chosen}\n\nname = "{identifier}"\n{model}'
    tokenizer = "tokenizer = AutoTokenizer.from_pretrained(name)"
    return f'from transformers import {chosen}, AutoTokenizer\n\nname = "{identifier}"\n{tokenizer}\n{model}'


def _json(repository: Repository, here: Shown, path: str) -> dict | None:
    """A small JSON file of the repository as a dict; {} if it is there but
    can't be read, None if it isn't.
    """
    file = repository.history.file(here.commit, path)
    if file is None:
        return None
    if not here.may_read or file.size > CONFIG_BYTES:
        return {}
    try:
        value = json.loads(repository.read(file))
    except (ValueError, StoreError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
