"""Collection end to end: what is kept of each unit, when it is reused, and what interrupts it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from neurogloss.errors import CorpusError, SubjectError
from neurogloss.pipeline.collection import collect_units, site_statistics
from neurogloss.pipeline.progress import Progress
from neurogloss.pipeline.selection import select_units
from neurogloss.pipeline.sequences import token_sequences
from neurogloss.records.plans import CollectionPlan
from neurogloss.records.tokens import Batch, Split
from neurogloss.records.units import UnitId
from neurogloss.store.activations import ActivationStore

PLAN = CollectionPlan(sequence_length=12, top_k=4, n_random=3, per_bin=2, n_importance=3)
WORDS = (
    "the",
    "rain",
    "in",
    "Spain",
    "🙂",
    "stays",
    "mainly",
    "on",
    "中文",
    "plains",
    "éà",
    "and",
    "old",
    "rock",
    "a",
    "bend",
)
TEXTS = [" ".join(WORDS[(i * k) % len(WORDS)] for k in range(1, 3 + i % 9)) for i in range(1, 90)]
UNITS = (UnitId("layers.1.mlp", 2), UnitId("layers.0.mlp", 4, "-"), UnitId("layers.0.mlp", 0))


class Listener(Progress):
    def __init__(self) -> None:
        self.totals: dict[str, int | None] = {}
        self.steps: dict[str, int] = {}
        self.finished: list[str] = []

    def start(self, stage: str, total: int | None, counted: str) -> None:
        self.totals[stage], self.steps[stage] = total, 0

    def advance(self, stage: str, steps: int = 1) -> None:
        self.steps[stage] += steps

    def finish(self, stage: str) -> None:
        self.finished.append(stage)


@pytest.fixture
def store(tmp_path) -> ActivationStore:
    return ActivationStore(tmp_path / "activations")


@pytest.fixture
def corpus(list_corpus):
    return list_corpus(TEXTS)


@pytest.fixture
def collect(byte_subject, corpus, store):
    """Collects with a new subject; the subject is left in `collect.subject`."""

    def run(units=UNITS, plan=PLAN, subject=None, corpus=corpus, batch_size=5, **options):
        run.subject = subject or byte_subject()
        return collect_units(run.subject, corpus, units, plan, store, batch_size=batch_size, **options)

    return run


def signed_values(subject, sequence, unit: UnitId) -> list[float]:
    return [unit.sign * subject.value(int(t), p, unit.index) for p, t in enumerate(sequence.token_ids)]


@pytest.mark.parametrize("unit", UNITS, ids=str)
@pytest.mark.parametrize("bos", [None, 1])
def test_records_against_brute_force(collect, byte_subject, corpus, unit: UnitId, bos: int | None) -> None:
    subject = byte_subject(bos)
    record = collect(subject=subject).record(unit)
    sequences = list(token_sequences(subject, corpus, PLAN))
    values = {s.id: signed_values(subject, s, unit) for s in sequences}
    maxima = {
        s.id: max(v for v, special in zip(values[s.id], s.special, strict=True) if not special) for s in sequences
    }
    for split, records in record.splits.items():
        members = [s for s in sequences if s.split is split]
        best = sorted(members, key=lambda s: (-maxima[s.id], s.id))[: PLAN.top_k]
        assert [r.sequence.id for r in records.top] == [s.id for s in best]
        assert len(records.random) == PLAN.n_random
        sampled = [*records.top, *records.random, *records.importance]
        for r in sampled + [r for of_bin in records.quantile.values() for r in of_bin]:
            original = next(s for s in members if s.id == r.sequence.id)
            assert (r.sequence.text, r.sequence.document_id) == (original.text, original.document_id)
            np.testing.assert_array_equal(r.sequence.spans, original.spans)
            expected = np.where(original.special, 0, values[original.id])
            np.testing.assert_array_equal(r.values, expected)  # small whole numbers survive half precision
        for name, of_bin in records.quantile.items():
            low, high = map(float, name.split("-"))
            for r in of_bin:
                # Equal ones share the ranks among all sequences, and those that do not fire the lowest.
                lower = sum(m < r.maximum for m in maxima.values())
                equal = sum(m == r.maximum for m in maxima.values())
                assert low < ((lower + equal) if r.maximum > 0 else 1) / len(maxima)
                assert (lower + 1) / len(maxima) <= high or r.maximum <= 0
        assert all(r.maximum > 0 for r in records.importance)
    counted = [v for s in sequences for v, special in zip(values[s.id], s.special, strict=True) if not special]
    assert record.statistics.n_tokens == len(counted)
    assert record.statistics.n_sequences == len(sequences)
    assert record.statistics.mean == pytest.approx(np.mean(counted), rel=1e-6)
    assert record.statistics.variance == pytest.approx(np.var(counted), rel=1e-6)
    assert record.statistics.maximum == max(counted)
    assert record.statistics.quantiles["1"] == max(counted)


def test_splits_share_no_document_and_random_sequences_are_the_same_for_every_unit(collect) -> None:
    collected = collect()
    records = [collected.record(unit) for unit in UNITS]
    documents = {
        split: {r.sequence.document_id for record in records for r in record.splits[split].top} for split in Split
    }
    assert sum(map(len, documents.values())) == len(set().union(*documents.values()))
    for split in Split:
        assert len({tuple(r.sequence.id for r in record.splits[split].random) for record in records}) == 1


def test_counts_and_progress(collect, byte_subject, corpus) -> None:
    listener = Listener()
    collected = collect(progress=listener)
    made = list(token_sequences(byte_subject(), corpus, PLAN))
    assert (collected.n_documents, collected.n_sequences) == (len(TEXTS), len(made))
    assert collected.n_tokens == sum(map(len, made))
    assert collected.counts[Split.TEST].n_sequences == sum(s.split is Split.TEST for s in made)
    assert listener.totals["collect"] == listener.steps["collect"] == collected.n_tokens
    assert listener.finished == ["tokenize", "collect"]


def test_a_dead_unit_is_called_dead(collect, byte_subject) -> None:
    record = collect(subject=byte_subject(dead=[2])).record(UNITS[0])
    statistics = record.statistics
    assert statistics.dead
    assert record.view(Split.TEST).dead
    assert (statistics.mean, statistics.variance, statistics.skewness, statistics.kurtosis) == (0, 0, 0, 0)
    assert statistics.top_tokens == ()
    assert set(statistics.quantiles.values()) == {0.0}
    assert "importance: 0 of 3 sequences" in record.splits[Split.TEST].shortfalls


@pytest.mark.parametrize(
    "nothing", [{"per_bin": 0}, {"quantile_bins": ()}, {"top_k": 0, "n_random": 0, "n_importance": 0}]
)
def test_a_plan_may_leave_things_out(collect, nothing) -> None:
    plan = replace(PLAN, **nothing)
    records = collect(plan=plan).record(UNITS[0]).splits[Split.EXPLAIN]
    assert (len(records.top), len(records.random)) == (plan.top_k, plan.n_random)
    assert len(records.importance) == plan.n_importance
    assert len(records.quantile.get("0-0.5", ())) == (plan.per_bin if plan.quantile_bins else 0)


def test_what_the_corpus_cannot_fill_is_reported(collect, list_corpus) -> None:
    splits = collect(corpus=list_corpus(TEXTS[:30])).record(UNITS[0]).splits
    assert "quantile 0.99-0.999: 0 of 2 sequences" in splits[Split.EXPLAIN].shortfalls
    calibration = splits[Split.CALIBRATION]
    assert len(calibration.top) < PLAN.top_k
    assert f"top: {len(calibration.top)} of 4 sequences" in calibration.shortfalls


def test_top_tokens_are_those_at_the_peaks(collect) -> None:
    record = collect().record(UNITS[0])
    peaks = [r.sequence.tokens[r.peak] for split in Split for r in record.splits[split].top]
    assert set(record.statistics.top_tokens) == set(peaks)
    assert record.statistics.top_tokens[0] == max(peaks, key=lambda t: (peaks.count(t), -peaks.index(t)))


def test_ignored_tokens_never_count(collect, byte_subject) -> None:
    record = collect(plan=replace(PLAN, ignore_first_tokens=2)).record(UNITS[0])
    for records in record.splits.values():
        for r in records.top:
            assert r.values[:2].tolist() == [0, 0]
            assert r.counted.tolist() == [False, False, *[True] * (len(r.sequence) - 2)]


def test_a_corpus_in_which_no_token_counts(collect, list_corpus, store) -> None:
    with pytest.raises(CorpusError, match="No token"):
        collect(corpus=list_corpus(["a", "b"]), plan=replace(PLAN, ignore_first_tokens=3))
    assert store.keys() == ()


def test_large_and_small_activations_survive_half_precision(collect, byte_subject) -> None:
    for gain in (1e6, 1e-9):
        record = collect(subject=byte_subject(gain=gain)).record(UNITS[0])
        assert record.splits[Split.TEST].top[0].maximum == pytest.approx(18 * gain, rel=1e-3)
        assert math.isfinite(record.statistics.kurtosis)


def test_activations_that_are_not_finite(collect, byte_subject) -> None:
    with pytest.raises(SubjectError, match=r"layers\.1\.mlp"):
        collect(UNITS[:1], subject=byte_subject(gain=math.nan))


class Killed(BaseException):
    """Not an `Exception`: as hard as an interruption gets inside a process."""


@pytest.mark.parametrize("dies_at", [0, 20, 35])
def test_a_pass_that_is_interrupted_is_done_again(collect, byte_subject, store, dies_at: int) -> None:
    subject = byte_subject()
    whole = subject.activations
    remaining = iter(range(dies_at))

    def failing(batch: Batch, wanted):
        if next(remaining, None) is None:
            raise Killed
        return whole(batch, wanted)

    subject.activations = failing
    with pytest.raises(Killed):
        collect(subject=subject)
    assert not list(store.root.rglob("units-*"))
    assert collect().record(UNITS[0]).statistics.n_tokens > 0
    assert "tokenize" not in collect.subject.calls
    assert not list(store.root.rglob(".partial*"))


def test_statistics_of_all_units_are_collected_once(byte_subject, corpus, store) -> None:
    def statistics(field: str):
        return site_statistics(subject, corpus, PLAN, store, field, batch_size=4)

    subject = byte_subject(dead=[5])
    maxima = statistics("maximum")
    assert {site: values.shape for site, values in maxima.items()} == {"layers.0.mlp": (6,), "layers.1.mlp": (6,)}
    values = [signed_values(subject, s, UnitId("layers.0.mlp", 3)) for s in token_sequences(subject, corpus, PLAN)]
    flat = np.concatenate(values)
    assert statistics("mean")["layers.0.mlp"][3] == pytest.approx(flat.mean(), rel=1e-7)
    assert maxima["layers.0.mlp"][5] == 0
    calls = len(subject.calls)
    units = select_units(["top_by:maximum:3"], subject.sites(), statistics=statistics)
    assert len(units) == 3
    assert len(subject.calls) == calls
