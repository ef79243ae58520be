"""What a folder of HTML pages leads to and what it loads, read from its files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: attributes with an address, of any element: what they name is loaded, unless it is the href of an <a>
ADDRESSES = ("href", "src", "srcset", "poster", "data", "action", "background", "xlink:href")
IN_STYLES = re.compile(r"url\(\s*['\"]?([^'\")]+)['\"]?\s*\)|@import\s+['\"]([^'\"]+)['\"]")


@dataclass
class Read(HTMLParser):
    """One page. names: what a link can lead to. leads: addresses of links; loads: of everything else."""

    names: set[str] = field(default_factory=set)
    leads: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if not value:
                continue
            if name == "id" or (tag == "a" and name == "name"):
                self.names.add(value)
            elif name in ADDRESSES:
                (self.leads if (tag, name) == ("a", "href") else self.loads).extend(_addresses(name, value))
            elif name == "style":
                self.loads += in_styles(value)

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "style":
            self.loads += in_styles(data)


def _addresses(name: str, value: str) -> list[str]:
    return [part.split()[0] for part in value.split(",") if part.strip()] if name == "srcset" else [value]


def in_styles(text: str) -> list[str]:
    """The addresses in a style sheet."""
    return [one or other for one, other in IN_STYLES.findall(text)]


def read(text: str) -> Read:
    page = Read()
    page.feed(text)
    page.close()
    return page


@dataclass
class Site:
    """All pages of a folder, read once."""

    folder: Path
    pages: dict[Path, Read]

    @property
    def external(self) -> dict[str, list[str]]:
        """address elsewhere that a link leads to -> the pages with such a link."""
        found: dict[str, list[str]] = {}
        for path, page in self.pages.items():
            for address in page.leads:
                if _is_elsewhere(address):
                    found.setdefault(address, []).append(path.relative_to(self.folder).as_posix())
        return found

    def problems(self) -> list[str]:
        """A sentence for each link that leads nowhere, and for each thing that is loaded from elsewhere."""
        return [*self._in_pages(), *self._in_styles()]

    def _in_pages(self) -> Iterator[str]:
        for path, page in self.pages.items():
            name = path.relative_to(self.folder).as_posix()
            for address in page.loads:
                if _is_elsewhere(address):
                    yield f"{name} loads {address}"
            for address in dict.fromkeys([*page.leads, *page.loads]):
                if not _is_elsewhere(address) and (trouble := self._trouble(path, address)):
                    yield f"{name} leads to {address}: {trouble}"

    def _in_styles(self) -> Iterator[str]:
        for path in sorted(self.folder.rglob("*.css")):
            for address in in_styles(path.read_text(encoding="utf-8")):
                if _is_elsewhere(address):
                    yield f"{path.relative_to(self.folder).as_posix()} loads {address}"

    def _trouble(self, path: Path, address: str) -> str:
        """Why an address inside the site can't be followed; "" if it can."""
        parts = urlsplit(address)
        if parts.scheme == "data":
            return ""
        there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if not there.is_relative_to(self.folder):
            return "that is outside the site"
        if not there.is_file():
            return "there is no such file"
        section = unquote(parts.fragment)
        if section and there in self.pages and section not in self.pages[there].names:
            return "there is no such section"
        return ""


def _is_elsewhere(address: str) -> bool:
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme not in ("", "data")


def look_at(folder: Path) -> Site:
    """Read every page of a folder."""
    folder = folder.resolve()
    paths = sorted(folder.rglob("*.html"))
    return Site(folder, {path: read(path.read_text(encoding="utf-8")) for path in paths})
