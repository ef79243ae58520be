"""Chapter 20's program: slow in ten ways, each of which changes the time and nothing else."""

import importlib
import json
import sys
from dataclasses import fields, replace

import pytest
import torch

from course_utils.models.model import ASSETS

ROWS = [
    {
        "dialogue": "summarize: #Person1#: Is the kettle here? #Person2#: Not yet.",
        "summary": "The kettle is late.",
    },
    {
        "dialogue": "summarize: #Person1#: I would like my money back.",
        "summary": "A customer wants the money back.",
    },
    {"dialogue": "summarize: #Person1#: Hello. #Person2#: Hello.", "summary": "Two people greet."},
]


@pytest.fixture
def program(root, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(root / "lessons/20_profiling")
    yield importlib.import_module("train_slow")
    del sys.modules["train_slow"]


@pytest.fixture
def none(program):
    return program.Slow(**{field.name: False for field in fields(program.Slow)})


@pytest.fixture
def plan(program, tmp_path, monkeypatch):
    monkeypatch.setattr(program, "LIMITS", {"dialogue": 32, "summary": 12})
    (tmp_path / "rows.json").write_text(json.dumps(ROWS), encoding="utf-8")
    return program.Plan(str(ASSETS / "flan-t5"), tmp_path / "rows.json", tmp_path / "out", 3, batch=2, used=3)


@pytest.fixture
def logits():
    return torch.randn(2, 7, 40, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def labels(program):
    made = torch.randint(0, 40, (2, 7), generator=torch.Generator().manual_seed(1))
    made[1, 4:] = program.IGNORED
    return made


def test_slow_and_fast_learn_the_same_and_leave_the_same_checkpoint(program, plan, none):
    slow, fast = (program.train(replace(plan, out=plan.out / name), each) for name, each in
                  (("slow", program.Slow()), ("fast", none)))  # fmt: skip
    assert len(set(slow.losses)) == 3
    assert slow.losses == pytest.approx(fast.losses, abs=1e-4)
    assert slow.in_five == fast.in_five
    ends = [
        torch.load(plan.out / name / "newest.pt", weights_only=True)["optimizer"] for name in ("slow", "fast")
    ]
    assert [end["state"][0]["step"].item() for end in ends] == [2, 3]
    lines = [(plan.out / name / "log.jsonl").read_text().splitlines() for name in ("slow", "fast")]
    assert [len(each) for each in lines] == [3, 1]
    first = [json.loads(each[0]) for each in lines]
    assert first[0] == pytest.approx(first[1], rel=1e-4)


@pytest.mark.parametrize("place", ["loss_in_float64", "loss_by_table"])
def test_each_form_of_the_loss_is_the_same(program, none, logits, labels, place):
    one = program.loss_of(logits, labels, replace(none, **{place: True}))
    assert one.item() == pytest.approx(program.loss_of(logits, labels, none).item(), rel=1e-6)


def test_the_metric_by_token_counts_what_the_other_counts(program, none, logits, labels):
    slow = program.add_up(1, 2, logits, labels, replace(none, metric_by_token=True))
    assert slow == tuple(int(each) for each in program.add_up(1, 2, logits, labels, none))
    assert slow[1] == 2 + 11


def test_rows_are_padded_to_the_limit_or_to_the_longest(program, none, plan):
    rows = [{"input_ids": [5, 1], "labels": [7]}, {"input_ids": [5, 6, 1], "labels": [7, 1]}]
    limit, longest = program.pad(rows, replace(none, padded_to_limit=True)), program.pad(rows, none)
    assert [list(each["input_ids"].shape) for each in (limit, longest)] == [[2, 32], [2, 3]]
    assert longest["labels"].tolist() == [[7, program.IGNORED], [7, 1]]
    assert longest["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]


@pytest.mark.parametrize(("again", "reads"), [(True, 4), (False, 1)])
def test_a_file_is_read_for_each_row_or_once(program, none, plan, again, reads):
    class Counted:
        count = 0

        def read_text(self, encoding):
            self.count += 1
            return json.dumps(ROWS)

    path = Counted()
    rows = program.Rows(
        path, lambda text, **_: {"input_ids": [len(text)]}, replace(none, rows_read_again=again)
    )
    assert [rows[number]["labels"] for number in (0, 1, 0, 1)] == [[19], [32], [19], [32]]
    assert path.count == reads


def test_an_unknown_place_is_refused_with_the_names(program, capsys):
    with pytest.raises(SystemExit):
        program.main(["--base", "b", "--rows", "r", "--out", "o", "--mend", "everything"])
    assert "metric_by_token" in capsys.readouterr().err
