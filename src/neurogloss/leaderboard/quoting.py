"""How much of a gloss is copied from the texts it was made from."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORD = re.compile(r"\w+")


def quoted_share(gloss: str, texts: Sequence[str], n: int = 4) -> float:
    """The share of a gloss's words that lie in a run of `n` words that one of the texts has too.

    A gloss shorter than that may name single words of the texts, which is its business, and counts as 0.
    """
    words = _words(gloss)
    known = {run for text in texts for run in _runs(_words(text), n)}
    copied = {i + k for i, run in enumerate(_runs(words, n)) if run in known for k in range(n)}
    return len(copied) / len(words) if words else 0.0


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _runs(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
