"""The card of a cube."""

from __future__ import annotations

import shutil
import textwrap
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import yaml

import mmvsf
from mmvsf.datasets.cube.cube import Cube, digest
from mmvsf.datasets.cube.paths import card_path
from mmvsf.datasets.recipe.region import Region
from mmvsf.pipeline.build.card import write_dataset_card

from .tiny_archive import TinyArchive, recipe


def test_the_card_says_what_the_cube_holds(finished: TinyArchive) -> None:
    cube = Cube.open(finished.cube)
    path = write_dataset_card(cube)
    assert path == card_path(finished.cube) and digest(finished.cube) == cube.digest
    text = path.read_text(encoding="utf-8")
    front = yaml.safe_load(text.split("---")[1])
    assert front["pretty_name"] == cube.region.title and front["license"]
    stored = int((cube.array("blocks/status") == 2).sum())
    assert f"{stored} (day, block) units stored" in text and cube.digest in text
    crop = cube.array("labels/crop")
    assert cube.legend is not None
    labelled = np.isin(crop, cube.legend.codes)
    for entry in cube.legend.classes:
        assert f"| {entry.code} | {entry.name} | {100 * (crop == entry.code).sum() / labelled.sum():.1f} % |" in text
    shutil.rmtree(finished.cube.with_name("tiny.zarr.ledger"))
    assert write_dataset_card(cube).read_text(encoding="utf-8") == text
    for source in cube.attributes["sources"]:
        assert all(value in text for key, value in source.items() if key != "role")
    assert "simulated" not in text and f'open_datatree("{finished.cube.name}"' in text


def test_the_examples_of_the_card_open_the_cube(finished: TinyArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    text = write_dataset_card(Cube.open(finished.cube)).read_text("utf-8").partition("## How to load it")[2]
    indented, sentence = text.strip("\n").split("\n\nor, with this project, ")
    monkeypatch.chdir(finished.data)
    names: dict[str, Any] = {}
    exec(textwrap.dedent(indented), names)
    assert names["red"].dims == ("time", "y", "x")
    box = dict(zip(("west", "south", "east", "north"), recipe()["area"]["bbox"], strict=True))
    example = eval(sentence.split("`")[1], {"mmvsf": mmvsf, **box})
    assert example.sizes["band"] == 6


def test_a_simulated_cube_is_said_to_be_one(finished: TinyArchive) -> None:
    cube = Cube.open(finished.cube)
    recipe = {**cube.region.model_dump(mode="json"), "simulate": {"path": "x", "seed": 1, "crop_dose": 0.5}}
    spec = replace(cube.spec, region=Region.model_validate(recipe))
    text = write_dataset_card(replace(cube, spec=spec)).read_text("utf-8")
    assert "All of it is simulated" in text and "doses 0.5 and 1.0" in text
