"""The choices of a new recipe apart from its area: days, season, sources and splits, each with its reason."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.season import SeasonSpec
from mmvsf.pipeline.layers.labels.cdl_classes import CDL_FIRST_YEAR

from .place import Place

HLS_FIRST_YEAR = 2014
"""The first whole year of HLS L30; S30 follows at the end of 2015."""

PLANETARY_COMPUTER = date(2020, 1, 1), date(2026, 6, 16)
"""First and last day for which the Planetary Computer has HLS of both satellites."""

SUMMER = {"north": (4, 5, 6, 7, 8, 9, 10), "south": (10, 11, 12, 1, 2, 3, 4)}
WINTERS_FROM_DEGREES = 30.0
"""Latitude beyond which only the months of summer are taken."""
TROPICS_DEGREES = 10.0
"""Southern latitude up to which seasons are calendar years."""

DAYS_TO_PUBLISH = 10
"""Days after which images and weather are published: HLS takes two to four days (LP DAAC), gridMET one or two, and the
radiation of NASA POWER about a week (https://power.larc.nasa.gov/docs/methodology/energy-fluxes/)."""

LARGE, CLUSTERS, CLUSTER_SIZES = 400, 24, (3, 2, 1)
"""An area of more blocks than LARGE is sampled: so many clusters, as large as the area has room for."""


@dataclass(frozen=True)
class Days:
    """The period of a recipe."""

    start: date
    end: date
    months: tuple[int, ...]
    season: SeasonSpec
    years: tuple[int, ...]
    why: str
    """why these months"""
    why_end: str
    """why it ends before its last season does; empty if it does not"""


def days_of(place: Place, years: str, months: str | None, today: date) -> Days:
    """The days of some seasons: `years` as 2021-2023 or 2022, `months` as 4-10.

    A season in progress ends with the days that are published. Raises InputError, also if it has none of its months.
    """
    first, last = _span(years, "--years", 1900, 2200)
    if last < first:
        raise InputError(f"--years goes from the first year to the last, as in 2021-2023; found '{years}'")
    lat = place.middle[1]
    season, why = SeasonSpec(), "the whole year"
    if months is not None:
        chosen, why = _months(months), "as requested"
        if list(chosen) != sorted(chosen):
            season = SeasonSpec.model_validate({"from": f"{chosen[0]:02}-01", "label": "end"})
    elif abs(lat) > WINTERS_FROM_DEGREES:
        chosen = SUMMER["north" if lat > 0 else "south"]
        why = f"the summer half at {abs(lat):.0f} degrees {'north' if lat > 0 else 'south'}"
        if lat < 0:
            season = SeasonSpec.model_validate({"from": "10-01", "label": "end"})
    else:
        chosen = tuple(range(1, 13))
        if lat < -TROPICS_DEGREES:
            season, chosen = SeasonSpec.model_validate({"from": "07-01", "label": "end"}), (*range(7, 13), *range(1, 7))
    start = season.season(first).day(f"{chosen[0]:02}-01")
    end = _month_end(season.season(last).day(f"{chosen[-1]:02}-01"))
    if start < date(HLS_FIRST_YEAR - 1, 7, 1):
        raise InputError(f"--years begins with {first}, and HLS has whole years from {HLS_FIRST_YEAR} on")
    end, why_end = _published(last, season.season(last).day(f"{chosen[0]:02}-01"), end, today)
    return Days(start, end, chosen, season, tuple(range(first, last + 1)), why, why_end)


def catalog_of(days: Days) -> tuple[str, str]:
    """(catalogue of HLS, why)."""
    first, last = PLANETARY_COMPUTER
    if days.start >= first and days.end < last:
        return "planetary-computer", "no account"
    return "lpcloud", f"Earthdata account; the Planetary Computer has HLS only from {first} to {last}"


def weather_of(place: Place) -> tuple[str, str]:
    """(weather source, why)."""
    if place.share_in_contiguous_us > 0.99:
        return "gridmet", "4 km, the contiguous US, no account"
    return "power", "NASA POWER: about 60 km, the world, no account"


def label_years(place: Place, days: Days, today: date) -> tuple[int, ...]:
    """The years for which the Cropland Data Layer covers the area; it is published in the February after."""
    if place.share_in_contiguous_us < 0.5:
        return ()
    newest = today.year - (1 if (today.month, today.day) > (3, 1) else 2)
    return tuple(year for year in days.years if CDL_FIRST_YEAR <= year <= newest)


def static_layers(place: Place) -> tuple[str, ...]:
    """The layers that public archives have for the area."""
    return ("elevation", "slope", "soil_water") if place.share_in_contiguous_us > 0.99 else ("elevation", "slope")


def split_of(grid: Grid, sampled: bool, years: tuple[int, ...]) -> dict[str, Any]:
    """The section `split`: a fifth of the places for testing, a tenth for validation, and the last year."""
    blocks = len(grid.blocks)
    places: dict[str, Any] = {"unit": "block", "test_share": 0.2, "validation_share": 0.1, "seed": 1}
    if sampled:
        places["unit"] = "cluster"
    elif blocks < 3:
        places |= {"unit": "chunk", "layout": "strips"}
    held_out = {"years": {"test": [years[-1]]}} if len(years) > 1 else {}
    return {"places": places, **held_out}


def _published(year: int, first: date, last: date, today: date) -> tuple[date, str]:
    """(last day of a season's images that is published, why it is not the last of all). Raises InputError."""
    until = today - timedelta(days=DAYS_TO_PUBLISH)
    if last <= until:
        return last, ""
    if first > until:
        raise InputError(
            f"--years ends with {year}, whose images begin on {first}, and data are published {DAYS_TO_PUBLISH} days"
            f" later; end with an earlier year, or run this again from {first + timedelta(days=DAYS_TO_PUBLISH)} on"
        )
    return until, f"images of {year} go on until {last}: move this day and run `mmvsf extend`"


def _months(text: str) -> tuple[int, ...]:
    first, last = _span(text, "--months", 1, 12)
    return tuple((first - 1 + number) % 12 + 1 for number in range((last - first) % 12 + 1))


def _span(text: str, option: str, least: int, most: int) -> tuple[int, int]:
    """The numbers of `first-last`, or of one number twice. Raises InputError."""
    first, _, last = text.partition("-")
    numbers = [part.strip() for part in (first, last or first)]
    if not all(part.isascii() and part.isdecimal() and len(part) < 5 for part in numbers):
        raise InputError(f"{option} takes a number or two with a hyphen between them; found '{text[:40]}'")
    values = [int(part) for part in numbers]
    if not all(least <= value <= most for value in values):
        raise InputError(f"{option} takes numbers from {least} to {most}; found '{text}'")
    return values[0], values[1]


def _month_end(first: date) -> date:
    """The last day of a month, from its first."""
    return (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
