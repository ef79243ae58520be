"""The order of commits: any history, with times in whole seconds and clocks that were set back."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from course_utils.hub.store import history as rules
from course_utils.hub.store.errors import StoreError
from course_utils.hub.store.history import History
from course_utils.hub.store.objects import commit_data

TREE = "0" * 40
TIMES = some.integers(100, 102)  # many commits in each second


class Commits:
    """Objects that are only commits: number n has the id n in 40 digits, and parents with smaller numbers."""

    def __init__(self, commits):
        self.commits = commits  # [(time, numbers of the parents)]

    def read(self, oid):
        time, parents = self.commits[int(oid)]
        return "commit", commit_data(TREE, tuple(map(name, sorted(parents))), "me", time, "text")


def name(number):
    return f"{number:040d}"


@some.composite
def histories(pick):
    count = pick(some.integers(1, 12))
    return [
        (pick(TIMES), pick(some.sets(some.integers(0, number - 1), max_size=2)) if number else set())
        for number in range(count)
    ]


def ordered(commits, start):
    return list(History(Commits(commits), None).commits(name(start)))


def behind(commits, start):
    found = {start}
    for number in range(start, -1, -1):
        if number in found:
            found |= commits[number][1]
    return found


@given(histories())
def test_each_commit_comes_once_and_before_its_parents(commits):
    for start in range(len(commits)):
        found = ordered(commits, start)
        places = {each.id: number for number, each in enumerate(found)}
        assert len(places) == len(found) and set(places) == set(map(name, behind(commits, start)))
        assert all(places[each.id] < places[parent] for each in found for parent in each.parents)


@given(histories())
def test_the_newest_comes_first_where_clocks_went_forward(commits):
    times = []
    for time, parents in commits:  # every child as old as its parents, or younger
        times.append(max([time, *(times[parent] for parent in parents)]))
    commits = [(time, parents) for time, (_, parents) in zip(times, commits, strict=True)]
    found = [each.time for each in ordered(commits, len(commits) - 1)]
    assert found == sorted(found, reverse=True)


def test_a_short_line_beside_a_long_one_of_the_same_second():
    """What a Hub under load made: four commits on main and one proposed at the start, then merged."""
    commits = [(100, set()), (100, {0}), (100, {1}), (100, {2}), (100, {0}), (100, {3, 4})]
    assert ordered(commits, 5)[-1].id == name(0)


def test_a_long_history_is_read_in_one_go_and_one_that_is_too_long_is_refused(monkeypatch):
    """Longer than Python would call functions within functions."""
    line = [(100 + number, {number - 1} if number else set()) for number in range(5000)]
    assert len(ordered(line, 4999)) == 5000
    monkeypatch.setattr(rules, "MOST_COMMITS", 4999)
    with pytest.raises(StoreError, match="more than 4,999 commits"):
        ordered(line, 4999)
