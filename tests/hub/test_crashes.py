"""kill -9 at any moment, under concurrent writers: what was acknowledged is there, and nothing is half there."""

import base64
import hashlib
import http.client
import json
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from course_utils.hub import open_store
from tests.hub.conftest import git

SERVER = """
import sys, time
from course_utils.hub import Limits, LocalHub
hub = LocalHub(sys.argv[1], seeded=False, limits=Limits(upload_part=150_000)).start()
print(hub.url.rpartition(":")[2], hub.token, flush=True)
time.sleep(600)
"""
WRITERS = 4


class Server:
    """A Hub in a process of its own, that can be killed."""

    def __init__(self, root):
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(root)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        line = self.process.stdout.readline().split()
        assert line, self.process.stderr.read()
        self.port, self.token = int(line[0]), line[1]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)
        self.process.stdout.close()
        self.process.stderr.close()


class Writer:
    """Works against the server until it dies, and keeps a book of what the server has acknowledged."""

    def __init__(self, server, name, seed):
        self.line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self.head = {"Authorization": f"Bearer {server.token}"}
        self.name = name
        self.random = random.Random(seed)
        self.files, self.tags, self.there, self.gone = {}, {}, set(), set()
        self.proposed, self.merged = {}, {}
        self.count = 0

    def work(self):
        try:
            while True:
                self.count += 1
                steps = (
                    self.small,
                    self.change,
                    self.large,
                    self.tag,
                    self.repository,
                    self.propose,
                    self.merge,
                )
                self.random.choices(steps, (4, 2, 3, 2, 2, 3, 3))[0]()
        except (OSError, http.client.HTTPException):
            pass  # the server is dead

    def ask(self, method, path, value, raw=False):
        body = value if raw else json.dumps(value).encode()
        self.line.request(method, path, body, {} if raw and method == "PUT" else self.head)
        answer = self.line.getresponse()
        data = answer.read()
        assert answer.status < 400, (path, answer.status, data)
        return json.loads(data) if data else {}

    def commit(self, repository, step, query=""):
        lines = [{"key": "header", "value": {"summary": f"{self.name} {self.count}"}}, step]
        body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        return self.ask("POST", f"/api/models/me/{repository}/commit/main{query}", body, raw=True)

    def new(self, path):
        """A step that puts new bytes at a path, and the bytes."""
        data = self.random.randbytes(self.random.randrange(1, 3000))
        content = {"path": path, "content": base64.b64encode(data).decode(), "encoding": "base64"}
        return {"key": "file", "value": content}, data

    def small(self, path=None):
        path = path or f"{self.name}/{self.count}.txt"
        step, data = self.new(path)
        self.files.pop(path, None)  # in doubt until it is acknowledged
        self.files[path] = (data, self.commit("shared", step)["commitOid"])

    def change(self):
        """A file of its own once more: what a merge that goes back in time would undo."""
        mine = [path for path in self.files if path.endswith(".txt")]
        self.small(self.random.choice(mine) if mine else None)

    def propose(self):
        path = f"{self.name}/proposed-{self.count}.txt"
        step, data = self.new(path)
        made = self.commit("shared", step, "?create_pr=1")
        self.proposed[int(made["pullRequestUrl"].rpartition("/")[2])] = (path, data, made["commitOid"])

    def merge(self):
        if self.proposed:
            number = self.random.choice(sorted(self.proposed))
            path, data, commit = self.proposed.pop(number)  # in doubt
            self.ask("POST", f"/api/models/me/shared/discussions/{number}/merge", {})
            self.merged[number] = (path, data, commit)

    def large(self):
        size = self.random.choice((100_000, 400_000))  # whole, or in parts
        path, data = f"{self.name}/{self.count}.bin", self.random.randbytes(size)
        sha256 = hashlib.sha256(data).hexdigest()
        wanted = {"objects": [{"oid": sha256, "size": len(data)}]}
        plan = self.ask("POST", "/me/shared.git/info/lfs/objects/batch", wanted)["objects"][0]
        self.send(data, plan["actions"]["upload"])
        value = {"path": path, "algo": "sha256", "oid": sha256, "size": len(data)}
        self.files[path] = (data, self.commit("shared", {"key": "lfsFile", "value": value})["commitOid"])

    def send(self, data, upload):
        """Send a large file's bytes the way that the Hub asks for."""
        in_parts = dict(upload.get("header", {}))
        size = int(in_parts.pop("chunk_size", 0))
        for number, link in in_parts.items():
            self.ask("PUT", self.path_of(link), data[(int(number) - 1) * size : int(number) * size], raw=True)
        if in_parts:
            listed = [{"partNumber": int(number), "etag": "any"} for number in in_parts]
            self.ask("POST", self.path_of(upload["href"]), {"parts": listed})
        else:
            self.ask("PUT", self.path_of(upload["href"]), data, raw=True)

    def path_of(self, link):
        return link.partition(str(self.line.port))[2]

    def tag(self):
        if self.files:
            commit = self.random.choice(list(self.files.values()))[1]
            name = f"{self.name}-{self.count}"
            self.ask("POST", f"/api/models/me/shared/tag/{commit}", {"tag": name, "message": "kept"})
            self.tags[name] = commit

    def repository(self):
        if self.there and self.random.random() < 0.5:
            name = self.random.choice(sorted(self.there))
            self.there.discard(name)  # in doubt until it is acknowledged
            self.ask("DELETE", "/api/repos/delete", {"name": name})
            self.gone.add(name)
        else:
            name = f"own-{self.name}-{self.count}"
            self.ask("POST", "/api/repos/create", {"name": name})
            self.there.add(name)


def one_round(root, number):
    """Let writers work, kill the server at a random moment; returns their books."""
    server = Server(root)
    try:
        if number == 0:
            Writer(server, "first", 0).ask("POST", "/api/repos/create", {"name": "shared"})
        writers = [Writer(server, f"r{number}w{each}", number * 100 + each) for each in range(WRITERS)]
        threads = [threading.Thread(target=each.work) for each in writers]
        for each in threads:
            each.start()
        # a random moment, but on a slow machine not always one before anything was done
        while sum(len(each.files) for each in writers) < number % 4 and any(
            each.is_alive() for each in threads
        ):
            time.sleep(0.005)
        time.sleep(random.Random(number).uniform(0.02, 0.5))
    finally:
        server.kill()
    for each in threads:
        each.join(30)
    return writers


def look(root, books, with_git):
    """Everything acknowledged is in the folder, whole, before any server has tidied up."""
    store = open_store(root)  # hashes every object and follows every reference
    shared = store.repo("me/shared")
    files, commits = shared.folder(), {each.id for each in shared.commits()}
    status = {each.number: each.status for each in shared.pull_requests}
    for writer in books:
        for path, (data, commit) in writer.files.items():
            assert files.get(path) == data and commit in commits, path
        for number, (path, data, commit) in writer.merged.items():
            assert files.get(path) == data and commit in commits and status[number] == "merged", path
        for number, (path, data, commit) in writer.proposed.items():
            assert shared.head(f"refs/pr/{number}") == commit and status[number] == "open"
            assert shared.read(path, commit) == data and path not in files
        assert writer.tags.items() <= shared.tags.items()
        assert all(store.repo(f"me/{name}").exists for name in writer.there)
        assert not any(store.repo(f"me/{name}").exists for name in writer.gone)
    for each in store.repos():
        assert each.commits()[-1].title == "initial commit", each
    if with_git:
        for folder in root.glob("repositories/*/*/*.git"):
            git(folder, "fsck", "--strict", "--full", "--no-dangling")


def many_rounds(tmp_path, rounds, record_property):
    acknowledged = merges = 0
    for start in range(0, rounds, 10):  # a new folder now and then, for looking takes longer as it grows
        root, books = tmp_path / f"root-{start}", []
        count = min(10, rounds - start)
        for number in range(count):
            books += one_round(root, number)
            look(root, books, with_git=number == count - 1)
        acknowledged += sum(len(each.files) + len(each.proposed) + len(each.merged) for each in books)
        merges += sum(len(each.merged) for each in books)
        server = Server(root)  # and it starts again, on a tidy folder
        server.kill()
        assert not list((root / "scratch").iterdir()) and not list((root / "trash").iterdir())
    record_property("rounds", rounds)
    record_property("acknowledged_commits", acknowledged)
    record_property("acknowledged_merges", merges)
    print(
        f"{rounds} kills, {acknowledged} acknowledged commits, {merges} of them merges, none lost or undone"
    )
    assert acknowledged > rounds and merges  # or the writers had no time to be interrupted at all


@pytest.mark.slow
def test_kill_nine_loses_nothing(tmp_path, record_property):
    many_rounds(tmp_path, 6, record_property)


@pytest.mark.exhaustive
def test_kill_nine_three_hundred_times_loses_nothing(tmp_path, record_property):
    many_rounds(tmp_path, 300, record_property)
