"""A web server on loopback for the page: its files, the objects of one cube and the files of the runs."""

from __future__ import annotations

import mimetypes
import re
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import IncompleteError, InputError, one_line
from mmvsf.datasets.storage.location import Location, read_range, size

from .describe import open_runs
from .rasters import READ_ERRORS
from .site import DESCRIPTION, Site

HOST = "127.0.0.1"
PIECE = 8 * 2**20
"""Bytes that are read at a time: files of a run may be larger than the memory."""
PLAIN = "text/plain; charset=utf-8"
TYPES = {".js": "text/javascript", ".json": "application/json", ".css": "text/css", ".html": "text/html"}
_RANGE = re.compile(r"bytes=(\d+)-(\d*)", re.ASCII)


class ExplorerServer(ThreadingHTTPServer):
    """Serves one page; `address` is where."""

    daemon_threads = True

    def __init__(self, cube: Cube, runs: list[Path], port: int = 0) -> None:
        """Raises InputError where the port is taken."""
        self._cube, self._folders = cube, runs
        self.look()
        _ = self.site.description  # takes a second, which no reader of the page has to wait for
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise InputError(f"--port {port} cannot be used ({one_line(error)}); choose another, or 0") from error

    def look(self) -> None:
        """Look into the folders of the runs: what is in them now is shown from here on; a missing one has nothing."""
        found = open_runs(self._cube, [folder for folder in self._folders if folder.is_dir()])
        self.files = {f"files/{run.name}/{name}": run.folder / name for run in found for name in run.files}
        links = {name.removeprefix("files/"): quote(name) for name in self.files}
        self.site = Site(self._cube, found, "cube", links)

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "mmvsf"
    sys_version = ""
    server: ExplorerServer

    def do_GET(self) -> None:
        name = unquote(urlsplit(self.path).path).lstrip("/") or "index.html"
        # A page elsewhere whose name resolves to loopback must not read the cube through the user's browser.
        if self.headers.get("Host", "").rpartition(":")[0] not in (HOST, "localhost"):
            self._answer(HTTPStatus.FORBIDDEN, b"this server answers to its own address only")
            return
        try:
            self._get(name)
        except FileNotFoundError:
            self._answer(HTTPStatus.NOT_FOUND, b"there is no such file")
        except (*READ_ERRORS, InputError, IncompleteError) as error:
            self._answer(HTTPStatus.BAD_GATEWAY, one_line(error).encode())

    def do_HEAD(self) -> None:
        self.do_GET()

    def _get(self, name: str) -> None:
        if name == DESCRIPTION:  # which a page asks for once, before anything of the runs
            self.server.look()
        site = self.server.site
        if name.startswith("cube/"):
            self._send_object(_inside(site.cube.path, name.removeprefix("cube/")))
        elif name in self.server.files:
            self._send_object(self.server.files[name])
        else:
            content = site.description if name == DESCRIPTION else site.shipped.get(name) or site.square(name)
            if content is None:
                raise FileNotFoundError(name)
            self._answer(HTTPStatus.OK, content, _type(name))

    def _send_object(self, where: Location) -> None:
        """A file or object, or the range of it that is asked for."""
        asked = _RANGE.fullmatch(self.headers.get("Range", ""))
        whole = size(where)
        start = int(asked[1]) if asked else 0
        end = min(int(asked[2]) + 1, whole) if asked and asked[2] else whole
        if asked and start >= end:
            self._begin(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, 0, **{"Content-Range": f"bytes */{whole}"})
            return
        status = HTTPStatus.PARTIAL_CONTENT if asked else HTTPStatus.OK
        about = {"Content-Range": f"bytes {start}-{end - 1}/{whole}"} if asked else {"Accept-Ranges": "bytes"}
        self._begin(status, end - start, _type(where.name), **about)
        while self.command == "GET" and start < end:
            content, _ = read_range(where, start, min(PIECE, end - start))
            if not content:
                self.close_connection = True  # the file became shorter: the browser sees that something is missing
                return
            self.wfile.write(content)
            start += len(content)

    def _answer(self, status: HTTPStatus, content: bytes, kind: str = PLAIN) -> None:
        self._begin(status, len(content), kind)
        if self.command == "GET":
            self.wfile.write(content)

    def _begin(self, status: HTTPStatus, length: int, kind: str = PLAIN, **more: str) -> None:
        """Send the status and the headers."""
        self.send_response(status)
        about = {"Content-Type": kind, "Content-Length": str(length), "Cache-Control": "no-cache"}
        about |= {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
        for name, value in {**about, **more}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *values: object) -> None:
        """Requests are not printed."""


def _inside(cube: Location, name: str) -> Location:
    """An object of the cube. Raises FileNotFoundError for a name that is none or leads out of it."""
    if "\0" in name or "\\" in name or set(name.split("/")) & {"", ".", ".."}:
        raise FileNotFoundError(name)
    where = cube / name
    if isinstance(where, Path) and isinstance(cube, Path) and not where.resolve().is_relative_to(cube.resolve()):
        raise FileNotFoundError(name)
    if isinstance(where, Path) and where.is_dir():
        raise FileNotFoundError(name)
    return where


def _type(name: str) -> str:
    suffix = Path(name).suffix
    kind = TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
