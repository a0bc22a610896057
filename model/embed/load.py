"""Finding an encoder by the name that is given on the command line."""

from __future__ import annotations

import hashlib
import sys
from functools import lru_cache
from pathlib import Path

from mmvsf.datasets.errors import InputError
from mmvsf.datasets.extras import install_hint
from mmvsf.model.named_object import named_object

from .protocol import Encoder

PICKLED = (".pt2", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
"""Suffixes of files whose reading may run code. `torch.export.load` unpickles inputs, constants and some weights, and
evaluates the text of shapes."""


@lru_cache(maxsize=4)  # an encoder and its weights
def load_encoder(source: str) -> tuple[Encoder, str | None]:
    """The encoder in an ONNX file, or the object MODULE:OBJECT, and the SHA-256 of the file of its module.

    Kept for further calls. Raises InputError where there is none, or where reading the file could run code.
    """
    path = Path(source)
    if path.suffix == ".onnx":
        try:
            from .onnx_file import OnnxEncoder
        except ModuleNotFoundError as error:
            raise InputError(install_hint(error)) from error
        return OnnxEncoder(path), None
    if path.suffix in PICKLED:
        raise InputError(
            f"the encoder {source}: reading such a file can run code that is in it; export the model to ONNX, or load"
            " it in an adapter of your own, see docs/encoders.md"
        )
    if not all(source.partition(":")):
        raise InputError(f"the encoder {source}: write MODULE:OBJECT, or the path of an ONNX file")
    encoder: Encoder = named_object("the encoder", source)
    file = getattr(sys.modules[source.partition(":")[0]], "__file__", None)
    return encoder, hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else None
