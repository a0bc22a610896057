"""stackstac: one image an item (it does not join the images of a day), in chunks of 1024 pixels, as float32."""

import json
import sys
import warnings
from pathlib import Path

import dask
import numpy as np
import rasterio
import stackstac


def main() -> None:
    warnings.simplefilter("ignore")
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with Path(job["items"]).open(encoding="utf-8") as file:
        items = json.load(file)["features"]
    stack = stackstac.stack(
        items,
        assets=["blue", "green", "red", "nir", "swir1", "swir2", "mask"],
        epsg=int(job["crs"].removeprefix("EPSG:")),
        resolution=job["resolution"],
        bounds=tuple(job["bounds"]),
        dtype="float32",
        fill_value=np.float32(np.nan),
        rescale=False,
        resampling=rasterio.enums.Resampling.bilinear,
        chunksize=1024,
    )
    plain = stack.drop_vars([name for name in stack.coords if name not in stack.dims]).to_dataset(name="data")
    plain.attrs, plain["data"].attrs = {}, {}
    encoding = {"data": {"chunks": (1, 1, 256, 256)}}
    with dask.config.set(scheduler="threads", num_workers=job["threads"]):
        plain.to_zarr(job["out"], mode="w", encoding=encoding, consolidated=False)


if __name__ == "__main__":
    main()
