"""How fields grow: canopy and soil water from daily weather.

Development follows growing-degree days (for corn the 86/50 F method, a cap at 10 and 30 C); growth is limited
by water in a soil bucket, emptied by reference evapotranspiration times a crop coefficient (after FAO-56);
leaves yellow with heat units, drought, short days and frost.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .climate import day_of_year, reference_evapotranspiration
from .crop_types import ALFALFA, COVERS, PASTURE, WHEAT
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


def evapotranspiration(weather: SiteWeather) -> Array:
    """Reference evapotranspiration by day, mm, (days,)."""
    tmin, tmax, radiation, vpd, wind = (weather[name] for name in ("tmin", "tmax", "radiation", "vpd", "wind"))
    return reference_evapotranspiration(tmin, tmax, radiation, vpd, wind, day_of_year(weather.days), weather.latitude)


def surface_wetness(weather: SiteWeather) -> Array:
    """Wetness of the top of the soil at the end of each day, 0 dry to 1, (days,).

    14 mm of rain fill it; it loses 12 % a day and 9 % more for each mm of evaporative demand.
    """
    rain, keep = weather["precipitation"], np.exp(-0.12 - 0.09 * evapotranspiration(weather))
    wetness = np.zeros(len(rain))
    level = 0.5
    for day in range(len(rain)):
        level = min(1.0, level * keep[day] + rain[day] / 14)
        wetness[day] = level
    return wetness


def grow(fields: FieldYear, weather: SiteWeather) -> Canopy:
    """Grows the fields through the days of `weather`, from the autumn before to the end of the season.

    Deterministic: all chance is in `fields`, so that the same call with other weather is a forecast
    with true parameters.
    """
    cover = fields.cover
    n, days = len(cover), len(weather.days)
    drivers = _drivers(weather)

    def constant(name: str) -> Array:
        """Of each field's cover; NaN for None."""
        return np.array([getattr(c, name) for c in COVERS], dtype=np.float64)[cover]

    half, speed = constant("half"), constant("speed")
    yellow, yellow_speed = constant("yellow"), constant("yellow_speed")
    start, autumn_day, autumn_rate = constant("start_day"), constant("autumn_day"), constant("autumn_rate")
    standing, ripe, stubble = constant("standing"), constant("ripe"), constant("stubble")
    warmth = constant("sowing_warmth")
    spring_sown, annual = np.isfinite(warmth), constant("perennial") == 0
    wheat, alfalfa, pasture = cover == WHEAT, cover == ALFALFA, cover == PASTURE
    sowing_days = np.maximum(constant("sowing_days") + fields.delay, 1.0)
    dry_days = np.maximum(constant("dry_down") + fields.dry_down, 2.0)
    leaf_area = constant("leaf_area") * fields.vigour
    capacity = fields.water_capacity * constant("roots")

    warm, sown, harvested = (np.zeros(n, dtype=bool) for _ in range(3))
    worked, heat, cut_at, unfolded, built, age, dried, regrown, stress = (np.zeros(n) for _ in range(9))
    water, residue = 0.75 * capacity, fields.residue.copy()
    canopy = Canopy(*(np.zeros((days, n)) for _ in range(4)))

    for day in range(days):
        doy, in_season, workable = drivers.doy[day], drivers.in_season[day], drivers.workable[day]

        # Spring crops are sown once the ground is warm, after as many workable days as this farmer takes.
        warm |= in_season & (doy >= start) & (drivers.ten_days[day] >= warmth)
        worked += workable * (warm & ~sown)
        sow = ~sown & in_season & (doy >= start) & (~spring_sown | (worked >= sowing_days))
        residue = np.where(sow & spring_sown, residue * fields.tillage, residue)
        sown |= sow

        # Leaves unfold with heat, as far as there is water.
        supply = np.minimum(1.0, water / (0.5 * capacity))
        stress = 0.94 * stress + 0.06 * (1 - supply)
        units = drivers.heat[cover, day]
        heat += units * sown
        before, unfolded = unfolded, _logistic((heat - cut_at - half) / speed)
        built += leaf_area * np.maximum(unfolded - before, 0.0) * (0.3 + 0.7 * supply)

        # They age.
        short = in_season & (doy >= autumn_day)
        cold = max(10.0 - drivers.ten_days[day], 0.0) * np.where(annual, 1.0, 0.12) * short
        drought = 4.0 * (1 - supply) * (unfolded > 0.5)
        frost = 90.0 * (drivers.frost[day] & spring_sown)
        age += sown * (annual * (units + drought + frost) + autumn_rate * short + cold)
        yellowed = _logistic((age - yellow) / yellow_speed)

        # Grain is harvested when ripe and dry; alfalfa is cut.
        dried += workable * (age >= ripe)
        harvest = (dried >= dry_days) & (age >= ripe) & ~harvested
        harvested |= harvest
        residue = np.where(harvest, stubble, residue * 0.9985)
        due = np.where(cut_at > 0, _NEXT_CUT, _FIRST_CUT) + 8.0 * fields.delay
        cut = alfalfa & (heat - cut_at >= due) & (doy < _LAST_CUT_DAY)
        cut_at = np.where(cut, heat - _CROWN, cut_at)
        built = np.where(cut, 0.35, built)
        unfolded = np.where(cut, _logistic((heat - cut_at - half) / speed), unfolded)

        # Wheat overwinters as a thin sward; weeds and volunteers follow on its stubble.
        sward = 0.30 * (wheat & ~harvested) * (1 - unfolded) * min(1.0, day / 45)
        regrown += units * (harvested & wheat)
        weeds = 0.6 * (harvested & wheat) * _logistic((regrown - 700) / 130) * (1 - 0.8 * stress)

        alive = np.where(harvested, 0.0, built * (1 - yellowed))
        wilted = alive * stress * np.where(pasture, 0.75, 0.3)
        dead = np.where(harvested, 0.0, built * yellowed)
        canopy.green[day] = alive - wilted + weeds + sward
        canopy.brown[day] = (dead + wilted) * standing
        canopy.residue[day], canopy.stress[day] = residue, stress

        # Plants and the bare ground between them empty the soil's water; rain fills it.
        closed = 1 - np.exp(-0.55 * canopy.green[day])
        coefficient = 0.15 + 0.15 * drivers.wetness[day] * (1 - closed) + 0.95 * closed
        water = np.clip(water + drivers.rain[day] - drivers.evaporation[day] * coefficient * supply, 1.0, capacity)
    return canopy


@dataclass(frozen=True)
class _Drivers:
    """What the weather means to fields; arrays of shape (days,) but `heat`, (covers, days)."""

    doy: NDArray[np.int64]
    in_season: NDArray[np.bool_]
    """From 1 January of the season's year."""
    rain: Array
    evaporation: Array
    wetness: Array
    ten_days: Array
    """Mean temperature of the last ten days."""
    workable: Array
    """0..1: how much of a day of field work the wet ground allows."""
    heat: Array
    frost: NDArray[np.bool_]
    """A killing frost of autumn."""


def _drivers(weather: SiteWeather) -> _Drivers:
    tmin, tmax = weather["tmin"], weather["tmax"]
    doy, year = day_of_year(weather.days), weather.days.astype("datetime64[Y]")
    in_season = np.asarray(year == year[-1])
    wetness = surface_wetness(weather)
    sums = np.concatenate([[0.0], np.cumsum((tmin + tmax) / 2)])
    last = np.arange(1, len(doy) + 1)
    length = np.minimum(last, 10)
    base = np.array([cover.base for cover in COVERS])[:, None]
    return _Drivers(
        doy=doy,
        in_season=in_season,
        rain=weather["precipitation"],
        evaporation=evapotranspiration(weather),
        wetness=wetness,
        ten_days=(sums[last] - sums[last - length]) / length,
        workable=np.clip(1.35 - wetness, 0.0, 1.0),
        heat=(np.clip(tmax, base, 30.0) + np.clip(tmin, base, 30.0)) / 2 - base,
        frost=in_season & (doy > 240) & (tmin < -1.5),
    )


def _logistic(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -40, 40))))
