"""`course hub` in a process of its own, and notebooks that connect to it."""

import json
import os
import re
import signal
import subprocess
import sys

import huggingface_hub as hf
import pytest
from huggingface_hub import constants

from course_utils.bench.hub import Figure, as_row
from course_utils.bench.hub import main as bench
from course_utils.hub import LocalHub, connect
from course_utils.hub.command import main


@pytest.fixture
def running(tmp_path):
    """(process, what it said) of `course hub` in tmp_path/hub."""
    process = subprocess.Popen(
        [sys.executable, "-m", "course_utils.cli", "hub", "--root", str(tmp_path / "hub"), "--empty"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = ""
    while "Ctrl-C" not in said:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        said += line
    yield process, said
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=600)


def test_it_runs_shows_what_is_needed_and_stops(running, tmp_path, monkeypatch):
    monkeypatch.setattr(
        constants, "HF_HUB_OFFLINE", False
    )  # whatever setup() has said in this process before
    process, said = running
    url, token = re.search(r"address\s+(\S+)", said)[1], re.search(r"token\s+(\S+)", said)[1]
    assert str(tmp_path / "hub") in said
    assert hf.HfApi(endpoint=url).whoami(token=token)["name"] == "me"
    assert main(["--root", str(tmp_path / "hub")]) == 1  # two never share a folder
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=600)
    assert "The Hub has stopped." in out and not err and process.returncode == 0
    with pytest.raises(RuntimeError, match="No Hub is running"):
        connect(tmp_path / "hub")


FROM_A_SHELL = """
import huggingface_hub as hf
hf.create_repo("from-a-shell")
print(hf.whoami()["name"], hf.repo_exists("me/from-a-shell"))
"""


@pytest.mark.skipif(os.name == "nt", reason="the lines are for a Unix shell")
def test_the_lines_for_a_shell_work_in_one_that_has_proxies_and_stale_certificates(tmp_path):
    shell = {
        "http_proxy": "http://127.0.0.1:9",
        "ALL_PROXY": "socks://127.0.0.1:9",
        "no_proxy": "intern.example",
        "SSL_CERT_FILE": str(tmp_path / "gone.pem"),
        "HF_TOKEN": "hf_stale",
        "HF_HUB_OFFLINE": "1",
    }
    environment = os.environ | shell
    environment.pop("NO_PROXY", None)
    command = [sys.executable, "-m", "course_utils.cli", "hub", "--root", str(tmp_path / "hub"), "--empty"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        said = ""
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            assert line
            said += line
        lines = said.partition("In a shell:")[2].partition("In a notebook:")[0]
        script = f"{lines}\necho $NO_PROXY\n'{sys.executable}' -c '{FROM_A_SHELL}'"
        done = subprocess.run(
            ["sh", "-c", script], env=environment, capture_output=True, text=True, timeout=600
        )
        assert done.stdout.split() == ["intern.example,127.0.0.1,localhost,::1", "me", "True"], done.stderr
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=600)


def test_a_folder_that_can_not_be_is_said_with_the_option_for_another(capsys, tmp_path):
    (tmp_path / "file").touch()
    assert main(["--root", str(tmp_path / "file" / "hub")]) == 1
    assert "--root" in capsys.readouterr().err


def test_a_notebook_connects_to_it(running, tmp_path):
    before = dict(os.environ)
    with connect(tmp_path / "hub") as hub:
        assert hf.whoami()["name"] == "me"
        hf.create_repo("thing")
        hf.upload_file(path_or_fileobj=b"a", path_in_repo="a.txt", repo_id="me/thing")
        assert hub.repo("me/thing").text("a.txt") == "a"
    assert dict(os.environ) == before
    with pytest.raises(KeyError, match="no account 'eve'"):
        connect(tmp_path / "hub", user="eve")


def test_a_hub_that_was_killed_is_not_running(running, tmp_path):
    """Its address is still in the folder; somebody else may have the port by now."""
    process, _ = running
    process.kill()
    process.wait(60)
    address = tmp_path / "hub" / "address"
    before = dict(os.environ)
    with pytest.raises(RuntimeError, match="No Hub is running"):
        connect(tmp_path / "hub")
    with LocalHub(seeded=False) as other:
        address.write_text(other.url)
        with pytest.raises(RuntimeError, match="No Hub is running"):
            connect(tmp_path / "hub")
    assert {name: os.environ.get(name) for name in before} == before


def test_a_name_that_can_not_be(capsys, tmp_path):
    assert main(["--root", str(tmp_path), "--user", "../x"]) == 1
    assert "can't be a user's name" in capsys.readouterr().err


def test_the_bench_measures_and_writes_its_figures(tmp_path, capsys):
    """A small one: what it says of a busy machine is not judged here."""
    bench(["--megabytes", "12", "--files", "50", "--json", str(tmp_path / "figures.json")])
    rows = {row["name"]: row for row in json.loads((tmp_path / "figures.json").read_text())}
    assert rows["12 MiB up"]["value"] > 0 and rows["50 files listed, again"]["value"] > 0
    assert rows["the server's memory grew by"]["value"] < 64
    assert rows["up, what the server adds, by the client's"]["goal"] == 0.2
    assert rows["down, share of the speed that the client allows"]["value"] > 0
    assert "share of cp's speed" in capsys.readouterr().out


def test_a_goal_that_is_missed_is_said():
    assert as_row(Figure("slow", 3.0, "s", 1.0)).endswith("<= 1  NO")
    assert as_row(Figure("fast", 3.0, "", 1.0, at_least=True)).endswith(">= 1  yes")
    assert Figure("no goal", 3.0, "s").reached is None
