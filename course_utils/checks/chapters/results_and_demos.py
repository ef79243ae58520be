"""The questions of chapter 11: a results file, a figure, a demo's function, a fair leaderboard,
what chance does to it, a Space's files.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import Any, NoReturn

from course_utils.checks import expect
from course_utils.checks.draw import Draw
from course_utils.checks.framework import Exercise, part
from course_utils.checks.report import Failed, Rung, explain
from course_utils.wire.answer import Answer, Crashed

LESSONS = "lessons/11_results_and_demos/"
RESULTS = LESSONS + "01_results_that_can_be_believed.ipynb"
DEMO = LESSONS + "02_a_demo_and_a_space.ipynb"
NORMAL = 1.96
METHODS = ("base", "full", "LoRA", "replay", "prefix", "merged")

exercise = Exercise(
    "11_results_and_demos",
    title="Results and demos",
    minutes=75,
    difficulty="medium",
    cost="a few seconds; nothing is trained",
)


# Independent implementations that answers are held against


def mean_and_interval(values: Sequence[float]) -> tuple[float, float | None, float | None]:
    """(mean, low, high): the mean ± 1.96 standard errors; (mean, None, None) for a single value."""
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return mean, None, None
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
    half = NORMAL * deviation / math.sqrt(len(values))
    return mean, mean - half, mean + half


def _scores(draw: Draw, rows: int, centre: float = 0.4, width: float = 0.15) -> list[float]:
    return [round(min(1.0, max(0.0, draw.random.gauss(centre, width))), 4) for _ in range(rows)]


# q1: the results file


@exercise.question(
    "q1",
    title="A results file that can be believed",
    points=4,
    difficulty=1,
    needs=("results_text",),
    lesson=RESULTS + "#A results file",
    hints=(
        "What must a reader have to judge a number? How many rows, how sure, made with what. Begin with n "
        "and the mean.",
        "The interval is the mean ± 1.96 × standard deviation ÷ √n, with n - 1 under the deviation. One "
        "row has no deviation: None, which json writes as null. json.dumps makes the text; it writes a "
        "NaN as well, though JSON has none.",
        "Weights of three apples, as JSON:\n"
        "import json, statistics\n"
        "weights = [150, 160, 155]\n"
        'json.dumps({"n": len(weights), "mean": statistics.mean(weights), "deviation": '
        "statistics.stdev(weights)})",
    ),
)
def results_file(answer: Answer, draw: Draw) -> None:
    runs = {name: _scores(draw, draw.random.randrange(20, 60)) for name in draw.sample(METHODS, 4)}
    single = draw.random.choice(list(runs))
    runs[single] = runs[single][:1]
    few = draw.random.choice([name for name in runs if name != single])
    runs[few] = [0.1, 0.9, *runs[few][:2]]  # of so few rows it matters whether n or n - 1 stands there
    versions = {"torch": f"2.{draw.random.randrange(20)}.0", "seed": draw.random.randrange(100)}
    text = answer.call("results_text", runs, versions)
    expect.type_of(text, str, "results_text(runs, versions)")
    found = _read_json(text)
    expect.keys(found, ("versions", "runs"), "the JSON of results_text")
    entries = _by_method(found["runs"], runs)
    with part("n, mean and method of every run", points=2):
        for name, values in runs.items():
            expect.keys(entries[name], ("n", "mean"), f"the entry of {name!r}")
            expect.equal(entries[name]["n"], len(values), f"the n of {name!r}")
            expect.close(
                entries[name]["mean"], mean_and_interval(values)[0], f"the mean of {name!r}", tolerance=1e-4
            )
    with part("the interval, and null where there is none", points=1):
        for name, values in runs.items():
            expect.keys(entries[name], ("low", "high"), f"the entry of {name!r}")
            for end, wanted in zip(("low", "high"), mean_and_interval(values)[1:], strict=True):
                what = f"the {end} of {name!r}, which has {len(values)} row{'s' * (len(values) > 1)}"
                if wanted is None:
                    expect.equal(entries[name][end], None, what)
                else:
                    expect.close(entries[name][end], wanted, what, tolerance=2e-3)
    with part("what it was made with", points=1):
        expect.equal(found["versions"], versions, "the versions in the JSON")


def _read_json(text: str) -> Any:
    """A JSON text as strict readers take it, without NaN; a failure tells where."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is no JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        expect.true(
            False,
            "results_text(runs, versions) to be JSON that every reader takes",
            f"{error}: {expect.show(text)}",
        )


def _by_method(entries: Any, runs: Mapping[str, Sequence[float]]) -> dict[str, dict]:
    expect.each_of(entries, dict, '"runs" in the JSON')
    for number, entry in enumerate(entries):
        expect.keys(entry, ("method",), f'"runs"[{number}]')
        expect.one_of(entry["method"], list(runs), f'the method of "runs"[{number}]')
    expect.equal(sorted(entry["method"] for entry in entries), sorted(runs), "the methods in the JSON")
    return {entry["method"]: entry for entry in entries}


# q2: the figure


@exercise.question(
    "q2",
    title="A figure with its error bars",
    points=4,
    difficulty=2,
    needs=("draw_results",),
    lesson=RESULTS + "#From the file to the figure",
    hints=(
        "Draw the means first, with the names as tick labels. Then the whiskers, then the label.",
        "errorbar and bar take lengths and not ends: how far the whisker goes below and above the mean, "
        "as [[below, …], [above, …]]. The label names the metric, set_ylabel for upright whiskers, "
        "set_xlabel for lying ones.",
        "Two temperatures with uneven whiskers, from 9 to 14 and from 11 to 12.5:\n"
        'axes.errorbar([0, 1], [10, 12], yerr=[[1, 1], [4, 0.5]], fmt="o")\n'
        'axes.set_xticks([0, 1], ["May", "June"])',
    ),
)
def figure(answer: Answer, draw: Draw) -> None:
    results: dict[str, Any] = {
        "metric": draw.random.choice(["ROUGE-L", "exact match", "token F1"]),
        "runs": _uneven(draw),
    }
    found = answer.given(plotted).call("plotted", results)
    expect.each_of(found, dict, "the figure's axes")
    expect.length(found, 1, "the figure's axes")
    expect.keys(found[0], ("shown", "value_label", "title"), "the figure's axes")
    shown, names = found[0]["shown"], [run["method"] for run in results["runs"]]
    with part("a point or a bar for every method, by its name", points=1):
        expect.equal(sorted(shown), sorted(names), "the names with error bars that can be seen in the figure")
        for run in results["runs"]:
            expect.true(
                shown[run["method"]]["value"] is not None,
                f"a point or a bar for {run['method']!r} that can be seen",
                "a whisker alone",
            )
            expect.close(
                shown[run["method"]]["value"],
                run["mean"],
                f"the value drawn for {run['method']!r}",
                tolerance=1e-6,
            )
    with part("whiskers from low to high", points=2):
        expect.keys(shown, names, "the names with error bars in the figure")
        limits = found[0].get("limits")
        expect.each_of(limits, (int, float), "the limits of the axis of values")
        expect.length(limits, 2, "the limits of the axis of values")
        for run in results["runs"]:
            for end in ("low", "high"):
                expect.close(
                    shown[run["method"]][end],
                    run[end],
                    f"the {end} end of the whisker of {run['method']!r}",
                    tolerance=1e-6,
                )
                expect.true(
                    min(limits) <= run[end] <= max(limits),
                    f"axes on which the whole whisker of {run['method']!r} is seen, to {run[end]:g}",
                    f"an axis of values from {min(limits):g} to {max(limits):g}",
                )
    with part("the axis says what is measured", points=1):
        label = found[0]["value_label"]
        expect.true(
            results["metric"].lower() in label.lower(),
            f"the label of the axis of values to name {results['metric']!r}",
            expect.show(label),
        )
        expect.advise(
            bool(found[0]["title"]), "a title that says what the whiskers are would help the audience."
        )


def plotted(results: dict) -> list:
    """The numbers and labels in the figure, as plain data."""
    from course_utils.plots import figure_as_data

    return figure_as_data(draw_results(results))  # type: ignore[name-defined]  # noqa: F821 - the learner's


def _uneven(draw: Draw) -> list[dict[str, Any]]:
    """Runs whose intervals are longer on one side, as a bootstrap's are."""
    runs = []
    for name in draw.sample(METHODS, 4):
        mean = round(draw.random.uniform(0.2, 0.8), 3)
        low, high = (
            round(mean - draw.random.uniform(0.01, 0.05), 3),
            round(mean + draw.random.uniform(0.06, 0.12), 3),
        )
        runs.append(
            {"method": name, "n": draw.random.randrange(30, 200), "mean": mean, "low": low, "high": high}
        )
    return runs


# q3: the function behind a demo


@exercise.question(
    "q3",
    title="The function behind a demo",
    points=4,
    difficulty=2,
    needs=("predict", "MODELS", "MOST_CHARACTERS"),
    lesson=DEMO + "#The app is a file",
    hints=(
        "List what a visitor can do wrong, and what can go wrong without them. Each needs one sentence that "
        "says what to do.",
        "strip() first, then look whether anything is left. Never cut a text silently. MODELS.get(name) "
        "gives None for an unknown name; try and except around the call of the model alone.",
        "A shop's till, which never raises:\n"
        "def price(item):\n"
        "    if item not in PRICES:\n"
        "        return None, f\"We have no {item}. We have: {', '.join(PRICES)}.\"\n"
        '    return PRICES[item], ""',
    ),
)
def demo_function(answer: Answer, draw: Draw) -> None:
    words = draw.sample("ferry harbour late nobody minded lamp kettle pier green boat".split(), 6)
    text = " ".join(words)
    with part("a good text: the model's answer and no message", points=1):
        for given in (text, f"  {text}\n", "x" * 200, " " * 9 + "x" * 200 + "\n"):
            for name, wanted in (("capitals", given.strip().upper()), ("backwards", given.strip()[::-1])):
                left = f"{len(given.strip())} characters after stripping"
                expect.equal(
                    list(_predicted(answer, given, name)),
                    [wanted, ""],
                    f"predict({expect.show(given)}, {name!r}), {left},",
                )
    with part("no text: a message", points=1):
        for nothing in (None, "", "   \n\t "):
            _complaint(answer, nothing, "capitals")
    with part("too long: a message with both lengths", points=1):
        length = draw.random.randrange(201, 900)
        message = _complaint(answer, "y" * length, "capitals")
        for number in (length, 200):
            expect.true(
                str(number) in message,
                f"the message about {length} characters to name the number {number}",
                expect.show(message),
            )
    with part("an unknown model and a broken one: a message", points=1):
        names = draw.sample(("shouts", "mirrors", "whispers", "stutters", "doubles"), 3)
        message = _complaint(answer, text, "gpt-" + str(draw.random.randrange(90, 99)), names)
        for name in names:
            expect.true(
                name in message,
                f"the message about an unknown model to name {name!r}, which is in MODELS then",
                expect.show(message),
            )
        for number, name in enumerate(names):
            message = _complaint(answer, text, name, names, number)
            expect.true(
                "tensor" not in message and "Traceback" not in message,
                "the message about a broken model to spare the visitor its insides",
                expect.show(message),
            )


def answered(text: str | None, name: str, names: list, kind: int) -> object:
    """What `predict` gives while MODELS holds these names, whose models all raise an error of one kind."""

    def breaks(text: str) -> str:
        raise (RuntimeError, KeyError, ValueError)[kind]("size of tensor a (512) must match tensor b (513)")

    models = MODELS  # type: ignore[name-defined]  # noqa: F821 - the learner's
    before = dict(models)
    models.clear()
    models.update(dict.fromkeys(names, breaks))
    try:
        return predict(text, name)  # type: ignore[name-defined]  # noqa: F821 - the learner's
    finally:
        models.clear()
        models.update(before)


def _predicted(
    answer: Answer, text: str | None, name: str, names: Sequence[str] = (), kind: int = 0
) -> Sequence[str]:
    what = f"predict({expect.show(text)}, {name!r})"
    if names:
        what += f", where MODELS holds {', '.join(names)},"
    try:
        if names:
            found = answer.given(answered).call("answered", text, name, list(names), kind)
        else:
            found = answer.call("predict", text, name)
    except Crashed as error:
        got = explain(error)[2]
        raise Failed(Rung.CRASHED, f"{what} to return its message and never to raise", got) from None
    expect.type_of(found, (tuple, list), what)
    expect.length(found, 2, what)
    expect.each_of(found, str, what)
    return found


def _complaint(answer: Answer, text: str | None, name: str, names: Sequence[str] = (), kind: int = 0) -> str:
    """The message for something that can't be answered."""
    what = f"predict({expect.show(text)}, {name!r})"
    found, message = _predicted(answer, text, name, names, kind)
    expect.equal(found, "", f"the answer of {what}")
    expect.true(
        len(message.split()) >= 3, f"{what} to come with a message that says what to do", expect.show(message)
    )
    return message


# q4: the leaderboard

EQUAL = 0.01  # a smaller lead is next to none
LEAST_SURE, MOST_UNSURE = (
    2.5,
    1.5,
)  # leads between these many standard errors are not drawn by chance: fair methods may differ there
NOT_QUITE, JUST = 1.70, 2.25  # standard errors that tell 95 % from 90 % (1.645) and from 99 % (2.576)


@exercise.question(
    "q4",
    title="A leaderboard that respects intervals",
    points=4,
    difficulty=3,
    needs=("places",),
    lesson=RESULTS + "#Who is better?",
    hints=(
        "First write clearly_better(mine, yours) for two lists of scores on the same rows. The rest "
        "is counting.",
        "Subtract row by row. Clearly better: the mean of the differences minus 1.96 standard errors of "
        "the differences is above 0. Two models may differ clearly though their own intervals overlap: "
        "the hard rows are hard for both.",
        "Who is taller, in places, where only a clear difference of 2 cm counts:\n"
        'heights = {"Ida": 171, "Tom": 170, "Ben": 165}\n'
        "{name: 1 + sum(other - mine > 2 for other in heights.values()) for name, mine in heights.items()} "
        "  # 1, 1, 3",
    ),
)
def leaderboard(answer: Answer, draw: Draw) -> None:
    with part("models that are clearly apart", points=1):
        _places_agree(answer, _class(draw, (0.0, 0.3, 0.6)))
    with part("models that share a place", points=2):
        _places_agree(answer, _class(draw, (0.0, 0.001, 0.3, 0.3005)))
        twice = _class(draw, (0.1,))
        (values,) = twice.values()
        _places_agree(answer, {"one": values, "its copy": list(values)})
        _places_agree(answer, _apart(draw, NOT_QUITE))
        _places_agree(answer, _chain(draw))
    with part("a small lead that is there on every row", points=1):
        _places_agree(answer, _class(draw, (0.0, 0.03)))
        _places_agree(answer, _apart(draw, JUST))


def _class(draw: Draw, leads: Collection[float]) -> dict[str, list[float]]:
    """{name: scores} on the same 60 rows, hard and easy ones; drawn until no lead is a borderline case.

    Nor may chance have made a clear lead where there is next to none.
    """
    while True:
        names = draw.sample(METHODS, len(leads))
        hardness = [draw.random.uniform(0.0, 1.0) for _ in range(60)]
        scores = {
            name: [row + lead + draw.random.gauss(0, 0.02) for row in hardness]
            for name, lead in zip(names, leads, strict=True)
        }
        pairs = combinations(zip(leads, scores.values(), strict=True), 2)
        sizes = [(abs(one - other), abs(_lead(mine, theirs))) for (one, mine), (other, theirs) in pairs]
        if all(size <= MOST_UNSURE if lead < EQUAL else size >= LEAST_SURE for lead, size in sizes):
            return scores


def _apart(draw: Draw, errors: float) -> dict[str, list[float]]:
    """Two models on the same 60 rows, one ahead by just so many standard errors of their difference."""
    error = 0.004
    behind = [draw.random.uniform(0.0, 1.0) for _ in range(60)]
    ahead = [row + errors * error + gain for row, gain in zip(behind, _balanced(draw, error), strict=True)]
    return dict(zip(draw.sample(METHODS, 2), (behind, ahead), strict=True))


def _chain(draw: Draw) -> dict[str, list[float]]:
    """The first of three is clearly better than the last, even by their own intervals; the middle one, 1.2
    standard errors from both, is told apart from neither.
    """
    lead, error = 0.03, 0.025
    rows = [draw.random.uniform(0.4, 0.6) for _ in range(60)]
    first = [row + 2 * lead for row in rows]
    middle = [row + lead + gain for row, gain in zip(rows, _balanced(draw, error), strict=True)]
    last = [row + draw.random.gauss(0, 0.005) for row in rows]
    return dict(zip(draw.sample(METHODS, 3), (first, middle, last), strict=True))


def _balanced(draw: Draw, error: float) -> list[float]:
    """60 gains of mean 0, each with its opposite, whose mean has that standard error."""
    halves = [draw.random.gauss(0, 1) for _ in range(30)]
    gains = [gain for half in halves for gain in (half, -half)]
    scale = error / math.sqrt(math.fsum(gain**2 for gain in gains) / 59 / 60)
    return [scale * gain for gain in gains]


def _lead(one: Sequence[float], other: Sequence[float]) -> float:
    """The mean lead in standard errors; 0 for equal scores."""
    gains = [mine - yours for mine, yours in zip(one, other, strict=True)]
    mean, low, _ = mean_and_interval(gains)
    return mean / ((mean - low) / NORMAL) if low is not None and mean != low else 0.0


def _places_agree(answer: Answer, scores: dict[str, list[float]]) -> None:
    found = answer.call("places", scores)
    expect.type_of(found, dict, "places(scores)")
    expect.keys(found, scores, "places(scores)")
    means = ", ".join(f"{name} {math.fsum(values) / len(values):.3f}" for name, values in scores.items())
    wanted = {
        name: 1 + sum(_lead(other, mine) > NORMAL for other in scores.values())
        for name, mine in scores.items()
    }
    clear = [
        f"{one} than {other}"
        for one in scores
        for other in scores
        if _lead(scores[one], scores[other]) > NORMAL
    ]
    better = ", ".join(clear) or "none"
    for name in scores:
        expect.equal(
            found[name],
            wanted[name],
            f"the place of {name!r} (means on the same 60 rows: {means}; clearly better: {better})",
        )


# q5: find the bug


@exercise.question(
    "q5",
    title="Find the bug: five seeds, five times as sure",
    points=3,
    difficulty=2,
    needs=("pooled",),
    lesson=RESULTS + "#What a number needs",
    hints=(
        "The colleague's n is 500. How many different questions was the model asked?",
        "The same row under five seeds is one question asked five times, not five questions. Make one "
        "number of each row first: its mean over the seeds. zip(*scores) goes through the rows.",
        "Three judges mark the same four cakes; there are four cakes, not twelve:\n"
        "marks = [[7, 5, 9, 6], [8, 5, 9, 5], [7, 6, 8, 6]]\n"
        "cakes = [sum(three) / 3 for three in zip(*marks)]",
    ),
)
def same_rows(answer: Answer, draw: Draw) -> None:
    rows, seeds = draw.random.randrange(40, 80), draw.random.randrange(3, 6)
    hardness = [draw.random.uniform(0.1, 0.9) for _ in range(rows)]
    scores = [[row + draw.random.gauss(0, 0.05) for row in hardness] for _ in range(seeds)]
    wanted = mean_and_interval([math.fsum(row) / seeds for row in zip(*scores, strict=True)])
    found = answer.call("pooled", scores)
    expect.keys(found, ("mean", "low", "high", "n"), "pooled(scores)")
    with part("n counts the rows", points=1):
        expect.equal(found["n"], rows, f"the n of {rows} rows under {seeds} seeds")
    with part("the mean and an interval as wide as the rows allow", points=2):
        expect.close(found["mean"], wanted[0], "the mean", tolerance=1e-6)
        for end, value in zip(("low", "high"), wanted[1:], strict=True):
            assert value is not None, "there are many rows"
            expect.close(found[end], value, f"the {end} end of the interval over {rows} rows", tolerance=1e-4)


# q6: a prediction before the measurement

#: What is to be predicted: the texts to choose from, as the notebook's table has them, and which one its cell
#: measures. Tests hold both against the notebook.
TO_PREDICT = {
    "how long intervals are": {
        "interval": (("a quarter as long", "half as long", "as long"), "half as long"),
        "uneven": (("half as long", "as long", "twice as long"), "as long"),
    },
    "what chance alone does": {
        "chance": (("none", "about ten", "about sixty"), "about ten"),
        "more_rows": (("a quarter as many", "as many", "four times as many"), "as many"),
    },
    "what more rows, and new ones, do": {
        "first": (("next to nothing", "half as much", "as much"), "next to nothing"),
        "lead": (("less often", "as often", "more often"), "more often"),
    },
}


@exercise.question(
    "q6",
    title="Predict, then measure: a class of equals",
    points=3,
    difficulty=2,
    needs=("predictions",),
    lesson=RESULTS + "#Who is better?",
    hints=(
        "What does √n do to an interval? What is left of a hard row once two scores on it are subtracted? "
        "How often is a 95 % interval wrong?",
        "Each of the 190 pairs has its chance of one in twenty to look different, with any number of "
        "rows. And who is first of twenty equals was luckier than all others, on those rows.",
        (
            "Twenty coins, ten throws each: the best shows eight heads. Throw that one ten times more, "
            "and it shows about five."
        ),
    ),
)
def predict_the_board(answer: Answer, draw: Draw) -> None:
    predicted = answer.call("predictions")
    expect.keys(predicted, [name for group in TO_PREDICT.values() for name in group], "predictions()")
    for title, group in TO_PREDICT.items():
        with part(title, points=1):
            for name, (choices, measured) in group.items():
                what = f"predictions()[{name!r}]"
                expect.type_of(predicted[name], str, what)
                expect.one_of(predicted[name], choices, what)
                expect.true(
                    predicted[name] == measured,
                    f"{what} to be what the cells under your answer measure",
                    expect.show(predicted[name]),
                )


# q7: the files of a Space

HEADER = re.compile(r"---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(\r?\n|$)", re.DOTALL)
LONGEST_HEADER = 4000  # characters; the YAML reader is slow
TITLES = ("Reviews: {}", 'The "{}"', "#1 in {}", "{}'s letters", "[{}]")


@exercise.question(
    "q7",
    title="The files of a Space",
    points=3,
    difficulty=2,
    needs=("space_files",),
    lesson=DEMO + "#Deploy",
    hints=(
        "Look for the secrets first; then nothing can slip out. The card of the lesson's Space shows which "
        "lines a header has.",
        "A text in quotes may itself hold quotes: json.dumps(title) makes a quoted text that YAML reads "
        'too. "\\n".join(…) makes lines of a list. '
        "any(…) or a loop over secrets.items() finds a value in a text.",
        "A label for a jar, as YAML:\n"
        "import json\n"
        'label = {"name": \'Plum: the "best"\', "year": "2026"}\n'
        '"\\n".join(f"{key}: {json.dumps(value)}" for key, value in label.items())',
    ),
)
def files_of_a_space(answer: Answer, draw: Draw) -> None:
    names = draw.sample(("torch", "transformers", "datasets", "peft"), 2)
    versions = {"gradio": f"{draw.random.randrange(5, 9)}.{draw.random.randrange(1, 9)}0"}
    versions |= {name: f"{draw.random.randrange(2, 6)}.{draw.random.randrange(30)}.0" for name in names}
    app = f"import gradio as gr\n\nROWS = {draw.random.randrange(10**6)}\n"
    secrets = {
        f"{word}_TOKEN": f"{word.lower()}_{draw.random.randrange(10**9):09}"
        for word in draw.sample(("HF", "MAIL", "MAP", "STORE"), 2)
    }
    titles = [title.format(draw.random.choice(("Saltmarsh", "Elmby", "Fenby"))) for title in TITLES]
    whole = {title: _space(answer, app, title, versions, secrets) for title in titles}
    with part("app and pinned requirements", points=1):
        files = _committed(whole[titles[0]], titles[0])
        expect.equal(files["app.py"], app, "app.py")
        lines = {"".join(line.split()) for line in files["requirements.txt"].splitlines()}
        wanted = {f"{name}=={versions[name]}" for name in names}
        for line in sorted(wanted):
            expect.true(
                line in lines,
                f"requirements.txt to hold the line {line}",
                expect.show(files["requirements.txt"]),
            )
        extra = sorted(lines - wanted - {f"gradio=={versions['gradio']}", ""})
        expect.true(not extra, "requirements.txt to hold no other lines", expect.show(extra))
    with part("a header that YAML reads as it was meant", points=1):
        for title, found in whole.items():
            header = _header(_committed(found, title)["README.md"], title)
            for name, value in {
                "title": title,
                "sdk": "gradio",
                "sdk_version": versions["gradio"],
                "app_file": "app.py",
            }.items():
                expect.keys(header, (name,), f"the header for the title {title!r}")
                expect.equal(
                    header[name], value, f"{name} in the header, as YAML reads it for the title {title!r},"
                )
    with part("a secret's value stops everything, and its name does not", points=1):
        for name in secrets:
            reading = f'import os\n\nTOKEN = os.environ["{name}"]\n'
            found = _space(answer, reading, titles[0], versions, secrets)
            expect.equal(
                found[1], "", f"the message for an app that reads {name} from os.environ, as it should,"
            )
            expect.equal(_committed(found, titles[0])["app.py"], reading, f"app.py, which reads {name}")
        for name, value in secrets.items():
            for leaky, heading in ((f'{app}TOKEN = "{value}"\n', titles[0]), (app, f"Demo {value}")):
                _stopped(_space(answer, leaky, heading, versions, secrets), name, value)


def _space(answer: Answer, *given: object) -> Sequence[Any]:
    """(files, message) of what space_files returns, as a dict and a text."""
    found = answer.call("space_files", *given)
    expect.type_of(found, (tuple, list), "space_files(…)")
    expect.length(found, 2, "space_files(…)")
    expect.type_of(found[0], dict, "the first that space_files(…) returns")
    expect.type_of(found[1], str, "the second that space_files(…) returns")
    return found


def _committed(found: Sequence[Any], title: str) -> dict[str, str]:
    """The three files' texts, where there was no secret to complain of."""
    files, message = found
    expect.equal(message, "", f"the message for the title {title!r}, where no secret stands in a file")
    names = ("app.py", "requirements.txt", "README.md")
    expect.keys(files, names, "the files")
    expect.each_of([files[name] for name in names], str, "the files' texts")
    return files


def _header(card: str, title: str) -> dict:
    """The card's header as YAML reads it."""
    import yaml

    what = f"README.md for the title {title!r}"
    found = HEADER.match(card[:LONGEST_HEADER])
    if found is None:
        wanted = f"{what} to begin with a header between two lines ---"
        raise Failed(Rung.WRONG_VALUE, wanted, expect.show(card))
    try:
        header = yaml.safe_load(found[1])
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        expect.true(False, f"the header of {what} to be YAML", f"{reason}: {expect.show(found[1])}")
    expect.type_of(header, dict, f"the header of {what}, as YAML reads it,")
    return header


def _stopped(found: Sequence[Any], name: str, value: str) -> None:
    """Nothing is committed, and the message names the secret and not its value."""
    files, message = found
    expect.equal(files, {}, f"the files where the value of {name} stands in app or title")
    expect.true(
        name in message,
        f"the message to name {name}, whose value stands in app or title",
        expect.show(message),
    )
    expect.true(
        value not in message, f"the message about {name} to keep its value to itself", expect.show(message)
    )
    expect.true(
        len(message.split()) >= 4, f"the message about {name} to say what to do", expect.show(message)
    )


exercise.manual("q8", title="Three minutes, one claim", points=4, lesson=RESULTS + "#Three minutes")


# q9: a project

LINES = ("baseline", "method", "evidence", "reproducible", "told")


@exercise.question(
    "q9",
    title="A project held against its rubric",
    points=4,
    difficulty=2,
    needs=("unmet",),
    lesson=RESULTS + "#What a number needs",
    hints=(
        "Take the five lines one by one: which file, or which part of the plan, settles each of them?",
        'json.loads(files["results.json"])["runs"] is a list of dicts: collect the runs of the two methods, '
        "average each row over a method's runs with zip(*…), and take the differences row by row. A set of "
        "the seeds tells how many are different.",
        "What a ship still lacks before it may sail:\n"
        "lacks = []\n"
        'if len(set(crew["captains"])) < 1:\n'
        '    lacks.append("captain")\n'
        'if any(part not in hold for part in plan["spares"].split()):\n'
        '    lacks.append("spares")',
    ),
)
def project(answer: Answer, draw: Draw) -> None:
    plan, runs, files = _project(draw)
    new, old = plan["claim"]["method"], plan["claim"]["against"]

    def judge(what: str, truth: Sequence[str], **changes: Any) -> None:
        """The learner's list for the project with these changes: `runs`, `files`, or keys of the plan."""
        given = changes.pop("files", files) | {
            "results.json": json.dumps({"runs": changes.pop("runs", runs)})
        }
        found = answer.call("unmet", plan | changes, given)
        expect.type_of(found, (list, tuple, set), f"unmet(plan, files) of {what}")
        expect.equal(sorted(map(str, found)), sorted(truth), f"what is unmet in {what}")

    with part("a sound project, and one in which the baseline is missing or has other rows", points=1):
        judge("a project in which all is well", [])
        judge("a project whose baseline was never run", ["baseline"], baseline="a coin")
        short = [
            run | {"scores": run["scores"][:-3]} if run["method"] == plan["baseline"] else run for run in runs
        ]
        judge("a project whose baseline has three rows less", ["baseline"], runs=short)
    with part("evidence: seeds, and an interval row by row", points=1):
        for method in (new, old):
            first = min(run["seed"] for run in runs if run["method"] == method)
            single = [run for run in runs if run["method"] != method or run["seed"] == first]
            change = _difference(single, new, old)[0]
            told = {"claim": plan["claim"] | {"change": round(change, 3)}}
            judge(f"a project with one seed of {method!r}", ["evidence"], runs=single, **told)
            twice = [*single, *[run for run in single if run["method"] == method]]
            what = f"a project in which the one run of {method!r} was copied"
            judge(what, ["evidence"], runs=twice, **told)
        other, change = _unsure(draw, runs, new, old)
        told = {"claim": plan["claim"] | {"change": round(change, 3)}}
        judge("a project whose difference has an interval around 0", ["evidence"], runs=other, **told)
        turned = {"claim": {"method": old, "against": new, "change": -plan["claim"]["change"]}}
        judge("a project that claims a loss, and shows it", [], **turned)
    with part("what was chosen on test rows, and a command that does not run", points=1):
        judge("a project whose settings were chosen on the test rows", ["method"], chosen_on="test")
        script = next(word for word in plan["command"].split() if word.endswith(".py"))
        fewer = {name: text for name, text in files.items() if name != script}
        judge(f"a project without {script}", ["reproducible"], files=fewer)
        judge(
            "a project without its settings", ["reproducible"], command=f"python {script} --config other.yaml"
        )
        judge("a project whose command names no other file", [], command=f"python {script} --rate 3e-3")
    with part("what is told", points=1):
        claim = plan["claim"]
        for change in (0.02, -0.02):
            wrong = claim | {"change": round(claim["change"] + change, 4)}
            judge(f"a project whose claim is {change:+} from its results", ["told"], claim=wrong)
        near = claim | {"change": round(claim["change"] + 0.003, 4)}
        judge("a project whose claim is rounded, 0.003 from its results", [], claim=near)
        judge("a talk of 181 seconds", ["told"], seconds=181)
        nobody = claim | {"method": "a method without runs"}
        judge("a claim about a method without runs", ["evidence", "told"], claim=nobody)
        three = ["method", "reproducible", "told"]
        judge("a project with three faults", three, chosen_on="test", seconds=400, files={})


def _difference(runs: Sequence[Mapping[str, Any]], new: str, old: str) -> tuple[float, float, float]:
    """Mean of the row by row difference of two methods, and its interval's ends."""
    sides = []
    for method in (new, old):
        scores = [run["scores"] for run in runs if run["method"] == method]
        sides.append([math.fsum(row) / len(row) for row in zip(*scores, strict=True)])
    mean, low, high = mean_and_interval([one - other for one, other in zip(*sides, strict=True)])
    assert low is not None and high is not None
    return mean, low, high


def _project(draw: Draw) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, str]]:
    """(plan, runs, files) of a project in which all is well.

    Rows differ so much from each other that unpaired intervals would see nothing.
    """
    new, old, third = draw.sample(METHODS[1:], 3)
    generator = draw.numpy()
    rows, gain = draw.random.randrange(60, 90), draw.random.uniform(0.04, 0.07)
    hard = generator.uniform(0.1, 0.8, size=rows)
    runs = [{"method": "word counts", "seed": 0, "scores": (hard * 0.8).round(4).tolist()}]
    for method, more in ((old, 0.0), (new, gain), (third, 0.02)):
        for seed in draw.sample(range(100), 2):
            scores = (hard + more + generator.normal(0, 0.05, size=rows)).round(4).tolist()
            runs.append({"method": method, "seed": seed, "scores": scores})
    draw.random.shuffle(runs)
    script, settings = draw.random.choice((("train.py", "best.yaml"), ("main.py", "settings.json")))
    plan = {
        "baseline": "word counts",
        "chosen_on": "validation",
        "claim": {"method": new, "against": old, "change": round(_difference(runs, new, old)[0], 3)},
        "command": f"python {script} --config {settings} --seed 0",
        "seconds": draw.random.randrange(120, 181),
    }
    return plan, runs, dict.fromkeys((script, settings, "README.md"), "…")


def _unsure(
    draw: Draw, runs: Sequence[Mapping[str, Any]], new: str, old: str
) -> tuple[list[dict[str, Any]], float]:
    """The same runs with a new method whose gain is about a third of its interval's reach, and that gain."""
    rows = len(runs[0]["scores"])
    noise = draw.numpy().normal(0, 0.2, size=rows)
    noise -= noise.mean()
    lift = 0.6 * float(noise.std(ddof=1)) / rows**0.5
    scores = [run["scores"] for run in runs if run["method"] == old]
    other = [math.fsum(row) / len(row) for row in zip(*scores, strict=True)]
    lifted = [value + each + lift for value, each in zip(other, noise.tolist(), strict=True)]
    changed = [dict(run, scores=lifted) if run["method"] == new else dict(run) for run in runs]
    return changed, _difference(changed, new, old)[0]
