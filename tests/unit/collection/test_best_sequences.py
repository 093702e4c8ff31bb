"""The bounded lists under every sample."""

from __future__ import annotations

import numpy as np

from neurogloss.reducers.best_sequences import BestSequences
from neurogloss.reducers.draws import NONE


def test_best_sequences_against_sorting() -> None:
    rng = np.random.default_rng(0)
    keys, rows = rng.integers(0, 6, (2, 50)).astype(np.float32), np.arange(50, dtype=np.int32)
    kept = BestSequences(2, 7)
    for chunk in np.array_split(rng.permutation(50), 9):
        needed = np.zeros((2, len(chunk)), np.uint8)
        here = np.ascontiguousarray(keys[:, chunk])
        kept.offer(here, np.broadcast_to(rows[chunk], here.shape), np.full(len(chunk), 1), needed, 0, 2)
        numbers = np.tile(chunk, (2, 1)).astype(np.int32)
        kept.settle(np.array([1]), 0, 1, numbers, np.zeros_like(numbers, np.int8), 0, 2)
    for unit in range(2):
        best = sorted(range(50), key=lambda i, u=unit: (-keys[u, i], i))[:7]
        assert kept.rows[unit, 1].tolist() == kept.addresses[unit, 1].tolist() == best
    assert (kept.rows[:, 0] == NONE).all()
