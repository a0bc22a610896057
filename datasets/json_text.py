"""JSON from files that anyone may have written."""

import json
from typing import Any


def parse_json(content: bytes | str) -> Any:
    """The value of a JSON text in UTF-8.

    Raises ValueError, and nothing else, for a text that is none: also for one that is nested too deeply, or whose
    numbers have more digits than Python reads.
    """
    try:
        return json.loads(content if isinstance(content, str) else content.decode("utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
