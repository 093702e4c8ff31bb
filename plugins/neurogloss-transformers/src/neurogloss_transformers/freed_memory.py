"""What the C library does with memory that tensors leave behind, where it can be told (glibc)."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of `mallopt`."""
_MOST = 1 << 30
_SAID_BY_USERS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def keep_freed_memory() -> None:
    """Has freed memory kept for the next tensors, for the whole process, unless the environment says otherwise.

    Else a model on the CPU gives the memory of a layer's large tensors back and asks for it again in the next layer:
    the system then clears every page anew.
    """
    if not any(name in os.environ for name in _SAID_BY_USERS):
        with suppress(OSError, AttributeError):
            for parameter in (_TRIM_THRESHOLD, _MMAP_THRESHOLD):
                ctypes.CDLL(None).mallopt(parameter, _MOST)


def return_free_memory() -> None:
    """Gives what is free now back to the system; what lies between small objects would be kept, and grow for hours."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
