"""The folders of a directory as buckets of S3 that can be read, with a delay before each answer.

    python -m tests.servers.slow_bucket --root data/archive/race/cubes --port 8000 --delay 0.02

Objects are files: `s3://BUCKET/KEY` is `ROOT/BUCKET/KEY`. Lists are empty. One event loop serves all connections, as
in `slow`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
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
                await write_response(writer, request, _answer(root, request))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(connection, "127.0.0.1", port, backlog=512) as server:
        print(json.dumps(client_environment(f"http://127.0.0.1:{port}")), flush=True)
        await asyncio.wait_for(server.serve_forever(), SECONDS)


def _answer(root: Path, request: Request) -> Response:
    if "list-type" in request.query:
        return Response(200, EMPTY, "application/xml")
    return Response.of_file(root, request.path, request)


EMPTY = b"<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>0</KeyCount></ListBucketResult>"

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay", type=float, default=0.02, help="seconds")
    options = parser.parse_args()
    asyncio.run(serve(options.root, options.port, options.delay))
