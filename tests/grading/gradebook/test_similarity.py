"""Answers that are nearly the same are found, whatever they were renamed to; what everybody has is no sign."""

import random
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils.grading.gradebook import similarity
from course_utils.grading.gradebook.similarity import GRAM, WINDOW, Answers, alike, code_tokens, winnowed

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
    return Answers(student, {name: (code, True), "q9": (prose, False)})


def found(*submissions, background=(), at_least=0.5):
    return alike(iter(submissions), background, at_least).pairs


def test_a_copy_with_other_names_comments_and_order_is_found_and_an_own_answer_is_not():
    (pair,) = found(answers("ann", ANN), answers("bob", BOB), answers("cy", CY))
    assert (pair.first, pair.second) == ("ann", "bob")
    assert pair.share > 0.75
    assert len(answers("ann", ANN).lines(pair.shared)["q1"]) > 10


def test_the_lines_that_both_have_are_known_on_both_sides():
    both = answers("ann", ANN), answers("bob", "import os\n\n" + ANN)
    (pair,) = found(*both)
    first, second = (each.lines(pair.shared)["q1"] for each in both)
    assert second == {line + 2 for line in first}
    assert len(first) > 10


def test_prose_that_was_taken_over_is_found():
    taken_over = answers("bob", "", PROSE.replace("I would", "We would").upper())
    (pair,) = found(answers("ann", "", PROSE), taken_over)
    assert taken_over.lines(pair.shared).keys() == {"q9"}


@pytest.mark.parametrize("place", ["released", "expected"])
def test_what_was_given_or_is_expected_is_no_sign(place):
    assert not found(answers("ann", ANN), answers("bob", ANN), background=[answers(place, ANN)])


def test_what_most_have_is_no_sign():
    many = [answers(f"s{number}", ANN) for number in range(5)]
    nothing = alike(many, (), 0.5)
    assert not nothing.groups and not nothing.pairs
    (group,) = alike(many[:4], (), 0.5).groups
    assert group.students == ("s0", "s1", "s2", "s3"), "four who sit together are"


#: Ways to say one thing; a class's own answers are made of them.
SAID = [
    ("the second system is better", "I take number two", "system B wins", "my choice is the other one"),
    (
        "because its score is higher",
        "since it was right more often",
        "as it errs less",
        "for its lead is clear",
    ),
    ("on every draw that we made", "whatever rows came", "in all ten rounds", "with any seed I tried"),
    (
        "and it costs little more",
        "though it is slower",
        "and time is no matter here",
        "at a price we can pay",
    ),
    (
        "but the rows are few",
        "yet we know little of them",
        "only that nobody checked labels",
        "and yet I doubt",
    ),
    (
        "so I would ask who drew them",
        "which is why I want more",
        "so let us look again",
        "first show me errors",
    ),
]


def written(seed, sentences=12):
    """An essay of somebody's own."""
    choose = random.Random(seed)
    return ". ".join(
        f"{choose.choice(choose.choice(SAID))} {choose.randrange(100)} {choose.choice('abcdefgh')}{choose.randrange(50)}"
        for _ in range(sentences)
    )


def coded(seed, lines=24, name="x"):
    """A function of somebody's own."""
    choose = random.Random(seed)
    return "def answer(rows):\n" + "\n".join(
        f"    {name}{number} = {choose.choice(['min', 'max', 'len', 'sum'])}({name}) {choose.choice('+-*/')} "
        f"rows.a{choose.randrange(50)}[{choose.choice(['i', '0', 'i + 1', 'j(k)'])}].b{choose.randrange(50)}"
        for number in range(lines)
    )


def of_forty(copied, what, own):
    """Forty submissions, those of `copied` with the answer `what` to q1 (code) or q9 (prose)."""
    return [
        Answers(
            f"s{number:02}",
            {
                "q1": (what if own == "code" and number in copied else coded(number), True),
                "q2": (coded(number + 500), True),
                "q9": (what if own == "prose" and number in copied else written(number), False),
            },
        )
        for number in range(40)
    ]


@pytest.mark.parametrize(
    ("kind", "what", "question"), [("prose", PROSE, "q9"), ("code", coded("theirs", name="mine"), "q1")]
)
@pytest.mark.parametrize("copied", [(3, 8, 17, 22, 31), range(10, 20), (4, 5, 6)])
def test_some_of_forty_who_copy_one_answer_are_a_group(kind, what, question, copied):
    result = alike(of_forty(copied, what, kind), (), 0.5)
    (group,) = result.groups
    assert group.question == question
    assert group.students == tuple(f"s{number:02}" for number in copied)
    assert not result.pairs, "the group says it all"


def test_two_of_forty_who_copy_one_essay_are_a_pair():
    result = alike(of_forty((3, 8), PROSE, "prose"), (), 0.5)
    (pair,) = result.pairs
    assert (pair.first, pair.second) == ("s03", "s08") and not result.groups


def test_each_of_a_group_changed_something():
    words = PROSE.split()
    submissions = of_forty((), "", "prose")
    for number in (1, 11, 21, 31, 39):
        place = number % len(words)
        changed = " ".join([*words[:place], f"own{number}", *words[place + 2 :]])
        submissions[number] = Answers(f"s{number:02}", {"q9": (changed, False)})
    (group,) = alike(submissions, (), 0.5).groups
    assert group.students == ("s01", "s11", "s21", "s31", "s39")


USUAL = """
def macro_f1(labels, guesses):
    scores = []
    for label in set(labels):
        hits = sum(one == two == label for one, two in zip(labels, guesses))
        scores.append(2 * hits / (guesses.count(label) + labels.count(label)))
    return sum(scores) / len(scores)
"""


@pytest.mark.parametrize("share", [5, 12, 19, 30])
def test_the_usual_answer_of_a_question_is_no_sign(share):
    """What so many of forty came upon, each with names of their own."""
    result = alike(of_forty(range(share), USUAL, "code"), (), 0.5)
    assert not result.groups and not result.pairs


def test_a_long_usual_answer_that_many_have_in_part_is_no_sign():
    """Twelve steps that everybody takes, each in one of two ways."""
    steps = [
        [coded(f"step {step} {way}", lines=3).partition("\n")[2] for way in range(2)] for step in range(12)
    ]

    def usual(number):
        choose = random.Random(number)
        return "def answer(rows):\n" + "\n".join(step[choose.random() < 0.35] for step in steps)

    submissions = [Answers(f"s{number:02}", {"q1": (usual(number), True)}) for number in range(40)]
    result = alike(submissions, (), 0.5)
    assert not result.groups


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
    assert answers("ann", code).prints().keys() == {"q1", "q9"}


def test_a_class_of_many_holds_one_pair():
    random_draw = random.Random(0)

    def own(number):
        return "\n".join(
            f"x{number} = {random_draw.choice(['min', 'max', 'len', 'sum'])}(y) {random_draw.choice('+-*/')} "
            f"z.a{random_draw.randrange(50)}[{random_draw.choice(['i', '0', 'i + 1', 'j(k)'])}].b{random_draw.randrange(50)}"
            for _ in range(40)
        )

    submissions = [answers(f"s{number:04}", own(number)) for number in range(300)]
    submissions.append(answers("bob", submissions[7].cells["q1"][0].replace("x7", "result")))
    (pair,) = found(*submissions)
    assert (pair.first, pair.second) == ("s0007", "bob")
    assert pair.share == 1.0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from("abcdefgh"), min_size=GRAM + WINDOW - 1, max_size=60), st.data())
def test_a_run_that_two_share_leaves_a_fingerprint_in_both(run, data):
    """The guarantee of winnowing: Schleimer and others, section 3."""
    around = st.lists(st.sampled_from("ijklmnop"), max_size=30)
    first, second = ({*hashes([*data.draw(around), *run, *data.draw(around)])} for _ in range(2))
    assert first & second


def test_a_hash_is_the_same_in_every_process():
    assert hashes([*"abcdefghijkl"]) == [8991314222939832234]


def hashes(tokens):
    """The fingerprints of tokens that stand on one line."""
    return winnowed(tokens, np.ones(len(tokens), dtype=int)).hashes.tolist()


def test_tokens_of_code():
    source = "def f(x):  # why\n    return x.size ** 2 + rf'''a\n'b''' // len(\"#\") \\\n != 'it\\'s' -> 1e-5"
    assert " ".join(token for token, _ in code_tokens(source)) == (
        "def name ( name ) : return name . size ** 2 + text // len ( text ) != text -> 1e - 5"
    )
    assert [source[place] for token, place in code_tokens(source) if token == "text"] == ["r", '"', "'"]


@pytest.mark.parametrize("code", ["'" * 50_001, '"""\\' * 20_000, "f'" * 30_000, "\\" * 60_000, "a" * 60_000])
def test_a_hostile_text_takes_no_time(code):
    begun = time.process_time()
    assert sum(1 for _ in code_tokens(code)) < 100_000
    assert time.process_time() - begun < 5


def test_pairs_are_bounded_and_counted(monkeypatch):
    monkeypatch.setattr(similarity, "MOST_PAIRS", 3)
    twins = [
        Answers(f"{side}{number:02}", {"q1": (coded(number), True)}) for number in range(9) for side in "ab"
    ]
    result = alike(twins, (), 0.5)
    assert result.pair_count == 9
    assert len(result.pairs) == 3
    assert all(pair.first[1:] == pair.second[1:] for pair in result.pairs)
