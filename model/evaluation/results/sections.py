"""The form of the results: sections of text and tables, for `results.json`, Markdown and the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TextTable:
    """A table of texts; the first column names the row."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class TextSection:
    """A titled paragraph with tables."""

    title: str
    text: str
    tables: Sequence[TextTable] = ()


def as_json(sections: Sequence[TextSection]) -> list[dict[str, Any]]:
    """Sections as they are kept in results.json."""
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
