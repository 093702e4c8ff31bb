"""Values along sequences, written to files while the subject runs: memory holds their addresses alone."""

from __future__ import annotations

import functools
import os
import tempfile
import weakref
import zlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO

import numpy as np

from neurogloss.reducers.compiled import compiled
from neurogloss.reducers.summarizing import BLOCK

DRAWN = -2
"""Address `DRAWN - n` is row `n` of the file of drawn sequences; an address from 0 on is a row of the other file."""


def values_at(
    kept: Callable[[np.ndarray], np.ndarray],
    drawn: Callable[[np.ndarray], np.ndarray],
    addresses: np.ndarray,
    exponents: np.ndarray,
    length: int,
) -> np.ndarray:
    """Values by their addresses, float32 [... value]; zeros where an address is of no row.

    Args:
        kept: Gives rows of the one file by their numbers, int16 [row value].
        drawn: Gives those of the other.
        addresses: int32 [...]
        exponents: int8 [...]: each row's power of two.
        length: Values in a row.
    """
    whole = np.zeros((*addresses.shape, length), dtype=np.int16)
    whole[addresses >= 0] = kept(addresses[addresses >= 0])
    whole[addresses <= DRAWN] = drawn(DRAWN - addresses[addresses <= DRAWN])
    return np.ldexp(whole.astype(np.float32), exponents[..., None].astype(np.int32))


@functools.cache
def _writer(process: int) -> ThreadPoolExecutor:
    # One thread per process, so that what is written to a file keeps its order; it does not survive a fork.
    return ThreadPoolExecutor(1, thread_name_prefix="rows")


class RowFile:
    """Rows of 16-bit whole numbers, appended to a file by a thread, so that the subject need not wait for the disk.

    Args:
        path: The file; without one, a temporary file that has no name.
        length: Values in a row.
    """

    def __init__(self, path: Path | None, length: int) -> None:
        self.path = path
        self.length = length
        self.n_rows = 0
        self._crc32 = 0
        self._failed: OSError | None = None
        self._file: IO[bytes] = path.open("w+b", 0) if path else tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        self.close = weakref.finalize(self, self._file.close)
        """Closes the file, as happens at the latest when nobody holds this object; one without a name is gone."""

    def append(self, rows: np.ndarray) -> tuple[int, Future[None]]:
        """Has int16 [row value] written.

        Returns:
            The number of the first row, and what is done when the array may be changed again.

        Raises:
            OSError: An earlier row could not be written.
        """
        if self._failed:
            raise self._failed
        first = self.n_rows
        self.n_rows += len(rows)
        return first, _writer(os.getpid()).submit(self._write, rows)

    def flush(self) -> None:
        """Waits until all is written.

        Raises:
            OSError: A row could not be written.
        """
        _writer(os.getpid()).submit(int).result()
        if self._failed:
            raise self._failed

    def crc32(self) -> int:
        """Of the whole file."""
        self.flush()
        return self._crc32

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Rows by their numbers, int16 [row value]."""
        if not len(rows):
            return np.zeros((0, self.length), dtype=np.int16)
        self.flush()
        mapped = np.memmap(self._file, dtype=np.int16, mode="r", shape=(self.n_rows, self.length))
        return np.array(mapped[rows])

    def _write(self, rows: np.ndarray) -> None:
        data = memoryview(np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data)
        try:
            self._crc32 = zlib.crc32(data, self._crc32)
            while len(data):
                data = data[self._file.write(data) :]
        except OSError as error:
            self._failed = error


class Scratch:
    """Memory for rows on their way to a file: to ask for it anew for each batch costs as much as filling it."""

    def __init__(self) -> None:
        self._buffers = [np.empty(0, dtype=np.int16)] * 3
        self._written: list[Future[None] | None] = [None] * 3
        self._turn = 0

    def rows(self, n: int, length: int) -> np.ndarray:
        """int16 [row value], holding anything."""
        self._turn = (self._turn + 1) % len(self._buffers)
        if written := self._written[self._turn]:
            written.result()
        if self._buffers[self._turn].size < n * length:
            self._buffers[self._turn] = np.empty(n * length, dtype=np.int16)
        return self._buffers[self._turn][: n * length].reshape(n, length)

    def append_to(self, file: RowFile, rows: np.ndarray) -> int:
        """Has the rows last given out written, and returns the number of the first."""
        first, self._written[self._turn] = file.append(rows)
        return first


class ValueRows:
    """The rows of one site: those of drawn sequences, kept for every unit, and those that single units keep.

    Args:
        directory: Where the files are made; without one they have no names.
        name: How the files are called, but for their endings.
        length: Values in a row.
    """

    def __init__(self, directory: Path | None, name: str, length: int) -> None:
        self.length = length
        self._path = directory / f"{name}.kept" if directory else None
        self.kept = RowFile(self._path, length)
        self.drawn = RowFile(directory / f"{name}.drawn" if directory else None, length)

    def values(self, addresses: np.ndarray, exponents: np.ndarray) -> np.ndarray:
        """Values by their addresses, float32 [... value]; zeros where an address is of no row."""
        return values_at(self.kept.take, self.drawn.take, addresses, exponents, self.length)

    @property
    def checksums(self) -> dict[Path, int]:
        """The files that have a name, with their CRC-32."""
        return {file.path: file.crc32() for file in (self.kept, self.drawn) if file.path}

    def compact(self, addresses: list[np.ndarray]) -> None:
        """Writes the kept rows anew, unit by unit, without those that no list holds any longer.

        Args:
            addresses: int32 [unit split slot] each, changed to the new addresses.
        """
        target = self._path.with_suffix(".compacting") if self._path else None
        new = RowFile(target, self.length)
        for low in range(0, len(addresses[0]), BLOCK):
            block = [array[low : low + BLOCK] for array in addresses]
            # Ordered by unit, then by address.
            keys = [array + (np.arange(len(array), dtype=np.int64) << 32)[:, None, None] for array in block]
            live = np.unique(np.concatenate([key[array >= 0] for key, array in zip(keys, block, strict=True)]))
            first, written = new.append(self.kept.take(live & 0xFFFFFFFF))
            written.result()
            for key, array in zip(keys, block, strict=True):
                array[array >= 0] = first + np.searchsorted(live, key[array >= 0])
        new.flush()
        self.kept.close()
        if target and self._path:
            target.replace(self._path)
            new.path = self._path
        self.kept = new


@compiled
def write_rows(
    activations: np.ndarray,  # float32 [seq pos unit]
    present: np.ndarray,  # int64 [seq]: rows of `activations`
    positions: np.ndarray,  # int64 [seq pos]
    lengths: np.ndarray,  # int64 [seq]
    signs: np.ndarray,  # float32 [unit]
    needed: np.ndarray,  # uint8 [unit seq]
    firsts: np.ndarray,  # int64 [unit]: the row of the unit's first needed sequence
    bits: np.ndarray,  # int32 [unit seq]: of the float32 of the largest absolute value
    low: int,
    high: int,
    rows: np.ndarray,  # int16 [row pos], written: 0 where nothing counts
    exponents: np.ndarray,  # int8 [unit seq], written
) -> None:
    """Writes the needed rows of the units `[low, high)`, scaled by the power of two that leaves them the most bits."""
    n_positions = rows.shape[1]
    whole = np.empty((n_positions, BLOCK), dtype=np.int16)
    scales = np.empty(BLOCK, dtype=np.float32)
    scale_bits = scales.view(np.int32)
    for begin in range(low, high, BLOCK):
        width = min(BLOCK, high - begin)
        nexts = firsts[begin : begin + width].copy()
        for i in range(len(lengths)):
            wanted = False
            for u in range(width):
                wanted |= needed[begin + u, i] != 0
                # The largest is taken to 2**14..2**15. Its exponent is kept where the scale is a float32, too.
                exponent = min(max((bits[begin + u, i] >> 23) - 127, -111), 127)
                exponents[begin + u, i] = exponent - 14
                scale_bits[u] = (127 + 14 - exponent) << 23
            if not wanted:
                continue
            if lengths[i] < n_positions:
                whole[:] = 0
            for j in range(lengths[i]):
                position = positions[i, j]
                values = activations[present[i], position, begin : begin + width]
                for u in range(width):
                    scaled = np.rint(values[u] * signs[begin + u] * scales[u])
                    whole[position, u] = np.int16(min(scaled, np.float32(32767)))
            for u in range(width):
                if needed[begin + u, i]:
                    row = rows[nexts[u]]
                    for position in range(n_positions):
                        row[position] = whole[position, u]
                    nexts[u] += 1
