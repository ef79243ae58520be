"""Points, parts, the ladder and the seeds."""

import json
import pickle
import re
import sys
from types import ModuleType

import nbformat
import pytest

from course_utils.checks import expect, render
from course_utils.checks.framework import Exercise, load_exercise, note, part, register, seed_key
from course_utils.checks.report import OLD_NAMES, OLD_NAMES_LESSON, Failed, Rung
from course_utils.install import ROOT
from course_utils.wire import Asset
from course_utils.wire.answer import LocalTransport


def exercise_with(check, points=4, needs=("f",), **options):
    exercise = Exercise("97_made_here", title="Made here", minutes=1, difficulty="easy", cost="nothing")
    exercise.question("q1", title="One", points=points, needs=needs, lesson="lessons/x.ipynb", **options)(
        check
    )
    return exercise


def report(check, namespace, key=None, **options):
    exercise = exercise_with(check, **options)
    return exercise.find("q1").run(LocalTransport(namespace, None), key)


def doubles(answer, draw):
    number = draw.random.randrange(100, 10**6)
    with part("doubles", points=3):
        expect.equal(answer.call("f", number), 2 * number, "f(number)")
    with part("zero", points=1):
        expect.equal(answer.call("f", 0), 0, "f(0)")


def stub(number):
    raise NotImplementedError


@pytest.mark.parametrize(
    ("namespace", "points", "rung"),
    [
        ({"f": lambda n: 2 * n}, 4, Rung.RIGHT),
        ({"f": lambda n: 0}, 1, Rung.WRONG_VALUE),
        ({"f": lambda n: n * 2 if n else 5}, 3, Rung.WRONG_VALUE),
        ({"f": lambda n: [n, n]}, 0, Rung.WRONG_TYPE),
        ({"f": lambda n: 1 // 0}, 0, Rung.CRASHED),
        ({"f": stub}, 0, Rung.NOT_STARTED),
        ({"f": lambda n: 2 * n if n else stub(n)}, 3, Rung.PARTLY),
        ({"f": lambda n: n if n else stub(n)}, 0, Rung.WRONG_VALUE),
        ({"f": None}, 0, Rung.NOT_STARTED),
        ({}, 0, Rung.MISSING),
        ({"f": 3}, 0, Rung.CRASHED),
        ({"f": lambda n: print}, 0, Rung.WRONG_TYPE),
    ],
)
def test_the_ladder(namespace, points, rung):
    found = report(doubles, namespace)
    assert (found.points, found.rung) == (points, rung.value)


def test_each_message_says_what_was_expected_what_came_and_where_to_read():
    found = report(doubles, {"f": lambda n: 0})
    wrong = found.parts[0]
    assert wrong.expected.startswith("f(number) to be ")
    assert wrong.got == "0"
    assert found.lesson == "lessons/x.ipynb"


def test_an_old_name_is_told_its_new_one_and_where_the_table_is():
    from transformers import TrainingArguments  # not within the time that an answer has

    def old_fashioned(number):
        return TrainingArguments("nowhere", evaluation_strategy="steps")

    got = report(doubles, {"f": old_fashioned}).parts[0].got
    assert "unexpected keyword argument 'evaluation_strategy'" in got
    assert "today: eval_strategy. See lessons/06_full_fine_tuning/03_train.ipynb#If you come from 2023" in got
    assert "another year" not in report(doubles, {"f": lambda n: len(n=3)}).parts[0].got


@pytest.mark.parametrize(
    ("message", "meant"),
    [
        ("'Reader' object has no attribute 'all_tied_weights_keys'", "self.post_init()"),
        ("type object 'Textbox' has no attribute 'update'", "until Gradio 3"),
        (
            "element 0 of tensors does not require grad and does not have a grad_fn",
            "were all parameters frozen",
        ),
        ("Object of type float32 is not JSON serializable", ".item()"),
    ],
)
def test_an_error_from_inside_a_library_is_told_what_it_means(message, meant):
    def raises(number):
        raise RuntimeError(message)

    got = report(doubles, {"f": raises}).parts[0].got
    assert message in got and meant in got


def test_a_crash_inside_the_checks_own_function_is_told_by_the_learners_names():
    def doubled(number):
        return f(number)  # noqa: F821 - the learner's

    def check(answer, draw):
        with part("it runs", points=4):
            answer.given(doubled).call("doubled", 2)

    def crashes(number):
        raise KeyError("x")

    assert report(check, {"f": crashes}).parts[0].expected == "`f` to run"


@pytest.mark.parametrize("name", OLD_NAMES)
def test_the_lesson_has_every_old_name_in_its_table(name):
    path, _, section = OLD_NAMES_LESSON.partition("#")
    cells = nbformat.read(ROOT / path, as_version=4).cells
    (table,) = [cell.source for cell in cells if cell.source.startswith(f"## {section}\n")]
    then = "\n".join(line.split("|")[1] for line in table.splitlines() if line.startswith("|"))
    assert re.search(rf"\b{name}\b", then)


def test_a_failure_outside_a_part_ends_the_question():
    def check(answer, draw):
        with part("first", points=1):
            pass
        expect.equal(answer.call("f"), 1, "f()")
        with part("second", points=3):
            raise AssertionError("never reached")

    found = report(check, {"f": lambda: 2})
    assert (found.points, [piece.title for piece in found.parts]) == (1, ["first", "the rest"])


def test_a_question_without_parts_is_all_or_nothing():
    def check(answer, draw):
        expect.equal(answer.call("f"), 1, "f()")

    assert report(check, {"f": lambda: 1}).points == 4
    assert report(check, {"f": lambda: 2}).points == 0


def test_right_but():
    def check(answer, draw):
        expect.advise(answer.call("f") is not None, "returning something is kinder")

    found = report(check, {"f": lambda: None})
    assert (found.points, found.rung, found.notes) == (4, "right, but", ("returning something is kinder",))


def test_a_note_on_a_wrong_answer_is_left_out():
    def check(answer, draw):
        expect.advise(False, "some advice")
        expect.equal(answer.call("f"), 1, "f()")

    assert report(check, {"f": lambda: 2}).notes == ()


def test_parts_that_do_not_add_up_are_a_fault_of_the_check():
    def check(answer, draw):
        with part("all there is", points=1):
            pass

    found = report(check, {"f": len})
    assert (found.points, found.rung) == (None, "ungraded")
    assert "do not add up to its 4 points" in found.notes[0]


def test_a_check_that_trips_gives_no_mark_and_never_a_zero():
    found = report(lambda answer, draw: answer.call("f")["key"], {"f": lambda: [1]})
    assert (found.points, found.rung) == (None, "ungraded")
    assert "TypeError" in found.notes[0]


def test_a_process_that_ends_costs_the_question():
    class Gone:
        def ask(self, request, seconds, bounds):
            raise ConnectionError("it ended")

    found = exercise_with(doubles).find("q1").run(Gone())
    assert (found.points, found.rung, found.parts[0].got) == (0, "crashed", "it ended")


def test_an_asset_that_is_not_there_is_nobodys_zero():
    def check(answer, draw):
        with part("all", points=4):
            answer.call("f", Asset("bert", "model"))

    found = report(check, {"f": len})  # the transport of these tests loads no assets
    assert (found.points, found.rung) == (None, "ungraded")
    assert "bert (model) could not be loaded" in found.notes[0]


def test_another_key_draws_other_data_and_the_same_key_the_same():
    seen = []

    def check(answer, draw):
        seen.append((draw.random.random(), draw.seed, draw.numpy().random()))

    for key in (None, None, b"a" * 32, b"b" * 32):
        report(check, {"f": len}, key)
    assert seen[0] == seen[1]
    assert len(set(seen)) == 3


def test_the_grader_sees_through_an_answer_learned_by_heart():
    seen = {}
    report(doubles, {"f": lambda n: seen.setdefault(n, 2 * n)})
    learned = {"f": lambda n: seen.get(n, 0)}
    assert report(doubles, learned).points == 4
    assert report(doubles, learned, seed_key(b"secret", "ann", "97_made_here", "q1")).points == 1


def test_seed_keys_differ_by_every_field():
    keys = {
        seed_key(b"s", "ann", "e", "q1"),
        seed_key(b"t", "ann", "e", "q1"),
        seed_key(b"s", "bob", "e", "q1"),
        seed_key(b"s", "ann", "f", "q1"),
        seed_key(b"s", "ann", "e", "q2"),
        seed_key(b"s", "anne", "", "q1"),
    }
    assert len(keys) == 6


def test_the_seed_key_is_hmac_sha256():
    # Computed with: printf 'ann\037e\037q1' | openssl dgst -sha256 -hmac s
    expected = __import__("hmac").new(b"s", b"ann\x1fe\x1fq1", "sha256").digest()
    assert seed_key(b"s", "ann", "e", "q1") == expected


def test_a_report_is_plain_data():
    found = report(doubles, {"f": lambda n: 0})
    assert json.loads(json.dumps(found.to_dict()))["parts"][0]["rung"] == "wrong value"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "Q1"}, "should be like 'q1'"),
        ({"points": 0}, "more than 0"),
        ({"points": float("nan")}, "more than 0"),
        ({"hints": ("one",)}, "three hints"),
    ],
)
def test_questions_that_cannot_be(options, words):
    exercise = exercise_with(doubles)
    settings = {"name": "q2", "points": 1, "title": "Two"} | options
    with pytest.raises(ValueError, match=words):
        exercise.question(settings.pop("name"), **settings)(doubles)


def test_two_questions_of_one_name():
    exercise = exercise_with(doubles)
    with pytest.raises(ValueError, match="two questions named q1"):
        exercise.manual("q1", title="Again", points=1)


def test_finding_a_question_lists_those_there_are():
    with pytest.raises(KeyError, match="its questions are q1"):
        exercise_with(doubles).find("q7")


def test_a_hand_marked_question_has_no_mark():
    exercise = exercise_with(doubles)
    exercise.manual("q2", title="Judge", points=5)
    found = exercise.find("q2").run(None)
    assert (found.points, found.rung) == (None, "marked by hand")
    assert exercise.points == 9


@pytest.mark.parametrize("name", ["96_no_such_exercise", "../framework", "Chapter", "01_framework"])
def test_loading_what_is_no_exercise(name):
    with pytest.raises(LookupError):
        load_exercise(name)


def test_loading_a_registered_one():
    exercise = exercise_with(doubles)
    register(exercise)
    assert load_exercise("97_made_here") is exercise


def test_an_exercise_goes_to_another_process_as_its_name():
    exercise = load_exercise("06_full_fine_tuning")
    sent = pickle.dumps(exercise)
    assert pickle.loads(sent) is exercise and len(sent) < 200


@pytest.mark.parametrize("stem", ["testing", "progress", "framework", "notebook", "chapters", "learner"])
def test_a_chapter_may_be_called_like_a_module_of_ours(stem, monkeypatch):
    """Chapters have a folder of their own, so no name of theirs is taken by the framework or the learner's side."""
    with pytest.raises(LookupError, match=f"no module course_utils.checks.chapters.{stem}"):
        load_exercise(f"97_{stem}")
    chapter = ModuleType(f"course_utils.checks.chapters.{stem}")
    chapter.exercise = Exercise(f"97_{stem}", title="T", minutes=1, difficulty="easy", cost="nothing")
    monkeypatch.setitem(sys.modules, chapter.__name__, chapter)
    assert load_exercise(f"97_{stem}") is chapter.exercise


def test_failed_reads_as_a_sentence():
    assert str(Failed(Rung.WRONG_TYPE, "a list", "None")) == "expected a list; got None"


def test_what_a_learner_sends_is_readable_in_a_message():
    """Half a character in a message could be written to no file, and an escape sequence is an order to a terminal."""
    evil = "\ud800 \x1b[2J\u202e" + "x" * 10_000

    made = Exercise("93_words", title="Words", minutes=1, difficulty="easy", cost="nothing")

    @made.question("q1", title="Words", points=1, needs=("words",))
    def words(answer, draw):
        note(answer.value("words"))
        with part(title="words", points=1):
            raise Failed(Rung.WRONG_VALUE, "other words", answer.value("words"))

    report = made.find("q1").run(LocalTransport({"words": evil}, None))
    assert report.parts[0].got.startswith("� �[2J�xxx")
    assert len(report.parts[0].got) < 5_000
    for text in (
        render.report_text(report),
        render.report_html(report),
        render.report_text(made.find("q1").ungraded(evil)),
    ):
        assert "\x1b" not in text
        text.encode()


def test_what_is_no_plain_data_is_told_by_the_learners_name():
    def twice(x):
        return f(x)  # noqa: F821 - the learner's

    def check(answer, draw):
        answer.given(twice).call("twice", 1)

    report = exercise_with(check).find("q1").run(LocalTransport({"f": lambda x: object()}, None))
    assert "plain data from `f`" in report.parts[0].expected
