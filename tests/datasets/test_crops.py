"""The classes of the CDL, their default groups, and grouping in general."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest
import rasterio

from mmvsf.datasets.cube.legend import Legend, LegendClass, grouped
from mmvsf.datasets.errors import InputError
from mmvsf.pipeline.layers.labels.cdl_classes import CDL, CDL_GROUP_COLORS, CDL_GROUPS

SMALL = Legend(
    (
        LegendClass(1, "Corn", "#ffd300"),
        LegendClass(5, "Soybeans", "#267000"),
        LegendClass(36, "Alfalfa", "#ffa4e1"),
        LegendClass(111, "Open Water", "#4a6fa2"),
    )
)
REAL = os.environ.get("MMVSF_REAL_DATA")


def test_known_classes() -> None:
    names = {entry.code: entry.name for entry in CDL.classes}
    assert len(CDL.classes) == len(names) == 134 and CDL.codes == tuple(sorted(names))
    known = {1: "Corn", 5: "Soybeans", 24: "Winter Wheat", 36: "Alfalfa", 176: "Grassland/Pasture", 195: "Herbaceous"}
    assert all(names[code].startswith(name) for code, name in known.items())
    assert CDL.classes[0].color == "#ffd200"


@pytest.mark.real_data
def test_the_table_is_that_of_the_real_files() -> None:
    folder = Path(str(REAL)) / "cdl"
    with (folder / "cdl_total_dst.csv").open() as file:
        names = {int(row["old_class_value"]): row["class_name"].strip() for row in csv.DictReader(file)}
    assert {entry.code: entry.name for entry in CDL.classes} == names
    with rasterio.open(folder / "2021_30m_cdls_-91095_1822575_15000.tif") as raster:
        colours = raster.colormap(1)
    for entry in CDL.classes:
        if entry.code != 62:
            assert entry.color == "#{:02x}{:02x}{:02x}".format(*colours[entry.code][:3])


def test_the_default_groups_take_every_class_once() -> None:
    legend = grouped(CDL, CDL_GROUPS, CDL_GROUP_COLORS)
    assert [entry.name for entry in legend.classes] == [name for name in CDL_GROUPS if name != "unknown"]
    assert legend.codes == tuple(range(1, 10))
    stored = legend.stored_codes()
    assert set(CDL.codes) - set(stored) == {81, 88}
    assert [stored[code] for code in (1, 5, 24, 37, 176, 142, 124, 195, 26, 61)] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 9]
    colours = [entry.color for entry in legend.classes]
    assert len(set(colours)) == 9


def test_groups_travel_with_the_legend() -> None:
    legend = grouped(SMALL, {"crops": (5, 1), "rest of it": "rest"}, {"crops": "#112233"})
    assert [(c.code, c.name, c.color, c.source_codes) for c in legend.classes] == [
        (1, "crops", "#112233", (1, 5)),
        (2, "rest of it", "#ffa4e1", (36, 111)),
    ]
    assert Legend.from_attributes(legend.attributes()) == legend
    assert Legend.from_attributes(SMALL.attributes()) == SMALL and "flag_source_codes" not in SMALL.attributes()


def test_what_is_in_no_group_is_unknown() -> None:
    assert grouped(SMALL, {"corn": (1,)}, {}).stored_codes() == {1: 1}
    assert grouped(SMALL, {"unknown": (111,), "other": "rest"}, {}).stored_codes() == {1: 1, 5: 1, 36: 1}
    assert SMALL.stored_codes() == {code: code for code in (1, 5, 36, 111)}


def test_groups_that_cannot_be() -> None:
    wrong: tuple[tuple[dict[str, tuple[int, ...] | str], str], ...] = (
        ({"corn": (1, 2)}, r"codes \[2\]"),
        ({"corn": (1,), "more corn": (1, 5)}, r"codes \[1\] twice"),
        ({"unknown": (1, 5)}, "keeps no class"),
        ({"nothing": ()}, "keeps no class"),
    )
    for groups, message in wrong:
        with pytest.raises(InputError, match=message):
            grouped(SMALL, groups, {})
