"""Prompt tokens of requests that are not sent: as the server's `/tokenize` counts them, or OpenAI's own tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from neurogloss.errors import PermanentError
from neurogloss.records.documents import Message
from neurogloss.records.requests import GenerateRequest, Request, TextRequest
from neurogloss_openai.choices import befores
from neurogloss_openai.configs import ChoiceMethod, Endpoint, OpenAIConfig
from neurogloss_openai.generation import BLANK_LINE, in_one_call
from neurogloss_openai.value_prompt import ValuePrompt
from neurogloss_openai.vocabulary import Vocabulary

_PER_MESSAGE = 3
"""What OpenAI's chat format puts around a message; as much begins the reply, and the role is a token more.

Source: OpenAI's cookbook, "How to count tokens with tiktoken".
"""

CountText = Callable[[str], int]


async def count_tokens(config: OpenAIConfig, vocabulary: Vocabulary, prompt: ValuePrompt, request: Request) -> int:
    """See `TokenCounting.count_tokens`. What the provider adds for a JSON schema is not counted.

    Raises:
        TransientError: The server could not be asked.
        PermanentError: Neither the server nor `tiktoken` tells.
    """
    if isinstance(request, TextRequest):
        text = request.context + request.text
        return await vocabulary.n_tokens(text) if await vocabulary.tokenizes() else _counter(config)(text)
    if isinstance(request, GenerateRequest):
        times = 1 if in_one_call(config, request) else request.n
        if config.endpoint is Endpoint.COMPLETIONS:
            text = BLANK_LINE.join(message.content for message in request.messages)
            return times * (await vocabulary.n_tokens(text) if await vocabulary.tokenizes() else _counter(config)(text))
        if await vocabulary.tokenizes():
            return times * await vocabulary.n_tokens(await vocabulary.rendered(request.messages), special=False)
        return times * _chat_tokens(_counter(config), request.messages)
    fill = request.choices[0] if request.fill is None else request.fill
    if config.choice_method is ChoiceMethod.ECHO and request.fill is not None and await vocabulary.tokenizes():
        lead = await vocabulary.rendered(request.messages) if request.messages else ""
        return await vocabulary.n_tokens(lead + fill.join(request.pieces), special=not request.messages)
    if config.choice_method is ChoiceMethod.TOP_LOGPROBS and not await vocabulary.tokenizes():
        count = _counter(config)
        asked = befores(request.pieces, [fill] * (len(request.pieces) - 1))
        return sum(_chat_tokens(count, prompt.messages(request, each, prefill=config.prefill)) for each in asked)
    raise PermanentError(f"choice_method={config.choice_method.value} makes calls that are not counted before.")


def _counter(config: OpenAIConfig) -> CountText:
    """OpenAI's own tokenizer of a model, which it downloads once."""
    try:
        import tiktoken

        encoding: Any = tiktoken.encoding_for_model(config.model)
    except ImportError:
        raise PermanentError("tiktoken is not installed, which knows OpenAI's tokenizers") from None
    except Exception as error:  # an unknown model, or whatever a failed download raises
        raise PermanentError(f"tiktoken has no tokenizer for {config.model} ({type(error).__name__})") from None
    return lambda text: len(encoding.encode_ordinary(text))


def _chat_tokens(count: CountText, messages: Sequence[Message]) -> int:
    return _PER_MESSAGE + sum(_PER_MESSAGE + 1 + count(message.content) for message in messages)
