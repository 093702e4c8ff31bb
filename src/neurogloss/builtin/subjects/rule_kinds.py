"""What a rule is, and the table of its kinds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

Rule = Callable[[Sequence[str]], np.ndarray]
"""From the words of a text [pos], without white space, to activations float64 [pos]."""

KINDS: dict[str, Callable[..., Rule]] = {}
"""Each kind's maker, by the kind's name; it takes the other entries of the rule's JSON object."""

SENTENCE_ENDS = frozenset(".!?")


def kind(make: Callable[..., Rule]) -> Callable[..., Rule]:
    """Enters a maker into the table, under its name without the underscore in front."""
    KINDS[make.__name__.removeprefix("_")] = make
    return make


def each(value: Callable[[str], float]) -> Rule:
    """A rule that looks at one word at a time."""
    known = lru_cache(maxsize=1 << 16)(value)  # texts repeat their words
    return lambda words: np.array([known(word) for word in words], dtype=np.float64)
