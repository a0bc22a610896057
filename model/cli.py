"""The commands that learn: pretrain, cropmap, forecast, embed, evaluate. Torch is imported only when one runs."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from mmvsf.datasets.cube.calendar import date_of, day_number
from mmvsf.datasets.cube.cube import Cube, find_cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.location import location

if TYPE_CHECKING:
    from mmvsf.model.mmvsf.checkpoint import Checkpoint

app = typer.Typer(no_args_is_help=True)

CubeArgument = Annotated[
    str, typer.Argument(help="A cube: its path or address, the name of its region, or the path of its recipe.")
]
DataDir = Annotated[str, typer.Option(envvar="DATA_DIR", help="Folder that holds the cubes, or s3://BUCKET/PREFIX.")]
RunsDir = Annotated[Path, typer.Option(envvar="RUNS_DIR", help="Folder that results are written to.")]
Seed = Annotated[int, typer.Option(help="Seed of weights and samples.")]
ModelDir = Annotated[
    Path | None, typer.Option("--model", show_default="the region's own run", help="Folder of a pretrained model.")
]


@app.command()
def pretrain(
    regions: Annotated[list[str], typer.Argument(help="One or several regions; results go to the first one's run.")],
    data_dir: DataDir = "data",
    runs_dir: RunsDir = Path("runs"),
    size: Annotated[str, typer.Option(help="Size of the network: compact, large or paper.")] = "compact",
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = 1500,
    batch_size: Annotated[int, typer.Option(min=1, help="Windows in a batch, on each device.")] = 8,
    learning_rate: Annotated[float, typer.Option(min=0, help="Peak learning rate.")] = 2e-3,
    window: Annotated[int, typer.Option(min=1, help="Pixels a side of the training windows.")] = 16,
    mask_ratio: Annotated[float, typer.Option(min=0, max=0.95, help="Share of patches hidden in training.")] = 0.25,
    objective: Annotated[str, typer.Option(help="mm-vsf, sm-vsf, mm-mae, sm-mae or kg-vsf.")] = "mm-vsf",
    seed: Seed = 0,
    devices: Annotated[int, typer.Option(min=1, help="GPUs (or processes) to train on.")] = 1,
    workers: Annotated[int, typer.Option(min=0, help="Loader processes; 0 reads in the training process.")] = 0,
    restart: Annotated[bool, typer.Option("--restart/--resume", help="Drop an unfinished run, or go on.")] = False,
) -> None:
    """Pretrain the network; by default as MM-VSF: forecast images from earlier ones and the weather in between."""
    _need_torch()
    from mmvsf.model.pretraining.fit import PretrainOptions
    from mmvsf.model.pretraining.run import pretrain as run

    cubes = [_open(region, data_dir) for region in regions]
    folder = runs_dir / cubes[0].region.name / "pretrain"
    options = PretrainOptions(
        size=size, steps=steps, batch_size=batch_size, learning_rate=learning_rate, window=window,
        mask_ratio=mask_ratio, objective=objective, seed=seed, devices=devices, workers=workers,
    )  # fmt: skip
    metrics = run(cubes, folder, options, restart=restart)
    if metrics:
        _show_pretrain(metrics, folder)


@app.command()
def cropmap(
    region: CubeArgument,
    data_dir: DataDir = "data",
    runs_dir: RunsDir = Path("runs"),
    model: ModelDir = None,
    steps: Annotated[int, typer.Option(min=1, help="Training steps.")] = 250,
    batch_size: Annotated[int, typer.Option(min=1, help="Windows in a batch.")] = 8,
    learning_rate: Annotated[float, typer.Option(min=0, help="Peak learning rate.")] = 1e-3,
    freeze: Annotated[bool, typer.Option("--freeze", help="Train the head only, leave the encoder as it is.")] = False,
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

    cube = _open(region, data_dir)
    checkpoint, where = _model(model, runs_dir, cube)
    folder = runs_dir / cube.region.name / "cropmap"
    options = CropmapOptions(
        steps=steps, batch_size=batch_size, learning_rate=learning_rate, freeze=freeze, scratch=scratch,
        seed=seed, year=year,
    )  # fmt: skip
    _show_cropmap(run(cube, checkpoint, folder, options, where), folder)


@app.command()
def forecast(
    region: CubeArgument,
    day: Annotated[str, typer.Option(help="Day to forecast, YYYY-MM-DD.")],
    block: Annotated[str | None, typer.Option(show_default="the first", help="Block as ROW,COLUMN.")] = None,
    lead: Annotated[int, typer.Option(min=1, help="Use images at least this many days older.")] = 1,
    data_dir: DataDir = "data",
    runs_dir: RunsDir = Path("runs"),
    model: ModelDir = None,
) -> None:
    """Forecast the image of a day over a block, with the weather known up to the day before."""
    _need_torch()
    from mmvsf.datasets.samples.reader import WindowReader
    from mmvsf.model.pretraining.device import autocast_precision, choose_device
    from mmvsf.model.pretraining.run import window_size

    from .figures import forecast_figure, save
    from .forecast import forecast_block, write_image

    target, place = _parse_day(day), _parse_block(block)
    cube = _open(region, data_dir)
    checkpoint, where = _model(model, runs_dir, cube)
    place = place or cube.grid.blocks[0]
    device = choose_device()
    network = checkpoint.network.to(device)
    result = forecast_block(
        network,
        WindowReader(cube, checkpoint.normalisation),
        place,
        day_number(target),
        lead=lead,
        size=window_size([cube], network.config.patch),
        weather=checkpoint.weather,
        precision=autocast_precision(device),
    )
    folder = runs_dir / cube.region.name / "forecast"
    name = f"{target}-block-{place[0]}-{place[1]}"
    tags = {"day": str(target), "issued": str(date_of(result.issued)), "model": str(where)}
    write_image(folder / f"{name}.tif", result.forecast, cube, place, tags)
    save(forecast_figure([(f"block {place[0]},{place[1]}", result)], cube.bands), folder / f"{name}.png")
    table = Table("forecast", "issued", "days ahead", "seen clear before", "seen clear that day")
    before, then = (float((image == image).all(0).mean()) for image in (result.last, result.observed))
    table.add_row(
        str(target), str(date_of(result.issued)), str(result.day - result.issued), f"{before:.0%}", f"{then:.0%}"
    )
    console = Console()
    console.print(table)
    if before < 1:
        console.print(
            f"{1 - before:.0%} of the pixels were never seen clear before; their forecast rests on the weather and the"
            " pixels around them alone"
        )
    console.print(f"image    {folder / name}.tif\npicture  {folder / name}.png", soft_wrap=True)


@app.command()
def embed(
    region: CubeArgument,
    every: Annotated[
        int | None,
        typer.Option(min=1, show_default="one per year, the mean of its season", help="Days between embeddings."),
    ] = None,
    data_dir: DataDir = "data",
    runs_dir: RunsDir = Path("runs"),
    model: ModelDir = None,
) -> None:
    """Write the encoder's embeddings of a whole cube as a Zarr cube of its own, or finish writing them."""
    _need_torch()
    from mmvsf.datasets.sidecars.embeddings import embeddings_path

    from .embed import embed as run

    cube = _open(region, data_dir)
    checkpoint, where = _model(model, runs_dir, cube)
    path = run(cube, checkpoint, embeddings_path(cube.region.name, runs_dir), where, every=every)
    Console().print(f"embeddings  {path}", soft_wrap=True)


@app.command()
def evaluate(
    region: CubeArgument,
    data_dir: DataDir = "data",
    runs_dir: RunsDir = Path("runs"),
    control: Annotated[str | None, typer.Option(help="Region in which weather moves nothing.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small settings: does it all run?")] = False,
    document: Annotated[Path | None, typer.Option(help="Markdown file to write the results to as well.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, show_default="one per processor", help="Processes.")] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Stop before a piece after so long; go on later.")
    ] = None,
) -> None:
    """Put the paper's claims to the test: five objectives, baselines, ablations, every year held out."""
    _need_torch()
    from mmvsf.model.evaluation.command import evaluate as run
    from mmvsf.model.evaluation.settings import FULL, QUICK

    cube = _open(region, data_dir)
    folder = runs_dir / cube.region.name / ("evaluate-quick" if quick else "evaluate")
    sections = run(
        cube,
        folder,
        QUICK if quick else FULL,
        control=_open(control, data_dir) if control else None,
        document=document,
        minutes=minutes,
        workers=workers,
    )
    console = Console()
    for section in sections:
        console.print(f"\n{section.title}", style="bold", highlight=False)
        for found in section.tables:
            table = Table(*found.head, title=found.caption)
            for row in found.rows:
                table.add_row(*row)
            console.print(table)
    console.print(f"results  {folder / 'results.json'}", soft_wrap=True)


def _need_torch() -> None:
    """Raises InputError where torch is not installed."""
    # GNU OpenMP's threads spin for milliseconds before they sleep, which starves training where other programs use
    # the cores; sleeping at once halves its speed where none do. A short spin does well in both cases.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    try:
        import lightning  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"{error.name} is not installed; `pip install 'mmvsf[train]'` adds what training needs"
        ) from error


def _open(region: str, data_dir: str) -> Cube:
    return Cube.open(find_cube(region, location(data_dir)))


def _model(model: Path | None, runs_dir: Path, cube: Cube) -> tuple[Checkpoint, Path]:
    from mmvsf.model.mmvsf.checkpoint import check_fits, load_checkpoint

    where = model or runs_dir / cube.region.name / "pretrain"
    checkpoint = load_checkpoint(where)
    check_fits(checkpoint, cube, where)
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


def _show_pretrain(metrics: dict[str, Any], folder: Path) -> None:
    """Error by held-out set, method and lead time; the last lines of the command."""
    rows = {(r["set"], r["method"], r["lead"]): r for r in metrics["forecast"] if r["variable"] == "mean"}
    leads = [lead for lead in ("5-10", "11-20", "21-40", "41-80", "all") if any(key[2] == lead for key in rows)]
    table = Table("held-out set", "method", *leads, title="forecast error by days ahead (MSE, 1 = training variance)")
    for part, method in dict.fromkeys((key[0], key[1]) for key in rows):
        values = [rows.get((part, method, lead), {}).get("mse") for lead in leads]
        table.add_row(part.replace("_", " "), method, *("-" if v is None else f"{v:.3f}" for v in values))
    console, training = Console(), metrics["training"]
    console.print(table if rows else "nothing is held out, so nothing was scored")
    console.print(
        f"{training['steps']} steps, {training['windows_per_second']} windows/s, {training['precision']} on "
        f"{training['device']}\nmodel     {folder / 'weights.safetensors'}\nscores    {folder / 'metrics.json'}\n"
        f"pictures  {folder / 'forecast.png'}, {folder / 'loss.png'}",
        soft_wrap=True,
    )


def _show_cropmap(metrics: dict[str, Any], folder: Path) -> None:
    """Scores by held-out set and method; the last lines of the command."""
    table = Table("held-out set", "method", "mean F1", "accuracy", "mIoU", title="crop map")
    for row in metrics["scores"]:
        values = (row["mean_f1"], row["accuracy"], row["miou"])
        table.add_row(
            row["set"].replace("_", " "), row["method"].replace("_", " "),
            *("-" if v is None else f"{v:.3f}" for v in values),
        )  # fmt: skip
    console = Console()
    console.print(table if metrics["scores"] else "no labels are held out, so nothing was scored")
    console.print(
        f"map of {metrics['map']['year']}  {folder / 'crop_map.tif'} (confidence.tif beside it)\n"
        f"scores       {folder / 'metrics.json'}\npicture      {folder / 'map.png'}",
        soft_wrap=True,
    )
