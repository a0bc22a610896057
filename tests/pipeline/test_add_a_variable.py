"""docs/add-a-variable.md, followed: `sunshine` is added with nothing but the two entries of the page."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml

from mmvsf.datasets import variables
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.variables import DEFAULT_WEATHER, WeatherVariable
from mmvsf.pipeline.sources.archive.weather import open_weather
from mmvsf.pipeline.sources.cf.inputs import INPUTS, Input

from .conftest import Command, build_tiny
from .stored import TILE
from .tiny_archive import TinyArchive, weather_dataset

PAGE = Path(__file__).parents[2] / "docs/add-a-variable.md"


def snippets(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_the_page_followed(tiny: TinyArchive, mmvsf: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    entry, inputs = snippets("python")
    call = ast.parse(entry.strip(), mode="eval").body
    assert isinstance(call, ast.Call)
    sunshine = WeatherVariable(*map(ast.literal_eval, call.args))
    monkeypatch.setitem(variables.WEATHER_BY_NAME, sunshine.name, sunshine)
    for name, quantity in eval(inputs, {"Input": Input}).items():
        monkeypatch.setitem(INPUTS, name, quantity)
    dataset = weather_dataset()
    hours = xr.full_like(dataset["radiation"], 7.5).assign_attrs(units="hours")
    tiny.write_weather(dataset.assign(sund=hours))
    (section,) = snippets("yaml")
    tiny.write_recipe(weather__variables=yaml.safe_load(section)["weather"]["variables"])
    build_tiny(tiny)
    stored = Cube.open(tiny.cube).sel("weather")["sunshine"]
    assert (stored.attrs["units"], stored.attrs["standard_name"]) == ("hours", "duration_of_sunshine")
    assert np.nanmin(stored) == np.nanmax(stored) == 7.5
    assert mmvsf("check", tiny.cube).code == 0


def test_durations_are_read_as_numbers(tmp_path: Path) -> None:
    """Also where xarray wrote them as durations: it would read them back as timedeltas, without a unit."""
    hours = xr.full_like(weather_dataset()["radiation"], 7.5).drop_attrs()
    durations = (hours * 3.6e12).astype("timedelta64[ns]")
    durations.encoding = {"units": "hours", "dtype": "float64"}
    durations.to_dataset(name="sund").to_netcdf(tmp_path / "sund.nc", engine="h5netcdf")
    with open_weather(tmp_path / "sund.nc") as dataset:
        assert dataset["sund"].attrs["units"] == "hours"
        np.testing.assert_array_equal(dataset["sund"], hours)


def test_a_new_known_variable_changes_no_cube(built: TinyArchive, tiny: TinyArchive) -> None:
    """A recipe that names no variables gets the six, whatever else is known."""
    assert len(variables.WEATHER) > len(DEFAULT_WEATHER)
    stored = xr.open_zarr(built.cube / TILE / "weather", consolidated=False)
    assert {*DEFAULT_WEATHER, "flag", "time_bnds", "spatial_ref"} >= set(stored.data_vars) >= set(DEFAULT_WEATHER)


def test_tables_named_on_the_page_exist() -> None:
    root = PAGE.parents[1]
    for table, module in re.findall(r"`([A-Z]+)` in `([\w/]+\.py)`", PAGE.read_text()):
        assert re.search(rf"^{table}\b", (root / module).read_text(), re.MULTILINE), (table, module)
