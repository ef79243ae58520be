"""What is drawn, one function a kind of picture; each can be read in black and white."""

from course_utils.plots.charts import (
    curves,
    grouped_bars,
    heat_map,
    histograms,
    loss_curve,
    ranking,
    score_curves,
    token_grid,
    trade_off,
)
from course_utils.plots.comparison import coverage_picture, learning_curve, shades, whiskers

__all__ = [
    "coverage_picture",
    "curves",
    "grouped_bars",
    "heat_map",
    "histograms",
    "learning_curve",
    "loss_curve",
    "ranking",
    "score_curves",
    "shades",
    "token_grid",
    "trade_off",
    "whiskers",
]
