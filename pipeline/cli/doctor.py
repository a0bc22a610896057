"""The command that checks the machine: doctor."""

import json
from dataclasses import asdict
from itertools import groupby
from typing import Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from mmvsf.datasets.console import INSTALLATION
from mmvsf.datasets.storage.location import location

from .options import DATA_DIR, AsJson, DataDir, console

app = typer.Typer()

STYLES = {"ok": "green", "note": "yellow", "wrong": "red"}


@app.command(rich_help_panel=INSTALLATION)
def doctor(
    data_dir: DataDir = DATA_DIR,
    offline: Annotated[bool, typer.Option("--offline", help="Send no requests to data services.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check this machine: memory, disk, packages, credentials, and the data services.

    The simulated region needs neither credentials nor services. The exit code is 1 if a basic requirement is not met.
    """
    from mmvsf.pipeline.inspect.doctor import State, examine

    findings = examine(location(data_dir), services=not offline)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        for part, group in groupby(findings, key=lambda finding: finding.part):
            table = Table(part, "", Column("detail", overflow="fold"))
            for finding in group:
                table.add_row(finding.name, Text(finding.state, STYLES[finding.state]), finding.detail)
            console.print(table)
    if any(finding.state is State.WRONG for finding in findings):
        raise typer.Exit(1)
