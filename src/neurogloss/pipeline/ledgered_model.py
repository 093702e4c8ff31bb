"""A language model as components are given it: every call goes through a ledger."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import cast

from neurogloss.interfaces.language_model import CHOICE_LOGPROBS, GENERATE, LanguageModel
from neurogloss.interfaces.text_logprobs import TEXT_LOGPROBS, TextLogprobs
from neurogloss.records import codec
from neurogloss.records.requests import (
    ChoiceReply,
    ChoiceRequest,
    GenerateReply,
    GenerateRequest,
    Reply,
    Request,
    TextReply,
    TextRequest,
    Usage,
)

USABLE_CHOICES = "usable_choices"


class Answering(ABC):
    """What stands between components and language models."""

    def opened_for(self, role: str, model: LanguageModel) -> LanguageModel:
        """The model as a component of this role is to be given it."""
        return LedgeredModel(self, role, model)

    @abstractmethod
    async def ask(self, role: str, model: LanguageModel, verb: str, request: Request) -> Reply:
        """The reply to a request.

        Raises:
            LanguageModelError: There is none.
        """

    @abstractmethod
    async def usable_choices(self, model: LanguageModel, choices: Sequence[str]) -> tuple[str, ...]:
        """See `LanguageModel.usable_choices`."""

    @abstractmethod
    def reject(self, model: LanguageModel, request: Request) -> None:
        """See `LanguageModel.reject`."""

    async def close(self) -> None:  # noqa: B027  (not all have calls in flight)
        """Lets the calls that were sent end, and ends those that were not."""


class LedgeredModel(LanguageModel, TextLogprobs):
    """Asks nothing itself; what the model can do, its capabilities say."""

    def __init__(self, ledger: Answering, role: str, model: LanguageModel) -> None:
        self._ledger = ledger
        self._role = role
        self._model = model

    @property
    def capabilities(self) -> frozenset[str]:
        return self._model.capabilities

    def identity(self) -> Mapping[str, str]:
        return self._model.identity()

    def bound(self, request: Request) -> Usage:
        return self._model.bound(request)

    async def usable_choices(self, choices: Sequence[str]) -> tuple[str, ...]:
        return await self._ledger.usable_choices(self._model, choices)

    async def generate(self, request: GenerateRequest) -> GenerateReply:
        return cast(GenerateReply, await self._ledger.ask(self._role, self._model, GENERATE, request))

    async def choice_logprobs(self, request: ChoiceRequest) -> ChoiceReply:
        return cast(ChoiceReply, await self._ledger.ask(self._role, self._model, CHOICE_LOGPROBS, request))

    async def text_logprobs(self, request: TextRequest) -> TextReply:
        return cast(TextReply, await self._ledger.ask(self._role, self._model, TEXT_LOGPROBS, request))

    def reject(self, request: Request) -> None:
        self._ledger.reject(self._model, request)


def request_key(model: LanguageModel, verb: str, request: Request | tuple[str, ...]) -> str:
    """SHA-256 of the model's identity, the verb and the whole request."""
    return encoded_key(model, verb, codec.encode(request))


def encoded_key(model: LanguageModel, verb: str, request: str) -> str:
    """`request_key` of a request that is encoded already."""
    parts = (codec.encode(dict(sorted(model.identity().items()))), verb, request)
    return hashlib.sha256("\n".join(parts).encode("utf-8")).hexdigest()


def verb_of(request: Request) -> str:
    """The verb that a request is for."""
    return {GenerateRequest: GENERATE, ChoiceRequest: CHOICE_LOGPROBS, TextRequest: TEXT_LOGPROBS}[type(request)]


def describe(model: LanguageModel) -> str:
    """A model's identity on one line."""
    return " ".join(f"{key}={value}" for key, value in sorted(model.identity().items()))
