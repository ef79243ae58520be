"""Files and history through the unmodified client: up, down, in parts, by range, at a revision, from the cache."""

import atexit
import io
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub as hf
import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfFileSystem
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RevisionNotFoundError

from course_utils.hub import Limits, LocalHub
from tests.hub.conftest import assert_sound

MEGABYTE = 2**20


@pytest.fixture
def thing(hub):
    """The Hub with an empty model me/thing."""
    hf.create_repo("thing")
    return hub


def write(folder, files):
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def test_a_folder_with_a_large_file_in_parts(tmp_path):
    big = os.urandom(20 * MEGABYTE)
    folder = write(tmp_path / "up", {"big.bin": big, "notes/a b é.txt": b"text", "empty.txt": b""})
    with LocalHub(seeded=False, limits=Limits(upload_part=8 * MEGABYTE)) as hub:
        hf.create_repo("thing")
        hf.upload_folder(folder_path=folder, repo_id="me/thing")
        assert len(hub.events_of("PUT", "/upload")) == 3
        view = hub.repo("me/thing")
        assert view.read("big.bin") == big and view.file("big.bin").large
        assert view.read("notes/a b é.txt") == b"text" and view.read("empty.txt") == b""

        count = len(view.commits())
        hf.upload_folder(folder_path=folder, repo_id="me/thing")  # nothing has changed
        assert len(hub.events_of("PUT")) == 3 and len(view.commits()) == count

        hf.create_repo("other")
        hf.upload_file(path_or_fileobj=big, path_in_repo="copy.bin", repo_id="me/other")
        assert len(hub.events_of("PUT")) == 3  # the same bytes are there already
        assert len(list(hub.root.glob("large/*/*"))) == 1
        stored = next(hub.root.glob("large/*/*"))
        assert stored.stat().st_nlink == 3  # one file, and a name in each repository

        down = hf.snapshot_download("me/thing", local_dir=tmp_path / "down")
        assert Path(down, "big.bin").read_bytes() == big
        assert not hub._service.crashes
        assert_sound(hub)


def test_all_that_can_be_uploaded(thing):
    hf.upload_file(path_or_fileobj=io.BytesIO(b"from memory"), path_in_repo="a.txt", repo_id="me/thing")
    hf.upload_file(path_or_fileobj=b"\xff\xfe\x00binary", path_in_repo="no-pattern", repo_id="me/thing")
    hf.upload_file(path_or_fileobj=io.BytesIO(b"\0" * 3000), path_in_repo="x.safetensors", repo_id="me/thing")
    view = thing.repo("me/thing")
    assert not view.file("a.txt").large
    assert view.file("no-pattern").large and view.file("x.safetensors").large
    for path in view.files():
        with open(hf.hf_hub_download("me/thing", path), "rb") as file:
            assert file.read() == view.read(path)


def test_one_commit_of_many_changes(thing):
    thing.seed("me/thing", {"old.txt": "old", "gone/a.txt": "a", "gone/b.txt": "b", "w.bin": b"\0" * 3000})
    hf.create_commit(
        "me/thing",
        [
            CommitOperationAdd("new.txt", b"new"),
            CommitOperationDelete("gone/"),
            CommitOperationCopy("old.txt", "copies/old.txt"),
            CommitOperationCopy("w.bin", "copies/w.bin"),
        ],
        commit_message="Tidy up",
        commit_description="It was time.",
    )
    view = thing.repo("me/thing")
    assert view.files() == (".gitattributes", "copies/old.txt", "copies/w.bin", "new.txt", "old.txt", "w.bin")
    assert (view.commits()[0].title, view.commits()[0].message) == ("Tidy up", "It was time.")
    hf.delete_file("old.txt", "me/thing")
    hf.delete_folder("copies", "me/thing")
    assert view.files() == (".gitattributes", "new.txt", "w.bin")
    with pytest.raises(EntryNotFoundError):
        hf.delete_file("old.txt", "me/thing")
    assert_sound(thing)


def test_a_copy_from_another_repository(thing):
    thing.seed("me/source", {"a.txt": "a"})
    copy = CommitOperationCopy("a.txt", "b.txt", src_repo_id="me/source", src_repo_type="model")
    hf.create_commit("me/thing", [copy], commit_message="Copy")
    assert thing.repo("me/thing").text("b.txt") == "a"


def test_a_stale_parent_is_refused(thing):
    first = thing.repo("me/thing").head()
    hf.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id="me/thing", parent_commit=first)
    with pytest.raises(HfHubHTTPError, match="A commit has happened since") as error:
        hf.upload_file(path_or_fileobj=b"2", path_in_repo="a.txt", repo_id="me/thing", parent_commit=first)
    assert error.value.response.status_code == 412
    assert thing.repo("me/thing").text("a.txt") == "1"


def test_branches_tags_and_revisions(thing):
    first = hf.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id="me/thing").oid
    hf.create_tag("me/thing", tag="v1.0", tag_message="The first")
    hf.create_branch("me/thing", branch="try/this")
    hf.upload_file(path_or_fileobj=b"2", path_in_repo="a.txt", repo_id="me/thing", revision="try/this")
    hf.create_tag("me/thing", tag="short", revision=first[:8])
    view = thing.repo("me/thing")
    assert view.tags == {"v1.0": first, "short": first} and set(view.branches) == {"main", "try/this"}
    for revision, text in (("main", "1"), ("v1.0", "1"), (first, "1"), ("try/this", "2")):
        assert Path(hf.hf_hub_download("me/thing", "a.txt", revision=revision)).read_text() == text
    refs = hf.list_repo_refs("me/thing")
    assert {each.name: each.target_commit for each in refs.tags} == view.tags
    assert hf.model_info("me/thing", revision="try/this").sha == view.head("try/this")
    with pytest.raises(HfHubHTTPError) as error:
        hf.create_tag("me/thing", tag="v1.0")
    assert error.value.response.status_code == 409
    hf.create_branch("me/thing", branch="try/this", exist_ok=True)
    with pytest.raises(HfHubHTTPError, match="Cannot delete refs/heads/main"):
        hf.delete_branch("me/thing", branch="main")
    hf.delete_branch("me/thing", branch="try/this")
    hf.delete_tag("me/thing", tag="short")
    with pytest.raises(RevisionNotFoundError):
        hf.delete_tag("me/thing", tag="short")
    with pytest.raises(RevisionNotFoundError):
        hf.hf_hub_download("me/thing", "a.txt", revision="try/this")
    assert_sound(thing)


def test_history(thing):
    for number in range(3):
        hf.upload_file(
            path_or_fileobj=b"%d" % number,
            path_in_repo="a.txt",
            repo_id="me/thing",
            commit_message=f"Number {number}",
        )
    titles = [each.title for each in hf.list_repo_commits("me/thing")]
    assert titles == ["Number 2", "Number 1", "Number 0", "initial commit"]
    assert hf.list_repo_commits("me/thing")[0].authors == ["me"]
    hf.super_squash_history("me/thing", commit_message="All in one")
    assert [each.title for each in hf.list_repo_commits("me/thing")] == ["All in one"]
    assert thing.repo("me/thing").text("a.txt") == "2"
    assert_sound(thing)


def test_what_is_missing_is_remembered(thing):
    with pytest.raises(EntryNotFoundError):
        hf.hf_hub_download("me/thing", "nothing.txt")
    assert hf.try_to_load_from_cache("me/thing", "nothing.txt") is hf._CACHED_NO_EXIST
    with pytest.raises(EntryNotFoundError):
        list(hf.list_repo_tree("me/thing", path_in_repo="nothing"))
    assert not hf.file_exists("me/thing", "nothing.txt")
    assert not hf.revision_exists("me/thing", "nothing")


def test_the_cache_asks_once_and_by_commit_never(thing):
    oid = hf.upload_file(path_or_fileobj=b"1", path_in_repo="a.txt", repo_id="me/thing").oid
    hf.hf_hub_download("me/thing", "a.txt")
    before = len(thing.events)
    hf.hf_hub_download("me/thing", "a.txt")
    assert [each.method for each in thing.events[before:]] == ["HEAD"]
    before = len(thing.events)
    hf.hf_hub_download("me/thing", "a.txt", revision=oid)
    assert len(thing.events) == before


def test_part_of_a_repository(thing, tmp_path):
    thing.seed("me/thing", {"a.txt": "a", "b.json": "{}", "sub/c.txt": "c"})
    folder = hf.snapshot_download("me/thing", allow_patterns="*.txt", local_dir=tmp_path)
    found = {
        path.relative_to(folder).as_posix() for path in tmp_path.rglob("*.*") if ".cache" not in path.parts
    }
    assert found == {"a.txt", "sub/c.txt"}


def test_1200_files_in_pages(thing):
    thing.seed("me/thing", {f"part-{number // 100}/{number:04}.txt": str(number) for number in range(1200)})
    assert len(hf.list_repo_files("me/thing")) == 1201
    assert len(thing.events_of("GET", "*/tree/main")) == 2
    rows = list(hf.list_repo_tree("me/thing", path_in_repo="part-3", expand=True))
    assert len(rows) == 100 and rows[0].last_commit.title == "Add the files"
    assert len(HfFileSystem().glob("me/thing/part-*/*99.txt")) == 12
    infos = hf.get_paths_info("me/thing", ["part-0/0001.txt", "part-1", "nothing"], expand=True)
    assert [type(each).__name__ for each in infos] == ["RepoFile", "RepoFolder"]


def test_the_file_system(thing):
    files = HfFileSystem()
    with files.open("me/thing/a.txt", "w") as file:
        file.write("0123456789")
    assert [os.path.basename(each["name"]) for each in files.ls("me/thing")] == [".gitattributes", "a.txt"]
    with files.open("me/thing/a.txt", "rb", block_size=4) as file:
        file.seek(3)
        assert file.read(2) == b"34"
    assert any(each.range for each in thing.events_of("GET", "*a.txt"))
    files.cp("me/thing/a.txt", "me/thing/b.txt")
    files.rm("me/thing/a.txt")
    assert thing.repo("me/thing").files() == (".gitattributes", "b.txt")


def test_ranges(thing):
    thing.seed("me/thing", {"a.txt": "0123456789", "b.bin": bytes(range(256)) * 20})
    session = hf.get_session()

    def get(path, asked):
        return session.get(f"{thing.url}/me/thing/resolve/main/{path}", headers={"Range": asked})

    answer = get("a.txt", "bytes=2-4")
    assert (answer.status_code, answer.content, answer.headers["Content-Range"]) == (
        206,
        b"234",
        "bytes 2-4/10",
    )
    assert get("b.bin", "bytes=-3").content == bytes([253, 254, 255])
    assert get("b.bin", "bytes=5118-").content == bytes([254, 255])
    assert get("a.txt", "bytes=8-99").content == b"89"
    assert get("a.txt", "bytes=10-").status_code == 416
    assert get("a.txt", "lines=1-2").status_code == 200
    whole = get("a.txt", "bytes=0-")
    assert (whole.status_code, whole.headers["Content-Range"]) == (206, "bytes 0-9/10")


def test_raw_is_what_stands_in_git(thing):
    data = bytes(range(256)) * 20
    thing.seed("me/thing", {"a.txt": "0123456789", "b.bin": data}, private=True)

    def get(path, **headers):
        headers["Authorization"] = f"Bearer {thing.token}"
        return hf.get_session().get(f"{thing.url}/me/thing/raw/HEAD/{path}", headers=headers)

    assert get("a.txt").text == "0123456789"
    assert (get("a.txt", Range="bytes=2-4").status_code, get("a.txt", Range="bytes=2-4").text) == (206, "234")
    pointer = get("b.bin").text
    assert pointer.startswith("version https://git-lfs") and f"size {len(data)}" in pointer
    assert hf.get_session().get(f"{thing.url}/me/thing/raw/main/a.txt").status_code == 401


def test_head_is_main(thing):
    hf.upload_file(path_or_fileobj=b"a", path_in_repo="a.txt", repo_id="me/thing", revision="HEAD")
    head = hf.list_repo_refs("me/thing").branches[0].target_commit
    assert hf.model_info("me/thing", revision="HEAD").sha == head == thing.repo("me/thing").head()
    made = hf.create_commit(
        "me/thing",
        [CommitOperationAdd("b.txt", b"b")],
        commit_message="Say b",
        revision="HEAD",
        create_pr=True,
    )
    assert hf.get_discussion_details("me/thing", made.pr_num).target_branch == "refs/heads/main"
    hf.merge_pull_request("me/thing", made.pr_num)
    assert hf.file_exists("me/thing", "b.txt")


def test_commits_are_counted(thing):
    thing.seed("me/thing", {"a.txt": "a"})
    answer = hf.get_session().get(f"{thing.url}/api/models/me/thing/commits/main?limit=1")
    assert (len(answer.json()), answer.headers["X-Total-Count"]) == (1, "2")


def test_what_a_commit_that_comes_too_late_is_told(thing):
    start = thing.repo("me/thing").head()
    thing.seed("me/thing", {"a.txt": "a"})
    with pytest.raises(
        HfHubHTTPError, match="A commit has happened since. Please refresh and try again."
    ) as error:
        hf.create_commit(
            "me/thing", [CommitOperationAdd("b.txt", b"b")], commit_message="b", parent_commit=start
        )
    assert error.value.response.status_code == 412


def test_a_listed_file_is_not_uploaded(thing, tmp_path):
    """The client asks which files .gitignore lists: the one that goes along, or else the repository's."""
    folder = write(
        tmp_path, {".gitignore": b"*.env\n!good.env\nbuild/\n", "secret.env": b"hush", "a.txt": b"a"}
    )
    write(folder, {"good.env": b"open", "build/x.txt": b"x", "deep/other.env": b"hush"})
    hf.upload_folder(folder_path=folder, repo_id="me/thing")
    wanted = (".gitattributes", ".gitignore", "a.txt", "good.env")
    assert thing.repo("me/thing").files() == wanted
    (folder / ".gitignore").unlink()
    write(folder, {"late.env": b"hush", "b.txt": b"b"})
    hf.upload_folder(folder_path=folder, repo_id="me/thing")
    assert thing.repo("me/thing").files() == (*wanted[:3], "b.txt", "good.env")


def test_an_interrupted_download_goes_on_where_it_stopped(thing, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 2**18)  # it keeps whole chunks
    data = os.urandom(3 * MEGABYTE)
    thing.seed("me/thing", {"big.bin": data})
    thing.fail(status="drop", after_bytes=MEGABYTE, path="*/resolve/*", method="GET")
    path = hf.hf_hub_download("me/thing", "big.bin", local_dir=tmp_path)
    assert Path(path).read_bytes() == data
    assert thing.events_of("GET", "*/big.bin")[1].range is not None


def clock(sleep):
    """The module `time` with another `sleep`, for one module: other threads go on sleeping as they did."""
    return SimpleNamespace(**{**vars(time), "sleep": sleep})


def test_a_busy_hub_is_asked_again(thing, monkeypatch):
    waits = []
    monkeypatch.setattr("huggingface_hub.utils._http.time", clock(waits.append))
    thing.seed("me/thing", {"a.txt": "a"})
    thing.fail(status=503, times=2, path="*/preupload/*")
    hf.upload_file(path_or_fileobj=b"1", path_in_repo="b.txt", repo_id="me/thing")
    assert waits == [1, 2]
    thing.fail(status=429, path="*/tree/*", retry_after=7)
    assert "b.txt" in hf.list_repo_files("me/thing")
    assert waits == [1, 2, 8]  # the client adds a second
    thing.fail(status="drop", path="*/preupload/*")
    hf.upload_file(path_or_fileobj=b"2", path_in_repo="b.txt", repo_id="me/thing")
    thing.fail(status=500, times=99)
    thing.heal()
    assert hf.whoami()["name"] == "me"


def test_an_interrupted_upload_sends_only_what_is_missing(thing, tmp_path, monkeypatch):
    folder = write(tmp_path, {f"{number}.bin": os.urandom(5000) for number in range(4)})
    monkeypatch.setattr("huggingface_hub.utils._http.time", clock(lambda seconds: None))
    thing.fail(status=403, path="/api/models/me/thing/commit/main", method="POST")
    with pytest.raises(HfHubHTTPError):
        hf.upload_folder(folder_path=folder, repo_id="me/thing")
    assert len(thing.events_of("PUT")) == 4 and len(thing.repo("me/thing").commits()) == 1
    hf.upload_folder(folder_path=folder, repo_id="me/thing")
    assert len(thing.events_of("PUT")) == 4
    assert len(thing.repo("me/thing").files()) == 5


def test_pull_requests_from_end_to_end(hub):
    hub.seed("ada/thing", {"a.txt": "one\n", "b.txt": "b\n"})
    made = hf.create_commit(
        "ada/thing",
        [CommitOperationAdd("a.txt", b"two\n"), CommitOperationAdd("w.bin", b"\0" * 3000)],
        commit_message="Say two",
        create_pr=True,
    )
    assert (made.pr_num, made.pr_revision) == (1, "refs/pr/1")
    view = hub.repo("ada/thing")
    assert (view.text("a.txt"), view.text("a.txt", "refs/pr/1")) == ("one\n", "two\n")
    assert Path(hf.hf_hub_download("ada/thing", "a.txt", revision="refs/pr/1")).read_text() == "two\n"
    details = hf.get_discussion_details("ada/thing", 1)
    assert details.status == "open" and details.target_branch == "refs/heads/main"
    assert "-one\n+two\n" in details.diff and details.conflicting_files == []
    hf.upload_file(path_or_fileobj=b"c", path_in_repo="more.txt", repo_id="ada/thing", revision="refs/pr/1")
    comment = hf.comment_discussion("ada/thing", 1, "Please")
    hf.edit_discussion_comment("ada/thing", 1, comment.id, "Pretty please")
    hf.rename_discussion("ada/thing", 1, "Say two instead")
    with pytest.raises(HfHubHTTPError) as error:
        hf.merge_pull_request("ada/thing", 1)
    assert error.value.response.status_code == 403
    hub.seed("ada/thing", {"c.txt": "c\n"})
    with hub.as_user("ada"):
        hf.merge_pull_request("ada/thing", 1, comment="Thanks")
    assert view.text("a.txt") == "two\n" and len(view.commits()[0].parents) == 2
    assert view.read("w.bin") == b"\0" * 3000 and view.text("c.txt") == "c\n"
    assert view.pull_requests[0].status == "merged"
    refs = hf.list_repo_refs("ada/thing", include_pull_requests=True)
    assert [each.ref for each in refs.pull_requests] == ["refs/pr/1"]
    assert_sound(hub)


def test_a_pull_request_that_clashes(hub):
    hub.seed("me/thing", {"a.txt": "one\n"})
    draft = hf.create_pull_request("me/thing", "Say two")
    assert draft.status == "draft" and draft.git_reference == "refs/pr/1"
    hf.upload_file(path_or_fileobj=b"two\n", path_in_repo="a.txt", repo_id="me/thing", revision="refs/pr/1")
    hf.upload_file(path_or_fileobj=b"three\n", path_in_repo="a.txt", repo_id="me/thing")
    hf.change_discussion_status("me/thing", 1, "open")
    assert hf.get_discussion_details("me/thing", 1).conflicting_files == ["a.txt"]
    with pytest.raises(HfHubHTTPError, match="Both sides changed a.txt"):
        hf.merge_pull_request("me/thing", 1)
    hf.change_discussion_status("me/thing", 1, "closed")
    talk = hf.create_discussion("me/thing", "A question", description="Why?")
    assert [each.num for each in hf.get_repo_discussions("me/thing", discussion_type="pull_request")] == [1]
    assert [each.num for each in hf.get_repo_discussions("me/thing", discussion_status="open")] == [talk.num]
    assert hub.repo("me/thing").text("a.txt") == "three\n"


def test_work_in_the_background(thing, tmp_path):
    future = hf.upload_file(
        path_or_fileobj=b"later", path_in_repo="a.txt", repo_id="me/thing", run_as_future=True
    )
    assert future.result(60).oid == thing.repo("me/thing").head()
    (tmp_path / "log.txt").write_text("one line")
    scheduler = hf.CommitScheduler(repo_id="me/thing", folder_path=tmp_path, every=60)
    scheduler.trigger().result(60)  # after the push that it begins with, in the same thread
    scheduler.stop()
    atexit.unregister(scheduler._push_to_hub)  # or it tries once more when the tests end, without a Hub
    assert thing.repo("me/thing").text("log.txt") == "one line"


def test_eight_writers_at_once_lose_nothing(thing):
    failures = []

    def work(writer):
        for number in range(4):
            try:
                hf.upload_file(
                    path_or_fileobj=b"x", path_in_repo=f"{writer}/{number}.txt", repo_id="me/thing"
                )
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=work, args=(writer,)) for writer in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not failures
    assert len(thing.repo("me/thing").files()) == 33 and len(thing.repo("me/thing").commits()) == 33
    assert_sound(thing)


def test_a_pull_request_begins_where_main_is_when_it_is_made(hub, monkeypatch):
    """While its files come in, somebody else commits: merging must not take that back."""
    from course_utils.hub.server import upload_routes

    hub.seed("me/thing", {"a.txt": "v1\n", "b.txt": "b\n"})
    read = upload_routes.read_lines

    def slowly(service, request, change):
        header = read(service, request, change)
        if request.flag("create_pr"):
            hub.seed("me/thing", {"a.txt": "v2\n", "new.txt": "new\n"})
        return header

    monkeypatch.setattr(upload_routes, "read_lines", slowly)
    made = hf.create_commit(
        "me/thing", [CommitOperationAdd("b.txt", b"c\n")], commit_message="Say c", create_pr=True
    )
    hf.merge_pull_request("me/thing", made.pr_num)
    view = hub.repo("me/thing")
    assert [view.text(path) for path in ("a.txt", "new.txt", "b.txt")] == ["v2\n", "new\n", "c\n"]


def test_a_pull_request_begins_at_its_parent_commit(hub):
    """What the client's documentation promises; a commit that the branch never had is refused."""
    hub.seed("me/thing", {"a.txt": "v1\n"})
    start = hub.repo("me/thing").head()
    hub.seed("me/thing", {"a.txt": "v2\n"})
    what = {"commit_message": "Say b", "create_pr": True}

    def add():
        return [CommitOperationAdd("b.txt", b"b\n")]

    made = hf.create_commit("me/thing", add(), parent_commit=start, **what)
    assert hub.repo("me/thing").text("a.txt", made.pr_revision) == "v1\n"
    assert "a.txt" not in hf.get_discussion_details("me/thing", made.pr_num).diff
    with pytest.raises(HfHubHTTPError) as error:
        hf.create_commit("me/thing", add(), parent_commit=made.oid, **what)
    assert error.value.response.status_code == 412
    with pytest.raises(RevisionNotFoundError):
        hf.create_commit("me/thing", add(), revision=start, **what)
    hf.merge_pull_request("me/thing", made.pr_num)
    assert hub.repo("me/thing").text("a.txt") == "v2\n" and hub.repo("me/thing").text("b.txt") == "b\n"


def test_a_pull_request_survives_the_squash_of_its_branch(hub):
    hub.seed("me/thing", {"a.txt": "v1\n"})
    made = hf.create_commit(
        "me/thing", [CommitOperationAdd("b.txt", b"b\n")], commit_message="Say b", create_pr=True
    )
    hf.super_squash_history("me/thing")
    hub.seed("me/thing", {"c.txt": "c\n"})
    hf.merge_pull_request("me/thing", made.pr_num)
    assert hub.repo("me/thing").files() == (".gitattributes", "a.txt", "b.txt", "c.txt")
