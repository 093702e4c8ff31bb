"""Unit records: everything known of a unit, and the view of one split of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from neurogloss.records.activations import ActivationRecord
from neurogloss.records.tokens import Split, TokenSequence
from neurogloss.records.units import UnitId


@dataclass(frozen=True)
class UnitStatistics:
    """Statistics of a unit over all counted tokens of the corpus, every split included.

    They describe the unit. What an explainer or a scorer computes with comes from its split alone.
    """

    n_tokens: int
    n_sequences: int
    mean: float
    variance: float
    skewness: float
    """Fisher's: third standardised moment; 0 for a constant unit."""
    kurtosis: float
    """Excess: fourth standardised moment minus 3; 0 for a constant unit."""
    minimum: float
    maximum: float
    firing_fraction: float
    """Share of tokens with a value above 0."""
    first_position_share: float
    """Share of firing sequences whose maximum lies at position 0: near 1 is an attention sink."""
    quantiles: Mapping[str, float]
    """Quantiles of the sequences' maxima, such as `{"0.99": 3.1}`."""
    quantile_error: float
    """Largest relative error of `quantiles`, from the width of the histogram's bins."""
    top_tokens: tuple[str, ...] = ()
    """Distinct tokens at the peaks of the top records, most frequent first."""

    @property
    def dead(self) -> bool:
        """The unit never rose above 0."""
        return self.maximum <= 0

    @property
    def single_token(self) -> bool:
        """Every top record peaks on the same token."""
        return len(self.top_tokens) == 1


@dataclass(frozen=True, eq=False)
class TokenMeans:
    """The mean activation at each token of the vocabulary that occurs in the explain split."""

    token_ids: np.ndarray
    """int64 [token], ascending."""
    sums: np.ndarray
    """float64 [token]: sum of the unit's values where the token occurs."""
    counts: np.ndarray
    """int64 [token]"""

    @property
    def means(self) -> np.ndarray:
        """float64 [token]"""
        return np.asarray(self.sums / self.counts)

    @property
    def overall(self) -> float:
        """The mean over all tokens: what a token that was never seen gets."""
        return float(self.sums.sum() / max(1, self.counts.sum()))


@dataclass(frozen=True, eq=False)
class SplitRecords:
    """The activation records of one unit in one split."""

    top: tuple[ActivationRecord, ...] = ()
    """By maximum, highest first."""
    random: tuple[ActivationRecord, ...] = ()
    """The same sequences for every unit."""
    quantile: Mapping[str, tuple[ActivationRecord, ...]] = field(default_factory=dict)
    """Samples from bins of the sequences' maxima, such as `"0.9-0.99"`."""
    importance: tuple[ActivationRecord, ...] = ()
    """Drawn with probability proportional to the sequence's maximum."""
    shortfalls: tuple[str, ...] = ()
    """What the corpus was too small to fill, in words."""


class Surroundings(Protocol):
    """What lies around a unit in its collection: other units, other sequences."""

    def neighbours(self, unit: UnitId, split: Split, n: int) -> tuple[Neighbour, ...]:
        """Up to `n` other units that fire in the split, the most alike first."""

    def pool(self, split: Split, n: int) -> tuple[TokenSequence, ...]:
        """Up to `n` sequences of the split, the same for every unit; a smaller pool begins a larger one."""

    def values(self, unit: UnitId, sequences: Sequence[TokenSequence]) -> tuple[ActivationRecord, ...]:
        """The unit's values on any sequences, computed by the subject."""

    def written(self, unit: UnitId, split: Split, texts: Sequence[str]) -> tuple[ActivationRecord | None, ...]:
        """The unit's values on texts of no corpus, as if of the split; `None` where the subject reads no token."""


@dataclass(frozen=True, eq=False)
class UnitRecord:
    """Everything known of a unit (OpenAI's `NeuronRecord`, with splits by document)."""

    unit: UnitId
    statistics: UnitStatistics
    splits: Mapping[Split, SplitRecords]
    token_means: TokenMeans | None = None
    """Where they were gathered; of the explain split."""
    vocabulary: Mapping[int, str] = field(default_factory=dict)
    """Texts of the tokens in `token_means`."""
    surroundings: Surroundings | None = field(default=None, repr=False)
    """Where the record comes from a collection that is open."""

    def view(self, split: Split, *, explains_again: bool = False) -> SplitView:
        """What may be known of the unit when working on `split`; see `SplitView.explain` for `explains_again`."""
        return SplitView(self, split, explains_again=explains_again)


class SplitView:
    """One unit's records of one split, and no other.

    Explainers and scorers are handed views, never unit records, so that neither can look at the
    other's documents. Scorers may fit a calibration on the split that exists for it.
    """

    def __init__(self, record: UnitRecord, split: Split, *, explains_again: bool = False) -> None:
        self._record = record
        self._split = split
        self._explains_again = explains_again

    @property
    def unit(self) -> UnitId:
        return self._record.unit

    @property
    def split(self) -> Split:
        return self._split

    @property
    def dead(self) -> bool:
        """No record of this split rises above 0."""
        return self.maximum <= 0

    @property
    def records(self) -> SplitRecords:
        return self._record.splits.get(self._split, SplitRecords())

    @cached_property
    def maximum(self) -> float:
        """The largest value among this split's top records; minus infinity without records."""
        return max((record.maximum for record in self.records.top), default=-np.inf)

    @property
    def token_means(self) -> TokenMeans | None:
        """Mean activation per token: known to the explain split only, `None` elsewhere."""
        return self._record.token_means if self._split is Split.EXPLAIN else None

    def token_text(self, token_id: int) -> str:
        """The text of a token in `token_means`."""
        return self._record.vocabulary[token_id]

    def calibration(self) -> SplitView:
        """The same unit's calibration split, which shares no document with any other."""
        return SplitView(self._record, Split.CALIBRATION)

    def valid(self) -> SplitView:
        """The same unit's split to choose on, for explainers that declare `selects_on_valid`."""
        return SplitView(self._record, Split.VALID)

    def explain(self) -> SplitView:
        """The same unit's explain split, for scorers that declare `explains_again`.

        Raises:
            ValueError: The view was handed to one that does not.
        """
        if not self._explains_again:
            raise ValueError("only a scorer that declares explains_again may hand the explain split to an explainer")
        return SplitView(self._record, Split.EXPLAIN)

    def half(self, seed: int) -> SplitView:
        """The same split with half of its documents, drawn by a seeded hash, half of those of each kind of record.

        It has no token means, since they are of all documents; its surroundings are those of the whole.
        """
        kept: dict[str, bool] = {}

        def halved(records: tuple[ActivationRecord, ...]) -> tuple[ActivationRecord, ...]:
            new = {record.sequence.document_id for record in records} - kept.keys()
            drawn = sorted(new, key=lambda document: hashlib.sha256(f"{seed} {document}".encode()).digest())
            kept.update({document: 2 * i < len(drawn) for i, document in enumerate(drawn)})
            return tuple(record for record in records if kept[record.sequence.document_id])

        whole = self.records
        half = SplitRecords(
            halved(whole.top),
            halved(whole.random),
            {name: halved(records) for name, records in whole.quantile.items()},
            halved(whole.importance),
            whole.shortfalls,
        )
        return SplitView(replace(self._record, splits={self._split: half}, token_means=None), self._split)

    @property
    def firing_value(self) -> float:
        """The value from which on a token fires: level 1 of 10, the split's maximum being level 10."""
        return self.maximum / 10

    def fires(self, record: ActivationRecord) -> bool:
        """Whether any token of the record fires."""
        return record.maximum > 0 and record.maximum >= self.firing_value

    def neighbours(self, n: int) -> tuple[Neighbour, ...]:
        """Up to `n` other units of the collection that fire in this split, the most alike first.

        Raises:
            ValueError: The record comes from no open collection; as for `pool` and `on`.
        """
        return self._surroundings.neighbours(self.unit, self._split, n)

    def pool(self, n: int) -> tuple[TokenSequence, ...]:
        """Up to `n` sequences of this split, drawn by a seeded hash and the same for every unit."""
        return self._surroundings.pool(self._split, n)

    def on(self, sequences: Sequence[TokenSequence]) -> tuple[ActivationRecord, ...]:
        """The unit's values on other sequences of this split, computed by the subject.

        Raises:
            ValueError: A sequence is of another split.
        """
        self.check(sequences)
        return self._surroundings.values(self.unit, sequences)

    def written(self, texts: Sequence[str]) -> tuple[ActivationRecord | None, ...]:
        """The unit's values on texts of one's own, in their order, computed by the subject.

        A text counts as far as one sequence reaches; in place of one without a token stands `None`.
        """
        return self._surroundings.written(self.unit, self._split, texts)

    def check(self, sequences: Iterable[TokenSequence]) -> None:
        """Refuses what is not of this split; scorers call this on all that they are about to score on.

        Raises:
            ValueError: A sequence is of another split.
        """
        for sequence in sequences:
            if sequence.split is not self._split:
                raise ValueError(f"a view of the split {self._split} was asked about a sequence of {sequence.split}")

    @property
    def _surroundings(self) -> Surroundings:
        if self._record.surroundings is None:
            raise ValueError(f"the record of {self.unit} comes from no open collection")
        return self._record.surroundings


@dataclass(frozen=True)
class Neighbour:
    """Another unit of the same collection, seen through the same split."""

    view: SplitView
    similarity: float
    """Pearson's correlation with the unit's values over the split's random sequences."""
