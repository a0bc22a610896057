"""A server that drips, stalls or resets is given up in time, by the pipeline's own requests and by GDAL's."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import requests

from mmvsf.pipeline.raster.io import OutOfReachError
from mmvsf.pipeline.raster.scene import Asset
from mmvsf.pipeline.sources.transport import http, slow
from mmvsf.pipeline.sources.transport import remote_raster as remote
from mmvsf.pipeline.sources.transport.http import RetryPolicy, session
from mmvsf.pipeline.sources.transport.reach import LOOPBACK
from mmvsf.pipeline.sources.transport.remote_raster import RemoteReader
from mmvsf.pipeline.sources.transport.signing import NoAuth

from ..servers.archive import ArchiveServer
from ..servers.base import Fault, Request, Response, StandIn, drip, hang, reset, status
from .conftest import Outcome
from .stored import contents
from .test_imagery_units import RASTER
from .tiny_archive import EAST, TinyArchive, write_raster

pytestmark = pytest.mark.stand_in

HASTY = RetryPolicy(attempts=2, first_wait=0.01, longest_wait=0.02, connect=1, request=1, deadline=6)


class Big(StandIn):
    """Answers with 100 kB."""

    def answer(self, request: Request) -> Response:
        return Response(200, bytes(100_000))


@contextmanager
def dripping_headers() -> Iterator[str]:
    """A server that sends one byte of its headers every 50 ms, for ten seconds at most."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                client.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                for _ in range(200):
                    if ended.wait(0.05):
                        return
                    try:
                        client.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        ended.set()
        thread.join(5)


@pytest.mark.parametrize("fault", [drip(0.02), hang(5), reset()], ids=["drips", "stalls", "resets"])
def test_a_request_to_a_server_that_is_too_slow(fault: Fault) -> None:
    started = time.monotonic()
    with Big() as server:
        server.fail("", fault)
        with session(HASTY, LOOPBACK, retry=False) as client, pytest.raises(requests.RequestException):
            client.get(server.url, timeout=(HASTY.connect, HASTY.request))
    assert time.monotonic() - started < 4


def test_headers_that_drip() -> None:
    started = time.monotonic()
    with (
        dripping_headers() as url,
        session(HASTY, LOOPBACK, retry=False) as client,
        pytest.raises(requests.RequestException, match="timed out"),
    ):
        client.get(url, timeout=(HASTY.connect, HASTY.request))
    assert time.monotonic() - started < 4


def test_a_large_answer_may_take_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline moves with what has come."""
    monkeypatch.setattr(slow, "SLOWEST", 10)
    patient = replace(HASTY, request=0.2)
    with Big() as server:
        server.fail("", lambda request, right: replace(right, body=b"y" * 40, drip=0.02))
        with session(patient, LOOPBACK, retry=False) as client:
            assert client.get(server.url, timeout=1).content == b"y" * 40


class Raster(StandIn):
    """One raster, by ranges."""

    content: bytes = b""

    def answer(self, request: Request) -> Response:
        return Response.of_bytes(self.content, request)


@pytest.mark.parametrize("fault", [drip(0.05), hang(8), status(503)], ids=["drips", "stalls", "fails"])
def test_a_raster_on_a_server_that_is_too_slow(
    fault: Fault, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_resting", {})
    path = tmp_path_factory.mktemp("raster") / "a.tif"
    values = np.arange(EAST.rows * EAST.columns, dtype=np.int16).reshape(EAST.rows, EAST.columns)
    write_raster(path, values, EAST)
    grid = RASTER._replace(transform=tuple(EAST.transform)[:6], shape=values.shape)
    with Raster() as server:
        server.content = path.read_bytes()
        reader, asset = RemoteReader(NoAuth(), HASTY), Asset(f"{server.url}/a.tif", grid)
        whole = (slice(0, values.shape[0]), slice(0, values.shape[1]))
        server.fail("", fault)
        started = time.monotonic()
        with pytest.raises(OutOfReachError, match="after 2 attempts"):
            reader.window(asset, whole)
        assert time.monotonic() - started < 12
        with pytest.raises(OutOfReachError, match="after 1 attempts"):  # it rests
            reader.window(asset, whole)
        server.clear_faults()
        np.testing.assert_array_equal(reader.window(asset, whole), values)


@pytest.mark.slow
def test_imagery_gives_up_after_failures_in_a_row(
    tiny: TinyArchive, built: TinyArchive, dataset: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is done is kept, and the next run goes on."""
    monkeypatch.setattr(http, "RETRY_POLICY", HASTY)
    monkeypatch.setattr(remote, "_resting", {})
    monkeypatch.setattr("mmvsf.pipeline.layers.imagery.plan.GROUP_PIXELS", 32)  # a task a block
    monkeypatch.setattr("mmvsf.pipeline.build.run.MOST_FAILURES", 2)
    monkeypatch.setattr("mmvsf.pipeline.build.run.FAILURES_PER_WORKER", 1)
    with ArchiveServer(tiny.root, access="sas") as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        tiny.write_recipe(
            imagery__source="stac", imagery__path=None, imagery__catalog="planetary-computer", labels=None
        )
        server.fail("tif", status(503))
        outcome = dataset(tiny)
        assert outcome.code == 1 and "were not tried after 2 failures in a row" in outcome.error
        assert "run again" in outcome.error
        server.clear_faults()
        remote._resting.clear()
        assert dataset(tiny).code == 0
    assert contents(tiny.cube, "imagery/reflectance") == contents(built.cube, "imagery/reflectance")
