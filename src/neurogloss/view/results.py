"""A run's rows, in the order in which they are shown."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from neurogloss.pipeline.explaining import MAIN
from neurogloss.records.failures import Failure
from neurogloss.records.runs import Cell, ExplanationRow, ScoreRow
from neurogloss.records.scores import Score
from neurogloss.records.units import UnitId


def main_first(arms: Iterable[str]) -> tuple[str, ...]:
    """The distinct arms: the run's own explainer, then the floors by name."""
    return tuple(sorted(set(arms), key=lambda arm: (arm != MAIN, arm)))


def unread(scores: Iterable[ScoreRow]) -> frozenset[tuple[str, str]]:
    """The (arm, scorer) of floors that a scorer has left out while others have scored them."""
    found = {(row.cell.arm, row.scorer) for row in scores}
    floors, scorers = {arm for arm, _ in found} - {MAIN}, {scorer for _, scorer in found}
    return frozenset(itertools.product(floors, scorers)) - found


@dataclass(frozen=True)
class RunResults:
    """What a run says of its units."""

    units: tuple[UnitId, ...]
    """In the run's order."""
    explanations: Sequence[ExplanationRow]
    scores: Sequence[ScoreRow]
    chosen: Sequence[str] = ()
    """The run's scorers in its order, as far as it is known."""

    @cached_property
    def arms(self) -> tuple[str, ...]:
        """`main`, then the floors by name."""
        return main_first([MAIN, *(row.cell.arm for row in self.explanations)])

    @cached_property
    def floors(self) -> tuple[str, ...]:
        return self.arms[1:]

    @cached_property
    def scorers(self) -> tuple[str, ...]:
        """The names of the scorers: in the run's order, then of appearance."""
        found = dict.fromkeys(row.scorer for row in self.scores)
        return tuple(dict.fromkeys([*(name for name in self.chosen if name in found), *found]))

    def arms_under(self, scorer: str) -> tuple[str, ...]:
        """The arms without the floors that the scorer does not read."""
        return tuple(arm for arm in self.arms if (arm, scorer) not in self._unread)

    @cached_property
    def _unread(self) -> frozenset[tuple[str, str]]:
        return unread(self.scores)

    def explanations_of(self, unit: UnitId, arm: str) -> list[ExplanationRow]:
        """The samples of one arm."""
        return self._explanations.get((unit, arm), [])

    def score_of(self, cell: Cell, scorer: str) -> ScoreRow | None:
        return self._scores.get((cell, scorer))

    def outcomes(self, arm: str, scorer: str) -> Iterator[tuple[Cell, Score | Failure | None]]:
        """One per explanation of the arm, and per unit without any: the score, or what stands in its place."""
        for unit in self.units:
            rows = self.explanations_of(unit, arm)
            if not rows:
                yield Cell(unit, arm), None
            for row in rows:
                yield row.cell, self.outcome(row, scorer)

    def outcome(self, row: ExplanationRow, scorer: str) -> Score | Failure | None:
        """The score of an explanation, or why there is none; `None` if the run has not come to it."""
        if isinstance(row.outcome, Failure):
            return row.outcome
        found = self.score_of(row.cell, scorer)
        return found.outcome if found else None

    @cached_property
    def _explanations(self) -> dict[tuple[UnitId, str], list[ExplanationRow]]:
        grouped: dict[tuple[UnitId, str], list[ExplanationRow]] = {}
        for row in sorted(self.explanations, key=lambda row: row.cell.sample):
            grouped.setdefault((row.cell.unit, row.cell.arm), []).append(row)
        return grouped

    @cached_property
    def _scores(self) -> dict[tuple[Cell, str], ScoreRow]:
        return {(row.cell, row.scorer): row for row in self.scores}
