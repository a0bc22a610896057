"""JSON that others wrote, read so that one absurd number spoils nothing but itself."""

import json
from typing import Any

MOST_DIGITS = 300
"""Longer whole numbers are read as floating point, mostly as infinity: Python refuses to convert those of more than
4,300 digits, and none is meant."""


def load_json(text: str | bytes) -> Any:
    """The content of a JSON text in UTF-8. Raises ValueError for anything else, and for one that is nested too deeply
    to be read."""
    try:
        return json.loads(text, parse_int=_whole)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= MOST_DIGITS else float(digits)
