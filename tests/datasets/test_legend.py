"""Legends: read from a table, stored as CF flags, read back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmvsf.datasets.cube.legend import Legend, LegendClass, read_legend
from mmvsf.datasets.errors import InputError


def legend(tmp_path: Path, text: str) -> Legend:
    path = tmp_path / "legend.csv"
    path.write_text(text, encoding="utf-8")
    return read_legend(path)


def test_classes_are_sorted_and_zero_is_none(tmp_path: Path) -> None:
    found = legend(tmp_path, "name,code,color,more\nSoy,5,#00FF00,x\nunknown,0,,\nCorn,1,#ffd300,y\n")
    assert found.classes == (LegendClass(1, "Corn", "#ffd300"), LegendClass(5, "Soy", "#00ff00"))


def test_a_byte_order_mark_and_spaces_do_no_harm(tmp_path: Path) -> None:
    assert legend(tmp_path, "\ufeffcode,name\n 1 , Corn \n").classes[0].name == "Corn"


def test_missing_colours_are_made_and_differ(tmp_path: Path) -> None:
    rows = "".join(f"{code},class {code}\n" for code in range(1, 41))
    colors = [entry.color for entry in legend(tmp_path, "code,name\n" + rows).classes]
    assert len(set(colors)) == 40


names = st.text("abc XYZ/()-", min_size=1).filter(lambda text: text.strip())
classes = st.dictionaries(st.integers(1, 65535), names, min_size=1, max_size=8)


@given(classes)
def test_attributes_and_back(entries: dict[int, str]) -> None:
    whole = Legend(tuple(LegendClass(code, entries[code], "#010203") for code in sorted(entries)))
    attributes = whole.attributes()
    assert Legend.from_attributes(attributes) == whole
    assert len(attributes["flag_meanings"].split(" ")) == len(entries)


def test_a_line_that_cannot_be_a_class_is_named(tmp_path: Path) -> None:
    wrong = {
        "65536,Corn,": "line 2: needs a code from 0 to 65535 and a name; found code '65536', name 'Corn'",
        "-1,Corn,": "found code '-1'",
        "\u00b2,Corn,": "found code '\u00b2'",
        f"{'9' * 5000},Corn,": "needs a code from 0 to 65535",
        "1,,": "found code '1', name ''",
        "1,Corn,red": "line 2: color must be written #rrggbb; found 'red'",
        "5,Corn,\n5,Soy,": "line 3: code 5 appears twice",
        "0,unknown,": "names no class",
        f"1,{'x' * 200_000},": "cannot be read: field larger than field limit",
    }
    for lines, message in wrong.items():
        with pytest.raises(InputError, match=re.escape(message)):
            legend(tmp_path, f"code,name,color\n{lines}\n")


def test_a_legend_holds_no_code_that_cannot_be_stored() -> None:
    """Sources make legends without a file, too."""
    for codes, message in (((0,), "code 0"), ((65536,), "code 65536"), ((5, 7, 5), "code 5 appears twice")):
        with pytest.raises(InputError, match=message):
            Legend(tuple(LegendClass(code, f"class {code}", "#010203") for code in codes))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no legend at .*legend\.csv; check labels\.legend"):
        read_legend(tmp_path / "legend.csv")
