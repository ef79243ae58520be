"""The notebooks' code mixes no devices and reads nothing of an accelerator as NumPy: under a guard, without one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.devices.faults import RIGHT, WRONG

ROOT = Path(__file__).resolve().parents[2]


def under_the_guard(*words):
    environment = os.environ | {
        "COURSE_PROFILE": "offline",
        "ACCELERATE_TORCH_DEVICE": "guarded",
        "MPLBACKEND": "agg",
    }
    ran = subprocess.run(
        [sys.executable, "-m", "tests.devices.faults", *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(ran.stdout.splitlines()[-1])


def test_it_tells_right_from_wrong():
    came = under_the_guard()
    assert {name: came[name] for name in RIGHT} == dict.fromkeys(RIGHT, "")
    for name, (_, words) in WRONG.items():
        assert words in came[name], name


#: notebook -> the last cell that is run, and what is made smaller
LESSONS = {
    "13_the_trainer/01_the_loop_and_the_trainer": ("run-by-hand", "LONGEST = 80, 16, 10=>LONGEST = 3, 4, 1"),
    "15_fast_inference/02_the_cache_of_keys_and_values": (
        "bytes",
        "start, new = ids.shape[1], 100=>start, new = ids.shape[1], 3",
    ),
    "10_lora_and_peft/06_a_chat_model": (
        "train",  # the guard's device has no memory to pin, and nothing to write a checkpoint from
        'use_cpu=course.device == "cpu"=>dataloader_pin_memory=False',
        'save_steps=STEPS // 2=>save_strategy="no"',
        "min(60, course.budget.train_steps)=>2",
        "range(960)=>range(60)",
        "range(200)=>range(4)",
        "len(test), 50=>len(test), 4",
        "start + 50=>start + 4",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_on_an_accelerator(name):
    came = under_the_guard(str(ROOT / "lessons" / f"{name}.ipynb"), *LESSONS[name])
    assert not any(came.values()), came
    assert LESSONS[name][0] in came
