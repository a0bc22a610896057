"""The commands that build or repair a cube; `inspect` and `publish` have those for existing cubes."""

import json
import os
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from mmvsf.datasets.console import BUILD, RECIPE
from mmvsf.datasets.cube.paths import card_path
from mmvsf.datasets.storage.location import local_folder, location

from . import doctor, explore, inspect, new, publish, search
from .finished import refuse_unsound, show_cube, show_finished
from .options import (
    DATA_DIR,
    AcceptFailed,
    AsJson,
    BlocksOption,
    DataDir,
    RegionArgument,
    Scheduler,
    SourceOption,
    Workers,
    console,
    status_console,
)
from .progress import build_progress, reachable, waiting

app = typer.Typer()


@app.command(rich_help_panel=RECIPE)
def regions(
    show: Annotated[str | None, typer.Option("--show", help="Print the recipe of this name.")] = None,
) -> None:
    """List the shipped recipes, or print one as a template for your own."""
    from mmvsf.datasets.recipe.load import load_region, shipped_regions

    if show is not None:
        _, path = load_region(show)
        typer.echo(path.read_text(encoding="utf-8"), nl=False)
        return
    table = Table("recipe", "title")
    for name in shipped_regions():
        table.add_row(name, load_region(name)[0].title)
    console.print(table)


@app.command(rich_help_panel=RECIPE)
def plan(
    region: RegionArgument,
    data_dir: DataDir = DATA_DIR,
    workers: Workers = None,
    source: SourceOption = None,
    blocks: BlocksOption = None,
    html: Annotated[Path | None, typer.Option("--html", help="Also write the plan as an HTML page.")] = None,
    png: Annotated[Path | None, typer.Option("--png", help="Also write the map as a PNG picture.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a build would do, without building: blocks on a map, scenes, bytes, time, missing credentials."""
    from mmvsf.pipeline.build.plan import build_plan
    from mmvsf.pipeline.estimate.preview import preview
    from mmvsf.pipeline.estimate.preview_table import block_map, month_table, tables
    from mmvsf.pipeline.inspect.output import check_output
    from mmvsf.pipeline.sandbox.ensure import ensure_archive

    if html is not None:
        check_output(html, "--html", (".html", ".htm"))
    if png is not None:
        check_output(png, "--png", (".png",))
    count = workers or os.cpu_count() or 1
    folder = reachable(data_dir)
    ensure_archive(region, local_folder(folder), count, status_console(as_json))
    with waiting(status_console(as_json)):
        plan = build_plan(region, folder, source=source, blocks=blocks, only_shown=True)
    shown = preview(plan, count)
    if html is not None or png is not None:
        from mmvsf.pipeline.report.plan import write_page, write_picture

        if html is not None:
            write_page(plan, shown, local_folder(folder), html)
        if png is not None:
            write_picture(plan, shown, local_folder(folder), png)
    if as_json:
        typer.echo(json.dumps(shown.facts))
        return
    console.print(block_map(plan.grid, width=max(20, console.width - 4)), highlight=False)
    console.print(month_table(shown), tables(plan, shown, count))


@app.command(rich_help_panel=RECIPE)
def cost(
    areas: Annotated[
        list[str], typer.Argument(help="A recipe, a state or county by FIPS code (19 is Iowa), or conus.")
    ],
    like: Annotated[str, typer.Option("--like", help="Recipe for everything except the area.")] = "iowa",
    data_dir: DataDir = DATA_DIR,
    workers: Workers = None,
    mbit: Annotated[float, typer.Option("--mbit", min=1, help="Download speed in Mbit/s.")] = 100.0,
    source: SourceOption = None,
    as_json: AsJson = False,
) -> None:
    """Estimate requests, bytes and hours for an area, without searching a catalogue."""
    from dataclasses import asdict

    from mmvsf.datasets.cube.grid_of_recipe import grid_from_recipe
    from mmvsf.pipeline.estimate.conus import recipes_for
    from mmvsf.pipeline.estimate.cost import region_cost
    from mmvsf.pipeline.estimate.cost_table import cost_table

    count = workers or os.cpu_count() or 1
    folder = local_folder(location(data_dir))
    costs = {
        name: region_cost(region, grid_from_recipe(region, recipe, folder), count, mbit)
        for name, (region, recipe) in recipes_for(areas, like, source).items()
    }
    if as_json:
        typer.echo(json.dumps({name: asdict(estimate) for name, estimate in costs.items()}))
        return
    console.print(cost_table(costs, count, mbit))


@app.command(rich_help_panel=BUILD)
def dataset(
    region: RegionArgument,
    data_dir: DataDir = DATA_DIR,
    workers: Workers = None,
    scheduler: Scheduler = None,
    accept_failed: AcceptFailed = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Delete the existing cube.")] = False,
    fewer_scenes: Annotated[
        bool, typer.Option("--fewer-scenes", help="Remove scenes that the catalogue lists no longer.")
    ] = False,
    source: SourceOption = None,
    blocks: BlocksOption = None,
    as_json: AsJson = False,
) -> None:
    """Build the cube of a region, or finish an interrupted build."""
    from mmvsf.pipeline.build.seal import finished_build

    started = time.monotonic()
    folder = reachable(data_dir)
    finished = None if overwrite else finished_build(region, folder, source=source, blocks=blocks)
    if finished is not None and card_path(finished.cube).is_file():
        status_console(as_json).print("Nothing has changed since the cube was finished.")
        show_finished(finished, started, as_json)
        return
    from mmvsf.pipeline.build.executor import executor
    from mmvsf.pipeline.build.plan import build_plan
    from mmvsf.pipeline.build.run import build
    from mmvsf.pipeline.estimate.preview import preview
    from mmvsf.pipeline.estimate.preview_table import tables
    from mmvsf.pipeline.sandbox.ensure import ensure_archive

    count = workers or os.cpu_count() or 1
    with executor(workers, scheduler) as run:
        ensure_archive(region, local_folder(folder), count, status_console(as_json))
        with waiting(status_console(as_json)):
            plan = build_plan(region, folder, source=source, blocks=blocks)
        if not as_json:
            console.print(tables(plan, preview(plan, count), count))
        with build_progress(started, as_json) as progress:
            summary = build(
                plan, run, progress, accept_failed=accept_failed, overwrite=overwrite, fewer_scenes=fewer_scenes,
                check=refuse_unsound,
            )  # fmt: skip
    show_cube(plan, summary, started, as_json)


@app.command(rich_help_panel=BUILD)
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
    """Extend a cube in place after a change of its recipe; existing data are not changed.

    Adds days, blocks, label years, weather variables and products, and replaces provisional weather.
    """
    from mmvsf.pipeline.build.executor import executor
    from mmvsf.pipeline.build.extend import extend as extend_cube
    from mmvsf.pipeline.build.extend import open_target_cube, plan_extension
    from mmvsf.pipeline.estimate.preview import preview
    from mmvsf.pipeline.estimate.preview_table import tables
    from mmvsf.pipeline.sandbox.ensure import ensure_archive

    started = time.monotonic()
    count = workers or os.cpu_count() or 1
    folder = reachable(data_dir)
    cube = open_target_cube(region, folder, source=source, blocks=blocks)
    with executor(workers, scheduler) as run:
        ensure_archive(region, local_folder(folder), count, status_console(as_json))
        with waiting(status_console(as_json)):
            plan = plan_extension(cube, region, folder, source=source, blocks=blocks)
        if not as_json:
            console.print(tables(plan, preview(plan, count), count))
        with build_progress(started, as_json) as progress:
            extended = extend_cube(cube, plan, run, progress, accept_failed=accept_failed, check=refuse_unsound)
    show_cube(plan, extended.summary, started, as_json, {"chunks_in_another_part": extended.moved_chunks})


@app.command(rich_help_panel=BUILD)
def repair(
    region: RegionArgument,
    data_dir: DataDir = DATA_DIR,
    workers: Workers = None,
    scheduler: Scheduler = None,
    accept_failed: AcceptFailed = False,
    source: SourceOption = None,
    blocks: BlocksOption = None,
    as_json: AsJson = False,
) -> None:
    """Rebuild only the missing or damaged parts of a cube, which `mmvsf verify` lists.

    If the sources have not changed, the cube has its original digest afterwards.
    """
    from mmvsf.pipeline.build.executor import executor
    from mmvsf.pipeline.build.plan import build_plan
    from mmvsf.pipeline.build.repair import repair as repair_cube
    from mmvsf.pipeline.sandbox.ensure import ensure_archive

    started = time.monotonic()
    folder = reachable(data_dir)
    with executor(workers, scheduler) as run:
        ensure_archive(region, local_folder(folder), workers or os.cpu_count() or 1, status_console(as_json))
        with waiting(status_console(as_json)):
            plan = build_plan(region, folder, source=source, blocks=blocks)
        with build_progress(started, as_json) as progress:
            repaired = repair_cube(plan, run, progress, accept_failed=accept_failed, check=refuse_unsound)
    facts = {"units": repaired.units, "digest_before": repaired.before, "digest": repaired.after}
    typer.echo(json.dumps(facts) if as_json else repaired.sentence)


app.add_typer(new.app)
app.add_typer(search.app)
app.add_typer(inspect.app)
app.add_typer(publish.app)
app.add_typer(doctor.app)
app.add_typer(explore.app)
