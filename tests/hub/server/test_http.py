"""The server below the Hub: bodies in pieces, connections that are kept, and how many there may be."""

import contextlib
import http.client
import io
import socket
import threading
import time

import pytest

from course_utils.hub.server import http as http_server
from course_utils.hub.server.http import Body, Response, Server
from course_utils.hub.store.errors import HubError


@pytest.fixture
def echo():
    """A server that sends a request's body back."""
    server = Server(lambda request: Response(200, request.body.read(10**6)), connections=3)
    server.start()
    yield server
    server.stop()


def ask(line, body, **how):
    line.request("POST", "/", body, {"Host": f"127.0.0.1:{line.port}"}, **how)
    return line.getresponse().read()


def test_bodies_whole_and_in_chunks_on_one_connection(echo):
    line = http.client.HTTPConnection("127.0.0.1", echo.port, timeout=60)
    large = bytes(range(256)) * 3000
    for body in (b"", b"x", large, b"after"):
        assert ask(line, body) == body
    pieces = [b"one", b"", b"two" * 50_000, b"three"]
    assert ask(line, iter(pieces), encode_chunked=True) == b"".join(pieces)
    assert ask(line, b"after the chunks") == b"after the chunks"


def test_two_requests_in_one_packet(echo):
    one = f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{echo.port}\r\nContent-Length: 3\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", echo.port), timeout=60) as line:
        line.sendall(one + b"abc" + one + b"def")
        line.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: line.recv(65536), b""))
    assert answer.count(b"HTTP/1.1 200") == 2 and b"abc" in answer and answer.endswith(b"def")


def wait_for(what):
    """Until `what()` gives something that counts as true; returns it."""
    for _ in range(3000):
        if found := what():
            return found
        time.sleep(0.02)
    pytest.fail("what was waited for did not come")


def visit(port):
    """The status that a new connection's request is answered with, or None if the connection is reset."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        line.request("POST", "/", b"x")
        return line.getresponse().status


def test_too_many_at_work_are_told_to_come_back():
    go_on = threading.Event()
    begun = []

    def slow(request):
        begun.append(request)
        go_on.wait(60)
        return Response(200, request.body.read(10))

    server = Server(slow, connections=3)
    server.start()
    try:
        guests = [threading.Thread(target=visit, args=(server.port,)) for _ in range(3)]
        for each in guests:
            each.start()
        wait_for(lambda: len(begun) == 3)
        # a visitor who is slow to ask may be cut off, so the first who gets an answer counts
        assert wait_for(lambda: visit(server.port)) == 503
        # and who has asked nothing yet
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as silent:
            assert silent.recv(65536).startswith(b"HTTP/1.1 503")
        go_on.set()
        for each in guests:
            each.join(60)
        assert wait_for(lambda: visit(server.port) == 200)
    finally:
        go_on.set()
        server.stop()


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nX-Slow: "])
def test_who_asks_nothing_keeps_nobody_out(echo, monkeypatch, said):
    """However many do: the one who has been silent longest gives way."""
    monkeypatch.setattr(http_server, "FAIR_SECONDS", 0)
    silent = [socket.create_connection(("127.0.0.1", echo.port), timeout=60) for _ in range(3)]
    for each in silent:
        each.sendall(said)
    wait_for(lambda: len(echo._awaited) == 3)
    for _ in range(5):
        wait_for(lambda: visit(echo.port) == 200)
    assert silent[0].recv(10) == b""
    for each in silent:
        each.close()


def test_a_head_that_comes_drop_by_drop_has_its_time(echo, monkeypatch):
    monkeypatch.setattr(http_server, "HEAD_SECONDS", 0.3)
    with socket.create_connection(("127.0.0.1", echo.port), timeout=60) as line:
        begun = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - begun < 60:
                line.sendall(b"X")
                time.sleep(0.05)
        assert time.monotonic() - begun < 60
    wait_for(lambda: not echo._awaited)


def body_of(data, chunked=False):
    return Body(io.BufferedReader(io.BytesIO(data)), 0 if chunked else len(data), chunked)


def test_lines_across_blocks():
    text = b"one\n" + b"2" * 3_000_000 + b"\n\nlast"
    line = body_of(b"%x\r\n%s\r\n0\r\n\r\n" % (len(text), text), chunked=True).lines(10**7, 10**7)
    assert [len(each) for each in line] == [3, 3_000_000, 0, 4]


def test_limits_of_a_body():
    with pytest.raises(HubError) as error:
        body_of(b"12345").read(4)
    assert error.value.status == 413
    with pytest.raises(HubError) as error:
        body_of(b"5\r\n12345\r\n0\r\n\r\n", chunked=True).read(4)
    assert error.value.status == 413
    with pytest.raises(HubError, match="line of the request"):
        list(body_of(b"12345\n").lines(100, 4))
    with pytest.raises(ConnectionError):
        body_of(b"5\r\n12", chunked=True).read(100)


def test_stopping_ends_open_connections(echo):
    line = http.client.HTTPConnection("127.0.0.1", echo.port, timeout=60)
    ask(line, b"x")
    echo.stop()
    with pytest.raises((OSError, http.client.HTTPException)):
        ask(line, b"x")
