"""Static files of any web server: `https://HOST/PATH`, read only.

Files are read by name, in parts where the server takes byte ranges; nothing can be listed. Nothing is sent but the
request: neither credentials nor cookies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .service import Advice, Service, client_options, retry_options

if TYPE_CHECKING:
    from obstore.store import ObjectStore


class Web(Service):
    """See `Service`; its buckets are hosts."""

    bucket = r"[A-Za-z0-9.-]+(?::\d+)?|\[[0-9a-fA-F:]+\](?::\d+)?"
    read_only = True
    advice = Advice(
        title="web server",
        access="that this address is publicly readable",
        endpoint="the address",
        credentials="use a publicly readable address",
    )
    variables = ()

    def __init__(self, scheme: str) -> None:
        self.scheme = scheme

    def host(self, bucket: str) -> str:
        return bucket

    def client(self, bucket: str, prefix: str, retries: int) -> ObjectStore:
        from obstore.store import HTTPStore

        url = f"{self.scheme}://{bucket}/{quote(prefix)}"
        return HTTPStore(url, client_options=client_options(url), retry_config=retry_options(retries))

    def kvstore(self, bucket: str, path: str) -> dict[str, Any]:
        return {"driver": "http", "base_url": f"{self.scheme}://{bucket}", "path": f"/{path}"}  # which it quotes
