"""Ranges of one file on a web server, all of one and the same content."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from mmvsf.datasets.errors import MmvsfError
from mmvsf.pipeline.raster.io import ReadError
from mmvsf.pipeline.raster.range_file import Range

from .download import seconds_asked
from .http import Bearer, reason_of

MOST_WHOLE = 2**26
"""Bytes of a whole file that are taken from a server that knows no ranges."""


@dataclass(frozen=True)
class Answer:
    """A server's answer about a file."""

    status: int | None
    """None if there was no answer"""
    reason: str
    retry_after: float = 0.0
    """seconds that it asks to wait"""
    state: str = ""
    """what tells this file from one in its place: its ETag, or size and time; empty if the server does not say"""


class AddressError(MmvsfError):
    """An address that nothing is read from."""


class RefusedError(ReadError):
    """A request that the server did not answer, or not with the bytes asked for."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.reason)
        self.answer = answer


class Content(NamedTuple):
    """What tells one content of a file from another."""

    size: int
    tag: str
    """ETag"""
    modified: str
    """Last-Modified"""

    @property
    def certain(self) -> bool:
        """Whether a file that is replaced by one of the same size shows it."""
        return bool(self.tag or self.modified)


class RemoteFile:
    """A file that ranges are requested of. `content` is known from the first answer on, or given by who read it
    before; any answer from other content is refused."""

    def __init__(
        self,
        client: requests.Session,
        url: str,
        token: str | None,
        timeout: tuple[float, float],
        content: Content | None = None,
    ) -> None:
        self.content = content
        self._whole: bytes | None = None
        """all of it, from a server that knows no ranges"""
        self._client, self._timeout = client, timeout
        self._address = url, token
        """of the next request; one attribute, so that no thread sends the token of one host to another"""

    @property
    def known_content(self) -> Content:
        """The content. Raises ReadError before the first answer."""
        if self.content is None:
            raise ReadError("nothing was read of the file yet")
        return self.content

    def part(self, part: Range) -> bytes:
        """The bytes of a range, fewer only where the file ends. Raises RefusedError and AddressError."""
        start, stop = part
        if self._whole is not None:
            return self._whole[start:stop]
        try:
            with self._get(start, stop) as response:
                _refuse_status(response)
                where = self._where(response)
                if where[0] > start or where[1] < min(stop, where[2]):
                    raise _damaged(f"requested bytes {start}-{stop - 1}, the server sent {where[0]}-{where[1] - 1}")
                self._check_content(response.headers, where[2])
                body: bytes = response.raw.read(where[1] - where[0] + 1, decode_content=False)
                if len(body) != where[1] - where[0]:
                    raise _damaged(f"the server sent {len(body)} bytes of {where[1] - where[0]}")
                self._follow(response)
                if response.status_code == 200:
                    self._whole = body
                return body[start - where[0] : stop - where[0]]
        except requests.exceptions.InvalidURL as error:
            raise AddressError(str(error)) from None
        except (requests.RequestException, HTTPError, OSError) as error:
            raise RefusedError(Answer(None, reason_of(error))) from None

    def _get(self, start: int, stop: int) -> requests.Response:
        headers = {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
        url, token = self._address
        return self._client.get(url, headers=headers, auth=Bearer(token), timeout=self._timeout, stream=True)

    @staticmethod
    def _where(response: requests.Response) -> tuple[int, int, int]:
        """(first byte of the answer, the one after its last, size of the file). Raises RefusedError."""
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise _damaged("the server sent ranges of a compressed file")
        if response.status_code == 206:
            text = response.headers.get("Content-Range", "")
            if match := re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", text.strip(), re.ASCII):
                first, last, size = map(int, match.groups())
                if first <= last < size:
                    return first, last + 1, size
            raise _damaged(f"its response has no valid range: '{text[:60]}'")
        length = response.headers.get("Content-Length", "")
        if not re.fullmatch(r"\d{1,18}", length, re.ASCII) or int(length) > MOST_WHOLE:
            raise _damaged("the server does not support ranges, and the file is too large to be read whole")
        if int(length) == 0:
            raise _damaged("the file is empty")
        return 0, int(length), int(length)

    def _check_content(self, headers: Mapping[str, str], size: int) -> None:
        content = Content(size, headers.get("ETag", ""), headers.get("Last-Modified", ""))
        # Threads that are first at once may each set it: what they then read must agree all the same.
        if self.content is None:
            self.content = content
        if self.content != content:
            raise _damaged("the file was replaced while it was read")

    def _follow(self, response: requests.Response) -> None:
        """Ask the host that a file is redirected to at once from now on; it gets no token of the first one."""
        if response.history and urlsplit(response.url).netloc != urlsplit(self._address[0]).netloc:
            self._address = response.url, None


def _refuse_status(response: requests.Response) -> None:
    """Raise RefusedError for an answer that is not the file's."""
    answer = answer_of(response)
    if response.status_code not in (200, 206) or answer.status not in (200, 206):
        raise RefusedError(answer)


def _damaged(reason: str) -> RefusedError:
    """An answer that may be right the next time."""
    return RefusedError(Answer(206, reason))


def answer_of(response: requests.Response) -> Answer:
    """What a response says, from its status and headers."""
    status, headers = response.status_code, response.headers
    if status < 300 and "html" in headers.get("Content-Type", ""):
        return Answer(401, "the server returned a login page")
    if status == 416:
        empty = headers.get("Content-Range", "").endswith("/0")
        return Answer(206, "the file is empty" if empty else "the file ends before the requested bytes")
    reason = f"HTTP {status} {response.reason}"
    return Answer(status, reason, seconds_asked(headers.get("Retry-After")), _state(headers) if status < 300 else "")


def _state(headers: Mapping[str, str]) -> str:
    size = headers.get("Content-Range", "").rpartition("/")[2] or headers.get("Content-Length", "")
    parts = [headers.get("ETag", ""), size, headers.get("Last-Modified", "")]
    return sha256(repr(parts).encode()).hexdigest()[:16] if parts[0] or parts[2] or size else ""
