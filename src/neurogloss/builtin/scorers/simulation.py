"""Scoring by simulation: what the explanation predicts against what the unit did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from neurogloss.builtin.scorers import metrics
from neurogloss.builtin.scorers.calibration import NotCalibratedError, fit
from neurogloss.builtin.scorers.configs import SimulationScorerConfig
from neurogloss.builtin.scorers.pairs import Pairs
from neurogloss.interfaces.scorer import Scorer, Verdict
from neurogloss.interfaces.simulator import Calibration, Simulator
from neurogloss.records.activations import ActivationRecord, levels
from neurogloss.records.explanations import Explanation
from neurogloss.records.failures import Failure, Reason
from neurogloss.records.scores import Measure, Score
from neurogloss.records.simulations import Simulation
from neurogloss.records.unit_records import SplitView

HEADLINE = "correlation.top_and_random"


@dataclass(frozen=True)
class _Chosen:
    """The records to score on; a sequence among both kinds counts once, as top."""

    records: tuple[ActivationRecord, ...]
    """The top records, then the random ones."""
    n_top: int

    def groups(self) -> Mapping[str, np.ndarray]:
        """For each group of records, which of them belong to it: bool [record]."""
        top = np.arange(len(self.records)) < self.n_top
        return {"top_and_random": np.ones_like(top), "top_only": top, "random_only": ~top}


class SimulationScorer(Scorer):
    """Correlates simulated with real values, over tokens, on top and random records.

    The protocol is that of Bills et al. 2023, "Language models can explain neurons in language
    models". Measures are named `METRIC.GROUP` (pooled: all tokens of the group's records together)
    and `METRIC.per_sequence` (the mean over the sequences of `top_and_random` where the metric is
    defined) or `METRIC.per_sequence.GROUP`, for the metrics `correlation`, `r2` and
    `absolute_deviation` and the groups `top_and_random`, `top_only` and `random_only`;
    `correlation.per_sequence.n` says over how many sequences `correlation.per_sequence` is the mean.

    Levels become activations as the simulator's calibration says; without one they are multiplied
    by M / L, where M is the maximum of the calibration split's top records (it stands in for that of
    the explained records, which a scorer cannot see). A simulation in activation units is not
    rescaled.

    The floor `shuffled` is the 95th percentile of the headline when the simulated values are
    permuted at random among the answered tokens of all scored records: a prediction with the
    right values in the wrong places stays below it 19 times in 20. The ceiling is the headline of
    the real values themselves, rounded down to the simulator's levels of M and scaled back.

    Counts are of tokens, and include those asked for the calibration. What was not answered is
    counted and left out, never a zero.
    """

    def __init__(self, config: SimulationScorerConfig, simulator: Simulator) -> None:
        self._config = config
        self._simulator = simulator
        self.accepts = simulator.accepts

    async def score(self, explanation: Explanation, view: SplitView) -> Verdict:
        if not isinstance(explanation, self.accepts):
            names = ", ".join(cls.__name__ for cls in self.accepts)
            return Verdict(
                Failure(Reason.MISMATCHED, f"the simulator reads {names}, this is a {type(explanation).__name__}")
            )
        chosen = self._chosen(view)
        obstacle = self._obstacle(chosen, view)
        if obstacle is not None:
            return Verdict(obstacle)
        fitted = () if self._simulator.calibration is Calibration.NONE else self._chosen(view.calibration()).records
        view.check(record.sequence for record in chosen.records)
        asked = (*chosen.records, *fitted)
        outcomes = await self._simulator.simulate(explanation, [record.sequence for record in asked])
        n_scored = len(chosen.records)
        scored = Pairs.of(chosen.records, outcomes[:n_scored])
        calibration = Pairs.of(fitted, outcomes[n_scored:])
        simulations = tuple(outcome for outcome in outcomes[:n_scored] if isinstance(outcome, Simulation))
        if not scored.n_answered or np.ptp(scored.real) == 0:
            return Verdict(self._unanswered(scored), simulations)
        return Verdict(self._score(chosen, scored, calibration, view.calibration().maximum), simulations)

    def _chosen(self, view: SplitView) -> _Chosen:
        usable = [[r for r in records if r.counted.any()] for records in (view.records.top, view.records.random)]
        top = usable[0][: self._config.n_top]
        taken = {record.sequence.id for record in top}
        random = [record for record in usable[1] if record.sequence.id not in taken][: self._config.n_random]
        return _Chosen((*top, *random), len(top))

    def _obstacle(self, chosen: _Chosen, view: SplitView) -> Failure | None:
        n, least = len(chosen.records), self._config.min_records
        if n < least:
            return Failure(Reason.TOO_FEW_RECORDS, f"{n} records in split {view.split}, at least {least} are needed")
        if view.dead:
            return Failure(Reason.DEAD, f"the unit never rises above 0 in split {view.split}")
        values = np.concatenate([record.values[record.counted] for record in chosen.records])
        if np.ptp(values) == 0:
            return Failure(Reason.CONSTANT, f"the unit is {values[0]:g} at every token to be scored")
        return None

    def _unanswered(self, scored: Pairs) -> Failure:
        """Only failed simulations lead here: `_obstacle` has seen the real values vary."""
        assert scored.failure is not None
        left = "; the unit does not vary over the rest" if scored.n_answered else ""
        missing = scored.n_asked - scored.n_answered
        return Failure(
            scored.failure.reason, f"{missing} of {scored.n_asked} tokens unanswered{left}: {scored.failure.detail}"
        )

    def _score(self, chosen: _Chosen, scored: Pairs, calibration: Pairs, maximum: float) -> Score:
        values, flags = self._calibrated(scored, calibration, maximum)
        n_sequences = len(np.unique(scored.record))
        if np.ptp(values) == 0:
            flags.append("constant simulation")
        if scored.top_level not in (None, 10):
            flags.append(f"levels 0-{scored.top_level}")
        if n_sequences < len(chosen.records):
            flags.append(f"{len(chosen.records) - n_sequences} of {len(chosen.records)} sequences unanswered")
        counts = {"top": chosen.n_top, "random": len(chosen.records) - chosen.n_top}
        wanted = {"top": self._config.n_top, "random": self._config.n_random}
        flags += [f"{counts[kind]} of {wanted[kind]} {kind} records" for kind in counts if counts[kind] < wanted[kind]]
        return Score(
            scorer="simulation",
            headline=HEADLINE,
            measures=self._measures(chosen, scored, values),
            floors=self._floors(scored.real, values),
            ceiling=_ceiling(scored, maximum),
            n_asked=scored.n_asked + calibration.n_asked,
            n_answered=scored.n_answered + calibration.n_answered,
            n_unparsable=scored.n_unparsable + calibration.n_unparsable,
            n_failed=scored.n_failed + calibration.n_failed,
            flags=tuple(flags),
        )

    def _calibrated(self, scored: Pairs, calibration: Pairs, maximum: float) -> tuple[np.ndarray, list[str]]:
        """The simulated values in activation units, and what to say of it."""
        flags: list[str] = []
        if self._simulator.calibration is not Calibration.NONE:
            try:
                if not calibration.n_answered:
                    missing = calibration.failure
                    raise NotCalibratedError(missing.detail if missing else "the calibration split has no records")
                mapping = fit(self._simulator.calibration, calibration.simulated, calibration.real)
                return mapping(scored.simulated), flags
            except NotCalibratedError as error:
                flags.append(f"not calibrated: {error}")
        if scored.top_level is None:
            return scored.simulated, flags
        if maximum <= 0:
            return scored.simulated, flags or ["not calibrated: the calibration split has no value above 0"]
        return scored.simulated * (maximum / scored.top_level), flags

    def _measures(self, chosen: _Chosen, scored: Pairs, values: np.ndarray) -> dict[str, Measure]:
        terms = metrics.token_terms(scored.real, values)
        sequences = np.unique(scored.record)
        sequence_sums = metrics.sums_by(scored.record, terms)
        names = np.array([chosen.records[i].sequence.document_id for i in sequences])
        measures: dict[str, Measure] = {}
        for group, members in chosen.groups().items():
            rows = members[sequences]
            suffix = "" if group == "top_and_random" else f".{group}"
            for metric_name, metric in metrics.METRICS.items():
                declared = metrics.DECLARED[metric_name]
                blind = declared.insensitive_to if group == "random_only" else declared.insensitive_balanced
                measures[f"{metric_name}.{group}"] = self._measure(sequence_sums[rows], names[rows], metric, blind)
                each = metric(sequence_sums[rows])
                defined = np.isfinite(each)
                counted = np.stack([each[defined], np.ones(defined.sum())], axis=-1)
                mean = self._measure(counted, names[rows][defined], metrics.mean, blind)
                measures[f"{metric_name}.per_sequence{suffix}"] = mean
                if not suffix and metric is metrics.correlation:
                    measures["correlation.per_sequence.n"] = Measure(float(defined.sum()))
        return measures

    def _measure(
        self, sums: np.ndarray, documents: np.ndarray, metric: metrics.OfSums, insensitive_to: tuple[str, ...]
    ) -> Measure:
        value = float(metric(sums.sum(axis=0))) if len(sums) else np.nan
        if not np.isfinite(value):
            return Measure(None, insensitive_to=insensitive_to)
        config = self._config
        by_document = metrics.sums_by(documents, sums)
        low, high = metrics.interval(by_document, metric, config.n_bootstrap, config.seed)
        return Measure(value, low, high, insensitive_to)

    def _floors(self, real: np.ndarray, values: np.ndarray) -> dict[str, float]:
        if not self._config.n_permutations:
            return {}
        terms = metrics.token_terms(real, values)
        chance = metrics.shuffled_correlations(terms, self._config.n_permutations, self._config.seed)
        return {"shuffled": float(np.quantile(chance, 0.95))}


def _correlation(real: np.ndarray, values: np.ndarray) -> float:
    return float(metrics.correlation(metrics.token_terms(real, values).sum(axis=0)))


def _ceiling(scored: Pairs, maximum: float) -> float:
    """What the headline would be if the simulator answered every token with its true level."""
    if scored.top_level is None:
        return 1.0
    known = maximum if maximum > 0 else float(scored.real.max())
    return _correlation(scored.real, levels(scored.real, known, scored.top_level).astype(np.float64))
