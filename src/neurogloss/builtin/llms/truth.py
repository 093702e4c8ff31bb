"""What an oracle knows of a unit, and what chance says in its place."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from random import Random

import numpy as np

from neurogloss.builtin.subjects.rule_kinds import Rule
from neurogloss.builtin.subjects.unit_files import Claim
from neurogloss.records.activations import levels


class Truth(ABC):
    """How a unit responds to a text, given as the synthetic subject's words [pos], without white space."""

    @abstractmethod
    def levels(self, words: Sequence[str], top: int) -> np.ndarray:
        """The level 0..top at each word, int64 [pos]."""

    @abstractmethod
    def fires_at(self, words: Sequence[str]) -> np.ndarray:
        """Whether it fires at each word, which is level 1 of 10 or above: bool [pos]."""

    @abstractmethod
    def fires_just_at(self, words: Sequence[str], marked: np.ndarray) -> bool:
        """Whether it fires at the marked words, bool [pos], and at no others."""

    @abstractmethod
    def fires(self, words: Sequence[str]) -> bool:
        """Whether it fires anywhere in the text."""


class Known(Truth):
    """What an explanation's rule does.

    Args:
        rule: The rule.
        strongest: The value that counts as the top level.
    """

    def __init__(self, rule: Rule, strongest: float) -> None:
        self._rule = rule
        self._strongest = strongest

    def levels(self, words: Sequence[str], top: int) -> np.ndarray:
        return levels(self._rule(words), self._strongest, top)

    def fires_at(self, words: Sequence[str]) -> np.ndarray:
        return np.asarray(self.levels(words, 10) >= 1)

    def fires_just_at(self, words: Sequence[str], marked: np.ndarray) -> bool:
        return bool(np.array_equal(self.fires_at(words), marked))

    def fires(self, words: Sequence[str]) -> bool:
        return bool(self.fires_at(words).any())


class Chance(Truth):
    """Says anything with equal chances, and the same to the same question.

    Args:
        seed: Of the answers: the request, so that another request gets others.
    """

    def __init__(self, seed: str) -> None:
        self._seed = seed

    def levels(self, words: Sequence[str], top: int) -> np.ndarray:
        return (self._drawn("levels", words) * (top + 1)).astype(np.int64)

    def fires_at(self, words: Sequence[str]) -> np.ndarray:
        return self._drawn("fires_at", words) < 0.5

    def fires_just_at(self, words: Sequence[str], marked: np.ndarray) -> bool:
        places = " ".join(map(str, np.flatnonzero(marked)))
        return Random(f"{self._seed} fires_just_at {places} {' '.join(words)}").random() < 0.5

    def fires(self, words: Sequence[str]) -> bool:
        return Random(f"{self._seed} fires {' '.join(words)}").random() < 0.5

    def _drawn(self, purpose: str, words: Sequence[str]) -> np.ndarray:
        random = Random(f"{self._seed} {purpose} {' '.join(words)}")
        return np.array([random.random() for _ in words])


class Knowledge:
    """Which explanations are known, and what each of them says."""

    def __init__(self, claims: Mapping[str, Claim]) -> None:
        self._truths = {
            claim.text: Known(claim.rule, claim.top)
            for claim in sorted(claims.values(), key=lambda claim: -len(claim.text))
            if claim.rule is not None
        }

    def truth_in(self, text: str) -> Truth | None:
        """What the longest known explanation in the text says; `None` if there is none in it."""
        text = " ".join(text.split())
        return next((truth for known, truth in self._truths.items() if _holds(text, known)), None)


def _holds(text: str, known: str) -> bool:
    """Whether the known text stands in the other as whole words."""
    start = text.find(known)
    while start >= 0:
        around = text[max(0, start - 1) : start], text[start + len(known) :][:1]
        if not any(neighbour.isalnum() for neighbour in around):
            return True
        start = text.find(known, start + 1)
    return False
