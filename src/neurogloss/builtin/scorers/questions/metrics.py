"""How near answers come to the truth, over items that are true or false.

Every metric takes weights, so that resamples of the items are rows of weights.
"""

from __future__ import annotations

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


def balanced_accuracy(truth: np.ndarray, said: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean of the share of true items called true and the share of false items called false."""
    tp, fp, fn, tn = _counts(truth, said, weights)
    return np.asarray((_ratio(tp, tp + fn) + _ratio(tn, tn + fp)) / 2)


def accuracy(truth: np.ndarray, said: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The share of items that are called what they are."""
    tp, fp, fn, tn = _counts(truth, said, weights)
    return _ratio(tp + tn, tp + fp + fn + tn)


def precision(truth: np.ndarray, said: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Of what is called true, the share that is; not defined where nothing is called true."""
    tp, fp, _, _ = _counts(truth, said, weights)
    return _ratio(tp, tp + fp)


def recall(truth: np.ndarray, said: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Of what is true, the share that is called true."""
    tp, _, fn, _ = _counts(truth, said, weights)
    return _ratio(tp, tp + fn)


def f1(truth: np.ndarray, said: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN)."""
    tp, fp, fn, _ = _counts(truth, said, weights)
    return _ratio(2 * tp, 2 * tp + fp + fn)


def iou(truth: np.ndarray, said: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Intersection over union of what is true and what is called true: TP / (TP + FP + FN)."""
    tp, fp, fn, _ = _counts(truth, said, weights)
    return _ratio(tp, tp + fp + fn)


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

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("balanced_accuracy", Reads.LABELS, balanced_accuracy, (_RARE_EXTRA,), (_RARE_EXTRA,)),
        Metric("accuracy", Reads.LABELS, accuracy, _RARE, (_RARE_EXTRA,)),
        Metric("precision", Reads.LABELS, precision, (MISSING_LABELS,), (MISSING_LABELS, _RARE_EXTRA)),
        Metric("recall", Reads.LABELS, recall, (EXTRA_LABELS, CONSTANT_ANSWERS), (EXTRA_LABELS, CONSTANT_ANSWERS)),
        Metric("f1", Reads.LABELS, f1, (), (_RARE_EXTRA,)),
        Metric("iou", Reads.LABELS, iou, (), (_RARE_EXTRA,)),
        Metric("auc", Reads.SCORES, auc, (_RARE_EXTRA, *_BENT), (_RARE_EXTRA, *_BENT)),
        Metric("auprc", Reads.SCORES, auprc, _BENT, (_RARE_EXTRA, *_BENT)),
    )
}
"""The metrics of question scorers, the headline first."""


def _counts(truth: np.ndarray, said: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, ...]:
    """Weights of true and false positives, false and true negatives, each [...].

    Either the weights are [... item], or what was said is.
    """
    yes, called = truth.astype(np.float64), said.astype(np.float64)
    kinds = (yes * called, (1 - yes) * called, yes * (1 - called), (1 - yes) * (1 - called))
    if called.ndim > 1:
        return tuple(kind @ weights for kind in kinds)
    return tuple(np.moveaxis(weights @ np.stack(kinds, axis=-1), -1, 0))


def _by_score(truth: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the true and of the false items at each different score, ascending: [... score]."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.nan) != 0)
    ranked = weights[..., order]
    yes = truth[order].astype(np.float64)
    return np.add.reduceat(ranked * yes, starts, axis=-1), np.add.reduceat(ranked * (1 - yes), starts, axis=-1)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.asarray(np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0))
