"""A trained mapper on other cubes, years and dates: what it writes, what it refuses, and that it can be interrupted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from typer.testing import CliRunner

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.datasets.samples.windows import index_windows
from mmvsf.model.cli import app
from mmvsf.model.cover import SeenDays, blend_weights, owned_pixels, parts_of_tile, sites
from mmvsf.model.cropmap import apply
from mmvsf.model.cropmap.calibration import best_temperature, expected_calibration_error
from mmvsf.model.cropmap.geotiff import LAYERS
from mmvsf.model.cropmap.map import MapOptions, chosen_season, map_region
from mmvsf.model.cropmap.run import CropmapOptions, cropmap
from mmvsf.model.cropmap.saved import check_applies, load_mapper
from mmvsf.model.forecasting import plan
from mmvsf.model.mmvsf.checkpoint import load_checkpoint

from ..cubes import CubeBuilder
from .conftest import Pretrained


@pytest.fixture(scope="module")
def mapper(pretrained: Pretrained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a mapper with a site for validation."""
    cube = CubeBuilder(validation_sites=1).write(tmp_path_factory.mktemp("cubes") / "validated.zarr")
    folder = tmp_path_factory.mktemp("runs") / "cropmap"
    options = CropmapOptions(steps=40, images=8, forest_pixels=100, learning_rate=2e-3, score_windows=1)
    cropmap(cube, load_checkpoint(pretrained[0]), folder, options, pretrained[0])
    return folder


@pytest.fixture(scope="module")
def neighbour(tmp_path_factory: pytest.TempPathFactory) -> Cube:
    """Another region, without labels."""
    builder = CubeBuilder(sites=2, years=(2020, 2021), labels=False, seed=5)
    return builder.write(tmp_path_factory.mktemp("cubes") / "neighbour.zarr")


def layers(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in LAYERS}


def values(folder: Path, name: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with rasterio.open(folder / name) as source:
        return np.asarray(source.read())


@pytest.mark.slow
def test_an_unlabelled_neighbour_is_mapped(mapper: Path, neighbour: Cube, tmp_path: Path) -> None:
    result, folder = map_region(neighbour, mapper, tmp_path, MapOptions(workers=1))
    assert folder == tmp_path / "2021" and json.loads((folder / "map.json").read_text()) == result
    classes, probabilities, confidence, unlike = (
        values(folder, f"{name}.tif") for name in ("crop_map", "probabilities", "confidence", "unlike")
    )
    seen = classes[0] > 0
    assert set(np.unique(classes[0][seen])) <= {10, 11, 12} and seen.any()
    assert (probabilities[:, ~seen] == 255).all() and (unlike[0][~seen] == 255).all()
    assert np.abs(probabilities[:, seen].astype(int).sum(0) - 100).max() <= 1
    np.testing.assert_array_equal(confidence[0][seen], probabilities[:, seen].max(0))
    assert unlike[0][seen].max() <= 100
    assert [row["pixels"] for row in result["areas"]] == [int((classes == code).sum()) for code in (10, 11, 12)]
    assert result["unseen_pixels"] == len(neighbour.grid.blocks) * neighbour.grid.block**2 - seen.sum()
    assert result["areas"][0]["hectares"] == pytest.approx(result["areas"][0]["pixels"] * 0.09)
    assert result["mapper"]["trained_on"]["region"] == "validated"


@pytest.mark.slow
def test_the_bytes_are_those_of_any_number_of_workers_and_of_a_run_that_was_killed(
    mapper: Path, neighbour: Cube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    until = date(2021, 7, 15)
    alone = map_region(neighbour, mapper, tmp_path / "one", MapOptions(until=until, workers=1))[1]
    assert alone.name == "2021-until-2021-07-15"
    two = map_region(neighbour, mapper, tmp_path / "two", MapOptions(until=until, workers=2))[1]
    assert layers(alone) == layers(two)
    done: list[str] = []

    def killed(job: apply.MapJob, tile: Any) -> str:
        if done:
            raise KeyboardInterrupt
        done.append(apply.map_tile(job, tile))
        return done[0]

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("mmvsf.model.cropmap.map.map_tile", killed)
        map_region(neighbour, mapper, tmp_path / "three", MapOptions(until=until, workers=1))
    assert not (tmp_path / "three" / alone.name / "crop_map.tif").exists()

    def remaining(job: apply.MapJob, tile: Any) -> str:
        assert tile.name not in done
        return apply.map_tile(job, tile)

    monkeypatch.setattr("mmvsf.model.cropmap.map.map_tile", remaining)
    three = map_region(neighbour, mapper, tmp_path / "three", MapOptions(until=until, workers=1))[1]
    assert layers(alone) == layers(three) and not (three / "tiles").exists()
    monkeypatch.setattr("mmvsf.model.cropmap.map.map_tile", None)  # nothing is left to do
    map_region(neighbour, mapper, tmp_path / "three", MapOptions(until=until, workers=1))


def test_what_was_never_seen_is_no_data_and_is_counted(mapper: Path, neighbour: Cube) -> None:
    """A window in which one half was never clear, and one without any image."""
    job = apply.MapJob(neighbour.path, neighbour.digest, mapper, load_mapper(mapper).digest, 2021, None, mapper / "x")
    applied = apply.opened(job)
    tile = neighbour.grid.tiles[0]
    [part, *_] = parts_of_tile(neighbour.grid, tile, applied.saved.size, applied.overlap)
    nothing = replace(applied, seen=replace(applied.seen, fractions=np.zeros_like(applied.seen.fractions)))
    assert all(np.isnan(strip).all() for _, strip in apply._strips(nothing, part))
    assert any(np.isfinite(strip).all() for _, strip in apply._strips(applied, part))


def test_a_mapper_knows_what_it_was_trained_on(mapper: Path, pretrained: Pretrained, grown_cube: Cube) -> None:
    saved = load_mapper(mapper)
    assert saved.config["trained_on"]["products"] == ["hls-l30"]
    assert saved.config["encoder"]["weights_sha256"] == load_checkpoint(pretrained[0]).config["weights_sha256"]
    assert [entry.name for entry in saved.legend.classes] == ["early", "late", "meadow"]
    assert saved.calibration.days[-1] == 366 and len(saved.calibration.days) > 2
    assert (saved.calibration.distances.diff(dim=1) >= 0).all()
    assert check_applies(saved, grown_cube, mapper) == []


def changed(cube: Cube, grid: dict[str, Any] | None = None, **region: Any) -> Cube:
    spec = replace(cube.spec, grid=replace(cube.grid, **(grid or {})), region=cube.region.model_copy(update=region))
    return replace(cube, spec=spec)


def test_a_cube_that_does_not_fit_is_refused_and_one_that_nearly_fits_is_reported(
    mapper: Path, grown_cube: Cube
) -> None:
    saved, imagery, period = load_mapper(mapper), grown_cube.region.imagery, grown_cube.region.period
    with pytest.raises(InputError, match="expects the bands blue, green"):
        check_applies(saved, changed(grown_cube, imagery=imagery.model_copy(update={"bands": ("red",)})), mapper)
    with pytest.raises(InputError, match=r"learned pixels of 30 m, and those of .* have 10 m"):
        check_applies(saved, changed(grown_cube, {"resolution": 10.0}), mapper)
    season = period.season.model_copy(update={"begins": "10-01"})
    with pytest.raises(InputError, match=r"seasons that begin on 01-01, and those of .* begin on 10-01"):
        check_applies(saved, changed(grown_cube, period=period.model_copy(update={"season": season})), mapper)
    near = changed(
        grown_cube, {"resolution": 27.0}, imagery=imagery.model_copy(update={"products": ("hls-s30",)}),
        period=period.model_copy(update={"months": (6, 7)}),
    )  # fmt: skip
    text = " ".join(check_applies(saved, near, mapper))
    assert "27 m, and 30 m" in text and "images of hls-s30" in text and "months 6, 7, and 4, 5" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (MapOptions(year=2030), r"--year 2030: .* has the years 2020, 2021"),
        (MapOptions(until=date(2019, 7, 1)), r"--until 2019-07-01: .* has the years 2020, 2021"),
        (MapOptions(year=2020, until=date(2021, 7, 1)), r"the season 2020 is from 2020-01-01 to 2020-12-31"),
        (MapOptions(until=date(2021, 3, 1)), r"--until 2021-03-01: the first clear image of 2021 in .* is of 2021-0"),
    ],
)
def test_a_date_that_cannot_be_mapped_is_refused(
    mapper: Path, neighbour: Cube, tmp_path: Path, options: MapOptions, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        map_region(neighbour, mapper, tmp_path, options)
    assert not list(tmp_path.iterdir())


def test_a_year_in_which_nothing_was_seen_is_refused(
    mapper: Path, neighbour: Cube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dark = np.zeros((len(neighbour.calendar.days), *neighbour.grid.chunk_shape), bool)
    dark[neighbour.season_of_day == 2020] = True
    monkeypatch.setattr("mmvsf.model.cropmap.map.clear_days", lambda cube: dark)
    with pytest.raises(InputError, match="no clear image in 2021, so there is nothing to map"):
        map_region(neighbour, mapper, tmp_path, MapOptions(year=2021))
    assert chosen_season(neighbour, MapOptions()) == 2020


def broken_config(folder: Path) -> None:
    (folder / "mapper.json").write_text("{")


def other_weights(folder: Path) -> None:
    content = bytearray((folder / "mapper.safetensors").read_bytes())
    content[-5] ^= 1
    (folder / "mapper.safetensors").write_bytes(content)


def no_config(folder: Path) -> None:
    (folder / "mapper.json").unlink()


def other_version(folder: Path) -> None:
    config = json.loads((folder / "mapper.json").read_text())
    (folder / "mapper.json").write_text(json.dumps(config | {"format_version": 9}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (broken_config, "is damaged"),
        (other_weights, r"is damaged \(mapper.safetensors is not the file"),
        (no_config, "no trained mapper in .*; train one with `mmvsf cropmap`"),
        (other_version, "is of format version 9, this program reads version 2"),
    ],
)
def test_a_damaged_mapper_is_refused(
    mapper: Path, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    for name in ("mapper.json", "mapper.safetensors"):
        (tmp_path / name).write_bytes((mapper / name).read_bytes())
    damage(tmp_path)
    with pytest.raises(InputError, match=message):
        load_mapper(tmp_path)


def test_windows_cover_every_block_and_tiles_share_those_at_their_border() -> None:
    blocks = tuple(sorted({(y, x) for y in range(6) for x in range(5)} - {(2, 2)} | {(9, 9)}))
    grid = Grid("EPSG:32615", 30.0, 0.0, 0.0, 10, 10, 32, 16, 32, blocks, (0.0, 0.0))
    assert [len(site) for site in sites(blocks)] == [29, 1]
    covered, owners = np.zeros(grid.shape, np.float32), np.zeros(grid.shape, np.int64)
    at_border: dict[str, set[tuple[int, int]]] = {}
    for tile in grid.tiles:
        for part in parts_of_tile(grid, tile, 16, 4):
            owned = dict(owned_pixels(part, 16))
            for block in part.blocks:
                for own in owned.values():
                    both = zip(grid.block_slices(block), own, strict=True)
                    owners[tuple(slice(max(a.start, b.start), max(a.start, min(a.stop, b.stop))) for a, b in both)] += 1
            for row, columns in part.starts:
                for column in columns:
                    assert all(
                        a <= s.start < s.stop <= a + 16 for a, s in zip((row, column), owned[row, column], strict=True)
                    )
                    covered[row : row + 16, column : column + 16] += blend_weights(16, 4)
                    if row < 128 < row + 16 and column + 16 <= 128:
                        at_border.setdefault(tile.name, set()).add((row, column))
    mask = grid.block_mask().repeat(32, 0).repeat(32, 1)
    assert (covered[mask] > 0).all() and (owners == mask).all()
    upper, lower = at_border.values()
    assert upper == lower and upper
    assert covered[288:, 288:].all() and covered[200:288].sum() == 0


@pytest.mark.parametrize("cell", [8, 32, 64])
def test_a_window_has_the_weather_of_a_cell_that_has_some(cell: int) -> None:
    """At the inner corner of a site too, where the middle of a window lies in none of its blocks; and it is the same
    cell whatever tile or area the window is used for."""
    blocks = tuple(sorted({(y, x) for y in range(6) for x in range(5)} - {(2, 2), (5, 4), (0, 0), (3, 3), (3, 4)}))
    grid = Grid("EPSG:32615", 30.0, 0.0, 0.0, 10, 10, 32, 16, cell, blocks, (0.0, 0.0))
    cube: Any = SimpleNamespace(grid=grid)
    seen, outside = SeenDays(cube, 2020, np.array([5], np.int32), np.full((1, *grid.chunk_shape), 100, np.uint8)), 0
    covered = grid.block_mask().repeat(32, 0).repeat(32, 1)
    cells: dict[tuple[int, int], set[tuple[int, int]]] = {}
    for chosen in (blocks, blocks[:4], blocks[10:13]):
        for tile in grid.tiles:
            for part in parts_of_tile(grid, tile, 16, 4, chosen):
                for row, column in ((row, column) for row, columns in part.starts for column in columns):
                    window = seen.window(row, column, 16)
                    assert grid.weather_mask()[window.cell]
                    cells.setdefault((row, column), set()).add(window.cell)
                    if covered[row + 8, column + 8]:
                        assert window.cell == grid.weather_cell_of(row + 8, column + 8)
                    else:
                        outside += 1
        area: Any = SimpleNamespace(blocks=chosen)
        assert all(grid.weather_mask()[each] for each in plan._cells(cube, area, 16, 4))
    assert outside > 10 and all(len(each) == 1 for each in cells.values())


def test_a_window_over_several_chunks_has_the_days_on_which_enough_of_it_is_clear(grown_cube: Cube) -> None:
    chunk = grown_cube.grid.chunk
    percent = np.zeros((2, *grown_cube.grid.chunk_shape), np.uint8)
    percent[0, 0, 0], percent[1, :2, :2] = 100, 29
    seen = SeenDays(grown_cube, 2020, np.array([5, 9], np.int32), percent)
    assert seen.window(0, 0, chunk).days.tolist() == [5]
    assert seen.window(0, chunk // 4, chunk).days.tolist() == [5]
    assert seen.window(chunk // 2, chunk // 2, chunk).days.tolist() == []
    known = np.ones((2, *grown_cube.grid.weather_shape), bool)
    known[0, 0, 0] = False
    percent[:] = 100
    assert replace(seen, known=known).window(0, 0, 2 * chunk).days.tolist() == [9]


def test_a_temperature_makes_a_sure_classifier_honest() -> None:
    generator = torch.Generator().manual_seed(0)
    classes = torch.randint(0, 3, (4000,), generator=generator)
    honest = torch.nn.functional.one_hot(classes, 3) + torch.randn(4000, 3, generator=generator)
    temperature = best_temperature(5 * honest, classes)
    assert temperature == pytest.approx(5, rel=0.15)
    before, after = (expected_calibration_error((5 * honest / t).softmax(-1), classes) for t in (1.0, temperature))
    assert after < 0.04 < before


def test_an_early_map_takes_the_calibration_of_its_last_day(
    mapper: Path, neighbour: Cube, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the latest of the cube's last day, 31 October, although its calendar goes on."""
    assert neighbour.calendar.days[-1] > day_number(neighbour.region.period.end)
    saved = load_mapper(mapper)
    saved.calibration.days = torch.arange(366.0)
    monkeypatch.setattr(apply, "load_mapper", lambda folder: saved)
    for until, day in ((None, 303), (date(2021, 12, 31), 303), (date(2021, 10, 31), 303), (date(2021, 6, 30), 180)):
        last = None if until is None else day_number(until)
        job = apply.MapJob(neighbour.path, neighbour.digest, mapper, saved.digest, 2021, last, mapper)
        assert apply.opened.__wrapped__(job).number == day, until


def test_what_is_unlike_the_training_is_far(mapper: Path) -> None:
    """The means of the classes are near, and what lies far beside them is further away than all that was known."""
    known = load_mapper(mapper).calibration
    number = len(known.days) - 1
    back = torch.linalg.inv(known.whitening[number])
    pixels = torch.stack([known.means[number] @ back, (known.means[number] + 100) @ back])  # (2, K, D)
    near, far = known.percentile(pixels.movedim(-1, 1)[..., None], number)
    assert far.min() == 100 and near.max() < 50


@pytest.mark.slow
def test_the_command(mapper: Path, neighbour: Cube, tmp_path: Path) -> None:
    arguments = [
        "map", str(neighbour.path), "--mapper", str(mapper), "--year", "2020", "--workers", "1", "--runs-dir",
        str(tmp_path),
    ]  # fmt: skip
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "neighbour/map/2020/unlike.tif").is_file() and "map of 2020" in done.stdout
    areas = CliRunner().invoke(
        app,
        ["areas", str(neighbour.path), "--map", str(tmp_path / "neighbour/map/2020"), "--runs-dir", str(tmp_path)],
    )
    assert areas.exit_code == 0 and "fill in the column `reference`" in areas.stdout, areas.output


def test_the_mapper_of_a_diverged_training_is_not_saved(
    pretrained: Pretrained, grown_cube: Cube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = load_checkpoint(pretrained[0])
    with torch.no_grad():
        checkpoint.network.embed.weight[0, 0] = torch.nan
    options = CropmapOptions(steps=2, batch_size=2, images=4, forest_pixels=100, score_windows=1)
    with pytest.raises(IncompleteError, match="diverged"):
        cropmap(grown_cube, checkpoint, tmp_path, options, pretrained[0])
    assert not list(tmp_path.iterdir())
    assert index_windows(grown_cube).count["train"]
