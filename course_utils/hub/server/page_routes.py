"""The web page for people: repositories, files, cards, commits, versions, and who may read. It only shows.

One button asks for access to a gated repository, as on the Hub; all other changes are made with the client. A person is known
by a cookie that `hub.page` sets; the API never looks at it. Pages carry no scripts, and the browser is told to run none.
"""

from __future__ import annotations

import difflib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from http.cookies import CookieError, SimpleCookie
from importlib import resources
from urllib.parse import quote

from course_utils.hub.server import rows
from course_utils.hub.server.community_routes import ask_access
from course_utils.hub.server.http import FilePart, Response
from course_utils.hub.server.repository_routes import fits
from course_utils.hub.server.routing import Routes
from course_utils.hub.server.service import PREFIX
from course_utils.hub.store import cards
from course_utils.hub.store.conversations import Conversations
from course_utils.hub.store.errors import HubError, StoreError, entry_not_found
from course_utils.hub.store.history import Folder
from course_utils.hub.store.names import check_path
from course_utils.hub.store.refs import BRANCHES, TAGS

routes = Routes()

SECURITY = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
TEXT_BYTES, DIFF_FILES, LISTED, COMMITS = 200_000, 20, 200, 200
KIND_TITLES = {"model": "Models", "dataset": "Datasets", "space": "Spaces"}


# Who looks


def sign_in_key(service, name):
    """The secret that opens the page as that person."""
    for key, owner in service.page_keys.items():
        if owner == name:
            return key
    key = secrets.token_urlsafe(24)
    service.page_keys[key] = name
    return key


def cookie_name(service):
    return f"course_hub_{service.url.rpartition(':')[2]}"


def visitor(service, request):
    """The `Person` in front of the browser, or None."""
    try:
        cookie = SimpleCookie(request.headers.get("Cookie", "")).get(cookie_name(service))
    except CookieError:
        cookie = None
    name = service.page_keys.get(cookie.value) if cookie else None
    return service.store.accounts.person(name) if name else None


def page(method, *patterns, **fixed):
    """Register a page: its function gets the visitor as the request's person, and its errors become pages too."""

    def register(function):
        def shown(service, request, **values):
            request.person = visitor(service, request)
            try:
                return function(service, request, **values)
            except (HubError, StoreError) as error:
                return error_page(service, request, error)

        return routes.add(method, *patterns, **fixed)(shown)

    return register


def every_kind(tail):
    """The address of a page for each kind of repository, with the kind as a value."""
    return [(kind, f"/{PREFIX[kind]}{{owner}}/{{name}}{tail}") for kind in ("dataset", "space", "model")]


def repository_page(tail, method="GET HEAD"):
    """Register a page of one repository, for each kind; the function gets the repository."""

    def register(function):
        def shown(service, request, kind, owner, name, **values):
            return function(service, request, service.repository(request, kind, owner, name), **values)

        for kind, pattern in every_kind(tail):
            page(method, pattern, kind=kind)(shown)
        return function

    return register


# What a page is made of


def render(service, request, name, status=200, **values):
    html = (
        templates()
        .get_template(name)
        .render(visitor=request.person, here=request.path, kinds=KIND_TITLES, **values)
    )
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": SECURITY,
        "Referrer-Policy": "same-origin",  # with "no-referrer" a browser hides where a form comes from
        "Cache-Control": "no-store",
    }
    return Response(status, html.encode(), headers)


_TEMPLATES = []


def templates():
    if not _TEMPLATES:
        import jinja2

        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("course_utils.hub.server"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        environment.filters |= {"size": size_text, "day": day_text, "quoted": quote}
        _TEMPLATES.append(environment)
    return _TEMPLATES[0]


def size_text(count):
    """Bytes as people read them."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def day_text(seconds):
    return datetime.fromtimestamp(seconds, UTC).strftime("%d %B %Y, %H:%M UTC").lstrip("0")


def markdown(text, raw):
    """A card as HTML. HTML in it is shown as text; relative pictures come from the repository at `raw`."""
    import mistune

    class Renderer(mistune.HTMLRenderer):
        def image(self, text, url, title=None):
            if not url.startswith(("http:", "https:", "/", "data:")):
                url = raw + quote(url)
            return super().image(text, url, title)

        def heading(self, text, level, **attributes):
            return super().heading(
                text, min(level + 1, 6), **attributes
            )  # the page's own heading is the first

    make = mistune.create_markdown(
        renderer=Renderer(escape=True), plugins=["table", "strikethrough", "footnotes", "task_lists"]
    )
    import markupsafe

    return markupsafe.Markup(make(text))


@dataclass(frozen=True)
class Shown:
    """What every page of a repository needs."""

    kind: str
    id: str
    owner: str
    name: str
    address: str
    private: bool
    gated: object
    tags: tuple
    readers: str
    revision: str
    commit: str
    branches: dict
    versions: dict
    may_read: bool
    asked: str | None
    use: str


def shown(service, request, repository, revision="main"):
    commit = repository.head(revision)
    person = repository.settings.access.get(request.person.name) if request.person else None
    return Shown(
        kind=repository.kind,
        id=repository.id,
        owner=repository.owner,
        name=repository.id.partition("/")[2],
        address=f"/{PREFIX[repository.kind]}{repository.id}",
        private=repository.settings.private,
        gated=repository.settings.gated,
        tags=repository.card(commit).tags,
        readers=readers(repository),
        revision=revision,
        commit=commit,
        branches=repository.history.named(BRANCHES),
        versions=repository.history.named(TAGS),
        may_read=repository.may_read_files(request.person),
        asked=person["status"] if person else None,
        use=how_to_use(repository),
    )


def readers(repository):
    """Who may read, in a sentence."""
    if repository.settings.private:
        return f"Private: only {repository.owner} may see and read it."
    if repository.settings.gated:
        let_in = sum(row["status"] == "accepted" for row in repository.settings.access.values())
        gate = "who ask are let in" if repository.settings.gated == "auto" else f"{repository.owner} lets in"
        return f"Gated: everybody sees this page; the files are for those that {gate} ({let_in} so far)."
    return "Public: everybody may read it, without a token."


def how_to_use(repository):
    if repository.kind == "dataset":
        return f'from datasets import load_dataset\n\ndata = load_dataset("{repository.id}", revision="main")'
    if repository.kind == "space":
        return f'from huggingface_hub import snapshot_download\n\nfolder = snapshot_download("{repository.id}", repo_type="space")'
    return f'from transformers import AutoModel\n\nmodel = AutoModel.from_pretrained("{repository.id}", revision="main")'


# The pages


@routes.add("GET HEAD", "/style.css")
def style(service, request):
    text = resources.files("course_utils.hub.server").joinpath("style.css").read_bytes()
    return Response(200, text, {"Content-Type": "text/css; charset=utf-8", "Cache-Control": "max-age=60"})


ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#0b5c5c"/>'
    '<path d="M4 3v10M12 3v10M4 8h8" stroke="#fff" stroke-width="2" fill="none"/></svg>'
)


@routes.add("GET HEAD", "/icon.svg")
def icon(service, request):
    return Response(200, ICON.encode(), {"Content-Type": "image/svg+xml", "Cache-Control": "max-age=60"})


@page("GET HEAD", "/")
def front(service, request):
    if (key := request.first("key")) is not None:
        if key not in service.page_keys:
            raise HubError(403, "This address is from another Hub, or from before it was started again.")
        cookie = f"{cookie_name(service)}={key}; HttpOnly; SameSite=Strict; Path=/"
        return Response(303, b"", {"Location": "/", "Set-Cookie": cookie, "Referrer-Policy": "no-referrer"})
    return list_page(service, request, None)


@page("GET HEAD", "/models", kind="model")
@page("GET HEAD", "/datasets", kind="dataset")
@page("GET HEAD", "/spaces", kind="space")
def of_kind(service, request, kind):
    return list_page(service, request, kind)


def list_page(service, request, kind, owner=None):
    found = [
        (each.kind, rows.summary(each))
        for each in service.store.repositories(kind)
        if each.may_read(request.person)
    ]
    found += [(each.kind, rows.pending(each)) for each in service.store.waiting(kind)]
    wanted = [
        (kind_of, row | {"address": f"/{PREFIX[kind_of]}{row['id']}", "updated": row["lastModified"][:10]})
        for kind_of, row in found
        if fits(row, request) and owner in (None, row["author"])
    ]
    wanted.sort(key=lambda pair: (pair[1]["updated"], pair[1]["id"]), reverse=True)
    groups = {
        each: [row for kind_of, row in wanted if kind_of == each][:LISTED]
        for each in KIND_TITLES
        if kind in (None, each)
    }
    return render(
        service,
        request,
        "list.html",
        groups=groups,
        kind=kind,
        owner=owner,
        search=request.first("search", ""),
        tag=request.first("filter", ""),
    )


@repository_page("")
def card(service, request, repository):
    here = shown(service, request, repository)
    file = repository.history.file(here.commit, "README.md")
    text, data, found = "", {}, False
    if file is not None and file.size <= cards.MOST_CHARACTERS:
        read = cards.read(repository.read(file).decode("utf-8", "replace"), repository.kind)
        text, data, found = read.text, read.data, True
    html = markdown(text, f"{here.address}/raw/main/")
    fields = {name: value for name, value in data.items() if isinstance(value, str | int | float | list)}
    return render(service, request, "card.html", repo=here, html=html, fields=fields, found=found, tab="card")


@repository_page("/tree/{revision}")
@repository_page("/tree/{revision}/{path*}")
def files(service, request, repository, revision, path=""):
    here = shown(service, request, repository, revision)
    path = path.strip("/")
    entry = repository.history.entry(here.commit, path) if not path or check_path(path) else None
    if entry is None or not entry.folder:
        raise entry_not_found(path, here.commit)
    items = list(repository.history.walk(here.commit, path, recursive=False))
    folders = [each for each in items if isinstance(each, Folder)]
    return render(
        service,
        request,
        "files.html",
        repo=here,
        folders=folders,
        files=[each for each in items if each not in folders],
        path=path,
        tab="files",
    )


@repository_page("/blob/{revision}/{path*}")
def file(service, request, repository, revision, path):
    here = shown(service, request, repository, revision)
    found = repository.history.file(here.commit, check_path(path))
    if found is None:
        raise entry_not_found(path, here.commit)
    text = None
    if here.may_read and not found.large and found.size <= TEXT_BYTES:
        try:
            text = repository.read(found).decode()
        except UnicodeDecodeError:
            pass
    return render(service, request, "file.html", repo=here, file=found, text=text, path=path, tab="files")


@repository_page("/raw/{revision}/{path*}")
def raw(service, request, repository, revision, path):
    """The bytes of a file, to save; a browser shows none of them but pictures."""
    service.repository(request, repository.kind, *repository.id.split("/"), "files")
    commit = repository.head(revision)
    found = repository.history.file(commit, check_path(path))
    if found is None:
        raise entry_not_found(path, commit)
    picture = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif"}.get(
        path.rpartition(".")[2].lower()
    )
    name = quote(path.rpartition("/")[2])
    headers = {
        "Content-Type": picture or "application/octet-stream",
        "Content-Disposition": f"{'inline' if picture else 'attachment'}; filename*=UTF-8''{name}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if found.large:
        return Response(200, FilePart(repository.large_path(found), 0, found.size), headers)
    return Response(200, repository.read(found), headers)


@repository_page("/commits/{revision}")
def commits(service, request, repository, revision):
    here = shown(service, request, repository, revision)
    found = []
    for each in repository.history.commits(here.commit):
        found.append(each)
        if len(found) == COMMITS:
            break
    names = {}
    for name, oid in (*here.branches.items(), *here.versions.items()):
        names.setdefault(oid, []).append(name)
    return render(service, request, "commits.html", repo=here, commits=found, names=names, tab="commits")


@repository_page("/commit/{revision}")
def commit(service, request, repository, revision):
    here = shown(service, request, repository, revision)
    this = repository.history.commit(here.commit)
    changed = repository.history.changed(this.parents[0] if this.parents else None, this.id)
    changes = [
        (path, change_word(*pair), diff_of(repository, *pair) if here.may_read else None)
        for path, pair in list(changed.items())[:DIFF_FILES]
    ]
    return render(
        service,
        request,
        "commit.html",
        repo=here,
        commit=this,
        changes=changes,
        more=len(changed) - len(changes),
        tab="commits",
    )


def change_word(before, after):
    return "added" if before is None else "deleted" if after is None else "changed"


def diff_of(repository, before, after):
    """The lines of a unified diff as (mark, text), or None for what is large or no text."""
    texts = []
    for side in (before, after):
        if side is not None and (side.large or side.size > TEXT_BYTES):
            return None
        try:
            texts.append([] if side is None else repository.read(side).decode().splitlines())
        except UnicodeDecodeError:
            return None
    lines = list(difflib.unified_diff(*texts, lineterm="", n=2))[2:]
    return [(line[:1], line[1:] if line[:1] in "+- " else line) for line in lines[:2000]]


@repository_page("/refs")
def versions(service, request, repository):
    here = shown(service, request, repository)
    history = repository.history
    names = {
        title: [(name, history.commit(oid)) for name, oid in sorted(table.items())]
        for title, table in (("Branches", here.branches), ("Tags", here.versions))
    }
    return render(service, request, "versions.html", repo=here, names=names, tab="versions")


@repository_page("/discussions")
def discussions(service, request, repository):
    here = shown(service, request, repository)
    found = list(reversed(Conversations(repository).rows))
    return render(service, request, "discussions.html", repo=here, rows=found, tab="community")


@repository_page("/discussions/{number}")
def discussion(service, request, repository, number):
    here = shown(service, request, repository)
    table = Conversations(repository)
    row = table.get(int(number) if number.isdecimal() and len(number) < 7 else 0)
    diff = table.diff(row) if row["pull_request"] and here.may_read else ""
    return render(service, request, "discussion.html", repo=here, row=row, diff=diff, tab="community")


@repository_page("/ask", method="POST")
def ask(service, request, repository):
    """The button on a gated repository's page. The browser must say that the form came from here."""
    if request.headers.get("Origin") is None:
        raise HubError(403, "This button works on the Hub's own page only.")
    ask_access(service, request, repository.kind, *repository.id.split("/"))
    return Response(303, b"", {"Location": f"/{PREFIX[repository.kind]}{repository.id}"})


@page("GET HEAD", "/{owner}")
def person(service, request, owner):
    if not service.store.accounts.exists(owner):
        raise HubError(404, f"There is no {owner!r} here.")
    return list_page(service, request, None, owner)


def error_page(service, request, error):
    status = error.status if isinstance(error, HubError) else 500
    if status == 307:
        raise error
    message = error.message if isinstance(error, HubError) else f"This repository is damaged: {error}."
    if isinstance(error, HubError) and error.code == "RepoNotFound":
        message = "There is no such repository, or you may not see it."
    return render(service, request, "error.html", status, code=status, message=message)
