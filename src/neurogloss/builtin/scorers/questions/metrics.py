"""How near answers come to the truth, over items that are true or false.

Every metric takes weights, so that resamples of the items are rows of weights. What labels are worth depends on four
counts alone, and those of all resamples and parts of the items are one matrix product.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

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


class OfCounts(Protocol):
    """From weights of true and false positives, false and true negatives [...] to values [...]; NaN if not defined."""

    __name__: str

    def __call__(self, tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, tn: np.ndarray) -> np.ndarray: ...


def balanced_accuracy(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, tn: np.ndarray) -> np.ndarray:
    """The mean of the share of true items called true and the share of false items called false."""
    return np.asarray((_ratio(tp, tp + fn) + _ratio(tn, tn + fp)) / 2)


def accuracy(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, tn: np.ndarray) -> np.ndarray:
    """The share of items that are called what they are."""
    return _ratio(tp + tn, tp + fp + fn + tn)


def precision(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, tn: np.ndarray) -> np.ndarray:
    """Of what is called true, the share that is; not defined where nothing is called true."""
    return _ratio(tp, tp + fp)


def recall(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, tn: np.ndarray) -> np.ndarray:
    """Of what is true, the share that is called true."""
    return _ratio(tp, tp + fn)


def f1(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, tn: np.ndarray) -> np.ndarray:
    """The harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN)."""
    return _ratio(2 * tp, 2 * tp + fp + fn)


def iou(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, tn: np.ndarray) -> np.ndarray:
    """Intersection over union of what is true and what is called true: TP / (TP + FP + FN)."""
    return _ratio(tp, tp + fp + fn)


def counts(true: np.ndarray, false: np.ndarray, said: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, ...]:
    """Weights of true and false positives, false and true negatives, each [...] or [... part].

    Args:
        true: bool [item] or [part item]: the items that count and are true.
        false: The same of those that are false.
        said: bool [... item]: which are called true.
        weights: float64 [... item]
    """
    called, kinds = weights * said, [kind.T.astype(np.float64) for kind in (true, false)]
    positives = [called @ kind for kind in kinds]
    return (*positives, *(weights @ kind - found for kind, found in zip(kinds, positives, strict=True)))


def auc(truth: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """How often a true item scores above a false one, equal scores counting half (the area under the ROC curve)."""
    true, false = _by_score(truth, scores, weights)
    below = np.cumsum(false, axis=-1) - false
    pairs = true.sum(axis=-1) * false.sum(axis=-1)
    return _ratio((true * (below + false / 2)).sum(axis=-1), pairs)


def auprc(truth: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average precision: over the thresholds, each one's precision, weighted by the recall that it adds."""
    true, false = (np.flip(sums, axis=-1) for sums in _by_score(truth, scores, weights))
    found = np.cumsum(true, axis=-1)
    called = found + np.cumsum(false, axis=-1)
    precisions = np.divide(found, called, out=np.zeros_like(found), where=called > 0)
    return _ratio((true * precisions).sum(axis=-1), true.sum(axis=-1))


_RARE_MISSING = MISSING_LABELS + AT_RARE_CONCEPTS
_RARE_EXTRA = EXTRA_LABELS + AT_RARE_CONCEPTS
_RARE = (_RARE_MISSING, _RARE_EXTRA, CONSTANT_ANSWERS + AT_RARE_CONCEPTS, SHUFFLED_LABELS + AT_RARE_CONCEPTS)
_BENT = (LINEAR_RESCALING, MONOTONE_RESCALING)


def _of_labels(of_counts: OfCounts, natural: tuple[str, ...], balanced: tuple[str, ...]) -> Metric:
    def weighted(truth: np.ndarray, said: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return of_counts(*counts(truth, ~truth, said, weights))

    return Metric(of_counts.__name__, Reads.LABELS, weighted, natural, balanced)


OF_COUNTS = {each.__name__: each for each in (balanced_accuracy, accuracy, precision, recall, f1, iou)}
"""The metrics that read labels, from the four counts."""

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        _of_labels(balanced_accuracy, (_RARE_EXTRA,), (_RARE_EXTRA,)),
        _of_labels(accuracy, _RARE, (_RARE_EXTRA,)),
        _of_labels(precision, (MISSING_LABELS,), (MISSING_LABELS, _RARE_EXTRA)),
        _of_labels(recall, (EXTRA_LABELS, CONSTANT_ANSWERS), (EXTRA_LABELS, CONSTANT_ANSWERS)),
        _of_labels(f1, (), (_RARE_EXTRA,)),
        _of_labels(iou, (), (_RARE_EXTRA,)),
        Metric("auc", Reads.SCORES, auc, (_RARE_EXTRA, *_BENT), (_RARE_EXTRA, *_BENT)),
        Metric("auprc", Reads.SCORES, auprc, _BENT, (_RARE_EXTRA, *_BENT)),
    )
}
"""The metrics of question scorers, the headline first."""


def _by_score(truth: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the true and of the false items at each different score, ascending: [... score]."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.nan) != 0)
    ranked = weights[..., order]
    yes = truth[order].astype(np.float64)
    return np.add.reduceat(ranked * yes, starts, axis=-1), np.add.reduceat(ranked * (1 - yes), starts, axis=-1)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.asarray(np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0))
