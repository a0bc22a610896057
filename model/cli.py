"""The commands of the model: pretrain, cropmap, forecast, embed, evaluate. Torch is imported only when one runs."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmvsf.datasets.console import plain_console
from mmvsf.datasets.cube.calendar import date_of, day_number
from mmvsf.datasets.cube.cube import Cube, find_cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.extras import install_hint
from mmvsf.datasets.storage.location import location
from mmvsf.datasets.storage.run_lock import run_lock

if TYPE_CHECKING:
    from mmvsf.model.mmvsf.checkpoint import Checkpoint

app = typer.Typer(no_args_is_help=True)

CubeArgument = Annotated[
    str, typer.Argument(help="A cube: its path or address, the name of its region, or the path of its recipe.")
]
DataDir = Annotated[
    str, typer.Option(envvar="DATA_DIR", help="Folder that holds the cubes, or s3://, gs:// or az://BUCKET/PREFIX.")
]
RunsDir = Annotated[str, typer.Option(envvar="RUNS_DIR", help="Local folder that results are written to.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of weights and samples.")]
ModelDir = Annotated[
    str | None,
    typer.Option("--model", show_default="the region's own run", help="Local folder of a pretrained model."),
]


@app.command()
def pretrain(
    regions: Annotated[list[str], typer.Argument(help="One or several cubes; results go to the first one's run.")],
    data_dir: DataDir = "data",
    runs_dir: RunsDir = "runs",
    size: Annotated[str, typer.Option(help="Size of the network: compact, large or paper.")] = "compact",
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = 1500,
    batch_size: Annotated[int, typer.Option(min=1, help="Windows in a batch, on each device.")] = 8,
    learning_rate: Annotated[float, typer.Option(min=0, help="Peak learning rate.")] = 2e-3,
    window: Annotated[int, typer.Option(min=1, help="Side of the training windows, in pixels.")] = 16,
    mask_ratio: Annotated[float, typer.Option(min=0, max=0.95, help="Share of patches hidden in training.")] = 0.25,
    objective: Annotated[str, typer.Option(help="mm-vsf, sm-vsf, mm-mae, sm-mae or kg-vsf.")] = "mm-vsf",
    seed: Seed = 0,
    devices: Annotated[int, typer.Option(min=1, help="GPUs (or processes) to train on.")] = 1,
    workers: Annotated[int, typer.Option(min=0, help="Loader processes; 0 reads in the training process.")] = 0,
    restart: Annotated[bool, typer.Option("--restart/--resume", help="Drop an unfinished run, or resume it.")] = False,
) -> None:
    """Pretrain the network; by default as MM-VSF: forecast images from earlier ones and the weather in between."""
    _need_torch()
    from mmvsf.model.pretraining.fit import PretrainOptions
    from mmvsf.model.pretraining.run import pretrain as run

    from .tables import show_pretrain

    runs = _local_folder("--runs-dir", runs_dir)
    cubes = [_open(region, data_dir) for region in regions]
    folder = runs / cubes[0].region.name / "pretrain"
    options = PretrainOptions(
        size=size, steps=steps, batch_size=batch_size, learning_rate=learning_rate, window=window,
        mask_ratio=mask_ratio, objective=objective, seed=seed, devices=devices, workers=workers,
    )  # fmt: skip
    with _lock(folder, "pretrain"):
        metrics = run(cubes, folder, options, restart=restart)
    if metrics:
        show_pretrain(metrics, folder)


@app.command()
def cropmap(
    region: CubeArgument,
    data_dir: DataDir = "data",
    runs_dir: RunsDir = "runs",
    model: ModelDir = None,
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = 250,
    batch_size: Annotated[int, typer.Option(min=1, help="Windows in a batch.")] = 8,
    learning_rate: Annotated[float, typer.Option(min=0, help="Peak learning rate.")] = 1e-3,
    freeze: Annotated[bool, typer.Option("--freeze", help="Train the head only, not the encoder.")] = False,
    scratch: Annotated[bool, typer.Option("--scratch", help="Start from random weights, for comparison.")] = False,
    year: Annotated[
        int | None, typer.Option(show_default="the held-out one, or the latest", help="Year to map.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Map crops with the pretrained encoder, and compare with a random forest."""
    _need_torch()
    from mmvsf.model.cropmap.run import CropmapOptions
    from mmvsf.model.cropmap.run import cropmap as run

    from .tables import show_cropmap

    runs = _local_folder("--runs-dir", runs_dir)
    cube = _open(region, data_dir)
    checkpoint, where = _model(model, runs, cube)
    folder = runs / cube.region.name / "cropmap"
    options = CropmapOptions(
        steps=steps, batch_size=batch_size, learning_rate=learning_rate, freeze=freeze, scratch=scratch,
        seed=seed, year=year,
    )  # fmt: skip
    with _lock(folder, "cropmap"):
        show_cropmap(run(cube, checkpoint, folder, options, where), folder)


@app.command()
def forecast(
    region: CubeArgument,
    day: Annotated[str, typer.Option(help="Day to forecast, YYYY-MM-DD.")],
    block: Annotated[str | None, typer.Option(show_default="the first", help="Block as ROW,COLUMN.")] = None,
    lead: Annotated[int, typer.Option(min=1, help="Days ahead: use only images at least this much older.")] = 1,
    data_dir: DataDir = "data",
    runs_dir: RunsDir = "runs",
    model: ModelDir = None,
) -> None:
    """Forecast the image of a day over a block, from earlier images and the weather up to the day before."""
    _need_torch()
    from mmvsf.datasets.samples.reader import WindowReader
    from mmvsf.model.pretraining.run import window_size
    from mmvsf.model.training.device import autocast_precision, choose_device

    from .figures import save
    from .forecasting.block import check_block_and_day, forecast_block, write_image
    from .forecasting.figure import forecast_figure
    from .tables import show_forecast

    target, chosen = _parse_day(day), _parse_block(block)
    runs = _local_folder("--runs-dir", runs_dir)
    cube = _open(region, data_dir)
    index = chosen or cube.grid.blocks[0]
    check_block_and_day(cube, index, day_number(target))
    checkpoint, where = _model(model, runs, cube)
    device = choose_device()
    network = checkpoint.network.to(device)
    folder = runs / cube.region.name / "forecast"
    name = f"{target}-block-{index[0]}-{index[1]}"
    with _lock(folder, "forecast"):
        result = forecast_block(
            network,
            WindowReader(cube, checkpoint.normalisation),
            index,
            day_number(target),
            lead=lead,
            size=window_size([cube], network.config.patch),
            weather=checkpoint.weather,
            precision=autocast_precision(device),
        )
        tags = {"day": str(target), "issued": str(date_of(result.issued)), "model": str(where)}
        write_image(folder / f"{name}.tif", result.forecast, cube, index, tags)
        save(forecast_figure([(f"block {index[0]},{index[1]}", result)], cube.bands), folder / f"{name}.png")
    show_forecast(result, folder / name)


@app.command()
def embed(
    region: CubeArgument,
    every: Annotated[
        int | None,
        typer.Option(min=1, show_default="one per year, the mean of its season", help="Days between embeddings."),
    ] = None,
    data_dir: DataDir = "data",
    runs_dir: RunsDir = "runs",
    model: ModelDir = None,
) -> None:
    """Write the encoder's embeddings of a whole cube to a Zarr store, or resume writing them."""
    _need_torch()
    from mmvsf.datasets.sidecars.embeddings import embeddings_path

    from .embed import embed as run

    runs = _local_folder("--runs-dir", runs_dir)
    cube = _open(region, data_dir)
    checkpoint, where = _model(model, runs, cube)
    path = embeddings_path(cube.region.name, runs)
    with _lock(path, "embed"):
        run(cube, checkpoint, path, where, every=every)
    plain_console().print(f"embeddings  {path}", soft_wrap=True)


@app.command()
def evaluate(
    region: CubeArgument,
    data_dir: DataDir = "data",
    runs_dir: RunsDir = "runs",
    control: Annotated[str | None, typer.Option(help="Cube in which weather has no effect, as a control.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes, to see that everything works.")] = False,
    document: Annotated[str | None, typer.Option(help="Markdown file to write the results to as well.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, show_default="one per processor", help="Processes.")] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Start no further piece after so many minutes; run again to continue.")
    ] = None,
) -> None:
    """Test the paper's claims: five objectives, baselines, ablations, every year held out in turn."""
    _need_torch()
    from mmvsf.model.evaluation.command import evaluate as run
    from mmvsf.model.evaluation.core.settings import FULL, QUICK

    from .tables import show_sections

    runs = _local_folder("--runs-dir", runs_dir)
    markdown = _local_folder("--document", document) if document else None
    cube = _open(region, data_dir)
    folder = runs / cube.region.name / ("evaluate-quick" if quick else "evaluate")
    with _lock(folder, "evaluate"):
        sections = run(
            cube,
            folder,
            QUICK if quick else FULL,
            control=_open(control, data_dir) if control else None,
            document=markdown,
            minutes=minutes,
            workers=workers,
        )
    show_sections(sections, folder)


def _need_torch() -> None:
    """Raises InputError where torch is not installed."""
    # GNU OpenMP's threads spin for milliseconds before they sleep, which starves training where other programs use
    # the cores; sleeping at once halves its speed where none do. A short spin does well in both cases.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    try:
        import lightning  # noqa: F401
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(install_hint(error)) from error


def _lock(target: Path, command: str) -> AbstractContextManager[None]:
    """The lock of what a command writes. Raises IncompleteError where another command holds it."""
    # Training on several devices starts this command again for each of the others.
    if os.environ.get("LOCAL_RANK", "0") != "0":
        return nullcontext()
    return run_lock(target, f"mmvsf {command}")


def _open(region: str, data_dir: str) -> Cube:
    return Cube.open(find_cube(region, location(data_dir)))


def _local_folder(option: str, text: str) -> Path:
    """The path given to an option. Raises InputError for an address, since results are written to local files."""
    path = location(text)
    if not isinstance(path, Path):
        raise InputError(f"{option} {text}: results are written to local files; give a path on this machine")
    return path


def _model(model: str | None, runs: Path, cube: Cube) -> tuple[Checkpoint, Path]:
    """The model for a cube, with its folder. Raises InputError where there is none that fits."""
    from mmvsf.model.mmvsf.checkpoint import check_fits, load_checkpoint

    where = _local_folder("--model", model) if model else runs / cube.region.name / "pretrain"
    checkpoint = load_checkpoint(where)
    check_fits(checkpoint, cube, where)
    if model is None and cube.digest not in checkpoint.config["cubes"]:
        plain_console(stderr=True).print(
            f"note: the model in {where} was trained on another cube than {cube.path}; pretrain on this cube, or name"
            " the model with --model",
            soft_wrap=True,
        )
    return checkpoint, where


def _parse_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"--day {text}: not a day; write YYYY-MM-DD, e.g. 2022-07-15") from error


def _parse_block(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    try:
        row, column = text.split(",")
        return int(row), int(column)
    except ValueError as error:
        raise InputError(f"--block {text}: not a block; write ROW,COLUMN, e.g. 0,0") from error
