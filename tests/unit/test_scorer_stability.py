"""Agreement of explanations of other records, by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from neurogloss.builtin.embedders.configs import HashedWordsConfig
from neurogloss.builtin.embedders.hashed_words import HashedWordsEmbedder
from neurogloss.builtin.explainers.configs import TokenTableConfig
from neurogloss.builtin.explainers.token_table import TokenTableExplainer
from neurogloss.builtin.scorers.configs import StabilityConfig
from neurogloss.builtin.scorers.stability import StabilityScorer
from neurogloss.errors import ConfigError
from neurogloss.interfaces.explainer import Explainer
from neurogloss.records.explanations import Explanation, ProseExplanation, Provenance
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.scores import Score
from neurogloss.records.tokens import Split
from neurogloss.records.unit_records import SplitView
from neurogloss.testing.records import prose_explanation, unit_record

WORDS = HashedWordsEmbedder(HashedWordsConfig())


class Says(Explainer):
    """Says one thing after the other, and notes what it was shown."""

    def __init__(self, *outcomes: str | Failure) -> None:
        self._outcomes = outcomes
        self.shown: list[SplitView] = []

    async def explain(self, view: SplitView) -> tuple[Explanation | Failure, ...]:
        outcome = self._outcomes[len(self.shown) % len(self._outcomes)]
        self.shown.append(view)
        return (outcome if isinstance(outcome, Failure) else ProseExplanation(Provenance("says"), outcome),)


async def _outcome(explainer: Explainer, text: str = "cats dogs", **more: int) -> Score | Failure:
    scorer = StabilityScorer(StabilityConfig(**more), explainer, WORDS)  # type: ignore[arg-type]
    return (await scorer.score(prose_explanation(text), unit_record().view(Split.TEST, explains_again=True))).outcome


def _values(score: Score | Failure) -> Sequence[float | None]:
    assert isinstance(score, Score)
    return [score.measures[name].value for name in ("agreement", "agreement.lowest", "agreement.among")]


async def test_the_same_again_agrees_fully() -> None:
    assert _values(await _outcome(Says("cats dogs"))) == pytest.approx([1, 1, 1])


async def test_cosines_by_hand() -> None:
    """`cats dogs` with `cats`: 1/sqrt(2), with `boats`: 0, with `cats boats`: 1/2; the three among themselves."""
    root = 1 / np.sqrt(2)
    found = _values(await _outcome(Says("cats", "boats", "cats boats"), n_resamples=3))
    assert found == pytest.approx([(root + 0 + 0.5) / 3, 0, (0 + root + root) / 3], abs=1e-6)


async def test_what_is_shown_are_different_halves_of_the_explain_split() -> None:
    explainer = Says("cats")
    await _outcome(explainer, n_resamples=6)
    documents = [frozenset(r.sequence.document_id for r in view.records.top) for view in explainer.shown]
    whole = {r.sequence.document_id for r in unit_record().view(Split.EXPLAIN).records.top}
    assert len(set(documents)) > 1
    assert all(view.split is Split.EXPLAIN for view in explainer.shown)
    assert all(half < whole and len(half) == 3 for half in documents)


async def test_unrelated_glosses_are_the_floor() -> None:
    score = await _outcome(Says("birds that wade", "wading birds"))
    assert isinstance(score, Score)
    assert score.floors["random_text"] < 0.2
    assert score.value is not None


async def test_failures_are_counted_and_left_out() -> None:
    lost = Failure(Reason.UNPARSABLE, "no gloss")
    score = await _outcome(Says("cats dogs", lost, "cats dogs", Failure(Reason.REFUSED, "no")))
    assert isinstance(score, Score)
    assert score.value == pytest.approx(1)
    assert (score.n_asked, score.n_answered, score.n_unparsable, score.n_failed) == (4, 2, 1, 1)
    assert score.flags == ("2 of 4 halves not explained",)
    failure = await _outcome(Says(lost, lost, lost, "cats"))
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.UNPARSABLE
    assert failure.detail == "3 of 4 halves without an explanation: no gloss"


async def test_a_table_cannot_be_made_of_a_half() -> None:
    outcome = await _outcome(TokenTableExplainer(TokenTableConfig()))
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.TOO_FEW_RECORDS


@pytest.mark.parametrize(("field", "value"), [("min_resamples", 0), ("n_resamples", 1), ("seed", -1)])
def test_values_that_mean_nothing_are_refused(field: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"^{field} is {value}"):
        StabilityConfig(**{field: value}).check()  # type: ignore[arg-type]
