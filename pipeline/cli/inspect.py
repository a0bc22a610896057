"""The commands for existing cubes: check, explain, digest, verify, oracle, report, summary."""

import json
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from mmvsf.datasets.console import JUDGE, LOOK
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.location import Location, location

from .options import DATA_DIR, RUNS_DIR, AsJson, CubeArgument, DataDir, RunsDir, console, progress_bar

app = typer.Typer()


@app.command(rich_help_panel=LOOK)
def check(cube: CubeArgument, data_dir: DataDir = DATA_DIR, as_json: AsJson = False) -> None:
    """Check a cube's structure, metadata, coverage and values."""
    from mmvsf.pipeline.inspect.check import check_cube

    path = _cube(cube, data_dir)
    report = check_cube(path)
    if as_json:
        typer.echo(json.dumps({"checks": [[c.name, c.ok, c.detail] for c in report.checks]}))
    else:
        table = Table("check", "", "detail", title=str(path))
        for entry in report.checks:
            table.add_row(entry.name, Text("ok", "green") if entry.ok else Text("wrong", "red"), entry.detail)
        console.print(table)
    report.raise_for_problems()


@app.command(rich_help_panel=LOOK)
def explain(
    cube: CubeArgument,
    day: Annotated[str, typer.Option("--day", help="Day, YYYY-MM-DD.")],
    x: Annotated[float, typer.Option("--x", help="x in the cube's CRS, or the longitude with --lonlat.")],
    y: Annotated[float, typer.Option("--y", help="y in the cube's CRS, or the latitude with --lonlat.")],
    lonlat: Annotated[bool, typer.Option("--lonlat", help="x and y are in degrees.")] = False,
    data_dir: DataDir = DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Name the scene that a pixel came from, or the reason there is none."""
    from mmvsf.pipeline.inspect.explain import explain_pixel

    explanation = explain_pixel(_cube(cube, data_dir), day, x, y, lonlat=lonlat)
    typer.echo(json.dumps(explanation.facts) if as_json else explanation.sentence)


@app.command(rich_help_panel=LOOK)
def digest(cube: CubeArgument, data_dir: DataDir = DATA_DIR) -> None:
    """Print the digest of a cube: equal for equal data, however it was built."""
    from mmvsf.datasets.cube.cube import Cube

    typer.echo(Cube.open(_cube(cube, data_dir)).digest)


@app.command(rich_help_panel=LOOK)
def verify(
    cube: CubeArgument,
    list_only: Annotated[bool, typer.Option("--list", help="Compare names and lengths only; read no object.")] = False,
    data_dir: DataDir = DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Compare every object of a cube with its manifest, and list objects that are missing, changed or extra."""
    from mmvsf.datasets.cube.verify import verify_cube

    found = verify_cube(_cube(cube, data_dir), list_only=list_only)
    if as_json:
        typer.echo(json.dumps(found.facts()))
    else:
        typer.echo("\n".join(map(str, found.damage)) or found.sentence)
    if found.damage:
        raise typer.Exit(1)


@app.command(rich_help_panel=JUDGE)
def oracle(
    region: CubeArgument,
    data_dir: DataDir = DATA_DIR,
    years: Annotated[str | None, typer.Option("--years", help="Only these years, such as 2021,2022.")] = None,
    sites: Annotated[str | None, typer.Option("--sites", help="Only these sites, such as norfolk,mapleton.")] = None,
) -> None:
    """Write the true model's forecasts of a simulated region, and its weather experiments, beside the cube."""
    from mmvsf.datasets.cube.cube import Cube
    from mmvsf.datasets.sidecars.oracle import oracle_path
    from mmvsf.datasets.storage.lock import write_lock
    from mmvsf.pipeline.sandbox.experiments import make_experiments
    from mmvsf.pipeline.sandbox.oracle import make_oracle

    cube = Cube.open(_cube(region, data_dir))
    with write_lock(oracle_path(cube), "mmvsf oracle"), progress_bar(console) as bar:
        task = bar.add_task("simulating seasons", total=None, rate="")

        def update(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        path = make_oracle(
            cube,
            years=None if years is None else _years(years),
            sites=None if sites is None else sites.split(","),
            progress=update,
        )
        bar.update(task, description="weather experiments")
        experiments = make_experiments(cube, update)
    typer.echo(f"{path}\n{experiments}")


@app.command(rich_help_panel=LOOK)
def report(
    region: CubeArgument,
    explorer: Annotated[
        bool, typer.Option("--explorer", help="Also write the explorer to explore/, as files for any web server.")
    ] = False,
    cube_url: Annotated[
        str | None,
        typer.Option("--cube-url", show_default="its path", help="Address at which the explorer reads the cube."),
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    data_dir: DataDir = DATA_DIR,
    runs_dir: RunsDir = RUNS_DIR,
) -> None:
    """Write a report page about a cube and its results: runs/<region>/report.html."""
    from mmvsf.datasets.cube.cube import Cube
    from mmvsf.datasets.storage.run_lock import run_lock
    from mmvsf.pipeline.explore.static import page_address, write_explorer
    from mmvsf.pipeline.report.page import PAGE, write_report

    if cube_url is not None and not explorer:
        raise InputError("--cube-url is the address at which the explorer reads the cube; add --explorer")
    cube = _cube(region, data_dir)
    runs = runs_dir / Cube.open(cube).region.name
    address = page_address(cube, runs, cube_url) if explorer else ""
    with run_lock(runs / PAGE, "mmvsf report"):
        page = write_report(cube, runs)
        typer.echo(page.resolve().as_uri())
        if explorer:
            explorer_page, notes = write_explorer(cube, runs, address)
            for note in notes:
                typer.echo(f"note: {note}", err=True)
            typer.echo(f"{explorer_page}")
    if open_page:
        typer.launch(page.resolve().as_uri())


@app.command(rich_help_panel=LOOK)
def summary(
    region: CubeArgument,
    data_dir: DataDir = DATA_DIR,
    runs_dir: RunsDir = RUNS_DIR,
) -> None:
    """Print the files written for a region, and the main scores."""
    from mmvsf.datasets.cube.cube import Cube
    from mmvsf.pipeline.inspect.summary import summary_tables

    cube = _cube(region, data_dir)
    console.print(summary_tables(cube, runs_dir / Cube.open(cube).region.name))


def _years(text: str) -> list[int]:
    try:
        return [int(year) for year in text.split(",")]
    except ValueError as error:
        raise InputError(f"--years {text}: not a list of years; write 2021,2022") from error


def _cube(text: str, data_dir: str) -> Location:
    from mmvsf.datasets.cube.cube import find_cube

    return find_cube(text, location(data_dir))
