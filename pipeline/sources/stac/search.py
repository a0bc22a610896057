"""A search of a public STAC catalogue: all of its pages, or one line that says what is wrong."""

import itertools
import time
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import pystac_client
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO

from mmvsf.datasets.errors import IncompleteError, InputError, MmvsfError
from mmvsf.pipeline.sources.transport.guard import guard
from mmvsf.pipeline.sources.transport.http import ATTEMPTS_AT_JSON, CUT_OFF, RetryPolicy, reason_of
from mmvsf.pipeline.sources.transport.progress import report_progress

from .catalogs import Catalog

MOST_NAMED = 40
"""Collections named where one is missing; large catalogues have hundreds."""

SEARCHES = 3
"""Searches that are made until all items that a catalogue announces have come, each once."""

PAGE = 200
"""Items a page. CMR gives 100 at most, the others up to 1,000."""

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


def find_items(
    catalog: Catalog,
    retry_policy: RetryPolicy,
    collections: Sequence[str],
    bbox: tuple[float, float, float, float],
    when: Sequence[Days],
) -> Iterator[dict[str, Any]]:
    """All items of the collections in a box of degrees (west, south, east, north), for each run of days `when`.

    Raises InputError for a collection that the catalogue lacks, IncompleteError if it does not answer, or not with all
    that it announced.
    """
    where = f"{catalog.name} ({catalog.url})"
    try:
        client = pystac_client.Client.open(catalog.url, stac_io=_Requests(retry_policy, catalog.reach))
        _refuse_missing(client, collections, where)
        for days in when:
            interval = days and f"{days[0]}T00:00:00Z/{days[1]}T23:59:59Z"
            what = f"{', '.join(collections)} of {catalog.name}" + (f", {days[0]} to {days[1]}" if days else "")
            query = {"collections": list(collections), "bbox": bbox, "datetime": interval, "limit": PAGE}
            yield from _distinct(client, query, what, where)
    except APIError as error:
        raise _explain(error, where) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IncompleteError(f"{where} does not answer as a STAC API: {reason_of(error)}") from None


def _distinct(client: pystac_client.Client, query: dict[str, Any], what: str, where: str) -> list[dict[str, Any]]:
    """The different items of a search. It is made again where a page repeats an item, and so may hide another, and
    where fewer came than were announced; all that came is kept. Raises IncompleteError where that stays so."""
    items: dict[tuple[Any, Any], dict[str, Any]] = {}
    matched = 0
    for attempt in range(SEARCHES):
        keys: set[tuple[Any, Any]] = set()
        given = 0
        for page, announced in _pages(client, query, where):
            new = {(item.get("collection"), item["id"]): item for item in page}
            keys, given, matched = keys | set(new), given + len(page), max(matched, announced)
            items = new | items
            report_progress(what, len(items), matched or None)
        # CMR gives an empty list, too, where its backend failed; an empty one is asked for once more.
        if len(keys) == given and len(items) >= matched and (items or attempt):
            return list(items.values())
    repeated = f" ({given - len(keys)} of them repeated)" if len(keys) < given else ""
    raise IncompleteError(
        f"{where} announced {matched or 'no number of'} items and gave {given}{repeated}, {len(items)} different ones"
        f" in {SEARCHES} searches, so some may be hidden; run again, it may have been busy"
    )


def _pages(
    client: pystac_client.Client, query: dict[str, Any], where: str
) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """The items of each page of a search, and how many are announced for all pages, 0 if none are. Raises
    IncompleteError where the pages would never end."""
    seen: set[tuple[Any, Any]] = set()
    for page in client.search(**query).pages_as_dicts():
        items = page["features"]
        new = {(item.get("collection"), item["id"]) for item in items} - seen
        if not new:
            raise IncompleteError(f"{where} gives one page of its items again and again; run again later")
        seen |= new
        # The second form is CMR's; the Planetary Computer does not say.
        yield items, page.get("numberMatched") or page.get("context", {}).get("matched") or 0


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
    return IncompleteError(f"{where} refuses the search (HTTP {status}); run again later")
