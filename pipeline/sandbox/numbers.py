"""Quantities of the simulated world that a recipe may name as targets: yields, and the water in the soil."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .cdl_grid import Mosaic
from .climate import day_of_year
from .crop_types import CORN, COVERS, SORGHUM
from .crops import FieldState
from .drivers import field_drivers
from .spec import Site, WorldSpec
from .weather_generator import generate
from .world import SiteWorld, site_world

Array = NDArray[np.float64]

NUMBERS = ("yield", "soil_moisture")
FOLDER = "numbers"
NODATA = -9999.0
MOISTURE_DAY = 196
"""Day of the year at whose end the soil's water is taken, 15 July."""
PHOTOSYNTHETIC = 0.5
"""Share of shortwave radiation that plants can use."""
EXTINCTION = 0.5
EFFICIENCY = {True: 3.0, False: 1.8}
"""Grams of dry matter for each MJ that leaves take up, of C4 plants or not; after Sinclair and Muchow (1999), Advances
in Agronomy 65, rounded."""
GRAIN = 0.45
"""Share of the dry matter that is harvested."""


def season_numbers(world: SiteWorld, year: int) -> dict[str, Array]:
    """Of each field (fields,): `yield` in t/ha of annual crops, NaN of others, and `soil_moisture` on 15 July, the
    share of the water within reach of the roots that is left.

    A yield is the radiation that green leaves take up (Monteith, 1977, Philosophical Transactions B 281), less where
    water lacks, times an efficiency and a share of grain.
    """
    first, last = np.datetime64(f"{year - 1}-10-01"), np.datetime64(f"{year}-10-31")
    weather, hidden = world.crop_weather.between(first, last), world.hidden(year)
    drivers, state = field_drivers(weather), FieldState(hidden.fields, world.spec.stress_dose)
    cover = hidden.fields.cover
    day, taken = day_of_year(weather.days), np.zeros(len(cover))
    moisture = np.zeros(len(cover))
    for number in range(len(day)):
        state.step(drivers.on(number))
        growing = drivers.in_season[number] & state.sown & ~state.harvested
        light = PHOTOSYNTHETIC * weather["radiation"][number] * (1 - np.exp(-EXTINCTION * state.green))
        taken += growing * light * (1 - state.stress)
        if drivers.in_season[number] and day[number] == MOISTURE_DAY:
            moisture = state.water / state.traits.capacity
    c4, annual = np.isin(cover, (CORN, SORGHUM)), np.array([not c.perennial and c.ripe is not None for c in COVERS])
    grain = taken * np.where(c4, EFFICIENCY[True], EFFICIENCY[False]) * GRAIN / 100  # g/m2 to t/ha
    return {"yield": np.where(annual[cover], grain, np.nan), "soil_moisture": moisture}


def write_numbers(spec: WorldSpec, sites: Sequence[Site], root: Path) -> None:
    """Write `numbers/<name>_<year>.tif` (float32) to the finished archive `root` unless they exist: its other files
    stay as they are. Raises OSError if the disk refuses."""
    folder, draft = root / FOLDER, root / f".{FOLDER}.unfinished"
    if folder.is_dir():
        return
    draft.mkdir(exist_ok=True)
    weather = generate(spec)
    mosaic = Mosaic.of([site_world(spec, site, weather) for site in sites])
    for year in spec.years:
        numbers = [season_numbers(site.world, year) for site in mosaic.sites]
        for name in NUMBERS:
            values = [
                np.nan_to_num(fields[name], nan=NODATA)[site.field].astype(np.float32)
                for site, fields in zip(mosaic.sites, numbers, strict=True)
            ]
            mosaic.write(draft / f"{name}_{year + spec.placement.label_years}.tif", values, nodata=NODATA)
    draft.replace(folder)
