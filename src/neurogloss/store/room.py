"""What is written to a disk that has no room left: an error for people, and no half of a file."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from neurogloss.errors import StoreError

MAKE_ROOM = "What was committed is kept. Make room; the same command then goes on from there."
"""What to do about a full disk."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def no_room(error: BaseException) -> bool:
    """Whether an error says that what was written found no room."""
    if isinstance(error, SafetensorError):  # says it in words alone
        return any(f"(os error {number})" in str(error) for number in _NO_ROOM)
    return isinstance(error, OSError) and error.errno in _NO_ROOM


@contextmanager
def needing_room(place: Path) -> Iterator[None]:
    """For a block that writes to a place.

    Raises:
        StoreError: There is no room; other errors stay what they are.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        if not no_room(error):
            raise
        raise StoreError(
            f"There is no room left to write to {place}.",
            known=str(error),
            remedy=MAKE_ROOM,
        ) from error


def write_whole(path: Path, text: str) -> None:
    """Writes a file that is there whole, or as it was before.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink()
