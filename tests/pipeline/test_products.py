"""Masks, scale and offset of the products, from their specifications; which scenes count; products of others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import numpy as np
import pytest

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.recipe.region import Imagery
from mmvsf.datasets.variables import DEFAULT_BANDS, is_clear
from mmvsf.pipeline.layers.imagery.convert import to_band
from mmvsf.pipeline.layers.imagery.masks import decode_fmask, decode_qa_pixel, decode_scl
from mmvsf.pipeline.layers.imagery.products import (
    HLS_S30,
    LANDSAT_C2_L2,
    PRODUCTS,
    SENTINEL_2_L2A,
    Product,
    product_named,
    register_product,
)
from mmvsf.pipeline.layers.imagery.table import check_products
from mmvsf.pipeline.sources.stac.item import Item
from mmvsf.pipeline.sources.stac.items import offset_of, version_of

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


def qa_pixel(code: int) -> int:
    """Landsat 8-9 Collection 2 Level 2 Science Product Guide, table of QA_PIXEL, bit by bit, from the right."""
    bits = f"{code:016b}"[::-1]
    if bits[0] == "1" or "1" not in bits:
        return 255
    names = {1: ADJACENT, 2: CLOUD, 3: CLOUD, 4: SHADOW, 5: SNOW, 7: WATER}
    return sum({quality for bit, quality in names.items() if bits[bit] == "1"})


def test_qa_pixel() -> None:
    """All 65,536 values."""
    codes = np.arange(65536, dtype=np.uint16)
    decoded = decode_qa_pixel(codes.reshape(16, 4096))
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded.ravel(), [qa_pixel(code) for code in range(65536)])


QA_PIXEL_VALUES = {
    1: 255, 21824: 0, 21826: ADJACENT, 21888: WATER, 21890: ADJACENT | WATER, 22080: 0, 22144: WATER, 22280: CLOUD,
    23888: SHADOW, 23952: SHADOW | WATER, 24088: SHADOW | CLOUD, 24216: SHADOW | CLOUD | WATER, 24344: SHADOW | CLOUD,
    24472: SHADOW | CLOUD | WATER, 30048: SNOW, 54596: CLOUD, 54852: CLOUD, 55052: CLOUD,
}  # fmt: skip
"""The values that USGS interprets, and what its words say of each; "mid confidence cloud" (22080) is clear."""


def test_the_values_of_qa_pixel_that_usgs_interprets() -> None:
    for value, quality in QA_PIXEL_VALUES.items():
        assert decode_qa_pixel(np.array([value], np.uint16)).tolist() == [quality], value


def test_masks_keep_their_shape() -> None:
    for decode in (decode_fmask, decode_scl):
        assert decode(CODES.reshape(2, 8, 16)).shape == (2, 8, 16)


def test_hls_numbers_are_kept_as_they_are() -> None:
    numbers = np.array([-9999, -500, -1, 0, 1, 10000, 32767], np.int16)
    np.testing.assert_array_equal(to_band(numbers, HLS_S30, "red", 0), numbers)


def test_sentinel_2_numbers_lose_their_offset_and_zero_is_no_data() -> None:
    numbers = np.array([0, 1, 1000, 1500, 65535], np.uint16)
    assert to_band(numbers, SENTINEL_2_L2A, "red", 0).tolist() == [-9999, 1, 1000, 1500, 32767]
    assert to_band(numbers, SENTINEL_2_L2A, "red", -1000).tolist() == [-9999, -999, 0, 500, 32767]


def test_a_value_never_becomes_the_fill_value() -> None:
    every = np.arange(65536, dtype=np.uint16)
    for product in (SENTINEL_2_L2A, LANDSAT_C2_L2, LIKE_SENTINEL_2):
        for offset in (0, -1000, -20000):
            assert np.flatnonzero(to_band(every, product, "red", offset) == -9999).tolist() == [0]


def test_landsat_reflectance_is_exact() -> None:
    """Every stored number, in decimal arithmetic: 18,190 is .30022500, half-way, and goes to the even step."""
    every = np.arange(65536, dtype=np.uint16)
    steps = [
        (Decimal(number) * Decimal("0.0000275") - Decimal("0.2")) / Decimal("0.0001") for number in range(1, 65536)
    ]
    wanted = [-9999, *(int(step.quantize(Decimal(1), ROUND_HALF_EVEN)) for step in steps)]
    found = to_band(every, LANDSAT_C2_L2, "red", 0)
    assert found.dtype == np.int16
    np.testing.assert_array_equal(found, wanted)
    assert found[[1, 7273, 10000, 18181, 43636, 65535]].tolist() == [-2000, 0, 750, 3000, 10000, 16022]


def test_a_product_of_another_scale_with_offsets_by_item() -> None:
    """Reflectance is (n - 1000) x 2e-4."""
    numbers = np.array([0, 1, 1000, 1001, 1500, 60000], np.uint16)
    assert to_band(numbers, LIKE_SENTINEL_2, "red", -1000).tolist() == [-9999, -1998, 0, 2, 1000, 32767]


def imagery(*products: str, bands: tuple[str, ...] = DEFAULT_BANDS) -> Imagery:
    """The section of a recipe."""
    return Imagery(source="archive", path="archive", products=products, bands=bands)


def checked(identity: str, properties: dict[str, Any], assets: dict[str, Any]) -> Item:
    files = {key: {"href": f"{key}.tif", **asset} for key, asset in assets.items()}
    return Item.check({"id": identity, "properties": properties, "assets": files})


def s2_item(properties: dict[str, Any], red: dict[str, Any] | None = None) -> Item:
    return checked("S2A", properties, {"red": red or {}})


BANDS_DECLARE = {"raster:bands": [{"scale": 2e-4, "offset": -0.2}]}
LIKE_SENTINEL_2 = replace(SENTINEL_2_L2A, name="like-sentinel-2", family="other", collections=("like",), scale=2e-4)


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
    assert offset_of(s2_item(properties, red), PRODUCTS["sentinel-2-l2a"]) == offset


@pytest.mark.parametrize("properties", [{}, {"s2:processing_baseline": "new"}])
def test_an_offset_that_nothing_decides_is_refused(properties: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"S2A.*s2:processing_baseline"):
        offset_of(s2_item(properties), PRODUCTS["sentinel-2-l2a"])


def test_hls_has_no_offset() -> None:
    assert offset_of(s2_item({"s2:processing_baseline": "05.09"}), PRODUCTS["hls-s30"]) == 0


def test_a_declared_offset_is_divided_by_the_declared_scale() -> None:
    """And not by the scale of the cube, which would take off twice as much."""
    assert offset_of(s2_item({}, BANDS_DECLARE), LIKE_SENTINEL_2) == -1000
    with_own = replace(LIKE_SENTINEL_2, offset=0.1)  # -0.2 is the whole offset, so -0.3 is the scene's
    assert offset_of(s2_item({}, BANDS_DECLARE), with_own) == -1500


@pytest.mark.parametrize(
    ("product", "declared", "words"),
    [
        (SENTINEL_2_L2A, {"scale": 2e-4, "offset": -0.2}, ("a scale of 0.0002", "sentinel-2-l2a has 0.0001")),
        (HLS_S30, {"scale": 1e-4, "offset": -0.1}, ("an offset of -0.1", "hls-s30 has 0")),
        (LANDSAT_C2_L2, {"scale": 1e-4, "offset": 0}, ("a scale of 0.0001", "landsat-c2-l2 has 2.75e-05")),
        (LANDSAT_C2_L2, {"scale": 2.75e-5, "offset": -0.1}, ("an offset of -0.1", "landsat-c2-l2 has -0.2")),
        (LANDSAT_C2_L2, {"scale": "large"}, ("raster:bands.0.scale", "'large'")),
    ],
)
def test_an_item_that_declares_other_numbers_than_its_product_is_refused(
    product: Product, declared: dict[str, Any], words: tuple[str, ...]
) -> None:
    asset = {"raster:bands": [declared]}
    item = checked("S2A", {}, {product.bands["swir1"].keys[0]: asset})
    with pytest.raises(InputError) as refused:
        offset_of(item, product)
    for word in words:
        assert word in str(refused.value)


def test_bands_of_one_scene_that_declare_different_offsets_are_refused() -> None:
    assets = {key: {"raster:scale": 1e-4, "raster:offset": offset} for key, offset in (("B02", -0.1), ("B03", 0))}
    with pytest.raises(InputError, match=r"different offsets \(-0.1, 0\)"):
        offset_of(checked("S2A", {}, assets), SENTINEL_2_L2A)


def test_landsat_has_the_offset_of_its_product() -> None:
    declared = {"raster:bands": [{"scale": 2.75e-5, "offset": -0.2, "nodata": 0}]}
    for assets in ({}, {band.keys[0]: declared for band in LANDSAT_C2_L2.bands.values() if band.scale is None}):
        assert offset_of(checked("LC08", {}, assets), LANDSAT_C2_L2) == 0


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
    assert version_of(checked(identity, properties, {}), SENTINEL_2_L2A) == version


def test_version_of_a_landsat_scene() -> None:
    """The Planetary Computer leaves out of its ids when a scene was processed; the item is as old as its files."""
    item = checked("LC08_L2SP_028030_20200114_02_T1", {"created": "2022-05-06T17:22:47Z"}, {})
    assert version_of(item, LANDSAT_C2_L2) == "2022-05-06T17:22:47Z"


@pytest.fixture
def registered() -> Iterator[Product]:
    """A product of another package."""
    register_product(LIKE_SENTINEL_2)
    yield LIKE_SENTINEL_2
    del PRODUCTS[LIKE_SENTINEL_2.name]


def test_a_product_of_another_package(registered: Product) -> None:
    assert product_named("like-sentinel-2") is registered
    check_products(imagery("like-sentinel-2"), "my.yaml")
    register_product(registered)  # as on a second import of its module
    with pytest.raises(ValueError, match="there is a product like-sentinel-2 already"):
        register_product(replace(registered, scale=1e-4))
    with pytest.raises(InputError, match=r"my.yaml: imagery.bands: like-sentinel-2 has no haze; it has blue, green"):
        check_products(imagery("like-sentinel-2", bands=("red", "haze")), "my.yaml")


def test_an_unknown_product_is_named_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"takes some of hls-l30, hls-s30, .*landsat-c2-l2; found 'modis'"):
        product_named("modis")


@pytest.mark.parametrize(
    "products", [["hls-s30", "sentinel-2-l2a"], ["hls-l30", "landsat-c2-l2"], ["sentinel-2-l2a", "landsat-c2-l2"]]
)
def test_products_of_different_processing_are_not_mixed(products: list[str]) -> None:
    with pytest.raises(InputError, match=r"my.yaml: imagery.products mixes .*; build one cube of each") as refused:
        check_products(imagery(*products), "my.yaml")
    for name in products:
        assert f"{name} ({PRODUCTS[name].processing})" in str(refused.value)
    check_products(imagery("hls-l30", "hls-s30"), "my.yaml")
