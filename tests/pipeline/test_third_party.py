"""Sources of another package: installed, they are named in a recipe like this project's own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import yaml

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.datasets.cube.cube import Cube

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


def test_the_cube_holds_what_the_sources_compute(cube: Path) -> None:
    opened = Cube.open(cube)  # opens here, where the package is not installed
    calendar, grid = opened.calendar, opened.grid
    seen = np.flatnonzero((opened.array("blocks/status")[:, grid.block_mask()] == 2).all(axis=1))
    assert seen.size == len([d for d in range(0, 395, 5) if (np.datetime64("2020-06-01") + d).item().month in (5, 6)])
    position = int(seen[3])
    day = np.datetime64(int(calendar.days[position]), "D").item().day
    reflectance, crop = opened.pixels("imagery/reflectance"), opened.pixels("labels/crop")
    for block in grid.blocks:
        rows, columns = grid.block_slices(block)
        stored = reflectance.read((position, slice(None), rows, columns))
        assert (stored == (1000 * np.arange(1, 7) + day)[:, None, None]).all()
        classes = np.where(np.arange(columns.start, columns.stop) < grid.shape[1] // 2, 1, 2)
        assert (crop.read((0, rows, columns)) == classes).all()
    tmin = opened.array("weather/tmin")[calendar.index(day_number(date(2020, 6, 3)))]
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
