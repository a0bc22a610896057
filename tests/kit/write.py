"""All cubes of the kit with the verdict on each, and the same in a folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from .cube import Files, make
from .damaged import DAMAGED, Verdict
from .good import GOOD
from .kind import Kind
from .wrong import WRONG


def cubes() -> Iterator[tuple[str, Files, Verdict]]:
    """(name, content, verdict) of every cube."""
    for name, kind in GOOD.items():
        yield name, make(kind), []
    sound, older = make(Kind()), make(replace(Kind(), seed=2))
    for name, damage in DAMAGED.items():
        files = dict(sound)
        verdict = damage(files, older)
        yield name, files, verdict
    for name, build in WRONG.items():
        yield name, *build()


def write_kit(folder: Path) -> dict[str, Verdict]:
    """Write `<folder>/<name>.zarr` for every cube, and `verdicts.json`: name -> [[code, object], ...], sorted."""
    verdicts: dict[str, Verdict] = {}
    made: set[Path] = set()
    for name, files, verdict in cubes():
        for path, content in files.items():
            target = folder / f"{name}.zarr" / path
            if target.parent not in made:
                target.parent.mkdir(parents=True, exist_ok=True)
                made.add(target.parent)
            target.write_bytes(content)
        verdicts[name] = sorted(set(verdict))
    (folder / "verdicts.json").write_text(json.dumps(verdicts, indent=1), encoding="utf-8")
    return verdicts
