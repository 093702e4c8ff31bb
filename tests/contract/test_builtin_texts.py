"""The contract suites on the built-in embedders and negatives, and on wrong ones."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from neurogloss.builtin.embedders.configs import HashedWordsConfig
from neurogloss.builtin.embedders.hashed_words import HashedWordsEmbedder
from neurogloss.builtin.negatives.beginnings import BeginningNegatives
from neurogloss.builtin.negatives.configs import (
    BeginningNegativesConfig,
    DecoderNegativesConfig,
    EmbeddingNegativesConfig,
    NeighbourNegativesConfig,
    RandomNegativesConfig,
)
from neurogloss.builtin.negatives.decoder import DecoderNegatives
from neurogloss.builtin.negatives.embedding import EmbeddingNegatives
from neurogloss.builtin.negatives.neighbours import NeighbourNegatives
from neurogloss.builtin.negatives.random import RandomNegatives
from neurogloss.builtin.subjects.configs import SyntheticConfig
from neurogloss.builtin.subjects.synthetic import SyntheticSubject
from neurogloss.errors import ConfigError
from neurogloss.interfaces.embedder import Embedder
from neurogloss.interfaces.negatives import Negatives
from neurogloss.interfaces.output_weights import OutputTokens, OutputWeights
from neurogloss.records.activations import ActivationRecord
from neurogloss.records.tokens import Split
from neurogloss.records.unit_records import SplitView
from neurogloss.records.units import UnitId
from neurogloss.testing import EmbedderContract, NegativesContract
from neurogloss.testing.records import activation_record, sequences, unit_record

Rejects = Callable[..., set[str]]


class WritingSubject(SyntheticSubject, OutputWeights):
    """Every unit writes along one direction, turned the further the higher its index."""

    def __init__(self) -> None:
        super().__init__(SyntheticConfig())

    def output_directions(self, site: str, indices: np.ndarray) -> np.ndarray:
        angles = 0.3 * indices.astype(np.float32) + (0.2 if site == "layers.0.mlp" else 0.5)
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)

    def output_tokens(self, unit: UnitId, n: int) -> OutputTokens:
        return OutputTokens((), ())


class TestHashedWords(EmbedderContract):
    @pytest.fixture
    def embedder(self) -> Embedder:
        return HashedWordsEmbedder(HashedWordsConfig())


class TestRandomNegatives(NegativesContract):
    @pytest.fixture
    def negatives(self) -> Negatives:
        return RandomNegatives(RandomNegativesConfig())


class TestBeginningNegatives(NegativesContract):
    @pytest.fixture
    def negatives(self) -> Negatives:
        return BeginningNegatives(BeginningNegativesConfig(min_tokens=1))


class TestNeighbourNegatives(NegativesContract):
    @pytest.fixture
    def negatives(self) -> Negatives:
        return NeighbourNegatives(NeighbourNegativesConfig())


class TestEmbeddingNegatives(NegativesContract):
    @pytest.fixture
    def negatives(self) -> Negatives:
        return EmbeddingNegatives(EmbeddingNegativesConfig(), HashedWordsEmbedder(HashedWordsConfig()))


class TestDecoderNegatives(NegativesContract):
    @pytest.fixture
    def negatives(self) -> Negatives:
        return DecoderNegatives(DecoderNegativesConfig(), WritingSubject())


def test_embedding_negatives_are_the_nearest_to_a_firing_text() -> None:
    """Against cosines of counted words, without hashing."""
    view = unit_record({"cat": 4.0}).view(Split.TEST)
    negatives = EmbeddingNegatives(EmbeddingNegativesConfig(n_firing=1), HashedWordsEmbedder(HashedWordsConfig()))

    def words(record: ActivationRecord) -> Counter[str]:
        return Counter(re.findall(r"\w+", record.sequence.text.lower()))

    def length(counts: Counter[str]) -> float:
        return math.sqrt(sum(n * n for n in counts.values()))

    firing = words(view.records.top[0])
    nearness = []
    for record in negatives.records(view, 20):
        own = words(record)
        nearness.append(sum(firing[word] * own[word] for word in own) / length(firing) / length(own))
    assert len(nearness) == 9
    assert nearness == pytest.approx(sorted(nearness, reverse=True))
    assert nearness[0] > nearness[-1]


def test_decoder_negatives_come_from_the_units_that_write_nearly_the_same() -> None:
    """The neighbours' directions are 0.3 apart: the first is the nearest to the unit's own."""
    view = unit_record().view(Split.TEST)
    nearest = view.neighbours(1)[0].view
    (first,) = DecoderNegatives(DecoderNegativesConfig(n_neighbours=1), WritingSubject()).records(view, 1)
    assert nearest.fires(activation_record(first.sequence, {"miller": 1.0}))


def test_the_other_polarity_writes_the_other_way() -> None:
    negatives = DecoderNegatives(DecoderNegativesConfig(), WritingSubject())
    units = [unit_record(unit=name).unit for name in ("layers.0.mlp/3", "layers.0.mlp/3-")]
    plus, minus = negatives._directions(units)
    np.testing.assert_allclose(plus, -minus)
    np.testing.assert_allclose(plus, [np.cos(1.1), np.sin(1.1)], rtol=1e-6)


def test_decoder_negatives_refuse_a_subject_without_output_weights() -> None:
    with pytest.raises(ConfigError, match="needs a subject that tells what its units write"):
        DecoderNegatives(DecoderNegativesConfig(), SyntheticSubject(SyntheticConfig()))


class GoodEmbedder(HashedWordsEmbedder):
    def __init__(self) -> None:
        super().__init__(HashedWordsConfig(64))


class ForgetsToNormalise(GoodEmbedder):
    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return 2 * super().embed(texts)


class ZeroForNothing(GoodEmbedder):
    def embed(self, texts: Sequence[str]) -> np.ndarray:
        said = np.array([bool(text.strip()) for text in texts], dtype=np.float32)
        return super().embed(texts) * said[:, None]


class CentresTheBatch(GoodEmbedder):
    def embed(self, texts: Sequence[str]) -> np.ndarray:
        vectors = super().embed(texts)
        centred = vectors - vectors.mean(axis=0, initial=0) if len(vectors) > 1 else vectors
        return (centred / np.linalg.norm(centred, axis=1, keepdims=True)).astype(np.float32)


class SortsByLength(GoodEmbedder):
    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return super().embed(sorted(texts, key=len))


class Jitters(GoodEmbedder):
    counter = itertools.count(1)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        vectors = super().embed(texts)
        vectors[:, 0] += 1e-6 * next(self.counter)
        return vectors


class TellsItsPath(GoodEmbedder):
    def identity(self) -> Mapping[str, str]:
        return {"model": "/models/minilm"}


class NothingIsFlat(GoodEmbedder):
    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return super().embed(texts) if texts else np.zeros(0, dtype=np.float32)


class AllTheSame(GoodEmbedder):
    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return super().embed(["same"] * len(texts))


class DropsRepetitions(GoodEmbedder):
    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return super().embed(list(dict.fromkeys(texts)))


class DoublePrecision(GoodEmbedder):
    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return super().embed(texts).astype(np.float64)


def test_a_good_embedder_passes(failing_tests: Rejects) -> None:
    assert failing_tests(EmbedderContract, embedder=GoodEmbedder) == set()


@pytest.mark.parametrize(
    ("wrong", "test"),
    [
        (ForgetsToNormalise, "test_rows_have_length_one"),
        (ZeroForNothing, "test_an_empty_text_has_a_vector"),
        (CentresTheBatch, "test_the_other_texts_do_not_matter"),
        (SortsByLength, "test_order_does_not_matter"),
        (Jitters, "test_embedding_twice_gives_the_same"),
        (TellsItsPath, "test_identity_is_portable"),
        (NothingIsFlat, "test_no_text_has_no_rows"),
        (AllTheSame, "test_texts_are_told_apart"),
        (DropsRepetitions, "test_there_is_a_row_for_each_text"),
        (DoublePrecision, "test_there_is_a_row_for_each_text"),
    ],
)
def test_wrong_embedders_are_refused(failing_tests: Rejects, wrong: type[Embedder], test: str) -> None:
    assert test in failing_tests(EmbedderContract, test, embedder=wrong)


class GoodNegatives(NeighbourNegatives):
    def __init__(self) -> None:
        super().__init__(NeighbourNegativesConfig())


class OfAnotherSplit(GoodNegatives):
    def records(self, view: SplitView, n: int) -> tuple[ActivationRecord, ...]:
        return super().records(view.calibration(), n)


class FiringOnes(GoodNegatives):
    def records(self, view: SplitView, n: int) -> tuple[ActivationRecord, ...]:
        return view.records.top[:n]


class OneTooMany(GoodNegatives):
    def records(self, view: SplitView, n: int) -> tuple[ActivationRecord, ...]:
        return super().records(view, n + 1)


class Whimsical(GoodNegatives):
    counter = itertools.count()

    def records(self, view: SplitView, n: int) -> tuple[ActivationRecord, ...]:
        found = super().records(view, 100)
        turn = next(self.counter) % len(found)
        return (*found[turn:], *found[:turn])[:n]


class TheNeighboursValues(GoodNegatives):
    def records(self, view: SplitView, n: int) -> tuple[ActivationRecord, ...]:
        miller = {"miller": 1.0}
        return tuple(activation_record(record.sequence, miller) for record in super().records(view, n))


class EasiestFirst(GoodNegatives):
    def records(self, view: SplitView, n: int) -> tuple[ActivationRecord, ...]:
        return super().records(view, n)[::-1]


class RepeatsItself(GoodNegatives):
    def records(self, view: SplitView, n: int) -> tuple[ActivationRecord, ...]:
        return tuple(record for record in super().records(view, n) for _ in range(2))[:n]


class NeverAny(GoodNegatives):
    def records(self, view: SplitView, n: int) -> tuple[ActivationRecord, ...]:
        return ()


class TakesAnyWhenThereAreNone(GoodNegatives):
    def records(self, view: SplitView, n: int) -> tuple[ActivationRecord, ...]:
        return super().records(view, n) or tuple(activation_record(s) for s in sequences(view.split))[:n]


def test_good_negatives_pass(failing_tests: Rejects) -> None:
    assert failing_tests(NegativesContract, negatives=GoodNegatives) == set()


@pytest.mark.parametrize(
    ("wrong", "test"),
    [
        (OfAnotherSplit, "test_all_are_of_the_split"),
        (FiringOnes, "test_the_unit_fires_on_none"),
        (OneTooMany, "test_no_more_than_asked"),
        (Whimsical, "test_asking_twice_gives_the_same"),
        (TheNeighboursValues, "test_values_are_the_units_own"),
        (EasiestFirst, "test_the_hardest_come_first_however_many_are_asked"),
        (RepeatsItself, "test_none_comes_twice"),
        (NeverAny, "test_there_are_some"),
        (TakesAnyWhenThereAreNone, "test_a_unit_that_always_fires_has_none"),
    ],
)
def test_wrong_negatives_are_refused(failing_tests: Rejects, wrong: type[Negatives], test: str) -> None:
    assert test in failing_tests(NegativesContract, test, negatives=wrong)
