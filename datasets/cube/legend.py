"""The classes of a label set: code, name and colour; and their grouping into fewer ones."""

import colorsys
import csv
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from mmvsf.datasets.errors import InputError, one_line

MAX_CODE = 65535
"""Labels are stored as uint16."""

UNKNOWN = "unknown"
"""The group of the classes that are stored as unknown."""


@dataclass(frozen=True)
class LegendClass:
    code: int
    """1 to 65535"""
    name: str
    color: str
    """#rrggbb"""
    source_codes: tuple[int, ...] = ()
    """for a group of classes, the codes that became it; empty for a class stored as it came"""


@dataclass(frozen=True)
class Legend:
    """Classes in order of their code. Code 0 means unknown and is in no legend.

    Raises InputError for a code outside 1 to 65535 (labels are stored as uint16) and for a code that appears twice.
    """

    classes: tuple[LegendClass, ...]

    def __post_init__(self) -> None:
        for entry in self.classes:
            if not 1 <= entry.code <= MAX_CODE:
                raise InputError(f"legend: class '{entry.name}' has code {entry.code}; codes go from 1 to {MAX_CODE}")
        if repeated := [code for code, count in Counter(self.codes).items() if count > 1]:
            raise InputError(f"legend: code {repeated[0]} appears twice; give each class a code of its own")

    @property
    def codes(self) -> tuple[int, ...]:
        return tuple(entry.code for entry in self.classes)

    def attributes(self) -> dict[str, Any]:
        """CF flag attributes (names with underscores), plus the names and colours as they are, and for groups
        the codes of the source that each is made of, as text: an attribute of NetCDF holds no lists of lists."""
        sources = {"flag_source_codes": [" ".join(map(str, entry.source_codes)) for entry in self.classes]}
        return {
            "flag_values": list(self.codes),
            "flag_meanings": " ".join(re.sub(r"\W+", "_", entry.name).strip("_").lower() for entry in self.classes),
            "flag_names": [entry.name for entry in self.classes],
            "flag_colors": [entry.color for entry in self.classes],
            **(sources if any(sources["flag_source_codes"]) else {}),
        }

    @classmethod
    def from_attributes(cls, attributes: dict[str, Any]) -> Self:
        """The legend that `attributes` wrote."""
        codes, names, colors = (attributes[f"flag_{key}"] for key in ("values", "names", "colors"))
        sources = attributes.get("flag_source_codes", [""] * len(codes))
        return cls(
            tuple(
                LegendClass(int(code), str(name), str(color), tuple(map(int, source.split())))
                for code, name, color, source in zip(codes, names, colors, sources, strict=True)
            )
        )

    def stored_codes(self) -> dict[int, int]:
        """Code of the source -> code in the cube, for every class that the cube keeps."""
        return {source: entry.code for entry in self.classes for source in entry.source_codes or (entry.code,)}


def grouped(legend: Legend, groups: dict[str, tuple[int, ...] | str], colors: dict[str, str]) -> Legend:
    """The legend of groups of a legend's classes: codes 1, 2, ... in the order given.

    The group that is written `rest` takes every class that no other group names. The group `unknown` is stored as
    0, and so are classes in no group. A group has the colour given, or that of its first class. Raises InputError
    for a code that the legend does not list or that is in two groups, and for groups that keep nothing.
    """
    colour_of = {entry.code: entry.color for entry in legend.classes}
    named = [code for codes in groups.values() if not isinstance(codes, str) for code in codes]
    _check_codes(named, legend)
    rest = tuple(code for code in legend.codes if code not in named)
    classes: list[LegendClass] = []
    for name, chosen in groups.items():
        codes = rest if isinstance(chosen, str) else chosen
        if name != UNKNOWN and codes:
            color = colors.get(name, colour_of[codes[0]])
            classes.append(LegendClass(len(classes) + 1, name, color, tuple(sorted(codes))))
    if not classes:
        raise InputError("labels.groups keeps no class; name some codes, or write `rest`")
    return Legend(tuple(classes))


def _check_codes(named: list[int], legend: Legend) -> None:
    """Raise InputError for codes of groups that the legend lacks, or that are in two groups."""
    if foreign := sorted(set(named) - set(legend.codes)):
        raise InputError(f"labels.groups lists the codes {foreign}, which the labels do not have")
    if twice := sorted({code for code in named if named.count(code) > 1}):
        raise InputError(f"labels.groups lists the codes {twice} twice; a class belongs to one group")


@dataclass(frozen=True)
class ClassTable:
    """The classes of labels, and how a raster or a column holds them."""

    legend: Legend
    values: dict[str, int] | None = None
    """value of a raster or column, as text -> code, 0 for unknown; None where the values are the codes"""


VALUE_COLUMNS = (("value", "name"), ("original_code", "HCAT3_name"), ("HCAT3_code", "HCAT3_name"))
"""Columns of a table whose classes have no codes yet: value, name. The last two are those of EuroCrops: its mappings
of national codes, which fiboa files name as `crop:code_list`, and its list of classes."""


def read_legend(path: Path) -> Legend:
    """The classes of a CSV file; see `read_class_table`."""
    return read_class_table(path).legend


def read_class_table(path: Path) -> ClassTable:
    """Read a CSV file with the columns code, name and, if wanted, color.

    A further column `value` says what a raster or a column holds for the class where that is not its code; several
    values may mean one class, and code 0 is unknown. A file with the columns value and name, or those of EuroCrops,
    but without code gives each name a code, in the order of the names. Classes without a colour get hues that are a
    golden angle apart.

    Raises InputError if the file is missing or a line of it has no valid code, value, name or colour.
    """
    if not path.is_file():
        raise InputError(f"there is no legend at {path}; check labels.legend of the recipe")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows, columns = list(reader), set(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"the legend {path} cannot be read: {one_line(error)}") from error
    pair = next((pair for pair in VALUE_COLUMNS if columns.issuperset(pair)), None)
    if pair is not None and "code" not in columns:
        table = _numbered(rows, pair, path)
    else:
        table = _coded(rows, "value" in columns, path)
    if not table.legend.classes:
        raise InputError(f"the legend {path} names no class; it needs the columns code and name")
    return table


def classes_by_name(names: Iterable[str]) -> Legend:
    """A legend of these names: codes 1, 2, ... in their order, each name once."""
    return Legend(tuple(LegendClass(code, name, _color(code - 1)) for code, name in enumerate(sorted(set(names)), 1)))


def _coded(rows: list[dict[str, str | None]], with_values: bool, path: Path) -> ClassTable:
    classes: dict[int, LegendClass] = {}
    values: dict[str, int] = {}
    for number, row in enumerate(rows, start=2):
        where = f"{path}, line {number}"
        entry = _class_of_row(row, where, _color(len(classes)))
        before = classes.get(entry.code)
        if before is not None and not (with_values and before.name == entry.name):
            raise InputError(f"{where}: code {entry.code} appears twice; give each class a code of its own")
        if entry.code and before is None:
            classes[entry.code] = entry
        if with_values:
            _add_value(values, row, "value", entry.code, where)
    return ClassTable(Legend(tuple(classes[code] for code in sorted(classes))), values if with_values else None)


def _numbered(rows: list[dict[str, str | None]], pair: tuple[str, str], path: Path) -> ClassTable:
    value, name = pair
    names = {number: (row.get(name) or "").strip() for number, row in enumerate(rows, start=2)}
    if nameless := [number for number, text in names.items() if not text]:
        raise InputError(f"{path}, line {nameless[0]}: the column {name} is empty")
    legend = classes_by_name(names.values())
    code_of = {entry.name: entry.code for entry in legend.classes}
    values: dict[str, int] = {}
    for (number, text), row in zip(names.items(), rows, strict=True):
        if (row.get(value) or "").strip():  # mappings of EuroCrops have lines without a national code
            _add_value(values, row, value, code_of[text], f"{path}, line {number}")
    return ClassTable(legend, values)


def _add_value(values: dict[str, int], row: dict[str, str | None], column: str, code: int, where: str) -> None:
    value = (row.get(column) or "").strip()
    if not value:
        raise InputError(f"{where}: the column {column} is empty")
    if values.setdefault(value, code) != code:
        raise InputError(f"{where}: the value '{value}' appears twice, for two classes")


def _class_of_row(row: dict[str, str | None], where: str, color: str) -> LegendClass:
    """The class of a line, with that colour if it has none. Raises InputError for an invalid code, name or colour."""
    code, name = (row.get("code") or "").strip(), (row.get("name") or "").strip()
    color = (row.get("color") or "").strip().lower() or color
    if not re.fullmatch("[0-9]{1,9}", code) or int(code) > MAX_CODE or not name:
        raise InputError(f"{where}: needs a code from 0 to {MAX_CODE} and a name; found code '{code}', name '{name}'")
    if not re.fullmatch(r"#[0-9a-f]{6}", color):
        raise InputError(f"{where}: color must be written #rrggbb; found '{color}'")
    return LegendClass(int(code), name, color)


def _color(index: int) -> str:
    red, green, blue = colorsys.hsv_to_rgb((0.11 + index * 0.381966) % 1.0, 0.6, 0.85)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"
