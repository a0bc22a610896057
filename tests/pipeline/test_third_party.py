"""Sources of another package: installed, they are named in a recipe like this project's own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.grid import Grid
from mmvsf.datasets.cube.tree import open_cube

from .tiny_archive import recipe

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "tests/third_party"
PAGE = ROOT / "docs/add-a-source.md"


def code(language: str) -> list[str]:
    """The code of a language on the page about adding a source."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cube built by the command line with the package installed."""
    pytest.importorskip("setuptools", minversion="77", reason="installs without isolation")
    place = tmp_path_factory.mktemp("third_party")
    copy = place / "package"  # setuptools writes beside what it builds
    copy.mkdir()
    for file in ("pyproject.toml", "example_sources.py"):
        (copy / file).write_bytes((PACKAGE / file).read_bytes())
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(place / "site"), str(copy)], check=True, capture_output=True)
    content = recipe()
    (sections,) = code("yaml")
    content.update(yaml.safe_load(sections))
    (place / "tiny.yaml").write_text(yaml.safe_dump(content))
    program = "from mmvsf.datasets.command import main; main()"
    options = ["dataset", "tiny.yaml", "--data-dir", "data", "--workers", "2"]
    ended = subprocess.run(
        [sys.executable, "-c", program, *options],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(place / "site")},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    return place / "data/tiny.zarr"


def middle_column(grid: Grid) -> int:
    return grid.shape[1] // 2


def test_the_cube_holds_what_the_sources_compute(cube: Path) -> None:
    tree, opened = open_cube(cube), Cube.open(cube)  # opens here, where the package is not installed
    days = tree["imagery/time"].values.astype("datetime64[D]")
    seen = np.flatnonzero((tree["blocks/status"].values == 2).all(axis=(1, 2)))
    assert seen.size == len([d for d in range(0, 395, 5) if (np.datetime64("2020-06-01") + d).item().month in (5, 6)])
    position = seen[3]
    stored = tree["imagery/reflectance"][position].values
    expected = (1000 * np.arange(1, 7) + days[position].item().day) * 1e-4
    assert np.allclose(stored, expected[:, None, None])
    crop, middle = tree["labels/crop"][0].values, middle_column(opened.grid)
    assert (crop[:, :middle] == 1).all() and (crop[:, middle:] == 2).all()
    tmin = tree["weather/tmin"].sel(time="2020-06-03").values
    assert np.nanmin(tmin) == pytest.approx(-15 + 0.42, abs=0.02)


def test_their_origin_is_recorded_and_no_licence_is_guessed(cube: Path) -> None:
    records = {record["role"]: record for record in Cube.open(cube).attributes["sources"]}
    assert {record["from"] for record in records.values()} == {"example"}
    assert records["imagery"]["licence"] == records["weather"]["licence"] == "CC0"
    assert records["labels"]["source"] == "computed labels" and "licence" not in records["labels"]
    assert "computed labels" in (cube.parent / "tiny.DATASET_CARD.md").read_text()
    assert "public domain" not in json.dumps(Cube.open(cube).attributes["sources"])


def test_the_page_shows_the_code_of_the_package() -> None:
    module = (PACKAGE / "example_sources.py").read_text(encoding="utf-8")
    assert len(code("python")) == 3 and not [block for block in code("python") if block not in module]
    (entry_point,) = code("toml")
    assert entry_point in (PACKAGE / "pyproject.toml").read_text(encoding="utf-8")
    named = re.findall(r"`((?:datasets|pipeline|tests)/[\w/.]+)`", PAGE.read_text(encoding="utf-8"))
    assert len(named) > 5 and not [name for name in named if not (ROOT / name).exists()]
