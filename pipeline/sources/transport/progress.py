"""Progress of a source's downloads, for a listener: fetching weather can take minutes before a build begins.

It goes through a logger, so that sources need no argument for it and any thread may report.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOGGER = logging.getLogger("mmvsf.progress")


def report_progress(what: str, done: int, total: int | None) -> None:
    """Report that `done` of `total` parts are present; None where the number of parts is unknown."""
    _LOGGER.debug("%s: %s", what, done if total is None else f"{done} of {total}")


@contextmanager
def progress_listener(show: Callable[[str], None]) -> Iterator[None]:
    """Pass the progress of sources to `show`, one line each, from any thread."""
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
