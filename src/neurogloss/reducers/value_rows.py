"""Values along sequences, written to files while the subject runs: memory holds their addresses alone."""

from __future__ import annotations

import math
import tempfile
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
import xxhash

from neurogloss.reducers.compiled import compiled
from neurogloss.reducers.summarizing import BLOCK

_PACKED = 4
"""Values of 16 bits that are moved as one number of 64 bits."""

LEADING_BIT = 14
"""The largest value of a row is taken to between 2 to this power and twice as much: whole numbers of 16 bits."""
BIAS = 127
"""Is added to a power of two in the bits of a float32."""
LEAST_POWER, MOST_POWER = -111, 127
"""Powers of two that the largest value is taken to have, so that the scale is a float32 and an exponent has 8 bits."""

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


class RowFile:
    """Rows of 16-bit whole numbers, appended to a file; threads may do so at the same time.

    Args:
        path: The file; without one, a temporary file that has no name.
        length: Values in a row.
    """

    def __init__(self, path: Path | None, length: int) -> None:
        self.path = path
        self.length = length
        self.n_rows = 0
        self._checksum = xxhash.xxh3_64()
        self._appending = threading.Lock()
        self._file: IO[bytes] = path.open("w+b", 0) if path else tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        self.close = weakref.finalize(self, self._file.close)
        """Closes the file, as happens at the latest when nobody holds this object; one without a name is gone."""

    def append(self, rows: np.ndarray) -> int:
        """Writes int16 [row value], and returns the number of the first row.

        Raises:
            OSError: They could not be written.
        """
        data = memoryview(np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data)
        with self._appending:
            first = self.n_rows
            self.n_rows += len(rows)
            self._checksum.update(data)
            while len(data):
                data = data[self._file.write(data) :]
        return first

    @property
    def checksum(self) -> str:
        """XXH3 of the whole file, of 64 bits in hexadecimal digits."""
        return self._checksum.hexdigest()

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Rows by their numbers, int16 [row value]."""
        if not len(rows):
            return np.zeros((0, self.length), dtype=np.int16)
        mapped = np.memmap(self._file, dtype=np.int16, mode="r", shape=(self.n_rows, self.length))
        return np.array(mapped[rows])


class Scratch(threading.local):
    """Each thread's memory for what is not kept beyond a batch.

    To ask for it anew costs as much as filling it, and leaves holes between the subject's own tensors.
    """

    def __init__(self) -> None:
        self._buffers: dict[str, np.ndarray] = {}

    def empty(self, name: str, shape: tuple[int, ...], dtype: type[np.generic]) -> np.ndarray:
        """An array that holds anything, and is given out again when the thread next asks for this name."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if name not in self._buffers or self._buffers[name].size < size:
            self._buffers[name] = np.empty(size, dtype=np.uint8)
        return self._buffers[name][:size].view(dtype).reshape(shape)


class ValueRows:
    """The rows of one site: those of drawn sequences, kept for every unit, and those that single units keep.

    Args:
        directory: Where the files are made; without one they have no names.
        name: How the files are called, but for their endings.
        length: Positions in a sequence.
    """

    def __init__(self, directory: Path | None, name: str, length: int) -> None:
        self.length = length = -(-length // _PACKED) * _PACKED
        """Values in a row: those beyond the sequence are 0."""
        self._path = directory / f"{name}.kept" if directory else None
        self.kept = RowFile(self._path, length)
        self.drawn = RowFile(directory / f"{name}.drawn" if directory else None, length)

    def values(self, addresses: np.ndarray, exponents: np.ndarray) -> np.ndarray:
        """Values by their addresses, float32 [... value]; zeros where an address is of no row."""
        return values_at(self.kept.take, self.drawn.take, addresses, exponents, self.length)

    @property
    def checksums(self) -> dict[Path, str]:
        """The files that have a name, with their XXH3."""
        return {file.path: file.checksum for file in (self.kept, self.drawn) if file.path}

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
            first = new.append(self.kept.take(live & 0xFFFFFFFF))
            for key, array in zip(keys, block, strict=True):
                array[array >= 0] = first + np.searchsorted(live, key[array >= 0])
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
    bits: np.ndarray,  # int32 [unit seq]: of the float32 of the largest absolute value
    low: int,
    high: int,
    rows: np.ndarray,  # int16 [row pos], written: 0 where nothing counts
    numbers: np.ndarray,  # int32 [unit seq], written: which of the rows
    exponents: np.ndarray,  # int8 [unit seq], written
) -> None:
    """Writes the needed rows of the units `[low, high)`, scaled by the power of two that leaves them the most bits."""
    packed = rows.view(np.int64)
    whole = np.zeros((rows.shape[1], BLOCK), dtype=np.int32)
    words = np.empty((packed.shape[1], BLOCK), dtype=np.int64)
    scales = np.empty(BLOCK, dtype=np.float32)
    scale_bits = scales.view(np.int32)
    nexts = np.empty(BLOCK, dtype=np.int32)
    used = 0
    for begin in range(low, high, BLOCK):
        width = min(BLOCK, high - begin)
        for u in range(width):
            nexts[u] = used
            used += needed[begin + u].sum()
        for i in range(len(lengths)):
            wanted = False
            for u in range(width):
                wanted |= needed[begin + u, i] != 0
                exponent = min(max((bits[begin + u, i] >> 23) - BIAS, LEAST_POWER), MOST_POWER)
                exponents[begin + u, i] = exponent - LEADING_BIT
                scale_bits[u] = (BIAS + LEADING_BIT - exponent) << 23
            if not wanted:
                continue
            for u in range(width):
                scales[u] *= signs[begin + u]
            if lengths[i] < len(whole):
                whole[:] = 0
            for j in range(lengths[i]):
                values = activations[present[i], positions[i, j], begin : begin + width]
                at_position = whole[positions[i, j]]
                for u in range(width):
                    at_position[u] = np.int32(min(np.rint(values[u] * scales[u]), np.float32(32767)))
            # Units' rows are columns here, and moving single values would take longer than computing them.
            for k in range(len(words)):
                a, b, c, d = whole[4 * k], whole[4 * k + 1], whole[4 * k + 2], whole[4 * k + 3]
                word = words[k]
                for u in range(BLOCK):
                    low_half = (np.int64(a[u]) & 0xFFFF) | ((np.int64(b[u]) & 0xFFFF) << 16)
                    word[u] = low_half | ((np.int64(c[u]) & 0xFFFF) << 32) | (np.int64(d[u]) << 48)
            for u in range(width):
                if needed[begin + u, i]:
                    row = packed[nexts[u]]
                    for k in range(len(words)):
                        row[k] = words[k, u]
                    numbers[begin + u, i] = nexts[u]
                    nexts[u] += 1
