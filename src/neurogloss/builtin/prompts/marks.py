"""What stands around tokens in a text that is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Marks(NamedTuple):
    """What opens and what closes."""

    open: str
    close: str

    @classmethod
    def absent_from(cls, texts: Iterable[str], pairs: Sequence[Marks] | None = None) -> Marks:
        """The first pair (of `MARKS`) that none of the texts holds; the last one, repeated, where all are held."""
        whole = "\n".join(texts)
        known = MARKS if pairs is None else pairs
        found = next((pair for pair in known if not any(mark in whole for mark in pair)), known[-1])
        while any(mark in whole for mark in found):
            found = cls(found.open + known[-1].open, found.close + known[-1].close)
        return found


MARKS = (Marks("<<", ">>"), Marks("[[", "]]"), Marks("{{", "}}"), Marks("⟦", "⟧"))
