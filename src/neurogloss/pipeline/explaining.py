"""Explaining, simulating and scoring one unit, with what is committed already left alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from neurogloss.errors import BudgetError, PendingError, UsageError
from neurogloss.interfaces.explainer import Explainer
from neurogloss.interfaces.result_store import ResultStore
from neurogloss.interfaces.scorer import Scorer, Verdict
from neurogloss.pipeline.progress import Progress
from neurogloss.records.explanations import Explanation
from neurogloss.records.failures import RETRYABLE, Failure, Reason
from neurogloss.records.runs import Cell, ExplanationRow, ScoreRow
from neurogloss.records.scores import Score
from neurogloss.records.tokens import Split
from neurogloss.records.unit_records import SplitView, UnitRecord
from neurogloss.records.units import UnitId

MAIN = "main"
"""The arm of the run's own explainer; the others are floors."""

EXPLAIN = "explain"
"""The stage, as progress hears of it."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arm:
    """An explainer and the scorers that test what it says."""

    name: str
    explainer: Explainer
    scorers: Mapping[str, Scorer]


@dataclass
class Committed:
    """What a run has in the store, so that a restart does only what is missing."""

    explanations: dict[tuple[UnitId, str], list[ExplanationRow]] = field(default_factory=dict)
    scores: dict[tuple[Cell, str], ScoreRow] = field(default_factory=dict)

    @classmethod
    def of(cls, store: ResultStore, run_id: str, *, retry_failed: bool) -> Committed:
        """Reads a run.

        Args:
            store: Where it is.
            run_id: Which.
            retry_failed: Leave out what failed for a reason that may go away.
        """
        found = cls()
        for row in store.explanations(run_id):
            found.explanations.setdefault((row.cell.unit, row.cell.arm), []).append(row)
        found.scores = {(row.cell, row.scorer): row for row in store.scores(run_id)}
        if retry_failed:
            found.explanations = {
                key: rows for key, rows in found.explanations.items() if not any(_may_go_away(r.outcome) for r in rows)
            }
            found.scores = {key: row for key, row in found.scores.items() if not _may_go_away(row.outcome)}
        return found


class UnitExplainer:
    """Takes units through all arms of a run."""

    def __init__(
        self,
        arms: Sequence[Arm],
        store: ResultStore,
        run_id: str,
        committed: Committed,
        progress: Progress,
        score_on: Split,
    ) -> None:
        self._arms = arms
        self._store = store
        self._run_id = run_id
        self._committed = committed
        self._progress = progress
        self._score_on = score_on

    @property
    def steps_per_unit(self) -> int:
        """How many steps of the stage `explain` a unit takes when each arm gives one explanation."""
        return sum(1 + len(arm.scorers) for arm in self._arms)

    def finished(self, unit: UnitId) -> bool:
        """Whether nothing is left to do for a unit, so that its records need not be read."""
        return all(
            rows is not None
            and all(
                isinstance(row.outcome, Failure) or (row.cell, scorer) in self._committed.scores
                for row in rows
                for scorer in arm.scorers
            )
            for arm in self._arms
            for rows in [self._committed.explanations.get((unit, arm.name))]
        )

    async def explain(self, record: UnitRecord) -> None:
        """Explains and scores one unit in every arm; each result is committed as it comes."""
        await _together(self._run_arm(arm, record) for arm in self._arms)

    async def _run_arm(self, arm: Arm, record: UnitRecord) -> None:
        rows = self._committed.explanations.get((record.unit, arm.name))
        if rows is None:
            outcomes = await _explain(arm.explainer, record.view(Split.EXPLAIN))
            rows = [ExplanationRow(Cell(record.unit, arm.name, i), outcome) for i, outcome in enumerate(outcomes)]
            self._store.add_explanations(self._run_id, rows)
        self._progress.advance(EXPLAIN)
        await _together(
            self._run_scorer(name, scorer, row, record) for row in rows for name, scorer in arm.scorers.items()
        )

    async def _run_scorer(self, name: str, scorer: Scorer, row: ExplanationRow, record: UnitRecord) -> None:
        if isinstance(row.outcome, Explanation) and (row.cell, name) not in self._committed.scores:
            view = record.view(self._score_on, explains_again=scorer.explains_again)
            verdict = await _score(scorer, row.outcome, view)
            self._store.add_score(self._run_id, ScoreRow(row.cell, name, verdict.outcome, verdict.simulations))
        self._progress.advance(EXPLAIN)


async def _together(work: Iterable[Coroutine[None, None, None]]) -> None:
    """Does all at the same time; the first exception ends the rest, which may cost money, and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _explain(explainer: Explainer, view: SplitView) -> tuple[Explanation | Failure, ...]:
    try:
        return await explainer.explain(view)
    except (UsageError, BudgetError, PendingError):
        raise
    except Exception as error:
        return (_unforeseen(error, f"explaining {view.unit}"),)


async def _score(scorer: Scorer, explanation: Explanation, view: SplitView) -> Verdict:
    if not isinstance(explanation, scorer.accepts):
        read = ", ".join(cls.__name__ for cls in scorer.accepts)
        detail = f"the scorer reads {read}, not {type(explanation).__name__}"
        return Verdict(Failure(Reason.MISMATCHED, detail))
    try:
        return await scorer.score(explanation, view)
    except (UsageError, BudgetError, PendingError):
        raise
    except Exception as error:
        return Verdict(_unforeseen(error, f"scoring {view.unit}"))


def _unforeseen(error: Exception, doing: str) -> Failure:
    """A component's fault on one unit is recorded there; a run of days must not end with it."""
    _log.warning("%s failed: %s: %s", doing, type(error).__name__, error, exc_info=error)
    return Failure(Reason.FAILED, f"{type(error).__name__}: {error}")


def _may_go_away(outcome: Explanation | Score | Failure) -> bool:
    if isinstance(outcome, Failure):
        return outcome.reason in RETRYABLE
    return isinstance(outcome, Score) and outcome.n_failed + outcome.n_unparsable > 0
