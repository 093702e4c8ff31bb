from __future__ import annotations

import pytest

from neurogloss.leaderboard import statistics
from neurogloss.records.units import UnitId


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1.0, 2.0, 3.0], 2 / 8),  # of the 8 flips, all signs alike reach a sum of 6
        ([3.0, -1.0], 1.0),  # the sums are 4, 2, -2, -4
        ([1.0, 1.0, 1.0, 1.0, 1.0], 2 / 32),
        ([-0.5, 0.5, 0.5, 0.5], 10 / 16),  # sums of 1 or more: 1 flip gives 2, 4 give 1; likewise below
        ([0.0, 0.0], 1.0),
    ],
)
def test_all_sign_flips_of_few_units_are_counted(differences: list[float], p: float) -> None:
    assert statistics.sign_flip_p(differences) == pytest.approx(p)


def test_many_units_are_flipped_at_random_with_a_seed() -> None:
    differences = [0.1 * (i % 5) - 0.1 for i in range(40)]
    assert statistics.sign_flip_p(differences) == statistics.sign_flip_p(differences)
    assert statistics.sign_flip_p(differences) < 0.001
    assert statistics.sign_flip_p([1.0, -1.0] * 20) > 0.9


def test_holm() -> None:
    # In order: 0.005 * 4, 0.01 * 3, 0.03 * 2, and 0.04 * 1, which may not fall below the one before.
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([0.5, 0.9]) == [1.0, 1.0]
    assert statistics.holm([]) == []


def test_the_interval_resamples_units() -> None:
    # Of two units both resampled means at the ends have probability 1/4.
    found = statistics.estimate([0.2, 0.4])
    assert found is not None
    assert (found.value, found.low, found.high, found.n) == pytest.approx((0.3, 0.2, 0.4, 2))
    alone = statistics.estimate([0.2])
    assert alone is not None
    assert (alone.low, alone.high) == (None, None)
    assert statistics.estimate([]) is None


def test_comparisons_are_paired_on_the_units_that_both_have() -> None:
    a, b, c = (UnitId("s", i) for i in range(3))
    found = statistics.compare({a: 0.5, b: 0.9, c: 0.7}, {a: 0.4, c: 0.4})
    assert found is not None
    assert (found.difference.value, found.difference.n, found.p) == (pytest.approx(0.2), 2, 0.5)
    assert statistics.compare({a: 0.5}, {a: 0.1, b: 0.3}) is None


def test_rank_correlation() -> None:
    assert statistics.rank_correlation([1, 2, 30], [5, 6, 7]) == pytest.approx(1)
    assert statistics.rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert statistics.rank_correlation([1, 1, 1], [3, 2, 1]) is None
    assert statistics.rank_correlation([1, 2], [1, 2]) is None
