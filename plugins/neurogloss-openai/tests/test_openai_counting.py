"""Prompt tokens are counted before anything is sent."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from neurogloss.errors import PermanentError
from neurogloss.records.documents import Message
from neurogloss.records.requests import ChoiceRequest, GenerateRequest
from neurogloss_openai.configs import ChoiceMethod, OpenAIConfig
from neurogloss_openai.model import OpenAIModel

CHAT = (Message("system", "Say a level."), Message("user", "Which is it ?"))
CHOICES = ChoiceRequest(("Levels of words\n cat =>", "\n dog =>", "\n"), ("0", "1"), "0")


@pytest.fixture
def tiktoken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tokenizer of `gpt-4o` whose tokens are words."""

    def encoding_for_model(name: str) -> Any:
        return {"gpt-4o": SimpleNamespace(encode_ordinary=str.split)}[name]

    monkeypatch.setitem(sys.modules, "tiktoken", SimpleNamespace(encoding_for_model=encoding_for_model))
    monkeypatch.setenv("OPENAI_API_KEY", "key")


async def test_a_server_that_tokenizes_counts_as_it_charges(wire: Any) -> None:
    wire.tokenizer = "vllm"
    client = wire.client(choice_method=ChoiceMethod.ECHO)
    asked = GenerateRequest(CHAT, max_tokens=4)
    assert await client.count_tokens(asked) == (await client.generate(asked)).usage.prompt_tokens
    assert await client.count_tokens(CHOICES) == (await client.choice_logprobs(CHOICES)).usage.prompt_tokens


async def test_openai_itself_is_counted_by_its_own_tokenizer(tiktoken: None) -> None:
    model = OpenAIModel(OpenAIConfig("gpt-4o"))
    assert await model.count_tokens(GenerateRequest(CHAT, max_tokens=4)) == 3 + (4 + 3) + (4 + 4)
    # The text before each slot is told in a message: two calls, of which the second has two words more.
    once = await model.count_tokens(ChoiceRequest(CHOICES.pieces[:2], ("0", "1"), "0"))
    assert await model.count_tokens(CHOICES) == 2 * once + 2


async def test_what_nobody_can_count_is_said(tiktoken: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PermanentError, match="no tokenizer for other"):
        await OpenAIModel(OpenAIConfig("other")).count_tokens(GenerateRequest(CHAT, max_tokens=4))
    slots = OpenAIModel(OpenAIConfig("gpt-4o", choice_method=ChoiceMethod.SLOTS))
    with pytest.raises(PermanentError, match="choice_method=slots"):
        await slots.count_tokens(CHOICES)
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    with pytest.raises(PermanentError, match="not installed"):
        await OpenAIModel(OpenAIConfig("gpt-4o")).count_tokens(GenerateRequest(CHAT, max_tokens=4))
