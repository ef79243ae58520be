"""What the site holds: every page as a file for Sphinx, made from the workbook's own files.

What goes in is named here, so that nothing comes in by itself: lessons without the notes for instructors,
the released exercises, the models' cards, and those parts of README and guide that are listed. A solution is
never read.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from posixpath import dirname, join, normpath, relpath

from course_utils.chapters import tables
from course_utils.chapters.chapter import Chapter, chapters
from course_utils.grading.gradebook.release import INSTRUCTOR_TAG
from course_utils.install import ROOT
from course_utils.models.registry import MODELS
from course_utils.site.origin import Origin

HERE = Path(__file__).parent
README, GUIDE, INDEX = "README.md", "solutions/README.md", "lessons/index.ipynb"
PHENOMENA, GLOSSARY = "What the lessons claim, measured", "Words of our own"
#: The guide's sections that everybody may read. How an answer is marked by hand is for those who mark.
GUIDE_SECTIONS = (
    "The timetable",
    "What each chapter costs",
    "The day before",
    "When the network dies",
    "Releasing, collecting, grading",
    "Late, and again",
)
#: file, or section of one, in the repository -> its page
DOCUMENTS = {
    README: "index.md",
    f"{README}#what-the-lessons-claim-measured": "phenomena.md",
    GUIDE: "guide.md",
    f"{GUIDE}#words-of-our-own": "glossary.md",
    "course_utils/grading/README.md": "grading.md",
    "course_utils/hub/README.md": "hub.md",
    **{f"course_utils/models/assets/{name}/README.md": f"models/{name}.md" for name in MODELS},
}
GUIDE_OPENING = """# Teaching the day

For whoever stands in front. The rest of this guide, the solutions and the notes to each notebook are in the
workbook's folder `solutions/`, which is “this folder” below.
"""
MODELS_PAGE = """# Models

Small models that were made for this workbook and stand offline in the place of those on the Hub. Each card
says how the model was made, what it can do, and that it is not the model of that name.
"""
#: code, in which nothing is a link, or a link
LINK = re.compile(
    r"^(?P<fence>```+).*?^(?P=fence)|(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)"
    r"|\[(?P<words>[^\]]*)\]\((?P<target>[^()\s]+)\)",
    re.MULTILINE | re.DOTALL,
)


class SiteError(Exception):
    """A site that cannot be made; the message says what to do."""


def pages(root: Path = ROOT, origin: Origin | None = None, only: Collection[str] = ()) -> dict[str, str]:
    """Every page: its name in Sphinx's source folder -> its text, a notebook or Markdown.

    root: a clone of the workbook. origin: where sources can be read and notebooks opened, if anywhere.
    only: names of chapters that are shown; all of them unless given. Raises `SiteError`.
    """
    known = [chapter for chapter in chapters(root) if not only or chapter.name in only]
    if not known:
        raise SiteError(f"{root} has no lessons of that name; make the site in a clone of the workbook")
    notebooks = _notebooks(known)
    links = Links(root, DOCUMENTS | {path: path for path in notebooks}, origin)
    made = {path: _notebook(root, path, links) for path in notebooks}
    made |= _documents(root, links)
    made |= {f"lessons/{each.name}/index.md": _chapter(each, known) for each in known}
    made["index.md"] = _front(root, known, links)
    made["models/index.md"] = MODELS_PAGE + toctree(MODELS, depth=1)
    return made


def _notebooks(known: list[Chapter]) -> list[str]:
    """The paths of the notebooks that are shown, from the root of the workbook."""
    lessons = [f"lessons/{chapter.name}/{lesson.file}" for chapter in known for lesson in chapter.lessons]
    return [INDEX, *lessons, *(_exercise(chapter) for chapter in known if chapter.has_exercise)]


def _exercise(chapter: Chapter) -> str:
    return f"exercises/{chapter.name}/{chapter.name}.ipynb"


# Links


@dataclass(frozen=True)
class Links:
    """Where links lead on the site. places: file in the repository -> its page."""

    root: Path
    places: Mapping[str, str]
    origin: Origin | None

    def rewrite(self, text: str, source: str, page: str) -> str:
        """Markdown of a file in the repository, with links that hold on a page of the site.

        What is no page leads to the repository, or loses its link where there is none. Raises `SiteError` for
        a link to a file that does not exist.
        """

        def rewritten(found: re.Match[str]) -> str:
            target = found["target"]
            if not target or re.match(r"[a-z]+:|#", target):
                return found[0]
            place = self._place(target, source, page)
            return f"[{found['words']}]({place})" if place else found["words"]

        return LINK.sub(rewritten, text)

    def _place(self, target: str, source: str, page: str) -> str:
        """Where a relative link of `source` leads from `page`; "" where it can lead nowhere."""
        file, _, section = target.partition("#")
        path = normpath(join(dirname(source), file))
        if not (self.root / path).exists():
            raise SiteError(f"{source} has a link to {target}, which does not exist; mend it there")
        there = self.places.get(f"{path}#{section}")
        if there:
            return relpath(there, dirname(page) or ".")
        if path in self.places and not (section and path == README):  # only parts of README are here
            return relpath(self.places[path], dirname(page) or ".") + (f"#{section}" if section else "")
        if not self.origin:
            return ""
        kind = "tree" if (self.root / path).is_dir() else "blob"
        return self.origin.source(path, kind) + (f"#{section}" if section else "")


# Notebooks


def _notebook(root: Path, path: str, links: Links) -> str:
    """A notebook as its page: without instructors' notes, with links that hold, and with badges."""
    notebook = json.loads(_read(root, path))
    notebook["cells"] = [cell for cell in notebook["cells"] if not _is_a_note(cell)]
    heading = ""
    for cell in notebook["cells"]:
        heading = _last_heading(cell) or heading
        if "outputs" in cell:
            cell["outputs"] = [output for output in cell["outputs"] if not _is_blank(output)]
            cell["metadata"]["mystnb"] = {"image": {"alt": f"picture: {heading}"}}
    texts = [cell for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    for cell in texts:
        cell["source"] = links.rewrite("".join(cell["source"]), path, path)
    if links.origin and path != INDEX:
        titled = next(cell for cell in texts if re.search(r"^# ", cell["source"], re.MULTILINE))
        titled["source"] = _with_badges(titled["source"], badges(links.origin, path))
    return json.dumps(notebook, ensure_ascii=False)


def _is_a_note(cell: dict) -> bool:
    return INSTRUCTOR_TAG in cell["metadata"].get("tags", [])


def _last_heading(cell: dict) -> str:
    """The text of a cell's last heading, for those who hear a page instead of seeing its pictures."""
    if cell["cell_type"] != "markdown":
        return ""
    found = re.findall(r"^#+ (.+)$", "".join(cell["source"]), re.MULTILINE)
    return re.sub(r"[`*]", "", found[-1]) if found else ""


def _is_blank(output: dict) -> bool:
    """Whether an output shows nothing: a progress line leaves such a one when it is over."""
    texts = [output.get("text", ""), *output.get("data", {}).values()]
    return output["output_type"] != "error" and not any("".join(text).strip() for text in texts)


def _with_badges(source: str, made: str) -> str:
    """Markdown with the badges below its title."""
    return re.sub(r"^# .*$", lambda title: f"{title[0]}\n\n{made}", source, count=1, flags=re.MULTILINE)


def badges(origin: Origin, path: str) -> str:
    """Links that open a notebook elsewhere, as a line of HTML that loads nothing."""
    places = {"Open in Colab": origin.colab(path), "Open in Kaggle": origin.kaggle(path)}
    made = " ".join(
        f'<a class="badge" href="{html.escape(address)}">{words}</a>' for words, address in places.items()
    )
    return f'<p class="badges">{made}</p>'


# Documents


def _documents(root: Path, links: Links) -> dict[str, str]:
    """The pages that are a Markdown file of the repository, or a part of one."""
    guide, readme = sections(_read(root, GUIDE)), sections(_read(root, README))
    texts = {
        "guide.md": _guide(guide),
        "glossary.md": f"# Glossary\n\n{_section(guide, GUIDE, GLOSSARY)}",
        "phenomena.md": f"# {PHENOMENA}\n\n{_section(readme, README, PHENOMENA)}",
    }
    made = {}
    for place, page in DOCUMENTS.items():
        file = place.partition("#")[0]
        if page != "index.md":
            text = texts.get(page) or without_front_matter(_read(root, file))
            made[page] = links.rewrite(text, file, page)
    return made


def _guide(parts: Mapping[str, str]) -> str:
    shown = [f"## {title}\n\n{_section(parts, GUIDE, title)}" for title in GUIDE_SECTIONS]
    return "\n\n".join([GUIDE_OPENING, *shown])


def sections(text: str) -> dict[str, str]:
    """title of a section -> what stands below it; "" -> what stands before the first."""
    opening, *parts = re.split(r"^## ", text, flags=re.MULTILINE)
    titled = (part.partition("\n") for part in parts)
    return {"": opening.strip(), **{title.strip(): body.strip() for title, _, body in titled}}


def _section(parts: Mapping[str, str], file: str, title: str) -> str:
    if title not in parts:
        raise SiteError(f"{file} has no section “{title}”; name it anew in {Path(__file__).name}")
    return parts[title]


def without_front_matter(text: str) -> str:
    """A card without the YAML above it, which is for the Hub."""
    return re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)


def _read(root: Path, file: str) -> str:
    try:
        return (root / file).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SiteError(f"{file} is not in {root}; make the site in a clone of the workbook") from None


# Pages of the site's own


def _front(root: Path, known: list[Chapter], links: Links) -> str:
    """The front page: how README begins, the chapters, and what else is here."""
    return (
        (HERE / "front.md")
        .read_text(encoding="utf-8")
        .format(
            opening=links.rewrite(sections(_read(root, README))[""], README, "index.md"),
            hours=tables.together(known),
            chapters=links.rewrite(tables.index(known), INDEX, "index.md"),
            toctree=toctree(
                [f"lessons/{chapter.name}/index" for chapter in known], caption="Lessons and exercises"
            ),
        )
    )


def _chapter(chapter: Chapter, known: list[Chapter]) -> str:
    """What a chapter takes, and its lessons and its exercise in order."""
    needed = [
        f"[{each.number} {each.title}](../{each.name}/index.md)"
        for each in known
        if each.name in chapter.needs
    ]
    lessons = [lesson.file.removesuffix(".ipynb") for lesson in chapter.lessons]
    exercise = [f"/{_exercise(chapter).removesuffix('.ipynb')}"] if chapter.has_exercise else []
    parts = [
        f"# {chapter.number} {chapter.title}",
        f"{chapter.reading:.0f} minutes to read, {chapter.running:.1f} minutes of the machine"
        + (
            f", and an exercise of {chapter.exercise:.0f} to {chapter.longest_exercise:.0f} minutes."
            if chapter.has_exercise
            else "."
        ),
        f"It uses what these chapters treat: {', '.join(needed)}." if needed else "",
        toctree([*lessons, *exercise], depth=1),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def toctree(names: Mapping[str, object] | list[str], caption: str = "", depth: int = 0) -> str:
    """Sphinx's order of pages, shown as a list down to `depth`, or not at all."""
    options = [f":caption: {caption}"] if caption else []
    options += [f":maxdepth: {depth}"] if depth else [":hidden:"]
    return "\n".join(["", "```{toctree}", *options, "", *names, "```", ""])
