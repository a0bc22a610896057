"""What a reader did with one input: how it ended, how long it took, and what it wrote outside of its folder."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmvsf.datasets.errors import MmvsfError

SLOWEST = 5.0
"""Seconds in which an input is refused: of this process's CPU time, which other work changes little."""
SLOWEST_TAKEN = 30.0
"""The same for one that is no fault, and whose work is done: `phenocam` plans 17,000 images."""

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CHANGES = {
    "os.mkdir": 0,
    "os.rename": 1,
    "os.remove": 0,
    "os.rmdir": 0,
    "os.symlink": 1,
    "os.link": 1,
    "os.truncate": 0,
}
"""audit event -> the argument that names what is changed (docs.python.org, audit events table)"""
PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "pickle.find_class", "ctypes.dlopen")


@dataclass
class Watch:
    """The files that this process changes outside of `allowed`, and the programs that it starts."""

    allowed: tuple[str, ...]
    seen: list[str] = field(default_factory=list)
    on: bool = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING:
            self._note(event, arguments[0])
        elif event in CHANGES:
            self._note(event, arguments[CHANGES[event]])
        elif event in PROGRAMS:
            self.seen.append(f"{event} {arguments[:1]}")

    def _note(self, event: str, path: Any) -> None:
        if isinstance(path, (str, bytes, os.PathLike)):
            absolute = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 (no look at the disk inside a hook)
            if not absolute.startswith(self.allowed):
                self.seen.append(f"{event} {absolute}")


@dataclass(frozen=True)
class Outcome:
    """How one input ended."""

    name: str
    refused: tuple[str, ...]
    """the lines of the error; empty where the input was taken"""
    fault: str
    """why this is no good end: a traceback, too slow, a file elsewhere; empty where it is one"""
    seconds: float


class Bench:
    """Runs readers on inputs. Only one exists in a process, since audit hooks stay."""

    def __init__(self, *allowed: Path) -> None:
        self.watch = Watch(tuple(str(path) for path in (*allowed, Path("/dev"), Path("/proc"))))
        sys.addaudithook(self.watch)

    def run(self, name: str, read: Callable[[], object]) -> Outcome:
        """The outcome of one reader."""
        self.watch.seen.clear()
        refused: tuple[str, ...] = ()
        fault = ""
        started = time.process_time()
        with self._watched():
            try:
                read()
            except MmvsfError as error:
                refused = error.lines
                fault = _bad_lines(error)
            except BaseException as error:  # noqa: BLE001 (that is what is looked for)
                frame = traceback.extract_tb(error.__traceback__)[-1]
                fault = f"{type(error).__name__}: {str(error)[:200]} ({Path(frame.filename).name}:{frame.lineno})"
        seconds = time.process_time() - started
        if not fault and self.watch.seen:
            fault = f"changed {self.watch.seen[0]}"
        if not fault and seconds > (SLOWEST if refused else SLOWEST_TAKEN):
            fault = f"took {seconds:.1f} s"
        return Outcome(name, refused, fault, seconds)

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            self.watch.on = True
            try:
                yield
            finally:
                self.watch.on = False


def _bad_lines(error: MmvsfError) -> str:
    """What is wrong with the lines of an error; empty where nothing is."""
    if not error.lines or not all(line and line.isprintable() and len(line) <= 2000 for line in error.lines):
        return f"its error is no printable line: {str(error)[:200]!r}"
    return ""
