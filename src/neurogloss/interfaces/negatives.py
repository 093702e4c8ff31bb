"""`Negatives`: records on which a unit does not fire."""

from __future__ import annotations

from abc import ABC, abstractmethod

from neurogloss.records.activations import ActivationRecord
from neurogloss.records.unit_records import SplitView


class Negatives(ABC):
    """Finds records on which a unit does not fire, so that questions about a gloss have two answers."""

    @abstractmethod
    def records(self, view: SplitView, n: int) -> tuple[ActivationRecord, ...]:
        """Up to `n` records of the view's split, with the unit's own values, on none of which `view.fires`.

        The hardest first; the same whenever the same is asked. Fewer where the split holds no more.
        """
