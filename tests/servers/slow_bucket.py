"""The folders of a directory as buckets of S3 that can be read, with a delay before each answer.

    python -m tests.servers.slow_bucket --root data/archive/race/cubes --port 8000 --delay 0.02

Objects are files: `s3://BUCKET/KEY` is `ROOT/BUCKET/KEY`. One event loop serves all connections, as
in `slow`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import xml.etree.ElementTree as ET
from pathlib import Path

from .base import Request, Response
from .s3 import client_environment
from .slow import read_request, write_response

SECONDS = 3600
"""After which the server ends by itself"""


async def serve(root: Path, port: int, delay: float) -> None:
    """Answer GET and HEAD, by ranges if asked."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await read_request(reader):
                await asyncio.sleep(delay)
                await write_response(writer, request, answer(root, request))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(connection, "127.0.0.1", port, backlog=512) as server:
        print(json.dumps(client_environment(f"http://127.0.0.1:{port}")), flush=True)
        await asyncio.wait_for(server.serve_forever(), SECONDS)


def answer(root: Path, request: Request) -> Response:
    """An object, by ranges if asked, or a list."""
    if "list-type" in request.query:
        return _listing(root / request.path.strip("/"), request.query)
    return Response.of_file(root, request.path, request)


def _listing(bucket: Path, query: dict[str, str]) -> Response:
    """The objects and folders directly in a folder, or all objects below a prefix, in one page."""
    prefix = query.get("prefix", "")
    folder, found = bucket / prefix, ET.Element("ListBucketResult")
    ET.SubElement(found, "IsTruncated").text = "false"
    members = folder.iterdir() if query.get("delimiter") else folder.rglob("*")
    for path in sorted(members) if prefix.endswith("/") and folder.is_dir() else ():
        key = path.relative_to(bucket).as_posix()
        if path.is_file():
            entry = ET.SubElement(found, "Contents")
            ET.SubElement(entry, "Key").text = key
            ET.SubElement(entry, "Size").text = str(path.stat().st_size)
            ET.SubElement(entry, "LastModified").text = "2026-01-01T00:00:00.000Z"
            ET.SubElement(entry, "ETag").text = '"0"'
        elif query.get("delimiter"):
            ET.SubElement(ET.SubElement(found, "CommonPrefixes"), "Prefix").text = f"{key}/"
    return Response(200, ET.tostring(found), "application/xml")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay", type=float, default=0.02, help="seconds")
    options = parser.parse_args()
    asyncio.run(serve(options.root, options.port, options.delay))
