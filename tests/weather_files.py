"""Time and memory of weather in one file a day: `python -m tests.weather_files [FILES ...]`, by default 160 and 1600.

Each number of files is read in a process of its own, through the archive source, by a region of 3 x 3 cells in a grid
of 100 x 100. Prints figures; asserts nothing.
"""

import resource
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import xarray as xr

CELLS = 100
FIRST = date(2015, 1, 1)
BOUNDS = (-96.1, 41.9, -95.9, 42.1)


def write(folder: Path, count: int) -> None:
    """`tmin` and `tmax` of so many days, a file each."""
    lat, lon = 37 + 0.1 * np.arange(CELLS), -101 + 0.1 * np.arange(CELLS)
    rng = np.random.default_rng(1)
    for day in range(count):
        moment = np.datetime64(FIRST + timedelta(days=day), "ns")
        tmin = rng.normal(285, 3, (1, CELLS, CELLS)).astype(np.float32)
        fields = {"tmin": tmin, "tmax": tmin + 10}
        data = {name: (("time", "lat", "lon"), values, {"units": "K"}) for name, values in fields.items()}
        dataset = xr.Dataset(data, {"time": [moment], "lat": lat, "lon": lon})
        dataset.to_netcdf(folder / f"{day:05}.nc", engine="h5netcdf")


def read(folder: Path, count: int) -> None:
    """Print the seconds and the growth of the process's peak memory."""
    from mmvsf.pipeline.sources.archive.weather import ArchiveWeather

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    source = ArchiveWeather(folder, BOUNDS)
    series = source.fetch(FIRST, FIRST + timedelta(days=count - 1), ("tmin", "tmax"))
    seconds = time.perf_counter() - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    print(
        f"{count} files, {size:.0f} MB on disk: {seconds:.1f} s, {1000 * seconds / count:.1f} ms a file, peak memory"
        f" {grown:+.0f} MB, read {series.values['tmin'].shape}"
    )


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["read"]:
        read(Path(arguments[1]), int(arguments[2]))
        return
    for count in [int(argument) for argument in arguments] or [160, 1600]:
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), count)
            subprocess.run([sys.executable, "-m", "tests.weather_files", "read", folder, str(count)], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
