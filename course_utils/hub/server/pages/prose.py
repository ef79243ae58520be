"""Markdown that people wrote, as HTML for a page: cards and comments."""

from __future__ import annotations

import functools
import html
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

from course_utils.hub.server.pages.frame import address
from course_utils.sanitise import MOST_CHARACTERS, TooTangled, sanitised

if TYPE_CHECKING:
    from markupsafe import Markup

    from course_utils.hub.store.repository import Repository

PICTURES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "svg": "image/svg+xml",
}
OUR_NAMES = (
    "127.0.0.1",
    "localhost",
    "huggingface.co",
    "hf.co",
)  # under which a card may name its own repository


def prose(
    text: str, repository: Repository, commit: str, may_read: bool, lower: int = 1, wrap: bool = False
) -> Markup:
    """Markdown, with HTML in it, as safe HTML.

    Pictures are those of the repository, for who may read its files. lower: how many levels headings
    move down, as the page has its own above them. wrap: a line's end is one, as in comments. What is
    too long or too tangled is shown as text.
    """
    import markupsafe

    places = Places(repository, commit, may_read)
    try:
        if len(text) > MOST_CHARACTERS:
            raise TooTangled
        safe = sanitised(_as_html(text, wrap), link=places.link, picture=places.picture, lower=lower)
        # every tag is closed by now, and what looked like one in the text is none; a wide
        # table scrolls in its own box
        safe = safe.replace("<table", '<div class="wide"><table').replace("</table>", "</table></div>")
    except (TooTangled, RecursionError):
        safe = f"<pre>{html.escape(text)}</pre>"
    return markupsafe.Markup(safe)


def is_picture(path: str) -> bool:
    return path.rpartition(".")[2].lower() in PICTURES


class Places:
    """Where the addresses in a text of a repository lead."""

    def __init__(self, repository: Repository, commit: str, may_read: bool) -> None:
        self._repository = repository
        self._commit = commit
        self._may_read = may_read
        self._here = address(repository)

    def picture(self, url: str) -> str | None:
        """The address of a picture of this repository, or None for all others."""
        path = self._path(url)
        if path is None or not self._may_read or not is_picture(path):
            return None
        return f"{self._here}/show/{self._commit}/{quote(path)}"

    def link(self, url: str) -> str | None:
        """The page of a file or folder of this repository, or another page of this Hub."""
        parts = _split(url)
        if parts is None or parts.netloc or parts.scheme:
            return None
        if parts.path.startswith("/"):
            return quote(unquote(parts.path))
        path = self._path(url)
        if path is None:
            return None
        entry = self._repository.history.entry(self._commit, path)
        kind = "tree" if entry is not None and entry.folder else "blob"
        return f"{self._here}/{kind}/main/{quote(path)}"

    def _path(self, url: str) -> str | None:
        """The path of a file of this repository that an address means, or None."""
        parts = _split(url)
        if parts is None:
            return None
        if not parts.netloc and not parts.scheme and not parts.path.startswith("/"):
            return _inside(unquote(parts.path))
        if parts.netloc and parts.hostname in OUR_NAMES:
            own = re.fullmatch(rf"{re.escape(self._here)}/(?:resolve|raw|blob)/[^/]+/(.+)", parts.path)
            return _inside(unquote(own[1])) if own else None
        return None


def _split(url: str) -> SplitResult | None:
    """The parts of an address as a browser has them, or None if it has none."""
    try:
        return None if "\\" in url or url.startswith("//") else urlsplit(url)
    except ValueError:
        return None


def _inside(path: str) -> str | None:
    """A path without "." and "..", or None if it leaves the repository."""
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not kept:
                return None
            kept.pop()
        elif part not in ("", "."):
            kept.append(part)
    return "/".join(kept) or None


def _as_html(text: str, wrap: bool) -> str:
    import mistune

    plugins = ["table", "strikethrough", "footnotes", "task_lists", "url"]
    return str(mistune.create_markdown(renderer=_renderer()(), plugins=plugins, hard_wrap=wrap)(text))


@functools.lru_cache(1)
def _renderer() -> Any:
    import mistune

    class Renderer(mistune.HTMLRenderer):
        """What is in the text is let through here: `sanitised` comes after, with
        one rule for HTML and markdown.
        """

        def __init__(self) -> None:
            super().__init__(escape=False, allow_harmful_protocols=True)
            self._slugs: dict[str, int] = {}

        def heading(self, text: str, level: int, **attributes: Any) -> str:
            slug = re.sub(r"<[^<>]*>|[^\w\s-]", "", html.unescape(text)).strip().lower().replace(" ", "-")
            count = self._slugs[slug] = self._slugs.get(slug, -1) + 1
            return super().heading(text, level, id=f"{slug}-{count}" if count else slug)

        def table_cell(self, text: str, align: str | None = None, head: bool = False) -> str:
            tag, where = "th" if head else "td", f' align="{align}"' if align else ""
            return f"<{tag}{where}>{text}</{tag}>\n"

    return Renderer
