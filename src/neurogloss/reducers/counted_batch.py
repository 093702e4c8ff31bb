"""A batch as every reducer reads it: its counted tokens, and which lists its sequences are offered to."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from neurogloss.records.tokens import Batch
from neurogloss.reducers.draws import SPLITS, SequenceDraws
from neurogloss.reducers.summarizing import AT_ONCE


class CountedBatch:
    """The sequences of a batch in which a token counts.

    Args:
        batch: The sequences.
        draws: What is drawn from all sequences.
    """

    def __init__(self, batch: Batch, draws: SequenceDraws) -> None:
        self.batch = batch
        self.present = np.flatnonzero(batch.counted.any(axis=1))
        """int64 [seq]: their rows in the batch's arrays."""
        chosen = [batch.sequences[row] for row in self.present]
        counted = batch.counted[self.present]
        self.lengths = counted.sum(axis=1)
        """int64 [seq]: counted tokens."""
        self.positions = _counted_positions(counted, self.lengths)
        """int64 [seq pos]: the counted positions, then the last of them again; a multiple of `AT_ONCE`."""
        self.weights = (np.arange(self.positions.shape[1]) < self.lengths[:, None]).astype(np.float32)
        """float32 [seq pos]: 1 at the counted positions, 0 at those that only repeat the last."""
        self.ids = np.array([sequence.id for sequence in chosen], dtype=np.int64)
        self.rows = draws.rows_of(self.ids)
        """int32 [seq]: rows in `SequenceDraws.ids`."""
        self.splits = np.array([SPLITS.index(sequence.split) for sequence in chosen], dtype=np.int64)
        """int64 [seq]: index into `SPLITS`."""
        self.subset_splits = np.where(draws.members[:, self.rows], self.splits, -1)
        """int64 [subset seq]: the split, -1 where the sequence is not in the subset."""
        places = np.searchsorted(draws.drawn, self.rows)
        inside = places < len(draws.drawn)
        inside[inside] = draws.drawn[places[inside]] == self.rows[inside]
        self.drawn = np.where(inside, places, -1)
        """int64 [seq]: index into `SequenceDraws.drawn`; -1 for those that are not kept for every unit."""

    def __len__(self) -> int:
        return len(self.present)

    @cached_property
    def token_ids(self) -> np.ndarray:
        """int64 [token]: the counted tokens, sequence by sequence."""
        token_ids: np.ndarray = self.batch.token_ids[self.batch.counted]
        return token_ids

    @cached_property
    def token_splits(self) -> np.ndarray:
        """int64 [token]: the split of each counted token."""
        return np.repeat(self.splits, self.lengths)


def _counted_positions(counted: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    # A stable sort puts the counted positions first, in order.
    positions = np.argsort(~counted, axis=1, kind="stable")
    places = np.arange(-(-counted.shape[1] // AT_ONCE) * AT_ONCE)
    return np.take_along_axis(positions, np.minimum(places, lengths[:, None] - 1), axis=1)
