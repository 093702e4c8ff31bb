"""Benchmarks: the runs of a grid, one after another, and the leaderboard of any runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from neurogloss import app
from neurogloss.config.benchmark import Grid, PlannedRun
from neurogloss.config.choices import Choice
from neurogloss.config.conversion import nearest
from neurogloss.errors import BudgetError, NeuroglossError, UsageError
from neurogloss.interfaces.result_store import ResultStore
from neurogloss.leaderboard.entries import Entry, Records, Row, model_name, records_in
from neurogloss.leaderboard.leaderboard import Leaderboard, leaderboard_of
from neurogloss.leaderboard.naming import entries_of
from neurogloss.pipeline.progress import Progress
from neurogloss.plugin.registry import load_registry
from neurogloss.records.runs import RunManifest
from neurogloss.session import Session, Shared
from neurogloss.view.text import counted

RUNS = "runs"
"""The stage, as progress hears of it."""


@dataclass(frozen=True)
class DoneRun:
    """What became of one run of a benchmark."""

    planned: PlannedRun
    run_id: str = ""
    """Empty where the run did not come so far."""
    n_failed_units: int = 0
    error: NeuroglossError | None = None
    """Why it did not end."""


@dataclass(frozen=True)
class BenchmarkOutcome:
    """What `benchmark` leaves behind."""

    leaderboard: Leaderboard
    runs: tuple[DoneRun, ...]


def benchmark(grid: Grid, progress: Progress, *, against: str = "") -> BenchmarkOutcome:
    """Does the runs of a grid in turn, and compares those that ended.

    Subject, corpus and language models are built once for all runs, and all runs spend from one
    budget. A run that fails does not stop the others.

    Args:
        grid: The runs.
        progress: Hears of the stage `runs` and of those of each run.
        against: The explainer that the others are tested against; the best row if empty.

    Raises:
        UsageError: `against` is none of the grid's explainers; nothing was run.
        BudgetError: The budget is reached; what is committed is kept.
        NeuroglossError: No run ended; the error of the first.
    """
    _check_reference(against, (run.explainer for run in grid.runs))
    done = asyncio.run(_runs(grid, progress))
    ended = [run for run in done if run.error is None]
    if not ended:
        raise next(run.error for run in done if run.error)
    store: ResultStore = _built(ended[0].planned.settings.store)
    try:
        manifests = {run.run_id: store.run(run.run_id) for run in ended}
        for collection in _collections(ended, manifests).values():
            assert len(collection) == 1, "runs of one subject and seed saw different records"
        entries = [_entry(run.planned, manifests[run.run_id]) for run in ended]
        records = _records(ended[0].planned.settings.store)
        failed = [f"{run.planned} has no row: {run.error.wrong}" for run in done if run.error]
        board = leaderboard_of(store, records, entries, against=against, notes=(*grid.notes, *failed))
    finally:
        store.close()
    return BenchmarkOutcome(board, tuple(done))


def leaderboard(store: Choice, runs: Sequence[str], *, against: str = "") -> Leaderboard:
    """Compares runs that are in a store.

    Args:
        store: The store.
        runs: Their ids, the beginnings of them, or `latest`.
        against: As for `benchmark`.

    Raises:
        StoreError: There is no such run, or its collection was deleted.
        UsageError: `against` is no explainer of these runs.
    """
    results: ResultStore = _built(store)
    try:
        manifests = {manifest.run_id: manifest for manifest in map(results.run, runs)}
        entries = entries_of(list(manifests.values()))
        _check_reference(against, (entry.row.explainer for entry in entries))
        return leaderboard_of(results, _records(store), entries, against=against)
    finally:
        results.close()


def _check_reference(against: str, explainers: Iterable[str]) -> None:
    names = list(dict.fromkeys(explainers))
    if against and against not in names:
        known = f"The explainers are {', '.join(names)}."
        raise UsageError(f"No row is called {against!r}.", known=known, remedy=nearest(against, names))


async def _runs(grid: Grid, progress: Progress) -> list[DoneRun]:
    shared, done = Shared(), list[DoneRun]()
    progress.start(RUNS, len(grid.runs), "runs")
    try:
        planned = [_identified(run, progress, shared) for run in grid.runs]
        shared.run_ids = tuple(run.run_id for run in planned if run.run_id)
        for run in planned:
            done.append(run if run.error else await _done(run, progress, shared))
            progress.advance(RUNS)
    except BudgetError as error:
        known = f"{error.known}\nDone: {len(done)} of the benchmark's {counted(len(grid.runs), 'run')}."
        raise BudgetError(error.wrong, known=known, remedy=error.remedy) from None
    finally:
        progress.finish(RUNS)
        await shared.close()
    return done


def _identified(planned: PlannedRun, progress: Progress, shared: Shared) -> DoneRun:
    try:
        return DoneRun(planned, Session(planned.settings, progress, shared=shared).run_id)
    except NeuroglossError as error:
        return DoneRun(planned, error=error)


async def _done(run: DoneRun, progress: Progress, shared: Shared) -> DoneRun:
    progress.note(f"run {run.run_id}: {run.planned}")
    try:
        outcome = await app.run_async(run.planned.settings, progress, shared)
    except BudgetError:
        raise
    except NeuroglossError as error:
        return replace(run, error=error)
    except Exception as error:  # a fault of one component must not cost the runs that do without it
        return replace(run, error=NeuroglossError(f"{type(error).__name__}: {error}"))
    return replace(run, n_failed_units=outcome.n_failed_units)


def _entry(planned: PlannedRun, manifest: RunManifest) -> Entry:
    llm = model_name(manifest, "explainer")
    row = Row(planned.subject, planned.explainer, llm, planned.simulator, planned.judge)
    return Entry(row, manifest.run_id, floor=planned.floor)


def _collections(runs: Sequence[DoneRun], manifests: dict[str, RunManifest]) -> dict[tuple[str, int], set[str]]:
    found: dict[tuple[str, int], set[str]] = {}
    for run in runs:
        found.setdefault((run.planned.subject, run.planned.seed), set()).add(manifests[run.run_id].collection)
    return found


def _built(store: Choice) -> ResultStore:
    built: ResultStore = load_registry().build(store.component, store.config)
    return built


def _records(store: Choice) -> Records:
    return records_in(Path(store.config.root) / "activations")
