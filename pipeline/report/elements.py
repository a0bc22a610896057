"""The elements of a section of the page: pictures, tables, notes. The template draws each kind."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from matplotlib.figure import Figure

from .drawing import DARK_STYLE

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Picture:
    """An image that carries its own bytes. `alt` describes it to readers who cannot see it; `width` in CSS pixels."""

    kind: ClassVar[str] = "picture"
    uri: str
    alt: str
    caption: str
    width: int | None = None


@dataclass(frozen=True)
class Cell:
    """One cell of a table. `best` draws it bold; `swatch` is a colour #rrggbb drawn before the text."""

    text: str
    best: bool = False
    swatch: str | None = None


@dataclass(frozen=True)
class ReportTable:
    """`rows` begin with a heading cell. `groups` are headings over several columns, as (text, columns).
    `folded`: shown once it is opened, and in print."""

    kind: ClassVar[str] = "table"
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    groups: Sequence[tuple[str, int]] = ()
    folded: bool = False


@dataclass(frozen=True)
class Facts:
    """Names and values, one per line."""

    kind: ClassVar[str] = "facts"
    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Note:
    """A paragraph."""

    kind: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True)
class Absent:
    """Says that something is missing, and the command that makes it."""

    kind: ClassVar[str] = "absent"
    text: str
    command: str = ""


Element = Picture | ReportTable | Facts | Note | Absent


@dataclass(frozen=True)
class ReportSection:
    """A heading with the elements below it. `anchor` is the fragment of its address."""

    anchor: str
    title: str
    elements: Sequence[Element]


def drawn(figure: Figure, alt: str, caption: str) -> Picture:
    """A figure as a picture in SVG, which follows the reader's choice of light or dark."""
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    content = stream.getvalue().replace(b"<defs>", DARK_STYLE.encode() + b"<defs>", 1)
    return Picture(_uri("svg+xml", content), alt, caption, round(100 * figure.get_figwidth()))


def png_file(path: Path, alt: str, caption: str) -> Picture | None:
    """A PNG file as a picture; None where the file is missing or not a PNG."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    return Picture(_uri("png", content), alt, caption) if content.startswith(PNG_SIGNATURE) else None


def number(value: float | None, digits: int = 3) -> str:
    """A number for a table; a dash where there is none."""
    return "–" if value is None or value != value else f"{value:.{digits}f}"


def percent(share: float | None, digits: int = 1) -> str:
    return "–" if share is None or share != share else f"{100 * share:.{digits}f} %"


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
