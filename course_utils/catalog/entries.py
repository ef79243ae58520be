"""The entries: every model, dataset and metric of the course, as plain data.

Revisions are full commit ids of the Hub repositories, each seen together with its repository's name in
public code that pins it, or in the Hub's own addresses. `entities` is pinned to a commit of the Hub's
automatic parquet conversion, as the original repository holds a loading script, which `datasets` no longer
runs.

Sizes are what the hub profile downloads, in megabytes of 10**6 bytes, rounded; parameters are counted from
the architecture built at the pinned configuration (a test builds them again).
"""

import difflib
from dataclasses import dataclass as frozen_record
from dataclasses import field
from functools import partial

record = partial(frozen_record, frozen=True, kw_only=True)

WORDPIECE_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt")


@record
class Model:
    """A pre-trained model: `hub_id` at `revision`. `course build models` makes its offline twin.

    files: what to download, which is the safetensors weights and not the copies for other frameworks.
    architecture: the Auto class that loads it with its pre-training head; `parameters` counts that head in.
    """

    name: str
    hub_id: str
    revision: str
    files: tuple[str, ...]
    architecture: str
    parameters: int
    megabytes: int
    licence: str


@record
class Dataset:
    """A dataset with train, validation and test splits.

    hub_columns: how the columns are written in the hub profile: "string" or "int32" is a value, a tuple of
        names is a class label, a list holds many of its one item, a dict is a record. The names are the
        same offline.
    hub_files: split -> files in the repository. A split that the repository lacks is carved from train, see
    `carved`.
    carved: split -> rows. With `apart`, rows that share that column's value never fall on both sides of the
    cut.
    """

    name: str
    hub_id: str
    revision: str
    hub_files: dict[str, str]
    hub_columns: dict
    megabytes: int
    licence: str
    carved: dict[str, int] = field(default_factory=dict)
    apart: str | None = None
    note: str = ""

    @property
    def columns(self):
        return tuple(self.hub_columns)


@record
class Metric:
    """A metric module in `course_utils/metrics/`, which `evaluate.load(path)` takes without a network."""

    name: str
    result: str  # the key of the score in what compute() returns
    meaning: str


def _by_name(*entries):
    return {entry.name: entry for entry in entries}


MODELS = _by_name(
    Model(
        name="flan-t5",
        hub_id="google/flan-t5-small",
        revision="0fc9ddf78a1e988dac52e2dac162b0ede4fd74ab",
        files=(
            "config.json",
            "generation_config.json",
            "model.safetensors",
            "special_tokens_map.json",
            "spiece.model",
            "tokenizer.json",
            "tokenizer_config.json",
        ),
        architecture="AutoModelForSeq2SeqLM",
        parameters=76_961_152,
        megabytes=311,
        licence="apache-2.0",
    ),
    Model(
        name="bert",
        hub_id="google-bert/bert-base-uncased",
        revision="86b5e0934494bd15c9632b12f734a8a67f723594",
        files=WORDPIECE_FILES,
        architecture="AutoModelForMaskedLM",
        parameters=109_514_298,
        megabytes=441,
        licence="apache-2.0",
    ),
    Model(
        name="distilbert",
        hub_id="distilbert/distilbert-base-uncased",
        revision="12040accade4e8a0f71eabdb258fecc2e7e948be",
        files=WORDPIECE_FILES,
        architecture="AutoModelForMaskedLM",
        parameters=66_985_530,
        megabytes=269,
        licence="apache-2.0",
    ),
    Model(
        name="gpt2",
        hub_id="openai-community/gpt2",
        revision="607a30d783dfa663caf39e06633721c8d4cfcd7e",
        files=(
            "config.json",
            "generation_config.json",
            "merges.txt",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
            "vocab.json",
        ),
        architecture="AutoModelForCausalLM",
        parameters=124_439_808,
        megabytes=551,
        licence="mit",
    ),
)

ENTITY_TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-MISC", "I-MISC")

DATASETS = _by_name(
    Dataset(
        name="dialogues",
        hub_id="knkarthick/dialogsum",
        revision="f6bf536de69725c3228082c8455e2a3c2dc6af86",
        hub_files={"train": "train.csv", "validation": "validation.csv", "test": "test.csv"},
        hub_columns={"id": "string", "dialogue": "string", "summary": "string", "topic": "string"},
        megabytes=13,
        licence="cc-by-nc-sa-4.0",
        note="The test split has three summaries of each of its 500 dialogues, as three rows.",
    ),
    Dataset(
        name="reviews",
        hub_id="cornell-movie-review-data/rotten_tomatoes",
        revision="aa13bc287fa6fcab6daf52f0dfb9994269ffea28",
        hub_files={"train": "train.parquet", "validation": "validation.parquet", "test": "test.parquet"},
        hub_columns={"text": "string", "label": ("negative", "positive")},
        megabytes=1,
        licence="unknown",
    ),
    Dataset(
        name="topics",
        hub_id="fancyzhx/ag_news",
        revision="eb185aade064a813bc0b7f42de02595523103ca4",
        hub_files={"train": "data/train-*.parquet", "test": "data/test-*.parquet"},
        hub_columns={"text": "string", "label": ("World", "Sports", "Business", "Sci/Tech")},
        carved={"validation": 5000},
        megabytes=20,
        licence="unknown",
    ),
    Dataset(
        name="entities",
        hub_id="eriktks/conll2003",
        revision="ce85b39f9dd99f552d0739d456814e95fb6a39b0",
        hub_files={
            "train": "conll2003/train/*.parquet",
            "validation": "conll2003/validation/*.parquet",
            "test": "conll2003/test/*.parquet",
        },
        hub_columns={"tokens": ["string"], "ner_tags": [ENTITY_TAGS]},
        megabytes=2,
        licence="other",
        note="Reuters text: for research, not to be passed on. Tags are renumbered to the order given here.",
    ),
    Dataset(
        name="questions",
        hub_id="rajpurkar/squad",
        revision="7b6d24c440a36b6815f21b70d25016731768db1f",
        hub_files={"train": "plain_text/train-*.parquet", "test": "plain_text/validation-*.parquet"},
        hub_columns={
            "id": "string",
            "title": "string",
            "context": "string",
            "question": "string",
            "answers": {"text": ["string"], "answer_start": ["int32"]},
        },
        carved={"validation": 5000},
        apart="title",
        megabytes=17,
        licence="cc-by-sa-4.0",
        note="SQuAD's test split is not public: its validation split is our test split.",
    ),
    Dataset(
        name="translations",
        hub_id="Helsinki-NLP/opus_books",
        revision="1f9f6191d0e91a3c539c2595e2fe48fc1420de9b",
        hub_files={"train": "en-fr/train-*.parquet"},
        hub_columns={"en": "string", "fr": "string"},
        carved={"validation": 2000, "test": 2000},
        megabytes=21,
        licence="other",
    ),
    Dataset(
        name="general-text",
        hub_id="Salesforce/wikitext",
        revision="b08601e04326c79dfdd32d625aee71d232d685c3",
        hub_files={
            "train": "wikitext-2-raw-v1/train-*.parquet",
            "validation": "wikitext-2-raw-v1/validation-*.parquet",
            "test": "wikitext-2-raw-v1/test-*.parquet",
        },
        hub_columns={"text": "string"},
        megabytes=8,
        licence="cc-by-sa-3.0 and gfdl",
        note="Lines without text are left out.",
    ),
)

METRICS = _by_name(
    Metric(name="accuracy", result="accuracy", meaning="share of labels that are right"),
    Metric(name="f1", result="f1", meaning="F1 of each class, averaged with equal weight (macro)"),
    Metric(name="exact_match", result="exact_match", meaning="share of texts equal to their reference"),
    Metric(name="rouge", result="rougeL", meaning="ROUGE-L: F1 of the longest common subsequence of words"),
    Metric(
        name="token_f1", result="token_f1", meaning="F1 of the words shared with the reference, in any order"
    ),
    Metric(
        name="mae", result="mae", meaning="mean distance between numbers and their references; less is better"
    ),
)


def model(name):
    """The `Model` of that name; ValueError with the known names otherwise."""
    return _entry(MODELS, "model", name)


def dataset(name):
    """The `Dataset` of that name; ValueError with the known names otherwise."""
    return _entry(DATASETS, "dataset", name)


def metric(name):
    """The `Metric` of that name; ValueError with the known names otherwise."""
    return _entry(METRICS, "metric", name)


def _entry(entries, kind, name):
    if name in entries:
        return entries[name]
    near = difflib.get_close_matches(str(name), entries, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"The course has no {kind} {name!r}.{hint} Its {kind}s are: {', '.join(entries)}.")
