"""Kinds of rules that look at the words before, and never at those that follow."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from itertools import pairwise
from statistics import NormalDist

import numpy as np

from neurogloss.builtin.subjects.rule_kinds import SENTENCE_ENDS, Rule, kind

_RELATIONS: dict[str, Callable[[list[int]], bool]] = {
    "next": lambda n: n[-1] == n[-2] + 1,
    "double": lambda n: n[-1] == 2 * n[-2],
    "larger": lambda n: n[-1] > n[-2],
    "smaller": lambda n: n[-1] < n[-2],
    "same": lambda n: n[-1] == n[-2],
    "sum": lambda n: len(n) > 2 and n[-1] == n[-2] + n[-3],
    "difference": lambda n: len(n) > 2 and n[-1] == abs(n[-2] - n[-3]),
}
_LONGEST_NUMBER = 18


@kind
def _position(stop: int | None = None, start: int = 0, in_sentence: bool = False) -> Rule:
    """1 from position `start` to below `stop`, counted from the start of the text or of its sentence."""
    end = float("inf") if stop is None else stop

    def activations(words: Sequence[str]) -> np.ndarray:
        values, begin = np.zeros(len(words)), 0
        for i, word in enumerate(words):
            values[i] = start <= i - begin < end
            if in_sentence and word in SENTENCE_ENDS:
                begin = i + 1
        return values

    return activations


@kind
def _quoted() -> Rule:
    """1 between double quotation marks, straight or curved; not at the marks."""

    def activations(words: Sequence[str]) -> np.ndarray:
        values = np.zeros(len(words))
        inside = False
        for i, word in enumerate(words):
            if word in ('"', "“", "”"):
                inside = word == "“" or (word == '"' and not inside)
            else:
                values[i] = inside
        return values

    return activations


@kind
def _inside(opening: str, closing: str) -> Rule:
    """1 between an opening and a closing sign, not at the signs; brackets within brackets count."""

    def activations(words: Sequence[str]) -> np.ndarray:
        values, depth = np.zeros(len(words)), 0
        for i, word in enumerate(words):
            if word == opening:
                depth += 1
            elif word == closing:
                depth = max(0, depth - 1)
            else:
                values[i] = depth > 0
        return values

    return activations


@kind
def _until_sentence_ends(rule: Rule) -> Rule:
    """1 after a word at which `rule` is above 0, up to the sign that ends the sentence."""

    def activations(words: Sequence[str]) -> np.ndarray:
        values, triggers, on = np.zeros(len(words)), rule(words) > 0, False
        for i, word in enumerate(words):
            on = on and word not in SENTENCE_ENDS
            values[i] = on
            on = on or bool(triggers[i])
        return values

    return activations


@kind
def _fading(rule: Rule, factor: float) -> Rule:
    """1 where `rule` is above 0; at each word after that, `factor` times what it was before."""

    def activations(words: Sequence[str]) -> np.ndarray:
        values, value = np.zeros(len(words)), 0.0
        for i, strikes in enumerate(rule(words) > 0):
            value = 1.0 if strikes else value * factor
            values[i] = value if value >= 1e-3 else 0.0
        return values

    return activations


@kind
def _count(rule: Rule, most: int) -> Rule:
    """At how many words up to here `rule` was above 0; no more than `most`."""
    return lambda words: np.minimum(np.cumsum(rule(words) > 0), most).astype(np.float64)


@kind
def _repeated(rule: Rule) -> Rule:
    """`rule`'s value at words that stand earlier in the text, in upper or lower case; else 0."""

    def activations(words: Sequence[str]) -> np.ndarray:
        lower = [word.lower() for word in words]
        first = {word: i for i, word in reversed(list(enumerate(lower)))}
        return rule(words) * [first[word] < i for i, word in enumerate(lower)]

    return activations


@kind
def _after(rule: Rule) -> Rule:
    """The value that `rule` has at the token before."""
    return lambda words: np.concatenate([np.zeros(1), rule(words)])[: len(words)]


@kind
def _alike(letters: int | None = None) -> Rule:
    """1 at a word that begins with the same letters as the word before; with null, that is the same word."""

    def begin(word: str) -> str:
        return word[:letters].lower() if word.isalpha() else ""

    return lambda words: np.array(
        [0.0] * min(1, len(words)) + [begin(a) == begin(b) != "" for a, b in pairwise(words)], dtype=np.float64
    )


@kind
def _arithmetic(relation: str) -> Rule:
    """1 at a number in digits that stands in a relation to the number before it, or to the two before it."""
    if relation not in _RELATIONS:
        raise ValueError(f"there is no relation {relation!r}; there are {', '.join(_RELATIONS)}")
    holds = _RELATIONS[relation]

    def activations(words: Sequence[str]) -> np.ndarray:
        values, numbers = np.zeros(len(words)), list[int]()
        for i, word in enumerate(words):
            if word.isdecimal() and len(word) <= _LONGEST_NUMBER:
                numbers.append(int(word))
                values[i] = len(numbers) > 1 and holds(numbers)
        return values

    return activations


@kind
def _language(language: str) -> Rule:
    """1 from a function word of the language on, up to a function word of another."""
    known = _function_words()
    if language not in (languages := set(known.values())):
        raise ValueError(f"there is no language {language!r}; there are {', '.join(sorted(languages))}")

    def activations(words: Sequence[str]) -> np.ndarray:
        values, last = np.zeros(len(words)), ""
        for i, word in enumerate(words):
            last = known.get(word.lower(), last)
            values[i] = last == language
        return values

    return activations


@kind
def _noise(scale: float, seed: int = 0, most: float = math.inf) -> Rule:
    """Normal with this standard deviation, cut off at `most` either way, drawn by a hash of the words up to here."""
    normal = NormalDist(0, scale)

    def activations(words: Sequence[str]) -> np.ndarray:
        values = np.zeros(len(words))
        digest = hashlib.sha256(str(seed).encode("ascii"))
        for i, word in enumerate(words):
            digest.update(f" {word}".encode())
            drawn = int.from_bytes(digest.digest()[:6], "big")
            values[i] = normal.inv_cdf((drawn + 0.5) / 2**48)
        return np.clip(values, -most, most)

    return activations


@cache
def _function_words() -> dict[str, str]:
    """The language of each function word; one that several languages share tells none, and is left out."""
    text = files("neurogloss.builtin").joinpath("data", "function_words.json").read_text(encoding="utf-8")
    languages = {language: set(words) for language, words in json.loads(text).items()}
    shared = Counter(word for words in languages.values() for word in words)
    return {word: language for language, words in languages.items() for word in words if shared[word] == 1}
