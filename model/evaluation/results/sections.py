"""The form of what is found: sections of text and tables, and the names that they use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SETS = {"new_year": "new year", "new_place": "new place", "both": "new place and year"}
NAMES = {
    "untrained": "untrained encoder",
    "sm-mae": "SM-MAE",
    "mm-mae": "MM-MAE",
    "sm-vsf": "SM-VSF",
    "mm-vsf": "MM-VSF",
    "kg-vsf": "KG-VSF",
    "convlstm": "ConvLSTM, from scratch",
    "no-indices": "MM-VSF without antecedent indices",
}


@dataclass(frozen=True)
class Table:
    """Texts in rows; the first column names the row."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Section:
    title: str
    text: str
    tables: Sequence[Table] = ()


def as_json(sections: Sequence[Section]) -> list[dict[str, Any]]:
    return [
        {
            "title": section.title,
            "text": section.text,
            "tables": [
                {"caption": t.caption, "head": list(t.head), "rows": [list(r) for r in t.rows]} for t in section.tables
            ],
        }
        for section in sections
    ]
