"""Check that the groups and arrays of one part of a cube match the root attributes, and that their values agree."""

import json
import re
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.core.buffer import cpu
from zarr.storage import MemoryStore

from .expected import SHARD_DAYS, Expected, arrays, axes, coordinates, tiles
from .schema import parse

WHOLE_BYTES = 65_536
"""A larger shard has a hash of its end in the manifest."""

TAIL_BYTES = 4_096
"""The end of a larger shard that its manifest has a hash of."""
ORBITS = ("ascending", "descending")
CODES = {
    "blocks/status": 4,
    "chunks/split": 3,
    "split": 3,
    **{f"blocks/{orbit}_{what}": most for orbit in ORBITS for what, most in (("status", 4), ("orbit", 175))},
}
"""Array -> its largest code."""
SEEN: dict[str, dict[str, tuple[int, tuple[int, ...]]]] = {
    "blocks/status": {
        "imagery/reflectance": (-9999, (2,)),
        "imagery/quality": (255, (2, 3)),
        "imagery/scene": (255, (2, 3)),
    },
    **{f"blocks/{orbit}_status": {f"radar/{orbit}": (-9999, (2,))} for orbit in ORBITS},
}
"""Array of status -> array of pixels -> its fill value, and the codes of the days on which a block has other values."""
DECODING_ERRORS = (ValueError, RuntimeError, TypeError, KeyError, IndexError)
EPSG = re.compile(r'ID\["EPSG",(\d+)\]\]$')


class Problem(NamedTuple):
    """A finding whose object is named relative to the part; empty for the part's own group."""

    code: str
    object: str
    message: str


class Part:
    """A part of a cube: its name, the records of its objects, and a function that reads one that is as written."""

    def __init__(
        self, root: dict[str, Any], name: str, records: dict[str, list[Any]], read: Callable[[str], bytes | None]
    ) -> None:
        self.root, self.name, self.records, self.read = root, name, records, read
        self.tile = name.removeprefix("tiles/") if name.startswith("tiles/") else ""
        first = self.node("day") if name == "scenes" else None
        self.expected = arrays(root, name, first["shape"][0] if first and first.get("shape") else 0)
        self.sound: dict[str, Any] = {}
        """metadata of the arrays that are what they must be"""

    def node(self, name: str) -> Any:
        """The parsed zarr.json of a group or array; None where it cannot be read."""
        key = f"{name}/zarr.json".lstrip("/")
        content = self.read(key) if key in self.records else None
        return None if content is None else parse(content)

    def groups(self) -> Iterator[Problem]:
        names = {name.split("/")[0] for name in self.expected} if self.tile else set()
        for name in sorted({"", *names}):
            key = f"{name}/zarr.json".lstrip("/")
            if key not in self.records:
                yield Problem("missing-group", name, "the manifest lists no zarr.json of it")
            elif (content := self.read(key)) is not None:
                node = parse(content)
                if not isinstance(node, dict) or node.get("node_type") != "group":
                    yield Problem("bad-metadata", key, "it is not a group")
                elif name:
                    yield from self.georeference(name, node.get("attributes", {}))

    def georeference(self, group: str, attributes: dict[str, Any]) -> Iterator[Problem]:
        """CRS and transform of a group, by its own attributes and by those of its CF grid mapping."""
        crs, size = self.root["grid"]["crs"], axes(self.root, self.tile, group)
        mapping = self.node(f"{group}/spatial_ref") or {}
        mapping = mapping.get("attributes", {}) if isinstance(mapping, dict) else {}
        code = EPSG.search(str(mapping.get("crs_wkt", "")))
        codes = [attributes.get("proj:code"), f"EPSG:{code[1]}" if code else None]
        if crs.startswith("EPSG:") and codes != [crs, crs]:
            yield Problem("wrong-crs", group, f"proj:code and crs_wkt are {codes}, the grid's CRS is {crs}")
        transform = [size.step, 0.0, size.left, 0.0, -size.step, size.top]
        try:
            c, a, b, f, d, e = (float(number) for number in str(mapping["GeoTransform"]).split())
            given = [*map(float, attributes["spatial:transform"]), a, b, c, d, e, f]
            same = len(given) == 12 and np.allclose(given, transform * 2, rtol=0, atol=size.step * 1e-6)
        except (KeyError, ValueError, TypeError):
            same = False
        if not same or attributes.get("spatial:shape") != [size.rows, size.columns]:
            yield Problem("wrong-transform", group, f"spatial:transform or GeoTransform is not {transform}")

    def metadata(self) -> Iterator[Problem]:
        for name, expected in sorted(self.expected.items()):
            key = f"{name}/zarr.json"
            if key not in self.records:
                group = f"{name.rpartition('/')[0]}/zarr.json".lstrip("/")
                if group in self.records:
                    yield Problem("missing-array", name, "the manifest lists no zarr.json of it")
            elif (content := self.read(key)) is not None:
                node = parse(content)
                try:
                    problems = [*_differences(node, expected)]
                except (KeyError, TypeError, IndexError, AttributeError):
                    problems = [("bad-metadata", "it is not the metadata of an array")]
                yield from (Problem(code, key if code == "bad-metadata" else name, text) for code, text in problems)
                if not problems:
                    self.sound[name] = node
                    yield from self.keys(name, expected)

    def keys(self, name: str, expected: Expected) -> Iterator[Problem]:
        """The objects of an array are chunks of it, and have a hash of their end where they are larger shards."""
        grid = [-(-size // step) for size, step in zip(expected.shape, expected.shard or expected.chunk, strict=True)]
        chunks = {"/".join(["c", *map(str, place)]) for place in product(*map(range, grid))}
        for key, record in self.records.items():
            if key.startswith(f"{name}/c"):
                if key.removeprefix(f"{name}/") not in chunks:
                    yield Problem("stray-object", key, "it is not a chunk of its array")
                elif (len(record) == 3) != (expected.shard is not None and record[0] > WHOLE_BYTES):
                    yield Problem("bad-manifest", key, "a shard has a tail where it is longer than 65,536 bytes")

    def chunk(self, name: str, place: tuple[int, ...]) -> Any:
        """A chunk, or a shard, of a sound array; None where it is absent. Raises UnreadableError."""
        key = "/".join([name, "c", *map(str, place)])
        if key not in self.records:
            return None
        content = self.read(key)
        if content is None:
            raise UnreadableError(None)
        node = self.sound[name]
        node = {**node, "shape": node["chunk_grid"]["configuration"]["chunk_shape"]}
        files = {"zarr.json": json.dumps(node).encode(), "/".join(["c", *("0" for _ in place)]): content}
        store = MemoryStore({key: cpu.Buffer.from_bytes(content) for key, content in files.items()})
        try:
            return np.asarray(zarr.open_array(store, mode="r")[...])
        except DECODING_ERRORS as error:
            raise UnreadableError(Problem("bad-chunk", key, f"it cannot be decoded: {error}")) from error

    def array(self, name: str) -> NDArray[Any] | None:
        """A small array whole; None where it is not sound. Raises UnreadableError."""
        if name not in self.sound:
            return None
        shape, steps = self.expected[name].shape, self.expected[name].chunk
        fill = self.expected[name].fill
        values = np.full(shape, np.nan if fill == "NaN" else fill, object if fill == "" else self.expected[name].type)
        for place in product(*(range(-(-size // step)) for size, step in zip(shape, steps, strict=True))):
            stored = self.chunk(name, place)
            if stored is not None:
                where = tuple(slice(i * step, (i + 1) * step) for i, step in zip(place, steps, strict=True))
                values[where] = stored[tuple(slice(size) for size in values[where].shape)]
        return values

    def values(self) -> Iterator[Problem]:
        """Coordinates and codes."""
        for name in sorted(self.expected):
            group, _, last = name.rpartition("/")
            known = {**coordinates(self.root, group), **(axes(self.root, self.tile, group).centres if group else {})}
            if last in known and (stored := self.array(name)) is not None:
                yield from _axis_problems(name, last, stored, known[last])
            if name in CODES and (stored := self.array(name)) is not None and stored.max(initial=0) > CODES[name]:
                yield Problem("unknown-code", name, f"it has code {stored.max()}; {CODES[name]} is the largest")
        if self.name == "seasons":
            yield from _season_problems(*(self.array(name) for name in ("season", "start", "end")))

    def pixels(self) -> Iterator[Problem]:
        """Status against the recipe's blocks and against what is stored of each block and day."""
        for name, described in SEEN.items():
            status = self.array(name)
            if status is None:
                continue
            wrong = (status != 0) & ~tiles(self.root)[self.tile]
            for pixels, (fill, codes) in described.items():
                if pixels in self.sound:
                    wrong |= self.seen(pixels, fill, status.shape) != np.isin(status, codes)
            orbit = self.array(name.replace("_status", "_orbit")) if name != "blocks/status" else None
            if orbit is not None:
                wrong |= (orbit != 0) != (status == 2)
            if wrong.any():
                time, row, column = np.argwhere(wrong)[0].tolist()
                day = np.datetime64(self.root["calendar"]["first_day"] + time, "D")
                text = f"{wrong.sum()} units, the first is {day}, row {row}, column {column}"
                yield Problem("status-disagrees", name, text)

    def seen(self, name: str, fill: int, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """(time, y, x) of blocks, True where any pixel is not fill."""
        seen = np.zeros(shape, bool)
        for time, y, x in product(range(shape[0] // SHARD_DAYS), range(shape[1]), range(shape[2])):
            stored = self.chunk(name, (time, 0, y, x) if len(self.expected[name].shape) == 4 else (time, y, x))
            if stored is not None:
                days = slice(time * SHARD_DAYS, (time + 1) * SHARD_DAYS)
                seen[days, y, x] = (stored != fill).reshape(SHARD_DAYS, -1).any(axis=1)
        return seen


class UnreadableError(Exception):
    """A chunk that a check needs has a finding already, or gives one."""

    def __init__(self, problem: Problem | None) -> None:
        super().__init__(problem)
        self.problem = problem


def check_part(part: Part, *, pixels: bool) -> Iterator[Problem]:
    """What is wrong with the groups, arrays and values of a part."""
    yield from part.groups()
    yield from part.metadata()
    for check in (part.values, part.pixels) if pixels and part.tile else (part.values,):
        try:
            yield from check()
        except UnreadableError as error:
            if error.problem:
                yield error.problem


def _differences(node: Any, expected: Expected) -> Iterator[tuple[str, str]]:
    """(code, message) of each way in which the metadata of an array is not as expected."""
    outer = node["chunk_grid"]["configuration"]["chunk_shape"]
    first = node["codecs"][0]
    inner = first["configuration"]["chunk_shape"] if first["name"] == "sharding_indexed" else None
    shape = [outer, inner] if inner else [outer]
    codecs = _codec_text(node["codecs"], node["data_type"])
    for code, is_, must in (
        ("wrong-type", node["data_type"], expected.type),
        ("wrong-dimensions", node.get("dimension_names", []), expected.dimensions),
        ("wrong-shape", node["shape"], expected.shape),
        ("wrong-chunks", shape, [expected.shard, expected.chunk] if expected.shard else [expected.chunk]),
        ("wrong-chunks", node["chunk_key_encoding"], {"name": "default", "configuration": {"separator": "/"}}),
        ("wrong-fill", node["fill_value"], expected.fill),
        ("wrong-codecs", codecs, _expected_codecs(expected)),
    ):
        if is_ != must:
            yield code, f"{is_}, not {must}"


def _codec_text(codecs: list[dict[str, Any]], data_type: str) -> str:
    """Codecs in one line, with those of their options that change the values or the size."""
    words = []
    for codec in codecs:
        options = codec.get("configuration", {})
        names = ("endian", "cname", "clevel", "shuffle") if data_type != "uint8" else ("cname", "clevel", "shuffle")
        word = " ".join([codec["name"], *(str(options[name]) for name in names if name in options)])
        if codec["name"] == "sharding_indexed":
            inner = _codec_text(options["codecs"], data_type)
            index = _codec_text(options["index_codecs"], "uint64")
            word += f" ({inner}; {index}; {options.get('index_location', 'end')})"
        words.append(word)
    return ", ".join(words)


def _expected_codecs(expected: Expected) -> str:
    if expected.type == "string":
        return "vlen-utf8"
    inner = ("bytes" if expected.type == "uint8" else "bytes little") + ", blosc zstd 3 shuffle"
    return f"sharding_indexed ({inner}, crc32c; bytes little, crc32c; end)" if expected.shard else inner


def _axis_problems(name: str, dimension: str, stored: NDArray[Any], known: Any) -> Iterator[Problem]:
    if dimension == "time" and np.any(np.diff(stored) <= 0):
        yield Problem("unsorted-time", name, "its days are not in ascending order")
    elif dimension == "time" and stored.tolist() != known:
        yield Problem("wrong-calendar", name, "its days are not those of the root's calendar")
    elif dimension in "yx" and not np.allclose(stored, known, rtol=0, atol=1e-6 * abs(known[0] - known[-1] or 1)):
        yield Problem("wrong-coordinates", name, f"it begins with {stored[0]}, not with {known[0]}")
    elif dimension not in ("time", "y", "x") and stored.tolist() != known:
        yield Problem("wrong-coordinates", name, f"it is {stored.tolist()}, not {known}")


def _season_problems(
    names: NDArray[Any] | None, start: NDArray[Any] | None, end: NDArray[Any] | None
) -> Iterator[Problem]:
    """A season has 12 months, begins after the one before, and bears the year in which it begins or ends."""
    if names is None or start is None or end is None:
        return
    first, last = ((days.astype("datetime64[D]").astype("datetime64[Y]").astype(int) + 1970) for days in (start, end))
    named = np.all(names == first) or np.all(names == last)
    if not (named and np.all(np.isin(end - start, (364, 365))) and np.all(start[1:] > end[:-1])):
        yield Problem("bad-seasons", "start", "seasons overlap, are out of order, or do not match their names")
