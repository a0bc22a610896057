"""Runs the pieces of a plan that are not yet done. The result of a piece is one record (`model.records`)."""

from __future__ import annotations

import multiprocessing
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from mmvsf.model.records import has_settings, read_record, write_record
from mmvsf.model.training.device import choose_device
from mmvsf.model.training.progress import console

Result = dict[str, Any]


@dataclass(frozen=True)
class Piece:
    """A unit of work."""

    name: str
    """Path of its result below the evaluation's folder, such as `forecast/2022/mm-vsf/0`."""
    settings: dict[str, Any]
    """All that its result depends on, except the program; a result with other settings does not count."""
    work: Callable[[Path], Result]
    """Given a folder of its own for large results (weights), it returns small ones (rows)."""
    keeps: tuple[str, ...] = ()
    """Files in that folder without which it is not done."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """What its results are about, added to them when they are read: `kind`, held-out `year`, `method` and `seed`."""


Chain = Sequence[Piece]
"""Pieces done one after the other, each of which may need those before it."""


class PiecePlan(Protocol):
    """The pieces to be done."""

    @property
    def folder(self) -> Path:
        """Where the results go."""
        ...

    def stages(self) -> Sequence[Sequence[Chain]]:
        """The chains of a stage need nothing of each other, and all of the stages before."""
        ...


def run_plan(make: Callable[[], PiecePlan], *, workers: int = 1, deadline: float | None = None) -> None:
    """Do all pieces that are not done. No piece is started after `deadline` (seconds since 1970).

    `make` gives the plan; it is called in each of the worker processes, which share the processors evenly, and must be
    picklable and hashable. A network as small as these is trained about as fast by one processor as by two, so two
    trainings side by side take half the time. Raises what a piece raises; finished pieces are kept.
    """
    plan = make()
    bar = Progress(TextColumn("evaluating"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[last]}"),
                   TimeElapsedColumn(), console=console)  # fmt: skip
    task = bar.add_task("", total=None, last="")
    started = 0
    for number in range(len(plan.stages())):
        # Asked for only now: the pieces of a stage may depend on results of the stages before.
        stage = _unfinished(plan.folder, plan.stages()[number])
        if not stage:
            continue
        started += sum(len(_left(plan.folder, chain)) for chain in stage)
        bar.update(task, total=started)
        bar.start()
        try:
            for names in _do_stage(make, [chain[0].name for chain in stage], workers, deadline):
                bar.update(task, advance=len(names), last=names[-1] if names else "")
        finally:
            bar.stop()
    if deadline is not None and any(_unfinished(plan.folder, stage) for stage in plan.stages()):
        console.print("time is up before all pieces are done; run the same command again to continue")


def _do_stage(
    make: Callable[[], PiecePlan], names: Sequence[str], workers: int, deadline: float | None
) -> Iterator[list[str]]:
    """The names of the finished pieces, chain by chain; `names` are those of the chains' first pieces."""
    if workers == 1:
        yield from (_do_chain(make, name, deadline) for name in names)
        return
    context, waiting = multiprocessing.get_context("spawn"), iter(names)
    with ProcessPoolExecutor(workers, context, _share_processors, (workers,)) as pool:
        # No more chains than workers, so that after a failure the running ones finish and no other starts.
        running = {pool.submit(_do_chain, make, name, deadline) for name in islice(waiting, workers)}
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
                running |= {pool.submit(_do_chain, make, name, deadline) for name in islice(waiting, len(done))}
        except KeyboardInterrupt:
            # A piece takes minutes, and leaves nothing that counts before it is done.
            for process in multiprocessing.active_children():
                process.kill()
            raise


def _unfinished(folder: Path, stage: Sequence[Chain]) -> list[Chain]:
    """The chains of a stage that have pieces left to do."""
    return [chain for chain in stage if _left(folder, chain)]


def _left(folder: Path, chain: Chain) -> list[Piece]:
    return [piece for piece in chain if read_result(folder, piece) is None]


def _share_processors(workers: int) -> None:
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // workers))


@lru_cache(maxsize=1)  # one plan, which is as large as what its evaluation reads
def _planned(make: Callable[[], PiecePlan]) -> PiecePlan:
    """A worker's plan, kept from chain to chain with the data it has read."""
    return make()


def _do_chain(make: Callable[[], PiecePlan], first: str, deadline: float | None) -> list[str]:
    """Do the chain whose first piece has that name. Returns the names of the pieces done."""
    plan, names = _planned(make), []
    chain = next(chain for stage in plan.stages() for chain in stage if chain[0].name == first)
    for piece in chain:
        # Checked only now: a piece may have removed results that follow from it.
        if read_result(plan.folder, piece) is not None:
            continue
        if (deadline is not None and time.time() > deadline) or _is_orphan():
            break
        _do(piece, plan.folder)
        names.append(piece.name)
    return names


def _is_orphan() -> bool:
    """Whether this is a worker whose parent was killed."""
    parent = multiprocessing.parent_process()
    return parent is not None and not parent.is_alive()


def finished_results(plan: PiecePlan) -> list[Result]:
    """The results of all pieces that are done, in the order of the plan."""
    results = (read_result(plan.folder, piece) for stage in plan.stages() for chain in stage for piece in chain)
    return [result for result in results if result is not None]


def read_result(folder: Path, piece: Piece) -> Result | None:
    """A piece's result with what it is about, or None where it is not done, or was done with other settings."""
    record = read_record(_file(folder, piece))
    if record is None or not has_settings(record, piece.settings):
        return None
    if not all((folder / piece.name / name).is_file() for name in piece.keeps):
        return None
    return {**record, **piece.about}


def _do(piece: Piece, folder: Path) -> None:
    started, cpu = time.perf_counter(), time.process_time()
    result = piece.work(folder / piece.name)
    facts = {
        "piece": piece.name,
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "program": program(),
    }
    write_record(_file(folder, piece), piece.settings, {**facts, **result})


def _file(folder: Path, piece: Piece) -> Path:
    return folder / f"{piece.name}.json"


def program() -> str:
    """Version and commit of the program, marked where files were changed since, and of torch."""
    commit = commit_of(Path(__file__).resolve())
    return f"mmvsf {version('mmvsf')}{f', commit {commit}' if commit else ''}, torch {torch.__version__}"


def commit_of(file: Path) -> str:
    """The commit of the repository that a file is part of, marked where files were changed since; empty where it is
    part of none, such as a package that was installed inside of the repository of something else."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(file.parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", file.name)
        return git("describe", "--always", "--dirty=, with changes", "--abbrev=10", "--exclude=*")
    except (OSError, subprocess.SubprocessError):
        return ""


def machine() -> str:
    """The device that trains, in words."""
    if choose_device().type == "cuda":
        return f"{torch.cuda.get_device_name()}, {os.cpu_count()} cores"
    return f"{_processor()}, {os.cpu_count()} cores"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
