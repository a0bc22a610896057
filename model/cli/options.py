"""What the commands of the model share: arguments, and how they find cubes, models and folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmvsf.datasets.console import plain_console
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.extras import install_hint
from mmvsf.datasets.storage.location import location
from mmvsf.datasets.storage.run_lock import run_lock

if TYPE_CHECKING:
    from mmvsf.datasets.cube.cube import Cube
    from mmvsf.model.mmvsf.checkpoint import Checkpoint

CubeArgument = Annotated[
    str, typer.Argument(help="A cube: its path or address, the name of its region, or the path of its recipe.")
]
DataDir = Annotated[
    str, typer.Option(envvar="DATA_DIR", help="Folder of cubes, or s3://, gs:// or az://BUCKET/PREFIX.")
]
RunsDir = Annotated[str, typer.Option(envvar="RUNS_DIR", help="Local folder of results.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of weights and samples.")]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        show_default="one per processor; with a GPU one",
        help="Threads; processes if more than 8.",
    ),
]
Scheduler = Annotated[str | None, typer.Option("--scheduler", help="Address of a Dask scheduler.")]
ModelDir = Annotated[
    str | None,
    typer.Option(
        "--model",
        show_default="the region's own run",
        help="A pretrained model: its local folder, or the region it was pretrained on.",
    ),
]


def need_torch() -> None:
    """Raises InputError where torch is not installed."""
    # GNU OpenMP's threads spin for milliseconds before they sleep, which starves training where other programs use
    # the cores; sleeping at once halves its speed where none do. A short spin does well in both cases.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    try:
        import lightning  # noqa: F401
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(install_hint(error)) from error


def lock(target: Path, command: str) -> AbstractContextManager[None]:
    """The lock of what a command writes. Raises IncompleteError where another command holds it."""
    # Training on several devices starts this command again for each of the others.
    if os.environ.get("LOCAL_RANK", "0") != "0":
        return nullcontext()
    return run_lock(target, f"mmvsf {command}")


def open_cube(region: str, data_dir: str) -> Cube:
    from mmvsf.datasets.cube.cube import Cube, find_cube

    return Cube.open(find_cube(region, location(data_dir)))


def local_folder(option: str, text: str) -> Path:
    """The path given to an option. Raises InputError for an address, since results are written to local files."""
    path = location(text)
    if not isinstance(path, Path):
        raise InputError(f"{option} {text}: results are written to local files; give a path on this machine")
    return path


def parse_day(option: str, text: str) -> date:
    """The day given to an option. Raises InputError for another text."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{option} {text}: not a day; write YYYY-MM-DD, e.g. 2022-07-15") from error


def named_model(option: str, name: str, runs: Path) -> Path:
    """The folder of a model that an option names: by its own folder, the folder of a region's run, or the name of that
    region; as it is given where none of these holds a model. Raises InputError for an address."""
    from mmvsf.model.mmvsf.checkpoint import CONFIG, model_folder

    folder = model_folder(local_folder(option, name))
    places = (folder, folder / "pretrain", runs / name / "pretrain")
    return next((place for place in places if (place / CONFIG).is_file()), folder)


def pretrained_model(
    model: str | None, runs: Path, cube: Cube, *, scratch: bool = False, forecasts: bool = False
) -> tuple[Checkpoint, Path]:
    """The model for a cube, with its folder. Prints a warning where it was trained on what the cube holds out, unless
    random weights replace its own (`scratch`). Raises InputError where there is none that fits, or it has to forecast
    (`forecasts`) and learned to reconstruct images only."""
    from mmvsf.model.mmvsf.checkpoint import CONFIG, check_fits, load_checkpoint
    from mmvsf.model.mmvsf.objectives import OBJECTIVES

    where = named_model("--model", model, runs) if model else runs / cube.region.name / "pretrain"
    if not (where / CONFIG).is_file():
        named = f"--model {model}: " if model else ""
        raise InputError(
            f"{named}there is no trained model in {where}; make one with `mmvsf pretrain`, or name the model of another"
            " region with --model REGION-OR-FOLDER"
        )
    checkpoint = load_checkpoint(where)
    check_fits(checkpoint.normalisation, cube, where)
    objective = checkpoint.config["training"].get("objective")
    if forecasts and objective in OBJECTIVES and not OBJECTIVES[objective].forecasts:
        raise InputError(
            f"the model in {where} learned to reconstruct images ({objective}), not to forecast them; pretrain with"
            " --objective mm-vsf, or name another model with --model"
        )
    console = plain_console(stderr=True)
    for note in _model_notes(checkpoint, where, cube, named=model is not None, scratch=scratch):
        console.print(note, soft_wrap=True)
    return checkpoint, where


def _model_notes(checkpoint: Checkpoint, where: Path, cube: Cube, *, named: bool, scratch: bool) -> Iterator[str]:
    """What a user should know of a model before it is used on a cube, one line each."""
    from mmvsf.model.mmvsf.learned import held_out_note, learned_held_out

    if cube.digest not in checkpoint.config["cubes"]:
        if not named:
            yield (
                f"note: the model in {where} was trained on another cube than {cube.path}; pretrain on this cube, or"
                " name the model with --model"
            )
        elif unlike := checkpoint.unlike(cube):
            yield f"warning: {cube.path} is unlike what the model in {where} learned from: {'; '.join(unlike)}"
    if not scratch:
        try:
            learned = learned_held_out(checkpoint.config, cube)
        except InputError:  # without a window for training there is no score
            return
        if note := held_out_note(learned, cube, where):
            yield note
