"""Google Cloud Storage on loopback: fake-gcs-server, a program of others, behind the faults of `StandIn`.

obstore writes by Google's XML interface, of which fake-gcs-server has all but the writes and conditions; a write is
handed on as one of the JSON interface, with the same condition.
"""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPMessage
from urllib.parse import quote, urlencode, urlsplit

from .base import Request, Response, StandIn


class Gcs(StandIn):
    """Answers what the fake-gcs-server at `url` answers."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._server = urlsplit(url).netloc
        self._ask("POST", "/storage/v1/b?project=tests", json.dumps({"name": "cubes"}).encode(), {})

    def environment(self) -> dict[str, str]:
        """The environment that leads the clients here."""
        return {"STORAGE_EMULATOR_HOST": self.url, "TENSORSTORE_GCS_HTTP_URL": self.url}

    def answer(self, request: Request) -> Response:
        """See `StandIn`."""
        if request.method == "PUT" and not request.path.startswith(("/storage/", "/upload/")):
            return self._write(request)
        query = f"?{urlencode(request.query)}" if request.query else ""
        # The name of an object is one part of a path of the JSON interface.
        before, mark, name = request.path.partition("/o/")
        path = f"{before}/o/{quote(name, safe='')}" if mark and before.startswith("/storage/") else quote(request.path)
        status, headers, body = self._ask(request.method, path + query, request.body, request.headers)
        kept = {name: value for name, value in headers.items() if name.lower() not in OWN}
        if request.method == "HEAD" and "Content-Length" in headers:
            kept["Content-Length"] = headers["Content-Length"]
        return Response(status, body, headers.get("Content-Type", ""), kept)

    def _write(self, request: Request) -> Response:
        bucket, _, name = request.path.lstrip("/").partition("/")
        query = {"uploadType": "multipart"}
        if "x-goog-if-generation-match" in request.headers:
            query["ifGenerationMatch"] = request.headers["x-goog-if-generation-match"]
        path = f"/upload/storage/v1/b/{bucket}/o?{urlencode(query)}"
        content = (
            b"--part\r\nContent-Type: application/json\r\n\r\n"
            + json.dumps({"name": name}).encode()
            + b"\r\n--part\r\nContent-Type: application/octet-stream\r\n\r\n"
            + request.body
            + b"\r\n--part--\r\n"
        )
        status, _, body = self._ask("POST", path, content, {"content-type": "multipart/related; boundary=part"})
        if status != 200:
            return Response(status, body, "application/json")
        stored = json.loads(body)
        return Response(headers={"ETag": stored["etag"], "x-goog-generation": str(stored["generation"])})

    def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, HTTPMessage, bytes]:
        connection = HTTPConnection(self._server, timeout=30)
        try:
            connection.request(method, path, body or None, {**headers, "host": self._server, "connection": "close"})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()


OWN = {"content-type", "content-length", "connection", "transfer-encoding", "date", "server"}
"""Headers that the base writes itself."""
