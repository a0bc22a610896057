"""An extension of Griffe: doctests in a docstring are shown as code, not as quotations."""

import re
from typing import Any

import griffe

DOCTEST = re.compile(r"^>>> .*(?:\n(?!\n).+)*", re.MULTILINE)
"""From a prompt to the next blank line"""


class Doctests(griffe.Extension):
    """Puts each run of doctests between fences."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = DOCTEST.sub(r"```pycon\n\g<0>\n```", obj.docstring.value)
