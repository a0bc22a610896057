"""A search of a public STAC catalogue: all of its pages, or one line that says what is wrong."""

import itertools
import json
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pystac_client
from pystac import Link
from pystac.errors import STACError, STACTypeError
from pystac_client.errors import ClientTypeError
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from pystac_client.warnings import DoesNotConformTo

from mmvsf.datasets.errors import IncompleteError, InputError, MmvsfError
from mmvsf.datasets.json_text import TOO_DEEP, parse_json_of_many
from mmvsf.pipeline.layers.source import Bounds
from mmvsf.pipeline.sources.transport.guard import guard
from mmvsf.pipeline.sources.transport.http import ATTEMPTS_AT_JSON, CUT_OFF, RetryPolicy, reason_of
from mmvsf.pipeline.sources.transport.progress import report_progress

from .boxes import boxes_within_180
from .catalogs import Catalog

MOST_NAMED = 40
"""Collections named where one is missing; large catalogues have hundreds."""

SEARCHES = 3
"""Searches that are made until all items that a catalogue announces have come, each once."""

MOST_ITEMS = 2_000_000
"""Items of one search; more are taken for pages without end. A state and ten years have some 200,000."""

PAGE = 200
"""Items a page. CMR gives 100 at most, the others up to 1,000."""

NO_STAC = (
    LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError,
    STACError, STACTypeError, ClientTypeError, DoesNotConformTo,
)  # fmt: skip
"""What the client raises for answers that are JSON and no STAC"""

Days = tuple[date, date] | None
"""First and last day of a search, both included; None for any time."""


class _Requests(StacApiIO):
    """The client's requests. `RetryPolicy.retry` sees to refusals; an answer with status 200 that breaks off or is no
    JSON is asked for again here."""

    def __init__(self, retry_policy: RetryPolicy, reach: int) -> None:
        super().__init__(
            timeout=(retry_policy.connect, retry_policy.request), max_retries=retry_policy.retry(connect=1)
        )
        guard(self.session, reach)
        self._patience = retry_policy

    def json_loads(self, txt: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """See `pystac.StacIO`. Raises ValueError."""
        content = parse_json_of_many(txt)
        if not isinstance(content, dict):
            raise ValueError("a response is not a JSON object")
        return content

    def request(self, href: str, *args: Any, **kwargs: Any) -> str:
        """See `StacApiIO`. Raises ValueError for an address that is no http(s) URL: a catalogue names its next page."""
        if urlsplit(href).scheme not in ("http", "https"):
            raise ValueError(f"the catalogue leads to {href[:100]!r}")
        text: str = super().request(href, *args, **kwargs)
        return text

    def read_json(self, source: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """See `pystac.StacIO`. Raises APIError or ValueError after all attempts."""
        for failures in itertools.count(1):
            try:
                content: dict[str, Any] = super().read_json(source, *args, **kwargs)
                return content
            except APIError as error:
                # The client hides what it met in the context.
                if not isinstance(error.__context__, CUT_OFF) or failures >= self._patience.attempts:
                    raise
            except ValueError:
                if failures >= ATTEMPTS_AT_JSON:
                    raise
            time.sleep(self._patience.wait(failures))
        raise AssertionError("unreachable")

    def pages(self, search: pystac_client.ItemSearch) -> Iterator[dict[str, Any]]:
        """The pages of a search, also after an empty one, where the client stops. A loop of links ends."""
        parameters, seen = search.get_parameters(), set[str]()
        page = self.read_json(search.url, method=search.method, parameters=parameters)
        while True:
            yield page
            link = next((link for link in page.get("links") or () if link["rel"] == "next"), None)
            text = json.dumps(link, sort_keys=True)
            if link is None or text in seen:
                return
            seen.add(text)
            page = self.read_json(Link.from_dict(link), parameters=parameters)


def find_items(
    catalog: Catalog,
    retry_policy: RetryPolicy,
    collections: Sequence[str],
    bbox: Bounds,
    when: Sequence[Days],
) -> Iterator[Any]:
    """All items of the collections in a box of degrees (west, south, east, north), for each run of days `when`, each
    item once. What an item holds is not checked. Across 180 degrees `east` is above 180.

    Raises InputError for a collection that the catalogue lacks, IncompleteError if it does not answer, or not with all
    that it announced.
    """
    where = f"{catalog.name} ({catalog.url})"
    given: set[str] = set()
    try:
        requests = _Requests(retry_policy, catalog.reach)
        with _without_warnings():
            client = pystac_client.Client.open(catalog.url, stac_io=requests)
            _refuse_missing(client, collections, where)
        for days, part in itertools.product(when, boxes_within_180(bbox)):
            interval = days and f"{days[0]}T00:00:00Z/{days[1]}T23:59:59Z"
            what = f"{', '.join(collections)} of {catalog.name}" + (f", {days[0]} to {days[1]}" if days else "")
            with _without_warnings():
                query = client.search(collections=list(collections), bbox=part, datetime=interval, limit=PAGE)
            items = _all_items(partial(requests.pages, query), what, where)
            yield from (item for key, item in items.items() if key not in given)
            given |= set(items)
    except APIError as error:
        raise _explain(error, where) from None
    except NO_STAC as error:
        raise IncompleteError(f"{where} does not answer as a STAC API: {reason_of(error)}") from None


@contextmanager
def _without_warnings() -> Iterator[None]:
    """The client warns of what it repairs in a catalogue's description of itself; nothing of that is used."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _all_items(search: Callable[[], Iterator[dict[str, Any]]], what: str, where: str) -> dict[str, Any]:
    """The different items of a search by their keys. It is made again where an item is repeated, and so may hide
    another, and where fewer came than were announced; all that came is kept. Raises IncompleteError where that stays
    so."""
    items: dict[str, Any] = {}
    matched = 0
    for attempt in range(SEARCHES):
        keys: set[str] = set()
        given = 0
        for page in search():
            features = page["features"]
            if not isinstance(features, list):
                raise TypeError("features is not a list")
            new = {_key(item): item for item in features}
            items = new | items
            keys |= set(new)
            given, matched = given + len(features), max(matched, _announced(page))
            report_progress(what, len(items), matched or None)
            if given > 2 * len(keys) + PAGE or len(keys) > MOST_ITEMS:
                raise IncompleteError(f"{where} returns pages without end, {given} items so far; run again later")
        # CMR gives an empty list, too, where its backend failed; an empty one is asked for once more.
        if len(keys) == given and len(items) >= matched and (items or attempt):
            return items
    repeated = f" ({given - len(keys)} of them repeated)" if len(keys) < given else ""
    raise IncompleteError(
        f"{where} announced {matched or 'no number of'} items and gave {given}{repeated}, {len(items)} different ones"
        f" in {SEARCHES} searches, so some may be hidden; run again, it may have been busy"
    )


def _key(item: Any) -> str:
    """What tells an item from others: its collection and id, or all of it where it has none. One that is nested too
    deeply for that counts as different from all others."""
    named = isinstance(item, dict) and item.get("id") is not None
    try:
        return json.dumps([item.get("collection"), item["id"]] if named else item, sort_keys=True)
    except RecursionError:
        return f"{TOO_DEEP}, {id(item)}"


def _announced(page: dict[str, Any]) -> int:
    """How many items a page says that there are on all pages, 0 if it does not. The Planetary Computer does not."""
    context = page.get("context")  # of CMR
    for count in (page.get("numberMatched"), context.get("matched") if isinstance(context, dict) else None):
        if isinstance(count, int) and not isinstance(count, bool) and count > 0:
            return count
    return 0


def _refuse_missing(client: pystac_client.Client, collections: Sequence[str], where: str) -> None:
    """Raise InputError, with the collections that there are, if one is missing."""
    for name in collections:
        if client.get_collection(name) is None:
            known = sorted(found.id for found in client.get_collections())
            more = f" and {len(known) - MOST_NAMED} more" if len(known) > MOST_NAMED else ""
            raise InputError(
                f"{where} has no collection {name}; it has {', '.join(known[:MOST_NAMED]) or 'none'}{more}. Check what"
                " the recipe takes from this catalogue, and MMVSF_STAC_URL if it is set"
            )


def _explain(error: APIError, where: str) -> MmvsfError:
    status = getattr(error, "status_code", None)
    if status is None:
        return IncompleteError(f"{where} does not answer: {reason_of(error)}; check the network and run again")
    if status == 404:
        return InputError(
            f"{where} has no such page or collection; check imagery.catalog, and MMVSF_STAC_URL if it is set"
        )
    if status in (401, 403):
        return InputError(
            f"{where} refuses access (HTTP {status}); take a catalogue that needs no account, or check imagery.catalog,"
            " and MMVSF_STAC_URL if it is set"
        )
    return IncompleteError(f"{where} refuses the search (HTTP {status}); run again later")
