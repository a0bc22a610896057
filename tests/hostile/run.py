"""Runs of many inputs, and the table of how they ended."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from ..pipeline.tiny_archive import TinyArchive
from .files import Files
from .recipes import mutations, no_network, plan, shipped
from .watch import Bench, Outcome

SEED = 20261126


@dataclass
class Table:
    """What came of the inputs of a run."""

    cases: int = 0
    refused: int = 0
    slowest: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        self.cases += 1
        self.refused += bool(outcome.refused)
        self.slowest = max(self.slowest, outcome.seconds)
        self.kinds[outcome.name.split()[0]] += 1
        if outcome.fault:
            self.faults.append(f"{outcome.name}: {outcome.fault}")

    @property
    def text(self) -> str:
        counts = ", ".join(f"{name} {count}" for name, count in self.kinds.items())
        head = f"{self.cases} inputs ({counts}): {self.refused} refused, {self.cases - self.refused} taken,"
        return "\n".join(
            [f"{head} slowest {self.slowest:.2f} s of CPU time, {len(self.faults)} faults", *self.faults[:100]]
        )


@cache
def bench() -> Bench:
    return Bench()


def run_recipes(folder: Path, count: int, seed: int = SEED) -> Table:
    """So many mutations of each shipped recipe and of that of the tiny archive, which plans without a network."""
    tiny = TinyArchive(folder / "tiny").write()
    texts = shipped() | {"tiny": tiny.recipe.read_text()}
    table = Table()
    with no_network(), _inside(folder):
        for name, text in texts.items():
            path = folder / "tiny" / f"{name}.yaml"
            for number, content in enumerate(mutations(text, count, seed)):
                path.write_bytes(content)
                table.add(bench().run(f"{name} {number}", lambda: plan(path, tiny.data)))  # noqa: B023
    return table


def run_files(folder: Path, count: int, seed: int = SEED) -> Table:
    """So many hostile files of all kinds in turn."""
    table = Table()
    with _inside(folder):
        for name, read in Files(folder).cases(count, seed):
            table.add(bench().run(name, read))
    return table


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Work in a folder, which is all that may change."""
    before = Path.cwd()
    bench().watch.allowed = _allowed(folder)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _allowed(*folders: Path) -> tuple[str, ...]:
    places: Iterable[Path] = (*folders, Path("/dev"), Path("/proc"))
    return tuple(str(path) for path in places)
