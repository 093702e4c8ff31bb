"""Negatives that end right before a unit fires."""

from __future__ import annotations

from itertools import chain

import numpy as np

from neurogloss.builtin.negatives.configs import BeginningNegativesConfig
from neurogloss.interfaces.negatives import Negatives
from neurogloss.records.activations import ActivationRecord
from neurogloss.records.unit_records import SplitView


class BeginningNegatives(Negatives):
    """The beginnings of texts that fire, up to before the first token on which the unit does.

    Values of a causal model do not depend on what follows, so the unit is known not to fire on them. They
    are about the same things as the texts that fire, and there are some for units that fire in every text.
    """

    def __init__(self, config: BeginningNegativesConfig) -> None:
        self._least = config.min_tokens

    def records(self, view: SplitView, n: int) -> tuple[ActivationRecord, ...]:
        """Of the top, quantile, importance and random records, in this order; see `Negatives.records`."""
        cut = beginnings(view, fires=False)
        return tuple([each for each in cut if each.counted.sum() >= self._least][:n])


def beginnings(view: SplitView, *, fires: bool) -> list[ActivationRecord]:
    """The beginnings of all records that fire, each sequence once; see `beginning`."""
    records = view.records
    every = chain(records.top, *records.quantile.values(), records.importance, records.random)
    different = {record.sequence.id: record for record in every}
    cut = (beginning(record, view, fires=fires) for record in different.values())
    return [each for each in cut if each is not None]


def beginning(record: ActivationRecord, view: SplitView, *, fires: bool) -> ActivationRecord | None:
    """A record up to the first piece on which the unit fires, with it or without; `None` if it never does."""
    pieces = record.sequence.pieces
    firing = np.flatnonzero(record.piece_values >= view.firing_value)
    if not len(firing) or not view.fires(record):
        return None
    first = pieces[firing[0]]
    return record.window(0, first.stop if fires else first.start)
