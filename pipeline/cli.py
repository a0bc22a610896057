"""The commands of the pipeline: recipes, plan, build, extend, check, explain, digest, export, report."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Column, Table

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.location import Location, ensure_reachable, local_folder, location

if TYPE_CHECKING:
    from .build import BuildPlan, Progress
    from .finish import Summary

app = typer.Typer()
console = Console()

RegionArgument = Annotated[str, typer.Argument(help="Name of a recipe, or path of a recipe file.")]
DataDir = Annotated[
    str, typer.Option("--data-dir", envvar="DATA_DIR", help="Folder of cubes and archives, or s3://BUCKET/PREFIX.")
]
RunsDir = Annotated[Path, typer.Option("--runs-dir", envvar="RUNS_DIR", help="Folder of runs.")]
CubeArgument = Annotated[
    str, typer.Argument(help="A cube: its path or address, the name of its region, or the path of its recipe.")
]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Worker processes; by default one a processor.")]
SourceOption = Annotated[
    str | None, typer.Option("--source", help="Take a recipe of public data from 'public' archives or 'earthengine'.")
]
BlocksOption = Annotated[
    str | None,
    typer.Option("--blocks", help="Only the first so many blocks, as a trial; or all, not a sample of the area."),
]
Scheduler = Annotated[str | None, typer.Option("--scheduler", help="Address of a Dask scheduler.")]
AcceptFailed = Annotated[
    bool, typer.Option("--accept-failed", help="Leave out scenes that cannot be read instead of retrying.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

DATA_DIR, RUNS_DIR = "data", Path("runs")


@app.command()
def regions(
    show: Annotated[str | None, typer.Option("--show", help="Print this recipe.")] = None,
) -> None:
    """List the shipped recipes, or print one to start a recipe of your own from."""
    from mmvsf.datasets.region import load_region, shipped_regions

    if show is not None:
        _, path = load_region(show)
        typer.echo(path.read_text(encoding="utf-8"), nl=False)
        return
    table = Table("recipe", "what it is")
    for name in shipped_regions():
        table.add_row(name, load_region(name)[0].title)
    console.print(table)


@app.command()
def plan(
    region: RegionArgument,
    data_dir: DataDir = DATA_DIR,
    workers: Workers = None,
    source: SourceOption = None,
    blocks: BlocksOption = None,
    html: Annotated[Path | None, typer.Option("--html", help="Also write the plan as a page.")] = None,
    png: Annotated[Path | None, typer.Option("--png", help="Also write the map as a picture.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a build would read, before it reads it: blocks on a map, scenes, bytes, minutes, what is missing."""
    from .build import prepare
    from .preview import block_map, month_table, preview, tables
    from .simulate import ensure_archive

    count = workers or os.cpu_count() or 1
    place = _place(data_dir)
    ensure_archive(region, local_folder(place), count, _talk(as_json))
    with _waiting(_talk(as_json)):
        prepared = prepare(region, place, source=source, blocks=blocks, only_shown=True)
    shown = preview(prepared, count)
    if html is not None or png is not None:
        from .report.plan import write_page, write_picture

        if html is not None:
            write_page(prepared, shown, local_folder(place), html)
        if png is not None:
            write_picture(prepared, shown, local_folder(place), png)
    if as_json:
        typer.echo(json.dumps(shown.facts))
        return
    console.print(block_map(prepared.grid, width=max(20, console.width - 4)), highlight=False)
    console.print(month_table(shown), tables(prepared, shown, count))


@app.command()
def cost(
    places: Annotated[
        list[str], typer.Argument(help="A recipe, a state or county by FIPS code (19 is Iowa), or conus.")
    ],
    like: Annotated[str, typer.Option("--like", help="Recipe that all but the ground comes from.")] = "iowa",
    data_dir: DataDir = DATA_DIR,
    workers: Workers = None,
    mbit: Annotated[float, typer.Option("--mbit", min=1, help="Speed of the network in Mbit/s.")] = 100.0,
    source: SourceOption = None,
    as_json: AsJson = False,
) -> None:
    """Show what a place would take, by a model that asks no catalogue: requests, bytes, hours."""
    from dataclasses import asdict

    from mmvsf.datasets.grid import grid_of

    from .cost import region_cost
    from .cost_table import cost_table
    from .places import regions_of

    count = workers or os.cpu_count() or 1
    folder = local_folder(location(data_dir))
    costs = {
        name: region_cost(region, grid_of(region, recipe, folder), count, mbit)
        for place in places
        for name, (region, recipe) in regions_of(place, like, source).items()
    }
    if as_json:
        typer.echo(json.dumps({name: asdict(found) for name, found in costs.items()}))
        return
    console.print(cost_table(costs, count, mbit))


@app.command()
def dataset(
    region: RegionArgument,
    data_dir: DataDir = DATA_DIR,
    workers: Workers = None,
    scheduler: Scheduler = None,
    accept_failed: AcceptFailed = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Remove the cube that stands there.")] = False,
    source: SourceOption = None,
    blocks: BlocksOption = None,
    as_json: AsJson = False,
) -> None:
    """Build the cube of a region, or finish one that was interrupted."""
    from .build import build, prepare
    from .execute import executor
    from .preview import preview, tables
    from .simulate import ensure_archive

    started = time.monotonic()
    count = workers or os.cpu_count() or 1
    place = _place(data_dir)
    with executor(workers, scheduler) as run:
        ensure_archive(region, local_folder(place), count, _talk(as_json))
        with _waiting(_talk(as_json)):
            prepared = prepare(region, place, source=source, blocks=blocks)
        if not as_json:
            console.print(tables(prepared, preview(prepared, count), count))
        with _progress(started, as_json) as progress:
            summary = build(prepared, run, progress, accept_failed=accept_failed, overwrite=overwrite)
    _show_cube(prepared, summary, started, as_json)


@app.command()
def extend(
    region: RegionArgument,
    data_dir: DataDir = DATA_DIR,
    workers: Workers = None,
    scheduler: Scheduler = None,
    accept_failed: AcceptFailed = False,
    source: SourceOption = None,
    blocks: BlocksOption = None,
    as_json: AsJson = False,
) -> None:
    """Add to a cube what its recipe now says beyond it, in place; what stands is left untouched.

    More days, blocks, label years, weather variables and products are added, provisional weather is replaced.
    """
    from .execute import executor
    from .extend import extend as extend_cube
    from .extend import prepare_extension, standing_cube
    from .preview import preview, tables
    from .simulate import ensure_archive

    started = time.monotonic()
    count = workers or os.cpu_count() or 1
    place = _place(data_dir)
    cube = standing_cube(region, place, source=source, blocks=blocks)
    with executor(workers, scheduler) as run:
        ensure_archive(region, local_folder(place), count, _talk(as_json))
        with _waiting(_talk(as_json)):
            prepared = prepare_extension(cube, region, place, source=source, blocks=blocks)
        if not as_json:
            console.print(tables(prepared, preview(prepared, count), count))
        with _progress(started, as_json) as progress:
            extended = extend_cube(cube, prepared, run, progress, accept_failed=accept_failed)
    _show_cube(prepared, extended.summary, started, as_json, {"chunks_in_another_part": extended.moved_chunks})


@app.command()
def check(cube: CubeArgument, data_dir: DataDir = DATA_DIR, as_json: AsJson = False) -> None:
    """Verify a cube's structure, ranges, coverage and metadata."""
    from .check import check_cube

    path = _cube(cube, data_dir)
    report = check_cube(path)
    if as_json:
        typer.echo(json.dumps({"checks": [[c.name, c.ok, c.detail] for c in report.checks]}))
    else:
        table = Table("check", "", "detail", title=str(path))
        for entry in report.checks:
            table.add_row(entry.name, "[green]ok[/]" if entry.ok else "[red]wrong[/]", entry.detail)
        console.print(table)
    report.raise_for_problems()


@app.command()
def explain(
    cube: CubeArgument,
    day: Annotated[str, typer.Option("--day", help="YYYY-MM-DD")],
    x: Annotated[float, typer.Option("--x", help="x in the cube's CRS, or longitude with --lonlat")],
    y: Annotated[float, typer.Option("--y", help="y in the cube's CRS, or latitude with --lonlat")],
    lonlat: Annotated[bool, typer.Option("--lonlat", help="x and y are degrees.")] = False,
    data_dir: DataDir = DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Name the scene that a pixel came from, or the reason there is none."""
    from .explain import explain_pixel

    found = explain_pixel(_cube(cube, data_dir), day, x, y, lonlat=lonlat)
    typer.echo(json.dumps(found.facts) if as_json else found.sentence)


@app.command()
def digest(cube: CubeArgument, data_dir: DataDir = DATA_DIR) -> None:
    """Print the identity of a cube: equal for equal data, however it was built."""
    from mmvsf.datasets.cube import Cube
    from mmvsf.datasets.cube import digest as cube_digest

    path = _cube(cube, data_dir)
    Cube.open(path)
    typer.echo(cube_digest(path))


@app.command()
def export(
    cube: CubeArgument,
    out: Annotated[Path, typer.Option("--out", help="GeoTIFF to write.")],
    what: Annotated[str, typer.Option("--what", help="reflectance, quality, scene, crop or purity")] = "reflectance",
    day: Annotated[str | None, typer.Option("--day", help="YYYY-MM-DD, for imagery")] = None,
    year: Annotated[int | None, typer.Option("--year", help="for labels")] = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Write a day, or a year's labels, as a Cloud-Optimized GeoTIFF that any GIS opens."""
    from .export import export_geotiff

    export_geotiff(_cube(cube, data_dir), out, what, day, year)
    typer.echo(f"{out}")


@app.command()
def oracle(
    region: CubeArgument,
    data_dir: DataDir = DATA_DIR,
    years: Annotated[str | None, typer.Option("--years", help="Only these, as 2021,2022.")] = None,
    sites: Annotated[str | None, typer.Option("--sites", help="Only these, as norfolk,mapleton.")] = None,
) -> None:
    """Of a simulated region, write what someone who knows the true model would forecast, beside its cube."""
    from mmvsf.datasets.cube import Cube

    from .oracle import make_oracle

    cube = Cube.open(_cube(region, data_dir))
    with _bar(console) as bar:
        task = bar.add_task("growing the fields again", total=None, rate="")

        def update(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        path = make_oracle(
            cube,
            years=None if years is None else _years(years),
            sites=None if sites is None else sites.split(","),
            progress=update,
        )
    typer.echo(f"{path}")


@app.command()
def report(
    region: CubeArgument,
    data_dir: DataDir = DATA_DIR,
    runs_dir: RunsDir = RUNS_DIR,
) -> None:
    """Write the page that shows a cube and what was learned from it: runs/<region>/report.html."""
    from mmvsf.datasets.cube import Cube

    from .report import write_report

    cube = _cube(region, data_dir)
    page = write_report(cube, runs_dir / Cube.open(cube).region.name)
    typer.echo(f"{page}")


@app.command()
def summary(
    region: CubeArgument,
    data_dir: DataDir = DATA_DIR,
    runs_dir: RunsDir = RUNS_DIR,
) -> None:
    """Print what was made of a region, where it is, and the main scores."""
    from mmvsf.datasets.cube import Cube

    from .summary import summary_tables

    cube = _cube(region, data_dir)
    console.print(summary_tables(cube, runs_dir / Cube.open(cube).region.name))


def _years(text: str) -> list[int]:
    try:
        return [int(year) for year in text.split(",")]
    except ValueError as error:
        raise InputError(f"--years {text}: not years; write them as 2021,2022") from error


def _place(data_dir: str) -> Location:
    """The place of `--data-dir`, a bucket only if it answers."""
    place = location(data_dir)
    ensure_reachable(place)
    return place


def _cube(text: str, data_dir: str) -> Location:
    from mmvsf.datasets.cube import find_cube

    return find_cube(text, location(data_dir))


@contextmanager
def _waiting(where: Console) -> Iterator[None]:
    """Show what sources are busy with, while a plan is made."""
    from .sources.progress import listening

    with where.status("reading the recipe and its sources") as status, listening(status.update):
        yield


@contextmanager
def _progress(started: float, as_json: bool) -> Iterator["Progress"]:
    """Bars of a build's phases, or a line that there was none; the rate counts from `started`, a reading of
    `time.monotonic`."""
    from .build import Progress

    tasks: dict[str, TaskID] = {}
    with _bar(_talk(as_json)) as bar:

        def update(phase: str, done: int, total: int, pixels: int) -> None:
            if total and phase not in tasks:
                tasks[phase] = bar.add_task(phase, total=total, rate="")
            if phase in tasks:
                rate = f"{pixels / 1e6 / max(time.monotonic() - started, 1e-9):.1f} Mpx/s" if pixels else ""
                bar.update(tasks[phase], completed=done, rate=rate)

        yield Progress(update)
    if not tasks:
        _talk(as_json).print("every shard stands: nothing was left to do")


def _show_cube(
    prepared: "BuildPlan", summary: "Summary", started: float, as_json: bool, more: dict[str, int] | None = None
) -> None:
    """Write its card, print what was built, and check it. Raises IncompleteError if it is not sound."""
    from mmvsf.datasets.cube import Cube

    from .card import write_dataset_card
    from .check import check_cube
    from .space import stored_bytes

    card = write_dataset_card(Cube.open(prepared.cube))
    report = check_cube(prepared.cube, sample_only=True)
    facts = {
        "cube": str(prepared.cube),
        "card": str(card),
        "stored": summary.stored,
        "skipped_cloudy": summary.skipped_cloudy,
        "failed": summary.failed,
        "completeness": summary.completeness,
        "seconds": round(time.monotonic() - started, 1),
        "megabytes": round(stored_bytes(prepared.cube) / 1e6, 1),
        **(more or {}),
    }
    if as_json:
        typer.echo(json.dumps(facts))
    else:
        table = Table("cube", Column(str(prepared.cube), overflow="fold"), title=prepared.region.title)
        table.add_row("(day, block) units stored", str(summary.stored))
        table.add_row("mask only, too cloudy", str(summary.skipped_cloudy))
        table.add_row("not acquired", str(summary.not_acquired))
        table.add_row("failed", str(summary.failed))
        for name, count in (more or {}).items():
            table.add_row(name.replace("_", " "), str(count))
        table.add_row("size", f"{facts['megabytes']} MB")
        table.add_row("card", str(card))
        table.add_row("time", f"{facts['seconds']} s")
        console.print(table)
    report.raise_for_problems()


def _talk(as_json: bool) -> Console:
    """Where progress is shown: nowhere if the output is for a program."""
    return Console(quiet=True) if as_json else console


def _bar(where: Console) -> Bar:
    return Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=where,
    )
