"""A pretrained model as one file that needs none of this package: a program of `torch.export`, or ONNX."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.extras import install_hint
from mmvsf.datasets.storage.outputs import write_verified
from mmvsf.model.mmvsf.checkpoint import Checkpoint

from .modules import StandaloneEncoder, StandaloneForecaster

Part = Literal["encoder", "forecaster"]
SUFFIXES = (".onnx", ".pt2")


def convert(checkpoint: Checkpoint, out: Path, part: Part = "encoder") -> Path:
    """Write the encoder or the forecaster of a model to `out`, as ONNX (.onnx) or for `torch.export.load` (.pt2).

    Inputs and output are those of the modules in `modules`; images, days, targets and sides may have any length but 0,
    sides a multiple of the patch. Raises InputError for another suffix or a missing package, OSError where the disk
    refuses.
    """
    if out.suffix not in SUFFIXES:
        raise InputError(f"{out}: models are converted to {' or '.join(SUFFIXES)}; give the file one of these suffixes")
    program = exported(checkpoint, part)
    write_verified(out, (_onnx if out.suffix == ".onnx" else _saved)(program, about(checkpoint, part)))
    return out


def about(checkpoint: Checkpoint, part: Part) -> dict[str, str]:
    """The metadata of the file."""
    normalisation = checkpoint.normalisation
    return {
        "name": f"mm-vsf {part}",
        "version": version("mmvsf"),
        "bands": ",".join(normalisation.bands.names),
        "variables": ",".join(normalisation.weather.names),
        "season_before": "yes",
        "patch": str(checkpoint.network.config.patch),
        "weights_sha256": checkpoint.config["weights_sha256"],
    }


def exported(checkpoint: Checkpoint, part: Part) -> ExportedProgram:
    """The program of a part, for series and windows of any size. Raises InputError for a recurrent memory."""
    if not checkpoint.network.config.decays:
        raise InputError(
            "the weather of this model is read by a recurrent network, which torch.export unrolls to one length of"
            " series; convert a model of another --size than paper"
        )
    module = (StandaloneEncoder if part == "encoder" else StandaloneForecaster)(checkpoint)
    patch = checkpoint.network.config.patch
    time, day, target = Dim("time", min=2), Dim("day", min=8), Dim("target")
    rows, columns = (Dim(name, min=2) for name in ("rows", "columns"))
    height, width = (patch * rows, patch * columns) if patch > 1 else (rows, columns)
    last = {"until": {}} if part == "encoder" else {"targets": {0: target}}
    shapes = {
        "images": {0: time, 2: height, 3: width},
        "valid": {0: time, 1: height, 2: width},
        "days": {0: time},
        "weather": {0: day},
        "weather_days": {0: day},
        **last,
    }
    with torch.no_grad(), _quiet():
        return torch.export.export(module, (), example(checkpoint, part), dynamic_shapes=shapes)


def example(
    checkpoint: Checkpoint, part: Part, *, images: int = 5, days: int = 40, sides: int = 3
) -> dict[str, Tensor]:
    """Random inputs of a part, of windows with so many patches a side, and more by one across."""
    normalisation, patch = checkpoint.normalisation, checkpoint.network.config.patch
    bands, variables = len(normalisation.bands.names), len(normalisation.weather.names)
    size = (sides * patch, (sides + 1) * patch)
    first, generator = 18_000, torch.Generator().manual_seed(0)
    last = torch.tensor(first + days) if part == "encoder" else torch.tensor([first + days - 2, first + days])
    return {
        "images": torch.rand(images, bands, *size, generator=generator) * 0.4,
        "valid": torch.rand(images, *size, generator=generator) > 0.3,
        "days": first + torch.linspace(2, days - 3, images).long(),
        "weather": torch.randn(days, variables, generator=generator),
        "weather_days": first + torch.arange(days),
        "until" if part == "encoder" else "targets": last,
    }


def _saved(program: ExportedProgram, metadata: dict[str, str]) -> bytes:
    content = BytesIO()
    torch.export.save(program, content, extra_files={"mmvsf.json": json.dumps(metadata)})
    return content.getvalue()


def _onnx(program: ExportedProgram, metadata: dict[str, str]) -> bytes:
    """Raises InputError where the exporter is not installed."""
    try:
        from .onnx_ops import TRANSLATIONS
    except ModuleNotFoundError as error:
        raise InputError(install_hint(error)) from error
    with _quiet():
        converted = torch.onnx.export(program, (), dynamo=True, verbose=False, custom_translation_table=TRANSLATIONS)
    if converted is None:
        raise ValueError("torch.onnx.export returned no program")
    converted.model.metadata_props.update(metadata)
    content: bytes = converted.model_proto.SerializeToString()
    return content


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's notes on operators of other packages."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
