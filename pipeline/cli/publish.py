"""The commands that share a cube: export, publish."""

from pathlib import Path
from typing import Annotated

import typer

from mmvsf.datasets.console import LOOK
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.location import location

from .options import DATA_DIR, CubeArgument, DataDir

app = typer.Typer()


@app.command(rich_help_panel=LOOK)
def export(
    cube: CubeArgument,
    out: Annotated[
        Path, typer.Option("--out", help="File to write, .tif, .nc or .zarr; or a folder, for one file per site.")
    ],
    what: Annotated[
        str,
        typer.Option(
            "--what",
            help="reflectance, ndvi, quality, scene; ascending, descending (radar); crop, purity, confidence;"
            " weather, static, or one array.",
        ),
    ] = "reflectance",
    day: Annotated[str | None, typer.Option("--day", help="Day of imagery, radar or weather, YYYY-MM-DD.")] = None,
    start: Annotated[str | None, typer.Option("--start", help="First day of a period, YYYY-MM-DD.")] = None,
    end: Annotated[str | None, typer.Option("--end", help="Last day of a period, YYYY-MM-DD.")] = None,
    year: Annotated[int | None, typer.Option("--year", help="Year of a season, or of labels.")] = None,
    reduce: Annotated[
        str | None,
        typer.Option(
            "--reduce",
            help="How to combine several days: median of clear pixels (the default) or mean; none keeps all days.",
        ),
    ] = None,
    block: Annotated[str | None, typer.Option("--block", help="Only this block: x12_y-3, or ROW,COLUMN.")] = None,
    site: Annotated[str | None, typer.Option("--site", help="Only this site or cluster of blocks.")] = None,
    bbox: Annotated[str | None, typer.Option("--bbox", help="Only this box: west,south,east,north in degrees.")] = None,
    metres: Annotated[bool, typer.Option("--metres", help="--bbox is in metres, in the cube's CRS.")] = False,
    polygon: Annotated[
        Path | None, typer.Option("--polygon", help="Only the area inside the polygons of this file, such as GeoJSON.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="Format of files in a folder: tif, nc or zarr.")] = "tif",
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Write a part of a cube as a Cloud-Optimized GeoTIFF, NetCDF or Zarr."""
    from mmvsf.datasets.cube.cube import find_cube
    from mmvsf.pipeline.export.area import AreaRequest
    from mmvsf.pipeline.export.request import Request
    from mmvsf.pipeline.export.run import export as write

    request = Request(what, day, start, end, year, reduce)
    where = AreaRequest(block, site, None if bbox is None else _box(bbox), metres, polygon)
    for file in write(find_cube(cube, location(data_dir)), out, request, where, form):
        typer.echo(f"{file}")


@app.command(rich_help_panel=LOOK)
def publish(
    cube: CubeArgument,
    url: Annotated[str | None, typer.Option("--url", help="Address of the published cube, https://...")] = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Write metadata for catalogues and hubs beside a cube: STAC, GeoCroissant and a dataset card."""
    from mmvsf.datasets.cube.cube import find_cube
    from mmvsf.pipeline.publish.run import publish as write

    for file in write(find_cube(cube, location(data_dir)), url):
        typer.echo(f"{file}")


def _box(text: str) -> tuple[float, float, float, float]:
    try:
        west, south, east, north = map(float, text.split(","))
    except ValueError as error:
        raise InputError(f"--bbox {text} is not a box; write it as west,south,east,north") from error
    return west, south, east, north
