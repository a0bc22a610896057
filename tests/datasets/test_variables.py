"""The vocabulary: quality bits and what counts as clear."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mmvsf.datasets.cube.layout import flag_attributes
from mmvsf.datasets.variables import (
    DEFAULT_BANDS,
    DEFAULT_WEATHER,
    QUALITY_FLAGS,
    REFLECTANCE,
    WEATHER,
    Quality,
    Status,
    band_named,
    is_clear,
)

CODES = np.arange(256, dtype=np.uint8)


def test_bits_are_those_of_fmask() -> None:
    assert [int(bit) for bit in Quality] == [2, 4, 8, 16, 32, 192]


def test_clear_is_data_without_cloud_edge_shadow_and_snow() -> None:
    wanted = [code != 255 and not any(code >> bit & 1 for bit in (1, 2, 3, 4)) for code in range(256)]
    assert is_clear(CODES).tolist() == wanted
    hazy = [clear and code >> 6 != 3 for code, clear in enumerate(wanted)]
    assert is_clear(CODES, drop_high_aerosol=True).tolist() == hazy


@given(st.lists(st.integers(0, 255), min_size=1))
def test_clear_has_the_shape_of_the_mask(codes: list[int]) -> None:
    mask = np.array([codes, codes], np.uint8)
    assert is_clear(mask).tolist() == [[bool(is_clear(CODES)[code]) for code in codes]] * 2


def test_flags_say_what_a_mask_holds_by_the_cf_rule() -> None:
    """A flag is set where (code & mask) == value."""
    said = {name for name, mask, value in QUALITY_FLAGS if 0b01100110 & mask == value}
    assert said == {"cloud", "adjacent_to_cloud_or_shadow", "water", "aerosol_low"}
    said = {name for name, mask, value in QUALITY_FLAGS if 0b11011000 & mask == value}
    assert said == {"cloud_shadow", "snow_or_ice", "aerosol_high"}


def test_codes_become_cf_flags() -> None:
    attributes = flag_attributes(Status)
    assert attributes["flag_values"] == [0, 1, 2, 3, 4]
    assert attributes["flag_meanings"] == "outside not_acquired stored skipped_cloudy failed"


def test_bands_and_variables_of_format_version_1() -> None:
    assert list(DEFAULT_BANDS) == ["blue", "green", "red", "nir", "swir1", "swir2"]
    assert {band_named(name).quantity for name in DEFAULT_BANDS} == {REFLECTANCE}
    assert list(DEFAULT_WEATHER) == ["tmin", "tmax", "precipitation", "radiation", "vpd", "wind"]
    assert all(v.valid_min < v.valid_max and v.standard_name and v.cell_method for v in WEATHER)
