"""Items that are true or false, each with a number that should be higher where it is true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from neurogloss.builtin.scorers.configs import ResamplingConfig
from neurogloss.builtin.scorers.metrics import middle, resamples
from neurogloss.builtin.scorers.questions.configs import QuestionsConfig
from neurogloss.builtin.scorers.questions.metrics import METRICS
from neurogloss.interfaces.metric import Metric
from neurogloss.records.scores import Measure

AUC, AUPRC = METRICS["auc"], METRICS["auprc"]

Resampling = ResamplingConfig | QuestionsConfig
"""Both tell `n_bootstrap`, `n_permutations` and `seed`."""

Weighted = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From truth [item], numbers [item] and weights [... item] to values [...]; NaN where it is not defined."""


def difference(truth: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean number of the true items minus that of the false ones."""
    return mean_of(True)(truth, scores, weights) - mean_of(False)(truth, scores, weights)


def mean_of(wanted: bool) -> Weighted:
    """The mean number of the true, or of the false, items."""

    def mean(truth: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
        counted = weights * (truth == wanted)
        total = np.asarray(counted.sum(axis=-1))
        means: np.ndarray = np.divide(counted @ scores, total, out=np.full(total.shape, np.nan), where=total > 0)
        return means

    return mean


@dataclass(frozen=True, eq=False)
class Ranking:
    """The items."""

    truth: np.ndarray
    """bool [item]"""
    scores: np.ndarray
    """float64 [item]"""
    groups: np.ndarray
    """str [item]: what each item stands for; the items of a group are all true or all false."""
    documents: np.ndarray
    """str [item]: whole documents are resampled."""

    @property
    def constant(self) -> bool:
        """All items have the same number."""
        return bool(np.ptp(self.scores) == 0)

    def firing(self, least: float) -> Ranking:
        """The same items with 1 where the number is at least `least`, and 0 elsewhere; the AUC of these is the mean
        of the share of the true items that fire and of the false ones that do not."""
        return replace(self, scores=(self.scores >= least).astype(np.float64))

    def taking(self, group: str) -> Ranking:
        """The items of a group, with all that are true where they are false, or the other way round."""
        own = self.groups == group
        rows = own | (self.truth != self.truth[own][0])
        return Ranking(self.truth[rows], self.scores[rows], self.groups[rows], self.documents[rows])

    def metric(self, metric: Metric, config: Resampling) -> Measure:
        """A metric with its interval."""
        return self.measure(metric.weighted, config, metric.insensitive_balanced)

    def measure(self, weighted: Weighted, config: Resampling, insensitive_to: tuple[str, ...] = ()) -> Measure:
        """A value with its interval."""
        value = float(weighted(self.truth, self.scores, np.ones(len(self.truth))))
        if not np.isfinite(value):
            return Measure(None, insensitive_to=insensitive_to)
        documents, rows = np.unique(self.documents, return_inverse=True)
        low, high = None, None
        if len(documents) > 1 and config.n_bootstrap:
            weights = resamples(len(documents), config.n_bootstrap, config.seed)[:, rows]
            low, high = middle(weighted(self.truth, self.scores, weights))
        return Measure(value, low, high, insensitive_to)

    def floors(self, weighted: Weighted, config: Resampling) -> dict[str, float]:
        """What a value is for equal numbers, and the 95th percentile of it for numbers in random places."""
        ones = np.ones(len(self.truth))
        floors = {"constant": float(weighted(self.truth, np.zeros(len(self.truth)), ones))}
        rng = np.random.default_rng(config.seed)
        chance = [float(weighted(self.truth, rng.permutation(self.scores), ones)) for _ in range(config.n_permutations)]
        if chance:
            floors["shuffled"] = float(np.quantile(chance, 0.95))
        return {name: value for name, value in floors.items() if np.isfinite(value)}
