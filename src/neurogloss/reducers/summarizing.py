"""What is computed of a batch for each unit: one loop over the activations, while they are in the cache."""

from __future__ import annotations

import numpy as np

from neurogloss.reducers.compiled import compiled
from neurogloss.reducers.maxima_histogram import FIRST, N_BINS, SHIFT

BLOCK = 64
"""Units whose values at one position are taken together."""


@compiled
def summarize(
    activations: np.ndarray,  # float32 [seq pos unit]
    present: np.ndarray,  # int64 [seq]: rows of `activations`
    positions: np.ndarray,  # int64 [seq pos]
    lengths: np.ndarray,  # int64 [seq]
    signs: np.ndarray,  # float32 [unit]
    low: int,
    high: int,
    n_before: int,  # tokens that `moments` holds
    moments: np.ndarray,  # float64 [4 unit]
    minimum: np.ndarray,  # float32 [unit]
    maximum: np.ndarray,
    firing: np.ndarray,  # int64 [unit]
    firing_sequences: np.ndarray,
    first_position: np.ndarray,
    maxima: np.ndarray,  # float32 [unit seq], written
    largest: np.ndarray,  # float32 [unit seq], written: of the absolute values
) -> bool:
    """Takes the units `[low, high)` of a batch into the moments; false if a value is not finite."""
    highest, lowest, total, fires, square, cube, fourth = np.empty((7, BLOCK), dtype=np.float32)
    finite = True
    for begin in range(low, high, BLOCK):
        width = min(BLOCK, high - begin)
        block_signs = signs[begin : begin + width]
        n = float(n_before)
        for i in range(len(lengths)):
            length = lengths[i]
            highest[:] = -np.inf
            lowest[:] = np.inf
            total[:] = 0
            fires[:] = 0
            for j in range(length):
                values = activations[present[i], positions[i, j], begin : begin + width]
                for u in range(width):
                    value = values[u] * block_signs[u]
                    highest[u] = value if value > highest[u] else highest[u]
                    lowest[u] = value if value < lowest[u] else lowest[u]
                    fires[u] += np.float32(1) if value > 0 else np.float32(0)
                    total[u] += value
            square[:] = 0
            cube[:] = 0
            fourth[:] = 0
            for u in range(width):
                total[u] /= np.float32(length)
            for j in range(length):
                values = activations[present[i], positions[i, j], begin : begin + width]
                for u in range(width):
                    deviation = values[u] * block_signs[u] - total[u]
                    squared = deviation * deviation
                    square[u] += squared
                    cube[u] += squared * deviation
                    fourth[u] += squared * squared
            added = float(length)
            both = n + added
            at_first = positions[i, 0] == 0
            for u in range(width):
                unit = begin + u
                if not np.isfinite(total[u]):
                    finite = False
                m2 = moments[1, unit]
                m3 = moments[2, unit]
                delta = total[u] - moments[0, unit]
                step = delta / both
                moments[3, unit] += (
                    fourth[u]
                    + delta * step * step * step * (n * added * (n * n - n * added + added * added))
                    + 6 * step * step * (n * n * square[u] + added * added * m2)
                    + 4 * step * (n * cube[u] - added * m3)
                )
                moments[2, unit] += (
                    cube[u] + delta * step * step * (n * added * (n - added)) + 3 * step * (n * square[u] - added * m2)
                )
                moments[1, unit] += square[u] + delta * step * (n * added)
                moments[0, unit] += step * added
                minimum[unit] = min(minimum[unit], lowest[u])
                maximum[unit] = max(maximum[unit], highest[u])
                firing[unit] += np.int64(fires[u])
                maxima[unit, i] = highest[u]
                largest[unit, i] = max(abs(highest[u]), abs(lowest[u]))
                if highest[u] > 0:
                    firing_sequences[unit] += 1
                    if at_first and activations[present[i], 0, unit] * block_signs[u] == highest[u]:
                        first_position[unit] += 1
            n = both
    return finite


@compiled
def count_maxima(bits: np.ndarray, counts: np.ndarray, low: int, high: int) -> None:
    """Counts the maxima of the units `[low, high)`: the bits of float32, int32 [unit seq], in uint32 [unit bin]."""
    for unit in range(low, high):
        for i in range(bits.shape[1]):
            number = (bits[unit, i] >> SHIFT) - FIRST + 1
            counts[unit, min(max(number, 0), N_BINS - 1)] += np.uint32(1)
