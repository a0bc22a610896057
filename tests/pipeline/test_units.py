"""Units, with answers worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import WEATHER, WeatherVariable
from mmvsf.pipeline.layers.weather.units import (
    WIND_10M_TO_2M,
    check_range,
    convert,
    daylight_sum,
    extraterrestrial_radiation,
    pressure_of_humidity,
    radiation_of_temperature_range,
    relative_humidity,
    saturation_pressure,
    surface_pressure,
    vapour_pressure_deficit,
)


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
        (68.0, "percent", "%", 68.0),
        (0.68, "1", "%", 68.0),  # as ERA5 and CMIP write hurs
        (0.31, "m**3 m**-3", "m3 m-3", 0.31),  # as ERA5-Land
        (31.0, "%", "m3 m-3", 0.31),
        (98_000.0, "Pa", "kPa", 98.0),
        (1.5, "m", "mm", 1500.0),  # ERA5-Land's snow, in metres of water
        (300.0, "degrees K", "degree_Celsius", 26.85),
        (-3.5, "degrees C", "degree_Celsius", -3.5),  # as Daymet writes it
        (-3.5, "Deg_C", "degree_Celsius", -3.5),
        (-3.5, "°C", "degree_Celsius", -3.5),
        (1e-4, "kg m-2 s-1", "mm", 8.64),  # CF's precipitation_flux: the mean of a day
        (0.5, "mm/hr", "mm", 12.0),
        (2.0, "m of water equivalent", "mm", 2000.0),  # ERA5's snow
        (1.5, "kW-hr/m^2/day", "MJ m-2", 5.4),  # NASA POWER's other unit of radiation
        (17.28, "MJm-2", "MJ m-2", 17.28),  # SILO
        (17.28, "MJ/m²/day", "MJ m-2", 17.28),
        (200.0, "W m⁻²", "MJ m-2", 17.28),
        (12.3, "millibars", "kPa", 1.23),
        (3.5, "hours", "hours", 3.5),  # a unit without a table of its own
    ],
)
def test_conversion(value: float, found: str, wanted: str, answer: float) -> None:
    assert convert(np.array([value]), found, wanted, "x")[0] == pytest.approx(answer, abs=1e-9)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ("degF", "degree_Celsius"),
        ("in", "mm"),
        ("kg m-2 s-2", "mm"),
        ("W m-2", "mm"),
        ("kt", "m s-1"),
        ("", "kPa"),
        ("s", "hours"),
    ],
)
def test_a_unit_that_is_not_known_is_refused(found: str, wanted: str) -> None:
    with pytest.raises(InputError, match=f"my file, tmin.*'{found}'.*{wanted}"):
        convert(np.zeros(1), found, wanted, "my file, tmin")


@pytest.mark.parametrize(("celsius", "kilopascal"), [(1, 0.657), (15, 1.705), (20, 2.338), (24.5, 3.075), (40, 7.376)])
def test_saturation_pressure_of_fao_56(celsius: float, kilopascal: float) -> None:
    """Annex 2, table 2.3."""
    assert saturation_pressure(np.array([celsius]))[0] == pytest.approx(kilopascal, abs=2e-3)


def test_deficit_of_fao_56() -> None:
    """Example 3: 15 and 24.5 degrees make a mean of 2.39 kPa. Example 6: 18 and 25 degrees at 1.70 kPa leave 0.91."""
    assert vapour_pressure_deficit(np.array([15.0]), np.array([24.5]), np.array([0.0]))[0] == pytest.approx(
        2.39, abs=5e-3
    )
    assert vapour_pressure_deficit(np.array([18.0]), np.array([25.0]), np.array([1.70]))[0] == pytest.approx(
        0.91, abs=8e-3
    )


def test_deficit_is_never_negative() -> None:
    assert vapour_pressure_deficit(np.array([5.0]), np.array([6.0]), np.array([2.0])).tolist() == [0.0]


def test_pressure_from_humidity_of_fao_56() -> None:
    """Example 5, by equation 19: 18 and 25 degrees at a mean humidity of 68 % make 0.68 (2.064 + 3.168) / 2 = 1.78."""
    assert pressure_of_humidity(np.array([18.0]), np.array([25.0]), np.array([68.0]))[0] == pytest.approx(
        1.78, abs=5e-3
    )


def test_relative_humidity_of_fao_56() -> None:
    """Example 5 turned round: 1.78 kPa between 18 and 25 degrees are 68 %. Table 2.3: 20 degrees hold 2.338 kPa, so
    half of that is 50 %; air at its dew point is saturated, and no air is more."""
    example = relative_humidity(np.array([1.78]), np.array([18.0]), np.array([25.0]))
    assert example[0] == pytest.approx(68, abs=0.2)
    assert relative_humidity(np.array([1.169]), np.array([20.0]))[0] == pytest.approx(50, abs=0.1)
    assert relative_humidity(np.array([5.0]), np.array([20.0])).tolist() == [100.0]


@pytest.mark.parametrize(
    ("elevation", "celsius", "kilopascal"),
    [(0.0, 15.0, 101.325), (500.0, 11.75, 95.461), (1500.0, 5.25, 84.556), (3000.0, -4.5, 70.109)],
)
def test_surface_pressure_of_the_standard_atmosphere(elevation: float, celsius: float, kilopascal: float) -> None:
    """ISO 2533:1975, table 1: 101.325 kPa and 15 degrees at sea level, 6.5 K less per kilometre."""
    found = surface_pressure(np.array([101.325]), np.array([celsius]), np.array([elevation]))
    assert found[0] == pytest.approx(kilopascal, abs=0.02)


def test_wind_at_2_m_of_fao_56() -> None:
    """Example 14: 3.2 m/s at 10 m are 2.4 m/s at 2 m. Table 2.9: the factor at 10 m is 0.748."""
    assert pytest.approx(2.4, abs=0.01) == 3.2 * WIND_10M_TO_2M
    assert pytest.approx(4.87 / np.log(67.8 * 10 - 5.42), abs=5e-4) == WIND_10M_TO_2M


def test_radiation_of_daymet_is_over_the_daylight() -> None:
    """400 W/m2 for 50,000 s are 20 MJ/m2; taken for a mean over 24 hours they would be 34.56."""
    assert daylight_sum(np.array([400.0]), np.array([50_000.0])).tolist() == [20.0]


@pytest.mark.parametrize(
    ("latitude", "day", "answer"),
    [
        (-20.0, 246, 32.2),  # example 8: 3 September
        (45.72, 196, 40.6),  # example 15: Lyon, 15 July
        (70.0, 355, 0.0),  # polar night
        # Polar day: sunset angle pi and cos(phi) 0 leave 24 x 60 x 0.0820 x dr x sin(declination), with
        # dr = 1 + 0.033 cos(2 pi 172 / 365) = 0.9675 and declination 0.409 sin(1.571) = 0.409: 118.08 x 0.9675 x 0.3977
        (90.0, 172, 45.4),
    ],
)
def test_extraterrestrial_radiation_of_fao_56(latitude: float, day: int, answer: float) -> None:
    assert extraterrestrial_radiation(np.array(latitude), np.array(day)) == pytest.approx(answer, abs=0.05)


@pytest.mark.parametrize(
    ("tmin", "tmax", "answer"),
    [
        (14.8, 26.6, 22.3),  # example 15: 0.16 x sqrt(11.8) x 40.6
        (10.0, 10.0, 0.0),
        (0.0, 30.0, 30.45),  # 0.16 x sqrt(30) = 0.876 of it is more than the 0.75 of a clear sky
        (12.0, 11.0, 0.0),  # a minimum above the maximum: no range
    ],
)
def test_radiation_from_the_temperature_range_of_fao_56(tmin: float, tmax: float, answer: float) -> None:
    found = radiation_of_temperature_range(np.array([tmin]), np.array([tmax]), np.array([40.6]))
    assert found[0] == pytest.approx(answer, abs=0.05)


@pytest.mark.parametrize("variable", WEATHER, ids=lambda variable: variable.name)
def test_a_value_out_of_range_points_to_the_units(variable: WeatherVariable) -> None:
    good = np.array([variable.valid_min, np.nan, variable.valid_max])
    check_range(variable.name, good, "here")
    beyond = 0.01 * (variable.valid_max - variable.valid_min)
    for wrong in (variable.valid_max + beyond, variable.valid_min - beyond):
        with pytest.raises(InputError, match=f"here: {variable.name} .*units"):
            check_range(variable.name, np.array([variable.valid_max, wrong]), "here")
