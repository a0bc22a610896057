"""The tiny archive, cubes built from it, and the command line in this process."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mmvsf.datasets import command
from mmvsf.datasets.recipe.region import Region
from mmvsf.datasets.storage.object_path import ObjectPath
from mmvsf.pipeline.build.executor import executor
from mmvsf.pipeline.build.plan import build_plan
from mmvsf.pipeline.build.run import Progress, build
from mmvsf.pipeline.layers.imagery.summary import Summary
from mmvsf.pipeline.layers.registry import WEATHER
from mmvsf.pipeline.layers.source import SourceSite, WeatherSource
from tests.servers.s3 import S3

from .tiny_archive import TinyArchive


def build_tiny(archive: TinyArchive, workers: int = 1, **options: bool) -> Summary:
    """Build the cube of an archive's recipe."""
    with executor(workers) as run:
        plan = build_plan(str(archive.recipe), archive.data)
        return build(plan, run, Progress(lambda *_: None), **options)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> TinyArchive:
    """The archive with its finished cube. Not to be changed: `tiny` is a copy to change."""
    archive = TinyArchive(tmp_path_factory.mktemp("built")).write()
    build_tiny(archive)
    return archive


@pytest.fixture
def tiny(built: TinyArchive, tmp_path: Path) -> TinyArchive:
    """A copy of the archive, without a cube."""
    shutil.copytree(built.root, tmp_path / "archive")
    shutil.copy(built.recipe, tmp_path / "tiny.yaml")
    return TinyArchive(tmp_path, [*map(dict, built.items)])


@pytest.fixture
def finished(tiny: TinyArchive, built: TinyArchive) -> TinyArchive:
    """A copy of the archive with its finished cube."""
    shutil.copytree(built.data, tiny.data)
    return tiny


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    with S3() as running:
        yield running


@pytest.fixture
def s3(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """The stand-in of S3, and an environment that leads there and to no account of the person who tests."""
    s3_server.clear_faults()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture
def data(tmp_path: Path) -> ObjectPath:
    """A place in a bucket for one test."""
    return ObjectPath.parse(f"s3://cubes/tests/{tmp_path.name}")


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line of an error. Fails if there is anything more, or less, on stderr."""
        lines = self.err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("error: "), self.err
        return lines[0]


Command = Callable[..., Outcome]


@pytest.fixture
def mmvsf(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The console command `mmvsf`."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["mmvsf", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            command.main()
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Outcome(ended.value.code, captured.out, captured.err)

    return run


@pytest.fixture
def dataset(mmvsf: Command) -> Callable[[TinyArchive], Outcome]:
    """`mmvsf dataset` on the recipe of an archive, in one process."""

    def run(archive: TinyArchive, *options: str) -> Outcome:
        return mmvsf("dataset", archive.recipe, "--data-dir", archive.data, "--workers", 1, *options)

    return run


def weather_source(region: Region, site: SourceSite) -> WeatherSource:
    """The weather source that a recipe names."""
    return WEATHER.choose(region.weather).from_recipe(region.weather, site)
