"""Samples of sequences from bins of the quantiles of their maxima."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurogloss.reducers.best_sequences import BestSequences
from neurogloss.reducers.compiled import compiled, over_ranges
from neurogloss.reducers.draws import NONE, SPLITS, SequenceDraws
from neurogloss.reducers.maxima_histogram import FIRST, N_BINS, SHIFT, MaximaHistogram
from neurogloss.reducers.seeded_hash import hashes, salt


@dataclass(frozen=True)
class KeptSequences:
    """Sequences of one site, [unit split slot] or [unit split bin slot]."""

    rows: np.ndarray
    """int32: rows in `SequenceDraws.ids`; `NONE` where there are fewer."""
    addresses: np.ndarray
    """int32: where their values are."""
    exponents: np.ndarray
    """int8"""


def quantile_sample(
    histogram: MaximaHistogram,
    pool: KeptSequences,
    pool_maxima: np.ndarray,
    subsets: tuple[BestSequences, ...],
    unit_salts: np.ndarray,
    draws: SequenceDraws,
) -> KeptSequences:
    """Draws each bin's sequences from the pool and from the bin's subset, by the smallest seeded hash.

    A sequence is in the bin `(low, high]` if its rank by its maximum among all sequences, divided by their
    number, is. Sequences that the histogram does not tell apart (equal ones among them) are ranked by other
    bits of the hash; those whose maximum counts as 0 are all of the lowest rank.

    Args:
        histogram: How the maxima of all sequences are distributed.
        pool: The pool's sequences.
        pool_maxima: float32 [unit split slot]
        subsets: What each unit kept of the subsets.
        unit_salts: uint64 [unit]
        draws: The bins, and which sequences are in the pool.

    Returns:
        [unit split bin slot]
    """
    plan = draws.plan
    bins = np.array(plan.quantile_bins).reshape(-1, 2)
    shape = (len(unit_salts), len(SPLITS), len(bins), plan.per_bin)
    out = KeptSequences(np.full(shape, NONE, np.int32), np.full(shape, NONE, np.int32), np.zeros(shape, np.int8))
    if not out.rows.size:
        return out
    pooled = np.zeros(len(draws.ids), dtype=bool)
    pooled[draws.pool[draws.pool != NONE]] = True
    # The small term keeps rank 9 of 10 in the bin that ends at 0.9.
    ranks = bins * histogram.n_sequences + 1e-9
    hashed = hashes(draws.ids, salt(plan.seed, "quantile"))
    chosen = np.full(shape, np.iinfo(np.uint64).max, dtype=np.uint64)
    state = (hashed, unit_salts, histogram.counts, ranks, chosen, out.rows, out.addresses, out.exponents)

    def draw(low: int, high: int) -> None:
        from_pool = (pool_maxima, pool.rows, pool.addresses, pool.exponents, np.zeros_like(pooled))
        _draw(*from_pool, 0, len(bins), *state, low, high)
        for subset, kept in zip(draws.subsets, subsets, strict=True):
            from_subset = (kept.keys, kept.rows, kept.addresses, kept.exponents, pooled)
            _draw(*from_subset, subset.bin, subset.bin + 1, *state, low, high)

    over_ranges(len(unit_salts), draw)
    return out


@compiled
def _draw(
    keys: np.ndarray,  # float32 [unit split candidate]
    rows: np.ndarray,
    addresses: np.ndarray,
    exponents: np.ndarray,
    skipped: np.ndarray,  # bool [row]: sequences that were drawn from elsewhere
    first_bin: int,
    last_bin: int,  # one past the last bin that is filled
    hashed: np.ndarray,  # uint64 [row]
    unit_salts: np.ndarray,  # uint64 [unit]
    counts: np.ndarray,  # uint32 [unit histogram_bin]
    ranks: np.ndarray,  # float64 [bin 2]: a bin's ranks are above the first and not above the second
    chosen: np.ndarray,  # uint64 [unit split bin slot]: the hashes of what is drawn, ascending
    drawn_rows: np.ndarray,  # int32 [unit split bin slot]
    drawn_addresses: np.ndarray,
    drawn_exponents: np.ndarray,
    low: int,
    high: int,
) -> None:
    bits = keys.view(np.int32)
    below = np.zeros(counts.shape[1] + 1, dtype=np.int64)
    for unit in range(low, high):
        for number in range(counts.shape[1]):
            below[number + 1] = below[number] + counts[unit, number]
        for split in range(keys.shape[1]):
            for candidate in range(keys.shape[2]):
                row = rows[unit, split, candidate]
                if row < 0 or skipped[row]:
                    continue
                draw = (hashed[row] ^ unit_salts[unit]) * np.uint64(0x94D049BB133111EB)
                number = min(max((bits[unit, split, candidate] >> SHIFT) - FIRST + 1, 0), N_BINS - 1)
                inside = np.float64((draw >> np.uint64(12)) & np.uint64(0xFFFFFF)) / 2**24
                rank = below[number] + 1 + np.int64(inside * counts[unit, number]) if number else 1
                for of in range(first_bin, last_bin):
                    place = chosen.shape[3] - 1
                    there = chosen[unit, split, of]
                    if rank <= ranks[of, 0] or rank > ranks[of, 1] or draw >= there[place]:
                        continue
                    while place > 0 and draw < there[place - 1]:
                        there[place] = there[place - 1]
                        drawn_rows[unit, split, of, place] = drawn_rows[unit, split, of, place - 1]
                        drawn_addresses[unit, split, of, place] = drawn_addresses[unit, split, of, place - 1]
                        drawn_exponents[unit, split, of, place] = drawn_exponents[unit, split, of, place - 1]
                        place -= 1
                    there[place] = draw
                    drawn_rows[unit, split, of, place] = row
                    drawn_addresses[unit, split, of, place] = addresses[unit, split, candidate]
                    drawn_exponents[unit, split, of, place] = exponents[unit, split, candidate]
