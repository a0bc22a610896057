"""The notebooks run as they are printed, on a small cube: their cells in one process, one after the other."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from typer.testing import CliRunner

import mmvsf
from mmvsf.datasets.command import build_app
from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.samples.reader import Normalisation
from mmvsf.model.cropmap.run import CropmapOptions, cropmap
from mmvsf.model.mmvsf.checkpoint import load_checkpoint, new_network, save_checkpoint
from mmvsf.model.mmvsf.sizes import NetworkConfig

from ..cubes import CubeBuilder

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).resolve().parents[2] / "docs/notebooks"
MOST_BYTES = 200_000
"""Of a notebook with its outputs"""


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(plt.rcParams, "backend", "agg", raising=False)
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def model(grown_cube: Cube, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an untrained network."""
    folder, normalisation = tmp_path_factory.mktemp("runs"), Normalisation.of([grown_cube])
    config = NetworkConfig(grown_cube.bands, grown_cube.weather)
    save_checkpoint(folder, new_network(config, normalisation), normalisation, [], {})
    return folder


def cells(name: str) -> list[str]:
    """The code of a notebook, by cell."""
    content = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]


def run(name: str, replaced: dict[str, str]) -> dict[str, Any]:
    """The names that a notebook defines, with other texts in its code."""
    names: dict[str, Any] = {}
    code = "\n# %%\n".join(cells(name))
    for text, other in replaced.items():
        assert text in code, text
        code = code.replace(text, other)
    for number, cell in enumerate(code.split("\n# %%\n")):
        if cell.startswith("!mmvsf "):
            ended = CliRunner().invoke(build_app(), shlex.split(cell.format_map(names))[1:])
            assert ended.exit_code == 0, (ended.output, ended.exception)
        else:
            exec(compile(cell, f"{name}, cell {number}", "exec"), names)
    return names


def test_outputs_are_small_and_links_lead_somewhere() -> None:
    paths = sorted(FOLDER.glob("*.ipynb"))
    assert len(paths) == 5
    for path in paths:
        assert path.stat().st_size < MOST_BYTES, path
        text = path.read_text(encoding="utf-8")
        links = re.findall(r"\]\(([\w./-]+)\)", text)
        assert links and all((FOLDER / link).is_file() for link in links), path
        kinds = {kind for cell in json.loads(text)["cells"] for out in cell.get("outputs", []) for kind in out}
        assert "traceback" not in kinds


def test_look_at_a_cube(grown_cube: Cube) -> None:
    names = run("look-at-a-cube", {"../../data/sandbox.zarr": str(grown_cube.path)})
    assert np.isfinite(names["colour"]).any() and int(names["ndvi"].notnull().sum()) > 5
    assert "stored" in names["meanings"].values() and names["counts"].sum() == names["status"].size


def test_embeddings(grown_cube: Cube, model: Path, tmp_path: Path) -> None:
    store = mmvsf.embed(grown_cube, tmp_path / "embeddings.zarr", model)
    paths = {"../../data/sandbox.zarr": str(grown_cube.path), "../../runs/sandbox/embeddings.zarr": str(store)}
    names = run("embeddings", paths)
    assert len(names["predicted"]) == names["test"].sum() > 0
    assert len(np.unique(names["groups"][names["known"]])) == 8


def test_train_your_own(grown_cube: Cube) -> None:
    names = run("train-your-own", {"../../data/sandbox.zarr": str(grown_cube.path), "SIZE = 32": "SIZE = 16"})
    assert names["losses"][-1] < names["losses"][0] and names["known"] > 0
    assert names["trainer"].global_step > 0


def test_map_a_neighbour(grown_cube: Cube, model: Path, tmp_path: Path) -> None:
    neighbour = CubeBuilder(sites=2, years=(2020, 2021), labels=False, seed=5).write(tmp_path / "neighbour.zarr")
    options = CropmapOptions(steps=2, images=6, forest_pixels=50, score_windows=1)
    cropmap(grown_cube, load_checkpoint(model), tmp_path / "sandbox/cropmap", options, model)
    built = "mmvsf.build(mmvsf.Recipe.model_validate(content), DATA)"
    replaced = {
        'DATA, RUNS = "../../data", "../../runs"': f'DATA, RUNS = "{tmp_path}", "{tmp_path}"',
        built: f'mmvsf.Recipe.model_validate(content) and mmvsf.Cube.open("{neighbour.path}")',
        "--year 2022": "--year 2021",
        "map/2022": "map/2021",
    }
    names = run("map-a-neighbour", replaced)
    assert names["classes"].shape == (32, 32) and set(np.unique(names["classes"])) <= {0, 10, 11, 12}
    assert names["layers"]["unlike"].count() == (names["classes"] > 0).sum() > 0
    assert names["result"]["areas"]


def test_weather(grown_cube: Cube) -> None:
    replaced = {
        "../../data/sandbox.zarr": str(grown_cube.path),
        "size=32": "size=16",
        "SAMPLES, PIXELS = 80, 6": "SAMPLES, PIXELS = 12, 6",
    }
    names = run("weather", replaced)
    assert len(names["change"]) > 200 and np.isfinite(names["values"]).all()
    assert names["values"][3] < names["values"][0]  # the trees are better than the last image
