"""`docs/performance.md`: one section a course of the benchmarks. A run replaces the sections that it measured."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HEAD = """# Performance

Written by `make bench ARGS="COURSE --document docs/performance.md"`; nothing here is edited by hand. Each section names
its course, and the commit and the machine that it was measured on.
"""


@dataclass(frozen=True)
class Section:
    """A part of the document, under a heading of the second level."""

    title: str
    """the heading, by which a later run finds the section"""
    body: str
    """Markdown without headings of the first or second level"""


def write_sections(path: Path, sections: Iterable[Section]) -> None:
    """Replace sections of the document, by title, and add new ones at its end; the others are kept as they are."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    bodies = {}
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        bodies[title.strip()] = body.strip()
    bodies |= {section.title: section.body.strip() for section in sections}
    parts = [HEAD, *(f"## {title}\n\n{body}\n" for title, body in bodies.items())]
    path.write_text("\n".join(parts), encoding="utf-8")


def stamp(course: str, packages: Sequence[str], repeats: int) -> str:
    """What was measured when and where: the course with its options, the commit, the machine, versions of packages."""
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    versions = ", ".join(f"{name} {installed}" for name in packages if (installed := _version(name)))
    return (
        f'`make bench ARGS="{course}"`, {day}, commit {_commit()}, {machine()}. {versions}.'
        f" Runs of each, in turn: {repeats}."
    )


def machine() -> str:
    """The processor, its cores and the version of Python."""
    return f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _commit() -> str:
    result = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
