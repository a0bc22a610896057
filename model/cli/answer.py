"""`mmvsf answer`: whether forecasters respond correctly to weather."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmvsf.datasets.console import JUDGE

from .options import (
    CubeArgument,
    DataDir,
    ModelDir,
    RunsDir,
    local_folder,
    lock,
    need_torch,
    open_cube,
    pretrained_model,
)

if TYPE_CHECKING:
    from pathlib import Path

    from mmvsf.datasets.cube.cube import Cube
    from mmvsf.model.answer.protocol import Forecaster
    from mmvsf.model.mmvsf.checkpoint import Checkpoint

app = typer.Typer()


@app.command(rich_help_panel=JUDGE)
def answer(
    region: CubeArgument,
    forecaster: Annotated[
        list[str] | None,
        typer.Option(
            show_default="persistence, climatology, trees, mmvsf; oracle for a simulated region",
            help="Name of a forecaster, or your own as MODULE:OBJECT; may be repeated.",
        ),
    ] = None,
    data_dir: DataDir = "data",
    runs_dir: RunsDir = "runs",
    model: ModelDir = None,
) -> None:
    """Test whether forecasts respond correctly when the weather changes.

    The reference for a simulated region is the simulator (run `mmvsf oracle`
    first); for any other region, pairs of seasons that were alike until a day.
    Forecasters are persistence, climatology, trees, mmvsf, convlstm and
    contextformer (the last two are trained at first use); oracle, which knows
    the simulator and infers each field from the images, and so is about the
    best that can be; and two that test the scores: weather-copy and simulator.
    """
    need_torch()
    from rich.progress import track

    from mmvsf.model.answer.planted import ORACLE
    from mmvsf.model.answer.run import answers_of, cases_of
    from mmvsf.model.answer.table import show_answers
    from mmvsf.model.records import write_json

    runs = local_folder("--runs-dir", runs_dir)
    cube = open_cube(region, data_dir)
    cases, simulated = cases_of(cube)
    names = forecaster or ["persistence", "climatology", "trees", "mmvsf", *[ORACLE] * simulated]
    used = pretrained_model(model, runs, cube, forecasts=True) if "mmvsf" in names else None
    forecasters = {name: _forecaster(name, cube, used and used[0], runs) for name in names}
    about = {"cube": cube.digest, "forecasters": names, "model": used and _about_model(*used, cube)}
    path = runs / cube.region.name / "answer" / "answers.json"
    with lock(path.parent, "answer"):
        answers = answers_of(forecasters, track(cases, "forecasting", transient=True), simulated=simulated)
        write_json(path, {**about, **answers.as_json()})
    show_answers(answers, path)


def _about_model(checkpoint: Checkpoint, where: Path, cube: Cube) -> dict[str, Any]:
    """What answers.json tells of the model that was asked, and of what it learned of the cube's held-out windows."""
    from mmvsf.model.mmvsf.learned import learned_held_out

    config = checkpoint.config
    return {
        "folder": str(where),
        "weights_sha256": config["weights_sha256"],
        "held_out": learned_held_out(config, cube),
    }


def _forecaster(name: str, cube: Cube, checkpoint: Checkpoint | None, runs: Path) -> Forecaster:
    """The forecaster of that name; `mmvsf` is that of the checkpoint. Raises InputError for an unknown name."""
    from mmvsf.model.answer.forecasters import STANDARD, NetworkForecaster, load_object
    from mmvsf.model.answer.planted import PLANTED
    from mmvsf.model.answer.rivals import RIVALS, Rival
    from mmvsf.model.training.device import autocast_precision, choose_device

    device = choose_device()
    if name == "mmvsf" and checkpoint is not None:
        network = checkpoint.network.to(device)
        return NetworkForecaster(
            network, checkpoint.normalisation, device, autocast_precision(device), checkpoint.weather
        )
    if name in RIVALS:
        return Rival(name, cube, runs / cube.region.name / "answer" / name).forecaster(device)
    made = {**STANDARD, **PLANTED}.get(name)
    return load_object(name) if made is None else made(cube)
