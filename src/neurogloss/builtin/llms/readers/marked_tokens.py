"""Whether the marked tokens of each of a few texts are those that a unit fires on, as the scorer `fuzzing` asks."""

from __future__ import annotations

import numpy as np

from neurogloss.builtin.llms.readers.reader import Answer
from neurogloss.builtin.llms.readers.texts import asked_texts, unescaped, yes_or_no
from neurogloss.builtin.prompts.marks import MARKS, Marks
from neurogloss.builtin.subjects.synthetic import tokens_of
from neurogloss.records.requests import Request


def marked_tokens(request: Request) -> Answer | None:
    """Reads as many texts as there are slots, `Text 1 =>Yes`, where each text holds the same marks."""
    found = asked_texts(request, "Text #")
    if found is None or set(found[0].choices) != {"Yes", "No"} or len(found[1]) != len(found[0].pieces) - 1:
        return None
    asked, texts = found
    parts = words_and_marks(texts)
    if parts is None:
        return None
    return lambda truth: yes_or_no(asked, [truth.fires_just_at(*part) for part in parts])


def words_and_marks(texts: list[str]) -> list[tuple[list[str], np.ndarray]] | None:
    """The words [pos] of each shown text and which are marked, bool [pos]; `None` unless all hold the same marks."""
    marks = next((pair for pair in MARKS if all(mark in text for text in texts for mark in pair)), None)
    return None if marks is None else [_taken_apart(unescaped(text), marks) for text in texts]


def _taken_apart(text: str, marks: Marks) -> tuple[list[str], np.ndarray]:
    """The words of the text without its marks, and which of them were marked."""
    plain, inside = "", []
    for number, part in enumerate(text.replace(marks.close, marks.open).split(marks.open)):
        plain += part
        inside += [number % 2 == 1] * len(part)
    words, marked, at = [], [], 0
    for token in tokens_of(plain):
        at += len(token)
        words.append(token.strip())
        marked.append(inside[at - 1])
    return words, np.array(marked, dtype=bool)
