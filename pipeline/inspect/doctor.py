"""Whether this machine is ready: its size, the installed packages, credentials, and the services that sources use."""

import os
import platform
import re
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

import psutil
import requests
from rasterio import __gdal_version__
from rasterio.drivers import raster_driver_extensions

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.extras import EXTRAS
from mmvsf.datasets.storage.location import Location
from mmvsf.pipeline.disk_space import free_bytes, megabytes
from mmvsf.pipeline.layers.source import Requirement
from mmvsf.pipeline.raster.proj_data import refuse_foreign_proj_data
from mmvsf.pipeline.sources.earthengine import client as earthengine
from mmvsf.pipeline.sources.reanalysis import token as ecmwf
from mmvsf.pipeline.sources.transport.earthdata import Earthdata
from mmvsf.pipeline.sources.transport.endpoints import ENDPOINTS, address, plain_url
from mmvsf.pipeline.sources.transport.http import RetryPolicy, reason_of, session
from mmvsf.pipeline.sources.transport.reach import reach_of_service

LEAST_MEMORY = 4e9
"""Bytes that a build with two threads and a training run fit in."""
LEAST_DISK = 2e9
"""Bytes of the simulated region `sandbox` with its archive, and room to work."""

ONE_TRY = RetryPolicy(attempts=1, connect=5.0, request=10.0, deadline=10.0)


class State(StrEnum):
    """How a finding is meant."""

    OK = "ok"
    NOTE = "note"
    """something that only some work needs"""
    WRONG = "wrong"
    """nothing works before this is put right"""


@dataclass(frozen=True)
class Finding:
    """What was found of one thing."""

    part: str
    name: str
    state: State
    detail: str


def examine(data: Location, *, services: bool = True) -> tuple[Finding, ...]:
    """All findings for a machine, and for the folder or bucket of its data.

    `services` also sends one request to each public service that a source uses. No credential is sent or shown."""
    return (
        *_machine(data),
        *_packages(),
        *_credentials(),
        *(_services() if services else ()),
    )


def _machine(data: Location) -> Iterator[Finding]:
    part = "machine"
    yield Finding(part, "Python", State.OK, f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield Finding(part, "processors", State.OK, str(os.cpu_count() or 1))
    memory = psutil.virtual_memory()
    enough = memory.total >= LEAST_MEMORY
    text = f"{megabytes(memory.available)} of {megabytes(memory.total)} are free"
    yield Finding(part, "memory", State.OK if enough else State.NOTE, text + ("" if enough else "; use --workers 1"))
    yield _disk(part, data)


def _disk(part: str, data: Location) -> Finding:
    free = free_bytes(data)
    if free is None or not isinstance(data, Path):
        return Finding(part, "data", State.OK, f"{data}, a bucket; the first write shows whether it can be written")
    folder = next(path for path in (data.absolute(), *data.absolute().parents) if path.is_dir())
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Finding(part, "data", State.WRONG, f"{folder}: {error.strerror}; choose another --data-dir")
    enough = free >= LEAST_DISK
    return Finding(
        part,
        "data",
        State.OK if enough else State.NOTE,
        f"{megabytes(free)} are free for {data.absolute()}" + ("" if enough else "; choose another --data-dir"),
    )


def _packages() -> Iterator[Finding]:
    part = "packages"
    needed = [re.split(r"[^\w.-]", text)[0] for text in requires("mmvsf") or () if "extra ==" not in text]
    missing = [name for name in needed if _version(name) is None]
    if missing:
        yield Finding(
            part, "needed", State.WRONG, f"{', '.join(missing)} are not installed; install this project again"
        )
    else:
        yield Finding(part, "needed", State.OK, ", ".join(f"{name} {_version(name)}" for name in needed))
    drivers = "GTiff" in raster_driver_extensions().values()
    text = f"GDAL {__gdal_version__}" + ("" if drivers else " without a GeoTIFF driver; install rasterio again")
    yield Finding(part, "rasters", State.OK if drivers else State.WRONG, text)
    try:
        refuse_foreign_proj_data()
        yield Finding(part, "projections", State.OK, "the database of PROJ is found")
    except InputError as error:
        yield Finding(part, "projections", State.WRONG, str(error))
    for extra, modules in EXTRAS.items():
        absent = [name for name in modules if find_spec(name) is None]
        hint = f"{', '.join(absent)} missing; pip install -e '.[{extra}]' in this project's repository"
        yield Finding(part, f"extra {extra}", State.NOTE if absent else State.OK, hint if absent else "installed")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _credentials() -> Iterator[Finding]:
    wanted: tuple[Requirement, ...] = (
        *Earthdata(address("urs"), ONE_TRY).requirements(),
        *earthengine.requirements(),
        *ecmwf.requirements(),
    )
    for requirement in wanted:
        state = State.OK if requirement.present else State.NOTE
        yield Finding("credentials", requirement.name, state, requirement.remedy)


def _services() -> list[Finding]:
    with ThreadPoolExecutor(len(ENDPOINTS)) as threads:
        return list(threads.map(_service, ENDPOINTS))


def _service(name: str) -> Finding:
    """Whether a service answers. Any HTTP status is an answer."""
    part = "services"
    try:
        url = address(name)
    except InputError as error:
        return Finding(part, name, State.WRONG, str(error))
    began = time.monotonic()
    try:
        with session(ONE_TRY, reach_of_service(url), retry=False) as client:
            client.get(url, timeout=(ONE_TRY.connect, ONE_TRY.request), stream=True).close()
    except (requests.RequestException, OSError, ValueError) as error:
        what = ENDPOINTS[name].what.partition(";")[0]
        return Finding(part, name, State.NOTE, f"{plain_url(url)} ({what}): {reason_of(error)}")
    return Finding(part, name, State.OK, f"{plain_url(url)} answers after {(time.monotonic() - began) * 1000:.0f} ms")
