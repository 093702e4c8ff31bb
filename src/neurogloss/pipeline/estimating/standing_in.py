"""A ledger that asks nothing: it notes requests, and answers so that the pipeline goes on."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurogloss.interfaces.language_model import LanguageModel
from neurogloss.interfaces.token_counting import TokenCounting
from neurogloss.pipeline.ledgered_model import Answering, request_key, verb_of
from neurogloss.pipeline.prices import in_process
from neurogloss.records.requests import (
    ChoiceReply,
    Completion,
    GenerateReply,
    GenerateRequest,
    Reply,
    Request,
    TextReply,
    TextRequest,
)

Group = tuple[str, str]
"""A role and a verb: requests that are alike."""

_WORD = re.compile(r"[^\W\d_]{3,}")
_GLOSS_WORDS = 8
"""Words taken from the prompt, so that a gloss is as long as most are, and another for each unit."""


@dataclass(frozen=True)
class Asked:
    """A request that would have been made."""

    key: str
    """As in the ledger."""
    role: str
    model: LanguageModel
    request: Request

    @property
    def group(self) -> Group:
        """Who asks, and what."""
        return self.role, verb_of(self.request)


class NotingLedger(Answering):
    """Notes every request and answers it itself.

    Texts are plausible glosses, or the shortest instance of the schema that is asked for; choices are
    equally likely, and of a text each word is.
    """

    def __init__(self) -> None:
        self._asked: dict[str, Asked] = {}

    async def ask(self, role: str, model: LanguageModel, verb: str, request: Request) -> Reply:
        key = request_key(model, verb, request)
        self._asked.setdefault(key, Asked(key, role, model, request))
        return stand_in_reply(request)

    async def usable_choices(self, model: LanguageModel, choices: Sequence[str]) -> tuple[str, ...]:
        """Of a model in this process, what its tokenizer says; else all, since asking a server may cost."""
        if in_process(model.identity()) and isinstance(model, TokenCounting):
            return await model.usable_choices(choices)
        return tuple(choices)

    def reject(self, model: LanguageModel, request: Request) -> None:
        """Nothing was asked."""

    def taken(self) -> list[Asked]:
        """The different requests since this was last called."""
        asked = list(self._asked.values())
        self._asked = {}
        return asked


def stand_in_reply(request: Request) -> Reply:
    """A reply that says nothing and can be read; it depends on the request alone."""
    if isinstance(request, TextRequest):
        n_tokens = max(1, len(request.text.split()))
        return TextReply(float(-n_tokens), n_tokens)
    if not isinstance(request, GenerateRequest):
        shape = (len(request.pieces) - 1, len(request.choices))
        return ChoiceReply(np.full(shape, -np.log(max(1, shape[1]))))
    text = _gloss(request) if request.json_schema is None else shortest_json(request.json_schema)
    return GenerateReply((Completion(text),) * request.n)


def shortest_json(schema: Mapping[str, Any]) -> str:
    """The text of about the smallest value that follows a schema of plain keywords."""
    return json.dumps(_smallest(schema), separators=(",", ":"))


def _smallest(schema: Mapping[str, Any]) -> Any:
    if "const" in schema or schema.get("enum"):
        return schema["const"] if "const" in schema else schema["enum"][0]
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            return {name: _smallest(properties.get(name, {})) for name in schema.get("required", properties)}
        case "array":
            return [_smallest(schema.get("items", {}))] * int(schema.get("minItems", 0))
        case "string":
            return "x" * int(schema.get("minLength", 0))
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "boolean":
            return True
    return None


def _gloss(request: GenerateRequest) -> str:
    digest = hashlib.sha256(repr((request.messages, request.seed)).encode("utf-8", "replace")).digest()
    known = sorted(set(_WORD.findall(request.messages[-1].content))) or ["something"]
    picked = [known[int.from_bytes(digest[i : i + 3], "big") % len(known)] for i in range(_GLOSS_WORDS)]
    return f"words like {' '.join(picked).lower()}"
