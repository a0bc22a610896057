"""The code of the README and of the pages in docs runs as it is printed, on a small cube."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.recipe.load import load_region
from mmvsf.datasets.samples.reader import Normalisation
from mmvsf.model.embed.network import NetworkEncoder
from mmvsf.model.embed.run import embed
from mmvsf.model.mmvsf.checkpoint import load_checkpoint, new_network, save_checkpoint
from mmvsf.model.mmvsf.sizes import NetworkConfig

from .pipeline.tiny_archive import TinyArchive

ROOT = Path(__file__).resolve().parents[1]


def python_block(page: str, first_line: str) -> str:
    """The Python block of a page that begins with these words."""
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (code,) = (block for block in blocks if block.startswith(first_line))
    return code


def run(code: str, page: str, replaced: dict[str, str]) -> dict[str, Any]:
    """The names that a page's code defines, with other paths and numbers in it."""
    for text, other in replaced.items():
        assert text in code, text
        code = code.replace(text, other)
    names: dict[str, Any] = {}
    exec(compile(code, page, "exec"), names)
    return names


def test_the_snippet_opens_a_cube(grown_cube: Cube) -> None:
    code = python_block("docs/cube.md", "import xarray as xr")
    tile = grown_cube.grid.tiles[0]
    (by, bx), n = tile.grid.blocks[0], grown_cube.grid.chunks_per_block
    block = grown_cube.array("blocks/status")[:, tile.row + by, tile.column + bx] == 2
    share = grown_cube.array("chunks/clear_fraction")[block, (tile.row + by) * n, (tile.column + bx) * n]
    replaced = {"data/sandbox.zarr": str(grown_cube.path), "x11_y405": tile.name}
    names = run(code, "docs/cube.md", replaced | {"days[40]": f"days[{np.argmax(share == 100)}]"})
    seen = np.asarray(names["clear_red"])
    assert 0 < np.nanmean(seen) < 1
    assert np.isfinite(np.asarray(names["rain"])).any()


def test_zarr_and_tensorstore_read_the_same_pixels(grown_cube: Cube) -> None:
    tile = grown_cube.grid.tiles[0]
    by, bx = (32 * place for place in tile.grid.blocks[0])
    day = int(np.argmax(grown_cube.array("blocks/status")[:, tile.row + by // 32, tile.column + bx // 32] == 2))
    replaced = {
        "data/sandbox.zarr": str(grown_cube.path),
        "x11_y405": tile.name,
        "[100, :, :64, :64]": f"[{day}, :, {by} : {by + 8}, {bx} : {bx + 8}]",
    }
    first, second = (
        run(python_block("docs/cube.md", f"import {name}"), "docs/cube.md", replaced)
        for name in ("zarr", "tensorstore")
    )
    assert np.array_equal(first["one_chunk"], second["one_chunk"] * first["scale"])
    assert first["one_chunk"].shape == (6, 8, 8) and (first["one_chunk"] > 0).any()


@pytest.mark.slow
def test_the_snippet_builds_a_cube(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = TinyArchive(tmp_path).write()
    monkeypatch.chdir(archive.folder)
    name = archive.recipe.stem
    names = run(python_block("README.md", "import mmvsf"), "README.md", {"my-region": name})
    assert names["cube"].complete and not names["failed"] and {"tiles", "seasons"} <= set(names["tree"].children)
    assert (tmp_path / "crop.tif").is_file()
    tile = names["cube"].grid.tiles[0].name
    pytest.importorskip("duckdb", reason="duckdb is of the extra `clients`")
    replaced = {
        "data/sandbox.zarr": str(names["cube"].path.absolute()),
        "x11_y405": tile,
        "[:32, :96, :96]": "[:32, :9, :9]",
    }
    others = run(python_block("docs/cube.md", "import duckdb"), "docs/cube.md", replaced)
    assert others["masks"].shape == (32, 9, 9) and others["in_degrees"].rio.crs.to_epsg() == 4326
    assert sum(count for _, _, count in others["images_a_month"]) == len(others["scenes"]) > 0


@pytest.mark.slow
def test_the_snippet_classifies_embeddings(grown_cube: Cube, tmp_path: Path) -> None:
    """With an untrained model."""
    normalisation = Normalisation.of([grown_cube])
    config = NetworkConfig(grown_cube.bands, grown_cube.weather)
    save_checkpoint(tmp_path, new_network(config, normalisation), normalisation, [], {})
    encoder = NetworkEncoder.of(grown_cube, load_checkpoint(tmp_path), tmp_path)
    store = embed(grown_cube, encoder, tmp_path / "embeddings.zarr")
    code = python_block("docs/models.md", "import mmvsf")
    replaced = {"data/sandbox.zarr": str(grown_cube.path), "runs/sandbox/embeddings.zarr": str(store)}
    names = run(code, "docs/models.md", replaced)
    features, test = names["features"], names["test"]
    assert features.shape == (3 * 3 * 64, config.width) and np.isfinite(features).all()
    assert test.sum() == 3 * 64  # one of three places
    assert 0.5 < names["accuracy"] <= 1


def test_ten_lines_train_a_model(grown_cube: Cube) -> None:
    replaced = {"data/sandbox.zarr": str(grown_cube.path), "size=32": "size=16"}
    names = run(python_block("docs/train-your-own.md", "import mmvsf"), "docs/train-your-own.md", replaced)
    assert names["batch"]["images"].shape == (8, 7, 4, 16, 16) and torch.isfinite(names["loss"])


def test_windows_of_the_pages_divide_the_block_of_their_cube() -> None:
    """Of a block that they do not divide, the rest is in no sample."""
    region, _ = load_region("sandbox")
    for page in (*(ROOT / "docs").glob("*.md"), *(ROOT / "docs/notebooks").glob("*.ipynb")):
        for size in re.findall(r"\bmmvsf\.dataset\([^)]*\bsize=(\d+)", page.read_text(encoding="utf-8")):
            assert region.grid.block % int(size) == 0, f"{page.name}: size={size}"


@pytest.mark.slow
def test_both_lightnings_train_a_model(grown_cube: Cube) -> None:
    page, replaced = "docs/train-your-own.md", {"data/sandbox.zarr": str(grown_cube.path), "size=32": "size=16"}
    code = python_block(page, "import lightning")
    for other in ("lightning", "pytorch_lightning"):
        code_of_other = code.replace("import lightning\n", f"import {other} as lightning\n")
        names = run(code_of_other, page, replaced)
        assert names["trainer"].global_step == 2 and names["trainer"].__module__.startswith(other)
