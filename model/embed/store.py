"""The store of embeddings while it is written: created whole, filled block by block, read back."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.errors import ZarrUserWarning

from mmvsf.datasets.cube.cube import root_attributes
from mmvsf.datasets.errors import InputError
from mmvsf.datasets.storage.location import DRAFT, remove_tree, sync_all, sync_folder
from mmvsf.datasets.storage.outputs import not_as_written
from mmvsf.datasets.storage.spec import GroupSpec
from mmvsf.datasets.storage.store import cache_context, create_group, finish_writes, open_pixels, read_pixels


def create_store(path: Path, layout: Callable[[str], GroupSpec]) -> None:
    """Create a store without embeddings in place of another one, so that a kill leaves the old store, none or the new
    one, never a part. `layout` is given the name of its group. Raises OSError."""
    draft = path.with_name(f"{path.name}.new{DRAFT}")
    path.parent.mkdir(parents=True, exist_ok=True)
    create_group(path.parent, layout(draft.name))
    with warnings.catch_warnings():
        # Consolidated metadata is an extension of Zarr 3, which readers may ignore.
        warnings.simplefilter("ignore", ZarrUserWarning)
        zarr.consolidate_metadata(str(draft))
    sync_all(draft)
    remove_tree(path)
    draft.rename(path)
    sync_folder(path.parent)


def write_part(path: Path, name: str, values: NDArray[Any], index: tuple[slice, ...] = ()) -> None:
    """Write an array or a part of it, and read it back. Raises OSError."""
    finish_writes([open_pixels(path, name, write=True)[index].write(values)], path)
    stored = read_pixels(open_pixels(path, name, context=cache_context(0)), index)
    if not np.array_equal(stored, values, equal_nan=True):
        raise not_as_written(path / name, "other values")


def has_settings(path: Path, settings: dict[str, Any]) -> bool:
    """Whether there are embeddings with these settings, finished or not. None is an attribute that is missing."""
    if not (path / "zarr.json").is_file():
        return False
    try:
        stored = root_attributes(path)
    except InputError:  # damaged, so they are written again
        return False
    return all(stored.get(key) == value for key, value in json.loads(json.dumps(settings)).items())
