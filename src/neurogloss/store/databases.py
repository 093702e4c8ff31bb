"""The databases that results lie in, and what each of them does its own way."""

from __future__ import annotations

import os
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from neurogloss.errors import ConfigError, StoreError
from neurogloss.store import schema
from neurogloss.store.configs import PostgresStoreConfig, SqliteStoreConfig
from neurogloss.store.room import MAKE_ROOM, no_room

_PATIENCE_S = 60
"""How long a writer of SQLite waits for the others."""
_LOCK = int.from_bytes(b"neurogls", "big")
"""Any number: who changes the tables of a Postgres database holds the advisory lock of this number."""


def database_of(config: SqliteStoreConfig | PostgresStoreConfig) -> Database:
    """The database that a store's config describes, with its tables up to date.

    Raises:
        ConfigError: The variable of the password is not set.
        StoreError: It cannot be opened.
    """
    return Postgres(config) if isinstance(config, PostgresStoreConfig) else Sqlite(config)


class Database(ABC):
    """One database, open.

    Args:
        name: For messages.
        remedy: What to do when it cannot be opened.
    """

    lock: str
    """What lets one process at a time make or change the tables, until its transaction ends."""

    def __init__(self, name: str, remedy: str) -> None:
        self._name = name
        with _told(f"The store {name} cannot be opened.", remedy):
            self._engine = self._made()
            try:
                with self._engine.begin() as connection:
                    self._check(connection)
                    schema.bring_up_to_date(connection, self.lock)
            except BaseException:
                self._engine.dispose()
                raise

    @abstractmethod
    def _made(self) -> sa.Engine:
        """Where connections come from."""

    @abstractmethod
    def _check(self, connection: sa.Connection) -> None:
        """Refuses what would make the store fail later.

        Raises:
            StoreError: Names it.
        """

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """What is done in the block is committed at its end, together or not at all.

        Raises:
            StoreError: The database does not do it.
        """
        with self._at_work(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """For a block that changes nothing.

        Raises:
            StoreError: The database does not do it.
        """
        with self._at_work(), self._unbegun.connect() as connection:
            yield connection

    def write(self, statement: sa.Executable, values: dict[str, Any]) -> None:
        """Does one statement on one row, which is committed when this returns.

        Raises:
            StoreError: The database does not do it.
        """
        with self._at_work(), self._unbegun.connect() as connection:
            connection.execute(statement, values)

    @cached_property
    def _unbegun(self) -> sa.Engine:
        """The same connections without `BEGIN` and `COMMIT`, each of which would wait for a server once more."""
        return self._engine.execution_options(isolation_level="AUTOCOMMIT")

    @abstractmethod
    def insert(self, table: sa.Table) -> Any:
        """An `INSERT` that can say what happens where the row is there already."""

    def close(self) -> None:
        """Ends all connections."""
        self._engine.dispose()

    def _at_work(self) -> AbstractContextManager[None]:
        return _told(
            f"The store {self._name} can no longer be read and written.",
            "What was committed is kept; when the cause is mended, the same command goes on from there.",
        )


class Sqlite(Database):
    """A file, written ahead (WAL): readers never wait, and writers wait for each other."""

    lock = "BEGIN IMMEDIATE"

    def __init__(self, config: SqliteStoreConfig) -> None:
        self._root = Path(config.root)
        super().__init__(repr(config.root), "Choose another folder with store.root=..., or move the damaged file away.")

    def _made(self) -> sa.Engine:
        self._root.mkdir(parents=True, exist_ok=True)
        address = f"sqlite:///{self._root / 'results.sqlite'}"
        engine = sa.create_engine(address, connect_args={"timeout": _PATIENCE_S}, hide_parameters=True)
        sa.event.listen(engine, "connect", _write_ahead)
        return engine

    def _check(self, connection: sa.Connection) -> None:
        """A file holds whatever it is given."""

    def insert(self, table: sa.Table) -> Any:
        return sqlite.insert(table)


class Postgres(Database):
    """A server, for writers on many machines.

    A connection that broke while nobody used it is made again; one that breaks in a transaction ends the run,
    because nobody knows what became of the transaction.
    """

    lock = f"SELECT pg_advisory_xact_lock({_LOCK})"

    def __init__(self, config: PostgresStoreConfig) -> None:
        self._config = config
        super().__init__(
            repr(config.url or "postgresql://"),
            "Check store.url, store.password_env, libpq's variables (PGHOST, ...), and that the server runs.",
        )

    def _made(self) -> sa.Engine:
        url = sa.make_url(self._config.url or "postgresql://").set(drivername="postgresql+psycopg")
        arguments = {"client_encoding": "utf8", **_password(self._config)}
        return sa.create_engine(url, connect_args=arguments, pool_pre_ping=True, hide_parameters=True)

    def _check(self, connection: sa.Connection) -> None:
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
        if encoding not in ("UTF8", "SQL_ASCII"):
            raise StoreError(
                f"The database of the store {self._name} cannot hold all characters.",
                known=f"Its encoding is {encoding}; texts and replies hold any.",
                remedy="Make another: createdb --encoding=UTF8 --template=template0 NAME",
            )

    def insert(self, table: sa.Table) -> Any:
        from sqlalchemy.dialects import postgresql  # takes long to import, for those who use SQLite

        return postgresql.insert(table)


def _password(config: PostgresStoreConfig) -> dict[str, str]:
    if not config.password_env:
        return {}
    password = os.environ.get(config.password_env, "")
    if not password:
        raise ConfigError(
            f"The environment variable {config.password_env} is not set.",
            known="The store 'postgres' reads its password from it: store.password_env.",
            remedy=f"export {config.password_env}=..., or name another variable there.",
        )
    return {"password": password}


def _write_ahead(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


@contextmanager
def _told(wrong: str, remedy: str) -> Iterator[None]:
    """Makes an error of the database one for people: what it says itself, without SQL."""
    try:
        yield
    except (OSError, sa.exc.DBAPIError) as error:
        known = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        code = getattr(known, "sqlite_errorcode", None)
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            remedy = "Its file is damaged. Bring back a copy of it, or move it away: runs then begin anew."
        elif code == sqlite3.SQLITE_FULL or no_room(error):
            remedy = MAKE_ROOM
        raise StoreError(wrong, known=str(known).strip(), remedy=remedy) from error
