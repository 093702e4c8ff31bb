"""How near simulated values come to real ones.

Every metric is a function of a few sums over tokens. The sums of a whole are the sums of its parts,
so a thousand resamples of documents cost one matrix product.

Source of the three metrics: Bills et al. 2023, "Language models can explain neurons in language models".
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from neurogloss.interfaces.metric import AT_RARE_CONCEPTS, EXTRA_LABELS, LINEAR_RESCALING, Metric, Reads

OfSums = Callable[[np.ndarray], np.ndarray]
"""From sums [... term] to values [...]; NaN where the metric is not defined."""

Ends = tuple[float | None, float | None]
"""Of an interval; `None` where nothing is defined."""

_CONSTANT = 1e-12
"""A variance below this share of the mean square is rounding error: the values are constant."""


def token_terms(real: np.ndarray, simulated: np.ndarray) -> np.ndarray:
    """What the metrics sum over tokens.

    Values are shifted by their median before they are multiplied: correlation does not depend on
    the shift, and large means would cost digits.

    Args:
        real: The unit's values [token].
        simulated: The predicted ones [token].

    Returns:
        float64 [token term].
    """
    r, s = (values.astype(np.float64) for values in (real, simulated))
    dr, ds = r - np.median(r), s - np.median(s)
    terms = (np.ones_like(r), dr, ds, dr * dr, ds * ds, dr * ds, r * r, (r - s) ** 2, np.abs(r), np.abs(r - s))
    return np.stack(terms, axis=-1)


def correlation(sums: np.ndarray) -> np.ndarray:
    """Pearson's: cov(r, s) / (sd(r) sd(s)); not defined for constant r, 0 for constant s alone."""
    r, s, rr, ss, rs = (sums[..., i] / sums[..., 0] for i in range(1, 6))
    real_variance, simulated_variance = rr - r * r, ss - s * s
    real_varies = real_variance > _CONSTANT * rr
    both_vary = real_varies & (simulated_variance > _CONSTANT * ss)
    spread = np.sqrt(np.where(both_vary, real_variance * simulated_variance, 1))
    value = np.where(both_vary, np.clip((rs - r * s) / spread, -1, 1), 0)
    return np.where(real_varies, value, np.nan)


def r2(sums: np.ndarray) -> np.ndarray:
    """1 - mean((r - s)^2) / mean(r^2): not centred, so s = 0 gives 0; not defined for r = 0."""
    return 1 - _ratio(sums[..., 7], sums[..., 6])


def absolute_deviation(sums: np.ndarray) -> np.ndarray:
    """1 - mean|r - s| / mean|r|: s = 0 gives 0; not defined for r = 0."""
    return 1 - _ratio(sums[..., 9], sums[..., 8])


def mean(sums: np.ndarray) -> np.ndarray:
    """Of what was summed and counted: sums [... 2] of (value, 1)."""
    return _ratio(sums[..., 0], sums[..., 1])


METRICS: dict[str, OfSums] = {"correlation": correlation, "r2": r2, "absolute_deviation": absolute_deviation}

_RARE_EXTRA = EXTRA_LABELS + AT_RARE_CONCEPTS


def _declared(name: str, of_sums: OfSums, *more: str) -> Metric:
    def weighted(real: np.ndarray, simulated: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return of_sums(weights @ token_terms(real, simulated))

    return Metric(name, Reads.VALUES, weighted, more, (_RARE_EXTRA, *more))


DECLARED = {
    "correlation": _declared("correlation", correlation, LINEAR_RESCALING),
    "r2": _declared("r2", r2),
    "absolute_deviation": _declared("absolute_deviation", absolute_deviation),
}
"""The same metrics with what they do not notice: over all tokens, or over sequences half of which fire."""


def sums_by(groups: np.ndarray, terms: np.ndarray) -> np.ndarray:
    """Sums terms [item term] over the items of each group [item], groups being any integers.

    Returns:
        float64 [group term], in ascending order of the groups.
    """
    names, rows = np.unique(groups, return_inverse=True)
    sums = np.zeros((len(names), terms.shape[-1]))
    np.add.at(sums, rows, terms)
    return sums


def interval(document_sums: np.ndarray, metric: OfSums, n: int, seed: int) -> Ends:
    """The 95 % bootstrap interval (percentile method) of a metric, resampling documents.

    Tokens of one document depend on each other, so whole documents are drawn, with replacement.
    Resamples in which the metric is not defined are left out. The draws depend on the seed and the
    number of documents alone.

    Args:
        document_sums: Sums of each document [document term].
        metric: What to compute of their total.
        n: How many resamples.
        seed: Of the draws.

    Returns:
        Lower and upper end; `None` for fewer than two documents or if no resample defines the metric.
    """
    if len(document_sums) < 2 or n < 1:
        return None, None
    return middle(metric(resamples(len(document_sums), n, seed) @ document_sums))


@lru_cache(maxsize=64)
def resamples(size: int, n: int, seed: int) -> np.ndarray:
    """How often each of `size` documents is in each of `n` resamples, int64 [resample document]; read only."""
    draws = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), size=n)
    draws.flags.writeable = False
    return draws


@lru_cache(maxsize=64)
def permutations(size: int, n: int, seed: int) -> np.ndarray:
    """`n` orders of `size` things, int64 [order place]; read only."""
    orders = np.random.default_rng(seed).permuted(np.tile(np.arange(size), (n, 1)), axis=1)
    orders.flags.writeable = False
    return orders


def middle(values: np.ndarray) -> Ends:
    """The ends of the middle 95 % of the defined values [resample]."""
    values = values[np.isfinite(values)]
    if not len(values):
        return None, None
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def middles(values: np.ndarray) -> list[Ends]:
    """`middle` of each row of values [row resample]."""
    whole = np.isfinite(values).all(axis=1) & (values.shape[1] > 0)
    low, high = np.quantile(values[whole], [0.025, 0.975], axis=1) if whole.any() else ([], [])
    ends = zip(map(float, low), map(float, high), strict=True)
    return [next(ends) if complete else middle(row) for row, complete in zip(values, whole, strict=True)]


def shuffled_correlations(terms: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Correlations after the simulated values are permuted at random among the tokens.

    Args:
        terms: Of `token_terms` [token term].
        n: How many permutations.
        seed: Of the permutations.

    Returns:
        float64 [permutation]
    """
    real, simulated = terms[:, 1], terms[:, 2]
    sums = np.tile(terms.sum(axis=0), (n, 1))
    # Of what a correlation depends on, a permutation changes the sum of products alone.
    sums[:, 5] = np.random.default_rng(seed).permuted(np.tile(simulated, (n, 1)), axis=1) @ real
    return correlation(sums)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)
