import hashlib
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.warp import transform
from shapely.geometry import shape

from mmvsf.pipeline.sandbox.archive import simulate
from mmvsf.pipeline.sandbox.scenes import ASSETS, NODATA
from mmvsf.pipeline.sandbox.spec import Site, WorldSpec
from mmvsf.pipeline.sandbox.world import truth

pytestmark = pytest.mark.slow


def small_site(x: int) -> Site:
    return Site("alone", GeoBox((16, 16), Affine(30, 0, x, 0, -30, 4650000), "EPSG:32615"))


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def features(root: Path) -> list[dict]:
    return json.loads((root / "items.json").read_text())["features"]


def read(root: Path, item: dict, asset: str) -> np.ndarray:
    with rasterio.open(root / item["assets"][asset]["href"]) as file:
        return file.read(1)


def centres(item: dict, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    _, _, left, _, _, top = item["assets"]["Fmask"]["proj:transform"]
    return left + 30 * (columns + 0.5), top - 30 * (rows + 0.5)


def test_bytes_do_not_depend_on_workers(archive, spec, sites, tmp_path):
    steps = []
    simulate(spec, sites, tmp_path / "again", workers=2, progress=lambda done, total: steps.append((done, total)))
    assert digests(tmp_path / "again") == digests(archive)
    assert steps == [(n, 4) for n in (1, 2, 3, 4)]  # two tiles, two years


def test_another_seed_gives_another_world(archive, spec, tmp_path):
    here = [small_site(250020)]
    for seed in (1, 2):
        simulate(WorldSpec(seed, 2021, 2021), here, tmp_path / str(seed), workers=1)
    one, two = (digests(tmp_path / str(seed)) for seed in (1, 2))
    assert one["weather/daily.nc"] != two["weather/daily.nc"]
    assert one["labels/crop_2021.tif"] != two["labels/crop_2021.tif"]
    assert one["labels/legend.csv"] == two["labels/legend.csv"]


def test_a_finished_archive_is_left_alone_and_another_replaced(tmp_path):
    here, root = [small_site(250020)], tmp_path / "archive"
    simulate(WorldSpec(1, 2021, 2021), here, root, workers=1)
    before = (root / "items.json").stat()
    simulate(WorldSpec(1, 2021, 2021), here, root, workers=1)
    assert (root / "items.json").stat().st_ino == before.st_ino
    simulate(WorldSpec(1, 2021, 2021, crop_dose=0.5), here, root, workers=1)
    assert json.loads((root / "world.json").read_text())["spec"]["crop_dose"] == 0.5
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_a_folder_of_something_else_is_not_touched(tmp_path, spec, sites):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="not empty"):
        simulate(spec, sites, tmp_path, workers=1)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_full_disk_is_an_error(tmp_path):
    """A limit on the size of files stands in for the disk. GDAL alone would log it and go on."""
    script = """
import resource, sys
from pathlib import Path
from affine import Affine
from odc.geo.geobox import GeoBox
from mmvsf.pipeline.sandbox.spec import Site, WorldSpec
from mmvsf.pipeline.sandbox.world import truth
from mmvsf.pipeline.sandbox.scenes import TileYear, write_tile_year
from mmvsf.pipeline.sandbox.tiles import TILES

site = Site("alone", GeoBox((64, 64), Affine(30, 0, 250020, 0, -30, 4650000), "EPSG:32615"))
spec = WorldSpec(1, 2021, 2021)
worlds = tuple(truth(spec, [site]).values())
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
try:
    write_tile_year(TileYear(spec, TILES[1], 2021, worlds, Path(sys.argv[1])))
except OSError as error:
    print(error.strerror)
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "File too large"


def test_a_site_off_both_tiles_is_refused(tmp_path, spec):
    tile = "15TTG at longitudes -96.65 to -95.28 and latitudes 41.41 to 42.43"
    with pytest.raises(ValueError, match=f"no tile covers these sites: alone; .*{tile}"):
        simulate(spec, [small_site(320010)], tmp_path / "archive", workers=1)


def test_items_are_valid_and_describe_their_files(archive):
    items = pystac.ItemCollection.from_dict(json.loads((archive / "items.json").read_text()))
    assert len({item.id for item in items}) == len(items) > 100
    assert {item.collection_id for item in items} == {"hls2-l30", "hls2-s30"}
    for item in list(items)[::23]:
        assert item.id.split(".")[3] == item.datetime.strftime("%Y%jT%H%M%S")
        assert set(item.assets) == {*ASSETS[item.id.split(".")[1]], "Fmask"}
        for asset in item.assets.values():
            with rasterio.open(archive / asset.href) as file:
                assert file.crs == rasterio.CRS.from_string(item.properties["proj:code"])
                assert list(file.transform)[:6] == asset.extra_fields["proj:transform"]
                assert list(file.shape) == asset.extra_fields["proj:shape"] == [3660, 3660]
                band = asset.extra_fields["raster:bands"][0]
                assert (file.dtypes[0], file.nodata) == (band["data_type"], band["nodata"])
                assert file.scales[0] == band.get("scale", 1.0)


def test_pixels_lie_inside_the_footprint_of_their_item(archive):
    for item in features(archive)[::23]:
        rows, columns = np.nonzero(read(archive, item, "Fmask") != 255)
        x, y = centres(item, rows[::40], columns[::40])
        lon, lat = transform(item["properties"]["proj:code"], "EPSG:4326", x, y)
        outline = shape(item["geometry"]).buffer(3e-4)  # a pixel
        assert all(outline.contains(shape({"type": "Point", "coordinates": p})) for p in zip(lon, lat, strict=True))


def test_mask_is_fill_exactly_where_bands_are(archive):
    values = set()
    for item in features(archive)[::29]:
        fmask = read(archive, item, "Fmask")
        values |= set(np.unique(fmask).tolist())
        for key in ASSETS[item["id"].split(".")[1]]:
            band = read(archive, item, key)
            assert ((band == NODATA) == (fmask == 255)).all()
            assert (band[fmask != 255] > -501).all()
    # Aerosol level in bits 6-7; cloud, adjacent, shadow in bits 1-3 (cloud excludes both); the rest unused.
    legal = {level << 6 | state for level in range(4) for state in (0, 2, 4, 8, 12)}
    assert values <= legal | {255}
    assert {255} < values


def test_only_the_sites_are_written(archive, sites):
    item = next(item for item in features(archive) if "T15TTG" in item["id"])
    rows, columns = np.nonzero(read(archive, item, "Fmask") != 255)
    x, y = centres(item, rows, columns)
    inside = np.zeros(x.shape, dtype=bool)
    for site in sites:
        box = site.geobox.boundingbox
        dx, dy = np.abs(x - (box.left + box.right) / 2), np.abs(y - (box.bottom + box.top) / 2)
        inside |= np.maximum(dx, dy) < 16 * 30 + 31  # one pixel of margin
    assert inside.all()
    assert (archive / item["assets"]["Fmask"]["href"]).stat().st_size < 30_000


def test_the_directory_of_a_scene_file_comes_before_its_data(archive):
    """So a reader over HTTP learns everything from the first bytes, as with any Cloud-Optimized GeoTIFF."""
    path = archive / features(archive)[0]["assets"]["Fmask"]["href"]
    first_directory = struct.unpack("<I", path.read_bytes()[4:8])[0]
    assert path.read_bytes()[:4] == b"II*\x00"
    assert first_directory < 200


def test_overlap_is_seen_on_one_day_by_both_tiles_and_by_both_sensors(archive):
    seen = {(item["properties"]["datetime"][:10], *item["id"].split(".")[1:3]) for item in features(archive)}
    assert any((day, sensor, "T14TPM") in seen for day, sensor, tile in seen if tile == "T15TTG")
    assert any((day, "L30", tile) in seen for day, sensor, tile in seen if sensor == "S30")


def test_weather_file_says_what_it_holds(archive):
    with xr.open_dataset(archive / "weather" / "daily.nc", engine="h5netcdf") as weather:
        assert weather.sizes["time"] == 92 + 365 + 365
        assert str(weather.time.values[0])[:10] == "2020-10-01"
        assert weather.attrs["day_ends_utc_hour"] == 6
        units = {name: (array.dtype, array.attrs["units"]) for name, array in weather.data_vars.items()}
        assert units == {
            "tmin": ("float32", "degree_Celsius"),
            "tmax": ("float32", "degree_Celsius"),
            "precipitation": ("float32", "mm"),
            "radiation": ("float32", "MJ m-2"),
            "vpd": ("float32", "kPa"),
            "wind": ("float32", "m s-1"),
        }


def test_the_ground_is_that_of_the_fields(archive, spec, sites):
    """Soil water is one number a field, the one that its crops draw from; hills are gentle; off the sites all is
    unknown."""
    layers = {}
    for name in ("elevation", "soil_water"):
        with (
            rasterio.open(archive / f"ground/{name}.tif") as file,
            rasterio.open(archive / "labels/crop_2021.tif") as crop,
        ):
            assert (file.crs, file.transform, file.shape) == (crop.crs, crop.transform, crop.shape)
            layers[name], known = file.read(1, masked=True), crop.read(1) > 0
            np.testing.assert_array_equal(~layers[name].mask, known)
    capacities = np.concatenate([world.field_map.water_capacity for world in truth(spec, sites).values()])
    assert np.isin(layers["soil_water"].compressed(), capacities.astype(np.float32)).all()
    heights = layers["elevation"].compressed()
    assert 250 < heights.min() < heights.max() < 500 and np.ptp(heights) > 10


def test_files_follow_the_umask(archive):
    umask = os.umask(0)
    os.umask(umask)
    assert {path.stat().st_mode & 0o777 for path in archive.rglob("*") if path.is_file()} == {0o666 & ~umask}
