"""What a reader is, and what readers have in common."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from neurogloss.builtin.llms.truth import Truth
from neurogloss.records.requests import ChoiceRequest, Request, TextRequest

Answer = Callable[[Truth], str | np.ndarray]
"""From what is true of the unit to the reply: the text, or the log-probabilities float64 [slot choice]."""

Reader = Callable[[Request], Answer | None]
"""How to answer a request; `None` where the request is none of the reader's, or lacks what it asks about."""


def told(request: Request) -> str:
    """The part of a request in which the explanation stands: the last turn of the user's, and what precedes
    the first slot; so that an explanation among the examples of a conversation counts for nothing."""
    if isinstance(request, TextRequest):
        return request.context
    opening = request.pieces[0] if isinstance(request, ChoiceRequest) else ""
    last = next((message.content for message in reversed(request.messages) if message.role == "user"), "")
    return f"{last}\n{opening}"


def word(shown: str) -> str:
    """The synthetic subject's word of a token as a prompt shows it on one line."""
    return shown.replace("\\n", "\n").replace("\\r", "\r").replace("\\t", "\t").strip()


def certain(answers: np.ndarray, n_choices: int) -> np.ndarray:
    """Log-probabilities that leave no doubt.

    Args:
        answers: The index of the right choice at each slot, int64 [slot].
        n_choices: How many choices there are.

    Returns:
        float64 [slot choice]: 0 at the answer, minus infinity elsewhere.
    """
    logprobs = np.full((len(answers), n_choices), -np.inf)
    logprobs[np.arange(len(answers)), answers] = 0.0
    return logprobs
