"""What the market has added: newer cards and models beside those of `cost`, and what an hour costs.

Three tables lie here, each line with its source. They are a package of their own, so that a price that
changes runs no notebook again but the one that shows it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from course_utils.measure import cost

if TYPE_CHECKING:
    import pandas

HERE = Path(__file__).parent


def accelerators() -> dict[str, cost.Accelerator]:
    """{name: `cost.Accelerator`}: those of `cost`, and then the newer ones."""
    return cost.accelerators() | cost.accelerators(HERE / "accelerators.csv")


def models() -> dict[str, cost.Dimensions]:
    """{name: `cost.Dimensions`}: those of `cost` with the newer ones, from the smallest to the largest."""
    known = cost.models() | cost.models(HERE / "models.csv")
    return dict(sorted(known.items(), key=lambda item: (item[1].family != "t5", cost.parameters(item[1]))))


def providers() -> pandas.DataFrame:
    """What was asked for an hour of a card, in dollars: card, provider, low, high, month, source."""
    import pandas

    return pandas.read_csv(HERE / "providers.csv")
