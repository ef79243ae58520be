"""What changed between two texts, line by line, with an end to the work that comparing them may take."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

CONTEXT = 3
STEPS = 2_000_000


class Effort:
    """How many steps of comparing are left; several texts may share one."""

    def __init__(self, steps: int = STEPS) -> None:
        self.left = steps

    def pay(self, steps: int) -> bool:
        """Whether the effort sufficed for that many more."""
        self.left -= steps
        return self.left >= 0


class Matcher(difflib.SequenceMatcher[str]):
    """Python's comparison of sequences, whose work is the square or the cube of their length at worst.

    Where the effort is spent it finds nothing alike any more, so what is left reads as taken out and put in:
    still a true account, only not the shortest.
    """

    def __init__(self, old: Sequence[str], new: Sequence[str], effort: Effort) -> None:
        self.effort, self._old = effort, old
        super().__init__(None, old, new)

    def find_longest_match(  # type: ignore[override]  # a part is always named
        self, alo: int, ahi: int, blo: int, bhi: int
    ) -> difflib.Match:
        places = self.b2j  # type: ignore[attr-defined]  # {line of `new`: where it stands}
        cost = sum(1 + len(places.get(self._old[each], ())) for each in range(alo, ahi))
        if self.effort.pay(cost):
            return super().find_longest_match(alo, ahi, blo, bhi)
        return difflib.Match(alo, blo, 0)


def hunks(
    old: Sequence[str], new: Sequence[str], effort: Effort | None = None, context: int = CONTEXT
) -> Iterator[str]:
    """The lines of a unified diff without its two first ones: "@@ …" and the lines of each place.

    old, new: the lines, with or without their ends, which stay as they are.
    """
    groups = Matcher(old, new, effort or Effort()).get_grouped_opcodes(context)
    for group in groups:
        first, last = group[0], group[-1]
        yield f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@\n"
        for what, start, end, new_start, new_end in group:
            if what == "equal":
                yield from (" " + line for line in old[start:end])
                continue
            yield from ("-" + line for line in old[start:end])
            yield from ("+" + line for line in new[new_start:new_end])


def _range(start: int, end: int) -> str:
    """A range of lines as a unified diff writes it, counted from one; an empty one by the line before it."""
    length = end - start
    if length == 1:
        return f"{start + 1}"
    return f"{start + 1 if length else start},{length}"
