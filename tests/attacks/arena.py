"""A class in which attackers and honest students hand in, with secrets all around, graded by `course grade`.

What came of it is read from the files the grader wrote: nothing here trusts what an attack says of itself.
"""

import contextlib
import csv
import hashlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from filelock import FileLock

from course_utils.grading.desk import autograde
from course_utils.grading.gradebook.nbgrader_steps import read_secret
from tests.attacks import attacked
from tests.attacks.attack import Attack
from tests.attacks.attacked import HONEST, NAME, SCORES, answered
from tests.attacks.harming import MARK
from tests.grading.toy import write

ROOT = Path(__file__).resolve().parents[2]
HONEST_SCORE = sum(SCORES[name] for name in HONEST)
LEFT_BEHIND = ("LEFT BEHIND", "PLANTED")
MOST_WRITTEN = 30 * 2**20
HOME_FILES = (".netrc", ".ssh/id_ed25519", ".cache/huggingface/token", ".bashrc", ".config/pip/pip.conf")


@dataclass
class Outcome:
    """What came of one attack. ``faults`` is empty when it got nothing and harmed nobody."""

    attack: str
    family: str
    aim: str
    gained: float = 0.0
    kept: float = 0.0
    leaked: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    next_unaffected: bool = True
    status: str = ""
    line: str = ""
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


@dataclass
class Battle:
    """One run of the grader over a batch of attacks: their outcomes, and what concerns them all."""

    outcomes: list[Outcome]
    sandbox: str
    seconds: float
    faults: list[str]

    @property
    def all_faults(self) -> list[str]:
        return self.faults + [f"{one.attack}: {fault}" for one in self.outcomes for fault in one.faults]


def _two_sockets():
    """A TCP and a UDP socket at one port of 127.0.0.1."""
    while True:
        stream = socket.create_server(("127.0.0.1", 0))
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with contextlib.suppress(OSError):  # that port is taken for datagrams
            datagrams.bind(stream.getsockname())
            return stream, datagrams
        stream.close()
        datagrams.close()


class Listener:
    """Counts whoever connects to it or sends it a datagram."""

    def __init__(self):
        self.visits = 0
        self.stream, self.datagrams = _two_sockets()
        self.port = self.stream.getsockname()[1]
        for listen in (self._accept, self._receive):
            threading.Thread(target=listen, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                self.stream.accept()[0].close()
                self.visits += 1

    def _receive(self):
        with contextlib.suppress(OSError):
            while self.datagrams.recv(100):
                self.visits += 1


class Arena:
    """A folder with a class in it; every attacker is followed by an honest student if ``follow`` is 1."""

    def __init__(self, folder: Path, follow: int = 1):
        self.folder, self.follow = folder, follow
        self.canaries = {place: f"canary-{place}-{secrets.token_hex(8)}" for place in ("environment", "home", "solution", "student", "gradebook")}  # fmt: skip
        for name in ("home", "drop", "submitted"):
            (folder / name).mkdir()
        for name in HOME_FILES:
            path = folder / "home" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.canaries["home"])
        (folder / "home/.ipython/profile_default/startup").mkdir(parents=True)
        write(
            folder / "solutions" / NAME / f"{NAME}.ipynb",
            attacked.solution_notebook(self.canaries["solution"]),
        )
        self.out = folder / "out"
        autograde.Writer(self.out).prepare(folder / "solutions", [NAME])
        self.canaries["seed"] = read_secret(self.out / "grading.seed").decode()
        self._plant_in_gradebook()
        self.released = json.loads((self.out / "release" / NAME / f"{NAME}.ipynb").read_text())
        self.listener = Listener()
        self.students: dict[str, Attack | None] = {}

    def _plant_in_gradebook(self):
        from nbgrader.api import Gradebook

        with Gradebook(f"sqlite:///{self.out / 'gradebook.db'}") as book:
            book.update_or_create_student("someone", first_name=self.canaries["gradebook"])

    def hand_in(self, attacks):
        """Write the submissions: attacker, honest student, attacker, ..."""
        self._honest("s000-first")
        for number, attack in enumerate(attacks, 1):
            student = f"s{number:03}-{attack.name}"
            drop = self.folder / "drop" / student
            drop.mkdir(mode=0o777)
            attack.hand_in(self.folder / "submitted" / student / NAME, self.released, self._places(drop))
            self.students[student] = attack
            if number % self.follow == 0 or number == len(attacks):
                self._honest(f"s{number:03}-{attack.name}.next")
        for path in (self.folder, *self.folder.rglob("*")):
            if (
                not path.is_symlink() and not path.is_fifo()
            ):  # only the sandbox may stand between them and the secrets
                path.chmod(
                    0o777
                    if "drop" in path.parts
                    else path.stat().st_mode | (0o555 if path.is_dir() else 0o444)
                )

    def _honest(self, student):
        answers = {name: f"# {self.canaries['student']}\n{source}" for name, source in HONEST.items()}
        write(
            self.folder / "submitted" / student / NAME / f"{NAME}.ipynb", answered(self.released, **answers)
        )
        self.students[student] = None

    def _places(self, drop):
        return {
            "THE_CLASS": str(self.out), "THE_HOME": str(self.folder / "home"), "THE_DROP": str(drop),
            "THE_SEED": str(self.out / "grading.seed"), "THE_NETRC": str(self.folder / "home/.netrc"),
            "THE_SOLUTIONS": str(self.folder / "solutions"), "THE_SUBMITTED": str(self.folder / "submitted"),
            "THE_REPOSITORY": str(ROOT), "THE_PORT": self.listener.port,
        }  # fmt: skip

    def fight(self, *arguments, seconds=1800) -> Battle:
        """Grade the class and see what came of it."""
        before, started = self._snapshot(), time.monotonic()
        command = [
            sys.executable,
            "-m",
            "tests.attacks.grader",
            str(self.folder / "submitted"),
            "--out",
            str(self.out),
        ]
        command += ["--solutions", str(self.folder / "solutions"), *arguments]
        environment = os.environ | {
            "HOME": str(self.folder / "home"), "HF_TOKEN": self.canaries["environment"],
            "AWS_SECRET_ACCESS_KEY": self.canaries["environment"], "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        faults = []
        try:
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=seconds)
            if done.returncode != 0:
                faults.append(f"the grader ended with {done.returncode}: {done.stderr.decode()[-2000:]}")
            said = (done.stdout + done.stderr).decode("utf-8", "replace")
        except subprocess.TimeoutExpired as error:
            faults.append(f"the grader hung for {seconds} s")
            said = str(error.stderr or b"")
        taken = time.monotonic() - started
        changed = self._changed(before)
        faults += [f"the terminal shows {place}" for place in self._found_in(said)]
        if "\x1b]" in said or "\x1b[2J" in said:
            faults.append("the terminal was sent control characters of a student's")
        faults += [f"outlived the grading: {line}" for line in self._survivors()]
        if self.listener.visits:
            faults.append(f"{self.listener.visits} visits from inside to the attacker's listener")
        faults += [f"changed: {path}" for path in changed if not path.startswith("drop/")]
        results, grades = self._results(), self._grades()
        outcomes = self._outcomes(results, grades, changed)
        if not self._is_whole(results.get("s000-first", {}), grades.get("s000-first")):
            faults.append(f"the first student has {grades.get('s000-first')}")
        sandbox = next((str(row["sandbox"]) for rows in results.values() for row in rows.values()), "")
        return Battle(outcomes, sandbox, taken, faults)

    def _outcomes(self, results, grades, changed):
        outcomes = []
        for student, attack in self.students.items():
            if attack is None:
                if outcomes and not self._is_whole(results.get(student, {}), grades.get(student)):
                    outcomes[-1].next_unaffected = False
                    outcomes[-1].faults.append(f"the next student has {grades.get(student)}")
                continue
            outcomes.append(
                self._outcome(student, attack, results.get(student, {}), grades.get(student), changed)
            )
        return outcomes

    def _is_whole(self, rows, grade):
        """Whether an honest student has just what honest work earns."""
        scores = {name: rows[name]["score"] for name in HONEST if name in rows}
        return (
            scores == {name: SCORES[name] for name in HONEST}
            and grade
            and float(grade["score"]) == HONEST_SCORE
        )

    def _outcome(self, student, attack, rows, grade, changed):
        found = Outcome(attack.name, attack.family, attack.aim)
        if grade is None or set(rows) != {*SCORES, "q5"}:
            found.faults.append(f"no result: {grade} {sorted(rows)}")
            return found
        scores = {name: rows[name]["score"] or 0.0 for name in SCORES}
        found.gained = sum(score for name, score in scores.items() if name not in attack.honest)
        found.kept = sum(scores[name] for name in attack.honest)
        found.status = rows["q1"]["status"]
        found.line = _line(rows, grade)
        found.seconds = float(rows["q1"]["seconds"])
        found.leaked = self._found_in(self._written_for(student, rows, grade))
        found.changed = [path for path in changed if path.startswith(f"drop/{student}/")]
        if found.gained or float(grade["score"] or 0) != sum(scores.values()):
            found.faults.append(
                f"gained {found.gained:g} points: {scores}, in the gradebook {grade['score']}"
            )
        found.faults += [
            f"lost the honest {name}: {rows[name]['message'][:300]}"
            for name in attack.keeps
            if scores[name] != SCORES[name]
        ]
        if (size := self._size_for(student)) > MOST_WRITTEN:
            found.faults.append(f"{size / 2**20:.0f} MB were written about it")
        if found.leaked or found.changed:
            found.faults.append(f"read {found.leaked}, wrote {found.changed}")
        if found.status != attack.status:
            found.faults.append(f"is {found.status} and not {attack.status}: {found.line}")
        everything = " ".join(row["message"] for row in rows.values()) + grade["message"]
        if attack.says not in everything or not found.line:
            found.faults.append(f"the report does not say {attack.says!r}: {found.line}")
        return found

    # --- what the grader left -----------------------------------------------------------------------------

    def _results(self):
        found = {}
        for line in (self.out / "results.jsonl").read_text().splitlines():
            row = json.loads(line)
            found.setdefault(row["student"], {})[row["question"]] = row
        return found

    def _grades(self):
        with open(self.out / "grades.csv", newline="") as file:
            return {row["student"]: row for row in csv.DictReader(file)}

    def _written_for(self, student, rows, grade):
        """All that was written about a student, as one text."""
        texts = [json.dumps(rows), json.dumps(grade)]
        for folder in ("autograded", "feedback"):
            for path in (self.out / folder / student).rglob("*"):
                if path.is_file():
                    texts.append(path.read_text("utf-8", "replace"))
        return "\n".join(texts)

    def _size_for(self, student):
        """Bytes of the notebooks and pages that were written about a student."""
        folders = [self.out / folder / student for folder in ("submitted", "autograded", "feedback")]
        return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())

    def _found_in(self, text):
        return [place for place, canary in self.canaries.items() if canary in text] + [
            word for word in LEFT_BEHIND if word in text
        ]

    def _survivors(self):
        """Processes that the attacks left running, after a moment to end in."""
        for _ in range(240):
            found = [
                line
                for line in _command_lines()
                if MARK in line or (str(self.folder) in line and "tests.attacks.grader" in line)
            ]
            if not found:
                return []
            time.sleep(0.25)
        return found

    def _snapshot(self):
        watched = [self.folder / name for name in ("home", "drop", "submitted", "solutions")]
        watched += [self.out / name for name in ("source", "release", "nbgrader_config.py", "grading.seed")]
        found = {}
        for root in watched:
            for path in (root, *root.rglob("*")):
                found[str(path.relative_to(self.folder))] = _fingerprint(path)
        for path in _planted():
            found[path] = "planted"
        return found

    def _changed(self, before):
        after = self._snapshot()
        ours = (
            "home/.cache",
            "home/.local",
            "home/.config",
            "home/.ipython",
        )  # libraries of the grader's own keep things there
        changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
        return [path for path in changed if not (path.startswith(ours) and path not in before)]


def _line(rows, grade):
    """What an instructor reads first about an attack."""
    text = grade["message"] or rows["q1"]["message"]
    return " ".join(text.split())[:200]


def _fingerprint(path):
    stat = path.lstat()
    kind = stat.st_mode, stat.st_uid, stat.st_gid
    if path.is_symlink():
        return *kind, os.readlink(path)
    if path.is_file() and stat.st_size < 2**26:
        return *kind, hashlib.sha256(path.read_bytes()).hexdigest()
    return *kind, stat.st_size if path.is_file() else 0


def _planted():
    """Files of attacks in places that are nobody's but the system's."""
    import site

    places = [Path(place) for place in (*site.getsitepackages(), "/tmp", "/var/tmp", "/dev/shm", "/run")]
    places += [ROOT / "course_utils", ROOT / "course_utils/checks", ROOT / "course_utils/models/assets"]
    for place in places:
        yield from map(str, place.glob("course[-_]attack[-_]*"))
        yield from (
            str(path)
            for path in (place / "planted", place / "planted.py", place / "usercustomize.py")
            if path.exists()
        )


def _command_lines():
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            if path.parent.name != str(os.getpid()):
                yield line


@contextlib.contextmanager
def arena(follow=1):
    """An arena in a folder that every user of the machine may read, deleted afterwards.

    One at a time: it takes what another one's attacks start, and plant in the places that all share, for its own.
    """
    folder = Path(tempfile.mkdtemp(prefix="course-arena-"))
    try:
        with FileLock(Path(tempfile.gettempdir()) / f"course-arena-{os.getuid()}.lock"):
            yield Arena(folder, follow)
    finally:
        subprocess.run(["chmod", "-R", "u+rwX", str(folder)], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def fight(attacks, *arguments, follow=1) -> Battle:
    """Put some attacks through one batch."""
    with arena(follow) as made:
        made.hand_in(attacks)
        return made.fight(*arguments)


def merged(battles: list[Battle]) -> Battle:
    """Several batches as one."""
    return Battle(
        [one for battle in battles for one in battle.outcomes],
        " and ".join(sorted({battle.sandbox for battle in battles})),
        sum(battle.seconds for battle in battles),
        [fault for battle in battles for fault in battle.faults],
    )


def table(battle: Battle) -> str:
    """The outcomes as text, one attack a line."""
    lines = [f"{'attack':<26} {'family':<8} gained  kept  read  wrote  next  seconds  report"]
    for one in battle.outcomes:
        mark = "  FAULT: " + one.faults[0] if one.faults else ""
        lines.append(
            f"{one.attack:<26} {one.family:<8} {one.gained:>6g}  {one.kept:>4g}  {len(one.leaked):>4}  {len(one.changed):>5}  "
            f"{'ok' if one.next_unaffected else 'HIT':<4}  {one.seconds:>7.1f}  {one.line[:90]}{mark}"
        )
    lines += [f"FAULT of the batch: {fault}" for fault in battle.faults]
    return "\n".join([*lines, summary(battle)])


def summary(battle: Battle) -> str:
    """What came of all of them, in one line."""
    return (
        f"{len(battle.outcomes)} attacks in {battle.seconds:.0f} s, sandbox {battle.sandbox}: "
        f"{sum(one.gained for one in battle.outcomes):g} points gained, "
        f"{sum(bool(one.leaked) for one in battle.outcomes)} read a secret, "
        f"{sum(bool(one.changed) for one in battle.outcomes)} wrote elsewhere, "
        f"{sum(not one.next_unaffected for one in battle.outcomes)} harmed the next; "
        f"{sum(bool(one.faults) for one in battle.outcomes)} with a fault, {len(battle.faults)} faults of the batch"
    )


def as_plain(battle: Battle) -> dict:
    """The battle as plain data."""
    return asdict(battle)
