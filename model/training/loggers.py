"""Loggers of Lightning by name, such as `csv`, `tensorboard` or `wandb`."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmvsf.datasets.errors import InputError, one_line

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

ENDING = "Logger"


def open_logger(name: str, folder: Path) -> Logger:
    """The logger of a name: its class without the ending `Logger`, in any case. Those that write files write them below
    `folder`; accounts and projects are set as each of them documents, in the environment.

    Raises InputError where there is no such logger, its package is not installed, or it refuses to start.
    """
    from lightning.pytorch import loggers

    classes: dict[str, Any] = {
        each.removesuffix(ENDING).lower(): getattr(loggers, each)
        for each in loggers.__all__
        if each.endswith(ENDING) and each != ENDING
    }
    chosen = classes.get(name.lower())
    if chosen is None:
        raise InputError(f"--logger {name}: Lightning has no such logger; choose one of {', '.join(sorted(classes))}")
    options = {"save_dir": str(folder)} if "save_dir" in signature(chosen).parameters else {}
    try:
        logger: Logger = chosen(**options)
    except ImportError as error:
        raise InputError(f"--logger {name} needs a package that is not installed: {one_line(error)}") from error
    except (ValueError, RuntimeError) as error:
        raise InputError(f"--logger {name} does not start: {one_line(error)}") from error
    return logger
