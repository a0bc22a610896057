"""Earth Engine on loopback: the part of its REST interface that the real client needs to list images and get pixels.

    python -m tests.servers.earthengine ARCHIVE --public      prints the environment in which mmvsf talks to it

serves the scenes and labels of an archive folder as the collections of the same products; with --public, made-up
gridMET and Cropland Data Layer of the whole country beside the scenes. Reflectance is float32 and
what is no data is masked, as in Earth Engine; an answer that would be larger than 48 MiB or has more than 1024 bands
is refused, as there. The discovery document and the list of algorithms are those in the client's own wheel.
"""

from __future__ import annotations

import importlib.resources
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.windows import Window

from .base import Request, Response, StandIn

ANSWER_BYTES = 48 * 2**20
MOST_BANDS = 1024
PAGE = 1000

Values = tuple[NDArray[Any], NDArray[np.bool_]]
"""Numbers and mask (True: data) of a window."""


@dataclass(frozen=True)
class Grid:
    crs: str
    transform: tuple[float, ...]
    shape: tuple[int, int]

    def described(self) -> dict[str, Any]:
        names = ("scaleX", "shearX", "translateX", "shearY", "scaleY", "translateY")
        key = "crsCode" if self.crs.startswith("EPSG:") else "crsWkt"
        return {
            key: self.crs,
            "dimensions": {"width": self.shape[1], "height": self.shape[0]},
            # protobuf's JSON leaves out zeros
            "affineTransform": {name: v for name, v in zip(names, self.transform, strict=True) if v},
        }


@dataclass(frozen=True)
class Band:
    grid: Grid
    read: Callable[[slice, slice], Values]


@dataclass
class Image:
    """A stored image. `id` is the asset's, `COLLECTION/NAME`."""

    id: str
    start: datetime
    bands: dict[str, Band]
    properties: dict[str, Any] = field(default_factory=dict)
    geometry: dict[str, Any] | None = None
    """GeoJSON; None: everywhere"""

    @property
    def name(self) -> str:
        return self.id.rpartition("/")[2]

    def described(self) -> dict[str, Any]:
        return {
            "type": "IMAGE",
            "name": f"projects/earthengine-public/assets/{self.id}",
            "id": self.id,
            "startTime": f"{self.start:%Y-%m-%dT%H:%M:%SZ}",
            "properties": self.properties,
            "bands": [{"id": name, "grid": band.grid.described()} for name, band in self.bands.items()],
            **({"geometry": self.geometry} if self.geometry else {}),
        }


def array_band(values: NDArray[Any], grid: Grid, mask: NDArray[np.bool_] | None = None) -> Band:
    """A band held in memory; `mask` is True where there is data."""
    known = np.ones(values.shape, bool) if mask is None else mask
    return Band(grid, lambda rows, columns: (values[rows, columns], known[rows, columns]))


def file_band(path: Path, grid: Grid | None = None, scale: float | None = None, nodata: int | None = None) -> Band:
    """Band 1 of a raster file, as float32 times a scale if one is given; `nodata` is masked. The grid is that of the
    file, which need not be opened to tell if it is given."""
    if grid is None:
        with rasterio.open(path) as file:
            grid = Grid(file.crs.to_string(), tuple(file.transform)[:6], file.shape)

    def read(rows: slice, columns: slice) -> Values:
        with rasterio.open(path) as file:
            window = Window(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
            values = file.read(1, window=window)
        known = values != nodata if nodata is not None else np.ones(values.shape, bool)
        return (values if scale is None else (values * scale).astype(np.float32)), known

    return Band(grid, read)


class EarthEngine(StandIn):
    """The stand-in. `images` may be added to at any time; `multiply` spoils the scale of all reflectance."""

    def __init__(self, images: list[Image] | None = None, port: int = 0) -> None:
        self.images = list(images or ())
        document = json.loads(_shipped("cloud_api_discovery_document.json").replace("v1alpha", "v1"))
        # The shipped document is an old one; the listing has more parameters by now.
        projects = document["resources"]["projects"]
        for method in (projects["methods"]["listAssets"], projects["resources"]["assets"]["methods"]["listAssets"]):
            for name, kind in (("filter", "string"), ("pageSize", "integer"), ("pageToken", "string")):
                method["parameters"].setdefault(name, {"location": "query", "type": kind, "description": ""})
        self._discovery = json.dumps(document).encode()
        self._algorithms = _shipped("algorithms.json").encode()
        super().__init__(port)

    def environment(self) -> dict[str, str]:
        return {"MMVSF_EARTHENGINE_URL": self.url, "EARTHENGINE_PROJECT": "trial"}

    def asked(self, pattern: str) -> list[Request]:
        """The requests whose target holds a pattern, in order."""
        return [request for request in self.requests if re.search(pattern, request.target)]

    def answer(self, request: Request) -> Response:
        if request.path == "/$discovery/rest":
            return Response(200, self._discovery, "application/json")
        if request.path.endswith("/algorithms"):
            return Response(200, self._algorithms, "application/json")
        try:
            if request.path.endswith("/image:computePixels"):
                return self._pixels(request.json())
            if found := re.fullmatch(
                r"/v1/projects/earthengine-(?:public|legacy)/assets/(.+):listAssets", request.path
            ):
                return self._listing(found.group(1), request.query)
        except ValueError as error:
            return refusal(400, str(error), "INVALID_ARGUMENT")
        return refusal(404, f"{request.path} not found (does not exist or caller does not have access).", "NOT_FOUND")

    def _listing(self, collection: str, query: dict[str, str]) -> Response:
        wanted = query.get("filter", "")
        first = re.search(r'startTime >= "([^"]+)"', wanted)
        after = re.search(r'endTime < "([^"]+)"', wanted)
        region = re.search(r'intersects\("(.+?)"\)', wanted)
        ground = shapely.from_geojson(region.group(1).replace("'", '"')) if region else None
        found = [
            image
            for image in self.images
            if image.id.rpartition("/")[0] == collection
            and (not first or image.start >= datetime.fromisoformat(first.group(1)))
            and (not after or image.start < datetime.fromisoformat(after.group(1)))
            and (ground is None or not image.geometry or ground.intersects(shapely.geometry.shape(image.geometry)))
        ]
        start, size = int(query.get("pageToken", 0)), int(query.get("pageSize", PAGE))
        answer: dict[str, Any] = {"assets": [image.described() for image in found[start : start + size]]}
        if start + size < len(found):
            answer["nextPageToken"] = str(start + size)
        return Response.of_json(answer)

    def _pixels(self, body: dict[str, Any]) -> Response:
        bands = _Evaluation(self.images, body["expression"]).result()
        size, transform = body["grid"]["dimensions"], body["grid"]["affineTransform"]
        height, width = size["height"], size["width"]
        if not bands or len(bands) > MOST_BANDS:
            raise ValueError(f"Image has {len(bands)} bands; it must have between 1 and {MOST_BANDS}.")
        parts = {}
        for name, band in bands.items():
            grid = band.grid
            same = body["grid"].get("crsCode", body["grid"].get("crsWkt")) == grid.crs
            if not same or transform["scaleX"] != grid.transform[0] or transform["scaleY"] != grid.transform[4]:
                raise ValueError("stand-in: it serves native pixels only")
            column = (transform.get("translateX", 0) - grid.transform[2]) / grid.transform[0]
            row = (transform.get("translateY", 0) - grid.transform[5]) / grid.transform[4]
            if abs(column - round(column)) > 1e-6 or abs(row - round(row)) > 1e-6:
                raise ValueError("stand-in: it serves native pixels only")
            rows = slice(round(row), round(row) + height)
            columns = slice(round(column), round(column) + width)
            values, known = band.read(rows, columns)
            # There is no mask on the wire: what is masked comes as 0.
            parts[name] = np.where(known, values, 0)
        answer = np.empty((height, width), [(name, values.dtype) for name, values in parts.items()])
        if answer.nbytes > ANSWER_BYTES:
            raise ValueError(
                f"Total request size ({answer.nbytes} bytes) must be less than or equal to 50331648 bytes."
            )
        for name, values in parts.items():
            answer[name] = values
        file = io.BytesIO()
        np.save(file, answer)
        return Response(200, file.getvalue(), "application/octet-stream")


def refusal(code: int, message: str, kind: str = "UNKNOWN") -> Response:
    """An error as Earth Engine words it."""
    return Response.of_json({"error": {"code": code, "message": message, "status": kind}}, code)


class _Evaluation:
    """An expression graph, worked out over stored images."""

    def __init__(self, images: list[Image], expression: dict[str, Any]) -> None:
        self._images = images
        self._expression = expression

    def result(self) -> dict[str, Band]:
        found = self._node({"valueReference": self._expression["result"]}, {})
        if isinstance(found, Image):
            found = found.bands
        if not isinstance(found, dict):
            raise ValueError("stand-in: the expression is no image")
        return found

    def _node(self, node: dict[str, Any], names: dict[str, Any]) -> Any:
        ((kind, content),) = node.items()
        if kind == "constantValue":
            return content
        if kind == "valueReference":
            return self._node(self._expression["values"][content], names)
        if kind == "argumentReference":
            return names[content]
        if kind == "arrayValue":
            return [self._node(entry, names) for entry in content["values"]]
        if kind == "functionDefinitionValue":
            (argument,) = content["argumentNames"]
            return lambda value: self._node({"valueReference": content["body"]}, {**names, argument: value})
        if kind == "functionInvocationValue":
            arguments = {key: self._node(entry, names) for key, entry in content["arguments"].items()}
            return self._function(content["functionName"], arguments)
        raise ValueError(f"stand-in: {kind} is not understood")

    def _function(self, name: str, of: dict[str, Any]) -> Any:  # noqa: C901, one branch per function of the service
        if name == "Image.load":
            image = next((image for image in self._images if image.id == of["id"]), None)
            if image is None:
                raise ValueError(f"Image.load: Image asset '{of['id']}' not found (does not exist or no access).")
            return image
        if name == "Image.constant":
            return of["value"]
        if name == "Image.select":
            bands = _bands(of["input"])
            wanted = of["bandSelectors"]
            if lacking := [band for band in wanted if band not in bands]:
                raise ValueError(f"Image.select: Band pattern '{lacking[0]}' did not match any bands.")
            chosen = {band: bands[band] for band in wanted}
            return _like(of["input"], chosen)
        if name == "Image.addBands":
            return {**_bands(of["dstImg"]), **_bands(of["srcImg"])}
        if name == "Image.unmask":
            return {key: _unmasked(band, of["value"]) for key, band in _bands(of["input"]).items()}
        if name == "Image.lt":
            return {key: _below(band, of["image2"]) for key, band in _bands(of["image1"]).items()}
        if name == "Image.where":
            (test,) = _bands(of["test"]).values()
            return {key: _where(band, test, of["value"]) for key, band in _bands(of["input"]).items()}
        if name == "ImageCollection.load":
            return [image for image in self._images if image.id.rpartition("/")[0] == of["id"]]
        if name == "DateRange":
            return tuple(datetime.fromisoformat(of[key]).replace(tzinfo=UTC) for key in ("start", "end"))
        if name == "Filter.dateRangeContains":
            first, after = of["leftValue"]
            return lambda image: first <= image.start < after
        if name == "Collection.filter":
            return [image for image in of["collection"] if of["filter"](image)]
        if name == "Collection.map":
            return [of["baseAlgorithm"](image) for image in of["collection"]]
        if name == "ImageCollection.toBands":
            return {f"{image.name}_{key}": band for image in of["collection"] for key, band in image.bands.items()}
        raise ValueError(f"stand-in: {name} is not understood")


def _bands(image: Image | dict[str, Band]) -> dict[str, Band]:
    return image.bands if isinstance(image, Image) else image


def _like(image: Image | dict[str, Band], bands: dict[str, Band]) -> Image | dict[str, Band]:
    return Image(image.id, image.start, bands) if isinstance(image, Image) else bands


def _unmasked(band: Band, value: Any) -> Band:
    def read(rows: slice, columns: slice) -> Values:
        values, known = band.read(rows, columns)
        kind = values.dtype if values.dtype.kind == "f" or value >= 0 else np.promote_types(values.dtype, np.int16)
        return np.where(known, values, np.asarray(value, kind)).astype(kind), np.ones_like(known)

    return Band(band.grid, read)


def _below(band: Band, value: float) -> Band:
    def read(rows: slice, columns: slice) -> Values:
        values, known = band.read(rows, columns)
        return values < value, known

    return Band(band.grid, read)


def _where(band: Band, test: Band, value: float) -> Band:
    """The value where the test holds; the mask stays the band's own."""
    if test.grid != band.grid:
        raise ValueError("stand-in: it serves native pixels only")

    def read(rows: slice, columns: slice) -> Values:
        values, known = band.read(rows, columns)
        holds, certain = test.read(rows, columns)
        return np.where(holds & certain, np.asarray(value, values.dtype), values), known

    return Band(band.grid, read)


def _shipped(name: str) -> str:
    return (importlib.resources.files("ee") / "tests" / name).read_text(encoding="utf-8")


COLLECTIONS = {"hls2-l30": "NASA/HLS/HLSL30/v002", "hls2-s30": "NASA/HLS/HLSS30/v002"}


def archive_images(root: Path) -> list[Image]:
    """The HLS scenes and yearly labels of an archive folder as Earth Engine holds them."""
    images = []
    for item in json.loads((root / "items.json").read_text(encoding="utf-8"))["features"]:
        if item["collection"] not in COLLECTIONS:
            continue
        _, _, tile, moment, *_ = item["id"].split(".")
        start = datetime.strptime(moment, "%Y%jT%H%M%S").replace(tzinfo=UTC)
        bands = {}
        for key, asset in item["assets"].items():
            described = {**item["properties"], **asset}
            code = described.get("proj:code") or f"EPSG:{described['proj:epsg']}"
            grid = Grid(code, tuple(described["proj:transform"][:6]), tuple(described["proj:shape"]))
            mask = key == "Fmask"
            band = file_band(root / asset["href"], grid, *((None, 255) if mask else (1e-4, -9999)))
            bands[key if mask else re.sub("^B0", "B", key)] = band
        name = f"{COLLECTIONS[item['collection']]}/{tile}_{start:%Y%m%dT%H%M%S}"
        images.append(Image(name, start, bands, {}, item["geometry"]))
    for path in sorted(root.glob("labels/*_[0-9][0-9][0-9][0-9].tif")):
        year = int(path.stem[-4:])
        images.append(Image(f"USDA/NASS/CDL/{year}", datetime(year, 1, 1, tzinfo=UTC), {"cropland": file_band(path)}))
    return images


if __name__ == "__main__":
    # Not from here: as __main__ this module is another one than the module that others import.
    from .earthengine_public import serve

    serve()
