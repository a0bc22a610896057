"""Commands that apply what was trained: embed, map, areas."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmvsf.datasets.console import MODEL, plain_console
from mmvsf.datasets.errors import InputError

from .options import (
    CubeArgument,
    DataDir,
    ModelDir,
    RunsDir,
    Scheduler,
    Workers,
    local_folder,
    lock,
    need_torch,
    open_cube,
    parse_day,
    pretrained_model,
)

app = typer.Typer()


@app.command(rich_help_panel=MODEL)
def embed(
    region: CubeArgument,
    every: Annotated[
        int | None,
        typer.Option(min=1, show_default="one per season, its mean", help="Days between embeddings."),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            show_default="a pretrained MM-VSF", help="Another encoder: MODULE:OBJECT, or the path of an ONNX file."
        ),
    ] = None,
    workers: Workers = None,
    data_dir: DataDir = "data",
    runs_dir: RunsDir = "runs",
    model: ModelDir = None,
) -> None:
    """Write an encoder's embeddings of a whole cube to a Zarr store; resumes if interrupted."""
    need_torch()
    from mmvsf.datasets.sidecars.embeddings import embeddings_path
    from mmvsf.model.embed.adapter import AdaptedEncoder
    from mmvsf.model.embed.network import NetworkEncoder
    from mmvsf.model.embed.run import WindowEncoder
    from mmvsf.model.embed.run import embed as run

    runs = local_folder("--runs-dir", runs_dir)
    if encoder and model:
        raise InputError("--model and --encoder each name an encoder; give only one of them")
    cube = open_cube(region, data_dir)
    chosen: WindowEncoder
    if encoder:
        chosen = AdaptedEncoder.of(cube, encoder)
    else:
        chosen = NetworkEncoder.of(cube, *pretrained_model(model, runs, cube))
    path = embeddings_path(cube.region.name, runs)
    with lock(path, "embed"):
        run(cube, chosen, path, every=every, workers=workers)
    plain_console().print(f"embeddings  {path}", soft_wrap=True)


@app.command("map", rich_help_panel=MODEL)
def map_command(
    region: CubeArgument,
    mapper: Annotated[
        str | None,
        typer.Option(
            show_default="the region's own", help="Folder that cropmap wrote, or that of the region's results."
        ),
    ] = None,
    year: Annotated[
        int | None, typer.Option(show_default="that of --until, or the last with images", help="Year to map.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(show_default="the whole season", help="Last day whose images are used, YYYY-MM-DD.")
    ] = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    data_dir: DataDir = "data",
    runs_dir: RunsDir = "runs",
) -> None:
    """Map crops of any cube with a mapper that `mmvsf cropmap` trained; resumes if interrupted.

    The cube needs no labels. Also writes probabilities, how unlike the training each pixel is, and areas by class.
    """
    need_torch()
    from mmvsf.model.cropmap.map import MapOptions, map_region
    from mmvsf.model.tables import show_map

    runs = local_folder("--runs-dir", runs_dir)
    cube = open_cube(region, data_dir)
    where = local_folder("--mapper", mapper) if mapper else runs / cube.region.name
    options = MapOptions(year, parse_day("--until", until) if until else None, workers, scheduler)
    with lock(runs / cube.region.name / "map", "map"):
        show_map(*map_region(cube, where, runs / cube.region.name / "map", options))


@app.command(rich_help_panel=MODEL)
def areas(
    region: CubeArgument,
    data_dir: DataDir = "data",
    runs_dir: RunsDir = "runs",
    reference: Annotated[
        Path | None,
        typer.Option(show_default="draw one", help="Reference sample drawn by this command, filled in."),
    ] = None,
    map_dir: Annotated[
        str | None,
        typer.Option("--map", show_default="that of cropmap", help="Folder of a map that `mmvsf map` wrote."),
    ] = None,
    per_class: Annotated[int, typer.Option(min=2, max=100_000, help="Reference pixels per mapped class.")] = 50,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Seed of the draw of the sample and of the limits.")
    ] = 0,
) -> None:
    """Estimate class areas of the crop map, with confidence limits, from a reference sample.

    Without --reference, draws a sample and labels it from the cube, if the cube
    has labels for the map's year. If it has none, fill in the table that this
    command writes, and run it again with --reference.
    """
    from mmvsf.model.areas.run import SAMPLE, AreaOptions
    from mmvsf.model.areas.run import areas as run
    from mmvsf.model.tables import show_areas

    cube = open_cube(region, data_dir)
    runs = local_folder("--runs-dir", runs_dir)
    folder = local_folder("--map", map_dir) if map_dir else runs / cube.region.name / "cropmap"
    with lock(folder, "areas"):
        result = run(cube, folder, AreaOptions(per_class, seed), reference)
    if result is None:
        plain_console().print(
            f"fill in the column `reference` of {folder / SAMPLE} with the class of each pixel on the ground, without"
            f" looking at `mapped`, then run `mmvsf areas {region} --map {folder} --reference {folder / SAMPLE}`",
            soft_wrap=True,
        )
    else:
        show_areas(result, folder)
