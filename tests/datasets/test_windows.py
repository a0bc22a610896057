"""The index of windows: which parts there are, and that none reaches into another."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

import mmvsf
from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.layout_weather import LACKING
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.windows import HELD_OUT, SPLIT_NAMES, chunk_window, clear_days, index_windows, split_name
from mmvsf.datasets.variables import Split, Status
from tests.cubes import CubeBuilder
from tests.seal import change


@pytest.mark.parametrize(
    ("place", "year", "part"),
    [
        (Split.TRAIN, Split.TRAIN, "train"),
        (Split.TEST, Split.TRAIN, "new_place"),
        (Split.TRAIN, Split.TEST, "new_year"),
        (Split.TEST, Split.TEST, "both"),
        (Split.VALIDATION, Split.TRAIN, "validation"),
        (Split.TRAIN, Split.VALIDATION, "validation"),
        (Split.VALIDATION, Split.VALIDATION, "validation"),
        (Split.VALIDATION, Split.TEST, None),
        (Split.TEST, Split.VALIDATION, None),
        (Split.NONE, Split.TRAIN, None),
        (Split.NONE, Split.TEST, None),
        (Split.TRAIN, Split.NONE, None),
    ],
)
def test_part_of_a_place_and_a_year(place: int, year: int, part: str | None) -> None:
    assert split_name(place, year) == part


def test_windows_lie_in_one_part(grown_cube: Cube) -> None:
    index = index_windows(grown_cube)
    places, years = grown_cube.array("chunks/split"), grown_cube.array("seasons/split")
    chunk = grown_cube.grid.chunk
    seen = set()
    for part in SPLIT_NAMES:
        for window in index[part]:
            place = places[window.row // chunk, window.column // chunk]
            year = years[grown_cube.years.index(window.year)]
            assert split_name(int(place), int(year)) == part
            # Every image of the window, and so every target, is of its own season.
            assert set(window.days.astype("datetime64[D]").astype("datetime64[Y]").astype(int) + 1970) == {window.year}
            assert (np.diff(window.days) > 0).all()
            seen.add((window.row, window.column, window.year))
    assert len(seen) == sum(index.count.values()) == 3 * 4 * 3
    assert index.count == {"train": 16, "validation": 0, "new_place": 8, "new_year": 8, "both": 4}
    held_out = {(w.row, w.column) for w in index["new_place"]} | {(w.row, w.column) for w in index["both"]}
    assert not held_out & {(w.row, w.column) for part in ("train", "new_year") for w in index[part]}


def test_days_are_those_that_are_clear_enough(grown_cube: Cube) -> None:
    fraction = grown_cube.array("chunks/clear_fraction")
    for window in index_windows(grown_cube, min_clear=60)["train"]:
        cy, cx = window.row // window.size, window.column // window.size
        shares = fraction[window.days - grown_cube.calendar.first_day, cy, cx]
        assert ((shares >= 60) & (shares <= 100)).all()
    few = index_windows(grown_cube, min_clear=100)
    assert sum(few.count.values()) <= sum(index_windows(grown_cube).count.values())


def test_a_day_whose_reflectance_was_not_stored_is_no_image(grown_cube: Cube, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy.zarr"
    shutil.copytree(grown_cube.path, copy)
    day = int(index_windows(grown_cube)["train"][0].days[0])
    status = grown_cube.array("blocks/status")
    for code in (Status.SKIPPED_CLOUDY, Status.FAILED):
        status[day - grown_cube.calendar.first_day] = int(code)
        assert day not in index_windows(change(copy, {"blocks/status": status}))["train"][0].days


def test_tiles_cover_a_window_once(grown_cube: Cube) -> None:
    window = index_windows(grown_cube)["train"][0]
    assert list(window.tiles(32)) == [window]
    count = np.zeros((window.size, window.size), int)
    for tile in window.tiles(8):
        rows, columns = tile.slices
        count[rows.start - window.row : rows.stop - window.row, columns.start - window.column :][:, :8] += 1
        assert tile.size == 8 and tile.year == window.year
    assert (count == 1).all()
    with pytest.raises(InputError, match="windows of 16 pixels cannot be cut into windows of 12; choose a chunk"):
        list(window.tiles(12))


def test_the_weather_cell_is_the_one_below(grown_cube: Cube) -> None:
    clear = clear_days(grown_cube)
    for by, bx in grown_cube.grid.blocks:
        window = chunk_window(grown_cube, by * 2 + 1, bx * 2, 2020, clear)
        assert window.cell == (by, bx)  # this cube's cells are as large as its blocks


def test_a_window_that_meets_two_weather_cells_has_that_of_its_centre(grown_cube: Cube) -> None:
    spec = replace(grown_cube.spec, grid=replace(grown_cube.grid, weather_cell=24))
    window = chunk_window(replace(grown_cube, spec=spec), 0, 1, 2020, clear_days(grown_cube))
    assert (window.row, window.column, window.size, window.cell) == (0, 16, 16, (0, 1))


def test_a_window_over_several_weather_cells_has_the_days_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cell of its centre lacks days that the others have, and may."""
    monkeypatch.setattr(Cube, "group_attributes", lambda *_: {LACKING: True})
    whole = CubeBuilder(sites=2, years=(2020, 2021), weather_cells=2, test_sites=0).write(tmp_path / "cells.zarr")
    before = [len(mmvsf.dataset(whole, "all", size=size)) for size in (32, 16)]
    tmin, row, column = whole.array("weather/tmin"), 32 * whole.grid.blocks[0][0], 32 * whole.grid.blocks[0][1]
    centre = whole.grid.weather_cell_of(row + 16, column + 16)
    tmin[(slice(whole.calendar.index(day_number(date(2020, 10, 1)))), *centre)] = np.nan
    cube = change(tmp_path / "cells.zarr", {"weather/tmin": tmin})
    samples, small = (mmvsf.dataset(cube, "all", size=size) for size in (32, 16))
    assert [len(samples), len(small)] == [count - 1 for count in before]
    assert [window.year for window in samples.windows if window.cell == centre] == [2021]
    assert all(sample["weather_valid"].any() for sample in samples)


def test_nothing_to_train_on_is_said(grown_cube: Cube) -> None:
    with pytest.raises(InputError, match=r"grown\.zarr: no training place has 99 days"):
        index_windows(grown_cube, min_images=99)
    assert set(HELD_OUT) < set(SPLIT_NAMES)


@pytest.mark.slow
def test_index_and_reader_need_no_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['lightning'] = None;"
        "import mmvsf.datasets.samples.windows, mmvsf.datasets.samples.reader, mmvsf.model.cli"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
