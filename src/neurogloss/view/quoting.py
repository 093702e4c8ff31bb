"""How much of a gloss is copied from its examples: a gloss that quotes says little of texts not yet seen."""

from __future__ import annotations

import re
from collections.abc import Sequence

RUN = 3
"""As many words in a row that also stand in a text, in this order, are a quotation; fewer are chance."""

_WORD = re.compile(r"[^\W_]+")


def quoted_share(gloss: str, texts: Sequence[str]) -> float:
    """The share of a gloss's words that lie in a run of at least `RUN` words that one of the texts holds.

    Words are runs of letters and digits; case and what stands between them do not matter. A shorter
    gloss than `RUN` words cannot quote.

    Args:
        gloss: What is said of a unit.
        texts: What its explainer was shown.

    Returns:
        0 to 1; 0 for a gloss without words.
    """
    words = _words(gloss)
    # Every run of more words is made of runs of RUN words.
    known = {run for text in texts for run in _runs(_words(text))}
    quoted = {place + i for place, run in enumerate(_runs(words)) if run in known for i in range(RUN)}
    return len(quoted) / len(words) if words else 0.0


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _runs(words: Sequence[str]) -> list[tuple[str, ...]]:
    return list(zip(*(words[i:] for i in range(RUN)), strict=False))
