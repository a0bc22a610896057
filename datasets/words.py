"""Numbers and months in words."""

from calendar import month_name
from collections.abc import Sequence
from itertools import pairwise


def plural(count: int, noun: str) -> str:
    """`1 block`, `2,000 blocks`, `3 classes`."""
    ending = "" if count == 1 else "es" if noun.endswith("s") else "s"
    return f"{count:,} {noun}{ending}"


def months_in_words(months: Sequence[int]) -> str:
    """`March to November`, or the single months where others lie between them. They are in the order of a season."""
    names = [month_name[month] for month in months]
    if len(months) == 12:
        return "all months"
    follow = all(after == before % 12 + 1 for before, after in pairwise(months))
    return f"{names[0]} to {names[-1]}" if follow and len(names) > 2 else ", ".join(names)
