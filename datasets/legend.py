"""The classes of a label set: code, name and colour."""

import colorsys
import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from .errors import InputError


@dataclass(frozen=True)
class LegendClass:
    code: int
    """1 to 65535"""
    name: str
    color: str
    """#rrggbb"""


@dataclass(frozen=True)
class Legend:
    """Classes in order of their code. Code 0 means unknown and is in no legend."""

    classes: tuple[LegendClass, ...]

    @property
    def codes(self) -> tuple[int, ...]:
        return tuple(entry.code for entry in self.classes)

    def attributes(self) -> dict[str, Any]:
        """CF flag attributes (names with underscores), plus the names and colours as they are."""
        return {
            "flag_values": list(self.codes),
            "flag_meanings": " ".join(re.sub(r"\W+", "_", entry.name).strip("_").lower() for entry in self.classes),
            "flag_names": [entry.name for entry in self.classes],
            "flag_colors": [entry.color for entry in self.classes],
        }

    @classmethod
    def from_attributes(cls, attributes: dict[str, Any]) -> Self:
        """The legend that `attributes` wrote."""
        return cls(
            tuple(
                LegendClass(int(code), str(name), str(color))
                for code, name, color in zip(
                    attributes["flag_values"], attributes["flag_names"], attributes["flag_colors"], strict=True
                )
            )
        )


def read_legend(path: Path) -> Legend:
    """Read a CSV file with the columns code, name and, if wanted, color.

    Classes without a colour get one by turns of the golden angle. Raises InputError if the file is missing or
    a code, name or colour cannot be one.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the legend {path} cannot be read: {error}") from error
    classes: dict[int, LegendClass] = {}
    for number, row in enumerate(rows, start=2):
        code, name = (row.get("code") or "").strip(), (row.get("name") or "").strip()
        color = (row.get("color") or "").strip().lower() or _color(len(classes))
        if not code.isdigit() or not 0 <= int(code) <= 65535 or not name:
            raise InputError(f"{path}, line {number}: needs a code from 0 to 65535 and a name, found {dict(row)}")
        if not re.fullmatch(r"#[0-9a-f]{6}", color):
            raise InputError(f"{path}, line {number}: color is written #rrggbb, found '{color}'")
        if int(code) in classes:
            raise InputError(f"{path}, line {number}: code {code} stands there twice")
        if int(code):
            classes[int(code)] = LegendClass(int(code), name, color)
    if not classes:
        raise InputError(f"the legend {path} names no class; it needs the columns code and name")
    return Legend(tuple(classes[code] for code in sorted(classes)))


def _color(index: int) -> str:
    red, green, blue = colorsys.hsv_to_rgb((0.11 + index * 0.381966) % 1.0, 0.6, 0.85)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"
