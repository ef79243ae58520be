"""How `course lab` calls JupyterLab."""

import json
import os
import re
import urllib.request

import pytest

from course_utils import lab
from tests.browser import jupyter


def test_the_first_page_is_there(root):
    assert (root / lab.FIRST_PAGE).is_file()


@pytest.mark.parametrize(
    ("environment", "platform", "shown"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "darwin", True),
        ({}, "win32", True),
    ],
)
def test_a_display_is_recognised(environment, platform, shown):
    assert lab.has_display(environment, platform) == shown


def test_jupyterlab_opens_the_page_asked_for(tmp_path):
    arguments = lab.lab_arguments("lessons/index.ipynb", root=tmp_path)
    assert f"--ServerApp.root_dir={tmp_path}" in arguments
    assert "--LabApp.default_url=/lab/tree/lessons/index.ipynb" in arguments
    assert not {"--no-browser", "--allow-root"} & set(arguments)


def test_a_port_asked_for_is_taken_or_refused():
    arguments = lab.lab_arguments("a.ipynb", port=8890)
    assert "--ServerApp.port=8890" in arguments
    assert "--ServerApp.port_retries=0" in arguments


def test_it_listens_where_it_is_told_to():
    assert "--ServerApp.ip=0.0.0.0" in lab.lab_arguments("a.ipynb", address="0.0.0.0")
    assert not [each for each in lab.lab_arguments("a.ipynb") if "ServerApp.ip" in each]


def test_without_a_display_no_browser_is_started():
    assert "--no-browser" in lab.lab_arguments("a.ipynb", browser=False)


def test_kernels_find_this_environment_and_our_settings():
    environment = {"PATH": "/usr/bin", "JUPYTER_CONFIG_PATH": "/etc/theirs"}
    lab.prepare_environment(environment)
    assert environment["PATH"].split(os.pathsep)[1:] == ["/usr/bin"]
    ours = [str(lab.LEARNERS_SETTINGS), str(lab.SETTINGS)]
    assert environment["JUPYTER_CONFIG_PATH"].split(os.pathsep) == [*ours, "/etc/theirs"]


def test_a_missing_page_is_refused(capsys):
    assert lab.main(["no/such/page.ipynb"]) == 1
    assert "no/such/page.ipynb" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(("teacher", "disabled"), [(False, ["@jupyter/nbgrader"]), (True, [])])
def test_only_the_teachers_lab_has_nbgraders_buttons_and_menu(teacher, disabled, tmp_path):
    environment = dict(os.environ)
    lab.prepare_environment(environment, teacher)
    superuser = hasattr(os, "geteuid") and os.geteuid() == 0
    arguments = lab.lab_arguments("", browser=False, root=tmp_path, superuser=superuser)
    with jupyter.serve("jupyterlab", arguments, tmp_path / "log", env=environment) as address:
        page = urllib.request.urlopen(address.of("lab"), timeout=300).read().decode()
    told = json.loads(
        re.search(r'id="jupyter-config-data" type="application/json">(.*?)</script>', page, re.DOTALL)[1]
    )
    assert "@jupyter/nbgrader" in [each["name"] for each in told["federated_extensions"]]
    assert [each for each in told["disabledExtensions"] if "nbgrader" in each] == disabled


def test_where_the_home_can_not_be_written_to_jupyters_own_files_go_elsewhere(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").touch()
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    environment = {}
    lab.find_places(environment)
    assert environment == {} and not capsys.readouterr().out
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "file" / "runtime"))
    lab.find_places(environment)
    assert environment.keys() == {"JUPYTER_RUNTIME_DIR"}
    assert "can't be written to" in capsys.readouterr().out
