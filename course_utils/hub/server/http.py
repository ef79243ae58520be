"""HTTP/1.1 on the loopback address: a thread a connection, blocking calls,
bounds on everything that comes in.

Why a server of its own: files are sent by the kernel (sendfile) and received in large blocks, an answer can
be cut on purpose in the middle of its body, and in the grader's sandbox it listens at a Unix socket.
docs/decisions/01 weighs it against an ASGI server. Request lines and headers are parsed by the standard
library's http.server.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from course_utils.hub.store.errors import HubError, bad_request

if TYPE_CHECKING:
    from email.message import Message

    from course_utils.hub.store.accounts import Person


BLOCK = 2**20
IDLE_SECONDS = 60  # between two requests, and between two pieces of a body
HEAD_SECONDS = 10  # from a connection's beginning to the end of its first headers
FAIR_SECONDS = 0.5  # for so long nobody's place is given away
DRAIN_BYTES, DRAIN_SECONDS = 64 * 2**20, 5
WAIT_FOR_ALL = getattr(socket, "MSG_WAITALL", 0)  # fewer and larger pieces: half the processor time
LOCAL_NAMES = ("127.0.0.1", "localhost")
_HALF_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")
PORT_IN_NAME = 9  # "discard": nobody listens there, and nobody is asked to


@dataclass
class FilePart:
    """A stretch of a file, as the body of an answer."""

    path: str | Path
    start: int
    length: int


@dataclass
class Response:
    """An answer. body: bytes, or a `FilePart` that is sent without being read into memory.

    cut: after how many bytes of the body the connection breaks, on purpose; None for not at all.
    """

    status: int = 200
    body: bytes | FilePart = b""
    headers: dict = field(default_factory=dict)
    cut: int | None = None

    @property
    def length(self) -> int:
        return self.body.length if isinstance(self.body, FilePart) else len(self.body)


def as_json(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    body = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    return Response(status, body, {"Content-Type": "application/json; charset=utf-8", **(headers or {})})


class Body:
    """The body of a request, read in blocks and never held as a whole, sent with a length or in chunks."""

    def __init__(
        self, stream: Any, length: int, chunked: bool, connection: socket.socket | None = None
    ) -> None:
        self._stream = stream
        self._connection = connection  # below the stream, once its buffer is empty
        self._begun = False
        self._left = length  # of the body, or of the present chunk
        self._chunked = chunked
        self._done = not chunked and length == 0
        self.length = None if chunked else length

    def blocks(self, most: int) -> Iterator[memoryview]:
        """The bytes, in blocks; 413 as soon as they are more than `most`."""
        if self.length is not None and self.length > most:
            raise HubError(413, f"The request has {self.length:,} bytes; at most {most:,} are taken.")
        total, buffer = 0, bytearray(BLOCK)
        view = memoryview(buffer)
        while count := self._into(view):
            total += count
            if total > most:
                raise HubError(413, f"The request has more than the {most:,} bytes that are taken.")
            yield view[:count]

    def read(self, most: int) -> bytes:
        return b"".join(bytes(block) for block in self.blocks(most))

    def lines(self, most: int, longest: int) -> Iterator[bytes]:
        """The lines, without their ends; 413 for a line longer than `longest`."""
        rest = bytearray()
        for block in self.blocks(most):
            rest += block
            *whole, rest = rest.split(b"\n")
            if max(map(len, [*whole, rest])) > longest:
                raise HubError(413, f"A line of the request is longer than {longest:,} bytes.")
            yield from map(bytes, whole)
        if rest:
            yield bytes(rest)

    def drain(self) -> bool:
        """Read on for a while, so that the client gets to see an early answer; True if nothing is left."""
        deadline, taken, view = time.monotonic() + DRAIN_SECONDS, 0, memoryview(bytearray(BLOCK))
        try:
            while taken < DRAIN_BYTES and time.monotonic() < deadline:
                count = self._into(view)
                if not count:
                    return True
                taken += count
        except (OSError, HubError):
            pass
        return self._done

    def _into(self, view: memoryview) -> int:
        if self._done:
            return 0
        if self._chunked and self._left == 0:
            self._left = self._next_chunk()
            if self._left == 0:
                self._done = True
                return 0
        count = self._receive(view[: min(len(view), self._left)])
        if not count:
            raise ConnectionError("the client went away in the middle of a body")
        self._left -= count
        if self._left == 0:
            if self._chunked:
                self._expect_line_end()
            else:
                self._done = True
        return count

    def _receive(self, view: memoryview) -> int:
        """Some bytes. What the stream has buffered comes first; a long rest straight
        from the socket, in large pieces.
        """
        if self._chunked or not self._begun:
            self._begun = True
            return self._stream.readinto1(view)
        assert self._connection is not None  # a body of a known length comes with it
        return self._connection.recv_into(view, len(view), WAIT_FOR_ALL)

    def _next_chunk(self) -> int:
        line = self._stream.readline(64)
        try:
            size = int(line.partition(b";")[0].strip() or b"x", 16)
        except ValueError:
            raise bad_request("The request's chunks are malformed.") from None
        if size < 0 or not line.endswith(b"\n"):
            raise bad_request("The request's chunks are malformed.")
        if size == 0:
            while self._stream.readline(1024) not in (b"\r\n", b"\n", b""):
                pass
        return size

    def _expect_line_end(self) -> None:
        if self._stream.readline(4) not in (b"\r\n", b"\n"):
            raise bad_request("The request's chunks are malformed.")


@dataclass
class Request:
    """A request. path: decoded; segments: its parts, each decoded by itself, so a part may hold a slash."""

    method: str
    raw_path: str
    segments: list[str]
    query: dict[str, list[str]]
    headers: Message
    body: Body
    person: Person | None = None  # who asks, once that is known

    @property
    def path(self) -> str:
        return "/" + "/".join(self.segments)

    def first(self, name: str, default: Any = None) -> Any:
        """The first value of a query parameter."""
        return self.query.get(name, [default])[0]

    def flag(self, name: str) -> bool:
        return str(self.first(name, "")).lower() in {"1", "true", "yes"}

    def number(self, name: str, default: int, most: int) -> int:
        text = str(self.first(name, default))
        if not text.isdecimal() or len(text) > 9:
            raise bad_request(f"{name}={text} is not a whole number.")
        return min(int(text), most)

    def json(self, most: int) -> dict:
        """The body as a dict; 400 for anything else."""
        raw = self.body.read(most)
        try:
            value = json.loads(raw) if raw else {}
            if _HALF_CHARACTER.search(raw):  # JSON can write it, and no file can hold it
                json.dumps(value, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            raise bad_request("The request's body is not JSON.") from None
        if not isinstance(value, dict):
            raise bad_request("The request's body is not a JSON object.")
        return value


def split_target(target: str) -> tuple[str, list[str], dict[str, list[str]]]:
    """(raw path, decoded segments, {name: [values]}) of a request's target."""
    raw, _, query = target.partition("?")
    if not raw.startswith("/"):
        raise bad_request("The request's path does not begin with a slash.")
    try:
        segments = [unquote(part, errors="strict") for part in raw[1:].split("/")]
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=500)
    except (ValueError, UnicodeDecodeError):
        raise bad_request("The request's address is not valid UTF-8.") from None
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name.removesuffix("[]"), []).append(value)
    return raw, segments, values


class Drop(Exception):
    """Cut the connection now."""


class RequestHandler(BaseHTTPRequestHandler):
    """One client's connection. `server.answer(request)` makes the answers."""

    protocol_version = "HTTP/1.1"
    server: Server
    server_version, sys_version = "course-hub", ""
    timeout = IDLE_SECONDS
    rbufsize = 256 * 1024

    def setup(self) -> None:
        # over TCP every small answer would wait 40 ms for the client's acknowledgement; a
        # Unix socket has no such thing
        self.disable_nagle_algorithm = self.server.path is None  # type: ignore[misc]  # of this one alone
        super().setup()

    def handle(self) -> None:
        """Requests, one after the other.

        Between them, and while headers come in, others may take the place.
        """
        try:
            self.close_connection = True
            self.server.await_head(self.connection, HEAD_SECONDS)
            self.handle_one_request()
            while not self.close_connection:
                self.server.await_head(self.connection, IDLE_SECONDS)
                self.handle_one_request()
        except (ConnectionError, TimeoutError):
            pass  # clients come and go

    def __getattr__(self, name: str) -> Callable:
        if name.startswith("do_"):  # http.server looks for do_GET, do_POST, …
            return self._serve
        raise AttributeError(name)

    def log_message(self, *details: object) -> None:
        """Nothing is printed: `hub.events` keeps the requests, without tokens."""

    def _serve(self) -> None:
        self.server.head_is_here(self.connection)
        body = None
        try:
            body = self._body()
            self._check_origin()
            raw, segments, query = split_target(self.path)
            request = Request(self.command, raw, segments, query, self.headers, body)
            response = self.server.answer(request)
        except Drop:
            self.close_connection = True
            return
        except HubError as error:
            response = error_response(error)
        if body is None or not body.drain():
            self.close_connection = True
        self._send(response)

    def _body(self) -> Body:
        length, coding = self.headers.get_all("Content-Length"), self.headers.get("Transfer-Encoding")
        if coding is not None:
            if coding.lower() != "chunked" or length:
                raise bad_request("The request's length is ambiguous.")
            return Body(self.rfile, 0, chunked=True)
        if length is None:
            return Body(self.rfile, 0, chunked=False)
        if len(length) != 1 or not length[0].isdecimal() or len(length[0]) > 15:
            raise bad_request("The request's Content-Length is no number.")
        return Body(self.rfile, int(length[0]), chunked=False, connection=self.connection)

    def _check_origin(self) -> None:
        """A page of some website in the same machine's browser must not talk to
        this server (DNS rebinding).
        """
        allowed = {f"{name}:{self.server.port}" for name in LOCAL_NAMES}
        if self.headers.get("Host", "").lower() not in allowed:
            raise HubError(421, "This Hub answers only to its own address on this machine.")
        origin = self.headers.get("Origin")
        if origin is not None and origin.lower().removeprefix("http://") not in allowed:
            raise HubError(403, "Pages from elsewhere can't use this Hub.")

    def _send(self, response: Response) -> None:
        head = [f"HTTP/1.1 {response.status} {phrase(response.status)}"]
        headers = {
            "Date": self.date_time_string(),
            "Content-Length": str(response.length),
            "X-Content-Type-Options": "nosniff",
            **response.headers,
        }
        if trace := self.headers.get("X-Amzn-Trace-Id"):
            headers["X-Request-Id"] = trace
        if self.close_connection:
            headers["Connection"] = "close"
        head += [f"{name}: {header_text(value)}" for name, value in headers.items()]
        start = "\r\n".join([*head, "", ""]).encode("latin-1", "replace")
        if self.command == "HEAD" or response.status in (204, 304):
            self.connection.sendall(start)
        elif isinstance(response.body, FilePart):
            self.connection.sendall(start)
            self._send_file(response.body, response.cut)
        else:
            self.connection.sendall(start + response.body[: response.cut])
        if response.cut is not None:
            self.close_connection = True

    def _send_file(self, part: FilePart, cut: int | None) -> None:
        length = part.length if cut is None else min(cut, part.length)
        if length:
            with open(part.path, "rb") as file:
                self.connection.sendfile(file, part.start, length)


def phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Unknown"


def header_text(value: str) -> str:
    """A header's value: one line, whatever somebody called their file."""
    return "".join(character for character in str(value) if character >= " " and character != "\x7f")


def error_response(error: HubError) -> Response:
    """The client reads the code and the message from the headers, a person from the body."""
    headers = {"X-Error-Message": error.message.encode("ascii", "replace").decode(), **error.headers}
    if error.code:
        headers["X-Error-Code"] = error.code
    return as_json({"error": error.message, **error.more}, error.status, headers)


def _turn_away(request: socket.socket) -> None:
    """Answer 503 at the door.

    What the client has sent is taken first and last: closing on unread bytes resets the connection.
    """
    request.settimeout(1)
    with contextlib.suppress(TimeoutError):
        request.recv(65536)
    with contextlib.suppress(OSError):
        request.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\n\r\n")
        request.shutdown(socket.SHUT_WR)
        request.recv(65536)


class Server(socketserver.ThreadingTCPServer):
    """Listens on 127.0.0.1 alone, or at a Unix socket where `path` is given (its `port`
    then is one for addresses only).

    All clients of a loopback address look alike, so there is no bound for each; but
    who asks nothing has no right to a
    place: when all are taken, a newcomer gets that of the connection whose next
    request has been awaited longest.

    answer(request): makes a `Response`, or raises `HubError` or `Drop`.
    """

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, answer: Callable, port: int = 0, connections: int = 128, path: Path | None = None
    ) -> None:
        if path is not None:
            self.address_family = socket.AF_UNIX
        address: Any = ("127.0.0.1", port) if path is None else str(path)
        super().__init__(address, RequestHandler)
        self.answer = answer
        self.path = None if path is None else str(path)
        self.port = PORT_IN_NAME if path else self.server_address[1]
        self._room = threading.BoundedSemaphore(connections)
        self._open: set[socket.socket] = set()
        # connections without a whole request: (since when, until when at most)
        self._awaited: dict[socket.socket, tuple[float, float]] = {}
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.05,), daemon=True, name="course-hub"
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Close the door and every open connection."""
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._thread.join(5)

    def await_head(self, connection: socket.socket, seconds: int) -> None:
        now = time.monotonic()
        self._awaited[connection] = now, now + seconds

    def head_is_here(self, connection: socket.socket) -> None:
        self._awaited.pop(connection, None)

    def service_actions(self) -> None:
        """Between two newcomers: hang up on those who don't get their request together."""
        now = time.monotonic()
        for connection, (_, until) in list(self._awaited.items()):
            if now > until:
                self._hang_up(connection)

    def _hang_up(self, connection: socket.socket) -> None:
        self._awaited.pop(connection, None)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)  # its thread reads the end, and goes

    def verify_request(self, request: Any, client_address: Any) -> bool:
        if self._room.acquire(blocking=False):
            return True
        waiting = sorted(self._awaited.items(), key=lambda item: item[1])
        if waiting and waiting[0][1][0] + FAIR_SECONDS < time.monotonic():
            self._hang_up(waiting[0][0])
            if self._room.acquire(timeout=1):
                return True
        _turn_away(request)
        return False

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.discard(request)
            self._awaited.pop(request, None)
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """What a handler didn't foresee was answered already; nothing is
        printed into a learner's notebook.
        """
