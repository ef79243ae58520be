"""`course demo`: the base model, a fully tuned one and an adapter side by side on one's
own text, with what each forgot.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from course_utils import instructions
from course_utils.apps import contestants, exam, page
from course_utils.apps.contestants import Contestant, Unusable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS, ROWS, SEED = 150, 50, 2026
METHODS = {"fully tuned": "full", "adapter": "LoRA"}  # shown by this name; one of peft_methods.METHODS
OWN = "yours"
AS_IT_IS = "Just as I wrote it"
REQUESTS = {
    "Summarise the conversation": lambda text: instructions.prompt("summary", {"dialogue": text}),
    "Is this review positive or negative?": lambda text: instructions.prompt("sentiment", {"text": text}),
    "Translate to French": lambda text: instructions.prompt("translation", {"en": text}),
    AS_IT_IS: lambda text: text,
}
HEAD = """# Three models, one text

The **base** is the course's small Flan-T5. The **fully tuned** model and the **adapter** learned to summarise
conversations, and nothing else was repeated meanwhile. Ask all of them the same. They know the small world of
Saltmarsh only: text of your own will often confuse them.
"""
PANEL = """## What was forgotten

One text shows little. Here every model answers fresh rows of all five tasks; each score has its 95 %
interval.
"""


def compared(shelf: Sequence[Contestant], request: str, text: str) -> list[contestants.Generation]:
    """What each model answers to a request about a text; Unusable for a text or
    a request that can't be used.
    """
    if request not in REQUESTS:
        raise Unusable(f"There is no request {request!r}; choose one of: {', '.join(REQUESTS)}.")
    prompt = REQUESTS[request](contestants.checked(text))
    return [contestants.answer(one, prompt) for one in shelf]


def measured(
    shelf: Sequence[Contestant], rows: int, seed: int = SEED, progress: Callable | None = None
) -> tuple[str, Figure]:
    """(HTML table, Figure) of what each model scores and forgot on `rows` fresh rows a
    task; the first is the baseline.
    """
    from course_utils import plots

    questions, found = exam.draw(seed, rows), []
    for number, one in enumerate(shelf):
        if progress:
            progress(number / len(shelf), desc=f"Examining: {one.name}")
        found.append(exam.sit(one, questions))
    first = found[0]
    lines = [
        (
            marks.name,
            marks.new,
            marks.known,
            exam.forgotten(first, marks) if marks is not first else "(the baseline)",
            f"{1000 * marks.seconds:.0f} ms",
        )
        for marks in found
    ]
    columns = ("model", "summaries (ROUGE-L)", "known tasks (exact match)", "forgotten", "time a text")
    scores = {f"{marks.name}, {what}": getattr(marks, what) for what in ("new", "known") for marks in found}
    title = "The new task and the known ones (whiskers: 95 % interval)"
    figure = plots.whiskers(scores, title, "score, 0 to 1", show_n=True)
    figure.axes[0].set_xlim(left=0)
    return page.table(f"{rows} fresh rows of each task, drawn with seed {seed}", columns, lines), figure


def build(shelf: Sequence[Contestant]) -> Any:
    """The page as gradio Blocks. shelf: the models, the baseline first."""
    import gradio as gr

    with gr.Blocks(title="Compare the models", analytics_enabled=False) as blocks:
        gr.Markdown(HEAD)
        text = gr.Textbox(label="Your text", lines=6, max_length=contestants.MOST_CHARACTERS + 1000)
        request = gr.Radio(list(REQUESTS), value=next(iter(REQUESTS)), label="What to do with it")
        own = gr.Textbox(
            label="Folder of a model of yours (may stay empty)",
            placeholder="what save_pretrained wrote to",
            lines=1,
        )
        ask = gr.Button("Ask the models", variant="primary")
        outputs = []
        with gr.Row():
            for name in [*(one.name for one in shelf), OWN]:
                with gr.Column(min_width=220, visible=name != OWN) as column:
                    outputs += [gr.Textbox(label=name, lines=4, interactive=False), gr.Markdown()]
        gr.Examples(_examples(), [text, request], cache_examples=False)
        gr.Markdown(PANEL)
        rows = gr.Slider(
            20, 200, value=ROWS, step=10, label="Fresh rows of each task (about ten seconds a model for 50)"
        )
        measure = gr.Button("Measure")
        result, figure = gr.HTML(), gr.Plot(label="Scores with intervals", visible=False, **page.FIGURE)

        def on_ask(text: str, request: str, folder: str) -> list:
            with_own = [*shelf, *_own(folder)]
            answers = _or_error(gr, lambda: compared(with_own, request, text))
            shown = [part for answer in answers for part in (answer.text, _timing(answer))]
            blank = ["", ""] * (len(shelf) + 1 - len(answers))
            return [*shown, *blank, gr.update(visible=not blank)]

        def on_measure(rows: float, folder: str, progress: Callable = gr.Progress()) -> tuple[str, Any]:
            table, plot = _or_error(
                gr, lambda: measured([*shelf, *_own(folder)], int(rows), progress=progress)
            )
            return table, gr.update(value=plot, visible=True)

        def _own(folder: str) -> list[Contestant]:
            return _or_error(
                gr, lambda: [contestants.read(folder.strip(), OWN)] if (folder or "").strip() else []
            )

        ask.click(on_ask, [text, request, own], [*outputs, column], api_name="ask")
        text.submit(on_ask, [text, request, own], [*outputs, column], api_visibility="private")
        measure.click(on_measure, [rows, own], [result, figure], api_name="measure")
    return blocks


def _timing(answer: contestants.Generation) -> str:
    return f"{answer.seconds:.2f} s, {answer.tokens} tokens"


def _or_error(gr: Any, action: Callable[[], Any]) -> Any:
    """What the action gives; what can't be used becomes a message on the page."""
    try:
        return action()
    except Unusable as error:
        raise gr.Error(str(error), duration=None, print_exception=False) from error


def _examples() -> list[list[str]]:
    rows = exam.draw(SEED + 1, 1).rows
    texts = rows["summary"][0]["dialogue"], rows["sentiment"][0]["text"], rows["translation"][0]["en"]
    return [list(pair) for pair in zip(texts, REQUESTS, strict=False)]


def trained_folder(method: str, steps: int) -> Path:
    """The folder of the twin trained by one of peft_methods.METHODS; trained now if it isn't kept yet."""
    from course_utils.bench import peft_methods
    from course_utils.cache import cache_folder, kept
    from course_utils.datasets import corpora

    def train(scratch: Path) -> None:
        print(f"Training {method}, {steps} steps; kept for the next time …", flush=True)
        peft_methods.trained(method, steps=steps).model.save_pretrained(scratch)

    return kept(cache_folder() / f"demo-{corpora.edition()}" / f"{method}-{steps}", train)


def main(argv: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="course demo", description="Compare base, fully tuned and adapter models on your own text."
    )
    parser.add_argument(
        "--full", metavar="FOLDER", help="a fully tuned flan-t5 twin (default: one is trained, about 20 s)"
    )
    parser.add_argument(
        "--adapter", metavar="FOLDER", help="a LoRA adapter for it (default: one is trained, about 30 s)"
    )
    parser.add_argument(
        "--steps", type=int, default=STEPS, help=f"of the training where there is one (default {STEPS})"
    )
    parser.add_argument("--port", type=int, help="default: a free one from 7860")
    parser.add_argument("--browser", action="store_true", help="open the page in a browser")
    options = parser.parse_args(argv)
    page.prepare()
    given = {"fully tuned": options.full, "adapter": options.adapter}
    try:
        shelf = [
            contestants.base(),
            *(
                contestants.read(given[name] or trained_folder(method, options.steps), name)
                for name, method in METHODS.items()
            ),
        ]
    except Unusable as error:
        print(error, file=sys.stderr)
        return 1
    return page.serve(build(shelf), options.port, options.browser)
