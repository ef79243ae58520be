"""The libraries on top of the client, unmodified, against the local Hub: transformers, datasets, peft, evaluate, hf."""

import os
import subprocess
import sys

import huggingface_hub as hf
import pytest

from course_utils.hub import LocalHub
from tests.hub.conftest import assert_sound


@pytest.fixture(scope="module")
def tiny():
    """(model, tokenizer): two layers of random weights with the bert twin's tokenizer."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    from course_utils import catalog

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(catalog.model_path("bert", "offline"))
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
    )
    return BertForSequenceClassification(config), tokenizer


@pytest.mark.slow  # for the imports
def test_the_courses_models_load_at_a_tag_a_commit_and_main(course_hub):
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, pipeline

    view = course_hub.repo("course/mini-flan-t5")
    for revision in ("main", "v0.9", view.head("v1.0")):
        model = AutoModelForSeq2SeqLM.from_pretrained("course/mini-flan-t5", revision=revision)
    assert model.num_parameters() == 1_280_000
    assert AutoTokenizer.from_pretrained("course/mini-flan-t5")("Good evening")["input_ids"]
    assert pipeline("fill-mask", model="course/mini-bert")("It was [MASK] .")[0]["score"] > 0
    assert hf.model_info("course/mini-flan-t5").library_name == "transformers"
    with pytest.raises(hf.errors.EntryNotFoundError):
        hf.ModelCard.load(hf.hf_hub_download("course/mini-flan-t5", "README.md", revision="v0.9"))
    assert hf.ModelCard.load("course/mini-flan-t5").data.license == "apache-2.0"
    assert_sound(course_hub)


def test_what_the_course_brings_can_be_found(course_hub):
    from course_utils.catalog import DATASETS, METRICS, MODELS

    ids = lambda found: sorted(each.id for each in found)  # noqa: E731
    assert ids(hf.list_models(author="course")) == [f"course/mini-{name}" for name in MODELS]
    writers = [name for name, model in MODELS.items() if model.card.pipeline == "text2text-generation"]
    assert "flan-t5" in writers
    assert ids(hf.list_models(filter="text2text-generation")) == [f"course/mini-{name}" for name in writers]
    offered = hf.list_datasets(author="course", filter="license:apache-2.0")
    assert ids(offered) == [f"course/{name}" for name in DATASETS]
    assert ids(hf.list_spaces(filter="evaluate")) == [f"evaluate-metric/{name}" for name in METRICS]


def test_the_courses_repositories_belong_to_the_course(course_hub):
    with pytest.raises(hf.errors.HfHubHTTPError) as error:
        hf.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id="course/mini-bert")
    assert error.value.response.status_code == 403


def test_a_model_and_its_tokenizer_go_up_and_come_back(course_hub, tiny):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model, tokenizer = tiny
    model.push_to_hub("tiny", commit_message="Random weights")
    tokenizer.push_to_hub("tiny")
    again = AutoModelForSequenceClassification.from_pretrained("me/tiny")
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values()))
    assert AutoTokenizer.from_pretrained("me/tiny").get_vocab() == tokenizer.get_vocab()
    view = course_hub.repo("me/tiny")
    assert view.file("model.safetensors").large and view.commits()[1].title == "Random weights"
    assert hf.model_info("me/tiny").config["model_type"] == "bert"


@pytest.mark.slow
def test_the_trainer_pushes_as_it_trains(course_hub, tiny, tmp_path):
    from datasets import Dataset
    from transformers import Trainer, TrainingArguments

    model, tokenizer = tiny
    rows = Dataset.from_dict({"text": ["good", "bad"] * 4, "label": [1, 0] * 4}).map(
        lambda row: tokenizer(row["text"], padding="max_length", max_length=8, truncation=True)
    )
    arguments = TrainingArguments(
        output_dir=str(tmp_path / "trained"),
        push_to_hub=True,
        hub_model_id="me/trained",
        hub_strategy="every_save",
        save_steps=2,
        max_steps=4,
        per_device_train_batch_size=2,
        report_to=[],
        use_cpu=True,
    )
    trainer = Trainer(model=model, args=arguments, train_dataset=rows, processing_class=tokenizer)
    trainer.train()
    trainer.push_to_hub(dataset="course/reviews", tags=["mine"])
    view = course_hub.repo("me/trained")
    assert {"model.safetensors", "config.json", "README.md", "tokenizer.json"} <= set(view.files())
    assert "mine" in view.card().tags


def test_an_adapter_goes_up_and_comes_back(course_hub):
    from peft import AutoPeftModelForSeq2SeqLM, LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForSeq2SeqLM

    base = AutoModelForSeq2SeqLM.from_pretrained("course/mini-flan-t5")
    adapted = get_peft_model(base, LoraConfig(r=2, target_modules=["q", "v"]))
    adapted.push_to_hub("me/adapter")
    assert course_hub.repo("me/adapter").file("adapter_model.safetensors").size < 200_000
    fresh = AutoModelForSeq2SeqLM.from_pretrained("course/mini-flan-t5")
    assert PeftModel.from_pretrained(fresh, "me/adapter").peft_config["default"].r == 2
    loaded = AutoPeftModelForSeq2SeqLM.from_pretrained("me/adapter")
    assert loaded.peft_config["default"].base_model_name_or_path == "course/mini-flan-t5"
    hf.metadata_update(
        "me/adapter", {"base_model": "course/mini-flan-t5", "library_name": "peft"}, overwrite=True
    )
    assert [each.id for each in hf.list_models(filter="base_model:course/mini-flan-t5")] == ["me/adapter"]


def test_a_model_of_ones_own_class(course_hub):
    import torch

    class Own(torch.nn.Module, hf.PyTorchModelHubMixin):
        def __init__(self, size: int = 3):
            super().__init__()
            self.layer = torch.nn.Linear(size, 1)

    Own(size=5).push_to_hub("me/own")
    assert Own.from_pretrained("me/own").layer.in_features == 5


def test_datasets_go_up_and_come_back(course_hub, tmp_path):
    from datasets import Dataset, DatasetDict, IterableDataset, load_dataset

    rows = Dataset.from_dict({"text": [f"row {number}" for number in range(20)], "label": [0, 1] * 10})
    DatasetDict(train=rows, test=rows.select(range(4))).push_to_hub("me/rows", private=True)
    assert course_hub.repo("me/rows", "dataset").private
    back = load_dataset("me/rows")
    assert back["train"].to_dict() == rows.to_dict() and back["test"].num_rows == 4
    rows.select(range(3)).push_to_hub("me/rows", config_name="few")
    assert load_dataset("me/rows", "few", split="train").num_rows == 3
    stream = load_dataset("me/rows", "default", split="train", streaming=True)
    assert [row["text"] for row in stream.take(2)] == ["row 0", "row 1"]
    IterableDataset.from_generator(lambda: ({"n": n} for n in range(5))).push_to_hub("me/stream")
    assert load_dataset("me/stream", split="train")["n"] == list(range(5))
    course_hub.seed("me/table", {"data.csv": "a,b\n1,x\n2,y\n"}, kind="dataset")
    assert load_dataset("me/table", split="train").to_dict() == {"a": [1, 2], "b": ["x", "y"]}


def test_pandas_reads_and_writes_by_hf_address(course_hub):
    import pandas

    hf.create_repo("frame", repo_type="dataset")
    pandas.DataFrame({"a": [1, 2]}).to_csv("hf://datasets/me/frame/a.csv", index=False)
    assert pandas.read_csv("hf://datasets/me/frame/a.csv")["a"].tolist() == [1, 2]


def test_a_dataset_behind_a_gate(course_hub):
    from datasets import load_dataset
    from datasets.exceptions import DatasetNotFoundError

    course_hub.seed("ada/guarded", {"data.csv": "a\n1\n"}, kind="dataset", gated="manual")
    with pytest.raises(DatasetNotFoundError, match="gated"):
        load_dataset("ada/guarded")
    with course_hub.as_user("ada"):
        assert load_dataset("ada/guarded", split="train")["a"] == [1]


def test_a_dataset_of_the_course(course_hub):
    from datasets import load_dataset

    reviews = load_dataset("course/reviews", revision="v1.0")
    assert {split: rows.num_rows for split, rows in reviews.items()} == {
        "train": 6000,
        "validation": 500,
        "test": 1000,
    }


def test_metrics_by_their_short_names(course_hub):
    import evaluate

    assert evaluate.load("rouge").compute(predictions=["a b"], references=["a b"]) == {"rougeL": 1.0}
    assert evaluate.load("accuracy").compute(predictions=[1, 0], references=[1, 1]) == {"accuracy": 0.5}


def test_a_measured_score_on_the_card(course_hub):
    import evaluate

    course_hub.seed("me/scored", {"README.md": "---\nlicense: mit\n---\n# Scored\n"})
    evaluate.push_to_hub(
        model_id="me/scored",
        task_type="summarization",
        dataset_type="course/dialogues",
        dataset_name="Saltmarsh dialogues",
        metric_type="rouge",
        metric_name="ROUGE-L",
        metric_value=0.25,
    )
    assert (
        course_hub.repo("me/scored").card().data["model-index"][0]["results"][0]["metrics"][0]["value"]
        == 0.25
    )


def run_hf(*arguments):
    """The `hf` command in a process of its own: (exit code, all that it said)."""
    program = os.path.join(os.path.dirname(sys.executable), "hf")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=600)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_the_hf_command(course_hub, tmp_path):
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "a.txt").write_text("from the shell")
    assert "me" in run_hf("auth", "whoami")[1]
    for command in (
        ["repos", "create", "shell", "--private"],
        ["upload", "me/shell", str(tmp_path / "up"), ".", "--commit-message", "By the shell"],
        ["repos", "tag", "create", "me/shell", "v1.0"],
        ["download", "me/shell", "a.txt", "--revision", "v1.0", "--local-dir", str(tmp_path / "down")],
    ):
        code, said = run_hf(*command)
        assert code == 0, said
    view = course_hub.repo("me/shell")
    assert view.private and view.text("a.txt", "v1.0") == "from the shell"
    assert view.commits()[0].title == "By the shell"
    assert (tmp_path / "down" / "a.txt").read_text() == "from the shell"
    assert "me/shell" in run_hf("models", "ls", "--author", "me", "--format", "json")[1]
    with course_hub.as_user(None):
        code, said = run_hf("download", "me/shell", "a.txt")
        assert code != 0 and "not found" in said


def test_a_fresh_process_finds_the_hub(course_hub):
    code = (
        "import huggingface_hub as hf;"
        "print(hf.whoami()['name'], hf.model_info('course/mini-bert', revision='v1.0').sha)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert done.stdout.split() == ["me", course_hub.repo("course/mini-bert").tags["v1.0"]], done.stderr


def test_downloaded_code_of_before_is_no_hindrance_and_comes_back(tmp_path):
    import evaluate

    from course_utils.catalog import metric_path

    before = evaluate.load(metric_path("accuracy"))
    with LocalHub():
        assert evaluate.load("exact_match").compute(predictions=["a"], references=["a"]) == {
            "exact_match": 1.0
        }
    again = evaluate.load(metric_path("accuracy"))
    assert again.compute(predictions=[1], references=[1]) == before.compute(predictions=[1], references=[1])


def test_names_without_an_owner_in_the_libraries_above(course_hub):
    """`push_to_hub("name")` is one's own; loading such a name fails for what it is, and not for the internet."""
    from datasets import Dataset, load_dataset
    from datasets.exceptions import DatasetNotFoundError
    from transformers import AutoConfig

    Dataset.from_dict({"a": [1, 2]}).push_to_hub("ownerless")
    assert course_hub.repo("me/ownerless", "dataset").exists
    assert load_dataset("me/ownerless", split="train")["a"] == [1, 2]
    with pytest.raises(DatasetNotFoundError):
        load_dataset("ownerless")
    with pytest.raises(OSError, match="is not a valid model identifier"):
        AutoConfig.from_pretrained("gpt2")
