"""STAC items in a stac-geoparquet file: a search result that is read without asking a catalogue page by page.

The file's columns are described at github.com/radiantearth/stac-geoparquet-spec (1.0.0): one a property, beside `id`,
`collection`, `geometry` (WKB), `bbox` and `assets` (a structure with a member for each asset of any item).
"""

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shapely

from mmvsf.datasets.errors import InputError, one_line
from mmvsf.datasets.extras import install_hint
from mmvsf.datasets.storage.outputs import write_verified

if TYPE_CHECKING:
    import pyarrow

ROWS = 1000
"""Items that are read at a time."""

MOST_ITEMS = 2_000_000
"""As of one search."""

MOST_BYTES = 4 * 2**30
"""Of one group of rows when it is unpacked, as the file says."""

TOP_LEVEL = ("type", "stac_version", "stac_extensions", "id", "collection", "geometry", "bbox", "assets", "links")
"""Members of an item that are no properties."""

TIMES = ("datetime", "start_datetime", "end_datetime", "created", "updated")
"""Properties that are stored as times."""

FAULTS = (OSError, ValueError, LookupError, TypeError, AttributeError, NotImplementedError, RuntimeError, OverflowError)
"""What pyarrow and shapely raise for damaged files; all of pyarrow's errors derive from one of these."""


def read_items(path: Path) -> Iterator[dict[str, Any]]:
    """The items of a file in the form of JSON; members without a value are left out. The geometry has the points of
    the outline, without its rings. What an item holds is not checked.

    Raises InputError for a file that cannot be read, or is no stac-geoparquet.
    """
    parquet = _parquet(path)
    try:
        with parquet.ParquetFile(path) as file:
            _refuse_other(file, path)
            for batch in file.iter_batches(ROWS):
                yield from _items(batch)
    except FAULTS as error:
        raise InputError(f"{path} cannot be read as stac-geoparquet: {one_line(error)}") from error


def write_items(path: Path, items: Iterable[Mapping[str, Any]], keys: Iterable[str]) -> int:
    """Write items as stac-geoparquet and return their number: all properties, and of the assets those that `keys`
    name. Links are left out. Raises InputError for items that do not share a type for each property, OSError."""
    parquet = _parquet(path)
    import pyarrow

    wanted = set(keys)
    try:
        rows = [_row(item, wanted) for item in items]
        names = dict.fromkeys(name for row in rows for name in row)
        table = pyarrow.table({name: [row.get(name) for row in rows] for name in names})
        columns = {"geometry": {"encoding": "WKB", "geometry_types": []}}
        geo = {"version": "1.1.0", "primary_column": "geometry", "columns": columns}
        described = {"geo": json.dumps(geo), "stac-geoparquet": json.dumps({"version": "1.0.0"})}
        content = io.BytesIO()
        parquet.write_table(table.replace_schema_metadata(described), content, compression="zstd", row_group_size=ROWS)
    except FAULTS as error:
        raise InputError(f"these items cannot be written as stac-geoparquet: {one_line(error)}") from error
    write_verified(path, content.getvalue())
    return int(table.num_rows)


def _parquet(path: Path) -> Any:
    try:
        import pyarrow.parquet as parquet
    except ModuleNotFoundError as error:
        raise InputError(f"{path} is a Parquet file: {install_hint(error)}") from error
    return parquet


def _refuse_other(file: Any, path: Path) -> None:
    """Raise InputError for a file whose columns are not those of items, or that is too large."""
    names = set(file.schema_arrow.names)
    if missing := {"id", "assets"} - names:
        raise InputError(f"{path} is not stac-geoparquet: it has no column {' and no '.join(sorted(missing))}")
    metadata = file.metadata
    largest = max((metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups)), default=0)
    if metadata.num_rows > MOST_ITEMS or largest > MOST_BYTES:
        raise InputError(
            f"{path} holds {metadata.num_rows:,} items in groups of up to {largest / 2**30:.1f} GiB; at most"
            f" {MOST_ITEMS:,} and {MOST_BYTES / 2**30:.0f} GiB are read: filter it by place and time"
        )


def _items(batch: "pyarrow.RecordBatch") -> Iterator[dict[str, Any]]:
    names = batch.schema.names
    outlines = [None] * batch.num_rows
    if "geometry" in names:
        outlines = shapely.from_wkb(batch.column("geometry").to_pylist(), on_invalid="ignore")
    columns = {name: batch.column(name).to_pylist() for name in names if name not in ("geometry", "links")}
    for number in range(batch.num_rows):
        row = {name: _plain(values[number]) for name, values in columns.items()}
        item = {name: row.pop(name) for name in TOP_LEVEL if row.get(name) is not None}
        if outlines[number] is not None:
            item["geometry"] = {"type": "MultiPoint", "coordinates": shapely.get_coordinates(outlines[number]).tolist()}
        if isinstance(item.get("bbox"), dict):
            item["bbox"] = list(item["bbox"].values())
        yield {**item, "properties": {name: value for name, value in row.items() if value is not None}}


def _plain(value: Any) -> Any:
    """A value of a column as JSON has it, without the members that a structure has for other rows."""
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    return None if isinstance(value, bytes) else value


def _row(item: Mapping[str, Any], keys: set[str]) -> dict[str, Any]:
    """An item as a row of the file. Raises AttributeError for members that are no objects."""
    properties, assets = item.get("properties") or {}, item.get("assets") or {}
    row = {name: _stored(value) for name, value in properties.items() if name not in TOP_LEVEL}
    row |= {name: _time(properties.get(name)) for name in TIMES if name in properties}
    return {
        **{name: item.get(name) for name in ("type", "stac_version", "stac_extensions", "id", "collection")},
        "geometry": _outline(item.get("geometry")),
        "bbox": _box(item.get("bbox")),
        "links": [],
        "assets": {name: _stored(asset) for name, asset in assets.items() if name in keys},
        **row,
    }


def _outline(geometry: Any) -> bytes | None:
    """A geometry as WKB; None for one that is none, since a scene's place is that of its files."""
    with suppress(*FAULTS):
        return bytes(shapely.to_wkb(shapely.geometry.shape(geometry)))
    return None


def _box(bbox: Any) -> dict[str, float] | None:
    with suppress(*FAULTS):
        return dict(zip(("xmin", "ymin", "xmax", "ymax"), map(float, bbox), strict=True))
    return None


def _stored(value: Any) -> Any:
    """A value without empty objects, which Parquet has not, and with all numbers in lists as floating point: the
    members of a list have one type."""
    if isinstance(value, dict):
        return {name: _stored(member) for name, member in value.items()} or None
    if isinstance(value, list):
        return [float(x) if isinstance(x, int) and not isinstance(x, bool) else _stored(x) for x in value]
    return value


def _time(text: Any) -> datetime | None:
    """A time of an item in UTC; None for a text that is none."""
    with suppress(*FAULTS):
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return None
