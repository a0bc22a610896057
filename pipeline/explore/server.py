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
TYPES = {".js": "text/javascript", ".json": "application/json", ".css": "text/css", ".html": "text/html"}
_RANGE = re.compile(r"bytes=(\d+)-(\d*)", re.ASCII)


class ExplorerServer(ThreadingHTTPServer):
    """Serves one page; `address` is where."""

    daemon_threads = True

    def __init__(self, cube: Cube, runs: list[Path], port: int = 0) -> None:
        """Raises InputError where the port is taken."""
        found = open_runs(cube, runs)
        self.files = {f"files/{run.name}/{name}": run.folder / name for run in found for name in run.files}
        links = {name.removeprefix("files/"): quote(name) for name in self.files}
        self.site = Site(cube, found, "cube", links)
        _ = self.site.description  # takes a second, which no reader of the page has to wait for
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise InputError(f"--port {port} cannot be used ({one_line(error)}); choose another, or 0") from error

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
        if asked is None:
            length = size(where)
            content = read_range(where, 0, length)[0] if self.command == "GET" else b""
            self._answer(HTTPStatus.OK, content, _type(where.name), {"Accept-Ranges": "bytes"}, length)
            return
        start = int(asked[1])
        end = int(asked[2]) if asked[2] else size(where) - 1
        content, whole = read_range(where, start, max(0, end + 1 - start))
        if not content:
            self._answer(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"", more={"Content-Range": f"bytes */{whole}"})
            return
        about = {"Content-Range": f"bytes {start}-{start + len(content) - 1}/{whole}"}
        self._answer(HTTPStatus.PARTIAL_CONTENT, content, _type(where.name), about)

    def _answer(
        self,
        status: HTTPStatus,
        content: bytes,
        kind: str = "text/plain; charset=utf-8",
        more: dict[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        self.send_response(status)
        about = {"Content-Type": kind, "Content-Length": str(len(content) if length is None else length)}
        about |= {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
        for name, value in {**about, **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

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
