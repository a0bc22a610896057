"""Searches whose pages repeat, hide, loop or announce wrongly: each item comes once, or the search is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from mmvsf.datasets.errors import IncompleteError, MmvsfError
from mmvsf.pipeline.sources.stac import search
from mmvsf.pipeline.sources.stac.catalogs import Catalog
from mmvsf.pipeline.sources.stac.search import find_items
from mmvsf.pipeline.sources.transport.http import RetryPolicy
from mmvsf.pipeline.sources.transport.signing import NoAuth

from ..servers.archive import CONFORMS_TO
from ..servers.base import Request, Response, StandIn

pytestmark = pytest.mark.stand_in

QUICK = RetryPolicy(attempts=2, first_wait=0.01, longest_wait=0.02, connect=2, request=5, deadline=10)
Page = tuple[list[Any], Any, Any]
"""items, what is announced, which page follows (a number, a link, or None)"""


class Scripted(StandIn):
    """A catalogue that answers each search from a list of pages; the last list counts for all later searches."""

    def __init__(self, *searches: list[Page]) -> None:
        super().__init__()
        self.searches = list(searches)
        self.made = 0
        self.boxes: list[Any] = []

    def answer(self, request: Request) -> Response:
        if request.path == "/":
            links = [{"rel": "search", "href": f"{self.url}/search", "type": "application/geo+json", "method": "POST"}]
            links.append({"rel": "data", "href": f"{self.url}/collections"})
            kind = {"type": "Catalog", "stac_version": "1.0.0", "id": "scripted", "description": "scripted"}
            return Response.of_json({**kind, "conformsTo": CONFORMS_TO, "links": links})
        if request.path.startswith("/collections/"):
            extent = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}}
            kind = {"type": "Collection", "stac_version": "1.0.0", "description": "x", "license": "other", "links": []}
            return Response.of_json({**kind, "id": request.path.rpartition("/")[2], "extent": extent})
        asked = request.json()
        number = asked.get("token", 0)
        if number == 0:
            self.made += 1
            self.boxes.append(asked["bbox"])
        pages = self.searches[min(self.made, len(self.searches)) - 1]
        items, announced, following = pages[number]
        content: dict[str, Any] = {"type": "FeatureCollection", "features": items, "links": []}
        if announced is not None:
            content["numberMatched"] = announced
        if isinstance(following, int):
            link = {
                "rel": "next",
                "href": f"{self.url}/search",
                "method": "POST",
                "body": {**asked, "token": following},
            }
            content["links"] = [link]
        elif following is not None:
            content["links"] = following
        return Response.of_json(content)


def items(*names: str, collection: str = "a") -> list[Any]:
    return [{"type": "Feature", "id": name, "collection": collection} for name in names]


def found(server: Scripted, box: tuple[float, float, float, float] = (0, 0, 1, 1)) -> list[str]:
    """The ids that a search gives."""
    here = Catalog("scripted", server.url, {}, NoAuth())
    return [item["id"] for item in find_items(here, QUICK, ["a", "b"], box, [None])]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(search, "MOST_ITEMS", 1000)
    yield


WHOLE: list[Page] = [(items("1", "2"), 4, 1), (items("3", "4"), 4, None)]
COMPLETE: dict[str, list[list[Page]]] = {
    "as it should be": [WHOLE],
    "nothing announced": [[(items("1", "2"), None, 1), (items("3", "4"), None, None)]],
    "fewer announced": [[(items("1", "2"), 1, 1), (items("3", "4"), 1, None)]],
    "out of order": [[(items("4", "1"), 4, 1), (items("3", "2"), 4, None)]],
    "an empty page between": [[(items("1", "2"), 4, 1), ([], 4, 2), (items("3", "4"), 4, None)]],
    "an empty page between, nothing announced": [
        [(items("1", "2"), None, 1), ([], None, 2), (items("3", "4"), None, None)]
    ],
    "an empty page at the end": [[(items("1", "2", "3", "4"), 4, 1), ([], 4, None)]],
    "one repeated, one hidden, once": [[(items("1", "2"), 4, 1), (items("2", "4"), 4, None)], WHOLE],
    "the same, nothing announced": [[(items("1", "2"), None, 1), (items("2", "4"), None, None)], WHOLE],
    "one hidden, once": [[(items("1", "2"), 4, 1), (items("4"), 4, None)], WHOLE],
    "nothing, once": [[([], 0, None)], WHOLE],
    "the next page is lost, once": [[(items("1", "2"), 4, None)], WHOLE],
    "a page leads to itself": [[(items("1", "2", "3", "4"), 4, 1), ([], 4, 1)]],
    "announced as a text": [[(items("1", "2", "3", "4"), "many", None)]],
    "announced below zero": [[(items("1", "2", "3", "4"), -7, None)]],
    "announced true": [[(items("1", "2", "3", "4"), True, None)]],
    "two halves hidden in turn": [
        [(items("1", "2"), 4, 1), (items("3", "3"), 4, None)],
        [(items("1", "4"), 4, 1), (items("2", "3"), 4, None)],
    ],
}
HIDDEN: dict[str, list[list[Page]]] = {
    "more announced": [[(items("1", "2"), 9, 1), (items("3", "4"), 9, None)]],
    "one repeated, one hidden, always": [[(items("1", "2"), 4, 1), (items("2", "4"), 4, None)]],
    "the same, nothing announced": [[(items("1", "2"), None, 1), (items("2", "4"), None, None)]],
    "a page comes again": [[(items("1", "2"), 4, 1), (items("1", "2"), 4, 2), (items("3", "4"), 4, None)]],
    "pages in a loop": [[(items("1", "2"), None, 1), (items("3", "4"), None, 0)]],
    "more announced on the last page": [[(items("1", "2"), 4, 1), (items("3", "4"), 10**6, None)]],
}


@pytest.mark.parametrize("kind", COMPLETE)
def test_each_item_comes_once(kind: str) -> None:
    with Scripted(*COMPLETE[kind]) as server:
        assert sorted(found(server)) == ["1", "2", "3", "4"]


@pytest.mark.parametrize("kind", HIDDEN)
def test_what_may_hide_items_is_refused(kind: str) -> None:
    with Scripted(*HIDDEN[kind]) as server:
        with pytest.raises(IncompleteError, match="may be hidden"):
            found(server)
        assert server.made == (6 if kind == "pages in a loop" else 3)


def test_pages_without_end() -> None:
    class Endless(Scripted):
        def answer(self, request: Request) -> Response:
            if request.path != "/search":
                return super().answer(request)
            number = int(request.json().get("token", 0))
            self.searches = [[(items(f"{number}-{n}"), None, number + 1) for n in range(number + 1)]]
            return super().answer(request)

    with Endless([]) as server, pytest.raises(IncompleteError, match="pages without end"):
        search.MOST_ITEMS = 40
        found(server)


def test_one_id_in_two_collections() -> None:
    both = [*items("1"), *items("1", collection="b"), *items("2")]
    with Scripted([(both, 3, None)]) as server:
        assert sorted(found(server)) == ["1", "1", "2"]


def test_a_box_across_180_degrees_is_two_searches() -> None:
    """What lies in both parts comes once."""
    with Scripted([(items("1", "2"), 2, None)], [(items("2", "3"), 2, None)]) as server:
        assert found(server, (179.5, 51, 180.5, 52)) == ["1", "2", "3"]
        assert server.boxes == [[179.5, 51, 180, 52], [-180, 51, -179.5, 52]]


@pytest.mark.parametrize(
    "content", [3, None, "x", [], {}, {"id": None}, {"id": ["x"], "collection": ["a"]}, {"id": {}, "collection": 7}]
)
def test_items_that_are_none_are_handed_on(content: Any) -> None:
    here = [*items("1"), content]
    with Scripted([(here, 2, None)]) as server:
        catalog = Catalog("scripted", server.url, {}, NoAuth())
        assert list(find_items(catalog, QUICK, ["a"], (0, 0, 1, 1), [None])) == here


@pytest.mark.parametrize(
    "links",
    [
        [{"rel": "next", "href": "file:///etc/hostname"}],
        [{"rel": "next", "href": "/etc/hostname"}],
        [{"rel": "next"}],
        [{"href": "x"}],
        [None],
        "x",
        {"rel": "next"},
    ],
)
def test_a_next_page_that_is_none(links: Any) -> None:
    with Scripted([(items("1"), 1, links)]) as server, pytest.raises(MmvsfError, match="does not answer as a STAC API"):
        found(server)


@pytest.mark.parametrize("features", [7, "x", {"a": 1}, True])
def test_features_that_are_no_list(features: Any) -> None:
    with Scripted([(features, None, None)]) as server, pytest.raises(MmvsfError, match="does not answer as a STAC API"):
        found(server)


ODD_ANSWERS: dict[str, tuple[str, dict[str, Any]]] = {
    "no catalogue": ("/", {"type": "Feature"}),
    "a number as type": ("/", {"type": 7}),
    "no search": ("/", {"conformsTo": [], "links": []}),
    "links of nulls": ("/", {"links": [None]}),
    "a collection of another type": ("/collections/a", {"type": "Feature"}),
    "a collection without times": (
        "/collections/a",
        {"extent": {"spatial": {"bbox": []}, "temporal": {"interval": []}}},
    ),
    "an interval without ends": ("/collections/a", {"extent": {"temporal": {"interval": [[]]}}}),
    "no extent": ("/collections/a", {"extent": None}),
}


class Odd(Scripted):
    """A catalogue that describes itself or its collection otherwise."""

    def __init__(self, path: str, changes: dict[str, Any]) -> None:
        super().__init__([(items("1"), 1, None)])
        self.path, self.changes = path, changes

    def answer(self, request: Request) -> Response:
        sound = super().answer(request)
        if request.path != self.path:
            return sound
        return Response.of_json({**json.loads(sound.body), **self.changes})


@pytest.mark.parametrize("kind", ODD_ANSWERS)
def test_an_answer_that_is_no_stac_is_one_error_without_warnings(kind: str, recwarn: pytest.WarningsRecorder) -> None:
    with Odd(*ODD_ANSWERS[kind]) as server:
        try:
            assert len(found(server)) == 1  # where what is odd is not needed
        except MmvsfError as error:
            assert "does not answer as a STAC API" in str(error) or "has no collection a" in str(error)
    assert not recwarn.list
