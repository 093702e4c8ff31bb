"""A level at each token: lines `token =>SLOT`, as the simulator `logprob` writes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neurogloss.builtin.llms.readers.reader import Answer, certain, word
from neurogloss.builtin.llms.truth import Truth
from neurogloss.records.requests import ChoiceRequest, Request

_MARK = "=>"


def levels_at_slots(request: Request) -> Answer | None:
    """Reads the token that stands on the line of each slot, before the mark."""
    if not isinstance(request, ChoiceRequest):
        return None
    levels = {choice: int(choice) for choice in request.choices if choice.isdecimal()}
    top = len(levels) - 1
    lines = [piece.rpartition("\n")[2].rstrip() for piece in request.pieces[:-1]]
    if sorted(levels.values()) != list(range(len(request.choices))) or not all(line.endswith(_MARK) for line in lines):
        return None
    words = [word(line.removesuffix(_MARK)) for line in lines]
    if top < 1 or not any(words):
        return None
    return lambda truth: certain(_columns(truth, words, top, request.choices), len(request.choices))


def _columns(truth: Truth, words: Sequence[str], top: int, choices: Sequence[str]) -> np.ndarray:
    return np.array([choices.index(str(level)) for level in truth.levels(words, top)], dtype=np.int64)
