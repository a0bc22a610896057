"""What does not survive a fork: the threads in which tensorstore and obstore read."""

import os
from functools import cache

from mmvsf.datasets.errors import InputError


def refuse_fork() -> None:
    """Called before pixels or a bucket are used. Raises InputError in a process that was forked from one that had used
    them: it would wait for its parent's threads for ever, or crash."""
    if _first_process() != os.getpid():
        raise InputError(
            "this process was forked from one that had read pixels or a bucket, whose threads do not survive a fork;"
            " start it in another way, such as DataLoader(..., multiprocessing_context='spawn') does"
        )


@cache  # one number
def _first_process() -> int:
    """The process of the first call: this one, or the one that it was forked from."""
    return os.getpid()
