"""The contract of a scorer that puts questions to a language model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.scorer import Scorer
from neurogloss.records.explanations import Explanation
from neurogloss.records.failures import Reason
from neurogloss.records.requests import ChoiceRequest, Request, TextRequest
from neurogloss.records.scores import Score
from neurogloss.records.tokens import Split
from neurogloss.records.unit_records import SplitView
from neurogloss.testing.contract import override_fixture, run
from neurogloss.testing.fakes import (
    FailingLanguageModel,
    FakeLanguageModel,
    HalfFailingLanguageModel,
    garbled_language_model,
)
from neurogloss.testing.records import prose_explanation, sequences, unit_record
from neurogloss.testing.scorer import ScorerContract, reason_in, score_in

ScorerFor = Callable[[LanguageModel], Scorer]
HEADLINE = "balanced_accuracy"
"""What stands in tables for every scorer that asks questions: chance is 1/2, the best is 1."""
_LABELS = (HEADLINE, "accuracy", "precision", "recall", "f1", "iou")
_WITH_PROBABILITIES = ("auc", "auprc")


class QuestionScorerContract(ScorerContract):
    """What a scorer does that asks a language model questions with a true answer.

    ```
    class TestMine(QuestionScorerContract):
        @pytest.fixture
        def scorer_for(self):
            return lambda llm: MyScorer(MyConfig(), llm=llm)

        @pytest.fixture
        def oracle(self):
            return MyOracle()
    ```
    The records of `unit_record()` are few: configure the scorer so that it makes do with them. It is
    asked with a language model that tells probabilities; override `constants` if it asks for text alone.
    """

    @pytest.fixture
    def scorer_for(self) -> ScorerFor:
        """A function from a language model to the scorer that asks it."""
        override_fixture("QuestionScorerContract", "scorer_for")

    @pytest.fixture
    def oracle(self) -> LanguageModel:
        """A language model that answers every question of this scorer rightly, for a unit that fires on the words in
        `neurogloss.testing.records.WEIGHTS`."""
        override_fixture("QuestionScorerContract", "oracle")

    @pytest.fixture
    def constants(self) -> Sequence[LanguageModel]:
        """Language models that always give the same answer, each another one."""
        return [FakeLanguageModel(prefers=0), FakeLanguageModel(prefers=1)]

    @pytest.fixture
    def scorer(self, scorer_for: ScorerFor) -> Scorer:
        return scorer_for(FakeLanguageModel())

    @pytest.fixture
    def tells_the_explanation(self) -> bool:
        """Whether the questions show the explanation; override if they judge the unit alone."""
        return True

    def test_an_oracle_reaches_the_ceiling(
        self, scorer_for: ScorerFor, oracle: LanguageModel, explanation: Explanation, view: SplitView
    ) -> None:
        score = score_in(run(scorer_for(oracle).score(explanation, view)))
        assert score.ceiling == 1
        assert score.value == 1

    def test_the_measures_of_a_classification_are_told(
        self, scorer_for: ScorerFor, oracle: LanguageModel, explanation: Explanation, view: SplitView
    ) -> None:
        score = score_in(run(scorer_for(oracle).score(explanation, view)))
        assert score.headline == HEADLINE
        assert set(_LABELS) <= set(score.measures)
        assert len(set(_WITH_PROBABILITIES) & set(score.measures)) in (0, 2)
        assert any(name.startswith(f"{HEADLINE}.negatives.") for name in score.measures), "per kind of negative"

    def test_what_the_headline_does_not_notice_is_told(
        self, scorer: Scorer, explanation: Explanation, view: SplitView
    ) -> None:
        headline = score_in(run(scorer.score(explanation, view))).measures[HEADLINE]
        assert headline.insensitive_to, "on as many texts that fire as do not, rare extra labels are not noticed"

    def test_nulls_are_told(self, scorer: Scorer, explanation: Explanation, view: SplitView) -> None:
        assert {"constant", "shuffled"} <= set(score_in(run(scorer.score(explanation, view))).floors)

    def test_constant_answers_stay_at_their_floor(
        self, scorer_for: ScorerFor, constants: Sequence[LanguageModel], explanation: Explanation, view: SplitView
    ) -> None:
        for llm in constants:
            score = score_in(run(scorer_for(llm).score(explanation, view)))
            assert score.value is not None
            assert score.value <= score.floors["constant"] + 1e-9
            assert any("constant" in flag for flag in score.flags), "constant answers are flagged"

    def test_a_failing_model_is_no_wrong_answer(
        self, scorer_for: ScorerFor, explanation: Explanation, view: SplitView
    ) -> None:
        assert reason_in(run(scorer_for(FailingLanguageModel()).score(explanation, view))) is Reason.FAILED

    def test_an_unreadable_reply_is_no_wrong_answer(
        self, scorer_for: ScorerFor, explanation: Explanation, view: SplitView
    ) -> None:
        garbled = garbled_language_model()
        assert reason_in(run(scorer_for(garbled).score(explanation, view))) is Reason.UNPARSABLE
        assert garbled.rejected, "llm.reject(request), so that the reply is not the answer for ever"

    def test_what_failed_is_left_out_and_counted(
        self, scorer_for: ScorerFor, oracle: LanguageModel, explanation: Explanation, view: SplitView
    ) -> None:
        whole = score_in(run(scorer_for(oracle).score(explanation, view)))
        partly = run(scorer_for(HalfFailingLanguageModel(oracle)).score(explanation, view)).outcome
        assert isinstance(partly, Score), "the questions that were answered have a score"
        assert partly.n_asked == whole.n_asked, "what failed was asked"
        assert partly.n_failed > 0
        assert partly.n_answered + partly.n_failed + partly.n_unparsable == partly.n_asked
        assert partly.value in (1, None), "what failed is left out, and never a wrong answer"

    def test_questions_do_not_depend_on_the_explanation(
        self, scorer_for: ScorerFor, view: SplitView, tells_the_explanation: bool
    ) -> None:
        glosses = "the colour violet", "numbers above forty"
        shown = []
        for gloss in glosses:
            llm = FakeLanguageModel()
            run(scorer_for(llm).score(prose_explanation(gloss), view))
            texts = [_text(request) for request in llm.requests]
            assert texts
            assert all((gloss in text) is tells_the_explanation for text in texts), "each request shows the explanation"
            shown.append([text.replace(gloss, "") for text in texts])
        assert shown[0] == shown[1], "two explanations of a unit are asked about the same"

    def test_only_texts_of_the_split_are_shown(
        self, scorer_for: ScorerFor, explanation: Explanation, view: SplitView
    ) -> None:
        llm = FakeLanguageModel()
        run(scorer_for(llm).score(explanation, view))
        shown = "\n".join(_text(request) for request in llm.requests)
        own = {sequence.text for sequence in sequences(view.split)}
        others = {sequence.text for split in Split if split is not view.split for sequence in sequences(split)} - own
        assert not [text for text in others if text in shown], "texts of another split are shown"

    def test_a_leak_is_refused(self, scorer_for: ScorerFor, explanation: Explanation) -> None:
        record = unit_record()
        leaking = replace(record, splits={**record.splits, Split.TEST: record.splits[Split.EXPLAIN]})
        with pytest.raises(ValueError, match="explain"):
            run(scorer_for(FakeLanguageModel()).score(explanation, leaking.view(Split.TEST)))


def _text(request: Request) -> str:
    assert not isinstance(request, TextRequest), "questions are not asked by how likely a text is"
    pieces = request.pieces if isinstance(request, ChoiceRequest) else ()
    return "\n".join([*(message.content for message in request.messages), *pieces])
