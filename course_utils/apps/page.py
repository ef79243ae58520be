"""What both pages share: how they look, how they are served, and tables that a narrow window can show."""

from __future__ import annotations

import html
import os
import threading
import webbrowser
from collections.abc import Sequence
from typing import Any

from course_utils import session

CSS = """
.gradio-container { max-width: 1100px !important; margin: 0 auto !important; }
table.course { width: 100%; border-collapse: collapse; }
table.course caption { text-align: left; font-weight: 600; padding: 0.3em 0; }
table.course th, table.course td {
  text-align: left; padding: 0.35em 0.6em; border-bottom: 1px solid #999; overflow-wrap: anywhere;
}
table.course th[scope=col] { overflow-wrap: normal; }
:focus-visible { outline: 3px solid #1a56db !important; outline-offset: 2px; }
@media (max-width: 640px) {
  table.course thead { position: absolute; left: -10000px; }
  table.course tr { display: block; border-bottom: 2px solid #555; padding: 0.4em 0; }
  table.course td, table.course th[scope=row] {
    display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1em;
    border: 0; padding: 0.15em 0.5em;
  }
  table.course td::before, table.course th[scope=row]::before { content: attr(data-label); font-weight: 600; }
  /* the box scrolls, not the page */
  .course-figure { overflow-x: auto !important; contain: inline-size; width: 100%; }
  .course-figure .matplotlib { display: block; }  /* from its left end, not from its middle */
  .course-figure img { width: 42rem; max-width: none !important; }
}
"""

#: How both pages show a figure: with its own title, which a label would cover, and readable on a phone.
FIGURE = {"show_label": False, "elem_classes": ["course-figure"]}


def table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """An HTML table; the first column names the row. Everything in it is escaped.

    On a phone each row is a block.
    """
    head = "".join(f'<th scope="col">{html.escape(column)}</th>' for column in columns)
    body = "".join(f"<tr>{_cells(columns, row)}</tr>" for row in rows)
    inside = f"<caption>{html.escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<table class="course">{inside}</table>'


def _cells(columns: Sequence[str], row: Sequence[object]) -> str:
    cells = []
    for number, (column, value) in enumerate(zip(columns, row, strict=True)):
        tag, scope = ("th", ' scope="row"') if number == 0 else ("td", "")
        label, shown = html.escape(column), html.escape(str(value))
        cells.append(f'<{tag}{scope} data-label="{label}"><span>{shown}</span></{tag}>')
    return "".join(cells)


def prepare() -> None:
    """Before gradio and matplotlib are imported: no analytics, no calls elsewhere and none to this machine
    through a proxy, places that can be written to, plots without a window.
    """
    os.environ.setdefault("MPLBACKEND", "Agg")
    session.clear_the_way()
    session.quiet("offline")


def launch(blocks: Any, port: int | None = None) -> str:
    """Serve a page at the loopback address, in threads of this process; returns its address.

    Raises OSError where the port is taken.
    """
    import gradio

    theme = gradio.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    theme = theme.set(
        button_primary_background_fill="#1d4ed8", button_primary_background_fill_hover="#1e40af"
    )  # white on it is readable
    _, address, _ = blocks.launch(
        server_name="127.0.0.1", server_port=port, share=False, inbrowser=False, prevent_thread_lock=True,
        quiet=True, theme=theme, css=CSS, footer_links=[], run_history=False, ssr_mode=False, pwa=False,
        mcp_server=False, show_error=True,
    )  # fmt: skip
    return address


def serve(blocks: Any, port: int | None, browser: bool) -> int:
    """Serve a page until Ctrl-C; returns an exit code."""
    try:
        address = launch(blocks, port)
    except OSError as error:
        print(f"The page can't be served: {error}")
        return 1
    print(f"Open {address} in a browser on this machine. Stop with Ctrl-C.", flush=True)
    if browser:
        webbrowser.open(address)
    try:
        threading.Event().wait()
    finally:
        blocks.close(verbose=False)
    return 0
