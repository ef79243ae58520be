"""The model of chapter 09: what a batch holds, what a head sees, and who learns."""

import ast
import inspect
from pathlib import Path

import nbformat
import pytest
import torch
from transformers import DistilBertConfig, DistilBertModel

from course_utils import catalog
from course_utils.training import multi_task
from tests.shown_code import untyped

LESSON = Path(__file__).resolve().parents[2] / "lessons/09_multi_task/01_one_encoder_many_heads.ipynb"
ROWS = {
    "reviews": [
        {"text": "The Green Mill. The soup was fresh.", "label": 1},
        {"text": "The Green Mill.", "label": 0},
    ],
    "topics": [{"text": "Rain until Friday.", "label": 2}] * 2,
    "entities": [
        {"tokens": ["Brackfield", "works", "."], "ner_tags": [1, 0, 0]},
        {"tokens": ["No"], "ner_tags": [0]},
    ],
}


@pytest.fixture(scope="module")
def tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(catalog.model_path("distilbert", "offline"))


@pytest.fixture
def model(tokenizer):
    torch.manual_seed(0)
    config = DistilBertConfig(vocab_size=tokenizer.vocab_size, dim=16, hidden_dim=32, n_layers=1, n_heads=2)
    return multi_task.MultiTaskModel(DistilBertModel(config)).eval()


@pytest.mark.parametrize("name", ["MultiTaskModel", "make_batch", "task_loss"])
def test_the_lesson_shows_what_the_module_holds(name):
    cells = [cell.source for cell in nbformat.read(LESSON, as_version=4).cells if cell.cell_type == "code"]
    shown = {
        node.name: untyped(ast.unparse(node))
        for cell in cells
        for node in parsed(cell)
        if hasattr(node, "name")
    }
    held = untyped(inspect.getsource(getattr(multi_task, name))).replace("tasks=TASKS", "tasks")
    assert shown[name] == held, "the same code, however it is laid out"


def parsed(source):
    """The statements of a cell; none of a cell that holds more than Python."""
    try:
        return ast.parse(source).body
    except SyntaxError:
        return []


def test_only_the_first_token_of_a_word_has_a_label(tokenizer):
    inputs, labels = multi_task.make_batch(tokenizer, "entities", ROWS["entities"])
    words = inputs["input_ids"].shape[1]
    assert labels[0].tolist() == [-100, 1, -100, 0, 0, -100], tokenizer.convert_ids_to_tokens(
        inputs["input_ids"][0]
    )
    assert labels[1].tolist() == [-100, 0] + [-100] * (words - 2)


def test_padding_does_not_change_the_logits_of_a_text(model, tokenizer):
    alone, _ = multi_task.make_batch(tokenizer, "reviews", ROWS["reviews"][1:])
    padded, _ = multi_task.make_batch(tokenizer, "reviews", ROWS["reviews"])
    torch.testing.assert_close(
        model("reviews", **alone)[0], model("reviews", **padded)[1], atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize("task", ROWS)
def test_a_batch_reaches_the_encoder_and_its_own_head_only(model, tokenizer, task):
    multi_task.task_loss(model, task, *multi_task.make_batch(tokenizer, task, ROWS[task])).backward()
    assert any(weight.grad is not None for weight in model.encoder.parameters())
    assert {name for name, head in model.heads.items() if head.weight.grad is not None} == {task}


def test_training_leaves_a_task_that_is_never_asked_alone(model, tokenizer):
    before = {name: head.weight.detach().clone() for name, head in model.heads.items()}
    run = multi_task.train(
        model, tokenizer, ROWS, lambda step, dice: ("reviews", "topics")[step % 2], steps=4, batch_size=2
    )
    assert run.tasks == ["reviews", "topics"] * 2 and len(run.losses) == 4 and not model.training
    moved = {name for name, head in model.heads.items() if not torch.equal(head.weight, before[name])}
    assert moved == {"reviews", "topics"}


def test_a_sentence_is_right_if_every_word_is(model, tokenizer):
    sentence = ROWS["entities"][0]
    with torch.no_grad():
        model.heads["entities"].weight.zero_()
        model.heads["entities"].bias.copy_(torch.eye(9)[0])  # always says "no name"
    unnamed = {**sentence, "ner_tags": [0, 0, 0]}
    found = multi_task.score(model, tokenizer, "entities", [sentence, unnamed])
    assert found.values == (0.0, 1.0)


def test_the_shared_gradient_is_that_of_the_encoder_alone(model, tokenizer):
    model.train()
    vector = multi_task.shared_gradient(model, tokenizer, "topics", ROWS["topics"])
    assert vector.numel() == sum(weight.numel() for weight in model.encoder.parameters())
    assert vector.norm() > 0 and model.training
    assert all(weight.grad is None for weight in model.parameters()), (
        "it must leave nothing behind for the optimizer"
    )
