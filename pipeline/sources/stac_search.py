"""A search of a public STAC catalogue: all of its pages, or one line that says what is wrong."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import pystac_client
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO

from mmvsf.datasets.errors import IncompleteError, InputError, MmvsfError

from .catalogs import Catalog
from .http import Patience, reason_of
from .progress import tell

MOST_NAMED = 40
"""Collections named where one is missing; large catalogues have hundreds."""

PAGE = 200
"""Items a page; catalogues allow 250 or more."""


def find_items(
    catalog: Catalog,
    patience: Patience,
    collections: Sequence[str],
    bbox: tuple[float, float, float, float],
    when: Sequence[tuple[date, date] | None],
) -> Iterator[dict[str, Any]]:
    """All items of the collections in a box of degrees (west, south, east, north), for each run of days `when` (first
    and last, both included; None for any time).

    Raises InputError for a collection that the catalogue lacks, IncompleteError if it does not answer.
    """
    where = f"{catalog.name} ({catalog.url})"
    client_io = StacApiIO(timeout=(patience.connect, patience.request), max_retries=patience.retry())
    try:
        client = pystac_client.Client.open(catalog.url, stac_io=client_io)
        _refuse_missing(client, collections, where)
        for days in when:
            interval = days and f"{days[0]}T00:00:00Z/{days[1]}T23:59:59Z"
            what = f"{', '.join(collections)} of {catalog.name}" + (f", {days[0]} to {days[1]}" if days else "")
            found = client.search(collections=list(collections), bbox=bbox, datetime=interval, limit=PAGE)
            matched: int | None = None
            count = 0
            for page in found.pages_as_dicts():
                matched = page.get("numberMatched", matched)
                count += len(page["features"])
                if matched:
                    tell(what, count, matched)
                yield from page["features"]
            if matched is not None and count < matched:
                raise IncompleteError(
                    f"{where} announced {matched} items and gave {count}; run again, it may have been busy"
                )
    except APIError as error:
        raise _explain(error, where) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IncompleteError(f"{where} does not answer as a STAC API: {reason_of(error)}") from None


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
