"""Seasons: years of 12 months that begin on the recipe's day, by which days, labels and splits are grouped.

A season is named by a year, the one in which it begins or the one in which it ends. With seasons from 1 January, both
are the calendar year.
"""

from calendar import monthrange
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, field_validator

from .schema import RecipeModel

LEAD_MONTHS = 3
"""Months of weather before a season that belong to it, since winter crops and soil water depend on them."""

EPOCH = np.datetime64("1970-01-01", "D")


def lead_in(first: date) -> date:
    """First day of the weather that belongs to a series whose first day is `first`: LEAD_MONTHS before."""
    months = first.year * 12 + first.month - 1 - LEAD_MONTHS
    year, month = months // 12, months % 12 + 1
    return date(year, month, min(first.day, monthrange(year, month)[1]))


@dataclass(frozen=True)
class Season:
    """One season."""

    name: int
    first: date
    last: date

    @property
    def weather_start(self) -> date:
        """First day of the weather that belongs to it."""
        return lead_in(self.first)

    @property
    def first_number(self) -> int:
        """Its first day, since 1970-01-01."""
        return (self.first - date(1970, 1, 1)).days

    @property
    def last_number(self) -> int:
        """Its last day, since 1970-01-01."""
        return (self.last - date(1970, 1, 1)).days

    def day(self, month_day: str) -> date:
        """The day of the season with that month and day, MM-DD."""
        in_first_year = date.fromisoformat(f"{self.first.year}-{month_day}")
        return in_first_year if in_first_year >= self.first else date.fromisoformat(f"{self.last.year}-{month_day}")


class SeasonSpec(RecipeModel):
    """Where a season begins, and by which year it is named."""

    model_config = ConfigDict(serialize_by_alias=True)

    begins: Annotated[str, Field(alias="from", pattern=r"^\d\d-\d\d$")] = "01-01"
    """Month and day on which a season begins, MM-DD; not 02-29."""
    label: Literal["start", "end"] = "start"
    """The year that names a season: that in which it begins (`start`) or ends (`end`)."""

    @field_validator("begins")
    @classmethod
    def _in_every_year(cls, value: str) -> str:
        try:
            date.fromisoformat(f"2001-{value}")
        except ValueError:
            raise ValueError(f"takes a month and day that every year has, MM-DD; found '{value}'") from None
        return value

    @property
    def is_calendar_year(self) -> bool:
        return self.begins == "01-01"

    @property
    def words(self) -> str:
        """What a season is, where it is not the calendar year; else nothing."""
        named = "begin" if self.label == "start" else "end"
        return "" if self.is_calendar_year else f"begin on {self.begins}, named by the year in which they {named}"

    def season(self, name: int) -> Season:
        """The season of that name."""
        year = name - self._shift
        return Season(name, self._beginning(year), self._beginning(year + 1) - timedelta(days=1))

    def season_of(self, day: date) -> Season:
        """The season that a day belongs to."""
        year = day.year if day >= self._beginning(day.year) else day.year - 1
        return self.season(year + self._shift)

    def names_of(self, days: NDArray[np.integer]) -> NDArray[np.int32]:
        """(n,) names of the seasons of days since 1970-01-01 (n,)."""
        return (self._beginning_years(days) + self._shift).astype(np.int32)

    def days_into(self, days: NDArray[np.integer]) -> NDArray[np.int64]:
        """(n,) days since the first day of the season, of days since 1970-01-01 (n,)."""
        first = self._beginnings(self._beginning_years(days))
        return np.asarray(days, np.int64) - (first - EPOCH).astype(np.int64)

    @property
    def common(self) -> Season:
        """A season without 29 February, of those around 2002."""
        return self.season(2002)

    def days_in(self, months: Collection[int]) -> NDArray[np.int64]:
        """The days of some months, as days since the first day of a season without 29 February."""
        days = EPOCH + np.arange(self.common.first_number, self.common.last_number + 1)
        return np.flatnonzero(np.isin(days.astype("datetime64[M]").astype(int) % 12 + 1, list(months)))

    @property
    def months(self) -> tuple[int, ...]:
        """The months of the year, from that of the first day on."""
        first = int(self.begins[:2])
        return tuple((first - 1 + number) % 12 + 1 for number in range(12))

    @property
    def _shift(self) -> int:
        """The name of a season less the year in which it begins."""
        return int(self.label == "end" and not self.is_calendar_year)

    def _beginning(self, year: int) -> date:
        return date.fromisoformat(f"{year:04}-{self.begins}")

    def _beginning_years(self, days: NDArray[np.integer]) -> NDArray[np.int64]:
        """(n,) years in which the seasons of days since 1970-01-01 (n,) begin."""
        dates = EPOCH + np.asarray(days, np.int64)
        years = dates.astype("datetime64[Y]").astype(np.int64) + 1970
        return years - (dates < self._beginnings(years))

    def _beginnings(self, years: NDArray[np.int64]) -> NDArray[np.datetime64]:
        """(n,) first days of the seasons that begin in these years (n,)."""
        month, day = (int(part) for part in self.begins.split("-"))
        months = ((years - 1970) * 12 + month - 1).astype("datetime64[M]")
        return np.asarray(months.astype("datetime64[D]") + (day - 1))
