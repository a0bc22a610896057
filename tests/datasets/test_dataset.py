"""The public data set: values worked out by hand, windows of any size, and the same samples however they are read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch.utils.data import DataLoader

import mmvsf
from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.region import Period
from mmvsf.datasets.samples import dataset as dataset_module
from mmvsf.datasets.samples.composites import spans
from mmvsf.datasets.samples.indices import INDICES
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import Window, index_windows
from mmvsf.datasets.storage.location import location
from mmvsf.datasets.storage.object_path import ObjectPath
from tests.cubes import CubeBuilder
from tests.servers.s3 import S3

Array = np.ndarray[Any, np.dtype[Any]]


def pixels(cube: Cube, sample: dict[str, Any]) -> tuple[Array, Array, Array]:
    """Days, reflectance (time, band, y, x) as float64 and clear pixels (time, y, x) of a sample's window in its season,
    read through xarray."""
    row, column, size = sample["window"].tolist()
    window = {"y": slice(row, row + size), "x": slice(column, column + size)}
    imagery = cube.sel("imagery").isel(window)
    imagery = imagery.isel(time=np.flatnonzero(cube.season_of_day == sample["year"]))
    reflectance, quality = imagery.reflectance.values.astype(float), imagery.quality.values
    clear = (quality != 255) & ((quality.astype(int) & 0b11110) == 0) & np.isfinite(reflectance).all(1)
    return imagery.time.values.astype("datetime64[D]").astype(int), reflectance, clear


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two samples, or two batches, are equal."""
    equal = (torch.equal(a[k], b[k]) if torch.is_tensor(a[k]) else a[k] == b[k] for k in a)
    return a.keys() == b.keys() and all(equal)


def test_a_season_has_the_images_of_the_cube(grown_cube: Cube) -> None:
    train = mmvsf.dataset(grown_cube, size=16)
    windows = index_windows(grown_cube)["train"]
    assert len(train) == len(windows)
    places = {(*sample["window"][:2].tolist(), sample["year"]) for sample in DataLoader(train, None)}
    assert places == {(window.row, window.column, window.year) for window in windows}
    sample = train[3]
    days, reflectance, clear = pixels(grown_cube, sample)
    count = int(sample["valid"].any(2).any(1).sum())
    dates = sample["dates"].numpy()
    at = np.searchsorted(days, dates[:count])
    assert count > 20 and np.array_equal(days[at], dates[:count])
    assert np.array_equal(sample["valid"][:count].numpy(), clear[at]) and not sample["valid"][count:].any()
    assert (dates[count:] == dates[count - 1]).all()
    expected = np.where(clear[at][:, None], reflectance[at], 0)
    np.testing.assert_allclose(sample["images"][:count], expected, atol=1e-7)


def test_a_month_is_the_median_of_its_clear_pixels(grown_cube: Cube) -> None:
    train = mmvsf.dataset(grown_cube, size=16, composite="month", bands=("red", "ndvi", "nir"))
    sample = train[5]
    days, reflectance, clear = pixels(grown_cube, sample)
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(int) % 12 + 1
    red, nir = (np.where(clear, reflectance[:, grown_cube.bands.index(name)], np.nan) for name in ("red", "nir"))
    ndvi = np.where(red + nir > 0, (nir - red) / (nir + red), np.nan)
    assert sample["images"].shape == (7, 3, 16, 16)
    for place, month in enumerate(range(4, 11)):
        assert sample["dates"][place] == day_number(date(sample["year"], month, 1))
        seen = clear[months == month].any(0)
        assert np.array_equal(sample["valid"][place].numpy(), seen) and seen.any()
        for channel, values in enumerate((red, ndvi, nir)):
            with np.errstate(all="ignore"):
                expected = np.nanmedian(values[months == month][:, seen], axis=0)
            np.testing.assert_allclose(sample["images"][place, channel][seen], expected, atol=1e-6)
            assert not sample["images"][place, channel][~seen].any()


def test_spans_cover_a_season_in_every_year() -> None:
    period = Period.model_validate({"start": "2019-01-01", "end": "2022-12-31", "season": {"from": "10-15"}})
    for year in (2019, 2020):
        season = period.season.season(year)
        for composite, count in (("season", 1), ("month", 13), (1, 365), (10, 37), (73, 5), (365, 1), (400, 1)):
            parts = spans(period, year, composite)  # type: ignore[arg-type]
            assert len(parts) == count
            assert (parts[0][0], parts[-1][1]) == (season.first_number, season.last_number)
            assert all(after[0] == before[1] + 1 for before, after in pairwise(parts))
    summer = Period.model_validate({"start": "2019-05-01", "end": "2020-12-31", "months": [6, 7]})
    first = day_number(date(2020, 6, 1))
    assert spans(summer, 2020, "month") == [(first, first + 29), (first + 30, first + 60)]
    assert [day for day, _ in spans(summer, 2019, 16)] == [day_number(date(2019, 1, 1)) + 16 * n for n in range(9, 14)]


def test_indices_are_their_formulas() -> None:
    bands = {"blue": 0.04, "green": 0.08, "red": 0.05, "rededge1": 0.12, "nir": 0.4, "swir1": 0.2, "swir2": 0.1}
    expected = {
        "ndvi": 0.35 / 0.45, "gndvi": 0.32 / 0.48, "ndre": 0.28 / 0.52, "ndwi": -0.32 / 0.48, "mndwi": -0.12 / 0.28,
        "ndmi": 0.2 / 0.6, "nbr": 0.3 / 0.5, "ndti": 0.1 / 0.3, "savi": 1.5 * 0.35 / 0.95,
        "evi": 2.5 * 0.35 / (0.4 + 0.3 - 0.3 + 1), "evi2": 2.5 * 0.35 / (0.4 + 0.12 + 1),
    }  # fmt: skip
    assert expected.keys() == INDICES.keys()
    for name, index in INDICES.items():
        values = index(*(np.array([bands[band]], np.float32) for band in index.bands))
        assert values[0] == pytest.approx(expected[name], abs=1e-6), name
    dark = np.array([0.0, -0.01], np.float32)
    assert np.isnan(INDICES["ndvi"](dark, dark)).all()


def test_weather_label_and_place_are_those_of_the_cube(grown_cube: Cube) -> None:
    train = mmvsf.dataset(grown_cube, size=8, years=[2020])
    sample = train[17]
    row, column, size = sample["window"].tolist()
    crop = grown_cube.sel("labels").crop.isel(season=1, y=slice(row, row + size), x=slice(column, column + size))
    assert train.classes == ("early", "late", "meadow") and np.array_equal(sample["label"] + 10, crop.values)
    half = grown_cube.grid.resolution / 2
    left, bottom, right, top = sample["bounds"].tolist()
    assert (left + half, right - half) == (crop.x.values[0], crop.x.values[-1])
    assert (top - half, bottom + half) == (crop.y.values[0], crop.y.values[-1])
    assert sample["crs"] == "EPSG:32615" and sample["year"] == 2020
    assert grown_cube.grid.block_named(sample["block"]) == (row // 32, column // 32)
    cell = grown_cube.grid.weather_cell_of(row + 4, column + 4)
    first = day_number(date(2019, 10, 1))
    assert sample["weather_dates"][0] == first and sample["weather_valid"].sum() == 92 + 366
    for place, name in enumerate(grown_cube.weather):
        stored = grown_cube.array(f"weather/{name}")[first - grown_cube.calendar.first_day :, *cell]
        assert np.array_equal(sample["weather"][:366, place].numpy(), stored[:366])


def test_a_forecast_sees_nothing_of_later_days(grown_cube: Cube) -> None:
    forecasts = mmvsf.dataset(grown_cube, "test", size=16, lead=12, images=6)
    assert {sample["year"] for sample in (forecasts[0], forecasts[len(forecasts) - 1])} == {2019, 2021}
    for number in (0, len(forecasts) // 2, -1):
        sample = forecasts[number]
        target = sample["target_date"]
        assert 12 <= target - int(sample["dates"].max()) <= 80
        assert int(sample["weather_dates"][sample["weather_valid"]][-1]) == target - 1
        assert not sample["weather"][sample["weather_dates"] >= target].any()
        days, reflectance, clear = pixels(grown_cube, sample)
        at = int(np.flatnonzero(days == target)[0])
        assert np.array_equal(sample["target_valid"].numpy(), clear[at])
        np.testing.assert_allclose(sample["target"], np.where(clear[at], reflectance[at], 0), atol=1e-7)
    with pytest.raises(IndexError):
        forecasts[len(forecasts)]


def test_normalised_samples_are_those_of_the_model(grown_cube: Cube) -> None:
    train = mmvsf.dataset(grown_cube, size=16, normalise=True, bands=("nir", "ndvi"))
    sample, plain = train[2], mmvsf.dataset(grown_cube, size=16, bands=("nir", "ndvi"))[2]
    reader = WindowReader(grown_cube, Normalisation.of([grown_cube]))
    window = train.windows[2]
    images, _ = reader.images(window, window.days)
    count = len(window.days)
    np.testing.assert_allclose(sample["images"][:count, 0], images[:, 3], atol=1e-5)
    assert torch.equal(sample["images"][:, 1], plain["images"][:, 1])
    _, weather = reader.weather(window.cell, window.year)
    np.testing.assert_allclose(sample["weather"][sample["weather_valid"]], weather, atol=1e-4)


@pytest.mark.parametrize(
    ("size", "stride", "count"), [(16, None, 4), (10, None, 9), (32, None, 1), (24, 4, 9), (1, 8, 16)]
)
def test_windows_of_any_size_lie_in_their_split(grown_cube: Cube, size: int, stride: int | None, count: int) -> None:
    train = mmvsf.dataset(grown_cube, size=size, stride=stride, min_clear=0, min_images=1)
    assert len(train) == count * 2 * 2  # windows of a block, sites, years
    split = grown_cube.array("chunks/split").repeat(16, 0).repeat(16, 1)
    assert all((split[window.slices] == 1).all() and window.year != 2021 for window in train.windows)
    sample = train[len(train) - 1]
    assert sample["images"].shape[-2:] == sample["label"].shape == (size, size)
    days, reflectance, clear = pixels(grown_cube, sample)
    at = np.searchsorted(days, train.windows[-1].days)
    np.testing.assert_allclose(sample["images"][: len(at)], np.where(clear[at][:, None], reflectance[at], 0), atol=1e-7)


def test_a_day_counts_by_the_clear_share_of_a_window(grown_cube: Cube) -> None:
    window = mmvsf.dataset(grown_cube, size=32, min_clear=60).windows[0]
    share = grown_cube.array("chunks/clear_fraction")[:, *(slice(s.start // 16, s.stop // 16) for s in window.slices)]
    days = grown_cube.calendar.days[(grown_cube.season_of_day == window.year) & (share != 255).all((1, 2))]
    clear = share[days - grown_cube.calendar.first_day].mean((1, 2)) >= 60
    assert np.array_equal(window.days, days[clear]) and 0 < clear.sum() < len(clear)


def test_splits_are_apart_and_all_is_all(grown_cube: Cube) -> None:
    def places(split: str) -> set[tuple[int, int, int]]:
        windows = mmvsf.dataset(grown_cube, split, min_clear=0).windows
        return {(window.row, window.column, window.year) for window in windows}

    test = places("new_place") | places("new_year") | places("both")
    assert places("test") == test and not test & places("train")
    assert places("all") == test | places("train") and len(places("all")) == 3 * 3 * 4


def test_shuffles_of_a_seed_are_equal(grown_cube: Cube) -> None:
    train = mmvsf.dataset(grown_cube, size=16, composite="season")

    def order(seed: int) -> list[int]:
        loader = DataLoader(train, 3, shuffle=True, generator=torch.Generator().manual_seed(seed))
        return [int(place) for batch in loader for place in batch["window"][:, 0] * 100 + batch["window"][:, 1]]

    assert order(0) == order(0) != order(1)


def test_reads_ahead_are_bounded(grown_cube: Cube, monkeypatch: pytest.MonkeyPatch) -> None:
    train = mmvsf.dataset(grown_cube, size=16)
    open_reads = most = 0
    begin = WindowReader.begin_stored

    def counted(self: WindowReader, window: Window, days: Array) -> Callable[[], Any]:
        nonlocal open_reads, most
        open_reads += 1
        most = max(most, open_reads)
        finish = begin(self, window, days)

        def finished() -> Any:
            nonlocal open_reads
            open_reads -= 1
            return finish()

        return finished

    monkeypatch.setattr(WindowReader, "begin_stored", counted)
    bytes_of_sample = (train[0]["images"].shape[0] + 1) * 16 * 16 * (2 * 6 + 1)
    for limit, expected in ((2**28, 8), (3 * bytes_of_sample, 3), (1, 1)):
        monkeypatch.setattr(dataset_module, "AHEAD_BYTES", limit)
        most = 0
        samples = train.__getitems__(range(8))
        assert most == expected
        assert all(same(samples[number], train[number]) for number in range(8))


WORKERS = """
import sys
import mmvsf
from torch.utils.data import DataLoader
from mmvsf.datasets.errors import InputError


def sums(how):
    workers = {"num_workers": 1, "multiprocessing_context": how, "timeout": 100} if how else {}
    loader = DataLoader(train, 4, **workers)
    return [batch["images"].double().sum().item() for batch in loader]


if __name__ == "__main__":
    train = mmvsf.dataset(mmvsf.open_cube(sys.argv[1]), size=16, composite="month")
    forked, here = sums("fork"), sums(None)
    try:
        sums("fork")
    except InputError as error:
        assert "multiprocessing_context='spawn'" in str(error).splitlines()[-1]
    else:
        raise AssertionError("a forked worker used the threads of its parent")
    assert forked == here == sums("spawn")
"""


@pytest.mark.slow
def test_forked_and_spawned_workers_change_nothing(grown_cube: Cube, tmp_path: Path) -> None:
    script = tmp_path / "workers.py"
    script.write_text(WORKERS)
    arguments = [sys.executable, str(script), str(grown_cube.path)]
    ended = subprocess.run(arguments, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr[-3000:]


@pytest.fixture(scope="module")
def bucket(grown_cube: Cube) -> Iterator[ObjectPath]:
    """The cube in a bucket."""
    with S3() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment().items():
            patch.setenv(name, value)
        target = location("s3://cubes/grown.zarr")
        assert isinstance(target, ObjectPath) and isinstance(grown_cube.path, Path)
        for path in grown_cube.path.rglob("*"):
            if path.is_file():
                (target / str(path.relative_to(grown_cube.path))).write_bytes(path.read_bytes())
        yield target


@pytest.mark.slow
@pytest.mark.stand_in
def test_a_bucket_gives_the_same_samples(grown_cube: Cube, bucket: ObjectPath) -> None:
    options: dict[str, Any] = {"size": 32, "composite": "month", "bands": ("nir", "ndvi")}
    ours, theirs = (mmvsf.dataset(cube, **options) for cube in (grown_cube, str(bucket)))
    batches = (next(iter(DataLoader(samples, len(samples)))) for samples in (ours, theirs))
    assert len(ours) == 4 and same(*batches)


@pytest.mark.slow
@pytest.mark.stand_in
def test_a_bucket_is_refused_after_a_fork(bucket: ObjectPath) -> None:
    assert bucket.exists()
    if (child := os.fork()) == 0:
        try:
            Cube.open(bucket)
        except InputError:
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_tree_of_another_origin_is_refused(grown_cube: Cube) -> None:
    assert len(mmvsf.dataset(mmvsf.open_cube(grown_cube.path))) == len(mmvsf.dataset(str(grown_cube.path)))
    with pytest.raises(InputError, match=r"mmvsf\.open_cube"):
        mmvsf.dataset(xr.DataTree())


@pytest.mark.parametrize(
    ("split", "options", "message"),
    [
        ("training", {}, "there is no split 'training'; choose one of train, validation"),
        ("validation", {}, "no square of 16 pixels of the split validation"),
        ("train", {"size": 0}, "size=0: it must be at least 1"),
        ("train", {"size": 1000}, "size=1000: "),
        ("train", {"size": 33}, "take smaller windows"),
        ("train", {"bands": ("red", "ndre")}, "ndre is made from rededge1, which"),
        ("train", {"bands": ("ndvy",)}, "no band 'ndvy', and there is no index of that name; its bands are blue"),
        ("train", {"bands": ()}, "bands is empty"),
        ("train", {"composite": "week"}, "composite='week': choose 'month', 'season' or a number of days"),
        ("train", {"composite": 0}, "composite=0: choose"),
        ("train", {"composite": "month", "lead": 10}, "composite cannot be combined with lead or images"),
        ("train", {"lead": 81}, "reach at most 80 days"),
        ("train", {"years": [2030]}, "has no season 2030; it has 2019, 2020, 2021"),
        ("train", {"targets": ["yield"]}, "has no targets yield; it has none"),
        ("train", {"min_clear": 101}, "min_clear=101: it must be a percentage"),
    ],
)
def test_what_does_not_fit_is_refused(grown_cube: Cube, split: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        mmvsf.dataset(grown_cube, split, **options)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_cube_without_weather_or_labels(tmp_path: Path) -> None:
    cube = CubeBuilder(sites=2, years=(2020,), test_sites=0, test_years=(), labels=False, variables=()).write(
        tmp_path / "bare.zarr"
    )
    sample = mmvsf.dataset(cube)[0]
    assert not {"weather", "label", "targets", "target"} & sample.keys()


def test_damage_is_raised(grown_cube: Cube, tmp_path: Path) -> None:
    shutil.copytree(str(grown_cube.path), tmp_path / "cube.zarr")
    train = mmvsf.dataset(tmp_path / "cube.zarr", size=16)
    for shard in (tmp_path / "cube.zarr").rglob("imagery/reflectance/c/*/0/*/*"):
        shard.unlink()
    with pytest.raises(InputError, match="is missing although the manifest lists it"):
        train[0]
