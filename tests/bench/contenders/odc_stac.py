"""odc-stac: `date` loads whole days in chunks of 1024 pixels, `window` series of 256 pixels, `cluster` whole days on
Dask worker processes."""

import json
import sys
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dask
import odc.stac
import pystac
from odc.geo.geobox import GeoBox

BANDS = ("blue", "green", "red", "nir", "swir1", "swir2")


def main() -> None:
    warnings.simplefilter("ignore")
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with Path(job["items"]).open(encoding="utf-8") as file:
        items = [pystac.Item.from_dict(item) for item in json.load(file)["features"]]
    odc.stac.configure_rio(
        cloud_defaults=True, GDAL_HTTP_MERGE_CONSECUTIVE_RANGES="YES", GDAL_HTTP_MULTIPLEX="YES",
        GDAL_INGESTED_BYTES_AT_OPEN=32768, VSI_CACHE="YES",
    )  # fmt: skip
    nodata = job["nodata"]
    assets = {"*": {"data_type": job["dtype"], "nodata": nodata}, "mask": {"data_type": "uint8", "nodata": 255}}
    chunks = {"time": 32, "x": 256, "y": 256} if job["style"] == "window" else {"time": 1, "x": 1024, "y": 1024}
    with ExitStack() as stack:
        if job["style"] == "cluster":
            from distributed import Client, LocalCluster

            cluster = LocalCluster(n_workers=job["threads"], threads_per_worker=1, dashboard_address=None)
            stack.enter_context(Client(stack.enter_context(cluster)))
        else:
            stack.enter_context(dask.config.set(scheduler="threads", num_workers=job["threads"]))
        data: Any = odc.stac.load(
            items,
            bands=[*BANDS, "mask"],
            geobox=GeoBox.from_bbox(job["bounds"], job["crs"], resolution=job["resolution"]),
            stac_cfg={"*": {"assets": assets}},
            resampling={"*": "bilinear", "mask": "nearest"},
            groupby="solar_day",
            chunks=chunks,
        )
        encoding: dict[str, Any] = {name: {"chunks": (1, 256, 256)} for name in data.data_vars}
        if job["style"] == "window":
            length = min(32, data.sizes["time"])
            data = data.chunk(time=length)
            encoding = {name: {"chunks": (1, 64, 64), "shards": (length, 256, 256)} for name in data.data_vars}
        data.drop_vars("spatial_ref").to_zarr(job["out"], mode="w", encoding=encoding, consolidated=False)


if __name__ == "__main__":
    main()
