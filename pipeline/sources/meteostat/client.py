"""meteostat's client, changed to raise its errors, to keep its files in our cache, and to limit waiting times.

The client is imported on first use. It hides errors: a file that cannot be had is logged and taken for one that does
not exist. So what it logs is watched here, and only a 404 counts as no data.
"""

import logging
import math
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import ModuleType
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pandas as pd

from mmvsf.pipeline.sources.transport.download import Attempts, download, seconds_asked, server_folder
from mmvsf.pipeline.sources.transport.endpoints import address
from mmvsf.pipeline.sources.transport.http import BUSY, RetryPolicy, reason_of

STATIONS_DB_DAYS = 30
"""Age at which the list of stations is fetched anew."""


@contextmanager
def meteostat_client(cache: Path, retry_policy: RetryPolicy) -> Iterator[ModuleType]:
    """meteostat at our address, with its files in our cache, a folder a server since its own keys omit that, and a
    limit to waiting. Its list of stations is fetched here: it would store any answer for one, and for weeks."""
    import meteostat
    from meteostat.providers.meteostat import daily

    config, server = meteostat.config, address("meteostat")
    folder = server_folder(cache, server)
    database = folder / "stations.db"
    if not database.is_file() or time.time() - database.stat().st_mtime > STATIONS_DB_DAYS * 86_400:
        download(f"{server}/stations.db", {}, database, "meteostat's list of stations", _check_database, retry_policy)
    ours = {
        "cache_directory": str(folder / "daily"),
        "stations_db_file": str(database),
        "cache_autoclean": False,
        "block_large_requests": False,
        # Where a station did not report, its file may hold a forecast.
        "include_model_data": False,
    }
    before, timeout = {key: getattr(config, key) for key in ours}, socket.getdefaulttimeout()
    endpoint = daily.ENDPOINT
    try:
        daily.ENDPOINT = f"{server}/daily/{{year}}/{{station}}.csv.gz"
        for key, value in ours.items():
            setattr(config, key, value)
        socket.setdefaulttimeout(retry_policy.request)  # the client reads files by urllib, which has no other
        yield meteostat
    finally:
        daily.ENDPOINT = endpoint
        socket.setdefaulttimeout(timeout)
        for key, value in before.items():
            setattr(config, key, value)


def station_series(
    client: ModuleType,
    stations: pd.DataFrame,
    name: str,
    first: date,
    last: date,
    parameters: tuple[str, ...],
    retry_policy: RetryPolicy,
) -> pd.DataFrame:
    """Days x parameters of a station, empty if it has none. Raises DownloadError."""
    row = stations.loc[name]
    station = client.Station(id=name, country=row["country"], timezone=row["timezone"])
    wanted = [client.Parameter(p) for p in parameters]
    attempts = Attempts(retry_policy)
    while True:
        with _complaints() as complaints:
            found = client.daily(station, first, last, parameters=wanted).fetch()
        if not complaints:
            return pd.DataFrame() if found is None else found
        reason, asked = _meaning(complaints[0])
        if not attempts.again(asked):
            raise attempts.error(
                urlsplit(address("meteostat")).netloc, f"daily values of station {name}, {first} to {last}", reason
            )


def _check_database(body: bytes) -> None:
    """Raise ValueError unless the body is a whole SQLite file of stations."""
    page, pages = int.from_bytes(body[16:18], "big"), int.from_bytes(body[28:32], "big")
    if not body.startswith(b"SQLite format 3\0") or len(body) < (65_536 if page == 1 else page) * pages:
        raise ValueError("the response is not a complete SQLite database")
    connection = sqlite3.connect(":memory:")
    try:
        connection.deserialize(body)
        connection.execute("select id, latitude, longitude, elevation, timezone from stations limit 1")
    except sqlite3.DatabaseError as error:
        raise ValueError(f"the response is not a database of stations: {error}") from error
    finally:
        connection.close()


class _Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record)


@contextmanager
def _complaints() -> Iterator[list[logging.LogRecord]]:
    """What meteostat logs as a warning or worse meanwhile, which is how it tells of errors."""
    listener, logger = _Listener(), logging.getLogger("meteostat")
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(listener)
    try:
        yield listener.heard
    finally:
        logger.removeHandler(listener)
        logger.propagate = propagate


def _meaning(record: logging.LogRecord) -> tuple[str, float]:
    """(reason, seconds to wait before the next attempt): what the server asks for, for ever if none can help."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HTTPError):
        asked = seconds_asked(error.headers.get("Retry-After")) if error.code in BUSY else math.inf
        return f"HTTP status {error.code}", asked
    return reason_of(error or Exception(record.getMessage())), 0.0
