"""Weather files of well-known products are read as they come."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmvsf.datasets.errors import InputError

from . import weather_products as products
from .weather_grids import (
    assert_tmin_in_place,
    fetch,
)
from .weather_products import ANSWERS


@pytest.mark.parametrize(
    ("write", "variables", "end"),
    [
        (products.gridmet, ANSWERS, 7),
        (lambda folder: products.gridmet(folder, told=False), ANSWERS, 7),
        (products.daymet, [name for name in ANSWERS if name != "wind"], 6),
        (lambda folder: products.daymet(folder, unit="m", only=("tmin", "tmax")), ["tmax"], 6),
        (products.agera5, ANSWERS, 6),
        (lambda folder: products.agera5(folder, suffix="_24h", days=1), ["wind"], 6),
        (products.era5_land, ["tmax", "precipitation", "radiation", "vpd", "wind"], 24),
        (products.eobs, ["tmax", "precipitation", "radiation", "wind", "relative_humidity"], 24),
        (products.power, ANSWERS, 24),
    ],
    ids=[
        "gridMET",
        "gridMET by file name",
        "Daymet",
        "Daymet in m",
        "AgERA5",
        "AgERA5 2",
        "ERA5-Land",
        "E-OBS",
        "POWER",
    ],
)
def test_files_of_products(tmp_path: Path, write: Callable[[Path], None], variables: Any, end: float) -> None:
    write(tmp_path)
    series = fetch(tmp_path, "tmin", *variables)
    assert_tmin_in_place(series, atol=6e-3)  # E-OBS is packed at .01
    centre = (slice(None), np.abs(series.y - series.y.mean()).argmin(), np.abs(series.x - series.x.mean()).argmin())
    for name in variables:
        # vpd and humidity are derived from tmin in some products, which is 15 only near the centre of the window
        assert series.values[name][centre].tolist() == pytest.approx([ANSWERS[name]] * series.days.size, rel=0.01), name
    assert series.day_ends_utc_hour == end


def test_rain_of_chirps(tmp_path: Path) -> None:
    products.chirps(tmp_path)
    assert (fetch(tmp_path, "precipitation").values["precipitation"] == 3.0).all()


def test_daymet_drops_the_end_of_leap_years(tmp_path: Path) -> None:
    products.daymet(tmp_path, only=("tmin",))
    assert fetch(tmp_path).dropped_leap_day == (12, 31)


def test_srad_of_daymet_needs_its_day_length(tmp_path: Path) -> None:
    """Taken for a mean over 24 hours it would be nearly twice too high."""
    products.daymet(tmp_path, only=("srad",))
    with pytest.raises(InputError, match=r"\(srad\) is a mean over the daylight.*\(dayl\)"):
        fetch(tmp_path, "radiation")
