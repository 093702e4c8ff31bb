"""What a rule is, and the table of its kinds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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


class _Known(dict[str, float]):
    """The values of the words met so far."""

    def __init__(self, value: Callable[[str], float]) -> None:
        super().__init__()
        self._value = value

    def __missing__(self, word: str) -> float:
        self[word] = value = float(self._value(word))
        return value


def each(value: Callable[[str], float]) -> Rule:
    """A rule that looks at one word at a time; it remembers, as texts repeat their words."""
    look_up = _Known(value).__getitem__
    return lambda words: np.fromiter(map(look_up, words), dtype=np.float64, count=len(words))
