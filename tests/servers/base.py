"""A loopback HTTP server with faults on demand; every stand-in is a subclass of `StandIn` with one method.

    class Echo(StandIn):
        def answer(self, request: Request) -> Response:
            return Response.of_json({"path": request.path})

    with Echo() as server:
        server.fail("/data/.*", status(503), times=2)     # the first two requests that match
        server.fail("B06[.]tif", hang(30))                # every one
        requests.get(f"{server.url}/data/x")
        assert server.requests[0].path == "/data/x"

Only the standard library is needed. `main` runs a stand-in from the command line.
"""

from __future__ import annotations

import argparse
import json
import mimetypes
import re
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

IDLE_SECONDS = 60
"""A kept-alive connection that asks for nothing is closed after this time, so no thread waits for ever."""


@dataclass(frozen=True)
class Request:
    """What a client asked."""

    method: str
    path: str
    """percent-decoded, without the query"""
    query: dict[str, str]
    headers: dict[str, str]
    """names in lower case"""
    body: bytes = b""

    def json(self) -> Any:
        return json.loads(self.body or b"{}")

    @property
    def target(self) -> str:
        """What the pattern of a fault is searched in: 'GET /path?a=b'."""
        query = "&".join(f"{key}={value}" for key, value in self.query.items())
        return f"{self.method} {self.path}" + (f"?{query}" if query else "")


@dataclass(frozen=True)
class Response:
    """What a stand-in answers; the last four fields are how it misbehaves."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/octet-stream"
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    """bytes of the body after which the connection is closed, though Content-Length promised all"""
    reset: bool = False
    """reset the connection instead of answering"""
    delay: float = 0.0
    """seconds to wait before answering; closing the server ends the wait"""
    drip: float = 0.0
    """seconds from one byte of the body to the next; closing the server ends the answer"""

    @classmethod
    def of_json(cls, content: Any, status: int = 200, content_type: str = "application/json") -> Response:
        return cls(status, json.dumps(content).encode(), content_type)

    @classmethod
    def of_bytes(cls, content: bytes, request: Request, content_type: str = "application/octet-stream") -> Response:
        """The content, or the one byte range of it that the request asks for (206, or 416 beyond its end)."""
        return cls._of_range(len(content), lambda start, stop: content[start:stop], request, content_type)

    @classmethod
    def of_file(cls, root: Path, name: str, request: Request) -> Response:
        """A file below `root`, by ranges if asked; 404 for anything else, also for what lies outside `root`."""
        path = (root / name.lstrip("/")).resolve()
        if not path.is_relative_to(root.resolve()) or not path.is_file():
            return cls.of_json({"code": "NotFound", "description": f"there is no {name}"}, 404)

        def part(start: int, stop: int) -> bytes:
            with path.open("rb") as file:
                file.seek(start)
                return file.read(stop - start)

        content_type, stat = mimetypes.guess_type(path)[0] or "application/octet-stream", path.stat()
        response = cls._of_range(stat.st_size, part, request, content_type)
        response.headers["ETag"] = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'
        return response

    @classmethod
    def _of_range(cls, size: int, part: Callable[[int, int], bytes], request: Request, content_type: str) -> Response:
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
        headers = {"Accept-Ranges": "bytes"}
        if not found or not any(found.groups()):
            return cls(200, part(0, size), content_type, headers)
        first, last = found.groups()
        start = int(first) if first else max(size - int(last), 0)
        stop = min(int(last) + 1, size) if first and last else size
        if start >= size:
            return cls(416, b"", content_type, {"Content-Range": f"bytes */{size}"})
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        return cls(206, part(start, stop), content_type, headers)


Fault = Callable[[Request, Response], Response]
"""Turns the right answer into a wrong one."""


def status(code: int, retry_after: int | None = None) -> Fault:
    """An error status instead of the answer, with or without Retry-After (seconds)."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    body = json.dumps({"code": str(code), "description": "asked to fail"}).encode()
    return lambda request, right: Response(code, body, "application/json", headers)


def reset() -> Fault:
    """A reset connection."""
    return lambda request, right: replace(right, reset=True)


def truncated() -> Fault:
    """Half of the promised body, then the end of the connection."""
    return lambda request, right: replace(right, cut=len(right.body) // 2)


def hang(seconds: float) -> Fault:
    """The right answer, but only after a time."""
    return lambda request, right: replace(right, delay=seconds)


def drip(seconds: float) -> Fault:
    """The right answer, a byte at a time."""
    return lambda request, right: replace(right, drip=seconds)


def corrupt(start: int = 0) -> Fault:
    """A body of the right length in which the bytes from `start` on (of the body) are turned over."""
    return lambda request, right: replace(
        right, body=right.body[:start] + bytes(byte ^ 0xFF for byte in right.body[start:])
    )


def empty() -> Fault:
    """200 and nothing."""
    return lambda request, right: Response(200, b"", right.content_type)


class StandIn:
    """A server on 127.0.0.1. A subclass answers; the base serves, records requests, and spoils answers as told.

    `requests` holds every request that came, in order. `busiest` is the greatest number answered at once.
    """

    def __init__(self, port: int = 0) -> None:
        self.requests: list[Request] = []
        self.busiest = 0
        self._busy = 0
        self._faults: list[_Planned] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._http = _Http(("127.0.0.1", port), _Handler)
        self._http.stand_in = self
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def answer(self, request: Request) -> Response:
        """The right answer. May raise; that becomes a 500."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """The variables that send the pipeline here."""
        return {}

    def fail(self, pattern: str, fault: Fault, times: int | None = None, after: int = 0) -> None:
        """Spoil the answers to requests whose `target` holds the regular expression: `times` of them (all by
        default), beginning after the first `after`. Of several plans that match, the first is used."""
        with self._lock:
            self._faults.append(_Planned(re.compile(pattern), fault, times, after))

    def clear_faults(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._faults.clear()

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()

    def _respond(self, request: Request) -> Response:
        with self._lock:
            self.requests.append(request)
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
            fault = next((plan.fault for plan in self._faults if plan.takes(request)), None)
        try:
            right = self.answer(request)
            response = fault(request, right) if fault else right
            if response.delay:
                self._closing.wait(response.delay)
            return response
        except Exception as error:  # noqa: BLE001 - a mistake in a stand-in shows as a 500, not as a dead thread
            return Response.of_json({"code": "500", "description": repr(error)}, 500)
        finally:
            with self._lock:
                self._busy -= 1


@dataclass
class _Planned:
    pattern: re.Pattern[str]
    fault: Fault
    times: int | None
    after: int

    def takes(self, request: Request) -> bool:
        """Whether this request is to be spoilt; counts down."""
        if self.times == 0 or not self.pattern.search(request.target):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    stand_in: StandIn

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of the server."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    wbufsize = 1 << 16
    disable_nagle_algorithm = True
    server: _Http

    def log_message(self, format: str, *args: object) -> None:
        """Silent: `StandIn.requests` is the log."""

    def _any(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(
            self.command, unquote(parts.path), dict(parse_qsl(parts.query, keep_blank_values=True)), headers, body
        )
        response = self.server.stand_in._respond(request)
        if response.reset:
            # No lingering: the kernel then sends RST instead of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        if self.command != "HEAD" or "Content-Length" not in response.headers:
            self.send_header("Content-Length", str(len(response.body)))
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if response.drip:
            for byte in response.body:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                if self.server.stand_in._closing.wait(response.drip):
                    break
            self.close_connection = True
        elif self.command != "HEAD":
            self.wfile.write(response.body[: response.cut])
        self.wfile.flush()
        if response.cut is not None:
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _any  # noqa: N815


def parse_fault(text: str) -> tuple[str, Fault, int | None]:
    """(pattern, fault, times) of 'KIND[*TIMES]@PATTERN'; KIND is a status, 429+SECONDS, reset, truncated, corrupt,
    empty or hang+SECONDS. Raises ValueError."""
    found = re.fullmatch(r"(\d{3}|reset|truncated|corrupt|empty|hang)(?:\+(\d+))?(?:\*(\d+))?@(.+)", text)
    if found is None:
        raise ValueError(f"'{text}' is no fault; write for example '503*2@B06', 'hang+30@Fmask', 'reset@/search'")
    kind, seconds, times, pattern = found.groups()
    kinds: dict[str, Callable[[], Fault]] = {"reset": reset, "truncated": truncated, "corrupt": corrupt, "empty": empty}
    if kind.isdigit():
        fault = status(int(kind), int(seconds) if seconds else None)
    else:
        fault = hang(float(seconds or 30)) if kind == "hang" else kinds[kind]()
    return pattern, fault, int(times) if times else None


def main(parser: argparse.ArgumentParser, make: Callable[[argparse.Namespace], StandIn]) -> None:
    """Serve from the command line until interrupted. `make` builds the stand-in from the parsed arguments, which
    hold `port`; what to export, so that the pipeline asks it, is printed."""
    parser.add_argument("--port", type=int, default=8000, help="0 takes any free port")
    parser.add_argument("--fault", action="append", default=[], help="for example '503*2@B06' or 'hang+30@Fmask'")
    arguments = parser.parse_args()
    with make(arguments) as server:
        for text in arguments.fault:
            server.fail(*parse_fault(text))
        print(f"# serving on {server.url}; stop with Ctrl-C")
        wait(server.environment())


def wait(environment: dict[str, str]) -> None:
    """Print the variables that send the pipeline to stand-ins, and let those serve until interrupted."""
    print("\n".join(f"export {name}='{value}'" for name, value in environment.items()), flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print("stopped")
