"""Negatives that mean nearly what the firing texts mean."""

from __future__ import annotations

import numpy as np

from neurogloss.builtin.negatives.configs import EmbeddingNegativesConfig
from neurogloss.builtin.negatives.quiet import quiet
from neurogloss.interfaces.embedder import Embedder
from neurogloss.interfaces.negatives import Negatives
from neurogloss.records.activations import ActivationRecord
from neurogloss.records.unit_records import SplitView


class EmbeddingNegatives(Negatives):
    """Sequences of the split's pool that are nearest, by cosine, to any of the highest firing records."""

    def __init__(self, config: EmbeddingNegativesConfig, embedder: Embedder) -> None:
        self._config = config
        self._embedder = embedder

    def records(self, view: SplitView, n: int) -> tuple[ActivationRecord, ...]:
        """The nearest first; see `Negatives.records`."""
        pool = quiet(view, view.on(view.pool(self._config.n_candidates)), self._config.n_candidates)
        firing = [record for record in view.records.top if view.fires(record)][: self._config.n_firing]
        if not pool or not firing:
            return pool[:n]
        vectors = self._embedder.embed([record.sequence.text for record in (*pool, *firing)])
        nearness = (vectors[: len(pool)] @ vectors[len(pool) :].T).max(axis=1)
        return tuple(pool[i] for i in np.argsort(-nearness, kind="stable")[:n])
