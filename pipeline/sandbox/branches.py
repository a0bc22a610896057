"""A season that is simulated once, and can be left on any day under other weather."""

from __future__ import annotations

from collections.abc import Collection
from copy import copy

import numpy as np
from numpy.typing import NDArray

from .crops import Canopy, FieldState
from .drivers import field_drivers, surface_wetness
from .management import Hidden
from .reflectance import reflect
from .weather import SiteWeather
from .world import SiteWorld

Days = NDArray[np.int64]
"""Days since 1970-01-01."""
Index = NDArray[np.int64]
Reflectance = NDArray[np.float32]


class BranchingSeason:
    """The season of a site whose fields have the given hidden parameters, under the world's weather.

    `days` are those on which it is looked at, `stops` those from which it may go on under other weather. Nothing is
    left to chance, as in `SiteWorld.forward`, to which every branch is equal.
    """

    def __init__(
        self, world: SiteWorld, hidden: Hidden, year: int, days: Collection[int], stops: Collection[int]
    ) -> None:
        self.world, self.surface = world, hidden.surface
        self.span = np.datetime64(f"{year - 1}-10-01"), np.datetime64(f"{year}-10-31")
        self.first = int(self.span[0].astype(int))
        self._states: dict[int, FieldState] = {}
        state = FieldState(hidden.fields, world.spec.stress_dose)
        self._days = np.array(sorted(days), np.int64)
        self._real = self._run(state, self.first, self._days, world.crop_weather, world.soil_weather, set(stops))

    def on(self, days: Days) -> Reflectance:
        """(days, units, 6): reflectance under the world's weather; `days` are among those of the season."""
        return self._real[np.searchsorted(self._days, days)]

    def branch(
        self,
        stop: int,
        days: Days,
        crop_weather: SiteWeather,
        soil_weather: SiteWeather,
    ) -> Reflectance:
        """(days, units, 6) under the world's weather before the day `stop` and under the other from it on; `days` are
        sorted and not before `stop`."""
        day = np.datetime64(int(stop), "D")
        crops = self.world.crop_weather.until(day, crop_weather)
        soil = self.world.soil_weather.until(day, soil_weather)
        return self._run(copy(self._states[stop]), stop, days, crops, soil)

    def _run(
        self,
        state: FieldState,
        start: int,
        days: Days,
        crops: SiteWeather,
        soil: SiteWeather,
        stops: Collection[int] = (),
    ) -> Reflectance:
        """`state` is that on the morning of `start`, on which the weather of `start` has yet to come."""
        drivers = field_drivers(crops.between(*self.span))
        # A satellite passes in the morning: it sees the effect of the weather up to the day before.
        wetness = surface_wetness(soil.between(*self.span))[days - self.first - 1]
        canopy = Canopy(*(np.zeros((len(days), len(state.green))) for _ in range(4)))
        rows = {int(day): row for row, day in enumerate(days)}
        for day in range(start, max([*rows, *stops], default=start) + 1):
            if day in stops:
                self._states[day] = copy(state)
            if (row := rows.get(day)) is not None:
                canopy.green[row], canopy.brown[row] = state.green, state.brown
                canopy.residue[row], canopy.stress[row] = state.residue, state.stress
            state.step(drivers.on(day - self.first))
        return reflect(canopy, wetness, self.surface)
