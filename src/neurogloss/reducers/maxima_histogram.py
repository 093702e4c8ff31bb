"""The histogram of sequence maxima, from which quantiles are read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neurogloss.reducers.compiled import compiled, over_ranges

RELATIVE_ERROR = 1 / 32
"""Largest relative error of a quantile between `LOWEST` and `HIGHEST`."""
LOWEST, HIGHEST = 2.0**-16, 2.0**16
"""Maxima below `LOWEST` (all that are not positive among them) count as 0; from `HIGHEST` on is one bin."""
QUANTILES = (0.5, 0.9, 0.99, 0.999, 1.0)
"""The quantiles in `UnitStatistics`."""

SHIFT = 19
"""Bits of a float32 that are dropped: its exponent and four bits of its mantissa number the bin."""
FIRST = int(np.float32(LOWEST).view(np.int32)) >> SHIFT
N_BINS = (int(np.float32(HIGHEST).view(np.int32)) >> SHIFT) - FIRST + 2

_EDGES = (np.arange(FIRST, FIRST + N_BINS, dtype=np.int32) << SHIFT).view(np.float32).astype(np.float64)
_MIDDLES = np.concatenate([[0.0], (_EDGES[1:] + _EDGES[:-1]) / 2])


class MaximaHistogram:
    """Counts sequences by the binary logarithm of their maximum in sixteen steps, per unit.

    A bin's width is at most a sixteenth of its lower edge, so that a quantile's relative error is bounded whatever the
    range (Masson, Rim and Lee 2019, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
    guarantees"); a float32 holds its bin in its upper bits.

    Args:
        n_units: Units at the site.
    """

    def __init__(self, n_units: int) -> None:
        self.counts = np.zeros((n_units, N_BINS), dtype=np.uint32)
        """uint32 [unit bin]"""

    def merge(self, other: MaximaHistogram) -> None:
        """Takes in the counts of other sequences."""
        self.counts += other.counts

    @property
    def n_sequences(self) -> int:
        """The same for every unit."""
        return int(self.counts[:1].sum(dtype=np.int64))

    def quantiles(self) -> np.ndarray:
        """`QUANTILES` of the maxima, float64 [unit quantile]."""
        # The small term keeps 0.9 of 10 at the 9th sequence, where the product is a little above 9.
        ranks = np.array([np.ceil(quantile * self.n_sequences - 1e-9) for quantile in QUANTILES])
        bins = np.zeros((len(self.counts), len(ranks)), dtype=np.int64)
        over_ranges(len(bins), lambda low, high: _find(self.counts, ranks, low, high, bins))
        return _MIDDLES[bins]

    def arrays(self) -> dict[str, np.ndarray]:
        """The state."""
        return {"counts": self.counts}

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Puts a state from `arrays` in place of this one's."""
        self.counts = np.array(arrays["counts"])


@compiled
def _find(counts: np.ndarray, ranks: np.ndarray, low: int, high: int, bins: np.ndarray) -> None:
    """Writes the bin of each rank, which ascend, [unit rank]."""
    for unit in range(low, high):
        number, passed = 0, np.int64(counts[unit, 0])
        for i in range(len(ranks)):
            while passed < ranks[i]:
                number += 1
                passed += counts[unit, number]
            bins[unit, i] = number


@compiled
def count_maxima(bits: np.ndarray, counts: np.ndarray, low: int, high: int) -> None:
    """Counts the maxima of the units `[low, high)`: the bits of float32, int32 [unit seq], in uint32 [unit bin]."""
    for unit in range(low, high):
        for i in range(bits.shape[1]):
            number = (bits[unit, i] >> SHIFT) - FIRST + 1
            counts[unit, min(max(number, 0), N_BINS - 1)] += np.uint32(1)
