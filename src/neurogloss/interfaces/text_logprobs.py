"""`TextLogprobs`: how likely a text is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # plugins name the capability from here, and listing plugins must not wait for numpy
    from neurogloss.records.requests import TextReply, TextRequest

TEXT_LOGPROBS = "text_logprobs"


class TextLogprobs(ABC):
    """An ability of a language model: it tells how likely a text is after a context.

    A model that has it registers with `provides=(..., "text_logprobs")` and has it among its
    `capabilities`. Components are given the ability by the ledger, whether the model has it or not,
    so they declare `requires=("text_logprobs",)`.
    """

    @abstractmethod
    async def text_logprobs(self, request: TextRequest) -> TextReply:
        """The log-probability of `request.text` after `request.context`.

        Raises:
            TransientError: May succeed when asked again.
            PermanentError: Will not; also where no token starts between context and text.
        """
