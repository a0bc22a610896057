"""What the commands that build a cube print at the end."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import typer
from rich.table import Column, Table

from mmvsf.datasets.cube.paths import card_path

from .options import console

if TYPE_CHECKING:
    from mmvsf.datasets.cube.cube import Cube
    from mmvsf.pipeline.build.plan import BuildPlan
    from mmvsf.pipeline.build.seal import Finished
    from mmvsf.pipeline.layers.imagery.summary import Summary


def refuse_unsound(cube: Cube) -> None:
    """Raise IncompleteError for a cube that is not sound."""
    from mmvsf.pipeline.inspect.check import check_opened

    check_opened(cube, sample_only=True).raise_for_problems()


def show_cube(
    plan: BuildPlan, summary: Summary, started: float, as_json: bool, more: dict[str, int] | None = None
) -> None:
    """Write the cube's card, and print what was built."""
    from mmvsf.datasets.cube.cube import Cube
    from mmvsf.pipeline.build.card import write_dataset_card
    from mmvsf.pipeline.build.seal import Finished
    from mmvsf.pipeline.disk_space import stored_bytes

    cube = Cube.open(plan.cube)
    write_dataset_card(cube)
    built = Finished(plan.region, plan.cube, cube.attributes, summary, stored_bytes(plan.cube))
    show_finished(built, started, as_json, more)


def show_finished(built: Finished, started: float, as_json: bool, more: dict[str, int] | None = None) -> None:
    """Print what a cube holds, and `more` counts; JSON for programs."""
    summary, card = built.summary, card_path(built.cube)
    passes = {"stored": summary.radar.stored, "failed": summary.radar.failed} if summary.radar else {}
    facts = {
        "cube": str(built.cube),
        "card": str(card),
        "stored": summary.stored,
        "skipped_cloudy": summary.skipped_cloudy,
        "failed": summary.failed,
        "completeness": summary.completeness,
        **({"radar": passes} if passes else {}),
        "scenes_by_service": built.scenes_by_service,
        "seconds": round(time.monotonic() - started, 1),
        "megabytes": round(built.bytes / 1e6, 1),
        **(more or {}),
    }
    if as_json:
        typer.echo(json.dumps(facts))
        return
    table = Table("cube", Column(str(built.cube), overflow="fold"), title=built.region.title)
    table.add_row("(day, block) units stored", str(summary.stored))
    table.add_row("mask only, too cloudy", str(summary.skipped_cloudy))
    table.add_row("not acquired", str(summary.not_acquired))
    table.add_row("failed", str(summary.failed))
    if passes:
        table.add_row("radar (pass, block) units", ", ".join(f"{count:,} {name}" for name, count in passes.items()))
    if services := built.scenes_by_service:
        rows = ", ".join(f"{name}: {count:,}" for name, count in services.items())
        table.add_row("scenes of blocks by service", rows)
    for name, count in (more or {}).items():
        table.add_row(name.replace("_", " "), str(count))
    table.add_row("size", f"{facts['megabytes']} MB")
    table.add_row("card", str(card))
    table.add_row("time", f"{facts['seconds']} s")
    table.add_row("look at it", f"mmvsf explore {built.cube}")
    console.print(table)
