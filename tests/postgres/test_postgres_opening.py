"""What can be wrong when a database is opened: one message, exit code 2, no password."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from server import PASSWORD, PASSWORD_ENV, USER, Server
from writers import RUN, entry, manifest

from neurogloss.cli.main import main
from neurogloss.store.configs import PostgresStoreConfig
from neurogloss.store.sql import SqlResultStore

WRONG_ENV, WRONG = "PLANTED_WRONG_WORD", "canary-wrong-91d07b"


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, and that nobody else takes."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_what_cannot_be_opened_is_one_message(
    postgres: Server,
    closed_port: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(WRONG_ENV, WRONG)
    good = postgres.emptied()
    narrow = postgres.narrow()
    for url, variable, expected in (
        (good, WRONG_ENV, "password authentication failed"),
        (postgres.url("nowhere"), PASSWORD_ENV, 'database "nowhere" does not exist'),
        (f"postgresql://{USER}@127.0.0.1:{closed_port}/x", PASSWORD_ENV, "Connection refused"),
        (narrow, PASSWORD_ENV, "Its encoding is LATIN1"),
        (good, "PLANTED_NOWHERE", "PLANTED_NOWHERE is not set"),
        (good.replace(f"{USER}@", f"{USER}:{PASSWORD}@"), PASSWORD_ENV, "not repeated here"),
        (f"{good}?password={PASSWORD}", PASSWORD_ENV, "not repeated here"),
    ):
        options = ["store=postgres", f"store.url='{url}'", f"store.password_env={variable}", f"store.root={tmp_path}"]
        for command in (["run", "subject=synthetic", "llm=scripted"], ["runs"]):
            assert main([*command, "--debug", *options]) == 2
            told = "".join(capsys.readouterr())
            assert told.count("neurogloss: ") == 1
            assert expected in told
            assert PASSWORD not in told
            assert WRONG not in told


def test_libpq_is_asked_for_what_is_left_out(postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = urlsplit(postgres.emptied())
    for name, value in {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(postgres.port),
        "PGUSER": USER,
        "PGPASSWORD": PASSWORD,
        "PGDATABASE": parts.path[1:],
    }.items():
        monkeypatch.setenv(name, value)
    store = SqlResultStore(PostgresStoreConfig(root=str(tmp_path)))
    store.begin_run(manifest())
    assert [run.run_id for run in store.runs()] == [RUN]
    store.close()


def test_older_tables_are_brought_up_to_date_and_newer_ones_refused(
    postgres: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = postgres.emptied()
    config = PostgresStoreConfig(url, PASSWORD_ENV, str(tmp_path))
    store = SqlResultStore(config)
    store.add_entry(RUN, entry("k"))
    store.close()
    added = "cache_write_prompt_tokens usd attempts charged_tokens charged_usd rejected"
    with psycopg.connect(url, password=PASSWORD) as old:
        for column in added.split():
            old.execute(f"ALTER TABLE calls DROP COLUMN {column}")  # type: ignore[call-overload]
        old.execute("UPDATE schema_version SET version = 1")
    store = SqlResultStore(config)
    assert (store.totals(RUN).charged_tokens, store.totals(RUN).attempts) == (3, 1)
    assert store.reply("k") == entry("k").reply
    store.close()
    with psycopg.connect(url, password=PASSWORD) as newer:
        newer.execute("UPDATE schema_version SET version = 99")
    assert main(["runs", "store=postgres", f"store.url={url}", f"store.password_env={PASSWORD_ENV}"]) == 2
    assert "has schema version 99" in capsys.readouterr().err
