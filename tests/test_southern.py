"""A simulated cube of New South Wales, from its recipe to a map of summer crops whose season crosses the new year."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml
from rich.console import Console

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.load import load_region, parse_region
from mmvsf.datasets.samples.reader import WindowReader
from mmvsf.datasets.samples.windows import index_windows
from mmvsf.model.cropmap.run import CropmapOptions, cropmap
from mmvsf.model.embed.seasons import plan_seasons
from mmvsf.model.forecasting.block import forecast_block
from mmvsf.model.mmvsf.checkpoint import load_checkpoint
from mmvsf.model.pretraining.fit import PretrainOptions
from mmvsf.model.pretraining.run import pretrain
from mmvsf.pipeline.build.executor import executor
from mmvsf.pipeline.build.plan import build_plan
from mmvsf.pipeline.build.run import Progress, build
from mmvsf.pipeline.report.ndvi import ndvi_curves
from mmvsf.pipeline.report.view import ReportView
from mmvsf.pipeline.sandbox.ensure import ensure_archive
from mmvsf.pipeline.sandbox.make import world_spec

pytestmark = pytest.mark.slow

CORN = 1


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Cube:
    """Two places of the shipped recipe, two seasons."""
    folder = tmp_path_factory.mktemp("southern")
    recipe = yaml.safe_load(load_region("sandbox-southern")[1].read_text())
    recipe["area"]["sites"] = recipe["area"]["sites"][:2]
    recipe["grid"] |= {"block": 64, "weather_cell": 64}
    recipe["period"]["start"] = date(2020, 10, 1)
    recipe["simulate"]["cloud_dose"] = 0
    recipe["labels"]["years"] = [2021, 2022]
    path = folder / "south.yaml"
    path.write_text(yaml.safe_dump(recipe))
    ensure_archive(path, folder / "data", 1, Console(quiet=True))
    with executor(1) as run:
        plan = build_plan(str(path), folder / "data")
        build(plan, run, Progress(lambda *_: None))
    return Cube.open(plan.cube)


def test_a_season_crosses_the_new_year(cube: Cube) -> None:
    assert cube.years == (2021, 2022) and cube.region.weather_start == date(2020, 7, 1)
    window = index_windows(cube)["train"][0]
    days = window.days.astype("datetime64[D]")
    assert window.year == 2021 and days[0] < np.datetime64("2020-11-01") and days[-1] > np.datetime64("2021-04-01")
    assert [season.year for season in plan_seasons(cube, None)] == [2021, 2022]
    assert cube.array("chunks/imagery_count").sum((1, 2)).min() > 0


def test_an_overpass_is_one_day(cube: Cube) -> None:
    day, acquired = cube.array("scenes/day"), cube.array("scenes/acquired")
    assert set((acquired // 86400 - day).tolist()) == {-1, 0}
    hour = acquired % 86400 / 3600
    assert ((hour > 23.8) | (hour < 0.3)).all()


def test_corn_grows_over_the_new_year(cube: Cube) -> None:
    curve = ndvi_curves(ReportView(cube), 2021, [CORN])[CORN].quartiles[:, 1]
    november, january, april = curve[4], curve[13], curve[25]
    assert january > november + 0.3 and january > april + 0.3


def test_it_trains_maps_and_forecasts(cube: Cube, tmp_path: Path) -> None:
    pretrain([cube], tmp_path / "pretrain", PretrainOptions(steps=2, batch_size=2, images=6, score_windows=1))
    checkpoint = load_checkpoint(tmp_path / "pretrain")
    options = CropmapOptions(steps=2, batch_size=2, images=8, forest_pixels=4000, score_windows=8)
    metrics = cropmap(cube, checkpoint, tmp_path, options, tmp_path / "pretrain")
    scores = {(row["set"], row["method"]): row["accuracy"] for row in metrics["scores"]}
    assert metrics["map"]["year"] == 2022
    assert scores["new_year", "random_forest"] > scores["new_year", "majority"] + 0.1
    with rasterio.open(tmp_path / "crop_map.tif") as source:
        assert source.crs.to_epsg() == 32755 and source.read(1).any()
    reader, block = WindowReader(cube, checkpoint.normalisation), cube.grid.blocks[0]
    result = forecast_block(checkpoint.network, reader, block, day_number(date(2022, 1, 3)))
    assert np.isfinite(result.forecast).all()


def test_a_southern_world_needs_its_season() -> None:
    region, _ = load_region("sandbox-southern")
    assert world_spec(region).southern and list(world_spec(region).years) == [2019, 2020, 2021]
    content = region.model_dump(mode="json")
    content["period"]["season"] = {"from": "01-01"}
    with pytest.raises(InputError, match=r"needs period\.season"):
        world_spec(parse_region(content, "test"))
    content = region.model_dump(mode="json")
    content["simulate"]["southern"] = False
    with pytest.raises(InputError, match="calendar years"):
        world_spec(parse_region(content, "test"))
