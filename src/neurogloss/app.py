"""What can be done with settings: collect, run, report."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from neurogloss.config.choices import Choice
from neurogloss.config.settings import Settings
from neurogloss.errors import BudgetError, UsageError, rewrite
from neurogloss.interfaces.executor import Line, Work
from neurogloss.interfaces.result_store import ResultStore
from neurogloss.pipeline.collected import CollectedUnits, reopened
from neurogloss.pipeline.explaining import EXPLAIN, MAIN, Committed, UnitExplainer
from neurogloss.pipeline.progress import Progress
from neurogloss.pipeline.replay import LedgerMode
from neurogloss.pipeline.spreading.collecting import check_shared
from neurogloss.pipeline.spreading.hub import News, RunHub
from neurogloss.pipeline.spreading.lines import LineProgress
from neurogloss.plugin.registry import load_registry
from neurogloss.records.failures import RETRYABLE, Failure, Reason
from neurogloss.records.runs import ExplanationRow, LedgerTotals, RunManifest, ScoreRow
from neurogloss.records.units import UnitId
from neurogloss.session import Session, Shared
from neurogloss.store.activations import ActivationStore
from neurogloss.store.locks import LOCKS, locked
from neurogloss.store.room import needing_room, write_whole
from neurogloss.view.text import counted

_IN_A_BATCH = 1000
"""Units whose requests wait for a batch together."""


@dataclass(frozen=True)
class CollectOutcome:
    """What `collect` leaves behind."""

    key: str
    """Of the collection in the activation store."""
    units: tuple[UnitId, ...]
    n_documents: int
    n_sequences: int
    n_tokens: int
    seconds: float


@dataclass(frozen=True)
class RunOutcome:
    """What `run` leaves behind."""

    run_id: str
    manifest: RunManifest
    explanations: list[ExplanationRow]
    scores: list[ScoreRow]
    ledger: LedgerTotals
    report: Path
    n_failed_units: int
    """Units whose explanation or score is missing because a language model or a component failed."""
    resumed: bool
    """The run had been begun before."""
    seconds: float
    notes: tuple[str, ...]


def collect(settings: Settings, progress: Progress) -> CollectOutcome:
    """Collects the records of the chosen units, and nothing more."""
    started = time.monotonic()
    session = Session(settings, progress)
    try:
        with needing_room(session.root):
            found = session.collected()
        return CollectOutcome(
            found.key, session.units, found.n_documents, found.n_sequences, found.n_tokens, time.monotonic() - started
        )
    finally:
        session.executor.close()


def run(settings: Settings, progress: Progress) -> RunOutcome:
    """Collects, explains, simulates, scores and reports; what is committed already is left alone.

    Raises:
        UsageError: Something in the configuration or the environment is wrong.
        BudgetError: The budget is reached; what is committed is kept.
        PendingError: What is left waits for batches that are not to be waited for.
    """
    return asyncio.run(run_async(settings, progress))


async def run_async(settings: Settings, progress: Progress, shared: Shared | None = None) -> RunOutcome:
    """`run`, for callers with an event loop of their own, such as notebooks, or with several runs to do."""
    session = Session(settings, progress, shared=shared)
    try:
        with needing_room(session.root):
            return await _run(session, progress)
    except Exception as error:
        rewrite(error, session.redact)
        raise
    finally:
        await session.close()


async def _run(session: Session, progress: Progress) -> RunOutcome:
    started = time.monotonic()
    settings = session.settings
    session.check_models()
    run_id = session.run_id
    report = Path(settings.report) if settings.report else session.root / "reports" / f"{run_id}.html"
    if report.is_dir():
        raise UsageError(f"report={report} is a folder.", remedy="Name a file in it, such as report.html.")
    collected = session.collected()
    resumed = await explain_units(session, collected, session.units, progress)
    manifest = session.store.run(run_id)
    write_report(session.store, manifest, collected, report, settings.notes)
    explanations, scores = session.store.explanations(run_id), session.store.scores(run_id)
    return RunOutcome(
        run_id,
        manifest,
        explanations,
        scores,
        session.store.totals(run_id),
        report,
        _n_failed_units(explanations, scores),
        resumed,
        time.monotonic() - started,
        settings.notes,
    )


async def explain_units(
    session: Session, collected: CollectedUnits, units: Sequence[UnitId], progress: Progress
) -> bool:
    """Begins the run, if it was not begun before, and takes units through it; tells whether it was.

    Raises:
        UsageError: Another process is at it.
    """
    run_id = session.run_id
    with _alone(session.root / LOCKS / run_id):
        resumed = any(known.run_id == run_id for known in session.store.runs())
        if session.settings.ledger.mode is LedgerMode.RECORD:
            session.begin_recording(resumed=resumed)
        session.store.begin_run(_manifest(session, run_id, collected))
        try:
            async for _ in session.executor.map(UnitWork(session, run_id, collected, progress), units):
                pass
        except BudgetError as error:
            await session.ledger.close()  # what was sent is paid for, and committed
            raise _stopped(error, session, run_id) from None
    return resumed


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """For work on a run: each of two processes would ask what the other has in flight."""
    with locked(lock) as alone:
        if not alone:
            raise UsageError(
                f"The run {lock.name} is in work in another process.",
                known=f"It holds the lock {lock}.",
                remedy="Wait for it, or stop it; the same command then goes on from there.",
            )
        yield


def _stopped(error: BudgetError, session: Session, run_id: str) -> BudgetError:
    """The same error with what is spent and what is left."""
    store, settings = session.store, session.settings
    committed = Committed.of(store, run_id, retry_failed=settings.retry_failed)
    explainer = UnitExplainer(session.arms, store, run_id, committed, Progress(), settings.score_on)
    left = sum(not explainer.finished(unit) for unit in session.units)
    spent = store.totals(run_id)
    cost = "an unknown amount" if spent.usd is None else f"${spent.usd:,.4f}"
    known = (
        f"{error.known}\nThis run has made {counted(spent.calls, 'call')} for {cost}. "
        f"Left to do: {left} of {len(session.units)} units."
    )
    return BudgetError(error.wrong, known=known, remedy=error.remedy)


def report(store: Choice, run_id: str, path: Path | None = None) -> Path:
    """Writes a run's report again, from the store alone.

    Args:
        store: The store that holds the run.
        run_id: Its id, the beginning of it, or `latest`.
        path: Where the report goes; by default into the store's folder.

    Raises:
        StoreError: There is no such run, or its collection was deleted.
    """
    root = Path(store.config.root)
    results: ResultStore = load_registry().build(store.component, store.config)
    try:
        manifest = results.run(run_id)
        units = [UnitId.parse(name) for name in manifest.units]
        collected = reopened(ActivationStore(root / "activations"), manifest.collection, units)
        return write_report(results, manifest, collected, path or root / "reports" / f"{manifest.run_id}.html")
    finally:
        results.close()


class UnitWork(Work):
    """Takes units through all arms. Another process gets the settings alone and builds its own session."""

    def __init__(self, session: Session, run_id: str, collected: CollectedUnits, progress: Progress) -> None:
        self._settings = session.settings
        self._run_id = run_id
        self._collection = collected.key
        self._here: tuple[Session, Progress] | None = (session, progress)
        if any(session.model(role).batched for role in session.settings.llms):
            self.together = _IN_A_BATCH
        self._begun = False

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_here": None}

    def hub(self) -> RunHub:
        assert self._here is not None
        return self._here[0].hub()

    def join(self, line: Line) -> None:
        self._line = line

    def hear(self, news: News) -> None:
        assert self._here is not None
        told, values = news
        getattr(self._here[1], told)(*values)

    async def open(self) -> None:
        self._session, self._progress = self._here or self._part()
        self._collected = self._session.collected()
        store = self._session.store
        committed = Committed.of(store, self._run_id, retry_failed=self._settings.retry_failed)
        arms, score_on = self._session.arms, self._settings.score_on
        self._explainer = UnitExplainer(arms, store, self._run_id, committed, self._progress, score_on)
        # A full collection of garbage looks through everything, of which most was there before the first unit.
        gc.freeze()
        self._begun = True
        self._progress.start(EXPLAIN, len(self._session.units) * self._explainer.steps_per_unit, "steps")

    def _part(self) -> tuple[Session, Progress]:
        """A session in a process that the run is spread to."""
        progress = LineProgress(self._line)
        session = Session(self._settings, progress, line=self._line)
        check_shared(session.activations, self._collection)
        session.check_models()
        return session, progress

    async def do(self, item: UnitId) -> None:
        if self._explainer.finished(item):
            self._progress.advance(EXPLAIN, self._explainer.steps_per_unit)
        else:
            await self._explainer.explain(self._collected.record(item))

    async def close(self) -> None:
        if self._begun:
            gc.unfreeze()
            self._progress.finish(EXPLAIN)
        if self._here is None and hasattr(self, "_session"):
            await self._session.close()


def write_report(
    store: ResultStore, manifest: RunManifest, collected: CollectedUnits, path: Path, notes: tuple[str, ...] = ()
) -> Path:
    """Writes a run's report as one HTML file.

    Raises:
        UsageError: The file cannot be written.
    """
    from neurogloss.view.report import ReportData, render_report  # after all that takes long, not before

    totals = store.totals(manifest.run_id)
    data = ReportData(
        manifest=manifest,
        explanations=store.explanations(manifest.run_id),
        scores=store.scores(manifest.run_id),
        record_of=collected.record,
        ledger=totals,
        dollars=totals.usd,
        notes=notes,
    )
    rendered = render_report(data)
    try:
        write_whole(path, rendered)
    except OSError as error:
        raise UsageError(
            f"The report cannot be written to {path}.",
            known=f"{error}\nThe run is kept in the store.",
            remedy="Name another file.",
        ) from error
    return path


def _manifest(session: Session, run_id: str, collected: CollectedUnits) -> RunManifest:
    return RunManifest(
        run_id=run_id,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        config=session.settings.plain,
        units=tuple(str(unit) for unit in session.units),
        identities=session.identities(),
        versions=session.versions(),
        collection=collected.key,
    )


def _n_failed_units(explanations: list[ExplanationRow], scores: list[ScoreRow]) -> int:
    """Units whose own explanation or score, not a floor's, failed for another reason than the unit itself."""
    blamed = RETRYABLE | {Reason.MISMATCHED}
    outcomes = [(row.cell, row.outcome) for row in explanations] + [(row.cell, row.outcome) for row in scores]
    return len(
        {
            cell.unit
            for cell, outcome in outcomes
            if cell.arm == MAIN and isinstance(outcome, Failure) and outcome.reason in blamed
        }
    )
