"""Loops over units as machine code, and over ranges of units on all processors.

What numpy does in many passes over an array that does not fit the cache, a compiled loop does in one.
numba is imported when a function is first called, and its code is kept beside the module.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

RANGE = 128
"""Units that a thread takes at a time: a batch's activations of them fit its processor's cache."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as machine code, compiled when it is first called; it holds no lock of Python while it runs."""

    @functools.cache
    def machine_code() -> Callable[..., Any]:
        import numba

        # Kept code is out of date when the function's file changes; constants may come from other files.
        function.__qualname__ += f"-{_constants(function)}"
        options: Any = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz", "arcp"}}
        try:
            made: Callable[..., Any] = numba.njit(cache=True, **options)(function)
        except RuntimeError:  # no folder to keep the code in
            made = numba.njit(**options)(function)
        return made

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        return machine_code()(*arguments)

    return call


def _constants(function: Callable[..., Any]) -> str:
    """A digest of the numbers that a function takes from its module."""
    values = [(name, function.__globals__.get(name)) for name in sorted(function.__code__.co_names)]
    named = repr([(name, value) for name, value in values if isinstance(value, (int, float))])
    return hashlib.sha256(named.encode()).hexdigest()[:8]


@functools.cache
def _threads(process: int) -> tuple[ThreadPoolExecutor, int]:
    # One pool per process: threads do not survive a fork.
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return ThreadPoolExecutor(count, thread_name_prefix="reducer"), count


def over_ranges(n_units: int, work: Callable[[int, int], None]) -> None:
    """Calls `work(low, high)` for ranges of `RANGE` units that together are all units, as threads become free."""
    pool, count = _threads(os.getpid())
    lows = range(0, n_units, RANGE)
    left = iter(lows)

    def take_some() -> None:
        for low in left:
            work(low, min(low + RANGE, n_units))

    others = [pool.submit(take_some) for _ in range(min(count, len(lows)) - 1)]
    try:
        take_some()
    finally:
        wait(others)
    for other in others:
        other.result()
