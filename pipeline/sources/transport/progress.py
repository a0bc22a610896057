"""What a source is busy with, for whoever listens: a weather archive is fetched for minutes before a build begins.

It goes through a logger of its own, so that sources need no argument for it, and threads are no matter.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOGGER = logging.getLogger("mmvsf.progress")


def report_progress(what: str, done: int, total: int | None) -> None:
    """Say that `done` of `total` parts are there; None where nobody knows how many there will be."""
    _LOGGER.debug("%s: %s", what, done if total is None else f"{done} of {total}")


@contextmanager
def progress_listener(show: Callable[[str], None]) -> Iterator[None]:
    """Pass what sources tell to `show`, one line each, from any thread."""
    handler = _Handler(show)
    level, propagate = _LOGGER.level, _LOGGER.propagate
    _LOGGER.setLevel(logging.DEBUG)
    _LOGGER.propagate = False
    _LOGGER.addHandler(handler)
    try:
        yield
    finally:
        _LOGGER.removeHandler(handler)
        _LOGGER.setLevel(level)
        _LOGGER.propagate = propagate


class _Handler(logging.Handler):
    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__()
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        self._show(record.getMessage())
