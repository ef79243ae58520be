"""What is drawn, one function a kind of picture; each can be read in black and white.

Every function returns a matplotlib Figure, which a notebook shows when it is the last line of a cell.
Pictures are told apart by shades, hatches and dashes instead of colours, and have labels with units.
"""

from course_utils.plots.bars import grouped_bars, memory_shares, ranking, start_and_end
from course_utils.plots.commit_graph import commit_graph
from course_utils.plots.concept_maps import ecosystem, families, making_of_a_mark
from course_utils.plots.diagrams import Arrow, Box, diagram
from course_utils.plots.grids import attention_map, heat_map, shades, token_grid
from course_utils.plots.images import picture_sheet
from course_utils.plots.intervals import coverage, trade_off, whiskers
from course_utils.plots.lines import costs, curves, learning_curve, loss_curve, paths, score_curves
from course_utils.plots.panels import Panel, histograms, method_panels, scatter_rows
from course_utils.plots.read_back import figure_as_data
from course_utils.plots.timelines import spans, timetable

__all__ = [
    "Arrow",
    "Box",
    "Panel",
    "attention_map",
    "commit_graph",
    "costs",
    "coverage",
    "curves",
    "diagram",
    "ecosystem",
    "families",
    "figure_as_data",
    "grouped_bars",
    "heat_map",
    "histograms",
    "learning_curve",
    "loss_curve",
    "making_of_a_mark",
    "memory_shares",
    "method_panels",
    "paths",
    "picture_sheet",
    "ranking",
    "scatter_rows",
    "score_curves",
    "shades",
    "spans",
    "start_and_end",
    "timetable",
    "token_grid",
    "trade_off",
    "whiskers",
]
