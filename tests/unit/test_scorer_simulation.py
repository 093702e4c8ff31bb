"""The simulation scorer on units and simulators whose score is known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from neurogloss.builtin.scorers.configs import SimulationScorerConfig
from neurogloss.builtin.scorers.simulation import SimulationScorer
from neurogloss.errors import ConfigError
from neurogloss.interfaces.simulator import Calibration, Simulator
from neurogloss.records.activations import ActivationRecord, levels
from neurogloss.records.explanations import Explanation, ProseExplanation, Provenance, TokenTableExplanation
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.scores import Score
from neurogloss.records.simulations import Simulation
from neurogloss.records.tokens import Split, TokenSequence
from neurogloss.records.unit_records import SplitRecords, SplitView, UnitRecord, UnitStatistics
from neurogloss.records.units import UnitId

GLOSS = ProseExplanation(Provenance("test"), "cats")
STATISTICS = UnitStatistics(1, 1, 0, 1, 0, 0, 0, 1, 0.5, 0, {}, 0)
Outcome = np.ndarray | Failure


def record(number: int, values: Sequence[float] | np.ndarray, *, bos: bool = False) -> ActivationRecord:
    """A record of document `number`; with `bos` its first token is special."""
    n = len(values)
    special = np.zeros(n, dtype=bool)
    special[: int(bos)] = True
    spans = np.array([(i, i + 1) for i in range(n)])
    sequence = TokenSequence(number, f"doc{number}", Split.TEST, "x" * n, np.arange(n), spans, special)
    return ActivationRecord(sequence, np.array(values, dtype=np.float32), ~special)


def view(
    top: Sequence[ActivationRecord], random: Sequence[ActivationRecord], calibration: SplitRecords | None = None
) -> SplitView:
    splits = {Split.TEST: SplitRecords(tuple(top), tuple(random)), Split.CALIBRATION: calibration or SplitRecords()}
    return UnitRecord(UnitId("layers.0.mlp", 0), STATISTICS, splits).view(Split.TEST)


class StubSimulator(Simulator):
    """Answers each sequence with a function of its id."""

    accepts = (ProseExplanation,)

    def __init__(
        self,
        answer: Callable[[int], Outcome],
        top_level: int | None = 10,
        calibration: Calibration = Calibration.NONE,
    ) -> None:
        self.calibration = calibration
        self.asked: list[int] = []
        self._answer = answer
        self._top_level = top_level

    async def simulate(
        self, explanation: Explanation, sequences: Sequence[TokenSequence]
    ) -> tuple[Simulation | Failure, ...]:
        self.asked += [sequence.id for sequence in sequences]
        return tuple(self._one(sequence.id) for sequence in sequences)

    def _one(self, sequence_id: int) -> Simulation | Failure:
        found = self._answer(sequence_id)
        if isinstance(found, Failure):
            return found
        n_unparsable = int(np.isnan(found).sum())
        return Simulation(sequence_id, np.asarray(found, dtype=np.float64), self._top_level, n_unparsable=n_unparsable)


TOP = [record(i, np.random.default_rng(i).gamma(0.5, 2, 16)) for i in range(5)]
RANDOM = [record(i, np.random.default_rng(i).gamma(0.3, 1, 16)) for i in range(5, 10)]
CALIBRATION = SplitRecords(
    tuple(record(i, np.random.default_rng(i).gamma(0.5, 2, 16)) for i in range(20, 25)),
    tuple(record(i, np.random.default_rng(i).gamma(0.3, 1, 16)) for i in range(25, 30)),
)
VALUES = {r.sequence.id: r.values.astype(float) for r in [*TOP, *RANDOM, *CALIBRATION.top, *CALIBRATION.random]}
MAXIMUM = max(r.maximum for r in CALIBRATION.top)
STANDARD = view(TOP, RANDOM, CALIBRATION)


def outcome(
    simulator: Simulator, on: SplitView, gloss: Explanation = GLOSS, config: SimulationScorerConfig | None = None
) -> Score | Failure:
    scorer = SimulationScorer(config or SimulationScorerConfig(), simulator=simulator)
    return asyncio.run(scorer.score(gloss, on)).outcome


def score(simulator: Simulator, on: SplitView = STANDARD, **config: int) -> Score:
    found = outcome(simulator, on, config=SimulationScorerConfig(**config))
    assert isinstance(found, Score), found
    return found


def failure(simulator: Simulator, on: SplitView = STANDARD, gloss: Explanation = GLOSS) -> Failure:
    found = outcome(simulator, on, gloss)
    assert isinstance(found, Failure), found
    return found


def value(found: Score, key: str) -> float:
    number = found.measures[key].value
    assert number is not None
    return number


def test_the_true_levels_reach_the_ceiling() -> None:
    found = score(StubSimulator(lambda i: levels(VALUES[i], MAXIMUM).astype(float)))
    assert found.headline == "correlation.top_and_random"
    assert found.value == pytest.approx(found.ceiling)
    assert 0.97 < value(found, "correlation.top_and_random") < 1
    assert 0.9 < value(found, "r2.top_and_random") < 1


def test_all_measures_are_those_of_numpy() -> None:
    noise = {i: np.random.default_rng(100 + i).uniform(0, 10, 16) for i in VALUES}
    found = score(StubSimulator(lambda i: noise[i]))
    groups = {"top_and_random": range(10), "top_only": range(5), "random_only": range(5, 10)}
    for group, ids in groups.items():
        suffix = "" if group == "top_and_random" else f".{group}"
        real, said = ([source[i] for i in ids] for source in (VALUES, {i: noise[i] * MAXIMUM / 10 for i in noise}))
        r, s = np.concatenate(real), np.concatenate(said)
        pooled = {
            "correlation": np.corrcoef(r, s)[0, 1],
            "r2": 1 - np.mean((r - s) ** 2) / np.mean(r**2),
            "absolute_deviation": 1 - np.mean(abs(r - s)) / np.mean(abs(r)),
        }
        for name, expected in pooled.items():
            assert value(found, f"{name}.{group}") == pytest.approx(expected), (name, group)
        each = [np.corrcoef(a, b)[0, 1] for a, b in zip(real, said, strict=True)]
        assert value(found, f"correlation.per_sequence{suffix}") == pytest.approx(np.mean(each))
    assert len(found.measures) == 19
    assert value(found, "correlation.per_sequence.n") == 10


def test_uncalibrated_r2_means_nothing_and_calibration_repairs_it() -> None:
    """Predictions four times too large: correlation 1, but r2 is 1 - 9 and absolute deviation 1 - 3."""
    scale = 40 / MAXIMUM
    plain = score(StubSimulator(lambda i: scale * VALUES[i]))
    assert value(plain, "correlation.top_and_random") == pytest.approx(1)
    assert value(plain, "r2.top_and_random") == pytest.approx(-8)
    assert value(plain, "absolute_deviation.top_and_random") == pytest.approx(-2)
    for kind in (Calibration.LINEAR, Calibration.PERCENTILE):
        repaired = score(StubSimulator(lambda i: scale * VALUES[i], calibration=kind))
        assert value(repaired, "r2.top_and_random") > 0.9, kind
        assert not any("calibrated" in flag for flag in repaired.flags)


def test_predicting_zero_scores_zero() -> None:
    found = score(StubSimulator(lambda i: np.zeros(16)))
    assert found.value == 0
    assert value(found, "r2.top_and_random") == 0
    assert value(found, "absolute_deviation.random_only") == 0
    assert "constant simulation" in found.flags


def test_activation_units_are_not_rescaled() -> None:
    found = score(StubSimulator(lambda i: VALUES[i], top_level=None))
    assert value(found, "r2.top_and_random") == pytest.approx(1)
    assert found.ceiling == 1


def test_calibration_is_fitted_on_the_calibration_split_alone() -> None:
    simulator = StubSimulator(lambda i: VALUES[i] if i < 20 else 2 * VALUES[i], calibration=Calibration.LINEAR)
    found = score(simulator)
    assert value(found, "r2.top_and_random") == pytest.approx(1 - 0.25)
    assert sorted(simulator.asked) == [*range(10), *range(20, 30)]
    assert found.n_asked == 20 * 16


def test_without_a_calibration_split_levels_stay_and_it_is_said() -> None:
    found = score(StubSimulator(lambda i: VALUES[i]), view(TOP, RANDOM))
    assert any(flag.startswith("not calibrated: ") for flag in found.flags)
    assert value(found, "r2.top_and_random") == pytest.approx(1)


@pytest.mark.parametrize("kind", [Calibration.LINEAR, Calibration.PERCENTILE])
def test_a_calibration_that_fails_is_counted_and_said(kind: Calibration) -> None:
    lost = Failure(Reason.FAILED, "the line is dead")
    found = score(StubSimulator(lambda i: 10 * VALUES[i] / MAXIMUM if i < 20 else lost, calibration=kind))
    assert found.value == pytest.approx(1)
    assert value(found, "r2.top_and_random") == pytest.approx(1)
    assert found.n_failed == 10 * 16
    assert "not calibrated: the line is dead" in found.flags


def test_what_has_no_answer_is_counted_and_left_out() -> None:
    def answer(i: int) -> Outcome:
        if i == 0:
            return Failure(Reason.FAILED, "time-out")
        if i == 1:
            return Failure(Reason.UNPARSABLE, "no list")
        said = VALUES[i].copy()
        said[:3] = np.nan
        return said

    found = score(StubSimulator(answer, top_level=None))
    assert found.value == pytest.approx(1)
    assert (found.n_asked, found.n_failed, found.n_unparsable) == (160, 16, 16 + 8 * 3)
    assert found.n_answered == 160 - 16 - 40
    assert "2 of 10 sequences unanswered" in found.flags


@pytest.mark.parametrize("reason", [Reason.FAILED, Reason.UNPARSABLE, Reason.REFUSED])
def test_nothing_answered_is_a_failure_with_its_reason(reason: Reason) -> None:
    found = failure(StubSimulator(lambda i: Failure(reason, "because")))
    assert found.reason is reason
    assert "160 of 160 tokens" in found.detail
    assert "because" in found.detail


def test_a_rest_that_does_not_vary_is_a_failure_of_what_is_missing() -> None:
    flat = [record(i, np.full(16, 0.5)) for i in range(5, 10)]
    found = failure(
        StubSimulator(lambda i: Failure(Reason.FAILED, "lost") if i < 5 else np.ones(16)), view(TOP, flat, CALIBRATION)
    )
    assert found.reason is Reason.FAILED


def test_special_tokens_are_not_asked() -> None:
    records = [record(i, [99.0, *VALUES[i][1:]], bos=True) for i in range(10)]

    def answer(i: int) -> np.ndarray:
        return np.array([np.nan, *VALUES[i][1:]])

    found = score(StubSimulator(answer, top_level=None), view(records[:5], records[5:], CALIBRATION))
    assert (found.n_asked, found.n_answered, found.n_unparsable) == (150, 150, 0)
    assert found.value == pytest.approx(1)


def test_a_sequence_counts_once_as_top() -> None:
    simulator = StubSimulator(lambda i: VALUES[i], top_level=None)
    found = score(simulator, view(TOP, [*TOP[:2], *RANDOM], CALIBRATION))
    assert sorted(simulator.asked) == list(range(10))
    assert found.n_asked == 160


def test_the_number_of_records_is_configured_and_a_shortfall_is_said() -> None:
    simulator = StubSimulator(lambda i: VALUES[i], top_level=None)
    found = score(simulator, view(TOP, RANDOM[:1], CALIBRATION), n_top=3, n_random=2)
    assert sorted(simulator.asked) == [0, 1, 2, 5]
    assert "1 of 2 random records" in found.flags


def test_a_group_without_variation_has_no_measure() -> None:
    flat = [record(i, np.zeros(16)) for i in range(5, 10)]
    found = score(StubSimulator(lambda i: VALUES[i], top_level=None), view(TOP, flat, CALIBRATION))
    assert found.measures["correlation.random_only"].value is None
    assert found.measures["r2.random_only"].value is None
    assert found.measures["correlation.per_sequence.random_only"].value is None
    assert value(found, "correlation.per_sequence.n") == 5


def test_intervals_enclose_the_value_and_repeat() -> None:
    noise = {i: np.random.default_rng(i).normal(size=16) for i in VALUES}
    first, second = (score(StubSimulator(lambda i: VALUES[i] + noise[i], top_level=None)) for _ in range(2))
    assert first == second
    measure = first.measures[first.headline]
    assert measure.low is not None
    assert measure.high is not None
    assert first.value is not None
    assert measure.low < first.value < measure.high
    other = score(StubSimulator(lambda i: VALUES[i] + noise[i], top_level=None), seed=1)
    assert other.measures[first.headline].low != measure.low
    assert other.value == first.value


def test_shuffled_floor_is_what_chance_reaches() -> None:
    found = score(StubSimulator(lambda i: VALUES[i], top_level=None), n_permutations=2000)
    values = np.concatenate([VALUES[i] for i in range(10)])
    random = np.random.default_rng(77)
    chance = [np.corrcoef(values, random.permutation(values))[0, 1] for _ in range(2000)]
    assert found.floors["shuffled"] == pytest.approx(np.quantile(chance, 0.95), rel=0.15)
    assert score(StubSimulator(lambda i: VALUES[i]), n_permutations=0).floors == {}


def test_levels_to_nine_are_said() -> None:
    assert "levels 0-9" in score(StubSimulator(lambda i: VALUES[i], top_level=9)).flags
    assert not any("levels" in flag for flag in score(StubSimulator(lambda i: VALUES[i])).flags)


def test_units_without_a_score() -> None:
    simulator = StubSimulator(lambda i: VALUES[i])
    dead = [record(i, -VALUES[i]) for i in range(10)]
    constant = [record(i, np.full(16, 0.7)) for i in range(10)]
    assert failure(simulator, view(dead[:5], dead[5:])).reason is Reason.DEAD
    assert failure(simulator, view(constant[:5], constant[5:])).reason is Reason.CONSTANT
    assert failure(simulator, view(TOP[:1], RANDOM[:1])).reason is Reason.TOO_FEW_RECORDS
    assert failure(simulator, view([], [])).reason is Reason.TOO_FEW_RECORDS
    assert not simulator.asked, "nothing is paid for a unit that cannot be scored"


def test_records_of_another_split_are_refused() -> None:
    leaked = replace(TOP[0], sequence=replace(TOP[0].sequence, split=Split.EXPLAIN))
    simulator = StubSimulator(lambda i: VALUES[i])
    with pytest.raises(ValueError, match="explain"):
        outcome(simulator, view([leaked, *TOP[1:]], RANDOM))
    assert not simulator.asked


def test_measures_say_what_they_do_not_notice() -> None:
    found = score(StubSimulator(lambda i: VALUES[i]))
    rare = "extra labels at rare concepts"
    assert found.measures["correlation.top_and_random"].insensitive_to == (rare, "linear rescaling")
    assert found.measures["correlation.random_only"].insensitive_to == ("linear rescaling",)
    assert found.measures["r2.per_sequence"].insensitive_to == (rare,)


def test_it_accepts_what_its_simulator_accepts() -> None:
    simulator = StubSimulator(lambda i: VALUES[i])
    assert SimulationScorer(SimulationScorerConfig(), simulator=simulator).accepts == (ProseExplanation,)
    table = TokenTableExplanation(Provenance("test"), np.array([1]), ("a",), np.array([1.0]))
    assert failure(simulator, gloss=table).reason is Reason.MISMATCHED


@pytest.mark.parametrize("wrong", [{"n_top": -1}, {"seed": -1}, {"min_records": 0}, {"n_top": 1, "n_random": 1}])
def test_a_configuration_that_means_nothing_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        SimulationScorerConfig(**wrong).check()
    SimulationScorerConfig().check()
