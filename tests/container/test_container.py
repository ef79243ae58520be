"""The container: its files agree with the project, and its steps, performed in a Debian root, give a lab and a grader.

Performing them downloads Debian and every package: minutes, and only where mmdebstrap is installed.
"""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import urllib.request
from functools import partial
from pathlib import Path

import pathspec
import pytest

from course_utils.install import ROOT
from tests.container.containerfile import Root, read, suite

INSTRUCTIONS = read((ROOT / "Containerfile").read_text("utf-8"))
EXERCISE = "00_start_here"
PORT = 8888  # as the Containerfile's last line says


def patterns(name):
    lines = (line.strip() for line in (ROOT / name).read_text("utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def anchored(pattern):
    """A pattern of .gitignore in the words of .containerignore, where only `**/` looks into every folder."""
    pattern = pattern.rstrip("/")
    return pattern[1:] if pattern.startswith("/") else f"**/{pattern}"


def test_a_containerfile_is_read():
    text = "# why\nFROM debian:bookworm-slim\nRUN a \\\n    && b\n"
    assert [(each.name, each.value) for each in read(text)] == [
        ("FROM", "debian:bookworm-slim"),
        ("RUN", "a && b"),
    ]
    assert suite(read(text)) == "bookworm"


def test_only_what_git_would_take_goes_into_an_image():
    assert patterns(".containerignore") == [".git", *map(anchored, patterns(".gitignore"))]


def test_whoever_works_in_a_container_is_not_root():
    users = [each.value for each in INSTRUCTIONS if each.name == "USER"]
    after = INSTRUCTIONS[[each.name for each in INSTRUCTIONS].index("USER") :]
    assert users == ["learner"]
    assert not {"RUN", "COPY"} & {each.name for each in after}, "what is installed belongs to root"


def test_it_brings_what_make_and_the_sandbox_need():
    (installing,) = [each.value for each in INSTRUCTIONS if "apt-get install" in each.value]
    assert {"bubblewrap", "make", "python3", "python3-venv"} <= set(installing.split())


def test_the_development_container_is_made_from_it():
    made = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    place = next(each.value for each in reversed(INSTRUCTIONS) if each.name == "WORKDIR")
    assert (ROOT / ".devcontainer" / made["build"]["dockerfile"]).resolve() == ROOT / "Containerfile"
    assert (ROOT / ".devcontainer" / made["build"]["context"]).resolve() == ROOT
    assert made["remoteUser"] == "learner"
    assert made["workspaceFolder"] == place
    assert str(PORT) in next(each.value for each in INSTRUCTIONS if each.name == "EXPOSE")


# The steps, performed


def package_index():
    """This machine's settings of pip and its certificates; the paths that they name stand elsewhere in a root."""
    found = {
        name: os.environ[name] for name in os.environ if name.startswith("PIP_") or name == "SSL_CERT_FILE"
    }
    paths = {value for value in found.values() if value.startswith("/") and Path(value).exists()}
    seen = {path: f"/mnt/{number}" for number, path in enumerate(sorted(paths))}
    return {name: seen.get(value, value) for name, value in found.items()}, seen


def ignored(folder, names):
    """For `shutil.copytree`: what .containerignore leaves out."""
    lines = [each if each.startswith("**/") else f"/{each}" for each in patterns(".containerignore")]
    spec = pathspec.GitIgnoreSpec.from_lines(lines)
    inside = Path(folder).relative_to(ROOT)
    return {name for name in names if spec.match_file((inside / name).as_posix())}


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """A root in which all of the Containerfile was performed, as an image would be."""
    if not (shutil.which("mmdebstrap") and os.geteuid() == 0):
        pytest.skip("needs mmdebstrap, and to be root: apt install mmdebstrap")
    folder = tmp_path_factory.mktemp("image") / "root"
    subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", suite(INSTRUCTIONS), folder], check=True)
    shutil.rmtree(folder / "var/lib/apt/lists", ignore_errors=True)
    network, readable = package_index()
    made = Root(folder, network, readable, arguments={"TORCH": os.environ.get("COURSE_IMAGE_TORCH", "")})
    for instruction in INSTRUCTIONS:
        made.perform(instruction, ROOT, ignored)
    yield made
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.exhaustive
def test_a_learner_finds_a_machine_that_is_ready(image):
    done = image.call(["course", "doctor"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "bubblewrap works" in done.stdout
    cannot = image.call(["touch", "/opt/course/README.md"], capture_output=True, text=True)
    assert cannot.returncode != 0, "the course belongs to root"


@pytest.mark.exhaustive
def test_its_command_opens_a_lab(image):
    lab = subprocess.Popen(
        image.inside(image.command),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    stop = threading.Timer(
        300, os.killpg, (lab.pid, signal.SIGKILL)
    )  # for a lab that prints no address: the lines below then end
    stop.start()
    try:
        said = []
        for line in lab.stdout:
            said.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+/lab\S*[?&]token=(\w+)", line):
                break
        else:
            pytest.fail("".join(said))
        address = f"http://127.0.0.1:{PORT}/api/contents/lessons?token={found[1]}"
        with urllib.request.urlopen(address, timeout=120) as answer:
            names = {each["name"] for each in json.load(answer)["content"]}
        assert "index.ipynb" in names
        assert image.inner(f"/home/learner/workbook/exercises/{EXERCISE}/{EXERCISE}.ipynb").is_file()
    finally:
        stop.cancel()
        os.killpg(lab.pid, signal.SIGKILL)  # whoever became another user outlives its parent
        lab.wait()


def hand_in(image, student, notebook):
    folder = image.inner(f"/home/learner/submitted/{student}/{EXERCISE}")
    folder.mkdir(parents=True)
    shutil.copy(notebook, folder / f"{EXERCISE}.ipynb")


def marks(image):
    with image.inner("/home/learner/class/grades.csv").open(encoding="utf-8") as lines:
        return {row["student"]: float(row["score"]) for row in csv.DictReader(lines)}


@pytest.mark.exhaustive
@pytest.mark.parametrize(("sandbox", "user"), [("bwrap", "learner"), ("container", "root")])
def test_a_class_is_graded_in_it(image, sandbox, user):
    hand_in(image, "ana", ROOT / "solutions" / EXERCISE / f"{EXERCISE}.ipynb")
    hand_in(image, "ben", ROOT / "exercises" / EXERCISE / f"{EXERCISE}.ipynb")
    owner = partial(image.call, check=True)
    image.user = "root"
    owner(["chown", "-R", f"{user}:{user}", "/home/learner/submitted"])
    image.user = user
    command = ["course", "grade", "../submitted", "--out", "../class", "--sandbox", sandbox]
    try:
        done = image.call(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"sandbox: {sandbox} 9/9" in done.stderr
        scores = marks(image)
        assert scores["ana"] > scores["ben"] == 0
    finally:
        image.user = "root"
        owner(["rm", "-rf", "/home/learner/submitted", "/home/learner/class"])
        image.user = "learner"
