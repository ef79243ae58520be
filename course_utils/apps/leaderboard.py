"""`course leaderboard FOLDER`: what a class handed in, evaluated again on rows that
nobody has seen, with intervals.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_utils.apps import contestants, exam, page
from course_utils.apps.contestants import Unusable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS = 50
MOST_ENTRIES = 200
LARGEST_SEED = 2**31 - 1
HEAD = """# The class's models

Every folder that was handed in is rebuilt from its weights and answers **fresh rows** of five tasks: the
summaries it was tuned for, and the four it knew before. Nobody's own figures are believed. The score is the
mean of the five.

**Who is better?** Two models share a place unless one is *clearly* better: the 95 % interval of their
difference, row by row, lies wholly above 0. Your place is one more than the number of models that are clearly
better than yours. With many pairs some will look clear by chance: draw again and see.
"""


@dataclass(frozen=True)
class Board:
    """Standings on one exam, the baseline's marks among them, and the entries that
    can't be used with the reason why.
    """

    seed: int
    rows: int
    baseline: exam.ExamScores
    standings: list[exam.LeaderboardRow]
    refused: dict[str, str]


def entries(folder: str | Path) -> list[Path]:
    """The folders that were handed in, one a learner; Unusable where there are none."""
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise Unusable(f"There is no folder {folder}. Give the one that holds a folder a learner.")
    found = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not found:
        raise Unusable(
            f"{folder} holds no folders yet. Each learner's model goes into one: "
            f"{folder / 'NAME' / 'config.json'}."
        )
    if len(found) > MOST_ENTRIES:
        raise Unusable(f"{folder} holds {len(found)} folders; at most {MOST_ENTRIES} are evaluated at once.")
    return found


def evaluated(
    folder: str | Path, rows: int = ROWS, seed: int | None = None, progress: Callable | None = None
) -> Board:
    """Let the base and every model in `folder` sit one exam.

    Args:
        rows: fresh rows of each task.
        seed: draws the same rows again; None draws rows that nobody can have known.
    """
    seed = secrets.randbelow(LARGEST_SEED) if seed is None else seed
    paths, questions = entries(folder), exam.draw(seed, rows)
    found, refused = [exam.sit(contestants.base(), questions)], {}
    for number, path in enumerate(paths):
        if progress:
            progress(number / len(paths), desc=f"Examining: {path.name}")
        try:
            found.append(exam.sit(contestants.read(path, path.name, called=path.name), questions))
        except Unusable as error:
            refused[path.name] = str(error)
        except (
            ValueError,
            RuntimeError,
            IndexError,
            ArithmeticError,
        ) as error:  # weights that load and can't be run
            refused[path.name] = f"The model broke down while it answered: {type(error).__name__}."
    return Board(seed, rows, found[0], exam.standings(found), refused)


def as_html(board: Board) -> str:
    """The board as one or two tables."""
    lines = [_line(standing, board.baseline) for standing in board.standings]
    caption = f"{board.rows} fresh rows of each task, drawn with seed {board.seed}"
    columns = (
        "place",
        "model",
        "all five tasks",
        "summaries",
        "known tasks",
        "clearly better than the base?",
        "size",
    )
    text = page.table(caption, columns, lines)
    if board.refused:
        text += page.table("Not evaluated", ("model", "why"), list(board.refused.items()))
    return text


def _line(standing: exam.LeaderboardRow, first: exam.ExamScores) -> tuple:
    marks = standing.marks
    better = (
        "yes"
        if exam.clearly_better(marks, first)
        else "no, worse"
        if exam.clearly_better(first, marks)
        else "no"
    )
    compared = "(the base)" if marks is first else better
    size = f"{marks.kept_bytes / 1e3:,.0f} kB"
    return (standing.place, marks.name, marks.overall, marks.new, marks.known, compared, size)


def as_figure(board: Board) -> Figure:
    """All entries' means with their intervals, first place on top."""
    from course_utils import plots

    scores = {}
    for standing in board.standings:
        name = f"{standing.place}. {_short(standing.marks.name)}"
        while name in scores:  # two long names may be cut to one, and somebody may be called like the base
            name += "'"
        scores[name] = standing.marks.overall
    return plots.whiskers(
        scores, "Mean of the five tasks (whiskers: 95 % interval)", "score, 0 to 1", show_n=True
    )


def _short(name: str) -> str:
    name = name.replace("$", "")  # matplotlib would read formulas
    return name if len(name) <= 24 else name[:23] + "…"


def seed_of(text: str) -> int | None:
    """A seed from what was typed, or None for an empty field."""
    text = (text or "").strip()
    if not text:
        return None
    if not text.isdecimal() or int(text) > LARGEST_SEED:
        raise Unusable(
            f"{text[:30]!r} is no seed: give a whole number from 0 to {LARGEST_SEED}, or leave the field "
            "empty for new rows."
        )
    return int(text)


def build(folder: str | Path) -> Any:
    """The page as gradio Blocks for the models in `folder`."""
    import gradio as gr

    with gr.Blocks(title="Leaderboard", analytics_enabled=False) as blocks:
        gr.Markdown(HEAD)
        with gr.Row():
            rows = gr.Slider(20, 400, value=ROWS, step=10, label="Fresh rows of each task", min_width=260)
            seed = gr.Textbox(label="Seed (empty: new rows)", lines=1, min_width=160)
        evaluate = gr.Button("Evaluate everybody on fresh rows", variant="primary")
        result, figure = gr.HTML(), gr.Plot(label="Means with intervals", visible=False, **page.FIGURE)

        def on_evaluate(rows: float, seed: str, progress: Callable = gr.Progress()) -> tuple[str, Any]:
            try:
                board = evaluated(folder, int(rows), seed_of(seed), progress)
            except Unusable as error:
                raise gr.Error(str(error), duration=None, print_exception=False) from error
            return as_html(board), gr.update(value=as_figure(board), visible=True)

        gr.on([evaluate.click, seed.submit], on_evaluate, [rows, seed], [result, figure], api_name="evaluate")
    return blocks


def main(argv: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="course leaderboard",
        description="Evaluate a class's models on fresh rows and rank them with intervals.",
    )
    parser.add_argument("folder", help="holds one folder a learner, each written by save_pretrained")
    parser.add_argument("--port", type=int, help="default: a free one from 7860")
    parser.add_argument("--browser", action="store_true", help="open the page in a browser")
    options = parser.parse_args(argv)
    page.prepare()
    try:
        entries(options.folder)
    except Unusable as error:
        print(error, file=sys.stderr)
        return 1
    return page.serve(build(options.folder), options.port, options.browser)
