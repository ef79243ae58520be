"""How `course lab` calls JupyterLab."""

import os

import pytest

from course_utils import lab


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


def test_without_a_display_no_browser_is_started():
    assert "--no-browser" in lab.lab_arguments("a.ipynb", browser=False)


def test_kernels_find_this_environment_and_our_settings():
    environment = {"PATH": "/usr/bin", "JUPYTER_CONFIG_PATH": "/etc/theirs"}
    lab.prepare_environment(environment)
    assert environment["PATH"].split(os.pathsep)[1:] == ["/usr/bin"]
    assert environment["JUPYTER_CONFIG_PATH"].split(os.pathsep) == [str(lab.SETTINGS), "/etc/theirs"]


def test_a_missing_page_is_refused(capsys):
    assert lab.main(["no/such/page.ipynb"]) == 1
    assert "no/such/page.ipynb" in capsys.readouterr().err
