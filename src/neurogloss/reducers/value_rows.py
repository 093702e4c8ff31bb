"""Values along sequences, written to files while the subject runs: memory holds their addresses alone."""

from __future__ import annotations

import tempfile
import weakref
import zlib
from collections.abc import Callable
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
        kept: Gives rows of the one file by their numbers, uint16 [row value].
        drawn: Gives those of the other.
        addresses: int32 [...]
        exponents: int8 [...]: each row's power of two.
        length: Values in a row.
    """
    halves = np.zeros((*addresses.shape, length), dtype=np.uint16)
    halves[addresses >= 0] = kept(addresses[addresses >= 0])
    halves[addresses <= DRAWN] = drawn(DRAWN - addresses[addresses <= DRAWN])
    return np.ldexp(halves.view(np.float16).astype(np.float32), exponents[..., None].astype(np.int32))


class RowFile:
    """Rows of float16, appended to a file.

    Args:
        path: The file; without one, a temporary file that has no name.
        length: Values in a row.
    """

    def __init__(self, path: Path | None, length: int) -> None:
        self.path = path
        self.length = length
        self.n_rows = 0
        self.crc32 = 0
        """Of the whole file."""
        self._file: IO[bytes] = path.open("w+b", 0) if path else tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        self.close = weakref.finalize(self, self._file.close)
        """Closes the file, as happens at the latest when nobody holds this object; one without a name is gone."""

    def append(self, rows: np.ndarray) -> int:
        """Writes uint16 [row value], the bits of float16, and returns the number of the first."""
        first = self.n_rows
        data = memoryview(np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data)
        self.crc32 = zlib.crc32(data, self.crc32)
        self._file.seek(0, 2)
        while len(data):
            data = data[self._file.write(data) :]
        self.n_rows += len(rows)
        return first

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Rows by their numbers, uint16 [row value]."""
        if not len(rows):
            return np.zeros((0, self.length), dtype=np.uint16)
        mapped = np.memmap(self._file, dtype=np.uint16, mode="r", shape=(self.n_rows, self.length))
        return np.array(mapped[rows])


class ValueRows:
    """The rows of one site: those of drawn sequences, kept for every unit, and those that single units keep.

    Args:
        directory: Where the files are made; without one they have no names.
        name: How the files are called, but for their endings.
        length: Values in a row.
    """

    def __init__(self, directory: Path | None, name: str, length: int) -> None:
        self._path = directory / f"{name}.kept" if directory else None
        self.kept = RowFile(self._path, length)
        self.drawn = RowFile(directory / f"{name}.drawn" if directory else None, length)

    def values(self, addresses: np.ndarray, exponents: np.ndarray) -> np.ndarray:
        """Values by their addresses, float32 [... value]; zeros where an address is of no row."""
        return values_at(self.kept.take, self.drawn.take, addresses, exponents, self.kept.length)

    @property
    def checksums(self) -> dict[Path, int]:
        """The files that have a name, with their CRC-32."""
        return {file.path: file.crc32 for file in (self.kept, self.drawn) if file.path}

    def compact(self, addresses: list[np.ndarray]) -> None:
        """Writes the kept rows anew, unit by unit, without those that no list holds any longer.

        Args:
            addresses: int32 [unit ...] each, changed to the new addresses.
        """
        target = self._path.with_suffix(".compacting") if self._path else None
        new = RowFile(target, self.kept.length)
        for unit in range(len(addresses[0])):
            live = np.unique(np.concatenate([array[unit].ravel() for array in addresses]))
            live = live[live >= 0]
            first = new.append(self.kept.take(live))
            for array in addresses:
                moved = array[unit] >= 0
                array[unit][moved] = first + np.searchsorted(live, array[unit][moved])
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
    rows: np.ndarray,  # uint16 [row pos], written: zero but where something counts
    exponents: np.ndarray,  # int8 [unit seq], written
) -> None:
    """Writes the needed rows of the units `[low, high)` as float16, times a power of two.

    The power takes a row's largest absolute value to 2**14..2**15, so that half precision holds 11
    significant bits of every value down to 2**-29 of it; what is smaller becomes 0.
    """
    scaled = np.empty((rows.shape[1], BLOCK), dtype=np.float32)
    scaled_bits = scaled.view(np.uint32)
    halves = np.empty((rows.shape[1], BLOCK), dtype=np.uint16)
    scales = np.empty(BLOCK, dtype=np.float32)
    scale_bits = scales.view(np.int32)
    for begin in range(low, high, BLOCK):
        width = min(BLOCK, high - begin)
        nexts = firsts[begin : begin + width].copy()
        for i in range(len(lengths)):
            wanted = False
            for u in range(width):
                wanted |= needed[begin + u, i] != 0
                # Of a float32's exponent; kept where the scale is a float32, too.
                exponent = min(max((bits[begin + u, i] >> 23) - 127, -111), 127)
                exponents[begin + u, i] = exponent - 14
                scale_bits[u] = (127 + 14 - exponent) << 23
            if not wanted:
                continue
            for j in range(lengths[i]):
                values = activations[present[i], positions[i, j], begin : begin + width]
                for u in range(width):
                    scaled[j, u] = values[u] * signs[begin + u] * scales[u]
                for u in range(width):
                    magnitude = scaled_bits[j, u] & np.uint32(0x7FFFFFFF)
                    # To the nearest, and of two equally near the even one.
                    rounded = magnitude + np.uint32(0xFFF) + ((magnitude >> np.uint32(13)) & np.uint32(1))
                    half = (rounded >> np.uint32(13)) - np.uint32(112 << 10)
                    half = half if rounded >= np.uint32(113 << 23) else np.uint32(0)
                    halves[j, u] = half | ((scaled_bits[j, u] >> np.uint32(16)) & np.uint32(0x8000))
            for u in range(width):
                if needed[begin + u, i]:
                    row = rows[nexts[u]]
                    for j in range(lengths[i]):
                        row[positions[i, j]] = halves[j, u]
                    nexts[u] += 1
