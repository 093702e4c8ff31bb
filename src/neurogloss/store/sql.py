"""Results in a database, through SQLAlchemy Core."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
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
from neurogloss.records.units import UnitId
from neurogloss.store import schema
from neurogloss.store.configs import SqliteStoreConfig

_REPLY = (
    sa.select(schema.calls.c.reply, schema.calls.c.rejected)
    .where(schema.calls.c.key == sa.bindparam("asked"), schema.calls.c.reply.is_not(None))
    .order_by(schema.calls.c.rejected, schema.calls.c.id.desc())
    .limit(1)
)
_CALL = schema.calls.insert()
_BY, _OF, _AS = (sa.bindparam(name, type_=sa.String) for name in ("by", "of", "as"))
_USE = schema.uses.insert().from_select(
    ["run_id", "key", "role"],
    sa.select(_BY, _OF, _AS).where(
        ~sa.exists().where(schema.uses.c.run_id == _BY, schema.uses.c.key == _OF, schema.uses.c.role == _AS)
    ),
)


class SqlResultStore(ResultStore):
    """Runs, explanations, scores, simulations and the ledger, in SQLite (WAL).

    Every `add_*` is one committed transaction. A simulation's distribution over levels is not kept:
    it follows from the replies in the ledger, and would be most of the file.
    """

    def __init__(self, config: SqliteStoreConfig) -> None:
        root = Path(config.root)
        file = root / "results.sqlite"
        try:
            root.mkdir(parents=True, exist_ok=True)
            self._engine = sa.create_engine(f"sqlite:///{file}", connect_args={"timeout": 30})
            sa.event.listen(self._engine, "connect", _write_ahead)
            with self._engine.begin() as connection:
                schema.bring_up_to_date(connection)
        except (OSError, sa.exc.DatabaseError) as error:
            cause = error.orig if isinstance(error, sa.exc.DatabaseError) else error
            raise StoreError(
                f"The store {str(root)!r} cannot be opened.",
                known=str(cause),
                remedy="Choose another folder with store.root=..., or move the damaged file away.",
            ) from error

    def begin_run(self, manifest: RunManifest) -> None:
        with self._engine.begin() as connection:
            known = sa.select(schema.runs.c.run_id).where(schema.runs.c.run_id == manifest.run_id)
            if connection.execute(known).first() is None:
                connection.execute(
                    schema.runs.insert().values(
                        run_id=manifest.run_id, created=manifest.created, manifest=codec.encode(manifest)
                    )
                )

    def runs(self) -> list[RunManifest]:
        query = sa.select(schema.runs.c.manifest).order_by(schema.runs.c.created, schema.runs.c.run_id)
        with self._engine.connect() as connection:
            return [codec.decode(row.manifest) for row in connection.execute(query)]

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
        with self._engine.begin() as connection:
            for table in tables:
                connection.execute(table.delete().where(table.c.run_id == run_id))

    def add_explanations(self, run_id: str, rows: Sequence[ExplanationRow]) -> None:
        with self._engine.begin() as connection:
            for row in rows:
                summary = f"({row.outcome.detail})" if isinstance(row.outcome, Failure) else row.outcome.summary()
                body = {"summary": _whole(summary), "outcome": codec.encode(row.outcome)}
                _put(connection, schema.explanations, _key(run_id, row.cell), body)

    def explanations(self, run_id: str) -> list[ExplanationRow]:
        query = schema.explanations.select().where(schema.explanations.c.run_id == run_id)
        with self._engine.connect() as connection:
            rows = [ExplanationRow(_cell(row), codec.decode(row.outcome)) for row in connection.execute(query)]
        return sorted(rows, key=lambda row: _order(row.cell))

    def add_score(self, run_id: str, row: ScoreRow) -> None:
        key = {**_key(run_id, row.cell), "scorer": row.scorer}
        body = {
            "value": row.outcome.value if isinstance(row.outcome, Score) else None,
            "reason": row.outcome.reason.value if isinstance(row.outcome, Failure) else None,
            "outcome": codec.encode(row.outcome),
        }
        simulations = [
            {
                **key,
                "sequence_id": simulation.sequence_id,
                "place": place,
                "simulation": _pack(codec.encode(replace(simulation, distribution=None))),
            }
            for place, simulation in enumerate(row.simulations)
        ]
        with self._engine.begin() as connection:
            _put(connection, schema.scores, key, body)
            connection.execute(schema.simulations.delete().where(*_where(schema.simulations, key)))
            if simulations:
                connection.execute(schema.simulations.insert(), simulations)

    def scores(self, run_id: str) -> list[ScoreRow]:
        scores, simulations = schema.scores, schema.simulations
        simulated: dict[tuple[Cell, str], list[Simulation]] = {}
        with self._engine.connect() as connection:
            query = simulations.select().where(simulations.c.run_id == run_id).order_by(simulations.c.place)
            for row in connection.execute(query):
                simulated.setdefault((_cell(row), row.scorer), []).append(codec.decode(_unpack(row.simulation)))
            rows = [
                ScoreRow(cell, row.scorer, codec.decode(row.outcome), tuple(simulated.get((cell, row.scorer), ())))
                for row in connection.execute(scores.select().where(scores.c.run_id == run_id))
                for cell in [_cell(row)]
            ]
        return sorted(rows, key=lambda row: (*_order(row.cell), row.scorer))

    def reply(self, key: str, *, rejected: bool = True) -> Reply | None:
        with self._engine.connect() as connection:
            found = connection.execute(_REPLY, {"asked": key}).first()
        return None if found is None or (found.rejected and not rejected) else codec.decode(_unpack(found.reply))

    def reject(self, key: str) -> None:
        calls = schema.calls
        with self._engine.begin() as connection:
            connection.execute(calls.update().where(calls.c.key == key).values(rejected=True))

    def add_entry(self, run_id: str, entry: LedgerEntry) -> None:
        with self._engine.begin() as connection:
            connection.execute(_CALL, _values(run_id, entry))

    def open_batch(self, batch: OpenBatch) -> None:
        packed = {"batch": _pack(codec.encode(batch))}
        known = schema.batches.c.name == batch.name
        with self._engine.begin() as connection:
            if not connection.execute(schema.batches.update().where(known).values(packed)).rowcount:
                connection.execute(schema.batches.insert(), {"name": batch.name, **packed})

    def open_batches(self) -> list[OpenBatch]:
        query = sa.select(schema.batches.c.batch).order_by(schema.batches.c.number)
        with self._engine.connect() as connection:
            return [codec.decode(_unpack(row.batch)) for row in connection.execute(query)]

    def close_batch(self, batch: OpenBatch, entries: Sequence[LedgerEntry]) -> bool:
        known = schema.batches.c.name == batch.name
        with self._engine.begin() as connection:
            was_open = connection.execute(schema.batches.delete().where(known)).rowcount > 0
            if was_open and entries:
                connection.execute(_CALL, [_values(batch.run_id, entry) for entry in entries])
        return was_open

    def add_use(self, run_id: str, key: str, role: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(_USE, {"by": run_id, "of": key, "as": role})

    def ledger(self, run_id: str) -> Sequence[LedgerEntry]:
        calls, uses = schema.calls, schema.uses
        used = sa.select(uses.c.key).where(uses.c.run_id == run_id)
        taken = sa.and_(calls.c.key.in_(used), calls.c.reply.is_not(None))
        query = calls.select().where(sa.or_(calls.c.run_id == run_id, taken)).order_by(calls.c.id)
        with self._engine.connect() as connection:
            return [_entry(row) for row in connection.execute(query)]

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
        with self._engine.connect() as connection:
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
        self._engine.dispose()


def _write_ahead(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _pack(text: str) -> bytes:
    return zlib.compress(text.encode("utf-8"), level=1)


def _unpack(packed: bytes) -> str:
    return zlib.decompress(packed).decode("utf-8")


def _whole(text: str) -> str:
    """The text with halves of characters spelled out: databases refuse them."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _key(run_id: str, cell: Cell) -> dict[str, Any]:
    return {"run_id": run_id, "unit": str(cell.unit), "arm": cell.arm, "sample": cell.sample}


def _cell(row: Any) -> Cell:
    return Cell(UnitId.parse(row.unit), row.arm, row.sample)


def _order(cell: Cell) -> tuple[UnitId, str, int]:
    return (cell.unit, cell.arm, cell.sample)


def _where(table: sa.Table, key: Mapping[str, Any]) -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == value for name, value in key.items()]


def _put(connection: sa.Connection, table: sa.Table, key: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    """Replaces a row; written so that every database understands it."""
    connection.execute(table.delete().where(*_where(table, key)))
    connection.execute(table.insert(), {**key, **body})


def _values(run_id: str, entry: LedgerEntry) -> dict[str, Any]:
    return {
        "key": entry.key,
        "run_id": run_id,
        "role": entry.role,
        "model": entry.model,
        "verb": entry.verb,
        "request": _pack(entry.request),
        "reply": None if entry.reply is None else _pack(codec.encode(entry.reply)),
        "prompt_tokens": entry.usage.prompt_tokens,
        "cached_prompt_tokens": entry.usage.cached_prompt_tokens,
        "completion_tokens": entry.usage.completion_tokens,
        "cache_write_prompt_tokens": entry.usage.cache_write_prompt_tokens,
        "usd": entry.usd,
        "attempts": entry.attempts,
        "charged_tokens": entry.charged_tokens,
        "charged_usd": entry.charged_usd,
        "rejected": False,
        "error": _whole(entry.error),
        "seconds": entry.seconds,
    }


def _entry(row: Any) -> LedgerEntry:
    return LedgerEntry(
        key=row.key,
        role=row.role,
        model=row.model,
        verb=row.verb,
        request=_unpack(row.request),
        reply=None if row.reply is None else codec.decode(_unpack(row.reply)),
        usage=Usage(row.prompt_tokens, row.cached_prompt_tokens, row.completion_tokens, row.cache_write_prompt_tokens),
        error=row.error,
        seconds=row.seconds,
        run_id=row.run_id,
        usd=row.usd,
        attempts=row.attempts,
        charged_tokens=row.charged_tokens,
        charged_usd=row.charged_usd,
    )
