"""Does the pieces of a plan that are not yet done. A piece's result is a small JSON file, written when it is whole."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from ..device import choose_device
from ..training import console

Result = dict[str, Any]


@dataclass(frozen=True)
class Piece:
    """A unit of work."""

    name: str
    """Path of its result below the evaluation's folder, such as `forecast/2022/mm-vsf/0`."""
    settings: dict[str, Any]
    """All that its result depends on, but for the program; a result with other settings is not taken for it."""
    work: Callable[[Path], Result]
    """Given the folder of its own for what is large (weights), it returns what is small (rows)."""
    keeps: tuple[str, ...] = ()
    """Files in that folder without which it is not done."""


def run_pieces(pieces: Iterable[Piece], folder: Path, *, limit_seconds: float | None = None) -> list[Result]:
    """The results of all pieces, in order, those that stand already included.

    Stops before a piece once `limit_seconds` have passed, and returns what there is. Raises what a piece raises; the
    results of the pieces before it are kept.
    """
    pieces, results, started = list(pieces), [], time.perf_counter()
    for number, piece in enumerate(pieces, 1):
        result = read_result(folder, piece)
        if result is None:
            if limit_seconds is not None and time.perf_counter() - started > limit_seconds:
                left = len(pieces) - number + 1
                console.print(f"stopped after {limit_seconds:.0f} s, {left} pieces are left; run again to go on")
                break
            console.print(f"[{number}/{len(pieces)}] {piece.name}", highlight=False)
            result = _do(piece, folder)
        results.append(result)
    return results


def read_result(folder: Path, piece: Piece) -> Result | None:
    """A piece's result, or None where it is not done, or was done with other settings."""
    try:
        result = json.loads(_file(folder, piece).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    if not all((folder / piece.name / name).is_file() for name in piece.keeps):
        return None
    same = isinstance(result, dict) and result.get("settings") == json.loads(json.dumps(piece.settings))
    return result if same else None


def _do(piece: Piece, folder: Path) -> Result:
    started, cpu = time.perf_counter(), time.process_time()
    found = piece.work(folder / piece.name)
    result = {
        "piece": piece.name,
        "settings": piece.settings,
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        **found,
    }
    path = _file(folder, piece)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(result), encoding="utf-8")
    temporary.replace(path)
    as_read_later: Result = json.loads(json.dumps(result))
    return as_read_later


def _file(folder: Path, piece: Piece) -> Path:
    return folder / f"{piece.name}.json"


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
