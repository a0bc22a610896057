"""Untrusted JSON, from files and services."""

import json
import re
from typing import Any

MOST_DIGITS = 300
"""Longer whole numbers are read as floating point, mostly as infinity: Python refuses to convert those of more than
4,300 digits, and none is meant. One absurd number so spoils nothing but what holds it."""

MOST_LEVELS = 100
"""Levels of nesting that `parse_json_of_many` keeps of a text that the parser refuses."""

TOO_DEEP = "nested too deeply"

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\Z)|[\[\]{}]', re.DOTALL)
"""A text, also one that does not end, or a bracket"""


def parse_json(content: bytes | str) -> Any:
    """The value of a JSON text in UTF-8. Raises ValueError, and nothing else, for a text that is none, also for one
    that is nested too deeply."""
    try:
        return json.loads(content if isinstance(content, str) else content.decode("utf-8"), parse_int=_whole)
    except RecursionError:
        raise ValueError(f"it is {TOO_DEEP}") from None


def parse_json_of_many(content: bytes | str) -> Any:
    """As `parse_json`, for a text with many members of different origin: where one is nested too deeply for the parser,
    what is deeper than MOST_LEVELS is replaced by the text TOO_DEEP, so that the others can be read. Raises ValueError.
    """
    text = content if isinstance(content, str) else content.decode("utf-8")
    try:
        return json.loads(text, parse_int=_whole)
    except RecursionError:
        return parse_json(_cut(text))


def _cut(text: str) -> str:
    """A JSON text with TOO_DEEP for each object and list that is deeper than MOST_LEVELS."""
    kept, level, start = [], 0, 0
    for token in TOKEN.finditer(text):
        if text[token.start()] in "[{":
            level += 1
            if level == MOST_LEVELS + 1:
                kept.append(text[start : token.start()])
        elif text[token.start()] in "]}":
            if level == MOST_LEVELS + 1:
                kept.append(f'"{TOO_DEEP}"')
                start = token.end()
            level -= 1
    kept.append(text[start:] if level <= MOST_LEVELS else "")
    return "".join(kept)


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= MOST_DIGITS else float(digits)
