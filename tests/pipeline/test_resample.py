"""How pixels come from one grid to another."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from mmvsf.pipeline.raster import resampler as resampler_module
from mmvsf.pipeline.raster.mappings import resampler
from mmvsf.pipeline.raster.resample import relate
from mmvsf.pipeline.raster.scene import RasterGrid

FILL = -9999
LEFT, TOP = 250560.0, 4650240.0


def grid(rows: int, columns: int, *, left: float = LEFT, top: float = TOP, pixel: float = 30.0, epsg: int = 32615):
    return RasterGrid(f"EPSG:{epsg}", (pixel, 0.0, left, 0.0, -pixel, top), (rows, columns))


WEST = grid(128, 128, left=747150.0, top=4650780.0, epsg=32614)


def numbers(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.integers(-100, 8000, shape).astype(np.int16)
    values[rng.random(shape) < 0.02] = FILL
    return values


def resample(source: RasterGrid, target: RasterGrid, values: np.ndarray) -> np.ndarray:
    place = resampler(source, target)
    return place.reflectance(values[place.window])[0]


@given(st.integers(-40, 40), st.integers(-40, 40))
def test_one_lattice_is_a_plain_copy(down: int, right: int) -> None:
    source = grid(30, 40, left=LEFT + 30 * right, top=TOP - 30 * down)
    values = numbers((30, 40))
    place = resampler(source, grid(24, 24))
    assert place.native
    if place.empty:
        assert not (-30 < down < 24 and -40 < right < 24)
        return
    wide = np.full((24 + 160, 24 + 160), FILL, np.int16)
    wide[80 + down : 110 + down, 80 + right : 120 + right] = values
    np.testing.assert_array_equal(place.reflectance(values[place.window])[0], wide[80:104, 80:104])
    np.testing.assert_array_equal(place.codes(values[place.window], FILL), wide[80:104, 80:104])


def test_hls_south_of_the_equator_is_copied_where_the_origin_is_its_own() -> None:
    """HLS has the northern form of a zone there, with negative northings (T19LBJ); a recipe has the southern form,
    whose northings are 10,000 km more: no whole number of pixels, so blocks are counted from [0, 10]."""
    tile = grid(3660, 3660, left=199980.0, top=-1099980.0, epsg=32619)
    target = grid(64, 64, left=10 * 7680.0 * 3, top=1150 * 7680.0 + 10, epsg=32719)
    place = resampler(tile, target)
    values = numbers(tuple(part.stop - part.start for part in place.window))
    row = round((-1099980.0 - (target.transform[5] - 1e7)) / 30) - place.window[0].start
    column = round((target.transform[2] - 199980.0) / 30) - place.window[1].start
    np.testing.assert_array_equal(place.reflectance(values)[0], values[row : row + 64, column : column + 64])


def south_up(raster: RasterGrid) -> RasterGrid:
    """The same pixels with rows that run north."""
    a, _, c, _, e, f = raster.transform
    return RasterGrid(raster.crs, (a, 0.0, c, 0.0, -e, f + e * raster.shape[0]), raster.shape)


@pytest.mark.parametrize("pixel", [30.0, 90.0, 10.0])
@pytest.mark.parametrize("beside", [0, 30, -60, 7])
def test_rows_that_run_north_give_the_same_pixels(pixel: float, beside: int) -> None:
    source = grid(40, 40, left=LEFT + beside, top=TOP - beside, pixel=pixel)
    values, target = numbers((40, 40)), grid(24, 24)
    one, other = resampler(source, target), resampler(south_up(source), target)
    straight, flipped = values[one.window], values[::-1][other.window]
    assert one.native == other.native
    np.testing.assert_array_equal(other.reflectance(flipped)[0], one.reflectance(straight)[0])
    np.testing.assert_array_equal(other.codes(flipped, FILL), one.codes(straight, FILL))
    for found, known in zip(other.sums(flipped.astype(float)), one.sums(straight.astype(float)), strict=True):
        np.testing.assert_allclose(found, known, atol=1e-8)


@pytest.mark.parametrize("height", [60.0, 15.0])
def test_pixels_that_are_not_square_are_not_copied(height: float) -> None:
    source = RasterGrid("EPSG:32615", (30.0, 0.0, LEFT, 0.0, -height, TOP), (40, 40))
    codes = np.arange(1600, dtype=np.int16).reshape(40, 40)
    place = resampler(source, grid(16, 16))
    assert not place.native
    wanted = codes[((np.arange(16) + 0.5) * 30 // height).astype(int), :16]
    np.testing.assert_array_equal(place.codes(codes[place.window], FILL), wanted)


@pytest.mark.parametrize(("times", "offset"), [(2, 0), (2, 1), (3, 2), (6, 5)])
def test_coarse_pixels_are_replicated(times: int, offset: int) -> None:
    source = grid(20, 20, left=LEFT - 10 * offset, top=TOP + 10 * offset, pixel=10.0 * times)
    values = numbers((20, 20))
    place = resampler(source, grid(32, 32, pixel=10.0))
    assert place.native
    wanted = values.repeat(times, 0).repeat(times, 1)[offset : offset + 32, offset : offset + 32]
    np.testing.assert_array_equal(place.reflectance(values[place.window])[0][:, : wanted.shape[1]], wanted)


def test_grids_half_a_pixel_apart_are_interpolated() -> None:
    source = grid(10, 10, left=LEFT - 15, top=TOP + 15)
    values = np.arange(100, dtype=np.int16).reshape(10, 10) * 4
    found = resample(source, grid(4, 4), values)
    assert not resampler(source, grid(4, 4)).native
    # the mean of four: 4 * (10 r + c), half a pixel on in both directions
    np.testing.assert_array_equal(found, values[:4, :4] + 22)


def test_halves_round_to_the_even_number() -> None:
    source = grid(1, 8, left=LEFT - 15)
    found = resample(source, grid(1, 6), np.array([[0, 1, 2, 3, 4, 5, 6, 7]], np.int16))
    assert found.tolist() == [[0, 2, 2, 4, 4, 6]]


def test_one_contributor_without_data_leaves_none() -> None:
    source = grid(6, 6, left=LEFT - 15, top=TOP + 15)
    values = np.full((6, 6), 1000, np.int16)
    values[2, 3] = FILL
    found = resample(source, grid(5, 5), values)
    empty = np.argwhere(found == FILL)
    assert empty.tolist() == [[1, 2], [1, 3], [2, 2], [2, 3]]
    assert set(np.unique(found)) == {FILL, 1000}


def test_a_neighbour_beyond_the_edge_is_one_without_data() -> None:
    source = grid(4, 4, left=LEFT - 15, top=TOP + 15)
    found = resample(source, grid(4, 4), np.full((4, 4), 7, np.int16))
    assert (found[:3, :3] == 7).all() and (found[3] == FILL).all() and (found[:, 3] == FILL).all()


def test_a_missing_neighbour_of_no_weight_does_not_matter() -> None:
    """Half a pixel off from north to south only: nothing counts of the columns beside."""
    values = np.full((9, 9), FILL, np.int16)
    values[:, 1::2] = 55
    found = resample(grid(9, 9), grid(7, 8, top=TOP - 15), values)
    assert (found[:, 1::2] == 55).all() and (found[:, ::2] == FILL).all()


def test_a_plane_is_reproduced_across_zones() -> None:
    """Bilinear interpolation of a linear field is exact, whatever the angle between the grids."""
    row, column = np.indices((128, 128))
    values = (20 * row - 13 * column + 3000).astype(np.int16)
    target = grid(48, 48)
    x = LEFT + 30 * (np.arange(48) + 0.5)
    y = TOP - 30 * (np.arange(48) + 0.5)
    east, north = Transformer.from_crs(32615, 32614, always_xy=True).transform(*np.meshgrid(x, y))
    wanted = 20 * ((4650780.0 - north) / 30 - 0.5) - 13 * ((east - 747150.0) / 30 - 0.5) + 3000
    found = resample(WEST, target, values)
    assert np.abs(found - wanted).max() <= 0.5 + 1e-6


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 30), st.integers(1, 30))
def test_the_cut_of_the_target_changes_no_pixel(row: int, column: int, rows: int, columns: int) -> None:
    values, codes = numbers(WEST.shape, 1), numbers(WEST.shape, 2).astype(np.uint16)
    whole = resampler(WEST, grid(96, 96))
    part = resampler(WEST, grid(rows, columns, left=LEFT + 30 * column, top=TOP - 30 * row))
    area = (slice(row, row + rows), slice(column, column + columns))
    np.testing.assert_array_equal(
        part.reflectance(values[part.window])[0], whole.reflectance(values[whole.window])[0][area]
    )
    np.testing.assert_array_equal(part.codes(codes[part.window], 0), whole.codes(codes[whole.window], 0)[area])


@settings(max_examples=20, deadline=None)
@given(st.floats(-200, 200), st.floats(-200, 200))
def test_fill_never_bleeds(right: float, down: float) -> None:
    values = numbers((40, 40), 3)
    values[values != FILL] = 1000 + values[values != FILL] % 50
    found = resample(grid(40, 40, left=LEFT + right, top=TOP - down), grid(20, 20), values)
    assert ((found == FILL) | ((found >= 1000) & (found < 1050))).all()


@settings(max_examples=30, deadline=None)
@given(st.floats(-400, 400), st.floats(-400, 400))
def test_nearest_is_the_pixel_that_the_centre_lies_in(right: float, down: float) -> None:
    source = grid(20, 20, left=LEFT + right, top=TOP - down)
    codes = np.arange(1, 401, dtype=np.uint16).reshape(20, 20)
    place = resampler(source, grid(8, 8))
    found = place.codes(codes[place.window], 0) if not place.empty else np.zeros((8, 8), np.uint16)
    for row in range(8):
        for column in range(8):
            r = math.floor((30 * (row + 0.5) - down) / 30 + 1e-6)
            c = math.floor((30 * (column + 0.5) - right) / 30 + 1e-6)
            exact = min(abs(math.remainder(v, 30)) for v in (30 * row + 15 - down, 30 * column + 15 - right))
            if exact > 1e-3:  # on a border either is right
                assert found[row, column] == (codes[r, c] if 0 <= r < 20 and 0 <= c < 20 else 0)


def test_only_the_needed_window_is_read() -> None:
    place = resampler(WEST, grid(16, 16))
    rows, columns = place.window
    assert rows.stop - rows.start < 24 and columns.stop - columns.start < 24
    assert resampler(WEST, grid(8, 8, left=LEFT + 90_000)).empty


def test_the_mapping_is_worked_out_once() -> None:
    assert resampler(WEST, grid(16, 16)) is resampler(WEST, grid(16, 16))


def test_a_rotated_raster_is_refused() -> None:
    turned = RasterGrid("EPSG:32615", (30.0, 1.0, LEFT, 0.0, -30.0, TOP), (8, 8))
    with pytest.raises(ValueError, match="rotated"):
        resampler(turned, grid(8, 8))


def test_finer_pixels_in_line_are_averaged() -> None:
    """10 m on 30 m: each target pixel is the mean of its nine; one of them without data leaves it without."""
    source = RasterGrid("EPSG:32631", (10.0, 0.0, 500000.0, 0.0, -10.0, 5600000.0), (12, 12))
    target = RasterGrid("EPSG:32631", (30.0, 0.0, 500030.0, 0.0, -30.0, 5599970.0), (2, 3))
    values = np.random.default_rng(0).integers(0, 5000, (12, 12)).astype(np.int16)
    values[5, 7] = -9999
    place = resampler(source, target)
    result = place.reflectance(values[place.window])[0]
    expected = np.rint(values[3:9, 3:12].reshape(2, 3, 3, 3).mean(axis=(1, 3), dtype=float)).astype(np.int16)
    expected[0, 1] = -9999
    np.testing.assert_array_equal(result, expected)
    assert not place.native


FINER = pytest.mark.parametrize("pixel", [20.0, 15.0, 12.0, 10.0, 3.0])


def area_means(source: RasterGrid, target: RasterGrid, values: np.ndarray) -> np.ndarray:
    """The mean of a raster over each target pixel, from 60 x 60 points in it."""
    fine = relate(source, target.refined(60), weighted=False)
    rows, columns = target.shape
    return fine.codes(values[fine.window], FILL).reshape(rows, 60, columns, 60).mean(axis=(1, 3))


@FINER
@pytest.mark.parametrize("beside", [1.0, 4.5, 7.0])
@pytest.mark.parametrize("epsg", [32615, 32614])
def test_finer_pixels_out_of_line_do_not_alias(pixel: float, beside: float, epsg: int) -> None:
    """Noise and stripes finer than the target come near their area means, wherever the edges lie."""
    side = round(128 * 30 / pixel)
    left, top = (LEFT - 600, TOP + 600) if epsg == 32615 else (WEST.transform[2], WEST.transform[5])
    source = grid(side, side, left=left + beside, top=top - beside, pixel=pixel, epsg=epsg)
    target, rng = grid(20, 20), np.random.default_rng(0)
    stripes = np.broadcast_to(np.where(np.arange(side) % 2, 2000, 4000), (side, side))
    for values in (3000 + 1000 * rng.standard_normal((side, side)), stripes):
        wanted = area_means(source, target, values.astype(np.int16))
        found = resample(source, target, values.astype(np.int16))
        assert (found - wanted).std() <= 0.5 * wanted.std() + 2 and abs(found.mean() - wanted.mean()) < 10
        assert found.std() <= wanted.std() + 5
        if pixel == 10:  # three to a side: the means themselves
            assert (found - wanted).std() < 20


@FINER
def test_a_plane_of_finer_pixels_is_reproduced(pixel: float) -> None:
    side = round(30 * 40 / pixel)
    row, column = np.indices((side, side))
    scale = pixel / 30
    values = np.rint(200 * scale * row - 130 * scale * column + 9000).astype(np.int16)
    found = resample(grid(side, side, left=LEFT - 104, top=TOP + 97, pixel=pixel), grid(20, 20), values)
    rows, columns = np.indices((20, 20)) * 30.0 + 15
    wanted = 200 * ((rows + 97) / 30 - scale / 2) - 130 * ((columns + 104) / 30 - scale / 2) + 9000
    assert np.abs(found - wanted).max() <= 1.5


@FINER
def test_the_cut_of_the_target_changes_no_pixel_of_finer_ones(pixel: float) -> None:
    side = round(128 * 30 / pixel)
    source = grid(side, side, left=WEST.transform[2], top=WEST.transform[5], pixel=pixel, epsg=32614)
    values = numbers((side, side), 1)
    values[np.random.default_rng(4).random((side, side)) > 0.001] = 500  # most of it known
    values[::7, ::5] += 900
    whole = resample(source, grid(60, 60), values)
    for row, column, rows, columns in ((0, 0, 8, 8), (13, 7, 20, 31), (59, 59, 1, 1)):
        part = resample(source, grid(rows, columns, left=LEFT + 30 * column, top=TOP - 30 * row), values)
        np.testing.assert_array_equal(part, whole[row : row + rows, column : column + columns])


def test_one_finer_contributor_without_data_leaves_none() -> None:
    """All pixels that share ground with the target pixel count, and at the raster's edge some are not there."""
    source = grid(60, 60, left=LEFT + 4, top=TOP - 4, pixel=10.0)
    values = np.full((60, 60), 1000, np.int16)
    values[31, 31] = FILL  # 314 to 324 m from the target's corner: in its eleventh pixel
    found = resample(source, grid(20, 20), values)
    assert found[10, 10] == FILL and set(np.unique(found)) == {FILL, 1000}
    assert (found[0] == FILL).all() and (found[:, 0] == FILL).all() and (found[1:10, 1:10] == 1000).all()


def test_a_raster_in_degrees_is_averaged_by_its_metres() -> None:
    step = 10 / 111_320
    source = RasterGrid("EPSG:4326", (step, 0.0, -96.01, 0.0, -step, 42.0), (900, 900))
    weights = relate(source, grid(10, 10)).smoothing
    assert weights is not None and len(weights.down) == 3 and len(weights.across) == 5


def test_strips_and_bands_do_not_change_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many strips and several bands at once give what whole weights give band by band; the first band has gaps."""
    monkeypatch.setattr(resampler_module, "STRIP_PIXELS", 300)
    place = relate(WEST, grid(40, 50))
    assert len(place.strips) > 3 and not place.native
    windows = [numbers(WEST.shape)[place.window], np.abs(numbers(WEST.shape, 1))[place.window]]
    for source, found in zip(windows, place.reflectance(*windows), strict=True):
        values = np.rint(place.weights @ source.ravel().astype(float)).astype(np.int16)
        values[place.weights @ (source.ravel() == FILL).astype(float) > 0] = FILL
        np.testing.assert_array_equal(found, place._place(np.where(place._beyond_edge, FILL, values), FILL))


def test_pixels_of_one_lattice_are_not_copied() -> None:
    place = relate(grid(30, 40), grid(24, 24))
    window = numbers((30, 40))[place.window]
    assert place.area == (slice(0, 24), slice(0, 24)) and place.codes(window, 0) is window
