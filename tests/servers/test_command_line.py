"""The stand-ins from the command line, as a person starts them to try the pipeline against them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from mmvsf.pipeline.new_recipe.place import place_of_bbox
from mmvsf.pipeline.new_recipe.recipe import new_recipe

pytestmark = [pytest.mark.slow, pytest.mark.stand_in]

STAND_INS = {
    "archive": ("MMVSF_STAC_URL", ""),
    "weather": ("MMVSF_GRIDMET_URL", "/tmmn/2020/nothing"),
    "reanalysis": ("MMVSF_POWER_URL", "/nothing"),
    "cropscape": ("MMVSF_CROPSCAPE_URL", "/nothing"),
    "nass": ("MMVSF_NASS_URL", "/nothing"),
    "s3": ("AWS_ENDPOINT_URL", "/cubes"),
    "earthengine": ("MMVSF_EARTHENGINE_URL", "/$discovery/rest"),
}
"""module -> (variable that leads the pipeline there, a path that is answered)"""


@pytest.mark.parametrize("name", STAND_INS)
def test_it_starts_says_what_to_export_and_answers(name: str, tmp_path: Path) -> None:
    (tmp_path / "items.json").write_text('{"type": "FeatureCollection", "features": []}')
    options = {"archive": ["--root", str(tmp_path)], "earthengine": [str(tmp_path)]}.get(name, [])
    variable, path = STAND_INS[name]
    assert status_of(variable, path, name, "--port", "0", *options) < 500


def test_all_services_for_a_place_elsewhere(tmp_path: Path) -> None:
    """For a recipe as `mmvsf new` writes it."""
    recipe = tmp_path / "kenya.yaml"
    recipe.write_text(new_recipe("kenya", place_of_bbox("37,-1,37.05,-0.95"), "2021", recipe).text)
    options = (str(recipe), "--blocks", "1", "--every", "30")
    assert status_of("MMVSF_STAC_URL", "/collections/hls2-s30", "public", *options) == 200


def status_of(variable: str, path: str, name: str, *options: str) -> int:
    """The HTTP status of a path of a server that is started from the command line, at the address that it prints."""
    command = [sys.executable, "-m", f"tests.servers.{name}", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as server:
        try:
            assert server.stdout is not None
            url = next(found[1] for line in server.stdout if (found := re.match(rf"export {variable}='(.+)'", line)))
            return requests.get(url + path, timeout=10).status_code
        finally:
            server.terminate()
