"""The part of JSON Schema that the schemas of this folder use, so that a validator needs no package for it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
BOUNDS: dict[str, Callable[[Any, Any], bool]] = {
    "minimum": lambda value, bound: value >= bound,
    "exclusiveMinimum": lambda value, bound: value > bound,
    "multipleOf": lambda value, bound: value % bound == 0,
    "minItems": lambda value, bound: len(value) >= bound,
    "maxItems": lambda value, bound: len(value) <= bound,
    "pattern": lambda value, bound: re.search(bound.replace("$", r"\Z"), value) is not None,
    "const": lambda value, bound: value == bound,
}


def load(name: str) -> Any:
    """A JSON file of this folder."""
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def parse(content: bytes) -> Any:
    """JSON in UTF-8, without NaN; None for anything else."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    try:
        return json.loads(content.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError):
        return None


def _is(value: Any, name: str) -> bool:
    """Whether a value is of a type of JSON Schema; Python's True is an int, and JSON's is none."""
    return isinstance(value, TYPES[name]) and isinstance(value, bool) == (name == "boolean")


def problem(schema: Any, value: Any, where: str = "", root: Any = None) -> str | None:
    """The first way in which a value breaks a schema, None if it does not. An integer is written without a point."""
    root = root or schema
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    names = schema.get("type", [])
    names = [names] if isinstance(names, str) else names
    if names and not any(_is(value, name) for name in names):
        return f"{where or 'the value'} is not of type {' or '.join(names)}"
    for key, holds in BOUNDS.items():
        if key in schema and not holds(value, schema[key]):
            return f"{where or 'the value'} breaks {key} {schema[key]}"
    members: list[tuple[Any, Any, str]] = []
    if isinstance(value, dict):
        for key in schema.get("required", []):
            if key not in value:
                return f"{where or 'the value'} has no member {key}"
        rest = schema.get("additionalProperties", {})
        for key, member in value.items():
            members.append((schema.get("propertyNames", {}), key, f"the name {key}"))
            rule = schema.get("properties", {}).get(key, rest)
            if rule is False:
                return f"{where or 'the value'} has a member {key}"
            members.append((rule, member, f"{where}.{key}" if where else key))
    if isinstance(value, list):
        prefix = schema.get("prefixItems", [])
        rules = [*prefix, *[schema.get("items", {})] * max(0, len(value) - len(prefix))]
        members += [(rule, item, f"{where}[{i}]") for i, (rule, item) in enumerate(zip(rules, value, strict=False))]
    return next((text for member in members if (text := problem(*member, root))), None)
