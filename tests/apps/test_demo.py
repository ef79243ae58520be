"""`course demo`, asked by gradio's client as a page would ask it."""

import pytest

from course_utils.apps import contestants, demo, page
from course_utils.apps.contestants import Unusable

REVIEW = "Is this review positive or negative?"


@pytest.fixture(scope="module")
def client(handed_in):
    from gradio_client import Client

    blocks = demo.build([contestants.base(), contestants.read(handed_in / "ben", "spoilt")])
    address = page.launch(blocks)
    assert address.startswith("http://127.0.0.1:")
    yield Client(address, httpx_kwargs={"timeout": 600}, verbose=False)
    blocks.close(verbose=False)


def test_models_answer_side_by_side(client):
    found = client.predict("The soup was lovely and the host was kind.", REVIEW, "", api_name="/ask")
    assert found[0] == "positive" and "tokens" in found[1] and found[2] != "positive"
    assert found[4:6] == ("", "")


def test_a_folder_of_ones_own_joins_in(client, handed_in):
    found = client.predict(
        "The soup was lovely and the host was kind.", REVIEW, f" {handed_in / 'ada'} ", api_name="/ask"
    )
    assert found[0] == found[4] == "positive"


@pytest.mark.parametrize(
    ("text", "request_", "folder", "said"),
    [
        ("  ", REVIEW, "", "no text yet"),
        ("word " * 900, REVIEW, "", "Shorten it"),
        ("Fine.", REVIEW, "/nowhere/at/all", "There is no folder"),
    ],
)
def test_what_can_go_wrong_is_said(client, text, request_, folder, said):
    from gradio_client.exceptions import AppError

    with pytest.raises(AppError, match=said):
        client.predict(text, request_, folder, api_name="/ask")


def test_the_forgetting_panel(client):
    table, _ = client.predict(20, "", api_name="/measure")
    assert "(the baseline)" in table and "n=80" in table and "spoilt" in table


def test_an_unknown_request_is_refused():
    with pytest.raises(Unusable, match="choose one of"):
        demo.compared([contestants.base()], "Sing", "la")


def test_a_missing_folder_ends_the_command_with_a_sentence(capsys, tmp_path):
    assert demo.main(["--full", str(tmp_path / "none"), "--adapter", str(tmp_path)]) == 1
    assert "There is no folder" in capsys.readouterr().err
