"""What lies around a unit in its collection: the units that fire like it, and its values elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from neurogloss.errors import StoreError
from neurogloss.interfaces.subject import SubjectModel
from neurogloss.pipeline.sequences import written_sequences
from neurogloss.records.activations import ActivationRecord
from neurogloss.records.plans import CollectionPlan
from neurogloss.records.tokens import Batch, Split, TokenSequence
from neurogloss.records.unit_records import Neighbour
from neurogloss.records.units import UnitId
from neurogloss.reducers.seeded_hash import hashes, salt, salts
from neurogloss.store.token_table import TokenTable

if TYPE_CHECKING:
    from neurogloss.pipeline.collected import CollectedUnits

_CANDIDATES = 2000
"""Of more units than this, as many are candidates for neighbours, drawn by a seeded hash."""

_TOGETHER = 32
"""Sequences that go through the subject together."""

_RECORDS_KEPT = 256
"""Neighbours' records that are kept: reading one takes longer than finding it."""

_KEPT = 20_000
"""Computed records that are kept; beyond this all are forgotten."""


class CollectedSurroundings:
    """The `Surroundings` of the units of one collection.

    Neighbours are looked for among the units that were collected. Two units are alike as far as
    their values correlate over the tokens of the split's random sequences, which are the same for
    every unit; a unit's other polarity is no neighbour.
    """

    def __init__(
        self, collected: CollectedUnits, table: TokenTable, plan: CollectionPlan, subject: SubjectModel | None
    ) -> None:
        self._collected = collected
        self._record = lru_cache(_RECORDS_KEPT)(collected.record)
        self._table = table
        self._plan = plan
        self._subject = subject
        self._standardised: dict[Split, np.ndarray] = {}
        self._pools: dict[Split, np.ndarray] = {}
        self._values: dict[tuple[UnitId, int, str], ActivationRecord] = {}

    @cached_property
    def _candidates(self) -> tuple[UnitId, ...]:
        units = self._collected.units
        chosen = np.argsort(hashes(salts(units), salt(self._plan.seed, "neighbours")), kind="stable")[:_CANDIDATES]
        return tuple(units[i] for i in sorted(chosen))

    def neighbours(self, unit: UnitId, split: Split, n: int) -> tuple[Neighbour, ...]:
        """See `Surroundings.neighbours`."""
        if split not in self._standardised:
            values = [self._collected.random_values(other, split) for other in self._candidates]
            self._standardised[split] = np.stack([_standardised(each) for each in values])
        own = _standardised(self._collected.random_values(unit, split))
        similarities = self._standardised[split] @ own
        ranked = sorted(zip(-similarities, self._candidates, strict=True))
        found: list[Neighbour] = []
        for similarity, other in ranked:
            if len(found) == n:
                break
            if (other.site, other.index) != (unit.site, unit.index):
                view = self._record(other).view(split)
                if not view.dead:
                    found.append(Neighbour(view, float(-similarity)))
        return tuple(found)

    def pool(self, split: Split, n: int) -> tuple[TokenSequence, ...]:
        """See `Surroundings.pool`."""
        if split not in self._pools:
            rows = self._table.rows_in(split)
            order = np.argsort(hashes(self._table.ids[rows], salt(self._plan.seed, "pool")), kind="stable")
            self._pools[split] = rows[order]
        return tuple(self._table.sequences(self._pools[split][:n]))

    def values(self, unit: UnitId, sequences: Sequence[TokenSequence]) -> tuple[ActivationRecord, ...]:
        """See `Surroundings.values`; what was computed once is kept.

        Raises:
            StoreError: The collection was opened without its subject.
        """
        if len(self._values) > _KEPT:
            self._values.clear()
        keys = [(unit, sequence.id, sequence.text) for sequence in sequences]
        new = {key: sequence for key, sequence in zip(keys, sequences, strict=True) if key not in self._values}
        if new and self._subject is None:
            raise StoreError(f"Values of {unit} that are not stored cannot be computed without the subject.")
        wanted = {unit.site: np.array([unit.index])}
        for start in range(0, len(new), _TOGETHER):
            part = list(new)[start : start + _TOGETHER]
            batch = Batch.of([new[key] for key in part], self._plan.ignore_first_tokens)
            assert self._subject is not None
            activations = unit.sign * self._subject.activations(batch, wanted)[unit.site][:, :, 0]
            for key, along, counted in zip(part, activations, batch.counted, strict=True):
                length = len(new[key])
                self._values[key] = ActivationRecord(new[key], along[:length], counted[:length])
        return tuple(self._values[key] for key in keys)

    def written(self, unit: UnitId, split: Split, texts: Sequence[str]) -> tuple[ActivationRecord | None, ...]:
        """See `Surroundings.written`.

        Raises:
            StoreError: As for `values`.
        """
        if self._subject is None:
            raise StoreError(f"Values of {unit} on texts of one's own cannot be computed without the subject.")
        sequences = tuple(written_sequences(self._subject, texts, split, self._plan.sequence_length))
        found = iter(self.values(unit, [sequence for sequence in sequences if sequence is not None]))
        return tuple(None if sequence is None else next(found) for sequence in sequences)


def _standardised(values: np.ndarray) -> np.ndarray:
    """Shifted to mean 0 and scaled to length 1, so that products are correlations; 0 where constant."""
    centred = values.astype(np.float64) - values.mean() if len(values) else values.astype(np.float64)
    length = np.linalg.norm(centred)
    return centred / length if length > 0 else np.zeros_like(centred)
