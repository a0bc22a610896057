"""The validator gives the verdict of the conformance kit on every cube of it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mmvsf.datasets.format.objects import Served, Stored
from mmvsf.datasets.format.schema import load, problem
from mmvsf.datasets.format.validate import Objects, validate
from tests.kit.cube import make
from tests.kit.damaged import DAMAGED, LARGE, SMALL, Verdict
from tests.kit.good import GOOD
from tests.kit.kind import Kind
from tests.servers.base import Request, Response, StandIn

from .conftest import Kit

pytestmark = pytest.mark.slow

CODE = re.compile(r'"([a-z]+-[a-z]+|incomplete)"')
LISTED = {"missing-object", "short-object", "long-object", "extra-object"}


class Files(StandIn):
    """A folder behind HTTP."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def answer(self, request: Request) -> Response:
        return Response.of_file(self.folder, request.path, request)


def verdict(objects: Objects, *, hashes: bool = True, pixels: bool = True) -> Verdict:
    return sorted({(code, name) for code, name, _ in validate(objects, hashes=hashes, pixels=pixels)})


def test_the_kit_is_large_enough(kit: Kit) -> None:
    assert len(kit.verdicts) >= 40 and sum(not verdict for verdict in kit.verdicts.values()) >= 10
    assert json.loads((kit.folder / "verdicts.json").read_text()) == {
        name: [list(found) for found in verdict] for name, verdict in kit.verdicts.items()
    }


def test_the_verdict_on_every_cube(kit: Kit) -> None:
    wrong = {}
    for name, expected in kit.verdicts.items():
        actual = verdict(Stored(kit.folder / f"{name}.zarr"))
        if actual != expected:
            wrong[name] = f"{actual[:3]}, not {expected[:3]}"
    assert not wrong


def test_a_listing_finds_what_is_missing_extra_or_of_another_length(kit: Kit) -> None:
    wrong = {}
    for name in ("plain", *DAMAGED):
        expected = kit.verdicts[name]
        actual = verdict(Stored(kit.folder / f"{name}.zarr"), hashes=False, pixels=False)
        if [found for found in actual if found[0] in LISTED] != [found for found in expected if found[0] in LISTED]:
            wrong[name] = actual[:3]
    assert not wrong


def test_a_server_that_cannot_list_gets_the_same_verdict_but_for_extra_objects(kit: Kit) -> None:
    names = ("plain", "missing-shard", "bit-in-small-shard", "extra-shard", "wrong-crs", "missing-manifest")
    with Files(kit.folder) as server:
        for name in names:
            expected = [found for found in kit.verdicts[name] if found[0] != "extra-object"]
            assert verdict(Served(f"{server.url}/{name}.zarr")) == expected, name


def test_every_code_is_in_the_kit() -> None:
    """The codes of the specification, those that the validator gives, and those that the kit expects are the same."""
    root = Path(__file__).parents[3]
    given, expected = (
        {code for path in (root / folder).glob("*.py") for code in CODE.findall(path.read_text(encoding="utf-8"))}
        for folder in ("datasets/format", "tests/kit")
    )
    codes = load("codes.json").keys()
    assert not codes - given and not codes - expected


def test_the_command_prints_the_findings(kit: Kit) -> None:
    command = [sys.executable, "-m", "mmvsf.datasets.format"]
    good, bad = kit.folder / "plain.zarr", kit.folder / "missing-shard.zarr"
    sound = subprocess.run([*command, str(good)], capture_output=True, text=True)
    assert sound.returncode == 0 and not sound.stdout, sound.stderr
    damaged = subprocess.run([*command, str(bad), "--list"], capture_output=True, text=True)
    assert damaged.returncode == 1 and damaged.stdout.split()[:2] == ["missing-object", f"{LARGE}:"], damaged.stderr


def test_the_validator_needs_neither_torch_nor_the_pipeline(kit: Kit) -> None:
    code = (
        "import sys; from mmvsf.datasets.format.validate import validate;"
        "from mmvsf.datasets.format.objects import Stored;"
        f"assert not validate(Stored(__import__('pathlib').Path({str(kit.folder / 'plain.zarr')!r})));"
        "sys.exit(sum(m in sys.modules for m in ('torch', 'xarray', 'tensorstore', 'rasterio', 'mmvsf.pipeline')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_kit_has_small_and_large_shards() -> None:
    files = make(Kind())
    assert len(files[LARGE]) > 65536 > len(files[SMALL])


def test_schemas_agree_with_jsonschema(kit: Kit) -> None:
    """Our part of JSON Schema is the one of everybody, on every manifest and root of the kit."""
    jsonschema = pytest.importorskip("jsonschema")
    for name in kit.verdicts:
        cube = kit.folder / f"{name}.zarr"
        files = [("manifest.schema.json", cube / "manifest.json"), ("root.schema.json", cube / "zarr.json")]
        files += [("part.schema.json", path) for path in (cube / "manifest").rglob("*.json")]
        for schema, path in files:
            try:
                values = json.loads(path.read_bytes())
            except (ValueError, FileNotFoundError):
                continue
            values = values["attributes"] if schema == "root.schema.json" else values
            is_valid = jsonschema.Draft202012Validator(load(schema)).is_valid(values)
            assert is_valid == (problem(load(schema), values) is None), path


def test_good_kinds_differ() -> None:
    assert len(set(GOOD.values())) == len(GOOD)
