"""Run the tests, give the failed ones a second chance alone, and close with what the whole run came to.

    python -m tests.run [-n WORKERS] [--pytest's=options] [PATHS]

First all tests, in WORKERS processes. What failed then is run once more, one test after the other, in one process with
nothing beside it. What passes there was disturbed: it is reported as *unstable*, by name, and does not fail the run. It
has to be mended all the same, so more than MOST_UNSTABLE fail the run. So does a test that fails twice, and whatever
went wrong with the run itself: a worker that crashed, a file that could not be collected, an interruption.

Options of pytest are written in one word (`--maxfail=1`), except -m and -k. The exit code is 0, 1 where tests failed,
and pytest's own where the run itself did.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

MOST_UNSTABLE = 5
DEAREST = 40
PASSED, FAILED = 0, 1  # exit codes of pytest; all others say that the run itself went wrong
INTERRUPTED = 2


@dataclass(frozen=True)
class Outcome:
    """What one run of pytest came to. tests and faults: see `tests.outcomes.Outcomes`."""

    exit_code: int
    tests: dict[str, dict]
    faults: list[str]

    def of(self, outcome: str) -> list[str]:
        """The node ids of that outcome, in the order in which they ended."""
        return [name for name, entry in self.tests.items() if entry["outcome"] == outcome]

    @property
    def broken(self) -> bool:
        """Whether the run itself went wrong, so that a passed test says nothing about those that were not reached."""
        return bool(self.faults) or self.exit_code not in (PASSED, FAILED)


def run(arguments: list[str]) -> Outcome:
    """Run pytest in a process of its own, printing what it prints."""
    with tempfile.TemporaryDirectory(prefix="course-outcomes-") as folder:
        written = Path(folder) / "outcomes.json"
        command = [
            sys.executable,
            "-m",
            "pytest",
            *arguments,
            "-p",
            "tests.outcomes",
            f"--outcomes={written}",
        ]
        code = ended(subprocess.Popen(command))
        found = json.loads(written.read_text()) if written.exists() else {"tests": {}, "faults": []}
    return Outcome(code, found["tests"], found["faults"])


def ended(process: subprocess.Popen) -> int:
    """The exit code of a process. Ctrl-C reaches it too: it is given the time to end in order."""
    while True:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            continue
        return code if code >= 0 else 128 - code  # a process that a signal ended, as shells count it


@dataclass(frozen=True)
class Verdict:
    """What both runs came to. unstable: passed alone. failed: failed twice, or had no second chance."""

    exit_code: int
    unstable: list[str]
    failed: list[str]
    why: str = ""


def judge(first: Outcome, again) -> Verdict:
    """The verdict on a first run; `again` runs a list of tests once more, alone, and returns that `Outcome`."""
    failed = first.of("failed")
    if first.broken:
        faults = first.faults or [f"pytest ended with {first.exit_code}"]
        return Verdict(
            first.exit_code or FAILED, [], failed, "the run itself went wrong: " + "; ".join(faults)
        )
    if not failed:
        return Verdict(first.exit_code, [], [])
    if len(failed) > MOST_UNSTABLE:  # whatever a second run said, this one has failed
        why = f"{len(failed)} tests failed; a second chance is for {MOST_UNSTABLE} at most"
        return Verdict(FAILED, [], failed, why)
    second = again(failed)
    unstable = [] if second.broken else [name for name in failed if name in second.of("passed")]
    twice = [name for name in failed if name not in unstable]
    why = "the second run itself went wrong: " + "; ".join(second.faults) if second.broken else ""
    return Verdict(FAILED if twice else PASSED, unstable, twice, why)


def rule(title: str) -> str:
    return f" {title} ".center(100, "=")


def report(first: Outcome, verdict: Verdict, seconds: float) -> str:
    """The closing text. Its last line is one that readers of test runs count."""
    each = {name: entry["seconds"] for name, entry in first.tests.items()}
    files: Counter[str] = Counter()
    for name, spent in each.items():
        files[name.partition("::")[0]] += spent
    lines = [rule("the dearest tests"), *dearest(each), rule("the dearest files"), *dearest(files)]
    if verdict.unstable:
        lines += [rule("UNSTABLE: failed beside other tests, passed alone; mend them in the next change")]
        lines += [f"UNSTABLE {name}" for name in verdict.unstable]
    if verdict.failed or verdict.why:
        lines += [rule("FAILED")]
        lines += [f"FAILED {name}" for name in verdict.failed]
        lines += [verdict.why] if verdict.why else []
    lines += [rule(f"{seconds / 60:.1f} minutes{since_the_start()}")]
    passed = len(first.of("passed")) + len(verdict.unstable)
    failed = max(len(verdict.failed), int(verdict.exit_code != PASSED))  # a broken run is never "0 failed"
    return "\n".join([*lines, f"{passed} passed, {failed} failed, {len(first.of('skipped'))} skipped"])


def dearest(spent: dict[str, float]) -> list[str]:
    """The first DEAREST of {name: seconds}, a line each; a fixture that many share counts for the test that made it."""
    return [
        f"{spent[name]:8.1f} s  {name}" for name in sorted(spent, key=lambda name: -spent[name])[:DEAREST]
    ]


def since_the_start() -> str:
    """How long continuous integration has been running, installation included, where it says when it began."""
    began = os.environ.get("CI_BEGAN", "")
    return f", {(time.time() - int(began)) / 60:.1f} since .ci/run began" if began.isdigit() else ""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("-n", dest="workers", default="2")
    parser.add_argument("-m", dest="marks", default="")
    parser.add_argument("-k", dest="keyword", default="")
    parser.add_argument("paths", nargs="*")
    chosen, options = parser.parse_known_args(arguments)
    options += ["-m", chosen.marks, "-k", chosen.keyword]

    def again(names: list[str]) -> Outcome:
        print(f"\n{rule(f'a second chance, alone: {len(names)} tests')}", flush=True)
        return run([*options, "-n0", *names])

    began = time.monotonic()
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a background job would ignore it, see conftest.py
    first = run([*options, f"-n{chosen.workers}", *chosen.paths])
    verdict = judge(first, again)
    print("\n" + report(first, verdict, time.monotonic() - began), flush=True)
    return verdict.exit_code


if __name__ == "__main__":
    sys.exit(main())
