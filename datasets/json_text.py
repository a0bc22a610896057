"""JSON from files and services that anyone may have written."""

import json
from typing import Any

MOST_DIGITS = 300
"""Longer whole numbers are read as floating point, mostly as infinity: Python refuses to convert those of more than
4,300 digits, and none is meant. One absurd number so spoils nothing but what holds it."""


def parse_json(content: bytes | str) -> Any:
    """The value of a JSON text in UTF-8. Raises ValueError, and nothing else, for a text that is none, also for one
    that is nested too deeply."""
    try:
        return json.loads(content if isinstance(content, str) else content.decode("utf-8"), parse_int=_whole)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= MOST_DIGITS else float(digits)
