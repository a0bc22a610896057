"""What the Zarr conventions' own JSON schemas, and the package zarr-cm, say of the metadata of groups and arrays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zarr_cm.multiscales
import zarr_cm.proj
import zarr_cm.spatial
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

Document = dict[str, Any]

CHECKS = {
    "proj": zarr_cm.proj.validate_node_metadata,
    "spatial": zarr_cm.spatial.validate_node_metadata,
    "multiscales": zarr_cm.multiscales.validate_node_metadata,
}
PROJJSON = "https://proj.org/schemas/v0.7/projjson.schema.json"
"""Named by the schema of proj; no cube uses it."""


def documents(store: Path) -> Iterator[tuple[str, Document]]:
    """The zarr.json of each group and array in a store, with its name; that of the root is empty."""
    for path in sorted(store.rglob("zarr.json")):
        name = str(path.parent.relative_to(store))
        yield "" if name == "." else name, json.loads(path.read_text(encoding="utf-8"))


def errors(document: Document) -> list[str]:
    """What is wrong with the registered conventions of a group or an array."""
    messages = _schema_errors("registration", document)
    for name in registered(document):
        messages += _schema_errors(name, document)
        try:
            CHECKS[name](document)
        except (TypeError, ValueError) as error:
            messages.append(f"zarr-cm: {error}")
    return messages


def registered(document: Document) -> list[str]:
    return [entry["name"] for entry in document["attributes"].get("zarr_conventions", [])]


def with_inherited(array: Document, group: Document) -> Document:
    """An array with the proj and spatial attributes that it has from its group."""
    inherited = {
        key: value
        for key, value in group["attributes"].items()
        if key == "zarr_conventions" or key.startswith(("proj:", "spatial:"))
    }
    return {**array, "attributes": {**inherited, **array["attributes"]}}


def _schema_errors(name: str, document: Document) -> list[str]:
    schema = json.loads((Path(__file__).parent / f"{name}.json").read_text(encoding="utf-8"))
    # The schemas name draft 7, which ignores what is beside a $ref. They rely on the later rule, as their tests do.
    registry: Registry[Any] = Registry().with_resource(PROJJSON, Resource({}, DRAFT202012))
    validator = Draft202012Validator(schema, registry=registry)
    return [f"{name}: {error.json_path}: {error.message}" for error in validator.iter_errors(document)]
