"""What a run came to: one line for each explanation of the main arm, and means."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neurogloss.pipeline.explaining import MAIN
from neurogloss.records.explanations import Explanation
from neurogloss.records.failures import Failure
from neurogloss.records.runs import ExplanationRow, LedgerTotals, ScoreRow
from neurogloss.records.scores import Score
from neurogloss.view.results import unread


@dataclass(frozen=True)
class Line:
    """One explanation of one unit, scored by one scorer."""

    unit: str
    explanation: Explanation | Failure | None
    score: Score | Failure | None
    floors: Mapping[str, Score | Failure | None]
    """The score of each floor, by its name."""


@dataclass(frozen=True)
class Mean:
    """The mean of the scores that exist."""

    value: float | None
    n: int
    """How many there are."""
    of: int
    """How many there could be."""


def lines_of(
    scorer: str, units: Sequence[str], explanations: Iterable[ExplanationRow], scores: Iterable[ScoreRow]
) -> list[Line]:
    """The lines of one scorer, in the order of the units; several samples of a unit follow one another.

    Floors that the scorer does not read are left out.
    """
    scores = list(scores)
    left_out = {MAIN} | {arm for arm, by in unread(scores) if by == scorer}
    explained = {(str(row.cell.unit), row.cell.arm, row.cell.sample): row.outcome for row in explanations}
    scored = {
        (str(row.cell.unit), row.cell.arm, row.cell.sample): row.outcome for row in scores if row.scorer == scorer
    }
    arms = sorted({arm for _, arm, _ in (*explained, *scored)} - left_out, key=lambda arm: (arm != "token_table", arm))
    lines = []
    for unit in units:
        samples = sorted({sample for name, arm, sample in (*explained, *scored) if (name, arm) == (unit, MAIN)})
        for sample in samples or [0]:
            floors = {arm: scored.get((unit, arm, 0), _failure(explained.get((unit, arm, 0)))) for arm in arms}
            explanation = explained.get((unit, MAIN, sample))
            score = scored.get((unit, MAIN, sample), _failure(explanation))
            lines.append(Line(unit, explanation, score, floors))
    return lines


def mean_of(outcomes: Iterable[Score | Failure | None]) -> Mean:
    """The mean of the headline values; what has none counts in `of` alone, never as 0."""
    outcomes = list(outcomes)
    values = [value for value in map(value_of, outcomes) if value is not None]
    return Mean(sum(values) / len(values) if values else None, len(values), len(outcomes))


def value_of(outcome: Score | Failure | None) -> float | None:
    """The headline value, if there is one."""
    return outcome.value if isinstance(outcome, Score) else None


def scorers_of(scores: Iterable[ScoreRow]) -> list[str]:
    """The names of the scorers, sorted."""
    return sorted({row.scorer for row in scores})


def as_data(outcome: Any) -> dict[str, Any]:
    """An `app.RunOutcome` as what `--json` prints."""
    units = outcome.manifest.units
    tables = {name: lines_of(name, units, outcome.explanations, outcome.scores) for name in scorers_of(outcome.scores)}
    return {
        "run_id": outcome.run_id,
        "resumed": outcome.resumed,
        "seconds": round(outcome.seconds, 3),
        "report": str(outcome.report),
        "n_failed_units": outcome.n_failed_units,
        "notes": list(outcome.notes),
        "ledger": _ledger_data(outcome.ledger),
        "explanations": [
            {
                "unit": str(row.cell.unit),
                "arm": row.cell.arm,
                "sample": row.cell.sample,
                **(_failed(row.outcome) or {"explanation": row.outcome.summary()}),
            }
            for row in outcome.explanations
        ],
        "scores": [
            {
                "unit": str(row.cell.unit),
                "arm": row.cell.arm,
                "sample": row.cell.sample,
                "scorer": row.scorer,
                **(_failed(row.outcome) or _score_data(row.outcome)),
            }
            for row in outcome.scores
        ],
        "means": {
            scorer: {
                MAIN: vars(mean_of(line.score for line in lines)),
                **{
                    floor: vars(mean_of(line.floors[floor] for line in lines))
                    for floor in (lines[0].floors if lines else ())
                },
            }
            for scorer, lines in tables.items()
        },
    }


def _ledger_data(ledger: LedgerTotals) -> dict[str, Any]:
    return {
        "calls": ledger.calls,
        "failed": ledger.failed,
        "reused": ledger.reused,
        "attempts": ledger.attempts,
        "prompt_tokens": ledger.usage.prompt_tokens,
        "cached_prompt_tokens": ledger.usage.cached_prompt_tokens,
        "completion_tokens": ledger.usage.completion_tokens,
        "usd": ledger.usd,
        "seconds": round(ledger.seconds, 3),
    }


def _failure(outcome: Explanation | Failure | None) -> Failure | None:
    return outcome if isinstance(outcome, Failure) else None


def _failed(outcome: Any) -> dict[str, Any] | None:
    if isinstance(outcome, Failure):
        return {"failure": {"reason": outcome.reason.value, "detail": outcome.detail}}
    return None


def _score_data(score: Score) -> dict[str, Any]:
    head = score.measures[score.headline]
    return {
        "headline": score.headline,
        "value": _finite(head.value),
        "low": _finite(head.low),
        "high": _finite(head.high),
        "insensitive_to": list(head.insensitive_to),
        "measures": {name: _finite(measure.value) for name, measure in score.measures.items()},
        "nulls": {name: _finite(value) for name, value in score.floors.items()},
        "ceiling": _finite(score.ceiling),
        "n_asked": score.n_asked,
        "n_answered": score.n_answered,
        "n_unparsable": score.n_unparsable,
        "n_failed": score.n_failed,
        "flags": list(score.flags),
    }


def _finite(value: float | None) -> float | None:
    """JSON has no NaN."""
    return value if value is not None and math.isfinite(value) else None
