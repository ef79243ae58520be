"""A repository's history as a picture: its commits, and the names that point at them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from textwrap import fill
from typing import TYPE_CHECKING, Any, NamedTuple

from course_utils.plots.figure import figure

if TYPE_CHECKING:
    from huggingface_hub import GitRefInfo, HfApi
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class GraphNode(NamedTuple):
    """depth: how many commits came before it. lane: 0 for main's, and one more
    for each branch that left it.
    """

    commit_id: str
    title: str
    depth: int
    lane: int
    parent: str | None


def commits_of(api: HfApi, repo_id: str, branches: Iterable[GitRefInfo]) -> dict[str, GraphNode]:
    """Every commit that one of the branches leads to, as {commit id: GraphNode},
    main's first; asks `api`, an HfApi.
    """
    names = sorted((ref.name for ref in branches), key=lambda name: (name != "main", name))
    found: dict[str, GraphNode] = {}
    for lane, branch in enumerate(names):
        parent: str | None = None
        for depth, each in enumerate(reversed(api.list_repo_commits(repo_id, revision=branch))):
            found.setdefault(each.commit_id, GraphNode(each.commit_id, each.title, depth, lane, parent))
            parent = each.commit_id
    return found


def commit_graph(api: HfApi, repo_id: str) -> Figure:
    """Commits from old to new, one lane a branch; branches name the last of theirs,
    tags stay where they were put.

    Histories that were merged are drawn as their first parents have them.
    """
    refs = api.list_repo_refs(repo_id)
    commits = commits_of(api, repo_id, refs.branches)
    lanes = 1 + max(each.lane for each in commits.values())
    width = 1 + max(each.depth for each in commits.values())
    title = f"{repo_id}, from old to new. Grey: branches, which move. White: tags, meant to stay."
    made, axes = figure(title, width=1.6 * (width + 1), height=1.2 * lanes + 0.9, title_size=10)
    for each in commits.values():
        _draw(axes, each, commits.get(each.parent or ""))
    for names, look in ((refs.branches, _branch), (refs.tags, _tag)):
        others: Counter[str] = Counter()  # of the same kind that name a commit, drawn so far
        for ref in names:
            if ref.target_commit in commits:
                look(axes, ref.name, commits[ref.target_commit], others[ref.target_commit])
                others[ref.target_commit] += 1
    axes.set_xlim(-0.5, width + 0.1)
    axes.set_ylim(0.3 - lanes, 0.5)
    axes.set_axis_off()
    return made


def _draw(axes: Axes, commit: GraphNode, parent: GraphNode | None) -> None:
    """A commit with its id and title, and the line from the one before it."""
    if parent:
        axes.plot([parent.depth, commit.depth], [-parent.lane, -commit.lane], color="0.45", zorder=1)
    axes.plot(commit.depth, -commit.lane, "o", color="white", markeredgecolor="black", markersize=12)
    text = f"{commit.commit_id[:8]}\n{fill(commit.title, 18)}"
    _say(
        axes,
        text,
        commit,
        (0, -11),
        va="top",
        fontsize=8,
        bbox={"pad": 1, "facecolor": "white", "edgecolor": "none"},
    )


def _branch(axes: Axes, name: str, commit: GraphNode, others: int) -> None:
    """To the right of the branch's last commit; what names the same commit stands below."""
    _say(
        axes,
        name,
        commit,
        (14, -20 * others),
        ha="left",
        va="center",
        bbox={"boxstyle": "square", "facecolor": "0.85"},
    )


def _tag(axes: Axes, name: str, commit: GraphNode, others: int) -> None:
    """Above its commit, and above the tags that name the same."""
    _say(axes, name, commit, (0, 15 + 20 * others), bbox={"boxstyle": "round", "facecolor": "white"})


def _say(
    axes: Axes, text: str, commit: GraphNode, offset: tuple[float, float], ha: str = "center", **look: Any
) -> None:
    place = (commit.depth, -commit.lane)
    axes.annotate(text, place, offset, textcoords="offset points", ha=ha, **({"fontsize": 9} | look))
