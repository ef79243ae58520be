"""The picture of a repository shows each commit once, in its lane, and every name at its commit."""

from types import SimpleNamespace

import matplotlib
import pytest

from course_utils.hub import LocalHub
from course_utils.plots.commit_graph import commit_graph, commits_of

matplotlib.use("agg")


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    """A repository with four commits on main, a branch that left at the third, and a tag there."""
    from huggingface_hub import HfApi

    with LocalHub(tmp_path_factory.mktemp("hub")):
        api = HfApi()
        api.create_repo("me/x")

        def commit(title, branch="main"):
            api.upload_file(
                path_or_fileobj=title.encode(),
                path_in_repo="a.txt",
                repo_id="me/x",
                revision=branch,
                commit_message=title,
            )

        commit("First")
        commit("Second")
        api.create_tag("me/x", tag="v1")
        api.create_tag("me/x", tag="v1-again")
        commit("Third")
        api.create_branch("me/x", branch="a-branch", revision="v1")
        commit("Elsewhere", "a-branch")
        yield api


def test_commits_have_their_depth_their_lane_and_their_parent(api):
    commits = commits_of(api, "me/x", api.list_repo_refs("me/x").branches)
    places = {each.title: (each.depth, each.lane) for each in commits.values()}
    assert places == {
        "initial commit": (0, 0),
        "First": (1, 0),
        "Second": (2, 0),
        "Third": (3, 0),
        "Elsewhere": (3, 1),
    }
    parents = {each.title: commits[each.parent].title for each in commits.values() if each.parent}
    assert parents == {"First": "initial commit", "Second": "First", "Third": "Second", "Elsewhere": "Second"}


def test_every_commit_and_every_name_is_drawn_at_its_place(api):
    [axes] = commit_graph(api, "me/x").axes
    places = {text.get_text().split("\n")[-1]: text.xy for text in axes.texts}
    assert places["main"] == places["Third"] == (3, 0)
    assert places["a-branch"] == places["Elsewhere"] == (3, -1)
    assert places["v1"] == places["v1-again"] == places["Second"] == (2, 0)
    assert len(axes.texts) == 5 + 4


def test_no_two_texts_stand_on_each_other(api):
    figure = commit_graph(api, "me/x")
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert not any(one.overlaps(other) for number, one in enumerate(boxes) for other in boxes[:number])


def test_a_name_that_points_outside_is_left_out():
    commit = SimpleNamespace(commit_id="a" * 40, title="Only")
    refs = SimpleNamespace(
        branches=[SimpleNamespace(name="main", target_commit="a" * 40)],
        tags=[SimpleNamespace(name="lost", target_commit="b" * 40)],
    )
    api = SimpleNamespace(list_repo_refs=lambda _: refs, list_repo_commits=lambda _, revision: [commit])
    assert [text.get_text() for text in commit_graph(api, "x").axes[0].texts] == ["aaaaaaaa\nOnly", "main"]
