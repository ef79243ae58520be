"""Scores of predictions, and what a model is asked and how."""

import math

import pytest
import torch
from rouge_score.rouge_scorer import RougeScorer
from sklearn.metrics import accuracy_score

from course_utils.measure import evaluation
from tests import tiny

PROMPTS = ["the ferry", "the ferry to the island leaves at nine", "shop", "and back to the harbour"]


def test_accuracy_and_exact_match():
    predictions, references = [0, 1, 1, 2], [0, 1, 2, 2]
    assert evaluation.accuracy(predictions, references).value == accuracy_score(references, predictions)
    score = evaluation.exact_match(["a  b ", "a b", "A b"], ["a b", "ab", "a b"])
    assert score.value == pytest.approx(1 / 3)
    assert score.values == (1.0, 0.0, 0.0)


def test_rouge_l_agrees_with_rouge_score():
    predictions, references = (
        ["the ferry is late", "no", "shop shuts"],
        ["the ferry was late", "yes", "the shop shuts"],
    )
    scorer = RougeScorer(["rougeL"])
    expected = [scorer.score(r, p)["rougeL"].fmeasure for p, r in zip(predictions, references, strict=True)]
    score = evaluation.rouge_l(predictions, references)
    assert score.values == pytest.approx(expected)
    assert score.value == pytest.approx(sum(expected) / 3)
    assert score.low < score.value < score.high


@pytest.mark.parametrize("metric", [evaluation.accuracy, evaluation.exact_match, evaluation.rouge_l])
def test_a_missing_prediction_is_refused(metric):
    with pytest.raises(ValueError, match="1 predictions can't be scored by 2 references"):
        metric(["a"], ["a", "b"])


def alone(model, tokenizer, prompt):
    """What the model writes after one prompt without padding: the answer that batches must give too."""
    inputs = tokenizer(prompt, return_tensors="pt")
    pad = tokenizer.pad_token_id
    tokens = model.generate(
        input_ids=inputs["input_ids"],
        attention_mask=inputs["attention_mask"],
        max_new_tokens=8,
        do_sample=False,
        pad_token_id=pad if pad is not None else tokenizer.eos_token_id,
    )[0]
    written = tokens if model.config.is_encoder_decoder else tokens[inputs["input_ids"].shape[1] :]
    return tokenizer.decode(written, skip_special_tokens=True).strip()


@pytest.mark.parametrize("kind", ["t5", "gpt2"])
@pytest.mark.parametrize("batch_size", [1, 3, 32])
def test_batches_write_what_single_prompts_get_in_the_same_order(kind, batch_size):
    model, tokenizer = getattr(tiny, kind)(), getattr(tiny, f"{kind}_tokenizer")()
    expected = [alone(model, tokenizer, prompt) for prompt in PROMPTS]
    written = evaluation.generate(model, tokenizer, PROMPTS, max_new_tokens=8, batch_size=batch_size)
    assert written == expected
    assert len(set(written)) > 1


def test_a_model_in_train_mode_writes_without_dropout_and_stays_in_train_mode():
    model, tokenizer = tiny.t5(dropout=0.5), tiny.t5_tokenizer()
    expected = evaluation.generate(model, tokenizer, PROMPTS, max_new_tokens=8)
    model.train()
    model.encoder.eval()
    assert evaluation.generate(model, tokenizer, PROMPTS, max_new_tokens=8) == expected
    assert model.training
    assert not model.encoder.training


def test_the_mode_is_restored_when_writing_fails():
    model = tiny.t5().train()
    modes = []

    def fail(*_, **__):
        modes.append(model.training)
        raise RuntimeError("out of memory")

    model.generate = fail
    with pytest.raises(RuntimeError, match="out of memory"):
        evaluation.generate(model, tiny.t5_tokenizer(), PROMPTS)
    assert modes == [False]
    assert model.training


def test_a_checkpoint_that_asks_for_sampling_is_read_greedily():
    model, tokenizer = tiny.t5(), tiny.t5_tokenizer()
    greedy = evaluation.generate(model, tokenizer, PROMPTS, max_new_tokens=8)
    model.generation_config.update(do_sample=True, temperature=5.0, num_beams=3)
    assert evaluation.generate(model, tokenizer, PROMPTS, max_new_tokens=8) == greedy


def test_no_prompts_no_texts():
    assert evaluation.generate(tiny.t5(), tiny.t5_tokenizer(), []) == []


def test_task_score_asks_in_the_tasks_words(monkeypatch):
    rows = [{"text": "a fine inn", "label": 1}, {"text": "a dull inn", "label": 0}]
    asked = []

    def written(model, tokenizer, prompts, **_):
        asked.extend(prompts)
        return ["positive", "positive"]

    monkeypatch.setattr(evaluation, "generate", written)
    score = evaluation.task_score(None, None, "sentiment", rows)
    assert [("a fine inn" in prompt) for prompt in asked] == [True, False]
    assert (score.value, score.n, score.name, score.values) == (0.5, 2, "sentiment", (1.0, 0.0))


def test_task_score_scores_summaries_by_rouge(monkeypatch):
    rows = [{"dialogue": "A: Hello", "summary": "they greet each other"}]
    monkeypatch.setattr(evaluation, "generate", lambda *_, **__: ["they greet"])
    score = evaluation.task_score(None, None, "summary", rows)
    assert score.value == pytest.approx(2 / 3)  # 2 of 2 words right, 2 of 4 found


@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_heldout_loss_of_a_model_that_knows_nothing_is_about_that_of_a_guess(kind):
    model, tokenizer = getattr(tiny, kind)(), getattr(tiny, f"{kind}_tokenizer")()
    score = evaluation.heldout_loss(model, tokenizer, PROMPTS)
    assert score.value == pytest.approx(math.log(model.config.vocab_size), rel=0.3)
    assert score.n == {"t5": 4, "gpt2": 3}[kind]  # "shop" alone leaves no next token to ask for


def test_heldout_loss_falls_when_the_text_is_learned():
    torch.manual_seed(0)
    model, tokenizer = tiny.gpt2(), tiny.gpt2_tokenizer()
    before = evaluation.heldout_loss(model, tokenizer, PROMPTS[1:2])
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    tokens = torch.tensor([tokenizer(PROMPTS[1])["input_ids"]])
    for _ in range(40):
        model(input_ids=tokens, labels=tokens).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert evaluation.heldout_loss(model, tokenizer, PROMPTS[1:2]).value < before.value / 2


def test_the_span_question_hides_what_it_asks_for_and_nothing_else():
    tokenizer = tiny.t5_tokenizer()
    tokens = [*range(10, 55), tokenizer.eos_token_id]
    inputs, labels = evaluation._span_question(tokens, tokenizer)
    hole = [tokenizer.convert_tokens_to_ids(f"<extra_id_{number}>") for number in range(3)]
    assert inputs == [*range(10, 20), hole[0], *range(23, 40), hole[1], *range(43, 55), 1]
    assert labels == [hole[0], 20, 21, 22, hole[1], 40, 41, 42, hole[2], 1]


def test_the_span_question_of_a_short_text_still_asks_something():
    tokenizer = tiny.t5_tokenizer()
    inputs, labels = evaluation._span_question([10, 11, 12, 13, 1], tokenizer)
    hole = [tokenizer.convert_tokens_to_ids(f"<extra_id_{number}>") for number in range(2)]
    assert inputs == [10, 11, hole[0], 1]
    assert labels == [hole[0], 12, 13, hole[1], 1]
