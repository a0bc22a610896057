"""One way to resume: a small JSON file for each unit of work, written whole, that holds what its result depends on.

A unit is done, or may be continued, where its record exists and was written with the same settings.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmvsf.datasets.json_text import parse_json
from mmvsf.datasets.storage.outputs import write_verified

SETTINGS = "settings"


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file that people read too, null for a number that is not finite, which JSON does not have. Raises
    OSError where the disk refuses."""
    write_verified(path, (json.dumps(_finite(content), indent=1, allow_nan=False) + "\n").encode())


def write_record(path: Path, settings: Mapping[str, Any], content: Mapping[str, Any]) -> None:
    """Record a unit of work: `settings` is all that its result depends on, `content` what else is kept. Raises OSError
    where the disk refuses."""
    write_verified(path, json.dumps(_finite({SETTINGS: dict(settings), **content}), allow_nan=False).encode())


def read_record(path: Path) -> dict[str, Any] | None:
    """A record as it was written; None where there is none or it is damaged."""
    try:
        record = parse_json(path.read_bytes())
    except (FileNotFoundError, ValueError):  # json's and UTF-8's errors are ValueErrors
        return None
    return record if isinstance(record, dict) else None


def _finite(content: Any) -> Any:
    """The same content with null for numbers that are not finite."""
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def has_settings(record: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether a record was written with these settings."""
    return bool(record.get(SETTINGS) == json.loads(json.dumps(dict(settings))))
