"""A cube is opened and read with few packages; a command that needs more says which extra to install."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.extras import EXTRAS

ROOT = Path(__file__).resolve().parents[1]
READ_A_CUBE = """
import sys
import numpy as np
from mmvsf.datasets.cube.cube import Cube, digest
from mmvsf.datasets.cube.tree import open_cube
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.statistics import training_statistics
from mmvsf.datasets.samples.windows import index_windows
from mmvsf.datasets.storage.location import location

path = location(sys.argv[1])
cube = Cube.open(path)
assert len(digest(path)) == 64
window = index_windows(cube)["train"][0]
tile = cube.grid.tile_of((window.row // cube.grid.block, window.column // cube.grid.block))
images = open_cube(path)[f"tiles/{tile.name}/imagery/reflectance"]
image = images.isel(time=int(window.days[0]) - cube.calendar.first_day)
assert np.isfinite(image.values).any()
bands, _ = training_statistics(cube)
assert np.isfinite(bands.mean).all() and (np.asarray(bands.std) > 0).all()
reader = WindowReader(cube, Normalisation.of([cube]))
images, valid = reader.images(window, window.days[:2])
assert images.shape[0] == 2 and valid.any()
"""
IMPORT_ALL = """
import importlib
import pkgutil
import mmvsf.datasets

for module in pkgutil.walk_packages(mmvsf.datasets.__path__, "mmvsf.datasets."):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError:
        print(module.name)
"""
WITH_AN_EXTRA = {
    "mmvsf.datasets.samples.ahead",
    "mmvsf.datasets.samples.batch",
    "mmvsf.datasets.samples.collate",
    "mmvsf.datasets.samples.data_module",
    "mmvsf.datasets.samples.dataset",
    "mmvsf.datasets.samples.loader",
    "mmvsf.datasets.sidecars.card",
    "mmvsf.datasets.storage.geotiff",
}
"""The modules of `datasets` that only builds and training use."""


def run(*arguments: object, hidden: str = ",".join(EXTRAS)) -> subprocess.CompletedProcess[str]:
    """Run a script or `mmvsf` where the packages of some extras cannot be imported; by default of all of them."""
    command = [sys.executable, str(ROOT / "tests/without_extras.py"), hidden, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_cube_is_read_without_any_extra(grown_cube: Cube, tmp_path: Path) -> None:
    script = tmp_path / "read.py"
    script.write_text(READ_A_CUBE)
    ended = run(script, grown_cube.path)
    assert ended.returncode == 0, ended.stderr[-2000:]


@pytest.mark.slow
def test_few_modules_of_datasets_need_an_extra(tmp_path: Path) -> None:
    script = tmp_path / "import_all.py"
    script.write_text(IMPORT_ALL)
    ended = run(script)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert set(ended.stdout.split()) == WITH_AN_EXTRA


@pytest.mark.slow
def test_commands_on_a_cube_work_without_any_extra(grown_cube: Cube) -> None:
    assert re.fullmatch("[0-9a-f]{64}\n", run("mmvsf", "digest", grown_cube.path).stdout)
    assert "central-valley" in run("mmvsf", "regions").stdout
    assert "ok" in run("mmvsf", "check", grown_cube.path).stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "hidden", "extra"),
    [
        ("dataset sandbox", "build,train", "build"),
        ("plan iowa --source earthengine", "earthengine", "earthengine"),
        ("report {cube}", "build,train", "build"),
        ("pretrain {cube}", "train", "train"),
        ("check s3://bucket/cube.zarr", "objects", "objects"),
        ("check gs://bucket/cube.zarr", "objects", "objects"),
        ("check https://example.org/cube.zarr", "objects", "objects"),
    ],
)
def test_a_command_names_the_extra_that_is_missing(
    grown_cube: Cube, tmp_path: Path, command: str, hidden: str, extra: str
) -> None:
    arguments = command.format(cube=grown_cube.path).split()
    ended = run("mmvsf", *arguments, "--data-dir", tmp_path, hidden=hidden)
    assert ended.returncode == 2 and "Traceback" not in ended.stderr
    (line,) = ended.stderr.splitlines()
    assert line.startswith("error: the package ") and f"pip install -e '.[{extra}]'" in line


@pytest.mark.slow
def test_python_names_the_extra_that_is_missing(tmp_path: Path) -> None:
    script = tmp_path / "build.py"
    script.write_text("import mmvsf\nmmvsf.build")
    ended = run(script)
    assert ended.returncode == 1 and "pip install -e '.[build]'" in ended.stderr.splitlines()[-1]


def test_every_package_of_an_extra_has_a_hint() -> None:
    """The table of the hints and pyproject.toml say the same."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = project["optional-dependencies"]
    assert set(EXTRAS) == set(declared) - {"clients", "docs", "dev"}  # which no command uses
    imports: dict[str, set[str]] = {}
    for package, distributions in packages_distributions().items():
        for distribution in distributions:
            imports.setdefault(distribution.lower(), set()).add(package)
    hinted = {package for packages in EXTRAS.values() for package in packages}
    for extra in EXTRAS:
        for requirement in declared[extra]:
            distribution = re.split(r"[\[<>=,~! ]", requirement)[0].lower()
            packages = imports.get(distribution, hinted)  # nothing is known of a package that is not installed
            assert packages & hinted, f"datasets/extras.py does not know {distribution} of the extra {extra}"


def test_no_hint_names_a_package_on_an_index() -> None:
    """The project is on no public index, so a hint must not send anyone to a stranger's package of its name."""
    texts = [path for part in ("api", "datasets", "pipeline", "model", "docs") for path in (ROOT / part).rglob("*")]
    texts += [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "Makefile"]
    wrong = re.compile(r"(pip|uv|conda|pipx) (add|install) [^\n]*\bmmvsf\b")
    found = [
        f"{path.relative_to(ROOT)}: {match.group(0)}"
        for path in texts
        if path.suffix in {".py", ".md", ".html", ".yaml", ""} and path.is_file()
        for match in wrong.finditer(path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)
