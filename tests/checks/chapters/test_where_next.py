"""Every question of exercise 12: the solution, the stub, wrong answers with the message they get, other right ways."""

import math

import pytest

from course_utils.checks import render
from course_utils.checks.chapters import where_next
from course_utils.checks.testing import answer_source, changed_answer, judge_source, judged_well

EXERCISE = "12_where_next"
IMPORTS = """
import json, math, re
import numpy as np
import torch
from torch.nn import functional
"""


def judged(question, *, wrong, right):
    return judged_well(EXERCISE, question, wrong=wrong, right=right, before=IMPORTS)


def test_forecast():
    right = answer_source(EXERCISE, "q1")
    result = judged(
        "q1",
        wrong={
            right.replace('gain 2": "same"', 'gain 2": "lower"'): "before and",
            right.replace('more": "lower"', 'more": "higher"'): "both replies lose",
            right.replace('better": "higher"', 'better": "lower"'): "the reference likes",
            right.replace('doubles": "lower"', 'doubles": "higher"'): "beta doubles",
            right.replace('"same"', '"unchanged"'): "to be one of",
            right.replace('"beta doubles": "lower",', ""): "the key 'beta doubles'",
        },
        right=[
            "def forecast():\n    return dict(zip(['both replies gain 2', 'both replies lose, the rejected one more', "
            "'the reference likes the chosen reply better', 'beta doubles'], ['same', 'lower', 'higher', 'lower']))",
            right.replace("return {", "found = {") + "\n    return found",
        ],
    )
    assert result.wrong[0].points == 3, "each change counts for itself"


LOSS = """
def dpo_loss(chosen, rejected, reference_chosen, reference_rejected, beta):
    margin = beta * (chosen - rejected - reference_chosen + reference_rejected)
    return functional.softplus(-margin).mean().item()

def dpo_gradients(chosen, rejected, reference_chosen, reference_rejected, beta):
    margin = beta * (chosen - rejected - reference_chosen + reference_rejected)
    slope = -beta * torch.sigmoid(-margin) / len(margin)
    return [slope, -slope]
"""


def test_loss():
    result = judged(
        "q2",
        wrong={
            LOSS.replace("softplus(-margin)", "softplus(margin)"): "the loss of seven pairs",
            LOSS.replace(".mean()", ".sum()"): "the loss of seven pairs",
            LOSS.replace(" - reference_chosen + reference_rejected", ""): "the loss of seven pairs",
            LOSS.replace("functional.softplus(-margin)", "-torch.log(torch.sigmoid(margin))"): "margins of",
            LOSS.replace("[slope, -slope]", "[-slope, slope]"): "the gradient for the chosen",
            LOSS.replace(" / len(margin)", ""): "the gradient for the chosen",
            LOSS.replace(".mean().item()", ""): "to be a whole number or a number",
        },
        right=[
            LOSS,
            LOSS.replace(
                "functional.softplus(-margin)", "torch.logaddexp(torch.zeros_like(margin), -margin)"
            ),
        ],
    )
    assert [report.points for report in result.wrong[3:6]] == [3, 3, 3]


REPLY = """
def reply_log_probability(logits, tokens, begin):
    logs = torch.log_softmax(logits, dim=-1)
    return sum(logs[place - 1, tokens[place]].item() for place in range(begin, len(tokens)))
"""


def test_reply():
    judged(
        "q3",
        wrong={
            REPLY.replace("logs[place - 1,", "logs[place,"): "logits are about the next token",
            REPLY.replace("range(begin,", "range(1,"): "with another prompt",
            REPLY.replace("range(begin,", "range(begin + 1,"): "to count the reply's first token too",
            REPLY.replace("torch.log_softmax(logits, dim=-1)", "logits"): "the sum over the reply",
            REPLY.replace("return sum(", "return -sum("): "a log probability, below 0",
        },
        right=[
            REPLY,
            "def reply_log_probability(logits, tokens, begin):\n"
            "    return -functional.cross_entropy(logits[begin - 1 : -1], tokens[begin:], reduction='sum')",
        ],
    )


SWAP = """
def counterfactual(text, pairs):
    partners = {**pairs, **{other: name for name, other in pairs.items()}}
    return "".join(partners.get(word, word) for word in re.split(r"(\\W+)", text))
"""


def test_counterfactual():
    result = judged(
        "q4",
        wrong={
            "def counterfactual(text, pairs):\n    for one, other in pairs.items():\n"
            "        text = re.sub(rf'\\b{one}\\b', other, text)\n    return text": "both ways",
            "def counterfactual(text, pairs):\n    for one, other in pairs.items():\n"
            "        text = text.replace(one, '#').replace(other, one).replace('#', other)\n"
            "    return text": "whole words only",
            SWAP.replace('"".join(', '" ".join('): "each name becomes its partner",
            SWAP.replace('re.split(r"(\\W+)", text)', "text.split(' ')"): "counterfactual(",
            changed_answer(
                EXERCISE,
                "q4",
                ("found: partners[found[0]], text", "found: lower[found[0].lower()], text, flags=re.I"),
                (
                    '    names = "|"',
                    '    lower = {name.lower(): other for name, other in partners.items()}\n    names = "|"',
                ),
            ): "you may go",
            "def counterfactual(text, pairs):\n    return text": "each name becomes its partner",
        },
        right=[SWAP, SWAP.replace(r"(\W+)", r"\b")],
    )
    assert result.wrong[1].points == 2, "only the names inside words are wrong there"


GAP = """
def counterfactual_gap(first, second, seed):
    changes = [one - other for one, other in zip(first, second)]
    gap = sum(changes) / len(changes)
    drawn = np.random.default_rng(seed).integers(0, len(changes), size=(1000, len(changes)))
    error = np.array(changes)[drawn].mean(axis=1).std()
    flips = sum((one > 0.5) != (other > 0.5) for one, other in zip(first, second)) / len(first)
    return {"gap": gap, "low": gap - 1.96 * error, "high": gap + 1.96 * error, "flips": flips}
"""


#: No bootstrap at all: the normal law's interval
NORMAL = GAP.replace("np.array(changes)[drawn].mean(axis=1).std()", "np.std(changes) / len(changes) ** 0.5")


def test_gap():
    result = judged(
        "q5",
        wrong={
            GAP.replace("[one - other for", "[other - one for"): "the mean of first - second",
            GAP.replace("[one - other for", "[abs(one - other) for"): "the mean of first - second",
            GAP.replace("1.96 * error", "1.96 * (np.var(first) / 100) ** 0.5"): "pair by pair",
            GAP.replace("1.96 * error", "0.5 * error"): "pair by pair",
            GAP.replace("1.96 * error", "1.645 * error"): "as a share of a 95 % interval's",
            GAP.replace("1.96 * error", "2.576 * error"): "as a share of a 95 % interval's",
            GAP.replace("(one > 0.5) != (other > 0.5)", "one > 0.5 >= other"): "either way",
            GAP.replace("(one > 0.5) != (other > 0.5)", "one != other"): "verdicts that flip",
            GAP.replace("(one > 0.5) !=", "(one >= 0.5) !="): "verdicts that flip",
            GAP.replace(
                "(one > 0.5) != (other > 0.5)", "(one >= 0.5) != (other >= 0.5)"
            ): "verdicts that flip",
            NORMAL: "a bootstrap interval, drawn with `seed`",
            GAP.replace("default_rng(seed)", "default_rng(0)"): "a bootstrap interval, drawn with `seed`",
            GAP.replace("default_rng(seed)", "default_rng()"): "with the same seed, asked again",
            GAP.replace('"flips": flips', '"share": flips'): "the key 'flips'",
        },
        right=[
            GAP,
            GAP.replace("1.96", "2"),
            changed_answer(EXERCISE, "q5", ("1000", "200")),
            changed_answer(
                EXERCISE, "q5", ("np.random.default_rng(seed)", "np.random.default_rng([seed, 5])")
            ),
        ],
    )
    assert [report.points for report in result.wrong[:12]] == [2] * 12, "each slip costs its own part alone"


ELBO = """
def elbo_parts(pixels, rebuilt, mean, log_variance, spread):
    from torch.distributions import Normal, kl_divergence
    cloud = Normal(mean, torch.exp(log_variance / 2))
    divergence = kl_divergence(cloud, Normal(torch.zeros_like(mean), torch.ones_like(mean))).sum(1)
    return [Normal(rebuilt, spread).log_prob(pixels).sum(1), divergence]
"""


def test_elbo():
    right = answer_source(EXERCISE, "q6")
    result = judged(
        "q6",
        wrong={
            ELBO.replace(
                "torch.exp(log_variance / 2)", "torch.exp(log_variance)"
            ): "the divergence of each code",
            ELBO.replace(".sum(1)", ".mean(1)"): "log p(picture | code)",
            ELBO.replace(".sum(1)", ".sum()"): "shape",
            right.replace(" - 0.5 * math.log(2 * math.pi)", ""): "log p(picture | code)",
            right.replace("divergence = 0.5 *", "divergence = -0.5 *"): "the divergence of each code",
        },
        right=[ELBO, right.replace("errors**2", "errors.pow(2)")],
    )
    assert [result.wrong[0].points, result.wrong[3].points] == [1, 2]


def test_map():
    right = answer_source(EXERCISE, "q7")
    result = judged(
        "q7",
        wrong={
            right.replace('"GAN": "H"', '"GAN": "D"'): "map_of_ideas()['GAN']",
            right.replace('"VAE": "D"', '"VAE": "B"'): "adds noise in many fixed steps",
            right.replace('"Transformer": "F"', '"Transformer": "A"'): "map_of_ideas()['Transformer']",
            right.replace('"preference tuning": "C"', '"preference tuning": "GAN"'): "to be one of",
            right.replace('"GAN": "H",', ""): "the key 'GAN'",
        },
        right=[
            "def map_of_ideas():\n    return dict(zip(['language model', 'diffusion', 'preference tuning', 'VAE', "
            "'autoencoding text', 'Transformer', 'text to image', 'GAN'], 'ABCDEFGH'))",
            right.replace("return {", "found = {") + "\n    return found",
        ],
    )
    assert result.wrong[0].points == 2, "the groups count for themselves"


FAULTS = """
def faults(checklist, files):
    results, found = json.loads(files["results.json"]), set()
    if not set(checklist["files"]) <= set(files):
        found.add("files")
    if abs(checklist["accuracy"] - results["accuracy"]) > 0.0051:
        found.add("accuracy")
    if checklist["n"] != results["n"]:
        found.add("n")
    found |= {name for name in ("licence", "limitations") if checklist[name].strip() == ""}
    return found
"""


def test_faults():
    result = judged(
        "q8",
        wrong={
            FAULTS.replace("> 0.0051", "!= 0"): "an honest list",
            FAULTS.replace(
                'abs(checklist["accuracy"] - results["accuracy"]) > 0.0051',
                'round(checklist["accuracy"], 2) != round(results["accuracy"], 2)',
            ): "0.0025 from the results",
            FAULTS.replace("abs(checklist", "(checklist"): "-0.02 from the results",
            FAULTS.replace(".strip() ==", " =="): "two empty lines",
            FAULTS.replace(
                'not set(checklist["files"]) <= set(files)', 'not checklist["files"]'
            ): "which is not there",
            FAULTS.replace('checklist["n"] != results["n"]', "False"): "another n",
            FAULTS.replace("return found", "return bool(found)"): "to be a list",
        },
        right=[FAULTS, FAULTS.replace("return found", "return sorted(found)")],
    )
    assert [report.points for report in result.wrong[1:4]] == [3, 3, 3]


REWARDS = """
def reward_loss(chosen, rejected):
    return functional.softplus(rejected - chosen).mean()

def advantages(rewards):
    middle = rewards - rewards.mean(1, keepdim=True)
    return middle / (rewards.std(1, keepdim=True) + 1e-6)
"""


def test_rewards():
    result = judged(
        "q10",
        wrong={
            REWARDS.replace("rejected - chosen", "chosen - rejected"): "the reward model's loss",
            REWARDS.replace("functional.softplus(rejected - chosen).mean()", "(rejected - chosen).mean()"): (
                "the reward model's loss"
            ),
            REWARDS.replace(
                "functional.softplus(rejected - chosen)", "-torch.log(torch.sigmoid(chosen - rejected))"
            ): "thousands apart",
            REWARDS.replace("1, keepdim=True", ""): "the replies to the same prompt",
            REWARDS.replace(
                ".mean(1, keepdim=True)", ".mean(0, keepdim=True)"
            ): "each reward against its own",
            REWARDS.replace(" / (rewards.std(1, keepdim=True) + 1e-6)", ""): "each reward against its own",
            REWARDS.replace(" + 1e-6", ""): "0 / 0",
        },
        right=[
            REWARDS,
            REWARDS.replace(
                "middle / (rewards.std(1, keepdim=True) + 1e-6)",
                "torch.nan_to_num(middle / rewards.std(1, keepdim=True))",
            ).replace("functional.softplus(rejected - chosen)", "-functional.logsigmoid(chosen - rejected)"),
        ],
    )
    assert result.wrong[6].points == 3


VERDICT = """
def verdict(log, promise):
    import numpy as np
    ours = [line for line in log if line["version"] == promise["version"]]
    if len(ours) == 0:
        return "nothing"
    times = [line["milliseconds"] for line in ours]
    if np.percentile(times, 95, method="inverted_cdf") > promise["milliseconds"]:
        return "go back"
    marks = [line["right"] for line in ours if line["right"] is not None]
    if len(marks) < promise["marks"]:
        return "mark more"
    share = sum(marks) / len(marks)
    reach = 1.96 * (share * (1 - share) / len(marks)) ** 0.5
    return "go back" if share + reach < promise["accuracy"] else "keep"
"""


def test_verdict():
    result = judged(
        "q11",
        wrong={
            VERDICT.replace("share + reach <", "share <"): "a little below the promise but not for sure",
            VERDICT.replace("share + reach <", "share - reach <"): "a little below the promise but not for sure",
            VERDICT.replace(' if line["right"] is not None', ""): "TypeError",
            VERDICT.replace('line["right"] for line in ours if line["right"] is not None', 'bool(line["right"]) for line in ours'): "not marked",
            VERDICT.replace('len(marks) < promise["marks"]', 'len(marks) <= promise["marks"]'): "just as many marks as it takes",
            VERDICT.replace('    if len(marks) < promise["marks"]:\n        return "mark more"\n', ""): "where it takes",
            VERDICT.replace('np.percentile(times, 95, method="inverted_cdf")', "max(times)"): "10 came later",
            VERDICT.replace('np.percentile(times, 95, method="inverted_cdf")', "np.mean(times)"): "11 came later",
            VERDICT.replace('for line in ours]\n', 'for line in ours if line["right"] is not None]\n', 1): "those that nobody marked",
            VERDICT.replace('[line for line in log if line["version"] == promise["version"]]', "log"): "poor and late lines of",
            VERDICT.replace('    if len(ours) == 0:\n        return "nothing"\n', ""): "this version's lines only",
            VERDICT.replace('"nothing"', "None"): "to be a text",
            # too few marks come before slow answers
            VERDICT.replace("    times = [", '    if len([line for line in ours if line["right"] is not None]) < promise["marks"]:\n        return "mark more"\n    times = ['): "half of the lines late",
        },
        right=[
            VERDICT,
            VERDICT.replace('return "nothing"', 'return np.str_("nothing")'),
            answer_source(EXERCISE, "q11").replace("math.ceil(0.95 * len(times)) - 1", "-(-19 * len(times) // 20) - 1"),
        ],
    )  # fmt: skip
    assert [report.points for report in result.wrong[:5]] == [2] * 5


@pytest.mark.parametrize("question", ["q1", "q2", "q3", "q4", "q5", "q6", "q7", "q8", "q10", "q11"])
def test_the_solution_is_right_on_many_draws(question):
    for number in range(12):
        report = judge_source(
            EXERCISE, question, answer_source(EXERCISE, question), before=IMPORTS, secret=b"%d" % number
        )
        assert report.points == report.max_points, render.report_text(report)


def test_the_checks_own_loss_and_elbo():
    import torch

    assert where_next.dpo_loss([0.0], [0.0], [0.0], [0.0], 0.3) == pytest.approx(math.log(2))
    nothing = torch.zeros(1, 2)
    likelihood, divergence = where_next.elbo(nothing, nothing, nothing, nothing, 1.0)
    assert likelihood.item() == pytest.approx(-math.log(2 * math.pi)) and divergence.item() == 0


def test_the_statements_belong_to_the_families_of_the_map():
    from course_utils.plots.concept_maps import FAMILIES

    assert set(where_next.CLAIMS) == set(where_next.LETTERS) == set(FAMILIES)
    assert sorted(name for group in where_next.GROUPS.values() for name in group) == sorted(where_next.CLAIMS)


def test_the_notebook_lists_the_same_statements():
    from course_utils.checks.testing import solution_path

    text = solution_path(EXERCISE).read_text(encoding="utf-8")
    for family, letter in where_next.LETTERS.items():
        assert f"- **{letter}** {where_next.CLAIMS[family]}" in text.replace("\\u00f7", "÷")
