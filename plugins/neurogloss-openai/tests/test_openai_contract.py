"""The shipped contract suite on every way of asking."""

from __future__ import annotations

from typing import Any

import pytest

from neurogloss.testing import LanguageModelContract
from neurogloss_openai.configs import ChoiceMethod, Endpoint
from neurogloss_openai.model import OpenAIModel


class TestChatContract(LanguageModelContract):
    @pytest.fixture
    def llm(self, wire: Any) -> OpenAIModel:
        client: OpenAIModel = wire.client()
        return client

    @pytest.fixture
    def failing_llm(self, wire: Any) -> OpenAIModel:
        wire.key = "another"
        client: OpenAIModel = wire.client()
        return client


class TestCompletionsContract(LanguageModelContract):
    @pytest.fixture
    def llm(self, wire: Any) -> OpenAIModel:
        abilities = ["generate", "choice_logprobs", "seed"]
        options = {"endpoint": Endpoint.COMPLETIONS, "choice_method": ChoiceMethod.AUTO, "provides": abilities}
        client: OpenAIModel = wire.client(**options)
        return client


class TestVllmContract(LanguageModelContract):
    @pytest.fixture
    def llm(self, wire: Any) -> OpenAIModel:
        wire.tokenizer, wire.begins = "vllm", "<s>"
        abilities = ["generate", "choice_logprobs", "json_schema", "seed", "n", "text_logprobs"]
        client: OpenAIModel = wire.client(choice_method=ChoiceMethod.ECHO, provides=abilities)
        return client

    @pytest.fixture
    def failing_llm(self, wire: Any) -> OpenAIModel:
        wire.faults = [(500, {}, {})] * 20
        client: OpenAIModel = wire.client(choice_method=ChoiceMethod.ECHO)
        return client


class TestLlamaCppContract(LanguageModelContract):
    @pytest.fixture
    def llm(self, wire: Any) -> OpenAIModel:
        wire.tokenizer, wire.echo, wire.style = "llama", "refused", "content"
        client: OpenAIModel = wire.client(choice_method=ChoiceMethod.SLOTS, parallel_calls=1)
        return client
