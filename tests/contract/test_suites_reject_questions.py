"""The suites of question scorers and metrics refuse components that are wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from neurogloss.builtin.negatives.configs import NeighbourNegativesConfig
from neurogloss.builtin.negatives.neighbours import NeighbourNegatives
from neurogloss.builtin.scorers.questions import metrics
from neurogloss.builtin.scorers.questions.configs import DetectionConfig
from neurogloss.builtin.scorers.questions.detection import DetectionScorer
from neurogloss.builtin.scorers.questions.question import Questionnaire
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.metric import EXTRA_LABELS, MISSING_LABELS, Metric
from neurogloss.interfaces.scorer import Scorer, Verdict
from neurogloss.records.explanations import Explanation
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.scores import Measure, Score
from neurogloss.records.tokens import Split
from neurogloss.records.unit_records import SplitView
from neurogloss.testing import MetricContract, QuestionScorerContract
from neurogloss.testing.records import WEIGHTS, prose_explanation

Rejects = Callable[..., set[str]]
HEADLINE = "balanced_accuracy"


class GoodScorer(DetectionScorer):
    def __init__(self, llm: LanguageModel) -> None:
        config = DetectionConfig(min_each=1, per_request=2, n_bootstrap=20, n_permutations=20)
        super().__init__(replace(config, negatives="neighbours"), llm, NeighbourNegatives(NeighbourNegativesConfig()))
        self.llm = llm

    async def score(self, explanation: Explanation, view: SplitView) -> Verdict:
        outcome = (await super().score(explanation, view)).outcome
        return Verdict(self.spoil(outcome) if isinstance(outcome, Score) else self.excuse(outcome))

    def spoil(self, score: Score) -> Score:
        return score

    def excuse(self, failure: Failure) -> Score | Failure:
        return failure


class WrongWhereItFailed(GoodScorer):
    def excuse(self, failure: Failure) -> Score | Failure:
        if failure.reason in (Reason.FAILED, Reason.UNPARSABLE):
            return Score("wrong", HEADLINE, {HEADLINE: Measure(0.0)}, n_asked=1, n_answered=1)
        return failure


class HidesFailures(GoodScorer):
    def spoil(self, score: Score) -> Score:
        return replace(score, n_asked=score.n_answered, n_failed=0)


class CountsFailuresAsWrong(GoodScorer):
    def spoil(self, score: Score) -> Score:
        lost = Measure(score.n_answered / score.n_asked * (score.value or 0))
        return replace(score, measures={**score.measures, HEADLINE: lost})


class TellsNoNulls(GoodScorer):
    def spoil(self, score: Score) -> Score:
        return replace(score, floors={})


class HidesWhatItDoesNotNotice(GoodScorer):
    def spoil(self, score: Score) -> Score:
        return replace(score, measures={n: replace(m, insensitive_to=()) for n, m in score.measures.items()})


class ForgetsKindsOfNegatives(GoodScorer):
    def spoil(self, score: Score) -> Score:
        return replace(score, measures={n: m for n, m in score.measures.items() if "negatives" not in n})


class AlwaysGenerous(GoodScorer):
    def spoil(self, score: Score) -> Score:
        return replace(score, measures={**score.measures, HEADLINE: Measure(1.0, insensitive_to=("x",))})


class NeverGenerous(GoodScorer):
    def spoil(self, score: Score) -> Score:
        return replace(score, measures={**score.measures, HEADLINE: Measure(0.5, insensitive_to=("x",))})


class LeavesTheExplanationOut(GoodScorer):
    def told(self, explanation: Explanation) -> str | None:
        return "something"


class AsksWhatSuitsTheExplanation(GoodScorer):
    async def score(self, explanation: Explanation, view: SplitView) -> Verdict:
        self._config = replace(self._config, seed=len(explanation.summary()))
        return await super().score(explanation, view)


class KeepsUnreadableReplies(GoodScorer):
    async def score(self, explanation: Explanation, view: SplitView) -> Verdict:
        with patch.object(self.llm, "reject"):
            return await super().score(explanation, view)


class ScoresOnWhatWasExplained(GoodScorer):
    """The leak that other tools have: records of explain among the scored ones."""

    def questions(self, view: SplitView) -> Questionnaire | Failure:
        return super().questions(view._record.view(Split.EXPLAIN))


class DoesNotLookAtTheSplit(GoodScorer):
    def questions(self, view: SplitView) -> Questionnaire | Failure:
        with patch.object(SplitView, "check"):
            return super().questions(view)


@pytest.fixture
def suite(failing_tests: Rejects, word_reader: Callable[[], LanguageModel]) -> Callable[..., set[str]]:
    gloss = prose_explanation("the words " + " and ".join(WEIGHTS))

    def failing(scorer: type[Scorer], only: str = "test_") -> set[str]:
        makers: dict[str, Callable[[], Any]] = {
            "scorer_for": lambda: scorer,
            "oracle": word_reader,
            "explanation": lambda: gloss,
        }
        return failing_tests(QuestionScorerContract, only, **makers)

    return failing


def test_a_good_scorer_passes(suite: Callable[..., set[str]]) -> None:
    assert suite(GoodScorer) == set()


@pytest.mark.parametrize(
    ("wrong", "test"),
    [
        (WrongWhereItFailed, "test_a_failing_model_is_no_wrong_answer"),
        (WrongWhereItFailed, "test_an_unreadable_reply_is_no_wrong_answer"),
        (HidesFailures, "test_what_failed_is_left_out_and_counted"),
        (CountsFailuresAsWrong, "test_what_failed_is_left_out_and_counted"),
        (TellsNoNulls, "test_nulls_are_told"),
        (HidesWhatItDoesNotNotice, "test_what_the_headline_does_not_notice_is_told"),
        (ForgetsKindsOfNegatives, "test_the_measures_of_a_classification_are_told"),
        (AlwaysGenerous, "test_constant_answers_stay_at_their_floor"),
        (NeverGenerous, "test_an_oracle_reaches_the_ceiling"),
        (LeavesTheExplanationOut, "test_questions_do_not_depend_on_the_explanation"),
        (AsksWhatSuitsTheExplanation, "test_questions_do_not_depend_on_the_explanation"),
        (KeepsUnreadableReplies, "test_an_unreadable_reply_is_no_wrong_answer"),
        (ScoresOnWhatWasExplained, "test_only_texts_of_the_split_are_shown"),
        (DoesNotLookAtTheSplit, "test_a_leak_is_refused"),
    ],
)
def test_wrong_scorers_are_refused(suite: Callable[..., set[str]], wrong: type[Scorer], test: str) -> None:
    assert test in suite(wrong, test)


def _without_weights(truth: np.ndarray, said: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return metrics.f1(truth, said, np.ones_like(weights))


def _of_the_first_half(truth: np.ndarray, said: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return metrics.f1(truth, said, weights * (np.arange(len(truth)) * 2 < len(truth)))


def _changing_its_inputs(truth: np.ndarray, said: np.ndarray, weights: np.ndarray) -> np.ndarray:
    value = metrics.f1(truth, said, weights)
    said[:] = truth
    return value


def _upside_down(truth: np.ndarray, said: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.asarray(1 - metrics.f1(truth, said, weights))


def _raising_without_truth(truth: np.ndarray, said: np.ndarray, weights: np.ndarray) -> np.ndarray:
    if not truth.any():
        raise ZeroDivisionError
    return metrics.f1(truth, said, weights)


F1 = metrics.METRICS["f1"]


@pytest.mark.parametrize(
    ("wrong", "test"),
    [
        (replace(metrics.METRICS["balanced_accuracy"], insensitive_to=()), "test_what_it_does_not_notice_is_declared"),
        (
            replace(metrics.METRICS["accuracy"], insensitive_to=(EXTRA_LABELS,)),
            "test_what_it_does_not_notice_is_declared",
        ),
        (replace(F1, insensitive_to=(MISSING_LABELS,)), "test_what_it_does_not_notice_is_declared"),
        (replace(F1, insensitive_balanced=()), "test_what_it_does_not_notice_on_balanced_items_is_declared"),
        (replace(F1, insensitive_to=("noise",)), "test_only_known_faults_are_declared"),
        (replace(F1, weighted=_without_weights), "test_a_weight_is_a_number_of_items"),
        (replace(F1, weighted=_of_the_first_half), "test_the_order_of_the_items_does_not_matter"),
        (replace(F1, weighted=_changing_its_inputs), "test_its_inputs_are_left_alone"),
        (replace(F1, weighted=_upside_down), "test_an_oracle_gets_the_best_value"),
        (replace(F1, weighted=_raising_without_truth), "test_what_is_not_defined_raises_nothing"),
    ],
)
def test_wrong_metrics_are_refused(failing_tests: Rejects, wrong: Metric, test: str) -> None:
    assert test in failing_tests(MetricContract, test, metric=lambda: wrong)


def test_a_good_metric_passes(failing_tests: Rejects) -> None:
    assert failing_tests(MetricContract, metric=lambda: F1) == set()
