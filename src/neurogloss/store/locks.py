"""Locks between processes, which the system takes away from a process that dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCKS = "locks"
"""The folder, in a store's, of the runs' locks: empty files."""


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Holds the lock of a file, which is made, during the block; tells whether nobody else holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(file)
