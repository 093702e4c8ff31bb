"""The metrics of question scorers, against values worked out by hand and by counting."""

from __future__ import annotations

import numpy as np
import pytest

from neurogloss.builtin.scorers.questions.metrics import METRICS

TRUTH = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0], dtype=bool)
SAID = np.array([1, 1, 1, 0, 1, 0, 0, 0, 0, 0], dtype=bool)  # TP 3, FN 1, FP 1, TN 5


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("balanced_accuracy", (3 / 4 + 5 / 6) / 2),
        ("accuracy", 8 / 10),
        ("precision", 3 / 4),
        ("recall", 3 / 4),
        ("f1", 6 / 8),
        ("iou", 3 / 5),
    ],
)
def test_worked_values(name: str, expected: float) -> None:
    assert METRICS[name](TRUTH, SAID) == pytest.approx(expected)


def test_none_is_right_five_times_in_seven() -> None:
    """SAEBench asks about 4 texts that fire and 10 that do not."""
    truth = np.arange(14) < 4
    assert METRICS["accuracy"](truth, np.zeros(14, dtype=bool)) == pytest.approx(0.714, abs=5e-4)
    assert METRICS["balanced_accuracy"](truth, np.zeros(14, dtype=bool)) == 0.5


def test_auc_counts_pairs() -> None:
    rng = np.random.default_rng(0)
    truth, scores = rng.random(40) < 0.3, rng.integers(0, 6, 40) / 5
    pairs = [
        (scores[i] > scores[j]) + (scores[i] == scores[j]) / 2
        for i in np.flatnonzero(truth)
        for j in np.flatnonzero(~truth)
    ]
    assert METRICS["auc"](truth, scores) == pytest.approx(np.mean(pairs))


def test_average_precision_steps_through_the_thresholds() -> None:
    truth = np.array([1, 0, 1, 1, 0], dtype=bool)
    scores = np.array([0.9, 0.8, 0.7, 0.7, 0.1])
    # At 0.9: recall +1/3 at precision 1. At 0.7, both at once: recall +2/3 at precision 3/4.
    assert METRICS["auprc"](truth, scores) == pytest.approx(1 / 3 + 2 / 3 * 3 / 4)


@pytest.mark.parametrize(
    ("name", "truth", "predicted"),
    [
        ("balanced_accuracy", [1, 1], [1, 0]),
        ("precision", [1, 0], [0, 0]),
        ("recall", [0, 0], [1, 0]),
        ("f1", [0, 0], [0, 0]),
        ("auc", [1, 1], [0.2, 0.3]),
        ("auprc", [0, 0], [0.2, 0.3]),
    ],
)
def test_what_is_not_defined_is_nan(name: str, truth: list[int], predicted: list[float]) -> None:
    dtype = bool if name not in ("auc", "auprc") else float
    assert np.isnan(METRICS[name](np.array(truth, dtype=bool), np.array(predicted, dtype=dtype)))
