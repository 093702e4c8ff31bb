"""Results in a database, through SQLAlchemy Core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from neurogloss.errors import StoreError
from neurogloss.interfaces.result_store import ResultStore
from neurogloss.records import codec
from neurogloss.records.failures import Failure
from neurogloss.records.requests import Reply, Usage
from neurogloss.records.runs import Cell, ExplanationRow, LedgerEntry, LedgerTotals, OpenBatch, RunManifest, ScoreRow
from neurogloss.records.scores import Score
from neurogloss.records.simulations import Simulation
from neurogloss.store import schema
from neurogloss.store.configs import PostgresStoreConfig, SqliteStoreConfig
from neurogloss.store.databases import database_of
from neurogloss.store.rows import cell_of, entry_of, key_of, order_of, pack, unpack, values_of, whole

_REPLY = (
    sa.select(schema.calls.c.reply, schema.calls.c.rejected)
    .where(schema.calls.c.key == sa.bindparam("asked"), schema.calls.c.reply.is_not(None))
    .order_by(schema.calls.c.rejected, schema.calls.c.id.desc())
    .limit(1)
)
_CALL = schema.calls.insert()
_SIMULATION = schema.simulations.insert()
_CLEARED = schema.simulations.delete().where(
    *(schema.simulations.c[key.name] == sa.bindparam(key.name, type_=key.type) for key in schema.scores.primary_key)
)


class SqlResultStore(ResultStore):
    """Runs, explanations, scores, simulations and the ledger, in SQLite or Postgres.

    Every `add_*` is one committed transaction. Any number of processes may write: rows are put in place by
    statements that find out themselves whether there is one, in the order of their keys. A simulation's
    distribution over levels is not kept: it follows from the replies in the ledger, and would be most of the file.

    Raises:
        ConfigError: The variable of the password is not set.
        StoreError: The database cannot be opened; later, from every method, that it does not answer.
    """

    def __init__(self, config: SqliteStoreConfig | PostgresStoreConfig) -> None:
        self._database = database_of(config)
        self._run = self._database.insert(schema.runs).on_conflict_do_nothing()
        self._use = self._database.insert(schema.uses).on_conflict_do_nothing()
        self._explanation = self._put(schema.explanations)
        self._score = self._put(schema.scores)
        self._batch = self._put(schema.batches, "name")

    def begin_run(self, manifest: RunManifest) -> None:
        values = {"run_id": manifest.run_id, "created": manifest.created, "manifest": codec.encode(manifest)}
        self._database.write(self._run, values)

    def runs(self) -> list[RunManifest]:
        with self._database.reading() as connection:
            found = [codec.decode(row.manifest) for row in connection.execute(sa.select(schema.runs.c.manifest))]
        return sorted(found, key=lambda run: (run.created, run.run_id))

    def run(self, run_id: str) -> RunManifest:
        runs = self.runs()
        if run_id == "latest" and runs:
            return runs[-1]
        found = [run for run in runs if run.run_id.startswith(run_id)] if run_id else []
        if len(found) == 1:
            return found[0]
        known = ", ".join(run.run_id for run in (found or runs[-10:]))
        raise StoreError(
            f"{len(found) or 'No'} runs have an id that begins with {run_id!r}.",
            known=f"Runs: {known}" if known else "The store holds no run yet.",
            remedy="List them with: neurogloss runs",
        )

    def delete_run(self, run_id: str) -> None:
        tables = (schema.explanations, schema.scores, schema.simulations, schema.uses, schema.runs)
        with self._database.writing() as connection:
            for table in tables:
                connection.execute(table.delete().where(table.c.run_id == run_id))

    def add_explanations(self, run_id: str, rows: Sequence[ExplanationRow]) -> None:
        values = [
            {**key_of(run_id, row.cell), "summary": _summary(row), "outcome": codec.encode(row.outcome)} for row in rows
        ]
        if values:
            with self._database.writing() as connection:
                connection.execute(self._explanation, _in_order(schema.explanations, values))

    def explanations(self, run_id: str) -> list[ExplanationRow]:
        query = schema.explanations.select().where(schema.explanations.c.run_id == run_id)
        with self._database.reading() as connection:
            rows = [ExplanationRow(cell_of(row), codec.decode(row.outcome)) for row in connection.execute(query)]
        return sorted(rows, key=lambda row: order_of(row.cell))

    def add_scores(self, run_id: str, rows: Sequence[ScoreRow]) -> None:
        simulated: list[dict[str, Any]] = []
        values: list[dict[str, Any]] = []
        for row in rows:
            key = {**key_of(run_id, row.cell), "scorer": row.scorer}
            value = row.outcome.value if isinstance(row.outcome, Score) else None
            reason = row.outcome.reason.value if isinstance(row.outcome, Failure) else None
            values.append({**key, "value": value, "reason": reason, "outcome": codec.encode(row.outcome)})
            for place, simulation in enumerate(row.simulations):
                packed = pack(codec.encode(replace(simulation, distribution=None)))
                simulated.append({**key, "sequence_id": simulation.sequence_id, "place": place, "simulation": packed})
        if not values:
            return
        values = _in_order(schema.scores, values)
        with self._database.writing() as connection:
            connection.execute(self._score, values)
            connection.execute(_CLEARED, values)
            if simulated:
                connection.execute(_SIMULATION, simulated)

    def scores(self, run_id: str) -> list[ScoreRow]:
        scores, simulations = schema.scores, schema.simulations
        simulated: dict[tuple[Cell, str], list[Simulation]] = {}
        with self._database.reading() as connection:
            query = simulations.select().where(simulations.c.run_id == run_id).order_by(simulations.c.place)
            for row in connection.execute(query):
                simulated.setdefault((cell_of(row), row.scorer), []).append(codec.decode(unpack(row.simulation)))
            rows = [
                ScoreRow(cell, row.scorer, codec.decode(row.outcome), tuple(simulated.get((cell, row.scorer), ())))
                for row in connection.execute(scores.select().where(scores.c.run_id == run_id))
                for cell in [cell_of(row)]
            ]
        return sorted(rows, key=lambda row: (*order_of(row.cell), row.scorer))

    def reply(self, key: str, *, rejected: bool = True) -> Reply | None:
        with self._database.reading() as connection:
            found = connection.execute(_REPLY, {"asked": key}).first()
        return None if found is None or (found.rejected and not rejected) else codec.decode(unpack(found.reply))

    def reject(self, key: str) -> None:
        calls = schema.calls
        self._database.write(calls.update().where(calls.c.key == key), {"rejected": True})

    def add_entry(self, run_id: str, entry: LedgerEntry) -> None:
        self._database.write(_CALL, values_of(run_id, entry))

    def open_batch(self, batch: OpenBatch) -> None:
        self._database.write(self._batch, {"name": batch.name, "batch": pack(codec.encode(batch))})

    def open_batches(self) -> list[OpenBatch]:
        query = sa.select(schema.batches.c.batch).order_by(schema.batches.c.number)
        with self._database.reading() as connection:
            return [codec.decode(unpack(row.batch)) for row in connection.execute(query)]

    def close_batch(self, batch: OpenBatch, entries: Sequence[LedgerEntry]) -> bool:
        known = schema.batches.c.name == batch.name
        with self._database.writing() as connection:
            was_open = connection.execute(schema.batches.delete().where(known)).rowcount > 0
            if was_open and entries:
                connection.execute(_CALL, [values_of(batch.run_id, entry) for entry in entries])
        return was_open

    def add_use(self, run_id: str, key: str, role: str) -> None:
        self._database.write(self._use, {"run_id": run_id, "key": key, "role": role})

    def ledger(self, run_id: str) -> Sequence[LedgerEntry]:
        calls, uses = schema.calls, schema.uses
        used = sa.select(uses.c.key).where(uses.c.run_id == run_id)
        taken = sa.and_(calls.c.key.in_(used), calls.c.reply.is_not(None))
        query = calls.select().where(sa.or_(calls.c.run_id == run_id, taken)).order_by(calls.c.id)
        with self._database.reading() as connection:
            return [entry_of(row) for row in connection.execute(query)]

    def totals(self, run_id: str) -> LedgerTotals:
        calls, uses = schema.calls, schema.uses
        of_usage = (
            calls.c.prompt_tokens,
            calls.c.cached_prompt_tokens,
            calls.c.completion_tokens,
            calls.c.cache_write_prompt_tokens,
        )
        of_all = (calls.c.seconds, calls.c.usd, calls.c.attempts, calls.c.charged_tokens, calls.c.charged_usd)
        sums = sa.select(
            sa.func.count(),
            sa.func.count(calls.c.reply),
            sa.func.count(calls.c.usd),
            *(sa.func.coalesce(sa.func.sum(column), 0) for column in of_all),
            *map(sa.func.sum, of_usage),
        ).where(calls.c.run_id == run_id)
        reused = sa.select(sa.func.count()).where(uses.c.run_id == run_id)
        with self._database.reading() as connection:
            made, answered, priced, seconds, usd, attempts, tokens, dollars, *usage = connection.execute(sums).one()
            n_reused = connection.execute(reused).scalar_one()
        return LedgerTotals(
            calls=made,
            failed=made - answered,
            reused=n_reused,
            usage=Usage(*usage),
            seconds=float(seconds),
            usd=float(usd) if priced == answered else None,
            attempts=attempts,
            charged_tokens=tokens,
            charged_usd=float(dollars),
        )

    def close(self) -> None:
        self._database.close()

    def _put(self, table: sa.Table, *key: str) -> Any:
        """A statement that puts rows into a table, in place of those with the same key; by default the primary key."""
        statement = self._database.insert(table)
        key = key or tuple(column.name for column in table.primary_key)
        replaced = [column.name for column in table.c if not column.primary_key and column.name not in key]
        return statement.on_conflict_do_update(
            index_elements=key, set_={name: statement.excluded[name] for name in replaced}
        )


def _in_order(table: sa.Table, values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows by their keys: writers of the same rows then wait for each other instead of locking each other out."""
    return sorted(values, key=itemgetter(*(column.name for column in table.primary_key)))


def _summary(row: ExplanationRow) -> str:
    return whole(f"({row.outcome.detail})" if isinstance(row.outcome, Failure) else row.outcome.summary())
