"""What a process reads files over: connections that are kept, and a bounded number of requests at once."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import TypeVar

import requests

from .http import RETRY_POLICY, session

Part = TypeVar("Part")
Result = TypeVar("Result")

REQUESTS_AT_ONCE = 32
"""Of one process. At 80 ms an answer and 100 kB each, so many fill 40 MB/s."""


def client(reach: int) -> requests.Session:
    """The session of this process for files that are no nearer than `reach`; it does not retry, and keeps no cookie."""
    return _client(reach, os.getpid())


def at_once(function: Callable[[Part], Result], parts: Iterable[Part]) -> list[Result]:
    """`function`, one request, of each part: at once as far as `REQUESTS_AT_ONCE` allows. Raises what it raises."""
    return list(_pool(os.getpid()).map(function, parts))


@cache  # a session for each reach; a fork makes its own, since it must not use its parent's connections
def _client(reach: int, process: int) -> requests.Session:
    client = session(RETRY_POLICY, reach, retry=False, connections=REQUESTS_AT_ONCE)
    client.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
    return client


@cache  # one; a fork has none of its parent's threads
def _pool(process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(REQUESTS_AT_ONCE, thread_name_prefix="requests")
