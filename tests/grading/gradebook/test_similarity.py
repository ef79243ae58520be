"""Answers that are nearly the same are found, whatever they were renamed to; what everybody has is no sign."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils.grading.gradebook import similarity
from course_utils.grading.gradebook.similarity import GRAM, WINDOW, Token, fingerprints, pairs, read_answers

ANN = """
def token_f1(prediction, reference):
    # words that both have
    predicted, wanted = Counter(clean(prediction).split()), Counter(clean(reference).split())
    shared = sum((predicted & wanted).values())
    if not shared:
        return float(not predicted and not wanted)
    precision, recall = shared / sum(predicted.values()), shared / sum(wanted.values())
    return 2 * precision * recall / (precision + recall)

def macro_f1(labels, guesses):
    scores = []
    for label in sorted(set(labels)):
        hits = sum(one == two == label for one, two in zip(labels, guesses))
        found, there = guesses.count(label), labels.count(label)
        scores.append(2 * hits / (found + there) if found + there else 0.0)
    return sum(scores) / len(scores)
"""
#: As somebody hands in who copied and hid it: other names, comments, layout, and the functions the other way round.
BOB = """
def mf(gold, pred):
    out = []
    for k in sorted(set(gold)):
        tp = sum(a == b == k for a, b in zip(gold, pred))   # true positives
        p_n, g_n = pred.count(k), gold.count(k)
        out.append(2 * tp / (p_n + g_n) if p_n + g_n else 0.0)
    return sum(out) / len(out)


def tf(p, r):
    c1, c2 = Counter(clean(p).split()), Counter(clean(r).split())
    both = sum((c1 & c2).values())
    if not both:

        return float(not c1 and not c2)
    pr, rc = both / sum(c1.values()), both / sum(c2.values())
    return 2 * pr * rc / (pr + rc)
"""
#: Written without sight of the others.
CY = """
def token_f1(prediction, reference):
    left = clean(prediction).split()
    right = clean(reference).split()
    if not left or not right:
        return 1.0 if left == right else 0.0
    common = 0
    for word in set(left):
        common += min(left.count(word), right.count(word))
    return 2 * common / (len(left) + len(right))

def macro_f1(labels, guesses):
    total, names = 0.0, list(dict.fromkeys(labels))
    for name in names:
        true = [each == name for each in labels]
        said = [each == name for each in guesses]
        both = len([1 for i in range(len(true)) if true[i] and said[i]])
        if sum(true) + sum(said):
            total += both * 2 / (sum(true) + sum(said))
    return total / len(names)
"""
PROSE = (
    "I would ship the second system, since its interval lies above that of the first on every draw, and because a "
    "tenth of a second more for each request is a price that our users did not notice in the trial of last week. "
    "Before that I would ask how the rows were drawn, who labelled them, and whether the same people wrote the training "
    "rows, because a score on rows that look like the training rows says little about the mail that comes tomorrow."
)


def answers(student, code, prose="", name="q1"):
    return read_answers(student, {name: (code, True), "q9": (prose, False)})


def found(*submissions, background=(), at_least=0.5):
    return pairs(list(submissions), background, at_least)


def test_a_copy_with_other_names_comments_and_order_is_found_and_an_own_answer_is_not():
    (pair,) = found(answers("ann", ANN), answers("bob", BOB), answers("cy", CY))
    assert (pair.first.student, pair.second.student) == ("ann", "bob")
    assert pair.share > 0.75
    assert len(pair.lines(pair.first)["q1"]) > 10


def test_the_lines_that_both_have_are_known_on_both_sides():
    (pair,) = found(answers("ann", ANN), answers("bob", "import os\n\n" + ANN))
    first, second = pair.lines(pair.first)["q1"], pair.lines(pair.second)["q1"]
    assert second == {line + 2 for line in first}
    assert len(first) > 10


def test_prose_that_was_taken_over_is_found():
    (pair,) = found(
        answers("ann", "", PROSE), answers("bob", "", PROSE.replace("I would", "We would").upper())
    )
    assert pair.lines(pair.second).keys() == {"q9"}


@pytest.mark.parametrize("place", ["released", "expected"])
def test_what_was_given_or_is_expected_is_no_sign(place):
    assert not found(answers("ann", ANN), answers("bob", ANN), background=[answers(place, ANN)])


def test_what_many_have_is_no_sign():
    many = [answers(f"s{number}", ANN) for number in range(5)]
    assert not found(*many)
    assert len(found(*many[:4])) == 6, "four who sit together are"


def test_short_answers_say_nothing():
    assert not found(answers("ann", "answer = 42"), answers("bob", "answer = 42"))


def test_half_a_copy_is_found_from_a_lower_share():
    half = ANN.partition("def macro_f1")[0]
    own = CY.partition("def macro_f1")[2]
    mixed = answers("bob", half + "def macro_f1" + own)
    assert not found(answers("ann", ANN), mixed, at_least=0.8)
    assert len(found(answers("ann", ANN), mixed, at_least=0.3)) == 1


@pytest.mark.parametrize("code", ["def f(:\n  x = '", "%pip install x\n!ls", "\x00", "    x\n  y", "\ud800"])
def test_what_is_no_python_is_read_as_far_as_it_goes(code):
    assert isinstance(answers("ann", code).prints, dict)


def test_a_class_of_many_holds_one_pair():
    random_draw = random.Random(0)

    def own(number):
        return "\n".join(
            f"x{number} = {random_draw.choice(['min', 'max', 'len', 'sum'])}(y) {random_draw.choice('+-*/')} "
            f"z.a{random_draw.randrange(50)}[{random_draw.choice(['i', '0', 'i + 1', 'j(k)'])}].b{random_draw.randrange(50)}"
            for _ in range(40)
        )

    submissions = [answers(f"s{number:04}", own(number)) for number in range(300)]
    submissions.append(answers("bob", submissions[7].cells["q1"].replace("x7", "result")))
    (pair,) = found(*submissions)
    assert (pair.first.student, pair.second.student) == ("s0007", "bob")
    assert pair.share == 1.0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from("abcdefgh"), min_size=GRAM + WINDOW - 1, max_size=60), st.data())
def test_a_run_that_two_share_leaves_a_fingerprint_in_both(run, data):
    """The guarantee of winnowing: Schleimer and others, section 3."""
    around = st.lists(st.sampled_from("ijklmnop"), max_size=30)
    first, second = (
        {*fingerprints(Token(each, 1) for each in [*data.draw(around), *run, *data.draw(around)])}
        for _ in range(2)
    )
    assert first & second


def test_a_hash_is_the_same_in_every_process():
    assert similarity._hash([Token("a", 1), Token("b", 2)]) == similarity._hash(
        [Token("a", 9), Token("b", 9)]
    )
    assert similarity._hash([Token("a", 1), Token("b", 2)]) == 17891760522800452624
