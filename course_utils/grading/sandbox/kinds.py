"""The kinds of sandbox that can stand around a learner's code, and what each has."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sandbox:
    """One kind of sandbox.

    namespaces: it has processes, file systems and a network of its own, so that what is inside it is the
    learner's alone. confined: the inner sandbox stands (a user of its own, no capabilities, Landlock,
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
SANDBOXES = {
    sandbox.name: sandbox
    for sandbox in (
        Sandbox("bwrap", namespaces=True, confined=True),
        Sandbox("container", namespaces=False, confined=True),
        Sandbox("none", namespaces=False, confined=False),
    )
}


def acceptable(asked: str) -> tuple[Sandbox, ...]:
    """The sandboxes that do where `asked` was asked for, the best first; "auto" never means none.

    Raises `ValueError` with the names there are.
    """
    if asked == "auto":
        return tuple(sandbox for sandbox in SANDBOXES.values() if sandbox.confined)
    if asked not in SANDBOXES:
        raise ValueError(f"there is no sandbox {asked!r}; choose one of {', '.join(['auto', *SANDBOXES])}")
    return (SANDBOXES[asked],)
