"""The page as files that any web server or bucket can show."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.location import Location, write_whole

from .describe import open_runs
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


def write_explorer(cube: Location, runs: Path, address: str) -> Path:
    """Write the page into `runs`/explore, with the pictures of the run, and return its `index.html`, which is written
    last. The page reads the cube at `address`, see `page_address`.

    Raises InputError or IncompleteError as `Cube.open` does, and OSError if the disk refuses.
    """
    opened, folder = Cube.open(cube), runs / FOLDER
    found = open_runs(opened, [runs])
    links = {f"{run.name}/{name}": f"../{quote(name)}" for run in found for name in run.files}
    site = Site(opened, found, address, links)
    for name in site.squares():
        content = site.square(name)
        if content is not None:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
    write_whole(folder / DESCRIPTION, site.description)
    for name in sorted(site.shipped, key=lambda name: name == "index.html"):
        write_whole(folder / name, site.shipped[name])
    return folder / "index.html"
