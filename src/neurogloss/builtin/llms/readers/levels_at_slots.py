"""A level at each token: lines `token =>SLOT`, or `tokenSLOT` on one line, as the simulator `logprob` writes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neurogloss.builtin.llms.readers.reader import Answer, certain, word
from neurogloss.builtin.llms.truth import Truth
from neurogloss.records.requests import ChoiceRequest, Request

_MARK = "=>"
_HIDDEN = " _"
"""What stands in the slots where all tokens are on one line."""


def levels_at_slots(request: Request) -> Answer | None:
    """Reads the token that stands before each slot and its mark, where there is one."""
    if not isinstance(request, ChoiceRequest):
        return None
    levels = {choice: int(choice) for choice in request.choices if choice.isdecimal()}
    top = len(levels) - 1
    lines = [piece.rpartition("\n")[2].rstrip() for piece in request.pieces[:-1]]
    marks = {line.endswith(_MARK) for line in lines}
    if sorted(levels.values()) != list(range(len(request.choices))) or (request.fill != _HIDDEN and marks != {True}):
        return None
    words = [word(line if request.fill == _HIDDEN else line.removesuffix(_MARK)) for line in lines]
    if top < 1 or not any(words):
        return None
    return lambda truth: certain(_columns(truth, words, top, request.choices), len(request.choices))


def _columns(truth: Truth, words: Sequence[str], top: int, choices: Sequence[str]) -> np.ndarray:
    return np.array([choices.index(str(level)) for level in truth.levels(words, top)], dtype=np.int64)
