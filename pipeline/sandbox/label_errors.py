"""Labels with the errors of a classifier of satellite images: wrong fields by class, wrong pixels at edges, a
confidence.

Rates follow the accuracy assessments that USDA NASS publishes with the Cropland Data Layer of Iowa, Kansas, Nebraska
and Minnesota: about 95 % for corn and soybeans, far less for hay, pasture and double crops. In a tile of Kansas its
confidence is 93 inside fields and 78 at their edges.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .cdl_grid import SitePixels
from .crop_types import (
    ALFALFA,
    BEANS,
    CORN,
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

_MISTAKEN = {
    CORN: (0.03, (SORGHUM, SOYBEANS)),
    SOYBEANS: (0.04, (BEANS, CORN)),
    WHEAT: (0.07, (SPRING_WHEAT, DOUBLE_CROP)),
    ALFALFA: (0.12, (HAY, PASTURE)),
    PASTURE: (0.10, (HAY, FOREST)),
    FOREST: (0.08, (PASTURE, PASTURE)),
    SORGHUM: (0.14, (CORN, CORN)),
    BEANS: (0.15, (SOYBEANS, SOYBEANS)),
    SPRING_WHEAT: (0.11, (WHEAT, HAY)),
    DOUBLE_CROP: (0.16, (WHEAT, SOYBEANS)),
    HAY: (0.28, (PASTURE, ALFALFA)),
    ROAD: (0.10, (PASTURE, PASTURE)),
}
"""Cover -> share of its fields that are mistaken, and for which two."""
_EDGE_ERRORS = 0.20  # share of the pixels beside another cover that take its class
_SPECKLE = 0.01  # share of the pixels inside fields that take a class at random
_CONFIDENCE = 93.0, 78.0, 20.0  # inside, at edges, and how much less where the label is wrong
_CONFIDENCE_SD = 7.0


@dataclass(frozen=True)
class Labels:
    """Each of the shape of the site's pixels; anything outside the site."""

    truth: NDArray[np.int64]
    """Index into `COVERS` of what grows at the pixel's centre."""
    cover: NDArray[np.int64]
    """Index into `COVERS` of the label."""
    confidence: NDArray[np.uint8]
    """Per cent."""


def classify(site: SitePixels, year: int) -> Labels:
    """The labels of a site in a year. Without the dose of label errors they are the truth."""
    world = site.world
    field_map, dose = world.field_map, world.spec.label_dose
    rng = world.spec.generator(world.site.name, year, "labels")
    crop = field_map.crop[year - world.spec.first_year]
    truth = crop[site.field]
    label = _mistaken(crop, field_map.parcel, rng, dose)[site.field]

    step = ((0, 1), (1, 0), (0, -1), (-1, 0))
    neighbours = np.stack([np.roll(truth, shift, (0, 1)) for shift in step])
    edge = (neighbours != truth).any(axis=0)
    taken = np.take_along_axis(neighbours, rng.integers(0, 4, (1, *truth.shape)), axis=0)[0]
    label = np.where(edge & (rng.random(truth.shape) < 2 * _EDGE_ERRORS * dose), taken, label)
    speckle = rng.random(truth.shape) < _SPECKLE * dose
    label = np.where(speckle, crop[rng.integers(0, len(crop), truth.shape)], label)

    inside, beside, less = _CONFIDENCE
    confidence = np.where(edge, beside, inside) - less * (label != truth)
    confidence = confidence + rng.normal(0, _CONFIDENCE_SD, truth.shape)
    return Labels(truth, label, np.clip(np.rint(confidence), 1, 100).astype(np.uint8))


def _mistaken(
    crop: NDArray[np.int64], parcel: NDArray[np.int64], rng: np.random.Generator, dose: float
) -> NDArray[np.int64]:
    """(units,): the cover of each unit, whole fields of it mistaken for another."""
    n = int(parcel.max()) + 1
    chance, which = rng.random(n)[parcel], rng.integers(0, 2, n)[parcel]
    label = crop.copy()
    for cover, (share, others) in _MISTAKEN.items():
        wrong = (crop == cover) & (chance < share * dose)
        label[wrong] = np.array(others)[which[wrong]]
    return label
