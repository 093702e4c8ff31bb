"""The run as a whole: what was done, how it came out, and what it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from neurogloss.pipeline.explaining import MAIN
from neurogloss.records.runs import Cell, LedgerTotals, RunManifest
from neurogloss.records.scores import Score
from neurogloss.records.units import UnitId
from neurogloss.view.absences import Absence, explain_absence, score_value
from neurogloss.view.cards import explanation_text, link_to
from neurogloss.view.charts import Histogram, Point, Scatter, by_firing_fraction, by_layer, histogram
from neurogloss.view.results import RunResults
from neurogloss.view.text import counted, difference, duration, score_number

_GROUPS = ("subject", "corpus", "explainer", "simulator", "scorer", "llm")


@dataclass(frozen=True)
class Fact:
    """Something to know about the run."""

    name: str
    value: str
    more: tuple[tuple[str, str], ...] = ()
    """Keys and values that say it in full."""


@dataclass(frozen=True)
class ArmLine:
    """How one arm came out under one scorer."""

    name: str
    mean: str
    n_scored: str
    missing: str
    """How many have no score, and why."""
    ahead: str
    """By how much `main` is ahead on the units on which both have a score."""


@dataclass(frozen=True)
class ScorerSummary:
    """How a run came out under one scorer."""

    scorer: str
    measure: str
    arms: tuple[ArmLine, ...]
    histogram: Histogram | None
    layers: Scatter | None
    firing: Scatter | None
    drawn: str
    """How many scores the charts show, and how many there are not."""


@dataclass(frozen=True)
class IndexLine:
    """One explanation in the index of units."""

    unit: str
    link: str
    """Address of the unit's card; empty where it has none."""
    name: str
    text: str
    scores: tuple[str, ...]
    """One per scorer."""
    sort_keys: tuple[str, ...]
    """The same for sorting; empty where there is no score."""
    state: str


@dataclass(frozen=True)
class RunSummary:
    """The head of the report."""

    subject: str
    run_id: str
    created: str
    n_units: int
    states: tuple[tuple[int, Absence | None], ...]
    """How many of the run's explanations are scored (`None`), and how many are not for each reason."""
    cost: tuple[Fact, ...]
    facts: tuple[Fact, ...]
    config: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]
    scorers: tuple[ScorerSummary, ...]
    index: tuple[IndexLine, ...]
    notes: tuple[str, ...]


def run_summary(
    manifest: RunManifest,
    results: RunResults,
    ledger: LedgerTotals,
    dollars: float | None,
    seconds: float | None,
    notes: Sequence[str],
    firing_fraction: Callable[[UnitId], float | None],
    has_card: Callable[[UnitId], bool],
) -> RunSummary:
    """The head of the report; the arguments are `ReportData`'s, and what is known of each unit."""
    return RunSummary(
        subject=subject_name(manifest),
        run_id=manifest.run_id,
        created=_moment(manifest.created),
        n_units=len(results.units),
        states=tuple(_states(results)),
        cost=tuple(_cost(ledger, dollars, seconds)),
        facts=tuple(_facts(manifest)),
        config=tuple(flat(manifest.config)),
        versions=tuple(manifest.versions.items()),
        scorers=tuple(_scorer(name, results, firing_fraction) for name in results.scorers),
        index=tuple(_index(results, has_card)),
        notes=tuple(notes),
    )


def _moment(created: str) -> str:
    try:
        return f"{datetime.fromisoformat(created).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return created


def subject_name(manifest: RunManifest) -> str:
    """The subject's own name for itself, else its component's."""
    identity = manifest.identities.get("subject", {})
    named = next((identity[key] for key in ("name", "model", "path", "source") if identity.get(key)), "")
    return named or component_name(manifest.config.get("subject")) or "subject"


def component_name(value: Any) -> str:
    """The registered name of a chosen component."""
    if isinstance(value, Mapping):
        return str(value.get("component", ""))
    return "" if value is None else str(value)


def _facts(manifest: RunManifest) -> Iterator[Fact]:
    identities = dict(manifest.identities)
    for group in _GROUPS:
        chosen = manifest.config.get(group)
        identity = tuple((key, str(value)) for key, value in identities.pop(group, {}).items())
        if group == "scorer" and isinstance(chosen, Mapping):
            yield Fact("scorers", ", ".join(map(str, chosen)))
        elif chosen or identity:
            yield Fact(group, component_name(chosen), identity)
    for name, rest in identities.items():
        yield Fact(name, "", tuple((key, str(value)) for key, value in rest.items()))


def _cost(ledger: LedgerTotals, dollars: float | None, seconds: float | None) -> Iterator[Fact]:
    yield Fact(
        "calls to language models",
        f"{ledger.calls:,}",
        (("failed", f"{ledger.failed:,}"), ("replies reused", f"{ledger.reused:,}")),
    )
    usage = ledger.usage
    share = "unknown" if usage.cached_share is None else f"{usage.cached_share:.0%}"
    more = (("cached", share), ("completion tokens", _known(usage.completion_tokens)))
    yield Fact("prompt tokens", _known(usage.prompt_tokens), more)
    yield Fact("dollars", "unknown" if dollars is None else f"{dollars:,.4f}")
    yield Fact("time in calls", duration(ledger.seconds), (("added up", "concurrent calls overlap"),))
    if seconds is not None:
        yield Fact("time of the run", duration(seconds))


def _known(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def flat(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """A nested configuration as dotted keys and values."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from flat(inner, f"{key}.{name}" if key else str(name))
    elif key:
        yield key, "null" if value is None else str(value)


def _states(results: RunResults) -> Iterator[tuple[int, Absence | None]]:
    """How `main` came out under the first scorer; details are left out, so that equal reasons count together."""
    absences = [explain_absence(outcome) for outcome in _main_outcomes(results)]
    counts = Counter(absence and Absence(absence.label, absence.sentence) for absence in absences)
    states = [(n, absence) for absence, n in counts.items()]
    yield from sorted(states, key=lambda state: (state[1] is not None, -state[0]))


def _main_outcomes(results: RunResults) -> list[Any]:
    if results.scorers:
        return [outcome for _, outcome in results.outcomes(MAIN, results.scorers[0])]
    found: list[Any] = []
    for unit in results.units:
        found += [row.outcome for row in results.explanations_of(unit, MAIN)] or [None]
    return found


def _scorer(scorer: str, results: RunResults, firing_fraction: Callable[[UnitId], float | None]) -> ScorerSummary:
    arms = results.arms_under(scorer)
    outcomes = {arm: list(results.outcomes(arm, scorer)) for arm in arms}
    values = {arm: _values(found) for arm, found in outcomes.items()}
    headlines = [outcome.headline for found in outcomes.values() for _, outcome in found if isinstance(outcome, Score)]
    measure = headlines[0] if headlines else "score"
    main = values[MAIN]
    return ScorerSummary(
        scorer=scorer,
        measure=measure,
        arms=(*(_arm(arm, outcomes[arm], values) for arm in arms), *_nulls(outcomes[MAIN])),
        histogram=histogram({arm: list(values[arm].values()) for arm in arms}, measure),
        layers=by_layer(_points(main, lambda unit: unit.layer), measure),
        firing=by_firing_fraction(_points(main, firing_fraction), measure),
        drawn=_drawn(len(main), len(outcomes[MAIN])),
    )


def _drawn(n_scored: int, n: int) -> str:
    if n_scored == n:
        return f"The charts show all {counted(n, 'explanation')} of {MAIN}."
    return f"The charts show {n_scored} of {counted(n, 'explanation')} of {MAIN}: those with a score."


def _values(outcomes: Sequence[tuple[Cell, Any]]) -> dict[Cell, float]:
    return {cell: value for cell, outcome in outcomes if (value := score_value(outcome)) is not None}


def _arm(arm: str, outcomes: Sequence[tuple[Cell, Any]], values: Mapping[str, Mapping[Cell, float]]) -> ArmLine:
    labels = Counter(absence.label for _, outcome in outcomes if (absence := explain_absence(outcome)))
    main, floor = _by_unit(values[MAIN]), _by_unit(values[arm])
    both = [main[unit] - floor[unit] for unit in main if unit in floor] if arm != MAIN else []
    return ArmLine(
        name=arm,
        mean=_mean(list(values[arm].values())),
        n_scored=f"{len(values[arm])}",
        missing=", ".join(f"{n} {label}" for label, n in labels.most_common()),
        ahead=_ahead(both, "unit"),
    )


def _ahead(differences: Sequence[float], noun: str) -> str:
    if not differences:
        return ""
    return f"{difference(float(np.mean(differences)))} on {counted(len(differences), noun)}"


def _nulls(outcomes: Sequence[tuple[Cell, Any]]) -> Iterator[ArmLine]:
    """The nulls within the scores of `main`."""
    scores = [outcome for _, outcome in outcomes if score_value(outcome) is not None]
    for name in dict.fromkeys(name for score in scores for name in score.floors):
        having = [score for score in scores if name in score.floors and np.isfinite(score.floors[name])]
        nulls = [score.floors[name] for score in having]
        ahead = [score.value - null for score, null in zip(having, nulls, strict=True)]
        yield ArmLine(f"{name} (null)", _mean(nulls), f"{len(nulls)}", "", _ahead(ahead, "score"))


def _by_unit(values: Mapping[Cell, float]) -> dict[UnitId, float]:
    """The mean over a unit's samples."""
    grouped: dict[UnitId, list[float]] = {}
    for cell, value in values.items():
        grouped.setdefault(cell.unit, []).append(value)
    return {unit: float(np.mean(found)) for unit, found in grouped.items()}


def _mean(values: Sequence[float]) -> str:
    return score_number(float(np.mean(values)) if values else None)


def _points(values: Mapping[Cell, float], x: Callable[[UnitId], float | None]) -> list[Point]:
    found = ((x(cell.unit), value, cell.unit) for cell, value in values.items())
    return [Point(at, value, str(unit), link_to(unit)) for at, value, unit in found if at is not None]


def _index(results: RunResults, has_card: Callable[[UnitId], bool]) -> Iterator[IndexLine]:
    for unit in results.units:
        link = link_to(unit) if has_card(unit) else ""
        rows = results.explanations_of(unit, MAIN)
        if not rows:
            nothing = ("–",) * len(results.scorers)
            yield IndexLine(str(unit), link, str(unit), "", nothing, ("",) * len(nothing), "not reached")
        for row in rows:
            outcomes = [results.outcome(row, scorer) for scorer in results.scorers]
            values = [score_value(outcome) for outcome in outcomes]
            absence = explain_absence(row.outcome) or next(filter(None, map(explain_absence, outcomes)), None)
            yield IndexLine(
                unit=str(unit),
                link=link,
                name=f"{unit} · sample {row.cell.sample + 1}" if len(rows) > 1 else str(unit),
                text=explanation_text(row.outcome),
                scores=tuple(score_number(value) for value in values),
                sort_keys=tuple("" if value is None else f"{value:.6g}" for value in values),
                state=absence.label if absence else "scored" if outcomes else "explained",
            )
