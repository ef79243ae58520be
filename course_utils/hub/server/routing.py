"""Which function answers which address."""

from __future__ import annotations

from collections.abc import Callable

from course_utils.hub.store.names import RESERVED

KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}
PREFIX = {"model": "", "dataset": "datasets/", "space": "spaces/"}  # of the addresses of pages and files


class Routes:
    """A table of (method, pattern) -> function. A pattern is like an address: "/api/{kind}/{owner}/{name}".

    `{name}` takes one segment, `{path*}` all that follow, joined by slashes; `{kind}` takes models,
    datasets and spaces and hands over "model", "dataset" or "space"; `{owner}` takes no word that is the
    Hub's own. The first match of the table counts.
    """

    def __init__(self) -> None:
        self.table: list[tuple[list[str], list[str], dict, Callable]] = []

    def add(self, methods: str, *patterns: str, **fixed: object) -> Callable:
        """A decorator. methods: "GET HEAD"; fixed: values for the function beyond those in the address."""

        def register(function: Callable) -> Callable:
            for pattern in patterns:
                self.table.append((methods.split(), pattern.strip("/").split("/"), fixed, function))
            return function

        return register

    def find(self, method: str, segments: list[str]) -> set[str] | tuple[Callable, dict]:
        """(function, its values), or the methods that the address knows, as a set."""
        known = set()
        for methods, pattern, fixed, function in self.table:
            values = match(pattern, segments)
            if values is not None:
                if method in methods:
                    return function, fixed | values
                known.update(methods)
        return known


def match(pattern: list[str], segments: list[str]) -> dict[str, str] | None:
    """{name: value} if the segments fit the pattern, else None."""
    values = {}
    for position, part in enumerate(pattern):
        if part.endswith("*}"):
            values[part[1:-2]] = "/".join(segments[position:])
            return values
        if position >= len(segments):
            return None
        segment = segments[position]
        if part == "{kind}":
            if segment not in KINDS:
                return None
            values["kind"] = KINDS[segment]
        elif part == "{owner}" and segment in RESERVED:
            return None
        elif part.startswith("{") and part.endswith(".git}"):
            if not segment.endswith(".git"):
                return None
            values[part[1:-5]] = segment.removesuffix(".git")
        elif part.startswith("{"):
            values[part[1:-1]] = segment
        elif part != segment:
            return None
    return values if len(pattern) == len(segments) else None
