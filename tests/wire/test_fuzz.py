"""A bounded run of the coverage-guided fuzzer; it needs atheris, which has wheels for some Pythons only."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

SECONDS = 120


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris is not installed: pip install atheris"
)
def test_the_fuzzer_finds_nothing(tmp_path):
    script = Path(__file__).with_name("fuzz_codec.py")
    options = [
        f"-max_total_time={SECONDS}",
        "-rss_limit_mb=2048",
        "-timeout=10",
        f"-artifact_prefix={tmp_path}/",
    ]
    done = subprocess.run(
        [sys.executable, script, *options, tmp_path], capture_output=True, text=True, timeout=4 * SECONDS
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done " in done.stderr
