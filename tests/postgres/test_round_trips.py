"""How often a call that is committed waits for the server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from server import PASSWORD_ENV, Server
from writers import RUN, entry, manifest

from neurogloss.store.configs import PostgresStoreConfig
from neurogloss.store.sql import SqlResultStore


def test_a_lookup_and_a_commit_each_take_one_trip_beside_the_ping(postgres: Server, tmp_path: Path) -> None:
    store = SqlResultStore(PostgresStoreConfig(postgres.emptied(), PASSWORD_ENV, str(tmp_path)))
    store.begin_run(manifest())
    traced = (tmp_path / "trace").open("w+", encoding="utf-8")

    def trips(do: Callable[[], object]) -> int:
        with store._database.reading() as connection:  # of the pool's connections the one that is used next
            driver = connection.connection.dbapi_connection
            assert driver is not None
            driver.pgconn.trace(traced.fileno())
            traced.truncate(0)
        do()
        driver.pgconn.untrace()
        return (tmp_path / "trace").read_text(encoding="utf-8").count("ReadyForQuery")

    try:
        assert trips(lambda: store.reply("no such key")) == 2
        assert trips(lambda: store.add_entry(RUN, entry("1"))) == 2
        assert trips(lambda: store.add_use(RUN, "1", "explainer")) == 2
        assert len(store.ledger(RUN)) == 1
    finally:
        store.close()
        traced.close()
