"""lazycogs (Python 3.12): whole days in chunks of 1024 pixels, read without GDAL."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import dask
import lazycogs
import rustac

BANDS = ["blue", "green", "red", "nir", "swir1", "swir2"]


async def write(path: str, items: list[dict[str, Any]]) -> None:
    await rustac.write(path, items)


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with Path(job["items"]).open(encoding="utf-8") as file:
        items = json.load(file)["features"]
    parquet = str(Path(job["out"]).with_suffix(".parquet"))
    asyncio.run(write(parquet, items))
    place = {"bbox": tuple(job["bounds"]), "crs": job["crs"], "resolution": job["resolution"]}
    chunks = {"time": 1, "y": 1024, "x": 1024}
    bands = lazycogs.open(parquet, bands=BANDS, chunks=chunks, **place)
    mask = lazycogs.open(parquet, bands=["mask"], chunks=chunks, **place)
    data = bands.to_dataset("band").assign(mask=mask.isel(band=0, drop=True))
    data = data.drop_vars([name for name in data.coords if name not in data.dims])
    data.attrs = {}
    for name in data.variables:
        data[name].attrs = {}
        data[name].encoding = {}
    encoding = {name: {"chunks": (1, 256, 256)} for name in data.data_vars}
    with dask.config.set(scheduler="threads", num_workers=job["threads"]):
        data.to_zarr(job["out"], mode="w", encoding=encoding, consolidated=False)


if __name__ == "__main__":
    main()
