"""Webhooks through the unmodified client, and a real receiver on this machine that they call."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import huggingface_hub as hf
import pytest
from huggingface_hub.errors import HfHubHTTPError

from course_utils.hub.server import webhooks
from tests.hub.server.pages import look

ME = [{"type": "user", "name": "me"}]
PATIENCE = 60  # for what comes at once on an idle machine


class Receiver:
    """What was sent to an address of its own: (payload, headers, path) each."""

    def __init__(self, status=200):
        self.got, self.there = [], threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with (
                    receiver.there
                ):  # before the answer, after which the next call may come in another thread
                    receiver.got.append((json.loads(body), self.headers, self.path))
                    receiver.there.notify_all()
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def payloads(self, count):
        """The payloads, once there are so many; each is what the client's own class of it takes."""
        with self.there:
            assert self.there.wait_for(lambda: len(self.got) >= count, PATIENCE), self.got
            found = [payload for payload, _, _ in self.got]
        for each in found:
            hf.WebhookPayload.model_validate(each)
        return found

    def told(self, count):
        return [(each["event"]["scope"], each["event"]["action"]) for each in self.payloads(count)]


@pytest.fixture
def receiver():
    with Receiver() as there:
        yield there


def until(true):
    """Wait for a condition."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_commit_is_told_with_the_secret(hub, receiver):
    hub.seed("me/thing", {"a.txt": "1"})
    before = hub.repo("me/thing").head()
    hook = hf.create_webhook(url=receiver.url + "?n=1", watched=ME, secret="hush")
    new = hf.upload_file(path_or_fileobj=b"2", path_in_repo="a.txt", repo_id="me/thing").oid
    (payload,) = receiver.payloads(1)
    assert payload["event"] == {"action": "update", "scope": "repo.content"}
    assert payload["updatedRefs"] == [{"ref": "refs/heads/main", "oldSha": before, "newSha": new}]
    assert payload["webhook"] == {"id": hook.id, "version": 3}
    assert payload["repo"] == {
        "type": "model",
        "name": "me/thing",
        "id": "me/thing",
        "private": False,
        "headSha": new,
        "owner": {"id": "me"},
        "url": {"web": f"{hub.url}/me/thing", "api": f"{hub.url}/api/models/me/thing"},
    }
    _, headers, path = receiver.got[0]
    assert headers["X-Webhook-Secret"] == "hush" and headers["Content-Type"] == "application/json"
    assert path == "/hook?n=1"
    until(lambda: hub.webhook_calls)
    (call,) = hub.webhook_calls
    assert (call.webhook, call.scope, call.action, call.status, call.trouble) == (
        hook.id,
        "repo.content",
        "update",
        200,
        "",
    )


def test_every_kind_of_change_to_a_repository_is_told(hub, receiver):
    hf.create_webhook(url=receiver.url, watched=ME, domains=["repo"])
    hf.create_repo("thing", repo_type="dataset")
    hf.create_branch("me/thing", branch="b", repo_type="dataset")
    hf.delete_branch("me/thing", branch="b", repo_type="dataset")
    hf.create_tag("me/thing", tag="v1", repo_type="dataset")
    hf.delete_tag("me/thing", tag="v1", repo_type="dataset")
    hf.super_squash_history("me/thing", repo_type="dataset")
    hf.update_repo_settings("me/thing", private=True, repo_type="dataset")
    hf.update_repo_settings("me/thing", gated="auto", repo_type="dataset")
    hf.move_repo("me/thing", "me/other", repo_type="dataset")
    hf.delete_repo("me/other", repo_type="dataset")
    content = ("repo.content", "update")
    told = [("repo", "create"), *[content] * 5, *[("repo.config", "update")] * 2, ("repo", "move")]
    assert receiver.told(10) == [*told, ("repo", "delete")]
    found = receiver.payloads(10)
    first = found[0]["repo"]["headSha"]
    refs = [each["updatedRefs"][0] for each in found[1:6]]
    assert refs[:4] == [
        {"ref": "refs/heads/b", "oldSha": None, "newSha": first},
        {"ref": "refs/heads/b", "oldSha": first, "newSha": None},
        {"ref": "refs/tags/v1", "oldSha": None, "newSha": first},
        {"ref": "refs/tags/v1", "oldSha": first, "newSha": None},
    ]
    assert refs[4]["ref"] == "refs/heads/main" and refs[4]["oldSha"] == first != refs[4]["newSha"]
    assert [each["updatedConfig"] for each in found[6:8]] == [{"private": True}, {}]
    assert found[8]["movedTo"] == {"name": "me/other", "owner": {"id": "me"}}
    assert found[8]["repo"]["name"] == "me/thing" and found[9]["repo"]["name"] == "me/other"


def test_discussions_and_pull_requests_are_told(hub, receiver):
    hub.seed("me/thing", {"a.txt": "1"})
    hf.create_webhook(url=receiver.url, watched=[{"type": "model", "name": "me/Thing"}])
    talk = hf.create_discussion("me/thing", "A question", description="Why?").num
    said = hf.comment_discussion("me/thing", talk, "Because.")
    hf.HfApi().edit_discussion_comment("me/thing", talk, said.id, "Because of that.")
    hf.HfApi().hide_discussion_comment("me/thing", talk, said.id)
    hf.rename_discussion("me/thing", talk, "A good question")
    hf.change_discussion_status("me/thing", talk, "closed", comment="Done.")
    comments = [("discussion.comment", what) for what in ("create", "update", "update")]
    told = [("discussion", "create"), *comments, *[("discussion", "update")] * 2, comments[0]]
    assert receiver.told(7) == told
    found = receiver.payloads(7)
    assert [each["comment"].get("content") for each in found if "comment" in each] == [
        "Why?",
        "Because.",
        "Because of that.",
        None,
        "Done.",
    ]
    assert found[3]["comment"]["hidden"] and "headSha" not in found[0]["repo"]
    assert found[5]["discussion"] == {
        "id": found[0]["comment"]["id"],
        "num": 1,
        "title": "A good question",
        "status": "closed",
        "author": {"id": "me"},
        "isPullRequest": False,
        "url": {
            "web": f"{hub.url}/me/thing/discussions/1",
            "api": f"{hub.url}/api/models/me/thing/discussions/1",
        },
    }

    base = hub.repo("me/thing").head()
    made = hf.upload_file(path_or_fileobj=b"2", path_in_repo="b", repo_id="me/thing", create_pr=True)
    receiver.payloads(9)
    assert look(hub, "/me/thing/discussions/2/merge", "me", "POST", {}).status == 303
    assert receiver.told(11)[7:] == [
        ("discussion", "create"),
        ("repo.content", "update"),
        ("discussion", "update"),
        ("repo.content", "update"),
    ]
    opened, pushed, closed, merged = receiver.payloads(11)[7:]
    assert opened["discussion"]["isPullRequest"] and opened["discussion"]["changes"] == {
        "base": "refs/heads/main"
    }
    assert pushed["updatedRefs"] == [{"ref": "refs/pr/2", "oldSha": None, "newSha": made.oid}]
    head = hub.repo("me/thing").head()
    assert closed["discussion"]["status"] == "merged"
    assert closed["discussion"]["changes"]["mergeCommitId"] == head
    assert merged["updatedRefs"] == [{"ref": "refs/heads/main", "oldSha": base, "newSha": head}]


def test_who_watches_what_they_may_not_read_is_told_nothing(hub, receiver):
    hub.seed("me/open", {"a": "1"})
    hub.seed("me/shut", {"a": "1"}, private=True)
    hub.add_user("ada")
    with hub.as_user("ada"):
        hf.create_webhook(url=receiver.url, watched=ME)
    for name in ("me/shut", "me/open"):  # in this order
        hf.upload_file(path_or_fileobj=b"2", path_in_repo="a", repo_id=name)
    assert [each["repo"]["name"] for each in receiver.payloads(1)] == ["me/open"]


def test_only_what_is_watched_and_not_switched_off_is_told(hub, receiver):
    for name in ("one", "two", "three"):
        hub.seed(f"me/{name}", {"a": "1"})
    hf.create_webhook(url=receiver.url, watched=[{"type": "dataset", "name": "me/one"}])
    hf.create_webhook(url=receiver.url, watched=[{"type": "model", "name": "me/two"}], domains=["discussion"])
    off = hf.create_webhook(url=receiver.url, watched=ME)
    hf.disable_webhook(off.id)
    last = hf.create_webhook(url=receiver.url, watched=[{"type": "model", "name": "me/three"}])
    for name in ("one", "two", "three"):
        hf.upload_file(path_or_fileobj=b"2", path_in_repo="a", repo_id=f"me/{name}")
    assert [each["webhook"]["id"] for each in receiver.payloads(1)] == [last.id]


@pytest.mark.parametrize(
    "url",
    ["https://example.com/x", "http://10.0.0.1/", "http://0.0.0.0:1/", "http://localhost.example.com/",
     "http://127.0.0.1@example.com/", "http://[::ffff:10.0.0.1]/", "http://2130706433/"],
)  # fmt: skip
def test_another_machine_is_never_called_and_the_client_says_so(hub, url, monkeypatch, caplog):
    """Kept, as the real Hub would; the client prints the warning that comes along."""
    monkeypatch.setattr(webhooks.http.client, "HTTPConnection", None)
    monkeypatch.setattr(webhooks.http.client, "HTTPSConnection", None)
    monkeypatch.setattr(hf.logging.get_logger("huggingface_hub"), "propagate", True)
    hf.create_webhook(url=url, watched=ME)
    assert webhooks.ELSEWHERE in caplog.text
    hf.create_repo("thing")
    until(lambda: hub.webhook_calls)
    assert [(each.status, each.trouble) for each in hub.webhook_calls] == [(None, webhooks.ELSEWHERE)]


def test_an_address_of_this_machine_comes_without_a_warning(hub, caplog, monkeypatch):
    monkeypatch.setattr(hf.logging.get_logger("huggingface_hub"), "propagate", True)
    for url in ("http://127.0.0.1:1/x", "http://localhost:1", "http://[::1]:1/", "https://127.3.2.1/"):
        hf.create_webhook(url=url, watched=ME)
    assert webhooks.ELSEWHERE not in caplog.text


@pytest.mark.parametrize(
    "asked",
    [{"url": "ftp://127.0.0.1"}, {"url": "http://"}, {"url": "http://127.0.0.1:99999/"}, {"url": "httpx"},
     {"url": "http://127.0.0.1/\r\nX: y"}, {"url": "http://127.0.0.1/é"}, {"url": "http://[::1"},
     {"secret": "two\r\nlines"}, {"secret": "hüsh"}],
)  # fmt: skip
def test_what_can_be_no_call_is_refused(hub, asked):
    asked = {"url": "http://127.0.0.1/", "watched": ME} | asked
    with pytest.raises(HfHubHTTPError) as error:
        hf.create_webhook(**asked)
    assert error.value.response.status_code == 400 and hf.list_webhooks() == []


def test_a_redirection_is_not_followed(hub):
    with Receiver(status=307) as receiver:
        hf.create_webhook(url=receiver.url, watched=ME)
        hf.create_repo("thing")
        until(lambda: hub.webhook_calls)
        assert [each.status for each in hub.webhook_calls] == [307] and len(receiver.got) == 1


def test_a_receiver_that_is_silent_or_gone_keeps_nobody_waiting(hub, receiver, monkeypatch):
    """The first one takes the connection and says nothing, the second isn't there; the third is told all the same."""
    monkeypatch.setattr(webhooks, "SECONDS", 0.5)
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        gone = socket.create_server(("127.0.0.1", 0))
        addresses = [each.getsockname()[1] for each in (silent, gone)]
        gone.close()
        for port in addresses:
            hf.create_webhook(url=f"http://127.0.0.1:{port}/", watched=ME)
        hf.create_webhook(url=receiver.url, watched=ME)
        hf.create_repo("thing")
        receiver.payloads(1)
    until(lambda: len(hub.webhook_calls) == 3)
    assert [each.status for each in hub.webhook_calls] == [None, None, 200]
    assert all("could not be called" in each.trouble for each in hub.webhook_calls[:2])


def test_an_answer_that_never_ends_is_cut_off(hub, monkeypatch):
    """Byte by byte, each in time, so that no time-out of a single read ends it."""
    monkeypatch.setattr(webhooks, "SECONDS", 0.5)
    import socket

    def drip(server):
        line, _ = server.accept()
        try:
            while True:
                line.sendall(b"H")
                time.sleep(0.05)
        except OSError:
            line.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=[server])
        thread.start()
        hf.create_webhook(url=f"http://127.0.0.1:{server.getsockname()[1]}/", watched=ME)
        hf.create_repo("thing")
        until(lambda: hub.webhook_calls)
        thread.join(PATIENCE)
    assert not thread.is_alive() and hub.webhook_calls[0].status is None


def test_what_waits_is_bounded_and_requests_go_on(hub, monkeypatch):
    """Nobody delivers, so everything waits: the bound holds, what is left out is noted, no request fails."""
    monkeypatch.setattr(hub._service.webhooks, "_start", lambda: None)
    monkeypatch.setattr(hub._service.webhooks, "_waiting", webhooks.queue.Queue(3))
    hf.create_webhook(url="http://127.0.0.1:1/", watched=ME)
    for number in range(5):
        hf.create_repo(f"thing-{number}")
    assert hub._service.webhooks._waiting.qsize() == 3
    assert [each.trouble for each in hub.webhook_calls] == [
        f"{webhooks.MOST_WAITING:,} events are waiting, and this one was left out."
    ] * 2


def test_a_damaged_list_of_webhooks_fails_no_request(hub):
    (hub.root / "webhooks.json").write_text("{")
    hf.create_repo("thing")
    until(lambda: hub.webhook_calls)
    assert "can't be read" in hub.webhook_calls[0].trouble


def test_a_hub_without_webhooks_starts_no_thread(hub):
    hf.create_repo("thing")
    assert hub._service.webhooks._thread is None


def test_the_thread_ends_with_the_hub(hub, receiver):
    hf.create_webhook(url=receiver.url, watched=ME)
    hf.create_repo("thing")
    receiver.payloads(1)
    thread = hub._service.webhooks._thread
    hub.stop()
    thread.join(PATIENCE)
    assert not thread.is_alive()
