"""Azure Blob Storage: `az://CONTAINER/PREFIX`.

The storage account and its credentials come from AZURE_STORAGE_CONNECTION_STRING, or from AZURE_STORAGE_ACCOUNT_NAME
(or AZURE_STORAGE_ACCOUNT) with AZURE_STORAGE_ACCOUNT_KEY (or AZURE_STORAGE_KEY), AZURE_STORAGE_SAS_TOKEN, the AZURE_
variables of a service principal, or the identity of the machine. AZURE_SKIP_SIGNATURE=true reads public containers.
AZURE_STORAGE_ENDPOINT leads to another server, such as Azurite.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mmvsf.datasets.errors import InputError

from .service import Advice, Service, client_options, host_of, retry_options

if TYPE_CHECKING:
    from obstore.store import AzureConfig, ObjectStore


def _settings() -> AzureConfig:
    """What obstore does not find itself: a connection string, and the names that Azure's command line uses."""
    get = os.environ.get
    config: AzureConfig = {}
    text = get("AZURE_STORAGE_CONNECTION_STRING")
    parts = _connection(text) if text else {}
    account = parts.get("AccountName") or get("AZURE_STORAGE_ACCOUNT_NAME") or get("AZURE_STORAGE_ACCOUNT")
    key = parts.get("AccountKey") or (get("AZURE_STORAGE_KEY") if not text else None)
    endpoint = parts.get("BlobEndpoint") or get("AZURE_STORAGE_ENDPOINT") or get("AZURE_ENDPOINT")
    suffix = parts.get("EndpointSuffix")
    if not endpoint and account and suffix:
        endpoint = f"{parts.get('DefaultEndpointsProtocol', 'https')}://{account}.blob.{suffix}"
    if account:
        config["account_name"] = account
    if key:
        config["account_key"] = key
    if parts.get("SharedAccessSignature"):
        config["sas_key"] = parts["SharedAccessSignature"]
    if endpoint:
        config["endpoint"] = endpoint.rstrip("/")
    return config


def _connection(text: str) -> dict[str, str]:
    """The parts of a connection string, `Name=value;Name=value`. Raises InputError, which shows nothing of it."""
    parts = dict(part.strip().partition("=")[::2] for part in text.split(";") if part.strip())
    if not {"AccountName", "BlobEndpoint"} & parts.keys():
        raise InputError(
            "AZURE_STORAGE_CONNECTION_STRING names neither AccountName nor BlobEndpoint; copy it again from the"
            " storage account's access keys"
        )
    return parts


class Azure(Service):
    """See `Service`."""

    scheme = "az"
    bucket = r"[a-z0-9](?:-?[a-z0-9]){2,62}"
    read_only = False
    advice = Advice(
        title="Azure Blob service",
        access="AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
        endpoint="AZURE_STORAGE_ACCOUNT_NAME or AZURE_STORAGE_ENDPOINT",
        credentials=(
            "set AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_CONNECTION_STRING, or"
            " AZURE_SKIP_SIGNATURE=true for a public container"
        ),
    )
    variables = ("AZURE_",)

    def host(self, bucket: str) -> str:
        config = _settings()
        return host_of(config["endpoint"]) if "endpoint" in config else config.get("account_name", "Azure")

    def client(self, bucket: str, prefix: str, retries: int) -> ObjectStore:
        from obstore.store import AzureStore

        config = _settings()
        return AzureStore(
            bucket,
            prefix=prefix or None,
            config=config,
            client_options=client_options(config.get("endpoint")),
            retry_config=retry_options(retries),
        )

    def kvstore(self, bucket: str, path: str) -> None:
        return None
