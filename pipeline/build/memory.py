"""How this process returns memory to the system."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Names of parameters of mallopt (malloc.h of glibc)"""

TRIM_BYTES, MMAP_BYTES = 256 * 2**20, 32 * 2**20
"""32 MiB is the most that glibc takes for the second."""


def keep_freed_memory() -> None:
    """Keep freed memory for the arrays of the next task. Where the C library has no mallopt, nothing changes.

    Left alone, glibc maps each large array again, and every page is cleared when it is first used: a tenth of the
    processor time of a build. Dask even has its workers return memory from 64 KiB on.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(M_TRIM_THRESHOLD, TRIM_BYTES)
    mallopt(M_MMAP_THRESHOLD, MMAP_BYTES)
