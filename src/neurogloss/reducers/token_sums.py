"""Sums of a unit's activations per token of the vocabulary."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neurogloss.records.tokens import Split
from neurogloss.reducers.counted_batch import CountedBatch
from neurogloss.reducers.draws import SPLITS

_EXPLAIN = SPLITS.index(Split.EXPLAIN)


class TokenSums:
    """Sum and count per token id over all counted tokens of the explain split.

    Rows are given out as token ids are first seen, so that memory follows the vocabulary in use.

    Args:
        n_units: Units at the site.
    """

    def __init__(self, n_units: int) -> None:
        self._row_of = np.zeros(0, dtype=np.int64)  # by token id; -1 where not seen
        self._token_ids = np.zeros(0, dtype=np.int64)
        self._counts = np.zeros(0, dtype=np.int64)
        self._sums = np.zeros((0, n_units))

    def add(self, batch: CountedBatch, activations: np.ndarray, signs: np.ndarray) -> None:
        """Takes in a batch's activations, float32 [seq pos unit], times the units' signs, float32 [unit]."""
        chosen = np.flatnonzero(batch.token_splits == _EXPLAIN)
        if not len(chosen):
            return
        chosen = chosen[np.argsort(batch.token_ids[chosen], kind="stable")]
        token_ids, starts, counts = np.unique(batch.token_ids[chosen], return_index=True, return_counts=True)
        values = activations[batch.batch.counted][chosen].astype(np.float64)
        self._add(token_ids, counts, np.add.reduceat(values, starts, axis=0) * signs)

    def merge(self, other: TokenSums) -> None:
        """Takes in the sums of other sequences."""
        self._add(*(other.arrays()[name] for name in ("token_ids", "counts", "sums")))

    def _add(self, token_ids: np.ndarray, counts: np.ndarray, sums: np.ndarray) -> None:
        rows = self._rows(token_ids)
        self._counts[rows] += counts
        self._sums[rows] += sums

    def _rows(self, token_ids: np.ndarray) -> np.ndarray:
        """The rows of distinct token ids; new ones are given rows, and the table grows by doubling."""
        beyond = int(token_ids.max(initial=-1)) + 1 - len(self._row_of)
        if beyond > 0:
            self._row_of = np.pad(self._row_of, (0, beyond), constant_values=-1)
        new = token_ids[self._row_of[token_ids] < 0]
        used = len(self._token_ids)
        self._row_of[new] = np.arange(used, used + len(new))
        self._token_ids = np.concatenate([self._token_ids, new])
        if len(self._token_ids) > len(self._counts):
            growth = 2 * len(self._token_ids) - len(self._counts)
            self._counts = np.pad(self._counts, (0, growth))
            self._sums = np.pad(self._sums, ((0, growth), (0, 0)))
        rows: np.ndarray = self._row_of[token_ids]
        return rows

    def arrays(self) -> dict[str, np.ndarray]:
        """The state: `token_ids` ascending and `counts`, int64 [token]; `sums`, float64 [token unit]."""
        order = np.argsort(self._token_ids)
        return {
            "token_ids": self._token_ids[order],
            "counts": self._counts[order],
            "sums": self._sums[order],
        }

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Puts a state from `arrays` into these sums, which are still empty."""
        self._add(arrays["token_ids"], arrays["counts"], arrays["sums"])
