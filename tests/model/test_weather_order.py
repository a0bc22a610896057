"""Is the weather used? A network trained on a small simulated world gets worse in the right order when its weather is
tampered with, and does not where crops and soil do not feel the weather."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from mmvsf.datasets.cube.cube import Cube
from mmvsf.model.evaluation.core.settings import EvaluationSettings
from mmvsf.model.evaluation.core.training import load, pretrain
from mmvsf.model.evaluation.forecasts.error_sums import ALL, ErrorSums
from mmvsf.model.evaluation.forecasts.eval_items import evaluation_set
from mmvsf.model.evaluation.forecasts.weather_ablations import AS_IT_IS, OTHER_FUTURE, OTHER_GAPS, weather_rows
from mmvsf.model.mmvsf.sizes import SIZES
from mmvsf.pipeline.build.executor import executor
from mmvsf.pipeline.build.plan import build_plan
from mmvsf.pipeline.build.run import Progress, build
from mmvsf.pipeline.sandbox.ensure import ensure_archive
from mmvsf.pipeline.sandbox.spec import DOSES

pytestmark = pytest.mark.slow

SITES = ((-96.30, 42.25), (-96.10, 41.70), (-95.90, 42.00), (-95.60, 42.30), (-95.55, 41.70))
"""Longitude and latitude: far enough from each other to have weather of their own, all on one tile."""
HELD_OUT = 2022
PLAIN = dict.fromkeys(DOSES, 0)
"""Nothing between the fields and their images but noise and clouds: what is learned is the weather."""
SETTINGS = EvaluationSettings(steps=300, batch_size=8, images=10, mask_ratio=0.0, network="narrow", windows=5, pairs=10)
NARROW = {"width": 32, "heads": 2, "mlp": 64, "spatial_layers": 1, "temporal_layers": 1, "weather_width": 32,
          "pixel_width": 32}  # fmt: skip
RATE = 1e-2

USUAL, ANOTHER, MEAN = "usual weather", "another year's weather", "mean weather"


def simulated(folder: Path, name: str, dose: float) -> Cube:
    """Early summer of four years at five places, whose crops and soil feel that dose of the weather."""
    archive = f"{{data_dir}}/archive/{name}"
    recipe: dict[str, Any] = {
        "name": name,
        "title": "five simulated places",
        "area": {"sites": [{"name": f"s{i}", "lon": lon, "lat": lat} for i, (lon, lat) in enumerate(SITES)]},
        "grid": {"crs": "EPSG:32615", "resolution": 30, "block": 32, "chunk": 32, "weather_cell": 32},
        "period": {"start": "2020-05-01", "end": "2023-07-31", "months": [5, 6, 7]},
        "imagery": {"source": "archive", "path": archive, "products": ["hls-l30", "hls-s30"]},
        "weather": {"source": "archive", "path": f"{archive}/weather/daily.nc"},
        "simulate": {"path": archive, "seed": 5, **PLAIN, "crop_dose": dose, "soil_dose": dose},
    }
    path, data = folder / f"{name}.yaml", folder / "data"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    ensure_archive(str(path), data, 1, Console(quiet=True))
    with executor(1) as run:
        build(build_plan(str(path), data), run, Progress(lambda *_: None))
    return Cube.open(data / f"{name}.zarr")


def variant_errors(cube: Cube, folder: Path, seed: int = 0) -> dict[str, float]:
    """Mean squared error of MM-VSF under every variant of the weather in a year that it never saw, in units of the
    bands' variance."""
    data = evaluation_set(cube, HELD_OUT, windows=SETTINGS.windows, pairs=SETTINGS.pairs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, SETTINGS.network, NARROW)
        pretrain(data, "mm-vsf", RATE, seed, SETTINGS, folder)
    by_variant: dict[str, list[dict[str, Any]]] = {}
    for row in weather_rows(load(folder).network, data):
        if row["variable"] == "mean" and row["cover"] == ALL:
            by_variant.setdefault(row["method"], []).append(row)
    errors = {name: ErrorSums.from_rows(rows).scores()["mse"] for name, rows in by_variant.items()}
    return {name: float(error) for name, error in errors.items() if error is not None}


@pytest.fixture(scope="module")
def felt(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    folder = tmp_path_factory.mktemp("felt")
    return variant_errors(simulated(folder, "felt", 1.0), folder / "network")


@pytest.fixture(scope="module")
def unfelt(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    folder = tmp_path_factory.mktemp("unfelt")
    return variant_errors(simulated(folder, "unfelt", 0.0), folder / "network")


def test_errors_grow_as_the_weather_departs_from_what_it_was(felt: dict[str, float]) -> None:
    """With other seeds of the training usual weather and other years' in the gap made errors 1.5 to 1.75 times as
    large, mean weather 1.7 to 2.8 times, and another year's 1.17 to 1.25 times as large again as the larger of both."""
    real = felt[AS_IT_IS]
    assert min(felt[USUAL], felt[OTHER_GAPS], felt[MEAN]) > 1.2 * real
    # What is likely misleads less than a single year that was not.
    assert felt[ANOTHER] > 1.05 * max(felt[USUAL], felt[OTHER_GAPS])
    assert felt[OTHER_FUTURE] == pytest.approx(real, rel=0.01)


def test_weather_makes_no_difference_where_nothing_feels_it(felt: dict[str, float], unfelt: dict[str, float]) -> None:
    """But for the mean of all seasons on every day, which no network has ever seen."""
    for name in (USUAL, OTHER_GAPS, ANOTHER):
        assert abs(unfelt[name] - unfelt[AS_IT_IS]) < 0.25 * (felt[name] - felt[AS_IT_IS]), name
    assert unfelt[OTHER_FUTURE] == pytest.approx(unfelt[AS_IT_IS], rel=0.01)
