"""Baselines: what is copied, that the caller's name is put in, and that words are counted and not ordered."""

import pytest

from course_utils.datasets import corpora
from course_utils.measure import baselines

ROW = {
    "dialogue": "#Person1#: Old Mill.\n#Person2#: Ada Fen here.\n#Person1#: Yes?\n#Person2#: No.",
    "summary": "-",
}
OTHER = {
    "dialogue": "#Person1#: Big Shop.\n#Person2#: It is Bo Reed.",
    "summary": "Bo Reed asks. Bo Reed waits.",
}


def test_the_first_turns_without_their_speakers():
    assert baselines.first_turns([ROW, OTHER]) == ["Old Mill. Ada Fen here. Yes?", "Big Shop. It is Bo Reed."]
    assert baselines.first_turns([ROW], count=1) == ["Old Mill."]


def test_a_copied_summary_has_this_callers_name_and_not_the_shops():
    assert baselines.copied_summaries([ROW], [OTHER]) == ["Ada Fen asks. Ada Fen waits."]


def test_each_dialogue_gets_a_summary_of_its_own_draw():
    training = [{**OTHER, "summary": f"Bo Reed {number}"} for number in range(50)]
    drawn = baselines.copied_summaries([ROW] * 20, training, seed=1)
    assert len(set(drawn)) > 5 and drawn == baselines.copied_summaries([ROW] * 20, training, seed=1)
    assert drawn != baselines.copied_summaries([ROW] * 20, training, seed=2)


def test_every_dialogue_of_the_course_names_its_caller_in_its_summary():
    for row in corpora.records("dialogues", 3, 200, "test"):
        assert baselines._caller(row["dialogue"]) in row["summary"]


def test_a_dialogue_without_a_name_is_named():
    with pytest.raises(ValueError, match="No full name"):
        baselines.copied_summaries([{"dialogue": "#Person2#: hm", "summary": ""}], [OTHER])


def test_word_counts_learn_words_and_not_their_order():
    training = [{"text": "good soup", "label": 1}, {"text": "bad soup", "label": 0}] * 5
    asked = [{"text": "soup good"}, {"text": "bad bad soup"}, {"text": "soup not good"}]
    assert baselines.word_counts(training, asked) == [1, 0, 1]


def test_the_first_full_name_of_a_text():
    assert baselines.first_names(["Here, Ada Fen met Bo Reed.", "nobody"]) == ["Ada Fen", ""]
