"""The world is the same everywhere, true by construction, and worth learning from."""

import json
import re
import subprocess
import sys

import pytest

from course_utils import world
from course_utils.world import dialogues, reviews
from course_utils.world.draw import RecordDraw, partners


def text_of(row):
    return json.dumps({name: value for name, value in row.items() if name != "id"}, sort_keys=True)


def test_another_python_process_draws_the_same_bytes():
    code = "from course_utils import world; print(repr([world.record(k, 5, 9, 'test') for k in world.KINDS]))"
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "77"}
    )
    assert other.stdout.strip() == repr([world.record(kind, 5, 9, "test") for kind in world.KINDS])


def test_a_record_does_not_depend_on_those_before_it():
    assert list(world.records("reviews", 3, 5, start=10)) == [
        world.record("reviews", 3, index) for index in range(10, 15)
    ]


def test_there_are_two_thousand_word_types():
    words = set()
    for kind in world.KINDS:
        for row in world.records(kind, 1, 2500):
            words.update(
                re.findall(r"[a-zà-ÿœ'-]+", text_of(row).encode().decode("unicode_escape", "ignore").lower())
            )
    assert len(words) >= 2000


# --- splits


def test_partners_of_a_word_are_shared_out_among_the_splits():
    adjectives = [f"word{index}" for index in range(23)]
    shares = [partners("soup", adjectives, split) for split in world.SPLITS]
    assert sorted(word for share in shares for word in share) == sorted(adjectives)
    assert all(shares), "every split has at least one partner"


def test_the_test_split_judges_with_pairs_never_seen_in_training():
    def pairs(split):
        found = set()
        for row in world.records("reviews", 8, 3000, split):
            found.update(re.findall(r"[Tt]he (\w+) was (?:very |really )?([a-z-]+)\b", row["text"]))
        return {(noun, word) for noun, word in found if word in _JUDGING_WORDS}

    _JUDGING_WORDS = {word for good, bad, *_ in reviews._FIELDS.values() for word in (*good, *bad)}
    assert len(pairs("test")) > 100
    assert not pairs("test") & pairs("train")


def test_an_unknown_kind_or_split_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="reviews"):
        world.record("poems", 1, 0)
    with pytest.raises(ValueError, match="validation"):
        world.record("reviews", 1, 0, "dev")


# --- what the labels mean


def test_review_labels_are_balanced_and_word_counts_cannot_find_them():
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    training, fresh = list(world.records("reviews", 1, 3000)), list(world.records("reviews", 2, 1000, "test"))
    assert 0.45 < sum(row["label"] for row in fresh) / 1000 < 0.55
    counter = CountVectorizer()
    model = LogisticRegression(max_iter=1000).fit(
        counter.fit_transform(row["text"] for row in training), [row["label"] for row in training]
    )
    assert (
        model.score(counter.transform(row["text"] for row in fresh), [row["label"] for row in fresh]) < 0.75
    )


def test_a_negated_judgement_says_the_opposite():
    for seed in range(200):
        good = seed % 2 == 0
        clause = reviews._negated(RecordDraw("train", seed), good)
        literal = {word for words, *_ in reviews._FIELDS.values() for word in words}
        says_good = any(re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", clause) for word in literal)
        assert says_good != good, clause


def test_every_answer_is_the_one_span_of_its_passage():
    for split in world.SPLITS:
        for row in world.records("questions", 6, 400, split):
            [answer], [start] = row["answers"]["text"], row["answers"]["answer_start"]
            assert row["context"][start : start + len(answer)] == answer
            assert row["context"].lower().count(answer.lower()) == 1
            assert row["question"].endswith("?") and answer.lower() not in row["question"].lower()


def test_entity_tags_are_well_formed_and_names_are_ambiguous():
    types_of = {}
    for row in world.records("entities", 6, 4000):
        assert len(row["tokens"]) == len(row["ner_tags"])
        previous = "O"
        for tag in (world.ENTITY_TAGS[index] for index in row["ner_tags"]):
            assert not tag.startswith("I-") or previous[2:] == tag[2:]
            previous = tag
        for token, index in zip(row["tokens"], row["ner_tags"], strict=True):
            types_of.setdefault(token, set()).add(world.ENTITY_TAGS[index][2:])
    assert {kind for kinds in types_of.values() for kind in kinds} == {"", "PER", "LOC", "ORG", "MISC"}
    assert sum(len(kinds) > 1 for kinds in types_of.values()) >= 100
    assert {"PER", "LOC", "ORG"} <= types_of["Rose"]


def test_spans_read_what_the_tags_mark():
    tags = [world.ENTITY_TAGS.index(tag) for tag in ("B-PER", "I-PER", "O", "B-LOC", "B-LOC")]
    assert world.spans(["Ada", "Ashby", "left", "Oakby", "Elmton"], tags) == [
        ("PER", "Ada Ashby"),
        ("LOC", "Oakby"),
        ("LOC", "Elmton"),
    ]


def test_summaries_are_abstractive_and_varied():
    rows = list(world.records("dialogues", 6, 500))
    assert {row["topic"] for row in rows} == set(world.DIALOGUE_TOPICS)
    for row in rows:
        sentences = [sentence.strip() for sentence in re.split(r"[.?!]\s", row["summary"])]
        assert not any(len(sentence.split()) > 4 and sentence in row["dialogue"] for sentence in sentences)
    assert len({re.sub(r"[A-Z]\w+|[a-z]+day", "_", row["summary"]) for row in rows}) > 200


def test_the_customer_of_a_summary_speaks_in_its_dialogue():
    for row in world.records("dialogues", 6, 300):
        names = re.findall(
            r"[A-Z][a-z]+ [A-Z][a-z]+(?:ford|ley|ton|by|well|field|man|ridge|son|worth)", row["summary"]
        )
        assert names and names[0] in row["dialogue"]


def test_every_ending_has_its_own_form_of_summary():
    forms = [form for _, form in dialogues._ENDINGS]
    assert len(set(forms)) == len(forms) >= 4


@pytest.mark.parametrize(
    ("english", "french"),
    [
        ("is not", "n'est pas"),
        ("are not", "ne sont pas"),
        ("Where is", "Où est"),
        ("near the", "près d"),
    ],
)
def test_french_follows_its_english(english, french):
    rows = [row for row in world.records("translations", 6, 3000) if english in row["en"]]
    assert rows
    assert sum(french in row["fr"] for row in rows) / len(rows) > 0.95


@pytest.mark.parametrize("pattern", [r"\b(le|la|ne|de) [aeiouéêâîôûœ]", r"\bde les?\b"])
def test_french_never_leaves_out_an_elision_or_a_contraction(pattern):
    assert not [row["fr"] for row in world.records("translations", 6, 5000) if re.search(pattern, row["fr"])]


@pytest.mark.parametrize("pattern", [r"\bl'é", r" du ", r" de l'", r" n'", r" ne "])
def test_french_elides_and_contracts(pattern):
    assert any(re.search(pattern, row["fr"].lower()) for row in world.records("translations", 6, 2000))
