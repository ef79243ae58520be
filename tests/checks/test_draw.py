"""One key, one set of data."""

import subprocess
import sys

from course_utils.checks.draw import Draw

KEY = bytes(range(32))


def test_the_same_key_draws_the_same_in_another_process():
    code = (
        "from course_utils.checks.draw import Draw; d = Draw(bytes(range(32)));"
        "print(d.random.random(), d.seed, d.sample(range(100), 3), int(d.numpy().integers(10**9)))"
    )
    outputs = {subprocess.check_output([sys.executable, "-c", code], text=True) for _ in range(2)}
    draw = Draw(KEY)
    mine = f"{draw.random.random()} {draw.seed} {draw.sample(range(100), 3)} {int(draw.numpy().integers(10**9))}\n"
    assert outputs == {mine}


def test_numpy_goes_on_and_does_not_begin_again():
    draw = Draw(KEY)
    assert draw.numpy().random() != draw.numpy().random()


def test_rows_are_fresh_and_whole():
    rows, others = Draw(KEY).rows("reviews", 20), Draw(b"other").rows("reviews", 20)
    assert len(rows) == 20
    assert set(rows[0]) == {"text", "label"}
    assert isinstance(rows[0]["label"], int)
    assert rows == Draw(KEY).rows("reviews", 20)
    assert not {row["text"] for row in rows} & {row["text"] for row in others}


def test_a_dataset_has_the_rows():
    assert Draw(KEY).dataset("translations", 5).table.to_pylist() == Draw(KEY).rows("translations", 5)


def test_a_derangement_leaves_nothing_in_its_place():
    found = [Draw(f"key {number}".encode()).derangement(6) for number in range(20)]
    assert all(sorted(order) == list(range(6)) for order in found)
    assert not any(place == number for order in found for place, number in enumerate(order))
    assert len({tuple(order) for order in found}) > 10
