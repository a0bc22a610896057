"""A SOCKS proxy in this process, for GDAL: it looks up the names of hosts, and connects to none that is too near.

GDAL follows redirects by itself, to any address, and cannot be told to refuse one.
"""

import asyncio
import os
import socket
import threading
from contextlib import suppress
from functools import cache

from .reach import PrivateAddressError, refuse_nearer

CONNECT_SECONDS = 20.0
REFUSED, UNREACHED, ACCEPTED = 2, 4, 0
"""Replies of RFC 1928, section 6."""
PIECE = 2**18


def proxy(reach: int) -> str:
    """The address of this process's proxy for hosts that are no nearer than `reach`. It ends with the process."""
    return _started(reach, os.getpid())


@cache  # an address for each reach
def _started(reach: int, process: int) -> str:
    """The proxy of a process; a fork has none of its parent's threads, and so starts its own."""
    listening = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=asyncio.run, args=(_serve(listening, reach),), daemon=True, name="socks").start()
    return f"socks5h://127.0.0.1:{listening.getsockname()[1]}"


async def _serve(listening: socket.socket, reach: int) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            try:
                await _client(reader, writer, reach)
            finally:
                writer.close()

    server = await asyncio.start_server(serve, sock=listening, limit=PIECE)
    await server.serve_forever()


async def _client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reach: int) -> None:
    """One connection of GDAL's: greeting, request, and bytes in both directions until one side ends."""
    _, methods = await reader.readexactly(2)
    await reader.readexactly(methods)
    writer.write(b"\x05\x00")
    _, command, _, kind = await reader.readexactly(4)
    if kind == 3:
        (length,) = await reader.readexactly(1)
        host = (await reader.readexactly(length)).decode("ascii", "replace")
    else:
        family = socket.AF_INET if kind == 1 else socket.AF_INET6
        host = socket.inet_ntop(family, await reader.readexactly(4 if kind == 1 else 16))
    port = int.from_bytes(await reader.readexactly(2), "big")
    code, remote = (REFUSED, None) if command != 1 else await _connected(host, port, reach)
    writer.write(bytes((5, code, 0, 1)) + bytes(6))
    await writer.drain()
    if remote is not None:
        there, back = remote
        try:
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        finally:
            back.close()


async def _connected(
    host: str, port: int, reach: int
) -> tuple[int, tuple[asyncio.StreamReader, asyncio.StreamWriter] | None]:
    """(reply, streams of the host if there is a connection)."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        for address in addresses:
            refuse_nearer(host, address, reach)
    except PrivateAddressError:
        return REFUSED, None
    except (OSError, UnicodeError):
        return UNREACHED, None
    for address in addresses:
        with suppress(OSError, TimeoutError):
            streams = await asyncio.wait_for(asyncio.open_connection(address, port, limit=PIECE), CONNECT_SECONDS)
            return ACCEPTED, streams
    return UNREACHED, None


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Pass on what comes until the source ends; then the target is told so."""
    while piece := await source.read(PIECE):
        target.write(piece)
        await target.drain()
    if target.can_write_eof():
        target.write_eof()
