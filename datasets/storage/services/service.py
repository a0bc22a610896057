"""What a service of object storage is, whoever runs it.

Addresses name the bucket only; settings and secrets come from the environment variables that each service's own tools
read, and appear in no output. Every client is one of obstore (the extra `objects`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig


@dataclass(frozen=True)
class Advice:
    """How the messages of errors name a service, and what they tell to check."""

    title: str
    access: str
    """what to check where access is refused"""
    endpoint: str
    """what to check where nothing answers"""
    credentials: str
    """what to set where no credentials were found"""


class Service(Protocol):
    """A kind of object storage."""

    scheme: str
    """of its addresses: `<scheme>://<bucket>/<prefix>`"""
    bucket: str
    """regular expression of its buckets' names"""
    read_only: bool
    advice: Advice
    variables: tuple[str, ...]
    """how the names of the environment variables begin that its settings come from"""

    def host(self, bucket: str) -> str:
        """The service's host, for messages."""

    def client(self, bucket: str, prefix: str, retries: int) -> ObjectStore:
        """The client of a prefix in a bucket. Raises InputError, or ValueError or obstore's errors for settings that
        cannot be used."""

    def kvstore(self, bucket: str, path: str) -> dict[str, Any] | None:
        """What tensorstore opens; None where it has no driver for this service."""


def fingerprint(variables: tuple[str, ...]) -> str:
    """A hash of the environment variables whose names begin so: a client is made again when one of them changes."""
    settings = sorted((name, value) for name, value in os.environ.items() if name.startswith(variables))
    return sha256(repr(settings).encode()).hexdigest()


def host_of(url: str) -> str:
    """Host and port of a URL, without the user and password that it may hold."""
    return urlsplit(url).netloc.rpartition("@")[2]


def client_options(url: str | None) -> ClientConfig:
    """Plain HTTP is for the addresses that say so: those of servers on the same network."""
    return {"allow_http": (url or "").startswith("http://")}


def retry_options(retries: int) -> RetryConfig:
    """Retries with pauses of 0.1 s to 15 s."""
    return {"max_retries": retries, "retry_timeout": timedelta(minutes=5)}
