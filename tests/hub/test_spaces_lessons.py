"""Chapter 16's files: deploy.py as a process, against a Hub on this machine; its workflow; the table of machines."""

import csv
import importlib.util
import json
import shlex
import subprocess
import sys

import pytest
import yaml
from huggingface_hub import SpaceHardware

FOLDER = "lessons/16_spaces_and_demos"
SECRET = "low-tide-at-six"
CARD = "---\ntitle: Small\nsdk: gradio\napp_file: app.py\n---\n"


@pytest.fixture
def space(tmp_path):
    """A folder that is a Space."""
    folder = tmp_path / "space"
    folder.mkdir()
    (folder / "README.md").write_text(CARD)
    (folder / "app.py").write_text("import os\n\nKEY = os.environ['USAGE_KEY']\n")
    return folder


@pytest.fixture
def deploy(root, monkeypatch):
    """Runs the script: (exit code, what its last line says, what it complains about)."""
    monkeypatch.setenv("USAGE_KEY", SECRET)

    def run(*words):
        command = [sys.executable, str(root / FOLDER / "deploy.py"), "--repo", "me/small", *map(str, words)]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert SECRET not in ran.stdout + ran.stderr
        return ran.returncode, json.loads(ran.stdout or "{}"), ran.stderr

    return run


def test_a_space_is_made_left_alone_changed_and_brought_back(hub, deploy, space):
    hub.seed("me/model", {"config.json": "{}"}, tag="v1")
    whole = ["--folder", space, "--model", "me/model", "--revision", "v1", "--secret", "USAGE_KEY"]
    whole += ["--hardware", "t4-small", "--sleep", "600"]
    code, first, _ = deploy(*whole)
    assert (code, first["stage"], first["hardware"], first["sleep"]) == (0, "STOPPED", "t4-small", 600)
    there = hub.repo("me/small", kind="space")
    assert there.files() == (".gitattributes", "README.md", "app.py") and there.secrets == ("USAGE_KEY",)
    assert there.variables == {"MODEL_ID": "me/model", "MODEL_REVISION": hub.repo("me/model").tags["v1"]}
    assert not any(SECRET.encode() in content for content in there.folder().values())

    before = len(hub.events)
    code, again, _ = deploy(*whole)
    assert (code, again["changed"], again["commit"]) == (0, [], first["commit"])
    wrote = {
        event.path.split("/")[-1] for event in hub.events[before:] if event.method not in ("GET", "HEAD")
    }
    assert not wrote & {"secrets", "variables", "hardware", "restart", "commit"}

    (space / "app.py").write_text("raise SystemExit\n")
    (space / "new.txt").write_text("new")
    assert deploy(*whole)[1]["changed"] == ["files"]
    code, back, _ = deploy("--back", first["commit"])
    assert (code, back["changed"]) == (0, ["files"]) and there.folder() == there.folder(first["commit"])
    assert [each.title for each in there.commits()][:2] == [f"Back to {first['commit'][:7]}", "Deploy"]
    assert deploy("--back", first["commit"])[1]["changed"] == []


@pytest.fixture
def script(root, monkeypatch):
    """The script as a module, for what needs no process."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = importlib.util.spec_from_file_location("deploy_of_the_lesson", root / FOLDER / "deploy.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.py", f'X = """\n{SECRET}"""\n', "a.py, line 2: the value of USAGE_KEY"),
        ("a.py", "T = 'hf_" + "A" * 34 + "'\n", "a.py, line 1: a Hugging Face token"),
        ("deep/b.yaml", "api_key: 'correct-horse-battery'\n", "deep/b.yaml, line 1: a password in the text"),
        (".env", "X=1\n", ".env: files of this name hold secrets"),
        ("key.txt", "-----BEGIN RSA PRIVATE KEY-----\n", "key.txt, line 1: a private key"),
    ],
)
def test_a_secret_in_a_folder_is_found_and_not_repeated(script, space, name, content, said):
    (space / name).parent.mkdir(exist_ok=True)
    (space / name).write_text(content)
    assert list(script.leaks(space, {"USAGE_KEY": SECRET})) == [said]


def test_a_folder_with_a_secret_is_refused_before_anything_is_made(hub, deploy, space):
    (space / "a.py").write_text(f"# {SECRET}\n")
    code, _, complaint = deploy("--folder", space, "--secret", "USAGE_KEY")
    assert code == 2 and "a.py, line 1" in complaint
    assert not hub.repo("me/small", kind="space").exists


@pytest.mark.parametrize(
    "words", [["--secret", "NO_SUCH"], ["--back", "main"], ["--hardware", "t4-tiny"], []]
)
def test_a_command_that_says_too_little_or_too_much_ends_with_two(script, space, words, monkeypatch):
    monkeypatch.delenv("NO_SUCH", raising=False)
    with pytest.raises(SystemExit, match="2"):
        script.main(["--repo", "me/small", *(["--folder", str(space)] if words else []), *words])


def test_what_the_hub_refuses_and_what_does_not_start_ends_with_one(hub, script, space, capsys):
    folder = ["--repo", "me/small", "--folder", str(space)]
    assert script.main([*folder, "--model", "me/gone"]) == 1
    assert "RepositoryNotFoundError" in capsys.readouterr().err
    (space / "app.py").unlink()
    assert script.main(folder) == 1
    assert json.loads(capsys.readouterr().out)["stage"] == "NO_APP_FILE"


def test_the_lessons_own_space_passes_its_scan(root, script):
    assert list(script.leaks(root / FOLDER / "space", {"USAGE_KEY": SECRET})) == []


def test_the_workflow_calls_the_script_as_it_is(root, script, monkeypatch):
    flow = yaml.safe_load((root / FOLDER / "deploy.yml").read_text(encoding="utf-8"))
    step = flow["jobs"]["deploy"]["steps"][-1]
    words = shlex.split(step["run"])
    assert words[:2] == ["python", "deploy.py"] and set(step["env"]) == {"HF_TOKEN", "USAGE_KEY"}
    monkeypatch.setenv("USAGE_KEY", SECRET)
    monkeypatch.chdir(root / FOLDER)
    options, secrets = script.read_options(words[2:])
    assert options.model == "course/mini-flan-t5" and secrets == {"USAGE_KEY": SECRET}


def test_the_table_of_machines_has_those_that_the_library_knows(root):
    rows = list(csv.DictReader((root / FOLDER / "hardware.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["name"] for row in rows] and {row["name"] for row in rows} == set(SpaceHardware)
    for row in rows:
        assert (row["dollars_per_hour"] == "") == (row["source"] == "not confirmed"), row
