"""How many tokens a request can cost at most, without a tokenizer."""

from __future__ import annotations

import json

from neurogloss.records.requests import GenerateRequest, Request, TextRequest, Usage

_MESSAGE_MARGIN = 16
"""Tokens around one message, and around the whole prompt: roles, separators, a template's own words."""


def byte_bound(request: Request) -> Usage:
    """One token for each byte of UTF-8, a margin for each message, and all that may be written.

    `n` texts are bounded as `n` calls; a choice request as one call per slot, each with the whole text;
    a text request as one call that writes a token, as some servers must.
    """
    if isinstance(request, TextRequest):
        return Usage(_bytes(request.context, request.text) + _MESSAGE_MARGIN, completion_tokens=1)
    texts = [message.content for message in request.messages]
    margin = _MESSAGE_MARGIN * (1 + len(texts))
    if isinstance(request, GenerateRequest):
        schema = json.dumps(request.json_schema, default=dict)
        prompt = _bytes(*texts, schema) + margin
        return Usage(prompt_tokens=request.n * prompt, completion_tokens=request.n * request.max_tokens)
    slots = len(request.pieces) - 1
    longest = max(map(_bytes, request.choices), default=0) if request.fill is None else _bytes(request.fill)
    whole = _bytes(*texts, *request.pieces) + slots * longest + margin
    return Usage(prompt_tokens=slots * whole, completion_tokens=slots)


def _bytes(*texts: str) -> int:
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
