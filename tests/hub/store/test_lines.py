"""Diffs of texts: the same as Python's own, and an end to the work for texts made to be dear."""

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as some

from course_utils.hub.store.lines import Effort, Matcher, hunks

TEXTS = some.lists(some.sampled_from(["a\n", "b\n", "c\n", "\n"]), max_size=30)


@given(TEXTS, TEXTS, some.integers(0, 4))
def test_a_diff_is_what_python_itself_makes_of_it(old, new, context):
    assert list(hunks(old, new, context=context)) == list(difflib.unified_diff(old, new, n=context))[2:]


@given(TEXTS, TEXTS, some.integers(0, 60))
def test_a_diff_that_was_cut_short_is_still_true(old, new, steps):
    """Taking out and putting in what it says makes the new text of the old one."""
    made = []
    for what, start, end, new_start, new_end in Matcher(old, new, Effort(steps)).get_opcodes():
        made += old[start:end] if what == "equal" else new[new_start:new_end]
    assert made == new


DEAR = {
    "equal lines with changes": (["x\n"] * 200_000, (["x\n"] * 999 + ["y\n"]) * 200),
    # as often as Python allows before it counts a line as too popular to look at
    "a hundred lines over and over": (
        [f"{each % 100}\n" for each in range(200_000)],
        [f"{each * 7 % 100}\n" for each in range(200_000)],
    ),
    # every look finds a single line, and what is left has to be looked at again
    "every second line changed": (
        [f"{each}\n" for each in range(50_000)],
        [f"{each}\n" if each % 2 else f"new {each}\n" for each in range(50_000)],
    ),
}


@pytest.mark.parametrize("name", DEAR)
def test_texts_made_to_be_dear_take_a_bounded_number_of_steps(name, monkeypatch):
    """Counted: each look at a line, and at each place where it stands in the other text."""
    old, new = DEAR[name]
    effort, spent = Effort(300_000), []
    plain = difflib.SequenceMatcher.find_longest_match

    def counted(self, alo, ahi, blo, bhi):
        spent.append(sum(1 + len(self.b2j.get(self.a[each], ())) for each in range(alo, ahi)))
        return plain(self, alo, ahi, blo, bhi)

    monkeypatch.setattr(difflib.SequenceMatcher, "find_longest_match", counted)
    said = list(hunks(old, new, effort))
    assert sum(spent) <= 300_000 and bool(spent) == (not name.startswith("a hundred"))  # one look is too dear
    assert len([line for line in said if line[0] == "-"]) <= len(old)


def test_several_texts_share_one_effort():
    effort = Effort(10)
    first = [*hunks(["a\n", "b\n"], ["a\n", "c\n"], effort)]
    assert first == ["@@ -1,2 +1,2 @@\n", " a\n", "-b\n", "+c\n"]
    assert [*hunks(["a\n", "b\n"] * 3, ["a\n", "c\n"] * 3, effort)][1:3] == ["-a\n", "-b\n"]
