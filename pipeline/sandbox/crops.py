"""How the six land covers grow: canopy and water from daily weather.

Development follows growing-degree days (corn: the 86/50 F method, which caps 10..30 C), growth is limited
by water in a soil bucket emptied by reference evapotranspiration times a crop coefficient (FAO-56), and
leaves yellow by heat units, by drought, by short days and by frost. Development constants are set so that
an average central Iowa year gives the usual calendar (USDA NASS, Usual Planting and Harvesting Dates:
corn planted around 5 May, soybeans 18 May, winter wheat ripe early July, corn ripe mid-September).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .climate import day_of_year, reference_evapotranspiration
from .weather import SiteWeather

Array = NDArray[np.float64]

NEVER = 1e9


@dataclass(frozen=True)
class Crop:
    """Growth constants of one land cover; heat units are growing-degree days above `base`, capped."""

    code: int
    name: str
    color: str
    base: float
    """Degrees Celsius below which nothing develops; heat above 30 C doesn't count."""
    start_day: int
    """Day of year from which sowing is possible (annual spring crops) or development counts."""
    sowing_warmth: float
    """Ten-day mean temperature that opens sowing; -inf where nothing is sown in spring."""
    sowing_days: float
    """Workable days between that and sowing, on average."""
    leaf_area: float
    """Highest green leaf area index of a good field."""
    half: float
    """Heat units from the start to half the leaf area."""
    speed: float
    """Heat units over which the leaf area unfolds (logistic scale)."""
    yellow: float
    """Ageing units (heat, drought, short days, frost) at which half the leaves are yellow."""
    yellow_speed: float
    ageing_by_heat: float
    """1: heat units age the leaves (annuals); 0: only autumn does (perennials)."""
    autumn_day: int
    """Day of year from which short days age the leaves."""
    autumn_rate: float
    """Ageing units per short day."""
    standing: float
    """Share of the yellowed leaf area that stays upright."""
    ripe: float
    """Ageing units at which the dry-down to harvest begins."""
    dry_down: float
    """Workable days from ripe to harvest."""
    stubble: float
    """Ground cover of the residue after harvest."""
    roots: float
    """Share of the soil's water capacity within reach."""


_NONE = float("-inf")
CROPS = (
    Crop(1, "Corn", "#ffd200", 10, 98, 10.0, 10, 5.2, 400, 62, 1450, 75, 1, 250, 4, 0.80, 1480, 17, 0.75, 1.0),
    Crop(5, "Soybeans", "#256f00", 10, 112, 13.5, 12, 5.6, 550, 80, 1320, 42, 1, 245, 7, 0.22, 1420, 9, 0.45, 0.9),
    Crop(24, "Winter Wheat", "#a46f00", 0, 60, _NONE, 0, 4.6, 330, 75, 1400, 75, 1, 400, 0, 0.80, 1640, 9, 0.65, 0.9),
    Crop(36, "Alfalfa", "#ffa4e1", 5, 60, _NONE, 0, 4.6, 230, 55, 45, 10, 0, 262, 1, 0.25, NEVER, 0, 0.0, 1.4),
    Crop(176, "Grassland/Pasture", "#e8ffbe", 4, 60, _NONE, 0, 3.5, 190, 55, 42, 12, 0, 258, 1, 0.90, NEVER, 0, 0.0, 0.7),
    Crop(141, "Deciduous Forest", "#92cc92", 5, 70, _NONE, 0, 4.8, 235, 32, 33, 6, 0, 258, 1, 0.20, NEVER, 0, 0.0, 1.8),
)
"""Codes, names and colours are those of the USDA NASS Cropland Data Layer."""

CORN, SOYBEANS, WHEAT, ALFALFA, PASTURE, FOREST = range(6)

_CUT_FIRST, _CUT_AGAIN, _LAST_CUT_DAY = 480.0, 590.0, 258  # heat units of alfalfa between cuts


@dataclass(frozen=True)
class FieldYear:
    """The fields of a site in one year; every array has shape (fields,)."""

    crop: NDArray[np.int64]
    """Index into `CROPS`."""
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
    """State by day; arrays of shape (days, fields)."""

    green: Array
    """Green leaf area index."""
    brown: Array
    """Standing yellow leaf area index."""
    residue: Array
    """Ground cover of dead material on the soil, 0..1."""
    stress: Array
    """Water stress remembered over weeks, 0 none to 1."""


def surface_wetness(weather: SiteWeather) -> Array:
    """Wetness of the top of the soil by day, 0 dry to 1; rain fills it, evaporation dries it in days. (days,)."""
    rain, keep = weather["precipitation"], np.exp(-0.12 - 0.09 * evapotranspiration(weather))
    wetness = np.zeros(len(rain))
    level = 0.5
    for day in range(len(rain)):
        level = min(1.0, level * keep[day] + rain[day] / 14)
        wetness[day] = level
    return wetness


def evapotranspiration(weather: SiteWeather) -> Array:
    """Reference evapotranspiration by day, mm. (days,)."""
    return reference_evapotranspiration(
        *(weather[name] for name in ("tmin", "tmax", "radiation", "vpd", "wind")),
        day=day_of_year(weather.days),
        latitude=weather.latitude,
    )


def grow(fields: FieldYear, weather: SiteWeather) -> Canopy:
    """Grows the fields through the days of `weather`, which begins in the autumn before the season.

    Deterministic: all chance is in `fields`, so that the same call with other weather is a forecast
    with true parameters.
    """
    crop = fields.crop

    def constant(name: str) -> Array:
        return np.array([getattr(c, name) for c in CROPS], dtype=np.float64)[crop]

    tmin, tmax, rain = weather["tmin"], weather["tmax"], weather["precipitation"]
    evaporation, wetness = evapotranspiration(weather), surface_wetness(weather)
    tmean = (tmin + tmax) / 2
    sums = np.concatenate([[0.0], np.cumsum(tmean)])
    length = np.minimum(np.arange(1, len(tmean) + 1), 10)
    ten_days = (sums[1:] - sums[np.arange(1, len(tmean) + 1) - length]) / length
    workable = np.clip(1.35 - wetness, 0.0, 1.0)
    bases = np.array([c.base for c in CROPS])[:, None]
    heat_of = (np.clip(tmax, bases, 30.0) + np.clip(tmin, bases, 30.0)) / 2 - bases
    doy, year = day_of_year(weather.days), weather.days.astype("datetime64[Y]")
    in_season = year == year[-1]

    start, warmth = constant("start_day"), constant("sowing_warmth")
    sowing = np.maximum(constant("sowing_days") + fields.delay, 1.0)
    leaf_area = constant("leaf_area") * fields.vigour
    half, speed = constant("half"), constant("speed")
    yellow, yellow_speed, by_heat = constant("yellow"), constant("yellow_speed"), constant("ageing_by_heat")
    autumn_day, autumn_rate = constant("autumn_day"), constant("autumn_rate")
    standing, ripe, stubble = constant("standing"), constant("ripe"), constant("stubble")
    dry_down = np.maximum(constant("dry_down") + fields.dry_down, 2.0)
    capacity = fields.water_capacity * constant("roots")
    is_spring_sown, is_wheat, is_alfalfa = np.isfinite(warmth), crop == WHEAT, crop == ALFALFA

    n = len(crop)
    warm, sown, cut, harvested = (np.zeros(n, dtype=bool) for _ in range(4))
    work, heat, age, drying, regrowth, stress, cut_at = (np.zeros(n) for _ in range(7))
    unfolded = np.zeros(n)
    built = np.zeros(n)
    water, residue = 0.75 * capacity, fields.residue.copy()
    days = len(tmean)
    green_out, brown_out, residue_out, stress_out = (np.zeros((days, n), dtype=np.float64) for _ in range(4))

    for day in range(days):
        # Sowing: once the ground is warm, as many workable days as this farmer takes.
        open_now = in_season[day] & (doy[day] >= start)
        warm |= open_now & (ten_days[day] >= warmth)
        work += workable[day] * (warm & is_spring_sown & ~sown)
        sow_now = open_now & ~sown & np.where(is_spring_sown, work >= sowing, True)
        residue = np.where(sow_now & is_spring_sown, residue * fields.tillage, residue)
        sown |= sow_now

        # Development and leaf growth, limited by water.
        supply = np.minimum(1.0, water / (0.5 * capacity))
        stress = 0.94 * stress + 0.06 * (1 - supply)
        units = heat_of[crop, day]
        heat += units * sown
        unfolded_now = _logistic((heat - cut_at - half) / speed)
        built += leaf_area * np.maximum(unfolded_now - unfolded, 0.0) * (0.3 + 0.7 * supply)
        unfolded = unfolded_now

        # Ageing.
        short = in_season[day] & (doy[day] >= autumn_day)
        cold = np.maximum(10.0 - ten_days[day], 0.0) * np.where(by_heat > 0, 1.0, 0.12) * short
        drought = by_heat * 7.0 * (1 - supply) * (unfolded > 0.5)
        frost = 90.0 * by_heat * is_spring_sown * (tmin[day] < -1.5) * in_season[day] * (doy[day] > 240)
        age += sown * (units * by_heat + drought + autumn_rate * short + cold + frost)
        yellowed = _logistic((age - yellow) / yellow_speed)

        # Harvest, and the cuts of alfalfa.
        drying += workable[day] * (age >= ripe)
        harvest_now = (drying >= dry_down) & ~harvested
        harvested |= harvest_now
        residue = np.where(harvest_now, stubble, residue * 0.9985)
        needed = np.where(cut_at > 0, _CUT_AGAIN, _CUT_FIRST) + 8.0 * fields.delay
        cut = is_alfalfa & (heat - cut_at >= needed) & bool(doy[day] < _LAST_CUT_DAY)
        cut_at = np.where(cut, heat - 110.0, cut_at)  # crowns regrow faster than they woke in spring
        built = np.where(cut, 0.35, built)
        unfolded = np.where(cut, _logistic((heat - cut_at - half) / speed), unfolded)

        # Weeds and volunteers on wheat stubble.
        regrowth += units * (harvested & is_wheat)
        weeds = np.where(is_wheat & harvested, 0.6 * _logistic((regrowth - 700) / 130) * supply, 0.0)
        sward = 0.30 * is_wheat * ~harvested * (1 - unfolded)  # wheat overwinters as a thin sward
        if not in_season[day]:
            sward *= min(1.0, day / 45)

        alive = np.where(harvested, 0.0, built * (1 - yellowed))
        summer_dry = np.where(crop == PASTURE, 0.75 * stress, 0.3 * stress)
        green = alive * (1 - summer_dry) + weeds + sward
        brown = np.where(harvested, 0.0, (built * yellowed + alive * summer_dry) * standing)

        # The soil bucket.
        cover = 1 - np.exp(-0.55 * green)
        use = evaporation[day] * (0.15 + 0.15 * wetness[day] * (1 - cover) + 0.95 * cover) * supply
        water = np.clip(water + rain[day] - use, 1.0, capacity)

        green_out[day], brown_out[day], residue_out[day], stress_out[day] = green, brown, residue, stress
    return Canopy(green_out, brown_out, residue_out, stress_out)


def _logistic(x: Array) -> Array:
    return 1 / (1 + np.exp(-np.clip(x, -40, 40)))
