"""The `course` command: one verb a task.

Each verb lives in its own module, imported only when it is called.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

# verb, or two words of one -> the function that does it, given the rest of the
# command line; and a line for --help
VERBS = {
    "doctor": ("course_utils.doctor:main", "check this machine, line by line, with what to do"),
    "fetch": (
        "course_utils.fetched.command:main",
        "bring the real encoder and the real sentences that some lessons end with",
    ),
    "lab": ("course_utils.lab:main", "open the workbook in JupyterLab"),
    "start": (
        "course_utils.grading.gradebook.edition:main",
        "lessons and exercises in a folder of your own: course start [FOLDER]",
    ),
    "rehearse": ("course_utils.rehearse:main", "run the lessons in order here, and how long each took"),
    "check": (
        "course_utils.grading.desk.shell:main",
        "check an exercise from the shell: course check exercises/NAME",
    ),
    "hint": (
        "course_utils.checks.learner.hints:main",
        "a hint from the shell: course hint EXERCISE QUESTION",
    ),
    "progress": ("course_utils.checks.learner.progress:main", "your points by chapter, and what is next"),
    "release": (
        "course_utils.grading.desk.release:main",
        "build exercises/ from solutions/ (--check: only compare)",
    ),
    "chapters": (
        "course_utils.chapters.derived:main",
        "write the tables and cards that are made from the chapters (--check: only compare)",
    ),
    "texts": (
        "course_utils.texts.extract:main",
        "gather the texts that learners read, for translators (--check: only compare)",
    ),
    "grade": ("course_utils.grading.desk.autograde:main", "grade submitted/ and write marks and feedback"),
    "feedback": (
        "course_utils.grading.desk.feedback:main",
        "the learners' pages once more, with what a person gave",
    ),
    "report class": (
        "course_utils.grading.desk.report:main",
        "what a class made of its exercises, question by question, and who is missing",
    ),
    "report similarity": (
        "course_utils.grading.desk.similarity:main",
        "which submissions have answers that are nearly the same: a hint, no mark",
    ),
    "class rename": (
        "course_utils.grading.desk.students:rename_main",
        "a learner who is called otherwise, with the same work, marks and draws",
    ),
    "class questions": (
        "course_utils.grading.desk.questions:main",
        "a question added or taken out after the first grading: what would change, and --yes",
    ),
    "class remove": ("course_utils.grading.desk.students:remove_main", "take a learner out of a class"),
    "class archive": ("course_utils.grading.desk.archive:archive_main", "a class in one file"),
    "class restore": (
        "course_utils.grading.desk.archive:restore_main",
        "a class out of its file, checked when it is read back",
    ),
    "submit": ("course_utils.grading.desk.submit:main", "pack an exercise to hand it in, with a receipt"),
    "collect": (
        "course_utils.grading.desk.collect:main",
        "take handed-in packages to where `course grade` looks",
    ),
    "export": (
        "course_utils.grading.desk.export:main",
        "marks as a file for Canvas, Moodle or a spreadsheet",
    ),
    "demo": ("course_utils.apps.demo:main", "compare base, tuned and adapter models on your own text"),
    "leaderboard": (
        "course_utils.apps.leaderboard:main",
        "evaluate a class's models on fresh rows, with intervals",
    ),
    "site": ("course_utils.site.build:main", "the workbook as pages to read, in build/site"),
    "hub": ("course_utils.hub.command:main", "keep a local Hugging Face Hub running"),
    "build models": (
        "course_utils.models.pretrain:main",
        "train the small models that ship with the workbook",
    ),
    "bench attacks": ("course_utils.bench.attacks:main", "attack the grader, and print what came of it"),
    "bench grade": ("course_utils.bench.grade:main", "how fast we grade, next to plain nbgrader"),
    "bench cluster": ("course_utils.bench.cluster:main", "how grading on a Ray cluster grows with its nodes"),
    "bench checks": (
        "course_utils.bench.mutation:main",
        "how many wrong answers the questions catch, how many right ones they accept",
    ),
    "bench hub": ("course_utils.bench.hub:main", "how fast the local Hub is, next to cp"),
    "bench peft": (
        "course_utils.bench.peft_methods:main",
        "fine-tune by each method; its cost, gain and forgetting",
    ),
    "bench forgetting": (
        "course_utils.bench.forgetting:main",
        "what each method has kept by the time it has learned",
    ),
    "bench transfer": ("course_utils.bench.transfer:main", "what a pre-trained start is worth in labels"),
    "bench twists": ("course_utils.bench.twists:main", "what honest runs reach where examples carry a twist"),
    "record gpu": (
        "course_utils.bench.recording.command:main",
        "record on this machine's card what the performance track teaches from",
    ),
    "bench phenomena": ("course_utils.bench.phenomena:main", "measure what the lessons claim, as a table"),
}

#: What works on the sources of lessons, exercises and tests: no wheel and no learner's edition has those.
NEED_A_CLONE = {
    "release", "chapters", "texts", "site", "grade", "collect",
    "bench attacks", "bench grade", "bench cluster", "bench checks", "bench twists",
}  # fmt: skip

#: What only the group `grading` of pyproject.toml brings.
GRADING_PACKAGES = {"nbgrader", "sqlalchemy"}

USAGE = "usage: course VERB [...]        course VERB --help tells more\n"


def help_text() -> str:
    width = max(map(len, VERBS))
    return USAGE + "".join(f"\n  {verb:<{width}}  {line}" for verb, (_, line) in VERBS.items())


def find(words: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    """Split a command line into its verb and the verb's own arguments; (None,
    words) when it has no known verb.
    """
    for length in (2, 1):
        verb = " ".join(words[:length])
        if verb in VERBS and len(words) >= length:
            return verb, words[length:]
    return None, words


def complaint(words: Sequence[str]) -> str:
    """Why the command line could not be understood, and the nearest verb."""
    groups = {verb.split()[0] for verb in VERBS if " " in verb}
    if words[0] in groups:
        choices = [verb for verb in VERBS if verb.startswith(words[0] + " ")]
        return f"course {words[0]} needs to know what: " + " or ".join(f"course {verb}" for verb in choices)
    from course_utils.near import nearest

    near = nearest(words[0], {verb.split()[0] for verb in VERBS})
    return f"course has no verb {words[0]!r}." + (f" Did you mean course {near}?" if near else "")


def missing_clone(verb: str) -> str:
    """Why a verb that needs a clone cannot work here; "" where it can."""
    from course_utils.workplace import PACKAGE, is_clone

    if is_clone():
        return ""
    return (
        f"course {verb} needs a clone of the workbook: solutions and tests are not in the package, which is "
        f"installed in {PACKAGE}."
    )


def call(verb: str, arguments: Sequence[str]) -> int | None:
    if verb in NEED_A_CLONE and not {"-h", "--help"} & set(arguments) and (why := missing_clone(verb)):
        print(why, file=sys.stderr)
        return 1
    if verb != "doctor":  # which looks at the machine as it is
        from course_utils import session

        for note in session.clear_the_way():
            print(note, file=sys.stderr)
    # When it is imported, jsonschema compiles a grammar for addresses in all alphabets, which takes seconds.
    # It does without, and no schema of a notebook asks for one.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    module, function = VERBS[verb][0].split(":")
    try:
        return getattr(import_module(module), function)(arguments)
    except ModuleNotFoundError as error:
        if error.name not in GRADING_PACKAGES:
            raise
        print(
            f"course {verb} needs {error.name}, which learners do without. It comes with: "
            'pip install "course-workbook[grading]"',
            file=sys.stderr,
        )
        return 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns its exit code. 2 means that the command line was not understood."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in {"-h", "--help", "help"}:
        print(help_text())
        return 0
    verb, rest = find(words)
    if verb is None:
        print(complaint(words) + "\n\n" + help_text(), file=sys.stderr)
        return 2
    try:
        return call(verb, rest) or 0
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
