"""What is computed of a batch for each unit: one loop over the activations, while they are in the cache."""

from __future__ import annotations

import numpy as np

from neurogloss.reducers.compiled import compiled

BLOCK = 64
"""Units whose values at one position are taken together."""
AT_ONCE = 4
"""Positions that are taken together, so that what is computed of a unit is read and written a quarter as often."""


@compiled
def summarize(
    activations: np.ndarray,  # float32 [seq pos unit]
    present: np.ndarray,  # int64 [seq]: rows of `activations`
    positions: np.ndarray,  # int64 [seq pos], as in `CountedBatch`
    weights: np.ndarray,  # float32 [seq pos]
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
    """Takes the units `[low, high)` of a batch into the moments; false if a value is not finite.

    Powers are summed once, of the differences to a shift: the mean of the sequence's first values. Far from the
    sequence's mean it can only be if those values are, so that what is subtracted in the end is at most about as many
    times what remains as the sequence has tokens.
    """
    highest, lowest, shift, fires, first, square, cube, fourth = np.empty((8, BLOCK), dtype=np.float32)
    none, one = np.float32(0), np.float32(1)
    finite = True
    for begin in range(low, high, BLOCK):
        width = min(BLOCK, high - begin)
        sign = signs[begin : begin + width]
        n = float(n_before)
        for i in range(len(lengths)):
            highest[:] = -np.inf
            lowest[:] = np.inf
            for sums in (fires, first, square, cube, fourth):
                sums[:] = 0
            for j in range(0, lengths[i], AT_ONCE):
                wb, wc, wd = weights[i, j + 1], weights[i, j + 2], weights[i, j + 3]
                at_a = activations[present[i], positions[i, j], begin : begin + width]
                at_b = activations[present[i], positions[i, j + 1], begin : begin + width]
                at_c = activations[present[i], positions[i, j + 2], begin : begin + width]
                at_d = activations[present[i], positions[i, j + 3], begin : begin + width]
                if j == 0:
                    for u in range(width):
                        together = (at_a[u] + at_b[u] * wb) + (at_c[u] * wc + at_d[u] * wd)
                        shift[u] = together * sign[u] / (one + wb + wc + wd)
                for u in range(width):
                    a, b, c, d = at_a[u] * sign[u], at_b[u] * sign[u], at_c[u] * sign[u], at_d[u] * sign[u]
                    ab, cd = a if a > b else b, c if c > d else d
                    of_all = ab if ab > cd else cd
                    highest[u] = of_all if of_all > highest[u] else highest[u]
                    ab, cd = a if a < b else b, c if c < d else d
                    of_all = ab if ab < cd else cd
                    lowest[u] = of_all if of_all < lowest[u] else lowest[u]
                    fires[u] += (one if a > 0 else none) + (wb if b > 0 else none)
                    fires[u] += (wc if c > 0 else none) + (wd if d > 0 else none)
                    a, b, c, d = a - shift[u], (b - shift[u]) * wb, (c - shift[u]) * wc, (d - shift[u]) * wd
                    aa, bb, cc, dd = a * a, b * b, c * c, d * d
                    first[u] += (a + b) + (c + d)
                    square[u] += (aa + bb) + (cc + dd)
                    cube[u] += (aa * a + bb * b) + (cc * c + dd * d)
                    fourth[u] += (aa * aa + bb * bb) + (cc * cc + dd * dd)
            added = float(lengths[i])
            both = n + added
            at_first = positions[i, 0] == 0
            for u in range(width):
                unit = begin + u
                # From powers of the differences to the shift to those of the differences to the sequence's mean.
                offset = first[u] / added
                mean = shift[u] + offset
                own2 = square[u] - added * offset * offset
                shifted = added * offset * offset * offset
                own3 = cube[u] - 3 * offset * square[u] + 2 * shifted
                own4 = fourth[u] - offset * (4 * cube[u] - 6 * offset * square[u] + 3 * shifted)
                # isfinite would be computed as a difference, which may be taken apart.
                if not abs(mean) < np.inf:
                    finite = False
                m2 = moments[1, unit]
                m3 = moments[2, unit]
                delta = mean - moments[0, unit]
                step = delta / both
                moments[3, unit] += (
                    own4
                    + delta * step * step * step * (n * added * (n * n - n * added + added * added))
                    + 6 * step * step * (n * n * own2 + added * added * m2)
                    + 4 * step * (n * own3 - added * m3)
                )
                moments[2, unit] += (
                    own3 + delta * step * step * (n * added * (n - added)) + 3 * step * (n * own2 - added * m2)
                )
                moments[1, unit] += own2 + delta * step * (n * added)
                moments[0, unit] += step * added
                minimum[unit] = min(minimum[unit], lowest[u])
                maximum[unit] = max(maximum[unit], highest[u])
                firing[unit] += np.int64(fires[u])
                maxima[unit, i] = highest[u]
                largest[unit, i] = max(abs(highest[u]), abs(lowest[u]))
                if highest[u] > 0:
                    firing_sequences[unit] += 1
                    if at_first and activations[present[i], 0, unit] * sign[u] == highest[u]:
                        first_position[unit] += 1
            n = both
    return finite
