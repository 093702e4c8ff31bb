"""Samples of sequences from bins of the quantiles of their maxima."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurogloss.reducers.best_sequences import BestSequences
from neurogloss.reducers.compiled import compiled
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
    shape = (len(unit_salts), len(SPLITS), len(plan.quantile_bins), plan.per_bin)
    out = KeptSequences(np.full(shape, NONE, np.int32), np.full(shape, NONE, np.int32), np.zeros(shape, np.int8))
    hashed = hashes(draws.ids, salt(plan.seed, "quantile"))
    pooled = np.zeros(len(draws.ids), dtype=bool)
    pooled[draws.pool[draws.pool != NONE]] = True
    of_bin = {subset.bin: kept for subset, kept in zip(draws.subsets, subsets, strict=True)}
    for number, (low, high) in enumerate(plan.quantile_bins):
        sources = [(pool_maxima, pool.rows, pool.addresses, pool.exponents, np.zeros(len(draws.ids), dtype=bool))]
        if number in of_bin:
            kept = of_bin[number]
            sources.append((kept.keys, kept.rows, kept.addresses, kept.exponents, pooled))
        chosen = np.full((*shape[:2], plan.per_bin), np.iinfo(np.uint64).max, dtype=np.uint64)
        # The small terms keep rank 9 of 10 in the bin that ends at 0.9.
        bounds = (low * histogram.n_sequences + 1e-9, high * histogram.n_sequences + 1e-9)
        for keys, rows, addresses, exponents, skipped in sources:
            _draw(
                *(keys, rows, addresses, exponents, skipped, hashed, unit_salts, histogram.counts, *bounds, chosen),
                *(out.rows[:, :, number], out.addresses[:, :, number], out.exponents[:, :, number]),
            )
    return out


@compiled
def _draw(
    keys: np.ndarray,  # float32 [unit split candidate]
    rows: np.ndarray,
    addresses: np.ndarray,
    exponents: np.ndarray,
    skipped: np.ndarray,  # bool [row]: sequences that were drawn from elsewhere
    hashed: np.ndarray,  # uint64 [row]
    unit_salts: np.ndarray,  # uint64 [unit]
    counts: np.ndarray,  # uint32 [unit bin]
    lowest: float,  # the rank that is below the bin's
    highest: float,
    chosen: np.ndarray,  # uint64 [unit split slot]: the hashes of what is drawn, ascending
    drawn_rows: np.ndarray,  # int32 [unit split slot]
    drawn_addresses: np.ndarray,
    drawn_exponents: np.ndarray,
) -> None:
    last = chosen.shape[2] - 1
    bits = keys.view(np.int32)
    for unit in range(keys.shape[0]):
        below = np.cumsum(counts[unit].astype(np.int64)) - counts[unit]
        for split in range(keys.shape[1]):
            for candidate in range(keys.shape[2]):
                row = rows[unit, split, candidate]
                if row < 0 or skipped[row]:
                    continue
                draw = (hashed[row] ^ unit_salts[unit]) * np.uint64(0x94D049BB133111EB)
                number = min(max((bits[unit, split, candidate] >> SHIFT) - FIRST + 1, 0), N_BINS - 1)
                inside = np.float64((draw >> np.uint64(12)) & np.uint64(0xFFFFFF)) / 2**24
                rank = below[number] + 1 + np.int64(inside * counts[unit, number]) if number else 1
                if rank <= lowest or rank > highest:
                    continue
                place = last
                if draw >= chosen[unit, split, place]:
                    continue
                while place > 0 and draw < chosen[unit, split, place - 1]:
                    chosen[unit, split, place] = chosen[unit, split, place - 1]
                    drawn_rows[unit, split, place] = drawn_rows[unit, split, place - 1]
                    drawn_addresses[unit, split, place] = drawn_addresses[unit, split, place - 1]
                    drawn_exponents[unit, split, place] = drawn_exponents[unit, split, place - 1]
                    place -= 1
                chosen[unit, split, place] = draw
                drawn_rows[unit, split, place] = row
                drawn_addresses[unit, split, place] = addresses[unit, split, candidate]
                drawn_exponents[unit, split, place] = exponents[unit, split, candidate]
