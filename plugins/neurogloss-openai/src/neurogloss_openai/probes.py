"""Finding out what a server can do: a handful of tiny questions."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from importlib import resources
from typing import Any

from neurogloss.errors import LanguageModelError, PermanentError
from neurogloss.interfaces.language_model import CHOICE_LOGPROBS, GENERATE, JSON_SCHEMA
from neurogloss.interfaces.probing import Finding
from neurogloss.interfaces.text_logprobs import TEXT_LOGPROBS
from neurogloss.records.documents import Message
from neurogloss.records.requests import GenerateRequest
from neurogloss_openai import texts
from neurogloss_openai.calls import Caller
from neurogloss_openai.choices import METHODS, TRIAL, ChoiceAsker
from neurogloss_openai.clients import Server
from neurogloss_openai.configs import ABILITIES, SAMPLES, SEED, ChoiceMethod, Endpoint, OpenAIConfig
from neurogloss_openai.generation import generate, turns
from neurogloss_openai.replies import completions_of
from neurogloss_openai.texts import text_logprobs

_QUESTIONS: dict[str, Any] = json.loads((resources.files(__package__) / "probes.json").read_text(encoding="utf-8"))
_MOST_NAMES = 8
_TOKENS = 24
_WAYS = {
    ChoiceMethod.ECHO: "prompt log-probabilities (echo)",
    ChoiceMethod.SLOTS: "log-probabilities in completions (slots)",
    ChoiceMethod.TOP_LOGPROBS: "log-probabilities in chat (top_logprobs)",
}


class _Prober:
    def __init__(self, config: OpenAIConfig, server: Server, asker: ChoiceAsker) -> None:
        # Asked as if it could do everything: what it can is what is to be found out.
        self._config = replace(config, provides=list(ABILITIES))
        self._declared = config
        self._server = server
        self._asker = asker
        self._caller = Caller(server, 1)

    async def findings(self) -> tuple[Finding, ...]:
        abilities: dict[str, Callable[[], Awaitable[str]]] = {
            GENERATE: self._generate,
            SEED: self._seed,
            SAMPLES: self._samples,
            JSON_SCHEMA: self._schema,
        }
        found = [await self._tried("models", self._models)]
        for ability, question in abilities.items():
            finding = await self._tried(ability, question)
            found.append(_compared(finding, ability in self._declared.abilities, f"provides with {ability}"))
        declared = self._declared.choice_method if CHOICE_LOGPROBS in self._declared.abilities else None
        for method in METHODS:
            finding = await self._tried(_WAYS[method], lambda method=method: self._choices(method))  # type: ignore[misc]
            setting = f"choice_method={method.value} and provides with {CHOICE_LOGPROBS}"
            found.append(_compared(finding, method is declared, "" if declared else setting))
        finding = await self._tried(TEXT_LOGPROBS, self._likelihood)
        found.append(_compared(finding, TEXT_LOGPROBS in self._declared.abilities, f"provides with {TEXT_LOGPROBS}"))
        finding = await self._tried("assistant prefill", self._prefill)
        found.append(_compared(finding, self._declared.prefill, ""))
        return tuple(found)

    async def _tried(self, ability: str, question: Callable[[], Awaitable[str]]) -> Finding:
        try:
            return Finding(ability, True, await question())
        except LanguageModelError as error:
            return Finding(ability, False, " ".join(str(error).split()))

    async def _models(self) -> str:
        listed = (await self._server.models()).get("data")
        names = [str(entry.get("id")) for entry in listed or [] if isinstance(entry, dict)]
        if self._config.model not in names and self._config.azure_endpoint is None:
            known = ", ".join(sorted(names)[:_MOST_NAMES]) or "none"
            more = ", ..." if len(names) > _MOST_NAMES else ""
            raise PermanentError(f"The server does not list {self._config.model!r}; it lists {known}{more}.")
        return f"lists {self._config.model}, one of {len(names)}"

    async def _generate(self) -> str:
        return repr(await self._text(_request("text")))

    async def _seed(self) -> str:
        request = _request("varied", temperature=1.0, seed=11)
        first, second = await self._text(request), await self._text(request)
        if first != second:
            raise PermanentError("Equal requests with equal seeds got different texts.")
        return "equal requests with equal seeds got equal texts"

    async def _samples(self) -> str:
        reply = await generate(self._caller, self._config, _request("varied", temperature=1.0, n=2))
        return f"{len(reply.completions)} texts came from one call"

    async def _schema(self) -> str:
        text = await self._text(_request("schema_text", json_schema=_QUESTIONS["schema"]))
        try:
            followed = json.loads(text) == {"bird": "heron"}
        except ValueError:
            followed = False
        if not followed:
            raise PermanentError(f"The reply does not follow the schema: {text!r}.")
        return "the reply follows a schema that the prompt does not tell"

    async def _choices(self, method: ChoiceMethod) -> str:
        await self._asker.ask(method, TRIAL)
        return f"the server tells the {self._config.top_logprobs} most likely tokens"

    async def _likelihood(self) -> str:
        reply = await text_logprobs(self._caller, self._config, texts.TRIAL)
        return f"the server tells how likely a text of {reply.n_tokens} tokens is"

    async def _prefill(self) -> str:
        messages = (
            Message("user", _QUESTIONS["prefill_user"]),
            Message("assistant", _QUESTIONS["prefill_reply"]),
        )
        config = self._config
        body = {"messages": turns(config, messages), config.token_limit_field.value: 4, **config.extra_body}
        text = completions_of(Endpoint.CHAT, await self._server.ask(Endpoint.CHAT, body))[0].text
        if not text.startswith("is"):
            raise PermanentError(f"The server does not continue a last message of the assistant; it says {text!r}.")
        return "the server continues a last message of the assistant"

    async def _text(self, request: GenerateRequest) -> str:
        return (await generate(self._caller, self._config, request)).completions[0].text


def _request(question: str, **options: Any) -> GenerateRequest:
    return GenerateRequest((Message("user", _QUESTIONS[question]),), max_tokens=_TOKENS, **options)


def _compared(finding: Finding, declared: bool, setting: str) -> Finding:
    detail = finding.detail
    if declared and not finding.works:
        detail = f"declared, but: {detail}"
    if finding.works and not declared and setting:
        detail = f"{detail}; not declared: set {setting}"
    return Finding(finding.ability, finding.works, detail, claimed=declared)


async def probe(config: OpenAIConfig, server: Server, asker: ChoiceAsker) -> tuple[Finding, ...]:
    """What works, found out by trying, and where it is not what is declared.

    Args:
        config: What is declared.
        server: Where to ask.
        asker: How choices are asked for.
    """
    return await _Prober(config, server, asker).findings()
