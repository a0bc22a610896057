"""Which features of a vector file count for a year, and as what."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """Which features count, and as what."""

    column: str
    """of classes or numbers"""
    year_column: str | None
    year: int
    codes: Mapping[str, int] | None
    """value of the column -> code, 0 for unknown; None for a column of numbers"""
    edge: float
    """metres inside its outline from which on a polygon counts"""
