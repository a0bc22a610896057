"""Which features of a vector file count for a year, and as what."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """Which features count, and as what."""

    class_column: str
    year_column: str | None
    year: int
    codes: Mapping[str, int]
    """value of the class column -> code, 0 for unknown"""
    edge: float
    """metres inside its outline from which on a polygon counts"""
