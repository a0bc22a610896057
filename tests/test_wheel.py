"""What is installed is what is in the repository: a wheel from a clean source distribution holds all of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("datasets", "pipeline", "model")
FACE = "api"
"""The folder that installs as the package `mmvsf` itself."""
SHIPPED = {".py", ".yaml", ".html", ".md", ".typed", ".css", ".j2", ".js", ".gz", ".txt", ".json"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of the files in the wheel."""
    pytest.importorskip("build", reason="needs the package `build`")
    pytest.importorskip("setuptools", minversion="77", reason="builds without isolation")
    clean = tmp_path_factory.mktemp("source")
    for part in (FACE, *PARTS):
        shutil.copytree(ROOT / part, clean / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, clean)
    # With neither --sdist nor --wheel, the wheel is built from the source distribution.
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(clean / "dist"), str(clean)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
    (path,) = (clean / "dist").glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def wanted() -> set[str]:
    files = {path for part in (FACE, *PARTS) for path in (ROOT / part).rglob("*") if path.suffix in SHIPPED}
    names = {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}
    return {f"mmvsf/{name.removeprefix(f'{FACE}/')}" for name in names}


def test_every_module_recipe_and_template_is_in_it(wheel: set[str]) -> None:
    assert wanted() <= wheel


def test_every_part_says_that_it_is_typed(wheel: set[str]) -> None:
    assert {"mmvsf/py.typed", *(f"mmvsf/{part}/py.typed" for part in PARTS)} <= wheel


def test_nothing_else_is_in_it(wheel: set[str]) -> None:
    """No top-level `datasets`: it would overwrite Hugging Face's."""
    assert {name.split("/")[0] for name in wheel if ".dist-info/" not in name} == {"mmvsf"}
    assert not {name for name in wheel if "test" in name.split("/")[-1] or "__pycache__" in name}
    assert {name for name in wheel if name.startswith("mmvsf/")} <= wanted()


def test_the_licence_goes_with_it(wheel: set[str]) -> None:
    assert any(name.endswith("licenses/LICENSE") for name in wheel)
