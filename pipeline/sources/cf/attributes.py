"""Attributes of a file, which may be of any type and length, as one line of text or a number."""

from collections.abc import Mapping
from typing import Any

import numpy as np

LONGEST = 300


def text(attributes: Mapping[Any, Any], name: str) -> str:
    """An attribute on one line, at most `LONGEST` characters; "" if it is missing, or neither text nor one number."""
    value = attributes.get(name)
    if not isinstance(value, str):
        try:
            array = np.asarray(value)
        except (TypeError, ValueError):
            return ""
        if array.size != 1 or array.dtype.kind not in "iufU":
            return ""
        value = str(array.item())
    return " ".join("".join(letter if letter.isprintable() else " " for letter in value[:LONGEST]).split())


def number(attributes: Mapping[Any, Any], name: str) -> float | None:
    """An attribute as a number; None if it is missing, NaN if it is none."""
    if attributes.get(name) is None:
        return None
    try:
        return float(text(attributes, name))
    except ValueError:
        return float("nan")
