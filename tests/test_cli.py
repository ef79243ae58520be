"""The `course` command finds its verbs, loads nothing early, and explains what it does not understand."""

import os
import subprocess
import sys
import types
from importlib import import_module

import pytest

from course_utils import cli


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_leads_somewhere(verb):
    module, function = cli.VERBS[verb][0].split(":")
    assert callable(getattr(import_module(module), function))


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_help_lists_every_verb(arguments, capsys):
    assert cli.main(arguments) == 0
    shown = capsys.readouterr().out
    assert all(verb in shown for verb in cli.VERBS)


@pytest.mark.parametrize(
    ("words", "verb", "rest"),
    [
        (["doctor", "--json"], "doctor", ["--json"]),
        (["build", "models", "--only", "bert"], "build models", ["--only", "bert"]),
        (["check", "models"], "check", ["models"]),
        (["build"], None, ["build"]),
        (["nonsense"], None, ["nonsense"]),
    ],
)
def test_verbs_are_split_from_their_arguments(words, verb, rest):
    assert cli.find(words) == (verb, rest)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["relase"], "Did you mean course release?"),
        (["build"], "course build models"),
        (["build", "model"], "course build models"),
        (["xyzzy"], "no verb 'xyzzy'"),
    ],
)
def test_a_misspelt_verb_is_explained(words, said, capsys):
    assert cli.main(words) == 2
    assert said in capsys.readouterr().err


def test_a_verbs_exit_code_is_the_commands(monkeypatch):
    monkeypatch.setitem(cli.VERBS, "probe", ("tests_probe:main", "for this test"))
    monkeypatch.setitem(sys.modules, "tests_probe", type(sys)("tests_probe"))
    for returned, code in [(0, 0), (None, 0), (1, 1)]:
        sys.modules["tests_probe"].main = lambda arguments, returned=returned: returned
        assert cli.main(["probe"]) == code


def test_interrupting_is_no_crash(monkeypatch, capsys):
    def interrupt(verb, arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "call", interrupt)
    assert cli.main(["doctor"]) == 130


def test_help_loads_no_verb():
    code = "import sys; from course_utils.cli import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name for name in result.stderr.split() if name.startswith("course_utils")}
    assert loaded == {"course_utils", "course_utils.cli"}


def test_a_command_finds_its_places_first_and_says_so(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HF_HOME", str(tmp_path / "file" / "hf"))
    seen = []
    module = types.SimpleNamespace(main=lambda arguments: seen.append(os.environ["HF_HOME"]) or 0)
    monkeypatch.setattr(cli, "import_module", lambda name: module)
    assert cli.main(["progress"]) == 0
    assert "set HF_HOME" in capsys.readouterr().err
    assert seen[0] != str(tmp_path / "file" / "hf")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "file" / "hf"))
    assert cli.main(["doctor"]) == 0
    assert seen[1] == str(tmp_path / "file" / "hf"), "the doctor looks at the machine as it is"


def test_what_needs_a_clone_is_a_verb():
    assert cli.VERBS.keys() >= cli.NEED_A_CLONE


def test_a_short_command_compiles_no_grammar_of_addresses():
    code = (
        "import sys\nfrom course_utils import cli\ntry:\n    cli.main(['collect', '--help'])\n"
        "except SystemExit:\n    pass\nassert 'nbformat' in sys.modules and 'lark' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
