"""Batches that outgrow the memory of the device go through in halves."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

from neurogloss.errors import SubjectError

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
"""As torch's devices and its CPU allocator put it."""

_log = logging.getLogger(__name__)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in said for words in _OUT_OF_MEMORY)
    )


class Room:
    """How many tokens fit into memory at once, as far as is known.

    Args:
        what: Whose memory, for messages.
        most: How many to begin with.
    """

    def __init__(self, what: str, most: int = sys.maxsize) -> None:
        self._what = what
        self.most = most
        """Tokens, padding included."""

    def shrink(self, error: BaseException, n_rows: int, width: int) -> bool:
        """Whether fewer rows of this many tokens may succeed where these raised an error; `most` then says how many."""
        if n_rows < 2 or not out_of_memory(error):
            return False
        self.most = n_rows // 2 * width
        _log.warning(
            "memory ran out in %s with %d sequences of %d tokens at once; from here on at most %d tokens go together",
            self._what,
            n_rows,
            width,
            self.most,
        )
        return True

    def run_in_parts(self, n_rows: int, width: int, run: Callable[[int, int], None]) -> None:
        """Runs rows of equal width, in order, as many at once as fit.

        Args:
            n_rows: How many rows.
            width: Tokens in each.
            run: Takes the first row of a part and the one after its last; when memory runs out within
                it, its rows are run again.

        Raises:
            SubjectError: Memory runs out with a single row.
        """
        first = 0
        while first < n_rows:
            end = min(n_rows, first + max(1, self.most // width))
            try:
                run(first, end)
                first = end
            except Exception as error:  # what it holds is freed before the next attempt
                if self.shrink(error, end - first, width):
                    continue
                if out_of_memory(error):
                    raise SubjectError(
                        f"Memory runs out in {self._what} with a single sequence of {width} tokens.",
                        known=str(error),
                        remedy="Collect with a smaller collection.sequence_length, or with another subject.dtype "
                        "or subject.device.",
                    ) from error
                raise
