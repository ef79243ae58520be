"""Prompt, collect data, train, or leave it: a decision with its thresholds in the open.

The thresholds are judgements and no laws of nature: each has a name here, and a
lesson or a project can pass its own.
"""

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Case:
    """What has to be known before one can decide. Scores are shares from 0 to 1, money is in dollars.

    prompt_score: what the best prompt reaches on your own rows, the lower end of its interval.
    needed_score: below this nobody would use it.
    trained_score: what training on the rows at hand is expected to reach, from a learning curve.
    labelled_rows: rows with checked labels at hand.
    data_may_leave: whether the texts may be sent to somebody else's model.
    monthly_requests, prompt_price, trained_price: how many there are, and what 1,000 of them cost either way.
    training_price: what training costs once, people's time included. months: how long it will be in use.
    """

    prompt_score: float
    needed_score: float
    trained_score: float
    labelled_rows: int
    data_may_leave: bool
    monthly_requests: int
    prompt_price: float
    trained_price: float
    training_price: float
    months: int = 12

    def __post_init__(self) -> None:
        for name in ("prompt_score", "needed_score", "trained_score"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give a share from 0 to 1.")
        for field in fields(self):
            if field.type in (int, float) and getattr(self, field.name) < 0:
                raise ValueError(f"{field.name} is {getattr(self, field.name)}; it can't be below 0.")


@dataclass(frozen=True)
class Thresholds:
    """least_rows: fewer labelled rows can neither train nor test a model. least_saving: training for money's
    sake alone has to save this factor, since its costs are usually underestimated. close: how near to the
    needed score a model has to come to make more data worth while.
    """

    least_rows: int = 100
    least_saving: float = 2.0
    close: float = 0.10


@dataclass(frozen=True)
class Decision:
    """choice: "prompt", "train", "collect data" or "leave it". reasons:
    sentences, in the order of the thoughts.
    """

    choice: str
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([self.choice, *(f"  - {reason}" for reason in self.reasons)])


def costs(case: Case) -> tuple[float, float]:
    """(prompting, training) over the whole time of use, in dollars."""
    thousands = case.monthly_requests * case.months / 1000
    return thousands * case.prompt_price, case.training_price + thousands * case.trained_price


def decide(case: Case, thresholds: Thresholds | None = None) -> Decision:
    """The `Decision` for a `Case`."""
    thresholds = thresholds or Thresholds()
    prompting, training = costs(case)
    enough_rows = case.labelled_rows >= thresholds.least_rows
    good_prompt = case.data_may_leave and case.prompt_score >= case.needed_score
    good_model = enough_rows and case.trained_score >= case.needed_score
    money = (
        f"over {case.months} months a prompt costs {prompting:,.0f} dollars and a model of your own "
        f"{training:,.0f}"
    )
    if good_prompt:
        reasons = [f"the prompt reaches {case.prompt_score:.2f}, needed are {case.needed_score:.2f}", money]
        if good_model and prompting >= thresholds.least_saving * training:
            return Decision(
                "train",
                (
                    *reasons,
                    f"training is good enough and saves a factor of {thresholds.least_saving:g} or more",
                ),
            )
        return Decision("prompt", tuple(reasons))
    reasons = [_why_not_prompt(case)]
    if good_model:
        return Decision("train", (*reasons, f"training is expected to reach {case.trained_score:.2f}", money))
    if not enough_rows:
        reasons.append(
            f"{case.labelled_rows} labelled rows are fewer than {thresholds.least_rows}: too few to train, "
            "and to test anything"
        )
        return Decision("collect data", tuple(reasons))
    missing = case.needed_score - case.trained_score
    reasons.append(f"training on {case.labelled_rows} rows is expected to fall short by {missing:.2f}")
    if missing <= thresholds.close:
        return Decision("collect data", (*reasons, "that is near enough for more rows to close the gap"))
    return Decision(
        "leave it",
        (
            *reasons,
            "more rows of the same kind will hardly close that: change the task, or what is asked of it",
        ),
    )


def _why_not_prompt(case: Case) -> str:
    if not case.data_may_leave:
        return "the texts may not leave the house, so somebody else's large model is out"
    return f"the prompt reaches {case.prompt_score:.2f}, and {case.needed_score:.2f} are needed"


def break_even(case: Case) -> float:
    """How many requests a month make training as cheap as prompting; infinite if they never do."""
    saved = case.prompt_price - case.trained_price
    return float("inf") if saved <= 0 else 1000 * case.training_price / (saved * case.months)
