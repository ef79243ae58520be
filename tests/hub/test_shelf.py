"""What exercises put on a learner's Hub."""

from course_utils.hub import LocalHub
from course_utils.hub.shelf import Colleague, stock


def test_stock_and_a_colleague():
    with LocalHub(seeded=False) as hub:
        stock(hub, [
            {"identifier": "ada/open", "files": {"list.txt": "one\n", "model.safetensors": b"\x00" * 9}},
            {"identifier": "ada/gate", "files": {"a.txt": "a"}, "gated": "manual", "private": True},
        ])  # fmt: skip
        assert hub.repo("ada/open").file("model.safetensors").size == 9
        assert (hub.repo("ada/gate").gated, hub.repo("ada/gate").private) == ("manual", True)

        colleague = Colleague(hub)
        colleague()  # nothing planned, nothing done
        colleague.plan("ada/open", "list.txt", ["two", "three"])
        for wanted in ("one\ntwo\n", "one\ntwo\nthree\n", "one\ntwo\nthree\n"):
            colleague()
            assert hub.repo("ada/open").text("list.txt") == wanted
