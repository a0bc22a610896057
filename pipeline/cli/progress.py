"""What the commands that build a cube show while they work."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import TaskID
from rich.text import Text

from mmvsf.datasets.storage.location import Location, ensure_reachable, location

from .options import progress_bar, status_console

if TYPE_CHECKING:
    from mmvsf.pipeline.build.run import Progress


def reachable(text: str) -> Location:
    """The location of `--data-dir`. Raises InputError or IncompleteError for a bucket that does not answer."""
    data_dir = location(text)
    ensure_reachable(data_dir)
    return data_dir


@contextmanager
def waiting(target: Console) -> Iterator[None]:
    """Show what the sources are reading, while a plan is made."""
    from mmvsf.pipeline.sources.transport.progress import progress_listener

    with target.status("reading the recipe and its sources") as status:

        def update(text: str) -> None:
            status.update(Text(text))

        with progress_listener(update):
            yield


@contextmanager
def build_progress(started: float, as_json: bool) -> Iterator["Progress"]:
    """Progress bars of a build's phases, or a line that all shards are built; rates count from `started`, a value of
    `time.monotonic`."""
    from mmvsf.pipeline.build.run import Progress

    tasks: dict[str, TaskID] = {}
    with progress_bar(status_console(as_json)) as bar:

        def update(phase: str, done: int, total: int, pixels: int) -> None:
            if total and phase not in tasks:
                tasks[phase] = bar.add_task(phase, total=total, rate="")
            if phase in tasks:
                rate = f"{pixels / 1e6 / max(time.monotonic() - started, 1e-9):.1f} Mpx/s" if pixels else ""
                bar.update(tasks[phase], completed=done, rate=rate)

        yield Progress(update)
    if not tasks:
        status_console(as_json).print("All shards are already built.")
