"""Which extra of this project holds a package that is not installed."""

from __future__ import annotations

EXTRAS: dict[str, tuple[str, ...]] = {
    "build": (
        "scipy", "rasterio", "geopandas", "pyogrio", "pystac", "pystac_client", "requests", "urllib3", "h5netcdf",
        "h5py", "cftime", "dask", "distributed", "psutil", "jinja2", "matplotlib",
    ),
    "earthengine": ("ee", "google", "googleapiclient"),
    "stations": ("meteostat",),
    "parquet": ("pyarrow",),
    "train": ("torch", "lightning", "safetensors", "sklearn", "threadpoolctl"),
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "objects": ("obstore", "boto3", "botocore"),
}  # fmt: skip
"""Extra -> top-level names of the packages that it adds to those which reading a cube needs. `train` holds some of
those of `build` too; they are named once."""


def missing_extra(error: ModuleNotFoundError) -> str | None:
    """The extra that holds the module which was not found; None for a module of no extra."""
    package = (error.name or "").partition(".")[0]
    return next((extra for extra, packages in EXTRAS.items() if package in packages), None)


def install_hint(error: ModuleNotFoundError) -> str:
    """One line that names the missing package and what to install."""
    extra = missing_extra(error)
    if extra is None:
        return f"the package {error.name} is not installed; install this project again"
    return (
        f"the package {error.name} is not installed; install the extra '{extra}' of this project:"
        f" pip install -e '.[{extra}]' in its repository"
    )
