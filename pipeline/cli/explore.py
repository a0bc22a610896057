"""The command that shows a cube in the browser."""

from pathlib import Path
from typing import Annotated

import typer

from mmvsf.datasets.console import LOOK
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.location import Location, location

from .options import DATA_DIR, RUNS_DIR, DataDir, RunsDir, console

app = typer.Typer()

RESULTS = ("pretrain", "cropmap", "forecast", "map", "embeddings.zarr", "report.html")
"""A folder that contains one of these is the folder of a run."""


@app.command(rich_help_panel=LOOK)
def explore(
    cube: Annotated[
        str,
        typer.Argument(
            help="A cube: its path or address, the name of its region, or the path of its recipe; or the folder of a"
            " run, such as runs/iowa."
        ),
    ],
    run: Annotated[
        list[Path] | None,
        typer.Option("--run", show_default="RUNS_DIR/<region>", help="Folder of results to show; repeat to compare."),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, show_default="a free one", help="Port on this machine.")
    ] = 0,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    data_dir: DataDir = DATA_DIR,
    runs_dir: RunsDir = RUNS_DIR,
) -> None:
    """Look at a cube and its results in the browser: a map, a time slider, and the curve of any pixel."""
    from mmvsf.datasets.cube.cube import Cube
    from mmvsf.pipeline.explore.server import ExplorerServer

    place, runs = cube_and_runs(cube, location(data_dir), list(run or ()))
    opened = Cube.open(place)
    default = runs_dir / opened.region.name
    for folder in runs:
        if not folder.is_dir():
            raise InputError(f"--run {folder} is not a folder; give the folder of a region's results, as {default}")
    with ExplorerServer(opened, runs or [default], port) as server:
        for shown in server.site.runs:
            for note in shown.notes:
                typer.echo(f"note: {shown.folder}: {note}", err=True)
        console.print(f"{server.address}  (Ctrl+C to stop)", soft_wrap=True)
        if open_page:
            typer.launch(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            console.print("")


def cube_and_runs(text: str, data_dir: Location, runs: list[Path]) -> tuple[Location, list[Path]]:
    """The cube that is meant, and the folders of runs: that of the argument where it is one, then the given ones."""
    from mmvsf.datasets.cube.cube import find_cube
    from mmvsf.datasets.cube.paths import cube_path

    folder = Path(text)
    is_run = "://" not in text and any((folder / name).exists() for name in RESULTS)
    if is_run and not (folder / "manifest.json").is_file():
        return cube_path(folder.resolve().name, data_dir), [folder, *runs]
    return find_cube(text, data_dir), runs
