"""`mmvsf convert`: a pretrained model as one file for other programs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from mmvsf.datasets.console import MODEL, plain_console

from .options import local_folder, lock, need_torch

app = typer.Typer()


class Part(StrEnum):
    encoder = "encoder"
    forecaster = "forecaster"


@app.command(rich_help_panel=MODEL)
def convert(
    model: Annotated[str, typer.Argument(help="Local folder of a pretrained model, such as runs/REGION/pretrain.")],
    out: Annotated[str, typer.Option(help="File to write: .onnx, or .pt2 for torch.export.load.")],
    part: Annotated[Part, typer.Option(help="What the file computes: embeddings, or images of later days.")] = (
        Part.encoder
    ),
) -> None:
    """Convert a pretrained model to one file that can be used without this package."""
    need_torch()
    from mmvsf.model.convert.run import convert as run
    from mmvsf.model.mmvsf.checkpoint import load_checkpoint, model_folder

    path = local_folder("--out", out)
    checkpoint = load_checkpoint(model_folder(local_folder("MODEL", model)))
    with lock(path, "convert"):
        run(checkpoint, path, part.value)
    plain_console().print(f"{part.value}  {path}", soft_wrap=True)
