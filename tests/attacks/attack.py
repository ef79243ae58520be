"""What an attack is: what it tries, how its submission is made, and what must come of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.attacks.attacked import HONEST, MODEL, answered
from tests.grading.toy import write

HONEST_BESIDE = {name: HONEST[name] for name in ("q2", "q3")}
RIGHT = {*HONEST.values(), MODEL}


@dataclass(frozen=True)
class Attack:
    """One hostile or broken submission.

    ``aim`` is what it tries, in words. It is made from the released notebook: ``answers``
    (sources by grade id) over honest answers to q2 and q3, then ``change`` (a function of the notebook as a
    dict), or ``files`` (by name; bytes, or a function that makes something else at a path). ``keeps``: the honest
    questions whose points it must keep; ``earns``: those whose answer is right in itself, whatever was put around
    it. ``says``: words that must stand in its report. ``wild``: only to be run
    where a sandbox was shown to hold, because without one it would hurt this machine.
    """

    name: str
    aim: str
    answers: dict[str, str] = field(default_factory=dict)
    change: Callable[[dict], object] | None = None
    files: dict[str, bytes | Callable] = field(default_factory=dict)
    keeps: tuple[str, ...] = ("q2", "q3")
    status: str = "graded"
    says: str = ""
    wild: bool = False
    earns: tuple[str, ...] = ()
    family: str = ""

    @property
    def honest(self) -> set[str]:
        """The questions that are honestly answered in it; whatever another one earns was gained."""
        if (
            any(name.endswith(".ipynb") and "/" not in name for name in self.files)
            and self.status != "graded"
        ):
            return set()
        answers = HONEST_BESIDE | self.answers
        return {name for name, source in answers.items() if source in RIGHT} | set(self.earns)

    def hand_in(self, folder, released, names):
        """Write the submission into ``folder``; ``names`` are the places an attack's code may speak of."""
        folder.mkdir(parents=True)
        answers = HONEST_BESIDE | self.answers
        notebook = answered(released, **{name: preamble(source, names) for name, source in answers.items()})
        if self.change is not None:
            notebook = self.change(notebook) or notebook
        path = folder / f"{folder.name}.ipynb"
        if path.name not in self.files:
            write(path, notebook)
        for name, made in self.files.items():
            if callable(made):
                made(folder / name, names)
            else:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(made)


def preamble(source, names):
    """``source`` with the places it speaks of (OUT, HOME, …) defined before it."""
    used = {name: place for name, place in names.items() if name in source}
    magic = source.startswith("%%")
    lines = "".join(f"{name} = {place!r}\n" for name, place in used.items())
    return source if magic else lines + source


def family(name, attacks):
    """The attacks, marked as of one family."""
    from dataclasses import replace

    return [replace(attack, family=name) for attack in attacks]
