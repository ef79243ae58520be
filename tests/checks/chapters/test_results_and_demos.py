"""Every question of exercise 11: the solution, the stub, wrong answers with the message they get, other right ways."""

import math
import re

import nbformat
import pytest

from course_utils.checks import render
from course_utils.checks.chapters.results_and_demos import TO_PREDICT
from course_utils.checks.testing import (
    answer_source,
    given_cell_with,
    judge_source,
    judged_well,
    solution_path,
)

EXERCISE = "11_results_and_demos"
IMPORTS = "import json, math, statistics\n"


def given(words):
    """The cell that the notebook gives, found by words in it, without what it tries out."""
    return given_cell_with(EXERCISE, words).partition("\nexample =")[0] + "\n"


def judged(question, *, wrong, right, before=""):
    return judged_well(EXERCISE, question, wrong=wrong, right=right, before=IMPORTS + before)


TEXT = """
def results_text(runs, versions):
    lines = []
    for name, scores in runs.items():
        line = {"method": name, "n": len(scores), "mean": statistics.mean(scores), "low": None, "high": None}
        if len(scores) > 1:
            half = 1.96 * statistics.stdev(scores) / len(scores) ** 0.5
            line["low"], line["high"] = line["mean"] - half, line["mean"] + half
        lines.append(line)
    return json.dumps({"runs": lines, "versions": versions})
"""


def test_results_file():
    result = judged(
        "q1",
        wrong={
            TEXT.replace('"low": None, "high": None', '"low": math.nan, "high": math.nan'): "NaN is no JSON",
            TEXT.replace("1.96", "1.0"): "the low of",
            TEXT.replace("statistics.stdev", "statistics.pstdev"): "which has 4 rows",
            TEXT.replace('"n": len(scores)', '"n": len(runs)'): "the n of",
            TEXT.replace("return json.dumps(", "return str("): "to be JSON that every reader takes",
            TEXT.replace("json.dumps({", "({"): "to be a text",
            TEXT.replace('"versions": versions', '"versions": {}'): "the versions in the JSON",
            TEXT.replace(
                '"low": None, "high": None', '"low": scores[0], "high": scores[0]'
            ): "which has 1 row",
            TEXT.replace("statistics.mean(scores)", "np.float32(statistics.mean(scores))").replace(
                "def results", "import numpy as np\ndef results"
            ): "float(…), int(…) or .item() makes one of NumPy's",
        },
        right=[TEXT, TEXT.replace("1.96", "1.959964").replace("json.dumps({", "json.dumps(indent=2, obj={")],
    )
    assert [report.points for report in result.wrong[1:3]] == [3, 3]


FIGURE = """
def draw_results(results):
    from matplotlib import pyplot
    figure, axes = pyplot.subplots()
    pyplot.close(figure)
    runs = results["runs"]
    names, means = [r["method"] for r in runs], [r["mean"] for r in runs]
    lengths = [[r["mean"] - r["low"] for r in runs], [r["high"] - r["mean"] for r in runs]]
    axes.bar(names, means, yerr=lengths)
    axes.set_ylabel(results["metric"])
    return figure
"""


#: An outsider's cheat: all numbers are there, and nothing can be seen
UNSEEN = FIGURE.replace(
    "axes.bar(names, means, yerr=lengths)",
    """drawn = axes.errorbar(names, means, yerr=lengths, fmt="o", alpha=0.0, linewidth=0, elinewidth=0)
    for part in drawn.get_children():
        part.set_visible(False)""",
)


def test_figure():
    result = judged(
        "q2",
        wrong={
            FIGURE.replace('r["mean"] - r["low"] for', 'r["high"] - r["mean"] for'): "the low end of the whisker",
            FIGURE.replace('[[r["mean"] - r["low"] for r in runs], [r["high"] - r["mean"] for r in runs]]', '[[r["low"] for r in runs], [r["high"] for r in runs]]'): "end of the whisker",
            FIGURE.replace("set_ylabel", "set_xlabel"): "the label of the axis of values",
            FIGURE.replace('results["metric"])', '"score")'): "the label of the axis of values",
            FIGURE.replace(", yerr=lengths", ""): "the names with error bars",
            FIGURE.replace("axes.bar(names,", "axes.bar(range(len(names)),"): "the names with error bars",
            FIGURE.replace("return figure", "figure"): "NoneType is none: begin with",
            FIGURE.replace("return figure", "return pyplot"): "matplotlib.pyplot is none: begin with",
            FIGURE.replace("return figure", "return axes"): "Axes is none: begin with",
            UNSEEN: "that can be seen",
            FIGURE.replace("yerr=lengths)", "yerr=lengths, error_kw={'alpha': 0})"): "that can be seen",
            FIGURE.replace("yerr=lengths)", "yerr=lengths, alpha=0)"): "a point or a bar for",
            FIGURE.replace("return figure", "axes.set_ylim(min(means), max(means))\n    return figure"): "is seen",
        },
        right=[
            FIGURE,
            FIGURE.replace("axes.bar(names, means, yerr=lengths)", "axes.barh(names, means, xerr=lengths)").replace("set_ylabel", "set_xlabel"),
            FIGURE.replace("axes.bar(names, means, yerr=lengths)", 'axes.errorbar(means, names, xerr=lengths, fmt="s", capsize=3)').replace("set_ylabel", "set_xlabel"),
            FIGURE.replace("axes.bar(names, means, yerr=lengths)", 'axes.bar(names, means)\n    axes.errorbar(names, means, yerr=lengths, fmt="none")'),
        ],
    )  # fmt: skip
    assert [report.points for report in result.wrong[:3]] == [2, 2, 3]
    assert result.wrong[-1].points == 2, "whiskers that are cut off"


def test_a_figure_that_only_a_given_function_read():
    source = """
def draw_results(results):
    return None

def plotted(results):
    shown = {run["method"]: {"value": run["mean"], "low": run["low"], "high": run["high"]} for run in results["runs"]}
    return [{"shown": shown, "value_label": results["metric"], "title": "whiskers"}]
"""
    assert judge_source(EXERCISE, "q2", source, before=given("figure_as_data")).points == 0


PREDICT = """
def predict(text, name):
    text = (text or "").strip()
    if len(text) == 0:
        return ("", "Please write some text first.")
    if len(text) > MOST_CHARACTERS:
        return ("", "Please shorten: %d characters, allowed are %d." % (len(text), MOST_CHARACTERS))
    if name not in MODELS:
        return ("", "Unknown model, choose one of " + " ".join(MODELS))
    try:
        answer = MODELS[name](text)
    except Exception:
        return ("", "The model failed, try another one.")
    return (answer, "")
"""


TOO_EARLY = """too_long = len(text or "") > MOST_CHARACTERS
    text = (text or "").strip()
    if too_long:
        return ("", "Please shorten: %d characters, allowed are %d." % (len(text), MOST_CHARACTERS))"""


def test_demo_function():
    result = judged(
        "q3",
        before=given("def broken"),
        wrong={
            PREDICT.replace('text = (text or "").strip()', "pass"): "predict(",
            PREDICT.replace('text = (text or "").strip()', "text = text.strip()"): "predict(None, 'capitals') to return its message and never to raise",
            PREDICT.replace('text = (text or "").strip()', TOO_EARLY): "200 characters after stripping",
            PREDICT.replace("except Exception:", "except ValueError:"): "RuntimeError: size of tensor",
            PREDICT.replace("except Exception:", "except RuntimeError:"): "KeyError: 'size of tensor",
            PREDICT.replace("except Exception:", "except (RuntimeError, KeyError):"): "ValueError: size of tensor",
            PREDICT.replace('" ".join(MODELS)', '"capitals, backwards, broken"'): "which is in MODELS then",
            PREDICT.replace('return ("", "Please write some text first.")', "import gradio as gr; gr.Textbox.update(value='')"): "components had update() until Gradio 3",
            PREDICT.replace('return ("", "Please write some text first.")', "import gradio as gr; raise gr.Error('Write a text')"): "to return its message and never to raise",
            PREDICT.replace("The model failed, try another one.", "The tensor failed, try another one."): "its insides",
            PREDICT.replace("> MOST_CHARACTERS:", ">= MOST_CHARACTERS:"): "predict('xxx",
            PREDICT.replace('" ".join(MODELS)', '"ours"'): "the message about an unknown model",
            PREDICT.replace("%d characters, allowed are %d.\" % (len(text), MOST_CHARACTERS)", "much too long a text.\""): "to name the number",
            PREDICT.replace('return (answer, "")', "return answer"): "predict(",
            PREDICT.replace("Please write some text first.", ""): "a message that says what to do",
        },
        right=[PREDICT, PREDICT.replace('return (answer, "")', 'return [answer, ""]')],
    )  # fmt: skip
    assert [report.points for report in result.wrong[1:6]] == [3, 3, 3, 3, 3]


PLACES = """
def places(scores):
    found = {}
    for name, mine in scores.items():
        found[name] = 1
        for other in scores.values():
            gains = [b - a for a, b in zip(mine, other)]
            if statistics.mean(gains) > 1.96 * statistics.stdev(gains) / math.sqrt(len(gains)):
                found[name] += 1
    return found
"""
GROUPS = """
def places(scores):
    order, found = sorted(scores, key=lambda name: -statistics.mean(scores[name])), {}
    lead, place = order[0], 1
    for number, name in enumerate(order, 1):
        gains = [b - a for a, b in zip(scores[name], scores[lead])]
        if statistics.mean(gains) > 1.96 * statistics.stdev(gains) / math.sqrt(len(gains)):
            lead, place = name, number
        found[name] = place
    return found
"""
OWN_INTERVALS = """
def places(scores):
    def ends(values):
        half = 1.96 * statistics.stdev(values) / math.sqrt(len(values))
        return statistics.mean(values) - half, statistics.mean(values) + half
    return {n: 1 + sum(ends(o)[0] > ends(m)[1] for o in scores.values()) for n, m in scores.items()}
"""
BY_MEAN = """
def places(scores):
    order = sorted(scores, key=lambda name: -statistics.mean(scores[name]))
    return {name: order.index(name) + 1 for name in order}
"""
BOOTSTRAP = """
def places(scores):
    import numpy as np
    dice = np.random.default_rng(0)
    def better(o, m):
        gains = np.array(o) - np.array(m)
        return np.quantile(gains[dice.integers(0, len(gains), (1000, len(gains)))].mean(1), 0.025) > 0
    return {n: 1 + int(sum(better(o, m) for o in scores.values())) for n, m in scores.items()}
"""


def test_leaderboard():
    result = judged(
        "q4",
        wrong={
            BY_MEAN: "the place of",
            OWN_INTERVALS: "the place of",
            PLACES.replace("b - a", "a - b"): "the place of",
            PLACES.replace("= 1\n", "= 0\n"): "the place of",
            PLACES.replace(
                "> 1.96 * statistics.stdev(gains) / math.sqrt(len(gains))", ">= 0"
            ): "the place of",
            PLACES.replace("/ math.sqrt(len(gains))", ""): "the place of",
            PLACES.replace("return found", "return list(found)"): "to be a dict",
            GROUPS: "clearly better:",
            PLACES.replace("1.96", "1.645"): "clearly better: none",
            PLACES.replace("1.96", "2.576"): "the place of",
        },
        right=[PLACES, BOOTSTRAP],
    )
    assert result.wrong[0].points == 2, "a mean is enough where all are clearly apart"
    assert result.wrong[1].points == 3, "and too wide intervals fail only the small, sure lead"
    assert [report.points for report in result.wrong[7:]] == [2, 2, 3]


POOLED = """
def pooled(scores):
    rows = [statistics.mean(row) for row in zip(*scores)]
    half = 1.96 * statistics.stdev(rows) / math.sqrt(len(rows))
    return {"mean": statistics.mean(rows), "low": statistics.mean(rows) - half, "high": statistics.mean(rows) + half, "n": len(rows)}
"""


def test_pooled():
    result = judged(
        "q5",
        before=given("def pooled_of_a_colleague"),
        wrong={
            "pooled = pooled_of_a_colleague": "rows under",
            "def pooled(scores):\n    return pooled_of_a_colleague(scores) | {'n': len(scores[0])}": "end of the interval",
            "def pooled(scores):\n    return pooled_of_a_colleague(scores[:1])": "the mean",
            POOLED.replace("zip(*scores)", "scores"): "rows under",
            POOLED.replace('"low":', '"lower":'): "the key 'low'",
            POOLED.replace("/ math.sqrt(len(rows))", ""): "end of the interval",
        },
        right=[
            POOLED,
            "def pooled(scores):\n    import numpy as np\n    return pooled_of_a_colleague([np.mean(scores, axis=0).tolist()])",
        ],
    )
    assert result.wrong[1].points == 1, "n counts for itself"


@pytest.mark.parametrize("question", ["q1", "q2", "q4", "q5", "q7", "q9"])
def test_the_solution_is_right_on_many_draws(question):
    before = IMPORTS + given("def pooled_of_a_colleague")
    for number in range(10):
        report = judge_source(
            EXERCISE, question, answer_source(EXERCISE, question), before=before, secret=b"%d" % number
        )
        assert report.points == report.max_points, render.report_text(report)


def predicted(**other):
    found = {name: measured for group in TO_PREDICT.values() for name, (_, measured) in group.items()}
    return f"def predictions():\n    return {found | other}"


def test_predictions():
    result = judged(
        "q6",
        wrong={
            predicted(interval="a quarter as long"): "to be what the cells under your answer measure",
            predicted(uneven="twice as long", chance="none"): "predictions()['uneven']",
            predicted(chance="none", more_rows="a quarter as many"): "predictions()['chance']",
            predicted(first="as much"): "predictions()['first']",
            predicted(lead="more"): "to be one of",
            predicted(lead=2.0): "to be a text",
            "def predictions(): return {'interval': 'half as long'}": "'uneven'",
            "def predictions(): return list('abcdef')": "to be a dict",
        },
        right=[
            predicted(),
            f"TO_PREDICT = {predicted().partition('return ')[2]}\ndef predictions(): return dict(TO_PREDICT)",
        ],
    )
    assert [report.points for report in result.wrong[:3]] == [2, 1, 2], "each group counts for itself"


def words(name, before, after):
    """What a pair of measured figures means, in the words of the table; None where it is none of them."""
    ratio = after / before
    bands = {
        "interval": {"a quarter as long": (0.2, 0.3), "half as long": (0.45, 0.55), "as long": (0.9, 1.1)},
        "uneven": {"half as long": (0.4, 0.6), "as long": (0.9, 1.1), "twice as long": (1.7, 2.3)},
        "chance": {
            "none": (0, 2 / 190),
            "about ten": (6 / 190, 15 / 190),
            "about sixty": (50 / 190, 70 / 190),
        },
        "more_rows": {"a quarter as many": (0.15, 0.4), "as many": (0.75, 1.3), "four times as many": (3, 5)},
        "first": {"next to nothing": (-0.2, 0.2), "half as much": (0.4, 0.6), "as much": (0.8, 1.2)},
        "lead": {"less often": (0, 0.7), "as often": (0.9, 1.1), "more often": (1.5, math.inf)},
    }[name]
    return next((word for word, (least, most) in bands.items() if least <= ratio <= most), None)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_predictions_are_what_the_notebook_measures(seed):
    space = {}
    exec(given("def clearly_apart"), space)
    exec(given("def measure").replace("default_rng(0)", f"default_rng({seed})"), space)
    found = {name: words(name, *pair) for name, pair in space["measure"]().items()}
    assert found == {name: measured for group in TO_PREDICT.values() for name, (_, measured) in group.items()}


def test_the_table_offers_what_the_check_takes():
    (table,) = [
        cell.source for cell in nbformat.read(solution_path(EXERCISE), 4).cells if cell.id == "q6-text"
    ]
    lines = [line.split("|") for line in table.splitlines() if line.startswith("| `")]
    offered = {cells[1].strip(" `"): tuple(re.findall(r'"([^"]+)"', cells[3])) for cells in lines}
    assert offered == {name: choices for group in TO_PREDICT.values() for name, (choices, _) in group.items()}


SPACE = """
def space_files(app, title, versions, secrets):
    leaks = [name for name, value in secrets.items() if value in app or value in title]
    if leaks:
        return {}, "Take the value out of the text and set it as a secret of the Space: " + ", ".join(leaks)
    import yaml
    header = {"title": title, "sdk": "gradio", "sdk_version": versions["gradio"], "app_file": "app.py"}
    needed = "\\n".join(f"{name}=={version}" for name, version in versions.items() if name != "gradio")
    return {"README.md": "---\\n" + yaml.safe_dump(header) + "---\\n", "requirements.txt": needed, "app.py": app}, ""
"""
BY_LIBRARY = SPACE.replace("import yaml", "from huggingface_hub import SpaceCardData").replace("yaml.safe_dump(header)", "SpaceCardData(**header, license='mit').to_yaml() + '\\n'")  # fmt: skip
BY_HAND = SPACE.replace(
    "yaml.safe_dump(header)",
    r"'\n'.join(k + ': \'' + v.replace('\'', '\'\'') + '\'' for k, v in header.items()) + '\n'",
)


def test_files_of_a_space():
    result = judged(
        "q7",
        wrong={
            SPACE.replace("yaml.safe_dump(header)", "'\\n'.join(f'{k}: {v}' for k, v in header.items()) + '\\n'"): "to be YAML",
            SPACE.replace("yaml.safe_dump(header)", "'\\n'.join(f'{k}: {v}' if k != 'title' else 'title: ' + json.dumps(v) for k, v in header.items()) + '\\n'"): "sdk_version in the header",
            SPACE.replace("yaml.safe_dump(header)", "'\\n'.join(f'{k}: \"{v}\"' for k, v in header.items()) + '\\n'"): "to be YAML",
            SPACE.replace('"---\\n" + ', ""): "to begin with a header",
            SPACE.replace('"sdk": "gradio"', '"sdk": "streamlit"'): "sdk in the header",
            SPACE.replace(', "app_file": "app.py"', ""): "'app_file'",
            SPACE.replace("=={version}", ">={version}"): "requirements.txt to hold the line",
            SPACE.replace('if name != "gradio")', 'if name != "gradio") + "\\npandas"'): "no other lines",
            SPACE.replace(" or value in title", ""): "stands in app or title",
            SPACE.replace("if value in app or value in title", "if name in app or name in title"): "from os.environ, as it should",
            SPACE.replace("if value in app or value in title", "if value in app or value in title or name in app"): "from os.environ, as it should",
            SPACE.replace('", ".join(leaks)', '", ".join(map(str, secrets.items()))'): "to keep its value to itself",
            SPACE.replace('", ".join(leaks)', '"all of it"'): "the message to name",
            SPACE.replace("return {},", "return {'app.py': app},"): "the files where the value of",
            SPACE.replace(', ""\n', "\n"): "space_files(…)",
        },
        right=[SPACE, BY_LIBRARY, BY_HAND, SPACE.replace(' if name != "gradio")', ")")],
    )  # fmt: skip
    assert [report.points for report in result.wrong[:4]] == [2, 2, 2, 2]
    assert result.wrong[8].points == 2


UNMET = """
def unmet(plan, files):
    import numpy as np
    runs = json.loads(files["results.json"])["runs"]
    claim = plan["claim"]
    rows = {len(run["scores"]) for run in runs}
    names = [run["method"] for run in runs]
    seeds = {name: {run["seed"] for run in runs if run["method"] == name} for name in names}
    wrong = set()
    if plan["baseline"] not in names or len(rows) != 1:
        wrong.add("baseline")
    if plan["chosen_on"] != "validation":
        wrong.add("method")
    if claim["method"] not in names or claim["against"] not in names:
        wrong |= {"evidence", "told"}
    else:
        mine, theirs = (np.mean([run["scores"] for run in runs if run["method"] == claim[side]], axis=0) for side in ("method", "against"))
        gain = mine - theirs
        half = 1.96 * gain.std(ddof=1) / len(gain) ** 0.5
        if min(len(seeds[claim["method"]]), len(seeds[claim["against"]])) < 2 or abs(gain.mean()) <= half:
            wrong.add("evidence")
        if abs(gain.mean() - claim["change"]) > 0.005:
            wrong.add("told")
    for word in plan["command"].split():
        if word.endswith((".py", ".sh", ".yaml", ".json", ".txt")) and word not in files:
            wrong.add("reproducible")
    if plan["seconds"] > 180:
        wrong.add("told")
    return wrong
"""


def test_project():
    result = judged(
        "q9",
        wrong={
            UNMET.replace(" or len(rows) != 1", ""): "three rows less",
            UNMET.replace('plan["baseline"] not in names or ', ""): "whose baseline was never run",
            UNMET.replace('!= "validation"', '== "training"'): "chosen on the test rows",
            UNMET.replace('{run["seed"] for run in runs if run["method"] == name}', '[run["seed"] for run in runs if run["method"] == name]'): "was copied",
            UNMET.replace('min(len(seeds[claim["method"]]), len(seeds[claim["against"]])) < 2 or ', ""): "with one seed of",
            # unpaired: the intervals of the two means must not touch
            UNMET.replace("half = 1.96 * gain.std(ddof=1)", "half = 1.96 * (mine.std(ddof=1) + theirs.std(ddof=1))"): "in which all is well",
            UNMET.replace("abs(gain.mean()) <= half", "gain.mean() <= 0"): "whose difference has an interval around 0",
            UNMET.replace("abs(gain.mean()) <= half", "gain.mean() <= half"): "claims a loss, and shows it",
            UNMET.replace(" and word not in files", ""): "in which all is well",
            UNMET.replace('".py", ', ""): "a project without",
            UNMET.replace("> 0.005", "> 0.05"): "from its results",
            UNMET.replace("> 0.005", "> 0.001"): "what is unmet in",
            UNMET.replace("abs(gain.mean() - claim[\"change\"]) > 0.005", "gain.mean() - claim[\"change\"] > 0.005"): "+0.02 from its results",
            UNMET.replace('plan["seconds"] > 180', 'plan["seconds"] > 200'): "181 seconds",
            UNMET.replace('wrong |= {"evidence", "told"}', "pass"): "a method without runs",
            UNMET.replace("return wrong", "return not wrong"): "to be a list or a tuple or a set",
            UNMET.replace("return wrong", "return sorted(wrong)[:1]"): "a method without runs",
            UNMET.replace('min(len(seeds[claim["method"]]), len(seeds[claim["against"]])) < 2', 'len(seeds[claim["method"]]) < 2'): "with one seed of",
        },
        right=[
            UNMET,
            UNMET.replace("return wrong", "return tuple(sorted(wrong, reverse=True))"),
            answer_source(EXERCISE, "q9").replace("return found", "return [str(name) for name in found]"),
        ],
    )  # fmt: skip
    assert [report.points for report in result.wrong[:5]] == [3, 3, 2, 3, 3]
    assert [report.points for report in result.wrong[12:15]] == [3] * 3
