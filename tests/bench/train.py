"""Training on the sandbox: what the loader gives, what the model takes, and how long it waits for the loader."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from mmvsf.datasets.cube.cube import Cube
from mmvsf.datasets.samples.batch import Batch
from mmvsf.datasets.samples.data_module import ForecastDataModule
from mmvsf.datasets.samples.loader import SamplePlan
from mmvsf.datasets.samples.reader import Normalisation, WindowReader
from mmvsf.model.mmvsf.checkpoint import new_network
from mmvsf.model.mmvsf.sizes import SIZES, NetworkConfig
from mmvsf.model.pretraining.fit import PretrainOptions
from mmvsf.model.training.device import autocast_precision, choose_device
from mmvsf.model.training.module import scheduled_optimizer
from mmvsf.model.training.trainer import CLIP

from .document import Section, stamp
from .stock import StockNetwork

STEPS = 20
"""Steps of a run; the loader alone makes three times as many batches"""

BATCHES = {"compact": 64, "paper": 16, "large": 64}
"""Windows of a batch on a GPU, by size"""
WINDOWS = {"paper": 32}
"""Pixels a side, where a size needs other windows than the default ones"""

PACKAGES = ("torch", "lightning", "tensorstore", "numpy")


class Trained:
    """A size of the network with the default options of pretraining, and larger batches on a GPU."""

    def __init__(self, cube: Cube, size: str, agreement: float | None = None) -> None:
        """`agreement` is as in `PretrainOptions`."""
        self.size, self.device = size, choose_device()
        windows, batch = WINDOWS.get(size, PretrainOptions().window), BATCHES[size] if self.on_gpu else None
        options = replace(PretrainOptions(), window=min(windows, cube.grid.chunk), agreement=agreement)
        self.options = replace(options, batch_size=batch or options.batch_size)
        self.precision = autocast_precision(self.device)
        normalisation = Normalisation.of([cube])
        self._reader = WindowReader(cube, normalisation)
        self.network = self._new(NetworkConfig(cube.bands, cube.weather, **SIZES[size]), normalisation).to(self.device)
        self._objective, self._generator = self.options.chosen_objective(), torch.Generator().manual_seed(0)
        self._optimiser, self._schedule = scheduled_optimizer(
            self.network, self.options.learning_rate, self.options.steps
        )

    def _new(self, config: NetworkConfig, normalisation: Normalisation) -> Any:
        return new_network(config, normalisation)

    def _loss(self, batch: Batch) -> Tensor:
        return self._objective(self.network, batch, self._generator, 0.0)

    @property
    def on_gpu(self) -> bool:
        return self.device.type == "cuda"

    def loader(self, steps: int) -> Any:
        """So many batches of the training split."""
        plan = SamplePlan(size=self.options.window, images=self.options.images)
        data = ForecastDataModule([self._reader], plan, batch_size=self.options.batch_size, steps=steps)
        return data.train_dataloader()

    def step(self, batch: Batch) -> None:
        """One step of training."""
        with torch.autocast(self.device.type, self.precision, enabled=self.precision is not None):
            loss = self._loss(batch.to(self.device))
        self._optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self._optimiser.step()
        self._schedule.step()
        if self.on_gpu:
            torch.cuda.synchronize()

    def forecast(self, batch: Any) -> int:
        """Forecast what a batch asks for. Returns the number of its pixels."""
        with (
            torch.inference_mode(),
            torch.autocast(self.device.type, self.precision, enabled=self.precision is not None),
        ):
            self.network(batch.to(self.device))
        if self.on_gpu:
            torch.cuda.synchronize()
        return int(batch.target_valid.numel())


class TrainedStock(Trained):
    """The stock network with the options of `compact`, in a precision of its own."""

    def __init__(self, cube: Cube, precision: torch.dtype | None) -> None:
        super().__init__(cube, "compact")
        self.precision = precision

    def _new(self, config: NetworkConfig, normalisation: Normalisation) -> Any:
        return StockNetwork(config)

    def _loss(self, batch: Batch) -> Tensor:
        loss: Tensor = self.network.loss(batch)
        return loss


def course(options: argparse.Namespace) -> list[Section]:
    """Each size of the network: the loader alone, training of which the waiting for batches is timed, and forecasts."""
    cube = Cube.open(ensure_sandbox(options.data_dir))
    device = choose_device()
    sizes = SIZES if device.type == "cuda" else ("compact", "paper")
    peak = _multiply_rate(torch.bfloat16, device, side=8192 if device.type == "cuda" else 1024)
    rows = [
        stamp("train", PACKAGES, options.repeats),
        "",
        f"On {torch.cuda.get_device_name() if device.type == 'cuda' else 'the CPU'}, where products of square bfloat16"
        f" matrices reach {peak / 1e12:.2f} TFLOP/s. Training includes the loader.",
        "",
        "| size | windows per step | pixels per side | loader alone, windows/s | training, windows/s | waiting for the"
        " loader | GFLOP per step | share of the bfloat16 rate | forecast, pixels/s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for size in sizes:
        rows.append(_row(Trained(cube, size), options.repeats, peak))
        print(rows[-1], flush=True)
    rows += ["", _beside_stock(cube, options.repeats)]
    print(rows[-1], flush=True)
    return [Section("Training", "\n".join(rows))]


def _row(trained: Trained, repeats: int, peak: float) -> str:
    windows = trained.options.batch_size
    _train(trained, 3)
    alone, taken, pixels = [], [], []
    for _ in range(repeats):
        started = time.perf_counter()
        count = sum(1 for _ in trained.loader(3 * STEPS))
        alone.append(count * windows / (time.perf_counter() - started))
        taken.append(_train(trained, STEPS))
        batch = next(iter(trained.loader(1)))
        trained.forecast(batch)
        started = time.perf_counter()
        pixels.append(sum(trained.forecast(batch) for _ in range(5)) / (time.perf_counter() - started))
    seconds, waits = (statistics.median(values) for values in zip(*taken, strict=True))
    batches = list(trained.loader(3))
    flops = statistics.mean(_flops(trained.network, batch, partial(trained.step, batch)) for batch in batches)
    for operator, share in _where_time_goes(lambda: trained.step(batches[0])):
        print(f"  {share:5.1%}  {operator}")
    cells = (
        trained.size,
        windows,
        trained.options.window,
        f"{statistics.median(alone):.0f}",
        f"{STEPS * windows / seconds:.0f}",
        f"{waits:.1%}",
        f"{flops / 1e9:.1f}",
        f"{flops * STEPS / seconds / peak:.0%}",
        f"{statistics.median(pixels):.0f}",
    )
    return "| " + " | ".join(map(str, cells)) + " |"


def _beside_stock(cube: Cube, repeats: int) -> str:
    """Training of `compact` and of the stock network in turn. On processors the fused attention of torch's layers is
    slow in bfloat16, so they also run in float32."""
    contenders = (
        Trained(cube, "compact"), Trained(cube, "compact", agreement=0),
        TrainedStock(cube, torch.bfloat16), TrainedStock(cube, None),
    )  # fmt: skip
    for contender in contenders:
        _train(contender, 3)
    windows = STEPS * contenders[0].options.batch_size
    seconds = [[_train(contender, STEPS)[0] for contender in contenders] for _ in range(max(3, repeats))]
    agreeing, ours, *stock = (windows / statistics.median(values) for values in zip(*seconds, strict=True))
    return (
        "A network of the same width, depth and tokens of torch's own modules, `nn.TransformerEncoder` over a pixel's"
        f" dates and `nn.LSTM` over the weather (`tests/bench/stock.py`), trains on {stock[0]:.0f} windows/s in"
        f" bfloat16 and {stock[1]:.0f} in float32, where `compact`, which forecasts as it does and asks for no"
        f" agreement, trains on {ours:.0f}: {ours / max(stock):.2f} times the better one. Medians of at least three"
        f" runs of each, in turn. With agreement, the default, `compact` trains on {agreeing:.0f}:"
        f" {ours / agreeing:.2f} times the time of a step."
    )


def _train(trainer: Trained, steps: int) -> tuple[float, float]:
    """(seconds of so many steps, share of them in which the next batch was waited for). The wait for the first batch,
    for which a run is begun once, does not count."""
    batches = iter(trainer.loader(steps + 1))
    trainer.step(next(batches))
    started, waited = time.perf_counter(), 0.0
    for _ in range(steps):
        before = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - before
        trainer.step(batch)
    seconds = time.perf_counter() - started
    return seconds, waited / seconds


def _flops(network: Any, batch: Any, step: Callable[[], None]) -> float:
    """Floating-point operations of one training step, forward and backward: of the products of matrices and
    convolutions as torch counts them, and of the weather's recurrence, which it does not."""
    with FlopCounterMode(display=False) as counter:
        step()
    series, days, _ = batch.weather.shape
    lstm = network.weather.memory
    if not isinstance(lstm, torch.nn.LSTM):
        return float(counter.get_total_flops())
    recurrence = 2 * 4 * lstm.hidden_size * (lstm.input_size + lstm.hidden_size) * series * days
    return float(counter.get_total_flops()) + 3 * recurrence  # the backward pass costs two forward ones


def _multiply_rate(kind: Any, device: Any, side: int = 1024, seconds: float = 2.0) -> float:
    """Operations a second of the product of two square matrices: the median over as many as fit the time."""
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
    step()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(3):
            step()
    found = profiler.key_averages()
    total = sum(entry.self_cpu_time_total for entry in found)
    longest = sorted(found, key=lambda entry: -entry.self_cpu_time_total)[:most]
    return [(entry.key, entry.self_cpu_time_total / total) for entry in longest]


def ensure_sandbox(data_dir: Path) -> Path:
    """The cube of the sandbox; built where it is missing."""
    cube = data_dir / "sandbox.zarr"
    if not (cube / "zarr.json").is_file():
        subprocess.run(
            [sys.executable, "-m", "mmvsf.datasets.command", "dataset", "sandbox", "--data-dir", str(data_dir)],
            check=True,
        )
    return cube
