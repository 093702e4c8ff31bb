"""Collection: from subject, corpus and units to stored unit records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from neurogloss.errors import ConfigError, CorpusError
from neurogloss.interfaces.corpus import Corpus
from neurogloss.interfaces.subject import SubjectModel
from neurogloss.pipeline.collected import CollectedUnits
from neurogloss.pipeline.progress import Progress
from neurogloss.pipeline.selection import default_sites
from neurogloss.pipeline.sequences import batches, token_sequences
from neurogloss.records.plans import CollectionPlan, UnitSelection
from neurogloss.records.tokens import Batch, Split, TokenSequence
from neurogloss.records.units import UnitId
from neurogloss.reducers.draws import SPLITS, SequenceDraws
from neurogloss.reducers.site_reducer import SiteReducer
from neurogloss.reducers.unit_reducer import UnitReducer
from neurogloss.store.activations import STATISTICS, TOKEN_SUMS, UNITS, ActivationStore, SiteArrays
from neurogloss.store.token_table import TokenTable, write_table

_WINDOW = 512
"""Sequences that are sorted by length."""


@dataclass(frozen=True)
class CollectionPass:
    """What one pass over a token table leaves; plain data, so that parts of it can be done elsewhere."""

    stage: str
    selection: UnitSelection
    plan: CollectionPlan
    token_sums: bool
    splits: tuple[Split, ...]
    batch_size: int

    def reducer(self, table: TokenTable, directory: Path | None = None) -> UnitReducer:
        """An empty reducer; its values are written to the directory, or to temporary files."""
        draws = SequenceDraws(table.ids, table.splits, self.plan)
        return UnitReducer(self.selection, draws, token_sums=self.token_sums, directory=directory)

    def reduce(
        self, subject: SubjectModel, table: TokenTable, rows: np.ndarray, reducer: UnitReducer, progress: Progress
    ) -> None:
        """Lets the reducer take in these rows of the table, int64, as far as they are of the pass's splits."""
        rows = rows[np.isin(table.splits[rows], [SPLITS.index(split) for split in self.splits])]
        sequences = table.sequences(_in_order(rows, reducer.draws.drawn, table.lengths))
        made = batches(sequences, self.batch_size, self.plan.ignore_first_tokens)
        subject.collect(self._told(made, progress), reducer)

    def _told(self, made: Iterable[Batch], progress: Progress) -> Iterator[Batch]:
        # A subject asks for the next batch when it is done with one.
        for batch in made:
            yield batch
            progress.advance(self.stage, int(batch.counted.sum()))


class Elsewhere(Protocol):
    """Does passes in other processes."""

    def reduce(self, key: str, what: CollectionPass, reducer: UnitReducer) -> None:
        """Lets the empty reducer take in the whole token table of the collection of this key."""


def collect_units(
    subject: SubjectModel,
    corpus: Corpus,
    units: Sequence[UnitId],
    plan: CollectionPlan,
    store: ActivationStore,
    *,
    batch_size: int,
    token_means: bool = False,
    max_table_bytes: int = 1 << 30,
    progress: Progress | None = None,
    elsewhere: Elsewhere | None = None,
) -> CollectedUnits:
    """Collects what the store does not hold yet, and opens all of it.

    The corpus is tokenized once per collection, and run through the subject once for all units that
    are new. When nothing is new, of the subject and the corpus only `identity` is called.

    Args:
        subject: The model.
        corpus: The documents.
        units: What to collect.
        plan: What to keep of each.
        store: Where.
        batch_size: Sequences per batch; does not matter to what is reused.
        token_means: Whether the mean activation per token is needed.
        max_table_bytes: The most that tables of token means, of all units, may take.
        progress: Hears of the stages `tokenize` and `collect`.
        elsewhere: Does the pass; by default it is done here.

    Raises:
        ConfigError: The tables of token means would be larger than `max_table_bytes`.
        CorpusError: The corpus holds nothing to collect from.
        SubjectError: A unit is not there, or an activation is not finite.
    """
    work = _Collector(subject, corpus, plan, store, batch_size, progress or Progress(), elsewhere)
    new = work.stored.missing(UNITS, units)
    if token_means:
        without_means = work.stored.missing(TOKEN_SUMS, units)
        _refuse_large_tables(len(without_means), len(work.table.vocabulary), max_table_bytes)
        also_new = set(new)
        if late := [unit for unit in without_means if unit not in also_new]:
            work.collect_token_sums(late)
    if new:
        work.collect_units(new, token_means)
    return CollectedUnits(work.stored, work.table, units, plan, token_means, subject)


def site_statistics(
    subject: SubjectModel,
    corpus: Corpus,
    plan: CollectionPlan,
    store: ActivationStore,
    field: str,
    *,
    batch_size: int,
    progress: Progress | None = None,
    elsewhere: Elsewhere | None = None,
) -> Mapping[str, np.ndarray]:
    """A field of `UnitStatistics` for every unit of `default_sites`, collected once and then kept.

    Args:
        subject: The model.
        corpus: The documents.
        plan: Says which tokens count.
        store: Where the statistics are kept.
        field: One of `selection.FIELDS`.
        batch_size: Sequences per batch.
        progress: Hears of the stages `tokenize` and `statistics`.
        elsewhere: Does the pass; by default it is done here.

    Returns:
        float64 [unit] per site.
    """
    work = _Collector(subject, corpus, plan, store, batch_size, progress or Progress(), elsewhere)
    sites = default_sites(subject.sites())
    units = tuple(UnitId(site.name, index) for site in sites for index in range(site.n_units))
    if new := work.stored.missing(STATISTICS, units):
        work.collect_statistics(new)
    return {site.name: work.stored.column(STATISTICS, site.name, site.n_units, field) for site in sites}


class _Collector:
    """The passes over one collection."""

    def __init__(
        self,
        subject: SubjectModel,
        corpus: Corpus,
        plan: CollectionPlan,
        store: ActivationStore,
        batch_size: int,
        progress: Progress,
        elsewhere: Elsewhere | None,
    ) -> None:
        self._elsewhere = elsewhere
        self._subject = subject
        self._plan = plan
        self._batch_size = batch_size
        self._progress = progress
        self.stored = store.collection(_identity(subject, corpus, plan))
        for damage in self.stored.without_damage():
            self._progress.note(f"{damage} It is collected again.")
        self.table = self.stored.tokens() or self._tokenize(corpus)

    def collect_units(self, units: Sequence[UnitId], token_sums: bool) -> None:
        """One pass over the units; their records, and token sums if asked for, are stored."""
        selection = UnitSelection(tuple(units))
        with self.stored.writing(UNITS, selection) as writer:
            reducer = self._pass("collect", selection, self._plan, token_sums=token_sums, directory=writer.directory)
            if token_sums:
                self._store_token_sums(reducer)
            for site, part in reducer.sites.items():
                writer.add(site, _unit_arrays(part), part.rows.checksums)

    def collect_token_sums(self, units: Sequence[UnitId]) -> None:
        """One pass over the explain split, for token sums alone."""
        plan = _nothing_kept(self._plan)
        selection = UnitSelection(tuple(units))
        self._store_token_sums(self._pass("collect", selection, plan, token_sums=True, splits=(Split.EXPLAIN,)))

    def collect_statistics(self, units: Sequence[UnitId]) -> None:
        """One pass for statistics alone."""
        selection = UnitSelection(tuple(units))
        reducer = self._pass("statistics", selection, _nothing_kept(self._plan))
        with self.stored.writing(STATISTICS, selection) as writer:
            for site, part in reducer.sites.items():
                writer.add(site, SiteArrays(part.columns, part.statistics()))

    def _tokenize(self, corpus: Corpus) -> TokenTable:
        manifest: dict[str, Any] = {}
        with self.stored.writing_tokens(manifest) as directory:
            self._progress.start("tokenize", None, "sequences")
            sequences = self._told("tokenize", token_sequences(self._subject, corpus, self._plan))
            manifest.update(write_table(directory, sequences, self._plan.ignore_first_tokens))
            if not any(counts["tokens"] for counts in manifest["counts"].values()):
                raise CorpusError(
                    "No token of the corpus counts.",
                    known=f"The first {self._plan.ignore_first_tokens} tokens of each sequence are ignored, "
                    "and none has more.",
                    remedy="Lower ignore_first_tokens, or use longer documents.",
                )
            self._progress.finish("tokenize")
        table = self.stored.tokens()
        assert table is not None
        return table

    def _told(self, stage: str, sequences: Iterable[TokenSequence]) -> Iterator[TokenSequence]:
        for sequence in sequences:
            yield sequence
            self._progress.advance(stage)

    def _pass(
        self,
        stage: str,
        selection: UnitSelection,
        plan: CollectionPlan,
        *,
        token_sums: bool = False,
        splits: tuple[Split, ...] = SPLITS,
        directory: Path | None = None,
    ) -> UnitReducer:
        what = CollectionPass(stage, selection, plan, token_sums, splits, self._batch_size)
        reducer = what.reducer(self.table, directory)
        self._progress.start(stage, sum(self.table.counts[split]["tokens"] for split in splits), "tokens")
        if self._elsewhere is None:
            what.reduce(self._subject, self.table, np.arange(len(self.table)), reducer, self._progress)
        else:
            self._elsewhere.reduce(self.stored.key, what, reducer)
        self._progress.finish(stage)
        return reducer

    def _store_token_sums(self, reducer: UnitReducer) -> None:
        with self.stored.writing(TOKEN_SUMS, reducer.selection) as writer:
            for site, part in reducer.sites.items():
                assert part.token_sums is not None
                sums = part.token_sums.arrays()
                shared = {name: sums[name] for name in ("token_ids", "counts")}
                writer.add(site, SiteArrays(part.columns, {"sums": sums["sums"].T}, shared))


def _in_order(rows: np.ndarray, drawn: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The order in which sequences are run.

    Those that are kept for every unit come first, so that batches of them are kept whole; and of a few
    hundred that follow each other the long ones do, so that batches hold little padding.
    """
    is_drawn = np.isin(rows, drawn)
    first, rest = rows[is_drawn], rows[~is_drawn]
    windows = np.arange(len(rest)) // _WINDOW
    return np.concatenate(
        [first[np.argsort(-lengths[first], kind="stable")], rest[np.lexsort((-lengths[rest], windows))]]
    )


def _unit_arrays(part: SiteReducer) -> SiteArrays:
    samples = part.samples()
    kept = {
        f"{name}_{field}": getattr(sample, field)
        for name, sample in samples.items()
        for field in ("rows", "addresses", "exponents")
    }
    return SiteArrays(
        part.columns,
        plain={**part.statistics(), **kept},
        shared={
            "length": np.array(part.rows.length),
            "n_tokens": part.moments.n,
            "n_sequences": np.array(part.histogram.n_sequences),
        },
    )


def _identity(subject: SubjectModel, corpus: Corpus, plan: CollectionPlan) -> dict[str, Any]:
    shares = {split.value: plan.split_shares.get(split, 0.0) for split in Split}
    kept = {**asdict(plan), "split_shares": shares}
    return {"subject": dict(subject.identity()), "corpus": dict(corpus.identity()), "plan": kept}


def _nothing_kept(plan: CollectionPlan) -> CollectionPlan:
    return replace(plan, top_k=0, n_random=0, quantile_bins=(), n_importance=0)


def _refuse_large_tables(n_units: int, n_tokens: int, limit: int) -> None:
    # A float64 sum per unit and token, and once per token its id and count.
    needed = n_units * n_tokens * 8 + n_tokens * 16 if n_units else 0
    if needed > limit:
        raise ConfigError(
            f"The token means of {n_units:,} units need {needed:,} bytes; collection.max_table_bytes allows {limit:,}.",
            known=f"The explain split has {n_tokens:,} different tokens.",
            remedy=f"Set collection.max_table_bytes to at least {needed}, or choose fewer units.",
        )
