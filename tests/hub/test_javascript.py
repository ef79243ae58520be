"""An independent client: `@huggingface/hub` for JavaScript, which shares no line with the Python one.

To run it, Debian's packages `nodejs` and `npm` (Node 20 or later), then once:

    npm install --prefix ~/.cache/course-workbook/npm @huggingface/hub@2.17
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from course_utils.hub import LocalHub
from course_utils.hub.store.repository import GIT_ATTRIBUTES

PLACE = Path(os.environ.get("COURSE_NPM", "~/.cache/course-workbook/npm")).expanduser()
PACKAGE = PLACE / "node_modules" / "@huggingface" / "hub"

SCRIPT = """
import * as hub from "@huggingface/hub";
const [hubUrl, accessToken, cacheDir] = process.argv.slice(1);
const me = { hubUrl, accessToken, repo: "me/js" };
const said = {};
async function step(name, work) {
  try { said[name] = await work(); } catch (error) { said[name] = `failed: ${error.message}`; }
}
async function all(items) { const found = []; for await (const item of items) found.push(item); return found; }
const text = async (path, more) => await (await hub.downloadFile({ ...me, path, ...more })).text();

await step("whoAmI", async () => (await hub.whoAmI(me)).name);
await step("createRepo", async () => (await hub.createRepo(me)).id);
await step("uploadFiles", async () => (await hub.uploadFiles({ ...me, useXet: false, files: [
  { path: "a.txt", content: new Blob(["hello"]) },
  { path: "sub/w.bin", content: new Blob([new Uint8Array(20000)]) } ] })).commit.oid.length);
await step("commit", async () => (await hub.commit({ ...me, title: "Change", useXet: false, operations: [
  { operation: "addOrUpdate", path: "b.txt", content: new Blob(["b"]) },
  { operation: "delete", path: "a.txt" } ] })).commit.oid.length);
await step("modelInfo", async () => (await hub.modelInfo({ ...me, name: "me/js" })).name);
await step("datasetInfo", async () => (await hub.datasetInfo({ ...me, name: "me/data" })).name);
await step("spaceInfo", async () => (await hub.spaceInfo({ ...me, name: "me/app" })).sdk);
await step("listFiles", async () => (await all(hub.listFiles({ ...me, recursive: true, expand: true })))
  .filter((each) => each.type === "file").map((each) => [each.path, each.size, each.lastCommit.title]));
await step("pathsInfo", async () => (await hub.pathsInfo({ ...me, paths: ["b.txt", "c.txt"] })).map((each) => each.path));
await step("downloadFile", async () => await text("b.txt"));
await step("large", async () => (await text("sub/w.bin")).length);
await step("raw", async () => await text("sub/w.bin", { raw: true }));
await step("head", async () => await text("b.txt", { revision: "HEAD" }));
await step("missing", async () => await hub.downloadFile({ ...me, path: "nothing.txt" }));
await step("noRepository", async () => await hub.repoExists({ ...me, repo: "me/nothing" }));
await step("snapshotDownload", async () => await hub.snapshotDownload({ ...me, cacheDir }));
await step("countCommits", async () => await hub.countCommits(me));
await step("listCommits", async () => (await all(hub.listCommits(me))).map((each) => each.title));
await step("listModels", async () => (await all(hub.listModels({ ...me, search: { owner: "me" } }))).map((each) => each.name));
await step("deleteFile", async () => (await hub.deleteFile({ ...me, path: "b.txt" })).commit.oid.length);
await step("deleteRepo", async () => { await hub.deleteRepo(me); return await hub.repoExists(me); });
console.log(JSON.stringify(said));
"""


@pytest.mark.exhaustive
@pytest.mark.skipif(
    not shutil.which("node") or not PACKAGE.is_dir(), reason="see this file for how to install it"
)
def test_the_javascript_client(tmp_path):
    with LocalHub(seeded=False) as hub:
        hub.seed("me/data", {"data.csv": "a\n1\n"}, kind="dataset")
        hub.seed("me/app", {"app.py": "print(1)"}, kind="space")
        done = subprocess.run(
            ["node", "--input-type=module", "-e", SCRIPT, hub.url, hub.token, str(tmp_path)],
            cwd=PLACE,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout.splitlines()[-1])  # it tells of its downloads before
        snapshot = Path(said.pop("snapshotDownload"))
        assert sorted(path.name for path in snapshot.rglob("*") if path.is_file()) == [
            ".gitattributes",
            "b.txt",
            "w.bin",
        ]
        assert said.pop("raw").startswith("version https://git-lfs.github.com/spec/v1\noid sha256:")
        assert said == {
            "whoAmI": "me",
            "createRepo": "me/js",
            "uploadFiles": 40,
            "commit": 40,
            "modelInfo": "me/js",
            "datasetInfo": "me/data",
            "spaceInfo": "gradio",
            "listFiles": [
                [".gitattributes", len(GIT_ATTRIBUTES), "initial commit"],
                ["b.txt", 1, "Change"],
                ["sub/w.bin", 20000, "Add 2 files"],
            ],
            "pathsInfo": ["b.txt"],
            "downloadFile": "b",
            "large": 20000,
            "head": "b",
            "missing": None,
            "noRepository": False,
            "countCommits": 3,
            "listCommits": ["Change", "Add 2 files", "initial commit"],
            "listModels": ["me/js"],
            "deleteFile": 40,
            "deleteRepo": False,
        }
        assert not hub._service.crashes
