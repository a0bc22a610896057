"""The client of a bucket, and what its errors mean.

Endpoint, region and credentials come from the environment that all AWS tools share: AWS_ENDPOINT_URL, AWS_REGION,
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE and ~/.aws, or the role of the machine. AWS_NO_SIGN_REQUEST=YES
reads public buckets. The extra `s3` installs what is needed: obstore for objects, boto3 for finding credentials.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mmvsf.datasets.errors import IncompleteError, InputError, one_line
from mmvsf.datasets.extras import install_hint

if TYPE_CHECKING:
    from obstore.auth.boto3 import Boto3CredentialProvider
    from obstore.store import S3Store

PATIENT = 10
"""Retries, with pauses of 0.1 s to 15 s: a busy service (503 Slow Down) recovers in that time."""

DEFAULT_REGION = "us-east-1"
"""The region that S3 itself assumes; other stores ignore it."""


@dataclass(frozen=True)
class Settings:
    """The S3 settings of the environment, read again for each use, so that a change counts; no secret is kept."""

    endpoint: str | None
    region: str | None
    profile: str | None
    key_id: str | None
    unsigned: bool

    @classmethod
    def from_environment(cls) -> Settings:
        get = os.environ.get
        return cls(
            get("AWS_ENDPOINT_URL_S3") or get("AWS_ENDPOINT_URL") or None,
            get("AWS_REGION") or get("AWS_DEFAULT_REGION") or None,
            get("AWS_PROFILE") or None,
            get("AWS_ACCESS_KEY_ID") or None,
            get("AWS_NO_SIGN_REQUEST", "").lower() in ("yes", "true", "1"),
        )

    @property
    def credentials(self) -> str:
        """Where tensorstore looks for credentials: in the same order as boto3."""
        return "anonymous" if self.unsigned else "environment" if self.key_id else "default"

    @property
    def host(self) -> str:
        """The service, for messages."""
        return urlsplit(self.endpoint).netloc.rpartition("@")[2] if self.endpoint else "AWS"


def client(bucket: str, prefix: str = "", *, patient: bool = True) -> S3Store:
    """The client of a bucket or of a prefix in it, one per process and environment.

    Raises InputError where a library or credentials are missing.
    """
    return _client(bucket, prefix, Settings.from_environment(), PATIENT if patient else 1)


@lru_cache(maxsize=128)
def _client(bucket: str, prefix: str, settings: Settings, retries: int) -> S3Store:
    region, provider = _identity(settings)
    from obstore.exceptions import BaseError
    from obstore.store import S3Store

    try:
        return S3Store(
            bucket,
            prefix=prefix or None,
            endpoint=settings.endpoint,
            region=region,
            skip_signature=settings.unsigned,
            credential_provider=provider,
            client_options={"allow_http": (settings.endpoint or "").startswith("http://")},
            retry_config={"max_retries": retries, "retry_timeout": timedelta(minutes=5)},
        )
    except BaseError as error:
        raise InputError(
            f"s3://{bucket}: {_short(error)}; check AWS_ENDPOINT_URL and the other AWS_ variables"
        ) from error


@lru_cache(maxsize=4)
def _identity(settings: Settings) -> tuple[str, Boto3CredentialProvider | None]:
    """Region and credentials as boto3 finds them; no credentials where requests are unsigned."""
    try:
        import boto3
        from botocore.exceptions import BotoCoreError
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ModuleNotFoundError as error:
        raise InputError(f"{install_hint(error)}, here and on every worker") from error
    try:
        session = boto3.Session()
        region = settings.region or session.region_name or DEFAULT_REGION
        if settings.unsigned:
            return region, None
        if session.get_credentials() is None:
            raise InputError(
                "no AWS credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or"
                " AWS_NO_SIGN_REQUEST=YES for a public bucket, here and on every worker"
            )
        return region, Boto3CredentialProvider(session)
    except BotoCoreError as error:
        raise InputError(f"AWS credentials: {one_line(error)}; fix AWS_PROFILE or ~/.aws") from error


REFUSED = re.compile(r"401 Unauthorized|403 Forbidden")
ELSEWHERE = re.compile(r"301 Moved Permanently|PermanentRedirect|AuthorizationHeaderMalformed")
UNREACHED = re.compile(r"error sending request|operation timed out")


@contextmanager
def reaching(bucket: str, *, patient: bool = True) -> Generator[S3Store, None, None]:
    """The client of a bucket; errors of obstore are reduced to one line.

    Raises FileNotFoundError for a missing object, InputError where the bucket or the credentials are wrong,
    IncompleteError where no service answers, and OSError for any other failure.
    """
    store = client(bucket, patient=patient)
    from obstore.exceptions import BaseError

    try:
        yield store
    except FileNotFoundError as error:
        if type(error) is not FileNotFoundError or "Error performing" not in str(error):
            raise
        if "NoSuchBucket" in str(error):
            raise _explained(error, bucket) from error
        raise FileNotFoundError(errno.ENOENT, "there is no such object", _where(error, bucket)) from error
    except BaseError as error:
        raise _explained(error, bucket) from error


def _where(error: Exception, bucket: str) -> str:
    """The object that an error is about."""
    match = re.search(r"(?:location|path) (\S+?):? ", str(error))
    return f"s3://{bucket}/{match[1]}" if match else f"s3://{bucket}"


def _explained(error: Exception, bucket: str) -> Exception:
    text, host = str(error), Settings.from_environment().host
    code = re.search(r"<Code>(\w+)</Code>", text)
    detail = f" ({code[1]})" if code else ""
    if "NoSuchBucket" in text:
        return InputError(f"there is no bucket '{bucket}' at {host}; create it, or name another")
    if REFUSED.search(text):
        return InputError(
            f"s3://{bucket}: {host} refused access{detail}; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or"
            f" AWS_PROFILE, and that they may list, read, write and delete in '{bucket}'"
        )
    if ELSEWHERE.search(text):
        return InputError(f"s3://{bucket} is in another region{detail}; set AWS_REGION to it")
    if UNREACHED.search(text):
        return IncompleteError(
            f"s3://{bucket}: no S3 service answers at {host}; check AWS_ENDPOINT_URL and the network"
        )
    return OSError(errno.EIO, f"{host}: {code[1] if code else _short(error)}", f"s3://{bucket}")


def _short(error: Exception) -> str:
    """The first line of an error of obstore."""
    return one_line(Exception(str(error).partition("Debug source")[0]))
