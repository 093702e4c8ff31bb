"""What this plugin registers; does not import the client."""

from __future__ import annotations

from neurogloss import Component, hookimpl
from neurogloss_openai.configs import USUAL, OpenAIConfig


@hookimpl
def neurogloss_register_components() -> list[Component]:
    """The language model `openai`."""
    return [
        Component(
            "llm",
            "openai",
            OpenAIConfig,
            "neurogloss_openai.model:OpenAIModel",
            summary="OpenAI, Azure, and every server with OpenAI's API: vLLM, llama.cpp, Ollama, OpenRouter",
            provides=USUAL,
            install_hint="pip install neurogloss-openai",
        )
    ]


@hookimpl
def neurogloss_config_packages() -> list[str]:
    """The presets: `llm=vllm_server`, `llm=ollama`, `llm=gpt_4o`, ..."""
    return ["neurogloss_openai.conf"]
