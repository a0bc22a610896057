"""What exists where a cube is to be built: nothing, a cube to continue, or something that must not be touched."""

from pathlib import Path
from typing import Any

from mmvsf.datasets.cube.cube import Cube, root_attributes
from mmvsf.datasets.cube.layout import FORMAT, FORMAT_VERSION
from mmvsf.datasets.cube.write import root_attributes_of, write_root
from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.datasets.storage.location import Location, remove_tree
from mmvsf.datasets.storage.manifest import ROOT as MANIFEST
from mmvsf.pipeline.ledger import Ledger

from .compatibility import reasons_against
from .plan import BuildPlan
from .provenance import provenance
from .reshape import is_reshaping

SHAPE = (
    "grid",
    "calendar",
    "bands",
    "weather_variables",
    "seasons",
    "label_seasons",
    "legend",
    "static_layers",
    "radar_orbits",
    "radar_polarisations",
    "targets",
    "label_confidence",
)
"""Root attributes that the shapes of arrays follow from; from `legend` on they are there only if the cube has such
parts."""


def ensure_root(plan: BuildPlan, overwrite: bool) -> dict[str, Any]:
    """Write the root of a new cube, or check that the existing one has the same layout and is of this recipe.

    Returns the root attributes of the finished cube, but for its digest. Raises InputError for another cube, and for a
    folder that is no cube: that is never written to or removed.
    """
    if plan.cube.exists() and not _looks_like_a_cube(plan.cube):
        raise InputError(f"{plan.cube} exists and is not a cube; move it away, or choose another --data-dir")
    root, ledger = plan.cube / "zarr.json", Ledger.of_cube(plan.cube)
    if overwrite:
        # The manifest and the root first: without them, nothing left behind by a kill counts as done.
        (plan.cube / MANIFEST).unlink(missing_ok=True)
        root.unlink(missing_ok=True)
        remove_tree(ledger.root)
        remove_tree(plan.cube)
    if not root.is_file():
        if (plan.cube / MANIFEST).is_file():
            raise IncompleteError(f"{root} is missing; run `mmvsf repair` to restore it")
        remove_tree(ledger.root)
        if isinstance(plan.cube, Path):
            plan.cube.mkdir(parents=True, exist_ok=True)
        attributes = root_attributes_of(plan.spec, provenance(plan))
        write_root(plan.cube, attributes)
        return attributes
    if is_reshaping(plan.cube):
        raise IncompleteError(f"{plan.cube} is being extended; run `mmvsf extend` again to finish that")
    attributes, wanted = root_attributes(plan.cube), plan.spec.attributes()
    _refuse_other_shape(plan, attributes)
    others = {name: value for name, value in attributes.items() if name not in SHAPE}
    if {**others, **wanted} != attributes:
        return {**others, **wanted, **provenance(plan)}
    return attributes


def _refuse_other_shape(plan: BuildPlan, attributes: dict[str, Any]) -> None:
    """Raise InputError unless the existing cube has the shape of the plan."""
    remedy = "rebuild it with --overwrite, or give the recipe another name"
    other = [
        key for key, value in (("format", FORMAT), ("format_version", FORMAT_VERSION)) if attributes.get(key) != value
    ]
    if other:
        raise InputError(
            f"{plan.cube} was made by another version of this program ({', '.join(other)} differ); {remedy}"
        )
    existing = Cube.open(plan.cube, allow_incomplete=True)
    # Not the root's own list of parts, which may be that of an earlier recipe; the arrays follow from `region`.
    present, wanted = existing.spec.attributes(), plan.spec.attributes()
    changed = [key for key in SHAPE if present.get(key) != wanted.get(key)]
    if existing.years != plan.region.period.years:
        changed.append("years")
    if existing.season != plan.region.period.season:
        changed.append("season")
    if not changed:
        return
    if reasons := reasons_against(existing.spec, plan.spec):
        raise InputError(f"{plan.cube} was made by another recipe: {'; '.join(reasons)}; {remedy}")
    raise InputError(
        f"{plan.cube} holds less than the recipe asks for ({', '.join(changed)}); `mmvsf extend` with the same"
        f" arguments adds what is missing and does not change existing data; or {remedy}"
    )


def _looks_like_a_cube(path: Location) -> bool:
    """Whether a folder is empty, or holds a cube or the beginning of one."""
    begun = (path / "zarr.json").is_file() or (path / "tiles").is_dir()
    return begun or (isinstance(path, Path) and path.is_dir() and not any(path.iterdir()))
