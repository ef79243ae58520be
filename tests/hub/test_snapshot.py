"""From one process to another: a Hub's state as plain data, and nothing in it that is believed unseen."""

import copy

import huggingface_hub as hf
import pytest

from course_utils.hub import LocalHub, StoreError, open_store
from course_utils.hub.store.objects import TreeEntry, commit_data, name_of, tree_data
from course_utils.wire import codec


@pytest.fixture(scope="module")
def made():
    """(snapshot, the commit ids of me/thing) of a Hub with some of everything."""
    with LocalHub(seeded=False) as hub:
        hub.seed("me/thing", {"README.md": "---\nlicense: mit\n---\n# Thing\n", "w.bin": b"\0" * 3000})
        hub.seed("me/thing", {"deep/a.txt": "a"}, tag="v1")
        hf.create_tag("me/thing", tag="v2", tag_message="Annotated")
        hub.seed("ada/guarded", {"a.txt": "a"}, kind="dataset", gated="manual")
        hf.create_discussion("ada/guarded", "May I?", repo_type="dataset")
        hub.seed("ada/secret", {"a.txt": "a"}, private=True)
        yield hub.snapshot(), [each.id for each in hub.repo("me/thing").commits()]


def test_it_crosses_the_wire_and_opens_on_the_other_side(made):
    snapshot, commits = made
    store = open_store(codec.decode(codec.encode(snapshot)))
    thing = store.repo("me/thing")
    assert [each.id for each in thing.commits()] == commits
    assert thing.files("v1") == (".gitattributes", "README.md", "deep/a.txt", "w.bin")
    assert thing.read("w.bin", "v2") == b"\0" * 3000 and thing.card().data == {"license": "mit"}
    assert thing.tags == {"v1": commits[0], "v2": commits[0]}
    assert {each.id for each in store.repos(owner="ada")} == {"ada/guarded", "ada/secret"}
    guarded = store.repo("ada/guarded", "dataset")
    assert guarded.gated == "manual" and guarded.pull_requests[0].title == "May I?"
    assert guarded.may_read("ada") and not guarded.may_read("me")
    assert not store.repo("ada/secret").may_read(None)
    assert not store.repo("me/nothing").exists
    with pytest.raises(LookupError, match="There is no model me/nothing"):
        store.repo("me/nothing").files()
    with pytest.raises(LookupError, match="no revision 'v9'; it has main, v1, v2"):
        thing.files("v9")
    with pytest.raises(LookupError, match="no file 'nothing'"):
        thing.read("nothing")


def test_the_courses_own_repositories_stay_out_of_it(made):
    with LocalHub() as hub:
        hf.model_info("course/mini-bert")
        assert open_store(hub.snapshot()).repos() == ()


def test_no_token_is_in_it():
    with LocalHub(seeded=False) as hub:
        hub.seed("me/thing", {"a.txt": "a"})
        assert hub.token.encode() not in codec.encode(hub.snapshot())
        assert open_store(hub.root).repo("me/thing").text("a.txt") == "a"  # beside the running server


def thing_of(snapshot):
    return next(row for row in snapshot["repositories"] if row["settings"]["id"] == "me/thing")


def swap_bytes(row):
    row["objects"]["blob"][0] = b"other"


def lose_large(row):
    row["large"].clear()


def swap_large(row):
    row["large"][0] = b"\1" * 3000


def point_at_a_blob(row):
    row["refs"]["refs/heads/main"] = [name_of("blob", row["objects"]["blob"][0]), None]


def point_at_nothing(row):
    row["refs"]["refs/heads/main"] = ["0" * 40, None]


def plant(row, entries):
    """A new head whose tree has those entries."""
    tree = tree_data(entries)
    commit = commit_data(name_of("tree", tree), (), "me", 0, "planted")
    row["objects"]["tree"].append(tree)
    row["objects"]["commit"].append(commit)
    row["refs"]["refs/heads/main"] = [name_of("commit", commit), None]


def climb(row):
    plant(row, [TreeEntry("..", name_of("tree", b""), True)])


def hide_git(row):
    plant(row, [TreeEntry(".GIT", name_of("tree", b""), True)])


def a_link(row):
    blob = name_of("blob", row["objects"]["blob"][0])
    tree = b"120000 link\0" + bytes.fromhex(blob)
    commit = commit_data(name_of("tree", tree), (), "me", 0, "planted")
    row["objects"]["tree"].append(tree)
    row["objects"]["commit"].append(commit)
    row["refs"]["refs/heads/main"] = [name_of("commit", commit), None]


def a_bomb(row):
    """Ten folders, each ten times the one below: 10**10 files in a kilobyte."""
    blob = name_of("blob", row["objects"]["blob"][0])
    tree = tree_data([TreeEntry(f"f{number}", blob, False) for number in range(10)])
    for _ in range(10):
        row["objects"]["tree"].append(tree)
        below = name_of("tree", tree)
        tree = tree_data([TreeEntry(f"d{number}", below, True) for number in range(10)])
    plant(row, [TreeEntry("top", below, True)])


def too_deep(row):
    tree = tree_data([TreeEntry("f", name_of("blob", row["objects"]["blob"][0]), False)])
    for _ in range(60):
        row["objects"]["tree"].append(tree)
        tree = tree_data([TreeEntry("d", name_of("tree", tree), True)])
    row["objects"]["tree"].append(tree)
    plant(row, [TreeEntry("d", name_of("tree", tree), True)])


def a_false_tag(row):
    row["refs"]["refs/tags/v2"][0] = name_of("commit", row["objects"]["commit"][-1])


HOSTILE = {
    "nothing": lambda snapshot: snapshot.clear(),
    "repositories of the wrong type": lambda snapshot: snapshot.update(repositories="many"),
    "accounts of the wrong type": lambda snapshot: snapshot.update(accounts=[]),
    "a repository twice": lambda snapshot: snapshot["repositories"].append(thing_of(snapshot)),
    "a name that climbs": lambda snapshot: thing_of(snapshot)["settings"].update(id="../../etc"),
    "an unknown kind": lambda snapshot: thing_of(snapshot)["settings"].update(kind="bucket"),
    "a strange gate": lambda snapshot: thing_of(snapshot)["settings"].update(gated=[1]),
    "a field too many": lambda snapshot: thing_of(snapshot)["settings"].update(more=1),
    "other bytes": lambda snapshot: swap_bytes(thing_of(snapshot)),
    "no large file": lambda snapshot: lose_large(thing_of(snapshot)),
    "another large file": lambda snapshot: swap_large(thing_of(snapshot)),
    "a branch of a file": lambda snapshot: point_at_a_blob(thing_of(snapshot)),
    "a branch of nothing": lambda snapshot: point_at_nothing(thing_of(snapshot)),
    "a folder '..'": lambda snapshot: climb(thing_of(snapshot)),
    "a folder '.git'": lambda snapshot: hide_git(thing_of(snapshot)),
    "a symbolic link": lambda snapshot: a_link(thing_of(snapshot)),
    "a bomb": lambda snapshot: a_bomb(thing_of(snapshot)),
    "folders too deep": lambda snapshot: too_deep(thing_of(snapshot)),
    "a tag of another commit": lambda snapshot: a_false_tag(thing_of(snapshot)),
    "objects that are texts": lambda snapshot: thing_of(snapshot)["objects"].update(blob=["text"]),
    "a malformed commit": lambda snapshot: thing_of(snapshot)["objects"].update(commit=[b"tree"]),
    "a strange discussion": lambda snapshot: thing_of(snapshot).update(conversations=[{"num": "1"}]),
    "a strange reference": lambda snapshot: thing_of(snapshot)["refs"].update({"HEAD": ["0" * 40, None]}),
    "references of the wrong type": lambda snapshot: thing_of(snapshot).update(refs=[1]),
}


@pytest.mark.parametrize("fault", HOSTILE)
def test_what_no_hub_would_write_is_refused_with_a_sentence(made, fault):
    snapshot = copy.deepcopy(made[0])
    HOSTILE[fault](snapshot)
    with pytest.raises(StoreError) as error:
        open_store(snapshot)
    assert len(str(error.value)) > 10


@pytest.mark.parametrize("value", [None, 3, "nowhere", b"bytes", [], {"format": 1}])
def test_what_is_no_snapshot_at_all(value):
    with pytest.raises(StoreError):
        open_store(value)
