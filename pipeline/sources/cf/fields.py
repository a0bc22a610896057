"""One input over all days of a request, filled from any number of datasets."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mmvsf.datasets.cube.calendar import date_of
from mmvsf.datasets.errors import InputError

from .header import Header

AGREEMENT = 1e-6
"""Relative difference of numbers that are equal in single precision"""


@dataclass(frozen=True, eq=False)
class Field:
    """An input on every day of a request."""

    first_day: int
    values: NDArray[np.floating]
    """(day, y, x), NaN where no dataset has a value"""
    origins: dict[int, tuple[str, str]] = field(default_factory=dict)
    """day -> the dataset and variable that its numbers come from"""

    @classmethod
    def empty(cls, span: tuple[int, int], grid: Header, dtype: DTypeLike) -> Self:
        """Without a value on the days from the first to the last of `span`."""
        shape = (span[1] - span[0] + 1, grid.y.values.size, grid.x.values.size)
        return cls(span[0], np.full(shape, np.nan, dtype))

    def place(self, days: NDArray[np.int64], values: NDArray[np.float64], origin: tuple[str, str]) -> None:
        """Fill in (row, y, x) values of days of the request. A day that is there already is completed.

        Raises InputError where it has other values."""
        taken = [day in self.origins for day in days.tolist()]
        if not any(taken) and np.unique(days).size == days.size:
            self.values[days - self.first_day] = values
        else:
            for day, row in zip(days.tolist(), values, strict=True):
                self._complete(day, row, origin)
                self.origins[day] = self.origins.get(day, origin)
        for day in days.tolist():
            self.origins.setdefault(day, origin)

    def _complete(self, day: int, row: NDArray[np.float64], origin: tuple[str, str]) -> None:
        present = self.values[day - self.first_day]
        both = ~np.isnan(present) & ~np.isnan(row)
        off = np.abs(present[both] - row[both])
        if np.any(off > AGREEMENT * (1 + np.abs(row[both]))):
            (place, name), (other, other_name) = self.origins[day], origin
            twice = f"{place} has two rows" if place == other else f"{place} and {other} have different values"
            names = f"'{name}'" if name == other_name else f"'{name}' and '{other_name}'"
            raise InputError(
                f"{twice} for {names} on {date_of(day)}, up to {off.max():.4g} apart; leave one of them out"
            )
        self.values[day - self.first_day] = np.where(np.isnan(present), row, present)

    def origin_text(self, day: int) -> str:
        """The dataset and the variable of a day's numbers, in words."""
        place, name = self.origins[day]
        return f"{place}, {name}"
