"""The inputs and outputs of a finished build, recorded in the ledger: if both are unchanged, a run has nothing to do,
which is found out without a plan.

Only builds whose sources all read files on this disk are sealed, and only if nothing failed. A seal decides nothing
else: where anything differs, the run plans, compares and repeats what it must.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from mmvsf.datasets.cube.paths import cube_path
from mmvsf.datasets.errors import MmvsfError
from mmvsf.datasets.json_text import parse_json
from mmvsf.datasets.recipe.load import read_recipe
from mmvsf.datasets.recipe.region import Region
from mmvsf.datasets.storage.location import Location, local_folder, objects, read_each
from mmvsf.datasets.storage.manifest import FOLDER, ROOT
from mmvsf.pipeline.layers.imagery.summary import Summary
from mmvsf.pipeline.ledger import Ledger

from .local_inputs import local_inputs

ENTRY = "finished"
"""Name of the ledger's entry."""

DESCRIPTION = ("zarr.json", ROOT)
"""Objects of a cube that are compared as a whole, as the manifest's files are; all others by name and length."""


@dataclass(frozen=True)
class Finished:
    """A cube with nothing to do."""

    region: Region
    cube: Location
    attributes: dict[str, Any]
    """of its root"""
    summary: Summary
    bytes: int
    """of all objects of the cube"""

    @property
    def scenes_by_service(self) -> dict[str, int]:
        """How many rows of the table of scenes each of several services gave; of a row that came from two, both."""
        counts = Counter[str]()
        for services, rows in (run for runs in self.attributes.get("services", {}).values() for run in runs):
            counts.update(dict.fromkeys(services.split(", "), rows))
        return dict(counts)


def finished_build(
    recipe: Region | Path | str, data_dir: Location, *, source: str | None = None, blocks: int | str | None = None
) -> Finished | None:
    """The cube of a recipe, if it is finished and nothing has changed since; None where a plan must tell, also of what
    is wrong. Arguments are those of `build_plan`."""
    try:
        region, path = read_recipe(recipe, source=source, blocks=blocks)
        cube = cube_path(region.name, data_dir)
        seal = Ledger.of_cube(cube).read(ENTRY)
        if seal is None or seal.get("inputs") != local_inputs(region, path, local_folder(data_dir)):
            return None
        state = _state_of(cube)
        if seal.get("outputs") != state.digest:
            return None
        summary = Summary.parse(seal["summary"])
        return Finished(region, cube, parse_json(state.root)["attributes"], summary, state.bytes)
    except (MmvsfError, OSError, ValueError, KeyError, TypeError):
        return None


def seal_build(cube: Location, inputs: str, summary: Summary) -> None:
    """Record a build that has just been finished; `inputs` are those from before it read anything, empty where they are
    not known: an earlier record then stays if the build changed nothing. Raises OSError."""
    ledger = Ledger.of_cube(cube)
    if inputs and summary.complete:
        ledger.write(ENTRY, {"inputs": inputs, "outputs": _state_of(cube).digest, "summary": asdict(summary)})
    elif not summary.complete or (ledger.read(ENTRY) or {}).get("outputs") != _state_of(cube).digest:
        ledger.remove(ENTRY)


@dataclass(frozen=True)
class _State:
    """What a cube and its ledger hold."""

    digest: str
    root: bytes
    """the root's zarr.json"""
    bytes: int


def _state_of(cube: Location) -> _State:
    """Raises FileNotFoundError for a cube without a root."""
    members = list(objects(cube))
    entries = [entry for entry in objects(Ledger.of_cube(cube).root) if entry[0] != f"{ENTRY}.json"]
    state = sha256(repr((members, entries)).encode())
    root = b""
    for name, content in read_each(cube, _described(members)):
        if content is None:
            raise FileNotFoundError(str(cube / name))
        root = root or content
        state.update(content)
    return _State(state.hexdigest(), root, sum(size for _, size in members))


def _described(members: list[tuple[str, int]]) -> Iterator[str]:
    yield from DESCRIPTION
    yield from (name for name, _ in members if name.startswith(f"{FOLDER}/"))
