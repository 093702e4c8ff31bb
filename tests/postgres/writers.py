"""What processes do to a store that they share."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import sqlalchemy as sa
from server import PASSWORD, PASSWORD_ENV

from neurogloss.records.explanations import ProseExplanation, Provenance
from neurogloss.records.requests import Completion, GenerateReply, Usage
from neurogloss.records.runs import BatchedCall, Cell, ExplanationRow, LedgerEntry, OpenBatch, RunManifest, ScoreRow
from neurogloss.records.scores import Measure, Score
from neurogloss.records.simulations import Simulation
from neurogloss.records.units import UnitId
from neurogloss.store.configs import PostgresStoreConfig, SqliteStoreConfig
from neurogloss.store.sql import SqlResultStore

Config = SqliteStoreConfig | PostgresStoreConfig
RUN, N_WRITERS, N_CALLS, N_UNITS = "run", 8, 20, 6
SHARED = "a request that everyone asks"

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["neurogloss.store.sql", "neurogloss.testing.records", "sqlalchemy", "numpy"])


def all_at_once(config: Config) -> list[bool]:
    """Every writer opens the store and writes; whether each was the one that closed the batch `common`."""
    barrier, told = _CONTEXT.Barrier(N_WRITERS, timeout=60), _CONTEXT.SimpleQueue()
    writers = [_CONTEXT.Process(target=_write, args=(config, number, barrier, told)) for number in range(N_WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * N_WRITERS
    return [told.get() for _ in writers]


def killed(config: Config, doing: str, statement: int) -> int | None:
    """Lets a process be killed before a statement of a transaction, the commit being the last; its exit code."""
    process = _CONTEXT.Process(target=_die, args=(config, doing, statement))
    process.start()
    process.join()
    return process.exitcode


def _write(config: Config, number: int, barrier: Any, told: Any) -> None:
    os.environ[PASSWORD_ENV] = PASSWORD
    barrier.wait()
    store = SqlResultStore(config)  # nobody has made the tables
    store.begin_run(manifest())
    if number == 0:
        store.open_batch(batch("common"))
    barrier.wait()
    store.open_batch(batch(f"of {number}"))
    for call in range(N_CALLS):
        store.add_entry(RUN, entry(f"{number}/{call}"))
        store.add_entry(RUN, entry(SHARED))
        store.add_use(RUN, SHARED, "explainer")
    told.put(store.close_batch(batch("common"), [entry(f"common by {number}")]))
    units = range(N_UNITS) if number % 2 else reversed(range(N_UNITS))
    rows = [explanation(index, number) for index in units]
    store.add_explanations(RUN, rows)
    store.add_scores(RUN, [score(row.cell.unit.index, number) for row in rows])
    store.add_scores(RUN, [score(N_UNITS + number, number)])
    store.close()


def _die(config: Config, doing: str, statement: int) -> None:
    os.environ[PASSWORD_ENV] = PASSWORD
    store = SqlResultStore(config)
    done = 0

    def event(*_: Any) -> None:
        nonlocal done
        done += 1
        if done == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(sa.Engine, "before_cursor_execute", event)
    sa.event.listen(sa.Engine, "commit", event)
    WRITES[doing](store)


WRITES: dict[str, Callable[[SqlResultStore], object]] = {
    "explanations": lambda store: store.add_explanations(RUN, [explanation(index, 2) for index in range(3)]),
    "scores": lambda store: store.add_scores(RUN, [score(index, 2) for index in range(3)]),
    "batch": lambda store: store.close_batch(batch("common"), [entry("k/1"), entry("k/2")]),
}


def manifest() -> RunManifest:
    return RunManifest(RUN, "2026-01-01T00:00:00+00:00", {}, (), {}, {})


def entry(key: str) -> LedgerEntry:
    reply = GenerateReply((Completion(key),), Usage(1, None, 2, None))
    return LedgerEntry(key, "explainer", "fake", "generate", "{}", reply, reply.usage, run_id=RUN, charged_tokens=3)


def batch(name: str) -> OpenBatch:
    return OpenBatch(name, RUN, "model=m", (BatchedCall("k", "explainer", "{}"),))


def explanation(index: int, writer: int) -> ExplanationRow:
    return ExplanationRow(_cell(index), ProseExplanation(Provenance("testing"), f"by {writer}"))


def score(index: int, writer: int) -> ScoreRow:
    """A score and simulations that say who wrote them."""
    value = Score("main", "correlation", {"correlation": Measure(float(writer))}, {}, None, 1, 1, 0, 0)
    simulations = [Simulation(sequence, np.full(2, float(writer)), 10) for sequence in range(writer + 1)]
    return ScoreRow(_cell(index), "main", value, tuple(simulations))


def _cell(index: int) -> Cell:
    return Cell(UnitId("layers.0.mlp", index), "main", 0)
