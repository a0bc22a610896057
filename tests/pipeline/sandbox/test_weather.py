import numpy as np
import pytest
import xarray as xr

from mmvsf.datasets.sidecars.weather_changes import saturation_vapour_pressure
from mmvsf.pipeline.sandbox.climate import (
    Climate,
    extraterrestrial_radiation,
    reference_evapotranspiration,
)
from mmvsf.pipeline.sandbox.spec import WorldSpec
from mmvsf.pipeline.sandbox.weather import at_point
from mmvsf.pipeline.sandbox.weather_generator import generate


@pytest.fixture(scope="module")
def long_record() -> xr.Dataset:
    """Twenty years, cells around 42 N, which are far from independent of each other."""
    return generate(WorldSpec(3, 2000, 2019)).isel(lat=slice(12, 17), lon=slice(0, None, 3))


def monthly(array: xr.DataArray) -> np.ndarray:
    return array.groupby("time.month").mean(...).values


@pytest.mark.slow
def test_monthly_statistics_are_those_of_the_table(long_record):
    climate = Climate()
    tmean = (long_record.tmin + long_record.tmax) / 2
    assert monthly(tmean) == pytest.approx(climate.tmean, abs=2.0)  # yearly deviation / sqrt(20) is up to 0.9
    wet = long_record.precipitation >= 0.3
    assert monthly(wet.astype(float)) == pytest.approx(climate.wet_share, abs=0.07)
    after_wet = wet.isel(time=slice(1, None)).where(wet.shift(time=1).isel(time=slice(1, None)) == 1)
    assert monthly(after_wet) == pytest.approx(climate.wet_after_wet, abs=0.12)
    rain = monthly(long_record.precipitation)
    assert rain == pytest.approx(climate.wet_share * climate.rain_per_wet_day, rel=0.45)
    assert rain.sum() == pytest.approx((climate.wet_share * climate.rain_per_wet_day).sum(), rel=0.15)
    radiation = np.array([9.42, 12.94, 17.26, 21.14, 26.11, 29.20, 29.24, 24.84, 19.04, 14.04, 10.33, 8.06])
    assert monthly(long_record.radiation) == pytest.approx(radiation, rel=0.08)


@pytest.mark.slow
def test_years_differ_as_much_as_they_do_in_the_table(long_record):
    tmean = ((long_record.tmin + long_record.tmax) / 2).mean(("lat", "lon"))
    by_year = tmean.groupby("time.year")
    for month, expected in ((4, 2.41), (5, 1.77), (7, 1.55)):
        means = [float(year.where(year["time.month"] == month).mean()) for number, year in by_year if number >= 2000]
        assert np.std(means) == pytest.approx(expected, rel=0.6)


@pytest.mark.slow
def test_weather_is_physically_possible(long_record):
    assert (long_record.tmax > long_record.tmin).all()
    assert (long_record.precipitation >= 0).all()
    assert (long_record.vpd > 0).all()
    assert (long_record.wind > 0).all()
    top = extraterrestrial_radiation(long_record["time.dayofyear"].values[:, None], long_record.lat.values)
    assert (long_record.radiation.max("lon").values <= 0.83 * top).all()
    saturated = saturation_vapour_pressure(long_record.tmax.values)
    assert (long_record.vpd.values < saturated).all()


@pytest.mark.slow
def test_wet_days_are_dull_and_humid(long_record):
    july = long_record.where(long_record["time.month"] == 7)
    wet = july.precipitation >= 0.3
    assert july.radiation.where(wet).mean() < 0.92 * july.radiation.where(~wet).mean()
    assert july.vpd.where(wet).mean() < july.vpd.where(~wet).mean()


def test_a_site_feels_the_delivered_grid_interpolated(spec):
    weather = generate(spec)
    point = at_point(weather, -96.31, 41.93)
    expected = weather["tmax"].astype("float64").interp(lat=41.93, lon=-96.31).values
    assert point["tmax"] == pytest.approx(expected, abs=1e-6)
    with pytest.raises(ValueError, match="outside"):
        at_point(weather, -90.0, 42.0)


def test_dose_zero_knows_the_season_but_not_the_year(spec):
    point = at_point(generate(spec), -96.31, 41.93)
    mean = point.dosed(0.0)
    one = mean.between(np.datetime64("2021-01-01"), np.datetime64("2021-12-31"))
    two = mean.between(np.datetime64("2022-01-01"), np.datetime64("2022-12-31"))
    assert (one.values == two.values).all()
    assert np.ptp(one["tmax"]) > 20
    half = point.dosed(0.5)
    assert half["tmin"] == pytest.approx((point["tmin"] + mean["tmin"]) / 2)
    assert point.dosed(1.0) is point


def test_reference_evapotranspiration_of_the_fao_example():
    """FAO-56, example 18 (Brussels, 6 July): 3.9 mm per day (pressure and ea of the example differ slightly)."""
    one = np.array([1.0])
    value = reference_evapotranspiration(
        12.3 * one, 21.5 * one, 22.07 * one, (1.997 - 1.409) * one, 2.078 * one, np.array([187]), 50.8
    )
    assert value[0] == pytest.approx(3.88, abs=0.1)


def test_extraterrestrial_radiation_of_the_fao_example():
    """FAO-56, example 8: 3 September at 20 degrees south, 32.2 MJ."""
    assert extraterrestrial_radiation(np.array([246]), -20.0)[0] == pytest.approx(32.2, abs=0.1)
