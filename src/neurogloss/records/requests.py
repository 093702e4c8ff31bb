"""What is asked of a language model, and what it replies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neurogloss.records.documents import Message


@dataclass(frozen=True)
class GenerateRequest:
    """Asks for text."""

    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float = 0.0
    stop: tuple[str, ...] = ()
    seed: int = 0
    json_schema: Mapping[str, Any] | None = None
    """A JSON schema the text must follow, where the backend can enforce one."""
    n: int = 1
    """How many texts, independently drawn."""


@dataclass(frozen=True)
class ChoiceRequest:
    """Asks, at each slot of a text, how likely each of a few choices is.

    Slot `i` lies between `pieces[i]` and `pieces[i + 1]`, so there are `len(pieces) - 1` slots.
    Every choice must be a single token in the backend's tokenizer. With `messages` the text
    continues the assistant's turn that follows them; without, it stands alone.
    """

    pieces: tuple[str, ...]
    choices: tuple[str, ...]
    fill: str | None
    """What later slots read in each earlier slot: this text, or, if `None`, the most likely choice."""
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True)
class TextRequest:
    """Asks how likely a text is after a context, as plain text that a model continues.

    The whole is tokenised as it stands; a token must start where the text starts.
    """

    context: str
    """Not empty: something must stand before the text that predicts its first token."""
    text: str


Request = GenerateRequest | ChoiceRequest | TextRequest


@dataclass(frozen=True)
class Usage:
    """Tokens of one call, as the backend counts them; `None` where it does not tell."""

    prompt_tokens: int | None = None
    cached_prompt_tokens: int | None = None
    """Those of `prompt_tokens` that were read from a cache."""
    completion_tokens: int | None = None
    cache_write_prompt_tokens: int | None = None
    """Those of `prompt_tokens` that were written to a cache, where a provider charges for that."""

    @property
    def cached_share(self) -> float | None:
        """The share of the prompt tokens that were read from a cache; `None` where it is not told."""
        if self.cached_prompt_tokens is None or not self.prompt_tokens:
            return None
        return self.cached_prompt_tokens / self.prompt_tokens


@dataclass(frozen=True)
class Completion:
    """One generated text."""

    text: str
    finish_reason: str = "stop"
    """`stop`, `length` or `refusal`."""


@dataclass(frozen=True)
class GenerateReply:
    """The reply to a `GenerateRequest`: `n` completions."""

    completions: tuple[Completion, ...]
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, eq=False)
class ChoiceReply:
    """The reply to a `ChoiceRequest`."""

    logprobs: np.ndarray
    """float64 [slot choice]: natural logarithms under the full vocabulary; minus infinity where the
    backend did not list a choice."""
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True)
class TextReply:
    """The reply to a `TextRequest`."""

    logprob: float
    """Natural logarithm of the text's probability after the context: the sum over its tokens."""
    n_tokens: int
    """Tokens of the text."""
    usage: Usage = field(default_factory=Usage)


Reply = GenerateReply | ChoiceReply | TextReply
