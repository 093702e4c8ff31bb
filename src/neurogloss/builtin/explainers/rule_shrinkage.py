"""What the mean of a token that was seen a few times is worth: it lies between what was seen and what is usual."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from neurogloss.builtin.explainers.rule_evidence import Evidence
from neurogloss.records.rules import shape

_STRENGTHS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 64.0)
"""As how many sightings what is usual may count."""


def shrunk(evidence: Evidence, values: np.ndarray) -> np.ndarray:
    """Values [row], those of each token moved together so that their mean lies nearer to what is usual.

    What is usual is the mean over the tokens of the same kind (their letters, and whether white space
    comes first), which counts as much as `k` more sightings of the token would. Of a few `k`, the one
    with which all other sightings of a token foretell each single one best, in squares. It is 0, and
    nothing moves, where equal tokens have equal values. The formula is that of the best linear
    predictor of group means: Robinson 1991, "That BLUP is a good thing".
    """
    size = len(evidence.texts)
    n = np.bincount(evidence.token, evidence.counts, size)
    sums = np.bincount(evidence.token, evidence.counts * values, size)
    means = np.divide(sums, n, out=np.zeros(size), where=n > 0)
    alone = slice(0, evidence.n_seen if evidence.n_random is None else evidence.n_random)
    token, seen = evidence.token[alone], values[alone]
    again = n[token] > 1
    token, seen = token[again], seen[again]

    def error(k: float) -> float:
        usual = _usual(evidence, means, n, k)[token]
        return float(((seen - (sums[token] - seen + k * usual) / (n[token] - 1 + k)) ** 2).sum())

    k = min(_STRENGTHS, key=error)
    share = np.divide(k, n + k, out=np.zeros(size), where=n > 0)
    return np.asarray(values + (share * (_usual(evidence, means, n, k) - means))[evidence.token])


def _usual(evidence: Evidence, means: np.ndarray, n: np.ndarray, k: float) -> np.ndarray:
    """The mean for tokens of its kind [text]; the mean over all tokens counts as one more of them."""
    kind = np.array(_kinds(evidence.texts))
    weights = np.divide(n, n + k, out=np.zeros(len(n)), where=n > 0)
    overall = float(n @ means) / max(1.0, float(n.sum()))
    of_kinds = (np.bincount(kind, weights * means) + overall) / (np.bincount(kind, weights) + 1)
    return np.asarray(of_kinds[kind])


@lru_cache(maxsize=2)
def _kinds(texts: Sequence[str]) -> tuple[int, ...]:
    numbers: dict[tuple[str, bool], int] = {}
    return tuple(numbers.setdefault((shape(text.strip()), text[:1].isspace()), len(numbers)) for text in texts)
