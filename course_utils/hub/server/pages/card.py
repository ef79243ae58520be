"""A repository's own page: its card, who may read it, how to use it, and what it still lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from course_utils.hub.server.pages.frame import render, repository_page, shown
from course_utils.hub.server.pages.preview import first_table, preview
from course_utils.hub.server.pages.prose import prose
from course_utils.hub.server.pages.use import METRICS, how_to_use
from course_utils.hub.store import cards
from course_utils.hub.store.history import RepoFile

if TYPE_CHECKING:
    from course_utils.hub.server.http import Request, Response
    from course_utils.hub.server.pages.frame import Shown
    from course_utils.hub.server.pages.preview import Preview
    from course_utils.hub.server.service import Service
    from course_utils.hub.store.repository import Repository

APP_FILES = {"docker": "Dockerfile", "static": "index.html"}


@repository_page("")
def card(service: Service, request: Request, repository: Repository) -> Response:
    here = shown(request, repository)
    file = repository.history.file(here.commit, "README.md")
    found = None
    if file is not None and file.size <= cards.MOST_CHARACTERS:
        found = cards.read(repository.read(file).decode("utf-8", "replace"), repository.kind)
    read = found or cards.read("", repository.kind)
    return render(
        request,
        "card.html",
        repo=here,
        html=prose(read.text, repository, here.commit, here.may_read),
        fields={
            name: value for name, value in read.data.items() if isinstance(value, str | int | float | list)
        },
        found=found is not None,
        readers=readers(repository),
        use=how_to_use(repository, here, read),
        lacks=lacks(repository, here, read.data),
        table=rows_of(repository, here),
        tab="card",
    )


def readers(repository: Repository) -> str:
    """Who may read, in a sentence."""
    if repository.settings.private:
        return f"Private: only {repository.owner} may see and read it."
    if repository.settings.gated:
        let_in = sum(row["status"] == "accepted" for row in repository.settings.access.values())
        gate = "who ask are let in" if repository.settings.gated == "auto" else f"{repository.owner} lets in"
        return f"Gated: everybody sees this page; the files are for those that {gate} ({let_in} so far)."
    return "Public: everybody may read it, without a token."


def rows_of(repository: Repository, here: Shown) -> Preview | None:
    """The `Preview` of a dataset, for who may read its files."""
    if repository.kind != "dataset" or not here.may_read:
        return None
    file = first_table(repository, here.commit)
    return preview(repository, file) if file else None


def lacks(repository: Repository, here: Shown, data: dict) -> tuple[str, str] | None:
    """(what a new repository still lacks, a command that brings it), or None if there is something to use."""
    history = repository.history
    if repository.kind == "space":
        wanted = app_file(data, repository.settings.space.get("sdk"))
        if repository.owner == METRICS or history.file(here.commit, wanted) is not None:
            return None
        sentence = (
            f"This Space has no {wanted} yet, the file that the real Hub would run. This Hub keeps a "
            "Space and runs none."
        )
        return sentence, f"hf upload {repository.id} {wanted} --repo-type space"
    files = (each.path for each in history.walk(here.commit) if isinstance(each, RepoFile))
    if any(path not in (".gitattributes", "README.md") for path in files):
        return None
    if repository.kind == "dataset":
        return (
            "This dataset has no rows yet.",
            f'Dataset.from_dict({{"text": ["…"]}}).push_to_hub("{repository.id}")',
        )
    return "This model has no weights yet.", f'model.push_to_hub("{repository.id}")'


def app_file(data: dict, sdk: str | None) -> str:
    """The file that a Space begins with, as its card has it."""
    named, sdk = data.get("app_file"), data.get("sdk") or sdk
    if isinstance(named, str) and named and sdk != "docker":
        return named
    return APP_FILES.get(sdk, "app.py") if isinstance(sdk, str) else "app.py"
