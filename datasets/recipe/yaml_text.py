"""YAML of a recipe: small, shallow, and each key once."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from mmvsf.datasets.errors import InputError, one_line

MOST_BYTES = 250_000
"""A recipe of 4,000 named places; more take seconds to read."""

MOST_LEVELS = 20

EXAMPLE = "see the documented example with `mmvsf regions --show example`"


BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The parser in C, where PyYAML was built with it: ten times faster."""


class _Loader(BASE):  # type: ignore[misc]
    """A safe loader that refuses a key that is given twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key.value[:60]}' is given twice", key.start_mark
                )
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


def read_yaml(path: Path, kind: str = "recipe", example: str = EXAMPLE) -> dict[str, Any]:
    """The lines of a file of a recipe, or of another `kind`, of which `example` says where to see one. Raises
    InputError for a file that holds no mapping, or is too large to be one; OSError."""
    if (size := path.stat().st_size) > MOST_BYTES:
        raise InputError(f"{path} has {size:,} bytes, and a {kind} at most {MOST_BYTES:,}; {example}")
    try:
        text = path.read_text(encoding="utf-8")
        _refuse_anchors(text, path, kind, example)
        content = yaml.load(text, _Loader)  # noqa: S506 (a safe loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a YAML file: {one_line(error)}") from error
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError) as error:
        # PyYAML makes dates and numbers itself: 30 February and numbers of 5000 digits are Python's own errors.
        raise InputError(f"{path}: a date, number or key in it does not exist ({one_line(error)})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no {kind}; {example}")
    if wrong := [key for key in content if not isinstance(key, str)]:
        raise InputError(f"{path}: {str(wrong[0])[:60]} is not a key of a {kind}; {example}")
    return content


def _refuse_anchors(text: str, path: Path, kind: str, example: str) -> None:
    """Raise InputError for aliases, by which a few lines stand for millions, and for levels without end, before
    anything is made of them. Raises yaml.YAMLError."""
    level = 0
    for event in yaml.parse(text, BASE):
        if isinstance(event, yaml.events.AliasEvent):
            raise InputError(f"{path}, line {_line(event)}: a {kind} must not contain aliases (*name)")
        level += isinstance(event, yaml.events.CollectionStartEvent) - isinstance(event, yaml.events.CollectionEndEvent)
        if level > MOST_LEVELS:
            raise InputError(f"{path}, line {_line(event)}: it is nested too deeply; {example}")


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0
