"""Download a file whole or not at all: checked, retried where that can help, else one clear error."""

import fcntl
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import requests
from urllib3 import Retry
from urllib3.exceptions import ConnectTimeoutError, InvalidHeader, NewConnectionError

from mmvsf.datasets.errors import IncompleteError, one_line
from mmvsf.datasets.storage.location import write_whole
from mmvsf.pipeline.raster.io import ReadError

from .http import BUSY, RetryPolicy, reason_of, session
from .reach import reach_of_service


class DownloadError(IncompleteError):
    """A file could not be downloaded."""

    def __init__(self, message: str, reason: str, status: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        """the message without its remedy"""
        self.status = status
        """HTTP status of the last answer, None if there was none"""


class BusyError(ReadError):
    """An answer with an HTTP status other than success."""

    def __init__(self, where: str, answer: requests.Response) -> None:
        super().__init__(f"{where}: HTTP status {answer.status_code}")
        self.asked = seconds_asked(answer.headers.get("Retry-After"))
        """seconds to wait that the server asks for"""


class Attempts:
    """Counts the attempts at one thing, and pauses between them."""

    def __init__(self, retry_policy: RetryPolicy) -> None:
        self.retry_policy = retry_policy
        self.count = 0
        self._began = time.monotonic()

    def again(self, asked: float = 0.0) -> bool:
        """Pause after a failure, at least as long as the server asked for (seconds). False: no attempts are left."""
        self.count += 1
        late = time.monotonic() - self._began + asked > self.retry_policy.deadline
        if self.count >= self.retry_policy.attempts or asked > self.retry_policy.longest_wait or late:
            return False
        time.sleep(max(asked, self.retry_policy.wait(self.count)))
        return True

    def error(self, host: str, what: str, reason: str, status: int | None = None) -> DownloadError:
        """The failure in one line: who, what, why, and what to do."""
        times = "1 attempt" if self.count == 1 else f"{self.count} attempts"
        failure = f"{host}: {what}: {reason} ({times})"
        remedy = "what was downloaded is kept; run again later, or check the network"
        return DownloadError(f"{failure}; {remedy}", failure, status)


def download(
    url: str,
    query: dict[str, str],
    path: Path,
    what: str,
    check: Callable[[bytes], None],
    retry_policy: RetryPolicy,
    auth: requests.auth.AuthBase | None = None,
) -> None:
    """GET a file; it gets its name only when it is complete, so a kill leaves the old file or none.

    `check` raises ValueError with the reason if the body is not what it should be (an error page, half a file); that
    is tried again like a refusal for a time. `what` names the file in errors. Raises DownloadError, OSError.
    """
    attempts = Attempts(retry_policy)
    with session(retry_policy, reach_of_service(url), retry=False) as client:
        while True:
            status, asked, reached = None, 0.0, True
            try:
                answer = client.get(url, params=query, auth=auth, timeout=(retry_policy.connect, retry_policy.request))
                status = answer.status_code
                if status == 200:
                    check(answer.content)
                    write_whole(path, answer.content)
                    return
                asked = seconds_asked(answer.headers.get("Retry-After"))
                reason = f"HTTP status {status}{_short_text(answer.content)}"
                if asked > retry_policy.longest_wait:
                    reason += f", it asks to retry in {asked:.0f} seconds"
            except requests.RequestException as error:
                reason, reached = reason_of(error), not _is_unreached(error)
            except ValueError as error:
                reason = one_line(error)
            # A server that takes no connection is tried only twice, so that a missing network is reported at once.
            final = status not in {None, 200, *BUSY} or not (reached or attempts.count == 0)
            if not attempts.again(math.inf if final else asked):
                raise attempts.error(urlsplit(url).netloc, what, reason, status)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Only one process of a machine fetches a file. The lock ends with its process, however that ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def server_folder(cache: Path, url: str) -> Path:
    """The folder in a cache for the files of a server, so that two servers' files never mix. `~` is the home
    of the running user: a worker on another machine has its own cache."""
    return cache.expanduser() / urlsplit(url).netloc.replace(":", "-")


def seconds_asked(header: str | None) -> float:
    """Seconds that a Retry-After header asks for, 0 without one."""
    try:
        return float(Retry().parse_retry_after(header)) if header else 0.0
    except InvalidHeader:
        return 0.0


def _is_unreached(error: requests.RequestException) -> bool:
    """Whether no connection was made at all."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(reason, (NewConnectionError, ConnectTimeoutError))


def _short_text(body: bytes) -> str:
    """The text of an error page, if it is short."""
    text = one_line(Exception(body[:2000].decode(errors="replace")), 160)
    return f" ('{text}')" if body and not text.startswith(("<", "{")) else ""
