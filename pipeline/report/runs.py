"""What a run left on disk: its metrics.json, and the words for what stands in it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
"""What reading a metrics.json of another form raises."""

Rows = list[dict[str, Any]]


def read_metrics(path: Path) -> dict[str, Any] | None:
    """The content of a metrics.json; None where there is none. Raises ValueError where it is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ValueError(str(error)) from error
    if not isinstance(content, dict):
        raise ValueError("holds no table of results")
    return content


def damaged(path: Path, error: Exception, command: str) -> Absent:
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return Absent(f"{path.parent.name}/{path.name} cannot be read ({what}). Run again:", command)


def ordered(rows: Rows, key: str, known: Sequence[str]) -> list[str]:
    """The values of a key that occur: the known ones in their order, then the others."""
    found = list(dict.fromkeys(str(row[key]) for row in rows))
    return [value for value in known if value in found] + [value for value in found if value not in known]


def best_cells(values: Sequence[float | None], digits: int = 3, *, largest: bool = False) -> list[Cell]:
    """Numbers as cells; the best of them, as far as the digits tell, is bold."""
    known = [round(value, digits) for value in values if value is not None]
    best = (max(known) if largest else min(known)) if known else None
    return [
        Cell(number(value, digits), best=len(known) > 1 and value is not None and round(value, digits) == best)
        for value in values
    ]


def other_cube(noted: Any, identity: str, command: str) -> list[Note | Absent]:
    """A warning where a run was made from other data than this cube holds."""
    if not identity or not noted or noted == identity:
        return []
    text = f"Made from another version of this cube (digest {str(noted)[:12]}…, now {identity[:12]}…). To renew it:"
    return [Absent(text, command)]
