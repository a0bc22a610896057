"""What is simulated: the sites, the years, and how strongly crops and soil respond to the weather."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from itertools import combinations
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from .placement import NORTHERN, REGION_EPSG, SOUTHERN, Placement
from .tiles import PIXEL

GENERATOR_VERSION = 3
"""Raised whenever the same spec would give another archive."""

MARGIN = 240.0
"""Metres around a site that are simulated too, so that resampled pixels have neighbours."""


@dataclass(frozen=True)
class Site:
    """One patch of land. Its weather is the weather at its centre."""

    name: str
    """Unique; it seeds everything random about the site."""

    geobox: GeoBox
    """Pixels of 30 m in EPSG:32615 on the HLS grid (edges at multiples of 30 m), normally 96 x 96."""


@dataclass(frozen=True)
class WorldSpec:
    """A world of growing seasons (April to October) with its doses; see `Simulation` for what each of them is.

    Crops and soil see `climatology + dose * (weather - climatology)`; the weather that is delivered
    is always the real one. Raises ValueError for an empty period or a dose outside 0..1.
    """

    seed: int
    first_year: int
    last_year: int
    crop_dose: float = 1.0
    soil_dose: float = 1.0
    climate_dose: float = 1.0
    management_dose: float = 1.0
    geometry_dose: float = 1.0
    patch_dose: float = 1.0
    stress_dose: float = 1.0
    blur_dose: float = 1.0
    cloud_dose: float = 1.0
    haze_dose: float = 1.0
    sensor_dose: float = 1.0
    label_dose: float = 1.0
    southern: bool = False
    """Whether the archive lies in New South Wales, its seasons from October to April."""

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed must not be negative: {self.seed}")
        if self.last_year < self.first_year:
            raise ValueError(f"last_year {self.last_year} is before first_year {self.first_year}")
        for name in DOSES:
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must be between 0 and 1, not {getattr(self, name)}")

    @property
    def placement(self) -> Placement:
        """Where and when the archive lies."""
        return SOUTHERN if self.southern else NORTHERN

    @property
    def years(self) -> range:
        return range(self.first_year, self.last_year + 1)

    def generator(self, *purpose: str | int) -> np.random.Generator:
        """Random numbers for one purpose, independent of every other purpose and of any order of work.

        Doses don't enter: worlds that differ in crop and soil dose share weather, fields, clouds and noise.
        """
        digest = hashlib.sha256("/".join(str(part) for part in purpose).encode()).digest()
        words = np.frombuffer(digest, dtype="<u4").tolist()
        return np.random.default_rng(np.random.SeedSequence([self.seed, *words]))


DOSES = tuple(field.name for field in fields(WorldSpec) if field.name.endswith("_dose"))


def check_sites(sites: Sequence[Site]) -> None:
    """Raise ValueError where the sites cannot be simulated: names, coordinate system, pixel grid, distance."""
    if not sites:
        raise ValueError("no sites to simulate")
    names = [site.name for site in sites]
    if len(set(names)) < len(names):
        raise ValueError(f"site names must be unique: {sorted(names)}")
    for site in sites:
        _check_grid(site)
    for site, other in combinations(sites, 2):
        if _gap(site.geobox, other.geobox) < 2 * MARGIN:
            raise ValueError(f"sites {site.name} and {other.name} are less than {2 * MARGIN:g} m apart")


def _check_grid(site: Site) -> None:
    box = site.geobox
    if box.crs is None or box.crs.epsg != REGION_EPSG:
        raise ValueError(f"site {site.name}: its grid must be in EPSG:{REGION_EPSG}, not {box.crs}")
    a = box.affine
    if (a.a, a.b, a.d, a.e) != (PIXEL, 0.0, 0.0, -PIXEL) or a.c % PIXEL or a.f % PIXEL:
        raise ValueError(f"site {site.name}: pixels must be {PIXEL:g} m, north up, with edges on the HLS grid")


def _gap(a: GeoBox, b: GeoBox) -> float:
    """Metres between two north-up grids, the larger of both directions; negative where they overlap."""
    p, q = a.boundingbox, b.boundingbox
    east = max(p.left, q.left) - min(p.right, q.right)
    north = max(p.bottom, q.bottom) - min(p.top, q.top)
    return float(max(east, north))


def describe(spec: WorldSpec, sites: Sequence[Site]) -> dict[str, Any]:
    """Everything the archive depends on, ready for JSON: equal descriptions, equal archives."""
    return {
        "generator_version": GENERATOR_VERSION,
        "spec": asdict(spec),
        "sites": [
            {
                "name": site.name,
                "crs": f"EPSG:{REGION_EPSG}",
                "shape": list(site.geobox.shape),
                "transform": list(site.geobox.affine)[:6],
            }
            for site in sites
        ],
    }
