"""The search against a STAC API that others wrote: rustac, filled with items, and its answers compared with those."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import pytest

from mmvsf.datasets.errors import IncompleteError, InputError
from mmvsf.pipeline.layers.source import Bounds
from mmvsf.pipeline.sources.stac import search
from mmvsf.pipeline.sources.stac.catalogs import Catalog
from mmvsf.pipeline.sources.stac.search import Days, find_items
from mmvsf.pipeline.sources.transport.http import RetryPolicy
from mmvsf.pipeline.sources.transport.signing import NoAuth

from ..servers.programs import rustac

pytestmark = pytest.mark.stand_in

QUICK = RetryPolicy(attempts=2, first_wait=0.01, longest_wait=0.02, connect=2, request=20, deadline=40)
L30, S30 = "hls2-l30", "hls2-s30"
WORLD: Bounds = (-180, -90, 180, 90)
NUMBER = 600


def item(number: int) -> dict[str, Any]:
    """A square of .02 degrees; one after the other goes east, across 180 degrees, and through the months of a year."""
    west = (179.0 + 0.005 * number + 180) % 360 - 180
    south = 51 + 0.5 * (number % 3)
    ring = [[west + x, south + y] for x, y in ((0, 0), (0.02, 0), (0.02, 0.02), (0, 0.02), (0, 0))]
    return {
        "type": "Feature", "stac_version": "1.0.0", "stac_extensions": [], "id": f"granule-{number // 2}",
        "collection": (L30, S30)[number % 2], "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [west, south, west + 0.02, south + 0.02], "links": [],
        "properties": {"datetime": f"2021-{1 + number % 12:02d}-{1 + number % 28:02d}T22:50:00Z"},
        "assets": {"B02": {"href": f"https://example.org/{number}.tif"}},
    }  # fmt: skip


ITEMS = [item(number) for number in range(NUMBER)]
"""Both collections have the same ids. None of their squares crosses 180 degrees."""


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    path = tmp_path_factory.mktemp("peer") / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": ITEMS}))
    with rustac(path) as url:
        yield Catalog("rustac", url, None, NoAuth())


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def keys(items: Sequence[Any]) -> list[tuple[str, str]]:
    return sorted((entry["collection"], entry["id"]) for entry in items)


def asked(catalog: Catalog, names: Sequence[str], box: Bounds, *when: Days) -> list[tuple[str, str]]:
    """What the search gives; each item once."""
    given = keys(list(find_items(catalog, QUICK, names, box, when or [None])))
    assert len(given) == len(set(given))
    return given


def wanted(names: Sequence[str], box: Bounds, *when: Days) -> list[tuple[str, str]]:
    """What it should give, from the items themselves."""

    def fits(entry: dict[str, Any]) -> bool:
        west, south, east, north = entry["bbox"]
        day = date.fromisoformat(entry["properties"]["datetime"][:10])
        beside = any(west + turn <= box[2] and east + turn >= box[0] for turn in (0, 360))
        meets = beside and south <= box[3] and north >= box[1]
        return entry["collection"] in names and meets and any(not run or run[0] <= day <= run[1] for run in when)

    return keys([entry for entry in ITEMS if fits(entry)])


@pytest.mark.parametrize("names", [[L30], [S30], [L30, S30]])
def test_all_pages_come(peer: Catalog, names: list[str]) -> None:
    """Three pages of two collections whose ids are the same."""
    given = asked(peer, names, WORLD)
    assert given == wanted(names, WORLD, None) and len(given) == NUMBER // 2 * len(names) > search.PAGE


@pytest.mark.parametrize("page", [7, 100, 300, 600, 1000])
def test_pages_of_any_size(peer: Catalog, page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "PAGE", page)
    assert asked(peer, [L30, S30], WORLD) == wanted([L30, S30], WORLD, None)


@pytest.mark.parametrize(
    "box",
    [(179.5, 51.2, 180.6, 51.7), (179.99, 51.0, 180.01, 53.0), (179.2, 51.0, 179.6, 52.4), (181.0, 50.0, 181.5, 51.5)],
    ids=["across", "narrow across", "west of it", "beyond it"],
)
def test_boxes_at_the_antimeridian(peer: Catalog, box: Bounds) -> None:
    expected = wanted([L30, S30], box, None)
    assert asked(peer, [L30, S30], box) == expected and 0 < len(expected) < NUMBER


@pytest.mark.parametrize(
    "when",
    [
        [(date(2021, 3, 1), date(2021, 5, 31))],
        [(date(2021, 4, 4), date(2021, 4, 4))],
        [(date(2021, 1, 1), date(2021, 2, 10)), (date(2021, 2, 5), date(2021, 3, 20)), (date(2021, 12, 1), date.max)],
    ],
    ids=["a season", "a day", "runs that overlap"],
)
def test_days(peer: Catalog, when: list[Days]) -> None:
    expected = wanted([S30], WORLD, *when)
    assert asked(peer, [S30], WORLD, *when) == expected and 0 < len(expected) < NUMBER // 2


def test_nothing_is_there(peer: Catalog) -> None:
    assert asked(peer, [L30], (10, 10, 11, 11)) == []
    assert asked(peer, [L30], WORLD, (date(2019, 1, 1), date(2019, 12, 31))) == []


def test_a_collection_that_is_missing(peer: Catalog) -> None:
    with pytest.raises(InputError, match=f"has no collection hls2-x30; it has {L30}, {S30}"):
        asked(peer, [L30, "hls2-x30"], WORLD)


def test_another_address_than_the_catalogue(peer: Catalog) -> None:
    with pytest.raises((InputError, IncompleteError), match="rustac"):
        asked(Catalog("rustac", f"{peer.url}/elsewhere", None, NoAuth()), [L30], WORLD)
