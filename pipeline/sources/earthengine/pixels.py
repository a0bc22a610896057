"""Listings of Earth Engine's images, and their pixels in pieces of an allowed size."""

import io
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmvsf.datasets.errors import InputError
from mmvsf.pipeline.raster.byte_cache import ByteCache
from mmvsf.pipeline.raster.crs import is_crs
from mmvsf.pipeline.raster.io import ReadError
from mmvsf.pipeline.raster.scene import RasterGrid
from mmvsf.pipeline.sources.stac.item import Projection, shortened

from .client import call

REQUEST_BYTES = 45_000_000
"""Uncompressed bytes of one answer; Earth Engine refuses more than 48 MiB."""
BYTES_OF_A_NUMBER = 8
"""What a number may take in an answer: unmasking may make a double of it."""
HEADER_BYTES = 2**20
"""What the names and types of a thousand bands may take."""
PAGE = 500
"""Images a page of a listing."""
MOST_IMAGES = 2_000_000
"""Of one listing; more are taken for pages without end."""
SCHEME = "earthengine:"
"""Begins the hrefs of assets that lie in Earth Engine: `earthengine:IMAGE#BAND`."""
KEPT_BYTES = 128 * 2**20
"""Windows kept for the bands that are read next; a day of the largest group of blocks takes half of it."""


def list_images(
    collection: str,
    first: date | None,
    after: date | None,
    region: dict[str, Any] | None = None,
    at_most: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Earth Engine's records of a collection's images from the day `first` on and before `after` (None: no limit), in
    pages.

    `region` is a GeoJSON geometry that they meet. A few images of the neighbouring days may be among them. Raises
    as `call`.
    """
    query: dict[str, Any] = {"parent": collection, "pageSize": min(at_most or PAGE, PAGE)}
    if first is not None:
        query["startTime"] = f"{first - timedelta(days=1)}T00:00:00Z"
    if after is not None:
        query["endTime"] = f"{after + timedelta(days=1)}T00:00:00Z"
    if region is not None:
        query["region"] = region
    what, count = f"the images of {collection}", 0
    seen: set[str] = set()
    while True:
        page = call(what, lambda ee: _page(ee, query))
        yield from page.get("images", ())
        token, count = page.get("nextPageToken"), count + len(page.get("images", ()))
        if not token or at_most is not None:
            return
        if str(token) in seen or count > MOST_IMAGES:
            raise ReadError(f"{what}: Earth Engine returns pages without end, {count} images so far; run again later")
        seen.add(str(token))
        query["pageToken"] = token


def _page(ee: Any, query: dict[str, Any]) -> dict[str, Any]:
    """A page of a listing. Raises ValueError for an answer that is none."""
    try:
        page = ee.data.listImages(dict(query))  # a copy, since the client empties the query it is given
    except (AttributeError, TypeError, KeyError) as error:
        raise ValueError("the response is not a list of images") from error
    if not isinstance(page, dict) or not isinstance(page.get("images", []), list):
        raise ValueError("the response is not a list of images")
    return page


def grid_of_band(image: dict[str, Any], band: str) -> RasterGrid:
    """The grid that a listing gives for a band. Raises InputError if it gives none, one that is not north-up, or one in
    no CRS of places on the earth."""
    try:
        grid = next(entry for entry in image["bands"] if entry["id"] == band)["grid"]
        numbers, size = grid["affineTransform"], grid["dimensions"]
        names = ("scaleX", "shearX", "translateX", "shearY", "scaleY", "translateY")
        declared = Projection.check(
            {
                "proj:code": grid.get("crsCode"),
                "proj:wkt2": grid.get("crsWkt"),
                "proj:transform": [numbers.get(name, 0) for name in names],
                "proj:shape": [size["height"], size["width"]],
            }
        )
    except (StopIteration, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{asset_id(image)}: Earth Engine returns no grid for the band {band}") from error
    except InputError as error:
        raise InputError(f"{asset_id(image)}: the band {band}: {error}") from None
    if declared.transform is None or declared.shape is None or not is_crs(declared.crs):
        raise InputError(f"{asset_id(image)}: the band {band} is in an unknown CRS ({declared.crs[:80]})")
    a, b, c, d, e, f = declared.transform
    return RasterGrid(declared.crs, (a, b, c, d, e, f), declared.shape)


def asset_id(image: Any) -> str:
    """The id of an image of a listing. Raises InputError for a record that is none."""
    names = [image.get("id"), image.get("name")] if isinstance(image, dict) else []
    name = next((name for name in names if isinstance(name, str) and name), None)
    if name is None:
        raise InputError(f"it is not an image with an id; found {shortened(image)}")
    return name.removeprefix("projects/earthengine-public/assets/")


def fetch_pixels(
    what: str, build: Callable[[Any], Any], bands: int, grid: RasterGrid, window: tuple[slice, slice]
) -> dict[str, NDArray[Any]]:
    """Every band of the image that `build(ee)` describes, in a window of a grid: name -> (rows, columns).

    `bands` is the most bands that the image may have. Nothing is resampled where the grid is the image's own. Masked
    pixels must have been given a value, since an answer has no mask. Raises as `call`.
    """
    rows, columns = window
    at_once = max(1, REQUEST_BYTES // (BYTES_OF_A_NUMBER * bands * (columns.stop - columns.start)))
    parts = []
    for start in range(rows.start, rows.stop, at_once):
        piece = _request(grid, slice(start, min(start + at_once, rows.stop)), columns)
        parts.append(call(what, partial(_compute, build, piece)))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0].dtype.names}


def _request(grid: RasterGrid, rows: slice, columns: slice) -> dict[str, Any]:
    a, _, c, _, e, f = grid.transform
    return {
        "fileFormat": "NPY",
        "grid": {
            "dimensions": {"width": columns.stop - columns.start, "height": rows.stop - rows.start},
            "affineTransform": {
                "scaleX": a,
                "shearX": 0,
                "translateX": c + a * columns.start,
                "shearY": 0,
                "scaleY": e,
                "translateY": f + e * rows.start,
            },
            ("crsCode" if grid.crs.startswith("EPSG:") else "crsWkt"): grid.crs,
        },
    }


def _compute(build: Callable[[Any], Any], request: dict[str, Any], ee: Any) -> Any:
    # Decoded here: the client's own decoder refuses the header of an array of more than some 150 bands.
    content = ee.data.computePixels({"expression": build(ee), **request})
    answer = np.load(io.BytesIO(content), allow_pickle=False, max_header_size=HEADER_BYTES)
    size = request["grid"]["dimensions"]
    if answer.shape != (size["height"], size["width"]) or answer.dtype.names is None:
        raise ValueError(f"requested {size['height']} x {size['width']} pixels, the answer is {answer.shape}")
    return answer


def _size(bands: dict[str, NDArray[Any]]) -> int:
    return sum(values.nbytes for values in bands.values())


kept = ByteCache[dict[str, NDArray[Any]]](KEPT_BYTES, _size)
"""The windows fetched last, for all threads of a process."""
