"""Commands that train: pretrain, cropmap, evaluate."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from mmvsf.datasets.console import JUDGE, MODEL
from mmvsf.model.mmvsf.sizes import SIZES

from .options import (
    CubeArgument,
    DataDir,
    ModelDir,
    RunsDir,
    Seed,
    Workers,
    local_folder,
    lock,
    named_model,
    need_torch,
    open_cube,
    pretrained_model,
)

app = typer.Typer()

Agreement = Annotated[
    float | None,
    typer.Option(
        min=0,
        show_default="that of the objective",
        help="Weight, while forecasting, of the agreement of embeddings from two halves of the images; 0 for none.",
    ),
]
CalendarShift = Annotated[
    float,
    typer.Option(
        min=0,
        help="Shift the calendar of each training sample by random days of this deviation, so that the model serves"
        " other climates; try 20.",
    ),
]
Site = Annotated[
    bool, typer.Option("--site", help="Give the network the static layers of the cubes and the day length.")
]


@app.command(rich_help_panel=MODEL)
def pretrain(
    regions: Annotated[list[str], typer.Argument(help="One or several cubes; results go to the run of the first.")],
    data_dir: DataDir = "data",
    runs_dir: RunsDir = "runs",
    start: Annotated[
        str | None,
        typer.Option(
            show_default="random weights",
            help="Begin from a pretrained model: its local folder, or the region it was pretrained on.",
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(show_default="compact, or that of --start", help=f"Size of the network: {', '.join(SIZES)}."),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = 1500,
    batch_size: Annotated[int, typer.Option(min=1, help="Windows in a batch, on each device.")] = 8,
    learning_rate: Annotated[float, typer.Option(min=0, help="Peak learning rate.")] = 2e-3,
    window: Annotated[int, typer.Option(min=1, help="Side of the training windows, in pixels.")] = 16,
    mask_ratio: Annotated[
        float, typer.Option(min=0, max=0.95, help="Share of each image hidden while forecasting.")
    ] = 0.25,
    objective: Annotated[str, typer.Option(help="mm-vsf, sm-vsf, mm-mae, sm-mae or kg-vsf.")] = "mm-vsf",
    agreement: Agreement = None,
    calendar_shift: CalendarShift = 0.0,
    site: Site = False,
    seed: Seed = 0,
    devices: Annotated[int, typer.Option(min=1, help="GPUs (or processes) to train on.")] = 1,
    workers: Annotated[int, typer.Option(min=0, help="Loader processes; 0 reads in the training process.")] = 0,
    logger: Annotated[
        str | None, typer.Option(show_default="none", help="Logger of Lightning: csv, tensorboard, wandb, mlflow, ...")
    ] = None,
    restart: Annotated[bool, typer.Option("--restart/--resume", help="Discard an unfinished run, or resume.")] = False,
) -> None:
    """Pretrain the network, by default to forecast images from earlier images and the weather in between (MM-VSF)."""
    need_torch()
    from mmvsf.model.mmvsf.checkpoint import load_checkpoint
    from mmvsf.model.pretraining.fit import PretrainOptions
    from mmvsf.model.pretraining.run import pretrain as run
    from mmvsf.model.pretraining.start import Start
    from mmvsf.model.tables import show_pretrain

    runs = local_folder("--runs-dir", runs_dir)
    cubes = [open_cube(region, data_dir) for region in regions]
    where = named_model("--start", start, runs) if start else None
    begin = Start(load_checkpoint(where), where) if where else None
    folder = runs / cubes[0].region.name / "pretrain"
    options = PretrainOptions(
        size=size, steps=steps, batch_size=batch_size, learning_rate=learning_rate, window=window,
        mask_ratio=mask_ratio, objective=objective, agreement=agreement, calendar_shift=calendar_shift, site=site,
        seed=seed, devices=devices, workers=workers,
    )  # fmt: skip
    with lock(folder, "pretrain"):
        metrics = run(cubes, folder, options, start=begin, restart=restart, logger=logger)
    if metrics:
        show_pretrain(metrics, folder)


@app.command(rich_help_panel=MODEL)
def cropmap(
    region: CubeArgument,
    data_dir: DataDir = "data",
    runs_dir: RunsDir = "runs",
    model: ModelDir = None,
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = 250,
    batch_size: Annotated[int, typer.Option(min=1, help="Windows in a batch.")] = 8,
    learning_rate: Annotated[
        float, typer.Option(min=0, help="Peak learning rate of the encoder; that of the head is 8 times as high.")
    ] = 1e-3,
    freeze: Annotated[bool, typer.Option("--freeze", help="Train the head only, not the encoder.")] = False,
    scratch: Annotated[bool, typer.Option("--scratch", help="Start from random weights, for comparison.")] = False,
    year: Annotated[
        int | None, typer.Option(show_default="the last held-out one with images, or the latest", help="Year to map.")
    ] = None,
    early: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of training seasons cut short, for maps within a season."),
    ] = 0.25,
    workers: Workers = None,
    seed: Seed = 0,
) -> None:
    """Train a crop mapper on the pretrained encoder, map a year, and compare with a random forest."""
    need_torch()
    from mmvsf.model.cropmap.run import CropmapOptions
    from mmvsf.model.cropmap.run import cropmap as run
    from mmvsf.model.tables import show_cropmap

    runs = local_folder("--runs-dir", runs_dir)
    cube = open_cube(region, data_dir)
    checkpoint, where = pretrained_model(model, runs, cube, scratch=scratch)
    folder = runs / cube.region.name / "cropmap"
    options = CropmapOptions(
        steps=steps, batch_size=batch_size, learning_rate=learning_rate, freeze=freeze, scratch=scratch,
        seed=seed, year=year, early=early, workers=workers,
    )  # fmt: skip
    with lock(folder, "cropmap"):
        show_cropmap(run(cube, checkpoint, folder, options, where), folder)


@app.command(rich_help_panel=JUDGE)
def evaluate(
    region: CubeArgument,
    data_dir: DataDir = "data",
    runs_dir: RunsDir = "runs",
    control: Annotated[str | None, typer.Option(help="Cube in which weather has no effect, as a control.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A small trial, to see that everything works.")] = False,
    document: Annotated[str | None, typer.Option(help="Markdown file to write the results to as well.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, show_default="one per processor; with a GPU one", help="Processes.")
    ] = None,
    years: Annotated[int | None, typer.Option(min=1, show_default="4", help="How many years to hold out.")] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Start no new piece after this many minutes; run again to continue.")
    ] = None,
) -> None:
    """Test the paper's claims: five objectives, baselines and ablations, with years held out in turn."""
    need_torch()
    from mmvsf.model.evaluation.command import evaluate as run
    from mmvsf.model.evaluation.core.settings import FULL, QUICK
    from mmvsf.model.tables import show_sections

    settings = QUICK if quick else FULL
    if years is not None:
        settings = replace(settings, years=years, full_years=min(years, settings.full_years))
    runs = local_folder("--runs-dir", runs_dir)
    markdown = local_folder("--document", document) if document else None
    cube = open_cube(region, data_dir)
    folder = runs / cube.region.name / ("evaluate-quick" if quick else "evaluate")
    with lock(folder, "evaluate"):
        sections = run(
            cube,
            folder,
            settings,
            control=open_cube(control, data_dir) if control else None,
            document=markdown,
            minutes=minutes,
            workers=workers,
        )
    show_sections(sections, folder)
