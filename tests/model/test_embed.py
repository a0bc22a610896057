"""The embeddings of a cube: what they may depend on, that they lie where they should, and that a run goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.reader import Normalisation
from mmvsf.datasets.samples.windows import chunk_window, clear_days
from mmvsf.model.embed import run as module
from mmvsf.model.embed.network import NetworkEncoder, embedding_sample
from mmvsf.model.embed.run import embed
from mmvsf.model.embed.seasons import plan_seasons
from mmvsf.model.mmvsf.checkpoint import Checkpoint, load_checkpoint, new_network, save_checkpoint
from mmvsf.model.mmvsf.sizes import NetworkConfig


@pytest.fixture(scope="module")
def where(grown_cube: Cube, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with random weights."""
    folder = tmp_path_factory.mktemp("model")
    normalisation = Normalisation.of([grown_cube])
    config = NetworkConfig(grown_cube.bands, grown_cube.weather, width=16, heads=2, mlp=32, weather_width=16, patch=4)
    save_checkpoint(folder, new_network(config, normalisation), normalisation, [grown_cube], {"objective": "mm-vsf"})
    return folder


@pytest.fixture
def checkpoint(where: Path) -> Checkpoint:
    return load_checkpoint(where)


@pytest.fixture
def encoder(grown_cube: Cube, checkpoint: Checkpoint, where: Path) -> NetworkEncoder:
    return NetworkEncoder.of(grown_cube, checkpoint, where)


@pytest.mark.slow
def test_a_season_is_the_mean_of_its_days(grown_cube: Cube, encoder: NetworkEncoder, tmp_path: Path) -> None:
    yearly = xr.open_dataset(embed(grown_cube, encoder, tmp_path / "a.zarr"), engine="zarr")
    daily = xr.open_dataset(embed(grown_cube, encoder, tmp_path / "b.zarr", every=10), engine="zarr")
    assert yearly.embedding.dims == ("year", "y", "x", "feature") and yearly.embedding.shape[-1] == 16
    assert daily.embedding.dims[0] == "time" and daily.time.dtype.kind == "M"
    mean = daily.embedding.astype(np.float32).groupby("time.year").mean("time")
    np.testing.assert_allclose(yearly.embedding, mean, atol=4e-3, equal_nan=True)
    inside = np.kron(grown_cube.grid.block_mask(), np.ones((8, 8))) > 0
    assert (np.isfinite(yearly.embedding).all("feature") == inside).all()
    assert (np.isfinite(daily.embedding).all("feature") == (daily.images > 0)).all()
    assert set(daily.time.dt.month.values.tolist()) <= {4, 5, 6, 7, 8, 9, 10}


@pytest.mark.slow
def test_they_are_georeferenced(grown_cube: Cube, encoder: NetworkEncoder, tmp_path: Path) -> None:
    embeddings = xr.open_dataset(embed(grown_cube, encoder, tmp_path / "a.zarr"), engine="zarr")
    imagery = xr.open_zarr(grown_cube.path, group=f"tiles/{grown_cube.grid.tiles[0].name}/imagery")
    for axis, pixels in zip(("y", "x"), grown_cube.grid.coordinates(), strict=True):
        np.testing.assert_allclose(embeddings[axis], pixels.reshape(-1, 4).mean(1))
        assert set(imagery[axis].values) <= set(pixels)
    assert embeddings.spatial_ref.attrs["crs_wkt"] == imagery.spatial_ref.attrs["crs_wkt"]
    assert embeddings.embedding.attrs["grid_mapping"] == "spatial_ref" and "spatial_ref" in embeddings.embedding.coords
    left, step, _, top, _, down = map(float, embeddings.spatial_ref.attrs["GeoTransform"].split())
    assert (left, top, step, down) == (grown_cube.grid.left, grown_cube.grid.top, 120, -120)
    assert embeddings.attrs["cube"] == {"region": "grown", "digest": grown_cube.digest}
    assert len(embeddings.attrs["model"]["weights_sha256"]) == 64


def test_an_embedding_knows_its_past_alone(grown_cube: Cube, encoder: NetworkEncoder) -> None:
    reader, clear = encoder.reader, clear_days(grown_cube)
    by, bx = grown_cube.grid.blocks[0]
    window = chunk_window(grown_cube, by * 2, bx * 2, 2020, clear)
    day = int(window.days[10]) + 1

    def at(sample) -> np.ndarray:
        return encoder([sample], 1)[0]

    sample = embedding_sample(reader, window, np.array([day], np.int64))
    tokens, seen = encoder([sample], 1)
    assert seen.max() == 11 + len(window.earlier) and tokens.shape == (1, 1, 16, 16)
    later, earlier = sample.days > day, sample.days < day
    images, weather = sample.images.copy(), sample.weather.copy()
    images[later] += 1
    weather[day - sample.weather_start :] += 1
    np.testing.assert_array_equal(at(replace(sample, images=images, weather=weather)), tokens)
    images = sample.images.copy()
    images[earlier] += 1
    assert np.abs(at(replace(sample, images=images)) - tokens).max() > 1e-3
    weather = sample.weather.copy()
    weather[day - sample.weather_start - 1] += 1
    assert np.abs(at(replace(sample, weather=weather)) - tokens).max() > 1e-5


@pytest.mark.slow
def test_a_killed_run_goes_on(
    grown_cube: Cube,
    checkpoint: Checkpoint,
    encoder: NetworkEncoder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, done = tmp_path / "cut.zarr", []
    real = module.embed_block

    def killed(*arguments, **options):
        if len(done) == 2:
            raise RuntimeError("killed")
        done.append(arguments[4])
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(module, "embed_block", killed)
        with pytest.raises(RuntimeError, match="killed"):
            embed(grown_cube, encoder, path)
        done.clear()
        embed(grown_cube, encoder, path)
        assert done == [grown_cube.grid.blocks[2]]
        embed(grown_cube, encoder, path)
        assert len(done) == 1
    assert not (tmp_path / "zarr.json").exists(), "the folder above a store is no group"
    whole = xr.open_dataset(embed(grown_cube, encoder, tmp_path / "whole.zarr"), engine="zarr")
    xr.testing.assert_identical(xr.open_dataset(path, engine="zarr"), whole)
    # Another model starts again.
    other = tmp_path / "model"
    normalisation = checkpoint.normalisation
    save_checkpoint(other, new_network(checkpoint.network.config, normalisation), normalisation, [], {})
    embed(grown_cube, NetworkEncoder.of(grown_cube, load_checkpoint(other), other), path)
    attributes = json.loads((path / "zarr.json").read_text())["attributes"]
    assert attributes["model"]["weights_sha256"] != whole.attrs["model"]["weights_sha256"]
    assert zarr.open_array(str(path / "done"), mode="r")[...].sum() == 3


def test_days_end_whole_steps(grown_cube: Cube) -> None:
    seasons = plan_seasons(grown_cube, 30)
    assert [season.year for season in seasons] == [2019, 2020, 2021]
    assert seasons[0].days[0] == day_number(date(2019, 4, 30)) and set(np.diff(seasons[0].days)) == {30}
    assert seasons[1].steps == slice(len(seasons[0].days), len(seasons[0].days) * 2)
    with pytest.raises(InputError, match="--every 300: all seasons of grown are shorter"):
        plan_seasons(grown_cube, 300)


def until(cube: Cube, end: date) -> Cube:
    """The cube as it was when it ended on that day."""
    period = cube.region.period.model_copy(update={"end": end})
    region = cube.region.model_copy(update={"period": period})
    return replace(cube, spec=replace(cube.spec, region=region))


@pytest.mark.slow
def test_a_season_of_a_few_days_has_an_embedding_and_one_of_none_has_not(
    grown_cube: Cube, checkpoint: Checkpoint, where: Path, tmp_path: Path
) -> None:
    """The months begin with April; the other seasons are embedded as ever."""
    for end, whole, fortnightly in (
        (date(2021, 4, 20), [21, 21, 2], [15, 15, 1]),
        (date(2021, 4, 9), [21, 21, 1], [15, 15, 0]),
        (date(2021, 2, 10), [21, 21, 0], [15, 15, 0]),
    ):
        cube = until(grown_cube, end)
        assert [len(season.days) for season in plan_seasons(cube, None)] == whole, end
        assert [len(season.days) for season in plan_seasons(cube, 14)] == fortnightly, end
        assert [season.steps for season in plan_seasons(cube, None)] == [slice(0, 1), slice(1, 2), slice(2, 3)]
    assert plan_seasons(until(grown_cube, date(2021, 4, 9)), None)[2].days.tolist() == [day_number(date(2021, 4, 9))]
    for end, begun in ((date(2021, 4, 9), True), (date(2021, 2, 10), False)):
        cube = until(grown_cube, end)
        encoder = NetworkEncoder.of(cube, checkpoint, where)
        yearly = xr.open_dataset(embed(cube, encoder, tmp_path / f"{end}.zarr", workers=1), engine="zarr")
        assert yearly.year.values.tolist() == [2019, 2020, 2021]
        assert np.isfinite(yearly.embedding[:2]).any(("y", "x", "feature")).all()
        assert bool(np.isfinite(yearly.embedding[2]).any()) is bool(yearly.images[2].any()) is begun, end
        stepped = xr.open_dataset(embed(cube, encoder, tmp_path / f"{end}-14.zarr", every=14, workers=1), engine="zarr")
        assert stepped.sizes["time"] == 30 and np.isfinite(stepped.embedding[-1]).any()
    for every, message in ((None, "no day of its months; extend"), (14, "--every 14: all seasons of grown are sh")):
        with pytest.raises(InputError, match=message):
            plan_seasons(until(grown_cube, date(2019, 2, 10)), every)
