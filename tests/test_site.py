"""The documentation builds as a site without a warning, and its navigation has every page."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mmvsf

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "build/site"


def pages_of(nav: list[Any]) -> Iterator[str]:
    """The files that a navigation names, in order."""
    for entry in nav:
        values = [entry] if isinstance(entry, str) else list(entry.values())
        for value in values:
            yield from pages_of(value) if isinstance(value, list) else [value]


def test_every_page_is_in_the_navigation_once() -> None:
    config = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    above = {f"{Path(name).stem}.md" for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")}
    pages = [page for page in pages_of(config["project"]["nav"]) if page not in above]
    notebooks = [f"notebooks/{path.stem}.md" for path in (ROOT / "docs/notebooks").glob("*.ipynb")]
    assert sorted(pages) == sorted([*(path.name for path in (ROOT / "docs").glob("*.md")), *notebooks])


def test_the_reference_has_every_public_name() -> None:
    named = re.findall(r"^::: mmvsf\.(\w+)$", (ROOT / "docs/api.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(set(mmvsf.__all__) - {"__version__"})


@pytest.mark.slow
def test_the_site_builds_without_a_warning() -> None:
    pytest.importorskip("zensical", reason="zensical is of the extra `docs`")
    built = subprocess.run([sys.executable, ROOT / "docs/build.py"], capture_output=True, text=True, timeout=120)
    assert built.returncode == 0, f"{built.stdout[-3000:]}{built.stderr[-1000:]}"
    assert "No issues found" in built.stdout + built.stderr
    reference = (SITE / "api.html").read_text(encoding="utf-8")
    assert "Dask chunks are as large as the cube's shards" in reference  # a docstring
    texts = {path: path.read_text(encoding="utf-8") for path in SITE.rglob("*.html")}
    assert len(texts) > 30
    foreign = [
        f"{path.name}: {address}"
        for path, text in texts.items()
        for address in re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"?(https?://[^\s\">]+)", text)
    ]
    assert not foreign  # nothing is loaded from elsewhere
