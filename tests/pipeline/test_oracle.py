"""The oracle against cubes of a small simulated region, one that feels the weather and one that does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.pairs import window_pairs
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import Window, chunk_window, clear_days
from mmvsf.datasets.sidecars.experiments import Experiments, experiments_path
from mmvsf.datasets.sidecars.oracle import FORECASTS, Oracle, oracle_path
from mmvsf.pipeline.sandbox.experiments import make_experiments
from mmvsf.pipeline.sandbox.oracle import make_oracle
from mmvsf.pipeline.sandbox.spec import DOSES
from mmvsf.pipeline.sandbox.weather import SiteWeather

from .conftest import Command
from .tiny_archive import TinyArchive

pytestmark = pytest.mark.slow

RECIPE: dict[str, Any] = {
    "title": "two simulated places",
    "area": {"sites": [{"name": "west", "lon": -97.40, "lat": 42.10}, {"name": "east", "lon": -95.45, "lat": 42.05}]},
    "grid": {"crs": "EPSG:32615", "resolution": 30, "block": 32, "chunk": 32, "weather_cell": 32},
    "period": {"start": "2021-04-01", "end": "2021-08-31", "months": [4, 5, 6, 7, 8]},
    "imagery": {"source": "archive", "products": ["hls-l30", "hls-s30"]},
    "weather": {"source": "archive"},
}
"""West is seen on a tile of the other zone alone: its pixels are resampled."""
PLAIN = dict.fromkeys(DOSES, 0)
"""Nothing between the fields and their images but noise and clouds."""
LEAST = 0.1
"""The oracle without the weather of the gap is that much worse in each of the two places, where crops feel it."""


def build(folder: Path, name: str, dose: float) -> tuple[Path, Path]:
    """The recipe of a world of that dose, and the folder of its cube."""
    archive = f"{{data_dir}}/archive/{name}"
    recipe = {
        **RECIPE,
        "name": name,
        "simulate": {"path": archive, "seed": 5, **PLAIN, "crop_dose": dose, "soil_dose": dose},
    }
    if dose == 0:  # one place is enough to see that nothing changes
        recipe["area"] = {"sites": RECIPE["area"]["sites"][1:]}
    recipe["imagery"] = {**recipe["imagery"], "path": archive}
    recipe["weather"] = {**recipe["weather"], "path": f"{archive}/weather/daily.nc"}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return path, folder / "data"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("oracle")


@pytest.fixture
def world(folder: Path, mmvsf: Command) -> Cube:
    return made(folder, mmvsf, "felt", 1.0)


@pytest.fixture
def control(folder: Path, mmvsf: Command) -> Cube:
    return made(folder, mmvsf, "unfelt", 0.0)


def made(folder: Path, mmvsf: Command, name: str, dose: float) -> Cube:
    """The cube with its oracle, made once for all tests of this module."""
    recipe, data = build(folder, name, dose)
    cube = data / f"{name}.zarr"
    if not cube.exists():
        assert mmvsf("dataset", recipe, "--data-dir", data, "--workers", 1).code == 0
        told = mmvsf("oracle", recipe, "--data-dir", data)
        assert told.code == 0 and str(data / f"{name}.oracle.zarr") in told.out
    return Cube.open(cube)


def windows(cube: Cube) -> list[Window]:
    clear, n = clear_days(cube), cube.grid.chunks_per_block
    places = [(by * n + y, bx * n + x) for by, bx in cube.grid.blocks for y in range(n) for x in range(n)]
    return [chunk_window(cube, cy, cx, 2021, clear) for cy, cx in places]


def errors(cube: Cube) -> NDArray[np.float64]:
    """(block, forecast): mean square error on the clear pixels of the scored pairs, in units of the bands'
    deviations."""
    normal = Normalisation.of([cube])
    reader, oracle = WindowReader(cube, normal), Oracle.of(cube)
    std = np.array(normal.bands.std)[:, None, None]
    sums, counts = np.zeros((len(cube.grid.blocks), len(FORECASTS))), np.zeros((len(cube.grid.blocks), 1))
    for window in windows(cube):
        images, clear = reader.images(window, window.days)
        block = cube.grid.blocks.index((window.row // cube.grid.block, window.column // cube.grid.block))
        for origin, target in window_pairs(window):
            days = int(window.days[origin]), int(window.days[target])
            found = oracle.pair(window.row, window.column, window.year, *days)
            assert found is not None
            for which, image in enumerate(found):
                assert image.dtype == np.float32 and image.shape == (6, 32, 32)
                wrong = ((image - normal.reflectance(images[target])) / std)[:, clear[target]]
                sums[block, which] += float(np.square(wrong).sum())
            counts[block] += clear[target].sum() * 6
    return sums / counts


def test_the_oracle_errs_by_the_noise_and_needs_the_weather(world: Cube) -> None:
    found = errors(world)
    assert (found[:, 0] < 0.015).all()
    assert (found[:, 1] > found[:, 0] + LEAST).all()


def test_an_oracle_that_infers_knows_less_and_uses_the_weather(world: Cube) -> None:
    """It errs more than the one that is told, less than one without images would, and less with the weather."""
    told, told_blind, inferred, inferred_blind = errors(world).mean(axis=0)
    assert told < inferred < inferred_blind and told_blind < inferred_blind
    assert inferred < 0.5  # the variance of the images is 1
    effective, error = Oracle.of(world).sampling(2021)
    assert effective > 10 and (error < 0.02).all() and (error > 0).all()
    effective, error = Oracle.of(world).sampling(1999)
    assert np.isnan(effective) and np.isnan(error).all()


def test_weather_makes_no_difference_where_nothing_feels_it(control: Cube) -> None:
    found = errors(control)
    assert (found[:, 0] < 0.015).all()
    data = xr.open_zarr(oracle_path(control), consolidated=False)
    assert bool((data.done == 1).all()) and float(data.with_gap.max()) < 1
    np.testing.assert_array_equal(data.with_gap, data.without_gap)
    np.testing.assert_array_equal(data.inferred_with_gap, data.inferred_without_gap)


def test_planted_forecasters_answer_on_the_command_line(world: Cube, mmvsf: Command, folder: Path) -> None:
    pytest.importorskip("torch")
    experiments = Experiments.of(world)
    assert len(experiments) == 4 and experiments.applies[:, 0].all()  # two places, two days of origin
    recipe, data = build(folder, "felt", 1.0)
    names = ("persistence", "climatology", "weather-copy", "simulator", "oracle")
    options = [part for name in names for part in ("--forecaster", name)]
    shown = mmvsf("answer", recipe, "--data-dir", data, "--runs-dir", folder / "runs", *options)
    assert shown.code == 0 and "weather-copy" in shown.out
    result = json.loads((folder / "runs/felt/answer/answers.json").read_text())
    scores = {name: result["forecasters"][name]["answers"]["all scenarios"] for name in names}
    assert scores["persistence"]["size"][0] == 0 < scores["weather-copy"]["size"][0]
    assert scores["simulator"]["slope"][0] == pytest.approx(1, abs=0.05)
    assert 0.2 < scores["oracle"]["slope"][0] < 1 and scores["oracle"]["agreement"][0] > 0.6
    refused = mmvsf("answer", recipe, "--data-dir", data, "--runs-dir", folder / "runs", "--forecaster", "prophet")
    assert refused.code == 2 and "MODULE:OBJECT" in refused.error


def test_experiments_belong_to_their_cube(world: Cube, control: Cube, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no experiments"):
        Experiments.of(replace(world, path=tmp_path / "felt.zarr"))
    with pytest.raises(InputError, match="another cube"):
        Experiments.of(replace(world, objects=control.objects))
    written = experiments_path(world) / "zarr.json"
    before = written.stat().st_mtime_ns
    assert make_experiments(world) == experiments_path(world) and written.stat().st_mtime_ns == before
    unfelt = Experiments.of(control)
    for case in range(len(unfelt)):
        truth = unfelt.truth(case)[unfelt.applies[case]]
        inferred = unfelt.inferred(case)[unfelt.applies[case]]
        for images in (truth, inferred):
            assert np.isfinite(images).all()
            np.testing.assert_array_equal(images[1:], np.broadcast_to(images[:1], images[1:].shape))


def test_what_is_not_scored_is_not_there(world: Cube) -> None:
    oracle, window = Oracle.of(world), windows(world)[0]
    origin, target = (int(window.days[place]) for place in window_pairs(window)[0])
    assert oracle.pair(window.row, window.column, 2021, origin, target) is not None
    assert oracle.pair(window.row, window.column, 2022, origin, target) is None
    assert oracle.pair(window.row + 1, window.column, 2021, origin, target) is None
    assert oracle.pair(window.row, window.column, 2021, target, origin) is None
    assert len(oracle) == sum(len(window_pairs(own)) for own in windows(world))


def test_sites_are_added_to_what_is_there(world: Cube, tmp_path: Path) -> None:
    moved = replace(world, path=tmp_path / "felt.zarr")
    (tmp_path / "felt.zarr").symlink_to(world.path)
    steps: list[tuple[int, int]] = []
    assert make_oracle(moved, sites=["east"], progress=lambda *step: steps.append(step)) == oracle_path(moved)
    east = len(Oracle.of(moved))
    assert 0 < east < len(Oracle.of(world))
    make_oracle(moved, years=[2021], progress=lambda *step: steps.append(step))
    assert steps == [(0, 1), (1, 1)] * 2  # one site each time
    assert len(Oracle.of(moved)) == len(Oracle.of(world))
    first, second = (xr.open_zarr(oracle_path(cube), consolidated=False) for cube in (moved, world))
    xr.testing.assert_equal(first, second)


def test_what_cannot_be_is_refused(
    world: Cube, control: Cube, finished: TinyArchive, mmvsf: Command, tmp_path: Path, folder: Path
) -> None:
    refused = mmvsf("oracle", finished.recipe, "--data-dir", finished.data)
    assert refused.code == 2 and "is not simulated" in refused.error
    recipe, data = build(folder, "felt", 1.0)
    for options, part in (
        (("--years", "1999"), "it has 2021"),
        (("--years", "soon"), "write 2021,2022"),
        (("--sites", "east,north"), "--sites north: not in this cube; it has west, east"),
    ):
        refused = mmvsf("oracle", recipe, "--data-dir", data, *options)
        assert refused.code == 2 and part in refused.error
    with pytest.raises(InputError, match="no oracle"):
        Oracle.open(tmp_path / "none.zarr")
    with pytest.raises(InputError, match="another cube"):
        Oracle.of(replace(world, objects=control.objects))


def test_a_cube_of_another_world_is_found_out(world: Cube, tmp_path: Path) -> None:
    (tmp_path / "felt.zarr").symlink_to(world.path)
    simulate = world.region.simulate
    assert simulate is not None
    region = world.region.model_copy(update={"simulate": simulate.model_copy(update={"seed": 6})})
    with pytest.raises(InputError, match="another world"):
        make_oracle(replace(world, path=tmp_path / "felt.zarr", spec=replace(world.spec, region=region)))


def test_known_weather_ends_on_the_day_before() -> None:
    days = np.arange(np.datetime64("2021-05-01"), np.datetime64("2021-05-06"))
    real, mean = (SiteWeather(days, np.full((5, 6), value), 42.0) for value in (1.0, 0.0))
    assert real.until(days[3], mean).values[:, 0].tolist() == [1, 1, 1, 0, 0]


def test_another_year_lies_on_the_same_days_of_the_year() -> None:
    days = np.arange(np.datetime64("2019-10-01"), np.datetime64("2021-11-01"))
    weather = SiteWeather(days, np.arange(len(days), dtype=float)[:, None], 42.0)
    shifted = weather.as_in(2021, 2020)

    def on(day: str) -> np.datetime64:
        return days[int(shifted.values[int((np.datetime64(day) - days[0]).astype(int)), 0])]

    assert on("2021-01-01") == np.datetime64("2020-01-01") and on("2020-12-31") == np.datetime64("2019-12-31")
    # By day of the year: the leap day takes a day's place.
    assert on("2021-03-01") == np.datetime64("2020-02-29") and on("2021-10-31") == np.datetime64("2020-10-30")
    assert on("2019-10-01") == days[0]
