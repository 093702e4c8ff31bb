"""What a view knows beyond its own records: neighbours, the pool, values elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from neurogloss.builtin.negatives.configs import NeighbourNegativesConfig, RandomNegativesConfig
from neurogloss.builtin.negatives.neighbours import NeighbourNegatives
from neurogloss.builtin.negatives.random import RandomNegatives
from neurogloss.errors import StoreError
from neurogloss.pipeline.collected import CollectedUnits, reopened
from neurogloss.pipeline.collection import collect_units
from neurogloss.records.plans import CollectionPlan
from neurogloss.records.tokens import Split
from neurogloss.records.units import UnitId
from neurogloss.store.activations import ActivationStore
from neurogloss.testing.records import empty_unit_record, unit_record

PLAN = CollectionPlan(sequence_length=12, top_k=4, n_random=6, per_bin=2, n_importance=3)
TEXTS = [chr(97 + i % 26) * (3 + i % 7) + " and so on" for i in range(90)]
UNITS = (*(UnitId("layers.0.mlp", i) for i in range(6)), UnitId("layers.0.mlp", 2, "-"))


@pytest.fixture
def store(tmp_path) -> ActivationStore:
    return ActivationStore(tmp_path)


@pytest.fixture
def collected(byte_subject, list_corpus, store) -> CollectedUnits:
    return collect_units(byte_subject(dead=(5,)), list_corpus(TEXTS), UNITS, PLAN, store, batch_size=8)


def test_neighbours_are_ranked_by_correlation_on_the_random_sequences(collected) -> None:
    view = collected.record(UNITS[2]).view(Split.TEST)
    found = view.neighbours(10)
    own = collected.random_values(UNITS[2], Split.TEST)
    expected = {
        unit: float(np.corrcoef(own, collected.random_values(unit, Split.TEST))[0, 1])
        for unit in UNITS
        if unit.index not in (2, 5)  # neither itself, of either polarity, nor the dead one
    }
    assert [each.view.unit for each in found] == sorted(expected, key=lambda unit: -expected[unit])
    assert [each.similarity for each in found] == pytest.approx([expected[each.view.unit] for each in found])
    assert all(each.view.split is Split.TEST for each in found)
    assert [each.view.unit for each in view.neighbours(2)] == [each.view.unit for each in found[:2]]


def test_the_pool_is_of_the_split_and_grows_at_its_end(collected) -> None:
    view = collected.record(UNITS[0]).view(Split.EXPLAIN)
    pool = view.pool(1000)
    assert {sequence.split for sequence in pool} == {Split.EXPLAIN}
    assert len(pool) == collected.counts[Split.EXPLAIN].n_sequences
    assert [s.id for s in view.pool(3)] == [s.id for s in pool[:3]]


@pytest.mark.parametrize("unit", [UNITS[1], UNITS[6]])
def test_values_elsewhere_are_the_subjects(collected, unit) -> None:
    view = collected.record(unit).view(Split.TEST)
    for record in view.on(view.pool(50)):
        formula = [
            ((int(t) * (unit.index + 3) + p) % 23 - 4) * unit.sign for p, t in enumerate(record.sequence.token_ids)
        ]
        assert record.values.tolist() == formula
    stored = view.records.top[0]
    assert view.on([stored.sequence])[0].values == pytest.approx(stored.values, rel=1e-3)


def test_a_view_refuses_sequences_of_another_split(collected) -> None:
    record = collected.record(UNITS[0])
    with pytest.raises(ValueError, match="split test was asked"):
        record.view(Split.TEST).on(record.view(Split.EXPLAIN).pool(1))


def test_values_need_the_subject_and_surroundings_a_collection(collected, store) -> None:
    view = reopened(store, collected.key, UNITS).record(UNITS[0]).view(Split.TEST)
    assert view.neighbours(1)
    with pytest.raises(StoreError, match="without the subject"):
        view.on(view.pool(1))
    with pytest.raises(ValueError, match="no open collection"):
        empty_unit_record().view(Split.TEST).pool(1)
    with pytest.raises(StoreError, match="without the subject"):
        view.written(["a text"])


@pytest.mark.parametrize("unit", [UNITS[1], UNITS[6]])
def test_values_on_texts_of_ones_own_are_the_subjects(collected, unit) -> None:
    view = collected.record(unit).view(Split.TEST)
    short, none, long = view.written(["ab", "", "a text of more than twelve bytes"])
    assert none is None
    assert short is not None
    assert long is not None
    assert [bytes(short.sequence.token_ids.tolist()), len(long.sequence)] == [b"ab", 12]
    formula = [((t * (unit.index + 3) + p) % 23 - 4) * unit.sign for p, t in enumerate(b"ab")]
    assert short.values.tolist() == formula
    assert short.counted.all()


def test_half_of_a_split_holds_half_of_the_documents_of_each_kind(collected) -> None:
    whole = collected.record(UNITS[0]).view(Split.EXPLAIN)
    half = whole.half(0)
    documents = {record.sequence.document_id for record in whole.records.top}
    kept = {record.sequence.document_id for record in half.records.top}
    assert len(documents) == 4
    assert len(kept) == 2
    assert kept < documents
    assert 0 < len(half.records.random) < len(whole.records.random)
    for records in (half.records.random, half.records.importance, *half.records.quantile.values()):
        assert not {record.sequence.document_id for record in records} & (documents - kept)
    again = [[record.sequence.id for record in whole.half(seed).records.top] for seed in (0, 0, 1, 2, 3)]
    assert again[0] == again[1] == [record.sequence.id for record in half.records.top]
    assert any(other != again[0] for other in again[2:])
    assert half.token_means is None
    assert half.split is Split.EXPLAIN


def test_only_who_explains_again_sees_the_explain_split() -> None:
    record = unit_record()
    with pytest.raises(ValueError, match="declares explains_again"):
        record.view(Split.TEST).explain()
    again = record.view(Split.TEST, explains_again=True).explain()
    assert [r.sequence.id for r in again.records.top] == [r.sequence.id for r in record.view(Split.EXPLAIN).records.top]


def test_random_negatives_are_quiet_random_records() -> None:
    view = unit_record().view(Split.TEST)
    found = RandomNegatives(RandomNegativesConfig()).records(view, 100)
    quiet = [record for record in view.records.random if record.maximum < 0.1 * view.maximum]
    assert [r.sequence.id for r in found] == [r.sequence.id for r in quiet]
    assert found


def test_neighbours_negatives_fire_the_neighbour_and_not_the_unit() -> None:
    view = unit_record().view(Split.TEST)
    found = NeighbourNegatives(NeighbourNegativesConfig()).records(view, 4)
    assert found
    assert not any(view.fires(record) for record in found)
    words = {"miller", "painter", "heron", "widow"}
    assert all(words & set(record.sequence.text.split()) for record in found)
