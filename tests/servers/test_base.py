"""The loopback server itself: ranges, faults and their counts."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from .base import Fault, Request, Response, StandIn, corrupt, empty, hang, parse_fault, reset, status, truncated

pytestmark = pytest.mark.stand_in


class Digits(StandIn):
    def answer(self, request: Request) -> Response:
        if request.path == "/wrong":
            raise RuntimeError("a mistake")
        return Response.of_bytes(b"0123456789", request)


@pytest.fixture
def server() -> Iterator[Digits]:
    with Digits() as running:
        yield running


def get(server: Digits, path: str = "/x", **headers: str) -> bytes:
    asked = urllib.request.Request(server.url + path, headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(asked, timeout=5) as answer:
        return bytes(answer.read())


@pytest.mark.parametrize(
    ("asked", "wanted"), [("2-4", b"234"), ("7-", b"789"), ("-2", b"89"), ("8-99", b"89"), ("0-0", b"0")]
)
def test_ranges(server: Digits, asked: str, wanted: bytes) -> None:
    assert get(server, Range=f"bytes={asked}") == wanted
    assert server.requests[-1].headers["range"] == f"bytes={asked}"


def test_a_range_beyond_the_end(server: Digits) -> None:
    with pytest.raises(urllib.error.HTTPError, match="416"):
        get(server, Range="bytes=10-")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (status(503), urllib.error.HTTPError),
        (reset(), ConnectionError),
        (truncated(), http.client.IncompleteRead),
    ],
)
def test_a_fault_comes_as_often_as_asked(server: Digits, fault: Fault, error: type[Exception]) -> None:
    server.fail("/x", fault, times=2, after=1)
    assert get(server) == b"0123456789"
    for _ in range(2):
        with pytest.raises(error):
            get(server)
        assert get(server, "/y") == b"0123456789"
    assert get(server) == b"0123456789"


def test_bodies_that_are_wrong(server: Digits) -> None:
    server.fail("empty", empty())
    server.fail("corrupt", corrupt(8))
    assert get(server, "/empty") == b""
    assert get(server, "/corrupt") == b"01234567" + bytes(byte ^ 0xFF for byte in b"89")


def test_retry_after_is_sent(server: Digits) -> None:
    server.fail(".", status(429, 7))
    with pytest.raises(urllib.error.HTTPError) as raised:
        get(server)
    assert raised.value.headers["Retry-After"] == "7"


def test_closing_ends_a_hang() -> None:
    with Digits() as server:
        server.fail(".", hang(60))
        with pytest.raises(TimeoutError), urllib.request.urlopen(server.url, timeout=0.1):
            pass
        started = time.monotonic()
    assert time.monotonic() - started < 5


def test_a_mistake_in_a_stand_in_is_a_500(server: Digits) -> None:
    with pytest.raises(urllib.error.HTTPError, match="500"):
        get(server, "/wrong")


def test_nothing_outside_the_folder_is_served(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_text("no")
    request = Request("GET", "/../secret", {}, {})
    assert Response.of_file(tmp_path / "in", request.path, request).status == 404


@pytest.mark.parametrize("text", ["503*2@B06", "429+1@/search", "hang+30@Fmask", "reset@.", "corrupt*1@a@b"])
def test_faults_as_text(text: str) -> None:
    pattern, _, times = parse_fault(text)
    assert pattern == text.split("@", 1)[1]
    assert times == (int(text.split("@")[0].split("*")[1]) if "*" in text else None)


def test_a_fault_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="503"):
        parse_fault("sometimes")
