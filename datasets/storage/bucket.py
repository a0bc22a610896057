"""A bucket of object storage: its client, and what the client's errors mean."""

from __future__ import annotations

import errno
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote

from mmvsf.datasets.errors import IncompleteError, InputError, one_line
from mmvsf.datasets.extras import install_hint

from .fork import refuse_fork
from .services.amazon import Amazon
from .services.azure import Azure
from .services.google import Google
from .services.service import Service, fingerprint
from .services.web import Web

if TYPE_CHECKING:
    from obstore.store import ObjectStore

PATIENT = 10
"""Retries, with pauses of 0.1 s to 15 s: a busy service (503 Slow Down) recovers in that time."""

SERVICES: dict[str, Service] = {
    service.scheme: service for service in (Amazon(), Google(), Azure(), Web("https"), Web("http"))
}

FORMS = "s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX or https://HOST/PATH"
"""The addresses that work, for messages."""


@dataclass(frozen=True)
class Bucket:
    """A bucket, a container of Azure, or a web server."""

    scheme: str
    name: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.name}"

    def address(self, key: str) -> str:
        """The address of an object, or of the bucket if the key is empty."""
        return f"{self}/{quote(key) if self.service.read_only else key}".rstrip("/")

    @property
    def service(self) -> Service:
        return SERVICES[self.scheme]

    def client(self, prefix: str = "", *, patient: bool = True) -> ObjectStore:
        """The client of the bucket or of a prefix in it, one per process and environment.

        Raises InputError where a library or credentials are missing, and as `refuse_fork` does.
        """
        refuse_fork()
        return _client(self, prefix, fingerprint(self.service.variables), PATIENT if patient else 1)

    @contextmanager
    def reaching(self, *, patient: bool = True) -> Generator[ObjectStore, None, None]:
        """The client of the bucket; errors of obstore are reduced to one line.

        Raises FileNotFoundError for a missing object, InputError where the bucket or the credentials are wrong,
        IncompleteError where no service answers, and OSError for any other failure.
        """
        store = self.client(patient=patient)
        from obstore.exceptions import BaseError

        try:
            yield store
        except FileNotFoundError as error:
            if type(error) is not FileNotFoundError or "Object at location" not in str(error):
                raise
            if NO_BUCKET.search(str(error)):
                raise _explained(error, self) from error
            raise FileNotFoundError(errno.ENOENT, "there is no such object", self._missing(error)) from error
        except BaseError as error:
            raise _explained(error, self) from error

    def _missing(self, error: FileNotFoundError) -> str:
        """The address of the object that does not exist."""
        match = re.search("Object at location (.*?) not found", str(error))
        return self.address(match[1] if match else "")


@lru_cache(maxsize=128)  # a client takes some 100 KB, and its connections: 13 MB
def _client(bucket: Bucket, prefix: str, environment: str, retries: int) -> ObjectStore:
    """`environment` is the fingerprint of the settings that the client is made from."""
    service = bucket.service
    try:
        from obstore.exceptions import BaseError

        try:
            return service.client(bucket.name, prefix, retries)
        except (BaseError, ValueError) as error:
            raise InputError(
                f"{bucket}: {_short(error)}; check {service.advice.endpoint} and the service's other settings in the"
                " environment"
            ) from error
    except ModuleNotFoundError as error:
        raise InputError(f"{install_hint(error)}, on this machine and on every worker") from error


NO_BUCKET = re.compile(
    r"NoSuchBucket|ContainerNotFound|(?:list request|Error performing PUT).*404 Not Found", re.DOTALL
)
NO_CREDENTIALS = re.compile(r"token request|169\.254\.169\.254|metadata\.google")
REFUSED = re.compile(r"401 Unauthorized|403 Forbidden")
ELSEWHERE = re.compile(r"301 Moved Permanently|PermanentRedirect|AuthorizationHeaderMalformed")
WITHOUT_RANGES = re.compile(r"Range request not supported")
UNREACHED = re.compile(r"error sending request|operation timed out")


def _explained(error: Exception, bucket: Bucket) -> Exception:
    text, advice = str(error), bucket.service.advice
    host = bucket.service.host(bucket.name)
    code = re.search(r"<Code>(\w+)</Code>", text)
    detail = f" ({code[1]})" if code else ""
    if NO_BUCKET.search(text):
        return InputError(f"there is no bucket '{bucket.name}' at {host}; create it, or name another")
    if NO_CREDENTIALS.search(text):
        return InputError(f"{bucket}: no credentials for {host} were found; {advice.credentials}")
    if REFUSED.search(text):
        rights = (
            "" if bucket.service.read_only else f", and that they may list, read, write and delete in '{bucket.name}'"
        )
        return InputError(f"{bucket}: {host} refused access{detail}; check {advice.access}{rights}")
    if ELSEWHERE.search(text) and bucket.scheme == "s3":
        return InputError(f"{bucket} is in another region{detail}; set AWS_REGION to it")
    if UNREACHED.search(text):
        return IncompleteError(
            f"{bucket}: no {advice.title} answers at {host}; check {advice.endpoint} and the network"
        )
    if WITHOUT_RANGES.search(text):
        return InputError(
            f"{bucket}: the web server does not support byte ranges, which reading pixels requires; use one that does,"
            " such as nginx"
        )
    return OSError(errno.EIO, f"{host}: {code[1] if code else _short(error)}", str(bucket))


SECRETS = re.compile(r"(?<=://)[^/@\s]*@|\?[^\s\"')>]*")
"""User and password, and the query of a URL, which may be a signature."""


def _short(error: Exception) -> str:
    """The first line of an error of obstore, without secrets."""
    return one_line(Exception(SECRETS.sub("", str(error).partition("Debug source")[0])))
