"""The recorder runs whole, dry; nvidia-smi is ended whatever happens; a card's history is read as it comes."""

import os
import sys
from dataclasses import replace

import pytest
import torch

from course_utils.bench.recording import command, memory, meter, story, trace

MENDED = 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("recorded")
    assert command.main(["--dry", "--out", str(out)]) == 0
    return out / "dry-run"


@pytest.mark.slow
def test_a_dry_run_writes_every_part_and_says_that_it_is_one(folder):
    found = command.read(folder)
    assert set(found) == set(command.PARTS)
    for part in found.values():
        assert part["made_by"].endswith("--dry") and part["card"] is None and part["versions_of"]["torch"]
    assert sum(path.stat().st_size for path in folder.iterdir()) < 4_000_000


@pytest.mark.slow
def test_the_versions_of_the_story_train_alike(folder):
    versions = command.read(folder)["story"]["versions"]
    assert [each["version"] for each in versions][:2] == ["as found", "metric_by_token"]
    assert len(versions) == 1 + MENDED + 2
    as_found = torch.tensor(versions[0]["losses"])
    for each in versions:
        near = 0.02 if each["version"] in ("bfloat16", "compiled") else 1e-4
        losses = torch.tensor(each["losses"])
        assert (losses - as_found[: len(losses)]).abs().max() < near, each["version"]
        assert each["rows_a_second"] > 0 and len(each["milliseconds"]) == len(losses) - 1


@pytest.mark.slow
def test_a_trace_begins_with_the_step_and_names_its_regions(folder):
    for found in command.read(folder)["trace"]["versions"].values():
        assert found["events"][0][:2] == ["user_annotation", "read"]
        assert {"forward", "backward"} <= {
            name for kind, name, *_ in found["events"] if kind == "user_annotation"
        }
        assert all(start >= 0 for *_, start, _ in found["events"])


def test_without_a_card_it_says_what_to_do(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert command.main(["--out", str(tmp_path / "here")]) == 1
    assert "--dry" in capsys.readouterr().err and not (tmp_path / "here").exists()


def test_a_folder_without_a_recording_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="lacks story, trace, memory, meter"):
        command.read(tmp_path)


def test_the_versions_mend_one_place_more_each_time():
    versions = story.versions(story.script().Slow)
    counts = [len(each.mended) for each in versions]
    assert counts == [*range(MENDED + 1), MENDED, MENDED]
    assert [each.autocast for each in versions][-3:] == [False, True, True] and versions[-1].compiled


def test_a_version_that_fails_is_written_with_its_error():
    class Script:
        Slow, load_model, log = story.script().Slow, None, None

        def train(self, plan, slow, device):
            raise torch.OutOfMemoryError("CUDA out of memory.\nmore")

    plan = replace(story.script().Plan("base", "rows", "out"), steps=8)
    found = list(story.record(Script(), plan, "cpu", print))
    assert len(found) == 1 + MENDED + 2
    assert found[0] == {"version": "as found", "error": "OutOfMemoryError: CUDA out of memory."}


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """A program that writes lines as nvidia-smi does, until it is ended."""
    program = tmp_path / "nvidia-smi"
    lines = "print('2026/12/01 10:00:00.000, 97, 40, 1234, 350.5, 1980', flush=True)"
    program.write_text(
        f"#!{sys.executable} -S\nimport time\nwhile True:\n    {lines}\n    time.sleep(0.01)\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(meter.shutil, "which", lambda name: str(program))
    started = []
    popen = meter.subprocess.Popen

    def watched(*given, stdout, **named):
        started.append(popen(*given, stdout=stdout, **named))
        started[-1].file = stdout
        return started[-1]

    monkeypatch.setattr(meter.subprocess, "Popen", watched)
    return started


def test_what_nvidia_smi_writes_is_there_when_the_work_is_done(smi):
    with meter.metered() as found:
        while os.fstat(smi[0].file.fileno()).st_size == 0:  # until it has begun to write
            assert smi[0].poll() is None
    assert smi[0].args[1].startswith("--query-gpu=timestamp,")
    assert found["rows"][0] == ["2026/12/01 10:00:00.000", "97", "40", "1234", "350.5", "1980"]
    assert len(found["rows"][0]) == len(found["columns"]) and "why" not in found


def test_nvidia_smi_is_ended_when_the_work_fails(smi):
    with pytest.raises(KeyError), meter.metered():
        raise KeyError("work")
    assert smi[0].poll() is not None


def test_the_place_of_an_allocation_is_the_first_line_that_is_no_librarys():
    frames = [
        {"filename": "/x/site-packages/torch/nn/functional.py", "line": 3},
        {"filename": "/home/me/train_slow.py", "line": 97},
        {"filename": "/home/me/main.py", "line": 1},
    ]
    assert memory.place(frames) == "train_slow.py:97"
    assert memory.place(frames[:1]) == ""


def test_a_trace_leaves_out_what_came_before_its_first_region(tmp_path):
    def work():
        torch.ones(3) + 1
        with torch.profiler.record_function("read"):
            torch.ones(3) * 2

    found = trace.record(work, "cpu", tmp_path)
    names = [name for _, name, *_ in found["events"]]
    assert names[0] == "read" and "aten::mul" in names and "aten::add" not in names
    assert found["left_out"] == 0
