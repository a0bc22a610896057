"""Every dose: its effect is there with 1 and gone with 0."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mmvsf.pipeline.sandbox.cdl_grid import pixels_of_site
from mmvsf.pipeline.sandbox.clouds import CLOUD, sky
from mmvsf.pipeline.sandbox.crop_types import COVERS, DOUBLE_CROP, HAY, ROAD, WHEAT
from mmvsf.pipeline.sandbox.drivers import field_drivers
from mmvsf.pipeline.sandbox.extremes import heat_at_flowering
from mmvsf.pipeline.sandbox.fields import lay_out
from mmvsf.pipeline.sandbox.label_errors import classify
from mmvsf.pipeline.sandbox.sensor import gains
from mmvsf.pipeline.sandbox.spec import Site, WorldSpec
from mmvsf.pipeline.sandbox.tiles import passes
from mmvsf.pipeline.sandbox.traits import Traits
from mmvsf.pipeline.sandbox.weather import VARIABLES, SiteWeather
from mmvsf.pipeline.sandbox.weather_generator import generate
from mmvsf.pipeline.sandbox.world import SiteWorld

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(worlds: dict[str, SiteWorld]) -> SiteWorld:
    return worlds["wide-east"]


def dosed(world: SiteWorld, **doses: Any) -> SiteWorld:
    """The same place and weather with other doses."""
    spec = replace(world.spec, **doses)
    return SiteWorld(spec, world.site, lay_out(spec, world.site), world.weather)


def test_climate_falls_with_latitude(spec: WorldSpec) -> None:
    def fall(dose: float) -> NDArray[np.float64]:
        """Of January and of July, between 39 and 45 degrees."""
        tmin = generate(replace(spec, last_year=2021, climate_dose=dose)).tmin.mean("lon").groupby("time.month").mean()
        return (tmin.sel(lat=39.0) - tmin.sel(lat=45.0)).sel(month=[1, 7]).values

    np.testing.assert_allclose(fall(1.0) - fall(0.0), [6 * 1.5, 6 * 0.74], atol=0.15)
    assert (np.abs(fall(0.0)) < 2.0).all()


def test_varieties_fit_the_climate(place: SiteWorld) -> None:
    cooler = SiteWeather(place.weather.days, place.weather.values - [3, 3, 0, 0, 0, 0], place.weather.latitude)
    cold = SiteWorld(place.spec, place.site, place.field_map, cooler)
    assert 0.85 < place.maturity < 1.15 and cold.maturity < place.maturity - 0.15
    assert cold.hidden(2021).fields.variety.mean() < place.hidden(2021).fields.variety.mean() - 0.05


def test_management_differs_between_fields_and_not_within(place: SiteWorld) -> None:
    managed, plain = (dosed(place, management_dose=dose, patch_dose=1.0).hidden(2021).fields for dose in (1.0, 0.0))
    assert not (plain.irrigated | plain.cover_crop | np.isfinite(plain.fails_on)).any()
    assert np.ptp(plain.variety) == 0 and plain.delay.std() < 5
    assert 0.05 < managed.irrigated.mean() < 0.35 and managed.cover_crop.any() and np.isfinite(managed.fails_on).any()
    assert managed.variety.std() > 0.03 and managed.delay.std() > 1.5 * plain.delay.std()
    parcel = lay_out(replace(place.spec, patch_dose=1.0), place.site).parcel
    for values in (managed.delay, managed.variety, managed.irrigated):
        assert len(np.unique(np.stack([parcel, values]), axis=1).T) == parcel.max() + 1


def test_hidden_parameters_are_drawn_apart_from_the_forward_model(place: SiteWorld) -> None:
    world = dosed(place, management_dose=1.0)
    season = world.season(2021)
    assert (world.forward(world.hidden(2021), 2021).reflectance == season.reflectance).all()
    one, other = (world.hidden(2021, draw) for draw in (1, 2))
    assert (one.fields.cover == other.fields.cover).all() and (one.fields.delay != other.fields.delay).any()
    assert not (world.forward(one, 2021).reflectance == season.reflectance).all()


def test_fields_have_roads_and_many_sizes(place: SiteWorld) -> None:
    natural, regular = (dosed(place, geometry_dose=dose).field_map for dose in (1.0, 0.0))
    assert (natural.crop == ROAD).any() and not (regular.crop == ROAD).any()
    hectares = np.sort(np.bincount(natural.parcel[natural.field].ravel())) / 100
    assert (hectares < 3).sum() > 10 and hectares[-4] > 15
    assert np.ptp(np.bincount(regular.parcel[regular.field].ravel()) / 100) < 80


def test_soil_differs_within_fields(place: SiteWorld) -> None:
    patchy, even = (dosed(place, patch_dose=dose).field_map for dose in (1.0, 0.0))
    assert even.fields == even.parcel.max() + 1 < patchy.fields
    assert (even.fertility == 1).all() and np.ptp(patchy.fertility) > 0.1


def colder(weather: SiteWeather, first: str, last: str, by: float) -> SiteWeather:
    values = weather.values.copy()
    at = (weather.days >= np.datetime64(first)) & (weather.days <= np.datetime64(last))
    values[np.ix_(at, [list(VARIABLES).index(name) for name in ("tmin", "tmax")])] += by
    return SiteWeather(weather.days, values, weather.latitude)


def test_a_late_frost_costs_leaves(place: SiteWorld) -> None:
    lost = []
    for dose in (0.0, 1.0):
        world = dosed(place, stress_dose=dose)
        usual, frozen = world.season(2021), world.season(2021, colder(world.weather, "2021-05-20", "2021-05-20", -22.0))
        at = world.field_map.crop[0] == WHEAT
        lost.append((usual.green_leaf_area - frozen.green_leaf_area)[55, at].mean())
    assert lost[1] > lost[0] + 0.4


def test_heat_ages_what_flowers(place: SiteWorld) -> None:
    traits = Traits.of(place.hidden(2021).fields)
    hot = colder(place.weather, "2021-07-15", "2021-07-15", 15.0).between(
        np.datetime64("2020-10-01"), np.datetime64("2021-07-15")
    )
    flowering = traits.half + 5 * traits.speed
    day = field_drivers(hot).on(-1)
    assert (heat_at_flowering(day, traits, flowering) > 0).all()
    assert not np.any(heat_at_flowering(day, traits, traits.half))
    assert not np.any(heat_at_flowering(replace(day, tmax=np.float64(31.0)), traits, flowering))


def test_standing_water_costs_leaves(place: SiteWorld) -> None:
    values = place.weather.values.copy()
    at = (place.weather.days >= np.datetime64("2021-06-05")) & (place.weather.days < np.datetime64("2021-06-20"))
    values[at, list(VARIABLES).index("precipitation")] = 40.0
    flooded = SiteWeather(place.weather.days, values, place.weather.latitude)
    worlds = [dosed(place, stress_dose=dose) for dose in (0.0, 1.0)]
    peaks = [world.season(2021, flooded).green_leaf_area[:, world.field_map.crop[0] == 0].max(0) for world in worlds]
    assert peaks[1].mean() < peaks[0].mean() - 0.5


def test_pixels_take_from_their_neighbours(place: SiteWorld) -> None:
    sharp, blurred = (dosed(place, blur_dose=dose).view(place.site.geobox) for dose in (0.0, 1.0))
    assert sharp is not None and blurred is not None
    pure = [(view.mixing.max(axis=1).toarray() > 0.999).mean() for view in (sharp, blurred)]
    assert pure[1] < 0.75 * pure[0]
    np.testing.assert_allclose(blurred.mixing.sum(axis=1), 1, atol=1e-12)


def centres(site: Site) -> tuple[np.ndarray, np.ndarray]:
    a = site.geobox.affine
    x, y = np.meshgrid(a.c + 30 * (np.arange(0, 96, 8) + 0.5), a.f - 30 * (np.arange(0, 96, 8) + 0.5))
    return x.ravel(), y.ravel()


def test_views_are_few_and_hazy(place: SiteWorld) -> None:
    x, y = centres(place.site)

    def views(**doses: float) -> tuple[float, float]:
        """(clear views of a pixel in a season, share of them with a change of more than 0.03 in blue)"""
        spec = replace(place.spec, **doses)
        clear, hazy = 0.0, 0.0
        for overflight in (flown for year in spec.years for flown in passes(spec, year)):
            above, seen = sky(spec, place.site, place.weather, overflight).over(x, y), overflight.sees(x, y)
            flagged = above.flags() & 0b1110 > 0
            blue = above.cover(np.full((x.size, 6), 0.05, np.float32))[:, 0]
            clear += (seen & ~flagged).mean() / len(spec.years)
            hazy += (seen & ~flagged & (blue > 0.08)).mean() / len(spec.years)
            assert (blue[above.flags() & CLOUD > 0] > 0.05).all()
        return clear, hazy / clear

    assert views()[0] > 25 and views()[1] == 0
    clear, hazy = views(cloud_dose=1.0, haze_dose=1.0)
    assert 4 < clear < 12 and 0.05 < hazy < 0.25


def test_images_differ_by_their_angles(place: SiteWorld) -> None:
    ground = np.tile(np.float32([0.03, 0.06, 0.03, 0.45, 0.2, 0.1]), (1, 1))

    def spread(dose: float) -> float:
        spec = replace(place.spec, sensor_dose=dose)
        return float(np.std([gains(spec, flown, ground)[0, 3] for flown in passes(spec, 2021)]))

    assert spread(0.0) < 0.018 < 0.025 < spread(1.0) < 0.08


def test_labels_err_by_class_at_edges_and_say_so(place: SiteWorld) -> None:
    true, noisy = (classify(pixels_of_site(dosed(place, label_dose=dose)), 2021) for dose in (0.0, 1.0))
    assert (true.cover == true.truth).all() and (noisy.truth == true.truth).all()
    wrong = noisy.cover != noisy.truth
    edge = np.any([np.roll(noisy.truth, step, (0, 1)) != noisy.truth for step in ((0, 1), (1, 0))], axis=0)
    assert 0.05 < wrong.mean() < 0.25 and wrong[edge].mean() > wrong[~edge].mean() + 0.05
    confidence = noisy.confidence.astype(float)
    assert confidence[~edge].mean() > confidence[edge].mean() + 8
    assert confidence[~wrong].mean() > confidence[wrong].mean() + 8


def test_crops_that_look_alike_until_midsummer(place: SiteWorld) -> None:
    season, crop = place.season(2022), place.field_map.crop[1]
    ndvi = (season.reflectance[..., 3] - season.reflectance[..., 2]) / season.reflectance[..., [2, 3]].sum(-1)
    wheat, double = (np.median(ndvi[:, crop == cover], axis=1) for cover in (WHEAT, DOUBLE_CROP))
    assert np.abs(wheat - double)[:70].max() < 0.08 and (double - wheat)[115:180].max() > 0.25
    assert (np.diff(ndvi[:, crop == HAY], axis=0) < -0.15).sum(axis=0).min() >= 1
    assert len(COVERS) == 12
