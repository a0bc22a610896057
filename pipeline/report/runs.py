"""The results of a run on disk: its metrics.json, and the names of sets and methods in it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmvsf.datasets.json_text import parse_json

from .elements import Absent, Cell, Note, number

SETS = {"new_place": "new place", "new_year": "new year", "both": "new place and new year"}
METHODS = {
    "mmvsf": "MM-VSF",
    "persistence": "persistence",
    "climatology": "climatology",
    "random_forest": "random forest",
    "majority": "majority class",
}
DAMAGED = (KeyError, TypeError, ValueError, AttributeError, IndexError)
"""Raised on reading a metrics.json of another form."""

Rows = list[dict[str, Any]]


def read_metrics(path: Path) -> dict[str, Any] | None:
    """The content of a metrics.json; None where there is none. Raises ValueError where it is damaged."""
    try:
        content = parse_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ValueError(str(error)) from error
    if not isinstance(content, dict):
        raise ValueError("it has no results")
    return content


def damaged(path: Path, error: Exception, command: str) -> Absent:
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return Absent(f"{path.parent.name}/{path.name} cannot be read ({what}). To make it again:", command)


def ordered(rows: Rows, key: str, first: Sequence[str]) -> list[str]:
    """The values of a key that occur: those of `first` in their order, then the others."""
    values = list(dict.fromkeys(str(row[key]) for row in rows))
    return [value for value in first if value in values] + [value for value in values if value not in first]


def best_cells(values: Sequence[float | None], digits: int = 3, *, largest: bool = False) -> list[Cell]:
    """Numbers as cells; the best of them, as far as the digits tell, is bold."""
    rounded = [round(value, digits) for value in values if value is not None]
    best = (max(rounded) if largest else min(rounded)) if rounded else None
    return [
        Cell(number(value, digits), best=len(rounded) > 1 and value is not None and round(value, digits) == best)
        for value in values
    ]


def other_cube(recorded: Any, digest: str, command: str) -> list[Note | Absent]:
    """A warning where a run recorded another digest than the cube has now."""
    if not digest or not recorded or recorded == digest:
        return []
    text = f"Made from another version of this cube (digest {str(recorded)[:12]}…, now {digest[:12]}…). To update it:"
    return [Absent(text, command)]
