"""Columns of vector files: the classes of features and their years, whatever type they are stored as."""

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.errors import InputError

if TYPE_CHECKING:
    from pandas import Series

NO_YEAR = -1


def as_texts(column: "Series[Any]") -> list[str | None]:
    """The values as text, None where there is none: 201, 201.0 and " 201 " are all "201"."""
    return [_as_text(value) for value in column.astype(object)]


def _as_text(value: Any) -> str | None:
    if value is None or value is np.nan or value != value or str(value) in ("NaT", "<NA>"):
        return None
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    return str(value).strip() or None


def as_years(column: "Series[Any]", where: str) -> NDArray[np.int64]:
    """The years of numbers, texts or dates, NO_YEAR where there is none. Raises InputError for any other value."""
    if column.dtype.kind == "M" or str(column.dtype).startswith("datetime"):
        years: NDArray[np.int64] = column.dt.year.fillna(NO_YEAR).to_numpy(np.int64)
        return years
    return np.array([_as_year(text, where) for text in as_texts(column)], np.int64)


def _as_year(text: str | None, where: str) -> int:
    if text is None:
        return NO_YEAR
    match = re.match(r"(\d{4})(?!\d)", text)
    if match is None:
        raise InputError(f"{where} holds '{text[:40]}', which does not begin with a year")
    return int(match[1])


def most_common(values: list[str], most: int) -> str:
    """The most common values with their numbers, in words."""
    counts = Counter(values)
    named = ", ".join(f"'{value[:60]}' ({count})" for value, count in counts.most_common(most))
    return named + (f" and {len(counts) - most} more" if len(counts) > most else "")
