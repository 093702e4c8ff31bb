"""The prompt tokens of requests, from the tokenizer alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neurogloss.records.requests import GenerateRequest, Request, TextRequest
from neurogloss_transformers.batching import Call
from neurogloss_transformers.slots import TextEncoder


@dataclass(frozen=True)
class TokenCount:
    """Asks how many prompt tokens a request has."""

    request: Request


def answer_counts(encoder: TextEncoder, calls: Sequence[Call]) -> None:
    """Answers calls whose requests are `TokenCount`s; each gets its number or its error."""
    for call in calls:
        assert isinstance(call.request, TokenCount)
        try:
            call.succeed(_prompt_tokens(encoder, call.request.request))
        except Exception as error:  # the error of one request, which must not reach the others
            call.fail(error)


def _prompt_tokens(encoder: TextEncoder, request: Request) -> int:
    """What the usage of a reply would tell: what a text is written after, or what stands before the last slot."""
    if isinstance(request, TextRequest):
        return len(encoder.encode(request.context + request.text, with_bos=True).tokens)
    if isinstance(request, GenerateRequest):
        text, with_bos = encoder.prompt(request.messages)
        return len(encoder.encode(text, with_bos=with_bos).tokens)
    slotted = encoder.slotted(request.messages, request.pieces)
    fill = request.choices[0] if request.fill is None else request.fill
    text, starts = slotted.filled([fill] * slotted.n_slots)
    return encoder.encode(text, with_bos=slotted.with_bos).token_at(starts[-1], slotted.n_slots - 1)
