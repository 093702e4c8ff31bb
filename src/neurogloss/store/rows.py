"""Records as rows of the tables, and back."""

from __future__ import annotations

import zlib
from typing import Any

from neurogloss.records import codec
from neurogloss.records.requests import Usage
from neurogloss.records.runs import Cell, LedgerEntry
from neurogloss.records.units import UnitId


def pack(text: str) -> bytes:
    """A text, compressed."""
    return zlib.compress(text.encode("utf-8"), level=1)


def unpack(packed: bytes) -> str:
    """The text that was packed."""
    return zlib.decompress(packed).decode("utf-8")


def whole(text: str) -> str:
    """The text with zeros and halves of characters spelled out: databases refuse them."""
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")


def key_of(run_id: str, cell: Cell) -> dict[str, Any]:
    """The columns that name a cell of a run."""
    return {"run_id": run_id, "unit": str(cell.unit), "arm": cell.arm, "sample": cell.sample}


def cell_of(row: Any) -> Cell:
    """The cell that a row is about."""
    return Cell(UnitId.parse(row.unit), row.arm, row.sample)


def order_of(cell: Cell) -> tuple[UnitId, str, int]:
    """By which cells are sorted."""
    return (cell.unit, cell.arm, cell.sample)


def values_of(run_id: str, entry: LedgerEntry) -> dict[str, Any]:
    """The columns of a call."""
    return {
        "key": entry.key,
        "run_id": run_id,
        "role": entry.role,
        "model": entry.model,
        "verb": entry.verb,
        "request": pack(entry.request),
        "reply": None if entry.reply is None else pack(codec.encode(entry.reply)),
        "prompt_tokens": entry.usage.prompt_tokens,
        "cached_prompt_tokens": entry.usage.cached_prompt_tokens,
        "completion_tokens": entry.usage.completion_tokens,
        "cache_write_prompt_tokens": entry.usage.cache_write_prompt_tokens,
        "usd": entry.usd,
        "attempts": entry.attempts,
        "charged_tokens": entry.charged_tokens,
        "charged_usd": entry.charged_usd,
        "rejected": False,
        "error": whole(entry.error),
        "seconds": entry.seconds,
    }


def entry_of(row: Any) -> LedgerEntry:
    """The call that a row holds."""
    return LedgerEntry(
        key=row.key,
        role=row.role,
        model=row.model,
        verb=row.verb,
        request=unpack(row.request),
        reply=None if row.reply is None else codec.decode(unpack(row.reply)),
        usage=Usage(row.prompt_tokens, row.cached_prompt_tokens, row.completion_tokens, row.cache_write_prompt_tokens),
        error=row.error,
        seconds=row.seconds,
        run_id=row.run_id,
        usd=row.usd,
        attempts=row.attempts,
        charged_tokens=row.charged_tokens,
        charged_usd=row.charged_usd,
    )
