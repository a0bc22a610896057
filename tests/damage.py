"""Damage of a cube by chance, and what finds it: `make bench` runs it a thousand times, a test a few.

python -m tests.damage 1000
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.cube.verify import verify_cube
from mmvsf.datasets.errors import MmvsfError
from mmvsf.datasets.samples.folds import Fold
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.datasets.samples.windows import SPLIT_NAMES, index_windows
from mmvsf.datasets.storage.verified import VerifiedObjects
from mmvsf.pipeline.build.executor import SerialExecutor
from mmvsf.pipeline.build.plan import BuildPlan, build_plan
from mmvsf.pipeline.build.repair import repair
from mmvsf.pipeline.build.run import Progress, build

from .pipeline.tiny_archive import TinyArchive

SILENT = Progress(lambda phase, done, total, pixels: None)


@dataclass(frozen=True)
class Outcome:
    """What became of one damage."""

    kind: str
    object: str
    verified: bool
    """`verify` reported it"""
    read: bool
    """the loader reads the object"""
    raised: bool
    """the loader raised"""
    repaired: bool | None
    """`repair` came back to the digest; None where it was not tried"""


class Subject:
    """A tiny cube, an older one of the same recipe, and what is done to the first."""

    def __init__(self, folder: Path) -> None:
        self.archive = TinyArchive(folder / "now").write()
        older = TinyArchive(folder / "then").write()
        older.write_recipe(imagery={**_section(older, "imagery"), "skip_below_clear": 0.9})
        self.plan = self._built(self.archive)
        self.older = self._built(older).cube
        self.cube = Path(str(self.plan.cube))
        self.names = sorted(str(path.relative_to(self.cube)) for path in self.cube.rglob("*") if path.is_file())
        self.digest = Cube.open(self.cube).digest
        self.read_names = names_read(self.cube)

    def _built(self, archive: TinyArchive) -> BuildPlan:
        plan = build_plan(str(archive.recipe), archive.data)
        build(plan, SerialExecutor(), SILENT)
        return plan

    @contextmanager
    def damaged(self, kind: str, rng: random.Random) -> Iterator[str]:
        """The cube with one damage, whose object is yielded; afterwards it is as it was."""
        with tempfile.TemporaryDirectory() as backup:
            shutil.copytree(self.cube, Path(backup, "cube"), symlinks=True)
            try:
                yield DAMAGES[kind](self, rng)
            finally:
                shutil.rmtree(self.cube)
                shutil.move(Path(backup, "cube"), self.cube)

    def outcome(self, kind: str, rng: random.Random, *, try_repair: bool) -> Outcome:
        """Damage the cube once, and see who notices."""
        ledger = self.cube.with_name(self.cube.name + ".ledger")
        kept = ledger.with_name("ledger.kept")
        shutil.copytree(ledger, kept)
        try:
            with self.damaged(kind, rng) as name:
                read = any(each == name or each.startswith(f"{name}/") for each in self.read_names)
                found, raised = verify_finds(self.cube), loader_raises(self.cube)
                return Outcome(kind, name, found, read, raised, self._repairs() if try_repair else None)
        finally:
            shutil.rmtree(ledger)
            kept.rename(ledger)

    def _repairs(self) -> bool:
        repair(self.plan, SerialExecutor(), SILENT)
        return Cube.open(self.cube).digest == self.digest and not verify_cube(self.cube).damage


def _section(archive: TinyArchive, name: str) -> dict[str, object]:
    import yaml

    section: dict[str, object] = yaml.safe_load(archive.recipe.read_text())[name]
    return section


def names_read(cube: Path) -> set[str]:
    """Names of the objects that the loader reads in a sound cube."""
    names = {"zarr.json", "manifest.json"}
    check, whole = VerifiedObjects.check, VerifiedObjects.checked_content

    def note_check(self: VerifiedObjects, name: str) -> bool:
        names.add(name)
        return check(self, name)

    def note_whole(self: VerifiedObjects, name: str, content: bytes | None) -> bytes | None:
        names.add(name)
        return whole(self, name, content)

    VerifiedObjects.check, VerifiedObjects.checked_content = note_check, note_whole  # type: ignore[method-assign]
    try:
        load(cube)
    finally:
        VerifiedObjects.check, VerifiedObjects.checked_content = check, whole  # type: ignore[method-assign]
    parts = {"/".join(name.split("/")[:2]) if name.startswith("tiles/") else name.split("/")[0] for name in names}
    return names | {f"manifest/{part}.json" for part in parts}


def load(cube: Path) -> None:
    """Read every window of a cube, with its weather and labels, as training does."""
    opened = Cube.open(cube)
    reader = WindowReader(opened, Normalisation.of([opened]), cache_bytes=0)
    index = index_windows(opened, Fold.of(opened), min_images=1, min_clear=1)
    for split in SPLIT_NAMES:
        for window in index[split]:
            reader.images(window, window.days)
            reader.labels(window)
            reader.weather(window.cell, window.year)


def loader_raises(cube: Path) -> bool:
    try:
        load(cube)
    except (MmvsfError, OSError):
        return True
    return False


def verify_finds(cube: Path) -> bool:
    try:
        return bool(verify_cube(cube).damage)
    except MmvsfError:
        return True


def _delete(subject: Subject, rng: random.Random) -> str:
    name = rng.choice(subject.names)
    (subject.cube / name).unlink()
    return name


def _cut(subject: Subject, rng: random.Random) -> str:
    name = rng.choice(subject.names)
    content = (subject.cube / name).read_bytes()
    (subject.cube / name).write_bytes(content[: rng.randrange(len(content))])
    return name


def _flip(subject: Subject, rng: random.Random) -> str:
    name = rng.choice(subject.names)
    content = bytearray((subject.cube / name).read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    (subject.cube / name).write_bytes(content)
    return name


def _zero(subject: Subject, rng: random.Random) -> str:
    name = rng.choice(subject.names)
    (subject.cube / name).write_bytes(bytes((subject.cube / name).stat().st_size))
    return name


def _swap(subject: Subject, rng: random.Random) -> str:
    """Swap an object with another one of the same array that has another content."""
    while True:
        name = rng.choice([name for name in subject.names if "/c/" in name])
        array = name.partition("/c/")[0]
        first = (subject.cube / name).read_bytes()
        others = [other for other in subject.names if other.startswith(f"{array}/c/")]
        others = [other for other in others if (subject.cube / other).read_bytes() != first]
        if others:
            other = rng.choice(others)
            (subject.cube / name).write_bytes((subject.cube / other).read_bytes())
            (subject.cube / other).write_bytes(first)
            return name


def _older(subject: Subject, rng: random.Random) -> str:
    """Replace an object by that of an older cube of the same region."""
    older = [name for name in subject.names if (subject.older / name).is_file()]
    older = [n for n in older if (subject.older / n).read_bytes() != (subject.cube / n).read_bytes()]
    name = rng.choice(older)
    shutil.copy(subject.older / name, subject.cube / name)
    return name


def _remove_array(subject: Subject, rng: random.Random) -> str:
    folder = (subject.cube / rng.choice([n for n in subject.names if n.endswith("/zarr.json")])).parent
    shutil.rmtree(folder)
    return str(folder.relative_to(subject.cube))


def _edit(subject: Subject, rng: random.Random) -> str:
    """Change a number in a document of metadata."""
    while True:
        name = rng.choice([name for name in subject.names if name.endswith(".json")])
        text = (subject.cube / name).read_text()
        digits = [position for position, letter in enumerate(text) if letter.isdigit()]
        if digits:
            at = rng.choice(digits)
            (subject.cube / name).write_text(f"{text[:at]}{(int(text[at]) + 1) % 10}{text[at + 1 :]}")
            return name


def _add(subject: Subject, rng: random.Random) -> str:
    """A shard that was never written, where an array has none."""
    arrays = [name.removesuffix("/zarr.json") for name in subject.names if name.endswith("reflectance/zarr.json")]
    name = f"{rng.choice(arrays)}/c/{rng.randrange(8)}/0/{rng.randrange(2)}/{rng.randrange(2)}"
    if name in subject.names:
        return _add(subject, rng)
    (subject.cube / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(subject.cube / next(n for n in subject.names if "reflectance/c/" in n), subject.cube / name)
    return name


DAMAGES: dict[str, Callable[[Subject, random.Random], str]] = {
    "deleted": _delete,
    "cut": _cut,
    "bit flipped": _flip,
    "zeroed": _zero,
    "swapped": _swap,
    "older copy": _older,
    "array removed": _remove_array,
    "metadata edited": _edit,
    "added": _add,
}


def main() -> None:
    """Read the number of damages from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("damages", nargs="?", type=int, default=1000)
    report(parser.parse_args().damages)


def report(damages: int) -> None:
    """Damage a cube so many times and print what was found, raised and repaired."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        subject = Subject(Path(folder))
        kinds = list(DAMAGES)
        outcomes = [
            subject.outcome(kinds[number % len(kinds)], random.Random(number), try_repair=True)
            for number in range(damages)
        ]
        sound = sum(verify_finds(subject.cube) or loader_raises(subject.cube) for _ in range(100))
    print(summary(outcomes), f"\n100 looks at the sound cube: {sound} false alarms")
    print(f"{time.monotonic() - started:.0f} s")


def summary(outcomes: list[Outcome]) -> str:
    """A line a kind of damage, and the objects that nobody noticed."""
    lines = [f"{'damage':16} {'n':>5} {'verify':>7} {'loader reads':>13} {'and raises':>11} {'repaired':>9}"]
    for kind in [*DAMAGES, "all"]:
        of_kind = [outcome for outcome in outcomes if kind in (outcome.kind, "all")]
        count = Counter[str]()
        for outcome in of_kind:
            count["verify"] += outcome.verified
            count["read"] += outcome.read
            count["raised"] += outcome.read and outcome.raised
            count["tried"] += outcome.repaired is not None
            count["repaired"] += bool(outcome.repaired)
        lines.append(
            f"{kind:16} {len(of_kind):5} {count['verify']:7} {count['read']:13} {count['raised']:11}"
            f" {count['repaired']:4}/{count['tried']}"
        )
    silent = [o for o in outcomes if not o.verified or (o.read and not o.raised) or o.repaired is False]
    return "\n".join([*lines, *(f"NOT NOTICED: {outcome}" for outcome in silent)])


if __name__ == "__main__":
    np.seterr(all="raise")
    main()
