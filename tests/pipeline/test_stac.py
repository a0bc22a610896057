"""The tiny archive as a public one: the real STAC client and GDAL's range requests, against a server that fails."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.datasets.recipe.region import Period
from mmvsf.pipeline.raster.crs import same_crs
from mmvsf.pipeline.raster.io import ReadError, gdal_environment
from mmvsf.pipeline.raster.scene import Asset, RasterGrid
from mmvsf.pipeline.sources.stac.catalogs import catalog
from mmvsf.pipeline.sources.stac.imagery import search_days
from mmvsf.pipeline.sources.stac.search import find_items
from mmvsf.pipeline.sources.transport import earthdata, http, signing
from mmvsf.pipeline.sources.transport import remote_raster as remote
from mmvsf.pipeline.sources.transport.endpoints import ENDPOINTS, address
from mmvsf.pipeline.sources.transport.http import RetryPolicy, redact
from mmvsf.pipeline.sources.transport.progress import progress_listener
from mmvsf.pipeline.sources.transport.remote_raster import RemoteReader
from mmvsf.pipeline.sources.transport.signing import NoAuth

from ..servers.archive import ArchiveServer
from ..servers.base import (
    Fault,
    Request,
    Response,
    StandIn,
    corrupt,
    empty,
    hang,
    reset,
    status,
    truncated,
)
from .conftest import Command, Outcome, build_tiny
from .stored import contents
from .test_failures import BROKEN, assert_only_that_day_failed
from .tiny_archive import TinyArchive

pytestmark = pytest.mark.stand_in

Build = Callable[..., Outcome]
QUICK = RetryPolicy(attempts=4, first_wait=0.01, longest_wait=0.05, connect=2, request=5, deadline=20)
HASTY = replace(QUICK, attempts=2, request=0.3)
OF_LPDAAC = {"hls2-l30": "HLSL30_2.0", "hls2-s30": "HLSS30_2.0"}
FILE = f"{BROKEN.id}/B06"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Short waits, no credentials of the person who tests, and nothing left of another test."""
    monkeypatch.setattr(http, "RETRY_POLICY", QUICK)
    monkeypatch.setattr(remote, "_resting", {})
    monkeypatch.setattr(signing, "_tokens", {})
    monkeypatch.setattr(signing, "_refusals", {})
    monkeypatch.setattr(earthdata, "_tokens", {})
    monkeypatch.delenv("EARTHDATA_TOKEN", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


@pytest.fixture
def serve(tiny: TinyArchive, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ArchiveServer]]:
    """Serve the tiny archive and write its recipe for that server."""
    running: list[ArchiveServer] = []

    def start(access: str = "sas", **options: Any) -> ArchiveServer:
        lpcloud = access == "earthdata"
        server = ArchiveServer(tiny.root, access=access, collections=OF_LPDAAC if lpcloud else None, **options)
        running.append(server.__enter__())
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        catalog = "lpcloud" if lpcloud else "planetary-computer"
        # Labels, and weather but for one variable, come from disk as ever and would only take time.
        of_catalogue = {
            "imagery__source": "stac",
            "imagery__path": None,
            "imagery__catalog": catalog,
            "imagery__complete_above": 0.5,
        }
        tiny.write_recipe(**of_catalogue, labels=None, weather__variables=["tmin"])
        return server

    yield start
    for server in running:
        server.__exit__()


Serve = Callable[..., ArchiveServer]


def log_in(server: ArchiveServer, password: str | None = None) -> None:
    """Write the ~/.netrc of the tests."""
    path = Path(os.environ["NETRC"])
    path.write_text(f"machine 127.0.0.1 login {server.doors.user} password {password or server.doors.password}\n")
    path.chmod(0o600)


def assert_same_images(tiny: TinyArchive, built: TinyArchive) -> None:
    """To the byte; of labels and weather the served recipe has fewer."""
    for group in ("imagery", "scenes"):
        assert contents(tiny.cube, group) == contents(built.cube, group), group


def of_files(server: ArchiveServer) -> list[Request]:
    return [request for request in server.requests if request.path.endswith(".tif")]


@pytest.mark.slow
@pytest.mark.parametrize("access", ["open", "sas", "earthdata"])
def test_the_same_cube_as_from_the_folder(
    tiny: TinyArchive, built: TinyArchive, dataset: Build, serve: Serve, access: str
) -> None:
    server = serve(access, bare=access == "earthdata")
    if access == "earthdata":
        log_in(server)
    outcome = dataset(tiny)
    assert outcome.code == 0, outcome.err
    assert_same_images(tiny, built)
    read = of_files(server)
    assert read and all("range" in request.headers for request in read if request.method == "GET")


@pytest.mark.slow
def test_worker_processes_sign_for_themselves(
    tiny: TinyArchive, built: TinyArchive, mmvsf: Command, serve: Serve
) -> None:
    """And keep going each for itself: with faults, and a signature that ends in the middle."""
    server = serve("sas")
    for number, fault in enumerate((status(429), status(503), reset(), truncated(), corrupt(2000), empty())):
        server.fail("GET .*tif", fault, times=2, after=5 * number)
    server.fail("B04", ended(server), times=1, after=3)
    outcome = mmvsf("dataset", tiny.recipe, "--data-dir", tiny.data, "--workers", 2)
    assert outcome.code == 0, outcome.err
    assert_same_images(tiny, built)
    assert sum(request.path.startswith("/sas/") for request in server.requests) >= 2


def ended(server: ArchiveServer) -> Fault:
    """A refusal, and the end of all signatures that were handed out."""

    def fault(request: Request, right: Response) -> Response:
        server.doors.expire()
        return status(403)(request, right)

    return fault


TRANSIENT: dict[str, Fault] = {
    "429": status(429),
    "429 with Retry-After": status(429, 1),
    "500": status(500),
    "503": status(503),
    "403 now and then": status(403),
    "reset": reset(),
    "truncated": truncated(),
    "hang": hang(1),
    "corrupt": corrupt(),
    "corrupt tiles": corrupt(2000),
    "empty": empty(),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", TRANSIENT)
def test_a_fault_that_passes_leaves_no_trace(
    tiny: TinyArchive, built: TinyArchive, dataset: Build, serve: Serve, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "hang":
        monkeypatch.setattr(http, "RETRY_POLICY", replace(QUICK, request=0.4))
    server = serve("open")
    for pattern in ("Fmask", "B06", "GET .*B02"):
        server.fail(pattern, TRANSIENT[kind], times=2, after=1)
    outcome = dataset(tiny)
    assert outcome.code == 0, outcome.err
    assert_same_images(tiny, built)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (status(404), "HTTP 404"),
        (status(403), "HTTP 403"),
        (status(503), "HTTP 503"),
        (status(429, 0), "HTTP 429"),
        (reset(), "connection"),
        (hang(1), "no answer in time"),
        (corrupt(), "not recognized"),
        (corrupt(2000), "IReadBlock failed"),
        (truncated(), "bytes of"),
        (empty(), ""),
    ],
)
def test_a_fault_that_stays_fails_its_day_only(
    tiny: TinyArchive,
    built: TinyArchive,
    dataset: Build,
    serve: Serve,
    fault: Fault,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if reason == "no answer in time":
        monkeypatch.setattr(http, "RETRY_POLICY", HASTY)
    server = serve("sas")
    server.fail(FILE, fault)
    outcome = dataset(tiny)
    assert outcome.code == 1
    for part in ("could not be read", FILE, "2021-05-05", reason, "--accept-failed"):
        assert part in outcome.error
    assert dataset(tiny, "--accept-failed").code == 0
    assert_only_that_day_failed(tiny, built)
    server.clear_faults()
    assert dataset(tiny).code == 0
    assert_same_images(tiny, built)


@pytest.mark.slow
def test_a_signature_that_ends_in_the_middle(
    tiny: TinyArchive, built: TinyArchive, dataset: Build, serve: Serve
) -> None:
    server = serve("sas")
    server.fail("B04", ended(server), times=3, after=2)
    assert dataset(tiny).code == 0
    assert_same_images(tiny, built)
    assert len(server.doors.issued) >= 2


@pytest.mark.slow
def test_a_signature_near_its_end_is_renewed_before_it_is_refused(
    tiny: TinyArchive, dataset: Build, serve: Serve
) -> None:
    server = serve("sas")
    server.doors.lifetime = timedelta(minutes=1)
    assert dataset(tiny).code == 0
    assert len(server.doors.issued) > 20


@pytest.mark.slow
def test_the_wait_that_a_server_asks_for_is_kept(serve: Serve, tiny: TinyArchive, dataset: Build) -> None:
    server = serve("open")
    times: list[float] = []

    def busy(request: Request, right: Response) -> Response:
        times.append(time.monotonic())
        return status(429, 1)(request, right)

    server.fail(FILE, busy, times=2)
    server.fail(FILE, lambda request, right: (times.append(time.monotonic()), right)[1], times=1)
    assert dataset(tiny).code == 0
    assert max(np.diff(times)) >= 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in TRANSIENT if "403" not in kind])
def test_a_search_or_a_signature_that_fails_at_first(
    tiny: TinyArchive, built: TinyArchive, dataset: Build, serve: Serve, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "hang":
        monkeypatch.setattr(http, "RETRY_POLICY", replace(QUICK, request=0.4))
    server = serve("sas")
    for pattern in ("/search", "GET /stac$", "/collections/hls2-l30", "GET /sas/"):
        server.fail(pattern, TRANSIENT[kind], times=1)
    outcome = dataset(tiny)
    assert outcome.code == 0, outcome.err
    assert_same_images(tiny, built)


@pytest.mark.slow
@pytest.mark.parametrize("fault", [status(503), truncated(), empty()], ids=["503", "truncated", "empty"])
def test_signatures_that_are_not_to_be_had_any_more(
    tiny: TinyArchive, built: TinyArchive, dataset: Build, serve: Serve, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service that signs fails in the middle of a build: what it would have signed is failed, and not waited for
    again and again; the next run has all."""
    server = serve("sas")
    server.doors.lifetime = timedelta(minutes=1)  # so near its end that each read asks for another
    server.fail("GET /sas/", fault, after=30)
    outcome = dataset(tiny)
    assert outcome.code == 1 and "returned no signature" in outcome.error and "rest is done" in outcome.error
    assert sum(request.path.startswith("/sas/") for request in server.requests) <= 30 + QUICK.attempts
    server.clear_faults()
    monkeypatch.setattr(signing, "_refusals", {})  # as in a new process
    assert dataset(tiny).code == 0
    assert_same_images(tiny, built)


@pytest.mark.slow
@pytest.mark.parametrize(("access", "told"), [("open", "3 of 10"), ("sas", "3"), ("earthdata", "3 of 10")])
def test_every_page_is_read(
    tiny: TinyArchive, built: TinyArchive, dataset: Build, serve: Serve, access: str, told: str
) -> None:
    lines: list[str] = []
    server = serve(access)
    if access == "earthdata":
        log_in(server)
    server.page = 3
    with progress_listener(lines.append):
        assert dataset(tiny).code == 0
    assert_same_images(tiny, built)
    assert sum(request.path == "/stac/search" for request in server.requests) >= 4
    assert any(line.endswith(f"2021-07-01: {told}") for line in lines), lines


def spoilt(change: Callable[[dict[str, Any]], object]) -> Fault:
    """The answer with its content changed."""

    def fault(request: Request, right: Response) -> Response:
        content = json.loads(right.body)
        change(content)
        return Response.of_json(content)

    return fault


def lose_one(content: dict[str, Any]) -> None:
    content["features"].pop()


def lose_all(content: dict[str, Any]) -> None:
    """CMR's answer where what stands behind it failed."""
    content |= {"features": [], "links": []}
    if "context" in content:
        content["context"]["matched"] = 0


@pytest.mark.parametrize("access", ["open", "earthdata"])
@pytest.mark.parametrize("change", [lose_one, lose_all])
def test_a_page_that_is_short_is_not_taken_for_all(
    tiny: TinyArchive, dataset: Build, serve: Serve, access: str, change: Callable[[dict[str, Any]], None]
) -> None:
    server = serve(access)
    if access == "earthdata":
        log_in(server)
    server.page = 3
    server.fail("/search", spoilt(change), after=2)
    outcome = dataset(tiny)
    assert outcome.code == 1 and "announced" in outcome.error and not tiny.cube.exists()


def repeat_first(content: dict[str, Any]) -> None:
    """A page whose last item is its first once more, as where items move while they are paged through."""
    content["features"][-1] = content["features"][0]


@pytest.mark.parametrize("access", ["sas", "earthdata"])
def test_a_page_that_repeats_an_item_may_hide_another(serve: Serve, access: str) -> None:
    """The count is as announced, or none is announced; the search is made again, and refused if it stays so."""
    server = serve(access)
    if access == "earthdata":
        log_in(server)
    server.page = 3
    collections = list(OF_LPDAAC.values() if access == "earthdata" else OF_LPDAAC)
    name = "lpcloud" if access == "earthdata" else "planetary-computer"

    def ids() -> set[str]:
        found = find_items(catalog(name, QUICK), QUICK, collections, (-180, -90, 180, 90), [None])
        return {item["id"] for item in found}

    right = ids()
    server.fail("/search", spoilt(repeat_first), times=1)
    assert ids() == right
    server.fail("/search", spoilt(repeat_first))
    with pytest.raises(IncompleteError, match="repeated"):
        ids()


@pytest.mark.slow
def test_a_search_that_finds_nothing_is_made_twice(
    tiny: TinyArchive, built: TinyArchive, dataset: Build, serve: Serve
) -> None:
    server = serve("earthdata")
    log_in(server)
    server.fail("/search", spoilt(lose_all), times=1)
    assert dataset(tiny).code == 0
    assert_same_images(tiny, built)


def test_a_page_that_comes_again_and_again(tiny: TinyArchive, dataset: Build, serve: Serve) -> None:
    server = serve("sas")
    server.page = 3
    first = json.dumps({"collections": ["hls2-l30", "hls2-s30"], "limit": 200}).encode()
    server.fail("/search", lambda request, right: server.answer(replace(request, method="POST", body=first)))
    outcome = dataset(tiny)
    assert outcome.code == 1 and "(3 of them repeated), 3 different ones in 3 searches" in outcome.error


@pytest.mark.slow
def test_items_as_the_planetary_computer_has_them(
    tiny: TinyArchive, built: TinyArchive, dataset: Build, serve: Serve
) -> None:
    """Made by NASA's hls-cmr_stac, early in 2022 with the southern form of the UTM zone for tiles of the north, too;
    their time is that of the first observation, not that of the name."""
    server = serve("sas")
    for number, item in enumerate(server.items):
        properties = item["properties"]
        item["geometry"] = {"type": "MultiPolygon", "coordinates": [item["geometry"]["coordinates"]]}
        code = properties.pop("proj:epsg", None) or properties.pop("proj:code")
        south = int(str(code).removeprefix("EPSG:")) + 100
        properties |= [{"proj:code": south}, {"proj:code": f"EPSG:{south}"}, {"proj:epsg": south}][number % 3]
        properties["datetime"] = properties["datetime"].replace(":00Z", ":13.456000Z")
        for holder in (properties, *item["assets"].values()):
            if "proj:transform" in holder:
                holder["proj:transform"] = [*holder["proj:transform"][:6], 0, 0, 1]
    outcome = dataset(tiny)
    assert outcome.code == 0, outcome.err
    assert_same_images(tiny, built)


@pytest.mark.slow
def test_a_grid_elsewhere_than_the_outline_is_looked_up(
    tiny: TinyArchive, built: TinyArchive, dataset: Build, serve: Serve
) -> None:
    """Read where such items say, the scenes would give no pixel and pass for days that were not acquired."""
    server = serve("sas")
    for number, item in enumerate(server.items):
        if number % 2:
            item["properties"].pop("proj:epsg", None)
            item["properties"]["proj:code"] = "EPSG:32616"
        else:
            asset = item["assets"]["Fmask"]
            asset["proj:transform"] = [*asset["proj:transform"][:5], asset["proj:transform"][5] - 1e5]
    outcome = dataset(tiny)
    assert outcome.code == 0, outcome.err
    assert_same_images(tiny, built)


@pytest.mark.slow
@pytest.mark.parametrize("access", ["sas", "earthdata"])
@pytest.mark.parametrize("fault", [status(403), corrupt(2000)], ids=["403", "corrupt"])
def test_no_secret_is_told(
    tiny: TinyArchive, serve: Serve, access: str, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even where all that the libraries log is shown, in a traceback, in the cube or its ledger."""
    server = serve(access)
    if access == "earthdata":
        log_in(server)
    server.fail(FILE, fault)
    with (
        caplog.at_level(logging.DEBUG),
        caplog.at_level(logging.DEBUG, "mmvsf"),
        pytest.raises(IncompleteError, match=FILE) as raised,
    ):
        build_tiny(tiny)
    told = caplog.text + "".join(traceback.format_exception(raised.value))
    kept = "".join(path.read_bytes().decode("latin-1") for path in tiny.data.rglob("*") if path.is_file())
    assert "urllib3" in told and server.doors.issued and FILE in kept
    for secret in (*server.doors.issued, server.doors.password, "sig="):
        assert secret not in told and secret not in kept


def test_what_is_redacted() -> None:
    told = redact("GET https://h/a.tif?sig=abc%2F&se=1 'https://h/b?x' Authorization: Bearer abcdefghijk.lm_n")
    assert told == "GET https://h/a.tif?… 'https://h/b?…' Authorization: Bearer …"
    assert redact("no answer from https://user:pass@mirror.example/stac: a@b") == (
        "no answer from https://…@mirror.example/stac: a@b"
    )


@pytest.mark.parametrize("service", ENDPOINTS)
def test_an_address_with_a_password_in_it(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variable = ENDPOINTS[service].variable
    monkeypatch.setenv(variable, "https://user:pass-of-the-tests@mirror.example/stac")
    with pytest.raises(InputError, match=f"{variable} holds a name or password") as raised:
        address(service)
    assert "pass-of-the-tests" not in str(raised.value)


def test_a_catalogue_that_is_not_there(
    tiny: TinyArchive, dataset: Build, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve("open")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MMVSF_STAC_URL", f"http://127.0.0.1:{closed.getsockname()[1]}/stac")
    outcome = dataset(tiny)
    assert outcome.code == 1 and "does not answer: connection refused" in outcome.error
    assert "planetary-computer" in outcome.error and not tiny.cube.exists()


@pytest.mark.parametrize(
    ("pattern", "fault", "code", "words"),
    [
        ("/stac", status(404), 2, "MMVSF_STAC_URL"),
        ("/stac", status(401), 2, "refuses access (HTTP 401)"),
        ("/search", status(403), 2, "refuses access (HTTP 403)"),
        ("/search", status(503), 1, "refuses the search (HTTP 503)"),
        ("/stac", empty(), 1, "STAC"),
        ("/sas/", status(404), 1, "returned no signature"),
        ("Fmask", status(403), 2, "fresh signature"),
        ("Fmask", reset(), 1, "connection"),
    ],
)
def test_what_stands_in_the_way_is_said_before_any_work(
    tiny: TinyArchive, dataset: Build, serve: Serve, pattern: str, fault: Fault, code: int, words: str
) -> None:
    server = serve("sas")
    server.fail(pattern, fault)
    outcome = dataset(tiny)
    assert (outcome.code, words in outcome.error) == (code, True), outcome.error
    assert not tiny.cube.exists()


def test_without_an_earthdata_account(tiny: TinyArchive, dataset: Build, serve: Serve) -> None:
    server = serve("earthdata")
    outcome = dataset(tiny)
    assert outcome.code == 2 and "EARTHDATA_TOKEN" in outcome.error and "urs.earthdata.nasa.gov" in outcome.error
    assert not server.requests and not tiny.cube.exists()


def test_with_a_wrong_password_or_token(
    tiny: TinyArchive, dataset: Build, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve("earthdata")
    log_in(server, "wrong-password")
    outcome = dataset(tiny)
    assert outcome.code == 2 and "netrc" in outcome.error and "wrong-password" not in outcome.error
    monkeypatch.setenv("EARTHDATA_TOKEN", "an-old-token")
    outcome = dataset(tiny)
    assert outcome.code == 2 and "renew EARTHDATA_TOKEN" in outcome.error and "an-old-token" not in outcome.error


@pytest.mark.slow
def test_a_token_from_the_environment(
    tiny: TinyArchive, built: TinyArchive, dataset: Build, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve("earthdata")
    monkeypatch.setenv("EARTHDATA_TOKEN", server.doors.new())
    assert dataset(tiny).code == 0
    assert_same_images(tiny, built)


def test_tokens_go_to_their_own_hosts_only() -> None:
    login = earthdata.Earthdata("https://urs.earthdata.nasa.gov", QUICK)
    assert login.token("https://elsewhere.org/lp-prod-protected/B02.tif") is None
    assert login.token("https://earthdatacloud.nasa.gov.elsewhere.org/B02.tif") is None
    with pytest.raises(InputError, match="EARTHDATA_TOKEN"):
        login.token("https://data.lpdaac.earthdatacloud.nasa.gov/lp-prod-protected/B02.tif")
    sas = signing.SasSigned("https://planetarycomputer.microsoft.com/api/sas/v1/token", QUICK)
    assert sas.url("https://elsewhere.org/hls2/B02.tif") == "https://elsewhere.org/hls2/B02.tif"
    assert sas._container("https://hls2euwest.blob.core.windows.net/hls2/L30/B02.tif") == ("hls2euwest", "hls2")


@pytest.mark.parametrize(
    ("service", "href", "sent"),
    [
        ("https://urs.earthdata.nasa.gov", "https://data.lpdaac.earthdatacloud.nasa.gov/B02.tif", True),
        ("https://urs.earthdata.nasa.gov", "http://data.lpdaac.earthdatacloud.nasa.gov/B02.tif", False),
        ("https://urs.earthdata.nasa.gov", "http://urs.earthdata.nasa.gov/B02.tif", False),
        ("http://mirror.example.org:80", "http://mirror.example.org:80/B02.tif", False),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/B02.tif", True),
        ("http://localhost:8000", "http://localhost:8000/B02.tif", True),
        ("http://127.0.0.1:8000", "http://127.0.0.1:9000/B02.tif", False),
    ],
)
def test_tokens_are_not_sent_unencrypted(monkeypatch: pytest.MonkeyPatch, service: str, href: str, sent: bool) -> None:
    monkeypatch.setenv("EARTHDATA_TOKEN", "a-token")
    assert (earthdata.Earthdata(service, QUICK).token(href) is not None) == sent


def test_a_grid_is_read_once_a_tile(tiny: TinyArchive, mmvsf: Command, serve: Serve) -> None:
    server = serve("earthdata", bare=True)
    log_in(server)
    assert mmvsf("plan", tiny.recipe, "--data-dir", tiny.data).code == 0
    assert len({request.path for request in of_files(server)}) <= 3


def test_a_catalogue_without_the_collection(tiny: TinyArchive, dataset: Build, serve: Serve) -> None:
    server = serve("open")
    server.items = [item for item in server.items if item["collection"] != "hls2-s30"]
    outcome = dataset(tiny)
    assert outcome.code == 2 and "has no collection hls2-s30; it has " in outcome.error
    assert "hls2-l30, landsat-c2-l2" in outcome.error and "MMVSF_STAC_URL" in outcome.error


def test_a_catalogue_without_the_product(tiny: TinyArchive, dataset: Build, serve: Serve) -> None:
    serve("open")
    tiny.write_recipe(imagery__source="stac", imagery__path=None, imagery__catalog="earth-search")
    outcome = dataset(tiny)
    assert outcome.code == 2 and "imagery.catalog" in outcome.error


def test_the_runs_of_days_of_a_period_with_a_day_more_at_both_ends() -> None:
    period = Period.model_validate({"start": "2020-03-30", "end": "2021-04-02", "months": [4, 5, 12, 1]})
    assert [f"{first} {last}" for first, last in search_days(period)] == [
        "2020-03-31 2020-06-01",
        "2020-11-30 2021-02-01",
        "2021-03-31 2021-04-03",
    ]


OPEN_DATUM = (
    'PROJCS["UTM Zone 15, Northern Hemisphere",GEOGCS["Unknown datum based upon the WGS 84 ellipsoid",'
    'DATUM["Not_specified_based_on_WGS_84_spheroid",SPHEROID["WGS 84",6378137,298.257223563]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
    'PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",-93],PARAMETER["scale_factor",0.9996],'
    'PARAMETER["false_easting",500000],PARAMETER["false_northing",0],UNIT["metre",1]]'
)


def test_a_zone_with_its_datum_left_open_is_that_zone_and_no_other() -> None:
    assert same_crs(OPEN_DATUM, "EPSG:32615") and same_crs("EPSG:32615", OPEN_DATUM)
    assert not any(same_crs(OPEN_DATUM, code) for code in ("EPSG:32614", "EPSG:32715", "EPSG:26915", "EPSG:5070"))


class Gate(StandIn):
    """LP DAAC's gate: who brings the token is sent on, with a signed address, to another host."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self.token, self.behind = token, ""

    def answer(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return Response.of_json({"error": "invalid_token"}, 401)
        return Response(303, headers={"Location": f"{self.behind}{request.path}?A-userid=someone&Signature=secret"})


class Files(StandIn):
    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root

    def answer(self, request: Request) -> Response:
        return Response.of_file(self.root, request.path, request)


class Store(Files):
    """The store behind the gate, which refuses a second way of signing in, as S3 and CloudFront do."""

    def answer(self, request: Request) -> Response:
        if "authorization" in request.headers or "Signature" not in request.query:
            return Response.of_json({"code": "InvalidArgument"}, 400)
        return super().answer(request)


SIDE = 1400
GRID = RasterGrid("EPSG:32615", (30.0, 0.0, 300000.0, 0.0, -30.0, 4600020.0), (SIDE, SIDE))
WINDOW = (slice(300, 800), slice(500, 1000))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A COG of several requests, and its numbers."""
    rng = np.random.default_rng(3)
    values = rng.integers(-100, 6000, (SIDE, SIDE)).astype(np.int16)
    path = tmp_path_factory.mktemp("large") / "B06.tif"
    with rasterio.open(
        path, "w", driver="COG", width=SIDE, height=SIDE, count=1, dtype="int16", crs=GRID.crs, nodata=-9999,
        transform=GRID.geobox.transform, compress="deflate", predictor=2, blocksize=256,
    ) as file:  # fmt: skip
        file.write(values, 1)
    return path, values


def read_once(server: Files, **retry_policy: float) -> Any:
    reader = RemoteReader(NoAuth(), replace(QUICK, **retry_policy))  # type: ignore[arg-type]
    with gdal_environment():
        return reader.window(Asset(f"{server.url}/B06.tif", GRID), WINDOW)


def test_only_the_parts_that_are_needed_are_fetched(large: tuple[Path, Any]) -> None:
    path, values = large
    with Files(path.parent) as server:
        np.testing.assert_array_equal(read_once(server), values[WINDOW])
        ranges = [request.headers["range"] for request in server.requests if request.method == "GET"]
    fetched = sum(int(last) - int(first) + 1 for first, last in (text[6:].split("-") for text in ranges))
    assert len(ranges) >= 2 and fetched < path.stat().st_size * 0.5


def zeros(request: Request, right: Response) -> Response:
    return replace(right, body=bytes(len(right.body)))


def shorter(request: Request, right: Response) -> Response:
    """Half of the body, and a Content-Length to match."""
    return replace(right, body=right.body[: len(right.body) // 2])


@pytest.mark.slow
@pytest.mark.parametrize("fault", [*TRANSIENT.values(), status(404), zeros, shorter])
def test_no_fault_at_any_request_gives_other_numbers(large: tuple[Path, Any], fault: Fault) -> None:
    """With a single attempt, a read ends with the right numbers or with an error, never with others."""
    path, values = large
    with Files(path.parent) as server:
        read_once(server)
        number = len(server.requests)
        for place in range(number):
            for times in (1, None):
                server.clear_faults()
                server.fail(".", fault, times, after=place)
                try:
                    found = read_once(server, attempts=1, request=0.1)
                except ReadError:
                    continue
                np.testing.assert_array_equal(found, values[WINDOW])


@pytest.mark.slow
def test_requests_at_once_are_limited(large: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_slots", threading.BoundedSemaphore(1))
    path, _ = large
    with Files(path.parent) as server:
        server.fail(".", hang(0.1))
        read_once(server)
        of_one = len(server.requests)
        readers = [threading.Thread(target=read_once, args=(server,)) for _ in range(2 * of_one)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        # One read may ask for several ranges at once; without a limit, the first request of every read would be there.
        assert len(server.requests) > 2 * of_one and server.busiest <= of_one


def test_a_file_of_another_place_than_its_item_says(large: tuple[Path, Any]) -> None:
    path, _ = large
    elsewhere = GRID._replace(transform=(30.0, 0.0, 300030.0, 0.0, -30.0, 4600020.0))
    with Files(path.parent) as server, gdal_environment(), pytest.raises(ReadError, match="its item says"):
        RemoteReader(NoAuth(), QUICK).window(Asset(f"{server.url}/B06.tif", elsewhere), WINDOW)


def test_a_token_does_not_follow_to_the_store(large: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    path, values = large
    monkeypatch.setenv("EARTHDATA_TOKEN", "token-of-the-tests")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with Gate("token-of-the-tests") as gate, Store(path.parent) as store, gdal_environment():
        gate.behind = store.url.replace("127.0.0.1", "localhost")
        reader = RemoteReader(earthdata.Earthdata(gate.url, QUICK), QUICK)
        href = f"{gate.url}/B06.tif"
        assert reader.ask(href).status == 206
        np.testing.assert_array_equal(reader.window(Asset(href, GRID), WINDOW), values[WINDOW])
        assert store.requests and not any("authorization" in request.headers for request in store.requests)
        store.fail("B06", status(403))
        with pytest.raises(ReadError, match="renew EARTHDATA_TOKEN") as raised:
            reader.window(Asset(href, GRID), WINDOW)
    assert "token-of-the-tests" not in str(raised.value) and "secret" not in str(raised.value)


def test_a_host_that_is_down_is_not_waited_for_each_time(large: tuple[Path, Any]) -> None:
    path, values = large
    with Files(path.parent) as server:
        server.fail(".", status(503))
        for expected in (QUICK.attempts, 1):
            before = len(server.requests)
            with pytest.raises(ReadError, match=f"after {expected} attempts"):
                read_once(server)
            assert len(server.requests) - before <= 3 * expected
        server.clear_faults()
        np.testing.assert_array_equal(read_once(server), values[WINDOW])


def test_a_window_that_the_reference_reads_the_same(large: tuple[Path, Any]) -> None:
    path, values = large
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(1, window=Window(500, 300, 500, 500)), values[WINDOW])
