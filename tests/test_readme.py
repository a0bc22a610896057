"""What the README tells a person to type must work as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from mmvsf.datasets.command import build_app
from mmvsf.datasets.cube import Cube
from mmvsf.pipeline.sources.endpoints import ENDPOINTS

README = Path(__file__).parent.parent / "README.md"


def test_the_snippet_opens_a_cube(grown_cube: Cube) -> None:
    """Run as written, on another cube and another day's number."""
    text = README.read_text(encoding="utf-8")
    start = text.index("    import xarray as xr")
    lines = text[start:].split("\n\nClouds are in")[0].splitlines()
    code = "\n".join(line.removeprefix("    ") for line in lines)
    code = code.replace("data/sandbox.zarr", str(grown_cube.path)).replace("days[40]", "days[5]")
    names: dict[str, object] = {}
    exec(compile(code, str(README), "exec"), names)
    seen = np.asarray(names["red_of_the_ground"])
    assert 0 < np.nanmean(seen) < 1
    assert np.isfinite(np.asarray(names["rain"])).any()


def test_make_targets_exist() -> None:
    makefile = (README.parent / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`make ([a-z]+)", README.read_text(encoding="utf-8"))):
        assert re.search(rf"^([a-z ]* )?{target}( [a-z ]*)?:", makefile, re.MULTILINE), target


def test_commands_exist() -> None:
    commands = {command.name or command.callback.__name__ for command in _commands()}
    named = set(re.findall(r"`mmvsf ([a-z]+)", README.read_text(encoding="utf-8")))
    assert named and named <= commands


def _commands() -> list[Any]:
    app = build_app()
    return [command for group in app.registered_groups for command in group.typer_instance.registered_commands]


def test_variables_that_replace_an_address_are_told() -> None:
    text = README.read_text(encoding="utf-8")
    assert all(f"`{endpoint.variable}`" in text for endpoint in ENDPOINTS.values())
