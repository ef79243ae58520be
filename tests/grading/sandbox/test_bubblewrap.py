"""The outer sandbox's command line; that it holds is for the canaries (tests/grading/test_warm.py)."""

from course_utils.grading.sandbox import bubblewrap


def pairs(words, option):
    return [words[at + 1] for at, word in enumerate(words) if word == option]


def test_the_command(monkeypatch):
    monkeypatch.setattr(bubblewrap.os, "getuid", lambda: 1000)
    words = bubblewrap.command(["python", "-c", "x"], ["/usr", "/work/course/package"])
    assert words[-4:] == ["--", "python", "-c", "x"]
    for namespace in ("pid", "net", "ipc", "uts", "user"):
        assert f"--unshare-{namespace}" in words
    assert {"--die-with-parent", "--as-pid-1", "--remount-ro"} <= set(words)
    assert pairs(words, "--ro-bind-try")[-1] == "/work/course/package"
    assert pairs(words, "--dir") == ["/work", "/work/course"]
    assert "--bind" not in words
    assert pairs(words, "--cap-add") == ["CAP_SYS_ADMIN"]


def test_as_root_most_of_its_powers_are_given_up(monkeypatch):
    monkeypatch.setattr(bubblewrap.os, "getuid", lambda: 0)
    words = bubblewrap.command(["x"], ["/usr"])
    assert pairs(words, "--cap-drop") == ["ALL"]
    assert "CAP_SYS_PTRACE" not in pairs(words, "--cap-add")


def test_links_stay_links(tmp_path, monkeypatch):
    monkeypatch.setattr(bubblewrap.os.path, "islink", lambda path: path == "/bin")
    monkeypatch.setattr(bubblewrap.os, "readlink", lambda path: "usr/bin")
    words = bubblewrap.command(["x"], ["/bin", "/usr"])
    assert words[words.index("--symlink") + 1 :][:2] == ["usr/bin", "/bin"]
