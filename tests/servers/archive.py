"""A public archive of scenes on loopback: a STAC API, a server of files by range, and who may read them.

    python -m tests.servers.archive --root data/archive/sandbox --port 8000 --access sas

serves a folder that holds items.json (a STAC ItemCollection with relative hrefs), as one of the three kinds of
public archive does: `open` to anyone (as Earth Search), with signatures (`sas`, as the Planetary Computer), or to
whoever has an account (`earthdata`, as LP DAAC). The standard library is enough.

Each kind pages as the service that it stands for: the Planetary Computer and Earth Search by a body to POST; CMR by an
address to GET, whatever the method was, with at most 100 items. Earth Search announces the number of items as
`numberMatched`, CMR as `context.matched`, the Planetary Computer not at all.
"""

from __future__ import annotations

import argparse
import base64
import copy
import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from .base import Request, Response, StandIn, main
from .ground import COLLECTIONS, Ground
from .stac_query import as_query, bounds, interval, is_across, matches, of_query

CONFORMS_TO = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/item-search",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
]
LARGEST_PAGE = {"open": 250, "sas": 1000, "earthdata": 100}
ACCOUNT, CONTAINER = "account", "container"
FILES = f"/{ACCOUNT}/{CONTAINER}/"
GROUND_FILES = f"{FILES}ground/"
GEOJSON = "application/geo+json"


@dataclass
class Doors:
    """Who may read the files, and what the stand-in has handed out."""

    access: str = "open"
    """open, sas or earthdata"""
    lifetime: timedelta = timedelta(minutes=45)
    user: str = "user"
    password: str = "password-of-the-tests"
    valid: set[str] = field(default_factory=set)
    """signatures or tokens that are accepted now"""
    issued: list[str] = field(default_factory=list)
    """all that were ever handed out"""

    def expire(self) -> None:
        """Accept nothing that was handed out so far."""
        self.valid.clear()

    def new(self) -> str:
        made = secrets.token_hex(20)
        self.valid.add(made)
        self.issued.append(made)
        return made

    def admits(self, request: Request) -> bool:
        if self.access == "sas":
            return request.query.get("sig") in self.valid
        if self.access == "earthdata":
            return request.headers.get("authorization", "").removeprefix("Bearer ") in self.valid
        return True


class ArchiveServer(StandIn):
    """The archive in a folder. `collections` renames collections; `bare` leaves out what items say of their grid;
    `ground` adds the made-up elevation, soil and labels of `tests.servers.ground`, wherever they are asked for.
    `address` is that of another server, which passes requests on."""

    def __init__(
        self,
        root: Path,
        port: int = 0,
        access: str = "open",
        collections: dict[str, str] | None = None,
        bare: bool = False,
        ground: bool = True,
        address: str = "",
    ) -> None:
        super().__init__(port)
        self.url = address or self.url
        self.ground = Ground() if ground else None
        self.root, self.doors = root, Doors(access)
        self.page = LARGEST_PAGE[access]
        content = json.loads((root / "items.json").read_text(encoding="utf-8"))
        self.items = [self._public(item, collections or {}, bare) for item in content["features"]]

    @property
    def stac_url(self) -> str:
        return f"{self.url}/stac"

    @property
    def sas_url(self) -> str:
        return f"{self.url}/sas"

    def environment(self) -> dict[str, str]:
        return {
            "MMVSF_STAC_URL": self.stac_url,
            "MMVSF_SAS_URL": self.sas_url,
            "MMVSF_URS_URL": self.url,
            "NO_PROXY": "127.0.0.1",
        }

    def answer(self, request: Request) -> Response:
        path = request.path
        if path == "/stac" or path.startswith("/stac/"):
            return self._stac(path.removeprefix("/stac").strip("/"), request)
        if path == f"/sas/{ACCOUNT}/{CONTAINER}":
            return self._signature()
        if path == "/api/users/find_or_create_token" and request.method == "POST":
            return self._token(request)
        if path.startswith(FILES):
            if not self.doors.admits(request):
                return Response.of_json({"code": "AuthenticationFailed"}, 403 if self.doors.access == "sas" else 401)
            if self.ground is not None and path.startswith(GROUND_FILES):
                made = self.ground.file(path.removeprefix(GROUND_FILES))
                return _missing(path) if made is None else Response.of_bytes(made, request, "image/tiff")
            return Response.of_file(self.root, path.removeprefix(FILES), request)
        return _missing(path)

    def _public(self, item: dict[str, Any], collections: dict[str, str], bare: bool) -> dict[str, Any]:
        item = copy.deepcopy(item)
        item["collection"] = collections.get(item["collection"], item["collection"])
        if not is_across(item.get("bbox")):
            item["bbox"] = list(bounds(item["geometry"]["coordinates"]))
        for asset in item["assets"].values():
            asset["href"] = f"{self.url}{FILES}{asset['href']}"
        if bare:
            for holder in (item["properties"], *item["assets"].values()):
                for key in [key for key in holder if key.startswith("proj:")]:
                    del holder[key]
        return item

    def _signature(self) -> Response:
        expiry = datetime.now(UTC) + self.doors.lifetime
        token = urlencode({"se": expiry.isoformat(timespec="seconds"), "sp": "rl", "sig": self.doors.new()})
        return Response.of_json({"token": token, "msft:expiry": expiry.isoformat(timespec="seconds")})

    def _token(self, request: Request) -> Response:
        wanted = base64.b64encode(f"{self.doors.user}:{self.doors.password}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {wanted}":
            return Response.of_json({"error": "invalid_credentials"}, 401)
        return Response.of_json({"access_token": self.doors.new(), "token_type": "Bearer"})

    def _stac(self, path: str, request: Request) -> Response:
        names = sorted({item["collection"] for item in self.items} | set(COLLECTIONS if self.ground else ()))
        if path == "":
            return Response.of_json(self._landing())
        if path == "conformance":
            return Response.of_json({"conformsTo": CONFORMS_TO})
        if path == "collections":
            return Response.of_json({"collections": [self._collection(name) for name in names], "links": []})
        if path == "search":
            return self._search(request)
        found = re.fullmatch(r"collections/([^/]+)(/items)?", path)
        if found is None or found.group(1) not in names:
            return _missing(path)
        return (
            self._search(request, found.group(1))
            if found.group(2)
            else Response.of_json(self._collection(found.group(1)))
        )

    def _landing(self) -> dict[str, Any]:
        links = [
            {"rel": rel, "href": self.stac_url + tail, "type": kind, "method": method}
            for rel, tail, kind, method in (
                ("self", "", "application/json", "GET"),
                ("root", "", "application/json", "GET"),
                ("data", "/collections", "application/json", "GET"),
                ("conformance", "/conformance", "application/json", "GET"),
                ("search", "/search", GEOJSON, "GET"),
                ("search", "/search", GEOJSON, "POST"),
            )
        ]
        return {
            "type": "Catalog", "stac_version": "1.0.0", "id": "stand-in", "description": "a stand-in",
            "conformsTo": CONFORMS_TO, "links": links,
        }  # fmt: skip

    def _collection(self, name: str) -> dict[str, Any]:
        times = sorted(item["properties"]["datetime"] for item in self.items if item["collection"] == name)
        times = times or ["2008-01-01T00:00:00Z"]
        return {
            "type": "Collection", "stac_version": "1.0.0", "id": name, "description": name, "license": "other",
            "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[times[0], None]]}},
            "links": [
                {"rel": "root", "href": self.stac_url, "type": "application/json"},
                {"rel": "items", "href": f"{self.stac_url}/collections/{name}/items", "type": GEOJSON},
            ],
        }  # fmt: skip

    def _search(self, request: Request, collection: str | None = None) -> Response:
        asked = request.json() if request.method == "POST" else of_query(request.query)
        if collection is not None:
            asked["collections"] = [collection]
        found = [item for item in [*self.items, *self._ground_items(asked)] if matches(item, asked)]
        found.sort(key=lambda item: (interval(item)[0], item["id"]), reverse=True)
        size, start = min(int(asked.get("limit", 10)), self.page), int(asked.get("token", 0))
        page = found[start : start + size]
        links: list[dict[str, Any]] = [{"rel": "root", "href": self.stac_url, "type": "application/json"}]
        if start + size < len(found):
            following = {**asked, "token": str(start + size)}
            here = f"{self.url}{request.path}"
            link: dict[str, Any] = {"rel": "next", "type": GEOJSON, "href": f"{here}?{as_query(following)}"}
            if self.doors.access != "earthdata":
                link |= {"method": request.method}
                if request.method == "POST":
                    link |= {"href": here, "body": following}
            links.append(link)
        content = {"type": "FeatureCollection", "features": page, "links": links}
        if self.doors.access == "earthdata":
            content["context"] = {"returned": len(page), "limit": size, "matched": len(found)}
        elif self.doors.access == "open":
            content |= {"numberMatched": len(found), "numberReturned": len(page)}
        return Response.of_json(content, content_type=GEOJSON)

    def _ground_items(self, asked: dict[str, Any]) -> Iterable[dict[str, Any]]:
        """What the made-up ground has in a box that is asked for."""
        wanted = [name for name in asked.get("collections") or () if name in COLLECTIONS]
        if self.ground is None or not asked.get("bbox"):
            return
        first, _, last = (asked.get("datetime") or "1900/2100").partition("/")
        years = range(int(first[:4]), int((last or first)[:4]) + 1)
        for name in wanted:
            yield from self.ground.items(name, tuple(asked["bbox"]), years, f"{self.url}{GROUND_FILES}")


def _missing(path: str) -> Response:
    return Response.of_json({"code": "NotFound", "description": f"there is no {path}"}, 404)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve a folder of scenes as a public archive does.")
    parser.add_argument("--root", type=Path, required=True, help="folder with items.json")
    parser.add_argument("--access", choices=("open", "sas", "earthdata"), default="sas", help="who may read the files")
    parser.add_argument("--bare", action="store_true", help="items do not say their grids (as LP DAAC's)")
    main(
        parser,
        lambda given: ArchiveServer(given.root, given.port, given.access, bare=given.bare),
    )
