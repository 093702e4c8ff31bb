"""The leaderboard: rows of all entries, a block for each scorer, and what tells more than a mean."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from neurogloss.leaderboard.entries import Cost, Place, Results, Row
from neurogloss.leaderboard.statistics import Comparison, Estimate, compare, corrected, estimate
from neurogloss.records.failures import RETRYABLE, Failure, Reason
from neurogloss.records.scores import Score
from neurogloss.records.units import UnitId
from neurogloss.view.absences import explain_absence, score_value

_FAILED = RETRYABLE | {Reason.MISMATCHED}


@dataclass(frozen=True)
class Line:
    """One row under one scorer."""

    row: Row
    floor: bool
    values: Mapping[Place, float]
    """The headline; the mean of a place's samples and of the row's entries."""
    mean: Estimate | None
    n: int
    """Explanations, scored or not."""
    n_scored: int
    n_failed: int
    """Without a score because a language model or a component failed."""
    reasons: Mapping[str, int]
    """Of all that have no score, why, with counts."""
    n_asked: int
    n_answered: int
    n_unparsable: int
    n_items_failed: int
    """Of what was asked for the scores that there are, like the three before it."""
    nulls: Mapping[str, float]
    """The scores' own nulls, such as `shuffled`: means."""
    ceiling: float | None
    """The mean of what the method allows."""
    flags: Mapping[str, int]
    """What the scores say beside their numbers, with counts."""
    against: Comparison | None = None
    """The row minus the reference; `None` for the reference itself, and where fewer than two units are shared."""

    @property
    def n_left_out(self) -> int:
        """Without a score because of the unit itself: dead, constant, too few records, undefined."""
        return self.n - self.n_scored - self.n_failed

    @cached_property
    def by_unit(self) -> dict[UnitId, float]:
        """The mean over the places of each unit: a unit is one observation, however many seeds it was seen with."""
        return by_unit(self.values)


@dataclass(frozen=True)
class Block:
    """One subject under one scorer."""

    scorer: str
    measure: str
    insensitive_to: tuple[str, ...]
    lines: tuple[Line, ...]
    """The best mean first; those without any last."""
    reference: Row | None
    chosen: bool
    """Whether the reference was named beforehand; else it is the best row, which the same numbers chose."""

    def line(self, row: Row) -> Line | None:
        return next((line for line in self.lines if line.row == row), None)


@dataclass(frozen=True)
class RowFacts:
    """What is known of a row whatever the scorer."""

    row: Row
    floor: bool
    cost: Cost | None
    quoted: float | None
    """Mean share of a gloss that is copied from the texts the explainer was shown; `None` where none is prose."""
    runs: tuple[str, ...]


def by_unit(values: Mapping[Place, float]) -> dict[UnitId, float]:
    """The mean over each unit's places."""
    grouped: dict[UnitId, list[float]] = {}
    for place, value in values.items():
        grouped.setdefault(place.unit, []).append(value)
    return {unit: float(np.mean(found)) for unit, found in sorted(grouped.items())}


def blocks_of(results: Sequence[Results], against: str = "") -> tuple[Block, ...]:
    """A block for each scorer, in order of appearance.

    Args:
        results: All entries of one subject.
        against: The name of the explainer that the others are tested against; the best row if empty, or
            where there is no such row.
    """
    grouped: dict[Row, list[Results]] = {}
    for each in results:
        grouped.setdefault(each.entry.row, []).append(each)
    scorers = dict.fromkeys(scorer for each in results for scorer in each.outcomes)
    return tuple(_block(scorer, grouped, against) for scorer in scorers)


def _block(scorer: str, grouped: Mapping[Row, Sequence[Results]], against: str) -> Block:
    having = {row: [each for each in found if scorer in each.outcomes] for row, found in grouped.items()}
    lines = [_line(row, found, scorer) for row, found in having.items() if found]
    if not any(scorer in each.simulated for found in having.values() for each in found):
        lines = list(_once(lines))
    # Means that differ by rounding alone are equal, so that the order is the same on every machine.
    lines.sort(key=lambda line: (-round(line.mean.value, 9) if line.mean else math.inf, line.row))
    named = [line for line in lines if line.row.explainer == against and line.mean]
    reference = next((line for line in (*named, *lines) if line.mean), None)
    if reference:
        rest = [line for line in lines if line is not reference]
        tested = corrected([compare(line.by_unit, reference.by_unit) for line in rest])
        found_out = dict(zip((line.row for line in rest), tested, strict=True))
        lines = [replace(line, against=found_out.get(line.row)) for line in lines]
    scores = [score for found in having.values() for score in _scores(found, scorer)]
    measured = [score.measures[score.headline] for score in scores]
    return Block(
        scorer=scorer,
        measure=scores[0].headline if scores else "score",
        insensitive_to=tuple(sorted({fault for measure in measured for fault in measure.insensitive_to})),
        lines=tuple(lines),
        reference=reference.row if reference else None,
        chosen=bool(named),
    )


def _once(lines: Iterable[Line]) -> Iterator[Line]:
    """The lines without those that differ in their simulator alone, which the scorer has not looked at."""
    seen = set()
    for line in lines:
        what = (line.row.explainer, line.row.llm, tuple(sorted(line.values.items())), tuple(line.reasons.items()))
        if what not in seen:
            seen.add(what)
            yield line


def _scores(results: Iterable[Results], scorer: str) -> Iterator[Score]:
    for each in results:
        for outcomes in each.outcomes[scorer].values():
            yield from (outcome for outcome in outcomes if isinstance(outcome, Score))


def _line(row: Row, results: Sequence[Results], scorer: str) -> Line:
    values: dict[Place, list[float]] = {}
    reasons: Counter[str] = Counter()
    failed, n = 0, 0
    for each in results:
        for place, outcomes in each.outcomes[scorer].items():
            n += len(outcomes)
            for outcome in outcomes:
                value, absence = score_value(outcome), explain_absence(outcome)
                if value is not None:
                    values.setdefault(place, []).append(value)
                elif absence:
                    reasons[absence.label] += 1
                    failed += isinstance(outcome, Failure) and outcome.reason in _FAILED
    means = {place: float(np.mean(found)) for place, found in values.items()}
    scores = list(_scores(results, scorer))
    nulls = {name: [s.floors[name] for s in scores if name in s.floors] for s in scores for name in s.floors}
    ceilings = [score.ceiling for score in scores if score.ceiling is not None]
    return Line(
        row=row,
        floor=any(each.entry.floor for each in results),
        values=means,
        mean=estimate(list(by_unit(means).values())),
        n=n,
        n_scored=n - sum(reasons.values()),
        n_failed=failed,
        reasons=dict(reasons.most_common()),
        n_asked=sum(score.n_asked for score in scores),
        n_answered=sum(score.n_answered for score in scores),
        n_unparsable=sum(score.n_unparsable for score in scores),
        n_items_failed=sum(score.n_failed for score in scores),
        nulls={name: float(np.mean(found)) for name, found in sorted(nulls.items())},
        ceiling=float(np.mean(ceilings)) if ceilings else None,
        flags=dict(Counter(flag.partition(":")[0] for score in scores for flag in score.flags).most_common()),
    )
