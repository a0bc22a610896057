"""The page as files that any web server or bucket can show."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError, one_line
from mmvsf.datasets.storage.location import Location, write_whole

from .describe import Run, open_runs
from .rasters import READ_ERRORS, Raster
from .site import DESCRIPTION, Site

FOLDER = "explore"


def page_address(cube: Location, runs: Path, cube_url: str | None) -> str:
    """Where the page in `runs`/explore reads the cube: `cube_url`, or where the cube is, an address as it is and a
    folder relative to the page. Raises InputError for an address that a browser cannot read."""
    relative = Path(os.path.relpath(cube, runs / FOLDER)).as_posix() if isinstance(cube, Path) else str(cube)
    address = cube_url or relative
    if "://" in address and not address.startswith(("http://", "https://")):
        raise InputError(f"a browser cannot read {address}; give its address on the web, --cube-url https://...")
    return address


def write_explorer(cube: Location, runs: Path, address: str) -> tuple[Path, tuple[str, ...]]:
    """Write the page into `runs`/explore, with the pictures of the run, and return its `index.html`, which is written
    last, and what is left out and why, a line each. The page reads the cube at `address`, see `page_address`.

    Raises InputError or IncompleteError as `Cube.open` does, and OSError if the disk refuses.
    """
    opened, folder = Cube.open(cube), runs / FOLDER
    (run,) = open_runs(opened, [runs])
    site = Site(opened, (run,), address, {f"{run.name}/{name}": f"../{quote(name)}" for name in run.files})
    shutil.rmtree(folder / "squares", ignore_errors=True)
    unread = {raster.name: note for raster in run.rasters for note in _write_squares(site, run, raster, folder)}
    rasters = tuple(raster for raster in run.rasters if raster.name not in unread)
    site = replace(site, runs=(replace(run, rasters=rasters, notes=(*run.notes, *unread.values())),))
    write_whole(folder / DESCRIPTION, site.description)
    for name in sorted(site.shipped, key=lambda name: name == "index.html"):
        write_whole(folder / name, site.shipped[name])
    return folder / "index.html", site.runs[0].notes


def _write_squares(site: Site, run: Run, raster: Raster, folder: Path) -> Iterator[str]:
    """Write the squares of a picture, up to one that cannot be read; yields why."""
    for name in site.squares(run, raster):
        try:
            content = site.square(name)
        except READ_ERRORS as error:
            yield f"{raster.facts()['title']} is left out: {one_line(error, 160)}"
            return
        if content is not None:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
