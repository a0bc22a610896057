"""Arguments, options and consoles that the commands of the pipeline share."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from mmvsf.datasets.console import plain_console
from mmvsf.datasets.storage.location import check_local

console = plain_console()


def _local_folder(path: Path) -> Path:
    """Raises InputError for an address."""
    check_local(path, "--runs-dir")
    return path


RegionArgument = Annotated[str, typer.Argument(help="Name of a recipe, or path of a recipe file.")]
DataDir = Annotated[
    str,
    typer.Option(
        "--data-dir", envvar="DATA_DIR", help="Folder of cubes and archives, or s3://, gs:// or az://BUCKET/PREFIX."
    ),
]
RunsDir = Annotated[
    Path,
    typer.Option("--runs-dir", envvar="RUNS_DIR", callback=_local_folder, help="Local folder of results."),
]
CubeArgument = Annotated[
    str, typer.Argument(help="A cube: its path or address, the name of its region, or the path of its recipe.")
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, show_default="one per processor", help="Threads; processes if more than 8."),
]
SourceOption = Annotated[
    str | None, typer.Option("--source", help="Where a recipe of public data reads from: public or earthengine.")
]
BlocksOption = Annotated[
    str | None,
    typer.Option(
        "--blocks", help="N: only the first N blocks, as a trial; all: the whole area, if the recipe samples it."
    ),
]
Scheduler = Annotated[str | None, typer.Option("--scheduler", help="Address of a Dask scheduler.")]
AcceptFailed = Annotated[
    bool,
    typer.Option(
        "--accept-failed", help="Leave out scenes that cannot be read, instead of reporting the build as unfinished."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]

DATA_DIR, RUNS_DIR = "data", Path("runs")


def status_console(as_json: bool) -> Console:
    """The console for progress; it prints nothing if the output is for a program."""
    return Console(quiet=True) if as_json else console


def progress_bar(target: Console) -> Bar:
    """A progress bar whose tasks have a field `rate`."""
    return Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=target,
    )
