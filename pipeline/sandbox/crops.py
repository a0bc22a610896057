"""Growth of fields: canopy and soil water from daily weather.

Development follows growing-degree days (for corn the 86/50 F method, a cap at 10 and 30 C); growth is limited
by water in a soil bucket, emptied by reference evapotranspiration times a crop coefficient (after FAO-56);
leaves yellow with heat units, drought, short days and frost.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .crop_types import ALFALFA, COVERS, PASTURE, WHEAT
from .drivers import DayDrivers, field_drivers
from .weather import SiteWeather

Array = NDArray[np.float64]

# Alfalfa: heat units to the first cut, between cuts, the head start of crowns over spring, and the last day.
_FIRST_CUT, _NEXT_CUT, _CROWN, _LAST_CUT_DAY = 480.0, 590.0, 110.0, 258


@dataclass(frozen=True)
class FieldYear:
    """The fields of a site in one year; every array has shape (fields,)."""

    cover: NDArray[np.int64]
    """Index into `COVERS`."""
    water_capacity: Array
    """mm of plant-available water."""
    vigour: Array
    """Factor of the leaf area, around 1."""
    delay: Array
    """Workable days this farmer sows later than the average one."""
    dry_down: Array
    """Workable days this farmer harvests later than the average one."""
    residue: Array
    """Ground cover of last year's residue at the start."""
    tillage: Array
    """Share of the residue that is left after sowing."""


@dataclass(frozen=True)
class Canopy:
    """State at the end of each day; arrays of shape (days, fields)."""

    green: Array
    """Green leaf area index."""
    brown: Array
    """Standing yellow leaf area index."""
    residue: Array
    """Ground cover of dead material on the soil, 0..1."""
    stress: Array
    """Water stress remembered over weeks, 0 none to 1."""


def grow(fields: FieldYear, weather: SiteWeather) -> Canopy:
    """Grow the fields through the days of `weather`, from the autumn before to the end of the season.

    Deterministic: all chance is in `fields`, so that the same call with other weather is a forecast with true
    parameters.
    """
    drivers = field_drivers(weather)
    days, n = len(drivers.doy), len(fields.cover)
    canopy = Canopy(*(np.zeros((days, n)) for _ in range(4)))
    state = _FieldState(fields)
    for number in range(days):
        state.step(drivers.on(number))
        canopy.green[number], canopy.brown[number] = state.green, state.brown
        canopy.residue[number], canopy.stress[number] = state.residue, state.stress
    return canopy


class _FieldState:
    """The fields on one day; `step` moves them to the end of the next. Arrays have shape (fields,)."""

    def __init__(self, fields: FieldYear) -> None:
        self.fields, self.traits = fields, _Traits.of(fields)
        n = len(fields.cover)
        self.warm, self.sown, self.harvested = (np.zeros(n, dtype=bool) for _ in range(3))
        self.worked, self.dried = np.zeros(n), np.zeros(n)
        """workable days since the ground was warm, and since the crop was ripe"""
        self.heat, self.cut_at, self.age, self.regrown = (np.zeros(n) for _ in range(4))
        """heat units since sowing, and at the last cut; ageing units; heat units since the wheat harvest"""
        self.unfolded, self.built, self.stress = (np.zeros(n) for _ in range(3))
        """share of the leaves that are out; leaf area index of all leaves, green or not; as in `Canopy`"""
        self.water, self.residue = 0.75 * self.traits.capacity, fields.residue.copy()
        self.green, self.brown = np.zeros(n), np.zeros(n)

    def step(self, day: DayDrivers) -> None:
        self._sow(day)
        supply = np.minimum(1.0, self.water / (0.5 * self.traits.capacity))
        units = day.heat[self.fields.cover]
        self._unfold(units, supply)
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
        self.worked += day.workable * (self.warm & ~self.sown)
        sow = ~self.sown & started & (~traits.spring_sown | (self.worked >= traits.sowing_days))
        self.residue = np.where(sow & traits.spring_sown, self.residue * self.fields.tillage, self.residue)
        self.sown |= sow

    def _unfold(self, units: Array, supply: Array) -> None:
        """Leaves unfold with heat, as far as there is water."""
        self.stress = 0.94 * self.stress + 0.06 * (1 - supply)
        self.heat += units * self.sown
        before, self.unfolded = self.unfolded, self._unfolded_at_heat()
        self.built += self.traits.leaf_area * np.maximum(self.unfolded - before, 0.0) * (0.3 + 0.7 * supply)

    def _unfolded_at_heat(self) -> Array:
        return _logistic((self.heat - self.cut_at - self.traits.half) / self.traits.speed)

    def _grow_old(self, day: DayDrivers, units: Array, supply: Array) -> Array:
        """Leaves age with heat, drought, frost and short days. Returns the share that is yellow."""
        traits = self.traits
        short = day.in_season & (day.doy >= traits.autumn_day)
        cold = max(10.0 - day.ten_days, 0.0) * np.where(traits.annual, 1.0, 0.12) * short
        drought = 4.0 * (1 - supply) * (self.unfolded > 0.5)
        frost = 90.0 * (day.frost & traits.spring_sown)
        self.age += self.sown * (traits.annual * (units + drought + frost) + traits.autumn_rate * short + cold)
        return _logistic((self.age - traits.yellow) / traits.yellow_speed)

    def _harvest(self, day: DayDrivers) -> None:
        """Grain is harvested when it is ripe and dry."""
        traits = self.traits
        self.dried += day.workable * (self.age >= traits.ripe)
        harvest = (self.dried >= traits.dry_days) & (self.age >= traits.ripe) & ~self.harvested
        self.harvested |= harvest
        self.residue = np.where(harvest, traits.stubble, self.residue * 0.9985)

    def _cut(self, day: DayDrivers) -> None:
        """Alfalfa is cut and grows again."""
        due = np.where(self.cut_at > 0, _NEXT_CUT, _FIRST_CUT) + 8.0 * self.fields.delay
        cut = self.traits.alfalfa & (self.heat - self.cut_at >= due) & (day.doy < _LAST_CUT_DAY)
        self.cut_at = np.where(cut, self.heat - _CROWN, self.cut_at)
        self.built = np.where(cut, 0.35, self.built)
        self.unfolded = np.where(cut, self._unfolded_at_heat(), self.unfolded)

    def _set_leaf_area(self, day: DayDrivers, units: Array, yellowed: Array) -> None:
        """Wheat overwinters as a thin sward; weeds and volunteers follow on its stubble."""
        traits = self.traits
        sward = 0.30 * (traits.wheat & ~self.harvested) * (1 - self.unfolded) * min(1.0, day.number / 45)
        stubble = self.harvested & traits.wheat
        self.regrown += units * stubble
        weeds = 0.6 * stubble * _logistic((self.regrown - 700) / 130) * (1 - 0.8 * self.stress)
        alive = np.where(self.harvested, 0.0, self.built * (1 - yellowed))
        wilted = alive * self.stress * np.where(traits.pasture, 0.75, 0.3)
        dead = np.where(self.harvested, 0.0, self.built * yellowed)
        self.green = alive - wilted + weeds + sward
        self.brown = (dead + wilted) * traits.standing

    def _draw_water(self, day: DayDrivers, supply: Array) -> None:
        """Plants and the bare ground between them empty the soil's water; rain fills it."""
        closed = 1 - np.exp(-0.55 * self.green)
        coefficient = 0.15 + 0.15 * day.wetness * (1 - closed) + 0.95 * closed
        drawn = day.evaporation * coefficient * supply
        self.water = np.clip(self.water + day.rain - drawn, 1.0, self.traits.capacity)


@dataclass(frozen=True)
class _Traits:
    """What a field's cover and farmer fix for the year; arrays of shape (fields,), named as in `CropType`."""

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
    capacity: Array
    """mm of water within reach of the roots"""
    spring_sown: NDArray[np.bool_]
    annual: NDArray[np.bool_]
    wheat: NDArray[np.bool_]
    alfalfa: NDArray[np.bool_]
    pasture: NDArray[np.bool_]

    @classmethod
    def of(cls, fields: FieldYear) -> "_Traits":
        cover = fields.cover

        def constant(name: str) -> Array:
            """Of each field's cover; NaN for None."""
            return np.array([getattr(crop, name) for crop in COVERS], dtype=np.float64)[cover]

        same = ("half", "speed", "yellow", "yellow_speed", "autumn_day", "autumn_rate", "standing", "ripe", "stubble")
        warmth = constant("sowing_warmth")
        return cls(
            **{name: constant(name) for name in same},
            start=constant("start_day"),
            sowing_warmth=warmth,
            sowing_days=np.maximum(constant("sowing_days") + fields.delay, 1.0),
            leaf_area=constant("leaf_area") * fields.vigour,
            dry_days=np.maximum(constant("dry_down") + fields.dry_down, 2.0),
            capacity=fields.water_capacity * constant("roots"),
            spring_sown=np.isfinite(warmth),
            annual=constant("perennial") == 0,
            wheat=cover == WHEAT,
            alfalfa=cover == ALFALFA,
            pasture=cover == PASTURE,
        )


def _logistic(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -40, 40))))
