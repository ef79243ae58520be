"""The doctor finds what is wrong, says what to do, and never breaks itself."""

import json
import os
import re
import sys

import pytest

from course_utils import doctor, places, surroundings
from course_utils.doctor import Check
from course_utils.grading.run.warm import SandboxError


def test_the_report_has_a_line_for_every_check(capsys):
    code = doctor.main(["--json"])
    rows = json.loads(capsys.readouterr().out)
    names = [row["name"] for row in rows]
    wanted = {"place", "python", "versions", "device", "memory", "disk", "folders", "variables", "network"}
    assert wanted | {"profile", "sandbox"} <= set(names)
    assert all(row.keys() == {"name", "status", "detail", "advice"} for row in rows)
    assert all(row["status"] in {"ok", "warn", "fail"} and row["detail"] for row in rows)
    assert all(row["advice"] for row in rows if row["status"] != "ok"), "a complaint comes with advice"
    assert code == any(row["status"] == "fail" for row in rows)


def test_this_environment_is_sound():
    """The tests' own environment; memory and disk are the machine's business."""
    status = {check.name: check.status for check in doctor.examine()}
    sound = ("python", "versions", "device", "folders", "network", "profile", "models", "jupyter")
    assert {name: status[name] for name in sound} == dict.fromkeys(sound, "ok")


def test_text_shows_advice_under_its_line():
    text = doctor.as_text([Check("disk", "warn", "little", "free some"), Check("memory", "ok", "plenty")])
    assert text.splitlines()[0].split() == ["warn", "disk", "little"]
    assert text.splitlines()[1].strip() == "-> free some"
    assert len(text.splitlines()) == 3


def test_a_check_that_breaks_is_reported(capsys):
    def check_gremlins():
        raise RuntimeError("surprise")

    (check,) = doctor.examine([check_gremlins])
    assert (check.name, check.status) == ("gremlins", "fail")
    assert "RuntimeError: surprise" in check.detail


VERSIONS = {"torch": "2.13.0", "numpy": "2.4.6"}


@pytest.mark.parametrize(
    ("installed", "status", "said"),
    [
        (VERSIONS, "ok", "2 packages"),
        (VERSIONS | {"numpy": "1.0"}, "warn", "numpy 1.0 (tested with 2.4.6)"),
        (VERSIONS | {"unknown": "1"}, "ok", "2 packages"),
        ({"numpy": "2.4.6"}, "fail", "torch"),
    ],
)
def test_versions_are_compared_with_the_constraints(installed, status, said):
    check = doctor.check_versions(installed, VERSIONS, {"torch"})
    assert check.status == status
    assert said in check.detail


def test_a_wheel_has_its_own_list_of_versions(tmp_path, monkeypatch):
    assert doctor.constraints() == doctor.ROOT / "constraints.txt"
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    monkeypatch.setattr(doctor, "PACKED", tmp_path / "packed")
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "constraints.txt").write_text("numpy==1.0\n")
    differing = doctor.check_versions({"numpy": "2.0"}, direct={"numpy"})
    assert "numpy 2.0 (tested with 1.0)" in differing.detail
    assert "packed/constraints.txt course-workbook" in differing.advice.replace(os.sep, "/")
    assert doctor.check_versions({}, direct={"numpy"}).advice == "python -m pip install numpy"


def test_a_packages_own_copy_of_another_does_not_count(tmp_path, monkeypatch):
    """setuptools, for one, appends a folder of its own copies to the path."""
    folder = tmp_path / "numpy-0.0.1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 0.0.1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert doctor.installed_versions()["numpy"] == "0.0.1"
    sys.path.remove(str(tmp_path))
    sys.path.append(str(tmp_path))
    assert doctor.installed_versions()["numpy"] != "0.0.1"


@pytest.mark.parametrize(("amount", "status"), [(5e9, "ok"), (2e9, "warn"), (0.4e9, "fail")])
def test_small_amounts_are_graded(amount, status):
    check = doctor.graded("disk", amount, 3e9, 0.5e9, "free", "free some")
    assert check.status == status
    assert bool(check.advice) == (status != "ok")


def test_no_network_is_fine_unless_the_hub_was_asked_for(monkeypatch):
    check = doctor.check_network(trouble="the proxy says no")
    assert check.status == "ok" and "the proxy says no" in check.detail
    monkeypatch.setenv("COURSE_PROFILE", "hub")
    check = doctor.check_network(trouble="the proxy says no")
    assert check.status == "fail" and "COURSE_PROFILE=offline" in check.advice
    assert doctor.check_network(trouble="").status == "ok"


def test_an_unusable_hf_home_is_found_with_what_to_do(monkeypatch, tmp_path):
    assert doctor.check_folders().status == "ok"
    (tmp_path / "file").touch()
    monkeypatch.setenv("HF_HOME", str(tmp_path / "file" / "hf"))
    check = doctor.check_folders()
    assert check.status == "warn"
    assert str(tmp_path / "file" / "hf") in check.detail and "HF_HOME" in check.advice


@pytest.mark.parametrize("name", ["COURSE_CACHE", "COURSE_DATA"])
def test_a_folder_of_ours_that_can_not_be_used_fails(monkeypatch, tmp_path, name):
    (tmp_path / "file").touch()
    monkeypatch.setenv(name, str(tmp_path / "file" / "x"))
    check = doctor.check_folders()
    assert check.status == "fail" and name in check.detail and name in check.advice


def test_a_home_that_nobody_knows_stops_no_check(monkeypatch):
    for name in ("HOME", "COURSE_CACHE", "COURSE_DATA", "HF_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(surroundings, "place", lambda name, environment=None: None)
    assert doctor.check_disk().name == "disk" and doctor.check_folders().status == "warn"


def test_what_the_shell_says_of_proxies_and_certificates_is_looked_at(monkeypatch, tmp_path):
    for name in surroundings.PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    assert doctor.check_variables().detail == "no proxy"
    monkeypatch.setenv("http_proxy", "http://proxy.example:1")
    assert "HTTP_PROXY" in doctor.check_variables().detail
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))
    monkeypatch.setenv("ALL_PROXY", "socks://x:1")
    check = doctor.check_variables()
    assert check.status == "warn" and "gone.pem" in check.detail
    assert "unset ALL_PROXY SSL_CERT_FILE" in check.advice


@pytest.mark.parametrize(
    ("variables", "files", "name"),
    [
        ({}, {}, "a machine of its own"),
        ({"COLAB_RELEASE_TAG": "release-colab_20260101"}, {".dockerenv": ""}, "Google Colab"),
        ({"KAGGLE_KERNEL_RUN_TYPE": "Interactive"}, {".dockerenv": ""}, "Kaggle"),
        ({"JUPYTERHUB_API_TOKEN": "x", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}, {}, "JupyterHub"),
        ({"WSL_DISTRO_NAME": "Debian"}, {}, "WSL"),
        ({}, {"proc/sys/kernel/osrelease": "5.15.1-microsoft-standard-WSL2"}, "WSL"),
        ({}, {"proc/sys/kernel/osrelease": "6.1.0-38-amd64"}, "a machine of its own"),
        ({}, {".dockerenv": ""}, "a container"),
        ({}, {"run/.containerenv": ""}, "a container"),
        ({"container": "podman"}, {}, "a container"),
        ({"WSL_DISTRO_NAME": "Debian"}, {".dockerenv": ""}, "a container"),
    ],
)
def test_a_place_is_told_by_its_signs_with_what_is_different(tmp_path, variables, files, name):
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    found = places.find(variables, tmp_path)
    assert found.name.startswith(name)
    assert (found == places.ORDINARY) == (name == "a machine of its own")


def test_the_report_begins_with_the_place(monkeypatch):
    monkeypatch.setattr(places, "find", lambda: places.COLAB)
    check = doctor.check_place()
    assert doctor.CHECKS[0] is doctor.check_place
    assert check.status == "ok" and "Google Colab" in check.detail and "Drive" in check.detail


@pytest.mark.parametrize(
    ("variable", "check"), [("COURSE_PROFILE", "check_profile"), ("COURSE_DEVICE", "check_device")]
)
def test_a_wrong_choice_in_the_environment_fails(monkeypatch, variable, check):
    monkeypatch.setenv(variable, "nonsense")
    result = getattr(doctor, check)()
    assert result.status == "fail"
    assert "nonsense" in result.detail
    assert variable in result.advice


@pytest.fixture
def weights(tmp_path):
    import numpy
    from safetensors.numpy import save_file

    (tmp_path / "mini").mkdir()
    path = tmp_path / "mini" / "model.safetensors"
    save_file({"a": numpy.zeros(100, "float32"), "b": numpy.ones(7, "float32")}, path, {"format": "pt"})
    return path


def test_whole_weights_are_accepted(weights):
    check = doctor.check_models(weights.parent.parent)
    assert check.status == "ok"
    assert "mini" in check.detail


@pytest.mark.parametrize("keep", [0, 4, 20, -1])
def test_damaged_weights_are_found(weights, keep):
    weights.write_bytes(weights.read_bytes()[:keep])
    assert "damaged: mini" in doctor.check_models(weights.parent.parent).detail


def test_a_pointer_in_place_of_weights_is_found(weights):
    weights.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    assert doctor.check_models(weights.parent.parent).status == "fail"


def test_missing_weights_are_found(tmp_path):
    assert doctor.check_models(tmp_path).status == "fail"


LINUX = pytest.mark.skipif(doctor.platform.system() != "Linux", reason="there is a sandbox on Linux only")


@LINUX
@pytest.mark.parametrize(
    ("level", "status"), [("bwrap 9/9", "ok"), ("container 9/9", "warn"), (None, "warn")]
)
def test_the_sandbox_is_the_wall_that_holds(monkeypatch, level, status):
    def sandboxes():
        if level is None:
            raise SandboxError("no sandbox holds here")
        return level

    monkeypatch.setattr(doctor, "try_sandboxes", sandboxes)
    check = doctor.check_sandbox()
    assert check.status == status
    assert ("apt install bubblewrap" in check.advice) == (status == "warn")
    assert ("9/9 canaries" in check.detail) == (level is not None)


@LINUX
def test_the_walls_are_really_tried():
    try:
        found = doctor.try_sandboxes()
    except SandboxError as error:
        found = str(error)
    assert re.match(r"(bwrap|container) (\d+)/\2$|no sandbox holds", found)


def test_another_system_has_no_sandbox(monkeypatch):
    monkeypatch.setattr(doctor.platform, "system", lambda: "Darwin")
    assert doctor.check_sandbox().status == "warn"
