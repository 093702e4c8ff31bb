"""Requests for text, at each of the three endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from neurogloss.errors import PermanentError
from neurogloss.interfaces.language_model import JSON_SCHEMA
from neurogloss.records.documents import Message
from neurogloss.records.requests import Completion, GenerateReply, GenerateRequest
from neurogloss_openai.calls import Answer, Call, Caller
from neurogloss_openai.configs import SAMPLES, SEED, Endpoint, OpenAIConfig
from neurogloss_openai.faults import Refused
from neurogloss_openai.replies import completions_of, total_usage

Completions = tuple[Completion, ...]
BLANK_LINE = "\n\n"
_LEAST_RESPONSE = 16
"""The responses endpoint takes no smaller limit."""
_SCHEMA_NAME = "reply"


async def generate(caller: Caller, config: OpenAIConfig, request: GenerateRequest) -> GenerateReply:
    """The texts, in one call where the server gives several, else in one call for each.

    Raises:
        TransientError: May succeed when asked again.
        PermanentError: Will not.
    """
    calls = calls_of(config, request)
    try:
        answers = await caller.ask(calls)
    except Refused as refusal:
        return refusal_of(refusal, request)
    caller.forget(calls)
    return reply_of(config, request, answers)


def calls_of(config: OpenAIConfig, request: GenerateRequest) -> list[Call[Completions]]:
    """The calls that a request takes: one where the server gives several texts in it, else one for each."""
    read = partial(completions_of, config.endpoint)
    return [
        Call(config.endpoint, text_body(config, request, sample), read, sample)
        for sample in range(1 if in_one_call(config, request) else request.n)
    ]


def in_one_call(config: OpenAIConfig, request: GenerateRequest) -> bool:
    """Whether the server gives all texts of a request in one call."""
    return request.n == 1 or (SAMPLES in config.abilities and config.endpoint is not Endpoint.RESPONSES)


def reply_of(config: OpenAIConfig, request: GenerateRequest, answers: Sequence[Answer[Completions]]) -> GenerateReply:
    """The reply that the answers to all calls make.

    Raises:
        PermanentError: They hold another number of texts.
    """
    completions = [_cut(completion, config, request) for answer in answers for completion in answer.value]
    if len(completions) != request.n:
        raise PermanentError(
            f"{config.model} was asked for {request.n} texts and gave {len(completions)}.",
            remedy="Take n out of provides, so that each text is asked for in a call of its own.",
        )
    return GenerateReply(tuple(completions), total_usage(answer.usage for answer in answers))


def refusal_of(refusal: Refused, request: GenerateRequest) -> GenerateReply:
    """The reply where the server's filter refused the prompt."""
    return GenerateReply((Completion(str(refusal), "refusal"),) * request.n)


def text_body(config: OpenAIConfig, request: GenerateRequest, sample: int = 0) -> dict[str, Any]:
    """A request for text, as JSON without the model.

    Args:
        config: The endpoint and what the server takes.
        request: What is asked.
        sample: Which of several calls for the same request this is; moves the seed.
    """
    body: dict[str, Any] = {}
    limit = request.max_tokens + config.reasoning_tokens
    if "temperature" not in config.omit:
        body["temperature"] = request.temperature
    match config.endpoint:
        case Endpoint.CHAT:
            body |= {"messages": turns(config, request.messages), config.token_limit_field.value: limit}
            if config.reasoning_effort is not None:
                body["reasoning_effort"] = config.reasoning_effort
        case Endpoint.COMPLETIONS:
            body |= {"prompt": BLANK_LINE.join(message.content for message in request.messages), "max_tokens": limit}
        case Endpoint.RESPONSES:
            body |= {
                "input": turns(config, request.messages),
                "max_output_tokens": max(limit, _LEAST_RESPONSE),
                "store": False,
            }
            if config.reasoning_effort is not None:
                body["reasoning"] = {"effort": config.reasoning_effort}
    if config.endpoint is not Endpoint.RESPONSES:  # which knows none of these
        if SEED in config.abilities:
            body["seed"] = request.seed + sample
        if request.stop and "stop" not in config.omit:
            body["stop"] = list(request.stop)
        if request.n > 1 and SAMPLES in config.abilities:
            body["n"] = request.n
    if request.json_schema is not None and JSON_SCHEMA in config.abilities:
        body |= _schema(config.endpoint, request)
    return body | config.extra_body


def turns(config: OpenAIConfig, messages: Sequence[Message]) -> list[dict[str, str]]:
    """Messages as the chat and responses endpoints take them."""
    roles = {"system": config.system_role.value}
    return [{"role": roles.get(message.role, message.role), "content": message.content} for message in messages]


def _schema(endpoint: Endpoint, request: GenerateRequest) -> dict[str, Any]:
    schema = {"name": _SCHEMA_NAME, "schema": request.json_schema, "strict": True}
    if endpoint is Endpoint.RESPONSES:
        return {"text": {"format": {"type": "json_schema", **schema}}}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _cut(completion: Completion, config: OpenAIConfig, request: GenerateRequest) -> Completion:
    """Ends a text at its first stop string, where the server was not told them."""
    if completion.finish_reason == "refusal" or not request.stop:
        return completion
    if config.endpoint is not Endpoint.RESPONSES and "stop" not in config.omit:
        return completion
    ends = [place for stop in request.stop if (place := completion.text.find(stop)) >= 0]
    return Completion(completion.text[: min(ends)], "stop") if ends else completion
