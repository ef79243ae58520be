"""Several attempts of a learner: which counts, and that nobody's code is run when another one does."""

import csv
import json

import pytest

from course_utils.grading.desk import export, feedback
from course_utils.grading.gradebook import policy
from course_utils.grading.gradebook.attempts import AttemptStore
from course_utils.grading.run import batch
from course_utils.grading.run.reading import EARLIER
from tests.grading import toy
from tests.grading.desk.test_autograde import Class
from tests.grading.test_late_and_again import hand_in
from tests.grading.test_regrade import another_version, changed, mark

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # of nbgrader's own queries

Q1, Q2 = ({name: toy.ANSWERS[name]} for name in ("q1", "q2"))
WRONG = {"q1": "def double(number):\n    return 0"}
LATE = f"[due]\n{toy.NAME} = 2026-11-20T12:00:00Z\n[late]\ndeduct_percent = 100\n"


@pytest.fixture
def group(tmp_path, solutions, released, prepared):
    return Class(tmp_path, solutions, released, prepared)


def counts(group, text):
    """Write the policy."""
    (group.out / policy.NAME).write_text(text)


def attempts(group):
    with open(group.out / "attempts.csv", newline="") as file:
        return [(row["points"], row["counts"], row["open"]) for row in csv.DictReader(file)]


def exported(group):
    return export.read_marks(group.out, None).scores


def nothing_runs(monkeypatch):
    monkeypatch.setattr(batch.Grader, "grade", None)


def earlier(group, student, name, hour, **answers):
    """What `course collect` keeps of an attempt that another one came after."""
    place = f"{EARLIER}/{name}"
    group.hand_in_file(
        student, json.dumps(toy.submission(group.released, **answers)), f"{place}/{toy.NAME}.ipynb"
    )
    group.hand_in_file(student, f"2026-11-20 {hour}:00:00 UTC", f"{place}/timestamp.txt")


def test_the_best_counts_and_a_change_of_the_policy_runs_nothing(group, monkeypatch, capsys):
    counts(group, 'attempts = "best"\n')
    group.hand_in("ann", **Q1)
    group.grade()
    group.hand_in("ann", **Q2)
    group.grade()
    assert group.scores() == {"ann": "4"}
    assert attempts(group) == [("4", "yes", ""), ("2", "", "")]
    assert changed(group) == {}, "the mark is what it was"
    assert "ann,98_toy,1," in (group.out / "attempts.csv").read_text()
    page = group.out / "feedback" / "ann" / toy.NAME / "report.html"
    assert "4 of 11 points" in page.read_text()
    assert "An earlier attempt than your last counts: it has the most points." in page.read_text()
    rows = [json.loads(line) for line in (group.out / "results.jsonl").read_text().splitlines()]
    assert {row["question"]: row["score"] for row in rows} == {"q1": 4, "q2": 0, "q3": None}
    nothing_runs(monkeypatch)
    counts(group, 'attempts = "last"\n')
    assert exported(group) == {"ann": 2}
    assert "2 of 11 points" in page.read_text() and "earlier attempt" not in page.read_text()
    counts(group, f'[attempts]\n{toy.NAME} = "best"\n')
    assert feedback.main([str(group.out)]) == 0
    assert group.scores() == {"ann": "4"}
    counts(group, "")
    capsys.readouterr()
    assert group.grade("--resume") == 0
    assert group.scores() == {"ann": "2"}
    assert changed(group)["ann", "q1"]["why"] == "another attempt counts"


def test_an_attempt_that_was_never_graded_is_graded(group):
    earlier(group, "ann", "one", 9, **Q1)
    hand_in(group, "ann", 10, **Q2)
    group.grade()
    assert group.scores() == {"ann": "2"}, "by default the last counts"
    counts(group, 'attempts = "best"\n')
    assert group.grade("--resume") == 0
    assert group.scores() == {"ann": "4"}
    assert attempts(group) == [("4", "yes", ""), ("2", "", "")], "in the order in which they came"


def test_the_best_is_the_best_after_the_late_penalty(group, monkeypatch):
    counts(group, f'attempts = "best"\n{LATE}')
    earlier(group, "ann", "one", 11, **Q2)
    hand_in(group, "ann", 13, **Q1)
    group.grade()
    assert (group.scores()["ann"], group.grades()["ann"]["late_penalty"]) == ("2", "0")
    nothing_runs(monkeypatch)
    counts(group, f'attempts = "best"\n{LATE.replace("T12", "T14")}')
    assert exported(group) == {"ann": 4}
    counts(group, f'attempts = "best"\n{LATE.replace("T12", "T14")}[void]\n{toy.NAME} = ["q1"]\n')
    assert exported(group) == {"ann": 2}


def test_what_a_person_gave_goes_with_the_attempt(group, monkeypatch):
    counts(group, 'attempts = "best"\n')
    group.hand_in("ann", **Q1, q3="Because of this.")
    group.grade()
    mark(group, "ann", 5)
    assert exported(group) == {"ann": 9}
    group.hand_in("ann", **Q1, **Q2, q3="Because of that.")
    group.grade()
    assert group.grades()["ann"]["status"] == "needs a person", "it could still be the best"
    assert attempts(group) == [("9", "", ""), ("6", "yes", "yes")]
    nothing_runs(monkeypatch)
    mark(group, "ann", 1)
    assert exported(group) == {"ann": 9}
    mark(group, "ann", 2)  # the first attempt now, after an appeal
    assert exported(group) == {"ann": 7}
    assert attempts(group) == [("6", "", ""), ("7", "yes", "")]


def test_an_answer_that_is_the_same_keeps_what_a_person_gave(group):
    counts(group, 'attempts = "best"\n')
    group.hand_in("ann", **Q1, q3="Because.")
    group.grade()
    mark(group, "ann", 5)
    group.hand_in("ann", **Q1, **Q2, q3="Because.")
    group.grade()
    assert (group.grades()["ann"]["status"], exported(group)) == ("graded", {"ann": 11})


def test_broken_work_takes_nothing_away(group):
    counts(group, 'attempts = "best"\n')
    group.hand_in("ann", **Q1)
    group.grade()
    group.hand_in_file("ann", "{broken")
    group.grade()
    assert group.scores() == {"ann": "4"}


def test_every_attempt_is_graded_again_where_the_checks_changed_and_only_there(group, monkeypatch):
    counts(group, 'attempts = "best"\n')
    earlier(group, "ann", "one", 9, **Q1)
    hand_in(group, "ann", 10, **WRONG)
    group.grade()
    with monkeypatch.context() as resumed:
        nothing_runs(resumed)
        assert group.grade("--resume") == 0
    another_version(monkeypatch)
    assert group.grade("--resume") == 0
    (kept,) = AttemptStore(group.out).of("ann", toy.NAME)
    assert kept.entry.stamp.checks == "another" and group.versions() == {"another"}
    assert group.scores() == {"ann": "4"}


def test_the_same_work_with_another_time_is_no_other_attempt(group):
    counts(group, f'attempts = "best"\n{LATE}')
    group.hand_in("ann", **Q1)
    group.grade()
    hand_in(group, "ann", 13, **Q1)
    group.grade()
    assert group.grades()["ann"]["late_penalty"] == "4", "it is late, now that it is known when it came"
    assert AttemptStore(group.out).pairs() == []


def test_killed_while_attempts_change_places(group, monkeypatch):
    counts(group, 'attempts = "best"\n')
    group.hand_in("ann", **Q1, q3="Because of this.")
    group.grade()
    mark(group, "ann", 5)
    group.hand_in("ann", **Q2)
    from course_utils.grading.gradebook import attempts as module

    with monkeypatch.context() as killed:
        killed.setattr(module.Settlement, "_put", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            group.grade()
    nothing_runs(monkeypatch)
    assert exported(group) == {"ann": 9}
    assert len(attempts(group)) == 2
