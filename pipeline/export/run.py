"""Write a part of a cube to a file for other programs, or one file per cluster of blocks to a folder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.layout import FORMAT
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.json_text import parse_json
from mmvsf.datasets.storage.location import Location, check_local

from .area import Area, AreaRequest, clusters_of, find_area, refuse_empty
from .cog import write_cog
from .content import ExportArray, contents
from .dataset import write_netcdf, write_zarr
from .imagery import NoImageError
from .piece import Frame
from .request import Request

WRITERS: dict[str, Callable[[Path, Frame, list[ExportArray]], None]] = {
    ".tif": write_cog,
    ".tiff": write_cog,
    ".nc": write_netcdf,
    ".zarr": write_zarr,
}
FORMATS = ("tif", "nc", "zarr")


def export(path: Location, out: Path, request: Request, where: AreaRequest, form: str = "tif") -> list[Path]:
    """Write an export and return its files: one with the suffix of a format (.tif, .nc, .zarr), or in a folder one of
    the format `form` for each site or cluster that has an image on these days.

    Raises InputError, before anything is written, for a name of no known format, for what the cube does not have, and
    for an area most of which the cube does not cover; OSError if a file cannot be written.
    """
    several = _check_out(out, form)
    cube = Cube.open(path)
    area = find_area(cube, where)
    if several:
        jobs = _jobs(
            cube, request, {out / f"{request.what}_{part.name}.{form}": part for part in clusters_of(cube, area)}
        )
    else:
        refuse_empty(cube, area)
        jobs = [_job(cube, request, out, area)]
    for job in jobs:
        WRITERS[job.file.suffix.lower()](job.file, job.frame, job.arrays)
    return [job.file for job in jobs]


@dataclass(frozen=True)
class _Job:
    """A file and what it will hold, all checked."""

    file: Path
    frame: Frame
    arrays: list[ExportArray]


def _jobs(cube: Cube, request: Request, targets: dict[Path, Area]) -> list[_Job]:
    """The files of those areas that have an image. Raises NoImageError where none has."""
    jobs, missing = [], None
    for file, area in targets.items():
        try:
            jobs.append(_job(cube, request, file, area))
        except NoImageError as error:
            missing = error
    if missing is not None and not jobs:
        raise missing
    return jobs


def _job(cube: Cube, request: Request, file: Path, area: Area) -> _Job:
    _check_store(file)
    return _Job(file, Frame.of(cube, request.group, area), contents(cube, request, area))


def _check_out(out: Path, form: str) -> bool:
    """Whether `out` is a folder. Raises InputError for an address and for a name of no known format."""
    check_local(out, "--out")
    if form not in FORMATS:
        raise InputError(f"--format {form} is not known; choose one of {', '.join(FORMATS)}")
    suffix = out.suffix.lower()
    if suffix in WRITERS:
        if suffix != ".zarr" and out.is_dir():
            raise InputError(f"--out {out} is a folder; give the name of a file in it")
        return False
    if suffix or out.is_file():
        raise InputError(f"--out {out}: the name must end in {', '.join(WRITERS)}, or be that of a folder")
    return True


def _check_store(file: Path) -> None:
    """Raise InputError for a folder that is no Zarr store, or one that is a cube: an export would replace it."""
    if not file.is_dir():
        return
    root = file / "zarr.json"
    if not root.is_file():
        raise InputError(f"--out {file} is a folder but not a Zarr store; give another name")
    try:
        form = parse_json(root.read_bytes())["attributes"].get("format")
    except (ValueError, TypeError, KeyError, AttributeError):
        form = None
    if form == FORMAT:
        raise InputError(f"--out {file} is a cube; give another name")
