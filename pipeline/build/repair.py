"""Rebuild the damaged parts of a cube, and nothing else."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from mmvsf.datasets.cube.cube import Cube, root_attributes
from mmvsf.datasets.cube.write import root_attributes_of, set_incomplete, write_root
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.location import read_each
from mmvsf.datasets.storage.lock import write_lock
from mmvsf.datasets.storage.manifest import ROOT as MANIFEST
from mmvsf.datasets.storage.manifest import Record, trusted_manifest
from mmvsf.pipeline.layers.imagery.summary import Summary
from mmvsf.pipeline.layers.layer import Layer, LayerPlan
from mmvsf.pipeline.ledger import Ledger

from .executor import Executor
from .plan import BuildPlan
from .provenance import provenance
from .run import ROOT_ENTRY, CheckCube, Progress, build, no_check, refuse_fewer_scenes


@dataclass(frozen=True)
class Repaired:
    """What a repair did."""

    summary: Summary
    units: tuple[str, ...]
    """ledger entries of the shards that were missing or damaged, and were read again"""
    before: str
    """the digest before; empty where it was lost with the root"""
    after: str

    @property
    def sentence(self) -> str:
        """The result in words."""
        work = f"read {len(self.units)} damaged units again" if self.units else "no shard was damaged"
        if self.before in ("", self.after):
            return f"{work}; the digest is {self.after}"
        return (
            f"{work}; the digest was {self.before} and is {self.after}, because the source has changed; both are in the"
            " cube's history"
        )


def repair(
    plan: BuildPlan, run: Executor, progress: Progress, *, accept_failed: bool = False, check: CheckCube = no_check
) -> Repaired:
    """Hash every shard that the ledger lists, read again those that are missing or damaged, and write everything else
    and the manifest from what is known.

    Raises InputError where there is no cube to repair, and what `build` raises.
    """
    with write_lock(plan.cube, "repair"):
        refuse_fewer_scenes(plan)  # before an entry is removed
        before = _ensure_root(plan)
        units = tuple(name for part in plan.layers for name in _damaged_units(part.layer, part.plan))
        ledger = Ledger.of_cube(plan.cube)
        set_incomplete(plan.cube)
        for name in units:
            ledger.remove(name)
        summary = build(plan, run, progress, accept_failed=accept_failed, check=check)
        return Repaired(summary, units, before, Cube.open(plan.cube).digest)


def _ensure_root(plan: BuildPlan) -> str:
    """Write the root again where it is missing or is not the one that was written, and the manifest describes. Returns
    the digest that it held."""
    if not any((plan.cube / name).exists() for name in (MANIFEST, "tiles")):
        if (plan.cube / "zarr.json").is_file():
            Cube.open(plan.cube)  # refuses one of another format
        raise InputError(f"there is no cube at {plan.cube} to repair; build it with `mmvsf dataset`")
    try:
        trusted_manifest(plan.cube)
        return str(root_attributes(plan.cube)["digest"])
    except (InputError, FileNotFoundError):
        known = Ledger.of_cube(plan.cube).read(ROOT_ENTRY)
        attributes = known or root_attributes_of(plan.spec, provenance(plan))
        write_root(plan.cube, attributes)
        return str(attributes.get("digest", ""))


def _damaged_units(layer: Layer[Any], plan: LayerPlan[Any]) -> list[str]:
    """The units of a layer with a shard that is not as the ledger recorded it."""
    owners: dict[str, tuple[str, Record]] = {}
    for name, entry in Ledger.of_cube(layer.cube).entries(plan.entries):
        if entry is not None:
            for part, key, record in layer.shards(name, entry):
                owners[f"{part}/{key}"] = (name, record)
    damaged = set()
    for shard, content in read_each(layer.cube, sorted(owners)):
        name, record = owners[shard]
        if content is None or len(content) != record.length or sha256(content).hexdigest() != record.sha256:
            damaged.add(name)
    return sorted(damaged)
