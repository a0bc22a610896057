"""An encoder in an ONNX file, run by ONNX Runtime. Reading one runs no code: it is a graph of known operations."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from mmvsf.datasets.errors import InputError, one_line

from .protocol import Encoder, EncoderInput, Floats

INPUTS: dict[str, tuple[int, Callable[[EncoderInput], NDArray[Any]]]] = {
    "images": (4, lambda given: np.nan_to_num(given.images)),
    "valid": (3, lambda given: given.valid),
    "pixels": (3, lambda given: np.nan_to_num(given.pixels)),
    "pixels_valid": (2, lambda given: given.pixels_valid),
    "days": (1, lambda given: given.days.astype(np.int64)),
    "weather": (2, lambda given: given.weather),
    "weather_days": (1, lambda given: given.weather_days.astype(np.int64)),
    "until": (0, lambda given: np.asarray(given.until.astype(np.int64))),
    "latitude": (1, lambda given: given.latitude),
    "longitude": (1, lambda given: given.longitude),
}
"""Inputs that a file may have, with their numbers of axes: fields of `EncoderInput`, 0 where not valid, days as days
since 1970-01-01."""
TYPES = {
    "tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(bool)": np.bool_,
    "tensor(int64)": np.int64, "tensor(int32)": np.int32,
}  # fmt: skip
PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")
FAILURES = (
    failures.Fail, failures.InvalidArgument, failures.InvalidGraph, failures.InvalidProtobuf, failures.NotImplemented,
    failures.RuntimeException, failures.EPFail, failures.NoSuchFile,
)  # fmt: skip


class OnnxEncoder(Encoder):
    """An encoder in an ONNX file. Its metadata may hold the attributes of an `Encoder` but the width; `bands` and
    `variables` are lists with commas."""

    def __init__(self, path: Path) -> None:
        """Raises InputError where there is no such file, it is damaged, or its inputs or output are not as above."""
        if not path.is_file():
            raise InputError(f"the encoder {path}: there is no such file")
        content, options = path.read_bytes(), onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # blocks are embedded side by side
        options.log_severity_level = 4
        providers = [name for name in PROVIDERS if name in onnxruntime.get_available_providers()]
        try:
            self.session = onnxruntime.InferenceSession(content, options, providers=providers)
        except FAILURES as error:
            raise InputError(f"the encoder {path}: ONNX Runtime cannot read it ({one_line(error, 160)})") from error
        meta = self.session.get_modelmeta()
        about = meta.custom_metadata_map
        patch = about.get("patch", "1")
        if not patch.isdecimal():
            raise InputError(f"the encoder {path}: its metadata `patch` is {patch!r}, not a number of pixels")
        self.path, self.digest = path, hashlib.sha256(content).hexdigest()
        self.name, self.version = about.get("name", path.stem), about.get("version", str(meta.version))
        self.season_before = about.get("season_before") == "yes"
        self.feeds = _feeds(path, self.session)
        self.width, self.patch = _width(path, self.session), int(patch)
        self.bands, self.variables = (
            tuple(filter(None, about.get(key, "").split(","))) for key in ("bands", "variables")
        )

    def __call__(self, given: EncoderInput) -> Floats:
        """See `Encoder`. Raises InputError where the model fails."""
        feed: dict[str, NDArray[Any]] = {
            name: np.asarray(INPUTS[name][1](given), dtype) for name, dtype in self.feeds.items()
        }
        try:
            (result,) = self.session.run(None, feed)
        except FAILURES as error:
            raise InputError(f"the encoder {self.path}: it failed ({one_line(error, 160)})") from error
        embeddings: Floats = result
        return embeddings


def _width(path: Path, session: onnxruntime.InferenceSession) -> int:
    outputs = session.get_outputs()
    if len(outputs) != 1 or not outputs[0].shape or not isinstance(outputs[0].shape[-1], int):
        raise InputError(
            f"the encoder {path}: it must have one output, whose last axis has a fixed length; see docs/encoders.md"
        )
    return int(outputs[0].shape[-1])


def _feeds(path: Path, session: onnxruntime.InferenceSession) -> dict[str, type]:
    feeds: dict[str, type] = {}
    for node in session.get_inputs():
        if node.name not in INPUTS or len(node.shape) != INPUTS[node.name][0] or node.type not in TYPES:
            raise InputError(
                f"the encoder {path}: it has the input {node.name} {node.shape}, {node.type}; inputs are"
                f" {', '.join(INPUTS)}, see docs/encoders.md"
            )
        feeds[node.name] = TYPES[node.type]
    return feeds
