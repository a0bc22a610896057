"""A file from a web server, whole or not at all: checked, tried again where that helps, one clear line if not."""

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import urllib3

from mmvsf.datasets.errors import IncompleteError, one_line

WORTH_RETRYING = frozenset({408, 425, 429, 500, 502, 503, 504})


class DownloadError(IncompleteError):
    """A file could not be had."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        """the HTTP status of a refusal"""


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server, and how often to ask it."""

    attempts: int = 5
    pause: float = 2.0
    """seconds before the second attempt, doubled for each further one and scattered by half"""
    longest_pause: float = 120.0
    """a server that asks for a longer one (Retry-After) is given up"""
    timeout: float = 120.0
    """seconds without a byte"""

    def wait(self, attempt: int, asked: float = 0.0) -> bool:
        """Pause after a failed attempt (from 1), at least as long as the server asked. False: it is time to give up."""
        if attempt >= self.attempts or asked > self.longest_pause:
            return False
        time.sleep(max(asked, self.pause * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)))
        return True


PATIENT = Patience()


def download(
    url: str, query: dict[str, str], path: Path, what: str, check: Callable[[bytes], None], how: Patience
) -> None:
    """GET a file; it takes its name only once it is complete, so a kill leaves the old one or none.

    `check` raises ValueError with the reason if the body is not what it should be (an error page, half a file); that
    is tried again like a refusal for a time. `what` names the file in errors. Raises DownloadError, OSError.
    """
    host, attempt = urlsplit(url).netloc, 0
    while True:
        attempt, asked = attempt + 1, 0.0
        try:
            answer = _pool(how.timeout).request("GET", url, fields=query, retries=False)
            body = bytes(answer.data)
            if answer.status == 200:
                check(body)
                _write(path, body)
                return
            reason = f"HTTP status {answer.status}{_said(body)}"
            if answer.status not in WORTH_RETRYING:
                raise DownloadError(f"{host}: {what}: {reason}", answer.status)
            asked = seconds_asked(answer.headers.get("Retry-After"))
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            reason = one_line(error)
        if not how.wait(attempt, asked):
            break
    wait = f", it asks to come back in {asked:.0f} seconds" if asked else ""
    raise DownloadError(
        f"{host}: {what}: {reason}{wait} ({attempt} {'attempt' if attempt == 1 else 'attempts'}); what was downloaded"
        " is kept, run again later, or check the network"
    )


def server_folder(cache: Path, url: str) -> Path:
    """The folder in a cache for the files of a server, so that two servers' files never mix."""
    return cache / urlsplit(url).netloc.replace(":", "-")


def _write(path: Path, body: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(body)
    part.replace(path)


def _said(body: bytes) -> str:
    """What an error page says, if it is short text."""
    text = one_line(Exception(body[:2000].decode(errors="replace")), 160)
    return f" ('{text}')" if body and not text.startswith("<") else ""


def seconds_asked(header: str | None) -> float:
    """Seconds that a Retry-After header asks for, 0 without one."""
    if header is None:
        return 0.0
    try:
        return float(urllib3.Retry().parse_retry_after(header))
    except urllib3.exceptions.InvalidHeader:
        return 0.0


@lru_cache(maxsize=4)
def _pool(timeout: float) -> urllib3.PoolManager:
    return urllib3.PoolManager(maxsize=8, timeout=urllib3.Timeout(connect=min(timeout, 20.0), read=timeout))
