"""Negatives that nothing was done to find."""

from __future__ import annotations

from neurogloss.builtin.negatives.configs import RandomNegativesConfig
from neurogloss.builtin.negatives.quiet import quiet
from neurogloss.interfaces.negatives import Negatives
from neurogloss.records.activations import ActivationRecord
from neurogloss.records.unit_records import SplitView


class RandomNegatives(Negatives):
    """The split's random records on which the unit does not fire."""

    def __init__(self, config: RandomNegativesConfig) -> None:
        pass

    def records(self, view: SplitView, n: int) -> tuple[ActivationRecord, ...]:
        """In the order of the random records; see `Negatives.records`."""
        return quiet(view, view.records.random, n)
