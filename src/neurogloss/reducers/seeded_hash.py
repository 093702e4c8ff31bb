"""Seeded hashes: random choices that depend on what is chosen from, never on its order.

The mixing function is the finaliser of SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable
pseudorandom number generators"). It is written out here because a generator of numpy's promises no
equal streams between versions, and a sample must not change with the version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def salt(*words: object) -> np.uint64:
    """A 64-bit number from words such as a seed and a purpose; different words, another number."""
    digest = hashlib.blake2b("\0".join(map(str, words)).encode("utf-8"), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "big"))


def salts(names: Iterable[object]) -> np.ndarray:
    """The salt of each name, uint64 [name]."""
    return np.array([salt(name) for name in names], dtype=np.uint64)


def hashes(ids: np.ndarray, by: np.uint64 | np.ndarray) -> np.ndarray:
    """Hashes of whole numbers under a salt (or many: the shapes broadcast), uint64."""
    return _mix(mixed(ids) ^ by)


def mixed(ids: np.ndarray) -> np.ndarray:
    """Hashes of whole numbers before a salt is added to them, uint64, same shape."""
    return _mix(np.atleast_1d(ids).astype(np.uint64) + _GOLDEN)


def uniform(hashed: np.ndarray) -> np.ndarray:
    """Hashes as numbers evenly spread over the open interval (0, 1), float64, same shape."""
    return ((hashed >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def _mix(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    out: np.ndarray = x ^ (x >> np.uint64(31))
    return out
