"""`SiteReducer`: what one pass over the corpus leaves of each chosen unit of one site."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from neurogloss.errors import SubjectError
from neurogloss.records.plans import UnitColumns
from neurogloss.reducers.best_sequences import BestSequences
from neurogloss.reducers.compiled import RANGE, over_ranges
from neurogloss.reducers.counted_batch import CountedBatch
from neurogloss.reducers.draws import NONE, SPLITS, SequenceDraws
from neurogloss.reducers.importance import importance_keys
from neurogloss.reducers.maxima_histogram import MaximaHistogram, count_maxima
from neurogloss.reducers.moments import Moments
from neurogloss.reducers.quantile_sample import KeptSequences, quantile_sample
from neurogloss.reducers.seeded_hash import hashes, mixed, salt
from neurogloss.reducers.summarizing import summarize
from neurogloss.reducers.token_sums import TokenSums
from neurogloss.reducers.value_rows import DRAWN, Scratch, ValueRows, write_rows

_GARBAGE = 2
"""Kept rows are compacted when there are this many times as many as the lists have slots."""
_DRAWN_STATE = ("drawn_maxima", "drawn_exponents", "drawn_firsts", "drawn_steps")


class _Part(Protocol):
    def arrays(self) -> dict[str, np.ndarray]: ...

    def load(self, arrays: Mapping[str, np.ndarray]) -> None: ...


class SiteReducer:
    """The state of one site; memory is bounded by units times what is kept of each, values lie in files.

    Args:
        site: The site's name.
        columns: Its chosen units.
        draws: The sequences, and what is drawn from them.
        name: How its files are called.
        directory: Where its files are made; without one they have no names.
        token_sums: Whether to sum activations per token of the explain split.
        scratch: Memory to write rows to, which sites share.
    """

    def __init__(
        self,
        site: str,
        columns: UnitColumns,
        draws: SequenceDraws,
        *,
        name: str,
        directory: Path | None,
        token_sums: bool,
        scratch: Scratch,
    ) -> None:
        self.site = site
        self._scratch = scratch
        self.columns = columns
        self.draws = draws
        plan = draws.plan
        n_units = len(columns)
        self._signs = columns.signs.astype(np.float32)
        # A unit's salt is made from site, index and polarity, so that samples do not hang on what else is collected.
        self._salts = hashes(2 * columns.indices + (columns.signs < 0), salt(site))
        self.importance_salts = self._salts ^ salt(plan.seed, "importance")
        """uint64 [unit]"""
        self.moments = Moments(n_units)
        self.histogram = MaximaHistogram(n_units)
        self.top = BestSequences(n_units, plan.top_k)
        self.importance = BestSequences(n_units, plan.n_importance)
        self.subsets = tuple(BestSequences(n_units, subset.kept) for subset in draws.subsets)
        self.token_sums = TokenSums(n_units) if token_sums else None
        self.drawn_maxima = np.full((n_units, len(draws.drawn)), -np.inf, dtype=np.float32)
        """float32 [unit seq]: of the drawn sequences."""
        self.drawn_exponents = np.zeros((n_units, len(draws.drawn)), dtype=np.int8)
        self.drawn_firsts = np.zeros((len(draws.drawn), -(-n_units // RANGE)), dtype=np.int64)
        """int64 [seq range]: in the file of drawn rows, the row of the first unit of each range of `RANGE` units."""
        self.drawn_steps = np.zeros(len(draws.drawn), dtype=np.int64)
        """int64 [seq]: rows from one unit to the next; 0 for a sequence that was not seen."""
        self.rows = ValueRows(directory, name, plan.sequence_length)

    @property
    def lists(self) -> dict[str, BestSequences]:
        """The bounded lists by name."""
        numbered = {f"subset {number}": kept for number, kept in enumerate(self.subsets)}
        return {"top": self.top, "importance": self.importance, **numbered}

    @property
    def _parts(self) -> dict[str, _Part]:
        summed = {"token_sums": self.token_sums} if self.token_sums else {}
        return {"moments": self.moments, "histogram": self.histogram, **self.lists, **summed}

    def add(self, batch: CountedBatch, activations: np.ndarray) -> None:
        """Takes in a batch.

        Args:
            batch: The sequences.
            activations: float32 [seq pos unit], before polarity; what stands at uncounted tokens is not read.

        Raises:
            SubjectError: A counted activation is NaN or infinite.
        """
        if activations.shape != (*batch.batch.counted.shape, len(self.columns)):
            raise ValueError(f"activations at {self.site} have shape {activations.shape}")
        if not len(batch):
            return
        activations = np.ascontiguousarray(activations, dtype=np.float32)
        if self.token_sums:
            self.token_sums.add(batch, activations, self._signs)
        shape = (len(self.columns), len(batch))
        maxima = self._scratch.empty("maxima", shape, np.float32)
        largest = self._scratch.empty("largest", shape, np.float32)
        # Where every unit keeps one of the sequences, all are written, so that their addresses can be computed.
        all_written = bool((batch.drawn >= 0).any())
        needed = self._scratch.empty("needed", shape, np.uint8)
        needed[:] = all_written
        numbers = self._scratch.empty("numbers", shape, np.int32)
        exponents = self._scratch.empty("exponents", shape, np.int8)
        hashed = mixed(batch.ids)
        rows_of_batch = np.broadcast_to(batch.rows, shape)
        values = (activations, batch.present, batch.positions)
        splits = np.unique(batch.splits)

        def take_in(low: int, high: int) -> None:
            state = self.moments
            finite = summarize(
                *(*values, batch.weights, batch.lengths, self._signs, low, high),
                *(int(state.n), state.moments, state.minimum, state.maximum, state.firing, state.firing_sequences),
                *(state.first_position, maxima, largest),
            )
            if not finite:
                raise self.not_finite()
            count_maxima(maxima.view(np.int32), self.histogram.counts, low, high)
            self.top.offer(maxima, rows_of_batch, batch.splits, needed, low, high)
            for subset, of_subset in zip(self.subsets, batch.subset_splits, strict=True):
                subset.offer(maxima, rows_of_batch, of_subset, needed, low, high)
            if self.draws.plan.n_importance:
                keys = self._scratch.empty("keys", (high, len(batch)), np.float32)
                importance_keys(hashed, self.importance_salts, maxima, low, high, keys)
                self.importance.offer(keys, rows_of_batch, batch.splits, needed, low, high)
            n_rows = int(np.count_nonzero(needed[low:high]))
            if not n_rows:
                return
            rows = self._scratch.empty("rows", (n_rows, self.rows.length), np.int16)
            write_rows(
                *(*values, batch.lengths, self._signs, needed, largest.view(np.int32), low, high),
                *(rows, numbers, exponents),
            )
            first = (self.rows.drawn if all_written else self.rows.kept).append(rows)
            if all_written:
                self._remember_drawn(batch, low, high, first, maxima, exponents)
            # Addresses in the file of drawn rows fall.
            base, step = (DRAWN - first, -1) if all_written else (first, 1)
            for kept in self.lists.values():
                kept.settle(splits, base, step, numbers, exponents, low, high)

        over_ranges(len(self.columns), take_in)
        self.moments.n += int(batch.lengths.sum())
        self._compact()

    def _remember_drawn(
        self, batch: CountedBatch, low: int, high: int, first: int, maxima: np.ndarray, exponents: np.ndarray
    ) -> None:
        drawn = np.flatnonzero(batch.drawn >= 0)
        places = batch.drawn[drawn]
        self.drawn_maxima[low:high, places] = maxima[low:high, drawn]
        self.drawn_exponents[low:high, places] = exponents[low:high, drawn]
        self.drawn_firsts[places, low // RANGE] = first + drawn
        self.drawn_steps[places] = len(batch)

    def keep_drawn(self, places: np.ndarray, rows: np.ndarray, exponents: np.ndarray, maxima: np.ndarray) -> None:
        """Keeps drawn sequences whose rows were made elsewhere.

        Args:
            places: int64 [seq]: indices into `SequenceDraws.drawn`.
            rows: int16 [unit seq value]
            exponents: int8 [unit seq]
            maxima: float32 [unit seq]
        """
        n = len(places)
        first = self.rows.drawn.append(rows.reshape(-1, self.rows.length))
        self.drawn_maxima[:, places] = maxima
        self.drawn_exponents[:, places] = exponents
        self.drawn_firsts[places] = first + np.arange(n)[:, None] + n * RANGE * np.arange(self.drawn_firsts.shape[1])
        self.drawn_steps[places] = n

    def not_finite(self) -> SubjectError:
        """What is raised when a counted activation is NaN or infinite."""
        return SubjectError(
            f"The subject's activations at {self.site} are not all finite.",
            known="At least one value at a counted token is NaN or infinite.",
            remedy="Load the subject in float32 or bfloat16, or leave this site out.",
        )

    def _compact(self) -> None:
        slots = sum(kept.addresses.size for kept in self.lists.values())
        if self.rows.kept.n_rows > _GARBAGE * slots:
            self.rows.compact([kept.addresses for kept in self.lists.values()])

    def merge(self, other: SiteReducer) -> None:
        """Takes in what another reducer kept of other sequences."""
        self.moments.merge(other.moments)
        self.histogram.merge(other.histogram)
        if self.token_sums and other.token_sums:
            self.token_sums.merge(other.token_sums)
        there = np.flatnonzero(other.drawn_steps)
        self.drawn_maxima[:, there] = other.drawn_maxima[:, there]
        self.drawn_exponents[:, there] = other.drawn_exponents[:, there]
        shift = self.rows.drawn.append(other.rows.drawn.take(np.arange(other.rows.drawn.n_rows)))
        self.drawn_firsts[there] = other.drawn_firsts[there] + shift
        self.drawn_steps[there] = other.drawn_steps[there]
        for mine, theirs in zip(self.lists.values(), other.lists.values(), strict=True):
            for split in range(len(SPLITS)):
                self._absorb(mine, theirs, split, other.rows, shift)
        self._compact()

    def _absorb(self, mine: BestSequences, theirs: BestSequences, split: int, rows: ValueRows, shift: int) -> None:
        taken = mine.absorb(theirs, split)
        addresses = theirs.addresses[:, split].copy()
        moved = taken & (addresses >= 0)
        first = self.rows.kept.append(rows.kept.take(addresses[moved]))
        addresses[moved] = first + np.arange(moved.sum(), dtype=np.int32)
        addresses[addresses <= DRAWN] -= shift
        exponents = np.ascontiguousarray(theirs.exponents[:, split])
        mine.settle(np.array([split]), 0, 1, addresses, exponents, 0, len(addresses))

    def statistics(self) -> dict[str, np.ndarray]:
        """Fields of `UnitStatistics` over all splits, float64 [unit]; `quantiles` [unit quantile]."""
        out = self.moments.statistics()
        # No estimate lies beyond the maximum, and the last of the quantiles is the maximum itself.
        quantiles = np.minimum(self.histogram.quantiles(), out["maximum"][:, None])
        quantiles[:, -1] = out["maximum"]
        return {**out, "quantiles": quantiles}

    def samples(self) -> dict[str, KeptSequences]:
        """What is kept of sequences: `top`, `random`, `importance` [unit split slot]; `quantile` also by bin."""
        pool = self._of_every_unit(self.draws.pool)
        maxima = self.drawn_maxima[:, self._places(self.draws.pool)]
        return {
            "top": KeptSequences(self.top.rows, self.top.addresses, self.top.exponents),
            "random": self._of_every_unit(self.draws.random),
            "quantile": quantile_sample(self.histogram, pool, maxima, self.subsets, self._salts, self.draws),
            "importance": KeptSequences(self.importance.rows, self.importance.addresses, self.importance.exponents),
        }

    def _of_every_unit(self, rows: np.ndarray) -> KeptSequences:
        places = self._places(rows)
        units = np.arange(len(self.columns))[:, None, None]
        there = self.drawn_steps[places] > 0
        addresses = DRAWN - (self.drawn_firsts[places, units // RANGE] + units % RANGE * self.drawn_steps[places])
        there &= rows != NONE
        return KeptSequences(
            np.broadcast_to(np.where(there, rows, NONE), addresses.shape).astype(np.int32),
            np.where(there, addresses, NONE).astype(np.int32),
            self.drawn_exponents[:, places],
        )

    def _places(self, rows: np.ndarray) -> np.ndarray:
        """Where rows are among the drawn sequences; any place for those that are `NONE`."""
        return np.minimum(np.searchsorted(self.draws.drawn, rows), max(0, len(self.draws.drawn) - 1))

    def arrays(self) -> dict[str, np.ndarray]:
        """The whole state as named arrays, values included: what another process `load`s."""
        self.rows.compact([kept.addresses for kept in self.lists.values()])
        parts = self._parts.items()
        return {
            **{f"{name}.{array}": values for name, part in parts for array, values in part.arrays().items()},
            **{name: getattr(self, name) for name in _DRAWN_STATE},
            "kept": self.rows.kept.take(np.arange(self.rows.kept.n_rows)),
            "drawn": self.rows.drawn.take(np.arange(self.rows.drawn.n_rows)),
        }

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Puts a state from `arrays` into this reducer, which is still empty."""
        for name, part in self._parts.items():
            prefix = f"{name}."
            part.load({key.removeprefix(prefix): a for key, a in arrays.items() if key.startswith(prefix)})
        for name in _DRAWN_STATE:
            setattr(self, name, np.array(arrays[name]))
        self.rows.kept.append(arrays["kept"])
        self.rows.drawn.append(arrays["drawn"])
