"""The Anthropic plugin against a real vLLM server, which speaks the Messages API too."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from neurogloss.cli.main import main
from neurogloss.records.documents import Message
from neurogloss.records.requests import GenerateReply, GenerateRequest
from neurogloss_anthropic.configs import AnthropicConfig
from neurogloss_anthropic.model import AnthropicModel

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}},
    "required": ["city"],
    "additionalProperties": False,
}
ONE_UNIT = ("units=[layers.5.mlp/12]", "floor=[]")
CAPITAL = (Message("system", "You answer with one word."), Message("user", "What is the capital of France?"))


def test_a_message_is_answered_and_counted(vllm_server: Any) -> None:
    request = GenerateRequest(CAPITAL, max_tokens=12)

    async def ask() -> tuple[GenerateReply, int]:
        model = AnthropicModel(AnthropicConfig(vllm_server.model, api_key_env=None, base_url=vllm_server.url))
        try:
            return await model.generate(request), await model.count_tokens(request)
        finally:
            await model.close()

    reply, counted = asyncio.run(ask())
    assert "Paris" in reply.completions[0].text
    assert counted == reply.usage.prompt_tokens


def test_texts_follow_a_schema(vllm_server: Any) -> None:
    async def ask() -> GenerateReply:
        model = AnthropicModel(AnthropicConfig(vllm_server.model, api_key_env=None, base_url=vllm_server.url))
        try:
            return await model.generate(GenerateRequest(CAPITAL, max_tokens=60, json_schema=SCHEMA))
        finally:
            await model.close()

    (completion,) = asyncio.run(ask()).completions
    assert set(json.loads(completion.text)) == {"city"}


def test_a_small_run(vllm_server: Any, small_run: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    overrides = (*vllm_server.anthropic, "simulator=json", *ONE_UNIT)
    code = main(["run", *small_run, *overrides, "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    told = json.loads(captured.out)
    (row,) = told["scores"]
    assert row["n_answered"] > 0
    assert row["n_answered"] + row["n_unparsable"] == row["n_asked"]
    assert told["ledger"]["prompt_tokens"] > 0


def test_a_small_run_whose_simulator_fails_invents_nothing(
    vllm_server: Any, small_run: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    # By schema, the server would make even this model write JSON; on its own it cannot.
    overrides = (*vllm_server.anthropic, "llm.provides=[generate]", "simulator=json", *ONE_UNIT)
    code = main(["run", *small_run, *overrides, "--json"])
    captured = capsys.readouterr()
    assert code in (0, 1), captured.err
    told = json.loads(captured.out)
    assert len(told["explanations"]) == 1
    (row,) = told["scores"]
    if "failure" in row:
        assert row["failure"]["reason"] == "unparsable"
    else:
        assert row["n_unparsable"] > 0
        assert row["n_unparsable"] + row["n_answered"] + row["n_failed"] == row["n_asked"]
