"""The crop map of a small grown cube: its files, its scores, and what is refused before the training."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from numpy.typing import NDArray

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.legend import Legend, LegendClass
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.classes import LabelLookup, StoredClasses, WindowClasses
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import Window, clear_days, index_windows
from mmvsf.model.cropmap import calibration
from mmvsf.model.cropmap import run as cropping
from mmvsf.model.cropmap.calibration import calibrate
from mmvsf.model.cropmap.geotiff import map_values
from mmvsf.model.cropmap.head import CropMapper
from mmvsf.model.cropmap.run import CropmapOptions, cropmap
from mmvsf.model.mmvsf.checkpoint import load_checkpoint, new_network
from mmvsf.model.mmvsf.sizes import NetworkConfig
from mmvsf.model.training.device import choose_device
from mmvsf.model.training.module import NEW_PART, scheduled_optimizer

from ..cubes import CubeBuilder
from .conftest import QUICK_MAP, Pretrained

pytestmark = pytest.mark.slow


def test_a_crop_map_is_made(pretrained: Pretrained, grown_cube: Cube, tmp_path: Path) -> None:
    options = CropmapOptions(steps=60, images=10, forest_pixels=600, learning_rate=2e-3)
    metrics = cropmap(grown_cube, load_checkpoint(pretrained[0]), tmp_path, options, pretrained[0])
    assert metrics == json.loads((tmp_path / "metrics.json").read_text())
    scores = {(row["set"], row["method"]): row for row in metrics["scores"]}
    assert len(scores) == 9
    assert scores["new_year", "mmvsf"]["mean_f1"] > scores["new_year", "majority"]["mean_f1"] + 0.2
    assert scores["new_year", "random_forest"]["accuracy"] > 0.8
    for row in scores.values():
        assert np.sum(row["confusion"]) == sum(c["support"] for c in row["per_class"].values())
    assert metrics["map"]["year"] == 2021
    with rasterio.open(tmp_path / "crop_map.tif") as source:
        values = source.read(1)
        assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert source.transform == grown_cube.grid.geobox.affine and source.crs.to_epsg() == 32615
        assert source.colormap(1)[10] == (0xE0, 0xC0, 0x20, 255)
        assert source.tags()["class_12"] == "meadow"
    covered = np.zeros(values.shape, bool)
    for block in grown_cube.grid.blocks:
        covered[grown_cube.grid.block_slices(block)] = True
    assert set(np.unique(values[covered])) <= {10, 11, 12} and not values[~covered].any()
    # The map of the held-out year agrees with its score.
    labels = grown_cube.array("labels/crop")[2]
    test = np.zeros_like(covered)
    for window in index_windows(grown_cube)["new_year"]:
        test[window.slices] = True
    assert (values == labels)[test].mean() == pytest.approx(scores["new_year", "mmvsf"]["accuracy"], abs=1e-6)
    with rasterio.open(tmp_path / "confidence.tif") as source:
        percent = source.read(1)
        assert (percent[covered] <= 100).all() and (percent[~covered] == 255).all()


def not_called(*_: object, **__: object) -> None:
    raise AssertionError("it was refused too late")


@pytest.mark.parametrize("year", [0, 2030])
def test_a_year_that_the_cube_lacks_is_refused_before_the_training(
    pretrained: Pretrained,
    grown_cube: Cube,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    year: int,
) -> None:
    monkeypatch.setattr(cropping, "train_mapper", not_called)
    with pytest.raises(InputError, match=rf"--year {year}: .*grown\.zarr has the years 2019, 2020, 2021"):
        cropmap(grown_cube, load_checkpoint(pretrained[0]), tmp_path, replace(QUICK_MAP, year=year), pretrained[0])


def test_a_year_without_an_image_is_not_mapped(
    pretrained: Pretrained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as the running one in spring: it is refused before the training, and by default an earlier one is mapped."""
    cube = CubeBuilder(test_years=(2020, 2021)).write(tmp_path / "running.zarr")
    assert cropping.map_year(cube, None) == 2021
    for unseen, default in (({2021}, 2020), ({2020, 2021}, 2019)):
        clear = clear_days(cube)
        clear[np.isin(cube.season_of_day, list(unseen))] = False
        monkeypatch.setattr("mmvsf.model.cropmap.map.clear_days", lambda cube, clear=clear: clear)
        assert cropping.map_year(cube, None) == default
    monkeypatch.setattr(cropping, "train_mapper", not_called)
    with pytest.raises(InputError, match=r"no clear image in 2021, so there is nothing to map; choose another --year"):
        cropmap(cube, load_checkpoint(pretrained[0]), tmp_path / "run", replace(QUICK_MAP, year=2021), pretrained[0])


def test_more_classes_than_a_map_can_hold_are_refused_before_the_training(
    pretrained: Pretrained, grown_cube: Cube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cropping, "train_mapper", not_called)
    legend = Legend(tuple(LegendClass(code, f"class {code}", "#102030") for code in range(1, 257)))
    with pytest.raises(InputError, match=r"at most 255 classes, and the legend has 256; .*labels\.groups"):
        cube = replace(grown_cube, spec=replace(grown_cube.spec, legend=legend))
        cropmap(cube, load_checkpoint(pretrained[0]), tmp_path, QUICK_MAP, pretrained[0])
    assert map_values(Legend(legend.classes[:255])) == tuple(range(1, 256))
    assert map_values(Legend(legend.classes[254:])) == (1, 2)


def test_frozen_means_frozen(pretrained: Pretrained, grown_cube: Cube, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(pretrained[0])
    before = {key: value.clone() for key, value in checkpoint.network.state_dict().items()}
    options = CropmapOptions(steps=2, batch_size=2, images=4, forest_pixels=200, freeze=True, year=2020)
    metrics = cropmap(grown_cube, checkpoint, tmp_path, options, pretrained[0])
    assert all(torch.equal(value, before[key]) for key, value in checkpoint.network.state_dict().items())
    assert metrics["map"]["year"] == 2020


def test_a_new_head_learns_faster_than_the_encoder_below_it(pretrained: Pretrained) -> None:
    mapper = CropMapper(load_checkpoint(pretrained[0]).network, 3)
    optimizer, _ = scheduled_optimizer(mapper, 1e-3, steps=10, new_part="head")
    rates = {id(p): group["initial_lr"] for group in optimizer.param_groups for p in group["params"]}
    names = {name: rates[id(p)] for name, p in mapper.named_parameters() if p.requires_grad}
    assert {rate for name, rate in names.items() if name.startswith("head.")} == {1e-3 * NEW_PART}
    assert {rate for name, rate in names.items() if not name.startswith("head.")} == {1e-3}
    assert len(rates) == len(names)
    for parameter in mapper.network.parameters():
        parameter.requires_grad_(False)
    assert len(scheduled_optimizer(mapper, 1e-3, steps=10, new_part="head")[0].param_groups) == 2


def test_without_labels_there_is_no_crop_map(pretrained: Pretrained, grown_cube: Cube, tmp_path: Path) -> None:
    bare = replace(grown_cube, spec=replace(grown_cube.spec, legend=None))
    with pytest.raises(InputError, match="has no labels; add `labels` to its recipe and run `mmvsf extend`"):
        cropmap(bare, load_checkpoint(pretrained[0]), tmp_path, CropmapOptions(), pretrained[0])
    assert grown_cube.region.labels is not None
    labels = grown_cube.region.labels.model_copy(update={"years": [2021]})
    region = grown_cube.region.model_copy(update={"labels": labels})
    late = replace(grown_cube, spec=replace(grown_cube.spec, region=region))
    with pytest.raises(InputError, match="no labels in its training years"):
        cropmap(late, load_checkpoint(pretrained[0]), tmp_path, CropmapOptions(), pretrained[0])


def only(wanted: Callable[[Window], bool], stored: WindowClasses) -> WindowClasses:
    """The classes of the windows that are wanted, and none of the others."""
    return lambda window: stored(window) if wanted(window) else np.full((window.size, window.size), -1)


def place(window: Window) -> tuple[int, int, int]:
    return window.row, window.column, window.year


def stored_classes(cube: Cube) -> StoredClasses:
    assert cube.legend is not None
    return StoredClasses(WindowReader(cube, Normalisation.of([cube])), LabelLookup(cube.legend.codes))


def test_windows_without_a_known_class_count_as_unlabelled(
    pretrained: Pretrained, grown_cube: Cube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, index = stored_classes(grown_cube), index_windows(grown_cube)
    chosen = [place(index["train"][1]), place(index["new_year"][0])]
    windows = cropping._labelled_windows(grown_cube, only(lambda window: place(window) in chosen, stored))
    assert [place(window) for members in windows.values() for window in members] == chosen
    monkeypatch.setattr(cropping, "train_mapper", not_called)
    training = {place(window) for window in index["train"]}
    others = only(lambda window: place(window) not in training, stored)
    monkeypatch.setattr(cropping, "StoredClasses", lambda *arguments: others)
    with pytest.raises(InputError, match="no labels in its training years and places; widen"):
        cropmap(grown_cube, load_checkpoint(pretrained[0]), tmp_path, QUICK_MAP, pretrained[0])


def test_every_training_sample_has_a_label(
    pretrained: Pretrained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where windows are cut into tiles, of which most have none."""
    cube = CubeBuilder(block=64, chunk=64).write(tmp_path / "tiled.zarr")
    stored, shown = stored_classes(cube), []

    def sparse(window: Window) -> NDArray[np.int64]:
        """The classes of the first row of a block alone."""
        classes = np.full((window.size, window.size), -1)
        if window.row % cube.grid.block == 0:
            classes[0] = stored(window)[0]
        return classes

    def train_mapper(*arguments: Any) -> None:
        shown.extend(arguments[2])
        raise KeyboardInterrupt

    monkeypatch.setattr(cropping, "StoredClasses", lambda *arguments: sparse)
    monkeypatch.setattr(cropping, "train_mapper", train_mapper)
    with pytest.raises(KeyboardInterrupt):
        cropmap(cube, load_checkpoint(pretrained[0]), tmp_path, QUICK_MAP, pretrained[0])
    assert len(shown) == 2 * len(index_windows(cube)["train"])
    assert all(tile.row % cube.grid.block == 0 and tile.size == 32 for tile in shown)


@pytest.fixture(scope="module")
def untrained(grown_cube: Cube) -> tuple[CropMapper, WindowReader]:
    """A small mapper with random weights, and what reads for it."""
    normalisation = Normalisation.of([grown_cube])
    config = NetworkConfig(grown_cube.bands, grown_cube.weather, width=16, heads=2, mlp=32, weather_width=16, patch=4)
    mapper = CropMapper(new_network(config, normalisation), 3).to(choose_device()).eval()
    return mapper, WindowReader(grown_cube, normalisation)


@pytest.mark.parametrize("labelled", [0, 1, 2])
def test_a_mapper_is_validated_only_on_known_classes(
    untrained: tuple[CropMapper, WindowReader],
    grown_cube: Cube,
    monkeypatch: pytest.MonkeyPatch,
    labelled: int,
) -> None:
    """Also where few windows have labels, none of which would be among those drawn from all."""
    monkeypatch.setattr(calibration, "TILES", 2)
    index, stored = index_windows(grown_cube), stored_classes(grown_cube)
    train, held_out = index["train"], index["new_year"]
    inside = [(window.row, window.column) for window in held_out[1 : 1 + labelled]]
    some = only(lambda window: window.year in (2019, 2020) or (window.row, window.column) in inside, stored)
    result, about = calibrate(*untrained, some, train, held_out, held_out[0].size)
    assert about["validated"] is (labelled > 0) and (result.distances[:, -1] > 0).all()
    for row in about["by_day"]:
        assert (row["pixels"] > 0) == (labelled > 0) and (row["temperature"] != 1) == (labelled > 0)
