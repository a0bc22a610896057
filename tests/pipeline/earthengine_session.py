"""A fresh session of the real Earth Engine client for a test, with its stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import ee
import pytest

from mmvsf.pipeline.sources.earthengine import client
from mmvsf.pipeline.sources.earthengine.pixels import kept

from ..servers.earthengine import EarthEngine, Image

CREDENTIALS = ("GOOGLE_APPLICATION_CREDENTIALS", "MMVSF_EARTHENGINE_URL", "EARTHENGINE_PROJECT")


@contextmanager
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No session, nothing kept, short waits, and an environment without credentials."""
    for name in CREDENTIALS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(client, "FIRST_WAIT_SECONDS", 0.02)
    monkeypatch.setattr(client, "_pace", client.Pace())
    _forget()
    yield
    _forget()


@contextmanager
def serving(images: list[Image], monkeypatch: pytest.MonkeyPatch) -> Iterator[EarthEngine]:
    """The stand-in, with the environment that leads the client to it."""
    with fresh(monkeypatch), EarthEngine(images) as server:
        monkeypatch.setenv("MMVSF_EARTHENGINE_URL", server.url)
        monkeypatch.setenv("EARTHENGINE_PROJECT", "trial")
        yield server


def _forget() -> None:
    ee.Reset()
    kept.clear()
    client._deadline_set.clear()
