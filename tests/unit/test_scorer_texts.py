"""Scorers that rank texts, against values computed by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from neurogloss.builtin.embedders.configs import HashedWordsConfig
from neurogloss.builtin.embedders.hashed_words import HashedWordsEmbedder
from neurogloss.builtin.negatives.configs import NeighbourNegativesConfig, RandomNegativesConfig
from neurogloss.builtin.negatives.neighbours import NeighbourNegatives
from neurogloss.builtin.negatives.random import RandomNegatives
from neurogloss.builtin.scorers.configs import EmbeddingScorerConfig, ResamplingConfig, TextsConfig
from neurogloss.builtin.scorers.embedding import EmbeddingScorer
from neurogloss.builtin.scorers.ranking import AUC, AUPRC, Ranking, difference, mean_of
from neurogloss.builtin.scorers.texts import TextsScorer
from neurogloss.errors import ConfigError
from neurogloss.interfaces.scorer import Verdict
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.scores import Score
from neurogloss.records.tokens import Split
from neurogloss.testing.records import prose_explanation, unit_record

QUICK = ResamplingConfig(n_bootstrap=200, n_permutations=100)


def _ranking(truth: str, scores: Sequence[float], documents: str | None = None) -> Ranking:
    """Items that are true at `+`; a group for each sign, a document for each letter."""
    signs = np.array(list(truth))
    owners = np.array(list(documents or "abcdefghij"[: len(truth)]))
    return Ranking(signs == "+", np.array(scores, dtype=np.float64), signs, owners)


def test_measures_by_hand() -> None:
    """Of the six pairs, the true item is above in four and equal in one: (4 + 1/2) / 6."""
    ranking = _ranking("++-+-", [5, 3, 3, 1, 0])
    assert ranking.metric(AUC, QUICK).value == pytest.approx(4.5 / 6)
    # From the top: 1 of 1; of the two equal ones 2 of 3; 3 of 4.
    assert ranking.metric(AUPRC, QUICK).value == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert ranking.measure(difference, QUICK).value == pytest.approx(3 - 1.5)
    assert ranking.measure(mean_of(True), QUICK).value == pytest.approx(3)
    assert ranking.measure(mean_of(False), QUICK).value == pytest.approx(1.5)


def test_what_is_not_defined_has_no_value() -> None:
    ranking = _ranking("+++", [1, 2, 3])
    assert ranking.metric(AUC, QUICK).value is None
    assert ranking.measure(difference, QUICK).value is None
    assert ranking.measure(mean_of(True), QUICK).value == 2


def test_whole_documents_are_resampled() -> None:
    """Two documents, each with one item of either kind in the right order: every resample is perfect."""
    two = _ranking("+-+-", [4, 1, 3, 2], "aabb").metric(AUC, QUICK)
    assert (two.value, two.low, two.high) == (1, 1, 1)
    # One document right and one wrong: a resample may hold either one alone.
    mixed = _ranking("+-+-", [2, 1, 3, 4], "aabb").metric(AUC, QUICK)
    assert (mixed.low, mixed.high) == (0, 1)
    assert _ranking("+-", [1, 0], "aa").metric(AUC, QUICK).low is None


def test_floors() -> None:
    floors = _ranking("+++---", [6, 5, 4, 3, 2, 1]).floors(AUC.weighted, QUICK)
    assert floors["constant"] == 0.5
    assert 0.7 < floors["shuffled"] <= 1
    assert _ranking("+---", [1, 2, 3, 4]).floors(AUPRC.weighted, QUICK)["constant"] == pytest.approx(1 / 4)
    assert "shuffled" not in _ranking("+-", [1, 0]).floors(AUC.weighted, ResamplingConfig(n_permutations=0))


class FirstWord(TextsScorer):
    """Rates a text by whether a word of the gloss is in it; fails on what it is told to."""

    name = "first_word"

    def __init__(self, config: TextsConfig, fails: str = "", reason: Reason = Reason.FAILED) -> None:
        super().__init__(config, [RandomNegatives(RandomNegativesConfig())])
        self._fails, self._reason = fails, reason

    async def rate(self, gloss: str, texts: Sequence[str]) -> Sequence[float | Failure]:
        words = set(gloss.split())
        return [
            Failure(self._reason, "no answer")
            if self._fails and self._fails in text
            else float(bool(words & set(text.split())))
            for text in texts
        ]


async def _score(scorer: TextsScorer, gloss: str) -> Verdict:
    return await scorer.score(prose_explanation(gloss), unit_record().view(Split.TEST))


def _config(**more: int) -> TextsConfig:
    return TextsConfig(**{"min_each": 2, "n_bootstrap": 50, "n_permutations": 50, **more})  # type: ignore[arg-type]


async def test_a_true_gloss_is_at_the_top_and_a_false_one_at_the_floor() -> None:
    true = (await _score(FirstWord(_config()), "cat dog 🐈")).outcome
    false = (await _score(FirstWord(_config()), "barn")).outcome
    assert isinstance(true, Score)
    assert isinstance(false, Score)
    assert true.value == 1
    assert true.measures["mean.firing"].value == 1
    assert true.measures["mean.other"].value == 0
    assert true.measures["auc.negatives.random"].value == 1
    assert false.value is not None
    assert false.value <= false.floors["shuffled"]
    assert true.floors["constant"] == 0.5


async def test_constant_ratings_are_flagged_and_at_the_floor() -> None:
    score = (await _score(FirstWord(_config()), "nothing")).outcome
    assert isinstance(score, Score)
    assert score.value == score.floors["constant"] == 0.5
    assert "constant ratings" in score.flags


async def test_what_is_missing_is_counted_and_left_out() -> None:
    score = (await _score(FirstWord(_config(), fails="orchard"), "cat dog 🐈")).outcome
    assert isinstance(score, Score)
    assert score.value == 1
    assert score.n_failed > 0
    assert score.n_asked == score.n_answered + score.n_failed
    unparsable = (await _score(FirstWord(_config(), "orchard", Reason.UNPARSABLE), "cat dog 🐈")).outcome
    assert isinstance(unparsable, Score)
    assert (unparsable.n_unparsable, unparsable.n_failed) == (score.n_failed, 0)
    failure = (await _score(FirstWord(_config(), fails="The", reason=Reason.UNPARSABLE), "cat")).outcome
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.UNPARSABLE


async def test_too_few_texts_are_a_failure_that_counts_them() -> None:
    config = _config(min_each=6)
    outcome = (await _score(FirstWord(config), "cat")).outcome
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.TOO_FEW_RECORDS
    assert "at least 6 of each are needed" in outcome.detail


async def test_embedding_rates_by_cosines() -> None:
    """`cat` shares its one word with each text that holds it: cosine 1 / length of the text's counts."""
    embedder = HashedWordsEmbedder(HashedWordsConfig())
    scorer = EmbeddingScorer(EmbeddingScorerConfig(), embedder, [RandomNegatives(RandomNegativesConfig())])
    assert await scorer.rate("Cat", ["the cat", "a dog", "cat cat dog dog"]) == pytest.approx(
        [1 / np.sqrt(2), 0, 2 / np.sqrt(8)]
    )


async def test_several_kinds_of_negatives_are_measured_apart() -> None:
    config = EmbeddingScorerConfig(
        negatives=["random", {"component": "neighbours"}], min_each=2, n_bootstrap=0, n_permutations=0
    )
    kinds = [RandomNegatives(RandomNegativesConfig()), NeighbourNegatives(NeighbourNegativesConfig())]
    scorer = EmbeddingScorer(config, HashedWordsEmbedder(HashedWordsConfig()), kinds)
    score = (await scorer.score(prose_explanation("cat dog"), unit_record().view(Split.TEST))).outcome
    assert isinstance(score, Score)
    assert {"auc.negatives.random", "auc.negatives.neighbours", "auc.top"} <= score.measures.keys()


@pytest.mark.parametrize(
    ("field", "value"), [("min_each", 0), ("n_positives", 3), ("n_negatives", 3), ("seed", -1), ("n_bootstrap", -1)]
)
def test_values_that_mean_nothing_are_refused(field: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"^{field} is {value}"):
        EmbeddingScorerConfig(**{field: value}).check()  # type: ignore[arg-type]
