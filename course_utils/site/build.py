"""`course site [FOLDER]`: make the site, look at its links, and put it in its place.

It is made in a folder beside its place, and only what is whole takes the place of what was there.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path

from course_utils import __version__
from course_utils.install import ROOT
from course_utils.site import links, origin
from course_utils.site.pages import HERE, SiteError, pages

PLACE = ROOT / "build" / "site"
PACKAGES = ("sphinx", "myst_nb", "furo")
MARK = ".buildinfo"  # Sphinx's own, in every site that it makes


def build(
    place: Path,
    root: Path = ROOT,
    source: origin.Origin | None = None,
    only: Collection[str] = (),
) -> links.Site:
    """Make the site of a clone in a folder, in place of an older one; what is there now.

    source: where the sources can be read, if anywhere. only: chapters to show; all of them unless given.
    Raises `SiteError`, and then leaves what was there.
    """
    check_packages()
    place = place.resolve()
    check_place(place)
    made = pages(root, source, only)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as scratch:
        draft = Path(scratch, "site")
        for name, text in made.items():
            path = Path(scratch, "pages", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        run_sphinx(Path(scratch, "pages"), draft, Path(scratch, "read"))
        if problems := links.look_at(draft).problems():
            raise SiteError("\n".join(["links that do not hold:", *problems]))
        put_in_place(draft, place, Path(scratch, "old"))
    return links.look_at(place)


def check_packages() -> None:
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise SiteError(
            f"the packages that make it are not installed ({', '.join(missing)}); install them with\n"
            f"  {sys.executable} -m pip install -c constraints.txt -e '.[site]'"
        )


def check_place(place: Path) -> None:
    """Raise `SiteError` unless a folder is missing, empty, or a site of ours."""
    if place.is_dir() and any(place.iterdir()) and not (place / MARK).exists():
        raise SiteError(f"{place} holds something else than a site; name another folder")
    if place.exists() and not place.is_dir():
        raise SiteError(f"{place} is a file; name a folder")


def run_sphinx(source: Path, out: Path, kept: Path) -> None:
    """Make HTML of the pages. Raises `SiteError` with what Sphinx says, a warning included."""
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-c", str(HERE), "-D", f"release={__version__}"]
    command += ["-q", "-W", "--keep-going", "-d", str(kept), str(source), str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr or done.stdout).replace(f"{source}{os.sep}", "")
        raise SiteError(f"Sphinx says:\n{said.strip()}")


def put_in_place(draft: Path, place: Path, old: Path) -> None:
    """Move a folder to its place, and what was there to `old`."""
    was_there = place.exists()
    if was_there:
        os.replace(place, old)
    try:
        os.replace(draft, place)
    except BaseException:
        if was_there:
            os.replace(old, place)
        raise


def main(argv: list[str] | None = None) -> int:
    """The `course site` command."""
    parser = argparse.ArgumentParser(
        prog="course site",
        description="Make pages to read of lessons, exercises, glossary, guide and model cards.",
    )
    parser.add_argument("folder", type=Path, nargs="?", default=PLACE, help="where to (default: build/site)")
    parser.add_argument(
        "--repository",
        metavar="ADDRESS",
        help="where the sources can be read, on GitHub (default: git's origin)",
    )
    parser.add_argument(
        "--branch", default="main", help="the branch there, with --repository (default: main)"
    )
    parser.add_argument("--only", metavar="CHAPTER", nargs="+", default=(), help="show these chapters alone")
    options = parser.parse_args(argv)
    try:
        site = build(options.folder, ROOT, _source(options.repository, options.branch), options.only)
    except (SiteError, OSError) as error:
        print(f"course site: {error}\nWhat was in {options.folder} is as it was.", file=sys.stderr)
        return 1
    print(f"{len(site.pages)} pages; open {options.folder / 'index.html'}")
    return 0


def _source(address: str | None, branch: str) -> origin.Origin | None:
    if not address:
        return origin.find(ROOT)
    found = origin.parse(address, branch)
    if not found:
        raise SiteError(f"{address} is not a repository on GitHub, such as https://github.com/owner/name")
    return found


if __name__ == "__main__":
    sys.exit(main())
