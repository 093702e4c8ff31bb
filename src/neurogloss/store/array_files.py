"""Files of named arrays: safetensors, memory-mapped, so that reading a row reads that row."""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from neurogloss.errors import StoreError

_DTYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "I32": np.int32,
    "I8": np.int8,
    "U8": np.uint8,
    "BOOL": np.bool_,
}


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes the arrays as one safetensors file."""
    save_file({name: np.asarray(array, order="C") for name, array in arrays.items()}, path)


class ArrayFile:
    """A safetensors file, mapped into memory: only what is looked at is read.

    Raises:
        StoreError: The file is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                header_size = int.from_bytes(file.read(8), "little")
                self._header = json.loads(file.read(header_size))
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._bytes = np.frombuffer(mapped, dtype=np.uint8)
        except (OSError, ValueError) as error:
            raise StoreError(f"The stored arrays {path} cannot be read.", known=str(error)) from error
        self.path = path
        self._start = 8 + header_size
        self._arrays: dict[str, np.ndarray] = {}

    def array(self, name: str) -> np.ndarray:
        """The array as it lies in the file: read-only, and read from disk where it is looked at."""
        if name not in self._arrays:
            entry = self._header[name]
            begin, end = entry["data_offsets"]
            mapped = self._bytes[self._start + begin : self._start + end]
            self._arrays[name] = mapped.view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])
        return self._arrays[name]

    def row(self, name: str, index: int) -> np.ndarray:
        """A copy of one entry along the first axis."""
        return np.array(self.array(name)[index])


def mapped_rows(path: Path, length: int) -> np.ndarray:
    """A file of rows, int16 [row length]: a row is read when it is looked at.

    Raises:
        StoreError: The file is missing.
    """
    try:
        with path.open("rb") as file:
            if not path.stat().st_size:
                return np.zeros((0, length), dtype=np.int16)
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise StoreError(f"The stored rows {path} cannot be read.", known=str(error)) from error
    if hasattr(mapped, "madvise"):  # a unit's rows lie far apart, so nothing is gained by reading ahead
        mapped.madvise(mmap.MADV_RANDOM)
    return np.frombuffer(mapped, dtype=np.int16).reshape(-1, length)


def pack_texts(texts: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """Texts as arrays: their UTF-8 bytes, uint8 [byte], and where each begins, int64 [text + 1]."""
    # Text from the wild holds lone surrogates, which plain UTF-8 refuses.
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    starts = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return np.frombuffer(b"".join(encoded), dtype=np.uint8), starts


def unpack_text(data: np.ndarray, starts: np.ndarray, index: int) -> str:
    """One of the texts that `pack_texts` packed."""
    return data[starts[index] : starts[index + 1]].tobytes().decode("utf-8", "surrogatepass")
