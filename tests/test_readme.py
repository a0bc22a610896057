"""What the README tells a person to type must work as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmvsf.datasets.command import build_app
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.samples.reader import Normalisation
from mmvsf.model.embed import embed
from mmvsf.model.mmvsf.checkpoint import load_checkpoint, new_network, save_checkpoint
from mmvsf.model.mmvsf.sizes import NetworkConfig
from mmvsf.pipeline.sources.transport.endpoints import ENDPOINTS

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


@pytest.mark.slow
def test_the_snippet_classifies_embeddings(grown_cube: Cube, tmp_path: Path) -> None:
    """Run as written, on another cube and an untrained model."""
    normalisation = Normalisation.of([grown_cube])
    config = NetworkConfig(grown_cube.bands, grown_cube.weather)
    save_checkpoint(tmp_path, new_network(config, normalisation), normalisation, [], {})
    embed(grown_cube, load_checkpoint(tmp_path), tmp_path / "embeddings.zarr", tmp_path)
    text = README.read_text(encoding="utf-8")
    start = text.index("    import numpy as np\n    import xarray as xr\n    from sklearn")
    lines = text[start:].split("\n\n`sklearn.cluster")[0].splitlines()
    code = "\n".join(line.removeprefix("    ") for line in lines)
    code = code.replace("data/sandbox.zarr", str(grown_cube.path))
    code = code.replace("runs/sandbox/embeddings.zarr", str(tmp_path / "embeddings.zarr"))
    names: dict[str, Any] = {}
    exec(compile(code, str(README), "exec"), names)
    features, test = names["features"], names["test"]
    assert features.shape == (3 * 3 * 64, config.width) and np.isfinite(features).all()
    assert test.sum() == 3 * 64  # one of three places
    assert 0.5 < names["accuracy"] <= 1


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
    groups = [group.typer_instance for group in app.registered_groups]
    groups += [inner.typer_instance for group in groups for inner in group.registered_groups]
    return [command for group in groups for command in group.registered_commands]


def test_variables_that_replace_an_address_are_told() -> None:
    text = README.read_text(encoding="utf-8")
    assert all(f"`{endpoint.variable}`" in text for endpoint in ENDPOINTS.values())
