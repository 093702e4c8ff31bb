"""Eight processes that write at once lose and repeat nothing, and one that is killed leaves nothing half."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from server import PASSWORD_ENV
from writers import (
    N_CALLS,
    N_UNITS,
    N_WRITERS,
    RUN,
    SHARED,
    WRITES,
    Config,
    all_at_once,
    batch,
    entry,
    explanation,
    killed,
    manifest,
    score,
)

from neurogloss.records import codec
from neurogloss.store.configs import PostgresStoreConfig, SqliteStoreConfig
from neurogloss.store.sql import SqlResultStore


@pytest.fixture(params=["sqlite", "postgres"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Config:
    if request.param == "sqlite":
        return SqliteStoreConfig(str(tmp_path))
    return PostgresStoreConfig(request.getfixturevalue("postgres").emptied(), PASSWORD_ENV, str(tmp_path))


@pytest.fixture
def store(config: Config) -> Iterator[SqlResultStore]:
    opened = SqlResultStore(config)
    yield opened
    opened.close()


def test_eight_writers_lose_and_repeat_nothing(config: Config) -> None:
    closed = all_at_once(config)
    store = SqlResultStore(config)

    assert [run.run_id for run in store.runs()] == [RUN]
    assert closed.count(True) == 1
    assert sorted(left.name for left in store.open_batches()) == [f"of {number}" for number in range(N_WRITERS)]

    keys = Counter(call.key for call in store.ledger(RUN))
    of_batch = [key for key in keys if key.startswith("common")]
    own = {f"{number}/{call}" for number in range(N_WRITERS) for call in range(N_CALLS)}
    assert len(of_batch) == 1
    assert keys == Counter([*own, *of_batch, *[SHARED] * N_WRITERS * N_CALLS])
    totals = store.totals(RUN)
    assert (totals.calls, totals.reused, totals.charged_tokens) == (keys.total(), 1, 3 * keys.total())
    assert all(store.reply(key) == entry(key).reply for key in keys)

    by = [int(codec.encode(row.outcome).partition("by ")[2][0]) for row in store.explanations(RUN)]
    assert by == [by[0]] * N_UNITS, "all rows of an explanation are one writer's"
    rows = store.scores(RUN)
    assert len(rows) == N_UNITS + N_WRITERS
    writers = [int(row.outcome.value or 0) for row in rows if not hasattr(row.outcome, "reason")]
    assert writers == [writers[0]] * N_UNITS + list(range(N_WRITERS))
    assert codec.encode(rows) == codec.encode([score(index, by) for index, by in enumerate(writers)])
    store.close()


@pytest.mark.parametrize("doing", WRITES)
def test_a_killed_writer_leaves_nothing_half(config: Config, store: SqlResultStore, doing: str) -> None:
    """Killed before each statement of its transaction, the last being the commit."""
    store.begin_run(manifest())
    store.open_batch(batch("common"))
    store.add_explanations(RUN, [explanation(0, 1)])
    store.add_scores(RUN, [score(0, 1)])
    before = _content(store)
    last = {"explanations": 2, "scores": 4, "batch": 3}[doing]
    for statement in range(1, last + 1):
        assert killed(config, doing, statement) == -signal.SIGKILL
        assert _content(store) == before, f"killed before statement {statement}"
    assert killed(config, doing, last + 1) == 0
    assert _content(store) != before


def _content(store: SqlResultStore) -> str:
    return codec.encode([store.explanations(RUN), store.scores(RUN), store.open_batches(), store.ledger(RUN)])
