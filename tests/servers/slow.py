"""The public archive behind a slow network: a delay before each answer and each new connection, and one bandwidth for
all files. It counts the requests and bytes of files.

    python -m tests.servers.slow --root data/archive/race/hls --port 8000 --delay 0.08 --megabytes 50

The stand-in `ArchiveServer` answers; here it is served by one event loop, since a thread a connection would cost more
than the delays of a hundred. `/__counts` gives what was counted since the last `/__reset`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from .archive import FILES, ArchiveServer
from .base import Request, Response

PIECE = 131072
SECONDS = 3600
"""After which the server ends by itself"""


@dataclass
class Counts:
    """Of files; `seconds` is from the first request to the last answer."""

    requests: int = 0
    bytes: int = 0
    files: set[str] = field(default_factory=set)
    connections: int = 0
    busy: int = 0
    most_at_once: int = 0
    first: float = 0.0
    last: float = 0.0

    def report(self) -> dict[str, Any]:
        counts = {key: value for key, value in asdict(self).items() if key not in ("files", "first", "last", "busy")}
        return {**counts, "files": len(self.files), "seconds": self.last - self.first}


class SlowArchive:
    """An `ArchiveServer` whose files come over a slow network."""

    def __init__(self, archive: ArchiveServer, delay: float, bytes_per_second: float) -> None:
        self._archive, self._delay, self._rate = archive, delay, bytes_per_second
        self._counts = Counts()
        self._free = 0.0
        """when the line is free again"""

    async def serve(self, port: int) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", port, backlog=512)
        async with server:
            await asyncio.wait_for(server.serve_forever(), SECONDS)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._counts.connections += 1
        try:
            await asyncio.sleep(self._delay)
            while request := await read_request(reader):
                await self._answer(request, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if request.path in ("/__counts", "/__reset"):
            if request.path == "/__reset":
                self._counts = Counts()
            await write_response(writer, request, Response.of_json(self._counts.report()))
            return
        file = request.path.startswith(FILES) and request.path.endswith(".tif")
        counts = self._counts
        if file:
            counts.first = counts.first or time.monotonic()
            counts.busy += 1
            counts.most_at_once = max(counts.most_at_once, counts.busy)
        await asyncio.sleep(self._delay)
        response = self._archive.answer(request)
        if file:
            counts.requests += 1
            counts.files.add(request.path)
            length = 0 if request.method == "HEAD" else len(response.body)
            counts.bytes += length
            self._free = max(self._free, time.monotonic()) + length / self._rate
            await asyncio.sleep(max(0.0, self._free - time.monotonic()))
        await write_response(writer, request, response)
        if file:
            counts.busy -= 1
            counts.last = time.monotonic()


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    line = await reader.readline()
    if not line:
        return None
    method, target, _ = line.decode().split(" ", 2)
    headers = {}
    while header := (await reader.readline()).decode().strip():
        key, value = header.split(":", 1)
        headers[key.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    parts = urlsplit(target)
    return Request(method, unquote(parts.path), dict(parse_qsl(parts.query, keep_blank_values=True)), headers, body)


async def write_response(writer: asyncio.StreamWriter, request: Request, response: Response) -> None:
    headers = {"Content-Type": response.content_type, **response.headers}
    headers.setdefault("Content-Length", str(len(response.body)))
    lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    writer.write(f"HTTP/1.1 {response.status} -\r\n{lines}\r\n".encode())
    if request.method != "HEAD":
        for start in range(0, len(response.body), PIECE):
            writer.write(response.body[start : start + PIECE])
            await writer.drain()
    await writer.drain()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay", type=float, default=0.08, help="seconds")
    parser.add_argument("--megabytes", type=float, default=50, help="a second")
    options = parser.parse_args()
    address = f"http://127.0.0.1:{options.port}"
    archive = ArchiveServer(options.root, access="sas", ground=False, address=address)
    print(json.dumps(archive.environment()), flush=True)
    asyncio.run(SlowArchive(archive, options.delay, options.megabytes * 1e6).serve(options.port))


if __name__ == "__main__":
    main()
