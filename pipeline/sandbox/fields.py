"""The fields of a site: parcels of the US land survey, a wooded stream, and the crops of every year."""

from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from scipy.ndimage import gaussian_filter

from .crop_types import ALFALFA, CORN, COVERS, FOREST, PASTURE, SOYBEANS, WHEAT
from .crops import FieldYear
from .placement import REGION_EPSG
from .reflectance import Surface
from .spec import MARGIN, Site, WorldSpec
from .tiles import PIXEL

Array = NDArray[np.float64]

CELL = 10.0
"""Side of a cell of the field map, metres."""
_QUARTER = 804.67  # side of a quarter section, metres (half a mile)
_LEAST_SHARE = 0.065  # of a site, sown to wheat and to alfalfa in every year
_SPIN_UP_YEARS = 8


@dataclass(frozen=True)
class FieldMap:
    """The fields of a site, with what does not change from day to day."""

    geobox: GeoBox
    """The field map's grid: cells of 10 m in EPSG:32615, the site with its margin."""
    field: NDArray[np.int64]
    """The field that each cell belongs to, shape of `geobox`."""
    crop: NDArray[np.int64]
    """(years, fields): index into `COVERS`, first season first."""
    texture: NDArray[np.float32]
    """(6, height, width): each cell's factor on the reflectance of its field, around 1."""
    water_capacity: Array
    soil_brightness: Array

    @property
    def fields(self) -> int:
        return len(self.water_capacity)


def lay_out(spec: WorldSpec, site: Site) -> FieldMap:
    """The fields of a site, their soil, and their crops in every year of `spec`."""
    box = _fine_geobox(site)
    rng = spec.generator(site.name, "parcels")
    x, y = _survey_coordinates(box, rng)
    parcels = _parcels(x, y, rng)
    stream = _stream_distance(x, y, rng)
    forest = stream < rng.uniform(55, 75)
    meadow = (stream < rng.uniform(130, 170)) & ~forest
    parcels[meadow] = parcels.max() + 1
    parcels[forest] = parcels.max() + 1
    _, field = np.unique(parcels, return_inverse=True)
    field = field.reshape(box.shape)
    n = int(field.max()) + 1

    area = np.bincount(field.ravel(), minlength=n) / field.size
    static = np.full(n, -1)
    static[n - 2], static[n - 1] = PASTURE, FOREST
    order = rng.permutation(n - 2)
    for cover, least in ((FOREST, 0.09), (PASTURE, 0.11)):
        for candidate in order:
            if area[static == cover].sum() >= least:
                break
            if static[candidate] < 0 and area[candidate] < 0.05:
                static[candidate] = cover

    soil = spec.generator(site.name, "soil")
    return FieldMap(
        geobox=box,
        field=field,
        crop=_rotate(spec, site, static, area),
        texture=_texture(box, spec.generator(site.name, "texture")),
        water_capacity=np.clip(soil.normal(150, 35) + soil.normal(0, 25, n), 70, 230),
        soil_brightness=np.clip(soil.normal(1, 0.07) * soil.normal(1, 0.10, n), 0.7, 1.35),
    )


def field_year(spec: WorldSpec, site: Site, field_map: FieldMap, year: int) -> tuple[FieldYear, Surface]:
    """What chance decides about each field in one year, independent of the weather."""
    rng = spec.generator(site.name, year, "fields")
    crop = field_map.crop[year - spec.first_year]
    before = field_map.crop[year - 1 - spec.first_year] if year > spec.first_year else crop
    n = field_map.fields
    heavy = np.isin(before, (CORN, WHEAT))
    fields = FieldYear(
        cover=crop,
        water_capacity=field_map.water_capacity,
        vigour=np.clip(rng.normal(1, 0.07, n), 0.75, 1.2),
        delay=rng.normal(0, 3.5, n),
        dry_down=rng.normal(0, 4, n),
        residue=np.clip(rng.normal(0.25 + 0.22 * heavy, 0.10), 0.03, 0.85),
        tillage=rng.choice([0.35, 0.6, 0.95], n),
    )
    return fields, Surface(crop, field_map.soil_brightness, np.clip(rng.normal(1, 0.04, n), 0.88, 1.12))


def _fine_geobox(site: Site) -> GeoBox:
    corner = site.geobox.affine
    factor, margin = int(PIXEL / CELL), int(MARGIN / CELL)
    height, width = (side * factor + 2 * margin for side in site.geobox.shape)
    fine = Affine(CELL, 0, corner.c - MARGIN, 0, -CELL, corner.f + MARGIN)
    return GeoBox((height, width), fine, f"EPSG:{REGION_EPSG}")


def _survey_coordinates(box: GeoBox, rng: np.random.Generator) -> tuple[Array, Array]:
    """Metres east and north in a survey grid that is true to north, from a random corner; shape of `box`."""
    x = box.affine.c + (np.arange(box.shape[1]) + 0.5) * CELL
    y = box.affine.f - (np.arange(box.shape[0]) + 0.5) * CELL
    # UTM's north differs from true north by about (lon - central meridian) sin(lat): 2 degrees here.
    lon, lat = box.geographic_extent.centroid.coords[0]
    angle = np.radians((lon + 93.0) * np.sin(np.radians(lat)))
    dx, dy = np.meshgrid(x - x.mean(), y - y.mean())
    corner = rng.uniform(0, 2 * _QUARTER, 2) + 20 * _QUARTER
    east = dx * np.cos(angle) + dy * np.sin(angle) + corner[0]
    north = dy * np.cos(angle) - dx * np.sin(angle) + corner[1]
    return east, north


def _parcels(x: Array, y: Array, rng: np.random.Generator) -> NDArray[np.int64]:
    """Quarter sections (64 ha), most of them split into halves, thirds or quarters. A number for every cell."""
    column, row = (x // _QUARTER).astype(int), (y // _QUARTER).astype(int)
    u, v = x % _QUARTER / _QUARTER, y % _QUARTER / _QUARTER
    part = np.zeros(x.shape, dtype=np.int64)
    for key in np.unique(column * 1000 + row):
        here = column * 1000 + row == key
        a, b = (u, v) if rng.random() < 0.5 else (v, u)
        cut = rng.uniform(0.35, 0.65)
        slant = rng.choice([0.0, 0.0, rng.uniform(-0.35, 0.35)])  # some boundaries follow a creek or a railway
        first = a < cut + slant * (b - 0.5)
        kind = rng.choice(4, p=[0.10, 0.30, 0.30, 0.30])
        if kind == 0:
            split = np.zeros_like(first, dtype=np.int64)
        elif kind == 1:
            split = first.astype(np.int64)
        elif kind == 2:
            split = np.where(first, 1 + (b < 0.5), 0)
        else:
            split = first + 2 * (b < np.where(first, 0.5, rng.uniform(0.35, 0.65)))
        part[here] = key * 4 + split[here]
    return part


def _stream_distance(x: Array, y: Array, rng: np.random.Generator) -> Array:
    """Metres to a meandering stream that crosses the site."""
    heading = rng.uniform(0, np.pi)
    dx, dy = x - x.mean(), y - y.mean()
    along, across = dx * np.cos(heading) + dy * np.sin(heading), dy * np.cos(heading) - dx * np.sin(heading)
    course = rng.uniform(-600, 600)
    for wavelength, amplitude in ((4000, 250), (1400, 110), (500, 45)):
        course = course + amplitude * np.sin(2 * np.pi * (along / wavelength + rng.random()))
    return np.asarray(np.abs(across - course), dtype=np.float64)


def _rotate(spec: WorldSpec, site: Site, static: NDArray[np.int64], area: Array) -> NDArray[np.int64]:
    """(years, fields): mostly corn and soybeans in turn; wheat after soybeans; alfalfa stays 3 or 4 years."""
    rng = spec.generator(site.name, "rotation")
    n = len(static)
    arable = static < 0
    crop = np.where(arable, rng.choice([CORN, SOYBEANS], n), static)
    left = np.zeros(n, dtype=int)  # years that an alfalfa stand still has
    seasons = []
    for _ in range(_SPIN_UP_YEARS + len(spec.years)):
        before = crop.copy()
        left = np.maximum(left - 1, 0)
        after_corn = np.where(rng.random(n) < 0.80, SOYBEANS, CORN)
        after_wheat = rng.choice([CORN, SOYBEANS], n)
        crop = np.select([before == CORN, before == WHEAT], [after_corn, after_wheat], CORN)
        crop = np.where(left > 0, ALFALFA, crop)
        small = arable & (left == 0) & (area < 0.06)
        order = rng.permutation(n)
        for cover, candidates in ((ALFALFA, small & (before != ALFALFA)), (WHEAT, small & (before != ALFALFA))):
            # Fields that were soybeans come first: winter wheat is drilled after their early harvest.
            for field in sorted(order, key=lambda i: before[i] != SOYBEANS):
                if area[arable & (crop == cover)].sum() >= _LEAST_SHARE:
                    break
                if candidates[field] and crop[field] != ALFALFA:
                    crop[field] = cover
                    if cover == ALFALFA:
                        left[field] = rng.integers(3, 5)
        crop = np.where(arable, crop, static)
        seasons.append(crop)
    return np.array(seasons[_SPIN_UP_YEARS:])


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


def share_of_covers(field_map: FieldMap, year_index: int) -> Array:
    """Share of each of `COVERS` in one year, shape (6,)."""
    covers = field_map.crop[year_index][field_map.field]
    return np.asarray(np.bincount(covers.ravel(), minlength=len(COVERS)) / covers.size)
