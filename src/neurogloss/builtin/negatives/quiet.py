"""Of some records, those on which a unit does not fire."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, zip_longest

from neurogloss.records.activations import ActivationRecord
from neurogloss.records.tokens import TokenSequence
from neurogloss.records.unit_records import SplitView


def quiet(view: SplitView, records: Iterable[ActivationRecord], n: int) -> tuple[ActivationRecord, ...]:
    """The first `n` records with a token that counts, on which the view's unit does not fire."""
    return tuple([record for record in records if record.counted.any() and not view.fires(record)][:n])


def quiet_on_tops_of(view: SplitView, others: Iterable[SplitView], n: int) -> tuple[ActivationRecord, ...]:
    """Up to `n` of the others' top records on which the view's unit does not fire, one of each in turn."""
    tops = [[record.sequence for record in other.records.top] for other in others]
    in_turn = chain.from_iterable(zip_longest(*tops))
    different = {sequence.id: sequence for sequence in in_turn if isinstance(sequence, TokenSequence)}
    return quiet(view, view.on(tuple(different.values())), n)
