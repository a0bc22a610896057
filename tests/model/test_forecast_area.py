"""Forecasts of areas: what they write, that they can be interrupted, what they refuse, and how they are verified."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch

from mmvsf.datasets.cube.calendar import date_of, day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.select import box_of, to_degrees
from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.model.forecasting import tiles
from mmvsf.model.forecasting.area import Area
from mmvsf.model.forecasting.block import issue_sample
from mmvsf.model.forecasting.courses import Courses, window_forecasts
from mmvsf.model.forecasting.job import ForecastJob
from mmvsf.model.forecasting.plan import ForecastOptions, plan_forecast
from mmvsf.model.forecasting.run import forecast_area
from mmvsf.model.forecasting.scoring import model_forecasts
from mmvsf.model.forecasting.verify import Sums, verify
from mmvsf.model.forecasting.weather_ahead import FromCube
from mmvsf.model.mmvsf.checkpoint import load_checkpoint, new_network, save_checkpoint
from mmvsf.model.mmvsf.network import MMVSF
from mmvsf.model.mmvsf.sizes import NetworkConfig
from mmvsf.model.training.device import autocast_precision, choose_device
from tests.full_disk import full_disk

from ..cubes import CubeBuilder

DAYS = (date(2021, 7, 1), date(2021, 7, 15))
SIZE = 16


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Cube:
    """Two sites in two tiles, three years."""
    return CubeBuilder(sites=2, labels=False).write(tmp_path_factory.mktemp("cubes") / "places.zarr")


@pytest.fixture(scope="module")
def model(cube: Cube, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a network with random weights."""
    folder = tmp_path_factory.mktemp("runs") / "pretrain"
    normal = Normalisation.of([cube])
    torch.manual_seed(0)
    network = new_network(NetworkConfig(cube.bands, cube.weather, width=16, heads=2, mlp=32, weather_width=16), normal)
    with torch.no_grad():
        network.out.bias[len(cube.bands) :] -= 3  # drawn more than copied, so that the weather shows
    save_checkpoint(folder, network, normal, [cube], {})
    return folder


@pytest.fixture
def forecast(
    cube: Cube, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[dict[str, Any], Path]]:
    """Forecasts DAYS with other options, without pictures, which take longer than all else."""
    for name in ("fan_figure", "maps_figure", "save"):
        monkeypatch.setattr(f"mmvsf.model.forecasting.run.{name}", lambda *arguments: None)

    def run(where: str = "runs", **options: Any) -> tuple[dict[str, Any], Path]:
        chosen = ForecastOptions(**{"days": DAYS, "workers": 1, **options})
        return forecast_area(cube, load_checkpoint(model), model, SIZE, tmp_path / where, chosen)

    return run


def pixels(folder: Path, name: str) -> np.ndarray[Any, np.dtype[Any]]:
    with rasterio.open(folder / f"{name}.tif") as source:
        return np.asarray(source.read())


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".tif", ".csv", ".json")}


def test_a_scenario_is_compared_with_the_other_years(forecast: Any, cube: Cube) -> None:
    result, folder = forecast(scenario="drought:10")
    assert (
        folder.name == "2021-06-30-for-2021-07-01-to-2021-07-15-years-drought-10d"
        and json.loads((folder / "forecast.json").read_text()) == result
    )
    assert result["weather"]["members"] == ["2019", "2020"] and result["scenario"]["days"] == 10
    kinds = ("forecast", "quantiles", "ndvi", "difference")
    assert result["files"] == [f"{kind}-{day}.tif" for kind in kinds for day in DAYS]
    inside = np.isfinite(pixels(folder, "forecast-2021-07-15")[0])
    assert inside.sum() == 2 * 32 * 32 - result["unseen_pixels"] and inside.sum() > 2000
    quantiles = pixels(folder, "quantiles-2021-07-15").reshape(len(cube.bands), 5, *inside.shape)
    assert (np.diff(quantiles[:, :, inside], axis=1) >= 0).all() and (quantiles[:, :, ~inside] == -9999).all()
    np.testing.assert_allclose(
        pixels(folder, "forecast-2021-07-15")[:, inside], quantiles[:, 2, inside] * 1e-4, atol=1e-6
    )
    with rasterio.open(folder / "difference-2021-07-15.tif") as source:
        assert source.descriptions == ("q05", "q25", "q50", "q75", "q95") and source.scales[0] == 1e-4
        assert source.tags()["scenario"] == "drought-10d" and source.tags()["issued"] == "2021-06-30"
        area = Area.of(cube)
        assert source.transform == cube.grid.geobox[area.rows, area.columns].affine
    assert np.abs(pixels(folder, "difference-2021-07-15")[2][inside]).max() > 0


def test_pictures_are_drawn(forecast: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    (tmp_path / "dear.yaml").write_text("name: $x^ & dear\nadd: {tmax: 1}\n")
    _, folder = forecast(scenario=str(tmp_path / "dear.yaml"), block=(3, 2), days=DAYS[:1])
    assert folder.name == "2021-06-30-for-2021-07-01-s0-years-x-dear"
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in ("fan.png", "maps.png"))


def test_numbers_are_means_of_pixels(forecast: Any, cube: Cube) -> None:
    _, folder = forecast(scenario="+3C", weather="cube")
    with (folder / "numbers.csv").open() as file:
        rows = {(r["area"], r["day"], r["weather"], r["variable"]): r for r in csv.DictReader(file)}
    names = {"s0", "s1"}
    assert {key[0] for key in rows} == {"whole area", *names} and len(rows) == 3 * 2 * 3 * 7
    ndvi, change = pixels(folder, "ndvi-2021-07-15")[2], pixels(folder, "difference-2021-07-15")[2]
    inside = ndvi != -9999
    whole = {kind: rows["whole area", "2021-07-15", kind, "ndvi"] for kind in ("cube", "+3C", "difference")}
    assert int(whole["+3C"]["pixels"]) == inside.sum() and int(whole["+3C"]["days_ahead"]) == 15
    assert float(whole["+3C"]["mean"]) == pytest.approx(ndvi[inside].mean() * 1e-4, abs=2e-5)
    assert float(whole["difference"]["mean"]) == pytest.approx(change[inside].mean() * 1e-4, abs=2e-5)
    assert float(whole["difference"]["mean"]) == pytest.approx(
        float(whole["+3C"]["mean"]) - float(whole["cube"]["mean"]), abs=3e-6
    )
    assert float(whole["difference"]["mean"]) != 0
    assert {row["courses"] for row in rows.values()} == {"1"}
    total = sum(int(rows[name, "2021-07-15", "cube", "ndvi"]["pixels"]) for name in names)
    assert total == inside.sum()


def test_the_bytes_are_those_of_any_number_of_workers_and_of_a_run_that_was_killed(
    forecast: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"scenario": "no-rain", "weather": "years", "days": DAYS[1:]}
    alone, two = forecast("one", **options)[1], forecast("two", **options, workers=2)[1]
    assert content(alone) == content(two) and len(content(alone)) == 6
    done: list[str] = []

    def killed(job: ForecastJob, tile: Any) -> str:
        if done:
            raise KeyboardInterrupt
        done.append(tiles.forecast_tile(job, tile))
        return done[0]

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("mmvsf.model.forecasting.run.forecast_tile", killed)
        forecast("three", **options)

    def remaining(job: ForecastJob, tile: Any) -> str:
        assert tile.name not in done
        return tiles.forecast_tile(job, tile)

    monkeypatch.setattr("mmvsf.model.forecasting.run.forecast_tile", remaining)
    three = forecast("three", **options)[1]
    assert content(alone) == content(three) and not (three / "tiles").exists()
    monkeypatch.setattr("mmvsf.model.forecasting.run.forecast_tile", None)  # nothing is left to do
    forecast("three", **options)


def test_forecasts_of_one_day_of_issue_stay_side_by_side(
    cube: Cube, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of other days, and those under scenarios of other lengths; the same request finds its folder again."""
    monkeypatch.chdir(tmp_path)
    Path("dry.yaml").write_text("name: dry\ndays: 7\nmultiply: {precipitation: 0.5}\n")
    checkpoint, issued = load_checkpoint(model), date(2021, 6, 30)
    a, b, c = date(2021, 7, 9), date(2021, 7, 20), date(2021, 7, 28)
    requests: list[dict[str, Any]] = [{"days": days} for days in ((a,), (b,), (a, b), (a, c))]
    scenarios = ("drought", "drought:14", "drought:28", "+3C", "+3C:14", "dry.yaml", "dry.yaml:14")
    requests += [{"days": (c,), "scenario": scenario} for scenario in scenarios]

    def folder(request: dict[str, Any]) -> Path:
        return plan_forecast(cube, checkpoint, model, SIZE, Path(), ForecastOptions(issued=issued, **request))[1]

    folders = [folder(request) for request in requests]
    assert len(set(folders)) == len(requests) and folders == [folder(request) for request in requests]
    assert folders[2].name == "2021-06-30-for-2021-07-09-to-2021-07-20-cube"
    assert folders[-1].name == "2021-06-30-for-2021-07-28-years-dry-14d"


def test_a_forecast_that_replaces_another_leaves_no_files_of_it(forecast: Any) -> None:
    first, folder = forecast(block=(3, 2), days=(DAYS[0], date(2021, 7, 9), DAYS[1]))
    second, again = forecast(block=(3, 2))
    assert folder == again and (folder / second["files"][0]).exists()
    assert not any((folder / name).exists() for name in {*first["files"]} - {*second["files"]})


def test_a_model_that_knows_its_error_gives_quantiles(
    forecast: Any, cube: Cube, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_spread(self: MMVSF, *arguments: Any) -> tuple[torch.Tensor, torch.Tensor]:
        images = knowing(self, *arguments)[0] if knowing else without(self, *arguments)
        return images, torch.full_like(torch.cat([images, images[:, :, :1]], 2), 0.02)

    without, knowing = MMVSF.forecast, getattr(MMVSF, "forecast_with_spread", None)
    monkeypatch.setattr(MMVSF, "forecast_with_spread", with_spread)
    result, folder = forecast(weather="cube", block=(3, 2))
    assert result["quantiles_over"] == ["error of the model"]
    quantiles = pixels(folder, "quantiles-2021-07-15").reshape(6, 5, 32, 32)[:, :, 16, 16] * 1e-4
    deviation = np.array(load_checkpoint(model).normalisation.bands.std)
    np.testing.assert_allclose(quantiles[:, 4] - quantiles[:, 2], 0.02 * deviation * 2.1318, atol=2e-4)
    ndvi = pixels(folder, "ndvi-2021-07-15")[:, 16, 16] * 1e-4
    np.testing.assert_allclose(ndvi[3] - ndvi[2], 0.02 * 0.7407, atol=2e-4)
    both, folder = forecast(weather="years", scenario="heat", block=(3, 2))
    assert both["quantiles_over"] == ["weather", "error of the model"]
    wide = pixels(folder, "ndvi-2021-07-15")[:, 16, 16] * 1e-4
    assert wide[3] - wide[2] == pytest.approx(ndvi[3] - ndvi[2], rel=0.3)


def test_the_past_of_an_area_is_that_of_its_own_pixels(forecast: Any, cube: Cube) -> None:
    """Mean and clear share of each day from the arrays themselves: of a box smaller than a window, of one that holds
    parts of several, and of a block. A window that is mostly cloudy on a day adds none of its pixels."""
    block = cube.grid.blocks[1]
    first = [part.start for part in cube.grid.block_slices(block)]
    wholly = {}
    for top, left, side in ((0, 0, 7), (12, 12, 19), (0, 0, 32)):
        rows, columns = (slice(start + at, start + at + side) for start, at in zip(first, (top, left), strict=True))
        x, y = (np.array([part.start + 0.3, part.stop - 0.3]) for part in (columns, rows))
        [west, east], [north, south] = cube.grid.left + 30 * x, cube.grid.top - 30 * y
        result, _ = forecast(bbox=to_degrees((west, south, east, north), cube.grid.crs), days=DAYS[:1])
        assert result["numbers"][0]["pixels"] + result["unseen_pixels"] == side**2
        quality = cube.pixels("imagery/quality").read((slice(None), rows, columns))
        stored = cube.pixels("imagery/reflectance").read((slice(None), slice(None), rows, columns))
        clear = (stored != -9999).all(axis=1) & ((quality & 0b11110) == 0)
        assert result["past"]
        for seen in result["past"]:
            at = cube.calendar.index(day_number(date.fromisoformat(seen["day"])))
            share = clear[at].mean()
            assert seen["clear"] == pytest.approx(share) or (side > 7 and seen["clear"] < share)
            if seen["clear"] == pytest.approx(share):
                red, nir = stored[at, 2:4, clear[at]].T.astype(float)
                assert seen["mean"] == pytest.approx(((nir - red) / (nir + red)).mean(), abs=1e-4)
                wholly[side] = wholly.get(side, 0) + 1
    assert min(wholly.values()) > 3 and len(wholly) == 3


def test_many_days_at_once_are_forecast_as_few_are(forecast: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = forecast("whole", scenario="heat", block=(3, 2))[1]
    monkeypatch.setattr(tiles, "MOST_CHANNELS", 1)
    assert content(whole) == content(forecast("split", scenario="heat", block=(3, 2))[1])


def test_a_part_of_an_area_has_the_same_pixels(forecast: Any, cube: Cube) -> None:
    whole = pixels(forecast(days=DAYS[1:])[1], "ndvi-2021-07-15")
    block, around = cube.grid.blocks[1], Area.of(cube)
    rows, columns = cube.grid.block_slices(block)
    at = slice(rows.start - around.rows.start, rows.stop - around.rows.start)
    across = slice(columns.start - around.columns.start, columns.stop - around.columns.start)
    result, folder = forecast(block=block, days=DAYS[1:])
    np.testing.assert_array_equal(whole[:, at, across], pixels(folder, "ndvi-2021-07-15"))
    west, south, east, north = to_degrees(box_of(cube.grid, (block,)), cube.grid.crs)
    middle = (west + east) / 2
    _, folder = forecast(bbox=(middle, south, east, north), days=DAYS[1:])
    part = pixels(folder, "ndvi-2021-07-15")
    assert 14 <= part.shape[2] <= 18
    found = (part != -9999).any(axis=0)
    np.testing.assert_array_equal(part[:, found], whole[:, at, across][:, :, -part.shape[2] :][:, found])
    site, folder = forecast(site="s1", days=DAYS[1:])
    assert site["numbers"] == result["numbers"]


def test_under_the_weather_that_came_a_window_is_forecast_as_in_training(cube: Cube, model: Path) -> None:
    checkpoint = load_checkpoint(model)
    network = checkpoint.network.eval().to(choose_device())
    reader = WindowReader(cube, checkpoint.normalisation)
    issued, target = day_number(date(2021, 6, 30)), day_number(DAYS[1])
    window = tiles.seen_before(cube, issued).window(*(part.start for part in cube.grid.block_slices((3, 2))), SIZE)
    courses = Courses(reader, FromCube(), None, issued, target, True)
    [(images, seen, _)] = window_forecasts(network, courses, [window], [target])
    precision = autocast_precision(choose_device())
    sample = issue_sample(reader, window, issued, target)
    direct = model_forecasts(network, [sample], weather=True, precision=precision)[0, 0]
    np.testing.assert_allclose(images[0, 0, : len(cube.bands)], reader.normalisation.reflectance(direct), atol=5e-3)
    assert seen.mean() > 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block": (0, 0)}, r"block 0,0 is not in this cube; choose one of 3,2"),
        ({"site": "x"}, r"has no site x; choose one of s0, s1"),
        ({"bbox": (10.0, 50.0, 11.0, 51.0)}, "has no block there; it covers"),
        ({"block": (3, 2), "site": "s0"}, "give one of --block, --site and --bbox"),
        ({"issued": date(2021, 7, 1)}, r"--issued 2021-07-01: it must be before 2021-07-01, the first day"),
        ({"issued": date(2018, 7, 1)}, r"no forecast can be issued on 2018-07-01; its days reach from"),
        ({"days": (date(2019, 4, 3),)}, r"has no clear image there in the 180 days before 2019-04-02"),
        (
            {"days": (date(2021, 11, 20),)},
            r"has no weather of 2021-11-01, which is needed to forecast 2021-11-20; use",
        ),
        ({"weather": "tomorrow"}, r"--weather tomorrow: there is no such file; write cube, years, or the path"),
        ({"scenario": "hail"}, r"--scenario hail: there is no such scenario; choose one of drought, heat"),
        ({"scenario": "drought:0"}, r"it changes no day"),
        ({"scenario": "+0C"}, r"takes up to 15 degrees, and not 0"),
        (
            {"scenario": "years.yaml"},
            r"--scenario years.yaml: years is the name of another row of the results; choose another",
        ),
        (
            {"scenario": "late-frost", "issued": date(2021, 7, 5), "days": DAYS[1:]},
            "changes nothing of the weather of the 10 days from 2021-07-05 on; choose later --days",
        ),
        ({"scenario": "late-frost:10"}, r"changes nothing of the weather of the 15 days from"),
        ({"scenario": "same.yaml"}, r"--scenario same.yaml: it changes nothing of the weather"),
        ({"scenario": "none.yaml"}, r"--scenario none.yaml: there is no such file"),
    ],
)
def test_what_cannot_be_forecast_is_refused(
    forecast: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: Any, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("years.yaml").write_text("name: years\nadd: {tmax: 1}\n")
    Path("same.yaml").write_text("name: same\nmultiply: {precipitation: 1}\n")
    with pytest.raises(InputError, match=message):
        forecast(**options)
    assert not (tmp_path / "runs").exists()


def test_a_frost_on_the_last_night_is_a_scenario(cube: Cube, model: Path, tmp_path: Path) -> None:
    options = ForecastOptions(DAYS[1:], issued=date(2021, 7, 4), scenario="late-frost")
    job, _ = plan_forecast(cube, load_checkpoint(model), model, SIZE, tmp_path, options)
    assert job.days[-1] - job.issued == 11


def test_a_forecast_goes_beyond_the_cube_with_the_weather_of_other_years(forecast: Any) -> None:
    """To the middle of November, of which the weather is known in all years but the last, and before the first."""
    result, _ = forecast(days=(date(2021, 11, 12),), weather="years")
    assert result["issued"] == "2021-10-31" and result["weather"]["members"] == ["2018", "2019", "2020"]


def test_a_model_that_sees_no_weather_takes_none(cube: Cube, model: Path, tmp_path: Path) -> None:
    checkpoint = replace(load_checkpoint(model), weather=False)
    with pytest.raises(InputError, match="--scenario: the model does not use weather"):
        plan_forecast(cube, checkpoint, model, SIZE, tmp_path, ForecastOptions(DAYS, scenario="heat"))
    job, folder = plan_forecast(cube, checkpoint, model, SIZE, tmp_path, ForecastOptions((date(2021, 11, 20),)))
    assert folder.name == "2021-10-31-for-2021-11-20-no-weather" and len(job.weather.members) == 1


@pytest.mark.parametrize("lag", [19, 60])
def test_weather_that_ends_before_the_images_holds_back_only_what_uses_it(
    forecast: Any, cube: Cube, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], lag: int,
) -> None:  # fmt: skip
    """A model of images alone forecasts the same as with all weather."""
    checkpoint, blind = load_checkpoint(model), tmp_path / "blind"
    save_checkpoint(blind, checkpoint.network, checkpoint.normalisation, [cube], {}, weather=False)
    options = ForecastOptions((date(2021, 11, 10),), block=(3, 2), workers=1)
    whole = forecast_area(cube, load_checkpoint(blind), blind, SIZE, tmp_path / "whole", options)
    series, last = WindowReader._normalised_weather, day_number(date(2021, 10, 31))

    def lagging(self: WindowReader) -> Any:
        values = series(self)
        values[cube.calendar.days >= last - lag] = np.nan
        return values

    monkeypatch.setattr(WindowReader, "_normalised_weather", lagging)
    late = forecast_area(cube, load_checkpoint(blind), blind, SIZE, tmp_path / "late", options)
    assert late[0]["issued"] == whole[0]["issued"] == "2021-10-31" and content(late[1]) == content(whole[1])
    assert "no weather of" not in capsys.readouterr().err
    if lag == 60:
        with pytest.raises(InputError, match="its weather of 2021-09-01 is missing, so a forecast can be issued on"):
            forecast(days=options.days, weather="years")
        return
    assert forecast(days=options.days, weather="years", block=(3, 2))[0]["issued"] == "2021-10-12"
    told = " ".join(capsys.readouterr().err.split())
    assert "has no weather of 2021-10-12, so the forecast is issued on that day, not on 2021-10-31" in told


@pytest.mark.parametrize("limit", [300, 5000, 30_000])
def test_a_full_disk_names_its_file(forecast: Any, limit: int, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="File too large") as caught, full_disk(limit):
        forecast(scenario="heat")
    assert str(caught.value.filename).startswith(str(tmp_path))
    assert not list(tmp_path.rglob("*.tif")) and not list(tmp_path.rglob("forecast.json"))


def test_a_forecast_is_verified_when_its_days_came(forecast: Any, cube: Cube) -> None:
    first = forecast(weather="years", days=(*DAYS, date(2021, 12, 20)), issued=date(2021, 6, 30))[1]
    second = forecast("later", issued=date(2021, 7, 5), days=(date(2021, 7, 20),))[1]
    result = verify([first, second], None, 2)
    rows = {(row["days_ahead"], row["variable"], row["method"]): row for row in result["scores"]}
    assert {key[0] for key in rows} == {1, 15} and len(rows) == 2 * 7 * 2
    assert result["notes"] == ["no clear image within 2 days of 2021-12-20"]
    row, last = rows[15, "ndvi", "forecast"], rows[15, "ndvi", "persistence"]
    assert row["pixels"] == last["pixels"] > 2000 and row["mse"] > 0 and row["crps"] > 0
    assert 0 <= row["coverage_50"] <= row["coverage_90"] <= 1 and last["coverage_90"] is None
    assert (first / "verification.png").is_file() and json.loads((first / "verification.json").read_text()) == result
    assert {row["days_ahead"] for row in verify([second], cube, 2)["scores"]} == {15}


def test_persistence_and_the_truth_are_those_of_the_cube(forecast: Any, cube: Cube) -> None:
    """The error of persistence, from the arrays themselves, on the first day with an image in July."""
    place, days = cube.grid.block_slices((3, 2)), cube.calendar.days
    stored = cube.pixels("imagery/reflectance").read((slice(None), 2, *place)).astype(float)
    quality = cube.pixels("imagery/quality").read((slice(None), *place))
    stored[(stored == -9999) | ((quality & 0b11110) > 0)] = np.nan
    at = int(np.flatnonzero(np.isfinite(stored).any(axis=(1, 2)) & (days >= day_number(DAYS[0])))[0])
    _, folder = forecast(block=(3, 2), days=(date_of(int(days[at])),))
    rows = {(row["variable"], row["method"]): row for row in verify([folder], None, 0)["scores"]}
    last = np.full(stored.shape[1:], np.nan)
    for image in stored[:at]:
        last = np.where(np.isfinite(image), image, last)
    error = (last - stored[at])[np.isfinite(stored[at]) & np.isfinite(last)] * 1e-4
    row = rows["red", "persistence"]
    assert row["pixels"] == error.size and row["mse"] == pytest.approx(np.square(error).mean(), rel=1e-4)


def test_scores_of_known_numbers() -> None:
    sums, truth = Sums(), np.array([0.0, 1.0, 2.5], np.float32)
    sums.add(np.repeat(np.array([[-2.0], [-1.0], [0.0], [1.0], [2.0]], np.float32), 3, axis=1), truth)
    scores = sums.scores()
    assert scores["mse"] == pytest.approx((0 + 1 + 6.25) / 3) and scores["bias"] == pytest.approx(-3.5 / 3)
    assert (scores["coverage_50"], scores["coverage_90"]) == (2 / 3, 2 / 3)
    one = Sums()
    one.add(np.zeros((1, 3), np.float32), truth)
    assert one.scores()["crps"] == pytest.approx(3.5 / 3) and one.scores()["coverage_50"] is None


def test_what_cannot_be_verified_is_refused(forecast: Any, cube: Cube, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no forecast in .*; make one with `mmvsf forecast`"):
        verify([tmp_path], None, 2)
    _, folder = forecast(weather="years", days=(date(2021, 11, 12),), block=(3, 2))
    with pytest.raises(IncompleteError, match=r"no image of its days came yet .*the cube ends on 2021-10-31"):
        verify([folder], None, 2)
    _, folder = forecast(block=(3, 2), scenario="heat", days=DAYS[:1])
    with pytest.raises(InputError, match="is a forecast under a scenario; verify one without --scenario"):
        verify([folder], None, 2)
    _, folder = forecast(block=(3, 2), days=DAYS[:1])
    other = replace(cube, spec=replace(cube.spec, grid=replace(cube.grid, left=cube.grid.left + 15)))
    with pytest.raises(InputError, match="its pixels or bands are not those of"):
        verify([folder], other, 2)
    for path in folder.glob("*.tif"):
        path.write_bytes(b"II*\0")
    with pytest.raises(InputError, match=r"make the forecast again"):
        verify([folder], None, 2)
