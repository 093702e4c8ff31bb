"""The tests on one token that rules can be made of, and the best of them for given residuals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import sparse

from neurogloss.records.rules import TokenTest, shape

_AFFIX = 4
"""Longest prefix and suffix that is looked at."""
_BEAM = 8
"""Patterns that are kept while they are made narrower."""
_MIN_TEXTS = 3
"""A pattern of fewer texts than this is a list of them."""
_GENERAL = 0.5
"""A pattern is taken where it gains this share of what a list does, which says nothing of tokens it does not name."""
_LEVELS = 10
"""Common levels that a list of tokens is begun with."""
_ROUNDS = 3
"""How often a list's level and its members are found from each other."""

_Trait = tuple[str, Any]


@dataclass(frozen=True)
class Found:
    """A test, and by how much it lowers the sum of squared residuals, its price taken off."""

    gain: float
    test: TokenTest
    holds: np.ndarray
    """bool [text + 1]: for each text, and for the start."""


@lru_cache(maxsize=2)
def token_tests(texts: tuple[str, ...], max_tokens: int) -> TokenTests:
    """`TokenTests`, made once for all units of a collection."""
    return TokenTests(texts, max_tokens)


class TokenTests:
    """All tests on a vocabulary.

    Args:
        texts: The distinct texts of tokens.
        max_tokens: The longest list of tokens or words that a rule may name.
    """

    def __init__(self, texts: Sequence[str], max_tokens: int) -> None:
        self._texts = texts
        self._max_tokens = max_tokens
        found: defaultdict[_Trait, list[int]] = defaultdict(list)
        words: dict[str, int] = {}
        self._word = np.array([words.setdefault(text.strip().lower(), len(words)) for text in texts], dtype=np.int64)
        self._words = tuple(words)
        for number, text in enumerate(texts):
            for trait in _traits(text):
                found[trait].append(number)
        kept = {trait: members for trait, members in found.items() if len(members) >= _MIN_TEXTS}
        self._traits = tuple(kept)
        names = [name for name, _ in kept]
        self._fields = np.array([names.index(name) for name in names], dtype=np.int64)
        columns = np.concatenate([np.zeros(0, np.int64), *kept.values()]).astype(np.int64)
        starts = np.cumsum([0, *map(len, kept.values())])
        shaped = (np.ones(len(columns)), columns, starts)
        self._members = sparse.csr_matrix(shaped, shape=(len(kept), len(texts)))

    def best(self, sums: np.ndarray, counts: np.ndarray, price: float, *, narrow: int = 2) -> Found | None:
        """The test whose mean residual, taken off, lowers the squared residuals most.

        Args:
            sums: float64 [text + 1]: sum of the residuals at each text, and at the start.
            counts: float64 [text + 1]: how many they are.
            price: Of each thing that a test names.
            narrow: How many further conditions a pattern may get.

        Returns:
            `None` if nothing gains anything.
        """
        general = list(self._patterns(sums[:-1], counts[:-1], price, narrow))
        if counts[-1]:
            holds = np.arange(len(counts)) == len(counts) - 1
            general.append(Found(sums[-1] ** 2 / counts[-1] - price, TokenTest(start=True), holds))
        listed = max(self._lists(sums, counts, price), key=lambda each: each.gain, default=None)
        best = max(general, key=lambda each: each.gain, default=None)
        if listed is not None and (best is None or best.gain < _GENERAL * listed.gain):
            best = listed
        return best if best is not None and best.gain > 0 else None

    def _lists(self, sums: np.ndarray, counts: np.ndarray, price: float) -> Iterator[Found]:
        # Words come first: of two equal lists the one that also covers other spellings is taken.
        of_words, n = (np.bincount(self._word, each[:-1], len(self._words)) for each in (sums, counts))
        gain, members = _best_list(of_words, n, self._max_tokens, price)
        if len(members):
            test = TokenTest(words=tuple(self._words[i] for i in members))
            yield Found(gain, test, np.append(np.isin(self._word, members), False))
        gain, members = _best_list(sums[:-1], counts[:-1], self._max_tokens, price)
        if len(members):
            test = TokenTest(tokens=tuple(self._texts[i] for i in members))
            yield Found(gain, test, np.isin(np.arange(len(counts)), members))

    def _patterns(self, sums: np.ndarray, counts: np.ndarray, price: float, narrow: int) -> Iterator[Found]:
        """The best pattern of each number of conditions."""
        each = np.stack([sums, counts, counts > 0], axis=1)
        beam: list[tuple[tuple[int, ...], np.ndarray]] = [((), np.ones(len(counts), bool))]
        for conditions in range(1, narrow + 2):
            inside = np.concatenate([each * holds[:, None] for _, holds in beam], axis=1)
            total, n, members = np.moveaxis((self._members @ inside).reshape(len(self._traits), len(beam), 3), 2, 0)
            worth = np.divide(total**2, n, out=np.zeros_like(n), where=n > 0) - price * conditions
            worth[members < _MIN_TEXTS] = -np.inf
            for column, (traits, _) in enumerate(beam):
                worth[np.isin(self._fields, self._fields[list(traits)]), column] = -np.inf
            narrower: dict[tuple[int, ...], np.ndarray] = {}
            for place in np.argsort(-worth, axis=None, kind="stable")[: 2 * _BEAM]:
                trait, column = divmod(int(place), len(beam))
                if not np.isfinite(worth[trait, column]) or len(narrower) == _BEAM:
                    break
                traits, holds = beam[column]
                together = tuple(sorted((*traits, trait)))
                if together not in narrower:
                    narrower[together] = holds & self._holds(trait)
                    if len(narrower) == 1:
                        test = TokenTest(**dict(self._traits[i] for i in together))
                        yield Found(float(worth[trait, column]), test, np.append(narrower[together], False))
            if not narrower:
                break
            beam = list(narrower.items())

    def _holds(self, trait: int) -> np.ndarray:
        holds = np.zeros(len(self._texts), bool)
        start, stop = self._members.indptr[trait : trait + 2]
        holds[self._members.indices[start:stop]] = True
        return holds


def _traits(text: str) -> Iterator[_Trait]:
    """What a `TokenTest` could ask of the text, as a field and its value."""
    word = text.strip()
    lower = word.lower()
    yield "shape", shape(word)
    yield "spaced", text[:1].isspace()
    yield "length", len(word)
    for size in range(1, min(_AFFIX, len(lower)) + 1):
        yield "prefix", lower[:size]
        yield "suffix", lower[-size:]


def _best_list(sums: np.ndarray, counts: np.ndarray, most: int, price: float) -> tuple[float, np.ndarray]:
    """Up to `most` items with a common level that gain most: `n (2 r l - l^2) - price` each, for mean r and level l.

    For a given level the best members are known, and for given members the level; both are found in
    turn, from several beginnings.
    """
    there = np.flatnonzero(counts > 0)
    nothing = 0.0, there[:0]
    if not len(there):
        return nothing
    means, n = sums[there] / counts[there], counts[there]
    strongest = np.argsort(-(means**2) * n, kind="stable")[:_LEVELS]
    levels = np.unique(np.concatenate([np.quantile(means, np.linspace(0, 1, _LEVELS)), means[strongest]]))
    most = min(most, len(there))
    for _ in range(_ROUNDS):
        worth = n * (2 * means * levels[:, None] - levels[:, None] ** 2) - price
        chosen = np.argpartition(-worth, most - 1, axis=1)[:, :most]
        gains = np.take_along_axis(worth, chosen, axis=1)
        weights = np.where(gains > 0, n[chosen], 0)
        total = weights.sum(axis=1)
        levels = np.divide((weights * means[chosen]).sum(axis=1), total, out=levels.copy(), where=total > 0)
    gains = (weights * means[chosen]).sum(axis=1) ** 2 / np.maximum(total, 1e-300) - price * (weights > 0).sum(axis=1)
    best = int(np.argmax(gains))
    members = chosen[best][weights[best] > 0]
    if not len(members) or gains[best] <= 0:
        return nothing
    order = np.argsort(-(means[members] ** 2) * n[members], kind="stable")
    return float(gains[best]), there[members[order]]
