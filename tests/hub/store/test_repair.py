"""Something in a Hub's folder is damaged: the rest is served, the damaged part has a name, and what can be mended is."""

import json
import os
from pathlib import Path

import huggingface_hub as hf
import pytest
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from course_utils.hub import LocalHub, open_store
from course_utils.hub.command import main
from course_utils.hub.store.clock import Clock
from course_utils.hub.store.repair import repair
from tests.hub.conftest import assert_sound, git

LARGE = os.urandom(3000)


@pytest.fixture
def root(tmp_path):
    """A Hub's folder with a model me/thing and another one, nobody running it."""
    hub = LocalHub(tmp_path / "hub", seeded=False).start()
    for name in ("thing", "other"):
        hub.seed(f"me/{name}", {"a.txt": "a", "README.md": "---\nlicense: mit\n---\n"}, tag="v1")
        hub.seed(f"me/{name}", {"w.bin": LARGE, "b/c.txt": name})
    hub.stop()
    return hub.root


def folder(root, name="thing"):
    return root / "repositories" / "models" / "me" / f"{name}.git"


def object_of(root, path):
    store = open_store(root)
    oid = store.repo("me/thing").file(path).oid
    return folder(root) / "objects" / oid[:2] / oid[2:]


def break_names(root):
    path = folder(root) / "packed-refs"
    path.write_bytes(b"\xff\xfe nonsense\n" + path.read_bytes())


def lose_main(root):
    path = folder(root) / "packed-refs"
    path.write_text(
        "".join(line for line in path.read_text().splitlines(True) if "refs/heads/main" not in line)
    )


def break_settings(root):
    (folder(root) / "hub.json").write_text('{"kind": "mod')


def take_settings_of_another(root):
    (folder(root) / "hub.json").write_bytes((folder(root, "other") / "hub.json").read_bytes())


def break_conversations(root):
    (folder(root) / "conversations.json").write_text("[{")


def break_a_file(root):
    object_of(root, "b/c.txt").write_bytes(b"nonsense")


def break_a_large_file(root):
    place = next((folder(root) / "lfs").rglob("*/*/*/*"))
    data = bytearray(place.read_bytes())
    data[5] ^= 1
    place.write_bytes(data)


DAMAGE = [
    break_names,
    lose_main,
    break_settings,
    take_settings_of_another,
    break_conversations,
    break_a_file,
    break_a_large_file,
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_the_rest_is_served_and_repair_mends_what_can_be_mended(root, damage):
    damage(root)
    with LocalHub(root, seeded=False) as hub:
        assert [each.id for each in hf.list_models(author="me")].count("me/other") == 1
        for path in ("/", "/models", "/me", "/api/models?full=1", "/api/models-tags-by-type"):
            assert hf.get_session().get(hub.url + path).status_code == 200, path
        assert hf.model_info("me/other").id == "me/other"
        hf.upload_file(path_or_fileobj=b"new", path_in_repo="new.txt", repo_id="me/other")
        assert not hub._service.crashes
    said = list(repair(root))
    assert said and all("model me/thing" in each or damage is break_a_large_file for each in said)
    with LocalHub(root, seeded=False) as hub:
        assert not hub.troubles
        # what was lost itself can be uploaded once more
        for path, data in (("b/c.txt", b"thing"), ("w.bin", LARGE)):
            hf.upload_file(path_or_fileobj=data, path_in_repo=path, repo_id="me/thing")
        view = hub.repo("me/thing")
        assert view.text("a.txt") == "a" and view.text("b/c.txt") == "thing" and view.read("w.bin") == LARGE
        assert len(view.commits()) >= 3 and "v1" in view.tags
        assert hf.model_info("me/thing").private == (damage in (break_settings, take_settings_of_another))
        assert not hub._service.crashes
        assert_sound(hub)
    again = [each for each in repair(root) if "me/other" not in each]
    assert not again, again


def test_who_owns_it_is_told_and_for_others_it_is_not_there(root):
    break_settings(root)
    with LocalHub(root, seeded=False) as hub:
        assert "me/thing is damaged: hub.json is malformed" in hub.troubles[0]
        with pytest.raises(HfHubHTTPError, match="hub.json is malformed.*course hub --repair"):
            hf.model_info("me/thing")
        with pytest.raises(HfHubHTTPError, match="course hub --repair"):  # and its name is taken
            hf.create_repo("thing")
        hub.add_user("ada")
        with hub.as_user("ada"), pytest.raises(RepositoryNotFoundError):
            hf.model_info("me/thing")


@pytest.mark.parametrize("name", ["accounts.json", "tokens.json"])
@pytest.mark.parametrize("content", ["{", "[]", '{"people": 3}', '{"hf_x": 3}'])
def test_accounts_that_can_not_be_read(root, name, content):
    """The Hub starts; whom the other file knows is there, and the damaged one is kept."""
    (root / name).write_text(content)
    with LocalHub(root, seeded=False) as hub:
        assert name in hub.troubles[0] and (root / f"{name}.damaged").read_text() == content
        assert hf.whoami()["name"] == "me"
        assert hub.repo("me/thing").may_write("me")
        hf.upload_file(path_or_fileobj=b"new", path_in_repo="new.txt", repo_id="me/thing")
    with LocalHub(root, seeded=False) as hub:
        assert not hub.troubles and hf.whoami()["name"] == "me"


def test_organisations_whose_list_was_lost_are_still_owners(root):
    hub = LocalHub(root, seeded=False).start()
    hub.add_user("me", organisations=["club"])
    hub._store.create("model", "club/thing")
    hub.stop()
    (root / "accounts.json").write_text("{")
    with LocalHub(root, seeded=False) as hub:
        assert hf.get_session().get(f"{hub.url}/club").status_code == 200
        assert hub.repo("club/thing").exists


def test_the_command(root, capsys):
    assert main(["--root", str(root), "--repair"]) == 0
    assert "as it should be" in capsys.readouterr().out
    break_names(root)
    assert main(["--root", str(root), "--repair"]) == 0
    assert "packed-refs was damaged" in capsys.readouterr().out


def test_a_commit_from_before_1970_breaks_nothing(root, tmp_path):
    """A clock that is wrong, or a commit that git brought from elsewhere, in its own zone or beyond all years."""
    assert Clock("1960-01-01").now() == 0
    text = git(folder(root), "cat-file", "-p", "main")
    for time in ("-315619200 +0000", "5 -0830", "999999999999 +0000"):
        data = "".join(
            f"{line.partition('>')[0]}> {time}\n" if line.startswith(("author", "committer")) else line
            for line in text.splitlines(True)
        )
        (tmp_path / "commit").write_text(data)
        path = str(tmp_path / "commit")
        oid = git(folder(root), "hash-object", "-t", "commit", "-w", "--literally", path).strip()
        git(folder(root), "update-ref", "refs/heads/main", oid)
        git(folder(root), "pack-refs", "--all")
        with LocalHub(root, seeded=False) as hub:
            assert hf.model_info("me/thing").sha == oid
            assert hf.list_repo_commits("me/thing")[0].commit_id == oid
            assert hub.repo("me/thing").commits()[0].id == oid
            for page in (
                "/",
                "/me/thing",
                "/me/thing/commits/main",
                "/me/thing/tree/main",
                f"/me/thing/commit/{oid}",
            ):
                assert hf.get_session().get(hub.url + page).status_code == 200, page
            assert not hub._service.crashes, hub._service.crashes
            hf.upload_file(path_or_fileobj=time.encode(), path_in_repo="later.txt", repo_id="me/thing")
            assert hub.repo("me/thing").text("later.txt") == time


def test_nothing_is_thrown_away(root):
    before = (folder(root) / "hub.json").read_bytes()
    (folder(root) / "hub.json").write_bytes(before[:-5])
    list(repair(root))
    assert [path.read_bytes() for path in (root / "damaged").iterdir()] == [before[:-5]]
    assert json.loads((folder(root) / "hub.json").read_text())["private"] is True
    assert Path(root / "damaged").is_dir()
