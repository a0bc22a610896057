"""The fields of a site: their outlines, the soil within them, and the crops of every year."""

from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from scipy.ndimage import gaussian_filter

from .parcels import CELL, draw_parcels
from .placement import REGION_EPSG
from .rotation import draw_rotation
from .spec import MARGIN, Site, WorldSpec
from .tiles import PIXEL

Array = NDArray[np.float64]

_PATCH = 13.0  # cells: smoothness of the soil within fields, patches of about 300 m
_PATCH_EDGE = 0.6  # deviations of the soil's noise where one soil gives way to another: 27 %, 45 % and 27 %


@dataclass(frozen=True)
class FieldMap:
    """The units of a site, parts of fields on one soil, with what does not change from day to day."""

    geobox: GeoBox
    """The field map's grid: cells of 10 m in EPSG:32615, the site with its margin."""
    field: NDArray[np.int64]
    """The unit that each cell belongs to, shape of `geobox`."""
    parcel: NDArray[np.int64]
    """(units,): the field that a unit is part of; one farmer treats it as one."""
    crop: NDArray[np.int64]
    """(years, units): index into `COVERS`, first season first."""
    texture: NDArray[np.float32]
    """(6, height, width): each cell's factor on the reflectance of its unit, around 1."""
    water_capacity: Array
    """(units,), mm"""
    soil_brightness: Array
    """(units,)"""
    fertility: Array
    """(units,): factor of the leaf area that the soil allows, around 1"""

    @property
    def fields(self) -> int:
        """Number of units."""
        return len(self.water_capacity)


def lay_out(spec: WorldSpec, site: Site) -> FieldMap:
    """The fields of a site, their soil, and their crops in every year of `spec`."""
    box = _fine_geobox(site)
    parcels = draw_parcels(spec, site, box)
    soil = spec.generator(site.name, "soil")
    noise = gaussian_filter(soil.standard_normal(box.shape), _PATCH, mode="wrap")
    kind = np.digitize(noise / noise.std(), (-_PATCH_EDGE, _PATCH_EDGE))
    if spec.patch_dose == 0:
        kind = np.ones_like(kind)
    keys, unit = np.unique(parcels.number * 3 + kind, return_inverse=True)
    parcel, better = keys // 3, spec.patch_dose * (keys % 3 - 1.0)
    n = int(parcel.max()) + 1
    # Hollows hold more water than eroded knolls and are darker.
    capacity = (soil.normal(150, 35) + soil.normal(0, 25, n))[parcel] * (1 + 0.30 * better)
    brightness = (soil.normal(1, 0.07) * soil.normal(1, 0.10, n))[parcel] * (1 - 0.15 * better)
    return FieldMap(
        geobox=box,
        field=unit.reshape(box.shape),
        parcel=parcel,
        crop=draw_rotation(spec, site, parcels)[:, parcel],
        texture=_texture(box, spec.generator(site.name, "texture")),
        water_capacity=np.clip(capacity, 55, 260),
        soil_brightness=np.clip(brightness, 0.65, 1.45),
        fertility=1 + 0.09 * better,
    )


def _fine_geobox(site: Site) -> GeoBox:
    corner = site.geobox.affine
    factor, margin = int(PIXEL / CELL), int(MARGIN / CELL)
    height, width = (side * factor + 2 * margin for side in site.geobox.shape)
    fine = Affine(CELL, 0, corner.c - MARGIN, 0, -CELL, corner.f + MARGIN)
    return GeoBox((height, width), fine, f"EPSG:{REGION_EPSG}")


def _texture(box: GeoBox, rng: np.random.Generator) -> NDArray[np.float32]:
    """Brightness of soil and stand within fields: patches of 40 and 150 m, visible and near infrared apart."""

    def patches() -> Array:
        noise = np.zeros(box.shape)
        for sigma in (4.0, 15.0):
            smooth = gaussian_filter(rng.standard_normal(box.shape), sigma, mode="wrap")
            noise += smooth / smooth.std()
        return np.asarray(noise / np.sqrt(2))

    bright, leafy = patches(), patches()
    soil = np.array([0.040, 0.040, 0.045, 0.020, 0.030, 0.035])
    stand = np.array([-0.020, -0.010, -0.025, 0.025, -0.010, -0.015])
    return np.asarray(1 + np.multiply.outer(soil, bright) + np.multiply.outer(stand, leafy), dtype=np.float32)
