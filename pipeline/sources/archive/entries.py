"""The items of an archive: in one file, an ItemCollection or stac-geoparquet, or a static catalogue of many."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmvsf.datasets.errors import InputError, one_line
from mmvsf.datasets.json_text import parse_json_of_many
from mmvsf.pipeline.sources.stac.hrefs import local_href
from mmvsf.pipeline.sources.stac.items_file import read_items

COLLECTION, TABLE, CATALOG = "items.json", "items.parquet", "catalog.json"


@dataclass(frozen=True)
class ArchiveEntry:
    """An entry of an archive, whatever it is."""

    content: Any
    folder: Path
    """where its relative hrefs start"""
    fault: str = ""
    """why it could not be read"""


def read_entries(root: Path) -> Iterator[ArchiveEntry]:
    """The entries of the archive in a folder. Raises InputError where its main file is missing or cannot be read."""
    collection, table, catalog = root / COLLECTION, root / TABLE, root / CATALOG
    if collection.is_file():
        content = _read(collection, "STAC ItemCollection")
        features = content.get("features")
        if not isinstance(features, list):
            raise InputError(f"{collection} is not a STAC ItemCollection: it has no list of features")
        yield from (ArchiveEntry(feature, root) for feature in features)
    elif table.is_file():
        yield from (ArchiveEntry(item, root) for item in read_items(table))
    elif catalog.is_file():
        _read(catalog, "STAC catalogue")
        yield from _linked(catalog)
    else:
        raise InputError(
            f"{root} holds neither {COLLECTION} (a STAC ItemCollection) nor {TABLE} (stac-geoparquet) nor {CATALOG} (a"
            " static catalogue); point imagery.path at the folder that has one of them"
        )


def _linked(catalog: Path) -> Iterator[ArchiveEntry]:
    """The items that a static catalogue and those below it link to, each once."""
    left, seen = deque([(catalog, "child")]), {catalog.resolve()}
    while left:
        path, rel = left.popleft()
        try:
            content = _read(path, "STAC object")
        except InputError as error:
            yield ArchiveEntry(None, path.parent, str(error))
            continue
        if rel == "item":
            yield ArchiveEntry(content, path.parent)
            continue
        links = content.get("links")
        if not isinstance(links, list):
            yield ArchiveEntry(None, path.parent, f"{path} has no list of links")
            continue
        for link in links:
            kind = link.get("rel") if isinstance(link, dict) else None
            if kind not in ("child", "item"):
                continue
            try:
                linked = _path_of(link, path.parent)
            except InputError as error:
                yield ArchiveEntry(None, path.parent, f"{path}: {error}")
                continue
            if linked not in seen:
                seen.add(linked)
                left.append((linked, kind))


def _path_of(link: dict[str, Any], folder: Path) -> Path:
    """The path that a link leads to. Raises InputError for one that leads nowhere, or to another machine."""
    if not isinstance(link.get("href"), str):
        raise InputError("a link has no href")
    path = local_href(folder, link["href"])
    if "://" in path:
        raise InputError(f"the link {path[:200]} leads to a web server; copy what is there to the archive")
    return Path(path)


def _read(path: Path, what: str) -> dict[str, Any]:
    """A JSON object in a file. Raises InputError."""
    try:
        content = parse_json_of_many(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a {what}: {one_line(error)}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is not a {what}: it is not a JSON object")
    return content
