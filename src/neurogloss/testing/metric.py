"""The contract of a metric: which faults of a prediction it notices is measured, and must be what it declares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from neurogloss.interfaces.metric import (
    AT_RARE_CONCEPTS,
    CONSTANT_ANSWERS,
    EXTRA_LABELS,
    LINEAR_RESCALING,
    MISSING_LABELS,
    MONOTONE_RESCALING,
    SHUFFLED_LABELS,
    Metric,
    Reads,
)
from neurogloss.testing.contract import Contract, override_fixture

FREQUENCIES = (0.5, 0.05, 0.001)
"""How many of the items are true, of each array that a metric is tried on."""
FAULTS = (
    MISSING_LABELS,
    EXTRA_LABELS,
    CONSTANT_ANSWERS,
    SHUFFLED_LABELS,
    LINEAR_RESCALING,
    MONOTONE_RESCALING,
)
NOTICED = 0.05
"""A fault is noticed where the metric falls by at least this share of what the truth itself gets."""
_N_ITEMS = 10_000


@dataclass(frozen=True, eq=False)
class Trial:
    """Items of which some are true, and the prediction of one who knows."""

    reads: Reads
    truth: np.ndarray
    """[item]: what the metric is given as the truth."""
    positive: np.ndarray
    """bool [item]"""
    oracle: np.ndarray
    """[item]"""
    looked_at: np.ndarray
    """int64 [looked]: the items that are asked about."""

    @classmethod
    @cache
    def of(cls, reads: Reads, frequency: float, *, balanced: bool) -> Trial:
        """Items of which a share is true; all of them, or as many false as true ones, are looked at."""
        rng = np.random.default_rng(1)
        positive = np.arange(_N_ITEMS) < round(frequency * _N_ITEMS)
        values = np.where(positive, 1 + rng.gamma(2, 1, _N_ITEMS), 0)
        oracle = {Reads.LABELS: positive, Reads.SCORES: (positive + rng.random(_N_ITEMS)) / 2, Reads.VALUES: values}
        looked_at = np.arange(_N_ITEMS)
        if balanced:
            n = int(positive.sum())
            looked_at = np.concatenate([np.arange(n), n + rng.permutation(_N_ITEMS - n)[:n]])
        return cls(reads, values if reads is Reads.VALUES else positive, positive, oracle[reads], looked_at)

    def value(self, metric: Metric, predicted: np.ndarray) -> float:
        """The metric over the items that are looked at."""
        return metric(self.truth[self.looked_at], predicted[self.looked_at])

    def faulty(self, fault: str) -> Iterator[np.ndarray]:
        """Predictions with a fault, all of which the metric is to notice."""
        rng = np.random.default_rng(2)
        yes, no = np.flatnonzero(self.positive), np.flatnonzero(~self.positive)
        predicted = self.oracle.copy()
        if fault == CONSTANT_ANSWERS:
            # Whoever answers the same everywhere may choose what: the best of them counts, see `noticed`.
            yield np.full_like(self.oracle, self.oracle[no].mean() if self.reads is not Reads.LABELS else False)
            yield np.full_like(self.oracle, self.oracle[yes].mean() if self.reads is not Reads.LABELS else True)
        elif fault == SHUFFLED_LABELS:
            predicted[self.looked_at] = rng.permutation(predicted[self.looked_at])
            yield predicted
        elif fault == MISSING_LABELS:
            lost = rng.permutation(yes)[: len(yes) // 2]
            predicted[lost] = rng.choice(self.oracle[no], len(lost))
            yield predicted
        elif fault == EXTRA_LABELS:
            added = rng.permutation(no)[: len(yes)]
            predicted[added] = rng.choice(self.oracle[yes], len(added))
            yield predicted
        elif self.reads is not Reads.LABELS:
            yield 2 * self.oracle + 1 if fault == LINEAR_RESCALING else self.oracle**3

    def noticed(self, metric: Metric, fault: str) -> bool:
        """Whether the metric falls where it is to fall; what is not defined is noticed."""
        best = self.value(metric, self.oracle)
        values = [value for value in (self.value(metric, each) for each in self.faulty(fault)) if np.isfinite(value)]
        return max(values, default=-np.inf) <= best - NOTICED * abs(best)


def measured_insensitivity(metric: Metric, fault: str, *, balanced: bool) -> str | None:
    """How a metric would have to declare that it does not notice a fault; `None` if it does, or the fault is none.

    A fault that goes unnoticed at every frequency is declared by its name; one that is noticed where
    half of the items are true, and not where one in a thousand is, by its name and `AT_RARE_CONCEPTS`.
    """
    if metric.reads is Reads.LABELS and fault in (LINEAR_RESCALING, MONOTONE_RESCALING):
        return None
    noticed = [Trial.of(metric.reads, share, balanced=balanced).noticed(metric, fault) for share in FREQUENCIES]
    if noticed[-1]:
        return None
    return fault + AT_RARE_CONCEPTS if noticed[0] else fault


class MetricContract(Contract):
    """What every metric does; under a second, on arrays alone.

    ```
    class TestMine(MetricContract):
        @pytest.fixture
        def metric(self):
            return Metric("mine", Reads.LABELS, my_function)
    ```
    A metric may fail to notice a fault. Then it declares it in `insensitive_to` (over all items) or
    `insensitive_balanced` (over as many false as true items); the failing test says what to declare.
    """

    @pytest.fixture
    def metric(self) -> Metric:
        """The metric."""
        override_fixture("MetricContract", "metric")

    @pytest.mark.parametrize("fault", FAULTS)
    def test_what_it_does_not_notice_is_declared(self, metric: Metric, fault: str) -> None:
        self._check(metric, fault, metric.insensitive_to, balanced=False)

    @pytest.mark.parametrize("fault", FAULTS)
    def test_what_it_does_not_notice_on_balanced_items_is_declared(self, metric: Metric, fault: str) -> None:
        self._check(metric, fault, metric.insensitive_balanced, balanced=True)

    def _check(self, metric: Metric, fault: str, declared: tuple[str, ...], *, balanced: bool) -> None:
        told = {name for name in declared if name in (fault, fault + AT_RARE_CONCEPTS)}
        found = measured_insensitivity(metric, fault, balanced=balanced)
        assert told == ({found} if found else set()), f"declared: {told or 'nothing'}; measured: {found or 'nothing'}"

    def test_only_known_faults_are_declared(self, metric: Metric) -> None:
        known = {*FAULTS, *(fault + AT_RARE_CONCEPTS for fault in FAULTS)}
        assert {*metric.insensitive_to, *metric.insensitive_balanced} <= known

    @pytest.mark.parametrize("frequency", FREQUENCIES)
    def test_an_oracle_gets_the_best_value(self, metric: Metric, frequency: float) -> None:
        trial = Trial.of(metric.reads, frequency, balanced=False)
        best = trial.value(metric, trial.oracle)
        assert best == pytest.approx(1), "1 is the best value"
        for fault in FAULTS:
            for predicted in trial.faulty(fault):
                assert not trial.value(metric, predicted) > best + 1e-9, f"{fault} beat the truth"

    def test_a_weight_is_a_number_of_items(self, metric: Metric) -> None:
        truth, predicted = _few(metric.reads)
        weights = np.tile([[1], [3], [0]], len(truth))[:, : len(truth)] * np.arange(1, len(truth) + 1)
        weights[2, ::2] = 2
        found = metric.weighted(truth, predicted, weights.astype(np.float64))
        repeated = [metric(np.repeat(truth, row), np.repeat(predicted, row)) for row in weights]
        assert found.shape == (3,), "a row of weights gives one value"
        np.testing.assert_allclose(found, repeated, atol=1e-9)

    def test_the_order_of_the_items_does_not_matter(self, metric: Metric) -> None:
        truth, predicted = _few(metric.reads)
        order = np.random.default_rng(0).permutation(len(truth))
        assert metric(truth[order], predicted[order]) == pytest.approx(metric(truth, predicted), abs=1e-9)

    def test_its_inputs_are_left_alone(self, metric: Metric) -> None:
        truth, predicted = _few(metric.reads)
        copies = truth.copy(), predicted.copy()
        metric(truth, predicted)
        assert np.array_equal(truth, copies[0])
        assert np.array_equal(predicted, copies[1])

    def test_what_is_not_defined_raises_nothing(self, metric: Metric) -> None:
        truth, predicted = _few(metric.reads)
        for same in (np.zeros_like(truth), np.ones_like(truth)):
            assert isinstance(metric(same, predicted), float)


def _few(reads: Reads) -> tuple[np.ndarray, np.ndarray]:
    """A dozen items with a prediction that is partly wrong, equal scores included."""
    truth = np.array([1, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 1], dtype=bool)
    scores = np.array([0.9, 0.2, 0.4, 0.8, 0.4, 0.1, 0.7, 0.6, 0.4, 0.2, 0.3, 0.2])
    if reads is Reads.VALUES:
        return np.where(truth, 1 + 2 * scores[::-1], 0.0), 3 * scores
    return truth, scores if reads is Reads.SCORES else scores > 0.5
