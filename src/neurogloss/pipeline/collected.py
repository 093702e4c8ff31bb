"""Collected units: unit records as the store holds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from neurogloss.interfaces.subject import SubjectModel
from neurogloss.pipeline.surroundings import CollectedSurroundings
from neurogloss.records.activations import ActivationRecord
from neurogloss.records.plans import CollectionPlan
from neurogloss.records.tokens import Split
from neurogloss.records.unit_records import SplitRecords, TokenMeans, UnitRecord, UnitStatistics
from neurogloss.records.units import UnitId
from neurogloss.reducers.draws import NONE, SPLITS
from neurogloss.reducers.maxima_histogram import QUANTILES, RELATIVE_ERROR
from neurogloss.store.activations import TOKEN_SUMS, UNITS, ActivationStore, StoredCollection, StoredUnit
from neurogloss.store.token_table import TokenTable


def reopened(store: ActivationStore, key: str, units: Sequence[UnitId]) -> CollectedUnits:
    """Units of a collection that is in the store, without the subject and the corpus it was made from.

    Raises:
        StoreError: The collection is not there, or damaged.
    """
    stored = store.open(key)
    table = stored.tokens()
    assert table is not None  # `open` has read its manifest
    plan = dict(stored.identity["plan"])
    plan["quantile_bins"] = tuple((low, high) for low, high in plan["quantile_bins"])
    plan["split_shares"] = {Split(name): share for name, share in plan["split_shares"].items()}
    return CollectedUnits(stored, table, units, CollectionPlan(**plan), token_means=False)


def bin_name(bounds: tuple[float, float]) -> str:
    """The name of a quantile bin, such as `0.9-0.99`."""
    return f"{bounds[0]:g}-{bounds[1]:g}"


@dataclass(frozen=True)
class SplitCounts:
    """The size of one split."""

    n_documents: int
    """Documents with at least one token."""
    n_sequences: int
    n_tokens: int
    """Tokens that may be explained and scored."""


class CollectedUnits:
    """The units of one collection; each record is read when it is asked for.

    Args:
        stored: Where they are.
        table: Its token table.
        units: The units asked for, in order.
        plan: What was kept of each.
        token_means: Whether records hold token means.
        subject: What it was made from, where it is at hand; only needed for values that are not stored.
    """

    def __init__(
        self,
        stored: StoredCollection,
        table: TokenTable,
        units: Sequence[UnitId],
        plan: CollectionPlan,
        token_means: bool,
        subject: SubjectModel | None = None,
    ) -> None:
        self.units = tuple(units)
        self.counts: Mapping[Split, SplitCounts] = {
            split: SplitCounts(counts["documents"], counts["sequences"], counts["tokens"])
            for split, counts in table.counts.items()
        }
        """The size of each split."""
        self._stored = stored
        self._table = table
        self._plan = plan
        self._token_means = token_means
        self._surroundings = CollectedSurroundings(self, table, plan, subject)

    @property
    def key(self) -> str:
        """The collection's key in the store."""
        return self._stored.key

    @property
    def n_documents(self) -> int:
        """Documents with at least one token, over all splits."""
        return sum(counts.n_documents for counts in self.counts.values())

    @property
    def n_sequences(self) -> int:
        """Token sequences over all splits."""
        return sum(counts.n_sequences for counts in self.counts.values())

    @property
    def n_tokens(self) -> int:
        """Counted tokens over all splits."""
        return sum(counts.n_tokens for counts in self.counts.values())

    def record(self, unit: UnitId) -> UnitRecord:
        """Reads one unit's record.

        Raises:
            StoreError: The store does not hold the unit, or is damaged.
        """
        entry = self._stored.unit(UNITS, unit)
        tops = [self._records(entry, "top", split) for split in range(len(SPLITS))]
        return UnitRecord(
            unit,
            self._statistics(entry, tops),
            SplitsWhenAsked(lambda split: self._split_records(entry, split, tops[split])),
            self._means(unit) if self._token_means else None,
            self._table.vocabulary if self._token_means else {},
            self._surroundings,
        )

    def random_values(self, unit: UnitId, split: Split) -> np.ndarray:
        """The unit's values at the counted tokens of the split's random sequences, float32 [token]."""
        entry, number = self._stored.unit(UNITS, unit), SPLITS.index(split)
        records = self._records(entry, "random", number)
        return np.concatenate([np.zeros(0, np.float32), *(record.values[record.counted] for record in records)])

    def _split_records(self, entry: StoredUnit, split: int, top: tuple[ActivationRecord, ...]) -> SplitRecords:
        plan = self._plan
        random, importance = (self._records(entry, name, split) for name in ("random", "importance"))
        quantile_rows, quantile_values = entry.plain("quantile_rows")[split], entry.values("quantile", split)
        quantile = {
            bin_name(bounds): self._made(rows, values)
            for bounds, rows, values in zip(plan.quantile_bins, quantile_rows, quantile_values, strict=True)
        }
        asked = [
            ("top", len(top), plan.top_k),
            ("random", len(random), plan.n_random),
            *((f"quantile {name}", len(records), plan.per_bin) for name, records in quantile.items()),
            ("importance", len(importance), plan.n_importance),
        ]
        shortfalls = tuple(f"{name}: {there} of {wanted} sequences" for name, there, wanted in asked if there < wanted)
        return SplitRecords(top, random, quantile, importance, shortfalls)

    def _records(self, entry: StoredUnit, sample: str, split: int) -> tuple[ActivationRecord, ...]:
        return self._made(entry.plain(f"{sample}_rows")[split], entry.values(sample, split))

    def _made(self, rows: np.ndarray, values: np.ndarray) -> tuple[ActivationRecord, ...]:
        records = []
        for row, along in zip(rows, values, strict=True):
            if row == NONE:
                continue
            sequence = self._table.sequence(int(row))
            counted = sequence.counted(self._plan.ignore_first_tokens)
            records.append(ActivationRecord(sequence, along[: len(sequence)], counted))
        return tuple(records)

    def _statistics(self, entry: StoredUnit, tops: Iterable[tuple[ActivationRecord, ...]]) -> UnitStatistics:
        def number(name: str) -> float:
            return float(entry.plain(name))

        peaks = Counter(record.sequence.token(record.peak) for top in tops for record in top if record.maximum > 0)
        return UnitStatistics(
            n_tokens=int(entry.shared("n_tokens")),
            n_sequences=int(entry.shared("n_sequences")),
            mean=number("mean"),
            variance=number("variance"),
            skewness=number("skewness"),
            kurtosis=number("kurtosis"),
            minimum=number("minimum"),
            maximum=number("maximum"),
            firing_fraction=number("firing_fraction"),
            first_position_share=number("first_position_share"),
            quantiles={f"{q:g}": float(v) for q, v in zip(QUANTILES, entry.plain("quantiles"), strict=True)},
            quantile_error=RELATIVE_ERROR,
            top_tokens=tuple(token for token, _ in peaks.most_common()),
        )

    def _means(self, unit: UnitId) -> TokenMeans:
        entry = self._stored.unit(TOKEN_SUMS, unit)
        shared: dict[str, Any] = {name: entry.shared(name) for name in ("token_ids", "counts")}
        return TokenMeans(sums=entry.plain("sums"), **shared)


class SplitsWhenAsked(Mapping[Split, SplitRecords]):
    """The records of all splits, each read when it is first asked for.

    Args:
        read: Reads one, by its place in `SPLITS`.
    """

    def __init__(self, read: Callable[[int], SplitRecords]) -> None:
        self._read = cache(read)

    def __getitem__(self, split: Split) -> SplitRecords:
        if split not in SPLITS:
            raise KeyError(split)
        return self._read(SPLITS.index(split))

    def __iter__(self) -> Iterator[Split]:
        return iter(SPLITS)

    def __len__(self) -> int:
        return len(SPLITS)
