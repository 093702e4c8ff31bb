"""The suites of explainers, simulators and scorers refuse components that are wrong on purpose."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from neurogloss.builtin.explainers.asking_configs import TokenActivationConfig
from neurogloss.builtin.explainers.token_activation import TokenActivationExplainer
from neurogloss.builtin.scorers.configs import SimulationScorerConfig
from neurogloss.builtin.scorers.simulation import SimulationScorer
from neurogloss.builtin.simulators.configs import LogprobConfig
from neurogloss.builtin.simulators.logprob import LogprobSimulator
from neurogloss.interfaces.explainer import Explainer
from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.scorer import Scorer, Verdict
from neurogloss.interfaces.simulator import Simulator
from neurogloss.records.explanations import Explanation, ProseExplanation, Provenance
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.scores import Measure, Score
from neurogloss.records.simulations import Simulation
from neurogloss.records.tokens import TokenSequence
from neurogloss.records.unit_records import SplitView
from neurogloss.testing import ExplainerContract, SimulationScorerContract, SimulatorContract

Rejects = Callable[..., set[str]]
Outcomes = tuple[Explanation | Failure, ...]


class GoodExplainer(TokenActivationExplainer):
    def __init__(self, llm: LanguageModel) -> None:
        super().__init__(TokenActivationConfig(samples=2), llm=llm)


class OneInsteadOfMany(GoodExplainer):
    async def explain(self, view: SplitView) -> Any:
        return (await super().explain(view))[0]


class ForgetsTheSample(GoodExplainer):
    async def explain(self, view: SplitView) -> Outcomes:
        return tuple(
            replace(outcome, provenance=replace(outcome.provenance, sample=0))
            if isinstance(outcome, Explanation)
            else outcome
            for outcome in await super().explain(view)
        )


class Nameless(GoodExplainer):
    async def explain(self, view: SplitView) -> Outcomes:
        return tuple(
            replace(outcome, provenance=replace(outcome.provenance, explainer=""))
            if isinstance(outcome, Explanation)
            else outcome
            for outcome in await super().explain(view)
        )


class RaisesWhenTheModelFails(GoodExplainer):
    async def explain(self, view: SplitView) -> Outcomes:
        outcomes = await super().explain(view)
        if any(isinstance(outcome, Failure) and outcome.reason is Reason.FAILED for outcome in outcomes):
            raise RuntimeError("the model failed")
        return outcomes


class ExplainsFailuresAway(GoodExplainer):
    async def explain(self, view: SplitView) -> Outcomes:
        sorry = ProseExplanation(Provenance("sorry"), "could not be parsed")
        return tuple(
            replace(sorry, provenance=replace(sorry.provenance, sample=place))
            if isinstance(outcome, Failure) and outcome.reason is not Reason.DEAD
            else outcome
            for place, outcome in enumerate(await super().explain(view))
        )


class DropsFailures(GoodExplainer):
    async def explain(self, view: SplitView) -> Outcomes:
        return tuple(outcome for outcome in await super().explain(view) if isinstance(outcome, Explanation))


class ExplainsTheDead(GoodExplainer):
    async def explain(self, view: SplitView) -> Outcomes:
        if view.dead:
            return (ProseExplanation(Provenance("dead"), "nothing at all"),)
        return await super().explain(view)


class CallsTheDeadTooFew(GoodExplainer):
    async def explain(self, view: SplitView) -> Outcomes:
        return (Failure(Reason.TOO_FEW_RECORDS, "no"),) if view.dead else await super().explain(view)


class PeeksAtCalibration(GoodExplainer):
    async def explain(self, view: SplitView) -> Outcomes:
        assert view.calibration().records.top
        return await super().explain(view)


class Whimsical(GoodExplainer):
    counter = itertools.count()

    async def explain(self, view: SplitView) -> Outcomes:
        return (ProseExplanation(Provenance("whim"), f"number {next(self.counter)}"),)


class SharesItsView(GoodExplainer):
    async def explain(self, view: SplitView) -> Outcomes:
        self._view = view
        await asyncio.sleep(0)
        return (ProseExplanation(Provenance("shared"), f"unit {self._view.unit}"),)


@dataclass(frozen=True)
class UnregisteredExplanation(Explanation):
    def summary(self) -> str:
        return "not registered with the codec"


class WritesWhatCannotBeStored(GoodExplainer):
    async def explain(self, view: SplitView) -> Outcomes:
        return (UnregisteredExplanation(Provenance("strange")),)


def test_a_good_explainer_passes(failing_tests: Rejects) -> None:
    assert failing_tests(ExplainerContract, explainer_for=lambda: GoodExplainer) == set()


@pytest.mark.parametrize(
    ("wrong", "test"),
    [
        (OneInsteadOfMany, "test_outcomes_are_explanations_in_order"),
        (ForgetsTheSample, "test_outcomes_are_explanations_in_order"),
        (Nameless, "test_provenance_and_summary_are_told"),
        (RaisesWhenTheModelFails, "test_a_failing_model_is_a_failure"),
        (ExplainsFailuresAway, "test_a_failing_model_is_a_failure"),
        (ExplainsFailuresAway, "test_a_refusal_is_a_failure"),
        (ExplainsFailuresAway, "test_an_unreadable_reply_is_a_failure"),
        (DropsFailures, "test_a_unit_that_never_fires_is_a_failure"),
        (ExplainsTheDead, "test_a_unit_that_never_fires_is_a_failure"),
        (CallsTheDeadTooFew, "test_a_dead_unit_is_called_dead"),
        (PeeksAtCalibration, "test_outcomes_are_explanations_in_order"),
        (Whimsical, "test_explaining_twice_gives_the_same"),
        (SharesItsView, "test_overlapping_calls_do_not_mix"),
        (WritesWhatCannotBeStored, "test_explanations_can_be_stored"),
    ],
)
def test_wrong_explainers_are_refused(failing_tests: Rejects, wrong: type[Explainer], test: str) -> None:
    assert test in failing_tests(ExplainerContract, test, explainer_for=lambda: wrong)


class GoodSimulator(LogprobSimulator):
    def __init__(self, llm: LanguageModel) -> None:
        super().__init__(LogprobConfig(), llm=llm)

    async def simulate(self, explanation: Explanation, sequences: Sequence[TokenSequence]) -> Any:
        return tuple(self.spoil(outcome) for outcome in await super().simulate(explanation, sequences))

    def spoil(self, outcome: Simulation | Failure) -> Simulation | Failure:
        return outcome


class AnswersInReverse(GoodSimulator):
    async def simulate(self, explanation: Explanation, sequences: Sequence[TokenSequence]) -> Any:
        return (await super().simulate(explanation, sequences))[::-1]


class AcceptsNothing(GoodSimulator):
    accepts = ()  # type: ignore[assignment]


class OneTokenShort(GoodSimulator):
    def spoil(self, outcome: Simulation | Failure) -> Simulation | Failure:
        return replace(outcome, expected=outcome.expected[:-1]) if isinstance(outcome, Simulation) else outcome


class AboveTheScale(GoodSimulator):
    def spoil(self, outcome: Simulation | Failure) -> Simulation | Failure:
        return replace(outcome, expected=outcome.expected * 3) if isinstance(outcome, Simulation) else outcome


class Unnormalised(GoodSimulator):
    def spoil(self, outcome: Simulation | Failure) -> Simulation | Failure:
        if isinstance(outcome, Failure) or outcome.distribution is None:
            return outcome
        return replace(outcome, distribution=outcome.distribution / 2)


class ZeroForFailure(GoodSimulator):
    async def simulate(self, explanation: Explanation, sequences: Sequence[TokenSequence]) -> Any:
        outcomes = await super().simulate(explanation, sequences)
        return tuple(
            Simulation(sequence.id, np.zeros(len(sequence)), 10) if isinstance(outcome, Failure) else outcome
            for sequence, outcome in zip(sequences, outcomes, strict=True)
        )


class ForgetsToCount(GoodSimulator):
    def spoil(self, outcome: Simulation | Failure) -> Simulation | Failure:
        if isinstance(outcome, Failure):
            return outcome
        expected = outcome.expected.copy()
        expected[-1] = np.nan
        return replace(outcome, expected=expected)


class DropsWhatFailed(GoodSimulator):
    async def simulate(self, explanation: Explanation, sequences: Sequence[TokenSequence]) -> Any:
        outcomes = await super().simulate(explanation, sequences)
        return tuple(outcome for outcome in outcomes if isinstance(outcome, Simulation))


class AnswersNothingWithNothing(GoodSimulator):
    async def simulate(self, explanation: Explanation, sequences: Sequence[TokenSequence]) -> Any:
        return await super().simulate(explanation, sequences) if sequences else None


class ReadsAnything(GoodSimulator):
    async def simulate(self, explanation: Explanation, sequences: Sequence[TokenSequence]) -> Any:
        return await super().simulate(ProseExplanation(explanation.provenance, explanation.summary()), sequences)


class LooksAtItsNeighbours(GoodSimulator):
    async def simulate(self, explanation: Explanation, sequences: Sequence[TokenSequence]) -> Any:
        share = 1 / max(1, len(sequences))
        return tuple(
            replace(outcome, expected=outcome.expected * share) if isinstance(outcome, Simulation) else outcome
            for outcome in await super().simulate(explanation, sequences)
        )


class SharesItsSequences(GoodSimulator):
    async def simulate(self, explanation: Explanation, sequences: Sequence[TokenSequence]) -> Any:
        self._sequences = sequences
        await asyncio.sleep(0)
        return await super().simulate(explanation, self._sequences)


def test_a_good_simulator_passes(failing_tests: Rejects) -> None:
    assert failing_tests(SimulatorContract, simulator_for=lambda: GoodSimulator) == set()


@pytest.mark.parametrize(
    ("wrong", "test"),
    [
        (AnswersInReverse, "test_outcomes_are_in_order"),
        (AcceptsNothing, "test_it_tells_what_it_reads"),
        (OneTokenShort, "test_there_is_one_value_per_token"),
        (AboveTheScale, "test_values_lie_on_the_scale"),
        (Unnormalised, "test_distributions_sum_to_one"),
        (ZeroForFailure, "test_a_failing_model_is_never_a_value"),
        (ZeroForFailure, "test_an_unreadable_reply_is_never_a_value"),
        (ForgetsToCount, "test_what_is_missing_is_counted"),
        (DropsWhatFailed, "test_a_failing_model_is_never_a_value"),
        (AnswersNothingWithNothing, "test_nothing_asked_is_nothing_told"),
        (ReadsAnything, "test_a_foreign_explanation_is_a_failure"),
        (LooksAtItsNeighbours, "test_other_sequences_change_nothing"),
        (SharesItsSequences, "test_overlapping_calls_do_not_mix"),
    ],
)
def test_wrong_simulators_are_refused(failing_tests: Rejects, wrong: type[Simulator], test: str) -> None:
    assert test in failing_tests(SimulatorContract, test, simulator_for=lambda: wrong)


class GoodScorer(SimulationScorer):
    accepts: tuple[type[Explanation], ...]

    def __init__(self, simulator: Simulator) -> None:
        super().__init__(SimulationScorerConfig(n_bootstrap=20, n_permutations=20), simulator=simulator)
        self.accepts = (ProseExplanation,)

    async def score(self, explanation: Explanation, view: SplitView) -> Verdict:
        verdict = await super().score(explanation, view)
        return replace(verdict, outcome=self.spoil(verdict.outcome))

    def spoil(self, outcome: Score | Failure) -> Score | Failure:
        return outcome if isinstance(outcome, Failure) else self.spoil_score(outcome)

    def spoil_score(self, score: Score) -> Score:
        return score


class UnknownHeadline(GoodScorer):
    def spoil_score(self, score: Score) -> Score:
        return replace(score, headline="no such measure")


class NotANumber(GoodScorer):
    def spoil_score(self, score: Score) -> Score:
        return replace(score, measures={**score.measures, "extra": Measure(float("nan"))})


class IntervalUpsideDown(GoodScorer):
    def spoil_score(self, score: Score) -> Score:
        return replace(score, measures={**score.measures, "extra": Measure(0.5, 0.6, 0.4)})


class LosesQuestions(GoodScorer):
    def spoil_score(self, score: Score) -> Score:
        return replace(score, n_asked=score.n_asked + 1)


class HidesFailures(GoodScorer):
    def spoil_score(self, score: Score) -> Score:
        return replace(score, n_asked=score.n_answered, n_failed=0)


class ScoresWhatDoesNotVary(GoodScorer):
    def spoil(self, outcome: Score | Failure) -> Score | Failure:
        return Score("simulation", "r", {"r": Measure(0.0)}) if isinstance(outcome, Failure) else outcome


class PraisesTheConstant(GoodScorer):
    def spoil_score(self, score: Score) -> Score:
        constant = "constant simulation" in score.flags
        return replace(score, measures={**score.measures, score.headline: Measure(None)}) if constant else score


class ForgetsTheFlag(GoodScorer):
    def spoil_score(self, score: Score) -> Score:
        return replace(score, flags=())


class ZeroWhereItFailed(GoodScorer):
    async def score(self, explanation: Explanation, view: SplitView) -> Verdict:
        verdict = await super().score(explanation, view)
        failed = isinstance(verdict.outcome, Failure) and verdict.outcome.reason is Reason.FAILED
        return Verdict(Score("simulation", "r", {"r": Measure(0.0)})) if failed else verdict


class AlwaysGenerous(GoodScorer):
    def spoil_score(self, score: Score) -> Score:
        return replace(score, measures={**score.measures, score.headline: Measure(1.0)})


class NeverGenerous(GoodScorer):
    def spoil_score(self, score: Score) -> Score:
        return replace(score, measures={**score.measures, score.headline: Measure(0.1)})


class KeepsNoSimulations(GoodScorer):
    async def score(self, explanation: Explanation, view: SplitView) -> Verdict:
        return replace(await super().score(explanation, view), simulations=())


class Moody(GoodScorer):
    counter = itertools.count()

    def spoil_score(self, score: Score) -> Score:
        return replace(score, measures={**score.measures, "mood": Measure(float(next(self.counter)))})


class SharesItsUnit(GoodScorer):
    async def score(self, explanation: Explanation, view: SplitView) -> Verdict:
        self._view = view
        await asyncio.sleep(0)
        return await super().score(explanation, self._view)


class ScoresAnyType(GoodScorer):
    async def score(self, explanation: Explanation, view: SplitView) -> Verdict:
        return await super().score(ProseExplanation(explanation.provenance, explanation.summary()), view)


def test_a_good_scorer_passes(failing_tests: Rejects) -> None:
    assert failing_tests(SimulationScorerContract, scorer_for=lambda: GoodScorer) == set()


@pytest.mark.parametrize(
    ("wrong", "test"),
    [
        (UnknownHeadline, "test_the_headline_is_measured"),
        (NotANumber, "test_numbers_are_numbers"),
        (IntervalUpsideDown, "test_intervals_are_in_order"),
        (LosesQuestions, "test_every_question_is_accounted_for"),
        (HidesFailures, "test_what_failed_is_left_out_and_counted"),
        (ScoresWhatDoesNotVary, "test_constant_truth_has_no_score"),
        (ScoresWhatDoesNotVary, "test_a_dead_unit_has_no_score"),
        (ScoresWhatDoesNotVary, "test_without_records_there_is_no_score"),
        (PraisesTheConstant, "test_a_constant_simulation_is_zero_and_flagged"),
        (ForgetsTheFlag, "test_a_constant_simulation_is_zero_and_flagged"),
        (ZeroWhereItFailed, "test_a_failing_simulator_is_no_zero"),
        (AlwaysGenerous, "test_values_at_the_wrong_tokens_are_worth_nothing"),
        (NeverGenerous, "test_an_oracle_reaches_one"),
        (NeverGenerous, "test_scale_does_not_matter_to_an_oracle"),
        (KeepsNoSimulations, "test_simulations_come_with_the_score"),
        (Moody, "test_scoring_twice_gives_the_same"),
        (SharesItsUnit, "test_overlapping_calls_do_not_mix"),
        (ScoresAnyType, "test_a_foreign_explanation_is_a_failure"),
    ],
)
def test_wrong_scorers_are_refused(failing_tests: Rejects, wrong: type[Scorer], test: str) -> None:
    assert test in failing_tests(SimulationScorerContract, test, scorer_for=lambda: wrong)
