"""What the inferring oracle is made of: branches of a season, and weights of draws."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from mmvsf.pipeline.sandbox.branches import BranchingSeason
from mmvsf.pipeline.sandbox.inference import expected, log_likelihood, sampling_variance, weigh
from mmvsf.pipeline.sandbox.prior import draw_prior
from mmvsf.pipeline.sandbox.spec import Site, WorldSpec
from mmvsf.pipeline.sandbox.world import SiteWorld, truth

SITE = Site("valley", GeoBox((24, 24), Affine(30, 0, 240000, 0, -30, 4650000), "EPSG:32615"))


@pytest.fixture(scope="module")
def world() -> SiteWorld:
    return truth(WorldSpec(7, 2020, 2021), [SITE])["valley"]


def day(text: str) -> int:
    return int(np.datetime64(text).astype(int))


def test_a_branch_is_the_season_under_that_weather(world: SiteWorld) -> None:
    hidden, days = world.hidden(2021), np.array([day("2021-05-01"), day("2021-06-20"), day("2021-08-01")])
    stop = day("2021-06-01")
    season = BranchingSeason(world, hidden, 2021, days, [stop])
    crops, soil = world.crop_weather.as_in(2021, 2020), world.soil_weather.as_in(2021, 2020)
    branch = season.branch(stop, days[1:], crops, soil)
    since = np.datetime64(stop, "D")
    real = world.forward(hidden, 2021)
    other = world.forward(hidden, 2021, world.crop_weather.until(since, crops), world.soil_weather.until(since, soil))
    for at, number in enumerate(days.tolist()):
        np.testing.assert_array_equal(season.on(days)[at], real.on(np.datetime64(number, "D")))
    for at, number in enumerate(days[1:].tolist()):
        np.testing.assert_array_equal(branch[at], other.on(np.datetime64(number, "D")))
    np.testing.assert_array_equal(season.branch(stop, days[1:], crops, soil), branch)
    assert np.abs(branch - season.on(days)[1:]).max() > 0.02


def test_draws_of_the_prior_have_every_crop_of_the_site(world: SiteWorld) -> None:
    hidden, log_prior = draw_prior(world, 2021, 600)
    covers, counts = np.unique(hidden.fields.cover, return_counts=True)
    assert set(covers) == set(np.unique(world.field_map.crop)) and np.ptp(counts) == 0
    weights = np.exp(log_prior) / np.exp(log_prior).sum()
    shares = np.bincount(hidden.fields.cover, weights, minlength=12)
    area = np.bincount(world.field_map.field.ravel(), minlength=world.field_map.fields).astype(float)
    expected_shares = np.bincount(world.field_map.crop.ravel(), np.tile(area, 2), minlength=12)
    np.testing.assert_allclose(shares, expected_shares / expected_shares.sum(), atol=1e-9)
    other, _ = draw_prior(world, 2021, 600)
    np.testing.assert_array_equal(other.fields.delay, hidden.fields.delay)


def test_images_single_out_the_draws_that_they_were_made_from() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.uniform(0.05, 0.4, (5, 400, 6)).astype(np.float32)  # five images of 400 draws
    chosen = np.array([3, 250])
    seen, precision = drawn[:, chosen], np.full((5, 2, 6), 1 / 0.02**2, np.float32)
    likelihood = sum(log_likelihood(*image) for image in zip(seen, precision, drawn, strict=True))
    posterior = weigh(np.zeros(400), np.asarray(likelihood))
    np.testing.assert_array_equal(posterior.weights.argmax(axis=1), chosen)
    np.testing.assert_allclose(posterior.weights.sum(axis=1), 1, atol=1e-5)
    assert (posterior.effective >= 20).all() and (posterior.power < 1).all()
    nothing = log_likelihood(0 * seen[0], 0 * precision[0], drawn[0])
    prior = weigh(np.zeros(400), nothing)
    np.testing.assert_allclose(prior.weights, 1 / 400, rtol=1e-5)
    np.testing.assert_allclose(expected(prior, drawn), drawn.mean(axis=1, keepdims=True).repeat(2, 1), atol=1e-5)
    # Of a mean over n draws of that variance.
    assert sampling_variance(prior, drawn).mean() == pytest.approx((0.35**2 / 12) / 400, rel=0.6)
