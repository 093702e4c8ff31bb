"""How the records of a unit are shown in a prompt: tokens with levels, or texts with what fires marked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from neurogloss.builtin.prompts.examples import ExampleRecord
from neurogloss.builtin.prompts.marks import MARKS, Marks, marks_absent_from
from neurogloss.builtin.prompts.rendering import shown
from neurogloss.records.activations import ActivationRecord, levels

Passage = Sequence[tuple[str, int]]
"""Tokens, each as it is shown and with its level from 0 to 10."""

_PAIRS = (MARKS[1], MARKS[0], *MARKS[2:])
"""In the order in which explainers have always taken them: their prompts, and what was paid for them, stay the same."""


@dataclass(frozen=True)
class MarkedPassage:
    """A text in which what fires is marked."""

    text: str
    levels: tuple[tuple[str, int], ...]
    """The marked tokens with their levels, in order."""


def passages(records: Sequence[ActivationRecord], window: int | None = None) -> list[Passage]:
    """The records' tokens with their levels; the largest value that is shown has level 10.

    Args:
        records: What to show.
        window: Only this many tokens around each record's maximum.
    """
    if window is not None:
        records = [record.centred(window) for record in records]
    maximum = max((record.maximum for record in records), default=0.0)
    return [
        [
            (shown(piece.text), int(level))
            for piece, level in zip(record.sequence.pieces, levels(record.piece_values, maximum), strict=True)
        ]
        for record in records
    ]


def example_passage(record: ExampleRecord) -> Passage:
    """A passage of an invented unit."""
    return [(shown(token), level) for token, level in zip(record.tokens, record.levels, strict=True)]


def marks_for(texts: Iterable[str]) -> Marks:
    """The marks of what fires in these texts."""
    return marks_absent_from(texts, _PAIRS)


def marked(passage: Passage, mark_from: int, marks: Marks) -> MarkedPassage:
    """A passage as running text; neighbouring tokens from level `mark_from` on stand between one pair of marks."""
    text = ""
    for fires, run in groupby(passage, key=lambda token: token[1] >= mark_from):
        joined = plain(list(run))
        body = joined.lstrip(" ")
        text += f"{joined[: len(joined) - len(body)]}{marks.open}{body}{marks.close}" if fires else joined
    return MarkedPassage(text.strip(), tuple(token for token in passage if token[1] >= mark_from))


def plain(passage: Passage) -> str:
    """A passage as running text."""
    return "".join(token for token, _ in passage)
