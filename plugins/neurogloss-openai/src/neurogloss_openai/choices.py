"""Log-probabilities of choices, in the cheapest way that the server has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from neurogloss.errors import PermanentError
from neurogloss.records.requests import ChoiceReply, ChoiceRequest
from neurogloss_openai.alignment import AlignedTokens
from neurogloss_openai.calls import Answer, Call, Caller
from neurogloss_openai.clients import Body
from neurogloss_openai.configs import ChoiceMethod, Endpoint, OpenAIConfig
from neurogloss_openai.generation import turns
from neurogloss_openai.replies import EchoedText, TopTokens, echoed_text, next_tokens, total_usage
from neurogloss_openai.value_prompt import ValuePrompt
from neurogloss_openai.vocabulary import Vocabulary

METHODS = (ChoiceMethod.ECHO, ChoiceMethod.SLOTS, ChoiceMethod.TOP_LOGPROBS)
"""The cheapest first."""
TRIAL = ChoiceRequest(pieces=("Count: 1, 2,", ", 4, 5"), choices=(" 3",), fill=" 3")
"""A tiny question that finds out whether a method works."""
_SLOTS_INSTEAD = "Set choice_method=slots, which asks for each slot alone."


class ChoiceAsker:
    """Asks for the log-probabilities of choices.

    Raises:
        ConfigError: The template of the message that asks for a value cannot be used.
    """

    def __init__(self, caller: Caller, vocabulary: Vocabulary, config: OpenAIConfig) -> None:
        self._caller = caller
        self._vocabulary = vocabulary
        self._config = config
        self.prompt = ValuePrompt(config.choice_prompt)
        self._seen: ChoiceMethod | None = None

    async def answer(self, request: ChoiceRequest) -> ChoiceReply:
        """See `LanguageModel.choice_logprobs`.

        Raises:
            TransientError: May succeed when asked again; what was answered is kept until then.
            PermanentError: Will not; also where a choice is no single token.
        """
        if len(request.pieces) < 2:
            raise PermanentError("A choice request needs at least one slot, so at least two pieces.")
        if not request.pieces[0] and not request.messages:
            raise PermanentError(
                "The text begins with a slot, and nothing stands before it that could predict it.",
                remedy="Put some text, or messages, before the first slot.",
            )
        method = await self.method()
        usable = await self._vocabulary.usable(request.choices, method)
        unusable = [repr(choice) for choice in request.choices if choice not in usable]
        if unusable:
            raise PermanentError(
                f"{', '.join(unusable)}: not exactly one token for {self._config.model}, as far as it is known.",
                remedy="If it is one, add it to single_tokens.",
            )
        return await self.ask(method, request)

    async def method(self) -> ChoiceMethod:
        """The configured method, or the first that works.

        Raises:
            TransientError: The server could not be asked.
            PermanentError: None works.
        """
        if self._config.choice_method is not ChoiceMethod.AUTO:
            return self._config.choice_method
        if self._seen is None:
            self._seen = await self._first_that_works()
        return self._seen

    async def ask(self, method: ChoiceMethod, request: ChoiceRequest) -> ChoiceReply:
        """Asks in one way, without asking first whether the choices are tokens."""
        if method is ChoiceMethod.TOP_LOGPROBS:
            return await self._by_slots(request, lambda before: self._chat_call(request, before))
        lead, extra = "", {}
        if request.messages:
            # The template's text holds the marks that the tokenizer would put before a text.
            lead, extra = await self._vocabulary.rendered(request.messages), {"add_special_tokens": False}
        if method is ChoiceMethod.ECHO and request.fill is not None:
            return await self._by_echo(request, lead, extra)
        ids = {"return_tokens_as_token_ids": True} if await self._vocabulary.tokenizes() else {}
        return await self._by_slots(request, lambda before: self._slot_call(lead + before, extra | ids))

    async def _first_that_works(self) -> ChoiceMethod:
        reasons = []
        for method in METHODS:
            try:
                await self.ask(method, TRIAL)
                return method
            except PermanentError as error:
                reasons.append(f"{method.value}: {error.wrong}")
        raise PermanentError(
            f"The server of {self._config.model} tells log-probabilities in no way.",
            known="\n".join(reasons),
            remedy="Take choice_logprobs out of provides, and choose components that do without.",
        )

    async def _by_echo(self, request: ChoiceRequest, lead: str, extra: Body) -> ChoiceReply:
        assert request.fill is not None
        asked = [lead + before for before in befores(request.pieces, [request.fill] * (len(request.pieces) - 1))]
        text = asked[-1] + request.fill + request.pieces[-1]
        body = self._completion_body(text, {"echo": True, **extra})
        call = Call(Endpoint.COMPLETIONS, body, lambda reply: _at_slots(echoed_text(reply), text, asked))
        (answer,) = await self._caller.ask([call])
        self._caller.forget([call])
        return self._reply(request, answer.value, [answer])

    async def _by_slots(self, request: ChoiceRequest, call_for: Callable[[str], Call[TopTokens]]) -> ChoiceReply:
        n_slots = len(request.pieces) - 1
        if request.fill is not None:
            calls = [call_for(before) for before in befores(request.pieces, [request.fill] * n_slots)]
            answers = await self._caller.ask(calls)
        else:
            calls, answers, fills = [], [], list[str]()
            for _ in range(n_slots):
                calls.append(call_for(befores(request.pieces, fills)[-1]))
                answers += await self._caller.ask(calls[-1:])
                row = answers[-1].value.row(self._ids(request))
                fills.append(request.choices[int(np.argmax(row))])
        self._caller.forget(calls)
        return self._reply(request, [answer.value for answer in answers], answers)

    def _slot_call(self, before: str, extra: Body) -> Call[TopTokens]:
        return Call(Endpoint.COMPLETIONS, self._completion_body(before, extra), next_tokens)

    def _chat_call(self, request: ChoiceRequest, before: str) -> Call[TopTokens]:
        config = self._config
        messages = self.prompt.messages(request, before, prefill=config.prefill)
        body: dict[str, Any] = {"messages": turns(config, messages), config.token_limit_field.value: 1}
        body |= {"logprobs": True, "top_logprobs": config.top_logprobs}
        if "temperature" not in config.omit:
            body["temperature"] = 0
        return Call(Endpoint.CHAT, body | config.extra_body, next_tokens)

    def _completion_body(self, prompt: str, extra: Body) -> Body:
        asked = {"prompt": prompt, "max_tokens": 1, "temperature": 0, "logprobs": self._config.top_logprobs}
        return {**asked, **extra, **self._config.extra_body}

    def _ids(self, request: ChoiceRequest) -> dict[str, int | None]:
        return {choice: self._vocabulary.token_id(choice) for choice in request.choices}

    def _reply(self, request: ChoiceRequest, tops: Sequence[TopTokens], answers: Sequence[Answer[Any]]) -> ChoiceReply:
        ids = self._ids(request)
        rows = np.array([top.row(ids) for top in tops], dtype=np.float64)
        return ChoiceReply(rows, total_usage(answer.usage for answer in answers))


def befores(pieces: Sequence[str], fills: Sequence[str]) -> list[str]:
    """The text before each slot, up to the first whose fill is not known."""
    befores = [pieces[0]]
    for fill, piece in zip(fills, pieces[1:-1], strict=False):
        befores.append(befores[-1] + fill + piece)
    return befores


def _at_slots(echoed: EchoedText | None, text: str, befores: Sequence[str]) -> list[TopTokens]:
    """What was expected at each slot of a text that the server was asked to echo.

    Raises:
        PermanentError: The server does not echo, or no token starts at a slot.
    """
    try:
        if echoed is None:
            raise ValueError("no tokens")
        aligned = AlignedTokens(text, echoed.tokens)
    except ValueError:
        raise PermanentError(
            "The server was asked to echo the text with its tokens, and did not.", remedy=_SLOTS_INSTEAD
        ) from None
    found = []
    for slot, before in enumerate(befores):
        index = aligned.token_at(before)
        if index is None:
            raise PermanentError(
                f"No token starts at slot {slot}, which is character {len(before)} of the text.",
                remedy="Put something before the slot that the tokenizer keeps apart, such as a line break.",
            )
        found.append(echoed.top(index))
    if not all(top.by_text or top.by_id for top in found):
        raise PermanentError("The server echoes the text, and tells no log-probabilities of it.", remedy=_SLOTS_INSTEAD)
    return found
