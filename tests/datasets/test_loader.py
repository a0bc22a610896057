"""Samples and batches: exact pixels, training statistics, and the same sample whoever draws it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore
import torch
import zarr

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.ahead import SampleLoader
from mmvsf.datasets.samples.classes import LabelLookup, StoredClasses
from mmvsf.datasets.samples.collate import collate
from mmvsf.datasets.samples.data_module import ForecastDataModule
from mmvsf.datasets.samples.loader import (
    LONGEST_LEAD,
    ForecastSamples,
    LabelledSamples,
    SamplePlan,
    dihedral,
    season_sample,
)
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.statistics import Moments
from mmvsf.datasets.samples.windows import HISTORY, Window, index_windows
from mmvsf.datasets.storage.store import begin_read, cache_context, finish_read, open_pixels

Days = np.ndarray[Any, np.dtype[np.int32]]


@pytest.fixture(scope="module")
def reader(grown_cube: Cube) -> WindowReader:
    return WindowReader(grown_cube, Normalisation.of([grown_cube]))


def test_images_are_the_cube_s_pixels(reader: WindowReader) -> None:
    cube, normal = reader.cube, reader.normalisation
    window = index_windows(cube)["new_year"][3]
    days = window.days[[5, 1, 3]]  # any order
    images, valid = reader.images(window, days)
    tile = cube.grid.tile_of((window.row // cube.grid.block, window.column // cube.grid.block))
    imagery = cube.path / "tiles" / tile.name / "imagery"
    stored, quality = (zarr.open_array(str(imagery / name), mode="r") for name in ("reflectance", "quality"))
    top, left = tile.row * cube.grid.block, tile.column * cube.grid.block
    rows, columns = (
        slice(part.start - corner, part.stop - corner) for part, corner in zip(window.slices, (top, left), strict=True)
    )
    for place, day in enumerate(days):
        at = int(day) - cube.calendar.first_day
        seen = quality[at, rows, columns]
        assert np.array_equal(valid[place], (seen != 255) & (seen & 0b11110 == 0))
        expected = stored[at, :, rows, columns].astype(float) * 1e-4
        found = normal.reflectance(images[place])
        np.testing.assert_allclose(found[:, valid[place]], expected[:, valid[place]], atol=2e-6)
        assert not images[place][:, ~valid[place]].any()


def test_normalisation_is_that_of_training_pixels(reader: WindowReader) -> None:
    total = []
    for window in index_windows(reader.cube, min_clear=0, min_images=1)["train"]:
        images, valid = reader.images(window, window.days)
        total.append(images.transpose(1, 0, 2, 3)[:, valid])
    pixels = np.concatenate(total, 1)
    np.testing.assert_allclose(pixels.mean(1), 0, atol=2e-3)
    np.testing.assert_allclose(pixels.std(1), 1, atol=2e-3)


def test_weather_begins_on_1_october_and_has_the_cube_s_values(reader: WindowReader) -> None:
    from datetime import date

    cube = reader.cube
    cell = (cube.grid.blocks[1][0], cube.grid.blocks[1][1])
    start, series = reader.weather(cell, 2020)
    assert start == day_number(date(2019, 10, 1))
    moments = reader.normalisation.weather
    for place, name in enumerate(cube.weather):
        stored = cube.array(f"weather/{name}")[start - cube.calendar.first_day + 17, cell[0], cell[1]]
        assert series[17, place] * moments.std[place] + moments.mean[place] == pytest.approx(stored, abs=1e-4)


def test_weather_ends_with_the_year_or_with_the_period(reader: WindowReader) -> None:
    cube = reader.cube
    last_days = {year: f"{year}-12-31" for year in cube.years[:-1]} | {cube.years[-1]: str(cube.region.period.end)}
    for year, last in last_days.items():
        start, series = reader.weather(cube.grid.blocks[0], year)
        assert start + len(series) - 1 == np.datetime64(last, "D").astype(int)


def test_missing_weather_is_said(grown_cube: Cube) -> None:
    reader = WindowReader(grown_cube, Normalisation.of([grown_cube]))
    start, _ = reader.weather(grown_cube.grid.blocks[0], 2020)
    assert reader._weather is not None
    reader._weather[start - grown_cube.calendar.first_day + 40, :, 2] = np.nan
    with pytest.raises(InputError, match="weather of 2019-11-10 is missing in cell"):
        reader.weather(grown_cube.grid.blocks[0], 2020)


def test_other_bands_are_refused(grown_cube: Cube, reader: WindowReader) -> None:
    normal = reader.normalisation
    fewer = Moments(normal.bands.names[:4], normal.bands.mean[:4], normal.bands.std[:4])
    with pytest.raises(InputError, match=r"carries the bands .* the model expects blue, green, red, nir and"):
        WindowReader(grown_cube, replace(normal, bands=fewer))


def equal(a: object, b: object) -> bool:
    from dataclasses import fields, is_dataclass

    assert is_dataclass(a) and is_dataclass(b)
    for x, y in ((getattr(a, f.name), getattr(b, f.name)) for f in fields(a)):
        if x is None or y is None:
            same = x is y
        elif is_dataclass(x):
            same = equal(x, y)
        else:
            same = torch.equal(x, y) if torch.is_tensor(x) else np.array_equal(x, y)
        if not same:
            return False
    return True


def test_a_sample_depends_on_seed_and_number_alone(reader: WindowReader) -> None:
    windows = [index_windows(reader.cube)["train"]]
    samples = ForecastSamples([reader], windows, SamplePlan(images=6), 40)
    backwards = [samples[n] for n in reversed(range(20))][::-1]
    assert all(equal(samples[n], backwards[n]) for n in range(20))
    resumed = ForecastSamples([reader], windows, SamplePlan(images=6), 40, first=15)
    assert equal(resumed[0], samples[15]) and not equal(resumed[0], samples[0])
    other = ForecastSamples([reader], windows, SamplePlan(images=6, seed=1), 40)
    assert not equal(other[0], samples[0])


@pytest.mark.slow
def test_workers_change_nothing(reader: WindowReader) -> None:
    plan = SamplePlan(images=6)
    batches = [
        list(ForecastDataModule([reader], plan, batch_size=4, steps=3, workers=workers).train_dataloader())
        for workers in (0, 2)
    ]
    assert len(batches[0]) == 3
    assert all(equal(a, b) for a, b in zip(*batches, strict=True))


def test_samples_are_drawn_as_promised(reader: WindowReader) -> None:
    samples = ForecastSamples([reader], [index_windows(reader.cube)["train"]], SamplePlan(images=8), 200)
    zero = hidden = total = 0
    for sample in (samples[n] for n in range(200)):
        lead = sample.days[sample.target] - sample.days[sample.origin]
        assert ((lead >= 0) & (lead <= LONGEST_LEAD)).all()
        assert (sample.valid <= sample.clear).all() and not sample.images.transpose(0, 2, 3, 1)[~sample.clear].any()
        zero += int((lead == 0)[:-1].sum())  # the last image can only forecast itself
        hidden += int((~sample.valid.any((1, 2)) & sample.clear.any((1, 2))).sum())
        total += len(lead) - 1
    assert 0.05 < zero / total < 0.25
    assert 0.05 < hidden / total < 0.2


def test_the_longest_lead_is_trained_and_no_longer_one(reader: WindowReader) -> None:
    window = index_windows(reader.cube)["train"][0]
    for lead, target in ((LONGEST_LEAD, 1), (LONGEST_LEAD + 4, 0)):
        days = window.days[[0, list(window.days).index(window.days[0] + lead)]]
        plan = SamplePlan(lead_zero=0.0)
        samples = ForecastSamples([reader], [[replace(window, days=days)]], plan, 8)
        for sample in (samples[number] for number in range(8)):
            assert sample.target.tolist() == [target, 1]


def test_symmetries_are_the_eight_of_the_square() -> None:
    square = np.arange(9).reshape(1, 3, 3)
    assert len({dihedral(square, n).tobytes() for n in range(8)}) == 8
    assert np.array_equal(dihedral(square, 0), square)


def test_collate_pads_and_shares_weather(reader: WindowReader) -> None:
    train = index_windows(reader.cube)["train"]
    same = [window for window in train if (window.cell, window.year) == (train[0].cell, train[0].year)]
    other = next(window for window in train if window.year != train[0].year)
    long = season_sample(reader, same[0], same[0].days[:7], [(0, 3), (2, 2)])
    short = season_sample(reader, same[1], same[1].days[:4], [(1, 3)])
    batch = collate([long, short, season_sample(reader, other, other.days[:5], [(0, 1)])])
    # A target neither precedes its origin nor lies beyond the weather it needs.
    assert (batch.target_day >= batch.image_days.gather(1, batch.origin)).all()
    end = (batch.weather_start + batch.weather.shape[1])[batch.weather_index]
    assert (batch.target_day <= end[:, None]).all()
    # The first year of a cube has no season before.
    assert not len(same[0].earlier) and len(other.earlier) == HISTORY
    assert batch.images.shape[:2] == (3, 5 + HISTORY) and batch.weather.shape[0] == 2
    assert batch.image_days[2, 5:].tolist() == other.earlier.tolist() and batch.valid[2, 5:].any()
    assert batch.weather_index.tolist() == [0, 0, 1]
    assert not batch.valid[1, 4:].any() and not batch.target_valid[1, 1:].any()
    assert torch.equal(batch.target[0, 1], batch.images[0, 2])
    assert (batch.target_day[0] == torch.tensor(long.days[[3, 2]])).all()
    start = batch.weather_start[0]
    assert batch.weather.shape[1] == int((batch.image_days.amax(1) - batch.weather_start[batch.weather_index]).max())
    assert start == day_number(__import__("datetime").date(train[0].year - 1, 10, 1))


def test_collate_refuses_a_target_beyond_the_weather(reader: WindowReader) -> None:
    window = index_windows(reader.cube)["train"][0]
    sample = season_sample(reader, window, window.days, [(0, len(window.days) - 1)])
    last = int(window.days[-1]) - sample.weather_start  # a target needs the weather of the days before it
    assert collate([replace(sample, weather=sample.weather[:last])]).weather.shape[1] == last
    for days in (last - 1, 200):
        with pytest.raises(InputError, match="weather ends before"):
            collate([replace(sample, weather=sample.weather[:days])])


def test_labels_turn_with_the_images(reader: WindowReader) -> None:
    cube = reader.cube
    assert cube.legend is not None
    lookup = LabelLookup(cube.legend.codes)
    windows = index_windows(cube)["train"]
    samples = LabelledSamples(reader, windows, StoredClasses(reader, lookup), SamplePlan(images=30), 12)
    for number in range(12):
        sample = samples[number]
        assert sample.labels is not None and set(np.unique(sample.labels)) <= {0, 1, 2}
        # In this cube meadows are never bare: turned wrongly, other fields would hide among them.
        spring = sample.images[:8, 3].mean(0)
        assert sample.images.shape[-2:] == sample.labels.shape
        meadow = sample.labels == 2
        if meadow.any() and not meadow.all():
            greenest = np.where(sample.clear, sample.images[:, 3] - sample.images[:, 2], np.nan)
            early = np.nanmean(greenest[:10], 0)
            assert early[meadow].mean() > early[~meadow].mean(), spring
    assert lookup(np.array([[0, 10], [12, 999]], np.uint16)).tolist() == [[-1, 0], [2, -1]]


def test_pooled_statistics_of_equal_cubes_are_theirs(grown_cube: Cube) -> None:
    one, two = Normalisation.of([grown_cube]), Normalisation.of([grown_cube, grown_cube])
    np.testing.assert_allclose(one.bands.std, two.bands.std)
    np.testing.assert_allclose(one.weather.mean, two.weather.mean)


def test_a_batch_is_begun_as_a_whole_and_made_ahead(reader: WindowReader, monkeypatch: pytest.MonkeyPatch) -> None:
    """All windows of a batch are begun before one is waited for, and two batches before the first is asked for."""
    events: list[str] = []
    begin = WindowReader.begin_images

    def recorded(self: WindowReader, window: Window, days: Days) -> Callable[[], Any]:
        events.append("begin")
        finish = begin(self, window, days)
        return lambda: (events.append("finish"), finish())[1]

    monkeypatch.setattr(WindowReader, "begin_images", recorded)
    windows = [index_windows(reader.cube)["train"]]
    samples = ForecastSamples([reader], windows, SamplePlan(images=6, forget=1.0), 12)  # one read a window
    batches = list(SampleLoader.of(samples, 4))
    assert events == (["begin"] * 4 + ["finish"] * 4) * 3
    assert all(equal(batches[n], collate([samples[4 * n + k] for k in range(4)])) for n in range(3))


def test_an_error_while_reading_ahead_is_raised(reader: WindowReader, monkeypatch: pytest.MonkeyPatch) -> None:
    windows = [index_windows(reader.cube)["train"]]
    samples = ForecastSamples([reader], windows, SamplePlan(images=6), 12)

    def refused(self: WindowReader, window: Window, days: Days) -> Callable[[], Any]:
        raise InputError("a shard is damaged")

    monkeypatch.setattr(WindowReader, "begin_images", refused)
    with pytest.raises(InputError, match="a shard is damaged"):
        list(SampleLoader.of(samples, 4))


def test_large_windows_have_the_pixels_of_small_ones(tmp_path: Path) -> None:
    """Slices of many bytes are read in another way than small ones."""
    values = np.random.default_rng(0).integers(-9999, 9999, (40, 6, 64, 64)).astype(np.int16)
    zarr.create_array(str(tmp_path / "a"), data=values, chunks=(8, 6, 32, 32), shards=(16, 6, 64, 64))
    array = open_pixels(tmp_path, "a")
    whole = slice(0, 64)
    for days in ([3], [0, 1, 2, 39], [30, 2, 2, 17], list(range(40))):
        for leading in (
            (np.array(days), slice(None)),
            (np.array(days), slice(1, 4)),
            (np.array(days), np.array([4, 0])),
        ):
            found = finish_read(array, begin_read(array, (*leading, whole, whole)))
            assert np.array_equal(found, values[days][:, leading[1]])
    assert finish_read(array, begin_read(array, (np.array([], int), slice(None), whole, whole))).shape == (0, 6, 64, 64)
    assert np.array_equal(finish_read(array, begin_read(array, (5, slice(None), whole, whole))), values[5])


def test_chunks_of_a_large_window_are_fetched_together(tmp_path: Path) -> None:
    """One opening of the shard for all its chunks, not one for each day."""
    values = np.random.default_rng(0).integers(0, 9999, (32, 6, 64, 64)).astype(np.int16)
    zarr.create_array(str(tmp_path / "a"), data=values, chunks=(8, 6, 64, 64), shards=(32, 6, 64, 64))
    array = open_pixels(tmp_path, "a", context=cache_context(0))

    def opened() -> int:
        (metric,) = tensorstore.experimental_collect_matching_metrics("/tensorstore/kvstore/file/open_read")
        return int(metric["values"][0]["value"])

    finish_read(array, begin_read(array, (np.array([0]), *[slice(None)] * 3)))  # or there is no such metric yet
    before = opened()
    finish_read(array, begin_read(array, (np.array([1, 2, 9, 17, 30]), *[slice(None)] * 3)))
    assert opened() - before == 1
