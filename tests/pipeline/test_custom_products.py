"""Products that a recipe declares: a folder of GeoTIFFs, a folder of items and a catalogue; what cannot be read."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import yaml
from numpy.typing import NDArray

from mmvsf.datasets.cube.calendar import SHARD_DAYS, Calendar, date_of
from mmvsf.datasets.cube.cube import Cube, digest
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.product import CustomProduct
from mmvsf.datasets.recipe.region import Imagery, Period
from mmvsf.datasets.variables import BANDS_BY_NAME, REFLECTANCE_FILL
from mmvsf.pipeline.layers.imagery.convert import to_band
from mmvsf.pipeline.layers.imagery.plan import plan_scenes
from mmvsf.pipeline.layers.imagery.products import PRODUCTS
from mmvsf.pipeline.layers.imagery.table import ProductTable
from mmvsf.pipeline.raster.coverage import middle_longitude, solar_day
from mmvsf.pipeline.raster.scene import RasterGrid
from mmvsf.pipeline.sources.archive import files
from mmvsf.pipeline.sources.stac.catalogs import catalog
from mmvsf.pipeline.sources.stac.select import SceneSelection
from mmvsf.pipeline.sources.transport.http import RETRY_POLICY

from ..servers.archive import ArchiveServer
from .conftest import Outcome, build_tiny
from .tiny_archive import EAST, SCENES, TinyArchive, write_raster

BANDS = ["red", "nir", "haze"]
KEYS = {"red": "B4", "nir": "B8", "haze": "HZ"}
DAYS = ("2021-05-04", "2021-05-20", "2021-06-15")
CODES = {0: "nodata", 1: "clear", 2: "cloud", 3: ["shadow", "water"], 4: "snow"}
BITS = {0: 255, 1: 0, 2: 2, 3: 8 | 32, 4: 16, 9: 255}
"""code -> what it comes to in `imagery/quality`"""


def declared(**changes: Any) -> dict[str, Any]:
    """A product of files: floating-point percent with a temperature-like band of its own scale, and a mask of codes."""
    product: dict[str, Any] = {
        "name": "drone",
        "files": "flights/F_{date}_{band}.tif",
        "bands": {"red": "B4", "nir": "B8", "haze": {"asset": "HZ", "scale": 0.001, "offset": -1}},
        "scale": 0.01,
        "fill": "nan",
        "mask": {"asset": "QA", "codes": copy.deepcopy(CODES)},
        "resolution": 30,
        "licence": "CC-BY-4.0",
        **changes,
    }
    return {key: value for key, value in product.items() if value is not None}


def table(chosen: tuple[str, ...] = ("red", "nir", "haze"), **changes: Any) -> ProductTable:
    product = CustomProduct.model_validate(declared(**changes))
    return ProductTable.of(
        Imagery(source="archive", path="x", products=(product.name,), bands=chosen, custom=(product,))
    )


def rasters(day: str) -> tuple[dict[str, NDArray[Any]], NDArray[np.uint8]]:
    """(bands as stored, codes of the mask) of a day, on the grid of `EAST`."""
    rng, shape = np.random.default_rng(int(day.replace("-", ""))), (EAST.rows, EAST.columns)
    codes = rng.choice(np.array([0, 1, 1, 1, 1, 1, 2, 3, 4, 9], np.uint8), shape)
    bands = {
        "red": rng.uniform(1, 20, shape).astype(np.float32),
        "nir": rng.uniform(20, 60, shape).astype(np.float32),
        "haze": rng.integers(-500, 3000, shape).astype(np.int16),
    }
    bands["red"][rng.random(shape) < 0.01] = np.nan
    bands["nir"][codes == 0] = np.nan
    return bands, codes


@pytest.fixture
def flights(tiny: TinyArchive) -> TinyArchive:
    """A folder of files beside the archive, and a recipe that declares them."""
    folder = tiny.folder / "flown"
    for day in DAYS:
        bands, codes = rasters(day)
        for name, values in {**{KEYS[name]: values for name, values in bands.items()}, "QA": codes}.items():
            write_raster(folder / f"flights/F_{day.replace('-', '')}_{name}.tif", values, EAST)
    (folder / "flights/readme.txt").write_text("not a raster")
    write_raster(folder / "flights/F_20210504_B99.tif", np.zeros((4, 4), np.uint8), EAST)
    tiny.write_recipe(
        imagery__path="flown", imagery__products=["drone"], imagery__bands=BANDS, imagery__custom=[declared()],
        imagery__skip_below_clear=0, labels=None, split=None,
    )  # fmt: skip
    return tiny


def expected(day: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(bands in steps of 1e-4, quality) of a day: stored x scale + offset, in the order of the recipe."""
    bands, codes = rasters(day)
    quality = np.vectorize(BITS.get)(codes)
    scaled = [bands["red"] * 0.01, bands["nir"] * 0.01, bands["haze"] * 0.001 - 1]
    steps = [np.where(np.isfinite(v), np.rint(v.astype(float) * 1e4).clip(-9998), REFLECTANCE_FILL) for v in scaled]
    # What is clear by the mask and lacks a band has no data.
    quality = np.where((np.stack(steps) == REFLECTANCE_FILL).any(axis=0) & (quality == 0), 255, quality)
    return np.where(quality == 255, REFLECTANCE_FILL, np.stack(steps)).astype(np.int64), quality


def compare(cube: Cube, day: str) -> None:
    """The last block, whose upper left pixel is at row 44 and column 49 of the files."""
    time = cube.calendar.index(int(np.datetime64(day).astype(int)))
    rows, columns = cube.grid.block_slices(cube.grid.blocks[-1])
    part = np.s_[..., 44:76, 49:81]
    bands, quality = (values[part] for values in expected(day))
    np.testing.assert_array_equal(cube.pixels("imagery/quality").read((time, rows, columns)), quality)
    found = cube.pixels("imagery/reflectance").read((time, slice(None), rows, columns))
    assert np.abs(found - bands).max() <= 1 and (found != bands).mean() < 0.001  # halves of float32


def test_a_folder_of_files_without_items(flights: TinyArchive) -> None:
    build_tiny(flights)
    cube = Cube.open(flights.cube)
    for day in DAYS:
        compare(cube, day)
    (origin,) = [record for record in cube.attributes["sources"] if record["role"] == "imagery"]
    assert origin["licence"] == "CC-BY-4.0" and origin["processing"] == "as the recipe declares it, 30 m"
    assert set(cube.array("scenes/id")) == {f"flights/F_{day.replace('-', '')}_*.tif" for day in DAYS}


def test_the_same_product_in_items_and_in_a_catalogue(flights: TinyArchive) -> None:
    """A collection of items with the same files gives the same pixels, from a folder and from any address."""
    items = []
    for day in DAYS:
        scene = f"F_{day.replace('-', '')}"
        keys = (*KEYS.values(), "QA")
        item = json.loads(json.dumps(flights.item(SCENES[0])))
        grid = {key: item["assets"]["B02"][key] for key in ("proj:transform", "proj:shape")}
        item |= {"id": scene, "collection": "drone-flights"}
        item["properties"]["datetime"] = f"{day}T18:24:00Z"
        item["assets"] = {key: {"href": f"flights/{scene}_{key}.tif", **grid} for key in keys}
        items.append(item)
    folder = flights.folder / "flown"
    (folder / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    options = {"imagery__products": ["drone"], "imagery__bands": BANDS, "imagery__skip_below_clear": 0, "labels": None}
    product = declared(files=None, collection="drone-flights")
    flights.write_recipe(imagery__path="flown", imagery__custom=[product], **options)
    build_tiny(flights)
    compare(Cube.open(flights.cube), DAYS[0])
    whole = digest(flights.cube)
    with ArchiveServer(folder, ground=False) as server:
        flights.write_recipe(
            name="served", imagery__path=None, imagery__source="stac", imagery__catalog=server.stac_url,
            imagery__custom=[product], **options,
        )  # fmt: skip
        build_tiny(flights)
    assert digest(flights.data / "served.zarr") == whole


def test_files_of_several_bands(flights: TinyArchive, dataset: Callable[[TinyArchive], Outcome]) -> None:
    """Each band by its number; a file of which no number is given fails rather than giving its first band."""
    folder = flights.folder / "flown"
    for day in DAYS:
        bands, codes = rasters(day)
        layers = [bands["nir"] * 100, codes.astype(np.float32), bands["red"] * 100, bands["haze"].astype(np.float32)]
        path = folder / f"stack-{day}.tif"
        write_raster(path, layers[0], EAST)
        with rasterio.open(path) as file:
            profile = {**file.profile, "count": 4}
        with rasterio.open(path, "w", **profile) as file:
            file.write(np.stack(layers).astype(np.float32))
    numbered = {
        "nir": {"asset": "all", "number": 1, "scale": 1e-4},
        "red": {"asset": "all", "number": 3, "scale": 1e-4},
        "haze": {"asset": "all", "number": 4, "scale": 0.001, "offset": -1},
    }
    product = declared(
        files="stack-{date}.tif", bands=numbered, mask={"asset": "all", "number": 2, "codes": CODES}, scale=None
    )
    options = {"imagery__path": "flown", "imagery__bands": BANDS, "imagery__skip_below_clear": 0, "labels": None}
    flights.write_recipe(imagery__products=["drone"], imagery__custom=[product], **options)
    build_tiny(flights)
    compare(Cube.open(flights.cube), DAYS[1])
    product["bands"] = {**numbered, "haze": "all"}
    flights.write_recipe(name="first", imagery__products=["drone"], imagery__custom=[product], **options)
    outcome = dataset(flights)
    assert outcome.code == 1 and "has 4 bands; name one of them" in outcome.err


def test_what_a_product_says_of_its_numbers_belongs_to_the_digest() -> None:
    first = table().reading("drone")
    others = [{"scale": 0.02}, {"fill": -1}, {"mask": "none"}, {"mask": {"asset": "QA", "codes": {1: "clear"}}}]
    assert all(table(**change).reading("drone") != first for change in others)
    assert table(licence="other", files="*/F_{date}_{band}.tif").reading("drone") == first
    assert ProductTable().reading("hls-l30") == ""


def test_a_product_without_a_mask_is_clear_where_it_is_not_fill() -> None:
    product = table(("nir", "red"), mask="none", fill=0).named("drone")
    assert product.quality == ("B8",)
    stored = np.array([[0, 1], [2, 0]], np.uint16)
    assert product.decode_quality(stored).tolist() == [[255, 0], [0, 255]]
    assert product.decode_quality(np.array([np.nan, 1.0, np.inf])).tolist() == [255, 0, 255]
    assert to_band(np.array([np.nan, 0, 41.5, 1e9]), product, "nir", 0).tolist() == [-9999, -9999, 4150, 32767]
    coarse = table(("nir",), mask="none", fill="nan", bands={"nir": "N"}).named("drone")
    assert to_band(np.array([12.5, np.nan], np.float16), coarse, "nir", 0).tolist() == [1250, -9999]
    huge = table(("nir",), fill=-3.4028235e38, mask="none", bands={"nir": "N"}).named("drone")
    assert to_band(np.array([-3.4028235e38, 10], np.float32), huge, "nir", 0).tolist() == [-9999, 1000]


def test_bits_and_layouts_of_a_mask() -> None:
    product = table(mask={"asset": "QA", "bits": {0: "nodata", 3: "cloud", 9: ["shadow", "snow"]}}).named("drone")
    codes = np.array([0, 1, 8, 512, 8 + 512, 4], np.uint16)
    assert product.decode_quality(codes).tolist() == [0, 255, 2, 24, 26, 0] and product.mask_dtype is None
    scl = table(mask={"asset": "SCL_20m", "layout": "scl"}).named("drone")
    assert scl.decode_quality(np.array([4, 9], np.uint8)).tolist() == [0, 2] and scl.mask_dtype is np.uint8


IMPOSSIBLE: dict[str, tuple[dict[str, Any], str]] = {
    "a name that is taken": ({"name": "hls-l30"}, "custom declares hls-l30, which is a product already"),
    "no such band": ({"bands": {"red": "B4", "nir": "B8"}}, "imagery.bands: drone has no haze; it has nir, red"),
    "one asset for two bands": ({"bands": {"red": "B4", "nir": "B4", "haze": "HZ"}}, "B4 is named for several bands"),
    "the mask is a band": ({"mask": {"asset": "B4", "codes": CODES}}, "B4 is the asset of a band"),
    "a scale of nothing": ({"scale": 0}, "must be at least 1e-08"),
    "no fill": ({"fill": None}, "imagery.custom.0.fill: missing"),
    "no mask": ({"mask": None}, "imagery.custom.0.mask: missing"),
    "a mask of two kinds": ({"mask": {"asset": "QA", "codes": CODES, "bits": {1: "cloud"}}}, "found codes and bits"),
    "a mask of no kind": ({"mask": {"asset": "QA"}}, "takes one of layout, codes and bits; found none"),
    "a mask that is never clear": ({"mask": {"asset": "QA", "codes": {1: "cloud"}}}, "none of the codes is clear"),
    "too many stars": ({"files": "***_{date}_{band}.tif"}, "files may have at most two * in a name"),
    "a fill that is no number": ({"fill": "none"}, "imagery.custom.0.fill: takes 'nan'; found 'none'"),
    "an asset that is no text": ({"bands": {"red": 4, "nir": "B8", "haze": "HZ"}}, "imagery.custom.0.bands.red: takes"),
    "a code beyond all types": ({"mask": {"asset": "QA", "codes": {10**30: "clear"}}}, "must be at most"),
    "a clear bit": ({"mask": {"asset": "QA", "bits": {1: "clear"}}}, "a bit cannot mean clear"),
    "an unknown quality": ({"mask": {"asset": "QA", "codes": {1: "foggy"}}}, "takes 'clear', 'cloud'"),
    "a bit too many": ({"mask": {"asset": "QA", "bits": {32: "cloud"}}}, "must be at most 31"),
    "items and files": ({"collection": "x"}, "takes either collection (of STAC items) or files"),
    "a pattern without a date": ({"files": "F_{band}.tif"}, "files needs {date} once"),
    "a pattern without a band": ({"files": "F_{date}.tif"}, "files needs {band} once"),
    "a pattern with two dates": ({"files": "{date}/{date}_{band}.tif"}, "files needs {date} once"),
    "a pattern of something else": ({"files": "{tile}_{date}_{band}.tif"}, "files is a path below the folder"),
    "a pattern that leaves": ({"files": "../{date}_{band}.tif"}, "files is a path below the folder"),
    "files of no such name": ({"files": "G_{date}_{band}.tif"}, "no file below it has a name of the form G_{date}"),
    "an unknown key": ({"colour": "red"}, "imagery.custom.0.colour: unknown key; remove it or use one of name"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_impossible_products_are_refused_in_one_line(
    flights: TinyArchive, dataset: Callable[[TinyArchive], Outcome], case: str
) -> None:
    changes, words = IMPOSSIBLE[case]
    product = declared(**changes)
    name = product["name"]
    flights.write_recipe(
        imagery__path="flown", imagery__products=[name], imagery__bands=BANDS, imagery__custom=[product]
    )
    outcome = dataset(flights)
    assert outcome.code == 2 and words in outcome.error, outcome.error
    assert not flights.cube.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"imagery__custom": [declared(), declared()]}, "custom declares drone twice"),
        ({"imagery__products": ["hls-l30"]}, "custom declares drone, which products does not list"),
        ({"imagery__products": ["drone", "hls-l30"], "imagery__bands": ["red", "nir"]}, "imagery.products mixes drone"),
        ({"imagery__source": "earthengine", "imagery__path": None}, "source 'earthengine' takes no custom"),
        (
            {"imagery__source": "stac", "imagery__path": None, "imagery__catalog": "https://stac.example.org"},
            "drone is made of files, but a catalogue has items",
        ),
    ],
)
def test_recipes_that_do_not_fit_their_products(
    flights: TinyArchive, dataset: Callable[[TinyArchive], Outcome], changes: dict[str, Any], words: str
) -> None:
    options: dict[str, Any] = {
        "imagery__path": "flown", "imagery__products": ["drone"], "imagery__bands": BANDS,
        "imagery__custom": [declared()], **changes,
    }  # fmt: skip
    flights.write_recipe(**options)
    outcome = dataset(flights)
    assert outcome.code == 2 and words in outcome.error, outcome.error


@pytest.mark.parametrize(
    "address",
    [
        "http://stac.example.org", "https://", "https://me:secret@stac.example.org", "https://stac.example.org/?key=secret",
        "https://stac.example.org:x", "https://[::1", "ftp://stac.example.org", "earth",
    ],
)  # fmt: skip
def test_addresses_that_are_no_catalogue(address: str) -> None:
    with pytest.raises(InputError, match=r"imagery.catalog|no catalogue") as refused:
        catalog(address, RETRY_POLICY)
    assert "secret" not in str(refused.value)


def test_times_and_dates_in_names(tmp_path: Path) -> None:
    """Noon by the sun without a time; day of the year; other digits are no date."""
    from mmvsf.pipeline.sources.archive.files import items_of_files

    for name in ("a_2021124_B4", "b_2021-06-15_B4", "c_20219999_B4", "d_20200101_B4"):
        write_raster(tmp_path / f"{name}.tif", np.ones((4, 4), np.uint8), EAST)
    product = table(("red",), bands={"red": "B4"}, mask="none", fill=0, files="*_{date}_{band}.tif").named("drone")
    period = Period.model_validate({"start": "2021-01-01", "end": "2021-12-31"})
    items = list(items_of_files(tmp_path, product, period))
    assert [item["id"] for item in items] == ["a_2021124_*.tif", "b_2021-06-15_*.tif"]
    assert items[0]["properties"]["datetime"].startswith("2021-05-04T18:2")  # 96 degrees west
    with rasterio.open(tmp_path / "a_2021124_B4.tif") as file:
        assert items[0]["assets"]["B4"]["proj:shape"] == [file.height, file.width]


@pytest.mark.parametrize(
    ("grid", "hours"),
    [
        (RasterGrid("EPSG:32601", (30.0, 0.0, 330_000.0, 0.0, -30.0, 5_760_000.0), (10, 10)), 24),
        (RasterGrid("EPSG:32601", (3000.0, 0.0, 290_000.0, 0.0, -3000.0, 5_800_000.0), (40, 20)), 24),  # crosses 180
        (RasterGrid("EPSG:32660", (3000.0, 0.0, 650_000.0, 0.0, -3000.0, 5_800_000.0), (40, 20)), 0),  # crosses it, too
        (RasterGrid("EPSG:32631", (30.0, 0.0, 500_000.0, 0.0, -30.0, 5_600_000.0), (10, 10)), 12),
        (RasterGrid("EPSG:4326", (0.1, 0.0, 179.0, 0.0, -0.1, 52.0), (10, 18)), 0),
    ],
)
def test_the_day_of_a_name_is_that_of_the_cube_beside_180(grid: RasterGrid, hours: int) -> None:
    """The scene is stored under the day of its name, wherever its raster lies."""
    day = date(2021, 6, 15)
    moment = files._datetime(day, None, grid)
    assert abs((moment - datetime(2021, 6, 15, tzinfo=UTC)).total_seconds() / 3600 - hours) < 0.3
    assert solar_day(moment, middle_longitude(grid)) == day


@pytest.mark.parametrize("snippet", [0, 1])
def test_the_examples_of_the_documentation(snippet: int) -> None:
    text = (Path(__file__).parents[2] / "docs/sources.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(imagery:.*?)```", text, re.DOTALL)
    section = Imagery.model_validate(yaml.safe_load(blocks[snippet])["imagery"])
    (product,) = section.products
    assert list(ProductTable.of(section).named(product).bands) == list(section.bands)


def test_the_bands_of_the_documentation() -> None:
    """The table of bands is that of the products."""
    text = (Path(__file__).parents[2] / "docs/sources.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| (`[a-z_0-9`, ]+)(?::[^|]*)? \| (yes|no) \| (yes|no) \| (yes|no) \| (yes|no) \|$", text, re.M
    )
    names = {name: row[1:] for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    assert set(names) == set(BANDS_BY_NAME)
    for name, cells in names.items():
        of = (PRODUCTS[product] for product in ("hls-l30", "hls-s30", "sentinel-2-l2a", "landsat-c2-l2"))
        assert cells == tuple("yes" if name in product.bands else "no" for product in of), name


def test_a_faulty_file_fails_its_day_only(flights: TinyArchive, dataset: Callable[[TinyArchive], Outcome]) -> None:
    """One that is no raster, and one that is missing; the rest is built, and the next run tries again."""
    folder = flights.folder / "flown/flights"
    good = (folder / "F_20210504_B8.tif").read_bytes()
    (folder / "F_20210504_B8.tif").write_text("not a raster")
    (folder / "F_20210520_QA.tif").unlink()
    outcome = dataset(flights)
    assert outcome.code == 1, outcome.err
    assert "F_20210504_B8.tif" in outcome.err + outcome.out
    (folder / "F_20210504_B8.tif").write_bytes(good)
    (folder / "F_20210520_B4.tif").unlink()
    (folder / "F_20210520_B8.tif").unlink()
    (folder / "F_20210520_HZ.tif").unlink()
    assert dataset(flights).code == 0
    compare(Cube.open(flights.cube), "2021-05-04")


def composite(identity: str, **properties: Any) -> dict[str, Any]:
    """An item of a declared product of 30 m, 96 degrees west."""
    transform, shape = [30, 0, EAST.left, 0, -30, EAST.top], [EAST.rows, EAST.columns]
    grid = {"proj:code": f"EPSG:{EAST.epsg}", "proj:transform": transform, "proj:shape": shape}
    assets = {key: {"href": f"https://example.org/{identity}_{key}.tif"} for key in (*KEYS.values(), "QA")}
    return {"id": identity, "collection": "daily", "properties": {**grid, **properties}, "assets": assets}


def planned(*items: dict[str, Any]) -> dict[str, date]:
    """The scenes of some items that a cube takes, with their days."""
    grid = Grid(f"EPSG:{EAST.epsg}", 30.0, EAST.left, EAST.top, 1, 1, 32, 32, 32, ((0, 0),))
    product = table(collection="daily", files=None).named("drone")
    period = Period.model_validate({"start": "2021-07-04", "end": "2021-07-31"})
    selection = SceneSelection(grid, period, [product])
    for item in items:
        selection.take(item, lambda href: href, lambda *_: pytest.fail("the header is not needed"))
    found = selection.found("the archive")
    calendar = Calendar(found.scenes[0].day // SHARD_DAYS * SHARD_DAYS, 2)
    return {scene.id: date_of(scene.day) for scene in plan_scenes(found.scenes, grid, calendar, 0.0).scenes}


@pytest.mark.parametrize(
    "properties",
    [
        {"datetime": "2021-07-04T00:00:00Z"},
        {"datetime": "2021-07-04"},
        {"datetime": None, "start_datetime": "2021-07-04T00:00:00Z", "end_datetime": "2021-07-04T23:59:59Z"},
        {"datetime": None, "start_datetime": "2021-07-04T00:00:00Z", "end_datetime": "2021-07-11T23:59:59Z"},
        {"datetime": None, "start_datetime": "2021-07-04T00:05:00Z", "end_datetime": "2021-07-04T23:55:00Z"},
        {"datetime": "2021-07-04T17:01:00Z"},
        {"datetime": "2021-07-05T02:00:00Z"},  # 19:36 by the sun
    ],
)
def test_an_item_that_says_a_date_is_of_that_date(properties: dict[str, Any]) -> None:
    """Also in the west, where midnight in Greenwich is in the evening before, and outside of the period."""
    assert planned(composite("a", **properties)) == {"a": date(2021, 7, 4)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"platform": "terra", "updated": "2021-07-14T01:00:00Z"}, {"platform": "aqua", "updated": "2021-07-15"}),
        ({"platform": "terra", "processing:version": "6"}, {"platform": "aqua", "processing:version": "61"}),
        ({"updated": "2021-07-14T01:00:00Z"}, {"updated": "2021-07-14T05:00:00Z"}),  # two flights of a day
        ({}, {}),
    ],
)
def test_different_scenes_are_no_versions_of_each_other(one: dict[str, Any], other: dict[str, Any]) -> None:
    items = (composite(name, datetime="2021-07-04", **more) for name, more in (("a", one), ("b", other)))
    assert planned(*items) == {"a": date(2021, 7, 4), "b": date(2021, 7, 4)}


def test_of_two_versions_that_say_so_the_newer_is_taken() -> None:
    items = (composite(f"v{n}", datetime="2021-07-04", **{"processing:version": n}) for n in ("2.9", "2.10"))
    assert list(planned(*items)) == ["v2.10"]
