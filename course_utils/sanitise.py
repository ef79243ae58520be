"""HTML from strangers, made safe to be shown in somebody else's browser: one rule for
cards, comments and learners' prose.

Bleach parses it as a browser does and keeps what is on the list below. What a link or a picture points at is
asked of the caller. Names that HTML gives to its parts get a prefix, so that they never stand for a part of
the page around them; and TeX is shown as it was written, as some of its commands make links and markup, and
the page may have MathJax.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from html import unescape
from urllib.parse import urlsplit

MOST_CHARACTERS, MOST_TAGS, DEEPEST = 200_000, 10_000, 100
PREFIX = "user-content-"
TAGS = frozenset(
    "a abbr b blockquote br caption center code dd del details dfn div dl dt em figcaption figure h1 h2 "
    "h3 h4 h5 h6 hr i img input ins kbd li mark ol p pre q rp rt ruby s samp section small span strong "
    "sub summary sup table tbody td tfoot th thead tr tt u ul var wbr".split()
)
_ATTRIBUTES = {
    "*": {"id", "title", "dir", "lang", "class", "align"},
    "a": {"href", "name"},
    "details": {"open"},
    "img": {"src", "alt", "width", "height"},
    "input": {"type", "checked"},
    "li": {"value"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
}
_PATTERNS = {
    "align": re.compile(r"left|center|right|justify"),
    "class": re.compile(r"task-list-item(-checkbox)?|footnotes?|footnote-ref|language-[\w+#.-]{1,30}"),
    **dict.fromkeys(("width", "height"), re.compile(r"\d{1,4}(px|%)?")),
    **dict.fromkeys(("value", "start", "colspan", "rowspan"), re.compile(r"\d{1,4}")),
}
# Elements whose text is no prose. What is cut out here is for the eye: a tag that is
# not on the list goes in any case.
_UNSEEN = re.compile(r"<(script|style|title|template)\b[^>]*>", re.IGNORECASE)
_LONG_REFERENCE = re.compile(r"&(?=#[xX]?[0-9a-fA-F]{8})")  # no character has so high a number
_HALF = re.compile(r"[\ud800-\udfff]")  # of a character beyond 16 bits: alone it is no text
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)")
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_NEVER_NESTED = frozenset("br hr img input wbr p li dd dt td th tr thead tbody tfoot caption rp rt".split())
_COMMAND = re.compile(r"\\(?=[A-Za-z])")  # of TeX, whichever: which of them are harmless is not for us to say
_JOINER = "\u2060"  # a letter without a body: the text looks the same, and the command is none


Address = Callable[[str], str | None]  # what an address becomes, None for nothing


class TooTangled(ValueError):
    """HTML that is too long, or too deeply nested, to be taken apart in a reasonable time."""


def _none(address: str) -> str | None:
    return None


def sanitised(
    html: str,
    *,
    link: Address = _none,
    picture: Address = _none,
    lower: int = 0,
) -> str:
    """The same HTML with nothing in it that runs, and with every tag closed.

    link(address): where a link leads that has no scheme of its own and is no place in the same text, or None
    for nowhere; links to http, https and mailto are kept. picture(address): where a picture is fetched from,
    or None to show its description instead; none is fetched without this function. lower: by how many levels
    headings are moved down.
    The result is HTML, not markdown: put it into a page as it is. Raises `TooTangled`.
    """
    from bleach.sanitizer import Cleaner

    _check_size(html)
    cleaner = Cleaner(
        tags=TAGS,
        attributes=_allowed,
        protocols={"http", "https", "mailto"},
        strip=True,
        filters=[functools.partial(_rewritten, link=link, picture=picture, lower=lower), _without_commands],
    )
    return _HALF.sub("\ufffd", cleaner.clean(_LONG_REFERENCE.sub("&amp;", _without_unseen(html))))


def without_commands(text: str) -> str:
    """A text in which MathJax finds no TeX command at all; it looks as it was written."""
    return _COMMAND.sub("\\\\" + _JOINER, text)


def _check_size(html: str) -> None:
    """The parser's time grows with the square of the nesting, so that is bounded first."""
    open_tags: Counter[str] = Counter()
    if len(html) > MOST_CHARACTERS:
        raise TooTangled(f"the text has more than {MOST_CHARACTERS:,} characters")
    for count, match in enumerate(_TAG.finditer(html), 1):
        name = match[2].lower()
        if name not in _NEVER_NESTED and name in TAGS:
            open_tags[name] = max(0, open_tags[name] + (-1 if match[1] else 1))
        if count > MOST_TAGS or (not match[1] and open_tags.total() > DEEPEST):
            raise TooTangled(
                f"the text has more than {MOST_TAGS:,} tags, or more than {DEEPEST} in each other"
            )


def _without_unseen(html: str) -> str:
    """Without scripts and styles, as far as they are closed."""
    kept, place = [], 0
    while begin := _UNSEEN.search(html, place):
        end = re.compile(rf"</{begin[1]}\s*>", re.IGNORECASE).search(html, begin.end())
        if end is None:
            break
        kept.append(html[place : begin.start()])
        place = end.end()
    return "".join([*kept, html[place:]])


def _allowed(tag: str, name: str, value: str) -> bool:
    """Whether an attribute stays."""
    if name not in _ATTRIBUTES["*"] and name not in _ATTRIBUTES.get(tag, ()):
        return False
    return name not in _PATTERNS or all(
        _PATTERNS[name].fullmatch(each) for each in value.lower().split() or [""]
    )


# html5lib's tokens, on their way from the parser to the text


def _rewritten(source: Iterable[dict], link: Address, picture: Address, lower: int) -> Iterator[dict]:
    """The tokens with their addresses, names and headings changed. Only what is on the list comes here."""
    for token in source:
        name = token.get("name", "")
        if name in _HEADINGS:
            token["name"] = f"h{min(int(name[1]) + lower, 6)}"
        if token["type"] in ("StartTag", "EmptyTag"):
            values = _values(name, _read(token), link, picture)
            if values is None:
                yield {"type": "Characters", "data": _description(_read(token))}
                continue
            # the serialiser expects values whose references are still written out
            token["data"] = {(None, key): value.replace("&", "&amp;") for key, value in values.items()}
        yield token


def _read(token: dict) -> dict[str, str]:
    """{name: value} of a tag, as a browser reads it."""
    from bleach.html5lib_shim import convert_entities

    return {name: convert_entities(value) for (_, name), value in token["data"].items()}


def _values(tag: str, values: dict[str, str], link: Address, picture: Address) -> dict[str, str] | None:
    """What becomes of a tag's values, or None where the tag goes."""
    values = {name: PREFIX + value if name in ("id", "name") else value for name, value in values.items()}
    if tag == "img":
        place = picture(_plain(values.get("src", "")))
        return None if place is None else values | {"src": place}
    if tag == "input":
        return values | {"disabled": ""} if values.get("type", "").lower() == "checkbox" else None
    if tag == "a":
        target = _plain(values.pop("href", ""))
        return values | _leading(target, link)
    return values


def _description(values: dict[str, str]) -> str:
    words = values.get("alt", "").strip()
    return f"[{words}]" if words else ""


def _leading(target: str, link: Address) -> dict[str, str]:
    """The values of a link that leads to `target`, none if it leads nowhere."""
    if target.startswith("#"):
        return {"href": "#" + PREFIX + target[1:]}
    place = target if _leads_out(target) else link(target) if target else None
    return {} if place is None else {"href": place, "rel": "nofollow noopener noreferrer"}


def _leads_out(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme == "mailto" or (parts.scheme in ("http", "https") and bool(parts.netloc))


def _plain(address: str) -> str:
    """An address as a browser reads it: line ends and tabs in it count for nothing."""
    return re.sub(r"[\x00-\x1f\x7f]", "", address).strip()


def _without_commands(source: Iterable[dict]) -> Iterator[dict]:
    """The tokens with TeX commands broken up in all text but code, which MathJax leaves alone."""
    words: list[str] = []
    code = 0

    def text() -> dict:
        whole = "".join(words)
        words.clear()
        return {"type": "Characters", "data": whole if code else without_commands(whole)}

    for token in source:
        if token["type"] in ("Characters", "SpaceCharacters"):
            words.append(token["data"])
            continue
        if token["type"] == "Entity":  # may be the letter of a command
            words.append(unescape(f"&{token['name']};"))
            continue
        if words:
            yield text()
        if token.get("name") in ("pre", "code"):
            code += {"StartTag": 1, "EndTag": -1}.get(token["type"], 0)
        yield token
    if words:
        yield text()
