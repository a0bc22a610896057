"""The stand-ins from the command line, as a person starts them to try the pipeline against them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests

pytestmark = [pytest.mark.slow, pytest.mark.stand_in]

STAND_INS = {
    "archive": ("MMVSF_STAC_URL", ""),
    "weather": ("MMVSF_GRIDMET_URL", "/tmmn/2020/nothing"),
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
    command = [sys.executable, "-m", f"tests.servers.{name}", "--port", "0", *options]
    variable, path = STAND_INS[name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as server:
        try:
            assert server.stdout is not None
            url = next(found[1] for line in server.stdout if (found := re.match(rf"export {variable}='(.+)'", line)))
            assert requests.get(url + path, timeout=10).status_code < 500
        finally:
            server.terminate()
