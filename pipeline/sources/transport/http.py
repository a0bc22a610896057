"""Requests to public services: waits, retries and timeouts, and no secret in logs or errors.

Every source that uses a server takes its waits, retries and timeouts from a `RetryPolicy`, sends requests through a
`session` and passes whatever it prints through `redact`.
"""

import itertools
import logging
import random
import re
import threading
import time
from dataclasses import dataclass
from typing import Any

import requests
from requests.exceptions import ChunkedEncodingError, ContentDecodingError
from urllib3 import Retry

from .guard import GuardedAdapter
from .reach import reach_of_service

BUSY = (429, 500, 502, 503, 504)
"""Statuses that may be gone after a wait."""

CUT_OFF = (ChunkedEncodingError, ContentDecodingError, UnicodeDecodeError)
"""Raised for a body that breaks off or is damaged, which urllib3 does not request again."""

ATTEMPTS_AT_JSON = 3
"""Attempts where an answer with status 200 is no JSON: the address is probably wrong, which is reported soon."""

REST_SECONDS = 60.0
"""For so long, what failed in all attempts gets one attempt or none: a day is read again for each of its blocks, and an
unreachable host must not cost hours."""

USER_AGENT = "mmvsf"


@dataclass(frozen=True)
class RetryPolicy:
    """How long a source waits for a server. Times in seconds."""

    attempts: int = 6
    """requests for one thing before it counts as failed"""
    first_wait: float = 1.0
    """before the second attempt; doubled before each further one, and shortened by up to half at random"""
    longest_wait: float = 60.0
    connect: float = 10.0
    """for a connection"""
    request: float = 60.0
    """for one request, and a second more for each `SLOWEST` bytes of its answer; one that takes longer has failed"""
    deadline: float = 300.0
    """for one read with all its attempts: no further attempt starts after this time"""

    def wait(self, failures: int) -> float:
        """Seconds to wait after so many failures (1, 2, ...). Random, so that workers do not come back together."""
        return min(self.longest_wait, self.first_wait * 2.0 ** (failures - 1)) * random.uniform(0.5, 1)

    def retry(self, connect: int | None = None) -> Retry:
        """The same as a policy of urllib3. Retry-After is obeyed; POST is repeated, since a search changes nothing.

        A host that takes no connection is tried again `connect` times, by default as often as anything else."""
        return Retry(
            total=self.attempts - 1,
            connect=connect,
            status_forcelist=BUSY,
            allowed_methods=None,
            backoff_factor=self.first_wait / 2,
            backoff_jitter=self.first_wait / 2,
            backoff_max=self.longest_wait,
            respect_retry_after_header=True,
            raise_on_status=False,
        )


RETRY_POLICY = RetryPolicy()
"""How long sources of scenes wait for their servers."""


class _Session(requests.Session):
    """A session that takes no credentials from ~/.netrc for the host that a redirect leads to."""

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """See `requests.Session`: only takes off what is not for the new host."""
        if self.should_strip_auth(str(response.request.url), str(prepared_request.url)):
            prepared_request.headers.pop("Authorization", None)


def session(retry_policy: RetryPolicy, reach: int, *, retry: bool = True, connections: int = 10) -> requests.Session:
    """A session that retries by the policy, or not at all, gives up a slow server, is led no nearer than `reach` (see
    `guard`), and keeps so many connections to a host. Its `get` and `post` still need `timeout=`."""
    client = _Session()
    client.headers["User-Agent"] = USER_AGENT
    retries = retry_policy.retry() if retry else Retry(0, redirect=10, raise_on_status=False)
    adapter = GuardedAdapter(reach, retries, connections)
    client.mount("http://", adapter)
    client.mount("https://", adapter)
    return client


class Bearer(requests.auth.AuthBase):
    """Sends a token, or nothing; either way requests does not look into ~/.netrc by itself."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


_secrets: set[str] = set()
_guarded = threading.Lock()
_LOGGERS = (
    "rasterio",
    "rasterio._base",
    "rasterio._env",
    "rasterio._err",
    "rasterio._io",
    "rasterio.env",
    "urllib3.connectionpool",
    "urllib3.util.retry",
    "pystac_client.stac_api_io",
)
"""Loggers that show whole URLs or options."""


def keep_secret(secret: str) -> str:
    """From now on `redact` removes this text wherever it occurs. Returns it."""
    if len(secret) >= 4:
        _secrets.add(secret)
    return secret


def guard_logs() -> None:
    """Redact what the libraries below log, and leave it out altogether unless `--debug` asks for it: a failed
    attempt is no error yet, and the reason of the last one is in the error that is raised."""
    with _guarded:
        for name in _LOGGERS:
            logger = logging.getLogger(name)
            if not any(isinstance(entry, _Redacting) for entry in logger.filters):
                logger.addFilter(_Redacting())


def redact(text: str) -> str:
    """The text without known secrets, bearer tokens, and the users, passwords and queries of URLs."""
    for secret in list(_secrets):
        text = text.replace(secret, "…")
    text = re.sub(r"://[^\s/?#@'\"<>]*@", "://…@", text)
    text = re.sub(r"\?[^\s'\"<>]*[^\s'\"<>.,:;)]", "?…", text)
    return re.sub(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}", r"\1 …", text)


class _Redacting(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        return logging.getLogger("mmvsf").isEnabledFor(logging.DEBUG)


def reason_of(error: BaseException) -> str:
    """Why a request failed, in a few words and without its URL."""
    text = str(error)
    for sign, words in (
        ("NameResolution", "its name cannot be resolved; check the network"),
        ("Name or service not known", "its name cannot be resolved; check the network"),
        ("Connection refused", "connection refused"),
        ("reset by peer", "connection reset"),
        ("Connection broken", "the connection broke off"),
        ("Connection aborted", "the connection broke off"),
        ("timed out", "no answer in time"),
        ("CERTIFICATE", "its certificate cannot be verified"),
        ("ProxyError", "the proxy refuses the connection"),
    ):
        if sign in text:
            return words
    return " ".join(redact(text).split())[:200] or type(error).__name__


def fetch_json(
    method: str, url: str, auth: requests.auth.AuthBase | tuple[str, str], retry_policy: RetryPolicy
) -> tuple[int, dict[str, Any]]:
    """(status, JSON object) of an answer; the object is empty for any status but 200.

    A temporary refusal is waited out, and what breaks off or is no JSON object is requested again. Raises
    RequestException or ValueError after all attempts.
    """
    with session(retry_policy, reach_of_service(url)) as asking:
        for failures in itertools.count(1):
            try:
                answer = asking.request(method, url, auth=auth, timeout=(retry_policy.connect, retry_policy.request))
                return answer.status_code, _json_of(answer) if answer.status_code == 200 else {}
            except CUT_OFF:
                if failures >= retry_policy.attempts:
                    raise
            except ValueError:
                if failures >= ATTEMPTS_AT_JSON:
                    raise
            time.sleep(retry_policy.wait(failures))
    raise AssertionError("unreachable")


def _json_of(response: requests.Response) -> dict[str, Any]:
    content = response.json()
    if not isinstance(content, dict):
        raise ValueError("it is not a JSON object")
    return content
