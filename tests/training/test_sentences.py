"""Vectors of sentences, the upper layers alone, and heads that begin as regressions, on a BERT of random weights."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from transformers import AutoTokenizer, BertConfig, BertModel

from course_utils import catalog
from course_utils.training import sentence_classifier, sentences

TEXTS = [
    "The soup was cold.",
    "We took the ferry to the island and came back late in the evening.",
    "Never again.",
]


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(catalog.model_path("bert", "offline"))


@pytest.fixture(scope="module")
def encoder(tokenizer):
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24}
    return BertModel(BertConfig(vocab_size=len(tokenizer), **sizes)).eval()


@pytest.fixture(scope="module")
def alone(encoder, tokenizer):
    """The mean over the tokens of each text, read by itself, so without padding."""
    with torch.no_grad():
        states = [encoder(**sentences.batch_of(tokenizer, [text])).last_hidden_state for text in TEXTS]
    return torch.cat([row.mean(1) for row in states])


def test_clear_rows_have_the_sign_of_their_rating():
    rows = [{"rating": rating} for rating in (-3.0, -0.5, 0.2, 0.6)]
    assert [row["label"] for row in sentences.clear(rows)] == [0, 1]
    assert "label" not in rows[0]


def test_a_batch_is_cut(tokenizer):
    assert sentences.batch_of(tokenizer, TEXTS, longest=5)["input_ids"].shape == (3, 5)


@pytest.mark.parametrize("depth", [0, 2, 3])
def test_the_upper_layers_go_on_where_the_lower_ones_end(encoder, tokenizer, alone, depth):
    states = sentences.lower_states(encoder, tokenizer, TEXTS, depth)
    upper = sentences.UpperLayers(encoder, depth, {"sign": 2})
    assert torch.allclose(sentences.upper_vectors(upper, states), alone, atol=1e-5)
    assert len(encoder.encoder.layer) == 3, "the encoder itself stays whole"
    assert upper.heads["sign"](alone).shape == (3, 2)


def test_the_upper_layers_are_copies(encoder, tokenizer, alone):
    states = sentences.lower_states(encoder, tokenizer, TEXTS, 2)
    upper = sentences.UpperLayers(encoder, 2)
    upper(states).sum().backward()
    torch.optim.SGD(upper.parameters(), lr=0.1).step()
    assert not torch.allclose(sentences.upper_vectors(upper, states), alone, atol=1e-3)
    untouched = sentences.upper_vectors(sentences.UpperLayers(encoder, 2), states)
    assert torch.allclose(untouched, alone, atol=1e-5), "the encoder itself is as it was"
    assert torch.allclose(sentence_classifier.vectors(encoder, tokenizer, TEXTS), alone, atol=1e-5)


def test_a_classifier_reads_the_mean(encoder, tokenizer, alone):
    model = sentence_classifier.SentenceClassifier(encoder).eval()
    with torch.no_grad():
        assert torch.allclose(model(**sentences.batch_of(tokenizer, TEXTS)), model.head(alone), atol=1e-5)


def test_a_head_begins_as_the_regression():
    generator = torch.Generator().manual_seed(0)
    found = torch.randn(40, 6, generator=generator)
    wanted = found[:, 0] + 0.3 * torch.randn(40, generator=generator)
    sign, number = torch.nn.Linear(6, 2), torch.nn.Linear(6, 1)
    labels = (wanted > 0).long().tolist()
    sentences.begin_head(sign, found, labels)
    sentences.begin_head(number, found, wanted.tolist())
    chances = LogisticRegression(max_iter=1000).fit(found.numpy(), labels).predict_proba(found.numpy())
    assert torch.allclose(sign(found).softmax(-1), torch.tensor(chances, dtype=torch.float32), atol=1e-4)
    fitted = Ridge().fit(found.numpy(), wanted.numpy()).predict(found.numpy())
    assert torch.allclose(number(found)[:, 0], torch.tensor(fitted, dtype=torch.float32), atol=1e-4)
