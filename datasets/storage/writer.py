"""The writing process: what a lock records about its holder, and whether that process is dead.

A process is identified by its host, boot, process namespace, number and start, since each alone can be used again.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from mmvsf.datasets.json_text import parse_json


@dataclass(frozen=True)
class Writer:
    """A process that holds a lock, and what for."""

    host: str
    machine: str
    """hash of the machine's id, which tells apart machines of the same name; empty where it has none"""
    boot: str
    """id of the boot of the machine"""
    namespace: str
    """the process namespace: other containers on a host have others"""
    pid: int
    ticks: int
    """start of the process, in clock ticks since the boot"""
    started: str
    """start of the process, ISO 8601, UTC"""
    since: str
    """when the lock was taken, ISO 8601, UTC"""
    purpose: str

    @classmethod
    def this(cls, purpose: str) -> Writer:
        """This process, now."""
        ticks = _start_ticks(os.getpid()) or 0
        return cls(
            host=socket.gethostname(),
            machine=_machine(),
            boot=_boot(),
            namespace=_namespace(),
            pid=os.getpid(),
            ticks=ticks,
            started=_iso(_boot_time() + ticks / os.sysconf("SC_CLK_TCK")),
            since=_iso(datetime.now(UTC).timestamp(), "microseconds"),
            purpose=purpose,
        )

    @classmethod
    def parse(cls, content: bytes) -> Writer | None:
        """From what `content` gave; None for anything else, such as a file that has not been written yet."""
        try:
            entry = parse_json(content)
            writer = cls(**{field.name: entry[field.name] for field in fields(cls)})
        except (ValueError, TypeError, KeyError):
            return None
        return writer if isinstance(writer.pid, int) and isinstance(writer.ticks, int) else None

    def content(self) -> bytes:
        """JSON, which nobody else has: `since` has microseconds."""
        return json.dumps(asdict(self), indent=1).encode() + b"\n"

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} ({self.purpose}, since {self.since.partition('.')[0]}Z)"

    def is_dead(self) -> bool:
        """Whether this process certainly does not exist any more. A process of another host or container never is."""
        if self.host != socket.gethostname() or self.machine != _machine() or not self.boot:
            return False
        if self.boot != _boot():
            return bool(self.machine)
        return self.namespace == _namespace() and _start_ticks(self.pid) != self.ticks


def _start_ticks(pid: int) -> int | None:
    """When a process began, in clock ticks since the boot; None where there is none, or only its exit status is left.

    The fields follow the name in brackets, which may hold anything: proc_pid_stat(5).
    """
    state, *numbers = _text(f"/proc/{pid}/stat").rpartition(")")[2].split() or ["X"]
    return None if state in "XZ" else int(numbers[18])


def _machine() -> str:
    """machine-id(5) asks not to give the id itself away."""
    identity = _text("/etc/machine-id")
    return sha256(identity.encode()).hexdigest()[:16] if identity else ""


def _boot() -> str:
    return _text("/proc/sys/kernel/random/boot_id")


def _namespace() -> str:
    path = Path("/proc/self/ns/pid")
    return str(path.readlink()) if path.is_symlink() else ""


def _boot_time() -> float:
    """Seconds since 1970."""
    return next((float(line[5:]) for line in _text("/proc/stat").splitlines() if line.startswith("btime")), 0.0)


def _text(path: str) -> str:
    """The content of a system file; empty where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _iso(seconds: float, precision: str = "seconds") -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec=precision)
