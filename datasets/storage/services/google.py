"""Google Cloud Storage: `gs://BUCKET/PREFIX`.

Credentials are Google's application default: the file that GOOGLE_APPLICATION_CREDENTIALS names, that of `gcloud auth
application-default login`, or the account of the machine. GOOGLE_SKIP_SIGNATURE=true reads public buckets.
STORAGE_EMULATOR_HOST leads to an emulator, which needs no credentials; tensorstore takes its address from
TENSORSTORE_GCS_HTTP_URL instead.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from .service import Advice, Service, client_options, host_of, retry_options

if TYPE_CHECKING:
    from obstore.store import GCSConfig, ObjectStore


def _emulator() -> str | None:
    """The URL of the emulator, if there is one; like Google's clients, it is understood without the scheme too."""
    host = os.environ.get("STORAGE_EMULATOR_HOST")
    return host if not host or "://" in host else f"http://{host}"


class Google(Service):
    """See `Service`."""

    scheme = "gs"
    bucket = r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]"
    read_only = False
    advice = Advice(
        title="Google Cloud Storage service",
        access="GOOGLE_APPLICATION_CREDENTIALS",
        endpoint="STORAGE_EMULATOR_HOST",
        credentials="set GOOGLE_APPLICATION_CREDENTIALS, or GOOGLE_SKIP_SIGNATURE=true for a public bucket",
    )
    variables = ("GOOGLE_", "STORAGE_EMULATOR_HOST")

    def host(self, bucket: str) -> str:
        emulator = _emulator()
        return host_of(emulator) if emulator else "Google"

    def client(self, bucket: str, prefix: str, retries: int) -> ObjectStore:
        from obstore.store import GCSStore

        config: GCSConfig = {}
        emulator = _emulator()
        if emulator:
            account = {"gcs_base_url": emulator, "disable_oauth": True}
            unused = {"client_email": "", "private_key": "", "private_key_id": ""}
            config["service_account_key"] = json.dumps(account | unused)
        return GCSStore(
            bucket,
            prefix=prefix or None,
            config=config,
            client_options=client_options(emulator),
            retry_config=retry_options(retries),
        )

    def kvstore(self, bucket: str, path: str) -> dict[str, Any] | None:
        if _emulator() and not os.environ.get("TENSORSTORE_GCS_HTTP_URL"):
            return None
        return {"driver": "gcs", "bucket": bucket, "path": path}
