"""Every route that can carry what stands in a file, asked for every visibility by everybody: one table."""

import hashlib
import itertools
import json

import huggingface_hub as hf
import pytest

from course_utils.hub import LocalHub
from tests.hub.server.test_hostile import as_body, ask, commit_body, put

TEXT, LARGE = "hiddenwords", b"\0hiddenbytes" * 300
SHA256 = hashlib.sha256(LARGE).hexdigest()
NEW_SHA256 = hashlib.sha256(LARGE * 2).hexdigest()
VISIBILITIES = {"public": {}, "gated": {"gated": "manual"}, "private": {"private": True}}
WHO = ("nobody", "bob", "admitted", "reader", "ada")
# who may see that a repository is there, and who may read its files
SEES = {"public": WHO, "gated": WHO, "private": ("reader", "ada")}
READS = {"public": WHO, "gated": ("admitted", "reader", "ada"), "private": ("reader", "ada")}

EACH = list(itertools.product(VISIBILITIES, WHO))

API, WEB = "/api/models/ada/{name}", "/ada/{name}"
# route: (method, address, body); the answer to who may read holds `TEXT` or the large bytes where `carries` says so
CARRIES = {
    "resolve": ("GET", WEB + "/resolve/main/a.txt", None),
    "resolve a large file": ("GET", WEB + "/resolve/main/w.bin", None),
    "resolve a pull request": ("GET", WEB + "/resolve/refs%2Fpr%2F1/a.txt", None),
    "resolve by the cache's address": ("GET", "/api/resolve-cache/models/ada/{name}/main/a.txt", None),
    "raw": ("GET", WEB + "/raw/main/a.txt", None),
    "raw of a pull request": ("GET", WEB + "/raw/refs%2Fpr%2F1/a.txt", None),
    "diff": ("GET", API + "/discussions/1?diff=1", None),
    "config": ("GET", API, None),
    "config at a revision": ("GET", API + "/revision/refs%2Fpr%2F1", None),
}
# these tell names, sizes and hashes, which a gated repository shows, and never what stands in a file
TELLS = {
    "tree": ("GET", API + "/tree/main?recursive=1&expand=1", None),
    "paths-info": ("POST", API + "/paths-info/main", {"paths": ["a.txt", "w.bin"], "expand": True}),
    "commits": ("GET", API + "/commits/main", None),
    "compare": ("GET", API + "/compare/main..refs%2Fpr%2F1", None),
    "refs": ("GET", API + "/refs?include_prs=1", None),
    "discussions": ("GET", API + "/discussions", None),
    "likers": ("GET", API + "/likers", None),
}
LISTS = {
    "search": ("GET", "/api/models?search={name}&full=1", None),
    "an author's": ("GET", "/api/models?author=ada&cardData=1&expand=cardData&expand=sha", None),
    "collections": ("GET", "/api/collections?owner=ada", None),
    "likes": ("GET", "/api/users/ada/likes", None),
}


@pytest.fixture(scope="module")
def hub():
    with LocalHub(seeded=False) as running:
        running.tokens = {"nobody": None, "reader": running.add_user("ada", role="read")}
        running.tokens |= {name: running.add_user(name) for name in ("bob", "admitted", "ada")}
        with running.as_user("ada"):
            mine = hf.create_collection("Mine")
        for name, how in VISIBILITIES.items():
            config = json.dumps({"architectures": [TEXT], "model_type": "x"})
            files = {
                "a.txt": TEXT,
                "w.bin": LARGE,
                "config.json": config,
                "README.md": "---\nlicense: mit\n---\n",
            }
            running.seed(f"ada/{name}", files, **how)
            with running.as_user("ada"):
                change = [hf.CommitOperationAdd("a.txt", f"{TEXT} {TEXT}".encode())]
                hf.create_commit(f"ada/{name}", change, commit_message="Change", create_pr=True)
                hf.add_collection_item(mine.slug, f"ada/{name}", "model")
                if name == "gated":
                    hf.grant_access("ada/gated", "admitted")
            ask(running, "POST", f"/api/models/ada/{name}/like", token=running.tokens["ada"])
        yield running
        assert not running._service.crashes, running._service.crashes[0]


def asked(hub, who, route, name):
    """(status, whether the answer holds what stands in a file, body)."""
    method, address, value = route
    body = b"" if value is None else as_body(value)
    token = hub.tokens[who] or False
    status, _, answer = ask(
        hub, method, address.format(name=name), body, token=token, Content_Type="application/json"
    )
    return status, TEXT.encode() in answer or b"hiddenbytes" in answer, answer


def hidden(who):
    return 401 if who == "nobody" else 404


@pytest.mark.parametrize(("name", "who"), EACH)
@pytest.mark.parametrize("route", CARRIES)
def test_what_stands_in_files_is_for_readers(hub, route, name, who):
    status, carried, _ = asked(hub, who, CARRIES[route], name)
    assert carried == (who in READS[name])
    if who not in SEES[name]:
        assert status == hidden(who)


@pytest.mark.parametrize(("name", "who"), EACH)
@pytest.mark.parametrize("route", TELLS)
def test_names_and_sizes_are_for_who_may_see_the_repository(hub, route, name, who):
    status, carried, _ = asked(hub, who, TELLS[route], name)
    assert status == (200 if who in SEES[name] else hidden(who)) and not carried


@pytest.mark.parametrize(("name", "who"), EACH)
@pytest.mark.parametrize("route", LISTS)
def test_lists_hold_what_the_asker_may_see(hub, route, name, who):
    status, carried, answer = asked(hub, who, LISTS[route], name)
    assert status == 200 and not carried
    assert (f"ada/{name}".encode() in answer) == (who in SEES[name])


@pytest.mark.parametrize(("name", "who"), EACH)
def test_a_hash_is_no_key(hub, name, who):
    """Who knows a large file's hash learns nothing by it, and gets nothing."""
    lfs, token = f"/ada/{name}.git/info/lfs", hub.tokens[who] or False
    known = {"oid": SHA256, "size": len(LARGE)}
    status = ask(hub, "POST", f"{lfs}/verify", as_body(known), token=token)[0]
    if who == "nobody":
        assert status == 401
    else:  # the same bytes lie in all three, and the answer is about this one
        assert status == (200 if who in READS[name] else 404)
    unknown = as_body({"oid": NEW_SHA256, "size": 2 * len(LARGE)})
    assert ask(hub, "POST", f"{lfs}/verify", unknown, token=token)[0] in (401, 404)


def test_the_bytes_of_a_private_repository_are_not_found_out_by_a_public_one():
    """By asking whether an upload of them could be skipped or has arrived, or by a commit that names them."""
    with LocalHub(seeded=False) as hub:
        hub.seed("ada/secret", {"w.bin": LARGE}, private=True)
        hub.seed("me/open", {"a.txt": "a"})
        known = {"oid": SHA256, "size": len(LARGE)}
        assert ask(hub, "POST", "/me/open.git/info/lfs/verify", as_body(known))[0] == 404
        status, _, body = ask(
            hub, "POST", "/me/open.git/info/lfs/objects/batch", as_body({"objects": [known]})
        )
        assert status == 200 and "actions" in json.loads(body)["objects"][0]
        line = {"key": "lfsFile", "value": {"path": "w.bin", "algo": "sha256", **known}}
        status, _, body = ask(hub, "POST", "/api/models/me/open/commit/main", commit_body(line))
        assert status == 422 and b"never uploaded" in body


@pytest.mark.parametrize("who", ["nobody", "bob", "admitted", "reader"])
def test_who_may_not_write_changes_nothing(hub, who):
    token = hub.tokens[who] or False
    before = [(each.id, each.branches, each.access, each.private) for each in hub.repos()]
    for name in VISIBILITIES:
        api = f"/api/models/ada/{name}"
        for method, path, body in (
            ("POST", f"{api}/commit/main", commit_body(put("b.txt"))),
            ("PUT", f"{api}/settings", as_body({"private": False, "gated": False})),
            ("POST", f"{api}/branch/other", b"{}"),
            ("POST", f"{api}/tag/main", as_body({"tag": "v9"})),
            ("POST", f"{api}/super-squash/main", b"{}"),
            ("POST", f"{api}/discussions/1/merge", b"{}"),
            ("POST", f"{api}/user-access-request/grant", as_body({"user": "bob"})),
            ("DELETE", "/api/repos/delete", as_body({"name": f"ada/{name}"})),
        ):
            assert ask(hub, method, path, body, token=token)[0] in (400, 401, 403, 404), path
    assert [(each.id, each.branches, each.access, each.private) for each in hub.repos()] == before
