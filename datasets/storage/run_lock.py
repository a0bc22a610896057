"""One writer at a time for a run's folder, or for a file such as a report."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .location import DRAFT
from .lock import write_lock


@contextmanager
def run_lock(target: Path, purpose: str) -> Iterator[None]:
    """Hold the lock of an output for the duration of a block, and first remove the drafts that killed commands left.

    Raises IncompleteError where another process holds it, OSError where the disk refuses; see `write_lock`.
    """
    with write_lock(target, purpose):
        for draft in (*target.parent.glob(f"{target.name}.*{DRAFT}"), *target.rglob(f"*{DRAFT}")):
            if draft.is_dir():
                shutil.rmtree(draft, ignore_errors=True)
            else:
                draft.unlink(missing_ok=True)
        yield
