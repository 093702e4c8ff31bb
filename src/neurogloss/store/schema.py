"""The tables of the result store, and how older ones are brought up to date."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import sqlalchemy as sa

from neurogloss.errors import StoreError

VERSION = 2

metadata = sa.MetaData()

schema_version = sa.Table("schema_version", metadata, sa.Column("version", sa.Integer, nullable=False))

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("run_id", sa.String, primary_key=True),
    sa.Column("created", sa.String, nullable=False),
    sa.Column("manifest", sa.Text, nullable=False),
)


def _cell() -> list[sa.Column[str] | sa.Column[int]]:
    return [
        sa.Column("run_id", sa.String, primary_key=True),
        sa.Column("unit", sa.String, primary_key=True),
        sa.Column("arm", sa.String, primary_key=True),
        sa.Column("sample", sa.Integer, primary_key=True),
    ]


explanations = sa.Table(
    "explanations",
    metadata,
    *_cell(),
    sa.Column("summary", sa.Text, nullable=False, comment="one line, for queries by hand"),
    sa.Column("outcome", sa.Text, nullable=False),
)

scores = sa.Table(
    "scores",
    metadata,
    *_cell(),
    sa.Column("scorer", sa.String, primary_key=True),
    sa.Column("value", sa.Float, comment="the headline measure; null where there is none"),
    sa.Column("reason", sa.String, comment="why there is no score"),
    sa.Column("outcome", sa.Text, nullable=False),
)

simulations = sa.Table(
    "simulations",
    metadata,
    *_cell(),
    sa.Column("scorer", sa.String, primary_key=True),
    sa.Column("sequence_id", sa.BigInteger, primary_key=True),
    sa.Column("place", sa.Integer, nullable=False, comment="order in which the scorer used it"),
    sa.Column("simulation", sa.LargeBinary, nullable=False, comment="zlib"),
)

calls = sa.Table(
    "calls",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("key", sa.String, nullable=False, index=True),
    sa.Column("run_id", sa.String, nullable=False, index=True),
    sa.Column("role", sa.String, nullable=False),
    sa.Column("model", sa.String, nullable=False),
    sa.Column("verb", sa.String, nullable=False),
    sa.Column("request", sa.LargeBinary, nullable=False, comment="zlib"),
    sa.Column("reply", sa.LargeBinary, comment="zlib; null where the call failed"),
    sa.Column("prompt_tokens", sa.Integer),
    sa.Column("cached_prompt_tokens", sa.Integer),
    sa.Column("completion_tokens", sa.Integer),
    sa.Column("cache_write_prompt_tokens", sa.Integer),
    sa.Column("usd", sa.Float, comment="null where the price is not known, or the call failed"),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("charged_tokens", sa.Integer, nullable=False, comment="what a budget counts"),
    sa.Column("charged_usd", sa.Float, nullable=False, comment="what a budget counts"),
    sa.Column("rejected", sa.Boolean, nullable=False, comment="the reply was of no use"),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
)

uses = sa.Table(
    "uses",
    metadata,
    sa.Column("run_id", sa.String, primary_key=True),
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("role", sa.String, primary_key=True),
    comment="replies that a run took from the ledger instead of asking",
)

batches = sa.Table(
    "batches",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("name", sa.String, nullable=False, unique=True),
    sa.Column("batch", sa.LargeBinary, nullable=False, comment="zlib"),
    comment="batches of requests whose replies are not committed",
)


def _prices_and_rejections(connection: sa.Connection) -> None:
    """From version 1, which knew no prices, attempts and rejected replies."""
    for column in (
        "cache_write_prompt_tokens INTEGER",
        "usd FLOAT",
        "attempts INTEGER NOT NULL DEFAULT 1",
        "charged_tokens INTEGER NOT NULL DEFAULT 0",
        "charged_usd FLOAT NOT NULL DEFAULT 0",
        "rejected BOOLEAN NOT NULL DEFAULT FALSE",
    ):
        connection.execute(sa.text(f"ALTER TABLE calls ADD COLUMN {column}"))
    told = sa.func.coalesce(calls.c.prompt_tokens, 0) + sa.func.coalesce(calls.c.completion_tokens, 0)
    connection.execute(calls.update().values(charged_tokens=told))


MIGRATIONS: Mapping[int, Callable[[sa.Connection], None]] = {1: _prices_and_rejections}
"""For each older version, what turns its tables into those of the next."""


def bring_up_to_date(connection: sa.Connection, lock: str) -> None:
    """Creates the tables, or migrates them from an older version.

    Args:
        connection: In a transaction.
        lock: The statement after which no other process makes or changes tables, until the transaction ends.

    Raises:
        StoreError: The store was written by a newer version.
    """
    if metadata.tables.keys() <= set(sa.inspect(connection).get_table_names()) and _version(connection) == VERSION:
        return
    connection.exec_driver_sql(lock)
    metadata.create_all(connection)
    found = _version(connection)
    if found is None:
        connection.execute(schema_version.insert().values(version=VERSION))
        return
    if found > VERSION:
        raise StoreError(
            f"The store has schema version {found}; this neurogloss knows up to {VERSION}.",
            remedy="Install a newer neurogloss, or choose another store.",
        )
    for version in range(found, VERSION):
        MIGRATIONS[version](connection)
    connection.execute(schema_version.update().values(version=VERSION))


def _version(connection: sa.Connection) -> int | None:
    return connection.execute(sa.select(schema_version.c.version)).scalar()
