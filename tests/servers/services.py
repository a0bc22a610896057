"""Fixtures: a place in a bucket of each kind of object storage, on servers that others wrote."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mmvsf.datasets.storage.location import Location, location

from .gcs import Gcs
from .programs import azurite, fake_gcs_server, fauxqs
from .s3 import S3

PREFIXES = ("AWS_", "AZURE_", "GOOGLE_", "STORAGE_EMULATOR_HOST", "TENSORSTORE_GCS")


class Services:
    """Servers that are started when a test first needs them: address of a bucket, and the environment."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._running: dict[str, tuple[str, dict[str, str]]] = {}

    def get(self, name: str) -> tuple[str, dict[str, str]]:
        if name not in self._running:
            self._running[name] = getattr(self, f"_{name}")()
        return self._running[name]

    def _moto(self) -> tuple[str, dict[str, str]]:
        return "s3://cubes", self._stack.enter_context(S3()).environment()

    def _fauxqs(self) -> tuple[str, dict[str, str]]:
        return "s3://cubes", self._stack.enter_context(fauxqs())

    def _gcs(self) -> tuple[str, dict[str, str]]:
        server = self._stack.enter_context(fake_gcs_server())
        return "gs://cubes", self._stack.enter_context(Gcs(server)).environment()

    def _azurite(self) -> tuple[str, dict[str, str]]:
        return "az://cubes", self._stack.enter_context(azurite())


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    with ExitStack() as stack:
        yield Services(stack)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that leads to no account of the person who tests."""
    for name in [name for name in os.environ if name.startswith(PREFIXES)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", os.devnull)
    return monkeypatch


@pytest.fixture(params=["moto", "fauxqs", "gcs", "azurite"])
def place(request: pytest.FixtureRequest, services: Services, settings: pytest.MonkeyPatch, tmp_path: Path) -> Location:
    """A place in a bucket for one test."""
    bucket, environment = services.get(request.param)
    for name, value in environment.items():
        settings.setenv(name, value)
    return location(f"{bucket}/{tmp_path.name}")
