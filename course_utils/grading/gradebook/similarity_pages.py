"""The pages of submissions that are alike, and their list as CSV. What a learner wrote is text in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from course_utils.grading.gradebook.class_pages import templates
from course_utils.grading.gradebook.reports import as_csv
from course_utils.grading.gradebook.similarity import Alike, Answers, Group, Pair
from course_utils.text import printable

COLUMNS = ("exercise", "kind", "students", "share", "fingerprints", "questions", "page")
MOST_LINES, LINE_CHARACTERS = 400, 300  # of one answer on a page
MOST_PAGES = 200  # of pairs, and of groups
SIDES, NAMES = 12, 100  # learners of a group whose answers are laid side by side, and who are named


@dataclass(frozen=True)
class Listed:
    """A pair or a group as the list names it: the file of its page, and in which questions it is alike."""

    found: Pair | Group
    students: tuple[str, ...]
    share: float | None
    questions: list[str]
    file: str


def pages(
    name: str, alike: Alike, read: Callable[[str], Answers], at_least: float
) -> Iterator[tuple[str, str]]:
    """(file, text): a page for each group and pair, then the exercise's page and the CSV.

    read: a learner's answers, which are asked for when their page is written.
    """
    title = f"{name}: answers that are alike"
    listed: list[Listed] = []
    found: list[Pair | Group] = [*alike.groups[:MOST_PAGES], *alike.pairs[:MOST_PAGES]]
    for number, each in enumerate(found, 1):
        one, text = _page(each, read, {"title": title, "name": name}, f"{name}-similar-{number:03}.html")
        listed.append(one)
        yield one.file, text
    shown = {"title": title, "name": name, "alike": alike, "at_least": at_least, "names": NAMES}
    shown["groups"] = [each for each in listed if isinstance(each.found, Group)]
    shown["pairs"] = [each for each in listed if isinstance(each.found, Pair)]
    yield f"{name}-similar.html", templates().get_template("similar.html").render(shown)
    yield f"{name}-similar.csv", as_csv(COLUMNS, (_row(name, each) for each in listed))


def _page(
    found: Pair | Group, read: Callable[[str], Answers], shown: dict[str, object], file: str
) -> tuple[Listed, str]:
    students = (found.first, found.second) if isinstance(found, Pair) else found.students
    sides = [(answers, answers.lines(found.shared)) for answers in map(read, students[:SIDES])]
    order = [question for answers, _ in sides for question in answers.cells]
    alike = {question for _, marked in sides for question in marked}
    questions = [question for question in dict.fromkeys(order) if question in alike]
    share = found.share if isinstance(found, Pair) else None
    listed = Listed(found, students, share, questions, file)
    shown |= {"one": listed, "names": NAMES}
    shown["sides"] = [(answers, dict(_rows(answers, marked))) for answers, marked in sides]
    return listed, templates().get_template("pair.html").render(shown)


def _row(name: str, each: Listed) -> dict[str, object]:
    return {
        "exercise": name,
        "kind": "pair" if isinstance(each.found, Pair) else "group",
        "students": " ".join(each.students),
        "share": "" if each.share is None else f"{each.share:.3f}",
        "fingerprints": len(each.found.shared),
        "questions": " ".join(each.questions),
        "page": each.file,
    }


def _rows(answers: Answers, marked: dict[str, set[int]]) -> Iterator[tuple[str, list[tuple[str, bool]]]]:
    """question -> its lines, each with whether the others have it too."""
    for question, (source, _) in answers.cells.items():
        lines = source.splitlines()[:MOST_LINES]
        yield (
            question,
            [
                (printable(line, LINE_CHARACTERS), number in marked.get(question, ()))
                for number, line in enumerate(lines, 1)
            ],
        )
