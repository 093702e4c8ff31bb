"""Presets, identities, bounds, Azure, and values that are refused."""

from __future__ import annotations

from importlib import import_module, resources
from importlib.metadata import EntryPoint
from typing import Any

import hydra
import pytest
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from neurogloss.config.conversion import given, held
from neurogloss.config.secrets import refuse_secrets
from neurogloss.errors import ConfigError
from neurogloss.interfaces.bounds import byte_bound
from neurogloss.plugin.registry import load_registry
from neurogloss.records.documents import Message
from neurogloss.records.requests import ChoiceRequest, GenerateRequest
from neurogloss_openai.configs import USUAL, ChoiceMethod, Endpoint, OpenAIConfig
from neurogloss_openai.model import OpenAIModel

PRESETS = sorted(
    file.name.removesuffix(".yaml") for file in (resources.files("neurogloss_openai.conf") / "llm").iterdir()
)
NEEDED = {
    "vllm_server": ["llm.model=m"],
    "llama_cpp": ["llm.model=m"],
    "ollama": ["llm.model=m"],
    "openrouter": ["llm.model=a/m"],
    "azure": ["llm.model=m", "llm.azure_endpoint=https://r.openai.azure.com"],
}
MESSAGES = (Message("user", "Name a bird."),)


def composed(preset: str, *overrides: str) -> OpenAIConfig:
    ConfigStore.instance().store(group="llm", name="openai", node=held(OpenAIConfig, "openai"))
    with hydra.initialize_config_module("neurogloss_openai.conf", version_base="1.3"):
        values = hydra.compose(overrides=[f"+llm={preset}", *overrides]).llm
    plain: Any = OmegaConf.to_container(values)
    assert plain.pop("component") == "openai"
    refuse_secrets(plain, "llm")
    config = given(OpenAIConfig, plain, "llm")
    assert isinstance(config, OpenAIConfig)
    return config


def test_the_presets_are_those_that_the_readme_names() -> None:
    assert set(NEEDED) <= set(PRESETS)
    assert {"gpt_4o", "gpt_4o_mini", "gpt_4_1", "gpt_5"} <= set(PRESETS)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_composed_and_built(preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = composed(preset, *NEEDED.get(preset, []))
    if config.api_key_env is not None:
        monkeypatch.setenv(config.api_key_env, "canary")
    model = OpenAIModel(config)
    assert model.identity()["model"] == config.model
    assert model.capabilities <= {"generate", "choice_logprobs", "json_schema", "text_logprobs"}
    assert "canary" not in str(dict(model.identity()))
    if preset in NEEDED:
        with pytest.raises(ConfigError, match=r"llm\.(model|azure_endpoint) has no value"):
            composed(preset)


def test_the_plugin_registers_and_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary")
    registry = load_registry([EntryPoint("openai", "neurogloss_openai.plugin", "neurogloss")])
    assert registry.problems == ()
    assert all(import_module(package) for package in registry.config_packages)
    (component,) = registry.components()
    assert component.provides == USUAL
    assert isinstance(registry.build(component, OpenAIConfig(model="gpt-4o")), OpenAIModel)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"model": " "}, "model"),
        ({"provides": ["generate", "sing"]}, "provides"),
        ({"omit": ["messages"]}, "omit"),
        ({"top_logprobs": 0}, "top_logprobs"),
        ({"parallel_calls": 0}, "parallel_calls"),
        ({"reasoning_tokens": -1}, "reasoning_tokens"),
        ({"timeout_s": 0.0}, "timeout_s"),
        ({"base_url": "localhost:8000"}, "base_url"),
        ({"base_url": "http://me:pass-9@host/v1"}, "base_url"),
        ({"base_url": "http://host/v1", "azure_endpoint": "https://r"}, "azure_endpoint"),
        ({"azure_endpoint": "https://r"}, "api_version"),
    ],
)
def test_values_that_mean_nothing_are_refused(options: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError, match=f"^{field}") as caught:
        OpenAIConfig(**{"model": "m", **options}).check()
    assert "pass-9" not in str(caught.value)


def test_the_identity_tells_what_changes_replies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary")

    def identity(**options: Any) -> dict[str, str]:
        return dict(OpenAIModel(OpenAIConfig(**{"model": "gpt-4o", **options})).identity())

    plain = identity(provides=["generate"])
    assert plain == {"provider": "openai", "model": "gpt-4o", "endpoint": "chat"}
    for changed in (
        {"endpoint": Endpoint.RESPONSES},
        {"reasoning_effort": "low"},
        {"extra_body": {"top_k": 1}},
        {"base_url": "http://127.0.0.1:8000/v1"},
        {"omit": ["temperature"]},
    ):
        assert identity(provides=["generate"], **changed) != plain
    assert identity(base_url="http://127.0.0.1:8000/v1")["server"] == "127.0.0.1:8000"
    assert identity(model="/models/a/b")["model"] == "b"
    assert identity(timeout_s=3.0, parallel_calls=1) == identity()
    # Echo and slots ask about the same text; chat about another.
    echo, slots = (identity(choice_method=method) for method in (ChoiceMethod.ECHO, ChoiceMethod.SLOTS))
    assert echo == slots
    assert identity()["choices"] != echo["choices"]
    assert identity(prefill=True) != identity()


def test_bounds_hold_all_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary")

    def bound(request: Any, **options: Any) -> Any:
        return OpenAIModel(OpenAIConfig(model="m", **options)).bound(request)

    text = GenerateRequest(MESSAGES, max_tokens=10, n=3)
    assert bound(text, reasoning_tokens=100).completion_tokens == 3 * (10 + 100)
    assert bound(text).prompt_tokens == byte_bound(text).prompt_tokens
    choice = ChoiceRequest(("a =>", "\nb =>", "\n"), ("0", "1"), "unknown")
    whole = len("a =>unknown\nb =>unknown\n")
    echo = bound(choice, choice_method=ChoiceMethod.ECHO)
    assert whole <= echo.prompt_tokens < 2 * whole
    assert echo.completion_tokens == 1
    chat = bound(choice)
    assert chat.completion_tokens == 2
    assert chat.prompt_tokens > (byte_bound(choice).prompt_tokens or 0) + 2 * 100, "the question is sent with each slot"


async def test_bounds_are_kept(wire: Any) -> None:
    choice = ChoiceRequest(("a =>", "\ncaf\u00e9 =>", "\n"), ("0", "1"), "unknown")
    for method in (ChoiceMethod.ECHO, ChoiceMethod.SLOTS, ChoiceMethod.TOP_LOGPROBS):
        for fill in ("unknown", None):
            client = wire.client(choice_method=method)
            request = ChoiceRequest(choice.pieces, choice.choices, fill)
            usage, bound = (await client.choice_logprobs(request)).usage, client.bound(request)
            assert usage.prompt_tokens <= bound.prompt_tokens
            assert usage.completion_tokens <= bound.completion_tokens
    text = GenerateRequest(MESSAGES, max_tokens=10, n=3)
    for options in ({}, {"provides": ["generate"]}):
        client = wire.client(**options)
        usage, bound = (await client.generate(text)).usage, client.bound(text)
        assert usage.prompt_tokens <= bound.prompt_tokens
        assert usage.completion_tokens <= bound.completion_tokens


async def test_azure_is_asked_through_its_own_client(wire: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "other")
    body = {"choices": [{"message": {"content": "heron"}, "finish_reason": "stop"}]}
    wire.faults = [(200, {}, body)]
    options = {"base_url": None, "azure_endpoint": wire.address, "api_version": "2024-10-21", "provider": "azure"}
    client = wire.client(**options)
    reply = await client.generate(GenerateRequest(MESSAGES, max_tokens=5))
    assert reply.completions[0].text == "heron"
    assert wire.seen[-1][0] == "/openai/deployments/tiny/chat/completions?api-version=2024-10-21"
    assert wire.headers[-1]["api-key"] == wire.key
    assert client.identity()["server"] == wire.address.removeprefix("http://")
    assert client.identity()["api_version"] == "2024-10-21"
