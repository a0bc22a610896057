"""Growth of fields: canopy and soil water from daily weather.

Development follows growing-degree days (for corn the 86/50 F method, a cap at 10 and 30 C); growth is limited
by water in a soil bucket, emptied by reference evapotranspiration times a crop coefficient (after FAO-56);
leaves yellow with heat units, drought, short days and frost. Extremes cost leaves: see `extremes`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import extremes
from .crop_types import DOUBLE_CROP, PASTURE, WHEAT
from .drivers import DayDrivers, field_drivers
from .traits import FieldYear, Traits, second_crop
from .weather import SiteWeather

Array = NDArray[np.float64]

_CROWN = 110.0  # heat units: the head start over spring that the crowns of cut hay have
_LAST_CUT_DAY = 258
_IRRIGATION = 8.0  # mm a day where less than 55 % of the water is left, a pivot's usual capacity
_RESOWING_DAYS = 4.0  # workable days from the harvest of wheat to the second crop


@dataclass(frozen=True)
class Canopy:
    """State at the end of each day; arrays of shape (days, units)."""

    green: Array
    """Green leaf area index."""
    brown: Array
    """Standing yellow leaf area index."""
    residue: Array
    """Ground cover of dead material on the soil, 0..1."""
    stress: Array
    """Water stress remembered over weeks, 0 none to 1."""


def grow(fields: FieldYear, weather: SiteWeather, stress_dose: float = 1.0) -> Canopy:
    """Grow the fields through the days of `weather`, from the autumn before to the end of the season.

    Deterministic: all chance is in `fields`, so that the same call with other weather is a forecast with true
    parameters. `stress_dose`, 0..1, scales the damage of extremes.
    """
    drivers = field_drivers(weather)
    days, n = len(drivers.doy), len(fields.cover)
    canopy = Canopy(*(np.zeros((days, n)) for _ in range(4)))
    state = FieldState(fields, stress_dose)
    for number in range(days):
        state.step(drivers.on(number))
        canopy.green[number], canopy.brown[number] = state.green, state.brown
        canopy.residue[number], canopy.stress[number] = state.residue, state.stress
    return canopy


class FieldState:
    """The fields on one day; `step` moves them to the end of the next. Arrays have shape (units,)."""

    def __init__(self, fields: FieldYear, stress_dose: float) -> None:
        self.fields, self.traits, self.dose = fields, Traits.of(fields), stress_dose
        self.second = second_crop(fields)
        self.double = fields.cover == DOUBLE_CROP
        """fields whose second crop is still to come"""
        n = len(fields.cover)
        self.warm, self.sown, self.harvested, self.failed = (np.zeros(n, dtype=bool) for _ in range(4))
        self.worked, self.dried = np.zeros(n), np.zeros(n)
        """workable days since the ground was warm (or the wheat harvested), and since the crop was ripe"""
        self.heat, self.cut_at, self.age, self.regrown = (np.zeros(n) for _ in range(4))
        """heat units since sowing, and at the last cut; ageing units; heat units since the wheat harvest"""
        self.autumn, self.cool, self.logged = (np.zeros(n) for _ in range(3))
        """heat units of winter cereals before the new year, and of rye; days under water"""
        self.unfolded, self.built, self.stress = (np.zeros(n) for _ in range(3))
        """share of the leaves that are out; leaf area index of all leaves, green or not; as in `Canopy`"""
        self.water, self.residue = 0.75 * self.traits.capacity, fields.residue.copy()
        self.green, self.brown = np.zeros(n), np.zeros(n)

    def __copy__(self) -> "FieldState":
        """An independent state: a step of either leaves the other as it is."""
        other = object.__new__(FieldState)
        for name, value in vars(self).items():
            if isinstance(value, Traits):
                value = Traits(**{key: values.copy() for key, values in vars(value).items()})
            other.__dict__[name] = value.copy() if isinstance(value, np.ndarray) else value
        return other

    def step(self, day: DayDrivers) -> None:
        self._sow(day)
        supply = np.minimum(1.0, self.water / (0.5 * self.traits.capacity))
        supply = supply * (1 - self.dose * extremes.waterlogging(self.logged))
        units = day.heat[self.traits.cover]
        self._unfold(units, supply)
        self.built *= 1 - self.dose * extremes.frost_damage(day, self.traits, self.unfolded)
        yellowed = self._grow_old(day, units, supply)
        self._harvest(day)
        self._cut(day)
        self._set_leaf_area(day, units, yellowed)
        self._draw_water(day, supply)

    def _sow(self, day: DayDrivers) -> None:
        """Spring crops are sown once the ground is warm, after as many workable days as this farmer takes."""
        traits = self.traits
        started = day.in_season & (day.doy >= traits.start)
        self.warm |= started & (day.ten_days >= traits.sowing_warmth)
        self.worked += day.workable * ((self.warm & ~self.sown) | (self.double & self.harvested))
        sow = ~self.sown & started & (~traits.spring_sown | (self.worked >= traits.sowing_days))
        left = self.residue * self.fields.tillage + 0.35 * self.fields.cover_crop
        self.residue = np.where(sow & traits.spring_sown, np.minimum(left, 0.9), self.residue)
        self.sown |= sow
        again = self.double & self.harvested & (self.worked >= _RESOWING_DAYS)
        if again.any():
            traits.replace(again, self.second)
            for values in (self.heat, self.age, self.unfolded, self.built, self.dried, self.regrown):
                values[again] = 0.0
            self.harvested &= ~again
            self.double &= ~again

    def _unfold(self, units: Array, supply: Array) -> None:
        """Leaves unfold with heat, as far as there is water."""
        self.stress = 0.94 * self.stress + 0.06 * (1 - supply)
        self.heat += units * self.sown
        before, self.unfolded = self.unfolded, self._unfolded_at_heat()
        thirst = 0.7 + 0.15 * self.dose
        self.built += self.traits.leaf_area * np.maximum(self.unfolded - before, 0.0) * (1 - thirst * (1 - supply))
        # Perennials put out leaves again after a frost.
        lost = np.maximum(self.traits.leaf_area * self.unfolded - self.built, 0.0)
        self.built += 0.02 * lost * supply * ~self.traits.annual

    def _unfolded_at_heat(self) -> Array:
        return _logistic((self.heat - self.cut_at - self.traits.half) / self.traits.speed)

    def _grow_old(self, day: DayDrivers, units: Array, supply: Array) -> Array:
        """Leaves age with heat, drought, frost and short days. Returns the share that is yellow."""
        traits = self.traits
        short = day.in_season & (day.doy >= traits.autumn_day)
        cold = max(10.0 - day.ten_days, 0.0) * np.where(traits.annual, 1.0, 0.12) * short
        drought = (4.0 + 6.0 * self.dose) * (1 - supply) * (self.unfolded > 0.5)
        scorch = self.dose * extremes.heat_at_flowering(day, traits, self.heat)
        frost = 90.0 * (day.frost & traits.spring_sown)
        self.age += self.sown * (traits.annual * (units + drought + frost + scorch) + traits.autumn_rate * short + cold)
        return _logistic((self.age - traits.yellow) / traits.yellow_speed)

    def _harvest(self, day: DayDrivers) -> None:
        """Grain is harvested when it is ripe and dry; a failed crop is given up."""
        traits = self.traits
        self.dried += day.workable * (self.age >= traits.ripe)
        harvest = (self.dried >= traits.dry_days) & (self.age >= traits.ripe) & ~self.harvested
        self.worked = np.where(harvest, 0.0, self.worked)
        lost = day.in_season & traits.annual & self.sown & (day.doy >= self.fields.fails_on) & ~self.failed
        self.failed |= lost
        self.harvested |= harvest | lost
        self.double &= ~lost
        self.residue = np.where(harvest, traits.stubble, np.where(lost, 0.3, self.residue * 0.9985))

    def _cut(self, day: DayDrivers) -> None:
        """Alfalfa and hay are cut and grow again."""
        due = np.where(self.cut_at > 0, self.traits.next_cut, self.traits.first_cut)
        cut = (self.heat - self.cut_at >= due) & (day.doy < _LAST_CUT_DAY)
        self.cut_at = np.where(cut, self.heat - _CROWN, self.cut_at)
        self.built = np.where(cut, 0.35, self.built)
        self.unfolded = np.where(cut, self._unfolded_at_heat(), self.unfolded)

    def _set_leaf_area(self, day: DayDrivers, units: Array, yellowed: Array) -> None:
        """Winter cereals overwinter as a thin sward, as dense as the autumn was warm after drilling; rye covers the
        ground before spring crops; weeds and volunteers follow on stubble and on lost fields."""
        traits = self.traits
        drilled = day.number >= 6 + self.fields.delay
        self.autumn += day.heat[WHEAT] * (drilled & ~day.in_season)
        self.autumn *= 1 - self.dose * extremes.winterkill(day)
        self.cool += day.heat[PASTURE]
        winter = traits.winter_cereal & ~self.harvested
        sward = 0.6 * winter * (1 - self.unfolded) * _logistic((self.autumn - 220) / 70)
        rye = 2.2 * (self.fields.cover_crop & ~self.sown & traits.spring_sown) * _logistic((self.cool - 330) / 60)
        stubble = self.harvested & (traits.winter_cereal | self.failed)
        self.regrown += units * stubble
        weeds = (0.6 + 0.8 * self.failed) * stubble * _logistic((self.regrown - 600) / 130) * (1 - 0.8 * self.stress)
        alive = np.where(self.harvested, 0.0, self.built * (1 - yellowed))
        wilting = np.where(traits.grass, 0.75, np.where(traits.forest, 0.2, 0.3 + 0.25 * self.dose))
        wilted = alive * self.stress * wilting
        dead = np.where(self.harvested, 0.0, self.built * yellowed)
        self.green = alive - wilted + weeds + sward + rye
        self.brown = (dead + wilted) * traits.standing

    def _draw_water(self, day: DayDrivers, supply: Array) -> None:
        """Plants and the bare ground between them empty the soil's water; rain and pivots fill it."""
        closed = 1 - np.exp(-0.55 * self.green)
        coefficient = 0.15 + 0.15 * day.wetness * (1 - closed) + 0.95 * closed
        drawn = day.evaporation * coefficient * supply
        thirsty = self.fields.irrigated & (self.water < 0.55 * self.traits.capacity) & self.sown & ~self.harvested
        gained = day.rain + _IRRIGATION * thirsty * (day.in_season & (day.doy > 150) & (day.doy < 250))
        water, capacity = self.water + gained - drawn, self.traits.capacity
        self.logged = extremes.days_under_water(self.logged, np.maximum(water - capacity, 0.0))
        self.water = np.clip(water, 1.0, capacity)


def _logistic(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -40, 40))))
