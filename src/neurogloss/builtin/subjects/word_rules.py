"""Kinds of rules that look at one word at a time."""

from __future__ import annotations

import re

from neurogloss.builtin.subjects.rule_kinds import Rule, each, kind


@kind
def _words(words: list[str]) -> Rule:
    """1 at any of these words, in upper or lower case."""
    if isinstance(words, str):  # would be taken letter by letter
        raise TypeError(f"words is a list, not {words!r}")
    chosen = {word.lower() for word in words}
    return each(lambda word: word.lower() in chosen)


@kind
def _graded(values: dict[str, float]) -> Rule:
    """Each word's own value, in upper or lower case."""
    known = {word.lower(): float(value) for word, value in values.items()}
    return each(lambda word: known.get(word.lower(), 0))


@kind
def _pattern(pattern: str) -> Rule:
    """1 at words that match the regular expression from end to end."""
    compiled = re.compile(pattern)
    return each(lambda word: compiled.fullmatch(word) is not None)


@kind
def _length(above: int) -> Rule:
    """How many letters a word has above this many."""
    return each(lambda word: max(0, len(word) - above) if word.isalpha() else 0)


@kind
def _constant(value: float) -> Rule:
    """The same value everywhere."""
    return each(lambda _: value)
