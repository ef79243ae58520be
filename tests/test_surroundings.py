"""What a shell and a home bring along: found out, said with what to do, and nothing changed by asking."""

import os

import pytest

from course_utils import surroundings

SHELL = (*surroundings.PROXIES, *(name.lower() for name in surroundings.PROXIES), "NO_PROXY", "no_proxy")


@pytest.fixture(autouse=True)
def bare_shell(monkeypatch):
    for name in (*SHELL, *surroundings.CERTIFICATES, *surroundings.WRITTEN_IN_HF_HOME):
        monkeypatch.delenv(name, raising=False)


def test_without_a_proxy_nothing_is_set():
    assert surroundings.past_proxies() == {}


@pytest.mark.parametrize("variable", ["http_proxy", "HTTPS_PROXY", "ALL_PROXY"])
def test_this_machines_own_addresses_go_past_every_proxy(monkeypatch, variable):
    httpx, httpx2, requests = map(pytest.importorskip, ("httpx", "httpx2", "requests"))
    monkeypatch.setenv(variable, "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "intern.example, 10.0.0.1")
    set_now = surroundings.past_proxies()
    assert set_now["NO_PROXY"] == set_now["no_proxy"] == "intern.example,10.0.0.1,127.0.0.1,localhost,::1"
    for name, value in set_now.items():
        monkeypatch.setenv(name, value)
    for host in ("127.0.0.1", "localhost", "[::1]"):
        url = f"http://{host}:8000/"
        for library in (httpx, httpx2):  # gradio's client, and the Hub's
            with library.Client() as client:
                assert client._transport_for_url(library.URL(url)) is client._transport, (library, host)
        assert not requests.utils.get_environ_proxies(url), host


def test_a_list_that_lets_everything_past_stays_as_it_is(monkeypatch):
    """urllib knows "*" only where it stands alone."""
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "*")
    assert surroundings.past_proxies() == {}


def test_proxies_that_only_the_system_knows_are_written_out(monkeypatch):
    """Windows and macOS: with NO_PROXY in the environment, Python asks the system for nothing more."""
    monkeypatch.setattr(surroundings, "getproxies", lambda: {"http": "http://desk:1", "ftp": "http://desk:2"})
    assert surroundings.past_proxies() == {
        "NO_PROXY": "127.0.0.1,localhost,::1",
        "no_proxy": "127.0.0.1,localhost,::1",
        "http_proxy": "http://desk:1",
    }


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        ("http://proxy.example:3128", ""),
        ("proxy.example:3128", ""),
        ("socks5://proxy.example:1080", ""),
        ("socks5h://me:secret@proxy.example:1080", ""),
        ("socks://127.0.0.1:1080/", "begins with socks://"),
        ("socks4://me:secret@127.0.0.1", "begins with socks4://"),
        ("http://proxy.example:port", "no address"),
    ],
)
def test_a_proxy_that_stops_every_client_is_known_before_a_client_is_made(monkeypatch, proxy, said):
    import httpx2

    monkeypatch.setenv("all_proxy", proxy)
    found = surroundings.unusable_proxies()
    assert said in found.get("all_proxy", "") and bool(found) == bool(said)
    assert "secret" not in str(found)
    if said:
        with pytest.raises((ValueError, httpx2.InvalidURL)):
            httpx2.Client()
    else:
        httpx2.Client().close()


def test_a_missing_package_for_socks_is_named_with_its_command(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    monkeypatch.setattr(surroundings.importlib.util, "find_spec", lambda name: None)
    assert "pip install socksio" in surroundings.unusable_proxies()["ALL_PROXY"]


def test_certificates_that_are_not_there_are_named_with_variable_and_file(monkeypatch, tmp_path):
    certifi = pytest.importorskip("certifi")
    empty = tmp_path / "empty.pem"
    empty.touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(empty))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "gone.pem"))
    monkeypatch.setenv("CURL_CA_BUNDLE", certifi.where())
    found = surroundings.stale_certificates()
    assert found.keys() == {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"}
    assert str(empty) in found["SSL_CERT_FILE"] and "gone.pem" in found["REQUESTS_CA_BUNDLE"]
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path))  # a folder will do for the others
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    assert surroundings.stale_certificates().keys() == {"SSL_CERT_FILE"}


# Places. A file where a folder should be is in the way of root, too.


@pytest.fixture
def blocked(tmp_path):
    """A path below a file: nobody can make it."""
    (tmp_path / "file").touch()
    return tmp_path / "file" / "home"


def test_a_home_that_can_be_written_to_stays(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert surroundings.moved_places({}) == {}
    assert (tmp_path / ".cache" / "huggingface").is_dir()


def test_all_that_is_needed_moves_out_of_a_home_that_can_not(monkeypatch, blocked):
    monkeypatch.setenv("HOME", str(blocked))
    moved = surroundings.moved_places({})
    assert moved.keys() == {"COURSE_CACHE", "COURSE_DATA", "HF_HOME", "MPLCONFIGDIR", "IPYTHONDIR"}
    assert len(set(moved.values())) == len(moved)


def test_a_home_that_nobody_knows_is_one_that_can_not_be_written_to(monkeypatch):
    """What `docker run --user 12345` has: no HOME, and no entry in the list of users."""
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(surroundings.Path, "expanduser", lambda path: (_ for _ in ()).throw(RuntimeError()))
    assert surroundings.place("HF_HOME", {}) is None
    assert "HF_HOME" in surroundings.moved_places({})


def test_what_was_chosen_by_hand_is_never_moved_by_us(tmp_path, blocked):
    chosen = {"COURSE_CACHE": str(blocked), "COURSE_DATA": str(blocked), "HF_HOME": str(tmp_path)}
    assert surroundings.moved_places(chosen) == {}


def test_an_hf_home_that_can_not_be_made_is_replaced(tmp_path, blocked):
    chosen = {"COURSE_CACHE": str(tmp_path), "COURSE_DATA": str(tmp_path), "HF_HOME": str(blocked)}
    assert {"HF_HOME"} <= surroundings.moved_places(chosen).keys()
    chosen |= {"HF_HOME": str(tmp_path), "HF_DATASETS_CACHE": str(blocked)}
    assert {"HF_DATASETS_CACHE"} <= surroundings.moved_places(chosen).keys()


def test_models_that_may_only_be_read_are_kept_and_what_is_written_goes_elsewhere(monkeypatch, tmp_path):
    chosen = {
        "COURSE_CACHE": str(tmp_path),
        "COURSE_DATA": str(tmp_path),
        "HF_HOME": str(tmp_path / "shared"),
    }
    (tmp_path / "shared").mkdir()
    can_write = surroundings.can_write
    monkeypatch.setattr(
        surroundings, "can_write", lambda folder: folder.name != "shared" and can_write(folder)
    )
    moved = surroundings.moved_places(chosen)
    assert "HF_HOME" not in moved and surroundings.WRITTEN_IN_HF_HOME.keys() <= moved.keys()


def test_the_spare_folder_is_this_users_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(surroundings.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(surroundings.tempfile, "tempdir", str(tmp_path))
    folder = surroundings.spare_folder(["X"])
    assert folder == surroundings.spare_folder(["X"]) and folder.stat().st_mode & 0o077 == 0
    if hasattr(os, "getuid"):  # somebody else made one of that name beforehand
        monkeypatch.setattr(surroundings.os, "getuid", lambda: folder.stat().st_uid + 1)
        stranger = tmp_path / f"course-workbook-{folder.stat().st_uid + 1}"
        stranger.mkdir()
        assert surroundings.spare_folder(["X"]) != stranger


def test_where_nothing_can_be_written_every_variable_to_set_is_named(monkeypatch, blocked):
    monkeypatch.setattr(surroundings.tempfile, "gettempdir", lambda: str(blocked))
    with pytest.raises(OSError, match="TMPDIR, COURSE_CACHE, HF_HOME"):
        surroundings.spare_folder(["COURSE_CACHE", "HF_HOME"])
