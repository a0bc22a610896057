"""The forecasts of two oracles of a site in a season.

Both know the model that simulates the fields, their outlines and the texture of the ground. The first is also told what
is hidden of every field; the second infers it from the images up to the day of the forecast, as anybody could.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.variables import REFLECTANCE_FILL, REFLECTANCE_SCALE

from .branches import BranchingSeason, Index
from .inference import Float, Posterior, UnitImages, expected, log_likelihood, sampling_variance, weigh
from .prior import draw_prior
from .weather import SiteWeather
from .window_view import WindowView
from .world import SiteWorld

DRAWS = 8_000
"""Of the prior; with 20,000 the mean squared error of the inferring oracle is 3 to 7 % lower."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Forecasts:
    """Of the windows of a site-year; the first axes are (window, pair)."""

    images: NDArray[np.int16]
    """(4, window, pair, band, y, x): reflectance as it is stored: told what is hidden, with and without the weather of
    the gap; inferring it, with and without. Fill where a window has no such pair."""
    effective: NDArray[np.float32]
    """(window, pair): effective number of draws, the mean over the window; NaN as above"""
    sampling_error: NDArray[np.float32]
    """(window, pair, band): the Monte-Carlo error of the inferring oracle, root mean square over the window"""


@dataclass(frozen=True)
class Inference:
    """What the images up to some days tell of the fields of a site in a season."""

    drawn: BranchingSeason
    """of the draws of the prior; it can be left on those days"""
    posteriors: Mapping[int, Posterior]
    """by day: that of the images up to it"""


def infer(world: SiteWorld, year: int, images: UnitImages, stops: Sequence[int], days: Sequence[int] = ()) -> Inference:
    """From the `images` of the season up to each of the sorted days `stops`. The draws are looked at on `days` too."""
    hidden, log_prior = draw_prior(world, year, DRAWS)
    drawn = BranchingSeason(world, hidden, year, {*days, *images.days.tolist()}, stops)
    seasons_seen = drawn.on(images.days)
    likelihood, counted = np.zeros((images.seen.shape[1], len(log_prior)), np.float32), 0
    posteriors = {}
    for stop in stops:
        while counted < len(images.days) and images.days[counted] <= stop:
            likelihood += log_likelihood(images.seen[counted], images.precision[counted], seasons_seen[counted])
            counted += 1
        posteriors[stop] = weigh(log_prior, likelihood)
    return Inference(drawn, posteriors)


def forecast_windows(
    world: SiteWorld,
    year: int,
    years: Sequence[int],
    views: Sequence[WindowView],
    images: UnitImages,
    origin: NDArray[np.int32],
    target: NDArray[np.int32],
) -> Forecasts:
    """Of windows, seen through their views, for days of origin and target (window, pair), 0 where a window has fewer
    pairs. `images` are those of the season."""
    there = target > 0
    stops = np.unique(origin[there]).tolist()
    days = np.unique(target[there]).tolist()
    told = BranchingSeason(world, world.hidden(year), year, days, stops)
    inference = infer(world, year, images, stops, days)
    drawn = inference.drawn
    alternatives = _alternatives(world, year, years)

    size, bands = views[0].size, images.seen.shape[-1]
    out = Forecasts(
        np.full((4, *target.shape, bands, size, size), REFLECTANCE_FILL, np.int16),
        np.full(target.shape, np.nan, np.float32),
        np.full((*target.shape, bands), np.nan, np.float32),
    )
    for stop in stops:
        pairs = np.argwhere((origin == stop) & there)
        ahead = np.unique(target[tuple(pairs.T)]).astype(np.int64)
        posterior = inference.posteriors[stop]
        inferred = expected(posterior, drawn.on(ahead))
        variance = sampling_variance(posterior, drawn.on(ahead))
        blind = expected(posterior, _blind(drawn, alternatives, stop, ahead))
        seasons = (told.on(ahead), _blind(told, alternatives, stop, ahead), inferred, blind)
        for window, pair in pairs:
            view, day = views[window], int(np.searchsorted(ahead, target[window, pair]))
            for forecast, season in zip(out.images, seasons, strict=True):
                forecast[window, pair] = np.rint(view.image(season[day]) / REFLECTANCE_SCALE)
            out.effective[window, pair] = view.shares.mean(axis=0) @ posterior.effective
            out.sampling_error[window, pair] = np.sqrt(view.shares.mean(axis=0) @ variance[day])
    return out


def _blind(
    season: BranchingSeason,
    alternatives: Sequence[tuple[SiteWeather, SiteWeather]],
    stop: int,
    days: Index,
) -> Float:
    """(days, units, 6): the mean of the seasons that could follow, the best forecast where all are equally likely."""
    spec = season.world.spec
    if spec.crop_dose == spec.soil_dose == 0:
        return season.on(days)
    branches = [season.branch(stop, days, crops, soil) for crops, soil in alternatives]
    return np.asarray(np.mean(branches, axis=0, dtype=np.float32))


def _alternatives(world: SiteWorld, year: int, years: Sequence[int]) -> list[tuple[SiteWeather, SiteWeather]]:
    """(for crops, for soil): the weather of each of the other years on the days of this one; the mean weather where
    there is no other year."""
    others = [other for other in years if other != year]
    if not others:
        mean = world.weather.climatology()
        return [(mean, mean)]
    return [(world.crop_weather.as_in(year, other), world.soil_weather.as_in(year, other)) for other in others]
