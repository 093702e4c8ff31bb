"""Which of a few texts a unit fires on, or does not, as the scorers `discrimination` and `intruder` ask."""

from __future__ import annotations

import numpy as np

from neurogloss.builtin.llms.readers.marked_tokens import words_and_marks
from neurogloss.builtin.llms.readers.reader import Answer, certain
from neurogloss.builtin.llms.readers.texts import asked_texts, words_of
from neurogloss.builtin.llms.truth import Truth
from neurogloss.records.requests import Request


def text_that_fires(request: Request) -> Answer | None:
    """Reads a numbered list of texts before the slot `Text =>3`."""
    return _chosen(request, "Text", fires=True)


def intruder(request: Request) -> Answer | None:
    """Reads a numbered list of texts before the slot `Intruder =>3`."""
    return _chosen(request, "Intruder", fires=False)


def _chosen(request: Request, label: str, *, fires: bool) -> Answer | None:
    """The number of the first text that does as wanted; of the last, if none does.

    Where all texts hold marks, what counts is whether the unit fires at the marked tokens and at no others.
    """
    found = asked_texts(request, label)
    if found is None or len(found[0].pieces) != 2 or len(found[1]) != len(found[0].choices):
        return None
    asked, texts = found
    words, parts = [words_of(text) for text in texts], words_and_marks(texts)

    def answer(truth: Truth) -> np.ndarray:
        right = [truth.fires(each) for each in words] if parts is None else [truth.fires_just_at(*p) for p in parts]
        place = right.index(fires) if fires in right else len(texts) - 1
        return certain(np.array([asked.choices.index(str(place + 1))]), len(asked.choices))

    return answer
