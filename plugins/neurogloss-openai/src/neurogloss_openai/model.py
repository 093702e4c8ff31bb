"""The language model `openai`."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import PurePath

from neurogloss.errors import LanguageModelError, PermanentError
from neurogloss.interfaces.batching import BatchSubmission
from neurogloss.interfaces.language_model import CHOICE_LOGPROBS, GENERATE, JSON_SCHEMA, LanguageModel
from neurogloss.interfaces.probing import Finding, Probing
from neurogloss.interfaces.text_logprobs import TEXT_LOGPROBS, TextLogprobs
from neurogloss.interfaces.token_counting import TokenCounting
from neurogloss.interfaces.turns import TurnTaking
from neurogloss.records.requests import (
    ChoiceReply,
    ChoiceRequest,
    GenerateReply,
    GenerateRequest,
    Request,
    TextReply,
    TextRequest,
    Usage,
)
from neurogloss_openai.batches import BatchDesk
from neurogloss_openai.calls import Caller
from neurogloss_openai.choices import ChoiceAsker
from neurogloss_openai.clients import Server, address
from neurogloss_openai.configs import ChoiceMethod, OpenAIConfig
from neurogloss_openai.counting import count_tokens
from neurogloss_openai.generation import generate, in_one_call
from neurogloss_openai.probes import probe
from neurogloss_openai.texts import text_logprobs
from neurogloss_openai.vocabulary import Vocabulary


class OpenAIModel(LanguageModel, TextLogprobs, BatchSubmission, Probing, TokenCounting, TurnTaking):
    """A model of OpenAI's, or of any server with OpenAI's API.

    Raises:
        ConfigError: The key's environment variable is not set, or the prompt cannot be used.
    """

    def __init__(self, config: OpenAIConfig) -> None:
        self._config = config
        self.batched, self.batch_wait = config.batch, config.batch_wait
        self._server = Server(config)
        self._desk = BatchDesk(self._server, config)
        self._caller = Caller(self._server, config.parallel_calls)
        self._vocabulary = Vocabulary(self._server, config)
        self._asker = ChoiceAsker(self._caller, self._vocabulary, config)

    @property
    def capabilities(self) -> frozenset[str]:
        """What the server is declared to do."""
        return self._config.abilities & {GENERATE, CHOICE_LOGPROBS, JSON_SCHEMA, TEXT_LOGPROBS}

    def identity(self) -> Mapping[str, str]:
        """Provider, model, endpoint, the server where it is not OpenAI's, and the options that change replies."""
        return self._identity

    @cached_property
    def _identity(self) -> Mapping[str, str]:
        config = self._config
        model = PurePath(config.model)
        options = {
            "server": address(config),
            "api_version": config.api_version or "",
            "reasoning_effort": config.reasoning_effort or "",
            "reasoning_tokens": str(config.reasoning_tokens or ""),
            "omit": ",".join(sorted(config.omit)),
            "extra_body": json.dumps(config.extra_body, sort_keys=True) if config.extra_body else "",
            **self._choice_identity(),
        }
        return {
            "provider": config.provider,
            "model": model.name if model.is_absolute() else config.model,
            "endpoint": config.endpoint.value,
            **{name: value for name, value in options.items() if value},
        }

    async def generate(self, request: GenerateRequest) -> GenerateReply:
        """Generates `request.n` texts; a refusal is one, with `finish_reason="refusal"`.

        At the endpoint `completions` the messages are one text, with blank lines between them.

        Raises:
            TransientError: Time-out, lost connection, malformed reply, status 408, 409, 429 or from 500 on.
            PermanentError: Wrong key, unknown model, a prompt that is too long, anything else.
        """
        self._demand(GENERATE)
        return await generate(self._caller, self._config, request)

    async def submit(self, name: str, requests: Mapping[str, GenerateRequest]) -> str:
        """See `BatchSubmission.submit`."""
        self._demand(GENERATE)
        return await self._desk.submit(name, requests)

    async def find(self, name: str, requests: Mapping[str, GenerateRequest], others: Collection[str]) -> str | None:
        """See `BatchSubmission.find`; batches are found by their name, which is in their metadata."""
        return await self._desk.find(name)

    async def collect(
        self, batch: str, requests: Mapping[str, GenerateRequest]
    ) -> Mapping[str, GenerateReply | LanguageModelError] | None:
        """See `BatchSubmission.collect`."""
        return await self._desk.collect(batch, requests)

    async def usable_choices(self, choices: Sequence[str]) -> tuple[str, ...]:
        """Those of `choices` that are single tokens, as far as the server tells.

        Asked of its tokenizer where it has `/tokenize`; otherwise single characters of ASCII and
        `single_tokens` are, and the rest where a prompt counts one token more with it (not in chat).

        Raises:
            TransientError: The server could not be asked.
            PermanentError: It tells no log-probabilities.
        """
        self._demand(CHOICE_LOGPROBS)
        return await self._vocabulary.usable(choices, await self._asker.method())

    async def choice_logprobs(self, request: ChoiceRequest) -> ChoiceReply:
        """Tells, at each slot, the log-probability of each choice.

        `echo` and `slots` give the numbers of the text itself; `top_logprobs` those of a message that quotes
        it, which is another prompt. Only the `top_logprobs` most likely tokens are known: a choice that is
        not among them has minus infinity, and where no choice is, a slot with `fill=None` takes the first.

        Raises:
            TransientError: A call failed and may succeed when asked again; what was answered is kept until then.
            PermanentError: Will not; also where a choice is no single token, or no token starts at a slot.
        """
        self._demand(CHOICE_LOGPROBS)
        return await self._asker.answer(request)

    async def text_logprobs(self, request: TextRequest) -> TextReply:
        """The log-probability of a text, from a server that echoes its prompt: one call.

        Raises:
            TransientError: The call failed and may succeed when asked again.
            PermanentError: Will not; also where no token starts between context and text.
        """
        self._demand(TEXT_LOGPROBS)
        return await text_logprobs(self._caller, self._config, request)

    def bound(self, request: Request) -> Usage:
        """An upper bound: a token a byte, all calls and what a reasoning model may think included."""
        usage = super().bound(request)
        prompt, completion = usage.prompt_tokens or 0, usage.completion_tokens or 0
        if isinstance(request, GenerateRequest):
            return replace(usage, completion_tokens=completion + request.n * self._config.reasoning_tokens)
        if not isinstance(request, ChoiceRequest):
            return usage
        n_slots = len(request.pieces) - 1
        if self._echoes(request):
            return Usage(prompt_tokens=prompt // max(n_slots, 1), completion_tokens=1)
        return replace(usage, prompt_tokens=prompt + n_slots * self._asker.prompt.longest(request))

    async def count_tokens(self, request: Request) -> int:
        """The prompt tokens of all calls, by the server's `/tokenize` or by `tiktoken`; see `TokenCounting`."""
        return await count_tokens(self._config, self._vocabulary, self._asker.prompt, request)

    def n_calls(self, request: Request) -> int:
        """See `TurnTaking.n_calls`: one for each text that the server gives alone, and for each slot without echo."""
        if isinstance(request, GenerateRequest):
            return 1 if in_one_call(self._config, request) else request.n
        return len(request.pieces) - 1 if isinstance(request, ChoiceRequest) and not self._echoes(request) else 1

    async def probe(self) -> tuple[Finding, ...]:
        """Asks the server a handful of tiny questions, and compares with what is declared."""
        return await probe(self._config, self._server, self._asker)

    async def close(self) -> None:
        """Closes the connections."""
        await self._server.close()

    def _echoes(self, request: ChoiceRequest) -> bool:
        return self._config.choice_method is ChoiceMethod.ECHO and request.fill is not None

    def _demand(self, capability: str) -> None:
        if capability not in self.capabilities:
            raise PermanentError(
                f"{self._config.model} is declared not to provide {capability}.",
                known=f"It provides {', '.join(sorted(self.capabilities)) or 'nothing'}.",
                remedy="If it can, add it to provides; `neurogloss doctor` finds out.",
            )

    def _choice_identity(self) -> dict[str, str]:
        # Echo and slots ask about the same text, so their answers are each other's.
        config = self._config
        if CHOICE_LOGPROBS not in self.capabilities:
            return {}
        if config.choice_method in (ChoiceMethod.ECHO, ChoiceMethod.SLOTS):
            return {"choices": f"text {config.top_logprobs}"}
        where = config.choice_method.value + (" prefill" if config.prefill else "")
        return {"choices": f"{where} {config.top_logprobs}", "choice_prompt": self._asker.prompt.hash}
