"""The script of docs/scaling.md builds a cube on a Slurm cluster of this machine, of which a job is lost on the way."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmvsf.datasets.cube.cube import Cube, digest
from tests.servers import slurm

from .tiny_archive import TinyArchive

pytestmark = [
    pytest.mark.slow,
    pytest.mark.stand_in,
    pytest.mark.skipif(bool(slurm.missing()), reason=f"not installed: {', '.join(slurm.missing())}"),
]

DOCUMENT = Path(__file__).parents[2] / "docs/scaling.md"


def script(archive: TinyArchive) -> str:
    """The script as the document prints it, for another recipe, folder and number of jobs."""
    section = DOCUMENT.read_text().split("### Slurm")[1]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert code is not None
    text = code.group(1)
    for printed, here in (
        ('"iowa"', repr(str(archive.recipe))),
        ('"s3://my-bucket/cubes"', repr(str(archive.data))),
        ("minimum_jobs=16, maximum_jobs=16", "minimum_jobs=1, maximum_jobs=1"),
    ):
        assert text.count(printed) == 1, printed
        text = text.replace(printed, here)
    return text


def test_the_printed_script_survives_the_end_of_a_job(tiny: TinyArchive, built: TinyArchive, tmp_path: Path) -> None:
    pytest.importorskip("dask_jobqueue")
    (tmp_path / "build.py").write_text(script(tiny))
    with slurm.slurm() as variables:
        paths = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        environment = {**os.environ, **variables, "PATH": paths, "DASK_DISTRIBUTED__DEPLOY__LOST_WORKER_TIMEOUT": "1s"}
        running = subprocess.Popen([sys.executable, "build.py"], cwd=tmp_path, env=environment)
        try:
            deadline = time.monotonic() + 120
            while running.poll() is None and not any((tiny.data / "tiny.zarr.ledger").rglob("*.json")):
                assert time.monotonic() < deadline, "no task was done"
                time.sleep(0.02)
            subprocess.run(["scancel", "--name=dask-worker", "--state=RUNNING"], env=environment, check=True)
            assert running.wait(180) == 0
        finally:
            running.kill()
            running.wait()
    assert len(list(tmp_path.glob("slurm-*.out"))) > 1, "no job took the place of the lost one"
    assert Cube.open(tiny.cube).digest == digest(built.cube)
