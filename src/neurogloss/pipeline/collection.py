"""Collection: from subject, corpus and units to stored unit records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
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
from neurogloss.reducers.sample_values import SampleValues
from neurogloss.reducers.unit_reducer import SiteReducer, UnitReducer
from neurogloss.store.activations import STATISTICS, TOKEN_SUMS, UNITS, ActivationStore, SiteArrays
from neurogloss.store.token_table import TokenTable, write_table


@dataclass(frozen=True)
class CollectionPass:
    """What one pass over a token table leaves; plain data, so that parts of it can be done elsewhere."""

    stage: str
    selection: UnitSelection
    plan: CollectionPlan
    token_sums: bool
    splits: tuple[Split, ...]
    batch_size: int

    def reduced(self, subject: SubjectModel, table: TokenTable, rows: Iterable[int], progress: Progress) -> UnitReducer:
        """The reducer that has taken in these rows of the table."""
        sequences = (sequence for sequence in table.sequences(rows) if sequence.split in self.splits)
        made = self._told(batches(sequences, self.batch_size, self.plan.ignore_first_tokens), progress)
        return subject.collect(made, self.selection, self.plan, token_sums=self.token_sums)

    def _told(self, made: Iterable[Batch], progress: Progress) -> Iterator[Batch]:
        # A subject asks for the next batch when it is done with one.
        for batch in made:
            yield batch
            progress.advance(self.stage, int(batch.counted.sum()))


class Elsewhere(Protocol):
    """Does passes in other processes."""

    def reduced(self, key: str, what: CollectionPass) -> UnitReducer:
        """The reducer that has taken in the whole token table of the collection of this key."""


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
    are new; for large selections a second pass reads the values of sequences that the first has drawn
    by quantile. When nothing is new, of the subject and the corpus only `identity` is called.

    Args:
        subject: The model.
        corpus: The documents.
        units: What to collect.
        plan: What to keep of each.
        store: Where.
        batch_size: Sequences per batch; does not matter to what is reused.
        token_means: Whether the mean activation per token is needed.
        max_table_bytes: The most that tables of token means, of all units, may take.
        progress: Hears of the stages `tokenize`, `collect` and `samples`.
        elsewhere: Does the first pass; by default it is done here.

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
        self.table = self.stored.tokens() or self._tokenize(corpus)

    def collect_units(self, units: Sequence[UnitId], token_sums: bool) -> None:
        """Both passes over the units; their records, and token sums if asked for, are stored."""
        selection = UnitSelection(tuple(units))
        reducer = self._pass("collect", selection, self._plan, token_sums=token_sums)
        if token_sums:
            self._store_token_sums(reducer)
        ids = {site: part.quantile_ids() for site, part in reducer.sites.items()}
        known = ((site, part.quantile_values(ids[site])) for site, part in reducer.sites.items())
        values = {site: found for site, found in known if found is not None}
        values |= self._second_pass(reducer, {site: drawn for site, drawn in ids.items() if site not in values})
        self.stored.write_units(
            UNITS, {site: self._unit_arrays(part, ids[site], values[site]) for site, part in reducer.sites.items()}
        )

    def collect_token_sums(self, units: Sequence[UnitId]) -> None:
        """One pass over the explain split, for token sums alone."""
        selection = UnitSelection(tuple(units))
        self._store_token_sums(
            self._pass("collect", selection, _nothing_kept(self._plan), token_sums=True, only=Split.EXPLAIN)
        )

    def collect_statistics(self, units: Sequence[UnitId]) -> None:
        """One pass for statistics alone."""
        reducer = self._pass("statistics", UnitSelection(tuple(units)), _nothing_kept(self._plan))
        arrays = {site: SiteArrays(part.columns, part.statistics()) for site, part in reducer.sites.items()}
        self.stored.write_units(STATISTICS, arrays)

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
        only: Split | None = None,
    ) -> UnitReducer:
        splits = tuple(Split) if only is None else (only,)
        what = CollectionPass(stage, selection, plan, token_sums, splits, self._batch_size)
        self._progress.start(stage, sum(self.table.counts[split]["tokens"] for split in splits), "tokens")
        if self._elsewhere is None:
            reducer = what.reduced(self._subject, self.table, range(len(self.table)), self._progress)
        else:
            reducer = self._elsewhere.reduced(self.stored.key, what)
        self._progress.finish(stage)
        return reducer

    def _second_pass(self, reducer: UnitReducer, ids: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Reads the values of the sequences drawn at each site, [unit split bin slot pos]."""
        plan = self._plan
        samples = {
            site: SampleValues(site, reducer.sites[site].columns, drawn.reshape(len(drawn), -1), plan.sequence_length)
            for site, drawn in ids.items()
        }
        wanted = {site: reducer.sites[site].columns.indices for site in ids}
        sequence_ids = np.unique(np.concatenate([np.zeros(0, np.int64), *(s.wanted for s in samples.values())]))
        if len(sequence_ids):
            self._progress.start("samples", len(sequence_ids), "sequences")
            sequences = self.table.sequences(self.table.rows_of(sequence_ids))
            for batch in batches(sequences, self._batch_size, plan.ignore_first_tokens):
                activations = self._subject.activations(batch, wanted)
                for site, sample in samples.items():
                    sample.add(batch, activations[site])
                self._progress.advance("samples", len(batch.sequences))
            self._progress.finish("samples")
        return {site: sample.values.reshape(*ids[site].shape, plan.sequence_length) for site, sample in samples.items()}

    def _store_token_sums(self, reducer: UnitReducer) -> None:
        arrays = {}
        for site, part in reducer.sites.items():
            assert part.token_sums is not None
            sums = part.token_sums.arrays()
            shared = {name: sums[name] for name in ("token_ids", "counts")}
            arrays[site] = SiteArrays(part.columns, {"sums": sums["sums"].T}, shared=shared)
        self.stored.write_units(TOKEN_SUMS, arrays)

    def _unit_arrays(self, part: SiteReducer, quantile_ids: np.ndarray, quantile_values: np.ndarray) -> SiteArrays:
        top, random, importance = part.top.ordered(), part.random.ordered(), part.importance.ordered()
        per_unit = (len(part.columns), len(Split))
        rows = self.table.rows_of
        return SiteArrays(
            part.columns,
            plain={
                **part.statistics(),
                "top_rows": rows(top.ids).reshape(*per_unit, self._plan.top_k),
                "quantile_rows": rows(quantile_ids),
                "importance_rows": rows(importance.ids).reshape(*per_unit, self._plan.n_importance),
            },
            values={
                "top_values": top.payload.reshape(*per_unit, *top.payload.shape[1:]),
                "random_values": np.moveaxis(random.payload[:, :, 1:], 3, 0),
                "quantile_values": quantile_values,
                "importance_values": importance.payload.reshape(*per_unit, *importance.payload.shape[1:]),
            },
            shared={
                "random_rows": rows(random.ids),
                "n_tokens": np.array(part.moments.n),
                "n_sequences": part.histogram.counts[0].sum(dtype=np.int64),
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
