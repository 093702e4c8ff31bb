"""Whole runs: the table is SQLite's, whatever happens to the process or to the server."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from forked import start
from server import PASSWORD, PASSWORD_ENV, Server

from neurogloss.cli.main import main
from neurogloss.records import codec
from neurogloss.store.configs import PostgresStoreConfig, SqliteStoreConfig
from neurogloss.store.sql import SqlResultStore

RUN = (
    "subject=synthetic",
    "llm=scripted",
    "units=[layers.0.mlp/0,layers.0.mlp/5,layers.1.mlp/1]",
    "floor=[token_table]",
    "collection.max_documents=80",
    "scorer.openai_2023.n_bootstrap=50",
)


def _options(url: str, root: Path) -> list[str]:
    return [*RUN, "store=postgres", f"store.url={url}", f"store.password_env={PASSWORD_ENV}", f"store.root={root}"]


def _told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What the run prints as JSON, without where it was and how long it took."""
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    told.get("ledger", {}).pop("seconds", None)
    return {name: value for name, value in told.items() if name not in ("report", "seconds", "resumed")}


def _table(store: SqlResultStore) -> str:
    """Everything a run concludes; and, in passing, that it has asked nothing twice."""
    try:
        run_id = store.run("latest").run_id
        asked = Counter(entry.key for entry in store.ledger(run_id))
        assert set(asked.values()) == {1}
        return codec.encode([store.explanations(run_id), store.scores(run_id), sorted(asked)])
    finally:
        store.close()


def _of(url: str, root: Path) -> SqlResultStore:
    return SqlResultStore(PostgresStoreConfig(url, PASSWORD_ENV, str(root)))


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, int]:
    """The table of the same run in SQLite, and how many events it had."""
    folder = tmp_path_factory.mktemp("sqlite")
    done = start([*RUN, f"store.root={folder}"], 0, {}, folder / "log")
    assert done.exit_code == 0, done.told
    return _table(SqlResultStore(SqliteStoreConfig(str(folder)))), int(done.told)


def test_the_table_is_that_of_sqlite(
    expected: tuple[str, int], postgres: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = postgres.emptied()
    assert main(["run", "--json", *RUN, f"store.root={tmp_path / 'sqlite'}"]) == 0
    of_sqlite = _told(capsys)
    assert main(["run", "--json", *_options(url, tmp_path / "postgres")]) == 0
    assert _told(capsys) == of_sqlite
    assert _table(_of(url, tmp_path)) == expected[0]
    elsewhere = ["store=postgres", f"store.url={url}", f"store.password_env={PASSWORD_ENV}", "store.root=elsewhere"]
    assert main(["runs", "--json", *elsewhere]) == 0, "another machine sees the runs"
    assert [run["run_id"] for run in _told(capsys)["runs"]] == [of_sqlite["run_id"]]


def test_the_workers_of_a_cluster_write_by_themselves(
    expected: tuple[str, int], postgres: Server, tmp_path: Path
) -> None:
    url, log = postgres.emptied(), tmp_path / "log"
    spread = ["executor=ray", "executor.workers=2", "executor.concurrency=2", f"llm.log={log}"]
    # In a process of its own: this one may be connected to another test's cluster, whose workers know no password.
    command = [sys.executable, "-m", "neurogloss", "run", "--quiet", *_options(url, tmp_path / "store"), *spread]
    environment = os.environ | {"RAY_AUTH_MODE": "disabled"}  # otherwise a token is put into the home folder
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert _table(_of(url, tmp_path)) == expected[0]
    assert set(Counter(log.read_text(encoding="utf-8").split()).values()) == {1}


@pytest.mark.parametrize("part", range(3))
def test_killed_and_started_again(expected: tuple[str, int], postgres: Server, tmp_path: Path, part: int) -> None:
    table, n_events = expected
    url, environment = postgres.emptied(), {PASSWORD_ENV: PASSWORD}
    # The first third of the events is collecting.
    deadly = round(n_events * random.Random(part).uniform(3 + 2 * part, 5 + 2 * part) / 9)
    died = start(_options(url, tmp_path / "store"), deadly, environment, tmp_path / "died")
    assert died.exit_code == -signal.SIGKILL, died.told
    again = start(_options(url, tmp_path / "store"), 0, environment, tmp_path / "again")
    assert again.exit_code == 0, again.told
    assert _table(_of(url, tmp_path)) == table


def test_a_server_that_is_gone_ends_the_run(
    expected: tuple[str, int], postgres: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With one message; when it is there again, the run goes on."""
    url = postgres.emptied()
    left = 10

    def gone(_: sa.Connection) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            postgres.kill()

    sa.event.listen(sa.Engine, "commit", gone)
    try:
        assert main(["run", "--quiet", *_options(url, tmp_path / "store")]) == 2
    finally:
        sa.event.remove(sa.Engine, "commit", gone)
        postgres.start()
    told = capsys.readouterr().err
    assert told.startswith(f"neurogloss: The store {url!r} can no longer be read and written.\n")
    assert told.count("neurogloss: ") == 1
    assert "the same command goes on from there" in told
    assert PASSWORD not in told
    assert main(["run", "--quiet", *_options(url, tmp_path / "store")]) == 0
    assert _table(_of(url, tmp_path)) == expected[0]
