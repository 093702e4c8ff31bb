"""What stands around tokens in a text that is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Marks(NamedTuple):
    """What opens and what closes."""

    open: str
    close: str


MARKS = (Marks("<<", ">>"), Marks("[[", "]]"), Marks("{{", "}}"), Marks("⟦", "⟧"))


def marks_absent_from(texts: Iterable[str], pairs: Sequence[Marks] = MARKS) -> Marks:
    """The first pair that none of the texts holds; the last one, repeated, where all are held."""
    whole, last = "\n".join(texts), pairs[-1]
    found = next((pair for pair in pairs if not any(mark in whole for mark in pair)), last)
    while any(mark in whole for mark in found):
        found = Marks(found.open + last.open, found.close + last.close)
    return found
