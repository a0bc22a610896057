"""Splits do not leak: held out is whole units with a buffer, and whole years."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
from mmvsf.datasets.cube.splits import place_split, year_split
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.load import parse_region
from mmvsf.datasets.recipe.region import Region
from mmvsf.datasets.variables import Split

NONE, TRAIN, VALIDATION, TEST = Split.NONE, Split.TRAIN, Split.VALIDATION, Split.TEST


def region(places: dict[str, Any] | None = None, years: dict[str, Any] | None = None, **more: Any) -> Region:
    return parse_region(
        {
            "name": "x",
            "title": "x",
            "area": {"bbox": [-94, 42, -93, 43]},
            "grid": {"crs": "EPSG:32615", "block": 32, "chunk": 16},
            "period": {"start": "2018-04-01", "end": "2022-10-31"},
            "imagery": {"source": "archive", "path": "x", "products": ["hls-l30"]},
            "weather": {"source": "archive", "path": "x"},
            "split": {"places": places or {}, "years": years or {}},
        }
        | more,
        "x",
    )


def grid(mask: NDArray[np.bool_]) -> Grid:
    """Blocks of 2 x 2 chunks where the mask is true."""
    blocks = tuple((int(y), int(x)) for y, x in np.argwhere(mask))
    return Grid("EPSG:32615", 30.0, 0.0, 0.0, *mask.shape, 32, 16, 32, blocks)


def chunks(mask: NDArray[Any]) -> NDArray[Any]:
    return mask.repeat(2, 0).repeat(2, 1)


masks = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).random((7, 8)) < 0.55)
shares = st.sampled_from([0.1, 0.2, 0.35])


def split_of(mask: NDArray[np.bool_], **places: Any) -> NDArray[np.uint8]:
    """The split, or nothing where the recipe leaves no place to train on."""
    try:
        return place_split(region(places), grid(mask))
    except InputError:
        return np.zeros((0, 0), np.uint8)


@settings(deadline=None)
@given(masks, shares, shares, st.sampled_from(["cluster", "block", "chunk"]), st.integers(0, 2), st.integers(0, 9))
def test_units_are_held_out_whole_and_far_enough(
    mask: NDArray[np.bool_], test: float, validation: float, unit: str, buffer: int, seed: int
) -> None:
    split = split_of(mask, test_share=test, validation_share=validation, unit=unit, buffer=buffer, seed=seed)
    if not split.size:
        return
    inside = chunks(mask)
    assert split.shape == inside.shape and (split[~inside] == NONE).all()
    assert (split == TRAIN).any() and (split == TEST).any()
    if unit != "chunk":  # no block is divided
        blocks = split.reshape(7, 2, 8, 2)
        assert (blocks == blocks[:, :1, :, :1]).all()
    if unit == "cluster":
        labels, _ = ndimage.label(inside, structure=np.ones((3, 3)))
        for label in range(1, labels.max() + 1):
            assert len(np.unique(split[labels == label])) == 1
    if unit != "cluster":
        reach = buffer * (1 if unit == "chunk" else 2)
        for held_out, others in ((TEST, (TRAIN, VALIDATION)), (VALIDATION, (TRAIN,))):
            for row, column in np.argwhere(split == held_out):
                near = split[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
                assert not np.isin(near, others).any()


@settings(deadline=None)
@given(masks, shares, st.integers(0, 9))
def test_without_a_buffer_nothing_is_lost(mask: NDArray[np.bool_], share: float, seed: int) -> None:
    split = split_of(mask, test_share=share, unit="block", seed=seed)
    if split.size:
        assert ((split != NONE) == chunks(mask)).all()
        assert (split == TEST).sum() == 4 * max(1, round(share * mask.sum()))


def test_a_draw_depends_on_its_seed_alone() -> None:
    mask = np.ones((7, 8), bool)
    draws = [split_of(mask, test_share=0.2, unit="block", seed=seed) for seed in (1, 1, 2)]
    assert (draws[0] == draws[1]).all() and (draws[0] != draws[2]).any()


@settings(deadline=None)
@given(shares, shares, st.integers(0, 2), st.sampled_from(["chunk", "block"]))
def test_strips_run_from_west_to_east(test: float, validation: float, buffer: int, unit: str) -> None:
    split = split_of(np.ones((3, 8), bool), test_share=test, validation_share=validation, unit=unit,
                     layout="strips", buffer=buffer)  # fmt: skip
    if not split.size:
        return
    assert (split == split[:1]).all()
    row = split[0].tolist()
    side = 1 if unit == "chunk" else 2
    parts = [part for i, part in enumerate(row) if i == 0 or row[i - 1] != part]
    wanted = [TEST, NONE, VALIDATION, NONE, TRAIN] if buffer else [TEST, VALIDATION, TRAIN]
    assert parts == wanted
    assert row.count(NONE) == 2 * buffer * side
    assert all(row.count(part) % side == 0 for part in (TEST, VALIDATION, TRAIN))


SITES = [{"name": n, "lon": lon, "lat": 42.0} for n, lon in (("a", -94.0), ("b", -93.9), ("c", -93.8), ("d", -93.7))]


def named(places: dict[str, Any], sites: list[dict[str, Any]] = SITES) -> tuple[Grid, NDArray[np.uint8]]:
    recipe = region(places, area={"sites": sites})
    found = grid_from_recipe(recipe, Path("x"), Path("x"))
    return found, place_split(recipe, found)


def split_name(found: Grid, split: NDArray[np.uint8], lon: float) -> set[int]:
    by, bx = found.block_of_point(lon, 42.0)
    return set(split[2 * by : 2 * by + 2, 2 * bx : 2 * bx + 2].ravel().tolist())


def test_named_sites() -> None:
    found, split = named({"test": ["b"], "validation": ["d"]})
    parts = [split_name(found, split, site["lon"]) for site in SITES]
    assert parts == [{TRAIN}, {TEST}, {TRAIN}, {VALIDATION}]
    assert ((split != NONE) == chunks(found.block_mask())).all()


def test_a_buffer_around_named_sites() -> None:
    """A block is 960 m: two sites 1 km apart are neighbours."""
    close = [{"name": n, "lon": -94.0 + 0.0116 * i, "lat": 42.0} for i, n in enumerate("abcd")]
    found, split = named({"test": ["a"], "buffer": 1}, close)
    assert len(found.blocks) == 4
    parts = [split_name(found, split, site["lon"]) for site in close]
    assert parts == [{TEST}, {NONE}, {TRAIN}, {TRAIN}]


def test_a_site_in_the_block_of_a_test_site_is_tested_too() -> None:
    sites = [*SITES, {"name": "e", "lon": SITES[0]["lon"] + 1e-4, "lat": 42.0}]
    found, split = named({"test": ["e"], "validation": ["a", "b"]}, sites)
    assert split_name(found, split, SITES[0]["lon"]) == {TEST}


def test_a_split_that_the_recipe_asks_for_has_a_place() -> None:
    """Where the buffer or another site takes all of it, that is refused before the work."""
    sites = [*SITES, {"name": "e", "lon": SITES[0]["lon"] + 1e-4, "lat": 42.0}]
    with pytest.raises(InputError, match="no place for validation"):
        named({"test": ["e"], "validation": ["a"]}, sites)
    with pytest.raises(InputError, match="leaves no place"):
        place_split(
            region({"test_share": 0.2, "validation_share": 0.2, "unit": "block", "buffer": 9}),
            grid(np.ones((4, 4), bool)),
        )


def test_the_sample_of_a_whole_area_keeps_its_parts() -> None:
    """`area.blocks: all`: what was held out stays so, with a ring of blocks around it that nobody trains on."""
    area: dict[str, Any] = {"bbox": [-94, 42, -93.8, 42.1], "sample": {"clusters": 6, "size": 2, "seed": 1}}
    places = {"test_share": 0.3, "validation_share": 0.2}
    splits = []
    for blocks in (None, "all"):
        recipe = region(places, area={**area, "blocks": blocks})
        found = grid_from_recipe(recipe, Path("x"), Path("x"))
        splits.append((found, place_split(recipe, found)))
    (sampled, part), (whole, all_parts) = splits
    inside = chunks(sampled.block_mask())
    np.testing.assert_array_equal(all_parts[inside], part[inside])
    assert set(all_parts[~inside & chunks(whole.block_mask())]) == {NONE, TRAIN}
    held_out = np.isin(all_parts, (TEST, VALIDATION))
    assert (held_out & ~inside).sum() == 0
    around = ndimage.maximum_filter(held_out, size=5) & ~held_out  # a block has two chunks a side
    assert (all_parts[around] == NONE).all() and (all_parts == TRAIN).sum() > (part == TRAIN).sum()


def test_all_sites_held_out() -> None:
    with pytest.raises(InputError, match="no place to train on"):
        named({"test": ["a", "b"], "validation": ["c", "d"]})


@pytest.mark.parametrize("unit", ["cluster", "block"])
def test_shares_that_leave_nothing(unit: str) -> None:
    with pytest.raises(InputError, match=r"split\.places.*nothing to train"):
        place_split(region({"test_share": 0.2, "unit": unit}), grid(np.ones((1, 1), bool)))


def test_a_buffer_that_swallows_the_rest() -> None:
    with pytest.raises(InputError, match="no place to train on"):
        place_split(region({"test_share": 0.3, "unit": "block", "buffer": 5}), grid(np.ones((3, 3), bool)))


def test_years() -> None:
    split = year_split(region(years={"test": [2022, 2019], "validation": [2020]}))
    assert split.tolist() == [TRAIN, TEST, VALIDATION, TRAIN, TEST]


def test_nothing_held_out() -> None:
    assert set(place_split(region(), grid(np.ones((2, 2), bool))).ravel()) == {TRAIN}
    assert set(year_split(region())) == {TRAIN}
