"""A model of a cube with bands of its own: statistics, training, pictures and scores, and a cube with others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import index_windows
from mmvsf.model.cropmap.run import cropmap
from mmvsf.model.figures import false_colour, shown_bands
from mmvsf.model.metrics import ForecastScores
from mmvsf.model.mmvsf.checkpoint import load_checkpoint
from mmvsf.model.pretraining.run import pretrain
from tests.cubes import CubeBuilder

from .conftest import OPTIONS, QUICK_MAP

BANDS = ("surface_temperature", "swir1", "blue")


@pytest.fixture(scope="module")
def warm_cube(tmp_path_factory: pytest.TempPathFactory) -> Cube:
    return CubeBuilder(bands=BANDS).write(tmp_path_factory.mktemp("warm") / "warm.zarr")


def test_windows_are_normalised_in_the_unit_of_each_band(warm_cube: Cube) -> None:
    normal = Normalisation.of([warm_cube])
    assert normal.bands.names == BANDS and 15 < normal.bands.mean[0] < 20 and 0 < normal.bands.mean[1] < 0.5
    reader = WindowReader(warm_cube, normal)
    window = index_windows(warm_cube)["train"][0]
    images, valid = reader.images(window, window.days[:4])
    units = normal.reflectance(images)[:, 0][valid]
    assert images.shape[1] == 3 and units.min() > 14 and units.max() < 21
    assert np.abs(images.swapaxes(0, 1)[:, valid]).max() < 6


@pytest.mark.slow
def test_a_model_of_other_bands(warm_cube: Cube, grown_cube: Cube, tmp_path: Path) -> None:
    """Without red and nir: no NDVI, a picture of the first band; refused for a cube of six bands, and in a pair."""
    options = replace(OPTIONS, steps=2, batch_size=2, images=3, score_windows=1)
    metrics = pretrain([warm_cube], tmp_path, options)
    assert {row["variable"] for row in metrics["forecast"]} == {*BANDS, "mean"}
    assert (tmp_path / "forecast.png").is_file()
    assert json.loads((tmp_path / "config.json").read_text())["bands"]["names"] == list(BANDS)
    checkpoint = load_checkpoint(tmp_path)
    assert checkpoint.network.out.out_features == 2 * len(BANDS)
    cropmap(warm_cube, checkpoint, tmp_path / "map", replace(QUICK_MAP, images=3), tmp_path)
    with pytest.raises(InputError, match=r"expects the bands surface_temperature, swir1, blue, but .* carries blue"):
        cropmap(grown_cube, checkpoint, tmp_path / "other", QUICK_MAP, tmp_path)
    with pytest.raises(InputError, match="carry different bands"):
        pretrain([warm_cube, grown_cube], tmp_path / "both", options)


def test_scores_without_ndvi() -> None:
    scores = ForecastScores(BANDS, np.zeros(3, np.float32), np.ones(3, np.float32))
    image = np.ones((3, 2, 2), np.float32)
    scores.add("both", "mmvsf", 7, image, image, np.ones((2, 2), bool))
    assert {row["variable"] for row in scores.rows()} == {*BANDS, "mean"}


def test_pictures_show_near_infrared_red_and_green_or_the_first_band() -> None:
    image = np.full((3, 2, 2), 0.2, np.float32)
    assert shown_bands(("green", "red", "nir")) == ("nir", "red", "green")
    assert false_colour(image, ("green", "red", "nir")).shape == (2, 2, 3)
    image[0] = 20
    image[0, 0, 0] = np.nan
    grey = false_colour(image, BANDS)
    assert shown_bands(BANDS) == BANDS[:1] and grey.shape == (2, 2, 3)
    assert np.ptp(grey, axis=-1).max() == 0 and grey[0, 0, 0] == pytest.approx(0.86) and 0 < grey[1, 1, 0] < 1
