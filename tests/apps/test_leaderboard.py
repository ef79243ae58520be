"""`course leaderboard`: everything handed in is evaluated or refused with a reason; nothing of it is believed."""

import pytest

from course_utils.apps import leaderboard
from course_utils.apps.contestants import Unusable


@pytest.fixture(scope="module")
def board(handed_in):
    return leaderboard.evaluated(handed_in, rows=20, seed=5)


def test_a_copy_of_the_base_shares_its_place(board):
    places = {standing.marks.name: standing.place for standing in board.standings}
    assert places == {"base": 1, "ada": 1, "cy <b>": 1, "ben": 4}


def test_what_cannot_be_used_is_listed_by_the_learners_folder(board, handed_in):
    assert set(board.refused) == {"dan", "eve"}
    assert "save_pretrained" in board.refused["dan"]
    for name, why in board.refused.items():
        assert name in why and str(handed_in) not in why


def test_the_table_says_n_and_interval_and_runs_nothing(board):
    text = leaderboard.as_html(board)
    assert "n=100" in text and "no, worse" in text and "seed 5" in text
    assert "<b>" not in text and "cy &lt;b&gt;" in text


def test_the_figure_shows_what_the_table_says(board):
    from course_utils.plots.read_back import figure_as_data

    (axes,) = figure_as_data(leaderboard.as_figure(board))
    shown = axes["shown"]["4. ben"]
    overall = board.standings[-1].marks.overall
    assert (shown["value"], shown["low"], shown["high"]) == pytest.approx(
        (overall.value, overall.low, overall.high)
    )


def test_seeds():
    assert leaderboard.seed_of(" ") is None and leaderboard.seed_of("12") == 12
    for text in ("x", "-1", "9" * 12):
        with pytest.raises(Unusable, match="is no seed"):
            leaderboard.seed_of(text)


def test_nothing_handed_in(tmp_path, capsys):
    assert leaderboard.main([str(tmp_path)]) == 1
    assert "holds no folders yet" in capsys.readouterr().err
    assert leaderboard.main([str(tmp_path / "none")]) == 1
    assert "There is no folder" in capsys.readouterr().err
