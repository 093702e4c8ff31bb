"""Which of a few texts a unit fires on, or does not, as the scorers `discrimination` and `intruder` ask."""

from __future__ import annotations

import numpy as np

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
    """The number of the first text that does as wanted; of the last, if none does."""
    found = asked_texts(request, label)
    if found is None or len(found[0].pieces) != 2 or len(found[1]) != len(found[0].choices):
        return None
    asked, words = found[0], [words_of(text) for text in found[1]]

    def answer(truth: Truth) -> np.ndarray:
        place = next((i for i, each in enumerate(words) if truth.fires(each) is fires), len(words) - 1)
        return certain(np.array([asked.choices.index(str(place + 1))]), len(asked.choices))

    return answer
