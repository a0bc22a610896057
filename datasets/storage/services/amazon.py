"""S3, and every store that speaks it (MinIO, Ceph, R2): `s3://BUCKET/PREFIX`.

Endpoint, region and credentials come from the environment that all AWS tools share: AWS_ENDPOINT_URL, AWS_REGION,
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE and ~/.aws, or the role of the machine. AWS_NO_SIGN_REQUEST=YES
reads public buckets. boto3 finds the credentials.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mmvsf.datasets.errors import InputError, one_line

from .service import Advice, Service, client_options, host_of, retry_options

if TYPE_CHECKING:
    from obstore.auth.boto3 import Boto3CredentialProvider
    from obstore.store import ObjectStore

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


@lru_cache(maxsize=4)  # a session of boto3 takes some 10 MB: 40 MB
def _identity(settings: Settings) -> tuple[str, Boto3CredentialProvider | None]:
    """Region and credentials as boto3 finds them; no credentials where requests are unsigned."""
    import boto3
    from botocore.exceptions import BotoCoreError
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        session = boto3.Session()
        region = settings.region or session.region_name or DEFAULT_REGION
        if settings.unsigned:
            return region, None
        if session.get_credentials() is None:
            raise InputError(
                f"no AWS credentials were found; {ADVICE.credentials}, on this machine and on every worker"
            )
        return region, Boto3CredentialProvider(session)
    except BotoCoreError as error:
        raise InputError(f"AWS credentials: {one_line(error)}; fix AWS_PROFILE or ~/.aws") from error


ADVICE = Advice(
    title="S3 service",
    access="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE",
    endpoint="AWS_ENDPOINT_URL",
    credentials=(
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or AWS_NO_SIGN_REQUEST=YES for a public"
        " bucket"
    ),
)


class Amazon(Service):
    """See `Service`."""

    scheme = "s3"
    bucket = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
    read_only = False
    advice = ADVICE
    variables = ("AWS_",)

    def host(self, bucket: str) -> str:
        endpoint = Settings.from_environment().endpoint
        return host_of(endpoint) if endpoint else "AWS"

    def client(self, bucket: str, prefix: str, retries: int) -> ObjectStore:
        from obstore.store import S3Store

        settings = Settings.from_environment()
        region, provider = _identity(settings)
        return S3Store(
            bucket,
            prefix=prefix or None,
            endpoint=settings.endpoint,
            region=region,
            skip_signature=settings.unsigned,
            credential_provider=provider,
            client_options=client_options(settings.endpoint),
            retry_config=retry_options(retries),
        )

    def kvstore(self, bucket: str, path: str) -> dict[str, Any]:
        settings = Settings.from_environment()
        spec: dict[str, Any] = {
            "driver": "s3",
            "bucket": bucket,
            "path": path,
            "aws_credentials": {"type": settings.credentials},
        }
        if settings.endpoint:
            spec |= {"endpoint": settings.endpoint, "aws_region": settings.region or DEFAULT_REGION}
        elif settings.region:
            spec |= {"aws_region": settings.region}
        return spec
