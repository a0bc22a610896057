"""Masks, scale and offset of the products, from their specifications."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.variables import is_clear
from mmvsf.pipeline.layers.imagery.products import PRODUCTS, decode_fmask, decode_scl, to_reflectance
from mmvsf.pipeline.sources.stac.items import _offset, _version

CODES = np.arange(256, dtype=np.uint8)
CLOUD, ADJACENT, SHADOW, SNOW, WATER = 2, 4, 8, 16, 32


def fmask(code: int) -> set[str]:
    """HLS v2 user guide, table 9: what a code says, bit by bit; 255 is fill and nothing else."""
    if code == 255:
        return {"fill"}
    names = {1: "cloud", 2: "adjacent", 3: "shadow", 4: "snow", 5: "water"}
    said = {name for bit, name in names.items() if code >> bit & 1}
    return said | {f"aerosol {code >> 6}"}


def test_fmask() -> None:
    """All 256 codes."""
    decoded = decode_fmask(CODES)
    clear, without_haze = is_clear(decoded), is_clear(decoded, drop_high_aerosol=True)
    for code in range(256):
        bits = fmask(code)
        expected = not bits & {"fill", "cloud", "adjacent", "shadow", "snow"}
        assert fmask(int(decoded[code])) == bits, code
        assert clear[code] == expected, code
        assert without_haze[code] == (expected and "aerosol 3" not in bits), code


def test_every_code_without_a_cloud_bit_and_no_other_is_clear() -> None:
    assert is_clear(decode_fmask(CODES)).sum() == 16  # four aerosol levels, water or not, bit 0 or not


SCL = {0: 255, 1: 255, 2: 0, 3: SHADOW, 4: 0, 5: 0, 6: WATER, 7: 0, 8: CLOUD, 9: CLOUD, 10: CLOUD, 11: SNOW}


def test_scl() -> None:
    """All 256 codes: one that does not exist is no data, never clear."""
    decoded = decode_scl(CODES)
    assert decoded.dtype == np.uint8
    assert decoded.tolist() == [SCL.get(code, 255) for code in range(256)]


def test_masks_keep_their_shape() -> None:
    for decode in (decode_fmask, decode_scl):
        assert decode(CODES.reshape(2, 8, 16)).shape == (2, 8, 16)


def test_hls_numbers_are_kept_as_they_are() -> None:
    numbers = np.array([-9999, -500, -1, 0, 1, 10000, 32767], np.int16)
    np.testing.assert_array_equal(to_reflectance(numbers, -9999, 0), numbers)


def test_sentinel_2_numbers_lose_their_offset_and_zero_is_no_data() -> None:
    numbers = np.array([0, 1, 1000, 1500, 65535], np.uint16)
    assert to_reflectance(numbers, 0, 0).tolist() == [-9999, 1, 1000, 1500, 32767]
    assert to_reflectance(numbers, 0, -1000).tolist() == [-9999, -999, 0, 500, 32767]


def test_a_value_never_becomes_the_fill_value() -> None:
    every = np.arange(65536, dtype=np.uint16)
    for offset in (0, -1000, -20000):
        assert np.flatnonzero(to_reflectance(every, 0, offset) == -9999).tolist() == [0]


def s2_item(properties: dict[str, Any], red: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"id": "S2A", "properties": properties, "assets": {"red": red or {}}}


@pytest.mark.parametrize(
    ("properties", "red", "offset"),
    [
        ({"s2:processing_baseline": "02.14"}, None, 0),
        ({"s2:processing_baseline": "03.01"}, None, 0),
        ({"s2:processing_baseline": "04.00"}, None, -1000),
        ({"s2:processing_baseline": "05.11"}, None, -1000),
        ({"processing:version": "05.10"}, None, -1000),
        # what the asset declares is worth more than the baseline
        ({"s2:processing_baseline": "05.09"}, {"raster:bands": [{"scale": 0.0001, "offset": 0}]}, 0),
        ({"s2:processing_baseline": "05.09"}, {"raster:bands": [{"scale": 0.0001, "offset": -0.1}]}, -1000),
        ({}, {"raster:bands": [{"scale": 0.0001, "offset": -0.1}]}, -1000),
        ({}, {"bands": [{"raster:scale": 0.0001, "raster:offset": -0.1}]}, -1000),
        ({}, {"raster:scale": 0.0001, "raster:offset": -0.1}, -1000),
        # an archive that has removed it already says so
        ({"s2:processing_baseline": "05.09", "earthsearch:boa_offset_applied": True}, None, 0),
        ({"s2:processing_baseline": "05.09", "earthsearch:boa_offset_applied": False}, None, -1000),
        (
            {"s2:processing_baseline": "04.00", "earthsearch:boa_offset_applied": True},
            {"raster:bands": [{"scale": 0.0001, "offset": -0.1}]},
            0,
        ),
    ],
)
def test_offset_of_sentinel_2(properties: dict[str, Any], red: dict[str, Any] | None, offset: int) -> None:
    assert _offset(s2_item(properties, red), PRODUCTS["sentinel-2-l2a"]) == offset


@pytest.mark.parametrize("properties", [{}, {"s2:processing_baseline": "new"}])
def test_an_offset_that_nothing_decides_is_refused(properties: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"S2A.*s2:processing_baseline"):
        _offset(s2_item(properties), PRODUCTS["sentinel-2-l2a"])


def test_hls_has_no_offset() -> None:
    assert _offset(s2_item({"s2:processing_baseline": "05.09"}), PRODUCTS["hls-s30"]) == 0


@pytest.mark.parametrize(
    ("identity", "properties", "version"),
    [
        ("HLS.S30.T15TVG.2022152T170100.v2.0", {}, "v2.0"),
        ("HLS.S30.T15TVG.2022152T170100.v2.0", {"hls:version": "2.1"}, "2.1"),
        ("S2A_T15TVG", {"s2:processing_baseline": "05.10"}, "05.10"),
        ("S2A_T15TVG", {"updated": "2024-01-01T00:00:00Z"}, "2024-01-01T00:00:00Z"),
        ("S2A_T15TVG", {}, ""),
    ],
)
def test_version_of_a_scene(identity: str, properties: dict[str, Any], version: str) -> None:
    assert _version({"id": identity, "properties": properties}) == version
