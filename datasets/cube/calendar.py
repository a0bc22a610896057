"""The calendar of a cube: one daily axis, made of whole 32-day shards counted from 1970-01-01.

Because the shards are counted from a fixed day, adding years to a cube touches no shard that exists.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.recipe.region import Region

SHARD_DAYS = 32
EPOCH = date(1970, 1, 1)


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - EPOCH).days


def date_of(day: int) -> date:
    """The date of a day number."""
    return EPOCH + timedelta(days=int(day))


@dataclass(frozen=True)
class Calendar:
    """Days `first_day` .. `first_day + len - 1` as day numbers; both ends lie on shard borders."""

    first_day: int
    shards: int

    def __len__(self) -> int:
        return self.shards * SHARD_DAYS

    @property
    def days(self) -> NDArray[np.int32]:
        return np.arange(self.first_day, self.first_day + len(self), dtype=np.int32)

    @property
    def first_shard(self) -> int:
        """Number of the first shard, counted from 1970-01-01."""
        return self.first_day // SHARD_DAYS

    def shard_of(self, day: int) -> int:
        """Number of the shard a day lies in, counted from 1970-01-01."""
        return day // SHARD_DAYS

    def shard_slice(self, shard: int) -> slice:
        """Positions on the axis that a shard fills."""
        start = (shard - self.first_shard) * SHARD_DAYS
        return slice(start, start + SHARD_DAYS)

    def index(self, day: int) -> int:
        """Position of a day on the axis. Raises IndexError for a day outside it."""
        position = day - self.first_day
        if not 0 <= position < len(self):
            raise IndexError(f"{date_of(day)} lies outside the calendar")
        return position


def calendar_for(region: Region) -> Calendar:
    """The axis that holds the region's images and the weather before them."""
    first_shard = day_number(region.weather_start) // SHARD_DAYS
    last_shard = day_number(region.period.end) // SHARD_DAYS
    return Calendar(first_shard * SHARD_DAYS, last_shard - first_shard + 1)
