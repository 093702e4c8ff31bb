"""The contracts of a scorer, and of a scorer that holds a simulator."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from neurogloss.interfaces.scorer import Scorer, Verdict
from neurogloss.interfaces.simulator import Simulator
from neurogloss.records import codec
from neurogloss.records.explanations import Explanation, Provenance
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.scores import Score
from neurogloss.records.tokens import Split
from neurogloss.records.unit_records import SplitView, UnitRecord
from neurogloss.testing.contract import Contract, overlapped, override_fixture, run
from neurogloss.testing.fakes import FakeSimulator
from neurogloss.testing.records import (
    constant_unit_record,
    dead_unit_record,
    empty_unit_record,
    prose_explanation,
    unit_record,
)
from neurogloss.testing.simulator import ForeignExplanation

ScorerFor = Callable[[Simulator], Scorer]


class ScorerContract(Contract):
    """What every scorer does.

    ```
    class TestMine(ScorerContract):
        @pytest.fixture
        def scorer(self):
            return MyScorer(MyConfig())
    ```
    Override `explanation` if it does not score prose.
    """

    @pytest.fixture
    def scorer(self) -> Scorer:
        """The scorer; what it is built on must answer for the unit of `unit_record()`."""
        override_fixture("ScorerContract", "scorer")

    @pytest.fixture
    def explanation(self) -> Explanation:
        """An explanation, of a type that the scorer can score, of a unit that fires on `cat` and `dog`."""
        return prose_explanation()

    @pytest.fixture
    def view(self, scorer: Scorer) -> SplitView:
        """The unit that is scored."""
        return _view(unit_record(), scorer)

    def test_the_headline_is_measured(self, scorer: Scorer, explanation: Explanation, view: SplitView) -> None:
        assert isinstance(explanation, scorer.accepts)
        score = score_in(run(scorer.score(explanation, view)))
        assert score.scorer, "a score names its scorer"
        assert score.headline in score.measures
        assert score.value is not None, "this unit and explanation have a score"

    def test_numbers_are_numbers(self, scorer: Scorer, explanation: Explanation, view: SplitView) -> None:
        score = score_in(run(scorer.score(explanation, view)))
        told = [*score.floors.values(), score.ceiling]
        for measure in score.measures.values():
            told += [measure.value, measure.low, measure.high]
        assert all(number is None or math.isfinite(number) for number in told), "None stands for what is not defined"

    def test_intervals_are_in_order(self, scorer: Scorer, explanation: Explanation, view: SplitView) -> None:
        for name, measure in score_in(run(scorer.score(explanation, view))).measures.items():
            assert (measure.low is None) == (measure.high is None), f"{name} has half an interval"
            if measure.low is not None and measure.high is not None:
                assert measure.low <= measure.high, name

    def test_every_question_is_accounted_for(self, scorer: Scorer, explanation: Explanation, view: SplitView) -> None:
        score = score_in(run(scorer.score(explanation, view)))
        assert min(score.n_answered, score.n_unparsable, score.n_failed) >= 0
        assert score.n_asked == score.n_answered + score.n_unparsable + score.n_failed
        assert score.n_asked > 0

    def test_scoring_twice_gives_the_same(self, scorer: Scorer, explanation: Explanation, view: SplitView) -> None:
        first, second = (run(scorer.score(explanation, view)) for _ in range(2))
        assert codec.encode(first.outcome) == codec.encode(second.outcome)

    def test_overlapping_calls_do_not_mix(self, scorer: Scorer, explanation: Explanation) -> None:
        views = [_view(record, scorer) for record in (unit_record(), constant_unit_record())]
        alone = [run(scorer.score(explanation, view)) for view in views]
        together = overlapped(*(scorer.score(explanation, view) for view in views))
        assert [codec.encode(v.outcome) for v in together] == [codec.encode(v.outcome) for v in alone]

    def test_verdicts_can_be_stored(self, scorer: Scorer, explanation: Explanation, view: SplitView) -> None:
        verdict = run(scorer.score(explanation, view))
        for record in (verdict.outcome, *verdict.simulations):
            assert codec.encode(codec.decode(codec.encode(record))) == codec.encode(record)

    def test_constant_truth_has_no_score(self, scorer: Scorer, explanation: Explanation) -> None:
        assert reason_in(run(scorer.score(explanation, _view(constant_unit_record(), scorer)))) is Reason.CONSTANT

    def test_a_dead_unit_has_no_score(self, scorer: Scorer, explanation: Explanation) -> None:
        reason = reason_in(run(scorer.score(explanation, _view(dead_unit_record(), scorer))))
        assert reason in (Reason.DEAD, Reason.CONSTANT)

    def test_without_records_there_is_no_score(self, scorer: Scorer, explanation: Explanation) -> None:
        reason = reason_in(run(scorer.score(explanation, _view(empty_unit_record(), scorer))))
        assert reason in (Reason.DEAD, Reason.TOO_FEW_RECORDS)

    def test_a_foreign_explanation_is_a_failure(self, scorer: Scorer, view: SplitView) -> None:
        if Explanation not in scorer.accepts:
            verdict = run(scorer.score(ForeignExplanation(Provenance("testing")), view))
            assert reason_in(verdict) is Reason.MISMATCHED


class SimulationScorerContract(ScorerContract):
    """What a scorer that holds a simulator does besides.

    ```
    class TestMine(SimulationScorerContract):
        @pytest.fixture
        def scorer_for(self):
            return lambda simulator: MyScorer(MyConfig(), simulator=simulator)
    ```
    """

    @pytest.fixture
    def scorer_for(self) -> ScorerFor:
        """A function from a simulator to the scorer that holds it."""
        override_fixture("SimulationScorerContract", "scorer_for")

    @pytest.fixture
    def scorer(self, scorer_for: ScorerFor) -> Scorer:
        return scorer_for(FakeSimulator(unit_record()))

    @pytest.fixture
    def many(self) -> UnitRecord:
        """A unit with enough records that chance is small."""
        return unit_record()

    def test_an_oracle_reaches_one(self, scorer_for: ScorerFor, explanation: Explanation, many: UnitRecord) -> None:
        score = score_in(run(scorer_for(FakeSimulator(many)).score(explanation, many.view(Split.TEST))))
        assert score.value is not None
        assert score.value > 0.99

    def test_scale_does_not_matter_to_an_oracle(
        self, scorer_for: ScorerFor, explanation: Explanation, many: UnitRecord
    ) -> None:
        scaled = FakeSimulator(many, lambda values: 0.25 * values)
        score = score_in(run(scorer_for(scaled).score(explanation, many.view(Split.TEST))))
        assert score.value is not None
        assert score.value > 0.99

    def test_values_at_the_wrong_tokens_are_worth_nothing(
        self, scorer_for: ScorerFor, explanation: Explanation, many: UnitRecord
    ) -> None:
        rolled = FakeSimulator(many, lambda values: np.roll(values, 2))
        score = score_in(run(scorer_for(rolled).score(explanation, many.view(Split.TEST))))
        assert score.value is not None
        assert score.value < 0.3
        assert all(score.value < floor + 0.3 for floor in score.floors.values())

    def test_a_constant_simulation_is_zero_and_flagged(
        self, scorer_for: ScorerFor, explanation: Explanation, many: UnitRecord
    ) -> None:
        constant = FakeSimulator(many, lambda values: np.full(len(values), 2.0))
        score = score_in(run(scorer_for(constant).score(explanation, many.view(Split.TEST))))
        assert score.value == 0
        assert any("constant" in flag for flag in score.flags)

    def test_a_failing_simulator_is_no_zero(
        self, scorer_for: ScorerFor, explanation: Explanation, many: UnitRecord
    ) -> None:
        failing = FakeSimulator(many, fails=lambda sequence_id: True)
        assert reason_in(run(scorer_for(failing).score(explanation, many.view(Split.TEST)))) is Reason.FAILED

    def test_what_failed_is_left_out_and_counted(
        self, scorer_for: ScorerFor, explanation: Explanation, many: UnitRecord
    ) -> None:
        view = many.view(Split.TEST)
        lost = view.records.top[0].sequence.id
        partly = FakeSimulator(many, fails=lambda sequence_id: sequence_id == lost)
        score = score_in(run(scorer_for(partly).score(explanation, view)))
        assert score.value is not None
        assert score.value > 0.99, "failed items are left out, never counted as zeros"
        assert score.n_failed > 0
        assert score.n_asked == score.n_answered + score.n_unparsable + score.n_failed

    def test_simulations_come_with_the_score(
        self, scorer_for: ScorerFor, explanation: Explanation, many: UnitRecord
    ) -> None:
        view = many.view(Split.TEST)
        verdict = run(scorer_for(FakeSimulator(many)).score(explanation, view))
        known = {r.sequence.id for records in (view.records.top, view.records.random) for r in records}
        assert verdict.simulations
        assert {simulation.sequence_id for simulation in verdict.simulations} <= known


def _view(record: UnitRecord, scorer: Scorer) -> SplitView:
    """The view that the pipeline hands to this scorer."""
    return record.view(Split.TEST, explains_again=scorer.explains_again)


def score_in(verdict: Verdict) -> Score:
    """The score of a verdict, which must have one."""
    assert isinstance(verdict, Verdict)
    assert isinstance(verdict.outcome, Score), f"there must be a score, not {verdict.outcome}"
    return verdict.outcome


def reason_in(verdict: Verdict) -> Reason:
    """Why a verdict has no score, which it must not have."""
    assert isinstance(verdict.outcome, Failure), f"there must be a failure, not {verdict.outcome}"
    assert verdict.outcome.detail.strip(), "a failure says what happened"
    return verdict.outcome.reason
