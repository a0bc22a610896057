"""The site of a sample: its latitude and static layers, which a network is given if it asks for them."""

from __future__ import annotations

import numpy as np
import pytest

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.samples.classes import LabelLookup, StoredClasses
from mmvsf.datasets.samples.collate import collate
from mmvsf.datasets.samples.loader import ForecastSamples, LabelledSamples, SamplePlan, season_sample
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.site import Site
from mmvsf.datasets.samples.windows import index_windows

from ..cubes import CubeBuilder


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Cube:
    return CubeBuilder(terrain=True).write(tmp_path_factory.mktemp("cubes") / "terrain.zarr")


@pytest.fixture(scope="module")
def reader(cube: Cube) -> WindowReader:
    return WindowReader(cube, Normalisation.of([cube], site=True))


def in_units(site: Site, reader: WindowReader) -> np.ndarray:
    moments = reader.normalisation.static
    assert moments is not None
    mean, std = (np.asarray(x)[:, None, None] for x in (moments.mean, moments.std))
    return site.static * std + mean


def test_a_site_is_where_the_window_lies(reader: WindowReader) -> None:
    cube = reader.cube
    for window in index_windows(cube)["train"][::7]:
        site = reader.site(window)
        assert site is not None
        assert site.latitude == pytest.approx(42, abs=0.02)
        block, side = (window.row // cube.grid.block, window.column // cube.grid.block), cube.grid.block
        layers, slices = cube.static(block), window.slices_in(block, side)
        found = in_units(site, reader)
        for at, name in enumerate(("elevation", "soil_water")):
            np.testing.assert_allclose(found[at], layers[name][slices], atol=1e-3)


def test_moments_are_those_of_training_places(reader: WindowReader) -> None:
    windows = {(w.row, w.column): w for w in index_windows(reader.cube)["train"]}.values()
    sites = [site for window in windows if (site := reader.site(window)) is not None]
    values = np.stack([site.static[0] for site in sites])
    np.testing.assert_allclose([values.mean(), values.std()], [0, 1], atol=1e-3)
    moments = reader.normalisation.static
    assert moments is not None and moments.mean[1] == 150 and moments.std[1] == 1  # the same everywhere


def test_a_model_that_does_not_ask_is_not_given_it(cube: Cube) -> None:
    reader = WindowReader(cube, Normalisation.of([cube]))
    window = index_windows(cube)["train"][0]
    assert reader.site(window) is None
    batch = collate([season_sample(reader, window)])
    assert batch.static is None and batch.latitude is None


def test_cubes_share_the_layers_that_all_have(cube: Cube, grown_cube: Cube) -> None:
    assert Normalisation.of([cube, grown_cube], site=True).static.names == ()  # type: ignore[union-attr]
    assert Normalisation.of([cube, cube], site=True).static == Normalisation.of([cube], site=True).static


def test_what_a_cube_lacks_is_unknown(reader: WindowReader, grown_cube: Cube) -> None:
    other = WindowReader(grown_cube, reader.normalisation)
    site = other.site(index_windows(grown_cube)["train"][0])
    assert site is not None and site.latitude == pytest.approx(42, abs=0.02) and np.isnan(site.static).all()


def test_layers_turn_with_the_images(reader: WindowReader) -> None:
    """Elevation is 100 m for each class of the first year."""
    cube = reader.cube
    windows = [window for window in index_windows(cube)["train"] if window.year == cube.years[0]]
    lookup = LabelLookup(cube.legend.codes)  # type: ignore[union-attr]
    samples = LabelledSamples(reader, windows, StoredClasses(reader, lookup), SamplePlan(size=16, forget_site=0), 40)
    for number in range(40):
        sample = samples[number]
        assert sample.site is not None and sample.labels is not None
        np.testing.assert_allclose(in_units(sample.site, reader)[0], 100 * sample.labels, atol=1e-2)


def test_some_samples_are_without_their_site(reader: WindowReader) -> None:
    windows = [index_windows(reader.cube)["train"]]
    never, half, always = (
        ForecastSamples([reader], windows, SamplePlan(size=8, forget_site=share), 60) for share in (0, 0.5, 1)
    )

    def unknown(samples: ForecastSamples) -> int:
        return sum(np.isnan(site.latitude) for n in range(60) if (site := samples[n].site) is not None)

    assert unknown(never) == 0 and 15 < unknown(half) < 45 and unknown(always) == 60
    # The images are the same whether or not the site is drawn.
    without = WindowReader(reader.cube, Normalisation.of([reader.cube]))
    plain = ForecastSamples([without], windows, SamplePlan(size=8), 60)
    assert all(np.array_equal(plain[n].images, half[n].images) for n in range(0, 60, 9))


def test_a_batch_holds_the_sites_of_its_samples(reader: WindowReader) -> None:
    windows = index_windows(reader.cube)["train"][:3]
    batch = collate([season_sample(reader, window) for window in windows])
    assert batch.latitude is not None and batch.static is not None
    assert batch.latitude.shape == (3,) and batch.static.shape == (3, 2, 16, 16)
