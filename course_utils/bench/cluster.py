"""`course bench cluster`: what grading on a Ray cluster costs, and how it grows with the nodes.

All nodes are on this machine, so their processors are shared and only waiting can be done side by side: the
answers of this class sleep. So it is the handing out of work that is measured, and not the machine: the share
of the time, from when a node is ready, in which its places for submissions are at work. One run loses a node
in the middle. What a submission costs beside the local engine is counted in processor seconds of all
processes together, with answers that do nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from course_utils.bench.notebook import solution_notebook
from course_utils.checks import expect
from course_utils.checks.draw import Draw
from course_utils.checks.framework import Exercise, register
from course_utils.grading.desk import autograde
from course_utils.grading.run.batch import Engine, Grader, LocalEngine, Outcome, Say, Submission
from course_utils.wire.answer import Answer

NAME = "96_waiting"
EFFICIENCY = 0.9  # what we aim at, from one node to four
SAY_EVERY = 500  # submissions

waiting = Exercise(NAME, title="Only waiting", minutes=5, difficulty="easy", cost="nothing")


@waiting.question("q1", title="Mean", points=2, needs=("mean",))
def mean_question(answer: Answer, draw: Draw) -> None:
    numbers = [draw.random.uniform(0, 9) for _ in range(50)]
    expect.close(answer.call("mean", numbers), sum(numbers) / 50, "mean(numbers)", tolerance=1e-9)


register(waiting)


def _notebook(seconds: float) -> dict:
    lines = ("### BEGIN SOLUTION", "return sum(numbers) / len(numbers)", "### END SOLUTION")
    answer = "\n    ".join(["def mean(numbers):", *lines])
    return solution_notebook(
        {"wait": f"import time\n\ntime.sleep({seconds})", "q1": answer, "q1-check": 'course.check("q1")'}
    )


@dataclass
class Watched:
    """An engine, and what is seen of it: when each outcome came, the memory of this process, the processor
    seconds of all processes that it started. `then` is called once, at the outcome of that number.
    """

    engine: Engine
    then: tuple[int, Callable[[], None]] = (0, lambda: None)
    begun: float = 0.0
    came: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def prepared(
        self, imports: tuple[str, ...], exercises: list[str]
    ) -> contextlib.AbstractContextManager[None]:
        """As the engine is prepared."""
        return self.engine.prepared(imports, exercises)

    def grade_all(self, submissions: list[Submission], grader: Grader, say: Say) -> Iterator[Outcome]:
        """Grade, and note what is seen meanwhile."""

        def ready(level: str, reached: dict[str, str]) -> None:
            self.begun = time.monotonic()
            say(level, reached)

        for outcome in self.engine.grade_all(submissions, grader, ready):
            self.came.append(time.monotonic())
            self.memory.append(psutil.Process().memory_info().rss)
            if len(self.came) in (1, len(submissions)):
                self.processor.append(_processor_seconds())
            if len(self.came) == self.then[0]:
                self.then[1]()
            if len(self.came) % SAY_EVERY == 0:
                rate = len(self.came) / (self.came[-1] - self.begun)
                print(f"{len(self.came):,} of {len(submissions):,}, {rate:.1f} a second", file=sys.stderr)
            yield outcome


def _processor_seconds() -> float:
    """Of this process and all that it has started, those that have ended included."""
    root, total = psutil.Process(), 0.0
    for each in [root, *root.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            total += sum(each.cpu_times()[:4])
    return total


@contextlib.contextmanager
def _cluster(nodes: int, places: int) -> Iterator[tuple[str, Callable[[], None]]]:
    """The address of a cluster of this machine, whose nodes have so many places; and what kills one."""
    from course_utils.bench.ray_nodes import Cluster

    cluster = Cluster()
    try:
        started = [cluster.add(f"node {number}", places) for number in range(1, nodes + 1)]
        yield cluster.address, lambda: cluster.kill(started.pop())
    finally:
        cluster.close()


def _graded(size: int, seconds: float, watched: Watched) -> list[dict]:
    with tempfile.TemporaryDirectory(prefix="course-bench-") as place:
        folder, text = Path(place), json.dumps(_notebook(seconds))
        for path in (
            folder / "solutions",
            *(folder / "submitted" / f"s{number:05d}" for number in range(size)),
        ):
            (path / NAME).mkdir(parents=True)
            (path / NAME / f"{NAME}.ipynb").write_text(text, encoding="utf-8")
        return autograde.grade_class(
            folder / "submitted", folder / "class", solutions=folder / "solutions", engine=watched
        )


def _whole(rows: list[dict], size: int) -> bool:
    """Whether each submission has exactly one mark, and that one in full."""
    return len({row["student"] for row in rows}) == len(rows) == size and all(
        row["score"] == 2 for row in rows
    )


def on_nodes(nodes: int, places: int, rounds: int, seconds: float, killed: bool = False) -> dict:
    """A class of `rounds` submissions for each place of each node; with `killed`, a node is lost when a third
    is done.
    """
    size = nodes * places * rounds
    said: list[tuple[float, str]] = []

    def note(text: str) -> None:
        said.append((time.monotonic(), text))

    with _cluster(nodes, places) as (address, kill_one):
        watched = Watched(_ray_engine(address, note))
        if killed:
            watched.then = size // 3, kill_one
        rows = _graded(size, seconds, watched)
    end = watched.came[-1]
    took = end - watched.begun
    stood = sum(end - when for when, text in said if " at a time, " in text)  # of all nodes together
    return {
        "nodes": nodes,
        "places": places,
        "submissions": size,
        "seconds_that_each_waits": seconds,
        "node_killed": killed,
        "each_marked_once": _whole(rows, size),
        "seconds": took,
        "a_minute": 60 * size / took,
        "share_of_the_places_at_work": size * seconds / (places * stood),
        "said": [text for _, text in said],
    }


def _ray_engine(address: str, note: Callable[[str], None] = lambda text: None) -> Engine:
    from course_utils.grading.run.ray_engine import RayEngine

    return RayEngine(address, note=note)


def overhead(size: int, engine: Engine, then: Callable[[], None] = lambda: None) -> dict:
    """What a submission costs that does nothing, after the first. then: is called when half are done."""
    watched = Watched(engine, (size // 2, then))
    rows = _graded(size, 0.0, watched)
    first, last = watched.processor
    return {
        "submissions": size,
        "each_marked_once": _whole(rows, size),
        "processor_seconds_per_submission": (last - first) / (size - 1),
        "seconds_per_submission": (watched.came[-1] - watched.came[0]) / (size - 1),
        "megabytes_of_the_driver": {
            str(number): round(watched.memory[number - 1] / 2**20)
            for number in (1, size // 4, size // 2, 3 * size // 4, size)
        },
    }


def large_class(size: int, nodes: int = 4, places: int = 2) -> dict:
    """A class that does nothing, on nodes of which one is lost when half are done.

    What the lost node's processor did cannot be asked any more, so it is not counted.
    """
    with _cluster(nodes, places) as (address, kill_one):
        found = overhead(size, _ray_engine(address), kill_one)
    return {name: figure for name, figure in found.items() if name != "processor_seconds_per_submission"}


def measure(size: int, places: int, rounds: int, seconds: float) -> dict:
    """All figures."""
    scaling = [on_nodes(nodes, places, rounds, seconds) for nodes in (1, 2, 4)]
    lost = on_nodes(4, places, rounds, seconds, killed=True)
    with _cluster(1, 2) as (address, _):
        on_a_cluster = overhead(size, _ray_engine(address))
    here = overhead(max(size // 5, 2), LocalEngine(2))
    return {
        "efficiency": scaling[-1]["share_of_the_places_at_work"] / scaling[0]["share_of_the_places_at_work"],
        "scaling": scaling,
        "node_killed": lost,
        "ray": on_a_cluster,
        "local": here,
        "load": os.getloadavg()[0],
    }


def as_text(found: dict) -> str:
    """The figures in words."""
    lines = [f"{'nodes':<14}{'class':>7}{'a minute':>10}{'places at work':>16}   one mark each"]
    for each in [*found["scaling"], found["node_killed"]]:
        name = f"{each['nodes']}" + (", one killed" if each["node_killed"] else "")
        lines.append(
            f"{name:<14}{each['submissions']:>7}{each['a_minute']:>10.1f}"
            f"{each['share_of_the_places_at_work']:>16.0%}   {'yes' if each['each_marked_once'] else 'NO'}"
        )
    lines.append(f"from one node to four: {found['efficiency']:.2f} (aim: {EFFICIENCY:g})")
    for name in ("local", "ray"):
        seconds = found[name]["processor_seconds_per_submission"]
        lines.append(f"{name}: {seconds:.3f} processor seconds a submission, {_class_as_text(found[name])}")
    return "\n".join(lines)


def _class_as_text(found: dict) -> str:
    memory = ", ".join(
        f"{number}: {value:,} MB" for number, value in found["megabytes_of_the_driver"].items()
    )
    return (
        f"{found['seconds_per_submission']:.3f} s each ({found['submissions']:,}, one mark each: "
        f"{'yes' if found['each_marked_once'] else 'NO'}); this process after {memory}"
    )


def main(argv: list[str] | None = None) -> int:
    """The `course bench cluster` command."""
    parser = argparse.ArgumentParser(prog="course bench cluster", description=__doc__.split("\n\n")[0])
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    parser.add_argument(
        "--size", type=int, default=200, metavar="N", help="submissions that do nothing (200)"
    )
    parser.add_argument("--places", type=int, default=4, metavar="N", help="at a time on a node (4)")
    parser.add_argument("--rounds", type=int, default=6, metavar="N", help="submissions for each place (6)")
    parser.add_argument("--seconds", type=float, default=15.0, help="that each waits (15)")
    parser.add_argument(
        "--large",
        type=int,
        metavar="N",
        help="only this: a class of N on four nodes, one of them lost midway",
    )
    options = parser.parse_args(sys.argv[1:] if argv is None else argv)
    if options.large:
        large = large_class(options.large)
        print(json.dumps(large, indent=1) if options.json else _class_as_text(large))
        return 0
    found = measure(options.size, options.places, options.rounds, options.seconds)
    print(json.dumps(found, indent=1) if options.json else as_text(found))
    return 0


if __name__ == "__main__":
    # Under its own name, so that the exercise is registered where `course grade` looks for it.
    from course_utils.bench import cluster as bench

    sys.exit(bench.main())
