"""Sessions, pacing, faults and credentials of Earth Engine, with its real client."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ee
import pytest
from google.auth.credentials import AnonymousCredentials

from mmvsf.datasets.cube.cube import digest
from mmvsf.datasets.errors import InputError
from mmvsf.pipeline.raster.io import ReadError
from mmvsf.pipeline.sources.earthengine import client
from mmvsf.pipeline.sources.earthengine.imagery import EarthEngineImagery
from mmvsf.pipeline.sources.earthengine.labels import EarthEngineLabels
from mmvsf.pipeline.sources.earthengine.pixels import kept
from mmvsf.pipeline.sources.transport.endpoints import ENDPOINTS

from ..servers.base import Fault, Request, Response, corrupt, empty, hang, reset, status, truncated
from ..servers.earthengine import EarthEngine, archive_images, refusal
from .conftest import Outcome, build_tiny
from .earthengine_session import fresh, serving
from .test_earthengine import IMAGERY, LABELS
from .tiny_archive import TinyArchive

pytestmark = pytest.mark.stand_in

SECRET = "s3cr3t-of-the-key"


@pytest.fixture
def through(tiny: TinyArchive) -> TinyArchive:
    """The tiny recipe, its imagery and labels through Earth Engine."""
    tiny.items = [item for item in tiny.items if item["id"].endswith(".v2.0")]
    tiny.write_items()
    tiny.write_recipe(imagery=IMAGERY, labels=LABELS)
    return tiny


@pytest.fixture
def server(through: TinyArchive, monkeypatch: pytest.MonkeyPatch) -> Iterator[EarthEngine]:
    with serving(archive_images(through.root), monkeypatch) as found:
        yield found


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A home without credentials; returns it."""
    with fresh(monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("EARTHENGINE_PROJECT", "trial")
        yield tmp_path


def read_labels() -> int:
    """One listing and one request for pixels; returns the sum of the codes."""
    asset = EarthEngineLabels((2021,)).asset(2021)
    return int(EarthEngineLabels((2021,)).read(asset, (slice(0, 64), slice(0, 64))).sum())


@pytest.mark.slow
def test_faults_change_no_byte(through: TinyArchive, server: EarthEngine) -> None:
    build_tiny(through)
    wanted = digest(through.cube)
    through.cube.rename(through.folder / "before.zarr")
    faults: list[tuple[str, Fault]] = [
        ("discovery", status(503)),
        ("algorithms", status(500)),
        ("listAssets", status(429, retry_after=1)),
        ("listAssets", truncated()),
        ("computePixels", status(503)),
        ("computePixels", reset()),
        ("computePixels", truncated()),
        ("computePixels", empty()),
        ("computePixels", corrupt()),
        ("computePixels", status(429)),
        ("computePixels", status(500)),
    ]
    for number, (pattern, fault) in enumerate(faults):
        server.fail(pattern, fault, times=1, after=number % 3 if pattern == "computePixels" else 0)
    ee.Reset()
    kept.clear()
    asked = len(server.asked("computePixels"))
    build_tiny(through)
    assert digest(through.cube) == wanted
    of_pixels = sum(pattern == "computePixels" for pattern, _ in faults)
    assert len(server.asked("computePixels")) == 2 * asked + of_pixels, "each fault cost one request more"


@pytest.mark.slow
@pytest.mark.parametrize("request_", ["discovery", "algorithms", "listAssets", "computePixels"])
def test_a_request_that_hangs_is_given_up_and_repeated(
    server: EarthEngine, monkeypatch: pytest.MonkeyPatch, request_: str
) -> None:
    monkeypatch.setattr(client, "DEADLINE_SECONDS", 0.5)
    wanted = read_labels()
    ee.Reset()
    server.fail(request_, hang(30), times=1)
    began = time.monotonic()
    assert read_labels() == wanted
    assert 0.5 <= time.monotonic() - began < 5


@pytest.mark.slow
def test_what_keeps_failing_is_said_in_the_end(server: EarthEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "DEADLINE_SECONDS", 1.0)  # long enough for a listing on a busy machine
    monkeypatch.setattr(client, "TRIES", 3)
    server.fail("computePixels", hang(30))
    with pytest.raises(ReadError, match=r"CDL/2021: no answer in 3 tries; the last was no answer in time"):
        read_labels()
    server.clear_faults()
    read_labels()
    server.fail("computePixels", lambda request, right: refusal(503, "The service is unavailable."))
    with pytest.raises(ReadError, match="in 3 tries; the last was 503 The service is unavailable"):
        read_labels()
    assert len(server.asked("computePixels")) == 7


@pytest.mark.slow
def test_a_service_that_is_down_is_not_waited_for_each_time(
    server: EarthEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each day of each block asks again, and a dead service must not cost hours."""
    asset = EarthEngineLabels((2021,)).asset(2021)
    server.fail("computePixels", status(503))
    for tries in (client.TRIES, 1):
        before = len(server.asked("computePixels"))
        with pytest.raises(ReadError, match="the last was 503"):
            EarthEngineLabels((2021,)).read(asset, (slice(0, 64), slice(0, 64)))
        assert len(server.asked("computePixels")) - before == tries


@pytest.mark.slow
def test_a_wait_too_long_is_a_failure(server: EarthEngine) -> None:
    asset = EarthEngineLabels((2021,)).asset(2021)
    server.fail("computePixels", status(429, retry_after=4000))
    with pytest.raises(ReadError, match=r"429 .* asks to wait 4000 s"):
        EarthEngineLabels((2021,)).read(asset, (slice(0, 64), slice(0, 64)))
    assert len(server.asked("computePixels")) == 1


class Timed(EarthEngine):
    """Notes when each request for pixels came; the first is refused for quota."""

    def __init__(self) -> None:
        super().__init__()
        self.came: list[float] = []
        self._once = threading.Lock()

    def answer(self, request: Request) -> Response:
        if not request.path.endswith("computePixels"):
            return super().answer(request)
        with self._once:
            self.came.append(time.monotonic())
            if len(self.came) == 1:
                return Response(
                    429, b'{"error": {"code": 429, "message": "Too many requests."}}', headers={"Retry-After": "1"}
                )
        time.sleep(0.02)
        return super().answer(request)


@pytest.mark.slow
def test_a_refusal_for_quota_holds_every_thread(through: TinyArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    """One 429 with Retry-After: 1 stops all threads for a second; then they come back one after another."""
    with fresh(monkeypatch), Timed() as server:
        server.images = archive_images(through.root)
        monkeypatch.setenv("MMVSF_EARTHENGINE_URL", server.url)
        monkeypatch.setenv("EARTHENGINE_PROJECT", "trial")
        monkeypatch.setattr(client, "_pace", client.Pace(at_once=2))
        asset = EarthEngineLabels((2021,)).asset(2021)

        def read(row: int) -> int:
            return int(EarthEngineLabels((2021,)).read(asset, (slice(row, row + 8), slice(0, 64))).shape[0])

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(read, range(8))) == [8] * 8
        waited = [moment - server.came[0] for moment in server.came[1:]]
        early = [moment for moment in waited if moment < 0.9]
        assert len(early) <= 1, "only what was under way already"
        assert len(server.came) == 9 and max(waited) < 3 and server.busiest <= 2


def test_one_session_for_all_threads(server: EarthEngine) -> None:
    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(lambda _: read_labels(), range(6)))) == 1
    assert len(server.asked("/algorithms")) == 1


@pytest.mark.slow
def test_a_session_of_the_user_is_left_as_it_is(server: EarthEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    ee.Initialize(AnonymousCredentials(), url=server.url, project="my-own")
    monkeypatch.setenv("MMVSF_EARTHENGINE_URL", "http://127.0.0.1:9")
    read_labels()
    assert ee.data._get_state().deadline_ms == client.DEADLINE_SECONDS * 1000
    assert len(server.asked("/algorithms")) == 1
    assert server.asked("computePixels")[0].path == "/v1/projects/my-own/image:computePixels"
    monkeypatch.setattr(client, "FIRST_WAIT_SECONDS", 0.01)
    server.fail("computePixels", status(503), times=1)
    read_labels()


def test_half_a_session_is_not_taken_for_a_whole_one(server: EarthEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TRIES_TO_OPEN", 1)
    server.fail("algorithms", status(503), times=1)
    with pytest.raises(ReadError, match=r"Earth Engine at http://127.0.0.1:.* no answer in 1 try;"):
        read_labels()
    assert read_labels() > 0


def test_an_unregistered_project(through: TinyArchive, server: EarthEngine, dataset: Callable[..., Outcome]) -> None:
    words = "Project trial is not registered to use Earth Engine."
    server.fail("algorithms", lambda request, right: refusal(403, words, "PERMISSION_DENIED"))
    outcome = dataset(through)
    assert outcome.code == 2
    assert words in outcome.error and "code.earthengine.google.com/register" in outcome.error
    assert not server.asked("listAssets")


def test_credentials_that_are_refused(
    through: TinyArchive, server: EarthEngine, dataset: Callable[..., Outcome]
) -> None:
    server.fail("algorithms", lambda request, right: refusal(401, "Request had invalid authentication credentials."))
    outcome = dataset(through)
    assert outcome.code == 2 and "earthengine authenticate" in outcome.error


def test_no_credentials(through: TinyArchive, nowhere: Path, dataset: Callable[..., Outcome]) -> None:
    outcome = dataset(through)
    assert outcome.code == 2 and "Earth Engine account is missing: run `earthengine authenticate`" in outcome.error
    with pytest.raises(InputError, match="there are no credentials; run `earthengine authenticate`"):
        read_labels()
    needs = {need.name: need for need in EarthEngineImagery().requirements()}
    assert not needs["Earth Engine account"].present and needs["Earth Engine project"].present


def test_a_host_that_cannot_be_reached(
    through: TinyArchive, monkeypatch: pytest.MonkeyPatch, dataset: Callable[..., Outcome]
) -> None:
    with fresh(monkeypatch):
        monkeypatch.setenv("MMVSF_EARTHENGINE_URL", "http://127.0.0.1:9")
        monkeypatch.setenv("EARTHENGINE_PROJECT", "trial")
        assert EarthEngineImagery().requirements() == ()
        outcome = dataset(through)
    assert outcome.code == 1 and "no answer in 3 tries" in outcome.error


def test_a_key_file_that_is_none(
    through: TinyArchive, nowhere: Path, monkeypatch: pytest.MonkeyPatch, dataset: Callable[..., Outcome]
) -> None:
    key = nowhere / "key.json"
    key.write_text(json.dumps({"type": "service_account", "private_key": SECRET, "client_email": "a@b"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    outcome = dataset(through)
    assert outcome.code == 2 and str(key) in outcome.error
    assert SECRET not in outcome.out + outcome.err


def test_a_service_account_brings_its_project(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    pem = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key = nowhere / "key.json"
    content = {
        "type": "service_account",
        "project_id": "of-the-key",
        "private_key": pem.decode(),
        "client_email": "reader@of-the-key.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    key.write_text(json.dumps(content))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    monkeypatch.delenv("EARTHENGINE_PROJECT")
    credentials, project = client._credentials(ee, ENDPOINTS["earthengine"].url)
    assert (project, credentials.service_account_email) == ("of-the-key", content["client_email"])
    assert all(need.present for need in EarthEngineImagery().requirements())
    monkeypatch.setenv("EARTHENGINE_PROJECT", "another")
    assert client._credentials(ee, ENDPOINTS["earthengine"].url)[1] == "another"
    assert client._url() == "https://earthengine-highvolume.googleapis.com"
    # Credentials never go over a connection without TLS.
    assert isinstance(client._credentials(ee, "http://127.0.0.1:9")[0], AnonymousCredentials)


def test_no_project(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EARTHENGINE_PROJECT")
    monkeypatch.setenv("MMVSF_EARTHENGINE_URL", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="needs a Cloud project"):
        read_labels()
