"""Negatives on which similar units fire."""

from __future__ import annotations

from neurogloss.builtin.negatives.configs import NeighbourNegativesConfig
from neurogloss.builtin.negatives.quiet import quiet_on_tops_of
from neurogloss.interfaces.negatives import Negatives
from neurogloss.records.activations import ActivationRecord
from neurogloss.records.unit_records import SplitView


class NeighbourNegatives(Negatives):
    """Top records of the units that fire most like this one, where this one does not fire."""

    def __init__(self, config: NeighbourNegativesConfig) -> None:
        self._n_neighbours = config.n_neighbours

    def records(self, view: SplitView, n: int) -> tuple[ActivationRecord, ...]:
        """One of each neighbour in turn, each one's highest first; see `Negatives.records`."""
        neighbours = view.neighbours(self._n_neighbours)
        return quiet_on_tops_of(view, (neighbour.view for neighbour in neighbours), n)
