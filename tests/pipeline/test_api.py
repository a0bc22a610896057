"""The public interface: its examples run, and recipes, paths and sources are accepted in every form."""

from __future__ import annotations

import doctest
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import mmvsf
from mmvsf.datasets.cube.cube import Cube, digest
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.reader import Normalisation
from mmvsf.pipeline.sources.archive.weather import ArchiveWeather

from ..cubes import CubeBuilder
from .tiny_archive import TinyArchive


def run_examples(module: str) -> int:
    """Run the examples of a module, in the order of its functions; their number."""
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    tests = sorted((test for test in finder.find(import_module(module)) if test.examples), key=lambda t: t.lineno or 0)
    for test in tests:
        runner.run(test)
    assert not runner.failures
    return len(tests)


@pytest.mark.slow
def test_every_example_runs(tiny: TinyArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny.folder)
    assert run_examples("mmvsf._build") == 3
    assert run_examples("mmvsf._cubes") == 5


def test_everything_public_has_a_docstring() -> None:
    pytest.importorskip("torch")
    for name in mmvsf.__all__:
        assert getattr(mmvsf, name).__doc__, name
    assert mmvsf.__version__
    with pytest.raises(AttributeError, match="no_such_name"):
        mmvsf.no_such_name  # noqa: B018


@pytest.mark.slow
def test_a_recipe_and_a_source_made_in_python(tiny: TinyArchive, built: TinyArchive) -> None:
    content = mmvsf.load_recipe(tiny.recipe).model_dump(mode="json", exclude_unset=True)
    for section in ("imagery", "weather", "labels"):
        content[section]["path"] = str(tiny.folder / content[section]["path"])
    content["labels"]["legend"] = str(tiny.folder / content["labels"]["legend"])
    content["weather"] = {"source": "mine"}
    recipe = mmvsf.Recipe.model_validate(content)
    sources = mmvsf.GivenSources(weather=ArchiveWeather(tiny.root / "weather/daily.nc"))
    cube = mmvsf.build(recipe, tiny.data, sources=sources)
    assert cube.digest == digest(cube.path) == digest(built.cube)


@pytest.mark.parametrize("form", [str, Path])
def test_paths_are_accepted_as_text_and_as_path(built: TinyArchive, form: type) -> None:
    assert mmvsf.load_recipe(form(built.recipe)).name == "tiny"
    (tile,) = mmvsf.open_cube(form(built.cube))["tiles"].children.values()
    assert tile["imagery"].sizes["band"] == 6
    assert all(item.ok for item in mmvsf.check(form(built.cube), sample_only=True).checks)


def test_fewer_than_one_worker_is_refused(tiny: TinyArchive) -> None:
    with pytest.raises(InputError, match="workers must be at least 1"):
        mmvsf.build(tiny.recipe, tiny.data, workers=0)


@pytest.mark.slow
def test_a_script_that_starts_workers_unguarded_gets_the_remedy(tiny: TinyArchive) -> None:
    script = tiny.folder / "unguarded.py"
    script.write_text(
        "import mmvsf\nfrom mmvsf.pipeline.build import executor\nexecutor.MOST_THREADS = 1\n"
        f"mmvsf.build({str(tiny.recipe)!r}, {str(tiny.data)!r}, workers=2)\n"
    )
    outcome = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert "IncompleteError: the worker processes did not start" in outcome.stderr
    assert "if __name__" in outcome.stderr


def test_an_error_of_an_export_names_no_option_alone(built: TinyArchive, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^reflectance needs a day, YYYY-MM-DD"):
        mmvsf.export(built.cube, tmp_path / "x.tif", "reflectance")


@pytest.mark.parametrize("form", [str, Path])
@pytest.mark.parametrize("name", ["export", "embed", "convert"])
def test_what_is_written_locally_is_not_written_to_an_address(
    grown_cube: Cube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: type, name: str
) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    model: Any = None  # refused before it is looked at
    write: dict[str, Callable[[Any], object]] = {
        "export": lambda out: mmvsf.export(grown_cube.path, out, "crop", year=2021),
        "embed": lambda out: mmvsf.embed(grown_cube, out, "mine:encoder"),
        "convert": lambda out: mmvsf.convert(model, out),
    }
    with pytest.raises(InputError, match=r"out s3://bucket/x\.zarr: only cubes can be in a bucket"):
        write[name](form("s3://bucket/x.zarr"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_reading_needs_neither_torch_nor_what_builds() -> None:
    hidden = ("torch", "lightning", "safetensors", "sklearn", "rasterio", "geopandas", "distributed", "pystac_client")
    program = (
        "import sys\n"
        f"for name in {hidden}: sys.modules[name] = None\n"
        "import mmvsf\n"
        "mmvsf.open_cube, mmvsf.load_recipe, mmvsf.Cube, mmvsf.Recipe\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_model_is_loaded_from_its_folder(built: TinyArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from mmvsf.model.mmvsf.checkpoint import new_network, save_checkpoint
    from mmvsf.model.mmvsf.sizes import NetworkConfig

    cube = mmvsf.Cube.open(built.cube)
    normalisation = Normalisation.of([cube])
    network = new_network(NetworkConfig(cube.bands, cube.weather, width=32, heads=2, mlp=32), normalisation)
    save_checkpoint(tmp_path / "runs/pretrain", network, normalisation, [cube], {})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    CubeBuilder().write(tmp_path / "data/my-region.zarr")
    assert run_examples("mmvsf._model") == 3
    page = Path(__file__).parents[2] / "docs/answer.md"
    assert not doctest.testfile(str(page), module_relative=False).failed
    assert run_examples("mmvsf._dataset") == 1
    assert run_examples("mmvsf.datasets.samples.data_module") == 2
