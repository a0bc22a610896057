"""A public catalogue leads nobody to this machine or its network: by redirects, by names, for any kind of request."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from mmvsf.datasets.errors import MmvsfError
from mmvsf.pipeline.raster.io import ReadError, raster_grid
from mmvsf.pipeline.raster.scene import Asset
from mmvsf.pipeline.sources.cdl import cropscape
from mmvsf.pipeline.sources.stac.catalogs import Catalog
from mmvsf.pipeline.sources.stac.search import find_items
from mmvsf.pipeline.sources.transport import download as downloads
from mmvsf.pipeline.sources.transport import guard as guards
from mmvsf.pipeline.sources.transport import http, reach
from mmvsf.pipeline.sources.transport import remote_raster as remote
from mmvsf.pipeline.sources.transport.reach import LINK_LOCAL, LOOPBACK, PRIVATE, PUBLIC
from mmvsf.pipeline.sources.transport.remote_raster import RemoteReader
from mmvsf.pipeline.sources.transport.signing import NoAuth

from ..servers.base import Request, Response, StandIn
from .test_untrusted_files import QUICK, WINDOW, secret

pytestmark = pytest.mark.stand_in

PUBLIC_HOST, REBOUND_HOST = "files.example", "rebound.example"
"""Names of the tests: the first stands for a public server, although it is on loopback as all are; the second resolves
to loopback and is known to."""


class Files(StandIn):
    """Files of a folder; below /to/<address>/ a redirect to that port of loopback by its number."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root, self.target, self.reads = root, "", 0

    def answer(self, request: Request) -> Response:
        if request.path.startswith("/away/"):
            return Response(302, b"", "text/plain", {"Location": self.target + request.path.removeprefix("/away")})
        self.reads += 1
        return Response.of_file(self.root, request.path, request)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.1 counts as public where it was looked up for PUBLIC_HOST, and both names resolve."""
    looked_up: list[str] = []
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        looked_up.append(name)
        return resolve("127.0.0.1" if name in (PUBLIC_HOST, REBOUND_HOST) else name, *arguments, **options)

    def refuse_nearer(host: str, address: str, limit: int) -> None:
        if host != PUBLIC_HOST:
            reach.refuse_nearer(host, address, limit)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(guards, "refuse_nearer", refuse_nearer)
    for name in ("NO_PROXY", "no_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(remote, "_resting", {})


@pytest.fixture
def servers(tmp_path: Path, names: None) -> Iterator[tuple[Files, Files]]:
    """(a public server, one on this machine), each with the same raster."""
    secret(tmp_path)
    with Files(tmp_path) as public, Files(tmp_path) as local:
        public.target = local.url
        yield public, local


def url(server: Files, host: str, path: str) -> str:
    return server.url.replace("127.0.0.1", host) + path


@pytest.fixture
def asset(tmp_path: Path) -> Asset:
    return Asset("", raster_grid(secret(tmp_path).href))


@pytest.mark.parametrize("proxied", [False, True], ids=["", "with NO_PROXY in the environment"])
@pytest.mark.parametrize("near", ["redirect", "name"])
def test_pixels(
    servers: tuple[Files, Files], asset: Asset, monkeypatch: pytest.MonkeyPatch, near: str, proxied: bool
) -> None:
    public, local = servers
    if proxied:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    href = (
        url(public, PUBLIC_HOST, "/away/secret.tif") if near == "redirect" else url(local, REBOUND_HOST, "/secret.tif")
    )
    reader = RemoteReader(NoAuth(), QUICK, PUBLIC)
    with pytest.raises(ReadError, match="private address"):
        reader.window(replace(asset, href=href), WINDOW)
    with pytest.raises(ReadError, match="private address"):
        reader.grid(href)
    assert local.reads == 0


def test_pixels_of_a_public_host_come(servers: tuple[Files, Files], asset: Asset) -> None:
    """Through the proxy, also from a catalogue as near as its files."""
    public, _ = servers
    href = url(public, PUBLIC_HOST, "/secret.tif")
    assert (RemoteReader(NoAuth(), QUICK, PUBLIC).window(replace(asset, href=href), WINDOW) == 4242).all()
    assert (
        RemoteReader(NoAuth(), QUICK).window(replace(asset, href=f"{public.url}/away/secret.tif"), WINDOW) > 0
    ).all()


def test_searches(servers: tuple[Files, Files], tmp_path: Path) -> None:
    """A catalogue that redirects its own landing page."""
    public, local = servers
    (tmp_path / "stac").write_text("{}")
    reach.reach_of_service.cache_clear()
    catalog = Catalog("public", url(public, PUBLIC_HOST, "/away/stac"), {}, NoAuth())
    object.__setattr__(catalog, "__class__", type("Far", (Catalog,), {"reach": PUBLIC}))
    with pytest.raises(MmvsfError, match="private address"):
        list(find_items(catalog, QUICK, ["hls2-l30"], (0, 0, 1, 1), [None]))
    assert local.reads == 0


def test_downloads_and_tokens(servers: tuple[Files, Files], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    public, local = servers
    monkeypatch.setattr(downloads, "reach_of_service", lambda _: PUBLIC)
    monkeypatch.setattr(http, "reach_of_service", lambda _: PUBLIC)
    href = url(public, PUBLIC_HOST, "/away/secret.tif")
    with pytest.raises(MmvsfError, match="private address"):
        downloads.download(href, {}, tmp_path / "out", "a file", lambda body: None, QUICK)
    with pytest.raises(requests.RequestException, match="private address"):
        http.fetch_json("GET", href, ("a", "b"), QUICK)
    assert local.reads == 0 and not (tmp_path / "out").exists()


def test_a_file_that_cropscape_names(
    servers: tuple[Files, Files], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer is XML with the address of a file."""
    public, local = servers
    monkeypatch.setattr(cropscape, "reach_of_service", lambda _: PUBLIC)
    (tmp_path / "GetCDLFile").write_text(f"<returnURL>{local.url}/secret.tif</returnURL>")
    source = cropscape.CropScapeLabels(tmp_path / "cache", url(public, PUBLIC_HOST, ""), QUICK)
    with pytest.raises(ReadError, match="private address"):
        source._fetch(2021, (0, 0, 1, 1), tmp_path / "out.tif", None)
    assert local.reads == 0


@pytest.mark.parametrize(
    ("address", "near"),
    [
        ("93.184.216.34", PUBLIC),
        ("2606:2800:220:1:248:1893:25c8:1946", PUBLIC),
        ("10.0.0.1", PRIVATE),
        ("100.64.0.1", PRIVATE),
        ("fd00::1", PRIVATE),
        ("0.0.0.0", PRIVATE),
        ("224.0.0.1", PRIVATE),
        ("127.0.0.53", LOOPBACK),
        ("::1", LOOPBACK),
        ("::ffff:127.0.0.1", LOOPBACK),
        ("64:ff9b::7f00:1", LOOPBACK),
        ("2002:7f00:1::", LOOPBACK),
        ("64:ff9b::a9fe:a9fe", LINK_LOCAL),
        ("169.254.169.254", LINK_LOCAL),
        ("fe80::1%eth0", LINK_LOCAL),
    ],
)
def test_how_near_an_address_is(address: str, near: int) -> None:
    assert reach.reach_of_address(address) == near


def test_a_service_is_as_near_as_its_name_resolves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalogue of an office may name files of the office; link-local is never allowed."""
    found: Callable[..., Any] = lambda host, *_, **__: [(2, 1, 6, "", (addresses[host], 0))]  # noqa: E731
    addresses = {"stac.office.example": "10.0.0.7", "odd.example": "169.254.169.254", "stac.example": "93.184.216.34"}
    monkeypatch.setattr(socket, "getaddrinfo", found)
    reach.reach_of_service.cache_clear()
    assert [reach.reach_of_service(f"https://{host}/v1") for host in addresses] == [PRIVATE, LOOPBACK, PUBLIC]
    reach.reach_of_service.cache_clear()


def test_many_reads_at_once(servers: tuple[Files, Files], asset: Asset) -> None:
    from concurrent.futures import ThreadPoolExecutor

    public, _ = servers
    reader = RemoteReader(NoAuth(), QUICK, PUBLIC)
    each = replace(asset, href=url(public, PUBLIC_HOST, "/secret.tif"))
    with ThreadPoolExecutor(16) as pool:
        read = list(pool.map(lambda _: reader.window(each, WINDOW), range(32)))
    assert all(np.array_equal(window, read[0]) for window in read)
