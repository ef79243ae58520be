"""See a notebook as a learner does: python tests/browser/screenshot.py lessons/index.ipynb picture.png --run"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
from tests.browser.workbook import browse, copy_workbook, open_notebook, photograph, run_all, serve


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebook", help="a path inside the repository")
    parser.add_argument("picture", help="the PNG to write")
    parser.add_argument("--run", action="store_true", help="run all cells first")
    parser.add_argument("--width", type=int, default=1280, help="of the window in pixels (a phone has 390)")
    parser.add_argument("--seconds", type=int, default=600, help="to wait for the cells")
    options = parser.parse_args()
    os.environ.setdefault("COURSE_PROFILE", "offline")
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(copy_workbook(Path(folder))) as server,
        browse(width=options.width) as page,
    ):
        open_notebook(page, server, options.notebook)
        if options.run:
            run_all(page, options.seconds)
        photograph(page, options.picture)


if __name__ == "__main__":
    main()
