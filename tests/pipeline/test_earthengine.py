"""Earth Engine's imagery and labels, by its real client from a stand-in, against the same files read as an archive."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import digest
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.errors import InputError, MmvsfError
from mmvsf.datasets.recipe.load import load_region
from mmvsf.datasets.recipe.region import Period
from mmvsf.datasets.variables import DEFAULT_BANDS
from mmvsf.pipeline.build import executor as executors
from mmvsf.pipeline.build.executor import executor
from mmvsf.pipeline.build.plan import build_plan
from mmvsf.pipeline.build.run import Progress, build
from mmvsf.pipeline.estimate.preview import preview
from mmvsf.pipeline.raster.coverage import Coverage
from mmvsf.pipeline.raster.io import ReadError
from mmvsf.pipeline.raster.scene import Scene, granule_time
from mmvsf.pipeline.sources.archive.rasters import ArchiveImagery
from mmvsf.pipeline.sources.earthengine import client
from mmvsf.pipeline.sources.earthengine import imagery as earthengine
from mmvsf.pipeline.sources.earthengine import pixels as earthengine_pixels
from mmvsf.pipeline.sources.earthengine.imagery import EarthEngineImagery
from mmvsf.pipeline.sources.earthengine.labels import EarthEngineLabels

from ..servers.base import Fault, corrupt, empty, hang, reset, status, truncated
from ..servers.earthengine import Band, EarthEngine, Image, archive_images, array_band
from ..servers.earthengine import Grid as ImageGrid
from .conftest import Outcome, build_tiny
from .earthengine_session import serving
from .stored import stored_day
from .tiny_archive import EAST, SCENES, TinyArchive, write_scene
from .tiny_archive import Scene as TinyScene

pytestmark = pytest.mark.stand_in

HLS = ("hls-l30", "hls-s30")
IMAGERY = {"source": "earthengine", "products": list(HLS), "skip_below_clear": 0.05}
LABELS = {"source": "earthengine", "years": [2020, 2021]}
HLS_S30, SENTINEL_2 = (earthengine.COLLECTIONS[name].narrowed(DEFAULT_BANDS) for name in ("hls-s30", "sentinel-2-l2a"))
HERE = Coverage(Grid("EPSG:32615", 30.0, 250_560.0, 4_650_240.0, 1, 1, 32, 16, 48, ((0, 0),)))


def only_version_2(archive: TinyArchive) -> TinyArchive:
    """The archive as Earth Engine could hold it: its collections have one version of each granule, 2.0."""
    archive.items = [item for item in archive.items if item["id"].endswith(".v2.0")]
    archive.items.append(write_scene(archive.root, TinyScene(EAST, "hls2-s30", "2021-06-02T17:01:00")))
    archive.write_items()
    archive.write_recipe(labels__legend="cdl")
    return archive


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> TinyArchive:
    """The archive with its finished cube, read from files."""
    archive = only_version_2(TinyArchive(tmp_path_factory.mktemp("known")).write())
    build_tiny(archive)
    return archive


@pytest.fixture
def server(known: TinyArchive, monkeypatch: pytest.MonkeyPatch) -> Iterator[EarthEngine]:
    with serving(archive_images(known.root), monkeypatch) as found:
        yield found


@pytest.fixture
def through(known: TinyArchive, tmp_path: Path) -> TinyArchive:
    """The recipe of the same cube through Earth Engine, in a folder of its own."""
    archive = TinyArchive(tmp_path, known.items)
    archive.root.symlink_to(known.root)
    archive.write_recipe(imagery={**IMAGERY, "complete_above": 0.5}, labels=LABELS)
    return archive


def grid_and_period(archive: TinyArchive) -> tuple[Grid, Period]:
    region, recipe = load_region(str(archive.recipe))
    return grid_from_recipe(region, recipe, archive.data), region.period


def search(archive: TinyArchive) -> list[Scene]:
    return list(EarthEngineImagery().search(*grid_and_period(archive), HLS).scenes)


def test_the_same_scenes_are_found(known: TinyArchive, server: EarthEngine) -> None:
    """Earth Engine's scenes are the archive's in everything but where their files lie."""

    def elsewhere(scenes: list[Scene]) -> list[Scene]:
        nowhere = [replace(s, bands=tuple(replace(a, href="") for a in s.bands)) for s in scenes]
        return [replace(scene, quality=replace(scene.quality, href="")) for scene in nowhere]

    grid, period = grid_and_period(known)
    wanted = list(ArchiveImagery(known.root).search(grid, period, HLS).scenes)
    assert elsewhere(search(known)) == elsewhere(wanted) and len(wanted) == 11


@pytest.mark.slow
def test_the_whole_cube_is_the_same_to_the_byte(known: TinyArchive, through: TinyArchive, server: EarthEngine) -> None:
    build_tiny(through)
    assert digest(through.cube) == digest(known.cube)


@pytest.mark.slow
def test_worker_processes_open_sessions_of_their_own(
    known: TinyArchive, through: TinyArchive, server: EarthEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And keep going each for itself, with faults."""
    monkeypatch.setattr(executors, "MOST_THREADS", 1)
    for number, fault in enumerate((status(429, 1), reset(), truncated())):
        server.fail("computePixels", fault, times=1, after=4 * number)
    with executor(2) as run:
        build(build_plan(str(through.recipe), through.data), run, Progress(lambda *_: None))
    assert digest(through.cube) == digest(known.cube)
    assert 2 <= len(server.asked("/algorithms")) <= 3


@pytest.mark.slow
def test_one_request_brings_all_bands_of_an_image(through: TinyArchive, server: EarthEngine) -> None:
    build_tiny(through)
    bodies = [request.json() for request in server.asked("computePixels")]
    images: Counter[str] = Counter()
    for body in bodies:
        text = json.dumps(body["expression"])
        images.update(image.id for image in server.images if image.id in text)
        assert body["fileFormat"] == "NPY" and body["grid"]["dimensions"]["width"] > 0
    scenes = {image: count for image, count in images.items() if image.startswith("NASA/HLS")}
    assert set(scenes.values()) == {1} and len(scenes) == 11
    assert images["USDA/NASS/CDL/2020"] == 6  # a block each
    assert len(server.asked("/algorithms")) == 1


@pytest.mark.slow
def test_the_plan_reckons_with_uncompressed_pixels(through: TinyArchive, server: EarthEngine) -> None:
    facts = preview(build_plan(str(through.recipe), through.data), 1).facts
    assert facts["remote"] and facts["read_megabytes"] == round(facts["block_days"] * 32**2 * 25 / 1e6, 1) > 0
    assert not server.asked("computePixels")


@pytest.mark.slow
def test_windows_that_were_dropped_are_asked_for_again(
    known: TinyArchive, through: TinyArchive, server: EarthEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(earthengine_pixels, "KEPT_BYTES", 1)
    build_tiny(through)
    assert digest(through.cube) == digest(known.cube)


@pytest.mark.slow
def test_large_windows_come_in_pieces_with_the_same_pixels(
    known: TinyArchive, through: TinyArchive, server: EarthEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(earthengine_pixels, "REQUEST_BYTES", 50_000)
    build_tiny(through)
    assert digest(through.cube) == digest(known.cube)
    for request in server.asked("computePixels"):
        size = request.json()["grid"]["dimensions"]
        assert size["width"] * size["height"] * 8 <= 50_000


@pytest.mark.slow
def test_no_answer_is_larger_than_earth_engine_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window of 63 MB of float32: the stand-in refuses what is above 48 MiB, as Earth Engine does."""
    grid = ImageGrid("EPSG:32615", (30.0, 0.0, 300000.0, 0.0, -30.0, 4700040.0), (1500, 1500))
    values = np.arange(1500**2, dtype=np.float32).reshape(1500, 1500) % 9999 * np.float32(1e-4)
    bands = {name: array_band(values, grid) for name in ("B2", "B3", "B4", "B8A", "B11", "B12")}
    image = hls_image({**bands, "Fmask": array_band(np.full((1500, 1500), 64, np.uint8), grid)})
    with serving([image], monkeypatch) as server:
        scene = earthengine._scene(image.described(), HLS_S30, HERE)
        found = EarthEngineImagery().read(scene.bands[5], (slice(0, 1500), slice(0, 1500)))
        np.testing.assert_array_equal(found, (np.arange(1500**2) % 9999).reshape(1500, 1500))
        assert len(server.asked("computePixels")) == 3
        whole = earthengine_pixels.REQUEST_BYTES * 10
        monkeypatch.setattr(earthengine_pixels, "REQUEST_BYTES", whole)
        earthengine_pixels.kept.clear()
        with pytest.raises(ReadError, match="must be less than or equal to 50331648"):
            EarthEngineImagery().read(scene.bands[5], (slice(0, 1500), slice(0, 1500)))


def test_masked_pixels_become_no_data(known: TinyArchive, server: EarthEngine) -> None:
    """Every asset of every scene, pixel by pixel, against the file: -9999 and 255 where Earth Engine masks."""
    whole = (slice(0, 128), slice(0, 128))
    files = {s.id: s for s in ArchiveImagery(known.root).search(*grid_and_period(known), HLS).scenes}
    masked = 0
    for scene in search(known):
        for asset, file in zip(
            (*scene.bands, scene.quality), (*files[scene.id].bands, files[scene.id].quality), strict=True
        ):
            found = EarthEngineImagery().read(asset, whole)
            wanted = ArchiveImagery(known.root).read(file, whole)
            assert found.dtype == wanted.dtype
            np.testing.assert_array_equal(found, wanted)
            masked += int((found == -9999).sum())
    assert masked > 1000


@pytest.mark.slow
def test_an_image_that_cannot_be_read_fails_its_day_and_nothing_else(
    known: TinyArchive, through: TinyArchive, server: EarthEngine, dataset: Callable[..., Outcome]
) -> None:
    broken = next(image for image in server.images if image.name == "T15TTG_20210615T165000")
    whole = broken.bands["B4"]
    broken.bands["B4"] = Band(whole.grid, refuse)
    outcome = dataset(through)
    assert outcome.code == 1 and "2021-06-15" in outcome.error and "User memory limit exceeded" in outcome.error
    broken.bands["B4"] = whole
    assert dataset(through).code == 0
    assert digest(through.cube) == digest(known.cube)


def refuse(rows: slice, columns: slice) -> Any:
    raise ValueError("User memory limit exceeded.")


BROKEN = "T15TTG_20210615T165000"


def for_the_broken_image(fault: Fault) -> Fault:
    return lambda request, right: fault(request, right) if BROKEN in request.body.decode() else right


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (status(429), "429"),
        (status(429, 0), "429"),
        (status(500), "500"),
        (status(503), "503"),
        (status(401), "the credentials are refused"),
        (status(403), "refuses the project"),
        (reset(), "connection"),
        (truncated(), "broke off"),
        (hang(1), "no answer in time"),
        (corrupt(), "incomplete response"),
        (corrupt(2000), "but reflectance was expected"),
        (empty(), "incomplete response"),
    ],
)
def test_a_fault_that_stays_fails_its_day_only(
    known: TinyArchive,
    through: TinyArchive,
    server: EarthEngine,
    dataset: Callable[..., Outcome],
    fault: Fault,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "TRIES", 2)
    monkeypatch.setattr(client, "DEADLINE_SECONDS", 0.3)
    server.fail("computePixels", for_the_broken_image(fault))
    outcome = dataset(through)
    assert outcome.code == 1
    for part in ("could not be read", "2021-06-15", reason, "--accept-failed"):
        assert part in outcome.error
    assert dataset(through, "--accept-failed").code == 0
    day = datetime(2021, 6, 15).date()
    assert (stored_day(through, "blocks/status", day) == 4).all()
    assert (stored_day(through, "imagery/quality", day) == 255).all()
    assert (stored_day(through, "imagery/reflectance", day) == -9999).all()
    others = {scene.day for scene in SCENES} - {day}
    for name in ("imagery/reflectance", "imagery/quality", "imagery/scene", "blocks/status"):
        for other in others:
            np.testing.assert_array_equal(stored_day(through, name, other), stored_day(known, name, other))
    server.clear_faults()
    assert dataset(through).code == 0
    assert digest(through.cube) == digest(known.cube)


def hls_image(bands: dict[str, Band]) -> Image:
    return Image("NASA/HLS/HLSS30/v002/T15TTG_20210505T170100", datetime(2021, 5, 5, 17, 1, tzinfo=UTC), bands)


def record(**changes: Any) -> dict[str, Any]:
    """The record of a sound image over the region, changed; None removes a key."""
    grid = ImageGrid("EPSG:32615", (30.0, 0.0, 250_020.0, 0.0, -30.0, 4_651_020.0), (128, 128))
    names = (*HLS_S30.bands.values(), "Fmask")
    listed = hls_image({name: array_band(np.zeros((128, 128)), grid) for name in names}).described()
    return {key: value for key, value in {**listed, **changes}.items() if value is not None}


def spoilt(**changes: Any) -> dict[str, Any]:
    """The record with a change to the grid of each band."""
    listed = record()
    for band in listed["bands"]:
        band["grid"] |= changes
    return listed


@dataclass
class Listed(Image):
    """An image that a listing describes by another record."""

    record: dict[str, Any] = field(default_factory=dict)

    def described(self) -> dict[str, Any]:
        return self.record


NAN = float("nan")
FAULTY: dict[str, dict[str, Any]] = {
    "no bands": record(bands=None),
    "bands are a number": record(bands=3),
    "bands of nulls": record(bands=[None]),
    "no grid": spoilt(affineTransform=None),
    "a list as transform": spoilt(affineTransform=[30, 0]),
    "pixels without a size": spoilt(affineTransform={"translateX": 250_020.0}),
    "pixels of NaN": spoilt(affineTransform={"scaleX": NAN, "scaleY": -30}),
    "pixels of 400 digits": spoilt(affineTransform={"scaleX": 10**400, "scaleY": -30}),
    "words in a transform": spoilt(affineTransform={"scaleX": "wide", "scaleY": -30}),
    "rotated": spoilt(affineTransform={"scaleX": 30, "scaleY": -30, "shearX": 3}),
    "no size": spoilt(dimensions={}),
    "a negative size": spoilt(dimensions={"width": -1, "height": 3}),
    "no CRS": spoilt(crsCode=None),
    "an unknown CRS": spoilt(crsCode="EPSG:1"),
    "a CRS from a file": spoilt(crsCode="+init=/etc/passwd:1"),
    "properties are a list": record(properties=[3]),
}


@pytest.mark.parametrize("kind", FAULTY)
def test_a_faulty_record_fails_its_day_alone(known: TinyArchive, server: EarthEngine, kind: str) -> None:
    """It has the name of an image of 2021-05-05, which the archive sees in three scenes."""
    wanted, name = search(known), record()["id"]
    place = [image.id for image in server.images].index(name)
    sound = server.images[place]
    server.images[place] = Listed(sound.id, sound.start, sound.bands, record=FAULTY[kind])
    scenes = search(known)
    assert len(scenes) == len(wanted)
    (faulty,) = [scene for scene in scenes if scene.fault]
    assert [scene for scene in scenes if not scene.fault] == [s for s in wanted if s.id != faulty.id]
    assert faulty.day == next(scene.day for scene in wanted if scene.id == faulty.id) and len(faulty.fault) < 400


def replaced(body: Any) -> Fault:
    """Another answer."""
    return lambda request, right: replace(right, body=json.dumps(body).encode())


@pytest.mark.parametrize(
    "answer", [{"assets": [], "nextPageToken": "0"}, {"assets": [None], "nextPageToken": "0"}, {"assets": 3}, [], None]
)
def test_a_listing_without_end_or_of_another_form_is_one_error(
    known: TinyArchive, server: EarthEngine, answer: Any
) -> None:
    server.fail("listAssets", replaced(answer))
    with pytest.raises(MmvsfError):
        search(known)


ODD_RECORDS: dict[str, Any] = {
    "null": None,
    "a number": 3,
    "nothing": {},
    "no id": {"name": 7},
    "a name that is no granule's, and no time": {"id": "NASA/HLS/HLSS30/v002/x"},
    "a moment that is none": {"id": "NASA/HLS/HLSS30/v002/T15TTG_20219999T170100", "startTime": "soon"},
}


@pytest.mark.parametrize("kind", ODD_RECORDS)
def test_a_record_without_a_day_is_reported(kind: str) -> None:
    scene = earthengine._sound_or_faulty(ODD_RECORDS[kind], HLS_S30, HERE, None)
    assert isinstance(scene, str) and len(scene) < 400


@pytest.mark.parametrize(
    ("factor", "kind"),
    [(1e4, np.float32), (1e4, np.int16), (100.0, np.float64), (1e-4, np.float64)],
    ids=["x 10000", "int16", "percent", "scaled twice"],
)
def test_another_scale_is_refused(factor: float, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = ImageGrid("EPSG:32615", (30.0, 0.0, 300000.0, 0.0, -30.0, 4700040.0), (16, 16))
    values = (np.linspace(0.01, 0.6, 256).reshape(16, 16) * factor).astype(kind)
    bands = {name: array_band(values, grid) for name in ("B2", "B3", "B4", "B8A", "B11", "B12")}
    image = hls_image({**bands, "Fmask": array_band(np.full((16, 16), 64, np.uint8), grid)})
    with serving([image], monkeypatch):
        scene = earthengine._scene(image.described(), HLS_S30, HERE)
        with pytest.raises(
            ReadError, match=r"B2 runs from .* fractions from -1 to 3.28; the scale of the collection has changed"
        ):
            EarthEngineImagery().read(scene.bands[0], (slice(0, 16), slice(0, 16)))


def sentinel_2(values: dict[str, NDArray[Any]], masks: dict[str, NDArray[np.bool_]]) -> Image:
    fine = ImageGrid("EPSG:32631", (10.0, 0.0, 500000.0, 0.0, -10.0, 5630000.0), (40, 40))
    coarse = ImageGrid("EPSG:32631", (20.0, 0.0, 500000.0, 0.0, -20.0, 5630000.0), (20, 20))
    grids = {name: fine if name in ("B2", "B3", "B4") else coarse for name in values}
    bands = {name: array_band(array, grids[name], masks.get(name)) for name, array in values.items()}
    properties = {"PRODUCT_ID": "S2A_MSIL2A_20210510T105031_N0500_R051_T31UDS_20230101T000000"}
    properties["PROCESSING_BASELINE"] = "05.00"
    name = "COPERNICUS/S2_SR_HARMONIZED/20210510T105031_20210510T105025_T31UDS"
    return Image(name, datetime(2021, 5, 10, 10, 51, 5, tzinfo=UTC), bands, properties)


def test_sentinel_2_keeps_its_two_grids(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    values: dict[str, NDArray[Any]] = {
        name: rng.integers(1, 9000, (40, 40) if name in ("B2", "B3", "B4") else (20, 20)).astype(np.uint16)
        for name in ("B2", "B3", "B4", "B8A", "B11", "B12")
    }
    values["B2"][0, :3] = 0, 65535, 7  # below the offset, saturated, masked
    mask = np.ones((40, 40), bool)
    mask[0, 2] = False
    values["SCL"] = rng.integers(0, 12, (20, 20)).astype(np.uint8)
    image = sentinel_2(values, {"B2": mask})
    with serving([image], monkeypatch) as server:
        scene = earthengine._scene(image.described(), SENTINEL_2, HERE)
        assert (scene.version, scene.offset) == ("05.00", 0) and scene.id == image.properties["PRODUCT_ID"]
        found = [EarthEngineImagery().read(a, whole_of(a)) for a in (*scene.bands, scene.quality)]
        assert len(server.asked("computePixels")) == 2
    values["B2"][0, :3] = 1, 65535, 0
    for name, array in zip(("B2", "B3", "B4", "B8A", "B11", "B12", "SCL"), found, strict=True):
        assert array.dtype == values[name].dtype
        np.testing.assert_array_equal(array, values[name])


def test_cloud_score_adds_clouds(monkeypatch: pytest.MonkeyPatch) -> None:
    """SCL becomes 9 where the score is below the threshold, and nowhere else: not where there is no score."""
    rng = np.random.default_rng(2)
    shapes = {name: (40, 40) if name in ("B2", "B3", "B4") else (20, 20) for name in ("B2", "B3", "B4", "B8A", "B11")}
    values: dict[str, NDArray[Any]] = {name: np.full(shape, 700, np.uint16) for name, shape in shapes.items()}
    values |= {"B12": values["B11"], "SCL": rng.integers(0, 12, (20, 20)).astype(np.uint8)}
    image = sentinel_2(values, {"SCL": values["SCL"] != 0})
    score, known = rng.random((20, 20), np.float32), rng.random((20, 20)) < 0.8
    name = image.id.replace("COPERNICUS/S2_SR_HARMONIZED", "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED")
    scores = Image(name, image.start, {"cs_cdf": array_band(score, image.bands["SCL"].grid, known)})
    with serving([image, scores], monkeypatch):
        scene = earthengine._scene(image.described(), SENTINEL_2, HERE, 0.6)
        assert scene.version == "05.00 with Cloud Score+ 0.6"
        found = EarthEngineImagery(0.6).read(scene.quality, whole_of(scene.quality))
        plain = EarthEngineImagery().read(scene.quality, whole_of(scene.quality))
    np.testing.assert_array_equal(plain, values["SCL"])
    wanted = np.where((score < 0.6) & known & (values["SCL"] != 0), 9, values["SCL"])
    np.testing.assert_array_equal(found, wanted)


def whole_of(asset: Any) -> tuple[slice, slice]:
    rows, columns = asset.grid.shape
    return slice(0, rows), slice(0, columns)


def test_the_listing_is_read_page_by_page_and_season_by_season(
    known: TinyArchive, server: EarthEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(earthengine_pixels, "PAGE", 2)
    assert len(search(known)) == 11
    filters = {request.query["filter"] for request in server.asked(":listAssets")}
    assert len(filters) == 2 and len(server.asked(":listAssets")) > 6
    assert any("2020-05-31" in text and "2020-07-02" in text and "intersects" in text for text in filters)
    assert any("2021-04-30" in text and "2021-07-02" in text for text in filters)


def test_nothing_found_is_said(known: TinyArchive, server: EarthEngine) -> None:
    server.images.clear()
    with pytest.raises(InputError, match="no scene of hls-l30, hls-s30 between 2020-06-01 and 2021-06-30"):
        search(known)


def test_names_of_granules() -> None:
    assert granule_time("HLS.S30.T15TVG.2022152T170100.v2.0") == datetime(2022, 6, 1, 17, 1, tzinfo=UTC)
    assert granule_time("S2A_31UDS_20210510_0_L2A") is None
    name = "NASA/HLS/HLSL30/v002/T15TVG_20220601T165012"
    assert earthengine._identity(name, {}) == ("HLS.L30.T15TVG.2022152T165012.v2.0", "v2.0")
    assert earthengine._identity("SOME/OTHER/NAME", {}) == ("NAME", "")


def test_labels_of_a_year_that_is_not_there(server: EarthEngine) -> None:
    assert EarthEngineLabels((2021,)).asset(2021).grid.shape == (128, 110)
    with pytest.raises(InputError, match="no Cropland Data Layer of 2019"):
        EarthEngineLabels((2019,)).asset(2019)


def test_classes_that_only_earth_engine_names_join_the_legend(server: EarthEngine) -> None:
    image = next(image for image in server.images if image.id == "USDA/NASS/CDL/2021")
    image.properties.update(
        cropland_class_values=[1, 252],
        cropland_class_names=["Corn", "Hemp"],
        cropland_class_palette=["ffd300", "00FF00"],
    )
    entries = {entry.code: entry for entry in EarthEngineLabels((2021,)).legend().classes}
    assert (entries[252].name, entries[252].color) == ("Hemp", "#00ff00")
    assert entries[1].color == "#ffd200", "the classes of the CDL are the project's own, whatever the source"
