"""A level at each token: lines `token =>SLOT`, or `tokenSLOT` on one line, as the simulator `logprob` writes them.

One request may hold several texts, one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise

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
    # Tokens of one text have at most a line end between them: theirs are escaped.
    starts = [slot for slot, piece in enumerate(request.pieces[:-1]) if not slot or piece.count("\n") > 1]
    texts = [words[start:end] for start, end in pairwise([*starts, len(words)])]
    return lambda truth: certain(_columns(truth, texts, top, request.choices), len(request.choices))


def _columns(truth: Truth, texts: Sequence[Sequence[str]], top: int, choices: Sequence[str]) -> np.ndarray:
    levels = chain(*(truth.levels(words, top) for words in texts))
    return np.array([choices.index(str(level)) for level in levels], dtype=np.int64)
