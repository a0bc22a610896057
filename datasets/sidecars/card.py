"""Cards describe a cube or a model to readers, in Markdown under the front matter that Hugging Face reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import jinja2
import yaml
from markupsafe import Markup

from mmvsf.datasets.storage.location import Location
from mmvsf.datasets.storage.outputs import write_verified

CardPath = TypeVar("CardPath", bound=Location)


MARKUP = str.maketrans({"&": "&amp;", "<": "&lt;", "|": "\\|", "[": "\\[", "`": "\\`", "\n": " ", "\r": " "})


def markdown(value: Any) -> Any:
    """A value of a card as Markdown that shows its text: no HTML, link, code, cell or heading that it might spell.

    What a template marks as `safe` is Markdown already."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    text = value.translate(MARKUP)
    return f"\\{text}" if text[:1] in ("#", ">", "-", "+", "*", "=", "~", "!") else text


def write_card(path: CardPath, template: Path, front: Mapping[str, Any], values: Mapping[str, Any]) -> CardPath:
    """Fill a Jinja template with `values` and write it to `path` under the front matter.

    Raises jinja2.UndefinedError where the template uses a value that is not given, and OSError.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # it is Markdown
        finalize=markdown,
    )
    text = environment.get_template(template.name).render(dict(values))
    matter = yaml.safe_dump(dict(front), sort_keys=False, allow_unicode=True)
    write_verified(path, f"---\n{matter}---\n\n{text}".encode())
    return path
