"""The pages of submissions that are alike, and their list as CSV. What a learner wrote is text in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from course_utils.grading.gradebook.class_pages import templates
from course_utils.grading.gradebook.reports import as_csv
from course_utils.grading.gradebook.similarity import Answers, Pair
from course_utils.text import printable

COLUMNS = ("exercise", "first", "second", "share", "fingerprints", "questions", "page")
MOST_LINES, LINE_CHARACTERS = 400, 300  # of one answer on a page


def pages(name: str, found: Sequence[Pair], count: int, at_least: float) -> dict[str, str]:
    """file -> text: the exercise's page, a page a pair, and the CSV. `count`: submissions compared."""
    listed = [
        (pair, f"{name}-similar-{number:03}.html", _questions(pair)) for number, pair in enumerate(found, 1)
    ]
    title = f"{name}: answers that are alike"
    shown = {"title": title, "name": name, "pairs": listed, "count": count, "at_least": at_least}
    texts = {f"{name}-similar.html": templates().get_template("similar.html").render(shown)}
    for pair, file, questions in listed:
        sides = [(answers, dict(_rows(answers, pair))) for answers in (pair.first, pair.second)]
        shown = {"title": title, "name": name, "pair": pair, "sides": sides, "questions": questions}
        texts[file] = templates().get_template("pair.html").render(shown)
    rows = [
        dict(
            zip(
                COLUMNS,
                (
                    name,
                    pair.first.student,
                    pair.second.student,
                    f"{pair.share:.3f}",
                    len(pair.shared),
                    " ".join(questions),
                    file,
                ),
            )
        )
        for pair, file, questions in listed
    ]
    return texts | {f"{name}-similar.csv": as_csv(COLUMNS, rows)}


def _questions(pair: Pair) -> list[str]:
    """The questions that have something in common, in the notebook's order."""
    alike = pair.lines(pair.first).keys() | pair.lines(pair.second).keys()
    return [question for question in pair.first.cells if question in alike]


def _rows(answers: Answers, pair: Pair) -> Iterator[tuple[str, list[tuple[str, bool]]]]:
    """question -> its lines, each with whether the other has it too."""
    marked = pair.lines(answers)
    for question, source in answers.cells.items():
        lines = source.splitlines()[:MOST_LINES]
        yield (
            question,
            [
                (printable(line, LINE_CHARACTERS), number in marked.get(question, ()))
                for number, line in enumerate(lines, 1)
            ],
        )
