"""Cards: the YAML at the head of README.md, what is wrong with it, and the tags that searching goes by.

Which tags the Hub makes of which field is taken from its documentation ("Model Cards", "Dataset Cards").
"""

from __future__ import annotations

import datetime
import math
import re
from dataclasses import dataclass
from typing import Any

from course_utils.hub.store.licenses import LICENSES

MOST_CHARACTERS = 2**20
_FRONT = re.compile(r"\A\ufeff?\s*---[ \t]*\r?\n(.*?)^---[ \t]*\r?$\n?(.*)\Z", re.DOTALL | re.MULTILINE)
# Field of the card -> how its values become tags
_TAGS = {
    "license": "license:{}",
    "datasets": "dataset:{}",
    "base_model": "base_model:{}",
    "language": "{}",
    "tags": "{}",
    "library_name": "{}",
    "pipeline_tag": "{}",
}
_DATASET_TAGS = {
    "license": "license:{}",
    "language": "language:{}",
    "tags": "{}",
    "task_categories": "task_categories:{}",
    "task_ids": "task_ids:{}",
    "size_categories": "size_categories:{}",
    "multilinguality": "multilinguality:{}",
    "language_creators": "language_creators:{}",
    "annotations_creators": "annotations_creators:{}",
    "source_datasets": "source_datasets:{}",
}
SPACE_SDKS = ("gradio", "streamlit", "docker", "static")


@dataclass(frozen=True)
class Card:
    """A README.md: `data` is its YAML, `text` what comes below, `tags` what `filter=` finds it by."""

    data: dict
    text: str
    tags: tuple = ()


def split(readme: str) -> tuple[str | None, str]:
    """(YAML text or None, the text below it) of a README."""
    match = _FRONT.match(readme)
    return (match[1], match[2]) if match else (None, readme)


def read(readme: str, kind: str = "model") -> Card:
    """The `Card` of a README. A head that can't be read gives an empty `data`: see `problems`."""
    head, text = split(readme[:MOST_CHARACTERS])
    data, _ = _parsed(head)
    return Card(data, text.strip("\n"), tuple(tags(data, kind)))


def problems(readme: str, kind: str = "model") -> tuple[list[str], list[str]]:
    """(errors, warnings) of a card, as sentences. With an error the Hub refuses the commit."""
    head, _ = split(readme[:MOST_CHARACTERS])
    if head is None:
        return [], ["empty or missing yaml metadata in repo card"]
    data, error = _parsed(head)
    if error:
        return [error], []
    errors = [
        f'"{field}" must be a text or a list of texts'
        for field in (_DATASET_TAGS if kind == "dataset" else _TAGS)
        if field in data and not all(isinstance(each, str) for each in _list(data[field]))
    ]
    errors += [
        f'"license" must be one that the Hub knows, or `other` with a `license_name`; not {each!r}'
        for each in _list(data.get("license"))
        if isinstance(each, str) and each not in LICENSES
    ]
    if kind == "space" and data.get("sdk") is not None and data["sdk"] not in SPACE_SDKS:
        errors.append(f'"sdk" must be one of {", ".join(SPACE_SDKS)}')
    if "model-index" in data and not isinstance(data["model-index"], list):
        errors.append('"model-index" must be a list')
    return errors, []


def tags(data: dict, kind: str = "model") -> list[str]:
    """The tags of a card, each once, in the order of the fields."""
    found = []
    for field, pattern in (_DATASET_TAGS if kind == "dataset" else _TAGS).items():
        if field in data:
            found += [pattern.format(value) for value in _list(data[field]) if isinstance(value, str)]
    if kind == "model" and "model-index" in data:
        found.append("model-index")
    if kind == "space" and isinstance(data.get("sdk"), str):
        found.append(data["sdk"])
    return list(dict.fromkeys(found))


def plain(value: object, depth: int = 0) -> Any:
    """The same as JSON can hold it: YAML knows dates, and keys that are numbers."""
    if depth > 20:
        return None
    if isinstance(value, dict):
        return {str(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item, depth + 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no such number
    if isinstance(value, datetime.date):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _parsed(head: str | None) -> tuple[dict, str | None]:
    """(the YAML as a dict, None) or ({}, why it isn't one)."""
    if head is None:
        return {}, None
    import yaml

    try:
        if _too_clever(head):
            return {}, "the card's YAML uses anchors or aliases, which have no place in a card"
        data = yaml.load(head, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" (line {where.line + 2})" if where else ""
        return {}, f"the card's YAML can't be read: {getattr(error, 'problem', error)}{line}"
    if data is None:
        return {}, None
    if not isinstance(data, dict):
        return {}, "the card's YAML is not a list of fields, such as `license: mit`"
    return plain(data), None


def _too_clever(head: str) -> bool:
    """Aliases let a few lines stand for gigabytes, and no card needs them."""
    import yaml

    events = yaml.parse(head, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return any(isinstance(event, yaml.events.AliasEvent) for event in events)


def _list(value: object) -> list:
    return value if isinstance(value, list) else [value] if value is not None else []
