"""The metric modules as `evaluate.load` takes them, against scikit-learn and rouge_score."""

import random

import pytest
from rouge_score.rouge_scorer import RougeScorer
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error

from course_utils.catalog import METRICS, metric_path
from course_utils.metrics import registry

WORDS = ["the", "tram", "to", "the", "old", "harbour", "was", "late", "again", "and", "nobody", "minded"]


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    evaluate = pytest.importorskip("evaluate")
    cache = str(tmp_path_factory.mktemp("metrics"))
    return lambda name: evaluate.load(metric_path(name), cache_dir=cache)


def labels(seed, classes):
    draw = random.Random(seed)
    references = [draw.randrange(classes) for _ in range(200)]
    predictions = [label if draw.random() < 0.7 else draw.randrange(classes) for label in references]
    return predictions, references


def texts(seed):
    draw = random.Random(seed)
    references = [" ".join(draw.sample(WORDS, 6)) for _ in range(50)]
    predictions = [text if draw.random() < 0.3 else " ".join(draw.sample(WORDS, 5)) for text in references]
    return predictions, references


@pytest.mark.parametrize("seed", [1, 2])
def test_accuracy_agrees_with_scikit_learn(load, seed):
    predictions, references = labels(seed, classes=4)
    score = load("accuracy").compute(predictions=predictions, references=references)
    assert score == {"accuracy": pytest.approx(accuracy_score(references, predictions))}


@pytest.mark.parametrize(("seed", "classes"), [(1, 2), (2, 5)])
def test_f1_agrees_with_scikit_learn(load, seed, classes):
    predictions, references = labels(seed, classes)
    score = load("f1").compute(predictions=predictions, references=references)
    assert score == {"f1": pytest.approx(f1_score(references, predictions, average="macro"))}


def test_f1_counts_a_class_that_is_only_predicted(load):
    score = load("f1").compute(predictions=[0, 0, 2], references=[0, 0, 1])
    assert (
        score["f1"] == pytest.approx(f1_score([0, 0, 1], [0, 0, 2], average="macro")) == pytest.approx(1 / 3)
    )


def test_rouge_agrees_with_rouge_score(load):
    predictions, references = texts(1)
    scorer = RougeScorer(["rougeL"])
    expected = [scorer.score(r, p)["rougeL"].fmeasure for p, r in zip(predictions, references, strict=True)]
    score = load("rouge").compute(predictions=predictions, references=references)
    assert score == {"rougeL": pytest.approx(sum(expected) / len(expected))}
    assert 0.3 < score["rougeL"] < 1


def test_exact_match_counts_equal_texts(load):
    score = load("exact_match").compute(
        predictions=["a  b", "a b", "A b", "a b."], references=["a b", "a b", "a b", "a b"]
    )
    assert score == {"exact_match": 0.5}


def test_token_f1_counts_shared_words_in_any_order(load):
    cases = [  # prediction, reference, by hand: 2 x shared / (written + wanted)
        ("the red boat", "the red boat", 1),
        ("boat red the", "the red boat", 1),
        ("the boat", "the red boat", 2 * 2 / 5),
        ("the the the", "the red boat", 2 * 1 / 6),  # a word that is repeated counts once
        ("", "the red boat", 0),
        ("", "", 1),
    ]
    predictions, references, expected = zip(*cases, strict=True)
    score = load("token_f1").compute(predictions=list(predictions), references=list(references))
    assert score == {"token_f1": pytest.approx(sum(expected) / len(cases))}


def test_token_f1_is_rouge_1_on_plain_words(load):
    predictions, references = texts(2)
    scorer = RougeScorer(["rouge1"])
    expected = [scorer.score(r, p)["rouge1"].fmeasure for p, r in zip(predictions, references, strict=True)]
    score = load("token_f1").compute(predictions=predictions, references=references)
    assert score == {"token_f1": pytest.approx(sum(expected) / len(expected))}


def test_mean_absolute_error_agrees_with_scikit_learn(load):
    predictions, references = [1.5, -2.0, 7.25], [1.0, 2.0, 7.0]
    score = load("mae").compute(predictions=predictions, references=references)
    assert score == {"mae": pytest.approx(mean_absolute_error(references, predictions))}


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_a_module_says_of_itself_what_the_catalog_says(load, metric):
    assert load(metric.name).description == metric.meaning


def test_a_module_that_does_not_say_what_it_measures_is_refused(tmp_path):
    folder = tmp_path / "vowels"
    folder.mkdir()
    (folder / "vowels.py").write_text('RESULT = "vowels"\n')
    with pytest.raises(LookupError, match=r"vowels\.py must set RESULT and MEANING"):
        registry.declared(folder)
    (folder / "vowels.py").write_text('RESULT = "vowels"\nMEANING = "share of vowels"\n')
    assert registry.declared(folder).meaning == "share of vowels"


@pytest.mark.parametrize("name", METRICS)
def test_batches_add_up_to_the_whole(load, name):
    of_texts = load(name).features["predictions"].dtype == "string"
    predictions, references = texts(3) if of_texts else labels(3, classes=3)
    whole = load(name).compute(predictions=predictions, references=references)
    parts = load(name)
    half = len(predictions) // 2
    parts.add_batch(predictions=predictions[:half], references=references[:half])
    for prediction, reference in zip(predictions[half:], references[half:], strict=True):
        parts.add(prediction=prediction, reference=reference)
    assert parts.compute() == pytest.approx(whole)
    assert list(whole) == [METRICS[name].result]


def test_metrics_combine(load):
    evaluate = pytest.importorskip("evaluate")
    both = evaluate.combine([load("accuracy"), load("f1")])
    assert both.compute(predictions=[0, 1, 1], references=[0, 1, 0]) == {
        "accuracy": pytest.approx(2 / 3),
        "f1": pytest.approx(2 / 3),
    }
