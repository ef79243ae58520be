"""The installation behind `make start`: what it asks pip for, when it has nothing to do, what it says on failure."""

import json
import subprocess
import sys

import pytest

from course_utils import install


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
    monkeypatch.setattr(install, "pip_install", run)
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


def test_pip_cannot_fetch_a_package_that_is_not_there(tmp_path):
    """The whole way through the real pip: exit code, log and advice."""
    arguments = ["--no-index", "--find-links", str(tmp_path), "no-such-package-of-ours==1"]
    with pytest.raises(install.InstallError, match="no-such-package-of-ours==1 can't be had"):
        install.pip_install(sys.executable, tmp_path, arguments, tmp_path, 1)


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
    install.resolve(tmp_path)
    assert (tmp_path / "constraints.txt").read_text() == "# why\nB==3\ntorch==2.13.0\n"


def test_an_index_that_does_not_answer_is_named_as_the_cause(tmp_path):
    arguments = ["--retries", "1", "--index-url", "http://127.0.0.1:9/simple", "no-such-package-of-ours==1"]
    with pytest.raises(install.InstallError, match="index cannot be reached"):
        install.pip_install(sys.executable, tmp_path, arguments, tmp_path, 1)
