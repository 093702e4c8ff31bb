"""A level for each token of a list, to be written as JSON, as the simulator `json` asks for them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from neurogloss.builtin.llms.readers.reader import Answer, word
from neurogloss.builtin.llms.truth import Truth
from neurogloss.records.requests import GenerateRequest, Request

_TOP = 10
_LIST = re.compile(r"^[^\[\n]*(?P<tokens>\[.*\])\s*$", re.MULTILINE)


def levels_as_json(request: Request) -> Answer | None:
    """Reads the last list of strings in the last turn, where earlier turns show how levels are written."""
    if not isinstance(request, GenerateRequest):
        return None
    *before, last = (message.content for message in request.messages)
    if not any('"activation":' in content for content in before):
        return None
    tokens = next((tokens for tokens in map(_tokens, reversed(_LIST.findall(last))) if tokens), None)
    return None if tokens is None else lambda truth: _written(truth, tokens)


def _tokens(text: str) -> list[str] | None:
    try:
        tokens = json.loads(text)
    except ValueError:
        return None
    return tokens if all(isinstance(token, str) for token in tokens) else None


def _written(truth: Truth, tokens: Sequence[str]) -> str:
    levels = truth.levels([word(token) for token in tokens], _TOP)
    entries = [{"token": token, "activation": int(level)} for token, level in zip(tokens, levels, strict=True)]
    return json.dumps({"activations": entries}, ensure_ascii=False)
