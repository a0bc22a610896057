"""Benchmarks: `make bench`. Prints figures and the machine; asserts nothing.

Every comparison runs in one process on the same files, in turn, several times, and prints medians.
`--document docs/performance.md` replaces the sections of the courses that were run.

    race     whole builds of granules of true size, on disk and over a slow network, against other tools
    cluster  a Dask cluster: what a task costs, builds by 1, 2 and 4 workers over a slow network; plans of large regions
    windows  window reads a second from the cube: checked reads with tensorstore against zarr-python
    format   what the cube format costs: checked reads, the end of a build and a listing of a large, simulated cube
    damage   a thousand random damages of a small cube: found, raised by the loader, repaired
    train    training windows a second that the loader gives and that the model takes; the floating-point operations of
             a step against what the machine multiplies in the same process, and where the time goes
    demo     time and peak memory of every stage of `make demo`
"""

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .document import machine, write_sections


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["race", "windows", "format", "damage", "train", "demo"])
    parser.add_argument("--data-dir", type=Path, default=Path(os.environ.get("DATA_DIR", "data")))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--courses", nargs="+", default=["own", "other"], help="own, other, sentinel-2")
    parser.add_argument("--network", choices=["without", "with", "only"], default="with", help="courses over a network")
    parser.add_argument("--contenders", default="", help="a regular expression that the names of contenders hold")
    parser.add_argument("--stackstac", help="a Python that has stackstac")
    parser.add_argument("--document", type=Path)
    options = parser.parse_args()
    print(f"machine: {machine()}")
    for name in options.what:
        if name in COURSES:
            sections = importlib.import_module(f"{__package__}.{COURSES[name]}").course(options)
            if options.document:
                write_sections(options.document, sections)
        else:
            BENCHES[name](options.data_dir, options.repeats)


COURSES = {"race": "race_sections", "cluster": "cluster"}
"""Courses with sections in docs/performance.md: the module whose `course(options)` measures and returns them"""


def bench_windows(data_dir: Path, repeats: int) -> None:
    """Series of 20 days x 6 bands x one chunk at random places, raw int16."""
    import zarr

    from mmvsf.datasets.cube.cube import Cube
    from mmvsf.datasets.variables import Status

    cube = Cube.open(_ensure_cube(data_dir))
    status = cube.array("blocks/status")
    rng = np.random.default_rng(0)
    windows = []
    for _ in range(150):
        by, bx = cube.grid.blocks[rng.integers(len(cube.grid.blocks))]
        days = np.sort(rng.choice(np.flatnonzero(status[:, by, bx] == Status.STORED), 20, replace=False))
        row = by * cube.grid.block + int(rng.integers(cube.grid.chunks_per_block)) * cube.grid.chunk
        column = bx * cube.grid.block + int(rng.integers(cube.grid.chunks_per_block)) * cube.grid.chunk
        windows.append((days, slice(row, row + cube.grid.chunk), slice(column, column + cube.grid.chunk)))
    name, side = "imagery/reflectance", cube.grid.tile * cube.grid.block
    tiles = {tile.name: zarr.open_array(str(cube.path / "tiles" / tile.name / name)) for tile in cube.grid.tiles}

    def checked() -> None:
        fast = cube.pixels(name, cache_bytes=0)
        for days, rows, columns in windows:
            fast.read((days, slice(None), rows, columns))

    def with_zarr() -> None:
        for days, rows, columns in windows:
            tile = cube.grid.tile_of((rows.start // cube.grid.block, columns.start // cube.grid.block))
            place = (slice(part.start % side, part.start % side + cube.grid.chunk) for part in (rows, columns))
            tiles[tile.name].oindex[(days, slice(None), *place)]

    _compare(
        "windows: 20 days x 6 bands x one chunk",
        len(windows),
        "windows/s",
        repeats,
        {"mmvsf (tensorstore, checked)": checked, "zarr-python": with_zarr},
    )


def bench_train(data_dir: Path, repeats: int) -> None:
    """Training windows a second: of the loader alone, and of the compact model's whole training step."""
    import torch

    from mmvsf.datasets.cube.cube import Cube
    from mmvsf.datasets.samples.loader import CubeDataModule, SamplePlan
    from mmvsf.datasets.samples.reader import Normalisation, WindowReader
    from mmvsf.model.mmvsf.checkpoint import new_network
    from mmvsf.model.mmvsf.sizes import SIZES, NetworkConfig
    from mmvsf.model.pretraining.fit import PretrainOptions
    from mmvsf.model.training.device import autocast_precision, choose_device
    from mmvsf.model.training.module import CLIP, scheduled_optimizer

    cube, options = Cube.open(_ensure_cube(data_dir)), PretrainOptions()
    normalisation = Normalisation.of([cube])
    plan = SamplePlan(size=options.window, images=options.images)
    data = CubeDataModule([WindowReader(cube, normalisation)], plan, batch_size=options.batch_size, steps=60)
    batches = []

    def load() -> None:
        batches[:] = list(data.train_dataloader())

    device = choose_device()
    precision = autocast_precision(device)
    network = new_network(NetworkConfig(cube.bands, cube.weather, **SIZES["compact"]), normalisation).to(device)
    objective, generator = options.chosen_objective(), torch.Generator().manual_seed(0)
    optimiser, schedule = scheduled_optimizer(network, options.learning_rate, options.steps)

    def step(batch: Any) -> None:
        with torch.autocast(device.type, precision, enabled=precision is not None):
            loss = objective(network, batch.to(device), generator, 0.0)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimiser.step()
        schedule.step()

    def steps() -> None:
        for batch in batches[:20]:
            step(batch)

    n = options.batch_size
    _compare(f"train, {n} windows a batch, loader alone", 60 * n, "windows/s", repeats, {"loader": load})
    name = f"train, compact, windows of {options.window} pixels, {precision or 'float32'} on {device}"
    rate = _compare(name, 20 * n, "windows/s", repeats, {"training step": steps})["training step"] / n
    flops = statistics.mean(_flops(network, batch, lambda batch=batch: step(batch)) for batch in batches[:3])
    peaks = {str(kind): _multiply_rate(kind, device) for kind in (torch.float32, torch.bfloat16)}
    print(
        f"{name}: {flops / 1e9:.1f} GFLOP a step, {flops * rate / 1e9:.0f} GFLOP/s; square matrices multiply at "
        + ", ".join(f"{peak / 1e9:.0f} GFLOP/s in {kind} ({flops * rate / peak:.0%})" for kind, peak in peaks.items())
    )
    for operator, share in _where_time_goes(lambda: step(batches[0])):
        print(f"  {share:5.1%}  {operator}")


def _flops(network: Any, batch: Any, step: Callable[[], None]) -> float:
    """Floating-point operations of one training step, forward and backward: of the products of matrices and
    convolutions as torch counts them, and of the weather's recurrence, which it does not."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        step()
    series, days, _ = batch.weather.shape
    lstm = network.weather.lstm
    recurrence = 2 * 4 * lstm.hidden_size * (lstm.input_size + lstm.hidden_size) * series * days
    return float(counter.get_total_flops()) + 3 * recurrence  # the backward pass costs two forward ones


def _multiply_rate(kind: Any, device: Any, side: int = 1024, seconds: float = 2.0) -> float:
    """Operations a second of the product of two square matrices: the median over as many as fit the time."""
    import torch

    left, right = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
    taken, started = [], time.perf_counter()
    while len(taken) < 5 or time.perf_counter() - started < seconds:
        before = time.perf_counter()
        left @ right
        if device.type == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - before)
    return 2 * side**3 / statistics.median(taken[2:])


def _where_time_goes(step: Callable[[], None], most: int = 10) -> list[tuple[str, float]]:
    """The operators that take most of three steps, with their shares of the time."""
    from torch.profiler import ProfilerActivity, profile

    step()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(3):
            step()
    found = profiler.key_averages()
    total = sum(entry.self_cpu_time_total for entry in found)
    longest = sorted(found, key=lambda entry: -entry.self_cpu_time_total)[:most]
    return [(entry.key, entry.self_cpu_time_total / total) for entry in longest]


def bench_demo(data_dir: Path, repeats: int) -> None:
    """Every stage of the demo in a new folder: seconds and peak memory of the stage's largest process."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "DATA_DIR": f"{folder}/data", "RUNS_DIR": f"{folder}/runs"}
        total = 0.0
        for stage in ("dataset", "pretrain", "cropmap", "report"):
            seconds, peak = _measure([sys.executable, "-m", "mmvsf.datasets.command", stage, "sandbox"], environment)
            total += seconds
            print(f"demo, {stage}: {seconds:.0f} s, peak {peak / 2**30:.2f} GiB")
        print(f"demo, all: {total:.0f} s")
        for path in sorted(Path(folder).glob("runs/sandbox/*/metrics.json")):
            print(path.parent.name, json.dumps(json.loads(path.read_text()).get("training", {})))


def _measure(command: list[str], environment: dict[str, str]) -> tuple[float, int]:
    """(seconds, bytes of the largest process) of a command and its children."""
    code = (
        "import resource, subprocess, sys; status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode;"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(status)"
    )
    started = time.monotonic()
    result = subprocess.run(
        [sys.executable, "-c", code, *command], env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{result.stderr}")
    return time.monotonic() - started, int(result.stdout.split()[-1]) * 1024


def _compare(
    title: str, amount: float, unit: str, repeats: int, runs: dict[str, Callable[[], None]]
) -> dict[str, float]:
    """Run the candidates in turn; print the median rate of each and the ratio of the first to the others. Returns
    the rates."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(repeats + 1):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            if turn:
                seconds[name].append(time.perf_counter() - started)
    rates = {name: amount / statistics.median(values) for name, values in seconds.items()}
    first = next(iter(rates))
    print(
        f"{title}: "
        + ", ".join(f"{name} {rate:.1f} {unit}" for name, rate in rates.items())
        + "".join(f" ({first} is {rates[first] / rate:.1f} x {name})" for name, rate in rates.items() if name != first)
    )
    return rates


def _ensure_cube(data_dir: Path) -> Path:
    cube = data_dir / "sandbox.zarr"
    if not (cube / "zarr.json").is_file():
        subprocess.run(
            [sys.executable, "-m", "mmvsf.datasets.command", "dataset", "sandbox", "--data-dir", str(data_dir)],
            check=True,
        )
    return cube


def bench_format(data_dir: Path, repeats: int) -> None:
    """See `tests.format_bench`."""
    from mmvsf.datasets.cube.cube import Cube

    from . import format_bench

    format_bench.reads(Cube.open(_ensure_cube(data_dir)))
    format_bench.large(2500)


def bench_damage(data_dir: Path, repeats: int) -> None:
    """See `tests.damage`."""
    from . import damage

    damage.report(1000)


BENCHES: dict[str, Callable[[Path, int], None]] = {
    "windows": bench_windows,
    "format": bench_format,
    "damage": bench_damage,
    "train": bench_train,
    "demo": bench_demo,
}

if __name__ == "__main__":
    main()
