"""What stands in the way of a build is said at once: a missing network is not waited for as a busy server is."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mmvsf.datasets.errors import IncompleteError
from mmvsf.pipeline.sources.cdl.cropscape import CropScapeLabels
from mmvsf.pipeline.sources.stac.catalogs import catalog
from mmvsf.pipeline.sources.stac.search import find_items
from mmvsf.pipeline.sources.transport.http import RetryPolicy

pytestmark = pytest.mark.slow

NOWHERE = "http://127.0.0.1:9"


def search(folder: Path) -> object:
    found = find_items(catalog("planetary-computer", RetryPolicy()), RetryPolicy(), ["hls2-s30"], (0, 0, 1, 1), [None])
    return list(found)


def probe(folder: Path) -> object:
    return CropScapeLabels(folder, NOWHERE).asset(2021)


@pytest.mark.parametrize("ask", [search, probe])
def test_a_host_that_takes_no_connection(
    ask: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the retry_policy of a real build, which waits half a minute for a server that is busy."""
    monkeypatch.setenv("MMVSF_STAC_URL", NOWHERE)
    began = time.monotonic()
    with pytest.raises(IncompleteError, match="connection refused"):
        ask(tmp_path)
    assert time.monotonic() - began < 5
