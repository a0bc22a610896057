"""Objects in an S3 bucket, or in any store that speaks S3 (MinIO, Ceph, R2), named as pathlib names files.

Endpoint, region and credentials come from the environment that all AWS tools share: AWS_ENDPOINT_URL, AWS_REGION,
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE and ~/.aws, or the role of the machine. AWS_NO_SIGN_REQUEST=YES
reads public buckets. `mmvsf[s3]` installs the two clients: obstore for objects, boto3 for finding credentials.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from .errors import IncompleteError, InputError, one_line

if TYPE_CHECKING:
    from obstore.store import S3Store

DELETED_AT_ONCE = 1000
"""Objects that one request deletes, S3's own limit."""

BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
"""S3's rule for names of buckets."""


@dataclass(frozen=True)
class S3Path:
    """An object, or all objects whose keys begin with `key/`. Writing an object is atomic: old or new, never half.

    Every method raises FileNotFoundError where there is no such object, InputError where the bucket or the credentials
    are wrong, IncompleteError where no service answers, and OSError for anything else.
    """

    bucket: str
    key: str
    """without leading or trailing slash; empty for the whole bucket"""

    @classmethod
    def parse(cls, url: str) -> Self:
        """From `s3://bucket/prefix`. Raises InputError."""
        found = re.fullmatch(rf"s3://({BUCKET})(?:/(.*?))?/*", url)
        if found is None or set((found[2] or "x").split("/")) & {"", ".", ".."}:
            raise InputError("this is no address of objects; write s3://BUCKET or s3://BUCKET/PREFIX")
        return cls(found[1], found[2] or "")

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}".rstrip("/")

    def __truediv__(self, name: str) -> S3Path:
        return S3Path(self.bucket, f"{self.key}/{name}".lstrip("/"))

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]

    def with_name(self, name: str) -> S3Path:
        folder, slash, _ = self.key.rpartition("/")
        return S3Path(self.bucket, f"{folder}{slash}{name}")

    def is_file(self) -> bool:
        """Whether there is an object of this key."""
        try:
            with reaching(self) as store:
                store.head(self.key)
        except FileNotFoundError:
            return False
        return True

    def is_dir(self) -> bool:
        """Whether there is any object below this key. Unlike `is_file` it tells a bucket that does not exist."""
        return next(self.objects(), None) is not None

    def exists(self) -> bool:
        return self.is_file() or self.is_dir()

    def ensure_reachable(self) -> None:
        """Ask for one page of the bucket, without patience: wrong settings should show before work begins."""
        with reaching(self, patient=False) as store:
            next(iter(store.list(prefix=self.key or None)), None)

    def read_bytes(self) -> bytes:
        with reaching(self) as store:
            return bytes(store.get(self.key).bytes())

    def read_text(self, encoding: str = "utf-8") -> str:
        return self.read_bytes().decode(encoding)

    def write_bytes(self, content: bytes) -> None:
        with reaching(self) as store:
            store.put(self.key, content)

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the object; S3 does not say whether there was one."""
        with reaching(self) as store:
            store.delete(self.key)

    def objects(self) -> Iterator[tuple[str, int]]:
        """(name below this key, bytes) of every object, in no order."""
        start = len(self.key) + 1 if self.key else 0
        with reaching(self) as store:
            for batch in store.list(prefix=self.key or None):
                for entry in batch:
                    yield entry["path"][start:], entry["size"]

    def remove_tree(self) -> None:
        """Remove every object below this key."""
        keys = [(self / name).key for name, _ in self.objects()]
        with reaching(self) as store:
            for first in range(0, len(keys), DELETED_AT_ONCE):
                store.delete(keys[first : first + DELETED_AT_ONCE])

    def zarr_store(self) -> Any:
        """The place as zarr-python and xarray take it."""
        from zarr.storage import ObjectStore, StorePath

        return StorePath(ObjectStore(client(self.bucket)), self.key)

    def kvstore(self) -> dict[str, Any]:
        """The place as tensorstore takes it."""
        found = Settings.of_environment()
        spec: dict[str, Any] = {
            "driver": "s3",
            "bucket": self.bucket,
            "path": f"{self.key}/",
            "aws_credentials": {"type": found.credentials},
        }
        if found.endpoint:
            spec |= {"endpoint": found.endpoint, "aws_region": found.region or DEFAULT_REGION}
        elif found.region:
            spec |= {"aws_region": found.region}
        return spec


PATIENT = 10
"""Attempts after the first, with pauses of 0.1 s to 15 s: a busy service (503 Slow Down) recovers in that time."""

DEFAULT_REGION = "us-east-1"
"""What S3 itself takes where no region is named, and what stores of other makers do not look at."""


@dataclass(frozen=True)
class Settings:
    """What the environment says of S3. It is read anew each time, so that a change is seen; no secret is kept."""

    endpoint: str | None
    region: str | None
    profile: str | None
    key_id: str | None
    unsigned: bool

    @classmethod
    def of_environment(cls) -> Settings:
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
        """Where tensorstore is to look for credentials: in the same order as boto3."""
        return "anonymous" if self.unsigned else "environment" if self.key_id else "default"

    @property
    def host(self) -> str:
        """The service, for messages."""
        return urlsplit(self.endpoint).netloc.rpartition("@")[2] if self.endpoint else "AWS"


def client(bucket: str, *, patient: bool = True) -> S3Store:
    """The client of a bucket, one a process and environment. Raises InputError if a library or credentials miss."""
    return _client(bucket, Settings.of_environment(), PATIENT if patient else 1)


@lru_cache(maxsize=16)
def _client(bucket: str, settings: Settings, retries: int) -> S3Store:
    try:
        import boto3
        from botocore.exceptions import BotoCoreError
        from obstore.auth.boto3 import Boto3CredentialProvider
        from obstore.store import S3Store
    except ImportError as error:
        raise InputError(
            f"s3://{bucket}: {error.name} is not installed; `pip install 'mmvsf[s3]'` adds what object storage needs"
        ) from error
    try:
        session = boto3.Session()
        region = settings.region or session.region_name or DEFAULT_REGION
        if not settings.unsigned and session.get_credentials() is None:
            raise InputError(
                f"s3://{bucket}: no AWS credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or"
                " AWS_PROFILE, or AWS_NO_SIGN_REQUEST=YES for a public bucket, here and on every worker"
            )
        return S3Store(
            bucket,
            endpoint=settings.endpoint,
            region=region,
            skip_signature=settings.unsigned,
            credential_provider=None if settings.unsigned else Boto3CredentialProvider(session),
            client_options={"allow_http": (settings.endpoint or "").startswith("http://")},
            retry_config={"max_retries": retries, "retry_timeout": timedelta(minutes=5)},
        )
    except BotoCoreError as error:
        raise InputError(f"s3://{bucket}: {one_line(error)}; mend AWS_PROFILE or ~/.aws") from error


REFUSED = re.compile(r"401 Unauthorized|403 Forbidden")
ELSEWHERE = re.compile(r"301 Moved Permanently|PermanentRedirect|AuthorizationHeaderMalformed")
UNREACHED = re.compile(r"error sending request|operation timed out")


@contextmanager
def reaching(where: S3Path, *, patient: bool = True) -> Generator[S3Store, None, None]:
    """The client of a bucket; what obstore says in many lines is said in one. See `S3Path` for what is raised."""
    store = client(where.bucket, patient=patient)
    from obstore.exceptions import BaseError

    try:
        yield store
    except FileNotFoundError as error:
        if "NoSuchBucket" in str(error):
            raise _explained(error, where) from error
        raise FileNotFoundError(errno.ENOENT, "there is no such object", str(where)) from error
    except BaseError as error:
        raise _explained(error, where) from error


def _explained(error: Exception, where: S3Path) -> Exception:
    text, host = str(error), Settings.of_environment().host
    code = re.search(r"<Code>(\w+)</Code>", text)
    said = f" ({code[1]})" if code else ""
    if "NoSuchBucket" in text:
        return InputError(f"{where}: there is no bucket '{where.bucket}' at {host}; make it, or name another")
    if REFUSED.search(text):
        return InputError(
            f"{where}: {host} refused access{said}; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE,"
            f" and that they may list, read, write and delete in '{where.bucket}'"
        )
    if ELSEWHERE.search(text):
        return InputError(f"{where}: the bucket is in another region{said}; set AWS_REGION to it")
    if UNREACHED.search(text):
        return IncompleteError(f"{where}: no S3 service answers at {host}; check AWS_ENDPOINT_URL and the network")
    reason = code[1] if code else one_line(Exception(text.partition("Debug source")[0]))
    return OSError(errno.EIO, f"{host}: {reason}", str(where))
