"""`course class archive DIR FILE` and `course class restore FILE DIR`: a class in one checked file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from course_utils.grading.desk.arguments import add_class_folder
from course_utils.grading.gradebook.alone import Busy, only_writer
from course_utils.grading.gradebook.archives import ArchiveError, archive, restore
from course_utils.grading.gradebook.nbgrader_steps import SECRET_FILE

NO_SEED = (
    f"{SECRET_FILE} is not in it: keep a copy of it elsewhere, since without it the same data are never "
    "drawn again (--with-seed puts it in)"
)
WITH_SEED = f"{SECRET_FILE} is in it: whoever has this file can foresee every learner's data"
PUT_IT_BACK = f"{SECRET_FILE} was not in it: put it there before grading, or everybody gets other data"


def archive_main(argv: list[str] | None = None) -> int:
    """The `course class archive` command."""
    parser = argparse.ArgumentParser(prog="course class archive", description="A class's folder in one file.")
    add_class_folder(parser)
    parser.add_argument("file", type=Path, metavar="FILE", help="the zip to write")
    parser.add_argument("--with-seed", action="store_true", help=f"with {SECRET_FILE}, the grader's secret")
    options = parser.parse_args(argv)
    out = options.out.resolve()
    try:
        if not out.is_dir():
            raise ArchiveError(f"there is no folder {out}")
        with only_writer(out):
            count = archive(out, options.file.resolve(), with_seed=options.with_seed)
    except (ArchiveError, Busy, OSError) as error:
        print(f"course class archive: {error}", file=sys.stderr)
        return 1
    print(f"{count} files in {options.file}, read back and checked")
    print(WITH_SEED if options.with_seed else NO_SEED)
    return 0


def restore_main(argv: list[str] | None = None) -> int:
    """The `course class restore` command."""
    parser = argparse.ArgumentParser(prog="course class restore", description="Read a class's archive back.")
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("out", type=Path, metavar="DIR", help="a folder that is not there yet")
    options = parser.parse_args(argv)
    try:
        has_seed = restore(options.file.resolve(), options.out.resolve())
    except (ArchiveError, OSError) as error:
        print(f"course class restore: {error}", file=sys.stderr)
        return 1
    print(f"the class is in {options.out}, every file as it was archived")
    if not has_seed:
        print(PUT_IT_BACK)
    return 0
