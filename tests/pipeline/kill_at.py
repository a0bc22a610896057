"""Runs `mmvsf` and kills it with SIGKILL just before the n-th call of a function.

python kill_at.py mmvsf.pipeline.ledger:Ledger.write 3 dataset recipe.yaml …
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import Any

from mmvsf.datasets.command import main


def arm(where: str, count: int) -> None:
    module, _, path = where.partition(":")
    *owners, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    function = getattr(owner, name)
    calls = 0

    def deadly(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    setattr(owner, name, deadly)


if __name__ == "__main__":
    arm(sys.argv[1], int(sys.argv[2]))
    sys.argv = ["mmvsf", *sys.argv[3:]]
    main()
