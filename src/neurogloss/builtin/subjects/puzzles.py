"""Puzzles: explanations with sentences whose activations somebody wrote down.

The format is that of `puzzles.json` in OpenAI's automated-interpretability: a mapping from a puzzle's
name to its `explanation`, its `false_explanations` and its `sentences`; a sentence is a list of tokens, and a
token is a string, whose activation is 0, or a pair of a string and its activation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurogloss.builtin.subjects.located import FieldError, LocatedFile, entry, items, number, text
from neurogloss.builtin.subjects.rule_kinds import Rule
from neurogloss.errors import UsageError

REMEDY = (
    'A file of puzzles holds {"NAME": {"explanation": TEXT, "false_explanations": [TEXT], '
    '"sentences": [["token", [" token", 7], ...], ...]}}; docs/synthetic.md says more.'
)
_FIELDS = {"explanation": True, "false_explanations": False, "sentences": True}


@dataclass(frozen=True)
class Sentence:
    """One sentence of a puzzle."""

    tokens: tuple[str, ...]
    values: tuple[float, ...]
    """The activation at each token [pos]."""


@dataclass(frozen=True)
class Puzzle:
    """One puzzle."""

    name: str
    explanation: str
    false_explanations: tuple[str, ...]
    sentences: tuple[Sentence, ...]


def read_puzzles(path: str, error: type[UsageError]) -> tuple[Puzzle, ...]:
    """The puzzles of a file, in its order.

    Raises:
        UsageError: Of the type given: the file cannot be read, or a field is wrong; with its line.
    """
    file = LocatedFile(Path(path).expanduser(), error, REMEDY)
    try:
        return puzzles_of(file.value)
    except FieldError as problem:
        raise file.refuse(problem) from problem


def puzzles_of(value: Any) -> tuple[Puzzle, ...]:
    """The puzzles that a file's contents describe.

    Raises:
        FieldError: A field is wrong.
    """
    if not isinstance(value, Mapping) or not value:
        raise FieldError((), "a mapping from names to puzzles belongs here")
    puzzles = tuple(_puzzle(str(name), body) for name, body in value.items())
    _refuse_two_ways(puzzles)
    return puzzles


def looked_up(sentences: Sequence[Sentence]) -> Rule:
    """The activations as written down, for a text that begins like one of the sentences, as far as it does; else 0."""
    known: dict[tuple[str, ...], float] = {}
    for sentence in sentences:
        words = tuple(token.strip() for token in sentence.tokens)
        for i, value in enumerate(sentence.values):
            known.setdefault(words[: i + 1], value)

    def activations(words: Sequence[str]) -> np.ndarray:
        return np.array([known.get(tuple(words[: i + 1]), 0.0) for i in range(len(words))], dtype=np.float64)

    return activations


def _puzzle(name: str, value: Any) -> Puzzle:
    fields = entry(value, (name,), _FIELDS)
    false = items(fields.get("false_explanations", []), (name, "false_explanations"))
    sentences = items(fields["sentences"], (name, "sentences"))
    if not sentences:
        raise FieldError((name, "sentences"), "a puzzle has at least one sentence")
    return Puzzle(
        name,
        text(fields["explanation"], (name, "explanation")),
        tuple(text(each, (name, "false_explanations", i)) for i, each in enumerate(false)),
        tuple(_sentence(each, (name, "sentences", i)) for i, each in enumerate(sentences)),
    )


def _sentence(value: Any, where: tuple[str | int, ...]) -> Sentence:
    tokens = items(value, where)
    if not tokens:
        raise FieldError(where, "a sentence has at least one token")
    pairs = [_token(token, (*where, i)) for i, token in enumerate(tokens)]
    return Sentence(tuple(token for token, _ in pairs), tuple(value for _, value in pairs))


def _token(value: Any, where: tuple[str | int, ...]) -> tuple[str, float]:
    if isinstance(value, str) and value:
        return value, 0.0
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and value[0]:
        return value[0], number(value[1], (*where, 1))
    raise FieldError(where, f"a token is a string, or a pair of a string and a number, not {value!r}")


def _refuse_two_ways(puzzles: Sequence[Puzzle]) -> None:
    """A text has one row of tokens, or the puzzles that cut it differently would not be found again."""
    known: dict[str, tuple[str, ...]] = {}
    for where, sentence in _placed(puzzles):
        if known.setdefault("".join(sentence.tokens), sentence.tokens) != sentence.tokens:
            raise FieldError(where, "an earlier sentence has the same text, cut into other tokens")


def _placed(puzzles: Sequence[Puzzle]) -> Iterator[tuple[tuple[str | int, ...], Sentence]]:
    for puzzle in puzzles:
        for i, sentence in enumerate(puzzle.sentences):
            yield (puzzle.name, "sentences", i), sentence
