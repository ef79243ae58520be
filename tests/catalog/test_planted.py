"""A dataset, a model and a metric that are planted in their folders, one file each, are found everywhere; nothing else is touched."""

import json
import subprocess
import sys

import pytest

DATASET = """
from course_utils.datasets.dataset import Dataset, Instruction, Labels

STATES = ("low", "high")


def record(draw):
    label = draw.below(2)
    return {"text": f"The water is {STATES[label]} at {draw.below(24)}.", "label": label}


DATASET = Dataset(
    name="tide-notes",
    description="What the harbour master wrote about the water.",
    schema={"text": "string", "label": Labels(STATES)},
    hub_id="somebody/tides",
    revision="0" * 40,
    hub_files={"train": "*.parquet"},
    carved={"validation": 10, "test": 10},
    megabytes=1,
    licence="mit",
    record=record,
    instructions=(
        Instruction(
            task="tide",
            prompt=lambda row: f"High or low? {row['text']}",
            target=lambda row: STATES[row["label"]],
        ),
    ),
)
"""

MODEL = """
from course_utils.models.model import ASSETS, Advice, CardFacts, Model, Recipe


def tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(ASSETS / "bert")


def untrained(tokenizer):
    from transformers import BertConfig, BertForMaskedLM

    return BertForMaskedLM(
        BertConfig(
            vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
        )
    )


def batches(step, tokenizer):
    from course_utils.models import mixture

    return [mixture.masked_batch(step, tokenizer, 2)]


MODEL = Model(
    name="a-toy",
    hub_id="somebody/toy",
    revision="1" * 40,
    files=("model.safetensors",),
    architecture="AutoModelForMaskedLM",
    parameters=1,
    megabytes=1,
    licence="mit",
    recipe=Recipe(
        name="a-toy",
        summary="a toy",
        make_tokenizer=tokenizer,
        make_model=untrained,
        batches=batches,
        steps=1,
        learning_rate=1e-3,
        teacher="distilbert",
    ),
    card=CardFacts(pipeline="fill-mask", reads="two passages", measured=("bert twin",)),
    advice=Advice(
        learning_rate=1e-3,
        lora_learning_rate=1e-2,
        batch_size=2,
        precision="float32",
        longest_input=16,
        source=dict.fromkeys(
            ("learning_rate", "lora_learning_rate", "batch_size", "precision", "longest_input"), "this test"
        ),
    ),
)
"""

METRIC = """
import datasets
import evaluate

RESULT = "longer"
MEANING = "share of texts longer than their reference"


class Longer(evaluate.Metric):
    def _info(self):
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=MEANING,
            citation="",
            inputs_description="texts",
            features=datasets.Features({"predictions": text, "references": text}),
        )

    def _compute(self, predictions, references):
        return {RESULT: sum(len(p) > len(r) for p, r in zip(predictions, references)) / len(references)}
"""

PLANT = """
import json, sys
from pathlib import Path
from course_utils import datasets, metrics, models

for package in (datasets, metrics, models):
    package.__path__.append(str(Path(sys.argv[1], package.__name__.split(".")[1])))
"""

LOOK = """
from course_utils.models import model

assets = Path(sys.argv[1], "assets")
assets.mkdir()
for folder in model.ASSETS.iterdir():
    (assets / folder.name).symlink_to(folder)
model.ASSETS = assets

import evaluate
from datasets import load_dataset
from transformers import AutoModelForMaskedLM, AutoTokenizer
from course_utils import catalog, instructions
from course_utils.chapters import model_cards
from course_utils.datasets import corpora
from course_utils.hub import seeding
from course_utils.models import pretrain

corpora.ROWS = {"train": 30, "validation": 10, "test": 10}
loaded = load_dataset(catalog.dataset_path("tide-notes", "offline"), cache_dir=str(assets.parent / "loaded"))
row = loaded["test"][0]
pretrain.main(["a-toy", "--workspace", str(assets.parent / "work")])
(assets / "a-toy" / "README.md").write_text(model_cards.card("a-toy"))
twin = AutoModelForMaskedLM.from_pretrained(catalog.model_path("a-toy", "offline"))
longer = evaluate.load(catalog.metric_path("longer"), cache_dir=str(assets.parent / "metrics"))
seeded = [pending.id for kind in (seeding.models, seeding.datasets, seeding.metrics) for pending in kind()]
print(json.dumps({
    "listed": [name for kind in (catalog.DATASETS, catalog.MODELS, catalog.METRICS) for name in kind],
    "rows": {split: rows.num_rows for split, rows in loaded.items()},
    "labels": loaded["train"].features["label"].names,
    "pair": [instructions.prompt("tide", row), instructions.target("tide", row), instructions.dataset_of("tide")],
    "expected": [f"High or low? {row['text']}", ("low", "high")[row["label"]], "tide-notes"],
    "pairs": len(list(corpora.pairs("tide", 3))),
    "examined": instructions.TASKS,
    "recipes": list(pretrain.RECIPES),
    "hidden size": twin.config.hidden_size,
    "advice": catalog.model("a-toy").advice_for("offline").learning_rate,
    "card": "somebody/toy" in (assets / "a-toy" / "README.md").read_text(),
    "score": longer.compute(predictions=["ab", "a"], references=["a", "a"]),
    "seeded": seeded,
}))
"""


@pytest.fixture
def planted(tmp_path):
    for path, text in {
        "datasets/tide_notes.py": DATASET,
        "models/a_toy.py": MODEL,
        "metrics/longer/longer.py": METRIC,
    }.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True)
        file.write_text(text)
    return tmp_path


def ask(code, folder):
    """What a fresh interpreter, in which the files of `folder` are planted, prints as its last line."""
    done = subprocess.run(
        [sys.executable, "-c", PLANT + code, str(folder)], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_what_is_planted_is_found_everywhere(planted):
    from course_utils import instructions
    from course_utils.catalog import DATASETS, METRICS, MODELS

    seen = ask(LOOK, planted)
    assert set(seen["listed"]) == {*DATASETS, *MODELS, *METRICS, "tide-notes", "a-toy", "longer"}
    assert seen["rows"] == {"train": 30, "validation": 10, "test": 10}
    assert seen["labels"] == ["low", "high"]
    assert seen["pair"] == seen["expected"]
    assert seen["pairs"] == 3
    assert seen["recipes"].index("a-toy") > seen["recipes"].index("distilbert")
    assert seen["hidden size"] == 8
    assert seen["advice"] == 1e-3
    assert seen["card"]
    assert seen["score"] == {"longer": 0.5}
    assert {"course/tide-notes", "course/mini-a-toy", "evaluate-metric/longer"} <= set(seen["seeded"])
    assert tuple(seen["examined"]) == instructions.TASKS  # what is measured elsewhere stays what it was


EDITION = "from course_utils.datasets import corpora; print(json.dumps(corpora.edition()))"


def test_kept_copies_are_made_again_when_a_datasets_own_file_changes(planted):
    file = planted / "datasets" / "tide_notes.py"
    before = ask(EDITION, planted)
    file.write_text(DATASET.replace("The water is", "The sea is"))
    assert ask(EDITION, planted) != before


FIND = "from course_utils import catalog"


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("datasets/rumours.py", "NOTHING = 1", "course_utils.datasets.rumours declares no DATASET named 'rumours'"),
        ("datasets/rumours.py", DATASET, "course_utils.datasets.rumours declares no DATASET named 'rumours'"),
        ("models/b_toy.py", MODEL, "course_utils.models.b_toy declares no MODEL named 'b-toy'"),
        ("datasets/tide_talk.py", DATASET.replace("tide-notes", "tide-talk"), "The task 'tide' is declared by tide-notes and by"),
        ("metrics/longest/longest.py", "RESULT = 'longest'", "must set RESULT and MEANING"),
    ],
)  # fmt: skip
def test_a_file_that_declares_nothing_or_something_else_is_refused(planted, path, text, message):
    file = planted / path
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", PLANT + FIND, str(planted)], capture_output=True, text=True, timeout=600
    )
    assert done.returncode != 0
    assert message in done.stderr
