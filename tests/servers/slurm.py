"""A Slurm cluster of one node, this machine: Debian's `slurm-wlm` and `munge`, run by the user who tests.

    python -m tests.servers.slurm --cores 8        # prints what to export for sbatch, squeue and dask-jobqueue

The node claims as many cores and as much memory as it is told, so that jobs of any size start.
"""

from __future__ import annotations

import argparse
import getpass
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .base import wait

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scancel", "sinfo")

STARTED_WITHIN = 30
"""Seconds that the node has to become idle."""

CONFIGURATION = """ClusterName=trial
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={megabytes} State=UNKNOWN
PartitionName=normal Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """The programs that are not installed."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


@contextmanager
def slurm(cores: int = 8, megabytes: int = 100_000) -> Iterator[dict[str, str]]:
    """Run the cluster; gives the variables that lead its commands there. Raises TimeoutError if it does not start."""
    with tempfile.TemporaryDirectory(prefix="slurm") as name, ExitStack() as stack:
        folder = Path(name)
        (folder / "spool").mkdir()
        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        configuration = folder / "slurm.conf"
        environment = {"SLURM_CONF": str(configuration)}
        configuration.write_text(
            CONFIGURATION.format(
                host=socket.gethostname().split(".")[0],
                user=getpass.getuser(),
                folder=folder,
                cores=cores,
                megabytes=megabytes,
                controller_port=_free_port(),
                node_port=_free_port(),
            )
        )
        files = {"key-file": key, "socket": folder / "munge.socket", "pid-file": folder / "munged.pid"}
        files |= {"log-file": folder / "munged.log", "seed-file": folder / "munge.seed"}
        options = [f"--{option}={path}" for option, path in files.items()]
        stack.enter_context(_running(["munged", "--foreground", "--force", *options], folder, environment))
        _until(files["socket"].exists, "munged")
        stack.enter_context(_running(["slurmctld", "-D", "-c"], folder, environment))
        stack.enter_context(_running(["slurmd", "-D"], folder, environment))
        _until(lambda: _answer(["sinfo", "--noheader", "--format=%T"], environment).strip() == "idle", "slurmd")
        yield environment


@contextmanager
def _running(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[None]:
    with (folder / f"{command[0]}.out").open("w") as log:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answer(command: list[str], environment: dict[str, str]) -> str:
    result = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    return result.stdout


def _until(ready: Callable[[], bool], name: str) -> None:
    deadline = time.monotonic() + STARTED_WITHIN
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} did not start within {STARTED_WITHIN} s")
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=8)
    with slurm(parser.parse_args().cores) as variables:
        wait(variables)
