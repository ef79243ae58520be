"""How the first code cell of every notebook begins: it imports the course, and installs it where need be.

A notebook is opened alone, too, on Colab or Kaggle. Import and installation stand in one cell, before every
other import: what is brought up to date there was not loaded yet, and a cell more would change the counts
under which the outputs of lessons are kept.
"""

from __future__ import annotations

import re

from course_utils import __version__

IMPORT = "from course_utils import setup\n"
#: What stands there. `--find-links .` takes a wheel that lies beside the notebook, where there is one.
BEGINNING = f"""\
try:
    {IMPORT}\
except ImportError:  # not installed yet, as on Colab or Kaggle: this line does it
    %pip install -q --find-links . course-workbook=={__version__}
    {IMPORT}"""
# As any version wrote it, or the bare import of somebody who writes a new notebook
_WRITTEN = re.compile(
    r"^try:\n    from course_utils import setup\nexcept ImportError:.*\n(?:    .*\n)*    .*$"
    r"|^from course_utils import setup$",
    re.MULTILINE,
)


class FirstCellError(Exception):
    """A first code cell that does not import the course."""


def begun(source: str) -> str:
    """The source of a first code cell, with the beginning that belongs there. Raises `FirstCellError`."""
    rest, count = _WRITTEN.subn("", source, count=1)
    if not count:
        raise FirstCellError("its first code cell should begin with: from course_utils import setup")
    rest = re.sub(r"\n{3,}", "\n\n", rest.strip("\n"))
    return f"{BEGINNING}\n{rest}".rstrip("\n")


def begin(notebook: dict) -> None:
    """Put the beginning into a notebook as `json` reads it; one without code stays as it is."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["source"] = begun("".join(cell["source"])).splitlines(keepends=True)
            return
