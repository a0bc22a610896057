"""The hidden parameters of fields in a year, and the growth constants that follow from them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .crop_types import COVERS, DOUBLE_CROP, FOREST, PASTURE, SOYBEANS, WHEAT

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FieldYear:
    """What is fixed for the units of a site in one year, before any weather; every array has shape (units,)."""

    cover: NDArray[np.int64]
    """Index into `COVERS`."""
    water_capacity: Array
    """mm of plant-available water."""
    vigour: Array
    """Factor of the leaf area, around 1."""
    delay: Array
    """Workable days this farmer sows later than the average one; days, for what is sown in autumn."""
    variety: Array
    """Factor of the heat that annuals need, around 1."""
    dry_down: Array
    """Workable days this farmer harvests later than the average one."""
    residue: Array
    """Ground cover of last year's residue at the start."""
    tillage: Array
    """Share of the residue that is left after sowing."""
    irrigated: NDArray[np.bool_]
    cover_crop: NDArray[np.bool_]
    """Whether rye covers the ground over winter, until a spring crop is sown."""
    fails_on: Array
    """Day of the year on which the crop is lost (hail, flood); infinite where it is not."""


@dataclass(frozen=True)
class Traits:
    """What a field's cover and farmer fix for the year; arrays of shape (units,), named as in `CropType`."""

    cover: NDArray[np.int64]
    """what grows now: a double crop is winter wheat, then soybeans"""
    start: Array
    sowing_warmth: Array
    """NaN where nothing is sown in spring"""
    sowing_days: Array
    leaf_area: Array
    half: Array
    speed: Array
    yellow: Array
    yellow_speed: Array
    autumn_day: Array
    autumn_rate: Array
    standing: Array
    ripe: Array
    """NaN without harvest"""
    dry_days: Array
    stubble: Array
    first_cut: Array
    next_cut: Array
    capacity: Array
    """mm of water within reach of the roots"""
    spring_sown: NDArray[np.bool_]
    annual: NDArray[np.bool_]
    winter_cereal: NDArray[np.bool_]
    grass: NDArray[np.bool_]
    forest: NDArray[np.bool_]

    @classmethod
    def of(cls, fields: FieldYear, cover: NDArray[np.int64] | None = None) -> "Traits":
        """Of the fields of a year, or of other covers on the same fields."""
        cover = fields.cover if cover is None else cover

        def constant(name: str) -> Array:
            """Of each unit's cover; NaN for None."""
            return np.array([getattr(crop, name) for crop in COVERS], dtype=np.float64)[cover]

        same = ("speed", "yellow_speed", "autumn_day", "autumn_rate", "standing", "stubble")
        warmth = constant("sowing_warmth")
        annual = constant("perennial") == 0
        # A variety that needs less heat has fewer leaves to unfold, too, but not as much fewer.
        maturity = np.where(annual, fields.variety, 1.0)
        cuts = np.array([crop.cuts for crop in COVERS])[cover] + 8.0 * fields.delay[:, None]
        return cls(
            **{name: constant(name) for name in same},
            cover=cover.copy(),
            half=constant("half") * (1 + 0.5 * (maturity - 1)),
            yellow=constant("yellow") * maturity,
            ripe=constant("ripe") * maturity,
            start=constant("start_day"),
            sowing_warmth=warmth,
            sowing_days=np.maximum(constant("sowing_days") + fields.delay, 1.0),
            leaf_area=constant("leaf_area") * fields.vigour,
            dry_days=np.maximum(constant("dry_down") + fields.dry_down, 2.0),
            first_cut=cuts[:, 0],
            next_cut=cuts[:, 1],
            capacity=fields.water_capacity * constant("roots"),
            spring_sown=np.isfinite(warmth),
            annual=annual,
            winter_cereal=np.isin(cover, (WHEAT, DOUBLE_CROP)),
            grass=cover == PASTURE,
            forest=cover == FOREST,
        )

    def replace(self, where: NDArray[np.bool_], other: "Traits") -> None:
        """Take over the values of `other` in the units of `where`."""
        for name, values in vars(self).items():
            values[where] = getattr(other, name)[where]


def second_crop(fields: FieldYear) -> Traits:
    """Soybeans after the wheat of a double crop: short-season varieties (a quarter less heat), in narrow rows."""
    traits = Traits.of(fields, np.full_like(fields.cover, SOYBEANS))
    for values, factor in ((traits.half, 0.62), (traits.yellow, 0.72), (traits.ripe, 0.72), (traits.leaf_area, 0.8)):
        values *= factor
    return traits
