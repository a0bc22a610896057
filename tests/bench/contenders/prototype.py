"""rasterio and tensorstore, the shortest way: windows of 768 pixels and 32 days in worker processes. `decode` reads the
same windows and writes nothing. Only for a region on the grid of its scenes; where two scenes of a day are there it
takes the clear one."""

import json
import sys
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import tensorstore
from rasterio.windows import Window

BANDS = ("blue", "green", "red", "nir", "swir1", "swir2")
SIDE, SHARD, CHUNK = 768, 256, 64


def number(item: dict[str, Any]) -> int:
    return (date.fromisoformat(item["properties"]["datetime"][:10]) - date(1970, 1, 1)).days


def array(job: dict[str, Any], name: str, dtype: str, shape: tuple[int, ...]) -> Any:
    middle = (6,) if len(shape) == 4 else ()
    shuffle = {"cname": "zstd", "clevel": 3, "shuffle": "shuffle", "typesize": np.dtype(dtype).itemsize}
    codecs = [{"name": "bytes"}, {"name": "blosc", "configuration": shuffle}]
    sharding = {"chunk_shape": [8, *middle, CHUNK, CHUNK], "codecs": codecs}
    metadata = {
        "shape": shape,
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [32, *middle, SHARD, SHARD]}},
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        "fill_value": 255 if dtype == "uint8" else -9999,
    }
    place = {"driver": "file", "path": f"{job['out']}/{name}"}
    return tensorstore.open(
        {"driver": "zarr3", "kvstore": place, "metadata": metadata, "create": True, "open": True}
    ).result()


def decode(items: list[dict[str, Any]], window: Window) -> None:
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_CACHEMAX=64, GDAL_NUM_THREADS=1):
        for item in items:
            for name in ("mask", *BANDS):
                with rasterio.open(item["assets"][name]["href"]) as file:
                    file.read(1, window=window)


def read(items: list[dict[str, Any]], window: Window, days: Any, masks: Any) -> None:
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_CACHEMAX=64, GDAL_NUM_THREADS=1):
        for item in items:
            day = number(item) % 32
            with rasterio.open(item["assets"]["mask"]["href"]) as file:
                mask = file.read(1, window=window)
            wanted = ((masks[day] == 255) | ((masks[day] & 2) > 0)) & ((mask & 2) == 0) | (masks[day] == 255)
            masks[day][wanted] = mask[wanted]
            for band, name in enumerate(BANDS):
                with rasterio.open(item["assets"][name]["href"]) as file:
                    values = file.read(1, window=window)
                days[day, band][wanted] = values[wanted]


def piece(job: dict[str, Any], shard: int, items: list[dict[str, Any]], y: int, x: int) -> None:
    left, _, _, top = job["bounds"]
    origin = items[0]["assets"]["blue"]["proj:transform"]
    height, width = (min(SIDE, side - start) for side, start in zip(job["shape"], (y, x), strict=True))
    column, row = round((left - origin[2]) / job["resolution"]) + x, round((origin[5] - top) / job["resolution"]) + y
    window = Window(column, row, width, height)
    if job["style"] == "decode":
        decode(items, window)
        return
    days = np.full((32, 6, height, width), -9999, np.int16)
    masks = np.full((32, height, width), 255, np.uint8)
    read(items, window, days, masks)
    start = (shard - job["first"]) * 32
    time, rows, columns = slice(start, start + 32), slice(y, y + height), slice(x, x + width)
    shape = (32 * job["shards"], 6, *job["shape"])
    writes = (
        array(job, "reflectance", "int16", shape)[time, :, rows, columns].write(days),
        array(job, "quality", "uint8", (shape[0], *job["shape"]))[time, rows, columns].write(masks),
    )
    for write in writes:
        write.result()


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with Path(job["items"]).open(encoding="utf-8") as file:
        items = json.load(file)["features"]
    shards: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for item in items:
        shards[number(item) // 32].append(item)
    job |= {"first": min(shards), "shards": max(shards) - min(shards) + 1}
    pieces = [
        (shard, y, x)
        for shard in sorted(shards)
        for y in range(0, job["shape"][0], SIDE)
        for x in range(0, job["shape"][1], SIDE)
    ]
    with ProcessPoolExecutor(job["threads"]) as pool:
        waiting = [pool.submit(piece, job, shard, shards[shard], y, x) for shard, y, x in pieces]
        for done in waiting:
            done.result()


if __name__ == "__main__":
    main()
