"""Units, with answers worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import WEATHER, WeatherVariable
from mmvsf.pipeline.units import check_range, convert, saturation_pressure, vapour_pressure_deficit


@pytest.mark.parametrize(
    ("value", "found", "wanted", "answer"),
    [
        (273.15, "K", "degree_Celsius", 0.0),
        (300.0, "kelvin", "degree_Celsius", 26.85),
        (-3.5, "degC", "degree_Celsius", -3.5),
        (-3.5, "Celsius", "degree_Celsius", -3.5),
        (12.0, "degree_Celsius", "degree_Celsius", 12.0),
        (0.012, "m", "mm", 12.0),
        (1.2, "cm", "mm", 12.0),
        (12.0, "kg m-2", "mm", 12.0),
        (12.0, "mm d-1", "mm", 12.0),
        (12.0, "mm/day", "mm", 12.0),
        (12.0, "mm day-1", "mm", 12.0),
        (200.0, "W m-2", "MJ m-2", 17.28),
        (1.0, "W/m2", "MJ m-2", 0.0864),
        (17_280_000.0, "J m-2", "MJ m-2", 17.28),
        (17_280_000.0, "J m**-2", "MJ m-2", 17.28),  # as ERA5 writes it
        (17_280_000.0, "J m-2 day-1", "MJ m-2", 17.28),  # as AgERA5 does
        (17.28, "MJ m-2 d-1", "MJ m-2", 17.28),
        (17.28, "MJ/m^2/day", "MJ m-2", 17.28),
        (12.3, "hPa", "kPa", 1.23),
        (1230.0, "Pa", "kPa", 1.23),
        (1.23, "kPa", "kPa", 1.23),
        (36.0, "km/h", "m s-1", 10.0),
        (10.0, "m s**-1", "m s-1", 10.0),
        (10.0, "m/s", "m s-1", 10.0),
        (10.0, " M  S-1 ", "m s-1", 10.0),
    ],
)
def test_conversion(value: float, found: str, wanted: str, answer: float) -> None:
    assert convert(np.array([value]), found, wanted, "x")[0] == pytest.approx(answer, abs=1e-9)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [("degF", "degree_Celsius"), ("in", "mm"), ("kg m-2 s-1", "mm"), ("W m-2", "mm"), ("kt", "m s-1"), ("", "kPa")],
)
def test_a_unit_that_is_not_known_is_refused(found: str, wanted: str) -> None:
    with pytest.raises(InputError, match=f"my file, tmin.*'{found}'.*{wanted}"):
        convert(np.zeros(1), found, wanted, "my file, tmin")


@pytest.mark.parametrize(("celsius", "kilopascal"), [(1, 0.657), (15, 1.705), (20, 2.338), (24.5, 3.075), (40, 7.376)])
def test_saturation_pressure_of_fao_56(celsius: float, kilopascal: float) -> None:
    """Annex 2, table 2.3."""
    assert saturation_pressure(np.array([celsius]))[0] == pytest.approx(kilopascal, abs=2e-3)


def test_deficit_of_fao_56() -> None:
    """Example 3: 15 and 24.5 degrees make a mean of 2.39 kPa; example 5: the actual pressure 1.70 leaves 0.69."""
    deficit = vapour_pressure_deficit(np.array([15.0]), np.array([24.5]), np.array([1.70]))
    assert deficit[0] == pytest.approx(0.69, abs=5e-3)


def test_deficit_is_never_negative() -> None:
    assert vapour_pressure_deficit(np.array([5.0]), np.array([6.0]), np.array([2.0])).tolist() == [0.0]


@pytest.mark.parametrize("variable", WEATHER, ids=lambda variable: variable.name)
def test_a_value_out_of_range_points_to_the_units(variable: WeatherVariable) -> None:
    good = np.array([variable.valid_min, np.nan, variable.valid_max])
    check_range(variable.name, good, "here")
    for wrong in (variable.valid_max * 1.1 + 1, variable.valid_min - 10):
        with pytest.raises(InputError, match=f"here: {variable.name} .*units"):
            check_range(variable.name, np.array([1.0, wrong]), "here")
