"""What a catalogue should list: the acquisitions that the satellites must have made, by product and tile.

Satellites of one constellation repeat their tracks after a fixed number of days, so a tile is seen on the same days of
the cycle for years. Which days these are is learnt from the answer itself; from when on how many satellites fly is
known (`satellites`). Days on which a track only grazes a tile come and go, and are not expected.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from statistics import median_low
from typing import NamedTuple

from mmvsf.datasets.cube.calendar import day_number
from mmvsf.pipeline.raster.scene import Scene

from .gaps import GapRates, Run, Slot, by_satellite, unusual_runs, within
from .missing import Acquisitions, Gap
from .products import product_named
from .satellites import Service

LEAST_DATES = 3
"""Dates that a track needs before it is known."""

LEAST_REGULAR = 0.6
"""Part of its dates, from the first to the last, on which a track must be listed to be expected on all."""

LEAST_SEASON = 60
"""Days after which a product without any scene is held to be absent from a catalogue."""

DAYS_TO_PUBLISH = 14
"""Scenes of the last days may not be published yet: HLS appears after two to four days (LP DAAC), at times later."""

_TILE = re.compile(r"(?<![A-Z0-9])T?(\d{1,2}[C-X][A-Z]{2})(?![A-Z0-9])|(?<=_L2S[PR]_)(\d{6})(?=_)")


class Listed(NamedTuple):
    """One entry of a catalogue."""

    product: str
    tile: str
    day: int
    """solar day since 1970-01-01"""


def listed(scene: Scene) -> Listed:
    """The entry of a scene. Its tile is the one in its name (MGRS, or path and row), else the corner of its grid."""
    _, _, left, _, _, top = scene.quality.grid.transform
    tile = tile_in(scene.id) or f"{scene.quality.grid.crs} {left:.0f} {top:.0f}"
    return Listed(scene.product, tile, scene.day)


def tile_in(identity: str) -> str | None:
    """The tile that the name of a scene says: `15TVG` (MGRS), or `028030` (path and row); None if it says none."""
    match = _TILE.search(identity)
    return next(filter(None, match.groups())) if match else None


def compare(entries: Iterable[Listed], products: Sequence[str], days: Sequence[int], today: date) -> Acquisitions:
    """Compare what a catalogue lists of some products with what it should list on the `days` (since 1970-01-01,
    increasing) of a period. Left out are products whose satellites are not known, tiles with too few dates to learn
    from, and days that are yet to come or so recent that their scenes may not be published."""
    past = _past(days, today)
    dates: dict[str, dict[str, set[int]]] = {product: defaultdict(set) for product in products}
    for entry in entries:
        if entry.product in dates:
            dates[entry.product][entry.tile].add(entry.day)
    known = {product: service for product in products if (service := product_named(product).constellation.service)}
    slots = {
        product: {tile: _slots(seen, past, product, service) for tile, seen in dates[product].items()}
        for product, service in known.items()
    }
    parts = [_compare_product(product, dates[product], slots, past) for product in known]
    return Acquisitions(
        sum(part.expected for part in parts),
        sum(part.listed for part in parts),
        tuple(gap for part in parts for gap in part.gaps),
        tuple(name for part in parts for name in part.absent),
    )


def acquisitions_of_a_tile(product: str, days: Sequence[int], today: date) -> tuple[int, ...]:
    """The days, of `days`, about which a tile should have a scene of a product, by the satellites alone: at least those
    of one track. None where that is not known."""
    return _typical_days({}, _past(days, today), product)


def _past(days: Sequence[int], today: date) -> list[int]:
    """The days whose scenes must be published."""
    return [day for day in days if day <= day_number(today) - DAYS_TO_PUBLISH]


def _compare_product(
    product: str,
    seen: Mapping[str, set[int]],
    slots: Mapping[str, Mapping[str, Sequence[Slot]]],
    days: Sequence[int],
) -> Acquisitions:
    """The comparison of one product: the days `seen` in each tile with the `slots` of all products by tile."""
    own = {tile: found for tile, found in slots[product].items() if found}
    usual = median_low([rate for found in own.values() for rate in GapRates(found).by_track] or [1.0])
    gaps = [Gap(product, tile, run) for tile, runs in _runs_by_tile(own, usual).items() for run in runs]
    typical = _typical_days(own, days, product)
    if len(typical) >= LEAST_DATES:
        gaps += [
            Gap(product, tile, Run(typical, max(seen.get(tile, ()), default=None), to_the_end=True), whole=True)
            for tile in _unlisted_tiles(product, slots)
        ]
    whole = sum(gap.whole for gap in gaps)
    return Acquisitions(
        sum(map(len, own.values())) + whole * len(typical),
        sum(slot.listed for found in own.values() for slot in found),
        tuple(gaps),
        (product,) if whole and not seen and typical[-1] - typical[0] >= LEAST_SEASON else (),
    )


def _runs_by_tile(slots: Mapping[str, Sequence[Slot]], usual: float) -> dict[str, list[Run]]:
    """What is missing beyond chance by tile: of the passes that no tile lists, and of each tile."""
    passes: dict[int, Slot] = {}
    for slot in (slot for own in slots.values() for slot in own):
        passes[slot.day] = max(slot, passes.get(slot.day, slot))  # listed in any tile
    everywhere = unusual_runs(sorted(passes.values()), usual) if len(slots) > 1 else ()
    tiles_listed = Counter(slot.day for own in slots.values() for slot in own if slot.listed)
    runs = {}
    for tile, own in slots.items():
        common = [run for whole in everywhere if (run := within(whole, own)) is not None]
        others = frozenset(slot.day for slot in own if tiles_listed[slot.day] > slot.listed)
        explained = (day for run in common for day in run.days)
        runs[tile] = [*common, *unusual_runs(own, usual, others, explained)]
    return runs


def _slots(seen: set[int], days: Sequence[int], product: str, service: Service) -> list[Slot]:
    """What should be listed of a tile, by day: the slots of the tracks of which it is known when they are flown."""
    repeat = product_named(product).constellation.repeat_days
    possible: dict[int, list[Slot]] = defaultdict(list)
    for day in days:
        if day >= day_number(service.first):
            possible[day % repeat].append(Slot(day, day % repeat, day // repeat % 2, day in seen))
    tracks = [_scheduled(slots, service) for slots in possible.values()]
    if service.visitor is not None and any(_both(track, service.visitor) for track in tracks):
        visited = day_number(service.visitor)
        tracks = [
            track if _both(track, service.visitor) else [slot for slot in track if slot.day < visited]
            for track in tracks
        ]
    return sorted(slot for track in tracks for slot in track)


def _scheduled(track: Sequence[Slot], service: Service) -> list[Slot]:
    """Those slots of a possible track on which a scene is expected: before there were two satellites those of each one
    that is listed regularly, from then on all where any is."""
    pair = day_number(service.pair)
    alone, together = ([slot for slot in track if (slot.day >= pair) == later] for later in (False, True))
    expected = [slot for satellite in by_satellite(alone) if _regular(satellite) for slot in satellite]
    if expected or _regular(together) or any(map(_regular, by_satellite(together))):
        expected += together
    return expected


def _regular(slots: Sequence[Slot]) -> bool:
    """Whether slots are listed nearly always between the first and the last that is."""
    places = [place for place, slot in enumerate(slots) if slot.listed]
    return len(places) >= LEAST_DATES and len(places) >= LEAST_REGULAR * (places[-1] - places[0] + 1)


def _both(track: Sequence[Slot], since: date) -> bool:
    """Whether both satellites of a track are listed regularly since a day."""
    series = by_satellite(slot for slot in track if slot.day >= day_number(since))
    return len(series) == 2 and all(map(_regular, series))


def _unlisted_tiles(product: str, slots: Mapping[str, Mapping[str, Sequence[Slot]]]) -> list[str]:
    """Tiles in which a product of the same tiling is listed regularly and this one is not at all, or next to never."""
    tiling = product_named(product).tiling
    alike = [tiles for name, tiles in slots.items() if product_named(name).tiling == tiling]
    regular = {tile for tiles in alike for tile, found in tiles.items() if found}
    return sorted(tile for tile in regular if not slots[product].get(tile))


def _typical_days(slots: Mapping[str, Sequence[Slot]], days: Sequence[int], product: str) -> tuple[int, ...]:
    """The days on which a tile of a product should be listed that is not: those of the tile with the fewest; without
    any tile those of one track, beginning with the first day. None where the satellites are not known."""
    repeat, service = product_named(product).constellation.repeat_days, product_named(product).constellation.service
    if slots:
        return tuple(slot.day for slot in min(slots.values(), key=len))
    if service is None:
        return ()
    first, pair = day_number(service.first), day_number(service.pair)
    alone = [day for day in days if first <= day < pair][:: 2 * repeat]
    return (*alone, *[day for day in days if day >= pair][::repeat])
