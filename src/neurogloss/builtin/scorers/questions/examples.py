"""Invented questions for each kind of scorer, made from the invented units of `prompts.examples`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neurogloss.builtin.prompts.examples import EXAMPLES, ExampleRecord
from neurogloss.builtin.prompts.marks import MARKS
from neurogloss.builtin.prompts.rendering import shown
from neurogloss.builtin.scorers.questions.asking import Example

_UNITS = len(EXAMPLES)


def detection_examples() -> tuple[Example, ...]:
    """Two texts on which each unit fires, and two of the others'."""
    return tuple(
        _turned(
            example.explanation,
            [(_text(own), 1) for own in example.records] + [(_text(other), 0) for other in _others(i)],
            i + 1,
        )
        for i, example in enumerate(EXAMPLES)
    )


def fuzzing_examples() -> tuple[Example, ...]:
    """The texts of each unit with the right tokens marked, and with as many others."""
    return tuple(
        _turned(
            example.explanation,
            [(_marked(own, right), int(right)) for right in (True, False) for own in example.records],
            i + 1,
        )
        for i, example in enumerate(EXAMPLES)
    )


def intruder_examples(*, marked: bool) -> tuple[Example, ...]:
    """Two texts of each unit and one of another's, whose place is the answer."""
    return tuple(
        _which(
            i,
            [_marked(own, True) if marked else _text(own) for own in EXAMPLES[i].records],
            _marked(_others(i)[0], False) if marked else _text(_others(i)[0]),
        )
        for i in range(_UNITS)
    )


def discrimination_examples(*, marked: bool) -> tuple[Example, ...]:
    """A text of each unit, whose place is the answer, and two of others, in which marks are where those fire."""

    def text(record: ExampleRecord) -> str:
        return _marked(record, True) if marked else _text(record)

    return tuple(_which(i, [text(other) for other in _others(i)], text(EXAMPLES[i].records[0])) for i in range(_UNITS))


def _others(unit: int) -> list[ExampleRecord]:
    return [EXAMPLES[(unit + step) % _UNITS].records[step % 2] for step in (1, 2)]


def _text(record: ExampleRecord) -> str:
    return shown("".join(record.tokens))


def _turned(explanation: str, asked: Sequence[tuple[str, int]], by: int) -> Example:
    """The questions in an order that differs between units."""
    turned = [*asked[by:], *asked[:by]]
    return Example(explanation, tuple(text for text, _ in turned), tuple(answer for _, answer in turned))


def _which(unit: int, alike: Sequence[str], meant: str) -> Example:
    place = (unit + 1) % (len(alike) + 1)
    texts = [*alike[:place], meant, *alike[place:]]
    return Example(EXAMPLES[unit].explanation, tuple(texts), (place,))


def _marked(record: ExampleRecord, right: bool) -> str:
    """The text with the tokens above level 0 marked, or with as many others, spread over the text."""
    above = np.array(record.levels) > 0
    if not right:
        zeros = [i for i in np.flatnonzero(~above) if record.tokens[i].strip().isalpha()]
        above = np.isin(np.arange(len(above)), zeros[1 :: max(1, len(zeros) // int(above.sum()))][: int(above.sum())])
    marks = MARKS[0]
    text = ""
    for token, is_marked in zip(record.tokens, above, strict=True):
        lead = len(token) - len(token.lstrip())
        text += f"{token[:lead]}{marks.open}{token[lead:]}{marks.close}" if is_marked else token
    return shown(text.replace(marks.close + marks.open, "").replace(f"{marks.close} {marks.open}", " "))
