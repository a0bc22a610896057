"""Do crops follow the calendar and the weather as they should?"""

import numpy as np
import pytest

from mmvsf.pipeline.sandbox.crop_types import ALFALFA, CORN, COVERS, FOREST, SOYBEANS, WHEAT
from mmvsf.pipeline.sandbox.drivers import surface_wetness
from mmvsf.pipeline.sandbox.weather import VARIABLES, SiteWeather
from mmvsf.pipeline.sandbox.world import SimulatedSeason, SiteWorld


def ndvi(season: SimulatedSeason) -> np.ndarray:
    """(days, fields)."""
    red, nir = season.reflectance[..., 2], season.reflectance[..., 3]
    return (nir - red) / (nir + red)


def greenup(world: SiteWorld, season: SimulatedSeason, year: int, crop: int) -> float:
    """Mean day of the season on which the fields of a crop pass NDVI 0.5."""
    fields = world.field_map.crop[year - world.spec.first_year] == crop
    return float((ndvi(season)[:, fields] > 0.5).argmax(axis=0).mean())


def changed(weather: SiteWeather, variable: str, first: str, last: str, add: float, factor: float) -> SiteWeather:
    values = weather.values.copy()
    period = (weather.days >= np.datetime64(first)) & (weather.days <= np.datetime64(last))
    column = list(VARIABLES).index(variable)
    values[period, column] = values[period, column] * factor + add
    return SiteWeather(weather.days, values, weather.latitude)


def colder_spring(weather: SiteWeather, year: int) -> SiteWeather:
    for variable in ("tmin", "tmax"):
        weather = changed(weather, variable, f"{year}-04-01", f"{year}-05-31", add=-4, factor=1)
    return weather


@pytest.fixture(scope="module", params=["wide-west", "wide-east"])
def world(worlds, request) -> SiteWorld:
    return worlds[request.param]


def test_seasons_come_in_order(world):
    """Wheat peaks and is gone before corn has closed; corn greens up weeks before soybeans, which yellow first."""
    for year in world.spec.years:
        curves = ndvi(world.season(year))[:183]  # to the end of September: later wheat stubble is weedy
        crop = world.field_map.crop[year - world.spec.first_year]
        wheat, corn, soybeans = (np.median(curves[:, crop == cover], axis=1) for cover in (WHEAT, CORN, SOYBEANS))
        assert wheat.argmax() + 20 < corn.argmax() <= soybeans.argmax()
        greening = [int((curve > 0.5).argmax()) for curve in (wheat, corn, soybeans)]
        assert greening[0] + 30 < greening[1]
        assert 7 <= greening[2] - greening[1] <= 30
        assert wheat[110] < 0.4  # 20 July
        assert soybeans[173:].min() < corn[173:].min() + 0.05


def test_spectra_are_those_of_fields(world):
    season = world.season(2021)
    crop = world.field_map.crop[0]
    curves = ndvi(season)
    for cover in (CORN, SOYBEANS, FOREST):
        assert 0.80 < np.median(curves[:, crop == cover].max(axis=0)) < 0.92
    bare = curves[5, (crop == CORN) | (crop == SOYBEANS)]
    assert ((bare > 0.10) & (bare < 0.26)).all()
    assert season.reflectance.min() > 0.005
    assert season.reflectance.max() < 0.6


def test_alfalfa_is_cut_three_to_five_times(world):
    curves = ndvi(world.season(2022))[:, world.field_map.crop[1] == ALFALFA]
    falls = (curves[1:] - curves[:-1] < -0.2).sum(axis=0)
    assert ((falls >= 3) & (falls <= 5)).all()


def test_a_cold_spring_delays_corn(world):
    warm = greenup(world, world.season(2021), 2021, CORN)
    cold = greenup(world, world.season(2021, crop_weather=colder_spring(world.weather, 2021)), 2021, CORN)
    assert 6 < cold - warm < 40


def test_a_drought_costs_leaf_area_and_ends_the_season_early(world):
    dry = changed(world.weather, "precipitation", "2021-05-20", "2021-09-15", add=0, factor=0.1)
    wet = changed(world.weather, "precipitation", "2021-05-20", "2021-09-15", add=4, factor=1)
    corn = world.field_map.crop[0] == CORN
    thirsty, sated = (world.season(2021, crop_weather=weather) for weather in (dry, wet))
    late_august = 148
    assert ndvi(thirsty)[late_august, corn].mean() < ndvi(sated)[late_august, corn].mean() - 0.1
    assert thirsty.green_leaf_area[:, corn].max(axis=0).mean() < sated.green_leaf_area[:, corn].max(axis=0).mean()


def test_rain_darkens_bare_soil_for_days(world):
    rain = changed(world.soil_weather, "precipitation", "2021-04-10", "2021-04-30", add=0, factor=0)
    one_shower = changed(rain, "precipitation", "2021-04-15", "2021-04-15", add=14, factor=0)
    bare = world.field_map.crop[0] == SOYBEANS
    swir = [world.season(2021, soil_weather=w).reflectance[:, bare, 4].mean(axis=1) for w in (rain, one_shower)]
    ratio = swir[1] / swir[0]
    assert ratio[14] == pytest.approx(1)  # that morning it had not rained yet
    assert ratio[15] < 0.85
    assert ratio[15] < ratio[17] < ratio[25]
    assert ratio[25] > 0.93
    wetness = surface_wetness(one_shower)
    assert wetness.min() >= 0
    assert wetness.max() <= 1


def test_an_image_knows_no_weather_of_its_own_day_or_later(world):
    later = changed(world.weather, "precipitation", "2021-07-01", "2021-10-31", add=30, factor=1)
    later = changed(later, "tmax", "2021-07-01", "2021-10-31", add=8, factor=1)
    before, after = world.season(2021), world.season(2021, later, later)
    first_of_july = 91
    assert (before.reflectance[: first_of_july + 1] == after.reflectance[: first_of_july + 1]).all()
    assert not np.allclose(before.reflectance[first_of_july + 1], after.reflectance[first_of_july + 1])


def swapped(weather: SiteWeather) -> SiteWeather:
    """The calendar years 2021 and 2022 in each other's place; the climatology stays."""
    year = weather.days.astype("datetime64[Y]")
    values = weather.values.copy()
    one, two = year == np.datetime64("2021"), year == np.datetime64("2022")
    values[one], values[two] = weather.values[two], weather.values[one]
    return SiteWeather(weather.days, values, weather.latitude)


def test_the_control_world_does_not_see_which_year_it_is(worlds, control):
    for name, normal in control.items():
        other = SiteWorld(normal.spec, normal.site, normal.field_map, swapped(normal.weather))
        for year in normal.spec.years:
            one, two = normal.season(year), other.season(year)
            assert greenup(normal, one, year, CORN) == greenup(other, two, year, CORN)
            np.testing.assert_allclose(one.reflectance, two.reflectance, atol=1e-6)
        real = worlds[name]
        exchanged = SiteWorld(real.spec, real.site, real.field_map, swapped(real.weather))
        assert np.abs(exchanged.season(2021).reflectance - real.season(2021).reflectance).max() > 0.05


def test_soil_alone_sees_the_weather_with_doses_zero_and_one(worlds, control):
    """Where plants hide the ground nothing changes; bare ground does."""
    for name, normal in control.items():
        soil_only = normal.season(2021, soil_weather=worlds[name].weather)
        change = np.abs(soil_only.reflectance - normal.season(2021).reflectance).max(axis=2)
        crop = normal.field_map.crop[0]
        assert (soil_only.green_leaf_area == normal.season(2021).green_leaf_area).all()
        assert change[:20, crop == CORN].max() > 0.03
        assert change[110:130, crop == CORN].max() < 0.03


def test_codes_and_colours_are_those_of_the_cropland_data_layer():
    table = {
        1: "#ffd200", 5: "#256f00", 24: "#a46f00", 36: "#ffa4e1", 176: "#e8ffbe", 141: "#92cc92",
        4: "#ff9e0a", 42: "#a80000", 23: "#d8b56b", 26: "#707000", 37: "#a5f58c", 121: "#999999",
    }  # fmt: skip
    assert {cover.code: cover.color for cover in COVERS} == table
