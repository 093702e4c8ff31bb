"""Explainers by judges, and whether a judge favours its own model.

A judge is the language model that reads the explanation for the scorer: the simulator's where the score
rests on simulations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from neurogloss.leaderboard.board import Block
from neurogloss.leaderboard.entries import Results
from neurogloss.leaderboard.matrices import Matrix
from neurogloss.leaderboard.statistics import Estimate, estimate
from neurogloss.records.units import UnitId


@dataclass(frozen=True)
class SelfPreference:
    """By how much a judge rates the glosses of its own model above what other judges say of them."""

    judge: str
    explainer: str
    difference: Estimate
    """`(own by itself - own by others) - (others by itself - others by others)`, units being resampled."""


@dataclass(frozen=True)
class Judged:
    """Scores by explainer, judge and unit."""

    cells: Mapping[tuple[str, str], Mapping[UnitId, float]]
    own: frozenset[tuple[str, str]]
    """Where the judge's model wrote what it reads."""

    @property
    def explainers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(explainer for explainer, _ in self.cells))

    @property
    def judges(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(judge for _, judge in self.cells))

    def matrix(self) -> Matrix | None:
        """Mean scores; `None` for a single judge."""
        if len(self.judges) < 2:
            return None
        values = tuple(tuple(self._mean(explainer, judge) for judge in self.judges) for explainer in self.explainers)
        places = {(e, j): (r, c) for r, e in enumerate(self.explainers) for c, j in enumerate(self.judges)}
        caption = "Mean score of each explainer (row) by the judge that read it (column); its own model's are marked."
        return Matrix(
            "judges", caption, self.explainers, self.judges, values, frozenset(places[key] for key in self.own)
        )

    def preferences(self) -> tuple[SelfPreference, ...]:
        """One for each judge and explainer of the same model, where others were judged by others, too."""
        found = [(judge, explainer, self._preference(explainer, judge)) for explainer, judge in sorted(self.own)]
        return tuple(SelfPreference(judge, explainer, value) for judge, explainer, value in found if value)

    def _mean(self, explainer: str, judge: str) -> float | None:
        values = self.cells.get((explainer, judge))
        return float(np.mean(list(values.values()))) if values else None

    def _preference(self, explainer: str, judge: str) -> Estimate | None:
        others = [each for each in self.explainers if (each, judge) not in self.own]
        elsewhere = [each for each in self.judges if (explainer, each) not in self.own]
        needed = [self.cells.get((e, j), {}) for e in (explainer, *others) for j in (judge, *elsewhere)]
        if not others or not elsewhere:
            return None
        units = sorted(set.intersection(*map(set, needed)))

        def advantage(written_by: str, unit: UnitId) -> float:
            by_others = [self.cells[written_by, each][unit] for each in elsewhere]
            return self.cells[written_by, judge][unit] - float(np.mean(by_others))

        return estimate(
            [
                advantage(explainer, unit) - float(np.mean([advantage(other, unit) for other in others]))
                for unit in units
            ]
        )


def judged(block: Block, results: Sequence[Results]) -> Judged:
    """What the entries of one subject say of explainers and judges under one scorer."""
    found: dict[tuple[str, str], list[Results]] = {}
    for each in results:
        if by := each.judged_by.get(block.scorer):
            row = each.entry.row
            explainer = " · ".join(filter(None, (row.explainer, row.llm)))
            found.setdefault((explainer, row.judge or by), []).append(each)
    own = {key for key, these in found.items() if all(r.written_by == r.judged_by[block.scorer] for r in these)}
    return Judged({key: _units(block, these) for key, these in found.items()}, frozenset(own))


def _units(block: Block, results: Sequence[Results]) -> dict[UnitId, float]:
    """The mean over the rows that differ in their simulator alone."""
    rows = dict.fromkeys(each.entry.row for each in results)
    lines = [line.by_unit for row in rows if (line := block.line(row))]
    units = sorted(set().union(*lines))
    return {unit: float(np.mean([values[unit] for values in lines if unit in values])) for unit in units}
