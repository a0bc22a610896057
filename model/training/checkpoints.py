"""How the trainer writes its checkpoints."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from mmvsf.datasets.storage.outputs import write_verified


class VerifiedCheckpoints(TorchCheckpointIO):
    """Checkpoints that replace the last one only when they are whole: a full disk or a kill leaves one to resume from.

    Lightning's own are written to the system's folder for temporary files first, and copied over the last one where
    that is another file system.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Raises OSError where the disk refuses or the file is not what was written."""
        content = BytesIO()
        torch.save(checkpoint, content)
        write_verified(Path(path), content.getvalue())
