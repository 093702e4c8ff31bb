"""The statistics of a leaderboard: intervals, paired tests, agreement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from neurogloss.builtin.scorers import metrics
from neurogloss.records.units import UnitId

N_BOOTSTRAP = 2000
N_PERMUTATIONS = 9999
_AT_ONCE = 2_000_000
"""Numbers that a permutation test holds at a time."""


@dataclass(frozen=True)
class Estimate:
    """A mean over units, with the interval that resampling units gives."""

    value: float
    low: float | None
    """Lower end of the 95 % bootstrap interval; `None` for fewer than two units."""
    high: float | None
    n: int
    """Units."""


@dataclass(frozen=True)
class Comparison:
    """One row against another, on the units on which both have a score."""

    difference: Estimate
    p: float
    """Of the paired permutation test, two-sided."""
    p_holm: float
    """The same, corrected for all comparisons with the same reference."""


def estimate(values: Sequence[float], seed: int = 0) -> Estimate | None:
    """The mean of one value per unit, with its interval; `None` without values."""
    if not len(values):
        return None
    sums = np.stack([np.asarray(values, dtype=np.float64), np.ones(len(values))], axis=-1)
    low, high = metrics.interval(sums, metrics.mean, N_BOOTSTRAP, seed)
    return Estimate(float(np.mean(values)), low, high, len(values))


def sign_flip_p(differences: Sequence[float], seed: int = 0) -> float:
    """The two-sided p of a paired permutation test of the mean difference.

    Under the hypothesis that two rows do not differ, each unit's difference may as well have the other
    sign. All flips are enumerated up to 13 units; beyond, 9,999 are drawn.
    """
    drawn = stats.permutation_test(
        (np.asarray(differences, dtype=np.float64),),
        lambda values, axis: np.mean(values, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=N_PERMUTATIONS,
        batch=max(1, _AT_ONCE // len(differences)),
        random_state=seed,
    )
    return float(drawn.pvalue)


def compare(values: Mapping[UnitId, float], reference: Mapping[UnitId, float], seed: int = 0) -> Comparison | None:
    """Paired, on the units that both have; `None` for fewer than two of them. Not corrected yet."""
    differences = [values[unit] - reference[unit] for unit in values if unit in reference]
    found = estimate(differences, seed)
    if found is None or found.n < 2:
        return None
    p = sign_flip_p(differences, seed)
    return Comparison(found, p, p)


def corrected(comparisons: Sequence[Comparison | None]) -> list[Comparison | None]:
    """Comparisons with one reference, corrected together."""
    made = [comparison for comparison in comparisons if comparison]
    adjusted = iter(holm([comparison.p for comparison in made]))
    return [comparison and replace(comparison, p_holm=next(adjusted)) for comparison in comparisons]


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down correction: the i-th smallest of n times n - i + 1, never below those before it, at most 1.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    order = np.argsort(p, kind="stable")
    factors = len(p) - np.arange(len(p))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(np.asarray(p, dtype=np.float64)[order] * factors))
    return [float(each) for each in adjusted]


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Spearman's; `None` for fewer than three pairs, or where one side is constant."""
    if len(one) < 3 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(stats.spearmanr(one, other).statistic)
