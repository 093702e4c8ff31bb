"""Which records are asked about."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from neurogloss.builtin.negatives.beginnings import beginnings
from neurogloss.interfaces.negatives import Negatives
from neurogloss.records.activations import ActivationRecord
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.unit_records import SplitView

Named = Mapping[str, Negatives]
"""Negatives by the names of their kinds."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """A record and the group that it stands for."""

    record: ActivationRecord
    group: str


def positives(view: SplitView, kinds: Sequence[str]) -> tuple[Chosen, ...]:
    """The records of these kinds that fire, one of each group in turn, each sequence once.

    Beginnings have every second turn: they alone tell where in a text a unit fires.
    """
    records = view.records
    groups: dict[str, Sequence[ActivationRecord]] = {}
    for kind in kinds:
        if kind == "quantile":
            groups |= {f"quantile.{name}": found for name, found in records.quantile.items()}
        elif kind == "beginnings":
            groups[kind] = beginnings(view, fires=True)
        else:
            groups[kind] = getattr(records, kind)
    queues = {
        group: [Chosen(record, group) for record in found if view.fires(record)] for group, found in groups.items()
    }
    cut = queues.pop("beginnings", [])
    return _in_turn([each for queue in queues.values() or [[]] for each in (queue, cut)])


def negatives(view: SplitView, named: Named, n: int) -> tuple[Chosen, ...]:
    """Up to `n` records on which the unit does not fire, one of each kind in turn.

    Raises:
        ValueError: A kind of negatives returned a record that fires.
    """
    groups = {f"negatives.{name}": kind.records(view, n) for name, kind in named.items()}
    for group, found in groups.items():
        if any(view.fires(record) for record in found):
            raise ValueError(f"{group} holds a record on which {view.unit} fires")
    return _in_turn([[Chosen(record, group) for record in found] for group, found in groups.items()])[:n]


def by_name(configured: Any, built: Negatives | Sequence[Negatives]) -> Named:
    """The negatives by the names that the configuration calls them."""
    names = configured if isinstance(configured, list) else [configured]
    kinds = built if isinstance(built, Sequence) else [built]
    return {name if isinstance(name, str) else name["component"]: kind for name, kind in zip(names, kinds, strict=True)}


def obstacle(view: SplitView) -> Failure | None:
    """Why a unit cannot be asked about, whatever the question."""
    records = view.records
    every = [*records.top, *records.random, *records.importance, *chain.from_iterable(records.quantile.values())]
    if not every:
        return Failure(Reason.TOO_FEW_RECORDS, f"the split {view.split} has no record of the unit")
    if view.dead:
        return Failure(Reason.DEAD, f"the unit never rises above 0 in split {view.split}")
    values = np.concatenate([record.values[record.counted] for record in every])
    if np.ptp(values) == 0:
        return Failure(Reason.CONSTANT, f"the unit is {values[0]:g} at every token of its records")
    return None


def shown_part(record: ActivationRecord, window: int | None) -> ActivationRecord:
    """What is shown of a record."""
    return record if window is None else record.centred(window)


def generator(view: SplitView, seed: int) -> np.random.Generator:
    """A generator that depends on the unit, the split and the seed alone."""
    digest = hashlib.sha256(f"{seed} {view.split} {view.unit}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def check_split(view: SplitView, chosen: Iterable[Chosen]) -> None:
    """Raises `ValueError` for a record of another split than the view's: nothing is scored on what was explained."""
    view.check(each.record.sequence for each in chosen)


def _in_turn(queues: Sequence[list[Chosen]]) -> tuple[Chosen, ...]:
    """One of each queue after the other, which are emptied; a sequence counts where its turn first comes."""
    taken: dict[int, Chosen] = {}
    while any(queues):
        for queue in queues:
            while queue and queue[0].record.sequence.id in taken:
                queue.pop(0)
            if queue:
                each = queue.pop(0)
                taken[each.record.sequence.id] = each
    return tuple(taken.values())
