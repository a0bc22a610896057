"""What each local Dask worker does when it starts (a Dask preload module)."""

import signal


def dask_setup(worker: object) -> None:
    """Leave Ctrl-C to the main process, which stops its workers in order; their own tracebacks say nothing."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
