"""The hub profile's download, end to end: the real client against a small server on this machine."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from course_utils.catalog import DATASETS, MODELS
from tests import tiny
from tests.datasets.contract import put
from tests.datasets.test_dialogues import HUB_FILES


class Hub(BaseHTTPRequestHandler):
    """The two routes that a snapshot of a pinned revision needs: the list of files, and a file."""

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, with_body):
        self.server.asked.append(path := unquote(urlsplit(self.path).path))
        for repo, (revision, folder) in self.server.repos.items():
            kind, _, name = repo.partition("/")
            if path.rstrip("/") == f"/api/{repo}/tree/{revision}":
                return self.send(json.dumps(listing(folder)).encode(), revision, with_body)
            prefix = "" if kind == "models" else f"{kind}/"
            at = f"/{prefix}{name}/resolve/{revision}/"
            path = path.replace("/resolve/main/", f"/resolve/{revision}/")
            if path.startswith(at) and (folder / path.removeprefix(at)).is_file():
                return self.send((folder / path.removeprefix(at)).read_bytes(), revision, with_body)
        self.send_error(404)

    def send(self, body, revision, with_body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Repo-Commit", revision)
        self.send_header("ETag", f'"{hash(body) & 0xFFFFFFFF:040x}"')
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_):
        pass


def listing(folder):
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    return [
        {
            "type": "file",
            "path": file.relative_to(folder).as_posix(),
            "size": file.stat().st_size,
            "oid": "0" * 40,
        }
        for file in files
    ]


@pytest.fixture
def hub(tmp_path):
    """A server that has the dialogues and a small flan-t5, each with a file that must not be downloaded."""
    model, dialogues = MODELS["flan-t5"], DATASETS["dialogues"]
    weights = tmp_path / "flan-t5"
    tiny.t5().save_pretrained(weights)
    tiny.t5_tokenizer().save_pretrained(weights)
    (weights / "pytorch_model.bin").write_text("weights for another framework")
    rows = put(tmp_path, dialogues, HUB_FILES)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.asked = []
    server.repos = {
        f"models/{model.hub_id}": (model.revision, weights),
        f"datasets/{dialogues.hub_id}": (dialogues.revision, rows),
    }
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


LEARNER = """
import json
from course_utils import network, setup

network.PROBE_SECONDS = 120  # nothing is slow to answer here but the machine
course = setup()
from datasets import load_dataset
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

model = AutoModelForSeq2SeqLM.from_pretrained(course.model("flan-t5"))
tokenizer = AutoTokenizer.from_pretrained(course.model("flan-t5"))
rows = load_dataset(course.dataset("dialogues"))
print(json.dumps([course.profile, type(model).__name__, len(tokenizer), rows["train"][0]["id"]]))
"""


@pytest.mark.slow
def test_a_learner_with_a_network_gets_the_pinned_files_and_no_others(hub, tmp_path):
    home = tmp_path / "home"
    environment = os.environ | {
        "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}",
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "COURSE_CACHE": str(tmp_path / "course"),
    }
    del environment["COURSE_PROFILE"]
    environment.pop("CI", None)
    done = subprocess.run(
        [sys.executable, "-c", LEARNER], env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "profile hub, because 127.0.0.1 answers" in done.stdout
    assert done.stdout.count("Downloading google/flan-t5-small, 311 MB, once.") == 1
    assert len([path for path in hub.asked if "/api/models/" in path]) == 1  # the second look-up asked nobody
    pieces = len(tiny.t5_tokenizer())
    assert json.loads(done.stdout.splitlines()[-1]) == [
        "hub",
        "T5ForConditionalGeneration",
        pieces,
        "train_0",
    ]
    downloaded = {file.name for file in Path(home, "hub").glob("*/snapshots/*/*")}
    assert {"config.json", "model.safetensors", "train.csv", "test.csv"} <= downloaded
    assert not {"pytorch_model.bin", "holdout.csv"} & downloaded
    assert not [path for path in hub.asked if path.endswith(("pytorch_model.bin", "holdout.csv"))]
