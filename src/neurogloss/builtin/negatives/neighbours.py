"""Negatives on which similar units fire."""

from __future__ import annotations

from itertools import chain, zip_longest

from neurogloss.builtin.negatives.configs import NeighbourNegativesConfig
from neurogloss.interfaces.negatives import Negatives
from neurogloss.records.activations import ActivationRecord
from neurogloss.records.tokens import TokenSequence
from neurogloss.records.unit_records import SplitView


class NeighbourNegatives(Negatives):
    """Top records of the units that fire most like this one, where this one does not fire."""

    def __init__(self, config: NeighbourNegativesConfig) -> None:
        self._n_neighbours = config.n_neighbours

    def records(self, view: SplitView, n: int) -> tuple[ActivationRecord, ...]:
        """One of each neighbour in turn, each one's highest first; see `Negatives.records`."""
        tops = [
            [record.sequence for record in neighbour.view.records.top]
            for neighbour in view.neighbours(self._n_neighbours)
        ]
        in_turn = chain.from_iterable(zip_longest(*tops))
        different = {sequence.id: sequence for sequence in in_turn if isinstance(sequence, TokenSequence)}
        records = view.on(tuple(different.values()))
        return tuple([record for record in records if record.counted.any() and not view.fires(record)][:n])
