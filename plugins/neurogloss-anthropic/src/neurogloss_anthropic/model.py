"""The language model `anthropic`."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import Any

from anthropic import AnthropicError

from neurogloss.errors import LanguageModelError, PermanentError, TransientError
from neurogloss.interfaces.batching import BatchSubmission
from neurogloss.interfaces.language_model import GENERATE, JSON_SCHEMA, LanguageModel
from neurogloss.interfaces.probing import Finding, Probing
from neurogloss.interfaces.token_counting import TokenCounting
from neurogloss.interfaces.turns import TurnTaking, turn
from neurogloss.records.requests import GenerateReply, GenerateRequest, Request, Usage
from neurogloss_anthropic import batches
from neurogloss_anthropic.bodies import call_arguments, count_arguments
from neurogloss_anthropic.clients import Client, Connections, connect, secret_of
from neurogloss_anthropic.configs import AnthropicConfig, Platform
from neurogloss_anthropic.failures import failure_of, of_error
from neurogloss_anthropic.probes import findings
from neurogloss_anthropic.replies import completion_of, tokens_counted, total, usage_of

_JSON_PROMPT_TOKENS = 1024
"""More than what the API adds to a prompt to explain a schema or a tool."""

_CHANGING_REPLIES = (
    "thinking",
    "thinking_budget_tokens",
    "effort",
    "send_temperature",
    "json_method",
    "dialect",
    "extra_body",
)


class AnthropicModel(LanguageModel, BatchSubmission, TokenCounting, Probing, TurnTaking):
    """Claude, or what a server that speaks the Messages API serves.

    Every call is one attempt. The API knows no seed and, at Anthropic's, no temperature: equal
    requests may get other replies there.
    """

    def __init__(self, config: AnthropicConfig) -> None:
        self._config = config
        self.batched, self.batch_wait = config.batch, config.batch_wait
        self._connections = Connections(config)
        if config.platform is not Platform.ANTHROPIC:
            connect(config)  # what the platform lacks is told now, not by every call

    @property
    def capabilities(self) -> frozenset[str]:
        """`generate` and `json_schema`, unless `provides` says otherwise."""
        provided = self._config.provides
        return frozenset({GENERATE, JSON_SCHEMA} if provided is None else provided)

    def identity(self) -> Mapping[str, str]:
        """Provider, model, endpoint, the host of another server, and the options that change replies."""
        config = self._config
        told = {"provider": config.platform.value, "model": config.model, "endpoint": "messages"}
        if config.base_url is not None:
            told["server"] = config.server
        usual = AnthropicConfig()
        options = {name: getattr(config, name) for name in _CHANGING_REPLIES}
        return told | {name: _spelled(value) for name, value in options.items() if value != getattr(usual, name)}

    async def generate(self, request: GenerateRequest) -> GenerateReply:
        """Generates `request.n` texts, each by a call of its own.

        A conversation that ends with the assistant's turn is continued by models that allow it; the
        others refuse it.

        Raises:
            TransientError: May succeed when asked again.
            PermanentError: Will not.
        """
        self._demand_texts()
        arguments, bound = self.arguments(request), self.bound(request)
        most_tokens = ((bound.prompt_tokens or 0) + (bound.completion_tokens or 0)) // request.n
        bodies = await asyncio.gather(
            *(self._text(arguments, most_tokens) for _ in range(request.n)),
            # All of them end before one's failure is told, so that no paid call is dropped half-way.
            return_exceptions=True,
        )
        for body in bodies:
            if isinstance(body, BaseException):
                raise body
        return self.reply(request, bodies)

    async def submit(self, name: str, requests: Mapping[str, GenerateRequest]) -> str:
        """See `BatchSubmission.submit`; the name is not used, as the API knows none."""
        self._demand_texts()
        return await batches.submit(self, requests)

    async def find(self, name: str, requests: Mapping[str, GenerateRequest], others: Collection[str]) -> str | None:
        """See `BatchSubmission.find`.

        An unfinished batch of the same size may be somebody else's. Then it turns out to hold none of the
        requests, which have failed, and can be asked again.
        """
        return await batches.find(self, requests, others)

    async def collect(
        self, batch: str, requests: Mapping[str, GenerateRequest]
    ) -> Mapping[str, GenerateReply | LanguageModelError] | None:
        """See `BatchSubmission.collect`."""
        return await batches.collect(self, batch, requests)

    async def count_tokens(self, request: Request) -> int:
        """The prompt tokens of all `n` calls, as the server counts them; see `TokenCounting.count_tokens`."""
        if not isinstance(request, GenerateRequest):
            raise PermanentError("The Messages API tells no log-probabilities, so it counts no tokens for them.")
        arguments = count_arguments(self.arguments(request))
        body = await self._asked(lambda client: client.messages.with_raw_response.count_tokens(**arguments))
        return request.n * tokens_counted(body)

    def n_calls(self, request: Request) -> int:
        """See `TurnTaking.n_calls`: one for each text."""
        return request.n if isinstance(request, GenerateRequest) else 1

    def bound(self, request: Request) -> Usage:
        """As `LanguageModel.bound`, with room for thinking and for what the API adds for JSON."""
        bound = super().bound(request)
        if not isinstance(request, GenerateRequest):
            return bound
        added = _JSON_PROMPT_TOKENS if request.json_schema is not None and JSON_SCHEMA in self.capabilities else 0
        return replace(
            bound,
            prompt_tokens=(bound.prompt_tokens or 0) + request.n * added,
            completion_tokens=(bound.completion_tokens or 0) + request.n * self._config.thinking_tokens,
        )

    async def probe(self) -> tuple[Finding, ...]:
        """Whether the model answers, follows a schema, reads its cache, and counts tokens."""
        return await findings(self, caches=self._config.cache_prompt)

    async def close(self) -> None:
        """Closes the connections."""
        await self._connections.close()

    def arguments(self, request: GenerateRequest) -> dict[str, Any]:
        """The arguments of the client's `messages.create` for one text of a request."""
        return call_arguments(request, self._config, json=JSON_SCHEMA in self.capabilities)

    def reply(self, request: GenerateRequest, bodies: Sequence[Any]) -> GenerateReply:
        """The reply that the bodies of `request.n` messages make.

        Raises:
            TransientError: One is malformed.
        """
        stops = [stop for stop in request.stop if not stop.strip()]
        return GenerateReply(tuple(completion_of(body, stops) for body in bodies), total(map(usage_of, bodies)))

    def failure(self, error: object) -> LanguageModelError:
        """The failure of one request of a batch, from the `error` that the API tells of it."""
        return of_error(error, self._config, os.environ.get(self._config.api_key_env or ""))

    async def sent(self, call: Callable[[Client], Awaitable[Any]]) -> Any:
        """What a call with the client gives, within the time that one may take.

        Errors are raised without their cause: its text holds what a server said, and that may hold the key.

        Raises:
            LanguageModelError: It failed.
        """
        client, config = await self._connections.client(), self._config
        try:
            async with asyncio.timeout(config.timeout_s):
                return await call(client)
        except TimeoutError:
            raise TransientError(f"{config.server} did not answer in {config.timeout_s:g} s.") from None
        except AnthropicError as error:
            raise failure_of(error, config, secret_of(client)) from None

    async def _text(self, arguments: Mapping[str, Any], most_tokens: int) -> Any:
        """The body of one message."""
        async with turn(most_tokens) as taken:
            body = await self._asked(lambda client: client.messages.with_raw_response.create(**arguments))
            usage = usage_of(body)
            if usage.prompt_tokens is not None and usage.completion_tokens is not None:
                taken.tokens = usage.prompt_tokens + usage.completion_tokens
            return body

    async def _asked(self, call: Callable[[Client], Awaitable[Any]]) -> Any:
        """The decoded body of the raw response that a call gives."""
        response = await self.sent(call)
        try:
            return await response.json()
        except ValueError:
            raise TransientError("malformed reply: it is no JSON") from None

    def _demand_texts(self) -> None:
        if GENERATE not in self.capabilities:
            raise PermanentError(f"{self._config.model} was told not to provide {GENERATE}.")


def _spelled(value: Any) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
