import os
import subprocess
import sys

from course_utils import light


def test_what_is_started_afterwards_does_without_the_costly_modules(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    light.start_lightly()
    light.start_lightly()
    assert os.environ["PYTHONPATH"].split(os.pathsep) == ["/somewhere", light.PATH]
    source = "import jsonschema._format as f; import importlib.util as u; print(u.find_spec('rfc3987_syntax').origin)"
    started = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert started.stdout.startswith(light.PATH)


def test_a_path_of_nobody_gets_no_empty_entry(monkeypatch):
    monkeypatch.delenv("PYTHONPATH")
    light.start_lightly()
    assert os.environ["PYTHONPATH"] == light.PATH  # an empty one would mean the folder where one stands
