"""A run with nothing to do is known by a seal, and the seal is broken by anything that a build depends on or made."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from mmvsf.datasets.cube.cube import Cube, digest
from mmvsf.datasets.cube.paths import card_path
from mmvsf.datasets.recipe.load import read_recipe
from mmvsf.datasets.recipe.region import Region
from mmvsf.datasets.recipe.schema import RecipeModel
from mmvsf.datasets.storage.object_path import ObjectPath
from mmvsf.pipeline.build import local_inputs
from mmvsf.pipeline.build.executor import SerialExecutor
from mmvsf.pipeline.build.plan import build_plan
from mmvsf.pipeline.build.run import Progress, build
from mmvsf.pipeline.build.seal import finished_build, seal_build
from tests.servers.s3 import S3

from .conftest import Command, Outcome
from .tiny_archive import SCENES, TinyArchive

Build = Callable[..., Outcome]
CHANGED = SCENES[-1]
SEALED = "Nothing has changed"


@pytest.fixture
def sealed(finished: TinyArchive, dataset: Build) -> TinyArchive:
    """An archive that was built where it is: its copy has other times."""
    assert SEALED not in dataset(finished).out
    return finished


def is_sealed(archive: TinyArchive) -> bool:
    return finished_build(archive.recipe, archive.data) is not None


def test_a_run_with_nothing_to_do_says_what_the_first_one_did(sealed: TinyArchive, dataset: Build) -> None:
    before = digest(sealed.cube), {path: path.stat().st_mtime_ns for path in sealed.data.rglob("*")}
    again = dataset(sealed)
    assert again.code == 0 and SEALED in again.out
    assert before == (digest(sealed.cube), {path: path.stat().st_mtime_ns for path in sealed.data.rglob("*")})
    finished = finished_build(sealed.recipe, sealed.data)
    assert finished is not None and finished.attributes == Cube.open(sealed.cube).attributes
    plan = build_plan(str(sealed.recipe), sealed.data)
    assert build(plan, SerialExecutor(), Progress(lambda *_: None)) == finished.summary


def rewrite(path: Path) -> None:
    """Replace a file by one of the same length and times of change, as `cp -p` may."""
    found, content = path.stat(), bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def other_recipe(archive: TinyArchive) -> None:
    text = archive.recipe.read_text()
    archive.recipe.write_text(text.replace("title:", "title: Another", 1))


def other_root(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"complete":true', b'"complete":null'))


CHANGES: dict[str, Callable[[TinyArchive], object]] = {
    "recipe": other_recipe,
    "scene": lambda archive: rewrite(archive.file(CHANGED, "B05")),
    "scene removed": lambda archive: archive.file(CHANGED, "B05").unlink(),
    "scene added": lambda archive: (archive.root / "new.tif").write_bytes(b""),
    "items": lambda archive: rewrite(archive.root / "items.json"),
    "weather": lambda archive: rewrite(next((archive.root / "weather").rglob("*.nc"))),
    "labels": lambda archive: rewrite(next((archive.root / "labels").rglob("*.tif"))),
    "pixels lost": lambda archive: next(archive.cube.rglob("imagery/reflectance/c/*/*/*/*")).unlink(),
    "pixels cut": lambda archive: os.truncate(next(archive.cube.rglob("imagery/reflectance/c/*/*/*/*")), 10),
    "object added": lambda archive: (archive.cube / "tiles/more").write_bytes(b""),
    "root": lambda archive: other_root(archive.cube / "zarr.json"),
    "manifest": lambda archive: rewrite(archive.cube / "manifest.json"),
    "part of the manifest": lambda archive: rewrite(next((archive.cube / "manifest").rglob("*.json"))),
    "entry of the ledger": lambda archive: next((archive.data / "tiny.zarr.ledger").rglob("imagery/*/*.json")).unlink(),
    "ledger": lambda archive: shutil.rmtree(archive.data / "tiny.zarr.ledger"),
    "cube": lambda archive: shutil.rmtree(archive.cube),
}


def test_any_change_breaks_the_seal(sealed: TinyArchive) -> None:
    finished = finished_build(sealed.recipe, sealed.data)
    assert finished is not None
    for what, change in CHANGES.items():
        region, path = read_recipe(sealed.recipe)
        time.sleep(local_inputs.TICK_SECONDS)
        seal_build(sealed.cube, local_inputs.local_inputs(region, path, sealed.data), finished.summary)
        assert is_sealed(sealed)
        change(sealed)
        assert not is_sealed(sealed), what


def test_a_file_that_was_changed_just_now_is_not_sealed(sealed: TinyArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be changed again within the tick of the disk's clock."""
    monkeypatch.setattr(local_inputs, "TICK_SECONDS", 3600.0)
    assert not is_sealed(sealed)


def test_a_lost_card_is_written_again(sealed: TinyArchive, dataset: Build) -> None:
    card_path(sealed.cube).unlink(missing_ok=True)
    assert SEALED not in dataset(sealed).out
    assert Path(str(card_path(sealed.cube))).is_file()


def sections() -> Iterator[tuple[str, type[RecipeModel]]]:
    """The sections of a recipe that are models, by name."""
    for name, field in Region.model_fields.items():
        if name == "simulate":  # its path is where an archive is written; the other sections name what is read
            continue
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, RecipeModel):
                yield name, part


def test_every_path_of_a_recipe_is_watched(tmp_path: Path) -> None:
    watched, parts = set(), {}
    for name, model in sections():
        lines = [line for line in model.model_fields if line.endswith("path") or line in ("file", "legend")]
        paths = {line: f"{name}_{line}" + "_{year}" * (line.endswith("path") and "years" in model.model_fields)
                 for line in lines}  # fmt: skip
        section = model.model_construct(**{**paths, "years": (2020, 2021)})
        parts[name] = {"yield": section} if name == "targets" else section
        watched |= {tmp_path / path.replace("{year}", year) for path in paths.values() for year in ("2020", "2021")}
    assert {"labels_confidence_path_2021", "targets_path_2020", "area_file"} <= {path.name for path in watched}
    recipe = tmp_path / "some.yaml"
    assert watched == set(local_inputs._paths(Region.model_construct(**parts), recipe, tmp_path / "data"))


def test_another_program_breaks_the_seal(sealed: TinyArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    states = [*local_inputs._program()]
    monkeypatch.setattr(local_inputs, "_program", lambda: states)
    assert is_sealed(sealed)
    monkeypatch.setattr(local_inputs, "_program", lambda: [*states, ("more.py", 1, 1, 1)])
    assert not is_sealed(sealed)


def test_what_failed_is_tried_again(sealed: TinyArchive, dataset: Build) -> None:
    sealed.file(CHANGED, "B05").write_bytes(b"no raster")
    assert dataset(sealed).code == 1
    assert not is_sealed(sealed)


def test_a_cube_with_failures_is_not_sealed(sealed: TinyArchive) -> None:
    """They are tried again, also where they were accepted."""
    finished = finished_build(sealed.recipe, sealed.data)
    assert finished is not None
    inputs = local_inputs.local_inputs(*read_recipe(sealed.recipe), sealed.data)
    seal_build(sealed.cube, inputs, finished.summary)
    assert is_sealed(sealed)
    seal_build(sealed.cube, inputs, replace(finished.summary, failed=1))
    assert not is_sealed(sealed)


def test_scenes_elsewhere_are_not_sealed(sealed: TinyArchive, dataset: Build) -> None:
    """Their files are not looked at."""
    elsewhere = sealed.root.parent / "elsewhere"
    folder = sealed.file(CHANGED, "B05").parent
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    assert dataset(sealed).code == 0
    assert not is_sealed(sealed)


@pytest.mark.slow
@pytest.mark.stand_in
def test_in_a_bucket_a_run_with_nothing_to_do_asks_little(
    tiny: TinyArchive, data: ObjectPath, s3: S3, mmvsf: Command
) -> None:
    def requests(is_sealed: bool) -> list[str]:
        before = len(s3.requests)
        outcome = mmvsf("dataset", tiny.recipe, "--data-dir", data, "--workers", 1)
        assert outcome.code == 0 and (SEALED in outcome.out) == is_sealed
        return [request.method for request in s3.requests[before:]]

    first, again = requests(is_sealed=False), requests(is_sealed=True)
    assert set(again) <= {"GET", "HEAD"}
    assert len(again) < 20 < len(first), (again, len(first))
