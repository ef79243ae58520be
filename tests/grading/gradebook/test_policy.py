"""policy.toml says what counts, and what cannot be followed is refused by name."""

from datetime import UTC, datetime

import pytest

from course_utils.grading.gradebook.policy import (
    NAME,
    TEMPLATE,
    LatePolicy,
    Policy,
    PolicyError,
    read_policy,
    unknown_extensions,
)
from tests.grading import toy

DAY = 86_400


def policy(folder, text):
    (folder / NAME).write_text(text, encoding="utf-8")
    return read_policy(folder)


def test_no_file_and_the_template_ask_for_nothing(tmp_path):
    assert read_policy(tmp_path) == Policy()
    assert policy(tmp_path, TEMPLATE) == Policy()


def test_every_line_of_the_template_can_be_used(tmp_path):
    used = "\n".join(
        line.removeprefix("# ") if " = " in line or line.startswith("# [") else line
        for line in TEMPLATE.splitlines()
    )
    found = policy(tmp_path, used)
    name = "06_full_fine_tuning"
    assert found.due[name] == datetime(2026, 11, 20, 17, tzinfo=UTC)
    assert found.extensions[name] == dict.fromkeys(("ann", "bob.lee"), datetime(2026, 11, 27, 17, tzinfo=UTC))
    assert found.late == LatePolicy(10, "day", 0, 600)
    assert (found.void(name), found.drop_lowest) == ({"q3"}, 1)
    assert found.best_counts(name)


def test_which_attempt_counts_is_said_for_all_or_for_each(tmp_path):
    assert not Policy().best_counts(toy.NAME)
    assert policy(tmp_path, 'attempts = "best"\n').best_counts(toy.NAME)
    found = policy(tmp_path, f'[attempts]\n{toy.NAME} = "best"\n')
    assert found.best_counts(toy.NAME) and not found.best_counts("06_full_fine_tuning")


def test_a_time_may_be_written_as_text(tmp_path):
    found = policy(tmp_path, f'[due]\n{toy.NAME} = "2026-11-20 18:00 Europe/Berlin"\n')
    assert found.due[toy.NAME] == datetime(2026, 11, 20, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[due", "is no TOML"),
        ("[dues]\n", "'dues' is not known; did you mean 'due'?"),
        ("due = 3\n", "write [due] above its lines"),
        ("[due]\n97_missing = 2026-11-20T18:00:00+01:00\n", "names no exercise with '97_missing'"),
        (f"[due]\n{toy.NAME} = 2026-11-20T18:00:00\n", "does not say in which time zone"),
        (f"[due]\n{toy.NAME} = 2026-11-20\n", "does not say in which time zone"),
        (f'[due]\n{toy.NAME} = "20.11.2026"\n', "does not end with a time zone"),
        (f"[extensions.{toy.NAME}]\nann = 2026-11-20T18:00:00Z\n", "which has no due date"),
        (f"[extensions.{toy.NAME}]\nann.lee = 2026-11-20T18:00:00Z\n", 'quotation marks: "ann.lee" = 20'),
        (f"[extensions]\n{toy.NAME} = 3\n", f"write [extensions.{toy.NAME}]"),
        ("[late]\n", "needs deduct_percent"),
        ("[late]\ndeduct_percent = -1\n", "deduct_percent = -1 is not a number from 0 to 100"),
        ("[late]\ndeduct_percent = true\n", "deduct_percent = True is not a number"),
        ("[late]\ndeduct_percent = 10\nevery = 'week'\n", "is not 'day' or 'hour'"),
        ("[late]\ndeduct_percent = 10\ngrace_minute = 3\n", "did you mean 'grace_minutes'?"),
        ("attempts = 'first'\n", "attempts = 'first' is not 'last' or 'best'"),
        (f"[attempts]\n{toy.NAME} = 2\n", f"attempts.{toy.NAME} = 2 is not 'last' or 'best'"),
        ("[attempts]\n97_missing = 'best'\n", "names no exercise with '97_missing'"),
        ("drop_lowest = 1.5\n", "drop_lowest = 1.5 is not a whole number from 0"),
        (f"[void]\n{toy.NAME} = 'q1'\n", "is a list of questions"),
        (f"[void]\n{toy.NAME} = ['q9']\n", "'q9' is not known"),
    ],
)
def test_what_cannot_be_followed_is_refused_by_name(tmp_path, text, said):
    with pytest.raises(PolicyError) as refused:
        policy(tmp_path, text)
    assert said in str(refused.value)
    assert NAME in str(refused.value)


def test_a_file_that_is_not_utf_8_is_refused(tmp_path):
    (tmp_path / NAME).write_bytes(b"# f\xfcr\n")
    with pytest.raises(PolicyError, match="UTF-8"):
        read_policy(tmp_path)


@pytest.mark.parametrize(
    ("late", "points", "seconds", "taken"),
    [
        (LatePolicy(10), 8, 0, 0),
        (LatePolicy(10), 8, 1, 1),  # of the ten possible, for the day that has begun
        (LatePolicy(10), 8, DAY, 1),
        (LatePolicy(10), 8, DAY + 1, 2),
        (LatePolicy(10), 1.5, 5 * DAY, 1.5),  # no more than there is
        (LatePolicy(100), 8, 1, 8),
        (LatePolicy(1, "hour"), 8, 3 * 3600, 0.3),
        (LatePolicy(10, grace_seconds=600), 8, 600, 0),
        (LatePolicy(10, grace_seconds=600), 8, DAY + 60, 2),  # beyond the grace, the due date counts
        (LatePolicy(10, lowest_percent=50), 8, 9 * DAY, 3),
        (LatePolicy(10, lowest_percent=50), 4, DAY, 0),  # it was below before
        (LatePolicy(3.3), 8, DAY, 0.33),
    ],
)
def test_what_being_late_costs(late, points, seconds, taken):
    assert late.penalty(points, 10, seconds) == taken


def test_all_faults_are_told_at_once(tmp_path):
    text = f"""
attempts = "bets"
drop_lowst = 1
[due]
{toy.NAME} = 2026-11-20T18:00:00
[extensions.{toy.NAME}]
ann = "tomorrow"
bob = "soon"
[late]
every = "week"
[void]
{toy.NAME} = ["q33"]
"""
    with pytest.raises(PolicyError) as raised:
        policy(tmp_path, text)
    said = str(raised.value).splitlines()
    assert len(said) == 7
    for words in (
        "attempts = 'bets'", "did you mean 'drop_lowest'?", f"due.{toy.NAME}", f"extensions.{toy.NAME}.ann",
        f"extensions.{toy.NAME}.bob", "[late] needs deduct_percent", "'q33' is not known",
    ):  # fmt: skip
        assert sum(words in line for line in said) == 1, words


def test_an_extension_for_a_name_that_nobody_has_is_said(tmp_path):
    text = "[due]\n{0} = 2026-11-20T18:00:00Z\n[extensions.{0}]\n{1} = 2026-11-27T18:00:00Z\n"
    found = policy(tmp_path, text.format(toy.NAME, "annn"))
    (line,) = unknown_extensions(found, ["ann", "bob"])
    assert f"extensions.{toy.NAME} names 'annn', who has handed in nothing; did you mean 'ann'?" in line
    assert not unknown_extensions(found, ["annn"])
