"""The crops of every field in every year: rotations of the Corn Belt, with the mix of crops following the climate."""

import numpy as np
from numpy.typing import NDArray

from .crop_types import (
    ALFALFA,
    BEANS,
    CORN,
    COVERS,
    DOUBLE_CROP,
    FOREST,
    HAY,
    PASTURE,
    ROAD,
    SORGHUM,
    SOYBEANS,
    SPRING_WHEAT,
    WHEAT,
)
from .parcels import Parcels
from .spec import Site, WorldSpec

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_SPIN_UP_YEARS = 8
_SMALL = 0.05  # share of a site above which a parcel is never pasture, hay, forest or alfalfa

# Weight of each annual crop where the climate is that of 42 degrees north, and its change over three degrees southward:
# wheat, double crop and sorghum belong to Kansas, spring wheat and dry beans to Minnesota.
_WEIGHTS = {
    CORN: (0.42, 0.0),
    SOYBEANS: (0.32, 0.0),
    WHEAT: (0.13, 0.05),
    SORGHUM: (0.11, 0.05),
    BEANS: (0.10, -0.04),
    SPRING_WHEAT: (0.10, -0.05),
    DOUBLE_CROP: (0.09, 0.09),
}
_BROADLEAVED = (SOYBEANS, BEANS)
_STATIC_SHARES = ((FOREST, 0.04), (PASTURE, 0.06), (HAY, 0.07))
_ALFALFA_SHARE = 0.07


def draw_rotation(spec: WorldSpec, site: Site, parcels: Parcels) -> Index:
    """(years, parcels): index into `COVERS`. Pasture, hay, forest and roads stay; alfalfa stays 3 or 4 years."""
    rng = spec.generator(site.name, "rotation")
    shares = parcels.shares
    static = _static_covers(parcels, shares, rng)
    arable = static < 0
    crop = np.where(arable, rng.choice([CORN, SOYBEANS], len(shares)), static)
    left = np.zeros(len(shares), dtype=np.int64)
    seasons = []
    for _ in range(_SPIN_UP_YEARS + len(spec.years)):
        left = np.maximum(left - 1, 0)
        order = rng.permutation(len(shares))
        crop = _next_crops(crop, _weights(spec, site), rng)
        crop = np.where(left > 0, ALFALFA, crop)
        crop = np.where(arable, crop, static)
        for parcel in order[(arable & (left == 0) & (shares < _SMALL))[order]]:
            if shares[arable & (left > 0)].sum() >= _ALFALFA_SHARE:
                break
            crop[parcel], left[parcel] = ALFALFA, rng.integers(3, 5)
        seasons.append(crop)
    return np.array(seasons[_SPIN_UP_YEARS:])


def _static_covers(parcels: Parcels, shares: Array, rng: np.random.Generator) -> Index:
    """The cover of the parcels that are never ploughed, -1 for the others."""
    static = np.full(len(shares), -1, dtype=np.int64)
    named = ((parcels.meadow, PASTURE), (parcels.forest, FOREST), (parcels.road, ROAD))
    for parcel, cover in named:
        if parcel >= 0:
            static[parcel] = cover
    order = rng.permutation(min(parcels.meadow, len(shares)))
    for cover, least in _STATIC_SHARES:
        share = 0.0
        for parcel in order:
            if share >= least:
                break
            if static[parcel] < 0 and shares[parcel] < _SMALL:
                static[parcel] = cover
                share += shares[parcel]
    return static


def _weights(spec: WorldSpec, site: Site) -> Array:
    """Of every cover, at the latitude of a site; 0 for what is not sown every year."""
    latitude = spec.placement.point(site.geobox)[1]
    south = np.clip((42.0 - latitude) / 3, -1, 1) * spec.climate_dose
    weights = np.zeros(len(COVERS))
    for cover, (usual, southward) in _WEIGHTS.items():
        weights[cover] = usual + southward * south
    return weights


def _next_crops(before: Index, weights: Array, rng: np.random.Generator) -> Index:
    """The crop that follows: broad-leaved crops after grasses, wheat after beans, and seldom but for corn the same."""
    chances = np.tile(weights, (len(before), 1))
    broadleaved = np.isin(before, _BROADLEAVED)[:, None]
    covers = np.arange(len(COVERS))
    chances *= np.where(np.isin(covers, _BROADLEAVED) == broadleaved, 0.25, 1.0)
    chances *= np.where(np.isin(covers, (WHEAT, DOUBLE_CROP)) & broadleaved, 1.8, 1.0)
    chances[np.arange(len(before)), before] *= np.where(before == CORN, 3.0, 0.4)
    bounds = np.cumsum(chances, axis=1)
    return np.asarray((rng.random((len(before), 1)) * bounds[:, -1:] > bounds).sum(axis=1))
