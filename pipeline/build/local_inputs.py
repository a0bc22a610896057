"""The local files that a build depends on, identified by size and times. No file is opened, because a run that finds
nothing to do checks thousands of files."""

import json
import os
import time
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path

import mmvsf.datasets
import mmvsf.pipeline
from mmvsf.datasets.recipe.load import resolve_path
from mmvsf.datasets.recipe.region import Region

TICK_SECONDS = 0.05
"""A file that was changed so shortly before it is looked at may be changed again without another time."""

PUBLISHED_DAYS = 366
"""So long after its end a period may still get scenes that are published late."""

State = tuple[str, int, int, int]
"""path, bytes, times of change of content and of the entry (ns); the last one cannot be set"""


def local_inputs(region: Region, recipe: Path, data_dir: Path) -> str:
    """A text that changes when the recipe, a file that it names, or this program changes. Empty where that is not
    known: a folder cannot be read or is linked, or a file was changed just now."""
    try:
        states = [*_program(), *(state for path in _paths(region, recipe, data_dir) for state in _states(path))]
    except (OSError, ValueError):
        return ""
    if max(changed for *_, changed in states) / 1e9 > time.time() - TICK_SECONDS:
        return ""
    watched_until = min(date.today(), region.period.end + timedelta(days=PUBLISHED_DAYS))
    content = [region.model_dump_json(), str(data_dir.absolute()), watched_until.isoformat(), states]
    return sha256(json.dumps(content).encode()).hexdigest()


def are_below(files: Sequence[str], folder: Path) -> bool:
    """Whether all files, given by their real paths, lie below a folder."""
    root = f"{folder.resolve()}{os.sep}"
    return all(file.startswith(root) for file in files)


def _paths(region: Region, recipe: Path, data_dir: Path) -> Iterator[Path]:
    """The files and folders that a recipe names, as its sources find them."""
    texts = [region.area.file, region.imagery.path]
    texts += [section.path for section in (region.radar, region.weather, region.static) if section is not None]
    yearly = [(section.path, section.years) for section in (region.labels, *region.targets.values()) if section]
    if region.labels is not None:
        yearly.append((region.labels.confidence_path, region.labels.years))
        texts.append(region.labels.legend)
    texts += [path.replace("{year}", str(year)) for path, years in yearly if path is not None for year in years]
    for text in texts:
        if text is not None:
            yield resolve_path(text, recipe, data_dir)


def _program() -> Iterator[State]:
    for package in (mmvsf.datasets, mmvsf.pipeline):
        for folder in package.__path__:
            yield from (state for state in _states(Path(folder)) if not state[0].endswith(".pyc"))


def _states(path: Path) -> Iterator[State]:
    """The states of a file, or of all files below a folder; of a path that does not exist, its name alone. Raises
    ValueError for a folder that is linked from below."""
    if path.is_dir():
        yield from sorted(_below(str(path)))
    elif path.exists():
        yield _state(str(path), path.stat())
    else:
        yield str(path), -1, 0, 0


def _below(folder: str) -> Iterator[State]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _below(entry.path)
            elif entry.is_dir():
                raise ValueError(f"{entry.path} leads elsewhere")
            else:
                yield _state(entry.path, entry.stat())


def _state(path: str, found: os.stat_result) -> State:
    return path, found.st_size, found.st_mtime_ns, found.st_ctime_ns
