"""One recipe of public data, built from STAC, THREDDS and CropScape and again from Earth Engine: one cube."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest
import yaml
import zarr

from mmvsf.datasets.cube.cube import Cube
from mmvsf.pipeline.sources.transport.endpoints import plain_url

from ..servers.archive import ArchiveServer
from ..servers.cropscape import CropScape
from ..servers.earthengine import archive_images
from ..servers.earthengine_public import cdl_images, gridmet_images
from ..servers.weather import WeatherServer
from .conftest import Command
from .earthengine_session import serving
from .stored import contents
from .test_earthengine import only_version_2
from .tiny_archive import EAST, PIXEL, TinyArchive, recipe

pytestmark = [pytest.mark.slow, pytest.mark.stand_in]


def public_recipe(folder: Path) -> Path:
    """The tiny recipe as a recipe of public data: the default sources, which need no account."""
    content = recipe()
    content["imagery"] = {
        "source": "stac", "catalog": "planetary-computer", "products": ["hls-l30", "hls-s30"], "skip_below_clear": 0.05
    }  # fmt: skip
    content["weather"] = {"source": "gridmet", "start": "2020-05-01"}
    content["labels"] = {"source": "cropscape", "years": [2020, 2021], "groups": "default"}
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_imagery_and_labels_are_the_same_to_the_byte(
    tiny: TinyArchive, tmp_path: Path, mmvsf: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_version_2(tiny)
    path = public_recipe(tmp_path)
    with ArchiveServer(tiny.root, access="sas") as stac, WeatherServer() as weather, CropScape() as cdl:
        monkeypatch.setenv("MMVSF_STAC_URL", f"{stac.url}/stac")
        monkeypatch.setenv("MMVSF_SAS_URL", f"{stac.url}/sas")
        monkeypatch.setenv("MMVSF_CROPSCAPE_URL", cdl.service)
        monkeypatch.setenv("MMVSF_GRIDMET_URL", weather.gridmet_url)
        public = mmvsf("dataset", path, "--data-dir", tmp_path / "public", "--workers", 1)
        assert public.code == 0, public.err
    images = [image for image in archive_images(tiny.root) if image.id.startswith("NASA/")]
    images += [*gridmet_images(date(2020, 5, 1), date(2021, 7, 1)), *cdl_images(range(2020, 2022))]
    with serving(images, monkeypatch) as served:
        options = ("--data-dir", tmp_path / "ee", "--workers", 1, "--source", "earthengine")
        through = mmvsf("dataset", path, *options)
        assert through.code == 0, through.err
    one, other = (tmp_path / folder / "tiny.zarr" for folder in ("public", "ee"))
    assert_sources_are_told(one, ["planetary-computer"] * 2 + ["gridmet", "cropscape"], stac.url, mmvsf)
    assert_sources_are_told(other, ["earthengine"] * 4, served.url, mmvsf)
    for group in ("imagery", "blocks", "chunks/clear_fraction", "chunks/split", "labels", "scenes"):
        assert contents(one, group) == contents(other, group), group
    for name in ("tmin", "tmax", "precipitation", "radiation", "vpd", "wind", "flag", "utc_bnds"):
        values = [Cube.open(cube).array(f"weather/{name}") for cube in (one, other)]
        np.testing.assert_allclose(values[0], values[1], atol=2e-4, equal_nan=True, err_msg=name)


def assert_sources_are_told(cube: Path, origins: list[str], url: str, mmvsf: Command) -> None:
    """In the root attributes, by `explain` and by the report: who gave what, under which licence."""
    sources = zarr.open_group(str(cube), mode="r").attrs["sources"]
    assert [source["role"] for source in sources] == ["imagery", "imagery", "weather", "labels"]
    assert [source["from"] for source in sources] == origins
    assert all(source["licence"] and source["url"].startswith("http://127.0.0.1") for source in sources)
    assert all(source.get("processing") or source["source"] for source in sources)
    x, y = EAST.left + 20 * PIXEL, EAST.top - 20 * PIXEL
    told = mmvsf("explain", cube, "--day", "2020-06-10", "--x", x, "--y", y).out
    assert f"hls-s30 of {origins[0]} ({url}" in told
    report = mmvsf("report", cube.parent.parent / "tiny.yaml", "--data-dir", cube.parent, "--runs-dir", cube.parent)
    page = Path(report.out.strip().removeprefix("file://")).read_text()
    assert all(origin in page for origin in origins) and url in page and "sig=" not in page


def test_what_an_address_may_carry_is_not_stored() -> None:
    assert plain_url("https://user:secret@mirror.example:8443/stac?sig=abc#x") == "https://mirror.example:8443/stac"
