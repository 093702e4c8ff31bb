"""`SequenceDraws`: which sequences are kept whatever the activations, drawn before the subject runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from neurogloss.records.plans import CollectionPlan
from neurogloss.records.tokens import Split
from neurogloss.reducers.seeded_hash import hashes, salt

SPLITS = tuple(Split)
"""The order of the splits on every array's split axis."""
NONE = -1
"""Stands where a list has fewer sequences than slots."""

_POOLED = 20
"""A bin is filled from a pool that is kept for every unit if that takes at most this many sequences per slot."""


@dataclass(frozen=True)
class Subset:
    """A random part of each split from which one quantile bin is filled: of it, each unit keeps its highest."""

    bin: int
    """Index into the plan's bins."""
    size: int
    """Sequences of each split in it; of a smaller split, all."""
    kept: int
    """How many of the highest each unit keeps."""


class SequenceDraws:
    """The sequences of a corpus, and those that are drawn from them by seeded hashes of their ids.

    Quantile bins are filled from random parts of each split. A part is large enough that twice as many
    sequences as are wanted are expected in the bin. For wide bins it is a pool, kept whole for every unit;
    for narrow ones at the top it is larger, and each unit keeps those of its highest that can be in the bin.

    Args:
        ids: int64 [row]: the ids of all sequences, ascending.
        splits: int64 [row]: index into `SPLITS`.
        plan: How many to draw.
    """

    def __init__(self, ids: np.ndarray, splits: np.ndarray, plan: CollectionPlan) -> None:
        self.ids = ids
        self.splits = splits
        # More than there are cannot be kept, and slots for them would take memory.
        self._most = most = max(1, int(np.bincount(splits, minlength=1).max()))
        self.plan = plan = replace(
            plan,
            top_k=min(plan.top_k, most),
            n_random=min(plan.n_random, most),
            per_bin=min(plan.per_bin, most),
            n_importance=min(plan.n_importance, most),
        )
        sizes = [-(-2 * plan.per_bin // (high - low)) if plan.per_bin else 0 for low, high in plan.quantile_bins]
        pooled = [size for size in sizes if size <= _POOLED * plan.per_bin]
        self.random = self._smallest("random", plan.n_random)
        """int32 [split slot]: rows of the random sequences; `NONE` where a split has fewer."""
        self.pool = self._smallest("pool", int(max(pooled, default=0)))
        """int32 [split slot]: rows of those from which wide quantile bins are filled."""
        self.subsets = tuple(
            Subset(number, int(size), self._kept(size, plan.quantile_bins[number][0]))
            for number, size in enumerate(sizes)
            if size > _POOLED * plan.per_bin
        )
        """Those from which narrow bins are filled."""
        self.drawn = np.unique(np.concatenate([self.random.ravel(), self.pool.ravel()]))
        """int32 [seq]: rows of the random sequences and the pool, ascending: kept for every unit."""
        self.drawn = self.drawn[self.drawn != NONE]

    @cached_property
    def members(self) -> np.ndarray:
        """bool [subset row]: which sequences are in each of `subsets`."""
        found = np.zeros((len(self.subsets), len(self.ids)), dtype=bool)
        for number, subset in enumerate(self.subsets):
            rows = self._smallest(f"subset {subset.bin}", subset.size)
            found[number, rows[rows != NONE]] = True
        return found

    @cached_property
    def splits_there(self) -> np.ndarray:
        """int64 [split]: indices into `SPLITS` of those that have sequences, ascending."""
        return np.unique(self.splits)

    def rows_of(self, ids: np.ndarray) -> np.ndarray:
        """The rows of sequences, int32."""
        return np.searchsorted(self.ids, ids).astype(np.int32)

    def _kept(self, size: float, low: float) -> int:
        above = min(size, self._most) * (1 - low)
        # Twice the standard deviation of how many of the part lie above the bin's lower end.
        return int(np.ceil(above + 2 * above**0.5))

    def _smallest(self, purpose: str, n: int) -> np.ndarray:
        out = np.full((len(SPLITS), min(n, self._most)), NONE, dtype=np.int32)
        hashed = hashes(self.ids, salt(self.plan.seed, purpose))
        for split in range(len(SPLITS)):
            rows = np.flatnonzero(self.splits == split)
            chosen = rows[np.argsort(hashed[rows], kind="stable")[:n]]
            out[split, : len(chosen)] = chosen
        return out
