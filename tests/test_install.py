"""The installation behind `make start`: what it asks uv or pip for, when it has nothing to do, what it says on failure."""

import io
import json
import os
import subprocess
import sys
import types

import pytest

from course_utils import install


@pytest.fixture(autouse=True)
def without_uv(monkeypatch):
    """Whether this machine has uv is decided by each test."""
    monkeypatch.setattr(install, "find_uv", lambda: None)


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "constraints.txt").write_text(
        "# exact versions\ntorch==2.13.0\nNumPy_Extra==1.0  # one more\n"
    )
    return tmp_path


@pytest.fixture
def pip(monkeypatch):
    """Stands in for pip and the making of an environment; keeps what it was asked for and can be told to fail."""
    calls = []

    def run(python, environment, arguments, root, total):
        calls.append(arguments)
        if len(calls) in failing:
            raise install.InstallError("no")

    def make(environment):
        environment.mkdir(exist_ok=True)
        return environment / "bin" / "python"

    failing = set()
    monkeypatch.setattr(install, "run_installer", run)
    monkeypatch.setattr(install, "make_environment", make)
    run.calls, run.failing = calls, failing
    return run


def test_constraints_are_read_by_normalised_name(checkout):
    versions = install.read_constraints(checkout / "constraints.txt")
    assert versions == {"torch": "2.13.0", "numpy-extra": "1.0"}


def test_torch_comes_first_and_by_version(checkout, pip):
    assert install.install(checkout)
    assert pip.calls == [["torch==2.13.0"], ["-c", "constraints.txt", "-e", ".[dev]"]]


def test_a_chosen_build_of_torch_comes_from_its_index_and_nothing_else_does(checkout, pip):
    install.install(checkout, torch_build="cpu")
    assert pip.calls[0] == ["--index-url", "https://download.pytorch.org/whl/cpu", "torch==2.13.0"]
    assert "--index-url" not in pip.calls[1]


def test_nothing_is_installed_twice(checkout, pip):
    assert install.install(checkout)
    assert not install.install(checkout)
    assert len(pip.calls) == 2


def test_more_groups_are_installed_once_and_fewer_are_there_already(checkout, pip):
    assert install.install(checkout)
    assert install.install(checkout, extras="dev,ray")
    assert pip.calls[-1][-1] == ".[dev,ray]"
    assert not install.install(checkout)
    assert not install.install(checkout, extras="ray,dev")
    assert install.install(checkout, extras="dev,rl")
    assert install.install(checkout, torch_build="cpu")


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_changed_list_is_installed(checkout, pip, name):
    install.install(checkout)
    with open(checkout / name, "a") as file:
        file.write("\n# changed")
    assert install.install(checkout)


def test_an_interrupted_installation_goes_on(checkout, pip):
    pip.failing.add(2)
    with pytest.raises(install.InstallError):
        install.install(checkout)
    assert install.install(checkout), "a half-finished installation must not count as finished"
    assert not install.install(checkout)


def test_a_failed_update_does_not_keep_the_old_stamp(checkout, pip):
    install.install(checkout)
    (checkout / "constraints.txt").write_text("torch==2.14.0\n")
    pip.failing.add(3)
    with pytest.raises(install.InstallError):
        install.install(checkout)
    (checkout / "constraints.txt").write_text(
        "# exact versions\ntorch==2.13.0\nNumPy_Extra==1.0  # one more\n"
    )
    assert install.install(checkout), "the old list came back, but what is installed is a mixture"


def test_an_old_python_is_refused_with_advice():
    with pytest.raises(install.InstallError, match=r"3\.10.*needs 3\.11.*make start PYTHON="):
        install.check_python((3, 10, 4))
    install.check_python((3, 11, 0))


def test_a_full_disk_is_noticed_beforehand(tmp_path):
    with pytest.raises(install.InstallError, match=r"1\.0 GB free; installing needs about 4 GB"):
        install.check_disk(tmp_path, 4, free_bytes=1e9)
    install.check_disk(tmp_path, 4, free_bytes=5e9)


# as pip writes them into its log (pip 23.2)
NO_SPACE = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
NO_PACKAGE = (
    "ERROR: Could not find a version that satisfies the requirement torch==2.13.0 (from versions: none)\n"
    "ERROR: No matching distribution found for torch==2.13.0"
)
NO_NETWORK = (
    "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError: [Errno 101] Network is "
    "unreachable'\n" + NO_PACKAGE
)


@pytest.mark.parametrize(
    ("log", "advice"),
    [
        (NO_SPACE, "The disk is full"),
        (NO_PACKAGE, r"torch==2\.13\.0 can't be had for Python 3"),
        (NO_NETWORK, "index cannot be reached"),
        ("ERROR: something new", "last lines above"),
    ],
)
def test_pips_failures_become_advice(log, advice):
    with pytest.raises(AssertionError, match=advice):
        raise AssertionError(install.explain("Collecting torch\n" + log))


def test_main_says_what_to_do_and_fails(monkeypatch, capsys):
    def fail(**options):
        raise install.InstallError("free some space")

    monkeypatch.setattr(install, "install", fail)
    assert install.main([]) == 1
    assert "free some space" in capsys.readouterr().err


@pytest.mark.slow
def test_an_environment_is_made_once_and_mended_when_broken(tmp_path):
    python = install.make_environment(tmp_path / ".venv")
    marker = tmp_path / ".venv" / "marker"
    marker.touch()
    assert install.make_environment(tmp_path / ".venv") == python
    assert marker.exists(), "a working environment is kept"
    python.unlink()
    install.make_environment(tmp_path / ".venv")
    assert subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode == 0


def test_pip_cannot_fetch_a_package_that_is_not_there(tmp_path, capfd):
    """The whole way through the real pip: exit code, log and advice."""
    arguments = ["--no-index", "--find-links", str(tmp_path), "no-such-package-of-ours==1"]
    with pytest.raises(install.InstallError, match="no-such-package-of-ours==1 can't be had") as caught:
        install.run_installer(sys.executable, tmp_path, arguments, tmp_path, 1)
    log = tmp_path / install.LOG
    assert f"The whole log is {log}" in str(caught.value)
    assert "ERROR: No matching distribution found" in str(caught.value), "its last lines are shown"
    assert "pip install" in log.read_text() and "ERROR: No matching distribution found" in log.read_text()
    assert capfd.readouterr() == ("", ""), "what pip says is in the log and nowhere else"


def test_constraints_are_what_is_installed_and_what_the_groups_would_add(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "ours"\n[project.optional-dependencies]\nb = ["B"]\n'
    )
    (tmp_path / "constraints.txt").write_text("# why\ngone==1\n")
    installed = '[{"name": "torch", "version": "2.13.0+cpu"}, {"name": "pip", "version": "1"}]'
    added = [{"metadata": {"name": "B", "version": "3"}}, {"metadata": {"name": "ours", "version": "0"}}]
    answers = {"list": installed, "install": json.dumps({"install": added})}

    def run(command, **options):
        return subprocess.CompletedProcess(command, 0, stdout=answers[command[3]])

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(install, "brought_by", lambda name, group: {name, "torch"})
    written = f"# why\ntorch==2.13.0\n{install.BESIDES}\nB==3\n"
    for _ in range(2):  # also where it was written before
        install.resolve(tmp_path)
        assert (tmp_path / "constraints.txt").read_text() == written


def test_an_index_that_does_not_answer_is_named_as_the_cause(tmp_path):
    arguments = ["--retries", "1", "--index-url", "http://127.0.0.1:9/simple", "no-such-package-of-ours==1"]
    with pytest.raises(install.InstallError, match="index cannot be reached"):
        install.run_installer(sys.executable, tmp_path, arguments, tmp_path, 1)


# What pip says, quietly


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_one_line_at_a_terminal_and_a_few_elsewhere(tmp_path, monkeypatch, terminal):
    monkeypatch.setattr(
        sys, "stdout", io.StringIO()
    )  # pytest's own loses what a thread writes while it is read
    progress = install.Counter(tmp_path, 7, terminal)
    counts = iter([1, 1, 2, 2])
    progress.packages = types.SimpleNamespace(glob=lambda pattern: range(next(counts)))
    progress.finished = types.SimpleNamespace(wait=lambda seconds: counts.__length_hint__() == 0)
    progress.run()
    said = sys.stdout.getvalue()
    assert said.count("\n") == (1 if terminal else 2) and said.endswith("\n")
    assert said.count("\r") == (4 if terminal else 0)
    assert "1 of about 7 packages" in said and "2 of about 7 packages" in said


# uv where there is one


@pytest.fixture
def uv(tmp_path, monkeypatch):
    """A program that keeps what it was called with, and ends as `uv.code` says."""
    program, calls = tmp_path / "uv.py", tmp_path / "calls.jsonl"
    program.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        f"print(json.dumps([sys.argv[1:], dict(os.environ)]), file=open({str(calls)!r}, 'a'))\n"
        "print('uv says this')\nsys.exit(int(os.environ.get('CODE', 0)))\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(install, "find_uv", lambda: str(program))
    return lambda: [json.loads(line) for line in calls.read_text().splitlines()]


UNIX = pytest.mark.skipif(os.name == "nt", reason="the stand-in for uv is a Unix script")


@UNIX
def test_uv_installs_into_the_same_environment_under_the_same_constraints(uv, tmp_path, monkeypatch):
    monkeypatch.setattr(install, "pip_settings", lambda python: {})
    index = "https://download.pytorch.org/whl/cpu"
    install.run_installer("py", tmp_path, ["--index-url", index, "torch==1"], tmp_path, 1)
    install.run_installer("py", tmp_path, ["-c", "constraints.txt", "-e", ".[dev]"], tmp_path, 1)
    start = ["pip", "install", "--python", "py"]
    (first, variables), (second, _) = uv()
    assert first == [*start, "--default-index", index, "torch==1"]
    assert second == [*start, "-c", "constraints.txt", "-e", ".[dev]"]
    assert variables["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert (tmp_path / install.LOG).read_text().count("uv says this") == 2


@UNIX
def test_what_uv_can_not_do_pip_does(uv, tmp_path, monkeypatch):
    monkeypatch.setenv("CODE", "2")
    monkeypatch.setattr(install, "pip_settings", lambda python: {})
    python = tmp_path / "python"  # stands in for pip: it fails once
    python.write_text(f"#!/bin/sh\necho '{NO_PACKAGE}'\ntest -e {tmp_path}/again\n")
    python.chmod(0o755)
    with pytest.raises(install.InstallError, match="torch==2.13.0 can't be had") as caught:
        install.run_installer(python, tmp_path, ["torch==2.13.0"], tmp_path, 1)
    assert "uv says this" in (tmp_path / install.LOG).read_text()
    assert "uv says this" not in str(caught.value), "pip has the last word"
    (tmp_path / "again").touch()
    install.run_installer(python, tmp_path, ["torch==2.13.0"], tmp_path, 1)
    assert len(uv()) == 2


def test_uv_is_told_what_pips_settings_say_and_what_it_was_told_itself_counts_more(monkeypatch, tmp_path):
    settings = tmp_path / "pip.conf"
    settings.write_text(
        "[global]\nindex-url = https://global.example/simple\nfind-links = /opt/wheels\ncert = /ca.pem\n"
        "extra-index-url =\n    https://a.example/simple\n    https://b.example/simple\n"
        "[install]\nindex-url = https://install.example/simple\n"
    )
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    found = install.uv_environment(sys.executable, {})
    assert found["UV_DEFAULT_INDEX"] == "https://install.example/simple"
    assert found["UV_INDEX"].split() == ["https://a.example/simple", "https://b.example/simple"]
    assert found["UV_FIND_LINKS"] == "/opt/wheels" and found["SSL_CERT_FILE"] == "/ca.pem"
    monkeypatch.setenv("PIP_INDEX_URL", "https://shell.example/simple")
    found = install.uv_environment(sys.executable, {"UV_FIND_LINKS": "/own"})
    assert found["UV_DEFAULT_INDEX"] == "https://shell.example/simple" and found["UV_FIND_LINKS"] == "/own"
