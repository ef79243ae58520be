"""The kinds of wall that can stand around a learner's code, and what each has."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Wall:
    """One kind of wall.

    namespaces: it has processes, file systems and a network of its own, so that what is inside it is the
    learner's alone. confined: the inner wall stands (a user of its own, no capabilities, Landlock,
    seccomp), and canaries have to prove it.
    """

    name: str
    namespaces: bool
    confined: bool

    @property
    def shares_folders(self) -> bool:
        """Whether confined code sees the machine's own folders, so that rights on those above matter, too."""
        return self.confined and not self.namespaces

    def level(self, held: int, canaries: int) -> str:
        """What is printed and kept with every mark: "bwrap 9/9"."""
        return f"{self.name} {held}/{canaries}" if self.confined else self.name


#: By name, the strongest first.
WALLS = {
    wall.name: wall
    for wall in (
        Wall("bwrap", namespaces=True, confined=True),
        Wall("container", namespaces=False, confined=True),
        Wall("none", namespaces=False, confined=False),
    )
}


def acceptable(asked: str) -> tuple[Wall, ...]:
    """The walls that do where `asked` was asked for, the best first; "auto" never means none.

    Raises `ValueError` with the names there are.
    """
    if asked == "auto":
        return tuple(wall for wall in WALLS.values() if wall.confined)
    if asked not in WALLS:
        raise ValueError(f"there is no sandbox {asked!r}; choose one of {', '.join(['auto', *WALLS])}")
    return (WALLS[asked],)
